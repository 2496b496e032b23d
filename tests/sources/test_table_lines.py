"""Counting whole lines gives what counting cells gives, and steps aside where lines are not cells."""

from __future__ import annotations

import gzip
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalcli.errors import InputError
from evalcli.sources import open_source
from evalcli.sources.base import Selection

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path, monkeypatch: pytest.MonkeyPatch, **selection: Any) -> tuple[Counter[tuple[str, str]], bool]:
    """The counts by text, and whether whole lines were counted."""
    from evalcli.sources import table_labels

    went = []
    real = table_labels.read_lines
    monkeypatch.setattr(table_labels, "read_lines", lambda sides: went.append(real(sides)) or went[-1])
    source = open_source(str(path), None, Selection(**selection))
    labels = source.preds.labels or ()
    counts: Counter[tuple[str, str]] = Counter()
    for batch in source.batches(1000):
        for t, p, n in zip(batch.target, batch.preds, batch.repeats, strict=True):
            counts[labels[t], labels[p]] += int(n)
    source.finish()
    source.close()
    return counts, went[-1] is not None


ROWS = [("NA", "007"), ("[red]dog", "NA"), (" dog ", "café"), ("😀", "1e3"), ("'q", "#x"), ("NA", "007")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("header", [("target", "pred"), ("pred", "target")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_two_plain_columns_are_counted_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, header: tuple[str, str], end: str
) -> None:
    delimiter = "\t" if suffix == ".tsv" else ","
    rows = ROWS if header[0] == "target" else [row[::-1] for row in ROWS]
    path = tmp_path / f"t{suffix}"
    path.write_text("".join(delimiter.join(row) + end for row in (header, *rows)), encoding="utf-8", newline="")
    assert opened(path, monkeypatch) == (Counter(ROWS), True)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"a","b"\n"b","b"\n"a","b"\n', [("a", "b"), ("b", "b"), ("a", "b")]),
        ('"a,b",c\nc,"a,b"\n', [("a,b", "c"), ("c", "a,b")]),
        ('"say ""a""",b\nb,"say ""a"""\n', [('say "a"', "b"), ("b", 'say "a"')]),
        ('"",b\nb,""\n', [("", "b"), ("b", "")]),
    ],
)
def test_quotes_that_close_in_their_line_are_taken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("target,pred\n" + text)
    assert opened(path, monkeypatch) == (Counter(rows), True)
    path.write_text("id,target,pred\n" + "".join(f"7,{line}\n" for line in text.splitlines()))
    assert opened(path, monkeypatch) == (Counter(rows), False)


def test_packed_and_encoded_tables_are_counted_by_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "target,pred\n" + "".join(f"{truth},{said}\n" for truth, said in [("naïve", "b"), ("b", "b")])
    counts = Counter({("naïve", "b"): 1, ("b", "b"): 1})
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert opened(tmp_path / "t.csv.gz", monkeypatch) == (counts, True)
    (tmp_path / "t.csv").write_text(text, encoding="latin-1")
    assert opened(tmp_path / "t.csv", monkeypatch, options={"encoding": "latin-1"}) == (counts, True)


@pytest.mark.parametrize("workers", [1, 3])
def test_large_tables_are_counted_by_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("evalcli.sources.table_lines._WORTH_THREADS", 0)
    monkeypatch.setattr("evalcli.sources.bytestream.BLOCK", 1000)
    rows = [(f"c{a}", f"c{b}") for a, b in np.random.default_rng(0).integers(0, 30, (9000, 2)).tolist()]
    path = tmp_path / "t.csv"
    path.write_text("target,pred\n" + "\n".join(map(",".join, rows)))
    assert opened(path, monkeypatch, workers=workers) == (Counter(rows), True)


@pytest.mark.parametrize(("kinds", "rows"), [(4, 9), (4, 20_000), (300, 20_000), (1000, 80_000)])
def test_a_process_of_its_own_finds_what_threads_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: int, rows: int
) -> None:
    monkeypatch.setattr("evalcli.sources.bytestream.BLOCK", 1000)
    monkeypatch.setattr("evalcli.sources.table_lines._WORTH_A_PROCESS", 0)
    path = tmp_path / "t.csv"
    pairs = np.random.default_rng(0).integers(0, kinds, (rows, 2)).tolist()
    path.write_text("target,pred\n" + "\n".join(f"c{a},c{b}" for a, b in pairs))
    selection = Selection(listing=True, beside=True)
    heard, found = [], []

    def hear(share: float, _: int) -> None:
        heard.append(share)

    for processes in (False, True):
        with closing(open_source(str(path), None, replace(selection, processes=processes), hear)) as source:
            batches = [load() for load in source.listed().plan(4096)]
        found.append([np.concatenate(each) for each in zip(*((b.preds, b.target) for b in batches), strict=True)])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert heard[-1] == 1.0 or rows == 80_000  # too many lines: another reader goes on


def test_a_cell_of_two_lines_is_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text('target,pred\n"x\n"",""\n",y\n')
    with pytest.raises(InputError, match="a label holds a line break"):
        opened(path, monkeypatch)


def test_more_columns_and_conditions_go_the_ordinary_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,target,pred\n1,a,b\n2,b,b\n")
    assert opened(path, monkeypatch) == (Counter({("a", "b"): 1, ("b", "b"): 1}), False)
    path.write_text("target,pred\na,b\nb,b\n")
    assert opened(path, monkeypatch, where="target = 'b'") == (Counter({("b", "b"): 1}), False)
    path.write_text("target,pred\na,b\x01\nb,b\x01\n")
    assert opened(path, monkeypatch) == (Counter({("a", "b\x01"): 1, ("b", "b\x01"): 1}), True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target,pred\na,b\na\n", "line 3"),
        ("target,pred\na,b\na,b,c\n", "line 3"),
        ("target,pred\na,b\n,b\n", "line 3"),
    ],
)
def test_what_is_wrong_is_found_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        opened(path, monkeypatch)


def test_many_distinct_lines_are_counted_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalcli.sources.linenumbers.MOST_LINES", 3)
    path = tmp_path / "t.csv"
    path.write_text("target,pred\na,a\nb,b\nc,c\nd,d\n")
    assert opened(path, monkeypatch) == (Counter({(name, name): 1 for name in "abcd"}), False)
