"""Rows of several labels that belong together: intervals of whole clusters, and values that do not move by a bit."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

import evalcli
from evalcli.clustergroups import GROUPS
from evalcli.errors import InputError, UsageError
from evalcli.report import Report
from evalcli.uncertainty.clusters import inflation
from evalcli.uncertainty.intervals import Confidence

Z = Confidence().critical


def drawn(clusters=60, labels=4, seed=0, *, single=False):
    """Probabilities, targets, and clusters of 1 to 12 rows whose labels and skill are their own."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), np.ones(clusters, int) if single else rng.integers(1, 13, clusters))
    often = 0.2 + 0.4 * rng.random((clusters, labels))[cluster]
    target = (rng.random(often.shape) < often).astype(int)
    skill = 1.2 + 0.8 * rng.normal(size=(clusters, 1))[cluster]
    return special.expit((2 * target - 1) * skill + rng.normal(size=often.shape)), target, cluster


def evaluated(scores, target, cluster=None, names=None, **options):
    return evalcli.evaluate(scores, target, task="multilabel", cluster=cluster, metrics=names, **options).data


def values_of(report):
    every = dict(report.metrics)
    for row in report.per_class:
        every |= {f"{name}[{row.name}]": value for name, value in row.metrics.items()}
    return every


@pytest.mark.parametrize("clusters", [30, 200])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", [False, True])
def test_values_do_not_move_by_a_bit_and_every_interval_is_of_clusters(clusters, weighted, labels):
    scores, target, cluster = drawn(clusters)
    preds = (scores >= 0.5).astype(int) if labels else scores
    weight = np.random.default_rng(1).integers(1, 4, len(target)) / 2 if weighted else None
    alone, found = (values_of(evaluated(preds, target, one, weight=weight)) for one in (None, cluster))
    assert alone.keys() == found.keys()
    for name, value in found.items():
        assert value.value == alone[name].value, name
        assert (value.low is None) == (alone[name].low is None), name
        if value.low is not None:
            assert value.method.endswith(" (clusters)"), name
            assert "bound" not in value.method, name
            assert value.low < value.high, name
            assert value.low <= value.value <= value.high, name


def lrap_of_rows(scores, target):
    """As scikit-learn has it, which takes the rows one by one."""
    above = scores[:, None, :] >= scores[:, :, None]
    hits = (above & (target[:, None, :] == 1)).sum(axis=2) / above.sum(axis=2)
    true = target.sum(axis=1)
    return np.where(true > 0, (hits * target).sum(axis=1) / np.maximum(true, 1), 1.0)


def test_the_brute_force_is_that_of_scikit_learn():
    scores, target, _ = drawn(30, seed=1)
    found = lrap_of_rows(scores, target).mean()
    assert found == pytest.approx(sk.label_ranking_average_precision_score(target, scores), abs=1e-12)


PEERS = {
    "subset_accuracy": lambda p, t, w: sk.accuracy_score(t, p >= 0.5, sample_weight=w),
    "f1_micro": lambda p, t, w: sk.f1_score(t, p >= 0.5, average="micro", sample_weight=w),
    "f1_macro": lambda p, t, w: sk.f1_score(t, p >= 0.5, average="macro", sample_weight=w),
    "recall_weighted": lambda p, t, w: sk.recall_score(t, p >= 0.5, average="weighted", sample_weight=w),
    "jaccard_samples": lambda p, t, w: sk.jaccard_score(
        t, p >= 0.5, average="samples", sample_weight=w, zero_division=0
    ),
    "recall[1]": lambda p, t, w: sk.recall_score(t[:, 1], p[:, 1] >= 0.5, sample_weight=w),
    "hamming_loss": lambda p, t, w: sk.hamming_loss(t, p >= 0.5, sample_weight=w),
    "auroc_macro": lambda p, t, w: sk.roc_auc_score(t, p, sample_weight=w),
    "auroc_micro": lambda p, t, w: sk.roc_auc_score(t, p, average="micro", sample_weight=w),
    "average_precision_weighted": lambda p, t, w: sk.average_precision_score(t, p, average="weighted", sample_weight=w),
    "log_loss[2]": lambda p, t, w: sk.log_loss(t[:, 2], p[:, 2], sample_weight=w),
    "lrap": lambda p, t, w: np.average(lrap_of_rows(p, t), weights=w),
}


@pytest.fixture
def asked(monkeypatch):
    """The standard error that the sums of clusters say, of each interval that is asked for."""
    errors = []

    def spied(sums, variance, sizes):
        errors.append(float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))))
        return inflation(sums, variance, sizes)

    monkeypatch.setattr("evalcli.uncertainty.groups.inflation", spied)
    return errors


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PEERS)
def test_the_variance_is_that_of_a_cluster_jackknife(name, weighted, asked):
    scores, target, cluster = drawn(90, seed=3)
    weight = np.random.default_rng(2).integers(1, 5, len(target)).astype(float) if weighted else np.ones(len(target))
    found = evaluated(scores, target, cluster, [name], weight=weight if weighted else None).metrics[name]
    rests = [cluster != one for one in range(90)]
    error = np.sqrt(89) * np.std([PEERS[name](scores[rest], target[rest], weight[rest]) for rest in rests])
    assert asked[0] == pytest.approx(error, rel=0.02)
    # a t quantile stands in for the normal one, of the fewer degrees the heavier the tails are
    assert 0.98 < (found.high - found.low) / (2 * Z * error) < 1.15


@pytest.mark.parametrize("name", ["f1_macro", "auroc_macro", "lrap"])
def test_the_variance_is_that_of_a_cluster_bootstrap(name, asked):
    scores, target, cluster = drawn(90, seed=3)
    found = evaluated(scores, target, cluster, [name]).metrics[name]
    rows = [np.flatnonzero(cluster == one) for one in range(90)]
    rng, values = np.random.default_rng(5), []
    for _ in range(200):
        chosen = np.concatenate([rows[one] for one in rng.integers(0, 90, 90)])
        values.append(PEERS[name](scores[chosen], target[chosen], None))
    # 200 draws know it to 5 %
    assert asked[0] == pytest.approx(np.std(values), rel=0.15)
    assert 0.85 < (found.high - found.low) / (2 * Z * np.std(values)) < 1.45


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_means_over_labels_near_1_are_as_sure_by_clusters_of_one_row_as_by_rows(seed):
    """What labels without an error leave unseen was lost: means of ranks were 0.2 to 0.6 times as wide."""
    rng = np.random.default_rng(seed)
    target = (rng.random((300, 4)) < 0.4).astype(int)
    scores = special.expit(2 * (2.2 * (2 * target - 1) + rng.normal(size=target.shape)))
    means = ("auroc", "average_precision", "precision", "recall", "f1", "specificity")
    names = [f"{base}_{average}" for base in means for average in ("macro", "weighted")]
    alone, found = (evaluated(scores, target, one, names).metrics for one in (None, np.arange(300)))
    for name in names:
        assert 0.85 < (found[name].high - found[name].low) / (alone[name].high - alone[name].low) < 1.6, name


CURVES = {
    "ks": lambda fpr, tpr, seen: (tpr - fpr).max(),
    "auroc_fpr0.2": lambda fpr, tpr, seen: sk.roc_auc_score(*seen, max_fpr=0.2),
    "specificity_at_sensitivity0.8": lambda fpr, tpr, seen: 1.0 - fpr[tpr >= 0.8].min(),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("average", ["[1]", "_macro", "_micro"])
def test_what_is_read_off_curves_is_as_sure_as_a_cluster_bootstrap_says(name, average):
    scores, target, cluster = drawn(150, seed=3)
    found = evaluated(scores, target, cluster, [name + average]).metrics[name + average]
    rows, rng, values = [np.flatnonzero(cluster == one) for one in range(150)], np.random.default_rng(5), []
    for _ in range(100):
        chosen = np.concatenate([rows[one] for one in rng.integers(0, 150, 150)])
        drawn_sides = target[chosen], scores[chosen]
        if average == "_micro":
            sides = [tuple(each.ravel() for each in drawn_sides)]
        else:
            sides = [[each[:, label] for each in drawn_sides] for label in ([1] if average == "[1]" else range(4))]
        values.append(np.mean([CURVES[name](*sk.roc_curve(*seen)[:2], seen) for seen in sides]))
    assert found.low < found.value < found.high
    assert 0.85 < (found.high - found.low) / (2 * Z * np.std(values)) < 1.4  # 100 draws know it to 7 %


@pytest.mark.parametrize("name", ["ks", "auroc_fpr0.2", "recall_at_precision0.8", "specificity_at_sensitivity0.8"])
def test_a_label_is_as_sure_by_clusters_as_a_binary_task(name):
    scores, target, cluster = drawn(60, seed=6)
    found = evaluated(scores, target, cluster, [f"{name}[2]"]).metrics[f"{name}[2]"]
    alone = evalcli.evaluate(scores[:, 2], target[:, 2], cluster=cluster, metrics=[name]).data.metrics[name]
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), rel=1e-9)
    assert found.method == alone.method


def test_the_width_of_the_subset_accuracy_is_the_sandwich():
    scores, target, cluster = drawn(80, seed=4)
    right = ((scores >= 0.5) == target).all(axis=1)
    sums = np.bincount(cluster, right - right.mean())
    variance = (sums**2).sum() * 80 / 79 / len(right) ** 2
    report = evaluated(scores, target, cluster, ["subset_accuracy"])
    found = report.metrics["subset_accuracy"]
    assert (found.high - found.low) / 2 == pytest.approx(2.0 * np.sqrt(variance), rel=0.08)
    effect = variance * len(right) / (right.mean() * (1 - right.mean()))
    assert report.clustered[:3] == ("cluster", 80, int(np.bincount(cluster).max()))
    assert report.clustered.design_effect == pytest.approx(effect, rel=0.1)
    assert "by cluster: 80 clusters, the largest of 12 rows, design effect" in str(evalcli.Report(report))
    data = report.to_json_object()
    assert Report.from_json_object(data).to_json_object() == data


def test_clusters_of_one_row_are_nearly_independent_rows():
    scores, target, cluster = drawn(100, single=True)
    names = ["subset_accuracy", "hamming_loss", "f1_micro", "f1_macro", "f1_samples", "log_loss", "lrap"]
    names += ["ks[0]", "auroc_fpr0.2[1]", "precision_at_recall0.8[2]", "specificity_at_sensitivity0.8[3]"]
    names += ["ks_micro", "auroc_fpr0.2_micro", "recall_at_precision0.8_micro"]
    alone, found = (evaluated(scores, target, one, names).metrics for one in (None, cluster))
    for name in names:
        ratio = (found[name].high - found[name].low) / (alone[name].high - alone[name].low)
        assert 0.85 < ratio < 1.2, (name, ratio)


@pytest.mark.parametrize("clusters", [GROUPS - 20, GROUPS + 30])
def test_nothing_depends_on_batches_workers_or_order(clusters):
    scores, target, cluster = drawn(clusters)
    weight = np.random.default_rng(0).random(len(target))
    whole = evaluated(scores, target, cluster, weight=weight)
    order = np.random.default_rng(1).permutation(len(target))
    options = {"weight": weight[order], "batch_size": 61, "workers": 3}
    parts = evaluated(scores[order], target[order], cluster[order], **options)
    assert values_of(parts) == values_of(whole)
    assert parts.clustered == whole.clustered


def test_a_perfect_model_is_as_sure_as_its_clusters_are_many():
    _, target, _ = drawn(60)
    target = target[:300]
    cluster = np.repeat(np.arange(15), 20)
    scores = np.where(target == 1, 0.9, 0.1)
    alone, found = (values_of(evaluated(scores, target, one)) for one in (None, cluster))
    names = ("subset_accuracy", "f1_micro", "f1_macro", "hamming_loss", "auroc_macro", "recall[1]", "lrap", "ece")
    curves = ["ks[1]", "ks_macro", "auroc_fpr0.2_macro", "specificity_at_sensitivity0.8[0]"]
    alone, found = (
        {**a, **values_of(evaluated(scores, target, c, curves))} for a, c in ((alone, None), (found, cluster))
    )
    for name in (*names, *curves):
        assert found[name].high - found[name].low > 1.5 * (alone[name].high - alone[name].low), name


def test_a_label_that_lies_in_one_cluster_moves_every_mean_of_labels():
    scores, target, cluster = drawn(30)
    target[:, 3] = (cluster == 4) & (np.arange(len(cluster)) % 2 == 0)
    alone, found = (values_of(evaluated(scores, target, one)) for one in (None, cluster))
    assert found["recall[3]"].low is None
    assert alone["recall[3]"].low is not None
    widths = [one["recall_macro"].high - one["recall_macro"].low for one in (alone, found)]
    assert widths[1] > widths[0]
    assert found["subset_accuracy"].low is not None


@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_a_few_clusters_tell_little(clusters):
    scores, target, cluster = drawn(clusters, seed=1)
    alone, found = (values_of(evaluated(scores, target, one)) for one in (None, cluster))
    for name, value in found.items():
        if value.low is not None:
            assert value.low <= value.value <= value.high, name
    width = found["subset_accuracy"].high - found["subset_accuracy"].low
    assert width > alone["subset_accuracy"].high - alone["subset_accuracy"].low


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ([1, 1, 1], "all rows belong to one cluster"),
        ([1.0, float("nan"), 2.0], r"1 row has no cluster \(row 1\)"),
        ([1, 2], "have the shape"),
    ],
)
def test_clusters_that_are_none(cluster, message):
    with pytest.raises((InputError, UsageError), match=message):
        evaluated([[1, 0], [1, 1], [0, 1]], [[1, 0], [0, 1], [0, 1]], cluster)


def test_rows_without_a_cluster_are_dropped_where_that_is_asked_for():
    found = evaluated([[1, 0], [1, 1], [0, 1]], [[1, 0], [0, 1], [0, 1]], ["a", None, "b"], nan="drop")
    assert (found.n, found.ignored, found.metrics["subset_accuracy"].value) == (2, 1, 1.0)


@pytest.mark.parametrize("clusters", [30, GROUPS + 30])
def test_a_slice_has_the_intervals_of_its_rows_alone(clusters):
    scores, target, cluster = drawn(clusters)
    side = np.random.default_rng(2).choice(["first", "second"], len(target))  # across clusters
    side[:2] = "few"
    names = ["subset_accuracy", "f1_macro", "auroc_macro", "log_loss"]
    found = evaluated(scores, target, cluster, names, by={"side": side})
    assert found.metrics == evaluated(scores, target, cluster, names).metrics
    for row in found.slices:
        if row.value == "few":  # of one cluster
            assert all(value.low is None for value in row.metrics.values())
            continue
        inside = side == row.value
        assert row.metrics == evaluated(scores[inside], target[inside], cluster[inside], names).metrics
        assert row.metrics["subset_accuracy"].method == "wilson (clusters)"
    batches = evaluated(scores, target, cluster, names, by={"side": side}, batch_size=170, workers=3)
    assert batches.slices == found.slices


def test_tables_have_clusters(tmp_path):
    scores, target, cluster = drawn(25)
    path = tmp_path / "labels.csv"
    head = [*(f"pred_{i}" for i in range(4)), *(f"target_{i}" for i in range(4)), "sender"]
    rows = [[*map(repr, p.tolist()), *t.tolist(), f"s{c}"] for p, t, c in zip(scores, target, cluster, strict=True)]
    path.write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n")
    table = evalcli.evaluate(path, task="multilabel", cluster="sender").data
    arrays = evaluated(scores, target, [f"s{c}" for c in cluster])
    assert table.clustered == arrays.clustered._replace(by="sender")
    assert table.metrics == arrays.metrics
    path.write_text(path.read_text().replace(",s3\n", ",\n"))
    with pytest.raises(InputError, match="have no cluster"):
        evalcli.evaluate(path, task="multilabel", cluster="sender")


@pytest.mark.parametrize("name", ["auroc[0]", "average_precision[0]"])
def test_ranks_near_1_of_a_label_of_clusters_of_one_row_are_as_unsure_as_of_rows(name):
    rng = np.random.default_rng(8)
    target = rng.permuted(np.tile(np.arange(200) < 10, (3, 1)), axis=1).T.astype(int)
    ratios = []
    for _ in range(10):
        scores = special.expit(3.5 * target + rng.standard_normal(target.shape))
        alone, found = (evaluated(scores, target, one, [name]).metrics[name] for one in (None, np.arange(200)))
        ratios.append((found.high - found.low) / (alone.high - alone.low))
    assert min(ratios) > 0.9
    assert max(ratios) < 1.2


@pytest.mark.parametrize("skill", [0.5, 2.0])
@pytest.mark.parametrize("rows", [60, 100, 500])
def test_calibration_errors_of_clusters_of_one_row_are_as_unsure_as_of_rows(skill, rows):
    rng = np.random.default_rng(rows)
    target = (rng.random((rows, 4)) < 0.3).astype(int)
    scores = special.expit((2 * target - 1) * skill + rng.normal(size=target.shape))
    names = ["ece", "ece[0]", "ece[3]"]
    alone, found = (evaluated(scores, target, one, names).metrics for one in (None, np.arange(rows)))
    for name in names:
        ratio = (found[name].high - found[name].low) / (alone[name].high - alone[name].low)
        assert 0.9 < ratio < 1.2, (name, ratio)


def test_clusters_of_one_row_of_a_very_good_model_are_rows():
    rng = np.random.default_rng(3)
    target = (rng.random((300, 3)) < 0.4).astype(int)
    preds = target.copy()
    preds[[5, 90, 200], [0, 1, 1]] ^= 1
    names = ["subset_accuracy", "precision_micro", "recall_micro", "f1_micro", "specificity_micro"]
    options = {"task": "multilabel", "metrics": names}
    rows = evalcli.evaluate(preds, target, **options).data.metrics
    clusters = evalcli.evaluate(preds, target, cluster=np.arange(300), **options).data.metrics
    for name, one in rows.items():
        times = (clusters[name].high - clusters[name].low) / (one.high - one.low)
        assert 0.9 < times < 1.25, (name, times)
