from __future__ import annotations

from math import inf, log

import pytest

from evalcli.classification.task import positive_class
from evalcli.decision import decide
from evalcli.errors import InputError, UsageError
from evalcli.evidence import Evidence
from evalcli.layout import find_layout
from evalcli.sources.base import Field
from evalcli.task import Choices, logit, sum_tolerance


def decided(
    preds=(9,), target=(9,), p="float32", *, low=0.0, high=1.0, whole=False, target_high=1, off=0, names=None,
    columns=None, **choices
):  # fmt: skip
    """The decision on an input whose evidence is known."""
    fields = (
        Field("p", "preds.pt", preds, p, None, columns),
        Field("t", "targets.pt", target, "text" if names else "int64", names),
    )
    chosen = Choices(**choices)
    evidence = Evidence(
        rows=9, pred_low=low, pred_high=high, pred_whole=whole, target_low=0, target_high=target_high, off_rows=off,
        off_row=4, off_worst=0.25,
    )  # fmt: skip
    return decide(find_layout(*fields, chosen), *fields, chosen, evidence)


def test_columns_are_probs_when_all_rows_sum_to_one_else_logits():
    assert decided((9, 3)).scores == "probs"
    assert decided((9, 3), high=1.0000001).scores == "probs"  # rounding
    assert decided((9, 3), high=1.00001).scores == "logits"
    assert decided((9, 3), low=-0.1).scores == "logits"
    assert decided((9, 3), low=-inf).scores == "logits"
    assert decided((9, 3), p="int64").scores == "labels"
    assert decided((9, 3), p="int64", high=7).scores == "logits"
    assert {decided((9, 3)).mode, decided((9, 2)).mode} == {"argmax"}


def test_convention_10_doubt_is_an_error_that_names_the_flag():
    doubt = decided((9, 3), off=2).problem
    assert isinstance(doubt, InputError)
    assert str(doubt) == (
        "preds.pt: scores lie in [0, 1], but 2 rows do not sum to 1 (worst: row 4, off by 0.25): probabilities or "
        "logits? say which with --scores probs or --scores logits [E3]"
    )
    assert decided((9, 3), off=2, scores="logits").problem is None
    assert decided((9, 3), off=2, scores="logits").scores == "logits"


def test_N03_probs_that_are_none_are_refused():
    assert "2 rows do not sum to 1 (worst: row 4" in str(decided((9, 3), off=2, scores="probs").problem)
    assert "1 row does not sum to 1 (worst: row 4" in str(decided((9, 3), off=1, scores="probs").problem)
    assert "values from 0 to 7" in str(decided((9, 3), high=7.0, scores="probs").problem)
    assert "values from -1 to 1" in str(decided(low=-1.0, scores="probs").problem)
    assert decided((9, 3), scores="probs").problem is None
    assert [sum_tolerance(t) for t in ("float64", "float32", "float16", "bfloat16", "float8_e5m2")] == [
        1e-3, 1e-3, 1e-2, 1e-2, 1e-2,
    ]  # fmt: skip


def test_one_score_a_row_is_binary():
    probs, logits = decided(), decided(low=-3.0)
    assert (probs.kind, probs.scores, probs.mode, probs.threshold, probs.cut) == ("binary", "probs", "cut", 0.5, 0.5)
    assert (logits.kind, logits.scores, logits.threshold, logits.cut) == ("binary", "logits", 0.5, 0.0)
    assert decided(low=-3.0, threshold=0.8).cut == pytest.approx(log(4), abs=1e-15)
    assert decided(scores="logits").cut == 0.0
    assert decided(threshold=0.7).cut == 0.7
    assert [logit(0), logit(1), logit(0.5)] == [-inf, inf, 0]


def test_labels_may_be_stored_as_floats():
    assert decided(whole=True).scores == "labels"
    assert decided(whole=True, high=4.0, target_high=4).kind == "multiclass"
    assert "whole numbers from 0 to 4 stored as floats" in str(decided(whole=True, high=4.0).problem)
    assert decided(whole=True, low=-1.0).scores == "logits"
    assert decided(whole=True, threshold=0.5).scores == "probs"


def test_saturated_scores_beside_names_stay_scores_of_the_positive_class():
    found = decided(whole=True, names=("cat", "dog"), positive="cat")
    assert (found.scores, found.mode, found.positive, found.problem) == ("probs", "cut", 0, None)
    doubt = decided(whole=True, labels=("cat", "dog"), positive="cat").problem
    assert "is 1 the class 'dog', or a score for 'cat'?" in str(doubt)
    assert decided(whole=True, labels=("cat", "dog"), positive="dog").problem is None


def test_one_score_a_row_cannot_tell_many_classes():
    assert "the classes of the target are whole numbers beyond 1" in str(decided(target_high=4).problem)
    assert "the classes of the target are a, b, c" in str(decided(names=("a", "b", "c")).problem)
    assert decided(names=("a",)).problem.fix == "name both with --labels"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("0", "1"), 1),
        (("no", "yes"), 1),
        (("No", "YES"), 1),
        (("yes", "no"), 0),
        (("FALSE", "true"), 1),
        (("neg", "pos"), 1),
        (("positive", "negative"), 0),
        (("-1", "1"), 1),
        (("cat", "dog"), None),
        (("no", "true"), None),
        (("1", "2"), None),
    ],
)
def test_convention_16_positive_class(names, expected):
    index, doubt = positive_class(names, None)
    assert (doubt is None) == (expected is not None)
    assert index == (1 if expected is None else expected)
    if doubt is not None:
        assert f"--positive {names[1]}" in doubt.fix
    assert positive_class(names, names[0]) == (0, None)
    assert isinstance(positive_class(names, "absent")[1], UsageError)


@pytest.mark.parametrize(
    ("names", "chosen", "expected"),
    [(("0", "1"), "1.0", 1), (("False", "True"), "true", 1), (("false", "true"), "0", 0), (("01", "1"), "1.0", 1)],
)
def test_the_positive_class_may_be_spelled_as_other_formats_do(names, chosen, expected):
    assert positive_class(names, chosen) == (expected, None)
    assert positive_class(("1", "true"), "1.0")[1] is not None


def test_positive_is_asked_only_where_it_matters():
    assert "which one is to be found" in str(decided(p="int64", labels=("cat", "dog")).problem)
    multiclass = decided(p="int64", labels=("cat", "dog"), task="multiclass")
    assert (multiclass.problem, multiclass.positive, multiclass.kind) == (None, None, "multiclass")
    assert "--positive a, but the task is multiclass" in str(
        decided((9, 3), labels=("a", "b", "c"), positive="a").problem
    )


def test_class_names_come_from_labels_columns_width_or_values():
    assert decided((9, 3), labels=("a", "b", "c")).classes == ("a", "b", "c")
    assert decided((9, 3), columns=("x", "y", "z")).classes == ("x", "y", "z")
    assert decided((9, 3)).classes == ("0", "1", "2")
    assert decided(p="int64").classes == ("0", "1")
    assert decided(p="int64", target_high=3).classes == ()
    assert decided(p="int64", high=3).kind == "multiclass"
    with pytest.raises(UsageError, match=r"3 score columns but 2 class names \(a, b\)"):
        decided((9, 3), labels=("a", "b"))


def test_two_columns_with_a_threshold():
    probs = decided((9, 2), threshold=0.7)
    assert (probs.mode, probs.threshold, probs.cut, probs.positive) == ("cut", 0.7, 0.7, 1)
    assert decided((9, 2), low=-4.0, threshold=0.5).cut == 0.0
    with pytest.raises(UsageError, match="--threshold needs a binary or multilabel task"):
        decided((9, 3), threshold=0.7)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_threshold_is_a_probability(bad):
    with pytest.raises(UsageError, match="from 0 to 1"):
        decided(threshold=bad)


def test_choices_that_contradict_the_input():
    assert "--threshold, but the predictions are labels" in str(decided(p="int64", threshold=0.5).problem)
    assert "--threshold, but the predictions are labels" in str(decided(scores="labels", threshold=0.5).problem)
    for scores in ("probs", "logits"):
        with pytest.raises(UsageError, match=f"--scores {scores}, but the predictions are int64 labels"):
            decided(p="int64", scores=scores)
    with pytest.raises(UsageError, match="there is a column for each class"):
        decided((9, 3), scores="labels")
    with pytest.raises(UsageError, match="--task binary, but the classes are 0, 1, 2"):
        decided((9, 3), task="binary")
    with pytest.raises(UsageError, match="--task binary, but the classes are whole numbers beyond 1"):
        decided(p="int64", high=4, task="binary")
    with pytest.raises(UsageError, match="--scores values, but the task is multiclass"):
        decided(scores="values", task="multiclass")


def test_zeros_and_ones_in_two_axes_are_asked_about():
    asked = str(decided((9, 4), (9, 4), p="int64").problem)
    assert "0 and 1 on both sides in two axes" in asked
    assert "? --task multilabel reads several labels a row, " in asked
    assert decided((9, 4), (9, 4), p="int64", task="binary").problem is None
    assert decided((9, 4), (9, 4), p="int64", high=3).problem is None
    assert decided((9, 4), (9, 4), p="int64", class_axis=-1).problem is None


@pytest.mark.parametrize(("low", "high"), [(0.2, 1.1), (20.0, 90.0), (0.0, float("inf"))])
def test_one_score_beyond_1_and_none_below_0_is_a_doubt_that_names_the_flag(low, high):
    doubt = decided((9,), low=low, high=high, whole=False).problem
    assert doubt is not None
    assert "--scores" in doubt.fix
    assert decided((9,), scores="logits", low=low, high=high, whole=False).problem is None
