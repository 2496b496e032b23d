"""Rows of the catalogue of hostile input about names of columns, and lines that stand for none."""

from __future__ import annotations

import csv
import datetime
import json
from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


NAMES = {
    "nameless": ("target,,pred", []),
    "several nameless": ("target,pred,,,x", ["its name occurs twice"]),
    "twice": ("target,pred,x,x", ["its name occurs twice"]),
    "differ in case": ("target,pred,Pred,PRED", []),
    "SQL": ('target,pred,"a""b",select', []),
}


@pytest.mark.parametrize(("header", "notes"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_C10_odd_names_beside_the_ones_that_count(tmp_path, run, counted, header, notes, suffix):
    names = next(csv.reader([header]))
    lines = [[name if name in ("target", "pred") else str(i) for i, name in enumerate(names)] for _ in range(3)]
    for line, label in zip(lines, "abc", strict=True):
        line[names.index("target")] = line[names.index("pred")] = label
    path = tmp_path / f"x{suffix}"
    if suffix == ".csv":
        path.write_text("\n".join([header, *map(",".join, lines)]) + "\n")
    elif suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in (names, *lines):
            book.active.append(row)
        book.save(path)
    else:
        columns = [pa.array(column) for column in zip(*lines, strict=True)]
        pq.write_table(pa.table(columns, names=names), path)
    assert counted(path)["metrics"]["accuracy"]["value"] == 1
    seen = run("inspect", path, "-f", "json")
    assert seen.code == 0, seen.stderr
    found = json.loads(seen.stdout)
    assert [entry["name"] for entry in found["entries"]] == list(dict.fromkeys(names))
    assert found["rows"] == 3
    assert [entry["note"] for entry in found["entries"] if entry["note"]] == notes
    if "Pred" not in names:
        assert counted(path, "--where", "target <> 'c'", "--task", "multiclass")["n"] == 2


def test_C09_only_a_text_table_can_lack_a_line_of_names(tmp_path, refused):
    path = table(tmp_path / "x.csv", "cat,dog\ndog,dog\n")
    assert "(the first line is 'cat,dog': no header? use --no-header)" in refused(path)
    pq.write_table(pa.table({"cat": ["dog"], "dog": ["dog"]}), tmp_path / "x.parquet")
    assert "header" not in refused(tmp_path / "x.parquet")
    assert "header" not in refused(table(tmp_path / "x.jsonl", '{"cat":"dog","dog":"dog"}\n'))
    assert "holds no keys" in refused(table(tmp_path / "y.jsonl", "\n\n"))


@pytest.mark.parametrize("first", [("owl", "cat"), ("2", "0")])
def test_C09_the_first_row_of_single_columns_is_not_lost_as_their_name(tmp_path, refused, counted, first):
    said, truth = (table(tmp_path / f"{i}.csv", "\n".join([one, *first, "dog", "owl"])) for i, one in enumerate(first))
    assert ": a row, or the name of the column; --no-header counts it as a row" in refused(said, truth)
    assert counted(said, truth, "--no-header")["n"] == 5
    assert counted(said, truth, "--pred", first[0], "--target", first[1])["n"] == 4
    np.save(tmp_path / "p.npy", np.arange(4) % 3)
    if first[0] == "owl":
        assert "1.csv: the first line is 'cat'" in refused(tmp_path / "p.npy", truth)
        named = table(tmp_path / "named.csv", "animal\ncat\ndog\nowl\ncat\n")
        assert counted(said, named, "--pred", "owl")["n"] == 4


def test_T14_N07_what_cannot_be_read_is_told_where_it_is_missed(tmp_path, counted, refused):
    truth = np.arange(6) % 3
    path = tmp_path / "x.npz"
    for values, word in (
        (truth * 1j, "complex"),
        (truth.astype("M8[D]"), "date"),
        (np.array([{}] * 6), "Python objects"),
    ):
        np.savez(path, pred=values, target=truth, other=truth)
        assert word in refused(path)
        assert word in refused(path, "--pred", "pred")
        assert counted(path, "--pred", "other")["n"] == 6
        np.savez(path, pred=values, target=truth)
        assert word in refused(path)
        np.savez(path, pred=truth, target=values)
        np.savez(tmp_path / "p.npz", pred=truth)
        assert word in refused(tmp_path / "p.npz", path, "--target", "target")
        assert word in refused(path, "--task", "multiclass")


def test_C18_a_line_for_excel(tmp_path, refused):
    path = table(tmp_path / "x.csv", "sep=,\ntarget,pred\na,b\n")
    assert "'sep=' is not a header; remove that line" in refused(path)


def test_P07_a_column_of_dates_is_shown_and_not_in_the_way(tmp_path, run, counted):
    day = datetime.date(2024, 1, 2)
    columns = {"target": ["a", "b", "c"], "pred": ["a", "b", "c"], "day": [day] * 3}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert counted(tmp_path / "x.parquet")["n"] == 3
    entries = json.loads(run("inspect", tmp_path / "x.parquet", "-f", "json").stdout)["entries"]
    assert (entries[2]["dtype"], entries[2]["examples"]) == ("text", ["2024-01-02"])


def test_C10_a_key_without_a_name_in_jsonl(tmp_path, run, counted):
    path = table(tmp_path / "x.jsonl", "".join(f'{{"target":"{c}","":1,"pred":"{c}"}}\n' for c in "abc"))
    assert counted(path)["n"] == 3
    assert run("inspect", path).code == 0
