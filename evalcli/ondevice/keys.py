"""Scores as sortable keys on a device: they wait there, and are sorted when the columns of the host take them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch

from evalcli.metrics.arrays import asnumpy, count_cells
from evalcli.metrics.keycolumn import Bins
from evalcli.metrics.keys import UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.metrics.keycolumn import KeyColumn

MOST_BYTES = 1 << 30
"""What keys that wait may take with each worker, on a device of 64 times as much; on others in proportion."""
_SHARE = 64
_WIDEST = 64
_TYPES: dict[int, tuple[Any, Any]] = {32: (torch.float32, torch.int32), 64: (torch.float64, torch.int64)}


def sort_keys(scores: Array, bits: int) -> Array:
    """Signed integers (…) of ``bits`` that compare as ``scores`` (…) do; −0.0 and 0.0 are one key.

    >>> sort_keys(torch.tensor([-1.5, -0.0, 0.0]), 32).tolist()[1:]
    [0, 0]
    """
    floats, whole = _TYPES[bits]
    signed = (scores.to(floats) + 0.0).view(whole)
    return signed ^ ((signed >> (bits - 1)) & torch.iinfo(whole).max)


class _Waiting(NamedTuple):
    keys: Array
    target: Array


class ColumnsThere:
    """Rows of several columns by key, those of the class of a column its positives, until the host takes them over."""

    def __init__(self, columns: int, bits: int, device: Any) -> None:
        self.columns, self.bits = columns, bits
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._most = MOST_BYTES
        if torch.device(device).type == "cuda":
            self._most = min(MOST_BYTES, torch.cuda.get_device_properties(device).total_memory // _SHARE)

    def add(self, scores: Array, target: Array) -> None:
        """Let rows wait: ``scores`` (C, n), and ``target`` (n,), the number of the column whose positive a row is."""
        keys = sort_keys(scores, self.bits)
        self._waiting.append(_Waiting(keys, target.to(torch.int32)))
        self._bytes += keys.nbytes + 4 * len(target)

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return self._bytes > self._most

    def merge(self, other: Self) -> None:
        """Let another's rows wait here."""
        self._waiting += other._waiting
        self._bytes += other._bytes

    def into(self, columns: Sequence[KeyColumn], positives: Sequence[int] | None) -> None:
        """Sort what waits into ``columns``; nothing is left.

        Of ``positives`` one class is in each, against all others; without, every class is a side of its own.
        """
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return
        target = torch.cat([rows.target for rows in waiting])
        for number, column in enumerate(columns):
            keys, order = torch.cat([rows.keys[number] for rows in waiting]).sort()
            if positives is None:
                sides = _by_class(keys, target[order], len(columns))
            else:
                truth = (target == positives[number])[order]
                sides = [keys[~truth], keys[truth]]
            shift = _least_shift(sides, column.capacity, self.bits)
            column.take_bins(shift, [_bins(side, shift) for side in sides])


def _by_class(keys: Array, target: Array, classes: int) -> list[Array]:
    """Sorted ``keys`` class by class."""
    order = target.argsort(stable=True)
    return list(keys[order].split(count_cells(target.long(), classes).tolist()))


def _starts(keys: Array, shift: int) -> Array:
    """Whether a new bin begins at each of sorted ``keys`` but the first."""
    return (keys[1:] >> shift) != (keys[:-1] >> shift)


def _least_shift(sides: Sequence[Array], capacity: int, bits: int) -> int:
    """How many low bits must be dropped so that sorted keys fall into ``capacity`` bins."""
    held = [keys for keys in sides if len(keys)]
    apart = sum(_split_histogram(keys, bits) for keys in held)  # neighbours stay apart at shifts below this bit
    entries = len(held) + (apart.flip(0).cumsum(0).flip(0) - apart)[:bits]
    shifts = torch.arange(bits, device=entries.device)
    return int(torch.where(entries <= capacity, shifts, bits - 1).amin())


def _split_histogram(keys: Array, bits: int) -> Array:
    """How many neighbours of sorted ``keys`` differ first in each bit, counted from 1; equal ones stand at 0."""
    change = (keys[1:] ^ keys[:-1]).long() & ((1 << bits) - 1 if bits < _WIDEST else -1)
    alone = change & ~(change >> 1)  # no two ones side by side: no float rounds up to a new bit
    places = torch.where(change < 0, bits, torch.frexp(alone.double())[1].long())
    return count_cells(places, bits + 1)


def _bins(keys: Array, shift: int) -> Bins:
    """Sorted keys as entries of the host."""
    if not len(keys):
        none = host_keys(keys)
        return Bins(none, none, asnumpy(keys.to(torch.int64)))
    heads = torch.cat([torch.zeros(1, dtype=torch.int64, device=keys.device), _starts(keys, shift).nonzero()[:, 0] + 1])
    ends = torch.cat([heads[1:], torch.tensor([len(keys)], device=keys.device)])
    least = host_keys(keys[heads])
    return Bins(least, host_keys(keys[ends - 1]) if shift else least, asnumpy(ends - heads))


def host_keys(keys: Array) -> HostArray:
    """Keys as the host has them, which are unsigned."""
    bits = 8 * keys.dtype.itemsize
    held: HostArray = asnumpy(keys).view(UNSIGNED[bits]) ^ UNSIGNED[bits](1 << (bits - 1))
    return held
