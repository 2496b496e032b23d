"""Wilson's interval for any metric of counts: the score interval.

Which true values ``θ`` are within ``z`` standard errors of the value that was seen, with the standard error at ``θ``?
The truth that is hardest to tell from the data among all with the value ``θ`` is the one of greatest likelihood:
``p_k ∝ n_k / (1 − λ·L_k)``, where ``L_k`` is the influence of a row in cell ``k`` at ``p`` itself. From the counts
(``λ = 0``) it leads one way to lower values and the other way to higher ones; the ends lie where
``|θ̂ − bias − θ| = z·√Σ p_k·L_k²/n``. For a share this is Wilson's interval, for the difference of two shares of the
same rows Tango's, for a mean of recalls the interval of Miettinen and Nurminen; no resampling, no seed.

Cells in which nothing was seen take part with next to nothing: half a row over all kinds of errors and half a row over
all right answers. So a model without an error gets an interval that tells how many errors may have gone unseen, and a
class of five rows, all right, is not believed to be always right. The estimate is first corrected by its bias, which
for a macro F1 with rare classes is not small.

Source: Wilson 1927; Miettinen and Nurminen 1985, Comparative analysis of two rates; Tango 1998, Equivalence test and
confidence interval for the difference in proportions for the paired-sample design; Owen 2001, Empirical Likelihood.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.uncertainty.cells import Margins, dot, total
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells, JointCells
    from evalcli.uncertainty.slopes import Measure, Slope

_UNSEEN = 0.5
"""Rows spread over errors, and again over right answers, that were not seen."""
_STEPS = 30
_TURNS = 40
_CLOSE = 1e-5
"""Relative to the width: far below what an interval can claim to know."""
_REACH = 0.9
"""How much of the way to the value of the best or the worst cell one turn may go."""


class Problem(Protocol):
    """A value of amounts in cells; ``scale`` is the mean weight of the rows of a cell, 1 for counted ones."""

    base: HostArray
    scale: HostArray

    def at(self, amounts: HostArray) -> tuple[float, HostArray]:
        """The value at ``amounts`` (K,) and the influence (K,) of one more unit in each cell."""


class _Unseen:
    """The rows that stand in for cells nobody has seen, as their margins: they are spread evenly.

    Two for every class: its rows are predicted as the others, and rows of the others are predicted as it. A single
    class has no others, and its rows go without a prediction.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 2 * size if size > 1 else 1

    def margins(self, amounts: HostArray) -> Margins:
        """What ``amounts`` of them add."""
        none, others = np.zeros(self.size), self.size - 1
        if not others:
            return Margins(none, amounts, none, total(amounts))
        rows, columns = amounts[: self.size], amounts[self.size :]
        support = rows + (total(columns) - columns) / others
        predicted = columns + (total(rows) - rows) / others
        return Margins(none, support, predicted, total(amounts))

    def influence(self, slope: Slope) -> HostArray:
        """Their influence."""
        others = self.size - 1
        if not others:
            return slope.n + slope.support
        rows = slope.support + (total(slope.predicted) - slope.predicted) / others
        columns = slope.predicted + (total(slope.support) - slope.support) / others
        influence: HostArray = slope.n + np.concatenate([rows, columns])
        return influence


def _scales(amounts: HostArray, squares: HostArray, unseen: int) -> HostArray:
    """Mean weights by weight of the rows of each cell, one more row of the overall mean in each."""
    mean = float(squares.sum()) / float(amounts.sum())
    return np.concatenate([(squares + mean * mean) / (amounts + mean), np.full(unseen, mean)])


class OneModel:
    """A metric of one confusion matrix."""

    def __init__(self, measure: Measure, cells: Cells) -> None:
        self._measure, self._cells = measure, cells
        self._unseen = _Unseen(cells.size)
        self._split = len(cells.amounts), len(cells.amounts) + cells.size
        self.scale = _scales(cells.amounts, cells.squares, cells.size + self._unseen.count)
        row = _UNSEEN * self.scale[-1]
        right = np.full(cells.size, row / cells.size)
        self.base = np.concatenate([cells.amounts, right, np.full(self._unseen.count, row / self._unseen.count)])

    def at(self, amounts: HostArray) -> tuple[float, HostArray]:
        """The value and the influence of each cell."""
        first, second = self._split
        right = amounts[first:second]
        tp, support, predicted, n = self._cells.margins_of(amounts[:first])
        unseen = self._unseen.margins(amounts[second:])
        support, predicted = support + unseen.support + right, predicted + unseen.predicted + right
        slope = self._measure.slope(Margins(tp + right, support, predicted, n + unseen.n + total(right)))
        seen = slope.at(self._cells.target, self._cells.preds)
        correct = slope.n + slope.support + slope.predicted + slope.tp
        return slope.value, np.concatenate([seen, correct, self._unseen.influence(slope)])


class TwoModels:
    """A metric of the first model less that of the second, on the same rows.

    What nobody has seen: rows that one model has right and the other wrong, either way.
    """

    def __init__(self, first: Measure, second: Measure, cells: JointCells) -> None:
        self._measures, self._cells = (first, second), cells
        self._unseen = _Unseen(len(cells.classes))
        self._seen, count = len(cells.amounts), self._unseen.count
        self.scale = _scales(cells.amounts, cells.squares, 2 * count)
        self.base = np.concatenate([cells.amounts, np.full(2 * count, _UNSEEN * self.scale[-1] / (2 * count))])

    def at(self, amounts: HostArray) -> tuple[float, HostArray]:
        """The difference and the influence of each cell."""
        count = self._unseen.count
        wrong = amounts[self._seen :][:count], amounts[self._seen :][count:]
        value, influence = 0.0, np.zeros(len(amounts))
        for number, sign in ((0, 1.0), (1, -1.0)):
            side = self._cells.sides[number]
            seen = side.margins_of(amounts[: self._seen])
            missed, hit = (self._unseen.margins(wrong[place]) for place in (number, 1 - number))
            tp, support, predicted, n = (a + b for a, b in zip(seen, missed, strict=True))
            margins = Margins(tp + hit.support, support + hit.support, predicted + hit.support, n + hit.n)
            slope = self._measures[number].slope(margins)
            value += sign * slope.value
            ends = self._unseen.influence(slope), self._right(slope)
            parts = (slope.at(side.target, side.preds), ends[number], ends[1 - number])
            influence += sign * np.concatenate(parts)
        return value, influence

    def _right(self, slope: Slope) -> HostArray:
        """The influence of the same rows on the model that has them right."""
        right = slope.support + slope.predicted + slope.tp
        if self._unseen.size == 1:
            return slope.n + right
        others = (total(right) - right) / (self._unseen.size - 1)
        influence: HostArray = slope.n + np.concatenate([right, others])
        return influence


def _least(values: HostArray) -> float:
    return float(np.minimum.reduce(values))  # .min() takes twice as long for a few cells, and asks the same


def _most(values: HostArray) -> float:
    return float(np.maximum.reduce(values))


class _Point(NamedTuple):
    """A truth: its amounts, and what the metric and its standard error are there."""

    amounts: HostArray
    value: float
    error: float


class _Path:
    """The likeliest truth of every value, from the counts themselves on."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._factor = 0.0  # the last λ: the next is near
        self._total = float(problem.base.sum())
        self.start = self._point(problem.base)

    def _point(self, amounts: HostArray) -> _Point:
        value, influence = self._problem.at(amounts)
        variance = dot(amounts * self._problem.scale, influence * influence)
        return _Point(amounts, value, sqrt(variance))

    def at(self, value: float, near: _Point) -> _Point:
        """The likeliest truth of this ``value``, or the closest that is found, coming from a ``near`` one.

        With the slopes as they are there, it is one equation in one unknown; then the slopes are taken anew.
        """
        amounts, pace, missing = near.amounts, 1.0, inf
        close = _CLOSE * max(abs(value - self.start.value), self.start.error)
        for _ in range(_TURNS):
            reached, influence = self._problem.at(amounts)
            before, missing = missing, value - reached
            if abs(missing) <= close:
                break
            if abs(missing) > abs(before) / 2.0:  # to and fro: half as far from now on, by the geometric mean
                pace = max(pace / 2.0, 0.125)
            amounts = amounts ** (1.0 - pace) * self._tilted(influence, missing) ** pace
        return self._point(amounts)

    def _tilted(self, influence: HostArray, gain: float) -> HostArray:
        """The likeliest amounts that bring ``gain``: ``base / (1 − λ·(influence − gain / n))``."""
        least, most = _REACH * self._total * _least(influence), _REACH * self._total * _most(influence)
        moved = influence - min(max(gain, least), most) / self._total
        pull = self._problem.scale * moved
        bent, least, most = moved * pull, _least(pull), _most(pull)
        if not least < 0.0 < most:
            return self._problem.base
        low, high = 1.0 / least, 1.0 / most
        factor = self._factor if low < self._factor < high else 0.0
        for _ in range(_STEPS):
            left = 1.0 - factor * pull
            amounts: HostArray = self._problem.base / left
            balance, slope = dot(amounts, moved), dot(amounts / left, bent)
            low, high = (low, factor) if balance > 0 else (factor, high)
            step = factor - balance / slope
            step = step if low < step < high else (low + high) / 2.0
            if abs(step - factor) <= 1e-10 * abs(step):
                break
            factor = step
        self._factor = factor
        return amounts * (self._total / float(total(amounts)))

    def end(self, side: float, centre: float, critical: float, limit: float) -> float:
        """Where the metric is ``critical`` errors away from ``centre``: below it (``side`` −1) or above."""

        def beyond(point: _Point) -> float:
            return side * (point.value - centre) - critical * point.error

        inner = outer = self.start
        for turn in range(_STEPS):
            target = centre + side * critical * outer.error * (1.0 + 0.1 * turn)
            target = side * min(side * target, side * limit)
            inner, outer = outer, self.at(target, outer)
            if beyond(outer) >= 0.0:
                break
            if side * (outer.value - inner.value) <= _CLOSE * abs(outer.value - centre):
                return outer.value
        return self._between(inner, outer, beyond, _CLOSE * critical * self.start.error)

    def _between(self, inner: _Point, outer: _Point, beyond: Callable[[_Point], float], close: float) -> float:
        """The value at which ``beyond`` is 0, by the Illinois method: a secant that lets no end stay for ever."""
        low, high, kept = beyond(inner), beyond(outer), 0
        for _ in range(_STEPS):
            if low >= 0.0 or abs(outer.value - inner.value) <= close:
                break
            middle = self.at(inner.value + low / (low - high) * (outer.value - inner.value), inner)
            found = beyond(middle)
            if abs(found) <= close:
                return middle.value
            if found < 0.0:
                inner, low = middle, found
                high, kept = (high / 2.0 if kept < 0 else high), -1
            else:
                outer, high = middle, found
                low, kept = (low / 2.0 if kept > 0 else low), 1
        return inner.value


def score_interval(problem: Problem, centre: float, critical: float, limits: tuple[float, float]) -> Interval:
    """Both ends around ``centre``, the value that was seen less its bias; the metric lies within ``limits``.

    A large bias may put the centre where the likeliest truths of what was seen do not come to: it then is the end.
    """
    path = _Path(problem)
    low, high = (path.end(side, centre, critical, limit) for side, limit in zip((-1.0, 1.0), limits, strict=True))
    return Interval(min(low, centre), max(high, centre), "score")
