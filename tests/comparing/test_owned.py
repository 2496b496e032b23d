"""One's own metrics of several models: paired row by row, as brute force shows it, and the same however rows come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import evalcli
from evalcli.errors import UsageError
from evalcli.own import groups as owngroups
from evalcli.sources.base import Batch
from evalcli.sources.origins import Origin, mark_of_rows

ROWS = 600
RNG = np.random.default_rng(5)
TARGET = RNG.normal(size=ROWS)
SHARED = RNG.normal(size=ROWS)
FIRST = TARGET + SHARED + 0.5 * RNG.standard_t(6, size=ROWS)
SECOND = TARGET + SHARED + 0.3 * RNG.standard_t(6, size=ROWS)
THIRD = TARGET + 1.8 * RNG.normal(size=ROWS)
REGION = np.array(["EU", "US", "ASIA"])[np.arange(ROWS) % 3]
CLUSTER = np.arange(ROWS) // 4


class OwnMean(evalcli.Metric):
    """A mean of errors, in whole thousandths so that no order of adding up shows."""

    higher_is_better = False

    def __init__(self):
        super().__init__()
        self.add_state("total", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        self.total += int(np.rint(np.abs(preds - target) * 1000.0).sum())
        self.rows += len(target)

    def compute(self):
        return self.total / self.rows / 1000.0


class Hits(evalcli.Metric):
    """How many rows are right, and their share."""

    def __init__(self):
        super().__init__()
        self.add_state("right", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        preds = preds.argmax(axis=1) if preds.ndim > 1 else preds
        self.right += int((preds == target).sum())
        self.rows += len(target)

    def compute(self):
        return {"share": self.right / self.rows, "rows": self.rows}


class Kept(OwnMean):
    """The median of the errors, all of which are kept."""

    def __init__(self):
        super().__init__()
        self.add_state("errors", [], reduce="cat")

    def update(self, preds, target):
        self.errors.append(np.abs(preds - target))

    def compute(self):
        return float(np.median(np.concatenate(self.errors)))


class OfClasses(evalcli.Metric):
    """The recall of each of three classes."""

    def __init__(self):
        super().__init__()
        self.add_state("right", np.zeros(3, int))
        self.add_state("rows", np.zeros(3, int))

    def update(self, preds, target):
        self.right = self.right + np.bincount(target[preds == target], minlength=3)
        self.rows = self.rows + np.bincount(target, minlength=3)

    def compute(self):
        return self.right / self.rows


class Fussy(OwnMean):
    """Fails on the worse of the models, and is no number for the best."""

    def compute(self):
        if super().compute() > 1.2:
            raise RuntimeError("too far off")
        return float("nan") if super().compute() < 0.9 else 1.0


def compared(*models, own, target=TARGET, **more):
    return evalcli.compare(*models, target=target, own=own, **({"metrics": "mae", "flips": 0} | more)).data


def groups_of(*models, target=TARGET):
    origins = [[Origin(mark=mark_of_rows([one[:64], target[:64]]))] for one in models]
    return owngroups.dealt_together([(Batch(one, target), origin) for one, origin in zip(models, origins, strict=True)])


def jackknifed(gap_of, groups, level=0.95):
    """The ends and the p-value of ``gap_of`` rows, from all rows without each group, in Busing's pseudovalues."""
    every = np.arange(len(groups))
    value, numbers = gap_of(every), np.unique(groups)
    pseudo, weights = [], []
    for number in numbers:
        times = len(groups) / np.count_nonzero(groups == number)
        pseudo.append(times * value - (times - 1.0) * gap_of(every[groups != number]))
        weights.append(times)
    pseudo, weights = np.array(pseudo), np.array(weights)
    middle = float((pseudo / weights).sum())
    error = np.sqrt(float(((pseudo - middle) ** 2 / (weights - 1.0)).sum()) / len(numbers))
    freedom = len(numbers) - 1
    reach = stats.t.ppf(0.5 + level / 2.0, freedom) * error
    return value - reach, value + reach, 2.0 * stats.t.sf(abs(value) / error, freedom)


def mean_gap(rows):
    errors = [np.rint(np.abs(one[rows] - TARGET[rows]) * 1000.0).mean() / 1000.0 for one in (FIRST, SECOND)]
    return errors[1] - errors[0]


def median_gap(rows):
    first, second = (np.median(np.abs(one[rows] - TARGET[rows])) for one in (FIRST, SECOND))
    return second - first


@pytest.mark.parametrize(("metric", "gap"), [(OwnMean, mean_gap), (Kept, median_gap)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_a_difference_is_that_of_a_jackknife_row_by_row(metric, gap, level):
    found = compared(FIRST, SECOND, own={"x": metric()}, confidence=level).metric("x").differences[1]
    expected = jackknifed(gap, groups_of(FIRST, SECOND), level)
    assert found.method == "jackknife"
    assert (found.low, found.high, found.p) == pytest.approx(expected, rel=1e-9)


def test_whole_clusters_are_left_out():
    found = compared(FIRST, SECOND, own={"x": OwnMean()}, cluster=CLUSTER).metric("x").differences[1]
    expected = jackknifed(mean_gap, owngroups.hashed(CLUSTER, owngroups.GROUPS))
    assert found.method == "jackknife (clusters)"
    assert (found.low, found.high, found.p) == pytest.approx(expected, rel=1e-9)


def test_it_is_as_wide_as_samples_of_the_same_rows_scatter_and_narrower_than_of_other_rows():
    rng = np.random.default_rng(6)
    drawn = [mean_gap(rng.integers(0, ROWS, ROWS)) for _ in range(1000)]
    data = compared(FIRST, SECOND, own={"x": OwnMean()})
    found = data.metric("x").differences[1]
    error = (found.high - found.low) / 2.0 / stats.t.ppf(0.975, 19)
    assert 0.7 < error / np.std(drawn) < 1.4
    alone = [np.std(np.abs(one - TARGET)) / ROWS**0.5 for one in (FIRST, SECOND)]
    assert error < 0.8 * np.hypot(*alone)
    mae = data.metric("mae").differences[1]
    assert 0.6 < (found.high - found.low) / (mae.high - mae.low) < 1.6


def test_many_rows_that_are_kept_are_compared_group_by_group(monkeypatch):
    monkeypatch.setattr(owngroups, "MANY_ROWS", 100)
    found = compared(FIRST, SECOND, own={"x": Kept(), "y": OwnMean()})
    assert found.metric("x").differences[1].method == "groups"
    assert found.metric("y").differences[1].method == "jackknife"
    groups, rows = groups_of(FIRST, SECOND), np.arange(ROWS)
    sizes = np.bincount(groups, minlength=20)
    gaps = np.array([median_gap(rows[groups == number]) for number in range(20)])
    middle = (sizes * gaps).sum() / ROWS
    error = np.sqrt((sizes * (gaps - middle) ** 2).sum() / 19.0 / ROWS)
    one = found.metric("x").differences[1]
    assert (one.high - one.low) / 2.0 == pytest.approx(stats.t.ppf(0.975, 19) * error)


def test_neither_batches_nor_workers_show_in_a_byte():
    own = {"x": OwnMean(), "y": Hits()}
    texts = {
        evalcli.compare(
            FIRST, SECOND, target=TARGET, own=own, metrics="mae", by=REGION, batch_size=size, workers=workers
        ).to_json()
        for size, workers in ((600, 1), (7, 1), (64, 3), (1000, 2))
    }
    assert len(texts) == 1
    assert len(json.loads(texts.pop())["slices"]) == 3


def test_the_models_swapped_mirror_the_difference():
    one, other = (
        compared(*models, own={"x": OwnMean()}).metric("x").differences[1]
        for models in ((FIRST, SECOND), (SECOND, FIRST))
    )
    assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p), rel=1e-12)
    assert (one.verdict, other.verdict) == ("better", "worse")


def test_the_class_says_which_values_are_better():
    row = compared(FIRST, SECOND, own=[OwnMean()]).metric("OwnMean")
    assert row.direction == "lower"
    assert row.values[0] > row.values[1]
    assert row.differences[1].verdict == "better"
    labels = np.where(np.arange(ROWS) % 7 > 0, np.arange(ROWS) % 3, 0)
    worse = np.where(np.arange(ROWS) % 3 > 0, labels, 1)
    row = compared(labels, worse, target=np.arange(ROWS) % 3, own={"x": Hits()}, metrics="accuracy").metric("x.share")
    assert (row.direction, row.differences[1].verdict) == ("neither", "lower")


def test_holm_goes_over_all_that_is_compared():
    rows = compared(FIRST, SECOND, own={"x": OwnMean(), "y": Kept()}, metrics="mae,rmse").metrics
    assert [row.name for row in rows] == ["mae", "rmse", "x", "y"]
    p = np.array([row.differences[1].p for row in rows])
    order = np.argsort(p)
    expected = np.minimum(np.maximum.accumulate(p[order] * (4 - np.arange(4))), 1.0)
    assert np.array([row.differences[1].adjusted for row in rows])[order] == pytest.approx(expected)


def test_a_slice_has_the_difference_of_its_rows_up_to_twenty_slices():
    data = compared(FIRST, SECOND, own={"x": OwnMean()}, by=REGION)
    groups = groups_of(FIRST, SECOND)
    for row in data.slices:
        here = np.flatnonzero(row.value == REGION)
        found = row.metrics["x"].differences[1]
        expected = jackknifed(lambda rows, here=here: mean_gap(here[rows]), groups[here])
        assert (found.low, found.high, found.p) == pytest.approx(expected, rel=1e-9)
    many = compared(FIRST, SECOND, own={"x": OwnMean()}, by=np.char.add("g", (np.arange(ROWS) % 21).astype(str)))
    assert {row.metrics["x"].differences[1] for row in many.slices} == {None}
    assert all(None not in row.metrics["x"].values for row in many.slices)


@pytest.mark.parametrize("independent", [False, True])
def test_metrics_that_take_no_weights_are_named_where_rows_have_some(independent):
    weight, target = np.ones(ROWS), (TARGET, TARGET) if independent else TARGET
    weight = (weight, weight) if independent else weight
    data = compared(
        FIRST, SECOND, own={"x": OwnMean(), "y": Kept()}, target=target, weight=weight, independent=independent
    )
    (told,) = [finding.text for finding in data.findings if finding.code == "metric-unweighted"]
    assert told == "x, y count every row once, since their update takes no weight"


def test_a_league_is_of_each_against_the_best():
    data = compared(FIRST, SECOND, THIRD, own={"x": OwnMean()})
    assert data.reference == 1
    row = data.metric("x")
    assert row.differences[1] is None
    assert [row.differences[i].verdict for i in (0, 2)] == ["worse", "worse"]
    ends = jackknifed(lambda rows: -mean_gap(rows), groups_of(FIRST, SECOND, THIRD))
    assert (row.differences[0].low, row.differences[0].high, row.differences[0].p) == pytest.approx(ends, rel=1e-9)


def test_numbers_of_classes_have_their_names_whatever_classes_a_model_answers():
    truth = np.array(["ant", "bee", "cat"])[np.arange(ROWS) % 3]
    first = np.where(np.arange(ROWS) % 5 == 0, "bee", truth)
    second = np.where(truth == "cat", "ant", truth)  # never answers cat
    data = compared(first, second, target=truth, own={"x": OfClasses()}, metrics="accuracy,recall[cat]")
    assert [row.name for row in data.metrics] == ["accuracy", "recall[cat]", "x[ant]", "x[bee]", "x[cat]"]
    assert data.metric("x[cat]").values == data.metric("recall[cat]").values
    assert data.metric("x[bee]").values == (1.0, 1.0)
    assert data.metric("x[bee]").differences[1] is None  # nothing varies


def test_scores_and_labels_see_the_same_class_numbers():
    rng = np.random.default_rng(9)
    truth = rng.integers(0, 3, ROWS)
    scores = rng.normal(size=(ROWS, 3)) + 2.0 * np.eye(3)[truth]
    other = np.where(rng.random(ROWS) < 0.7, truth, 0)
    data = compared(scores, other, target=truth, own={"x": Hits()}, metrics="accuracy")
    assert data.metric("x.share").values == data.metric("accuracy").values
    assert data.metric("x.rows").values == (ROWS, ROWS)


def test_rows_that_one_model_has_no_prediction_for_are_left_out_of_all():
    first = np.column_stack([1.0 - TARGET, TARGET])
    first[:50] = np.nan
    second = np.column_stack([1.0 - FIRST, FIRST])
    truth = (TARGET > 0).astype(int)
    truth[-30:] = 9
    options = {"nan": "drop", "ignore_index": 9, "scores": "logits", "metrics": "accuracy"}
    data = compared(first, second, target=truth, own={"x": Hits()}, **options)
    assert data.n == ROWS - 80
    assert data.metric("x.rows").values == (ROWS - 80, ROWS - 80)
    assert data.metric("x.share").values == data.metric("accuracy").values


def test_what_fails_on_one_model_is_told_with_its_line_and_leaves_the_rest():
    data = compared(FIRST, SECOND, THIRD, own={"x": Fussy(), "y": OwnMean()})
    (finding,) = (one for one in data.findings if one.code == "metric-failed")
    line = next(i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "too far off" in text)
    assert finding.text == f"x failed on C: RuntimeError: too far off (test_owned.py, line {line})"
    assert data.metric("x").values == (1.0, None, None)
    assert data.metric("x").differences == (None, None, None)
    assert data.metric("y").differences[0] is not None


def test_what_fails_on_all_models_is_told_once():
    data = compared(THIRD, THIRD + 0.1, own={"x": Fussy()})
    (finding,) = (one for one in data.findings if one.code == "metric-failed")
    assert finding.text.startswith("x failed: RuntimeError: too far off (")


def test_models_that_say_the_same_and_few_rows_have_no_interval():
    assert compared(FIRST, FIRST, own={"x": OwnMean()}).metric("x").differences[1] is None
    few = compared(FIRST[:39], SECOND[:39], target=TARGET[:39], own={"x": OwnMean()})
    assert few.metric("x").differences[1] is None
    assert None not in few.metric("x").values


def test_two_samples_have_the_intervals_of_their_reports():
    half = ROWS // 2
    sides, truths = (FIRST[:half], FIRST[half:]), (TARGET[:half], TARGET[half:])
    row = compared(*sides, target=truths, own={"x": OwnMean()}, independent=True).metric("x")
    found = row.differences[1]
    reports = [
        evalcli.evaluate(said, true, own={"x": OwnMean()}, metrics="mae").data.metrics["x"]
        for said, true in zip(sides, truths, strict=True)
    ]
    reach = np.hypot(*((one.high - one.low) / 2.0 for one in reports))
    assert row.values == tuple(one.value for one in reports)
    assert (found.high - found.low) / 2.0 == pytest.approx(reach)
    assert found.method == "mover"


class OwnGap(OwnMean):
    """How much larger errors are where the truth is positive, from sums of its own."""

    def __init__(self):
        super().__init__()
        self.add_state("more", 0)
        self.add_state("positive", 0)

    def update(self, preds, target):
        super().update(preds, target)
        off = np.rint(np.abs(preds - target) * 1000.0)
        self.more += int(off[target > 0.0].sum())
        self.positive += int((target > 0.0).sum())

    def compute(self):
        return {"all": super().compute(), "some": self.more / self.positive / 1000.0}


class OwnDifference(OwnGap):
    def compute(self):
        found = super().compute()
        return found["some"] - found["all"]


@pytest.mark.parametrize("more", [{}, {"cluster": CLUSTER}, {"by": {"region": REGION}}])
def test_definitions_are_sure_as_a_metric_that_computes_the_same(more):
    """In a report, of two models on the same rows, within slices, of clusters: all of it the jackknife's."""
    own = {"x": OwnGap(), "y": OwnDifference()}
    define = {"gap": "x.some - x.all", "half": "y / 2", "same": "2 * half"}
    found = compared(FIRST, SECOND, own=own, define=define, **more)
    report = evalcli.evaluate(FIRST, TARGET, own=own, define=define, metrics="mae", **more).data
    names = ["gap", "same", *(["gap@region=EU"] if "by" in more else [])]
    for name in names:
        beside = f"y@{name.partition('@')[2]}" if "@" in name else "y"
        one, other = (found.metric(text).differences[1] for text in (name, beside))
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-6)
        assert one.p == pytest.approx(other.p, rel=1e-6)
    for name in ("gap", "same"):
        one, other = report.metrics[name], report.metrics["y"]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-6)
    for row in report.slices:
        one, other = row.metrics["gap"], row.metrics["y"]
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-6)


def test_definitions_may_read_the_registry_too_and_then_the_worst_is_taken_to_be_true():
    found = compared(FIRST, SECOND, own={"x": OwnMean()}, define={"twice": "x + mae", "none": "x - mae"}, metrics="mae")
    one, other, both = (
        found.metric("x").differences[1],
        found.metric("mae").differences[1],
        found.metric("twice").differences[1],
    )
    assert both.method == "mover (bound)"
    assert both.high - both.low == pytest.approx(one.high - one.low + other.high - other.low, rel=0.01)
    assert found.metric("none").differences[1].low < 0.0 < found.metric("none").differences[1].high


def test_definitions_go_by_the_names_of_numbers_that_there_are():
    with pytest.raises(UsageError, match=r"y: x\.none: there is no number of this name; check the expression"):
        compared(FIRST, SECOND, own={"x": OwnGap()}, define={"y": "x.none / 2"})
    with pytest.raises(UsageError, match="two metrics are called 'x'"):
        compared(FIRST, SECOND, own={"x": OwnMean()}, define={"x": "mae / 2"})


def test_definitions_of_what_fails_are_undefined():
    class Failing(OwnMean):
        def compute(self):
            raise ValueError("no")

    found = compared(FIRST, SECOND, own={"x": Failing()}, define={"y": "x / 2"})
    assert found.metric("y").values == (None, None)
    assert found.metric("y").differences == (None, None)


def test_one_model_on_two_samples_has_definitions_of_them():
    half = ROWS // 2
    sides, truths = (FIRST[:half], FIRST[half:]), (TARGET[:half], TARGET[half:])
    own, define = {"x": OwnGap(), "y": OwnDifference()}, {"gap": "x.some - x.all"}
    found = compared(*sides, target=truths, own=own, define=define, independent=True)
    one, other = found.metric("gap").differences[1], found.metric("y").differences[1]
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-6)


def test_equal_models_seldom_differ():
    rng, found = np.random.default_rng(21), []
    for _ in range(200):
        shared, target = rng.normal(size=120), rng.normal(size=120)
        first, second = (target + shared + rng.standard_t(6, size=120) for _ in range(2))
        row = compared(first, second, target=target, own={"x": OwnMean()}, resamples=100, workers=1).metric("x")
        found.append(row.differences[1].p < 0.05)
    assert np.mean(found) <= 0.055 + 2.0 * (0.05 * 0.95 / 200) ** 0.5
