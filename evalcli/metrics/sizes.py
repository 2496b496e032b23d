"""How many losses are of which size, to three digits: a window of counts, as wide as the sizes that occur.

A size is the leading 16 bits of a float32, so there are 2^15 of them, about 90 to a power of ten; rows of one model
are of a few hundred. So a state of a few rows takes a few cells, and there may be many such states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray

SIZES = 1 << 15
"""Sizes of losses that are told apart."""


class SizeCounts:
    """Rows by the size of their loss, on the host: each counts once, whatever it weighs, unless it weighs nothing.

    >>> counts = SizeCounts()
    >>> counts.add(np.array([0.0, 0.5, 0.5, 2.0]))
    >>> [part.tolist() for part in counts.histogram()]
    [[0.0, 0.501953125, 2.0078125], [1.0, 2.0, 1.0]]
    """

    def __init__(self) -> None:
        self._first = 1
        self._rows: HostArray = np.zeros(0, np.int64)
        self._zeros = 0

    def add(self, losses: HostArray, repeats: HostArray | None = None) -> None:
        """Count losses (N,), none of them infinite, each ``repeats`` (N,) times."""
        with np.errstate(over="ignore"):  # beyond 3e38 all are of one size, of which nothing is known
            bits = np.maximum(losses, 0.0).astype(np.float32).view(np.uint32) >> 16
        sizes = bits.astype(np.int64)
        if repeats is None:
            counts = np.bincount(sizes)
        else:
            counts = np.zeros(int(sizes.max(initial=-1)) + 1, np.int64)
            np.add.at(counts, sizes, repeats)
        self._take(np.flatnonzero(counts), counts)

    def take_counts(self, counts: HostArray) -> None:
        """Take in ``counts`` (K,) of the sizes 0 … K − 1 that were made elsewhere."""
        self._take(np.flatnonzero(counts), counts)

    def _take(self, held: HostArray, counts: HostArray) -> None:
        """Add what ``counts`` (K,) holds at the sizes ``held``, rising."""
        if len(held) and held[0] == 0:
            self._zeros += int(counts[0])
            held = held[1:]
        if len(held):
            first, last = int(held[0]), int(held[-1])
            self._reach(first, last)
            self._rows[first - self._first : last + 1 - self._first] += counts[first : last + 1]

    def _reach(self, first: int, last: int) -> None:
        """Have a cell for the sizes from ``first`` to ``last``."""
        size = len(self._rows)
        if not size:
            self._first = first
        before, behind = max(self._first - first, 0), max(last + 1 - self._first - size, 0)
        if before or behind:
            self._rows = np.concatenate([np.zeros(before, np.int64), self._rows, np.zeros(behind, np.int64)])
            self._first -= before

    def held(self) -> tuple[HostArray, HostArray]:
        """The sizes that occur (K,) int64, rising, and how many rows have each."""
        places = np.flatnonzero(self._rows)
        zeros = np.zeros(int(self._zeros > 0), np.int64)
        return np.append(zeros, places + self._first), np.append(zeros + self._zeros, self._rows[places])

    def histogram(self) -> tuple[HostArray, HostArray]:
        """Losses (K,) to three digits, and how many rows (K,) have one of that size."""
        sizes, rows = self.held()
        with np.errstate(invalid="ignore"):
            middles = ((sizes.astype(np.uint32) << 16) | 0x8000).view(np.float32).astype(np.float64)
        return np.where(sizes > 0, middles, 0.0), rows.astype(np.float64)

    def fresh(self) -> Self:
        """None yet."""
        return type(self)()

    def merge(self, other: Self) -> Self:
        """Take in what another has counted."""
        self._zeros += other._zeros
        if len(other._rows):
            self._reach(other._first, other._first + len(other._rows) - 1)
            start = other._first - self._first
            self._rows[start : start + len(other._rows)] += other._rows
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """``held`` (2, K) int64: the sizes that occur, rising, and how many rows have each."""
        return {"held": np.stack(self.held())}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        saved = state.get("held", np.zeros(0))
        if saved.dtype != np.int64 or saved.ndim != 2 or len(saved) != 2:
            raise ValueError("the saved losses have no sizes")
        sizes, rows = saved
        if ((sizes < 0) | (sizes >= SIZES) | (rows < 1)).any() or (np.diff(sizes) < 1).any():
            raise ValueError("the saved losses have sizes that there are not")
        counts = np.zeros(int(sizes[-1]) + 1 if len(sizes) else 0, np.int64)
        counts[sizes] = rows
        self._first, self._rows, self._zeros = 1, np.zeros(0, np.int64), 0
        self._take(sizes, counts)
