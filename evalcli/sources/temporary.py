"""Where temporary files lie, and what is said where there is no such place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalcli.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
