"""What is defined from metrics, of two models: known to go together as brute force shows it, and never surer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import evalcli
from evalcli.comparing.class_moves import ClassMoves
from evalcli.errors import UsageError

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.simulated.definedpairs import TEXTS, two_labels, two_scores, two_sets, two_values

ROWS = 500
USUAL = {two_labels: "accuracy", two_scores: "accuracy", two_values: "mae", two_sets: "subset_accuracy"}


def compared(two, define, rows=ROWS, better=0.3, **more):
    first, second, target = two(np.random.default_rng(3), rows, better)
    task = {"task": "multilabel"} if two is two_sets else {}
    options = {"metrics": USUAL[two], "workers": 1, "flips": 0, **task, **more}
    return evalcli.compare(first, second, target=target, define=define, **options)


def drawn_again(one, draws=120):
    """The standard deviation of a difference over samples of the same rows, evaluated anew."""
    first, second, target = one.two(np.random.default_rng(3), ROWS, 0.3)
    rng, found = np.random.default_rng(4), []
    task = {"task": "multilabel"} if one.two is two_sets else {}
    for _ in range(draws):
        rows = rng.integers(0, ROWS, ROWS)
        values = [
            evalcli.evaluate(said[rows], target[rows], define={"x": one.text}, confidence=None, workers=1, **task)["x"]
            for said in (first, second)
        ]
        found.append(values[1] - values[0])
    return float(np.std(found))


RATIOS = (
    "precision[2] / recall[2]",
    "(f1[2] + accuracy) / 2",
    "auroc - accuracy",
    "bias / rmse",
    "f1_macro / f1_micro",
)


@pytest.mark.parametrize("one", [one for one in TEXTS if one.text in RATIOS], ids=lambda one: one.text)
def test_the_interval_is_as_wide_as_samples_of_the_same_rows_scatter(one):
    found = compared(one.two, {"x": one.text})["x"]
    assert found.method == "mover"
    error = (found.high - found.low) / 2.0 / 1.96
    assert 0.85 < error / drawn_again(one) < 1.3
    assert found.low < found.value < found.high


@pytest.mark.parametrize("two", USUAL, ids=lambda two: two.__name__)
def test_a_metric_by_another_name_has_its_interval(two):
    found = compared(two, {"same": USUAL[two], "half": f"1 - {USUAL[two]} / 2"})
    plain, same, half = (found[name] for name in (USUAL[two], "same", "half"))
    assert (same.value, same.low, same.high, same.method) == pytest.approx(
        (plain.value, plain.low, plain.high, plain.method)
    )
    assert (half.low, half.high) == pytest.approx((-plain.high / 2.0, -plain.low / 2.0))


@pytest.mark.parametrize("two", USUAL, ids=lambda two: two.__name__)
def test_no_result_depends_on_batches_or_workers(two):
    define = {f"x{number}": one.text for number, one in enumerate(TEXTS) if one.two is two}
    by = np.random.default_rng(5).integers(0, 2, ROWS)
    texts = {
        compared(two, define, by={"side": by}, batch_size=size, workers=workers).to_json()
        for size, workers in ((None, 1), (7, 3), (499, 2))
    }
    assert len(texts) == 1


def test_read_metrics_are_not_shown_nor_tested():
    found = compared(two_labels, {"gap": "recall[0] - recall[2]"})
    assert [row.name for row in found.data.metrics] == ["accuracy", "gap"]
    assert found["gap"].adjusted <= 2.0 * found["gap"].p
    assert found.data.definitions == {"gap": "recall[0] - recall[2]"}
    assert "defined   gap = recall[0] - recall[2]" in str(found)
    asked = compared(two_labels, {"gap": "recall[0] - recall[2]"}, metrics="recall[2]")
    assert [row.name for row in asked.data.metrics] == ["recall[2]", "gap"]


def test_one_definition_reads_another_and_what_only_the_truth_decides():
    define = {"gap": "recall[0] - recall[2]", "twice": "gap * 2", "lift": "accuracy - majority_baseline"}
    found = compared(two_labels, define)
    assert (found["twice"].low, found["twice"].high) == pytest.approx((2 * found["gap"].low, 2 * found["gap"].high))
    plain = found["accuracy"]
    assert (found["lift"].low, found["lift"].high) == pytest.approx((plain.low, plain.high), abs=0.003)


def test_the_least_of_several_falls_no_more_than_the_one_that_falls_most():
    names = ("recall[0]", "recall[1]", "recall[2]")
    found = compared(two_labels, {"worst": f"min({', '.join(names)})"}, metrics=names, rows=200)
    assert found["worst"].method == "mover (bound)"
    assert found["worst"].low <= min(found[name].low for name in names) + 1e-9
    assert found["worst"].high >= max(found[name].high for name in names) - 1e-9


def test_a_size_is_shown_to_differ_only_where_difference_and_sum_are():
    first, second, target = two_labels(np.random.default_rng(3), 300, 0.0)
    define = {"gap": "recall[1] - recall[2]", "size": "abs(recall[1] - recall[2])"}
    found = evalcli.compare(first, second, target=target, define=define, metrics="accuracy")
    most = max(abs(found["gap"].low), abs(found["gap"].high))
    assert (found["size"].low, found["size"].high) == pytest.approx((-most, most), abs=0.01)
    found = compared(two_labels, {"size": "abs(recall[0] - recall[2])"}, rows=2000, better=0.8)["size"]
    assert found.high < 0.0


def test_models_that_agree_in_all_rows_may_still_differ():
    first, _, target = two_labels(np.random.default_rng(3), 200, 0.0)
    found = evalcli.compare(first, first.copy(), target=target, define={"x": "recall[0] / recall[2]"})["x"]
    assert (found.value, found.p, found.verdict) == (0.0, 1.0, "none")
    assert found.low < -0.005 < 0.005 < found.high
    assert found.method == "mover (bound)"


def test_what_nobody_knows_to_go_together_is_bounded():
    found = compared(two_scores, {"x": "log_loss + brier"}, metrics=("log_loss", "brier"))
    assert found["x"].method == "mover (bound)"
    assert found["x"].low == pytest.approx(found["log_loss"].low + found["brier"].low, rel=0.05)


def test_a_row_thrice_in_a_cluster_tells_what_it_tells_once():
    first, second, target = two_labels(np.random.default_rng(3), ROWS, 0.3)
    define = {"x": "precision[0] / recall[0]"}
    once = evalcli.compare(first, second, target=target, define=define, metrics="accuracy")["x"]
    held = [np.repeat(side, 3) for side in (first, second, target)]
    cluster = np.repeat(np.arange(ROWS), 3)
    found = evalcli.compare(*held[:2], target=held[2], define=define, metrics="accuracy", cluster=cluster)["x"]
    assert found.method == "mover (clusters)"
    assert (found.low, found.high) == pytest.approx((once.low, once.high), abs=0.2 * (once.high - once.low))


def test_of_more_models_each_is_compared_with_the_best():
    first, second, target = two_labels(np.random.default_rng(3), ROWS, 0.5)
    found = evalcli.compare(first, second, target=target, define={"gap": "recall[0] - recall[2]"}, metrics="accuracy")
    three = evalcli.compare(
        first, first, second, target=target, define={"gap": "recall[0] - recall[2]"}, metrics="accuracy"
    ).data
    assert three.reference == 2
    back = three.metric("gap").differences[0]
    assert back.value == -found["gap"].value
    assert (back.low, back.high) == pytest.approx((-found["gap"].high, -found["gap"].low), abs=0.03)


def test_what_is_the_same_for_all_models_has_no_test():
    found = compared(two_labels, {"one": "1", "truth": "majority_baseline ** 2"}).data
    assert found.metric("one").values == (1.0, 1.0)
    assert [found.metric(name).differences[1] for name in ("one", "truth")] == [None, None]


def test_what_is_undefined_has_no_difference():
    found = compared(two_labels, {"x": "accuracy / (recall[0] - recall[0])", "y": "1 / (recall[1] - recall[2])"})
    assert found.data.metric("x").values == (None, None)
    assert found.data.metric("x").differences[1] is None
    row = found.data.metric("y")
    assert None not in row.values
    assert row.differences[1] is None  # somewhere in between it is infinite


def test_gates_take_more_to_be_better():
    found = compared(two_labels, {"gap": "recall[0] - recall[2]"}, by={"side": np.arange(ROWS) % 2})
    assert found["gap"].value < 0.0
    loose = found.check("drop(gap)<=0.9", "noninferior(gap)<0.9", "equivalent(gap)<0.9", "drop(gap@side=*)<=0.9")
    assert [one.status for one in loose] == ["pass"] * 4
    strict = found.check("drop(gap)<=0.0001", "noninferior(gap)<0.0001", "drop(gap@side=1)<=0%")
    assert [one.status for one in strict][:1] == ["fail"]
    assert "pass" not in [one.status for one in strict]
    with pytest.raises(UsageError, match="names no metric"):
        found.check("drop(gop)<=0.1")


def test_two_samples_are_told_apart_by_their_reports():
    first, _, target = two_labels(np.random.default_rng(3), ROWS, 0.0)
    halves = [(first[part], target[part]) for part in (slice(0, 250), slice(250, None))]
    define = {"gap": "recall[0] - recall[2]"}
    found = evalcli.compare(
        halves[0][0], halves[1][0], target=(halves[0][1], halves[1][1]), independent=True, define=define
    )
    reports = [evalcli.evaluate(*half, define=define) for half in halves]
    assert found.data.metric("gap").values == pytest.approx([report["gap"] for report in reports])
    assert found["gap"].method == "mover"


@pytest.mark.parametrize("weight", [None, np.random.default_rng(6).integers(1, 4, ROWS) / 2.0])
def test_joint_cells_tell_what_rows_do(weight, monkeypatch):
    define = {"gap": "recall[0] - recall[2]", "ratio": "f1_macro / mcc", "kept": "kappa * precision[1]"}
    known = compared(two_labels, define, weight=weight).data
    monkeypatch.setattr(ClassMoves, "kinds", lambda self: None)
    for one, other in zip(known.metrics, compared(two_labels, define, weight=weight).data.metrics, strict=True):
        mine, theirs = one.differences[1], other.differences[1]
        assert mine.method == theirs.method
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.02 * (mine.high - mine.low))
