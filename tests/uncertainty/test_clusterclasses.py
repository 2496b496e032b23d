"""What few clusters of a class leave unknown, against the variance over samples and a known truth."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from evalcli.metrics.registry import parse
from evalcli.uncertainty.clusters import Clusters
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.slopes import RATIOS, ratio_of

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.coverage import cover
from benchmarks.simulated.cases import CASES, SMALL

RECALL = RATIOS["recall"]


def clusters_of(right, target, size: int) -> Clusters:
    """Clusters of ``size`` rows of one class each, of which so many are right."""
    cluster = np.repeat(np.arange(len(target)), size)
    hit = np.arange(len(cluster)) % size < np.repeat(right, size)
    every = np.repeat(target, size)
    return Clusters.of(cluster, every, np.where(hit, every, -1), np.ones(len(cluster)))


@pytest.mark.parametrize("each", [2, 3, 6])
def test_the_variance_of_a_mean_of_recalls_is_that_over_samples(each):
    """What clusters scatter by around their own class is too little by one in so many."""
    rng, found, seen, means = np.random.default_rng(7), [], [], []
    target = np.repeat(np.arange(8), each)
    for _ in range(400):
        share = np.where(rng.random(len(target)) < 0.5, 0.9, 0.3)
        clusters = clusters_of(rng.binomial(6, share), target, 6)
        moves = clusters.by_class.of_mean(RECALL, np.full(8, 1 / 8))
        margins = clusters.cells.margins
        means.append((margins.tp / margins.support).mean())
        found.append((moves.sums**2).sum() + moves.unseen)
        slope = np.where(clusters.cells.preds >= 0, 1.0, 0.0) - (margins.tp / margins.support)[clusters.cells.target]
        seen.append((clusters.pulls(slope / margins.support[clusters.cells.target] / 8) ** 2).sum())
    assert np.mean(found) == pytest.approx(np.var(means), rel=0.15)
    assert np.mean(seen) == pytest.approx(np.var(means) * (each - 1) / each, rel=0.15)


def test_a_large_cluster_beside_a_small_one_does_not_hide_its_scatter():
    """With what each adds divided by the root of the rest of its class alone, a third of the variance is missing."""
    rng, found, means = np.random.default_rng(11), [], []
    sizes, target = np.tile([18, 2], 8), np.repeat(np.arange(8), 2)
    cluster = np.repeat(np.arange(16), sizes)
    for _ in range(400):
        hit = (rng.random(16) < 0.6)[cluster]
        clusters = Clusters.of(cluster, target[cluster], np.where(hit, target[cluster], -1), np.ones(len(cluster)))
        moves = clusters.by_class.of_mean(RECALL, np.full(8, 1 / 8))
        means.append((clusters.cells.margins.tp / clusters.cells.margins.support).mean())
        found.append((moves.sums**2).sum() + moves.unseen)
    assert np.mean(found) == pytest.approx(np.var(means), rel=0.15)


@pytest.mark.parametrize("size", [1, 8])
def test_a_single_class_is_as_unsure_as_its_own_clusters_are(size):
    """200 clusters of another class tell nothing about it; single rows are rows."""
    target, right = np.repeat([0, 1], [200, 8]), np.repeat([size, size, 0], [200, 5, 3])
    clusters = clusters_of(right, target, size)
    one = clusters.by_class.of_class(RECALL, 1, 1.0)
    assert one.effective == pytest.approx(8.0)
    assert one.variance == pytest.approx(5 / 8 * 3 / 8 / 8 * (1 + one.together / 7))
    assert one.together == 1.0 - 1.0 / size
    confidence = CountIntervals(clusters.cells).confidence
    ends = clusters.critical(confidence), t_quantile(0.975, 7.0)
    critical = clusters.critical(confidence, one)
    assert critical**2 == pytest.approx(ends[0] ** 2 + one.together * (ends[1] ** 2 - ends[0] ** 2))


def test_one_small_cluster_that_is_wrong_does_not_tell_how_clusters_scatter():
    """30 clusters of a class, of which one of a single row is wrong: as if three or four were all wrong or right."""
    sizes, target = np.r_[np.full(29, 10), 1, np.full(20, 10)], np.repeat([1, 0], [30, 20])
    cluster = np.repeat(np.arange(50), sizes)
    preds = np.where(cluster == 29, 0, target[cluster])
    clusters = Clusters.of(cluster, target[cluster], preds, np.ones(len(cluster)))
    found = CountIntervals(clusters.cells, clusters=clusters, classes=("0", "1")).of(parse("recall[1]"))
    assert 0.85 < found.low < 0.92
    rows = CountIntervals(clusters.cells, classes=("0", "1")).of(parse("recall[1]"))
    assert rows.low > 0.98


def test_a_class_in_one_cluster_is_as_good_as_unknown():
    clusters = clusters_of(np.array([8, 7, 6]), np.array([0, 0, 1]), 8)
    found = CountIntervals(clusters.cells, clusters=clusters, classes=("0", "1")).of(parse("recall[1]"))
    assert found.low < 0.05
    assert found.high > 0.95


def test_a_class_in_one_cluster_scatters_as_those_of_others_do():
    target = np.array([0, 0, 0, 0, 1])
    clusters = clusters_of(np.array([4, 1, 3, 0, 4]), target, 4)
    one = clusters.by_class.of_mean(RECALL, np.array([0.0, 1.0]))
    assert (one.sums == 0).all()
    assert one.unseen == 0.0  # all of its rows are right, and nothing but itself is asked
    both = clusters.by_class.of_mean(RECALL, np.array([0.5, 0.5]))
    scatter = np.var([1.0, 0.25, 0.75, 0.0], ddof=1)
    assert (both.sums**2).sum() == pytest.approx(scatter / 4 / 4)
    assert both.unseen == pytest.approx(scatter / 4)


def test_clusters_of_one_row_are_rows():
    """The scatter of n rows less the one that their own share takes."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 3, 90)
    preds = np.where(rng.random(90) < 0.7, target, (target + 1) % 3)
    clusters = Clusters.of(np.arange(90), target, preds, np.ones(90))
    moves = clusters.by_class.of_mean(RECALL, np.full(3, 1 / 3))
    support, tp = clusters.cells.margins.support, clusters.cells.margins.tp
    share = tp / support
    assert (moves.sums**2).sum() == pytest.approx((share * (1 - share) / (support - 1)).sum() / 9)
    assert moves.unseen < 0.02 * (moves.sums**2).sum()
    assert moves.bias == pytest.approx(0.0, abs=1e-15)


def test_f1_of_clusters_is_too_low_by_how_they_bend_it():
    """The second term of Taylor's series, against the mean over samples of clusters that are all right or all wrong."""
    rng, values, told = np.random.default_rng(3), [], []
    for _ in range(2000):
        target, right = rng.integers(0, 2, 30), rng.random(30) < 0.7
        preds = np.where(right, target, 1 - target)
        clusters = Clusters.of(np.arange(30), target, preds, np.full(30, 5.0))
        margins = clusters.cells.margins
        values.append((2 * margins.tp / (margins.support + margins.predicted)).mean() - right.mean())
        told.append(clusters.by_class.of_mean(ratio_of("f1"), np.full(2, 0.5)).bias)
    assert np.mean(values) == pytest.approx(np.mean(told), rel=0.2)  # the accuracy is 0.7, and not biased
    assert np.mean(told) < -0.005


def test_the_order_of_a_table_changes_nothing():
    rng = np.random.default_rng(5)
    cluster, target, preds = rng.integers(0, 12, 200), rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    order = rng.permutation(200)
    tables = [Clusters.of(cluster[o], target[o], preds[o], np.ones(200)) for o in (np.arange(200), order)]
    found = [CountIntervals(one.cells, clusters=one).of(parse("f1_macro")) for one in tables]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "name",
    [
        *("macro F1, patients of 20 diagnoses", "balanced accuracy, patients of 20 diagnoses"),
        *("macro F1, patients of 60 diagnoses, 3 each", "recall 0.7 of a class in 10 clusters, 0.9"),
    ],
)
def test_means_over_classes_that_lie_in_few_clusters_hold_the_truth(name):
    """With the scatter around the share of each class they did in 83 %."""
    case = next(case for case in (*CASES, *SMALL) if case.name == name)
    (found,) = cover(case, 50)
    assert found.coverage >= 0.90, found
