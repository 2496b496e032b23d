"""Several labels a row, predicted by three models, and what a comparison of them says."""

from __future__ import annotations

import numpy as np
from memory_source import MemorySource

from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.task import Choices

EXECUTIONS = [Execution(workers=1), Execution(batch_size=9, workers=1), Execution(batch_size=32, workers=3)]
ROWS, LABELS = 200, 3
RNG = np.random.default_rng(0)
TARGET = (RNG.normal(size=(ROWS, 1)) + RNG.normal(size=(ROWS, LABELS)) > [0.0, 0.6, 1.2]).astype(np.int64)
HARD = RNG.normal(size=(ROWS, LABELS))
FIRST, SECOND, THIRD = (
    1 / (1 + np.exp(-(2.5 * (TARGET - 0.5) + HARD + noise * RNG.normal(size=TARGET.shape))))
    for noise in (1.4, 1.0, 1.1)
)
WEIGHTS = RNG.integers(0, 5, ROWS) / 4
HOLES = np.where(RNG.random(TARGET.shape) < 0.1, -1, TARGET)

OF_ONE = ("f1[1]", "recall[2]", "precision[0]", "auroc[1]", "average_precision[2]", "log_loss[0]", "brier[1]")


def sources(*preds, target=TARGET, **more):
    return [
        MemorySource(each, target, paths=(f"{name}.pt", "t.pt"), **more)
        for name, each in zip("abcdef", preds, strict=False)
    ]


def compared(made, names=None, execution=EXECUTIONS[0], *, flips=3, by_label=False, **choices):
    question = Question(None if names is None else tuple(names), flips=flips, by_label=by_label)
    return compare(made, Choices(**{"task": "multilabel", **choices}), execution, question)


def difference(name, *preds, target=TARGET, **more):
    return compared(sources(*preds, target=target, **more), [name]).metric(name).differences[1]
