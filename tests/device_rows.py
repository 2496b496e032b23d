"""Rows of each kind that a device may be given, and the device itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from memory_source import MemorySource


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


def cuda() -> Any:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch


def on(torch: Any, source: MemorySource) -> tuple[Any, Any]:
    return torch.as_tensor(source.arrays[0].copy(), device="cuda"), torch.as_tensor(
        source.arrays[1].copy(), device="cuda"
    )
