"""The mistakes as files, on screens and in pipes: every format of input and output, beside brute force."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from listed_errors import NAMES, brute, drawn, probabilities, read, rows_of, same
from saved_files import PLAIN, TABLES, TENSORS, save

from evalcli import mistakes


@pytest.mark.parametrize("suffix", [*TENSORS, *TABLES])
@pytest.mark.parametrize("kind", ["scores", "labels"])
def test_M11_every_format_gives_the_same_rows(run, tmp_path, suffix, kind):
    logits, target = drawn()
    preds = {"logits": logits} if kind == "scores" else {"pred": logits.argmax(axis=1)}
    keys = np.array([f"k{i:03}" for i in range(len(target))])
    columns = {**preds, "target": target}
    if suffix != ".safetensors":
        columns |= {"id": keys, "note": np.array([f"é {i}" for i in range(len(target))])}
    both = save(tmp_path / f"both{suffix}", columns)
    first, second = save(tmp_path / f"p{suffix}", preds), save(tmp_path / f"t{suffix}", {"target": target})
    unscored = {"confidence": None, "margin": None} if kind == "labels" else {}
    wanted = [row | unscored for row in brute(probabilities(logits), target)]
    more = [] if suffix == ".safetensors" else ["--show", "note"]
    found = rows_of(run, both, *more)
    if kind == "labels":
        assert [{k: row[k] for k in wanted[0]} for row in found] == wanted
    else:
        same(found, wanted)
        ranked = rows_of(run, both, "--most-confident", "--limit", 9)
        assert [row["row"] for row in ranked] == [
            row["row"] for row in sorted(found, key=lambda r: (-r["confidence"], r["row"]))[:9]
        ]
    if more:
        assert [(row["id"], row["note"]) for row in found] == [(keys[r["row"]], f"é {r['row']}") for r in found]
    assert [row.get("line") for row in found] == [
        row["row"] + (1 if "jsonl" in suffix else 2)
        if ("csv" in suffix or "tsv" in suffix or "jsonl" in suffix)
        else None
        for row in found
    ]
    apart = rows_of(run, first, second)
    assert [{k: row[k] for k in wanted[0]} for row in apart] == [{k: row[k] for k in wanted[0]} for row in found]


@pytest.mark.parametrize("suffix", [*TENSORS, *TABLES])
def test_T32_standard_input_is_the_file(run, tmp_path, suffix, monkeypatch):
    logits, target = drawn()
    path = save(tmp_path / f"x{suffix}", {"logits": logits, "target": target})
    found = rows_of(run, path)
    with path.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": stream, "fileno": stream.fileno})())
        assert rows_of(run, "-") == found
    assert len(found) > 10


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("jsonl", ".npz"), ("jsonl", ".csv"), ("jsonl", ".parquet"), ("csv", ".npz"), ("json", ".csv"), ("rich", ".csv")],
)
@pytest.mark.parametrize("order", [[], ["--most-confident"], ["--suspect-labels"], ["--most-confident", "--limit", 7]])
def test_M01_M02_batches_and_workers_leave_no_trace(run, tmp_path, form, suffix, order):
    logits, target = drawn(1, 150)
    logits = logits.round(1)  # ties
    path = save(tmp_path / f"x{suffix}", {"logits": logits, "target": target, "id": np.arange(len(target))})
    texts = {
        run("errors", path, *order, "-f", form, "--batch-size", size, "--workers", workers).stdout
        for size, workers in ((1, 1), (7, 3), ("100k", 4))
    }
    assert len(texts) == 1
    assert texts.pop().count("\n") > 5


def test_two_tables_pair_by_id_and_rows_are_those_of_the_predictions(run, tmp_path):
    logits, target = drawn(2)
    order = np.random.default_rng(2).permutation(len(target))
    ids = np.array([f"s{i}" for i in range(len(target))])
    first = save(tmp_path / "p.csv", {"id": ids, "p": logits})
    second = save(tmp_path / "t.parquet", {"id": ids[order], "target": NAMES[target][order], "n": order})
    found = rows_of(run, first, second, "--id", "id", "--show", "n", "--labels", ",".join(NAMES))
    same(found, brute(probabilities(logits), target, NAMES))
    assert [(row["id"], row["n"], row["line"]) for row in found] == [
        (f"s{row['row']}", row["row"], row["row"] + 2) for row in found
    ]


def test_a_pattern_of_files_and_rows_chosen_by_sql(run, tmp_path):
    logits, target = drawn(3, 90)
    said = logits.argmax(axis=1)
    for i in range(3):
        part = slice(30 * i, 30 * i + 30)
        save(
            tmp_path / f"part{i}.csv",
            {"pred": NAMES[said[part]], "target": NAMES[target[part]], "g": np.arange(30) % 2},
        )
    found = rows_of(run, "part*.csv", "--where", "g = 1")
    wrong = [i for i in np.flatnonzero(said != target) if i % 2]
    assert [row["row"] for row in found] == wrong
    assert [(os.path.basename(row["file"]), row["line"]) for row in found] == [
        (f"part{i // 30}.csv", i % 30 + 2) for i in wrong
    ]
    assert list(found[0]) == ["row", "file", "line", "target", "pred", "confidence", "margin"]


def test_rows_that_do_not_count(run, tmp_path):
    (tmp_path / "x.csv").write_text("target,pred,w\na,a,1\na,,2\n,b,1\nb,a,0.5\nskip,a,1\nskip,skip,1\nb,b,1\n")
    assert "missing" in run("errors", "x.csv").stderr
    found = rows_of(run, "x.csv", "--nan", "drop", "--weight", "w", "--task", "multiclass")
    assert [(row["line"], row["target"], row["pred"], row["weight"]) for row in found] == [
        (5, "b", "a", 0.5), (6, "skip", "a", 1.0)
    ]  # fmt: skip
    (tmp_path / "x.csv").write_text("target,pred\na,a\na,\nb,a\n")
    found = rows_of(run, "x.csv", "--nan", "wrong", "--task", "multiclass")
    assert [(row["row"], row["pred"]) for row in found] == [(1, None), (2, "a")]
    shown = run("errors", "x.csv", "--nan", "wrong", "--task", "multiclass", "-f", "rich").stdout
    assert "1     3  a       –" in shown


def test_pairs_and_classes_are_counted_and_listed(run, tmp_path):
    logits, target = drawn(6, 300)
    path = save(tmp_path / "x.csv", {"pred": NAMES[logits.argmax(axis=1)], "target": NAMES[target]})
    every = rows_of(run, path)
    chosen = [
        row for row in every if (row["target"], row["pred"]) == ("cat", "dog") or "eel" in (row["target"], row["pred"])
    ]
    args = ("--pair", "cat:dog", "--class", "eel")
    assert rows_of(run, path, *args) == chosen
    document = json.loads(run("errors", path, *args, "-f", "json", "--limit", 3).stdout)
    facts = {name: document[name] for name in ("pairs", "classes", "matching", "listed", "wrong", "n", "order")}
    assert facts == {
        "pairs": ["cat:dog"], "classes": ["eel"], "matching": len(chosen), "listed": 3, "wrong": len(every), "n": 300,
        "order": "file",
    }  # fmt: skip
    shown = run("errors", path, *args, "-f", "rich").stdout
    assert f"asked for {len(chosen)} of them: --pair cat:dog --class eel" in shown


def test_suspect_labels_are_named_with_both_probabilities(run, tmp_path):
    logits, truth = drawn(7, 500)
    rng = np.random.default_rng(7)
    flipped = rng.choice(500, 40, replace=False)
    labels = truth.copy()
    labels[flipped] = (labels[flipped] + 1) % 4
    probs = probabilities(logits)
    path = save(tmp_path / "x.parquet", {"p": probs, "target": labels, "id": np.arange(500) + 1000})
    done = run("errors", path, "--suspect-labels", "-f", "jsonl")
    found = read(done.stdout)
    threshold = np.array([probs[labels == j, j].mean() for j in range(4)])
    likely = np.where(probs >= threshold, probs, -1)
    best = likely.argmax(axis=1)
    doubted = np.flatnonzero((likely.max(axis=1) >= 0) & (best != labels))
    wanted = sorted(doubted, key=lambda i: (probs[i, labels[i]], i))
    assert [row["row"] for row in found] == wanted
    assert [(r["id"], r["target"], r["suggested"], r["p_target"], r["p_suggested"]) for r in found] == [
        (i + 1000, str(labels[i]), str(best[i]), probs[i, labels[i]], probs[i, best[i]]) for i in wanted
    ]
    assert len({*flipped} & {*wanted}) > 25
    assert "out of sample" in done.stderr
    assert run("errors", path, "--suspect-labels", "--quiet", "-o", "s.csv").stderr == ""
    document = json.loads(run("errors", path, "--suspect-labels", "-f", "json", "--limit", 2).stdout)
    assert (document["list"], document["matching"], document["listed"]) == ("suspect labels", len(wanted), 2)
    shown = run("errors", path, "--suspect-labels", "-f", "rich").stdout
    assert f"suspect   {len(wanted)} of 500 labels" in shown
    assert "p_suggested" in shown


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--most-confident",), "--most-confident needs scores, but the predictions are labels"),
        (("--suspect-labels",), "--suspect-labels needs scores, but the predictions are labels"),
        (("--suspect-labels", "--most-confident"), "ask for one of them"),
        (("--limit", "ten"), "--limit 'ten' is no number of rows; write it like 20, or all"),
        (("--limit", "-1"), "--limit '-1' is no number of rows"),
        (("--pair", "cat"), "--pair 'cat' is no pair; write target:prediction"),
        (("--pair", "cat:cow"), "there is no class 'cow'"),
        (("--class", "Dog"), "--class: there is no class 'Dog'; did you mean 'dog'?"),
        (("--show", "nots"), "--show: no column 'nots'; did you mean 'note'?"),
        (("--id", "key"), "--id: no column 'key'; columns are 'pred', 'target', 'note'"),
        (("-f", "markdown"), "--format 'markdown' is unknown; use rich, jsonl, csv, json"),
        (("-o", "x.md"), "no format is known for the suffix '.md'; use .jsonl, .csv, .json, .txt"),
        (("-o", "both.csv"), "the output is an input too"),
        (("-o", "no/x.csv"), "its folder does not exist"),
        (("--where", "nosuch = 1"), "there is no column"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(run, tmp_path, args, words):
    logits, target = drawn()
    save(tmp_path / "both.csv", {"pred": NAMES[logits.argmax(axis=1)], "target": NAMES[target], "note": target})
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run("errors", "both.csv", *args)
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
@pytest.mark.parametrize("order", [[], ["--most-confident"], ["--suspect-labels"]])
def test_a_fault_in_the_last_row_stops_before_the_first_is_printed(run, tmp_path, suffix, order):
    logits, target = drawn(8, 5000)
    logits[-1, 0] = np.nan
    path = save(tmp_path / f"x{suffix}", {"logits": logits, "target": target})
    done = run("errors", path, *order, "--batch-size", 100, "-o", "x.jsonl")
    assert (done.code, done.stdout) == (2, "")
    assert "5001" in done.stderr or "4999" in done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def test_the_configuration_holds_options_of_errors(run, tmp_path):
    logits, target = drawn(12)
    path = save(tmp_path / "x.csv", {"pred": NAMES[logits.argmax(axis=1)], "target": NAMES[target]})
    (tmp_path / "pyproject.toml").write_text(
        '[tool.evalcli]\nworkers = 1\n[tool.evalcli.errors]\nclass = ["eel"]\nlimit = 3\nformat = "csv"\n'
    )
    table = list(csv.DictReader(io.StringIO(run("errors", path).stdout)))
    assert len(table) == 3
    assert all("eel" in (row["target"], row["pred"]) for row in table)
    assert run("report", path).code == 0
    (tmp_path / "pyproject.toml").write_text("[tool.evalcli.errors]\nclas = 1\n")
    assert "the key 'errors.clas' is no option; did you mean class?" in run("errors", path).stderr


def test_arrays_are_listed_without_heavy_imports(tmp_path):
    logits, target = drawn()
    path = save(tmp_path / "x.npz", {"logits": logits, "target": target})
    code = (
        "import sys; from evalcli.cli import run; code = run(sys.argv[1:]); print(code, *sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "errors", str(path), "--most-confident"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert {"torch", "pandas", "duckdb", "pyarrow", "sklearn", "scipy"}.isdisjoint(modules)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_help_names_every_option_and_says_out_of_sample(run, width):
    text = run("errors", "--help", env={"COLUMNS": str(width)}).stdout
    options = (
        "--most-confident",
        "--relative",
        "--pair",
        "--class",
        "--suspect-labels",
        "--limit",
        "--show",
        "--id",
        "--format",
    )
    assert all(option in text for option in options)
    words = " ".join(text.replace("│", " ").split())
    assert "the probabilities must be out of sample" in words
    assert "--ranking-budget" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "errors" in run("--help").stdout


def test_values_or_classes_with_a_slip_are_refused_in_a_line(run, tmp_path: Any):
    np.save(tmp_path / "p.npy", np.array([0.5, 1.5, 2.5]))
    np.save(tmp_path / "t.npy", np.array([0.25, 1.0, 2.0]))
    done = run("errors", "p.npy", "t.npy")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", PLAIN)
def test_reading_again_finds_the_same_file(run, tmp_path, suffix):
    """Every pass after the first one vouches for the file as the first did."""
    logits, target = drawn(14)
    path = save(tmp_path / f"x{suffix}", {"logits": logits, "target": target})
    document = json.loads(run("errors", path, "-f", "json", "--most-confident").stdout)
    report = json.loads(run("report", path, "-f", "json", "-m", "error_rate").stdout)
    assert document["inputs"] == report["inputs"]
    assert document["wrong"] / document["n"] == pytest.approx(report["metrics"]["error_rate"]["value"], rel=1e-15)


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors", ".csv", ".jsonl", ".parquet", ".csv.gz"])
@pytest.mark.parametrize(("change", "order"), [("truncated", []), ("rewritten", ["--limit", "3"]), ("grown", [])])
def test_T30_a_file_that_changes_between_the_passes(run, tmp_path, monkeypatch, suffix, change, order):
    logits, target = drawn(15, 10_000)
    path = save(tmp_path / f"x{suffix}", {"logits": logits, "target": target})
    real = mistakes.list_mistakes

    def interfering(*args: Any) -> Any:
        listing = real(*args)
        with path.open("r+b") as file:  # the same file, not a new one under its name
            if change == "truncated":
                file.truncate(path.stat().st_size // 2)
            else:
                file.seek(-1000 if change == "rewritten" else 0, os.SEEK_END)
                file.write(b"\1" * 1000)
        return listing

    monkeypatch.setattr(mistakes, "list_mistakes", interfering)
    done = run("errors", path, *order, "-o", "out.jsonl")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "changed while" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name]


def test_the_backend_leaves_no_trace(run, tmp_path):
    logits, target = drawn(16)
    path = save(tmp_path / "x.npz", {"logits": logits, "target": target})
    for order in ([], ["--most-confident"], ["--suspect-labels"]):
        texts = {run("errors", path, *order, "--backend", backend).stdout for backend in ("numpy", "torch")}
        assert len(texts) == 1
