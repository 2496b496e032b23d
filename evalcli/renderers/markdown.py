"""The report for a pull request, a wiki or a job summary: GitHub's tables, nothing remote, nothing active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers import contents, timeorder, weak_words, wording
from evalcli.renderers.bands import cells
from evalcli.renderers.escape import markdown, markdown_name
from evalcli.renderers.markdown_parts import finding_list, table, titled
from evalcli.report import Value

if TYPE_CHECKING:
    from evalcli.report import Number, Report


def render_markdown(report: Report) -> str:
    """Headline, metrics, classes, confusion, findings and gates, each under its heading where there is any."""
    parts = [
        ["# Evaluation report", *_headline(report), *_facts(report)],
        titled("Gates", _gates(report)),
        titled("Findings", finding_list(report.findings)),
        titled("Metrics", _metrics(report)),
        titled("Outputs", _outputs(report)),
        titled("Errors", _residuals(report)),
        titled(wording.nouns(report)[1].title(), _classes(report)),
        titled("By support", _bands(report)),
        titled("Confusion matrix", _matrix(report)),
        titled("Most confused", _pairs(report)),
        _calibration(report),
        *_slices(report),
        _weak(report),
        titled(f"Worst {wording.nouns(report)[1]}", _worst(report)),
    ]
    return "\n\n".join("\n\n".join(blocks) for blocks in parts if blocks) + "\n"


def _headline(report: Report) -> list[str]:
    names, _ = contents.headline(report)
    first = [f"{wording.title(name)} {wording.spoken(name, report.metrics[name])}" for name in names[:4]]
    return [f"**{markdown(', '.join(first))}**"] if first else []


def _facts(report: Report) -> list[str]:
    count = wording.amount([report.n, report.ignored])
    rows = [("task", f"{report.task}, {report.scores}, {len(report.classes):,} {wording.nouns(report)[1]}")]
    if report.outputs:
        several = f", {len(report.outputs):,} outputs" if len(report.outputs) > 1 else ""
        rows = [("task", f"{report.task}{several}")]
    if report.positive is not None:
        at = "" if report.threshold is None else f", from a probability of {report.threshold:g}"
        rows.append(("positive", markdown_name(report.positive) + at))
    if cut := wording.threshold(report):
        rows.append(("threshold", cut))
    weighted = ", weighted" if report.weighted else ""
    rows.append(("samples", f"{count(report.n)}{weighted}, {count(report.ignored)} ignored"))
    if report.where is not None:
        rows.append(("where", markdown_name(report.where)))
    if clustered := wording.clustered(report.clustered):
        rows.append(("clustered", markdown(clustered)))
    rows += [("file", f"{markdown_name(file.path)} {markdown(file.digest)}") for file in report.inputs]
    return [table(("", ""), "ll", rows)]


def _metrics(report: Report) -> str:
    if any(value.low is not None for value in report.metrics.values()):
        rows = [[markdown(name), *_interval(name, value)] for name, value in report.metrics.items()]
        return table(("metric", "value", "low", "high"), "lrrr", rows)
    return table(
        ("metric", "value"), "lr", [(markdown(name), wording.spoken(name, v)) for name, v in report.metrics.items()]
    )


def _interval(name: str, value: Value) -> list[str]:
    ends = ["" if end is None else wording.spoken(name, Value(end)) for end in (value.low, value.high)]
    return [wording.spoken(name, value), *ends]


def _outputs(report: Report) -> str:
    if not report.per_output:
        return ""
    names = contents.output_columns(report)
    rows = []
    for row in report.per_output:
        values = (wording.spoken(name, row.metrics.get(name, Value(None))) for name in names)
        rows.append([markdown_name(row.name), *values])
    return table(("output", *map(wording.title, names)), "l" + "r" * len(names), rows)


def _residuals(report: Report) -> str:
    """Below which residual how many rows lie."""
    if not report.residuals:
        return ""
    heads = [wording.percentile(percent) for percent, _ in report.residuals[0].quantiles]
    several = len(report.outputs) > 1
    rows = []
    for each in report.residuals:
        name = markdown_name(each.output) if several else "prediction − target"
        rows.append([name, *(wording.residual(value) for _, value in each.quantiles)])
    return table(("output" if several else "", *heads), "l" + "r" * len(heads), rows)


def _classes(report: Report) -> str:
    columns = contents.class_columns(report, wide=True)
    if not columns:
        return ""
    count = wording.amount(number for row in report.per_class for number in (row.support, row.predicted))
    rows = []
    for row in report.per_class:
        found = (row.metrics.get(name) for name in columns)
        numbers = [wording.ratio(value.value if value else None) for value in found]
        rows.append([markdown_name(row.name), *numbers, count(row.support), count(row.predicted)])
    total = count(sum(row.support for row in report.per_class))
    for label, suffix in contents.average_rows(report):
        if suffix:
            averages = [report.metrics.get(f"{name}_{suffix}") for name in columns]
            rows.append([label, *("" if v is None else wording.ratio(v.value) for v in averages), total, ""])
    heads = (wording.nouns(report)[0], *columns.values(), "support", "predicted")
    return table(heads, "l" + "r" * (len(columns) + 2), rows)


def _matrix(report: Report) -> str:
    matrix = report.confusion.matrix
    if not matrix or len(matrix) > contents.MAX_MATRIX:
        return ""
    count = wording.amount(number for row in matrix for number in row)
    names = [markdown_name(name) for name in report.classes]
    rows, sizes = [], contents.row_sizes(report)
    for i, row in enumerate(matrix):
        cells = [f"{count(number)} ({_share(number, sizes[i])})" if number else "0" for number in row]
        cells[i] = f"**{cells[i]}**"
        rows.append([names[i], *cells])
    return table(("target ↓ prediction →", *names), "l" + "r" * len(names), rows)


def _share(part: Number, whole: Number) -> str:
    return markdown(wording.share(part, whole))  # "<1%" is no tag


def _pairs(report: Report) -> str:
    if _matrix(report):
        return ""
    pairs = contents.confused(report)
    count = wording.amount(number for *_, number, _ in pairs)
    rows = [
        (markdown_name(target), markdown_name(guess), count(number), _share(number, support))
        for target, guess, number, support in pairs
    ]
    one, other, whole = contents.pair_heads(report)
    return table((one, other, "count", whole), "llrr", rows) if rows else ""


def _bands(report: Report) -> str:
    heads, lines = cells(report)
    return table(("classes with", *heads), "l" + "r" * len(heads), lines) if lines else ""


def _worst(report: Report) -> str:
    rows = contents.worst(report)
    all_named = report.task == "multilabel" and len(report.classes) <= contents.MAX_MATRIX
    if _matrix(report) or not rows or all_named:
        return ""
    columns = {name: head for name, head in contents.CLASS_COLUMNS.items() if name in rows[0].metrics}
    count = wording.amount(row.support for row in rows)
    found = [
        [markdown_name(row.name), *(wording.ratio(row.metrics[name].value) for name in columns), count(row.support)]
        for row in rows
    ]
    return table((wording.nouns(report)[0], *columns.values(), "support"), "l" + "r" * (len(columns) + 1), found)


def _calibration(report: Report) -> list[str]:
    bins = [] if report.calibration is None else contents.filled(report.calibration.bins)
    if report.calibration is None or not bins:
        return []
    count = wording.amount(one.n for one in bins)
    rows = [
        (wording.span(one), count(one.n), wording.ratio(one.confidence), wording.ratio(one.accuracy)) for one in bins
    ]
    block = table(
        (f"probability ({report.calibration.of})", contents.counted(report), "mean", "came true"), "lrrr", rows
    )
    facts = "\n".join(f"- {markdown(fact)}" for fact in contents.calibration_facts(report))
    return ["## Calibration", block, *([facts] if facts else [])]


def _slices(report: Report) -> list[list[str]]:
    names = contents.slice_columns(report)
    parts = []
    for by, worst_first in contents.slicers(report).items():
        rows = timeorder.in_order(worst_first)
        count = wording.amount(row.n for row in rows)
        sure = [wording.interval(names[0], row.metrics[names[0]]) for row in rows] if names else []
        cells = []
        for i, row in enumerate(rows):
            numbers = [wording.spoken(name, row.metrics[name]) for name in names]
            numbers[1:1] = [sure[i]] if any(sure) else []
            cells.append([markdown_name(row.value), *numbers, count(row.n)])
        titles = [markdown(wording.title(name)) for name in names]
        titles[1:1] = ["interval"] if any(sure) else []
        heads, sides = ("slice", *titles, "n"), "lr" + ("l" if any(sure) else "") + "r" * len(names)
        parts.append([f"## By {markdown_name(by)}", table(heads, sides, cells)])
    return parts


def _weak(report: Report) -> list[str]:
    if report.scan is None:
        return []
    scan, count = report.scan, wording.amount(row.n for row in report.scan.slices)
    rows = [
        [markdown_name(weak_words.named(row)), *map(markdown, weak_words.numbers(row, scan.metric)), count(row.n)]
        for row in scan.slices
    ]
    heads = ("slice", markdown(wording.title(scan.metric)), "the rest", "difference", "interval", "adjusted p", "n")
    said = "\n".join(f"- {markdown(fact)}" for fact in weak_words.facts(scan))
    return [
        "## Weak slices",
        markdown(weak_words.headline(scan)),
        *([table(heads, "lrrrrrr", rows)] if rows else []),
        said,
    ]


def _gates(report: Report) -> str:
    sure = any(wording.ends(verdict) for verdict in report.gates)
    rows = []
    for verdict in report.gates:
        value, bound = wording.compared(verdict)
        word = verdict.status if verdict.status == "pass" else f"**{markdown(verdict.status)}**"
        interval = [markdown(wording.ends(verdict))] if sure else []
        rows.append([markdown_name(verdict.rule), value, *interval, bound, word, markdown(verdict.reason)])
    heads = ("gate", "value", *(["interval"] if sure else []), "bound", "status", "")
    return table(heads, "lrlrll" if sure else "lrrll", rows) if rows else ""
