"""Models of classes on the same rows, and what a comparison of them says."""

from __future__ import annotations

import numpy as np
from memory_source import MemorySource

from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.task import Choices

EXECUTIONS = [Execution(workers=1), Execution(batch_size=499, workers=1), Execution(batch_size=7, workers=3)]
"""The second leaves one row for the last batch."""


def answers(target, wrong, seed, classes=4):
    rng = np.random.default_rng(seed)
    mask = rng.random(len(target)) < wrong
    return np.where(mask, rng.integers(0, classes, len(target)), target)


def logits(target, shift, seed, classes=4):
    scores = np.random.default_rng(seed).normal(size=(len(target), classes))
    scores[np.arange(len(target)), target] += shift
    return scores


TARGET = np.random.default_rng(0).integers(0, 4, 500)
BINARY = np.random.default_rng(1).integers(0, 2, 500)
WEIGHTS = np.random.default_rng(2).integers(1, 5, 500) / 4


def sources(*preds, target=TARGET, **more):
    return [
        MemorySource(each, target, paths=(f"{name}.pt", "t.pt"), **more)
        for name, each in zip("abcdef", preds, strict=False)
    ]


def compared(made, execution=EXECUTIONS[0], question=None, **choices):
    return compare(made, Choices(**choices), execution, question or Question())


CASES = {
    "labels": lambda: sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.2, 2)),
    "weighted": lambda: sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.2, 2), weight=WEIGHTS),
    "logits": lambda: sources(logits(TARGET, 1.0, 1), logits(TARGET, 1.5, 2)),
    "weighted logits": lambda: sources(logits(TARGET, 1.0, 1), logits(TARGET, 1.5, 2), weight=WEIGHTS),
    "binary scores": lambda: sources(
        1 / (1 + np.exp(-logits(BINARY, 1.0, 3, 2)[:, 1] - BINARY)),
        1 / (1 + np.exp(-logits(BINARY, 1.0, 4, 2)[:, 1] - 2.0 * BINARY)),
        target=BINARY,
    ),
    "two columns": lambda: sources(logits(BINARY, 1.0, 3, 2), logits(BINARY, 1.4, 4, 2), target=BINARY),
    "league": lambda: sources(*(answers(TARGET, wrong, i) for i, wrong in enumerate((0.3, 0.2, 0.21)))),
}
