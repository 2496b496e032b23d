"""Standard input as a file that can be read again from the start."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from evalcli.errors import InputError, UsageError
from evalcli.sources import STDIN
from evalcli.sources.temporary import TemporaryFile

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import ExitStack

CHUNK = 1 << 20


class Spool:
    """A private temporary copy of standard input; deleted by ``close``. ``path`` names it while it lives."""

    def __init__(self) -> None:
        stream = None if sys.stdin is None else sys.stdin.buffer
        if stream is None or stream.closed:
            raise UsageError("- reads standard input, but it is closed", fix="pipe a file in, or name one")
        if stream.isatty():
            raise UsageError("- reads standard input, but it is a terminal", fix="pipe a file in, or name one")
        self._file = TemporaryFile()
        self.path = self._file.path
        try:
            with os.fdopen(self._file.handle, "wb") as copy:
                while chunk := stream.read(CHUNK):
                    copy.write(chunk)
        except OSError as error:
            self.close()
            raise InputError(
                f"cannot be copied: {error.strerror}", fix="set TMPDIR to a roomy disk", path=STDIN
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the copy. Harmless when repeated."""
        self._file.close()


def copied(paths: Collection[str | None], held: ExitStack) -> str | None:
    """Where the one copy of standard input lies until ``held`` is closed; ``None`` where none of these paths is it."""
    return held.enter_context(closing(Spool())).path if STDIN in paths else None
