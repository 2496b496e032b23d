"""What is inside a file, how evalcli would read it, and the command to run, without reading more than it must.

Shapes and types come from headers. Ranges, labels and the likely task come from the first rows only, and say so.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.codes import make_prepare
from evalcli.errors import EvalError
from evalcli.evidence import Evidence
from evalcli.layout import find_layout, is_float, plain_shape
from evalcli.sources import TENSOR_FORMATS, input_format, table_options
from evalcli.sources.naming import choose
from evalcli.task import decide

if TYPE_CHECKING:
    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection
    from evalcli.sources.tables import Table, Tables
    from evalcli.task import Choices, Task

LOOK_ROWS = 1000
"""Rows that are looked at."""

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
    values = array.read(0, _look(array))
    if array.dtype == "text":
        labels = array.labels or ()
        distinct = tuple(labels[i] for i in np.unique(values)[:EXAMPLES].tolist())
        return Entry(array.name, array.shape, array.dtype, examples=distinct, role=role)
    return _number_entry(array.name, array.shape, array.dtype, values, role)


def _number_entry(name: str, shape: tuple[int, ...], dtype: str, values: Any, role: str) -> Entry:  # numpy
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    note = f"{values.size - finite.size} not finite" if finite.size < values.size else ""
    if not finite.size:
        return Entry(name, shape, dtype, role=role, note=note)
    low, high = finite.min().item(), finite.max().item()
    distinct = np.unique(finite) if values.dtype.kind in "iub" else np.empty(0)
    examples = tuple(map(str, distinct.tolist())) if 0 < distinct.size <= EXAMPLES else ()
    return Entry(name, shape, dtype, float(low), float(high), examples, role, note)


def _tensor_reading(
    path: str, arrays: dict[str, StoredArray], selection: Selection, choices: Choices
) -> tuple[dict[str, str], str, str]:
    """Roles of the arrays, the reading in words, the command."""
    try:
        chosen = choose(tuple(arrays), selection, path, both=True, kind="key") if len(arrays) > 1 else None
    except EvalError as error:
        return {}, f"both sides are not found by name: {error.what}", f"{_command(path)} --pred NAME --target NAME"
    if chosen is None:
        return _one_side(path, next(iter(arrays.values()), None))
    roles = dict.fromkeys(chosen.pred, "predictions")
    roles |= {str(chosen.target): "target"} | ({chosen.weight: "weight"} if chosen.weight else {})
    try:
        task = _tensor_task(path, selection, choices)
    except EvalError as error:
        return roles, f"cannot be evaluated as it is: {error}", _command(path)
    return roles, _in_words(task), _command(path) + _missing_flags(task)


def _tensor_task(path: str, selection: Selection, choices: Choices) -> Task:
    """The decision that the first rows suggest."""
    from evalcli.sources.pairing import open_arrays

    source = open_arrays(path, None, selection)
    try:
        layout = find_layout(source.preds, source.target, choices)
        task = decide(layout, source.preds, source.target, choices, Evidence())
        evidence = Evidence()
        load = next(source.plan(LOOK_ROWS), None)
        if load is not None:
            make_prepare(layout, choices, source, task.classes)(load(), task, evidence)
        return decide(layout, source.preds, source.target, choices, evidence)
    finally:
        source.close()


def _one_side(path: str, array: StoredArray | None) -> tuple[dict[str, str], str, str]:
    if array is None:
        return {}, "nothing in it can be evaluated", _command(path)
    shape = plain_shape(array.shape)
    if is_float(array):  # type: ignore[arg-type]  # only its dtype is asked for
        what = "one score for each row (binary)" if len(shape) == 1 else f"scores {shape}, classes on axis 1 or last"
        return {array.name: "predictions"}, f"predictions: {what}; the truth is missing", f"{_command(path)} TARGETS"
    reading = "labels: the truth, or predicted labels; the other side is missing"
    return {array.name: "labels"}, reading, f"evalcli report PREDS {shlex.quote(path)}"


def _in_words(task: Task) -> str:
    names = ", ".join(task.classes[:EXAMPLES]) + (", …" if len(task.classes) > EXAMPLES else "")
    classes = f"{len(task.classes)} classes ({names})" if task.classes else "classes as counted"
    positive = "" if task.positive is None or task.problem else f", positive {task.classes[task.positive]!r}"
    doubt = f"; but {task.problem.what}" if task.problem else ""
    return f"{task.kind}, {task.scores}, {classes}{positive}{doubt}"


def _missing_flags(task: Task) -> str:
    """What must be added before a report can be made."""
    if task.problem is None:
        return ""
    if task.kind == "binary" and len(task.classes) == 2 and "--positive" in task.problem.fix:
        return f" --positive {shlex.quote(task.classes[1])}"
    return " --scores probs" if "--scores" in task.problem.fix else ""


def _command(path: str) -> str:
    return f"evalcli report {shlex.quote(path)}"


def _table(path: str, selection: Selection, choices: Choices) -> Inspection:
    from evalcli.sources.tables import open_tables

    tables = open_tables([path], table_options(selection))
    try:
        table = tables.tables[0]
        readable = [name for name, cell in table.reader.cells.items() if cell and name not in table.reader.twice]
        aliases = {f"c{i}": name for i, name in enumerate(readable)}  # names may be anything, SQL's may not
        rows = tables.query(f"SELECT * FROM {table.scan(aliases)} LIMIT {LOOK_ROWS}").fetchall()
        cells = {name: [row[i] for row in rows] for i, name in enumerate(readable)}
        roles, reading, command = _table_reading(path, tables, selection, choices)
        entries = tuple(
            _column_entry(name, kind, cells[name], roles.get(name, ""))
            if name in cells
            else Entry(name, (len(rows),), kind, note=_unreadable(table, name))
            for name, kind in table.columns.items()
        )
        count = len(rows) if len(rows) < LOOK_ROWS else _stored_count(table, tables)
        notes = tuple(note.text for note in table.notes())
        return Inspection(path, table.format, count, len(rows), entries, reading, command, notes)
    finally:
        tables.close()


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
    from evalcli.sources import table_columns
    from evalcli.sources.table_join import Joined

    table = tables.tables[0]
    try:
        chosen = choose(tuple(table.columns), selection, path, both=True, kind=table.noun)
    except EvalError as error:
        return {}, f"both sides are not found by name: {error.what}", f"{_command(path)} --pred NAME --target NAME"
    roles = dict.fromkeys(chosen.pred, "predictions")
    roles |= {str(chosen.target): "target"} | ({chosen.weight: "weight"} if chosen.weight else {})
    try:
        joined = Joined(tables, table, None, key=None, where=None)
        preds = [joined.column(name, "preds") for name in chosen.pred]
        target = joined.column(str(chosen.target), "target")
        reading = table_columns.decide(joined, preds, target, selection)
        said, truth = table_columns.sample(joined, preds[0], target)
    except EvalError as error:
        return roles, f"cannot be evaluated as it is: {error}", _command(path)
    words, flags = _labels_in_words(
        reading.preds, chosen.classes, truth if reading.preds == "scores" else said | truth, choices
    )
    return roles, words, _command(path) + flags


def _labels_in_words(
    preds: str, columns: tuple[str, ...] | None, labels: set[str], choices: Choices
) -> tuple[str, str]:
    """The reading of a table, from its first rows."""
    from evalcli.sources.labels import class_order
    from evalcli.task import positive_class

    if columns is not None:
        return f"multiclass, a score for each of {len(columns)} classes", ""
    names = class_order(labels)
    shown = ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")
    if len(names) != 2 and preds != "scores":
        return f"multiclass, labels, {len(names)} classes in the first rows ({shown})", ""
    what = "one score for each row" if preds == "scores" else "labels"
    doubt = len(names) == 2 and positive_class(names, choices.positive)[1] is not None
    return f"binary, {what} ({shown})", f" --positive {shlex.quote(names[1])}" if doubt else ""
