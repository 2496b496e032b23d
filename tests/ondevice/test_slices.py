"""Slices that a device counts are those of the host; the CPU stands in for a GPU."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from alike import assert_alike
from memory_source import MemorySource
from torch_waits import waits_in_batches

from evalcli.classification import slices as sliced
from evalcli.classification.glances import Glances
from evalcli.engine import Execution
from evalcli.evaluation import Measured, evaluate
from evalcli.ondevice import keys
from evalcli.ondevice import sliced as sliced_there
from evalcli.task import Choices

COUNTS = ("accuracy", "f1_macro", "recall[1]", "mcc")
SCORED = ("accuracy", "ece", "log_loss", "brier", "mean_rank", "ece_classwise", "mce")
TWO = ("accuracy", "ece", "ece_positive", "log_loss", "brier", "brier_reliability")
ROWS = 3000


def source(kind: str, seed: int = 0, slices: int = 6, *, weighted: bool = False) -> MemorySource:
    """Random rows, in slices of two columns: some rows are in none, and one value has few."""
    rng = np.random.default_rng(seed)
    classes = 2 if kind == "two" else 5
    target = rng.integers(0, classes, ROWS)
    scores = (rng.normal(size=(ROWS, classes)) + np.eye(classes)[target]).astype(np.float32)
    scores[::7, 1] = scores[::7, 0]
    if kind == "probs":
        scores = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
        scores[5] = np.eye(classes)[1]
    if kind == "pixels":
        scores, target = scores.reshape(300, 10, classes), target.reshape(300, 10)
    rows = len(target)
    values = np.array([f"s{number:03}" for number in range(slices)] + [""])
    by = {
        "region": values[np.minimum(rng.geometric(0.3, rows) - 1, slices)],
        "age": np.where(rng.random(rows) < 0.5, "old", "young"),
    }
    target[rng.random(target.shape) < 0.1] = -1  # ignored
    weight = np.where(rng.random(rows) < 0.1, 0.0, rng.random(rows)) if weighted else None
    return MemorySource(scores, target, slices=by, weight=weight)


def found(one: MemorySource, execution: Execution, names: tuple[str, ...] | None, **more: Any) -> tuple[Any, str]:
    """The report but for how it ran, and that."""
    report = evaluate(one, Choices(ignore_index=-1, **more), execution, names)
    assert report.run is not None
    return replace(report, run=None), report.run.why


def states(one: MemorySource, execution: Execution, names: tuple[str, ...]) -> dict[str, bytes]:
    """The counts and sums of all rows and of every slice."""
    kept: list[Measured] = []
    evaluate(one, Choices(ignore_index=-1), execution, names, kept=kept.append)
    held = kept[0].outcome.gathered.state_dict()
    return {name: array.tobytes() for name, array in held.items() if not name.startswith("evidence")}


@pytest.mark.parametrize("kind", ["logits", "probs", "two", "pixels"])
@pytest.mark.parametrize("names", [COUNTS, SCORED], ids=["counts", "scores"])
@pytest.mark.parametrize(("size", "workers"), [(ROWS, 1), (450, 3)])
def test_slices_are_those_of_the_host(kind: str, names: Any, size: int, workers: int) -> None:
    one, names = source(kind, size), TWO if (kind, names) == ("two", SCORED) else names
    execution = Execution(backend="torch", device="cpu", batch_size=size, workers=workers)
    there, why = found(one, execution, names)
    here, _ = found(one, Execution(), names)
    assert why == "asked for"
    assert {row.by for row in there.slices} == {"region", "age"}
    assert_alike(there, here)
    if names == COUNTS:
        assert there == here
        assert states(one, execution, names) == states(one, Execution(), names)


@pytest.mark.parametrize("kind", ["logits", "probs", "two", "pixels"])
def test_all_that_weighted_slices_have_is_that_of_the_host(kind: str) -> None:
    one = source(kind, weighted=True)
    there, why = found(one, Execution(backend="torch", device="cpu", batch_size=450, workers=3), None)
    assert why == "asked for"
    assert_alike(there, found(one, Execution(), None)[0])


@pytest.mark.parametrize("kind", ["logits", "probs", "two"])
def test_a_slice_is_what_its_rows_alone_are_on_the_device(kind: str) -> None:
    one, names = source(kind), TWO if kind == "two" else SCORED
    execution = Execution(backend="torch", device="cpu", batch_size=333, workers=1)
    together = states(one, execution, names)
    for code in range(len(one.slicers[0].values)):
        rows = one.codes[:, 0] == code
        alone = states(MemorySource(one.arrays[0][rows], one.arrays[1][rows]), execution, names)
        for name, array in alone.items():
            assert together[f"slices.0.{code}.{name}"] == array, name


def test_no_batch_of_slices_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    one, execution = source("logits"), Execution("torch", "cpu", batch_size=300, workers=1)
    for names in (COUNTS, SCORED, ("auroc_macro", "aurc")):
        assert {*waits_in_batches(monkeypatch, one, partial(found, one, execution, names))} == {0}


def test_rows_that_a_device_cannot_count_unseen_are_counted_with_care() -> None:
    one = source("logits")
    scores = one.arrays[0].copy()
    scores[::100, 2] = np.nan
    by = {slicer.name: np.array([*slicer.values, ""])[one.codes[:, n]] for n, slicer in enumerate(one.slicers)}
    again = MemorySource(scores, one.arrays[1], slices=by)
    for nan in ("drop", "wrong"):
        there, why = found(again, Execution(backend="torch", device="cpu", batch_size=500), SCORED, nan=nan)
        here, _ = found(again, Execution(), SCORED, nan=nan)
        assert why == "asked for; slices are counted on the host"  # which is what the second pass does
        assert_alike(there, here)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("names", [("accuracy", "auroc_macro"), ("accuracy", "auroc_ovo", "aurc")])
def test_slices_rank_as_on_the_host(names: Any, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores that rank are the very numbers, and so the states are the same bits, whenever they are sorted."""
    one = source("probs", weighted=weighted)
    monkeypatch.setattr(keys, "MOST_BYTES", 30_000)
    for workers in (1, 3):
        execution = Execution(backend="torch", device="cpu", batch_size=500, workers=workers)
        assert states(one, execution, names) == states(one, Execution(), names)


@pytest.mark.parametrize(("module", "name"), [(sliced, "TABLE_CELLS"), (sliced_there, "MOST_CELLS")])
def test_many_slices_are_left_to_the_host(module: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, 64)
    one = source("logits")
    there, why = found(one, Execution(backend="torch", device="cpu", batch_size=500), SCORED)
    assert why == "asked for; slices are counted on the host"
    assert_alike(there, found(one, Execution(), SCORED)[0])


def test_half_of_a_batch_keeps_its_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    look = Glances.look

    def full(glances: Glances, scores: np.ndarray, **more: Any) -> Any:
        if len(scores) > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(glances, scores, **more)

    monkeypatch.setattr(Glances, "look", full)
    one = source("logits")
    there, _ = found(one, Execution(backend="torch", device="cpu", batch_size=500, workers=1), SCORED)
    assert_alike(there, found(one, Execution(), SCORED)[0])
