"""One row per metric: the command line, the gates, the catalogue and the documentation all read it here.

A metric is addressed by name: ``accuracy``, ``f1_macro``, ``fbeta0.5``, ``recall[cat]`` for one class,
``accuracy@region=EU`` for a slice. Importing this module imports no numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from evalcli.errors import UsageError
from evalcli.metrics import formulas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.counts import Counts
    from evalcli.metrics.formulas import Scope

AVERAGES = ("macro", "weighted", "micro")
PER_CLASS = ("precision", "recall", "f1", "specificity", "npv", "jaccard")
"""What the report shows of every class, in this order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is known of a metric: ``formula`` takes a ``Counts`` (``fbeta`` also its β)."""

    name: str
    title: str
    formula: Callable[..., Array]
    formula_text: str
    source: str
    summary: str
    convention: str
    direction: Literal["higher", "lower"] = "higher"
    low: float = 0.0
    high: float = 1.0
    per_class: bool = False
    averages: tuple[str, ...] = ()
    state: str = "ClassCounts"
    tasks: tuple[str, ...] = ("binary", "multiclass")


_OVER_ALL = "Undefined only without rows."
_IN_MEAN = (
    "0/0 is undefined: null in JSON, listed, and it fails its gate. In a mean over classes it counts as 0. "
    "macro: the plain mean over the classes seen in target or predictions (--classes declared: all); "
    "weighted: by support; micro: the cells of all these classes added up first. "
    "Bare, in a binary task: the positive class."
)

_ROWS = (
    Entry(
        name="accuracy",
        title="Accuracy",
        formula=formulas.accuracy,
        formula_text="correct / n",
        source="Metz 1978, Basic principles of ROC analysis",
        summary="The share of rows whose prediction is right.",
        convention=f"Always the share correct, never a mean over classes (that is balanced_accuracy). {_OVER_ALL}",
    ),
    Entry(
        name="balanced_accuracy",
        title="Balanced accuracy",
        formula=formulas.balanced_accuracy,
        formula_text="mean of recall over classes with support",
        source="Brodersen et al. 2010, The balanced accuracy and its posterior distribution",
        summary="Accuracy as if every class were equally frequent.",
        convention="Classes that are predicted but never a target have no recall and stay out of the mean.",
    ),
    Entry(
        name="precision",
        title="Precision",
        formula=formulas.precision,
        formula_text="TP / (TP + FP)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="Of what the model called this class, the share that was.",
        convention=_IN_MEAN,
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="recall",
        title="Recall",
        formula=formulas.recall,
        formula_text="TP / (TP + FN)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="Of what was this class, the share that the model found (sensitivity).",
        convention=_IN_MEAN,
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="f1",
        title="F1",
        formula=formulas.f1,
        formula_text="2·TP / (2·TP + FP + FN)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7; Opitz and Burst 2019, Macro F1 and Macro F1",
        summary="The harmonic mean of precision and recall.",
        convention=f"Macro F1 is the mean of the class F1. Undefined only when TP, FP and FN are all 0. {_IN_MEAN}",
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="fbeta",
        title="F-beta",
        formula=formulas.fbeta,
        formula_text="(1 + β²)·TP / ((1 + β²)·TP + β²·FN + FP)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="F1 with recall β times as important as precision; β stands in the name: fbeta2, fbeta0.5_macro.",
        convention=f"Undefined only when TP, FP and FN are all 0. {_IN_MEAN}",
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="jaccard",
        title="Jaccard index",
        formula=formulas.jaccard,
        formula_text="TP / (TP + FP + FN)",
        source="Jaccard 1912, The distribution of the flora in the alpine zone",
        summary="The overlap of predicted and true rows (intersection over union).",
        convention=_IN_MEAN,
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="specificity",
        title="Specificity",
        formula=formulas.specificity,
        formula_text="TN / (TN + FP)",
        source="Yerushalmy 1947, Statistical problems in assessing methods of medical diagnosis",
        summary="Of what was not this class, the share that the model left alone.",
        convention=_IN_MEAN,
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="npv",
        title="Negative predictive value",
        formula=formulas.npv,
        formula_text="TN / (TN + FN)",
        source="Altman and Bland 1994, Diagnostic tests 2: predictive values",
        summary="Of what the model did not call this class, the share that was not.",
        convention=_IN_MEAN,
        per_class=True,
        averages=AVERAGES,
    ),
    Entry(
        name="mcc",
        title="Matthews correlation",
        formula=formulas.mcc,
        formula_text="Σ(TP·TN − FP·FN) / √(Σ p·(n − p) · Σ t·(n − t))",
        source="Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient",
        summary="The correlation between target and prediction; 0 is no better than chance.",
        convention="Predictions or targets all of one class: 0. Both: undefined.",
        low=-1.0,
    ),
    Entry(
        name="kappa",
        title="Cohen's kappa",
        formula=formulas.kappa,
        formula_text="(p_o − p_e) / (1 − p_e), p_e = Σ t·p / n²",
        source="Cohen 1960, A coefficient of agreement for nominal scales",
        summary="The agreement beyond what the class frequencies alone would give.",
        convention="Undefined when target and prediction are one and the same class throughout.",
        low=-1.0,
    ),
    Entry(
        name="error_rate",
        title="Error rate",
        formula=formulas.error_rate,
        formula_text="wrong / n",
        source="1 − accuracy",
        summary="The share of rows whose prediction is wrong.",
        convention=_OVER_ALL,
        direction="lower",
    ),
    Entry(
        name="majority_baseline",
        title="Majority baseline",
        formula=formulas.majority_baseline,
        formula_text="max support / n",
        source="Holte 1993, Very simple classification rules perform well on most commonly used datasets",
        summary="The accuracy of always naming the most frequent class.",
        convention="Says something about the data, nothing about the model: accuracy should be clearly above it.",
    ),
)

METRICS: dict[str, Entry] = {entry.name: entry for entry in _ROWS}
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
        text = self.base
        if self.parameter is not None:
            text += repr(self.parameter).removesuffix(".0")
        if self.average is not None:
            text += f"_{self.average}"
        if self.label is not None:
            text += f"[{self.label}]"
        return text if self.slice_by is None else f"{text}@{self.slice_by}={self.slice_value}"

    @property
    def entry(self) -> Entry:
        """The registry row."""
        return METRICS[self.base]


_ADDRESS = re.compile(r"(?P<stem>[^\[@]*)(?:\[(?P<label>.*)\])?(?:@(?P<by>[^=]+)=(?P<value>.*))?", re.DOTALL)
_FBETA = re.compile(r"fbeta([0-9]+(?:\.[0-9]+)?)")
_BETA_RANGE = (0.001, 1000.0)

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
    base, average, beta = _stem(address["stem"])
    entry, label = METRICS[base], address["label"]
    if not entry.per_class and (average is not None or label is not None):
        raise UsageError(f"{text!r} names no metric: {base} is one number over all classes", fix=f"use {base}")
    if average is not None and label is not None:
        bare = address["stem"].removesuffix(f"_{average}")
        raise UsageError(f"{text!r} is both a mean and one class", fix=f"use {bare}_{average} or {bare}[{label}]")
    return MetricName(base, average, beta, label, address["by"], address["value"])


def _stem(stem: str) -> tuple[str, str | None, float | None]:
    """Base, average and β from what stands before the brackets."""
    base, _, average = stem.rpartition("_")
    if average not in AVERAGES:
        base, average = stem, ""
    beta = None
    if found := _FBETA.fullmatch(base):
        base, beta = "fbeta", float(found[1])
        if not _BETA_RANGE[0] <= beta <= _BETA_RANGE[1]:
            raise UsageError(f"{stem!r}: beta must lie between {_BETA_RANGE[0]} and {_BETA_RANGE[1]:g}")
    elif base == "fbeta":
        raise UsageError(f"{stem!r} needs its beta", fix="write it as in fbeta2_macro or fbeta0.5[cat]")
    if base not in METRICS:
        raise UsageError(f"{stem!r} names no metric", fix=_suggestion(stem))
    return base, average or None, beta


def _suggestion(stem: str) -> str:
    from difflib import get_close_matches

    names = dict.fromkeys((*METRICS, *_FAMILIES, "fbeta2", "fbeta2_macro"))
    close = get_close_matches(stem.lower(), names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else "see evalcli metrics"


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
    formula = name.entry.formula
    beta = () if name.parameter is None else (name.parameter,)
    if not name.entry.per_class:
        return formula(counts)
    if name.average == "micro":
        return formula(formulas.pooled(counts, scope), *beta)[..., 0]
    if name.average == "macro":
        return formulas.mean_over(formula(counts, *beta), formulas.in_scope(counts, scope))
    if name.average == "weighted":
        return formulas.mean_over(formula(counts, *beta), counts.support)
    return formula(counts, *beta)[..., _class_index(name, positive, classes)]


def _class_index(name: MetricName, positive: int | None, classes: Sequence[str]) -> int:
    """Which class a per-class name means."""
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
