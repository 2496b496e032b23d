"""The search for weak slices over the columns of tables: chosen by a look at all of them, their values counted in SQL.

All columns are counted in one pass (``GROUPING SETS``), after one that estimates how many values each has; numbers of
many values take one more each for their quartiles. The engine holds at most ``MOST_DISTINCT`` texts of each column, or
the numbers of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError
from evalcli.sources.bounds import Part
from evalcli.sources.scanning import (
    MOST_DISTINCT,
    MOST_VALUES,
    Counted,
    check_columns,
    fitted,
    has_ids,
    is_id_name,
    named_columns,
    refuse_every,
    too_many,
)
from evalcli.sources.slicing import missing_column
from evalcli.sources.table_columns import SAMPLE_ROWS, are_fractions, label_sql
from evalcli.sources.table_slices import SliceColumn, column_slices, sides_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from evalcli.sources.base import Scan, Scanned
    from evalcli.sources.table_join import Column, Joined

UNREAD = {"list": "holds lists", "texts": "holds lists", "other": "holds what is neither text nor number"}
"""Kinds of columns that make no slices, and what is said of them."""
AT_ONCE = 60
"""Columns counted by one statement: the engine tells 63 sets of a grouping apart."""


class ScanColumns(NamedTuple):
    """What is searched, before its values are counted."""

    asked: Scan
    columns: tuple[SliceColumn, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def keep(self, scanned: Scanned) -> tuple[SliceColumn, ...]:
        """The columns that have values to search."""
        kept = {slicer.name for slicer in scanned.columns}
        return tuple(column for column in self.columns if column.name in kept)


class _Size(NamedTuple):
    """Rows with a value, about how many values differ, and whether they are numbers with fractions."""

    rows: int
    distinct: int
    fractions: bool

    @property
    def ids(self) -> bool:
        """Whether the values are ids."""
        return self.distinct > 1 and not self.fractions and has_ids(self.distinct, self.rows)


def scan_columns(joined: Joined, asked: Scan, used: Collection[str]) -> ScanColumns:
    """The columns that ``asked`` names, or all that are not ``used``.

    Raises:
        UsageError: a column that is not there, or none at all.
        InputError: it holds lists, or what is neither text nor number.
        LimitError: too many columns or values.

    """
    known = {name: side for side, table in sides_of(joined) for name in table}
    kinds = {name: kind for table in joined.files for name, kind in table.columns.items()}
    path, noun = joined.preds.path, joined.preds.noun
    refuse_every(asked, path)
    left_out: list[tuple[str, str]] = []
    if asked.every:
        names, left_out = _free({name: kinds[name] for name in known if name and name not in used})
        parts = tuple(Part(name) for name in names)
    else:
        parts = named_columns(asked, known)
    for name, _ in parts:
        if name not in known:
            raise missing_column(name, known, path, noun)
        if kinds[name] in UNREAD:
            raise InputError(f"--scan {name}: the {noun} {UNREAD[kinds[name]]}", fix=f"name another {noun}", path=path)
    check_columns(len(parts) or min(len(left_out), 1), path, noun)
    columns, found = [joined.column(name, known[name]) for name, _ in parts], []
    for column, (_, bounds), size in zip(columns, parts, _sizes(joined, columns, whole=asked.every), strict=True):
        if asked.every and size.ids:
            left_out.append((column.name, f"about {size.distinct:,} values in {size.rows:,} rows: ids"))
            continue
        sliced = column_slices(joined, column, bounds)
        if sliced.ranges is not None or size.distinct <= MOST_DISTINCT:
            found.append(sliced)
        elif asked.every:
            left_out.append((column.name, f"about {size.distinct:,} values"))
        else:
            raise too_many(column.name, size.distinct, path)
    return ScanColumns(asked, tuple(found), tuple(left_out))


def _free(kinds: Mapping[str, str]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """The columns that make slices, and what is said of the others, given what each holds."""
    said = {name: UNREAD.get(kind, "is called as ids are" if is_id_name(name) else "") for name, kind in kinds.items()}
    return tuple(name for name, why in said.items() if not why), [pair for pair in said.items() if pair[1]]


def _sizes(joined: Joined, columns: Sequence[Column], *, whole: bool) -> Iterator[_Size]:
    if not columns:
        return
    labels = [label_sql(column) for column in columns]
    counts = ", ".join(f"count({label}), approx_count_distinct({label})" for label in labels)
    rows = joined.source(whole=whole)
    numbers = joined.tables.query(f"SELECT {counts} {rows}").fetchall()[0]
    sample = joined.tables.query(f"SELECT {', '.join(labels)} {rows} LIMIT {SAMPLE_ROWS}").fetchall()
    for i in range(len(columns)):
        texts = {row[i] for row in sample if row[i] is not None}
        yield _Size(numbers[2 * i], min(numbers[2 * i + 1], numbers[2 * i]), are_fractions(texts))


def read_scan(joined: Joined, scan: ScanColumns, kept: str, heard: Callable[[float], None]) -> Scanned:
    """The values of all columns that have rows enough, among the rows that stay.

    Raises:
        LimitError: too many of them.

    """
    counted: list[Counted] = []
    for start in range(0, len(scan.columns), AT_ONCE):
        some, rows = scan.columns[start : start + AT_ONCE], joined.source(also=kept, whole=scan.asked.every)
        counted += _counted(joined, some, scan.asked.counted, rows, heard)
    return fitted(scan.asked, counted, scan.left_out, joined.preds.path)


def _counted(
    joined: Joined, columns: Sequence[SliceColumn], least: int, rows: str, heard: Callable[[float], None]
) -> Iterator[Counted]:
    names = [f"g{number}" for number in range(len(columns))]
    read = ", ".join(f"CAST({column.sql} AS VARCHAR) AS {name}" for column, name in zip(columns, names, strict=True))
    every, sets = ", ".join(names), ", ".join(f"({name})" for name in names)
    grouped = (
        f"SELECT GROUPING({every}) AS s, coalesce({every}, NULL) AS v, count(*) AS n "
        f"FROM (SELECT {read} {rows}) GROUP BY GROUPING SETS ({sets})"
    )
    ranked = (
        f"SELECT s, v, n, count(*) FILTER (n < {least}) OVER (PARTITION BY s) AS rare "
        f"FROM ({grouped}) WHERE v IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY s ORDER BY n DESC, v) <= {MOST_VALUES + 1}"
    )
    found = joined.tables.query(f"SELECT * FROM ({ranked}) ORDER BY s, n DESC, v", progress=heard).fetchall()
    whole = (1 << len(columns)) - 1
    for number, column in enumerate(columns):
        here = [row for row in found if row[0] == whole ^ (1 << (len(columns) - 1 - number))]
        often = tuple((value, n) for _, value, n, _ in here if n >= least)
        rare, bounds = here[0][3] if here else 0, column.bounds[0] if column.bounds else ()
        yield Counted(column.name, often, rare, column.order, column.ranges, bounds)
