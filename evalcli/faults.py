"""What the user reads when rows cannot be counted: one sentence for each kind of fault, and what mends it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evalcli.errors import InputError
from evalcli.metrics.labels import LARGEST_LABEL, weights_tell

if TYPE_CHECKING:
    from evalcli.evidence import Evidence, Fault
    from evalcli.sources.base import Source
    from evalcli.task import Choices

FAULTS: dict[str, tuple[str, str, str]] = {
    "weight": ("weight", "is negative, not finite or huge", "weights must lie between 0 and 1e150"),
    "cluster": ("row", "has no cluster", "--nan drop leaves these rows out"),
    "target-not-finite": ("target", "is not finite", "--nan drop leaves these rows out"),
    "target-beyond": ("target", "is beyond 1e75", "give both sides in a larger unit"),
    "target-inexact": ("target", "is a whole number that float64 does not hold", "subtract what all have in common"),
    "not-one-hot": (
        "target",
        "is not one-hot (one 1, else 0)",
        "save class numbers; for single decisions in two axes use --task binary, for values --task regression",
    ),
    "target-missing": ("target", "is missing (NaN)", "use --nan drop to leave these rows out"),
    "target-fraction": (
        "target",
        "is no whole number",
        "save class numbers; if these are values, --task regression; if scores, predictions come first",
    ),
    "target-unknown": (
        "target",
        "is none of the classes",
        "check --labels, or the names of the score columns",
    ),
    "target-range": ("target", "is outside the classes", ""),
    "pred-not-finite": ("prediction", "is not finite", "--nan drop leaves these rows out"),
    "pred-beyond": ("prediction", "is beyond 1e75", "give both sides in a larger unit"),
    "pred-inexact": ("prediction", "is a whole number that float64 does not hold", "subtract what all have in common"),
    "nan": (
        "prediction",
        "is not finite (NaN, or -inf in every column)",
        "--nan drop leaves these rows out, --nan wrong counts them as errors of the model",
    ),
    "pred-fraction": ("prediction", "is no whole number", "save labels as integers, or drop --scores labels"),
    "pred-unknown": ("prediction", "is none of the classes", "check --labels"),
    "pred-range": ("prediction", "is outside the classes", ""),
    "cell-missing": ("target", "is missing (NaN)", "use --nan drop to leave these rows out"),
    "cell-odd": ("target", "is neither 0 nor 1", ""),
    "cell-nan": (
        "prediction",
        "is missing (NaN)",
        "--nan drop leaves these rows out, --nan wrong counts each such cell as an error of the model",
    ),
    "cell-pred": ("prediction", "is neither 0 nor 1", "save 0 and 1, or scores as floats"),
}
"""Fault → (of what, what is wrong with one, what to do), in the order in which they are reported."""


def side_of(code: str) -> str:
    """In the file of which side a fault lies."""
    return "preds" if FAULTS[code][0] == "prediction" else "target"


def raise_faults(source: Source, choices: Choices, classes: int | None, evidence: Evidence) -> None:
    """Raise the first kind of fault in the order above, with its count and first rows.

    Raises:
        InputError: if there is any fault.

    """
    for code, (noun, what, fix) in FAULTS.items():
        fault = evidence.faults.get(code)
        if fault is not None:
            field = source.preds if noun == "prediction" else source.target
            limits, mend = _range(fault, noun, choices, classes) if code.endswith("-range") else ("", fix)
            if code == "target-range" and classes is not None and _counts_from_1(fault, classes, evidence):
                mend = f"do they count from 1? save them less 1, or name the classes: --labels 1,{_up_to(classes)}"
            mend = _odd_cell(fault, choices) if code == "cell-odd" else mend
            if code == "target-unknown" and choices.labels is None and source.preds.columns is None:
                mend = "name the classes in the order of the scores: --labels a,b,c"
            labels = field.labels if code.endswith("-unknown") else None
            count = f"1 {noun}" if fault.count == 1 else f"{fault.count} {noun}s"
            said = what if fault.count == 1 else what.replace("is ", "are ", 1).replace("has ", "have ", 1)
            rows = fault.named(partial(source.place, side=side_of(code)), labels)
            named = f" ({rows})" if fault.first else ""  # a device does not say which
            raise InputError(f"{count} {said}{limits}{named}", fix=mend, path=field.path)


def _odd_cell(fault: Fault, choices: Choices) -> str:
    """A whole number among 0 and 1 most often marks what nobody has judged; a fraction is a score."""
    value = fault.first[0][1].partition(" ")[0]
    if "." in value or "e" in value:
        return "the truth is 0 and 1; if these are scores, predictions come first: exchange the files"
    if choices.ignore_index is None and value.lstrip("-").isdecimal():
        return f"if {value} marks labels to leave out, add --ignore-index {value}"
    return "save 0 and 1, and one other number for --ignore-index where a label was not judged"


def _range(fault: Fault, noun: str, choices: Choices, classes: int | None) -> tuple[str, str]:
    """A target out of range is most often an ignore index, or a count from 1."""
    least = fault.first[0][1]
    if int(least) > LARGEST_LABEL:
        return f" (class numbers end at {LARGEST_LABEL})", "number the classes from 0, or save their names"
    limit = "from 0" if classes is None else f"0 to {classes - 1}"
    if noun == "target" and choices.ignore_index is None:
        named = f"; if it is a class, name all classes: --labels={least},…" if least == "-1" else ""
        return f" {limit}", f"if {least} marks rows to leave out, add --ignore-index {least}{named}"
    return f" {limit}", "labels count from 0; check the number of classes, --labels and --ignore-index"


def _counts_from_1(fault: Fault, classes: int, evidence: Evidence) -> bool:
    """Whether all that is out of range is one more than the last class, as far as is known, and no target is 0."""
    return {value for _, value in fault.first} == {str(classes)} and 1 <= evidence.target_low <= classes


def _up_to(classes: int) -> str:
    """The numbers from 2 to ``classes``, as a list."""
    return ",".join(map(str, range(2, classes + 1))) if classes <= 5 else f"2,…,{classes}"


def refuse_scale(total: float, squares: float, source: Source) -> None:
    """Refuse weights that are so light or so heavy, all in all, that their products leave float64.

    Raises: ``InputError`` with what one row weighs.
    """
    if weights_tell(total, squares):
        return
    usual = squares / total if squares > 0.0 else total
    raise InputError(
        f"the weights (about {usual:.2g} a row) are too {'heavy' if usual > 1.0 else 'light'} to be multiplied",
        fix="scale them all by one factor, so that they lie near 1: only their proportions matter",
        path=source.target.path,
    )
