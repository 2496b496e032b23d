"""What a search for weak slices runs over: which columns, and which of their values have rows enough.

Every pair of columns becomes a table of counts, value by value: their cells are what bounds the memory of a search. Of
columns with too many values for that the most frequent ones are searched, and that is said.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import LimitError, UsageError
from evalcli.sources.base import Scanned, Slicer
from evalcli.sources.bounds import Part, parts_of
from evalcli.sources.naming import ID_NAMES
from evalcli.sources.slicing import READ, array_coding, joined_slicers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Scan, Source
    from evalcli.sources.beside import Beside

    Array = np.ndarray[Any, Any]

MOST_COLUMNS = 100
MOST_CELLS = 1 << 20
"""Cells of the tables of all pairs: 16 MB for each worker, of exact sums some 100 MB, with weights 350 MB."""
MOST_VALUES, FEWEST_VALUES = 1000, 16
"""The most frequent values of a column that are searched, at most; fewer where the tables would not fit."""
MOST_DISTINCT = 100_000
"""A column of more texts than this is not counted."""
ID_SHARE = 0.5
"""A column with more values for each row than this holds ids."""


class Counted(NamedTuple):
    """A column: its ``values`` that have rows enough with how many, the most frequent first, and how many are rare."""

    name: str
    values: tuple[tuple[str, int], ...]
    rare: int
    order: Callable[[Collection[str]], tuple[str, ...]]
    ranges: tuple[str, ...] | None = None
    """All ranges, where values are ranges of numbers."""
    bounds: tuple[str, ...] = ()
    """Those that the user gave."""


def named_columns(asked: Scan, known: Collection[str]) -> tuple[Part, ...]:
    """The columns that ``--scan`` names, each once.

    Raises:
        UsageError: bounds that are no rising numbers, or two of one column.

    """
    return parts_of(asked.names, known, "--scan")


def check_columns(count: int, path: str, noun: str) -> None:
    """Refuse to search nothing, and pairs beyond number.

    Raises:
        UsageError: there is no column.
        LimitError: there are too many.

    """
    if not count:
        raise UsageError(f"there is no {noun} to scan", fix=f"name {noun}s with --scan a,b", path=path)
    if count > MOST_COLUMNS:
        what = f"--scan of {count:,} {noun}s makes {count * (count - 1) // 2:,} pairs of them"
        raise LimitError(what, fix=f"name up to {MOST_COLUMNS} {noun}s with --scan a,b", path=path)


def is_id_name(name: str) -> bool:
    """Whether a column is called as ids are."""
    return name.lower() in ID_NAMES


def has_ids(distinct: int, rows: int) -> bool:
    """Whether so many different values are ids of the rows that have one."""
    return distinct > ID_SHARE * rows


def too_many(name: str, distinct: int, path: str) -> LimitError:
    """What to say of a column whose values nobody counts."""
    what = f"--scan {name}: about {distinct:,} values"
    return LimitError(what, fix=f"scan something with up to {MOST_DISTINCT:,} of them", path=path)


def refuse_every(asked: Scan, path: str) -> None:
    """Refuse to choose columns where others have the other rows.

    Raises:
        UsageError: all columns are asked for.

    """
    if asked.every and asked.apart:
        what = "--scan '*': which columns hold ids, only all rows together tell"
        raise UsageError(what, fix="name the columns, as in --scan region,device", path=path)


def fitted(asked: Scan, counted: Sequence[Counted], left_out: Sequence[tuple[str, str]], path: str) -> Scanned:
    """What is searched, with no more values than the tables of all pairs can hold.

    Raises:
        LimitError: not even the most frequent values fit; of rows that are counted apart, not all values.

    """
    if asked.apart:
        return _apart(asked, counted, path)
    some = [one for one in counted if one.values]
    said = [*left_out, *((one.name, f"no value has {asked.least:,} rows") for one in counted if not one.values)]
    most = MOST_VALUES
    while _cells(some, most) > MOST_CELLS and most > FEWEST_VALUES:
        most = max(most // 2, FEWEST_VALUES)
    if (cells := _cells(some, most)) > MOST_CELLS:
        what = f"--scan of {len(some)} columns makes {cells:,} pairs of values, more than {MOST_CELLS:,}"
        raise LimitError(what, fix="name fewer columns with --scan a,b", path=path)
    columns = []
    for one in some:
        if len(one.values) > most:
            said.append((one.name, f"only its {most:,} most frequent values are searched"))
        columns.append(Slicer(one.name, one.order([value for value, _ in one.values[:most]])))
    return Scanned(asked, tuple(columns), sum(one.rare for one in counted), tuple(said))


def _apart(asked: Scan, counted: Sequence[Counted], path: str) -> Scanned:
    """All values of all columns, each with its rows."""
    columns, rows = [], []
    for one in counted:
        found = dict(one.values)
        ranged, bounds = one.ranges is not None and not one.bounds, (one.bounds,) if one.bounds else ()
        columns.append(Slicer(one.name, one.ranges or one.order(found), ranged, bounds))
        rows.append(tuple(found.get(value, 0) for value in columns[-1].values))
    check_apart(columns, path)
    return Scanned(asked, tuple(columns), rows=tuple(rows))


def check_apart(columns: Sequence[Slicer], path: str) -> None:
    """Refuse more values than the tables of all pairs can hold.

    Raises:
        LimitError: there are.

    """
    for column in columns:
        if len(column.values) > MOST_VALUES:
            what = f"--scan {column.name}: {len(column.values):,} values or more, of rows that are counted apart"
            raise LimitError(what, fix=f"scan something with up to {MOST_VALUES:,} values", path=path)
    cells = sum((len(one.values) + 1) * (len(two.values) + 1) for one, two in combinations(columns, 2))
    if cells > MOST_CELLS:
        what = f"--scan of {len(columns)} columns makes {cells:,} pairs of values, more than {MOST_CELLS:,}"
        raise LimitError(what, fix="name fewer columns with --scan a,b", path=path)


def joined_scans(mine: Scanned, theirs: Scanned, path: str) -> Scanned:
    """What two shares of the rows search, counted apart, as that of both: all values, each with its rows.

    ``path`` is that of the second share.

    Raises:
        InputError: each share has cut its numbers into ranges of its own.
        LimitError: too many values.

    """
    columns = joined_slicers(mine.columns, theirs.columns, path)
    check_apart(columns, path)
    rows = []
    for number, column in enumerate(columns):
        found = dict.fromkeys(column.values, 0)
        for share in (mine, theirs):
            for value, count in zip(share.columns[number].values, share.rows[number], strict=True):
                found[value] += count
        rows.append(tuple(found.values()))
    return mine._replace(columns=columns, rows=tuple(rows))


def decided(scanned: Scanned) -> Scanned:
    """What is searched, now that all rows are known, as one run over all of them would have it."""
    asked, counted = scanned.asked._replace(apart=False), []
    for slicer, rows in zip(scanned.columns, scanned.rows, strict=True):
        found = {value: n for value, n in zip(slicer.values, rows, strict=True) if n}
        often = _often(found, asked.least)
        counted.append(Counted(slicer.name, often, len(found) - len(often), partial(_in_order, slicer.values)))
    return fitted(asked, counted, (), "")


def _often(found: Mapping[str, int], least: int) -> tuple[tuple[str, int], ...]:
    """The values with ``least`` rows, the most frequent first."""
    often = [(value, n) for value, n in found.items() if n >= least]
    return tuple(sorted(often, key=lambda pair: (-pair[1], pair[0])))


def _in_order(order: Sequence[str], values: Collection[str]) -> tuple[str, ...]:
    wanted = set(values)
    return tuple(value for value in order if value in wanted)


def _cells(counted: Sequence[Counted], most: int) -> int:
    sizes = [min(len(one.values), most) + 1 for one in counted]
    return sum(first * second for first, second in combinations(sizes, 2))


class ArrayScan:
    """The search over arrays that lie beside the rows: ``scanned`` says of what, ``codes`` which values rows have.

    Values are counted in the rows ``span`` (from and to before), ``None`` for all.

    Raises:
        UsageError: a name that is not there, or an array that is not one value a row.
        LimitError: too many columns or values.

    """

    def __init__(self, asked: Scan, beside: Beside, source: Source, span: tuple[int, int] | None = None) -> None:
        path = source.preds.path
        refuse_every(asked, path)
        parts, left_out = named_columns(asked, beside.known), list[tuple[str, str]]()
        if asked.every:
            arrays, left_out = _free(beside, source)
            parts = tuple(Part(array.name) for array in arrays)
        else:
            arrays = beside.sliced(parts, source, "--scan")
        check_columns(len(arrays) or min(len(left_out), 1), path, "array")
        span = span if asked.apart else None
        self._columns = [
            _Column(array, part.bounds, asked.counted, path, span) for array, part in zip(arrays, parts, strict=True)
        ]
        self.scanned = fitted(asked, [column.counted for column in self._columns], left_out, path)
        kept = {slicer.name: slicer.values for slicer in self.scanned.columns}
        self._columns = [column for column in self._columns if column.counted.name in kept]
        for column in self._columns:
            column.keep(kept[column.counted.name])

    def codes(self, start: int, stop: int) -> Array:
        """The value of each of the rows ``start:stop`` in each column, (N, K) int64, −1 for none that is searched."""
        if not self._columns:
            return np.empty((stop - start, 0), np.int64)
        return np.stack([column.codes(start, stop) for column in self._columns], axis=1)


class _Column:
    """One array, its values counted in the rows ``span``, or in all."""

    def __init__(
        self, array: StoredArray, bounds: tuple[str, ...], least: int, path: str, span: tuple[int, int] | None
    ) -> None:
        if array.labels is not None and len(array.labels) > MOST_DISTINCT:
            raise too_many(array.name, len(array.labels), path)
        self._array, self._coding = array, array_coding(array, path, "--scan", bounds)
        self._places = np.arange(len(self._coding.values), dtype=np.int64)
        counts = np.zeros(len(self._places) + 1, np.int64)
        first, last = span or (0, array.shape[0])
        for start in range(first, last, READ):
            counts += np.bincount(self._read(start, min(start + READ, last)) + 1, minlength=len(counts))
        found = {value: n for value, n in zip(self._coding.values, counts[1:].tolist(), strict=True) if n}
        often, order = _often(found, least), partial(_in_order, self._coding.values)
        ranges = self._coding.values if self._coding.ranged or bounds else None
        self.counted = Counted(array.name, often, len(found) - len(often), order, ranges, bounds)

    def _read(self, start: int, stop: int) -> Array:
        codes: Array = self._coding.codes(self._array.read(start, stop).reshape(-1))
        return codes

    def keep(self, values: tuple[str, ...]) -> None:
        """Give codes to these values alone."""
        place = {value: i for i, value in enumerate(values)}
        self._places = np.array([*(place.get(value, -1) for value in self._coding.values), -1], np.int64)

    def codes(self, start: int, stop: int) -> Array:
        """The value of each row; the last place answers for −1."""
        return self._places[self._read(start, stop)]


def _free(beside: Beside, source: Source) -> tuple[list[StoredArray], list[tuple[str, str]]]:
    """The arrays without a role that have one value a row and no ids, and what is said of the others."""
    named = {name: array for arrays in beside.arrays.values() for name, array in arrays.items() if name}
    free, left_out = [], []
    for name, array in named.items():
        if name in beside.used or name == beside.id:
            continue
        why = _why_not(name, array, source.rows or 0)
        if why:
            left_out.append((name, why))
        else:
            free.append(array)
    if beside.table is not None:
        left_out.append((beside.table.path, "columns of a table beside a tensor file are not searched"))
    return free, left_out


def _why_not(name: str, array: StoredArray, rows: int) -> str:
    """Why an array is not searched unless it is named; empty where it is."""
    if array.shape[:1] != (rows,) or [size for size in array.shape[1:] if size != 1]:
        return f"has the shape {array.shape}, not one value a row"
    if is_id_name(name):
        return "is called as ids are"
    distinct = 0 if array.labels is None else len(array.labels)
    if array.labels is None and array.dtype.startswith(("int", "uint")):
        distinct = len(np.unique(array.read(0, rows)))
    if has_ids(distinct, rows) and distinct > 1:
        return f"{distinct:,} values in {rows:,} rows: ids"
    return f"{distinct:,} values" if array.labels is not None and distinct > MOST_DISTINCT else ""
