"""When a task is multilabel, which labels there are, what the scores are and where they are cut."""

from math import inf

import numpy as np
import pytest

from evalcli.decision import decide
from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.evidence import Evidence
from evalcli.layout import find_layout
from evalcli.sources.base import Field
from evalcli.task import Choices, logit
from evalcli.threshold import Chosen, LabelCut


def decided(
    shape=(9, 3),
    target=None,
    p="float32",
    t="int64",
    *,
    low=0.1,
    high=0.9,
    whole=False,
    hot=True,
    columns=None,
    target_columns=None,
    name="p",
    labels=None,
    **choices,
):
    preds = Field(name, "p.npy", shape, p, None, columns)
    truth = Field("t", "t.npy", shape if target is None else target, t, labels, target_columns)
    evidence = Evidence(rows=9, pred_low=low, pred_high=high, pred_whole=whole, target_low=0, target_high=1)
    evidence.multi_hot = hot
    chosen = Choices(**choices)
    return decide(find_layout(preds, truth, chosen), preds, truth, chosen, evidence)


def test_score_columns_against_a_table_that_is_not_one_hot_are_several_labels_a_row():
    assert decided().kind == "multilabel"
    assert decided(hot=False).kind == "multiclass"
    assert decided(task="multiclass").kind == "multiclass"
    assert decided(class_axis=-1).kind == "multiclass"
    assert decided(hot=False, task="multilabel").kind == "multilabel"
    assert decided(p="int64", hot=False, low=0, high=1, whole=True).kind == "binary"  # asked about
    assert decided(p="int64", low=0, high=1, whole=True, task="multilabel").scores == "labels"
    assert decided((9, 3), (9,), hot=True).kind == "multiclass"


def test_the_kind_of_scores_is_that_of_all_cells():
    assert (decided().scores, decided().cuts, decided().threshold) == ("probs", (0.5,) * 3, 0.5)
    assert (decided(low=-3.0).scores, decided(low=-3.0).cuts) == ("logits", (0.0,) * 3)
    assert decided(low=0.0, high=1.0, whole=True).scores == "labels"  # predictions stored as floats
    assert decided(low=0.0, high=1.0, whole=True, threshold=0.5).scores == "probs"
    assert decided(low=0.0, high=1.0, whole=True, scores="probs").scores == "probs"
    assert decided(low=inf, high=-inf, whole=True).scores == "probs"  # nothing is known yet
    assert decided(scores="logits").cuts == (0.0,) * 3
    assert decided(threshold=0.25).cuts == (0.25,) * 3
    assert decided(low=-3.0, threshold=0.25).cuts == (logit(0.25),) * 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scores": "probs", "low": -1.0}, "not probabilities: values from -1 to 0.9"),
        ({"low": 0.0, "high": 7.5}, "beyond 1, so no probabilities; none below 0, so hardly logits"),
        ({"low": -1.0, "name": "probs"}, "'probs' holds values from -1 to 0.9, no probabilities"),
        (
            {"positive": "1"},
            "--positive 1, but the task is multilabel; a metric names its label, as recall[1]; --class lists its",
        ),
    ],
)
def test_what_stays_in_doubt(given, words):
    assert words in str(decided(**given).problem)


def test_labels_are_named_by_the_user_else_by_columns_else_by_number():
    assert decided().classes == ("0", "1", "2")
    assert decided(labels=None, columns=("a", "b", "c")).classes == ("a", "b", "c")
    assert decided(target_columns=("a", "b", "c")).classes == ("a", "b", "c")
    named = Choices(labels=("x", "y", "z"))
    preds, truth = Field("p", "p", (9, 3), "float32"), Field("t", "t", (9, 3), "int64")
    evidence = Evidence(multi_hot=True)
    assert decide(find_layout(preds, truth, named), preds, truth, named, evidence).classes == ("x", "y", "z")


def names(labels, columns=None, target_columns=None, shape=(9, 3)):
    choices = Choices(task="multilabel", labels=labels)
    preds = Field("p", "p.csv", shape, "float64", None, columns)
    truth = Field("t", "t.csv", shape, "float32", None, target_columns)
    return decide(find_layout(preds, truth, choices), preds, truth, choices, Evidence()).classes


def test_names_that_do_not_fit_the_labels_are_refused():
    assert names(("c", "a", "b"), ("a", "b", "c")) == ("c", "a", "b")
    assert names(("x", "y", "z"), ("a", "b", "c")) == ("x", "y", "z")
    with pytest.raises(UsageError, match="3 labels a row but 2 names"):
        names(("a", "b"))
    with pytest.raises(UsageError, match="--labels names 'a', 'b', 'x', but the columns are 'a', 'b', 'c'"):
        names(("a", "b", "x"), ("a", "b", "c"))
    with pytest.raises(InputError, match="the target lacks 'b' and the predictions lack 'd', 'e'"):
        names(None, ("a", "b", "c"), ("a", "c", "d", "e"))


def chosen(*cuts, scores="probs"):
    return Chosen("tuned.json", None, None, scores, None, labels=tuple(LabelCut(*cut) for cut in cuts))


def test_saved_thresholds_are_found_by_the_name_of_the_label():
    saved = chosen(("2", 0.3, 0.30000001), ("0", 0.1, 0.1), ("x", 0.9, 0.9), ("1", 0.0, None))
    task = decided(task="multilabel", chosen=saved)
    assert task.cuts == (0.1, 0.0, 0.30000001)
    assert task.thresholds == (0.1, 0.0, 0.3)
    assert task.threshold is None
    assert task.problem is None
    logits = chosen(("0", 1.0, None), ("1", 0.5, 0.0), ("2", 0.2, -1.4), scores="logits")
    assert decided(task="multilabel", low=-2.0, chosen=logits).cuts == (inf, 0.0, -1.4)


def test_saved_thresholds_of_something_else_are_refused():
    lacking = chosen(("0", 0.1, 0.1), ("1", 0.2, 0.2))
    assert "it has no threshold for '2', only for '0', '1'" in str(decided(task="multilabel", chosen=lacking).problem)
    whole = chosen(("0", 0.1, 0.1), ("1", 0.2, 0.2), ("2", 0.2, 0.2))
    doubt = decided(task="multilabel", low=-2.0, chosen=whole).problem
    assert "chosen on probs, and these scores are logits" in str(doubt)
    binary = Chosen("tuned.json", 0.3, 0.3, "probs", "spam")
    assert "chosen for a binary task" in str(decided(threshold=0.3, chosen=binary).problem)
    one = decided((9,), (9,), task="binary", hot=False, threshold=None, chosen=whole)
    assert "chosen for each label of a multilabel task" in str(one.problem)


def test_choices_that_contradict_are_refused_at_once():
    for given, words in (
        ({"ignore_index": 1}, "0 and 1 are what a label can be"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"p": "int64", "scores": "probs", "task": "multilabel"}, "the predictions are int64 labels"),
        ({"scores": "values", "task": "multilabel"}, "but the task is multilabel"),
        ({"class_axis": 1, "task": "multilabel"}, "--class-axis"),
    ):
        with pytest.raises(UsageError, match=words):
            decided(**given)
    with pytest.raises(InputError, match="holds texts such as 'cat'"):
        decided((9, 1), (9,), t="text", labels=("cat", "dog"), task="multilabel")
    threshold = decided(p="int64", low=0, high=1, whole=True, task="multilabel", threshold=0.2).problem
    assert "--threshold, but the predictions are labels" in str(threshold)


@pytest.mark.parametrize(
    ("shape", "target", "width"), [((9, 3), (9, 3), 3), ((9, 1), (9, 1), 1), ((9,), (9, 1), 1), ((9, 1), (9,), 1),
                                   ((9,), (9,), 1), ((9, 3, 1), (9, 3), 3)]
)  # fmt: skip
def test_both_sides_have_a_cell_for_each_label(shape, target, width):
    for dtype in ("float32", "int64", "bool"):
        task = decided(shape, target, p=dtype, low=0, high=1, whole=True, task="multilabel")
        assert task.classes == tuple(map(str, range(width)))


@pytest.mark.parametrize(("shape", "target"), [((9, 3), (9,)), ((9, 3), (9, 4)), ((9,), (9, 3)), ((9, 3, 4), (9, 3, 4)),
                                               ((9, 1, 3), (9, 3))])  # fmt: skip
def test_nothing_is_broadcast(shape, target):
    with pytest.raises(InputError) as caught:
        decided(shape, target, task="multilabel")
    assert f"predictions {shape} do not fit targets {target}; several labels a row are (N, L)" in str(caught.value)


def test_rows_and_labels_must_be_there():
    with pytest.raises(InputError, match="9 predictions but 8 targets"):
        decided((9, 3), (8, 3), task="multilabel")
    with pytest.raises(EmptyError, match="no values"):
        decided((9, 0), (9, 0), task="multilabel")


def test_what_more_rows_show_only_ever_adds_to_the_decision():
    """A pass that is repeated under what it has found comes to an end: no evidence takes a decision back."""
    rng = np.random.default_rng(0)
    preds, truth, choices = Field("p", "p", (9, 3), "float32"), Field("t", "t", (9, 3), "int64"), Choices()
    layout = find_layout(preds, truth, choices)
    for _ in range(50):
        known, last = Evidence(), []
        for _ in range(6):
            more = Evidence(rows=1, pred_low=rng.choice([0, 0.2, -2]), pred_high=rng.choice([1, 0.5, 3]),
                            pred_whole=bool(rng.integers(2)), multi_hot=bool(rng.integers(2)))  # fmt: skip
            known = known.with_(more)
            task = decide(layout, preds, truth, choices, known)
            last.append(("labels", "probs", "logits").index(task.scores) + 10 * (task.kind == "multilabel"))
        families = [one >= 10 for one in last]
        assert families == sorted(families)
