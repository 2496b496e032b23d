"""How sure defined metrics are: from the intervals of what they read, and from how that goes together."""

import json
from math import log, sqrt

import numpy as np
import pytest

import evalcli
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.expressed import Estimates

RNG = np.random.default_rng(5)
ROWS = 240
TARGET = RNG.choice(3, ROWS, p=[0.5, 0.3, 0.2])
PREDS = np.where(RNG.random(ROWS) < 0.8, TARGET, RNG.integers(0, 3, ROWS))
POSITIVE = (RNG.random(ROWS) < 0.4).astype(int)
SCORES = 1 / (1 + np.exp(-RNG.normal(size=ROWS) - 2 * POSITIVE + 1))
GROUPS = np.repeat(np.arange(ROWS // 4), 4)


def told(preds, target, define, **more):
    return evalcli.evaluate(preds, target, define=define, resamples=200, **more).data.metrics


def test_one_metric_through_a_monotone_function_keeps_its_interval_transformed():
    define = {"short": "log(1 - accuracy)", "twice": "2 * f1_macro - f1_macro / 2", "gini": "2 * auroc - 1"}
    found = told(SCORES, POSITIVE, define)
    accuracy, f1, auroc = (found[name] for name in ("accuracy", "f1_macro", "auroc"))
    assert found["short"].low == pytest.approx(log(1 - accuracy.high))
    assert found["short"].high == pytest.approx(log(1 - accuracy.low))
    assert (found["twice"].low, found["twice"].high) == pytest.approx((1.5 * f1.low, 1.5 * f1.high))
    assert (found["gini"].low, found["gini"].high) == pytest.approx((2 * auroc.low - 1, 2 * auroc.high - 1))
    assert [found[name].method for name in define] == [accuracy.method, f1.method, auroc.method]


def test_recalls_of_two_classes_share_no_row_and_their_gap_has_newcombes_interval():
    found = told(PREDS, TARGET, {"gap": "recall[0] - recall[1]"}, metrics=["recall[0]", "recall[1]"])
    one, other, gap = found["recall[0]"], found["recall[1]"], found["gap"]
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    assert (gap.low, gap.high) == pytest.approx((gap.value - below, gap.value + above), abs=1e-6)
    assert gap.method == "mover"


def test_what_two_metrics_have_in_common_is_taken_off():
    found = told(PREDS, TARGET, {"apart": "f1_macro - accuracy", "both": "f1_macro + accuracy"})
    widths = {name: found[name].high - found[name].low for name in ("apart", "both", "f1_macro", "accuracy")}
    assert widths["apart"] < 0.6 * widths["accuracy"]
    assert widths["both"] > 1.8 * min(widths["f1_macro"], widths["accuracy"])


def test_an_expression_for_f1_is_as_sure_as_f1():
    text = "2 * precision[0] * recall[0] / (precision[0] + recall[0])"
    report = evalcli.evaluate(PREDS, TARGET, define={"x": text}).data
    f1, found = report.per_class[0].metrics["f1"], report.metrics["x"]
    assert found.value == pytest.approx(f1.value)
    assert (found.low, found.high) == pytest.approx((f1.low, f1.high), abs=0.01)


@pytest.mark.parametrize(
    ("preds", "target", "text", "sure"),
    [
        (SCORES, POSITIVE, "auroc - average_precision", True),
        (SCORES, POSITIVE, "auroc - accuracy", True),
        (SCORES, POSITIVE, "error_rate - brier", True),
        (SCORES, POSITIVE, "log_loss - brier", False),
        (SCORES, POSITIVE, "ece - brier", False),
        (POSITIVE + RNG.normal(size=ROWS), POSITIVE + 0.5 * RNG.normal(size=ROWS), "mse - rmse", True),
        (POSITIVE + RNG.normal(size=ROWS), POSITIVE + 0.5 * RNG.normal(size=ROWS), "spearman - pearson", False),
        (POSITIVE + RNG.normal(size=ROWS), POSITIVE + 0.5 * RNG.normal(size=ROWS), "rmse - mae", False),
    ],
)
def test_what_nobody_knows_of_two_metrics_is_taken_at_its_worst(preds, target, text, sure):
    first, _, second = text.partition(" - ")
    found = told(preds, target, {"x": text})
    x, one, other = found["x"], found[first], found[second]
    low, high = x.value - (one.value - one.low) - (other.high - other.value), one.high - other.low
    if sure:
        assert x.method == "mover"
        assert low < x.low < x.value < x.high < high
    else:
        assert x.method == "mover (bound)"
        assert (x.low, x.high) == pytest.approx((low, high))


def test_clusters_weights_and_confidence_move_what_is_defined():
    define = {"x": "recall[0] - recall[1]"}
    plain = told(PREDS, TARGET, define)["x"]
    twice = told(np.repeat(PREDS, 4), np.repeat(TARGET, 4), define, cluster=np.repeat(np.arange(ROWS), 4))["x"]
    assert (twice.low, twice.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    assert twice.method == "mover (clusters)"
    sure = told(PREDS, TARGET, define, confidence=0.5)["x"]
    assert plain.low < sure.low < sure.high < plain.high
    weighed = told(PREDS, TARGET, define, weight=np.where(np.arange(ROWS) < 40, 10.0, 0.1))["x"]
    assert weighed.high - weighed.low > 1.5 * (plain.high - plain.low)
    assert told(PREDS, TARGET, define, confidence=None)["x"].low is None
    scored = told(SCORES, POSITIVE, {"x": "auroc - accuracy"}, cluster=GROUPS)["x"]
    assert scored.method == "mover (clusters)"


def test_several_labels_and_slices():
    target = (RNG.random((ROWS, 3)) < 0.4).astype(int)
    preds = np.where(RNG.random((ROWS, 3)) < 0.8, target, 1 - target)
    found = told(preds, target, {"x": "f1_macro - f1_micro", "y": "f1_macro - subset_accuracy"}, task="multilabel")
    assert (found["x"].method, found["y"].method) == ("mover", "mover (bound)")
    assert found["x"].high - found["x"].low < 0.3 * (found["f1_macro"].high - found["f1_macro"].low)
    by = np.where(np.arange(ROWS) % 2, "a", "b")
    report = evalcli.evaluate(PREDS, TARGET, define={"x": "f1_macro - accuracy"}, by={"half": by}).data
    inside = report.slices[0].metrics["x"]
    alone = told(PREDS[by == "a"], TARGET[by == "a"], {"x": "f1_macro - accuracy"})["x"]
    assert inside.value == alone.value
    assert (inside.low, inside.high) == pytest.approx((alone.low, alone.high), abs=0.01)


def test_branches():
    define = {
        "size": "abs(recall[0] - recall[1])",
        "gap": "recall[0] - recall[1]",
        "least": "min(recall[0], recall[1], recall[2])",
        "nested": "1 - abs(gap) / 2",
        "square": "gap ** 2",
    }
    found = told(PREDS, TARGET, define)
    gap = found["gap"]
    assert gap.low < 0 < gap.high
    most = max(-gap.low, gap.high)
    assert (found["size"].low, found["size"].high) == pytest.approx((0.0, most))
    assert (found["nested"].low, found["nested"].high) == pytest.approx((1 - most / 2, 1.0))
    assert (found["square"].low, found["square"].high) == pytest.approx((0.0, most**2))
    assert found["least"].method == "mover (bound)"
    assert found["least"].low <= found["least"].value <= found["least"].high


def test_what_may_be_undefined_has_no_interval():
    target, preds = np.repeat([0, 1], 30), np.repeat([0, 1], 30)
    define = {"no": "1 / (1 - accuracy)", "odds": "accuracy / error_rate", "gap": "recall[0] - recall[1]"}
    found = told(preds, target, define)
    assert found["no"].value is found["odds"].value is None
    assert found["gap"].low < 0.0 < found["gap"].high
    worse = told(np.where(np.arange(60) < 1, 1, preds), target, {"x": "1 / (precision[0] - recall[1])"})
    assert worse["x"].value is None or worse["x"].low is None


def test_a_gate_on_the_interval_of_what_is_defined(tmp_path, run):
    np.savez(tmp_path / "labels.npz", preds=PREDS, target=TARGET)
    gates = ("--min", "gap=-0.4", "--max", "gap=0.0", "--max", "gap=-0.5")
    found = run("report", str(tmp_path / "labels.npz"), "--define", "gap = recall[0] - recall[1]", *gates,
                "--gate-on", "interval", "-f", "json")  # fmt: skip
    assert {gate["status"] for gate in json.loads(found.stdout)["gates"]} == {"pass", "inconclusive", "fail"}
    assert found.code == 1


def test_parts_say_the_same():
    define = {"gap": "recall[0] - recall[1]"}
    halves = [evalcli.evaluate(PREDS[half], TARGET[half], partial=True) for half in (slice(100), slice(100, None))]
    assert evalcli.merge(halves).report(define=define)["gap"] == pytest.approx(told(PREDS, TARGET, define)["gap"].value)
    merged = evalcli.merge(halves).report(define=define).data.metrics["gap"]
    assert merged == evalcli.evaluate(PREDS, TARGET, define=define).data.metrics["gap"]


def test_estimates_of_which_nothing_is_known_reach_as_far_as_both():
    values, ends = np.array([1.0, 2.0]), (np.array([0.5, 1.0]), np.array([2.0, 4.0]))
    free = Estimates(values, *ends, np.full((2, 2), np.nan))
    assert free.ends(lambda x: float(x[0] + x[1]), 1.96) == pytest.approx((1.5, 6.0))
    assert free.ends(lambda x: float(x[0] - x[1]), 1.96) == pytest.approx((-3.5, 1.0))
    assert free.ends(lambda x: float("nan"), 1.96) is None
    arms = np.array([1.0, 2.0])
    alike = Estimates(values, values - arms, values + arms, np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert alike.ends(lambda x: float(2 * x[0] - x[1]), 0.0) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_half_a_row_of_each_class_is_taken_to_be_wrong():
    cells = Cells.of_matrix(np.diag([10, 20, 30])).smoothed()
    assert cells.amounts.sum() == 61.5
    assert cells.margins.support.tolist() == [10.5, 20.5, 30.5]
    assert cells.margins.tp.tolist() == [10, 20, 30]


AROUND_A_TOP = {
    "hill": lambda x: float(x[0] * (1 - x[0]) + x[1] * (1 - x[1])),
    "saddle": lambda x: float((x[0] - 0.5) * (x[1] - 0.5)),
    "bowl": lambda x: float((x[0] - x[1]) * (x[0] - x[1]) + x[0]),
}


@pytest.mark.parametrize("shape", AROUND_A_TOP)
@pytest.mark.parametrize("at", [(0.5, 0.5), (0.49, 0.52), (0.45, 0.6)])
@pytest.mark.parametrize("together", [0.0, 0.7, -0.7])
def test_the_ends_are_the_least_and_the_most_in_the_region_where_no_slope_leads_there_as_well(shape, at, together):
    of, here = AROUND_A_TOP[shape], np.array(at)
    correlation = np.array([[1.0, together], [together, 1.0]])
    low, high = Estimates(here, here - 0.1, here + 0.1, correlation * 1e-12).ends(of, 1.96)
    turns, lengths = np.meshgrid(np.linspace(0, 2 * np.pi, 361), np.linspace(0, 1, 41))
    circle = np.stack([lengths * np.cos(turns), lengths * np.sin(turns)]).reshape(2, -1)
    inside = here[:, None] + 0.1 * np.linalg.cholesky(correlation) @ circle
    seen = np.array([of(point) for point in inside.T])
    most, away = seen.max(), np.linalg.solve(np.linalg.cholesky(correlation), 0.5 - here) / 0.1
    if shape == "hill" and 1.96**2 * (away @ away) < 5.9:  # χ² of two degrees: both may be at the top
        most = 0.5
    assert (low, high) == pytest.approx((seen.min(), most), abs=1e-3 * (seen.max() - seen.min()))


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_at_its_top_is_held_as_often_as_all_estimates_are_at_once(count):
    """The region that holds one of them in 95 % holds two in 85 %, and three in 72 %."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(100):
        here = 0.5 + 0.05 * rng.normal(size=count)
        around = Estimates(here, here - 0.098, here + 0.098, 0.0025 * np.eye(count))
        low, high = around.ends(lambda x: float((x * (1.0 - x)).sum()), 1.96)
        held += low <= 0.25 * count <= high + 1e-6
    assert 0.91 <= held / 100 <= 0.99


def test_what_is_at_its_top_may_be_below_it_and_not_above():
    target, preds = np.repeat([1, 0], 100), np.tile(np.repeat([1, 0], 50), 2)
    found = told(preds, target, {"spread": "recall * (1 - recall) + specificity * (1 - specificity)"})["spread"]
    assert found.low < 0.495 < found.value == found.high == 0.5


@pytest.mark.parametrize("define", [["gap = recall[0] - recall[1]"], "gap = recall[0] - recall[1]"])
def test_definitions_without_a_dict_are_asked_for_one(define):
    with pytest.raises(evalcli.UsageError, match="names no expressions; give a dict"):
        evalcli.evaluate(PREDS, TARGET, define=define)
