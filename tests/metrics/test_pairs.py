"""Rank correlations: exact beside scipy and brute force, certain where memory forbade to keep every pair."""

from __future__ import annotations

from itertools import combinations, product
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import evalcli.metrics.pairs as ranked
from evalcli.metrics.paircells import PairRows, PairTable
from evalcli.metrics.pairs import PairGroups, RankPairs
from evalcli.metrics.rankcorrelation import kendall, spearman

pytestmark = pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
BOTH = [(spearman, stats.spearmanr), (kendall, stats.kendalltau)]


def pairs(preds, target, weight=None, batch=None, **options):
    state = RankPairs(weighted=weight is not None, **options)
    for start in range(0, len(target), batch or max(len(target), 1)):
        part = slice(start, start + (batch or len(target)))
        state.update(preds[part], target[part], None if weight is None else weight[part])
    return state.compute()[0]


def drawn(seed, n=None):
    """Continuous, rounded, heavily tied, zero-inflated, of two signs, far from 0: the shapes that ranks meet."""
    rng = np.random.default_rng(seed)
    n = n or int(rng.integers(2, 250))
    x = rng.standard_normal(n)
    y = x * rng.choice([-1, 0, 0.3, 3]) + rng.standard_normal(n)
    match seed % 7:
        case 1:
            x, y = x.round(), y.round(1)
        case 2:
            y = np.maximum(y, 0)
        case 3:
            x, y = 1e8 + x * 1e-3, 1e8 + y * 1e-3
        case 4:
            x, y = np.exp(8 * x), -np.exp(8 * y)
        case 5:
            x = x.astype(np.float32).astype(np.float64)
            y = np.minimum(y, 0.5)
        case 6:
            x, y = x * 1e-12, y * 1e12
    return x, y


@pytest.mark.parametrize("seed", range(70))
def test_exact_ones_equal_scipy(seed):
    x, y = drawn(seed)
    groups = pairs(x, y, batch=17)
    assert groups.exact
    for formula, reference in BOTH:
        expected, got = reference(x, y)[0], formula(groups)
        assert got.low == got.value == got.high or isnan(expected)
        assert got.value == pytest.approx(expected, abs=1e-13, nan_ok=True)


@pytest.mark.parametrize("seed", range(20))
def test_weights_count_as_brute_force_says(seed):
    x, y = drawn(seed, 60)
    w = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 2.25], 60)
    ranks = [np.array([2 * w[side < v].sum() + w[side == v].sum() - w.sum() for v in side]) for side in (x, y)]
    cross, xx, yy = (float((w * a * b).sum()) for a, b in ((ranks[0], ranks[1]), (ranks[0],) * 2, (ranks[1],) * 2))
    assert spearman(pairs(x, y, w)).value == pytest.approx(cross / sqrt(xx * yy), abs=1e-12)
    signs = [(w[i] * w[j], np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(60), 2)]
    s, nx, ny = (sum(each) for each in zip(*((p * a * b, p * a * a, p * b * b) for p, a, b in signs), strict=True))
    assert kendall(pairs(x, y, w)).value == pytest.approx(s / sqrt(nx * ny), abs=1e-12)


@pytest.mark.parametrize("rows", [1, 20, 50])
def test_a_constant_side_is_undefined_however_its_weights_add_up(rows):
    rng = np.random.default_rng(rows)
    values, same = rng.normal(size=rows), np.zeros(rows)
    for weight in (*50 * rng.random((20, rows)), np.full(rows, 34.48201175123027)):
        for formula in (kendall, spearman):
            assert isnan(formula(pairs(values, same, weight)).value)
            assert isnan(formula(pairs(same, values, weight)).value)


def test_perfect_orders_are_exactly_1():
    x = np.random.default_rng(0).standard_normal(500).round(1)
    for formula in (spearman, kendall):
        assert formula(pairs(x, x**3)).value == 1.0
        assert formula(pairs(x, -(x**3))).value == -1.0
        for seed in range(9):  # sums of rounded weights
            weight = np.random.default_rng(seed).random(500)
            assert formula(pairs(x, x, weight)).value == 1.0
            assert spearman(pairs(x, -x, weight)).value == -1.0
        assert isnan(formula(pairs(x, np.ones(500))).value)
        assert isnan(formula(pairs(x[:0], x[:0])).value)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    budget=st.sampled_from([0, 40, 300, 700, 1500, 4000, 9000]),
    batch=st.sampled_from([1, 13, 1000]),
    weighted=st.booleans(),
)
def test_a_certified_correlation_holds_the_exact_one(seed, budget, batch, weighted):
    x, y = drawn(seed)
    weight = np.random.default_rng(seed).choice([0.5, 1.0, 3.0], len(x)) if weighted else None
    exact, coarse = pairs(x, y, weight), pairs(x, y, weight, batch, budget=budget)
    for formula in (spearman, kendall):
        truth, got = formula(exact).value, formula(coarse)
        assert isnan(truth) == isnan(got.value)
        assert isnan(truth) or (-1 <= got.low <= truth <= got.high <= 1)
        assert isnan(truth) or got.low <= got.value <= got.high


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.floats(-1e75, 1e75, allow_nan=False), st.sampled_from([0.0, -0.0, 5e-324, 1.0, -1.0, 1e8, 1e8 + 1e-8])
        ),
        min_size=2,
        max_size=60,
    ),
    budget=st.sampled_from([0, 100, 500]),
)
def test_certain_on_any_floats(rows, budget):
    x, y = (np.array(side) for side in zip(*rows, strict=True))
    for formula in (spearman, kendall):
        truth, got = formula(pairs(x, y)).value, formula(pairs(x, y, budget=budget))
        assert isnan(truth) == isnan(got.value)
        assert isnan(truth) or got.low <= truth <= got.high


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), cut=st.integers(1, 20), weighted=st.booleans(), budget=st.sampled_from([0, 700, 3000])
)
def test_M02_parts_whose_keys_span_very_different_bits_merge_to_the_whole(seed, cut, weighted, budget):
    """The window of 32 bits lies elsewhere in each part: near 1e8, near 0, of both signs."""
    rng = np.random.default_rng(seed)
    x = np.concatenate(
        [1e8 + rng.random(80), rng.random(80) * 1e-9, rng.standard_normal(80), 1 + rng.random(80) * 1e-13]
    )
    y = np.concatenate([x[:80] + rng.random(80), rng.standard_normal(240)])
    weight = rng.choice([0.1, 1.0], len(x)) if weighted else None
    order = rng.permutation(len(x)) if seed % 2 else np.arange(len(x))
    whole = RankPairs(budget=budget, weighted=weighted)
    whole.update(x, y, weight)
    parts = []
    for rows in np.array_split(order, cut):
        parts.append(RankPairs(budget=budget, weighted=weighted))
        parts[-1].update(x[rows], y[rows], None if weight is None else weight[rows])
    while len(parts) > 1:
        parts.append(parts.pop(int(rng.integers(len(parts)))).merge(parts.pop(0)))
    a, b = parts[0].state_dict(), whole.state_dict()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[key], b[key]) for key in a)


def test_ties_that_are_known_leave_no_doubt():
    """Ratings against scores: a bin of one rating is a tie, however coarse the scores are."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, 6, 20_000).astype(float)
    y = x + rng.standard_normal(20_000)
    coarse, exact = pairs(x, y, budget=100_000), pairs(x, y)
    assert coarse.x_tied.all()
    assert not coarse.y_tied.all()
    for formula in (spearman, kendall):
        got = formula(coarse)
        assert got.low <= formula(exact).value <= got.high
        assert 0 < got.high - got.low < 0.01


def test_few_distinct_pairs_stay_exact_in_any_memory():
    rng = np.random.default_rng(0)
    x, y = rng.integers(-3, 4, 50_000).astype(float), rng.integers(0, 3, 50_000) + 0.1
    coarse = pairs(x, y, batch=5000, budget=2000)
    assert coarse.exact
    assert spearman(coarse) == spearman(pairs(x, y))
    assert kendall(coarse) == kendall(pairs(x, y))


def test_more_memory_means_less_doubt():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20_000)
    y = x + rng.standard_normal(20_000)
    widths = [np.subtract(*spearman(pairs(x, y, budget=size))[:0:-1]) for size in (2_000, 20_000, 200_000, 400_000)]
    assert widths == sorted(widths, reverse=True)
    assert 0 < widths[-2] < 0.1
    assert widths[-1] == 0


def weak_orders(rows):
    """Every way in which rows can follow one another or be tied, as a rank for each."""
    if not rows:
        yield {}
        return
    for size in range(1, len(rows) + 1):
        for first in combinations(rows, size):
            for rest in weak_orders([row for row in rows if row not in first]):
                yield dict.fromkeys(first, 0) | {row: rank + 1 for row, rank in rest.items()}


def arrangements(bins, tied):
    """Every order of all rows that agrees with their bins, of which some are known to be one value."""
    members = [[row for row, its in enumerate(bins) if its == number] for number in range(max(bins) + 1)]
    choices = [
        [dict.fromkeys(rows, 0)] if tied[number] else list(weak_orders(rows)) for number, rows in enumerate(members)
    ]
    for chosen in product(*choices):
        yield [bins[row] * 100 + next(ranks[row] for ranks in chosen if row in ranks) for row in range(len(bins))]


SMALL = [
    ((0, 0, 1, 1), (0, 1, 0, 1), (0, 0), (0, 0)),
    ((0, 0, 1, 1), (0, 0, 1, 1), (0, 0), (0, 0)),
    ((0, 0, 0, 1), (1, 0, 0, 0), (0, 0), (0, 0)),
    ((0, 0, 0, 1, 2), (0, 1, 1, 1, 0), (0, 0, 0), (0, 0)),
    ((0, 0, 1, 1, 1), (0, 1, 1, 0, 0), (1, 0), (0, 0)),
    ((0, 1, 2, 2, 2), (0, 1, 1, 1, 2), (0, 0, 0), (0, 0, 0)),
    ((0, 1, 1, 1, 2), (2, 1, 1, 1, 0), (0, 0, 0), (0, 0, 0)),
    ((0, 0, 0, 0, 1), (0, 0, 0, 0, 1), (0, 0), (0, 0)),
]


@pytest.mark.parametrize(("x", "y", "x_tied", "y_tied"), SMALL)
def test_the_interval_holds_every_order_that_agrees_with_the_bins_and_is_not_much_wider(x, y, x_tied, y_tied):
    cells = sorted({*zip(x, y, strict=True)})
    amounts = [sum(row == cell for row in zip(x, y, strict=True)) for cell in cells]
    known = [np.array(tied, bool) | (np.bincount(side) == 1) for side, tied in ((x, x_tied), (y, y_tied))]
    values = (np.arange(len(tied), dtype=float) for tied in known)
    groups = PairGroups(*map(np.array, zip(*cells, strict=True)), np.array(amounts), *known, *values)
    orders = list(product(arrangements(x, known[0]), arrangements(y, known[1])))
    for formula, reference in BOTH:
        values = [reference(*map(np.array, pair))[0] for pair in orders]
        got = formula(groups)
        assert got.low - 1e-12 <= np.nanmin(values)
        assert np.nanmax(values) <= got.high + 1e-12
        assert got.high - got.low <= 3 * (np.nanmax(values) - np.nanmin(values)) + 0.1


def test_neighbours_stay_apart_where_few_pairs_occur():
    """Keys that differ in their last bits alone, falling: cells are in the order of all bits, none is dropped."""
    table, many = PairTable(40 * 40), np.arange(20, dtype=np.uint64)[::-1] + np.uint64(1 << 40)
    for times in (6, 1, 2):
        table.add(PairRows(np.tile(many, times), np.tile(many[::-1], times), np.ones(20 * times, np.int64)))
        if not table.exact:
            cells, dropped = table.cells()
            assert (dropped, len(cells.ends[0])) == (0, 20)
            assert all((end[1:] != end[:-1]).all() for end in cells.ends)
    assert cells.amounts.tolist() == [9] * 20


@pytest.mark.parametrize("each", [0, 8, 1 << 40], ids=["sorted", "usual", "table"])
@pytest.mark.parametrize("spread", [1.0, 1e3], ids=["near", "far"])
def test_bins_have_their_ranks_by_a_table_as_by_a_sort(monkeypatch, each, spread):
    rng = np.random.default_rng(3)
    least = np.sort(rng.normal(size=400).clip(0.1, spread)).view(np.uint64)[rng.permutation(400)]
    most, shift = least + rng.integers(0, 9, 400).astype(np.uint64), 46
    monkeypatch.setattr(ranked, "_EACH", each)
    found = ranked._Ranks.of(least, most, shift)
    bins = least >> np.uint64(shift)
    known = sorted({*bins.tolist()})
    assert found.ids.tolist() == [known.index(one) for one in bins.tolist()]
    for number, one in enumerate(known):
        inside = bins == one
        ends = least[inside].min(), most[inside].max()
        assert found.tied[number] == (ends[0] == ends[1])
        low, high = ranked._values(np.array(ends))
        assert low <= found.values[number] <= high
