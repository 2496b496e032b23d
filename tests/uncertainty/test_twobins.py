"""Two numbers read off bins, tested at once: beside brute force over all pairs of truths, and simulated models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evalcli.metrics.calibration import bin_table
from evalcli.uncertainty.bins import calibration_interval
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.surprises import SURPRISES, Seen, Surprises, bins_difference
from evalcli.uncertainty.twobins import inverted_difference

CONFIDENCE = Confidence()
TRUTHS = np.linspace(0.0, 1.0, 401)


def curve(value, noise, error):
    """A number that noise makes larger: its square is that of the truth and of the noise."""
    return Surprises(value, TRUTHS, (value - np.hypot(TRUTHS, noise)) / error)


def brute(first, second, together):
    """The least and the largest difference of pairs of truths, and the p-value, from the likelihood of every pair."""
    one, other = first.above[:, None], second.above[None, :]
    squares = np.array([[1.0, together], [together, 1.0]])
    inverse = np.linalg.inv(squares)
    distance = inverse[0, 0] * one**2 + 2 * inverse[0, 1] * one * other + inverse[1, 1] * other**2
    held = distance - distance.min() <= stats.chi2.ppf(0.95, 1)
    gaps = TRUTHS[:, None] - TRUTHS[None, :]
    p = stats.chi2.sf(np.diag(distance).min() - distance.min(), 1)
    return gaps[held].min(), gaps[held].max(), p


@pytest.mark.parametrize("together", [-0.6, 0.0, 0.5, 0.95])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (curve(0.5, 0.0, 0.04), curve(0.42, 0.0, 0.06)),
        (curve(0.2, 0.1, 0.03), curve(0.13, 0.12, 0.03)),
        (curve(0.09, 0.12, 0.02), curve(0.13, 0.12, 0.03)),
        (curve(0.05, 0.12, 0.02), curve(0.06, 0.12, 0.02)),
    ],
)
def test_the_interval_is_that_of_all_pairs_of_truths_that_are_likely(first, second, together):
    found = inverted_difference(first, second, CONFIDENCE, together, 1.0)
    low, high, p = brute(first, second, together)
    value = first.value - second.value
    assert found.interval.low == pytest.approx(min(low, value), abs=0.006)
    assert found.interval.high == pytest.approx(max(high, value), abs=0.006)
    assert found.p == pytest.approx(p if value * (low + high) > 0 else 1.0, abs=0.02)
    back = inverted_difference(second, first, CONFIDENCE, together, 1.0)
    assert (back.interval.low, back.interval.high, back.p) == pytest.approx(
        (-found.interval.high, -found.interval.low, found.p), rel=1e-9, abs=1e-12
    )


def test_one_model_alone_is_as_surprising_as_its_report_says():
    """Many rows, so that the variance of no bin is in doubt."""
    n, sure, right = np.array([4e4, 1e4, 5e4]), np.array([1e4, 6e3, 4.5e4]), np.array([1.04e4, 5.9e3, 4.42e4])
    table = bin_table(n, sure, right)
    told = SURPRISES["ece"].of(Seen(table, 1.0, 0.0), CONFIDENCE)
    report = calibration_interval(table, CONFIDENCE)
    ends = told.at(np.array([CONFIDENCE.critical, -CONFIDENCE.critical]))
    assert ends.tolist() == pytest.approx([report.low, report.high], rel=2e-3)


@pytest.mark.parametrize("base", sorted(SURPRISES))
def test_no_gap_at_all_and_one_row_have_intervals(base):
    perfect = Seen(bin_table(np.array([0, 9]), np.array([0.0, 9.0]), np.array([0, 9])), 1.0, 0.0)
    single = Seen(bin_table(np.array([1, 0]), np.array([0.3, 0.0]), np.array([1, 0])), 1.0, 0.1)
    for first, second in ((perfect, perfect), (perfect, single), (single, perfect), (single, single)):
        found = bins_difference(base, first, second, (0.1, 0.05, 0.1), CONFIDENCE)
        assert -1.0 <= found.interval.low <= found.value <= found.interval.high <= 1.0
        assert found.interval.width > 0.01
        assert 0.05 < found.p <= 1.0
