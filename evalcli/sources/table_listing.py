"""Tables row by row: the statement of a pass with the row numbers and the further columns behind its own."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import EvalError, InputError
from evalcli.sources.cell_rows import CellStream
from evalcli.sources.cells import Cells
from evalcli.sources.listed import Listed, Place, find_column, shown_names, usual_id, without_id
from evalcli.sources.table_join import PRED_ROW
from evalcli.sources.table_rows import RowStream, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Batch
    from evalcli.sources.spooled import SpooledRows
    from evalcli.sources.table import Table
    from evalcli.sources.table_join import Column
    from evalcli.sources.table_sides import Opened, Sides
    from evalcli.sources.tables import Tables

FETCH = 1 << 16
"""Rows of a block."""


class TableRows(Listed):
    """The rows of one or two tables, in the order of the predictions.

    Raises:
        UsageError: ``show`` names a column that neither table has.
        InputError: a column that cannot be read as values.

    """

    def __init__(self, sides: Sides, opened: Opened, show: Sequence[str]) -> None:
        self.rows = opened.rows
        self.columns, self.named, chosen = _chosen(sides, show)
        self._lines = Lines(sides.joined.preds)
        self.has_lines, self.has_files = self._lines.has_lines, self._lines.has_files
        is_numbered = _have_numbers(sides, opened)
        self._stream: SpooledRows | ListedStream | ListedCells
        if opened.spooled is not None and not (chosen or is_numbered):
            self._stream = opened.spooled
        else:
            cells = [column.sql for column in chosen]
            self._stream = _listing(sides, _singly(opened), cells, is_numbered=is_numbered)

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """As the passes of a table whose rows are streamed."""
        return self._stream.plan(size)

    def places(self, numbers: Sequence[int]) -> list[Place]:
        """Lines of a text table; the file where a pattern named several."""
        return self._lines.places(numbers)

    def close(self) -> None:
        """End a pass that was left half way."""
        self._stream.close()


def numbered(sides: Sides, opened: Opened) -> RowStream | CellStream:
    """The rows one by one, each with its number in the table of predictions where that is not its place among them."""
    stream = _singly(opened)
    return _listing(sides, stream, [], is_numbered=True) if _have_numbers(sides, opened) else stream


def _have_numbers(sides: Sides, opened: Opened) -> bool:
    """Whether rows have other numbers than their places say: some are left out, or they were sorted."""
    return sides.selection.where is not None or opened.dropped > 0 or sides.joined.is_sorted


def _singly(opened: Opened) -> RowStream | CellStream:
    stream = opened.singly or opened.stream
    assert stream is not None
    return stream


def _chosen(sides: Sides, show: Sequence[str]) -> tuple[tuple[str, ...], bool, list[Column]]:
    """The names of the columns to read beside the rows, whether the first is the id, and the columns themselves."""
    joined = sides.joined
    tables = dict(zip(("preds", "target"), joined.files, strict=False))
    names = {side: list(table.columns) for side, table in tables.items()}
    found = []
    identity = sides.selection.id or usual_id_of(sides)
    used = {column.name for column in (*sides.preds, *sides.truth, sides.weight) if column is not None}
    show = shown_names(show, {side: _showable(table) for side, table in tables.items()}, {*used, identity or ""})
    if identity is not None:
        show = without_id(show, identity)
        found.append((identity, *find_column(identity, names, "--id", joined.preds.path, joined.preds.noun)))
    found += [(name, *find_column(name, names, "--show", joined.preds.path, joined.preds.noun)) for name in show]
    columns = []
    for _, side, name in found:
        as_text(tables[side], name)
        tables[side].scan([name])  # raises what is wrong with the column
        columns.append(joined.column(name, side))
    return tuple(name for name, *_ in found), identity is not None, columns


def _showable(table: Table) -> list[str]:
    """The columns that a pattern may mean: all that can be read."""
    return [name for name, kind in table.columns.items() if kind != "other" or name in table.reader.castable]


def as_text(table: Table, name: str) -> None:
    """From now on read a column whose values are of no kind of ours (dates, records) as what the engine writes."""
    cell = table.reader.castable.get(name)
    if cell is not None:
        table.reader.cells[name], table.columns[name] = cell, "text"


def usual_id_of(sides: Sides) -> str | None:
    """What rows are called where nobody said it: a column with a usual name, if it can be read."""
    tables = dict(zip(("preds", "target"), sides.joined.files, strict=False))
    used = {column.name for column in (*sides.preds, *sides.truth, sides.weight) if column is not None}
    for table in tables.values():
        name = usual_id(list(table.columns), used)
        if name is not None and table.columns[name] in ("text", "integer"):
            with suppress(EvalError):
                table.scan([name])
                return name
    return None


def _listing(
    sides: Sides, stream: RowStream | CellStream, cells: list[str], *, is_numbered: bool
) -> ListedStream | ListedCells:
    number = [PRED_ROW] if is_numbered else []
    reads = stream.reads
    source = sides.joined.source(numbered=is_numbered, also=sides.kept_sql())
    sql = f"SELECT {', '.join((*reads, *number, *cells))} {source} {sides.joined.order}"
    if isinstance(stream, CellStream):
        own = stream.preds, stream.target
        return ListedCells(
            stream.tables,
            sql,
            *own,
            weighted=stream.weighted,
            slicers=stream.slicers,
            clustered=stream.clustered,
            reads=reads,
            is_numbered=is_numbered,
        )
    return ListedStream(
        stream.tables,
        sql,
        stream.pred_columns,
        stream.labels,
        stream.dtype,
        stream.width,
        weighted=stream.weighted,
        slicers=stream.slicers,
        clustered=stream.clustered,
        reads=reads,
        is_numbered=is_numbered,
    )


@dataclass(frozen=True, slots=True)
class ListedStream(RowStream):
    """A statement whose own columns are followed by the row number, if ``is_numbered``, and by cells."""

    is_numbered: bool = False

    def _batch(self, block: Any, start: int) -> Batch:
        batch = RowStream._batch(self, block.select(range(len(self.reads))), start)
        return _with_cells(batch, block.columns[len(self.reads) :], is_numbered=self.is_numbered)


@dataclass(frozen=True, slots=True)
class ListedCells(CellStream):
    """The same of several labels a row."""

    is_numbered: bool = False

    def _batch(self, block: Any, start: int) -> Batch:
        batch = CellStream._batch(self, block.select(range(len(self.reads))), start)
        return _with_cells(batch, block.columns[len(self.reads) :], is_numbered=self.is_numbered)


def _with_cells(batch: Batch, behind: list[Any], *, is_numbered: bool) -> Batch:
    """A batch with the columns that stand ``behind`` its own."""
    numbers = whole(behind.pop(0), np.int64) if is_numbered else None
    return replace(batch, numbers=numbers, cells=Cells(behind) if behind else None)


class ColumnPieces:
    """Columns of the first table in pieces of just the length that is asked for."""

    def __init__(self, tables: Tables, names: Sequence[str]) -> None:
        import pyarrow as pa

        aliases = {f"c{i}": name for i, name in enumerate(names)}
        self._blocks = tables.stream(f"SELECT * FROM {tables.tables[0].scan(aliases)}", FETCH)
        self._held: Any = None
        self._join = pa.concat_tables
        self._make = pa.Table.from_batches

    def take(self, rows: int) -> Any:
        """The next rows, as an Arrow table; fewer at the end."""
        while self._held is None or self._held.num_rows < rows:
            block = next(self._blocks, None)
            if block is None:
                break
            fresh = self._make([block])
            self._held = fresh if self._held is None else self._join([self._held, fresh])
        taken, self._held = self._held.slice(0, rows), self._held.slice(rows)
        return taken


class Lines:
    """Which line each row of a text table begins at."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pieces = table.reader.pieces
        self.has_lines = all(piece.text is not None for piece in self._pieces)
        self.has_files = len(self._pieces) > 1
        self._starts: list[tuple[int, int | None]] | None = None
        if not self.has_lines:  # later the connection has a pass to serve
            self._starts = self._beginnings()
        self._walk: Iterator[Place] = iter(())
        self._next = 0
        self._here = Place()

    def places(self, numbers: Sequence[int]) -> list[Place]:
        """Counted where every row is a line; else the file is read again up to the last of them."""
        if not self.has_lines and not self.has_files:
            return [Place()] * len(numbers)
        if self._starts is None:
            self._table.check()
            self._starts = self._beginnings()
        found = {number: self._computed(number) or self._walked(number) for number in sorted(set(numbers))}
        return [found[number] for number in numbers]

    def _beginnings(self) -> list[tuple[int, int | None]]:
        """The number of the first row of each file, and its line where all the others follow from it."""
        reader = self._table.reader
        counts = [reader.rows(piece) for piece in self._pieces] if self.has_files else [0]
        firsts = [reader.first_line(piece) for piece in self._pieces]
        return list(zip([0, *accumulate(counts[:-1])], firsts, strict=True))

    def _computed(self, number: int) -> Place | None:
        assert self._starts is not None
        index = bisect_right(self._starts, number, key=itemgetter(0)) - 1
        start, first = self._starts[index]
        file = self._pieces[index].path if self.has_files else None
        if not self.has_lines:
            return Place(file)
        return None if first is None else Place(file, first + number - start)

    def _walked(self, number: int) -> Place:
        """The rows read one after the other; from the start again where it has gone by."""
        if number < self._next - 1 or not self._next:
            self._walk, self._next = self._every_place(), 0
        while self._next <= number:
            place = next(self._walk, None)
            if place is None:
                what = "the file changed while it was read"
                raise InputError(what, fix="wait for its writer to end", path=self._table.path)
            self._here = place
            self._next += 1
        return self._here

    def _every_place(self) -> Iterator[Place]:
        for piece in self._pieces:
            file = piece.path if self.has_files else None
            for line in self._table.reader.lines(piece):
                yield Place(file, line)
