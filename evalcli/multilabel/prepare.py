"""From the rows of a batch to cells that can be counted, with the evidence that they give on the way.

Inside, labels come first: ``(L, n)``, so that all later work runs along memory. Nothing here decides;
:mod:`evalcli.multilabel.task` does.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError
from evalcli.evidence import SHOWN, Fault
from evalcli.metrics.arrays import to_device
from evalcli.metrics.label_ranks import ScoreCells
from evalcli.metrics.labels import HEAVIEST
from evalcli.metrics.multilabel import LabelCells, count_labels
from evalcli.threshold import as_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Array, Batch, Field
    from evalcli.task import Choices, Task

LEFT_OUT = -1
"""The code of a target cell that does not count."""
_HEAD = 64
"""Rows that tell first whether all scores may be whole numbers."""


class Cells(NamedTuple):
    """Rows ready to be counted. ``scored`` are the scores of the same rows, where they are wanted.

    ``unscored`` says how many cells of each label (L,) have no score but count as wrong; they are in no rank.
    """

    counted: LabelCells
    scored: ScoreCells | None = None
    unscored: Array | None = None


class Prepare(NamedTuple):
    """How batches of one input become cells: everything that does not change from batch to batch."""

    layout: Layout
    choices: Choices
    preds: Field
    target: Field
    labels: tuple[str, ...]
    pred_order: Array | None = None
    """Which column of the predictions belongs to each label, where they do not lie in that order."""
    target_order: Array | None = None
    device: Any = None
    """Where torch counts the cells; ``None``: on the host, by numpy."""
    keep_scores: bool = False

    def __call__(self, batch: Batch, task: Task, evidence: Evidence) -> Cells:
        """Cells of ``batch`` under ``task``; adds what the batch shows to ``evidence``."""
        rows = _Rows(self, batch, evidence)
        rows.leave_out()
        rows.check_weight()
        rows.check_target()
        return rows.cells(task)


def make_prepare(
    layout: Layout, choices: Choices, preds: Field, target: Field, labels: Sequence[str], device: str | None = None
) -> Prepare:
    """How batches of these sides become cells of ``labels``: columns that are named are found by name."""
    pred_order, target_order = (_order(side.columns, labels) for side in (preds, target))
    prepare = Prepare(layout, choices, preds, target, tuple(labels), pred_order, target_order)
    if device is None:
        return prepare
    import torch

    return prepare._replace(device=torch.device(device))


def _order(columns: Sequence[str] | None, labels: Sequence[str]) -> Array | None:
    if columns is None or tuple(columns) == tuple(labels) or {*columns} != {*labels}:
        return None
    return np.array([columns.index(label) for label in labels], np.int64)


class _Rows:
    """One batch on its way; ``keep`` marks the rows that still count (``None``: all)."""

    def __init__(self, plan: Prepare, batch: Batch, evidence: Evidence) -> None:
        self.plan, self.batch, self.evidence = plan, batch, evidence
        self.width = len(plan.labels)
        self.rows = len(batch.target)
        self.keep: Array | None = None
        self.weight = self._one_a_row(batch.weight, "weight")
        self.repeats = self._one_a_row(batch.repeats, "repeats")
        self.raw = self._table(batch.target, plan.target_order)
        self.plain = self._is_plain()
        """Whether every target cell is 0 or 1."""
        self.codes = np.ascontiguousarray(self._read_target().T)

    def _one_a_row(self, values: Array | None, name: str) -> Array | None:
        if values is None or values.size == self.rows:
            return None if values is None else values.reshape(-1)
        what = f"a {name} for each cell (shape {values.shape})"
        raise InputError(what, fix="several labels a row are weighed row by row: save one for each row")

    def _table(self, values: Array, order: Array | None) -> Array:
        table = values.reshape(self.rows, self.width)
        return table if order is None else table[:, order]

    # The target.

    def _is_plain(self) -> bool:
        if self.raw.dtype == bool or not self.raw.size:
            return True
        if self.raw.dtype.kind in "iu":
            return bool(self.raw.min() >= 0 and self.raw.max() <= 1)
        return bool(((self.raw == 0) | (self.raw == 1)).all())

    def _read_target(self) -> Array:
        """The cells as 1, 0, and −1 for whatever counts no further; what they are is checked later."""
        if self.plain:
            plain: Array = self.raw.astype(np.int8)
            return plain
        codes = np.full(self.raw.shape, LEFT_OUT, np.int8)
        for value in (0, 1):
            codes[self.raw == value] = value
        return codes

    def leave_out(self) -> None:
        """Leave out the cells that are the ignore index, and rows of nothing else: before everything else."""
        self._note_hot()
        index = self.plan.choices.ignore_index
        if self.plain or index is None:
            return
        ignored = self.raw == index
        nothing = ignored.all(axis=1)
        if nothing.any():
            self.evidence.ignored += self._tally(nothing)
            self._narrow(~nothing)
        some = np.count_nonzero(ignored, axis=1) * ~nothing
        self.evidence.ignored_cells += int(some.sum() if self.repeats is None else (some * self.repeats).sum())

    def _note_hot(self) -> None:
        """Whether the target is no one-hot table, as :mod:`evalcli.classification.prepare` would find it."""
        if self.evidence.multi_hot:
            return
        several = count_labels(self.codes == 1) != 1
        if not self.plain:
            index = self.plan.choices.ignore_index
            left_out = self.raw == index if index is not None else np.zeros(self.raw.shape, bool)
            whole = (left_out | (self.codes >= 0).T).all(axis=1)
            several = whole & (several | left_out.any(axis=1))
        self.evidence.multi_hot = bool(several.any())

    def check_weight(self) -> None:
        """Weights are not negative and not beyond measure, or faults."""
        if self.weight is not None:
            bad = ~((self.weight >= 0) & (self.weight <= HEAVIEST))
            if bad.any():
                self._fault("weight", bad[:, None], self.weight[:, None], of_cells=False)

    def check_target(self) -> None:
        """Whatever is neither 0 nor 1 nor left out is a fault; missing cells as the user said."""
        self.evidence.note_target(0, 1)
        if self.plain:
            return
        odd = (self.codes == LEFT_OUT).T
        if self.plan.choices.ignore_index is not None:
            odd &= self.raw != self.plan.choices.ignore_index
        if self.raw.dtype.kind == "f":
            missing = np.isnan(self.raw)
            odd &= ~missing
            if self.plan.choices.nan == "drop":
                self._drop(np.asarray(missing.any(axis=1)))
            else:
                self._fault("cell-missing", missing, None)
        self._fault("cell-odd", odd, self.raw)

    # The predictions.

    def cells(self, task: Task) -> Cells:
        """What is left to count."""
        preds = self._table(self.batch.preds, self.plan.pred_order)
        is_cut = task.mode == "cut"
        if preds.dtype.kind == "b" and not is_cut:
            said, missing = np.ascontiguousarray(preds.T), None
            self.evidence.note_preds(0, 1)
        else:
            turned = np.ascontiguousarray(preds.T)
            missing = self._find_missing(turned)
            self._note_range(turned, missing)
            said = self._cut(turned, task) if is_cut else self._labels(turned)
        return self._kept(said, None if not is_cut or not self.plan.keep_scores else turned, missing)

    def _find_missing(self, scores: Array) -> Array | None:
        """Cells (L, n) that count and have no score; ``None`` where all have one. What they do is the user's choice."""
        if scores.dtype.kind != "f" or not scores.size or not isnan(float(scores.min())):
            return None
        missing: Array = np.isnan(scores) & (self.codes >= 0)
        if self.keep is not None:
            missing &= self.keep
        if not missing.any():
            return None
        if self.plan.choices.nan == "drop":
            self._drop(np.asarray(missing.any(axis=0)))
        elif self.plan.choices.nan == "error":
            self._fault("cell-nan", missing.T, None)
        else:
            return missing
        return None

    def _note_range(self, scores: Array, missing: Array | None) -> None:
        """The range of the scores that count, and whether they are whole numbers."""
        every = self.plain and self.keep is None and missing is None
        counted = scores
        if not every:
            mask = self.codes >= 0
            if self.keep is not None:
                mask &= self.keep
            counted = scores[mask & ~np.isnan(scores)] if scores.dtype.kind == "f" else scores[mask]
        if not counted.size:
            return
        low, high = float(counted.min()), float(counted.max())
        self.evidence.note_preds(low, high)
        if self.evidence.pred_whole and scores.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                head = counted[..., :_HEAD]
                whole = bool((np.trunc(head) == head).all()) and bool((np.trunc(counted) == counted).all())
            self.evidence.pred_whole = whole and high <= 2.0**53

    def _cut(self, scores: Array, task: Task) -> Array:
        """Which cells are predicted (L, n) bool."""
        stored = {cut: as_stored(cut, self.plan.preds.dtype, scores.dtype) for cut in set(task.cuts)}
        cuts = np.array([stored[cut] for cut in task.cuts])
        said: Array = scores >= cuts[:, None]
        return said

    def _labels(self, preds: Array) -> Array:
        """Predictions that are 0 and 1 themselves."""
        said: Array = preds == 1
        odd = ~said & (preds != 0)
        if odd.any():
            odd &= self.codes >= 0
            if preds.dtype.kind == "f":
                odd &= ~np.isnan(preds)
            self._fault("cell-pred", odd.T, preds.T)
        return said

    # What is left.

    def _kept(self, said: Array, scores: Array | None, missing: Array | None) -> Cells:
        codes, keep = self.codes, self.keep
        weight, repeats = self.weight, self.repeats
        if keep is not None:
            codes, said = codes[:, keep], said[:, keep]
            scores, missing = (None if part is None else part[:, keep] for part in (scores, missing))
            weight, repeats = (None if part is None else part[keep] for part in (weight, repeats))
        true, kept = codes == 1, None if self.plain else codes >= 0
        if kept is not None and kept.all():
            kept = None
        self.evidence.rows += int(codes.shape[1] if repeats is None else repeats.sum())
        if missing is not None:  # a prediction that is missing is the wrong one
            said = np.where(missing, ~true, said)
        said = said if kept is None else said & kept
        counted = self._on_device(LabelCells(true, said, kept, repeats, weight))
        if scores is None:
            return Cells(counted)
        if missing is None:
            return Cells(counted, ScoreCells(scores, codes, repeats, weight))
        unscored = missing.sum(axis=1) if repeats is None else missing @ repeats
        return Cells(counted, ScoreCells(scores, np.where(missing, LEFT_OUT, codes), repeats, weight), unscored)

    def _on_device(self, cells: LabelCells) -> LabelCells:
        """The cells where they are counted."""
        device = self.plan.device
        if device is None:
            return cells
        true, said, kept = (None if each is None else to_device(each, device) for each in cells[:3])
        return LabelCells(true, said, kept, cells.repeats, cells.weight)

    # Rows.

    def _narrow(self, keep: Array) -> None:
        self.keep = keep if self.keep is None else self.keep & keep

    def _tally(self, rows: Array) -> int:
        return int(np.count_nonzero(rows)) if self.repeats is None else int(self.repeats[rows].sum())

    def _drop(self, rows: Array) -> None:
        """Leave out rows that cannot be evaluated, and say how many."""
        if self.keep is not None:
            rows = rows & self.keep
        if rows.any():
            self.evidence.dropped += self._tally(rows)
            self._narrow(~rows)

    def _fault(self, code: str, bad: Array, values: Array | None, *, of_cells: bool = True) -> None:
        """Record the marked cells (n, L) by row of the input, the first of each row with its value and label."""
        if self.keep is not None:
            bad = bad & self.keep[:, None]
        rows = np.flatnonzero(bad.any(axis=1))
        if not rows.size:
            return
        starts = np.arange(self.rows) if self.repeats is None else np.cumsum(self.repeats) - self.repeats
        first = []
        for row in rows[:SHOWN].tolist():
            column = int(np.argmax(bad[row]))
            value = "" if values is None else f"{values[row, column].item():g}"
            place = f"label {self.plan.labels[column]!r}" if of_cells else ""
            text = f"{value} at {place}" if value and place else value or place
            first.append((int(self.batch.start + starts[row]), text))
        cells = np.count_nonzero(bad, axis=1)
        count = int(cells.sum() if self.repeats is None else (cells * self.repeats).sum())
        found = Fault(count, first, numbered=self.repeats is None)
        self.evidence.faults.setdefault(code, Fault(numbered=found.numbered)).merge(found)
        self._narrow(np.asarray(~bad.any(axis=1)))
