"""The errors of a regression beside numpy, whatever the batch size and the number of workers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import sought_rows
from memory_source import MemorySource

from evalcli import mistakes
from evalcli.errors import InputError, UsageError
from evalcli.listing import Search

listing_of, rows_of = (partial(each, "regression") for each in (sought_rows.listing_of, sought_rows.rows_of))


def drawn(seed, shape):
    """Values with ties, exact ones and targets of 0."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=shape).round(1) * 10
    return target + rng.normal(size=shape).round(1) * (rng.random(shape) < 0.8), target


def expected(preds, target, *, relative=False, outputs=None, kept=None):
    """Every error by hand, in order."""
    rows = []
    for i in range(len(target)):
        for d in range(target.shape[1] if target.ndim == 2 else 1):
            said, true = (float(side[i, d] if side.ndim == 2 else side[i]) for side in (preds, target))
            if said == true or (outputs is not None and d not in outputs) or (kept is not None and not kept[i]):
                continue
            share = abs(said - true) / abs(true) if true else None
            row = {"row": i, "output": str(d), "target": true, "pred": said, "error": said - true,
                   "absolute_error": abs(said - true), "relative_error": share}  # fmt: skip
            if target.ndim == 1:
                del row["output"]
            rows.append(row)
    if relative:
        return sorted(rows, key=lambda row: (row["relative_error"] is None, -(row["relative_error"] or 0),
                                             -row["absolute_error"]))  # fmt: skip
    return sorted(rows, key=lambda row: -row["absolute_error"])


@pytest.mark.parametrize("shape", [(200,), (120, 3), (60, 1)])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_largest_errors_come_first_and_ties_by_row(shape, relative, seed):
    preds, target = drawn(seed, shape)
    flat = (side[:, 0] if shape[1:] == (1,) else side for side in (preds, target))
    wanted = expected(*flat, relative=relative)
    for limit in (1, 7, len(wanted), None):
        assert rows_of(MemorySource(preds, target), Search(relative=relative), limit) == wanted[:limit]
    found = listing_of(MemorySource(preds, target))
    assert (found.matching, found.wrong, found.summary.elements) == (len(wanted), len(wanted), target.size)


def test_a_long_list_takes_passes_and_is_the_same(monkeypatch):
    preds, target = drawn(4, (25, 2))  # a pass for each row where one is held
    for relative in (False, True):
        wanted = expected(preds, target, relative=relative)
        for held in (1, 13, len(wanted)):
            monkeypatch.setattr(mistakes, "HELD", held)
            assert rows_of(MemorySource(preds, target), Search(relative=relative)) == wanted


def test_some_of_several_outputs():
    preds, target = drawn(5, (80, 4))
    found = rows_of(MemorySource(preds, target), Search(classes=("3", "1", "3")))
    assert found == expected(preds, target, outputs={1, 3})
    named = MemorySource(preds, target, columns=("a", "b", "c", "d"))
    assert {row["output"] for row in rows_of(named, Search(classes=("b",)))} == {"b"}
    with pytest.raises(UsageError, match="--class: there is no output 'e'"):
        listing_of(named, Search(classes=("e",)))
    with pytest.raises(UsageError, match="--class chooses among several outputs, and here is one"):
        listing_of(MemorySource(preds[:, 0], target[:, 0]), Search(classes=("0",)))


def test_rows_that_do_not_count_have_no_errors_and_keep_their_numbers():
    preds, target = drawn(6, (50,))
    preds[7], target[9], target[20] = np.nan, np.nan, -99
    kept = np.ones(50, bool)
    kept[[7, 9, 20]] = False
    found = rows_of(MemorySource(preds, target), nan="drop", ignore_index=-99)
    assert found == expected(preds, target, kept=kept)
    with pytest.raises(InputError, match="row 9"):
        listing_of(MemorySource(preds, target), ignore_index=-99)


def test_weights_stand_beside_their_rows():
    preds, target = drawn(7, (40,))
    weight = np.random.default_rng(7).random(40)
    found = rows_of(MemorySource(preds, target, weight=weight))
    assert [row.pop("weight") for row in found] == [weight[row["row"]] for row in found]
    assert found == expected(preds, target)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8"])
def test_any_number_type_is_measured_in_float64(dtype):
    rng = np.random.default_rng(8)
    preds, target = (rng.integers(-120, 120, 60).astype(dtype) for _ in range(2))
    assert rows_of(MemorySource(preds, target)) == expected(preds, target)


def test_a_share_of_nearly_nothing_is_none_and_comes_first():
    found = rows_of(MemorySource([1e70, 1.0, 2.0], [1e-300, 0.0, 1.0]), Search(relative=True))
    assert [(row["row"], row["relative_error"]) for row in found] == [(0, None), (2, 1.0), (1, None)]


def test_exact_values_are_an_empty_list():
    assert rows_of(MemorySource([0.5, 1.5], [0.5, 1.5])) == []


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (Search(confident=True), "--most-confident: a value has no confidence, and this task is regression"),
        (Search(suspects=True), "--suspect-labels: a value has no class"),
        (Search(pairs=("1:2",)), "--class NAME lists one of several outputs"),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_what_speaks_of_classes_is_refused(search, words, said):
    source = MemorySource([0.5, 1.5], [0.25, 1.75])
    with pytest.raises(UsageError) as caught:
        sought_rows.listing_of("regression" if said else None, source, search)
    assert words in str(caught.value)
    assert (source.passes == 0) == said


def test_whole_predictions_of_fractions_are_values():
    source = MemorySource(np.array([1, 2, 3]), np.array([0.25, 2.5, 3.75]))
    with pytest.raises(UsageError, match="a value has no confidence"):
        sought_rows.listing_of(None, source, Search(confident=True))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_only_values_have_relative_errors(task):
    with pytest.raises(UsageError, match=r"--relative: a (class|label) is right or wrong"):
        sought_rows.listing_of(task, MemorySource([0, 1], [1, 1]), Search(relative=True))
