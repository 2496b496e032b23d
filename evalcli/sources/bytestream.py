"""The bytes of a text table in bounded blocks: hashed as they lie on disk, unpacked with every checksum verified."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from evalcli.errors import InputError, LimitError, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.sources.table_portions import Lines

BLOCK = 1 << 20
PIECE = 1 << 12
"""Packed bytes handed to zstd at once: what one call can return stays bounded."""
RATIO = 200
RATIO_FROM = 16 << 20
"""Unpacked bytes from which on the ratio is judged; small files compress as they like."""


class Hasher(Protocol):
    """What hashlib's objects do here."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file looked like when it was opened; another stamp later means that it changed underneath."""

    size: int
    modified: int
    node: tuple[int, int]


def stamp(path: str) -> Stamp:
    """The file's size, time of change and identity.

    Raises:
        InputError: it is gone.

    """
    try:
        status = os.stat(path)  # noqa: PTH116 - paths are text throughout the sources
    except OSError as e:
        raise InputError(f"cannot be opened: {e.strerror}", fix=remedy(e), path=path) from e
    return Stamp(status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino))


def raw_blocks(path: str, hasher: Hasher | None = None) -> Iterator[bytes]:
    """The file as it lies on disk.

    Raises:
        InputError: it cannot be read.

    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - paths are text throughout the sources
            while block := file.read(BLOCK):
                if hasher is not None:
                    hasher.update(block)
                yield block
    except OSError as e:
        raise InputError(f"cannot be read: {e.strerror}", fix=remedy(e), path=path) from e


def _cut_blocks(path: str, lines: Lines) -> Iterator[bytes]:
    """The header of a text file in one block, if it has any, and some of its lines.

    Raises:
        InputError: they cannot be read.

    """
    from evalcli.sources.rawfile import RawFile

    file = RawFile(path)
    try:
        if lines.head:
            yield file.read(0, lines.head)
        for at in range(lines.start, lines.stop, BLOCK):
            yield file.read(at, min(BLOCK, lines.stop - at))
    finally:
        file.close()


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file: how it is packed (``gzip``, ``zstd``, None) and encoded (a codec's name)."""

    path: str
    packed: str | None
    encoding: str
    trusted: bool = False
    lines: Lines | None = None
    """Those that are read, of a file that is not packed, below its header; ``None``: all."""

    def number(self, line: int) -> int:
        """The number in the file of a line of this text, counted from 1."""
        return line if self.lines is None else self.lines.number(line)

    def blocks(self, hasher: Hasher | None = None) -> Iterator[bytes]:
        """The text as UTF-8 without byte order mark; invalid UTF-8 passes, for the reader to place it.

        Raises:
            InputError: the file is damaged, or not in the encoding it was said to be in.
            LimitError: it unpacks to more than 200 times its size.

        """
        blocks = self._unpacked(hasher)
        if self.encoding != "utf-8":
            blocks = self._decoded(blocks)
        first = True
        for block in blocks:
            yield block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False

    def _unpacked(self, hasher: Hasher | None) -> Iterator[bytes]:
        if self.lines is not None:
            yield from _cut_blocks(self.path, self.lines)
            return
        blocks = raw_blocks(self.path, hasher)
        if self.packed is None:
            yield from blocks
            return
        unpack = _gunzip if self.packed == "gzip" else _unzstd
        taken = given = 0
        for used, text in unpack(blocks, self.path):
            taken += used
            given += len(text)
            if not self.trusted and given > RATIO_FROM and given > RATIO * max(taken, 1):
                raise LimitError(
                    f"unpacks to more than {RATIO} times its size",
                    fix="if you trust it, say --trust-compression",
                    path=self.path,
                )
            if text:
                yield text

    def _decoded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        line = 1
        try:
            for block in blocks:
                text = decoder.decode(block)
                line += text.count("\n")
                if text:
                    yield text.encode("utf-8")
            if rest := decoder.decode(b"", final=True):
                yield rest.encode("utf-8")
        except UnicodeError as e:
            raise InputError(
                f"not {self.encoding} (after line {line})", fix="name its encoding with --encoding", path=self.path
            ) from e


def _gunzip(blocks: Iterator[bytes], path: str) -> Iterator[tuple[int, bytes]]:
    """Pairs (packed bytes used, text); zlib verifies the CRC-32 and the length of every member."""
    import zlib

    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for block in blocks:
            yield len(block), b""
            data = block
            while data:
                if unpacker.eof:
                    data = data.lstrip(b"\0")  # padding that tape and block devices leave
                    if not data:
                        break
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield 0, unpacker.decompress(data, BLOCK)
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error as e:
        raise InputError("damaged gzip: its checksum or structure is wrong", fix="copy it again", path=path) from e
    while not unpacker.eof:
        rest = unpacker.decompress(b"", BLOCK)
        if not rest:
            break
        yield 0, rest
    if not unpacker.eof:
        raise InputError("truncated gzip: its end is missing", fix="copy it again", path=path)


def _unzstd(blocks: Iterator[bytes], path: str) -> Iterator[tuple[int, bytes]]:
    """Pairs (packed bytes used, text); zstandard verifies the checksum where the frame has one."""
    import zstandard

    def fresh() -> Any:
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    unpacker = fresh()
    started = False
    try:
        for block in blocks:
            for start in range(0, len(block), PIECE):
                data = block[start : start + PIECE]
                used = len(data)
                while data:
                    if unpacker.eof:
                        unpacker = fresh()
                    started = True
                    yield used, bytes(unpacker.decompress(data))
                    used = 0
                    data = unpacker.unused_data if unpacker.eof else b""
    except zstandard.ZstdError as e:
        raise InputError("damaged zstd", fix="copy it again", path=path) from e
    if started and not unpacker.eof:
        raise InputError("truncated zstd: its end is missing", fix="copy it again", path=path)
