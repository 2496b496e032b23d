"""A threshold for each label: each as in a binary task of its own, and a report at them has the very counts."""

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
from evalcli.renderers.tuning import render_tuning
from evalcli.task import Choices
from evalcli.threshold import parse_chosen
from evalcli.tuning.candidates import at, cost, maximize
from evalcli.tuning.choosing import tune
from evalcli.tuning.labels import LabelTuning

LABELS = ("cat", "dog", "owl", "eel")
AIMS = {
    "f1": maximize("f1"), "fbeta2": maximize("fbeta2"), "mcc": maximize("mcc"), "youden": maximize("youden"),
    "balanced_accuracy": maximize("balanced_accuracy"), "at": at("precision>=0.6"), "cost": cost("fp=1,fn=5"),
}  # fmt: skip


def drawn(seed=0, rows=200, kind="random"):
    rng = np.random.default_rng(seed)
    target = (rng.random((rows, 4)) < [0.5, 0.3, 0.2, 0.08]).astype(int)
    logits = rng.normal(size=(rows, 4)) + 1.5 * target - 1
    scores = 1 / (1 + np.exp(-logits))
    return {"random": scores, "tied": scores.round(1), "logits": logits * 4}[kind], target


def chosen(scores, target, aim, *, weight=None, budget=None, dtype=None, **choices):
    source = MemorySource(scores, target, weight=weight, dtype=dtype)
    found = tune(source, Choices(**{"labels": LABELS, **choices}), Execution(workers=1, ranking_budget=budget), aim)
    assert isinstance(found, LabelTuning)
    return found


def reported(scores, target, found, *, weight=None, dtype=None, **choices):
    """The report at the saved thresholds, after a round through the file."""
    saved = parse_chosen(json.dumps(found.to_json_object()), "tuned.json")
    given = {"labels": LABELS, "task": "multilabel", **choices, "chosen": saved}
    return evaluate(MemorySource(scores, target, weight=weight, dtype=dtype), Choices(**given), Execution(workers=1))


@pytest.mark.parametrize("kind", ["random", "tied", "logits"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", AIMS)
def test_each_label_is_tuned_as_a_binary_task_of_its_own(name, kind, weighted):
    scores, target = drawn(1, kind=kind)
    weight = np.random.default_rng(1).integers(1, 5, len(target)) / 4 if weighted else None
    found = chosen(scores, target, AIMS[name], weight=weight)
    assert [one.label for one in found.labels] == list(LABELS)
    for i, one in enumerate(found.labels):
        alone = tune(
            MemorySource(scores[:, i], target[:, i], weight=weight), Choices(), Execution(workers=1), AIMS[name]
        )
        assert (one.cut, one.chosen.threshold, one.reachable) == (alone.cut, alone.chosen.threshold, alone.reachable)
        assert (one.chosen.predicted, one.chosen.metrics) == (alone.chosen.predicted, alone.chosen.metrics)
        assert one.reference.threshold == alone.reference.threshold == 0.5
        assert one.reference.predicted == alone.reference.predicted
        assert one.reference.metrics == pytest.approx(alone.reference.metrics, abs=1e-12)
        assert (one.candidates, one.support) == (
            alone.candidates,
            target[:, i].sum() if weight is None else one.support,
        )
        assert one.nothing == alone.nothing


@pytest.mark.parametrize("kind", ["random", "tied", "logits"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", AIMS)
def test_a_report_at_the_thresholds_has_the_very_counts(name, kind, weighted):
    scores, target = drawn(2, kind=kind)
    weight = np.random.default_rng(1).integers(1, 5, len(target)) / 4 if weighted else None
    found = chosen(scores, target, AIMS[name], weight=weight)
    made = reported(scores, target, found, weight=weight)
    for row, one in zip(made.per_class, found.labels, strict=True):
        assert (row.predicted, row.support) == (one.chosen.predicted, one.support)
        for metric in ("precision", "recall", "f1", "specificity"):
            assert row.metrics[metric].value == one.chosen.metrics[metric]
    for metric, value in found.after.items():
        if metric in made.metrics:
            assert made.metrics[metric].value == value, metric
    assert {"f1_macro", "f1_micro", "f1_weighted", "hamming_loss"} <= set(found.after) & set(made.metrics)
    before = evaluate(MemorySource(scores, target, weight=weight), Choices(labels=LABELS), Execution(workers=1))
    for metric, value in found.before.items():
        if metric in before.metrics:
            assert before.metrics[metric].value == value, metric


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["random", "logits"])
def test_stored_types_are_cut_where_they_were_chosen(dtype, kind):
    scores, target = drawn(3, kind=kind)
    stored = scores.astype(getattr(ml_dtypes, dtype, None) or dtype)
    found = chosen(stored, target, maximize("f1"), dtype=dtype)
    made = reported(stored, target, found, dtype=dtype)
    assert [row.predicted for row in made.per_class] == [one.chosen.predicted for one in found.labels]
    assert made.threshold == tuple(one.chosen.threshold for one in found.labels)


def test_binned_scores_are_cut_at_real_points():
    scores, target = drawn(4, rows=3000)
    found = chosen(scores, target, maximize("f1"), budget=20_000)
    assert not found.exact
    made = reported(scores, target, found)
    assert [row.predicted for row in made.per_class] == [one.chosen.predicted for one in found.labels]
    assert [row.metrics["f1"].value for row in made.per_class] == [one.chosen.metrics["f1"] for one in found.labels]
    assert "Scores were binned" in render_tuning(found, "rich")


def test_ignored_cells_and_dropped_rows_count_in_no_threshold():
    scores, target = drawn(5)
    target[::5, 1], target[7] = -1, -1
    scores[11, 0] = np.nan
    given = {"ignore_index": -1, "nan": "drop"}
    found = chosen(scores, target, maximize("f1"), **given)
    assert (found.n, found.ignored) == (198, 2)
    rows = [i for i in range(200) if i not in (7, 11) and target[i, 1] >= 0]
    alone = tune(MemorySource(scores[rows, 1], target[rows, 1]), Choices(), Execution(workers=1), maximize("f1"))
    assert found.labels[1].cut == alone.cut
    made = reported(scores, target, found, **given)
    assert [row.predicted for row in made.per_class] == [one.chosen.predicted for one in found.labels]
    with pytest.raises(InputError, match="1 cell has no score; leave their rows out with --nan drop"):
        chosen(scores, target, maximize("f1"), ignore_index=-1, nan="wrong")


def test_labels_that_cannot_be_tuned_keep_the_reference_and_are_named():
    scores, target = drawn(6)
    target[:, 1], target[:, 2] = 0, 1
    scores[:, 3] = 0.7
    found = chosen(scores, target, maximize("f1"), threshold=0.6)
    assert [one.kept for one in found.labels] == [
        "",
        "only negative rows occur: no threshold can be judged",
        "only positive rows occur: no threshold can be judged",
        "all scores are the same: there is nothing to choose",
    ]
    assert [one.chosen.threshold for one in found.labels[1:]] == [0.6] * 3
    made = reported(scores, target, found)
    assert [row.predicted for row in made.per_class] == [one.chosen.predicted for one in found.labels]
    text = render_tuning(found, "rich")
    assert "tuned    1 of 4 labels" in text
    assert "* kept as it was, dog: only negative rows occur: no threshold can be judged." in text
    document = found.to_json_object()
    assert [one["tuned"] for one in document["labels"]] == [True, False, False, False]
    with pytest.raises(InputError, match="no label can be tuned: 'cat': only negative rows occur"):
        chosen(scores, np.zeros_like(target), maximize("f1"), task="multilabel")


def test_a_bound_that_no_threshold_of_a_label_meets_keeps_it():
    scores, target = drawn(7)
    scores[:, 3] = np.where(target[:, 3] == 1, 0.2, scores[:, 3])  # never precise
    found = chosen(scores, target, at("precision>=0.9"))
    assert not found.labels[0].kept
    assert "no threshold has precision >= 0.9; the highest is" in found.labels[3].kept


def test_the_reference_may_be_a_saved_choice():
    scores, target = drawn(8)
    first = chosen(scores, target, maximize("fbeta2"))
    saved = parse_chosen(json.dumps(first.to_json_object()), "tuned.json")
    second = chosen(scores, target, maximize("f1"), task="multilabel", chosen=saved)
    for before, after in zip(first.labels, second.labels, strict=True):
        assert after.reference.threshold == before.chosen.threshold
        assert after.reference.predicted == before.chosen.predicted


def test_predictions_and_other_tasks_are_refused():
    scores, target = drawn(9)
    for said in (scores >= 0.5, (scores >= 0.5).astype(float)):
        with pytest.raises(UsageError, match="a threshold cuts scores"):
            chosen(said, target, maximize("f1"), task="multilabel")
    hot = np.eye(4, dtype=int)[np.arange(200) % 4]
    probs = np.eye(4)[np.arange(200) % 4] * 0.6 + 0.1
    with pytest.raises(UsageError, match="of several labels a row, say --task multilabel"):
        chosen(probs, hot, maximize("f1"))
    assert chosen(probs, hot, maximize("f1"), task="multilabel").labels[0].chosen.metrics["f1"] == 1.0
    two = chosen(scores[:, :2], target[:, :2], maximize("f1"), labels=("a", "b"))
    assert [one.label for one in two.labels] == ["a", "b"]


def test_averages_are_those_of_scikit_learn():
    scores, target = drawn(10)
    found = chosen(scores, target, maximize("mcc"))
    said = np.stack([scores[:, i] >= one.cut for i, one in enumerate(found.labels)], axis=1).astype(int)
    for average in ("macro", "micro", "weighted"):
        expected = sk.f1_score(target, said, average=average)
        assert found.after[f"f1_{average}"] == pytest.approx(expected, abs=1e-12)
    matthews = [sk.matthews_corrcoef(target[:, i], said[:, i]) for i in range(4)]
    assert found.after["mcc_macro"] == pytest.approx(np.mean(matthews), abs=1e-12)
    assert found.after["hamming_loss"] == pytest.approx(sk.hamming_loss(target, said), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": []}, "'labels' is no list of labels"),
        ({"labels": {}}, "'labels' is no list of labels"),
        ({"labels": [{"label": "a", "threshold": 0.5, "cut": 0.5}] * 2}, "the label 'a' occurs twice"),
        ({"labels": [{"label": 3, "threshold": 0.5, "cut": 0.5}]}, "'label' is 3, not a text"),
        ({"labels": [{"label": "a", "threshold": 1.5, "cut": 0.5}]}, "'threshold' is 1.5, no probability"),
        ({"labels": [{"label": "a", "threshold": 0.5, "cut": "x"}]}, "'cut' is 'x', not a finite number"),
        ({"labels": [{"label": "a", "cut": 0.5}]}, "'threshold' is None, not a finite number"),
        ({"scores": 1}, "'scores' is 1, not a text"),
        ({"inputs": None}, "'inputs' is no list of files"),
    ],
)
def test_a_broken_file_says_what_is_wrong(change, words):
    document = {"schema": "evalcli.threshold/1", "scores": "probs", "inputs": [],
                "labels": [{"label": "a", "threshold": 0.5, "cut": None}]}  # fmt: skip
    assert parse_chosen(json.dumps(document), "x").labels[0].cut is None
    with pytest.raises(InputError) as caught:
        parse_chosen(json.dumps(document | change), "x.json")
    assert words in str(caught.value)


def test_the_screen_names_every_label_or_the_most_changed_of_many():
    scores, target = drawn(11)
    found = chosen(scores, target, maximize("f1"))
    for width in (60, 80, 100):
        text = render_tuning(found, "rich", width)
        assert all(name in text for name in LABELS)
        assert width < 80 or max(map(len, text.splitlines())) <= width
    many = replace(found, labels=tuple(replace(found.labels[i % 4], label=f"l{i}") for i in range(300)))
    text = render_tuning(many, "rich", 100)
    assert "the 20 of 300 labels that gain most; all in the JSON" in text
    assert len(json.loads(render_tuning(many, "json"))["labels"]) == 300
    nasty = replace(found, labels=(replace(found.labels[0], label="\x1b[31mred\n"), *found.labels[1:]))
    assert "\x1b" not in render_tuning(nasty, "rich", 80)
    assert "\\x1b[31mred\\n" in render_tuning(nasty, "rich", 80)
    assert render_tuning(found, "rich", 80, "ascii").isascii()
