"""Models side by side on the same rows: two of them in full, more as a league against the best."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli import __version__
from evalcli.classification.numbers import Numbers, Setting, listed
from evalcli.comparing import data
from evalcli.comparing.beyond import At, BeyondRegistry
from evalcli.comparing.class_flips import class_flips, flipped_rows
from evalcli.comparing.differences import CountDifferences, verdicts
from evalcli.comparing.doubt import number_of
from evalcli.comparing.members import known_of, members_of
from evalcli.comparing.passes import count_together
from evalcli.comparing.rows import Together
from evalcli.comparing.sides import (
    SAME_ANSWERS,
    best_of,
    inputs_of,
    left_out_of,
    metric_rows,
    models_of,
    told_clusters,
    told_left_out,
)
from evalcli.comparing.slice_counts import count_differences
from evalcli.comparing.sliced import WHOLE, answered, side_by_side
from evalcli.comparing.slices import Told, about_slices, slice_rows
from evalcli.errors import UsageError
from evalcli.metrics.threads import each
from evalcli.report import Finding
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.classification.states import ClassificationPass
    from evalcli.comparing.class_moves import ClassMoves
    from evalcli.comparing.joint import Cells
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.question import Question
    from evalcli.comparing.slice_counts import Found
    from evalcli.comparing.sliced import Asking, Fresh, Slice
    from evalcli.engine import Execution, Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source
    from evalcli.task import Choices, Task
    from evalcli.uncertainty.comparison import Difference

MOST = len(data.NAMES)


def compare(
    sources: Sequence[Source],
    choices: Choices,
    execution: Execution,
    question: Question,
    progress: Progress | None = None,
) -> data.Comparison:
    """Count all ``sources`` over their common rows, and say how the models differ.

    Of two models the second is compared with the first; of more, all with the one that is best by the first metric.

    Raises:
        UsageError: the models have different tasks or classes, or a metric is asked for that they do not have.
        InputError: they are not judged on the same samples, or these cannot be evaluated.
        EmptyError: nothing is left to compare.

    """
    with ExitStack() as names:
        for source in sources:
            names.enter_context(spoken_of(source.aliases))
        weighted = {source.weighted for source in sources}
        if len(weighted) > 1:
            raise UsageError("some models are weighted and others not", fix="keep the weights beside the truth")
        found = _Comparing(sources, choices, execution, question, progress).result()
    note = None if choices.chosen is None else choices.chosen.note(found.inputs)
    if note is None:
        return found
    return replace(found, findings=(*found.findings, Finding(note.code, note.level, note.text, note.fix)))


class _Comparing:
    """One comparison on its way."""

    def __init__(
        self,
        sources: Sequence[Source],
        choices: Choices,
        execution: Execution,
        question: Question,
        progress: Progress | None,
    ) -> None:
        self.sources, self.question, self.progress = sources, question, progress
        self.confidence = question.confidence
        self.choices = choices
        self.together = Together(sources, by_id=question.by_id, lossy=choices.nan == "drop")
        self.members, self.size = members_of(sources, choices, execution, question)
        inner = {one.layout.inner for one in self.members}
        if len(inner) > 1:
            raise UsageError("the models have different shapes", fix="save predictions of one shape")

    def result(self) -> data.Comparison:
        """The comparison of all that was counted."""
        flips = self.question.flips if len(self.sources) == 2 else 0
        self.counted = count_together(
            self.members, self.together, self.size, self.progress, flips=flips, same_target=self._has_one_truth(),
            own=self.question.own,
        )  # fmt: skip
        self.task: Task = self.counted.tasks[0]
        counted = (
            self.sources, self.members, self.question, self.together, self.size, self.progress, self.counted
        )  # fmt: skip
        if self.task.family == "regression":
            from evalcli.comparing.regressions import ValueComparing

            return ValueComparing(*counted).result()
        if self.task.family == "multilabel":
            from evalcli.comparing.multilabels import LabelComparing

            return LabelComparing(*counted).result()
        self.numbers = [
            numbers_of(one, task) for one, task in zip(self.counted.total.passes, self.counted.tasks, strict=True)
        ]
        self.every = every_class(self.task, self.numbers)
        scored = all(each.scores is not None for each in self.numbers)
        names = self.question.names(self.members[0], self.task.kind, scored=scored)
        names = known_of(names, self.question.spare, [each.value for each in self.numbers])
        workers = self.members[0].workers if scored else 1
        whole = _Measured.of(self.counted, self.numbers, names, workers)
        self.reference = self._best(names, whole)
        return self._comparison(names, whole, two=len(self.sources) == 2)

    def _has_one_truth(self) -> bool:
        """Whether row *i* of the same array is the truth for all of the models."""
        truths = {(source.target.path, source.target.name) for source in self.sources}
        weighted = any(source.weighted for source in self.sources)
        return len(truths) == 1 and not weighted and all(each.even for each in self.together.listed)

    def _comparison(self, names: Sequence[MetricName], whole: _Measured, *, two: bool) -> data.Comparison:
        total, task = self.counted.total, self.task
        classes = tuple(name for name in self.every if any(name in each.setting.names for each in self.numbers))
        self.beyond = BeyondRegistry(self.question, self.counted.own, data.NAMES[: len(self.sources)], classes)
        values = self.beyond.values(whole.values)
        parts = {place: self._of_slice(names, one) for place, one in self.counted.slices.items()}
        best = {place: self._best(names, one, self.reference) for place, one in parts.items()}
        tested = {place: (one, best[place]) for place, one in parts.items() if self.question.tests(one.counted)}
        known = self._of_slice_counts(names, tested)
        asking = {place: self._differences(names, *one, place, known[place]) for place, one in tested.items()}
        found, inside = answered(
            self._differences(names, whole, self.reference), asking, self._again, self.members[0].workers
        )
        told = {
            place: Told(
                one.counted.total.rows, self.beyond.values(one.values, place), best[place], inside.get(place, {})
            )
            for place, one in parts.items()
        }
        shown = self.beyond.names(names, self.question.shown(self.members[0], task.kind))
        slices = tuple(slice_rows(self.together.slicers, shown, told, self.confidence))
        for source in self.sources:  # scores were read again
            source.finish()
        plain = verdicts(shown, values, found, self.reference, self.confidence)
        evidence = total.passes[0].evidence
        left_out, ignored = left_out_of(self.sources, total.passes, total.lost, self.together)
        cells = total.tables[0, 1].cells() if two else None
        return data.Comparison(
            version=__version__,
            kind="paired" if two else "league",
            task=task.kind,
            n=evidence.rows,
            ignored=ignored,
            left_out=left_out,
            weighted=self.sources[0].weighted,
            where=self.sources[0].where,
            classes=classes,
            positive=None if task.positive is None else task.classes[task.positive],
            confidence=self.confidence.level,
            models=models_of(self.sources, self.counted.tasks),
            reference=self.reference,
            metrics=metric_rows(shown, values, plain, self.reference),
            slices=slices,
            flips=() if cells is None else class_flips(cells, self.every),
            rows=self._rows() if two else (),
            findings=(
                *self.beyond.findings(),
                *self._findings(left_out, cells),
                *about_slices(self.together.slicers, slices, evidence.rows, self.question.least),
            ),
            inputs=inputs_of(self.sources, self.counted.inputs),
            clustered=told_clusters(self.counted.clusters),
            definitions=self.question.texts,
        )

    def _again(self, fresh: Fresh) -> Any:
        """Another pass over the same rows."""
        return self.counted.again(self.together, fresh, self.size, self.progress)

    def _of_slice(self, names: Sequence[MetricName], counted: Counted) -> _Measured:
        tasks = zip(counted.total.passes, counted.tasks, strict=True)
        return _Measured.of(counted, [numbers_of(one, task) for one, task in tasks], names)

    def _best(self, names: Sequence[MetricName], measured: _Measured, usual: int = 0) -> int:
        """What others are compared with: of two models the first, of more the best by the first metric."""
        return 0 if len(self.sources) == 2 else best_of(names[0], measured.values, usual)

    def _differences(
        self,
        names: Sequence[MetricName],
        measured: _Measured,
        reference: int,
        place: Slice = WHOLE,
        known: Found | None = None,
    ) -> Asking[Found]:
        """Every other model less the ``reference``, in every metric; those of counts may be ``known``."""
        of_scores = yield from self._of_scores(names, measured, reference)
        asking = {}
        for other in of_scores:
            pair = reference, other
            of_counts = self._of_counts(names, measured, pair) if known is None else known.get(other, {})
            look = partial(self._look, measured, pair)
            at = At(pair, measured.values, look, measured.counted.clusters, place)
            asking[other] = self.beyond.differences(of_counts | of_scores[other], at)
        return (yield from side_by_side(asking))

    def _of_scores(self, names: Sequence[MetricName], measured: _Measured, reference: int) -> Asking[Found]:
        """Every other model less the ``reference``, in metrics of scores."""
        scored = [name for name in names if name.entry.needs_scores]
        others = [other for other in range(len(measured.numbers)) if other != reference]
        found: Found = {other: dict.fromkeys(map(str, scored)) for other in others}
        if scored:
            from evalcli.comparing.scored import ScoreDifferences

            workers = 1 if measured.counted is not self.counted else self.members[0].workers
            told = yield from ScoreDifferences(*measured, self.confidence, workers).of(scored, reference)
            found = {other: found[other] | told[other] for other in others}
        return found

    def _of_slice_counts(
        self, names: Sequence[MetricName], tested: Mapping[Slice, tuple[_Measured, int]]
    ) -> dict[Slice, Found]:
        """The differences in metrics of counts of every slice, by its best model."""
        models = range(len(self.sources))
        sharers = len(tested) * (len(models) - 1)

        def count(one: tuple[_Measured, int]) -> Found:
            measured, best = one
            return {
                other: self._of_counts(names, measured, (best, other), sharers) for other in models if other != best
            }

        return count_differences(count, tested, self.members[0])

    def _of_counts(
        self, names: Sequence[MetricName], measured: _Measured, pair: tuple[int, int], sharers: int = 0
    ) -> dict[str, Difference | None]:
        """The second of a ``pair`` less the first in metrics of counts, of all rows or of one of many ``sharers``."""
        counted, (reference, other) = measured.counted, pair
        pair = (min(reference, other), max(reference, other))
        counts = CountDifferences(
            counted.total.tables[pair].cells(),
            self.confidence,
            swapped=reference > other,
            positive=self.task.positive,
            classes=self.every,
            declared=self._declared,
            clusters=None if counted.clusters is None else counted.clusters.of_pair(pair),
            sharers=max(sharers, 1),
        )
        of_counts = [name for name in names if not name.entry.needs_scores]
        counts.tell(of_counts, 1 if sharers else counted.total.passes[0].plan.workers)
        return {str(name): counts.of(name) for name in of_counts}

    def _look(self, measured: _Measured, pair: tuple[int, int], names: Sequence[MetricName]) -> ClassMoves:
        """Rows as these metrics of two models see them."""
        from evalcli.comparing.class_moves import ClassMoves

        return ClassMoves(measured.counted, measured.numbers, names, pair, (self.every, self._declared))

    @property
    def _declared(self) -> int | None:
        """How many classes macro means run over, where these are not those that occur."""
        return len(self.task.classes) if self.choices.classes == "declared" and self.task.classes else None

    def _rows(self) -> tuple[data.FlippedRow, ...]:
        """The first flips of every class and kind, by row."""
        with spoken_of(self.sources[0].aliases):
            return flipped_rows(
                self.counted.total.flips.rows, self.together.listed[0], self.members[0].layout.inner, self.every
            )

    def _findings(self, left_out: int, cells: Cells | None) -> tuple[Finding, ...]:
        """What a reader should know beyond the numbers."""
        found = []
        if left_out:
            found.append(told_left_out(left_out))
        if cells is not None and len(cells.rows) and (cells.first == cells.second).all():
            found.append(SAME_ANSWERS)
        seen = {len(_seen(each)) for each in self.numbers}
        if len(seen) > 1 and self.choices.classes == "seen":
            text = f"macro means run over {min(seen)} to {max(seen)} classes: not every model answers all of them"
            fix = "--classes declared with --labels takes the same classes for all"
            found.append(Finding("unlike-classes", "info", text, fix))
        scored = {task.scores != "labels" for task in self.counted.tasks}
        if len(scored) > 1 and self.question.metrics is None:
            text = "only some of the models have scores, so that no metric of scores is compared"
            found.append(Finding("labels-only", "info", text, "save the scores of all"))
        for name, one in zip(data.NAMES, self.numbers, strict=False):
            notes = () if one.scores is None else one.scores.notes()
            found += [Finding(note.code, note.level, f"{name}: {note.text}", note.fix) for note in notes]
        for source in self.sources:
            found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
        return tuple(dict.fromkeys(found))


class _Measured(NamedTuple):
    """What was counted of all rows, or of those of a slice: the numbers of every model, and its metrics."""

    counted: Counted
    numbers: Sequence[Numbers]
    values: Sequence[dict[str, float | None]]

    @classmethod
    def of(
        cls, counted: Counted, numbers: Sequence[Numbers], names: Sequence[MetricName], workers: int = 1
    ) -> _Measured:
        """With the values of these metrics; ``workers`` threads read off those of several models side by side."""

        def values(of: Numbers) -> dict[str, float | None]:
            return {str(name): number_of(of.value(name)) for name in names}

        return cls(counted, numbers, each(values, numbers, workers))


def numbers_of(gathered: ClassificationPass, task: Task) -> Numbers:
    """The metrics of one model, as a report has them."""
    plan = gathered.plan
    names, picked = listed(task, gathered.confusion.class_counts().numpy())
    return Numbers(
        Setting(task, names, picked, plan.choices.classes, plan.workers), gathered.confusion, gathered.scores
    )


def every_class(task: Task, numbers: Sequence[Numbers]) -> tuple[str, ...]:
    """All classes by number."""
    if task.classes:
        return task.classes
    highest = max(int(each.setting.picked.max(initial=-1)) for each in numbers)
    return tuple(map(str, range(highest + 1)))


def _seen(numbers: Numbers) -> np.ndarray[Any, Any]:
    """The classes that a macro mean runs over."""
    return np.flatnonzero((numbers.counts.support > 0) | (numbers.counts.predicted > 0))
