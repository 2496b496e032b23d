"""What a search for weak slices counts of the rows of each of several cells: hits and misses, or sums of a loss.

Rows that weigh differently have their Σw and Σw² beside that, as exact sums. Weights that are all alike change nothing:
then rows are counted as if they had none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from evalcli.metrics.arrays import count_cells
from evalcli.metrics.exact import ExactSum
from evalcli.slicepasses import by_number
from evalcli.uncertainty.twomeans import Mean
from evalcli.uncertainty.twoshares import Share
from evalcli.uncertainty.twoweighed import WeighedMean, WeighedShare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.sources.base import Array
    from evalcli.uncertainty.intervals import Confidence, Interval


_SHARES, _MEANS = 2, 5
"""Sums of weights of each share, and of each mean that is no whole."""
_HEAVIEST = 1e70
"""Weights above are refused once all are known: until then their products with losses have to stay finite."""


def checked_counts(counts: Array | None, shape: tuple[int, ...]) -> Array:
    """Saved counts.

    Raises: ``ValueError`` where they are of another shape or type, or below 0.
    """
    if counts is None or counts.dtype != np.int64 or counts.shape != shape or (counts < 0).any():
        raise ValueError("a search that counts otherwise")
    return counts.copy()


class Part(Protocol):
    """Some rows that can be compared with others."""

    @property
    def rows(self) -> float:
        """How many count: a whole number."""

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

    def add(self, cells: Array, values: Array, repeats: Array | None, weight: Array | None = None) -> None:
        """Count rows (N,) in their cells."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""

    def moved(self, index: Array, size: int) -> Self:
        """The same with cell ``i`` as ``index[i]`` of ``size``."""

    def state_dict(self) -> dict[str, Array]:
        """All that was counted."""

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """

    def part(self, cell: int, *, alike: bool = True) -> Part:
        """The rows of one cell, by their weights unless all are ``alike``."""


class Hits:
    """Misses and hits: values are 0 and 1."""

    def __init__(self, cells: int, *, wholes: bool, weighted: bool = False) -> None:  # noqa: ARG002  as ``Sums``
        self._counts: Array = np.zeros((cells, 2), np.int64)
        self._weights = _Cells(2 * cells, _SHARES if weighted else 0)

    @property
    def rows(self) -> Array:
        """How many each cell has (cells,) int64."""
        rows: Array = self._counts.sum(axis=1)
        return rows

    def add(self, cells: Array, values: Array, repeats: Array | None, weight: Array | None = None) -> None:
        """Count rows (N,) in their cells."""
        places = 2 * cells + values.astype(np.int64, copy=False)
        self._counts += count_cells(places, self._counts.size, repeats).reshape(self._counts.shape)
        if weight is not None:
            self._weights.add(places, (weight, weight * weight), repeats)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._counts += other._counts
        self._weights.merge(other._weights)

    def moved(self, index: Array, size: int) -> Hits:
        """The same with cell ``i`` as ``index[i]`` of ``size``."""
        found = Hits(size, wholes=True)
        np.add.at(found._counts, index, self._counts)
        both = np.stack([2 * index, 2 * index + 1], axis=1).reshape(-1)
        found._weights = self._weights.moved(both, 2 * size)
        return found

    def state_dict(self) -> dict[str, Array]:
        """The misses and hits of each cell (cells, 2), and the sums of their weights."""
        return {"counts": self._counts, **self._weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        rest = {**state}
        self._counts = checked_counts(rest.pop("counts", None), self._counts.shape)
        self._weights.load_state_dict(rest)

    def part(self, cell: int, *, alike: bool = True) -> Share | WeighedShare:
        """The rows of one cell, by their weights unless all are ``alike``."""
        misses, hits = self._counts[cell].tolist()
        if alike:
            return Share(hits, misses + hits)
        (wrong, wrong_squares), (right, right_squares) = (self._weights.of(2 * cell + hit) for hit in (0, 1))
        return WeighedShare(misses + hits, right, wrong, right_squares, wrong_squares)


class Sums:
    """Losses, each as its exact sum, and that of its square; of what is a whole to others also that of its cube.

    With weights Σw, Σwv, Σw², Σw²v and Σw²v² beside them; of what is a whole to others also Σwv² and Σwv³.
    """

    def __init__(self, cells: int, *, wholes: bool, weighted: bool = False) -> None:
        self._rows: Array = np.zeros(cells, np.int64)
        self._wholes = wholes
        self._sums = _Cells(cells, 3 if wholes else 2)
        self._weights = _Cells(cells, (_MEANS + 2 if wholes else _MEANS) if weighted else 0)

    @property
    def rows(self) -> Array:
        """How many each cell has (cells,) int64."""
        return self._rows

    def add(self, cells: Array, values: Array, repeats: Array | None, weight: Array | None = None) -> None:
        """Count rows (N,) in their cells."""
        self._rows += count_cells(cells, len(self._rows), repeats)
        self._sums.add(cells, [values**power for power in ((1, 2, 3) if self._wholes else (1, 2))], repeats)
        if weight is not None:
            weight = np.minimum(weight, _HEAVIEST)
            once, squares = weight * values, weight * weight
            terms = [weight, once, squares, squares * values, once * once]
            self._weights.add(cells, [*terms, *((once * values, once * values**2) if self._wholes else ())], repeats)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._rows += other._rows
        self._sums.merge(other._sums)
        self._weights.merge(other._weights)

    def moved(self, index: Array, size: int) -> Sums:
        """The same with cell ``i`` as ``index[i]`` of ``size``."""
        found = Sums(size, wholes=self._wholes)
        np.add.at(found._rows, index, self._rows)
        found._sums, found._weights = self._sums.moved(index, size), self._weights.moved(index, size)
        return found

    def state_dict(self) -> dict[str, Array]:
        """The rows of each cell (cells,), and the sums."""
        sums = {f"sums{name}": array for name, array in self._sums.state_dict().items()}
        return {"rows": self._rows, **sums, **self._weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        rest = {**state}
        self._rows = checked_counts(rest.pop("rows", None), self._rows.shape)
        sums = {name: rest.pop(name) for name in [*rest] if name.startswith("sums")}
        self._sums.load_state_dict({name[4:]: array for name, array in sums.items()})
        self._weights.load_state_dict(rest)

    def part(self, cell: int, *, alike: bool = True) -> Mean | WeighedMean:
        """The rows of one cell, by their weights unless all are ``alike``."""
        rows = int(self._rows[cell])
        if alike:
            return Mean(rows, *self._sums.of(cell))
        weight, total, *squares, second, third = (*self._weights.of(cell), 0.0, 0.0)[:7]
        return WeighedMean(rows, weight, total, second, third, *squares)


class _Cells:
    """Several exact sums for each of many cells."""

    def __init__(self, cells: int, sums: int) -> None:
        self._sums = [ExactSum(cells) for _ in range(sums)]

    def add(self, cells: Array, values: Sequence[Array], repeats: Array | None) -> None:
        """Add to each sum its values (N,), in the cells (N,) of the rows."""
        size = self._sums[0].cells
        held, places = (None, cells) if size <= len(cells) else np.unique(cells, return_inverse=True)
        for sums, terms in zip(self._sums, values, strict=True):
            if held is None:
                sums.add(terms, places, repeats)
                continue
            few = ExactSum(len(held))  # with more cells than rows, adding takes memory for each of them
            few.add(terms, places, repeats)
            sums.merge(few.fold(held, size))

    def merge(self, other: Self) -> None:
        """Take in what another worker has added."""
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            mine.merge(theirs)

    def moved(self, index: Array, size: int) -> _Cells:
        """The same with cell ``i`` as ``index[i]`` of ``size``."""
        found = _Cells(size, 0)
        found._sums = [sums.fold(index, size) for sums in self._sums]
        return found

    def state_dict(self) -> dict[str, Array]:
        """Each sum, by its number."""
        return {
            f"{number}.{name}": array
            for number, sums in enumerate(self._sums)
            for name, array in sums.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        found, cells = by_number(state), [sums.cells for sums in self._sums]
        if [*found] != [*range(len(self._sums))]:
            raise ValueError("other sums of a search")
        for number, sums in enumerate(self._sums):
            sums.load_state_dict(found[number])
        if [sums.cells for sums in self._sums] != cells:
            raise ValueError("sums of other cells")

    def of(self, cell: int) -> list[float]:
        """The sums of one cell."""
        place = np.array([cell])
        return [float(held.select(place)) for held in self._sums]
