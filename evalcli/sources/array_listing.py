"""Arrays row by row: what lies beside predictions and targets, in their files or in the table of one side."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from evalcli.errors import EvalError, InputError, UsageError, several
from evalcli.sources.listed import Listed, find_column, shown_names, usual_id, without_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Array, Batch, Source
    from evalcli.sources.beside import Beside
    from evalcli.sources.listed import Place
    from evalcli.sources.table_listing import Lines

COMPARED = 1 << 16
"""Ids compared at a time."""


class ArrayRows(Listed):
    """The rows of arrays that pair by position.

    Raises:
        UsageError: ``show`` names nothing that lies beside them, or an array of another length.
        InputError: both files hold the ids, and these differ.

    """

    even = True

    def __init__(self, source: Source, beside: Beside, show: Sequence[str]) -> None:
        self.rows = source.rows
        self._source = source
        self._beside = beside
        names = beside.names()
        identity = beside.id or _usual_id(beside, source.rows)
        self.named = identity is not None
        flags = [] if identity is None else [(identity, "--id")]
        if any("*" in name for name in show):
            show = shown_names(show, self._beside_rows(names), {*beside.used, identity or ""})
        flags += [(name, "--show") for name in without_id(show, identity)]
        noun = beside.noun if beside.table is None else "array or column"
        found = [find_column(name, names, flag, source.preds.path, noun) for name, flag in flags]
        self.columns = tuple(name for name, _ in flags)
        self._arrays = [self._array(*each, *flag) for each, flag in zip(found, flags, strict=True)]
        self._texts = [name for (_, name), array in zip(found, self._arrays, strict=True) if array is None]
        if beside.id is not None:
            self._check_ids(beside.id)
        self._lines: Lines | None = None
        if beside.table is not None and "preds" not in beside.arrays:
            from evalcli.sources.table_listing import Lines

            self._lines = Lines(beside.table)
            self.has_lines, self.has_files = self._lines.has_lines, self._lines.has_files

    def places(self, numbers: Sequence[int]) -> list[Place]:
        """Lines of a table of predictions; arrays have none."""
        return super().places(numbers) if self._lines is None else self._lines.places(numbers)

    def _beside_rows(self, names: dict[str, list[str]]) -> dict[str, list[str]]:
        """The names without arrays that have no entry for each row, which no pattern means."""
        found = {}
        for side, every in names.items():
            arrays = self._beside.arrays.get(side)
            found[side] = every if arrays is None else [name for name in every if _fits(arrays, name, self.rows)]
        return found

    def _array(self, side: str, name: str, said: str, flag: str) -> StoredArray | None:
        """The array of this name; ``None`` for a column of the table."""
        array = self._beside.arrays.get(side, {}).get(name)
        if array is not None and array.shape[0] != self.rows:
            what = f"{flag} {said}: {several(array.shape[0], 'entry')} for {several(self.rows or 0, 'row')}"
            raise UsageError(what, fix="name an array with one entry for each row", path=self._source.preds.path)
        return array

    def _check_ids(self, name: str) -> None:
        """Ids on both sides must agree: nothing pairs arrays but their order."""
        sides = [arrays[name] for arrays in self._beside.arrays.values() if name in arrays]
        if len(sides) < 2:
            return
        first, second = sides
        paths = self._source.preds.path, self._source.target.path
        if first.shape[0] != second.shape[0]:
            what = f"{several(first.shape[0], 'id')} in {name!r}, but {second.shape[0]} in {paths[1]}"
            raise InputError(what, fix="save one for each row", path=paths[0])
        for start in range(0, first.shape[0], COMPARED):
            stop = min(start + COMPARED, first.shape[0])
            here, there = (array.values(start, stop) for array in (first, second))
            if here != there:
                row = next(i for i, pair in enumerate(zip(here, there, strict=True)) if pair[0] != pair[1])
                what = f"row {start + row} is {here[row]!r} in {name!r}, but {there[row]!r} in {paths[1]}"
                raise InputError(what, fix="arrays pair by position: bring both into one order", path=paths[0])

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Ranges of rows, in order."""
        tables, texts = self._beside.tables, None
        if tables is not None and self._texts:
            from evalcli.sources.table_listing import ColumnPieces

            texts = ColumnPieces(tables, self._texts)
        loads = self._source.plan(size)
        for start in range(0, self.rows or 0, size):
            stop = min(start + size, self.rows or 0)
            held = None if texts is None else texts.take(stop - start)
            for load in islice(loads, self._source.pieces):
                yield _Load(load, self._arrays, start, stop, held)


@dataclass(frozen=True, slots=True)
class _Load:
    """A range of rows, with the cells that lie beside them."""

    load: Callable[[], Batch]
    arrays: list[StoredArray | None]
    start: int
    stop: int
    texts: Any = None

    def __call__(self) -> Batch:
        batch = self.load()
        return replace(batch, cells=self.cells) if self.arrays else batch

    def cells(self, rows: Array) -> list[tuple[Any, ...]]:
        """The cells of some of the rows; arrays are read at once where the batch was."""
        texts: Iterator[Any] = iter(())
        if self.texts is not None:
            from evalcli.sources.cells import Cells

            texts = zip(*Cells(self.texts.columns)(rows), strict=True)
        start, stop = self.start, self.stop
        columns: list[Any] = [next(texts) if each is None else each.values(start, stop, rows) for each in self.arrays]
        return list(zip(*columns, strict=True))


def _fits(arrays: Mapping[str, StoredArray], name: str, rows: int | None) -> bool:
    """Whether an array has an entry for each row."""
    try:
        return arrays[name].shape[:1] == (rows,)
    except EvalError:  # a column of a frame may hold what is no array
        return False


def _usual_id(beside: Beside, rows: int | None) -> str | None:
    """What rows are called where nobody said it: a usual name of an array or a column of texts or numbers."""
    for arrays in beside.arrays.values():
        name = usual_id(list(arrays), beside.used)
        with suppress(EvalError):  # a column of a frame may hold what is no array
            if name is not None and arrays[name].shape == (rows,) and "float" not in arrays[name].dtype:
                return name
    table = beside.table
    name = None if table is None else usual_id(list(table.columns), beside.used)
    if table is not None and name is not None and table.columns[name] in ("text", "integer"):
        with suppress(EvalError):
            table.scan([name])
            return name
    return None
