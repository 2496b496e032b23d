"""The rows of a batch and their target: which cells are 1, which 0, which do not count, and which are none of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.errors import InputError
from evalcli.evidence import SHOWN, Fault
from evalcli.kept import Kept
from evalcli.metrics.multilabel import count_labels

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.multilabel.prepare import Prepare
    from evalcli.sources.base import Array, Batch

LEFT_OUT = -1
"""The code of a target cell that does not count."""


class Rows:
    """One batch on its way."""

    def __init__(self, plan: Prepare, batch: Batch, evidence: Evidence) -> None:
        self.plan, self.batch, self.evidence = plan, batch, evidence
        self.labels, self.choices = plan.labels, plan.choices
        self.rows = len(batch.target)
        self.weight = self._one_a_row(batch.weight, "weight")
        self.repeats = self._one_a_row(batch.repeats, "repeats")
        self.cluster = self._one_a_row(batch.cluster, "cluster")
        self.kept = Kept(batch.start, 1, self.repeats, evidence)
        self.raw = self.table(batch.target, plan.target_order)
        self.plain = self._is_plain()
        """Whether every target cell is 0 or 1."""
        self.codes = np.ascontiguousarray(self._read_target().T)
        """The target (L, n) int8: 1, 0, and −1 for whatever counts no further."""

    def _one_a_row(self, values: Array | None, name: str) -> Array | None:
        if values is None or values.size == self.rows:
            return None if values is None else values.reshape(-1)
        what = f"there is a {name} for each cell"
        raise InputError(what, fix="save one for each row", path=self.plan.target.path)

    def table(self, values: Array, order: Array | None) -> Array:
        """The cells of a side (n, L) in the order of the labels."""
        table = values.reshape(self.rows, len(self.labels))
        return table if order is None else table[:, order]

    def _is_plain(self) -> bool:
        if self.raw.dtype == bool or not self.raw.size:
            return True
        if self.raw.dtype.kind in "iu":
            return bool(self.raw.min() >= 0 and self.raw.max() <= 1)
        return bool(((self.raw == 0) | (self.raw == 1)).all())

    def _read_target(self) -> Array:
        """What the cells that are −1 are is checked later."""
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
        index = self.choices.ignore_index
        if self.plain or index is None:
            return
        ignored = self.raw == index
        nothing = ignored.all(axis=1)
        self.kept.ignore(nothing)
        some = np.count_nonzero(ignored, axis=1) * ~nothing
        self.evidence.ignored_cells += int(some.sum() if self.repeats is None else (some * self.repeats).sum())

    def _note_hot(self) -> None:
        """Whether the target is no one-hot table, as :mod:`evalcli.classification.prepare` would find it."""
        if self.evidence.multi_hot:
            return
        several = count_labels(self.codes == 1) != 1
        if not self.plain:
            index = self.choices.ignore_index
            left_out = self.raw == index if index is not None else np.zeros(self.raw.shape, bool)
            whole = (left_out | (self.codes >= 0).T).all(axis=1)
            several = whole & (several | left_out.any(axis=1))
        self.evidence.multi_hot = bool(several.any())

    def check_target(self) -> None:
        """Whatever is neither 0 nor 1 nor left out is a fault; missing cells as the user said."""
        self.evidence.note_target(0, 1)
        if self.plain:
            return
        odd = (self.codes == LEFT_OUT).T
        if self.choices.ignore_index is not None:
            odd &= self.raw != self.choices.ignore_index
        if self.raw.dtype.kind == "f":
            missing = np.isnan(self.raw)
            odd &= ~missing
            if self.choices.nan == "drop":
                self.kept.drop(np.asarray(missing.any(axis=1)))
            else:
                self.fault("cell-missing", missing, None)
        self.fault("cell-odd", odd, self.raw)

    def fault(self, code: str, bad: Array, values: Array | None) -> None:
        """Record the marked cells (n, L) by row of the input, the first of each row with its value and label."""
        if self.kept.mask is not None:
            bad = bad & self.kept.mask[:, None]
        rows = np.flatnonzero(bad.any(axis=1))
        if not rows.size:
            return
        starts = np.arange(self.rows) if self.repeats is None else np.cumsum(self.repeats) - self.repeats
        first = []
        for row in rows[:SHOWN].tolist():
            column = int(np.argmax(bad[row]))
            value = "" if values is None else _spoken(values[row, column].item())
            place = f"label {self.labels[column]!r}"
            text = f"{value} at {place}" if value else place
            first.append((int(self.batch.start + starts[row]), text))
        cells = np.count_nonzero(bad, axis=1)
        count = int(cells.sum() if self.repeats is None else (cells * self.repeats).sum())
        found = Fault(count, first, numbered=self.repeats is None)
        self.evidence.faults.setdefault(code, Fault(numbered=found.numbered)).merge(found)
        self.kept.narrow(np.asarray(~bad.any(axis=1)))


def _spoken(value: float) -> str:
    """A number in an error: whole ones as someone would type them."""
    return f"{value:.0f}" if value == value // 1 and abs(value) < 1e15 else f"{value:g}"
