"""How far differences of R² and of correlations reach: on the scale on which either number is nearly normal.

Where a few rows make most of the spread, a better model looks better by little and surely so at once, and the truth
lies above. So the end of the interval that does not face 0 is, if that lies beyond, where the intervals of both models
would put it (MOVER): each on the scale of the logarithm of ``1 − R²``, or of Fisher's transform, from the same
influences of rows. The end that faces 0 is that of the test.

Source: Fisher 1921, On the probable error of a coefficient of correlation; Zou 2007, Toward using confidence intervals
to compare correlations.
"""

from __future__ import annotations

from math import atanh, exp, inf, log, sqrt, tanh
from typing import TYPE_CHECKING

from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import farther
from evalcli.uncertainty.paired import correlation_of
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
    base: str, found: Difference, products: Sequence[float], moments: Moments, scale: float, confidence: Confidence
) -> Difference:
    """The difference that was ``found`` from ``moments``, with its far end where the numbers of both models put it.

    ``products`` are the sums of the squares of what rows do to either and, in the middle, of their product.
    """
    rows = moments.rows
    if not (moments.error > 0.0 and rows > 2.0):
        return found
    unit = scale * sqrt(rows / (rows - 1.0)) / moments.first[0]
    critical = t_quantile(1.0 - confidence.tail, moments.freedom)
    one = _interval(base, found.first, critical * unit * sqrt(products[0]))
    other = _interval(base, found.second, critical * unit * sqrt(products[2]))
    return farther(found, one, other, correlation_of(products, 1.0, 0.0))


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
