"""``evalcli compare`` of regressions from files to exit codes, as a shell sees it."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

ROWS = 300


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three models of one truth, together in one table, alone in others, shuffled, and as arrays."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    target = rng.gamma(2.0, 30.0, ROWS)
    models = {name: target + rng.normal(0, spread, ROWS) for name, spread in (("a", 9), ("b", 7), ("c", 7.1))}
    ids = [f"r{i}" for i in range(ROWS)]
    pd.DataFrame({"id": ids, "target": target, **models}).to_csv("all.csv", index=False)
    pd.DataFrame({"id": ids, "target": target}).to_csv("t.csv", index=False)
    for number, (name, preds) in enumerate(models.items()):
        one = pd.DataFrame({"id": ids, "pred": preds})
        one.to_csv(f"{name}.csv", index=False)
        one.sample(frac=1.0, random_state=number).to_csv(f"mixed_{name}.csv", index=False)
        one.to_parquet(f"{name}.parquet")
        np.save(f"{name}.npy", preds)
    np.save("t.npy", target)
    pd.DataFrame({"target": target, "pred": models["a"]}).to_csv("whole.csv", index=False)
    pd.DataFrame({"target": np.floor(target) + 0.25, "pred": models["b"]}).to_csv("rounded.csv", index=False)
    pd.DataFrame({"target": np.floor(target), "pred": models["b"]}).to_csv("classes.csv", index=False)
    return tmp_path


def parsed(done):
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_every_way_to_name_two_models_gives_the_same(run, files) -> None:
    ways = [
        ("a.csv", "b.csv", "t.csv"),
        ("a.csv", "b.csv", "t.csv", "--id", "id"),
        ("mixed_a.csv", "mixed_b.csv", "t.csv", "--id", "id"),
        ("a.parquet", "b.csv", "--targets", "t.csv", "--id", "id"),
        ("all.csv", "--pred", "a,b"),
        ("a.npy", "b.npy", "t.npy"),
        ("a.npy", "b.npy", "t.npy", "--batch-size", "7", "--workers", "3"),
    ]
    found = [parsed(run("compare", *way, "-f", "json")) for way in ways]
    assert all(each["metrics"] == found[0]["metrics"] for each in found)
    assert [row["id"] for row in found[2]["rows"]] == [row["id"] for row in found[0]["rows"]]
    assert {row["kind"] for row in found[0]["rows"]} == {"broken", "fixed"}


def test_numbers_are_those_of_reports(run, files) -> None:
    found = parsed(run("compare", "a.csv", "b.csv", "t.csv", "-f", "json"))
    assert (found["task"], [*found["metrics"]]) == ("regression", ["rmse", "mae", "r2", "bias"])
    for place, name in enumerate("ab"):
        report = parsed(run("report", f"{name}.csv", "t.csv", "-f", "json"))
        for metric, row in found["metrics"].items():
            assert row["values"][place] == report["metrics"][metric]["value"]


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--noninferior", "rmse=0.5"), 0),
        (("--equivalent", "rmse=0.2"), 1),
        (("--noninferior", "rmse=0.5", "--equivalent", "bias=0.1"), 3),
        (("--equivalent", "rmse=50%"), 0),
        (("--noninferior", "max_error=0.1"), 2),
    ],
)
def test_gates_have_the_exit_codes_of_gates(run, files, gates, code) -> None:
    assert run("compare", "a.csv", "b.csv", "t.csv", "--quiet", *gates).code == code


def test_every_format_tells_of_it(run, files) -> None:
    outputs = [part for suffix in ("json", "csv", "md", "txt") for part in ("-o", f"out.{suffix}")]
    done = run("compare", "a.csv", "b.csv", "t.csv", *outputs)
    assert "B is better: −1.3, 95 % −2.3 to −0.4" in done.stdout
    assert "B is farther off by the most" in done.stdout
    assert (files / "out.txt").read_text().split() == done.stdout.split()
    assert "| rmse | " in (files / "out.md").read_text()
    rows = list(csv.DictReader(io.StringIO((files / "out.csv").read_text())))
    found = json.loads((files / "out.json").read_text())["metrics"]["rmse"]["differences"][1]
    (line,) = [row for row in rows if row["metric"] == "rmse" and row["model"] == "B"]
    assert float(line["difference"]) == found["value"]
    assert line["verdict"] == "better"


def test_a_league(run, files) -> None:
    found = parsed(run("compare", "all.csv", "--pred", "a,b,c", "-f", "json"))
    assert (found["kind"], found["reference"]) == ("league", 1)
    verdicts = [each and each["verdict"] for each in found["metrics"]["rmse"]["differences"]]
    assert verdicts == ["worse", None, "none"]
    assert "= no difference from B shown" in run("compare", "all.csv", "--pred", "a,b,c").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("a.csv", "b.csv", "t.csv", "-m", "accuracy"), "accuracy is a metric of"),
        (("a.csv", "b.csv", "t.csv", "-m", "rmse[x]"), "there is no output 'x'"),
        (("a.csv", "b.csv", "t.csv", "--task", "multiclass"), "no whole number"),
        (("whole.csv", "rounded.csv"), "targets differ from those of whole.csv (row 0: "),
        (("whole.csv", "classes.csv"), "the task is multiclass, that of whole.csv regression; say which with --task"),
        (("whole.csv", "classes.csv", "--independent"), "--task regression if both are values"),
    ],
)
def test_what_cannot_be_compared_is_one_line(run, files, args, said) -> None:
    done = run("compare", *args)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_rows_without_a_number(run, files) -> None:
    table = pd.read_csv("a.csv")
    table.loc[:2, "pred"] = np.nan
    table.to_csv("holes.csv", index=False)
    done = run("compare", "holes.csv", "b.csv", "t.csv")
    assert done.code == 2
    found = parsed(run("compare", "holes.csv", "b.csv", "t.csv", "--nan", "drop", "-f", "json"))
    assert (found["n"], found["left_out"]) == (ROWS - 3, 3)


def test_a_stream_is_read_as_often_as_needed(spawn, files) -> None:
    done = spawn("compare", "-", "b.csv", "t.csv", "-f", "json", cwd=files, input=(files / "a.csv").read_text())
    straight = spawn("compare", "a.csv", "b.csv", "t.csv", "-f", "json", cwd=files)
    assert json.loads(done.stdout)["metrics"] == json.loads(straight.stdout)["metrics"]
