"""Shares of an input: each row in one of them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory_source import text_source

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.sources.base import InputFile, Selection
from evalcli.sources.relabelled import Relabelled
from evalcli.sources.share import Share, dealt, open_share
from evalcli.sources.table_portions import Portion, cut, row_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]


def test_files_are_dealt_fairly_and_each_once() -> None:
    files = [(f"f{i}", size) for i, size in enumerate([10, 1, 1, 8, 8, 0, 3])]
    hands = dealt(files, 3)
    assert sorted(name for hand in hands for name in hand) == [name for name, _ in files]
    assert all(hand == sorted(hand) for hand in hands)
    sums = [sum(dict(files)[name] for name in hand) for hand in hands]
    assert max(sums) - min(sums) <= 3
    assert dealt(files[:2], 4) == [["f0"], ["f1"], [], []]


def test_arrays_are_cut_into_ranges_that_cover_them(arrays: tuple[Path, Path]) -> None:
    seen: list[int] = []
    for rank in range(7):
        share = open_share(str(arrays[0]), str(arrays[1]), Selection(), (rank, 7))
        assert share.source is not None
        batches = list(share.source.batches(64))
        seen += [batch.start + i for batch in batches for i in range(len(batch.target))]
        preds, _ = share.source.finish()
        assert preds.rows == (batches[0].start, batches[0].start + sum(len(batch.target) for batch in batches))
        assert preds.total == 1001
        share.source.close()
    assert seen == list(range(1001))
    with pytest.raises(UsageError, match="standard input cannot be shared out"):
        open_share("-", None, Selection(), (0, 2))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_row_groups_are_cut_into_runs_that_cover_them(groups: Path, size: int) -> None:
    names = [str(groups).replace("?", str(i)) for i in range(3)]
    found = row_groups(names)
    assert found is not None
    assert [group.rows for group in found] == [*[100] * 10, 1, 40, 0]
    hands = cut(found, size)
    assert len(hands) == size
    portions = [portion for hand in hands for portion in hand]
    assert [*dict.fromkeys(portion.path for portion in portions)] == names
    edges = [portion.rows or (0, 1001) for portion in portions if portion.path == names[0]]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == 1001
    assert all(start % 100 == 0 for start, _ in edges)
    bytes_of = [sum(group.size for group in found if group.path == one) for one in names]
    if 1 < size < 5:  # a hand is at most one group above its share
        largest = max(group.size for group in found)
        rows = {names[0]: 1001, names[1]: 40, names[2]: 0}
        for hand in hands:
            shares = [((p.rows or (0, rows[p.path]))[1] - (p.rows or (0, 0))[0]) / max(rows[p.path], 1) for p in hand]
            held = sum(share * bytes_of[names.index(p.path)] for share, p in zip(shares, hand, strict=True))
            assert held <= sum(bytes_of) / size + 1.5 * largest


def test_ranks_read_their_row_groups_of_one_file_and_check_no_others(groups: Path, tmp_path: Path) -> None:
    path = str(groups).replace("?", "0")
    truth = pq.read_table(path)["target"].to_pylist()
    total: dict[str, int] = {}
    for rank in range(3):
        share = open_share(path, None, Selection(), (rank, 3))
        assert (share.alone, share.ranged) == ("", False)
        assert share.source is not None
        (record,) = share.source.finish()
        assert record.rows is not None
        assert (record.total, record.rows[1] - record.rows[0]) == (1001, share.source.rows)
        counts: dict[str, int] = {}
        for batch in share.source.batches(64):
            for code, many in zip(batch.target, batch.repeats, strict=True):
                name = (share.source.target.labels or ())[code]
                counts[name] = counts.get(name, 0) + int(many)
        own = truth[slice(*record.rows)]
        assert counts == {name: own.count(name) for name in set(own)}
        total = {name: total.get(name, 0) + counts.get(name, 0) for name in {*total, *counts}}
        share.source.close()
    assert total == {name: truth.count(name) for name in set(truth)}

    place = pq.ParquetFile(path).metadata.row_group(10).column(1)
    damaged = bytearray(Path(path).read_bytes())
    damaged[place.data_page_offset + place.total_compressed_size - 2] ^= 1
    (tmp_path / "bad.parquet").write_bytes(damaged)
    for rank in range(3):
        if rank < 2:
            share = open_share(str(tmp_path / "bad.parquet"), None, Selection(), (rank, 3))
            assert share.source is not None
            share.source.finish()
            share.source.close()
        else:
            with pytest.raises(InputError, match="damaged"):
                open_share(str(tmp_path / "bad.parquet"), None, Selection(), (rank, 3)).source.finish()


def test_a_row_group_names_its_rows_as_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"pred": [1.0] * 40, "target": [0] * 37 + [None, 1, 0]}), path, row_group_size=10)
    with pytest.raises(InputError, match="row 37"):
        open_share(str(path), None, Selection(), (3, 4))


def test_a_column_named_as_row_numbers_are_leaves_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"pred": [0, 1] * 9, "target": [1, 1] * 9, "File_Row_Number": [5] * 18})
    pq.write_table(table, path, row_group_size=3)
    assert cut(row_groups([str(path)]) or [], 2)[1] in ([], [Portion(str(path))])
    assert "is one file" in open_share(str(path), None, Selection(), (1, 2)).alone


def test_codes_become_those_of_the_whole() -> None:
    part = text_source(["b", "d", "b"], ["d", "d", "b"])
    whole = text_source(["a", "b", "c", "d"], ["a", "b", "c", "d"])
    (batch,) = Relabelled(part, whole.preds, whole.target).batches(10)
    assert (batch.preds.tolist(), batch.target.tolist()) == ([1, 3, 1], [3, 3, 1])
    part.arrays[0] = np.array([-1, 1, 0])  # none, d, b
    (batch,) = Relabelled(part, whole.preds, whole.target).batches(10)
    assert batch.preds.tolist() == [-1, 3, 1]


def test_rows_that_nobody_or_two_have_read_are_no_verdict() -> None:
    from evalcli.distributed.shared import covered
    from evalcli.plaindata import plain

    def read(*files: InputFile, whole: tuple[str, ...] = ("a",)) -> Any:
        return covered([[plain((file,)), [], 0] for file in files], Share(None, tuple((name, 1) for name in whole)))

    half, rest = (InputFile("a", 9, "sha256:1", rows=rows, total=10) for rows in ((0, 5), (5, 10)))
    assert read(rest, half) == (InputFile("a", 9, "sha256:1", total=10),)
    with pytest.raises(LimitError, match="some of its rows were not read"):
        read(half)
    for twice in (InputFile("a", 9, "sha256:1", rows=(4, 10), total=10), half, InputFile("a", 9, "sha256:1")):
        with pytest.raises(LimitError, match="not read once each"):
            read(half, twice)
    with pytest.raises(LimitError, match="was read by no rank"):
        read(half, rest, whole=("a", "b"))
    with pytest.raises(InputError, match="other contents"):
        read(half, InputFile("a", 9, "sha256:2", rows=(5, 10), total=10))


def test_a_file_that_one_process_lacks_names_it(tmp_path: Path) -> None:
    for rank, said in (
        (0, r"No such file or directory; see whether the path is right \[E3\]$"),
        (1, r"No such file or directory \(rank 1\); start all ranks"),
    ):
        with pytest.raises(InputError, match=said):
            open_share(str(tmp_path / "x.csv"), None, Selection(), (rank, 2), talk=lambda work: [work()] * 2)


def test_only_what_is_one_file_for_all_is_hashed_together(arrays: tuple[Path, Path], groups: Path) -> None:
    def told(work: Callable[[], bytes], change: Callable[[list[Any]], list[Any]]) -> list[bytes]:
        reply = work()
        if reply[:2] != b'["':  # not what is asked first
            return [reply] * 2
        asked, sides = json.loads(reply)
        theirs = [list(map(change, files)) for files in sides]
        return [json.dumps([asked, found]).encode() for found in (sides, theirs)]

    alike = partial(told, change=lambda file: file)
    elsewhere = partial(told, change=lambda file: [*file[:4], file[4] + 1])
    smaller = partial(told, change=lambda file: [file[0], file[1] - 1, *file[2:]])

    for files in ((str(arrays[0]), str(arrays[1])), (str(groups).replace("?", "0"), None)):
        for talk, pieces in ((alike, 0), (elsewhere, 1), (None, 1)):
            share = open_share(*files, Selection(), (0, 2), talk=talk)
            assert share.source is not None
            list(share.source.batches(2000))
            for hashed in share.source.hashed().values():
                assert len(hashed.own) == pieces  # the only piece is the last one's
            share.source.close()
        with pytest.raises(InputError, match="rank 1 was started with other options than rank 0, or sees other files"):
            open_share(*files, Selection(), (0, 2), talk=smaller)
