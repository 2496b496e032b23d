"""The report for a notebook, a fragment of HTML, and for a file, a page: nothing remote, nothing active.

Every text goes through ``text``, which shows control characters as escapes and leaves no character that markup,
an attribute or a template could read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers import contents, timeorder, wording
from evalcli.renderers.escape import visible
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from evalcli.report import Finding, Report, Verdict

_ENTITIES = str.maketrans({char: f"&#{ord(char)};" for char in "&<>\"'`={}$\\"})
NAME = 60
"""Characters of a class name before it is cut."""
MOST_CLASSES = 1000
"""Classes that a page lists one by one."""


def text(content: str, limit: int | None = None) -> str:
    r"""Any text as inert HTML, fit for content and for a quoted attribute.

    >>> text("<b>&'\x1b")
    '&#60;b&#62;&#38;&#39;&#92;x1b'
    """
    return visible(content, limit).translate(_ENTITIES)


def figure(number: str) -> str:
    """A number as HTML, with a true minus sign, as tables are set with.

    >>> figure("[-0.25, 0.5]")
    '[−0.25, 0.5]'
    """
    return text(number.replace("-", "−"))


def render_fragment(report: Report) -> str:
    """Headline, gates, findings, metrics, classes and the confusion matrix, in one ``div``."""
    return f'<div class="evalcli-report">{"".join([*_parts(report), _folded("All metrics", _metrics(report))])}</div>'


def render_html(report: Report) -> str:
    """The same as a page, with all classes and their intervals, the files that were read and the signature."""
    from evalcli.renderers.page import page

    every = _folded(f"{wording.nouns(report)[1].title()}, with intervals", _intervals(report))
    body = "\n".join(part for part in (*_parts(report), _metrics(report), every, _origin(report)) if part)
    return page("Evaluation report", body)


def _parts(report: Report) -> Iterator[str]:
    """What a notebook and a page have in common."""
    yield from (_headline(report), _gates(report), _findings(report), _outputs(report), _classes(report))
    yield from (_matrix(report), _pairs(report))
    yield from _slices(report)
    yield _weak(report)


def _folded(summary: str, content: str) -> str:
    """What is shown on demand."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>" if content else ""


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]], texts: Container[int] = ()) -> str:
    """A table of cells that are HTML already; the first of each row is its head. Numbers stand to the right.

    The columns ``texts``, counted from 0, hold words, and stand to the left as the first does.
    """

    def side(place: int) -> str:
        return f'style="text-align:{"left" if place == 0 or place in texts else "right"}"'

    head = "".join(f'<th scope="col" {side(place)}>{cell}</th>' for place, cell in enumerate(heads))
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td {side(place)}>{cell}</td>" for place, cell in enumerate(rest, 1))
        lines.append(f'<tr><th scope="row" {side(0)}>{first}</th>{cells}</tr>')
    body = "".join(lines)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _headline(report: Report) -> str:
    names, _ = contents.headline(report)
    spoken = ((wording.title(name), wording.spoken(name, report.metrics[name])) for name in names[:4])
    shown = ", ".join(f"{text(name)} {figure(value)}" for name, value in spoken)
    count = wording.amount([report.n, report.ignored])
    kinds = [f"{len(report.classes):,} {wording.nouns(report)[1]}"] if report.task != "regression" else []
    facts = text(", ".join([report.task, report.scores, *kinds]))
    if report.positive is not None:
        facts += f", positive {text(report.positive, NAME)}"
    rows = f"{count(report.n)} {'sample' if report.n == 1 else 'samples'}"
    rows += f"{', weighted' if report.weighted else ''}, {count(report.ignored)} ignored"
    rows += "" if report.where is None else f"<br>where {text(report.where)}"
    clustered = wording.clustered(report.clustered)
    rows += f"<br>clustered {text(clustered)}" if clustered else ""
    return f"<p><strong>{shown}</strong><br>{facts}<br>{rows}</p>"


def _gates(report: Report) -> str:
    return gate_table(report.gates)


def gate_table(gates: Iterable[Verdict]) -> str:
    """What was judged, of a report or a comparison."""
    rows = []
    for verdict in gates:
        compared = map(figure, wording.compared(verdict))
        rows.append([text(verdict.rule), *compared, text(verdict.status), text(verdict.reason)])
    return table("Gates", ("gate", "value", "bound", "status", ""), rows, (3, 4)) if rows else ""


def _findings(report: Report) -> str:
    return finding_list(report.findings)


def finding_list(findings: Iterable[Finding]) -> str:
    """What was noticed, of a report or a comparison."""
    lines = [
        f"<li><strong>{text(one.level)}</strong> {text(one.text)}{f'<br>{text(one.fix)}' if one.fix else ''}</li>"
        for one in findings
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _outputs(report: Report) -> str:
    """Every output of a regression."""
    if not report.per_output:
        return ""
    names = contents.output_columns(report)
    rows = [
        [text(row.name, NAME), *(figure(wording.spoken(name, row.metrics.get(name, Value(None)))) for name in names)]
        for row in report.per_output
    ]
    return table("Outputs", ("output", *map(text, map(wording.title, names))), rows)


def _classes(report: Report) -> str:
    columns = contents.class_columns(report)
    rows = report.per_class if len(report.per_class) <= contents.MAX_MATRIX else contents.worst(report)
    if not columns or not rows:
        return ""
    count = wording.amount(number for row in rows for number in (row.support, row.predicted))
    lines = []
    for row in rows:
        found = (row.metrics.get(name) for name in columns)
        numbers = [figure(wording.ratio(value.value if value else None)) for value in found]
        lines.append([text(row.name, NAME), *numbers, count(row.support), count(row.predicted)])
    one, many = wording.nouns(report)
    caption = many.title() if len(rows) == len(report.per_class) else f"Worst {len(rows)} of {len(report.per_class):,}"
    return table(caption, (one, *map(text, columns.values()), "support", "predicted"), lines)


def _matrix(report: Report) -> str:
    matrix = report.confusion.matrix
    if not matrix or len(matrix) > contents.MAX_MATRIX:
        return ""
    count = wording.amount(number for row in matrix for number in row)
    names = [text(name, NAME) for name in report.classes]
    rows, sizes = [], contents.row_sizes(report)
    for place, row in enumerate(matrix):
        whole = sizes[place] or 1
        cells = [_shaded(count(number), number / whole, right=i == place) for i, number in enumerate(row)]
        rows.append([names[place], *cells])
    return table("Confusion matrix", ("target ↓ prediction →", *names), rows)


def _shaded(cell: str, share: float, *, right: bool) -> str:
    """A count on a ground as dark as its ``share`` of the row."""
    colour = "60,140,90" if right else "200,70,50"
    ground = f"background:rgba({colour},{min(share, 1.0) * 0.6:.2f});" if share > 0.0 else ""
    return f'<span style="{ground}display:block;padding:0 0.3em">{cell}</span>'


def _pairs(report: Report) -> str:
    """The most confused classes, where there are too many for a matrix."""
    pairs = (report.confusion.pairs or ())[: contents.MAX_LISTED]
    rows = [[text(target, NAME), text(said, NAME), f"{count:,.15g}"] for target, said, count in pairs]
    return table("Most confused", ("target", "prediction", contents.counted(report)), rows, (1,)) if rows else ""


def _metrics(report: Report) -> str:
    rows = [
        (text(name, NAME), figure(wording.spoken(name, value)), figure(wording.interval(name, value)))
        for name, value in report.metrics.items()
    ]
    return table("Metrics", ("metric", "value", "interval"), rows)


def _intervals(report: Report) -> str:
    """Every class with the interval of each of its metrics; JSON and CSV hold those that no page has room for."""
    columns = contents.class_columns(report, wide=True)
    if not columns or not 0 < len(report.per_class) <= MOST_CLASSES:
        return ""
    rows = []
    for row in report.per_class:
        found = [(name, row.metrics.get(name)) for name in columns]
        told = (
            "" if value is None else f"{wording.ratio(value.value)} {wording.interval(n, value)}" for n, value in found
        )
        rows.append([text(row.name, NAME), *map(figure, told), f"{row.support:,.15g}", f"{row.predicted:,.15g}"])
    heads = (wording.nouns(report)[0], *map(text, columns.values()), "support", "predicted")
    return table(wording.nouns(report)[1].title(), heads, rows)


def _weak(report: Report) -> str:
    """What a search for weak slices found and tried, where there was one."""
    if report.scan is None:
        return ""
    from evalcli.renderers import weak_words

    scan, count = report.scan, wording.amount(row.n for row in report.scan.slices)
    rows = [
        [text(weak_words.named(row), 2 * NAME), *map(text, weak_words.numbers(row, scan.metric)), count(row.n)]
        for row in scan.slices
    ]
    heads = ("slice", text(wording.title(scan.metric)), "the rest", "difference", "interval", "adjusted p", "n")
    said = "".join(f"<li>{text(fact)}</li>" for fact in weak_words.facts(scan))
    found = table(f"Weak slices: {text(weak_words.headline(scan))}", heads, rows) if rows else ""
    return f"{found}<ul>{said}</ul>"


def _origin(report: Report) -> str:
    """The files that were read, and every choice that moves a number."""
    files = "".join(f"<br>{text(file.path)} {text(file.digest)}" for file in report.inputs)
    return f"<footer>evalcli {text(report.version)}{files}<br>{text(report.signature)}</footer>"


def _slices(report: Report) -> Iterator[str]:
    """A table for each column that rows are sliced by, of what order, and how sure the first metric is."""
    columns = contents.slice_columns(report)
    for by, rows in contents.slicers(report).items():
        shown, order = timeorder.shown(rows)
        sure = [wording.interval(columns[0], row.metrics[columns[0]]) for row in shown] if columns else []
        lines = []
        for i, row in enumerate(shown):
            cells = [wording.spoken(name, row.metrics[name]) for name in columns]
            cells[1:1] = [sure[i]] if any(sure) else []
            lines.append([text(row.value, NAME), *map(figure, cells), f"{row.n:,}"])
        titles = [wording.title(name) for name in columns]
        titles[1:1] = ["interval"] if any(sure) else []
        more = f"the worst {len(shown)} of {len(rows):,}" if len(shown) < len(rows) else order
        yield table(f"By {text(by, NAME)}, {more}", (text(by, NAME), *map(text, titles), "n"), lines)
