"""From the counts of several labels a row to a report: names, numbers, what is undefined, findings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.addresses import between, wholes_of
from evalcli.errors import UsageError
from evalcli.metrics.labels import weights_tell
from evalcli.metrics.registry import (
    LABEL_LOSSES,
    LABEL_RANKS,
    METRICS,
    PER_CLASS,
    check_task,
    needs_scores,
    parse,
)
from evalcli.multilabel.findings import Facts, find
from evalcli.multilabel.values import CountValues, ScoreValues
from evalcli.report import ClassRow, Clustered, Confusion, Report, Square, Value
from evalcli.reporting import Sliced, SliceRows, digest_of, notes_of, records, signature, slices_of, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.counting import Outcome, Plan
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.multilabel.intervals import Intervals
    from evalcli.multilabel.states import MultilabelPass
    from evalcli.searched import Scan
    from evalcli.sources.base import Array, InputFile

MOST_PAIRS = 1000
"""How many pairs of labels a report holds at most."""


class Reporter:
    """What was counted, and the words for it."""

    def __init__(self, plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...]) -> None:
        self.plan, self.task, self.inputs, self.outcome = plan, outcome.task, inputs, outcome
        self.gathered, self.evidence = outcome.gathered, outcome.evidence
        self.labels = outcome.task.classes
        self.counts = outcome.gathered.counts.compute().numpy()
        scope: Any = plan.choices.classes
        self.counted = CountValues(self.counts, outcome.gathered.sets.compute(), self.labels, scope)
        states = outcome.gathered.scores
        self.scored = None if states is None else ScoreValues(states, self.labels)
        self.intervals = self._intervals()

    def report(self) -> Report:
        """Names, numbers, undefined, findings."""
        with self._slices() as slices:
            return self._report(slices)

    def _report(self, slices: SliceRows[MultilabelPass]) -> Report:
        plan, task = self.plan, self.task
        values = self.values()
        per_class = self._per_class()
        undefined = [name for name, value in values.items() if value.value is None]
        undefined += [
            f"{name}[{row.name}]" for row in per_class for name, value in row.metrics.items() if value.value is None
        ]
        averaged = int(np.count_nonzero(self.counted.kept))
        made = Report(
            version=__version__,
            signature=self._signature(averaged),
            task=task.kind,
            scores=task.scores,
            n=self.evidence.rows,
            ignored=self.evidence.ignored + self.evidence.dropped + plan.source.dropped,
            weighted=plan.source.weighted,
            where=plan.source.where,
            classes=self.labels,
            metrics=values,
            per_class=per_class,
            confusion=self._confusion(),
            undefined=tuple(dict.fromkeys(undefined)),
            inputs=records(plan.source, self.inputs),
            threshold=task.thresholds or task.threshold,
            averaged=averaged,
            slices=slices.told(),
            scan=self._scan(),
            clustered=self._clustered(),
            confidence=None if plan.choices.confidence is None else plan.choices.confidence.level,
        )
        made = replace(made, metrics=values | between(made, plan.asked or ()))
        made = replace(made, asked=self._asked(made.metrics))
        return replace(made, findings=find(self._facts(made)))

    def _intervals(self) -> Intervals | None:
        """What gives the numbers their intervals, where any are wanted."""
        confidence, gathered = self.plan.choices.confidence, self.gathered
        total = float(self.counted.sets.amount.sum())
        if confidence is None or not weights_tell(total, gathered.counts.weight_squares):
            return None
        from evalcli.multilabel.intervals import Intervals

        together = None if gathered.moments is None else gathered.moments.compute()
        mean_weight = gathered.counts.weight_squares / total
        if gathered.clusters is None:
            return Intervals(self.counted, self.scored, confidence, together, mean_weight)
        from evalcli.multilabel.clusters import ClusterIntervals
        from evalcli.multilabel.groupvalues import GroupValues
        from evalcli.uncertainty.groups import Groups

        values, rows = GroupValues(gathered.clusters.groups(), self.counted), total / mean_weight
        sizes = gathered.clusters.sizes().rows
        held = values.shares if not gathered.clusters.is_hashed else sizes / sizes.sum()
        groups = Groups(values.shares, rows * held, confidence)
        return ClusterIntervals(self.counted, self.scored, groups, values, together, mean_weight)

    def _clustered(self) -> Clustered | None:
        """How many clusters there are, and what they take from the certainty of the subset accuracy."""
        by = self.plan.source.clustered
        if by is None:
            return None
        rows, effect = self.gathered.clusters.sizes().rows, None
        if self.intervals is not None:
            from evalcli.multilabel.clusters import ClusterIntervals

            assert isinstance(self.intervals, ClusterIntervals)
            effect = self.intervals.design_effect(self._always("subset_accuracy"))
        return Clustered(by, len(rows), int(rows.max()), effect)

    def _default(self) -> tuple[str, ...]:
        """All that there is; of labels what needs no scores."""
        names = self.plan.default(self.task.kind)
        return names if self.scored is not None else tuple(n for n in names if not parse(n).entry.needs_scores)

    def _asked(self, values: dict[str, Value]) -> tuple[str, ...]:
        """All of ``-m``; of the gates, which show their values themselves, what no report has unasked."""
        usual = set(self.plan.default(self.task.kind))
        beyond = [name for name in self.plan.also if name not in usual and parse(name).label is None]
        every = (*map(str, map(parse, self.plan.asked or ())), *map(str, map(parse, beyond)))
        return tuple(name for name in dict.fromkeys(every) if name in values)

    def values(self, by: str = "") -> dict[str, Value]:
        """What was asked for, of all rows or of a slice ``by`` a column; and what gates read, as far as it is there."""
        asked = self._default() if self.plan.asked is None else self.plan.asked
        values = {str(name): self._value(name) for name in wholes_of(asked, by)}
        for name in wholes_of(self.plan.also, by):
            with suppress(UsageError):
                values[str(name)] = self._value(name)
        return values

    def _slices(self) -> SliceRows[MultilabelPass]:
        """Every slice that has rows, column by column."""
        plan = self.plan.inside()

        def metrics(one: Sliced[MultilabelPass]) -> dict[str, Value]:
            return self._of_slice(plan, one.held).values(one.slicer.name)

        return SliceRows(metrics, slices_of(self.gathered, self.plan.source.slicers), self.plan)

    def covariance(self, names: Sequence[MetricName], by: str = "", value: str = "") -> HostArray:
        """How metrics of all rows, or of a slice, vary together (k, k); NaN of those of which nothing tells it."""
        held: Reporter | None = self
        if by:
            one = self._held_slices.get((by, value))
            held = None if one is None else self._of_slice(self.plan.inside(), one)
        if held is None or held.intervals is None:
            return np.full((len(names), len(names)), np.nan)
        values = [held._value(name).value for name in names]
        return held.intervals.covariance(names, [float("nan") if one is None else one for one in values])

    @cached_property
    def _held_slices(self) -> dict[tuple[str, str], MultilabelPass]:
        slices = slices_of(self.gathered, self.plan.source.slicers)
        return {(one.slicer.name, one.slicer.values[one.code]): one.held for one in slices}

    def _of_slice(self, plan: Plan, held: MultilabelPass) -> Reporter:
        return Reporter(plan, self.outcome._replace(gathered=held), ())

    def _scan(self) -> Scan | None:
        """The weak slices, where they were searched for."""
        tables, scanned = self.gathered.scan, self.plan.source.scanned
        if tables is None or scanned is None:
            return None
        from evalcli.multilabel.scan import USUAL
        from evalcli.scanning.weakslices import judged

        return judged(
            scanned, tables, scanned.asked.metric or USUAL, self.labels, self.plan.choices.confidence, "label"
        )

    def _value(self, name: MetricName) -> Value:
        check_task(name, self.task.kind)
        if not name.entry.needs_scores:
            value = value_of(self.counted.value(name))
        elif self.scored is None:
            raise needs_scores(name)
        else:
            value = value_of(*map(float, self.scored.value(name)))
        shown = self.plan.shown
        seen = self.intervals is not None and (shown is None or shown.has(name))
        return self.intervals.of(name, value) if self.intervals is not None and seen else value

    def _per_class(self) -> tuple[ClassRow, ...]:
        columns = {name: _listed(self.counted.by_label(METRICS[name].formula)) for name in PER_CLASS}
        columns |= self._score_columns()
        if self.intervals is not None:
            columns = {name: self.intervals.by_label(name, values) for name, values in columns.items()}
        supports, predicted = self.counts.support.tolist(), self.counts.predicted.tolist()
        return tuple(
            ClassRow(label, supports[i], predicted[i], {metric: column[i] for metric, column in columns.items()})
            for i, label in enumerate(self.labels)
        )

    def _score_columns(self) -> dict[str, list[Value]]:
        """What scores say of each label, as far as the states for it were asked for."""
        if self.scored is None:
            return {}
        states = {name.entry.state for name in self.plan.scored(self.task.kind)}
        losses = self.gathered.scores.calibration is not None
        names = (LABEL_RANKS if "KeyTable" in states else ()) + (LABEL_LOSSES if losses else ())
        found = {name: self.scored.by_label(METRICS[name]) for name in names}
        return {name: [value_of(*map(float, one)) for one in zip(*parts, strict=True)] for name, parts in found.items()}

    def _confusion(self) -> Confusion:
        """Two by two for each label, and the pairs of which one is predicted where the other is missed."""
        tp, support, predicted, n = (
            part.tolist() for part in (self.counts.tp, self.counts.support, self.counts.predicted, self.counts.n)
        )
        squares: list[Square] = []
        for hit, true, said, every in zip(tp, support, predicted, n, strict=True):
            rest = max((every - true) - (said - hit), type(every)(0))  # rounded weights may leave it a hair below 0
            squares.append(((rest, said - hit), (true - hit, hit)))
        if self.gathered.pairs is None:
            return Confusion(labels=tuple(squares))
        missed, said, counts = self.gathered.pairs.compute()
        order = np.lexsort((said, missed, -counts))[:MOST_PAIRS]
        rows = zip(missed[order].tolist(), said[order].tolist(), counts[order].tolist(), strict=True)
        pairs = tuple((self.labels[one], self.labels[other], count) for one, other, count in rows)
        return Confusion(pairs=pairs, labels=tuple(squares))

    def _facts(self, made: Report) -> Facts:
        source, choices = self.plan.source, self.plan.choices
        return Facts(
            made,
            paths=(source.preds.path, source.target.path),
            names=(source.preds.name, source.target.name),
            subset=self._always("subset_accuracy"),
            empty=self._rows_with(0),
            single=self._rows_with(1) if choices.task is None and len(self.labels) > 1 else None,
            hamming=self._always("hamming_loss"),
            ignored_cells=self.evidence.ignored_cells,
            dropped=self.evidence.dropped + source.dropped,
            unpredicted=0 if self.gathered.scores is None else int(self.gathered.scores.unscored.sum()),
            notes=notes_of(source, choices, self.inputs, () if self.scored is None else self.scored.notes()),
        )

    def _always(self, name: str) -> float:
        """A count metric, whether or not it was asked for."""
        return self.counted.value(parse(name))

    def _rows_with(self, labels: int) -> float:
        """The share of rows with so many true labels; with none, it is the subset accuracy of predicting nothing."""
        sets = self.counted.sets
        total = float(sets.amount.sum())
        return float(sets.amount[sets.true == labels].sum()) / total if total > 0 else 0.0

    def _signature(self, averaged: int) -> str:
        task, choices = self.task, self.plan.choices
        cuts = digest_of(map(repr, task.cuts)) if task.thresholds else None
        return signature(
            {
                "task": task.kind,
                "scores": task.scores,
                "labels": f"{choices.classes}({averaged}/{len(self.labels)})",
                "thr": "each" if task.thresholds else task.threshold,
                **({} if cuts is None else {"cuts": cuts}),
                "n": self.evidence.rows,
                "ignore": choices.ignore_index,
                "nan": choices.nan,
                "weights": "yes" if self.plan.source.weighted else "no",
                **({} if self.plan.source.where is None else {"where": digest_of([self.plan.source.where])}),
                **({} if self.plan.source.clustered is None else {"cluster": self.plan.source.clustered}),
                "names": digest_of(self.labels),
                **({} if self.scored is None else {"budget": self.scored.budget}),
                "v": __version__,
            }
        )


def _listed(values: Array) -> list[Value]:
    return [value_of(value) for value in values.tolist()]
