"""Dates and times name rows, alike from files and from memory, and ``--where`` sees them as what they are."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import evalcli

DAYS = [date(2024, 1, 1) + timedelta(days=i % 3) for i in range(12)]
PLAIN = [datetime(2024, 1, 1 + i % 3, 12, 30, 0, 500_000 * (i % 3 == 0)) for i in range(12)]
ZONED = [each.replace(tzinfo=timezone(timedelta(hours=2))) for each in PLAIN]
CLOCK = [time(8 + i % 3) for i in range(12)]
COLUMNS = {"day": DAYS, "stamp": PLAIN, "zoned": ZONED, "clock": CLOCK}
TOLD = {
    "day": ["2024-01-01", "2024-01-02", "2024-01-03"],
    "stamp": ["2024-01-01 12:30:00.5", "2024-01-02 12:30:00", "2024-01-03 12:30:00"],
    "zoned": ["2024-01-01 10:30:00.5+00:00", "2024-01-02 10:30:00+00:00", "2024-01-03 10:30:00+00:00"],
    "clock": ["08:00:00", "09:00:00", "10:00:00"],
}
ROWS = {"target": ["a", "b", "a"] * 4, "pred": ["a", "b", "b"] * 4}
TABLE = pa.table(ROWS | {"id": range(12)} | COLUMNS)


@pytest.fixture(params=["parquet", "feather"])
def path(request, tmp_path):
    made = tmp_path / f"x.{request.param}"
    (pq.write_table if request.param == "parquet" else feather.write_feather)(TABLE, made)
    return made


def slices_of(report):
    return [(row.value, row.n) for row in report.data.slices]


@pytest.mark.parametrize("column", COLUMNS)
def test_rows_are_sliced_and_clustered_by_them(path, column):
    found = evalcli.evaluate(path, by=column, cluster=column, metrics="accuracy", task="multiclass")
    assert slices_of(found) == [(told, 4) for told in TOLD[column]]
    assert found.data.clustered.clusters == 3


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "list", "numpy"])
def test_memory_says_what_files_say(kind, column):
    made = {
        "pandas": lambda: pd.DataFrame(ROWS | COLUMNS),
        "arrow": lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": lambda: pl.from_arrow(TABLE),
        "list": lambda: ROWS | COLUMNS,
        "numpy": lambda: ROWS | {name: np.array(cells, dtype=object) for name, cells in COLUMNS.items()},
    }[kind]()
    found = evalcli.evaluate(made, by=column, metrics="accuracy", task="multiclass")
    assert slices_of(found) == [(told, 4) for told in TOLD[column]]


def test_what_is_missing_is_in_no_slice():
    stamps = np.array(["2024-01-01T12:30:00", "NaT", "2024-01-01T12:30:00.250"], "datetime64[us]")
    for cells in (stamps, pd.Series(stamps), pl.Series(stamps), stamps.tolist()):
        asked = {"by": {"at": cells}, "metrics": "accuracy", "task": "multiclass"}
        found = evalcli.evaluate(["a", "b", "a"], ["a", "b", "b"], **asked)
        assert slices_of(found) == [("2024-01-01 12:30:00", 1), ("2024-01-01 12:30:00.25", 1)]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("day > DATE '2024-01-01'", 8),
        ("day >= '2024-01-02'", 8),
        ("day BETWEEN '2024-01-02' AND '2024-01-02'", 4),
        ("day = '2024-01-03'", 4),
        ("extract(day FROM day) = 2", 4),
        ("date_trunc('month', stamp) = DATE '2024-01-01'", 12),
        ("stamp < '2024-01-01 12:30:01'", 4),
        ("zoned >= '2024-01-02 10:30:00'", 8),
        ("clock < TIME '09:30'", 8),
        ("day LIKE '2024-01-0%'", 12),
    ],
)
def test_where_sees_what_they_are(path, where, rows):
    assert evalcli.evaluate(path, where=where, metrics="accuracy", task="multiclass").n == rows


def test_no_zone_of_the_machine_shows(path, monkeypatch):
    before = evalcli.evaluate(path, by="zoned", metrics="accuracy", task="multiclass")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert evalcli.evaluate(path, by="zoned", metrics="accuracy", task="multiclass").to_json() == before.to_json()


def test_errors_shows_them(run, path):
    done = run("errors", path, "--show", "day", "--show", "zoned", "--task", "multiclass", "--limit", "1")
    assert done.code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["day"], said["zoned"]) == (TOLD["day"][2], TOLD["zoned"][2])


@pytest.mark.parametrize("suffix", ["xlsx", "dta"])
def test_dates_of_what_pandas_reads_are_dates(suffix, tmp_path):
    made = tmp_path / f"x.{suffix}"
    frame = pd.DataFrame(ROWS | {"stamp": pd.to_datetime(PLAIN), "day": pd.to_datetime(DAYS)})
    frame.to_excel(made, index=False) if suffix == "xlsx" else frame.to_stata(made, write_index=False)
    found = evalcli.evaluate(made, where="day >= '2024-1-2' AND hour(stamp) = 12", by="day", task="multiclass")
    assert slices_of(found) == [(day, 4) for day in TOLD["day"][1:]]
    assert evalcli.evaluate(made, where="day > DATE '2024-01-02'", task="multiclass").n == 4
    shown = evalcli.list_mistakes(made, show=("stamp", "day"), task="multiclass")[0]
    assert (shown["stamp"], shown["day"]) == ("2024-01-03 12:30:00", "2024-01-03 00:00:00")


def test_a_column_of_dates_and_texts_stays_text(tmp_path):
    made = tmp_path / "x.xlsx"
    mixed = [*PLAIN[:11], "later"]
    pd.DataFrame(ROWS | {"stamp": mixed}).to_excel(made, index=False)
    assert evalcli.evaluate(made, where="stamp = 'later'", task="multiclass").n == 1
