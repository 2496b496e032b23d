"""``evalcli report``: from saved predictions to a report and a verdict."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.cli.extra_options import ExtraOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.flatten import flattened
from evalcli.cli.options import (
    DecidingOptions,
    ExecutionOptions,
    Files,
    GateOptions,
    InputOptions,
    OutputOptions,
    selection,
)
from evalcli.errors import ExitCode  # typer reads the annotations

if TYPE_CHECKING:
    from evalcli.report import Report


@flattened
def report(
    files: Files,
    inputs: InputOptions,
    deciding: DecidingOptions,
    extra: ExtraOptions,
    gating: GateOptions,
    executing: ExecutionOptions,
    output: OutputOptions,
) -> ExitCode:
    """Evaluate PREDS against TARGETS: metrics, confusion matrix, findings and gates.

    Exit code: 0 all gates pass or none was asked, 1 a gate fails, 2 no verdict.
    """
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.progress import Meter
    from evalcli.cli.saved import read_report
    from evalcli.gates import judge

    extras = extra.extras()
    rules = gating.rules(extras)
    choices, execution, names = deciding.choices(), executing.execution(), deciding.names()
    base = gating.baseline_path()
    read = (files.preds, files.targets, deciding.labels, deciding.threshold_path, base, output.config)
    delivery = plan_delivery(output, read, default="rich")
    baseline = read_report(base) if base is not None else None

    from evalcli.sources import open_source

    with Meter(quiet=output.quiet, meanwhile=_import_the_rest) as progress:
        source = open_source(files.preds, files.targets, selection(inputs, choices, execution.workers), progress.share)
        with closing(source):
            from evalcli.evaluation import evaluate

            also = extras.needed(rules)
            result = evaluate(source, choices, execution, names, progress, also=also, own=extras.own)
    result = extras.defined(result)
    code = delivery.deliver(progress.timed(replace(result, gates=judge(result, rules, baseline))))
    return ExitCode.NO_VERDICT if extras.own and _tell_failed(result) else code


def _tell_failed(report: Report) -> bool:
    """Say on standard error which of the user's own metrics failed: with one there is no verdict."""
    from evalcli.cli import streams
    from evalcli.evaluation import METRIC_FAILED
    from evalcli.renderers.escape import visible

    failed = [finding for finding in report.findings if finding.code == METRIC_FAILED]
    for finding in failed:
        streams.say(f"evalcli: {visible(finding.text)}; {finding.fix} [E3]")
    return bool(failed)


def _import_the_rest() -> None:
    """What a report needs once its rows are counted: 40 ms that need not wait for the table engine."""
    import evalcli.evaluation
    import evalcli.renderers.terminal  # noqa: F401  # to have it loaded
