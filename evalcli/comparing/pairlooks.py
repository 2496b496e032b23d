"""How a row of one model moves the AUROC of every class against every other.

A row takes part in the pairs of its own class: it is to be ranked above the rows of each other class by its own score,
and below them by theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.paired import RowInfluence

if TYPE_CHECKING:
    from evalcli.comparing.looks import LookedUp
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.ranking import KeyTable

MOST_CLASSES = 20
"""With more the rankings of all pairs take more room than all else."""


class PairLook(NamedTuple):
    """The influences on the AUROC of class ``i`` against ``j``, by both, on their mean; rows of the smallest class."""

    pairs: dict[tuple[int, int], RowInfluence]
    smallest: float

    @classmethod
    def of(cls, table: KeyTable) -> PairLook:
        """Those of a pairwise table, of the pairs of classes that both have rows."""
        size = table.columns
        rankings = {(i, j): table.ranking(i, against=j) for i in range(size) for j in range(size) if i != j}
        held = {pair: ranking for pair, ranking in rankings.items() if ranking.defined}
        share = 1.0 / max(len(held), 1)
        pairs = {pair: RowInfluence.of_auroc(ranking).times(share) for pair, ranking in held.items()}
        return cls(pairs, min((float(ranking.positives) for ranking in held.values()), default=0.0))

    def influence(self, rows: LookedUp) -> HostArray:
        """That of each row (N,)."""
        total = np.zeros(len(rows.scores))
        for (mine, theirs), column in self.pairs.items():
            for of, moved in ((mine, column.positive), (theirs, column.negative)):
                held = rows.positives(of)
                if len(held):
                    total[held] += moved[column.segments.bins(rows.scores[held, mine])]
        return total
