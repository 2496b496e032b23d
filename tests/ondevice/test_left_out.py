"""Rows that are left out where nobody waits for their number leave the states of a device as they were without them."""

import numpy as np
import pytest
import torch

from evalcli.metrics.keycolumn import KeyColumn
from evalcli.ondevice.keys import ColumnsThere, sort_keys
from evalcli.ondevice.rows import RowsThere


def columns(rows, kept, *, sides, many, capacity, batches=3):
    """The host's columns of what a device sorted."""
    there = ColumnsThere(many, 32, "cpu")
    for part in np.array_split(np.arange(len(rows[1])), batches):
        some = RowsThere(torch.as_tensor(rows[1][part]))
        some.kept = None if kept is None else torch.as_tensor(kept[part])
        there.add(sort_keys(torch.as_tensor(rows[0][:, part]), 32), some, some.target)
    held = [KeyColumn(sides, 32, capacity) for _ in range(many)]
    positives = None if sides == many else [1] if many == 1 else [*range(many)]
    entries = there.into(held, positives)
    return held, entries


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97, 1.0])
@pytest.mark.parametrize("capacity", [10_000, 60])
@pytest.mark.parametrize(("many", "sides"), [(1, 2), (4, 2), (4, 4)])
def test_columns_are_those_of_the_rows_that_count(share, capacity, many, sides):
    rng = np.random.default_rng(int(share * 100) + capacity + many + sides)
    scores = rng.normal(size=(many, 700)).astype(np.float32).round(2)
    target = rng.integers(0, max(many, 2), 700)
    left = rng.random(700) < share
    left[0], left[-1] = share > 0, share > 0
    scores[:, left] = rng.normal(size=(many, int(left.sum()))) * 100  # beyond all others, on both sides
    found, entries = columns((scores, target), ~left, sides=sides, many=many, capacity=capacity)
    wanted = [KeyColumn(sides, 32, capacity) for _ in range(many)]
    if not left.all():
        wanted, _ = columns((scores[:, ~left], target[~left]), None, sides=sides, many=many, capacity=capacity)
    for mine, theirs in zip(found, wanted, strict=True):
        saved = theirs.state_dict()
        assert {name: array.tolist() for name, array in mine.state_dict().items()} == {
            name: array.tolist() for name, array in saved.items()
        }
    assert int(entries.amounts.sum()) == many * int((~left).sum())
