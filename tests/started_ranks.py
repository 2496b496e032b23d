"""Processes started as a launcher starts them, one of which may be broken; and ranks that are threads of this one."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.distributed.ranks import Ranks
from evalcli.distributed.shares import Job, count_together
from evalcli.engine import Execution
from evalcli.errors import EvalError
from evalcli.launch import Launch
from evalcli.parts import report_of_part
from evalcli.renderers.json import render_json
from evalcli.sources.base import Scan, Selection, told_every
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Iterable

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
from evalcli.distributed.ranks import Ranks
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


@cache
def _server() -> subprocess.Popen[str]:
    """The process that forks ranks: one for all tests of this process."""
    command = [sys.executable, str(Path(__file__).with_name("rank_server.py"))]
    server = subprocess.Popen(command, stdin=-1, stdout=-1, encoding="utf-8")

    def end() -> None:
        server.communicate()

    atexit.register(end)
    return server


def _forked(jobs: list[dict[str, Any]], last: int | None) -> list[int]:
    """Run these and give their exit codes; ``last`` is stopped when the others have ended."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(jobs) + "\n")
    server.stdin.flush()
    pids = json.loads(server.stdout.readline())
    codes: dict[int, int] = {}

    def stop(places: Iterable[int]) -> None:
        for place in places:
            if place not in codes:
                os.kill(pids[place], signal.SIGKILL)

    watch = threading.Timer(DEADLINE, lambda: stop(range(len(pids))))
    watch.start()
    try:
        while len(codes) < len(pids):
            if last is not None and len(codes) == len(pids) - 1:
                stop([last])
            place, code = json.loads(server.stdout.readline())
            codes[place] = code
    finally:
        watch.cancel()
    return [codes[place] for place in range(len(pids))]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ranks(
    count: int, *args: object, broken: tuple[int, str] | None = None, stop: bool = False, program: str = ""
) -> list[Ended]:
    """Start ``count`` processes as a launcher does, of evalcli or another ``program``.

    One of them may run one of its own, and is stopped if it hangs. They are forked from one that has imported torch:
    ``test_torchrun`` starts new ones.
    """
    clean = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    clean |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    with tempfile.TemporaryDirectory() as folder:
        jobs: list[dict[str, Any]] = []
        for rank in range(count):
            said = {name: Path(folder, f"{rank}.{name}") for name in ("stdout", "stderr")}
            for path in said.values():
                path.touch()
            own = program if broken is None or rank != broken[0] else broken[1]
            jobs.append(
                {name: str(path) for name, path in said.items()}
                | {"argv0": "-c" if own else "evalcli", "argv": [*map(str, args)], "program": own}
                | {"env": clean | {"RANK": str(rank)}}
            )
        codes = _forked(jobs, broken[0] if stop and broken is not None else None)
        return [
            Ended(*(Path(job[name]).read_text(encoding="utf-8") for name in ("stdout", "stderr")), code)
            for job, code in zip(jobs, codes, strict=True)
        ]


class ThreadRanks(Ranks):
    """Ranks that are threads of this process."""

    def __init__(self, rank: int, size: int, shared: dict[str, Any]) -> None:
        super().__init__(Launch(rank, size))
        self._shared = shared

    def _exchange(self, data: bytes) -> list[bytes]:
        self._shared["replies"][self.rank] = data
        self._shared["barrier"].wait()
        found = list(self._shared["replies"])
        self._shared["barrier"].wait()
        return found

    def _send(self, data: bytes, rank: int) -> None:
        self._shared["sent"][self.rank, rank].put(data)

    def _receive(self, rank: int) -> bytes:
        found: bytes = self._shared["sent"][rank, self.rank].get(timeout=DEADLINE)
        return found


def report_by_threads(count: int, path: Path, *options: str, target: Path | None = None, by_one: bool = False) -> str:
    """What rank 0 of ``count`` would print as JSON, or the error of all of them; only some options are known."""
    by = tuple(value for name, value in pairwise(options) if name == "--by")
    said = dict(pairwise(options))
    shared: dict[str, Any] = {"replies": [b""] * count, "barrier": threading.Barrier(count, timeout=DEADLINE)}
    shared["sent"] = {(i, j): queue.Queue() for i in range(count) for j in range(count)}
    ended: list[Any] = [None] * count

    def work(rank: int) -> None:
        selection = Selection(by=by, where=said.get("--where"), weight=said.get("--weight"))
        if "--scan" in said:
            selection.scan = Scan(told_every([said["--scan"]]), int(said["--min-slice-size"]))
        if "--no-header" in options:
            selection.pred, selection.target, selection.options = "column1", "column2", {"header": False}
        job = Job(
            str(path), None if target is None else str(target), selection, Choices(), Execution(workers=1), None, ()
        )
        try:
            ended[rank] = count_together(ThreadRanks(rank, count, shared), job)
        except BaseException as e:
            ended[rank] = e
            if not isinstance(e, EvalError):
                shared["barrier"].abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bugs = [one for one in ended if isinstance(one, BaseException) and not isinstance(one, EvalError)]
    assert not bugs, bugs
    if isinstance(ended[0], EvalError):
        assert {str(one) for one in ended} == {str(ended[0])}
        return str(ended[0])
    assert ended[1:] == [None] * (count - 1)
    assert bool(ended[0].alone) is by_one
    try:
        return render_json(report_of_part(ended[0].part))
    except EvalError as e:
        return str(e)
