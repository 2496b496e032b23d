"""The errors of a regression on screen: each output by itself, where the errors lie, and how they are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from evalcli.renderers import contents, wording
from evalcli.renderers.screen import GAP, INDENT, NAME, Screen, indented, padded, table, wrapped
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.report import OutputRow, Report, Residuals

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ROWS = 5
"""How many lines high the histogram is."""
_MANY = 100
"""Outputs up to which each has its row on screen."""
_WORST = 10
_NAME = 24
"""Cells of a name before a metric has to give way to it."""
_SPREAD = 12
"""Outputs up to which the spread of each is shown."""


def outputs_part(report: Report, screen: Screen) -> list[Text]:
    """A row for each of several outputs; of very many the worst."""
    if not report.per_output:
        return []
    rows, heading = list(report.per_output), "Outputs"
    if len(rows) > _MANY:
        rows, heading = contents.worst_outputs(report)[:_WORST], f"Worst of {len(rows):,} outputs"
    names = contents.output_columns(report)
    while len(names) > 1 and _width(rows, names, screen) > screen.width - INDENT:
        names = names[:-1]
    left = len(report.per_output[0].metrics) - len(names)
    more = f"; {left} more metrics in the JSON" if left else ""
    quiet = wrapped(f"the numbers above are the means{more}", screen.prose - INDENT)
    return [screen.say(heading, "bold"), *(screen.say(line, "dim") for line in quiet), *_outputs(rows, names, screen)]


def _width(rows: Sequence[OutputRow], names: Sequence[str], screen: Screen) -> int:
    """Cells that the table needs if no name longer than ``_NAME`` is shown whole."""
    label = max(min(screen.name(row.name).cell_len, _NAME) for row in rows)
    return label + sum(_column(rows, name, screen)[0].cell_len + GAP for name in names)


def _column(rows: Sequence[OutputRow], name: str, screen: Screen) -> list[Text]:
    """A metric of every output under its name, as lines of one width."""
    shown = [screen.say(wording.spoken(name, row.metrics.get(name, Value(None)))) for row in rows]
    cells = [screen.say(wording.title(name), "dim"), *shown]
    width = max(cell.cell_len for cell in cells)
    return [padded(cell, width, "r") for cell in cells]


def _outputs(rows: Sequence[OutputRow], names: Sequence[str], screen: Screen) -> list[Text]:
    columns = [_column(rows, name, screen) for name in names]
    room = screen.width - INDENT - sum(column[0].cell_len + GAP for column in columns)
    cap = max(10, min(NAME, room))
    labels = [Text(), *(screen.name(row.name, cap) for row in rows)]
    return table([list(cells) for cells in zip(labels, *columns, strict=True)], "l" + "r" * len(columns))


def errors_part(report: Report, screen: Screen) -> list[Text]:
    """Below which residual how many rows lie; of one output also a histogram."""
    if not report.residuals or len(report.residuals) > _SPREAD:
        return []
    single = len(report.residuals) == 1
    heads = [wording.percentile(percent) for percent, _ in report.residuals[0].quantiles]
    shown = list(range(len(heads)))
    while True:
        drawn = [[*([] if single else [Text()]), *(screen.say(heads[i], "dim") for i in shown)]]
        for each in report.residuals:
            values = [screen.say(wording.residual(each.quantiles[i][1])) for i in shown]
            drawn.append([*([] if single else [screen.name(each.output, 20)]), *values])
        lines = table(drawn, ("" if single else "l") + "r" * len(shown))
        if len(shown) <= 3 or max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
        shown = shown[1:-1] if len(shown) > 5 else shown[::2]
    title = screen.say("Errors", "bold") + screen.say("  prediction − target, by share of the rows", "dim")
    if title.cell_len > screen.width - INDENT:
        title = screen.say("Errors", "bold")
    return [title, *lines, *(_histogram(report.residuals[0], screen) if single else [])]


def _histogram(residuals: Residuals, screen: Screen) -> list[Text]:
    """Bars for the bins, as high as blocks; empty where all errors are one."""
    counts = residuals.counts
    if len(counts) < 2 or not max(counts) > 0:
        return []
    amount = wording.amount(counts)
    label = max(len(amount(max(counts))), 1)
    room = screen.width - 2 * INDENT - label
    wide = 2 if 2 * len(counts) <= room else 1
    if len(counts) > room:
        return []
    levels = len(_BLOCKS) - 1
    heights = [_height(count, max(counts), _ROWS * levels) for count in counts]
    lines = []
    for row in reversed(range(_ROWS)):
        bars = "".join(_BLOCKS[min(max(height - row * levels, 0), levels)] * wide for height in heights)
        if not screen.encoding.startswith("utf"):
            bars = "".join(" " if char == " " else "#" for char in bars)
        head = amount(max(counts)) if row == _ROWS - 1 else "0" if row == 0 else ""
        lines.append(screen.say(f"{head:>{label}}", "dim") + screen.say(f"  {bars}".rstrip()))
    return [Text(), *lines, *indented(_axis(residuals, wide, screen), label + 2)]


def _height(count: float, most: float, levels: int) -> int:
    """How many eighths of a line; whatever is not empty is seen."""
    return 0 if count == 0 else max(1, round(levels * count / most))


def _axis(residuals: Residuals, wide: int, screen: Screen) -> list[Text]:
    """The ends, and where the errors change their sign."""
    edges, width = residuals.edges, wide * len(residuals.counts)
    first, last = wording.number(edges[0]), wording.number(edges[-1])
    line = [" "] * max(width, len(first) + len(last) + 1)
    line[: len(first)] = first
    line[len(line) - len(last) :] = last
    place = next((i * wide for i, edge in enumerate(edges) if edge == 0 and 0 < i < len(edges) - 1), None)
    if place is not None and all(char == " " for char in line[place - 1 : place + 2]):
        line[place] = "0"
    return [screen.say("".join(line), "dim")]
