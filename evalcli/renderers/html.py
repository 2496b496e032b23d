"""The report for a notebook: a fragment of HTML, nothing remote, nothing active, no style that could leak.

Every text goes through ``text``, which shows control characters as escapes and leaves no character that markup,
an attribute or a template could read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers import contents, wording
from evalcli.renderers.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalcli.report import Report

_ENTITIES = str.maketrans({char: f"&#{ord(char)};" for char in "&<>\"'`={}$\\"})
NAME = 60
"""Characters of a class name before it is cut."""


def text(content: str, limit: int | None = None) -> str:
    r"""Any text as inert HTML, fit for content and for a quoted attribute.

    >>> text("<b>&'\x1b")
    '&#60;b&#62;&#38;&#39;&#92;x1b'
    """
    return visible(content, limit).translate(_ENTITIES)


def render_fragment(report: Report) -> str:
    """Headline, gates, findings, metrics, classes and the confusion matrix, in one ``div``."""
    parts = (
        _headline(report),
        _gates(report),
        _findings(report),
        _classes(report),
        _matrix(report),
        *_slices(report),
        _metrics(report),
    )
    return f'<div class="evalcli-report">{"".join(parts)}</div>'


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; the first of each row is its head."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(f'<td style="text-align:right">{cell}</td>' for cell in rest)
        lines.append(f'<tr><th scope="row" style="text-align:left">{first}</th>{cells}</tr>')
    body = "".join(lines)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _headline(report: Report) -> str:
    names, _ = contents.headline(report)
    shown = ", ".join(f"{wording.title(name)} {wording.spoken(name, report.metrics[name])}" for name in names[:4])
    count = wording.amount([report.n, report.ignored])
    kinds = [f"{len(report.classes):,} {wording.nouns(report)[1]}"] if report.task != "regression" else []
    facts = text(", ".join([report.task, report.scores, *kinds]))
    if report.positive is not None:
        facts += f", positive {text(report.positive, NAME)}"
    rows = f"{count(report.n)} samples{', weighted' if report.weighted else ''}, {count(report.ignored)} ignored"
    clustered = wording.clustered(report.clustered)
    rows += f"<br>clustered {text(clustered)}" if clustered else ""
    return f"<p><strong>{text(shown)}</strong><br>{facts}<br>{rows}</p>"


def _gates(report: Report) -> str:
    rows = []
    for verdict in report.gates:
        value, bound = wording.compared(verdict)
        cells = (verdict.rule, value, bound, verdict.status, verdict.reason)
        rows.append([text(cell) for cell in cells])
    return table("Gates", ("gate", "value", "bound", "status", ""), rows) if rows else ""


def _findings(report: Report) -> str:
    lines = [
        f"<li><strong>{text(one.level)}</strong> {text(one.text)}{f'<br>{text(one.fix)}' if one.fix else ''}</li>"
        for one in report.findings
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _classes(report: Report) -> str:
    columns = contents.class_columns(report)
    rows = report.per_class if len(report.per_class) <= contents.MAX_MATRIX else contents.worst(report)
    if not columns or not rows:
        return ""
    count = wording.amount(number for row in rows for number in (row.support, row.predicted))
    lines = []
    for row in rows:
        found = (row.metrics.get(name) for name in columns)
        numbers = [wording.ratio(value.value if value else None) for value in found]
        lines.append([text(row.name, NAME), *numbers, count(row.support), count(row.predicted)])
    caption = "Classes" if len(rows) == len(report.per_class) else f"Worst {len(rows)} of {len(report.per_class):,}"
    return table(caption, ("class", *map(text, columns.values()), "support", "predicted"), lines)


def _matrix(report: Report) -> str:
    matrix = report.confusion.matrix
    if not matrix or len(matrix) > contents.MAX_MATRIX:
        return ""
    count = wording.amount(number for row in matrix for number in row)
    names = [text(name, NAME) for name in report.classes]
    rows = [[name, *map(count, row)] for name, row in zip(names, matrix, strict=True)]
    return table("Confusion matrix", ("target ↓ prediction →", *names), rows)


def _metrics(report: Report) -> str:
    rows = [
        (text(name, NAME), text(wording.spoken(name, value)), text(wording.interval(name, value)))
        for name, value in report.metrics.items()
    ]
    every = table("Metrics", ("metric", "value", "interval"), rows)
    return f"<details><summary>All metrics</summary>{every}</details>"


def _slices(report: Report) -> Iterator[str]:
    """A table for each column that rows are sliced by, the worst first."""
    columns = contents.slice_columns(report)
    for by, rows in contents.slicers(report).items():
        shown = rows[: contents.MAX_LISTED]
        lines = [
            [
                text(row.value, NAME),
                *(text(wording.spoken(name, row.metrics[name])) for name in columns),
                text(wording.interval(columns[0], row.metrics[columns[0]]) if columns else ""),
                f"{row.n:,}",
            ]
            for row in shown
        ]
        more = f", the worst {len(shown)} of {len(rows):,}" if len(shown) < len(rows) else ", the worst first"
        heads = (text(by, NAME), *map(text, map(wording.title, columns)), "", "n")
        yield table(f"By {text(by, NAME)}{more}", heads, lines)
