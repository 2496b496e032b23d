"""The search for weak slices: what is counted of every value of every column and of every pair, in the same pass.

A slice is compared by a share of rows, hits among those that count, or by the mean of a loss, such as the absolute
error. Rows are counted in a table for each column and each pair, (values + 1) by (values + 1); the last value stands
for all that is not searched. Losses are added exactly, so that no batch and no worker can be seen.
"""

from __future__ import annotations

from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.arrays import count_cells
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.registry import parse
from evalcli.uncertainty.twomeans import Mean
from evalcli.uncertainty.twoshares import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Array, Scanned, Source
    from evalcli.uncertainty.intervals import Confidence, Interval

T = TypeVar("T")


class Part(Protocol):
    """Some rows that can be compared with others."""

    @property
    def rows(self) -> int:
        """How many count."""

    @property
    def value(self) -> float:
        """Their share, or their mean."""

    @property
    def test(self) -> str:
        """What compares two of them."""

    def without(self, part: Self) -> Self:
        """All other rows than those of a part."""

    def is_worse(self, whole: Self) -> bool:
        """Whether they are worse than the whole that they are a part of."""

    def p_worse(self, whole: Self) -> float:
        """How likely they are so much worse than all other rows of the whole by chance, 0 to 1."""

    def difference(self, rest: Self, confidence: Confidence) -> Interval:
        """The interval of how far they are from the rest."""

    def least_shown(self, rows: int, level: float) -> float | None:
        """By how much so many rows of this whole have to be worse than the rest to be told at ``level``."""


class Counts(Protocol):
    """What is counted of the rows of each of several cells."""

    @property
    def rows(self) -> Array:
        """How many each cell has (cells,) int64."""

    def add(self, cells: Array, values: Array, repeats: Array | None) -> None:
        """Count rows (N,) in their cells."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""

    def part(self, cell: int) -> Part:
        """The rows of one cell."""


class Hits:
    """Misses and hits: values are 0 and 1."""

    def __init__(self, cells: int, *, wholes: bool) -> None:  # noqa: ARG002  as ``Sums``
        self._counts: Array = np.zeros((cells, 2), np.int64)

    @property
    def rows(self) -> Array:
        """How many each cell has (cells,) int64."""
        rows: Array = self._counts.sum(axis=1)
        return rows

    def add(self, cells: Array, values: Array, repeats: Array | None) -> None:
        """Count rows (N,) in their cells."""
        found = count_cells(2 * cells + values.astype(np.int64, copy=False), self._counts.size, repeats)
        self._counts += found.reshape(self._counts.shape)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._counts += other._counts

    def part(self, cell: int) -> Share:
        """The rows of one cell."""
        misses, hits = self._counts[cell].tolist()
        return Share(hits, misses + hits)


class Sums:
    """Losses, each as its exact sum, and that of its square; of what is a whole to others also that of its cube."""

    def __init__(self, cells: int, *, wholes: bool) -> None:
        self._rows: Array = np.zeros(cells, np.int64)
        self._sums = [ExactSum(cells) for _ in range(3 if wholes else 2)]

    @property
    def rows(self) -> Array:
        """How many each cell has (cells,) int64."""
        return self._rows

    def add(self, cells: Array, values: Array, repeats: Array | None) -> None:
        """Count rows (N,) in their cells."""
        size = len(self._rows)
        self._rows += count_cells(cells, size, repeats)
        held, places = (None, cells) if size <= len(cells) else np.unique(cells, return_inverse=True)
        for power, sums in enumerate(self._sums, 1):
            if held is None:
                sums.add(values**power, places, repeats)
                continue
            few = ExactSum(len(held))  # with more cells than rows, adding takes memory for each of them
            few.add(values**power, places, repeats)
            sums.merge(few.fold(held, size))

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._rows += other._rows
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            mine.merge(theirs)

    def part(self, cell: int) -> Mean:
        """The rows of one cell."""
        place = np.array([cell])
        return Mean(int(self._rows[cell]), *(float(held.select(place)) for held in self._sums))


class ScanTables:
    """The counts of every column and pair: by their places, ``(column,)`` and ``(column, column)``."""

    def __init__(self, scanned: Scanned, kind: type[Hits | Sums]) -> None:
        self.sizes = [len(slicer.values) + 1 for slicer in scanned.columns]
        places = range(len(self.sizes))
        self.shapes = {
            which: tuple(self.sizes[place] for place in which)
            for which in (*((place,) for place in places), *combinations(places, 2))
        }
        self.tables: dict[tuple[int, ...], Counts] = {
            which: kind(prod(shape), wholes=len(which) == 1) for which, shape in self.shapes.items()
        }
        self.total: Counts = kind(1, wholes=True)
        """All rows."""

    def update(self, values: Array, codes: Array, repeats: Array | None = None) -> None:
        """Count rows (N,) with the codes of their values, (N, K), −1 for none."""
        self.total.add(np.zeros(len(values), np.int64), values, repeats)
        places = [np.where(codes[:, i] < 0, size - 1, codes[:, i]) for i, size in enumerate(self.sizes)]
        for which, table in self.tables.items():
            cells = places[which[0]]
            for place in which[1:]:
                cells = cells * self.sizes[place] + places[place]
            table.add(cells, values, repeats)

    def update_some(self, counts: Array | None, values: Array, codes: Array, repeats: Array | None) -> None:
        """The same of the rows that count (N,) bool; ``None``: of all."""
        if counts is not None:
            values, codes = values[counts], codes[counts]
            repeats = None if repeats is None else repeats[counts]
        self.update(values, codes, repeats)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self.total.merge(other.total)
        for which, table in self.tables.items():
            table.merge(other.tables[which])

    def rows(self, which: tuple[int, ...]) -> Array:
        """The rows of every slice of a column, or of a pair."""
        return self.tables[which].rows.reshape(self.shapes[which])

    def part(self, which: tuple[int, ...], values: tuple[int, ...]) -> Part:
        """The rows of one slice."""
        cell = 0
        for value, size in zip(values, self.shapes[which], strict=True):
            cell = cell * size + value
        return self.tables[which].part(cell)


class Rows(NamedTuple):
    """Which rows a metric is a share of: all, or those whose ``target`` or ``preds`` (``side``) is the class.

    With ``other`` those where it is not. They are hits where the other side agrees.
    """

    side: str = "all"
    place: int = 0
    other: bool = False

    def of(self, place: int) -> Rows:
        """The same of a class."""
        return self._replace(place=place)


ALL = Rows()
SIDES = {
    "recall": Rows("target"),
    "precision": Rows("preds"),
    "specificity": Rows("target", other=True),
    "npv": Rows("preds", other=True),
}
"""Shares of rows that are of one class, or of one label."""
_EVERY = ("accuracy", "subset_accuracy", "hamming_loss", "mae", *SIDES)


def scanned_metric(asked: str, known: Collection[str], what: str, fix: str) -> MetricName:
    """The metric to search by.

    Raises:
        UsageError: its name is none of those that are ``known``, or it is of a slice or an average.

    """
    name = parse(asked)
    if name.base not in known or name.average is not None or name.slice_by is not None:
        raise UsageError(f"--scan-metric {asked}: {what}", fix=fix)
    return name


def until_decided(metric: str, of: Callable[[], T], usual: T) -> T:
    """What ``metric`` makes of rows, or the ``usual`` where it is of another task: which one it is shows in the rows.

    Raises:
        UsageError: no task is searched by it.

    """
    try:
        return of()
    except UsageError:
        name = parse(metric)
        if name.base in _EVERY and name.average is None and name.slice_by is None:
            return usual
        fix = (
            "use accuracy or recall[cat] and the like, subset_accuracy or hamming_loss of several labels, mae of values"
        )
        what = f"--scan-metric {metric}: not a share of rows, hits and misses, nor a mean of what they are off by"
        raise UsageError(what, fix=fix) from None


def refuse_weights(source: Source) -> None:
    """Refuse rows that are more or less than one row each.

    Raises:
        UsageError: they have weights.

    """
    if source.weighted:
        raise UsageError("--scan counts rows, and these have weights", fix="drop --scan or --weight")
