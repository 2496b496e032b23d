"""Metrics of scores through ``evaluate``: beside scikit-learn, and the laws of what is asked for by name."""

from __future__ import annotations

import json
from math import inf, log

import numpy as np
import pytest
from memory_source import MemorySource
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.metrics.registry import METRICS, parse
from evalcli.renderers import render
from evalcli.saved import parse_report
from evalcli.task import Choices

SPLIT = ("brier_reliability", "brier_resolution", "brier_uncertainty")
BINARY = (
    *(*SPLIT, "overconfidence", "underconfidence", "excess_aurc"),
    *("auroc", "average_precision", "auroc_fpr0.1", "recall_at_precision0.9", "precision_at_recall0.9"),
    *("specificity_at_sensitivity0.9", "ks", "log_loss", "brier", "ece", "ece_positive", "ece_equal_mass", "mce"),
    *("mean_confidence", "aurc", "accuracy_at_coverage0.9"),
)
MULTICLASS = (
    *("auroc_macro", "auroc_weighted", "auroc[1]", "auroc_ovo", "average_precision_macro"),
    *("average_precision_weighted", "average_precision[0]", "auroc_fpr0.2_macro", "ks_macro", "log_loss", "brier"),
    *("ece", "ece_equal_mass", "ece_classwise", "mce", "mean_confidence", "top2_accuracy", "mean_rank", "mrr", "aurc"),
    *("accuracy_at_coverage0.9", "recall_at_precision0.9_macro", "precision_at_recall0.9_macro"),
    "specificity_at_sensitivity0.9_macro",
)
CLOSE = {"rel": 1e-12, "abs": 1e-12}


def report(source, names, *, run=Execution(workers=1), also=(), **choices):  # noqa: B008 - frozen
    return evaluate(source, Choices(**choices), run, names, also=also)


def values(source, names, **options):
    found = report(source, names, **options).metrics
    assert all(found[name].certified is None for name in names)
    return {name: found[name].value for name in names}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def binary_data(seed, rows=400):
    """Scores with ties, more negatives than positives."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.3).astype(int)
    return truth, (rng.normal(size=rows) + 1.5 * truth).round(2), rng.choice([0.5, 1.0, 3.0], rows)


def class_data(seed, rows=300, classes=4):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, rows, p=[0.5, 0.2, 0.2, 0.1])
    logits = rng.normal(size=(rows, classes)).round(3) * 2
    logits[np.arange(rows), truth] += 1.5
    return truth, logits, rng.choice([0.5, 1.0, 3.0], rows)


def test_every_metric_of_scores_is_asked_for_somewhere_below():
    asked = {parse(name).base for name in (*BINARY, *MULTICLASS)}
    assert asked == {name for name, entry in METRICS.items() if entry.needs_scores and entry.tasks != ("multilabel",)}


# Beside scikit-learn


def expect_binary(got, truth, ranked, probs, weight=None):
    w = {"sample_weight": weight}
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(truth, ranked, **w), **CLOSE)
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(truth, ranked, **w), **CLOSE)
    assert got["auroc_fpr0.1"] == pytest.approx(sk.roc_auc_score(truth, ranked, max_fpr=0.1, **w), **CLOSE)
    assert got["log_loss"] == pytest.approx(sk.log_loss(truth, probs, **w), **CLOSE)
    assert got["brier"] == pytest.approx(sk.brier_score_loss(truth, probs, **w), **CLOSE)
    fpr, tpr, _ = sk.roc_curve(truth, ranked, drop_intermediate=False, **w)
    assert got["ks"] == pytest.approx(np.abs(tpr - fpr).max(), **CLOSE)
    assert got["specificity_at_sensitivity0.9"] == pytest.approx(1 - fpr[tpr >= 0.9].min(), **CLOSE)
    precision, recall, _ = sk.precision_recall_curve(truth, ranked, **w)
    precision, recall = precision[:-1], recall[:-1]  # the last point is no threshold
    assert got["recall_at_precision0.9"] == pytest.approx(recall[precision >= 0.9].max(initial=0), **CLOSE)
    assert got["precision_at_recall0.9"] == pytest.approx(precision[recall >= 0.9].max(), **CLOSE)
    confidence = np.maximum(probs, 1 - probs)
    assert got["mean_confidence"] == pytest.approx(np.average(confidence, weights=weight), **CLOSE)
    right = (probs >= 0.5) == (truth == 1)
    assert got["ece"] == pytest.approx(binned_error(confidence, right, weight), **CLOSE)
    assert got["ece_positive"] == pytest.approx(binned_error(probs, truth == 1, weight), **CLOSE)


def binned_error(confidence, right, weight=None, bins=15):
    """Guo's definition, bin by bin."""
    weight = np.ones(len(right)) if weight is None else weight
    total = 0.0
    for k in range(bins):
        low, high = k / bins, (k + 1) / bins
        inside = (confidence <= high) & ((confidence > low) | (k == 0))
        total += abs((weight * (right - confidence))[inside].sum())
    return total / weight.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary_equals_scikit_learn(seed, weighted):
    truth, logits, weight = binary_data(seed)
    weight = weight if weighted else None
    run = Execution(batch_size=37, workers=2)
    got = values(MemorySource(logits, truth, weight=weight), BINARY, run=run)
    expect_binary(got, truth, logits, sigmoid(logits), weight)
    probs = sigmoid(logits)
    expect_binary(values(MemorySource(probs, truth, weight=weight), BINARY), truth, probs, probs, weight)


@pytest.mark.parametrize("seed", range(2))
def test_two_columns_are_one_score(seed):
    truth, logits, _ = binary_data(seed)
    pair = np.stack([np.zeros_like(logits), logits], axis=1)
    one = values(MemorySource(logits, truth), BINARY)
    assert values(MemorySource(pair, truth), BINARY) == one
    probs = sigmoid(logits)
    both = np.stack([1 - probs, probs], axis=1)
    expect_binary(values(MemorySource(both, truth), BINARY), truth, probs, probs)


def test_the_positive_class_may_be_the_first():
    truth, logits, _ = binary_data(5)
    names = ("good", "bad")
    flipped = 1 - truth  # 0 is good, which is to be found
    got = values(MemorySource(logits, flipped), BINARY, labels=names, positive="good")
    expect_binary(got, truth, logits, sigmoid(logits))
    pair = np.stack([logits, np.zeros_like(logits)], axis=1)
    assert values(MemorySource(pair, flipped), BINARY, labels=names, positive="good") == got
    found = report(MemorySource(logits, flipped), ("auroc[good]",), labels=names, positive="good")
    assert found.metrics["auroc[good]"].value == got["auroc"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_many_classes_equal_scikit_learn(kind, weighted):
    truth, logits, weight = class_data(1)
    weight, probs = weight if weighted else None, softmax(logits)
    w, shown = {"sample_weight": weight}, logits if kind == "logits" else probs
    got = values(MemorySource(shown, truth, weight=weight), MULTICLASS, run=Execution(batch_size=64, workers=2))
    aurocs = [sk.roc_auc_score(truth == c, probs[:, c], **w) for c in range(4)]
    precisions = [sk.average_precision_score(truth == c, probs[:, c], **w) for c in range(4)]
    support = np.bincount(truth, weight)
    assert got["auroc_macro"] == pytest.approx(np.mean(aurocs), **CLOSE)
    assert got["auroc_weighted"] == pytest.approx(np.average(aurocs, weights=support), **CLOSE)
    assert got["auroc[1]"] == pytest.approx(aurocs[1], **CLOSE)
    assert got["average_precision_macro"] == pytest.approx(np.mean(precisions), **CLOSE)
    assert got["average_precision_weighted"] == pytest.approx(np.average(precisions, weights=support), **CLOSE)
    assert got["average_precision[0]"] == pytest.approx(precisions[0], **CLOSE)
    partial = [sk.roc_auc_score(truth == c, probs[:, c], max_fpr=0.2, **w) for c in range(4)]
    assert got["auroc_fpr0.2_macro"] == pytest.approx(np.mean(partial), **CLOSE)
    if not weighted:
        assert got["auroc_ovo"] == pytest.approx(sk.roc_auc_score(truth, probs, multi_class="ovo"), **CLOSE)
    assert got["log_loss"] == pytest.approx(sk.log_loss(truth, probs, **w), **CLOSE)
    squares = ((probs - np.eye(4)[truth]) ** 2).sum(axis=1)
    assert got["brier"] == pytest.approx(np.average(squares, weights=weight), **CLOSE)
    own = shown[np.arange(len(truth)), truth][:, None]
    before = (shown == own) & (np.arange(4) < truth[:, None])  # scikit-learn puts tied classes in no stated order
    place = ((shown > own) | before).sum(axis=1) + 1
    assert got["top2_accuracy"] == pytest.approx(np.average(place <= 2, weights=weight), **CLOSE)
    assert got["mean_rank"] == pytest.approx(np.average(place, weights=weight), **CLOSE)
    assert got["mrr"] == pytest.approx(np.average(1 / place, weights=weight), **CLOSE)
    right = probs.argmax(axis=1) == truth
    assert got["ece"] == pytest.approx(binned_error(probs.max(axis=1), right, weight), **CLOSE)
    classwise = [binned_error(probs[:, c], truth == c, weight) for c in range(4)]
    assert got["ece_classwise"] == pytest.approx(np.mean(classwise), **CLOSE)


def test_segmentation_ignored_rows_and_groups_count_as_their_rows():
    truth, logits, _ = class_data(2)
    wanted = values(MemorySource(logits, truth), MULTICLASS)
    for preds, t, axis in (
        (logits.reshape(60, 5, 4), truth.reshape(60, 5), -1),
        (logits.reshape(60, 5, 4).transpose(0, 2, 1), truth.reshape(60, 5), 1),
        (logits.reshape(30, 5, 2, 4).transpose(0, 3, 1, 2), truth.reshape(30, 5, 2), 1),
    ):
        assert values(MemorySource(preds, t), MULTICLASS, class_axis=axis) == wanted
    some = np.concatenate([truth, np.full(50, -100)])
    more = np.concatenate([logits, np.full((50, 4), 1e6)])
    order = np.random.default_rng(0).permutation(350)
    assert values(MemorySource(more[order], some[order]), MULTICLASS, ignore_index=-100) == wanted
    times = np.random.default_rng(1).integers(1, 4, 300)
    long = values(MemorySource(np.repeat(logits, times, axis=0), np.repeat(truth, times)), MULTICLASS)
    assert values(MemorySource(logits, truth, repeats=times), MULTICLASS) == long
    light = values(MemorySource(logits, truth, weight=times.astype(float)), MULTICLASS)
    for name in set(MULTICLASS) - {"aurc"}:  # of weights the curve is the limit of many rows
        assert light[name] == pytest.approx(long[name], **CLOSE)


def test_named_columns_stand_in_the_order_of_the_classes():
    truth, logits, _ = class_data(3)
    probs = softmax(logits)
    wanted = values(MemorySource(probs, truth, columns=tuple("abcd")), ("log_loss", "auroc[b]", "auroc_macro"))
    turned = MemorySource(probs[:, ::-1], truth, columns=tuple("dcba"), labels=tuple("abcd"))
    assert values(turned, ("log_loss", "auroc[b]", "auroc_macro"), labels=tuple("abcd")) == wanted


def test_selective_prediction_and_equal_masses_of_rows_without_ties():
    rng = np.random.default_rng(3)
    truth, logits = rng.integers(0, 3, 300), rng.normal(size=(300, 3))
    probs = softmax(logits)
    order = np.argsort(-probs.max(axis=1))
    wrong, confidence = (probs.argmax(axis=1) != truth)[order], probs.max(axis=1)[order]
    got = values(MemorySource(logits, truth), ("aurc", "accuracy_at_coverage0.9", "ece_equal_mass", "mce"))
    assert got["aurc"] == pytest.approx((wrong.cumsum() / np.arange(1, 301)).mean(), **CLOSE)
    assert got["accuracy_at_coverage0.9"] == pytest.approx(1 - wrong[:270].mean(), **CLOSE)
    gaps = [abs((1 - wrong[part] - confidence[part]).sum()) for part in np.split(np.arange(300), 15)]
    assert got["ece_equal_mass"] == pytest.approx(sum(gaps) / 300, **CLOSE)
    place = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
    worst = max(abs((1 - wrong - confidence)[place == k].mean()) for k in {*place.tolist()})
    assert got["mce"] == pytest.approx(worst, **CLOSE)


# The same bytes


@pytest.mark.parametrize("budget", [None, 0, 700, 6000])
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_and_workers_leave_no_trace(budget, weighted):
    truth, logits, weight = class_data(4, rows=900)
    positive, scores, _ = binary_data(4, rows=900)
    weight = np.tile(weight, 3)[:900] if weighted else None
    for source, names in (
        (MemorySource(logits, truth, weight=weight), MULTICLASS),
        (MemorySource(scores.astype(np.float32), positive, weight=weight), BINARY),
    ):
        texts = set()
        for size, workers in ((None, 1), (13, 3), (100, 2)):
            found = report(source, names, run=Execution("numpy", "auto", size, workers, budget))
            texts.add(render(found, "json"))
        assert len(texts) == 1
        saved = texts.pop()
        assert render(parse_report(saved), "json") == saved
        certified = [name for name in names if found.metrics[name].certified]
        assert bool(certified) == (budget is not None)


@pytest.mark.parametrize("budget", [0, 500, 3000])
def test_what_is_certified_holds_the_exact_value(budget):
    truth, logits, _ = class_data(6, rows=800)
    positive, _, _ = binary_data(6, rows=800)
    scores = np.random.default_rng(0).random(800) ** 64  # concentrated near 0, where equal bins are blind
    for source, names in ((MemorySource(logits, truth), MULTICLASS), (MemorySource(scores, positive), BINARY)):
        exact = values(source, names)
        found = report(source, names, run=Execution(ranking_budget=budget)).metrics
        for name in names:
            low, high = found[name].certified or (found[name].value, found[name].value)
            assert low - 1e-15 <= exact[name] <= high + 1e-15
            assert low <= found[name].value <= high
            assert found[name].certified is None or low < high


# The kind of scores is that of the whole input


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("at", [0, 450, 899])
def test_one_row_makes_all_of_them_logits(at, workers):
    truth, logits, _ = class_data(7, rows=900)
    shown = softmax(logits).astype(np.float32)
    shown[at] = [3.0, -1.0, 0.0, 0.5]
    source = MemorySource(shown, truth)
    found = report(source, MULTICLASS, run=Execution(batch_size=64, workers=workers))
    assert found.scores == "logits"
    probs = softmax(shown.astype(float))
    assert found.metrics["log_loss"].value == pytest.approx(sk.log_loss(truth, probs), **CLOSE)
    assert render(found, "json") == render(report(source, MULTICLASS, run=Execution(batch_size=5000)), "json")
    positive, _, _ = binary_data(7, rows=900)
    single = shown[:, 0].copy()
    single[at] = -7.0
    found = report(MemorySource(single, positive), BINARY, run=Execution(batch_size=64, workers=workers))
    assert found.metrics["log_loss"].value == pytest.approx(
        sk.log_loss(positive, sigmoid(single.astype(float))), **CLOSE
    )


def test_what_is_said_to_be_probabilities_and_is_not_is_an_error_and_no_number():
    truth, logits, _ = class_data(8)
    logits[5, 0] = inf
    for size in (None, 7):
        with pytest.raises(InputError, match="not probabilities: values from"):
            report(MemorySource(logits, truth), MULTICLASS, run=Execution(batch_size=size), scores="probs")
    positive, scores, _ = binary_data(8)
    with pytest.raises(InputError, match="not probabilities"):
        report(MemorySource(scores * 1e6, positive), BINARY, scores="probs")


# Numbers of the conventions


def test_07_one_class_alone_is_not_ranked():
    found = report(MemorySource(np.array([0.2, 0.7]), np.array([1, 1])), ("auroc", "ks", "brier"))
    assert found.metrics["auroc"].value is None
    assert found.metrics["ks"].value is None
    assert {"auroc", "ks"} <= {*found.undefined}
    assert found.metrics["brier"].value == pytest.approx((0.8**2 + 0.3**2) / 2, **CLOSE)


def test_08_an_absent_class_is_left_out_of_the_mean_and_named():
    logits = np.eye(3)[[0, 1, 0, 1]] * 5
    found = report(MemorySource(logits, np.array([0, 1, 0, 1])), ("auroc_macro", "auroc[2]"))
    assert found.metrics["auroc_macro"].value == 1.0
    assert found.metrics["auroc[2]"].value is None
    note = next(finding for finding in found.findings if finding.code == "unranked-classes")
    assert "1 of 3 classes cannot be ranked" in note.text
    assert "'2'" in note.text


def test_09_saturated_scores_still_differ():
    logits, truth = np.array([50.0, 60.0, 70.0, 80.0, 90.0]), np.array([0, 1, 0, 1, 1])
    assert values(MemorySource(logits, truth), ("auroc",), scores="logits") == {"auroc": 5 / 6}
    three = np.stack([logits, -logits, np.zeros(5)], axis=1)
    assert values(MemorySource(three, 1 - truth), ("auroc[0]",), task="multiclass") == {"auroc[0]": 5 / 6}


def test_11_average_precision_goes_by_steps():
    got = values(MemorySource(np.full(8, 0.5), np.array([1, 1, 0, 0, 0, 0, 0, 0])), ("average_precision",))
    assert got == {"average_precision": 0.25}


def test_13_ece_of_four_rows():
    # 15 bins: the three rows of confidence 1 and the one of 0.97 share a bin, as in 10 bins
    got = values(MemorySource(np.array([1.0, 1.0, 1.0, 0.97]), np.array([1, 1, 0, 1])), ("ece",), scores="probs")
    assert got["ece"] == pytest.approx(0.2425, **CLOSE)


def test_14_ties_stand_in_the_order_of_the_classes():
    truth = np.arange(5).repeat(4)
    found = report(MemorySource(np.zeros((20, 5)), truth), ("top2_accuracy", "mean_rank"), scores="logits")
    assert (found.metrics["top2_accuracy"].value, found.metrics["mean_rank"].value) == (0.4, 3.0)
    assert any(finding.code == "tied-targets" and "100.0%" in finding.text for finding in found.findings)


def test_19_log_loss_of_logits_is_not_clipped():
    source = MemorySource(np.array([[40.0, 0.0], [0.0, 40.0]], np.float32), np.array([1, 0]))
    assert values(source, ("log_loss",)) == {"log_loss": 40.0}
    assert values(MemorySource(np.array([-40.0, 40.0]), np.array([1, 0])), ("log_loss",)) == {"log_loss": 40.0}
    found = report(MemorySource(np.array([0.0, 1.0, 0.5], np.float32), np.array([1, 0, 1])), ("log_loss",))
    eps = 2.0**-23
    assert found.metrics["log_loss"].value == pytest.approx((-2 * log(eps) + log(2)) / 3, **CLOSE)
    assert any(finding.code == "clipped-probabilities" and finding.text[0] == "2" for finding in found.findings)


def test_20_brier_of_two_columns_is_that_of_the_positive_one():
    probs, truth = np.array([[0.4, 0.6], [0.8, 0.2]]), np.array([1, 1])
    assert values(MemorySource(probs, truth), ("brier",))["brier"] == pytest.approx((0.16 + 0.64) / 2, **CLOSE)
    twice = values(MemorySource(probs, truth), ("brier",), task="multiclass")["brier"]
    assert twice == pytest.approx(0.16 + 0.64, **CLOSE)


def test_24_rows_without_a_prediction_leave_no_score_defined():
    truth, logits, _ = class_data(9)
    wanted = values(MemorySource(np.delete(logits, 3, axis=0), np.delete(truth, 3)), MULTICLASS)
    logits[3, 1] = np.nan
    source = MemorySource(logits, truth)
    assert values(source, MULTICLASS, nan="drop") == wanted
    found = report(source, MULTICLASS, nan="wrong", run=Execution(batch_size=50, workers=2))
    assert all(found.metrics[name].value is None for name in MULTICLASS)
    assert {*MULTICLASS} <= {*found.undefined}
    assert any(finding.code == "unusable-rows" for finding in found.findings)
    with pytest.raises(InputError, match="not finite"):
        report(source, MULTICLASS)
    positive, scores, _ = binary_data(9)
    scores[7] = np.nan
    found = report(MemorySource(scores, positive), BINARY, nan="wrong")
    assert all(found.metrics[name].value is None for name in BINARY)


def test_an_infinite_loss_is_infinite_and_no_number_in_json():
    found = report(MemorySource(np.array([-inf, 1.0]), np.array([1, 0])), ("log_loss",), scores="logits")
    assert found.metrics["log_loss"].value == inf
    assert json.loads(render(found, "json"))["metrics"]["log_loss"] == {"value": None}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_always_exact(dtype):
    import ml_dtypes

    truth, scores, _ = binary_data(10, rows=3000)
    halves = scores.astype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    got = values(MemorySource(halves, truth, dtype=dtype), ("auroc", "average_precision"))
    wide = halves.astype(float)
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(truth, wide), **CLOSE)
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(truth, wide), **CLOSE)


# What is asked for and cannot be had


LABELS = MemorySource(np.array([0, 1, 2, 1]), np.array([0, 1, 2, 2]))
LOGITS = MemorySource(np.eye(3)[[0, 1, 2, 1]] * 4, np.array([0, 1, 2, 2]))
SCORES = MemorySource(np.array([0.1, 0.8, 0.7, 0.2]), np.array([0, 1, 1, 0]))


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        (LABELS, "auroc_macro", "auroc_macro needs scores, but the predictions are labels"),
        (LABELS, "log_loss", "say so with --scores probs or --scores logits"),
        (MemorySource(np.array([0.0, 1.0, 0.0]), np.array([0, 1, 1])), "ece", "ece needs scores"),
        (LOGITS, "auroc", "use auroc_macro or auroc[0]"),
        (LOGITS, "auroc[9]", "there is no class '9'"),
        (LOGITS, "ece_positive", "ece_positive is a metric of binary tasks, and this one is multiclass"),
        (LOGITS, "top3_accuracy", "top3_accuracy is 1 whatever the model says: there are 3 classes"),
        (SCORES, "top2_accuracy", "is a metric of multiclass tasks, and this one is binary"),
        (SCORES, "auroc_macro", "binary scores rank the positive class only; use auroc"),
        (SCORES, "average_precision[0]", "make '0' the positive class with --positive"),
    ],
)
def test_what_cannot_be_had_says_what_can(source, name, says):
    with pytest.raises(UsageError) as caught:
        report(source, (name,))
    assert says in str(caught.value)
    found = report(source, None, also=(name, "accuracy"))
    assert name not in found.metrics
    assert found.metrics["accuracy"].value is not None


def test_one_column_is_no_score_for_each_of_many_classes():
    with pytest.raises(UsageError, match="needs a score for each of them"):
        report(SCORES, ("log_loss",), task="multiclass")


def test_gates_get_their_scores_beside_the_default_report():
    plain = report(SCORES, ("accuracy",))
    found = report(SCORES, ("accuracy",), also=("auroc", "accuracy"))
    assert found.metrics.pop("auroc").value == 1.0
    assert found.asked == ("accuracy", "auroc")
    assert found.metrics == plain.metrics
    assert "budget" in found.signature
    assert "budget" not in plain.signature


def test_a_report_says_what_scores_say_and_one_of_labels_does_not():
    truth, logits, _ = class_data(3)
    found = report(MemorySource(logits, truth), None)
    assert {"log_loss", "ece", "auroc_macro", "top3_accuracy", "mrr", "aurc", "brier_resolution"} <= {*found.metrics}
    labels = report(MemorySource(logits.argmax(axis=1), truth), None)
    assert {*labels.metrics} < {*found.metrics}
    assert not any(parse(name).entry.needs_scores for name in labels.metrics)
    assert labels.calibration is None
    assert "budget" not in labels.signature


def test_every_class_has_its_ranks():
    truth, logits, _ = class_data(4)
    found = report(MemorySource(logits, truth), None)
    for row in found.per_class:
        assert (
            row.metrics["auroc"]
            == report(MemorySource(logits, truth), (f"auroc[{row.name}]",)).metrics[f"auroc[{row.name}]"]
        )
    shares = [row.metrics["average_precision"].value for row in found.per_class]
    assert found.metrics["average_precision_macro"].value == pytest.approx(sum(shares) / 4, abs=1e-15)
    narrowed = report(MemorySource(logits, truth), ("auroc_macro",))
    assert "auroc" in narrowed.per_class[0].metrics
    assert "average_precision" not in narrowed.per_class[0].metrics
    assert "auroc" not in report(MemorySource(logits, truth), ("accuracy",)).per_class[0].metrics


def test_many_classes_are_not_ranked_one_by_one_unless_asked():
    rng = np.random.default_rng(0)
    source = MemorySource(rng.normal(size=(300, 120)), rng.integers(0, 120, 300))
    found = report(source, None)
    assert "log_loss" in found.metrics
    assert not {"auroc_macro", "ece_classwise", "brier_reliability"} & {*found.metrics}
    assert "auroc" not in found.per_class[0].metrics
    assert "auroc_macro" in report(source, ("auroc_macro",)).metrics


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_the_reliability_table_adds_up(kind):
    truth, logits, _ = class_data(5)
    scores = logits if kind == "logits" else softmax(logits)
    found = report(MemorySource(scores, truth), None)
    bins = found.calibration.bins
    assert found.calibration.of == "top label"
    assert sum(one.n for one in bins) == found.n
    filled = [one for one in bins if one.n]
    assert all(one.low < one.confidence <= one.high for one in filled)
    right = sum(one.n * one.accuracy for one in filled)
    assert right / found.n == pytest.approx(found.metrics["accuracy"].value, abs=1e-12)
    ece = sum(one.n * abs(one.accuracy - one.confidence) for one in filled) / found.n
    assert ece == pytest.approx(found.metrics["ece"].value, abs=1e-12)


def test_the_surest_rows_come_first():
    truth, logits, _ = class_data(5)
    found = report(MemorySource(logits, truth), None)
    sure = np.sort(softmax(logits).max(axis=1))[::-1]
    right = (logits.argmax(axis=1) == truth)[np.argsort(-softmax(logits).max(axis=1), kind="stable")]
    assert [point.coverage for point in found.coverage] == pytest.approx(np.arange(1, 11) / 10)
    for point in found.coverage:
        rows = round(point.coverage * 300)
        assert point.confidence == pytest.approx(sure[rows - 1], abs=1e-12)
        if sure[rows - 1] != sure[min(rows, 299)]:  # a tie that is cut counts in part
            assert point.accuracy == pytest.approx(right[:rows].mean(), abs=1e-12)
    assert found.coverage[-1].accuracy == pytest.approx(found.metrics["accuracy"].value, abs=1e-12)
    assert report(MemorySource(logits, truth), ("accuracy",)).coverage == ()


def test_over_and_underconfidence_are_the_parts_of_the_calibration_error():
    truth, logits, _ = class_data(6)
    got = values(MemorySource(logits, truth), ("ece", "overconfidence", "underconfidence", "aurc", "excess_aurc"))
    assert got["overconfidence"] + got["underconfidence"] == pytest.approx(got["ece"], abs=1e-15)
    assert 0 < got["excess_aurc"] < got["aurc"]


def test_the_split_of_the_brier_score_is_exact_where_a_bin_holds_one_value():
    rng = np.random.default_rng(6)
    probs = rng.choice(np.arange(1, 15, 2) / 15, 500)  # each inside a bin of its own
    truth = (rng.random(500) < probs).astype(int)
    found = {name: value.value for name, value in report(MemorySource(probs, truth), None).metrics.items()}
    split = found["brier_reliability"] - found["brier_resolution"] + found["brier_uncertainty"]
    assert split == pytest.approx(found["brier"], abs=1e-12)
    share = truth.mean()
    assert found["brier_uncertainty"] == pytest.approx(share * (1 - share), abs=1e-15)


def test_a_model_that_promises_too_much_is_told_by_how_much():
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(2000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    found = report(MemorySource(4 * logits, truth), None)
    (finding,) = [one for one in found.findings if one.code == "overconfident"]
    fitted = found.calibration.temperature
    assert fitted.value == pytest.approx(4, rel=0.15)
    assert fitted.before == pytest.approx(found.metrics["log_loss"].value, abs=1e-12)
    assert fitted.after < fitted.before
    assert f"a temperature of {fitted.value:.3g} would bring" in finding.text
    assert "fitted on these very rows" in finding.text
    assert not any("confident" in one.code for one in report(MemorySource(logits, truth), None).findings)
    (under,) = [one for one in report(MemorySource(logits / 4, truth), None).findings if "confident" in one.code]
    assert under.code == "underconfident"


def test_an_infinite_logit_does_not_disturb_the_temperature():
    truth, logits, _ = class_data(8)
    logits[0, :2], logits[1] = np.inf, -np.inf
    logits[1, 0] = 0.0
    found = report(MemorySource(logits, truth), None)
    assert found.calibration.temperature.value > 0


def test_chosen_top_k():
    rng = np.random.default_rng(9)
    truth, logits = rng.integers(0, 6, 200), rng.normal(size=(200, 6))
    source = MemorySource(logits, truth)
    named = {name for name in report(source, None).metrics if name.startswith("top")}
    assert named == {"top3_accuracy", "top5_accuracy"}
    found = report(source, None, topk=(1, 2))
    assert {name for name in found.metrics if name.startswith("top")} == {"top1_accuracy", "top2_accuracy"}
    assert found.metrics["top1_accuracy"] == found.metrics["accuracy"]
    assert found.asked == ("top1_accuracy", "top2_accuracy")
    with pytest.raises(UsageError, match="top6_accuracy is 1 whatever the model says"):
        report(source, None, topk=(6,))
    with pytest.raises(UsageError, match="needs scores, but the predictions are labels"):
        report(MemorySource(truth, truth), None, topk=(2,))
    with pytest.raises(UsageError, match="a metric of multiclass tasks"):
        report(SCORES, None, topk=(1,))


def test_the_torch_backend_gives_the_same_numbers():
    truth, logits, _ = class_data(11)
    source = MemorySource(logits.astype(np.float32), truth)
    run = Execution("torch", "cpu", 64, 2)
    assert values(source, MULTICLASS, run=run) == values(source, MULTICLASS)


def test_scores_that_rounding_took_past_1_are_counted_whatever_the_batch():
    scores = np.array([0.1, 0.9, 1.0000005, 0.3, 0.7, 0.2, -1e-7])
    truth = np.array([0, 1, 1, 0, 0, 1, 0])
    asked = ("auroc", "log_loss", "brier", "ece", "aurc")
    found = [
        evaluate(MemorySource(scores, truth), Choices(), Execution(workers=1, batch_size=size), asked).metrics
        for size in (1, 2, 7)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["auroc"].value == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert found[0]["brier"].value == pytest.approx(sk.brier_score_loss(truth, scores.clip(0, 1)), abs=1e-6)
