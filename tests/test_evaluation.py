"""One evaluation from a source to a report, beside scikit-learn, and the laws that hold for any input."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from alike import assert_alike
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_source import MemorySource, text_source
from saved_files import expect
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import EvalError
from evalcli.evaluation import evaluate
from evalcli.task import Choices

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def report(source, execution=Execution(workers=1), **choices):  # noqa: B008 - frozen
    return evaluate(source, Choices(**choices), execution)


def values(found):
    return {name: value.value for name, value in found.metrics.items()}


def outcome(source, execution, **choices):
    """The report without how it ran, or the error."""
    try:
        return replace(report(source, execution, **choices), run=None)
    except EvalError as error:
        return str(error)


# Beside scikit-learn


def drawn(seed):
    """Nasty data: few or many rows, classes that are absent on one side or on both, ties, a model of any quality."""
    rng = np.random.default_rng(seed)
    n, classes = int(rng.choice([1, 2, 5, 40, 300])), int(rng.choice([2, 3, 4, 10, 70]))
    truth = rng.choice(classes, n, p=rng.dirichlet(np.full(classes, 0.3)))
    scores = rng.normal(size=(n, classes)).round(int(rng.integers(0, 6)))
    scores[np.arange(n), truth] += rng.choice([0.0, 1.0, 5.0])
    scores[:, rng.integers(classes)] -= 50
    return rng, truth, scores, classes


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(14))
def test_every_layout_equals_scikit_learn(seed):
    rng, truth, scores, classes = drawn(seed)
    said, names = scores.argmax(axis=1), [str(c) for c in range(classes)]
    weight = rng.choice([0.5, 1.0, 3.0], len(truth)) if seed % 3 == 0 else None
    dtype = rng.choice([np.float32, np.float64])
    n, d = (len(truth) // 2, 2) if len(truth) > 1 else (1, 1)
    part = slice(n * d)
    hot = np.eye(classes, dtype=int)
    sources = [
        (MemorySource(scores.astype(dtype), truth, weight=weight), truth, said, weight),
        (MemorySource(scores.astype(dtype), hot[truth], weight=weight), truth, said, weight),
        (MemorySource(hot[said], truth, weight=weight), truth, said, weight),
        (MemorySource(said, hot[truth], weight=weight), truth, said, weight),
        (MemorySource(said[:, None], truth[:, None]), truth, said, None),
        (MemorySource(said.astype(float), truth.astype(float)), truth, said, None),
        (MemorySource(scores[part].reshape(n, d, classes), truth[part].reshape(n, d)), truth[part], said[part], None),
        (
            MemorySource(scores[part].reshape(n, d, 1, classes).transpose(0, 3, 1, 2), truth[part].reshape(n, d, 1)),
            truth[part], said[part], None,
        ),
    ]  # fmt: skip
    for source, t, s, w in sources:
        axis = {3: -1, 4: 1}.get(len(source.preds.shape))
        found, other = (
            report(
                source,
                Execution(backend, batch_size=7, workers=2),
                labels=tuple(names),
                task="multiclass",
                class_axis=axis,
            )
            for backend in ("numpy", "torch")
        )
        expect(found, t, s, w, names)
        assert_alike(replace(other, run=None), replace(found, run=None))
    probs = softmax(scores)
    found = report(MemorySource(probs, truth), labels=tuple(names), task="multiclass")
    assert found.scores == "probs"
    expect(found, truth, probs.argmax(axis=1), names=names)


NASTY = ["NA", "null", "007", "7.0", "[red]dog", "a,b", "", "é", "=1+1", "\x1b[31m", "None", "nan", "-100", "🦊"]


@pytest.mark.parametrize("seed", range(8))
def test_labels_are_text_exactly_as_written(seed):
    rng = np.random.default_rng(seed)
    words = list(rng.permutation(NASTY)[: rng.integers(3, 14)])
    truth = rng.choice(words, 60)
    said = np.where(rng.random(60) < 0.6, truth, rng.choice(words, 60))
    found = report(text_source(said.tolist(), truth.tolist()), Execution(batch_size=9, workers=2))
    assert found.classes == tuple(sorted({*truth.tolist(), *said.tolist()}))
    expect(found, truth, said, names=list(found.classes))


@pytest.mark.parametrize("seed", range(6))
def test_binary_scores_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, scores = rng.integers(0, 2, 200), rng.normal(size=200).astype(np.float32)
    said = (scores >= 0).astype(int)
    found = report(MemorySource(scores, truth))
    assert (found.task, found.positive, found.threshold) == ("binary", "1", 0.5)
    expect(found, truth, said, names=["0", "1"])
    for name, formula in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        assert values(found)[name] == pytest.approx(formula(truth, said), abs=1e-12)
    assert values(found)["specificity"] == pytest.approx(sk.recall_score(truth, said, pos_label=0), abs=1e-12)
    assert values(found)["npv"] == pytest.approx(sk.precision_score(truth, said, pos_label=0), abs=1e-12)
    masks = MemorySource(scores.reshape(2, 1, 10, 10), truth.reshape(2, 10, 10))
    assert report(masks).confusion == found.confusion
    assert report(MemorySource(scores[:, None], truth.astype(bool))).confusion == found.confusion


# Decided once: batches and workers never show (N-04, M01, M02)


def logits_that_look_like_probs(rng, n):
    scores = rng.dirichlet(np.ones(3), n)
    scores[-1] = [3.0, -2.0, 0.0]
    return scores, rng.integers(0, 3, n), {}


def rows_off_late(rng, n):
    scores = rng.dirichlet(np.ones(3), n)
    scores[-1] = [0.9, 0.8, 0.1]
    return scores, rng.integers(0, 3, n), {}


def binary_probs_then_logits(rng, n):
    scores = rng.random(n)
    scores[-1] = 7.0
    return scores, rng.integers(0, 2, n), {}


def float_labels_then_scores(rng, n):
    scores = rng.integers(0, 2, n).astype(float)
    scores[-1] = 0.3
    return scores, rng.integers(0, 2, n), {}


def float_labels_then_more(rng, n):
    scores, truth = rng.integers(0, 2, n).astype(float), rng.integers(0, 2, n)
    scores[-1], truth[-1] = 3.0, 2
    return scores, truth, {}


def scores_then_a_third_class(rng, n):
    truth = rng.integers(0, 2, n)
    truth[-1] = 2
    return rng.random(n), truth, {}


def whole_scores_beside_two_classes(rng, n):
    scores = rng.integers(0, 2, n).astype(float)
    scores[-1] = 4.0
    return scores, rng.integers(0, 2, n), {}


def float_labels_with_nan(rng, n):
    scores = rng.integers(0, 2, n).astype(float)
    scores[rng.integers(n)] = np.nan
    return scores, rng.integers(0, 2, n), {"nan": str(rng.choice(["error", "drop", "wrong"]))}


def scores_with_nan(rng, n):
    scores = rng.random((n, 3)).round(1) * float(rng.choice([1, 5]))
    scores[rng.random((n, 3)) < 0.1] = np.nan
    return scores, rng.integers(0, 3, n), {"nan": str(rng.choice(["error", "drop", "wrong"]))}


def ignored_rows(rng, n):
    truth = rng.integers(0, 3, n)
    truth[rng.random(n) < 0.4] = -100
    return rng.normal(size=(n, 3)), truth, {"ignore_index": -100}


def bad_labels(rng, n):
    truth = rng.integers(-1, 5, n)
    return rng.integers(-2, 4, n), truth, {"labels": ("a", "b", "c")} if rng.random() < 0.5 else {}


def two_columns_with_threshold(rng, n):
    scores = rng.dirichlet(np.ones(2), n)
    scores[-1] *= float(rng.choice([1.0, 5.0]))
    return scores, rng.integers(0, 2, n), {"threshold": 0.3}


def binary_asked_of_more(rng, n):
    truth = rng.integers(0, 2, n)
    truth[-1] = 3
    return rng.integers(0, 2, n), truth, {"task": "binary"}


CASES = [
    logits_that_look_like_probs, rows_off_late, binary_probs_then_logits, float_labels_then_scores,
    float_labels_then_more, scores_then_a_third_class, whole_scores_beside_two_classes, float_labels_with_nan,
    scores_with_nan, ignored_rows, bad_labels, two_columns_with_threshold, binary_asked_of_more,
]  # fmt: skip


_TOLD_BY_TIES = {"aurc", "accuracy_at_coverage0.9", "ece_equal_mass"}
"""Confidences that are equal on paper may tie by one library's exponential and not by another's."""


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 40),
    size=st.integers(1, 45),
    workers=st.integers(1, 4),
    order=st.booleans(),
)
def test_M01_M02_N04_batches_and_workers_never_show(case, seed, n, size, workers, order):
    rng = np.random.default_rng(seed)
    preds, target, choices = case(rng, n)
    if order:
        preds, target = preds[::-1].copy(), target[::-1].copy()
    weight = rng.random(n) if seed % 2 else None
    whole = outcome(MemorySource(preds, target, weight=weight), Execution(workers=1), **choices)
    source = MemorySource(preds, target, weight=weight)
    split = outcome(source, Execution(batch_size=size, workers=workers), **choices)
    assert split == whole
    assert source.passes <= 6
    if not isinstance(whole, str):
        assert json.dumps(whole.to_json_object()) == json.dumps(split.to_json_object())
        there = outcome(source, Execution("torch", batch_size=size, workers=workers), **choices)
        assert there == outcome(source, Execution("torch", workers=1), **choices)
        assert (there.confusion, there.per_class, there.n) == (whole.confusion, whole.per_class, whole.n)
        assert there.metrics.keys() == whole.metrics.keys()
        for name, value in whole.metrics.items():
            if name not in _TOLD_BY_TIES:
                assert_alike(there.metrics[name].value, value.value, 1e-9)


def test_N04_logits_in_the_unit_interval_are_one_kind():
    scores, truth = np.array([0.1, 0.4, 0.9, -2.0, 3.0]), np.array([0, 0, 1, 0, 1])
    for size in (1, 2, 3, 5):
        found = report(MemorySource(scores, truth), Execution(batch_size=size, workers=2))
        assert (found.scores, found.metrics["accuracy"].value) == ("logits", 0.6)  # 0.1 and 0.4 are above logit 0


def test_a_pass_starts_over_only_when_it_must():
    scores, truth = np.random.default_rng(0).random(50), np.random.default_rng(1).integers(0, 2, 50)
    for preds, passes in ((scores, 1), (scores - 0.5, 2), (truth, 1), (truth.astype(float), 2)):
        source = MemorySource(preds, truth)
        report(source)
        assert source.passes == passes
    # the best of several columns is the same whatever they are: only what reads them as probabilities starts over
    for names, passes in ((("accuracy", "f1_macro"), 1), (("log_loss",), 2), (None, 2)):
        source = MemorySource(np.random.default_rng(0).normal(size=(50, 3)), truth)
        evaluate(source, Choices(), Execution(batch_size=5), names)
        assert source.passes == passes


# Laws (HOSTILE.md 6.1)


@pytest.fixture
def sample():
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 4, 120)
    return rng.normal(size=(120, 4)) + 1.5 * np.eye(4)[truth], truth


def test_M03_order_of_rows(sample):
    scores, truth = sample
    order = np.random.default_rng(0).permutation(120)
    weight = np.random.default_rng(1).random(120)
    one, other = (report(MemorySource(scores[o], truth[o], weight=weight[o])) for o in (np.arange(120), order))
    assert replace(one, run=None) == replace(other, run=None)


def test_M04_every_row_k_times(sample):
    scores, truth = sample
    one, three = report(MemorySource(scores, truth)), report(MemorySource(scores.repeat(3, 0), truth.repeat(3)))
    assert "aurc" in values(one)  # a sum over the ranks of n rows, so that n shows in it
    ratios, tripled = ({k: v for k, v in values(found).items() if k != "aurc"} for found in (one, three))
    assert ratios == pytest.approx(tripled, abs=1e-15)
    assert (np.array(three.confusion.matrix) == 3 * np.array(one.confusion.matrix)).all()


def test_M05_M08_renamed_classes_and_swapped_sides(sample):
    scores, truth = sample
    said = scores.argmax(axis=1)
    one, swapped = report(MemorySource(said, truth)), report(MemorySource(truth, said))
    assert (np.array(swapped.confusion.matrix) == np.array(one.confusion.matrix).T).all()
    assert values(one)["precision_macro"] == values(swapped)["recall_macro"]
    order = np.array([2, 0, 3, 1])
    renamed = report(MemorySource(order[said], order[truth]))
    assert (np.array(renamed.confusion.matrix)[np.ix_(order, order)] == np.array(one.confusion.matrix)).all()
    assert values(one) == pytest.approx(values(renamed), abs=1e-15)


def test_M07_logits_shifted_and_scaled(sample):
    scores, truth = sample
    one = report(MemorySource(scores, truth))
    for moved in (scores + 100, scores * 8, softmax(scores)):
        assert report(MemorySource(moved, truth)).confusion == one.confusion


def test_M10_a_class_that_never_occurs(sample):
    scores, truth = sample
    said = scores.argmax(axis=1)
    one = report(MemorySource(said, truth), labels=("a", "b", "c", "d"))
    more = report(MemorySource(said, truth), labels=("a", "b", "c", "d", "e"))
    declared = report(MemorySource(said, truth), labels=("a", "b", "c", "d", "e"), classes="declared")
    assert values(one) == values(more)
    assert (more.averaged, len(more.classes)) == (4, 5)
    assert values(declared)["f1_macro"] == pytest.approx(values(one)["f1_macro"] * 4 / 5, abs=1e-15)
    assert values(declared)["f1_micro"] == values(one)["f1_micro"]
    assert {"precision[e]", "recall[e]", "f1[e]"} <= {*more.undefined}


def test_M13_M14_perfect_and_sums(sample):
    scores, truth = sample
    perfect = values(report(MemorySource(truth, truth)))
    assert all(v == 1 for name, v in perfect.items() if name not in {"error_rate", "majority_baseline"})
    found = report(MemorySource(scores, truth))
    assert [sum(row) for row in found.confusion.matrix] == [row.support for row in found.per_class]
    assert sum(map(sum, found.confusion.matrix)) == found.n == 120
    assert values(found)["f1_micro"] == values(found)["accuracy"]
