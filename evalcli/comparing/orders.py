"""Medians and rank correlations of several models: what each row does to them, and how two of them differ.

Neither is a mean of rows. How sure it is of one model a report says; how far those of two models go up and down
together is the correlation of what rows do to them: of a median on which side of it they lie, of a rank correlation
how they agree with all others. The difference follows from the two intervals and that correlation (``mover``).

The correlation is drawn towards 0 by one row, so that models which agree in all rows are not certain to be the same.
Means over outputs have an interval that holds however these go together, which what rows do to them knows better.

Source: Zou 2007, Toward using confidence intervals to compare correlations; Hampel 1974, The influence curve and its
role in robust estimation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.regression.intervals import Intervals, Known, rank_moves
from evalcli.regression.intervals import together as mean_over_outputs
from evalcli.regression.together import RankPlaces
from evalcli.reporting import value_of
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import correlation_of
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Certified
    from evalcli.metrics.values import ValueRows
    from evalcli.regression.results import Results
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

ORDERS = frozenset({"medae", "spearman", "kendall"})
SUMS = 3
"""Those of ``products`` of moves."""
_DRAWN = 1.0
"""Rows of no agreement that the correlation is drawn towards 0 by."""
_MANY = 20.0
"""Sizes of errors around a median between which it does not jump far."""


class _Median(NamedTuple):
    """The ``middle`` of the absolute errors of an ``output``; a row moves it by ``size`` to either side."""

    output: int
    error: float
    """The standard error that the moves of all rows tell of, as of the others."""
    middle: float
    size: float

    def moves(self, rows: ValueRows) -> HostArray:
        """What each row (N,) does to it."""
        found: HostArray = self.size * np.sign(np.abs(rows.residual[self.output]) - self.middle)
        return found


class _Ranks(NamedTuple):
    """What a row in each of the ``places`` (K,) does to a rank correlation of an ``output``."""

    output: int
    error: float
    places: RankPlaces
    influence: HostArray

    def moves(self, rows: ValueRows) -> HostArray:
        """What each row (N,) does to it."""
        found: HostArray = self.influence[self.places.of_rows(rows.preds[self.output], rows.target[self.output])]
        return found


class _Still(NamedTuple):
    """What no row moves: a perfect order."""

    output: int
    error: float

    def moves(self, rows: ValueRows) -> HostArray:
        """Nothing (N,)."""
        return np.zeros(rows.preds.shape[1])


@dataclass(frozen=True)
class Order:
    """A median or a rank correlation of one model, or the mean over ``outputs``, with the interval of its report.

    ``value`` is certain to lie within its bounds, of which the interval knows nothing.
    """

    value: Certified
    interval: Interval
    outputs: Sequence[_Median | _Ranks | _Still]

    @classmethod
    def of(cls, name: MetricName, results: Results, mean_weight: float, confidence: Confidence) -> Order | None:
        """From the states of a whole input; ``None`` where a report has no interval."""
        label = name.label
        numbers = [*range(len(results.outputs))] if label is None else [results.outputs.index(label)]
        found, values, scattered = [], [], True
        for output in numbers:
            known, value = Known.of(results, output, mean_weight), results.of_output(name, output).value
            sure = Intervals(*known, confidence, mean_weight).of(name, value_of(value))
            if sure.low is None or sure.high is None:
                return None
            values.append(sure)
            interval = Interval(sure.low, sure.high, sure.method or "")
            found.append(_moved(name.base, output, value, interval, known, mean_weight, confidence))
            scattered = scattered and name.base == "medae" and _is_scattered(interval, known, mean_weight, confidence)
        value = results.value(name)
        whole = values[0] if len(values) == 1 else mean_over_outputs(name, value_of(value.value), values)
        assert whole.low is not None
        assert whole.high is not None
        interval = Interval(whole.low, whole.high, whole.method or "")
        if scattered:
            interval = _even(interval, value.value, known.rows / mean_weight, confidence)
        return cls(value, interval, found)

    def moves(self, rows: ValueRows) -> HostArray:
        """What each row (N,) does to it: the mean over outputs, in its own unit."""
        total = np.zeros(rows.preds.shape[1])
        for each in self.outputs:
            total += each.moves(rows)
        return total / len(self.outputs)

    def narrowed(self, error: float) -> Order:
        """With the interval of a mean whose standard error is no more than ``error``, as the moves of it tell."""
        alone = sum(each.error for each in self.outputs) / len(self.outputs)
        still = any(isinstance(each, _Still) for each in self.outputs)
        if len(self.outputs) == 1 or still or not error < alone:
            return self
        value, ends = self.value.value, (self.interval.low, self.interval.high)
        low, high = (value + error / alone * (end - value) for end in ends)
        return replace(self, interval=replace(self.interval, low=low, high=high))


def _moved(
    base: str,
    output: int,
    value: float,
    interval: Interval,
    known: Known,
    mean_weight: float,
    confidence: Confidence,
) -> _Median | _Ranks | _Still:
    """What rows do to one output."""
    rows = known.rows / mean_weight
    if base == "medae":
        error = interval.width / 2.0 / confidence.critical
        return _Median(output, error, value, error * sqrt(rows))
    assert known.pairs is not None
    groups, centre, moves = rank_moves(base, value, known.pairs, rows)
    if moves is None:
        return _Still(output, 0.0)
    influence = moves * (1.0 - centre * centre)
    error = sqrt(dot(groups.amounts / known.rows, influence * influence) / rows)
    return _Ranks(output, error, RankPlaces.of(known.pairs.groups, groups), influence)


def _is_scattered(interval: Interval, known: Known, mean_weight: float, confidence: Confidence) -> bool:
    """Whether there are many sizes of errors between the ends of the interval of a median."""
    assert known.residuals is not None
    sizes = known.residuals.sizes.low
    between = int(np.count_nonzero((sizes >= interval.low) & (sizes <= interval.high)))
    ranks = confidence.critical * sqrt(known.rows / mean_weight)
    return interval.method == "order" and between >= min(ranks / 2.0, _MANY)


def _even(interval: Interval, value: float, rows: float, confidence: Confidence) -> Interval:
    """That of a median of ``rows`` with its value in the middle: which side is the longer is the noise of two ranks.

    Its width is that of as many spacings as there are ranks between them, which scatters: what of one model is a little
    too long as often as too short is too short for two, so it is known to as many degrees of freedom (Student's t).
    """
    critical = confidence.critical
    half = interval.width / 2.0 * t_quantile(1.0 - confidence.tail, critical * sqrt(rows)) / critical
    return Interval(value - half, value + half, interval.method)


def difference(
    first: Order, second: Order, sums: Sequence[float], unit: float, rows: float, confidence: Confidence
) -> Difference:
    """``first − second``, from the sums of ``products`` of moves in this ``unit``, of ``rows`` of equal weight.

    The unit is that in which the moves of all rows add up to what they do to the metric.
    """
    first, second = (one.narrowed(sqrt(sums[at]) * unit) for one, at in ((first, 0), (second, 2)))
    a, b, together = first.value, second.value, correlation_of(sums, rows, _DRAWN)
    found = mover(a.value, first.interval, b.value, second.interval, confidence, together)
    low = found.interval.low - (a.value - a.low) - (b.high - b.value)
    high = found.interval.high + (a.high - a.value) + (b.value - b.low)
    return replace(found, interval=replace(found.interval, low=low, high=high))
