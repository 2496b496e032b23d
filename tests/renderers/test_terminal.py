"""The report on a screen of any width, in a pipe, with and without colour."""

import io
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.terminal import console, plain, render_terminal, render_verdict
from evalcli.report import Report, Value

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TRUECOLOR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(report: Report, stream: Any = None, environ: Mapping[str, str] = TRUECOLOR, **options: Any) -> str:
    stream = stream or io.StringIO()
    screen = console(stream, environ=environ, **options)
    screen.print(render_terminal(report))
    screen.print(render_verdict(report.gates))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 160, None])
def test_whole_screen(shown, golden, width: int | None) -> None:
    name, report = shown
    golden(f"{name}.{width or 'pipe'}.txt", plain(report, width))


def test_whole_screen_in_colour(shown, golden) -> None:
    name, report = shown
    if name in {"spam", "digits"}:
        golden(f"{name}.80.ansi", drawn(report, color=True, width=80))


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_X09_every_width_is_kept_and_no_number_is_cut(shown, width: int) -> None:
    _, report = shown
    text = plain(report, width)
    lines = text.split("\n")
    assert max(cell_len(line) for line in lines) <= width, max(lines, key=cell_len)
    if len(report.classes) <= 100:
        for row in report.per_class:
            for metric in ("precision", "recall", "f1"):
                value = row.metrics[metric].value
                assert ("–" if value is None else f"{value:.4f}") in text


def test_X07_in_a_pipe_nothing_is_cut_and_no_line_ends_in_blanks(shown) -> None:
    _, report = shown
    text = drawn(report, environ={})
    assert "\x1b" not in text
    assert text == plain(report)
    assert not re.search(r"[ \t]\n", text)
    if len(report.classes) <= 20 and len(report.classes) > 1:
        assert "Confusion matrix" in text


def test_the_same_words_with_and_without_colour(shown) -> None:
    _, report = shown
    coloured = ANSI.sub("", drawn(report, color=True, width=100))
    bare = drawn(report, color=False, width=100)
    blank = str.maketrans("[]", "  ")  # brackets stand on the diagonal where there is no colour
    assert [x.translate(blank).rstrip() for x in coloured.split("\n")] == [
        x.translate(blank).rstrip() for x in bare.split("\n")
    ]


@pytest.mark.parametrize(
    ("environ", "tty", "color", "expected"),
    [
        ({}, False, None, False),
        ({}, True, None, True),
        ({"NO_COLOR": "1"}, True, None, False),
        ({"NO_COLOR": ""}, True, None, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, None, False),
        ({"FORCE_COLOR": "1"}, False, None, True),
        ({"FORCE_COLOR": ""}, False, None, False),
        ({"NO_COLOR": "1"}, False, True, True),
        ({"FORCE_COLOR": "1"}, True, False, False),
    ],
)
def test_X08_who_decides_about_colour(
    make, environ: dict[str, str], tty: bool, color: bool | None, expected: bool
) -> None:
    text = drawn(make([[3, 1], [0, 2]]), Tty() if tty else None, {"TERM": "xterm"} | environ, color=color)
    assert ("\x1b[" in text) == expected


def test_X08_forced_colour_needs_no_terminal_type(make) -> None:
    assert "\x1b[" in drawn(make([[3, 1], [0, 2]]), environ={"FORCE_COLOR": "1"})


def test_columns_is_obeyed_and_a_given_width_wins() -> None:
    assert console(io.StringIO(), environ={"COLUMNS": "72"}).width == 72
    assert console(Tty(), environ={"COLUMNS": "72"}).width == 72
    assert console(Tty(), 50, environ={"COLUMNS": "72"}).width == 50
    assert console(io.StringIO(), environ={"COLUMNS": "wide"}).width > 10_000


@pytest.mark.parametrize("name", ["[red]x[/red]", "[link=http://evil]x[/link]", "a[/b]", "cls[id]", ":smile:"])
def test_O01_to_O04_markup_and_emoji_are_text(make, name: str) -> None:
    for color in (True, False):
        text = drawn(make([[3, 1], [0, 2]], [name, "b"]), color=color, width=100)
        assert name in ANSI.sub("", text)
        assert "\x1b]8" not in text


@given(names=st.lists(st.text(st.characters(), max_size=70), min_size=2, max_size=4, unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_O05_O06_no_name_reaches_the_terminal_raw_or_breaks_a_row(make, names: list[str]) -> None:
    size = len(names)
    report = make([[1] * size] * size, names)
    for width in (60, 100, None):
        text = plain(report, width)
        left = text.replace("\n", "").replace("\u200e", "")  # our own mark beside right-to-left names
        assert not UNSAFE.search(left)
    reference = plain(make([[1] * size] * size, ["a", "b", "c", "d"][:size]))
    assert plain(report).count("\n") == reference.count("\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_O07_a_poor_encoding_loses_nothing(shown, encoding: str) -> None:
    _, report = shown
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    console(stream, environ={}).print(render_terminal(report))
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert "─" not in text
    assert "\\u2500" not in text
    assert "\\u2013" not in text
    assert "precision" in text


def test_O07_names_beyond_the_encoding_become_escapes(make) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="")
    console(stream, environ={}).print(render_terminal(make([[3, 1], [0, 2]], ["日本", "\udc80"])))
    stream.flush()
    assert rb"\u65e5\u672c" in raw.getvalue()
    assert rb"\udc80" in raw.getvalue()


def test_names_that_look_alike_get_their_numbers(make) -> None:
    text = plain(make([[3, 1], [0, 2]], ["x" * 45 + "a" + "x" * 25, "x" * 45 + "b" + "x" * 25]), 160)
    assert re.search(r"^  1  x{39}…x{20} +1\.0000", text, re.MULTILINE)
    assert re.search(r"^  2  x{39}…x{20} +0\.6667", text, re.MULTILINE)


def test_right_to_left_names_do_not_turn_the_numbers_round(make) -> None:
    text = plain(make([[3, 1], [0, 2]], ["שלום", "dog"]), 80)
    assert "\u200eשלום\u200e" in text
    assert "\u200edog" not in text


def test_macro_names_how_many_classes_it_runs_over(make) -> None:
    report = make([[3, 1, 0], [0, 2, 0], [0, 0, 0]], ["a", "b", "c"], averaged=2)
    assert "macro over 2 of 3 classes" in plain(report, 80)


def test_without_accuracy_the_micro_row_stands(make) -> None:
    report = make([[3, 1], [0, 2]])
    metrics = {name: value for name, value in report.metrics.items() if name != "accuracy"} | {"f1_micro": Value(0.5)}
    text = plain(make([[3, 1], [0, 2]], metrics=metrics))
    assert re.search(r"micro avg +0\.5000", text)


def test_a_great_many_undefined_numbers_are_drawn_in_no_time(make) -> None:
    names = tuple(f"recall[{i}]" for i in range(50_000))
    report = replace(make([[3, 1], [0, 2]]), undefined=(*names, "theirs"))
    begin = time.process_time()
    text = " ".join(plain(report, 200).split())
    assert time.process_time() - begin < 5  # a search of all names for each takes ten
    assert "undefined (0/0): recall[0], recall[1], " in text
    assert "recall[5] and 49,994 more" in text
    assert "undefined: theirs" in text


def test_a_report_without_classes_is_drawn(make) -> None:
    from evalcli.report import Confusion

    report = make(
        [[1]],
        task="regression",
        scores="values",
        classes=(),
        per_class=(),
        confusion=Confusion(),
        metrics={"rmse": Value(12.5), "r2": Value(-0.25)},
        undefined=(),
    )
    text = plain(report, 80)
    assert "RMSE  12.50    R²  -0.2500" in text
    assert "classes" not in text


def test_the_class_table_keeps_to_the_metrics_that_were_asked_for(make) -> None:
    report = replace(make([[3, 1], [0, 2]], ["a", "b"]), asked=("accuracy", "recall_macro"))
    text = plain(report, 100)
    assert "recall" in text
    assert "precision" not in text
    assert "f1-score" not in text
