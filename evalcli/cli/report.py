"""``evalcli report``: from saved predictions to a report and a verdict."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.cli.baseline import ReportGates  # noqa: TC001  # typer reads the annotations
from evalcli.cli.deciding_options import DecidingOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.extra_options import ExtraOptions  # noqa: TC001  # typer reads the annotations
from evalcli.cli.flatten import flattened
from evalcli.cli.options import (
    ExecutionOptions,
    Files,
    InputOptions,
    OutputOptions,
    selection,
)
from evalcli.errors import ExitCode
from evalcli.launch import launched

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.drops import Baseline
    from evalcli.evaluation import Measured
    from evalcli.parts import Part
    from evalcli.report import Finding, Report
    from evalcli.sources.base import Scanned, Slicer


@flattened
def report(
    files: Files,
    inputs: InputOptions,
    deciding: DecidingOptions,
    extra: ExtraOptions,
    gating: ReportGates,
    executing: ExecutionOptions,
    output: OutputOptions,
) -> ExitCode:
    """Evaluate PREDS against TARGETS: metrics, confusion matrix, findings and gates.

    Exit code: 0 all gates pass or none was asked, 1 a gate fails, 3 one is inconclusive, 2 no verdict.
    """
    from evalcli.cli.baseline import Asked, find_rival, measured
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.progress import Meter
    from evalcli.cli.saved import read_report
    from evalcli.gates import judge

    ranks = launched(os.environ)
    if ranks is not None:
        from evalcli.cli.ranks import report_by_ranks

        return report_by_ranks(ranks, (files, inputs, deciding, extra, gating, executing, output))
    extras = extra.extras(gating.slice_size)
    rules = gating.rules(extras)
    also = extras.needed(rules)
    choices, execution, names = deciding.choices(), executing.execution(), deciding.names(extras)
    base = gating.baseline_path()
    read = (files.preds, files.targets, deciding.labels, deciding.threshold_path, base, output.config)
    delivery = plan_delivery(output, read, default="rich", parts=True)
    by = tuple(dict.fromkeys((*deciding.by, *extras.slicers(names or (), rules))))
    chosen = selection(inputs, choices, execution.workers, by)

    from evalcli.sources import open_source
    from evalcli.sources.spool import copied

    with Meter(quiet=output.quiet, meanwhile=_import_the_rest) as progress, ExitStack() as held:
        chosen.stdin = copied((files.preds, files.targets), held)
        rival = find_rival(gating, files, replace(chosen, by=()))
        baseline: Report | Baseline | None = read_report(base) if base is not None and rival is None else None
        chosen.cluster = deciding.cluster
        chosen.scan = deciding.scanned(gating.slice_size)
        if chosen.scan is not None:
            chosen.scan = chosen.scan._replace(apart=delivery.takes_part)
        asked = Asked(files, replace(chosen, scan=None), choices, execution, names, also, extras, rules, gating)
        if rival is not None and files.targets is None:
            chosen.id = None  # it pairs the two models
        chosen.partial = delivery.takes_part and not (delivery.reports or rules)
        source = open_source(files.preds, files.targets, chosen, progress.share)
        with closing(source):
            if chosen.partial:
                from evalcli.parts import encode, measure_part

                part = measure_part(source, choices, execution, names, progress, also=also, own=extras.own)
                tell_of_part(part)
                code = delivery.deliver_part(encode(part))
                return ExitCode.NO_VERDICT if tell_failures(part.failures()) else code
            from evalcli.evaluation import evaluate

            kept = _Keeper(wanted=delivery.takes_part)
            if kept.wanted:
                tell_of_ranges(source.slicers, source.scanned)
            seen = None if gating.basis == "interval" else delivery.intervals(names or (), also)
            result = evaluate(
                source, choices, execution, names, progress, also=also, own=extras.own, shown=seen, kept=kept
            )
        result = extras.defined(result, kept.measured)
        if rival is not None:
            baseline = measured(rival, asked, result, progress)
    verdicts = judge(result, rules, baseline, least=gating.slice_size or 1, on=gating.basis)
    code = delivery.deliver(progress.timed(replace(result, gates=verdicts)), kept.part)
    return ExitCode.NO_VERDICT if extras.own and tell_failed(result.findings, baseline) else code


def tell_of_part(part: Part) -> None:
    """Say on standard error what a part that is written alone may not do when it is merged."""
    from evalcli.cli import streams
    from evalcli.parts import told_of_doubt
    from evalcli.renderers.escape import visible

    tell_of_ranges(part.about.slicers, part.about.scanned)
    if text := told_of_doubt(part):
        streams.say(f"evalcli: {visible(text)}")


def tell_of_ranges(slicers: Sequence[Slicer], scanned: Scanned | None) -> None:
    """Say on standard error that a part of these slices merges with no other, before hundreds of them are written."""
    from evalcli.cli import streams
    from evalcli.renderers.escape import visible
    from evalcli.sources.slicing import told_of_ranges

    if text := told_of_ranges(slicers, scanned):
        streams.say(f"evalcli: {visible(text)}")


class _Keeper:
    """Makes a part of what was counted, while its source is still open, if one is to be written."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted, self.part = wanted, b""
        self.measured: Measured | None = None

    def __call__(self, measured: Measured) -> None:
        """Take what was counted."""
        self.measured = measured
        if self.wanted:
            from evalcli.parts import encode, part_of

            self.part = encode(part_of(*measured))


def tell_failed(findings: Iterable[Finding], baseline: Report | Baseline | None = None) -> bool:
    """Say on standard error which of the user's own metrics failed, here or of a ``baseline`` of predictions.

    With one there is no verdict.
    """
    return tell_failures([*failures_in(findings), *getattr(baseline, "failed", ())])


def failures_in(findings: Iterable[Finding]) -> list[str]:
    """Which of the user's own metrics failed."""
    from evalcli.evaluation import METRIC_FAILED

    return [finding.text for finding in findings if finding.code == METRIC_FAILED]


def tell_failures(failures: Iterable[object]) -> bool:
    """Say what failed, and whether anything did."""
    from evalcli.cli import streams
    from evalcli.evaluation import MEND
    from evalcli.renderers.escape import visible

    told = [*map(str, failures)]
    for text in told:
        streams.say(f"evalcli: {visible(text)}; {MEND} [E3]")
    return bool(told)


def _import_the_rest() -> None:
    """What a report needs once its rows are counted: 40 ms that need not wait for the table engine."""
    import evalcli.evaluation
    import evalcli.renderers.terminal  # noqa: F401  # to have it loaded
