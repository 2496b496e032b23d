"""Fisher's test, Benjamini and Hochberg, Newcombe's interval: against the definitions, scipy and printed examples."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twoshares import Share, benjamini_hochberg, difference, fisher_lower, least_shown


@st.composite
def tables(draw, most=80):
    rows = draw(st.integers(1, most))
    hits, part = draw(st.integers(0, rows)), draw(st.integers(1, rows))
    found = draw(st.integers(max(0, part + hits - rows), min(part, hits)))
    return Share(found, part), Share(hits, rows)


def exactly(part, whole):
    """The sum of the hypergeometric distribution in whole numbers."""
    low = max(0, part.rows + whole.hits - whole.rows)
    ways = [comb(whole.hits, k) * comb(whole.rows - whole.hits, part.rows - k) for k in range(low, part.hits + 1)]
    return Fraction(sum(ways), comb(whole.rows, part.rows))


@given(tables())
def test_fisher_is_the_sum_of_its_terms(table):
    assert fisher_lower(*table) == pytest.approx(float(exactly(*table)), rel=1e-11)


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        (Share(840, 1000), Share(9000, 10_000)),
        (Share(100, 1000), Share(9000, 10_000)),  # far in the tail
        (Share(0, 3), Share(1, 100_000)),
        (Share(700, 900), Share(720, 1000)),  # most of all rows
        (Share(3, 40), Share(3, 50_000)),
    ],
)
def test_fisher_in_large_tables(part, whole):
    assert fisher_lower(part, whole) == pytest.approx(float(exactly(part, whole)), rel=1e-10)


def test_fisher_is_that_of_scipy():
    fisher_exact = pytest.importorskip("scipy.stats").fisher_exact
    rng = np.random.default_rng(0)
    for _ in range(200):
        whole = Share(int(rng.integers(1, 4000)), 4000)
        rows = int(rng.integers(1, 4000))
        part = Share(int(rng.hypergeometric(whole.hits, whole.rows - whole.hits, rows)), rows)
        rest = whole.without(part)
        table = [[part.hits, part.rows - part.hits], [rest.hits, rest.rows - rest.hits]]
        assert fisher_lower(part, whole) == pytest.approx(fisher_exact(table, alternative="less")[1], rel=1e-8)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_adjusted_values_are_what_the_step_up_procedure_rejects(values):
    p = np.array(values)
    adjusted = benjamini_hochberg(p)
    for level in (0.01, 0.05, 0.2):
        ranked = sorted(values)
        passed = [k for k, value in enumerate(ranked, 1) if value * (len(values) / k) <= level]
        most = ranked[max(passed) - 1] if passed else -1.0
        assert (adjusted <= level).tolist() == [value <= most for value in values]
    assert ((adjusted >= p - 1e-15) & (adjusted <= 1)).all()


def test_adjusted_values_are_those_of_scipy():
    control = getattr(pytest.importorskip("scipy.stats"), "false_discovery_control", None)
    if control is None:
        pytest.skip("this scipy has none")
    p = np.random.default_rng(1).random(500) ** 3
    assert benjamini_hochberg(p) == pytest.approx(control(p), rel=1e-12)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_the_printed_one(one, other, low, high):
    found = difference(Share(*one), Share(*other), Confidence().critical)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(tables(), st.sampled_from([0.5, 0.05, 0.001]))
def test_the_least_difference_that_shows_is_the_last_one_that_is_significant(table, level):
    part, whole = table
    if part.rows == whole.rows:
        return
    low = max(0, part.rows + whole.hits - whole.rows)
    shown = [
        Share(k, part.rows)
        for k in range(low, min(part.rows, whole.hits) + 1)
        if k * whole.rows <= part.rows * whole.hits and fisher_lower(Share(k, part.rows), whole) <= level
    ]
    gaps = [share.value - whole.without(share).value for share in shown]
    assert least_shown(part.rows, whole, level) == (max(gaps) if gaps else None)
