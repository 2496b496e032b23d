"""The decision on a regression: values on both sides, and none of the choices that speak of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import InputError, UsageError
from evalcli.task import Task

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.sources.base import Field
    from evalcli.task import Choices


def decide(preds: Field, target: Field, choices: Choices, evidence: Evidence) -> Task:
    """Values on both sides. What was not asked for and shows in few targets only is put into ``Task.problem``.

    Raises:
        UsageError: when a choice speaks of classes, or of counting what is no number.
        InputError: when a side holds texts.

    """
    _refuse_classes(choices)
    for side in (preds, target):
        if side.labels is not None:
            example = f" such as {side.labels[0]!r}" if side.labels else ""
            message = f"{side.name!r} holds texts{example}, and a regression needs numbers"
            raise InputError(message, fix="choose another with --pred or --target", path=side.path)
    return Task("regression", "values", "value", (), problem=_doubt(choices, evidence))


def _refuse_classes(choices: Choices) -> None:
    speaking = {
        f"--scores {choices.scores}": choices.scores not in {None, "values"},
        f"--threshold {choices.threshold}": choices.threshold is not None,
        f"--positive {choices.positive}": choices.positive is not None,
        "--labels": choices.labels is not None,
        "--classes declared": choices.classes != "seen",
        "--class-axis": choices.class_axis is not None,
    }
    for flag, given in speaking.items():
        if given:
            raise UsageError(f"{flag} speaks of classes, but the task is regression", fix="drop one of the two")
    if choices.nan == "wrong":
        message = "--nan wrong: a regression counts no wrong answers, it measures how far off they are"
        raise UsageError(message, fix="use --nan drop to leave these rows out")


def _doubt(choices: Choices, evidence: Evidence) -> InputError | None:
    """Mostly whole targets may be classes of which a few went wrong; only the user knows."""
    if choices.task is not None or choices.scores is not None or 2 * evidence.fractional >= evidence.rows:
        return None
    have = "has" if evidence.fractional == 1 else "have"
    return InputError(
        f"{evidence.fractional:,} of {evidence.rows:,} targets {have} a fraction, the others are whole: "
        "values, or classes with a slip?",
        fix="say --task regression if they are values, else mend these targets",
    )
