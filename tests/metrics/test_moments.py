"""Sums without rounding, beside rational arithmetic; what is subtracted loses nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from evalcli.metrics import regression
from evalcli.metrics.moments import Moments


def moment(preds, target, weight=None, batch=None):
    state = Moments(weighted=weight is not None)
    for start in range(0, len(target), batch or len(target)):
        part = slice(start, start + (batch or len(target)))
        state.update(preds[part], target[part], None if weight is None else weight[part])
    return state.compute()[0]


def exact_r2(preds, target):
    """R² in rational arithmetic; sums of float32 fit into integers of a fixed unit."""
    p, t = ([Fraction(x) for x in side.tolist()] for side in (preds, target))
    mean = sum(t) / len(t)
    return float(1 - sum((a - b) ** 2 for a, b in zip(p, t, strict=True)) / sum((b - mean) ** 2 for b in t))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weighted", [False, True])
def test_every_sum_is_the_true_sum(seed, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 50, 300]))
    spread = float(rng.choice([0, 1, 20, 60]))
    target = rng.choice([-1, 1], n) * rng.lognormal(sigma=spread, size=n) + rng.choice([0, 1e8])
    preds = target * (1 + 1e-3 * rng.standard_normal(n))
    target[::7], preds[::11] = 0.0, -0.0
    weight = rng.lognormal(sigma=spread, size=n) if weighted else None
    found = moment(preds, target, weight)
    w, t, p = (
        [Fraction(x) for x in each.tolist()] for each in (np.ones(n) if weight is None else weight, target, preds)
    )
    triples = list(zip(w, t, p, strict=True))
    assert found.n == sum(w)
    assert (found.target, found.preds) == (sum(a * b for a, b, _ in triples), sum(a * c for a, _, c in triples))
    assert found.target2 == sum(a * b * b for a, b, _ in triples)
    assert found.cross == sum(a * b * c for a, b, c in triples)
    assert found.preds2 == sum(a * c * c for a, _, c in triples)
    assert found.squared_error == sum(a * (b - c) ** 2 for a, b, c in triples)


def test_an_r2_below_every_float_is_minus_infinity():
    found = moment(np.ones(4), np.array([0.0, 3e-304, 0.0, 1e-304]))
    assert regression.r2(found) == -np.inf


def test_convention_21_r2_in_a_stream_is_the_true_one():
    """Mean 1e4, 1M rows of float32, in batches: torchmetrics, whose sums are float32, says 0.99."""
    rng = np.random.default_rng(21)
    target = (1e4 + rng.standard_normal(1_000_000)).astype(np.float32)
    preds = (target + 0.3463 * rng.standard_normal(1_000_000).astype(np.float32)).astype(np.float32)
    units = [np.rint(side.astype(np.float64) * 2**14).astype(np.int64) for side in (preds, target)]  # exact: ulp 2^−10
    assert all((unit / 2**14 == side).all() for unit, side in zip(units, (preds, target), strict=True))
    p, t = units
    total, squares = int(t.sum()), int(((t - t[0]) ** 2).sum())  # about the first, for room
    spread = Fraction(squares) - Fraction(total - len(t) * int(t[0])) ** 2 / len(t)
    true = float(1 - Fraction(int(((p - t) ** 2).sum())) / spread)
    assert round(true, 2) == 0.88
    found = moment(preds, target, batch=99_999)
    assert regression.r2(found) == true
    assert regression.r2(moment(preds[::-1], target[::-1], batch=500_001)) == true


@pytest.mark.parametrize("center", [0.0, 1e4, 1e8, -3e12])
def test_targets_far_from_zero_lose_nothing(center):
    rng = np.random.default_rng(1)
    target = center + rng.standard_normal(500) * 1e-3
    preds = target + rng.standard_normal(500) * 3e-4
    found = moment(preds, target, batch=100)
    p, t = ([Fraction(x) for x in side.tolist()] for side in (preds, target))
    mean_t, mean_p = sum(t) / 500, sum(p) / 500
    errors, spread = sum((a - b) ** 2 for a, b in zip(p, t, strict=True)), sum((b - mean_t) ** 2 for b in t)
    assert regression.r2(found) == float(1 - errors / spread)
    assert regression.mse(found) == float(errors / 500)
    assert regression.bias(found) == float(mean_p - mean_t)
    off = mean_p - mean_t
    assert regression.explained_variance(found) == float(1 - (errors - 500 * off**2) / spread)
    shared = sum((a - mean_p) * (b - mean_t) for a, b in zip(p, t, strict=True))
    square = shared**2 / (spread * sum((a - mean_p) ** 2 for a in p))
    assert regression.pearson(found) == pytest.approx(float(square) ** 0.5, rel=1e-15)


def test_convention_21_a_constant_target_is_1_if_exact_else_0():
    constant = np.full(50, 0.1)
    assert regression.r2(moment(constant, constant)) == 1.0
    assert regression.r2(moment(constant + 1e-9, constant)) == 0.0
    assert regression.explained_variance(moment(np.full(50, 0.3), constant)) == 1.0
    assert regression.explained_variance(moment(np.arange(50.0), constant)) == 0.0
    # a sum of squares in float64 would leave a spread of some 1e-16 here, and R² of −1e16
    assert regression.r2(moment(np.full(9, 1e8 + 0.2), np.full(9, 1e8 + 0.1))) == 0.0


def test_one_row_and_none():
    one = moment(np.array([1.0]), np.array([3.0]))
    assert (regression.mse(one), regression.rmse(one), regression.bias(one)) == (4.0, 2.0, -2.0)
    for formula in (regression.r2, regression.explained_variance, regression.pearson):
        assert np.isnan(formula(one))
    none = Moments().compute()[0]
    for formula in (regression.mse, regression.rmse, regression.bias, regression.r2, regression.pearson):
        assert np.isnan(formula(none))
    assert regression.line(none) is None


def test_the_line_through_the_predictions():
    preds = np.arange(20.0)
    assert regression.line(moment(preds, preds * 1.5 - 7)) == (1.5, -7.0)
    assert regression.line(moment(np.ones(20), preds)) is None


@pytest.mark.parametrize("size", [1e-70, 1e-5, 1.0, 1e70])
def test_sizes_at_the_ends_of_the_range(size):
    target = np.array([1.0, 2.0, 4.0]) * size
    found = moment(target * 1.5, target)
    assert regression.rmse(found) == pytest.approx(size * (5.25 / 3) ** 0.5, rel=1e-15)
    assert regression.pearson(found) == 1.0
