"""``evalcli merge``: parts of one report added up, reported and judged."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from evalcli.cli.by_first import by_first
from evalcli.cli.extra_options import ExtraOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.flatten import flattened
from evalcli.cli.gate_options import GateOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.options import OutputOptions  # noqa: TC001  # likewise
from evalcli.errors import ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.parts import Part

Parts = Annotated[
    list[str],
    Argument(
        metavar="PART…",
        help="Parts written with -o PART.evalcli; a pattern in quotes names many, - is standard input.",
    ),
]


@flattened
@by_first
def merge(parts: Parts, *, extra: ExtraOptions, gating: GateOptions, output: OutputOptions) -> ExitCode:
    """Add up PARTs that were written with -o PART.evalcli: the report of all their rows, and its gates.

    Any order, any grouping: -o MERGED.evalcli is a part again. Exit code as of evalcli report.
    """
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.report import tell_failed
    from evalcli.cli.saved import read_report
    from evalcli.gates import judge
    from evalcli.rules import metrics_of

    extras = extra.extras(gating.slice_size)
    rules, base = gating.rules(extras), gating.baseline_path()
    also = extras.needed(rules)
    files = _named(parts)
    delivery = plan_delivery(output, (*files, base, output.config), default="rich", parts=True)
    baseline = read_report(base) if base is not None else None

    from evalcli.merging import check_complete
    from evalcli.merging import merge as add_up
    from evalcli.parts import check_sliced, encode, measured_of_part, report_of_part
    from evalcli.sources.spool import copied

    with ExitStack() as held:
        total = add_up(_read(files, copied(files, held)))
    part = encode(total) if delivery.takes_part else b""
    if not (delivery.reports or rules):
        return delivery.deliver_part(part)
    check_complete(total)
    check_sliced(total, metrics_of(rules))
    result = extras.defined(report_of_part(total, also, own=extras.own), measured_of_part(total, also))
    verdicts = judge(result, rules, baseline, least=gating.slice_size or 1, on=gating.basis)
    code = delivery.deliver(replace(result, gates=verdicts), part)
    return ExitCode.NO_VERDICT if extras.own and tell_failed(result.findings) else code


def _named(parts: Sequence[str]) -> tuple[str, ...]:
    """The files that were named, those of a pattern by name.

    Raises:
        InputError: there is none.

    """
    from glob import glob
    from os.path import lexists

    files = []
    for path in parts:
        found = [path] if lexists(path) or not any(sign in path for sign in "*?[") else sorted(glob(path))  # noqa: PTH207
        if not found:
            raise InputError("no file matches", fix="check the pattern", path=path)
        files += found
    return tuple(files)


def _read(files: Sequence[str], copy: str | None) -> Iterator[Part]:
    """One part after another: only one is held besides the sum. ``copy`` is where standard input lies."""
    from evalcli.partfile import read_bytes
    from evalcli.parts import decode
    from evalcli.sources import STDIN

    for path in files:
        yield decode(read_bytes(copy if path == STDIN and copy is not None else path), path)
