from __future__ import annotations

import pytest

from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.layout import Layout, find_layout
from evalcli.sources.base import Field
from evalcli.task import Choices

FLOAT, WHOLE = "float32", "int64"


def layout(preds, target, *, p=FLOAT, t=WHOLE, columns=None, **choices):
    return find_layout(
        Field("p", "preds.pt", preds, p, None, columns), Field("t", "targets.pt", target, t), Choices(**choices)
    )


@pytest.mark.parametrize(
    ("preds", "target", "kind", "expected"),
    [
        ((9,), (9,), WHOLE, Layout("labels")),
        ((9, 1), (9,), WHOLE, Layout("labels")),
        ((9,), (9, 1), WHOLE, Layout("labels")),
        ((9, 4, 5), (9, 4, 5), WHOLE, Layout("labels", inner=20)),
        ((9, 4), (9, 4), "bool", Layout("labels", inner=4)),
        ((9,), (9,), FLOAT, Layout("score")),
        ((9, 1), (9, 1), FLOAT, Layout("score")),
        ((9, 4, 5), (9, 4, 5), FLOAT, Layout("score", inner=20)),
        ((9, 1, 4, 5), (9, 1, 4, 5), FLOAT, Layout("score", inner=20)),
        ((9, 3), (9,), FLOAT, Layout("columns", class_axis=1, width=3)),
        ((9, 3), (9, 1), "bfloat16", Layout("columns", class_axis=1, width=3)),
        ((9, 3), (9,), WHOLE, Layout("columns", class_axis=1, width=3)),
        ((9, 3, 4, 5), (9, 4, 5), FLOAT, Layout("columns", class_axis=1, width=3, inner=20)),
        ((9, 4, 5, 3), (9, 4, 5), FLOAT, Layout("columns", class_axis=-1, width=3, inner=20)),
        ((9, 7, 3), (9, 7), "float8_e4m3fn", Layout("columns", class_axis=-1, width=3, inner=7)),
        ((9, 3), (9, 3), FLOAT, Layout("columns", "one-hot", width=3)),
        ((9,), (9, 3), WHOLE, Layout("labels", "one-hot", width=3)),
        ((9,), (9, 3), FLOAT, Layout("score", "one-hot", width=3)),
        ((9, 1, 4, 5), (9, 4, 5), FLOAT, Layout("score", inner=20)),
        ((9, 1, 4), (9, 4), WHOLE, Layout("labels", inner=4)),
        ((9, 1, 3), (9, 1), FLOAT, Layout("columns", class_axis=-1, width=3)),
        ((9, 3, 1), (9, 1), FLOAT, Layout("columns", class_axis=1, width=3)),
        ((9, 3, 1), (9,), FLOAT, Layout("columns", class_axis=1, width=3)),
        ((9, 1), (9, 1, 3), WHOLE, Layout("labels", "one-hot", width=3)),
        ((9, 1), (9, 3), WHOLE, Layout("labels", "one-hot", width=3)),
        ((9, 4, 5, 1), (9, 4, 5), FLOAT, Layout("score", inner=20)),
        ((3, 3), (3,), FLOAT, Layout("columns", class_axis=1, width=3)),
    ],
)
def test_every_row_of_the_table(preds, target, kind, expected):
    assert layout(preds, target, p=kind) == expected


def test_choices_bend_the_layout():
    assert layout((9, 4), (9, 4), task="binary") == Layout("score", inner=4)
    assert layout((9,), (9,), scores="labels") == Layout("labels")
    assert layout((9, 1, 4), (9, 4), scores="labels") == Layout("labels", inner=4)
    assert layout((9,), (9, 3), scores="labels") == Layout("labels", "one-hot", width=3)
    assert layout((9, 3), (9, 3), p=WHOLE, class_axis=-1) == Layout("columns", "one-hot", -1, -1, 3, 1)
    assert layout((9, 3, 4), (9, 3, 4), class_axis=1) == Layout("columns", "one-hot", 1, 1, 3, 4)
    assert layout((9, 3), (9, 3), p=WHOLE, columns=("a", "b", "c")) == Layout("columns", "one-hot", width=3)


def test_class_axis_settles_what_two_readings_fit():
    with pytest.raises(
        UsageError,
        match=r"preds.pt: predictions \(9, 4, 4\) against targets \(9, 4\).*axis 1 or last; .*--class-axis 1",
    ):
        layout((9, 4, 4), (9, 4))
    assert layout((9, 4, 4), (9, 4), class_axis=1) == Layout("columns", class_axis=1, width=4, inner=4)
    assert layout((9, 4, 4), (9, 4), class_axis=-1) == Layout("columns", class_axis=-1, width=4, inner=4)
    with pytest.raises(
        UsageError, match=r"preds.pt: with classes on axis 1, predictions \(9, 7, 3\) do not fit targets \(9, 7\)"
    ):
        layout((9, 7, 3), (9, 7), class_axis=1)
    with pytest.raises(UsageError, match=r"--class-axis is 2; it can be 1"):
        layout((9, 7, 3), (9, 7), class_axis=2)


@pytest.mark.parametrize(
    ("preds", "target", "p", "t", "says"),
    [
        ((8,), (9,), WHOLE, WHOLE, r"8 predictions but 9 targets \(shapes \(8,\) and \(9,\)\)"),
        ((8, 1), (9,), WHOLE, WHOLE, r"shapes \(8, 1\) and \(9,\)"),
        ((3, 9), (9,), FLOAT, WHOLE, r"predictions \(3, 9\) look transposed: targets.pt has 9 rows"),
        ((9,), (9, 3), WHOLE, FLOAT, r"look swapped: the target holds float32 scores \(9, 3\), .*int64 labels \(9,\)"),
        ((9, 4, 5), (9, 3, 4, 5), WHOLE, FLOAT, "look swapped"),
        ((9, 4, 5, 6), (9,), FLOAT, WHOLE, r"predictions \(9, 4, 5, 6\) do not fit targets \(9,\)"),
        ((9, 3, 4), (9, 5), FLOAT, WHOLE, r"predictions \(9, 3, 4\) do not fit targets \(9, 5\)"),
        ((9, 4), (9, 5), FLOAT, WHOLE, r"predictions \(9, 4\) do not fit targets \(9, 5\)"),
        ((9, 4, 5), (9, 3, 4, 5), WHOLE, WHOLE, r"predictions \(9, 4, 5\) do not fit targets \(9, 3, 4, 5\)"),
    ],
)
def test_N22_wrong_shapes_are_named_and_nothing_is_broadcast(preds, target, p, t, says):
    with pytest.raises(InputError, match=says) as caught:
        layout(preds, target, p=p, t=t)
    assert caught.value.path in {"preds.pt", "targets.pt"}


def test_swapped_arguments_give_the_command_the_right_way_round():
    with pytest.raises(InputError) as caught:
        layout((9,), (9, 3), p=WHOLE, t=FLOAT)
    assert caught.value.fix.endswith("evalcli report targets.pt preds.pt")


@pytest.mark.parametrize("shapes", [((9, 0), (9,)), ((9, 0), (9, 0)), ((9, 3), (9, 0)), ((9, 3, 0), (9, 0))])
def test_N15_an_axis_without_entries_is_empty(shapes):
    with pytest.raises(EmptyError, match="no values"):
        layout(*shapes)


def test_a_class_axis_that_is_not_there_is_a_usage_error():
    with pytest.raises(UsageError, match=r"p: --class-axis 1, but predictions \(9,\) have no axis of classes"):
        find_layout(Field("p", "p", (9,), "int64"), Field("t", "t", (9,), "int64"), Choices(class_axis=1))
