"""Scores with a known truth: rankings, losses and the bins of confidence."""

from __future__ import annotations

from functools import cache, partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from benchmarks.simulated.counts import percentile
from evalcli.metrics import roc
from evalcli.metrics.calibration import (
    BinTable,
    brier_reliability,
    brier_resolution,
    brier_uncertainty,
    ece,
    overconfidence,
    underconfidence,
)
from evalcli.metrics.confidence import ConfidenceGroups
from evalcli.metrics.roc import Ranking, auroc_variance, partial_auroc
from evalcli.metrics.roc import auroc as exact_auroc
from evalcli.metrics.roc import average_precision as exact_average_precision
from evalcli.metrics.selective import accuracy_at_coverage, aurc, excess_aurc
from evalcli.uncertainty import rankestimates, ranks
from evalcli.uncertainty.bins import calibration_interval
from evalcli.uncertainty.curves import selective_interval
from evalcli.uncertainty.distances import distance_interval
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.losses import loss_interval
from evalcli.uncertainty.operating import operating_interval
from evalcli.uncertainty.partial import partial_interval
from evalcli.uncertainty.squares import (
    reliability_interval,
    resolution_interval,
    side_interval,
    uncertainty_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn

_MANY = 4_000_000
"""Rows that stand for all there are, where the truth has no formula."""


def ranking_of(pos: Any, neg: Any) -> Ranking:
    """Return a ranking of two samples of scores."""
    scores = np.unique(np.concatenate([pos, neg]))[::-1]
    places = [len(scores) - 1 - np.searchsorted(scores[::-1], side) for side in (pos, neg)]
    counts = [np.bincount(place, minlength=len(scores)) for place in places]
    never = np.zeros(len(scores), bool)
    return Ranking(scores, *counts, never, never)


def area(distance: float) -> float:
    """Return the AUROC of two normal distributions of variance 1."""
    return NormalDist().cdf(distance / np.sqrt(2.0))


def auroc(positives: int, negatives: int, distance: float) -> Callable[[Rng], Drawn]:
    """Draw normal scores of both sides."""
    truth = area(distance)

    def draw(rng: Rng) -> Drawn:
        ranking = ranking_of(rng.normal(distance, 1, positives), rng.normal(0, 1, negatives))
        estimate = rankestimates.auroc_estimate(ranking)
        assert estimate is not None
        return truth, {"evalcli": ranks.rank_interval(estimate, CONFIDENCE, "delong"), "logit": logit(ranking)}

    return draw


def logit(ranking: Ranking) -> Interval | None:
    """Return DeLong's variance on the logit scale, as it is usually done."""
    value, variance = exact_auroc(ranking).value, auroc_variance(ranking)
    if not 0 < value < 1:
        return Interval(value, value, "logit")
    reach = CONFIDENCE.critical * np.sqrt(variance) / (value * (1 - value))
    ends = (1 / (1 + np.exp(-(np.log(value / (1 - value)) + side * reach))) for side in (-1, 1))
    return Interval(*ends, "logit")


RANKS = {
    "auroc": (rankestimates.auroc_estimate, "delong"),
    "average_precision": (rankestimates.average_precision_estimate, "influence"),
}


def average_precision(rows: int, share: float, distance: float) -> Callable[[Rng], Drawn]:
    """Draw normal scores with a share of positives; the truth is that of four million rows."""

    @cache
    def truth() -> float:
        many = np.random.default_rng(0)
        size = int(_MANY * share)
        ranking = ranking_of(many.normal(distance, 1, size), many.normal(0, 1, _MANY - size))
        return float(exact_average_precision(ranking).value)

    def draw(rng: Rng) -> Drawn:
        positives = max(int(rng.binomial(rows, share)), 1)
        ranking = ranking_of(rng.normal(distance, 1, positives), rng.normal(0, 1, rows - positives))
        estimate = rankestimates.average_precision_estimate(ranking)
        assert estimate is not None
        return truth(), {"evalcli": ranks.rank_interval(estimate, CONFIDENCE, "influence")}

    return draw


def probabilities(rng: Rng, rows: int, sharpness: float, trust: float) -> tuple[Any, Any]:
    """Draw P(positive) and what happened; ``trust`` 1 is calibrated, below it the model is too sure of itself."""
    logits = rng.normal(0, sharpness, rows)
    happened = rng.random(rows) < 1 / (1 + np.exp(-trust * logits))
    return 1 / (1 + np.exp(-logits)), happened


def losses(kind: str, probs: Any, happened: Any) -> Any:
    """Return the log loss or the Brier score of every row."""
    if kind == "brier":
        return (probs - happened) ** 2
    return -np.log(np.where(happened, probs, 1 - probs))


def mean_loss(kind: str, rows: int, sharpness: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw losses; the truth is that of four million rows."""

    @cache
    def truth() -> float:
        return float(losses(kind, *probabilities(np.random.default_rng(0), _MANY, sharpness, trust)).mean())

    high = 1.0 if kind == "brier" else np.inf

    def draw(rng: Rng) -> Drawn:
        values = losses(kind, *probabilities(rng, rows, sharpness, trust))
        reach = CONFIDENCE.critical * values.std() / np.sqrt(rows)
        return truth(), {
            "evalcli": loss_interval(values, np.ones(rows), CONFIDENCE, high),
            "normal": Interval(values.mean() - reach, values.mean() + reach, "normal"),
        }

    return draw


def loss_of_two(rows: int, distance: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw the log losses of two normal classes, that far on either side of where they are told apart.

    The model takes its logits times ``trust`` for what they are, and has a handful of rows wrong, or none.
    """

    def drawn(rng: Rng, size: int) -> Any:
        return np.logaddexp(0.0, -2.0 * distance * trust * rng.normal(distance, 1.0, size))

    @cache
    def truth() -> float:
        return float(drawn(np.random.default_rng(0), _MANY).mean())

    def draw(rng: Rng) -> Drawn:
        return truth(), {"evalcli": loss_interval(drawn(rng, rows), np.ones(rows), CONFIDENCE, np.inf)}

    return draw


def bins_of(confidence: Any, right: Any) -> BinTable:
    """Return fifteen bins."""
    places = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    sums = [np.bincount(places, part, 15) for part in (np.ones(len(places)), confidence, right)]
    edges = np.arange(16) / 15
    return BinTable(*sums, edges[:-1], edges[1:])


def calibration(rows: int, sharpness: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw the bins of the top label; the truth is the calibration error of the true shares."""

    def top(rng: Rng, size: int) -> tuple[Any, Any, Any]:
        logits = np.abs(rng.normal(0, sharpness, size))
        share = 1 / (1 + np.exp(-trust * logits))
        return 1 / (1 + np.exp(-logits)), rng.random(size) < share, share

    @cache
    def truth() -> float:
        confidence, _, share = top(np.random.default_rng(0), _MANY)
        return 0.0 if trust == 1.0 else float(ece(bins_of(confidence, share)))

    def draw(rng: Rng) -> Drawn:
        confidence, right, _ = top(rng, rows)
        table = bins_of(confidence, right)
        wrong = table.n - table.right
        drawn = [rng.poisson(part, (400, 15)) for part in (table.right, wrong)]
        sure = table.confidence / np.where(table.n > 0, table.n, 1)
        size = drawn[0] + drawn[1]
        errors = np.abs(drawn[0] - size * sure).sum(axis=1) / size.sum(axis=1)
        return truth(), {
            "evalcli": calibration_interval(table, CONFIDENCE),
            "percentile": percentile(errors),
        }

    return draw


def distance_of_curves(positives: int, negatives: int, distance: float, scatter: float = 1.0) -> Callable[[Rng], Drawn]:
    """Draw normal scores, of positives with another ``scatter``, and ask for the Kolmogorov–Smirnov distance."""
    normal = NormalDist()
    thresholds = np.linspace(-6.0, 6.0, 4001).tolist()
    truth = max(abs(normal.cdf(at) - normal.cdf((at - distance) / scatter)) for at in thresholds)

    def draw(rng: Rng) -> Drawn:
        ranking = ranking_of(rng.normal(distance, scatter, positives), rng.normal(0, 1, negatives))
        return truth, {"evalcli": distance_interval(ranking, CONFIDENCE)}

    return draw


def partial_area(positives: int, negatives: int, distance: float, up_to: float = 0.1) -> Callable[[Rng], Drawn]:
    """Draw normal scores and ask for the area up to a false positive rate."""
    rates = (np.arange(100_000) + 0.5) / 1e5 * up_to
    normal = NormalDist()
    found = np.mean([normal.cdf(distance + normal.inv_cdf(rate)) for rate in rates.tolist()]) * up_to
    truth = float(0.5 * (1.0 + (found - up_to**2 / 2.0) / (up_to - up_to**2 / 2.0)))

    def draw(rng: Rng) -> Drawn:
        ranking = ranking_of(rng.normal(distance, 1, positives), rng.normal(0, 1, negatives))
        exact = partial_auroc(ranking, up_to)
        return truth, {"evalcli": partial_interval(exact, ranking, CONFIDENCE, up_to)}

    return draw


def operating(
    name: str, argument: float, rows: int, share: float, distance: float, *, levels: float = 0.0, scatter: float = 1.0
) -> Callable[[Rng], Drawn]:
    """Draw rows with a share of positives, of normal scores, and ask for an operating point.

    ``levels`` rounds scores to its multiples, positives have another ``scatter``; the truth is that of four million
    rows. How many are positive is drawn, too: a precision depends on it.
    """
    formula = getattr(roc, name)

    def ranking(rng: Rng, positives: int, rows: int) -> Ranking:
        sides = rng.normal(distance, scatter, positives), rng.normal(0, 1, rows - positives)
        return ranking_of(*(np.round(side / levels) * levels if levels else side for side in sides))

    @cache
    def truth() -> float:
        many = ranking(np.random.default_rng(0), int(_MANY * share), _MANY)
        return float(formula(many, argument).value)

    def draw(rng: Rng) -> Drawn:
        drawn = ranking(rng, max(int(rng.binomial(rows, share)), 1), rows)
        return truth(), {"evalcli": operating_interval(name, formula(drawn, argument), drawn, CONFIDENCE, argument)}

    return draw


def selective(
    name: str, rows: int, distance: float | None = None, coverage: float = 0.8, rare: float | None = None
) -> Callable[[Rng], Drawn]:
    """Draw rows by their confidence and ask for the area under the risk–coverage curve, or a point of it.

    With a ``distance`` there are two normal classes, that far on either side of where they are told apart, or that far
    from each other where one of them is ``rare``.
    """
    areas = {"aurc": aurc, "excess_aurc": excess_aurc}
    formula, arguments = (areas[name], ()) if name in areas else (accuracy_at_coverage, (coverage,))

    def groups(rng: Rng, size: int) -> ConfidenceGroups:
        if distance is None:
            confidence = 1 / (1 + np.exp(-np.abs(rng.normal(0, 2.0, size))))
            right = (rng.random(size) < confidence).astype(np.int64)
        elif rare is not None:
            true = rng.random(size) < rare
            logit = distance * rng.normal(distance * true, 1) - distance**2 / 2.0 + np.log(rare / (1.0 - rare))
            confidence, right = 1 / (1 + np.exp(-np.abs(logit))), ((logit >= 0.0) == true).astype(np.int64)
        else:
            score = rng.normal(distance, 1, size)
            confidence, right = np.abs(score), (score > 0).astype(np.int64)
        order = np.argsort(-confidence)
        return ConfidenceGroups(confidence[order], confidence[order], right[order], 1 - right[order])

    @cache
    def truth() -> float:
        return float(formula(groups(np.random.default_rng(0), _MANY), *arguments).value)

    def draw(rng: Rng) -> Drawn:
        drawn = groups(rng, rows)
        exact = formula(drawn, *arguments)
        return truth(), {"evalcli": selective_interval(name, exact, drawn, CONFIDENCE, *arguments)}

    return draw


SPLIT = {
    "reliability": (reliability_interval, brier_reliability),
    "resolution": (resolution_interval, brier_resolution),
    "uncertainty": (uncertainty_interval, brier_uncertainty),
    "overconfidence": (partial(side_interval, sign=-1.0), overconfidence),
    "underconfidence": (partial(side_interval, sign=1.0), underconfidence),
}


def split(part: str, rows: int, sharpness: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw P(positive) and what happened; the truth is the part of the true shares of four million rows."""
    interval, formula = SPLIT[part]

    @cache
    def truth() -> float:
        logits = np.random.default_rng(0).normal(0, sharpness, _MANY)
        if trust == 1.0 and part not in {"resolution", "uncertainty"}:
            return 0.0
        return float(formula(bins_of(1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-trust * logits)))))

    def draw(rng: Rng) -> Drawn:
        return truth(), {"evalcli": interval(bins_of(*probabilities(rng, rows, sharpness, trust)), CONFIDENCE)}

    return draw
