"""``evalcli gate``: rules on a saved report."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from evalcli.cli.by_first import by_first
from evalcli.cli.flatten import flattened
from evalcli.cli.gate_options import GateOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.options import OutputOptions  # noqa: TC001  # likewise
from evalcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from evalcli.report import Report

Saved = Annotated[str, Argument(metavar="REPORT.json", help="A report saved with -o FILE.json; - is standard input.")]


@flattened
@by_first
def gate(saved: Saved, *, gating: GateOptions, output: OutputOptions) -> ExitCode:
    """Judge a saved report by gates, without evaluating again.

    Exit code: 0 all gates pass, 1 a gate fails, 3 one is inconclusive, 2 no verdict. Prints the report only with
    --format.
    """
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.saved import read_report
    from evalcli.gates import judge

    held = _Held(saved)
    rules = gating.rules(held)
    if not rules:
        raise UsageError("there is no gate to judge by", fix="add one, as in --min accuracy=0.9")
    base = gating.baseline_path()
    delivery = plan_delivery(output, (saved, base, output.config), default=None)
    report = held.report
    baseline = read_report(base) if base is not None else None
    return delivery.deliver(
        replace(report, gates=judge(report, rules, baseline, least=gating.slice_size or 1, on=gating.basis))
    )


class _Held:
    """The metrics of a saved report, read when a rule names one that the registry does not have."""

    def __init__(self, path: str) -> None:
        self.path = path

    @cached_property
    def report(self) -> Report:
        """The report."""
        from evalcli.cli.saved import read_report

        return read_report(self.path)

    def __contains__(self, name: object) -> bool:
        from evalcli.addresses import holds

        return holds(self.report, str(name))
