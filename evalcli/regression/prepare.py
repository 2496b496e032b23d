"""From the rows of a batch to values that can be added: what is left out, and what is refused with its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import InputError
from evalcli.kept import Kept
from evalcli.metrics.values import LARGEST_VALUE, ValueRows, as_float64, inexact

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.sources.base import Array, Batch
    from evalcli.task import Choices


class Prepare(NamedTuple):
    """How batches of one input become values: a row is left out or refused as a whole, with all its outputs."""

    choices: Choices
    outputs: int
    keep_places: bool = False
    """Whether rows say where they stand in their batch."""

    def __call__(self, batch: Batch, evidence: Evidence) -> ValueRows:
        """The values of ``batch``; adds what it shows to ``evidence``."""
        rows = _Rows(self, batch, evidence)
        rows.drop_ignored()
        rows.kept.check_cluster(rows.cluster, self.choices.nan)
        rows.kept.check_weight(rows.weight)
        rows.note_fractions()
        rows.check("target", batch.target, rows.target)
        rows.check("pred", batch.preds, rows.preds)
        return rows.values()


class _Rows:
    """One batch on its way."""

    def __init__(self, plan: Prepare, batch: Batch, evidence: Evidence) -> None:
        self.plan, self.batch, self.evidence = plan, batch, evidence
        self.preds, self.target = (
            as_float64(side).reshape(len(side), plan.outputs) for side in (batch.preds, batch.target)
        )
        self.weight = None if batch.weight is None else batch.weight.reshape(-1)
        if self.weight is not None and len(self.weight) != len(self.target):
            raise InputError("several weights to a row", fix="save one weight for each row")
        self.repeats, self.cluster = batch.repeats, batch.cluster
        self.kept = Kept(batch.start, 1, batch.repeats, evidence)

    def drop_ignored(self) -> None:
        """Leave out the rows with a target that is the ignore index: before everything else."""
        if self.plan.choices.ignore_index is not None:
            self.kept.ignore(np.any(self.target == self.plan.choices.ignore_index, axis=1))

    def note_fractions(self) -> None:
        """Count the targets that are finite and not whole, where the task hangs on them."""
        choices = self.plan.choices
        if choices.task is None and choices.scores is None:
            with np.errstate(invalid="ignore"):
                target = self.target[:, 0]
                part = self.kept.also((np.trunc(target) != target) & np.isfinite(target))
            self.evidence.fractional += self.kept.tally(part)
            self.evidence.fractions = self.evidence.fractions or bool(part.any())

    def check(self, side: str, stored: Array, values: Array) -> None:
        """Values are finite numbers that float64 holds and that can be multiplied, or faults."""
        lost = inexact(stored, values.reshape(stored.shape))
        if lost is not None:
            self._values_fault(f"{side}-inexact", lost.reshape(values.shape), stored.reshape(values.shape))
        if not values.size or (values.max() <= LARGEST_VALUE and values.min() >= -LARGEST_VALUE):
            return
        endless = ~np.isfinite(values)
        if self.plan.choices.nan == "drop":
            self.kept.drop(np.any(endless, axis=1))
        else:
            self._values_fault(f"{side}-not-finite", endless, values)
        with np.errstate(invalid="ignore"):
            self._values_fault(f"{side}-beyond", np.abs(values) > LARGEST_VALUE, values)

    def _values_fault(self, code: str, bad: Array, values: Array) -> None:
        """Record the rows with a marked value, each by the first of them."""
        first = values[np.arange(len(values)), bad.argmax(axis=1)]
        self.kept.fault(code, np.any(bad, axis=1), first)

    def values(self) -> ValueRows:
        """What is left to add, output by output."""
        preds, target, weight, repeats = self.preds, self.target, self.weight, self.repeats
        groups, cluster, places = self.batch.groups, self.cluster, None
        kept = self.kept.mask
        if kept is not None and not kept.all():
            preds, target = preds[kept], target[kept]
            each = weight, repeats, groups, cluster
            weight, repeats, groups, cluster = (None if part is None else part[kept] for part in each)
            places = np.flatnonzero(kept) if self.plan.keep_places else None
        sides = np.ascontiguousarray(preds.T), np.ascontiguousarray(target.T)
        rows = ValueRows(*sides, weight, repeats, groups, cluster, places)
        self.evidence.rows += rows.count
        return rows
