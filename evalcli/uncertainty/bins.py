"""Intervals of calibration errors, from the bins of confidence.

The calibration error ``Σ_b |right_b − confidence_b| / n`` of a sample is larger than the true one: a perfectly
calibrated model has one above 0, of the size of the noise in its bins. A bootstrap doubles that excess, and its
percentile interval never holds the truth then. So the test is turned round: were the true gaps ``κ`` times those that
were seen, which error would be measured, and how far would it vary? Each gap's absolute value has the mean and the
variance of a folded normal distribution. The interval holds ``κ`` times the measured error for every ``κ`` at which the
measured one is no surprise: from 0 on, where perfect calibration is none.

What error is expected follows from the gaps that were seen, so their noise moves it, too: a row that makes a gap larger
makes the measured error grow by 1 and, by ``κ``, the expected one grow by how surely the gap has its sign and shrink by
how surely all do, since their pattern is scaled to the same truth. It is what is left that varies.

Only the tables of bins are needed. The variance inside a bin is that of right and wrong; its share of right rows is
drawn towards the mean confidence by two rows, since in a bin of few rows all may be right.

Source: Leone, Nelson and Nottingham 1961, The folded normal distribution; Bröcker 2012, Estimating reliability and
resolution of probability forecasts through decomposition of the empirical score (on the bias).
"""

from __future__ import annotations

from math import erf, pi, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.uncertainty.intervals import Interval, by_variance, none_of, wilson_ends
from evalcli.uncertainty.roots import roots_of_each

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.intervals import Confidence

SIDES = ("overconfidence", "underconfidence")
"""Metrics of the gaps of one sign."""
_PRIOR = 2.0
_TOGETHER = 256
"""Tables that are looked at together: what is made of them stays in the cache."""
_FAR = 8.0
"""Standard errors beyond which a folded normal is not folded."""
_SPREAD = 1.5
"""Squared standard errors by which sizes of gaps lie farther from 0 than gaps: as a quadrature finds, within 0.03."""


class Gaps(NamedTuple):
    """Per table and bin (…, T, B): the absolute gaps and their variances; per table (…, T) how gaps differ."""

    sizes: HostArray
    variances: HostArray
    between: HostArray


def calibration_interval(
    table: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> Interval:
    """The interval of the calibration error of a table (B,), or of the mean over tables (T, B).

    ``mean_weight`` is Σw² / Σw. The errors of several tables are of the same rows: their deviations are taken to be
    perfectly correlated.

    Of rows in clusters ``mean_weight`` is as large as they make it in a bin, and the variance of the sum of gaps is
    ``together`` times as large as if each went its own way. What gaps have in common moves them to the same side and
    does not fold: it is added to the variance as it is.
    """
    [found] = calibration_intervals(alone(table), confidence, mean_weight, together)
    return found


def calibration_intervals(
    tables: BinTable, confidence: Confidence, mean_weight: float = 1.0, together: float = 1.0
) -> list[Interval]:
    """Those of each of many tables (N, B), or of each mean over tables (N, T, B)."""
    found: list[Interval] = []
    for start in range(0, len(tables.n), _TOGETHER):
        some = picked(tables, slice(start, start + _TOGETHER))
        found += _intervals(some, confidence, mean_weight, together)
    return found


def alone(table: BinTable) -> BinTable:
    """A table (B,), or tables (T, B), as the only ones of many."""
    return table._replace(n=table.n[None], confidence=table.confidence[None], right=table.right[None])


def picked(tables: BinTable, places: HostArray | slice) -> BinTable:
    """Some of many tables (N, B) or (N, T, B), as means over tables (N, T, B)."""
    n, sure, right = (part[places] for part in (tables.n, tables.confidence, tables.right))
    n, sure, right = (part if part.ndim > 2 else part[:, None] for part in (n, sure, right))
    return tables._replace(n=n, confidence=sure, right=right)


def _intervals(tables: BinTable, confidence: Confidence, mean_weight: float, together: float) -> list[Interval]:
    """Those of tables (N, T, B) that stay in the cache."""
    seen = gaps_of(tables, mean_weight)
    values = _mean(np.add.reduce(seen.sizes, axis=-1))
    rows = tables.n.sum(axis=-1).max(axis=-1) / mean_weight
    found = [Interval(0.0, none_of(each, confidence.critical), "wilson") for each in rows.tolist()]
    held = np.flatnonzero(values > 0.0)
    off = tables if len(held) == len(values) else picked(tables, held)
    values, own, common = values[held], min(together, 1.0), np.zeros(len(held))
    if together > 1.0:
        common = (together - 1.0) * np.array([float(each) ** 2 for each in _deviations(off, mean_weight)])
    gaps_at = gaps_along(off, mean_weight, seen if off is tables else None)

    def surprise(factors: HostArray, places: HostArray) -> HostArray:
        """How many standard errors the measured errors lie above those expected at true gaps of the factors."""
        each = factors[:, None, None]
        mean, error = measured_error(gaps_at(each, places if len(held) > 1 else None), each)
        error, away = np.sqrt(own * error * error + common[places]), values[places] - mean
        some = error > 0.0
        return np.where(some, away / np.where(some, error, 1.0), 1e9 * away)

    low, high = roots_of_each(surprise, np.full(len(held), confidence.critical))
    most = largest_errors(off, confidence, mean_weight)
    ends = zip(held.tolist(), values.tolist(), low.tolist(), high.tolist(), most.tolist(), strict=True)
    for place, value, least, largest, bound in ends:
        found[place] = Interval(least * value, min(largest * value, bound), "inversion").holding(value, 0.0, 1.0)
    return found


def largest_error(table: BinTable, confidence: Confidence, mean_weight: float = 1.0, sign: float = 0.0) -> float:
    """The largest calibration error of a table (B,), or mean over tables (T, B), that all of its bins allow.

    Multiples of the gaps that were seen are all that an interval asks about, and where a handful of rows makes nearly
    all of an error no multiple is a surprise. But no bin is right less or more often than Wilson's interval says, all
    of them together, nor are more rows in it than may be. A ``sign`` asks for one side: 1 for too many right rows, −1
    for too few.
    """
    return float(largest_errors(table, confidence, mean_weight, sign))


def largest_errors(table: BinTable, confidence: Confidence, mean_weight: float = 1.0, sign: float = 0.0) -> HostArray:
    """Those of many tables (…, T, B): (…)."""
    n, right, sure = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.right, table.confidence))
    held, total = n > 0, np.maximum(n.sum(axis=-1, keepdims=True), 1e-300)
    rows, bins = np.where(held, n, 1.0), held.sum(axis=-1, keepdims=True)
    single = np.zeros(bins.shape)
    for each in set(bins.ravel().tolist()):
        single[bins == each] = NormalDist().inv_cdf((1.0 + confidence.level ** (1.0 / max(each, 1))) / 2.0)
    low, high = (np.asarray(end) for end in wilson_ends(right / rows, rows / mean_weight, single))
    sides = [np.maximum(each, 0.0) for each in (high - sure / rows, sure / rows - low)]
    gaps = np.where(held, np.maximum(*sides) if sign == 0.0 else sides[0 if sign > 0.0 else 1], 0.0)
    most = (n * gaps / total).sum(axis=-1) + confidence.critical * np.sqrt(_between(n, gaps, mean_weight))
    largest = total.max(axis=(-2, -1)) / mean_weight
    unseen = np.array([none_of(each, confidence.critical) for each in largest.ravel().tolist()]).reshape(largest.shape)
    found: HostArray = np.minimum(_mean(most + unseen[..., None]), 1.0)
    return found


def _between(n: HostArray, rates: HostArray, mean_weight: float) -> HostArray:
    """The variance (…, T) of the mean of absolute ``rates`` (…, T, B) over rows, by which bin they happen to be in."""
    total = np.where(n.sum(axis=-1) > 0, n.sum(axis=-1), 1.0)
    square = (n * rates).sum(axis=-1) ** 2 / total**2
    spread: HostArray = np.maximum((n * rates**2).sum(axis=-1) / total - square, 0.0) * mean_weight / total
    return spread


def gap_variance(table: BinTable, mean_weight: float = 1.0) -> float:
    """The variance of a calibration error whose gaps all keep their sign, as if rows were independent."""
    return float(_deviations(table, mean_weight)) ** 2


def _deviations(table: BinTable, mean_weight: float) -> HostArray:
    """Their roots (…), of means over tables (…, T, B) whose errors go together."""
    return _mean(np.sqrt(gap_variances(table, mean_weight)))


def gap_variances(table: BinTable, mean_weight: float = 1.0) -> HostArray:
    """The same of each table (…, T)."""
    gaps = gaps_of(table, mean_weight)
    variances: HostArray = gaps.variances.sum(axis=-1) + gaps.between
    return variances


def gaps_of(table: BinTable, mean_weight: float) -> Gaps:
    """The gaps of the bins of tables (…, T, B), with their variances."""
    n, right, sure = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.right, table.confidence))
    total = n.sum(axis=-1, keepdims=True)
    total = np.where(total > 0, total, 1.0)
    rows, confidence = n / mean_weight, sure / np.where(n > 0, n, 1.0)
    share = (right / mean_weight + _PRIOR * confidence) / (rows + _PRIOR)
    sizes = np.abs(right - sure) / total
    between = _between(n, sizes * total / np.where(n > 0, n, 1.0), mean_weight)
    return Gaps(sizes, n * mean_weight * share * (1.0 - share) / total**2, between)


class GapsAlong(Protocol):
    """Gaps with the variances that they have at a factor, or at several (F, 1, 1) each of one of many tables (F,)."""

    def __call__(self, factor: float | HostArray, of: HostArray | None = None) -> Gaps:
        """Without ``of`` of all tables."""


def gaps_along(table: BinTable, mean_weight: float, seen: Gaps | None = None) -> GapsAlong:
    """The gaps of a table, with the variances that they have where the true ones are a factor times these.

    They may have been ``seen`` already.

    Of several factors (F, 1, 1) they are (F, T, B); of many tables (N, T, B) each factor is that of one of them.
    In a bin of few rows all may be right, which hides how its gap varies. So a variance is the larger of that at the
    gap that was seen and that at the one in question.
    """
    n, right, sure = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.right, table.confidence))
    total, seen = np.maximum(np.add.reduce(n, axis=-1, keepdims=True), 1e-300), seen or gaps_of(table, mean_weight)
    promised, off = sure / np.where(n > 0, n, 1.0), right - sure
    rows, weight, square = n + _PRIOR * mean_weight, n * mean_weight, total**2

    def gaps_at(factor: float | HostArray, of: HostArray | None = None) -> Gaps:
        told = (promised, off, rows, weight, square, *seen)
        said, away, many, heavy, squared, *gaps = told if of is None else (part[of] for part in told)
        share = np.minimum(np.maximum(said + factor * away / many, 0.0), 1.0)
        here = Gaps(*gaps)
        return here._replace(variances=np.maximum(here.variances, heavy * share * (1.0 - share) / squared))

    return gaps_at


def measured_error(gaps: Gaps, factor: float | HostArray) -> tuple[HostArray, HostArray]:
    """The calibration error expected of gaps ``factor`` times these, and how the measured one varies around it.

    Of several factors (F, 1, 1) both are (F,): a curve of them costs little more than one.

    ``E|X| = σ·√(2/π)·e^(−μ²/2σ²) + μ·erf(μ/σ√2)`` and ``E X² = μ² + σ²``. The second is a standard error; it knows that
    the expected one, too, follows from what was seen.
    """
    true, sigma = factor * gaps.sizes, np.sqrt(gaps.variances)
    held = sigma > 0
    ratio = np.minimum(true / np.where(held, sigma, 1.0), _FAR)
    half = _erf(ratio / sqrt(2.0))
    tail = np.exp(-ratio * ratio / 2.0) * sqrt(2.0 / pi)
    folded = np.where(held, np.where(ratio < _FAR, sigma * tail + true * half, true), true)
    sizes, slope = np.add.reduce(gaps.sizes, axis=-1, keepdims=True), np.minimum(factor, 1.0)
    surely = np.add.reduce(gaps.sizes * np.where(held, half, 1.0), axis=-1, keepdims=True)
    surely = surely / np.where(sizes > 0.0, sizes, 1.0)
    signs = _erf(slope * np.sqrt((ratio * ratio + _SPREAD) / (2.0 + 2.0 * slope * slope)))
    left = 1.0 + slope * (surely - signs)
    noise = left * left * (gaps.variances + true * true - folded * folded)
    whole = factor * factor * gaps.between if isinstance(factor, float) else (factor * factor)[:, 0] * gaps.between
    variances = np.add.reduce(noise, axis=-1) + whole
    return _mean(np.add.reduce(folded, axis=-1)), _mean(np.sqrt(np.maximum(variances, 0.0)))


def _mean(values: HostArray) -> HostArray:
    """That of a handful of values (…, T), asked for so often that NumPy's own way there would show."""
    found: HostArray = np.add.reduce(values, axis=-1) / values.shape[-1]
    return found


def _erf(parts: HostArray) -> HostArray:
    """The error function of each (…)."""
    return np.fromiter(map(erf, parts.ravel().tolist()), np.float64, parts.size).reshape(parts.shape)


def normal_parts(means: HostArray, variances: HostArray) -> tuple[HostArray, HostArray]:
    """The means (…) of the positive parts of normal variables, and of their squares."""
    sigma = np.sqrt(variances)
    held = sigma > 0
    ratio = np.clip(means / np.where(held, sigma, 1.0), -_FAR, _FAR)
    density = np.exp(-ratio * ratio / 2.0) / sqrt(2.0 * pi)
    below = 0.5 * (1.0 + _erf(ratio / sqrt(2.0)))
    first = np.where(held, sigma * density + means * below, np.maximum(means, 0.0))
    second = np.where(held, (means * means + variances) * below + means * sigma * density, first * first)
    return first, second


def largest_gap_interval(table: BinTable, confidence: Confidence, mean_weight: float = 1.0) -> Interval:
    """The interval of ``max_b |accuracy_b − confidence_b|`` over the bins (B,) that hold rows.

    Every bin's accuracy gets Wilson's interval, all of them right together with the confidence asked for (Šidák). The
    largest gap is at least the largest of their least gaps and at most the largest of their largest.
    """
    held = table.n > 0
    n, right, sure = (part[held].astype(np.float64) for part in (table.n, table.right, table.confidence))
    if not len(n):
        return Interval(0.0, 1.0, "simultaneous")
    single = confidence.level ** (1.0 / len(n))
    critical = NormalDist().inv_cdf((1.0 + single) / 2.0)
    low, high = (np.asarray(end) for end in wilson_ends(right / n, n / mean_weight, critical))
    mean = sure / n
    least = np.maximum(np.maximum(low - mean, mean - high), 0.0)
    largest = np.maximum(high - mean, mean - low)
    return Interval(float(least.max()), float(largest.max()), "simultaneous")


def confidence_interval(table: BinTable, confidence: Confidence, mean_weight: float = 1.0) -> Interval:
    """The interval of the mean confidence: its variance is that between bins and the most that there may be inside.

    Rows from ``low`` to ``high`` of mean ``m`` vary by at most ``(high − m)·(m − low)``: near 1 by far less than the
    width of a bin would let them, which could make it all of 0 to 1. Where nearly all rows are sure, a few that are not
    may have gone unseen: half a row more lies half as far off as a row can.

    Source: Bhatia and Davis 2000, A better bound on the variance.
    """
    held = table.n > 0
    n, sure = table.n[held].astype(np.float64), table.confidence[held].astype(np.float64)
    total = float(n.sum())
    mean = float(sure.sum()) / total
    off = np.clip(sure / n, table.low[held], table.high[held])  # edges are rounded as probabilities are
    inside = float((n * (table.high[held] - off) * (off - table.low[held])).sum())
    rows = total / mean_weight
    variance = (float((n * (sure / n - mean) ** 2).sum()) + inside) / total + max(mean, 1.0 - mean) ** 2 / 8.0 / rows
    if not 0.0 < mean < 1.0:
        reach = none_of(rows, confidence.critical)
        return Interval(max(mean - reach, 0.0), min(mean + reach, 1.0), "wilson")
    return by_variance(mean, min(variance, mean * (1.0 - mean)) / rows, confidence.critical, "bins")
