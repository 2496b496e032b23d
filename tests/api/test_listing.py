"""``evalcli.list_mistakes``: the same rows as the command line lists, from arrays, frames and files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from saved_files import save

import evalcli
from evalcli.errors import InputError, UsageError


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
    weighed = [
        {"row": 1, "id": "b", "target": "x", "pred": "y", "confidence": None, "margin": None, "weight": 2.0},
        {"row": 2, "id": "c", "target": "y", "pred": "x", "confidence": None, "margin": None, "weight": 3.0},
    ]
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
    for pair in ((1, 0), [(1, 0)], 1):
        with pytest.raises(UsageError, match=r"is no pair; write it as pair='cat:dog', and several in a list"):
            evalcli.list_mistakes([0, 1], [0, 0], pair=pair)
    for limit in (-1, 2.0, True):
        with pytest.raises(UsageError, match=f"limit={limit}; give a number of rows"):
            evalcli.list_mistakes([0, 1], [0, 0], limit=limit)


def beside():
    columns = {"key": [7, 8, 9, 10], "pred": ["x", "y", "x", "y"], "target": ["x", "x", "y", "x"]}
    return columns | {"text": ["p", None, "q", "r"], "size": [0.5, 1.5, 2.5, 3.5], "row": [4, 5, 6, 7]}


def kinds_of_frames():
    import polars as pl
    import pyarrow as pa

    columns = beside()
    shuffled = pd.DataFrame(columns, index=[3, 1, 0, 2])  # rows are counted as they stand
    arrays = columns | {"size": np.array(columns["size"], np.float32)}
    return pd.DataFrame(columns), shuffled, pl.DataFrame(columns), pa.table(columns), columns, arrays


@pytest.mark.parametrize("kind", range(6))
def test_frames_in_memory_show_their_columns_as_files_do(run, tmp_path, kind):
    frame = kinds_of_frames()[kind]
    path = str(save(tmp_path / "x.parquet", beside()))
    flags = [flag for name in ("text", "size", "row") for flag in ("--show", name)]
    wanted = command(run, path, "--id", "key", *flags)
    assert [(row["row"], row["id"] if "id" in row else row["key"]) for row in wanted] == [(1, 8), (2, 9), (3, 10)]
    assert [(row["text"], row["size"], row["show.row"]) for row in wanted] == [
        (None, 1.5, 5),
        ("q", 2.5, 6),
        ("r", 3.5, 7),
    ]
    assert evalcli.list_mistakes(frame, id="key", show=["text", "size", "row"]) == wanted
    plain = evalcli.list_mistakes(frame)  # 'key' is a usual name of ids
    assert plain == command(run, path)


def test_what_no_frame_can_show_is_said(run):
    frame = pd.DataFrame(beside() | {"odd": [{}, {}, {}, {}]})
    with pytest.raises(UsageError, match="show=: no column 'txt'; did you mean 'text'"):
        evalcli.list_mistakes(frame, show="txt")
    with pytest.raises(InputError, match="holds dict"):
        evalcli.list_mistakes(frame, show="odd")
    with pytest.raises(UsageError, match="there is no named column"):
        evalcli.list_mistakes([0, 1], [0, 0], show="text")
    with pytest.raises(UsageError, match="show= text: 3 entries for 4 rows"):
        evalcli.list_mistakes(beside() | {"text": ["a", "b", "c"]}, show="text")
    ids = [object() for _ in range(4)]  # of no kind that has a text: not taken for ids
    assert len(evalcli.list_mistakes(pd.DataFrame(beside() | {"key": ids}))) == 3


def test_rows_in_memory_are_not_chosen_by_sql_nor_paired_by_id():
    frame = pd.DataFrame({"target": [0, 1, 1, 0], "pred": [0, 1, 0, 0], "key": [1, 2, 3, 4]})
    for call in (evalcli.list_mistakes, evalcli.evaluate, lambda one, **more: evalcli.compare(one, one, **more)):
        with pytest.raises(UsageError, match="where= keeps rows of table files"):
            call(frame, where="key > 2")
    for call in (evalcli.evaluate, lambda one, **more: evalcli.compare(one, one, **more)):
        with pytest.raises(UsageError, match="id= pairs two table files"):
            call(frame, id="key")


def test_a_limit_may_be_a_number_of_numpy():
    assert len(evalcli.list_mistakes([0, 1, 1], [0, 0, 0], limit=np.int64(1))) == 1
