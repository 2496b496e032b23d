"""Sums over clusters: how much larger they make a variance."""

import numpy as np
import pytest

from evalcli.uncertainty.clusters import freedom, inflation


@pytest.mark.parametrize("scale", [1.0, 1e-50, 1e-90, 1e-150])
def test_sums_that_are_next_to_nothing_tell_as_much_as_larger_ones(scale):
    sums, sizes = np.array([1.0, -2.0, 1.0]), np.full(3, 2.0)
    assert inflation(sums * scale, scale * scale, sizes) == pytest.approx(inflation(sums, 1.0, sizes), rel=1e-9)
    assert freedom(sums * scale, 3.0) == freedom(sums, 3.0)


def test_what_rows_alone_say_of_a_cluster_is_known():
    sums = np.r_[np.full(395, 0.01), np.full(5, 3.0)]  # clusters of one row, of which five are wrong
    assert freedom(sums, 400.0) < 12.0
    assert freedom(sums, 400.0, sums**2) == 399.0
    assert freedom(sums, 400.0, 7.0 * sums**2) == 399.0  # in any unit
    apart = np.random.default_rng(0).normal(size=400)
    assert freedom(apart, 400.0, np.ones(400)) == freedom(apart, 400.0)
    assert freedom(np.zeros(400), 300.0, np.zeros(400)) == 299.0
