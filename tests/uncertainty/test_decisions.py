"""The sample size that would tell tells in as many of all samples as it says."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.uncertainty.decisions import rows_to_decide, rows_to_lie_within
from evalcli.uncertainty.intervals import Confidence, Interval, wilson, wilson_ends

SURE = Confidence()


@pytest.mark.parametrize(
    ("value", "bound", "rows"),
    [(0.9091, 0.9, 165), (0.95, 0.9, 100), (0.99, 0.95, 50), (0.02, 0.05, 60), (0.5, 0.4, 20), (0.999, 0.99, 200)],
)
def test_a_share_is_decided_in_four_of_five_samples_of_that_size(value: float, bound: float, rows: int) -> None:
    needed = rows_to_decide(value, wilson(value * rows, rows, SURE.critical), bound, rows, SURE)
    assert needed is not None
    drawn = np.random.default_rng(0).binomial(needed, value, 4000) / needed
    low, high = wilson_ends(drawn, np.full(4000, float(needed)), np.full(4000, SURE.critical))
    assert 0.75 < (low >= bound if bound < value else high <= bound).mean() < 0.9


def test_a_share_of_some_of_the_rows_needs_as_many_times_more() -> None:
    whole, part = (rows_to_decide(0.8, wilson(80, 100, SURE.critical), 0.75, rows, SURE) for rows in (100, 1000))
    assert part == 10 * whole


def test_all_right_in_few_rows_is_decided_by_few() -> None:
    assert rows_to_decide(1.0, wilson(20, 20, SURE.critical), 0.9, 20, SURE) == 35


def test_an_end_at_a_border_does_not_make_a_sample_large_enough() -> None:
    cut, whole = Interval(0.0, 0.15, "newcombe"), Interval(-0.11, 0.15, "newcombe")
    near, same = (rows_to_decide(0.02, one, 0.01, 1000, SURE) for one in (cut, whole))
    assert near is not None
    assert same is not None
    assert near >= same


@pytest.mark.parametrize(("value", "margin"), [(0.0, 0.01), (0.002, 0.01), (-0.009, 0.01), (0.012, 0.01)])
def test_both_ends_lie_within_a_margin_in_four_of_five_samples_of_that_size(value: float, margin: float) -> None:
    spread = 0.5
    reach = SURE.critical * spread / 10.0
    needed = rows_to_lie_within(value, Interval(value - reach, value + reach, "score"), margin, 100, SURE)
    assert needed is not None
    error = spread / needed**0.5
    drawn, half = np.random.default_rng(0).normal(value, error, 20_000), SURE.critical * error
    within, beyond = (drawn - half > -margin) & (drawn + half < margin), drawn - half >= margin
    assert 0.79 < (within if abs(value) < margin else beyond).mean() < 0.83


def test_of_what_is_infinite_no_number_of_rows_would_tell() -> None:
    endless = Interval(0.1, np.inf, "bootstrap")
    assert rows_to_decide(np.inf, endless, 0.2, 100, SURE) is None
