"""What workers gather of one's own metrics: merged in the order of the rows, as soon as that is known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

import evalcli
from evalcli.loading import own_metrics
from evalcli.own import groups as owngroups
from evalcli.own.metrics import OwnMetrics
from evalcli.own.passes import OwnPass
from evalcli.sources.origins import Origin, identities, mark_of
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

ROWS = np.arange(60.0)
CHOICES = Choices(task="regression", confidence=Confidence())


class Seen(evalcli.Metric):
    """Rows in their order; fails on a batch with one of ``bad``."""

    def __init__(self, *bad):
        super().__init__()
        self.bad = bad
        self.add_state("seen", [], reduce="cat")

    def update(self, preds, target):
        for one in self.bad:
            if one in preds:
                raise ValueError(f"{one}")
        self.seen.append(preds)

    def compute(self):
        return float(np.concatenate(self.seen)[-1])


def batches(metric, size=10, **more):
    source = MemorySource(ROWS, ROWS, **more)
    own = OwnMetrics(own_metrics({"x": metric}), CHOICES, source)
    return OwnPass(own), list(source.batches(size))


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 0, 1, 5, 3, 4)])
def test_batches_that_come_in_any_order_are_merged_in_that_of_the_rows(order):
    held, every = batches(Seen(), slices={"g": np.where(ROWS % 3 == 0, "a", "b")})
    for number in order:
        held.add(every[number])
    held.finished()
    assert np.array_equal(np.concatenate(held.whole.totals()["x"].seen), ROWS)
    slices = {where: np.concatenate(one.totals()["x"].seen) for where, one in held.by_value()}
    assert np.array_equal(slices["g", "a"], ROWS[ROWS % 3 == 0])
    groups = [np.concatenate(one.totals()["x"].seen) for one in held.whole.groups.values()]
    assert all((np.diff(one) > 0).all() for one in groups)
    assert sorted(np.concatenate(groups)) == ROWS.tolist()
    assert sum(one.rows for one in held.whole.groups.values()) == len(ROWS)


def test_no_batch_waits_once_all_before_it_are_there():
    held, every = batches(Seen())
    waiting = []
    for number in (1, 0, 2, 4, 5, 3):
        held.add(every[number])
        waiting.append(len(held._waiting))
    assert waiting == [1, 0, 0, 1, 2, 0]


@pytest.mark.parametrize("order", [*itertools.permutations(range(6))][::143])
def test_what_failed_first_by_row_is_told(order):
    held, every = batches(Seen(17, 44))
    for number in order:
        held.add(every[number])
    (failure,) = held.finished().whole.failed()
    assert failure.what == "ValueError: 17"
    assert held.whole.totals() == {}


def test_batches_of_left_out_rows_are_given_to_no_metric():
    held, every = batches(Seen())
    held.own.choices = replace(CHOICES, nan="drop")
    preds = ROWS.copy()
    preds[20:30] = np.nan
    for batch in every:
        batch.preds[:] = preds[batch.start : batch.start + 10]
        held.add(batch)
    assert [len(one) for one in held.finished().whole.totals()["x"].seen] == [10] * 5


def test_slices_have_groups_where_they_are_few(monkeypatch):
    where = {"g": np.where(ROWS % 3 == 0, "a", "b")}
    held, every = batches(Seen(), slices=where)
    held.add(every[0])
    assert all(one.groups for _, one in held.by_value())
    monkeypatch.setattr(owngroups, "MOST_SLICES", 1)
    held, every = batches(Seen(), slices=where)
    held.add(every[0])
    assert held.whole.groups
    assert not any(one.groups for _, one in held.by_value())


def test_rows_are_told_apart_by_their_file_and_their_number_in_it():
    files = [Origin(0, 1000, 5), Origin(3, 9000), Origin(3, 70), Origin(5, 2**63 - 1)]
    found = identities(np.arange(7), files)
    assert found.tolist() == [1005, 1006, 1007, 70, 71, 2**63 - 1, -(2**63)]


def test_a_mark_is_of_both_ends_and_the_size_of_a_file(tmp_path):
    held = bytearray(300_000)
    marks = set()
    for change, size in ((None, 300_000), (10, 300_000), (299_990, 300_000), (None, 299_999), (None, 0), (None, 7)):
        data = held[:size]
        if change is not None:
            data[change] = 1
        (tmp_path / "f").write_bytes(data)
        marks.add(mark_of(str(tmp_path / "f")))
    assert len(marks) == 6
    assert all(0 <= one < 2**63 for one in marks)
    (tmp_path / "f").write_bytes(held)
    (tmp_path / "g").write_bytes(held)
    assert mark_of(str(tmp_path / "f")) == mark_of(str(tmp_path / "g"))
