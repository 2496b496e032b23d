"""Rows of weight 0 tell nothing: a report of clusters is the same without them, on every task and in every slice."""

from __future__ import annotations

import numpy as np
import pytest

import evalcli
from evalcli.errors import EmptyError, InputError

N = 240
RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 3, N)
LOGITS = RNG.normal(size=(N, 3)) + 1.5 * np.eye(3)[TRUTH]
VALUES = RNG.normal(size=N)
SETS = (RNG.random((N, 3)) < 0.4).astype(int)
SAID = np.where(RNG.random((N, 3)) < 0.2, 1 - SETS, SETS)
REGION = RNG.choice(["AP", "EU", "US"], N)
TASKS = {
    "labels": (LOGITS.argmax(1), TRUTH, {}),
    "logits": (LOGITS, TRUTH, {"metrics": "accuracy,f1_macro,auroc_macro"}),
    "values": (VALUES + RNG.normal(size=N), VALUES, {"task": "regression"}),
    "several": (SAID, SETS, {"task": "multilabel"}),
}


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


def reported(task, weight, cluster, kept=slice(None), **more):
    preds, target, options = task
    beside = {"weight": weight[kept], "cluster": cluster[kept], "by": {"region": REGION[kept]}}
    return evalcli.evaluate(preds[kept], target[kept], **beside, resamples=100, **options, **more).data


def told(metrics):
    numbers = [(one.value, one.low, one.high) for one in metrics.values()]
    flat = np.array([np.nan if number is None else number for three in numbers for number in three])
    return flat, [one.method for one in metrics.values()]


def assert_alike(some, others):
    assert some.keys() == others.keys()
    (numbers, methods), (expected, known) = told(some), told(others)
    np.testing.assert_allclose(numbers, expected, rtol=1e-9, atol=1e-12)
    assert methods == known


@pytest.mark.parametrize("clusters", [30, 300])
def test_rows_of_weight_0_make_no_cluster(task, clusters) -> None:
    cluster = np.random.default_rng(2).integers(0, clusters, N)
    heavy = (cluster % 3 > 0) & (REGION != "AP") & (np.arange(N) % 7 > 0)
    weight = np.where(heavy, np.arange(N) % 3 + 0.5, 0.0)
    found, expected = (reported(task, weight, cluster, kept) for kept in (slice(None), heavy))
    assert found.clustered == expected.clustered
    assert found.clustered.clusters == len(np.unique(cluster[heavy]))
    assert_alike(found.metrics, expected.metrics)
    slices = {row.value: row.metrics for row in found.slices}
    for row in expected.slices:
        assert_alike(slices[row.value], row.metrics)
    assert all(one.low is None for one in slices["AP"].values())


def test_one_cluster_that_weighs_is_a_single_one(task) -> None:
    cluster = np.arange(N) % 2
    with pytest.raises(InputError, match="all rows belong to one cluster"):
        reported(task, np.where(cluster, 1.0, 0.0), cluster)


def test_no_row_that_weighs_is_told_first(task) -> None:
    with pytest.raises(EmptyError, match="all weights are 0"):
        reported(task, np.zeros(N), np.arange(N) % 2)


def test_a_comparison_counts_the_same_clusters(task) -> None:
    preds, target, options = task
    cluster = np.arange(N) // 4
    weight = np.where(cluster % 5, 1.0, 0.0)
    beside = {"target": target, "weight": weight, "cluster": cluster, "resamples": 100}
    compared = evalcli.compare(preds, preds[::-1].copy(), **beside, **options).data
    report = reported(task, weight, cluster)
    assert report.clustered._replace(design_effect=None) == compared.clustered


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("classes", [2, 3])
def test_rows_of_weight_0_make_no_loss_surer(kind, classes) -> None:
    truth = TRUTH % classes
    scores = LOGITS[:, :classes] if kind == "logits" else np.exp(LOGITS[:, :classes])
    scores = scores if kind == "logits" else scores / scores.sum(axis=1, keepdims=True)
    weight = np.where(np.arange(N) % 3 > 0, np.arange(N) % 5 + 0.5, 0.0)
    asked = {"scores": kind, "metrics": "log_loss,brier,ece,mean_confidence"}
    heavy = weight > 0
    found = evalcli.evaluate(scores, truth, weight=weight, **asked).data.metrics
    assert_alike(found, evalcli.evaluate(scores[heavy], truth[heavy], weight=weight[heavy], **asked).data.metrics)


def test_rows_of_weight_0_change_no_search_of_clusters() -> None:
    rng = np.random.default_rng(3)
    region, heavy = rng.choice(["AP", "EU"], 1200), np.arange(1200) % 4 > 0
    target = rng.integers(0, 2, 1200)
    preds = np.where(rng.random(1200) < np.where(region == "AP", 0.4, 0.1), 1 - target, target)
    weight = np.where(heavy, np.arange(1200) % 3 + 0.5, 0.0)
    cluster = np.where(heavy, np.arange(1200) // 2, rng.integers(0, 5, 1200))
    found, expected = (
        evalcli.evaluate(
            preds[kept], target[kept], weight=weight[kept], cluster=cluster[kept], scan={"region": region[kept]}
        ).data.scan
        for kept in (slice(None), heavy)
    )
    assert [one.values for one in found.slices] == [one.values for one in expected.slices]
    assert len(found.slices) == 1
    for one, other in zip(found.slices, expected.slices, strict=True):
        assert (one.p, one.low, one.high) == pytest.approx((other.p, other.low, other.high), rel=1e-9)
