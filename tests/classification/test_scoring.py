"""Metrics of scores through ``evaluate``: beside scikit-learn, and the laws of what is asked for by name."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from memory_source import MemorySource
from scored import BINARY, CLOSE, MULTICLASS, binary_data, class_data, report, sigmoid, softmax, values
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.metrics.registry import METRICS, parse
from evalcli.renderers import render
from evalcli.saved import parse_report


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
