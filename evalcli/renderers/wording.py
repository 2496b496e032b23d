"""How numbers and names read to a person: what the screen and Markdown share. Machines read JSON, unrounded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.report import CalibrationBin, ClassRow, Number, Report, Value, Verdict

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
    "auroc_macro",
    "average_precision",
    "log_loss",
    "ece",
    "rmse",
    "mae",
    "r2",
)
"""What stands above the class table."""
HEADLINE_BINARY = ("brier",)

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
}
_AVERAGES = ("macro", "micro", "weighted")
_BEFORE_NUMBER = {
    "auroc_fpr": "AUROC to FPR",
    "recall_at_precision": "recall at precision",
    "precision_at_recall": "precision at recall",
    "specificity_at_sensitivity": "specificity at sensitivity",
    "accuracy_at_coverage": "accuracy at coverage",
}
_TOP = re.compile(r"top([0-9]+)_accuracy")

_CALIBRATION_ERRORS = ("ece", "ece_positive", "ece_equal_mass", "ece_classwise", "mce")

CLASS_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
BINARY_COLUMNS = {"specificity": "specificity", "npv": "NPV"}
SCORE_COLUMNS = {"auroc": "AUROC"}


def title(name: str) -> str:
    """A metric's name as it is spoken.

    >>> title("f1_macro"), title("balanced_accuracy"), title("mcc")
    ('macro F1', 'balanced accuracy', 'MCC')
    >>> title("auroc_fpr0.1"), title("top3_accuracy"), title("recall[a_b]")
    ('AUROC to FPR 0.1', 'top-3 accuracy', 'recall[a_b]')
    """
    if "(" in name:  # a metric of the user's own, as it was written
        return name
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


def _base(name: str) -> str:
    """The bare name of a metric, without its class or average."""
    stem = name.partition("[")[0]
    base, _, average = stem.rpartition("_")
    return base if average in _AVERAGES else stem


def class_columns(report: Report, *, narrow: bool = False) -> dict[str, str]:
    """The metrics of the per-class table that this report has, with their headings; of those asked for, if any was."""
    further = BINARY_COLUMNS if report.task == "binary" else SCORE_COLUMNS
    wanted = CLASS_COLUMNS | ({} if narrow else further)
    asked = {_base(name) for name in report.asked} & set(wanted)
    wanted = {name: heading for name, heading in wanted.items() if name in asked or not asked}
    return {name: heading for name, heading in wanted.items() if any(name in row.metrics for row in report.per_class)}


def headline(report: Report, *, narrow: bool = False, few: int = 12) -> tuple[list[str], int]:
    """The overall metrics to show above the table, and how many are left to JSON.

    What the table shows is left out; what was asked for by name is shown, and all of a report of a ``few`` metrics.
    Where the table is too ``narrow`` for them, specificity and NPV of the positive class stand here.
    """
    columns = class_columns(report, narrow=narrow)
    tabled = {f"{base}_{average}" for base in columns for average in ("macro", "weighted")} - {
        "f1_macro",
        "auroc_macro",
    }
    tabled |= set(columns) if report.positive is not None else set()
    binary = (*HEADLINE_BINARY, *(BINARY_COLUMNS if narrow else ())) if report.task == "binary" else ()
    first = [name for name in (*HEADLINE, *binary) if name in report.metrics]
    rest = [name for name in report.metrics if name not in tabled and name not in first]
    shown = rest if len(report.metrics) <= few else [name for name in rest if name in report.asked]
    return first + shown, len(rest) - len(shown)


def average_rows(report: Report) -> list[tuple[str, str]]:
    """The rows under the classes: (label, suffix of the metric names); ``""`` stands for accuracy."""
    macro = "macro avg"
    if 0 < report.averaged < len(report.classes):
        macro = f"macro over {report.averaged:,} of {len(report.classes):,} classes"
    rows = [("accuracy", ""), (macro, "macro"), ("weighted avg", "weighted")]
    if "accuracy" not in report.metrics:
        rows[0] = ("micro avg", "micro")
    columns = class_columns(report)
    return [row for row in rows if row[1] == "" or any(f"{name}_{row[1]}" in report.metrics for name in columns)]


def filled(bins: Iterable[CalibrationBin]) -> list[CalibrationBin]:
    """The bins that hold rows."""
    return [one for one in bins if one.n and one.confidence is not None and one.accuracy is not None]


def span(one: CalibrationBin) -> str:
    """The edges of a bin.

    >>> from evalcli.report import CalibrationBin
    >>> span(CalibrationBin(0.3333333333333333, 0.4, 3, 0.35, 0.5))
    '0.33–0.40'
    """
    return f"{one.low:.2f}–{one.high:.2f}"


def calibration_facts(report: Report) -> list[str]:
    """What the bins add up to, a line each: the calibration errors, the split of the Brier score, the temperature."""
    found = [(name, report.metrics[name]) for name in _CALIBRATION_ERRORS if name in report.metrics]
    errors = [f"{title(name)} {measured(value)}" for name, value in found if value.value is not None]
    lines = [", ".join(errors)] if errors else []
    split = [report.metrics.get(f"brier{part}") for part in ("", "_reliability", "_resolution", "_uncertainty")]
    whole, off, told, spread = (None if one is None else one.value for one in split)
    if whole is not None and off is not None and told is not None and spread is not None:
        parts = f"reliability {ratio(off)} − resolution {ratio(told)} + uncertainty {ratio(spread)}"
        lines.append(f"Brier score {ratio(whole)} = {parts}; {ratio(whole - off + told - spread)} within bins")
    points = {round(point.coverage, 9): point.accuracy for point in report.coverage}
    if all(share in points for share in (0.5, 0.8, 0.9, 1.0)):
        half, most, nearly, every = (ratio(points[share]) for share in (0.5, 0.8, 0.9, 1.0))
        lines.append(f"accuracy {half} on the surest half, {most} on 80 %, {nearly} on 90 %, {every} on all")
    fitted = None if report.calibration is None else report.calibration.temperature
    if fitted is not None and fitted.value is not None:
        change = f"log loss {ratio(fitted.before)} → {ratio(fitted.after)}"
        part = "" if fitted.rows >= report.n else f"{fitted.rows:,} of "
        lines.append(f"temperature {fitted.value:.3g} fits {part}these very rows best: {change}")
    return lines


def confused(report: Report) -> list[tuple[str, str, Number, Number]]:
    """The most confused pairs: (target, prediction, count, support of the target), largest first."""
    supports = {row.name: row.support for row in report.per_class}
    if report.confusion.pairs is not None:
        pairs = list(report.confusion.pairs)
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


def worst(report: Report) -> list[ClassRow]:
    """The classes with the lowest F1 (recall where there is no F1), worst first; perfect ones are not named."""
    key = "f1" if "f1" in class_columns(report) else "recall"
    scored = [(row.metrics[key].value, row) for row in report.per_class if key in row.metrics]
    below = [(value, row) for value, row in scored if value is not None and value < 1]
    return [row for _, row in sorted(below, key=lambda pair: (pair[0], -pair[1].support))[:MAX_LISTED]]
