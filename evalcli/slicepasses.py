"""Slices of a pass: for each value of a column a pass of the same family, which takes the rows that are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.evidence import Evidence
    from evalcli.sources.base import Array, Slicer

LEAST_BUDGET = 1 << 20
"""Bytes for ranks that every slice has, however many share the budget."""


def share_of(budget: int, slicer: Slicer) -> int:
    """The bytes for ranks that each slice has of a ``budget``."""
    return max(budget // max(len(slicer.values), 1), LEAST_BUDGET)


def runs(codes: Array) -> Iterator[tuple[int, Array]]:
    """The rows of each code, in their order."""
    if not len(codes):
        return
    order = np.argsort(codes, kind="stable")
    heads = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, stop in zip(heads.tolist(), [*heads[1:].tolist(), len(order)], strict=True):
        yield int(codes[order[start]]), order[start:stop]


def inside(codes: Array) -> Iterator[tuple[int, Array]]:
    """The rows of each slice, in their order; those with −1 are in none."""
    held = np.flatnonzero(codes >= 0)
    for code, rows in runs(codes[held]):
        yield code, held[rows]


class Rows(Protocol):
    """Rows that were prepared to be counted."""

    def pick(self, rows: Array) -> Self:
        """Some of them."""


class SlicePass(Protocol):
    """A pass that counts rows which another has prepared."""

    evidence: Evidence

    def take(self, rows: Any) -> int:
        """Count them; how many rows of the input they stand for."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered."""

    def state_dict(self) -> dict[str, Array]:
        """What was gathered."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """

    def under(self, other: Self) -> Self:
        """The same as ``other`` counts, within its memory.

        Raises: ``ValueError`` where ``other`` counts otherwise.
        """


P = TypeVar("P", bound=SlicePass)


class SlicePasses(Generic[P]):
    """One slicer's slices, by code; a slice without a row is not there."""

    def __init__(self, slicer: Slicer, fresh: Callable[[], P]) -> None:
        self.slicer, self._fresh = slicer, fresh
        self._passes: dict[int, P] = {}

    def update(self, rows: Rows, codes: Array) -> None:
        """Count rows in the slice that each is in, (N,) from 0, −1 for none."""
        for code, places in inside(codes):
            here = self._at(code)
            here.evidence.rows += here.take(rows.pick(places))

    def _at(self, code: int) -> P:
        if code not in self._passes:
            self._passes[code] = self._fresh()
        return self._passes[code]

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        for code, theirs in other._passes.items():
            self._at(code).merge(theirs)

    def state_dict(self) -> dict[str, Array]:
        """The states of every slice that has rows, as ``code.…``."""
        return {
            f"{code}.{name}": array for code, one in self.passes().items() for name, array in one.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        places = {str(code): code for code in range(len(self.slicer.values))}
        parts: dict[int, dict[str, Array]] = {}
        for key, array in state.items():
            code, _, name = key.partition(".")
            if code not in places:
                raise ValueError(f"there is no slice {code!r}")
            parts.setdefault(places[code], {})[name] = array
        self._passes = {}
        for place, saved in parts.items():
            self._at(place).restore(saved)

    def agree(self, rows: int) -> bool:
        """Whether every slice has rows, in all no more than ``rows``."""
        counts = [one.evidence.rows for one in self._passes.values()]
        return min(counts, default=1) > 0 and sum(counts) <= rows

    def under(self, other: SlicePasses[P]) -> SlicePasses[P]:
        """The same slices by their places among the values of ``other``, as it counts.

        Raises: ``ValueError`` where ``other`` lacks a value.
        """
        place = {value: code for code, value in enumerate(other.slicer.values)}
        if not {*self.slicer.values} <= {*place}:
            raise ValueError("slices that the others do not have")
        found = SlicePasses(other.slicer, other._fresh)
        for code, one in self._passes.items():
            found._passes[place[self.slicer.values[code]]] = one.under(other._fresh())
        return found

    def passes(self) -> dict[int, P]:
        """The pass of every slice that has rows, by code."""
        return dict(sorted(self._passes.items()))


def saved_slices(slices: Sequence[SlicePasses[Any]]) -> dict[str, SlicePasses[Any]]:
    """Those of each slicer by the name under which they are saved."""
    return {f"slices{number}": one for number, one in enumerate(slices)}
