"""Which columns hold the cells of which label: by usual names, by pattern, by list, by kind; never by place."""

import pytest

from evalcli.errors import InputError, UsageError
from evalcli.sources.base import Selection
from evalcli.sources.label_groups import Group, Names, find_labels, find_target_labels


def named(*columns, kind="text", path="a.csv", **kinds):
    return Names({**dict.fromkeys(columns, kind), **kinds}, path)


def found(*columns, **asked):
    return find_labels(named(*columns), None, Selection(**asked))


def sides(*columns, **more):
    result = found(*columns, **more)
    assert result is not None
    return result.preds.columns, result.target.columns, result.labels


CSV = ("id", "y_cat", "y_dog", "p_dog", "p_cat")


def test_usual_names_pair_by_label_in_the_order_of_the_predictions():
    assert sides(*CSV) == (("p_dog", "p_cat"), ("y_dog", "y_cat"), ("dog", "cat"))


@pytest.mark.parametrize("truth", ["y_", "true_", "target_", "label_", "truth_", "y_true_", "gold_"])
@pytest.mark.parametrize("said", ["p_", "pred_", "score_", "prob_", "logit_", "y_pred_", "y_score_", "pred_proba_"])
def test_usual_prefixes(truth, said):
    assert sides(f"{truth}a", f"{truth}b", f"{said}b", f"{said}a") == (
        (f"{said}b", f"{said}a"), (f"{truth}b", f"{truth}a"), ("b", "a"),
    )  # fmt: skip


def test_names_of_a_whole_side_and_ids_are_no_labels():
    assert sides("y_id", "row_id", "y_cat", "y_dog", "p_cat", "p_dog", "p_id")[2] == ("cat", "dog", "id")
    assert found("y_true", "y_pred", "p_cat", "p_dog") is None
    assert found("y_true", "y_score") is None
    assert found("label_ids", "p_0", "p_1") is None
    assert found("target", "p_cat", "p_dog") is None
    assert found("target", "y_cat", "y_dog", "p_cat", "p_dog") is None


def test_the_task_decides_where_names_could_mean_both():
    columns = ("target", "y_cat", "y_dog", "p_cat", "p_dog")
    assert sides(*columns, task="multilabel")[2] == ("cat", "dog")
    assert sides(*CSV, task="multiclass")[2] == ("dog", "cat")
    assert found(*CSV, task="binary") is None


def test_patterns_and_lists():
    assert sides(*CSV, target="y_*", pred="p_*")[2] == ("dog", "cat")
    assert sides(*CSV, target="y_*")[2] == ("dog", "cat")
    assert sides(*CSV, pred="p_*")[2] == ("dog", "cat")
    assert sides(*CSV, target="y_cat, y_dog", pred="p_dog,p_cat")[1] == ("y_dog", "y_cat")
    odd = ("t.cat", "t.dog", "s.dog", "s.cat")
    assert sides(*odd, target="t.*", pred="s.*")[2] == ("dog", "cat")
    bare = ("cat", "dog", "net_cat", "net_dog")
    assert sides(*bare, target="cat,dog", pred="net_*") == (("net_cat", "net_dog"), ("cat", "dog"), ("cat", "dog"))
    assert sides(*bare, target="cat,dog", pred="net_dog,net_cat")[2] == ("dog", "cat")
    comma = ("a,b", "y", "p")
    assert found(*comma, target="a,b") is None  # a column is called so


def test_one_label():
    assert found("target", "pred") is None
    assert sides("target", "pred", task="multilabel") == (("pred",), ("target",), ("target",))
    assert sides("spam", "net", target="spam", pred="net", task="multilabel")[2] == ("spam",)


@pytest.mark.parametrize(
    ("columns", "asked", "words"),
    [
        (("y_a", "y_b", "p_a", "p_c"), {}, "the target lacks 'c' and the predictions lack 'b'"),
        (("y_a", "y_b", "p_a"), {}, "the predictions lack 'b'"),
        (("y_a", "y_b", "p_c", "p_d"), {"task": "multilabel"}, "lacks 'c', 'd' and the predictions lack 'a', 'b'"),
        (("y_a", "y_b", "p_a", "p_b", "logit_a", "logit_b"), {}, "labels: 'logit_*', 'p_*'; choose with --pred"),
        (("y_a", "y_b", "true_a", "true_b", "p_a", "p_b"), {}, "'true_*', 'y_*'; choose with --target"),
        (("a", "b"), {"task": "multilabel"}, "are found; call them y_LABEL and p_LABEL, or say --target 'y_*'"),
        (("y_a", "y_b"), {"task": "multilabel"}, "no columns for the predictions of several labels"),
        (("y_a", "y_b", "p_a", "p_b"), {"target": "y_a,y_b", "pred": "p_a,y_b"}, "name different labels"),
    ],
)  # fmt: skip
def test_sides_that_do_not_belong_together_are_refused(columns, asked, words):
    with pytest.raises(InputError) as caught:
        found(*columns, **asked)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"target": "z_*"}, "no column begins with 'z_'; columns are 'id', 'y_cat'"),
        ({"target": "y_cat,y_dgo"}, "no column 'y_dgo'; did you mean 'y_dog'?"),
        ({"pred": "p_cat,p_cat"}, "--pred names 'p_cat' twice"),
        ({"weight": "w"}, "no column 'w' to weigh by"),
        ({"weight": "y_dgo"}, "no column 'y_dgo' to weigh by; did you mean 'y_dog'?"),
    ],
)
def test_what_is_not_there_is_refused(asked, words):
    with pytest.raises(UsageError) as caught:
        found(*CSV, **asked)
    assert words in str(caught.value)


def test_weights_and_keys_are_no_labels():
    result = found("y_a", "y_b", "y_w", "p_a", "p_b", weight="y_w", id="y_k")
    assert (result.labels, result.weight, result.key) == (("a", "b"), "y_w", "y_k")


# Lists


def test_lists_go_by_place_and_have_no_names():
    result = find_labels(named(target="list", pred="list"), None, Selection())
    assert (result.preds, result.target, result.labels) == (Group(("pred",), None), Group(("target",), None), None)
    assert find_labels(named(target="integer", pred="list"), None, Selection()) is None
    assert find_labels(named(target="list", pred="text"), None, Selection()) is None
    named_scores = named("p_a", "p_b", target="list")
    assert find_labels(named_scores, None, Selection()).labels == ("a", "b")
    asked = named(truth_list="list", score_list="list")
    assert find_labels(asked, None, Selection(target="truth_list", pred="score_list")).target.columns == ("truth_list",)


def test_sets_of_names_are_a_target_under_any_name():
    assert find_labels(named("p_a", "p_b", tags="texts"), None, Selection()).target == Group(("tags",), None)
    assert find_labels(named("p_a", "p_b", tags="texts", more="texts"), None, Selection()) is None


# Two files


def pair(first, second, **asked):
    return find_labels(named(*first, path="p.csv"), named(*second, path="t.csv"), Selection(**asked))


def test_two_files():
    assert pair(("id", "p_a", "p_b"), ("id", "y_b", "y_a"), id="id").target.columns == ("y_a", "y_b")
    assert pair(("id", "p_a", "p_b"), ("id", "b", "a")).target.columns == ("a", "b")  # bare names that are the labels
    assert pair(("id", "a", "b"), ("id", "b", "a"), task="multilabel").preds.columns == ("a", "b")
    assert pair(("", "a", "b"), ("", "b", "a"), task="multilabel").preds.columns == ("a", "b")  # an index of pandas
    assert pair(("pred",), ("target",)) is None
    assert pair(("id", "p_a", "p_b"), ("id", "target")) is None
    assert pair(("a", "b"), ("y_a", "y_b"), target="y_*").preds.columns == ("a", "b")


def test_two_files_with_the_same_columns_are_asked_about():
    with pytest.raises(InputError) as caught:
        pair(("id", "a", "b"), ("id", "a", "b"))
    assert (
        "both files have the columns 'a', 'b', and none with a usual name; if these are the labels of a row, say --task"
        in (str(caught.value))
    )
    assert pair(("id", "a", "b", "pred"), ("id", "a", "b", "target")) is None
    with pytest.raises(InputError, match="the target lacks 'c'"):
        pair(("id", "a", "c"), ("id", "a"), task="multilabel")


# Beside a tensor


def test_the_truth_of_several_labels_alone():
    def alone(*columns, kinds=None, **asked):
        group = find_target_labels(named(*columns, **(kinds or {})), Selection(**asked))
        return None if group is None else group.columns

    assert alone("id", "y_a", "y_b") == ("y_a", "y_b")
    assert alone("id", "y_a") is None
    assert alone("id", "target", "y_a", "y_b") is None
    assert alone("id", "a", "b") is None
    assert alone("id", "a", "b", task="multilabel") == ("a", "b")
    assert alone("id", "a", "b", target="a,b") == ("a", "b")
    assert alone("id", "y_a", "y_b", "true_a", "true_b") is None
    assert alone(kinds={"target": "list"}) == ("target",)
    assert alone("y_a", "y_b", task="binary") is None
