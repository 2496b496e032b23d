"""What is hostile in a name becomes visible, and nothing else changes."""

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from evalcli.renderers.escape import markdown, markdown_name, spreadsheet, visible

ANY = st.text(st.characters(), max_size=30)  # surrogates too


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x1b]8;;http://evil\x1b\\", r"\x1b]8;;http://evil\x1b" + "\\"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\x00\x7f", r"\x00\x7f"),
        ("\u202e\u2066\u200b\u200f\ufeff", r"\u202e\u2066\u200b\u200f\ufeff"),
        ("\udc80", r"\udc80"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_O05_controls_and_hidden_characters_are_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_O06_a_line_break_or_tab_cannot_break_a_row() -> None:
    assert visible("a\nb\tc\rd\u2028e") == r"a\nb\tc\rd\u2028e"


@pytest.mark.parametrize("name", ["cat", "NA", "007", "naïve", "日本", "שלום", "🐱", "a b", "C:\\dir", "[red]", "é"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert visible(name) == name


@given(ANY)
@example("\x85\u0600\u061c")
def test_nothing_raw_is_left_and_escaping_twice_changes_nothing(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert visible(shown) == shown
    shown.encode()


@given(ANY, st.integers(2, 70))
@example("日本語" * 30, 9)
@example("e" + "\u0301" * 1000, 5)
def test_O05_a_capped_name_fits(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert cell_len(shown) <= limit
    assert shown == visible(text) or "…" in shown


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-2", "@x", "＝1"])
def test_O11_a_formula_is_prefixed(name: str) -> None:
    assert spreadsheet(name) == "'" + name


def test_O11_a_leading_tab_is_shown() -> None:
    assert spreadsheet("\t=1") == r"\t=1"


@given(ANY)
def test_O11_a_cell_never_starts_a_formula_and_survives_csv(text: str) -> None:
    cell = spreadsheet(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([cell, "end"])
    assert out.getvalue().count("\n") == 1
    assert next(csv.reader(io.StringIO(out.getvalue()))) == [cell, "end"]


@given(ANY)
@example("a|b")
@example("\\|")
@example("`")
@example("<img src=x onerror=alert(1)>")
def test_O10_a_name_is_one_inert_cell(text: str) -> None:
    cell = markdown_name(text)
    inner = re.fullmatch(r"`([^`|]+)`|<code>([^\\|`*_\[\]<>!@~]*)</code>", cell)
    assert inner is not None
    assert "|" not in cell


@given(ANY)
@example("![](http://evil/x.png) www.evil.com")
def test_O10_prose_has_no_live_character(text: str) -> None:
    shown = markdown(text)
    bare = re.sub(r"\\[\\|`*_\[\]<>!~&]|<code>[@#]</code>|&#(58|46);", "", shown)
    assert not re.search(r"[\\|`*_\[\]<>!~&@#]", bare)
    assert not re.search(r"https?://|\bwww\.", shown, re.IGNORECASE)
