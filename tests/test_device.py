"""The torch backend: on the CPU everywhere, on a GPU where there is one. Counts are the same bits on all of them."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from alike import assert_alike
from device_rows import cuda, on, sources
from memory_source import MemorySource
from torch_waits import waits_in_batches

import evalcli
from evalcli.classification.glances import Glances
from evalcli.engine import Execution
from evalcli.errors import EvalError, LimitError
from evalcli.evaluation import evaluate
from evalcli.sources import held_arrays
from evalcli.task import Choices

if TYPE_CHECKING:
    from pathlib import Path


def counted(source: MemorySource, execution: Execution) -> object:
    return replace(evaluate(source, Choices(ignore_index=-1), execution), run=None)


@pytest.mark.parametrize("name", sources())
def test_torch_counts_as_numpy_does(name: str) -> None:
    """Counts are equal; what follows from an exponential may differ in its last digit."""
    source = sources()[name]
    assert_alike(counted(source, Execution(backend="torch", device="cpu")), counted(source, Execution()))


@pytest.mark.parametrize("name", ["logits", "binary", "pixels"])
def test_no_cut_shows_where_torch_gathers(name: str) -> None:
    source = sources()[name]
    whole = counted(source, Execution(backend="torch", device="cpu", workers=1))
    for size, workers in ((17, 1), (300, 3)):
        execution = Execution(backend="torch", device="cpu", batch_size=size, workers=workers)
        assert counted(source, execution) == whole


def asked_of_torch(monkeypatch: pytest.MonkeyPatch, source: MemorySource, execution: Execution) -> list[int]:
    """How often the host waits for torch in each batch but the first."""
    return waits_in_batches(monkeypatch, source, partial(evaluate, source, Choices(ignore_index=-1), execution))


def unwaited() -> dict[str, MemorySource]:
    found = {name: one for name, one in sources().items() if name != "weighed"}
    scores, target = sources()["logits"].arrays[:2]
    wide = np.random.default_rng(3).normal(size=(400, 1100)).astype(np.float32)
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return found | {
        "left out": MemorySource(scores, np.where(np.arange(4000) % 5 == 1, -1, target)),
        "probs": MemorySource(probs, target),
        "two columns": MemorySource(scores[:, :2], target % 2),
        "sparse": MemorySource(wide, np.arange(400)),
    }


@pytest.mark.parametrize("name", unwaited())
def test_batches_do_not_wait_for_a_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = unwaited()[name]
    execution = Execution(backend="torch", device="cpu", batch_size=len(source.arrays[1]) // 8, workers=1)
    waits = asked_of_torch(monkeypatch, source, execution)
    assert len(waits) >= 7
    assert set(waits) == {0}


def odd_sources() -> dict[str, tuple[MemorySource, Choices]]:
    """Rows that a device cannot count unseen, in a batch that is not the first."""
    scores, target = (side.copy() for side in sources()["logits"].arrays[:2])
    probs = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    scores[3000, 2], scores[3500], scores[3600, 1] = np.nan, -np.inf, np.inf
    sums, beyond, later = probs.copy(), probs.copy(), probs.copy()
    sums[3000], beyond[3000, 0], later[3000:] = 0.3, 1.5, scores[:1000]  # the last are logits
    return {
        "wrong": (MemorySource(scores, target), Choices(nan="wrong")),
        "drop": (MemorySource(scores, target), Choices(nan="drop")),
        "error": (MemorySource(scores, target), Choices()),
        "sums": (MemorySource(sums, target), Choices()),
        "forced": (MemorySource(sums, target), Choices(scores="logits")),
        "beyond": (MemorySource(beyond, target), Choices(scores="probs")),
        "later": (MemorySource(later, target), Choices()),
    }


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", odd_sources())
def test_rows_that_a_device_cannot_count_unseen_are_read_again(name: str, workers: int) -> None:
    source, choices = odd_sources()[name]

    def found(execution: Execution) -> Any:
        try:
            return replace(evaluate(source, choices, execution), run=None)
        except EvalError as e:
            return str(e)

    there = found(Execution(backend="torch", device="cpu", batch_size=500, workers=workers))
    here = found(Execution())
    assert isinstance(there, str) == (name in {"error", "sums", "beyond"})
    assert there == here if isinstance(here, str) else True
    if not isinstance(there, str):
        assert_alike(there, here)


def test_pairs_of_classes_are_ranked_where_scores_are_gathered() -> None:
    source, names = sources()["logits"], ("auroc_ovo", "accuracy")
    found = [
        evaluate(source, Choices(), execution, names).metrics
        for execution in (Execution(backend="torch", device="cpu", batch_size=700), Execution())
    ]
    assert_alike(*found, 1e-12)


def test_what_ran_is_told_of_what_a_device_leaves_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalcli.ondevice import pairs  # which imports torch

    def ran(name: str, **more: Any) -> tuple[str, str]:
        held = sources()[name]
        source = MemorySource(held.arrays[0], held.arrays[1], weight=held.arrays[2], **more)
        choices = Choices(ignore_index=-1, confidence=None)
        run = evaluate(source, choices, Execution(backend="torch", device="cpu")).run
        assert run is not None
        return run.backend, run.why

    sliced = {"slices": {"by": np.where(np.arange(4000) % 2, "a", "b")}}
    assert ran("logits") == ("torch", "asked for")
    assert ran("labels") == ("torch", "asked for")
    assert ran("weighted") == ran("weighted", **sliced) == ("torch", "asked for")
    assert ran("logits", cluster=np.arange(4000) // 4) == ("torch", "asked for")
    both = ran("logits", cluster=np.arange(4000) // 4, **sliced)
    assert both == ("torch", "asked for; slices and clusters are counted on the host")
    assert ran("several") == ("torch", "asked for; scores of several labels a row are ranked on the host")
    assert ran("several", **sliced) == ("numpy", "slices are counted on the host")
    assert ran("weighed") == ("numpy", "weights are counted on the host")
    monkeypatch.setattr(pairs, "MOST_CELLS", 1000)  # as of many classes
    assert ran("weighted") == ("torch", "asked for; weights are counted on the host")


@pytest.mark.gpu
@pytest.mark.parametrize("name", sources())
def test_a_gpu_counts_as_the_cpu_does(name: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    source = sources()[name]
    there = counted(source, Execution(device="cuda", batch_size=1000))
    assert_alike(there, counted(source, Execution()), 1e-9)
    assert counted(source, Execution(device="cuda", batch_size=300, workers=3)) == there


def test_half_of_a_batch_is_tried_where_a_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    look, asked = Glances.look, []

    def full(glances: Glances, scores: np.ndarray, **more: Any) -> Any:
        asked.append(len(scores))
        if len(scores) > 500:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(glances, scores, **more)

    monkeypatch.setattr(Glances, "look", full)
    source = sources()["logits"]
    execution = Execution(backend="torch", device="cpu", batch_size=1000, workers=1)
    assert_alike(counted(source, execution), counted(source, Execution()))
    assert asked[:3] == [1000, 500, 500]  # and on, pass by pass
    with pytest.raises(
        LimitError, match=r"no memory left for 1000 rows of 5 scores; try --batch-size 250, or --device"
    ):
        counted(source, replace(execution, batch_size=2000))


def test_what_was_seen_of_a_batch_is_not_seen_again_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    probs = scores.softmax(1)
    probs[::10] = torch.nan
    values = []
    for most in (4000, 500):

        def full(tensor: Any, *args: Any, most: int = most, clamp: Any = torch.Tensor.clamp, **more: Any) -> Any:
            if tensor.ndim == 2 and len(tensor) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return clamp(tensor, *args, **more)

        one = evalcli.metrics.TopKAccuracy(k=2, nan="drop", scores="probs")
        with monkeypatch.context() as patched:
            patched.setattr(torch.Tensor, "clamp", full)
            one.update(probs[:1000], target[:1000])
        values.append(float(one.compute()))
        assert one.stream._core.shown.dropped == 100
    assert values[0] == values[1]


def test_what_a_gpu_complains_of_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(Glances, "look", failing)
    with pytest.raises(LimitError, match=r"^cpu failed: CUDA error: device-side assert triggered; try --device cpu"):
        counted(sources()["logits"], Execution(backend="torch", device="cpu"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["labels", "logits", "binary", "pixels"])
def test_tensors_of_a_gpu_are_evaluated_as_arrays_are(name: str) -> None:
    torch = cuda()
    source = sources()[name]
    there = evalcli.evaluate(*on(torch, source), confidence=None).data
    here = evalcli.evaluate(source.arrays[0], source.arrays[1], confidence=None).data
    assert_alike(there.metrics, here.metrics, 1e-9)
    assert name != "logits" or there.run.device == "cuda:0"
    cupy = pytest.importorskip("cupy")
    arrays = (cupy.asarray(side) for side in (source.arrays[0], source.arrays[1]))
    assert evalcli.evaluate(*arrays, confidence=None).data.metrics == here.metrics


@pytest.mark.gpu
@pytest.mark.parametrize("name", unwaited())
def test_more_batches_wait_for_a_gpu_no_more_often(name: str) -> None:
    torch = cuda()
    source, counts = unwaited()[name], []
    for batches in (4, 16):
        execution = Execution(device="cuda", batch_size=len(source.arrays[1]) // batches, workers=1)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                evaluate(source, Choices(ignore_index=-1), execution)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        counts.append(len(told))
    assert counts[0] == counts[1]


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
        assert there.code == 0, there.stdout + there.stderr
        assert_alike(json.loads(there.stdout), json.loads(here.stdout), 1e-9)
    assert run("report", *files, "--device", "cuda:99").code == 2
