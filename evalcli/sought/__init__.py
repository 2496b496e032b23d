"""What is listed of a counted input, task by task: what looks for it, how much there is, and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.errors import UsageError
from evalcli.task import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.counting import Outcome, Plan
    from evalcli.engine import Progress
    from evalcli.listing import Column, Search
    from evalcli.shortlist import Finder, Picked


class Pace(NamedTuple):
    """How a pass is made."""

    size: int
    workers: int
    progress: Progress | None


class Counted(NamedTuple):
    """An input that has been counted, and the decision under which."""

    plan: Plan
    outcome: Outcome
    search: Search
    pace: Pace


@dataclass(frozen=True, slots=True)
class Sought:
    """What to list. ``columns`` tell a row; the first ``front`` of them say which element of the row is meant.

    ``wrong`` of ``elements`` are mistakes, ``matching`` of those are to be listed; ``None`` where only looking for them
    will say it. ``classes`` says how many classes, labels or outputs there are.
    """

    finder: Finder
    columns: tuple[Column, ...]
    cells: Callable[[Picked], list[Sequence[Any]]]
    """Plain values of picked rows for each of the columns."""
    classes: int
    elements: int
    noun: str
    wrong: int | None = None
    matching: int | None = None
    front: int = 0


def seek(counted: Counted) -> Sought:
    """What was asked for, of a task of any kind.

    Raises:
        UsageError: the search speaks of what the task does not have.

    """
    family = counted.outcome.task.family
    refuse(counted.search, family)
    if family == "regression":
        from evalcli.sought.values import seek_errors

        return seek_errors(counted)
    if family == "multilabel":
        from evalcli.sought.labels import seek_cells

        return seek_cells(counted)
    from evalcli.sought.classes import seek_rows

    return seek_rows(counted)


_SUSPECTS = "labels are suspect where a row has one of several classes", "drop it; errors lists the mistakes"
_PAIRS = (
    "a row has no one target that is taken for another",
    "use --class LABEL; a miss has the target 1 and the pred 0",
)
_REFUSED = {
    "classification": {
        "--relative": ("a class is right or wrong", "use --most-confident to see the surest mistakes first")
    },
    "multilabel": {
        "--relative": ("a label is right or wrong", "use --most-confident to see the surest mistakes first"),
        "--suspect-labels": _SUSPECTS,
        "--pair": _PAIRS,
    },
    "regression": {
        "--most-confident": ("a value has no confidence", "drop it: the largest errors come first"),
        "--suspect-labels": ("a value has no class", "drop it: the largest errors come first"),
        "--pair": ("a value has no class", "drop it; --class NAME lists one of several outputs"),
    },
}
"""What cannot be asked of a family of tasks: why, and what to do."""


def refuse(search: Search, family: str) -> None:
    """Raise what cannot be asked of such a task.

    Raises:
        UsageError: something cannot.

    """
    asked = {
        "--relative": search.relative,
        "--most-confident": search.confident,
        "--suspect-labels": search.suspects,
        "--pair": search.pairs,
    }
    kinds = " or ".join(kind for kind, of in FAMILIES.items() if of == family)
    for flag, (why, fix) in _REFUSED[family].items():
        if asked[flag]:
            raise UsageError(f"{flag}: {why}, and this task is {kinds}", fix=fix)


def numbers(values: Any) -> list[float | None]:  # a host array
    """Plain numbers; what is undefined, or beyond all numbers, is none."""
    return [value if isfinite(value) else None for value in values.tolist()]
