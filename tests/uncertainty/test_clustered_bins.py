"""Numbers read off bins of rows in clusters: how much more they vary, and how often their intervals hold the truth."""

from functools import partial

import numpy as np
import pytest

from evalcli.metrics.calibration import BinTable, brier_reliability, brier_resolution, ece
from evalcli.uncertainty.bins import calibration_interval
from evalcli.uncertainty.clusterbins import spread_of
from evalcli.uncertainty.clusters import freedom, surer
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.squares import reliability_interval, resolution_interval, side_interval

CONFIDENCE = Confidence()
CLUSTERS = 100
EDGES = np.arange(11) / 10


def tables_of(rng: np.random.Generator, off: float, alike: float) -> list[BinTable]:
    """Of each of 100 clusters of 1 to 12 rows, right more often than promised by ``off`` and a cluster's own share."""
    found = []
    for rows in rng.integers(1, 13, CLUSTERS):
        sure = rng.uniform(0.5, 1.0, rows)
        share = np.clip(sure * (1 - off) + off + alike * rng.uniform(-1, 1), 0, 1)
        place = np.minimum((sure * 10).astype(int), 9)
        sums = [np.bincount(place, part, 10) for part in (np.ones(rows), sure, rng.random(rows) < share)]
        found.append(BinTable(*sums, EDGES[:-1], EDGES[1:]))
    return found


def added(tables: list[BinTable]) -> BinTable:
    parts = [np.sum([getattr(one, part) for one in tables], axis=0) for part in ("n", "confidence", "right")]
    return BinTable(*parts, tables[0].low, tables[0].high)


def interval_of(groups: list[BinTable]) -> Interval:
    """As a report finds it."""
    whole, sizes = added(groups), np.array([np.atleast_2d(one.n)[0].sum() for one in groups])
    spread = spread_of("ece", whole, groups, sizes)
    critical = t_quantile(1 - CONFIDENCE.tail, freedom(spread.sums, sizes.sum() ** 2 / (sizes**2).sum()))
    times, sure = surer(CONFIDENCE, critical)
    return calibration_interval(whole, sure, spread.inside * times, spread.together)


def rows_of(place, right, cluster) -> list[BinTable]:
    """The tables of clusters of rows in bins ``place`` (M,), whose confidence is that of their bin."""
    found = []
    for one in np.unique(cluster):
        at = place[cluster == one]
        n = np.bincount(at, minlength=10)
        hits = np.bincount(at, right[cluster == one], minlength=10)
        found.append(BinTable(n.astype(float), n * (EDGES[:-1] + 0.05), hits, EDGES[:-1], EDGES[1:]))
    return found


def stacked(tables: list[BinTable]) -> BinTable:
    """Several tables (B,) as one (T, B)."""
    parts = (np.stack([getattr(one, part) for one in tables]) for part in ("n", "confidence", "right"))
    return BinTable(*parts, tables[0].low, tables[0].high)


VALUES = {
    "ece": ece,
    "brier_reliability": brier_reliability,
    "brier_resolution": brier_resolution,
}


@pytest.mark.parametrize(("base", "tables"), [*((base, 1) for base in VALUES), ("ece", 3)])
def test_what_a_group_adds_is_how_the_number_moves_with_its_weight(base, tables):
    rng = np.random.default_rng(0)
    cluster, place = np.repeat(np.arange(40), 12), rng.integers(2, 8, 480)
    rate = 0.4 * (place / 10 + 0.05) + 0.6 * (place % 2)  # gaps of either side that are no noise
    each = [rows_of(place, (rng.random(480) < rate).astype(float), cluster) for _ in range(tables)]
    groups = [stacked(list(parts)) if tables > 1 else parts[0] for parts in zip(*each, strict=True)]
    whole = added(groups)

    def moved(group: BinTable, step: float) -> float:
        parts = {part: getattr(whole, part) + step * getattr(group, part) for part in ("n", "confidence", "right")}
        return float(np.mean(VALUES[base](whole._replace(**parts))))

    for group, found in zip(groups, spread_of(base, whole, groups, np.full(40, 12.0)).sums, strict=True):
        assert found == pytest.approx((moved(group, 1e-4) - moved(group, -1e-4)) / 2e-4, abs=1e-8)


@pytest.mark.parametrize(("base", "tables"), [*((base, 1) for base in (*VALUES, "mce", "overconfidence")), ("ece", 4)])
@pytest.mark.parametrize("rows", [5, 30, 100])
def test_clusters_of_one_row_vary_as_rows_do(base, rows, tables):
    rng = np.random.default_rng(rows)
    each = []
    for _ in range(tables):
        place = rng.integers(0, 10, rows)
        each.append(rows_of(place, (rng.random(rows) < place / 10).astype(float), np.arange(rows)))
    groups = [stacked(list(parts)) if tables > 1 else parts[0] for parts in zip(*each, strict=True)]
    spread = spread_of(base, added(groups), groups, np.ones(rows))
    assert (spread.inside, spread.together) == pytest.approx((1.0, 1.0), abs=1e-12)


@pytest.mark.parametrize("copies", [2, 5])
def test_rows_that_are_copies_vary_as_many_times_as_much(copies):
    rng = np.random.default_rng(1)
    place = np.repeat(rng.integers(0, 10, 400), copies)
    right = np.repeat(rng.random(400) < 0.3, copies).astype(float)
    groups = rows_of(place, right, np.repeat(np.arange(400), copies))
    spread = spread_of("ece", added(groups), groups, np.full(400, float(copies)))
    assert (spread.inside, spread.together) == pytest.approx((copies, 1.0), rel=0.03)


@pytest.mark.parametrize("base", ["ece", "brier_reliability"])
def test_rows_of_two_bins_that_are_right_together_move_together(base):
    right = np.repeat(np.random.default_rng(2).random(300) < 0.3, 2).astype(float)
    groups = rows_of(np.tile([7, 8], 300), right, np.repeat(np.arange(300), 2))
    spread = spread_of(base, added(groups), groups, np.full(300, 2.0))
    assert (spread.inside, spread.together) == pytest.approx((1.0, 2.0), rel=0.05)


def test_rows_of_which_one_is_right_where_the_other_is_wrong_are_no_surer_than_rows():
    right = np.where(np.arange(200) < 20, 1.0, np.tile([0.0, 1.0], 100))
    groups = rows_of(np.full(200, 8), right, np.repeat(np.arange(100), 2))
    spread = spread_of("ece", added(groups), groups, np.full(100, 2.0))
    assert (spread.inside, spread.together) == (1.0, 1.0)


def test_where_nothing_varies_rows_of_a_cluster_are_all_alike():
    groups = rows_of(np.full(200, 8), np.ones(200), np.repeat(np.arange(20), 10))
    spread = spread_of("ece", added(groups), groups, np.full(20, 10.0))
    assert (spread.inside, spread.together) == pytest.approx((10.0, 1.0))


def test_several_tables_are_averaged():
    groups = tables_of(np.random.default_rng(0), 0.1, 0.2)
    both = [
        BinTable(*(np.stack([part, part]) for part in (one.n, one.confidence, one.right)), one.low, one.high)
        for one in groups
    ]
    one, two = interval_of(groups), interval_of(both)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-6)


@pytest.mark.parametrize("together", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("right", [[30, 20, 150], [61, 48, 271], [0, 0, 0], [200, 100, 300], [60, 50, 270]])
def test_intervals_hold_the_error_inside_the_range_and_have_a_width(right, together):
    n, sure = np.array([200.0, 100, 300]), np.array([60.0, 50, 270])
    table = BinTable(n, sure, np.array(right, float), np.zeros(3), np.ones(3))
    found = calibration_interval(table, CONFIDENCE, 1.5, together)
    assert 0 <= found.low <= float(ece(table)) <= found.high <= 1
    assert found.width > 0.001
    assert calibration_interval(table, CONFIDENCE, 1.5, together + 2).width >= found.width


@pytest.mark.parametrize("interval", [reliability_interval, resolution_interval, partial(side_interval, sign=-1.0)])
def test_bins_that_move_together_are_less_sure(interval):
    n, sure = np.array([200.0, 100, 300]), np.array([60.0, 50, 270])
    table = BinTable(n, sure, np.array([30.0, 20, 150]), np.zeros(3), np.ones(3))
    alone, found = (interval(table, confidence=CONFIDENCE, together=together) for together in (1.0, 3.0))
    assert alone == interval(table, confidence=CONFIDENCE)
    assert 1.3 < found.width / alone.width < 2.2


@pytest.mark.parametrize(("off", "alike"), [(-0.1, 0.4), (0.0, 0.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(off, alike):
    rng, sets = np.random.default_rng(7), 150
    sure = np.linspace(0.5, 1, 400, endpoint=False)[:, None]
    share = np.clip(sure * (1 - off) + off + alike * np.linspace(-1, 1, 401)[None], 0, 1).mean(axis=1)
    truth = float(np.abs((share - sure[:, 0]).reshape(5, -1).mean(axis=1)).mean())
    drawn = [tables_of(rng, off, alike) for _ in range(sets)]
    held, plain = (
        np.mean([truth in of(groups) for groups in drawn])
        for of in (interval_of, lambda groups: calibration_interval(added(groups), CONFIDENCE))
    )
    assert held >= 0.93 - 0.055
    assert not alike or plain < held - 0.05
