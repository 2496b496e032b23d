"""A progress bar for work beyond a second, on a terminal; and how far the work was, for whoever stops it."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from evalcli.cli import streams
from evalcli.cli.failure import Interrupted
from evalcli.errors import several

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from evalcli.report import Report

PATIENCE = 1.0
"""Seconds of work before a bar is worth its import."""


class Meter:
    """Takes ``(done, total)`` from the engine, from any thread; shows rows, rate and time left.

    ``meanwhile`` is called once, while the table engine counts and nothing else is to be done.
    """

    def __init__(self, *, quiet: bool = False, meanwhile: Callable[[], None] | None = None) -> None:
        self._meanwhile = meanwhile
        self.done = 0
        self.total: int | None = None
        self._of = ""
        self._shown = not quiet and streams.is_terminal(sys.stderr)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Take note of ``done`` of ``total`` rows."""
        self.done, self.total, self._of = done, total, ""
        self._show(done, total)

    def share(self, done: float, rows: int, of: str = "") -> None:
        """Take note of the share that is done, 0 to 1, of work whose rows are counted on the way.

        They are rows ``of`` something, where that must be said: `` of both models``.
        """
        self.done, self._of = rows, of
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:  # another thread is at work, and this one would only wait
            meanwhile()
        self._show(done, 1.0)

    def _show(self, done: float, total: float | None) -> None:
        if not self._shown or time.monotonic() - self._started < PATIENCE:
            return
        rows = several(self.done, "row") if self.done else ""
        with self._lock:
            if self._bar is None:
                self._start()
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=done, total=total, rows=rows, rate=self._rate() if rows else "")

    def hide(self) -> None:
        """Take the bar away for good: the result is about to be written, perhaps to the same screen."""
        self._shown = False
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def timed(self, report: Report) -> Report:
        """The report with the seconds that all of it took, opening the files included."""
        if report.run is None:
            return report
        return replace(report, run=replace(report.run, seconds=time.monotonic() - self._started))

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()
        if isinstance(error, KeyboardInterrupt) and not isinstance(error, Interrupted):
            raise Interrupted(self.done, self.total, self._of) from error

    def _rate(self) -> str:
        """Rows a second, over the whole run: steadier than the last moment."""
        rate = self.done / max(time.monotonic() - self._started, 1e-9)
        return f"{rate / 1e6:.1f}M rows/s" if rate >= 1e6 else f"{rate:,.0f} rows/s"

    def _start(self) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        from evalcli.renderers.terminal import console

        rows = TextColumn("{task.fields[rows]}", markup=False)
        rate = TextColumn("{task.fields[rate]}", markup=False)
        columns = (BarColumn(bar_width=30), TaskProgressColumn(), rows, rate, TimeRemainingColumn())
        self._bar = Progress(*columns, console=console(sys.stderr), transient=True)
        self._task = self._bar.add_task("", total=self.total, rows="", rate="")
        self._bar.start()
