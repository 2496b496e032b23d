"""The CRC-32 of Parquet pages, where the writer stored them: no engine that reads the values compares them.

A column chunk is a run of pages, each a header (Thrift, compact protocol) and its bytes; the checksum is that of the
bytes as they lie on disk. Files without checksums are common; their SHA-256 in the report is all there is.

Source: the Apache Parquet format, ``PageHeader`` in ``parquet.thrift`` and its section on checksumming.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evalcli.errors import InputError
from evalcli.sources.rawfile import PIECE, RawFile

GoOn = Callable[[], None]

MAGIC = b"PAR1"
_WINDOW = 1 << 12
_HEADER_LIMIT = 16 << 20
"""A header holds a little, and the smallest and largest value of its page."""
_DEPTH = 8
_SIZE, _CRC = 3, 4
"""Fields of a page header: bytes that follow, and their checksum."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes of one column in one group of rows, as the file's footer names them."""

    column: str
    start: int
    size: int


class _MalformedError(Exception):
    """No page header: the chunk was written in a way of its own, or is damaged."""


def check_pages(path: str, chunks: Iterable[Chunk], go_on: GoOn = lambda: None) -> int:
    """Compare every stored checksum; how many there were. ``go_on`` is called now and then and may raise.

    Raises:
        InputError: a page is damaged, or lacks the checksum that the others of its column have.

    """
    file = RawFile(path)
    try:
        return sum(_check_chunk(file, chunk, go_on) for chunk in chunks)
    finally:
        file.close()


def check_alone(path: str, start: int) -> None:
    """Refuse a file in which another follows: its footer, the last, is then taken to speak of the pages of the first.

    Between the pages, which end at ``start``, and the footer are indexes, and where files were joined a whole file.

    Raises:
        InputError: a file ends there and another begins.

    """
    file = RawFile(path)
    try:
        seam = MAGIC + MAGIC
        end = file.size - len(seam) - int.from_bytes(file.read(file.size - len(seam), 4), "little")
        for at in range(start, end, PIECE):
            if seam in file.read(at, min(PIECE + len(seam), end - at)):
                what = "another Parquet file follows in it"
                fix = "give the files as they were, as a pattern ('shard*.parquet')"
                raise InputError(what, fix=fix, path=path)
    finally:
        file.close()


def _check_chunk(file: RawFile, chunk: Chunk, go_on: GoOn) -> int:
    at, end = chunk.start, min(chunk.start + chunk.size, file.size)
    checked = 0
    while at < end:
        go_on()
        try:
            fields, length = _header(file, at, end)
            size = fields[_SIZE]
            if size < 0 or at + length + size > end:
                raise _MalformedError
        except (_MalformedError, KeyError, IndexError) as e:
            if not checked:
                return 0  # the engine judges what never had a checksum
            raise _damaged(file, chunk, f"the header of the page at byte {at:,} cannot be read") from e
        if _CRC not in fields:
            if not checked:
                return 0
            raise _damaged(file, chunk, f"the page at byte {at:,} lacks the checksum that the page before it has")
        crc, stored = _checksum(file, at + length, size), fields[_CRC] & 0xFFFFFFFF
        if crc != stored:
            what = f"the CRC-32 of the page at byte {at:,} is {crc:08x}, the file says {stored:08x}"
            raise _damaged(file, chunk, what)
        checked += 1
        at += length + size
    return checked


def _damaged(file: RawFile, chunk: Chunk, what: str) -> InputError:
    return InputError(f"column {chunk.column!r} is damaged: {what}", fix="copy or write the file again", path=file.path)


def _checksum(file: RawFile, start: int, size: int) -> int:
    crc = 0
    for at in range(0, size, PIECE):
        crc = zlib.crc32(file.read(start + at, min(PIECE, size - at)), crc)
    return crc


def _header(file: RawFile, at: int, end: int) -> tuple[dict[int, int], int]:
    """The whole-number fields of the page header at ``at``, and its length."""
    window = _WINDOW
    while True:
        scanner = _Thrift(file.read(at, min(window, end - at)))
        try:
            return scanner.struct(), scanner.at
        except IndexError:
            if window >= min(_HEADER_LIMIT, end - at):
                raise
            window *= 16


class _Thrift:
    """Just enough of the compact protocol to find numbers in a struct and to step over everything else.

    Reading beyond ``data`` is an ``IndexError``: the caller may have more.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, int]:
        if depth > _DEPTH:
            raise _MalformedError
        fields: dict[int, int] = {}
        number = 0
        while byte := self._byte():
            step, kind = byte >> 4, byte & 15
            number = number + step if step else self._zigzag()
            value = self._value(kind, depth)
            if value is not None:
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int) -> int | None:
        """A number if it is one; the rest is stepped over."""
        if kind in (4, 5, 6):  # whole numbers of 16, 32 and 64 bits
            return self._zigzag()
        if kind in (1, 2):  # true and false lie in the field's own byte
            return None
        if kind == 12:
            self.struct(depth + 1)
        elif kind in (9, 10):
            self._elements(depth)
        else:
            sizes = {3: 1, 7: 8, 8: -1}
            if kind not in sizes:
                raise _MalformedError
            self._skip(sizes[kind] if kind != 8 else self._varint())
        return None

    def _elements(self, depth: int) -> None:
        byte = self._byte()
        count = byte >> 4 if byte >> 4 != 15 else self._varint()
        for _ in range(count):
            if byte & 15 in (1, 2):  # in a list they are bytes
                self._skip(1)
            else:
                self._value(byte & 15, depth + 1)

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise _MalformedError

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _skip(self, count: int) -> None:
        if self.at + count > len(self.data):
            raise IndexError
        self.at += count
