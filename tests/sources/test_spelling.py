"""One spelling of a value that rows are sliced by, in every format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import evalcli
from evalcli.errors import EvalError
from evalcli.sources.spelling import spelled, spelled_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

ROWS = 240
FORMATS = ("csv", "parquet", "jsonl", "feather", "npz", "pandas", "polars", "arrow", "arrays")
VALUES = {
    "whole": np.array([0.0, 1.0, -2.0, 300.0]),
    "integer": np.array([0, 1, -2, 300]),
    "half": np.array([0.5, 1.0, -1.5, 1.25]),
    "single": np.array([0.1, 1.0, 0.3, -0.7], np.float32),
    "said": np.array([True, False, False, True]),
    "zero": np.array([-0.0, 0.0, 1.0, -0.0]),
    "gone": np.array([1.0, np.nan, 2.0, 1.0]),
    "far": np.array([1e-7, 1e20, 2e-7, 0.0]),
    "day": np.array(["2024-01-31", "2024-02-01", "2024-01-31", "NaT"], "datetime64[us]"),
    "instant": pd.to_datetime(["2024-01-31", "2024-01-31T12:30:00.500"] * 2, format="ISO8601").tz_localize("+02:00"),
    "time": np.array(["2024-01-31", "2024-01-31T12:30", "2024-01-31T12:30:00.500", "NaT"], "datetime64[ms]"),
}


def frame_of(rows: slice) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, ROWS)
    preds = np.where(rng.random(ROWS) < 0.8, target, 1 - target)
    names = np.array(["no", "yes"], object)  # labels of tables are text
    columns = {name: values[np.arange(ROWS) % 4] for name, values in VALUES.items()}
    return pd.DataFrame({"pred": names[preds], "target": names[target], **columns})[rows].reset_index(drop=True)


def part_of(kind: str, rows: slice, name: str, folder: Path) -> Any:
    """A part of some rows, sliced by the column ``name``, read from a file or from what lies in memory."""
    frame = frame_of(rows)[["pred", "target", name]]
    options: dict[str, Any] = {"partial": True, "confidence": None, "labels": ["no", "yes"]}
    if kind in {"pandas", "polars", "arrow"}:
        makers: dict[str, Any] = {"pandas": pd.DataFrame, "polars": pl.from_pandas, "arrow": pa.Table.from_pandas}
        return evalcli.evaluate(makers[kind](frame), by=name, **options)
    if kind == "arrays":
        return evalcli.evaluate(frame.pred, frame.target, by={name: frame[name].to_numpy()}, **options)
    path = folder / f"{rows.start}.{kind}"
    if kind == "npz":
        np.savez(path, **{column: frame[column].to_numpy(str if column != name else None) for column in frame})
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        {"csv": frame.to_csv, "parquet": frame.to_parquet, "feather": frame.to_feather}[kind](
            path, **({} if kind == "feather" else {"index": False})
        )
    return evalcli.evaluate(path, by=name, **options)


@pytest.mark.parametrize("name", VALUES)
def test_parts_of_all_formats_have_the_same_slices(name: str, tmp_path: Path) -> None:
    each = ROWS // len(FORMATS) // 4 * 4
    left_out = [
        ("jsonl", "single"),
        ("npz", "day"),
        ("npz", "time"),
        ("npz", "instant"),
    ]  # pandas writes ten digits; arrays of no times
    kinds = [kind for kind in FORMATS if (kind, name) not in left_out]
    parts = [part_of(kind, slice(i * each, (i + 1) * each), name, tmp_path) for i, kind in enumerate(kinds)]
    found = {row.value: row.n for row in evalcli.merge(parts).report().data.slices}
    alone = evalcli.evaluate(frame_of(slice(0, each * len(kinds))), by=name, labels=["no", "yes"], confidence=None)
    assert found == {row.value: row.n for row in alone.data.slices}
    expected = {"whole": ["-2", "0", "1", "300"], "single": ["-0.7", "0.1", "0.3", "1"], "said": ["false", "true"]}
    expected |= {"day": ["2024-01-31", "2024-02-01"]}
    expected |= {"instant": ["2024-01-30 22:00:00+00:00", "2024-01-31 10:30:00.5+00:00"]}
    expected |= {"time": ["2024-01-31", "2024-01-31 12:30:00", "2024-01-31 12:30:00.5"]}
    assert sorted(found) == sorted(expected.get(name, found))


def test_names_that_look_like_numbers_stay() -> None:
    for text in ("1.10", "007", "007.0", "01.0", "1e3", "+1.0", ".0", "-.0", "1.0.0", "true", "TRUE", "1.00", " 1.0"):
        assert spelled(text) == text
    assert spelled_values(np.array([2**53, -(2**53)])) == [str(2**53), str(-(2**53))]


def test_text_that_is_sliced_is_spelled_as_numbers_are(run: Run, tmp_path: Path) -> None:
    """Of one column half of whose files had a missing cell; and a gate may say what stands in the file."""
    for name, cells in (("a", ("1", "2", "007")), ("b", ("1.0", "2.0", ""))):
        lines = "".join(f"1,{i % 2},{cells[i % 3]}\n" for i in range(60))
        (tmp_path / f"{name}.csv").write_text(f"pred,target,age\n{lines}")
    done = run("report", tmp_path / "*.csv", "--by", "age", "-m", "accuracy", "-f", "json", "--no-intervals",
               "--min", "accuracy@age=1.0=0.4", "--min", "accuracy@age=1=0.4")  # fmt: skip
    assert done.code == 0, done.stderr
    assert {row["value"]: row["n"] for row in json.loads(done.stdout)["slices"]} == {"007": 20, "1": 40, "2": 40}
    texts = [cell for cell in ("1.0", "True", "x", "-0.0") for _ in range(5)]
    found = evalcli.evaluate([1] * 20, [1, 0] * 10, by={"c": texts}, confidence=None).data.slices
    assert {row.value for row in found} == {"0", "1", "true", "x"}


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas"])
def test_a_gate_finds_a_day_whatever_the_column_makes_of_it(kind: str, tmp_path: Path) -> None:
    days = pd.to_datetime(["2024-01-31", "2024-02-01"] * 20)
    frame = pd.DataFrame({"pred": [1, 0] * 20, "target": [1, 0, 1, 1] * 10, "day": days, "site": ["a"] * 40})
    path = tmp_path / f"rows.{kind}"
    if kind != "pandas":
        (frame.to_csv if kind == "csv" else frame.to_parquet)(path, index=False)
    report = evalcli.evaluate(frame if kind == "pandas" else path, by=["day", "site,day"], confidence=None)
    for day in ("2024-02-01", "2024-02-01 00:00:00"):
        assert report.check(f"accuracy@day={day}>=0.5", f"accuracy@site,day=a,{day}>=0.5").passed
        assert not report.check(f"accuracy@day={day}>=0.6").passed


@pytest.mark.parametrize("option", ["by", "cluster"])
def test_arrays_of_times_name_rows_and_those_that_cannot_be_read_say_why(option: str, tmp_path: Path) -> None:
    days = np.array(["2024-01-31", "NaT", "2023-12-31", "2024-01-31"], ">M8[s]").repeat(5)
    sides = {"preds": np.arange(20) % 2, "target": np.arange(20) % 3 // 2}
    np.savez(tmp_path / "x.npz", **sides, day=days, took=days - days[0], note=days.astype(object))
    read, held = (
        evalcli.evaluate(*given, **{option: by}, nan="drop").data
        for given, by in (
            ([tmp_path / "x.npz"], "day"),
            ([*sides.values()], {"day": days} if option == "by" else days),
        )
    )
    assert read.metrics == held.metrics
    assert [(row.value, row.n) for row in read.slices] == [(row.value, row.n) for row in held.slices]
    for name, why in (("took", "durations are"), ("note", "Python objects inside")):
        with pytest.raises(EvalError, match=f"{name}: {why}"):
            evalcli.evaluate(tmp_path / "x.npz", **{option: name})
