"""The report on a screen, in a pipe, and as a text file.

Pure: the same report and the same screen give the same text, and nothing here asks whether there is a terminal; that is
decided once, in ``console``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TextIO

from rich.console import Console

from evalcli.renderers.screen import Screen
from evalcli.renderers.sections import report_lines, verdict_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import ConsoleOptions, RenderResult

    from evalcli.report import Report, Verdict

_UNBOUNDED = 100_000
"""Cells a line may take where nobody looks through a window: nothing is cut in a pipe or a file."""


class ReportView(NamedTuple):
    """A report as rich shows it."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, drawn for this console."""
        yield from report_lines(self.report, Screen.of(console, options))


class VerdictView(NamedTuple):
    """The gates as rich shows them."""

    gates: tuple[Verdict, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, drawn for this console."""
        yield from verdict_lines(self.gates, Screen.of(console, options))


def render_terminal(report: Report) -> ReportView:
    """The report for a console made by ``console``; without the gates, which go to another stream."""
    return ReportView(report)


def render_verdict(gates: tuple[Verdict, ...]) -> VerdictView:
    """Every gate with its value, its bound and its status as a word."""
    return VerdictView(gates)


def plain(report: Report, width: int | None = None) -> str:
    """The whole report, gates included, as text without colour; ``None`` takes the width that the content needs."""
    screen = Screen(width or _UNBOUNDED)
    lines = [*report_lines(report, screen), *verdict_lines(report.gates, screen)]
    return "".join(f"{line.plain}\n" for line in lines)


def plain_verdict(gates: tuple[Verdict, ...]) -> str:
    """The gates as text without colour, in the width that they need."""
    return "".join(f"{line.plain}\n" for line in verdict_lines(gates, Screen(_UNBOUNDED)))


def console(
    stream: TextIO,
    width: int | None = None,
    color: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Console:
    """A console that shows text as it is, in colour only where that is wanted.

    Colour: ``color``, else off by ``NO_COLOR``, else on by ``FORCE_COLOR`` (each when not empty), else on a terminal.
    Without colour no style code of any kind is written. Width: ``width``, else ``COLUMNS``, else the terminal's; in a
    pipe as much as the content needs. A character that the stream cannot show becomes an escape instead of an error.
    """
    terminal = stream.isatty()
    if color is None:
        color = not environ.get("NO_COLOR") and (environ.get("FORCE_COLOR", "0") not in {"", "0"} or terminal)
    columns = environ.get("COLUMNS", "")
    if width is None and columns.isdecimal() and int(columns) > 0:
        width = int(columns)
    if width is None and not terminal:
        width = _UNBOUNDED
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    terms = {key: environ[key] for key in ("TERM", "COLORTERM") if key in environ}
    if color and not terminal and terms.get("TERM", "dumb") in {"dumb", "unknown"}:
        terms["TERM"] = "xterm-256color"  # colour was asked for by name
    return Console(
        file=stream,
        width=width,
        force_terminal=color or terminal,
        color_system="auto" if color else None,
        no_color=not color,
        markup=False,
        highlight=False,
        emoji=False,
        force_jupyter=False,
        _environ=terms,
    )
