"""Run a command as a whole process: wall time and peak memory.

The measuring process must stay small: Linux counts what a parent held when it started a child as the child's own peak.
Nothing here imports more than the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class RaceError(Exception):
    """A side did not finish, or the two did not compute the same."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: seconds, peak resident bytes, and what it wrote to stdout."""

    seconds: float
    peak: int
    stdout: str


def run(argv: tuple[str, ...]) -> Run:
    """Run ``argv`` to its end, output to files so that no pipe holds it up."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = perf_counter()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            tail = err.read().decode(errors="replace").strip()[-2000:]
            raise RaceError(f"{' '.join(argv)}: exit {process.returncode}\n{tail}")
        return Run(seconds, usage.ru_maxrss * RSS_UNIT, out.read().decode())


def tree_peak(argv: tuple[str, ...]) -> int:
    """The most bytes that a command and the processes it starts hold at once, as far as looking every 5 ms tells.

    Pages that they share count once. Where the system does not say, its own peak alone.
    """
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        peak = 0
        while True:
            pid, _, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = 0
                return max(peak, usage.ru_maxrss * RSS_UNIT)
            peak = max(peak, _held(process.pid))
            sleep(0.005)


def _held(pid: int) -> int:
    """The proportional share of memory of a process and all that came from it."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):  # it has just ended, or there is no such system
        return total
    return total + sum(_held(int(child)) for child in children)


@dataclass(frozen=True, slots=True)
class Side:
    """The medians of one side's runs."""

    seconds: float
    peak: int


def middle(runs: list[Run]) -> Side:
    """Return the median time and the median peak."""
    return Side(median(r.seconds for r in runs), int(median(r.peak for r in runs)))


def alternate(first: tuple[str, ...], second: tuple[str, ...], rounds: int) -> tuple[Side, Side]:
    """Run A B A B …, so that a machine that warms up or is disturbed does so for both."""
    ours: list[Run] = []
    theirs: list[Run] = []
    for _ in range(rounds):
        ours.append(run(first))
        theirs.append(run(second))
    return middle(ours), middle(theirs)
