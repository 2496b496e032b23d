"""One evaluation from a source to a report."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from evalcli import __version__
from evalcli.counting import Plan, count
from evalcli.engine import batch_rows, place, worker_count
from evalcli.errors import UsageError
from evalcli.findings import Facts, find
from evalcli.layout import find_layout
from evalcli.metrics.counts import Counts
from evalcli.metrics.registry import METRICS, PER_CLASS, default_names, parse
from evalcli.metrics.registry import evaluate as metric_value
from evalcli.report import ClassRow, Confusion, InputRecord, Report, Run, Value
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.layout import Layout
    from evalcli.metrics.registry import MetricName
    from evalcli.scoring import ScoreResults, ScoreStates
    from evalcli.sources.base import InputFile, Note, Source
    from evalcli.task import Choices

MATRIX_CLASSES = 100
"""Up to so many classes a report holds the whole confusion matrix; beyond, the most confused pairs."""

MOST_PAIRS = 1000
"""How many confused pairs a report holds at most."""


def evaluate(
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    *,
    also: Sequence[str] = (),
) -> Report:
    """Read ``source`` once, count, and say what the numbers mean.

    ``metrics`` are names as in :mod:`evalcli.metrics.registry`; ``None`` computes all that the task allows.
    ``also`` names more of them; what the task or its classes do not have is left out, and gates call it missing.

    Raises:
        InputError: when the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: when nothing is left to evaluate.
        UsageError: when choices contradict each other or the input.

    """
    started = perf_counter()
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        _check_scores(metrics, layout)
        scored = tuple(name for name in map(parse, (*(metrics or ()), *also)) if name.entry.needs_scores)
        size = batch_rows(execution, row_bytes(source))
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, scored, execution.ranking_budget)
        outcome, inputs = count(plan, size, workers, progress)
    report = _Reporter(source, choices, outcome, inputs).report(metrics, also)
    run = Run(perf_counter() - started, placement.backend, placement.device, workers, size, placement.why)
    return replace(report, run=run)


def _check_scores(metrics: Sequence[str] | None, layout: Layout) -> None:
    """Labels have no metrics of scores, and no pass is needed to say so."""
    for name in map(parse, metrics or ()):
        if name.entry.needs_scores and layout.preds == "labels":
            from evalcli.scoring import needs_scores

            raise needs_scores(name)


def row_bytes(source: Source) -> int:
    """What one row of predictions takes in memory while it is counted."""
    shape = source.preds.shape
    return 8 * int(np.prod(shape[1:], dtype=np.int64)) if len(shape) > 1 else 8


def records(source: Source, inputs: tuple[InputFile, ...]) -> tuple[InputRecord, ...]:
    """The files that were read, by the names the user knows."""
    return tuple(InputRecord(source.aliases.get(file.path, file.path), file.size, file.digest) for file in inputs)


class _Reporter:
    """From counts to a report: names, numbers, undefined, findings."""

    def __init__(self, source: Source, choices: Choices, outcome: Outcome, inputs: tuple[InputFile, ...]) -> None:
        self.source, self.choices, self.task = source, choices, outcome.task
        self.evidence, self.inputs = outcome.evidence, inputs
        counted = outcome.confusion.class_counts().numpy()
        self.pairs = outcome.confusion.pairs()
        self.picked = self._listed(counted)
        self.names = tuple(self.task.classes[i] for i in self.picked) if self.task.classes else self._numbers()
        tp, support, predicted = (_take(part, self.picked) for part in (counted.tp, counted.support, counted.predicted))
        self.counts = Counts(tp, support, predicted, counted.n)
        self.scores = self._results(outcome.scores)

    def _results(self, states: ScoreStates | None) -> ScoreResults | None:
        if states is None:
            return None
        from evalcli.scoring import ScoreResults

        return ScoreResults(states, self.names)

    def _listed(self, counted: Counts) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The classes to list: all that are declared, and both of two; else those that occur."""
        if self.task.classes and (not self.task.seen_only or self.task.kind == "binary"):
            return np.arange(len(self.task.classes))
        return np.flatnonzero((counted.support > 0) | (counted.predicted > 0))

    def _numbers(self) -> tuple[str, ...]:
        return tuple(map(str, self.picked.tolist()))

    def report(self, metrics: Sequence[str] | None, also: Sequence[str]) -> Report:
        """The whole report, findings included."""
        task = self.task
        values = self._values(default_names(task.kind) if metrics is None else metrics)
        for name in also:
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
            asked=self._asked(metrics, also, values),
        )
        return replace(report, findings=find(self._facts(report)))

    @staticmethod
    def _asked(metrics: Sequence[str] | None, also: Sequence[str], values: dict[str, Value]) -> tuple[str, ...]:
        """All of ``-m``; of the gates, which show their values themselves, what no report has unasked."""
        beyond = [name for name in map(parse, also) if name.entry.needs_scores]
        return tuple(name for name in dict.fromkeys(map(str, (*map(parse, metrics or ()), *beyond))) if name in values)

    def _values(self, metrics: Sequence[str]) -> dict[str, Value]:
        values = {}
        for name in map(parse, metrics):
            if name.slice_by is not None:
                raise UsageError(f"{name}: slices are not available in this version", fix="drop the part from @ on")
            values[str(name)] = self._scored(name) if name.entry.needs_scores else self._counted(name)
        return values

    def _counted(self, name: MetricName) -> Value:
        scope: Any = self.choices.classes
        return _value(
            float(metric_value(name, self.counts, scope=scope, positive=self.task.positive, classes=self.names))
        )

    def _scored(self, name: MetricName) -> Value:
        from evalcli.scoring import needs_scores, not_in_task

        if self.task.kind not in name.entry.tasks:
            raise not_in_task(name, self.task)
        if self.scores is None:
            raise needs_scores(name) if self.task.scores == "labels" else not_in_task(name, self.task)
        value, low, high = map(float, self.scores.value(name))
        return _value(value) if low == high or isnan(value) else Value(value, certified=(low, high))

    def _per_class(self) -> tuple[ClassRow, ...]:
        columns = {name: METRICS[name].formula(self.counts).tolist() for name in PER_CLASS}
        supports, predicted = self.counts.support.tolist(), self.counts.predicted.tolist()
        return tuple(
            ClassRow(name, supports[i], predicted[i], {metric: _value(column[i]) for metric, column in columns.items()})
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
            notes=self._notes(),
        )

    def _notes(self) -> tuple[Note, ...]:
        """What the source, the scores and a saved threshold have to say."""
        chosen = self.choices.chosen
        here = None if chosen is None else chosen.note(records(self.source, self.inputs))
        scores = () if self.scores is None else self.scores.notes()
        return (*self.source.notes(), *scores, *(() if here is None else (here,)))

    def _signature(self, averaged: int) -> str:
        """Every choice that moves a number, in one line."""
        labels = crc32("\0".join(self.names).encode("utf-8", "surrogatepass"))
        threshold = self.task.threshold
        parts = {
            "task": self.task.kind,
            "scores": self.task.scores,
            "classes": f"{self.choices.classes}({averaged}/{len(self.names)})",
            "pos": "-" if self.task.positive is None else self.task.positive,
            "thr": "-" if threshold is None else repr(threshold),
            **({} if self.choices.chosen is None or self.task.cut is None else {"cut": repr(self.task.cut)}),
            "n": self.evidence.rows,
            "ignore": "-" if self.choices.ignore_index is None else self.choices.ignore_index,
            "nan": self.choices.nan,
            "weights": "yes" if self.source.weighted else "no",
            "ties": "first",
            "labels": f"{labels:08x}",
            **({} if self.scores is None else {"budget": self.scores.budget}),
            "v": __version__,
        }
        return "|".join(f"{key}:{value}" for key, value in parts.items())


def _take(values: Any, picked: Any) -> Any:  # host arrays of counts or of weights
    """``values`` at ``picked``; a class beyond the counted ones has none."""
    padded = np.zeros(max(values.size, int(picked.max(initial=-1)) + 1), values.dtype)
    padded[: values.size] = values
    return padded[picked]


def _value(number: float) -> Value:
    return Value(None if isnan(number) else number)
