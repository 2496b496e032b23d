"""How a metric of counts moves with one more row: its value, its slopes and how it bends, all in closed form.

A row of class ``i`` predicted as ``j`` adds one to ``n``, to the support of ``i``, to the predictions of ``j`` and,
where they are the same, to the right ones of ``i``. So its influence is the sum of four slopes, and all metrics of a
confusion matrix cost O(C) whatever the number of cells. A metric does not change when all amounts are multiplied, so
the influences of all rows add up to 0, and their squares to the variance of the metric.

Every metric of one class against the rest is a ratio of two sums of ``tp, support, predicted, n``. Means over classes,
kappa and the Matthews correlation follow from there.

Source: Hampel 1974, The influence curve and its role in robust estimation; the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np

from evalcli.metrics.registry import class_index, evaluate
from evalcli.uncertainty.cells import Margins, dot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import Cells, JointCells

    Place: TypeAlias = int | None

ALL = -1
"""The place of a metric that is of no one class."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A ``value``, and what it gains for a unit of ``n`` and of a class's ``tp``, ``support``, ``predicted`` (C,)."""

    value: float
    n: float
    tp: HostArray
    support: HostArray
    predicted: HostArray

    def at(self, target: HostArray, preds: HostArray) -> HostArray:
        """The influence of a row in each cell (K,)."""
        influence: HostArray = self.n + self.support[target]
        influence += np.where(preds >= 0, self.predicted[preds], 0.0)
        influence += np.where(preds == target, self.tp[target], 0.0)
        return influence


class Measure(Protocol):
    """A metric of counts with its derivatives."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""

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
        return value if value.ndim else np.broadcast_to(value, margins.tp.shape)

    @property
    def kinds(self) -> HostArray:
        """What one row adds as a true positive, a false negative, a false positive and a true negative: (4,)."""
        return np.array([sum(self), self.support + self.n, self.predicted + self.n, self.n])


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
    second = (cells.kinds[1] * (-2.0 * _over(bottom * first, below))).sum(axis=0)
    cells.known[ratio] = bend = _Bend(first, second)
    return bend


@dataclass(frozen=True)
class MeanOfRatios:
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
            total = float(margins.support.sum()) or 1.0
            weights = margins.support / total
        share = _over(weights, below)
        slopes = [(a - values * b) * share for a, b in zip(top, bottom, strict=True)]
        value = dot(weights, values)
        if self.weights is None:
            slopes[1] = slopes[1] + (values - value) / total
        return Slope(value + self.constant, float(slopes[3].sum()), slopes[0], slopes[1], slopes[2])

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives."""
        margins, (first, second) = cells.margins, _bend(self.ratio, cells)
        if self.weights is not None:
            return dot(self.weights, second) / 2.0
        # T = X / S with X = Σ support·value and S = Σ support: T″ = (X″ − 2·T′·S′) / S
        bent = 2.0 * (cells.kinds[1][:2] * first[:2]).sum(axis=0) + margins.support * second
        moved = dot(cells.squares, self.slope(margins).at(cells.target, cells.preds))
        return (float(bent.sum()) - 2.0 * moved) / (2.0 * float(margins.support.sum()))


@dataclass(frozen=True)
class PooledRatio:
    """The ratio of the cells of all ``classes`` added up: a micro average."""

    ratio: Ratio
    classes: int

    def _sums(self, margins: Margins) -> tuple[float, float]:
        tp, support, predicted = (np.asarray(part.sum()) for part in margins[:3])
        sums = Margins(tp, support, predicted, np.asarray(margins.n * self.classes))
        return float(self.ratio.top.of(sums)), float(self.ratio.bottom.of(sums))

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        top, bottom = self._sums(margins)
        value = top / bottom if bottom > 0 else 0.0
        slopes = [(a - value * b) / (bottom or 1.0) for a, b in zip(*self.ratio, strict=True)]
        ones = np.ones(len(margins.tp))
        return Slope(value, slopes[3] * self.classes, slopes[0] * ones, slopes[1] * ones, slopes[2] * ones)

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives."""
        slope = self.slope(cells.margins)
        _, bottom = self._sums(cells.margins)
        _, support, predicted, n = self.ratio.bottom
        below = support + n * self.classes + np.where(cells.preds >= 0, predicted, 0.0)
        below = below + np.where(cells.target == cells.preds, self.ratio.bottom.tp, 0.0)
        return -dot(cells.squares * below, slope.at(cells.target, cells.preds)) / (bottom or 1.0)


class Kappa:
    """``(n·O − E) / (n² − E)`` with O right rows and ``E = Σ support·predicted``."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, n = margins
        right, chance = float(tp.sum()), dot(support, predicted)
        below = float(n * n) - chance
        value = (float(n) * right - chance) / below if below > 0 else 0.0
        below = below or 1.0
        short = (1.0 - value) / below
        of_n = (right - 2.0 * value * float(n)) / below
        return Slope(value, of_n, np.full(len(tp), float(n) / below), -short * predicted, -short * support)

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives: the top does not bend, the bottom by 2 for each wrong row."""
        _, support, predicted, n = cells.margins
        slope = self.slope(cells.margins)
        below = float(n * n) - dot(support, predicted) or 1.0
        moved = 2.0 * n - predicted[cells.target] - np.where(cells.preds >= 0, support[cells.preds], 0.0)
        wrong = np.where(cells.target == cells.preds, 0.0, 2.0)
        second = -(slope.value * wrong + 2.0 * slope.at(cells.target, cells.preds) * moved) / below
        return dot(cells.squares, second) / 2.0


class Matthews:
    """``X / √(P·Q)``: ``X = n·O − E``, ``P = n² − Σ predicted² − U²``, ``Q = n² − Σ support²``, U rows unpredicted."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, n = (np.asarray(part, float) for part in margins)
        size, right = float(n), float(tp.sum())
        nowhere = size - float(predicted.sum())
        covariance = size * right - dot(support, predicted)
        of_preds = size * size - dot(predicted, predicted) - nowhere * nowhere
        of_target = size * size - dot(support, support)
        if not (of_preds > 0 and of_target > 0):
            none = np.zeros(len(tp))
            return Slope(0.0, 0.0, none, none, none)
        scale = 1.0 / sqrt(of_preds * of_target)
        by_preds, by_target = covariance / of_preds, covariance / of_target
        return Slope(
            covariance * scale,
            scale * (right - by_preds * (size - nowhere) - by_target * size),
            np.full(len(tp), scale * size),
            scale * (by_target * support - predicted),
            scale * (by_preds * (predicted - nowhere) - support),
        )

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives: neither X nor P nor Q bends."""
        _, support, predicted, n = cells.margins
        target, preds, named = cells.target, cells.preds, cells.preds >= 0
        size, right, nowhere = float(n), float(cells.margins.tp.sum()), float(n - predicted.sum())
        covariance = size * right - dot(support, predicted)
        of_preds = size * size - dot(predicted, predicted) - nowhere * nowhere
        of_target = size * size - dot(support, support)
        if not (of_preds > 0 and of_target > 0):
            return 0.0
        moved = right + np.where(target == preds, size, 0.0) - predicted[target] - np.where(named, support[preds], 0.0)
        p = (2.0 * size - 2.0 * np.where(named, predicted[preds], nowhere)) / of_preds
        q = (2.0 * size - 2.0 * support[target]) / of_target
        falls = -(p + q) / 2.0
        second = 2.0 * moved * falls + covariance * (falls * falls + (p * p + q * q) / 2.0)
        return dot(cells.squares, second) / (2.0 * sqrt(of_preds * of_target))


def measure(name: MetricName, cells: Cells, *, declared: int | None = None, place: int = ALL) -> Measure:
    """The metric ``name`` over the classes that occur in ``cells``.

    ``declared`` is the number of classes a macro mean runs over where it is not those that occur, ``place`` the one
    that a per-class name means.
    """
    if name.base == "kappa":
        return Kappa()
    if name.base == "mcc":
        return Matthews()
    margins, size = cells.margins, cells.size
    if name.base in {"accuracy", "error_rate"}:
        share = Linear(1, 0, 0, 0) if name.base == "accuracy" else Linear(-1, 1, 0, 0)
        return PooledRatio(Ratio(share, Linear(0, 1, 0, 0)), size)
    if name.base == "balanced_accuracy":
        held = margins.support > 0
        return MeanOfRatios(RATIOS["recall"], held / max(int(held.sum()), 1))
    if name.base == "majority_baseline":
        return MeanOfRatios(Ratio(Linear(0, 1, 0, 0), Linear(0, 0, 0, 1)), _only(int(np.argmax(margins.support)), size))
    ratio = ratio_of(name.base, name.parameter or 1.0)
    seen = (margins.support > 0) | (margins.predicted > 0)
    over = int(seen.sum()) if declared is None else declared
    if name.average == "micro":
        return PooledRatio(ratio, over)
    if name.average == "weighted":
        return MeanOfRatios(ratio, None)
    if name.average == "macro":
        return MeanOfRatios(ratio, seen / max(over, 1), ratio.top.n * (1.0 - seen.sum() / max(over, 1)))
    return MeanOfRatios(ratio, _only(place, size))


def place_of(name: MetricName, cells: Cells | JointCells, positive: int | None, classes: Sequence[str]) -> Place:
    """Which class a name means: its place among those that occur, ``ALL`` for a metric of all, ``None`` if unseen.

    Raises: ``UsageError`` for a class that is not there, and for a bare per-class name where no class is positive.
    """
    if not name.entry.per_class or name.average is not None:
        return ALL
    return cells.place(class_index(name, positive, classes))


def values_of(name: MetricName, margins: Margins, place: int, declared: int | None) -> HostArray:
    """The metric (…) by its registry formula over ``margins`` (…, C) of the classes that occur; NaN if undefined.

    Of the ``declared`` classes, the others have no rows.
    """
    if place != ALL:
        return np.asarray(name.entry.formula(margins.counts, *name.arguments)[..., place])
    if declared is None:
        return np.asarray(evaluate(name, margins.counts))
    missing = [(0, 0)] * (margins.tp.ndim - 1) + [(0, declared - margins.tp.shape[-1])]
    tp, support, predicted = (np.pad(part, missing) for part in margins[:3])
    return np.asarray(evaluate(name, Margins(tp, support, predicted, margins.n).counts, scope="declared"))


def _only(place: int, size: int) -> HostArray:
    """All weight on one class."""
    weights: HostArray = (np.arange(size) == place).astype(np.float64)
    return weights
