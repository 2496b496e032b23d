"""Models side by side on the same rows: two of them in full, more as a league against the best."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.classification.numbers import Numbers, Setting, listed
from evalcli.comparing import data
from evalcli.comparing.differences import CountDifferences, judged
from evalcli.comparing.joint import BROKEN, FIXED
from evalcli.comparing.passes import Member, count_together, unite
from evalcli.comparing.rows import Together
from evalcli.engine import batch_rows, place, worker_count
from evalcli.errors import UsageError
from evalcli.evaluate import row_bytes
from evalcli.layout import find_layout
from evalcli.report import Finding, InputRecord
from evalcli.reporting import records
from evalcli.sources import spoken_of
from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.joint import Cells
    from evalcli.comparing.passes import Counted
    from evalcli.engine import Execution, Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source
    from evalcli.task import Choices, Task
    from evalcli.uncertainty.comparison import Difference

MOST = len(data.NAMES)
ROWS = 3
"""Flipped rows of every class and kind that are named, unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare and how sure to be. ``flips`` are the rows to name of every kind and class.

    ``by_id``: rows are paired by their ids, whatever their order.
    """

    metrics: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    """Further metrics, those of margins."""
    confidence: Confidence = Confidence()  # noqa: RUF009  # frozen
    flips: int = ROWS
    by_id: bool = False


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
        return _Comparing(sources, choices, execution, question, progress).result()


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
        self.size = batch_rows(execution, sum(map(row_bytes, sources)) // len(sources))
        workers = min(worker_count(execution, source, self.size) for source in sources)
        layouts = [find_layout(source.preds, source.target, choices) for source in sources]
        scored = all(layout.preds != "labels" for layout in layouts)
        placement = place(execution)
        self.members = unite(
            [
                Member(
                    source,
                    choices,
                    layout,
                    placement,
                    (),
                    question.also,
                    budget=execution.ranking_budget,
                    workers=workers,
                    chosen=question.metrics,
                    scored_too=scored,
                )
                for source, layout in zip(sources, layouts, strict=True)
            ]
        )
        inner = {layout.inner for layout in layouts}
        if len(inner) > 1:
            raise UsageError("the models have different shapes", fix="save predictions of one shape")

    def result(self) -> data.Comparison:
        """The comparison of all that was counted."""
        flips = self.question.flips if len(self.sources) == 2 else 0
        self.counted = count_together(
            self.members, self.together, self.size, self.progress, flips=flips, same_target=self._has_one_truth()
        )
        self.task: Task = self.counted.tasks[0]
        self.numbers = [self._numbers(i) for i in range(len(self.sources))]
        names = self._names()
        values = [{str(name): each.value(name).value for name in names} for each in self.numbers]
        two = len(self.sources) == 2
        self.reference = 0 if two else _best(names[0], values)
        return self._comparison(names, values, two=two)

    def _has_one_truth(self) -> bool:
        """Whether all models are judged on the very same array or column, in the same order."""
        truths = {(source.target.path, source.target.name) for source in self.sources}
        return len(truths) == 1 and len({source.preds.path for source in self.sources}) == 1 and not self.question.by_id

    def _numbers(self, place: int) -> Numbers:
        """The metrics of one model, as a report has them."""
        one, task = self.counted.total.passes[place], self.counted.tasks[place]
        names, picked = listed(task, one.confusion.class_counts().numpy())
        setting = Setting(task, names, picked, self.choices.classes, self.members[0].workers)
        return Numbers(setting, one.confusion, one.scores)

    def _names(self) -> tuple[MetricName, ...]:
        """The metrics that all models have."""
        scored = all(each.scores is not None for each in self.numbers)
        asked = {*(self.question.metrics or ()), *self.question.also}
        return tuple(
            name
            for name in self.members[0].names(self.task.kind)
            if scored or not name.entry.needs_scores or str(name) in asked
        )

    def _comparison(
        self, names: Sequence[MetricName], values: Sequence[dict[str, float | None]], *, two: bool
    ) -> data.Comparison:
        total, task = self.counted.total, self.task
        others = [i for i in range(len(self.sources)) if i != self.reference]
        found = {other: self._differences(names, values, other) for other in others}
        plain = self._judged(names, values, found, two=two)
        rows = tuple(
            data.MetricRow(
                str(name),
                name.entry.direction,
                _is_unit(name),
                tuple(each[str(name)] for each in values),
                tuple(None if i == self.reference else plain[i][str(name)] for i in range(len(self.sources))),
            )
            for name in names
        )
        evidence = total.passes[0].evidence
        lost = [a + b for a, b in zip(total.lost, self.together.lost, strict=True)]
        left_out = max(lost) if two else sum(lost)
        ignored = evidence.ignored + evidence.dropped + self.sources[0].dropped
        cells = total.tables[0, 1].cells() if two else None
        return data.Comparison(
            version=__version__,
            kind="paired" if two else "league",
            task=task.kind,
            n=evidence.rows,
            ignored=ignored,
            left_out=left_out,
            weighted=self.sources[0].weighted,
            classes=self.classes,
            positive=None if task.positive is None else task.classes[task.positive],
            confidence=self.confidence.level,
            models=self._models(),
            reference=self.reference,
            metrics=rows,
            flips=() if cells is None else self._flips(cells),
            rows=self._rows() if two else (),
            findings=self._findings(left_out, cells),
            inputs=self._inputs(),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur or are declared."""
        found = {name for each in self.numbers for name in each.setting.names}
        return tuple(name for name in self._every_class() if name in found)

    def _every_class(self) -> tuple[str, ...]:
        if self.task.classes:
            return self.task.classes
        highest = max(int(each.setting.picked.max(initial=-1)) for each in self.numbers)
        return tuple(map(str, range(highest + 1)))

    def _differences(
        self, names: Sequence[MetricName], values: Sequence[dict[str, float | None]], other: int
    ) -> dict[str, Difference | None]:
        """The ``other`` model less the reference, in every metric."""
        pair = (min(self.reference, other), max(self.reference, other))
        declared = len(self.task.classes) if self.choices.classes == "declared" and self.task.classes else None
        counts = CountDifferences(
            self.counted.total.tables[pair],
            self.confidence,
            swapped=self.reference > other,
            positive=self.task.positive,
            classes=self._every_class(),
            declared=declared,
        )
        found: dict[str, Difference | None] = {
            str(name): counts.of(name) for name in names if not name.entry.needs_scores
        }
        scored = [name for name in names if name.entry.needs_scores]
        if scored:
            from evalcli.comparing.scored import compare_scores

            results = [each.scores for each in self.numbers]
            assert all(each is not None for each in results)
            found |= dict.fromkeys(map(str, scored))
            found |= compare_scores(
                scored,
                self.counted.total,
                results,  # type: ignore[arg-type]  # as just made sure of
                values,
                self.together,
                self.confidence,
                self.size,
                self.progress,
                (self.reference, other),
            )
        return found

    def _judged(
        self,
        names: Sequence[MetricName],
        values: Sequence[dict[str, float | None]],
        found: dict[int, dict[str, Difference | None]],
        *,
        two: bool,
    ) -> dict[int, dict[str, data.Difference | None]]:
        """Verdicts: of two models Holm goes over all metrics, in a league over the models, metric by metric."""
        level = 1.0 - self.confidence.level
        directions = {str(name): name.entry.direction for name in names}

        def gap(other: int, name: str) -> float:
            mine, base = values[other][name], values[self.reference][name]
            return 0.0 if mine is None or base is None else mine - base

        if two:
            (other,) = found
            gaps = {str(name): gap(other, str(name)) for name in names}
            return {other: judged(found[other], gaps, directions, level)}
        plain: dict[int, dict[str, data.Difference | None]] = {other: {} for other in found}
        for name in map(str, names):
            each = judged(
                {str(other): found[other][name] for other in found},
                {str(other): gap(other, name) for other in found},
                {str(other): directions[name] for other in found},
                level,
            )
            for other in found:
                plain[other][name] = each[str(other)]
        return plain

    def _models(self) -> tuple[data.Model, ...]:
        return tuple(
            data.Model(name, source.preds.path, source.preds.name, task.scores)
            for name, source, task in zip(data.NAMES, self.sources, self.counted.tasks, strict=False)
        )

    def _inputs(self) -> tuple[InputRecord, ...]:
        every = [
            record
            for source, files in zip(self.sources, self.counted.inputs, strict=True)
            for record in records(source, files)
        ]
        return tuple(dict.fromkeys(every))

    def _flips(self, cells: Cells) -> tuple[data.ClassFlips, ...]:
        """All rows, then every class that occurs as a target."""
        first, second = cells.first == cells.target, cells.second == cells.target
        masks = {
            "right": first & second,
            "fixed": ~first & second,
            "broken": first & ~second,
            "other": ~first & ~second & (cells.first != cells.second),
            "same": ~first & ~second & (cells.first == cells.second),
        }
        size = int(cells.target.max(initial=0)) + 1
        counts = {name: _totals(cells.target[mask], cells.rows[mask], size) for name, mask in masks.items()}
        support = _totals(cells.target, cells.rows, size)
        every = self._every_class()
        whole = {name: int(each.sum()) for name, each in counts.items()}
        rows = [data.ClassFlips(None, int(support.sum()), **whole)]
        for code in np.flatnonzero(support).tolist():
            rows.append(
                data.ClassFlips(every[code], int(support[code]), **{name: int(each[code]) for name, each in counts.items()})
            )
        return tuple(rows)

    def _rows(self) -> tuple[data.FlippedRow, ...]:
        """The first flips of every class and kind, by row."""
        flips, listed = self.counted.total.flips.rows, self.together.listed[0]
        inner = self.members[0].layout.inner
        every = self._every_class()
        order = np.lexsort((flips.kind, flips.number))
        numbers = (flips.number[order] // inner).tolist()
        with spoken_of(self.sources[0].aliases):
            places = listed.places(numbers)
        rows = []
        for at, number, place_ in zip(order.tolist(), numbers, places, strict=True):
            kind = {FIXED: "fixed", BROKEN: "broken"}.get(int(flips.kind[at]), "other")
            name = flips.name[at]
            first, second = (None if code < 0 else every[code] for code in (int(flips.first[at]), int(flips.second[at])))
            rows.append(
                data.FlippedRow(
                    kind,
                    number,
                    None if name is None or not listed.named else str(name),
                    place_.file,
                    place_.line,
                    every[int(flips.target[at])],
                    first,
                    second,
                )
            )
        return tuple(rows)

    def _findings(self, left_out: int, cells: Cells | None) -> tuple[Finding, ...]:
        """What a reader should know beyond the numbers."""
        found = []
        if left_out:
            text = f"{left_out:,} rows that only some of the models have are left out of all"
            found.append(Finding("left-out", "warning", text, "find out why the others gave no number there"))
        if cells is not None and len(cells.rows) and (cells.first == cells.second).all():
            text = "both models give the same answer in every row"
            found.append(Finding("same-answers", "warning", text, "make sure that the files are those of two models"))
        scored = {task.scores != "labels" for task in self.counted.tasks}
        if len(scored) > 1 and self.question.metrics is None:
            text = "only some of the models have scores, so that no metric of scores is compared"
            found.append(Finding("labels-only", "info", text, "save the scores of all"))
        for source in self.sources:
            found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
        return tuple(dict.fromkeys(found))


def _best(name: MetricName, values: Sequence[dict[str, Any]]) -> int:
    """The model with the best value of a metric, the first among equals."""
    sign = 1.0 if name.entry.direction == "higher" else -1.0
    ranked = [-np.inf if each[str(name)] is None else sign * each[str(name)] for each in values]
    return int(np.argmax(ranked))


def _is_unit(name: MetricName) -> bool:
    """Whether a metric lies in −1 … 1 and is no loss, so that people speak of points."""
    return name.entry.high <= 1.0 and name.entry.low >= -1.0 and name.base != "brier"


def _totals(codes: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    totals = np.zeros(size, np.int64)
    np.add.at(totals, codes, rows)
    return totals
