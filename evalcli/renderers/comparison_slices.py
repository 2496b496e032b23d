"""The slices of two models: on a screen the first metric in full and others beside it, on a page all of them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from evalcli.renderers import timeorder, versus
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import INDENT, NAME, Screen, prose, table, title
from evalcli.renderers.wording import amount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.comparing.data import Comparison, MetricRow, SliceRow


class _Room(NamedTuple):
    """Cells of the name of a slice, and what is shown of the first metric."""

    name: int
    kept: tuple[int, ...] = (0, 1, 2, 3, 5)


_ROOMS = (_Room(NAME), _Room(24), _Room(12), _Room(12, (0, 1, 2, 5)), _Room(12, (0, 1, 2)), _Room(8, (2,)))
"""The first that fits."""
_MOST_BESIDE = 3
"""Metrics beside the first."""
LEGEND = "Holm goes over the slices, metric by metric"


def by_column(comparison: Comparison) -> dict[str, list[SliceRow]]:
    """The slices by what they are of, those where B is worse by the most in the first metric first."""
    found: dict[str, list[SliceRow]] = {}
    for row in comparison.slices:
        found.setdefault(row.by, []).append(row)
    for name in [row.name for row in comparison.metrics][:1]:
        for rows in found.values():
            rows.sort(key=lambda row: _gain(row.metrics[name]))
    return found


def _gain(row: MetricRow) -> float:
    """How much better the second model is; what nobody knows comes last."""
    first, second = row.values
    if first is None or second is None:
        return inf
    if row.direction == "zero":
        return abs(first) - abs(second)
    return first - second if row.direction == "lower" else second - first


def slice_cells(row: MetricRow) -> list[str]:
    """A metric of both, the difference with its interval, the p-value by itself and by Holm."""
    found = row.differences[1]
    told = ["", "", "", ""]
    if found is not None:
        told = [versus.difference(row, found), versus.interval(row, found)]
        told += [versus.probability(p) for p in (found.p, found.adjusted)]
    return [*(versus.value(row, value) for value in row.values), *told]


def page_heads(comparison: Comparison) -> list[str]:
    """What stands above them."""
    return ["A", "B", versus.sides(comparison), f"{versus.level(comparison)} interval", "p", "Holm"]


def page_cells(comparison: Comparison) -> Iterator[tuple[str, list[tuple[SliceRow, MetricRow, list[str]]]]]:
    """For each column, every metric of every slice."""
    for by, rows in by_column(comparison).items():
        yield (
            by,
            [(row, metric, slice_cells(metric)) for row in timeorder.in_order(rows) for metric in row.metrics.values()],
        )


def slice_lines(comparison: Comparison, screen: Screen) -> list[Text]:
    """A table for each column that rows were sliced by."""
    lines: list[Text] = []
    for by, rows in by_column(comparison).items():
        if comparison.metrics:
            lines += [*([Text()] if lines else []), *_of_column(by, rows, comparison, screen)]
    return lines


def _of_column(by: str, rows: list[SliceRow], comparison: Comparison, screen: Screen) -> list[Text]:
    names = [row.name for row in comparison.metrics][: 1 + _MOST_BESIDE]
    shown, order = timeorder.shown(rows, "the worst for B")
    for room in _ROOMS:
        for many in range(len(names), 0, -1):
            lines = _table(shown, names[:many], comparison, screen, room)
            if _fits(lines, screen):
                break
        if _fits(lines, screen):
            break
    left = len(rows) - len(shown)
    below = [LEGEND, *([versus.LABEL_LEGEND] if many > 1 else []), *([f"{left:,} more in the JSON"] if left else [])]
    count = "1 slice" if len(rows) == 1 else f"{len(rows):,} slices, {order}"
    heading = title(f"{versus.metric_title(names[0])} by {visible(by, NAME)}", screen, count)
    rule = screen.rule(max(line.cell_len for line in lines))
    return [*heading, lines[0], rule, *lines[1:], *prose("; ".join(below), screen, hang=0, style="dim")]


def _fits(lines: list[Text], screen: Screen) -> bool:
    return max(line.cell_len for line in lines) <= screen.width - INDENT


def _table(rows: list[SliceRow], names: list[str], comparison: Comparison, screen: Screen, room: _Room) -> list[Text]:
    """The first metric in full but for the p-value by itself, the others beside it, and how many rows."""
    (first, *beside), kept = names, room.kept
    count, heads = amount(row.n for row in rows), page_heads(comparison)
    titles = ["", *(heads[i] for i in kept), *map(versus.metric_title, beside), "n"]
    body = [[screen.say(head, "dim") for head in titles]]
    for row, label in zip(rows, screen.names([row.value for row in rows], room.name), strict=True):
        metric = row.metrics[first]
        found, cells = metric.differences[1], slice_cells(metric)
        style = {"better": "green", "worse": "red"}.get("" if found is None else found.verdict, "")
        numbers = [screen.say(cells[i], style if i == 2 else "") for i in kept]
        numbers += [screen.say(versus.both(row.metrics[name])) for name in beside]
        body.append([label, *numbers, screen.say(count(row.n))])
    return table(body, "l" + "r" * (len(titles) - 1))
