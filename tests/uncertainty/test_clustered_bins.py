"""Calibration errors of rows in clusters: what groups add to them, and how often their intervals hold the truth."""

import numpy as np
import pytest

from evalcli.metrics.calibration import BinTable, ece
from evalcli.uncertainty.bins import (
    calibration_interval,
    clustered_calibration_interval,
    gap_inflation,
    gap_sums,
    gap_variance,
)
from evalcli.uncertainty.clusters import freedom, inflation, surer
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.quantiles import t_quantile

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
    sums = gap_sums(whole, groups)
    rows, inside = inflation(sums, gap_variance(whole), sizes), gap_inflation(whole, groups)
    critical = t_quantile(1 - CONFIDENCE.tail, freedom(sums, sizes.sum() ** 2 / (sizes**2).sum()))
    times, sure = surer(CONFIDENCE, critical)
    return clustered_calibration_interval(whole, sure, inside * times, rows / inside)


def test_what_a_group_adds_is_the_error_without_it():
    groups = tables_of(np.random.default_rng(0), 0.1, 0.2)
    whole = added(groups)
    for place, found in enumerate(gap_sums(whole, groups)[:5]):
        rest = added(groups[:place] + groups[place + 1 :])
        expected = (1 - groups[place].n.sum() / whole.n.sum()) * (float(ece(whole)) - float(ece(rest)))
        assert found == pytest.approx(expected, rel=1e-9)


def test_several_tables_are_averaged():
    groups = tables_of(np.random.default_rng(0), 0.1, 0.2)
    both = [
        BinTable(*(np.stack([part, part]) for part in (one.n, one.confidence, one.right)), one.low, one.high)
        for one in groups
    ]
    np.testing.assert_allclose(gap_sums(added(both), both), gap_sums(added(groups), groups))
    one, two = interval_of(groups), interval_of(both)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-6)


@pytest.mark.parametrize("together", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("right", [[30, 20, 150], [61, 48, 271], [0, 0, 0], [200, 100, 300], [60, 50, 270]])
def test_intervals_hold_the_error_inside_the_range_and_have_a_width(right, together):
    n, sure = np.array([200.0, 100, 300]), np.array([60.0, 50, 270])
    table = BinTable(n, sure, np.array(right, float), np.zeros(3), np.ones(3))
    found = clustered_calibration_interval(table, CONFIDENCE, 1.5, together)
    assert 0 <= found.low <= float(ece(table)) <= found.high <= 1
    assert found.width > 0.001
    assert clustered_calibration_interval(table, CONFIDENCE, 1.5, together + 2).width >= found.width


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
