"""Slices of a pass: for each value of a column a pass of the same family, which takes the rows that are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


P = TypeVar("P", bound=SlicePass)


class SlicePasses(Generic[P]):
    """One slicer's slices, by code; a slice without a row is not there."""

    def __init__(self, fresh: Callable[[], P]) -> None:
        self._fresh = fresh
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

    def passes(self) -> dict[int, P]:
        """The pass of every slice that has rows, by code."""
        return dict(sorted(self._passes.items()))
