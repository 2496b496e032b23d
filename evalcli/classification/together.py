"""How closely the ranks of classes go together: what a sample of rows says of a mean over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.score_results import ScoreResults
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.coupling import PairInfluences
    from evalcli.uncertainty.rankestimates import RankEstimate


def coupling_of(
    name: MetricName,
    scores: ScoreResults,
    estimates: Sequence[RankEstimate],
    whole: ScoreResults | None = None,
    mean_weight: float = 1.0,
) -> float | None:
    """The coupling of a mean of ranks, from the ``estimates`` of its classes; ``None`` where nothing tells it.

    ``whole`` is what the scores of all rows say where these are those of a slice, which has no sample of its own;
    ``mean_weight`` is Σw² / Σw.
    """
    found = (scores if whole is None else whole).influences(name.base, mean_weight) if len(estimates) > 1 else None
    if found is None:
        return None
    columns = [number for number, ranking in enumerate(scores.rankings) if ranking.defined]
    support = np.array([scores.rankings[number].positives for number in columns])
    weighted = name.average == "weighted"
    weights = support / support.sum() if weighted else np.full(len(columns), 1.0 / len(columns))
    influences = found.of_columns(tuple(columns), alone=whole is not None)
    rankings = (scores if whole is None else whole).rankings
    by_support = sum(rankings[number].positives for number in columns) if weighted else None
    return influences.coupling(estimates, weights, by_support)


def pairs_of(scores: ScoreResults) -> PairInfluences | None:
    """Where the influences on a mean over pairs of classes are gathered, if there is a sample."""
    if scores.sampled is None:
        return None
    from evalcli.uncertainty.coupling import PairInfluences

    return PairInfluences(scores.sampled)
