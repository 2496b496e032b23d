"""Which interval a metric of counts gets, and that each is the one it should be."""

import numpy as np
import pytest

from evalcli.errors import UsageError
from evalcli.metrics.counts import Pairs
from evalcli.metrics.registry import METRICS, PER_CLASS, default_names, evaluate, parse
from evalcli.uncertainty import counted
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.clusters import Clusters
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.intervals import Confidence, wilson
from evalcli.uncertainty.measures import ALL, measure
from evalcli.uncertainty.score import one_model, score_interval

Z = Confidence().critical
TABLE = np.array([[90, 10, 2], [5, 95, 6], [3, 8, 40]])
CLASSES = ["a", "b", "c"]


def of(text, table=TABLE, **options):
    return CountIntervals(Cells.of_matrix(table), classes=CLASSES, **options).of(parse(text))


@pytest.mark.parametrize(
    ("text", "right", "trials"),
    [
        ("accuracy", 225, 259),
        ("recall[a]", 90, 102),
        ("precision[b]", 95, 113),
        ("specificity[c]", 200, 208),
        ("npv[a]", 149, 161),
        ("jaccard[c]", 40, 59),
        ("recall_weighted", 225, 259),
        ("f1_micro", 225, 259),
        ("precision_micro", 225, 259),
    ],
)
def test_shares_are_wilsons(text, right, trials):
    found, plain = of(text), wilson(right, trials, Z)
    assert (found.low, found.high, found.method) == (
        pytest.approx(plain.low, abs=1e-12),
        pytest.approx(plain.high, abs=1e-12),
        "wilson",
    )


def test_what_follows_from_a_share_follows():
    accuracy, jaccard = of("accuracy"), of("jaccard[b]")
    assert of("error_rate") == accuracy.flipped(1.0)
    f1 = of("f1[b]")
    assert f1.low == pytest.approx(2 * jaccard.low / (1 + jaccard.low))
    assert f1.high == pytest.approx(2 * jaccard.high / (1 + jaccard.high))
    pooled = of("jaccard_micro")
    assert pooled.low == pytest.approx(accuracy.low / (2 - accuracy.low))
    assert of("specificity_micro").low == pytest.approx(1 - (1 - accuracy.low) / 2)


def test_composites_are_drawn_where_every_class_has_enough():
    assert of("f1_macro").method == "bootstrap"
    rare = TABLE.copy()
    rare[2] = [0, 1, 4]
    assert of("f1_macro", rare).method == "score"
    assert of("f1_macro", method="score").method == "score"
    assert of("f1_macro", method="delta").method == "delta"


def test_many_cells_fall_back_to_the_delta_method_and_say_so(monkeypatch):
    drawn = of("f1_macro")
    monkeypatch.setattr(counted, "MOST_DRAWS", 1000)
    found = of("f1_macro")
    assert found.method == "delta"
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.006)


@pytest.mark.parametrize("text", ["f1_macro", "mcc", "kappa", "balanced_accuracy", "precision_weighted", "fbeta2[c]"])
def test_methods_agree_where_all_hold(text):
    found = [of(text, TABLE * 20, method=method) for method in ("score", "bootstrap", "delta")]
    width = found[0].width
    for one in found[1:]:
        assert (one.low, one.high) == pytest.approx((found[0].low, found[0].high), abs=0.09 * width)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    "table",
    [
        [[50, 0], [0, 50]],
        [[0, 50], [50, 0]],
        [[1, 0], [0, 1]],
        [[99, 0], [1, 0]],
        [[60, 0], [0, 0]],
        [[0, 60], [0, 0]],
        [[10**7, 3], [0, 10**6]],
    ],
)
def test_no_interval_is_empty_or_leaves_the_range(task, table):
    table = np.array(table)
    cells = Cells.of_matrix(table)
    intervals = CountIntervals(cells, positive=1 if task == "binary" else None, classes=CLASSES[:2])
    for text in default_names(task):
        name = parse(text)
        found = intervals.of(name)
        full = np.asarray(table.sum()), table.diagonal(), table.sum(1), table.sum(0)
        value = float(evaluate(name, type(cells.margins.counts)(*full[1:], full[0]), positive=1))
        if found is None:
            assert np.isnan(value) or np.asarray(table[1].sum() + table[:, 1].sum()) == 0, text
            continue
        assert name.entry.low <= found.low <= value + 1e-12, text
        assert value - 1e-12 <= found.high <= name.entry.high, text
        assert found.width > 0, text


def test_every_metric_of_counts_has_an_interval():
    for entry in METRICS.values():
        if entry.reads == "labels" and "multiclass" in entry.tasks:
            texts = [f"{entry.example}_{average}" for average in entry.averages]
            texts += [f"{entry.example}[b]"] if entry.per_class else [] if texts else [entry.example]
            for text in texts:
                found = of(text)
                assert found is not None, text
                assert found.width > 0, text


@pytest.mark.parametrize("base", [*PER_CLASS, "fbeta2"])
def test_per_class_is_one_by_one(base):
    intervals = CountIntervals(Cells.of_matrix(TABLE), classes=CLASSES)
    together = intervals.per_class(parse(base))
    assert together.places.tolist() == [0, 1, 2]
    for index, ends in enumerate(zip(together.low, together.high, strict=True)):
        single = intervals.of(parse(f"{base}[{CLASSES[index]}]"))
        assert ends == pytest.approx((single.low, single.high), abs=1e-12)


def test_what_is_undefined_has_none():
    table = np.array([[5, 0, 1], [0, 0, 0], [1, 0, 6]])
    assert of("recall[b]", table) is None
    assert of("precision[b]", table) is None
    assert CountIntervals(Cells.of_matrix(table)).per_class(parse("recall")).places.tolist() == [0, 2]
    assert CountIntervals(Cells.of_matrix(np.zeros((2, 2), int))).of(parse("accuracy")) is None
    with pytest.raises(UsageError, match="no class"):
        of("recall[z]")


def test_declared_classes_lower_the_mean_and_its_interval():
    found = of("f1_macro", method="score")
    declared = CountIntervals(Cells.of_matrix(TABLE), declared=4, method="score").of(parse("f1_macro"))
    assert (declared.low, declared.high) == pytest.approx((found.low * 0.75, found.high * 0.75), abs=0.01)


def test_rows_without_a_prediction_are_errors():
    cells = Cells.of_matrix(TABLE, np.array([10, 0, 0]))
    intervals = CountIntervals(cells, classes=CLASSES)
    plain = wilson(225, 269, Z)
    assert intervals.of(parse("accuracy")).low == pytest.approx(plain.low, abs=1e-12)
    micro = intervals.of(parse("precision_micro"))
    assert micro.low < 225 / 259 < micro.high


def test_confidence_and_seed_are_heard():
    narrow, wide = of("mcc", confidence=Confidence(0.8)), of("mcc", confidence=Confidence(0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert of("mcc", confidence=Confidence(seed=1)) != of("mcc")
    assert of("mcc") == of("mcc")


def test_clusters_widen_and_all_alike_widen_most():
    target, preds = (part.repeat(TABLE.ravel()) for part in np.indices(TABLE.shape).reshape(2, -1))
    alone = Clusters.of(np.arange(len(target)), target, preds, np.ones(len(target)))
    alike = Clusters.of(np.arange(len(target)) // 4, target, preds, np.ones(len(target)))
    for text in ("accuracy", "f1_macro", "recall[c]", "mcc", "majority_baseline"):
        plain = CountIntervals(alone.cells, classes=CLASSES, method="score").of(parse(text))
        one = CountIntervals(alone.cells, classes=CLASSES, clusters=alone, method="score").of(parse(text))
        other = CountIntervals(alike.cells, classes=CLASSES, clusters=alike, method="score").of(parse(text))
        assert one.width == pytest.approx(plain.width, rel=0.03), text
        assert other.width > 1.4 * one.width, text
    drawn = CountIntervals(alike.cells, classes=CLASSES, clusters=alike, method="bootstrap").of(parse("f1_macro"))
    assert drawn.method == "bootstrap"
    scored = CountIntervals(alike.cells, classes=CLASSES, clusters=alike, method="score").of(parse("f1_macro"))
    assert drawn.width == pytest.approx(scored.width, rel=0.15)


def many_classes(rng, classes, rows, right, power):
    """The cells of a sample of rows of which many classes have few, and the true means of recall and F1."""
    share = 1 / np.arange(1, classes + 1) ** power
    share /= share.sum()
    target = rng.choice(classes, size=rows, p=share)
    preds = np.where(rng.random(rows) < right, target, rng.choice(classes, size=rows, p=share))
    cells, counts = np.unique(target * classes + preds, return_counts=True)
    both, said = share * (right + (1 - right) * share), share * right + (1 - right) * share
    return (
        Cells.of(Pairs(*np.divmod(cells, classes), counts)),
        (both / share).mean(),
        (2 * both / (share + said)).mean(),
    )


def test_many_cells_get_the_delta_method_without_the_bias_of_small_classes():
    rng = np.random.default_rng(2)
    hits = np.zeros(2)
    for _ in range(100):
        cells, recall, f1 = many_classes(rng, 600, 20_000, 0.7, 0.5)
        intervals = CountIntervals(cells)
        found = [intervals.of(parse(text)) for text in ("recall_macro", "f1_macro")]
        assert [one.method for one in found] == ["delta", "delta"]
        assert len(cells.amounts) > counted.MOST_CELLS
        hits += [recall in found[0], f1 in found[1]]
    assert (hits >= 88).all()  # 95 are expected, and 88 are missed once in a thousand runs


def test_many_cells_without_an_error_are_not_certain():
    few = np.arange(5000)
    supports = np.where(few == 0, 1_000_000, 2)
    found = CountIntervals(Cells.of(Pairs(few, few, supports))).of(parse("recall_macro"))
    assert found.high == 1
    assert 1 - found.low == pytest.approx(Z**2 / (5000**2 / (1e-6 + 4999 / 2) + Z**2))


@pytest.mark.parametrize(
    ("positives", "telling"), [(np.array([[48, 1], [1, 0]]), 4), (np.array([[900, 30], [8, 2]]), 100)]
)
def test_a_variance_that_rests_on_a_handful_of_rows_is_not_believed(positives, telling):
    """The score interval at ``z·√(1 + 1/(T + 1))``, where ``T`` rows make up the variance, row by row."""
    name, cells = parse("mcc"), Cells.of_matrix(positives)
    of_one = measure(name, cells, declared=None, place=ALL)
    influence = of_one.slope(cells.margins).at(cells.target, cells.preds)
    rows = np.repeat(influence**2, cells.amounts.astype(int))
    known = rows.sum() ** 2 / (rows**2).sum()
    assert known < telling
    value = float(evaluate(name, cells.margins.counts, positive=1))
    centre = min(max(value - of_one.bias(cells), -1.0), 1.0)
    wanted = score_interval(one_model(of_one, cells), centre, Z * np.sqrt(1 + 1 / (known + 1)), (-1.0, 1.0))
    found = CountIntervals(cells, positive=1).of(name)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_the_largest_of_shares_that_are_alike_is_held():
    """Whichever class chance favours is called the most frequent."""
    rng, name, held, alone = np.random.default_rng(1), parse("majority_baseline"), 0, 0
    shares = np.r_[np.full(7, 0.9 / 7), 0.1]
    for _ in range(500):
        support = rng.multinomial(100, shares)
        found = CountIntervals(Cells.of_matrix(np.diag(support))).of(name)
        assert found is not None
        held += 0.9 / 7 in found
        alone += 0.9 / 7 in wilson(support.max(), 100, Confidence().critical)
    assert held >= 0.93 * 500
    assert alone < 0.88 * 500


def test_the_share_of_a_class_that_is_surely_the_most_frequent_is_that_of_any():
    found = CountIntervals(Cells.of_matrix(np.diag([70, 20, 10]))).of(parse("majority_baseline"))
    assert found == wilson(70, 100, Confidence().critical)
