"""Rows of a search by cluster: what they tell against a loop over clusters, rows that are copies, any order of rows."""

from math import inf

import numpy as np
import pytest

from evalcli.scanning.clusters import EVERYWHERE, ScanClusters
from evalcli.scanning.counts import Hits, Sums
from evalcli.scanning.tables import ScanTables
from evalcli.scanning.weakslices import judged
from evalcli.sources.base import Scan, Scanned, Slicer
from evalcli.uncertainty.clusters import freedom, inflation


def drawn(seed=0, rows=400, clusters=60):
    """Cluster numbers, codes of two columns with some of no value, values and weights of rows."""
    rng = np.random.default_rng(seed)
    cluster = rng.choice(rng.integers(-(2**62), 2**62, clusters), rows)
    codes = np.stack([cluster % 3, rng.integers(-1, 4, rows)], axis=1)
    return cluster, codes, rng.lognormal(0, 1, rows), rng.lognormal(0, 1, rows)


def told(cluster, values, weight):
    """How many times fewer rows tell as much, the degrees of freedom, and how many rows of one weight these are."""
    total, middle = weight.sum(), np.average(values, weights=weight)
    pulls, sizes = (
        np.array([part[cluster == one].sum() for one in np.unique(cluster)])
        for part in (weight * (values - middle), weight)
    )
    squares = (weight**2).sum()
    found = inflation(pulls, (weight**2 * (values - middle) ** 2).sum(), sizes * total / squares)
    return max(found, 1.0), freedom(pulls, total**2 / (sizes**2).sum()), total**2 / squares


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("whole", [EVERYWHERE, ((1,), (2,))])
def test_a_slice_and_the_rest_are_told_apart_by_their_clusters(weighted, whole):
    cluster, codes, values, weight = drawn()
    weight = weight if weighted else np.ones(len(weight))
    held = ScanClusters(2)
    held.add(cluster, codes, values, None, weight if weighted else None)
    inside = (codes[:, 0] == 1) & (codes[:, 1] == 2)
    outside = ~inside & ((codes[:, 1] == 2) if whole[0] else True)
    sides = [told(cluster[rows], values[rows], weight[rows]) for rows in (inside, outside)]
    found = held.judged().fewer(((0, 1), (1, 2)), whole)
    assert (found.part, found.rest) == pytest.approx([side[0] for side in sides], rel=1e-9)
    shares = [times / size for times, _, size in sides]
    unsure = sum(share**2 / sure for share, (_, sure, _) in zip(shares, sides, strict=True))
    assert found.freedom == pytest.approx(sum(shares) ** 2 / unsure, rel=1e-9)


def test_no_order_and_no_worker_can_be_seen():
    cluster, codes, values, weight = drawn(1)
    values[::3], weight[::3] = 0.1, 0.3  # rows that are alike
    cluster[::3], codes[::3] = 7, 0
    whole, parts = ScanClusters(2), [ScanClusters(2) for _ in range(3)]
    whole.add(cluster, codes, values, None, weight)
    order = np.random.default_rng(2).permutation(len(cluster))
    for number, rows in enumerate(np.array_split(order, 5)):
        parts[number % 3].add(cluster[rows], codes[rows], values[rows], None, weight[rows])
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    for one, two in zip(whole.settle(), parts[2].settle(), strict=True):
        assert np.array_equal(one, two)
    assert len(whole.settle()[0]) < len(cluster)
    again = ScanClusters(2)
    *rows, counts = whole.settle()
    again.add(rows[0], np.stack(rows[1:3], axis=1), rows[3], counts, rows[4])
    assert again.judged().fewer(((0,), (0,))) == whole.judged().fewer(((0,), (0,)))


def test_copies_of_rows_tell_no_more_than_the_rows():
    _, codes, values, _ = drawn(3, rows=200)
    cluster = np.arange(200)
    copied = ScanClusters(2)
    copied.add(cluster, codes, values, np.full(len(cluster), 8))
    found = copied.judged().fewer(((0,), (1,)))
    assert (found.part, found.rest) == pytest.approx((8.0, 8.0), rel=0.03)
    single = ScanClusters(2)
    single.add(cluster, codes, values)
    assert single.judged().fewer(((0,), (1,))) == (1.0, 1.0, inf)
    assert single.judged().usual(0.1) == (1.0, 1.0, inf)


@pytest.mark.parametrize(("of_values", "of_weights"), [(2.0**-200, 2.0**-120), (2.0**120, 2.0**220)])
def test_no_unit_changes_what_clusters_tell(of_values, of_weights):
    cluster, codes, values, weight = drawn(4)
    usual, other = ScanClusters(2), ScanClusters(2)
    usual.add(cluster, codes, values, None, weight)
    other.add(cluster, codes, values * of_values, None, weight * of_weights)
    for place in (((0,), (1,)), ((0, 1), (1, 2))):
        assert other.judged().fewer(place) == usual.judged().fewer(place)


def test_clusters_of_a_single_one_and_of_none():
    held = ScanClusters(1)
    held.add(np.full(20, 5), np.arange(20)[:, None] % 2, np.arange(20) % 3)
    found = held.judged().fewer(((0,), (1,)))
    assert (found.part, found.rest, found.freedom) == (10.0, 10.0, 2.0)
    assert held.judged().fewer(((0,), (7,))).part == 1.0
    assert ScanClusters(2).judged().usual(0.5) == (1.0, 1.0, inf)


SIZES = (2, 3, 5)
COLUMNS = tuple(Slicer(f"c{i}", tuple(map(str, range(size)))) for i, size in enumerate(SIZES))


@pytest.mark.parametrize(("kind", "metric"), [(Hits, "accuracy"), (Sums, "mae")])
def test_patients_that_differ_make_no_slice_weak(kind, metric):
    """Patients of some 10 rows that are much alike, whose slices are drawn at random; some columns vary inside."""
    rng = np.random.default_rng(9)
    scanned = Scanned(Scan(tuple(column.name for column in COLUMNS)), COLUMNS)
    alarms = {True: 0, False: 0}
    for _ in range(40):
        cluster = np.repeat(np.arange(80), rng.integers(1, 20, 80))
        codes = np.stack([rng.integers(0, size, 80) for size in SIZES], axis=1)[cluster]
        codes[:, 0] = rng.integers(0, 2, len(cluster))
        level = 0.8 * rng.normal(size=80)[cluster] + 0.6 * rng.normal(size=len(cluster))
        values = (level < 0.8).astype(np.int64) if kind is Hits else np.exp(level)
        for clustered in alarms:
            tables = ScanTables(scanned, kind, clustered=clustered)
            tables.update(values, codes, None, None, cluster if clustered else None)
            found = judged(scanned, tables, metric, (), None)
            assert found.test.endswith(" (clusters)") == clustered
            alarms[clustered] += bool(found.slices)
    assert alarms[True] <= 0.05 * 40
    assert alarms[False] >= 0.5 * 40
