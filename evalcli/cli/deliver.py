"""The end of a command that has a report: files, standard output, the verdict, the exit code.

Everything is rendered before the first byte is written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from evalcli.cli import streams
from evalcli.cli.output import check_outputs, write_outputs
from evalcli.errors import ExitCode, OutputError
from evalcli.gates import exit_code
from evalcli.renderers import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from evalcli.cli.options import OutputOptions
    from evalcli.cli.output import Target
    from evalcli.report import Report


class Delivery(NamedTuple):
    """Where a report goes: checked before the work, used after it. ``format`` is ``None`` for nothing on stdout."""

    targets: tuple[Target, ...]
    format: str | None
    quiet: bool

    def intervals(self, asked: Collection[str]) -> frozenset[str] | None:
        """The metrics whose intervals anyone will see, given those ``asked`` for; ``None``: all that there are."""
        forms = {self.format, *(target.format for target in self.targets)} - {None}
        if forms - {"rich"}:
            return None
        from evalcli.renderers.wording import HEADLINES

        return frozenset((*HEADLINES, *asked)) if forms else frozenset()

    def deliver(self, report: Report) -> ExitCode:
        """Write the files, print the report and the verdict.

        Raises:
            OutputError: a file or standard output takes no more; no file is left half written.

        """
        from evalcli.renderers import render

        contents = [(target, render(report, target.format)) for target in self.targets]
        printed = None if self.format is None else _printed(report, self.format)
        write_outputs(contents)
        if printed is not None:
            streams.emit(printed)
        told = not self.quiet or any(verdict.status != "pass" for verdict in report.gates)
        if report.gates and told and sys.stderr is not None:
            from evalcli.renderers.terminal import render_verdict

            streams.say(streams.draw(render_verdict(report.gates), sys.stderr))
        return exit_code(report.gates)


def plan_delivery(
    options: OutputOptions,
    inputs: Iterable[str | None],
    default: str | None,
    suffixes: Mapping[str, str] = SUFFIXES,
) -> Delivery:
    """Check every output now, so that nothing fails for it after the work; ``suffixes`` say how files are written.

    Raises:
        UsageError: an output that cannot be meant.
        OutputError: a folder that takes no file, or a closed standard output where nothing else was asked for.

    """
    form = options.format or default
    files = ["/dev/stdin" if path == "-" else path for path in inputs if path is not None]  # a link to what it is
    targets = check_outputs(options.output, files, form or "json", suffixes)
    if streams.output_is_closed():
        if form is not None and not targets and not options.quiet:
            raise OutputError("standard output is closed", fix="write to a file with -o FILE")
        form = None
    return Delivery(targets, None if options.quiet else form, options.quiet)


def _printed(report: Report, form: str) -> str:
    if form != "rich":
        from evalcli.renderers import render

        return render(report, form)
    from evalcli.renderers.terminal import render_terminal

    return streams.draw(render_terminal(report), sys.stdout)
