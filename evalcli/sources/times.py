"""Slices of time: ``--by visit:month`` has rows by the month of a date, ``visit:2024-06-01`` by before and since a day.

Dates and times are texts as :mod:`evalcli.sources.spelling` has them, ``2024-01-31`` and ``2024-01-31 12:30:00.5``, and
what they are sliced by is read from that text alone: it is the same in all formats and in all shares of the rows, and a
time with an offset is in its month of UTC. A month, a quarter, a week or a year as text is one already.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from evalcli.sources.bounds import UNITS, range_names
from evalcli.sources.duck import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

TIME_FIX = "write dates as 2024-01-31, times as 2024-01-31 12:30:00"
_CLOCK = "[ T][0-9]{2}:[0-9]{2}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = re.compile(rf"({_DAY})({_CLOCK}.*)?", re.DOTALL)
_QUARTER_OF = {month: (month + 2) // 3 for month in range(1, 13)}
_MONTH = "[0-9]{4}-(0[1-9]|1[0-2])"
_QUARTER = "[0-9]{4}-Q[1-4]"
_COARSE = {"year": "[0-9]{4}", "quarter": _QUARTER, "month": _MONTH, "week": "[0-9]{4}-W([0-4][0-9]|5[0-3])"}
"""Texts that are such a slice already."""


def is_time(bounds: Sequence[str]) -> bool:
    """Whether these bounds slice times, and not numbers.

    >>> is_time(("month",)), is_time(("2024-06-01",)), is_time(("18", "65"))
    (True, True, False)
    """
    return bool(bounds) and (bounds[0] in UNITS or re.fullmatch(_DAY, bounds[0]) is not None)


def time_slice(text: str, bounds: Sequence[str]) -> str | None:
    """The slice that a time lies in; ``None``: the text is no time.

    >>> [time_slice("2024-01-01 09:30:00", (unit,)) for unit in UNITS]
    ['2024', '2024-Q1', '2024-01', '2024-W01', '2024-01-01', '2024-01-01 09:00']
    >>> time_slice("2024-02-30", ("month",)), time_slice("2024-05-31 23:59:59", ("2024-06-01",))
    (None, '< 2024-06-01')
    """
    unit, found = bounds[0], _TIME.fullmatch(text)
    try:
        day = None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None
    if unit not in UNITS:
        after = sum(text >= bound for bound in bounds)
        return None if day is None else range_names(bounds)[after]
    if day is None:
        return _coarse(text, unit)
    if unit == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    if unit == "hour":
        return f"{text[:10]} {text[11:13] or '00'}:00"
    return f"{text[:4]}-Q{_QUARTER_OF[day.month]}" if unit == "quarter" else text[: UNITS[unit]]


def _coarse(text: str, unit: str) -> str | None:
    """A slice that is no day as what it is, or as the longer one that it lies in."""
    if unit in _COARSE and re.fullmatch(_COARSE[unit], text):
        return text
    if unit in {"quarter", "year"} and re.fullmatch(_MONTH, text):
        return text[:4] if unit == "year" else f"{text[:4]}-Q{_QUARTER_OF[int(text[5:])]}"
    return text[:4] if unit == "year" and re.fullmatch(_QUARTER, text) else None


def time_sql(cell: str, bounds: Sequence[str]) -> str:
    """The same of the text in a ``cell``, in SQL: NULL where it is no time."""
    unit, day = bounds[0], f"TRY_CAST(left({cell}, 10) AS DATE)"
    clock = f"strlen({cell}) = 10 OR regexp_matches({cell}, '^.{{10}}{_CLOCK}')"
    is_day = f"strftime({day}, '%Y-%m-%d') = left({cell}, 10) AND left({cell}, 4) <> '0000' AND ({clock})"
    if unit not in UNITS:
        names = range_names(bounds)
        cases = " ".join(
            f"WHEN {cell} < {literal(bound)} THEN {literal(name)}" for bound, name in zip(bounds, names, strict=False)
        )
        return f"CASE WHEN {is_day} THEN CASE {cases} ELSE {literal(names[-1])} END END"
    year = f"left({cell}, 4)"
    hour = f"CASE WHEN strlen({cell}) = 10 THEN '00' ELSE substr({cell}, 12, 2) END"
    said = {
        "quarter": f"{year} || '-Q' || quarter({day})",
        "week": f"strftime({day}, '%G-W%V')",
        "hour": f"left({cell}, 10) || ' ' || {hour} || ':00'",
    }.get(unit, f"left({cell}, {UNITS[unit]})")
    coarse = [(f"regexp_full_match({cell}, '{_COARSE[unit]}')", cell)] if unit in _COARSE else []
    if unit == "quarter":
        quarter = f"{year} || '-Q' || (TRY_CAST(substr({cell}, 6) AS INTEGER) + 2) // 3"
        coarse.append((f"regexp_full_match({cell}, '{_MONTH}')", quarter))
    elif unit == "year":
        coarse.append((f"regexp_full_match({cell}, '{_MONTH}|{_QUARTER}')", year))
    cases = " ".join(f"WHEN {test} THEN {name}" for test, name in [(is_day, said), *coarse])
    return f"CASE {cases} END"
