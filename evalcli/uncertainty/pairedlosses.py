"""Differences of mean losses of two models of which one was never wrong: what rows may add that were not seen.

As ``losses`` has it of one model: where none of its rows was wrong, the scatter of the right ones tells nothing about
what a wrong one adds. The upper end of a difference then lies farther off by as many wrong rows of the first model as
may have gone unseen, the lower end by those of the second. What scatters then is the loss of the other model, and both
are not off at once: distances are added as those of two intervals are, in squares. Where both models had some row wrong
nothing changes, but for a single one: as in ``losses`` it does not tell what others cost in a log loss. A model that
expects fewer wrong rows than may have gone unseen is taken to be surer than it should be, too: its wrong rows cost what
they do at the temperature at which it expects as many. What a wrong row costs is that of the interval that was asked
for, at whatever confidence a p-value is found.

Source: Zou and Donner 2008, Construction of confidence limits about effect measures (MOVER).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import copysign, hypot, sqrt
from typing import TYPE_CHECKING

from evalcli.uncertainty.comparison import detectable
from evalcli.uncertainty.intervals import none_of
from evalcli.uncertainty.means import careful_p
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence, Interval
    from evalcli.uncertainty.means import Moments

_FARTHEST = 40.0
"""A normal quantile that nothing lies beyond in float64."""


@dataclass(frozen=True, slots=True)
class UnseenLosses:
    """What a wrong row of the ``first`` and of the ``second`` of two models would cost: 0 of one that had some."""

    first: float
    second: float

    def beyond(self, interval: Interval, value: float, share: float) -> Interval:
        """The interval of a ``value`` of ``first − second`` where such a ``share`` of the rows may be wrong unseen."""
        low = value - hypot(value - interval.low, share * self.second)
        return replace(interval, low=low, high=value + hypot(interval.high - value, share * self.first))

    def allowed(self, plain: Difference, moments: Moments, confidence: Confidence, span: float) -> Difference:
        """The same difference, of at most ``span``, with what was not seen; ``moments`` are those of its rows.

        Where all rows differ alike, the interval has already what rows may do that were not seen.
        """
        if plain.interval.method == "wilson" or not (self.first or self.second):
            return plain
        share = none_of(moments.rows, confidence.critical)
        interval = self.beyond(plain.interval, plain.value, share).holding(plain.value, -span, span)
        least = max(plain.detectable, detectable(interval.width / 2.0 / confidence.critical, confidence))
        return replace(plain, interval=interval, p=self._p_value(plain, moments), detectable=least)

    def _p_value(self, plain: Difference, moments: Moments) -> float:
        """One less the confidence at which the interval ends at 0, which is found by halving."""
        value = plain.value
        cost = self.second if value > 0.0 else self.first
        if not cost:
            return plain.p
        low, high = 0.0, _FARTHEST
        for _ in range(60):
            z = 0.5 * (low + high)
            off = cost * none_of(moments.rows, z)
            if off < abs(value):
                reach = sqrt((abs(value) - off) * (abs(value) + off))
                outside = careful_p(moments, moments.mean - copysign(reach, value)) < two_sided(z)
            else:
                outside = False
            low, high = (z, high) if outside else (low, z)
        return max(plain.p, two_sided(low))
