"""Slices of time (``--by visit:month``) in order of time; all others the worst first.

A report says what a slice is called, and that is what tells: a year, a quarter, a month, a week, a day, a moment, or
what lies before and since a day.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from evalcli.renderers.contents import MAX_LISTED

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TIMES = 31
"""The days of a month. More are shown as other slices are: the worst alone make no row that can be read."""
_YEAR, _MONTH = "(19|20)[0-9]{2}", "(0[1-9]|1[0-2])"
_DAY = f"[0-9]{{4}}-{_MONTH}-[0-9]{{2}}"
_TIME = (
    rf"{_YEAR}|[0-9]{{4}}-(Q[1-4]|W[0-5][0-9]|{_MONTH})|{_DAY}( [0-9]{{2}}:[0-9]{{2}}[^,]*)?"
    rf"|(?P<before>< {_DAY})|\[(?P<since>{_DAY}), {_DAY}\)|>= (?P<after>{_DAY})"
)


class Named(Protocol):
    """A slice."""

    @property
    def value(self) -> str:
        """What it is called."""


S = TypeVar("S", bound=Named)


def in_order(rows: Sequence[S]) -> list[S]:
    """Slices of one column, given by what matters the most: in order of time if they are of times.

    >>> from types import SimpleNamespace
    >>> rows = [SimpleNamespace(value=value) for value in (">= 2024-03-01", "[2024-01-01, 2024-03-01)", "< 2024-01-01")]
    >>> [row.value for row in in_order(rows)]
    ['< 2024-01-01', '[2024-01-01, 2024-03-01)', '>= 2024-03-01']
    """
    return sorted(rows, key=lambda row: _begin(row.value) or "") if _are_times(rows) else [*rows]


def shown(rows: Sequence[S], worst: str = "the worst") -> tuple[list[S], str]:
    """Those of the slices, given the worst first, that a screen has room for; and what to say of their order."""
    if len(rows) > MOST_TIMES or not _are_times(rows):
        return [*rows[:MAX_LISTED]], f"{worst} first"
    return in_order(rows), f"in order of time, {rows[0].value} {worst}"


def _are_times(rows: Sequence[Named]) -> bool:
    return len(rows) > 1 and all(_begin(row.value) is not None for row in rows)


def _begin(value: str) -> str | None:
    """Where a slice of time begins, as a text that sorts like it; ``None``: it is of no time.

    >>> [_begin(value) for value in ("2024-Q1", "< 2024-06-01", ">= 2024-06-01", "1234", "2024-13")]
    ['2024-Q1', '', '2024-06-01', None, None]
    """
    found = re.fullmatch(_TIME, value)
    if found is None:
        return None
    return "" if found["before"] else found["since"] or found["after"] or value
