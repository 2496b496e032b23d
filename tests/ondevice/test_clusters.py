"""Clusters that a device counts are those of the host; the CPU stands in for a GPU."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from alike import assert_alike
from memory_source import MemorySource
from torch_waits import waits_in_batches

from evalcli.engine import Execution
from evalcli.evaluation import Measured, evaluate
from evalcli.ondevice import clusters
from evalcli.task import Choices

ROWS = 3000
NAMES = ("accuracy", "mcc", "log_loss", "ece", "auroc_macro", "aurc")


def source(many: int, *, weighted: bool = False, probs: bool = True) -> MemorySource:
    """Random rows in so many clusters, of which the first rows know few."""
    rng = np.random.default_rng(many)
    target = rng.integers(0, 4, ROWS)
    scores = (rng.normal(size=(ROWS, 4)) + np.eye(4)[target]).astype(np.float32)
    if probs:
        scores = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    cluster = rng.integers(0, np.linspace(2, many, ROWS).astype(np.int64)) * 10**15 - 7
    target[rng.random(ROWS) < 0.1] = -1  # ignored
    weight = np.where(rng.random(ROWS) < 0.2, 0.0, rng.integers(1, 4, ROWS) / 10)
    weight[cluster == cluster[-1]] = 0  # one weighs nothing
    return MemorySource(scores, target, cluster=cluster, weight=weight if weighted else None)


def found(one: MemorySource, execution: Execution, names: Any = NAMES) -> tuple[Any, str]:
    report = evaluate(one, Choices(ignore_index=-1), execution, names)
    assert report.run is not None
    return replace(report, run=None), report.run.why


def states(one: MemorySource, execution: Execution, names: Any) -> dict[str, list[Any]]:
    kept: list[Measured] = []
    evaluate(one, Choices(ignore_index=-1), execution, names, kept=kept.append)
    held = kept[0].outcome.gathered.state_dict()
    return {name: array.tolist() for name, array in held.items() if not name.startswith("evidence")}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("many", [30, 400])
@pytest.mark.parametrize(("names", "workers"), [(("accuracy",), 1), (("accuracy", "auroc_macro", "aurc"), 3)])
def test_clusters_are_the_very_ones_of_the_host(
    weighted: bool, many: int, names: Any, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone, and so many that they share groups from some batch on."""
    monkeypatch.setattr(clusters, "_MOST", 700)
    one = source(many, weighted=weighted)
    execution = Execution(backend="torch", device="cpu", batch_size=300, workers=workers)
    assert states(one, execution, names) == states(one, Execution(), names)


@pytest.mark.parametrize("many", [30, 400])
def test_intervals_of_clusters_are_those_of_the_host(many: int) -> None:
    one = source(many, probs=False)
    there, why = found(one, Execution(backend="torch", device="cpu", batch_size=450), None)
    assert why == "asked for"
    assert_alike(there, found(one, Execution(), None)[0])


def test_no_batch_of_clusters_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the one in which clusters begin to share groups."""
    execution = Execution(backend="torch", device="cpu", batch_size=300, workers=1)
    for many, waited in ((30, 0), (400, 1)):
        one = source(many, weighted=True)
        waits = waits_in_batches(monkeypatch, one, partial(found, one, execution))
        assert np.count_nonzero(waits) == waited
