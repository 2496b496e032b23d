"""Lists of mistakes as they come out: limits, formats, screens, hostile names, one line for an error."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from listed_errors import HOSTILE, NAMES, drawn, read, rows_of
from saved_files import save


@pytest.mark.parametrize("limit", ["1", "5", "1000", "all", "0"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "json", "rich"])
def test_a_limit_holds_in_every_format(run, tmp_path, limit, form):
    logits, target = drawn(4)
    path = save(tmp_path / "x.npz", {"logits": logits, "target": target})
    every = rows_of(run, path)
    text = run("errors", path, "--limit", limit, "-f", form).stdout
    wanted = every[: int(limit)] if limit not in ("all", "0") else every
    assert numbers(text, form) == [row["row"] for row in wanted]


def numbers(text, form):
    """The row numbers of a list in any format."""
    if form == "jsonl":
        return [row["row"] for row in read(text)]
    if form == "json":
        document = json.loads(text)
        assert document["listed"] == len(document["rows"])
        return [row["row"] for row in document["rows"]]
    if form == "csv":
        return [int(row["row"]) for row in csv.DictReader(io.StringIO(text))]
    body = text.partition("─\n")[2].partition("\n\n")[0]
    return [int(line.split()[0]) for line in body.splitlines()]


def test_the_screen_shows_twenty_and_machines_get_all(run, tmp_path):
    logits, target = drawn(5, 300)
    path = save(tmp_path / "x.npz", {"logits": logits, "target": target})
    every = [row["row"] for row in rows_of(run, path)]
    assert len(every) > 40
    assert numbers(run("errors", path, "-f", "rich").stdout, "rich") == every[:20]
    for form in ("csv", "json"):
        assert numbers(run("errors", path, "-f", form).stdout, form) == every
    shown = run("errors", path, "-f", "rich").stdout
    assert f"wrong     {len(every)} of 300 rows, {len(every) / 3:.1f}%" in shown
    assert "listed    20, in the order of the file" in shown
    assert f"{len(every) - 20} more: --limit all" in shown


def test_files_and_standard_output_hold_the_same(run, tmp_path):
    logits, target = drawn(9)
    path = save(tmp_path / "x.csv", {"logits": logits, "target": target})
    outputs = ("a.jsonl", "b.csv", "c.json", "d.txt")
    done = run("errors", path, "--limit", 30, *(part for name in outputs for part in ("-o", name)))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (tmp_path / "a.jsonl").read_text()
    for name, form in zip(outputs, ("jsonl", "csv", "json", "rich"), strict=True):
        assert (tmp_path / name).read_text() == run("errors", path, "--limit", 30, "-f", form).stdout
    quiet = run("errors", path, "--quiet", "-o", "e.jsonl")
    assert (quiet.stdout, quiet.stderr, quiet.code) == ("", "", 0)
    assert read((tmp_path / "e.jsonl").read_text()) == rows_of(run, path)


def test_numbers_are_unrounded_and_keys_are_always_the_same(run, tmp_path):
    rng = np.random.default_rng(10)
    scores, target = rng.random(200), rng.integers(0, 2, 200)
    path = save(tmp_path / "x.jsonl", {"score": scores, "target": target, "extra": np.where(target, np.nan, 0.1)})
    lines = path.read_text().replace("NaN", "null")
    path.write_text(lines)
    found = rows_of(run, path, "--show", "extra", "--show", "score", "--show", "target")
    assert {tuple(row) for row in found} == {
        ("row", "line", "target", "pred", "confidence", "margin", "extra", "score", "show.target")
    }
    assert [row["score"] for row in found] == [scores[row["row"]] for row in found]
    assert [row["confidence"] for row in found] == [max(scores[r["row"]], 1 - scores[r["row"]]) for r in found]
    assert {row["extra"] for row in found} == {None, 0.1}
    table = csv.DictReader(io.StringIO(run("errors", path, "--show", "extra", "-f", "csv").stdout))
    assert [(int(r["row"]), float(r["confidence"])) for r in table] == [(r["row"], r["confidence"]) for r in found]


def test_no_mistakes_are_no_error(run, tmp_path):
    path = save(tmp_path / "x.csv", {"pred": NAMES, "target": NAMES})
    assert (run("errors", path).stdout, run("errors", path).code) == ("", 0)
    assert "wrong     0 of 4 rows\n  listed    none\n" in run("errors", path, "-f", "rich").stdout
    assert run("errors", path, "-f", "csv").stdout == "row,line,target,pred,confidence,margin\n"
    document = json.loads(run("errors", path, "-f", "json").stdout)
    assert (document["rows"], document["wrong"], document["matching"]) == ([], 0, 0)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".npz", ".csv"])
def test_O01_O11_hostile_texts_come_out_whole_and_harmless(run, tmp_path, suffix):
    words = [word for word in HOSTILE if suffix != ".csv" or "\n" not in word]
    truth, said = np.array(words), np.array([*words[1:], words[0]])
    columns = {"pred": said, "target": truth, "id": truth[::-1].copy(), "note": truth}
    path = save(tmp_path / f"x{suffix}", columns)
    done = run("errors", path, "--show", "note", "-f", "jsonl")
    found = read(done.stdout)
    assert [(r["target"], r["pred"], r["id"], r["note"]) for r in found] == list(
        zip(truth.tolist(), said.tolist(), truth[::-1].tolist(), truth.tolist(), strict=True)
    )
    for form in ("jsonl", "csv", "json", "rich"):
        text = run("errors", path, "--show", "note", "-f", form).stdout
        assert not {"\x1b", "\u202e", "\u200b", "\x9b", "\x07"} & {*text}
    sheet = list(csv.reader(io.StringIO(run("errors", path, "--show", "note", "-f", "csv").stdout)))
    assert not any(cell[:1] in "=+-@" for row in sheet for cell in row if cell)
    assert len(sheet) == len(words) + 1
    for width in (40, 80, 120):
        shown = run("errors", path.name, "--show", "note", "-f", "rich", env={"COLUMNS": str(width)}).stdout
        assert "[red]x" in shown
        assert not [line for line in shown.splitlines() if line[:1] not in ("", " ")]


def test_hostile_column_names(run, tmp_path):
    names = ["\x1b[31m", "=1+1", "[red]", "row", "confidence", "a\nb", "target.x"]
    (tmp_path / "x.jsonl").write_text(
        json.dumps({"target": "a", "pred": "b", **{n: i for i, n in enumerate(names)}}) + "\n"
    )
    args = [part for name in names for part in ("--show", name)]
    (row,) = rows_of(run, "x.jsonl", *args, "--task", "multiclass")
    assert [row[name] for name in ("\x1b[31m", "=1+1", "[red]", "show.row", "show.confidence", "a\nb", "target.x")] == [
        *range(7)
    ]
    assert row["row"] == 0
    for form in ("csv", "rich", "json"):
        text = run("errors", "x.jsonl", *args, "--task", "multiclass", "-f", form).stdout
        assert "\x1b" not in text
    assert "'=1+1" in run("errors", "x.jsonl", *args, "--task", "multiclass", "-f", "csv").stdout


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_X09_numbers_are_whole_on_every_screen(run, tmp_path, width):
    logits, target = drawn(11, 60)
    names = np.array(["a long name of the class number " + str(i) for i in range(4)])
    columns = {"logits": logits, "target": target, "id": np.array([f"identifier-{i:05}" for i in range(60)]),
               "text": np.array(["some words " * 20] * 60), "n": np.arange(60) * 1_000_003}  # fmt: skip
    path = save(tmp_path / "x.parquet", columns).name
    args = ("--labels", ",".join(names), "--show", "text", "--show", "n", "--most-confident", "--limit", 4)
    found = rows_of(run, path, *args)
    shown = run("errors", path, *args, "-f", "rich", env={"COLUMNS": str(width)}).stdout
    assert all(f"{row['confidence']:.4f}" in shown and str(row["n"]) in shown for row in found)
    assert width < 60 or max(map(len, shown.splitlines())) <= width
    whole = run("errors", path, *args, "-f", "rich", env={"COLUMNS": ""}).stdout
    assert ("some words " * 20).strip() in whole  # nothing is cut in a pipe
    assert names[0] in whole
