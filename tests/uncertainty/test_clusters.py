"""Sums over clusters: how much larger they make a variance."""

import numpy as np
import pytest

from evalcli.classification.clusters import CellTable
from evalcli.uncertainty.clusters import Clusters, freedom, inflation


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


def test_a_table_says_the_same_sorted_or_not_and_is_brought_together_once(monkeypatch):
    rng = np.random.default_rng(0)
    cluster, cell = rng.integers(30, size=400), (rng.integers(3, size=400) << 32) | rng.integers(4, size=400)
    table = CellTable(weighted=False)
    table.count(cluster, cell, None, None)
    ordered = table.table()
    monkeypatch.setattr("evalcli.classification.clusters.distinct_rows", None)
    assert all(np.array_equal(one, two) for one, two in zip(table.table(), ordered, strict=True))
    told = Clusters.of(*ordered[:4])
    mixed = rng.permutation(len(ordered.cluster))
    for numbers in (ordered.cluster[mixed], ordered.cluster[mixed] * 10**6 - 7):  # from 0, and far apart
        found = Clusters.of(numbers, *(part[mixed] for part in ordered[1:4]))
        for name in ("cluster", "cell", "amounts"):
            assert np.array_equal(getattr(found, name), getattr(told, name))
        assert np.array_equal(found.cells.amounts, told.cells.amounts)
