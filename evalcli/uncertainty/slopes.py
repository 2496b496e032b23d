"""How a metric of counts moves with one more row: its value, its slopes and how it bends, all in closed form.

A row of class ``i`` predicted as ``j`` adds one to ``n``, to the support of ``i``, to the predictions of ``j`` and,
where they are the same, to the right ones of ``i``. So its influence is the sum of four slopes (of five where some rows
have no prediction: only the others are ``answered``), and all metrics of a confusion matrix cost O(C) whatever the
number of cells. A metric does not change when all amounts are multiplied, so
the influences of all rows add up to 0, and their squares to the variance of the metric.

Every metric of one class against the rest is a ratio of two sums of ``tp, support, predicted, n``, and means over
classes follow from there; ``agreement`` has kappa and the Matthews correlation, ``measures`` which metric is which.

Source: Hampel 1974, The influence curve and its role in robust estimation; the delta method.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np

from evalcli.uncertainty.cells import Margins, along, dot, summed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells

_OF_CLASS = [0, 1, 4]
"""Of the kinds of rows those of the class; the last, without a prediction, are not always there."""


class Slope(NamedTuple):
    """A ``value``, and what it gains for a unit of ``n`` and of a class's ``tp``, ``support``, ``predicted`` (C,).

    Several have arrays (…, C), and (…, 1) of ``value`` and ``n``. ``answered`` (C,) is what it gains for one more row
    of a class that has a prediction, beside what all rows of the class add; ``None``: nothing.
    """

    value: float | HostArray
    n: float | HostArray
    tp: HostArray
    support: HostArray
    predicted: HostArray
    answered: HostArray | None = None

    @property
    def of_class(self) -> HostArray:
        """For one more row of a class that has a prediction (C,), beside what this one adds."""
        return self.support if self.answered is None else self.support + self.answered

    def at(self, target: HostArray, preds: HostArray) -> HostArray:
        """The influence of a row in each cell (…, K)."""
        influence: HostArray = self.n + self.support[..., target]
        named = self.predicted[..., preds]
        if self.answered is not None:
            named = named + self.answered[..., target]
        influence += np.where(preds >= 0, named, 0.0)
        influence += np.where(preds == target, self.tp[..., target], 0.0)
        return influence


class Measure(Protocol):
    """A metric of counts with its derivatives."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes at ``margins`` gain where these move by ``moved``: amounts (…, C), and n (…, 1)."""

    def bias(self, cells: Cells) -> float | HostArray:
        """By how much samples of this size overstate it on average: ``½ Σ variance of a cell · second derivative``."""


class Linear(NamedTuple):
    """``tp·TP + support·S + predicted·P + n·N``, and of rows with a prediction ``answered·S' + n_answered·N'``."""

    tp: float
    support: float
    predicted: float
    n: float
    answered: float = 0
    n_answered: float = 0

    def of(self, margins: Margins) -> HostArray:
        """Its value for every class (C,)."""
        every = zip(self, margins, strict=True)
        parts = [part if each == 1 else each * part for each, part in every if each and part is not None]
        value: HostArray = parts[0]
        for part in parts[1:]:
            value = value + part
        return value if value.ndim or not margins.tp.ndim else np.broadcast_to(value, margins.tp.shape)

    @property
    def kinds(self) -> HostArray:
        """What one row adds as a true positive, a false negative, a false positive and a true negative (6,).

        And, without a prediction, as one of the class and as one of another.
        """
        return _kinds(self)

    def kinds_like(self, amounts: HostArray) -> HostArray:
        """The same beside ``amounts`` (4, …, C), or (6, …, C), of each kind."""
        found: HostArray = self.kinds[: len(amounts)].reshape(-1, *(1,) * (amounts.ndim - 1))
        return found


@cache
def _kinds(of: Linear) -> HostArray:
    """The same, made once: few such sums there are, and every interval of a mean asks."""
    n = of.n + of.n_answered
    found = np.array(
        [sum(of), of.support + of.answered + n, of.predicted + n, n, of.support + of.n, of.n],
    )
    found.flags.writeable = False
    return found


class Ratio(NamedTuple):
    """A metric of one class against the rest."""

    top: Linear
    bottom: Linear

    def among(self, margins: Margins) -> Ratio:
        """The same of ``margins`` of which some rows have no prediction: these are no true negatives."""
        return self if margins.answered is None else _AMONG_ANSWERED.get(self, self)


RATIOS: dict[str, Ratio] = {
    "precision": Ratio(Linear(1, 0, 0, 0), Linear(0, 0, 1, 0)),
    "recall": Ratio(Linear(1, 0, 0, 0), Linear(0, 1, 0, 0)),
    "jaccard": Ratio(Linear(1, 0, 0, 0), Linear(-1, 1, 1, 0)),
    "specificity": Ratio(Linear(1, -1, -1, 1), Linear(0, -1, 0, 1)),
    "npv": Ratio(Linear(1, -1, -1, 1), Linear(0, 0, -1, 1)),
    "selection_rate": Ratio(Linear(0, 0, 1, 0), Linear(0, 0, 0, 1)),
}

_TRUE_NEGATIVES = Linear(1, 0, -1, 0, -1, 1)
_AMONG_ANSWERED = {
    RATIOS["specificity"]: Ratio(_TRUE_NEGATIVES, RATIOS["specificity"].bottom),
    RATIOS["npv"]: Ratio(_TRUE_NEGATIVES, Linear(0, 0, -1, 0, 0, 1)),
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


def or_one(amount: float | HostArray) -> float | HostArray:
    """What is divided by, 1 where that is 0."""
    return where(amount != 0, amount, 1.0)


def where(true: bool | HostArray, one: float | HostArray, other: float) -> float | HostArray:
    """``one`` or the ``other``, of a sample or of each of several: of numbers NumPy takes ten times as long."""
    if isinstance(true, np.ndarray):
        return np.where(true, one, other)
    return one if true else other


class _Bend(NamedTuple):
    """Of a ratio of every class: what one more row of each kind gains (4, C), or (6, C), and what samples do (C,)."""

    first: HostArray
    second: HostArray


def _bend(ratio: Ratio, cells: Cells) -> _Bend:
    """Both derivatives by the kinds of rows, the second added up by how these vary."""
    if ratio in cells.known:  # several means of one ratio ask
        return cast("_Bend", cells.known[ratio])
    top, bottom = ratio.among(cells.margins)
    below, squares = bottom.of(cells.margins), cells.kinds[1]
    values = _over(top.of(cells.margins), below)
    of_top, of_bottom = (part.kinds_like(squares) for part in (top, bottom))
    first = _over(of_top - values * of_bottom, below)
    second = np.add.reduce(squares * (-2.0 * _over(of_bottom * first, below)))
    cells.known[ratio] = bend = _Bend(first, second)
    return bend


class MeanOfRatios(NamedTuple):
    """``Σ weight · ratio`` over classes; ``weights`` (C,) are fixed, or ``None`` for the mean by support.

    ``constant`` is what classes without rows add, whose specificity is 1 where all rows have a prediction.
    """

    ratio: Ratio
    weights: HostArray | None
    constant: float = 0.0

    @property
    def _with_absent(self) -> MeanOfRatios:
        """The same, with one more class for those without rows."""
        assert self.weights is not None
        return MeanOfRatios(self.ratio, np.append(self.weights, self.constant))

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        if self.constant and margins.answered is not None:
            return _without_absent(self._with_absent.slope(_with_absent(margins)))
        top, bottom = self.ratio.among(margins)
        below = bottom.of(margins)
        values = _over(top.of(margins), below)
        total = or_one(summed(margins.support)) if self.weights is None else 1.0
        weights = margins.support / total if self.weights is None else self.weights
        share = _over(weights, below)
        slopes = [(a - values * b) * share for a, b in _read(top, bottom, margins)]
        value = summed(weights * values)
        if self.weights is None:
            slopes[1] = slopes[1] + (values - value) / total
        n, *told = (summed(part) for part in slopes[3::2])
        return Slope(value + self.constant, n, *slopes[:3], *(slopes[4] + part for part in told))

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        if self.constant and margins.answered is not None:
            return _without_absent(self._with_absent.bend(_with_absent(margins), _with_absent(moved)))
        top, bottom = self.ratio.among(margins)
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
        slopes = [-one * ((a - values * b) * fewer + b * weights * gains) for a, b in _read(top, bottom, margins)]
        if self.weights is None:
            value = dot(weights, values)
            slopes[1] = slopes[1] + (gains - gained - (values - value) * more) / total
        n, *told = (part.sum(axis=-1, keepdims=True) for part in slopes[3::2])
        return Slope(gained, n, *slopes[:3], *(slopes[4] + part for part in told))

    def bias(self, cells: Cells) -> float | HostArray:
        """Half the sum of second derivatives."""
        if self.constant and cells.margins.answered is not None:
            return self._with_absent.bias(replace(cells, classes=np.append(cells.classes, cells.classes[-1] + 1)))
        margins, (first, second) = cells.margins, _bend(self.ratio, cells)
        if self.weights is not None:
            return summed(self.weights * second) / 2.0
        # T = X / S with X = Σ support·value and S = Σ support: T″ = (X″ − 2·T′·S′) / S
        own = _OF_CLASS[: len(first) // 2]
        bent = 2.0 * (cells.kinds[1][own] * first[own]).sum(axis=0) + margins.support * second
        moved = cells.sums(cells.squares * influence_of(self, cells))
        return (summed(bent) - 2.0 * moved) / (2.0 * summed(margins.support))


def _read(top: Linear, bottom: Linear, margins: Margins) -> list[tuple[float, float]]:
    """What a unit of each amount that formulas read adds above and below."""
    every = zip(top, bottom, strict=True)
    return [*every][:4] if margins.answered is None else [*every]


def _with_absent(margins: Margins) -> Margins:
    """With one more class, of no rows."""
    parts = {
        name: np.append(part, np.zeros((*part.shape[:-1], 1)), axis=-1)
        for name in ("tp", "support", "predicted", "answered")
        if (part := getattr(margins, name)) is not None
    }
    return margins._replace(**parts)


def _without_absent(slope: Slope) -> Slope:
    """Without the last class."""
    return Slope(slope.value, slope.n, *(part[..., :-1] for part in slope[2:] if part is not None))


def influence_of(of: Measure, cells: Cells) -> HostArray:
    """What one more row of each of ``cells`` adds to a metric (K,); of a mean by support its bias asks once more."""
    if not isinstance(of, MeanOfRatios) or of.weights is not None:
        return cells.influences(of.slope(cells.margins))
    if of not in cells.known:
        cells.known[of] = cells.influences(of.slope(cells.margins))
    return cast("HostArray", cells.known[of])


class PooledRatio(NamedTuple):
    """The ratio of the cells of all ``classes`` added up: a micro average."""

    ratio: Ratio
    classes: int

    def _sums(self, margins: Margins) -> tuple[float, float]:
        sums = self._pooled(margins, np.add.reduce)
        top, bottom = self.ratio.among(margins)
        return float(top.of(sums)), float(bottom.of(sums))

    def _pooled(self, margins: Margins, add: Callable[[HostArray], HostArray]) -> Margins:
        """The amounts of all classes added up."""
        tp, support, predicted = map(add, margins[:3])
        found = Margins(tp, support, predicted, np.asarray(margins.n * self.classes))
        if margins.answered is None or margins.n_answered is None:
            return found
        return found._replace(answered=add(margins.answered), n_answered=np.asarray(margins.n_answered * self.classes))

    def _slope(self, value: float | HostArray, slopes: Sequence[HostArray | float], classes: int) -> Slope:
        """From what the sums gain for a unit of each."""
        ones = np.ones(classes)
        told = [(slopes[4] + slopes[5] * self.classes) * ones] if len(slopes) > 4 else []
        return Slope(value, slopes[3] * self.classes, *(part * ones for part in slopes[:3]), *told)

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        top, bottom = self._sums(margins)
        value = top / bottom if bottom > 0 else 0.0
        slopes = [(a - value * b) / (bottom or 1.0) for a, b in _read(*self.ratio.among(margins), margins)]
        return self._slope(value, slopes, len(margins.tp))

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        top, bottom = self._sums(margins)
        value, below = (top / bottom, bottom) if bottom > 0 else (0.0, 1.0)
        sums, ratio = self._pooled(moved, along), self.ratio.among(margins)
        more, falls = (part.of(sums) / below for part in ratio)
        gained = more - value * falls
        slopes = [-(gained * b + (a - value * b) * falls) / below for a, b in _read(*ratio, margins)]
        return self._slope(gained, slopes, len(margins.tp))

    def bias(self, cells: Cells) -> float | HostArray:
        """Half the sum of second derivatives."""
        slope = self.slope(cells.margins)
        _, bottom = self._sums(cells.margins)
        tp, support, predicted, n, answered, n_answered = self.ratio.among(cells.margins).bottom
        named = predicted + answered + n_answered * self.classes
        below = support + n * self.classes + np.where(cells.preds >= 0, named, 0.0)
        below = below + np.where(cells.target == cells.preds, tp, 0.0)
        return -cells.sums(cells.squares * below * cells.influences(slope)) / (bottom or 1.0)
