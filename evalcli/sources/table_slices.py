"""The slices of a table's rows, in SQL: a text for each row, NULL where it is in none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalcli.sources.base import Slicer
from evalcli.sources.bounds import asked, range_names
from evalcli.sources.duck import literal
from evalcli.sources.labels import class_order
from evalcli.sources.slicing import (
    MANY_NUMBERS,
    MOST_SLICES,
    QUARTILES,
    check_size,
    crossed_order,
    missing_column,
    ranges,
)
from evalcli.sources.table_columns import SAMPLE_ROWS, are_numbers, score_sql, slice_sql
from evalcli.sources.times import is_time, time_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from evalcli.sources.bounds import Asked
    from evalcli.sources.table_join import Column, Joined


@dataclass(frozen=True, slots=True)
class SliceColumn:
    """One ``--by``: the SQL of a row's slice, and the order of slices where they are ranges."""

    name: str
    sql: str
    ranges: tuple[str, ...] | None = None
    ranged: bool = False
    complete: bool = False
    """Whether ``ranges`` are the slices that occur, in rows that others read, too."""
    bounds: tuple[tuple[str, ...], ...] = ()
    cut: tuple[tuple[Column, tuple[str, ...]], ...] = ()
    """The columns that have bounds, with these."""

    def slicer(self, values: Collection[str]) -> Slicer:
        """The slices that occur, or all ranges that the user gave."""
        given = self.ranges if len(self.bounds) == 1 else None
        return Slicer(self.name, given or self.order(values), self.ranged, self.bounds)

    def order(self, values: Collection[str]) -> tuple[str, ...]:
        """The slices that occur, in the order to show them."""
        if self.ranges is not None:
            return tuple(value for value in self.ranges if self.complete or value in values)
        return crossed_order(values, self.bounds) if self.bounds and values else class_order(values)


def slice_columns(joined: Joined, by: Sequence[str]) -> tuple[SliceColumn, ...]:
    """What ``--by`` names.

    Raises:
        UsageError: a column that is not there, or holds lists; bounds that are none.

    """
    known = {name: side for side, table in sides_of(joined) for name in table}
    return tuple(_slice_column(joined, each, known) for each in asked(by, known))


def _slice_column(joined: Joined, by: Asked, known: Mapping[str, str]) -> SliceColumn:
    found = []
    for name, bounds in by.parts:
        if name not in known:
            raise missing_column(name, known, joined.preds.path, joined.preds.noun)
        found.append(column_slices(joined, joined.single(name, known[name], "--by"), bounds))
    if len(found) == 1:
        return replace(found[0], name=by.name, ranged=found[0].ranges is not None and not by.bounds)
    comma, back = literal(","), literal("\\")
    texts = [
        f"replace(replace({one.sql}, {back}, {literal(chr(92) * 2)}), {comma}, {literal(chr(92) + ',')})"
        for one in found
    ]
    ranged = any(one.ranges is not None and not one.bounds for one in found)
    cut = tuple(column for one in found for column in one.cut)
    return SliceColumn(by.name, f" || {comma} || ".join(texts), ranged=ranged, bounds=by.bounds, cut=cut)


def sides_of(joined: Joined) -> list[tuple[str, list[str]]]:
    """The columns of each side; what both have is that of the truth."""
    found = [("preds", list(joined.preds.columns))]
    return found if joined.target is None else [*found, ("target", list(joined.target.columns))]


def column_slices(joined: Joined, column: Column, bounds: Sequence[str] = ()) -> SliceColumn:
    """The slices of one column: of numbers and times, the ranges between ``bounds`` where there are any."""
    if bounds:
        names, of = range_names(bounds) or None, tuple(bounds)
        if is_time(bounds):
            sql = time_sql(slice_sql(column), bounds)
        else:
            sql = _ranges_sql(score_sql(column), [float(bound) for bound in bounds], range_names(bounds))
        return SliceColumn(column.name, sql, names, bounds=(of,), cut=((column, of),))
    return SliceColumn(column.name, *_one(joined, column))


def _ranges_sql(number: str, edges: Sequence[float], names: Sequence[str]) -> str:
    """The name of the range that a number lies in; ``names`` are one more than ``edges``."""
    cases = " ".join(f"WHEN {number} < {edge!r} THEN {literal(name)}" for edge, name in zip(edges, names, strict=False))
    return f"CASE WHEN {number} IS NULL OR isnan({number}) THEN NULL {cases} ELSE {literal(names[-1])} END"


def _one(joined: Joined, column: Column) -> tuple[str, tuple[str, ...] | None]:
    """The SQL of one column's slices, and their order where they are ranges."""
    label = slice_sql(column)
    first = f"SELECT {label} AS v {joined.source(whole=True)} LIMIT {SAMPLE_ROWS}"
    sample = joined.tables.query(f"SELECT DISTINCT v FROM ({first})")
    texts = [row[0] for row in sample.fetchall() if row[0] is not None]
    if len(texts) <= MANY_NUMBERS or column.kind == "boolean" or not are_numbers(texts):
        return label, None
    number = f"TRY_CAST({column.sql} AS DOUBLE)"
    held = f"FILTER (NOT isnan({number}))"
    quantiles = f"quantile_disc({number}, [{', '.join(map(str, QUARTILES))}]) {held}"
    unread = f"count(*) FILTER ({column.sql} IS NOT NULL AND {number} IS NULL)"
    low, edges, high, odd = joined.tables.query(
        f"SELECT min({number}) {held}, {quantiles}, max({number}) {held}, {unread} {joined.source(whole=True)}"
    ).fetchall()[0]
    if odd:
        return label, None
    edges = sorted({float(edge) for edge in edges if edge > low})
    names = ranges(low, edges, high)
    return _ranges_sql(number, edges, names), names


def completed(joined: Joined, columns: Sequence[SliceColumn], kept: str) -> tuple[SliceColumn, ...]:
    """The columns, with the ranges that occur among all rows of a table of which others read some."""
    return tuple(
        replace(column, ranges=read_slicers(joined, (column,), kept)[0].values, complete=True)
        if column.ranged
        else column
        for column in columns
    )


def read_slicers(joined: Joined, columns: Sequence[SliceColumn], kept: str) -> tuple[Slicer, ...]:
    """The slices that occur among the rows that stay.

    Raises:
        LimitError: too many of them.

    """
    found = []
    for column in columns:
        if len(column.bounds) == 1 and column.ranges is not None:
            found.append(column.slicer(()))
            continue
        source = joined.source(also=kept, whole=column.ranged)
        sql = f"SELECT DISTINCT {column.sql} {source} LIMIT {MOST_SLICES + 2}"
        values = [row[0] for row in joined.tables.query(sql).fetchall() if row[0] is not None]
        check_size(column.name, len(values), joined.preds.path)
        found.append(column.slicer(values))
    return tuple(found)
