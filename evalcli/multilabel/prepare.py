"""From the rows of a batch to cells that can be counted, with the evidence that they give on the way.

Inside, labels come first: ``(L, n)``, so that all later work runs along memory. Nothing here decides;
:mod:`evalcli.multilabel.task` does.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.arrays import column_order, columns, joined, to_device
from evalcli.metrics.label_ranks import ScoreCells
from evalcli.metrics.multilabel import LabelCells
from evalcli.multilabel.rows import LEFT_OUT, Rows
from evalcli.threshold import as_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Array, Batch, Field
    from evalcli.task import Choices, Task

_HEAD = 64
"""Rows that tell first whether all scores may be whole numbers."""


class Cells(NamedTuple):
    """Rows ready to be counted. ``scored`` are the scores of the same rows, where they are wanted.

    ``missing`` (L, n) bool are cells that have no score but count as wrong; they are in no rank. ``groups`` (n, S) are
    the slices that each row is in, ``cluster`` (n,) is the number of its cluster. ``places`` (n,) are those of the rows
    in their batch, where they are wanted; ``None``: all of them.
    """

    counted: LabelCells
    scored: ScoreCells | None = None
    missing: Array | None = None
    groups: Array | None = None
    cluster: Array | None = None
    places: Array | None = None

    @property
    def unscored(self) -> Array | None:
        """How many cells of each label (L,) are missing."""
        if self.missing is None:
            return None
        repeats = self.repeats
        return np.asarray(self.missing.sum(axis=1) if repeats is None else self.missing @ repeats)

    @property
    def arrays(self) -> tuple[Array | None, ...]:
        """All that is held of the rows."""
        scored = () if self.scored is None else self.scored[:2]
        return *self.counted, *scored, self.missing, self.groups, self.cluster

    def joined(self, others: Sequence[Cells]) -> Cells:
        """These rows and, behind them, ``others`` that hold the same arrays."""
        counted, scored, missing, groups, cluster, _ = zip(self, *others, strict=True)
        ranked = None if scored[0] is None else scored[0].joined(scored[1:])
        return Cells(counted[0].joined(counted[1:]), ranked, joined(missing, 1), joined(groups), joined(cluster))

    @property
    def length(self) -> int:
        """How many rows these are, however often each counts."""
        return int(self.counted.true.shape[1])

    @property
    def repeats(self) -> Array | None:
        """How often each row occurs; ``None``: once."""
        return self.counted.repeats

    @property
    def weight(self) -> Array | None:
        """What each row weighs; ``None``: 1."""
        return self.counted.weight

    @property
    def bare(self) -> Cells:
        """The same rows without their slices, clusters and places."""
        return self._replace(groups=None, cluster=None, places=None)

    def pick(self, rows: Array | slice) -> Cells:
        """Some of the rows, without their slices."""
        scored = None if self.scored is None else self.scored.pick(rows)
        missing = None if self.missing is None else columns(self.missing, rows)
        return Cells(
            self.counted.pick(rows), scored, missing, cluster=None if self.cluster is None else self.cluster[rows]
        )


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
    keep_places: bool = False

    def __call__(self, batch: Batch, task: Task, evidence: Evidence) -> Cells:
        """Cells of ``batch`` under ``task``; adds what the batch shows to ``evidence``."""
        rows = _Predicted(self, batch, evidence)
        rows.leave_out()
        rows.kept.check_cluster(rows.cluster, self.choices.nan)
        rows.kept.check_weight(rows.weight)
        rows.check_target()
        return rows.cells(task)


def make_prepare(
    layout: Layout, choices: Choices, preds: Field, target: Field, labels: Sequence[str], device: str | None = None
) -> Prepare:
    """How batches of these sides become cells of ``labels``: columns that are named are found by name."""
    pred_order, target_order = (column_order(side.columns, labels) for side in (preds, target))
    prepare = Prepare(layout, choices, preds, target, tuple(labels), pred_order, target_order)
    if device is None:
        return prepare
    import torch

    return prepare._replace(device=torch.device(device))


class _Predicted(Rows):
    """One batch on its way, with its predictions."""

    def cells(self, task: Task) -> Cells:
        """What is left to count."""
        preds = self.table(self.batch.preds, self.plan.pred_order)
        is_cut = task.mode == "cut"
        if preds.dtype.kind == "b" and not is_cut:
            said, missing = np.ascontiguousarray(preds.T), None
            self.evidence.note_preds(0, 1)
        else:
            turned = np.ascontiguousarray(preds.T)
            missing = self._find_missing(turned)
            self._note_range(turned, missing)
            said = self._cut(turned, task) if is_cut else self._labels(turned)
        return self._counted(said, None if not is_cut or not self.plan.keep_scores else turned, missing)

    def _find_missing(self, scores: Array) -> Array | None:
        """Cells (L, n) that count and have no score; ``None`` where all have one. What they do is the user's choice."""
        if scores.dtype.kind != "f" or not scores.size or not isnan(float(scores.min())):
            return None
        missing: Array = np.isnan(scores) & (self.codes >= 0)
        if self.kept.mask is not None:
            missing &= self.kept.mask
        if not missing.any():
            return None
        if self.choices.nan == "drop":
            self.kept.drop(np.asarray(missing.any(axis=0)))
        elif self.choices.nan == "error":
            self.fault("cell-nan", missing.T, None)
        else:
            return missing
        return None

    def _note_range(self, scores: Array, missing: Array | None) -> None:
        """The range of the scores that count, and whether they are whole numbers."""
        every = self.plain and self.kept.mask is None and missing is None
        counted = scores
        if not every:
            mask = self.codes >= 0
            if self.kept.mask is not None:
                mask &= self.kept.mask
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
            self.fault("cell-pred", odd.T, preds.T)
        return said

    def _counted(self, said: Array, scores: Array | None, missing: Array | None) -> Cells:
        codes, keep = self.codes, self.kept.mask
        weight, repeats, groups, cluster = self.weight, self.repeats, self.batch.groups, self.cluster
        places = np.flatnonzero(keep) if keep is not None and self.plan.keep_places else None
        if keep is not None:
            codes, said = codes[:, keep], said[:, keep]
            scores, missing = (None if part is None else part[:, keep] for part in (scores, missing))
            each = weight, repeats, groups, cluster
            weight, repeats, groups, cluster = (None if part is None else part[keep] for part in each)
        true, kept = codes == 1, None if self.plain else codes >= 0
        if kept is not None and kept.all():
            kept = None
        self.evidence.rows += int(codes.shape[1] if repeats is None else repeats.sum())
        if missing is not None:  # a prediction that is missing is the wrong one
            said = np.where(missing, ~true, said)
        said = said if kept is None else said & kept
        counted = self._on_device(LabelCells(true, said, kept, repeats, weight))
        if scores is None:
            return Cells(counted, groups=groups, cluster=cluster, places=places)
        ranked = codes if missing is None else np.where(missing, LEFT_OUT, codes)
        return Cells(counted, ScoreCells(scores, ranked, repeats, weight), missing, groups, cluster, places)

    def _on_device(self, cells: LabelCells) -> LabelCells:
        """The cells where they are counted: sums of weights, and rows that stand for several, on the host."""
        device = self.plan.device
        if device is None or cells.weight is not None or cells.repeats is not None:
            return cells
        true, said, kept = (None if each is None else to_device(each, device) for each in cells[:3])
        return LabelCells(true, said, kept, cells.repeats, cells.weight)
