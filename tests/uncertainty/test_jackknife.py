"""The closed forms are what leaving out rows one by one gives."""

from __future__ import annotations

from math import atanh, log, sqrt, tanh

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from evalcli.metrics.pairs import RankPairs
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.jackknife import correlation_interval, pearson_moves, ratio_interval, reach
from evalcli.uncertainty.rankpairs import kendall_moves, spearman_moves, spearman_unbiased

CONFIDENCE = Confidence()


def left_out(statistic, *columns):
    """``(n − 1)·`` what a statistic moves by when each row is left out, by brute force."""
    n, whole = len(columns[0]), statistic(*columns)
    return np.array([(n - 1) * (whole - statistic(*(np.delete(side, i) for side in columns))) for i in range(n)])


def groups_of(x, y):
    state = RankPairs()
    state.update(np.asarray(x, float), np.asarray(y, float))
    return state.compute()[0]


def test_a_ratio_is_that_of_leaving_out_each_row():
    rng = np.random.default_rng(0)
    top, bottom = rng.exponential(size=40), rng.random(40) + 0.5
    found = ratio_interval(top, bottom, np.ones(40), CONFIDENCE)
    moves = left_out(lambda a, b: log(a.sum() / b.sum()), top, bottom)
    kurtosis = stats.kurtosis(moves, fisher=False)
    freedom = min(39, 2 * 40 / max(kurtosis - 1, 2))
    half = stats.t.ppf(0.975, freedom) * moves.std(ddof=1) / sqrt(40)
    assert log(found.high / found.low) / 2 == pytest.approx(half, rel=1e-9)
    assert sqrt(found.low * found.high) == pytest.approx(top.sum() / bottom.sum(), rel=1e-12)


def test_rows_of_one_kind_may_be_counted_together():
    rng = np.random.default_rng(1)
    top, bottom, rows = rng.random(9), rng.random(9) + 1, rng.integers(1, 6, 9)
    apart = ratio_interval(np.repeat(top, rows), np.repeat(bottom, rows), np.ones(rows.sum()), CONFIDENCE)
    once = ratio_interval(top, bottom, rows.astype(float), CONFIDENCE)
    assert (once.low, once.high) == pytest.approx((apart.low, apart.high), rel=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pearson_is_that_of_leaving_out_each_row(sign):
    rng = np.random.default_rng(2)
    x = rng.normal(50, 3, 60)
    y = sign * x + rng.standard_t(4, 60)
    moves = left_out(lambda a, b: atanh(np.corrcoef(a, b)[0, 1]), x, y)
    assert pearson_moves(x, y, np.ones(60)) == pytest.approx(moves, rel=1e-7)


@pytest.mark.parametrize("noise", [1.0, 1e-3])
def test_of_many_rows_the_derivative_is_as_good(noise):
    rng = np.random.default_rng(3)
    x = rng.normal(size=3000)
    y = x + noise * rng.normal(size=3000)
    exact = pearson_moves(x, y, np.ones(3000))
    slope = pearson_moves(x, y, np.full(3000, 10.0))  # 30,000 rows
    assert np.corrcoef(exact, slope)[0, 1] > 0.9999
    assert slope.std() == pytest.approx(exact.std(), rel=0.02)


def test_near_a_line_nothing_is_lost_to_rounding():
    rng = np.random.default_rng(4)
    x, off = rng.normal(size=500), rng.normal(size=500)
    first, second = (pearson_moves(x, x + noise * off, np.ones(500)) for noise in (1e-5, 1e-7))
    assert second == pytest.approx(first, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("moves", "statistic"), [(spearman_moves, stats.spearmanr), (kendall_moves, stats.kendalltau)])
def test_rank_correlations_are_nearly_those_of_leaving_out_each_row(moves, statistic, tied):
    rng = np.random.default_rng(5)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    if tied:
        x, y = np.rint(x), np.rint(2 * y)
    brute = left_out(lambda a, b: atanh(statistic(a, b)[0]), x, y)
    groups = groups_of(x, y)
    found = moves(groups)
    places = [
        np.flatnonzero((x == a) & (y == b))[0]
        for a, b in zip(groups.x_values[groups.x], groups.y_values[groups.y], strict=True)
    ]
    assert np.corrcoef(found, brute[places])[0, 1] > 0.9998
    assert found.std() == pytest.approx(brute[places].std(), rel=0.02)
    assert float((found * groups.amounts).sum()) == pytest.approx(0.0, abs=1e-8)  # influences add up to 0


def test_the_bias_of_spearman_is_taken_away():
    rng = np.random.default_rng(6)
    seen, told = [], []
    for _ in range(400):
        x = rng.normal(size=25)
        y = x + 0.3 * rng.normal(size=25)
        seen.append(stats.spearmanr(x, y)[0])
        told.append(spearman_unbiased(seen[-1], groups_of(x, y), 25.0))
    true = 6 / np.pi * np.arcsin(1 / np.sqrt(1.09) / 2)
    error = np.std(seen) / 20
    assert np.mean(seen) < true - 2 * error or np.mean(seen) > true + 2 * error
    assert abs(np.mean(told) - true) < 3 * error


def test_nothing_to_go_by():
    one = np.ones(5)
    assert ratio_interval(np.zeros(5), one, one, CONFIDENCE) is None
    assert ratio_interval(2 * one, one, one, CONFIDENCE) is None
    assert reach(np.arange(2.0), np.ones(2), CONFIDENCE) is None
    assert pearson_moves(one, np.arange(5.0), one) is None
    assert pearson_moves(np.arange(5.0), np.arange(5.0), one) is None
    assert correlation_interval(1.0, np.arange(5.0), one, CONFIDENCE) is None
    assert spearman_moves(groups_of([1, 2, 3], [1, 2, 3])) is None
    assert kendall_moves(groups_of([1, 1, 1], [1, 2, 3])) is None


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=3, max_size=30),
)
@example(rows=[(0.0, 0.0), (0.0, 0.0), (1.0, 2.0347803827323053e-160)])
def test_a_correlation_stays_inside_its_range(rows):
    x, y = (np.array(side) for side in zip(*rows, strict=True))
    moves = pearson_moves(x, y, np.ones(len(x)))
    if moves is None:
        return
    with np.errstate(divide="ignore", invalid="ignore"):  # of a constant side
        seen = np.corrcoef(*(side / np.abs(side).max() for side in (x, y)))[0, 1]  # squares of 1e-160 would be 0
    value = float(np.clip(seen, -1, 1)) if np.isfinite(seen) else 0.0
    found = correlation_interval(value, moves, np.ones(len(x)), CONFIDENCE)
    assert found is None or -1.0 <= found.low <= tanh(atanh(value)) + 1e-9
    assert found is None or found.high <= 1.0
