"""Float bits as sortable integers, and what runs of such keys in order are made of.

The bits of a float, with all of them flipped below zero and the sign bit alone above it, sort as an unsigned integer
does. Keys without their low bits are bins of scores side by side: bins are nested, so fewer low bits never mean fewer
of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, host_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray

UNSIGNED: dict[int, Any] = {32: np.uint32, 64: np.uint64}
"""The type of keys by their width."""
_IN_CACHE = 1 << 15
"""Keys that are looked at at once, with what is made of them."""
_SHORT = 1 << 16
"""So many numbers fit into 16 bits."""
_FLOATS: dict[int, Any] = {32: np.float32, 64: np.float64}
_SIGNED: dict[int, Any] = {32: np.int32, 64: np.int64}


def key_bits(scores: Array) -> int:
    """The width of key that holds every value of ``scores``: 32 for floats of up to 32 bits, else 64.

    >>> key_bits(np.zeros(1, np.float16)), key_bits(np.zeros(1, np.float64)), key_bits(np.zeros(1, np.int64))
    (32, 64, 64)
    """
    whole = "int" in str(scores.dtype)  # numpy's and torch's alike
    return 32 if int(scores.dtype.itemsize) <= (2 if whole else 4) else 64


def sort_keys(scores: Array, bits: int = 64) -> HostArray:
    """Unsigned integers (…) of ``bits`` that compare as ``scores`` (…) do; −0.0 and 0.0 are one key.

    >>> sort_keys(np.array([-1.5, -0.0, 0.0, 5e-324]))[1:] - np.uint64(1 << 63)
    array([0, 0, 1], dtype=uint64)

    Raises: ``InputError`` for NaN, which has no rank; ``ValueError`` when the keys are too narrow for the scores.
    """
    if bits < key_bits(scores):
        raise ValueError(f"keys of {bits} bits do not hold {scores.dtype}")
    values = host_scores(scores).astype(_FLOATS[bits])
    missing = np.isnan(values)
    if missing.any():
        unknown = int(missing.sum())
        said = "1 score is" if unknown == 1 else f"{unknown} scores are"
        raise InputError(f"{said} NaN and cannot be ranked", fix="use --nan drop")
    values += 0  # −0.0 becomes 0.0
    signed = values.view(_SIGNED[bits])
    below_zero = signed >> (bits - 1)
    below_zero &= _SIGNED[bits]((1 << (bits - 1)) - 1)
    signed ^= below_zero
    keys: HostArray = signed.view(UNSIGNED[bits])
    keys ^= UNSIGNED[bits](1 << (bits - 1))
    return keys


def scores_of(keys: HostArray) -> HostArray:
    """The scores (…) float64 that have these ``keys`` (…).

    >>> scores_of(sort_keys(np.array([-1.5, 0.0, np.inf])))
    array([-1.5,  0. ,  inf])
    """
    bits = keys.dtype.itemsize * 8
    signed = (keys ^ keys.dtype.type(1 << (bits - 1))).view(_SIGNED[bits])
    signed ^= (signed >> (bits - 1)) & _SIGNED[bits]((1 << (bits - 1)) - 1)
    scores: HostArray = signed.view(_FLOATS[bits]).astype(np.float64)
    return scores


def starts_of(keys: HostArray, shift: int = 0) -> HostArray:
    """Whether a new bin begins at each of sorted ``keys`` (N,)."""
    starts = np.ones(len(keys), bool)
    low = keys.dtype.type(shift)
    for start in range(0, len(keys) - 1, _IN_CACHE):
        part = keys[start : start + _IN_CACHE + 1]
        bins = part >> low if shift else part
        np.not_equal(bins[1:], bins[:-1], out=starts[start + 1 : start + _IN_CACHE + 1])
    return starts


def heads_of(keys: HostArray, shift: int = 0) -> HostArray:
    """Where in sorted ``keys`` a new bin begins."""
    return np.flatnonzero(starts_of(keys, shift))


def numbered(heads: HostArray, size: int) -> HostArray:
    """For every place of ``size`` the number of the head at or before it."""
    numbers = np.zeros(size, np.int64)
    numbers[heads[1:]] = 1
    return np.cumsum(numbers, out=numbers)


def numbers_at(taken: HostArray, size: int) -> HostArray:
    """The number of each of the ``taken`` places (K,), one of ``size``; what stands at the others means nothing.

    >>> numbers_at(np.array([1, 4]), 5)[[4, 1]]
    array([1, 0], dtype=int32)
    """
    numbers = np.empty(size, np.int32)
    numbers[taken] = np.arange(len(taken), dtype=np.int32)
    return numbers


def order_of(ids: HostArray, many: int) -> HostArray:
    """The order that sorts whole ``ids`` (N,) below ``many``, equal ones as they stand.

    >>> order_of(np.array([2, 0, 2, 1]), 3)
    array([1, 3, 0, 2])
    """
    short = ids.astype(np.uint16) if many <= _SHORT else ids  # numpy sorts so few digit by digit
    return np.argsort(short, kind="stable")


def least_shift(sides: Sequence[HostArray], shift: int, capacity: int) -> int:
    """How many low bits must be dropped, at least ``shift``, so that sorted keys fall into ``capacity`` bins.

    >>> least_shift([np.array([1, 2, 3, 8], np.uint64)], 0, 3)
    1
    """
    return fitted(sides, shift, capacity)[0]


def fitted(sides: Sequence[HostArray], shift: int, capacity: int) -> tuple[int, list[HostArray]]:
    """The same, and ``starts_of`` every side at that shift."""
    for tried in (shift, shift + 1) if shift else (shift,):  # a table that has dropped bits rarely drops several more
        starts = [starts_of(keys, tried) for keys in sides]
        if sum(map(np.count_nonzero, starts)) <= capacity:
            return tried, starts
    # neighbours whose highest different bit is the b-th stay apart at shifts below b
    bits = sides[0].dtype.itemsize * 8
    apart = np.sum([_split_histogram(keys, bits) for keys in sides], axis=0)
    entries = sum(len(keys) > 0 for keys in sides) + apart[::-1].cumsum()[::-1] - apart
    found = max(int(np.argmax(entries <= capacity)), shift)
    return found, [starts_of(keys, found) for keys in sides]


def _split_histogram(keys: HostArray, bits: int) -> HostArray:
    """How many neighbours of sorted ``keys`` differ first in each bit, counted from 1; equal ones stand at 0.

    The highest bit of a number is what the exponent of a float says.
    """
    kind, fraction, bias = (np.float32, 23, 127) if bits == 32 else (np.float64, 52, 1023)
    counts = np.zeros(bits + 1, np.int64)
    for start in range(0, len(keys) - 1, _IN_CACHE):
        part = keys[start : start + _IN_CACHE + 1]
        change: HostArray = part[1:] ^ part[:-1]
        change &= ~(change >> change.dtype.type(1))  # no two ones side by side: no float rounds up to a new bit
        exponents = change.astype(kind).view(_SIGNED[bits]) >> fraction
        found = np.bincount(exponents, minlength=bias + bits)
        counts[0] += found[0]
        counts[1:] += found[bias : bias + bits]
    return counts


def as_places(numbers: HostArray) -> HostArray:
    """Unsigned ``numbers`` (N,) as numpy takes places fastest, without a copy where they are as wide."""
    return numbers.view(np.int64) if numbers.dtype.itemsize == 8 else numbers.astype(np.int64)
