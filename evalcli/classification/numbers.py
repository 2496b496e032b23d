"""The metrics of some rows: of all that were counted, or of one slice of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.counts import Counts
from evalcli.metrics.registry import METRICS, PER_CLASS, parse
from evalcli.metrics.registry import evaluate as metric_value
from evalcli.report import ClassRow, Value
from evalcli.reporting import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.classification.scoring import ScoreResults, ScoreStates
    from evalcli.metrics.counts import ConfusionCounts, Pairs
    from evalcli.metrics.registry import MetricName
    from evalcli.task import Task

RANKED_BY_CLASS = ("auroc", "average_precision")
"""What a report shows of the ranks of every class."""


class Setting(NamedTuple):
    """What is the same for all rows and for every slice: ``picked`` (C,) are the classes that have ``names``."""

    task: Task
    names: tuple[str, ...]
    picked: np.ndarray[tuple[int], np.dtype[np.int64]]
    scope: Any
    workers: int = 1


class Numbers:
    """What was counted, and what it says."""

    def __init__(self, setting: Setting, confusion: ConfusionCounts, states: ScoreStates | None) -> None:
        self.setting, self._confusion, self._states = setting, confusion, states
        counted, picked = confusion.class_counts().numpy(), setting.picked
        tp, support, predicted = (_take(part, picked) for part in (counted.tp, counted.support, counted.predicted))
        self.counts = Counts(tp, support, predicted, counted.n)

    @cached_property
    def pairs(self) -> Pairs:
        """The occupied cells of the confusion matrix."""
        return self._confusion.pairs()

    @cached_property
    def scores(self) -> ScoreResults | None:
        """What the scores say, where there are any."""
        if self._states is None:
            return None
        from evalcli.classification.scoring import ScoreResults

        return ScoreResults(self._states, self.setting.names, self.setting.workers)

    def values(self, names: Iterable[str]) -> dict[str, Value]:
        """The metrics by their full names.

        Raises:
            UsageError: the task, or its classes, do not have one of them.

        """
        return {str(name): self.value(name) for name in map(parse, names)}

    def value(self, name: MetricName) -> Value:
        """One metric.

        Raises:
            UsageError: the task, or its classes, do not have it.

        """
        return self._scored(name) if name.entry.needs_scores else self._counted(name)

    def _counted(self, name: MetricName) -> Value:
        task, names, _, scope, _ = self.setting
        return value_of(float(metric_value(name, self.counts, scope=scope, positive=task.positive, classes=names)))

    def _scored(self, name: MetricName) -> Value:
        from evalcli.classification.scoring import needs_scores, not_in_task

        task = self.setting.task
        if task.kind not in name.entry.tasks:
            raise not_in_task(name, task)
        if self.scores is None:
            raise needs_scores(name) if task.scores == "labels" else not_in_task(name, task)
        return value_of(*map(float, self.scores.value(name)))

    def by_class(self, names: Iterable[str]) -> tuple[ClassRow, ...]:
        """The counts of every class; its ranks too, where ``names`` have them."""
        columns = {name: [value_of(x) for x in METRICS[name].formula(self.counts).tolist()] for name in PER_CLASS}
        if self.scores is not None and self.scores.ranks_classes:
            for base in RANKED_BY_CLASS:
                if any(parse(name).base == base for name in names):
                    ranked = zip(*(part.tolist() for part in self.scores.by_class(parse(base))), strict=True)
                    columns[base] = [value_of(*numbers) for numbers in ranked]
        supports, predicted = self.counts.support.tolist(), self.counts.predicted.tolist()
        return tuple(
            ClassRow(name, supports[i], predicted[i], {metric: column[i] for metric, column in columns.items()})
            for i, name in enumerate(self.setting.names)
        )


def listed(task: Task, counted: Counts) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The classes to list, by name and number: all that are declared, and both of two; else those that occur."""
    if task.classes and (not task.seen_only or task.kind == "binary"):
        picked = np.arange(len(task.classes))
    else:
        picked = np.flatnonzero((counted.support > 0) | (counted.predicted > 0))
    numbers = picked.tolist()
    return tuple(task.classes[i] for i in numbers) if task.classes else tuple(map(str, numbers)), picked


def _take(values: Any, picked: Any) -> Any:  # host arrays of counts or of weights
    """``values`` at ``picked``; a class beyond the counted ones has none."""
    padded = np.zeros(max(values.size, int(picked.max(initial=-1)) + 1), values.dtype)
    padded[: values.size] = values
    return padded[picked]
