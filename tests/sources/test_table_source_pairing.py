"""Rows of two tables that belong together, and rows that are chosen."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from table_sources import joined, open_source, pairs, write_csv, write_parquet

from evalcli.errors import EmptyError, InputError, UsageError


def test_ids_join_in_the_order_of_the_predictions(tmp_path):
    rng = random.Random(5)
    ids = [f"s{i}" for i in range(5000)]
    truth = {each: rng.choice("abc") for each in ids}
    scores = {each: rng.random() for each in ids}
    shuffled = ids[:]
    rng.shuffle(shuffled)
    preds = write_csv(tmp_path / "p.csv", ["name", "score"], [(i, repr(scores[i])) for i in ids])
    target = write_parquet(tmp_path / "t.parquet", name=shuffled, y=[truth[i] for i in shuffled])
    source = open_source(preds, target, id="name")
    assert joined(source, 2048, "preds").tolist() == [scores[i] for i in ids]
    assert [source.target.labels[code] for code in joined(source, 2048, "target")] == [truth[i] for i in ids]


@pytest.mark.parametrize(
    ("texts", "stored"),
    [
        (["3", "1", "2"], pa.array([1.0, 2.0, 3.0])),
        (["2024-01-03", "2024-01-01", "2024-01-02"], np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")),
        (
            ["2024-01-01 12:00:00", "2024-01-01", "2024-01-01T06:00:00.00"],
            np.datetime64("2024-01-01T00") + np.arange(3) * 6,
        ),
    ],
)
def test_ids_are_one_in_every_format(tmp_path, texts, stored):
    preds = write_csv(tmp_path / "p.csv", ["id", "pred"], zip(texts, "cab", strict=True))
    times = pa.array(stored.astype("datetime64[us]")) if isinstance(stored, np.ndarray) else stored
    target = write_parquet(tmp_path / "t.parquet", id=times, y=["a", "b", "c"])
    source = open_source(preds, target, id="id")
    assert source.rows == 3
    beside = open_source(preds, target)
    assert [note.code for note in beside.notes()] == ["ids-differ"]


def test_ids_that_do_not_pair_are_counted_and_named(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["k", "pred"], [("1", "a"), ("2", "a"), ("2", "a"), ("5", "a"), ("", "a")])
    target = write_csv(tmp_path / "t.csv", ["k", "y"], [("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")])
    for nan in ("error", "drop"):
        with pytest.raises(InputError) as caught:
            open_source(preds, target, id="k", nan=nan)
        text = str(caught.value)
        assert "1 empty id in the predictions" in text
        assert "1 id that occurs twice in the predictions ('2')" in text
        assert "1 id without a target ('5')" in text
        assert "2 ids without a prediction ('3', '4')" in text
        assert "--where" in text
    with pytest.raises(UsageError, match="no column 'key' to join by"):
        open_source(preds, target, id="key")


def test_where_chooses_the_ids_that_must_pair(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["k", "pred"], [("1", "a"), ("2", "b")])
    target = write_csv(
        tmp_path / "t.csv", ["k", "y", "split"], [("0", "a", "train"), ("2", "a", "test"), ("1", "a", "test")]
    )
    with pytest.raises(InputError, match=r"1 id without a prediction \('0'\)"):
        open_source(preds, target, id="k")
    source = open_source(preds, target, id="k", where="split = 'test'")
    assert pairs(source) == {("a", "a"): 1, ("a", "b"): 1}


@pytest.mark.parametrize("where", [None, "pred = 'a'"])
def test_N22_lengths_that_differ(tmp_path, where):
    preds = write_csv(tmp_path / "p.csv", ["pred"], [("a",)] * 7)
    target = write_parquet(tmp_path / "t.parquet", y=["a"] * 5)
    for nan in ("error", "drop"):
        with pytest.raises(InputError, match="7 predictions but 5 targets"):
            open_source(preds, target, nan=nan, where=where)
    scores = write_csv(tmp_path / "s.csv", ["score"], [("0.5",)] * 4)
    with pytest.raises(InputError, match="4 predictions but 5 targets"):
        open_source(scores, target, nan="drop")


def test_ids_out_of_step_are_noted(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["id", "pred"], [("1", "a"), ("2", "b"), ("3", "a")])
    target = write_csv(tmp_path / "t.csv", ["id", "y"], [("1", "a"), ("3", "a"), ("2", "b")])
    source = open_source(preds, target)
    (note,) = [note for note in source.notes() if note.code == "ids-differ"]
    assert "in 2 rows" in note.text
    assert note.fix == "join with --id id"
    assert pairs(open_source(preds, target, id="id")) == {("a", "a"): 2, ("b", "b"): 1}


@pytest.mark.parametrize(
    "asked", [{"by": ("region,day:month",)}, {"by": ("region", "day")}, {"cluster": "region"}, {"weight": "w"}, {}]
)
def test_columns_of_both_files_that_differ_are_noted_where_they_are_read(tmp_path, asked):
    preds = write_csv(
        tmp_path / "p.csv",
        ["id", "pred", "region", "day", "w"],
        [("1", "a", "EU", "2024-01-31", "1.50"), ("2", "b", "US", "2024-02-01", "2")],
    )
    days = np.array(["2024-02-01", "2024-01-31"], dtype="datetime64[us]")
    target = {"id": [2, 1], "y": ["a", "b"], "day": days, "region": ["US", "EU"], "w": [2.0, 1.5]}
    same = open_source(preds, write_parquet(tmp_path / "same.parquet", **target), id="id", **asked)
    assert same.notes() == ()
    others = write_parquet(tmp_path / "t.parquet", **{**target, "region": ["US", "UK"], "w": [2.0, 1.0]})
    notes = open_source(preds, others, id="id", **asked).notes()
    name = "w" if "weight" in asked else "region"
    text = f"column {name!r} is not the same in both files, and that beside the truth counts"
    assert [(note.code, note.text) for note in notes] == [("columns-differ", text)] * bool(asked)
    lists = {"pred": ["a", "b"], "region": [["EU"], ["US"]], "day": [[1], [2]], "w": [[1.5], [2.0, 3.0]]}
    odd = write_parquet(tmp_path / "odd.parquet", id=[1, 2], **lists)
    notes = open_source(odd, tmp_path / "same.parquet", id="id", **asked).notes()
    assert {note.code for note in notes} == ({"columns-differ"} if asked else set())


def test_rows_stay_in_step_over_many_blocks(tmp_path):
    n = 300_000
    labels = np.arange(n) % 7
    with open(tmp_path / "p.csv", "w") as file:
        file.write("pred\n" + "\n".join(map(str, labels.tolist())) + "\n")
    write_parquet(tmp_path / "t.parquet", y=labels)
    source = open_source(tmp_path / "p.csv", tmp_path / "t.parquet")
    assert pairs(source) == {(str(k), str(k)): int((labels == k).sum()) for k in range(7)}


def test_where_filters_rows(tmp_path):
    rows = [("a", "a", "EU", "30"), ("a", "b", "US", "40"), ("b", "b", "EU", "9")]
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "region", "age"], rows)
    source = open_source(path, where="region = 'EU' -- Europe")
    assert pairs(source) == {("a", "a"): 1, ("b", "b"): 1}
    assert source.rows == 2
    assert pairs(open_source(path, where="CAST(age AS INTEGER) > 20 AND preds.region <> 'US'")) == {("a", "a"): 1}
    with pytest.raises(EmptyError, match=r"no row satisfies --where .*; see what its columns hold"):
        open_source(path, where="region = 'XX'")


@pytest.mark.parametrize(
    "where",
    [
        "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
        "region = ",
        "1) OR (1 = 1",
        "true; DROP TABLE x",
        "a, b",
        "/*",
        "",
        "nosuch = 1",
        "count(*) > 1",
    ],
)
def test_where_must_be_one_expression(tmp_path, where):
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "region"], [("a", "a", "EU")])
    with pytest.raises(UsageError, match="--where"):
        open_source(path, where=where)


def test_places_count_rows_of_the_file_not_of_the_selection(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "r"], [("a", "a", "1")] * 5 + [("a", "", "2")])
    with pytest.raises(InputError, match="line 7"):
        open_source(path, where="r = '2'")


def test_an_empty_table(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("y,pred\n")
    with pytest.raises(EmptyError):
        open_source(path)
    path = write_parquet(tmp_path / "f.parquet", y=pa.array([], pa.string()), score=pa.array([], pa.float32()))
    with pytest.raises(EmptyError):
        open_source(path)
