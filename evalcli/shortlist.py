"""Rows that are looked for in batches, and the worst few of many of them, in bounded memory.

A shortlist keeps at most twice what is asked for and drops the rest as it goes. Which rows it keeps follows from their
ranks and numbers alone, so any batch size, worker count and order of merging give the same list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.sources.base import Array, Batch


class Picked(NamedTuple):
    """Rows that were picked, all ``(n,)``: the ``number`` of the row in the file, which ``element`` of the row, the
    target and the ``other`` side, two ``measures``, the weight, and further cells.

    Both sides are codes of labels (-1: none), or the values of a regression.
    """

    number: Array
    element: Array
    target: Array
    other: Array
    measures: tuple[Array, Array]
    weight: Array | None = None
    cells: Array | None = None
    """Tuples, as an array of objects."""

    def take(self, where: Array | slice) -> Picked:
        """Some of them, in this order."""
        first, second = self.measures
        weight, cells = (None if each is None else each[where] for each in (self.weight, self.cells))
        return Picked(
            self.number[where],
            self.element[where],
            self.target[where],
            self.other[where],
            (first[where], second[where]),
            weight,
            cells,
        )


class Found(NamedTuple):
    """Rows of a batch, without their cells: by what they are ranked, and where they lie in the batch ``(n,)``."""

    ranks: tuple[Array, Array]
    rows: Picked
    places: Array


class Finder(Protocol):
    """What looks for rows in a batch."""

    def __call__(self, batch: Batch) -> Found:
        """The rows that were looked for."""


def numbers_of(batch: Batch, places: Array) -> Array:
    """The rows of the file that stand at these places of a batch."""
    numbers: Array = batch.start + places if batch.numbers is None else batch.numbers[places]
    return numbers


def cells_of(batch: Batch, places: Array) -> Array:
    """The cells beside some rows of a batch, as an array of tuples."""
    assert batch.cells is not None
    cells = np.empty(len(places), object)
    for i, row in enumerate(batch.cells(places) if len(places) else ()):
        cells[i] = row
    return cells


Rank = tuple[float, float, int, int]
"""What rows are in order of, lowest first: two measures, then the row and the element, which no two rows share."""


class Shortlist:
    """The ``limit`` rows of lowest rank, of those after ``after`` if it is given; ``seen`` counts all of them."""

    def __init__(self, limit: int, after: Rank | None = None) -> None:
        self.limit = limit
        self.after = after
        self.seen = 0
        self._worst = np.inf
        self._ranks: list[tuple[Array, Array]] = []
        self._parts: list[Picked] = []
        self._size = 0

    def add(self, ranks: tuple[Array, Array], rows: Picked, cells: Callable[[Array], Array] | None = None) -> None:
        """Take in rows with their two measures of rank; ``cells`` makes those of the rows that stay for now."""
        self.seen += len(rows.number)
        keep = ranks[0] <= self._worst
        if self.after is not None:
            keep &= _is_after(ranks, rows, self.after)
        where = np.flatnonzero(keep)
        if len(where) > self.limit:  # no more of one batch can ever stay
            order = _order((ranks[0][where], ranks[1][where]), rows.take(where))[: self.limit]
            where = where[np.sort(order)]
        if len(where):
            chosen = rows.take(where)
            self._ranks.append((ranks[0][where], ranks[1][where]))
            self._parts.append(chosen if cells is None else chosen._replace(cells=cells(where)))
            self._size += len(where)
        if self._size >= 2 * self.limit:
            self._cut()

    def merge(self, other: Shortlist) -> None:
        """Take in what another worker has kept."""
        self.seen += other.seen
        self._ranks += other._ranks
        self._parts += other._parts
        self._size += other._size
        if self._size >= 2 * self.limit:
            self._cut()

    def rows(self) -> Picked | None:
        """The rows, lowest rank first; ``None`` of no rows."""
        self._cut()
        return self._parts[0] if self._parts else None

    def last(self) -> Rank:
        """The rank of the last of them."""
        self._cut()
        (first, second), rows = self._ranks[0], self._parts[0]
        return float(first[-1]), float(second[-1]), int(rows.number[-1]), int(rows.element[-1])

    def _cut(self) -> None:
        """Bring what is kept into order, and keep no more than the limit."""
        if not self._parts:
            return
        ranks = tuple(np.concatenate([part[i] for part in self._ranks]) for i in range(2))
        rows = _joined(self._parts)
        order = _order((ranks[0], ranks[1]), rows)[: self.limit]
        self._ranks, self._parts = [(ranks[0][order], ranks[1][order])], [rows.take(order)]
        self._size = len(order)
        if self._size == self.limit:
            self._worst = float(self._ranks[0][0][-1])


@dataclass(slots=True)
class Ranking:
    """What one worker gathers of a shortlist."""

    finder: Finder
    shortlist: Shortlist

    def add(self, batch: Batch) -> bool:
        """Take in the rows of a batch."""
        found = self.finder(batch)
        cells = None if batch.cells is None else lambda where: cells_of(batch, found.places[where])
        self.shortlist.add(found.ranks, found.rows, cells)
        return True

    def merge(self, other: Ranking) -> None:
        """Take in what another worker has gathered."""
        self.shortlist.merge(other.shortlist)


def _order(ranks: tuple[Array, Array], rows: Picked) -> Array:
    return np.lexsort((rows.element, rows.number, ranks[1], ranks[0]))


def _is_after(ranks: tuple[Array, Array], rows: Picked, last: Rank) -> Array:
    """Which rows come later than one of this rank."""
    after = np.zeros(len(rows.number), bool)
    equal = np.ones(len(rows.number), bool)
    for values, bound in zip((*ranks, rows.number, rows.element), last, strict=True):
        after |= equal & (values > bound)
        equal &= values == bound
    return after


def _joined(parts: list[Picked]) -> Picked:
    def whole(*pieces: Any) -> Any:
        return None if pieces[0] is None else np.concatenate(pieces)

    number, element, target, other, measures, weight, cells = zip(*parts, strict=True)
    first, second = zip(*measures, strict=True)
    return Picked(
        whole(*number),
        whole(*element),
        whole(*target),
        whole(*other),
        (whole(*first), whole(*second)),
        whole(*weight),
        whole(*cells),
    )
