"""From the counts of a classification to a report: names, numbers, what is undefined, findings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.classification.findings import Facts, find
from evalcli.errors import UsageError
from evalcli.metrics.counts import Counts
from evalcli.metrics.registry import METRICS, PER_CLASS, check_task, default_names, needs_scores, parse
from evalcli.metrics.registry import evaluate as metric_value
from evalcli.report import ClassRow, Confusion, Report, Value
from evalcli.reporting import digest_of, notes_of, records, signature, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.scoring import ScoreResults, ScoreStates
    from evalcli.counting import Outcome, Plan
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import InputFile

MATRIX_CLASSES = 100
"""Up to so many classes a report holds the whole confusion matrix; beyond, the most confused pairs."""

MOST_PAIRS = 1000
"""How many confused pairs a report holds at most."""


class Reporter:
    """From counts to a report: names, numbers, undefined, findings."""

    def __init__(self, plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...]) -> None:
        self.source, self.choices, self.task = plan.source, plan.choices, outcome.task
        self.asked, self.also = plan.asked, plan.also
        self.evidence, self.inputs = outcome.evidence, inputs
        counted = outcome.gathered.confusion.class_counts().numpy()
        self.pairs = outcome.gathered.confusion.pairs()
        self.picked = self._listed(counted)
        self.names = tuple(self.task.classes[i] for i in self.picked) if self.task.classes else self._numbers()
        tp, support, predicted = (_take(part, self.picked) for part in (counted.tp, counted.support, counted.predicted))
        self.counts = Counts(tp, support, predicted, counted.n)
        self.scores = self._results(outcome.gathered.scores)

    def _results(self, states: ScoreStates | None) -> ScoreResults | None:
        if states is None:
            return None
        from evalcli.classification.scoring import ScoreResults

        return ScoreResults(states, self.names)

    def _listed(self, counted: Counts) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The classes to list: all that are declared, and both of two; else those that occur."""
        if self.task.classes and (not self.task.seen_only or self.task.kind == "binary"):
            return np.arange(len(self.task.classes))
        return np.flatnonzero((counted.support > 0) | (counted.predicted > 0))

    def _numbers(self) -> tuple[str, ...]:
        return tuple(map(str, self.picked.tolist()))

    def report(self) -> Report:
        """The whole report, findings included."""
        task = self.task
        values = self._values(default_names(task.kind) if self.asked is None else self.asked)
        for name in self.also:
            with suppress(UsageError):
                values = values | self._values([name])
        per_class = self._per_class()
        undefined = [name for name, value in values.items() if value.value is None]
        undefined += [
            f"{name}[{row.name}]" for row in per_class for name, value in row.metrics.items() if value.value is None
        ]
        seen = int(np.count_nonzero((self.counts.support > 0) | (self.counts.predicted > 0)))
        averaged = seen if self.choices.classes == "seen" else len(self.names)
        report = Report(
            version=__version__,
            signature=self._signature(averaged),
            task=task.kind,
            scores=task.scores,
            n=self.evidence.rows,
            ignored=self.evidence.ignored + self.evidence.dropped + self.source.dropped,
            weighted=self.source.weighted,
            classes=self.names,
            metrics=values,
            per_class=per_class,
            confusion=self._confusion(),
            undefined=tuple(dict.fromkeys(undefined)),
            inputs=records(self.source, self.inputs),
            positive=None if task.positive is None else self.names[task.positive],
            threshold=task.threshold,
            averaged=averaged,
            asked=self._asked(values),
        )
        return replace(report, findings=find(self._facts(report)))

    def _asked(self, values: dict[str, Value]) -> tuple[str, ...]:
        """All of ``-m``; of the gates, which show their values themselves, what no report has unasked."""
        beyond = [name for name in map(parse, self.also) if name.entry.needs_scores]
        every = (*map(parse, self.asked or ()), *beyond)
        return tuple(name for name in dict.fromkeys(map(str, every)) if name in values)

    def _values(self, metrics: Sequence[str]) -> dict[str, Value]:
        values = {}
        for name in map(parse, metrics):
            if name.slice_by is not None:
                raise UsageError(f"{name}: slices are not available in this version", fix="drop the part from @ on")
            check_task(name, self.task.kind)
            values[str(name)] = self._scored(name) if name.entry.needs_scores else self._counted(name)
        return values

    def _counted(self, name: MetricName) -> Value:
        scope: Any = self.choices.classes
        return value_of(
            float(metric_value(name, self.counts, scope=scope, positive=self.task.positive, classes=self.names))
        )

    def _scored(self, name: MetricName) -> Value:
        if self.scores is None:
            from evalcli.classification.scoring import without_columns

            raise needs_scores(name) if self.task.scores == "labels" else without_columns(name)
        return value_of(*map(float, self.scores.value(name)))

    def _per_class(self) -> tuple[ClassRow, ...]:
        columns = {name: METRICS[name].formula(self.counts).tolist() for name in PER_CLASS}
        supports, predicted = self.counts.support.tolist(), self.counts.predicted.tolist()
        return tuple(
            ClassRow(
                name, supports[i], predicted[i], {metric: value_of(column[i]) for metric, column in columns.items()}
            )
            for i, name in enumerate(self.names)
        )

    def _confusion(self) -> Confusion:
        """The matrix, or the most confused pairs: largest count first, then in class order."""
        target, preds, count = self.pairs
        places = np.full(int(self.picked.max(initial=0)) + 1, -1)
        places[self.picked] = np.arange(self.picked.size)
        target, preds = places[target], np.where(preds < 0, -1, places[preds])
        if len(self.names) <= MATRIX_CLASSES:
            matrix = np.zeros((len(self.names),) * 2, count.dtype)
            given = preds >= 0
            matrix[target[given], preds[given]] = count[given]
            return Confusion(matrix=tuple(map(tuple, matrix.tolist())))
        wrong = np.flatnonzero((target != preds) & (preds >= 0))
        order = wrong[np.lexsort((preds[wrong], target[wrong], -count[wrong]))][:MOST_PAIRS]
        rows = zip(target[order].tolist(), preds[order].tolist(), count[order].tolist(), strict=True)
        return Confusion(pairs=tuple((self.names[t], self.names[p], c) for t, p, c in rows))

    def _facts(self, report: Report) -> Facts:
        target, preds, count = self.pairs
        total = float(count.sum()) or 1.0
        whole = all(name.isdecimal() for name in self.names[:MATRIX_CLASSES]) and len(self.names) > 2
        steps = [float(count[(preds >= 0) & (preds - target == step)].sum()) / total for step in (1, -1)]
        missing = count[preds < 0].sum().item() if count.size else 0
        return Facts(
            report,
            self.source.preds.path,
            self.source.target.path,
            tied=self.evidence.tied,
            shift=(steps[0], steps[1]) if whole else (0.0, 0.0),
            dropped=self.evidence.dropped + self.source.dropped,
            unpredicted=missing,
            names=(self.source.preds.name, self.source.target.name),
            notes=notes_of(self.source, self.choices, self.inputs, () if self.scores is None else self.scores.notes()),
        )

    def _signature(self, averaged: int) -> str:
        task, choices = self.task, self.choices
        parts = {
            "task": task.kind,
            "scores": task.scores,
            "classes": f"{choices.classes}({averaged}/{len(self.names)})",
            "pos": task.positive,
            "thr": task.threshold,
            **({} if choices.chosen is None or task.cut is None else {"cut": repr(task.cut)}),
            "n": self.evidence.rows,
            "ignore": choices.ignore_index,
            "nan": choices.nan,
            "weights": "yes" if self.source.weighted else "no",
            "ties": "first",
            "labels": digest_of(self.names),
            **({} if self.scores is None else {"budget": self.scores.budget}),
            "v": __version__,
        }
        return signature(parts)


def _take(values: Any, picked: Any) -> Any:  # host arrays of counts or of weights
    """``values`` at ``picked``; a class beyond the counted ones has none."""
    padded = np.zeros(max(values.size, int(picked.max(initial=-1)) + 1), values.dtype)
    padded[: values.size] = values
    return padded[picked]
