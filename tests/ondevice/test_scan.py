"""A search for weak slices leaves there what a device counts, and its rows wait; the CPU stands in for a GPU."""

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
from evalcli.ondevice import waiting
from evalcli.sources.base import Scan, Scanned
from evalcli.task import Choices

ROWS = 3000
NAMES = ("accuracy", "auroc_macro")


def source(*, slices: bool = False, clustered: bool = False, weighted: bool = False, metric: Any = None) -> Any:
    """Rows with three columns that are searched, behind those that have slices."""
    rng = np.random.default_rng(1)
    target, texts = rng.integers(0, 3, ROWS), {name: rng.choice(["u", "v", "w", ""], ROWS) for name in "abcd"}
    scores = (rng.normal(size=(ROWS, 3)) + np.eye(3)[target] * (1 + (texts["a"] == "u"))[:, None]).astype(np.float32)
    cluster, weight = rng.integers(0, 300, ROWS) if clustered else None, rng.random(ROWS) if weighted else None
    one = MemorySource(
        scores, np.where(rng.random(ROWS) < 0.1, -1, target), slices=texts, cluster=cluster, weight=weight
    )
    many = 1 if slices else 0
    columns, one.slicers = one.slicers[1:], one.slicers[:many]
    one.codes = one.codes[:, 1 - many :]
    one.scanned = Scanned(Scan(tuple(column.name for column in columns), metric=metric), columns)
    return one


def found(one: MemorySource, execution: Execution, names: Any = NAMES) -> tuple[Any, Any, str]:
    kept: list[Measured] = []
    report = evaluate(one, Choices(ignore_index=-1), execution, names, kept=kept.append)
    state = kept[0].outcome.gathered.scan.state_dict()
    return replace(report, run=None), {name: array.tolist() for name, array in state.items()}, report.run.why


@pytest.mark.parametrize(
    "kind", [{}, {"slices": True, "weighted": True}, {"metric": "recall[1]"}, {"clustered": True}], ids=str
)
def test_a_search_is_that_of_the_host(kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_MOST", 700)
    one = source(**kind)
    there, searched, why = found(one, Execution(backend="torch", device="cpu", batch_size=300, workers=2))
    here, expected, _ = found(one, Execution())
    assert there.scan is not None
    assert (there.scan, searched) == (here.scan, expected)
    assert_alike(there, here)
    words = "clusters and values of a search" if "clustered" in kind else "values of a search"
    assert why == f"asked for; {words} are counted on the host"


def test_no_batch_that_is_searched_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    one, execution = source(slices=True, weighted=True), Execution("torch", "cpu", batch_size=300, workers=1)
    assert {*waits_in_batches(monkeypatch, one, partial(found, one, execution))} == {0}
