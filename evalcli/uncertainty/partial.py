"""The interval of a partial AUROC, the area up to a false positive rate.

Each row has its slope, the positives as by DeLong the share of the negatives asked for that they beat. Where few
positives are out of order, few say how they vary: the variance is drawn towards that of exponential scores, as that of
a whole area is. Student's quantile has the degrees of freedom of both sides, the scale is Wilson's. A bootstrap of
segments, which knows of no positives out of order but those that were seen, held 88 % with 15 of 500 rows positive.

Source: McClish 1989, Analyzing a portion of the ROC curve; Dodd and Pepe 2003, Partial AUC estimation and regression;
Satterthwaite 1946, An approximate distribution of estimates of variance components.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.curves import FEW, joined, slopes_of
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.paths import Paths
from evalcli.uncertainty.paths import partial_auroc as area
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.rankestimates import amounts_of, exponential, telling_rows

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Certified, Ranking
    from evalcli.uncertainty.intervals import Confidence

_MODEL = 2.0
"""Rows out of order that exponential scores count for, as of a whole area."""


def partial_interval(
    exact: Certified, ranking: Ranking, confidence: Confidence, max_fpr: float, mean_weight: float = 1.0
) -> Interval | None:
    """That of the area ``exact`` up to ``max_fpr``; ``None`` where it is undefined. ``mean_weight`` is Σw² / Σw."""
    if isnan(exact.value):
        return None
    rows, others = ranking.positives / mean_weight, ranking.negatives / mean_weight
    least = min(rows, others)
    if least < 1.0:  # one side weighs next to nothing
        return Interval(0.0, 1.0, "delta")
    parts, freedom = _parts(ranking, max_fpr, mean_weight)
    variance = sum(parts)
    if 0.0 < exact.value < 1.0 and variance > 0.0:
        grown = _grown(variance, exact.value, ranking, max_fpr, mean_weight)
        critical = t_quantile(1.0 - confidence.tail, freedom)
        found = by_variance(exact.value, grown, critical, "delta")
    else:
        reach = none_of(least, confidence.critical)
        found = Interval(exact.value - reach, exact.value + reach, "wilson")
    low, high = found.low + (exact.low - exact.value), found.high + (exact.high - exact.value)
    return Interval(low, high, found.method).holding(exact.value, 0.0, 1.0)


def _parts(ranking: Ranking, max_fpr: float, mean_weight: float) -> tuple[tuple[float, float], float]:
    """What either side adds to the variance, and its degrees of freedom.

    Of numbers of rows that move the area by ``d`` each the variance ``Σd²`` varies by ``Σd⁴``, as that of negatives.
    """

    def value(pos: HostArray, neg: HostArray) -> HostArray:
        return area(Paths.of(pos, neg), max_fpr)

    rows = ranking.positives / mean_weight
    sides = joined(ranking.pos, ranking.neg, FEW, ranking.known)
    squares = [slopes**2 * mean_weight for slopes in slopes_of(value, sides, mean_weight)]
    of_pos, of_neg = (dot(square, side) for square, side in zip(squares, sides, strict=True))
    of_pos *= rows / (rows - 1.0) if rows > 1.0 else 1.0
    fourth = dot(squares[1] * squares[1], sides[1]) * mean_weight
    spread = of_pos**2 / max(rows - 1.0, 1.0) + min(fourth / 2.0, of_neg**2 / 2.0)
    return (of_pos, of_neg), (of_pos + of_neg) ** 2 / spread if spread > 0.0 else 1.0


def _grown(variance: float, value: float, ranking: Ranking, max_fpr: float, mean_weight: float) -> float:
    """The variance drawn towards that of exponential scores by ``_MODEL`` positives out of order."""
    chance = max_fpr * max_fpr / 2.0
    share = ((2.0 * value - 1.0) * (max_fpr - chance) + chance) / max_fpr  # of the negatives asked for that are beaten
    slope = 1.0 / (2.0 - max_fpr)  # of the value by that share
    rows, others = ranking.positives / mean_weight, ranking.negatives / mean_weight
    most = max(variance, slope * slope * exponential(share) / min(rows, others))
    pos, neg = amounts_of(ranking)
    lost = np.minimum((ranking.alarms - neg / 2.0) / ranking.negatives, max_fpr)
    telling = telling_rows(pos, lost) * rows / ranking.positives
    return (telling * variance + _MODEL * most) / (telling + _MODEL)
