"""Two rankings or two losses of the same rows: the difference, with the covariance that a pair of states lacks.

A ranking state knows how each model ranks, not which rows they rank alike. That takes a second pass, in constant
memory: with both rankings known, each row's *influence* on either metric follows from its two scores, and the sums of
their squares and of their product give the variance of the difference. For AUROC this is DeLong's paired test. The
influences of a mean over columns add up row by row, so here nothing needs to be assumed about columns.

Losses need one pass: the moments of the difference row by row, as ``means`` reads them.

Source: DeLong, DeLong and Clarke-Pearson 1988, Comparing the areas under two or more correlated receiver operating
characteristic curves: a nonparametric approach.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval, none_of, other_signs
from evalcli.uncertainty.means import WORST_LOSS, Moments, careful_interval, careful_p
from evalcli.uncertainty.mover import farther
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided, two_sided
from evalcli.uncertainty.rankinfluences import variance_of
from evalcli.uncertainty.ranks import ranking_interval, rankings_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.intervals import Confidence


DRAWN = 4.0
"""Rows of no agreement that a correlation is drawn towards 0 by: the square of two standard errors."""
_HALF_WAY = 0.5
"""With it 95 % of areas up to 0.99 and of 10 positives and more are 93 to 97 %; all of the way they are 98 to 99 %."""
_COLUMNS = 20
"""Beyond which a mean over columns is nearly symmetric, and their intervals would cost more than they tell."""


class PairedInfluence(Metric):
    """Sums over rows of the squares of two influences and of their product, weighted ones times their weight.

    >>> state = PairedInfluence()
    >>> state.update(np.array([1.0, -1.0]), np.array([0.5, -0.5]))
    >>> state.variance
    0.5
    """

    sums: ExactSum

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", ExactSum(3))

    def update(self, first: HostArray, second: HostArray) -> None:
        """Take in the influences (N,) of rows on either model's metric."""
        if len(first):
            self.sums.add_rows(products(first, second), np.arange(3))

    def correlation(self, rows: float) -> float:
        """That of the two metrics, drawn a little towards 0: few ``rows`` that agree do not say that all do."""
        return correlation_of(self.sums.value().tolist(), rows)

    @property
    def seen(self) -> float:
        """The same as it was seen."""
        return correlation_of(self.sums.value().tolist(), 1.0, 0.0)

    @property
    def variance(self) -> float:
        """That of the difference."""
        first, both, second = self.sums.value().tolist()
        return max(float(first - 2.0 * both + second), 0.0)

    def compute(self) -> float:
        """The same as ``variance``."""
        return self.variance


def products(first: HostArray, second: HostArray) -> HostArray:
    """The squares of two influences of rows (N,) and their product, in the middle (3, N)."""
    found = np.empty((3, *first.shape))
    for row, factors in zip(found, ((first, first), (first, second), (second, second)), strict=True):
        np.multiply(*factors, out=row)
    return found


def correlation_of(sums: Sequence[float], rows: float, drawn: float = DRAWN) -> float:
    """That of two metrics from the sums of ``products`` of so many ``rows``, and of ``drawn`` that do not agree."""
    first, both, second = sums
    scale = sqrt(first) * sqrt(second)
    return 0.0 if not scale > 0.0 else max(min(both / scale, 1.0), -1.0) * rows / (rows + drawn)


def ranked_difference(
    first: float, second: float, variance: float, rows: float, confidence: Confidence, span: float = 1.0
) -> Difference:
    """The difference of two metrics of ranks, with the ``variance`` of ``PairedInfluence``.

    ``rows`` are those of the smaller side, which the t quantile allows for. Where no row says anything else than the
    others, the interval tells which share of rows might do so unseen, and turn the difference around.
    """
    value, error = first - second, sqrt(variance)
    if error > 0.0:
        critical = t_quantile(1.0 - confidence.tail, max(rows - 1.0, 1.0))
        interval = Interval(value - critical * error, value + critical * error, "delong").holding(value, -span, span)
        p = t_two_sided(value / error, max(rows - 1.0, 1.0))
        return Difference(first, second, interval, p, detectable(error, confidence))
    unseen = none_of(rows, confidence.critical)
    if value:  # and where the signs of so few rows tell nothing, the interval holds 0
        unseen = max(unseen, other_signs(rows, confidence.tail))
    reach = (span + abs(value)) * unseen
    interval = Interval(value - reach, value + reach, "wilson").holding(value, -span, span)
    rest = span - abs(value)
    p = _alike_p(abs(value) / rest if rest > 0.0 else inf, rows)
    return Difference(first, second, interval, p, detectable(reach / confidence.critical, confidence))


class TwoRankings(NamedTuple):
    """How two models rank the same rows, in the order of their difference, and how their metrics are correlated.

    ``mean_weight`` is Σw² / Σw.
    """

    base: str
    rankings: tuple[Ranking, Ranking]
    together: float
    mean_weight: float = 1.0

    def reaching(self, found: Difference, confidence: Confidence, plain: Difference | None = None) -> Difference:
        """The same with its far end half way to that of MOVER, if that lies beyond.

        Where the better model has few rows out of order, the difference looks small and sure at once, so that the truth
        lies above more often than below. If ``found`` is that of whole clusters, it is as that of so many fewer rows as
        it is wider than the ``plain`` one.
        """
        wider = 1.0 if plain is None else found.interval.width / plain.interval.width
        weight = self.mean_weight * wider * wider
        one, other = (ranking_interval(self.base, each, confidence, weight) for each in self.rankings)
        return _half_way(found, one, other, self.together)


class TwoMeans(NamedTuple):
    """How two models rank the same rows in several columns, whose ``weights`` add up to 1, as ``TwoRankings`` does.

    ``variances`` are those of either mean by what rows add to it, which tells how its columns go together.
    """

    base: str
    rankings: tuple[Sequence[Ranking], Sequence[Ranking]]
    weights: Sequence[float]
    variances: tuple[float, float]
    together: float
    mean_weight: float = 1.0

    def reaching(self, found: Difference, confidence: Confidence, plain: Difference) -> Difference:
        """The same as of two rankings; of many columns a mean is as symmetric as need be."""
        if not 0.0 < len(self.weights) <= _COLUMNS:
            return found
        wider = found.interval.width / plain.interval.width
        ends = []
        for rankings, variance in zip(self.rankings, self.variances, strict=True):
            parts = zip(rankings, self.weights, strict=True)
            apart = sum(weight * weight * variance_of(self.base, each) for each, weight in parts) * self.mean_weight
            coupling, weight = variance / apart if apart > 0.0 else 1.0, self.mean_weight * wider * wider
            ends.append(rankings_interval(self.base, rankings, self.weights, coupling, confidence, weight))
        return _half_way(found, ends[0], ends[1], self.together)


def _half_way(found: Difference, one: Interval, other: Interval, together: float) -> Difference:
    wide = farther(found, one, other, together, _HALF_WAY)
    return replace(wide, interval=wide.interval.holding(wide.value, -1.0, 1.0))


def mean_difference(first: float, second: float, moments: Moments, confidence: Confidence, span: float) -> Difference:
    """The difference of two mean losses, from the ``moments`` of the difference row by row, at most ``span`` each.

    Of log losses that is infinite: rows that were not seen cost what float64 makes of the worst, or as much as others.
    """
    scatters = moments.error > 0.0
    most = max(WORST_LOSS, 2.0 * abs(moments.mean)) if isinf(span) and not scatters else span
    interval = careful_interval(moments, confidence, -most, most)
    reach = max(moments.error, interval.width / 2.0 / confidence.critical)
    p = careful_p(moments) if scatters else _alike_p(abs(moments.mean) / most, moments.rows)
    return Difference(first, second, interval, p, detectable(reach, confidence))


def _alike_p(odds: float, rows: float) -> float:
    """The p-value where no row differs from the others: that of an interval which ends at 0, with a sign for each row.

    ``odds`` are those of the share of rows that would have to differ unseen: ``z² / rows``, where Wilson's end is 0.
    """
    if not odds > 0.0:
        return 1.0
    signs: float = 2.0 ** (1.0 - min(rows, 1000.0))
    return max(two_sided(sqrt(odds * rows)), min(signs, 1.0))
