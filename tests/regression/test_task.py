"""When an input is a regression: asked for, or one number against one number and a fraction in the truth."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.decision import decide, family_of
from evalcli.errors import EvalError, InputError, UsageError
from evalcli.evidence import Evidence
from evalcli.layout import find_layout
from evalcli.sources.base import Field
from evalcli.task import Choices


def fields(preds=(9,), target=(9,), p="float32", t="float64", names=None):
    return Field("p", "preds.pt", preds, p), Field("t", "targets.pt", target, "text" if names else t, names)


def decided(*, fractional=9, rows=9, names=None, p="float32", shapes=((9,), (9,)), **choices):
    sides, chosen = fields(*shapes, p, names=names), Choices(**choices)
    evidence = Evidence(rows=rows, fractions=fractional > 0, fractional=fractional)
    return decide(find_layout(*sides, chosen), *sides, chosen, evidence)


def family(*, fractions=True, shapes=((9,), (9,)), p="float32", **choices):
    sides, chosen = fields(*shapes, p), Choices(**choices)
    return family_of(find_layout(*sides, chosen), chosen, Evidence(fractions=fractions))


def test_a_fraction_in_the_truth_makes_a_regression_of_one_number_against_one():
    assert family() == "regression"
    assert family(fractions=False) == "classification"
    assert family(p="int64") == "regression"  # predictions may be rounded
    assert family(shapes=((9, 1), (9,))) == "regression"
    assert family(shapes=((9, 3), (9,))) == "classification"  # a score for each class
    assert family(shapes=((9, 3), (9, 3))) == "classification"  # scores against one-hot rows
    assert family(shapes=((9, 3, 4), (9, 3, 4))) == "classification"


@pytest.mark.parametrize(
    "choices",
    [
        {"task": "multiclass"},
        {"scores": "probs"},
        {"scores": "labels"},
        {"threshold": 0.5},
        {"positive": "1"},
        {"labels": ("a", "b")},
    ],
)
def test_a_choice_that_speaks_of_classes_keeps_it_a_classification(choices):
    assert family(**choices) == "classification"


def test_what_was_asked_for_is_not_doubted():
    for choices in ({"task": "regression"}, {"scores": "values"}):
        assert family(fractions=False, **choices) == "regression"
        task = decided(fractional=0, **choices)
        assert (task.kind, task.family, task.scores, task.mode, task.problem) == (
            "regression", "regression", "values", "value", None,
        )  # fmt: skip


def test_few_fractions_are_a_doubt_that_counts_them_and_names_the_flag():
    assert decided(fractional=5, rows=10).problem is None
    doubt = decided(fractional=1_234, rows=10_000).problem
    assert isinstance(doubt, InputError)
    assert str(doubt) == (
        "1,234 of 10,000 targets have a fraction, the others are whole: values, or classes with a slip? "
        "say --task regression if they are values, else mend these targets [E3]"
    )
    assert "1 of 10 targets has a fraction" in str(decided(fractional=1, rows=10).problem)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"scores": "probs"}, "--scores probs speaks of classes, but the task is regression; drop one of the two [E2]"),
        ({"threshold": 0.5}, "--threshold 0.5 speaks of classes"),
        ({"positive": "x"}, "--positive x speaks of classes"),
        ({"labels": ("a",)}, "--labels speaks of classes"),
        ({"classes": "declared"}, "--classes declared speaks of classes"),
        ({"nan": "wrong"}, "use --nan drop to leave these rows out [E2]"),
    ],
)
def test_choices_that_a_regression_does_not_have(choices, says):
    with pytest.raises(UsageError) as caught:
        decided(task="regression", **choices)
    assert says in str(caught.value)


def test_texts_are_no_values():
    with pytest.raises(InputError, match=r"'t' holds texts such as 'a', and a regression needs numbers"):
        decided(task="regression", names=("a", "b"))


@pytest.mark.parametrize(
    ("preds", "target", "outputs"),
    [((9,), (9,), 1), ((9, 1), (9,), 1), ((9,), (9, 1), 1), ((9, 1), (9, 1), 1), ((9, 4), (9, 4), 4)],
)
def test_layouts_of_values(preds, target, outputs):
    layout = find_layout(*fields(preds, target), Choices(task="regression"))
    assert (layout.preds, layout.target, layout.outputs) == ("values", "values", outputs)


@pytest.mark.parametrize(
    ("preds", "target", "says"),
    [
        ((9, 4), (9,), r"predictions \(9, 4\) do not fit targets \(9,\), and values are never broadcast"),
        ((9,), (9, 4), "never broadcast"),
        ((9, 4), (9, 3), "never broadcast"),
        ((8,), (9,), "8 predictions but 9 targets"),
        ((9, 4, 5), (9, 4, 5), r"values of shape \(9, 4, 5\); a regression takes \(N,\) or \(N, D\)"),
    ],
)
def test_nothing_is_broadcast(preds, target, says):
    with pytest.raises(EvalError, match=says):
        find_layout(*fields(preds, target), Choices(scores="values"))


def test_evidence_adds_up():
    total, other = Evidence(rows=3, fractional=1, fractions=True), Evidence(rows=2, fractional=2, fractions=True)
    total.merge(other)
    assert (total.rows, total.fractional, total.fractions) == (5, 3, True)
    assert np.isfinite(total.fractional)
