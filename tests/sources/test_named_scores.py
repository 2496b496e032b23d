"""Scores whose cells name their classes: every form reports as a column for each class does, or is refused."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalcli import evaluate
from evalcli.errors import InputError
from evalcli.sources import jsonlines

CLASSES = ["10", "9", 'a "b"', "it's", "é"]
ROWS = 60


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    scores = rng.dirichlet(np.ones(len(CLASSES)), ROWS)
    truth = [CLASSES[i] for i in (scores + rng.dirichlet(np.ones(len(CLASSES)), ROWS)).argmax(1)]
    return pd.DataFrame({"target": truth, **{f"p_{name}": scores[:, i] for i, name in enumerate(CLASSES)}})


def rows_of(frame, form):
    """What a pipeline would have given, the surest first."""
    found = []
    for _, row in frame.iterrows():
        named = sorted(((name, row[f"p_{name}"]) for name in CLASSES), key=lambda each: -each[1])
        pairs = [{"label": name, "score": score} for name, score in named]
        cells = {
            "object": {"scores": dict(named)},
            "map": {"scores": dict(named)},
            "pairs": {"scores": pairs},
            "beside": {"labels": [name for name, _ in named], "scores": [score for _, score in named]},
            "answer": {"pred": pairs[0]},
            "first": {"pred": pairs[:1]},
            "bare": {"values": pairs},
        }
        found.append({"target": row["target"], **cells[form]})
    return found


def write(path, rows, form):
    """The rows as a file; ``bare`` without a key, where the truth is another file."""
    if path.suffix == ".parquet":
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        if form == "map":
            kind = pa.map_(pa.string(), pa.float64())
            columns["scores"] = pa.array([[*cell.items()] for cell in columns["scores"]], kind)
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row["values"] if form == "bare" else row) for row in rows))
    else:
        path.write_text(json.dumps([row["values"] if form == "bare" else row for row in rows]))
    if form != "bare":
        return str(path), None
    truth = path.with_suffix(".csv")
    truth.write_text("target\n" + "\n".join(f'"{row["target"].replace(chr(34), 2 * chr(34))}"' for row in rows))
    return str(path), str(truth)


def numbers(report):
    found = json.loads(report.to_json())
    return [found[name] for name in ("classes", "metrics", "per_class")]


FORMS = [
    *product(("object", "pairs", "beside", "answer", "first"), (".jsonl", ".json", ".parquet")),
    *(("bare", ".jsonl"), ("bare", ".json"), ("map", ".parquet")),
]


@pytest.mark.parametrize(("form", "suffix"), FORMS)
def test_every_form_reports_as_columns(tmp_path, frame, form, suffix, monkeypatch):
    plain = frame
    if form in ("answer", "first"):
        best = frame.filter(like="p_").to_numpy().argmax(1)
        plain = pd.DataFrame({"target": frame["target"], "pred": [CLASSES[i] for i in best]})
    monkeypatch.setattr(jsonlines, "SAMPLE_BYTES", 500)
    found = evaluate(*write(tmp_path / f"x{suffix}", rows_of(frame, form), form), resamples=100)
    plain.to_csv(tmp_path / "plain.csv", index=False)
    assert numbers(found) == numbers(evaluate(str(tmp_path / "plain.csv"), resamples=100))


@pytest.mark.parametrize("form", ["object", "pairs", "beside", "answer", "first", "bare"])
def test_every_form_in_memory_reports_as_its_file(tmp_path, frame, form):
    rows = rows_of(frame, form)
    if form == "bare":
        cells, truth = [row["values"] for row in rows], frame["target"]
        sides = [(cells, truth), (pd.Series(cells), truth), (pl.Series(cells), truth)]
    else:
        held = pd.DataFrame(rows)
        sides = [(held,), (pl.DataFrame(rows),), (pa.Table.from_pylist(rows),), (held.to_dict("list"),)]
        if form in ("object", "pairs"):  # pandas then has arrays for lists, and a column that means nothing here
            write(tmp_path / "x.parquet", rows, form)
            sides.append((pd.read_parquet(tmp_path / "x.parquet").assign(meta=[{"at": i} for i in range(ROWS)]),))
    expected = numbers(evaluate(*write(tmp_path / "x.jsonl", rows, form), confidence=None))
    for each in sides:
        assert numbers(evaluate(*each, confidence=None)) == expected


def test_rows_in_memory_of_other_classes_are_named(frame):
    rows = rows_of(frame, "pairs")
    rows[40]["scores"].pop()
    with pytest.raises(InputError, match=r"scores of other classes than those of row 0: without .* \(row 40\); keep"):
        evaluate(pd.DataFrame(rows))
    meta = pd.DataFrame({"pred": [1, 0], "target": [1, 1], "meta": [{"a": 1, "b": 2}, {"c": 1, "d": 2}]})
    assert evaluate(meta)["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("form", "change", "told"),
    [
        (
            "object",
            lambda row: row["scores"].pop("9"),
            "'scores' holds scores of other classes than those of line 1 of .*: without '9'",
        ),
        ("object", lambda row: row["scores"].update(new=0.1), "with 'new'"),
        ("object", lambda row: row["scores"].update({"9": "x"}), "'scores' is object, earlier it was scores by name"),
        ("pairs", lambda row: row["scores"].pop(), "keep the score of every class in every row: .* top_k=None"),
        ("pairs", lambda row: row["scores"].append(row["scores"][0]), "the class .* twice"),
        ("beside", lambda row: row["labels"].__setitem__(0, "new"), "'labels' are not the classes of 'scores'"),
        ("first", lambda row: row["pred"].append({"label": "9", "score": 0.1}), "earlier it was the one label"),
        ("answer", lambda row: row.update(pred=3), "'pred' is integer, earlier it was a label with its score"),
    ],
)
def test_a_row_of_other_classes_is_named(tmp_path, frame, form, change, told, monkeypatch):
    rows = rows_of(frame, form)
    change(rows[40])
    monkeypatch.setattr(jsonlines, "SAMPLE_BYTES", 500)
    path = write(tmp_path / "x.jsonl", rows, form)[0]
    with pytest.raises(InputError, match=told) as caught:
        evaluate(path)
    assert "line 41" in str(caught.value)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_rows_cut_at_their_best_scores_say_so(tmp_path, frame, suffix):
    rows = rows_of(frame, "pairs")
    for row in rows:
        del row["scores"][2:]
    with pytest.raises(InputError, match=r"'scores' holds scores of other classes .* top_k=None"):
        evaluate(write(tmp_path / f"x{suffix}", rows, "pairs")[0])


def test_rows_of_parquet_that_differ_far_down_are_found(tmp_path, frame):
    rows = [*(rows_of(frame, "map") * 20), {"target": "9", "scores": {"9": 1.0}}]
    with pytest.raises(InputError, match="'scores' holds scores of other classes than in the first rows; keep"):
        evaluate(write(tmp_path / "x.parquet", rows, "map")[0])


def test_an_answer_is_not_taken_for_the_truth(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"label": "yes", "score": 0.9}\n{"label": "no", "score": 0.8}\n')
    (tmp_path / "t.csv").write_text("target\nyes\nno\n")
    paths = str(tmp_path / "x.jsonl"), str(tmp_path / "t.csv")
    with pytest.raises(InputError, match="an answer and how sure the model was of it"):
        evaluate(*paths)
    assert evaluate(*paths, pred="label", positive="yes")["accuracy"] == 1.0


def test_objects_are_several_labels_a_row(tmp_path):
    rows = [{"target": {"a": i % 2 == 0, "b": i % 3 == 0}, "pred": {"b": 0.1 * (i % 7), "a": 0.9}} for i in range(12)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flat = [{f"y_{k}": int(row["target"][k]) for k in "ab"} | {f"p_{k}": row["pred"][k] for k in "ab"} for row in rows]
    (tmp_path / "y.jsonl").write_text("\n".join(map(json.dumps, flat)))
    found, wanted = (
        evaluate(str(tmp_path / name), task="multilabel", resamples=100) for name in ("x.jsonl", "y.jsonl")
    )
    assert numbers(found) == numbers(wanted)


def test_numbered_labels_are_classes_by_their_numbers(tmp_path):
    pairs = [{"label": "LABEL_1", "score": 0.9}, {"label": "LABEL_0", "score": 0.1}]
    lines = [json.dumps({"target": i % 2, "scores": pairs}) for i in range(6)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    found = evaluate(str(tmp_path / "x.jsonl"), pred="scores.LABEL_*", confidence=None)
    assert (found.classes, found["accuracy"], found.data.positive) == (("0", "1"), 0.5, "1")


def test_lines_of_scores_are_known_by_what_they_are(tmp_path, run, frame):
    path, truth = write(tmp_path / "x.jsonl", rows_of(frame, "bare"), "bare")
    (tmp_path / "y").write_bytes((tmp_path / "x.jsonl").read_bytes())
    named, nameless = (run("report", one, truth, "-m", "accuracy", "-f", "json") for one in (path, tmp_path / "y"))
    assert numbers_of(named) == numbers_of(nameless)


def numbers_of(seen):
    assert seen.code == 0, seen.stderr
    return json.loads(seen.stdout)["metrics"]
