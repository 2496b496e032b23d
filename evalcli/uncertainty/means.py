"""Intervals of means over rows (log loss, Brier score, MAE, ranks) from sums of powers.

Losses are skewed: most rows are nearly right and a few very wrong. A symmetric interval then ends too low far more
often than too high. Hall's transformation takes the skewness out with one more sum, that of cubes: with the standard
error ``s`` and the skewness ``γ`` of the mean, ``T(z) = 3/γ·(∛(1 + γ·(z − γ/6)) − 1)`` stands in for ``z``.

What a state has to keep, all as exact sums: Σv, Σv² and Σv³ of counted rows. With weights, row by row, Σw and Σwv;
Σw², Σw²v and Σw²v²; Σw³, Σw³v, Σw³v² and Σw³v³.

Source: Hall 1992, On the removal of skewness by transformation; Satterthwaite 1946, An approximate distribution of
estimates of variance components.
"""

from __future__ import annotations

from dataclasses import replace
from math import cbrt, inf, isfinite, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence

WORST_LOSS = 52.0 * log(2.0)
"""``−log`` of the least that float64 resolves below 1: the loss of a row that was thought impossible."""
_LEAST_FREEDOM = 2.0
_ALIKE = 1e-14
"""Variances that are less of a square mean may be rounding alone."""
_LEAST_CUBED = 1e-100
"""What is smaller, or as much larger than 1, may have no cube."""
_NORMAL_ROWS = 2.0
"""Rows that normal errors count for: RMSEs of 3 to 20 rows are then held in 91 to 97 %, and of 100 as they are."""
_NORMAL_KURTOSIS = 9.0
"""What squares of normal errors have in 80 rows (15 in many), and Hall's interval of them holds as it is."""


class Moments(NamedTuple):
    """Sums over rows: ``first`` Σw, Σwv; ``second`` Σw², Σw²v, Σw²v²; ``third`` Σw³, Σw³v, Σw³v², Σw³v³.

    >>> moments = Moments.counted(3, 6.0, 14.0, 36.0)
    >>> moments.mean, moments.rows
    (2.0, 3.0)
    """

    first: tuple[float, float]
    second: tuple[float, float, float]
    third: tuple[float, float, float, float]
    fourth: float | None = None
    """Σw⁴(v − mean)⁴, where heavy tails are to be allowed for."""
    centre: float = 0.0
    """What values are told less, so that those which hardly differ keep their digits."""

    @classmethod
    def counted(cls, rows: float, total: float, squares: float, cubes: float) -> Moments:
        """Of rows that all count once."""
        return cls((rows, total), (rows, total, squares), (rows, total, squares, cubes))

    @classmethod
    def of(cls, values: HostArray, weights: HostArray | None = None) -> Moments:
        """Of rows (N,) at hand, or of distinct values that occur ``weights`` times each when these are counts."""
        weights = np.ones(len(values)) if weights is None else weights
        sums = [[float((weights**power * values**k).sum()) for k in range(power + 1)] for power in (1, 2, 3)]
        return cls(*map(tuple, sums))  # type: ignore[arg-type]

    @classmethod
    def of_histogram(cls, values: HostArray, counts: HostArray, mean_weight: float = 1.0) -> Moments:
        """Of values (K,) that ``counts`` (K,) rows have, of which each weighs ``mean_weight`` (Σw² / Σw)."""
        sums, terms = [], counts.astype(np.float64)
        for _ in range(4):
            sums.append(float(terms.sum()))
            terms = terms * values
        return cls.of_sums(sums, mean_weight)

    @classmethod
    def around(cls, centre: float, values: HostArray, counts: HostArray, mean_weight: float = 1.0) -> Moments:
        """The same of values with a mean near ``centre``, with the fourth power: of a heavy tail, or far from 0."""
        off = values - centre
        found = cls.of_histogram(off, counts, mean_weight)
        squares = off * off
        fourth = mean_weight**3 * float((squares * squares * counts).sum())
        return found._replace(fourth=fourth, centre=centre)

    @classmethod
    def of_sums(cls, sums: Sequence[float], mean_weight: float = 1.0) -> Moments:
        """From Σw, Σwv, Σwv² and Σwv³ of rows that weigh ``mean_weight`` (Σw² / Σw) each."""
        powers = [[mean_weight**power * sums[k] for k in range(power + 2)] for power in range(3)]
        return cls(*map(tuple, powers))  # type: ignore[arg-type]

    @property
    def rows(self) -> float:
        """How many rows of equal weight tell as much: ``(Σw)² / Σw²``."""
        return self.first[0] ** 2 / self.second[0] if self.second[0] > 0 else 0.0

    @property
    def mean(self) -> float:
        """``Σwv / Σw``"""
        return self.centre + self._off

    @property
    def _off(self) -> float:
        return self.first[1] / self.first[0]

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        rows, mean = self.rows, self._off
        square = self.second[2] - 2.0 * mean * self.second[1] + mean * mean * self.second[0]
        if rows <= 1.0 or square <= _ALIKE * (self.second[2] + self.centre * self.centre * self.second[0]):
            return 0.0
        return sqrt(square * rows / (rows - 1.0)) / self.first[0]

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the standard error: fewer where few rows make most of it (Satterthwaite)."""
        return self.freedom_beyond(1.0)

    def freedom_beyond(self, usual: float) -> float:
        """The same where a kurtosis up to ``usual`` takes none: ``2n / (κ − usual)``."""
        rows, error = self.rows, self.error
        if self.fourth is None or rows <= 2.0 or not error > 0.0:
            return rows - 1.0
        square = (self.first[0] * error) ** 2 * (rows - 1.0) / rows
        kurtosis = rows * self.fourth / (square * square)
        return min(rows - 1.0, max(2.0 * rows / max(kurtosis - usual, 2.0), _LEAST_FREEDOM))

    @property
    def skew(self) -> float:
        """The skewness of the mean, that of a row over √n; 0 of what has no cube in float64."""
        spread, mean = self.first[0] * self.error, self._off
        if not _LEAST_CUBED < spread < 1.0 / _LEAST_CUBED or abs(mean) > 1.0 / _LEAST_CUBED:
            return 0.0
        zero, one, two, three = self.third
        cube = three - 3.0 * mean * two + 3.0 * mean * mean * one - mean**3 * zero
        return cube / spread**3


def mean_interval(
    moments: Moments, confidence: Confidence, low: float = -inf, high: float = inf, worst: float | None = None
) -> Interval:
    """The interval of a mean of values from ``low`` to ``high``.

    Where all rows have one value, or their mean lies at an end, nothing says how far others lie; then as many as may
    have gone unseen are given the least and the ``worst`` value there is, to be said where ``high`` is infinite.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> values = np.random.default_rng(0).exponential(size=500)
    >>> found = mean_interval(Moments.of(values), Confidence(), low=0.0)
    >>> round(found.low, 3), round(found.high, 3)
    (1.01, 1.196)
    """
    mean, error = moments.mean, moments.error
    if error > 0.0 and low < mean < high:
        critical = t_quantile(1.0 - confidence.tail, moments.freedom)
        return hall_interval(mean, error, moments.skew, critical).holding(mean, low, high)
    share = none_of(moments.rows, confidence.critical)
    worst = high if worst is None else worst
    below = share * (mean - low) if isfinite(low) else 0.0
    above = share * (worst - mean) if isfinite(worst) else 0.0
    return Interval(mean - below, mean + above, "wilson").holding(mean, low, high)


def square_interval(moments: Moments, confidence: Confidence) -> Interval:
    """The interval of a mean of squared errors.

    Of a handful of rows the largest errors have not been seen. So the spread and the skewness of a row are drawn, by
    two rows, to at least those of the squares of normal errors: ``2·mean²`` and ``√8``. Of a heavier tail the spread
    itself is unsure, and Student's quantile has as few degrees of freedom as the kurtosis leaves.
    """
    rows, mean = moments.rows, moments.mean
    spread, skew = rows * moments.error**2, sqrt(rows) * moments.skew
    spread, skew = (
        (rows * seen + _NORMAL_ROWS * max(seen, usual)) / (rows + _NORMAL_ROWS)
        for seen, usual in ((spread, 2.0 * mean * mean), (skew, sqrt(8.0)))
    )
    critical = t_quantile(1.0 - confidence.tail, moments.freedom_beyond(_NORMAL_KURTOSIS))
    return hall_interval(mean, sqrt(spread / rows), skew / sqrt(rows), critical).holding(mean, 0.0)


def hall_interval(mean: float, error: float, skew: float, critical: float) -> Interval:
    """Hall's interval of a mean with its standard error and its skewness."""
    low, high = (mean - error * _unskewed(z, skew) for z in (critical, -critical))
    return Interval(low, high, "hall")


def _unskewed(z: float, skew: float) -> float:
    """Hall's quantile of a studentised mean."""
    return z if abs(skew) < 1e-6 else 3.0 / skew * (cbrt(1.0 + skew * (z - skew / 6.0)) - 1.0)


def careful_interval(moments: Moments, confidence: Confidence, low: float, high: float) -> Interval:
    """The interval of a mean difference: both Hall's and Student's.

    Differences of losses have heavy tails on both sides. What skewness they seem to have is mostly noise, which Hall's
    interval alone would follow.
    """
    found, error = mean_interval(moments, confidence, low, high), moments.error
    reach = t_quantile(1.0 - confidence.tail, max(moments.freedom, 1.0)) * error
    return found.holding(moments.mean - reach).holding(moments.mean + reach, low, high)


def careful_p(moments: Moments, null: float = 0.0) -> float:
    """The p-value of a true mean ``null``: one less the confidence at which ``careful_interval`` ends there."""
    mean, error, skew = moments.mean, moments.error, moments.skew
    if not error > 0.0:
        return 1.0 if mean == null else 0.0
    t = (mean - null) / error
    z = t if abs(skew) < 1e-6 else ((1.0 + skew * t / 3.0) ** 3 - 1.0) / skew + skew / 6.0
    return t_two_sided(min(abs(z), abs(t)), moments.freedom)


def squared_root(interval: Interval) -> Interval:
    """That of an RMSE from that of the mean squared error."""
    return replace(interval, low=sqrt(max(interval.low, 0.0)), high=sqrt(max(interval.high, 0.0)))
