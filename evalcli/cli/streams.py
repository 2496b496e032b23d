"""Standard output and standard error: the result on one, everything said beside it on the other.

Text that the stream's encoding lacks is written as an escape. A reader who went away (``| head``) is no error: what is
left goes nowhere, files are still written and the verdict still reaches the shell. A disk that is full is one.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING

from evalcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_MAX_WIDTH = 400


def _as_escapes(error: UnicodeError) -> tuple[str, int]:
    r"""What the encoding lacks, as JSON escapes it: Python's own ``\xe9`` and ``\U0001f469`` are no JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


def prepare() -> None:
    """Make both streams take any text, and keep a file opened later from becoming a closed standard stream."""
    codecs.register_error("evalcli.escapes", _as_escapes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # ``None`` when the shell closed it
            stream.reconfigure(errors="evalcli.escapes")
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def output_is_closed() -> bool:
    """There is no standard output at all (``>&-``)."""
    return sys.stdout is None or sys.stdout.closed


def emit_pieces(pieces: Iterable[str]) -> None:
    """Write a result to standard output piece by piece; none is made any more when the reader has gone.

    Raises:
        OutputError: standard output is closed, or takes no more.

    """
    for piece in pieces:
        if not emit(piece):
            return


def emit(text: str) -> bool:
    """Write a result to standard output, whole. Whether there is still a reader.

    Raises:
        OutputError: standard output is closed, or takes no more.

    """
    if output_is_closed():
        raise OutputError("standard output is closed", fix="write to a file with -o FILE")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        return False
    except OSError as e:
        discard_output()
        raise OutputError(f"standard output: {e.strerror}", fix="write to a file with -o FILE") from e
    return True


def say(text: str) -> None:
    """Write a line, or several, to standard error. Nobody can be told when that fails."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)


def discard_output() -> None:
    """Send what is still buffered, and all that follows, to nowhere: a flush at exit must not change the code."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream without a descriptor has no flush to fear
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """A person looks at it."""
    return stream is not None and not stream.closed and stream.isatty()


def width_of(stream: TextIO | None) -> int | None:
    """``COLUMNS``, or what the terminal says; ``None`` in a pipe, where content alone decides."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return min(int(columns), _MAX_WIDTH)
    if stream is None or not is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


class _Sheet(io.StringIO):
    """Takes what a stream would be sent: rich writes to its file even where it only captures."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only in both
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()


def draw(view: object, stream: TextIO, width: int | None = None) -> str:
    """What rich would write to the stream: in its width, its characters and its colours."""
    from evalcli.renderers.terminal import console

    sheet = _Sheet(stream)
    console(sheet, width).print(view)
    return sheet.getvalue()
