"""A threshold for each label of a multilabel task, chosen from the ranks of its scores."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.errors import InputError
from evalcli.metrics import formulas
from evalcli.metrics.labels import Counts
from evalcli.metrics.multilabel import hamming_loss, per_label, pooled_labels
from evalcli.reporting import records
from evalcli.scorekind import nothing_to_cut
from evalcli.threshold import SCHEMA
from evalcli.tuning.candidates import choose, measures
from evalcli.tuning.cuts import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.counting import Outcome
    from evalcli.metrics.roc import Ranking
    from evalcli.report import InputRecord, Number
    from evalcli.sources.base import InputFile, Note, Source
    from evalcli.task import Task
    from evalcli.tuning.candidates import Aim, Choice

_AVERAGED: dict[str, Callable[[Counts], Any]] = {
    "f1": formulas.f1,
    "precision": formulas.precision,
    "recall": formulas.recall,
}


@dataclass(frozen=True, slots=True)
class LabelPoint:
    """One label at one threshold, as a probability: rows predicted to have it, and what that does to each metric."""

    threshold: float
    predicted: Number
    metrics: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What was chosen for a label, beside the reference; ``kept`` says why it was not chosen but kept.

    ``cut`` is the score at the threshold; ``reachable`` whether typing the probability cuts these scores there.
    """

    label: str
    support: Number
    cut: float
    chosen: LabelPoint
    reference: LabelPoint
    kept: str = ""
    candidates: int = 0
    exact: bool = True
    reachable: bool = True
    nothing: float | None = None
    """What never predicting the label would cost, where that is asked for and is less."""


@dataclass(frozen=True, slots=True)
class LabelTuning:
    """A threshold for each label, and what all of them do to the averages, before and after: plain numbers."""

    objective: str
    sought: str
    labels: tuple[LabelChoice, ...]
    before: dict[str, float | None]
    after: dict[str, float | None]
    n: int
    ignored: int
    weighted: bool
    scores: str
    inputs: tuple[InputRecord, ...]
    notes: tuple[Note, ...] = ()
    """What the source has to say of its rows; not part of the JSON."""
    where: str | None = None
    """The condition, in SQL, by which rows were chosen."""

    @property
    def exact(self) -> bool:
        """Whether every score of every label was a candidate."""
        return all(one.exact for one in self.labels)

    def to_json_object(self) -> dict[str, Any]:
        """``evalcli.threshold/1`` with an entry for each label; an infinite cut is null."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "task": "multilabel",
            "objective": self.objective,
            "n": self.n,
            "ignored": self.ignored,
            "weighted": self.weighted,
            **({} if self.where is None else {"where": self.where}),
            "scores": self.scores,
            "exact": self.exact,
            "averages": self.after,
            "compared_with": {"averages": self.before},
            "labels": [_label_object(one) for one in self.labels],
            "inputs": [{"path": file.path, "size": file.size, "digest": file.digest} for file in self.inputs],
        }


def _label_object(one: LabelChoice) -> dict[str, Any]:
    found: dict[str, Any] = {
        "label": one.label,
        "threshold": one.chosen.threshold,
        "cut": one.cut if isfinite(one.cut) else None,
        "tuned": not one.kept,
        "support": one.support,
        "predicted": one.chosen.predicted,
        "candidates": one.candidates,
        "metrics": one.chosen.metrics,
        "compared_with": {"threshold": one.reference.threshold, "metrics": one.reference.metrics},
    }
    found |= {} if one.nothing is None else {"no_positives": one.nothing}
    return found | ({"kept": one.kept} if one.kept else {})


def tuned_labels(source: Source, outcome: Outcome, inputs: tuple[InputFile, ...], aim: Aim) -> LabelTuning:
    """The best threshold of each label for ``aim``; a label for which there is none keeps that of the pass.

    Raises:
        UsageError: there are no scores.
        InputError: cells have no score, or there is a threshold for no label at all.

    """
    task, states = outcome.task, outcome.gathered.scores
    if states is None or task.scores == "labels":
        raise nothing_to_cut(source.preds.path)
    if unscored := int(states.unscored.sum()):
        cells = "1 cell has" if unscored == 1 else f"{unscored:,} cells have"
        raise InputError(f"{cells} no score", fix="leave their rows out with --nan drop", path=source.preds.path)
    before = outcome.gathered.counts.compute().numpy()
    choices = tuple(_choices(source, task, states.table.compute(), before, aim))
    if all(one.kept for one in choices):
        what = f"no label can be tuned: {choices[0].label!r}: {choices[0].kept}"
        raise InputError(what, fix="check the truth, or ask for less", path=source.target.path)
    after = _counts_after(choices, states.table.compute(), before)
    return LabelTuning(
        objective=aim.text,
        sought=aim.name,
        labels=choices,
        before=_averages(before) | _mean_of(aim.name, [one.reference for one in choices]),
        after=_averages(after) | _mean_of(aim.name, [one.chosen for one in choices]),
        n=outcome.evidence.rows,
        ignored=outcome.evidence.ignored + outcome.evidence.dropped + source.dropped,
        weighted=source.weighted,
        where=source.where,
        scores=task.scores,
        inputs=records(source, inputs),
        notes=source.notes(),
    )


def _choices(source: Source, task: Task, rankings: list[Ranking], before: Counts, aim: Aim) -> Iterator[LabelChoice]:
    """What is chosen for each label, in order."""
    typed = Thresholds(task.scores, source.preds.dtype)
    usual = task.thresholds or (task.threshold or 0.0,) * len(rankings)
    for index, ranking in enumerate(rankings):
        reference = LabelPoint(usual[index], before.predicted[index].item(), measures(_two_sided(before, index), aim))
        support = before.support[index].item()
        try:
            choice = choose(ranking, aim)
        except InputError as e:
            yield LabelChoice(
                task.classes[index], support, task.cuts[index], reference, reference, e.what, exact=ranking.exact
            )
            continue
        yield _chosen(task.classes[index], support, choice, reference, typed)


def _chosen(label: str, support: Number, choice: Choice, reference: LabelPoint, typed: Thresholds) -> LabelChoice:
    threshold, reachable = typed.typed(choice)
    point = LabelPoint(threshold, choice.place.predicted, choice.place.metrics)
    return LabelChoice(
        label,
        support,
        choice.place.cut,
        point,
        reference,
        candidates=choice.candidates,
        exact=choice.exact,
        reachable=reachable,
        nothing=choice.nothing,
    )


def _two_sided(counts: Counts, index: int) -> Counts:
    """The counts of one label as those of two classes, (2,): without it, then with it."""
    tp, support, predicted, n = (part[index] for part in (counts.tp, counts.support, counts.predicted, counts.n))
    tn = (n - support) - (predicted - tp)
    sides = ([tn, tp], [n - support, support], [n - predicted, predicted], n)
    return Counts(*map(np.array, sides))


def _counts_after(choices: tuple[LabelChoice, ...], rankings: list[Ranking], before: Counts) -> Counts:
    """The counts (L,) that a report at the chosen thresholds has."""
    tp, predicted = before.tp.copy(), before.predicted.copy()
    for index, (one, ranking) in enumerate(zip(choices, rankings, strict=True)):
        if not one.kept:
            last = np.flatnonzero(ranking.score >= one.cut)[-1]
            tp[index] = ranking.pos.cumsum()[last]
            predicted[index] = one.chosen.predicted
    return Counts(tp, before.support, predicted, before.n)


def _mean_of(name: str, points: list[LabelPoint]) -> dict[str, float | None]:
    """The plain mean of what was sought over the labels that have it, where no report has a name for it."""
    if name in _AVERAGED:
        return {}
    values = [value for point in points if (value := point.metrics[name]) is not None]
    return {f"{name}_macro": fsum(values) / len(values) if values else None}


def _averages(counts: Counts) -> dict[str, float | None]:
    """Means over labels and over all cells, under the names that a report has for them."""
    scope = formulas.in_scope(counts)
    found: dict[str, float] = {}
    for name, formula in _AVERAGED.items():
        values = per_label(formula, counts)
        found[f"{name}_macro"] = float(formulas.mean_over(values, scope))
        found[f"{name}_micro"] = float(formula(pooled_labels(counts, scope))[0])
        found[f"{name}_weighted"] = float(formulas.mean_over(values, counts.support))
    found["hamming_loss"] = hamming_loss(counts)
    return {name: None if isnan(value) else value for name, value in found.items()}
