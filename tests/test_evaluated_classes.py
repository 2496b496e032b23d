"""Which classes a report has, in which order, and what each is called and counted as: conventions and many classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource, text_source
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import EvalError
from evalcli.evaluation import evaluate
from evalcli.task import Choices


def report(source, execution=Execution(workers=1), **choices):  # noqa: B008 - frozen
    return evaluate(source, Choices(**choices), execution)


def values(found):
    return {name: value.value for name, value in found.metrics.items()}


def test_convention_2_3_classes_seen():
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = report(MemorySource(said, truth))
    assert values(found)["recall_macro"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert values(found)["balanced_accuracy"] == 0.75
    four = report(MemorySource(np.eye(5)[said], truth))
    assert (four.averaged, len(four.classes)) == (3, 5)
    assert "classes:seen(3/5)" in four.signature


def test_convention_4_N18_undefined_is_null_and_listed():
    found = report(MemorySource([0, 0, 0, 0], [0, 0, 1, 1]))
    assert (found.metrics["precision"].value, found.metrics["recall"].value) == (None, 0.0)
    assert {"precision", "precision[1]"} <= {*found.undefined}
    assert found.metrics["precision_macro"].value == 0.25


def test_convention_14_15_ties_take_the_lowest_index_and_are_counted():
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [3.0, 0.0, 1.0]])
    for backend in ("numpy", "torch"):
        found = report(MemorySource(scores, [0, 1, 0]), Execution(backend))
        assert found.metrics["accuracy"].value == 1
        assert any(f.code == "ties" and f.text.startswith("66.7%") for f in found.findings)


def test_convention_25_32_rows_are_targets_in_class_order():
    for source in (text_source(["10", "9", "10"], ["9", "9", "8"]), MemorySource([10, 9, 10], [9, 9, 8])):
        found = report(source)
        assert (found.classes, found.confusion.matrix) == (("8", "9", "10"), ((0, 0, 1), (0, 1, 1), (0, 0, 0)))
    assert report(text_source(["b", "a"], ["B", "a"])).classes == ("B", "a", "b")
    assert report(MemorySource([0, 1], [0, 1]), labels=("yes", "no")).classes == ("yes", "no")


def test_convention_16_positive():
    said, truth = ["yes", "no", "no", "yes"], ["yes", "yes", "no", "no"]
    assert report(text_source(said, truth)).positive == "yes"
    swapped = report(text_source(said, truth), positive="no")
    assert (swapped.positive, values(swapped)["recall"]) == ("no", 0.5)
    with pytest.raises(
        EvalError,
        match=r"^targets.pt: two classes, 'cat' and 'dog', and nothing says which one is to be found; "
        r"name it with --positive dog",
    ):
        report(text_source(["cat", "dog"], ["dog", "dog"]))
    assert report(text_source(["cat", "dog"], ["dog", "dog"]), positive="dog").positive == "dog"
    assert report(text_source(["cat", "dog"], ["dog", "dog"]), task="multiclass").positive is None
    scores = MemorySource([0.9, 0.2, 0.8], [0, 1, 0], labels=("cat", "dog"))
    assert values(report(scores, positive="cat"))["accuracy"] == 1
    saturated = MemorySource([1.0, 0.0, 1.0], [0, 1, 0], labels=("cat", "dog"))
    assert values(report(saturated, positive="cat"))["accuracy"] == 1
    assert report(scores, positive="cat").signature != report(scores, positive="dog").signature


def test_positive_class_without_a_row_of_weight():
    found = report(MemorySource([0, 0], [0, 1], labels=("no", "yes"), pred_labels=("no", "yes"), weight=[1.0, 0.0]))
    assert (found.classes, found.positive, found.metrics["recall"].value) == (("no", "yes"), "yes", None)


def test_N12_counts_beyond_float32():
    repeats = np.array([2**24 + 1, 2**31 + 1, 2**53])
    found = report(MemorySource([0, 1, 1], [0, 0, 1], repeats=repeats))
    assert found.n == 2**24 + 1 + 2**31 + 1 + 2**53
    assert found.confusion.matrix == ((2**24 + 1, 2**31 + 1), (0, 2**53))


def test_thousands_of_classes_give_pairs():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5000, 60_000)
    said = np.where(rng.random(60_000) < 0.7, truth, rng.integers(0, 5000, 60_000))
    found = report(MemorySource(said, truth), Execution(batch_size=10_000, workers=2))
    assert (found.confusion.matrix, len(found.confusion.pairs)) == (None, 1000)
    assert values(found)["f1_macro"] == pytest.approx(sk.f1_score(truth, said, average="macro"), abs=1e-12)
    assert values(found)["mcc"] == pytest.approx(sk.matthews_corrcoef(truth, said), abs=1e-12)
    whole = report(MemorySource(said, truth))
    assert replace(whole, run=None) == replace(found, run=None)


def test_pairs_are_ordered_by_count_then_class():
    classes = np.arange(0, 100_000, 500)
    truth = np.concatenate([classes, [500, 500, 1000, 1000, 1000]])
    said = np.concatenate([classes, [0, 0, 500, 500, 0]])
    found = report(MemorySource(said, truth))
    assert len(found.classes) == 200
    assert found.confusion.pairs == (("500", "0", 2), ("1000", "500", 2), ("1000", "0", 1))


def test_what_the_model_calls_by_the_ignored_label_is_a_class_all_the_same():
    labels = ("-1", "0", "1")
    codes = (np.array([1, 0, 2, 1]), np.array([0, 1, 2, 2]))
    result = report(MemorySource(*codes, labels=labels, pred_labels=labels), ignore_index=-1)
    assert (result.n, result.ignored, result.classes) == (3, 1, labels)
    assert result.per_class[0].support == 0
    spared = report(MemorySource(np.array([1, 1, 2, 1]), codes[1], labels=labels, pred_labels=labels), ignore_index=-1)
    assert (spared.task, spared.classes) == ("binary", ("0", "1"))


@pytest.mark.parametrize(("name", "other"), [("no", "yes"), ("No", "Yes"), ("NEG", "POS")])
def test_of_two_names_that_belong_together_one_brings_the_other(name, other):
    result = report(MemorySource(np.zeros(3, int), np.zeros(3, int), labels=(name,), pred_labels=(name,)))
    assert (result.task, set(result.classes), result.positive) == ("binary", {name, other}, other)
    assert result.metrics["recall"].value is None
