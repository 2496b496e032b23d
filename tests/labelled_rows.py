"""Rows of several labels, and their report."""

from __future__ import annotations

import numpy as np
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.task import Choices

LABELS = ("cat", "dog", "owl", "eel")


def data(seed=0, rows=300, *, ties=False):
    rng = np.random.default_rng(seed)
    target = (rng.random((rows, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(int)
    logits = rng.normal(size=(rows, 4)) * 1.5 + 2.5 * target - 1.5
    scores = 1 / (1 + np.exp(-logits))
    return scores.round(1) if ties else scores, target, rng.choice([0.5, 1.0, 3.0], rows)


def report(
    scores, target, *, weight=None, batch=None, workers=1, metrics=None, also=(), backend="auto", budget=None, **c
):
    source = MemorySource(scores, target, weight=weight)
    execution = Execution(backend=backend, workers=workers, batch_size=batch, ranking_budget=budget)
    choices = Choices(**{"labels": LABELS, **c})
    return evaluate(source, choices, execution, metrics, also=also)
