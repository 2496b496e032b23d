"""Quantiles and tails of the normal, t, beta and binomial distributions, in plain Python.

The incomplete beta function gives all but the first. Its continued fraction converges fast on one side of the mean and
the symmetry ``I_x(a, b) = 1 − I_{1−x}(b, a)`` gives the other side.

Source: Abramowitz and Stegun 1964, 26.5; the modified Lentz algorithm of Thompson and Barnett 1986; Loader 2000, Fast
and accurate computation of binomial probabilities.
"""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, inf, isinf, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_MOST_STEPS = 200_000
_ENOUGH = 1e-15
"""A step of the continued fraction that is so near to 1 is the last."""
_MANY = 80.0
"""So many degrees of freedom, for each unit of ``z²``, of two at least, make Student's distribution nearly normal."""
_SOME = 10.0
"""So many tell where about the quantile lies."""
_NEWTON = 100
_STIRLING = (1 / 12, 1 / 360, 1 / 1260, 1 / 1680)


def normal_quantile(probability: float) -> float:
    """The ``z`` with P(Z ≤ z) = ``probability``.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return _NORMAL.inv_cdf(probability)


def normal_tail(z: float) -> float:
    """P(Z > z).

    >>> round(normal_tail(1.959963984540054), 12)
    0.025
    """
    return erfc(z / sqrt(2.0)) / 2.0


def two_sided(z: float) -> float:
    """P(|Z| ≥ |z|), the p-value of a test that looks both ways."""
    return min(2.0 * normal_tail(abs(z)), 1.0)


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X ≤ x) of the beta distribution: the regularised incomplete beta function I_x(a, b).

    >>> round(beta_cdf(0.5, 2, 3), 12)
    0.6875
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    return _beta_front(x, a, b) * _beta_fraction(x, a, b) / a


def _beta_front(x: float, a: float, b: float) -> float:
    """``x^a (1 − x)^b / B(a, b)``, by deviances: the large terms of the logarithm cancel on paper, not in float64."""
    n = a + b
    mean = n * x
    rest = n - mean
    log_front = (
        _stirling(n)
        - _stirling(a)
        - _stirling(b)
        - _deviance(a, mean)
        - _deviance(b, rest)
        + 0.5 * log(a * b / (2.0 * pi * n))
    )
    return exp(log_front)


def _deviance(x: float, mean: float) -> float:
    """``x·ln(x / mean) + mean − x``, without cancellation where the two are close."""
    if abs(x - mean) < 0.1 * (x + mean):
        v = (x - mean) / (x + mean)
        total, term, k = (x - mean) * v, 2.0 * x * v, 1
        while True:
            term *= v * v
            grown = total + term / (2 * k + 1)
            if grown == total:
                return total
            total, k = grown, k + 1
    return x * log(x / mean) + mean - x


@lru_cache(maxsize=64)
def _stirling(x: float) -> float:
    """``ln Γ(x + 1) − ((x + ½)·ln x − x + ½·ln 2π)``, the error of Stirling's formula."""
    if x < 16.0:
        return lgamma(x + 1.0) - ((x + 0.5) * log(x) - x + 0.5 * log(2.0 * pi))
    square = x * x
    first, second, third, fourth = _STIRLING
    return (first - (second - (third - fourth / square) / square) / square) / x


def _beta_fraction(x: float, a: float, b: float) -> float:
    whole = a + b
    c, d = 1.0, 1.0 - whole * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    m = 0.0
    while m < _MOST_STEPS:
        m += 1.0
        place = a + 2.0 * m
        even = m * (b - m) * x / ((place - 1.0) * place)
        odd = -(a + m) * (whole + m) * x / (place * (place + 1.0))
        d = 1.0 + even * d
        d = 1.0 / (d if d > _TINY or d < -_TINY else _TINY)  # thousands of labels ask: a call takes as long as the sums
        c = 1.0 + even / c
        c = c if c > _TINY or c < -_TINY else _TINY
        step = d * c
        d = 1.0 + odd * d
        d = 1.0 / (d if d > _TINY or d < -_TINY else _TINY)
        c = 1.0 + odd / c
        c = c if c > _TINY or c < -_TINY else _TINY
        step *= d * c
        value *= step
        if -_ENOUGH < step - 1.0 < _ENOUGH:
            break
    return value


def binomial_tail(successes: int, trials: int) -> float:
    """P(X ≤ successes) of ``trials`` tosses of a coin.

    >>> binomial_tail(1, 3)
    0.5
    """
    if successes >= trials:
        return 1.0
    if trials <= 1000:
        return float(_ways(successes, trials) / 2**trials)
    return beta_cdf(0.5, trials - successes, successes + 1.0)


def _ways(successes: int, trials: int) -> int:
    """How many sequences of ``trials`` have at most so many ``successes``."""
    total = ways = 1
    for k in range(successes):
        ways = ways * (trials - k) // (k + 1)
        total += ways
    return total


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t distribution with ``freedom`` degrees, normal for infinitely many.

    >>> round(t_quantile(0.975, 9), 6)
    2.262157
    """
    if isinf(freedom) or freedom > 1e7:
        return normal_quantile(probability)
    if probability == 0.5:
        return 0.0
    z = normal_quantile(probability)
    if freedom >= _MANY * max(z * z, 2.0):
        return _nearly_normal(z, freedom)
    tail = min(probability, 1.0 - probability)
    low, high = 0.0, 1.0
    if freedom >= _SOME * max(z * z, 1.0):
        found = abs(_nearly_normal(z, freedom))
        high = 2.0 * found
    else:
        while _t_tail(high, freedom) > tail and high < 1e150:
            low, high = high, 2.0 * high
        found = (low + high) / 2.0
    for _ in range(_NEWTON):
        gap = _t_tail(found, freedom) - tail
        low, high = (found, high) if gap > 0.0 else (low, found)
        density = _t_density(found, freedom)  # 0 far out
        moved = found + gap / density if density > 0.0 else inf
        moved = moved if low <= moved <= high else (low + high) / 2.0
        before, found = found, moved
        if abs(found - before) <= 1e-9 * found:  # each step doubles the digits
            break
    return found if probability > 0.5 else -found


def _nearly_normal(z: float, freedom: float) -> float:
    """The quantile of t where the normal one is ``z``, of so many degrees that the terms left out are below 1e-12.

    Source: Abramowitz and Stegun 1964, 26.7.5.
    """
    q = z * z
    terms = (
        (q + 1.0) / 4.0,
        ((5.0 * q + 16.0) * q + 3.0) / 96.0,
        (((3.0 * q + 19.0) * q + 17.0) * q - 15.0) / 384.0,
        ((((79.0 * q + 776.0) * q + 1482.0) * q - 1920.0) * q - 945.0) / 92160.0,
    )
    return z + z * sum(term / freedom ** (k + 1) for k, term in enumerate(terms))


def _t_density(t: float, freedom: float) -> float:
    """That of Student's t distribution, to as many digits as a step of Newton's needs."""
    half = freedom / 2.0
    return exp(lgamma(half + 0.5) - lgamma(half) - (half + 0.5) * log1p(t * t / freedom)) / sqrt(pi * freedom)


def _t_tail(t: float, freedom: float) -> float:
    """P(T > t) for t ≥ 0."""
    return 0.5 * beta_cdf(freedom / (freedom + t * t), freedom / 2.0, 0.5)


def t_two_sided(t: float, freedom: float) -> float:
    """P(|T| ≥ |t|) of Student's t distribution."""
    if isinf(t):
        return 0.0
    if freedom == inf or freedom > 1e7:
        return two_sided(t)
    return min(2.0 * _t_tail(abs(t), freedom), 1.0)
