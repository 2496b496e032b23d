"""From the states of a regression to a report: numbers, outputs, residuals, what is undefined, findings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli import __version__
from evalcli.addresses import between, wholes_of
from evalcli.errors import UsageError
from evalcli.metrics import regression
from evalcli.metrics.labels import weights_tell
from evalcli.metrics.registry import parse
from evalcli.metrics.residuals import histogram, quantile
from evalcli.metrics.threads import each
from evalcli.regression.findings import Facts, Output, find
from evalcli.regression.results import Results
from evalcli.regression.states import StateKey, asked_keys, outputs_of, state_of
from evalcli.report import Clustered, OutputRow, Report, Residuals, Value
from evalcli.reporting import Sliced, SliceRows, digest_of, notes_of, records, signature, slices_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.counting import Outcome, Plan
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.regression.clusters import GroupValues
    from evalcli.regression.intervals import Intervals
    from evalcli.regression.states import RegressionPass
    from evalcli.searched import Scan
    from evalcli.sources.base import InputFile
    from evalcli.uncertainty.groups import Groups
    from evalcli.uncertainty.intervals import Confidence

PERCENTS = (0, 5, 25, 50, 75, 95, 100)
"""Of the rows, in a report: the residuals below which so many lie."""

_MOMENTS, _EXTREMES, _RATIOS = StateKey("Moments"), StateKey("Extremes"), StateKey("RatioCounts")
_ABSOLUTE, _RESIDUALS = StateKey("AbsoluteErrors"), StateKey("ResidualTable")
_PAIRS = StateKey("RankPairs")
_BOUNDED = (_RESIDUALS, _PAIRS)


class Reporter:
    """From states to a report."""

    def __init__(self, plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...]) -> None:
        self.plan, self.source, self.choices, self.task = plan, plan.source, plan.choices, outcome.task
        self.outcome = outcome
        self.evidence, self.inputs = outcome.evidence, inputs
        self.setup, states = outcome.gathered.setup, outcome.gathered.states
        self.outputs = outputs_of(plan)
        self.results = Results(states, self.outputs, plan.workers)
        self.weight_squares = outcome.gathered.weight_squares
        self._clusters = outcome.gathered.clusters
        self._intervals: dict[int, Intervals] = {}
        self._asked_keys = asked_keys(plan.names("regression"))

    def report(self) -> Report:
        """The whole report, findings included."""
        with self._slices() as slices:
            return self._report(slices)

    def _report(self, slices: SliceRows[RegressionPass]) -> Report:
        values = self.values()
        per_output = self._per_output(self._measured())
        undefined = [name for name, value in values.items() if value.value is None]
        undefined += [
            f"{name}[{row.name}]" for row in per_output for name, value in row.metrics.items() if value.value is None
        ]
        report = Report(
            version=__version__,
            signature=self._signature(),
            task=self.task.kind,
            scores=self.task.scores,
            n=self.evidence.rows,
            ignored=self.evidence.ignored + self.evidence.dropped + self.source.dropped,
            weighted=self.source.weighted,
            where=self.source.where,
            classes=(),
            metrics=values,
            undefined=tuple(dict.fromkeys(undefined)),
            inputs=records(self.source, self.inputs),
            confidence=None if self.choices.confidence is None else self.choices.confidence.level,
            outputs=self.outputs,
            per_output=per_output,
            residuals=self._residuals(),
            clustered=self._clustered(),
            slices=slices.told(),
            scan=self._scan(),
        )
        report = replace(report, metrics=values | between(report, self.plan.asked or ()))
        report = replace(report, asked=self._asked(report.metrics))
        return replace(report, findings=find(self._facts(report)))

    def _asked(self, values: dict[str, Value]) -> tuple[str, ...]:
        """All of ``-m``, and what gates ask for beyond a report."""
        usual = {*self.plan.default("regression")}
        beyond = [name for name in map(str, map(parse, self.plan.also)) if name not in usual]
        every = (*map(str, map(parse, self.plan.asked or ())), *beyond)
        return tuple(name for name in dict.fromkeys(every) if name in values)

    def values(self, by: str = "") -> dict[str, Value]:
        """What was asked for, of all rows or of a slice ``by`` a column; and what gates read, as far as it is there."""
        names = self._measured(by)
        if self.plan.workers > 1:
            self.results.read_ahead()
        ranked = [name for name in names if state_of(name) == _PAIRS]  # the two kinds that take long, side by side
        others = [name for name in names if state_of(name) != _PAIRS]
        found = each(lambda some: {name: self._value(name) for name in some}, [others, ranked], self.plan.workers)
        known = found[0] | found[1]
        values = {str(name): known[name] for name in names}
        for name in wholes_of(self.plan.also, by):
            with suppress(UsageError):
                values[str(name)] = self._value(name)
        return values

    def _measured(self, by: str = "") -> tuple[MetricName, ...]:
        asked = self.plan.default("regression") if self.plan.asked is None else self.plan.asked
        return wholes_of(asked, by)

    def _slices(self) -> SliceRows[RegressionPass]:
        """Every slice that has rows, column by column."""
        plan = self.plan.inside()

        def metrics(one: Sliced[RegressionPass]) -> dict[str, Value]:
            return self._of_slice(plan, one.held).values(one.slicer.name)

        return SliceRows(metrics, slices_of(self.outcome.gathered, self.source.slicers), self.plan)

    def covariance(self, names: Sequence[MetricName], by: str = "", value: str = "") -> HostArray:
        """How metrics of all rows, or of a slice, vary together (k, k); NaN of those of which nothing tells it."""
        from evalcli.regression.joint import Asked, covariance

        if by:
            held = self._held_slices.get((by, value))
            return _unknown(names) if held is None else self._of_slice(self.plan.inside(), held).covariance(names)
        several = len(self.outputs) > 1 and any(name.label is None for name in names)
        if several or self.choices.confidence is None or not self._weights_tell:
            return _unknown(names)
        places = [0 if name.label is None else self.outputs.index(name.label) for name in names]
        values = [float(self.results.value(name).value) for name in names]
        known = zip(places, names, values, strict=True)
        return covariance([Asked(self._of(place), name, number) for place, name, number in known])

    @cached_property
    def _held_slices(self) -> dict[tuple[str, str], RegressionPass]:
        slices = slices_of(self.outcome.gathered, self.source.slicers)
        return {(one.slicer.name, one.slicer.values[one.code]): one.held for one in slices}

    def _of_slice(self, plan: Plan, held: RegressionPass) -> Reporter:
        return Reporter(plan, self.outcome._replace(gathered=held), ())

    def _scan(self) -> Scan | None:
        """The weak slices, where they were searched for."""
        tables, scanned = self.outcome.gathered.scan, self.source.scanned
        if tables is None or scanned is None:
            return None
        from evalcli.regression.scan import USUAL
        from evalcli.scanning.weakslices import judged

        return judged(scanned, tables, scanned.asked.metric or USUAL, self.outputs, self.choices.confidence, "output")

    def _value(self, name: MetricName) -> Value:
        value = value_of(*self.results.value(name))
        if name.label is not None or len(self.outputs) == 1:
            return self._sure(name, value, 0 if name.label is None else self.outputs.index(name.label))
        return self._sure_of_mean(name, value)

    def _sure(self, name: MetricName, value: Value, output: int) -> Value:
        """The value of one output with its interval, where there is one and someone will see it."""
        return self._of(output).of(name, value) if self._is_shown(name) else value

    def _is_shown(self, name: MetricName) -> bool:
        shown = self.plan.shown
        wanted = self.choices.confidence is not None and (shown is None or shown.has(name))
        return wanted and self._weights_tell

    @cached_property
    def _weights_tell(self) -> bool:
        """Whether the weights of a slice can be squared."""
        total = sum(float(one.n) for one in self.results.read(_MOMENTS)) / len(self.outputs)
        return not self.source.weighted or weights_tell(total, self.weight_squares)

    def _sure_of_mean(self, name: MetricName, value: Value) -> Value:
        """The mean over outputs with the interval that holds however these go together."""
        if value.value is None or not self._is_shown(name):
            return value
        from evalcli.regression.intervals import together

        each = [value_of(*self.results.of_output(name, number)) for number in range(len(self.outputs))]
        return together(name, value, [self._of(number).of(name, one) for number, one in enumerate(each)])

    def _of(self, output: int) -> Intervals:
        """The intervals of one output."""
        if output not in self._intervals:
            from evalcli.regression.intervals import Intervals, Known

            confidence = self.choices.confidence
            assert confidence is not None
            total = float(self.results.read(_MOMENTS)[output].n)
            mean_weight = self.weight_squares / total if self.source.weighted and total > 0 else 1.0
            known = Known.of(self.results, output, mean_weight)
            if self._clusters is None:
                self._intervals[output] = Intervals(*known, confidence, mean_weight)
            else:
                from evalcli.regression.clusters import ClusterIntervals

                told = self._groups(total / mean_weight, confidence), self._group_values, output
                self._intervals[output] = ClusterIntervals(*known, *told, mean_weight)
        return self._intervals[output]

    @cached_property
    def _group_values(self) -> GroupValues:
        """What the groups of clusters say."""
        from evalcli.regression.clusters import GroupValues

        return GroupValues(self._clusters.groups(), self.outputs)

    def _groups(self, rows: float, confidence: Confidence) -> Groups:
        """The groups of clusters, of so many ``rows`` of equal weight."""
        from evalcli.uncertainty.groups import Groups

        shares, sizes = self._group_values.shares, self._clusters.sizes().rows
        held = shares if not self._clusters.is_hashed else sizes / sizes.sum()
        return Groups(shares, rows * held, confidence)

    def _clustered(self) -> Clustered | None:
        """How many clusters there are, and what they take from the certainty of the first output's MSE."""
        by = self.source.clustered
        if by is None:
            return None
        rows = self._clusters.sizes().rows
        effect = None
        if self.choices.confidence is not None:
            from evalcli.regression.clusters import ClusterIntervals

            told = self._of(0)
            assert isinstance(told, ClusterIntervals)
            effect = told.design_effect(self.results.of_output(parse("mse"), 0).value)
        return Clustered(by, len(rows), int(rows.max()), effect)

    def _per_output(self, metrics: Iterable[MetricName]) -> tuple[OutputRow, ...]:
        """Each of several outputs by itself: those metrics that were asked for of all."""
        if len(self.outputs) == 1:
            return ()
        names = [name for name in metrics if name.label is None]
        if not names:
            return ()
        return tuple(
            OutputRow(
                output,
                {str(n): self._sure(n, value_of(*self.results.of_output(n, number)), number) for n in names},
            )
            for number, output in enumerate(self.outputs)
        )

    def _residuals(self) -> tuple[Residuals, ...]:
        """How the residuals of every output are spread, where they were counted."""
        if _RESIDUALS not in self._asked_keys:
            return ()
        found = []
        for output, table, moment in zip(
            self.outputs, self.results.read(_RESIDUALS), self.results.read(_MOMENTS), strict=True
        ):
            quantiles = tuple((percent, value_of(*quantile(table, percent))) for percent in PERCENTS)
            drawn = histogram(table)
            found.append(Residuals(output, regression.bias(moment), quantiles, tuple(drawn.edges), tuple(drawn.counts)))
        return tuple(found)

    def _facts(self, report: Report) -> Facts:
        results = self.results
        tables = results.read(_RESIDUALS) if _RESIDUALS in self._asked_keys else [None] * len(self.outputs)
        sums = results.read(_ABSOLUTE) if results.has(_ABSOLUTE) else [None] * len(self.outputs)
        known = (results.read(key) for key in (_MOMENTS, _EXTREMES, _RATIOS))
        outputs = tuple(Output(*each) for each in zip(self.outputs, *known, tables, sums, strict=True))
        return Facts(
            report,
            outputs,
            self._outside(),
            paths=(self.source.preds.path, self.source.target.path),
            names=(self.source.preds.name, self.source.target.name),
            dropped=self.evidence.dropped + self.source.dropped,
            notes=notes_of(self.source, self.choices, self.inputs),
        )

    def _outside(self) -> dict[str, int]:
        """For each metric that knows no term for some rows how many these are, in the output with most of them."""
        found: dict[str, int] = {}
        for name in wholes_of((*(self.plan.asked or ()), *self.plan.also)):
            if name.entry.state in {"Deviance", "LogErrors"}:
                rows = max(sums.outside for sums in self.results.read(state_of(name)))
                found |= {str(name): rows} if rows else {}
        return found

    def _signature(self) -> str:
        parts = {
            "task": self.task.kind,
            "scores": self.task.scores,
            "outputs": len(self.outputs),
            "n": self.evidence.rows,
            "ignore": self.choices.ignore_index,
            "nan": self.choices.nan,
            "weights": "yes" if self.source.weighted else "no",
            **({} if self.source.where is None else {"where": digest_of([self.source.where])}),
            **({} if self.source.clustered is None else {"cluster": self.source.clustered}),
            **({"budget": self.setup.budget} if any(key in self._asked_keys for key in _BOUNDED) else {}),
            "v": __version__,
        }
        return signature(parts)


def _unknown(names: Sequence[MetricName]) -> HostArray:
    return np.full((len(names), len(names)), np.nan)
