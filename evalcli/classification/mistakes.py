"""Which rows of a batch are mistakes, and which labels are suspect.

A mistake is a row whose prediction is not its target, a row without a prediction among them. A label is suspect by
confident learning: a class is *likely* for a row when its probability is at least the mean that this class gets in the
rows that bear its label; the label is suspect when the most probable of the likely classes is another one. The mean is
over rows, whatever their weight. Probabilities of rows that the model was trained on say what it was told, not what it
thinks: they have to be out of sample.

Source: Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evalcli.classification.certainty import certainty, class_probabilities
from evalcli.classification.labels import MISSING
from evalcli.classification.wanted import ALL
from evalcli.evidence import Evidence
from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.exact import ExactSum
from evalcli.shortlist import Found, Picked, numbers_of

if TYPE_CHECKING:
    from evalcli.classification.labels import Labels
    from evalcli.classification.prepare import Prepare
    from evalcli.classification.wanted import Wanted
    from evalcli.sources.base import Array, Batch
    from evalcli.task import Task


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Finds mistakes; the measures are confidence and margin, NaN where there are no scores or no prediction."""

    prepare: Prepare
    task: Task
    wanted: Wanted = ALL

    def __call__(self, batch: Batch) -> Found:
        """The mistakes of a batch, the most confident of lowest rank, those without a prediction of the highest."""
        labels = self.prepare(batch, self.task, Evidence())
        preds, target = labels.preds.astype(np.int64), labels.target.astype(np.int64)
        where = np.flatnonzero((preds != target) & self.wanted.mask(target, preds))
        confidence = margin = np.full(len(where), np.nan)
        if labels.scores is not None:
            confidence, margin = certainty(labels.scores[where], preds[where], self.task)
        rank = np.where(np.isnan(confidence), np.inf, -confidence)
        picked = _picked(self.prepare, batch, labels, where, preds[where], (confidence, margin))
        return Found((rank, np.zeros(len(where))), *picked)


@dataclass(frozen=True, slots=True)
class Suspects:
    """Finds suspect labels; the measures are the probabilities of the label and of the class that is suggested."""

    prepare: Prepare
    task: Task
    thresholds: Array
    wanted: Wanted = ALL

    def __call__(self, batch: Batch) -> Found:
        """The suspect labels of a batch, the least probable label of lowest rank."""
        labels = self.prepare(batch, self.task, Evidence())
        assert labels.scores is not None
        target = labels.target.astype(np.int64)
        probs = class_probabilities(labels.scores, self.task)
        likely = np.where(probs >= self.thresholds, probs, -np.inf)
        best = likely.argmax(axis=1)
        rows = np.arange(len(target))
        doubted = (likely[rows, best] >= 0) & (best != target) & (labels.preds != MISSING)
        where = np.flatnonzero(doubted & self.wanted.mask(target, best))
        own, suggested = probs[where, target[where]], probs[where, best[where]]
        picked = _picked(self.prepare, batch, labels, where, best[where], (own, suggested))
        return Found((own, -suggested), *picked)


def _picked(
    prepare: Prepare, batch: Batch, labels: Labels, where: Array, other: Array, measures: tuple[Array, Array]
) -> tuple[Picked, Array]:
    """The rows ``where`` of ``labels`` by their numbers in the file, and their places in the batch."""
    elements = where if labels.places is None else labels.places[where]
    places, element = np.divmod(batch.offset + elements, prepare.layout.inner)
    weight = None if labels.weight is None else labels.weight[where]
    return Picked(numbers_of(batch, places), element, labels.target[where], other, measures, weight), places


@dataclass(slots=True)
class SelfConfidence:
    """Of each class the sum of its probabilities in the rows that bear its label, exact, and how many these are."""

    prepare: Prepare
    task: Task
    sums: ExactSum = field(init=False)
    counts: Array = field(init=False)

    def __post_init__(self) -> None:
        """No rows yet."""
        self.sums = ExactSum(len(self.task.classes))
        self.counts = np.zeros(len(self.task.classes), np.int64)

    def add(self, batch: Batch) -> bool:
        """Take in the rows of a batch that have a prediction."""
        labels = self.prepare(batch, self.task, Evidence())
        assert labels.scores is not None
        scored = labels.preds != MISSING
        scores, target = labels.scores[scored], labels.target[scored].astype(np.int64)
        own = class_probabilities(scores, self.task)[np.arange(len(target)), target]
        self.sums.add(own, target)
        self.counts += np.bincount(target, minlength=len(self.counts))
        return True

    def merge(self, other: SelfConfidence) -> None:
        """Take in what another worker has gathered."""
        self.sums.merge(other.sums)
        self.counts += other.counts

    def thresholds(self) -> Array:
        """The mean of each class; infinite, so that it is never likely, of a class that no row bears."""
        means: Array = np.divide(
            self.sums.value(), self.counts, out=np.full(len(self.counts), np.inf), where=self.counts > 0
        )
        return means


@dataclass(slots=True)
class Tally:
    """How many rows there are of each pair of labels, where weights have been counted in their place."""

    prepare: Prepare
    task: Task
    confusion: ConfusionCounts = field(init=False)

    def __post_init__(self) -> None:
        """No rows yet."""
        self.confusion = ConfusionCounts(self.prepare.classes)

    def add(self, batch: Batch) -> bool:
        """Count the rows of a batch."""
        labels = self.prepare(batch, self.task, Evidence())
        self.confusion.update(labels.preds, labels.target, None, labels.repeats)
        return True

    def merge(self, other: Tally) -> None:
        """Take in what another worker has counted."""
        self.confusion.merge(other.confusion)
