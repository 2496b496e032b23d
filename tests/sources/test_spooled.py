"""Rows that are kept as they are counted are the rows that a second reading would give."""

from __future__ import annotations

import csv
import errno
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.errors import InputError
from evalcli.sources import open_source, spooled
from evalcli.sources.base import Selection

if TYPE_CHECKING:
    from pathlib import Path

    from evalcli.sources.base import Source

TEXTS = ["cat", "dog", "NA", " x ", "a,b", 'say "a"', "", "naïve", "007"]


def opened(path: Path, truth: Path | None = None, **selection: Any) -> tuple[Source, bool]:
    """The source, and whether its rows were kept."""
    target = None if truth is None else str(truth)
    source: Any = open_source(str(path), target, Selection(listing=True, **selection))
    return source, source._opened.spooled is not None


def rows_of(source: Source, size: int) -> list[tuple[str | None, str | None]]:
    """Target and prediction of every row, in order; the numbers of the rows run on."""
    labels = source.preds.labels or ()
    found, at = [], 0
    for load in source.listed().plan(size):
        batch = load()
        assert batch.start == at
        at += len(batch.target)
        pairs = zip(batch.target.tolist(), batch.preds.tolist(), strict=True)
        found += [tuple(None if code < 0 else labels[code] for code in pair) for pair in pairs]
    source.finish()
    return found


def write(path: Path, rows: list[tuple[str, str]], extra: bool = False, quoting: int = csv.QUOTE_MINIMAL) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]  # one of its numbers
        writer.writerow(["pred", "more", "target"] if extra else ["pred", "target"])
        writer.writerows([[said, "7", truth] if extra else [said, truth] for truth, said in rows])
    return path


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)), min_size=1, max_size=40),
    extra=st.booleans(),
    size=st.integers(1, 50),
)
def test_rows_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], extra: bool, size: int
) -> None:
    rows = [("cat", "cat"), *rows]  # sides without a label in common are refused
    path = write(tmp_path_factory.mktemp("t") / "t.csv", rows, extra, csv.QUOTE_ALL)
    source, kept = opened(path)
    assert kept
    assert rows_of(source, size) == rows
    assert rows_of(source, size) == rows  # once more, from the start
    source.close()


@pytest.mark.parametrize("block", [7, 1 << 17])
@pytest.mark.parametrize("memory", [0, 20_000, 1 << 26])  # the second holds some blocks of two columns
def test_many_blocks_in_memory_and_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, memory: int
) -> None:
    monkeypatch.setattr(spooled, "FETCH", block)
    monkeypatch.setattr(spooled, "IN_MEMORY", memory)
    rng = np.random.default_rng(0)
    rows = [(f"c{a}", f"c{b}") for a, b in rng.integers(0, 30, (9000, 2)).tolist()]
    for extra in (False, True):
        source, kept = opened(write(tmp_path / "t.csv", rows, extra))
        assert kept
        assert rows_of(source, 1000) == rows
        source.close()


@pytest.mark.parametrize("room", [0, 1000, 18_000, 35_999])
def test_a_full_disk_means_reading_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Two bytes a row do not fit; the last of them wait in a buffer, and fail when it is emptied, or closed."""

    class Full(io.RawIOBase):
        def __init__(self, *_: Any, **__: Any) -> None:
            self.left = room

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            if len(data) > self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= len(data)
            return len(data)

    made: list[io.BufferedWriter] = []

    def full(*_: Any, **__: Any) -> io.BufferedWriter:
        made.append(io.BufferedWriter(Full(), 1 << 20))
        return made[-1]

    monkeypatch.setattr(spooled, "IN_MEMORY", 0)
    monkeypatch.setattr(spooled, "SpooledTemporaryFile", full)
    rows = [(f"c{a}", f"c{b}") for a, b in np.random.default_rng(0).integers(0, 30, (18_000, 2)).tolist()]
    source, kept = opened(write(tmp_path / "t.csv", rows))
    assert made
    assert not kept
    assert rows_of(source, 1000) == rows
    source.close()


def test_whole_numbers_and_two_files(tmp_path: Path) -> None:
    truth, said = [3, 1, 10, 1], [3, 3, 10, 1]
    pq.write_table(pa.table({"pred": said, "target": truth}), tmp_path / "t.parquet")
    source, kept = opened(tmp_path / "t.parquet")
    assert (rows_of(source, 3), kept) == ([(str(a), str(b)) for a, b in zip(truth, said, strict=True)], True)
    assert source.preds.labels == ("1", "3", "10")
    source.close()
    for name, values in (("pred", said), ("target", truth)):
        (tmp_path / f"{name}.csv").write_text("\n".join([name, *map(str, values)]) + "\n")
    source, kept = opened(tmp_path / "pred.csv", tmp_path / "target.csv")
    assert (rows_of(source, 3), kept) == ([(str(a), str(b)) for a, b in zip(truth, said, strict=True)], True)
    source.close()


def test_numbers_beyond_64_bits_are_read_again(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "t.parquet"
    sql = "SELECT unnest([170141183460469231731687303715884105727, 1])::HUGEINT AS pred, unnest([1, 1]) AS target"
    duckdb.sql(f"COPY ({sql}) TO '{path}'")
    source, kept = opened(path)
    assert sum(len(load().target) for load in source.listed().plan(3)) == 2
    assert not kept
    source.close()


@pytest.mark.parametrize(("nan", "rows"), [("wrong", [("a", "a"), ("b", None)]), ("drop", [("a", "a")])])
def test_missing_predictions(tmp_path: Path, nan: str, rows: list[tuple[str, str | None]]) -> None:
    (tmp_path / "t.csv").write_text("target,pred\na,a\nb,\n")
    source, kept = opened(tmp_path / "t.csv", nan=nan)
    assert (rows_of(source, 5), kept) == (rows, nan == "wrong")
    source.close()
    with pytest.raises(InputError, match=r"1 prediction is missing \(line 3\)"):
        opened(tmp_path / "t.csv")


def test_what_is_more_than_two_labels_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "id,target,pred\nr1,a,a\nr2,b,a\nr3,a,b\n"
    (tmp_path / "t.csv").write_text(text)
    for more in ({}, {"where": "id <> 'r2'"}, {"id": "id", "sorted": True}):
        source, kept = opened(tmp_path / "t.csv", **more)
        assert not kept
        assert len(rows_of(source, 2)) == 3 - ("where" in more)
        source.close()
    monkeypatch.setattr(spooled, "MOST_VALUES", 2)
    monkeypatch.setattr("evalcli.sources.linenumbers.MOST_LINES", 2)
    source, kept = opened(write(tmp_path / "m.csv", [("a", "b"), ("b", "c"), ("c", "d")]))
    assert (len(rows_of(source, 2)), kept) == (3, False)
    source.close()
