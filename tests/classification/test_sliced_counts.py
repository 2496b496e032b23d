"""What is said of all slices at once is what is said of each, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.classification import sliced_counts
from evalcli.classification.numbers import Setting
from evalcli.classification.sliced_counts import SlicedCounts
from evalcli.errors import UsageError
from evalcli.metrics.counts import Counts
from evalcli.metrics.registry import default_names, evaluate, parse
from evalcli.task import Task

NAMES = ("a", "b", "c")


def drawn(seed, *, weighted):
    """Counts of slices of 0 to many rows, some without a class, some without predictions."""
    rng = np.random.default_rng(seed)
    found = []
    for rows in (0, 1, 2, 7, 100, 10_007, 1_000_003):
        table = rng.multinomial(rows, rng.dirichlet(np.full(12, 0.3))).reshape(3, 4)
        table = table * rng.random(table.shape) if weighted else table
        said = table[:, :3]
        of_all = said.diagonal(), table.sum(axis=1), said.sum(axis=0), table.sum()
        found.append(Counts(*of_all, said.sum(axis=1), said.sum()))
    return found


def setting(scope):
    return Setting(Task("multiclass", "labels", "labels", NAMES), NAMES, np.arange(3), scope)


@pytest.mark.parametrize("together", [1, 6, 1 << 16], ids=["one by one", "in twos", "all"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("scope", ["seen", "declared"])
def test_every_metric_of_every_slice_is_its_own(monkeypatch, together, weighted, scope):
    monkeypatch.setattr(sliced_counts, "_TOGETHER", together)
    names = [name for name in map(parse, default_names("multiclass", 3, None)) if not name.entry.needs_scores]
    names += [parse(f"{base}[b]") for base in ("precision", "recall", "f1", "specificity", "npv", "jaccard")]
    for seed in range(5):
        every = drawn(seed, weighted=weighted)
        found = SlicedCounts(setting(scope), every)
        for name in names:
            alone = [float(evaluate(name, one, scope=scope, classes=NAMES)) for one in every]
            np.testing.assert_array_equal([found.value(name, place) for place in range(len(every))], alone, str(name))
    assert len(names) > 25


def test_a_class_that_is_not_there_is_told_as_it_is_of_one():
    with pytest.raises(UsageError, match="there is no class 'd'"):
        SlicedCounts(setting("seen"), drawn(0, weighted=False)).value(parse("recall[d]"), 0)
