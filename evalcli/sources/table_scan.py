"""The search for weak slices over the columns of tables: chosen by a look at all of them, their values counted in SQL.

All columns are counted in one pass (``GROUPING SETS``), after one that estimates how many values each has; numbers of
many values take one more each for their quartiles. The engine holds at most ``MOST_DISTINCT`` texts of each column, or
the numbers of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError
from evalcli.sources.bounds import Part
from evalcli.sources.distinct import ID_SHARE, KEPT, MOST_VALUES, SPACE, ColumnSize, least_of
from evalcli.sources.scanning import (
    MOST_DISTINCT,
    Counted,
    check_columns,
    fitted,
    is_id_name,
    named_columns,
    too_many,
)
from evalcli.sources.slicing import missing_column
from evalcli.sources.table_columns import SAMPLE_ROWS, are_fractions, are_numbers, slice_sql
from evalcli.sources.table_hashes import engine
from evalcli.sources.table_slices import SliceColumn, column_slices, sides_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from evalcli.sources.base import Scan, Scanned
    from evalcli.sources.table_join import Column, Joined

UNREAD = {"list": "holds lists", "texts": "holds lists", "other": "holds what is neither text nor number"}
"""Kinds of columns that make no slices, and what is said of them."""
REPEATED = 500
"""Values of more rows than this on average the engine tells apart while it reads: slower, and there is no long list."""
AT_ONCE = 60
"""Columns counted by one statement: the engine tells 63 sets of a grouping apart."""


class ScanColumns(NamedTuple):
    """What is searched, before its values are counted."""

    asked: Scan
    columns: tuple[SliceColumn, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    sizes: tuple[ColumnSize, ...] = ()
    """What parts of the rows have to tell of each that was not named, where all were asked for."""

    def keep(self, scanned: Scanned) -> tuple[SliceColumn, ...]:
        """The columns that have values to search."""
        kept = {slicer.name for slicer in scanned.columns}
        return tuple(column for column in self.columns if column.name in kept)


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
    parts, left_out = named_columns(asked, known), list[tuple[str, str]]()
    for name, _ in parts:
        if name not in known:
            raise missing_column(name, known, path, noun, "to search")
        if kinds[name] in UNREAD:
            raise InputError(f"--scan {name}: the {noun} {UNREAD[kinds[name]]}", fix=f"name another {noun}", path=path)
    free = list[Part]()
    if asked.every:
        gone = {*used, *(name for name, _ in parts)}
        names, left_out = _free({name: kinds[name] for name in known if name and name not in gone})
        free = [Part(name) for name in names]
    check_columns(len(free) + len(parts) or min(len(left_out), 1), path, noun)
    found, sizes = list[SliceColumn](), list[ColumnSize]()
    columns = [joined.column(name, known[name]) for name, _ in free]
    for column, looked in zip(columns, column_sizes(joined, columns, asked), strict=True):
        sliced, size = _looked_at(joined, column, looked, asked)
        if asked.apart:
            sizes.append(size)
        elif size.why_not:
            left_out.append((column.name, size.why_not))
        if sliced is not None:
            found.append(sliced)
    columns = [joined.column(name, known[name]) for name, _ in parts]
    for column, (_, bounds), (_, distinct) in zip(
        columns, parts, _counts(joined, columns, whole=asked.every), strict=True
    ):
        sliced = column_slices(joined, column, bounds)
        if sliced.ranges is None and distinct > MOST_DISTINCT:
            raise too_many(column.name, distinct, path)
        found.append(sliced)
    return ScanColumns(asked, tuple(found), tuple(left_out), tuple(sizes))


def _looked_at(joined: Joined, column: Column, size: ColumnSize, asked: Scan) -> tuple[SliceColumn | None, ColumnSize]:
    """A column as it is searched, ``None`` where it is not, and whether that counts ranges of numbers."""
    if size.ids and (not asked.apart or size.distinct > MOST_VALUES):
        return None, size._replace(counted=False)
    sliced = column_slices(joined, column)
    size = size._replace(cut=sliced.ranges is not None)
    size = size._replace(counted=size.countable)
    return (sliced if (size.counted if asked.apart else not size.why_not) else None), size


def _free(kinds: Mapping[str, str]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """The columns that make slices, and what is said of the others, given what each holds."""
    said = {name: UNREAD.get(kind, "is called as ids are" if is_id_name(name) else "") for name, kind in kinds.items()}
    return tuple(name for name, why in said.items() if not why), [pair for pair in said.items() if pair[1]]


def column_sizes(joined: Joined, columns: Sequence[Column], asked: Scan) -> list[ColumnSize]:
    """How many values columns have, in all rows; where there are few beyond doubt, and no other rows, none are told."""
    if not columns:
        return []
    labels = [slice_sql(column) for column in columns]
    sample = joined.tables.query(f"SELECT {', '.join(labels)} {joined.source(whole=True)} LIMIT {SAMPLE_ROWS}")
    texts = [{text for text in cells if text is not None} for cells in zip(*sample.fetchall(), strict=True)]
    counts = list(_counts(joined, columns, whole=True))
    wanted = {
        i: about
        for i, (rows, about) in enumerate(counts)
        if asked.apart or about > min(ID_SHARE * rows, MOST_VALUES) / 2
    }
    hashes = _least_hashes(joined, labels, wanted, [rows for rows, _ in counts])
    return [
        ColumnSize(column.name, counts[i][0], hashes.get(i, ()), are_fractions(seen), are_numbers(seen))
        for i, (column, seen) in enumerate(zip(columns, texts or [set[str]()] * len(columns), strict=True))
    ]


def _counts(joined: Joined, columns: Sequence[Column], *, whole: bool) -> Iterator[tuple[int, int]]:
    """The rows of each column with a value, and about how many values differ, to a fifth or so."""
    if columns:
        labels = map(slice_sql, columns)
        counts = ", ".join(f"count({label}), approx_count_distinct({label})" for label in labels)
        numbers = joined.tables.query(f"SELECT {counts} {joined.source(whole=whole)}").fetchall()[0]
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def _least_hashes(
    joined: Joined, labels: Sequence[str], wanted: Mapping[int, int], rows: Sequence[int]
) -> dict[int, tuple[int, ...]]:
    """The least hashes of each column ``wanted``, which has about so many: found below where as many should lie."""
    below = {i: min(SPACE, 2 * KEPT * SPACE // max(about, 1)) for i, about in wanted.items()}
    found: dict[int, tuple[int, ...]] = {}
    while missing := [i for i in wanted if i not in found]:
        hashed = [(f"CASE WHEN {labels[i]} IS NOT NULL THEN hash({labels[i]}) >> 1 END", i) for i in missing]
        lists = ", ".join(
            f"list(DISTINCT {sql}) FILTER ({sql} < {below[i]})"
            if rows[i] > REPEATED * wanted[i]
            else f"list_distinct(list({sql}) FILTER ({sql} < {below[i]}))"
            for sql, i in hashed
        )
        (row,) = joined.tables.query(f"SELECT {lists} {joined.source(whole=True)}").fetchall()
        for i, hashes in zip(missing, row, strict=True):
            if below[i] >= SPACE or len(hashes or ()) >= KEPT:
                found[i] = least_of(hashes or ())
            below[i] = min(SPACE, 4 * below[i])
    return found


def read_scan(joined: Joined, scan: ScanColumns, kept: str, heard: Callable[[float], None]) -> Scanned:
    """The values of all columns that have rows enough, among the rows that stay.

    Raises:
        LimitError: too many of them.

    """
    counted: list[Counted] = []
    for start in range(0, len(scan.columns), AT_ONCE):
        some, rows = scan.columns[start : start + AT_ONCE], joined.source(also=kept, whole=scan.asked.every)
        counted += _counted(joined, some, scan.asked.counted, rows, heard)
    scanned = fitted(scan.asked, counted, scan.left_out, joined.preds.path, scan.sizes)
    return scanned._replace(hashed=_engine(joined) if scan.sizes else "")


def _engine(joined: Joined) -> str:
    """Whose hashes the sizes are told by: another version may hash otherwise."""
    return engine(joined.tables.query("SELECT version()").fetchall())


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
