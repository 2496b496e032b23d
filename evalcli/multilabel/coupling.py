"""How much more a number of the ranks of several labels varies than if labels were independent, from a sample of rows.

Each row of the sample has an influence on the ranks of every label. What these vary by when they are added up row by
row, over what they vary by one at a time, is the coupling: 1 where labels have nothing in common, their number where
all go the same way. The variances of the labels themselves are those of all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.paired import RowInfluence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.label_sample import SampledRows
    from evalcli.metrics.roc import Ranking

LEAST_ROWS = 20
"""Fewer rows do not tell."""
_LEAST = 0.1
_OF = {"auroc": RowInfluence.of_auroc, "average_precision": RowInfluence.of_average_precision}


def of_labels(
    base: str, rows: SampledRows, rankings: Sequence[Ranking], weights: HostArray, shifts: HostArray
) -> float | None:
    """The coupling of a mean over labels (L,); ``None`` where too little is known.

    ``shifts`` (L,) is what a row that is true adds by the weight of its label, 0 where weights are given.
    """
    moved = np.stack([_moved(base, rows, place, ranking) for place, ranking in enumerate(rankings)], axis=1) * weights
    return _coupling(moved, rows.counts, moved + (rows.target == 1) * shifts)


def of_cells(base: str, rows: SampledRows, pooled: Ranking) -> float | None:
    """That of a micro average."""
    moved = np.stack([_moved(base, rows, place, pooled) for place in range(rows.scores.shape[1])], axis=1)
    return _coupling(moved, rows.counts, moved)


def _moved(base: str, rows: SampledRows, place: int, ranking: Ranking) -> HostArray:
    """The influences (K,) of the cells of a label, 0 of those that do not count."""
    target = rows.target[:, place]
    scores = np.where(target >= 0, rows.scores[:, place], 0.0)
    found: HostArray = np.where(target >= 0, _OF[base](ranking).at(scores, target == 1), 0.0)
    return found


def _coupling(moved: HostArray, counts: HostArray, whole: HostArray) -> float | None:
    single = _variances(moved, counts).sum()
    if counts.sum() < LEAST_ROWS or not single > 0.0:
        return None
    together = float(_variances(whole.sum(axis=1)[:, None], counts)[0])
    return max(together / float(single), _LEAST)


def _variances(values: HostArray, counts: HostArray) -> HostArray:
    share = counts / counts.sum()
    found: HostArray = share @ (values - share @ values) ** 2
    return found
