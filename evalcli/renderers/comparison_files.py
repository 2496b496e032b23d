"""A comparison for machines and for pages: JSON, CSV, Markdown and HTML.

In CSV ``table`` is ``metric`` (``a`` is the model, ``b`` the one it is compared with), ``class`` (the same of one of
several labels a row), ``slice`` (the same of the rows with one value), ``flips`` (``class`` is empty for all) or
``row``. Numbers are unrounded; undefined is empty.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evalcli.errors import UsageError
from evalcli.renderers import comparison_slices, league_slices, versus, wording
from evalcli.renderers.escape import markdown, markdown_name, spreadsheet
from evalcli.renderers.json import document
from evalcli.renderers.markdown_parts import finding_list, table, titled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.comparing.data import Comparison, MetricRow

COLUMNS = (
    *("table", "metric", "model", "against", "value", "difference", "low", "high", "method", "p", "holm"),
    *("detectable", "verdict", "class", "kind", "row", "id", "target", "a", "b"),
)
SLICED = ("by", "slice", "n")
"""Further columns, where there are slices."""
Row = dict[str, object]


def render_comparison(comparison: Comparison, form: str) -> str:
    """The comparison as the text of a file in one of the formats of a report.

    Raises:
        UsageError: there is no such format.

    """
    if form == "json":
        return document(comparison.to_json_object())
    if form == "csv":
        return _csv(comparison)
    if form == "markdown":
        return _markdown(comparison)
    if form == "html":
        from evalcli.renderers.comparison_html import render_comparison_page

        return render_comparison_page(comparison)
    if form == "rich":
        from evalcli.renderers.comparison import plain

        return plain(comparison)
    raise UsageError(f"no format {form!r}", fix="choose one of rich, json, csv, markdown, html")


def _csv(comparison: Comparison) -> str:
    out = io.StringIO()
    columns = (*COLUMNS, *(SLICED if comparison.slices else ()))
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    every = (_metric_rows, _class_rows, _slice_rows, _flip_rows, _row_rows)
    for rows in (part(comparison) for part in every):
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return "" if value is None else spreadsheet(value) if isinstance(value, str) else value


def _metric_rows(comparison: Comparison) -> Iterator[Row]:
    for row in comparison.metrics:
        yield from _model_rows(comparison, row, {"table": "metric", "metric": row.name})


def _class_rows(comparison: Comparison) -> Iterator[Row]:
    for label in comparison.per_class:
        for name, row in label.metrics.items():
            yield from _model_rows(comparison, row, {"table": "class", "metric": name, "class": label.name})


def _slice_rows(comparison: Comparison) -> Iterator[Row]:
    for one in comparison.slices:
        for name, row in one.metrics.items():
            head: Row = {"table": "slice", "metric": name, "by": one.by, "slice": one.value, "n": one.n}
            yield from _model_rows(comparison, row, head, one.reference)


def _model_rows(comparison: Comparison, row: MetricRow, head: Row, reference: int | None = None) -> Iterator[Row]:
    """A line for each model; the others are compared with the ``reference``, unless told with that of all rows."""
    against = comparison.models[comparison.reference if reference is None else reference].name
    for model, value, found in zip(comparison.models, row.values, row.differences, strict=True):
        line: Row = {**head, "model": model.name, "value": value}
        if found is not None:
            line |= {
                "against": against,
                "difference": found.value,
                "low": found.low,
                "high": found.high,
                "method": found.method,
                "p": found.p,
                "holm": found.adjusted,
                "detectable": found.detectable,
                "verdict": found.verdict,
            }
        yield line


def _flip_rows(comparison: Comparison) -> Iterator[Row]:
    for row in comparison.flips:
        for kind in ("support", "right", "fixed", "broken", "other", "same"):
            yield {"table": "flips", "class": row.name or "", "kind": kind, "value": getattr(row, kind)}


def _row_rows(comparison: Comparison) -> Iterator[Row]:
    for row in comparison.rows:
        yield {
            "table": "row",
            "class": row.label or "",
            "kind": row.kind,
            "row": row.row,
            "id": row.id,
            "target": _joined(row.target),
            "a": _joined(row.first),
            "b": _joined(row.second),
        }


def _joined(answer: str | tuple[str, ...] | None) -> str | None:
    """Labels one after the other."""
    return ", ".join(answer) if isinstance(answer, tuple) else answer


def _markdown(comparison: Comparison) -> str:
    parts = [
        ["# Comparison", *_summary(comparison), _facts(comparison)],
        titled("Gates", _gates(comparison)),
        titled("Findings", finding_list(comparison.findings)),
        titled("Metrics", _league(comparison) if comparison.kind == "league" else _metrics(comparison)),
        *(titled(f"By {markdown_name(by)}", block) for by, block in _slices(comparison)),
        titled("Labels", _labels(comparison)),
        titled("Flips", _flips(comparison)),
        titled("Rows", _rows(comparison)),
    ]
    return "\n\n".join("\n\n".join(blocks) for blocks in parts if blocks) + "\n"


def _summary(comparison: Comparison) -> list[str]:
    if comparison.kind == "league" or not comparison.metrics:
        return []
    first = comparison.metrics[0]
    text = f"{versus.metric_title(first.name)}: {versus.in_words(comparison, first)}"
    return [f"**{markdown(text)}**"]


def _facts(comparison: Comparison) -> str:
    rows = [
        (
            model.name,
            ", ".join(
                (markdown_name(model.path), *([markdown_name(model.column)] if model.column else []), model.scores)
            ),
        )
        for model in comparison.models
    ]
    rows += [(key, markdown(text)) for key, text in versus.facts(comparison)]
    if comparison.positive is not None:
        rows.append(("positive", markdown_name(comparison.positive)))
    return table(("", ""), "ll", rows)


def _metrics(comparison: Comparison) -> str:
    rows = []
    for row in comparison.metrics:
        found = row.differences[1]
        numbers = ["", "", "", ""]
        if found is not None:
            numbers = [versus.difference(row, found), versus.interval(row, found)]
            numbers += [markdown(versus.probability(p)) for p in (found.p, found.adjusted)]
        values = [versus.value(row, value) for value in row.values]
        rows.append([markdown(row.name), *values, *numbers, markdown(versus.in_words(comparison, row))])
    heads = ("metric", "A", "B", versus.sides(comparison), f"{versus.level(comparison)} interval", "p", "Holm", "")
    return "\n\n".join((table(heads, "lrrrrrrl", rows), *map(markdown, versus.by_size(comparison))))


def _slices(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Every metric of every slice, those that matter the most first."""
    of_league = comparison.kind == "league"
    pages = league_slices if of_league else comparison_slices
    heads = ("slice", "n", "metric", *pages.page_heads(comparison))
    for by, rows in pages.page_cells(comparison):
        cells = [
            [markdown_name(one.value), f"{one.n:,}", markdown(row.name), *map(markdown, told)]
            for one, row, told in rows
        ]
        side = "l" if of_league else "r"
        yield by, f"{table(heads, f'lrl{side}rrrrr', cells)}\n\n{markdown(pages.LEGEND)}"


def _labels(comparison: Comparison) -> str:
    """F1 of every label, the difference with its interval; precision and recall beside it."""
    rows = [
        [markdown_name(label.name), *map(markdown, versus.label_cells(label))]
        for label in versus.shown_labels(comparison)
    ]
    if not rows:
        return ""
    found = table(("label", *versus.label_heads(comparison)), "lrrrrrrrr", rows)
    return f"{found}\n\n{markdown(versus.LABEL_LEGEND)}"


def _league(comparison: Comparison) -> str:
    rows = []
    for place in versus.league(comparison):
        model = comparison.models[place]
        cells = [
            " ".join(
                (versus.value(row, row.values[place]), markdown(versus.standing(row, place, comparison.reference)))
            ).strip()
            for row in comparison.metrics
        ]
        words = "" if place == comparison.reference else versus.in_words(comparison, comparison.metrics[0], place)
        rows.append([model.name, *cells, markdown(words)])
    heads = ("model", *(markdown(row.name) for row in comparison.metrics), "")
    return table(heads, "l" + "r" * len(comparison.metrics) + "l", rows)


def _flips(comparison: Comparison) -> str:
    if not comparison.flips:
        return ""
    rows = [
        [
            "all" if row.name is None else markdown_name(row.name),
            *(f"{number:,}" for number in (row.support, row.right, row.fixed, row.broken, row.other, row.same)),
        ]
        for row in versus.shown_flips(comparison)
    ]
    heads = (
        versus.noun(comparison, 1),
        "support",
        "both right",
        "wrong → right",
        "right → wrong",
        "wrong → wrong",
        "both wrong alike",
    )
    return table(heads, "lrrrrrr", rows)


def _rows(comparison: Comparison) -> str:
    rows = []
    for kind, found in versus.shown_rows(comparison).items():
        for row in found:
            names = versus.answers(comparison, row)
            cells = (wording.UNDEFINED if name is None else markdown_name(name) for name in names)
            rows.append([versus.kind_of(comparison, kind), markdown_name(versus.place_of(row)), *cells])
    below = f"\n\n{markdown(versus.LABELS_LEGEND)}" if comparison.task == "multilabel" else ""
    return table(("", "where", "target", "A", "B"), "lllll", rows) + below if rows else ""


def _gates(comparison: Comparison) -> str:
    rows = []
    for verdict in comparison.gates:
        value, bound = wording.compared(verdict)
        word = verdict.status if verdict.status == "pass" else f"**{markdown(verdict.status)}**"
        rows.append((markdown_name(verdict.rule), value, bound, word, markdown(verdict.reason)))
    return table(("gate", "value", "bound", "status", ""), "lrrll", rows) if rows else ""
