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
from saved_files import PLAIN, TABLES, TENSORS, save

from evalcli import mistakes

NAMES = np.array(["cat", "dog", "owl", "eel"])
HOSTILE = [
    "[red]x[/red]", "a[/b]", ":smile:", "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J", "\u202eevil", "zero\u200bwidth",
    "two\nlines\ttab", "=cmd()", "+1", "-2", "@x", "a|b", " blank ", "x" * 100, "שלום", "日本語", "::error::x",
]  # fmt: skip


def drawn(seed=0, n=120, names=NAMES):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, len(names), n)
    logits = (rng.normal(size=(n, len(names))) * 2 + 2 * np.eye(len(names))[target]).astype(np.float32)
    return logits, target


def probabilities(logits):
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def brute(probs, target, names=None):
    """Every mistake as a dict, from probabilities."""
    said, names = probs.argmax(axis=1), list(map(str, range(probs.shape[1]))) if names is None else names
    ordered = np.sort(probs, axis=1)
    return [
        {"row": int(i), "target": str(names[target[i]]), "pred": str(names[said[i]]),
         "confidence": ordered[i, -1], "margin": ordered[i, -1] - ordered[i, -2]}
        for i in np.flatnonzero(said != target)
    ]  # fmt: skip


def read(text):
    """Strict JSON lines."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert text == "" or text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def rows_of(run, *args, **more):
    done = run("errors", *args, "-f", "jsonl", **more)
    assert done.code == 0, done.stderr
    return read(done.stdout)


def same(found, wanted, *names):
    """The same rows; probabilities to 1e-6 of float32 logits, all else exactly."""
    for name in ("row", "target", "pred", *names):
        assert [row[name] for row in found] == [row[name] for row in wanted]
    for name in ("confidence", "margin"):
        np.testing.assert_allclose([r[name] for r in found], [r[name] for r in wanted], rtol=1e-6, atol=1e-7)


# Input


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


# Which rows


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


# Output


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
