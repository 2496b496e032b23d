"""What a run of the races says: lines for the terminal, and the page that the README shows."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Side

PACKAGES = ("evalcli", "numpy", "torch", "torchmetrics", "scikit-learn", "pandas", "duckdb", "polars")
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """A finished race; ``goal`` is a ratio, ``limit`` a time in seconds.

    ``floor`` is the time to start Python and to read the files with ``cat``.
    """

    title: str
    peer: str
    ours: Side
    theirs: Side
    goal: float | None
    floor: float | None
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """Our time over the peer's."""
        return self.ours.seconds / self.theirs.seconds

    @property
    def missed(self) -> bool:
        """Whether a promise was not kept."""
        too_slow = self.limit is not None and self.ours.seconds > self.limit
        return too_slow or (self.goal is not None and self.ratio > self.goal)

    @property
    def promise(self) -> str:
        """The goal in words, empty where there is none."""
        return f"{self.limit:g} s" if self.limit is not None else "" if self.goal is None else f"{self.goal:g}"


@dataclass(frozen=True, slots=True)
class Peak:
    """Peak resident memory of evalcli on the same kind of input at two sizes."""

    kind: str
    small_rows: int
    small: int
    large_rows: int
    large: int


def installed(name: str) -> str:
    """Return ``name version``, or an empty text where it is not installed."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """Return the model of the processor as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """Return one line about what the races ran on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = ", ".join(filter(None, map(installed, PACKAGES)))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def line(result: Result) -> str:
    """Return one race for the terminal."""
    goal = f"  goal {result.promise} {'MISSED' if result.missed else 'met'}" if result.promise else ""
    floor = "" if result.floor is None else f"  floor {result.floor:.2f} s"
    return (
        f"{result.title:38} {result.ours.seconds:7.2f} s {result.ours.peak // MIB:5d} MiB   "
        f"{result.peer:22} {result.theirs.seconds:7.2f} s {result.theirs.peak // MIB:5d} MiB   "
        f"ratio {result.ratio:.3f}{goal}{floor}"
    )


def row(result: Result) -> str:
    """Return one race as a row of the page."""
    goal = f"≤ {result.promise}" if result.promise else ""
    floor = "" if result.floor is None else f"{result.floor:.2f} s"
    return (
        f"| {result.title} | {result.peer} | {result.ours.seconds:.2f} s | {result.theirs.seconds:.2f} s | "
        f"**{result.ratio:.3f}** | {goal} | {floor} | {result.ours.peak // MIB} | {result.theirs.peak // MIB} |"
    )


def markdown(results: list[Result], peaks: list[Peak]) -> str:
    """Return the page: the races, the memory, the machine."""
    lines = [
        "| What | Peer | evalcli | Peer | Ratio | Goal | Floor | MiB, evalcli | MiB, peer |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
        *map(row, results),
        "",
    ]
    if peaks:
        shown = "; ".join(
            f"{p.kind} {p.small // MIB} MiB at {p.small_rows:,} rows, {p.large // MIB} MiB at {p.large_rows:,}"
            for p in peaks
        )
        lines += [f"Peak memory of evalcli at two sizes: {shown}.", ""]
    lines += [f"Measured {machine()}."]
    return "\n".join(lines) + "\n"


def insert(readme: Path, page: str) -> None:
    """Put the page between the README's two markers."""
    text = readme.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{readme}: the markers {BEGIN} and {END} are missing")
    readme.write_text(f"{head}{BEGIN}\n{page}{END}{tail}", encoding="utf-8")
