"""Parquet files of one table that store a column as several kinds: none is turned into another."""

from __future__ import annotations

import json
from itertools import permutations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from started_ranks import report_by_threads

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
        ([2**53 + 1, 2], [1.0, 2.0], ("integer", "float")),  # which no float holds
        ([1.0, 2.0], [2**53 + 1, 2], ("float", "integer")),
        (pa.array([1.0, 2.0], pa.float32()), [2**24 + 1, 2], ("float", "integer")),
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
        ([1, 2], [2.0, 1.0], ["1", "2"]),  # as pandas stores whole numbers where one is missing
        ([2.0, 1.0], pa.array([1, 2], pa.int8()), ["1", "2"]),
    ],
)
def test_widths_of_one_kind_and_columns_without_a_value_go_together(run, tmp_path, first, second, classes) -> None:
    done = report(run, tmp_path, first, second)
    if classes is None:
        assert "target" in done.stderr
        assert "kinds" not in done.stderr
    else:
        assert (done.code, json.loads(done.stdout)["classes"]) == (0, classes)


def test_fractions_beside_whole_numbers_are_not_rounded(run, tmp_path) -> None:
    done = report(run, tmp_path, [1, 2], [1.4, 2.0])
    assert done.code == 2
    assert "column 'target' holds 1.4" in done.stderr


NOTHING, WHOLE, BROKEN = pa.nulls(4), pa.array([1, 2, 2, 1]), pa.array([2.0, 1.0, None, 1.5])


@pytest.mark.parametrize("options", [("--by", "age"), ("--where", "age < 2")])
def test_files_in_any_order_and_ranks_read_what_holds_all_kinds(run, tmp_path, options) -> None:
    said = []
    for number, order in enumerate(permutations([NOTHING, WHOLE, BROKEN])):
        folder = tmp_path / str(number)
        folder.mkdir()
        for place, age in enumerate(order):
            table = pa.table({"target": [0, 1, 1, 0], "pred": [0, 1, 0, 0], "age": age})
            pq.write_table(table, folder / f"{place}.parquet")
        done = run("report", folder / "*.parquet", "--no-intervals", "-f", "json", *options)
        assert done.code == 0, done.stderr
        if number in (0, 5):
            assert report_by_threads(2 + number % 2, folder / "*.parquet", *options) == done.stdout
        said.append({**json.loads(done.stdout), "inputs": None})
    assert said == [said[0]] * 6


def test_documents_of_several_kinds_say_which_column(run, tmp_path) -> None:
    for number, target in enumerate(([1, 2], ["1", "2"])):
        rows = [{"target": one, "pred": said} for one, said in zip(target, SAID, strict=True)]
        (tmp_path / f"{number}.json").write_text(json.dumps(rows))
    done = run("report", str(tmp_path / "*.json"), "--task", "multiclass")
    assert done.code == 2
    assert f"1.json: column 'target' is string, in {tmp_path / '0.json'} it is int64" in done.stderr


def test_columns_in_another_order_are_found_by_their_names(run, tmp_path) -> None:
    one = pa.table({"target": ["a", "b", "c"], "pred": ["a", "a", "c"], "age": [1, 2, 2], "none": pa.nulls(3)})
    pq.write_table(one, tmp_path / "0.parquet", row_group_size=1)
    pq.write_table(one.select(["pred", "none", "age", "target"]), tmp_path / "1.parquet", row_group_size=1)
    asked = (tmp_path / "*.parquet", "--by", "age", "-f", "json", "--no-intervals")
    done = run("report", *asked)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["accuracy"]["value"] == 2 / 3
    assert [report_by_threads(ranks, asked[0], *asked[1:3]) for ranks in (2, 3)] == [done.stdout] * 2
    pq.write_table(one.rename_columns(["target", "said", "age", "none"]), tmp_path / "2.parquet")
    other = run("report", *asked)
    assert (other.code, "2.parquet: its columns differ from those of" in other.stderr) == (2, True)
    assert "or a part of each (-o part.evalcli) for evalcli merge [E3]" in other.stderr
