"""CRC-32 of a whole from the CRC-32 of its pieces, which threads may have read in any order."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    Array = np.ndarray[Any, Any]

_POLYNOMIAL = 0xEDB88320  # x^32 + x^26 + … + 1, lowest power in the highest bit
_ONE = 0x80000000  # the polynomial 1


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC-32 polynomial."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=256)
def _shift(length: int) -> int:
    """x^(8·length): what ``length`` more bytes multiply a CRC by."""
    power, result = 0x00800000, _ONE  # x^8
    while length:
        if length & 1:
            result = _multiply(power, result)
        power = _multiply(power, power)
        length >>= 1
    return result


def crc32_combine(first: int, second: int, length: int) -> int:
    """The CRC-32 of two runs of bytes from the CRC-32 of each and the ``length`` of the second.

    ``crc(AB) = crc(A)·x^(8·|B|) + crc(B)`` over GF(2) modulo the CRC polynomial; O(log length).

    >>> import zlib
    >>> crc32_combine(zlib.crc32(b"pred"), zlib.crc32(b"ictions"), 7) == zlib.crc32(b"predictions")
    True
    """
    return _multiply(_shift(length), first) ^ second


class Ledger:
    """The checksummed pieces of one region, in one pass. ``add`` may be called from any thread."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, start: int, stop: int, crc: int) -> None:
        """The bytes ``start:stop`` were read and have this CRC-32."""
        self._pieces[start] = (stop, crc)

    def pieces(self) -> Array:
        """All of them, (K, 3): start, stop and CRC-32."""
        import numpy as np

        return np.array([[start, *piece] for start, piece in self._pieces.items()], np.int64).reshape(-1, 3)

    def take(self, pieces: Array) -> None:
        """Those that another process has added."""
        for start, stop, crc in pieces.tolist():
            self.add(start, stop, crc)

    def clear(self) -> None:
        """A new pass begins."""
        self._pieces.clear()

    def total(self, size: int, fill: Callable[[int, int], int]) -> int:
        """The CRC-32 of ``0:size``; ``fill(start, stop)`` gives that of a run that no piece covers."""
        crc, at = 0, 0
        starts = sorted(self._pieces)
        upcoming = 0
        while at < size:
            while upcoming < len(starts) and starts[upcoming] < at:
                upcoming += 1  # it begins inside what is already covered
            following = starts[upcoming] if upcoming < len(starts) else size
            if following == at:
                stop, piece = self._pieces[at]
                upcoming += 1
            else:
                stop = following
                piece = fill(at, stop)
            crc = crc32_combine(crc, piece, stop - at)
            at = max(at, stop)
        return crc
