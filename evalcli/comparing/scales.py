"""How far differences of R² and of correlations reach, from the scale on which either number is nearly normal.

Where a few rows make most of the spread, a better model looks better by little and surely so at once, and the truth
lies above. On the scale of the logarithm of ``1 − R²``, or of Fisher's transform, the better number may gain less, and
the worse one lose more, than the same influences of rows say where both are taken to be normal. By as much as both
together reach farther, so does the end of their difference that does not face 0. The end that faces 0 is that of the
test.

Source: Fisher 1921, On the probable error of a coefficient of correlation; Zou and Donner 2008, Construction of
confidence limits about effect measures: a general approach.
"""

from __future__ import annotations

from dataclasses import replace
from math import atanh, exp, hypot, inf, log, sqrt, tanh
from typing import TYPE_CHECKING

from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.means import Moments

SCALED = frozenset({"r2", "adjusted_r2", "explained_variance", "pearson"})
"""Metrics that have such a scale."""
_FAR = 700.0
"""Where an exponential still is a number."""


def reaching(
    base: str, found: Difference, squares: Sequence[float], moments: Moments, scale: float, confidence: Confidence
) -> Difference:
    """The difference that was ``found`` from ``moments``, with its far end as much farther as those of both numbers.

    ``squares`` are the sums of those of what rows do to either.
    """
    rows, value = moments.rows, found.value
    if not (moments.error > 0.0 and rows > 2.0 and value != 0.0):
        return found
    critical = t_quantile(1.0 - confidence.tail, moments.freedom)
    unit = critical * scale * sqrt(rows / (rows - 1.0)) / moments.first[0]
    own = [unit * sqrt(max(square, 0.0)) for square in squares]
    numbers = (found.first, found.second) if value > 0.0 else (found.second, found.first)
    better, worse = (_interval(base, *each) for each in zip(numbers, own[:: 1 if value > 0.0 else -1], strict=True))
    times = hypot(better.high - numbers[0], numbers[1] - worse.low) / hypot(*own)
    reach = max(times, 1.0) * critical * scale * moments.error
    return replace(found, interval=found.interval.holding(value + reach if value > 0.0 else value - reach))


def _interval(base: str, value: float, reach: float) -> Interval:
    """That of one number from how far it would reach if it were normal itself.

    >>> found = _interval("r2", 0.8, 0.1)
    >>> round(found.low, 3), round(found.high, 3)
    (0.67, 0.879)
    """
    if base == "pearson":
        if not abs(value) < 1.0:
            return Interval(value, value, "fisher")
        middle, off = atanh(value), reach / (1.0 - value * value)
        return Interval(tanh(middle - off), tanh(middle + off), "fisher")
    left = 1.0 - value
    if not left > 0.0:
        return Interval(value, value, "logarithm")
    off = min(reach / left, _FAR)
    most = left * exp(off) if log(left) + off < _FAR else inf
    return Interval(1.0 - most, 1.0 - left * exp(-off), "logarithm")
