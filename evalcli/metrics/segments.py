"""Which bin of a ranking a score lies in, for a second look at rows whose order is known.

A search among hundreds of thousands of bins reads memory all over. The bits of a key say where it lies: the numbers of
the bins are cut into blocks, of which only those with a bin take room, and a table says for each number of a block
which of the bins it is. So a score costs two reads, most of them from the cache. What is wanted of a bin may stand in
the place of its number itself: that saves one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.keys import as_places, heads_of, key_bits, numbered, sort_keys
from evalcli.metrics.once import CachedProperty

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking

_BLOCKS = 16
"""The numbers of bins are cut into at most two to this power of blocks, whose places fit a core's own cache."""
_ROOM = 8
"""Room for so many numbers for each bin; where bins lie further apart they are searched."""
_ROOM_OF_VALUES = 4
"""The same, where what is wanted of the bins stands there itself: it is larger than the number of a bin."""
_WORTH = 8
"""A table is made for rows of which there are more than a part of the bins; fewer are searched."""
_NEAR = 1 << 12
"""So few bins are searched out of order: they fit the cache."""


class _Table(NamedTuple):
    """``places`` of blocks of 2^``low`` numbers from the block ``first`` on, and the bin of each number."""

    low: int
    first: int
    places: HostArray
    bins: HostArray

    def at(self, numbers: HostArray) -> HostArray:
        """Which of ``bins`` is that of each number (N,), which is overwritten; of an unknown one, any or none."""
        blocks = numbers >> numbers.dtype.type(self.low)
        blocks -= numbers.dtype.type(self.first)
        numbers += self.places.take(as_places(blocks), mode="clip")  # wraps where the place lies before the number
        return as_places(numbers)


class Segments:
    """The bins (B,) of a ranking by rising score.

    >>> from evalcli.metrics.ranking import KeyTable
    >>> table = KeyTable()
    >>> table.update(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    >>> segments = Segments(table.ranking())
    >>> segments.bins(np.array([0.8, 0.1, 0.4])).tolist()
    [2, 0, 1]
    """

    def __init__(self, ranking: Ranking) -> None:
        self._ranking = ranking
        keys = _keys(ranking.score[::-1], ranking.bits) >> self._shift
        heads = heads_of(keys)
        self._numbers = keys[heads]
        self._bin_of = numbered(heads, len(keys)) if len(keys) else np.zeros(0, np.int64)

    def __len__(self) -> int:
        """How many bins there are."""
        return len(self._numbers)

    @property
    def _shift(self) -> HostArray:
        """How many low bits are dropped, in the type of the keys."""
        kind = np.uint32 if self._ranking.bits == 32 else np.uint64
        return kind(self._ranking.shift)  # type: ignore[return-value]

    def of_positives(self, values: HostArray) -> HostArray:
        """What belongs to the segments (K,) of a ranking, by bin (B,), for rows that are positive.

        A bin is two segments where all of one side lies above all of the other.
        """
        return self._of_side(values, self._ranking.pos)

    def of_negatives(self, values: HostArray) -> HostArray:
        """The same for rows that are negative."""
        return self._of_side(values, self._ranking.neg)

    def _of_side(self, values: HostArray, amounts: HostArray) -> HostArray:
        held = np.flatnonzero(amounts[::-1] > 0)
        found = np.zeros(len(self))
        found[self._bin_of[held]] = values[::-1][held]
        return found

    def bins(self, scores: HostArray) -> HostArray:
        """The bin (N,) of each of these scores (N,) that the ranking has counted; of any other score, some bin."""
        if not len(self):
            raise ValueError("nothing was ranked")
        numbers = _keys(scores, self._ranking.bits) >> self._shift
        if "_table" not in self.__dict__ and len(numbers) * _WORTH < len(self):
            return self._searched(numbers)
        table = self._table
        if table is None:
            return self._searched(numbers)
        found: HostArray = table.bins.take(table.at(numbers), mode="clip").astype(np.int64)
        return found

    def spread(self, values: HostArray) -> HostArray:
        """Values of bins (B, …), laid out as ``places`` finds them (P, …)."""
        table = self._close_table
        return values if table is None else values.take(table.bins, axis=0)

    def places(self, scores: HostArray) -> HostArray:
        """Where ``spread`` lays what belongs to each of these scores (N,), which are as those of ``bins``."""
        table = self._close_table
        return self.bins(scores) if table is None else table.at(_keys(scores, self._ranking.bits) >> self._shift)

    @property
    def _close_table(self) -> _Table | None:
        """The table, where it has little more room than there are bins."""
        table = self._table if len(self) else None
        return table if table is not None and len(table.bins) <= _ROOM_OF_VALUES * len(self) else None

    def _searched(self, numbers: HostArray) -> HostArray:
        """The bins by a search: of many bins in their order, so that memory is read once."""
        if len(self) <= _NEAR:
            found = np.searchsorted(self._numbers, numbers, side="right")
        else:
            order = np.argsort(numbers)
            found = np.empty(len(numbers), np.int64)
            found[order] = np.searchsorted(self._numbers, numbers[order], side="right")
        return np.maximum(found - 1, 0)

    @CachedProperty
    def _table(self) -> _Table | None:
        """``None`` where bins lie too far apart."""
        numbers = self._numbers
        kind = numbers.dtype.type
        low = max((int(numbers[-1]) - int(numbers[0])).bit_length() - _BLOCKS, 0)
        blocks = numbers >> kind(low)
        held = blocks[heads_of(blocks)]
        if len(held) << low > _ROOM * len(numbers) + (1 << _BLOCKS):
            return None
        first = int(blocks[0])
        places = np.zeros(int(blocks[-1]) - first + 1, numbers.dtype)
        places[as_places(held - kind(first))] = (np.arange(len(held), dtype=numbers.dtype) - held) << kind(low)
        table = _Table(low, first, places, np.zeros(len(held) << low, np.int32))
        table.bins[as_places(numbers + places[as_places(blocks - kind(first))])] = np.arange(
            len(numbers), dtype=np.int32
        )
        return table


def _keys(scores: HostArray, bits: int) -> HostArray:
    """Keys of scores, which are as wide as they need to be or wider."""
    return sort_keys(scores if key_bits(scores) <= bits else scores.astype(np.float32), bits)
