"""One model on two samples, such as train and test: what it loses from the one to the other.

Nothing pairs the rows, so the uncertainties of both samples add up: the interval of a difference is put together from
the two intervals, and its p-value is where it would end at 0.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli import __version__
from evalcli.comparing import data
from evalcli.comparing.differences import judged
from evalcli.comparing.models import compared_names, every_class, members_of, numbers_of
from evalcli.comparing.sides import inputs_of, is_unit, models_of
from evalcli.counting import count
from evalcli.engine import accumulate, batch_rows, worker_count
from evalcli.errors import UsageError
from evalcli.evaluation import row_bytes
from evalcli.evidence import Evidence
from evalcli.report import Clustered, Finding
from evalcli.sources import spoken_of
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.mover import mover

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.classification.numbers import Numbers
    from evalcli.classification.scoring import ScoreResults
    from evalcli.comparing.models import Question
    from evalcli.comparing.passes import Member
    from evalcli.comparing.scored import RowSums, ScoreLook
    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Batch, Source
    from evalcli.task import Choices
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence, Interval


def compare_samples(
    sources: Sequence[Source],
    choices: Choices,
    execution: Execution,
    question: Question,
    progress: Progress | None = None,
) -> data.Comparison:
    """Evaluate both samples, and say how far the model falls from the first to the second.

    Raises:
        UsageError: the samples show different tasks or classes, or have weights.
        InputError: the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: nothing is left to evaluate.

    """
    with ExitStack() as names:
        for source in sources:
            names.enter_context(spoken_of(source.aliases))
        if any(source.weighted for source in sources):
            raise UsageError("--independent compares counted rows, not weighted ones", fix="drop --weight")
        size = batch_rows(execution, max(map(row_bytes, sources)))
        workers = max(worker_count(execution, source, size) for source in sources)
        sure = replace(choices, confidence=question.confidence)
        members = members_of(sources, sure, execution, question, workers)
        _check_clusters(sources)
        counted = [count(member, size, progress) for member in members]
        outcomes = [outcome for outcome, _ in counted]
        _check_alike(sources, outcomes)
        task = outcomes[0].task
        if task.family != "classification" or sources[0].clustered is not None:
            from evalcli.comparing.reported import told_by_reports

            told = told_by_reports(members, counted, question)
        else:
            told = _of_classes(members, outcomes, question, size, progress)
        found = _differences(told, question.confidence)
        rows = [outcome.evidence.rows for outcome in outcomes]
        metric_rows = tuple(
            data.MetricRow(
                str(name),
                name.entry.direction,
                is_unit(name),
                tuple(each[str(name)] for each in told.values),
                (None, found[str(name)]),
            )
            for name in told.names
        )
        return data.Comparison(
            version=__version__,
            kind="independent",
            task=task.kind,
            n=sum(rows),
            ignored=sum(outcome.evidence.ignored + outcome.evidence.dropped for outcome in outcomes)
            + sum(source.dropped for source in sources),
            left_out=0,
            weighted=False,
            classes=told.classes,
            positive=None if task.positive is None else task.classes[task.positive],
            confidence=question.confidence.level,
            models=models_of(sources, [outcome.task for outcome in outcomes], rows),
            reference=0,
            metrics=metric_rows,
            findings=_findings(metric_rows, sources),
            inputs=inputs_of(sources, [inputs for _, inputs in counted]),
            clustered=told.clustered,
        )


class Told(NamedTuple):
    """The metrics of both samples: their ``values`` and ``intervals`` by name, those without one ``None``."""

    names: Sequence[MetricName]
    values: Sequence[Mapping[str, float | None]]
    intervals: Sequence[Mapping[str, Interval | None]]
    classes: tuple[str, ...]
    clustered: Clustered | None = None


def _of_classes(
    members: Sequence[Member], outcomes: Sequence[Outcome], question: Question, size: int, progress: Progress | None
) -> Told:
    """Of labels and their scores, in independent rows."""
    task = outcomes[0].task
    numbers = [numbers_of(outcome.gathered, outcome.task) for outcome in outcomes]
    metrics = compared_names(members[0], task, numbers, question)
    values = [{str(name): each.value(name).value for name in metrics} for each in numbers]
    every = every_class(task, numbers)
    sides = [
        _Side(member.source, outcome, each, question.confidence, every, size, progress)
        for member, outcome, each in zip(members, outcomes, numbers, strict=True)
    ]
    known = [name for name in metrics if all(each[str(name)] is not None for each in values)]
    intervals = [
        dict.fromkeys(map(str, metrics)) | {str(name): side.interval(name) for name in known} for side in sides
    ]
    classes = tuple(name for name in every if any(name in each.setting.names for each in numbers))
    return Told(metrics, values, intervals, classes)


def _check_clusters(sources: Sequence[Source]) -> None:
    """Refuse clusters in one sample only."""
    by = next((source.clustered for source in sources if source.clustered is not None), None)
    for source in sources:
        if source.clustered != by:
            what = f"no column {by!r} to cluster by, which the other sample has"
            raise UsageError(what, fix="save it for both, or drop --cluster", path=source.preds.path)


def _check_alike(sources: Sequence[Source], outcomes: Sequence[Outcome]) -> None:
    first, second = (outcome.task for outcome in outcomes)
    alike = (first.kind, first.classes, first.positive) == (second.kind, second.classes, second.positive)
    if not alike or first.scores != second.scores:
        what = f"read as {second.kind}, {second.scores}, and {sources[0].preds.path} as {first.kind}, {first.scores}"
        raise UsageError(what, fix="say what both are with --task, --scores and --labels", path=sources[1].preds.path)


def _differences(told: Told, confidence: Confidence) -> dict[str, data.Difference | None]:
    """The second sample less the first, with Holm over all metrics; what is best at 0 has none."""
    found: dict[str, Difference | None] = {}
    gaps: dict[str, float] = {}
    for name in map(str, told.names):
        first, second = (each[name] for each in told.values)
        one, other = (each[name] for each in told.intervals)
        found[name], gaps[name] = None, 0.0
        if first is not None and second is not None and one is not None and other is not None:
            gaps[name] = second - first
            found[name] = mover(second, other, first, one, confidence)
    directions = {str(name): name.entry.direction for name in told.names}
    return judged(found, gaps, directions, 1.0 - confidence.level)


@dataclass(slots=True)
class _Side:
    """One sample, and the intervals of its metrics."""

    source: Source
    outcome: Outcome
    numbers: Numbers
    confidence: Confidence
    classes: tuple[str, ...]
    size: int
    progress: Progress | None
    _counts: CountIntervals | None = None
    _look: Any = None
    _sums: dict[str, RowSums] = field(default_factory=dict)

    def interval(self, name: MetricName) -> Interval | None:
        """That of one metric; ``None`` where it has none."""
        if not name.entry.needs_scores:
            return self._counted(name)
        from evalcli.comparing.scored import INFLUENCES, LOSSES

        scores = self.numbers.scores
        assert scores is not None
        if name.base in INFLUENCES:
            return self._ranked(name, scores)
        return self._mean(name, scores) if name.base in LOSSES else None

    def _counted(self, name: MetricName) -> Interval | None:
        if name.base == "majority_baseline":
            return None
        if self._counts is None:
            task, gathered = self.outcome.task, self.outcome.gathered
            declared = len(task.classes) if self.numbers.setting.scope == "declared" and task.classes else None
            self._counts = CountIntervals(
                Cells.of(gathered.confusion.pairs()),
                self.confidence,
                positive=task.positive,
                classes=self.classes,
                declared=declared,
            )
        return self._counts.of(name)

    def _ranked(self, name: MetricName, scores: ScoreResults) -> Interval | None:
        from evalcli.classification.together import coupling_of
        from evalcli.comparing.scored import ScoreLook
        from evalcli.uncertainty import ranks

        look = ScoreLook.of([name], scores)
        weights = look.weights[str(name)]
        area = name.base == "auroc"
        estimate = ranks.auroc_estimate if area else ranks.average_precision_estimate
        kept = np.flatnonzero(weights > 0).tolist()
        found = [estimate(look.rankings[i]) for i in kept]
        method = "delong" if area else "influence"
        if None in found:
            return None
        rows = float(self.outcome.evidence.rows) if name.average == "weighted" else None
        estimates = [each for each in found if each is not None]
        shares = [float(weights[i]) for i in kept]
        coupling = coupling_of(name, scores, estimates)
        return ranks.mean_interval(estimates, shares, self.confidence, method, rows, coupling)

    def _mean(self, name: MetricName, scores: ScoreResults) -> Interval | None:
        from evalcli.comparing.scored import LOSSES, ScoreLook, span_of
        from evalcli.metrics.registry import parse
        from evalcli.uncertainty.means import mean_interval

        if str(name) not in self._sums:
            names = [each for each in map(parse, self._asked()) if each.base in LOSSES]
            fresh = partial(_LossPass.empty, self.outcome.gathered, names, ScoreLook.of([], scores))
            plan = self.outcome.gathered.plan
            total, _ = accumulate(self.source, fresh, self.size, plan.workers, self.progress)
            self._sums = total.sums
        moments = self._sums[str(name)].moments
        if moments is None:
            return None
        high = float("inf") if name.base == "log_loss" else span_of(name, scores) + (name.base == "mean_rank")
        low = 1.0 if name.base == "mean_rank" else 0.0
        return mean_interval(moments, self.confidence, low, high, span_of(name, scores))

    def _asked(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.outcome.gathered.plan.names(self.outcome.task.kind))


@dataclass(slots=True)
class _LossPass:
    """What one worker gathers of the losses of one sample."""

    gathered: Any
    names: Sequence[MetricName]
    look: ScoreLook
    sums: dict[str, RowSums]

    @classmethod
    def empty(cls, gathered: Any, names: Sequence[MetricName], look: ScoreLook) -> _LossPass:
        """No rows yet."""
        from evalcli.comparing.scored import RowSums

        return cls(gathered, names, look, {str(name): RowSums() for name in names})

    def add(self, batch: Batch) -> bool:
        """Look at the rows of a batch."""
        from evalcli.comparing.scored import loss_of
        from evalcli.metrics.probability import probability_rows, score_rows

        labels = self.gathered.prepare(batch, self.gathered.task, Evidence())
        scores, target = self.look.rows(labels)
        if len(target):
            form = self.look.scoring.form
            rows = probability_rows(score_rows(scores, target, form), form)
            for name in self.names:
                self.sums[str(name)].update(loss_of(name, rows), labels.weight)
        return True

    def merge(self, other: _LossPass) -> None:
        """Take in what another worker has gathered."""
        for name, sums in self.sums.items():
            sums.merge(other.sums[name])


def _findings(rows: Sequence[data.MetricRow], sources: Sequence[Source]) -> tuple[Finding, ...]:
    """The fall from the first sample to the second, and notes on the files."""
    found = []
    fallen = [row for row in rows if row.differences[1] is not None and row.differences[1].verdict == "worse"]
    risen = [row for row in rows if row.differences[1] is not None and row.differences[1].verdict == "better"]
    for row in fallen[:1]:
        text = f"overfitted, if A was trained on: {row.name} is {_told(row, 0)} on A and {_told(row, 1)} on B"
        fix = "judge by B alone; more data, a smaller model, regularisation or an earlier stop close the gap"
        found.append(Finding("overfitted", "warning", text, fix))
    for row in risen[:1] if not fallen else ():
        text = f"{row.name} is {_told(row, 0)} on A and {_told(row, 1)} on B: the second sample is easier"
        fix = "check that both were drawn alike, and that B shares no rows with A: --overlap"
        found.append(Finding("easier-sample", "warning", text, fix))
    for source in sources:
        found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
    return tuple(dict.fromkeys(found))


def _told(row: data.MetricRow, place: int) -> str:
    value = row.values[place]
    return "undefined" if value is None else f"{value:.4f}"
