"""The difference of two RMSEs, with the scatter that it would have were the true difference another.

An RMSE moves with a row by ``(e² − mse) / (2·rmse)``. Taken at the RMSEs that were seen, whichever is larger by chance
scatters less beside its root, and of 30 rows 7 % of the tests at 5 % found what was not there. So, as Wilson does for
shares, each difference ``δ`` that is asked about is tested with roots that lie ``δ`` apart and have the same mean as
those that were seen. At ``δ = 0`` that is the test of two mean squared errors. Where that would make the smaller less
than half of what was seen, it stays there and the larger alone is another: beside a model that is nearly always right
the other's RMSE is no surer than by itself.
"""

from __future__ import annotations

from math import comb, inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.means import Moments, careful_interval, careful_p

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence

_MONOMIALS = [[(i, k - i) for k in range(power + 1) for i in range(k + 1)] for power in (1, 2, 3)]
"""For each power of the weight the powers of ``x`` and ``y`` that are added up."""
SUMS = sum(map(len, _MONOMIALS))
_STEPS = 60
_LEAST = 0.005
"""Of the sum of both, what the smaller is taken to be where it is less, or 0."""


class JointMoments(NamedTuple):
    """Sums over rows of ``w^p·x^i·y^j`` with ``i + j`` up to ``p``, from 1 to 3."""

    sums: tuple[float, ...]

    @staticmethod
    def powers(x: HostArray, y: HostArray, weight: HostArray | None) -> HostArray:
        """What rows (N,) add to each sum (SUMS, N)."""
        one = np.ones(len(x))
        weights = [one] * 3 if weight is None else [weight, weight * weight, weight * weight * weight]
        xs, ys = ([one, side, side * side, side * side * side] for side in (x, y))
        return np.stack([weights[power] * (xs[i] * ys[j]) for power, pairs in enumerate(_MONOMIALS) for i, j in pairs])

    def along(self, a: float, b: float) -> Moments:
        """The moments of ``a·x + b·y``."""
        left, found = iter(self.sums), []
        for pairs in _MONOMIALS:
            held = {pair: next(left) for pair in pairs}
            found.append(
                [
                    sum(comb(k, i) * a**i * b ** (k - i) * held[i, k - i] for i in range(k + 1))
                    for k in range(1 + max(i for i, _ in pairs))
                ]
            )
        return Moments(*map(tuple, found))  # type: ignore[arg-type]


class Roots(NamedTuple):
    """Two RMSEs; ``joint`` are the moments of how far a row's squared errors lie apart and of their sum.

    Both less their means, and in units of ``scale²``.
    """

    first: float
    second: float
    joint: JointMoments
    scale: float

    def at(self, apart: float) -> Moments:
        """The moments of what rows add to ``first − second``, in units of ``scale``, were that truly ``apart``."""
        middle = (self.first + self.second) / 2.0
        least = max(min(self.first, self.second) / 2.0, _LEAST * (self.first + self.second))
        smaller = max(middle - abs(apart) / 2.0, least)
        larger = smaller + abs(apart)  # not the middle and a half: of few rows this is far more than both
        one, other = (side / self.scale for side in ((larger, smaller) if apart > 0.0 else (smaller, larger)))
        return self.joint.along((1.0 / one + 1.0 / other) / 4.0, (1.0 / one - 1.0 / other) / 4.0)

    def difference(self, confidence: Confidence) -> Difference:
        """``first − second``."""
        value = self.first - self.second
        low, high = (self._end(confidence, side) for side in (0, 1))
        moments = self.at(0.0)
        interval = Interval(low, high, careful_interval(moments, confidence, -inf, inf).method).holding(value)
        reach = max(self.scale * moments.error, interval.width / 2.0 / confidence.critical)
        p = careful_p(moments, -value / self.scale)
        return Difference(self.first, self.second, interval, p, detectable(reach, confidence))

    def _end(self, confidence: Confidence, side: int) -> float:
        """The farthest difference on a ``side`` (0: below, 1: above) that ``value`` does not speak against."""
        value = end = self.first - self.second
        for _ in range(_STEPS):
            found = careful_interval(self.at(end), confidence, -inf, inf)
            asked = value + self.scale * (found.low, found.high)[side]
            moved = (end + asked) / 2.0
            if abs(moved - end) <= 1e-12 * (self.first + self.second):
                break
            end = moved
        return end
