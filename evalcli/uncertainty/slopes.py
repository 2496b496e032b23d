"""How a metric of counts moves with one more row: its value, its slopes and how it bends, all in closed form.

A row of class ``i`` predicted as ``j`` adds one to ``n``, to the support of ``i``, to the predictions of ``j`` and,
where they are the same, to the right ones of ``i``. So its influence is the sum of four slopes, and all metrics of a
confusion matrix cost O(C) whatever the number of cells. A metric does not change when all amounts are multiplied, so
the influences of all rows add up to 0, and their squares to the variance of the metric.

Every metric of one class against the rest is a ratio of two sums of ``tp, support, predicted, n``, and means over
classes follow from there; ``agreement`` has kappa and the Matthews correlation, ``measures`` which metric is which.

Source: Hampel 1974, The influence curve and its role in robust estimation; the delta method.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np

from evalcli.uncertainty.cells import Margins, along, dot

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells


class Slope(NamedTuple):
    """A ``value``, and what it gains for a unit of ``n`` and of a class's ``tp``, ``support``, ``predicted`` (C,).

    Several have arrays (…, C), and (…, 1) of ``value`` and ``n``.
    """

    value: float | HostArray
    n: float | HostArray
    tp: HostArray
    support: HostArray
    predicted: HostArray

    def at(self, target: HostArray, preds: HostArray) -> HostArray:
        """The influence of a row in each cell (…, K)."""
        influence: HostArray = self.n + self.support[..., target]
        influence += np.where(preds >= 0, self.predicted[..., preds], 0.0)
        influence += np.where(preds == target, self.tp[..., target], 0.0)
        return influence


class Measure(Protocol):
    """A metric of counts with its derivatives."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes at ``margins`` gain where these move by ``moved``: amounts (…, C), and n (…, 1)."""

    def bias(self, cells: Cells) -> float:
        """By how much samples of this size overstate it on average: ``½ Σ variance of a cell · second derivative``."""


class Linear(NamedTuple):
    """``tp·TP + support·S + predicted·P + n·N``."""

    tp: float
    support: float
    predicted: float
    n: float

    def of(self, margins: Margins) -> HostArray:
        """Its value for every class (C,)."""
        parts = [part if each == 1 else each * part for each, part in zip(self, margins, strict=True) if each]
        value: HostArray = parts[0]
        for part in parts[1:]:
            value = value + part
        return value if value.ndim or not margins.tp.ndim else np.broadcast_to(value, margins.tp.shape)

    @property
    def kinds(self) -> HostArray:
        """What one row adds as a true positive, a false negative, a false positive and a true negative: (4,)."""
        return _kinds(self)


@cache
def _kinds(of: Linear) -> HostArray:
    """The same, made once: few such sums there are, and every interval of a mean asks."""
    found = np.array([sum(of), of.support + of.n, of.predicted + of.n, of.n])
    found.flags.writeable = False
    return found


class Ratio(NamedTuple):
    """A metric of one class against the rest."""

    top: Linear
    bottom: Linear


RATIOS: dict[str, Ratio] = {
    "precision": Ratio(Linear(1, 0, 0, 0), Linear(0, 0, 1, 0)),
    "recall": Ratio(Linear(1, 0, 0, 0), Linear(0, 1, 0, 0)),
    "jaccard": Ratio(Linear(1, 0, 0, 0), Linear(-1, 1, 1, 0)),
    "specificity": Ratio(Linear(1, -1, -1, 1), Linear(0, -1, 0, 1)),
    "npv": Ratio(Linear(1, -1, -1, 1), Linear(0, 0, -1, 1)),
    "selection_rate": Ratio(Linear(0, 0, 1, 0), Linear(0, 0, 0, 1)),
}


def ratio_of(base: str, beta: float = 1.0) -> Ratio:
    """The ratio that a per-class metric is."""
    if base in {"f1", "fbeta"}:
        square = beta * beta
        return Ratio(Linear(1 + square, 0, 0, 0), Linear(0, square, 1, 0))
    return RATIOS[base]


def _over(numerator: HostArray, denominator: HostArray) -> HostArray:
    """The quotient, 0 where the denominator is: what is undefined counts as 0 in a mean."""
    empty = denominator <= 0
    if not empty.any():
        return numerator / denominator
    quotient: HostArray = np.where(empty, 0.0, numerator / np.where(empty, 1.0, denominator))
    return quotient


class _Bend(NamedTuple):
    """Of a ratio of every class: what one more row of each kind gains (4, C), and what samples of this size do (C,)."""

    first: HostArray
    second: HostArray


def _bend(ratio: Ratio, cells: Cells) -> _Bend:
    """Both derivatives by the four kinds of rows, the second added up by how these vary."""
    if ratio in cells.known:  # several means of one ratio ask
        return cast("_Bend", cells.known[ratio])
    below = ratio.bottom.of(cells.margins)
    values = _over(ratio.top.of(cells.margins), below)
    bottom = ratio.bottom.kinds[:, None]
    first = _over(ratio.top.kinds[:, None] - values * bottom, below)
    second = np.add.reduce(cells.kinds[1] * (-2.0 * _over(bottom * first, below)))
    cells.known[ratio] = bend = _Bend(first, second)
    return bend


class MeanOfRatios(NamedTuple):
    """``Σ weight · ratio`` over classes; ``weights`` (C,) are fixed, or ``None`` for the mean by support.

    ``constant`` is what classes without rows add, whose specificity is 1.
    """

    ratio: Ratio
    weights: HostArray | None
    constant: float = 0.0

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        top, bottom = self.ratio
        below = bottom.of(margins)
        values = _over(top.of(margins), below)
        weights, total = self.weights, 1.0
        if weights is None:
            total = float(np.add.reduce(margins.support)) or 1.0
            weights = margins.support / total
        share = _over(weights, below)
        slopes = [(a - values * b) * share for a, b in zip(top, bottom, strict=True)]
        value = dot(weights, values)
        if self.weights is None:
            slopes[1] = slopes[1] + (values - value) / total
        return Slope(value + self.constant, float(np.add.reduce(slopes[3])), slopes[0], slopes[1], slopes[2])

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        top, bottom = self.ratio
        below, total = bottom.of(margins), float(margins.support.sum()) or 1.0
        values, one = _over(top.of(margins), below), _over(np.ones(1), below)
        weights = margins.support / total if self.weights is None else self.weights
        falls = bottom.of(moved) * one
        gains = top.of(moved) * one - values * falls
        gained = along(weights * gains)
        fewer: HostArray = weights * falls
        if self.weights is None:
            more = along(moved.support) / total
            moves = moved.support / total - weights * more
            fewer, gained = fewer - moves, gained + along(moves * values)
        slopes = [-one * ((a - values * b) * fewer + b * weights * gains) for a, b in zip(top, bottom, strict=True)]
        if self.weights is None:
            value = dot(weights, values)
            slopes[1] = slopes[1] + (gains - gained - (values - value) * more) / total
        return Slope(gained, slopes[3].sum(axis=-1, keepdims=True), slopes[0], slopes[1], slopes[2])

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives."""
        margins, (first, second) = cells.margins, _bend(self.ratio, cells)
        if self.weights is not None:
            return dot(self.weights, second) / 2.0
        # T = X / S with X = Σ support·value and S = Σ support: T″ = (X″ − 2·T′·S′) / S
        bent = 2.0 * (cells.kinds[1][:2] * first[:2]).sum(axis=0) + margins.support * second
        moved = dot(cells.squares, influence_of(self, cells))
        return (float(bent.sum()) - 2.0 * moved) / (2.0 * float(margins.support.sum()))


def influence_of(of: Measure, cells: Cells) -> HostArray:
    """What one more row of each of ``cells`` adds to a metric (K,); of a mean by support its bias asks once more."""
    if not isinstance(of, MeanOfRatios) or of.weights is not None:
        return of.slope(cells.margins).at(cells.target, cells.preds)
    if of not in cells.known:
        cells.known[of] = of.slope(cells.margins).at(cells.target, cells.preds)
    return cast("HostArray", cells.known[of])


class PooledRatio(NamedTuple):
    """The ratio of the cells of all ``classes`` added up: a micro average."""

    ratio: Ratio
    classes: int

    def _sums(self, margins: Margins) -> tuple[float, float]:
        tp, support, predicted = (np.add.reduce(part) for part in margins[:3])
        sums = Margins(tp, support, predicted, np.asarray(margins.n * self.classes))
        return float(self.ratio.top.of(sums)), float(self.ratio.bottom.of(sums))

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        top, bottom = self._sums(margins)
        value = top / bottom if bottom > 0 else 0.0
        slopes = [(a - value * b) / (bottom or 1.0) for a, b in zip(*self.ratio, strict=True)]
        ones = np.ones(len(margins.tp))
        return Slope(value, slopes[3] * self.classes, slopes[0] * ones, slopes[1] * ones, slopes[2] * ones)

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        top, bottom = self._sums(margins)
        value, below = (top / bottom, bottom) if bottom > 0 else (0.0, 1.0)
        tp, support, predicted = (along(part) for part in moved[:3])
        sums = Margins(tp, support, predicted, moved.n * self.classes)
        more, falls = (part.of(sums) / below for part in self.ratio)
        gained = more - value * falls
        slopes = [-(gained * b + (a - value * b) * falls) / below for a, b in zip(*self.ratio, strict=True)]
        ones = np.ones(len(margins.tp))
        return Slope(gained, slopes[3] * self.classes, slopes[0] * ones, slopes[1] * ones, slopes[2] * ones)

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives."""
        slope = self.slope(cells.margins)
        _, bottom = self._sums(cells.margins)
        _, support, predicted, n = self.ratio.bottom
        below = support + n * self.classes + np.where(cells.preds >= 0, predicted, 0.0)
        below = below + np.where(cells.target == cells.preds, self.ratio.bottom.tp, 0.0)
        return -dot(cells.squares * below, slope.at(cells.target, cells.preds)) / (bottom or 1.0)
