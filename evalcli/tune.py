"""One choice of a threshold from a source to plain numbers: the pass of a report, with the ranks of its scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import exp, inf, isfinite, nextafter
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.counting import Plan, count
from evalcli.engine import batch_rows, place, worker_count
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import row_bytes
from evalcli.layout import find_layout
from evalcli.metrics.labels import Counts
from evalcli.reporting import records
from evalcli.sources import spoken_of
from evalcli.task import logit
from evalcli.threshold import SCHEMA, as_stored
from evalcli.tuning import choose, measures

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.layout import Layout
    from evalcli.report import InputRecord, Number
    from evalcli.sources.base import InputFile, Note, Source
    from evalcli.task import Choices, Task
    from evalcli.tuning import Aim, Choice, Place

_ULPS = 8
"""How many float64 to each side are tried for a probability whose logit is the cut."""


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

    def to_json_object(self) -> dict[str, Any]:
        """``evalcli.threshold/1``; an infinite cut is null, and follows from the threshold."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "threshold": self.chosen.threshold,
            "cut": self.cut if isfinite(self.cut) else None,
            "objective": self.objective,
            "value": self.value,
            "n": self.n,
            "ignored": self.ignored,
            "weighted": self.weighted,
            "classes": list(self.classes),
            "positive": self.positive,
            "scores": self.scores,
            "exact": self.exact,
            "candidates": self.candidates,
            "metrics": self.chosen.metrics,
            "compared_with": {"threshold": self.reference.threshold, "metrics": self.reference.metrics},
            "inputs": [{"path": file.path, "size": file.size, "digest": file.digest} for file in self.inputs],
        }


def tune(source: Source, choices: Choices, execution: Execution, aim: Aim, progress: Progress | None = None) -> Tuning:
    """Read ``source`` once, rank its scores, and choose the threshold that is best for ``aim``.

    A report at that threshold counts the same rows: its numbers are the same bits, with weights up to their rounding.

    Raises:
        UsageError: the task is not binary, or there are no scores.
        InputError: the values cannot be evaluated, or nothing can be chosen.
        EmptyError: nothing is left to evaluate.

    """
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        _check_layout(layout, source)
        if layout.preds == "columns" and choices.threshold is None:
            choices = replace(choices, threshold=0.5)
        size = batch_rows(execution, row_bytes(source))
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, ("auroc",), (), execution.ranking_budget, workers)
        outcome, inputs = count(plan, size, progress)
        return _tuned(source, layout, outcome, inputs, aim)


def _check_layout(layout: Layout, source: Source) -> None:
    if layout.preds == "labels":
        raise _no_scores(source)
    if layout.preds == "columns" and layout.width != 2:
        what = f"a threshold belongs to a binary task, and there are {layout.width} score columns"
        raise UsageError(what, fix="give one score for each row, or two columns", path=source.preds.path)


def _no_scores(source: Source) -> UsageError:
    fix = "save probabilities or logits; if these are scores, say so with --scores probs or --scores logits"
    return UsageError("the predictions are labels, and a threshold cuts scores", fix=fix, path=source.preds.path)


def _tuned(source: Source, layout: Layout, outcome: Outcome, inputs: tuple[InputFile, ...], aim: Aim) -> Tuning:
    task, states = outcome.task, outcome.gathered.scores
    if task.scores == "labels":
        raise _no_scores(source)
    if task.kind != "binary" or states is None or task.positive is None:
        raise UsageError(f"a threshold belongs to a binary task, and this one is {task.kind}", path=source.preds.path)
    if states.unscored:
        what = f"{states.unscored} rows have no score"
        raise InputError(what, fix="leave them out with --nan drop", path=source.preds.path)
    table: Any = states.states["KeyTable"]
    try:
        choice = choose(table.ranking(), aim)
    except InputError as e:
        e.path = e.path or source.target.path
        raise
    thresholds = _Thresholds(source, layout, task)
    threshold, reachable = thresholds.typed(choice)
    return Tuning(
        objective=aim.text,
        sought=aim.name,
        value=choice.value,
        cut=choice.place.cut,
        chosen=Point(threshold, choice.place.predicted, choice.place.metrics),
        reference=_reference(outcome, task.positive, aim),
        neighbours=tuple(thresholds.point(one) for one in choice.neighbours),
        curve=choice.curve,
        span=choice.span,
        candidates=choice.candidates,
        exact=choice.exact,
        reachable=reachable,
        nothing=choice.nothing,
        n=outcome.evidence.rows,
        ignored=outcome.evidence.ignored + outcome.evidence.dropped + source.dropped,
        weighted=source.weighted,
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
    counts = Counts(counted.tp[order], counted.support[order], counted.predicted[order], counted.n)
    assert outcome.task.threshold is not None
    return Point(outcome.task.threshold, counts.predicted[1].item(), measures(counts, aim))


class _Thresholds:
    """Cuts as probabilities to type: the shortest that gives the cut back."""

    def __init__(self, source: Source, layout: Layout, task: Task) -> None:
        self.logits = task.scores == "logits"
        stored = source.preds.dtype
        margin = self.logits and layout.preds == "columns"  # computed in float64, whatever is stored
        self.stored: Callable[[float], Any] = float if margin else partial(as_stored, dtype=stored, loaded=np.float64)

    def cut_at(self, threshold: float) -> float:
        """The score at which a report cuts when this probability is typed."""
        return float(self.stored(logit(threshold) if self.logits else threshold))

    def typed(self, choice: Choice) -> tuple[float, bool]:
        """A probability for the chosen cut, and whether typing it cuts these scores at the same place.

        Any cut above the next lower score does, as long as all scores are known apart.
        """
        cut = choice.place.cut
        below = choice.below if choice.exact else nextafter(cut, -inf)
        near = list(_near(sigmoid(cut) if self.logits else cut))
        for least in (cut, nextafter(below, inf)):  # the cut itself, else what cuts at the same place
            for probability in near:
                if least <= self.cut_at(probability) <= cut:
                    return probability, True
        return min(max(near[-1], 0.0), 1.0), False

    def point(self, place: Place) -> Point:
        """A candidate beside the chosen one; its threshold is only shown."""
        return Point(sigmoid(place.cut) if self.logits else place.cut, place.predicted, place.metrics)


def sigmoid(score: float) -> float:
    """``1 / (1 + e^−s)``, without overflow.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if score < 0:
        power = exp(max(score, -800.0))
        return power / (1 + power)
    return 1 / (1 + exp(-score))


def _near(value: float) -> list[float]:
    """``value`` in ever more digits, then the floats around it, and itself last; all of them probabilities."""
    found = [float(f"{value:.{digits}g}") for digits in range(1, 18)]
    up = down = value
    for _ in range(_ULPS):
        up, down = nextafter(up, inf), nextafter(down, -inf)
        found += [up, down]
    return [one for one in (*found, value) if 0 <= one <= 1] or [value]
