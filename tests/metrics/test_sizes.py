"""Rows by the size of their loss, against counting by hand; however they are cut, merged and saved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalcli.metrics.sizes import SIZES, SizeCounts

losses = st.lists(
    st.one_of(st.sampled_from([0.0, -0.0, -1e-9, 5e-324, 1e-45, 1e-30, 1e30, 3.4e38]), st.floats(0, 1e4)), max_size=60
)


def by_hand(values, repeats=None):
    sizes = np.maximum(np.array(values, float), 0.0).astype(np.float32).view(np.uint32) >> 16
    counts = np.zeros(SIZES, np.int64)
    np.add.at(counts, sizes, 1 if repeats is None else np.array(repeats, int))
    held = np.flatnonzero(counts)
    return [held.tolist(), counts[held].tolist()]


def counted(*parts):
    found = SizeCounts()
    for part in parts:
        found.add(np.array(part, float))
    return found


def told(counts):
    return [part.tolist() for part in counts.held()]


@given(first=losses, second=losses, third=losses)
def test_neither_cuts_nor_merges_show(first, second, third):
    expected = by_hand([*first, *second, *third])
    assert told(counted(first, second, third)) == expected
    assert told(counted(first).merge(counted(second)).merge(counted(third))) == expected
    turned = counted(third).merge(counted(second).merge(counted(first)))
    assert told(turned) == expected
    restored = SizeCounts()
    restored.load_state_dict(turned.state_dict())
    assert told(restored.merge(SizeCounts())) == expected
    assert told(turned.fresh()) == [[], []]


@given(values=losses, data=st.data())
def test_repeats_are_rows(values, data):
    repeats = data.draw(st.lists(st.integers(0, 5), min_size=len(values), max_size=len(values)))
    found = SizeCounts()
    found.add(np.array(values, float), np.array(repeats, np.int64))
    assert told(found) == by_hand(values, repeats)


@given(values=losses)
def test_a_size_is_a_loss_to_three_digits(values):
    middles, rows = counted(values).histogram()
    assert rows.sum() == len(values)
    kept = np.array([value for value in values if value > 1e-37])
    near = [middle for middle, many in zip(middles, rows, strict=True) if middle > 1e-37 for _ in range(int(many))]
    np.testing.assert_allclose(np.sort(near), np.sort(kept), rtol=2**-8 + 1e-9)


@pytest.mark.parametrize(
    "held", [[[3, 2], [1, 1]], [[2, 2], [1, 1]], [[-1], [1]], [[SIZES], [1]], [[4], [0]], [[4, 5, 6]], [1, 2]]
)
def test_what_is_no_state_is_refused(held):
    with pytest.raises(ValueError, match="the saved losses have"):
        SizeCounts().load_state_dict({"held": np.array(held, np.int64)})
    with pytest.raises(ValueError, match="the saved losses have"):
        SizeCounts().load_state_dict({})
