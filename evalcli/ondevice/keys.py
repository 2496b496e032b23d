"""Scores as sortable keys on a device: they wait there, and are sorted when the columns of the host take them over.

Many columns are sorted side by side, and how many entries come of each is known only there: so every column has room
for as many as may come, and the host waits once for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch

from evalcli.metrics.arrays import fetch
from evalcli.metrics.keycolumn import Bins
from evalcli.metrics.keys import UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.keycolumn import KeyColumn

MOST_BYTES = 1 << 30
"""What keys that wait may take with each worker, on a device of 64 times as much; on others in proportion."""
SORTED = 1 << 24
"""Keys that are sorted at a time, unless one column has more, on a device of 80 GB or more; on others in proportion."""
_BYTES = 5 << 10
"""Of a device's memory for each of them: what is made of one takes some 80, and eight workers share with others."""
_SHARE = 64
_NOBODY = -1
"""The target of rows that do not count."""
_TYPES: dict[int, tuple[Any, Any]] = {32: (torch.float32, torch.int32), 64: (torch.float64, torch.int64)}


def sort_keys(scores: Array, bits: int) -> Array:
    """Signed integers (…) of ``bits`` that compare as ``scores`` (…) do; −0.0 and 0.0 are one key.

    >>> sort_keys(torch.tensor([-1.5, -0.0, 0.0]), 32).tolist()[1:]
    [0, 0]
    """
    floats, whole = _TYPES[bits]
    signed = (scores.to(floats) + 0.0).view(whole)
    return signed ^ ((signed >> (bits - 1)) & torch.iinfo(whole).max)


class Entries(NamedTuple):
    """Entries of C columns, each side by rising key behind the one before: room for K, of which the last may be empty.

    ``least`` and ``largest`` keys (C, K), how many rows those ``amounts`` (C, K) are, where each of S sides begins and
    the last one ends (C, S + 1), and the low bits that were dropped (C,).
    """

    least: Array
    largest: Array
    amounts: Array
    begins: Array
    shift: Array


class _Waiting(NamedTuple):
    keys: Array
    target: Array


class ColumnsThere:
    """Rows of several columns by key, those of the class of a column its positives, until the host takes them over."""

    def __init__(self, columns: int, bits: int, device: Any) -> None:
        self.columns, self.bits = columns, bits
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._some_left_out = False
        self._most, self._at_once = MOST_BYTES, SORTED
        if torch.device(device).type == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory
            self._most, self._at_once = min(MOST_BYTES, memory // _SHARE), min(SORTED, memory // _BYTES)

    def add(self, scores: Array, target: Array, kept: Array | None = None) -> None:
        """Let rows wait: ``scores`` (C, n), and ``target`` (n,), the number of the column whose positive a row is.

        ``kept`` (n,) bool: the others do not count.
        """
        keys, target = sort_keys(scores, self.bits), target.to(torch.int32)
        if kept is not None:
            target, self._some_left_out = target.masked_fill(~kept, _NOBODY), True
        self._waiting.append(_Waiting(keys, target))
        self._bytes += keys.nbytes + 4 * len(target)

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return self._bytes > self._most

    def merge(self, other: Self) -> None:
        """Let another's rows wait here."""
        self._waiting += other._waiting
        self._bytes += other._bytes
        self._some_left_out |= other._some_left_out

    def into(self, columns: Sequence[KeyColumn], positives: Sequence[int] | None) -> Entries | None:
        """Sort what waits into ``columns``; nothing is left to wait. What they take over is returned, as it lies there.

        Of ``positives`` one class is in each, against all others; without, every class is a side of its own.
        """
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return None
        target = torch.cat([rows.target for rows in waiting])
        step = max(1, self._at_once // len(target))
        wanted = None if positives is None else torch.tensor(positives, dtype=torch.int32).to(target.device)[:, None]
        found = []
        for start in range(0, len(columns), step):
            some = slice(start, start + step)
            keys, order = torch.cat([rows.keys[some] for rows in waiting], 1).sort(dim=1)
            side, many = target[order], 2 if wanted is not None else len(columns)
            counts = side != _NOBODY if self._some_left_out else None
            if wanted is not None:
                side = (side == wanted[some]).to(torch.uint8)
            if counts is not None:
                side = side.masked_fill(~counts, many)
            found.append(_entries(keys, side, many, columns[0].capacity))
        entries = Entries(*(parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*found, strict=True)))
        for column, shift, sides in zip(columns, *_brought(entries), strict=True):
            column.take_bins(shift, sides)
        return entries


def _entries(keys: Array, side: Array, sides: int, capacity: int) -> Entries:
    """Entries of sorted ``keys`` (C, n), each of a ``side`` (C, n): at most so many of each column.

    Rows of a side beyond the last do not count, and stand behind all others.
    """
    (columns, rows), room = keys.shape, min(keys.shape[1], capacity)
    side, order = side.sort(dim=1, stable=True)
    keys = keys.gather(1, order)
    counts = side < sides
    end = counts.sum(1, keepdim=True)
    change = torch.where(side[:, 1:] == side[:, :-1], keys[:, 1:] ^ keys[:, :-1], -1)  # of all bits: never one bin
    change.masked_fill_(~counts[:, 1:], 0)
    shift = _least_shift(change, capacity, 8 * keys.itemsize)
    starts = torch.cat([counts[:, :1], change >> shift[:, None] != 0], 1)
    places = torch.where(starts, starts.cumsum(1) - 1, room)
    heads = end.repeat(1, room + 1)
    heads.scatter_(1, places, torch.arange(rows, device=keys.device).expand(columns, rows))
    heads[:, room:] = end
    heads, ends = heads[:, :-1], heads[:, 1:]
    first, last = heads.clamp(max=rows - 1), (ends - 1).clamp(min=0, max=rows - 1)
    of_entries = torch.where(heads < end, side.gather(1, first).long(), sides)
    numbers = torch.arange(sides + 1, device=keys.device).expand(columns, -1).contiguous()
    begins = torch.searchsorted(of_entries, numbers)
    return Entries(keys.gather(1, first), keys.gather(1, last), ends - heads, begins, shift)


def _least_shift(change: Array, capacity: int, bits: int) -> Array:
    """How many low bits (C,) must be dropped so that rows fall into ``capacity`` bins.

    ``change`` (C, n − 1) are the bits in which neighbours differ. Found by halving, each time with a look at all.
    """
    shift = torch.zeros(len(change), dtype=change.dtype, device=change.device)
    if change.shape[1] < capacity:
        return shift
    step = bits // 2
    while step:
        apart = (change >> (shift + (step - 1))[:, None] != 0).sum(1)
        shift += torch.where(apart >= capacity, step, 0)
        step //= 2
    return shift


def _brought(entries: Entries) -> tuple[list[int], list[list[Bins]]]:
    """The shift of each column, and its entries side by side, as the host has them; waits once."""
    lowest = torch.iinfo(entries.least.dtype).min  # keys of the host are unsigned
    least, largest, amounts, begins, shift = fetch(entries.least ^ lowest, entries.largest ^ lowest, *entries[2:])
    kind, found = UNSIGNED[8 * least.itemsize], []
    rows = zip(least.view(kind), largest.view(kind), amounts, begins.tolist(), shift.tolist(), strict=True)
    for *held, cuts, dropped in rows:
        is_sparse = 2 * cuts[-1] < least.shape[1]  # then what is empty is not to be held as long as the entries are
        column = [part[: cuts[-1]].copy() if is_sparse else part for part in held]
        sides = [[part[begin:end] for part in column] for begin, end in pairwise(cuts)]
        found.append([Bins(low, high if dropped else low, counts) for low, high, counts in sides])
    return shift.tolist(), found
