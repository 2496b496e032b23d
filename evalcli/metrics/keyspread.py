"""Keys and entries counted at the places of all bins that there may be, without being sorted.

The numbers of bins are cut into blocks by the high bits of the keys, for floats an octave or a part of one, and only
blocks in which something lies have places: one for each of their bins. So a key costs a few reads and writes of what
fits the cache, where a sort moves each twenty times, and since places rise as keys do, bins come out in order. Where no
shift is known, the places of small bins tell which one is needed: two side by side are those of one of the next shift.
"""

from __future__ import annotations

from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.keyentries import Bins
from evalcli.metrics.keys import as_places, numbers_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray

MOST_SPREAD = 1 << 18
"""Where there may be more bins, a sort takes no longer than to look at the places of all of them."""
_TOP, _TOP_OF_MANY = 12, 18
"""Blocks are told by so many high bits: of float64 those of the sign and the exponent, or of parts of an octave."""
_MANY = 1 << 16
"""Bins of which there may be more are cut into the smaller blocks."""
_NEAR = 1 << 19
"""Places that fit the cache. From more of them keys go on to the bins that there are, side by side."""
_PLACES_EACH = 16
"""For each bin that there may be at most so many places,"""
_FINE_EACH = 4
"""or so many times as many,"""
_FINE = 1 << 19
"""as long as they are no more than this, where that may be: each takes a byte of the cache. Of many there are more."""


def spread_bins(
    sides: Sequence[Sequence[HostArray]], held: Sequence[Sequence[Bins]], shift: int, capacity: int
) -> tuple[int, list[Bins]] | None:
    """Keys of every side, of any order, and its entries, as those of the least shift at which all fit.

    That is no less than ``shift``, and the entries' own shifts are no larger. ``None``: the places do not tell which it
    is, and the keys have to be sorted.

    >>> from evalcli.metrics.keyentries import no_bins
    >>> keys = np.array([9, 4, 5, 1], np.uint64) << np.uint64(41)
    >>> found, (side,) = spread_bins([[keys]], [[no_bins(64, weighted=False)]], 42, 100)
    >>> found, side.least >> np.uint64(41), side.largest >> np.uint64(41), side.amounts
    (42, array([1, 4, 9], dtype=uint64), array([1, 5, 9], dtype=uint64), array([1, 2, 1]))
    """
    entries = list(chain(*held))
    least = np.concatenate([*chain(*sides), *(part.least for part in entries)])
    spread = _spread(least, shift, capacity // len(sides))
    if spread is None:
        return None
    places, size, found = spread
    many = sum(len(part) for part in chain(*sides))
    _set_apart(places[:many], [sum(map(len, parts)) for parts in sides], size)
    _set_apart(places[many:], [sum(len(part.least) for part in parts) for parts in held], size)
    there = np.zeros(len(sides) * size, bool)
    there[places] = True
    dropped = 0
    while np.count_nonzero(there) > capacity:
        there, dropped = there.view(np.uint16) != 0, dropped + 1
    if found > shift and not dropped:
        return None
    places >>= dropped
    taken = there.nonzero()[0]
    count = len(there)
    if is_wide := count > _NEAR:
        numbers, count = numbers_at(taken, count), len(taken)
        places = numbers.take(places, mode="clip").astype(np.int64)
        del numbers
    at, at_entries = places[:many], places[many:]
    rows = np.bincount(at, minlength=count)
    first, last = np.full(count, np.iinfo(least.dtype).max, least.dtype), np.zeros(count, least.dtype)
    np.minimum.at(first, places, least)
    np.maximum.at(last, at, least[:many])
    if entries:
        np.add.at(rows, at_entries, np.concatenate([part.values() for part in entries]))
        np.maximum.at(last, at_entries, np.concatenate([part.largest for part in entries]))
    bins = Bins(first, last, rows) if is_wide else Bins(first[taken], last[taken], rows[taken])
    ends = np.searchsorted(taken, len(there) // len(sides) * np.arange(1, len(sides) + 1)).tolist()
    parts = (slice(start, end) for start, end in pairwise([0, *ends]))
    return found + dropped, [Bins(bins.least[part], bins.largest[part], bins.values()[part]) for part in parts]


class _Spread(NamedTuple):
    """The place of the bin of each key (N,), how many places there are, and the shift of the bins."""

    places: HostArray
    size: int
    shift: int


def _spread(keys: HostArray, shift: int, capacity: int) -> _Spread | None:
    """Keys of one side or several, of which each may have ``capacity`` bins, at places of ``shift`` if there is room.

    ``None``: they lie in more blocks than there may be bins.
    """
    kind, bits = keys.dtype.type, keys.dtype.itemsize * 8
    top = max(bits - (_TOP_OF_MANY if capacity > _MANY else _TOP), shift)
    there = np.zeros(1 << bits - top, bool)
    blocks = as_places(keys >> kind(top))
    there[blocks] = True
    taken = there.nonzero()[0]
    many = len(taken)
    if many > capacity:
        return None
    fine = _FINE_EACH * _PLACES_EACH * capacity
    room = fine if capacity > _MANY else max(_PLACES_EACH * capacity, min(fine, _FINE))
    low = min((room // many).bit_length() - 1, top - shift)
    places = numbers_at(taken, len(there)).take(blocks, mode="clip").astype(np.int64)
    places <<= low
    del blocks
    numbers = keys >> kind(top - low)
    numbers &= kind((1 << low) - 1)
    places += as_places(numbers)
    return _Spread(places, many << low, top - low)


def _set_apart(places: HostArray, lengths: list[int], size: int) -> None:
    """Move the places of each side, of which so many stand behind one another, behind those of the sides before."""
    for side, (end, length) in enumerate(zip(accumulate(lengths), lengths, strict=True)):
        if side:
            places[end - length : end] += side * size
