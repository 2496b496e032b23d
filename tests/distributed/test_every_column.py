"""``--scan '*'`` of tables: which columns hold ids, and which values are frequent, is what all rows say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from started_ranks import ranks, report_by_threads

from evalcli.sources.table_portions import MANY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

ROWS = 2400
ASKED = ("--scan", "*", "--min-slice-size", "2")
PLAIN = ("-f", "json", "--no-intervals")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Every user has one row in the first third, so that a share of it takes them for ids."""
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, ROWS)
    sex = np.where(rng.random(ROWS) < 0.5, "f", "m")
    wrong = rng.random(ROWS) < np.where(sex == "f", 0.3, 0.1)
    users = [f"u{i}" for i in range(ROWS // 3)]
    return pd.DataFrame(
        {
            "pred": np.where(wrong, 1 - target, target),
            "target": target,
            "sex": sex,
            "age": rng.integers(0, 900, ROWS) / 4,
            "user": [*users, *(users[i // 2] for i in range(ROWS - len(users)))],
            "place": [f"z{i % 810}" for i in range(ROWS)],
            "street": [f"s{i % 1100}" for i in range(ROWS)],
            "mail": [f"{i}@home" for i in range(ROWS)],
            "row": np.arange(ROWS),
        }
    )


def wrote(rows: pd.DataFrame, folder: Path, kind: str) -> tuple[Path, Path | None]:
    if kind == "Parquet":
        rows.to_parquet(folder / "a.parquet", row_group_size=500)
        return folder / "a.parquet", None
    if kind == "many tables":
        for number in range(26):
            rows[number * 100 : number * 100 + 100].to_parquet(folder / f"a{number:02}.parquet", index=False)
        return folder / "a*.parquet", None
    if kind == "tensor and table":
        np.savez(folder / "p.npz", preds=rows.pred, sex=rows.sex.to_numpy(str), row=rows.row)
        rows.drop(columns=["pred", "sex"]).to_csv(folder / "t.csv", index=False)
        return folder / "p.npz", folder / "t.csv"
    if kind == "two tables":
        rows[["pred", "mail"]].to_csv(folder / "p.csv", index=False)
        rows.drop(columns="pred").to_csv(folder / "t.csv", index=False)
        return folder / "p.csv", folder / "t.csv"
    rows.to_csv(folder / "a.csv", index=False)
    return folder / "a.csv", None


@pytest.mark.parametrize("kind", ["text", "Parquet", "many tables", "two tables", "tensor and table"])
def test_ranks_search_what_one_process_searches(rows: pd.DataFrame, run: Run, tmp_path: Path, kind: str) -> None:
    preds, target = wrote(rows, tmp_path, kind)
    files = (preds,) if target is None else (preds, target)
    alone = run("report", *files, *ASKED, *PLAIN)
    assert alone.code == 0, alone.stderr
    found = json.loads(alone.stdout)["scan"]
    left_out = {one["column"]: one["why"] for one in found["left_out"]}
    assert "ids" in left_out["row"]
    if kind != "tensor and table":
        assert found["columns"] == ["sex", "age", "user", "place"]
        assert left_out["street"].endswith("values, more than 1,000")
    assert report_by_threads(3, preds, "--no-intervals", *ASKED, target=target) == alone.stdout


@pytest.mark.parametrize(
    ("packed", "asked"),
    [
        *((packed, ASKED) for packed in ("csv.gz", "jsonl.zst", "dealt.parquet")),
        # once its columns are looked at, a file is read alike whatever was asked
        *((packed, ("--by", "age")) for packed in ("csv.gz", "dealt.parquet")),
        ("jsonl.zst", ("--scan", "age", "--min-slice-size", "2", "--by", "row")),
    ],
)
def test_files_that_are_dealt_out_are_looked_at_by_all(
    rows: pd.DataFrame, run: Run, tmp_path: Path, packed: str, asked: tuple[str, ...]
) -> None:
    for number in range(2 * MANY + 1):  # of Parquet enough to be dealt, in shares of unlike sizes
        some, name = rows[number * 141 : number * 141 + 141], tmp_path / f"a{number:02}.{packed}"
        if packed == "csv.gz":
            some.to_csv(name, index=False)
        elif packed == "jsonl.zst":
            some.to_json(name, orient="records", lines=True)
        else:
            some.to_parquet(name, index=False)
    pattern = tmp_path / f"a*.{packed}"
    alone = run("report", pattern, *asked, *PLAIN)
    assert alone.code == 0, alone.stderr
    assert report_by_threads(2, pattern, "--no-intervals", *asked) == alone.stdout


@pytest.mark.parametrize("asked", [ASKED, ("--by", "age"), ("--scan", "age", "--min-slice-size", "2")])
def test_files_that_are_read_at_once_are_dealt_out_where_nobody_has_to_see_all(
    rows: pd.DataFrame, run: Run, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    rows = rows.drop(columns=["place", "street"])
    for number in range(3):
        rows[number * 800 : number * 800 + 800].to_feather(tmp_path / f"a{number}.feather")
    alone = run("report", tmp_path / "a?.feather", *asked, *PLAIN)
    assert alone.code == 0, alone.stderr
    assert report_by_threads(2, tmp_path / "a?.feather", "--no-intervals", *asked, by_one=True) == alone.stdout
    bounds = [text.replace("*", "*,age").replace("age", "age:50:99") for text in asked]
    alone = run("report", tmp_path / "a?.feather", *bounds, *PLAIN)
    assert alone.code == 0, alone.stderr
    every = "*" in asked
    assert report_by_threads(2, tmp_path / "a?.feather", "--no-intervals", *bounds, by_one=every) == alone.stdout


@pytest.mark.parametrize(
    ("suffix", "column"), [("csv.gz", "*"), ("csv.gz", "sex,age"), ("feather", "*"), ("feather", "sex")]
)
def test_ranks_write_the_part_that_one_process_writes(
    rows: pd.DataFrame, run: Run, tmp_path: Path, suffix: str, column: str
) -> None:
    for number in range(3):
        some, name = rows[number * 800 : number * 800 + 800], tmp_path / f"a{number}.{suffix}"
        some.to_feather(name) if suffix == "feather" else some.to_csv(name, index=False)
    asked = ("report", tmp_path / f"a?.{suffix}", "--scan", column, "--quiet", "-o")
    alone = run(*asked, tmp_path / "alone.evalcli")
    assert alone.code == 0, alone.stderr
    first, second = ranks(2, *asked, tmp_path / "ranks.evalcli")
    assert (first.code, second.stderr) == (0, ""), first.stderr
    assert first.stderr.endswith(alone.stderr)
    assert (tmp_path / "ranks.evalcli").read_bytes() == (tmp_path / "alone.evalcli").read_bytes()


@pytest.mark.parametrize("asked", [(), ASKED])
@pytest.mark.parametrize("suffixes", [("gz", "zst"), ("gz", "")])
def test_ranks_read_files_packed_in_several_ways_as_one_process_does(
    rows: pd.DataFrame, run: Run, tmp_path: Path, asked: tuple[str, ...], suffixes: tuple[str, str]
) -> None:
    for number in range(4):
        name = f"a{number}.csv.{suffixes[number // 2]}".removesuffix(".")
        rows[number * 600 : number * 600 + 600].to_csv(tmp_path / name, index=False)
    asked = ("report", tmp_path / "a*", *asked, "--quiet", "-o")
    alone = run(*asked, tmp_path / "one.evalcli")
    assert alone.code == 0, alone.stderr
    first, second = ranks(2, *asked, tmp_path / "two.evalcli")
    assert (first.code, second.stderr) == (0, ""), first.stderr
    assert (tmp_path / "two.evalcli").read_bytes() == (tmp_path / "one.evalcli").read_bytes()


def test_ranks_search_files_of_which_a_name_does_not_say_how_it_is_packed(
    rows: pd.DataFrame, run: Run, tmp_path: Path
) -> None:
    for number in range(4):
        rows[number * 600 : number * 600 + 600].to_csv(tmp_path / f"a{number}.csv{'.gz' * (number > 1)}", index=False)
    (tmp_path / "a3.csv.gz").rename(tmp_path / "a3.csv")
    alone = run("report", tmp_path / "a*", *ASKED, *PLAIN)
    assert alone.code == 0, alone.stderr
    first, _ = ranks(2, "report", tmp_path / "a*", *ASKED, *PLAIN)
    assert first.stdout == alone.stdout, first.stderr
