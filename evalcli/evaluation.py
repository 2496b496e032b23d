"""One evaluation from a source to a report."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import isfinite, nan
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.counting import Plan, count
from evalcli.engine import GPU_FROM, GPU_FROM_SCORED, WIDE, Placement, fit_rows, place, row_bytes, worker_count
from evalcli.layout import find_layout
from evalcli.metrics.registry import needs_scores, parse
from evalcli.report import WHOLE, Finding, Report, Run, Value
from evalcli.sources import spoken_of

METRIC_FAILED = "metric-failed"
"""The code of the finding that a metric of the caller's own has failed."""
MEND = "mend the metric"
"""What to do about it."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalcli.counting import Outcome, Shown
    from evalcli.engine import Execution, Progress
    from evalcli.layout import Layout
    from evalcli.own.groups import Sure
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.values import OwnValues
    from evalcli.sources.base import InputFile, Source
    from evalcli.task import Choices


def evaluate(  # noqa: PLR0913  # most of it need not be said
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    *,
    also: Sequence[str] = (),
    own: Sequence[OwnMetric] = (),
    shown: Shown | None = None,
    kept: Callable[[Measured], object] | None = None,
) -> Report:
    """Read ``source`` once, count, and say what the numbers mean.

    ``metrics`` are names as in :mod:`evalcli.metrics.registry`; ``None`` computes all that the task allows.
    ``also`` names more of them; what the task or its classes do not have is left out, and gates call it missing.
    ``own`` are metrics of the caller's own; one that fails is a finding, and undefined.
    ``shown`` are those whose intervals will be seen, where not all of them are: intervals take longer than values.
    ``kept`` is given what was counted, from which a part can be made.

    Raises:
        InputError: when the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: when nothing is left to evaluate.
        UsageError: when choices contradict each other or the input.

    """
    started = perf_counter()
    measured, size = measure(source, choices, execution, metrics, progress, also=also, own=own, shown=shown)
    if kept is not None:
        kept(measured)
    placement, workers = _placed(measured), measured.plan.workers
    run = Run(perf_counter() - started, placement.backend, placement.device, workers, size, placement.why)
    report = report_of(measured)
    if measured.plan.own is not None:
        report = with_own(report, measured.plan.own.metrics, measured.plan.own.values())
    return replace(report, run=run)


def _placed(measured: Measured) -> Placement:
    """Where it ran, and what a device was asked for and has not done."""
    plan, family = measured.plan, measured.outcome.task.family
    if plan.placement.backend == "numpy":
        return plan.placement
    if family == "regression":
        return Placement("numpy", "cpu", "values are added up exactly, and on the host")
    source, here = plan.source, not getattr(measured.outcome.gathered, "gathers_there", False)
    asked = {
        "weights": source.weighted and here,
        "slices": source.slicers and here,
        "clusters": source.clustered and here,
        "values of a search": source.scanned,
    }
    there, labels = [word for word, wanted in asked.items() if wanted], family == "multilabel"
    listed = " and ".join(filter(None, (", ".join(there[:-1]), *there[-1:])))
    said = f"{listed} are counted on the host" if there else ""
    if there and (labels or (source.weighted and plan.layout.preds == "labels")):
        return Placement("numpy", "cpu", said)
    if labels and plan.scored(measured.outcome.task.kind):
        said = "; ".join(filter(None, (said, "scores of several labels a row are ranked on the host")))
    return plan.placement._replace(why="; ".join(filter(None, (plan.placement.why, said))))


class Measured(NamedTuple):
    """What was counted of all rows, under which plan, and the files that were read."""

    plan: Plan
    outcome: Outcome
    inputs: tuple[InputFile, ...]


def measure(  # noqa: PLR0913  # likewise
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    *,
    also: Sequence[str] = (),
    own: Sequence[OwnMetric] = (),
    shown: Shown | None = None,
    partial: bool = False,
) -> tuple[Measured, int]:
    """The first half of ``evaluate``: count, and say by how many rows at a time.

    With ``partial`` the rows are some of many, and what they alone leave in doubt is no error.
    """
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        check_scores(metrics, layout)
        placement = place(execution, *_gathered_bytes(source, layout, metrics, also, own))
        size = fit_rows(execution, source, layout, placement, whole=bool(own))
        workers = worker_count(execution, source, size)
        gated, budget = tuple(also), execution.ranking_budget
        plan = Plan(
            *(source, choices, layout, placement, metrics, gated, budget, workers, shown, partial),
            processes=execution.processes,
            rereads=True,
        )
        if own:
            from evalcli.own.metrics import OwnMetrics

            if choices.confidence is not None and source.clustered is None:
                source.number_rows()
            plan = replace(plan, own=OwnMetrics(tuple(own), choices, source))
        return Measured(plan, *count(plan, size, progress)), size


def with_own(report: Report, own: Sequence[OwnMetric], found: OwnValues) -> Report:
    """The report with what the caller's own metrics say, of all rows and of each slice; of each class by its name."""
    added = _own_values(found.values, own, report.classes, found.sure)
    moved = {WHOLE: _own_moves(found.values, own, report.classes, found.sure)}
    moved |= {where: _own_moves(found.slices[where], own, report.classes, each) for where, each in found.inside.items()}
    directions = {
        name: one.better
        for one in own
        for values in (found.values, *found.slices.values())
        for name in _own_values(values, [one], report.classes)
        if one.better
    }
    undefined = tuple(name for name, value in added.items() if value.value is None)
    findings = [Finding(METRIC_FAILED, "warning", str(one), MEND) for one in found.failures]
    findings += about_weights(own, weighted=report.weighted)
    slices = tuple(
        row._replace(
            metrics=row.metrics | _own_values(found.slices.get(where, {}), own, report.classes, found.inside.get(where))
        )
        for row in report.slices
        for where in [(row.by, row.value)]
    )
    return replace(
        report,
        metrics=report.metrics | added,
        directions=directions,
        moved=moved,
        slices=slices,
        undefined=report.undefined + undefined,
        findings=(*findings, *report.findings),
        asked=(*report.asked, *added),
    )


def about_weights(own: Iterable[OwnMetric], *, weighted: bool) -> Iterator[Finding]:
    """Which of the caller's own metrics count rows that have weights as if they had none."""
    named = [one.name for one in own if weighted and not one.wants_weight]
    if named:
        count, whose = ("counts", "its") if len(named) == 1 else ("count", "their")
        text = f"{', '.join(named)} {count} every row once, since {whose} update takes no weight"
        yield Finding("metric-unweighted", "warning", text, "write it as update(preds, target, weight=None)")


def _own_values(
    found: Mapping[str, dict[str, float]],
    own: Sequence[OwnMetric],
    classes: Sequence[str],
    sure: Mapping[str, dict[str, Sure]] | None = None,
) -> dict[str, Value]:
    """What each of the caller's own metrics computed, of several numbers each under its name; NaN is undefined."""
    from evalcli.own.values import number_names

    metrics = {}
    for one in own:
        values = found.get(one.name, {"": nan})
        called = number_names(one.name, [*values], classes)
        for key, number in values.items():
            known = (sure or {}).get(one.name, {}).get(key)
            value = Value(number if isfinite(number) else None)
            metrics[called[key]] = value if known is None else replace(value, **asdict(known.interval))
    return metrics


def _own_moves(
    found: Mapping[str, dict[str, float]],
    own: Sequence[OwnMetric],
    classes: Sequence[str],
    sure: Mapping[str, dict[str, Sure]],
) -> dict[str, tuple[float, ...]]:
    """What groups of rows move each number of metrics by, under the name of the number."""
    from evalcli.own.values import number_names

    moved: dict[str, tuple[float, ...]] = {}
    for one in own:
        called = number_names(one.name, [*found.get(one.name, ())], classes)
        moved |= {called[key]: known.moved for key, known in sure.get(one.name, {}).items()}
    return moved


def report_of(measured: Measured) -> Report:
    """The second half: what was counted, in the words of its task."""
    report = _told(measured)
    source = measured.plan.source
    return replace(report, findings=(*report.findings, *_outside_slices(report, source)))


def _outside_slices(report: Report, source: Source) -> Iterator[Finding]:
    """What is in no slice, because the column has no value there: gates on slices do not see it."""
    for slicer in source.slicers:
        missing = report.n - sum(row.n for row in report.slices if row.by == slicer.name)
        if missing > 0:
            every = "all" if missing == report.n else f"{missing:,} of"
            have, them = ("has", "is in no slice") if missing == 1 else ("have", "are in no slice")
            rows = f"{every} {report.n:,} rows" if report.n > 1 else "the only row"
            text = f"{rows} {have} no value of {slicer.name!r}, and {them}"
            yield Finding("slice-missing", "warning", text, "write a value of its own there, as 'unknown'")


def _told(measured: Measured) -> Report:
    found: Report = reporter_of(measured).report()
    return found


def reporter_of(measured: Measured) -> Any:
    """What makes a report of what was counted, in the words of its task."""
    family = measured.outcome.task.family
    if family == "regression":
        from evalcli.regression.reporter import Reporter as RegressionReporter

        return RegressionReporter(*measured)
    if family == "multilabel":
        from evalcli.multilabel.reporter import Reporter as MultilabelReporter

        return MultilabelReporter(*measured)
    from evalcli.classification.reporter import Reporter

    return Reporter(*measured)


def check_scores(metrics: Sequence[str] | None, layout: Layout) -> None:
    """Labels have no metrics of scores, and no pass is needed to say so."""
    for name in map(parse, metrics or ()):
        if name.entry.needs_scores and layout.preds == "labels":
            raise needs_scores(name)


def _gathered_bytes(
    source: Source, layout: Layout, metrics: tuple[str, ...] | None, also: Sequence[str], own: Sequence[OwnMetric]
) -> tuple[int, int]:
    """The bytes of scores that a GPU would gather, and how many are worth its start; none where the host is needed."""
    asked = [parse(name).entry for name in (*(metrics or ()), *also)]
    size = (source.rows or 0) * row_bytes(source) // 2
    if metrics is not None and not any(entry.needs_scores for entry in asked):
        return (size if (layout.width or 0) >= WIDE else 0), GPU_FROM
    on_host = source.weighted or source.slicers or source.clustered or own or layout.target != "labels"
    return (size if layout.preds == "columns" and not on_host else 0), GPU_FROM_SCORED
