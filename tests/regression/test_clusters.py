"""Rows of a regression that belong together: intervals of whole clusters, and values that do not move by a bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

import evalcli
from evalcli.clustergroups import GROUPS, hashed, without_each
from evalcli.clusterpasses import ClusterPasses
from evalcli.errors import InputError, UsageError
from evalcli.evidence import Evidence
from evalcli.gates import judge
from evalcli.report import Report
from evalcli.rules import parse_rules
from evalcli.uncertainty.clusters import inflation
from evalcli.uncertainty.intervals import Confidence

Z = Confidence().critical
ASKED = [
    "rmse", "mae", "mse", "bias", "r2", "adjusted_r2_p3", "explained_variance", "pearson", "spearman", "kendall",
    "medae", "mape", "smape", "wape", "msle", "pinball0.9", "gamma_deviance", "tweedie_deviance1.5",
]  # fmt: skip


def drawn(clusters=60, seed=0, *, single=False, outputs=None):
    """Predictions, targets above 0, and clusters of 1 to 12 rows, each with an error of its own."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), np.ones(clusters, int) if single else rng.integers(1, 13, clusters))
    shape = (clusters,) if outputs is None else (clusters, outputs)
    rows = (len(cluster), *shape[1:])
    target = 20.0 + 2.0 * rng.normal(size=shape)[cluster] + rng.normal(size=rows)
    preds = target + 0.7 * rng.normal(size=shape)[cluster] + 0.7 * rng.normal(size=rows)
    return np.maximum(preds, 0.5), np.maximum(target, 0.5), cluster


def evaluated(preds, target, cluster=None, names=ASKED, **options):
    return evalcli.evaluate(preds, target, task="regression", cluster=cluster, metrics=names, **options).data


@pytest.mark.parametrize("clusters", [30, 300])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_do_not_move_by_a_bit_and_every_interval_is_of_clusters(clusters, weighted):
    preds, target, cluster = drawn(clusters)
    weight = np.random.default_rng(1).integers(1, 4, len(target)) / 2 if weighted else None
    for names in (None, ASKED):
        alone = evaluated(preds, target, names=names, weight=weight).metrics
        found = evaluated(preds, target, cluster, names, weight=weight).metrics
        assert alone.keys() == found.keys()
        for name, value in found.items():
            assert value.value == alone[name].value, name
            assert (value.low is None) == (name == "max_error"), name
            if value.low is not None:
                assert value.method == f"{alone[name].method} (clusters)"
                assert value.low < value.value < value.high, name


PEERS = {
    "rmse": lambda p, t, w: sk.root_mean_squared_error(t, p, sample_weight=w),
    "mae": lambda p, t, w: sk.mean_absolute_error(t, p, sample_weight=w),
    "bias": lambda p, t, w: np.average(p - t, weights=w),
    "r2": lambda p, t, w: sk.r2_score(t, p, sample_weight=w),
    "pearson": lambda p, t, w: np.cov(p, t, aweights=w)[0, 1] / np.sqrt(np.prod(np.diag(np.cov(p, t, aweights=w)))),
    "mape": lambda p, t, w: sk.mean_absolute_percentage_error(t, p, sample_weight=w),
    "wape": lambda p, t, w: np.average(np.abs(p - t), weights=w) / np.average(t, weights=w),
    "pinball0.9": lambda p, t, w: sk.mean_pinball_loss(t, p, alpha=0.9, sample_weight=w),
    "gamma_deviance": lambda p, t, w: sk.mean_gamma_deviance(t, p, sample_weight=w),
    "medae": lambda p, t, _: sk.median_absolute_error(t, p),
    "spearman": lambda p, t, _: stats.spearmanr(p, t).statistic,
    "kendall": lambda p, t, _: stats.kendalltau(p, t).statistic,
}


NEARLY_NORMAL = {
    "rmse": np.square,
    "r2": lambda value: np.log(1 - value),
    "wape": np.log,
    **dict.fromkeys(("pearson", "spearman", "kendall"), np.arctanh),
}


@pytest.mark.parametrize(("name", "clusters"), [*((name, 90) for name in PEERS), ("rmse", 400), ("spearman", 400)])
def test_the_variance_is_that_of_a_cluster_bootstrap(name, clusters, monkeypatch):
    preds, target, cluster = drawn(clusters, seed=3)
    weighted = name not in {"medae", "spearman", "kendall"}
    weight = np.random.default_rng(2).integers(1, 5, len(target)).astype(float)
    errors = []

    def spied(sums, variance, sizes):
        errors.append(float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))))
        return inflation(sums, variance, sizes)

    monkeypatch.setattr("evalcli.uncertainty.groups.inflation", spied)
    found = evaluated(preds, target, cluster, [name], weight=weight if weighted else None).metrics[name]
    rows = [np.flatnonzero(cluster == one) for one in range(clusters)]
    rng = np.random.default_rng(5)
    values = []
    for _ in range(400):
        chosen = np.concatenate([rows[one] for one in rng.integers(0, clusters, clusters)])
        values.append(PEERS[name](preds[chosen], target[chosen], weight[chosen]))
    # 400 draws know it to 4 %, a hundred groups of 400 clusters to 7 %
    if name != "medae":
        error = np.std(NEARLY_NORMAL.get(name, np.asarray)(np.array(values)))
        assert errors == [pytest.approx(error, rel=0.1 if clusters == 90 else 0.2)]
    # heavy tails have a t quantile of few degrees of freedom, and skewed means more on one side
    assert 0.85 < (found.high - found.low) / (2 * Z * np.std(values)) < 1.9


def test_the_width_of_a_mean_is_the_sandwich():
    preds, target, cluster = drawn(80, seed=4)
    error = preds - target
    sums = np.bincount(cluster, error - error.mean())
    variance = (sums**2).sum() * 80 / 79 / len(error) ** 2
    found = evaluated(preds, target, cluster, ["bias"]).metrics["bias"]
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 60) * np.sqrt(variance), rel=0.06)


def test_clusters_of_one_row_are_nearly_independent_rows():
    preds, target, cluster = drawn(100, single=True)
    alone, found = (evaluated(preds, target, one).metrics for one in (None, cluster))
    for name in ASKED:
        ratio = (found[name].high - found[name].low) / (alone[name].high - alone[name].low)
        assert 0.9 < ratio < 1.25, (name, ratio)


@pytest.mark.parametrize("clusters", [GROUPS - 20, GROUPS + 30])
def test_nothing_depends_on_batches_workers_order_or_names(clusters):
    preds, target, cluster = drawn(clusters)
    weight = np.random.default_rng(0).random(len(target))
    whole = evaluated(preds, target, cluster, weight=weight)
    order = np.random.default_rng(1).permutation(len(target))
    parts = evaluated(preds[order], target[order], cluster[order], weight=weight[order], batch_size=61, workers=3)
    assert parts.metrics == whole.metrics
    assert parts.clustered == whole.clustered
    if clusters < GROUPS:
        named = evaluated(preds, target, [f"patient {one:04}" for one in cluster], weight=weight)
        for name, value in named.metrics.items():
            assert (value.low, value.high) == pytest.approx((whole.metrics[name].low, whole.metrics[name].high)), name


def test_a_report_says_what_its_intervals_are_of():
    preds, target, cluster = drawn(50)
    report = evaluated(preds, target, cluster, ["rmse"])
    square = (preds - target) ** 2
    sums = np.bincount(cluster, square - square.mean())
    effect = (sums**2).sum() * 50 / 49 / (square.var(ddof=1) * len(square))
    assert report.clustered[:3] == ("cluster", 50, int(np.bincount(cluster).max()))
    assert report.clustered.design_effect == pytest.approx(effect, rel=0.1)
    assert "by cluster: 50 clusters, the largest of 12 rows, design effect" in str(evalcli.Report(report))
    data = report.to_json_object()
    assert Report.from_json_object(data).to_json_object() == data
    assert evaluated(preds, target, cluster, ["rmse"], confidence=None).clustered.design_effect is None
    assert "clustered" not in evaluated(preds, target).to_json_object()


def test_outputs_have_intervals_of_clusters_and_so_has_their_mean():
    preds, target, cluster = drawn(40, outputs=2)
    found = evaluated(preds, target, cluster, ["rmse", "r2", "medae", "spearman"])
    assert {value.method.split(" (")[0] for value in found.metrics.values()} == {"hall", "jackknife", "order"}
    assert all(value.method.endswith(" (bound) (clusters)") for value in found.metrics.values())
    single = evaluated(preds[:, 1], target[:, 1], cluster, ["rmse", "r2", "medae", "spearman"])
    assert found.per_output[1].metrics == single.metrics


def test_a_perfect_model_is_as_sure_as_its_clusters_are_many():
    target = np.random.default_rng(0).normal(9, 1, 400)
    cluster = np.repeat(np.arange(20), 20)
    alone, found = (evaluated(target, target, one).metrics for one in (None, cluster))
    for name, value in found.items():
        assert value.high - value.low > 3 * (alone[name].high - alone[name].low), name
        assert value.method == "wilson (clusters)", name


def test_errors_of_a_single_cluster_leave_wide_intervals():
    preds, target, cluster = drawn(40)
    preds = np.where(cluster == 3, preds, target)
    found = evaluated(preds, target, cluster).metrics
    alone = evaluated(preds, target).metrics
    for name, value in found.items():
        assert value.low is not None, name
        if name != "medae":
            assert value.high - value.low > alone[name].high - alone[name].low, name


@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_a_few_clusters_tell_little(clusters):
    preds, target, cluster = drawn(clusters, seed=6)
    found, alone = evaluated(preds, target, cluster).metrics, evaluated(preds, target).metrics
    for name, value in found.items():
        if value.low is not None and alone[name].low is not None:
            assert value.low <= value.value <= value.high
            assert np.isfinite([value.low, value.high]).all(), name
    assert found["mae"].high - found["mae"].low > alone["mae"].high - alone["mae"].low


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ([1, 1, 1, 1], "all rows belong to one cluster"),
        ([1.0, float("nan"), 2.0, 2.0], r"1 row has no cluster \(row 1\)"),
        (["a", None, None, "b"], r"2 rows have no cluster \(row 1, row 2\)"),
        ([1, 2, 3], "have the shape"),
    ],
)
def test_clusters_that_are_none(cluster, message):
    with pytest.raises((InputError, UsageError), match=message):
        evaluated([0.5, 1.5, 1.0, 0.0], [0.1, 1.0, 0.5, 0.0], cluster)


def test_rows_without_a_cluster_are_dropped_where_that_is_asked_for():
    cluster = ["a", None, "b", "b", "c"]
    found = evaluated([0.0, 9.0, 1.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.5, 0.0], cluster, ["mae"], nan="drop")
    assert (found.n, found.ignored, found.metrics["mae"].value) == (4, 1, 0.75)


@pytest.mark.parametrize("clusters", [30, GROUPS + 30])
def test_a_slice_has_the_intervals_of_its_rows_alone(clusters):
    preds, target, cluster = drawn(clusters)
    rng = np.random.default_rng(2)
    side = np.where(np.arange(len(target)) < 3, "few", rng.choice(["a", "b"], len(target)))  # across clusters
    weight = rng.integers(1, 4, len(target)) / 2
    names, by = ["rmse", "r2", "spearman", "medae"], {"side": side}
    found = evaluated(preds, target, cluster, names, by=by, weight=weight)
    assert found.metrics == evaluated(preds, target, cluster, names, weight=weight).metrics
    for row in found.slices:
        inside = side == row.value
        if row.value == "few":  # of one cluster
            assert all(value.low is None for value in row.metrics.values())
            continue
        alone = evaluated(preds[inside], target[inside], cluster[inside], names, weight=weight[inside])
        assert row.metrics == alone.metrics, row
        assert row.metrics["rmse"].method == "hall (clusters)"
    batches = evaluated(preds, target, cluster, names, by=by, weight=weight, batch_size=170, workers=3)
    assert batches.slices == found.slices


def test_a_gate_on_a_slice_is_judged_by_its_clusters():
    preds, target, cluster = drawn(40)
    report = evaluated(preds, target, cluster, ["mae"], by={"side": cluster % 2})
    (row,) = [each for each in report.slices if each.value == "1"]
    bound = row.metrics["mae"].value + 0.9 * (row.metrics["mae"].high - row.metrics["mae"].value)
    rule = parse_rules([], [f"mae@side=1={bound}"])
    assert judge(report, rule, on="interval")[0].status == "inconclusive"
    independent = evaluated(preds, target, None, ["mae"], by={"side": cluster % 2})
    assert judge(independent, rule, on="interval")[0].status == "pass"


def test_an_end_of_1_of_a_correlation_is_no_warning():
    target, preds = np.array([1.0, 3, 3, 1, 0, 2]), np.array([2.0, 4, 3, 2, 1, 3])
    found = evaluated(preds, target, np.array([2, 2, 2, 2, 0, 0]), ["pearson"]).metrics["pearson"]
    assert (found.value, found.low) == (pytest.approx(0.9447549859466604), None)


def test_a_cluster_of_weight_zero_says_nothing():
    preds, target, cluster = drawn(40)
    weight = (cluster != 3).astype(float)
    names = [name for name in ASKED if name != "adjusted_r2_p3"]  # which counts rows, whatever they weigh
    found = evaluated(preds, target, cluster, names, weight=weight).metrics
    kept = cluster != 3
    alone = evaluated(preds[kept], target[kept], cluster[kept], names).metrics
    for name, value in found.items():
        assert value.value == pytest.approx(alone[name].value)
        assert (value.low, value.high) == pytest.approx((alone[name].low, alone[name].high), rel=0.05), name
    with pytest.raises(InputError, match="all rows belong to one cluster"):
        evaluated(preds, target, np.minimum(cluster, 1), ["mae"], weight=(cluster == 0).astype(float))


class Counter:
    """A pass that counts the rows it is given."""

    def __init__(self):
        self.evidence, self.seen = Evidence(), []

    def take(self, rows):
        self.seen += rows.values
        return len(rows.values)

    def merge(self, other):
        self.seen = sorted(self.seen + other.seen)


class Values:
    repeats = weight = None

    def __init__(self, values):
        self.values = list(values)

    @property
    def cluster(self):
        return np.array(self.values)

    def pick(self, rows):
        return Values(np.array(self.values)[rows].tolist())


@given(rows=st.lists(st.integers(-9, 9), min_size=1, max_size=40), cut=st.integers(0, 40), most=st.integers(3, 8))
@settings(max_examples=50, deadline=None)
def test_groups_hold_the_rows_of_their_clusters_however_rows_are_dealt_out(rows, cut, most):
    passes = [ClusterPasses(Counter, most) for _ in range(2)]
    for one, part in zip(passes, (rows[:cut], rows[cut:]), strict=True):
        if part:
            one.update(Values(part))
    passes[0].merge(passes[1])
    several = len({*rows}) > most
    group = hashed(np.array(rows), most) if several else np.array(rows)
    assert passes[0].is_hashed == several
    expected = [sorted(np.array(rows)[group == one].tolist()) for one in np.unique(group)]
    assert [sorted(one.seen) for one in passes[0].groups()] == expected
    sizes = passes[0].sizes()
    assert sizes.cluster.tolist() == sorted({*rows})
    assert sizes.rows.tolist() == [rows.count(one) for one in sorted({*rows})]


@given(parts=st.lists(st.integers(0, 99), min_size=2, max_size=20))
def test_all_but_each(parts):
    assert list(without_each(parts, sum)) == [sum(parts) - one for one in parts]
