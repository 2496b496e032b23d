"""Slices: the same states once more for each value of a column, filled in the same pass.

The rows of a batch are brought together by slice, so that every state takes a run of them at once. Counts of few
classes are added for all slices in one go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.metrics.arrays import count_cells
from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.labels import out_of_range, pair_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.classification.prepare import Labels
    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.sources.base import Array, Slicer

TABLE_CELLS = 1 << 20
"""Cells that the tables of all slices may have for their rows to be counted in one go."""

LEAST_BUDGET = 1 << 20
"""Bytes for ranks that every slice has, however many share the budget."""


class Slice(NamedTuple):
    """What one value has gathered."""

    confusion: ConfusionCounts
    scores: ScoreStates | None


class SliceStates:
    """One slicer's slices, by code; a slice without a row is not there."""

    def __init__(self, slicer: Slicer, classes: int | None, scoring: Scoring | None, *, weighted: bool) -> None:
        self.size, self.classes, self.weighted = len(slicer.values), classes, weighted
        self.scoring = scoring
        if scoring is not None:
            share = max(scoring.budget // max(self.size, 1), LEAST_BUDGET)
            # the temperature that fits a slice is nobody's question
            self.scoring = replace(scoring, budget=share, states=scoring.states - {"TemperatureSample"})
        self._slices: dict[int, Slice] = {}
        self._table: Any = None
        if classes is not None and not weighted and self.size * classes * (classes + 1) <= TABLE_CELLS:
            self._table = np.zeros((self.size, classes * (classes + 1)), np.int64)

    def update(self, labels: Labels, codes: Array, *, scores: bool) -> None:
        """Count rows by the slice that each is in, (N,) from 0, −1 for none."""
        if (codes < 0).any():
            held = np.flatnonzero(codes >= 0)
            labels, codes = labels.take(held), codes[held]
        counted = self._table is not None and self._count_all(labels, codes)
        if counted and not scores:
            return
        for code, rows in _runs(codes):
            part = labels.take(rows)
            held_here = self._at(code)
            if not counted:
                held_here.confusion.update(part.preds, part.target, part.weight, part.repeats)
            if scores and held_here.scores is not None:
                held_here.scores.update(part)

    def _count_all(self, labels: Labels, codes: Array) -> bool:
        """Add all rows to the tables of all slices, unless a label lies outside, which only a state can tell."""
        if not len(codes):
            return True
        preds, target = (part.astype(np.int64, copy=False) for part in (labels.preds, labels.target))
        if out_of_range(preds, target, self.classes or 1):
            return False
        cells = pair_cells(preds, target, self.classes or 1)
        cells += codes * self._table.shape[1]
        self._table += count_cells(cells, self._table.size, labels.repeats).reshape(self._table.shape)
        return True

    def _at(self, code: int) -> Slice:
        if code not in self._slices:
            scores = None if self.scoring is None else self.scoring.fresh()
            self._slices[code] = Slice(ConfusionCounts(self.classes, weighted=self.weighted), scores)
        return self._slices[code]

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        if self._table is not None:
            self._table += other._table
        for code, theirs in other._slices.items():
            mine = self._at(code)
            mine.confusion.merge(theirs.confusion)
            if mine.scores is not None and theirs.scores is not None:
                mine.scores.merge(theirs.scores)

    def slices(self) -> dict[int, Slice]:
        """Every slice that has rows, by code."""
        if self._table is not None and self.classes is not None:
            width = self.classes + 1
            for code in np.flatnonzero(self._table.any(axis=1)).tolist():
                target, column = np.divmod(np.flatnonzero(self._table[code]), width)
                found = self._at(code).confusion
                found.update(column - 1, target, repeats=self._table[code][target * width + column])
            self._table = None
        return dict(sorted(self._slices.items()))


def _runs(codes: Array) -> Iterator[tuple[int, Array]]:
    """The rows of each code, in their order."""
    order = np.argsort(codes, kind="stable")
    heads = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, stop in zip(heads.tolist(), [*heads[1:].tolist(), len(order)], strict=True):
        yield int(codes[order[start]]), order[start:stop]
