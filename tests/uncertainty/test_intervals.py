"""Wilson in its three shapes: against the definition, at the borders, and with weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalcli.uncertainty.intervals import (
    Confidence,
    Interval,
    by_variance,
    none_of,
    wilson,
    wilson_ends,
    wilson_weighted,
)

Z = Confidence().critical


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_equation(rows):
    right, trials = rows
    found = wilson(right, trials, Z)
    share = right / trials
    assert 0 <= found.low <= share <= found.high <= 1
    assert found.width > 0
    for end in (found.low, found.high):
        if 0 < end < 1:
            assert (share - end) ** 2 == pytest.approx(Z * Z * end * (1 - end) / trials, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(("right", "trials"), [(0, 10), (3, 10), (95, 100), (100, 100), (81, 263)])
def test_wilson_equals_scipy(right, trials):
    expected = stats.binomtest(right, trials).proportion_ci(method="wilson")
    found = wilson(right, trials, Z)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_without_trials_is_all_there_is():
    assert wilson(0, 0, Z) == Interval(0.0, 1.0, "wilson")
    assert wilson_weighted(0, 0, 0, 0, Z) == Interval(0.0, 1.0, "wilson")


def test_wilson_of_arrays_is_that_of_each():
    low, high = wilson_ends(np.array([0.0, 0.3, 1.0]), np.array([5.0, 10.0, 20.0]), Z)
    singles = [wilson(0, 5, Z), wilson(3, 10, Z), wilson(20, 20, Z)]
    assert low.tolist() == [one.low for one in singles]
    assert high.tolist() == [one.high for one in singles]


@given(st.floats(0.01, 100), st.integers(0, 50), st.integers(0, 50))
def test_equal_weights_count_as_effective_rows(weight, right, wrong):
    if right + wrong == 0:
        return
    found = wilson_weighted(right * weight, wrong * weight, right * weight**2, wrong * weight**2, Z)
    plain = wilson(right, right + wrong, Z)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


def test_heavy_wrong_rows_widen():
    even = wilson_weighted(90, 10, 90, 10, Z)
    heavy = wilson_weighted(90, 10, 90, 100, Z)  # one wrong row of weight 10
    assert heavy.width > 1.5 * even.width
    assert 0.9 in heavy


def test_weights_at_the_border_have_width():
    found = wilson_weighted(50, 0, 200, 0, Z)
    assert found.high == 1
    assert found.low == pytest.approx(wilson(12.5, 12.5, Z).low, abs=1e-9)


def test_by_variance_is_wilson_for_a_share():
    found = by_variance(0.8, 0.8 * 0.2 / 50, Z, "x")
    plain = wilson(40, 50, Z)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-12)
    moved = by_variance(0.6, 4 * 0.8 * 0.2 / 50, Z, "x", -1.0, 1.0)
    assert (moved.low, moved.high) == pytest.approx((2 * plain.low - 1, 2 * plain.high - 1), abs=1e-12)


def test_none_of_is_wilson_at_zero():
    assert none_of(100, Z) == pytest.approx(wilson(0, 100, Z).high, abs=1e-12)
    assert none_of(0, Z) == none_of(float("nan"), Z) == 1


def test_holding_stretches_and_cuts():
    assert Interval(0.2, 0.4, "x").holding(0.5) == Interval(0.2, 0.5, "x")
    assert Interval(-0.2, 1.4, "x").holding(0.5, 0.0, 1.0) == Interval(0.0, 1.0, "x")
    assert Interval(0.2, 0.4, "x").flipped(1.0) == Interval(0.6, 0.8, "x")


@pytest.mark.parametrize("wrong", [{"level": 0.0}, {"level": 1.0}, {"level": float("nan")}, {"resamples": 0}])
def test_a_confidence_must_be_one(wrong):
    with pytest.raises(ValueError, match=r"confidence|resample"):
        Confidence(**wrong)


def test_one_share_has_the_ends_that_it_has_among_many():
    shares = np.array([0.0, 0.0, 1.0, 0.3, 0.5, 1e-9, 1.0 - 1e-9, 0.7, 0.2])
    trials = np.array([0.0, 10.0, 3.0, 7.5, 1e-13, 1e12, 2.0, np.inf, np.nan])
    low, high = wilson_ends(shares, trials, 1.7)
    for share, rows, start, stop in zip(shares.tolist(), trials.tolist(), low, high, strict=True):
        np.testing.assert_array_equal(wilson_ends(share, rows, 1.7), (start, stop))
