"""One process that has imported what a rank needs, and forks each rank: importing torch takes a rank two seconds.

It reads jobs from its standard input, a line of JSON each: a list of what to run, with ``argv``, ``env``, the names of
files for ``stdout`` and ``stderr`` and, in place of evalcli, a ``program``. It answers with the process ids, and then
with the place in the list and the exit code of each that has ended.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from typing import Any

import torch.distributed  # noqa: F401

import evalcli.cli.report
import evalcli.distributed.shares  # noqa: F401


def become(one: dict[str, Any]) -> None:
    """Turn this process into one that was started so."""
    os.environ.clear()
    os.environ.update(one["env"])
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (one["stdout"], os.O_WRONLY), (one["stderr"], os.O_WRONLY))
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [one["argv0"], *one["argv"]]


def tell(numbers: list[int]) -> None:
    """Answer with a line."""
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


def next_job() -> dict[str, Any] | None:
    """Serve until there are no more jobs, and give nothing; or, in a process that was forked, what it is to be."""
    for line in sys.stdin:
        held = {}
        for place, one in enumerate(json.loads(line)):
            pid = os.fork()
            if not pid:
                become(one)
                return dict(one)
            held[pid] = place
        tell([*held])
        while held:
            pid, status = os.wait()
            tell([held.pop(pid), os.waitstatus_to_exitcode(status)])
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = next_job()
    if job is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if job["program"]:
            exec(compile(job["program"], "<string>", "exec"), {"__name__": "__main__"})  # as python -c does
        else:
            runpy.run_module("evalcli", run_name="__main__", alter_sys=True)
