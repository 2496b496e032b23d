"""Which labels there are, what the scores are, and where each label is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, UsageError, several
from evalcli.scorekind import (
    check_threshold,
    chosen_on_others,
    named_probs,
    no_probabilities,
    one_sided,
    threshold_of_labels,
)
from evalcli.sources.label_groups import unlike_labels
from evalcli.task import Task, logit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Field
    from evalcli.task import Choices
    from evalcli.threshold import Chosen

USUAL = 0.5
"""The threshold where none is given."""
SHOWN = 5


def decide(layout: Layout, preds: Field, target: Field, choices: Choices, evidence: Evidence) -> Task:
    """Name the labels, the kind of scores and the cuts.

    Doubt that more rows could clear up is put into ``Task.problem``.

    Raises:
        UsageError: when the choices contradict the layout.
        InputError: a side holds texts.

    """
    check_threshold(choices)
    _refuse(preds, target, choices)
    labels = label_names(layout, preds, target, choices)
    problem = _doubted(choices)
    if layout.preds == "labels":
        if choices.scores in {"probs", "logits"}:
            message = f"--scores {choices.scores}, but the predictions are {preds.dtype} labels"
            raise UsageError(message, fix="save scores as floats, or drop --scores", path=preds.path)
        problem = problem or threshold_of_labels(choices)
        return Task("multilabel", "labels", "labels", labels, problem=problem)
    scores, doubt = _score_kind(preds, choices, evidence)
    if scores == "labels":  # cut all the same: what is counted does not change when a fraction comes after all
        return Task("multilabel", scores, "cut", labels, cuts=(USUAL,) * len(labels), problem=problem)
    return _cut_at(choices, Task("multilabel", scores, "cut", labels, problem=problem or doubt))


def _refuse(preds: Field, target: Field, choices: Choices) -> None:
    """What cannot be meant, whatever the values are."""
    if choices.scores == "values":
        raise UsageError("--scores values, but the task is multilabel", fix="use labels, probs or logits")
    if choices.ignore_index in {0, 1}:
        what = f"--ignore-index {choices.ignore_index}, but 0 and 1 are what a label can be"
        raise UsageError(what, fix="mark cells to leave out by another number, such as -1")
    for field in (preds, target):
        if field.labels is not None:
            example = f" such as {field.labels[0]!r}" if field.labels else ""
            fix = "give a column of 0 and 1 for each label, or drop --task multilabel"
            raise InputError(f"{field.name!r} holds texts{example}, not 0 and 1", fix=fix, path=field.path)


def _doubted(choices: Choices) -> EvalError | None:
    """Choices that belong to another task: an error only if this one stays."""
    if choices.chosen is not None and not choices.chosen.labels:
        what = "the threshold was chosen for a binary task, and this one is multilabel"
        fix = "choose one for each label: evalcli tune --task multilabel"
        return UsageError(what, fix=fix, path=choices.chosen.path)
    if choices.positive is not None:
        what = f"--positive {choices.positive}, but the task is multilabel"
        return UsageError(
            what, fix=f"a metric names its label, as recall[{choices.positive}]; --class lists its errors"
        )
    return None


def label_names(layout: Layout, preds: Field, target: Field, choices: Choices) -> tuple[str, ...]:
    """The labels in order: as declared, else as the columns are named, else numbered.

    Raises:
        UsageError: the declared names are not as many as the labels, or only some of them name columns.
        InputError: the two sides name other labels.

    """
    named = [side.columns for side in (preds, target) if side.columns is not None]
    if len(named) == 2 and set(named[0]) != set(named[1]):
        raise unlike_labels(named[0], named[1], preds.path)
    columns = named[0] if named else None
    if choices.labels is None:
        return columns or tuple(map(str, range(layout.width or 1)))
    if len(choices.labels) != layout.width:
        labels, names = several(layout.width or 1, "label"), several(len(choices.labels), "name")
        message = f"{labels} a row but {names} ({_some(choices.labels)})"
        raise UsageError(message, fix="give --labels one name for each column, in column order", path=preds.path)
    if columns is not None and set(columns) & set(choices.labels) and set(columns) != set(choices.labels):
        message = f"--labels names {_some(choices.labels)}, but the columns are {_some(columns)}"
        raise UsageError(
            message, fix="name the columns, in any order, or give every column a new name", path=preds.path
        )
    return choices.labels


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def _score_kind(preds: Field, choices: Choices, evidence: Evidence) -> tuple[str, EvalError | None]:
    """Probabilities lie in [0, 1]; everything else is logits. Nothing but 0 and 1 is predictions stored as floats."""
    if choices.scores == "logits":
        return "logits", None
    if choices.scores == "probs":
        return "probs", None if evidence.within else no_probabilities(preds, evidence)
    if not evidence.within:
        return "logits", one_sided(preds, evidence) or named_probs(preds, evidence)
    unsaid = choices.threshold is None and choices.chosen is None
    whole = evidence.pred_whole and 0 <= evidence.pred_low <= evidence.pred_high <= 1
    return ("labels" if unsaid and whole else "probs"), None


def _cut_at(choices: Choices, task: Task) -> Task:
    """The task with the score from which each label is predicted; of a saved choice the very ones that were chosen."""
    if choices.chosen is not None and choices.chosen.labels:
        return _cut_as_chosen(choices.chosen, task)
    threshold = USUAL if choices.threshold is None else choices.threshold
    cut = logit(threshold) if task.scores == "logits" else threshold
    return replace(task, threshold=threshold, cuts=(cut,) * len(task.classes))


def _cut_as_chosen(chosen: Chosen, task: Task) -> Task:
    held = {one.name: one for one in chosen.labels}
    lacking = [name for name in task.classes if name not in held]
    if lacking:
        what = f"it has no threshold for {_some(lacking)}, only for {_some(tuple(held))}"
        error = UsageError(what, fix="choose again, or name the labels with --labels", path=chosen.path)
        return replace(task, cuts=(USUAL,) * len(task.classes), problem=task.problem or error)
    doubt = chosen_on_others(chosen, task.scores)
    ones = [held[name] for name in task.classes]
    usual = logit if task.scores == "logits" else float
    cuts = tuple(usual(one.threshold) if one.cut is None else one.cut for one in ones)
    return replace(task, thresholds=tuple(one.threshold for one in ones), cuts=cuts, problem=task.problem or doubt)
