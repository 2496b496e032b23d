"""The end of a command that has a report: files, standard output, the verdict, the exit code.

Everything but JSON, which may be long, is rendered before the first byte is written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from evalcli.cli import streams
from evalcli.cli.output import PART, check_outputs, write_outputs
from evalcli.errors import ExitCode, OutputError
from evalcli.gates import exit_code
from evalcli.renderers import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from evalcli.cli.options import OutputOptions
    from evalcli.cli.output import Target
    from evalcli.counting import Shown
    from evalcli.report import Report


_FEW_IN_SLICES = frozenset({"rich", "html", "markdown"})
"""The formats that show a few metrics of every slice; others hold all of them."""


class Delivery(NamedTuple):
    """Where a report goes: checked before the work, used after it. ``format`` is ``None`` for nothing on stdout."""

    targets: tuple[Target, ...]
    format: str | None
    quiet: bool

    @property
    def takes_part(self) -> bool:
        """Whether one of the files is a part."""
        return any(target.format == PART for target in self.targets)

    @property
    def reports(self) -> bool:
        """Whether anything but parts is written or printed."""
        return self.format is not None or any(target.format != PART for target in self.targets)

    def intervals(self, asked: Collection[str], gated: Collection[str] = ()) -> Shown | None:
        """The metrics that anyone will see, given those ``asked`` for and ``gated``; ``None``: all that there are.

        A part holds all that slices have, whatever is printed beside it. Verdicts say their intervals in any case.
        """
        forms = {self.format, *(target.format for target in self.targets)} - {None, PART}
        if forms - _FEW_IN_SLICES:
            return None
        from evalcli.addresses import made_of
        from evalcli.counting import Shown
        from evalcli.metrics.registry import parse
        from evalcli.renderers.contents import HEADLINES, SLICE_COLUMNS

        asked = gated if not forms else (*asked, *gated)
        named = frozenset((*asked, *(name for one in map(parse, asked) for name in made_of(one))))
        if not forms:
            return Shown(named, named, None if self.takes_part else frozenset())
        first = {columns[0] for columns in SLICE_COLUMNS.values()}
        listed = named.union(*SLICE_COLUMNS.values())
        of_all = named | HEADLINES if forms == {"rich"} else None
        return Shown(of_all, named | first, None if self.takes_part else listed)

    def deliver(self, report: Report, part: bytes = b"") -> ExitCode:
        """Write the files, of which some may be a ``part``, print the report and the verdict.

        Raises:
            OutputError: a file or standard output takes no more; no file is left half written.

        """
        from evalcli.renderers import pieces

        contents = [
            (target, part if target.format == PART else pieces(report, target.format)) for target in self.targets
        ]
        printed = None if self.format is None else _printed(report, self.format)
        write_outputs(contents)
        if printed is not None:
            streams.emit_pieces(printed)
        told = not self.quiet or any(verdict.status != "pass" for verdict in report.gates)
        if report.gates and told and sys.stderr is not None:
            from evalcli.renderers.terminal import render_verdict

            streams.say(streams.draw(render_verdict(report.gates), sys.stderr))
        return exit_code(report.gates)

    def deliver_part(self, part: bytes) -> ExitCode:
        """Write the files of a ``part``, where nothing else was asked for: no report, no verdict.

        Raises:
            OutputError: a file takes no more.

        """
        write_outputs([(target, part) for target in self.targets])
        return ExitCode.PASS


def plan_delivery(
    options: OutputOptions,
    inputs: Iterable[str | None],
    default: str | None,
    suffixes: Mapping[str, str] = SUFFIXES,
    *,
    parts: bool = False,
) -> Delivery:
    """Check every output now, so that nothing fails for it after the work.

    ``suffixes`` say how files are written; ``parts`` may be among them or not.

    Raises:
        UsageError: an output that cannot be meant.
        OutputError: a folder that takes no file, or a closed standard output where nothing else was asked for.

    """
    form = options.format or default
    files = ["/dev/stdin" if path == "-" else path for path in inputs if path is not None]  # a link to what it is
    targets = check_outputs(options.output, files, form or "json", suffixes, parts=parts)
    if streams.output_is_closed():
        if form is not None and not targets and not options.quiet:
            raise OutputError("standard output is closed", fix="write to a file with -o FILE")
        form = None
    return Delivery(targets, None if options.quiet else form, options.quiet)


def _printed(report: Report, form: str) -> Iterable[str]:
    if form != "rich":
        from evalcli.renderers import pieces

        return pieces(report, form)
    from evalcli.renderers.terminal import render_terminal

    return (streams.draw(render_terminal(report), sys.stdout),)
