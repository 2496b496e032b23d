"""What two models say together: the table (target, first, second), and the first rows on which one of them flips.

The table holds occupied cells alone, each a key of three times 21 bits. A batch of few classes is counted in one pass
over packed cells before it gets there; one of many, cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from evalcli.errors import LimitError
from evalcli.metrics.sparse import SparseTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray

_BITS = 21
_MASK = (1 << _BITS) - 1
_PACKED = 1 << 17
"""Cells that are laid out for a batch: beyond, sorting its keys is faster."""

FIXED, BROKEN, OTHER = 0, 1, 2
"""Wrong, then right; right, then wrong; wrong, then wrong in another way."""


class Cells(NamedTuple):
    """Occupied cells in the order of their keys: classes (K,), −1 for no prediction, ``rows`` and their weights."""

    target: HostArray
    first: HostArray
    second: HostArray
    rows: HostArray
    amounts: HostArray
    squares: HostArray


class JointCounts:
    """Rows of every (target, first, second); with weights, their sums and the sums of their squares, exact.

    >>> table = JointCounts()
    >>> table.update(*map(np.array, ([0, 1, 1], [0, 1, -1], [1, 1, 1])))
    >>> [part.tolist() for part in table.cells()[:4]]
    [[0, 1, 1], [0, -1, 1], [1, 1, 1], [1, 1, 1]]
    """

    travels = ("_rows", "_sums", "_squares")

    def __init__(self, *, weighted: bool = False) -> None:
        self.weighted = weighted
        self._rows = SparseTable()
        self._sums = SparseTable(weighted=True)
        self._squares = SparseTable(weighted=True)

    def update(self, target: HostArray, first: HostArray, second: HostArray, weight: HostArray | None = None) -> None:
        """Count rows (N,).

        Raises:
            LimitError: there are more classes than keys have bits for.

        """
        if not len(target):
            return
        size = 1 + max(int(target.max()), int(first.max()), int(second.max()))
        if size >= _MASK:
            raise LimitError(f"{size} classes are too many to compare", fix=f"number them from 0 to {_MASK - 2}")
        wide = size + 1
        if not self.weighted and size * wide * wide <= _PACKED:
            cell = np.multiply(target, wide, dtype=np.int64)  # what is counted without a copy
            cell += first
            cell *= wide
            cell += second
            cell += wide + 1  # neither model's answers begin at -1 now
            counts = np.bincount(cell)
            held = np.flatnonzero(counts)
            rest, last = np.divmod(held, wide)
            truth, middle = np.divmod(rest, wide)
            self._rows.add(packed(truth, middle - 1, last - 1), counts[held])
            return
        keys = packed(*(part.astype(np.int64, copy=False) for part in (target, first, second)))
        self._rows.add(keys)
        if self.weighted:
            weight = np.ones(len(keys)) if weight is None else weight
            self._sums.add(keys, None, weight)
            self._squares.add(keys, None, weight * weight)

    def merge(self, other: JointCounts) -> None:
        """Take in what another has counted."""
        for mine, theirs in self._parts(other):
            mine.merge(theirs)

    def _parts(self, other: JointCounts) -> tuple[tuple[SparseTable, SparseTable], ...]:
        return (self._rows, other._rows), (self._sums, other._sums), (self._squares, other._squares)

    def cells(self) -> Cells:
        """The occupied cells; those whose rows all weigh nothing are among them."""
        keys, rows = self._rows.keys(), self._rows.amounts()
        places = unpacked(keys)
        if not self.weighted:
            amounts = rows.astype(np.float64)
            return Cells(*places, rows, amounts, amounts)
        sums, squares = (_at(keys, table) for table in (self._sums, self._squares))
        return Cells(*places, rows, sums, squares)


def packed(target: HostArray, first: HostArray, second: HostArray) -> HostArray:
    """The key of each cell (K,) int64."""
    keys: HostArray = (target << 2 * _BITS) | ((first + 1) << _BITS) | (second + 1)
    return keys


def unpacked(keys: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """The classes of each cell (K,) by its key."""
    return keys >> 2 * _BITS, (keys >> _BITS & _MASK) - 1, (keys & _MASK) - 1


def _at(keys: HostArray, table: SparseTable) -> HostArray:
    """The amounts of a table at ``keys`` (K,), 0 where it has none."""
    found = np.zeros(len(keys))
    found[np.searchsorted(keys, table.keys())] = table.amounts()
    return found


class Flipped(NamedTuple):
    """Rows (N,) on which two models differ: how (``kind``), their classes, their numbers and what they are called."""

    kind: HostArray
    target: HostArray
    first: HostArray
    second: HostArray
    number: HostArray
    name: HostArray

    def take(self, rows: HostArray) -> Flipped:
        """Some of the rows."""
        return Flipped(*(part[rows] for part in self))


def kind_of(target: HostArray, first: HostArray, second: HostArray) -> HostArray:
    """``FIXED``, ``BROKEN`` or ``OTHER``, of rows on which two models differ."""
    kind: HostArray = np.where(second == target, FIXED, np.where(first == target, BROKEN, OTHER))
    return kind


def _no_flips() -> Flipped:
    none = np.zeros(0, np.int64)
    return Flipped(none, none, none, none, none, _no_names(0))


@dataclass(slots=True)
class FirstFlips:
    """The first ``limit`` flips of every kind and class, by the number of their row."""

    travels: ClassVar[tuple[str, ...]] = ("rows",)

    limit: int
    rows: Flipped = field(default_factory=_no_flips)

    def update(
        self,
        target: HostArray,
        first: HostArray,
        second: HostArray,
        numbers: Callable[[HostArray], HostArray],
        names: Callable[[HostArray], HostArray] | None,
    ) -> None:
        """Take in the rows (N,) of a batch; ``numbers`` and ``names`` tell of some of them."""
        where = np.flatnonzero(first != second)
        if not len(where) or not self.limit:
            return
        elements = numbers(where)
        if not self.wants(target, int(elements.min())):
            return
        told = [part[where].astype(np.int64) for part in (target, first, second)]
        fresh = Flipped(kind_of(*told), told[0], told[1], told[2], elements, _no_names(len(where)))
        places = np.flatnonzero(self._may_stay(fresh))
        if not len(places):
            return
        kept = places[_first(fresh.take(places), self.limit)]
        fresh = fresh.take(kept)
        if names is not None:  # they are costly, and most rows do not stay
            fresh = fresh._replace(name=names(where[kept]))
        self._join(fresh)

    def wants(self, target: HostArray, least: int) -> bool:
        """Whether a row of these classes (N,), whose numbers begin at ``least``, may be among them.

        It may not where every kind of every class has all the rows that it may have, all of smaller numbers.
        """
        if not self.limit or not len(target):
            return False
        kept = self.rows
        if not len(kept.number) or least <= kept.number.max():
            return True
        size = 1 + max(int(target.max()), int(kept.target.max()))
        return len(kept.kind) < 3 * size * self.limit

    def _may_stay(self, fresh: Flipped) -> HostArray:
        """Which rows come before the last of those that are kept of their kind and class."""
        size = 1 + int(max(fresh.target.max(), self.rows.target.max(initial=0)))
        held = self.rows.kind * size + self.rows.target
        last = np.full(3 * size, -1)
        np.maximum.at(last, held, self.rows.number)
        full = np.bincount(held, minlength=3 * size) >= self.limit
        group = fresh.kind * size + fresh.target
        stays: HostArray = ~full[group] | (fresh.number < last[group])
        return stays

    def _join(self, fresh: Flipped) -> None:
        joined = Flipped(*(np.concatenate(parts) for parts in zip(self.rows, fresh, strict=True)))
        self.rows = joined.take(_first(joined, self.limit))

    def merge(self, other: FirstFlips) -> None:
        """Take in what another worker has kept."""
        self._join(other.rows)


def _first(rows: Flipped, limit: int) -> HostArray:
    """The places of the first rows of every kind and class, in the order of kind, class and number."""
    order = np.lexsort((rows.number, rows.target, rows.kind))
    kind, target = rows.kind[order], rows.target[order]
    begins = np.flatnonzero(np.append(True, (np.diff(kind) != 0) | (np.diff(target) != 0))) if len(order) else order
    within = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    kept: HostArray = order[within < limit]
    return kept


def _no_names(count: int) -> HostArray:
    return np.full(count, None, object)
