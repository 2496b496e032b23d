"""Intervals of the parts of a Brier score, and of the two sides of a calibration error, from the tables of bins.

Reliability and resolution are means of squared gaps: of what a bin promises, or of all rows, to what happened in it.
Like a calibration error they are too large in a sample, by the noise of the bins, and a bootstrap would double that. So
the test is turned round in the same way: were the true gaps ``κ`` times those that were seen, which part would be
measured, and how far would it vary? A sum of squares is nearly a multiple of χ², whose cube root is nearly normal.

Of the uncertainty of two classes, ``p·(1 − p)``, Wilson's ends say all. That of more is ``1 − 1/C`` less the sum of the
squared gaps from shares that are all alike.

Source: Wilson and Hilferty 1931, The distribution of chi-square; Bröcker 2012, Estimating reliability and resolution of
probability forecasts through decomposition of the empirical score.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.bins import alone, gaps_along, gaps_of, largest_error, normal_parts, picked
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, none_of, wilson
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.roots import roots, roots_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.intervals import Confidence

METHOD = "inversion"
_PER_BIN = 2.0
"""Degrees of freedom for each row that a bin has on average: so resolutions of 100 rows are held in 94 to 96 %."""


class Measured(NamedTuple):
    """The means and the variances (F,) of what would be measured."""

    mean: HostArray
    variance: HostArray


class Squares(NamedTuple):
    """Per table and bin (…, T, B): weights that add up to 1 in a table, gaps, variances; and rows per table (…, T)."""

    weights: HostArray
    gaps: HostArray
    variances: HostArray
    rows: HostArray
    together: float = 1.0
    """How many times as large the variance is as if bins went their own ways."""

    def values(self) -> HostArray:
        """What was measured (…)."""
        found: HostArray = (self.weights * self.gaps**2).sum(axis=(-2, -1))
        return found

    def of(self, places: HostArray) -> Squares:
        """Some of many (N, T, B)."""
        weights, gaps, variances, rows = (part[places] for part in self[:4])
        return Squares(weights, gaps, variances, rows, self.together)

    def along(self, factors: HostArray) -> tuple[HostArray, HostArray]:
        """The means and the variances (F,) at several factors (F,); of many (F, T, B) each factor is that of one.

        Tables of C classes are of the same rows. What happened to be of one class was of no other, so noise has a
        correlation of −1/(C − 1) between two, and its squares one of 1/(C − 1)²: together ``C/(C − 1)`` times the sum.
        """
        true = (factors * factors)[:, None, None] * self.gaps**2
        mean = np.add.reduce(self.weights * (true + self.variances), axis=-1)
        parts = self.weights**2 * (2.0 * self.variances**2 + 4.0 * true * self.variances)
        inside = np.add.reduce(parts, axis=-1)
        centre = np.add.reduce(self.weights * true, axis=-1, keepdims=True)
        between = np.add.reduce(self.weights * (true - centre) ** 2, axis=-1) / self.rows
        classes = self.rows.shape[-1]
        together = classes / (classes - 1.0) if classes > 1 else 1.0
        return np.add.reduce(mean, axis=-1), self.together * together * np.add.reduce(inside + between, axis=-1)


def reliability_interval(
    table: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> Interval:
    """The interval of ``Σ_b n_b·(forecast_b − happened_b)² / n`` of a table (B,), or of the sum over tables (C, B).

    Of rows in clusters ``mean_weight`` is as large as they make it in a bin, ``together`` how bins move together.
    """
    return reliability_intervals(alone(table), confidence, mean_weight, together)[0]


def reliability_intervals(
    tables: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> list[Interval]:
    """Those of each of many tables (N, B), or of each sum over tables (N, C, B)."""
    squares = squares_of(picked(tables, slice(None)), mean_weight, around=False)._replace(together=together)
    return _intervals(squares, confidence, [confidence.critical] * len(squares.rows))


def resolution_interval(
    table: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> Interval:
    """The interval of ``Σ_b n_b·(happened_b − share)² / n`` of a table (B,), or of the sum over tables (C, B).

    ``mean_weight`` and ``together`` are as above.
    """
    return resolution_intervals(alone(table), confidence, mean_weight, together)[0]


def resolution_intervals(
    tables: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> list[Interval]:
    """Those of each of many tables (N, B), or of each sum over tables (N, C, B)."""
    squares = squares_of(picked(tables, slice(None)), mean_weight, around=True)._replace(together=together)
    each = (squares.of(np.array(place)) for place in range(len(squares.rows)))
    return _intervals(squares, confidence, [resolution_critical(one, confidence) for one in each])


def resolution_critical(squares: Squares, confidence: Confidence) -> float:
    """Student's quantile: bins of few rows hardly tell their own noise."""
    bins = float((squares.weights > 0.0).sum(axis=1).max())
    freedom = max(_PER_BIN * float(squares.rows.max()) / max(bins, 1.0), 1.0)
    return t_quantile(1.0 - confidence.tail, freedom)


def squares_of(table: BinTable, mean_weight: float, *, around: bool) -> Squares:
    """The gaps of a table (B,), or of tables (…, C, B): to what bins promise, or ``around`` what happens in all."""
    n, right, sure = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.right, table.confidence))
    total = np.maximum(n.sum(axis=-1, keepdims=True), 1e-300)
    held = np.where(n > 0, n, 1.0)
    centre = right.sum(axis=-1, keepdims=True) / total if around else sure / held
    gaps = np.where(n > 0, right / held - centre, 0.0)
    variances = gaps_of(table, mean_weight).variances * (total / held) ** 2
    return Squares(n / total, gaps, np.where(n > 0, variances, 0.0), total[..., 0] / mean_weight)


def _intervals(squares: Squares, confidence: Confidence, criticals: Sequence[float]) -> list[Interval]:
    """Those of many (N, T, B); each has a quantile of its own, where bins of few rows do not tell their own noise."""
    values, most = squares.values(), float(squares.rows.shape[-1])
    rows = squares.rows.max(axis=-1).tolist()
    found = [Interval(0.0, most * none_of(each, confidence.critical), "wilson") for each in rows]
    held = np.flatnonzero(values > 0.0)
    values, critical = values[held], np.array(criticals)[held]

    def above(factors: HostArray, places: HostArray) -> HostArray:
        return surprise(values[places], Measured(*squares.of(held[places]).along(factors)))

    ends = roots_of_each(above, critical)
    for place, value, low, high in zip(held.tolist(), values.tolist(), *(end.tolist() for end in ends), strict=True):
        found[place] = Interval(low * low * value, high * high * value, METHOD).holding(value, 0.0, most)
    return found


def surprise_along(
    value: float, along: Callable[[HostArray], tuple[HostArray, HostArray]]
) -> Callable[[HostArray], HostArray]:
    """How surprising ``value`` is at factors (F,) ``along`` which means and variances (F,) are known."""
    return lambda factors: surprise(np.array(value), Measured(*along(factors)))


def surprise(value: HostArray, expected: Measured) -> HostArray:
    """How many standard errors sums of squares (F,) lie above those expected."""
    mean, variance = expected
    some = variance > 0.0
    centre, varies = np.where(some, mean, 1.0), np.where(some, variance, 1.0)
    spread = varies / (9.0 * centre * centre)  # Wilson and Hilferty: 2 / (9 · degrees of freedom)
    return np.where(some, (np.cbrt(value / centre) - 1.0 + spread) / np.sqrt(spread), 1e9 * (value - mean))


def uncertainty_interval(table: BinTable, confidence: Confidence, mean_weight: float = 1.0) -> Interval:
    """The interval of ``share·(1 − share)`` of a table (B,), or of its sum over the tables (C, B) of all classes."""
    rows = float(table.n.sum(axis=-1).max()) / mean_weight
    shares = np.atleast_1d(table.right.sum(axis=-1) / np.maximum(table.n.sum(axis=-1), 1e-300)).astype(np.float64)
    classes = len(shares)
    if classes <= 2:
        found = wilson(float(shares[0]) * rows, rows, confidence.critical)
        ends = [classes * share * (1.0 - share) for share in (found.low, found.high)]
        high = classes / 4.0 if found.low <= 0.5 <= found.high else max(ends)
        return Interval(min(ends), high, "wilson")
    gaps = shares - 1.0 / classes
    value = dot(gaps, gaps)
    noise = shares * (1.0 - shares) / rows

    squared, linear = dot(gaps * gaps, shares), dot(gaps, shares) ** 2

    def above(factors: HostArray) -> HostArray:
        mean = factors * factors * value + float(noise.sum())
        variance = 4.0 * factors * factors * (squared - linear) / rows + 2.0 * dot(noise, noise)
        return surprise(np.array(value), Measured(mean, variance))

    most, unseen = 1.0 - 1.0 / classes, none_of(rows, confidence.critical)
    if not value > 0.0:
        return Interval(most - unseen, most, "wilson")
    if float(shares.max()) >= 1.0:  # others may have gone unseen
        return Interval(0.0, unseen, "wilson")
    low, high = roots(above, confidence.critical)
    return Interval(most - high * high * value, most - low * low * value, METHOD).holding(most - value, 0.0, most)


def side_interval(
    table: BinTable, confidence: Confidence, sign: float, mean_weight: float = 1.0, together: float = 1.0
) -> Interval:
    """The interval of ``Σ_b max(sign·(right_b − confidence_b), 0) / n`` of a table (B,): a side of the ECE.

    ``mean_weight`` and ``together`` are as above.
    """
    value, above = side_surprise(table, sign, mean_weight, together)
    if not value > 0.0:
        return Interval(0.0, none_of(float(table.n.sum()) / mean_weight, confidence.critical), "wilson")
    low, high = roots(lambda factors: np.array([*map(above, factors.tolist())]), confidence.critical)
    most = largest_error(table, confidence, mean_weight, sign)
    return Interval(low * value, min(high * value, most), METHOD).holding(value, 0.0, 1.0)


def side_surprise(
    table: BinTable, sign: float, mean_weight: float, together: float = 1.0
) -> tuple[float, Callable[[float], float]]:
    """What a side adds, and how many standard errors that lies above what is expected at true gaps of a factor.

    The positive part of a normal variable has the mean ``σ·φ(μ/σ) + μ·Φ(μ/σ)``. Gaps of the other side are taken to be
    no larger than they were seen. What gaps have in common, where they vary ``together``, does not fold.
    """
    gaps, at = gaps_of(table, mean_weight), gaps_along(table, mean_weight)
    off = sign * np.atleast_2d(table.right - table.confidence) / max(float(table.n.sum()), 1e-300)
    value = float(np.maximum(off, 0.0).sum())
    common = max(together - 1.0, 0.0) * float(np.where(off > 0.0, gaps.variances, 0.0).sum())

    def above(factor: float) -> float:
        true = np.where(off > 0.0, factor, min(factor, 1.0)) * off
        variances = np.where(off > 0.0, at(factor).variances, at(min(factor, 1.0)).variances)
        mean, square = normal_parts(true, variances)
        variance = float((square - mean * mean).sum()) + factor * factor * float(gaps.between.sum()) + common
        return (value - float(mean.sum())) / sqrt(variance) if variance > 0.0 else 1e9 * (value - float(mean.sum()))

    return value, above
