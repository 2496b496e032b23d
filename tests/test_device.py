"""The torch backend: on the CPU everywhere, on a GPU where there is one. Counts are the same bits on all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from memory_source import MemorySource

import evalcli
from evalcli.classification import columns
from evalcli.engine import Execution
from evalcli.errors import LimitError
from evalcli.evaluation import evaluate
from evalcli.task import Choices

if TYPE_CHECKING:
    from pathlib import Path


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


def test_half_of_a_batch_is_tried_where_a_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    look, asked = columns._look_on_device, []

    def full(scores: np.ndarray, device: str) -> columns.Look:
        asked.append(len(scores))
        if len(scores) > 500:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(scores, device)

    monkeypatch.setattr(columns, "_look_on_device", full)
    source = sources()["logits"]
    execution = Execution(backend="torch", device="cpu", batch_size=1000, workers=1)
    assert counted(source, execution) == counted(source, Execution())
    assert asked[:3] == [1000, 500, 500]  # and on, pass by pass
    with pytest.raises(
        LimitError, match=r"no memory left for 1000 rows of 5 scores; try --batch-size 250, or --device"
    ):
        counted(source, replace(execution, batch_size=2000))


def test_what_a_gpu_complains_of_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")

    def failing(scores: np.ndarray, device: str) -> columns.Look:
        raise RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(columns, "_look_on_device", failing)
    with pytest.raises(LimitError, match=r"^cpu failed: CUDA error: device-side assert triggered; try --device cpu"):
        counted(sources()["logits"], Execution(backend="torch", device="cpu"))


def cuda() -> Any:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch


def on(torch: Any, source: MemorySource) -> tuple[Any, Any]:
    return torch.as_tensor(source.arrays[0].copy(), device="cuda"), torch.as_tensor(
        source.arrays[1].copy(), device="cuda"
    )


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["labels", "logits", "binary", "pixels"])
def test_tensors_of_a_gpu_are_evaluated_as_arrays_are(name: str) -> None:
    torch = cuda()
    source = sources()[name]
    there = evalcli.evaluate(*on(torch, source), confidence=None).data
    here = evalcli.evaluate(source.arrays[0], source.arrays[1], confidence=None).data
    assert there.metrics == here.metrics
    cupy = pytest.importorskip("cupy")
    arrays = (cupy.asarray(side) for side in (source.arrays[0], source.arrays[1]))
    assert evalcli.evaluate(*arrays, confidence=None).data.metrics == here.metrics


@pytest.mark.gpu
@pytest.mark.parametrize("metric", ["Accuracy", "Kappa", "LogLoss", "ECE", "BalancedAccuracy", "MeanRank"])
@pytest.mark.parametrize("moved", [True, False])
def test_metric_objects_on_a_gpu(metric: str, *, moved: bool) -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    there, here = (getattr(evalcli.metrics, metric)() for _ in range(2))
    if moved:
        there.to("cuda")
    for start in range(0, 4000, 1000):
        rows = slice(start, start + 1000)
        there.update(preds[rows], target[rows])
        here.update(preds[rows].cpu(), target[rows].cpu())
    value = there.compute()
    assert value.device.type == "cuda"
    assert float(value) == float(here.compute())
    half = getattr(evalcli.metrics, metric)().to("cuda")
    half.update(preds[:2000].bfloat16(), target[:2000])
    other = getattr(evalcli.metrics, metric)()
    other.update(preds[:2000].bfloat16().cpu(), target[:2000].cpu())
    assert float(half.compute()) == float(other.compute())


@pytest.mark.gpu
def test_updates_on_a_gpu_do_not_wait_for_it() -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    metric = evalcli.metrics.Accuracy().to("cuda")
    metric.update(preds, target)
    torch.cuda.set_sync_debug_mode("error")
    try:
        metric.update(preds, target)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_the_command_line_on_a_gpu(run: Any, tmp_path: Path) -> None:
    cuda()
    source = sources()["logits"]
    np.save(tmp_path / "p.npy", source.arrays[0])
    np.save(tmp_path / "t.npy", source.arrays[1])
    files = (tmp_path / "p.npy", tmp_path / "t.npy")
    here = run("report", *files, "-f", "json")
    for more in (("--device", "cuda"), ("--device", "cuda:0", "--workers", 3, "--batch-size", 300)):
        there = run("report", *files, "-f", "json", *more)
        assert (there.code, there.stdout) == (here.code, here.stdout)
    assert run("report", *files, "--device", "cuda:99").code == 2
