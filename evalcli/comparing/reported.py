"""Two samples by the values and the intervals that their reports give, and by the bins that they read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli import evaluation
from evalcli.comparing.data import NAMES
from evalcli.comparing.defined import defined_of, rows_of
from evalcli.comparing.label_rows import LabelNumbers
from evalcli.comparing.looks import table_of
from evalcli.comparing.members import known_of
from evalcli.comparing.models import numbers_of as class_numbers
from evalcli.comparing.owned import about_failures, finite, numbers_of
from evalcli.definitions import with_definitions
from evalcli.evaluation import Measured, report_of
from evalcli.jointly import Jointly
from evalcli.report import Clustered
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.surprises import SURPRISES, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.comparing.defined import Compared
    from evalcli.comparing.members import Member
    from evalcli.comparing.question import Question
    from evalcli.counting import Outcome
    from evalcli.metrics.registry import MetricName
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.values import OwnValues
    from evalcli.report import Finding, Report, Value
    from evalcli.sources.base import InputFile
    from evalcli.uncertainty.intervals import Confidence


class Told(NamedTuple):
    """The metrics of both samples: their ``values`` and ``intervals`` by name, those without one ``None``.

    Of what is best at 0 it is how far from there that has the interval. ``seen`` are the bins of either sample, of the
    metrics that are read off bins.
    """

    names: Sequence[Compared]
    values: Sequence[Mapping[str, float | None]]
    intervals: Sequence[Mapping[str, Interval | None]]
    classes: tuple[str, ...]
    clustered: Clustered | None = None
    seen: Sequence[Mapping[str, Seen]] = ({}, {})
    failures: tuple[Finding, ...] = ()


def told_by_reports(
    members: Sequence[Member], counted: Sequence[tuple[Outcome, tuple[InputFile, ...]]], question: Question
) -> Told:
    """The values and intervals of a report on each sample."""
    tasks = [outcome.task for outcome, _ in counted]
    names = question.names(members[0], tasks[0].kind, scored=all(task.scores != "labels" for task in tasks))
    names = known_of(names, question.spare, [_values(outcome) for outcome, _ in counted])
    measured = [
        Measured(replace(member, asked=tuple(map(str, names)), also=()), *each)
        for member, each in zip(members, counted, strict=True)
    ]
    reports = [report_of(one) for one in measured]
    classes = tuple(dict.fromkeys(name for report in reports for name in report.classes))
    own = [member.own.values() for member in members if member.own is not None]
    for place, each in enumerate(own):
        reports[place] = evaluation.with_own(replace(reports[place], classes=classes), question.own, each)
    reports = [
        with_definitions(report, question.definitions, covariance=Jointly(one))
        for report, one in zip(reports, measured, strict=True)
    ]
    shown = rows_of(names, question.shown(members[0], tasks[0].kind), defined_of(question.definitions))
    values = [{str(name): report.metrics[str(name)].value for name in shown} for report in reports]
    intervals = [{str(name): _interval(name, report.metrics[str(name)]) for name in shown} for report in reports]
    clustered = _together(reports)
    seen = [_seen(names, outcome, question.confidence) for outcome, _ in counted]
    told = Told(shown, values, intervals, classes, clustered, seen)
    return _beside_own(told, question.own, own, weighted=members[0].source.weighted)


def _values(outcome: Outcome) -> Callable[[MetricName], Any]:
    """What gives the value of a metric of one sample, or says why its classes do not have it."""
    task = outcome.task
    if task.family == "regression":
        return str
    if task.family == "multilabel":
        return LabelNumbers.of(outcome.gathered, task.classes).value
    return class_numbers(outcome.gathered, task).value


def with_own(members: tuple[Member, ...], question: Question) -> tuple[Member, ...]:
    """The plans of both samples with the user's own metrics, if there are any."""
    if not question.own:
        return members
    from evalcli.comparing.own_passes import own_of

    for member in members:
        if member.source.clustered is None:
            member.source.number_rows()
    return tuple(replace(member, own=own_of(question.own, member)) for member in members)


def _beside_own(told: Told, metrics: Sequence[OwnMetric], every: Sequence[OwnValues], *, weighted: bool) -> Told:
    """The same with the user's own metrics, of which each sample has ``every`` value."""
    if not metrics:
        return told
    numbers = [*numbers_of(metrics, [each.values for each in every], told.classes)]
    values, intervals = [], []
    for known, sure, each in zip(told.values, told.intervals, every, strict=True):
        values.append({**known, **{one.name: finite(each.values, one) for one in numbers}})
        of_each = {one.name: each.sure.get(one.metric.name, {}).get(one.key) for one in numbers}
        intervals.append({**sure, **{name: found and found.interval for name, found in of_each.items()}})
    failed = about_failures(NAMES, [each.failures for each in every])
    failures = (*failed, *evaluation.about_weights(metrics, weighted=weighted))
    return told._replace(names=(*told.names, *numbers), values=values, intervals=intervals, failures=failures)


def _seen(names: Sequence[MetricName], outcome: Outcome, confidence: Confidence) -> dict[str, Seen]:
    """The bins of one sample; no second pass has told how the bins of classes go together, so they are bounded."""
    read = [name for name in names if name.base in SURPRISES]
    if outcome.task.family != "classification" or not read:
        return {}
    numbers = class_numbers(outcome.gathered, outcome.task)
    if numbers.scores is None:
        return {}
    if outcome.gathered.clusters is not None:
        from evalcli.classification.cluster_intervals import ClusterIntervals

        told = ClusterIntervals(numbers, outcome.gathered.clusters, confidence)
        every = {str(name): told.seen(name) for name in read}
        return {name: one for name, one in every.items() if one is not None}
    mean_weight = numbers.weight_squares / numbers.total
    return {str(name): Seen(table_of(name, numbers.scores), mean_weight, 0.0) for name in read}


def _interval(name: Compared, value: Value) -> Interval | None:
    """That of a value; of what is best at 0, of its size."""
    if value.low is None or value.high is None:
        return None
    found = Interval(float(value.low), float(value.high), value.method or "")
    return found.of_size() if name.entry.direction == "zero" else found


def _together(reports: Sequence[Report]) -> Clustered | None:
    """The clusters of both samples."""
    found = [report.clustered for report in reports if report.clustered is not None]
    if not found:
        return None
    return Clustered(found[0].by, sum(one.clusters for one in found), max(one.largest for one in found), None)
