"""What clusters add to the ratios of classes, and what few clusters of a class leave unknown of them.

Where a cluster is mostly of one class, as a patient with one diagnosis is, a rare class lies in a handful of clusters
however many there are. Around its own share the clusters of a class scatter by less than around the truth: each draws
the share towards itself by its part ``h`` of the rows that count, and what it adds is divided by ``√(1 − h)`` (CR2). A
class in one cluster scatters by nothing at all. So what each class says of its scatter is put together with what all
classes say, which counts as one more cluster.

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

    def _moved(self, ratio: Ratio) -> tuple[HostArray, HostArray]:
        """Of each pair (P,), by how much it moves the ratio of its class, and its share of the rows that count."""
        top, bottom = (self.sums(part) for part in ratio)
        below = self.total(bottom)
        there = np.where(below > 0.0, below, 1.0)
        value = self.total(top) / there
        return (top - value[self.classes] * bottom) / there[self.classes], bottom / there[self.classes]

    def of_mean(self, ratio: Ratio, weights: HostArray) -> Moves:
        """Those of the mean of ``ratio`` over classes with ``weights`` (C,)."""
        moved, share = self._moved(ratio)
        weight = weights[self.classes]
        told = moved / np.sqrt(np.maximum(1.0 - share, _LEAST_REST))
        sums: HostArray = np.bincount(self.owners, weight * told, self._count)
        held = weights > 0.0
        scatter, squares = self.total(told * told)[held], self.total(share * share)[held]
        some = squares > 0.0
        scatter, clusters = scatter[some], 1.0 / squares[some]
        beside = np.maximum(clusters - 1.0, 0.0)
        known = float(beside.sum())
        single = dot(beside, scatter * clusters) / known if known > _LEAST_REST else self._alike(ratio, held)
        shrunk = (beside * scatter + _POOLED * single / clusters) / (beside + _POOLED)
        unseen = dot(weights[held][some] ** 2, shrunk - scatter)
        return Moves(sums, max(unseen, 0.0), -dot(weight * share, moved))

    def _alike(self, ratio: Ratio, held: HostArray) -> float:
        """The variance of a cluster that is all right or all wrong."""
        top, bottom = (part.of(self._cells.margins)[held] for part in ratio)
        mean = float(np.mean(top[bottom > 0.0] / bottom[bottom > 0.0])) if (bottom > 0.0).any() else 0.0
        return mean * (1.0 - mean)
