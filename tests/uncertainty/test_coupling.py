"""How columns go together: against the variance over samples, and where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.metrics.rank_sample import SampledRows
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.roc import ks
from evalcli.uncertainty.coupling import SampledInfluences, coupled_mean, of_cells
from evalcli.uncertainty.distances import distance_estimates, distance_interval
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.rankestimates import auroc_estimate, average_precision_estimate
from evalcli.uncertainty.rankinfluences import RowInfluence

RNG = np.random.default_rng(3)
ESTIMATES = {"auroc": auroc_estimate, "average_precision": average_precision_estimate}


def drawn(rows, labels, alike):
    """Scores and targets (N, L) whose causes and errors are shared to the part ``alike``."""
    shared, noise = RNG.normal(size=(2, rows, 1))
    target = (alike * shared + (1 - alike) * RNG.normal(size=(rows, labels)) > 0.3).astype(int)
    return 1.2 * target + alike * noise + (1 - alike) * RNG.normal(size=(rows, labels)), target


def table_of(scores, target):
    table = KeyTable(scores.shape[1])
    table.take_cells(scores.T, target.T.astype(np.int8), None, None)
    return table


def coupling_of(base, rows, table):
    rankings = table.compute()
    weights = np.full(len(rankings), 1 / len(rankings))
    estimates = [ESTIMATES[base](ranking) for ranking in rankings]
    return SampledInfluences.of(base, rows, rankings).coupling(estimates, weights)


@pytest.mark.parametrize("base", ESTIMATES)
def test_columns_that_are_all_one_are_coupled_as_closely_as_can_be(base):
    scores, target = (np.repeat(side, 5, axis=1) for side in drawn(400, 1, 0.5))
    table, rows = table_of(scores, target), SampledRows(scores, target, np.ones(400))
    assert coupling_of(base, rows, table) == pytest.approx(5, rel=0.02)
    assert of_cells(rows, RowInfluence.of(base, table.pooled())) == pytest.approx(5)


def test_columns_apart_are_not_coupled_and_few_rows_do_not_tell():
    scores, target = drawn(4000, 4, 0.0)
    table, rows = table_of(scores, target), SampledRows(scores, target, np.ones(4000))
    assert coupling_of("auroc", rows, table) == pytest.approx(1, abs=0.15)
    assert coupling_of("auroc", SampledRows(*(part[:10] for part in rows)), table) is None
    heavy = rows._replace(squares=np.where(np.arange(4000) < 10, 1.0, 1e-9))
    assert coupling_of("auroc", heavy, table) is None


@pytest.mark.parametrize("base", ESTIMATES)
@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (8, 4, 2, 1)], ids=["balanced", "skewed"])
def test_the_variance_of_a_mean_of_classes_is_that_over_samples(base, shares):
    weights = np.full(4, 0.25)
    values, told = [], []
    for number in range(400):
        target = RNG.choice(4, 400, p=np.divide(shares, sum(shares)))
        scores = RNG.normal(size=(400, 4))
        scores[np.arange(400), target] += 1.0
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        held = target[:, None] == np.arange(4)
        table = table_of(scores, held)
        estimates = [ESTIMATES[base](ranking) for ranking in table.compute()]
        values.append(np.mean([one.value for one in estimates]))
        if number % 8 == 0:
            found = coupling_of(base, SampledRows(scores, held, np.ones(400)), table)
            told.append(found * weights @ weights / 4 * sum(e.pos.variance + e.neg.variance for e in estimates))
    assert np.mean(told) == pytest.approx(np.var(values), rel=0.25)


def test_a_mean_distance_of_classes_is_surer_than_their_distances():
    rng = np.random.default_rng(0)
    target = rng.choice(4, 400)
    scores = rng.normal(size=(400, 4)) + 1.5 * np.eye(4)[target]
    held = target[:, None] == np.arange(4)
    rankings = table_of(scores, held).compute()
    sampled = SampledInfluences.of("ks", SampledRows(scores, held, np.ones(400)), rankings)
    weights, value = np.full(4, 0.25), float(np.mean([ks(one).value for one in rankings]))
    coupling = sampled.coupling(distance_estimates(rankings), weights)
    each = [distance_interval(one, Confidence(), drawn=False) for one in rankings]
    found = coupled_mean(each, weights.tolist(), value, coupling)
    assert 0.8 < coupling < 1.3
    mean = np.mean([one.width for one in each])
    assert coupling**0.5 / 2.0 * mean < found.width < 0.8 * mean
    assert coupled_mean(each, weights.tolist(), value, 99.0).width == pytest.approx(mean)


def test_the_rows_of_some_columns():
    moved = np.arange(12.0).reshape(3, 4)
    found = SampledInfluences(moved, np.eye(4)[:3], np.ones(3))
    picked = found.of_columns((1, 3), alone=True)
    assert (picked.moved.tolist(), picked.target.tolist()) == ([[5.0, 7.0]], [[1.0, 0.0]])
    assert found.of_columns((0,), alone=False).moved.tolist() == [[0.0], [4.0], [8.0]]
