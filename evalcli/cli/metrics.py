"""``evalcli metrics``: the catalogue, and what one number means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from evalcli.cli import streams
from evalcli.cli.by_first import by_first
from evalcli.cli.flatten import flattened
from evalcli.errors import ExitCode

if TYPE_CHECKING:
    from evalcli.metrics.entry import Entry
    from evalcli.metrics.registry import MetricName

Name = Annotated[str | None, Argument(metavar="[NAME]", help="One metric to explain: f1_macro, recall[cat], fbeta2.")]
Form = Annotated[Literal["rich", "json"], Option("-f", "--format", help="Format on standard output.")]

_ABREAST = 100
"""Columns from which a table of formulas reads well; below, a metric takes a paragraph."""


@flattened
@by_first
def metrics(name: Name = None, *, format: Form = "rich") -> ExitCode:  # noqa: A002  # the option's name
    """List the metrics with formula, range, direction and source; or explain one."""
    from evalcli.metrics.registry import METRICS, parse

    if name is not None:
        between = name in METRICS and METRICS[name].reads == "slices"
        parsed = parse(f"{name}@COLUMN" if between else name)
        streams.emit(_json(_plain(parsed.entry, parsed)) if format == "json" else _explained(parsed))
    elif format == "json":
        streams.emit(_json([_plain(entry) for entry in METRICS.values()]))
    elif streams.is_terminal(sys.stdout):
        streams.emit(_listed(list(METRICS.values()), streams.width_of(sys.stdout) or 80))
    else:
        streams.emit(_separated(list(METRICS.values())))
    return ExitCode.PASS


def _plain(entry: Entry, name: MetricName | None = None) -> dict[str, Any]:
    """All that is known of a metric, as JSON types."""
    return {
        "name": entry.name if name is None else str(name),
        "title": entry.title,
        "formula": entry.formula_text,
        "low": entry.low if abs(entry.low) < float("inf") else None,
        "high": entry.high if abs(entry.high) < float("inf") else None,
        "direction": entry.direction,
        "averages": list(entry.averages),
        "multilabel_averages": list(entry.multilabel),
        "per_class": entry.per_class,
        "per_output": entry.per_output,
        "tasks": list(entry.tasks),
        "needs": entry.reads,
        "summary": entry.summary,
        "convention": entry.convention,
        "source": entry.source,
    }


def _json(content: object) -> str:
    import json

    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _range(entry: Entry) -> str:
    """The range of a metric.

    >>> from evalcli.metrics.registry import METRICS
    >>> _range(METRICS["mcc"])
    '-1…1'
    """
    low, high = (f"{bound:g}".replace("inf", "∞") for bound in (entry.low, entry.high))
    return f"{low}…{high}"


def _addresses(entry: Entry) -> list[str]:
    """Every way to name it."""
    stem = entry.example if entry.reads != "slices" else f"{entry.example}@COLUMN"
    names = [stem, *(f"{stem}_{average}" for average in (*entry.averages, *entry.multilabel))]
    if entry.parameter is not None and entry.parameter.default is not None:
        names = [entry.called(), *names]
    if entry.per_output:
        return [*names, f"{stem}[OUTPUT]"]
    if entry.per_class:
        return [*names, f"{stem}[CLASS]"]
    return names if entry.by_label is None else [*names, f"{stem}[LABEL]"]


def _separated(entries: list[Entry]) -> str:
    """A metric a line, fields between tabs: for ``cut`` and ``grep``."""
    rows = [("name", "formula", "range", "direction", "source", "names")]
    rows += [
        (one.name, one.formula_text, _range(one), one.direction, one.source, " ".join(_addresses(one)))
        for one in entries
    ]
    return "".join("\t".join(row) + "\n" for row in rows)


def _listed(entries: list[Entry], width: int) -> str:
    """A table on a wide screen, paragraphs on a narrow one."""
    from textwrap import shorten

    name_width = max(len(one.name) for one in entries)
    formula_width = max(len(one.formula_text) for one in entries)
    lines = []
    if width >= _ABREAST:
        left = width - name_width - formula_width - 27
        lines.append(f"{'metric':{name_width}}  {'formula':{formula_width}}  range  better    source")
        for one in entries:
            fields = f"{one.name:{name_width}}  {one.formula_text:{formula_width}}  {_range(one):5}  {one.better:8}"
            lines.append(f"{fields}  {shorten(one.source, max(left, 20), placeholder='…')}")
    else:
        for one in entries:
            lines += [f"{one.name}  ({_range(one)}, {one.better} is better)", f"    {one.formula_text}"]
            lines.append(f"    {shorten(one.source, max(width - 4, 20), placeholder='…')}")
    forms = "Of one class: recall[cat]. Over classes: recall_macro, _weighted, _micro."
    rows = "Over rows, where each may have several labels: f1_samples."
    outputs = "Of one output of a regression: rmse[price]. Over outputs: rmse."
    return "\n".join([*lines, "", forms, rows, outputs, "One of them in full: evalcli metrics NAME", ""])


def _explained(name: MetricName) -> str:
    """What a name means, in full: formula, range, source and the convention where peers disagree."""
    from textwrap import fill

    from evalcli.renderers.escape import visible

    entry = name.entry
    width = min(streams.width_of(sys.stdout) or 100, 100)
    fields = {
        "formula": entry.formula_text,
        "range": f"{_range(entry)}, {entry.better} is better",
        "this one": _meaning(name),
        "names": ", ".join(_addresses(entry)),
        "tasks": ", ".join(entry.tasks) + (f"; it needs {entry.reads}" if entry.reads != "labels" else ""),
        "convention": entry.convention,
        "source": entry.source,
    }
    lines = [f"{visible(str(name), 60)}: {entry.title}", entry.summary, ""]
    for label, text in fields.items():
        if text:
            lines.append(fill(text, width, initial_indent=f"  {label:11}", subsequent_indent=" " * 13))
    return "\n".join(lines) + "\n"


def _meaning(name: MetricName) -> str:
    """What the part after the bare name adds."""
    from evalcli.renderers.escape import visible

    words = {
        "macro": "the plain mean over classes",
        "weighted": "the mean over classes, weighted by support",
        "micro": "over the cells of all classes added up",
        "samples": "the mean over rows of each row's own value",
    }
    parts = [words[name.average]] if name.average else []
    if name.parameter is not None:
        symbol = name.entry.parameter.symbol if name.entry.parameter is not None else ""
        parts.append(f"{symbol} = {name.parameter:g}")
    if name.label is not None and name.entry.per_output:
        parts.append(f"the output {visible(name.label, 60)!r} alone")
    elif name.label is not None:
        parts.append(f"the class {visible(name.label, 60)!r} against all others")
    elif name.entry.per_class and not name.average:
        parts.append("the positive class of a binary task")
    if name.slice_by is not None:
        from evalcli.metrics.address import WORST

        by = visible(name.slice_by, 60)
        where = {None: f"between the slices by {by}", WORST: f"the worst slice by {by}"}
        named = f"the rows where {by} is {visible(name.slice_value or '', 60)}"
        parts.append(named if name.slice_starred else where.get(name.slice_value, named))
    return "; ".join(parts)
