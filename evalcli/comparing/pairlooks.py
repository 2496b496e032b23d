"""How a row of one model moves the AUROC of every class against every other.

A row takes part in the pairs of its own class: it is to be ranked above the rows of each other class by its own score,
and below them by theirs. Both need one look at the column of each class: how many of the class lie above a score is the
same for the rows of all other classes, and what lies below it adds up over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from evalcli.comparing.looks import LookedUp
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.ranking import KeyTable
    from evalcli.metrics.segments import Segments


class _Column(NamedTuple):
    """The column of a class: what its own rows add, by bin (B,), and the share of them ``above`` those of others (B,).

    ``areas`` (C,) are the AUROC against each other class.
    """

    segments: Segments
    own: HostArray
    above: HostArray
    areas: HostArray


class PairLook(NamedTuple):
    """The columns of the classes that have rows, what a row of each class counts (C,), and rows of the smallest."""

    columns: dict[int, _Column]
    counts: HostArray
    smallest: float

    @classmethod
    def of(cls, table: KeyTable) -> PairLook:
        """Those of a pairwise table."""
        rows = np.array([float(table.entries(0, side)[1].sum()) for side in range(table.columns)])
        held = np.flatnonzero(rows > 0)
        share = 1.0 / max(len(held) * (len(held) - 1), 1)
        counts = np.divide(share, rows, out=np.zeros(len(rows)), where=rows > 0)
        columns = {} if len(held) < 2 else {i: _column(table, i, held.tolist(), rows, share) for i in held.tolist()}
        return cls(columns, counts, float(rows[held].min()) if columns else 0.0)

    def influence(self, rows: LookedUp) -> HostArray:
        """That of each row (N,) on the mean over pairs."""
        total, target = np.zeros(len(rows.scores)), np.empty(len(rows.scores), np.int64)
        target[rows.order] = np.repeat(np.arange(len(self.counts)), np.diff(rows.ends))
        for number, column in self.columns.items():
            bins, mine = column.segments.bins(rows.scores[:, number]), rows.positives(number)
            moved = (column.above[bins] - column.areas[target]) * self.counts[target]
            moved[mine] = column.own[bins[mine]]
            total += moved
        return total


def _column(table: KeyTable, number: int, held: list[int], rows: HostArray, share: float) -> _Column:
    """That of one class; ties, and rows of one bin, count ½."""
    segments = table.ranking(number).segments
    scores, amounts = zip(*(table.entries(number, side) for side in held), strict=True)
    ends = np.cumsum([len(each) for each in scores])
    at = segments.bins(np.concatenate(scores))
    side = np.repeat(held, np.diff(ends, prepend=0))
    parts = np.concatenate(amounts) / rows[side]
    mine = side == number
    own, others = (np.bincount(at[kept], parts[kept], len(segments)) for kept in (mine, ~mine))
    above, below = 1.0 - (own.cumsum() - own / 2.0), others.cumsum() - others / 2.0
    areas = np.where(np.arange(len(rows)) != number, np.bincount(side, parts * above[at], len(rows)), 0.0)
    return _Column(segments, (below - areas.sum()) * (share / rows[number]), above, areas)
