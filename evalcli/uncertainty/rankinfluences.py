"""What a row adds to a metric of ranks, of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.roc import auroc
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.rankestimates import placements, precision_influence

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.metrics.segments import Segments


def _on_auroc(ranking: Ranking) -> tuple[HostArray, HostArray]:
    """``(share of the other side that it beats − AUROC) / rows of its side``."""
    area = float(auroc(ranking).value)
    beaten, beating = placements(ranking)
    return (beaten - area) / ranking.positives, (beating - area) / ranking.negatives


AREAS = {"auroc": _on_auroc, "average_precision": precision_influence}
"""Metrics of ranks whose influences are known exactly."""


def influences(base: str, ranking: Ranking, *arguments: float, mean_weight: float = 1.0) -> tuple[HostArray, HostArray]:
    """What a positive and a negative in each segment (K,) add to a metric of ranks.

    That of ``AREAS`` exactly, that of what else is read off a curve as the delta method sees it: of rows that weigh
    ``mean_weight`` (Σw² / Σw).
    """
    exact = AREAS.get(base)
    if exact is not None:
        return exact(ranking)
    from evalcli.uncertainty.curves import curve_influence

    return curve_influence(base, ranking, *arguments, mean_weight=mean_weight)


def variance_of(base: str, ranking: Ranking) -> float:
    """That of a metric, as the sum of the squares of what its rows add to it."""
    positive, negative = influences(base, ranking)
    return dot(ranking.pos, positive * positive) + dot(ranking.neg, negative * negative)


class RowInfluence(NamedTuple):
    """What a row of either side adds to a metric, by the bin (B,) of the ranking that its score lies in.

    >>> from evalcli.metrics.ranking import KeyTable
    >>> table, scores, target = KeyTable(), np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    >>> table.update(scores, target)
    >>> RowInfluence.of("auroc", table.ranking()).at(scores, target == 1).tolist()
    [0.125, -0.125, -0.125, 0.125]
    """

    segments: Segments
    positive: HostArray
    negative: HostArray

    @classmethod
    def of(cls, base: str, ranking: Ranking, *arguments: float, mean_weight: float = 1.0) -> RowInfluence:
        """On a metric of ranks; see ``influences``."""
        positive, negative = influences(base, ranking, *arguments, mean_weight=mean_weight)
        segments = ranking.segments
        return cls(segments, segments.of_positives(positive), segments.of_negatives(negative))

    def times(self, weight: float) -> RowInfluence:
        """That on a mean which this metric has a ``weight`` in."""
        return RowInfluence(self.segments, self.positive * weight, self.negative * weight)

    def at(self, scores: HostArray, positive: HostArray) -> HostArray:
        """The influence (N,) of rows with these ``scores``, which are ``positive`` (N,) bool or not."""
        return self.told(self.segments.bins(scores), np.flatnonzero(positive))

    def told(self, bins: HostArray, positives: HostArray) -> HostArray:
        """The influence (N,) of rows in these bins (N,) of the ranking; ``positives`` are the numbers of some."""
        influence: HostArray = self.negative.take(bins, mode="clip")
        influence[positives] = self.positive[bins[positives]]
        return influence
