"""Two models on the same rows: the difference of a metric, its interval, and whether it could be chance.

Counts are compared on the joint table (target, first, second): rows that both models have right or both wrong alike
say nothing, and the rest is what McNemar's test looks at: if the models are equally good, it is a toss of a coin which
of them is right. For accuracy the exact test adds these tosses up. For every other metric of counts they are drawn, and
the p-value is the share of draws in which the difference is as large as the one that was seen. The interval is the
score interval of the difference, Tango's for accuracy. The paired count bootstrap gives both as well, on request.

Differences are first less second, in the metric's own unit.

Source: McNemar 1947; Tango 1998; Holm 1979, A simple sequentially rejective multiple test procedure; Schuirmann 1987, A
comparison of the two one-sided tests procedure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple

from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.measures import measure, place_of, values_of
from evalcli.uncertainty.quantiles import binomial_tail, normal_quantile
from evalcli.uncertainty.resampling import bca, bootstrap_p, far_off, joint_replicates, skewness, swapped_replicates
from evalcli.uncertainty.score import score_interval, two_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import JointCells, Margins
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.slopes import Measure

POWER = 0.8
"""How often a difference of the least detectable size would be detected."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two models: ``first − second`` with its interval, p-value, and the least that could be detected."""

    first: float
    second: float
    interval: Interval
    p: float
    detectable: float

    @property
    def value(self) -> float:
        """``first − second``"""
        return self.first - self.second

    def turned(self) -> Difference:
        """``second − first``."""
        return replace(self, first=self.second, second=self.first, interval=self.interval.flipped())


class Discordant(NamedTuple):
    """Rows that only the first and rows that only the second model has right."""

    first: int
    second: int


def discordant(cells: JointCells) -> Discordant:
    """What McNemar's test reads of a joint table of counts."""
    first, second = cells.first == cells.target, cells.second == cells.target
    sums = (float(cells.amounts[one & ~other].sum()) for one, other in ((first, second), (second, first)))
    return Discordant(*(int(one) for one in sums))


def mcnemar(rows: Discordant) -> float:
    """The exact two-sided p-value: of the rows on which only one model is right, half should be either's.

    >>> mcnemar(Discordant(3, 10))
    0.09228515625

    Source: McNemar 1947.
    """
    return min(2.0 * binomial_tail(min(rows), sum(rows)), 1.0)


class PairedCounts:
    """Every metric of counts of two models, from their joint table.

    >>> from evalcli.metrics.registry import parse
    >>> from evalcli.uncertainty.cells import JointCells
    >>> from evalcli.uncertainty.intervals import Confidence
    >>> cells = JointCells.of([0, 0, 1, 1, 1], [0, 0, 1, 0, 1], [0, 1, 1, 1, 0], [40, 9, 40, 4, 7])
    >>> found = PairedCounts(cells, Confidence()).of(parse("accuracy"))
    >>> round(found.value, 3), round(found.p, 4), found.interval.method
    (0.12, 0.0118, 'score')
    """

    def __init__(
        self,
        cells: JointCells,
        confidence: Confidence,
        *,
        positive: int | None = None,
        classes: Sequence[str] = (),
        declared: int | None = None,
        method: Literal["score", "bootstrap"] = "score",
    ) -> None:
        self.cells, self.confidence = cells, confidence
        self._positive, self._classes, self._declared, self._method = positive, classes, declared, method
        self._found: dict[MetricName, Difference | None] = {}

    def of(self, name: MetricName) -> Difference | None:
        """The difference of a metric; ``None`` where it is undefined for one of the models."""
        if name not in self._found:
            self._found[name] = self._difference(name)
        return self._found[name]

    def _difference(self, name: MetricName) -> Difference | None:
        place = place_of(name, self.cells, self._positive, self._classes)
        if place is None:
            return None
        first, second = (float(values_of(name, side.margins, place, self._declared)) for side in self.cells.sides)
        if isnan(first) or isnan(second):
            return None
        one, other = (measure(name, side, declared=self._declared, place=place) for side in self.cells.sides)
        influence = self._influence(one, other)
        error = sqrt(float((self.cells.squares * influence * influence).sum()))
        span = name.entry.high - name.entry.low
        found = self._tested(name, place, first - second, (one, other), influence)
        interval, p = found[0].holding(first - second, -span, span), found[1]
        if interval.width == 0.0:
            reach = span * none_of(self.cells.n**2 / float(self.cells.squares.sum()), self.confidence.critical)
            interval = Interval(max(first - second - reach, -span), min(first - second + reach, span), "wilson")
        reach = max(error, interval.width / (2.0 * self.confidence.critical))
        return Difference(first, second, interval, p, detectable(reach, self.confidence))

    def _tested(
        self, name: MetricName, place: int, value: float, measures: tuple[Measure, Measure], influence: HostArray
    ) -> tuple[Interval, float]:
        """The interval of a difference and its p-value."""
        one, other = self.cells.sides
        if self._method == "bootstrap":
            first, second = (values_of(name, margins, place, self._declared) for margins in self._replicates)
            drawn = first - second
            skew = skewness(influence, self.cells.amounts, self.cells.squares)
            return bca(value, drawn, skew, self.confidence), bootstrap_p(value, drawn)
        span = name.entry.high - name.entry.low
        bias = float(measures[0].bias(one) - measures[1].bias(other))
        centre = min(max(value - bias, -span), span)
        problem = two_models(*measures, self.cells)
        interval = score_interval(problem, centre, self.confidence.critical, (-span, span))
        if name.base in {"accuracy", "error_rate"} and not one.weighted:
            return interval, mcnemar(discordant(self.cells))
        first, second = (values_of(name, margins, place, self._declared) for margins in self._tosses)
        return interval, far_off(value, first - second)

    def _influence(self, one: Measure, other: Measure) -> HostArray:
        """That of a row in each joint cell on the difference."""
        first, second = self.cells.sides
        moved = one.slope(first.margins).at(first.target, first.preds)
        influence: HostArray = moved - other.slope(second.margins).at(second.target, second.preds)
        return influence

    @cached_property
    def _replicates(self) -> tuple[Margins, Margins]:
        return joint_replicates(self.cells, self.confidence)

    @cached_property
    def _tosses(self) -> tuple[Margins, Margins]:
        return swapped_replicates(self.cells, self.confidence)


def detectable(error: float, confidence: Confidence) -> float:
    """The least true difference that such a sample would show with ``POWER``: ``(z + z_power)·error``.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> round(detectable(0.01, Confidence()), 4)
    0.028
    """
    return (confidence.critical + normal_quantile(POWER)) * error


def holm(p_values: Mapping[str, float | None], models: int = 2) -> dict[str, float | None]:
    """p-values adjusted so that at most the level of all families of tests has one false alarm; ``None`` stays out.

    The k-th smallest of m is multiplied by m − k + 1, and none is below one that was smaller before. Of more than two
    ``models`` the best is known only by the rows that test it, so each might have been the one that others are tested
    against: m are the tests of all pairs, of which those with the best were given, ``models`` / 2 for each.

    >>> holm({"accuracy": 0.01, "mcc": None, "kappa": 0.04, "f1_macro": 0.03})
    {'accuracy': 0.03, 'mcc': None, 'kappa': 0.06, 'f1_macro': 0.06}
    >>> holm({"B": 0.01, "C": 0.5}, models=3)
    {'B': 0.03, 'C': 1.0}
    """
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    tests = len(known) * models / 2
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, (p, name) in enumerate(known):
        largest = max(largest, min(p * (tests - place), 1.0))
        adjusted[name] = largest
    return {name: adjusted.get(name) for name in p_values}


Direction = Literal["higher", "lower"]


def not_worse(interval: Interval, margin: float, direction: Direction = "higher") -> bool:
    """Non-inferiority: whether the first model is surely not worse than the second by ``margin`` or more.

    Of an interval of confidence 0.95 this is a test at the level 0.025, as regulators ask for.
    """
    return interval.low > -margin if direction == "higher" else interval.high < margin


def equivalent(interval: Interval, margin: float) -> bool:
    """Whether the two surely differ by less than ``margin``, either way.

    Two one-sided tests at the level α are an interval of the confidence 1 − 2α: give one of 0.90 for α = 0.05.
    """
    return -margin < interval.low and interval.high < margin
