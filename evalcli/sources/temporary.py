"""Where temporary files lie, what is said where there is no such place, and that nothing stays behind there.

A process that is killed removes nothing. So whoever makes such a file or folder holds a lock on it, which ends with the
process, and removes what is an hour old and nobody holds: a number of a process would say nothing where containers, or
several machines, have a place in common.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from time import time
from typing import TYPE_CHECKING

from evalcli.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE, _FOLDER = "evalcli-stdin-", "evalcli-tables-"
_OLD = 3600.0
"""Seconds after which what nobody holds is nobody's: it was made longer ago than a lock on it takes."""


@contextmanager
def telling_of_room() -> Iterator[None]:
    """Make a temporary file or folder.

    Raises:
        LimitError: every disk that Python tries is full or read-only.

    """
    try:
        yield
    except OSError as e:
        what = f"no temporary file can be made: {e.strerror}"
        raise LimitError(what, fix="set TMPDIR to a folder that takes files") from e


class TemporaryFile:
    """A private file at ``path``; ``handle`` writes it. ``close`` removes it."""

    def __init__(self) -> None:
        with telling_of_room():
            self.handle, self.path = tempfile.mkstemp(prefix=_FILE)
            self._held = _held(self.path)
            _remove_left(os.path.dirname(self.path))  # noqa: PTH120  # pathlib costs start-up time

    def close(self) -> None:
        """Remove it. Harmless when repeated."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108  # likewise
        _let_go(self._held)
        self._held = None


class TemporaryFolder:
    """A private folder at ``path``; ``close`` removes it and all that lies in it."""

    def __init__(self) -> None:
        with telling_of_room():
            self.path = tempfile.mkdtemp(prefix=_FOLDER)
            self._held = _held(self.path)
            _remove_left(os.path.dirname(self.path))  # noqa: PTH120  # likewise

    def close(self) -> None:
        """Remove it. Harmless when repeated."""
        shutil.rmtree(self.path, ignore_errors=True)
        _let_go(self._held)
        self._held = None


def _held(path: str) -> int | None:
    """A lock on a file or folder; ``None`` where it is somebody else's, or no disk has locks."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return None
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        flock(handle, LOCK_EX | LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _let_go(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _remove_left(folder: str) -> None:
    """Remove what processes have left that were killed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((_FILE, _FOLDER)):
                _remove_if_left(entry)


def _remove_if_left(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        told = entry.stat(follow_symlinks=False)
        if entry.is_symlink() or told.st_uid != os.getuid() or time() - told.st_mtime < _OLD:
            return
        handle = _held(entry.path)
        if handle is None:
            return
        try:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)  # noqa: PTH108  # likewise
        finally:
            _let_go(handle)
