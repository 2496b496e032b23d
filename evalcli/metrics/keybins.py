"""Keys counted into bins without being sorted.

What a table with dropped bits wants of keys is how many lie in each bin, and the least and the largest of them. Most
keys of a long input lie in bins that its first million has made. Where these are is known as ``segments`` knows it:
their numbers are cut into blocks, and only blocks that hold a bin take room. So a key costs a few reads of what fits
the cache, where a sort moves each twenty times; only those of new bins are left to be sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.keys import as_places, heads_of

if TYPE_CHECKING:
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
        self._starts[as_places(blocks[heads])] = np.arange(1, len(heads) + 1) << self._low
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
        places = self._starts.take(as_places(self._blocks(keys)), mode="clip")
        numbers = keys >> self._kind(self._shift)
        numbers &= self._kind((1 << self._low) - 1)
        places += as_places(numbers)
        return places

    def _blocks(self, keys: HostArray) -> HostArray:
        """Blocks of ``keys``, counted from the one before the first."""
        blocks: HostArray = keys >> self._kind(self._shift + self._low)
        blocks -= self._kind(self._first)  # what is less than the first wraps to beyond the last
        blocks += self._kind(1)
        return blocks
