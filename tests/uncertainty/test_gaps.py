"""How far apart slices lie: the interval is of all pairs at once, so that whoever picks the extremes is not misled."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.report import Value
from evalcli.uncertainty.gaps import widest
from evalcli.uncertainty.intervals import Confidence, wilson
from evalcli.uncertainty.quantiles import normal_quantile

SURE = Confidence()


def share(hits: float, rows: float, critical: float = SURE.critical) -> Value:
    found = wilson(hits, rows, critical)
    return Value(hits / rows, found.low, found.high, "wilson")


def test_two_shares_have_the_interval_of_newcombe() -> None:
    """Newcombe 1998, table II, method 10: 56/70 and 48/80 differ by 0.0524 to 0.3339."""
    found = widest([[share(56, 70), share(48, 80)]], SURE)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.method == "newcombe"


def test_ends_of_many_pairs_are_those_of_shares_at_their_confidence() -> None:
    hits, rows = (9, 40, 30, 20), (10, 50, 40, 20)
    found = widest([[share(*one) for one in zip(hits, rows, strict=True)]], SURE, 0.0, 1.0)
    at = [share(*one, normal_quantile(1 - 0.025 / 6)) for one in zip(hits, rows, strict=True)]
    low, high = [], []
    for one in at:
        for two in at:
            low += [one.value - two.value - np.hypot(one.value - one.low, two.high - two.value)]
            high += [one.value - two.value + np.hypot(one.high - one.value, two.value - two.low)]
    assert found is not None
    assert (found.low, found.high) == pytest.approx((max(0.0, *low), max(high)), abs=1e-12)


@pytest.mark.parametrize(
    "values", [[share(5, 10)], [share(5, 10), Value(0.5)], [share(5, 10), Value(None)]], ids=["one", "unsure", "none"]
)
def test_what_is_not_known_has_no_interval(values: list[Value]) -> None:
    assert widest([values], SURE) is None


def test_ends_stay_in_the_range_of_the_metric() -> None:
    values = [Value(0.99, 0.9, 1.0, "delta"), Value(0.02, 0.0, 0.1, "delta"), Value(0.5, 0.4, 0.6, "delta")]
    found = widest([values], SURE, 0.0, 1.0)
    assert found is not None
    assert 0.8 < found.low < 0.97 < found.high <= 1.0


@pytest.mark.parametrize(
    ("truths", "rows"),
    [((0.9, 0.9), 100), ((0.9, 0.8), 100), ((0.95, 0.95, 0.95, 0.8), 100), ((0.8,) * 10, 60)],
    ids=["two alike", "two", "four", "ten alike"],
)
def test_the_true_gap_is_held(truths: tuple[float, ...], rows: int) -> None:
    rng = np.random.default_rng(0)
    gap, held = max(truths) - min(truths), 0
    for hits in rng.binomial(rows, truths, (400, len(truths))):
        found = widest([[share(float(one), float(rows)) for one in hits]], SURE, 0.0, 1.0)
        assert found is not None
        assert found.low <= (hits.max() - hits.min()) / rows <= found.high
        held += found.low <= gap + 1e-12 <= found.high + 2e-12
    assert held >= 0.93 * 400
