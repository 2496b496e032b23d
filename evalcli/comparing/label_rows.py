"""Several labels a row as several models see them: their numbers, and what a batch of rows adds to each.

Everything about a row follows from its own cells, added up label by label, so that no cut into batches can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.label_calibration import cell_losses
from evalcli.metrics.label_ranks import row_measures
from evalcli.metrics.multilabel import SetSizes, count_labels
from evalcli.metrics.registry import check_task, needs_scores
from evalcli.metrics.roc import Certified
from evalcli.multilabel.values import CountValues, ScoreValues
from evalcli.uncertainty.cells import Margins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.multilabel.prepare import Cells
    from evalcli.multilabel.states import MultilabelPass
    from evalcli.uncertainty.rankinfluences import RowInfluence

MEASURES = ("lrap", "coverage_error", "ranking_loss")
LOSSES = ("log_loss", "brier")
LEFT_OUT = 8
"""The code of a cell that does not count."""


@dataclass(frozen=True)
class LabelNumbers:
    """The metrics of one model, as a report has them."""

    counted: CountValues
    scored: ScoreValues | None
    mean_weight: float = 1.0
    """Σw² / Σw."""

    @classmethod
    def of(cls, gathered: MultilabelPass, labels: Sequence[str]) -> LabelNumbers:
        """From what was gathered of it."""
        scope: Any = gathered.plan.choices.classes
        counted = CountValues(gathered.counts.compute().numpy(), gathered.sets.compute(), labels, scope)
        total = float(counted.sets.amount.sum())
        mean_weight = gathered.counts.weight_squares / total if total > 0.0 else 1.0
        scored = None if gathered.scores is None else ScoreValues(gathered.scores, labels)
        return cls(counted, scored, mean_weight)

    def value(self, name: MetricName) -> Certified:
        """The value of a metric with the ends that are certain to hold it; NaN where it is undefined.

        Raises: ``UsageError`` for a metric that a multilabel task does not have, or that needs scores.
        """
        check_task(name, "multilabel")
        if not name.entry.needs_scores:
            return Certified(*(self.counted.value(name),) * 3)
        if self.scored is None:
            raise needs_scores(name)
        return Certified(*map(float, self.scored.value(name)))

    @cached_property
    def total(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.counted.sets.amount.sum())

    @cached_property
    def margins(self) -> Margins:
        """The counts of every label, ``n`` too: (L,)."""
        counts = self.counted.counts
        parts = (counts.tp, counts.support, counts.predicted, counts.n)
        return Margins(*(np.asarray(part, np.float64) for part in parts))

    def weights(self, average: str | None) -> HostArray:
        """What each label counts for in a mean (L,)."""
        weights = np.asarray(self.counted.kept if average == "macro" else self.margins.support, np.float64)
        total = float(weights.sum())
        return weights / total if total > 0.0 else weights

    def rankings(self, *, pooled: bool) -> list[Ranking]:
        """That of every label, or one of all cells for each of them."""
        assert self.scored is not None
        return [self.scored.pooled] * len(self.scored.labels) if pooled else self.scored.rankings


class Sizes(NamedTuple):
    """Of each row (n,): labels that are true and predicted, true, predicted, and wrong."""

    hit: HostArray
    true: HostArray
    said: HostArray

    @property
    def sets(self) -> SetSizes:
        """As formulas of rows read them."""
        return SetSizes(*self, np.ones(len(self.hit), np.int64))


class RowLook:
    """The same rows of all models; what several contrasts ask of a model is computed once."""

    def __init__(self, cells: Sequence[Cells], numbers: Sequence[LabelNumbers]) -> None:
        self.cells, self.numbers = cells, numbers
        first = cells[0].counted
        self.true, self.kept, self.weight = first.true, first.kept, first.weight
        self.labels, self.rows = self.true.shape
        self._known: dict[tuple[Any, ...], Any] = {}

    def codes(self, pair: tuple[int, int]) -> HostArray:
        """What each cell says (L, n) uint8: 1 true, 2 predicted by the first of a pair, 4 by the second; or 8."""
        key = "codes", *pair
        if key not in self._known:
            first, second = (self.cells[i].counted.said.view(np.uint8) for i in pair)
            codes = self.true.view(np.uint8) + 2 * first + 4 * second
            self._known[key] = codes if self.kept is None else np.where(self.kept, codes, np.uint8(LEFT_OUT))
        found: HostArray = self._known[key]
        return found

    def right(self, place: int) -> HostArray:
        """Which rows have every label right (n,)."""
        found: HostArray = (self.cells[place].counted.said == self.true).all(axis=0)
        return found

    def sizes(self, place: int) -> Sizes:
        """The sizes of the label sets of each row."""
        key = "sizes", place
        if key not in self._known:
            said = self.cells[place].counted.said
            self._known[key] = Sizes(*(count_labels(mask) for mask in (self.true & said, self.true, said)))
        found: Sizes = self._known[key]
        return found

    def counted(self, scope: HostArray) -> HostArray:
        """How many cells of each row count, of the labels in ``scope`` (L,) bool: (n,)."""
        if self.kept is None:
            return np.full(self.rows, int(np.count_nonzero(scope)))
        return count_labels(self.kept & scope[:, None])

    def measure(self, name: str, place: int) -> HostArray:
        """How a model ranks the labels of each row (n,)."""
        key = "measures", place
        if key not in self._known:
            scored = self.cells[place].scored
            assert scored is not None
            self._known[key] = dict(zip(MEASURES, row_measures(scored.scores, scored.target), strict=True))
        found: HostArray = self._known[key][name]
        return found

    def losses(self, name: str, place: int) -> HostArray:
        """The loss of each cell (L, n), 0 where it does not count."""
        return self._believed(place)[name]

    def positives(self, place: int) -> HostArray:
        """The probability of each cell (L, n) that a model gives its label; where it does not count, any."""
        return self._believed(place)["positive"]

    def _believed(self, place: int) -> dict[str, HostArray]:
        """What the score of each cell (L, n) says."""
        key = "losses", place
        if key not in self._known:
            scored, numbers = self.cells[place].scored, self.numbers[place].scored
            assert scored is not None
            assert numbers is not None
            scores = scored.scores.astype(np.float64)
            if self.kept is not None:
                scores = np.where(self.kept, scores, 0.5)  # what does not count may be NaN
            loss, brier, positive, _ = cell_losses(scores, self.true, numbers.form)
            if self.kept is not None:
                loss, brier = np.where(self.kept, loss, 0.0), np.where(self.kept, brier, 0.0)
            self._known[key] = {"log_loss": loss, "brier": brier, "positive": positive}
        found: dict[str, HostArray] = self._known[key]
        return found

    def influence(self, of: RowInfluence, place: int, label: int, *, pooled: bool) -> HostArray:
        """What the cell of each row (n,) of a label adds to a metric of ranks, ``pooled`` those of all labels."""
        key = "bins", place, label, pooled
        kept = None if self.kept is None else self.kept[label]
        if key not in self._known:  # of several metrics the same
            scored = self.cells[place].scored
            assert scored is not None
            scores = scored.scores[label]
            self._known[key] = of.segments.bins(scores if kept is None else np.where(kept, scores, 0))
        found = of.told(self._known[key], np.flatnonzero(self.true[label]))
        return found if kept is None else np.where(kept, found, 0.0)
