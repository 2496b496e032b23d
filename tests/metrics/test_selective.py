"""Selective prediction: against all orders of the ties, plain sums and integrals."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import log, nan

import numpy as np
import pytest
import torch

from evalcli.metrics.confidence import ConfidenceGroups, ConfidenceTable, tied
from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.selective import (
    accuracy_at_coverage,
    aurc,
    best_aurc,
    excess_aurc,
    harmonic_span,
    risk_at_coverage,
    risk_coverage,
)


def groups(confidence, right, weight=None, **more):
    """Binary rows of the positive class, right where the target is."""
    state = ConfidenceTable(ScoreForm("probs", binary=True), weighted=weight is not None, **more)
    state.update(np.asarray(confidence, np.float64), np.asarray(right).astype(np.int64), weight)
    return state.compute()


def slow_aurc(wrong):
    risks = [Fraction(sum(wrong[:k]), k) for k in range(1, len(wrong) + 1)]
    return sum(risks) / len(wrong)


def test_without_ties_the_area_is_the_mean_risk():
    rng = np.random.default_rng(0)
    confidence, right = 0.5 + rng.permutation(200) / 500, rng.random(200) < 0.8
    wrong = (~right[np.argsort(-confidence)]).astype(int).tolist()
    found = aurc(groups(confidence, right))
    assert found.value == found.low == found.high
    assert found.value == pytest.approx(float(slow_aurc(wrong)), rel=1e-14)
    assert best_aurc(groups(confidence, right)) == pytest.approx(float(slow_aurc(sorted(wrong))), rel=1e-13)
    excess = float(slow_aurc(wrong) - slow_aurc(sorted(wrong)))
    assert excess_aurc(groups(confidence, right)).value == pytest.approx(excess, rel=1e-12)


def test_the_area_of_ties_is_the_mean_over_their_orders():
    confidence, right = [0.9, 0.8, 0.8, 0.8, 0.7, 0.7], [0, 1, 0, 1, 0, 1]
    wrong = [1 - r for r in right]
    orders = [
        slow_aurc([wrong[0], *(wrong[i] for i in middle), *(wrong[i] for i in end)])
        for middle in permutations((1, 2, 3))
        for end in permutations((4, 5))
    ]
    assert aurc(groups(confidence, right)).value == pytest.approx(float(sum(orders) / len(orders)), rel=1e-15)


def test_confidences_that_are_one_number_are_ties_in_whatever_order_they_were_added_up():
    """Logits on a grid, once as they are and once with their columns in other orders: rows that are alike are ties."""
    rng, form = np.random.default_rng(2), ScoreForm("logits", classes=9)
    kinds = np.unique(np.sort(rng.normal(size=(300, 9)).round(1), axis=1), axis=0)
    rows = np.concatenate([rng.permuted(kinds, axis=1) for _ in range(20)])
    target = rng.integers(0, 9, len(rows))
    state = ConfidenceTable(form)
    state.update(rows, target)
    assert len(state.compute().low) <= len(kinds)
    exact = ConfidenceTable(form)
    exact.update(np.concatenate([kinds] * 20), target)
    assert len(exact.compute().low) == len(state.compute().low)
    assert exact.compute().low == pytest.approx(state.compute().low, rel=1e-11)


def test_an_error_of_a_computed_confidence_neither_makes_nor_breaks_a_tie():
    rng = np.random.default_rng(3)
    doubts = rng.random(20_000) * 10.0 ** rng.integers(-300, 1, 20_000)
    apart = (doubts.view(np.int64) + rng.integers(-4, 5, 20_000)).view(np.float64)  # by some units in the last place
    assert np.count_nonzero(tied(doubts) != tied(apart)) < 20
    assert tied(doubts) == pytest.approx(doubts, rel=1e-12)
    assert len(np.unique(tied(doubts))) == len(doubts)
    edges = np.array([0.0, 5e-324, 0.25, 0.5, 1.0])
    assert tied(edges).tolist() == [0.0, 0.0, 0.25, 0.5, 1.0]
    np.testing.assert_array_equal(tied(torch.from_numpy(doubts)).numpy(), tied(doubts))


def test_a_perfect_and_a_constant_confidence():
    assert excess_aurc(groups([0.9, 0.9, 0.8, 0.7], [1, 1, 0, 0])).value == 0.0
    assert aurc(groups([0.9, 0.8], [1, 1])).value == 0.0
    assert aurc(groups([0.9, 0.8], [0, 0])).value == best_aurc(groups([0.9, 0.8], [0, 0])) == 1.0
    constant = groups([0.75] * 1000, [1] * 900 + [0] * 100)
    assert aurc(constant).value == pytest.approx(0.1, rel=1e-14)
    assert accuracy_at_coverage(constant).value == pytest.approx(0.9, rel=1e-15)


def test_a_coverage_cuts_rows_and_ties_in_proportion():
    found = groups([0.9, 0.8, 0.8, 0.8, 0.6], [1, 1, 0, 0, 0])
    for coverage, errors in ((0.2, 0.0), (0.3, 1 / 3), (0.4, 2 / 3), (0.8, 2.0), (0.9, 2.5), (1.0, 3.0)):
        risk = risk_at_coverage(found, coverage)
        assert risk.value == pytest.approx(errors / (5 * coverage), rel=1e-14)
        assert accuracy_at_coverage(found, coverage).value == 1 - risk.value
    with pytest.raises(ValueError, match="coverage"):
        risk_at_coverage(found, 0.0)


def test_the_curve_ends_at_the_error_rate():
    curve = risk_coverage(groups([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]), points=4)
    assert [tuple(point) for point in curve] == [
        (0.25, 0.0, 0.9),
        (0.5, 0.0, 0.8),
        (0.75, 1 / 3, 0.7),
        (1.0, 0.25, 0.6),
    ]


def test_weights_of_many_light_rows_are_the_integral():
    found = groups([0.9, 0.8], [1, 0], np.array([2.0, 3.0]))
    assert aurc(found).value == pytest.approx((3 - 2 * log(5 / 2)) / 5, rel=1e-15)
    times = 100_000
    confidence, right = np.repeat([0.9, 0.8], [2 * times, 3 * times]), np.repeat([1, 0], [2 * times, 3 * times])
    assert aurc(groups(confidence, right)).value == pytest.approx(aurc(found).value, rel=1e-5)
    assert accuracy_at_coverage(found, 0.5).value == accuracy_at_coverage(groups(confidence, right), 0.5).value
    assert excess_aurc(found).value == 0.0


@pytest.mark.parametrize("start", [0, 1, 5, 255, 256, 257, 1000, 10**6, 10**12])
@pytest.mark.parametrize("count", [1, 2, 3, 300, 2000])
def test_spans_of_the_harmonic_series_equal_fractions(start, count):
    exact = float(sum(Fraction(1, start + i) for i in range(1, count + 1))) if start < 10**4 or count < 400 else nan
    if start >= 10**4 and count >= 400:  # long enough to be summed as floats of one size
        exact = sum(1 / (start + i) for i in range(1, count + 1))
    found = harmonic_span(np.array([float(start)]), np.array([float(count)]))[0]
    assert found == pytest.approx(exact, rel=2e-13)


@pytest.mark.parametrize("seed", range(40))
def test_a_full_table_certifies_what_it_says(seed):
    rng = np.random.default_rng(seed)
    confidence = 1 - rng.random(300) ** (1 + seed % 9) / 2
    confidence[:40] = confidence[0]
    right = rng.random(300) < confidence - 0.1 * (seed % 3)
    exact, bounded = groups(confidence, right), groups(confidence, right, budget=(600, 1500, 3000)[seed % 3])
    assert bounded.coarse.any()
    for formula in (aurc, excess_aurc, accuracy_at_coverage, lambda found: risk_at_coverage(found, 0.37)):
        value, interval = formula(exact).value, formula(bounded)
        assert interval.low - 1e-15 <= value <= interval.high + 1e-15
        assert interval.low - 1e-15 <= interval.value <= interval.high + 1e-15


def test_no_rows_have_no_risk():
    found = groups([], [])
    assert isinstance(found, ConfidenceGroups)
    for formula in (aurc, excess_aurc, accuracy_at_coverage):
        assert np.isnan(formula(found).value)
    assert np.isnan(best_aurc(found))
    assert risk_coverage(found) == []


def test_rounded_weights_leave_no_share_outside_its_range():
    rng = np.random.default_rng(0)
    for _ in range(300):
        weights = rng.exponential(size=rng.integers(1, 6))
        levels = np.sort(rng.random(len(weights)))[::-1]
        for sides in ((np.zeros_like(weights), weights), (weights, np.zeros_like(weights))):
            held = ConfidenceGroups(levels, levels, *sides)
            for found in (accuracy_at_coverage(held), aurc(held), excess_aurc(held)):
                assert 0.0 <= found.low <= found.value <= found.high <= 1.0
