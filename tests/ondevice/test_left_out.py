"""Rows that are left out where nobody waits for their number leave the states of a device as they were without them."""

import numpy as np
import pytest
import torch

from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keys import sort_keys as host_keys
from evalcli.ondevice.keys import ColumnsThere, sort_keys
from evalcli.ondevice.rows import RowsThere


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("capacity", [10_000, 60, 20])
@pytest.mark.parametrize(("many", "sides"), [(1, 2), (3, 2), (3, 3)])
def test_groups_are_columns_of_their_own(capacity, many, sides, weighted):
    """Of 1 to 500 rows, whose keys are as coarse as they alone make them; no row is of group 2, and some of none."""
    rng = np.random.default_rng(capacity + many + sides)
    scores, target = rng.normal(size=(many, 700)).astype(np.float32), rng.integers(0, max(many, 2), 700)
    codes = np.repeat([3, -1, 1, 0, 4], [500, 19, 150, 30, 1])[rng.permutation(700)]
    weight = np.where(rng.random(700) < 0.1, 0, rng.random(700) * 10.0 ** rng.integers(-60, 60, 700))
    there, keys = ColumnsThere(many, 32, "cpu", 5), sort_keys(torch.as_tensor(scores), 32)
    for part in np.array_split(np.arange(700), 3):
        rows = RowsThere(torch.as_tensor(target[part]))
        rows.group = torch.as_tensor(codes[part])
        rows.kept, rows.weight = rows.group >= 0, torch.as_tensor(weight[part]) if weighted else None
        there.add(keys[:, part], rows, rows.target)
    found = [[KeyColumn(sides, 32, capacity, weighted=weighted) for _ in range(many)] for _ in range(5)]
    positives = None if sides == many else [1] if many == 1 else [*range(many)]
    there.into_each(lambda group, number: found[group][number], capacity, positives)
    for group, held in enumerate(found):
        for number, mine in enumerate(held):
            inside, theirs = np.flatnonzero(codes == group), KeyColumn(sides, 32, capacity, weighted=weighted)
            side = target[inside] if positives is None else target[inside] == positives[number]
            for place in range(sides):
                some = inside[side == place]
                theirs.add(place, host_keys(scores[number, some], 32), None, weight[some] if weighted else None)
            assert {name: array.tolist() for name, array in mine.state_dict().items()} == {
                name: array.tolist() for name, array in theirs.state_dict().items()
            }


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
