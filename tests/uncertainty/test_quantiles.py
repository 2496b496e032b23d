"""Quantiles and tails against scipy, over ten orders of magnitude."""

import numpy as np
import pytest
from scipy import special, stats

from evalcli.uncertainty.quantiles import (
    beta_cdf,
    binomial_tail,
    normal_quantile,
    normal_tail,
    t_quantile,
    t_two_sided,
    two_sided,
)


def test_beta_equals_scipy():
    rng = np.random.default_rng(0)
    for a, b in np.exp(rng.uniform(-3, 14, (400, 2))).tolist():
        x = float(rng.beta(a, b))
        assert beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-13)
    assert (beta_cdf(-1, 2, 3), beta_cdf(0, 2, 3), beta_cdf(1, 2, 3), beta_cdf(2, 2, 3)) == (0, 0, 1, 1)


@pytest.mark.parametrize("trials", [1, 2, 7, 100, 999, 1001, 5000, 10_000_000])
def test_binomial_tail_equals_scipy(trials):
    for z in (-6.0, -2.0, -0.5, 0.0, 1.0, 3.0):
        successes = max(round(trials / 2 + z * np.sqrt(trials) / 2), 0)
        expected = stats.binom.cdf(successes, trials, 0.5)
        assert binomial_tail(successes, trials) == pytest.approx(expected, rel=1e-10, abs=1e-300)
    assert binomial_tail(trials, trials) == 1


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 9.3, 30, 1e3, 1e5, 1e9])
def test_t_equals_scipy(freedom):
    for level in (0.005, 0.3, 0.5, 0.9, 0.975, 0.9999):
        expected = stats.t.ppf(level, freedom)
        assert t_quantile(level, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-12)
        assert t_two_sided(t_quantile(level, freedom), freedom) == pytest.approx(2 * min(level, 1 - level), rel=1e-8)
    assert t_two_sided(np.inf, freedom) == 0


@pytest.mark.parametrize("probability", [0.975, 0.6, 0.001, 1 - 1e-9])
def test_t_of_some_degrees_equals_scipy(probability):
    for freedom in (39.0, 120.0, 761.5347077919866, 3.5e3):
        assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-12)


@pytest.mark.parametrize("probability", [0.975, 0.6, 0.001, 1 - 1e-9])
def test_t_of_many_degrees_equals_scipy(probability):
    for freedom in (4.1e3, 5e4, 1e6, 9e6):
        assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-13)


def test_normal_equals_scipy():
    for z in (-3.0, 0.0, 0.5, 1.96, 8.0):
        assert normal_tail(z) == pytest.approx(stats.norm.sf(z), rel=1e-12)
        assert two_sided(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)
    assert normal_quantile(0.9) == pytest.approx(stats.norm.ppf(0.9), abs=1e-14)
