"""Intervals of operating points: recall at a precision, precision at a recall, specificity at a sensitivity.

The threshold that is asked for is itself not known. But of each that was seen it can be tested whether it is the one at
which the true curve has that recall, or that precision: of all positives a share ``r`` would lie above it, or of the
``k`` rows above it a share ``p`` would be positive. What is sought has, if that is so, Wilson's interval from counts
that are independent of that test, so both squares add up: at a threshold that is ``t`` standard errors off, ``√(z² −
t²)`` are left for what is read there. The interval holds what any threshold has in its own.

So it needs no slope of the curve and no smoothing, and is right for a handful of rows above a threshold and for ties.
Of a handful of positives the number above a threshold is no normal one: 12 of 12 are not much where 0.9 is asked for,
and 9 are not few. For a specificity it is tested by the binomial distribution, half of what was seen on either side.
A precision is read off the same positives that are tested, and holds more than it promises without that.
The farthest of many bumpy thresholds is too far off, by a part that falls with the fourth root of the rows. Of a few
levels of score none is next to the one asked for, and holds what that one missed: where one level has most of the
positives that are in doubt, a threshold that is off by any has what two squares add up to, χ² of two degrees.

Source: Wilson 1927; Woodruff 1952, Confidence intervals for medians and other position measures; Lancaster 1961,
Significance tests in discrete distributions (mid-p); Cox and Hinkley 1974, Theoretical Statistics, 7.2 and 9.3 (tests
inverted, with a nuisance parameter).
"""

from __future__ import annotations

from math import ceil, floor, isnan, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.intervals import Interval, none_of, wilson_ends
from evalcli.uncertainty.quantiles import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Certified, Ranking
    from evalcli.uncertainty.intervals import Confidence

_BUMPY = 0.3
"""By ``0.3·n^(−1/4)`` the farthest of the thresholds is too far: with it 95 % are 93 to 98 % of 100 to 5,000 rows."""


_COUNTED, _FARTHEST = 10_000, 8.0
"""Up to so many positives are told from a normal number, and so many standard errors far."""
_LUMP = 3.0
"""From so many standard errors on a level has most positives in doubt: then 95 % of few levels are 93 to 97 %."""


class _Reach(NamedTuple):
    """How many standard errors a threshold may be off: one of ``many``, ``alone``, and together with what it says."""

    many: float
    alone: float
    together: float

    @classmethod
    def of(cls, confidence: Confidence, rows: float) -> _Reach:
        alone = confidence.critical
        return cls(alone / (1.0 + _BUMPY * rows**-0.25), alone, sqrt(-2.0 * log(2.0 * confidence.tail)))

    def at(self, off: HostArray, steps: HostArray) -> HostArray:
        """That of each threshold (K,) that is ``off`` so far, beside levels of so many standard errors of positives."""
        lump = 1.0 / (1.0 + (_LUMP / np.maximum(steps, _LUMP * 1e-3)) ** 4)
        most = np.where(off > 0.0, self.together, self.alone)
        found: HostArray = np.sqrt(self.many**2 + lump * (most**2 - self.many**2))
        return found


class _Curve(NamedTuple):
    """Rows of either side above each threshold (K + 1,), the first above all scores, in rows of mean weight."""

    tp: HostArray
    fp: HostArray

    @classmethod
    def of(cls, ranking: Ranking, mean_weight: float) -> _Curve:
        sides = (ranking.pos, ranking.neg)
        return cls(*(np.concatenate([[0.0], side.cumsum(dtype=np.float64) / mean_weight]) for side in sides))

    @property
    def rows(self) -> float:
        """Those of the smaller side."""
        return float(min(self.tp[-1], self.fp[-1]))


class _Tested(NamedTuple):
    """Thresholds (M,) that may be the one asked for, and what is ``left`` of ``z`` at each.

    ``hits`` are the positives above it if it is, and ``telling`` the rows that this number rests on.
    """

    at: HostArray
    left: HostArray
    hits: HostArray
    telling: HostArray


def operating_interval(
    base: str, exact: Certified, ranking: Ranking, confidence: Confidence, argument: float, mean_weight: float = 1.0
) -> Interval | None:
    """The interval of the operating point ``base`` at its ``argument``; ``None`` where ``exact`` is undefined.

    ``mean_weight`` is Σw² / Σw.
    """
    if isnan(exact.value):
        return None
    curve = _Curve.of(ranking, mean_weight)
    if curve.rows < 1.0:  # one side weighs next to nothing
        return Interval(0.0, 1.0, "score")
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = POINTS[base](curve, argument, _Reach.of(confidence, curve.rows))
    moved = Interval(low + (exact.low - exact.value), high + (exact.high - exact.value), "score")
    found = moved.holding(exact.value, 0.0, 1.0)
    if found.width > 0.0:
        return found
    reach = none_of(curve.rows, confidence.critical)
    return Interval(max(exact.value - reach, 0.0), min(exact.value + reach, 1.0), "wilson")


def _recall_at_precision(curve: _Curve, precision: float, reach: _Reach) -> tuple[float, float]:
    """The ends over thresholds that may be the last with that precision."""
    tested = _last_precise(curve, precision, reach.many)
    return _odds_ends(tested, curve.tp[-1] - curve.tp[tested.at])


def _precision_at_recall(curve: _Curve, recall: float, reach: _Reach) -> tuple[float, float]:
    """The ends over thresholds that may be the first with that recall, and of the best one behind them."""
    tested = _first_recalled(curve, recall, reach, _scores(curve.tp, recall))
    low, high = _odds_ends(tested, curve.fp[tested.at])
    first = int(np.flatnonzero(curve.tp >= recall * curve.tp[-1] * (1.0 - 1e-12))[0])
    rows = curve.tp + curve.fp
    best = first + int(np.argmax(_shares(curve.tp[first:], rows[first:])))
    if best > tested.at[-1]:
        high = max(high, float(wilson_ends(curve.tp[best] / rows[best], rows[best], reach.many)[1]))
    return low, high


def _specificity_at_sensitivity(curve: _Curve, sensitivity: float, reach: _Reach) -> tuple[float, float]:
    """The ends over thresholds that may be the first with that recall."""
    tested = _first_recalled(curve, sensitivity, reach, _mid_scores(curve.tp, sensitivity))
    negatives = curve.fp[-1]
    low, high = wilson_ends(curve.fp[tested.at] / negatives, negatives, tested.left)
    return 1.0 - float(np.max(high)), 1.0 - float(np.min(low))


POINTS: dict[str, Callable[[_Curve, float, _Reach], tuple[float, float]]] = {
    "recall_at_precision": _recall_at_precision,
    "precision_at_recall": _precision_at_recall,
    "specificity_at_sensitivity": _specificity_at_sensitivity,
}
"""By the name of a metric, without its parameter."""


def _last_precise(curve: _Curve, precision: float, critical: float) -> _Tested:
    """Thresholds of which ``precision`` may be that of the rows above, behind any that is surely more precise.

    Between it and the next threshold precision falls below: neither may be too far on the wrong side.
    """
    rows = curve.tp + curve.fp
    ahead, error = curve.tp - precision * rows, np.sqrt(precision * (1.0 - precision) * rows)
    after = np.append(ahead[1:], -np.inf)
    off = np.maximum(_off(-ahead, error), np.append(_off(ahead, error)[1:], 0.0))
    surely = np.flatnonzero(np.append(_off(ahead, error)[1:], 0.0) > critical)
    seen = int(np.flatnonzero(ahead >= -1e-12 * rows)[-1])
    start = min(int(surely[-1]) + 1 if len(surely) else 0, seen)
    at = np.union1d(start + np.flatnonzero(off[start:] <= critical), seen)
    bound = np.where(after > 0.0, np.append(rows[1:], 0.0) * precision - np.diff(curve.tp, append=curve.tp[-1]), 0.0)
    hits = np.where(ahead < 0.0, precision * rows, np.where(after > 0.0, bound, curve.tp))
    step = np.where((ahead >= 0.0) & (after <= 0.0) & np.isfinite(after), ahead - after, 0.0)
    step[0] = 0.0
    return _tested(at, off, critical, np.maximum(hits, 0.0), precision, step, error)


def _scores(hits: HostArray, share: float) -> HostArray:
    """How many standard errors so many ``hits`` (K,) of the last of them are more than the ``share`` asked for."""
    ahead = hits - share * hits[-1]
    return np.where(ahead == 0.0, 0.0, ahead / np.sqrt(share * hits[-1] * (1.0 - share)))


def _mid_scores(hits: HostArray, share: float) -> HostArray:
    """The same from the binomial distribution: normal quantiles of what fewer hits have and of half of what these have.

    >>> _mid_scores(np.array([9.0, 12.0]), 0.9).round(2).tolist(), _scores(np.array([9.0, 12.0]), 0.9).round(2).tolist()
    ([-1.49, 1.07], [-1.73, 1.15])
    """
    rows = float(hits[-1])
    trials = max(round(rows), 1)
    if trials > _COUNTED or not 0.0 < share < 1.0:
        return _scores(hits, share)
    centre, reach = share * trials, _FARTHEST * sqrt(trials * share * (1.0 - share)) + 1.0
    number = np.arange(max(ceil(centre - reach), 0), min(floor(centre + reach), trials) + 1)
    times = (trials - number[:-1]) / number[1:] * (share / (1.0 - share))
    chance = np.exp(np.append(0.0, np.log(times).cumsum()))
    chance /= chance.sum()
    below = np.clip(chance.cumsum() - chance / 2.0, 1e-300, 1.0 - 1e-16)
    return np.interp(hits * (trials / rows), number, [*map(normal_quantile, below.tolist())])


def _first_recalled(curve: _Curve, recall: float, reach: _Reach, scores: HostArray) -> _Tested:
    """Thresholds above which ``recall`` may be the share of the positives, and was not before them.

    By the ``scores`` (K + 1,) of the positives above each.
    """
    wanted = recall * curve.tp[-1]
    ahead, error = curve.tp - wanted, np.full(len(curve.tp), np.sqrt(wanted * (1.0 - recall)))
    before = np.append(-np.inf, ahead[:-1])
    off = np.maximum(np.maximum(-scores, np.append(0.0, scores[:-1])), 0.0)
    off[0] = np.inf  # above all scores there is no precision
    seen = int(np.flatnonzero(ahead >= -1e-12 * curve.tp[-1])[0])
    step = np.diff(curve.tp, prepend=0.0)
    level = np.maximum(step, np.append(step[1:], 0.0))
    critical = reach.at(off, np.divide(level, error, out=np.zeros_like(level), where=error > 0.0))
    at = np.union1d(np.flatnonzero(off <= critical), max(seen, 1)).astype(np.int64)
    hits = np.where(ahead < 0.0, wanted, np.minimum(curve.tp, wanted + step))
    return _tested(at, off, critical[at], hits, recall, np.where((ahead >= 0.0) & (before < 0.0), step, 0.0), error)


def _off(ahead: HostArray, error: HostArray) -> HostArray:
    """By how many standard errors more than nothing."""
    found: HostArray = np.where(ahead > 0.0, ahead / error, 0.0)
    return found


def _tested(
    at: HostArray,
    off: HostArray,
    critical: HostArray | float,
    hits: HostArray,
    share: float,
    step: HostArray,
    error: HostArray,
) -> _Tested:
    """Of the thresholds ``at`` (M,) that were found.

    As many hits as the share that is asked for makes of a known number of rows vary less than hits that were counted.
    Where one ``step`` leads over that share, as with ties, they were counted.
    """
    at = at.astype(np.int64)
    step, error = step[at], error[at]
    counted = np.where(step > 0.0, step * step / (step * step + error * error), 0.0)
    left = np.sqrt(np.maximum(critical * critical - np.minimum(off[at], critical) ** 2, 0.0))
    return _Tested(at, left, hits[at], hits[at] / (share + counted * (1.0 - share)))


def _odds_ends(tested: _Tested, others: HostArray) -> tuple[float, float]:
    """Both ends of ``hits / (hits + others)``, where hits scatter as their number of telling rows."""
    rows = tested.telling + others
    low, high = wilson_ends(_shares(tested.telling, rows), rows, tested.left)
    times = np.where(tested.telling > 0.0, tested.hits / tested.telling, 1.0)
    ends = (np.where(end < 1.0, times * end / (times * end + 1.0 - end), 1.0) for end in (low, high))
    return float(np.min(next(ends))), float(np.max(next(ends)))


def _shares(part: HostArray, whole: HostArray) -> HostArray:
    """``part / whole``, 0 of nothing."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0.0)
