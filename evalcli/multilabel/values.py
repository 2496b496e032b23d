"""What each name of a metric says of several labels a row, once everything is counted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics import formulas
from evalcli.metrics.entry import OVER_ROWS
from evalcli.metrics.multilabel import of_samples, over_samples, per_label, pooled_labels
from evalcli.metrics.ranking import mean_over_columns, over_columns
from evalcli.metrics.registry import class_index
from evalcli.metrics.roc import UNDEFINED, Certified
from evalcli.sources.base import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.entry import Entry
    from evalcli.metrics.formulas import Scope
    from evalcli.metrics.label_calibration import LabelSums
    from evalcli.metrics.label_ranks import RankSums
    from evalcli.metrics.labels import Counts
    from evalcli.metrics.multilabel import SetSizes
    from evalcli.metrics.probability import ScoreForm
    from evalcli.metrics.rank_sample import SampledRows
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.multilabel.scoring import LabelScores
    from evalcli.sources.base import Array


class CountValues:
    """Metrics of the counts: of one label, of the cells of all, as means over labels, as means over rows."""

    def __init__(self, counts: Counts, sets: SetSizes, labels: Sequence[str], scope: Scope = "seen") -> None:
        self.counts, self.sets, self.labels = counts, sets, labels
        self.kept = formulas.in_scope(counts, scope)

    def value(self, name: MetricName) -> float:
        """The value of a metric; NaN where it is undefined.

        Raises: ``UsageError`` for a label that is not there, and for a bare name of one label.
        """
        entry, formula = name.entry, name.entry.formula
        if entry.state == "SampleSets":
            return float(formula(self.sets))
        if entry.state == "LabelCounts":
            return float(formula(self.counts))
        if name.average == OVER_ROWS:
            return over_samples(formula, self.sets, *name.arguments)
        if name.average == "micro":
            return float(formula(pooled_labels(self.counts, self.kept), *name.arguments)[..., 0])
        values = self.by_label(formula, *name.arguments)
        if name.average == "macro":
            return float(formulas.mean_over(values, self.kept))
        if name.average == "weighted":
            return float(formulas.mean_over(values, self.counts.support))
        return float(values[class_index(name, None, self.labels)])

    def of_rows(self, name: MetricName) -> HostArray:
        """A metric of each kind of row (K,)."""
        return of_samples(name.entry.formula, self.sets, *name.arguments)

    def by_label(self, formula: Callable[..., Any], *arguments: float) -> Array:
        """A formula for every label (L,), NaN where it is undefined."""
        values: Array = per_label(formula, self.counts, *arguments)
        return values


class ScoreValues:
    """Metrics of the scores. A label with cells that have no score has none of them, and no mean is defined then."""

    def __init__(self, states: LabelScores, labels: Sequence[str]) -> None:
        self._states, self.labels = states, labels
        self._unscored = states.unscored > 0
        self._columns: dict[tuple[str, tuple[float, ...]], Certified] = {}

    @property
    def budget(self) -> int:
        """The bytes within which ranks are exact: a choice that may move a number."""
        return self._states.scoring.budget

    @property
    def form(self) -> ScoreForm:
        """How scores are probabilities."""
        return self._states.scoring.form

    def value(self, name: MetricName) -> Certified:
        """The value of a metric; three NaN where it is undefined.

        Raises: ``UsageError`` for a label that is not there, and for a bare name of one label.
        """
        entry = name.entry
        whole = not self._unscored.any()
        if entry.state == "LabelRanks":
            return _exact(entry.formula(self.rank_sums)) if whole else UNDEFINED
        if name.label is not None or (entry.by_label is None and name.average is None):
            return self._of_label(entry, class_index(name, None, self.labels), *name.arguments)
        if not whole:
            return UNDEFINED
        if name.average == "micro":
            result: Certified = entry.formula(self.pooled, *name.arguments)
            return result
        columns = self.by_label(entry, *name.arguments)
        return mean_over_columns(columns, self.support if name.average == "weighted" else None)

    def by_label(self, entry: Entry, *arguments: float) -> Certified:
        """A metric of every label: three arrays (L,), NaN where it is undefined."""
        asked = entry.name, arguments
        if asked not in self._columns:  # the labels, their means and their intervals all ask for it
            self._columns[asked] = self._by_label(entry, *arguments)
        return self._columns[asked]

    def _by_label(self, entry: Entry, *arguments: float) -> Certified:
        if entry.by_label is not None:
            values = entry.by_label(self.sums)
            columns = Certified(values, values, values)
        else:
            columns = over_columns(entry.formula, self.rankings, *arguments)
        return Certified(*(np.where(self._unscored, np.nan, part) for part in columns))

    def _of_label(self, entry: Entry, index: int, *arguments: float) -> Certified:
        if self._unscored[index]:
            return UNDEFINED
        if entry.by_label is not None:
            return _exact(entry.by_label(self.sums)[index])
        result: Certified = entry.formula(self.rankings[index], *arguments)
        return result

    @cached_property
    def rank_sums(self) -> RankSums:
        """What ``LabelRanks`` added up."""
        assert self._states.ranks is not None
        return self._states.ranks.compute()

    @cached_property
    def sums(self) -> LabelSums:
        """What ``LabelCalibration`` added up."""
        assert self._states.calibration is not None
        return self._states.calibration.compute()

    @cached_property
    def rankings(self) -> list[Ranking]:
        """The ranking of every label."""
        assert self._states.table is not None
        return self._states.table.compute()

    @cached_property
    def sampled(self) -> SampledRows | None:
        """Some rows with all their scores, where they were kept and every cell has one."""
        sample = self._states.sample
        return None if sample is None or self._unscored.any() else sample.compute()

    @cached_property
    def pooled(self) -> Ranking:
        """All cells as those of one label."""
        assert self._states.table is not None
        return self._states.table.pooled()

    @cached_property
    def support(self) -> Array:
        """How many true cells each label has, or their weight, (L,)."""
        return np.array([ranking.positives for ranking in self.rankings])

    def notes(self) -> tuple[Note, ...]:
        """What a reader should know about the values that were read."""
        if self._states.calibration is None or not (clipped := int(self.sums.clipped.sum())):
            return ()
        cells = "1 cell gives" if clipped == 1 else f"{clipped:,} cells give"
        text = f"{cells} what happened a probability of (nearly) 0"
        text += f", taken as {self._states.scoring.form.eps:.2g} in the log loss"
        return (Note("clipped-probabilities", text, "save logits: they are never clipped"),)


def _exact(value: Any) -> Certified:
    return Certified(*(float(value),) * 3)
