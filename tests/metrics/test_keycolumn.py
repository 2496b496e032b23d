"""The table of keys: what is counted in parts, sorted early or late, is what is counted at once."""

import numpy as np
import pytest

from evalcli.metrics.keybins import KnownBins
from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keys import UNSIGNED, sort_keys


@pytest.mark.parametrize("seed", range(40))
def test_parts_sorted_early_or_late_are_the_whole(seed):
    rng = np.random.default_rng(seed)
    sides, rows, low = int(rng.integers(1, 4)), int(rng.integers(0, 400)), int(rng.integers(3, 60))
    capacity = int(rng.integers(2 * sides, 60))
    keys = rng.integers(0, 1 << low, rows, dtype=np.uint64)
    side, cut = rng.integers(0, sides, rows), rng.integers(0, 5, rows)
    total = KeyColumn(sides, 64, capacity)
    for number in range(5):
        part = KeyColumn(sides, 64, capacity)
        for one in range(sides):
            part.add(one, keys[(side == one) & (cut == number)])
        if number % 2:
            part.settle()
        total.merge(part)
    shift = np.uint64(total.shift)
    held = sum(len(np.unique(keys[side == one] >> shift)) for one in range(sides))
    assert held <= capacity
    for one in range(sides):
        own, bins = keys[side == one], total.bins(one)
        every = [own[own >> shift == number] for number in np.unique(own >> shift)]
        assert bins.least.tolist() == [part.min() for part in every]
        assert bins.largest.tolist() == [part.max() for part in every]
        assert bins.values().tolist() == [len(part) for part in every]


@pytest.mark.parametrize("bits", [32, 64])
def test_keys_of_bins_that_are_there_are_counted_and_others_are_sorted(bits, monkeypatch):
    rng, kind = np.random.default_rng(bits), UNSIGNED[bits]
    scores = rng.standard_normal(6000)
    scores[4000:4010] = [0.0, -1e30, 1e30, 5.0, -5.0, np.inf, -np.inf, 1e-30, 9.0, -9.0]  # beyond all bins, and between
    keys = sort_keys(scores.astype(np.float32 if bits == 32 else np.float64), bits)
    left = []
    count = KnownBins.count
    monkeypatch.setattr(
        KnownBins, "count", lambda self, some: left.append((len(some), count(self, some))) or left[-1][1]
    )
    column, side = KeyColumn(2, bits, 300), rng.random(6000) < 0.3
    for part in np.array_split(np.arange(6000), 12):
        column.add(0, keys[part][~side[part]])
        column.add(1, keys[part][side[part]], repeats=np.full(np.count_nonzero(side[part]), 2))
        column.settle()
    assert sum(given for given, _ in left) > 3000 > 10 * sum(len(rest) for _, rest in left)
    for number, own in enumerate((keys[~side], keys[side])):
        numbers, rows = np.unique(own >> kind(column.shift), return_counts=True)
        bins = column.bins(number)
        assert np.array_equal(bins.least >> kind(column.shift), numbers)
        assert np.array_equal(bins.least, [own[own >> kind(column.shift) == one].min() for one in numbers])
        assert np.array_equal(bins.largest, [own[own >> kind(column.shift) == one].max() for one in numbers])
        assert np.array_equal(bins.values(), rows * (number + 1))


def test_a_few_keys_of_new_bins_wait_until_they_are_more(monkeypatch):
    keys, sorts = sort_keys(np.random.default_rng(1).standard_normal(18_000)), []
    take = KeyColumn._take_rows
    monkeypatch.setattr(KeyColumn, "_take_rows", lambda self: sorts.append(self._rows_waiting) or take(self))
    column, at_once = KeyColumn(1, 64, 300), KeyColumn(1, 64, 300)
    for part in np.split(keys, 20):  # each as long as keys may wait
        column.add(0, part)
    assert 0 < column._rows_waiting < 225
    assert len(sorts) < 10
    at_once.add(0, keys)
    assert column.shift == at_once.shift
    assert all(np.array_equal(one, other) for one, other in zip(column.bins(0), at_once.bins(0), strict=True))
