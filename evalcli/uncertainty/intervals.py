"""Intervals, and Wilson's idea in three shapes: for counts, for weights, and for any estimate with a variance.

A normal interval around a share takes the variance at the share that was seen, which is 0 where all is right. Wilson
asks the other way round: for which true shares would what was seen lie within ``z`` standard errors, taken at the true
share? The answer never leaves [0, 1] and is never of zero width.

Source: Wilson 1927, Probable inference, the law of succession, and statistical inference; Newcombe 1998, Two-sided
confidence intervals for the single proportion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isnan, nextafter, sqrt
from typing import TYPE_CHECKING

from evalcli.uncertainty.quantiles import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray

_HALVINGS = 100
_TRACE = 1e-12
"""Of so little of a row nothing is known."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value lies, and the ``method`` that says so: ``wilson``, ``score``, ``bootstrap``, …"""

    low: float
    high: float
    method: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low

    def holding(self, value: float, low: float = -inf, high: float = inf) -> Interval:
        """Stretched to hold the ``value`` that it is about, and cut to where a metric can lie.

        A correction for bias may move an interval past the value that is reported; a reader would take it for a fault.
        """
        return Interval(max(min(self.low, value), low), min(max(self.high, value), high), self.method)

    def spanning(self, certain: tuple[float, float] | None) -> Interval:
        """Stretched over all that a value may be for sure, where memory allowed no exact one."""
        if certain is None:
            return self
        return replace(self, low=min(self.low, certain[0]), high=max(self.high, certain[1]))

    def with_width(self) -> Interval:
        """As wide as float64 can tell, where it was narrower."""
        if self.low != self.high:
            return self
        return replace(self, low=nextafter(self.low, -inf), high=nextafter(self.high, inf))

    def inside(self, other: Interval) -> Interval:
        """What both hold."""
        return replace(self, low=max(self.low, other.low), high=min(self.high, other.high))

    def flipped(self, whole: float = 0.0) -> Interval:
        """That of ``whole − value``."""
        return replace(self, low=whole - self.high, high=whole - self.low)

    def of_size(self) -> Interval:
        """That of ``|value|``: from 0 on where 0 is in it.

        >>> Interval(-0.5, 0.25, "hall").of_size()
        Interval(low=0.0, high=0.5, method='hall')
        """
        least, most = sorted((abs(self.low), abs(self.high)))
        return replace(self, low=0.0 if 0.0 in self else least, high=most)


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure an interval is to be, and what a drawing of samples starts from.

    >>> round(Confidence().critical, 4)
    1.96
    """

    level: float = 0.95
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"a confidence lies between 0 and 1, not at {self.level!r}")
        if self.resamples < 1:
            raise ValueError(f"at least one resample is needed, not {self.resamples}")

    @property
    def tail(self) -> float:
        """The share left out on either side."""
        return (1.0 - self.level) / 2.0

    @property
    def critical(self) -> float:
        """The ``z`` that a normal variable exceeds on either side with that share."""
        return normal_quantile(1.0 - self.tail)


def wilson(successes: float, trials: float, critical: float) -> Interval:
    """The interval of a share, from counts or from effective ones; (0, 1) without trials.

    ``(p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)``

    >>> found = wilson(95, 100, Confidence().critical)
    >>> round(found.low, 4), round(found.high, 4)
    (0.8882, 0.9785)
    """
    low, high = wilson_ends(successes / trials if trials > 0 else 0.5, trials, critical)
    return Interval(float(low), float(high), "wilson")


def wilson_ends(
    share: float | HostArray, trials: float | HostArray, critical: float | HostArray
) -> tuple[float | HostArray, float | HostArray]:
    """Both ends for shares, trials and critical values (…), whole or effective; (0, 1) where there are no trials."""
    if isinstance(share, float) and isinstance(trials, float) and isinstance(critical, float):
        return _single_ends(float(share), float(trials), float(critical))
    import numpy as np

    share, trials = np.asarray(share, float), np.asarray(trials, float)
    square = critical * critical
    some = np.where(trials > _TRACE, trials, 1.0)
    weight = square / some
    middle = (share + weight / 2) / (1 + weight)
    half = critical / (1 + weight) * np.sqrt(np.maximum(share * (1 - share), 0.0) / some + square / (4 * some * some))
    low = np.where((share <= 0) | (trials <= _TRACE), 0.0, np.maximum(middle - half, 0.0))
    high = np.where((share >= 1) | (trials <= _TRACE), 1.0, np.minimum(middle + half, 1.0))
    return low, high


def _single_ends(share: float, trials: float, critical: float) -> tuple[float, float]:
    """The same of one share: a report has thousands, and NumPy takes a dozen calls for each."""
    square = critical * critical
    some = trials if trials > _TRACE else 1.0
    weight = square / some
    middle = (share + weight / 2) / (1 + weight)
    half = critical / (1 + weight) * sqrt(max(share * (1 - share), 0.0) / some + square / (4 * some * some))
    low = 0.0 if share <= 0 or trials <= _TRACE else max(middle - half, 0.0)
    high = 1.0 if share >= 1 or trials <= _TRACE else min(middle + half, 1.0)
    return low, high


def trials_of(share: float, end: float, critical: float) -> float | None:
    """How many trials make ``end`` an end of Wilson's interval of ``share``; ``None`` where it does not tell.

    ``z²·e(1 − e) / (p − e)²``, since a true share at the end is just not rejected.

    >>> found = wilson(95, 100, 1.96)
    >>> round(trials_of(0.95, found.low, 1.96), 9), trials_of(0.0, 0.0, 1.96)
    (100.0, None)
    """
    variance = end * (1.0 - end)
    return critical * critical * variance / (share - end) ** 2 if share != end and variance > 0.0 else None


def wilson_weighted(
    right: float, wrong: float, right_squares: float, wrong_squares: float, critical: float
) -> Interval:
    """The interval of ``Σw of the right rows / Σw``, from ``Σw`` and ``Σw²`` of the right and of the wrong ones.

    A row of the true share ``p`` adds ``p(1 − p)·((1 − p)·q₁ + p·q₀)`` to the variance of ``Σw(right − p)`` for each
    unit of weight, where ``q₁`` and ``q₀`` are the mean weights of the right and of the wrong rows, each by weight
    (``Σw²/Σw``). Where both are the same this is Wilson's interval for ``n_eff = (Σw)²/Σw²`` rows. One more row of the
    overall mean weight is added to each side, for a side may be empty.

    >>> wilson_weighted(95, 5, 95, 5, Confidence().critical) == wilson(95, 100, Confidence().critical)
    True
    """
    total = right + wrong
    squares = right_squares + wrong_squares
    if not total > 0:
        return Interval(0.0, 1.0, "wilson")
    mean = squares / total
    of_right = (right_squares + mean * mean) / (right + mean)
    of_wrong = (wrong_squares + mean * mean) / (wrong + mean)
    if of_right == of_wrong:
        return wilson(right / mean, total / mean, critical)
    share = right / total

    def inside(true: float) -> bool:
        variance = true * (1.0 - true) * ((1.0 - true) * of_right + true * of_wrong) / total
        return (share - true) ** 2 <= critical * critical * variance

    low = 0.0 if share <= 0 else _last_inside(share, 0.0, inside)
    high = 1.0 if share >= 1 else _last_inside(share, 1.0, inside)
    return Interval(low, high, "wilson")


def _last_inside(start: float, end: float, inside: Callable[[float], bool]) -> float:
    """The last value from ``start`` to ``end`` for which ``inside`` holds, by halving."""
    for _ in range(_HALVINGS):
        middle = (start + end) / 2.0
        if middle in (start, end):
            break
        start, end = (middle, end) if inside(middle) else (start, middle)
    return start


def by_variance(
    value: float, variance: float, critical: float, method: str, low: float = 0.0, high: float = 1.0
) -> Interval:
    """Wilson's interval for as many rows as would give a share at this place that ``variance``.

    ``value`` lies strictly between ``low`` and ``high``; a metric from −1 to 1 is moved to where shares lie. It differs
    from a normal interval on the logit scale only near the ends, where the latter runs away: with one pair of scores
    out of order in a thousand it holds everything from 0.3 on.
    """
    span = high - low
    share = (value - low) / span
    effective = share * (1.0 - share) * span * span / variance if variance > 0 else inf
    if effective == inf:
        return Interval(value, value, method)
    start, stop = wilson_ends(share, effective, critical)
    return Interval(low + span * float(start), low + span * float(stop), method)


def other_signs(rows: float, tail: float) -> float:
    """Which share of rows may have another sign than all that were seen: half of them where a test of signs is unsure.

    Source: Clopper and Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial.

    >>> [round(other_signs(rows, 0.025), 3) for rows in (1.0, 5.0, 6.0)]
    [0.975, 0.522, 0.459]
    """
    return 1.0 - float(tail ** (1.0 / max(rows, 1.0)))


def none_of(trials: float, critical: float) -> float:
    """Up to which share something may happen that has not happened in ``trials``: Wilson's end at 0, about 4 / n.

    >>> round(none_of(100, Confidence().critical), 4)
    0.037
    """
    square = critical * critical
    return 1.0 if isnan(trials) or trials <= 0 else square / (trials + square)
