"""What is inside a file, how evalcli would read it, and the command to run, without reading more than it must.

Shapes and types come from headers. Ranges, labels and the likely task come from the first rows only, and say so.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import EvalError
from evalcli.layout import is_float, plain_shape
from evalcli.readings import LOOK_ROWS, REFUSED, one_sided, reading_of, report_command, truth_alone
from evalcli.shell import word
from evalcli.sources import STDIN, TENSOR_FORMATS, input_format, spoken_of, table_options
from evalcli.sources.label_groups import Names, find_labels
from evalcli.sources.labels import WHOLE_NUMBER, is_number
from evalcli.sources.naming import ALL, choose, is_whole, only_side
from evalcli.sources.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection
    from evalcli.sources.naming import Chosen
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables
    from evalcli.task import Choices

LOOK_BYTES = 16 << 20
"""Wide rows: fewer of them."""

EXAMPLES = 8
"""How many distinct texts or whole numbers an entry names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One array or column: ``low`` and ``high`` of the rows looked at, or examples of its texts."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float | None = None
    high: float | None = None
    examples: tuple[str, ...] = ()
    role: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """A file at a glance.

    ``rows`` is ``None`` where only a whole pass could tell; ``reading`` says in words how it would be evaluated,
    ``command`` is what to type next.
    """

    path: str
    format: str
    rows: int | None
    looked: int
    entries: tuple[Entry, ...]
    reading: str
    command: str
    notes: tuple[str, ...] = ()


def inspect(path: str, selection: Selection, choices: Choices) -> Inspection:
    """Look into a file.

    Raises:
        EvalError: as opening the file for a report would.

    """
    if path != STDIN:
        return _inspect(path, selection, choices)
    spool = Spool()
    try:
        with spoken_of({spool.path: STDIN}):
            seen = _inspect(spool.path, selection, choices)
    finally:
        spool.close()
    reading, command = (text.replace(spool.path, STDIN) for text in (seen.reading, seen.command))
    return replace(seen, path=STDIN, reading=reading, command=command)


def _inspect(path: str, selection: Selection, choices: Choices) -> Inspection:
    kind = input_format(path)
    return _tensors(path, kind, selection, choices) if kind in TENSOR_FORMATS else _table(path, selection, choices)


def _tensors(path: str, kind: str, selection: Selection, choices: Choices) -> Inspection:
    from evalcli.sources.tensors import open_tensors

    file = open_tensors(path)
    try:
        roles, reading, command = _tensor_reading(path, file.arrays, selection, choices)
        entries = tuple(_array_entry(array, roles.get(name, "")) for name, array in file.arrays.items())
        skipped = tuple(Entry(name, (), "-", note=why) for name, why in file.skipped.items())
        rows = {array.shape[0] for array in file.arrays.values()}
        looked = max((_look(array) for array in file.arrays.values()), default=0)
        notes = tuple(note.text for note in file.notes())
        return Inspection(
            path, kind, rows.pop() if len(rows) == 1 else None, looked, entries + skipped, reading, command, notes
        )
    finally:
        file.close()


def _look(array: StoredArray) -> int:
    """How many rows of an array to look at."""
    wide = 8 * prod(array.shape[1:])
    return min(array.shape[0], LOOK_ROWS, max(1, LOOK_BYTES // max(1, wide)))


def _array_entry(array: StoredArray, role: str) -> Entry:
    if 0 in array.shape:
        return Entry(array.name, array.shape, array.dtype, role=role, note="empty")
    if array.dtype == "text":
        labels, values = array.labels or (), array.read(0, _look(array))
        distinct = tuple(labels[i] for i in np.unique(values)[:EXAMPLES].tolist())
        return Entry(array.name, array.shape, array.dtype, examples=distinct, role=role)
    return _number_entry(array, role)


def _looked_at(array: StoredArray) -> Iterator[Any]:
    """The numbers of the first rows; of one that is longer than all that is looked at, a piece at a time."""
    if 8 * prod(array.shape[1:]) <= LOOK_BYTES:
        yield array.read(0, _look(array))
        return
    axis = max(range(1, len(array.shape)), key=array.shape.__getitem__)
    length = array.shape[axis]
    step = max(1, LOOK_BYTES * length // (8 * prod(array.shape[1:])))
    for first in range(0, length, step):
        yield array.part(0, axis, first, min(first + step, length))


def _number_entry(array: StoredArray, role: str) -> Entry:
    ends: list[float] = []
    distinct: set[Any] = set()
    odd = 0
    for values in _looked_at(array):
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        odd += values.size - finite.size
        if finite.size:
            ends += finite.min().item(), finite.max().item()
        if values.dtype.kind in "iub" and len(distinct) <= EXAMPLES:
            distinct.update(np.unique(finite).tolist())
    found = Entry(array.name, array.shape, array.dtype, role=role, note=f"{odd} not finite" if odd else "")
    if not ends:
        return found
    examples = tuple(map(str, sorted(distinct))) if len(distinct) <= EXAMPLES else ()
    return replace(found, low=float(min(ends)), high=float(max(ends)), examples=examples)


def _tensor_reading(
    path: str, arrays: dict[str, StoredArray], selection: Selection, choices: Choices
) -> tuple[dict[str, str], str, str]:
    """Roles of the arrays, the reading in words, the command."""
    from evalcli.sources.pairing import open_arrays

    if len(arrays) < 2:
        return _one_side(path, next(iter(arrays.values()), None))
    roles = {}
    with suppress(EvalError):  # a report says why not
        chosen = choose(tuple(arrays), selection, path, both=True, kind="key", arrays=True)
        roles = dict.fromkeys(chosen.pred, "predictions")
        roles |= {str(chosen.target): "target"} | ({chosen.weight: "weight"} if chosen.weight else {})
    said = one_sided(path, arrays, selection) or reading_of(path, lambda: open_arrays(path, None, selection), choices)
    return roles, *said


def _one_side(path: str, array: StoredArray | None) -> tuple[dict[str, str], str, str]:
    if array is None:
        return {}, "nothing in it can be evaluated", report_command(path)
    shape = plain_shape(array.shape)
    if is_float(array):  # type: ignore[arg-type]  # only its dtype is asked for
        what = f"scores {shape}, classes on axis 1 or last"
        if len(shape) == 1:
            what = "one number for each row, a score (binary) or a value (regression)"
        return (
            {array.name: "predictions"},
            f"predictions: {what}; the truth is missing",
            f"{report_command(path)} TARGETS",
        )
    reading = "labels: the truth, or predicted labels; the other side is missing"
    if len(shape) == 2:
        reading = f"a table of labels {shape}: several labels a row, or one-hot classes; the other side is missing"
    return {array.name: "labels"}, reading, f"evalcli report PREDS {word(path)}"


def _table(path: str, selection: Selection, choices: Choices) -> Inspection:
    from evalcli.sources.tables import open_tables

    tables = open_tables([path], table_options(selection))
    try:
        table = tables.tables[0]
        readable = [name for name, cell in table.reader.cells.items() if cell and name not in table.reader.twice]
        aliases = {f"c{i}": name for i, name in enumerate(readable)}  # names may be anything, SQL's may not
        rows = tables.query(f"SELECT * FROM {table.scan(aliases)} LIMIT {LOOK_ROWS}").fetchall()
        cells = {name: [row[i] for row in rows] for i, name in enumerate(readable)}
        count = len(rows) if len(rows) < LOOK_ROWS else _stored_count(table, tables)
        roles, reading, command = _table_reading(path, tables, selection, choices)
        everything = _all_scores(cells, selection)
        if everything is not None and everything.target is None:
            roles = dict.fromkeys(everything.pred, "predictions")
            reading = f"scores of {len(roles)} classes; the truth is missing"
            command = f"{report_command(path)} TARGETS --pred '{ALL}'"
        elif everything is not None:
            found = _table_reading(path, tables, replace(selection, pred=ALL), choices)
            if not found[1].startswith(REFUSED):
                roles, reading, command = *found[:2], f"{found[2]} --pred '{ALL}'"
        entries = tuple(
            _column_entry(name, kind, cells[name], roles.get(name, ""))
            if name in cells
            else Entry(name, (len(rows),), kind, note=_unreadable(table, name))
            for name, kind in table.columns.items()
        )
        notes = tuple(note.text for note in table.notes())
        return Inspection(path, table.format, count, len(rows), entries, reading, command, notes)
    finally:
        tables.close()


def _all_scores(cells: Mapping[str, list[Any]], selection: Selection) -> Chosen | None:
    """What ``--pred '*'`` would choose, where nobody chose, no name is of predictions, and the rest are fractions."""
    said = selection.pred is not None or selection.target is not None
    if said or is_whole(tuple(cells)) or only_side(tuple(cells)) == "prediction":
        return None
    for both in (True, False):
        with suppress(EvalError):
            chosen = choose(tuple(cells), replace(selection, pred=ALL), "", both=both)
            texts = {str(cell) for name in chosen.pred for cell in cells[name]}
            if all(map(is_number, texts)) and not all(map(WHOLE_NUMBER.fullmatch, texts)):
                return chosen
    return None


def _stored_count(table: Table, tables: Tables) -> int | None:
    """The number of rows where the format stores it."""
    if table.format != "parquet":
        return None
    count: int = tables.query(f"SELECT count(*) FROM {table.scan({})}").fetchall()[0][0]
    return count


def _unreadable(table: Table, name: str) -> str:
    if name in table.reader.twice:
        return "its name occurs twice"
    what, _ = table.reader.unreadable.get(name, ("without a name" if not name else "values of several kinds", ""))
    return f"not read: {what}"


def _column_entry(name: str, kind: str, cells: list[Any], role: str) -> Entry:
    given = [cell for cell in cells if cell is not None]
    missing = f"{len(cells) - len(given)} missing" if len(given) < len(cells) else ""
    if kind == "texts":
        members = tuple(dict.fromkeys(name for cell in given for name in cell if name is not None))
        note = "; ".join(filter(None, ("" if len(members) <= EXAMPLES else f"{len(members)} labels", missing)))
        return Entry(name, (len(cells),), kind, examples=members[:EXAMPLES], role=role, note=note)
    if kind == "list":
        lengths = sorted({len(cell) for cell in given})
        return Entry(name, (len(cells),), kind, role=role, note=f"lengths {lengths[:3]}" if lengths else missing)
    try:
        numbers = np.array([float(cell) for cell in given])
    except (TypeError, ValueError):
        numbers = np.empty(0)
    distinct = tuple(dict.fromkeys(str(cell) for cell in given))[: EXAMPLES + 1]
    examples = distinct if len(distinct) <= EXAMPLES else () if numbers.size else distinct[:EXAMPLES]
    if not numbers.size or not np.isfinite(numbers).any():
        return Entry(name, (len(cells),), kind, examples=examples, role=role, note=missing)
    finite = numbers[np.isfinite(numbers)]
    return Entry(name, (len(cells),), kind, float(finite.min()), float(finite.max()), examples, role, missing)


def _table_reading(
    path: str, tables: Tables, selection: Selection, choices: Choices
) -> tuple[dict[str, str], str, str]:
    """As of tensors; from here on the table is only its first rows."""
    from evalcli.sources.table_cells import open_tables_as

    table = tables.tables[0]
    roles = {}
    several = Names(table.columns, path, table.noun)
    with suppress(EvalError):
        found = find_labels(several, None, selection)
        if found is not None:
            roles = dict.fromkeys(found.preds.columns, "predictions") | dict.fromkeys(found.target.columns, "target")
    if roles:
        table.shorten(LOOK_ROWS)
        return roles, *reading_of(path, lambda: open_tables_as(tables, table, None, selection, checked=False), choices)
    with suppress(EvalError):
        chosen = choose(tuple(table.columns), selection, path, both=True, kind=table.noun)
        roles = dict.fromkeys(chosen.pred, "predictions")
        roles |= {str(chosen.target): "target"} | ({chosen.weight: "weight"} if chosen.weight else {})
    table.shorten(LOOK_ROWS)
    said = (
        one_sided(path, table.columns, selection)
        or truth_alone(several, selection)
        or reading_of(path, lambda: open_tables_as(tables, table, None, selection, checked=False), choices)
    )
    return roles, *said
