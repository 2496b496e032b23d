"""Metrics that a user defines from others, and metrics of one's own: whole evaluations of rows of known truth."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli
from benchmarks.simulated.clustered import interval_of
from evalcli.expressions import parse_expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn, Rng

_MANY = 2_000_000
_SHARES, _RIGHT = np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.8, 0.7])


class OwnMean(evalcli.Metric):
    """Σ|p − t| / N, as a user writes it."""

    total: float
    rows: int

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", 0.0)
        self.add_state("rows", 0)

    def update(self, preds: Any, target: Any) -> None:
        """Take in rows."""
        self.total += float(np.abs(preds - target).sum())
        self.rows += len(target)

    def compute(self) -> float:
        """Of all rows."""
        return self.total / self.rows


class OwnF1(evalcli.Metric):
    """2TP / (2TP + FP + FN) of class 1, as a user writes it."""

    right: int
    wrong: int

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", 0)
        self.add_state("wrong", 0)

    def update(self, preds: Any, target: Any) -> None:
        """Take in rows."""
        self.right += int(((preds == 1) & (target == 1)).sum())
        self.wrong += int(((preds == 1) != (target == 1)).sum())

    def compute(self) -> float:
        """Of all rows."""
        return 2.0 * self.right / (2.0 * self.right + self.wrong)


def labels(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw labels of three classes, and which of them a model says."""
    target = rng.choice(3, rows, p=_SHARES)
    right = rng.random(rows) < _RIGHT[target]
    return np.where(right, target, (target + rng.integers(1, 3, rows)) % 3), target


def binary(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw labels of which 30 % are positive."""
    target = (rng.random(rows) < 0.3).astype(np.int64)
    return np.where(rng.random(rows) < np.where(target == 1, 0.75, 0.9), target, 1 - target), target


def coins(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw labels of two classes that a model says nothing about: recall and specificity are one half."""
    preds, target = rng.integers(0, 2, (2, rows))
    return preds, target


def scores(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw probabilities of a binary task."""
    target = (rng.random(rows) < 0.4).astype(np.int64)
    return 1 / (1 + np.exp(-1.3 * (2 * target - 1) - rng.normal(size=rows))), target


def many_scores(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw logits of three classes."""
    target = rng.choice(3, rows, p=_SHARES)
    return rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[target], target


def values(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw values whose errors have heavy tails."""
    target = 2.0 * rng.normal(size=rows)
    return target + rng.standard_t(6, size=rows), target


def label_sets(rng: Rng, rows: int) -> tuple[Any, Any]:
    """Draw sets of three labels, whose errors have a cause in common."""
    target = (rng.random((rows, 3)) < [0.5, 0.4, 0.3]).astype(np.int64)
    hard = rng.random(rows)[:, None] < 0.3
    return np.where(rng.random((rows, 3)) < np.where(hard, 0.6, 0.92), target, 1 - target), target


def defined(text: str, made: Callable[[Rng, int], Any], rows: int, together: int = 1) -> Callable[[Rng], Drawn]:
    """Draw rows, or clusters of so many rows that are all alike; the truth is that of two million."""
    names = (*parse_expression(text).names, *(("auroc",) if made is scores else ()))  # which keeps the ranking
    options: Any = {"define": {"x": text}, "metrics": names, "resamples": 200, "workers": 1}

    options |= {"task": "multilabel"} if made is label_sets else {}

    @cache
    def truth() -> float:
        held = made(np.random.default_rng(0), _MANY)
        return float(evalcli.evaluate(*held, confidence=None, **options)["x"])

    def draw(rng: Rng) -> Drawn:
        preds, target = (np.repeat(side, together, axis=0) for side in made(rng, rows))
        cluster = None if together == 1 else np.repeat(np.arange(rows), together)
        report = evalcli.evaluate(preds, target, cluster=cluster, **options).data
        return truth(), {"evalcli": interval_of(report.metrics["x"])}

    return draw


def own(
    metric: type[evalcli.Metric], made: Callable[[Rng, int], Any], rows: int, *, inside: bool = False, parts: int = 1
) -> Callable[[Rng], Drawn]:
    """Draw rows, or so many ``inside`` a slice, or in each of several ``parts``; the truth is that of two million."""

    @cache
    def truth() -> float:
        preds, target = made(np.random.default_rng(0), _MANY)
        whole = metric()
        whole.update(preds, target)
        return float(whole.compute())

    def draw(rng: Rng) -> Drawn:
        usual = "mae" if metric is OwnMean else "accuracy"
        options: Any = {"own": {"x": metric()}, "metrics": usual, "workers": 1}
        if parts > 1:
            counted = [evalcli.evaluate(*made(rng, rows), **options, partial=True) for _ in range(parts)]
            merged = evalcli.merge(counted).report(own=options["own"])
            return truth(), {"evalcli": interval_of(merged.data.metrics["x"])}
        if inside:
            region = rng.permutation(np.repeat(["a", "b"], [rows, 3 * rows]))
            sliced = evalcli.evaluate(*made(rng, 4 * rows), by={"region": region}, **options).data
            return truth(), {"evalcli": interval_of(sliced.slices[0].metrics["x"])}
        report = evalcli.evaluate(*made(rng, rows), **options).data
        return truth(), {"evalcli": interval_of(report.metrics["x"])}

    return draw
