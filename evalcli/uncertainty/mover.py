"""The difference of two estimates, put together from the interval of each (MOVER).

An interval that is longer on one side stays so: its lower end stands for what the estimate may lose, its upper end for
what it may gain. How far the two go up and down together is taken off both.

Source: Newcombe 1998, Interval estimation for the difference between independent proportions (method 10); Zou and
Donner 2008, Construction of confidence limits about effect measures: a general approach; Zou 2007, Toward using
confidence intervals to compare correlations (on estimates of the same rows).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING

from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence


def mover(
    first: float,
    one: Interval,
    second: float,
    other: Interval,
    confidence: Confidence,
    together: float = 0.0,
    error: float = 0.0,
) -> Difference:
    """``first − second``, from the interval of each; ``together`` is the correlation of the two estimates.

    Neither side is shorter than a standard ``error`` that is known otherwise lets it be.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> found = mover(0.8, Interval(0.7, 0.9, "wilson"), 0.6, Interval(0.5, 0.7, "wilson"), Confidence(), 0.5)
    >>> round(found.interval.low, 3), round(found.interval.high, 3), round(found.p, 5)
    (0.1, 0.3, 9e-05)
    """
    value = first - second
    critical = confidence.critical
    below = max(arm(first - one.low, other.high - second, together), critical * error)
    above = max(arm(one.high - first, second - other.low, together), critical * error)
    facing = (below if value > 0 else above) / critical
    p = 1.0 if value == 0 or not facing > 0 else two_sided(value / facing)
    interval = Interval(value - below, value + above, "mover")
    return Difference(first, second, interval, p, detectable(max(below, above) / critical, confidence))


def farther(found: Difference, one: Interval, other: Interval, together: float, part: float = 1.0) -> Difference:
    """The difference that was ``found`` with its far end ``part`` of the way to MOVER's, if that lies beyond.

    The end that faces 0 stays, and with it the test. ``one`` and ``other`` are the intervals of the two.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> plain = Difference(0.98, 0.92, Interval(-0.003, 0.123, "delong"), 0.06, 0.08)
    >>> found = farther(plain, Interval(0.91, 0.99, "delong"), Interval(0.78, 0.97, "delong"), 0.3, 0.5)
    >>> round(found.interval.low, 3), round(found.interval.high, 3)
    (-0.003, 0.16)
    """
    if found.value < 0.0:
        return farther(found.turned(), other, one, together, part).turned()
    if found.value == 0.0:
        return found
    reach = found.interval.high - found.value
    far = arm(max(one.high - found.first, 0.0), max(found.second - other.low, 0.0), together)
    if not far > reach:
        return found
    return replace(found, interval=replace(found.interval, high=found.value + reach + part * (far - reach)))


def arm(one: float, other: float, together: float) -> float:
    """How far the difference of two estimates reaches, of which each reaches that far to the side that matters."""
    return sqrt(max(one * one + other * other - 2.0 * together * one * other, 0.0))
