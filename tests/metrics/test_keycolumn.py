"""The table of keys: what is counted in parts, sorted early or late, is what is counted at once."""

import numpy as np
import pytest

from evalcli.metrics.keycolumn import KeyColumn


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
