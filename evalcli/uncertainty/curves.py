"""Intervals of what is read off the risk–coverage curve, and the segments and slopes of any curve.

So that the cost does not depend on the number of scores, neighbouring segments are joined to at most ``MOST`` first,
narrow ones at both ends of a curve; what that changes in the value is taken back from the interval. Each segment is
then moved by its standard deviation, all at once by one call of a formula of :mod:`evalcli.uncertainty.paths`. Where
replicates are needed, rows are drawn as counts of segments, each side of a segment from a Poisson distribution.

Nothing of selective risk is drawn. An accuracy at a coverage is a share of rows of which it was not
known beforehand that they are the surest: it has the delta method on Wilson's scale. A bootstrap held it in 92 %, with
the truth below: its samples have no wrong rows but those that were seen.

Areas under the risk–coverage curve draw nothing: a handful of wrong rows makes them, each of its own size, and draws
of those rows do not know that there may be others. Held in 84 to 92 % where 95 were promised, with the truth above,
they now have the delta method and Student's quantile, with as many degrees of freedom as such rows tell of their
variance, and a variance as of two such rows fewer.

A wrong row makes the area larger wherever it stands, so that the area varies as a number of rows does (Wilson's
scale). To the excess it adds by how many right rows it is surer than, which is often next to none: the excess is the
product of a number of rows and of how far ahead they stand, varies in proportion to itself, and has the scale of its
logarithm. It is largest where all wrong rows stand first: ``−r·ln r − (1 − r)·ln(1 − r)`` of a share ``r`` of them.

Source: Satterthwaite 1946, An approximate distribution of estimates of variance components; Bartlett 1947, The use of
transformations.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import exp, inf, isnan, isqrt, log, log1p, pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.keyentries import ends_of
from evalcli.metrics.keys import numbered
from evalcli.uncertainty.intervals import Interval, by_variance, none_of, wilson_ends
from evalcli.uncertainty.paths import FORMULAS, Paths
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.rankestimates import telling_rows
from evalcli.uncertainty.resampling import draws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.confidence import ConfidenceGroups
    from evalcli.metrics.roc import Certified, Ranking
    from evalcli.uncertainty.intervals import Confidence

MOST = 128
"""Segments that replicates are drawn from."""
FEW = 64
"""Segments of which each is moved by itself, where nothing is drawn."""
_TOGETHER = 128
"""Replicates whose curves stay in the cache."""
_KEPT = 1 << 20
"""Draws that may be kept until others are made: 8 MB."""
_AREAS = frozenset({"aurc", "excess_aurc"})
"""Of the risk–coverage curve."""
_ENDS, _SHORT = "ends of segments", 1 << 17
"""What is kept of no more than so many segments: 2 MB."""
_FEWEST = 2.0
"""Degrees of freedom of a variance that a single row makes up."""
_UNSEEN = 2.0
"""Wrong rows by which those that make an area are fewer than they seem: the largest were not seen."""
_FAR = 700.0
"""Where an exponential still is a number."""


def selective_interval(
    base: str,
    exact: Certified,
    groups: ConfidenceGroups,
    confidence: Confidence,
    *arguments: float,
    mean_weight: float = 1.0,
    few: bool = False,
) -> Interval | None:
    """The interval of what the formula of ``base`` made of rows by their confidence, ``exact``; ``None`` if undefined.

    Only those up to a coverage may tell. ``mean_weight`` is Σw² / Σw. In a ``few`` segments, a quarter of the work,
    ends move by 0.2 % of its width at most, as 50 slices of 200,000 rows show.
    """
    if isnan(exact.value):
        return None
    rows = float(groups.n.sum()) / mean_weight
    sides = joined(groups.right, groups.wrong, FEW if few else MOST, groups.known)
    rows *= 1.0 if base in _AREAS else arguments[0]
    return _interval(exact, (base, arguments), sides, rows, mean_weight, confidence)


def joined(
    first: HostArray, second: HostArray, most: int, known: dict[Any, Any] | None = None
) -> tuple[HostArray, HostArray]:
    """Both sides of at most ``most`` runs of segments.

    A run is as long as ``arcsin √share`` of either side lets it be, so that a share is told to a like part of its
    error everywhere: at 0.001 as at 0.5. What is ``known`` of the same sides is kept there for other numbers of runs.
    """
    known = {} if known is None or len(first) > _SHORT else known
    if _ENDS not in known:
        # counts are added up as whole numbers, which is exact and takes a tenth of the time
        known[_ENDS] = first.cumsum(), second.cumsum()
    ends = known[_ENDS]
    heads = _heads(ends, most)
    if len(heads) == len(first):
        pos, neg = first, second
    else:
        pos, neg = (_between(*side, heads) for side in zip((first, second), ends, strict=True))
    return pos.astype(np.float64), neg.astype(np.float64)


def _between(amounts: HostArray, ends: HostArray, heads: HostArray) -> HostArray:
    """The sums of ``amounts`` (K,) from each of the ``heads`` to the next: of whole numbers they are known."""
    if amounts.dtype.kind != "i":
        return np.add.reduceat(amounts, heads)
    found: HostArray = ends[ends_of(heads, len(ends)) - 1]
    found[1:] -= found[:-1].copy()
    return found


def heads_of_runs(first: HostArray, second: HostArray, most: int) -> HostArray:
    """The segments (K,) with which the runs of ``joined`` begin."""
    return _heads((first.cumsum(), second.cumsum()), most)


def _heads(ends: tuple[HostArray, HostArray], most: int) -> HostArray:
    """The segments with which runs begin; each is one by itself where there are no more than ``most``.

    Of what there is up to the ``ends`` of segments (K,). Only where a run begins are all segments looked at.
    """
    size = len(ends[0])
    if size <= most:
        return np.arange(size)
    step = max(isqrt(size // most), 1)
    apart = np.append(np.arange(0, size - 1, step), size - 1)
    runs = _runs(ends, apart, most)
    near = apart[:-1][runs[1:] != runs[:-1]][:, None] + np.arange(step + 1)
    near = np.minimum(near, size - 1)
    runs = _runs(ends, near, most)
    row, column = np.nonzero(runs[:, 1:] != runs[:, :-1])
    return np.concatenate([[0], near[row, column + 1]])


def _runs(ends: tuple[HostArray, HostArray], at: HostArray, most: int) -> HostArray:
    """In which run segments lie, by how far along a curve they end: from 0 to π."""
    places = np.zeros(at.shape)
    for side in ends:
        places += np.arcsin(np.sqrt(side[at] / max(float(side[-1]), 1e-300)))
    return np.minimum((places * (most / pi) * (1.0 - 1e-12)).astype(np.int64), most - 1)


def _interval(
    exact: Certified,
    formula: tuple[str, tuple[float, ...]],
    sides: tuple[HostArray, HostArray],
    rows: float,
    mean_weight: float,
    confidence: Confidence,
) -> Interval:
    base, arguments = formula

    def value(pos: HostArray, neg: HostArray) -> HostArray:
        return FORMULAS[base](Paths.of(pos, neg), *arguments)

    seen = float(value(sides[0][None], sides[1][None])[0])
    if rows < 1.0:
        return Interval(0.0, 1.0, "delta")
    if 0.0 < seen < 1.0:
        slopes = slopes_of(value, sides, mean_weight)
        variance, freedom = moved_variance(slopes, sides, mean_weight)
        critical = confidence.critical
        if base in _AREAS:
            critical = t_quantile(1.0 - confidence.tail, freedom)
            telling = telling_rows(sides[1] / mean_weight, np.maximum(slopes[1], 0.0))
            variance *= (telling + _UNSEEN) / telling if telling > 0.0 else 1.0
        found = by_variance(seen, variance, critical, "delta")
        if base == "excess_aurc" and variance > 0.0:
            most = most_excess(float(sides[1].sum()) / mean_weight, rows, confidence)
            found = by_logarithm(seen, variance, critical, max(most, seen))
    else:
        found = Interval(seen, seen, "delta")
    found = replace(found, low=_moved(found.low, seen, exact.value), high=_moved(found.high, seen, exact.value))
    low, high = found.low + (exact.low - exact.value), found.high + (exact.high - exact.value)
    found = replace(found, low=low, high=high).holding(exact.value, 0.0, 1.0)
    if found.width > 0.0:
        return found
    reach = none_of(rows, confidence.critical)
    return Interval(max(exact.value - reach, 0.0), min(exact.value + reach, 1.0), "wilson")


def by_logarithm(value: float, variance: float, critical: float, most: float) -> Interval:
    """The interval of a ``value`` above 0 that varies in proportion to itself, up to ``most``."""
    reach = critical * sqrt(variance) / value
    return Interval(value * exp(-reach), min(value * exp(min(reach, _FAR)), most), "delta")


def most_excess(wrong: float, rows: float, confidence: Confidence) -> float:
    """The excess of as many wrong rows as there may be (Wilson), all of which stand before every right one.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> round(most_excess(0.0, 100.0, Confidence()), 4)
    0.1583
    """
    share = float(wilson_ends(wrong / rows, rows, confidence.critical)[1])
    share = min(share, 0.5)  # where half of the rows are wrong it is largest
    return -share * log(share) - (1.0 - share) * log1p(-share)


def _moved(end: float, seen: float, value: float) -> float:
    """Where an ``end`` lies around the exact ``value``, of which joined segments have ``seen``: 0 and 1 stay."""
    end = min(max(end, 0.0), 1.0)  # rounding can lead past them
    share = end / seen if end < seen else 1.0 if end == seen else (1.0 - end) / (1.0 - seen)
    return end + (value - seen) * share


def drawn_values(
    value: Callable[[HostArray, HostArray], HostArray],
    sides: tuple[HostArray, HostArray],
    mean_weight: float,
    confidence: Confidence,
) -> HostArray:
    """The values (B,) of replicates of both sides (K,)."""
    split, amounts = len(sides[0]), np.concatenate(sides)
    held = np.flatnonzero(amounts > 0)
    found = []
    for block in _drawn(amounts[held], mean_weight, confidence):
        for start in range(0, len(block), _TOGETHER):
            every = some = block[start : start + _TOGETHER]
            if len(held) < len(amounts):
                every = np.zeros((len(some), len(amounts)))
                every[:, held] = some
            found.append(value(every[:, :split], every[:, split:]))
    return np.concatenate(found)


def _drawn(amounts: HostArray, mean_weight: float, confidence: Confidence) -> Iterable[HostArray]:
    """Replicates of amounts (K,), in blocks (b, K): the last ones are kept, for numbers of the same rows."""
    if len(amounts) * confidence.resamples > _KEPT:
        return draws(amounts, amounts * mean_weight, confidence)
    return _kept(amounts.tobytes(), mean_weight, confidence)


@lru_cache(maxsize=1)
def _kept(amounts: bytes, mean_weight: float, confidence: Confidence) -> tuple[HostArray, ...]:
    held = np.frombuffer(amounts)
    return tuple(draws(held, held * mean_weight, confidence))


def moved_variance(
    slopes: tuple[HostArray, HostArray], sides: tuple[HostArray, HostArray], mean_weight: float
) -> tuple[float, float]:
    """The variance of a value of both sides (K,), each segment of which varies by itself, and its degrees of freedom.

    The delta method, from how much the value grows with each segment. Of Poisson numbers of rows that move it by ``d``
    each the variance ``Σd²`` varies by ``Σd⁴``.
    """
    squares = np.concatenate(slopes) ** 2 * mean_weight
    parts = squares * np.concatenate(sides)
    variance, fourth = float(parts.sum()), float((parts * squares).sum()) * mean_weight
    return variance, max(2.0 * variance * variance / fourth, _FEWEST) if fourth > 0.0 else inf


def slopes_of(
    value: Callable[[HostArray, HostArray], HostArray], sides: tuple[HostArray, HostArray], mean_weight: float
) -> tuple[HostArray, HostArray]:
    """How much a value of both sides (K,) grows with each segment of either, by the row.

    It is seen where a segment has its standard deviation more, and where it has that less. The other side stays as it
    is, one (1, K) for all.
    """
    pos, neg = (side[None] for side in sides)
    of_pos = _side_slopes(lambda moved: value(moved, neg), sides[0], mean_weight)
    return of_pos, _side_slopes(lambda moved: value(pos, moved), sides[1], mean_weight)


def _side_slopes(value: Callable[[HostArray], HostArray], amounts: HostArray, mean_weight: float) -> HostArray:
    """How much a value of a side (K,) grows with each of its segments."""
    held = np.flatnonzero(amounts > 0)
    more = np.sqrt(amounts[held] * mean_weight)
    less = np.minimum(more, amounts[held])
    moved = np.tile(amounts, (2, len(held), 1))
    moved[0, np.arange(len(held)), held] += more
    moved[1, np.arange(len(held)), held] -= less
    every = moved.reshape(-1, len(amounts))
    starts = range(0, max(len(every), 1), _TOGETHER)
    up, down = np.concatenate([value(every[start : start + _TOGETHER]) for start in starts]).reshape(2, -1)
    slopes = np.zeros(len(amounts))
    slopes[held] = (up - down) / (more + less)
    slopes[np.isnan(slopes)] = 0.0  # without its only segment a side has no curve
    return slopes


def curve_slopes(
    base: str, first: HostArray, second: HostArray, *arguments: float, mean_weight: float = 1.0
) -> tuple[HostArray, HostArray, HostArray]:
    """How much the formula of ``base`` grows with a row of either side in each of the runs (J,) of segments (K,).

    The first of the three says with which segments the runs begin. ``mean_weight`` is Σw² / Σw: it says by how much
    segments are moved, so that no unit of weights shows.
    """

    def value(pos: HostArray, neg: HostArray) -> HostArray:
        return FORMULAS[base](Paths.of(pos, neg), *arguments)

    return heads_of_runs(first, second, MOST), *slopes_of(value, joined(first, second, MOST), mean_weight)


def curve_influence(
    base: str, ranking: Ranking, *arguments: float, mean_weight: float = 1.0
) -> tuple[HostArray, HostArray]:
    """What a positive and a negative in each segment (K,) add to what is read off a curve, as the delta method sees it.

    It is told run by run of segments.
    """
    heads, positive, negative = curve_slopes(base, ranking.pos, ranking.neg, *arguments, mean_weight=mean_weight)
    run = numbered(heads, len(ranking.pos))
    return positive[run], negative[run]


def worst_together(intervals: Sequence[Interval], values: Sequence[float], weights: Sequence[float]) -> Interval:
    """The interval of a mean of values whose deviations may be perfectly correlated: the same mean of their ends."""
    value = sum(weight * one for weight, one in zip(weights, values, strict=True))
    below = sum(weight * (one - found.low) for weight, one, found in zip(weights, values, intervals, strict=True))
    above = sum(weight * (found.high - one) for weight, one, found in zip(weights, values, intervals, strict=True))
    return Interval(value - below, value + above, intervals[0].method)
