"""Parquet files of one table that store a column as several kinds: none is turned into another."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SAID = ["1", "2"]


def report(run, folder, *targets):
    """The report on a file for each list of targets, with a column that nobody reads."""
    for number, target in enumerate(targets):
        table = pa.table({"target": target, "pred": pa.array(SAID), "beside": target})
        pq.write_table(table, folder / f"{number}.parquet")
    return run("report", str(folder / "*.parquet"), "--task", "multiclass", "-m", "accuracy", "-f", "json")


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ([7, 2], ["007", "2"], ("integer", "text")),
        (["1", "2"], [1, 2], ("text", "integer")),
        ([1, 2], [1.4, 2.0], ("integer", "float")),
        ([1, 0], [True, False], ("integer", "boolean")),
        ([1, 2], [[1.0], [2.0]], ("integer", "list")),
    ],
)
def test_a_column_of_several_kinds_is_refused(run, tmp_path, first, second, kinds) -> None:
    done = report(run, tmp_path, first, second)
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    said = f"field 'target' holds values of several kinds: {kinds[1]} in {tmp_path / '1.parquet'}, {kinds[0]} in "
    assert said in done.stderr


def test_one_that_is_not_read_may_be_of_any_kinds(run, tmp_path) -> None:
    for number, beside in enumerate(([1, 2], ["x", "y"])):
        pq.write_table(pa.table({"target": SAID, "pred": SAID, "beside": beside}), tmp_path / f"{number}.parquet")
    done = run("report", str(tmp_path / "*.parquet"), "--task", "multiclass", "-m", "accuracy", "-f", "json")
    assert (done.code, json.loads(done.stdout)["n"]) == (0, 4)


@pytest.mark.parametrize(
    ("first", "second", "classes"),
    [
        ([1, 2], pa.array([2, 1], pa.int8()), ["1", "2"]),
        (["1", "2"], pa.array(["1", "2"]).dictionary_encode(), ["1", "2"]),
        (["1", "2"], pa.nulls(2), None),
    ],
)
def test_widths_of_one_kind_and_columns_without_a_value_go_together(run, tmp_path, first, second, classes) -> None:
    done = report(run, tmp_path, first, second)
    if classes is None:
        assert "target" in done.stderr
        assert "kinds" not in done.stderr
    else:
        assert (done.code, json.loads(done.stdout)["classes"]) == (0, classes)


def test_documents_of_several_kinds_say_which_column(run, tmp_path) -> None:
    for number, target in enumerate(([1, 2], ["1", "2"])):
        rows = [{"target": one, "pred": said} for one, said in zip(target, SAID, strict=True)]
        (tmp_path / f"{number}.json").write_text(json.dumps(rows))
    done = run("report", str(tmp_path / "*.json"), "--task", "multiclass")
    assert done.code == 2
    assert f"1.json: column 'target' is string, in {tmp_path / '0.json'} it is int64" in done.stderr
