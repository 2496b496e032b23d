"""Intervals of what is no mean: by how much a number moves when one row is left out, from a table of kinds of rows.

What a ratio of sums, or a correlation, is without one row follows from its sums at once: no row is looked at twice. On
a scale where the number is nearly normal (the logarithm of a ratio, Fisher's of a correlation) these moves give its
standard error. It is drawn from the rows themselves, so nothing needs to be normal, and it is a little too large rather
than too small (Efron and Stein). Where few rows make most of it, it is itself uncertain: as sure as that of as many
normal rows as have the same scatter of squares (Satterthwaite), which the t quantile allows for.

Source: Tukey 1958, Bias and confidence in not-quite large samples; Efron and Stein 1981, The jackknife estimate of
variance; Satterthwaite 1946, An approximate distribution of estimates of variance components.
"""

from __future__ import annotations

from math import atanh, exp, log, sqrt, tanh
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence

METHOD = "jackknife"
_LEAST_FREEDOM = 2.0
_LARGEST = 700.0
"""A logarithm that float64 has a number for."""


def reach(moves: HostArray, rows: HostArray, confidence: Confidence) -> float | None:
    """How far a number may be off, from ``(n − 1)·`` what each kind of row (K,) moves it by when one is left out.

    There are ``rows`` (K,) of each kind, or as many as their weights are worth. ``None`` where nothing moves it.
    """
    n = float(rows.sum())
    if n <= 2.0:
        return None
    moves = moves - dot(rows, moves) / n
    squares = moves * moves
    total = dot(rows, squares)
    if not total > 0.0:
        return None
    kurtosis = n * dot(rows, squares * squares) / (total * total)
    freedom = max(min(n - 1.0, 2.0 * n / max(kurtosis - 1.0, 2.0)), _LEAST_FREEDOM)
    return t_quantile(1.0 - confidence.tail, freedom) * sqrt(total / n / (n - 1.0))


def ratio_interval(top: HostArray, bottom: HostArray, rows: HostArray, confidence: Confidence) -> Interval | None:
    """The interval of ``Σ top / Σ bottom`` of terms (K,) that are not negative, on the scale of its logarithm.

    ``None`` where a sum is 0, or where every row has the same ratio.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> rng = np.random.default_rng(0)
    >>> found = ratio_interval(rng.random(400), rng.random(400) + 1.0, np.ones(400), Confidence())
    >>> round(found.low, 3), round(found.high, 3)
    (0.333, 0.374)
    """
    sums = dot(rows, top), dot(rows, bottom)
    if not min(sums) > 0.0:
        return None
    n = float(rows.sum())
    moves = (n - 1.0) * (_without(bottom / sums[1], n) - _without(top / sums[0], n))
    off = reach(moves, rows, confidence)
    if off is None:
        return None
    centre = log(sums[0]) - log(sums[1])
    low, high = (exp(min(centre + sign * off, _LARGEST)) for sign in (-1.0, 1.0))
    return Interval(low, high, METHOD)


def bounded_interval(value: float, moves: HostArray, rows: HostArray, confidence: Confidence) -> Interval:
    """The interval of a number from 0 to 1 by what moves it: Wilson's, for as many rows as would let a share vary so.

    At 0 and 1, and where nothing moves it, that of rows none of which is any different.
    """
    off = reach(moves, rows, confidence) if 0.0 < value < 1.0 else None
    if off is None:
        far = none_of(float(rows.sum()), confidence.critical)
        return Interval(max(value - far, 0.0), min(value + far, 1.0), "wilson")
    return by_variance(value, (off / confidence.critical) ** 2, confidence.critical, METHOD)


def _without(share: HostArray, n: float) -> HostArray:
    """``log(1 − share)``, where a row that holds nearly all of a sum leaves one of ``n`` parts."""
    left: HostArray = np.log1p(-np.minimum(share, 1.0 - 1.0 / n))
    return left


def correlation_interval(value: float, moves: HostArray, rows: HostArray, confidence: Confidence) -> Interval | None:
    """The interval of a correlation from what moves its Fisher transform; ``None`` at −1 and 1 and where nothing does.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> moves = np.random.default_rng(0).normal(size=400)
    >>> found = correlation_interval(0.5, moves, np.ones(400), Confidence())
    >>> round(found.low, 2), round(found.high, 2)
    (0.42, 0.57)
    """
    if not abs(value) < 1.0:
        return None
    off = reach(moves, rows, confidence)
    if off is None:
        return None
    return Interval(tanh(atanh(value) - off), tanh(atanh(value) + off), METHOD)


def pearson_moves(x: HostArray, y: HostArray, rows: HostArray) -> HostArray | None:
    """What the Fisher transform of Pearson's correlation of ``x`` and ``y`` (K,) moves by, for ``reach``.

    ``None`` where a side is constant or the two lie on a line. Of many rows, or near a line, the derivative stands in
    for the move itself, which would be lost to rounding.
    """
    n = float(rows.sum())
    sides = []
    for side in (x, y):
        off = side - dot(rows, side) / n
        off = np.ldexp(off, -int(np.frexp(np.abs(off).max(initial=0.0))[1]))  # squares of 1e-160 have few digits
        spread = sqrt(dot(rows, off * off) / n)
        if not spread > 0.0:
            return None
        sides.append(off / spread)
    u, v = sides
    value = dot(rows, u * v) / n
    towards = u - v if value >= 0.0 else u + v
    short = dot(rows, towards * towards) / (2.0 * n)  # 1 − |r|, to its last digit
    if not short > 0.0:
        return None
    sign = 1.0 if value >= 0.0 else -1.0
    if n > _MANY or short < _NEAR:
        slope: HostArray = sign * (short * (u * u + v * v) - towards * towards) / (2.0 * short * (2.0 - short))
        return slope
    grown = n / (n - 1.0)
    first, second = (np.maximum(n - grown * one * one, 1.0 / n) for one in (u, v))
    left = np.clip((n * value - grown * u * v) / np.sqrt(first * second), -1.0 + _NEAR / n, 1.0 - _NEAR / n)
    moved: HostArray = (n - 1.0) * (atanh(value) - np.arctanh(left))
    return moved


_MANY = 20_000
"""Rows from which on leaving one out and the derivative are the same to a thousandth."""
_NEAR = 1e-9
"""``1 − |r|`` below which a correlation without one row is rounded too coarsely."""
