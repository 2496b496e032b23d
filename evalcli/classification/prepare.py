"""From the rows of a batch to labels that can be counted, with the evidence that they give on the way.

The host sees every value once, in cache-sized blocks: range, finiteness, row sums, the best column and its ties come
out of one visit. Nothing here decides; :mod:`evalcli.task` does.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.classification.columns import blocks, looks_on_device
from evalcli.classification.labels import MISSING, Labels
from evalcli.errors import InputError
from evalcli.kept import Kept, span
from evalcli.metrics.arrays import host_scores, is_host, joined
from evalcli.metrics.labels import LARGEST_LABEL
from evalcli.task import sum_tolerance
from evalcli.threshold import as_stored

if TYPE_CHECKING:
    from evalcli.classification.glances import Glances
    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Array, Batch, Field
    from evalcli.task import Choices, Task

ROUNDING = 1e-6
"""What float32 may add to the distance of a row sum from 1: rows rounded to three digits are off by 0.001 exactly."""


class Codes(NamedTuple):
    """What a file holds, as class indices: ``table[value - first]``, -1 for what is no class."""

    first: int
    table: Array


class Prepare(NamedTuple):
    """How batches of one input become labels: everything that does not change from batch to batch."""

    layout: Layout
    choices: Choices
    preds: Field
    target: Field
    classes: int | None = None
    """How many classes there are, where that is known before counting."""
    target_codes: Codes | None = None
    pred_codes: Codes | None = None
    order: Array | None = None
    """Which score column belongs to each class, where they do not lie in class order."""
    device: str | None = None
    """Where scores are compared; ``None``: on the host, by numpy."""
    keep_scores: bool = False
    """Whether the scores themselves are wanted beside the labels."""
    keep_places: bool = False
    """Whether it is wanted which elements of the batch they are."""
    leave_scores: bool = False
    """Whether the scores that are wanted may stay on the device, as a tensor."""
    glances: Glances | None = None
    """What the device has seen so far, where nobody waits for it: labels then stay there, too."""
    only_scores: bool = False
    """Whether score columns are wanted without what they predict: rows come again that were all found to count."""

    def again_for_scores(self, seen: Evidence) -> Prepare:
        """The same for another pass over all rows, of which a pass has ``seen`` that, for their scores."""
        return self._replace(only_scores=not seen.dropped)

    def __call__(self, batch: Batch, task: Task, evidence: Evidence) -> Labels:
        """Labels of ``batch`` under ``task``; adds what the batch shows to ``evidence``."""
        rows = Rows(self, batch, evidence)
        rows.drop_ignored()
        rows.kept.check_weight(rows.weight)
        rows.kept.check_cluster(rows.cluster, self.choices.nan)
        rows.check_target()
        labels = rows.predicted(task)
        return rows.labels(labels)


class Rows:
    """One batch on its way; what of it stays on a device, ``prepare_there`` takes on."""

    def __init__(self, plan: Prepare, batch: Batch, evidence: Evidence) -> None:
        self.plan, self.batch, self.evidence, self.layout = plan, batch, evidence, plan.layout
        self.target = self._flat_target()
        self.inner = len(self.target) // max(1, len(batch.target))
        self.weight = self._spread(batch.weight)
        self.repeats = self._spread(batch.repeats)
        self.kept = Kept(batch.start, self.inner, self.repeats, evidence)
        self.cluster = self._spread(batch.cluster)
        self.scores: Array | None = None
        self.there = plan.glances is not None and self.repeats is None
        """Whether labels and scores stay on the device: of the elements that count, or of all that are fed by hand."""
        self.kept_there: Array | None = None
        """Which elements count, where it is a device that knows."""

    def _flat_target(self) -> Array:
        target = self.batch.target
        if self.layout.target == "one-hot":
            hot = _columns(target, self.layout.target_axis, self.layout.width)
            best: Array = hot.argmax(axis=1)
            return best
        return target.reshape(-1)

    def _spread(self, values: Array | None) -> Array | None:
        """One value a row becomes one for each of its elements."""
        if values is None:
            return None
        flat = values.reshape(-1)
        if flat.size == self.target.size:
            return flat
        if flat.size * self.inner != self.target.size:  # the shape of a one-hot target, whose cells weigh nothing
            raise InputError("there is a weight for each cell", fix="save one for each row", path=self.plan.target.path)
        return np.repeat(flat, self.inner)

    def groups(self) -> Array | None:
        """The slices of every element."""
        groups = self.batch.groups
        return groups if groups is None or self.inner == 1 else np.repeat(groups, self.inner, axis=0)

    def drop_ignored(self) -> None:
        """Leave out the rows whose target is the ignore index: before everything else."""
        index, labels = self.plan.choices.ignore_index, self.plan.target.labels
        if index is not None and labels is not None:
            index = labels.index(str(index)) if str(index) in labels else None
        if index is not None and is_host(self.target):
            self.kept.ignore(self.target == index)

    def check_target(self) -> None:
        """Targets become whole numbers from 0, or faults."""
        if not is_host(self.target):
            glances, ignored = self.plan.glances, self.plan.choices.ignore_index
            assert glances is not None
            self.target, self.kept_there = glances.look_at_target(self.target, self._largest(), ignored)
            return
        if self.layout.target == "one-hot":
            self._check_one_hot()
        target = self.target
        self._drop_missing(target, self.plan.target)
        if target.dtype == bool:
            self.target = target = target.view(np.uint8)
        if target.dtype.kind == "f":
            self._whole_target(target)
            target = self.target
        if self.plan.target_codes is not None:
            target = _recode(target, self.plan.target_codes)
            self.kept.fault("target-unknown", target < 0, self.target)
            self.target = target
        low, high = self.kept.span(target)
        limit = self._largest()
        if low < 0 or high > limit:
            self.kept.fault("target-range", (target < 0) | (target > limit), target)
            low, high = self.kept.span(target)
        self.evidence.note_target(low, high)

    def _check_one_hot(self) -> None:
        hot = _columns(self.batch.target, self.layout.target_axis, self.layout.width)
        binary = ((hot == 0) | (hot == 1)).all(axis=1)
        several = binary & (hot.sum(axis=1) != 1)
        self.evidence.multi_hot |= bool(several.any()) or self._leaves_cells_out(hot)
        self.kept.fault("not-one-hot", several | ~binary, None)

    def _leaves_cells_out(self, hot: Array) -> bool:
        """Whether a row of 0 and 1 has cells that are to be ignored, as only one of several labels can have."""
        index = self.plan.choices.ignore_index
        if index is None or index in {0, 1}:
            return False
        left_out = hot == index
        return bool((left_out.any(axis=1) & (left_out | (hot == 0) | (hot == 1)).all(axis=1)).any())

    def _whole_target(self, target: Array) -> None:
        missing = np.isnan(target)
        if missing.any():
            if self.plan.choices.nan == "drop":
                self.kept.drop(missing)
            else:
                self.kept.fault("target-missing", missing, None)
        with np.errstate(invalid="ignore"):
            whole = np.trunc(target) == target
        fractions = self.kept.also(~whole & ~missing).any()
        self.evidence.fractions = self.evidence.fractions or bool(fractions)
        self.kept.fault("target-fraction", ~(whole & (np.abs(target) <= 2.0**53)) & ~missing, target)
        counted = target if self.kept.mask is None else np.where(self.kept.mask, target, 0)
        self.target = counted.astype(np.int64)

    def _largest(self) -> int:
        return LARGEST_LABEL if self.plan.classes is None else self.plan.classes - 1

    def _drop_missing(self, codes: Array, side: Field) -> None:
        """Leave out rows whose text is missing, where the source has not done so itself."""
        if side.labels is not None and self.plan.choices.nan == "drop":
            self.kept.drop(codes == MISSING)

    def predicted(self, task: Task) -> Array:
        """The predicted label of every element (of those that do not count, any)."""
        if self.layout.preds == "columns":
            return self._best_column(task)
        preds = self.batch.preds.reshape(-1)
        self.scores = preds
        if preds.dtype == bool:
            preds = preds.view(np.uint8)
        if preds.dtype.kind == "f":
            preds = self._finite(preds)
            return self._cut(preds, task) if task.mode == "cut" else self._whole(preds)
        self._drop_missing(preds, self.plan.preds)
        return self._label_range(preds)

    def _finite(self, scores: Array) -> Array:
        """Note the range of one score an element; apply the rule for NaN."""
        low, high = self.kept.span(scores)
        if isnan(low) or isnan(high):  # NaN spreads through min and max
            missing = np.isnan(scores)
            self._not_a_number(missing)
            low, high = span(scores[self.kept.also(~missing)])
        self.evidence.note_preds(low, high)
        if self.evidence.pred_whole:
            kept = self.kept.only(scores)
            with np.errstate(invalid="ignore"):
                whole = np.trunc(kept) == kept
            self.evidence.pred_whole = bool((whole | np.isnan(kept)).all()) and high <= 2.0**53
        return scores

    def _not_a_number(self, missing: Array) -> None:
        if self.plan.choices.nan == "drop":
            self.kept.drop(missing)
        elif self.plan.choices.nan == "error":
            self.kept.fault("nan", missing, None)

    def _cut(self, scores: Array, task: Task) -> Array:
        assert task.cut is not None
        cut = as_stored(task.cut, self.plan.preds.dtype, scores.dtype)
        labels = np.where(scores >= cut, np.int8(task.above), np.int8(1 - task.above))
        return _mark_missing(labels, scores)

    def _whole(self, preds: Array) -> Array:
        missing = np.isnan(preds)
        with np.errstate(invalid="ignore"):
            self.kept.fault("pred-fraction", ~missing & ~(np.isfinite(preds) & (np.trunc(preds) == preds)), preds)
        whole = np.where(np.isfinite(preds), preds, 0).clip(-(2.0**53), 2.0**53).astype(np.int64)
        return np.where(missing, MISSING, self._label_range(whole))

    def _label_range(self, preds: Array) -> Array:
        """Check labels against the classes; codes of text are in range by construction, -1 for a missing one."""
        missing_allowed = self.plan.preds.labels is not None
        raw = preds
        if self.plan.choices.ignore_index is not None and not self.evidence.names_ignored:
            self._note_ignored(preds)
        if self.plan.pred_codes is not None:
            preds = _recode(preds, self.plan.pred_codes)
            self.kept.fault("pred-unknown", (preds < 0) & ~((raw == MISSING) & missing_allowed), raw)
        low, high = self.kept.span(preds)
        limit = self._largest()
        least = MISSING if missing_allowed else 0
        if low < least or high > limit:
            self.kept.fault("pred-range", (preds < least) | (preds > limit), preds)
            low, high = self.kept.span(preds)
        if self.layout.preds == "labels":  # of floats the range is known already, and has no place for MISSING
            self.evidence.note_preds(low, high)
        return preds

    def _note_ignored(self, preds: Array) -> None:
        """Whether a row that counts is predicted to be the ignored label: then that is a class."""
        labels, ignored = self.plan.preds.labels or (), str(self.plan.choices.ignore_index)
        if ignored in labels:
            named = preds == labels.index(ignored)
            self.evidence.names_ignored = bool(self.kept.also(named).any())

    def _best_column(self, task: Task) -> Array:
        scores = _columns(self.batch.preds, self.layout.class_axis, self.layout.width)
        if self.plan.order is not None:
            scores = scores[:, self.plan.order]
        if self.there:
            from evalcli.classification.prepare_there import glance

            return glance(self, scores, task)
        self.scores = scores
        if self.plan.only_scores:
            return np.full(len(scores), MISSING)
        if self.kept.mask is not None:  # what is ignored must not speak about the kind of the scores
            kept = np.flatnonzero(self.kept.mask)
            best = np.zeros(scores.shape[0], np.int64)
            best[kept] = self._visit(scores, kept)
        else:
            best = self._visit(scores, None)
        return best if task.mode == "argmax" else self._margin(scores, task, best)

    def _visit(self, scores: Array, elements: Array | None) -> Array:
        """The best column of each row of ``scores``, or of those at the places ``elements``."""
        best, there = np.empty(scores.shape[0] if elements is None else len(elements), np.int64), []
        tolerance = sum_tolerance(self.plan.preds.dtype)
        if self.plan.device is None:
            looks = blocks(scores, elements)
        else:
            looks = looks_on_device(scores if elements is None else scores[elements], self.plan.device)
        for start, seen in looks:
            best[start : start + len(seen.best)] = seen.best
            there.append(seen.there)
            self.evidence.tied += seen.tied
            self.evidence.note_preds(seen.low, seen.high)
            if seen.sums is not None:
                self._note_sums(seen.sums, tolerance, start, elements)
            if seen.bad is not None:
                where = np.flatnonzero(seen.bad) + start
                mask = np.zeros(self.target.shape, bool)
                mask[where if elements is None else elements[where]] = True
                self._not_a_number(mask)
                best[where] = MISSING
        if self.plan.leave_scores and elements is None and there and all(part is not None for part in there):
            self.scores = joined(there)
        return best

    def _note_sums(self, sums: Array, tolerance: float, start: int, elements: Array | None) -> None:
        away = np.abs(sums - 1)
        off = away > tolerance + ROUNDING
        if off.any():
            away = away.round(9)  # sums in another order must not be worse by their last digit
            worst = int(np.argmax(away))
            place = worst + start if elements is None else int(elements[worst + start])
            self.evidence.off_rows += int(np.count_nonzero(off))
            self.evidence.note_off(float(away[worst]), int(self.kept.rows(np.asarray([place]))[0]))

    def _margin(self, scores: Array, task: Task, best: Array) -> Array:
        """Two columns against a threshold on the probability of the positive class."""
        assert task.cut is not None
        positive, negative = scores[:, task.above], scores[:, 1 - task.above]
        if task.scores == "logits":
            with np.errstate(invalid="ignore"):
                over = positive.astype(np.float64) - negative >= task.cut
        else:
            over = positive >= as_stored(task.cut, self.plan.preds.dtype, scores.dtype)
        labels = np.where(over, task.above, 1 - task.above)
        return np.where(best == MISSING, MISSING, labels)

    def labels(self, preds: Array) -> Labels:
        """What is left to count."""
        target, weight, repeats = self.target, self.weight, self.repeats
        scores = self.scores if self.plan.keep_scores else None
        if self.there:
            from evalcli.classification.prepare_there import labels_there

            return labels_there(self, preds, scores)
        if scores is not None and not self.plan.leave_scores:
            scores = host_scores(scores)
        groups, places, cluster = self.groups(), None, self.cluster
        if self.kept.mask is not None:
            kept = self.kept.mask
            places = np.flatnonzero(kept) if self.plan.keep_places else None
            preds, target = preds[kept], target[kept]
            weight = None if weight is None else weight[kept]
            repeats = None if repeats is None else repeats[kept]
            scores = None if scores is None else scores[kept]
            groups, cluster = (None if part is None else part[kept] for part in (groups, cluster))
        self.evidence.rows += int(target.size if repeats is None else repeats.sum())
        return Labels(preds, target, weight, repeats, scores, places, groups, cluster)


def _columns(values: Array, axis: int, width: int | None) -> Array:
    """``(N, C, d…)`` or ``(N, d…, C)`` as ``(N·d…, C)``."""
    if values.ndim > 2 and axis == 1:
        values = np.moveaxis(values, 1, -1)
    return values.reshape(-1, width or 1)


def _recode(values: Array, codes: Codes) -> Array:
    """Values as class indices; whatever the table does not hold becomes -1."""
    values = values.astype(np.int64, copy=False)
    inside = (values >= codes.first) & (values < codes.first + codes.table.size)
    recoded: Array = np.where(inside, codes.table[np.where(inside, values - codes.first, 0)], -1)
    return recoded


def _mark_missing(labels: Array, scores: Array) -> Array:
    missing = np.isnan(scores)
    if missing.any():
        labels[missing] = MISSING
    return labels
