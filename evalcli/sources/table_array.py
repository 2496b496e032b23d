"""A column of a table as an array in memory, for a partner that lies in a tensor file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.sources import table_columns as columns
from evalcli.sources.arrays import StoredArray
from evalcli.sources.base import NO_CLUSTER
from evalcli.sources.clustering import cluster_sql
from evalcli.sources.labels import class_order, names_of_numbers
from evalcli.sources.table_join import Joined
from evalcli.sources.table_rows import RowStream, filled, whole
from evalcli.sources.table_scores import common_width, score_reads
from evalcli.sources.table_sides import Sides
from evalcli.sources.table_slices import column_slices, read_slicers
from evalcli.sources.usual_names import is_score_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from evalcli.sources.base import Selection
    from evalcli.sources.naming import Chosen
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables

    Array = np.ndarray[Any, Any]

FETCH = 1 << 17


class TableArray(StoredArray):
    """Rows that were read: scores as floats, whole numbers as integers, other texts as indices of ``labels``."""

    def __init__(self, name: str, dtype: str, data: Array, labels: tuple[str, ...] | None = None) -> None:
        self.name = name
        self.shape = data.shape
        self.dtype = dtype
        self._data = data
        self._labels = labels
        self._first = 0

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The distinct texts in class order, when the column holds more than whole numbers."""
        return self._labels

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop``; -1 stands for a missing label, NaN for a missing score."""
        return self._data[start - self._first : stop - self._first]

    def placed(self, table: Table) -> TableArray:
        """Itself, under the numbers that its rows have in the whole where the table is a share."""
        if table.among is not None:
            self._first, total = table.among
            self.shape = (total, *self.shape[1:])
        return self


def read_side(tables: Tables, table: Table, chosen: Chosen, selection: Selection) -> TableArray:
    """Read the target that was chosen, else the predictions.

    The other side is no table and so has no texts: labels that are whole numbers as anyone writes them become integers.

    Raises:
        InputError: missing cells (unless ``selection.nan`` allows them on this side) or texts that are no numbers.
        EmptyError: the table has no rows.

    """
    joined = Joined(tables, table, None)
    names = chosen.pred if chosen.target is None else (chosen.target,)
    cells = tuple(joined.column(name, "preds") for name in names)
    is_truth = chosen.target is not None
    allowed = selection.nan == "drop" or (selection.nan == "wrong" and not is_truth)
    rule = replace(selection, nan=selection.nan if allowed else "error", where=None, id=None)
    sides = Sides(joined, cells, cells[0], None, chosen.classes, rule, lambda _share: None)
    return _read_side(sides, is_truth=is_truth).placed(table)


def _read_side(sides: Sides, *, is_truth: bool) -> TableArray:
    joined, cells, selection = sides.joined, sides.preds, sides.selection
    if len(cells) > 1 or cells[0].kind == "list":
        return _read_scores(sides, is_truth=is_truth)
    counts = dict(
        sides.query(f"SELECT {columns.label_sql(cells[0])} AS t, count(*) {joined.source()} GROUP BY t").fetchall()
    )
    (texts,) = sides.of_all(texts=[text for text in counts if text is not None])
    integral = cells[0].kind == "float" and all(text.lstrip("-").isdigit() for text in texts)
    named = is_score_name(cells[0].name) and not is_truth
    as_scores = columns.are_fractions(texts) or (cells[0].kind == "float" and not integral) or named
    if selection.scores == "values":
        sides.check_exact(cells[0], "target" if is_truth else "prediction")
        return _read_scores(sides, is_truth=is_truth)
    if selection.scores != "labels" and (as_scores or (selection.scores is not None and not is_truth)):
        return _read_scores(sides, is_truth=is_truth)
    return _read_labels(sides, counts, texts, is_truth=is_truth)


def read_weight(tables: Tables, table: Table, name: str, selection: Selection) -> TableArray:
    """Read a column of weights.

    Raises:
        InputError: a weight is missing or no number.

    """
    sides = _alone(tables, table, name, replace(selection, nan="error"))
    sides.joined.single(name, "preds", "--weight")
    sides.check_numbers(sides.preds[0], "weight")
    return _read_scores(sides, is_truth=True).placed(table)


def read_slices(tables: Tables, table: Table, name: str, bounds: tuple[str, ...], selection: Selection) -> TableArray:
    """Read a column that rows are sliced by: the slice of each as the index of its name, −1 for none.

    Raises:
        InputError: it holds lists; or other things than numbers or times, where there are ``bounds``.
        LimitError: too many slices.

    """
    joined = Joined(tables, table, None)
    one = joined.single(name, "preds", "--by")
    if bounds:
        from evalcli.sources.table_bounds import check_cut

        sides = _alone(tables, table, name, replace(selection, nan="wrong"))
        check_cut(sides, sides.preds[0], bounds)
    column = column_slices(joined, one, bounds)
    column = replace(column, ranged=column.ranges is not None and not bounds)
    (slicer,) = read_slicers(joined, (column,), "")
    rows = int(tables.query(f"SELECT count(*) {joined.source()}").fetchall()[0][0])
    codes = np.empty(rows, np.int16 if len(slicer.values) < 1 << 15 else np.int32)
    sql = f"SELECT {column.sql}, 0 {joined.source()}"
    _fill(RowStream(tables, sql, 1, slicer.values, np.float64), codes)
    found = TableArray(name, "text", codes, slicer.values)
    found.ranged, found.cut = slicer.ranged, bounds
    return found.placed(table)


def _alone(tables: Tables, table: Table, name: str, selection: Selection) -> Sides:
    """A column by itself, in all rows."""
    joined = Joined(tables, table, None)
    cell = joined.column(name, "preds")
    return Sides(joined, (cell,), cell, None, None, replace(selection, where=None), lambda _share: None)


def read_clusters(tables: Tables, table: Table, name: str) -> TableArray:
    """Read a column that rows are clustered by: the number of the cluster of each.

    Raises:
        InputError: it holds lists.

    """
    joined = Joined(tables, table, None)
    number = cluster_sql(joined, name)
    rows = int(tables.query(f"SELECT count(*) {joined.source()}").fetchall()[0][0])
    numbers, at = np.empty(rows, np.int64), 0
    for block in tables.stream(f"SELECT {number} {joined.source()}", FETCH):
        numbers[at : at + block.num_rows] = whole(filled(block.columns[0], NO_CLUSTER), np.int64)
        at += block.num_rows
    return TableArray(name, "int64", numbers).placed(table)


def _read_labels(sides: Sides, counts: dict[str | None, int], texts: Collection[str], *, is_truth: bool) -> TableArray:
    cell, rows = sides.preds[0], sum(counts.values())
    (missing,) = sides.sums(counts.get(None, 0))
    _check(sides, rows, missing, is_truth=is_truth)
    names = names_of_numbers(texts, None)
    labels = class_order({names.get(text, text) for text in texts}, sides.selection.labels)
    sides.check_classes(cell, labels, "target" if is_truth else "prediction")
    smallest = np.int8 if len(labels) < 1 << 7 else np.int16 if len(labels) < 1 << 15 else np.int32
    codes = np.empty(rows, smallest)
    sql = f"SELECT {columns.named_sql(columns.label_sql(cell), names)}, 0 {sides.joined.source()}"
    _fill(RowStream(sides.joined.tables, sql, 1, labels, np.float64), codes)
    if not missing and all(len(text) < 19 and text == str(_whole(text)) for text in labels):
        values = np.array([int(text) for text in labels], np.int64)
        return TableArray(cell.name, "int64", values[codes])
    return TableArray(cell.name, "text", codes, labels)


def _read_scores(sides: Sides, *, is_truth: bool) -> TableArray:
    for cell in sides.preds:
        sides.check_numbers(cell, "target" if is_truth else "score", by_sample=True)
    rows, missing = sides.query(
        f"SELECT count(*), count(*) FILTER ({sides.gap_sql()}) {sides.joined.source()}"
    ).fetchall()[0]
    (missing,) = sides.sums(missing)
    _check(sides, rows, missing, is_truth=is_truth)
    width = common_width(sides) if sides.preds[0].kind == "list" else None
    single = columns.is_single_precision(sides.joined, sides.preds)
    count = width or len(sides.preds)
    data = np.empty((rows,) if width is None and count == 1 else (rows, count), np.float32 if single else np.float64)
    read = score_reads(sides, width, single=single)
    sql = f"SELECT {', '.join(read)}, 0 {sides.joined.source()}"
    _fill(RowStream(sides.joined.tables, sql, len(read), (), data.dtype.type, width), data)
    return TableArray(sides.preds[0].name, data.dtype.name, data)


def _check(sides: Sides, rows: int, missing: int, *, is_truth: bool) -> None:
    if not rows:
        raise sides.nothing(0)
    sides.check_gaps(0 if is_truth else missing, missing if is_truth else 0)


def _fill(stream: RowStream, data: Array) -> None:
    for load in stream.plan(FETCH):
        batch = load()
        data[batch.start : batch.start + len(batch.target)] = batch.preds


def _whole(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() and text.count("-") < 2 else None
