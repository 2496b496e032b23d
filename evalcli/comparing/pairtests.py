"""The difference of two metrics, from the moments of what rows add to it: Student's test of pairs.

A bias is better the nearer it is to 0, so its difference is that of sizes, ``|b| − |a|``. That is the smaller of
``b − a`` and ``b + a``, up to its sign, and is shown where both are (an intersection-union test).

Source: Berger 1982, Multiparameter hypothesis testing and acceptance sampling.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf, sqrt
from typing import TYPE_CHECKING

from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval, none_of, other_signs
from evalcli.uncertainty.means import careful_interval, careful_p
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.means import Moments

_ROUNDING = 1e-13
"""A scatter below this, beside what is measured, is that of rounding."""


def difference_of(
    first: float,
    second: float,
    moments: Moments,
    scale: float,
    confidence: Confidence,
    sign: float = -1.0,
    unseen: float = 1.0,
) -> Difference:
    """The difference of two metrics, from the ``moments`` of the terms less it, divided by ``scale``.

    Where all rows differ alike, as many as may have gone unseen are taken to differ by ``unseen`` times the ``scale``,
    and the interval holds 0 where so few signs tell nothing. The p-value is that of an interval which ends at 0.
    """
    value = first + sign * second
    if not scatters(moments, value / scale):
        off = unseen * scale * none_of(moments.rows, confidence.critical)
        off = max(off, 2.0 * abs(value) * other_signs(moments.rows, confidence.tail))
        interval = Interval(value - off, value + off, "wilson")
        p = _alike_p(abs(value), unseen * scale, moments.rows)
        return Difference(first, second, interval, p, detectable(off / confidence.critical, confidence))
    found = careful_interval(moments, confidence, -inf, inf)
    interval = Interval(value + scale * found.low, value + scale * found.high, found.method).holding(value)
    p = careful_p(moments, -value / scale)
    reach = max(scale * moments.error, interval.width / 2.0 / confidence.critical)
    return Difference(first, second, interval, p, detectable(reach, confidence))


def _alike_p(value: float, unseen: float, rows: float) -> float:
    """The p-value where all rows differ by ``value``, and rows that were not seen by ``unseen``; no less than of signs.

    Wilson's end at 0 is the share ``z² / (rows + z²)`` of them.
    """
    if not value:
        return 1.0
    signs: float = min(1.0, 2.0 ** (1.0 - min(rows, 1000.0)))
    return max(two_sided(sqrt(rows * value / (unseen - value))), signs) if value < unseen else signs


def scatters(moments: Moments, value: float) -> bool:
    """Whether rows differ by more than rounding, beside the unit of their terms and the ``value`` of the difference."""
    return moments.error * sqrt(moments.rows) > _ROUNDING * max(1.0, abs(value))


def difference_of_sizes(
    first: float, second: float, moments: tuple[Moments, Moments], scale: float, confidence: Confidence
) -> Difference:
    """``|first| − |second|``, from the moments of ``first − second`` and of ``first + second``.

    The end of the interval towards 0 is that of the test. The other is surer: each of the two could be the smaller.
    """

    def ends(confidence: Confidence) -> tuple[float, float]:
        found = [
            difference_of(first, second, each, scale, confidence, sign).interval
            for each, sign in zip(moments, (-1.0, 1.0), strict=True)
        ]
        corners = [(abs(d + s) - abs(s - d)) / 2.0 for d, s in product(*((one.low, one.high) for one in found))]
        return min(corners), max(corners)

    both = [
        difference_of(first, second, each, scale, confidence, sign)
        for each, sign in zip(moments, (-1.0, 1.0), strict=True)
    ]
    plain, sure = ends(confidence), ends(replace(confidence, level=(1.0 + confidence.level) / 2.0))
    low = plain[0] if plain[0] > 0.0 else sure[0]
    high = plain[1] if plain[1] < 0.0 else sure[1]
    mine, base = abs(first), abs(second)
    interval = Interval(low, high, both[0].interval.method).holding(mine - base)
    p = max(each.p for each in both)
    return Difference(mine, base, interval, p, detectable(interval.width / 2.0 / confidence.critical, confidence))
