"""The mistakes of several labels a row and the errors of a regression as files, on screens and in pipes."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from saved_files import TABLES, TENSORS, save

NAMES = ("cat", "dog", "owl")


def values(seed=0, shape=(120, 2)):
    rng = np.random.default_rng(seed)
    target = (rng.normal(size=shape) * 100).round(2)
    return (target + rng.normal(size=shape) * 10).round(2), target


def labels(seed=0, n=120):
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 3)) < 0.4).astype(np.int64)
    return np.clip(rng.random((n, 3)) * 0.7 + target * 0.3, 0, 1).round(3), target


def columns(suffix, **sides):
    """The sides as a tensor file holds them, or column by column as a table does."""
    if suffix in TENSORS:
        return sides
    names = {"preds": "p", "target": "y"}
    found = {}
    for side, array in sides.items():
        flat = array if array.ndim == 2 else array[:, None]
        for i in range(flat.shape[1]):
            found[side if array.ndim == 1 else f"{names[side]}_{NAMES[i]}"] = flat[:, i]
    return found


def rows_of(run, *args, **more):
    done = run("errors", *args, "-f", "jsonl", **more)
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def off(preds, target, names):
    """Every value that is off by hand: row, output, target, prediction, error; the largest first."""
    rows = [(i, names[j], target[i, j], preds[i, j], preds[i, j] - target[i, j])
            for i, j in np.ndindex(*target.shape) if preds[i, j] != target[i, j]]  # fmt: skip
    return sorted(rows, key=lambda row: -abs(row[-1]))


def wrong(probs, target, names):
    """Every wrong cell by hand."""
    return [(i, names[j], target[i, j], int(probs[i, j] >= 0.5), probs[i, j])
            for i, j in np.ndindex(*target.shape) if (probs[i, j] >= 0.5) != target[i, j]]  # fmt: skip


SUFFIXES = [*TENSORS, *TABLES]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("outputs", [1, 2])
def test_errors_of_a_regression_in_every_format(run, tmp_path, suffix, outputs):
    preds, target = values(shape=(120, outputs))
    sides = {"preds": preds, "target": target}
    if outputs == 1:
        sides = {name: side[:, 0] for name, side in sides.items()}
    keys = {} if suffix == ".safetensors" else {"id": np.array([f"k{i}" for i in range(120)])}
    path = save(tmp_path / f"x{suffix}", columns(suffix, **sides) | keys)
    found = rows_of(run, path, "--task", "regression", "--limit", "all")
    wanted = off(preds, target, ("0", "1") if suffix in TENSORS else NAMES)
    assert [(r["row"], r.get("output", wanted[0][1]), r["target"], r["pred"], r["error"]) for r in found] == wanted
    assert all(row["absolute_error"] == abs(row["error"]) for row in found)
    assert all(row["relative_error"] == abs(row["error"]) / abs(row["target"]) for row in found)
    assert not keys or [row["id"] for row in found] == [f"k{row['row']}" for row in found]
    short = rows_of(run, path, "--task", "regression")
    assert short == found[:20]
    first = save(tmp_path / f"p{suffix}", columns(suffix, preds=sides["preds"]))
    second = save(tmp_path / f"t{suffix}", columns(suffix, target=sides["target"]))
    apart = rows_of(run, first, second, "--task", "regression")
    assert [row | {"id": None} for row in apart] == [row | {"id": None} for row in short]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wrong_cells_in_every_format(run, tmp_path, suffix):
    probs, target = labels()
    keys = {} if suffix == ".safetensors" else {"id": np.array([f"k{i}" for i in range(120)])}
    path = save(tmp_path / f"x{suffix}", columns(suffix, preds=probs, target=target) | keys)
    found = rows_of(run, path, "--task", "multilabel")
    wanted = wrong(probs, target, ("0", "1", "2") if suffix in TENSORS else NAMES)
    assert [tuple(r[key] for key in ("row", "label", "target", "pred", "score")) for r in found] == wanted
    assert all(row["margin"] == abs(row["score"] - 0.5) for row in found)
    assert not keys or [row["id"] for row in found] == [f"k{row['row']}" for row in found]
    first = save(tmp_path / f"p{suffix}", columns(suffix, preds=probs))
    second = save(tmp_path / f"t{suffix}", columns(suffix, target=target))
    apart = rows_of(run, first, second, "--task", "multilabel")
    assert [row | {"id": None} for row in apart] == [row | {"id": None} for row in found]
    report = json.loads(run("report", path, "--task", "multilabel", "-f", "json", "-m", "hamming_loss").stdout)
    document = json.loads(run("errors", path, "--task", "multilabel", "-f", "json").stdout)
    loss = report["metrics"]["hamming_loss"]["value"]
    assert document["wrong"] / document["elements"] == pytest.approx(loss, rel=1e-15)
    assert document["inputs"] == report["inputs"]


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_batches_and_workers_leave_no_trace(run, tmp_path, suffix, task):
    sides = dict(zip(("preds", "target"), values() if task == "regression" else labels(), strict=True))
    sides = {name: side.round(1 - (task == "regression")) for name, side in sides.items()}  # ties
    path = save(tmp_path / f"x{suffix}", columns(suffix, **sides) | {"id": np.arange(120)})
    order = ["--relative"] if task == "regression" else ["--most-confident"]
    for more in ([], order):
        texts = {
            run("errors", path, "--task", task, *more, "-f", "csv", "--batch-size", size, "--workers", workers).stdout
            for size, workers in ((1, 1), (7, 3), ("100k", 4))
        }
        assert len(texts) == 1
        assert texts.pop().count("\n") > 15


def test_tables_pair_by_id_and_rows_are_filtered(run, tmp_path):
    preds, target = values()
    keys = np.array([f"k{i:03}" for i in range(120)])
    order = np.random.default_rng(1).permutation(120)
    save(tmp_path / "p.csv", {"key": keys[order], "p_cat": preds[order, 0], "p_dog": preds[order, 1]})
    save(tmp_path / "t.csv", {"key": keys, "y_cat": target[:, 0], "y_dog": target[:, 1], "part": np.arange(120) % 2})
    args = ("p.csv", "t.csv", "--id", "key", "--task", "regression", "--limit", "all")
    found = rows_of(run, *args, "--where", "part = 1", "--show", "part", "--class", "dog")
    wanted = [row for row in off(preds, target, NAMES) if row[0] % 2 and row[1] == "dog"]
    assert [(row["id"], row["target"], row["pred"]) for row in found] == [(keys[i], t, p) for i, _, t, p, _ in wanted]
    assert [row["row"] for row in found] == [order.tolist().index(i) for i, *_ in wanted]
    assert {row["part"] for row in found} == {"1"}
    assert [row["line"] for row in found] == [row["row"] + 2 for row in found]


def test_sets_of_labels(run, tmp_path):
    lines = [{"id": "a", "target": ["cat", "dog"], "pred": ["cat"]}, {"id": "b", "target": [], "pred": ["owl"]},
             {"id": "c", "target": ["owl"], "pred": ["owl"]}]  # fmt: skip
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = rows_of(run, "x.jsonl")
    assert [(row["id"], row["label"], row["target"], row["pred"]) for row in found] == [
        ("a", "dog", 1, 0),
        ("b", "owl", 0, 1),
    ]
    assert {row["score"] for row in found} == {None}
    assert "  task      multilabel, 3 labels, 0 and 1\n" in run("errors", "x.jsonl", "-f", "rich").stdout


@pytest.mark.parametrize(("gone", "said"), [(0, "20.0%"), (1, "25.0%, 1 row ignored"), (2, "33.3%, 2 rows ignored")])
def test_rows_that_were_left_out_are_counted_apart_from_labels(run, tmp_path, gone, said):
    right, wrong, empty = "1,0,0.9,0.1\n", "1,0,0.1,0.9\n", ",,0.5,0.5\n"
    (tmp_path / "x.csv").write_text("y_a,y_b,p_a,p_b\n" + empty * gone + right * (4 - gone) + wrong)
    shown = run("errors", "x.csv", "--task", "multilabel", "--nan", "drop", "-f", "rich").stdout
    assert f"  wrong     2 of {10 - 2 * gone} labels, {said}\n" in shown


def test_saved_thresholds_of_labels(run, tmp_path):
    probs, target = labels(1)
    path = save(tmp_path / "x.csv", columns(".csv", preds=probs, target=target))
    assert run("tune", path, "-o", "t.json").code == 0
    cuts = [one["threshold"] for one in json.loads((tmp_path / "t.json").read_text())["labels"]]
    found = rows_of(run, path, "--threshold", "@t.json")
    assert [(row["row"], row["label"]) for row in found] == [
        (i, NAMES[j]) for i, j in np.ndindex(*target.shape) if (probs[i, j] >= cuts[j]) != target[i, j]
    ]
    assert {row["margin"] for row in found} == {abs(row["score"] - cuts[NAMES.index(row["label"])]) for row in found}


def test_a_regression_lists_the_worst_in_every_format_and_says_that_there_are_more(run, tmp_path):
    preds, target = values(2, (50, 1))
    path = save(tmp_path / "x.csv", {"pred": preds[:, 0], "target": target[:, 0]})
    said = "evalcli: note: the 20 largest of 50 errors; --limit all lists them all\n"
    done = run("errors", path, "-o", "x.jsonl", "-f", "csv")
    assert (len(list(csv.reader(io.StringIO(done.stdout)))), done.stderr) == (21, said)
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 20
    assert run("errors", path, "--limit", 0, "-f", "csv").stderr == ""
    shown = run("errors", path, "-f", "rich")
    assert shown.stderr == ""
    assert "  not exact 50 of 50 rows, 100.0%\n  listed    20, the largest error first\n" in shown.stdout
    assert "  30 more: --limit all lists them here\n" in shown.stdout
    document = json.loads(run("errors", path, "-f", "json", "--relative").stdout)
    facts = {"order": "relative error", "wrong": 50, "matching": 50, "listed": 20, "elements": 50, "n": 50}
    assert {key: document[key] for key in facts} == facts


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_numbers_are_whole_on_every_screen(run, tmp_path, width):
    preds, target = values(3)
    path = save(tmp_path / "x.csv", columns(".csv", preds=preds, target=target) | {"id": np.arange(120)})
    found = rows_of(run, path.name, "--task", "regression", "--limit", 4)
    shown = run("errors", path.name, "--task", "regression", "-f", "rich", "--limit", 4, env={"COLUMNS": str(width)})
    assert all(f"{row['error']:.6g}" in shown.stdout for row in found)
    assert max(map(len, shown.stdout.splitlines())) <= max(width, 45)
    probs, target = labels()
    path = save(tmp_path / "y.csv", columns(".csv", preds=probs, target=target) | {"id": np.arange(120)})
    shown = run("errors", path.name, "-f", "rich", "--most-confident", env={"COLUMNS": str(width)}).stdout
    assert "  task      multilabel, 3 labels, probs\n" in shown
    found = rows_of(run, path.name, "--most-confident", "--limit", 20)
    assert all(f"{row['score']:.4f}" in shown for row in found)


def test_what_a_task_does_not_have_is_told_in_a_line(run, tmp_path):
    probs, target = labels()
    save(tmp_path / "x.csv", columns(".csv", preds=probs, target=target))
    for args, words in (
        (("--pair", "cat:dog"), "use --class LABEL; a miss has the target 1 and the pred 0"),
        (("--class", "catt"), "there is no label 'catt'; did you mean 'cat'? labels are 'cat', 'dog', 'owl'"),
        (("--relative",), "--relative: a label is right or wrong, and this task is multilabel"),
    ):
        done = run("errors", "x.csv", *args)
        assert (done.code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert words in done.stderr


def test_large_values_are_told_apart_on_the_screen(run, tmp_path):
    path = str(save(tmp_path / "x.csv", {"target": np.array([2500000.5]), "pred": np.array([2500123.5])}))
    done = run("errors", path, "--task", "regression", "-f", "rich")
    assert "2500000  2500124    123             123" in done.stdout
    assert "1 of 1 row, 100.0%" in done.stdout
