"""Rows whose content has the lowest hash, kept on a device: :mod:`evalcli.metrics.temperature` in torch.

No number of rows is asked for, so nobody waits: every batch is sorted by hash into places of their own, of which there
is one for each row of the sample, and one for all that are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch

from evalcli.metrics.arrays import fetch, to_device
from evalcli.metrics.temperature import FIRST_SPREAD, SECOND_SPREAD, hash_factors, second_factors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.temperature import LowestHashes

_LEAST = -(1 << 63)
_MOST = (1 << 63) - 1


class HashedRows(NamedTuple):
    """Rows by their ``first`` and their ``second`` hash, both (n,) int64."""

    first: Array
    second: Array


class Hashes:
    """Both hashes of rows of so many ``columns``, a target and a weight, if any, as the host has them.

    They are the bits of uint64 in an int64.
    """

    def __init__(self, columns: int, device: Array, *, weighted: bool = False) -> None:
        self._columns = columns
        factors = hash_factors(columns + 2), second_factors(columns + 1 + weighted)
        self._first, self._second = (to_device(one.view(np.int64), torch.device(device)) for one in factors)

    def first(self, scores: Array, target: Array, weight: Array | None = None) -> Array:
        """The hash (n,) by which rows are chosen, of ``scores`` (n,) or (n, C), ``target`` and ``weight`` (n,)."""
        hashes = target * self._first[0] + (_spread(scores) * self._first[2:]).sum(1)
        return _mixed(hashes if weight is None else hashes + _spread(weight)[:, 0] * self._first[1])

    def second(self, scores: Array, target: Array, weight: Array | None = None) -> Array:
        """The hash (n,) by which those of one hash are ordered."""
        scored, rest = self._second[: self._columns], self._second[self._columns :]
        hashes = (_spread(scores) * scored).sum(1) + _spread(target)[:, 0] * rest[0]
        return _mixed(hashes if weight is None else hashes + _spread(weight)[:, 0] * rest[1])


def _spread(values: Array) -> Array:
    """The bits of numbers (n,) or (n, C) as columns, with the high ones in the low ones, too (``spread``)."""
    columns = values[:, None] if values.ndim == 1 else values
    bits = (columns.double() + 0.0).view(torch.int64)
    return bits ^ _down(bits, 32)


def _mixed(hashes: Array) -> Array:
    """Every bit spread over all the others (the finaliser of SplitMix64)."""
    for shift, factor in (FIRST_SPREAD, SECOND_SPREAD):
        hashes = (hashes ^ _down(hashes, shift)) * (factor - (1 << 64))
    return hashes ^ _down(hashes, 31)


def _down(hashes: Array, shift: int) -> Array:
    """A shift to the right that brings no sign along."""
    return (hashes >> shift) & ((1 << (64 - shift)) - 1)


class _Waiting(NamedTuple):
    first: Array
    second: Array
    content: list[Array]
    counts: Array


class SampleThere:
    """What ``sample`` takes over in ``settle``: as many rows as it holds, by rising hash, and how often each was seen.

    Rows of both hashes alike are taken for equal.
    """

    def __init__(self, sample: LowestHashes, device: Array) -> None:
        self.sample, self.device = sample, device
        self._forget()

    def _forget(self) -> None:
        rows, device = self.sample.capacity, self.device
        none = torch.full((rows,), _MOST, dtype=torch.int64, device=device)
        self._hashes = HashedRows(none, none)
        self._content = torch.zeros((rows, self.sample.width), dtype=torch.float64, device=device)
        self._counts = torch.zeros(rows, dtype=torch.int64, device=device)
        self._is_empty = True
        self._waiting: list[_Waiting] = []

    def add(self, hashes: HashedRows, content: list[Array], counts: Array) -> None:
        """Take in rows ``counts`` (n,) times; what is in ``content``, each (n,) or (n, K), stands side by side.

        The hashes are as ``Hashes`` has them.
        """
        is_full = sum(len(part.counts) for part in self._waiting) + len(counts) >= self.sample.capacity
        # What waits is copied: a batch may lie in memory that is used again.
        held = content if is_full else [part.clone() for part in content]
        self._waiting.append(_Waiting(*hashes, held, counts))
        if is_full:
            self._sort()

    def _sort(self) -> None:
        """Bring what waits into its places."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        hashes = HashedRows(*map(_joined, zip(*(one[:2] for one in waiting), strict=True)))
        content = [*map(_joined, zip(*(one.content for one in waiting), strict=True))]
        counts = _joined([one.counts for one in waiting])
        rows = self.sample.capacity
        seen = counts > 0
        held = zip(self._hashes, hashes, strict=True)
        first, second = (torch.cat([mine, torch.where(seen, new ^ _LEAST, _MOST)]) for mine, new in held)
        order = second.argsort()
        order = order[first[order].argsort(stable=True)]
        first, second = first[order], second[order]
        fresh = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        places = torch.cat([fresh.new_zeros(1, dtype=torch.int64), fresh.cumsum(0)]).clamp_(max=rows)
        self._hashes = HashedRows(*(_placed(part, places, rows, _MOST) for part in (first, second)))
        kept = _placed(order, places, rows, 0)
        wide = torch.cat([part[:, None] if part.ndim == 1 else part for part in map(_picker(kept, rows), content)], 1)
        self._content = torch.where((kept < rows)[:, None], self._content[kept.clamp(max=rows - 1)], wide + 0.0)
        amounts = torch.cat([self._counts, counts])[order]
        self._counts = amounts.new_zeros(rows + 1).scatter_add_(0, places, amounts)[:rows]
        self._is_empty = False

    def merge(self, other: Self) -> None:
        """Take in another's rows."""
        other._sort()
        self._sort()  # what waits is not of one piece each, as what is held is
        if not other._is_empty:
            hashes = HashedRows(*(part ^ _LEAST for part in other._hashes))
            self.add(hashes, [other._content], other._counts)
            self._sort()

    def settle(self) -> None:
        """Let the sample take everything over; nothing is left."""
        self._sort()
        if self._is_empty:
            return
        hashes, content, counts = fetch(self._hashes.first ^ _LEAST, self._content, self._counts)
        seen = counts > 0
        self._forget()
        self.sample.add(hashes.view(np.uint64)[seen], content[seen], counts[seen])


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))


def _placed(values: Array, places: Array, rows: int, none: int) -> Array:
    """What stands at each of so many ``places``, where several hold the same; ``none`` where nothing does."""
    return values.new_full((rows + 1,), none).scatter_(0, places, values)[:rows]


def _picker(kept: Array, held: int) -> Callable[[Array], Array]:
    """Picks of the rows of a batch those that are ``kept`` (K,), numbered behind so many that were held before."""
    places = (kept - held).clamp(min=0)
    return lambda part: part[places].double()
