"""Scores as sortable keys on a device: they wait there, and are sorted when the columns of the host take them over.

Many columns are sorted side by side, and how many entries come of each is known only there: so every column has room
for as many as may come, and the host waits once for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch

from evalcli.metrics.arrays import fetch, joined
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keyentries import Bins
from evalcli.metrics.keys import UNSIGNED
from evalcli.ondevice.sums import Window, window_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.ondevice.rows import RowsThere

MOST_BYTES = 1 << 30
"""What keys that wait may take with each worker, on a device of 64 times as much; on others in proportion."""
SORTED = 1 << 24
"""Keys that are sorted at a time, unless one column has more, on a device of 80 GB or more; on others in proportion."""
_BYTES = 5 << 10
"""Of a device's memory for each of them: what is made of one takes some 80, of slices and of weights up to twice as
much, and eight workers share with others."""
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

    ``least`` and ``largest`` keys (C, K), how many rows those ``amounts`` (C, K) are, or the limbs of their weights
    (C, K, W), where each of S sides begins and the last one ends (C, S + 1), and the low bits that were dropped (C, G),
    of each of G groups, which all have as many sides.
    """

    least: Array
    largest: Array
    amounts: Array
    begins: Array
    shift: Array


class _Waiting(NamedTuple):
    keys: Array
    target: Array
    group: Array | None
    weight: Array | None


class _Shape(NamedTuple):
    """How many sides each of the groups has, and how many entries; in which window weights lie, if there are any."""

    sides: int
    groups: int
    capacity: int
    window: Window | None


class ColumnsThere:
    """Rows of several columns by key, those of the class of a column its positives, until the host takes them over.

    Those of each of so many ``groups`` are columns of their own.
    """

    def __init__(self, columns: int, bits: int, device: Any, groups: int = 1) -> None:
        self.columns, self.bits, self.groups = columns, bits, groups
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._some_left_out = False
        self._most, self._at_once = MOST_BYTES, SORTED
        if torch.device(device).type == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory
            self._most, self._at_once = min(MOST_BYTES, memory // _SHARE), min(SORTED, memory // _BYTES)

    def add(self, keys: Array, rows: RowsThere, target: Array) -> None:
        """Let ``rows`` that weigh something wait with their weights, each in its group, if there are any.

        They have ``keys`` (C, n), and ``target`` (n,) is the number of the column whose positive a row is.
        """
        target, kept = target.to(torch.int32), rows.heavy.kept
        if kept is not None:
            target, self._some_left_out = target.masked_fill(~kept, _NOBODY), True
        group = None if rows.group is None else rows.group.to(torch.int32)
        weight = None if rows.weight is None else rows.weight.clone()  # a batch may lie in memory that is used again
        held = _Waiting(keys, target, group, weight)
        self._waiting.append(held)
        self._bytes += sum(part.nbytes for part in held if part is not None)

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
        return self.into_each(lambda _, number: columns[number], columns[0].capacity, positives)

    def into_each(
        self, column_of: Callable[[int, int], KeyColumn], capacity: int, positives: Sequence[int] | None
    ) -> Entries | None:
        """The same with the columns of every group that has rows, by group and number, all of one ``capacity``."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return None
        target, group, weight = (joined([rows[part] for rows in waiting]) for part in (1, 2, 3))
        if weight is not None:
            weight = weight.masked_fill(target == _NOBODY, 0)
        wanted = None if positives is None else torch.tensor(positives, dtype=torch.int32).to(target.device)[:, None]
        window = None if weight is None else Window.of(weight)
        shape = _Shape(self.columns if wanted is None else 2, self.groups, capacity, window)
        found = []
        step = max(1, self._at_once // len(target))
        for start in range(0, self.columns, step):
            some = slice(start, start + step)
            keys, order = torch.cat([rows.keys[some] for rows in waiting], 1).sort(dim=1)
            side = target[order]
            counts = side != _NOBODY if self._some_left_out else None
            if wanted is not None:
                side = (side == wanted[some]).to(torch.uint8)
            if group is not None:
                side = side + group[order] * shape.sides
            if counts is not None:
                side = side.masked_fill(~counts, shape.sides * shape.groups)
            found.append(_entries(keys, side, None if weight is None else weight[order], shape))
        entries = Entries(*(parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*found, strict=True)))
        for number, place, shift, sides in _brought(entries, shape):
            column_of(place, number).take_bins(shift, sides)
        return entries


def _entries(keys: Array, side: Array, weight: Array | None, shape: _Shape) -> Entries:
    """Entries of sorted ``keys`` (C, n), each of a ``side`` (C, n): at most so many of each column of a group.

    Rows of a side beyond the last do not count, and stand behind all others. If rows have a ``weight`` (C, n), entries
    have its sums.
    """
    (columns, rows), sides = keys.shape, shape.sides * shape.groups
    room = min(rows, shape.capacity * shape.groups)
    side, order = side.sort(dim=1, stable=True)
    keys = keys.gather(1, order)
    counts = side < sides
    end = counts.sum(1, keepdim=True)
    change = torch.full_like(keys, -1)  # of all bits: never one bin
    change[:, 1:] = torch.where(side[:, 1:] == side[:, :-1], keys[:, 1:] ^ keys[:, :-1], -1)
    change.masked_fill_(~counts, 0)
    shift, starts = _least_shift(change, side, shape)
    entry = starts.cumsum(1) - 1
    heads = end.repeat(1, room + 1)
    places = torch.where(starts, entry, room)
    heads.scatter_(1, places, torch.arange(rows, device=keys.device).expand(columns, rows))
    heads[:, room:] = end
    heads, ends = heads[:, :-1], heads[:, 1:]
    first, last = heads.clamp(max=rows - 1), (ends - 1).clamp(min=0, max=rows - 1)
    of_entries = torch.where(heads < end, side.gather(1, first).long(), sides)
    begins = torch.searchsorted(of_entries, _numbers(sides, of_entries))
    amounts = ends - heads
    if weight is not None:
        assert shape.window is not None
        cells = entry.clamp_(min=0) + torch.arange(columns, device=keys.device)[:, None] * room
        values = weight.gather(1, order).reshape(-1)
        amounts = window_sums(values, cells.reshape(-1), columns * room, shape.window).view(columns, room, -1)
    return Entries(keys.gather(1, first), keys.gather(1, last), amounts, begins, shift)


def _numbers(most: int, beside: Array, step: int = 1) -> Array:
    """The numbers from 0 to ``most``, once for each row of ``beside`` and of its type."""
    numbers = torch.arange(0, most + 1, step, device=beside.device, dtype=beside.dtype)
    return numbers.expand(len(beside), -1).contiguous()


def _least_shift(change: Array, side: Array, shape: _Shape) -> tuple[Array, Array]:
    """How many low bits (C, G) must be dropped so that the rows of each group fall into ``capacity`` bins.

    ``change`` (C, n) are the bits in which a row differs from the one before it, and each is of a ``side`` (C, n),
    which rise. Found by halving, each time with a look at all. And which rows begin a bin, (C, n).
    """
    shift = torch.zeros((len(change), shape.groups), dtype=change.dtype, device=change.device)
    if change.shape[1] <= shape.capacity:
        return shift, change != 0
    group = None if shape.groups == 1 else (side // shape.sides).clamp(max=shape.groups - 1).long()
    cuts = torch.searchsorted(side, _numbers(shape.sides * shape.groups, side, shape.sides))
    total = torch.zeros((len(change), change.shape[1] + 1), dtype=torch.int64, device=change.device)

    def apart(dropped: Array) -> Array:
        return change >> (dropped if group is None else dropped.gather(1, group)) != 0

    step = 4 * change.itemsize
    while step:
        torch.cumsum(apart(shift + (step - 1)), 1, out=total[:, 1:])
        shift += torch.where(total.gather(1, cuts).diff(dim=1) > shape.capacity, step, 0)
        step //= 2
    return shift, apart(shift)


def _brought(entries: Entries, shape: _Shape) -> Iterator[tuple[int, int, int, list[Bins]]]:
    """Column, group and shift of all that have entries, and these side by side, as the host has them; waits once."""
    lowest = torch.iinfo(entries.least.dtype).min  # keys of the host are unsigned
    least, largest, amounts, begins, shift = fetch(entries.least ^ lowest, entries.largest ^ lowest, *entries[2:])
    kind = UNSIGNED[8 * least.itemsize]
    rows = zip(least.view(kind), largest.view(kind), amounts, begins.tolist(), shift.tolist(), strict=True)
    for number, (*held, cuts, dropped) in enumerate(rows):
        is_sparse = 2 * cuts[-1] < least.shape[1]  # then what is empty is not to be held as long as the entries are
        column = [part[: cuts[-1]].copy() if is_sparse else part for part in held]
        for group, shifted in enumerate(dropped):
            ends = cuts[group * shape.sides : (group + 1) * shape.sides + 1]
            if ends[0] == ends[-1]:
                continue
            sides = [[part[begin:end] for part in column] for begin, end in pairwise(ends)]
            bins = [Bins(low, high if shifted else low, _amounts(found, shape)) for low, high, found in sides]
            yield number, group, shifted, bins


def _amounts(found: HostArray, shape: _Shape) -> HostArray | ExactSum:
    """What entries have, as the host has it."""
    if shape.window is None:
        return found
    sums = ExactSum(len(found))
    sums.take_limbs(found, shape.window.first)
    return sums
