"""The difference of two numbers that are read off bins of the same rows, by testing both at once.

Noise in its bins makes a calibration error larger, of a calibrated model more than of another, so the difference of two
is not that of what was measured. As in a report (``bins``, ``squares``) it is asked of every truth by how many standard
errors what was measured lies above what it lets expect. Of two models these *surprises* are nearly normal and have the
``together`` correlation of what rows do to the two numbers. The interval holds the difference of every pair of truths
that is no more surprising than the best pair by what one degree of freedom allows (a profile likelihood), and the
p-value is that of the best pair without a difference.

Such a test is careful where both truths may be 0.

Source: Wilks 1938, The large-sample distribution of the likelihood ratio for testing composite hypotheses; Self and
Liang 1987, Asymptotic properties of maximum likelihood estimators under nonstandard conditions (on truths of 0).
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.surprises import Surprises

METHOD = "joint inversion"
_POINTS = 1001
"""Places of the border of what is no surprise."""
_CLOSEST = 1e-12
"""The least that a squared correlation differs from 1."""


def inverted_difference(
    first: Surprises, second: Surprises, confidence: Confidence, together: float, span: float
) -> Difference:
    """``first − second``, of at most ``span``; ``together`` is the correlation of the two surprises.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> from evalcli.uncertainty.surprises import Surprises
    >>> truths = np.linspace(0.0, 1.0, 101)
    >>> one, other = (Surprises(value, truths, (value - truths) / 0.05) for value in (0.5, 0.35))
    >>> found = inverted_difference(one, other, Confidence(), 0.5, 1.0)
    >>> round(found.interval.low, 3), round(found.interval.high, 3), round(found.p, 4)
    (0.052, 0.248, 0.0027)
    """
    value, critical = first.value - second.value, confidence.critical
    both = _Both(first, second, min(max(together, -1.0 + _CLOSEST), 1.0 - _CLOSEST))
    least = both.least()
    reach = sqrt(critical * critical + least)
    low, high = -both.turned().highest(reach), both.highest(reach)
    p = two_sided(sqrt(max(both.without() - least, 0.0))) if value * (low + high) > 0.0 else 1.0
    interval = Interval(low, high, METHOD).holding(value, -span, span)
    return Difference(first.value, second.value, interval, p, detectable((high - low) / 2.0 / critical, confidence))


class _Both(NamedTuple):
    first: Surprises
    second: Surprises
    together: float

    def turned(self) -> _Both:
        """The second before the first."""
        return _Both(self.second, self.first, self.together)

    def squared(self, one: HostArray, other: HostArray) -> HostArray:
        """How far two surprises are from none, as a χ²."""
        both: HostArray = one * one - 2.0 * self.together * one * other + other * other
        return both / (1.0 - self.together * self.together)

    def least(self) -> float:
        """That of the best pair of truths: 0, unless a number is smaller than a truth of 0 lets expect."""
        one, other = self.first.above[:1], self.second.above[:1]
        found = [
            float(self.squared(end, np.minimum(self.together * end, rest))[0])
            for end, rest in ((one, other), (other, one))
            if end[0] < 0.0
        ]
        return min(found, default=0.0)

    def without(self) -> float:
        """That of the best pair of equal truths."""
        most = min(float(self.first.truths[-1]), float(self.second.truths[-1]))
        knots = np.concatenate([self.first.truths, self.second.truths])
        truths = np.sort(np.concatenate([knots[knots <= most], np.linspace(0.0, most, _POINTS)]))
        return float(self.squared(self.first.told(truths), self.second.told(truths)).min())

    def highest(self, reach: float) -> float:
        """The largest difference of truths whose surprises are no farther from none than ``reach``."""
        one = np.linspace(-reach, min(reach, float(self.first.above[0])), _POINTS)
        rest = np.sqrt(np.maximum((1.0 - self.together**2) * (reach * reach - one * one), 0.0))
        held = self.together * one - rest <= float(self.second.above[0])
        found = self.first.at(one) - self.second.at(self.together * one + rest)
        return float(found[held].max(initial=-float(self.second.truths[-1])))
