"""Processes forked from this one: they have all that it has read so far, and hand back plain data.

Only the command line asks for any: a program that evaluates may have threads and devices that no fork survives.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

A = TypeVar("A")

_TURN = 8
"""Bytes by which a process is told which items are next."""
_MOST_TURNS = 512
"""So many fit into any pipe: they are all written before there is anyone to read them."""


def can_fork() -> bool:
    """Whether this system has what it takes."""
    return hasattr(os, "fork") and hasattr(os, "memfd_create") and hasattr(os, "preadv")


def forked() -> int:
    """The number of a new process, 0 in this process itself, which must leave by ``os._exit``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, of which none holds anything a worker needs
        pid = os.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes to all of them; the first one decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return pid


def end_process(pid: int) -> None:
    """End a process, if it has not ended."""
    with suppress(ChildProcessError):  # it was waited for already
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def write_all(file: int, data: Any) -> None:
    """Every byte of a buffer."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


_HEAD = 8
"""Bytes that tell how long the message behind them is."""
_END = b"\xff" * _HEAD
_WIDE = 1 << 20
"""Bytes that a pipe should hold, so that who writes need not wait for who reads."""
_one_at_a_time = threading.Lock()


def messages_of(made: Iterable[bytes]) -> Generator[bytes]:
    """What a process makes that is forked for it, in order, while this one does something else.

    Several threads may each ask for one. What ``made`` will import should be imported before: a thread that was in the
    middle of it is not there to end it.

    Raises: ``ChildProcessError`` where the process has not come to the end.
    """
    from fcntl import F_SETPIPE_SZ, fcntl

    with _one_at_a_time:  # or another process would hold this one's pipe open
        reads, writes = os.pipe()
        with suppress(OSError):  # less will do
            fcntl(writes, F_SETPIPE_SZ, _WIDE)
        pid = forked()
        if not pid:
            _hand_on(made, writes)
        os.close(writes)
    try:
        with os.fdopen(reads, "rb") as messages:
            while (head := messages.read(_HEAD)) != _END:
                size = int.from_bytes(head, "little")
                message = messages.read(size)
                if len(head) < _HEAD or len(message) < size:
                    raise ChildProcessError("a process ended before its work was done")
                yield message
    finally:
        end_process(pid)


def _hand_on(made: Iterable[bytes], writes: int) -> None:
    """Write all of it, and leave."""
    code = 1
    try:
        for message in made:
            write_all(writes, len(message).to_bytes(_HEAD, "little"))
            write_all(writes, message)
        write_all(writes, _END)
        code = 0
    finally:
        os._exit(code)


class Apart(Generic[A]):
    """What JSON holds of ``function`` of every item, by ``workers`` processes, of which this is one.

    For many steps too small for threads, which would only wait for each other. The others begin at once, this one when
    it is asked for ``results``; each takes the next items whenever it is free. What another process could not do is
    done again here, where it raises what it raises.
    """

    def __init__(self, function: Callable[[A], Any], items: Sequence[A], workers: int) -> None:
        self._function, self._items = function, items
        self._step = max(1, -(-len(items) // _MOST_TURNS))
        self._turns, last = os.pipe()
        os.write(last, b"".join(start.to_bytes(_TURN, "little") for start in self._starts))
        os.close(last)  # so that whoever finds none is done
        self._crew: list[tuple[int, int]] = []
        try:
            for _ in range(workers - 1):
                self._start()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def results(self) -> list[Any]:
        """Those of all items, in order."""
        found = dict(self._taken())
        for pid, answer in self._crew:
            if os.waitpid(pid, 0)[1] == 0:
                found |= dict(json.loads(os.pread(answer, os.fstat(answer).st_size, 0)))
        for start in self._starts:
            if start not in found:
                found[start] = self._of(start)
        return [one for start in self._starts for one in found[start]]

    def end(self) -> None:
        """Let no other process go on."""
        for pid, answer in self._crew:
            end_process(pid)
            os.close(answer)
        os.close(self._turns)

    @property
    def _starts(self) -> range:
        return range(0, len(self._items), self._step)

    def _start(self) -> None:
        """One more process."""
        answer = os.memfd_create("evalcli-worker")
        pid = forked()
        if pid:
            self._crew.append((pid, answer))
            return
        code = 1
        try:
            write_all(answer, json.dumps(list(self._taken())).encode())
            code = 0
        finally:
            os._exit(code)

    def _taken(self) -> Iterator[tuple[int, list[Any]]]:
        """What this process does: the numbers of the first items that it took, and what came of them."""
        while turn := os.read(self._turns, _TURN):
            start = int.from_bytes(turn, "little")
            yield start, self._of(start)

    def _of(self, start: int) -> list[Any]:
        return [self._function(item) for item in self._items[start : start + self._step]]
