"""How numbers and names read to a person: what the screen and Markdown share. Machines read JSON, unrounded."""

from __future__ import annotations

import re
from math import floor, log10
from typing import TYPE_CHECKING

from evalcli.renderers.escape import visible
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.report import CalibrationBin, Clustered, Number, Report, SliceRow, Verdict

UNDEFINED = "–"
_MOST_DIGITS = 7


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
AVERAGES = ("macro", "micro", "weighted", "samples")
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


_PERCENTILES = {"0": "least", "50": "median", "100": "largest"}


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
    if base and average in AVERAGES:
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
    >>> interval("rmse", Value(53.1546, 48.1, 58.1)), interval("rmse", Value(5315.46, 5314.96, 5315.96))
    ('±5.05', '±0.5000')
    >>> interval("rmse", Value(2.61, 0.0, 5.61)), interval("f1", Value(0.54, 0.04, 1.0))
    ('[0, 5.610]', '[0.0400, 1.0000]')
    """
    if value.value is None or value.low is None or value.high is None:
        return ""
    below, above = value.value - value.low, value.high - value.value
    reach = max(below, above)
    beyond = (value.low in (-1.0, 0.0) and reach > below) or (value.high == 1.0 and reach > above)
    if abs(above - below) <= 0.1 * (above + below) and not beyond:  # a distance may not lead out of the range
        places = len(number(value.value).partition(".")[2])
        if is_of_any_size(name) and 10.0**-places <= reach < 1e9 and "e" not in number(value.value):
            return f"±{reach:,.{places}f}"  # as far behind the point as the value
        return f"±{spoken(name, type(value)(reach))}"
    ends = [spoken(name, type(value)(end)) for end in (value.low, value.high)]
    return f"[{', '.join(ends)}]"


def ends(verdict: Verdict) -> str:
    """The interval of a gate's value from end to end; empty where there is none."""
    if verdict.value is None or verdict.low is None or verdict.high is None:
        return ""
    return f"[{', '.join(spoken(verdict.metric, Value(end)) for end in (verdict.low, verdict.high))}]"


def amount(values: Iterable[Number]) -> Callable[[Number], str]:
    """The way to print these counts alike: whole numbers, or sums of weights with two decimals, or four digits.

    >>> amount([59, 1234])(1234), amount([59, 1.5])(59), amount([0.00125, 199_988.5])(199_988.5)
    ('1,234', '59.00', '199,988')
    """
    seen = [abs(value) for value in values]
    if all(value == int(value) and value < 1e15 for value in seen):
        return lambda value: f"{int(value):,}"
    if max(seen) >= 1e15 or any(0 < value < 0.01 for value in seen):
        return lambda value: f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
    return lambda value: f"{value + 0.0:,.2f}"


def share(part: Number, whole: Number) -> str:
    """A percentage that says 0 only for nothing and 100 only for all.

    >>> share(45, 48), share(1, 1000), share(999, 1000), share(0, 5), share(0, 0)
    ('94%', '<1%', '>99%', '0%', '–')
    """
    if whole == 0:
        return UNDEFINED
    percent = 100 * part / whole
    if 0 < percent <= 0.5:  # which rounds to the even 0
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


def gap(rows: list[SliceRow], name: str, least: int = 1) -> str:
    """The distance between the best and the worst slice of ``least`` rows, in words; empty where there is none."""
    known = [value for row in rows if row.n >= least and (value := row.metrics[name].value) is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    ends = (spoken(name, Value(value)) for value in (low, high, high - low))
    where = "" if least <= min(row.n for row in rows) else f", of slices of {least:,} rows or more"
    return "{} from {} to {}, a gap of {}".format(title(name), *ends) + where


def span(one: CalibrationBin) -> str:
    """The edges of a bin.

    >>> from evalcli.report import CalibrationBin
    >>> span(CalibrationBin(0.3333333333333333, 0.4, 3, 0.35, 0.5))
    '0.33–0.40'
    """
    return f"{one.low:.2f}–{one.high:.2f}"


def clustered(found: Clustered | None) -> str:
    """What belongs together, in words; empty where rows are independent.

    >>> from evalcli.report import Clustered
    >>> clustered(Clustered("user", 1200, 1, 1.0))
    'by user: 1,200 clusters, the largest of 1 row, design effect 1.00'
    """
    if found is None:
        return ""
    by, clusters, largest, effect = found
    said = f"by {visible(by)}: {clusters:,} {'cluster' if clusters == 1 else 'clusters'}"
    said += f", the largest of {largest:,} {'row' if largest == 1 else 'rows'}"
    return said if effect is None else f"{said}, design effect {effect:.2f}"


def threshold(report: Report) -> str:
    """From where labels are predicted, in words; empty where nothing is cut, or where it stands beside the class."""
    if report.positive is not None or report.threshold is None:
        return ""
    if not isinstance(report.threshold, tuple):
        return f"{report.threshold:g}"
    low, high = min(report.threshold), max(report.threshold)
    return f"one for each label, from {low:.4g} to {high:.4g}"
