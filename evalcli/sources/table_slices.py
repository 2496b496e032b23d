"""The slices of a table's rows, in SQL: a text for each row, NULL where it is in none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalcli.sources.base import Slicer
from evalcli.sources.duck import literal
from evalcli.sources.labels import class_order
from evalcli.sources.slicing import MANY_NUMBERS, MOST_SLICES, QUARTILES, check_size, columns_of, missing_column, ranges
from evalcli.sources.table_columns import SAMPLE_ROWS, are_numbers, label_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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

    def slicer(self, values: Collection[str]) -> Slicer:
        """The slices that occur."""
        return Slicer(self.name, self.order(values), self.ranged)

    def order(self, values: Collection[str]) -> tuple[str, ...]:
        """The slices that occur, in the order to show them."""
        if self.ranges is None:
            return class_order(values)
        return tuple(value for value in self.ranges if self.complete or value in values)


def slice_columns(joined: Joined, by: Sequence[str]) -> tuple[SliceColumn, ...]:
    """What ``--by`` names.

    Raises:
        UsageError: a column that is not there, or holds lists.

    """
    return tuple(_slice_column(joined, each) for each in by)


def _slice_column(joined: Joined, by: str) -> SliceColumn:
    known = {name: side for side, table in sides_of(joined) for name in table}
    parts = []
    for name in columns_of(by, known):
        if name not in known:
            raise missing_column(name, known, joined.preds.path, joined.preds.noun)
        parts.append(_one(joined, joined.column(name, known[name])))
    ranged = any(names is not None for _, names in parts)
    if len(parts) == 1:
        return SliceColumn(by, *parts[0], ranged)
    comma, back = literal(","), literal("\\")
    texts = [
        f"replace(replace({sql}, {back}, {literal(chr(92) * 2)}), {comma}, {literal(chr(92) + ',')})"
        for sql, _ in parts
    ]
    return SliceColumn(by, f" || {comma} || ".join(texts), ranged=ranged)


def sides_of(joined: Joined) -> list[tuple[str, list[str]]]:
    """The columns of each side; what both have is that of the truth."""
    found = [("preds", list(joined.preds.columns))]
    return found if joined.target is None else [*found, ("target", list(joined.target.columns))]


def column_slices(joined: Joined, column: Column) -> SliceColumn:
    """The slices of one column."""
    return SliceColumn(column.name, *_one(joined, column))


def _one(joined: Joined, column: Column) -> tuple[str, tuple[str, ...] | None]:
    """The SQL of one column's slices, and their order where they are ranges."""
    label = label_sql(column)
    first = f"SELECT {label} AS v {joined.source(whole=True)} LIMIT {SAMPLE_ROWS}"
    sample = joined.tables.query(f"SELECT DISTINCT v FROM ({first})")
    texts = [row[0] for row in sample.fetchall() if row[0] is not None]
    if len(texts) <= MANY_NUMBERS or column.kind == "boolean" or not are_numbers(texts):
        return label, None
    number = f"TRY_CAST({column.sql} AS DOUBLE)"
    quantiles = f"quantile_disc({number}, [{', '.join(map(str, QUARTILES))}])"
    unread = f"count(*) FILTER ({column.sql} IS NOT NULL AND {number} IS NULL)"
    low, edges, high, odd = joined.tables.query(
        f"SELECT min({number}), {quantiles}, max({number}), {unread} {joined.source(whole=True)}"
    ).fetchall()[0]
    if odd:
        return label, None
    edges = sorted({float(edge) for edge in edges if edge > low})
    names = ranges(low, edges, high)
    cases = " ".join(f"WHEN {number} < {edge!r} THEN {literal(name)}" for edge, name in zip(edges, names, strict=False))
    every = f"CASE WHEN {number} IS NULL OR isnan({number}) THEN NULL {cases} ELSE {literal(names[-1])} END"
    return every, names


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
        source = joined.source(also=kept, whole=column.ranged)
        sql = f"SELECT DISTINCT {column.sql} {source} LIMIT {MOST_SLICES + 2}"
        values = [row[0] for row in joined.tables.query(sql).fetchall() if row[0] is not None]
        check_size(column.name, len(values), joined.preds.path)
        found.append(column.slicer(values))
    return tuple(found)
