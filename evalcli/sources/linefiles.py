"""Runs of lines as files that the table engine can open, with the header of their file above them.

The engine takes file systems of fsspec, which comes with torch. It reads a run where it lies: nothing is copied.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from evalcli.sources.rawfile import RawFile
from evalcli.sources.table_portions import PROTOCOL, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources.table_portions import Portion


class LineFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The portions that are runs of lines, under the names ``paths``."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, portions: Sequence[Portion]) -> None:
        super().__init__()
        self._files = {name_of(i): portion for i, portion in enumerate(portions) if portion.lines is not None}
        self.paths = [*self._files]

    def exists(self, path: str, **options: Any) -> bool:
        """Whether there is such a run."""
        del options
        return path in self._files

    def glob(self, path: str, **options: Any) -> list[str]:
        """The run itself."""
        del options
        return [path] if path in self._files else []

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Its size."""
        del options
        lines = self._files[path].lines
        assert lines is not None
        return {"name": path, "size": lines.size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """Never: other means tell whether the file changes."""
        del path
        return datetime(2000, 1, 1, tzinfo=UTC)

    def open(self, path: str, mode: str = "rb", **options: Any) -> LineFile:
        """Open it for reading."""
        del mode, options
        return LineFile(self._files[path])


class LineFile(io.RawIOBase):
    """The header and the lines of a portion as one file."""

    def __init__(self, portion: Portion) -> None:
        assert portion.lines is not None
        self._lines = portion.lines
        self._file = RawFile(portion.path)
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._lines.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")[: max(self._lines.size - self._at, 0)]
        above = view[: max(self._lines.head - self._at, 0)]
        self._file.read_into(above, self._at)
        below = view[len(above) :]
        self._file.read_into(below, self._lines.start + self._at + len(above) - self._lines.head)
        self._at += len(view)
        return len(view)

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        super().close()
