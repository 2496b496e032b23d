"""What a report says under the name of a metric: of all rows, of a class, of a slice, of the worst one, of the gap."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import UsageError
from evalcli.metrics.fairness_rows import reads_of
from evalcli.report import Value
from evalcli.shell import word
from evalcli.sources.bounds import split_bounds
from evalcli.sources.spelling import ways_to_write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.metrics.address import Address
    from evalcli.metrics.registry import MetricName
    from evalcli.report import Report, SliceRow


class Found(NamedTuple):
    """A value, the ``n`` rows it is of, and which slice these are where that was not said."""

    value: Value
    n: int
    where: str = ""


def wholes_of(names: Iterable[str], by: str = "") -> tuple[MetricName, ...]:
    """The metrics of rows that ``names`` are made of: of all rows, and of the slices ``by`` a column.

    >>> [str(name) for name in wholes_of(["accuracy", "recall@region=EU", "f1@age:gap"], by="region")]
    ['accuracy', 'recall']
    """
    from evalcli.metrics.registry import parse

    found: list[MetricName] = []
    for name in map(parse, names):
        if name.slice_by in {None, by}:
            found += map(parse, made_of(name))
    return tuple(dict.fromkeys(found))


def made_of(name: MetricName) -> tuple[str, ...]:
    """The metrics of the rows of each slice that one between slices is told from.

    >>> from evalcli.metrics.registry import parse
    >>> made_of(parse("f1_macro@region=*")), made_of(parse("equalized_odds_difference@sex"))
    (('f1_macro',), ('recall', 'specificity'))
    """
    return reads_of[name.base] if name.entry.reads == "slices" else (str(name.whole),)


def between(report: Report, names: Iterable[str]) -> dict[str, Value]:
    """What was asked for of one slice, of the worst, or between slices.

    Raises:
        UsageError: there is no such slice.

    """
    from evalcli.metrics.registry import parse

    found = {}
    for name in map(parse, names):
        if name.slice_by is not None:
            value = look_up(report, str(name))
            if isinstance(value, str):
                raise UsageError(f"{name}: {value}", fix="")  # the reason says what there is
            found[str(name)] = value.value
    return found


def of_size(report: Report, least: int) -> Report:
    """The report with what is told between slices told of those of ``least`` rows, as gates tell it."""
    from evalcli.metrics.address import split_address

    found = {}
    for name in report.metrics:
        address = split_address(name)
        if address is not None and any(row.by == address.by for row in report.slices):
            again = look_up(report, name, least, afresh=True)
            found[name] = Value(None) if isinstance(again, str) else again.value
    return replace(report, metrics={**report.metrics, **found}) if found else report


def holds(report: Report, metric: str) -> bool:
    """Whether a report has a metric that the registry does not know, of all rows or in slices."""
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import is_registered

    address = split_address(metric)
    name = metric if address is None else address.metric
    if is_registered(name):
        return False
    sliced = address is not None and any(name in row.metrics for row in report.slices if row.by == address.by)
    return sliced or name in report.metrics


class Beyond:
    """The names of a report that the registry does not know: ``name in Beyond(report)``."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __contains__(self, name: object) -> bool:
        return holds(self.report, str(name))


def _sliced(report: Report, address: Address, name: MetricName | None, least: int, bound: str | None) -> Found | str:
    """The value of a slice, of the worst one, or the gap between the best and the worst.

    Of a metric that the registry does not know, there is no ``name``.
    """
    rows = [row for row in report.slices if row.by == address.by]
    if not rows:
        gone = any(one.code == "slice-missing" and repr(address.by) in one.text for one in report.findings)
        column, bounds = split_bounds(address.by)
        cut = bounds and any(row.by == column for row in report.slices)
        why = "no row has a value there" if gone else f"write @{column}" if cut else f"add --by {word(address.by)}"
        return f"the report has no slices by {address.by!r}; {why}"
    if name is not None and name.entry.reads == "slices":
        return _compared(report, rows, name, least)
    metric = address.metric if name is None else str(name.whole)
    again = "" if name is None else f"; report again with -m {metric}"
    if address.names_slice:
        written = ways_to_write(str(address.value))
        row = next((row for row in rows if row.value in written), None)
        if row is None:
            known = ", ".join(repr(one.value) for one in rows[:5]) + (", …" if len(rows) > 5 else "")
            return f"no slice {address.value!r}; there are {known}"
        value = row.metrics.get(metric)
        if value is None and name is not None and name.label not in {None, *report.classes, *report.outputs}:
            known = ", ".join(map(repr, (report.classes or report.outputs)[:5]))
            return f"there is no {name.label!r}; there are {known}"
        return f"the slices do not have it{again}" if value is None else Found(value, row.n)
    rows = [row for row in rows if row.n >= least]
    if not rows:
        return f"no slice has {least:,} rows"
    if any(metric not in row.metrics for row in rows):
        return f"not all slices have it{again}"
    unknown = next((row for row in rows if row.metrics[metric].value is None), None)
    if unknown is not None:  # what nobody knows of one slice nobody knows of the worst
        return Found(Value(None), unknown.n, f"of '{unknown.value}'")
    direction = report.directions.get(metric, "") if name is None else name.entry.direction
    if address.is_worst:
        worst = max(rows, key=lambda row: _badness(row.metrics[metric].value or 0.0, direction, bound))
        return Found(worst.metrics[metric], worst.n, f"the worst of {len(rows):,} is '{worst.value}', n = {worst.n:,}")
    rows = sorted(rows, key=lambda row: row.metrics[metric].value or 0.0, reverse=direction == "lower")
    worst, best = rows[0], rows[-1]
    gap = abs((best.metrics[metric].value or 0.0) - (worst.metrics[metric].value or 0.0))
    value = _sure(report, gap, [[row.metrics[metric] for row in rows]], name)
    return Found(value, sum(row.n for row in rows), f"from '{worst.value}' to '{best.value}'")


def _sure(report: Report, gap: float, metrics: list[list[Value]], name: MetricName | None) -> Value:
    """The ``gap`` between slices with its interval, where those of the slices are known."""
    from evalcli.uncertainty.gaps import widest
    from evalcli.uncertainty.intervals import Confidence

    if report.confidence is None:
        return Value(gap)
    least, most = (-inf, inf) if name is None else (name.entry.low, name.entry.high)
    found = widest(metrics, Confidence(report.confidence), least, most)
    return Value(gap) if found is None else Value(gap, found.low, found.high, found.method)


def _badness(value: float, direction: str, bound: str | None) -> float:
    """How bad a value is. Where 0 is best, or nobody knows what is, a ``max`` is about too much, a ``min`` too little.

    A drop takes what nobody knows for the better the higher it is.
    """
    if direction in {"zero", "neither", ""} and bound in {"min", "max"}:
        return value if bound == "max" else -value
    if direction == "zero":
        return abs(value)
    return value if direction == "lower" else -value


def _compared(report: Report, rows: list[SliceRow], name: MetricName, least: int) -> Found | str:
    """What compares slices by several of their metrics."""
    rows = [row for row in rows if row.n >= least]
    if not rows:
        return f"no slice has {least:,} rows"
    rates, values = {}, []
    for metric in reads_of[name.base]:
        if any(metric not in row.metrics for row in rows):
            return f"it is made of {metric}, which not all slices have; report again with -m {metric}"
        values.append([row.metrics[metric] for row in rows])
        rates[metric] = [one.value for one in values[-1] if one.value is not None]
    rows_of_all = sum(row.n for row in rows)
    if any(len(known) < len(rows) for known in rates.values()):
        return Found(Value(None), rows_of_all)
    return Found(_sure(report, float(name.entry.formula(rates)), values, name), rows_of_all)


def look_up(
    report: Report, metric: str, least: int = 1, bound: str | None = None, *, afresh: bool = False
) -> Found | str:
    """The value under this name, or why there is none.

    The worst slice, and the gap, are of those of ``least`` rows. ``bound`` is ``min`` or ``max`` where a gate asks.
    ``afresh`` tells from the slices what the report already holds between them.
    """
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import check_task, parse

    address = split_address(metric)
    sliced = address is not None and any(row.by == address.by for row in report.slices)
    if metric in report.metrics and not (
        sliced and (afresh or bound is not None)
    ):  # a gate knows which slice is the worst to it
        return Found(report.metrics[metric], report.n)
    if address is not None and holds(report, metric):
        return _sliced(report, address, None, least, bound)
    name = parse(metric)
    if address is None and str(name) in report.metrics:
        return Found(report.metrics[str(name)], report.n)
    try:
        check_task(name, report.task)
    except UsageError as e:
        return e.told
    if name.label is None and name.average is None and name.entry.averages and report.task != "binary":
        return f"not one number in a {report.task} task: say {name.whole}_macro or {name.whole}[CLASS]"
    if name.entry.needs_scores and report.scores == "labels":
        return "it needs scores, and the predictions are labels"
    if address is not None:
        return _sliced(report, address, name, least, bound)
    if name.label is None:
        return f"the report does not have it; report again with -m {metric}"
    if report.task == "regression":
        return _of_output(report, str(replace(name, label=None)), name.label)
    row = next((row for row in report.per_class if row.name == name.label), None)
    if row is None:
        known = ", ".join(repr(one.name) for one in report.per_class[:5])
        more = ", …" if len(report.per_class) > 5 else ""
        return f"no class {name.label!r}; there are {known}{more}" if known else "the report has no classes"
    value = row.metrics.get(str(replace(name, label=None)))
    return "the report does not have it" if value is None else Found(value, report.n)


def _of_output(report: Report, metric: str, output: str) -> Found | str:
    """The value of one output, or why there is none."""
    if output not in report.outputs:
        known = ", ".join(map(repr, report.outputs[:5])) + (", …" if len(report.outputs) > 5 else "")
        return f"no output {output!r}; there {'is' if len(report.outputs) == 1 else 'are'} {known}"
    alone = report.metrics if len(report.outputs) == 1 else {}
    found = next((row.metrics for row in report.per_output if row.name == output), alone)
    value = found.get(metric)
    return f"the report does not have it; report again with -m {metric}" if value is None else Found(value, report.n)
