"""One row per metric: the command line, the gates, the catalogue and the documentation all read it here.

A metric is addressed by name: ``accuracy``, ``f1_macro``, ``fbeta0.5``, ``recall[cat]`` for one class,
``rmse[price]`` for one output of a regression, ``accuracy@region=EU`` for a slice, ``accuracy@region=*`` for the worst
one, ``accuracy@region:gap`` for the distance between the best and the worst. What counts of classes give is computed
here; what only scores give, in :mod:`evalcli.classification.scoring`; what several labels a row give, in
:mod:`evalcli.multilabel.values`; what values give, in :mod:`evalcli.regression.results`. Importing this module imports
no numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from evalcli.errors import UsageError
from evalcli.metrics import formulas
from evalcli.metrics.address import Kind, parted, written
from evalcli.metrics.count_rows import COUNT_ROWS
from evalcli.metrics.entry import AVERAGES, OVER_ROWS, Entry, Parameter
from evalcli.metrics.fairness_rows import FAIRNESS_ROWS
from evalcli.metrics.multilabel_rows import MULTILABEL_ROWS
from evalcli.metrics.regression_rows import REGRESSION, REGRESSION_ROWS
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

METRICS: dict[str, Entry] = {
    entry.name: entry for entry in (*COUNT_ROWS, *SCORE_ROWS, *FAIRNESS_ROWS, *MULTILABEL_ROWS, *REGRESSION_ROWS)
}
"""Every metric by its bare name."""

MEASURED = {name: entry for name, entry in METRICS.items() if entry.reads != "slices"}
"""Those that predictions have by themselves; the others compare slices of them."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric as it is addressed; ``str`` gives the text back."""

    base: str
    average: str | None = None
    parameter: float | None = None
    label: str | None = None
    slice_by: str | None = None
    slice_value: str | None = None
    """``None`` with ``slice_by``: the gap between the best and the worst slice."""
    slice_starred: bool = False
    """Whether the slice is called ``*``; else that is the worst."""

    def __str__(self) -> str:
        text = self.base if self.parameter is None else self.entry.called(repr(self.parameter).removesuffix(".0"))
        if self.average is not None:
            text += f"_{self.average}"
        if self.label is not None:
            text += f"[{self.label}]"
        if self.slice_by is None:
            return text
        kind: Kind = "slice" if self.slice_value is not None else "whole" if self.entry.reads == "slices" else "gap"
        return written(text, kind, self.slice_by, self.slice_value, starred=self.slice_starred)

    @property
    def whole(self) -> MetricName:
        """The same metric of all rows."""
        return replace(self, slice_by=None, slice_value=None, slice_starred=False)

    @property
    def entry(self) -> Entry:
        """The registry row."""
        return METRICS[self.base]

    @property
    def arguments(self) -> tuple[float, ...]:
        """What the formula takes besides its state."""
        wanted = self.entry.parameter
        given = wanted.default if wanted is not None and self.parameter is None else self.parameter
        if given is None or wanted is None:
            return ()
        return (int(given),) if wanted.whole else (given,)


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
        *("selection_rate", *_FAMILIES),
    ),
    "multiclass": (*("accuracy", "balanced_accuracy", "mcc", "kappa", *_FAMILIES, "error_rate", "majority_baseline"),),
    "multilabel": (
        *("subset_accuracy", "hamming_loss", "hamming_accuracy", *_FAMILIES),
        *(f"{name}_{OVER_ROWS}" for name in ("precision", "recall", "f1", "jaccard")),
    ),
    "regression": REGRESSION,
}
"""What the answers of a model say."""

_PROBABILISTIC = (
    "log_loss",
    "brier",
    "ece",
    "ece_equal_mass",
    "mce",
    "mean_confidence",
    "aurc",
    "accuracy_at_coverage0.9",
)
_SPLIT = ("brier_reliability", "brier_resolution", "brier_uncertainty")
_SCORED: dict[str, tuple[str, ...]] = {
    "binary": ("auroc", "average_precision", "auroc_fpr0.1", "ks", *_PROBABILISTIC, "ece_positive", *_SPLIT),
    "multiclass": (*_PROBABILISTIC, "mean_rank", "mrr"),
    "multilabel": (
        *(f"{name}_{average}" for name in LABEL_RANKS for average in AVERAGES),
        *LABEL_LOSSES,
        *("lrap", "coverage_error", "ranking_loss"),
    ),
}
"""What its scores say beyond them."""

_BY_CLASS = ("auroc_macro", "auroc_weighted", "average_precision_macro", "average_precision_weighted", "ece_classwise")
"""What looks at every class by itself, so that it costs as much as all the rest for each ten classes."""

RANKED_CLASSES = 100
"""Up to so many classes a report looks at each of them by itself, unless asked otherwise."""

TOP = (3, 5)
"""The top-k accuracies of a report, unless asked otherwise."""


def default_names(task: str, width: int | None = None, top: Sequence[int] | None = None) -> tuple[str, ...]:
    """What a report on ``task`` computes unless asked otherwise, in the order of presentation.

    ``width`` is the number of classes that have a score, ``None`` where there are labels only; ``top`` are the k of the
    top-k accuracies that someone asked for.

    >>> default_names("multiclass")[:5]
    ('accuracy', 'balanced_accuracy', 'mcc', 'kappa', 'precision_macro')
    >>> default_names("multiclass", 4)[-4:]
    ('brier_reliability', 'brier_resolution', 'brier_uncertainty', 'top3_accuracy')
    """
    names = _PRESENTED.get(task, ())
    if width is not None:
        names += _SCORED.get(task, ())
        if task == "multiclass" and width <= RANKED_CLASSES:
            names += (*_BY_CLASS, *_SPLIT)
        if task == "multiclass" and top is None:
            top = [k for k in TOP if k < width]
    return (*names, *(f"top{k}_accuracy" for k in top or ()))


@lru_cache(maxsize=4096)
def parse(text: str) -> MetricName:
    """The address of a metric from its text; a label may hold brackets and reaches to the last one that fits.

    >>> found = parse("recall[a]b]@region=EU")
    >>> found.base, found.label, found.slice_by, found.slice_value
    ('recall', 'a]b', 'region', 'EU')
    >>> str(parse("fbeta0.50_macro"))
    'fbeta0.5_macro'

    Raises: ``UsageError`` for what names no metric, with the closest names that do.
    """
    address = parted(text)
    if address is None:
        raise UsageError(
            f"{text!r} names no metric",
            fix="write it like recall_macro, recall[cat], recall@column=value or recall@column:gap",
        )
    base, average, parameter = _stem(address.stem)
    entry, label = METRICS[base], address.label
    if entry.per_output and average is not None:
        one = f"{base} is the mean over all outputs as it is"
        raise UsageError(f"{text!r} names no metric: {one}", fix=f"use {entry.example}")
    of_class = label is not None and entry.by_label is None
    if not (entry.per_class or entry.per_output) and (average is not None or of_class):
        raise UsageError(f"{text!r} names no metric: {base} is one number over all classes", fix=f"use {base}")
    if average is not None and label is not None:
        bare = address.stem.removesuffix(f"_{average}")
        raise UsageError(f"{text!r} is both a mean and one class", fix=f"use {bare}_{average} or {bare}[{label}]")
    if average is not None and average not in (*entry.averages, *entry.multilabel):
        means = " or ".join(f"{entry.example}_{one}" for one in entry.averages)
        raise UsageError(f"{text!r} names no metric: {base} has no {average} mean", fix=f"use {means}")
    if entry.reads == "slices" and address.kind != "whole":
        raise UsageError(f"{text!r} names no metric: {base} compares slices", fix=f"write it like {base}@column")
    if entry.reads != "slices" and address.kind == "whole":
        way = f"write it like {address.stem}@column=value, @column=* for the worst or @column:gap"
        raise UsageError(f"{text!r} names no metric: of which slice?", fix=way)
    return MetricName(base, average, parameter, label, address.by, address.value, address.starred)


def is_registered(name: str) -> bool:
    """Whether this names a metric of the registry."""
    try:
        parse(name)
    except UsageError:
        return False
    return True


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
        parameter = None if parameter == entry.parameter.default else parameter
    return base, average or None, parameter


def _check_parameter(stem: str, entry: Entry, wanted: Parameter, given: float | None) -> None:
    if given is None and wanted.default is not None:
        return
    if given is None:
        raise UsageError(f"{stem!r} needs its {wanted.word}", fix=f"write it as in {_examples(entry)}")
    if given not in wanted:
        kind = "whole and " if wanted.whole else ""
        what = f"{stem!r}: {wanted.word} must be {kind}between {wanted.low:g} and {wanted.high:g}"
        raise UsageError(what, fix=f"write it as in {_examples(entry)}")


def _examples(entry: Entry) -> str:
    """How someone would type it."""
    return f"{entry.example}_macro or {entry.example}[cat]" if entry.per_class else entry.example


def _suggestion(stem: str) -> str:
    from difflib import get_close_matches

    from evalcli.metrics.othernames import name_for

    if (meant := name_for(stem)) is not None:
        base, average = METRICS[meant[0]], meant[1]
        return f"did you mean {base.example}{'_' * bool(average)}{average}?"
    titled = [one.example for one in METRICS.values() if one.title.lower().replace(" ", "_") == stem.lower()]
    if titled:  # mean_squared_error
        return f"did you mean {titled[0]}?"
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
        if entry.per_output:
            near = "if both sides are values, say --task regression"
        if task == "regression":
            near = "see evalcli metrics; if these are classes, say --task binary or --task multiclass"
        raise UsageError(f"{name} is a metric of {' or '.join(entry.tasks)} tasks, and this one is {task}", fix=near)
    if task in {"multilabel", "regression"}:
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
        ways = [replace(name, average="macro")] if "macro" in name.entry.averages else []
        ways.append(replace(name, label=classes[0] if classes else "cat"))
        raise UsageError(
            f"{name} belongs to one class, and the task has no positive class", fix=f"use {' or '.join(map(str, ways))}"
        )
    if name.label in classes:
        return classes.index(name.label)
    from difflib import get_close_matches

    close = get_close_matches(name.label, classes, n=3) or list(classes[:10])
    more = ", …" if len(close) < len(classes) else ""
    raise UsageError(f"{name}: there is no class {name.label!r}", fix=f"use one of {', '.join(map(repr, close))}{more}")
