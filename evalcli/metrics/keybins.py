"""Keys counted into bins without being sorted.

What a table with dropped bits wants of keys is how many lie in each bin, and the least and the largest of them. Most
keys of a long input lie in bins that its first million has made. Where these are is known as ``segments`` knows it:
their numbers are cut into blocks, and only blocks that hold a bin take room. So a key costs a few reads of what fits
the cache, where a sort moves each twenty times; only those of new bins are left to be sorted. And where there is no
bin yet, keys are counted at the places of all numbers between the least and the largest of them (:func:`spread_bins`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.keyentries import Bins
from evalcli.metrics.keys import heads_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray

MOST = 1 << 18
"""Bins of which there are more fit no cache, and what finds them takes more memory than a sort."""
_BLOCKS = 16
"""The numbers of bins are cut into at most two to this power of blocks."""
_BLOCKS_EACH = 3
"""And of few bins, into at most two to this power times as many."""
_ROOM = 16
"""Room for so many numbers for each bin."""
_AT_ONCE = 1 << 18
"""Keys that are counted at a time: so many that each table is read for long, and stays in the cache meanwhile."""
_TOP = 16
"""Blocks of keys are told by so many high bits where no bin is known: of floats at most a sixteenth of an octave."""
_PLACES_EACH = (4, 16)
"""Keys are spread over so many places for each bin that there may be; over more, where these are too few to tell."""
MOST_SPREAD = 1 << 16
"""Bins of which there may be more have places that fit no cache."""


def spread_bins(sides: Sequence[HostArray], shift: int, capacity: int) -> tuple[int, list[Bins]] | None:
    """Keys (N,) of every side, of any order, as bins of ``shift`` or of one at which more than ``capacity`` are left.

    More than that of a shift tell that a larger one is needed, whichever that is. ``None``: so many places do not tell,
    and the keys have to be sorted.

    >>> keys = np.array([9, 4, 5, 1], np.uint64) << np.uint64(40)
    >>> found, (side,) = spread_bins([keys], 41, 100)
    >>> found, side.least >> np.uint64(40), side.largest >> np.uint64(40), side.amounts
    (41, array([1, 4, 9], dtype=uint64), array([1, 5, 9], dtype=uint64), array([1, 2, 1]))
    """
    top = sides[0].dtype.itemsize * 8 - _TOP
    if shift > top:
        return None
    starts = [_block_starts(keys, top) for keys in sides]
    blocks = max(sum(int(each[-1]) for each in starts), 1)
    for each in _PLACES_EACH:
        low = max((each * capacity // blocks).bit_length() - 1, 0)
        found = max(shift, top - low)
        spread = [_spread(keys, each, top, found) for keys, each in zip(sides, starts, strict=True)]
        rows = [np.bincount(places, minlength=1) for places in spread]
        if found == shift or sum(map(np.count_nonzero, rows)) > capacity:
            return found, [_ends_of(*side) for side in zip(sides, spread, rows, strict=True)]
    return None


def _block_starts(keys: HostArray, top: int) -> HostArray:
    """Which of the blocks that hold a key each block is, from 0, and behind the last how many there are."""
    there = np.bincount(_signed(keys >> keys.dtype.type(top)), minlength=1 << _TOP) > 0
    found = np.zeros(len(there) + 1, np.int64)
    np.cumsum(there, out=found[1:])
    return found


def _spread(keys: HostArray, starts: HostArray, top: int, shift: int) -> HostArray:
    """The place of the bin of each key: one for each number of the blocks that hold a key."""
    kind = keys.dtype.type
    places = starts.take(_signed(keys >> kind(top)))
    places <<= top - shift
    numbers = keys >> kind(shift)
    numbers &= kind((1 << top - shift) - 1)
    places += _signed(numbers)
    return places


def _ends_of(keys: HostArray, places: HostArray, rows: HostArray) -> Bins:
    least = np.full(len(rows), np.iinfo(keys.dtype).max, keys.dtype)
    largest = np.zeros(len(rows), keys.dtype)
    np.minimum.at(least, places, keys)
    np.maximum.at(largest, places, keys)
    held = np.flatnonzero(rows)
    return Bins(least[held], largest[held], rows[held])


class KnownBins:
    """Bins of keys without their ``shift`` low bits: the ``least`` and ``largest`` key of each (K,), and its ``rows``.

    >>> known = KnownBins(np.array([4, 8], np.uint64), np.array([4, 9], np.uint64), np.array([1, 2]), shift=2)
    >>> known.count(np.array([9, 17, 5, 8], np.uint64))
    array([17], dtype=uint64)
    >>> known.bins()
    (array([4, 8], dtype=uint64), array([5, 9], dtype=uint64), array([2, 4]))
    """

    def __init__(self, least: HostArray, largest: HostArray, rows: HostArray, shift: int) -> None:
        first, last = int(least[0]) >> shift, int(least[-1]) >> shift
        most = min(len(least).bit_length() + _BLOCKS_EACH, _BLOCKS)
        self._shift, self._low = shift, max((last - first).bit_length() - most, 0)
        self._kind: Any = least.dtype.type
        self._first = first >> self._low
        blocks = self._blocks(least)
        heads = heads_of(blocks)
        self.is_dense = len(heads) << self._low <= _ROOM * len(least)
        """Whether the bins lie so close that there is room for all numbers near them; else nothing can be counted."""
        if not self.is_dense:
            return
        # one more than there are: what is counted there of keys that lie in no bin is nobody's
        self._least, self._largest, self._rows = (np.append(part, part[:1]) for part in (least, largest, rows))
        self._starts = np.zeros((last >> self._low) - self._first + 3, np.int64)
        self._starts[_signed(blocks[heads])] = np.arange(1, len(heads) + 1) << self._low
        self._bins = np.full((len(heads) + 1) << self._low, len(least), np.int32)
        self._bins[self._places(least)] = np.arange(len(least), dtype=np.int32)

    def count(self, keys: HostArray) -> HostArray:
        """Count ``keys`` (N,) of any order; those that lie in no bin, in theirs."""
        left = [keys[:0]]
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            at = self._bins.take(self._places(some), mode="clip").astype(np.int64)
            np.add.at(self._rows, at, 1)
            np.minimum.at(self._least, at, some)
            np.maximum.at(self._largest, at, some)
            left.append(some[at == len(self._rows) - 1])
        return np.concatenate(left)

    def bins(self) -> tuple[HostArray, HostArray, HostArray]:
        """The least and largest key of each bin (K,), and its rows."""
        return self._least[:-1], self._largest[:-1], self._rows[:-1]

    def _places(self, keys: HostArray) -> HostArray:
        """Where the bin of each of ``keys`` is told: of other blocks than those that hold a bin, among the first."""
        places = self._starts.take(_signed(self._blocks(keys)), mode="clip")
        numbers = keys >> self._kind(self._shift)
        numbers &= self._kind((1 << self._low) - 1)
        places += _signed(numbers)
        return places

    def _blocks(self, keys: HostArray) -> HostArray:
        """Blocks of ``keys``, counted from the one before the first."""
        blocks: HostArray = keys >> self._kind(self._shift + self._low)
        blocks -= self._kind(self._first)  # what is less than the first wraps to beyond the last
        blocks += self._kind(1)
        return blocks


def _signed(numbers: HostArray) -> HostArray:
    """As numpy takes places fastest, without a copy where they are as wide."""
    return numbers.view(np.int64) if numbers.dtype.itemsize == 8 else numbers.astype(np.int64)
