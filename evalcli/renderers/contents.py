"""What of a report is shown to people, and in which order: headlines, columns, the worst rows."""

from __future__ import annotations

from heapq import nsmallest
from math import inf
from operator import neg
from typing import TYPE_CHECKING

from evalcli import classrows
from evalcli.metrics.registry import default_names
from evalcli.renderers.wording import AVERAGES, measured, nouns, ratio, title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.report import CalibrationBin, ClassRow, Number, OutputRow, Report, SliceRow

_CALIBRATION_ERRORS = ("ece", "ece_positive", "ece_equal_mass", "ece_classwise", "mce")

MAX_MATRIX = 20
"""Classes up to which a confusion matrix is shown whole."""
MAX_LISTED = 10
"""Rows of a list of the worst."""
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
HEADLINES = frozenset((*HEADLINE, *HEADLINE_BINARY, *LABEL_HEADLINE, *default_names("regression")))
"""The metrics that a screen shows with their intervals, unless others are asked for."""
CLASS_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
OUTPUT_COLUMNS = ("rmse", "mae", "r2", "bias", "medae", "max_error")
BINARY_COLUMNS = {"specificity": "specificity", "npv": "NPV"}
SCORE_COLUMNS = {"auroc": "AUROC"}
LABEL_COLUMNS = {"auroc": "AUROC", "average_precision": "AP"}
CALIBRATION_COLUMNS = {"log_loss": "log loss", "brier": "Brier", "ece": "ECE"}
"""What labels have besides where there are scores; the second where there is room."""
_ROUNDED = 1.0 + 1e-9
"""Weights that are added up in another order differ less."""


def class_columns(report: Report, *, narrow: bool = False, wide: bool = False) -> dict[str, str]:
    """The metrics of the per-class table that this report has, with their headings; of those asked for, if any was."""
    further = {"binary": BINARY_COLUMNS, "multilabel": LABEL_COLUMNS}.get(report.task, SCORE_COLUMNS)
    if report.task == "multilabel" and wide:
        further = further | CALIBRATION_COLUMNS
    wanted = CLASS_COLUMNS | ({} if narrow else further)
    asked = {base for name in report.asked for base in wanted if _is_of(base, name)}
    wanted = {name: heading for name, heading in wanted.items() if name in asked or not asked}
    there = classrows.metrics(report.per_class)
    return {name: heading for name, heading in wanted.items() if name in there}


def _is_of(base: str, name: str) -> bool:
    """Whether a metric is ``base`` of one class or over them: ``f1_macro`` and ``f1[cat]`` are ``f1``."""
    stem = name.partition("[")[0]
    return stem == base or (stem.startswith(f"{base}_") and stem.removeprefix(f"{base}_") in AVERAGES)


def headline(report: Report, *, narrow: bool = False, wide: bool = False, few: int = 12) -> tuple[list[str], int]:
    """The overall metrics to show above the table, and how many are left to JSON.

    What the table shows is left out; what was asked for by name is shown, and all of a report of a ``few`` metrics.
    Where the table is too ``narrow`` for them, specificity and NPV of the positive class stand here.
    """
    if report.task == "regression":
        return list(report.metrics), 0
    columns = class_columns(report, narrow=narrow, wide=wide)
    several = report.task == "multilabel"
    binary = (*HEADLINE_BINARY, *(BINARY_COLUMNS if narrow else ())) if report.task == "binary" else ()
    most_telling = LABEL_HEADLINE if several else (*HEADLINE, *binary)
    averages = AVERAGES if several else ("macro", "weighted")
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


SLICE_COLUMNS = {
    "binary": ("accuracy", "precision", "recall", "f1", "auroc"),
    "multiclass": ("accuracy", "f1_macro", "auroc_macro", "ece"),
    "multilabel": ("f1_macro", "subset_accuracy", "hamming_loss", "auroc_macro"),
    "regression": ("rmse", "mae", "r2", "bias"),
}
"""What is shown of every slice, unless metrics were asked for."""


def slicers(report: Report) -> dict[str, list[SliceRow]]:
    """The slices by what they are of, the worst first by the first metric shown; undefined is worst of all."""
    first = slice_columns(report)[:1]
    found: dict[str, list[SliceRow]] = {}
    for row in report.slices:
        found.setdefault(row.by, []).append(row)
    for name in first:
        goodness = _goodness(name, report)
        for rows in found.values():
            rows.sort(key=lambda row: -inf if (value := row.metrics[name].value) is None else goodness(value))
    return found


def slice_columns(report: Report) -> list[str]:
    """The metrics that are shown of every slice."""
    if not report.slices:
        return []
    from evalcli.metrics.registry import is_registered

    there = report.slices[0].metrics
    own = [name for name in there if not is_registered(name)]
    asked = [name for name in report.asked if name in there and name not in own]
    usual = [name for name in SLICE_COLUMNS.get(report.task, ()) if name in there]
    return [*(asked[:5] or usual or [name for name in there if name not in own][:5]), *own[:5]]


def _goodness(name: str, report: Report) -> Callable[[float], float]:
    """What is larger of the better of two values."""
    from evalcli.metrics.registry import is_registered, parse

    direction = parse(name).entry.direction if is_registered(name) else report.directions.get(name, "higher")
    if direction == "zero":
        return lambda value: -abs(value)
    return neg if direction == "lower" else float


def filled(bins: Iterable[CalibrationBin]) -> list[CalibrationBin]:
    """The bins that hold rows."""
    return [one for one in bins if one.n and one.confidence is not None and one.accuracy is not None]


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


PAIRED = "missed, and wrongly predicted in the same row, beyond chance"
_STANDS_OUT = 3.0
"""Standard deviations above chance from which a pair of labels is shown."""


def pair_heads(report: Report) -> tuple[str, str, str]:
    """The headings of a list of confused pairs: what was true, what was said, and of what the count is a share."""
    return (
        ("missed", "predicted", "of missed") if report.task == "multilabel" else ("target", "prediction", "of target")
    )


def row_sizes(report: Report) -> list[Number]:
    """The rows of each class of the matrix (C,), those without a prediction among them."""
    supports = dict(zip(classrows.names(report.per_class), classrows.supports(report.per_class), strict=True))
    found = []
    for name, row in zip(report.classes, report.confusion.matrix or (), strict=False):
        told, every = sum(row), supports.get(name, 0)
        found.append(every if every > told * _ROUNDED else told)
    return found


def confused(report: Report) -> list[tuple[str, str, Number, Number]]:
    """The most confused pairs: (target, prediction, count, support of the target), largest first."""
    supports = dict(zip(classrows.names(report.per_class), classrows.supports(report.per_class), strict=True))
    if report.confusion.pairs is not None:
        pairs = list(report.confusion.pairs) if report.confusion.labels is None else _standing_out(report)
    else:
        pairs = [
            (report.classes[i], report.classes[j], count)
            for i, row in enumerate(report.confusion.matrix or ())
            for j, count in enumerate(row)
            if i != j and count
        ]
        supports |= dict(zip(report.classes, row_sizes(report), strict=False))
        pairs.sort(key=lambda pair: -pair[2])  # stable: ties keep class order
    return [(target, guess, count, supports.get(target, 0)) for target, guess, count in pairs[:MAX_LISTED]]


def counted(report: Report) -> str:
    """What stands above numbers of rows, which are sums of weights where rows weigh."""
    return "weight" if report.weighted else "rows"


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
    rows = report.per_class
    scored = enumerate(zip(classrows.values(rows, key), classrows.supports(rows), strict=True))
    below = ((value, -support, place) for place, (value, support) in scored if value is not None and value < 1)
    return [rows[place] for *_, place in nsmallest(MAX_LISTED, below)]


def output_columns(report: Report) -> list[str]:
    """The metrics of the table of outputs: those asked for, else the usual ones that there are."""
    found = list(report.per_output[0].metrics) if report.per_output else []
    asked = [name for name in report.asked if name in found]
    return asked or [name for name in OUTPUT_COLUMNS if name in found] or found


def worst_outputs(report: Report) -> list[OutputRow]:
    """The outputs with the lowest R², worst first; of reports without it, with the largest first metric."""
    key = "r2" if "r2" in report.per_output[0].metrics else output_columns(report)[0]
    sign = 1 if key == "r2" else -1
    known = [(row.metrics[key].value, row) for row in report.per_output]
    return [row for value, row in sorted(known, key=lambda pair: sign * (pair[0] if pair[0] is not None else -inf))]
