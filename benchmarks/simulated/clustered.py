"""Rows that come in clusters, each with a level of its own: whole evaluations, with ``cluster`` and without."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli
from benchmarks.simulated import CONFIDENCE, Rng
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn

_MANY = 2_000_000
_MEAN_SIZE = 6.5


def rows_of(rng: Rng, cluster: Any, size: int, alike: float, mean: float = 1.2) -> tuple[Any, Any]:
    """Draw scores of rows in clusters 0, 1, …: P(positive) of two classes or logits of ``size``, and the targets.

    How well the rows of a cluster are told apart, and how sure the model is of them, is the same for all of them to the
    part ``alike``; so is which class they most often have. On average they are told apart by ``mean``.
    """
    clusters = int(cluster[-1]) + 1
    skill = mean + alike * rng.normal(size=clusters)[cluster] + (1 - alike) * rng.normal(size=len(cluster))
    own = rng.integers(0, size, clusters)[cluster]
    target = np.where(rng.random(len(cluster)) < alike / 2, own, rng.integers(0, size, len(cluster)))
    if size == 2:
        logits = (2 * target - 1) * skill + rng.normal(size=len(cluster))
        return 1 / (1 + np.exp(-logits)), target
    logits = rng.normal(size=(len(cluster), size))
    logits[np.arange(len(cluster)), target] += skill
    return logits, target


def evaluated(
    name: str, clusters: int, *, size: int = 2, alike: float = 0.8, single: bool = False, skill: float = 1.2
) -> Callable[[Rng], Drawn]:
    """Draw clusters of 1 to 12 rows (or ``single`` ones); the truth is that of two million rows on their own."""

    @cache
    def truth() -> float:
        scores, target = rows_of(np.random.default_rng(0), np.arange(_MANY), size, alike, skill)
        # a single row of each cluster: what they have in common does not move what is expected of a row
        return float(evalcli.evaluate(scores, target, metrics=[name], confidence=None)[name])

    def draw(rng: Rng) -> Drawn:
        sizes = np.ones(clusters, int) if single else rng.integers(1, 13, clusters)
        cluster = np.repeat(np.arange(clusters), sizes)
        scores, target = rows_of(rng, cluster, size, alike, skill)
        options: Any = {"metrics": [name], "resamples": CONFIDENCE.resamples, "workers": 1}
        found = {
            "evalcli": evalcli.evaluate(scores, target, cluster=cluster, **options).data,
            "as if independent": evalcli.evaluate(scores, target, **options).data,
        }
        return truth(), {method: interval_of(report.metrics[name]) for method, report in found.items()}

    return draw


def values_of(rng: Rng, cluster: Any) -> tuple[Any, Any]:
    """Draw predictions and targets of rows in clusters 0, 1, …, each with a level and an error of its own."""
    clusters = int(cluster[-1]) + 1
    target = 12.0 + 2.0 * rng.normal(size=clusters)[cluster] + rng.normal(size=len(cluster))
    return target + 0.7 * rng.normal(size=clusters)[cluster] + 0.7 * rng.normal(size=len(cluster)), target


def label_sets_of(rng: Rng, cluster: Any, labels: int = 5) -> tuple[Any, Any]:
    """Draw probabilities of several labels and the targets: how often and how well is up to the cluster."""
    clusters = int(cluster[-1]) + 1
    often = 0.15 + 0.35 * rng.random((clusters, labels))[cluster]
    target = (rng.random(often.shape) < often).astype(int)
    skill = 1.3 + 0.7 * rng.normal(size=(clusters, 1))[cluster]
    return 1 / (1 + np.exp(-(2 * target - 1) * skill - rng.normal(size=often.shape))), target


def measured(
    name: str, clusters: int, draw_rows: Callable[[Rng, Any], tuple[Any, Any]] = values_of, task: str = "regression"
) -> Callable[[Rng], Drawn]:
    """Draw clusters of 1 to 12 rows of a regression, or of several labels a row; the truth is that of single rows."""

    @cache
    def truth() -> float:
        preds, target = draw_rows(np.random.default_rng(0), np.arange(_MANY // 8))
        return float(evalcli.evaluate(preds, target, task=task, metrics=[name], confidence=None)[name])

    def draw(rng: Rng) -> Drawn:
        cluster = np.repeat(np.arange(clusters), rng.integers(1, 13, clusters))
        preds, target = draw_rows(rng, cluster)
        options: Any = {"task": task, "metrics": [name], "workers": 1}
        found = {
            "evalcli": evalcli.evaluate(preds, target, cluster=cluster, **options).data,
            "as if independent": evalcli.evaluate(preds, target, **options).data,
        }
        return truth(), {method: interval_of(report.metrics[name]) for method, report in found.items()}

    return draw


def interval_of(value: Any) -> Interval | None:
    """Return the interval of a value."""
    return None if value.low is None else Interval(value.low, value.high, value.method)
