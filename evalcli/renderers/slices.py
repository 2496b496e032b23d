"""The slices on screen: in their order, how sure that is, and the distance between the best and the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from evalcli.renderers import contents, timeorder, wording
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import INDENT, NAME, Screen, padded, prose, table, title

if TYPE_CHECKING:
    from evalcli.report import Report, SliceRow

_LEAST_NAME = 10


def slice_lines(report: Report, screen: Screen) -> list[Text]:
    """A table for each column that rows were sliced by."""
    lines: list[Text] = []
    names = contents.slice_columns(report)
    for by, rows in contents.slicers(report).items():
        lines += [*([Text()] if lines else []), *_slicer(by, rows, names, screen, report.least)]
    return lines


def _slicer(by: str, rows: list[SliceRow], names: list[str], screen: Screen, least: int) -> list[Text]:
    shown, order = timeorder.shown(rows)
    count = wording.amount(row.n for row in rows)
    heads = [_heading(name) for name in names]
    sure = [wording.interval(names[0], row.metrics[names[0]]) for row in shown] if names else []
    heads[1:1] = [""] if any(sure) else []
    numbers = [[screen.say(head, "dim") for head in (*heads, "n")]]
    for i, row in enumerate(shown):
        cells = [wording.spoken(name, row.metrics[name]) for name in names]
        cells[1:1] = [sure[i]] if any(sure) else []
        numbers.append([screen.say(cell) for cell in (*cells, count(row.n))])
    sides = "rl" + "r" * len(names) if any(sure) else "r" * (len(names) + 1)
    right = table(numbers, sides)
    while len(numbers[0]) > 2 and max(line.cell_len for line in right) + _LEAST_NAME > screen.width - INDENT:
        numbers = [[*row[:-2], row[-1]] for row in numbers]
        sides = sides[: len(numbers[0]) - 1] + "r"
        right = table(numbers, sides)
    room = max(screen.width - INDENT - 2 - max(line.cell_len for line in right), _LEAST_NAME)
    labels = [Text(), *screen.names([row.value for row in shown], min(NAME, room))]
    width = max(label.cell_len for label in labels) + 2
    drawn = [padded(label, width, "l") + line for label, line in zip(labels, right, strict=True)]
    more = f"; {len(rows) - len(shown):,} more in the JSON" if len(rows) > len(shown) else ""
    facts = wording.gap(rows, names[0], least) + more if names else ""
    told = "1 slice" if len(rows) == 1 else f"{len(rows):,} slices, {order}"
    heading = title(f"By {visible(by, NAME)}", screen, told)
    return [*heading, *drawn, *(prose(facts.removeprefix("; "), screen, hang=2, style="dim") if facts else [])]


def _heading(name: str) -> str:
    return wording.title(visible(name, 24))
