"""Map over partitions in other processes, reduce in any tree: the bytes of one run."""

from __future__ import annotations

import functools
import importlib.util
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalcli.errors import EmptyError, InputError
from evalcli.mapreduce import count_files, count_source, merge_bytes, report_bytes
from evalcli.renderers import render
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


@pytest.fixture
def shards(tmp_path: Path) -> list[str]:
    """Seven partitions; the fourth has a header and no rows, as a filter may leave it."""
    rng = np.random.default_rng(9)
    paths = []
    for number in range(7):
        rows = 0 if number == 3 else 30 + 10 * number
        table = rng.dirichlet([1.0] * 3, rows)
        truth = np.where(rng.random(rows) < 0.6, table.argmax(1), rng.integers(0, 3, rows)) if rows else []
        lines = [f"{a:.17g},{b:.17g},{c:.17g},{'xyz'[t]}\n" for (a, b, c), t in zip(table, truth, strict=True)]
        path = tmp_path / f"shard{number}.csv"
        path.write_text("p_x,p_y,p_z,target\n" + "".join(lines))
        paths.append(str(path))
    return paths


@pytest.fixture
def whole(run: Run, shards: list[str]) -> str:
    return run("report", shards[0].replace("shard0", "shard*"), "-f", "json").stdout


def test_map_by_processes_and_reduce(shards: list[str], whole: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(count_files, shards))
    assert render(report_bytes(merge_bytes(parts)), "json") == whole
    pairs = functools.reduce(lambda a, b: merge_bytes([b, a]), parts)
    assert pairs == merge_bytes(parts) == merge_bytes([merge_bytes(parts[4:]), merge_bytes(parts[:4])])


def test_partitions_without_rows_are_parts_too(shards: list[str], whole: str) -> None:
    empty = count_files(shards[3])
    with pytest.raises(EmptyError):
        report_bytes(empty)
    rest = [count_files(path) for path in shards if path != shards[3]]
    assert render(report_bytes(merge_bytes([empty, *rest])), "json") == whole


def test_what_goes_wrong_is_said(shards: list[str]) -> None:
    part = count_files(shards[0])
    with pytest.raises(InputError, match="part 1: its rows are counted already"):
        merge_bytes([part, part])
    with pytest.raises(InputError, match="part 1: not a part of a report"):
        merge_bytes([part, b"pred,target\n"])
    with pytest.raises(InputError, match="no parts"):
        merge_bytes([])
    other = count_files(shards[1], choices=Choices(nan="drop"))
    with pytest.raises(InputError, match=r"other choices than part 0 \(--nan\)"):
        merge_bytes([part, other])


def test_an_open_source_can_be_counted() -> None:
    from memory_source import MemorySource

    source = MemorySource(np.arange(9) % 3, np.arange(9) % 2 * 2)
    with pytest.raises(InputError, match="not a part"):  # a part names the files that its rows are from
        report_bytes(count_source(source))


@pytest.mark.skipif(importlib.util.find_spec("dask") is None, reason="dask is not installed")
def test_dask(shards: list[str], whole: str) -> None:
    import dask.bag

    parts = dask.bag.from_sequence(shards, npartitions=4).map(count_files)
    merged = parts.reduction(merge_bytes, merge_bytes, split_every=2)
    assert render(report_bytes(merged.compute(scheduler="threads")), "json") == whole
