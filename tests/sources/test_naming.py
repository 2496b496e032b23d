from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalcli.errors import InputError, UsageError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.sources.naming import check_order, choose, choose_target, near_name
from evalcli.sources.usual_names import SCORE_NAMES


@pytest.mark.parametrize(
    ("names", "pred", "target"),
    [
        (["target", "pred"], ("pred",), "target"),
        (["id", "label", "prediction"], ("prediction",), "label"),
        (["y", "yhat"], ("yhat",), "y"),
        (["y_true", "y_pred", "region"], ("y_pred",), "y_true"),
        (["Label", "Predicted"], ("Predicted",), "Label"),
        (["label", "Label", "pred"], ("pred",), "label"),
        (["logits", "targets"], ("logits",), "targets"),
        (["scores", "labels"], ("scores",), "labels"),
    ],
)
def test_usual_names_are_found(names, pred, target):
    chosen = choose(names, Selection(), "f.csv", both=True)
    assert (chosen.pred, chosen.target, chosen.classes) == (pred, target, None)


@pytest.mark.parametrize("prefix", ["p_", "prob_", "logit_", "score_", "proba_"])
def test_score_columns_form_a_group(prefix):
    chosen = choose(["id", "target", f"{prefix}cat", f"{prefix}a_b", f"{prefix}0"], Selection(), "f", both=True)
    assert chosen.pred == (f"{prefix}cat", f"{prefix}a_b", f"{prefix}0")
    assert chosen.classes is not None
    assert chosen.classes == ("cat", "a_b", "0")


def test_a_group_with_a_prefix_of_the_users_own():
    chosen = choose(["y", "net_cat", "net_car", "pred"], Selection(pred="net_*"), "f", both=True)
    assert chosen.pred == ("net_cat", "net_car")
    assert chosen.classes == ("cat", "car")


def test_a_group_of_one_is_refused():
    with pytest.raises(UsageError, match="1 columns begin with 'net_'"):
        choose(["y", "net_cat"], Selection(pred="net_*"), "f", both=True)


def test_one_p_column_is_no_group():
    with pytest.raises(InputError, match="usual name for the prediction"):
        choose(["y", "p_value"], Selection(), "f", both=True)


def test_ambiguity_lists_the_candidates_and_the_flag():
    with pytest.raises(
        InputError, match=r"several columns could be the prediction: 'pred', 'score'; choose with --pred"
    ):
        choose(["target", "pred", "score"], Selection(), "f", both=True)
    with pytest.raises(
        InputError, match=r"several columns could be the target: 'label', 'y_true'; choose with --target"
    ):
        choose(["label", "y_true", "pred"], Selection(), "f", both=True)
    with pytest.raises(InputError, match=r"'p_\*', 'pred'"):
        choose(["y", "pred", "p_a", "p_b"], Selection(), "f", both=True)


def test_the_users_word_ends_ambiguity():
    chosen = choose(["label", "y_true", "pred", "score"], Selection(pred="score", target="y_true"), "f", both=True)
    assert (chosen.pred, chosen.target) == (("score",), "y_true")
    # a usual target name that serves as the prediction is not the target as well
    chosen = choose(["label", "y_true"], Selection(pred="label"), "f", both=True)
    assert (chosen.pred, chosen.target) == (("label",), "y_true")


def test_unknown_names_are_listed_not_guessed():
    with pytest.raises(InputError, match=r"columns are 'a', 'b'; choose with --target NAME --pred NAME"):
        choose(["a", "b"], Selection(), "f", both=True)


def test_one_side_alone_asks_for_the_file_of_the_other():
    with pytest.raises(
        InputError, match="columns are 'pred'; choose with --target, or name the file that holds it last"
    ):
        choose(["pred"], Selection(), "f", both=True)


def test_keys_are_called_keys():
    with pytest.raises(InputError, match=r"keys are 'a', 'b', 'c'; choose with --target NAME --pred NAME \[E3\]"):
        choose(["a", "b", "c"], Selection(), "f", both=True, kind="key")


def test_C05_a_space_in_the_header_is_a_hint_not_a_match():
    with pytest.raises(UsageError, match=r"no column 'p'; did you mean ' p'\?"):
        choose(["y", " p"], Selection(pred="p"), "f", both=True)
    with pytest.raises(InputError, match=r"did you mean ' pred'\?"):
        choose(["y", " pred"], Selection(), "f", both=True)


def test_C09_a_header_that_is_a_row():
    with pytest.raises(InputError, match=r"the first line is 'cat,dog': no header\? use --no-header"):
        choose(["cat", "dog"], Selection(), "f", both=True)
    with pytest.raises(UsageError, match=r"the first line is '1,0,0.75': no header\?"):
        choose(["1", "0", "0.75"], Selection(target="y"), "f", both=True)


def test_C10_a_name_that_occurs_twice():
    with pytest.raises(InputError, match="'y' occurs 2 times"):
        choose(["y", "p", "y"], Selection(target="y", pred="p"), "f", both=True)
    with pytest.raises(InputError, match="'pred' occurs 2 times"):
        choose(["y", "pred", "pred"], Selection(), "f", both=True)
    # other names may repeat
    assert choose(["y", "x", "x", "pred"], Selection(), "f", both=True).pred == ("pred",)
    with pytest.raises(InputError, match="several columns could be the target: 'Y', 'y_TRUE'"):
        choose(["Y", "y_TRUE", "pred"], Selection(), "f", both=True)


@pytest.mark.parametrize("names", [["anything"], ["id", "anything"], ["id", "label"], ["pred", "label"]])
def test_a_file_of_predictions_alone(names):
    assert choose(names, Selection(), "f", both=False).pred == (names[-1] if "pred" not in names else "pred",)


def test_a_file_of_truth_alone():
    assert choose_target(["anything"], Selection(), "f").target == "anything"
    assert choose_target(["id", "label"], Selection(), "f").target == "label"
    assert choose_target(["key2", "label", "x"], Selection(id="key2"), "f").id == "key2"
    with pytest.raises(InputError, match="usual name for the target"):
        choose_target(["a", "b"], Selection(), "f")


def test_weight_and_id_must_exist_where_there_is_one_file():
    with pytest.raises(UsageError, match="no column 'wt'"):
        choose(["y", "pred", "w"], Selection(weight="wt"), "f", both=True)
    chosen = choose(["y", "pred", "w"], Selection(weight="w"), "f", both=True)
    assert chosen.weight == "w"
    assert choose(["pred"], Selection(weight="w"), "f", both=False).weight is None


def test_one_column_cannot_be_both_sides():
    with pytest.raises(UsageError, match="cannot be both"):
        choose(["y", "x"], Selection(pred="y", target="y"), "f", both=True)


def test_long_lists_are_cut():
    with pytest.raises(InputError, match="and 88 more"):
        choose([f"c{i}" for i in range(100)], Selection(), "f", both=True)


def test_nearest_name():
    assert near_name("PRED", ["pred", "x"]) == "pred"
    assert near_name("predicton", ["prediction", "y"]) == "prediction"
    assert near_name("zzz", ["prediction"]) is None


def test_score_names_are_lower_case():
    assert all(name == name.lower() for name in SCORE_NAMES)


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (["label"], ["prediction"], True),
        (["id", "y_true"], ["id", "p_a", "p_b"], True),
        (["Target"], ["logits"], True),
        (["label"], ["label"], False),
        (["label"], ["target"], False),
        (["pred"], ["score"], False),
        (["label", "pred"], ["pred", "x"], False),
        ([""], ["pred"], False),
        (["a"], ["pred"], False),
    ],
)
def test_names_that_say_the_files_are_swapped(first, second, refused):
    expected = pytest.raises(InputError, match=r"look swapped.*evalcli report two one") if refused else nullcontext()
    with expected:
        check_order(first, second, ("one", "two"), Selection())
    check_order(first, second, ("one", "two"), Selection(pred=first[0]))


@pytest.mark.parametrize("names", [["predictions", "label_ids"], ["predictions", "references"], ["y_pred", "y_test"]])
def test_names_that_other_tools_write(names):
    chosen = choose(names, Selection(), "f", both=True)
    assert (chosen.pred, chosen.target) == ((names[0],), names[1])


def test_two_arrays_without_a_usual_name_are_not_told_apart_by_their_order():
    with pytest.raises(InputError, match=r"predictions or targets; .*--target NAME --pred NAME"):
        choose(["arr_0", "arr_1"], Selection(), "f.npz", both=True, kind="key")


def test_a_score_column_of_one_class_is_told_with_its_flags():
    with pytest.raises(InputError, match="--pred p_sick --positive sick"):
        choose(["p_sick", "target"], Selection(), "f", both=True)


def test_score_columns_without_a_prefix_are_told_how_to_be_one_group():
    with pytest.raises(InputError, match=r"call them p_CLASS, or say --pred 'p_\*'"):
        choose(["cat", "dog", "target"], Selection(), "f", both=True)


@pytest.mark.parametrize("said", [["pred"], ["logits"], ["p_a", "p_b"]])
def test_two_files_that_each_hold_both_sides_are_shards_not_a_pair(said):
    whole = ["id", "target", *said]
    with pytest.raises(
        InputError, match=r"a\.csv: holds predictions and the truth, and so does b\.csv; .*'shard\*\.csv'"
    ):
        check_order(whole, whole, ("a.csv", "b.csv"), Selection())
    check_order(whole, ["id", "target"], ("a.csv", "b.csv"), Selection())
    check_order(said, whole, ("a.csv", "b.csv"), Selection())
    check_order(whole, whole, ("a.csv", "b.csv"), Selection(target="target"))


@pytest.mark.parametrize("weight", ["w", "w.npy"])
@pytest.mark.parametrize("sides", ["npy npy", "npz npz", "csv npy", "npy csv"])
def test_weights_that_are_nowhere_are_never_left_out_silently(tmp_path, sides, weight):
    values = np.array([0, 1, 1, 0])
    paths = [str(tmp_path / f"{name}.{kind}") for name, kind in zip(("pred", "target"), sides.split(), strict=True)]
    for path, name in zip(paths, ("pred", "target"), strict=True):
        if path.endswith(".npy"):
            np.save(path, values)
        elif path.endswith(".npz"):
            np.savez(path, **{name: values})
        else:
            Path(path).write_text(f"{name}\n0\n1\n1\n0\n")
    with pytest.raises(UsageError, match=f"no array '{weight}' to weigh by"):
        open_source(*paths, Selection(weight=weight))


@pytest.mark.parametrize("name", ["0", "-1", "0.73", "1e-3", "nan", "", " "])
def test_C09_a_single_column_that_is_called_like_a_row(name):
    with pytest.raises(InputError, match="a row, or the name of the column; --no-header counts it as a row, --pred"):
        choose([name], Selection(), "f", both=False)
    with pytest.raises(InputError, match="--target"):
        choose_target([name], Selection(), "f")
    assert choose([name], Selection(pred=name), "f", both=False).pred == (name,)
    assert choose([name], Selection(), "f", both=False, kind="key").pred == (name,)


def test_all_columns_are_scores():
    everything = Selection(pred="*")
    found = choose(["id", "car", "cat", "carp"], everything, "f", both=False)
    assert (found.pred, found.classes) == (("car", "cat", "carp"), ("car", "cat", "carp"))
    found = choose(["label", "car", "cat", "w"], replace(everything, weight="w"), "f", both=True)
    assert (found.target, found.classes) == ("label", ("car", "cat"))
    assert choose(["t", "p_a", "p_b"], replace(everything, target="t"), "f", both=True).classes == ("a", "b")
    assert choose(["0", "1", "2"], everything, "f", both=False).classes is None  # numbers, as a frame counts them
    nameless = replace(everything, options={"header": False})
    assert choose(["column1", "column2"], nameless, "f", both=False).classes is None
    assert choose(["column1", "column2"], replace(nameless, pred="column*"), "f", both=False).classes is None
    with pytest.raises(UsageError, match="1 columns are left, scores need at least 2"):
        choose(["label", "p"], everything, "f", both=True)
    with pytest.raises(InputError, match=r"or --pred '\*' for all"):
        choose(["car", "cat"], Selection(), "f", both=False)
