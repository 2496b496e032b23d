"""One choice of a threshold from a source to plain numbers: the pass of a report, with the ranks of its scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from evalcli import __version__
from evalcli.counting import Plan, count
from evalcli.engine import fit_rows, place, worker_count
from evalcli.errors import InputError, UsageError
from evalcli.layout import find_layout
from evalcli.metrics.labels import Counts
from evalcli.reporting import records
from evalcli.scorekind import nothing_to_cut
from evalcli.sources import spoken_of
from evalcli.threshold import SCHEMA
from evalcli.tuning.candidates import choose, measures
from evalcli.tuning.cuts import Thresholds

if TYPE_CHECKING:
    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.layout import Layout
    from evalcli.report import InputRecord, Number
    from evalcli.sources.base import InputFile, Note, Source
    from evalcli.task import Choices
    from evalcli.tuning.candidates import Aim
    from evalcli.tuning.labels import LabelTuning


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, as a probability, and what it does to each metric; ``predicted`` rows are called positive."""

    threshold: float
    predicted: Number
    metrics: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was chosen, what it was compared with, and what lies around it: plain numbers.

    ``cut`` is the score at ``threshold``. ``reachable`` says whether ``--threshold`` with the probability alone cuts
    these scores as ``cut`` does. ``curve`` and ``span`` are those of ``Choice``, and ``exact`` is false where scores
    were binned and only the ends of bins could be candidates.
    """

    objective: str
    sought: str
    value: float
    cut: float
    chosen: Point
    reference: Point
    neighbours: tuple[Point, ...]
    curve: tuple[float | None, ...]
    span: tuple[float, float]
    candidates: int
    exact: bool
    reachable: bool
    nothing: float | None
    n: int
    ignored: int
    weighted: bool
    classes: tuple[str, ...]
    positive: str
    scores: str
    inputs: tuple[InputRecord, ...]
    notes: tuple[Note, ...] = ()
    """What the source has to say of its rows; not part of the JSON."""
    where: str | None = None
    """The condition, in SQL, by which rows were chosen."""

    def to_json_object(self) -> dict[str, Any]:
        """``evalcli.threshold/1``; an infinite cut is null, and follows from the threshold.

        ``no_positives`` stands there where predicting none at all would cost less: what it would cost.
        """
        return {
            "schema": SCHEMA,
            "version": __version__,
            "threshold": self.chosen.threshold,
            "cut": self.cut if isfinite(self.cut) else None,
            "objective": self.objective,
            "value": self.value,
            **({} if self.nothing is None else {"no_positives": self.nothing}),
            "n": self.n,
            "ignored": self.ignored,
            "weighted": self.weighted,
            **({} if self.where is None else {"where": self.where}),
            "classes": list(self.classes),
            "positive": self.positive,
            "scores": self.scores,
            "exact": self.exact,
            "candidates": self.candidates,
            "metrics": self.chosen.metrics,
            "compared_with": {"threshold": self.reference.threshold, "metrics": self.reference.metrics},
            "inputs": [{"path": file.path, "size": file.size, "digest": file.digest} for file in self.inputs],
        }


def tune(
    source: Source, choices: Choices, execution: Execution, aim: Aim, progress: Progress | None = None
) -> Tuning | LabelTuning:
    """Read ``source`` once, rank its scores, and choose the threshold that is best for ``aim``, or one for each label.

    A report at that threshold counts the same rows: its numbers are the same bits, with weights up to their rounding.

    Raises:
        UsageError: the task is neither binary nor multilabel, or there are no scores.
        InputError: the values cannot be evaluated, or nothing can be chosen.
        EmptyError: nothing is left to evaluate.

    """
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        _check_layout(layout, source)
        if layout.width == 2 and choices.threshold is None and choices.task != "multilabel":
            choices = replace(choices, threshold=0.5)
        size = fit_rows(execution, source, layout)
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, ("auroc",), (), execution.ranking_budget, workers)
        outcome, inputs = count(plan, size, progress)
        if outcome.task.family == "multilabel":
            from evalcli.tuning.labels import tuned_labels

            return tuned_labels(source, outcome, inputs, aim)
        return _tuned(source, layout, outcome, inputs, aim)


def _check_layout(layout: Layout, source: Source) -> None:
    if layout.preds == "labels":
        raise nothing_to_cut(source.preds.path)
    if layout.preds == "columns" and layout.width != 2 and layout.target != "one-hot":
        what = f"a threshold belongs to a binary task, and there are {layout.width} score columns"
        fix = "give one score for each row, two columns, or a column of the truth for each label"
        raise UsageError(what, fix=fix, path=source.preds.path)


def _tuned(source: Source, layout: Layout, outcome: Outcome, inputs: tuple[InputFile, ...], aim: Aim) -> Tuning:
    task = outcome.task
    if task.family != "classification":
        what = f"a threshold belongs to a binary task, and this one is {task.kind}"
        raise UsageError(what, fix="give scores of two classes", path=source.preds.path)
    states = outcome.gathered.scores
    if task.scores == "labels":
        raise nothing_to_cut(source.preds.path)
    if task.kind != "binary" or states is None or task.positive is None:
        what = (
            f"a threshold belongs to a binary task, or to each label of a multilabel one, and this one is {task.kind}"
        )
        raise UsageError(what, fix="of several labels a row, say --task multilabel", path=source.preds.path)
    if states.unscored:
        rows = "1 row has" if states.unscored == 1 else f"{states.unscored:,} rows have"
        raise InputError(f"{rows} no score", fix="leave them out with --nan drop", path=source.preds.path)
    table: Any = states.states["KeyTable"]
    try:
        choice = choose(table.ranking(), aim)
    except InputError as e:
        e.path = e.path or source.target.path
        raise
    margin = task.scores == "logits" and layout.preds == "columns"  # computed in float64, whatever is stored
    thresholds = Thresholds(task.scores, None if margin else source.preds.dtype)
    threshold, reachable = thresholds.typed(choice)
    return Tuning(
        objective=aim.text,
        sought=aim.name,
        value=choice.value,
        cut=choice.place.cut,
        chosen=Point(threshold, choice.place.predicted, choice.place.metrics),
        reference=_reference(outcome, task.positive, aim),
        neighbours=tuple(Point(thresholds.of(one.cut), one.predicted, one.metrics) for one in choice.neighbours),
        curve=choice.curve,
        span=choice.span,
        candidates=choice.candidates,
        exact=choice.exact,
        reachable=reachable,
        nothing=choice.nothing,
        n=outcome.evidence.rows,
        ignored=outcome.evidence.ignored + outcome.evidence.dropped + source.dropped,
        weighted=source.weighted,
        where=source.where,
        classes=task.classes,
        positive=task.classes[task.positive],
        scores=task.scores,
        inputs=records(source, inputs),
        notes=source.notes(),
    )


def _reference(outcome: Outcome, positive: int, aim: Aim) -> Point:
    """The point that the pass itself has counted: that of a report, of ``--threshold`` or of 0.5."""
    order = [1 - positive, positive]
    counted = outcome.gathered.confusion.class_counts().numpy()
    counts = Counts(*(part if part is None or part.ndim == 0 else part[order] for part in counted))
    assert outcome.task.threshold is not None
    return Point(outcome.task.threshold, counts.predicted[1].item(), measures(counts, aim))
