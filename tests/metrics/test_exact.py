"""Exact sums against rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from evalcli.metrics.exact import ExactSum

NASTY = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1e308,
    -1e308,
    1.0,
    1.0 + 2**-52,
    0.1,
    -0.1,
    2.0**53,
    1e-300,
]


def exact(values) -> float:
    total = sum((Fraction(float(value)) for value in values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def same(left: ExactSum, right: ExactSum) -> bool:
    a, b = left.state_dict(), right.state_dict()
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("seed", range(60))
def test_sums_are_the_nearest_float_in_any_order_and_grouping(seed):
    rng = np.random.default_rng(seed)
    reach = (1075, 1020) if seed % 2 else (30, 30)
    values = np.ldexp(rng.standard_normal(80), rng.integers(-reach[0], reach[1], 80))
    values = rng.permutation(np.concatenate([values, -values[: seed % 80], NASTY]))
    cells = rng.integers(0, 4, len(values))
    whole = ExactSum(4)
    whole.add(values, cells)
    assert whole.value().tolist() == [exact(values[cells == cell]) for cell in range(4)]
    parts = []
    for rows in np.array_split(rng.permutation(len(values)), 1 + seed % 7):
        parts.append(ExactSum(4))
        parts[-1].add(values[rows], cells[rows])
    merged = parts[-1].fresh()
    for part in parts[::-1]:
        merged.merge(part)
    assert same(merged, whole)


@pytest.mark.parametrize(
    "values", [NASTY, [1e308, 1e308], [-1e308] * 3, [5e-324] * 3, [1e308, 1.0, -1e308], [1e16, 1.0, 1.0], []]
)
def test_nasty_values(values):
    total = ExactSum()
    total.add(values)
    assert float(total) == exact(values)


def test_agrees_with_fsum_and_beats_sum():
    values = np.random.default_rng(3).random(100_000) * 10.0 ** np.random.default_rng(4).integers(-8, 8, 100_000)
    total = ExactSum()
    for batch in np.array_split(values, 13):
        total.add(batch)
    assert float(total) == math.fsum(values)


def test_many_additions_never_overflow_a_limb():
    total, largest = ExactSum(), float(2**53 - 1)
    for _ in range(1500):  # more than the additions after which limbs must be carried
        total.add(np.full(100, largest))
        total.add(np.full(50, -largest))
    assert float(total) == exact([Fraction(75_000) * Fraction(largest)])
    doubled = total
    for _ in range(80):
        doubled.merge(doubled)
    assert float(doubled) == 75_000 * largest * 2.0**80


@pytest.mark.parametrize("value", [0.1, -3.7e-12, 5e-324, 1.9999999999999998, 1e150, 12345.678])
def test_repeats_are_as_many_additions(value):
    for times in (0, 1, 3, 2**26 - 1, 2**26, 2**40 + 12345, 2**60 + 1):
        total, one_by_one = ExactSum(), ExactSum()
        total.add([value, 1.0], repeats=[times, 2])
        one_by_one.add([1.0, 1.0])
        assert float(total) == float(Fraction(value) * times + 2)
        if times == 3:
            one_by_one.add([value] * 3)
            assert same(total, one_by_one)


def test_limbs_are_carried_long_before_they_are_full():
    """A limb takes 2^53 from each of 512 additions. Seen from inside: to fill one takes a billion rows."""
    total = ExactSum()
    for _ in range(511):
        total._lay(np.full(9, 2.0**53 - 1), None)
    assert total._limbs.max() >= 1 << 32
    total._lay(np.array([-1.0]), None)
    assert total._limbs.max() < 1 << 32
    assert total._limbs.min() >= 0
    assert float(total) == float(511 * 9 * (2**53 - 1) - 1)


def test_more_cells_than_rows_and_growing():
    total, small = ExactSum(1000), ExactSum(2)
    total.add([1.5, 2.5, -1.0], [999, 3, 999])
    small.add([1.0, 1e-320], [0, 1])
    assert total.value()[[3, 999]].tolist() == [2.5, 0.5]
    small.merge(total)
    assert small.cells == 1000
    assert small.value()[[0, 1, 999]].tolist() == [1.0, 1e-320, 0.5]


def test_fold_and_select():
    total = ExactSum(4)
    total.add([1e16, 1.0, 1.0, -7.0], [0, 1, 2, 3])
    assert total.fold(np.array([0, 0, 0, 1]), 2).value().tolist() == [1e16 + 2, -7.0]
    apart, nothing = ExactSum(2), ExactSum(3)
    apart.add([1e-300, 2.0**900], [0, 1])
    found = ExactSum.folded([total, nothing, apart], np.array([1, 0, 1, 0, 2, 2, 2, 0, 2]), 3)
    by_hand = total.fold(np.array([1, 0, 1, 0]), 3).merge(apart.fold(np.array([0, 2]), 3))
    assert found.exact() == by_hand.exact()
    assert found.value()[2] == 2.0**900
    assert total.select(np.array([3, 1])).value().tolist() == [-7.0, 1.0]


def test_state_dict_round_trip_and_torch_values():
    total = ExactSum(2)
    total.add(torch.tensor([0.1, 0.2], dtype=torch.float64), torch.tensor([1, 1]))
    again = total.fresh()
    again.load_state_dict(total.state_dict())
    assert same(again, total)
    assert again.value().tolist() == [0.0, exact([0.1, 0.2])]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_only_finite_values(bad):
    with pytest.raises(ValueError, match="finite"):
        ExactSum().add([1.0, bad])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 values"):
        ExactSum(2).add([1.0, 2.0, 3.0], [0])


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_very_different_size_each_go_to_their_cell(seed):
    rng = np.random.default_rng(seed)
    scale = [1e-310, 1e-150, 1e-3, 1.0, 1e8, 1e150, 1e290]
    values = np.array([rng.standard_normal(20_000) * size for size in scale])
    values[2, ::3] = values[4, 7] = 0
    values[5, :40] = rng.standard_normal(40) * 1e-40  # far below the others of its row
    cells = np.array([3, 0, 1, 1, 2, 3, 0])
    total = ExactSum(4)
    total.add_rows(values, cells)
    expected = [sum(Fraction(x) for row in values[cells == cell] for x in row.tolist()) for cell in range(4)]
    assert total.exact() == expected
    one_by_one = ExactSum(4)
    for row, cell in zip(values, cells, strict=True):
        one_by_one.add(row, np.full(len(row), cell))
    assert same(one_by_one, total)
    with pytest.raises(ValueError, match="finite"):
        total.add_rows(np.array([[1.0, math.nan]]), np.array([0]))


@pytest.mark.parametrize("seed", range(40))
def test_many_sums_are_rounded_as_each_is_alone(seed):
    rng = np.random.default_rng(seed)
    cells = 200
    total = ExactSum(cells)
    total.add(np.resize([*NASTY, *(-np.array(NASTY))], cells), np.arange(cells))
    # ties, a bit beyond one, more bits than a float has, and the ends of the range
    for low, high in ((-1074, 900), (-55, -50), (0, 1), (-110, -105), (970, 971))[: 1 + seed % 5]:
        whole = rng.integers(-(2**53) + 1, 2**53, cells) if seed % 2 else rng.choice([-1, 1], cells)
        total.add(np.ldexp(whole.astype(float), rng.integers(low, high, cells)), rng.permutation(cells))
    alone = [float(total.select(np.array([cell]))) for cell in range(cells)]
    assert total.value().tolist() == alone
    wide = ExactSum(cells)
    for _ in range(4):
        wide.add(np.where(np.arange(cells) % 2, 1.7e308, -1.7e308), np.arange(cells))
    assert wide.value().tolist() == [-math.inf, math.inf] * (cells // 2)


def test_exact_is_the_sum_before_rounding():
    total = ExactSum(3)
    total.add([1e16, 1.0, 2.0**-1074, -3.5], [0, 0, 1, 2])
    assert total.exact() == [Fraction(10**16 + 1), Fraction(1, 2**1074), Fraction(-7, 2)]
    assert ExactSum(2).exact() == [0, 0]
