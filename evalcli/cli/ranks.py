"""``evalcli report`` as one of several processes: all count, the first one prints, and its exit code is everyone's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from evalcli.cli import streams
from evalcli.cli.baseline import find_rival
from evalcli.cli.deliver import plan_delivery
from evalcli.cli.options import selection
from evalcli.cli.progress import Meter
from evalcli.cli.report import tell_failed, tell_failures, tell_of_part, tell_of_ranges
from evalcli.cli.saved import read_report
from evalcli.distributed import Job, count_together
from evalcli.errors import EvalError, ExitCode, UsageError
from evalcli.gates import judge
from evalcli.parts import encode, measured_of_part, report_of_part
from evalcli.ranks import LostError, Ranks

if TYPE_CHECKING:
    from evalcli.cli.baseline import ReportGates
    from evalcli.cli.deliver import Delivery
    from evalcli.cli.extra_options import ExtraOptions
    from evalcli.cli.options import (
        DecidingOptions,
        ExecutionOptions,
        Files,
        InputOptions,
        OutputOptions,
    )
    from evalcli.distributed import Counted
    from evalcli.extras import Extras
    from evalcli.gates import Basis, Rule
    from evalcli.launch import Launch
    from evalcli.report import Report
    from evalcli.sources.base import Selection

    Groups = tuple[Files, InputOptions, DecidingOptions, ExtraOptions, ReportGates, ExecutionOptions, OutputOptions]


class Wanted(NamedTuple):
    """What was typed; ``delivery`` and ``baseline`` belong to rank 0."""

    job: Job
    rules: tuple[Rule, ...]
    extras: Extras
    gate_on: Basis = "point"
    least: int = 1
    delivery: Delivery | None = None
    baseline: Report | None = None


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
                delivery = wanted[0].delivery
                return b"a part" if delivery is not None and delivery.takes_part else b""

            takes_part = any(ranks.agree(understand))
            _search_apart(wanted[0].job.selection, apart=takes_part)
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
    if find_rival(gating, files, chosen) is not None:
        what = "several processes count drops from a saved report only, in this version"
        raise UsageError(what, fix="save the baseline's report with -o FILE.json", path=base or files.preds)
    before = read_report(base) if base is not None else None
    return Wanted(job, rules, extras, gating.basis, gating.slice_size or 1, delivery, before)


def _search_apart(chosen: Selection, *, apart: bool) -> None:
    """Of rows whose part will be added to others, all values are counted."""
    if chosen.scan is not None:
        chosen.scan = chosen.scan._replace(apart=apart)


def _told(ranks: Ranks, counted: Counted | None, wanted: Wanted) -> ExitCode:
    """Print in rank 0; whatever comes of it is the end of all of them."""
    if counted is None or wanted.delivery is None:
        return ExitCode(ranks.settle(ExitCode.NO_VERDICT))
    code = ExitCode.BUG
    try:
        code = _delivered(ranks, counted, wanted, wanted.delivery)
    except EvalError:
        code = ExitCode.NO_VERDICT
        raise
    finally:
        with suppress(LostError):  # a verdict that is known outranks whoever is gone by now
            ranks.settle(code)
    return code


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
    verdicts = judge(report, wanted.rules, wanted.baseline, least=wanted.least, on=wanted.gate_on)
    code = delivery.deliver(replace(report, gates=verdicts), part)
    return ExitCode.NO_VERDICT if own and tell_failed(report) else code
