"""What clusters add to the ratios of classes, and what few clusters of a class leave unknown of them.

Where a cluster is mostly of one class, as a patient with one diagnosis is, a rare class lies in a handful of clusters
however many there are. Around its own share the clusters of a class scatter by less than around the truth: each draws
the share towards itself by its part ``h`` of the rows that count, and what it adds is divided by ``√(1 − h)`` (CR2).
That is enough where large clusters vary less than small ones. Where rows of a cluster are alike they vary as much, and
a large one beside a small one hides nearly all that it is off by: shares vary by ``Σh²`` times as much as one cluster,
and around their own mean by ``Σh²(1 − 2h + Σh²)`` times. A class in one cluster scatters by nothing at all. So what
each class says of its scatter is put together with what all classes say, which counts as one more cluster.

Of a single class only those clusters tell anything that have rows of it, and the quantile is that of so many.

With clusters of few classes alike, F1 bends down by more than its rows tell: ``−Σ h·moved`` is its bias.

Source: Bell and McCaffrey 2002, Bias reduction in standard errors for linear regression with multi-stage samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.cells import dot

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells
    from evalcli.uncertainty.slopes import Linear, Ratio

_LEAST_REST = 1e-9
_POOLED = 1.0
"""For how many clusters of a class the scatter of all classes counts."""


class Moves(NamedTuple):
    """Of a mean over classes: the ``sums`` (G,) of clusters, the variance ``unseen`` beside their squares, ``bias``."""

    sums: HostArray
    unseen: float
    bias: float


class OneClass(NamedTuple):
    """Of the ratio of one class: its ``variance``, the ``rows`` that count of each cluster, how far they ``moved`` it.

    ``together`` is the part of the variance that clusters have to tell if their rows are alike: 0 of single rows, of
    which the ratio says how they vary, and nearly 1 of large clusters.
    """

    variance: float
    rows: HostArray
    moved: HostArray
    together: float

    @property
    def effective(self) -> float:
        """How many clusters of equal size would tell as much of it: ``(Σm)² / Σm²``."""
        return float(self.rows.sum()) ** 2 / dot(self.rows, self.rows)


class _Moved(NamedTuple):
    """Of each pair (P,) by how much it moves a ratio, and its share of the rows that count, (C,) of each class."""

    moved: HostArray
    share: HostArray
    rows: HostArray


class ByClass:
    """Rows of each cluster that count for each class, as of it or called so: pairs (P,) of a class and a cluster."""

    def __init__(self, cells: Cells, cluster: HostArray, cell: HostArray, amounts: HostArray, count: int) -> None:
        target, preds = cells.target[cell], cells.preds[cell]
        self._right = target == preds
        wrong = np.flatnonzero((preds >= 0) & ~self._right)
        classes, owners = np.r_[target, preds[wrong]], np.r_[cluster, cluster[wrong]]
        pairs, place = np.unique(classes * max(count, 1) + owners, return_inverse=True)
        self.classes, self.owners = np.divmod(pairs, max(count, 1))
        self._place, self._wrong, self._amounts = place.reshape(-1), wrong, amounts
        self._cells, self._count = cells, count
        self._last: tuple[Ratio, _Moved] | None = None  # a ratio is asked for of one class after the other

    def sums(self, part: Linear) -> HostArray:
        """That of the rows of each pair (P,), of what needs no rows of other classes."""
        of_class = np.where(self._right, part.tp + part.support + part.predicted, part.support)
        rows = np.r_[self._amounts * of_class, self._amounts[self._wrong] * part.predicted]
        found: HostArray = np.bincount(self._place, rows, len(self.classes))
        return found

    def total(self, parts: HostArray) -> HostArray:
        """Over the clusters of each class (C,)."""
        found: HostArray = np.bincount(self.classes, parts, self._cells.size)
        return found

    def _moved_by(self, ratio: Ratio) -> _Moved:
        """By how much each pair moves the ratio of its class."""
        if self._last is None or self._last[0] != ratio:
            top, bottom = (self.sums(part) for part in ratio)
            below = self.total(bottom)
            there = np.where(below > 0.0, below, 1.0)
            value = self.total(top) / there
            moved = (top - value[self.classes] * bottom) / there[self.classes]
            self._last = ratio, _Moved(moved, bottom / there[self.classes], below)
        return self._last[1]

    def of_class(self, ratio: Ratio, place: int, mean_weight: float) -> OneClass | None:
        """How clusters move the ratio of the class at this ``place``; ``None`` where no row counts."""
        moved, share, below = self._moved_by(ratio)
        first, last = np.searchsorted(self.classes, [place, place + 1]).tolist()
        moved, share = (part[first:last][share[first:last] > 0.0] for part in (moved, share))
        if not len(share):
            return None
        rows = share * below[place]
        together = max(1.0 - mean_weight * float(rows.sum()) / dot(rows, rows), 0.0)
        squares = dot(share, share)
        free = dot(share * share, np.maximum(1.0 - 2.0 * share + squares, 0.0))
        grown = 1.0 + together * (squares / free - 1.0) if free > _LEAST_REST else 0.0
        return OneClass(grown * dot(moved, moved), rows, moved, together)

    def of_mean(self, ratio: Ratio, weights: HostArray) -> Moves:
        """Those of the mean of ``ratio`` over classes with ``weights`` (C,)."""
        moved, share, _ = self._moved_by(ratio)
        weight = weights[self.classes]
        told = moved / np.sqrt(np.maximum(1.0 - share, _LEAST_REST))
        sums: HostArray = np.bincount(self.owners, weight * told, self._count)
        held = weights > 0.0
        told, apart, squares, free = (
            self.total(part)[held]
            for part in (told * told, moved * moved, share * share, share * share * self._free(share))
        )
        some = squares > 0.0
        told, apart, squares, free = told[some], apart[some], squares[some], free[some]
        beside = np.maximum(1.0 / squares - 1.0, 0.0)
        known, least = float(free.sum()), _LEAST_REST
        single = float(apart.sum()) / known if known > least else self._alike(ratio, held)
        own = np.where(free > least, apart / np.maximum(free, least), single)
        shrunk = squares * (beside * own + _POOLED * single) / (beside + _POOLED)
        unseen = dot(weights[held][some] ** 2, shrunk - told)
        return Moves(sums, max(unseen, 0.0), -dot(weight * share, moved))

    def _free(self, share: HostArray) -> HostArray:
        """How much a cluster varies around the ratio of its class, over what it does around the truth (P,)."""
        squares = self.total(share * share)
        left: HostArray = np.maximum(1.0 - 2.0 * share + squares[self.classes], 0.0)
        return left

    def _alike(self, ratio: Ratio, held: HostArray) -> float:
        """The variance of a cluster that is all right or all wrong."""
        top, bottom = (part.of(self._cells.margins)[held] for part in ratio)
        mean = float(np.mean(top[bottom > 0.0] / bottom[bottom > 0.0])) if (bottom > 0.0).any() else 0.0
        return mean * (1.0 - mean)
