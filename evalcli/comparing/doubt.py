"""Numbers that are certain only to a range: of ranks past ``--ranking-budget``, or of bins of values."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from evalcli.metrics.roc import Certified
    from evalcli.report import Value


class InDoubt(float):
    """A value that is certain to lie between ``ends``, and is read as any other: it is the middle of what it may be.

    >>> found = InDoubt.made(0.5, (0.4, 0.7))
    >>> found + 1, ends_of(found), ends_of(0.5)
    (1.5, (0.4, 0.7), None)
    """

    ends: tuple[float, float]

    @classmethod
    def made(cls, value: float, ends: tuple[float, float]) -> Self:
        """A value between its ends."""
        found = cls(value)
        found.ends = ends
        return found


def ends_of(value: float | None) -> tuple[float, float] | None:
    """Between what a value is certain to lie, where it is in doubt."""
    return value.ends if isinstance(value, InDoubt) else None


def number_of(value: Value) -> float | None:
    """The number of a report's value, with its ends where it is in doubt."""
    if value.value is None or value.certified is None:
        return value.value
    return InDoubt.made(value.value, value.certified)


def number_within(found: Certified) -> float | None:
    """The number of a metric, with its ends where it is in doubt; ``None``, where it is undefined."""
    value, low, high = map(float, found)
    if isnan(value):
        return None
    return value if low == high else InDoubt.made(value, (low, high))
