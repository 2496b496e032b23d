"""A table of counts by key, for confusion matrices too large to lay out: only the cells that occur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.metrics.arrays import distinct as distinct_of
from evalcli.metrics.arrays import fetch, joined
from evalcli.metrics.exact import ExactSum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import Array, HostArray

_WAITING = 1 << 20
_WAITING_THERE = 1 << 23
"""Keys that may wait on a device: 64 MB."""


class SparseTable:
    """Amounts by int64 key: counts, or exact sums of weights. On the host, sorted by key.

    Keys wait unsorted until there are as many as the table holds, a million at least: sorting then costs each key
    O(log) in total, and memory stays within a constant factor of the table.
    """

    def __init__(self, *, weighted: bool = False) -> None:
        self.weighted = weighted
        self._keys: HostArray = np.zeros(0, np.int64)
        self._counts: HostArray = np.zeros(0, np.int64)
        self._sums = ExactSum(0)
        self._waiting: list[tuple[HostArray, HostArray | None]] = []
        self._there: list[Array] = []

    @property
    def keys_held(self) -> HostArray:
        """The keys in the table, without those that wait."""
        return self._keys

    def wait(self, keys: Array) -> None:
        """Add 1 at each of ``keys`` (N,) but those below 0; they wait on their device until they are many."""
        self._there.append(keys)
        if sum(len(part) for part in self._there) >= _WAITING_THERE:
            self._fetch()

    def _fetch(self) -> None:
        """Bring home what waits on a device."""
        if self._there:
            (keys,) = fetch(joined(self._there))
            self._there = []
            self.add(keys[keys >= 0])

    def add(self, keys: HostArray, repeats: HostArray | None = None, weight: HostArray | None = None) -> None:
        """Add 1 at each of ``keys`` (N,), ``repeats`` (N,) times, or in a weighted table ``weight`` (N,) as often."""
        if self.weighted:
            distinct, place = np.unique(keys, return_inverse=True)
            sums = ExactSum(len(distinct))
            sums.add(np.ones(len(keys)) if weight is None else weight, place, repeats)
            held = sums.occupied()  # what adds nothing must not leave a key behind
            self._join(distinct[held], sums.select(held))
            return
        if repeats is not None:
            keys, repeats = keys[repeats != 0], repeats[repeats != 0]
        self._waiting.append((keys, repeats))
        if sum(len(keys) for keys, _ in self._waiting) >= max(_WAITING, len(self._keys)):
            self._settle()

    def _settle(self) -> None:
        """Sort what waits into the table."""
        self._fetch()
        if not self._waiting:
            return
        keys = np.concatenate([keys for keys, _ in self._waiting])
        if all(amounts is None for _, amounts in self._waiting):
            distinct, counts = np.unique(keys, return_counts=True)
        else:
            distinct, place = np.unique(keys, return_inverse=True)
            counts = np.zeros(len(distinct), np.int64)
            np.add.at(counts, place, np.concatenate([_ones(keys) if n is None else n for keys, n in self._waiting]))
        self._waiting = []
        self._join(distinct, counts)

    def _join(self, keys: HostArray, amounts: HostArray | ExactSum) -> None:
        """Add distinct, sorted ``keys`` to the table."""
        if not len(keys):
            return
        union = distinct_of(np.concatenate([self._keys, keys]))
        mine, theirs = np.searchsorted(union, self._keys), np.searchsorted(union, keys)
        if isinstance(amounts, ExactSum):
            self._sums = self._sums.fold(mine, len(union)).merge(amounts.fold(theirs, len(union)))
        else:
            counts = np.zeros(len(union), np.int64)
            counts[mine] = self._counts
            counts[theirs] += amounts
            self._counts = counts
        self._keys = union

    def keys(self) -> HostArray:
        """The keys that occur (K,), ascending."""
        self._settle()
        return self._keys

    def amounts(self) -> HostArray:
        """What stands at each of ``keys()``: (K,) int64, or float64 when weighted."""
        self._settle()
        return self._sums.value() if self.weighted else self._counts

    def sums(self) -> ExactSum:
        """What stands at each of ``keys()`` of a weighted table, unrounded."""
        self._settle()
        return self._sums

    def totals(self, index: HostArray, size: int) -> HostArray:
        """The amounts of all keys added up by ``index`` (K,): (size,), exact until the last step."""
        self._settle()
        if self.weighted:
            return self._sums.fold(index, size).value()
        counts = np.zeros(size, np.int64)
        np.add.at(counts, index, self._counts)
        return counts

    def take(self, keys: HostArray, amounts: HostArray | ExactSum) -> None:
        """Take over a whole dense table: distinct ascending ``keys`` and what stands there."""
        self._settle()
        self._join(keys, amounts)

    def fresh(self) -> Self:
        """An empty table."""
        return type(self)(weighted=self.weighted)

    def merge(self, other: Self) -> Self:
        """Add another's amounts key by key, in place."""
        self._settle()
        other._settle()
        self._join(other._keys, other._sums if self.weighted else other._counts)
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """``keys`` and ``counts``, or ``keys`` and the sums' limbs."""
        self._settle()
        amounts = self._sums.state_dict() if self.weighted else {"counts": self._counts.copy()}
        return {"keys": self._keys.copy(), **amounts}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        keys, counts = state.get("keys"), state.get("counts")
        if keys is None or keys.dtype != np.int64 or keys.ndim != 1 or not (np.diff(keys, prepend=-1) > 0).all():
            raise ValueError("the keys of the saved table do not ascend")
        sums = ExactSum(0)
        if self.weighted:
            sums.load_state_dict(state)
        elif counts is None or counts.dtype != np.int64 or counts.shape != keys.shape or not (counts > 0).all():
            raise ValueError("the saved table has no counts")
        if self.weighted and sums.cells != len(keys):
            raise ValueError("the saved table has other sums than keys")
        self._waiting, self._there, self._sums = [], [], sums
        self._keys = np.array(keys)
        if counts is not None:
            self._counts = np.array(counts)


def _ones(keys: HostArray) -> HostArray:
    return np.ones(len(keys), np.int64)
