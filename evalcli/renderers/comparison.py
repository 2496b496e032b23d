"""A comparison on a screen, in a pipe and as a text file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from evalcli.renderers import versus
from evalcli.renderers.comparison_slices import slice_lines
from evalcli.renderers.escape import visible
from evalcli.renderers.league_slices import league_slice_lines
from evalcli.renderers.screen import GAP, INDENT, Screen, indented, padded, prose, table, title
from evalcli.renderers.sections import finding_lines, verdict_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from evalcli.comparing.data import ClassFlips, Comparison, Difference, MetricRow

_UNBOUNDED = 100_000
_NAME = 24
"""Cells of a class name in the tables."""
_CAPS = ((40, 24), (32, 12), (20, 10), (12, 6))
"""Cells of a row's place and of class names beside it: the first that fit."""
_METRIC = 40
"""Cells of a metric with the class that it is of."""
_COLUMNS = ("support", "both right", "fixed", "broken", "changed", "both wrong")


class ComparisonView(NamedTuple):
    """A comparison as rich shows it."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, drawn for this console."""
        yield from comparison_lines(self.comparison, Screen.of(console, options))


def plain(comparison: Comparison, width: int | None = None) -> str:
    """The whole comparison, gates included, as text without colour."""
    screen = Screen(width or _UNBOUNDED)
    lines = [*comparison_lines(comparison, screen), *verdict_lines(comparison.gates, screen)]
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


def comparison_lines(comparison: Comparison, screen: Screen) -> Iterator[Text]:
    """The whole comparison without its gates."""
    league = comparison.kind == "league"
    body = (_league, _behind, league_slice_lines) if league else (_metrics, _words, slice_lines, _labels, _flips, _rows)
    drawn = [part(comparison, screen) for part in (_header, *body, _findings)]
    for i, lines in enumerate(part for part in drawn if part):
        if i:
            yield Text()
        yield from indented(lines)


def _header(comparison: Comparison, screen: Screen) -> list[Text]:
    facts = []
    for model in comparison.models:
        column = f", {visible(model.column)}" if model.column else ""
        facts.append((model.name, f"{visible(model.path)}{column}, {model.scores}"))
    facts += [(key, visible(fact)) for key, fact in versus.facts(comparison)]
    if comparison.positive is not None:
        facts.append(("positive", screen.name(comparison.positive).plain))
    lines = []
    for key, fact in facts:
        first, *more = prose(fact, screen, hang=10)
        lines += [padded(screen.say(key, "dim"), 10, "l") + first[10:], *more]
    return lines


def _metrics(comparison: Comparison, screen: Screen) -> list[Text]:
    """Every metric of both, the difference with its interval, the p-value by itself and by Holm."""
    first, second = (model.name for model in comparison.models)
    heads = ["", first, second, versus.sides(comparison), f"{versus.level(comparison)} interval", "p", "Holm"]
    rows = [[screen.say(head, "dim") for head in heads]]
    for row in comparison.metrics:
        found = row.differences[1]
        cells = ["", "", "", ""] if found is None else _cells(row, found)
        values = [versus.value(row, value) for value in row.values]
        style = _style(found)
        rows.append(
            [_spoken(row.name, screen), *(screen.say(text) for text in values)]
            + [screen.say(text, style if i == 0 else "") for i, text in enumerate(cells)]
        )
    for kept in ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 6), (0, 1, 2, 3), (0, 1, 2)):
        lines = table([[row[i] for i in kept] for row in rows], "l" + "r" * (len(kept) - 1))
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    below = [line for text in versus.by_size(comparison) for line in prose(text, screen, hang=0, style="dim")]
    return [lines[0], screen.rule(max(line.cell_len for line in lines)), *lines[1:], *below]


def _spoken(name: str, screen: Screen) -> Text:
    """A metric as it is spoken; a class in it may be called anything."""
    return screen.name(versus.metric_title(name), _METRIC)


def _cells(row: MetricRow, found: Difference) -> list[str]:
    return [
        versus.difference(row, found),
        versus.interval(row, found),
        versus.probability(found.p),
        versus.probability(found.adjusted),
    ]


def _style(found: Difference | None) -> str:
    return {"better": "green", "worse": "red"}.get("" if found is None else found.verdict, "")


def _words(comparison: Comparison, screen: Screen) -> list[Text]:
    """What each difference amounts to."""
    heads = [_spoken(row.name, screen) for row in comparison.metrics]
    room = max((head.cell_len for head in heads), default=0) + GAP
    lines: list[Text] = []
    for head, row in zip(heads, comparison.metrics, strict=True):
        text = versus.in_words(comparison, row)
        if screen.width - INDENT - room < 40:
            lines += [head, *prose(text, screen, hang=2)]
            continue
        first, *more = prose(text, screen, hang=room)
        lines += [padded(head, room, "l") + first[room:], *more]
    return lines


def _labels(comparison: Comparison, screen: Screen) -> list[Text]:
    """F1 of every label of several a row, the difference with its interval; precision and recall beside it."""
    labels = versus.shown_labels(comparison)
    if not labels:
        return []
    rows = [[screen.say(head, "dim") for head in ("", *versus.label_heads(comparison))]]
    for label, name in zip(labels, screen.names([label.name for label in labels], _NAME), strict=True):
        style = _style(label.metrics["f1"].differences[1])
        told = versus.label_cells(label)
        cells = [screen.say(text, style if i == 3 else "") for i, text in enumerate(told)]
        rows.append([name, *cells])
    for kept in (9, 7, 6, 5, 4):
        lines = table([row[:kept] for row in rows], "l" + "r" * (kept - 1))
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    left = len(comparison.per_class) - len(labels)
    below = [versus.LABEL_LEGEND] if kept == 9 else []
    below += [f"{left:,} more labels in the JSON"] if left else []
    rule = screen.rule(max(line.cell_len for line in lines))
    dim = prose("; ".join(below), screen, hang=0, style="dim") if below else []
    return [*title("Labels", screen), lines[0], rule, *lines[1:], *dim]


def _flips(comparison: Comparison, screen: Screen) -> list[Text]:
    """Right to wrong and wrong to right, class by class."""
    if not comparison.flips:
        return []
    rows = versus.shown_flips(comparison)
    heads = [screen.say(head, "dim") for head in ("", *_COLUMNS)]
    body = [
        [
            screen.say("all") if row.name is None else name,
            *(screen.say(f"{number:,}") for number in _numbers(row)),
        ]
        for row, name in zip(rows, screen.names([row.name or "" for row in rows], _NAME), strict=True)
    ]
    for kept in ((0, 1, 2, 3, 4, 5, 6), (0, 3, 4, 5), (0, 3, 4)):
        lines = table([[row[i] for i in kept] for row in [heads, *body]], "l" + "r" * (len(kept) - 1))
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    rule = screen.rule(max(line.cell_len for line in lines))
    legend = "fixed: wrong in A, right in B; broken: right in A, wrong in B; changed: wrong in two ways"
    if comparison.task == "multilabel":
        legend = f"all: rows with every label right; {legend}"
    left = len(comparison.flips) - len(rows)
    more = f"{left:,} more {versus.noun(comparison, left)} in the JSON" if left > 0 else ""
    return [
        *title("Flips", screen),
        lines[0],
        rule,
        *lines[1:-1],
        *([rule, lines[-1]] if len(lines) > 1 else []),
        *prose(legend, screen, hang=0, style="dim"),
        *(prose(more, screen, hang=0, style="dim") if more else []),
    ]


def _numbers(row: ClassFlips) -> tuple[int, ...]:
    return row.support, row.right, row.fixed, row.broken, row.other, row.same


def _rows(comparison: Comparison, screen: Screen) -> list[Text]:
    """The first rows of every kind of flip."""
    if not versus.shown_rows(comparison):
        return []
    for caps in _CAPS:
        lines = _row_table(comparison, screen, *caps)
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    legend = versus.LABELS_LEGEND if comparison.task == "multilabel" else ""
    return [*title("Rows", screen), *lines, *(prose(legend, screen, hang=0, style="dim") if legend else [])]


def _row_table(comparison: Comparison, screen: Screen, place_cap: int, name_cap: int) -> list[Text]:
    """The rows under the kind of their flip, with places and class names cut to these cells."""
    body: list[list[Text]] = [[screen.say(head, "dim") for head in ("", "target", "A", "B")]]
    titles: dict[int, str] = {}
    for kind, rows in versus.shown_rows(comparison).items():
        titles[len(body)] = versus.kind_title(comparison, kind, len(rows))
        for row in rows:
            names = versus.answers(comparison, row)
            cells = [screen.say("–", "dim") if name is None else screen.name(name, name_cap) for name in names]
            body.append([screen.name(versus.place_of(row), place_cap), *cells])
    lines = []
    for number, line in enumerate(table(body, "llll")):
        if number in titles:
            lines.append(screen.say(titles[number], "dim"))
        lines.append(line)
    return lines


def _league(comparison: Comparison, screen: Screen) -> list[Text]:
    """All models, the best by the first metric first; as many metrics as there is room for."""
    order = versus.league(comparison)
    names = [row.name for row in comparison.metrics]
    heads = [screen.say(""), *(_spoken(name, screen) for name in names)]
    rows = [heads]
    for place in order:
        cells = [
            screen.say(f"{versus.value(row, row.values[place])} {versus.standing(row, place, comparison.reference)}")
            for row in comparison.metrics
        ]
        rows.append([screen.say(comparison.models[place].name, "bold"), *cells])
    columns = len(heads)
    while True:
        lines = table([row[:columns] for row in rows], "l" + "r" * (columns - 1))
        if columns <= 2 or max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
        columns -= 1
    best = comparison.models[comparison.reference].name
    legend = f"* the best by {versus.metric_title(names[0])}; = no difference from {best} shown; + better than {best}"
    if any(versus.is_untested(row, comparison.reference) for row in comparison.metrics[: columns - 1]):
        legend += "; ? not tested"
    left = len(heads) - columns
    more = f"; {left} more metrics in the JSON" if left else ""
    rule = screen.rule(max(line.cell_len for line in lines))
    return [lines[0], rule, *lines[1:], *prose(legend + more, screen, hang=0, style="dim")]


def _behind(comparison: Comparison, screen: Screen) -> list[Text]:
    """What the distance from the best amounts to, in the first metric."""
    if not comparison.metrics:
        return []
    first = comparison.metrics[0]
    lines = title(f"{versus.metric_title(first.name)}, {versus.sides(comparison)}", screen)
    for place in versus.league(comparison):
        if place != comparison.reference:
            head = comparison.models[place].name
            begun, *more = prose(versus.in_words(comparison, first, place), screen, hang=4)
            lines += [padded(screen.say(head), 4, "l") + begun[4:], *more]
    return lines


def _findings(comparison: Comparison, screen: Screen) -> list[Text]:
    return finding_lines(comparison.findings, screen)
