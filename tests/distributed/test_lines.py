"""Text tables cut between lines: whatever stands in the cells, ranks count the bytes of one process."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from started_ranks import Ended, ranks, report_by_threads

from evalcli.errors import WRITE_AGAIN, InputError
from evalcli.sources import textcut
from evalcli.sources.base import Selection
from evalcli.sources.bytestream import TextFile
from evalcli.sources.csvtext import records
from evalcli.sources.share import open_share
from evalcli.sources.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

CELLS = st.sampled_from(["cat", "owl", "a,b", 'say "owl"', "two\nlines", "\n\n", '"', "ünï", ""])
PLAIN = ("-f", "json", "--no-intervals")


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30),
    size=st.integers(1, 7),
    blanks=st.integers(0, 2),
    end=st.sampled_from(["\n", ""]),
)
def test_every_record_is_in_one_share_under_its_own_number(
    tmp_path: Path, rows: list[tuple[str, str]], size: int, blanks: int, end: str
) -> None:
    path = tmp_path / "x.csv"
    text = "\n" * blanks + "\n".join(['a,"b\nb"', *(f"{quoted(a)},{quoted(b)}" for a, b in rows)]) + end
    path.write_text(text)
    texts = textcut.cuttable([(str(path), len(text.encode()))], TableOptions())
    assert texts is not None
    runs = textcut.runs_of(texts, size)
    assert sum(stop - start for _, start, stop in runs) == len(text.encode())
    hands = textcut.cut_lines(texts, textcut.count_runs(texts, runs), size)
    assert hands is not None
    found = []
    for (portion,) in hands:
        assert portion.lines is not None
        head, *own = [one for one in records(TextFile(str(path), None, "utf-8", lines=portion.lines), ",") if one[1]]
        assert head[1] == ["a", "b\nb"]
        found += own
    _, *every = [one for one in records(TextFile(str(path), None, "utf-8"), ",") if one[1]]
    assert found == every


BARE = ("--no-header", "--pred", "column1", "--target", "column2")
TABLES = {
    "csv": ("pred,target,n", ['{0},{1},"{2}\n"', "{1},{1},", '"{0}","{0}",{2}'], ()),
    "crlf": ("pred,target\r", ["{0},{1}\r", "{1},{1}\r"], ()),
    "tsv": ("pred\ttarget", ["{0}\t{1}", "{1}\t{1}"], ()),
    "jsonl": ("", ['{{"pred": "{0}", "target": "{1}", "n": "\\""}}', '{{"target": "{1}", "pred": "{1}"}}'], ()),
    "blank": ("pred,target", ["{0},{1}", "", "{1},{1}"], ()),
    "scores": ("score,target,n", ['0.{2},{3},"\n"', "0.1{2},1,x"], ()),
    "slices": ("pred,target,g,age", ['{0},{1},"{1}\n",{2}', "{1},{1},{0},1{2}"], ("--by", "g", "--by", "age")),
    "chosen": ("pred,target,age", ["{0},{1},{2}", "{1},{1},1{2}"], ("--where", "age > 30")),
    "cells": ("pred_a,pred_b,target_a,target_b", ["0.{2},0.3,1,1", "0.6,0.{2},0,1"], ()),
    "bare": ("", ['{0},{1},"{2}\n"', "{1},{1},", "", '"{0}","{0}",{2}'], BARE),
    "bare cells": ("\n", ["{0},{1}", "{1},{1}", ""], BARE),
    "late": ("pred,target", [*["0,1"] * 3, *["1,1"] * 997, "0.{2},{3}", "0.3{2},{3}"], ()),  # scores after all
}
"""A header, lines that come in turn, and options."""


@pytest.mark.parametrize("kind", TABLES)
def test_ranks_that_read_lines_print_the_bytes_of_one_process(run: Run, tmp_path: Path, kind: str) -> None:
    head, lines, options = TABLES[kind]
    path = tmp_path / f"x.{kind if kind in ('tsv', 'jsonl') else 'csv'}"
    many = 1200 if kind == "late" else 90
    rows = [lines[i % len(lines)].format("abc"[i // 2 % 3], "abc"[i * i // 3 % 3], i, i // 3 % 2) for i in range(many)]
    path.write_text("\n".join([head] * bool(head) + rows) + "\n", newline="")
    alone = run("report", path, *PLAIN, *options)
    assert alone.code == 0, alone.stderr
    for count in (2, 5):
        assert report_by_threads(count, path, "--no-intervals", *options) == alone.stdout


FAULTS = {
    "a missing cell": (70, "a,,x", "1 target is missing (line 142)"),
    "too few cells": (70, "a,b", "line 142 has 2 fields, expected 3"),
    "a stray quote": (40, 'a,b"x,c', 'line 82: a quote (") stands inside a cell'),
    "a quote that never closes": (89, 'a,b,"c', "line 180: a quote opens here and never closes"),
    "a NUL": (70, "a,b,\0", "line 142: holds a NUL byte"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_named_by_its_line_in_the_file(run: Run, tmp_path: Path, name: str) -> None:
    at, line, said = FAULTS[name]
    rows = [f'{"abc"[i % 3]},{"abc"[i * i % 3]},"\n{i}"' for i in range(90)]
    rows[at] = line
    path = tmp_path / "x.csv"
    path.write_text("pred,target,n\n" + "\n".join(rows) + "\n")
    alone = run("report", path, *PLAIN)
    assert alone.code == 2
    assert said in alone.stderr
    for count in (2, 5):
        assert report_by_threads(count, path, "--no-intervals") in alone.stderr


def test_an_empty_file_is_named_as_one_process_names_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"pred": "a", "target": "a"}\n' * 9)
    Path("b.jsonl").write_text("\n")
    alone = run("report", "*.jsonl", *PLAIN)
    what = "the file holds no keys, at most blank lines and empty objects; write an object with keys in each line"
    assert alone.stderr == f"evalcli: b.jsonl: {what} [E3]\n"
    assert report_by_threads(2, Path("*.jsonl"), "--no-intervals") in alone.stderr


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("empty", [1, 40])
def test_json_lines_of_no_byte_are_no_rows_beside_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, empty: int
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'{{"pred": "{"abc"[i % 3]}", "target": "{"abc"[i * i % 3]}"}}\n' for i in range(90))
    Path("full.ndjson").write_text(rows)
    counted = json.loads(run("report", "full.ndjson", *PLAIN).stdout)
    Path(f"b.{suffix}").write_text(rows)
    for i in range(empty):
        Path(f"{'ac'[i % 2]}{i}.{suffix}").touch()
    alone = run("report", f"*.{suffix}", *PLAIN)
    assert alone.code == 0, alone.stderr
    found = json.loads(alone.stdout)
    assert {key for key in found if found[key] != counted[key]} == {"inputs"}
    assert len(found["inputs"]) == 1 + empty
    for count in (2, 5):
        assert report_by_threads(count, Path(f"*.{suffix}"), "--no-intervals") == alone.stdout
    for none in (f"a0.{suffix}", f"[ac]*.{suffix}"):
        refused = run("report", none, *PLAIN)
        assert refused.stderr == f"evalcli: a0.{suffix}: the file is empty (0 bytes); {WRITE_AGAIN} [E3]\n"


FAULTY = {
    "missing labels": ("pred,target", "{0},{1}", {10: "a,", 50: "b,", 51: "c,", 88: "a,"}, ()),
    "missing predictions": ("pred,target", "{0},{1}", {50: ",a"}, ()),
    "words for scores": ("score,target", "0.{2}1,{3}", {3: "x,1", 40: "y,0", 80: "z,1"}, ()),
    "missing scores": ("score,target", "0.{2}1,{3}", {40: ",0", 80: ",1"}, ()),
    "weights": ("pred,target,w", "{0},{1},2", {20: "a,a,-1", 80: "b,c,-1"}, ("--weight", "w")),
    "weights of scores": (
        "score,target,w",
        "0.{2}1,{3},2",
        {9: "1,1,-1", 50: "0.5,0,nan", 80: "1,0,-3"},
        ("--weight", "w"),
    ),
    "words for weights": ("pred,target,w", "{0},{1},2", {20: "a,a,one", 80: "b,c,two"}, ("--weight", "w")),
    "words for values": ("pred,target", "0.{2}1,1.{2}5", {30: "x,0.7", 31: "0.1,0.3", 70: "y,2.5"}, ()),
    "words in cells": (
        "pred_a,pred_b,target_a,target_b",
        "0.{2},0.3,1,{3}",
        {30: "0.1,0.2,1,x", 80: "0.1,0.2,1,z"},
        (),
    ),
    "odd cells": ("pred_a,pred_b,target_a,target_b", "0.{2},0.3,1,{3}", {30: "0.1,0.2,1,7", 80: "0.1,0.2,5,1"}, ()),
}
"""A header, a line, the lines at fault by row, and options."""


@pytest.mark.parametrize("name", FAULTY)
def test_rows_at_fault_are_counted_in_the_whole(run: Run, tmp_path: Path, name: str) -> None:
    head, line, faults, options = FAULTY[name]
    rows = [faults.get(i, line.format("abc"[i % 3], "abc"[i * i % 3], i, i % 2)) for i in range(90)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    alone = run("report", path, *PLAIN, *options)
    assert alone.code == 2
    told = report_by_threads(4, path, "--no-intervals", *options)
    assert f"evalcli: {told}" == alone.stderr.strip()


def test_rows_that_are_told_have_their_numbers_in_the_whole(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [json.dumps({"scores": [0.5, 0.4 if i == 77 else 0.5], "target": i % 2}) for i in range(90)]
    path.write_text("\n".join(rows))
    alone = run("report", path, *PLAIN)
    assert "row 77" in alone.stderr
    assert report_by_threads(4, path, "--no-intervals") in alone.stderr


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.csv", b"pred,target\ra,b\rb,b\r"),
        ("x.csv", b"pred,target\na,b\n" + b"b,b\r\n" * 20),
        ("x.csv", b"pred,target\n"),
        ("x.csv", "pred,target\na,b\n".encode("utf-16")),
        ("x.csv.gz", gzip.compress(b"pred,target\na,b\nb,b\n", mtime=0)),
    ],
)
def test_what_cannot_be_cut_is_read_by_one(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    first, second = (open_share(str(tmp_path / name), None, Selection(partial=True), (rank, 2)) for rank in (0, 1))
    assert "is one file" in first.alone
    assert first.source is not None
    assert second.source is None
    first.source.close()


@pytest.mark.parametrize(
    "options", [("--by", "age"), ("--by", "g,age"), ("--where", "age > 30"), ("--by", "age", "--where", "pred <> 'a'")]
)
def test_row_groups_are_sliced_by_the_ranges_of_the_whole(run: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "x.parquet"
    rows = [("abc"[i // 2 % 3], "abc"[i * i // 3 % 3], float(i * i % 97), "xy"[i // 45]) for i in range(90)]
    columns = zip(("pred", "target", "age", "g"), zip(*rows, strict=True), strict=True)
    pq.write_table(pa.table({name: list(column) for name, column in columns}), path, row_group_size=20)
    alone = run("report", path, *PLAIN, *options)
    assert alone.code == 0, alone.stderr
    for count in (2, 8):  # of 5 row groups
        assert report_by_threads(count, path, "--no-intervals", *options) == alone.stdout


def test_T30_lines_that_are_added_while_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("pred,target\n" + "a,a\nb,a\n" * 50)
    share = open_share(str(path), None, Selection(partial=True), (0, 2))
    assert share.source is not None
    assert share.seen is not None
    list(share.source.batches(100))
    with path.open("a") as file:
        file.write("b,b\n")
    with pytest.raises(InputError, match="changed while it was read"):
        share.source.finish()
    share.source.close()
    with pytest.raises(InputError, match="input changed while reading"):
        share.seen.check_unchanged()


def test_three_processes_share_one_table(run: Run, tmp_path: Path) -> None:
    path, part = tmp_path / "x.csv", tmp_path / "a.evalcli"
    rows = [f'{"abc"[i % 3]},{"abc"[i * i % 3]},"\n{i}"' for i in range(90)]
    path.write_text("pred,target,n\n" + "\n".join(rows) + "\n")
    alone = run("report", path, "-f", "json")
    first, *others = ranks(3, "report", path, "-f", "json", "-o", part)
    assert first == Ended(alone.stdout, "", 0)
    assert others == [Ended("", "", 0)] * 2
    assert run("merge", part, "-f", "json").stdout == alone.stdout
