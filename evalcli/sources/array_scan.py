"""The search for weak slices over arrays: chosen by how many values each has, and these counted range by range."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.sources.bounds import Part
from evalcli.sources.distinct import ColumnSize
from evalcli.sources.scanning import (
    MOST_DISTINCT,
    Counted,
    check_columns,
    fitted,
    frequent,
    in_order,
    is_id_name,
    named_columns,
    too_many,
)
from evalcli.sources.slicing import MANY_NUMBERS, READ, array_coding
from evalcli.sources.table_hashes import Hashes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Scan, Source
    from evalcli.sources.beside import Beside

    Array = np.ndarray[Any, Any]


class ArrayScan:
    """The search over arrays that lie beside the rows: ``scanned`` says of what, ``codes`` which values rows have.

    Values are counted in the rows ``span`` (from and to before), ``None`` for all; of ``*``, in all rows.

    Raises:
        UsageError: a name that is not there, or an array that is not one value a row.
        LimitError: too many columns or values.

    """

    def __init__(self, asked: Scan, beside: Beside, source: Source, span: tuple[int, int] | None = None) -> None:
        path = source.preds.path
        parts, every = named_columns(asked, beside.known), _Every()
        arrays = beside.sliced(parts, source, "--scan")
        if asked.every:
            every = _Every.of(beside, source, {part.column for part in parts}, apart=asked.apart)
            arrays = [*every.arrays, *arrays]
            parts = (*(Part(array.name) for array in every.arrays), *parts)
        check_columns(len(arrays) or min(len(every.left_out) + len(every.sizes), 1), path, "array")
        span = span if asked.apart and not asked.every else None
        self._columns = [
            _Column(array, part.bounds, asked.counted, path, span) for array, part in zip(arrays, parts, strict=True)
        ]
        counted = [column.counted for column in self._columns]
        self.scanned = fitted(asked, counted, every.left_out, path, every.sizes)
        self.scanned = self.scanned._replace(hashed=every.hashed)
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
        often, order = frequent(found, least), partial(in_order, self._coding.values)
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


class _Every(NamedTuple):
    """The arrays that ``--scan '*'`` searches, what is said of others, and ``sizes`` where rows are counted apart."""

    arrays: tuple[StoredArray, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    sizes: tuple[ColumnSize, ...] = ()
    hashed: str = ""
    """By whom values were hashed for that."""

    @classmethod
    def of(cls, beside: Beside, source: Source, named: Collection[str], *, apart: bool) -> _Every:
        """Those without a role that have one value a row, and no ids as far as these rows tell; not the ``named``."""
        known = {name: array for arrays in beside.arrays.values() for name, array in arrays.items() if name}
        rows, without = source.rows or 0, {*beside.used, beside.id, *named}
        free = {name: array for name, array in known.items() if name not in without}
        unfit = {name: why for name, array in free.items() if (why := _unfit(name, array, rows))}
        if beside.table is not None:
            unfit[beside.table.path] = "columns of a table beside a tensor file are not searched"
        free = {name: array for name, array in free.items() if name not in unfit}
        arrays, left_out, sizes = [], [*unfit.items()], []
        found, hashed = _sizes(free, rows) if free else ({}, "")
        for name, array in free.items():
            size = found[name]
            if apart:
                sizes.append(size._replace(counted=size.countable))
            elif why := size.why_not:
                left_out.append((name, why))
            if size.countable if apart else not size.why_not:
                arrays.append(array)
        return cls(tuple(arrays), tuple(left_out), tuple(sizes), hashed if sizes else "")


def _unfit(name: str, array: StoredArray, rows: int) -> str:
    """Why an array is not searched whatever its values; empty where they decide."""
    if array.shape[:1] != (rows,):
        return f"has the shape {array.shape}, not one value a row"
    if [size for size in array.shape[1:] if size != 1]:
        return f"has {array.shape[1:]} values a row, not one"
    return "is called as ids are" if is_id_name(name) else ""


def _sizes(arrays: Mapping[str, StoredArray], rows: int) -> tuple[dict[str, ColumnSize], str]:
    """How many values each has, and by whom they were hashed."""
    with Hashes() as hashes:
        return {name: _size(name, array, rows, hashes) for name, array in arrays.items()}, hashes.by


def _size(name: str, array: StoredArray, rows: int, hashes: Hashes) -> ColumnSize:
    """How many values there are; whole numbers and texts alone may be ids."""
    cut = [(start, min(start + READ, rows)) for start in range(0, rows, READ)]
    if array.labels is not None:
        there = sum(int((array.read(*some) >= 0).sum()) for some in cut)
        return ColumnSize(name, there, hashes.least(array.labels))
    found: tuple[int, ...] = ()
    for some in cut:
        found = hashes.least(array.read(*some).reshape(-1), found)
    size = ColumnSize(name, rows, found, fractions=not array.dtype.startswith(("int", "uint")))
    return size._replace(cut=size.distinct > MANY_NUMBERS)
