"""How numbers and names read to a person: what the screen and Markdown share. Machines read JSON, unrounded."""

from __future__ import annotations

import re
from math import floor, inf, log10
from operator import neg
from typing import TYPE_CHECKING

from evalcli.renderers.escape import visible
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.report import CalibrationBin, ClassRow, Number, OutputRow, Report, SliceRow, Verdict

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
HEADLINES = frozenset((*HEADLINE, *HEADLINE_BINARY))
"""The metrics that a screen shows with their intervals, unless others are asked for."""

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
    "medae": "median AE",
    "max_error": "max error",
    "mse": "MSE",
    "mape": "MAPE",
    "smape": "sMAPE",
    "wape": "WAPE",
    "r2": "R²",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "kendall": "Kendall's τ",
    "msle": "MSLE",
    "poisson_deviance": "Poisson deviance",
    "gamma_deviance": "gamma deviance",
    "pinball": "pinball loss",
    "hamming_loss": "Hamming loss",
    "hamming_accuracy": "Hamming accuracy",
    "lrap": "LRAP",
}
_ENDING_AT_1 = ("r2", "adjusted_r2", "explained_variance", "pearson", "spearman", "kendall")
"""Metrics of values that end at 1; the others are of any size."""
_AVERAGES = ("macro", "micro", "weighted", "samples")
_BEFORE_NUMBER = {
    "auroc_fpr": "AUROC to FPR",
    "recall_at_precision": "recall at precision",
    "precision_at_recall": "precision at recall",
    "specificity_at_sensitivity": "specificity at sensitivity",
    "accuracy_at_coverage": "accuracy at coverage",
    "adjusted_r2_p": "adjusted R², p =",
    "tweedie_deviance": "Tweedie deviance, q =",
    "pinball": "pinball loss, q =",
}
_TOP = re.compile(r"top([0-9]+)_accuracy")

_CALIBRATION_ERRORS = ("ece", "ece_positive", "ece_equal_mass", "ece_classwise", "mce")

CLASS_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
_PERCENTILES = {"0": "least", "50": "median", "100": "largest"}
OUTPUT_COLUMNS = ("rmse", "mae", "r2", "bias", "medae", "max_error")
BINARY_COLUMNS = {"specificity": "specificity", "npv": "NPV"}
SCORE_COLUMNS = {"auroc": "AUROC"}
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
    spread, places = _spread(value.value, value.certified)
    return f"{ratio(value.value, min(max(4, places), _MOST_DIGITS))} ± {spread}"


def _spread(value: float, certified: tuple[float, float]) -> tuple[str, int]:
    """How far from the value the exact one may be, in one digit, and the decimal place of that."""
    off = max(certified[1] - value, value - certified[0])
    digit, power = (int(part) for part in f"{off:.0e}".split("e"))
    places = -power
    if digit * 10.0**-places < off * (1 - 1e-9):  # never less than it is, but for the last bits of the difference
        digit, places = (digit + 1, places) if digit < 9 else (1, places - 1)
    plain = f"{digit * 10**-places}" if places <= 0 else f"{digit / 10**places:.{places}f}"
    return plain if -6 < places < 5 else f"{digit}e{-places}", places


def number(value: float | None, digits: int = 4) -> str:
    """A value of any size in at least four digits, whole parts whole; undefined is a dash.

    >>> number(54.1234), number(1.5e-07), number(12345.6), number(0.05), number(None), number(-0.0)
    ('54.12', '1.500e-07', '12,346', '0.05000', '–', '0')
    """
    if value is None:
        return UNDEFINED
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(digits - 1 - floor(log10(abs(value))), 0)}f}"


def is_of_any_size(metric: str) -> bool:
    """Whether a metric is measured in the unit of the target, so that four decimals may be too few or too many.

    >>> is_of_any_size("rmse[price]"), is_of_any_size("pinball0.9"), is_of_any_size("r2"), is_of_any_size("f1")
    (True, True, False, False)
    """
    from evalcli.errors import UsageError
    from evalcli.metrics.registry import parse

    try:
        entry = parse(metric).entry
    except UsageError:  # of a report by another version
        return False
    return entry.per_output and entry.name not in _ENDING_AT_1


def spoken(name: str, value: Value) -> str:
    """A value as its metric is best read: of any size, or as a share of 1.

    >>> from evalcli.report import Value
    >>> spoken("rmse", Value(1234.567)), spoken("r2", Value(0.99999)), spoken("medae", Value(2.5, certified=(2.4, 2.6)))
    ('1,235', '0.99999', '2.50 ± 0.1')
    """
    if not is_of_any_size(name):
        digits = 4
        if value.value is not None and value.certified is None and name.partition("[")[0] in _ENDING_AT_1:
            while digits < 9 and value.value < 1 and ratio(value.value, digits).startswith("1."):
                digits += 1  # 0.99999 is not 1
            return ratio(value.value, digits)
        return measured(value)
    if value.certified is None or value.value is None:
        return number(value.value)
    spread, places = _spread(value.value, value.certified)
    size = floor(log10(abs(value.value))) if value.value else 0
    return f"{number(value.value, min(max(size + 1 + places, 3), 9))} ± {spread}"


def residual(value: Value) -> str:
    """A residual, which is in the unit of the target."""
    return spoken("bias", value)


def percentile(percent: float) -> str:
    """What a quantile is called.

    >>> percentile(0), percentile(5), percentile(50), percentile(100)
    ('least', '5%', 'median', 'largest')
    """
    return _PERCENTILES.get(f"{percent:g}", f"{percent:g}%")


def interval(name: str, value: Value) -> str:
    """Where the true value lies: as a distance where both ends are about as far, else from end to end.

    >>> from evalcli.report import Value
    >>> interval("mcc", Value(0.92, 0.91, 0.93)), interval("f1", Value(0.995, 0.9722, 0.9991))
    ('±0.0100', '[0.9722, 0.9991]')
    """
    if value.value is None or value.low is None or value.high is None:
        return ""
    below, above = value.value - value.low, value.high - value.value
    if abs(above - below) <= 0.1 * (above + below):
        return f"±{spoken(name, type(value)(max(below, above)))}"
    ends = [spoken(name, type(value)(end)) for end in (value.low, value.high)]
    return f"[{', '.join(ends)}]"


def ends(verdict: Verdict) -> str:
    """The interval of a gate's value from end to end; empty where there is none."""
    if verdict.value is None or verdict.low is None or verdict.high is None:
        return ""
    return f"[{', '.join(spoken(verdict.metric, Value(end)) for end in (verdict.low, verdict.high))}]"


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
    shown = number if is_of_any_size(verdict.metric) else ratio
    digits = 4
    if value is not None and value != bound:
        while digits < 17 and shown(value, digits) == shown(bound, digits):
            digits += 1
        if shown(value, digits) == shown(bound, digits):
            return repr(value), repr(bound)
    return shown(value, digits), shown(bound, digits)


def files(report: Report, most: int = 4) -> list[str]:
    """The paths that were read, the first few by name."""
    paths = list(dict.fromkeys(record.path for record in report.inputs))
    return paths if len(paths) <= most else [*paths[:most], f"and {len(paths) - most:,} more"]


def nouns(report: Report) -> tuple[str, str]:
    """What one of the classes of this report is called, and several of them."""
    return ("label", "labels") if report.task == "multilabel" else ("class", "classes")


def class_columns(report: Report, *, narrow: bool = False, wide: bool = False) -> dict[str, str]:
    """The metrics of the per-class table that this report has, with their headings; of those asked for, if any was."""
    further = {"binary": BINARY_COLUMNS, "multilabel": LABEL_COLUMNS}.get(report.task, SCORE_COLUMNS)
    if report.task == "multilabel" and wide:
        further = further | CALIBRATION_COLUMNS
    wanted = CLASS_COLUMNS | ({} if narrow else further)
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
    if report.task == "regression":
        return list(report.metrics), 0
    columns = class_columns(report, narrow=narrow, wide=wide)
    several = report.task == "multilabel"
    binary = (*HEADLINE_BINARY, *(BINARY_COLUMNS if narrow else ())) if report.task == "binary" else ()
    most_telling = LABEL_HEADLINE if several else (*HEADLINE, *binary)
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
        goodness = _goodness(name)
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


def _goodness(name: str) -> Callable[[float], float]:
    """What is larger of the better of two values."""
    from evalcli.metrics.registry import is_registered, parse

    direction = parse(name).entry.direction if is_registered(name) else "higher"
    if direction == "zero":
        return lambda value: -abs(value)
    return neg if direction == "lower" else float


def gap(rows: list[SliceRow], name: str) -> str:
    """The distance between the best and the worst slice, in words; empty where there is none."""
    known = [(value, row.value) for row in rows if (value := row.metrics[name].value) is not None]
    if len(known) < 2:
        return ""
    low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    ends = (spoken(name, Value(value)) for value in (low[0], high[0], high[0] - low[0]))
    return "{} from {} to {}, a gap of {}".format(title(name), *ends)


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


def clustered(report: Report) -> str:
    """What belongs together, in words; empty where rows are independent."""
    if report.clustered is None:
        return ""
    by, clusters, largest, effect = report.clustered
    said = f"by {visible(by)}: {clusters:,} clusters, the largest of {largest:,} rows"
    return said if effect is None else f"{said}, design effect {effect:.2f}"


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
