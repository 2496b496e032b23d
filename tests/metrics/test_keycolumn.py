"""The table of keys: what is counted in parts, sorted early or late, is what is counted at once."""

import numpy as np
import pytest

from evalcli.metrics import keycolumn, keyspread
from evalcli.metrics.keybins import KnownBins
from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keyentries import Bins
from evalcli.metrics.keys import UNSIGNED, least_shift, sort_keys
from evalcli.metrics.keyspread import MOST_SPREAD, spread_bins


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
    monkeypatch.setattr(keycolumn, "MOST_SPREAD", 0)
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
    monkeypatch.setattr(keycolumn, "MOST_SPREAD", 0)
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


def bins_by_sorting(keys, shift):
    keys = np.sort(keys)
    _, heads, rows = np.unique(keys >> keys.dtype.type(shift), return_index=True, return_counts=True)
    return keys[heads], keys[heads + rows - 1], rows


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
def test_keys_are_spread_into_the_bins_that_a_sort_makes(bits, many, monkeypatch):
    if many:  # as of a table of more bins
        monkeypatch.setattr(keyspread, "_MANY", 0)
        monkeypatch.setattr(keyspread, "_NEAR", 0)
        monkeypatch.setattr(keyspread, "_TOP_OF_MANY", 13)
    rng = np.random.default_rng(bits)
    kind = {32: np.float32, 64: np.float64}[bits]
    spread = 0
    for trial in range(60):
        draw = (rng.normal, rng.random, rng.exponential, lambda size: rng.integers(9, size=size) * 1e300)[trial % 4]
        with np.errstate(over="ignore"):
            scores = [draw(size=int(rng.integers(0, 3000))).astype(kind) for _ in range(2)]
        sides = [sort_keys(each, bits) for each in scores]
        capacity, least = int(rng.integers(4, 900)), int(rng.choice([0, 0, bits - 20]))
        cuts = [sorted(rng.integers(0, len(keys) + 1, 3).tolist()) for keys in sides]
        loose = [np.split(keys, cut)[:2] for keys, cut in zip(sides, cuts, strict=True)]
        held = [np.split(keys, cut)[2:] for keys, cut in zip(sides, cuts, strict=True)]
        entries = [[Bins(*bins_by_sorting(part, least)) for part in parts] for parts in held]
        found = spread_bins(loose, entries, least, capacity)
        if found is None:
            continue
        spread += 1
        shift, made = found
        assert shift == least_shift([np.sort(keys) for keys in sides], least, capacity)
        for keys, side in zip(sides, made, strict=True):
            assert all(map(np.array_equal, side, bins_by_sorting(keys, shift)))
    assert spread > 30


def test_a_column_is_the_same_whether_its_keys_are_sorted_or_spread_or_counted_in_bins_that_are_there(monkeypatch):
    keys = sort_keys(np.random.default_rng(3).normal(size=30_000))
    columns = []
    for most, few in ((MOST_SPREAD, MOST_SPREAD), (MOST_SPREAD, 0), (0, 0)):
        monkeypatch.setattr(keycolumn, "MOST_SPREAD", most)
        monkeypatch.setattr(keycolumn, "_FEW_BINS", few)
        columns.append(KeyColumn(2, 64, 1000))
        for start in range(0, len(keys), 4000):
            columns[-1].add(start // 4000 % 2, keys[start : start + 4000])
    first, *others = (column.state_dict() for column in columns)
    assert all(np.array_equal(first[name], other[name]) for name in first for other in others)
