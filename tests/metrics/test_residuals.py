"""Quantiles of errors: exact beside scikit-learn, certain where memory was short, and a histogram that adds up."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import median_absolute_error as sk_medae
from sklearn.utils.stats import _weighted_percentile

from evalcli.metrics.residuals import Residuals, ResidualTable, heaviest, histogram, median_absolute_error, quantile

PERCENTS = (0, 0.5, 5, 25, 50, 75, 95, 100)


def table(residuals, weight=None, **options):
    state = ResidualTable(weighted=weight is not None, **options)
    residuals = np.asarray(residuals, np.float64)
    state.update(residuals, np.zeros(len(residuals)), weight)
    return state.compute()[0]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_quantiles_equal_scikit_learn(seed, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 3, 10, 101, 400]))
    residuals = rng.standard_normal(n).round(int(rng.integers(0, 6)))
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], n) if weighted else None
    if weighted and not weight.any():
        weight[0] = 1.0
    ones = np.ones(n) if weight is None else weight
    held = residuals[ones > 0]
    found = table(residuals, weight)
    assert np.array_equal(found.low, found.high)
    for percent in PERCENTS:
        expected = _weighted_percentile(residuals, ones, percent, average=True)
        if percent in (0, 100):
            expected = held.min() if percent == 0 else held.max()
        got = quantile(found, percent)
        assert got.value == got.low == got.high == pytest.approx(expected, abs=1e-15), percent
    assert median_absolute_error(found).value == pytest.approx(
        sk_medae(np.zeros(n), residuals, sample_weight=weight), abs=1e-15
    )


def test_the_median_of_an_even_number_is_between_the_two():
    assert quantile(table([1.0, 2.0, 3.0, 10.0]), 50).value == 2.5
    assert median_absolute_error(table([-1.0, 2.0, -3.0, 10.0])).value == 2.5
    assert quantile(table([1.0, 2.0], np.array([1.0, 1.0])), 50).value == 1.5
    tenths = np.full(10, 0.1)  # ten times 0.1 add up to less than 1, and half of them are a half all the same
    assert quantile(table(np.arange(10.0), tenths), 50).value == 4.5


def test_no_rows():
    empty = ResidualTable().compute()[0]
    assert isnan(quantile(empty, 50).value)
    assert isnan(median_absolute_error(empty).value)
    assert histogram(empty) == ([], [])
    assert isnan(heaviest(empty, 0.5).share)


@settings(max_examples=60, deadline=None)
@given(
    residuals=st.lists(
        st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e-300]),
        min_size=1,
        max_size=300,
    ),
    budget=st.sampled_from([0, 48, 200, 1000, 3000]),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_certified_quantile_holds_the_exact_one(residuals, budget, weighted, seed):
    weight = np.random.default_rng(seed).choice([0.25, 1.0, 7.0], len(residuals)) if weighted else None
    exact, coarse = table(residuals, weight), table(residuals, weight, budget=budget)
    for percent in PERCENTS:
        truth, got = quantile(exact, percent).value, quantile(coarse, percent)
        assert got.low <= truth <= got.high
        assert got.low <= got.value <= got.high
    truth, got = median_absolute_error(exact).value, median_absolute_error(coarse)
    assert got.low <= truth <= got.high
    assert quantile(coarse, 0).value == quantile(exact, 0).value  # entries know their ends
    assert quantile(coarse, 100).value == quantile(exact, 100).value


def test_more_memory_never_means_a_wider_interval():
    residuals = np.random.default_rng(0).standard_normal(5000)
    widths = []
    for budget in (500, 5_000, 50_000, 5_000_000):
        got = median_absolute_error(table(residuals, budget=budget))
        widths.append(got.high - got.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0
    assert 0 < widths[-2] < 0.01


@settings(max_examples=60, deadline=None)
@given(
    residuals=st.lists(st.floats(-1e4, 1e4, allow_nan=False), min_size=1, max_size=200),
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
    budget=st.sampled_from([100, 1 << 20]),
)
def test_a_histogram_holds_every_row_between_rising_edges(residuals, scale, budget):
    values = np.array(residuals) * scale
    edges, counts = histogram(table(values, budget=budget))
    assert sum(counts) == len(values)
    assert edges[0] == values.min()
    assert edges[-1] == values.max()
    if len(edges) > 2:
        assert all(a < b for a, b in pairwise(edges))
    assert len(counts) == len(edges) - 1 <= 60
    if budget > 100 and len(counts) > 1:
        expected, _ = np.histogram(values, edges)
        assert expected.tolist() == counts


def test_a_histogram_has_an_edge_at_0_and_even_steps_and_cuts_long_tails():
    rng = np.random.default_rng(0)
    edges, counts = histogram(table(rng.standard_normal(10_000)))
    inner = np.array(edges[1:-1])
    assert 0.0 in edges
    assert 15 <= len(counts) <= 30
    assert np.allclose(np.diff(inner), np.diff(inner)[0])
    tailed = np.concatenate([rng.standard_normal(10_000), [1e6]])
    edges, counts = histogram(table(tailed))
    assert edges[-1] == 1e6
    assert edges[-2] < 10
    assert len(counts) > 15
    assert histogram(table([2.5, 2.5, 2.5])) == ([2.5, 2.5], [3])


def test_the_rows_that_make_most_of_the_squared_error():
    few, part, share = heaviest(table([1.0] * 98 + [10.0, -20.0]), 0.5)
    assert (few, part) == (1, 0.01)
    assert share == 400 / 598
    assert heaviest(table([1.0, -1.0, 1.0, -1.0]), 0.5) == (2, 0.5, 0.5)
    assert heaviest(table([1.0] * 10), 0.42) == (5, 0.5, 0.5)  # of equal errors as many as it takes
    weighted = heaviest(table([3.0, 4.0], np.array([2.0, 0.5])), 0.5)  # 8 of 26 and then 5 more, at 9 a unit of weight
    assert weighted == pytest.approx((0.5 + 5 / 9, (0.5 + 5 / 9) / 2.5, 0.5))
    assert isnan(heaviest(table([0.0, 0.0]), 0.5).share)


def test_an_entry_of_both_signs_does_not_exist():
    coarse = table(np.linspace(-1, 1, 1001), budget=0)
    assert (coarse.low < coarse.high).any()
    assert ((coarse.low >= 0) | (coarse.high <= 0)).all()
    assert isinstance(coarse.sizes, Residuals)
