"""Intervals of what is read off a curve: operating points, partial areas, selective risk. A bootstrap over segments.

These metrics have no useful influence: a maximum over thresholds jumps. Rows are drawn as counts of segments, each side
of a segment from a Poisson distribution, and the same formula reads every replicate. So that the cost does not depend
on the number of scores, neighbouring segments are joined to at most ``MOST`` first, each side equally spread; what that
changes in the value is taken back from the interval.

Source: Efron 1987, Better bootstrap confidence intervals (bias-corrected).
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.confidence import ConfidenceGroups
from evalcli.metrics.roc import Ranking
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.resampling import bca, draws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Certified
    from evalcli.uncertainty.intervals import Confidence

MOST = 512
"""Segments that replicates are drawn from."""


def curve_interval(
    formula: Callable[..., Certified],
    ranking: Ranking,
    confidence: Confidence,
    *arguments: float,
    mean_weight: float = 1.0,
) -> Interval | None:
    """The interval of a formula of one ranking; ``None`` where it is undefined. ``mean_weight`` is Σw² / Σw."""
    exact = formula(ranking, *arguments)
    if isnan(exact.value):
        return None
    groups = _joined(ranking)
    pos, neg = (np.add.reduceat(side.astype(np.float64), groups) for side in (ranking.pos, ranking.neg))
    score = np.minimum.reduceat(ranking.score, groups)
    never = np.zeros(len(groups), bool)

    def value(pos: HostArray, neg: HostArray) -> float:
        return float(formula(Ranking(score, pos, neg, never, never, exact=True), *arguments).value)

    rows = min(ranking.positives, ranking.negatives) / mean_weight
    return _interval(exact, value, (pos, neg), rows, mean_weight, confidence)


def selective_interval(
    formula: Callable[..., Certified],
    groups: ConfidenceGroups,
    confidence: Confidence,
    *arguments: float,
    mean_weight: float = 1.0,
) -> Interval | None:
    """The same of a formula of rows by their confidence."""
    exact = formula(groups, *arguments)
    if isnan(exact.value):
        return None
    heads = _heads(groups.right, groups.wrong)
    right, wrong = (np.add.reduceat(side.astype(np.float64), heads) for side in (groups.right, groups.wrong))
    spread = np.add.reduceat(groups.n * (groups.low + groups.high) / 2.0, heads) / (right + wrong)

    def value(right: HostArray, wrong: HostArray) -> float:
        held = right + wrong > 0
        drawn = ConfidenceGroups(spread[held], spread[held], right[held], wrong[held])
        return float(formula(drawn, *arguments).value)

    return _interval(exact, value, (right, wrong), float(groups.n.sum()) / mean_weight, mean_weight, confidence)


def _joined(ranking: Ranking) -> HostArray:
    return _heads(ranking.pos, ranking.neg)


def _heads(first: HostArray, second: HostArray) -> HostArray:
    """Where each of at most ``MOST`` runs of segments begins, with even shares of both sides."""
    if len(first) <= MOST:
        return np.arange(len(first))
    places = sum(side.cumsum(dtype=np.float64) / max(float(side.sum()), 1e-300) for side in (first, second))
    runs = np.minimum((np.asarray(places) * (MOST / 2.0) * (1.0 - 1e-12)).astype(np.int64), MOST - 1)
    return np.flatnonzero(np.diff(runs, prepend=-1))


def _interval(
    exact: Certified,
    value: Callable[[HostArray, HostArray], float],
    sides: tuple[HostArray, HostArray],
    rows: float,
    mean_weight: float,
    confidence: Confidence,
) -> Interval:
    joined = value(*sides)
    replicates = np.array([value(*drawn) for drawn in _drawn(sides, mean_weight, confidence)])
    found = bca(joined, replicates[~np.isnan(replicates)], 0.0, confidence)
    moved = exact.value - joined
    found = replace(found, low=found.low + moved + (exact.low - exact.value), high=found.high + moved)
    found = replace(found, high=found.high + (exact.high - exact.value)).holding(exact.value, 0.0, 1.0)
    if found.width > 0.0:
        return found
    reach = none_of(rows, confidence.critical)
    return Interval(max(exact.value - reach, 0.0), min(exact.value + reach, 1.0), "wilson")


def _drawn(
    sides: tuple[HostArray, HostArray], mean_weight: float, confidence: Confidence
) -> Iterator[tuple[HostArray, HostArray]]:
    """Replicates of both sides (K,)."""
    split, amounts = len(sides[0]), np.concatenate(sides)
    held = np.flatnonzero(amounts > 0)
    for block in draws(amounts[held], amounts[held] * mean_weight, confidence):
        for row in block:
            every = np.zeros(len(amounts))
            every[held] = row
            yield every[:split], every[split:]


def worst_together(intervals: Sequence[Interval], values: Sequence[float], weights: Sequence[float]) -> Interval:
    """The interval of a mean of values whose deviations may be perfectly correlated: the same mean of their ends."""
    value = sum(weight * one for weight, one in zip(weights, values, strict=True))
    below = sum(weight * (one - found.low) for weight, one, found in zip(weights, values, intervals, strict=True))
    above = sum(weight * (found.high - one) for weight, one, found in zip(weights, values, intervals, strict=True))
    return Interval(value - below, value + above, intervals[0].method)
