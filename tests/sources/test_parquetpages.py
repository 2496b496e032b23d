"""The checksums that Parquet files may hold."""

from __future__ import annotations

import zlib

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalcli.errors import InputError
from evalcli.sources import parquetpages
from evalcli.sources.parquetpages import Chunk, check_pages
from evalcli.sources.tables import Tables

WAYS = {
    "plain": {"compression": "NONE", "use_dictionary": False},
    "snappy, dictionary": {"compression": "snappy"},
    "version 2 pages": {"compression": "zstd", "data_page_version": "2.0"},
    "small pages": {"compression": "NONE", "data_page_size": 2000, "row_group_size": 1500, "use_dictionary": False},
}


def chunks_of(path):
    found = duckdb.execute(
        "SELECT path_in_schema, dictionary_page_offset, data_page_offset, total_compressed_size "
        "FROM parquet_metadata(?)",
        [str(path)],
    ).fetchall()
    return [Chunk(name, min(first or data, data), size) for name, first, data, size in found]


def written(path, way, *, checksums=True):
    rng = np.random.default_rng(0)
    words = rng.choice(["cat", "dog", "x" * 300, None], 4000).tolist()
    lists = rng.random((4000, 3)).tolist()
    table = pa.table({"y": rng.integers(0, 50, 4000), "word": words, "scores": lists})
    pq.write_table(table, path, write_page_checksum=checksums, **WAYS[way])
    return path


def checked(path):
    tables = Tables([str(path)])
    try:
        tables.tables[0].check()
    finally:
        tables.close()


@pytest.mark.parametrize("way", WAYS)
def test_P04_a_flip_in_a_page_with_a_checksum_is_noticed(tmp_path, way, monkeypatch):
    path = written(tmp_path / "x.parquet", way)
    chunks, whole = chunks_of(path), path.read_bytes()
    spans, checksum = [], parquetpages._checksum
    monkeypatch.setattr(parquetpages, "_checksum", lambda *args: spans.append(args[1:]) or checksum(*args))
    assert check_pages(str(path), chunks) == len(spans) >= len(chunks)
    if way == "small pages":
        assert len(spans) > 2 * len(chunks)
    monkeypatch.undo()
    checked(path)
    rng = np.random.default_rng(1)
    for start, size in spans[:: max(1, len(spans) // 8)]:
        for at in (start, start + size - 1, start + int(rng.integers(size))):
            broken = bytearray(whole)
            broken[at] ^= 1 << int(rng.integers(0, 8))
            path.write_bytes(broken)
            with pytest.raises(InputError) as caught:
                check_pages(str(path), chunks)
            assert str(caught.value).startswith(f"{path}: column ")
            assert " is damaged: the CRC-32 " in str(caught.value)
    with pytest.raises(InputError, match=r"is damaged|cannot be read"):
        checked(path)


def test_P04_without_checksums_the_digest_is_all_there_is(tmp_path):
    path = written(tmp_path / "x.parquet", "plain", checksums=False)
    assert check_pages(str(path), chunks_of(path)) == 0
    tables = Tables([str(path)])
    (record,) = tables.tables[0].finish(None)
    tables.close()
    assert record.digest.startswith("sha256:")


def test_P04_a_checksum_that_vanished(tmp_path):
    """A flip in a header is not covered by any checksum: a page that has lost its own is told by its neighbours."""
    data = b"\x15\x00\x15\x06\x15\x06\x15%b\x00abc"  # type, two sizes, the checksum as zigzag, the end
    crc = zlib.crc32(b"abc")
    signed = crc - (crc >> 31 << 32)
    zigzag, code = (signed << 1) ^ (signed >> 31), bytearray()
    while True:
        zigzag &= 0xFFFFFFFF
        code.append(zigzag & 127 | (128 if zigzag > 127 else 0))
        zigzag >>= 7
        if not zigzag:
            break
    page, bare = data.replace(b"%b", bytes(code)), b"\x15\x00\x15\x06\x15\x06\x00abc"
    path = tmp_path / "x"
    for pages, outcome in (
        ([page, page], 2),
        ([bare, bare], 0),
        ([page, bare], "lacks the checksum"),
        ([page, b"\xff" * 20], "cannot be read"),
        ([page, page[:-1]], "cannot be read"),
        ([page, page.replace(b"abc", b"abd")], "CRC-32"),
        ([b"\xff" * 20], 0),
        ([b"\x1c" * 200], 0),
        ([b""], 0),
    ):
        path.write_bytes(b"".join(pages))
        chunk = [Chunk("y", 0, path.stat().st_size)]
        if isinstance(outcome, int):
            assert check_pages(str(path), chunk) == outcome
        else:
            with pytest.raises(InputError, match=outcome):
                check_pages(str(path), chunk)


def test_a_header_may_be_long(tmp_path):
    path = tmp_path / "x.parquet"
    longest = ["a" * 60_000, "b" * 60_000]
    pq.write_table(pa.table({"y": longest}), path, write_page_checksum=True, compression="NONE", use_dictionary=False)
    assert check_pages(str(path), chunks_of(path)) == 1


def test_nobody_waits(tmp_path):
    path = written(tmp_path / "x.parquet", "plain")

    def stop():
        raise InputError("given up")

    with pytest.raises(InputError, match="given up"):
        check_pages(str(path), chunks_of(path), stop)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_file_behind_another_is_not_left_out_in_silence(tmp_path, indexed):
    right, wrong, both = (tmp_path / f"{name}.parquet" for name in ("right", "wrong", "both"))
    for path, pred in ((right, [0, 1, 2]), (wrong, [1, 2, 0])):
        pq.write_table(pa.table({"target": [0, 1, 2], "pred": pred}), path, write_page_index=indexed)
        Tables([str(path)]).close()
    both.write_bytes(right.read_bytes() + wrong.read_bytes())
    with pytest.raises(InputError, match=r"both.parquet: another Parquet file follows in it; give the files as they"):
        Tables([str(both)])
