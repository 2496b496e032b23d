"""One member of an ``.npz``: where it lies, or, when it is compressed, unpacked once to a nameless temporary file."""

from __future__ import annotations

import os
import threading
import zlib
from typing import TYPE_CHECKING

from evalcli.errors import InputError, LimitError
from evalcli.sources.rawfile import RawFile, Region, plain
from evalcli.sources.zipdir import DEFLATED, STORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.sources.zipdir import Record

RATIO_LIMIT = 200
SMALL = 1 << 26
"""What unpacks to no more than this is harmless at any ratio: labels that are all alike shrink a thousandfold."""
_PIECE = 1 << 18


def open_member(file: RawFile, record: Record) -> Region:
    """The bytes of a member, unpacked when they are first read.

    Raises:
        InputError: it is compressed in a way numpy does not write.
        LimitError: it would unpack to more than 200 times its size.

    """
    if record.method == STORED and record.packed == record.size:
        return record.region(file)
    if record.method != DEFLATED:
        raise InputError(f"{plain(record.name)} is compressed in a way numpy does not write", fix="use numpy.savez")
    if record.size > SMALL and record.size > RATIO_LIMIT * record.packed:
        what = f"{plain(record.name)} would unpack {record.packed:,} bytes to {record.size:,}"
        raise LimitError(what, fix=f"more than {RATIO_LIMIT}-fold is refused; write it with numpy.savez")
    return PackedRegion(file, record)


class PackedRegion(Region):
    """A deflated member."""

    def __init__(self, file: RawFile, record: Record) -> None:
        super().__init__(file, record.offset, record.size, name=record.name, stored=record.crc)
        self._packed = record.packed
        self._lock = threading.Lock()
        self._spool: RawFile | None = None

    def peek(self, start: int, count: int) -> bytes:
        """Some bytes near the beginning; unpacks no more than it needs."""
        if self._spool is not None:
            return self._spool.read(start, count)
        head = b"".join(self._pieces(start + count))
        return head[start : start + count]

    def read_into(self, view: memoryview, start: int) -> None:
        """Fill ``view`` with the unpacked bytes from ``start``; the first call unpacks all."""
        with self._lock:
            spool = self._spool = self._spool or self._unpack()
        self.ledger.add(0, self.size, self.stored or 0)
        spool.read_into(view, start)

    def verify(self) -> int:
        """The CRC-32, which was verified when the member was unpacked."""
        return self.stored or 0

    def close(self) -> None:
        """Give the temporary file back."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _unpack(self) -> RawFile:
        import tempfile

        crc, size = 0, 0
        try:
            with tempfile.TemporaryFile(prefix="evalcli-") as spool:
                for piece in self._pieces(self.size + 1):
                    crc, size = zlib.crc32(piece, crc), size + len(piece)
                    spool.write(piece)
                spool.flush()
                if (crc, size) != (self.stored, self.size):
                    raise self._damaged()
                return RawFile(self.file.path, fd=os.dup(spool.fileno()))
        except OSError as e:
            what = f"no room to unpack {plain(self.name)}: {e.strerror}"
            raise LimitError(what, fix="write it with numpy.savez, or set TMPDIR", path=self.file.path) from e

    def _pieces(self, limit: int) -> Iterator[bytes]:
        """The unpacked bytes, at most ``limit``, piece by piece."""
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        at = made = 0
        while made < limit and not unpacker.eof:
            source = unpacker.unconsumed_tail
            if not source:
                count = min(_PIECE, self._packed - at)
                source = self.file.read(self.offset + at, count)
                at += count
            try:
                piece = unpacker.decompress(source, min(1 << 20, limit - made))
            except zlib.error as e:
                raise self._damaged() from e
            if not source and not piece:
                break
            made += len(piece)
            yield piece
        if unpacker.eof and (unpacker.unused_data or at != self._packed):
            raise self._damaged()

    def _damaged(self) -> InputError:
        self.file.check_unchanged()
        what = f"{plain(self.name)} is damaged: it does not unpack to what its directory says"
        return InputError(what, fix="copy or write the file again", path=self.file.path)
