"""How sure what is read off the ranks of labels is: areas, and distances, parts of areas and points of their curves.

The ranks of one label vary as in a binary task. How those of several go together, or the cells of a row in a micro
average, a sample of rows tells, up to 128 labels; else the errors of all are taken to go the same way.

Source: DeLong, DeLong and Clarke-Pearson 1988.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.registry import METRICS
from evalcli.metrics.roc import Certified
from evalcli.uncertainty import rankestimates, ranks
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.rankinfluences import RowInfluence, influences
from evalcli.uncertainty.ranks import RANKS

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.multilabel.values import ScoreValues
    from evalcli.uncertainty.intervals import Confidence


class RankIntervals:
    """The intervals of metrics of ranks; ``mean_weight`` is Σw² / Σw."""

    def __init__(self, scored: ScoreValues | None, confidence: Confidence, mean_weight: float = 1.0) -> None:
        self._scored, self._confidence, self._mean_weight = scored, confidence, mean_weight
        self._values_of_ranks: dict[str, Certified] = {}
        self._estimated: dict[str, list[Any]] = {}

    def _coupled(self, name: MetricName, scored: ScoreValues, own: HostArray, weights: HostArray) -> Interval | None:
        """That of a mean of ranks over all labels, where a sample of rows tells how they go together."""
        coupling = self._coupling(name, scored, weights)
        if coupling is None:
            return None
        estimates = self._estimates(name.base)
        value = sum(weight * one.value for one, weight in zip(estimates, weights.tolist(), strict=True))
        moved = dot(weights, own) - value  # ranks are joined to fewer places
        rows = float(np.sum(scored.support)) / self._mean_weight if name.average == "weighted" else None
        found = ranks.mean_interval(estimates, weights.tolist(), self._confidence, RANKS[name.base][1], rows, coupling)
        return replace(found, low=found.low + moved, high=found.high + moved)

    def _coupling(self, name: MetricName, scored: ScoreValues, weights: HostArray) -> float | None:
        """How many times the variance of independent labels their mean has; ``None`` where nothing tells."""
        if scored.sampled is None:
            return None
        estimates = self._estimates(name.base)
        if None in estimates:
            return None
        from evalcli.uncertainty.coupling import SampledInfluences

        by_support = float(np.sum(scored.support)) if name.average == "weighted" else None
        sampled = SampledInfluences.of(name.base, scored.sampled, self._rankings)
        return sampled.coupling(estimates, weights, by_support)

    def _estimates(self, base: str) -> list[Any]:
        """What the ranks of every label say (L,), ``None`` of one without both sides."""
        if base not in self._estimated:
            estimate = RANKS[base][0]
            self._estimated[base] = [
                estimate(ranking, _squares(ranking, self._mean_weight)) for ranking in self._rankings
            ]
        return self._estimated[base]

    def _curve(self, name: MetricName, ranking: Ranking, times: float = 1.0) -> Interval | None:
        """That of a number that is read off the curve of one label, of so many ``times`` fewer rows."""
        from evalcli.uncertainty.readoff import read_off_interval

        exact, weight = name.entry.formula(ranking, *name.arguments), self._mean_weight * times
        return read_off_interval(name.base, exact, ranking, self._confidence, *name.arguments, mean_weight=weight)

    def _rank(self, base: str, place: int, weight: float, confidence: Confidence) -> Interval | None:
        """That of the ranks of one label, whose rows weigh ``weight``."""
        estimate, method = RANKS[base]
        ranking = self._rankings[place]
        one = estimate(ranking, _squares(ranking, weight))
        if one is None:
            return None
        certified = Certified(*(float(part[place]) for part in self._ranked_values(base)))
        return ranks.rank_interval(one._replace(certified=certified), confidence, method)

    def _ranked_values(self, base: str) -> Certified:
        """The values (L,) of every label, and how far they are certain."""
        if base not in self._values_of_ranks:
            assert self._scored is not None
            self._values_of_ranks[base] = self._scored.by_label(METRICS[base])
        return self._values_of_ranks[base]

    @cached_property
    def _rankings(self) -> list[Ranking]:
        """The rankings of the labels, as finely as their variances need."""
        assert self._scored is not None
        return [rankestimates.coarse(ranking) for ranking in self._scored.rankings]

    def _pooled(self, base: str, scored: ScoreValues, value: float) -> Interval | None:
        """That of a micro average: the errors of a row's cells may all go the same way."""
        pooled = rankestimates.coarse(scored.pooled)
        if not pooled.defined:
            return None
        sides, error = influences(base, pooled), 0.0
        for ranking in self._rankings:
            places = np.minimum(np.searchsorted(-pooled.score, -ranking.score), len(pooled.score) - 1)
            pos, neg = (side[places] for side in sides)
            total = dot(ranking.pos, pos) + dot(ranking.neg, neg)
            square = dot(ranking.pos, pos * pos) + dot(ranking.neg, neg * neg)
            rows = ranking.positives + ranking.negatives
            variance = max(square - total * total / rows, 0.0) * self._mean_weight if rows > 0 else 0.0
            error += sqrt(variance)
        if not (error > 0.0 and 0.0 < value < 1.0):
            far = none_of(min(pooled.positives, pooled.negatives) / self._mean_weight, self._confidence.critical)
            return Interval(value - far, value + far, "wilson (bound)")
        method = RANKS[base][1]
        if scored.sampled is not None:
            from evalcli.uncertainty.coupling import of_cells

            coupling = of_cells(scored.sampled, RowInfluence.of(base, pooled))
            one = RANKS[base][0](pooled, _squares(pooled, self._mean_weight))
            if coupling is not None and one is not None:  # few cells out of order tell as little as few rows
                one = one._replace(certified=METRICS[base].formula(scored.pooled))
                return ranks.mean_interval([one], [1.0], self._confidence, method, coupling=coupling)
        return by_variance(value, error * error, self._confidence.critical, f"{method} (bound)")

    def _pooled_curve(self, name: MetricName, scored: ScoreValues) -> Interval | None:
        """That of what is read off the curve of all cells, of so many fewer as a row's cells go together."""
        from evalcli.uncertainty.coupling import of_cells

        pooled, coupling = scored.pooled, None
        if scored.sampled is not None and pooled.defined:
            moved = RowInfluence.of(name.base, pooled, *name.arguments, mean_weight=self._mean_weight)
            coupling = of_cells(scored.sampled, moved)
        if coupling is not None:
            return self._curve(name, pooled, coupling)
        found = self._curve(name, pooled, float(len(scored.labels)))
        return None if found is None else replace(found, method=f"{found.method} (bound)")


def _squares(ranking: Ranking, weight: float) -> rankestimates.Squares:
    """Those of both sides, whose rows weigh so much."""
    return rankestimates.Squares(ranking.positives * weight, ranking.negatives * weight)
