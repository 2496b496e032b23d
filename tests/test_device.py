"""The torch backend: on the CPU everywhere, on a GPU where there is one. Counts are the same bits on all of them."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from alike import assert_alike
from memory_source import MemorySource
from torch_waits import waits_for_torch, waits_in_batches

import evalcli
from evalcli.classification import glances
from evalcli.classification.glances import Glances
from evalcli.engine import Execution
from evalcli.errors import EvalError, LimitError
from evalcli.evaluation import evaluate
from evalcli.sources import held_arrays
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
    assert_alike(there.metrics, here.metrics, 1e-9)
    assert name != "logits" or there.run.device == "cuda:0"
    cupy = pytest.importorskip("cupy")
    arrays = (cupy.asarray(side) for side in (source.arrays[0], source.arrays[1]))
    assert evalcli.evaluate(*arrays, confidence=None).data.metrics == here.metrics


def made(metric: str, **options: Any) -> Any:
    """A metric object; ranks of one class against the others are averaged."""
    options |= {"average": "macro"} if metric in {"AUROC", "AveragePrecision", "KS"} else {}
    options |= {"k": 3} if metric == "TopKAccuracy" else {}
    return getattr(evalcli.metrics, metric)(**options)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "metric",
    [
        "Accuracy",
        "Kappa",
        "LogLoss",
        "ECE",
        "BalancedAccuracy",
        "MeanRank",
        "AUROC",
        "AveragePrecision",
        "KS",
        "AURC",
        "ECEClasswise",
    ],
)
@pytest.mark.parametrize("moved", [True, False])
def test_metric_objects_on_a_gpu(metric: str, *, moved: bool) -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    there, here = made(metric), made(metric)
    if moved:
        there.to("cuda")
    for start in range(0, 4000, 1000):
        rows = slice(start, start + 1000)
        there.update(preds[rows], target[rows])
        here.update(preds[rows].cpu(), target[rows].cpu())
    value = there.compute()
    assert value.device.type == "cuda"
    assert float(value) == pytest.approx(float(here.compute()), rel=1e-9)
    half = made(metric).to("cuda")
    half.update(preds[:2000].bfloat16(), target[:2000])
    alone, other, both = (made(metric) for _ in range(3))
    alone.update(preds[:2000].bfloat16().cpu(), target[:2000].cpu())
    assert float(half.compute()) == pytest.approx(float(alone.compute()), rel=1e-9)
    other.update(preds[2000:].bfloat16().cpu(), target[2000:].cpu())  # other rows: equal ones may be ties only there
    both.update(preds.bfloat16().cpu(), target.cpu())
    assert float(half.merge(other).compute()) == pytest.approx(float(both.compute()), rel=1e-9)


GATHERED = ["LogLoss", "ECE", "MeanRank", "AUROC", "AveragePrecision", "KS", "AURC", "ECEClasswise", "AUROCOVO"]


@pytest.mark.gpu
@pytest.mark.parametrize("metric", ["Accuracy", "TopKAccuracy", "Brier", *GATHERED])
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 4}, {"nan": "drop"}, {"nan": "wrong"}, {"weight": 1}], ids=str
)
def test_updates_on_a_gpu_do_not_wait_for_it(metric: str, kind: str, options: dict[str, Any]) -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    preds = preds.softmax(1) if kind == "probs" else preds
    known = {name: value for name, value in options.items() if name != "weight"}
    one, twice = made(metric, **known).to("cuda"), made(metric, **known).to("cuda")
    more = (torch.rand(4000, device="cuda"),) if "weight" in options else ()
    one.update(preds, target, *more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
        try:
            one.update(preds, target, *more)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    twice.update(*(torch.cat([part, part]) for part in (preds, target, *more)))
    assert float(one.compute()) == float(twice.compute())


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


@pytest.mark.parametrize("metric", GATHERED)
def test_metric_objects_gather_where_scores_lie(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for a GPU."""
    torch = pytest.importorskip("torch")
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores = scores.bfloat16()
    here, there, other, whole = (made(metric) for _ in range(4))
    here.update(scores, target)
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    for start in range(0, 2000, 500):
        there.update(scores[start : start + 500], target[start : start + 500])
    there.compute()
    copied = copy.deepcopy(there)
    other.update(scores[2000:], target[2000:])
    whole.update(scores, target)
    value = float(there.merge(other).compute())
    assert value == float(whole.compute()) == pytest.approx(float(here.compute()), rel=1e-13)
    monkeypatch.undo()
    copied.update(scores[2000:], target[2000:])  # from the host
    assert float(copied.compute()) == value
    again = made(metric)
    again.load_state_dict(whole.state_dict())
    assert float(again.compute()) == value


@pytest.mark.parametrize("metric", GATHERED)
def test_batches_of_inference_mode_merge_outside_of_it(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    one, other, whole = (made(metric) for _ in range(3))
    with torch.inference_mode():
        one.update(scores[:2000], target[:2000])
        other.update(scores[2000:3000], target[2000:3000])
    one.merge(other)(scores[3000:], target[3000:])
    whole.update(scores, target)
    assert float(one.compute()) == float(whole.compute())


def test_metric_objects_of_two_devices_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores[::9] = torch.nan
    one, other = (evalcli.metrics.TopKAccuracy(k=2, nan="wrong") for _ in range(2))
    one.update(scores[:2000], target[:2000])
    other.update(scores[2000:], target[2000:])
    mine, theirs = (metric.stream._core.gathered.scores for metric in (one, other))
    theirs._there.device = torch.device("cuda", 1)
    before = int(mine._unscored_there)
    one.merge(other)
    assert int(mine._unscored_there) == before  # no sum of numbers of two devices
    mine.settle()
    assert mine.unscored == int(torch.isnan(scores[:, 0]).sum())


def test_targets_come_to_where_scores_are_looked_at() -> None:
    torch = pytest.importorskip("torch")
    elsewhere = Glances("meta", 1e-3, nan="error")
    for ignored in (None, 1):
        inside, kept = elsewhere.look_at_target(torch.tensor([0, 1]), 1, ignored)
        assert {side.device.type for side in (inside, kept) if side is not None} == {"meta"}


@pytest.mark.parametrize("metric", ["AUROC", "AveragePrecision", "KS"])
def test_more_classes_wait_no_more_often(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    counts = []
    for classes in (5, 40):
        scores = torch.randn(400, classes, generator=torch.Generator().manual_seed(classes))
        one = made(metric)
        one.update(scores, torch.arange(400) % classes)
        with waits_for_torch(monkeypatch) as waits:
            one.compute()
        counts.append(waits[0])
    assert counts[0] == counts[1]


@pytest.mark.parametrize("metric", ["Accuracy", "TopKAccuracy", "Brier", *GATHERED])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_no_batch_of_a_metric_object_waits(metric: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores = scores.softmax(1) if kind == "probs" else scores
    there, whole = made(metric), made(metric)
    there.update(scores[:500], target[:500])
    with waits_for_torch(monkeypatch) as waits:
        for start in range(500, 4000, 500):
            there.update(scores[start : start + 500], target[start : start + 500])
    assert waits[0] == (0 if metric != "Accuracy" else waits[0])  # labels on the CPU are numpy's
    whole.update(scores, target)
    assert float(there.compute()) == float(whole.compute())


def odd_batches() -> dict[str, tuple[dict[str, Any], dict[str, Any], str]]:
    """What a batch after the first holds, in scores and in targets, and what is said of it in the end."""
    nowhere = "4 predictions are not finite .NaN, or -inf in every column.; nan='drop'"
    return {
        "nan": ({"preds": ((slice(7, 11), 2), np.nan)}, {}, nowhere),
        "no best": ({"preds": (slice(7, 11), -np.inf)}, {}, nowhere),
        "sums": ({"preds": (slice(7, 9), 0.1)}, {}, r"2 rows do not sum to 1 \(worst: row 507, off by 0.5\)"),
        "logits": ({"preds": (3, -2.0)}, {}, "looked like probs of a multiclass task, and now like logits"),
        "endless": ({"preds": ((3, 1), np.inf)}, {}, "now like logits"),
        "said": ({"preds": ((3, 1), 1.5)}, {"scores": "probs"}, "not probabilities: values from"),
        "beyond": ({"target": (slice(7, 9), 5)}, {}, r"2 targets are outside the classes 0 to 4 \(5\)"),
        "below": ({"target": (7, -1)}, {}, r"1 target is outside the classes 0 to 4 \(-1\); if -1 marks rows"),
    }


@pytest.mark.parametrize("metric", ["ECE", "AUROC"])
@pytest.mark.parametrize("name", odd_batches())
def test_what_is_wrong_with_a_batch_is_told_in_the_end(metric: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    monkeypatch.setattr(glances, "_MANY", 3)
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    odd = {"preds": scores.softmax(1), "target": target}
    changes, options, says = odd_batches()[name]
    for side, (place, value) in changes.items():
        odd[side][500:1000][place] = value
    one = made(metric, **options)
    for start in range(0, 4000, 500):
        one.update(odd["preds"][start : start + 500], odd["target"][start : start + 500])
    for _ in range(2):  # it stays wrong
        with pytest.raises(EvalError, match=says):
            one.compute()
    other, saved = copy.deepcopy(one), made(metric, **options)
    saved.load_state_dict(one.state_dict())
    for again in (other, saved):
        with pytest.raises(EvalError, match=says):
            again.compute()
    one.reset()
    one.update(odd["preds"][1000:], odd["target"][1000:])
    assert float(one.compute()) > 0


@pytest.mark.parametrize("options", [{"nan": "drop"}, {"nan": "wrong"}, {"ignore_index": 4}, {"labels": list("abcde")}])
def test_rows_that_are_left_out_are_found_on_a_device(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    if "nan" in options:
        scores[700:705] = torch.nan
    values = []
    for kinds in ({"cpu"}, {"cuda"}):
        monkeypatch.setattr(held_arrays, "GATHERING", kinds)
        one = evalcli.metrics.TopKAccuracy(k=2, **options)
        for start in range(0, 4000, 500):
            one.update(scores[start : start + 500], target[start : start + 500])
        values.append(float(one.compute()))
    assert values[0] == values[1] or np.isnan(values).all()
