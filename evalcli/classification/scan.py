"""The search for weak slices: hits and rows of every value of every column and of every pair, in the same pass.

A slice is compared by a share of rows: how many of those that count are hits. Its rows are counted in a table for each
column and each pair, (values + 1) by (values + 1) by miss and hit; the last value stands for all that is not searched.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.arrays import count_cells
from evalcli.metrics.registry import parse

if TYPE_CHECKING:
    from evalcli.classification.prepare import Labels
    from evalcli.sources.base import Array, Scanned
    from evalcli.task import Task

SHARES = ("accuracy", "recall", "precision", "specificity", "npv")
"""What slices can be compared by: shares of rows, of which each is a hit or a miss."""


class Rows(NamedTuple):
    """Which rows a metric is a share of: all, or those whose ``target`` or ``preds`` (``side``) is the class.

    With ``other`` those where it is not. They are hits where the other side agrees.
    """

    side: str = "all"
    place: int = 0
    other: bool = False

    def select(self, labels: Labels) -> tuple[Array | None, Array]:
        """Which rows count (``None``: all), and which of all are hits, (N,) booleans."""
        preds, target = labels.preds, labels.target
        if self.side == "all":
            return None, preds == target
        asked, answer = (target, preds) if self.side == "target" else (preds, target)
        return (
            (asked != self.place, answer != self.place) if self.other else (asked == self.place, answer == self.place)
        )


_SIDES = {
    "recall": Rows("target"),
    "precision": Rows("preds"),
    "specificity": Rows("target", other=True),
    "npv": Rows("preds", other=True),
}


def rows_of(metric: str, task: Task) -> Rows:
    """The rows that ``metric`` is a share of in this task; of a class that no row has, none.

    Raises:
        UsageError: it is no share of rows.

    """
    name = parse(metric)
    single = name.average is None and name.slice_by is None
    if name.base not in SHARES or not single:
        fix = "use accuracy, or recall[cat], precision[cat], specificity[cat], npv[cat] of a class"
        raise UsageError(f"--scan-metric {metric}: not a share of rows, hits and misses", fix=fix)
    if name.base == "accuracy":
        return Rows()
    if name.label is None:
        if task.positive is None:
            fix = f"name a class, as in {name.base}[{task.classes[0] if task.classes else 1}]"
            raise UsageError(f"--scan-metric {metric}: several classes, and so no one share of rows", fix=fix)
        return _SIDES[name.base]._replace(place=task.positive)
    return _SIDES[name.base]._replace(place=_place(name.label, task))


def _place(label: str, task: Task) -> int:
    """The code of a class; −2, which no row has, where it is not there (yet)."""
    if label in task.classes:
        return task.classes.index(label)
    return int(label) if label.isdecimal() and not task.classes else -2


class ScanStates:
    """The counts of every column and pair: by their places, ``(column,)`` and ``(column, column)``."""

    def __init__(self, scanned: Scanned, rows: Rows) -> None:
        self.rows = rows
        self.sizes = [len(slicer.values) + 1 for slicer in scanned.columns]
        places = range(len(self.sizes))
        self.tables: dict[tuple[int, ...], Any] = {
            which: np.zeros((*(self.sizes[place] for place in which), 2), np.int64)
            for which in (*((place,) for place in places), *combinations(places, 2))
        }
        self.total = np.zeros(2, np.int64)
        """Misses and hits of all rows."""

    def update(self, labels: Labels, codes: Array) -> None:
        """Count rows with the codes of their values, (N, K), −1 for none."""
        counts, hits = self.rows.select(labels)
        repeats = labels.repeats
        if counts is not None:
            hits, codes = hits[counts], codes[counts]
            repeats = None if repeats is None else repeats[counts]
        hit = hits.astype(np.int64)
        self.total += count_cells(hit, 2, repeats)
        values = [np.where(codes[:, i] < 0, size - 1, codes[:, i]) for i, size in enumerate(self.sizes)]
        for which, table in self.tables.items():
            cells = values[which[0]]
            for place in which[1:]:
                cells = cells * self.sizes[place] + values[place]
            self.tables[which] += count_cells(2 * cells + hit, table.size, repeats).reshape(table.shape)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self.total += other.total
        for which in self.tables:
            self.tables[which] += other.tables[which]
