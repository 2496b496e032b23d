"""``evalcli report`` as one of several processes: all count, the first one prints, and its exit code is everyone's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from evalcli.cli import streams
from evalcli.cli.baseline import Asked, find_rival, measured
from evalcli.cli.deliver import plan_delivery
from evalcli.cli.options import selection
from evalcli.cli.progress import Meter
from evalcli.cli.report import tell_failed, tell_failures, tell_of_part, tell_of_ranges
from evalcli.cli.saved import read_report
from evalcli.distributed.ranks import LostError, Ranks
from evalcli.distributed.shares import Job, count_together
from evalcli.errors import EvalError, ExitCode
from evalcli.gates import judge
from evalcli.parts import encode, measured_of_part, report_of_part

if TYPE_CHECKING:
    from evalcli.cli.baseline import ReportGates
    from evalcli.cli.deciding_options import DecidingOptions
    from evalcli.cli.deliver import Delivery
    from evalcli.cli.extra_options import ExtraOptions
    from evalcli.cli.models import Side
    from evalcli.cli.options import (
        ExecutionOptions,
        Files,
        InputOptions,
        OutputOptions,
    )
    from evalcli.distributed.shares import Counted
    from evalcli.drops import Baseline
    from evalcli.extras import Extras
    from evalcli.launch import Launch
    from evalcli.report import Report
    from evalcli.rules import Basis, Rule
    from evalcli.sources.base import Selection

    Groups = tuple[Files, InputOptions, DecidingOptions, ExtraOptions, ReportGates, ExecutionOptions, OutputOptions]


_PART, _RIVAL = b"p", b"r"
"""That a part is to be written, and that drops count from the predictions of another model."""


class Wanted(NamedTuple):
    """What was typed; ``delivery`` and what follows belong to rank 0.

    Drops count from the ``baseline``, or from the predictions of a ``rival``, with all that was ``asked``.
    """

    job: Job
    rules: tuple[Rule, ...]
    extras: Extras
    gate_on: Basis = "point"
    least: int = 1
    delivery: Delivery | None = None
    baseline: Report | None = None
    rival: Side | None = None
    asked: Asked | None = None

    @property
    def told(self) -> bytes:
        """What the other ranks must know of it."""
        takes_part = self.delivery is not None and self.delivery.takes_part
        return (_PART if takes_part else b"") + (_RIVAL if self.rival is not None else b"")


def report_by_ranks(launch: Launch, groups: Groups) -> ExitCode:
    """The report of the whole input, by all processes of a launch.

    Raises:
        EvalError: in rank 0, which says it for all.

    """
    _, _, _, _, _, executing, output = groups
    try:
        with Ranks(launch, executing.timeout) as ranks:
            wanted: list[Wanted] = []

            def understand() -> bytes:
                wanted.append(_understood(groups, first=ranks.rank == 0))
                return wanted[0].told

            told, chosen = b"".join(ranks.agree(understand)), wanted[0].job.selection
            _search_apart(chosen, apart=_PART in told)
            if _RIVAL in told and wanted[0].job.target is None:
                chosen.id = None  # it pairs the two models
            with Meter(quiet=output.quiet or ranks.rank > 0) as progress:
                counted = count_together(ranks, wanted[0].job, progress)
            return _told(ranks, counted, wanted[0])
    except EvalError as e:
        if launch.rank == 0:
            raise
        if isinstance(e, LostError):  # rank 0 may be the one that is gone; standard output stays its own
            streams.say(f"evalcli: {e}")
        return ExitCode.NO_VERDICT


def _understood(groups: Groups, *, first: bool) -> Wanted:
    files, inputs, deciding, extra, gating, executing, output = groups
    extras = extra.extras(gating.slice_size)
    rules = gating.rules(extras)
    also = extras.needed(rules)
    choices, execution, names = deciding.choices(), executing.execution(), deciding.names(extras)
    by = tuple(dict.fromkeys((*deciding.by, *extras.slicers(names or (), rules))))
    chosen = selection(inputs, choices, execution.workers, by)
    chosen.cluster = deciding.cluster
    chosen.scan = deciding.scanned(gating.slice_size)
    job = Job(files.preds, files.targets, chosen, choices, execution, names, also, extras.own)
    if not first:
        return Wanted(job, rules, extras)
    base = gating.baseline_path()
    read = (files.preds, files.targets, deciding.labels, deciding.threshold_path, base, output.config)
    delivery = plan_delivery(output, read, default="rich", parts=True)
    rival = find_rival(gating, files, replace(chosen, by=()))
    before = read_report(base) if base is not None and rival is None else None
    asked = Asked(files, replace(chosen, scan=None), choices, execution, names, also, extras, rules, gating)
    return Wanted(job, rules, extras, gating.basis, gating.slice_size or 1, delivery, before, rival, asked)


def _search_apart(chosen: Selection, *, apart: bool) -> None:
    """Of rows whose part will be added to others, all values are counted."""
    if chosen.scan is not None:
        chosen.scan = chosen.scan._replace(apart=apart)


def _told(ranks: Ranks, counted: Counted | None, wanted: Wanted) -> ExitCode:
    """Print in rank 0; whatever comes of it is the end of all of them."""

    def deliver() -> ExitCode:
        assert counted is not None
        assert wanted.delivery is not None
        return _delivered(ranks, counted, wanted, wanted.delivery)

    return ranks.in_first(deliver)


def _delivered(ranks: Ranks, counted: Counted, wanted: Wanted, delivery: Delivery) -> ExitCode:
    if counted.alone and not delivery.quiet:
        streams.say(
            f"evalcli: {counted.alone}, so rank 0 has read it all; {ranks.size} ranks share tensor files, Parquet, "
            "and plain UTF-8 text by rows, other tables by their files"
        )
    part = encode(counted.part) if delivery.takes_part else b""
    if not (delivery.reports or wanted.rules):
        tell_of_part(counted.part)
        code = delivery.deliver_part(part)
        return ExitCode.NO_VERDICT if tell_failures(counted.part.failures()) else code
    if part:
        tell_of_ranges(counted.part.about.slicers, counted.part.about.scanned)
    own = wanted.extras.own
    report = replace(report_of_part(counted.part, wanted.job.also, counted.run.workers, own), run=counted.run)
    report = wanted.extras.defined(report, measured_of_part(counted.part, wanted.job.also, counted.run.workers))
    baseline: Report | Baseline | None = wanted.baseline
    if wanted.rival is not None and wanted.asked is not None:
        with Meter(quiet=delivery.quiet) as progress:
            baseline = measured(wanted.rival, wanted.asked, report, progress)
    verdicts = judge(report, wanted.rules, baseline, least=wanted.least, on=wanted.gate_on)
    code = delivery.deliver(replace(report, gates=verdicts), part)
    return ExitCode.NO_VERDICT if own and tell_failed(report.findings, baseline) else code
