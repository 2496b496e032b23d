"""What ``evalcli inspect`` says is what ``evalcli report`` does."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pandas as pd
import pytest
import torch
from saved_files import save

NAMES = np.array(["cat", "dog", "owl"])
TRUTH = np.arange(30) % 3
SCORES = np.random.default_rng(1).dirichlet([1, 1, 1], 30)


@pytest.fixture
def look(run):
    def seen(path, *args):
        result = run("inspect", path, "-f", "json", *args)
        assert result.code == 0, result.stderr
        return json.loads(result.stdout)

    return seen


@pytest.fixture
def follow(run):
    """The command that was suggested, with what only the user knows filled in."""

    def followed(command, **known):
        for placeholder, value in known.items():
            command = command.replace(placeholder, value)
        return run(*shlex.split(command)[1:], "-f", "json")

    return followed


def lists(path):
    frame = pd.DataFrame({"scores": SCORES.tolist(), "target": NAMES[TRUTH]})
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_json(path, orient="records", lines=True)
    return path


def test_all_rows_of_a_long_file_are_counted(tmp_path, look):
    rows = 1500
    pd.DataFrame({"target": ["a", "b", "c"] * 500, "pred": ["a", "b", "c"] * 500}).to_parquet(tmp_path / "a.parquet")
    seen = look(tmp_path / "a.parquet")
    assert (seen["rows"], seen["looked"]) == (rows, 1000)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_lists_of_scores_beside_names_ask_for_the_names(tmp_path, look, follow, suffix):
    seen = look(lists(tmp_path / f"a{suffix}"))
    assert "a list of 3 scores for each row" in seen["reading"]
    assert seen["command"].endswith("--labels a,b,c")
    assert follow(seen["command"], **{"a,b,c": "cat,dog,owl"}).code == 0


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".csv", ".parquet"])
def test_a_negative_target_is_offered_as_the_label_to_ignore(tmp_path, look, follow, suffix):
    target = np.where(np.arange(30) % 5 == 0, -100, TRUTH)
    seen = look(save(tmp_path / f"a{suffix}", {"logits": SCORES, "target": target}))
    found = follow(seen["command"])
    if suffix in (".pt", ".npz"):
        assert seen["command"].endswith("--ignore-index -100")
        assert json.loads(found.stdout)["n"] == 24


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_numbers_against_names_are_not_called_readable(tmp_path, look, follow, suffix):
    seen = look(save(tmp_path / f"a{suffix}", {"pred": TRUTH, "target": NAMES[TRUTH]}))
    assert "cannot be evaluated as it is" in seen["reading"]
    assert "names on one side, numbers on the other" in seen["reading"]
    found = follow(seen["command"], **{"a,b,c": "cat,dog,owl"})
    assert json.loads(found.stdout)["metrics"]["accuracy"]["value"] == 1


READINGS = [
    ({"pred": NAMES[TRUTH], "target": NAMES[TRUTH]}, "multiclass, labels, 3 classes (cat, dog, owl)"),
    ({"p": SCORES, "target": TRUTH}, "multiclass, probs, 3 classes (0, 1, 2)"),
    ({"score": SCORES[:, 0], "target": TRUTH % 2}, "binary, probs, 2 classes (0, 1), positive '1'"),
    ({"logits": SCORES[:, 0] * 9 - 3, "target": TRUTH % 2}, "binary, logits, 2 classes (0, 1), positive '1'"),
]


@pytest.mark.parametrize(("columns", "reading"), READINGS)
def test_the_reading_is_that_of_the_report(tmp_path, look, follow, columns, reading):
    seen = look(save(tmp_path / "a.csv", columns))
    assert seen["reading"] == reading
    report = json.loads(follow(seen["command"]).stdout)
    assert seen["reading"].startswith(f"{report['task']}, {report['scores']}, {len(report['classes'])} classes")


def test_only_the_first_rows_are_read(tmp_path, look):
    path = tmp_path / "a.csv"
    path.write_text("target,pred\n" + "a,a\nb,b\nc,c\n" * 400 + "a,\n")
    seen = look(path)
    assert (seen["rows"], seen["looked"]) == (None, 1000)
    assert seen["reading"] == "multiclass, labels, 3 classes (a, b, c)"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_an_index_without_a_name_is_shown_and_not_in_the_way(tmp_path, run, suffix):
    frame = pd.DataFrame({"pred": NAMES[TRUTH], "target": NAMES[TRUTH]})
    frame.to_csv(tmp_path / "a.csv") if suffix == ".csv" else frame.to_excel(tmp_path / "a.xlsx")
    result = run("inspect", tmp_path / f"a{suffix}")
    assert result.code == 0, result.stderr
    assert "(no name)" in result.stdout
    assert "3 classes (cat, dog, owl)" in result.stdout


@pytest.mark.parametrize("suffix", [".csv", ".pt", ".xlsx", ".dta", ".parquet"])
def test_standard_input(tmp_path, spawn, suffix):
    path = save(tmp_path / f"a{suffix}", {"pred": NAMES[TRUTH], "target": NAMES[TRUTH]})
    with path.open("rb") as stream:
        result = spawn("inspect", "-", stdin=stream)
    assert result.code == 0, result.stderr
    assert result.stdout.startswith(f"-: {suffix[1:]}, 30 rows")
    assert result.stdout.endswith("3 classes (cat, dog, owl)\nRun:     evalcli report -\n")
    assert "evalcli-stdin" not in result.stdout


def test_one_side_alone(tmp_path, look):
    said = save(tmp_path / "p.csv", {"id": TRUTH, "pred": TRUTH})
    assert look(said)["command"] == f"evalcli report {said} TARGETS"
    truth = save(tmp_path / "t.parquet", {"label": TRUTH, "region": TRUTH})
    assert look(truth)["command"] == f"evalcli report PREDS {truth}"


def test_batches_and_bare_arrays(tmp_path, look):
    torch.save([{"logits": torch.ones(2, 3) / 3, "target": torch.ones(2).long()}] * 3, tmp_path / "a.pt")
    found = look(tmp_path / "a.pt")
    assert [entry["shape"] for entry in found["entries"]] == [[6, 3], [6]]
    assert found["reading"].startswith("multiclass, probs, 3 classes")
    np.savez(tmp_path / "a.npz", TRUTH, TRUTH)
    assert look(tmp_path / "a.npz")["command"].endswith("--target NAME --pred NAME")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_called_as_the_classes_are_offered_as_scores(tmp_path, look, follow, suffix):
    frame = pd.DataFrame(SCORES, columns=NAMES)
    alone, both, truth = (tmp_path / f"{name}{suffix}" for name in ("alone", "both", "truth"))
    for path, kept in (
        (alone, frame),
        (both, frame.assign(label=NAMES[TRUTH])),
        (truth, pd.DataFrame({"label": NAMES[TRUTH]})),
    ):
        kept.to_csv(path, index=False) if suffix == ".csv" else kept.to_parquet(path)
    found = look(both)
    assert found["reading"] == "multiclass, probs, 3 classes (cat, dog, owl)"
    found = look(alone), found
    assert found[0]["reading"] == "scores of 3 classes; the truth is missing"
    reports = [follow(each["command"], TARGETS=str(truth)) for each in found]
    assert [report.code for report in reports] == [0, 0]
    assert len({json.dumps(json.loads(report.stdout)["metrics"]) for report in reports}) == 1
    frame.assign(label=NAMES[TRUTH]).set_axis([1, 2, 3, "label"], axis=1).rename(columns=str).to_csv(
        tmp_path / "odd.csv"
    )
    assert (
        look(tmp_path / "odd.csv")["reading"] == "the truth; predictions are missing"
    )  # numbers that are no scores of these classes
