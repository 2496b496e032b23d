"""The interval of a Kolmogorov–Smirnov distance, ``max |TP/P − FP/N|``.

Where the maximum lies the distance is that of two shares, and so is its variance. But a maximum of what was seen is on
average above the maximum of what is true: it picks the threshold at which chance helped. How far above is seen in
replicates of a smoothed curve, whose maximum is known: rows are counted by segment, and the share of positives in each
is drawn towards that of its neighbours by a normal kernel over ranks. Without smoothing replicates would start from the
bumps of the sample itself. The interval is Wilson's, around the distance less that excess, of a metric from −1 to 1.
Where the smoothed curve is the flatter one the excess is too large, so less of it is taken from the upper end; near 1,
where smoothing takes most of the distance and rows vary little, it is made smaller as their standard deviation is.

Source: Silverman and Young 1987, The bootstrap: to smooth or not to smooth?
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.roc import ks
from evalcli.uncertainty.curves import drawn_values, joined
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.paths import Paths
from evalcli.uncertainty.paths import ks as furthest
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.rankestimates import RankEstimate, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.intervals import Confidence

_MOST = 256
_DRAWN = 500
"""Replicates that an average needs."""
_FEW, _FEW_DRAWN = 128, 100
"""The same where there are many curves: the average is then known to a tenth of the standard deviation."""
_SURELY = 0.8
"""The part of the excess that is taken from the upper end."""
_WIDE, _NARROWER = 0.6, 0.4
"""The kernel is ``(0.6 − 0.4·distance)·n^(−1/5)`` of all ranks wide: a far distance has its maximum in a corner."""


def distance_interval(
    ranking: Ranking, confidence: Confidence, mean_weight: float = 1.0, *, drawn: bool = True
) -> Interval | None:
    """The interval of one ranking; ``None`` where the distance is undefined. ``mean_weight`` is Σw² / Σw.

    Unless ``drawn``, as little is drawn as will do.
    """
    exact = ks(ranking)
    if isnan(exact.value):
        return None
    rows = ranking.positives / mean_weight, ranking.negatives / mean_weight
    sides = joined(ranking.pos, ranking.neg, _MOST if drawn else _FEW, ranking.known)
    seen = _largest(sides[0][None], sides[1][None])[0]
    alike = 2.0 / (1.0 / rows[0] + 1.0 / rows[1])
    smoothed = _smoothed(sides, (_WIDE - _NARROWER * seen) * alike**-0.2)
    fewer = replace(confidence, resamples=min(confidence.resamples, _DRAWN if drawn else _FEW_DRAWN))
    replicates = drawn_values(_largest, smoothed, mean_weight, fewer)
    if np.isnan(replicates).all():  # one side weighs next to nothing
        return Interval(0.0, 1.0, "influence")
    flat = float(_largest(smoothed[0][None], smoothed[1][None])[0])
    excess = float(np.nanmean(replicates)) - flat
    if flat < exact.value < 1.0:
        excess *= sqrt((1.0 - exact.value) / (1.0 - flat))
    if not exact.value < 1.0:
        reach = none_of(min(rows), confidence.critical)
        return Interval(max(1.0 - reach - excess, 0.0), 1.0, "wilson")
    critical = t_quantile(1.0 - confidence.tail, max(min(rows) - 1.0, 1.0))
    most = exact.value + 0.75 * (1.0 - exact.value)
    variance = sum(side.variance for side in _sides(ranking, rows))
    below, above = (
        by_variance(max(min(exact.value - part * excess, most), -1.0), variance, critical, "influence", -1.0, 1.0)
        for part in (1.0, _SURELY)
    )
    found = replace(below, high=max(below.high, above.high))
    low, high = found.low + (exact.low - exact.value), found.high + (exact.high - exact.value)
    return replace(found, low=low, high=high).holding(exact.value, 0.0, 1.0)


def _largest(pos: HostArray, neg: HostArray) -> HostArray:
    """The distances (B,) of replicates (B, K), NaN without rows on a side."""
    return furthest(Paths.of(pos, neg))


def _smoothed(sides: tuple[HostArray, HostArray], width: float) -> tuple[HostArray, HostArray]:
    """Both sides (K,) of a curve whose shares of positives change gently from rank to rank, mirrored at both ends."""
    amounts = sides[0] / sides[0].sum() + sides[1] / sides[1].sum()
    rank = (amounts.cumsum() - amounts / 2.0) / 2.0
    kernel = np.zeros((len(rank), len(rank)))
    for mirrored in (rank, -rank, 2.0 - rank):
        away = rank[:, None] - mirrored
        away /= width
        away *= away
        away /= -2.0
        kernel += np.exp(away, out=away)
    share = (kernel @ (sides[0] / sides[0].sum())) / (kernel @ amounts)
    pos, neg = amounts * share, amounts * (1.0 - share)
    return pos * (sides[0].sum() / pos.sum()), neg * (sides[1].sum() / neg.sum())


def distance_estimates(rankings: Sequence[Ranking], mean_weight: float = 1.0) -> list[RankEstimate]:
    """What each side adds to the variance of the distance of each column. ``mean_weight`` is Σw² / Σw."""
    rows = ((one, (float(one.positives) / mean_weight, float(one.negatives) / mean_weight)) for one in rankings)
    return [RankEstimate(ks(ranking), *_sides(ranking, sides)) for ranking, sides in rows]


def _sides(ranking: Ranking, rows: tuple[float, float]) -> tuple[Side, Side]:
    """What the two shares add to the variance where they are farthest apart, each with a row more on either side."""
    found, alarms = ranking.found / ranking.positives, ranking.alarms / ranking.negatives
    apart = found - alarms
    place = int(np.abs(apart, out=apart).argmax())
    shares = [(float(side[place]) * n + 1.0) / (n + 2.0) for side, n in zip((found, alarms), rows, strict=True)]
    pos, neg = (Side(share * (1.0 - share) / n, n) for share, n in zip(shares, rows, strict=True))
    return pos, neg
