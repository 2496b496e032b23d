"""Models on rows that belong together: differences of whole clusters, and values that do not move by a bit."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as sk

import evalcli
from evalcli.comparing.data import Comparison
from evalcli.errors import EvalError, InputError, UsageError
from evalcli.uncertainty.comparison import Difference
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.pairedclusters import Moved, PairedClusters

OPTIONS = {"resamples": 200, "flips": 0}


def drawn(clusters, seed=0, kind="binary", gap=0.6, single=False):
    """The truth, two models that are right in the same clusters more often than not, and clusters of 1 to 12 rows."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), np.ones(clusters, int) if single else rng.integers(1, 13, clusters))
    rows = len(cluster)
    ours = 0.6 * rng.normal(size=clusters)[cluster] + 0.8 * rng.normal(size=(2, clusters))[:, cluster]
    noise = ours + 0.6 * rng.normal(size=rows) + 0.6 * rng.normal(size=(2, rows))
    if kind == "values":
        target = rng.normal(size=rows)
        return target, [target + (1.0 + gap * i) * noise[i] for i in range(2)], cluster
    if kind == "labels":
        target = rng.random((rows, 4)) < 0.4
        scores = [
            special.expit((1.0 + gap * i) * (2 * target - 1) + noise[i][:, None] + rng.normal(size=(rows, 4)))
            for i in range(2)
        ]
        return target.astype(int), scores, cluster
    if kind == "classes":
        target = rng.integers(0, 3, rows)
        logits = rng.normal(size=(2, rows, 3))
        for i in range(2):
            logits[i, np.arange(rows), target] += 1.0 + gap * i + noise[i]
        return target, list(logits), cluster
    target = (rng.random(rows) < 0.4).astype(int)
    return target, [special.expit((1.0 + gap * i) * (2 * target - 1) + noise[i]) for i in range(2)], cluster


TASKS = {"binary": None, "classes": None, "values": "regression", "labels": "multilabel"}


def compared(target, preds, cluster=None, kind="binary", **more):
    return evalcli.compare(*preds, target=target, cluster=cluster, task=TASKS[kind], **{**OPTIONS, **more}).data


def all_rows(found):
    return [*found.metrics, *(row for label in found.per_class for row in label.metrics.values())]


@pytest.mark.parametrize("clusters", [30, 130])
@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("weighted", [False, True])
def test_values_do_not_move_by_a_bit_and_every_difference_is_of_clusters(clusters, kind, weighted):
    target, preds, cluster = drawn(clusters, kind=kind)
    weight = np.random.default_rng(1).integers(1, 4, len(target)) / 2 if weighted else None
    alone = compared(target, preds, kind=kind, weight=weight)
    found = compared(target, preds, cluster, kind, weight=weight)
    sizes = np.bincount(cluster)
    assert found.clustered == ("cluster", clusters, sizes.max(), None)
    assert [row.values for row in all_rows(found)] == [row.values for row in all_rows(alone)]
    for one, other in zip(all_rows(found), all_rows(alone), strict=True):
        known = one.differences[1]
        assert (known is None) == (other.differences[1] is None), one.name
        if known is not None:
            assert known.method.endswith(" (clusters)"), one.name
            assert known.low < known.value < known.high, one.name
            assert (known.p < 0.05) == (known.low > 0.0 or known.high < 0.0), one.name
            assert known.detectable > 0.0, one.name
    assert Comparison.from_json_object(json.loads(json.dumps(found.to_json_object()))) == found


@pytest.mark.parametrize("kind", TASKS)
def test_clusters_of_one_row_are_nearly_independent_rows(kind):
    target, preds, cluster = drawn(150, 4, kind, single=True)
    alone, found = compared(target, preds, kind=kind), compared(target, preds, cluster, kind)
    for one, other in zip(all_rows(found), all_rows(alone), strict=True):
        mine, theirs = one.differences[1], other.differences[1]
        if theirs.method == "bootstrap":  # which has no place where clusters are few
            continue
        assert 0.85 < (mine.high - mine.low) / (theirs.high - theirs.low) < 1.25, one.name
        assert mine.p == pytest.approx(theirs.p, rel=0.5, abs=0.05), one.name


@pytest.mark.parametrize("kind", TASKS)
def test_the_same_rows_again_in_their_clusters_tell_nothing_more(kind):
    target, preds, cluster = drawn(90, 2, kind, single=True)
    thrice = [np.repeat(each, 3, axis=0) for each in (target, *preds, cluster)]
    one = compared(target, preds, cluster, kind)
    many = compared(thrice[0], thrice[1:3], thrice[3], kind)
    for mine, theirs in zip(one.metrics, many.metrics, strict=True):
        if mine.name == "bias":  # of sizes, whose interval has corners
            continue
        first, second = mine.differences[1], theirs.differences[1]
        assert second.high - second.low == pytest.approx(first.high - first.low, rel=0.06), mine.name
        assert second.p == pytest.approx(first.p, rel=0.5, abs=0.02), mine.name


def jackknifed(cluster, difference):
    """The standard error from the difference without each of the clusters."""
    rests = np.array([difference(np.flatnonzero(cluster != one)) for one in range(cluster.max() + 1)])
    return float(np.sqrt(((rests - rests.mean()) ** 2).sum() * (len(rests) - 1) / len(rests)))


def bootstrapped(cluster, difference, draws=1000):
    """The standard error over clusters drawn with replacement, the same ones for both models."""
    rng = np.random.default_rng(5)
    rows = [np.flatnonzero(cluster == one) for one in range(cluster.max() + 1)]
    found = [
        difference(np.concatenate([rows[one] for one in rng.integers(0, len(rows), len(rows))])) for _ in range(draws)
    ]
    return float(np.std(found))


def weighted_spearman(target, preds, weight):
    """Pearson's correlation of the ranks of rows that are repeated as often as they weigh."""
    return stats.spearmanr(*(np.repeat(side, weight.astype(int)) for side in (target, preds))).statistic


BY_SKLEARN = {
    "accuracy": lambda t, p, w: np.average((p >= 0.5) == t, weights=w),
    "f1_macro": lambda t, p, w: sk.f1_score(t, p >= 0.5, average="macro", sample_weight=w),
    "mcc": lambda t, p, w: sk.matthews_corrcoef(t, p >= 0.5, sample_weight=w),
    "auroc": lambda t, p, w: sk.roc_auc_score(t, p, sample_weight=w),
    "average_precision": lambda t, p, w: sk.average_precision_score(t, p, sample_weight=w),
    "log_loss": lambda t, p, w: sk.log_loss(t, p, sample_weight=w),
    "brier": lambda t, p, w: sk.brier_score_loss(t, p, sample_weight=w),
    "rmse": lambda t, p, w: sk.root_mean_squared_error(t, p, sample_weight=w),
    "mae": lambda t, p, w: sk.mean_absolute_error(t, p, sample_weight=w),
    "r2": lambda t, p, w: sk.r2_score(t, p, sample_weight=w),
    "spearman": weighted_spearman,
    "subset_accuracy": lambda t, p, w: sk.accuracy_score(t, p >= 0.5, sample_weight=w),
    "f1_micro": lambda t, p, w: sk.f1_score(t, p >= 0.5, average="micro", sample_weight=w),
    "recall[2]": lambda t, p, w: sk.recall_score(t[:, 2], p[:, 2] >= 0.5, sample_weight=w),
    "auroc_macro": lambda t, p, w: sk.roc_auc_score(t, p, sample_weight=w),
}
OF_KIND = dict.fromkeys(("rmse", "mae", "r2", "spearman"), "values") | dict.fromkeys(
    ("subset_accuracy", "f1_micro", "recall[2]", "auroc_macro"), "labels"
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", BY_SKLEARN)
def test_the_variance_is_that_of_a_cluster_jackknife(name, weighted):
    kind = OF_KIND.get(name, "binary")
    target, preds, cluster = drawn(60, 3, kind)
    weight = np.random.default_rng(2).integers(1, 5, len(target)).astype(float) if weighted else np.ones(len(target))
    of = BY_SKLEARN[name]

    def difference(rows):
        return of(target[rows], preds[1][rows], weight[rows]) - of(target[rows], preds[0][rows], weight[rows])

    found = compared(target, preds, cluster, kind, weight=weight if weighted else None, metrics=[name])
    known, error = found.metrics[0].differences[1], jackknifed(cluster, difference)
    assert known.value == pytest.approx(difference(np.arange(len(target))), rel=1e-9)
    # a t quantile stands in for the normal one, of the fewer degrees the heavier the tails are
    assert 0.95 < (known.high - known.low) / (2 * Confidence().critical * error) < 1.3


@pytest.mark.parametrize("clusters", [60, 400])
def test_the_variance_is_that_of_a_cluster_bootstrap(clusters):
    target, preds, cluster = drawn(clusters, 8)
    right, loss = ([of(each) for each in preds] for of in (lambda p: (p >= 0.5) == target, lambda p: (p - target) ** 2))
    found = compared(target, preds, cluster, metrics=["accuracy", "brier"]).metrics
    for row, (first, second) in zip(found, (right, loss), strict=True):
        gap = second.astype(float) - first
        error = bootstrapped(cluster, lambda rows, gap=gap: gap[rows].mean())
        known = row.differences[1]
        # 1,000 draws know it to 2 %, a hundred groups of 400 clusters to 7 %
        assert 0.9 < (known.high - known.low) / (2 * Confidence().critical * error) < 1.2, row.name


@pytest.mark.parametrize("kind", TASKS)
def test_nothing_depends_on_batches_workers_order_or_names(kind):
    target, preds, cluster = drawn(130, 7, kind)
    weight = np.random.default_rng(0).random(len(target))
    order = np.random.default_rng(1).permutation(len(target))
    whole = compared(target, preds, cluster, kind, weight=weight).to_json_object()
    assert compared(target, preds, cluster, kind, weight=weight, batch_size=17, workers=3).to_json_object() == whole
    shuffled = compared(target[order], [each[order] for each in preds], cluster[order], kind, weight=weight[order])
    assert shuffled.to_json_object()["metrics"] == whole["metrics"]


def test_rows_without_weight_leave_no_trace():
    target, preds, cluster = drawn(20, 7)
    weight = np.ones(len(target))
    more = [np.concatenate([each, each[:5]]) for each in (target, *preds)]
    found = compared(more[0], more[1:], np.append(cluster, [99] * 5), weight=np.append(weight, [0.0] * 5))
    assert found.metrics == compared(target, preds, cluster, weight=weight).metrics


def test_an_infinite_loss_has_no_difference_and_hinders_no_other():
    target, preds, cluster = drawn(40, kind="classes")
    preds[0][5, target[5]] = -np.inf
    found = compared(target, preds, cluster, "classes", metrics="log_loss,brier")
    assert [row.differences[1] is None for row in found.metrics] == [True, False]


def test_a_league_has_the_differences_of_its_pairs():
    target, preds, cluster = drawn(60, 1)
    third = np.where(np.random.default_rng(0).random(len(target)) < 0.3, 1 - preds[1], preds[1])
    options = {"cluster": cluster, "target": target, "metrics": "accuracy,auroc,log_loss", **OPTIONS}
    league = evalcli.compare(*preds, third, **options).data
    assert league.reference == 1
    for place, model in ((0, preds[0]), (2, third)):
        pair = evalcli.compare(preds[1], model, **options).data
        for row, alone in zip(league.metrics, pair.metrics, strict=True):
            mine, theirs = row.differences[place], alone.differences[1]
            assert (mine.low, mine.high, mine.p) == pytest.approx((theirs.low, theirs.high, theirs.p), rel=1e-9)


def test_two_clusters_show_nothing_and_one_is_refused():
    target, preds, _ = drawn(40)
    found = compared(target, [1 - target, target], np.arange(len(target)) % 2).metrics
    assert {row.differences[1].verdict for row in found} == {"none"}
    with pytest.raises(InputError, match="all rows belong to one cluster; name the column"):
        compared(target, preds, np.zeros(len(target), int))


@pytest.mark.parametrize("kind", TASKS)
def test_the_same_model_twice_is_no_difference(kind):
    target, preds, cluster = drawn(40, kind=kind)
    found = compared(target, [preds[0]] * 2, cluster, kind)
    for row in found.metrics:
        known = row.differences[1]
        assert known.low < 0.0 < known.high, row.name
        assert (known.p, known.verdict) == (1.0, "none"), row.name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(12, 60), clusters=st.integers(4, 12), weighted=st.booleans())
def test_whatever_the_rows_the_other_way_round_is_the_negative(seed, rows, clusters, weighted):
    rng = np.random.default_rng(seed)
    target, first, second = rng.integers(0, 3, (3, rows))
    cluster = np.append(rng.integers(0, clusters, rows - 2), [0, 1])
    options = {"weight": 0.5 + target if weighted else None, "metrics": "accuracy,f1_macro,mcc", "labels": 3}
    there = compared(target, [first, second], cluster, "classes", **options)
    back = compared(target, [second, first], 2 - cluster * 7, "classes", **options)
    for one, other in zip(there.metrics, back.metrics, strict=True):
        mine, theirs = one.differences[1], other.differences[1]
        assert -2.0 <= mine.low <= mine.value <= mine.high <= 2.0
        assert 0.0 <= mine.p <= 1.0
        ends = -mine.value, -mine.high, -mine.low
        assert (theirs.value, theirs.low, theirs.high) == pytest.approx(ends, abs=1e-6)
        assert theirs.p == pytest.approx(mine.p, abs=1e-6)


def test_where_all_rows_differ_alike_it_is_clusters_that_count():
    plain = Difference(1.0, 0.0, Interval(0.96, 1.0, "wilson"), 1e-20, 0.05)
    clusters = PairedClusters(np.full(5, 20.0), Confidence())
    found = clusters.difference(plain, Moved(np.zeros(5), 0.0), 1.0)
    assert found.p == 2.0**-4
    assert found.interval.low < 0.5


def tables(tmp_path, in_first=True, in_second=False, in_truth=False, shift=0):
    target, preds, cluster = drawn(30, 5)
    ids, order = np.arange(len(target)), np.random.default_rng(0).permutation(len(target))
    truth = pd.DataFrame({"id": ids, "target": target})
    models = [pd.DataFrame({"id": ids, "score": each}) for each in preds]
    for frame, holds, moved in zip((*models, truth), (in_first, in_second, in_truth), (0, shift, 0), strict=True):
        if holds:
            frame["patient"] = cluster + moved
    paths = [str(tmp_path / name) for name in ("a.csv", "b.csv", "t.csv")]
    models[0].to_csv(paths[0], index=False)
    models[1].iloc[order].to_csv(paths[1], index=False)
    truth.to_csv(paths[2], index=False)
    return paths, compared(target, preds, cluster)


@pytest.mark.parametrize("where", ["in_first", "in_second", "in_truth"])
def test_the_column_may_lie_in_any_of_the_files(tmp_path, where):
    holds = {"in_first": False, where: True}
    (a, b, truth), memory = tables(tmp_path, **holds)
    found = evalcli.compare(a, b, target=truth, cluster="patient", id="id", **OPTIONS).data
    assert found.clustered == memory.clustered._replace(by="patient")
    assert found.metrics == memory.metrics


def test_files_that_disagree_and_columns_that_are_not_there(tmp_path):
    (a, b, truth), _ = tables(tmp_path, in_second=True, shift=1)
    options = {"target": truth, "id": "id", **OPTIONS}
    with pytest.raises(InputError, match=r"b\.csv: row \d+ belongs to another cluster than in .*a\.csv; keep"):
        evalcli.compare(a, b, cluster="patient", **options)
    with pytest.raises(UsageError, match="no column 'patent' to cluster by; did you mean 'patient'"):
        evalcli.compare(a, b, cluster="patent", **options)
    with pytest.raises(UsageError, match="the name of a column to cluster by is missing"):
        evalcli.compare(a, b, cluster="", **options)


def test_frames_and_tensors_are_clustered_too(tmp_path):
    target, preds, cluster = drawn(30, 5)
    memory = compared(target, preds, cluster).metrics
    frame = pd.DataFrame({"old": preds[0], "new": preds[1], "target": target, "patient": cluster})
    assert evalcli.compare(frame, pred=("old", "new"), cluster="patient", **OPTIONS).data.metrics == memory
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    np.savez(paths[0], preds=preds[0], targets=target)
    np.savez(paths[1], preds=preds[1], targets=target, patient=cluster)
    assert evalcli.compare(*paths, cluster="patient", **OPTIONS).data.metrics == memory
    with pytest.raises(EvalError, match="cluster='whom' names no column"):
        evalcli.compare(frame, pred=("old", "new"), cluster="whom")


def test_rows_without_a_cluster_are_refused_or_left_out_of_both(tmp_path):
    text = "pred,target,who\nno,no,1\nyes,yes,\nno,yes,2\nyes,yes,2\n"
    (tmp_path / "a.csv").write_text(text)
    pd.read_csv(io.StringIO(text)).drop(columns="who").to_csv(tmp_path / "b.csv", index=False)
    paths = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"1 row has no cluster \(line 3\)"):
        evalcli.compare(*paths, cluster="who")
    found = evalcli.compare(*paths, cluster="who", nan="drop").data
    assert (found.n, found.left_out, found.clustered.clusters) == (3, 1, 2)


def test_the_variance_of_few_uneven_clusters_is_not_too_small():
    """Of 20 clusters of 1 to 12 rows ``G/(G − 1)·Σ pull²`` is 3 % short of what means of clusters vary by."""
    rng = np.random.default_rng(8)
    found, short = [], []
    sizes = np.resize(np.arange(1.0, 13.0), 20)
    clusters = PairedClusters(sizes, Confidence())
    for levels in rng.normal(size=(3000, 20)):
        mean = levels @ sizes / sizes.sum()
        pulls = (levels - mean) * sizes / sizes.sum()
        found.append(clusters.known(Moved(pulls, 1.0)).grown)
        short.append(pulls @ pulls * 20 / 19)
    assert np.mean(found) == pytest.approx(np.sum((sizes / sizes.sum()) ** 2), rel=0.015)
    assert np.mean(short) < 0.985 * np.mean(found)
    even = PairedClusters(np.full(20, 3.0), Confidence()).known(Moved(pulls, 1.0)).grown
    assert even == pytest.approx(pulls @ pulls * 20 / 19)
