"""Tables of several labels a row, or of several outputs of a regression: a cell for each on both sides, streamed.

Cells are numbers, or true and false. A missing cell arrives as NaN, and what it then means is not decided here. A
column of label sets becomes a cell for each label that any of them holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError, UsageError
from evalcli.sources import table_columns as columns
from evalcli.sources.base import Batch, Field
from evalcli.sources.duck import literal
from evalcli.sources.label_groups import Group, LabelColumns, Names, find_labels
from evalcli.sources.labels import class_order
from evalcli.sources.table_array import FETCH, TableArray
from evalcli.sources.table_join import Column, Joined
from evalcli.sources.table_rows import SMALLEST_FETCH
from evalcli.sources.table_sides import Opened, Sides, find_weight
from evalcli.sources.table_source import TableSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Selection, Source
    from evalcli.sources.tables import Table, Tables

    Array = np.ndarray[Any, Any]

_TRUTH = "CASE lower({0}) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE TRY_CAST({0} AS DOUBLE) END"


def open_tables_as(
    tables: Tables,
    preds: Table,
    target: Table | None,
    selection: Selection,
    progress: Callable[[float, int], None] | None = None,
    *,
    checked: bool = True,
) -> Source:
    """Both sides as cells where their names or the task say so, else as one column each; as ``TableSource``."""
    first = Names(preds.columns, preds.path, preds.noun)
    second = None if target is None or target is preds else Names(target.columns, target.path, target.noun)
    found = find_labels(first, second, selection)
    if found is None:
        return TableSource(tables, preds, target, selection, progress, checked=checked)
    return CellSource(tables, preds, target, selection, progress, checked=checked, found=found)


@dataclass(frozen=True, slots=True)
class CellSides(Sides):
    """The columns of both sides over the rows that were joined, label by label; rows are never left out here.

    ``classes`` are the names of the labels, where either side has any; ``preds`` and ``targets`` a column for each, or
    a single one of lists.
    """

    targets: tuple[Column, ...] = ()

    def kept_sql(self) -> str:
        """Every row stays: what a missing cell means is not known here."""
        return ""

    def columns_of(self, side: str) -> tuple[Column, ...]:
        """Those of one side."""
        return self.preds if side == "preds" else self.targets


class CellSource(TableSource):
    """Several labels a row from tables.

    Raises:
        UsageError: a name or ``--where`` that does not fit the tables; slices, or a list of mistakes.
        InputError: cells that are no numbers, lists of different length, sides that cannot be paired.
        EmptyError: no row is left.

    """

    def __init__(self, *args: Any, found: LabelColumns, **options: Any) -> None:
        self._found = found
        super().__init__(*args, **options)

    def _choose(self, tables: Tables, preds: Table, target: Table | None, selection: Selection) -> Sides:
        found = self._found
        _refuse_single_labels(selection, preds.path)
        joined = Joined(tables, preds, target, key=found.key if target is not None else None, where=selection.where)
        said, truth = (
            tuple(joined.column(name, side) for name in group.columns)
            for side, group in (("preds", found.preds), ("target", found.target))
        )
        weight = find_weight(joined, found.weight)
        return CellSides(joined, said, truth[0], weight, found.labels, selection, self._heard, targets=truth)

    def _reading(self, sides: Sides) -> Callable[[], Opened]:
        assert isinstance(sides, CellSides)
        return partial(measure_cells, sides, self._found)


def _refuse_single_labels(selection: Selection, path: str) -> None:
    """Refuse what needs one label a row.

    Raises:
        UsageError: slices, or a list of mistakes.

    """
    if selection.listing:
        what = "mistakes are listed of one label a row, and here the truth has a cell for each label"
        raise UsageError(what, fix="give the truth as one column of labels", path=path)
    for by in selection.by:
        what = f"slices by {by!r}: a truth with a cell for each label, as multilabel tasks have it, is not sliced"
        raise UsageError(f"{what} in this version", fix="drop --by, and metrics and gates with @", path=path)


def measure_cells(sides: CellSides, found: LabelColumns) -> Opened:
    """Learn what must be known before the first row: how many there are, and that all cells are numbers.

    Raises:
        InputError: texts that are no numbers, lists of different length, labels that nobody declared.
        EmptyError: no row is left.

    """
    labels = _labels(sides, found)
    read = {
        side: _Cells.of(sides, side, group, labels)
        for side, group in (("preds", found.preds), ("target", found.target))
    }
    unread, gaps = (" OR ".join(filter(None, (part(one) for one in read.values()))) or "false"
                    for part in (_Cells.unread_sql, _Cells.gap_sql))  # fmt: skip
    counted = f"count(*), count(*) FILTER ({unread}), count(*) FILTER ({gaps}) {sides.joined.source()}"
    total, broken, missing = sides.query(f"SELECT {counted}").fetchall()[0]
    if not total:
        raise sides.nothing(0)
    if broken:
        for side in read:
            _refuse_texts(sides, side)
    if sides.selection.scores == "values":
        _check_values(sides)
    if missing or sides.selection.where is not None:
        sides.joined.check_lengths()  # unequal lengths look like missing cells at the end
    if sides.weight is not None:
        sides.check_numbers(sides.weight, "weight")
    if read["preds"].width != read["target"].width:
        what = f"lists of {read['preds'].width} predictions but {read['target'].width} targets a row"
        raise InputError(what, fix="give every label its place on both sides", path=sides.path)
    weight = [] if sides.weight is None else [columns.score_sql(sides.weight)]
    statement = ", ".join((*read["preds"].read_sql(), *read["target"].read_sql(), *weight))
    sql = f"SELECT {statement} {sides.joined.source()} {sides.joined.order}"
    stream = CellStream(sides.joined.tables, sql, read["preds"], read["target"], weighted=sides.weight is not None)
    fields = [read[side].field(sides, side, total, found) for side in ("preds", "target")]
    return Opened(fields[0], fields[1], total, 0, stream=stream, notes=sides.shared_key_notes())


@dataclass(frozen=True, slots=True)
class _Cells:
    """How the cells of one side are read: a column for each label, a column of lists, or one of label sets."""

    columns: tuple[Column, ...]
    width: int
    dtype: type[np.generic]
    members: tuple[str, ...] | None = None
    """The labels that a set may hold."""

    @classmethod
    def of(cls, sides: CellSides, side: str, group: Group, labels: tuple[str, ...] | None) -> _Cells:
        """The reading of a side whose columns were chosen."""
        chosen = sides.columns_of(side)
        flags = side == "target" and sides.selection.scores != "values"
        single = flags or columns.is_single_precision(sides.joined, chosen)
        dtype = np.float32 if single else np.float64
        if chosen[0].kind == "texts":
            assert labels is not None
            return cls(chosen, len(labels), np.float32, labels)
        width = len(chosen) if group.labels is not None else _common_width(sides, chosen[0])
        return cls(chosen, width, dtype)

    @property
    def is_list(self) -> bool:
        """Whether all cells of a row lie in one list."""
        return self.members is None and self.columns[0].kind == "list"

    def read_sql(self) -> list[str]:
        """What to select: an expression for each label, or the list."""
        kind = "FLOAT" if self.dtype is np.float32 else "DOUBLE"
        first = self.columns[0].sql
        if self.members is not None:
            return [f"CAST(list_contains({first}, {literal(name)}) AS FLOAT)" for name in self.members]
        if self.is_list:
            blank = f"CAST([{', '.join(['NULL'] * self.width)}] AS {kind}[])"
            return [f"coalesce(CAST({first} AS {kind}[]), {blank})"]  # a missing list must not shorten the block
        return [f"CAST({cell_sql(column)} AS {kind})" for column in self.columns]

    def unread_sql(self) -> str:
        """Whether a row holds a text that is no number; empty where none can."""
        return " OR ".join(unread_sql(column) for column in self.columns if column.kind == "text")

    def gap_sql(self) -> str:
        """Whether a cell of a row is missing."""
        return " OR ".join(f"{column.sql} IS NULL" for column in self.columns)

    def field(self, sides: CellSides, side: str, rows: int, found: LabelColumns) -> Field:
        """The description of this side."""
        table = sides.joined.preds if side == "preds" or sides.joined.target is None else sides.joined.target
        group = found.preds if side == "preds" else found.target
        named = group.labels or self.members
        name = self.columns[0].name
        if group.labels is not None and len(self.columns) > 1:
            name = f"{name.removesuffix(group.labels[0])}*"
        return Field(name, table.path, (rows, self.width), np.dtype(self.dtype).name, None, named)


def cell_sql(column: Column) -> str:
    """The number in a cell, where ``true`` and ``false`` are 1 and 0; NULL where it is missing, or no number."""
    return _TRUTH.format(column.sql) if column.kind == "text" else column.sql


def unread_sql(column: Column) -> str:
    """Whether a cell holds a text that is no number. The engine would read ``1_000``, which no one else does."""
    return f"({column.sql} IS NOT NULL AND ({cell_sql(column)} IS NULL OR contains({column.sql}, '_')))"


def _refuse_texts(sides: CellSides, side: str) -> None:
    """Name the first column of a side with a text that is no number.

    Raises:
        InputError: with the count, an example and the first places.

    """
    for column in sides.columns_of(side):
        if column.kind != "text":
            continue
        test = unread_sql(column)
        count = sides.query(f"SELECT count(*) {sides.joined.source(also=test)}").fetchall()[0][0]
        if count:
            places, values = sides.joined.places(column.side, test, column.sql)
            noun = "target" if side == "target" else "prediction"
            raise InputError(
                f"{noun} {values[0]!r} in column {column.name!r} is no number ({count} in all: {', '.join(places)})",
                fix="write 0 and 1 (or true and false)" if side == "target" else "write a number in every cell",
                path=sides.table(column).path,
            )


def _check_values(sides: CellSides) -> None:
    """Values are numbers, where flags may also be true and false, and those that float64 holds.

    Raises:
        InputError: a column of texts, or a cell that is neither.

    """
    for side, role in (("preds", "prediction"), ("target", "target")):
        for column in sides.columns_of(side):
            if column.kind == "texts":
                what = f"column {column.name!r} holds lists of texts, and a regression needs numbers"
                raise InputError(what, fix="choose another with --pred or --target", path=sides.path)
            sides.check_numbers(column, role)
            sides.check_exact(column, role)


def _common_width(sides: CellSides, column: Column) -> int:
    """The length that all lists of a column have.

    Raises:
        InputError: they differ, or are empty.

    """
    length = f"len({column.sql})"
    low, high = sides.query(f"SELECT min({length}), max({length}) {sides.joined.source()}").fetchall()[0]
    if low != high:
        places, _ = sides.joined.places(column.side, f"{length} < {high}")
        raise InputError(
            f"lists in column {column.name!r} have {low} to {high} entries (short ones at {', '.join(places)})",
            fix="every row needs one for each label",
            path=sides.table(column).path,
        )
    if not high:
        raise (
            sides.nothing(0)
            if high is None
            else InputError(f"lists in column {column.name!r} are empty", path=sides.path)
        )
    return int(high)


def _labels(sides: CellSides, found: LabelColumns) -> tuple[str, ...] | None:
    """The labels by name: those of the columns, else as declared, else those that sets hold.

    Raises:
        InputError: a set holds a label that is none of them.

    """
    held = {side: _members(sides, side) for side in ("preds", "target")}
    sets = {side: names for side, names in held.items() if names is not None}
    if not sets:
        return found.labels
    known = found.labels or sides.selection.labels
    if known is None and len(sets) < 2:
        raise _unordered(sides.path)
    if known is None:
        return class_order(name for names in sets.values() for name in names)
    for side in sets:
        _refuse_odd(sides, side, known)
    return tuple(known)


def _refuse_odd(sides: CellSides, side: str, known: Sequence[str]) -> None:
    """Refuse sets that hold a label which is none of those ``known``.

    Raises:
        InputError: with the first of them.

    """
    odd = [name for name in _members(sides, side) or () if name not in known]
    if odd:
        column = sides.columns_of(side)[0]
        shown = ", ".join(map(repr, odd[:5])) + (", …" if len(odd) > 5 else "")
        raise InputError(
            f"{sides.table(column).noun} {column.name!r} holds labels that are none of the others: {shown}",
            fix="name all labels with --labels, or give each a column",
            path=sides.table(column).path,
        )


def _unordered(path: str) -> InputError:
    """What to say where sets of labels meet numbers that have no names."""
    what = "the scores of a row have no names, and its labels have no order: nothing says which belong together"
    return InputError(what, fix="name the labels in the order of the scores: --labels a,b,c", path=path)


def _members(sides: CellSides, side: str) -> list[str] | None:
    """The distinct labels in a column of sets; ``None`` of any other side."""
    first = sides.columns_of(side)[0]
    if first.kind != "texts":
        return None
    inner = f"SELECT DISTINCT unnest({first.sql}) AS name {sides.joined.source()}"
    rows = sides.query(f"SELECT name FROM ({inner}) WHERE name IS NOT NULL ORDER BY name").fetchall()
    return [row[0] for row in rows]


def read_cells(tables: Tables, table: Table, group: Group, selection: Selection) -> tuple[TableArray, Group]:
    """The target of several labels a row from a table whose partner is a tensor; with the labels by name, if any.

    Raises:
        InputError: as ``measure_cells``.
        EmptyError: the table has no rows.

    """
    joined = Joined(tables, table, None)
    chosen = tuple(joined.column(name, "preds") for name in group.columns)
    sides = CellSides(joined, chosen, chosen[0], None, group.labels, selection, lambda _share: None, targets=chosen)
    labels = group.labels or selection.labels
    if chosen[0].kind == "texts":
        if labels is None:
            raise _unordered(table.path)
        _refuse_odd(sides, "target", labels)
    cells = _Cells.of(sides, "target", group, labels)
    unread = cells.unread_sql() or "false"
    counted = f"SELECT count(*), count(*) FILTER ({unread}) {joined.source()}"
    rows, broken = sides.query(counted).fetchall()[0]
    if not rows:
        raise sides.nothing(0)
    if broken:
        _refuse_texts(sides, "target")
    if selection.scores == "values":
        _check_values(sides)
    data = np.empty((rows, cells.width), cells.dtype)
    at = 0
    for block in tables.stream(f"SELECT {', '.join(cells.read_sql())} {joined.source()}", FETCH):
        data[at : at + block.num_rows] = _table(block.columns, cells)
        at += block.num_rows
    return TableArray(chosen[0].name, data.dtype.name, data), Group(group.columns, group.labels or cells.members)


@dataclass(frozen=True, slots=True)
class CellStream:
    """A statement whose rows are the cells of the predictions, those of the target, and perhaps a weight."""

    tables: Tables
    sql: str
    preds: _Cells
    target: _Cells
    weighted: bool = False
    _passes: list[Any] = field(default_factory=list, repr=False, compare=False)

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads in row order; the engine works ahead, the conversion is the caller's."""
        self.close()
        blocks = self.tables.stream(self.sql, max(size, SMALLEST_FETCH))
        self._passes.append(blocks)
        start = 0
        for block in blocks:
            for offset in range(0, block.num_rows, size):
                part = block.slice(offset, size)
                yield partial(self._batch, part, start)
                start += part.num_rows

    def close(self) -> None:
        """End a pass that was left half way: the connection serves one result at a time."""
        while self._passes:
            self._passes.pop().close()

    def _batch(self, block: Any, start: int) -> Batch:
        parts = block.columns
        count = 1 if self.preds.is_list else self.preds.width
        preds, target = (
            _table(parts[:count], self.preds),
            _table(parts[count : len(parts) - self.weighted], self.target),
        )
        weight = _floats(parts[-1], np.float64) if self.weighted else None
        return Batch(preds, target, weight, start=start)


def _table(parts: list[Any], cells: _Cells) -> Array:
    """One side of a block, (n, L)."""
    if cells.is_list:
        return _floats(parts[0].flatten(), cells.dtype).reshape(-1, cells.width)
    table = np.empty((cells.width, len(parts[0])), cells.dtype)
    for index, part in enumerate(parts):
        table[index] = _floats(part, cells.dtype)
    return table.T


def _floats(column: Any, dtype: type[np.generic]) -> Array:
    """NaN where the cell is empty."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=dtype)
