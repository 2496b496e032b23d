"""Slices of time: alike in tables, arrays and frames, in Python and in SQL, in parts and by ranks."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from started_ranks import report_by_threads

import evalcli
from evalcli.errors import InputError, UsageError
from evalcli.sources.bounds import UNITS, Part, asked, split_bounds
from evalcli.sources.times import time_slice, time_sql

ROWS = 300
PERIODS = {"year": "%Y", "month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d", "hour": "%Y-%m-%d %H:00"}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(7)
    seconds = rng.integers(0, 3 * 365 * 86_400, ROWS) * rng.choice([1, 0], ROWS, p=[0.9, 0.1])
    at = pd.Series(pd.Timestamp("2023-12-30 22:00") + pd.to_timedelta(seconds, unit="s")).where(rng.random(ROWS) < 0.95)
    target = rng.integers(0, 3, ROWS)
    pred = np.where(rng.random(ROWS) < 0.7, target, 0)
    return pd.DataFrame({"pred": pred, "target": target, "at": at, "sex": rng.choice(["f", "m"], ROWS)})


@pytest.fixture
def files(frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame.to_csv("a.csv", index=False)
    frame.to_parquet("a.parquet", row_group_size=90)
    frame.to_json("a.jsonl", orient="records", lines=True, date_format="iso")
    for number, rows in enumerate((slice(0, 120), slice(120, 130), slice(130, ROWS))):
        frame[rows].to_csv(f"s{number}.csv", index=False)
    whole = frame.dropna()
    np.savez("a.npz", preds=whole.pred, target=whole.target, at=whole["at"].astype(str).to_numpy(str))
    np.save("p.npy", frame.pred)
    frame.drop(columns="pred").to_csv("t.csv", index=False)
    return tmp_path


def by_hand(frame, unit):
    """What pandas makes of the same times."""
    at = frame["at"].dropna()
    named = (
        at.dt.to_period("Q").astype(str).str.replace("Q", "-Q") if unit == "quarter" else at.dt.strftime(PERIODS[unit])
    )
    return {value: int(n) for value, n in named.value_counts().sort_index().items()}


def slices(printed, by="at"):
    return {row["value"]: row["n"] for row in json.loads(printed)["slices"] if row["by"] == by}


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_those_of_pandas(frame, unit):
    report = evalcli.evaluate(frame, "target", pred="pred", by=f"at:{unit}", metrics=["accuracy"])
    found = {row.value: row.n for row in report.data.slices}
    assert found == by_hand(frame, unit)
    assert [*found] == sorted(found)


@pytest.mark.parametrize("inputs", ["a.csv", "a.parquet", "a.npz", "p.npy t.csv"])
def test_every_kind_of_file_has_the_same_slices(files, frame, run, inputs):
    by = ("--by", "at:month", "--by", "sex,at:year") if inputs != "a.npz" else ("--by", "at:month")
    done = run("report", *inputs.split(), *by, "-f", "json", "--no-intervals", "-m", "accuracy")
    assert done.code == 0, done.stderr
    assert slices(done.stdout) == by_hand(frame, "month")
    if inputs != "a.npz":
        crossed = (frame.sex + "," + frame["at"].dt.strftime("%Y")).value_counts().sort_index()
        assert slices(done.stdout, "sex,at") == {value: int(n) for value, n in crossed.items()}
    cut = run("report", *inputs.split(), "--by", "at:2024-06-01:2025-06-30", "-f", "json", "--no-intervals")
    edges = pd.to_datetime(["2024-06-01", "2025-06-30"])
    sizes = np.bincount(np.searchsorted(edges, frame["at"].dropna(), side="right"), minlength=3).tolist()
    assert slices(cut.stdout) == dict(
        zip(("< 2024-06-01", "[2024-06-01, 2025-06-30)", ">= 2025-06-30"), sizes, strict=True)
    )


def test_a_gate_is_on_a_month_on_the_worst_and_on_the_gap(files, run):
    gates = [f"accuracy@at{which}=0.01" for which in ("=2024-02", "=*")]
    done = run(
        "report",
        "a.csv",
        "--by",
        "at:month",
        "--min",
        gates[0],
        "--min",
        gates[1],
        "--max",
        "accuracy@at:gap=1",
        "-f",
        "json",
    )
    assert done.code == 0, done.stderr
    Path("r.json").write_text(done.stdout)
    assert run("gate", "r.json", "--min", "accuracy@at=2024-02=0.01").code == 0
    missing = run("gate", "r.json", "--min", "accuracy@at:month=2024-02=0.01")
    assert "the report has no slices by 'at:month'; write @at" in missing.stderr


@pytest.mark.parametrize("more", [(), ("--scan", "at:quarter,sex", "--min-slice-size", "5")])
def test_parts_and_ranks_print_the_bytes_of_one_run(files, run, more):
    by = ("--by", "at:month", "--by", "at:month,sex", *more)
    whole = run("report", "s?.csv", *by, "-f", "json", "--no-intervals")
    assert whole.code == 0, whole.stderr
    for number in range(3):
        run("report", f"s{number}.csv", *by, "-o", f"{number}.evalcli", "--quiet", "--no-intervals")
    assert run("merge", *(f"{number}.evalcli" for number in (2, 0, 1)), "-f", "json").stdout == whole.stdout
    alone = run("report", "a.parquet", *by, "-f", "json", "--no-intervals")
    assert report_by_threads(2, Path("a.parquet"), *by) == alone.stdout
    other = run(
        "report",
        "s1.csv",
        "--by",
        "at:week",
        "--by",
        "at:month,sex",
        *more,
        "-o",
        "1.evalcli",
        "--quiet",
        "--no-intervals",
    )
    assert other.code == 0, other.stderr
    assert "ranges of other bounds" in run("merge", "0.evalcli", "1.evalcli").stderr


def test_a_search_goes_over_months(files, frame, run):
    done = run("report", "a.parquet", "--scan", "at:quarter,sex", "--min-slice-size", "5", "-f", "json")
    assert done.code == 0, done.stderr
    arrays = evalcli.evaluate(
        frame.pred.to_numpy(),
        frame.target.to_numpy(),
        scan={"at:quarter": frame["at"], "sex": frame.sex},
        min_slice_size=5,
    )
    assert arrays.data.scan.tried == json.loads(done.stdout)["scan"]["tried"]


def test_dates_in_memory_are_sliced_too():
    days = [date(2024, 1, 31), date(2024, 2, 1), None, date(2024, 2, 29)]
    report = evalcli.evaluate([0, 1, 1, 0], [0, 1, 1, 1], by={"day:month": days})
    assert [(row.value, row.n) for row in report.data.slices] == [("2024-01", 1), ("2024-02", 2)]


@pytest.mark.parametrize("inputs", ["a.csv", "a.parquet", "p.npy t.csv", "a.npz"])
def test_what_is_no_date_is_told(files, frame, run, inputs):
    odd = frame.assign(sex=frame.sex.where(frame.index != 5, "31/01/2024"))
    odd.to_csv("a.csv", index=False)
    odd.to_parquet("a.parquet")
    odd.to_csv("t.csv", index=False)
    np.savez("a.npz", preds=odd.pred, target=odd.target, sex=odd.sex.to_numpy(str))
    done = run("report", *inputs.split(), "--by", "sex:month")
    assert (done.code, done.stdout) == (2, "")
    assert "is no date" in done.stderr
    assert "write dates as 2024-01-31, times as 2024-01-31 12:30:00" in done.stderr
    numbers = run("report", *inputs.split(), "--by", "target:month")
    assert numbers.code == 2
    assert "dates" in numbers.stderr


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (
            "at:2024-06-01:2024-01-01",
            "2024-01-01 stands after 2024-06-01, and bounds rise; write at:2024-01-01:2024-06-01",
        ),
        ("at:2024-06-31", "'2024-06-31' is no day to cut at"),
        ("at:2024-06-01:5", "'5' is no day to cut at"),
        (
            "at:months",
            "'months' is no number to cut at; write the bounds of ranges as in age:0:18:65 or visit:2024-06-01",
        ),
        ("at:month:year", "'month' is no number to cut at"),
    ],
)
def test_bounds_that_are_none_are_refused(by, said):
    with pytest.raises(UsageError) as caught:
        asked([by], ["at"])
    assert said in str(caught.value)


def test_units_are_asked_for_behind_names():
    assert asked(["at:month"], ["at"]) == asked(["at : month".replace(" ", "")], ["at"])
    assert asked(["at:month"], ["at", "at:month"])[0].parts == (Part("at:month"),)
    assert split_bounds("at:month") == ("at", "month")
    assert split_bounds("a:2024-01-01:2025-01-01") == ("a", "2024-01-01:2025-01-01")
    with pytest.raises(UsageError, match="--by cuts at twice, by at:month and by at:year"):
        asked(["at:month", "at:year"], ["at"])


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(config={"threads": 1}) as found:
        yield found


moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.isoformat(" "))
odd = st.text("0123456789-: TQW.+", max_size=20)
near = moments.flatmap(lambda text: st.integers(0, len(text)).map(lambda at: text[:at]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(moments | odd | near, min_size=1, max_size=30),
    st.sampled_from([*((unit,) for unit in UNITS), ("1999-12-31", "2024-02-29")]),
)
@example(
    ["0000-01-01", "2023-02-29", "2024-01-31T05:00", "2024-01-31x", "2024-W53", "2024-13", "2024-Q4", "2024"], ("year",)
)
@example(["2024-01-31 12:30:00+02:00", "2024-01", "2021-01-01", " 2024-01-01", "2024-1-01"], ("week",))
def test_python_and_sql_read_the_same(engine, texts, bounds):
    found = engine.execute(f"SELECT {time_sql('t', bounds)} FROM (SELECT unnest(?) AS t)", [texts]).fetchall()
    assert [row[0] for row in found] == [time_slice(text, bounds) for text in texts]


def test_a_time_with_an_offset_is_in_its_month_of_utc():
    at = [datetime(2024, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), datetime(2024, 2, 1, tzinfo=UTC)]
    report = evalcli.evaluate([0, 1], [0, 1], by={"at:month": at})
    assert [row.value for row in report.data.slices] == ["2024-01", "2024-02"]
    with pytest.raises(InputError, match="'soon' in 'at' is no date"):
        evalcli.evaluate([0, 1], [0, 1], by={"at:month": ["soon", "2024-02-01"]})
