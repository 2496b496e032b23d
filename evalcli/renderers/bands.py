"""Many classes by how many rows they have: the few with many, those between, and the long tail."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from evalcli import classrows
from evalcli.renderers import contents, wording

if TYPE_CHECKING:
    from evalcli.report import Number, Report

BANDS = (("head", 100), ("middle", 20), ("tail", 1))
"""From how many rows a class is in a band. Source: Liu et al. 2019, Large-scale long-tailed recognition in an open
world, who count rows for training."""


class Band(NamedTuple):
    """The classes of one band: how many, their rows or weights together, and the means over them by metric."""

    name: str
    classes: int
    rows: Number
    metrics: dict[str, float]


def bands(report: Report) -> list[Band]:
    """The bands that have classes; none where every class has a row of its own, or all are in one band."""
    if report.task != "multiclass" or len(report.per_class) <= contents.MAX_MATRIX:
        return []
    supports = classrows.supports(report.per_class)
    there = report.per_class[0].metrics
    columns = {name: classrows.values(report.per_class, name) for name in contents.CLASS_COLUMNS if name in there}
    total = sum(supports)
    unit = report.n / total if report.weighted and total else 1  # weights have none, and their sums are rounded
    rows = [round(support * unit, 9) for support in supports]
    found, most = [], inf
    for name, least in BANDS:
        begin = least if least > 1 else 0  # a row of little weight is one
        places = [place for place, held in enumerate(rows) if supports[place] and begin <= held < most]
        if places:
            means = {
                one: sum(column[place] or 0.0 for place in places) / len(places)  # as in a macro mean, 0/0 is 0
                for one, column in columns.items()
            }
            of = f"{name}, {least} rows or more" if most == inf else f"{name}, {least} to {most - 1} rows"
            found.append(Band(of, len(places), sum(supports[place] for place in places), means))
        most = least
    return found if len(found) > 1 else []


def cells(report: Report) -> tuple[list[str], list[list[str]]]:
    """The table in words: its headings, and a line for each band."""
    found = bands(report)
    if not found:
        return [], []
    count = wording.amount(band.rows for band in found)
    heads = ["classes", contents.counted(report), *(contents.CLASS_COLUMNS[name] for name in found[0].metrics)]
    lines = [
        [band.name, f"{band.classes:,}", count(band.rows), *(wording.ratio(value) for value in band.metrics.values())]
        for band in found
    ]
    return heads, lines
