"""One row per metric: the command line, the gates, the catalogue and the documentation all read it here.

A metric is addressed by name: ``accuracy``, ``f1_macro``, ``fbeta0.5``, ``recall[cat]`` for one class,
``accuracy@region=EU`` for a slice. What counts of classes give is computed here; what only scores give, in
:mod:`evalcli.classification.scoring`; what several labels a row give, in :mod:`evalcli.multilabel.values`. Importing
this module imports no numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalcli.errors import UsageError
from evalcli.metrics import formulas
from evalcli.metrics.count_rows import COUNT_ROWS
from evalcli.metrics.entry import AVERAGES, OVER_ROWS, Entry, Parameter
from evalcli.metrics.multilabel_rows import MULTILABEL_ROWS
from evalcli.metrics.score_rows import SCORE_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.counts import Counts
    from evalcli.metrics.formulas import Scope

PER_CLASS = ("precision", "recall", "f1", "specificity", "npv", "jaccard")
"""What the report shows of every class, in this order."""

LABEL_RANKS, LABEL_LOSSES = ("auroc", "average_precision"), ("log_loss", "brier", "ece")
"""What the report shows besides of every label of a multilabel task that has scores."""

METRICS: dict[str, Entry] = {entry.name: entry for entry in (*COUNT_ROWS, *SCORE_ROWS, *MULTILABEL_ROWS)}
"""Every metric by its bare name."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric as it is addressed; ``str`` gives the text back."""

    base: str
    average: str | None = None
    parameter: float | None = None
    label: str | None = None
    slice_by: str | None = None
    slice_value: str | None = None

    def __str__(self) -> str:
        text = self.base if self.parameter is None else self.entry.called(repr(self.parameter).removesuffix(".0"))
        if self.average is not None:
            text += f"_{self.average}"
        if self.label is not None:
            text += f"[{self.label}]"
        return text if self.slice_by is None else f"{text}@{self.slice_by}={self.slice_value}"

    @property
    def entry(self) -> Entry:
        """The registry row."""
        return METRICS[self.base]

    @property
    def arguments(self) -> tuple[float, ...]:
        """What the formula takes besides its state."""
        if self.parameter is None or self.entry.parameter is None:
            return ()
        return (int(self.parameter),) if self.entry.parameter.whole else (self.parameter,)


_ADDRESS = re.compile(r"(?P<stem>[^\[@]*)(?:\[(?P<label>.*)\])?(?:@(?P<by>[^=]+)=(?P<value>.*))?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_NUMBERED = {name: entry.spelling.split("{}") for name, entry in METRICS.items() if entry.spelling}
"""What stands before and after the number in a name."""

_FAMILIES = tuple(
    f"{name}_{average}"
    for name in ("precision", "recall", "f1", "jaccard", "specificity", "npv")
    for average in AVERAGES
)
_PRESENTED: dict[str, tuple[str, ...]] = {
    "binary": (
        *("accuracy", "balanced_accuracy", *PER_CLASS, "mcc", "kappa", "error_rate", "majority_baseline"),
        *_FAMILIES,
    ),
    "multiclass": (*("accuracy", "balanced_accuracy", "mcc", "kappa", *_FAMILIES, "error_rate", "majority_baseline"),),
    "multilabel": (
        *("subset_accuracy", "hamming_loss", "hamming_accuracy", *_FAMILIES),
        *(f"{name}_{OVER_ROWS}" for name in ("precision", "recall", "f1", "jaccard")),
        *(f"{name}_{average}" for name in LABEL_RANKS for average in AVERAGES),
        *LABEL_LOSSES,
        *("lrap", "coverage_error", "ranking_loss"),
    ),
}


def default_names(task: str) -> tuple[str, ...]:
    """What a report on ``task`` computes unless asked otherwise, in the order of presentation.

    >>> default_names("multiclass")[:5]
    ('accuracy', 'balanced_accuracy', 'mcc', 'kappa', 'precision_macro')
    """
    return _PRESENTED.get(task, ())


def parse(text: str) -> MetricName:
    """The address of a metric from its text; a label may hold brackets and reaches to the last one that fits.

    >>> parse("recall[a]b]@region=EU")
    MetricName(base='recall', average=None, parameter=None, label='a]b', slice_by='region', slice_value='EU')
    >>> str(parse("fbeta0.50_macro"))
    'fbeta0.5_macro'

    Raises: ``UsageError`` for what names no metric, with the closest names that do.
    """
    address = _ADDRESS.fullmatch(text)
    if address is None:
        raise UsageError(
            f"{text!r} names no metric", fix="write it like recall_macro, recall[cat] or recall@column=value"
        )
    base, average, parameter = _stem(address["stem"])
    entry, label = METRICS[base], address["label"]
    of_label = label is not None and entry.by_label is None
    if not entry.per_class and (average is not None or of_label):
        raise UsageError(f"{text!r} names no metric: {base} is one number over all classes", fix=f"use {base}")
    if average is not None and label is not None:
        bare = address["stem"].removesuffix(f"_{average}")
        raise UsageError(f"{text!r} is both a mean and one class", fix=f"use {bare}_{average} or {bare}[{label}]")
    if average is not None and average not in (*entry.averages, *entry.multilabel):
        means = " or ".join(f"{entry.example}_{one}" for one in entry.averages)
        raise UsageError(f"{text!r} names no metric: {base} has no {average} mean", fix=f"use {means}")
    return MetricName(base, average, parameter, label, address["by"], address["value"])


def _stem(stem: str) -> tuple[str, str | None, float | None]:
    """Base, average and parameter from what stands before the brackets."""
    base, _, average = stem.rpartition("_")
    if average not in (*AVERAGES, OVER_ROWS):
        base, average = stem, ""
    parameter = None
    for name, (before, after) in _NUMBERED.items():
        number = base.removeprefix(before).removesuffix(after)
        if base == f"{before}{number}{after}" and _NUMBER.fullmatch(number):
            base, parameter = name, float(number)
            break
    if base not in METRICS:
        raise UsageError(f"{stem!r} names no metric", fix=_suggestion(stem))
    entry = METRICS[base]
    if entry.parameter is not None:
        _check_parameter(stem, entry, entry.parameter, parameter)
    return base, average or None, parameter


def _check_parameter(stem: str, entry: Entry, wanted: Parameter, given: float | None) -> None:
    if given is None:
        raise UsageError(f"{stem!r} needs its {wanted.word}", fix=f"write it as in {_examples(entry)}")
    if given not in wanted:
        kind = "whole and " if wanted.whole else ""
        raise UsageError(f"{stem!r}: {wanted.word} must be {kind}between {wanted.low:g} and {wanted.high:g}")


def _examples(entry: Entry) -> str:
    """How someone would type it."""
    return f"{entry.example}_macro or {entry.example}[cat]" if entry.per_class else entry.example


def _suggestion(stem: str) -> str:
    from difflib import get_close_matches

    scored = (f"{one.example}_{average}" for one in SCORE_ROWS for average in one.averages)
    names = dict.fromkeys((*(one.example for one in METRICS.values()), *_FAMILIES, "fbeta2_macro", *scored))
    close = get_close_matches(stem.lower(), names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else "see evalcli metrics"


def check_task(name: MetricName, task: str) -> None:
    """Refuse a metric that this task does not have.

    Raises: ``UsageError`` with what to use instead.
    """
    entry = name.entry
    if task not in entry.tasks:
        near = _IN_ITS_PLACE.get((name.base, task), "see evalcli metrics")
        raise UsageError(f"{name} is a metric of {' or '.join(entry.tasks)} tasks, and this one is {task}", fix=near)
    if task == "multilabel":
        return
    if name.average is not None and name.average not in entry.averages:
        what = f"{name} is a mean that only multilabel tasks have, and this one is {task}"
        raise UsageError(what, fix=f"use {replace(name, average='macro')}")
    if name.label is not None and not entry.per_class:
        raise UsageError(f"{name} names no metric: {name.base} is one number over all classes", fix=f"use {name.base}")


_IN_ITS_PLACE = {
    ("accuracy", "multilabel"): "say subset_accuracy (all labels of a row) or hamming_accuracy (each cell)",
    ("error_rate", "multilabel"): "say hamming_loss",
    ("lrap", "multiclass"): "say mrr",
    ("subset_accuracy", "binary"): "say accuracy",
    ("subset_accuracy", "multiclass"): "say accuracy",
    ("hamming_loss", "binary"): "say error_rate",
    ("hamming_loss", "multiclass"): "say error_rate",
}
"""What to ask for where another task has what is meant."""


def needs_scores(name: MetricName) -> UsageError:
    """What to say where a metric of scores meets labels."""
    return UsageError(
        f"{name} needs scores, but the predictions are labels",
        fix="save probabilities or logits, a column for each class or one for the positive class; "
        "if these are scores, say so with --scores probs or --scores logits",
    )


def evaluate(
    name: MetricName,
    counts: Counts,
    *,
    scope: Scope = "seen",
    positive: int | None = None,
    classes: Sequence[str] = (),
) -> Array:
    """The value (…) of a metric over ``counts`` (…, C); NaN where it is undefined. Slices are the caller's to pick.

    ``positive`` is the index of the positive class of a binary task and ``None`` in any other; ``classes`` (C) are the
    names that ``recall[cat]`` looks for.

    Raises: ``UsageError`` for a class that is not there, and for a bare per-class name where no class is positive.
    """
    formula, beta = name.entry.formula, name.arguments
    if not name.entry.per_class:
        return formula(counts)
    if name.average == "micro":
        return formula(formulas.pooled(counts, scope), *beta)[..., 0]
    if name.average == "macro":
        return formulas.mean_over(formula(counts, *beta), formulas.in_scope(counts, scope))
    if name.average == "weighted":
        return formulas.mean_over(formula(counts, *beta), counts.support)
    return formula(counts, *beta)[..., class_index(name, positive, classes)]


def class_index(name: MetricName, positive: int | None, classes: Sequence[str]) -> int:
    """Which class a per-class name means.

    Raises: ``UsageError`` for a class that is not there, and for a bare name where no class is positive.
    """
    if name.label is None:
        if positive is not None:
            return positive
        example = replace(name, label=classes[0] if classes else "cat")
        mean = replace(name, average="macro")
        raise UsageError(
            f"{name} belongs to one class, and the task has no positive class", fix=f"use {mean} or {example}"
        )
    if name.label in classes:
        return classes.index(name.label)
    from difflib import get_close_matches

    close = get_close_matches(name.label, classes, n=3) or list(classes[:10])
    more = ", …" if len(close) < len(classes) else ""
    raise UsageError(f"{name}: there is no class {name.label!r}", fix=f"use one of {', '.join(map(repr, close))}{more}")
