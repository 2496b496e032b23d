"""Processes started as a launcher starts them, one of which may be broken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]


DEADLINE = 120
OWN_VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NO_COLOR",
    "COLUMNS",
)

BROKEN = """
import os, signal, sys, time
from evalcli.distributed import Ranks
real = Ranks.{when}
def broken(self, *args):
    if "{at}" in ("", getattr(args[0], "__name__", "")):
        {what}
    return real(self, *args)
Ranks.{when} = broken
from evalcli.cli import main
main()
"""
"""A rank that is like the others until a method is called, to agree on ``at``; then ``what`` happens to it."""


class Ended(NamedTuple):
    stdout: str
    stderr: str
    code: int


def ranks(
    count: int, *args: object, broken: tuple[int, str] | None = None, stop: bool = False, program: str = ""
) -> list[Ended]:
    """Start ``count`` processes as a launcher does, of evalcli or another ``program``.

    One of them may run one of its own, and is stopped if it hangs.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    started = []
    for rank in range(count):
        env = clean | {
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        head = ["-c", program] if program else ["-m", "evalcli"]
        head = head if broken is None or rank != broken[0] else ["-c", broken[1]]
        command = [sys.executable, *head, *map(str, args)]
        started.append(subprocess.Popen(command, env=env, stdout=-1, stderr=-1, encoding="utf-8"))
    ended: list[Any] = [None] * count
    try:
        for rank in sorted(range(count), key=lambda rank: broken is not None and rank == broken[0]):
            if stop and broken is not None and rank == broken[0]:
                started[rank].kill()
            out, err = started[rank].communicate(timeout=DEADLINE)
            ended[rank] = Ended(out, err, started[rank].returncode)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return ended
