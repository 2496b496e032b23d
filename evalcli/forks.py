"""Processes forked from this one: they have all that it has read so far, and hand back plain data.

Only the command line asks for any: a program that evaluates may have threads and devices that no fork survives.
"""

from __future__ import annotations

import json
import os
import signal
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = TypeVar("A")


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


def each_apart(function: Callable[[A], Any], items: Sequence[A], workers: int) -> list[Any]:
    """What JSON holds of ``function`` of every item, in order, by ``workers`` processes, of which this is one.

    For many steps too small for threads, which would only wait for each other. What another process could not do is
    done again here, where it raises what it raises.
    """
    crew: list[tuple[int, int]] = []
    try:
        for first in range(1, workers):
            answer = os.memfd_create("evalcli-worker")
            pid = forked()
            if not pid:
                code = 1
                try:
                    write_all(answer, json.dumps([function(item) for item in items[first::workers]]).encode())
                    code = 0
                finally:
                    os._exit(code)
            crew.append((pid, answer))
        every = [[function(item) for item in items[::workers]]]
        for first, (pid, answer) in enumerate(crew, 1):
            whole = os.waitpid(pid, 0)[1] == 0
            text = os.pread(answer, os.fstat(answer).st_size, 0)
            every.append(json.loads(text) if whole else [function(item) for item in items[first::workers]])
    finally:
        for pid, answer in crew:
            end_process(pid)
            os.close(answer)
    return [every[place % workers][place // workers] for place in range(len(items))]
