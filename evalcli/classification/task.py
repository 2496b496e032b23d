"""Binary or multiclass, labels or scores and of which kind, which classes, which of them is positive."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, UsageError
from evalcli.scorekind import (
    check_threshold,
    cut_of,
    few_digits,
    named_probs,
    no_probabilities,
    one_sided,
    threshold_of_labels,
)
from evalcli.shell import word
from evalcli.sources.labels import NUMBER, TRUTH, class_order
from evalcli.sources.spelling import spelled
from evalcli.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Field
    from evalcli.task import Choices

OPPOSITES = (("no", "yes"), ("false", "true"), ("neg", "pos"), ("negative", "positive"), ("0", "1"), ("-1", "1"))
"""Two names that say by themselves which is the positive one."""

USUAL_STATES = {"ok", "normal", "benign", "healthy", "ham", "good", "clean", "legit", "absent", "pass", "none", "other"}
"""Names of what nobody searches for."""


def decide(layout: Layout, preds: Field, target: Field, choices: Choices, evidence: Evidence) -> Task:
    """Name the task and the kind of scores.

    Doubt that more rows could clear up is put into ``Task.problem``.

    Raises:
        UsageError: when the choices contradict the layout.

    """
    if choices.scores == "values":
        raise UsageError(f"--scores values, but the task is {choices.task}", fix="use labels, probs or logits")
    check_threshold(choices)
    names, seen_only = class_names(layout, preds, target, choices, evidence)
    if layout.preds == "columns":
        return _decide_columns(layout, preds, choices, evidence, names)
    if layout.preds == "score":
        whole_labels = target.labels is None and evidence.pred_whole and 0 <= evidence.pred_low <= evidence.pred_high
        return _decide_score(preds, choices, evidence, names, seen_only=seen_only, whole_labels=whole_labels)
    if choices.scores in {"probs", "logits"}:
        message = f"--scores {choices.scores}, but the predictions are {preds.dtype} labels"
        raise UsageError(message, fix="save scores as floats, or drop --scores", path=preds.path)
    problem = _unlike_labels(layout, choices, evidence, preds)
    task = _labels_task("labels", choices, names, problem, seen_only=seen_only)
    return replace(task, keeps_ignored=evidence.names_ignored)


def class_names(
    layout: Layout, preds: Field, target: Field, choices: Choices, evidence: Evidence
) -> tuple[tuple[str, ...], bool]:
    """The class names in order, and whether they were only read off the data.

    No names: the classes are whole numbers, more than 0 and 1, and known only when all are counted.
    """
    if choices.labels is not None:
        return choices.labels, False
    if preds.columns is not None:
        return preds.columns, False
    if layout.width is not None:
        return tuple(map(str, range(layout.width))), False
    if target.labels is not None or preds.labels is not None:
        names = _union(target.labels or (), preds.labels or ())
        if choices.ignore_index is not None and not evidence.names_ignored:
            names = tuple(name for name in names if name != str(choices.ignore_index))
        pair = _known_pair(names, choices.positive)
        return (pair, False) if pair else (names, True)
    high = max(evidence.target_high, evidence.pred_high if layout.preds == "labels" else -inf)
    return ((), True) if high > 1 else (("0", "1"), False)


def _known_pair(names: tuple[str, ...], positive: str | None) -> tuple[str, ...] | None:
    """Of two names that belong together both are classes, even on a day when only one occurs."""
    if not names or len(names) > 2:
        return None
    if {*names} <= {"0", "1"}:
        return ("0", "1")
    if len(names) == 1 and positive is not None and positive not in names:
        return class_order((*names, positive))
    for pair in OPPOSITES:
        if len(names) == 1 and names[0].lower() in pair:
            other = pair[1 - pair.index(names[0].lower())]
            styled = other.upper() if names[0].isupper() else other.title() if names[0].istitle() else other
            return class_order((names[0], styled))
    return None


def _union(target: tuple[str, ...], preds: tuple[str, ...]) -> tuple[str, ...]:
    """All labels of both sides, in class order."""
    return target if target == preds or not preds else class_order({*target, *preds})


def _labels_task(
    scores: str, choices: Choices, names: tuple[str, ...], problem: EvalError | None, *, seen_only: bool = False
) -> Task:
    two = len(names) == 2 and not (seen_only and choices.positive is None and _are_indices(names))
    kind = choices.task or ("binary" if two else "multiclass")
    if kind == "binary" and len(names) != 2:
        raise UsageError(f"--task binary, but the classes are {_some(names)}", fix="drop --task")
    positive = None
    if kind == "binary":
        positive, doubt = positive_class(names, choices.positive)
        if not (choices.alike and choices.positive is None and choices.threshold is None):
            problem = problem or doubt
    elif choices.positive is not None:
        message = f"--positive {choices.positive}, but the task is multiclass ({_some(names)})"
        fix = f"a metric names its class, as recall[{choices.positive}]; --class lists its errors"
        if len(names) == 1:
            message = f"--positive {choices.positive}, but the only class is {names[0]!r}"
            fix = "name both classes with --labels"
        problem = problem or UsageError(message, fix=fix)
    return Task(kind, scores, "labels", names, seen_only, positive, problem=problem)


def _are_indices(names: Sequence[str]) -> bool:
    """Whether the classes are numbers such as 3 and 5: two of many, whichever type they are stored in."""
    return all(name.isdecimal() and name.isascii() and name == str(int(name[:19])) for name in names)


def _decide_columns(layout: Layout, preds: Field, choices: Choices, evidence: Evidence, names: tuple[str, ...]) -> Task:
    if layout.width != len(names):
        message = f"{layout.width} score columns but {len(names)} class names ({_some(names)})"
        raise UsageError(message, fix="give --labels one name for each column, in column order", path=preds.path)
    named = {*(preds.columns or ())}
    if choices.labels is not None and named & {*names} and named != {*names}:
        message = f"--labels names the classes {_some(names)}, but the score columns are {_some(preds.columns or ())}"
        raise UsageError(
            message, fix="name the columns, in any order, or give every column a new name", path=preds.path
        )
    scores, problem = _column_scores(layout, preds, choices, evidence)
    base = _labels_task(scores, choices, names, problem)
    if choices.threshold is None:
        return replace(base, mode="argmax")
    if base.kind != "binary":
        fix = "drop it: of several classes the best one counts; of several labels a row say --task multilabel"
        error = UsageError("--threshold needs a binary or multilabel task", fix=fix)
        if layout.target != "one-hot":
            raise error
        return replace(base, mode="argmax", problem=base.problem or error)  # a row with several labels may yet come
    cut, doubt = cut_of(choices, choices.threshold, scores)
    problem = base.problem or doubt
    return replace(base, mode="cut", threshold=choices.threshold, cut=cut, above=base.positive or 0, problem=problem)


def _column_scores(layout: Layout, preds: Field, choices: Choices, evidence: Evidence) -> tuple[str, EvalError | None]:
    """The kind of score columns: probabilities lie in [0, 1] and sum to 1 in every row; everything else is logits."""
    within = evidence.within
    rows = "1 row does" if evidence.off_rows == 1 else f"{evidence.off_rows} rows do"
    sums = f"{rows} not sum to 1 (worst: row {evidence.off_row}, off by {evidence.off_worst:.3g})"
    if choices.scores == "logits":
        return "logits", None
    if choices.scores == "labels":
        fix = "use probs or logits; of several labels a row say --task multilabel"
        raise UsageError("--scores labels, but there is a column for each class", fix=fix)
    few = few_digits(evidence, layout.width or 2)
    mend = f"if they were {few}, save them as before, or each row divided by its sum; of logits say --scores logits"
    if choices.scores == "probs":
        if not within:
            return "probs", no_probabilities(preds, evidence)
        fix = mend if few else "normalise them, or use --scores logits"
        doubt = InputError(f"not probabilities: {sums}", fix=fix, path=preds.path)
        return "probs", doubt if evidence.off_rows else None
    if not within:
        return "logits", named_probs(preds, evidence)
    if evidence.off_rows:
        message = f"scores lie in [0, 1], but {sums}: probabilities or logits?"
        fix = mend if few else "say which with --scores probs or --scores logits"
        fix += "; of several labels a row say --task multilabel" if layout.target == "one-hot" else ""
        return "probs", InputError(message, fix=fix, path=preds.path)
    whole = "float" not in preds.dtype
    return ("labels" if whole else "probs"), None


def _decide_score(
    preds: Field,
    choices: Choices,
    evidence: Evidence,
    names: tuple[str, ...],
    *,
    seen_only: bool,
    whole_labels: bool,
) -> Task:
    """One number an element: a binary score, or a label that was stored as a float.

    ``whole_labels``: all are whole numbers from 0, beside a target of numbers; beside names they can only be scores.
    """
    low, high = evidence.pred_low, evidence.pred_high
    unsaid = choices.scores is None and choices.threshold is None
    if choices.scores == "labels" or (unsaid and whole_labels and (len(names) != 2 or high <= 1)):
        problem = threshold_of_labels(choices)
        base = _labels_task("labels", choices, names, problem, seen_only=seen_only)
        return base if choices.scores == "labels" else replace(base, problem=base.problem or _inverted(base, preds))
    if len(names) != 2:
        message = f"one score for each row, but the classes of the target are {_some(names)}"
        fix = "name both with --labels" if len(names) == 1 else "save a score for each class, shape (N, C), or labels"
        if 2 * sum(NUMBER.fullmatch(name) is not None for name in names) >= len(names):
            fix = f"--task regression if both are values; if these are classes, {fix}"
        return Task(
            "multiclass",
            choices.scores or "logits",
            "labels",
            names,
            seen_only=seen_only,
            problem=InputError(message, fix=fix, path=preds.path),
        )
    scores = choices.scores or ("probs" if evidence.within else "logits")
    base = _labels_task(scores, choices, names, None)
    above, doubt = positive_class(names, choices.positive)
    problem = base.problem or doubt
    if choices.scores is None and scores == "logits":
        problem = one_sided(preds, evidence) or named_probs(preds, evidence) or problem
    if choices.scores == "probs" and not evidence.within:
        problem = no_probabilities(preds, evidence)
    if choices.scores is None and whole_labels and high > 1:
        problem = InputError(
            f"predictions are whole numbers from {low:g} to {high:g} stored as floats, the target has two classes",
            fix="say what they are with --scores labels or --scores logits",
            path=preds.path,
        )
    threshold = 0.5 if choices.threshold is None else choices.threshold
    cut, doubt = cut_of(choices, threshold, scores)
    return replace(base, mode="cut", threshold=threshold, cut=cut, above=above, problem=problem or doubt)


def _inverted(task: Task, preds: Field) -> EvalError | None:
    """0.0 and 1.0 are labels or scores alike, unless class 0 is the one to be found: then they are opposites."""
    if task.positive != 0:
        return None
    name = task.classes[0]
    return InputError(
        f"predictions are 0 and 1 stored as floats: is 1 the class {task.classes[1]!r}, or a score for {name!r}?",
        fix="say what they are with --scores labels or --scores probs",
        path=preds.path,
    )


def _unlike_labels(layout: Layout, choices: Choices, evidence: Evidence, preds: Field) -> EvalError | None:
    """0/1 on both sides of a table of two axes may be many things; only the user knows."""
    two_axes = preds.labels is None and len(preds.shape) == 2 and layout.inner > 1
    if two_axes and choices.task is None and max(evidence.pred_high, evidence.target_high) <= 1:
        return InputError(
            "0 and 1 on both sides in two axes: several labels a row, one-hot classes, or single decisions?",
            fix="--task multilabel reads several labels a row, --class-axis -1 one-hot rows, "
            "--task binary counts every element as a decision",
            path=preds.path,
        )
    return threshold_of_labels(choices)


def positive_class(names: Sequence[str], chosen: str | None) -> tuple[int, EvalError | None]:
    """The index of the positive class of two, and the error that asks for it when the names do not tell."""
    if chosen is not None:
        meant = [name for name in names if name == chosen] or [name for name in names if _said(name) == _said(chosen)]
        if len(meant) == 1:
            return list(names).index(meant[0]), None
        return 1, UsageError(f"--positive {chosen}, but the classes are {_some(names)}", fix="name one of them")
    lowered = tuple(name.lower() for name in names)
    for negative, positive in OPPOSITES:
        if set(lowered) == {negative, positive}:
            return lowered.index(positive), None
    likely = names[likely_positive(names)]
    return 1, InputError(
        f"two classes, {names[0]!r} and {names[1]!r}, and nothing says which one is to be found",
        fix=f"name it with --positive {word(likely)}, or treat both alike with --task multiclass",
    )


def _said(name: str) -> str:
    """A class as any format and Python write it: ``1.0`` is 1, and so are ``True`` and ``true``."""
    name = spelled(name)
    return TRUTH.get(name.lower(), name)


def likely_positive(names: Sequence[str]) -> int:
    """Which of two classes a suggestion names: the one that is not the usual state of things."""
    return 0 if names[1].lower() in USUAL_STATES and names[0].lower() not in USUAL_STATES else 1


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, …" if len(names) > 5 else shown or "whole numbers beyond 1"
