"""The slices of a league: on a screen the first metric of every model, on a page all metrics with their intervals."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from evalcli.comparing.data import goodness
from evalcli.renderers import timeorder, versus
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import INDENT, NAME, Screen, prose, table, title
from evalcli.renderers.wording import amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.comparing.data import Comparison, Difference, MetricRow, SliceRow

    Cell = tuple[SliceRow, MetricRow, list[str]]

HOLM = "Holm goes over the slices and all pairs of models, metric by metric"
LEGEND = f"* the best of the slice; = no difference from it shown; + better than it; ? not tested; {HOLM}"
_NAMES = (NAME, 24, 12)
"""Cells of the name of a slice: the first that fits."""
_BEHIND = 3
"""What is said of how far the best of all rows is behind: the difference, its interval, the p-value by Holm."""
_FEWEST = 3
"""Models that are shown rather than the interval."""


class _Room(NamedTuple):
    """Cells of the name of a slice, columns of how far the best of all rows is behind, and models."""

    name: int
    behind: int
    models: int


def by_column(comparison: Comparison) -> dict[str, list[SliceRow]]:
    """The slices by what they are of, first those where another model is best than of all rows.

    Of these, first where it is shown to be better, and where by the most in the first metric.
    """
    found: dict[str, list[SliceRow]] = {}
    for row in comparison.slices:
        found.setdefault(row.by, []).append(row)
    for rows in found.values():
        rows.sort(
            key=lambda row: (not is_shown(comparison, row), not is_another(comparison, row), -_lead(comparison, row))
        )
    return found


def is_another(comparison: Comparison, row: SliceRow) -> bool:
    """Whether another model is best there than of all rows."""
    return row.reference != comparison.reference


def is_shown(comparison: Comparison, row: SliceRow) -> bool:
    """Whether it is shown to be better there than the best of all rows."""
    found = _behind(comparison, row)
    return found is not None and found.verdict == "worse"


def _behind(comparison: Comparison, row: SliceRow) -> Difference | None:
    """The best of all rows less the best of the slice, in the first metric."""
    return row.metrics[comparison.metrics[0].name].differences[comparison.reference] if comparison.metrics else None


def _lead(comparison: Comparison, row: SliceRow) -> float:
    """How much better the best of the slice is than that of all rows, in the first metric."""
    if not comparison.metrics or not is_another(comparison, row):
        return 0.0
    metric = row.metrics[comparison.metrics[0].name]
    best, usual = (metric.values[place] for place in (row.reference, comparison.reference))
    return goodness(metric.direction, best) - goodness(metric.direction, usual)


def page_heads(comparison: Comparison) -> list[str]:
    """What stands above the columns of a page."""
    return ["model", "value", "less the best", f"{versus.level(comparison)} interval", "p", "Holm"]


def page_cells(comparison: Comparison) -> Iterator[tuple[str, list[Cell]]]:
    """For each column, every metric of every slice: a line for each model, the best there first."""
    for by, rows in by_column(comparison).items():
        yield by, [(row, *cell) for row in timeorder.in_order(rows) for cell in _of_slice(comparison, row)]


def _of_slice(comparison: Comparison, row: SliceRow) -> Iterator[tuple[MetricRow, list[str]]]:
    for metric, place in product(row.metrics.values(), versus.ranked([*row.metrics.values()])):
        found = metric.differences[place]
        value = _value(metric, place, row.reference).strip()
        told = _told(metric, found)
        p = [] if found is None else [versus.probability(found.p)]
        yield metric, [comparison.models[place].name, value, *told[:2], *(p or [""]), told[2]]


def _value(metric: MetricRow, place: int, reference: int) -> str:
    """A model's value, and how it stands to the best."""
    return f"{versus.value(metric, metric.values[place])} {versus.standing(metric, place, reference)}"


def _told(metric: MetricRow, found: Difference | None) -> list[str]:
    """How far a model is from the best, between what, and the p-value by Holm."""
    if found is None:
        return [""] * _BEHIND
    return [
        versus.difference(metric, found),
        versus.interval(metric, found),
        versus.probability(found.adjusted),
    ]


def league_slice_lines(comparison: Comparison, screen: Screen) -> list[Text]:
    """A table for each column that rows were sliced by."""
    lines: list[Text] = []
    for by, rows in by_column(comparison).items():
        if comparison.metrics:
            lines += [*([Text()] if lines else []), *_of_column(by, rows, comparison, screen)]
    return lines


def _of_column(by: str, rows: list[SliceRow], comparison: Comparison, screen: Screen) -> list[Text]:
    first, models = comparison.metrics[0], versus.league(comparison)
    shown, _ = timeorder.shown(rows)
    most = _BEHIND if any(is_another(comparison, row) for row in shown) else 0
    for each in _rooms(len(models)):
        room = each._replace(behind=min(each.behind, most))
        lines = _table(shown, comparison, screen, room)
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    left, metrics = len(rows) - len(shown), len(comparison.metrics) - 1
    cut = [comparison.models[place].name for place in models[room.models :]]
    below = [
        f"* the best of the slice by {versus.metric_title(first.name)}",
        "= no difference from it shown",
        *(["? not tested"] if any(versus.is_untested(row.metrics[first.name], row.reference) for row in shown) else []),
        HOLM,
        *(["differences are of how far values are from 0"] if first.direction == "zero" and room.behind else []),
        *([f"{', '.join(cut)} in the JSON"] if cut else []),
        *([f"{metrics:,} more {'metric' if metrics == 1 else 'metrics'} in the JSON"] if metrics else []),
        *([f"{left:,} more {'slice' if left == 1 else 'slices'} in the JSON"] if left else []),
    ]
    heading = title(f"{versus.metric_title(first.name)} by {visible(by, NAME)}", screen, _count(rows, comparison))
    rule = screen.rule(max(line.cell_len for line in lines))
    return [*heading, lines[0], rule, *lines[1:], *prose("; ".join(below), screen, hang=0, style="dim")]


def _rooms(models: int) -> Iterator[_Room]:
    """What to try, from all of it to the least: names are cut first, then the interval goes, then models do."""
    for behind in (_BEHIND, 2, 1):
        yield from (_Room(name, behind, models) for name in _NAMES)
    for many in range(models, min(models, _FEWEST) - 1, -1):
        yield _Room(12, 2, many)
    yield _Room(8, 1, min(models, _FEWEST))
    yield from (_Room(8, 0, many) for many in range(min(models, _FEWEST), -1, -1))


def _count(rows: Sequence[SliceRow], comparison: Comparison) -> str:
    """How many slices there are, and in how many another model is best."""
    best = comparison.models[comparison.reference].name
    another = sum(is_another(comparison, row) for row in rows)
    told = "1 slice" if len(rows) == 1 else f"{len(rows):,} slices"
    if not another:
        return f"{told}, {best} is the best in {'it' if len(rows) == 1 else 'all of them'}"
    shown = sum(is_shown(comparison, row) for row in rows)
    where = "another" if len(rows) == 1 else f"in {another:,} another"
    return f"{told}, {where} than {best} is the best{f', shown in {shown:,}' if shown else ', shown in none'}"


def _table(rows: list[SliceRow], comparison: Comparison, screen: Screen, room: _Room) -> list[Text]:
    """Which model is the best, the values of them, how far the best of all rows is behind, and how many rows."""
    models, count = versus.league(comparison)[: room.models], amount(row.n for row in rows)
    usual = comparison.models[comparison.reference].name
    behind = [f"{usual} − best", f"{versus.level(comparison)} interval", "Holm"][: room.behind]
    heads = ["", "best", *(f"{comparison.models[place].name}  " for place in models), *behind, "n"]
    body = [[screen.say(head, "dim") for head in heads]]
    for row, name in zip(rows, screen.names([row.value for row in rows], room.name), strict=True):
        metric, found = row.metrics[comparison.metrics[0].name], _behind(comparison, row)
        best = screen.say(comparison.models[row.reference].name, "bold" if is_another(comparison, row) else "")
        values = [screen.say(_value(metric, place, row.reference)) for place in models]
        told = _told(metric, found)[: room.behind]
        style = "red" if is_shown(comparison, row) else ""
        cells = [screen.say(text, style if i == 0 else "") for i, text in enumerate(told)]
        body.append([name, best, *values, *cells, screen.say(count(row.n))])
    return table(body, "l" + "r" * (len(heads) - 1))
