"""Deviances and logarithmic errors beside 60 digits: near agreement, where the textbook formula has none left, too."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from evalcli.metrics.deviance import Deviance, LogErrors


def exact(target, pred, power):
    with mp.workdps(60):
        t, p, q = mp.mpf(target), mp.mpf(pred), mp.mpf(power)
        if power == 1:
            return 2 * ((t * mp.log(t / p) if t > 0 else 0) - t + p)
        if power == 2:
            return 2 * (mp.log(p / t) + t / p - 1)
        return 2 * (t ** (2 - q) / ((1 - q) * (2 - q)) - t * p ** (1 - q) / (1 - q) + p ** (2 - q) / (2 - q))


def total(state, target, pred):
    state.update(np.array([pred]), np.array([target]))
    found = state.compute()[0].total
    return mp.mpf(found.numerator) / found.denominator


@pytest.mark.parametrize("power", [1, 1.0001, 1.3, 1.5, 1.8, 1.9999, 2, 2.0001, 2.5, 3, 6.5, 10])
def test_every_term_is_right_to_1e_13_however_near_the_two_are(power):
    rng = np.random.default_rng(int(power * 100))
    for size in (1e-12, 1e-6, 1e-3, 0.03, 0.0624, 0.0626, 0.3, 1.0, 5.0, 1000.0):
        for _ in range(20):
            pred = float(rng.lognormal())
            target = abs(pred * (1 + size * float(rng.standard_normal())))
            expected = exact(target, pred, power)
            found = total(Deviance(power=float(power)), target, pred)
            assert abs(found - expected) <= 1e-13 * expected, (target, pred)


@pytest.mark.parametrize("power", [1, 1.2, 1.5, 1.9])
def test_a_target_of_0_is_an_amount_too(power):
    for pred in (1e-9, 0.3, 7.0):
        expected = exact(0.0, pred, power)
        assert abs(total(Deviance(power=float(power)), 0.0, pred) - expected) <= 1e-14 * expected


def test_logarithmic_errors():
    rng = np.random.default_rng(3)
    for size in (1e-13, 1e-6, 0.03, 0.49, 0.51, 3.0, 1e4):
        for _ in range(40):
            target = float(rng.lognormal(sigma=2)) - float(rng.choice([0.0, 0.9999]) * (rng.random() < 0.3))
            pred = max(target + (1 + target) * size * float(rng.standard_normal()), -0.999999)
            with mp.workdps(60):
                expected = (mp.log1p(mp.mpf(pred)) - mp.log1p(mp.mpf(target))) ** 2
            assert abs(total(LogErrors(), target, pred) - expected) <= 1e-13 * expected, (target, pred)


def test_rows_without_a_term_are_counted_and_left_out():
    state = Deviance(power=2.0, weighted=True)
    state.update(np.array([1.0, 0.0, 1.0, -1.0, 0.0]), np.array([2.0, 1.0, 0.0, 1.0, 1.0]), np.array([1.0, 1, 1, 1, 0]))
    sums = state.compute()[0]
    assert (sums.outside, sums.infinite, sums.n) == (3, 0, 4)
    assert float(sums.total) == pytest.approx(float(exact(2.0, 1.0, 2)), rel=1e-15)
    logs = LogErrors()
    logs.update(np.array([-1.0, 1.0]), np.array([1.0, 1.0]), repeats=np.array([5, 2]))
    assert (logs.compute()[0].outside, logs.compute()[0].total) == (5, 0)
