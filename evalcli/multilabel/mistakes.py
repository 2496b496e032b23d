"""Which cells of a batch are wrong, and by how much: what looks for the mistakes of several labels a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evalcli.evidence import Evidence
from evalcli.metrics.multilabel import LabelCounts
from evalcli.metrics.probability import sigmoid
from evalcli.shortlist import Found, Picked, numbers_of

if TYPE_CHECKING:
    from evalcli.multilabel.prepare import Cells, Prepare
    from evalcli.sources.base import Array, Batch
    from evalcli.task import Task

NO_PREDICTION = -1
"""The code of a prediction that does not exist; it counts as an error of the model."""


@dataclass(frozen=True, slots=True)
class WrongCells:
    """Finds wrong cells of some ``labels`` (K,); the measures are the probability of the label and how far it is from
    the label's threshold, NaN where there are no scores.
    """

    prepare: Prepare
    task: Task
    labels: Array

    def __call__(self, batch: Batch) -> Found:
        """The wrong cells of a batch, row by row and in a row label by label; the surest one has the lowest rank."""
        cells = self.prepare(batch, self.task, Evidence())
        true, said = (side[self.labels].T for side in (cells.counted.true, cells.counted.said))
        row, label = np.nonzero(true != said)
        target, label = true[row, label], self.labels[label]
        other = (~target).astype(np.int8)
        if cells.missing is not None:
            other[cells.missing[label, row]] = NO_PREDICTION
        score, margin = self._measured(cells, row, label)
        places = row if cells.places is None else cells.places[row]
        weight = None if cells.counted.weight is None else cells.counted.weight[row]
        sides = numbers_of(batch, places), label, target.astype(np.int8), other
        rank = np.where(np.isnan(margin), np.inf, -margin)
        return Found((rank, np.zeros(len(row))), Picked(*sides, (score, margin), weight), places)

    def _measured(self, cells: Cells, row: Array, label: Array) -> tuple[Array, Array]:
        """The probability of each of these cells, and its distance from the threshold."""
        if cells.scored is None or self.task.scores == "labels":
            return np.full(len(row), np.nan), np.full(len(row), np.nan)
        score = cells.scored.scores[label, row].astype(np.float64)
        if self.task.scores == "logits":
            score = sigmoid(score)
        thresholds = self.task.thresholds or (self.task.threshold,) * len(self.task.classes)
        return score, np.abs(score - np.array(thresholds, np.float64)[label])


@dataclass(slots=True)
class Tally:
    """How many rows there are of each label, where weights have been counted in their place."""

    prepare: Prepare
    task: Task
    counts: LabelCounts = field(init=False)

    def __post_init__(self) -> None:
        """No rows yet."""
        self.counts = LabelCounts(len(self.task.classes))

    def add(self, batch: Batch) -> bool:
        """Count the rows of a batch."""
        cells = self.prepare(batch, self.task, Evidence())
        self.counts.take(cells.counted._replace(weight=None))
        return True

    def merge(self, other: Tally) -> None:
        """Take in what another worker has counted."""
        self.counts.merge(other.counts)
