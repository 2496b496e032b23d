"""Of several faults in files that are dealt to ranks, all ranks tell the one that one process finds first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from started_ranks import report_by_threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

SIZES = [100, 300, 250, 120, 200, 90]


def wrote(rows: pd.DataFrame, path: Path) -> None:
    kind = path.name.partition(".")[2]
    if kind.startswith("csv"):
        rows.to_csv(path, index=False)
    elif kind.startswith("jsonl"):
        rows.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        rows.to_parquet(path, index=False)
    else:
        rows.to_feather(path)


def broken(path: Path, rows: pd.DataFrame, how: str) -> None:
    data = path.read_bytes()
    if how == "another column":
        wrote(rows.drop(columns="target"), path)
    elif how == "a line too long":
        lines = data.split(b"\n")
        lines[len(lines) // 2] += b",7"
        path.write_bytes(b"\n".join(lines))
    else:
        half = len(data) // 2
        cut = {"empty": b"", "truncated": data[:half], "damaged": data[:half] + bytes([data[half] ^ 0x55])}[how]
        path.write_bytes(cut + data[half + 1 :] if how == "damaged" else cut)


@pytest.mark.parametrize("places", [(2, 3), (0, 5)])
@pytest.mark.parametrize(
    ("kind", "hows"),
    [
        ("csv", ("a line too long", "another column")),
        ("csv", ("another column", "another column")),
        ("csv", ("a line too long", "empty")),
        ("csv.gz", ("truncated", "damaged")),
        ("csv.gz", ("truncated", "empty")),
        ("jsonl.gz", ("empty", "truncated")),
        ("parquet", ("another column", "truncated")),
        ("feather", ("truncated", "truncated")),
        ("feather", ("truncated", "another column")),
    ],
)
def test_ranks_tell_what_one_process_tells(
    run: Run, tmp_path: Path, kind: str, hows: tuple[str, str], places: tuple[int, int]
) -> None:
    rng = np.random.default_rng(4)
    for number, size in enumerate(SIZES):
        target = rng.integers(0, 4, size)
        rows = pd.DataFrame({"pred": np.where(rng.random(size) < 0.8, target, 0), "target": target})
        path = tmp_path / f"a{number}.{kind}"
        wrote(rows, path)
        if number in places:
            broken(path, rows, hows[places.index(number)])
    alone = run("report", tmp_path / f"a*.{kind}")
    assert alone.code == 2
    for ranks in (2, 3):
        assert f"evalcli: {report_by_threads(ranks, tmp_path / f'a*.{kind}')}\n" == alone.stderr
