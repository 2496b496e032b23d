"""Two models that are equally good, on rows that come in clusters, harder or easier for each of them in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.simulated import Rng

TESTED = {
    "regression": ("rmse", "mae", "r2", "pearson"),
    "binary": ("accuracy", "f1", "auroc", "average_precision", "log_loss", "brier"),
    "multiclass": ("accuracy", "f1_macro", "log_loss"),
    "multilabel": ("subset_accuracy", "f1_macro", "f1_micro", "hamming_loss", "auroc_macro", "log_loss"),
}
"""The metrics of each task."""
_CLASSES, _LABELS = 4, 4


def two_models(rng: Rng, clusters: int, task: str) -> tuple[Any, list[Any], Any]:
    """Draw the truth, the predictions of both models, and clusters of 1 to 12 rows."""
    cluster = np.repeat(np.arange(clusters), rng.integers(1, 13, clusters))
    rows = len(cluster)
    levels = 0.6 * rng.normal(size=clusters)[cluster] + 0.8 * rng.normal(size=(2, clusters))[:, cluster]
    noise = levels + 0.6 * rng.normal(size=rows) + 0.6 * rng.normal(size=(2, rows))
    if task == "regression":
        target = rng.normal(size=rows)
        return target, [target + one for one in noise], cluster
    if task == "multiclass":
        target = rng.integers(0, _CLASSES, rows)
        own = np.eye(_CLASSES)[target]
        return target, [rng.normal(size=own.shape) + own * (1.5 + one[:, None]) for one in noise], cluster
    shape = (rows, _LABELS) if task == "multilabel" else (rows, 1)
    target = (rng.random(shape) < 0.4).astype(int)
    logits = [2 * target - 1 + one[:, None] + rng.normal(size=shape) for one in noise]
    scores = [1 / (1 + np.exp(-each)) for each in logits]
    if task == "multilabel":
        return target, scores, cluster
    return target[:, 0], [each[:, 0] for each in scores], cluster


def bin_cluster_tests(clusters: int, task: str, names: Sequence[str]) -> Callable[[Rng], dict[str, float]]:
    """Draw two models that are equally good, and too sure, and ask for the p-value of what is read off bins."""

    def draw(rng: Rng) -> dict[str, float]:
        cluster = np.repeat(np.arange(clusters), rng.integers(1, 13, clusters))
        rows, width = len(cluster), 1 if task == "binary" else _CLASSES
        target = (rng.random(rows) < 0.4).astype(int) if task == "binary" else rng.integers(0, _CLASSES, rows)
        right = 2.4 * target[:, None] - 1.2 if task == "binary" else 1.5 * np.eye(_CLASSES)[target]
        common = right + rng.normal(size=(rows, width)) + 0.7 * rng.normal(size=(clusters, width))[cluster]
        preds = []
        for _ in range(2):
            own = rng.normal(size=(clusters, width))[cluster] + rng.normal(size=(rows, width))
            odds = np.exp(2.2 * (common + 0.4 * own))
            odds = np.concatenate([np.ones((rows, 1)), odds], axis=1) if task == "binary" else odds
            odds /= odds.sum(axis=1, keepdims=True)
            preds.append(odds[:, 1] if task == "binary" else odds)
        options: Any = {"metrics": list(names), "scores": "probs", "workers": 1}
        found = evalcli.compare(*preds, target=target, cluster=cluster, **options).data
        return {row.name: 1.0 if (one := row.differences[1]) is None else one.p for row in found.metrics}

    return draw


def cluster_tests(clusters: int, task: str) -> Callable[[Rng], dict[str, float]]:
    """Draw both and ask for the p-value of every metric; 1 where there is no test."""

    def draw(rng: Rng) -> dict[str, float]:
        target, preds, cluster = two_models(rng, clusters, task)
        options: Any = {"task": task, "metrics": list(TESTED[task]), "resamples": 100, "workers": 1}
        found = evalcli.compare(*preds, target=target, cluster=cluster, **options).data
        return {row.name: 1.0 if (one := row.differences[1]) is None else one.p for row in found.metrics}

    return draw
