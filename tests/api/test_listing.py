"""``evalcli.list_mistakes``: the same rows as the command line lists, from arrays, frames and files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from saved_files import save

import evalcli
from evalcli.errors import UsageError


def scored(seed=0, n=80):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, n)
    return rng.normal(size=(n, 3)) + np.eye(3)[target], target


def command(run, *args):
    done = run("errors", *args, "-f", "jsonl")
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_arrays_and_files_give_the_rows_of_the_command_line(run, tmp_path):
    logits, target = scored()
    path = str(save(tmp_path / "x.npz", {"logits": logits, "target": target}))
    for options, flags in (
        ({}, []),
        ({"most_confident": True}, ["--most-confident"]),
        ({"suspect_labels": True}, ["--suspect-labels"]),
        ({"pair": "0:1", "class_": 2}, ["--pair", "0:1", "--class", "2"]),
        ({"class_": ["1", 2]}, ["--class", "1", "--class", "2"]),
    ):
        wanted = command(run, path, *flags)
        assert len(wanted) > 3
        assert evalcli.list_mistakes(logits, target, limit=None, **options) == wanted
        assert evalcli.list_mistakes(path, limit=0, **options) == wanted
        assert evalcli.list_mistakes(path, limit=3, workers=2, **options) == wanted[:3]


def test_values_and_labels_of_frames(run, tmp_path):
    rng = np.random.default_rng(1)
    columns = {f"y_{name}": rng.normal(size=50).round(2) for name in ("price", "rating")}
    columns |= {f"p_{name[2:]}": column + rng.normal(size=50).round(2) for name, column in columns.items()}
    path = str(save(tmp_path / "x.csv", columns))
    wanted = [row for row in command(run, path, "--task", "regression", "--relative", "--class", "price")
              if row.pop("line")]  # fmt: skip
    found = evalcli.list_mistakes(pd.DataFrame(columns), task="regression", relative=True, class_="price")
    assert found == wanted
    assert len(wanted) == 20
    flags = {f"y_{name}": rng.integers(0, 2, 50) for name in ("cat", "dog")}
    flags |= {f"p_{name}": rng.random(50).round(2) for name in ("cat", "dog")}
    path = str(save(tmp_path / "y.csv", flags))
    wanted = [row for row in command(run, path, "--most-confident", "--threshold", "0.3") if row.pop("line")]
    found = evalcli.list_mistakes(pd.DataFrame(flags), limit=None, most_confident=True, threshold=0.3)
    assert found == wanted
    assert len(pd.DataFrame(found)) == len(wanted)


def test_weights_ids_and_further_columns(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "c"], "pred": ["x", "y", "x"], "target": ["x", "x", "y"], "w": [1, 2, 3]})
    weighed = [{"row": 1, "target": "x", "pred": "y", "confidence": None, "margin": None, "weight": 2.0},
               {"row": 2, "target": "y", "pred": "x", "confidence": None, "margin": None, "weight": 3.0}]  # fmt: skip
    assert evalcli.list_mistakes(frame, "target", pred="pred", weight="w") == weighed
    frame.to_parquet(tmp_path / "x.parquet")
    rows = evalcli.list_mistakes(tmp_path / "x.parquet", id="id", show="w", where="w > 1")
    assert [(row["id"], row["w"]) for row in rows] == [("b", 2), ("c", 3)]


def test_errors_speak_of_keywords():
    with pytest.raises(UsageError, match="most_confident=: a value has no confidence"):
        evalcli.list_mistakes([0.5, 1.5], [0.25, 1.75], most_confident=True)
    with pytest.raises(UsageError, match="class_=: there is no class 'z'"):
        evalcli.list_mistakes(["a", "b"], ["a", "a"], class_="z")
    with pytest.raises(UsageError, match="nan='drp'"):
        evalcli.list_mistakes([0, 1], [0, 0], nan="drp")
    with pytest.raises(UsageError, match="most_confident= orders mistakes, suspect_labels= lists labels"):
        evalcli.list_mistakes(*scored(), most_confident=True, suspect_labels=True)
    for limit in (-1, 2.0):
        with pytest.raises(UsageError, match=f"limit={limit}; give a number of rows"):
            evalcli.list_mistakes([0, 1], [0, 0], limit=limit)
