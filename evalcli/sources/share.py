"""One input shared out among several processes, so that each row is read by exactly one of them.

===========================  =======================================================
input                        what each process reads
===========================  =======================================================
tensor files                 a range of rows
files of one Parquet table   a run of row groups, as equal in bytes as they can be; of many files whole ones
files of any other table     some of the files, likewise
anything else, or one table  the first process reads all, and the others have nothing
===========================  =======================================================
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import UsageError
from evalcli.sources import TENSOR_FORMATS, input_format, open_source, open_table_source
from evalcli.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources import Heard
    from evalcli.sources.base import Array, Batch, Field, InputFile, Note, Selection, Slicer
    from evalcli.sources.table_portions import Portion


class Share(NamedTuple):
    """What one process has to read, ``None`` for nothing; ``whole`` describes all there is, alike for every process.

    ``alone`` says why the first process reads everything, if it does; ``ranged``, that the fields of the source are
    those of the whole, of which it reads a range of rows.
    """

    source: Source | None
    whole: tuple[tuple[str, int], ...]
    alone: str = ""
    ranged: bool = False


def open_share(
    preds: str, target: str | None, selection: Selection, place: tuple[int, int], progress: Heard | None = None
) -> Share:
    """Open what the process ``place = (rank, size)`` has to read.

    Raises:
        EvalError: as ``open_source``; standard input belongs to no process.

    """
    rank, size = place
    if "-" in {preds, target}:
        raise UsageError("standard input cannot be shared out", fix="name files that every process can read")
    kinds = [input_format(path) in TENSOR_FORMATS for path in (preds, target) if path is not None]
    if all(kinds):
        return _rows(preds, target, selection, place)
    if target is None:
        from evalcli.sources.tables import resolve

        files = resolve(preds)
        whole = tuple((file, os.stat(file).st_size) for file in files)  # noqa: PTH116  text all the way
        hands = _hands(whole, size)
        mine, others = hands[rank], [hand for hand in hands if hand]
        alone = f"{preds} is one file" if len(others) == 1 else ""
        return Share(open_table_source(preds, None, selection, progress, only=mine) if mine else None, whole, alone)
    source = open_source(preds, target, selection, progress) if rank == 0 else None
    return Share(source, ((preds, 0), (target, 0)), f"{preds} and {target} are paired row by row")


def _hands(files: Sequence[tuple[str, int]], size: int) -> list[list[Portion]]:
    """What each process reads of the files of one table."""
    from evalcli.sources.table_portions import MANY, Portion, cut, row_groups

    names = [path for path, _ in files]
    if len(names) < MANY * size and all(input_format(path) == "parquet" for path in names):
        groups = row_groups(names)
        if groups is not None:
            return cut(groups, size)
    return [list(map(Portion, hand)) for hand in dealt(files, size)]


def dealt(files: Sequence[tuple[str, int]], size: int) -> list[list[str]]:
    """Files with their bytes dealt to ``size`` hands: the largest first, each to the hand that holds least.

    >>> dealt([("a", 5), ("b", 3), ("c", 3)], 2)
    [['a'], ['b', 'c']]
    """
    hands: list[list[int]] = [[] for _ in range(size)]
    held = [0] * size
    for number in sorted(range(len(files)), key=lambda i: (-files[i][1], i)):
        least = held.index(min(held))
        hands[least].append(number)
        held[least] += files[number][1]
    return [[files[number][0] for number in sorted(hand)] for hand in hands]


def _rows(preds: str, target: str | None, selection: Selection, place: tuple[int, int]) -> Share:
    from evalcli.sources.pairing import open_arrays

    source = open_arrays(preds, target, selection)
    rank, size = place
    rows = source.preds.shape[0]
    start, stop = rows * rank // size, rows * (rank + 1) // size
    whole = tuple((path, rows) for path in (preds, target) if path is not None)
    if rows != source.target.shape[0] or rank == 0 == rows:
        return Share(source, whole, ranged=True)  # whoever fits the two together will say so
    if start == stop:
        source.close()
        return Share(None, whole)
    source.narrow(start, stop)
    return Share(source, whole, ranged=True)


class Relabelled(Source):
    """A source that knows its own texts only, with the fields and slices of all: codes become those of the whole."""

    def __init__(self, source: Source, preds: Field, target: Field, slicers: tuple[Slicer, ...] = ()) -> None:
        self._source = source
        self._tables = tuple(
            _table(own.labels, whole.labels) for own, whole in ((source.preds, preds), (source.target, target))
        )
        self.preds, self.target = preds, target
        self.weighted, self.rows, self.dropped = source.weighted, source.rows, source.dropped
        self.aliases, self.slicers = source.aliases, slicers
        self._places = [_table(own.values, whole.values) for own, whole in zip(source.slicers, slicers, strict=True)]

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """The same loads."""
        for load in self._source.plan(size):
            yield partial(self._load, load)

    def _load(self, load: Callable[[], Batch]) -> Batch:
        batch = load()
        preds, target = (
            side if table is None else table[side]
            for side, table in zip((batch.preds, batch.target), self._tables, strict=True)
        )
        groups = batch.groups
        if groups is not None and any(table is not None for table in self._places):
            columns = zip(groups.T, self._places, strict=True)
            groups = np.stack([codes if table is None else table[codes] for codes, table in columns], axis=1)
        return replace(batch, preds=preds, target=target, groups=groups)

    def finish(self) -> tuple[InputFile, ...]:
        """As the source."""
        return self._source.finish()

    def notes(self) -> tuple[Note, ...]:
        """As the source."""
        return self._source.notes()

    def place(self, row: int, side: str = "preds") -> str:
        """As the source."""
        return self._source.place(row, side)

    def close(self) -> None:
        """As the source."""
        self._source.close()


def _table(own: tuple[str, ...] | None, whole: tuple[str, ...] | None) -> Array | None:
    """Codes of the whole by codes of a part; the last entry answers for -1, which stands for no text."""
    if own == whole or own is None or whole is None:
        return None
    place = {name: number for number, name in enumerate(whole)}
    return np.array([*(place[name] for name in own), -1], np.int64)


class Nothing(Source):
    """No rows of an input that others read."""

    def __init__(self, preds: Field, target: Field, slicers: tuple[Slicer, ...] = (), *, weighted: bool) -> None:
        self.preds, self.target, self.slicers, self.weighted = preds, target, slicers, weighted
        self.rows = 0

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Nothing to load."""
        del size
        return iter(())
