"""The metrics of some rows: of all that were counted, or of one slice of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.classrows import ClassRows, Values
from evalcli.metrics.counts import Counts
from evalcli.metrics.labels import weights_tell
from evalcli.metrics.registry import METRICS, PER_CLASS, check_task, needs_scores, parse
from evalcli.metrics.registry import evaluate as metric_value
from evalcli.metrics.threads import each
from evalcli.reporting import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalcli.classification.cells import SliceCells
    from evalcli.classification.clusters import ClusterStates
    from evalcli.classification.intervals import Intervals
    from evalcli.classification.score_results import ScoreResults
    from evalcli.classification.scoring import ScoreStates
    from evalcli.classrows import Column
    from evalcli.counting import Shown
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.counts import ConfusionCounts, Pairs
    from evalcli.metrics.registry import MetricName
    from evalcli.report import Value
    from evalcli.task import Task
    from evalcli.uncertainty.intervals import Confidence, Interval

RANKED_BY_CLASS = ("auroc", "average_precision")
"""What a report shows of the ranks of every class."""


class Setting(NamedTuple):
    """What is the same for all rows and for every slice: ``picked`` (C,) are the classes that have ``names``."""

    task: Task
    names: tuple[str, ...]
    picked: np.ndarray[tuple[int], np.dtype[np.int64]]
    scope: Any
    workers: int = 1
    confidence: Confidence | None = None
    """How sure intervals are to be; ``None``: there are none."""
    shown: Shown | None = None
    """The metrics whose intervals anyone will see; ``None``: all."""
    method: str = "auto"
    """What intervals of composites get, as in :class:`evalcli.uncertainty.counted.CountIntervals`."""
    whole: ScoreResults | None = None
    """What the scores of all rows say, for a slice, which has no sample of its own."""


class Known(NamedTuple):
    """What is known of some rows since they were looked at together with others."""

    counted: Callable[[MetricName], float]
    """Says a metric of counts."""
    gaps: Callable[[MetricName], Interval | None] | None = None
    """Says the interval of a calibration error, where it is known."""
    cells: SliceCells | None = None
    """Those of the counts, and how metrics move in them, where that is known."""


class Numbers:
    """What was counted, and what it says; some of that may be ``known``."""

    def __init__(
        self,
        setting: Setting,
        confusion: ConfusionCounts,
        states: ScoreStates | None,
        clusters: ClusterStates | None = None,
        known: Known | None = None,
    ) -> None:
        self.setting, self._confusion, self._states, self.clusters = setting, confusion, states, clusters
        self.counts = counts_of(confusion, setting.picked)
        self.asked: list[MetricName] = []
        """The metrics that were asked for at once."""
        self._value_of_counts = self._evaluated if known is None else known.counted
        self.cells_known = None if known is None else known.cells
        """The cells of the counts, and how metrics move in them, where that is known."""
        self.gaps_known = None if known is None else known.gaps
        """Says the interval of a calibration error, where it is known."""

    @property
    def total(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.counts.n)

    @property
    def weighted(self) -> bool:
        """Whether rows weigh differently."""
        return self._confusion.weighted

    @property
    def weight_squares(self) -> float:
        """``Σw²``"""
        return self._confusion.weight_squares

    @cached_property
    def _intervals(self) -> Intervals | None:
        if self.setting.confidence is None or not self.total > 0:
            return None
        if self.weighted and not weights_tell(self.total, self.weight_squares):
            return None  # those of a slice: all rows have been looked at before
        confidence, method = self.setting.confidence, self.setting.method
        if self.clusters is None:
            from evalcli.classification.intervals import Intervals

            return Intervals(self, confidence, method)
        if np.unique(self.clusters.rows().cluster).size < 2:
            return None  # nothing says how another cluster would differ from a slice's only one
        from evalcli.classification.cluster_intervals import ClusterIntervals

        return ClusterIntervals(self, self.clusters, confidence, method)

    @cached_property
    def pairs(self) -> Pairs:
        """The occupied cells of the confusion matrix."""
        return self._confusion.pairs()

    @cached_property
    def scores(self) -> ScoreResults | None:
        """What the scores say, where there are any."""
        if self._states is None:
            return None
        from evalcli.classification.score_results import ScoreResults

        return ScoreResults(self._states, self.setting.names, self.setting.workers)

    def values(self, names: Iterable[str]) -> dict[str, Value]:
        """The metrics by their full names.

        Raises:
            UsageError: the task, or its classes, do not have one of them.

        """
        self.asked = asked = list(map(parse, names))
        kinds: dict[str, list[MetricName]] = {}  # each kind of state is read by itself
        for name in asked:
            kinds.setdefault(name.entry.state if name.entry.needs_scores else "", []).append(name)
        found = each(lambda some: [self.value(name) for name in some], [*kinds.values()], self.setting.workers)
        values = {
            name: value
            for some, held in zip(kinds.values(), found, strict=True)
            for name, value in zip(some, held, strict=True)
        }
        return {str(name): values[name] for name in asked}

    def value(self, name: MetricName) -> Value:
        """One metric, with its interval if that is wanted.

        Raises:
            UsageError: the task, or its classes, do not have it.

        """
        check_task(name, self.setting.task.kind)
        value = self._scored(name) if name.entry.needs_scores else self._counted(name)
        shown = self.setting.shown
        if self._intervals is None or not (shown is None or shown.has(name)):
            return value
        return self._intervals.of(name, value)

    def let_go(self) -> None:
        """Forget the intervals, which hold this: what both have read is free then, before anybody looks for circles."""
        self.__dict__.pop("_intervals", None)

    def covariance(self, names: Sequence[MetricName]) -> HostArray:
        """How metrics vary together (k, k); NaN of those of which nothing tells it."""
        if self._intervals is None:
            return np.full((len(names), len(names)), np.nan)
        from evalcli.classification.joint import covariance

        return covariance(self._intervals, names)

    def _counted(self, name: MetricName) -> Value:
        return value_of(self._value_of_counts(name))

    def _evaluated(self, name: MetricName) -> float:
        task, names, scope = self.setting.task, self.setting.names, self.setting.scope
        return float(metric_value(name, self.counts, scope=scope, positive=task.positive, classes=names))

    def _scored(self, name: MetricName) -> Value:
        if self.scores is None:
            from evalcli.classification.scoring import without_columns

            raise needs_scores(name) if self.setting.task.scores == "labels" else without_columns(name)
        return value_of(*map(float, self.scores.value(name)))

    def by_class(self, names: Iterable[str]) -> ClassRows:
        """The counts of every class; its ranks too, where ``names`` have them."""
        columns: dict[str, Column] = {
            name: Values(np.asarray(METRICS[name].formula(self.counts), np.float64)) for name in PER_CLASS
        }
        if self.scores is not None and self.scores.ranks_classes:
            for base in RANKED_BY_CLASS:
                if any(parse(name).base == base for name in names):
                    ranked = zip(*(part.tolist() for part in self.scores.by_class(parse(base))), strict=True)
                    columns[base] = [value_of(*numbers) for numbers in ranked]
        shown = self.setting.shown
        if self._intervals is not None and (shown is None or shown.of_all is None):
            self._be_sure(columns)
        return ClassRows(self.setting.names, self.counts.support, self.counts.predicted, columns)

    def _be_sure(self, columns: dict[str, Column]) -> None:
        """Give every value of every class its interval, in place."""
        assert self._intervals is not None
        for base, column in columns.items():
            if isinstance(column, Values):
                columns[base] = self._intervals.by_class(parse(base), column)
                continue
            names = [replace(parse(base), label=label) for label in self.setting.names]
            columns[base] = [self._intervals.of(name, value) for name, value in zip(names, column, strict=True)]


def listed(task: Task, counted: Counts) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The classes to list, by name and number: all that are declared, and both of two; else those that occur."""
    if task.classes and (not task.seen_only or task.kind == "binary"):
        picked = np.arange(len(task.classes))
    else:
        picked = np.flatnonzero((counted.support > 0) | (counted.predicted > 0))
    numbers = picked.tolist()
    return tuple(task.classes[i] for i in numbers) if task.classes else tuple(map(str, numbers)), picked


def counts_of(confusion: ConfusionCounts, picked: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Counts:
    """What was counted of the ``picked`` classes (C,)."""
    counted = confusion.class_counts().numpy()
    return Counts(*(part if part is None or part.ndim == 0 else _take(part, picked) for part in counted))


def _take(values: Any, picked: Any) -> Any:  # host arrays of counts or of weights
    """``values`` at ``picked``; a class beyond the counted ones has none."""
    padded = np.zeros(max(values.size, int(picked.max(initial=-1)) + 1), values.dtype)
    padded[: values.size] = values
    return padded[picked]
