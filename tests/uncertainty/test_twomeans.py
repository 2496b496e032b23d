"""Two means: Welch's test against scipy, the permutation test against all permutations, both under no difference."""

from itertools import combinations

import numpy as np
import pytest

from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twomeans import Mean, permuted_larger, welch_larger


def mean(values):
    return Mean(len(values), *(float((values**power).sum()) for power in (1, 2, 3)))


@pytest.mark.parametrize("seed", range(5))
def test_welch_is_that_of_scipy(seed):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    one, other = rng.lognormal(0.1 * seed, 1, 9 + 20 * seed), rng.lognormal(0, 0.5, 200)
    wanted = stats.ttest_ind(one, other, equal_var=False, alternative="greater")
    assert welch_larger(mean(one), mean(other)) == pytest.approx(wanted.pvalue, rel=1e-9)
    two = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = mean(one).difference(mean(other), Confidence())
    assert (found.low, found.high) == pytest.approx((two.low, two.high), rel=1e-9)


def test_the_permutation_test_is_near_the_one_of_all_permutations():
    values = np.random.default_rng(2).exponential(size=18)
    whole, sums = mean(values), np.array([sum(each) for each in combinations(values, 7)])
    for part in ((0, 1, 2, 3, 4, 5, 6), tuple(np.argsort(values)[-9:-2]), tuple(np.argsort(values)[-12:-5])):
        chosen = mean(values[list(part)])
        exact = (sums >= chosen.total - 1e-12).mean()
        assert permuted_larger(chosen, whole) == pytest.approx(exact, abs=0.015)


def test_rows_that_are_all_alike_tell_nothing_or_everything():
    alike = mean(np.full(50, 0.1))
    assert alike.p_worse(mean(np.full(90, 0.1))) == 1.0
    assert mean(np.full(40, 2.0)).p_worse(mean(np.concatenate([np.full(40, 2.0), np.full(400, 0.1)]))) < 1e-9
    assert mean(np.array([5.0])).p_worse(mean(np.array([5.0, 1.0, 2.0]))) == 1.0
    assert alike.least_shown(20, 0.05) is None


@pytest.mark.parametrize("scale", [1e-90, 1e-30, 1e30, 1e74])
def test_the_unit_of_the_values_does_not_matter(scale):
    values = np.random.default_rng(3).lognormal(0, 1, 900)
    values[:60] *= 1.4
    plain, scaled = (mean(each[:60]).p_worse(mean(each)) for each in (values, values * scale))
    assert scaled == pytest.approx(plain, rel=1e-9)


def test_a_difference_that_would_be_found_is_found():
    rng = np.random.default_rng(4)
    values = rng.exponential(size=4000)
    gap = mean(values).least_shown(400, 1e-3)
    assert 0.1 < gap < 0.3

    def p_value(shift):
        moved = values + np.where(np.arange(4000) < 400, shift - values[:400].mean() + values[400:].mean(), 0.0)
        return mean(moved[:400]).p_worse(mean(moved))

    assert p_value(1.15 * gap) < 1e-3 < p_value(0.85 * gap)
