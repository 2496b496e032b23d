"""Means over classes of what their scores rank, with a known truth."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from benchmarks.simulated.scores import ranking_of
from evalcli.metrics import roc
from evalcli.metrics.probability import softmax
from evalcli.metrics.rank_sample import SampledRows
from evalcli.uncertainty import ranks
from evalcli.uncertainty.coupling import SampledInfluences, coupled_mean
from evalcli.uncertainty.curves import worst_together
from evalcli.uncertainty.distances import distance_estimates, distance_interval
from evalcli.uncertainty.ranks import RANKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn
    from evalcli.metrics.roc import Ranking

_ROWS = 400_000
"""Those of the truth."""


def _classes(rng: Rng, rows: int, shares: Any, distance: float) -> tuple[Any, Any]:
    """Return the softmax of normal scores, the own class higher by ``distance``, and the classes."""
    target = rng.choice(len(shares), rows, p=shares / shares.sum())
    scores = rng.normal(size=(rows, len(shares)))
    scores[np.arange(rows), target] += distance
    return softmax(scores), target


def _columns(scores: Any, target: Any) -> tuple[list[Ranking], Any]:
    """Return the rankings of the classes that have rows, and their numbers."""
    found = [ranking_of(scores[target == c, c], scores[target != c, c]) for c in range(scores.shape[1])]
    held = np.array([number for number, ranking in enumerate(found) if ranking.defined])
    return [found[number] for number in held], held


def _sample(scores: Any, target: Any, held: Any) -> SampledRows:
    return SampledRows(scores[:512, held], target[:512, None] == held, np.ones(min(len(target), 512)))


def mean_of_classes(
    base: str, rows: int, size: int, *, distance: float = 1.5, skewed: bool = False, weighted: bool = False
) -> Callable[[Rng], Drawn]:
    """Draw scores of classes, which shrink where they are ``skewed``, and ask for a mean of ranks over them."""
    shares = 0.6 ** np.arange(size) if skewed else np.ones(size)
    estimate, method = RANKS[base]

    def columns(scores: Any, target: Any) -> tuple[list[Ranking], Any, Any]:
        rankings, held = _columns(scores, target)
        weights = np.array([ranking.positives if weighted else 1.0 for ranking in rankings])
        return rankings, held, weights / weights.sum()

    @cache
    def truth() -> float:
        rankings, _, weights = columns(*_classes(np.random.default_rng(0), _ROWS, shares, distance))
        return float(sum(weights * [estimate(ranking).value for ranking in rankings]))

    def draw(rng: Rng) -> Drawn:
        scores, target = _classes(rng, rows, shares, distance)
        rankings, held, weights = columns(scores, target)
        estimates = [estimate(ranking) for ranking in rankings]
        more = method, float(rows) if weighted else None
        sampled = SampledInfluences.of(base, _sample(scores, target, held), rankings)
        coupling = sampled.coupling(estimates, weights, more[1])
        return truth(), {
            "evalcli": ranks.mean_interval(estimates, weights.tolist(), CONFIDENCE, *more, coupling),
            "largest": ranks.mean_interval(estimates, weights.tolist(), CONFIDENCE, *more),
        }

    return draw


def mean_distance(rows: int, size: int, *, distance: float = 1.5, skewed: bool = False) -> Callable[[Rng], Drawn]:
    """Draw the same and ask for the mean Kolmogorov–Smirnov distance of the classes that were seen."""
    shares = 0.6 ** np.arange(size) if skewed else np.ones(size)

    @cache
    def truths() -> Any:
        rankings, _ = _columns(*_classes(np.random.default_rng(0), _ROWS, shares, distance))
        return np.array([roc.ks(ranking).value for ranking in rankings])

    def draw(rng: Rng) -> Drawn:
        scores, target = _classes(rng, rows, shares, distance)
        rankings, held = _columns(scores, target)
        weights = np.full(len(held), 1.0 / len(held))
        each = [distance_interval(ranking, CONFIDENCE, drawn=False) for ranking in rankings]
        values = [float(roc.ks(ranking).value) for ranking in rankings]
        sampled = SampledInfluences.of("ks", _sample(scores, target, held), rankings)
        coupling = sampled.coupling(distance_estimates(rankings), weights)
        return float(truths()[held].mean()), {
            "evalcli": coupled_mean(each, weights.tolist(), float(np.mean(values)), coupling),
            "largest": worst_together(each, values, weights.tolist()),
        }

    return draw
