"""The torch backend: on the CPU everywhere, on a GPU where there is one. Counts are the same bits on all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.task import Choices


def sources() -> dict[str, MemorySource]:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 5, 4000)
    scores = rng.normal(size=(4000, 5)).astype(np.float32)
    scores[np.arange(4000), target] += 1
    scores[::7, 1] = scores[::7, 3]  # ties, among others
    noisy = np.where(rng.random(4000) < 0.7, target, rng.integers(0, 5, 4000))
    several = (rng.random((4000, 5)) < [0.5, 0.3, 0.2, 0.1, 0.0]).astype(np.int64)
    cells = np.where(rng.random((4000, 5)) < 0.1, -1, several)
    return {
        "labels": MemorySource(noisy, target),
        "logits": MemorySource(scores, target),
        "pixels": MemorySource(scores.reshape(40, 100, 5), target.reshape(40, 100)),
        "binary": MemorySource(scores[:, 0], target % 2),
        "weighted": MemorySource(scores, target, weight=rng.random(4000)),
        "many": MemorySource(noisy * 1000, target * 1000),
        "several": MemorySource(scores + 2 * several, several),
        "cells": MemorySource(scores + 2 * several, cells),
        "weighed": MemorySource(scores + 2 * several, cells, weight=rng.random(4000)),
    }


def counted(source: MemorySource, execution: Execution) -> object:
    return replace(evaluate(source, Choices(ignore_index=-1), execution), run=None)


@pytest.mark.parametrize("name", sources())
def test_torch_counts_as_numpy_does(name: str) -> None:
    source = sources()[name]
    assert counted(source, Execution(backend="torch", device="cpu")) == counted(source, Execution())


@pytest.mark.gpu
@pytest.mark.parametrize("name", sources())
def test_a_gpu_counts_as_the_cpu_does(name: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    source = sources()[name]
    assert counted(source, Execution(device="cuda", batch_size=1000)) == counted(source, Execution())
