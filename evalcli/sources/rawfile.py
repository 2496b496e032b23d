"""Positioned reads from an open file: no mmap, so that a file cut short underneath is an error and not a signal."""

from __future__ import annotations

import os
import stat
import threading
import zlib

from evalcli.errors import InputError, remedy
from evalcli.sources.crc import Ledger

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""Without ``O_NONBLOCK`` a pipe without a writer would never be opened, and so never refused."""
PIECE = 1 << 18
"""Bytes read before they are checksummed: small enough to be still in the processor's cache."""


def plain(text: str, limit: int = 80) -> str:
    r"""Text from a file, fit for a message: no control characters, no endless names.

    >>> plain("a" + chr(27) + "[31mb")
    'a\\x1b[31mb'
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "…"


class RawFile:
    """A regular file, open for reading from any thread.

    Raises:
        InputError: it cannot be opened, or it changed or ended early while it was read.

    """

    def __init__(self, path: str, fd: int = -1) -> None:
        self.path = path
        self.fd = fd
        try:
            if fd < 0:
                self.fd = os.open(path, _READ)
            status = os.fstat(self.fd)
        except (OSError, ValueError) as e:
            reason = getattr(e, "strerror", None) or "not a file name"
            raise InputError(f"cannot be opened: {reason}", fix=remedy(e), path=path) from e
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise InputError("not a regular file", fix="give a file; what comes through a pipe is read as -", path=path)
        self.size = status.st_size
        self._identity = (status.st_size, status.st_mtime_ns, status.st_ino)
        self._lock = threading.Lock()

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill ``view`` with the bytes at ``offset``."""
        done = 0
        while done < len(view):
            try:
                count = self._pread(view[done:], offset + done)
            except OSError as e:
                raise InputError(f"cannot be read: {e.strerror}", fix=remedy(e), path=self.path) from e
            if count == 0:
                what = "input changed while reading: it ends early"
                raise InputError(what, fix="run it again when nothing writes there", path=self.path)
            done += count

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``."""
        buffer = bytearray(count)
        self.read_into(memoryview(buffer), offset)
        return bytes(buffer)

    def check_unchanged(self) -> None:
        """Size, time of modification and inode are what they were at opening."""
        status = os.fstat(self.fd)
        if (status.st_size, status.st_mtime_ns, status.st_ino) != self._identity:
            raise InputError("input changed while reading", fix="run again when it is complete", path=self.path)

    def close(self) -> None:
        """Release the descriptor. Harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    if hasattr(os, "preadv"):

        def _pread(self, view: memoryview, offset: int) -> int:
            return os.preadv(self.fd, [view], offset)

    else:  # Windows has no positioned read

        def _pread(self, view: memoryview, offset: int) -> int:
            with self._lock:
                os.lseek(self.fd, offset, os.SEEK_SET)
                data = os.read(self.fd, len(view))
            view[: len(data)] = data
            return len(data)


class Region:
    """A run of bytes in a file: a storage, a member, the data of an array.

    With a ``stored`` CRC-32 every read is checksummed on the way, and ``verify`` compares the whole; ``unless_zero``
    says that a stored 0 means that none was computed. What was found right is not checksummed again when it is read
    again: that nobody writes there meanwhile is seen by the time of modification.
    """

    def __init__(self, file: RawFile, offset: int, size: int, *, name: str = "", stored: int | None = None) -> None:
        self.file = file
        self.offset = offset
        self.size = size
        self.name = name
        self.stored = stored
        self.unless_zero = False
        self.ledger = Ledger()
        self._verified: int | None = None

    @property
    def was_read(self) -> bool:
        """Whether anything of it was, by this pass or by one that was verified."""
        return bool(self.ledger) or self._verified is not None

    def peek(self, start: int, count: int) -> bytes:
        """Some bytes near the beginning, without a trace: whoever reads them again checksums them."""
        return self.file.read(self.offset + start, count)

    def close(self) -> None:
        """Release what the region holds beside its file. Harmless when repeated."""

    def read_into(self, view: memoryview, start: int) -> None:
        """Fill ``view`` with the bytes from ``start`` of this region."""
        if start < 0 or start + len(view) > self.size:
            raise ValueError(f"bytes {start}:{start + len(view)} of a region of {self.size}")
        if self.stored is None or self._verified is not None:
            self.file.read_into(view, self.offset + start)
            return
        self.ledger.add(start, start + len(view), self._checksum(view, start, 0))

    def verify(self) -> int:
        """The CRC-32 of the whole region; what no read covered is read now.

        Raises:
            InputError: it is not the stored one.

        """
        if self._verified is not None:
            return self._verified
        spare = memoryview(bytearray(min(PIECE, self.size)))

        def fill(start: int, stop: int) -> int:
            crc = 0
            for at in range(start, stop, PIECE):
                crc = self._checksum(spare[: min(PIECE, stop - at)], at, crc)
            return crc

        crc = self.ledger.total(self.size, fill)
        if (self.stored or not self.unless_zero) and crc != self.stored:
            raise InputError(
                f"{plain(self.name)} is damaged: its CRC-32 is {crc:08x}, the file says {self.stored:08x}",
                fix="copy or write the file again",
                path=self.file.path,
            )
        self._verified = crc
        return crc

    def _checksum(self, view: memoryview, start: int, crc: int) -> int:
        for at in range(0, len(view), PIECE):
            piece = view[at : at + PIECE]
            self.file.read_into(piece, self.offset + start + at)
            crc = zlib.crc32(piece, crc)
        return crc
