"""Inputs that ranks share out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Tables of labels, of different sizes, one of them without rows; not every class is in every one of them."""
    rng = np.random.default_rng(6)
    names = np.array(["cat", "dog", "owl", "ant", "bee", "eel"])
    for number in range(5):
        truth = rng.integers(number % 3, 6 - number % 2, 50 * number)
        said = np.where(rng.random(len(truth)) < 0.7, truth, rng.integers(0, 3, len(truth)))
        rows = [f"{names[p]},{names[t]}\n" for p, t in zip(said, truth, strict=True)]
        (tmp_path / f"shard{number}.csv").write_text("pred,target\n" + "".join(rows))
    return tmp_path / "shard*.csv"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Binary scores that only one of the files shows to be logits, beside names that not every file has."""
    rng = np.random.default_rng(7)
    for number in range(4):
        score = rng.random(80 + number) - (number == 3)
        truth = np.where(rng.random(len(score)) + number / 10 < score + 0.5, "spam", "ham")
        rows = [f"{s:.6f},{t}\n" for s, t in zip(score, truth if number else ["spam"] * len(score), strict=True)]
        (tmp_path / f"s{number}.csv").write_text("score,target\n" + "".join(rows))
    return tmp_path / "s?.csv"


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """A Parquet file of many row groups, beside one of a single group and one without rows."""
    rng = np.random.default_rng(9)
    for number, (rows, size) in enumerate([(1001, 100), (40, 40), (0, 1)]):
        truth = rng.integers(0, 3, rows)
        said = np.where(rng.random(rows) < 0.8, truth, rng.integers(0, 3, rows))
        words = np.array(["ant", "bee", "cat"])
        table = pa.table({"id": np.arange(rows), "pred": words[said], "target": words[truth]})
        pq.write_table(table, tmp_path / f"g{number}.parquet", row_group_size=size, write_page_checksum=True)
    return tmp_path / "g?.parquet"


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(1001, 5)).astype(np.float32)
    np.save(tmp_path / "p.npy", logits)
    np.save(tmp_path / "t.npy", np.where(rng.random(1001) < 0.6, logits.argmax(1), rng.integers(0, 5, 1001)))
    return tmp_path / "p.npy", tmp_path / "t.npy"


@pytest.fixture
def sliced(tmp_path: Path) -> tuple[Path, Path]:
    """Tables of which each has regions of its own, and arrays with a region and a number beside them."""
    rng = np.random.default_rng(9)
    for number in range(3):
        region = rng.choice(["EU", "US", "AS", "AF"][number : number + 2], 80)
        truth = rng.integers(0, 3, 80)
        said = np.where(rng.random(80) < 0.6, truth, 0)
        rows = [f"{'xyz'[p]},{'xyz'[t]},{r}\n" for p, t, r in zip(said, truth, region, strict=True)]
        (tmp_path / f"r{number}.csv").write_text("pred,target,region\n" + "".join(rows))
    logits = rng.normal(size=(500, 3)).astype(np.float32)
    beside = {"region": np.sort(rng.integers(0, 5, 500)), "age": rng.normal(size=500)}
    np.savez(tmp_path / "a.npz", logits=logits, target=rng.integers(0, 3, 500), **beside)
    return tmp_path / "r?.csv", tmp_path / "a.npz"
