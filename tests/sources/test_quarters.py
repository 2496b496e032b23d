"""Ranges that evalcli cuts itself: quarters of the numbers, alike in tables, arrays and a table beside an array."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import evalcli

ROWS = 200
NUMBERS = {
    "seconds": 1_700_000_000 + np.arange(ROWS),
    "near 1": 1.0 + np.arange(ROWS) * 1e-12,
    "half is NaN": np.where(np.arange(ROWS) % 2, np.nan, np.arange(ROWS) + 0.5),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, ROWS)
    pred = np.where(rng.random(ROWS) < 0.8, target, 1 - target)
    columns = {"target": target, **NUMBERS}
    frame = pd.DataFrame({"pred": pred, **columns})
    frame.to_csv("a.csv", index=False, na_rep="nan")
    frame.to_parquet("a.parquet")
    np.savez("a.npz", preds=pred, **columns)
    np.save("p.npy", pred)
    frame.drop(columns="pred").to_csv("t.csv", index=False, na_rep="nan")
    return (pred == target), {"csv": "a.csv", "parquet": "a.parquet", "npz": "a.npz", "beside": ("p.npy", "t.csv")}


@pytest.mark.parametrize("name", NUMBERS)
def test_quarters_are_those_of_the_numbers_and_have_names_of_their_own(files, name):
    right, paths = files
    numbers = NUMBERS[name]
    held = ~np.isnan(numbers)
    edges = np.quantile(numbers[held], (0.25, 0.5, 0.75), method="inverted_cdf")
    quarter = np.searchsorted(edges, numbers[held], side="right")
    wanted = [(int((quarter == i).sum()), right[held][quarter == i].mean()) for i in range(4)]
    said = {}
    for kind, path in paths.items():
        files_of = (path,) if isinstance(path, str) else path
        rows = [row for row in evalcli.evaluate(*files_of, by=name, task="binary").data.slices if row.by == name]
        rows.sort(key=lambda row: float(row.value[1:-1].split(", ")[0]))
        assert [(row.n, row.metrics["accuracy"].value) for row in rows] == wanted, kind
        said[kind] = [row.value for row in rows]
    assert len({*said["csv"]}) == 4
    assert said["csv"] == said["parquet"] == said["npz"] == said["beside"]
    assert all(float(low) < float(high) for low, high in (one[1:-1].split(", ") for one in said["csv"]))
