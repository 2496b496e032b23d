"""Which file a row lies in, and where: a number for each row, the same whatever other files are read beside its own.

A file is marked by its size, its first and its last bytes, not by its path or its place among others. Files of a few
rows would else have the same numbers, row for row. What is in memory is marked by its first rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.sources.rawfile import RawFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.sources.base import Array

_BYTES = 1 << 16
"""Of either end of a file."""
MARKING = 64
"""Rows that mark what is in memory."""


class Origin(NamedTuple):
    """A file by its ``mark``; its rows have the numbers from ``first`` on in their source, and ``before`` them in the
    file are rows that others read.
    """

    first: int = 0
    mark: int = 0
    before: int = 0


def identities(numbers: Array, origins: Sequence[Origin]) -> Array:
    """A number for each row (N,) int64, from those that rows have in their source, by the files in their order.

    >>> identities(np.arange(4), [Origin(0, 100), Origin(3, 500, 20)])
    array([100, 101, 102, 520])
    """
    first, mark, before = np.array(origins, np.int64).T
    at = np.searchsorted(first, numbers, side="right") - 1
    found: Array = numbers + (mark + before - first)[at]  # what overflows wraps around
    return found


def mark_of(path: str) -> int:
    """The mark of a file.

    Raises:
        InputError: it cannot be read.

    """
    file = RawFile(path)
    try:
        held = bytearray(min(file.size, 2 * _BYTES))
        head = min(len(held), _BYTES)
        file.read_into(memoryview(held)[:head], 0)
        file.read_into(memoryview(held)[head:], file.size - (len(held) - head))
        return _mark([file.size.to_bytes(8, "little"), bytes(held)])
    finally:
        file.close()


def mark_of_rows(sides: Iterable[Array]) -> int:
    """The mark of what is in memory, by the first rows of both ``sides``."""
    return _mark(side.astype(np.float64).tobytes() for side in sides)


def _mark(parts: Iterable[bytes]) -> int:
    import hashlib  # only rows that are told apart need it

    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little") >> 1
