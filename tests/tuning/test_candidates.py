"""The choice of a threshold beside brute force with scikit-learn, and the printed point beside a report's."""

from __future__ import annotations

import json
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from memory_source import MemorySource
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.task import Choices
from evalcli.threshold import parse_chosen
from evalcli.tuning.candidates import at, cost, maximize
from evalcli.tuning.choosing import tune

RUN = Execution(workers=1)


def drawn(seed, n=150, kind="random"):
    """Scores in [0, 1] that rank fairly well, and the truth."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    logits = rng.normal(size=n) + 1.2 * target
    scores = 1 / (1 + np.exp(-logits))
    return {"random": scores, "tied": scores.round(1), "sharp": scores**64}[kind], target


def specificity(target, preds, weight):
    return sk.recall_score(target, preds, pos_label=0, sample_weight=weight)


def expected_cost(target, preds, weight, fp=1.0, fn=20.0):
    weight = np.ones(len(target)) if weight is None else weight
    return (fp * weight[(target == 0) & (preds == 1)].sum() + fn * weight[(target == 1) & (preds == 0)].sum()) / (
        weight.sum()
    )


SKLEARN = {
    "f1": lambda t, p, w: sk.f1_score(t, p, sample_weight=w),
    "fbeta2": lambda t, p, w: sk.fbeta_score(t, p, beta=2, sample_weight=w),
    "fbeta0.5": lambda t, p, w: sk.fbeta_score(t, p, beta=0.5, sample_weight=w),
    "mcc": lambda t, p, w: sk.matthews_corrcoef(t, p, sample_weight=w),
    "balanced_accuracy": lambda t, p, w: sk.balanced_accuracy_score(t, p, sample_weight=w),
    "youden": lambda t, p, w: sk.recall_score(t, p, sample_weight=w) + specificity(t, p, w) - 1,
    "precision": lambda t, p, w: sk.precision_score(t, p, sample_weight=w, zero_division=0),
    "recall": lambda t, p, w: sk.recall_score(t, p, sample_weight=w),
    "specificity": specificity,
    "accuracy": lambda t, p, w: sk.accuracy_score(t, p, sample_weight=w),
    "cost": expected_cost,
}


def fbeta(beta):
    return lambda tp, fp, fn, tn: (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)


def matthews(tp, fp, fn, tn):
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / np.sqrt(below) if below else 0.0


COUNTED = {
    "f1": fbeta(1),
    "fbeta2": fbeta(2),
    "fbeta0.5": fbeta(0.5),
    "mcc": matthews,
    "balanced_accuracy": lambda tp, fp, fn, tn: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    "youden": lambda tp, fp, fn, tn: tp / (tp + fn) + tn / (tn + fp) - 1,
    "precision": lambda tp, fp, fn, tn: tp / (tp + fp),
    "recall": lambda tp, fp, fn, tn: tp / (tp + fn),
    "specificity": lambda tp, fp, fn, tn: tn / (tn + fp),
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
    "cost": lambda tp, fp, fn, tn: (fp + 20 * fn) / (tp + fp + fn + tn),
}
"""The same from counts: scikit-learn takes milliseconds a threshold."""


def counts(target, preds, weight):
    weight = np.ones(len(target)) if weight is None else weight
    return tuple(float(weight[(preds == p) & (target == t)].sum()) for p, t in ((1, 1), (1, 0), (0, 1), (0, 0)))


@pytest.mark.parametrize("name", SKLEARN)
def test_the_formulas_beside_scikit_learn(name):
    scores, target = drawn(0)
    for cut in (scores.min(), 0.3, 0.5, 0.9):
        preds = (scores >= cut).astype(int)
        for weight in (None, weights(0)):
            told = SKLEARN[name](target, preds, weight)
            assert COUNTED[name](*counts(target, preds, weight)) == pytest.approx(told, rel=1e-12)


def brute(scores, target, weight, name, bound=None):
    """The best value over every score that occurs, and the largest score that has it."""
    found = {}
    for cut in np.unique(scores):
        cells = counts(target, (scores >= cut).astype(int), weight)
        if bound is None or COUNTED[bound[0]](*cells) >= bound[1]:
            found[float(cut)] = COUNTED[name](*cells)
    best = min(found.values()) if name == "cost" else max(found.values())
    return best, max(cut for cut, value in found.items() if value == pytest.approx(best, rel=1e-12, abs=1e-15))


def weights(seed, n=150):
    return np.random.default_rng(seed).integers(0, 5, n) / 4


CASES = [
    (seed, kind, weighted) for seed in (0, 1) for kind in ("random", "tied", "sharp") for weighted in (False, True)
]


@pytest.mark.parametrize(("seed", "kind", "weighted"), CASES)
@pytest.mark.parametrize("name", ["f1", "fbeta2", "fbeta0.5", "mcc", "balanced_accuracy", "youden"])
def test_the_best_of_all_thresholds_and_the_largest_of_equals(name, seed, kind, weighted):
    scores, target = drawn(seed, kind=kind)
    weight = weights(seed) if weighted else None
    kept = np.ones(len(scores), bool) if weight is None else weight > 0
    found = tune(MemorySource(scores, target, weight=weight), Choices(), RUN, maximize(name))
    best, cut = brute(scores[kept], target[kept], None if weight is None else weight[kept], name)
    assert found.value == pytest.approx(best, rel=1e-12)
    assert found.cut == cut


@pytest.mark.parametrize(("seed", "kind", "weighted"), CASES)
@pytest.mark.parametrize(
    ("bound", "sought"), [("precision>=0.75", "recall"), ("recall>=0.8", "precision"), ("specificity>=0.9", "recall")]
)
def test_the_best_of_those_that_meet_a_bound(bound, sought, seed, kind, weighted):
    scores, target = drawn(seed, kind=kind)
    weight = weights(seed) if weighted else None
    kept = np.ones(len(scores), bool) if weight is None else weight > 0
    found = tune(MemorySource(scores, target, weight=weight), Choices(), RUN, at(bound))
    name, _, least = bound.partition(">=")
    best, cut = brute(
        scores[kept], target[kept], None if weight is None else weight[kept], sought, (name, float(least))
    )
    assert (found.value, found.cut) == (pytest.approx(best, rel=1e-12), cut)
    assert found.chosen.metrics[name] >= float(least)


@pytest.mark.parametrize(("seed", "kind", "weighted"), CASES)
def test_the_least_cost(seed, kind, weighted):
    scores, target = drawn(seed, kind=kind)
    weight = weights(seed) if weighted else None
    kept = np.ones(len(scores), bool) if weight is None else weight > 0
    found = tune(MemorySource(scores, target, weight=weight), Choices(), RUN, cost("fp=1,fn=20"))
    best, cut = brute(scores[kept], target[kept], None if weight is None else weight[kept], "cost")
    assert (found.value, found.cut) == (pytest.approx(best, rel=1e-12), cut)
    assert found.nothing is None


def test_predicting_nothing_is_named_where_it_is_cheaper():
    found = tune(MemorySource([0.9, 0.8, 0.2], [0, 1, 0]), Choices(), RUN, cost("fp=20,fn=1"))
    assert (found.cut, found.value, found.nothing) == (0.8, pytest.approx(20 / 3), pytest.approx(1 / 3))


def test_metrics_before_and_after_are_those_of_scikit_learn():
    scores, target = drawn(3)
    found = tune(MemorySource(scores, target), Choices(), RUN, maximize("youden"))
    for point, cut in ((found.reference, 0.5), (found.chosen, found.cut)):
        preds = (scores >= cut).astype(int)
        assert point.predicted == preds.sum()
        for name, value in point.metrics.items():
            assert value == pytest.approx(SKLEARN[name](target, preds, None), rel=1e-12)
    assert set(found.chosen.metrics) == {
        "accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity", "mcc", "youden",
    }  # fmt: skip


def test_neighbours_surround_the_choice_and_the_curve_holds_its_value():
    scores, target = drawn(4)
    found = tune(MemorySource(scores, target), Choices(), RUN, maximize("mcc"))
    cuts = [point.threshold for point in found.neighbours]
    assert cuts == sorted(cuts, reverse=True)
    place = cuts.index(found.cut)
    assert 0 < place < len(cuts) - 1
    for point in found.neighbours:
        assert point.metrics["mcc"] == pytest.approx(sk.matthews_corrcoef(target, scores >= point.threshold), rel=1e-12)
    assert max(value for value in found.curve if value is not None) == found.value
    assert found.span == (scores.min(), scores.max())


# The point that is printed is the point that a report finds


def stored_as(values, dtype):
    """What a file of this type holds, and its values as numbers."""
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    return values.astype(kind).astype(np.float32 if dtype != "float64" else np.float64)


def same_point(source, found, choices):
    """A report at ``choices`` has the very numbers of the tuning."""
    report = evaluate(source, choices, RUN)
    assert report.confusion.matrix is not None
    assert sum(row[1] for row in report.confusion.matrix) == found.chosen.predicted
    for name, value in found.chosen.metrics.items():
        if name in report.metrics:
            assert report.metrics[name].value == value


def saved(found):
    return parse_chosen(json.dumps(found.to_json_object()), "tuned.json")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", ["f1", "mcc", "youden"])
@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_the_printed_threshold_reproduces_the_point(kind, name, dtype):
    for seed in range(5):
        scores, target = drawn(seed)
        values = scores if kind == "probs" else np.log(scores / (1 - scores)) * 3
        source = MemorySource(stored_as(values, dtype), target, dtype=dtype)
        found = tune(source, Choices(), RUN, maximize(name))
        assert (found.scores, found.reachable) == (kind, True)
        same_point(source, found, Choices(threshold=float(repr(found.chosen.threshold))))
        same_point(source, found, Choices(threshold=found.chosen.threshold, chosen=saved(found), positive="1"))


def test_weighted_points_are_reproduced_up_to_rounding():
    scores, target = drawn(8)
    source = MemorySource(scores, target, weight=np.random.default_rng(8).random(150) * 3)
    found = tune(source, Choices(), RUN, maximize("f1"))
    report = evaluate(source, Choices(threshold=found.chosen.threshold), RUN)
    for name in ("accuracy", "precision", "recall", "f1", "specificity", "mcc"):
        assert found.chosen.metrics[name] == pytest.approx(report.metrics[name].value, rel=1e-13)


@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_two_columns_are_cut_where_they_were_ranked(kind):
    for seed in range(5):
        scores, target = drawn(seed)
        columns = np.stack([1 - scores, scores], axis=1)
        columns = columns if kind == "probs" else 4 * np.log(columns)[:, ::1] + 7
        source = MemorySource(columns.astype(np.float32), target)
        found = tune(source, Choices(), RUN, maximize("f1"))
        assert found.scores == kind
        same_point(source, found, Choices(threshold=found.chosen.threshold))
        same_point(source, found, Choices(threshold=found.chosen.threshold, chosen=saved(found)))


def test_a_threshold_of_float32_is_printed_as_it_was_written():
    scores = np.array([0.1, 0.7, 0.3, 0.9], np.float32)
    found = tune(MemorySource(scores, [0, 1, 0, 1]), Choices(), RUN, maximize("f1"))
    assert (found.chosen.threshold, found.cut) == (0.7, float(np.float32(0.7)))


def test_a_logit_that_no_probability_reaches_is_reached_through_the_file():
    logits = np.array([-50.0, 60.0, 60.5, 61.0, 90.0])
    source = MemorySource(logits, [0, 0, 1, 1, 1])
    found = tune(source, Choices(), RUN, maximize("f1"))
    assert (found.cut, found.reachable, found.value) == (60.5, False, 1.0)
    same_point(source, found, Choices(threshold=found.chosen.threshold, chosen=saved(found)))


def test_infinite_logits_are_null_in_the_file_and_come_back():
    logits = np.array([-np.inf, -np.inf, 3.0, 4.0])
    source = MemorySource(logits, [1, 1, 0, 1])
    found = tune(source, Choices(), RUN, maximize("f1"))
    document = found.to_json_object()
    assert (found.cut, document["cut"], document["threshold"]) == (-np.inf, None, 0.0)
    same_point(source, found, Choices(threshold=0.0, chosen=saved(found)))


def test_binned_scores_give_real_points():
    rng = np.random.default_rng(5)
    target = rng.integers(0, 2, 20_000)
    scores = (1 / (1 + np.exp(-rng.normal(size=20_000) - target))).astype(np.float32)
    source = MemorySource(scores, target)
    exact = tune(source, Choices(), RUN, maximize("f1"))
    found = tune(source, Choices(), replace(RUN, ranking_budget=4096), maximize("f1"))
    assert (exact.exact, found.exact) == (True, False)
    assert 2 < found.candidates < 200
    assert exact.value - 0.02 < found.value <= exact.value
    assert found.value == pytest.approx(sk.f1_score(target, scores >= found.cut), rel=1e-12)
    same_point(source, found, Choices(threshold=found.chosen.threshold))


def test_batches_workers_and_order_do_not_matter():
    scores, target = drawn(6, n=2000)
    order = np.random.default_rng(0).permutation(2000)
    first = tune(MemorySource(scores, target), Choices(), RUN, maximize("mcc"))
    for rows in (slice(None), order):
        source = MemorySource(scores[rows], target[rows])
        assert tune(source, Choices(), Execution(workers=3, batch_size=17), maximize("mcc")) == first


def test_what_a_threshold_is_compared_with_can_be_chosen():
    scores, target = drawn(7)
    found = tune(MemorySource(scores, target), Choices(threshold=0.2), RUN, maximize("f1"))
    assert found.reference.threshold == 0.2
    assert found.reference.metrics["recall"] == pytest.approx(sk.recall_score(target, scores >= 0.2), rel=1e-12)


# What cannot be chosen


@pytest.mark.parametrize(
    ("scores", "target", "more", "words"),
    [
        ([0.1, 0.9, 0.4], [1, 1, 1], {}, "only positive rows occur"),
        ([0.1, 0.9, 0.4], [0, 0, 0], {}, "only negative rows occur"),
        ([0.4, 0.4, 0.4], [0, 1, 0], {}, "all scores are the same"),
        ([0.4, np.nan, 0.6], [0, 1, 0], {"nan": "wrong"}, "1 row has no score"),
        ([0.4, np.nan, 0.6], [0, 1, 0], {}, "nan"),
    ],
)
def test_what_cannot_be_chosen_is_an_error(scores, target, more, words):
    with pytest.raises(InputError) as error:
        tune(MemorySource(scores, target), Choices(**more), RUN, maximize("f1"))
    assert words in str(error.value).lower()
    assert "\n" not in str(error.value)


def test_a_bound_that_nothing_meets_names_the_best():
    with pytest.raises(InputError, match=r"no threshold has precision >= 0\.95; the highest is 0\.6667"):
        tune(MemorySource([0.9, 0.8, 0.7, 0.1], [0, 1, 1, 0]), Choices(), RUN, at("precision>=0.95"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (MemorySource([0, 1, 1], [0, 1, 0]), "the predictions are labels"),
        (MemorySource([0.0, 1.0, 1.0], [0, 1, 0]), "the predictions are labels"),
        (MemorySource(np.eye(3), [0, 1, 2]), "belongs to a binary task"),
    ],
)
def test_only_scores_of_a_binary_task_are_cut(source, words):
    with pytest.raises(UsageError, match=words):
        tune(source, Choices(), RUN, maximize("f1"))


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (maximize, "accuracyy"), (maximize, "fbeta"), (maximize, "fbeta0"), (maximize, "f1>=0.5"),
        (at, "precision"), (at, "precision>=2"), (at, "precision>=x"), (at, "f1>=0.5"), (at, ""),
        (at, "precision>=nan"), (cost, "fp=1"), (cost, "fp=1,fn=x"), (cost, "fp=1,fn=-1"), (cost, "fp=0,fn=0"),
        (cost, "fp=1,fn=inf"), (cost, "fp=1,fn=nan"), (cost, "fp=1,fp=2,fn=3"), (cost, ""),
    ],
)  # fmt: skip
def test_an_aim_that_cannot_be_meant(parse, text):
    with pytest.raises(UsageError):
        parse(text)


# The saved threshold


GOOD = {"schema": "evalcli.threshold/1", "threshold": 0.4, "cut": 0.4, "scores": "probs", "positive": "1", "inputs": []}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "evalcli.report/1"}, "no saved threshold"),
        ({"threshold": 1.5}, "no probability"),
        ({"threshold": None}, "not a finite number"),
        ({"threshold": True}, "not a finite number"),
        ({"cut": "x"}, "not a finite number"),
        ({"scores": 3}, "not a text"),
        ({"positive": None}, "not a text"),
        ({"inputs": None}, "no list of files"),
        ({"inputs": [3]}, "no list of files"),
    ],
)
def test_a_damaged_file_is_named(change, words):
    assert parse_chosen(json.dumps(GOOD), "t.json").cut == 0.4
    with pytest.raises(InputError, match=words):
        parse_chosen(json.dumps(GOOD | change), "t.json")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"schema": NaN}', "[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_object_is_an_error(text):
    with pytest.raises(InputError, match=r"^t\.json: |not JSON|no saved threshold"):
        parse_chosen(text, "t.json")


def test_a_threshold_of_logits_does_not_cut_probabilities():
    chosen = parse_chosen(json.dumps(GOOD | {"scores": "logits", "cut": -0.4}), "t.json")
    with pytest.raises(UsageError, match=r"t\.json: the threshold was chosen on logits, and these scores are probs"):
        evaluate(MemorySource([0.1, 0.9], [0, 1]), Choices(threshold=0.4, chosen=chosen), RUN)
