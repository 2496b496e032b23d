"""The difference of two calibration errors, put together from the interval of each.

The error of a sample is larger than the true one, and its interval reaches farther down than up. What noise adds to the
errors of two models they have mostly in common, so it is the middles of the intervals that are compared (``mover``).
An interval that begins at 0 has no middle that means anything: the true error may well be 0, and so that end is taken
for what it is, not for one of two that chance would have to reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import arm
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence


def calibration_difference(
    first: float, one: Interval, second: float, other: Interval, confidence: Confidence, together: float
) -> Difference:
    """``first − second``, from the interval of each; ``together`` is the correlation of the two errors.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> ends = Interval(0.07, 0.11, "inversion"), Interval(0.03, 0.05, "inversion")
    >>> found = calibration_difference(0.1, ends[0], 0.05, ends[1], Confidence(), 0.5)
    >>> round(found.interval.low, 4), round(found.interval.high, 4), round(found.value, 4)
    (0.0327, 0.0673, 0.05)
    """
    value, gap = first - second, (one.low + one.high - other.low - other.high) / 2.0
    half = one.width / 2.0, other.width / 2.0
    below = arm(*half, -1.0 if one.low <= 0.0 else together)
    above = arm(*half, -1.0 if other.low <= 0.0 else together)
    critical = confidence.critical
    facing = (below if gap > 0.0 else above) / critical
    p = two_sided(gap / facing) if value * gap > 0.0 and facing > 0.0 else 1.0
    interval = Interval(gap - below, gap + above, "mover").holding(value)
    return Difference(first, second, interval, p, detectable(max(below, above) / critical, confidence))
