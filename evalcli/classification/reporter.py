"""From the counts of a classification to a report: names, numbers, what is undefined, findings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli import __version__
from evalcli.addresses import between, wholes_of
from evalcli.classification.findings import Facts, find
from evalcli.classification.numbers import Known, Numbers, Setting, counts_of, listed
from evalcli.classification.sliced_counts import SlicedCounts
from evalcli.errors import UsageError
from evalcli.layout import one_hot_axis
from evalcli.metrics.registry import check_task, parse
from evalcli.report import Clustered, Confusion, Report, Value
from evalcli.reporting import Sliced, SliceRows, digest_of, notes_of, records, signature
from evalcli.scorekind import never_negative
from evalcli.sources.base import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalcli.classification.cells import SlicedCells
    from evalcli.classification.clusters import ClusterStates
    from evalcli.classification.sliced_gaps import SlicedGaps
    from evalcli.classification.slices import Slice
    from evalcli.counting import Outcome, Plan
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.searched import Scan
    from evalcli.sources.base import InputFile

MATRIX_CLASSES = 100
"""Up to so many classes a report holds the whole confusion matrix; beyond, the most confused pairs."""

MOST_PAIRS = 1000
"""How many confused pairs a report holds at most."""


class _Held(NamedTuple):
    """What there is of a slice: its states, the clusters of its rows, what is known of it together with others."""

    states: Slice
    clusters: ClusterStates | None
    known: Known


class Reporter:
    """From counts to a report: names, numbers, undefined, findings."""

    def __init__(self, plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...]) -> None:
        self.plan, self.source, self.choices, self.task = plan, plan.source, plan.choices, outcome.task
        self.asked, self.also = plan.asked, plan.also
        self.evidence, self.inputs = outcome.evidence, inputs
        gathered = outcome.gathered
        confusion = gathered.confusion.on_host()
        self.names, self.picked = listed(self.task, confusion.class_counts().numpy())
        setting = Setting(
            self.task, self.names, self.picked, self.choices.classes, plan.workers, self.choices.confidence, plan.shown
        )
        self.setting, self.slices, self.scan = setting, gathered.slices, gathered.scan
        self.clusters_in = gathered.clusters_in
        self.numbers = Numbers(setting, confusion, gathered.scores, gathered.clusters)
        self.counts, self.scores, self.pairs = self.numbers.counts, self.numbers.scores, self.numbers.pairs

    def report(self) -> Report:
        """The whole report, findings included."""
        values = self.values()  # by threads: processes that are forked later share what was read for them
        with self._slices() as slices:
            return self._report(values, slices)

    def values(self) -> dict[str, Value]:
        """What was asked for, of all rows; and what gates read."""
        for name in map(parse, self.asked or ()):
            check_task(name, self.task.kind)
        return self._values(self.numbers, self.plan.default(self.task.kind))

    def _report(self, values: dict[str, Value], slices: SliceRows[_Held]) -> Report:
        task = self.task
        per_class = self.numbers.by_class(values)
        undefined = [name for name, value in values.items() if value.value is None]
        undefined += per_class.undefined
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
            where=self.source.where,
            classes=self.names,
            metrics=values,
            per_class=per_class,
            confusion=self._confusion(),
            calibration=None if self.scores is None else self.scores.calibration(),
            coverage=() if self.scores is None else self.scores.coverage(),
            undefined=tuple(dict.fromkeys(undefined)),
            slices=slices.told(),
            scan=self._scan(),
            inputs=records(self.source, self.inputs),
            confidence=None if self.choices.confidence is None else self.choices.confidence.level,
            positive=None if task.positive is None else self.names[task.positive],
            threshold=task.threshold,
            clustered=self._clustered(),
            averaged=averaged,
        )
        report = replace(report, metrics=values | between(report, self.asked or ()))
        report = replace(report, asked=self._asked(report.metrics))
        return replace(report, findings=find(self._facts(report)))

    def _clustered(self) -> Clustered | None:
        """How many clusters there are, and what they take from the accuracy's certainty."""
        states, by = self.numbers.clusters, self.source.clustered
        if states is None or by is None:
            return None
        from evalcli.classification.cluster_intervals import design_effect

        rows = states.rows()
        sizes = np.bincount(np.unique(rows.cluster, return_inverse=True)[1].reshape(-1), rows.rows).astype(np.int64)
        return Clustered(by, len(sizes), int(sizes.max()), design_effect(rows))

    def _values(self, numbers: Numbers, usual: Iterable[str], by: str = "") -> dict[str, Value]:
        """What was asked for, else the ``usual``, of all rows or of a slice ``by`` a column; and what gates read."""
        names = self._possible(usual) if self.asked is None else map(str, wholes_of(self.asked, by))
        values = numbers.values(names)
        for name in wholes_of(self.also, by):
            with suppress(UsageError):
                values |= numbers.values([str(name)])
        return values

    def covariance(self, names: Sequence[MetricName], by: str = "", value: str = "") -> HostArray:
        """How metrics of all rows, or of a slice, vary together (k, k); NaN of those of which nothing tells it."""
        if not by:
            return self.numbers.covariance(names)
        one = self._by_value.get((by, value))
        if one is None:
            return np.full((len(names), len(names)), np.nan)
        return self._numbers_of(one).covariance(names)

    @cached_property
    def _by_value(self) -> dict[tuple[str, str], Sliced[_Held]]:
        return {(one.slicer.name, one.slicer.values[one.code]): one for one in self._sliced()}

    @cached_property
    def _of_slices(self) -> Setting:
        # a table of hundreds of intervals is drawn at no cost only without drawing samples
        shown = self.plan.inside().shown
        return self.setting._replace(method="delta", shown=shown, workers=1, whole=self.numbers.scores)

    def _numbers_of(self, one: Sliced[_Held]) -> Numbers:
        (confusion, scores), clusters, known = one.held
        return Numbers(self._of_slices, confusion, scores, clusters, known)

    def _slices(self) -> SliceRows[_Held]:
        """Every slice that has rows, column by column."""
        inside = self.plan.inside()
        usual = inside.default(self.task.kind)

        def metrics(one: Sliced[_Held]) -> dict[str, Value]:
            numbers = self._numbers_of(one)
            values = self._values(numbers, usual, one.slicer.name)
            numbers.let_go()
            return values

        counted = self.scores is None and not self.source.weighted and not self.clusters_in
        return SliceRows(metrics, self._sliced(), self.plan, counted=counted)

    def _sliced(self) -> list[Sliced[_Held]]:
        every = [
            (number, code, held) for number, states in enumerate(self.slices) for code, held in states.slices().items()
        ]
        together = SlicedCounts(self.setting, [counts_of(held.confusion, self.picked) for _, _, held in every])
        gaps, cells = self._beside([held for _, _, held in every])
        return [
            Sliced(
                self.source.slicers[number],
                code,
                held.confusion.rows,
                _Held(
                    held,
                    self.clusters_in[number].of(code) if self.clusters_in else None,
                    Known(
                        partial(together.value, place=place),
                        None if gaps is None else partial(gaps.interval, place=place),
                        None if cells is None else cells.at(place),
                    ),
                ),
            )
            for place, (number, code, held) in enumerate(every)
        ]

    def _beside(self, slices: Sequence[Slice]) -> tuple[SlicedGaps | None, SlicedCells | None]:
        """How sure numbers of all slices are, whose rows count alike and one by one: calibration errors, and counts."""
        if not slices or self.choices.confidence is None or self.source.weighted or self.clusters_in:
            return None, None
        from evalcli.classification.cells import SlicedCells

        cells = SlicedCells(self.setting, [held.confusion for held in slices])
        states = [held.scores.states for held in slices if held.scores is not None]
        if len(states) < len(slices):
            return None, cells
        from evalcli.classification.sliced_gaps import SlicedGaps

        return SlicedGaps(states, self.choices.confidence), cells

    def _scan(self) -> Scan | None:
        """The weak slices, where they were searched for."""
        if self.scan is None or self.source.scanned is None:
            return None
        from evalcli.classification.scan import USUAL
        from evalcli.scanning.weakslices import judged

        metric = self.source.scanned.asked.metric or USUAL
        return judged(self.source.scanned, self.scan, metric, self.names, self.choices.confidence)

    def _possible(self, usual: Iterable[str]) -> list[str]:
        """Those metrics that this input has; what was asked for stays, and is refused where it must be."""
        asked = {f"top{k}_accuracy" for k in self.choices.topk or ()}
        return [
            name for name in usual if self.scores is not None or name in asked or not parse(name).entry.needs_scores
        ]

    def _asked(self, values: dict[str, Value]) -> tuple[str, ...]:
        """All of ``-m`` and ``--topk``; of the gates, which show values themselves, what not every report has."""
        beyond = [name for name in map(parse, self.also) if name.entry.needs_scores]
        top = [parse(f"top{k}_accuracy") for k in self.choices.topk or ()]
        every = (*map(parse, self.asked or ()), *top, *beyond)
        return tuple(name for name in dict.fromkeys(map(str, every)) if name in values)

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
            notes=(
                *never_negative(self.task.scores, self.choices, self.evidence),
                *self._one_hot(),
                *notes_of(self.source, self.choices, self.inputs, () if self.scores is None else self.scores.notes()),
            ),
        )

    def _one_hot(self) -> Iterator[Note]:
        """Single decisions in many axes whose truth looks like classes."""
        target, _, count = self.pairs
        if tuple(self.names) != ("0", "1") or self.choices.task is not None or self.source.weighted:
            return
        positives, cells = count[target == 1].sum().item(), count.sum().item()
        axis = one_hot_axis(self.plan.layout, self.source.target.shape, positives, cells)
        if axis is not None:
            text = f"every element counts as a decision of its own, and the truth looks one-hot on axis {axis}"
            fix = f"read classes there with --class-axis {axis}; if these are decisions, say --task binary"
            yield Note("one-hot", text, fix, "warning")

    def _signature(self, averaged: int) -> str:
        task, choices, sure = self.task, self.choices, self.choices.confidence
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
            **({} if self.source.where is None else {"where": digest_of([self.source.where])}),
            **({} if self.source.clustered is None else {"cluster": self.source.clustered}),
            "ties": "first",
            "labels": digest_of(self.names),
            **({} if self.scores is None else {"budget": self.scores.budget}),
            **({} if sure is None else {"ci": f"{sure.level:g}/{sure.resamples}/{sure.seed}"}),
            "v": __version__,
        }
        return signature(parts)
