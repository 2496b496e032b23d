"""Intervals of whole clusters from a delete-a-group jackknife: by how much a number moves without each group of them.

The variance over groups stands in for that of independent rows. Where nothing moves, as where every prediction is
right, it says nothing, and the plain method is asked again as for fewer rows: those of a cluster are then all alike.
On the scale where a number is nearly normal (the logarithm of a ratio, Fisher's of a correlation) the interval keeps
the middle of the plain one.

Source: Kott 2001, The delete-a-group jackknife; Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal
m.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.roc import auroc
from evalcli.uncertainty import means
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusters import freedom, inflation, seen_inflation, surer
from evalcli.uncertainty.curves import curve_influence
from evalcli.uncertainty.intervals import Interval, by_variance
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.rankestimates import placements, precision_influence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.intervals import Confidence


_ROUNDED = 1e-13
_MOST_SKEWED = 0.9
"""Skewness times quantile from where on Hall's transformation runs away."""


class Scale(NamedTuple):
    """Where a number is nearly normal, and the way back."""

    to: Callable[[Any], Any]
    back: Callable[[float], float]


@dataclass(frozen=True)
class Groups:
    """Groups of clusters: the ``shares`` (J,) of all rows that each holds, and the ``sizes`` (G,) of all clusters.

    Sizes are in rows of equal weight.
    """

    shares: HostArray
    sizes: HostArray
    confidence: Confidence

    @cached_property
    def effective(self) -> float:
        """How many clusters of equal size would tell as much: ``(Σm)² / Σm²``."""
        return float(self.sizes.sum()) ** 2 / dot(self.sizes, self.sizes)

    @cached_property
    def usual(self) -> float:
        """The quantile of the t distribution of so many clusters."""
        return t_quantile(1.0 - self.confidence.tail, max(self.effective - 1.0, 1.0))

    def sums(self, whole: float, rests: HostArray) -> HostArray | None:
        """What each group adds to a number, from what it is without each (J,); ``None`` where that is undefined.

        What is no more than rounding is nothing.
        """
        moved = whole - rests
        found: HostArray = (1.0 - self.shares) * np.where(np.abs(moved) > _ROUNDED * abs(whole), moved, 0.0)
        return found if np.isfinite(rests).all() and np.isfinite(whole) else None

    def grown(self, sums: HostArray, variance: float) -> float:
        """How many times as large as that of independent rows the variance is."""
        return inflation(sums, variance, self.sizes)

    def critical(self, sums: HostArray, alone: HostArray | None = None) -> float:
        """The quantile of the t distribution that stands in for ``z``."""
        return t_quantile(1.0 - self.confidence.tail, freedom(sums, self.effective, alone))

    def fewer(self, sums: HostArray, variance: float) -> tuple[float, Confidence]:
        """How many times fewer rows tell what the clusters tell, and the confidence at which ``z`` is ``critical``."""
        times, confidence = surer(self.confidence, self.critical(sums))
        return self.grown(sums, variance) * times, confidence

    def _plain_variance(self, width: float) -> float:
        return (width / 2.0 / self.confidence.critical) ** 2

    def fewer_seen(self, found: RankedSums) -> tuple[float, Confidence]:
        """The same for an interval that holds what a row may do unseen already."""
        times, confidence = surer(self.confidence, self.critical(found.sums))
        return seen_inflation(*found, self.sizes) * times, confidence

    def fewer_ranked(self, found: RankedSums) -> tuple[float, Confidence]:
        """The same for an interval of ranks, which holds what few rows out of order leave unknown."""
        times, confidence = surer(self.confidence, self.usual)
        return self.grown(*found) * times, confidence

    def fewer_counted(self, sums: HostArray, variance: float, least: float) -> tuple[float, Confidence]:
        """The same for a mean over labels of counts, at ``least`` so many times fewer rows."""
        grown, critical = self._told(sums, max(self.grown(sums, variance), least))
        times, confidence = surer(self.confidence, critical)
        return grown * times, confidence

    def _told(self, sums: HostArray, grown: float) -> tuple[float, float]:
        """How many times as large a variance is, and the quantile that goes with it.

        Few clusters that make up the variance leave it unknown, but no more than if rows of a cluster were all alike.
        """
        critical = self.critical(sums)
        alike = max(grown, dot(self.sizes, self.sizes) / float(self.sizes.sum()))
        return (alike, self.usual) if grown * critical**2 > alike * self.usual**2 else (grown, critical)

    def of_mean(self, plain: Interval, mean: float, sums: HostArray) -> Interval:
        """Hall's interval of a mean, from that of independent rows: clusters are less skewed than as many rows.

        Of a cluster that makes most of a mean the skewness is bounded: the t quantile allows for it as well.
        """
        variance, critical = self._plain_variance(plain.width), self.critical(sums)
        error, squares = sqrt(self.grown(sums, variance) * variance), dot(sums, sums)
        skew = float(((sums / sqrt(squares)) ** 3).sum())
        most = _MOST_SKEWED / critical
        return means.hall_interval(mean, error, min(max(skew, -most), most), critical)

    def of_share(self, plain: Interval, value: float, sums: HostArray) -> Interval:
        """Wilson's interval of a number between 0 and 1, from that of independent rows."""
        variance = self._plain_variance(plain.width)
        grown, critical = self._told(sums, self.grown(sums, variance))
        return by_variance(value, grown * variance, critical, plain.method)

    def on(self, scale: Scale, plain: Interval, sums: HostArray) -> Interval | None:
        """The interval around the middle of the plain one on another scale; ``None`` where that has no end."""
        with np.errstate(divide="ignore", invalid="ignore"):  # an end of ±1 is infinite there
            ends = [float(scale.to(end)) for end in (plain.low, plain.high)]
        variance = self._plain_variance(abs(ends[1] - ends[0]))
        if not (np.isfinite(variance) and variance > 0.0):
            return None
        off = self.critical(sums) * sqrt(self.grown(sums, variance) * variance)
        low, high = sorted(scale.back(sum(ends) / 2.0 + sign * off) for sign in (-1.0, 1.0))
        return Interval(low, high, plain.method)


class RankedSums(NamedTuple):
    """What groups add to a number of ranks (J,), and the ``variance`` that it has if their rows are independent."""

    sums: HostArray
    variance: float


@dataclass(frozen=True)
class RankedGroups:
    """A ranking, and the ``parts`` (J,) that groups of its rows have of it.

    Source: Obuchowski 1997, Nonparametric analysis of clustered ROC curve data.
    """

    ranking: Ranking
    parts: Sequence[Ranking]

    def sums(self, base: str, *arguments: float, mean_weight: float = 1.0) -> RankedSums:
        """What the rows of each part add to a number that is read off the ranking.

        Rows weigh ``mean_weight`` (Σw² / Σw); the variance is that of rows which count 1.
        """
        of_pos, of_neg = _influences(base, self.ranking, arguments, mean_weight)
        sums = [
            dot(part.pos, of_pos[place]) + dot(part.neg, of_neg[place])
            for part, place in zip(self.parts, self._places, strict=True)
        ]
        variance = dot(self.ranking.pos, of_pos * of_pos) + dot(self.ranking.neg, of_neg * of_neg)
        return RankedSums(np.array(sums), variance)

    @cached_property
    def _places(self) -> list[HostArray]:
        """The segment of the ranking that each segment of a part lies in."""
        rising = self.ranking.score[::-1]
        above = (np.maximum(np.searchsorted(rising, part.score, side="right"), 1) for part in self.parts)
        return [(len(rising) - each).astype(np.int32) for each in above]


def _influences(
    base: str, ranking: Ranking, arguments: tuple[float, ...], mean_weight: float
) -> tuple[HostArray, HostArray]:
    """What a positive and a negative in each segment (K,) add."""
    if base == "auroc":
        value = float(auroc(ranking).value)
        of_pos, of_neg = placements(ranking)
        return (of_pos - value) / ranking.positives, (of_neg - value) / ranking.negatives
    if base == "average_precision":
        return precision_influence(ranking)
    return curve_influence(base, ranking, *arguments, mean_weight=mean_weight)
