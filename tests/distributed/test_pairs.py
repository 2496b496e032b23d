"""Two tables paired row by row, cut at the same rows: ranks count the bytes of one process."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from started_ranks import report_by_threads

from evalcli.sources import paircut
from evalcli.sources.bytestream import TextFile
from evalcli.sources.csvtext import records
from evalcli.sources.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

CELLS = st.sampled_from(["cat", "a,b", 'say "owl"', "two\nlines", "\n\n", '"', "ünï", ""])
PLAIN = ("-f", "json", "--no-intervals")


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30),
    blanks=st.lists(st.integers(0, 2), min_size=30, max_size=30),
    split=st.integers(0, 30),
    size=st.integers(1, 6),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_every_row_is_in_the_share_that_has_its_number_in_both_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[str, str]],
    blanks: list[int],
    split: int,
    size: int,
    end: str,
    last: bool,
) -> None:
    monkeypatch.setattr(paircut, "_BLOCK", split % 9 + 1)
    if end == "\r\n":
        rows = [(a.replace("\n", "-"), b.replace("\n", "-")) for a, b in rows]
    two, one = (tmp_path / "two0.csv", tmp_path / "two1.csv"), (tmp_path / "one.csv",)
    lines = [f"{quoted(a)},{quoted(b)}{end}" + end * n for (a, b), n in zip(rows, blanks, strict=False)]
    for path, part in zip(two, (lines[:split], lines[split:]), strict=True):
        text = f'a,"b\nb"{end}' if end == "\n" else f"a,b{end}"
        path.write_text(text + "".join(part), newline="")
    single = end.join(["a", *(quoted(a) for a, _ in rows)])
    one[0].write_text(single + end if last or rows[-1][0] == "" else single, newline="")

    sides = [[(str(path), path.stat().st_size) for path in side] for side in (one, two)]
    cut = paircut.cut_pairs(sides, TableOptions(), (0, size), None, cut_text=True)
    assert cut is not None
    shares = [[_records(portions) for portions in side] for side in cut.hands]
    assert [len(share) for share in shares[0]] == [
        len(rows) * (i + 1) // size - len(rows) * i // size for i in range(size)
    ]
    for own, theirs in zip(*shares, strict=True):
        assert [cells[0] if cells else "" for cells in own] == [cells[0] for cells in theirs]
    assert [cells for share in shares[1] for cells in share] == [list(row) for row in rows]


def _records(portions: list[Any]) -> list[list[str]]:
    found = []
    for portion in portions:
        _, *own = records(TextFile(portion.path, None, "utf-8", lines=portion.lines), ",")
        head = next(cells for _, cells in records(TextFile(portion.path, None, "utf-8"), ","))
        found += [cells for _, cells in own if cells or len(head) == 1]
        assert portion.rows is None or len(own) >= portion.rows[1] - portion.rows[0]
    return found


def table(path: Path, kind: str, columns: dict[str, list[Any]], files: int) -> Path:
    """Columns in one file or several, with blank lines where they are no rows."""
    rows = list(zip(*columns.values(), strict=True))
    for number in range(files):
        part = rows[len(rows) * number // files : len(rows) * (number + 1) // files]
        file = path.with_name(f"{path.name}{number}.{kind}")
        if kind == "npy":
            (only,) = columns.values()
            np.save(file, np.array(only))
            return file
        if kind == "npz":
            np.savez(file, **{name: np.array(column) for name, column in columns.items()})
            return file
        if kind == "parquet":
            held = {name: [row[i] for row in part] for i, name in enumerate(columns)}
            pq.write_table(pa.table(held), file, row_group_size=20)
            continue
        if kind == "jsonl":
            lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in part]
        else:
            lines = [",".join(quoted(str(cell)) for cell in row) for row in [tuple(columns), *part]]
        if len(columns) > 1:
            lines.insert(5, "")
        file.write_text("\n".join(lines) + "\n")
    return path.with_name(f"{path.name}*.{kind}")


N = 90
TRUTH = ["abc"[i * i // 3 % 3] for i in range(N)]
SAID = ["abc"[i // 2 % 3] for i in range(N)]
NOTES = [f"{i}\n" if i % 4 else '"' for i in range(N)]
AGES = [str(i * i % 97) for i in range(N)]

CODES, TRUTH_CODES = (["abc".index(one) for one in column] for column in (SAID, TRUTH))
SCORES = [i * i % 97 / 97 for i in range(N)]
FLAGS = [i % 2 for i in range(N)]

PAIRS: dict[str, tuple[Any, ...]] = {
    "text": (("csv", {"pred": SAID}, 1), ("csv", {"target": TRUTH, "note": NOTES}, 1), ()),
    "two files and lines of JSON": (("csv", {"pred": SAID, "x": NOTES}, 2), ("jsonl", {"target": TRUTH}, 1), ()),
    "text and Parquet": (("csv", {"pred": SAID}, 1), ("parquet", {"target": TRUTH, "age": AGES}, 3), ("--by", "age")),
    "Parquet": (("parquet", {"pred": SAID}, 2), ("parquet", {"target": TRUTH}, 1), ()),
    "scores": (
        ("csv", {"score": [f"0.{i}1" for i in range(N)]}, 1),
        ("csv", {"target": [i % 2 for i in range(N)]}, 2),
        (),
    ),
    "slices": (
        ("csv", {"pred": SAID, "age": AGES}, 1),
        ("csv", {"target": TRUTH, "g": SAID}, 1),
        ("--by", "age", "--by", "g", "--where", "age > 30 OR g = 'a'"),
    ),
    "ids": (("csv", {"id": AGES, "pred": SAID}, 1), ("csv", {"id": sorted(AGES), "target": TRUTH}, 1), ()),
    "tensor and text": (("npy", {"p": CODES}, 1), ("csv", {"target": TRUTH_CODES, "age": AGES}, 2), ("--by", "age")),
    "tensor of names": (("npy", {"p": SAID}, 1), ("csv", {"target": TRUTH, "g": NOTES}, 1), ("--by", "g")),
    "text and tensor": (("jsonl", {"pred": CODES}, 1), ("npy", {"t": TRUTH_CODES}, 1), ()),
    "Parquet and tensor": (("parquet", {"score": SCORES}, 2), ("npy", {"t": [i % 2 for i in range(N)]}, 1), ()),
    "tensor and weights": (("npy", {"p": SCORES}, 1), ("csv", {"target": FLAGS, "w": AGES}, 1), ("--weight", "w")),
    "tensor and labels": (
        ("npy", {"p": [[0.1, 0.7]] * N}, 1),
        ("csv", {"target_a": FLAGS, "target_b": [1] * N}, 1),
        ("--by", "target_a"),
    ),
    "tensor and search": (
        ("npz", {"preds": CODES, "g": [i // 4 % 5 for i in range(N)]}, 1),
        ("csv", {"target": TRUTH_CODES, "h": [i * i % 7 for i in range(N)]}, 2),
        ("--scan", "g,h", "--min-slice-size", "20"),
    ),
    "cells": (
        ("csv", {"pred_a": [f"0.{i}" for i in range(N)], "pred_b": ["0.4"] * N}, 1),
        ("csv", {"target_a": [i % 2 for i in range(N)], "target_b": [1] * N}, 1),
        (),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_ranks_that_read_pairs_print_the_bytes_of_one_process(run: Run, tmp_path: Path, name: str) -> None:
    *sides, options = PAIRS[name]
    preds, target = (table(tmp_path / side, *one) for side, one in zip(("p", "t"), sides, strict=True))
    alone = run("report", preds, target, *PLAIN, *options)
    assert alone.code == 0, alone.stderr
    assert report_by_threads(4, preds, "--no-intervals", *options, target=target) == alone.stdout


def test_other_numbers_of_rows_are_told_as_one_process_tells_them(run: Run, tmp_path: Path) -> None:
    preds, target = tmp_path / "p.csv", tmp_path / "t.csv"
    preds.write_text("pred\n" + "a\nb\n" * 20)
    target.write_text("target\n" + "a\nb\n" * 20 + "a\n")
    alone = run("report", preds, target, *PLAIN)
    assert "40 predictions but 41 targets" in alone.stderr
    assert report_by_threads(3, preds, target=target) in alone.stderr


def test_a_tensor_of_other_rows_and_missing_cells_are_told_as_one_process_tells_them(run: Run, tmp_path: Path) -> None:
    preds, target = tmp_path / "p.npy", tmp_path / "t.csv"
    np.save(preds, np.array(CODES))
    for missing, rows, said in (
        ((), [*TRUTH_CODES, 1], "90"),
        ((20, 50, 80, 81), TRUTH_CODES, "4 targets are missing (line 22, line 52, line 82, …)"),
    ):
        cells = ["" if i in missing else str(cell) for i, cell in enumerate(rows)]
        target.write_text("\n".join(["target,x", *(f"{cell},1" for cell in cells)]))
        alone = run("report", preds, target, *PLAIN)
        assert said in alone.stderr
        assert f"evalcli: {report_by_threads(3, preds, target=target)}\n" == alone.stderr


def test_a_rank_that_reads_one_file_of_several_names_it(tmp_path: Path) -> None:
    for number in range(3):
        with gzip.open(tmp_path / f"p{number}.csv.gz", "wt") as file:
            file.write("score,target,w\n0.25,0,1\n0.5,1," + ("-1\n" if number == 1 else "1\n"))
    said = report_by_threads(3, tmp_path / "p*.csv.gz", "--weight", "w")
    assert f"({tmp_path / 'p1.csv.gz'} line 3: -1.0)" in said
