"""How sure metrics of counts of a slice are does not depend on which slices are looked at with it, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.classification import cells
from evalcli.classification.cells import SlicedCells
from evalcli.classification.numbers import Setting
from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.registry import default_names, parse
from evalcli.task import Task
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.intervals import Confidence


def drawn(classes):
    """Slices of many rows and of few, without an error, of fewer classes, and with rows that have no prediction."""
    rng, found = np.random.default_rng(classes), []
    for rows, right in (
        (1_000_003, 0.9),
        (40 * classes, 0.5),
        (90 * classes, 0.7),
        (9 * classes, 1.0),
        (3, 0.5),
        (1, 0),
    ):
        state, target = ConfusionCounts(classes), rng.integers(classes, size=rows)
        said = np.where(rng.random(rows) < right, target, rng.integers(classes, size=rows))
        state.update(said, target)
        found.append(state)
    for preds, most in ((rng.integers(-1, classes, size=200), classes), (rng.integers(2, size=500), 2)):
        state = ConfusionCounts(classes)
        state.update(preds, rng.integers(most, size=len(preds)))
        found.append(state)
    return found


@pytest.mark.parametrize("together", [1, 1 << 16], ids=["one by one", "all"])
@pytest.mark.parametrize("scope", ["seen", "declared"])
@pytest.mark.parametrize("classes", [2, 3, 10, 40])
def test_every_interval_of_every_slice_is_its_own(monkeypatch, together, scope, classes):
    monkeypatch.setattr(cells, "_TOGETHER", together)
    every, task = drawn(classes), "binary" if classes == 2 else "multiclass"
    names = tuple(map(str, range(classes)))
    kind = Task(task, "labels", "labels", names)
    setting = Setting(kind, names, np.arange(classes), scope, confidence=Confidence())
    sliced, beside = SlicedCells(setting, every), 0
    asked = [name for name in map(parse, default_names(task, classes)) if not name.entry.needs_scores]
    asked += map(parse, ("fbeta0.5_macro", "fbeta2_weighted", "f1[1]", "fbeta2[1]", "npv[0]"))
    told = {"classes": names, "positive": 1, "declared": classes if scope == "declared" else None, "method": "delta"}
    for place in range(len(every)):
        one = sliced.at(place)
        alone, together = CountIntervals(one.cells, **told), CountIntervals(one.cells, **told, beside=one)
        assert [together.of(name) for name in asked] == [alone.of(name) for name in asked]
        beside += one.moved(parse("f1_macro")) is not None
    assert beside == 5
    assert [sliced.micro(parse("f1_micro"), place) is None for place in range(8)] == [place == 6 for place in range(8)]
