"""Lines that a process of its own numbers, for several tables that are read at the same time.

Numbering is many short calls of numpy, between which threads wait for each other: two tables took two threads 1.3 s on
two cores, and two processes 0.9. What comes back are the numbers, and each line once.
"""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.forks import messages_of
from evalcli.sources.linenumbers import LineNumbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Array = np.ndarray[Any, Any]

_HEAD = struct.Struct("<dQ")
"""What share of the table is read, and bytes of numbers; then come these and the lines that were never seen before."""
_GIVEN_UP = b"-"
"""A message instead: there are too many lines, or one is too long."""


class NumbersApart:
    """Different lines, numbered from 1 as they are found, as ``LineNumbers`` has them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = [b""]
        self.counts: list[int] = []

    def of_all(
        self, texts: Callable[[Callable[[float], None]], Iterator[bytes]], heard: Callable[[float], None]
    ) -> Generator[Array | None]:
        """The numbers (N,) uint16 of the lines of each text, ``None`` where there can be none; ``counts`` at the end.

        ``texts`` tells what share of them is read, which is heard here.

        Raises:
            ChildProcessError: the other process has not come to the end.

        """
        shares = [0.0]
        numbers, found = LineNumbers(), texts(shares.append)
        first = next(found, None)
        heard(shares[-1])
        if first is not None:  # read here, so that whatever it takes is imported
            rows = numbers.of(first)
            self.lines += numbers.lines[1:]
            yield rows
            if rows is None:
                return
        with closing(messages_of(_told(numbers, found, shares))) as messages:
            for message in messages:
                if message == _GIVEN_UP:
                    yield None
                    return
                share, size = _HEAD.unpack_from(message)
                lines = message[_HEAD.size + size :]
                if share < 0.0:
                    self.counts = np.frombuffer(message, np.int64, size // 8, _HEAD.size).tolist()
                    return
                self.lines += lines.split(b"\n")[:-1]
                heard(share)
                yield np.frombuffer(message, np.uint16, size // 2, _HEAD.size)


def _told(numbers: LineNumbers, texts: Iterator[bytes], shares: list[float]) -> Iterator[bytes]:
    """The messages about more texts, the counts last."""
    known = len(numbers.lines)
    for text in texts:
        rows = numbers.of(text)
        if rows is None:
            yield _GIVEN_UP
            return
        lines = b"".join(line + b"\n" for line in numbers.lines[known:])
        known = len(numbers.lines)
        yield _HEAD.pack(shares[-1], rows.nbytes) + rows.tobytes() + lines
    counts = np.array(numbers.counts, np.int64).tobytes()
    yield _HEAD.pack(-1.0, len(counts)) + counts
