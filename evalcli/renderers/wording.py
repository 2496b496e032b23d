"""How numbers and names read to a person: what the screen and Markdown share. Machines read JSON, unrounded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.report import ClassRow, Number, Report, Value, Verdict

UNDEFINED = "–"
MAX_MATRIX = 20
"""Classes up to which a confusion matrix is shown whole."""
MAX_LISTED = 10
"""Rows of a list of the worst."""
_MOST_DIGITS = 7

HEADLINE = (
    "accuracy",
    "majority_baseline",
    "balanced_accuracy",
    "f1_macro",
    "mcc",
    "kappa",
    "auroc",
    "average_precision",
    "log_loss",
    "brier",
    "ece",
    "rmse",
    "mae",
    "r2",
)

LABEL_HEADLINE = (
    "subset_accuracy",
    "hamming_loss",
    "f1_macro",
    "auroc_macro",
    "average_precision_macro",
    "lrap",
    "coverage_error",
    "ranking_loss",
    "log_loss",
    "brier",
    "ece",
)
"""The same of several labels a row."""

_WORDS = {
    "f1": "F1",
    "mcc": "MCC",
    "kappa": "Cohen's kappa",
    "npv": "NPV",
    "jaccard": "Jaccard",
    "auroc": "AUROC",
    "auroc_ovo": "one-vs-one AUROC",
    "ks": "KS distance",
    "ece": "ECE",
    "ece_positive": "ECE of positive",
    "ece_equal_mass": "equal-mass ECE",
    "ece_classwise": "classwise ECE",
    "mce": "MCE",
    "mrr": "MRR",
    "aurc": "AURC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "hamming_loss": "Hamming loss",
    "hamming_accuracy": "Hamming accuracy",
    "lrap": "LRAP",
}
_AVERAGES = ("macro", "micro", "weighted", "samples")
_BEFORE_NUMBER = {
    "auroc_fpr": "AUROC to FPR",
    "recall_at_precision": "recall at precision",
    "precision_at_recall": "precision at recall",
    "specificity_at_sensitivity": "specificity at sensitivity",
    "accuracy_at_coverage": "accuracy at coverage",
}
_TOP = re.compile(r"top([0-9]+)_accuracy")

CLASS_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
BINARY_COLUMNS = {"specificity": "specificity", "npv": "NPV"}
LABEL_COLUMNS = {"auroc": "AUROC", "average_precision": "AP"}
CALIBRATION_COLUMNS = {"log_loss": "log loss", "brier": "Brier", "ece": "ECE"}
"""What labels have besides where there are scores; the second where there is room."""


def title(name: str) -> str:
    """A metric's name as it is spoken.

    >>> title("f1_macro"), title("balanced_accuracy"), title("mcc")
    ('macro F1', 'balanced accuracy', 'MCC')
    >>> title("auroc_fpr0.1"), title("top3_accuracy"), title("recall[a_b]")
    ('AUROC to FPR 0.1', 'top-3 accuracy', 'recall[a_b]')
    """
    stem, bracket, label = name.partition("[")
    return f"{_spoken(stem)}{bracket}{label}"


def _spoken(stem: str) -> str:
    base, _, average = stem.rpartition("_")
    if base and average in _AVERAGES:
        return f"{average} {_spoken(base)}"
    if top := _TOP.fullmatch(stem):
        return f"top-{top[1]} accuracy"
    for start, words in _BEFORE_NUMBER.items():
        if stem.startswith(start) and stem[len(start) : len(start) + 1].isdigit():
            return f"{words} {stem[len(start) :]}"
    return _WORDS.get(stem, stem.replace("_", " "))


def ratio(value: float | None, digits: int = 4) -> str:
    """Four decimals; undefined is a dash, and there is no negative zero.

    >>> ratio(0.99496), ratio(None), ratio(-1e-9), ratio(0)
    ('0.9950', '–', '0.0000', '0.0000')
    """
    if value is None:
        return UNDEFINED
    if abs(value) >= 1e15:
        return f"{value:.6g}"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def measured(value: Value) -> str:
    """A value; where it is certified to an interval, with the distance that the exact one may have from it.

    >>> from evalcli.report import Value
    >>> measured(Value(0.9312412, certified=(0.9312409, 0.9312415))), measured(Value(0.25, certified=(0.2, 0.3)))
    ('0.9312412 ± 3e-7', '0.2500 ± 0.05')
    """
    if value.certified is None or value.value is None:
        return ratio(value.value)
    off = max(value.certified[1] - value.value, value.value - value.certified[0])
    digit, power = (int(part) for part in f"{off:.0e}".split("e"))
    places = -power
    if float(f"{digit}e-{places}") < off * (1 - 1e-9):  # never less than it is, but for the last bits of the difference
        digit, places = (digit + 1, places) if digit < 9 else (1, places - 1)
    spread = f"{digit / 10**places:.{places}f}" if places < 5 else f"{digit}e-{places}"
    return f"{ratio(value.value, min(max(4, places), _MOST_DIGITS))} ± {spread}"


def amount(values: Iterable[Number]) -> Callable[[Number], str]:
    """The way to print these counts alike: whole numbers, or sums of weights with two decimals.

    >>> amount([59, 1234])(1234), amount([59, 1.5])(59)
    ('1,234', '59.00')
    """
    seen = [abs(value) for value in values]
    if all(value == int(value) and value < 1e15 for value in seen):
        return lambda value: f"{int(value):,}"
    if max(seen) >= 1e15 or any(0 < value < 0.01 for value in seen):
        return lambda value: f"{value:.4g}"
    return lambda value: f"{value + 0.0:,.2f}"


def share(part: Number, whole: Number) -> str:
    """A percentage that says 0 only for nothing and 100 only for all.

    >>> share(45, 48), share(1, 1000), share(999, 1000), share(0, 5), share(0, 0)
    ('94%', '<1%', '>99%', '0%', '–')
    """
    if whole == 0:
        return UNDEFINED
    percent = 100 * part / whole
    if 0 < percent < 0.5:
        return "<1%"
    return ">99%" if 99.5 <= percent < 100 else f"{percent:.0f}%"


def compared(verdict: Verdict) -> tuple[str, str]:
    """A gate's value and bound, with as many digits as it takes to see which is larger.

    Rounding to four digits shows 0.89995 as 0.9000 beside a bound of 0.9000.
    """
    value, bound = verdict.value, verdict.bound
    digits = 4
    if value is not None and value != bound:
        while digits < 17 and ratio(value, digits) == ratio(bound, digits):
            digits += 1
        if ratio(value, digits) == ratio(bound, digits):
            return repr(value), repr(bound)
    return ratio(value, digits), ratio(bound, digits)


def files(report: Report, most: int = 4) -> list[str]:
    """The paths that were read, the first few by name."""
    paths = list(dict.fromkeys(record.path for record in report.inputs))
    return paths if len(paths) <= most else [*paths[:most], f"and {len(paths) - most:,} more"]


def nouns(report: Report) -> tuple[str, str]:
    """What one of the classes of this report is called, and several of them."""
    return ("label", "labels") if report.task == "multilabel" else ("class", "classes")


def class_columns(report: Report, *, narrow: bool = False, wide: bool = False) -> dict[str, str]:
    """The metrics of the per-class table that this report has, with their headings; of those asked for, if any was."""
    wanted = CLASS_COLUMNS | (BINARY_COLUMNS if report.task == "binary" and not narrow else {})
    if report.task == "multilabel" and not narrow:
        wanted = CLASS_COLUMNS | LABEL_COLUMNS | (CALIBRATION_COLUMNS if wide else {})
    asked = {base for name in report.asked for base in wanted if _is_of(base, name)}
    wanted = {name: heading for name, heading in wanted.items() if name in asked or not asked}
    return {name: heading for name, heading in wanted.items() if any(name in row.metrics for row in report.per_class)}


def _is_of(base: str, name: str) -> bool:
    """Whether a metric is ``base`` of one class or over them: ``f1_macro`` and ``f1[cat]`` are ``f1``."""
    stem = name.partition("[")[0]
    return stem == base or (stem.startswith(f"{base}_") and stem.removeprefix(f"{base}_") in _AVERAGES)


def headline(report: Report, *, narrow: bool = False, wide: bool = False, few: int = 12) -> tuple[list[str], int]:
    """The overall metrics to show above the table, and how many are left to JSON.

    What the table shows is left out; what was asked for by name is shown, and all of a report of a ``few`` metrics.
    Where the table is too ``narrow`` for them, specificity and NPV of the positive class stand here.
    """
    columns = class_columns(report, narrow=narrow, wide=wide)
    several = report.task == "multilabel"
    most_telling = LABEL_HEADLINE if several else (*HEADLINE, *(BINARY_COLUMNS if narrow else ()))
    averages = _AVERAGES if several else ("macro", "weighted")
    tabled = {f"{base}_{average}" for base in columns for average in averages} - {*most_telling}
    tabled |= set(columns) if report.positive is not None else set()
    first = [name for name in most_telling if name in report.metrics]
    rest = [name for name in report.metrics if name not in tabled and name not in first]
    shown = rest if len(report.metrics) <= few else [name for name in rest if name in report.asked]
    return first + shown, len(rest) - len(shown)


def average_rows(report: Report) -> list[tuple[str, str]]:
    """The rows under the classes: (label, suffix of the metric names); ``""`` stands for accuracy."""
    macro = "macro avg"
    if 0 < report.averaged < len(report.classes):
        macro = f"macro over {report.averaged:,} of {len(report.classes):,} {nouns(report)[1]}"
    rows = [("accuracy", ""), (macro, "macro"), ("weighted avg", "weighted")]
    if report.task == "multilabel":
        rows = [("micro avg", "micro"), *rows[1:], ("samples avg", "samples")]
    elif "accuracy" not in report.metrics:
        rows[0] = ("micro avg", "micro")
    columns = class_columns(report)
    return [row for row in rows if row[1] == "" or any(f"{name}_{row[1]}" in report.metrics for name in columns)]


def threshold(report: Report) -> str:
    """From where labels are predicted, in words; empty where nothing is cut, or where it stands beside the class."""
    if report.positive is not None or report.threshold is None:
        return ""
    if not isinstance(report.threshold, tuple):
        return f"{report.threshold:g}"
    low, high = min(report.threshold), max(report.threshold)
    return f"one for each label, from {low:.4g} to {high:.4g}"


PAIRED = "missed, and wrongly predicted in the same row, beyond chance"
_STANDS_OUT = 3.0
"""Standard deviations above chance from which a pair of labels is shown."""


def pair_heads(report: Report) -> tuple[str, str, str]:
    """The headings of a list of confused pairs: what was true, what was said, and of what the count is a share."""
    return (
        ("missed", "predicted", "of missed") if report.task == "multilabel" else ("target", "prediction", "of target")
    )


def confused(report: Report) -> list[tuple[str, str, Number, Number]]:
    """The most confused pairs: (target, prediction, count, support of the target), largest first."""
    supports = {row.name: row.support for row in report.per_class}
    if report.confusion.pairs is not None:
        pairs = list(report.confusion.pairs) if report.confusion.labels is None else _standing_out(report)
    else:
        pairs = [
            (report.classes[i], report.classes[j], count)
            for i, row in enumerate(report.confusion.matrix or ())
            for j, count in enumerate(row)
            if i != j and count
        ]
        supports |= {name: sum(row) for name, row in zip(report.classes, report.confusion.matrix or (), strict=False)}
        pairs.sort(key=lambda pair: -pair[2])  # stable: ties keep class order
    return [(target, guess, count, supports.get(target, 0)) for target, guess, count in pairs[:MAX_LISTED]]


def _standing_out(report: Report) -> list[tuple[str, str, Number]]:
    """The pairs of labels that errors made independently of each other would hardly give."""
    squares = dict(zip(report.classes, report.confusion.labels or (), strict=False))
    found = []
    for missed, said, count in report.confusion.pairs or ():
        ((_, _), (missing, _)), ((_, wrong), (_, _)) = squares[missed], squares[said]
        total = sum(map(sum, squares[missed]))
        rows = report.n / total  # of a sum of weights, which have no unit
        expected = rows * missing * wrong / total
        if rows * count > expected + _STANDS_OUT * max(expected, 1.0) ** 0.5:
            found.append((missed, said, count))
    return found


def worst(report: Report) -> list[ClassRow]:
    """The classes with the lowest F1 (recall where there is no F1), worst first; perfect ones are not named."""
    key = "f1" if "f1" in class_columns(report) else "recall"
    scored = [(row.metrics[key].value, row) for row in report.per_class if key in row.metrics]
    below = [(value, row) for value, row in scored if value is not None and value < 1]
    return [row for _, row in sorted(below, key=lambda pair: (pair[0], -pair[1].support))[:MAX_LISTED]]
