"""What the user reads when rows cannot be counted: one sentence for each kind of fault, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import InputError

if TYPE_CHECKING:
    from evalcli.evidence import Evidence, Fault
    from evalcli.sources.base import Source
    from evalcli.task import Choices

FAULTS: dict[str, tuple[str, str, str]] = {
    "weight": ("weight", "weights are negative, not finite or huge", "weights must lie between 0 and 1e150"),
    "not-one-hot": (
        "target",
        "target rows are not one-hot (one 1, else 0)",
        "save class numbers; for single decisions in two axes use --task binary",
    ),
    "target-missing": ("target", "targets are missing (NaN)", "use --nan drop to leave these rows out"),
    "target-fraction": (
        "target",
        "targets are not whole numbers",
        "save class numbers; if these are scores, predictions come first: exchange the files",
    ),
    "target-unknown": (
        "target",
        "targets are none of the classes",
        "check --labels, or the names of the score columns",
    ),
    "target-range": ("target", "targets lie outside the classes", ""),
    "nan": (
        "preds",
        "predictions are not finite (NaN, or -inf in every column)",
        "--nan drop leaves these rows out, --nan wrong counts them as errors of the model",
    ),
    "pred-fraction": ("preds", "predictions are not whole numbers", "save labels as integers, or drop --scores labels"),
    "pred-unknown": ("preds", "predictions are none of the classes", "check --labels"),
    "pred-range": ("preds", "predictions lie outside the classes", ""),
}
"""Fault → (side, what is wrong, what to do), in the order in which they are reported."""


def raise_faults(source: Source, choices: Choices, classes: int | None, evidence: Evidence) -> None:
    """Raise the first kind of fault in the order above, with its count and first rows.

    Raises:
        InputError: if there is any fault.

    """
    for code, (side, what, fix) in FAULTS.items():
        fault = evidence.faults.get(code)
        if fault is not None:
            field = source.target if side == "target" else source.preds
            limits, mend = _range(fault, side, choices, classes) if code.endswith("-range") else ("", fix)
            labels = field.labels if code.endswith("-unknown") else None
            raise InputError(f"{fault.count} {what}{limits} ({fault.named(labels)})", fix=mend, path=field.path)


def _range(fault: Fault, side: str, choices: Choices, classes: int | None) -> tuple[str, str]:
    """A target out of range is most often an ignore index, or a count from 1."""
    least = fault.first[0][1]
    limit = "from 0" if classes is None else f"0 to {classes - 1}"
    if side == "target" and choices.ignore_index is None:
        named = f"; if it is a class, name all classes: --labels={least},…" if least == "-1" else ""
        return f" {limit}", f"if {least} marks rows to leave out, add --ignore-index {least}{named}"
    return f" {limit}", "labels count from 0; check the number of classes, --labels and --ignore-index"
