"""Keys against the order of floats; the table of keys against counting by hand."""

from collections import Counter
from functools import reduce

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.errors import InputError
from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keys import key_bits, scores_of, sort_keys

NASTY = [-np.inf, -1e300, -1.5, -1e-300, -5e-324, -0.0, 0.0, 5e-324, 1e-300, 0.1, 1.0, 1 + 2**-52, 1e300, np.inf]


def same(left, right):
    a, b = left.state_dict(), right.state_dict()
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_keys_sort_as_the_floats_do_and_lead_back_to_them(dtype):
    with np.errstate(over="ignore"):
        values = np.array(NASTY + list(np.random.default_rng(0).standard_normal(200))).astype(dtype)
    exact = values.astype(np.float64)
    for bits in {key_bits(values), 64}:
        keys = sort_keys(values, bits)
        assert keys.dtype.itemsize * 8 == bits
        assert np.array_equal(keys[:, None] < keys, exact[:, None] < exact)
        assert np.array_equal(keys[:, None] == keys, exact[:, None] == exact)
        assert np.array_equal(scores_of(keys), exact)


def test_whole_numbers_and_torch_tensors_have_keys():
    assert scores_of(sort_keys(np.array([-3, 5]))).tolist() == [-3.0, 5.0]
    assert key_bits(np.array([True])) == 32
    assert key_bits(torch.tensor([1 << 24], dtype=torch.int32)) == key_bits(np.array([1 << 24], np.int32)) == 64
    half = torch.tensor([-2.0, 0.5], dtype=torch.bfloat16)
    assert key_bits(half) == 32
    assert scores_of(sort_keys(half, 32)).tolist() == [-2.0, 0.5]


def test_row_24_nan_has_no_rank_and_keys_are_never_too_narrow():
    with pytest.raises(InputError, match="2 scores are NaN"):
        sort_keys(np.array([1.0, np.nan, np.nan]))
    with pytest.raises(ValueError, match="do not hold float64"):
        sort_keys(np.array([1.0]), 32)


def test_inputs_are_left_alone():
    values = np.array([-0.0, 1.0, -1.0])
    sort_keys(values, 64)
    assert np.signbit(values).tolist() == [True, False, True]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_16_bit_float_fits_exactly(dtype):
    values = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    values = values[~np.isnan(values.astype(np.float32))]
    column = KeyColumn(2, 32, 1 << 16)
    for _ in range(4):
        column.add(0, sort_keys(values, 32))
    assert column.shift == 0
    assert len(column.bins(0).least) == len(set(values.astype(np.float64).tolist()))
    assert column.bins(0).amounts.sum() == 4 * len(values)


@st.composite
def rows(draw):
    """Keys with sides that are far apart, close, tied and at both ends."""
    bits = draw(st.sampled_from([32, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(0, 80))
    top = (1 << bits) - 1
    spans = [4, 40, 1 << 20, top]
    ends = draw(st.lists(st.sampled_from([0, 1, top, top - 1, top // 2, top // 2 + 1]), max_size=5))
    spread = rng.integers(0, spans[draw(st.integers(0, 3))], size, dtype=np.uint64)
    keys = np.concatenate([spread, np.array(ends, np.uint64)])
    if draw(st.booleans()):
        keys = np.uint64(top) - keys
    return bits, keys.astype(np.uint32 if bits == 32 else np.uint64), rng.integers(0, 3, len(keys)), rng


def counted(bits, keys, sides, capacity, weight=None, repeats=None, step=None):
    column = KeyColumn(3, bits, capacity, weighted=weight is not None)
    step = step or max(len(keys), 1)
    for start in range(0, len(keys), step):
        part = slice(start, start + step)
        for side in range(3):
            mine = sides[part] == side
            amounts = [None if amount is None else amount[part][mine] for amount in (repeats, weight)]
            column.add(side, keys[part][mine], *amounts)
    return column


@settings(max_examples=150, deadline=None)
@given(rows(), st.integers(6, 40), st.integers(1, 30), st.sampled_from(["counts", "repeats", "weights", "both"]))
def test_any_batches_and_any_merge_tree_give_the_same_bytes(drawn, capacity, step, kind):
    bits, keys, sides, rng = drawn
    repeats = rng.integers(0, 4, len(keys)) if kind in ("repeats", "both") else None
    weight = rng.choice([0.0, 0.1, 1e-30, 1e30, 3.0], len(keys)) if kind in ("weights", "both") else None
    whole = counted(bits, keys, sides, capacity, weight, repeats)
    order = rng.permutation(len(keys))
    parts = []
    for chosen in np.array_split(order, int(rng.integers(1, 6))):
        amounts = [None if amount is None else amount[chosen] for amount in (weight, repeats)]
        parts.append(counted(bits, keys[chosen], sides[chosen], capacity, *amounts, step=step))
        parts[-1]._most_waiting = int(rng.integers(1, 20))  # how long rows wait must not show
    parts.insert(int(rng.integers(0, len(parts) + 1)), whole.fresh())
    while len(parts) > 1:
        left = parts.pop(int(rng.integers(0, len(parts))))
        parts.append(parts.pop(int(rng.integers(0, len(parts)))).merge(left))
    assert same(parts[0], whole)


@settings(max_examples=150, deadline=None)
@given(rows(), st.integers(6, 40))
def test_the_shift_is_the_least_that_fits_and_bins_know_their_ends(drawn, capacity):
    bits, keys, sides, _ = drawn
    column = counted(bits, keys, sides, capacity, step=7)
    pairs = list(zip(sides.tolist(), keys.tolist(), strict=True))
    sizes = [len({(side, key >> shift) for side, key in pairs}) for shift in range(bits)]
    assert column.shift == next(shift for shift, size in enumerate(sizes) if size <= capacity)
    for side in range(3):
        mine = sorted(key for at, key in pairs if at == side)
        bins = {}
        for key in mine:
            bins.setdefault(key >> column.shift, []).append(key)
        got = column.bins(side)
        assert got.least.tolist() == [group[0] for group in bins.values()]
        assert got.largest.tolist() == [group[-1] for group in bins.values()]
        assert got.amounts.tolist() == [len(group) for group in bins.values()]
    together = column.bins_of([0, 2])
    assert together.amounts.sum() == (sides != 1).sum()
    assert together.least.tolist() == sorted(
        {
            min(k for s, k in pairs if s != 1 and k >> column.shift == b)
            for b in {k >> column.shift for s, k in pairs if s != 1}
        }
    )


def test_weights_and_repeats_are_summed_by_key():
    keys = sort_keys(np.array([1.0, 2.0, 1.0, 3.0]))
    column = KeyColumn(1, 64, 100, weighted=True)
    column.add(0, keys, repeats=np.array([2, 1, 3, 0]), weight=np.array([0.5, 0.25, 1.0, 9.0]))
    assert scores_of(column.bins(0).least).tolist() == [1.0, 2.0]
    assert column.bins(0).values().tolist() == [4.0, 0.25]
    counts = KeyColumn(1, 64, 100)
    counts.add(0, keys, repeats=np.array([2, 1, 3, 0]))
    assert counts.bins(0).values().tolist() == [5, 1]
    assert counts.bins(0).values().sum() == sum(Counter({1.0: 5, 2.0: 1}).values())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("capacity", [6, 1000])
def test_a_saved_table_goes_on_where_it_stopped(weighted, capacity):
    rng = np.random.default_rng(3)
    keys, sides = rng.integers(0, 1 << 40, 200).astype(np.uint64), rng.integers(0, 3, 200)
    weight = rng.random(200) if weighted else None
    cut = [None if weight is None else weight[part] for part in (slice(0, 90), slice(90, 200))]
    first = counted(64, keys[:90], sides[:90], capacity, cut[0])
    loaded = first.fresh()
    loaded.load_state_dict(first.state_dict())
    assert same(loaded, first)
    rest = counted(64, keys[90:], sides[90:], capacity, cut[1])
    assert same(reduce(lambda a, b: a.merge(b), [loaded, rest]), counted(64, keys, sides, capacity, weight))
    assert same(loaded.to("cpu"), loaded)


def test_a_table_of_other_sides_or_keys_is_refused():
    with pytest.raises(ValueError, match="other sides or keys"):
        KeyColumn(2, 64, 10).load_state_dict(KeyColumn(3, 64, 10).state_dict())
    with pytest.raises(ValueError, match="other sides or keys"):
        KeyColumn(2, 64, 10).load_state_dict(KeyColumn(2, 32, 10).state_dict())


def test_merged_tables_wait_while_they_are_no_more_than_the_table_may_hold():
    """Seen from inside: what is asked of them is the same, whenever they are taken."""
    column, most = KeyColumn(1, 64, 100), 0
    for number in range(30):
        pair = column.fresh()
        for part in range(2):
            other = column.fresh()
            other.add(0, sort_keys(np.arange(9.0) + 9 * (2 * number + part) % 90))
            assert len(other.bins(0).least) == 9
            pair.merge(other)
        column.merge(pair)
        waiting = sum(table.entries for table in column._merging)
        assert waiting == column._entries_merging <= 100
        most = max(most, waiting)
    assert most > 50
    assert column.bins(0).amounts.sum() == 540
