"""One spelling of a value that rows are sliced by, whatever it was read from, so that slices of all formats are one.

What writes floats as text writes ``1.0``, and so become integers where one is missing; a table of integers has
``1``. Whole numbers are spelled as integers, other numbers in the fewest digits that tell them from their neighbours of
the same width, booleans in small letters. No other text is touched: ``007``, ``1.10`` and ``1e3`` may be names. So may
``1.0`` beside ``1.1``, as versions; but a column of numbers is written alike, and is ``1`` and ``1.1`` elsewhere.

A time of a day has a blank before the clock and no idle zeros, and midnight is the day alone: what writes a column of
midnights as text writes dates, and reading it back gives either. A time with an offset is no day, and told in UTC,
``2024-01-31 10:30:00+00:00``: it is the same instant in every zone, and formats that store instants keep no other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalcli.sources.moments import UTC_SIGN

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

_WHOLE = r"-?(0|[1-9][0-9]{0,15})\.0"
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_MIDNIGHT = "00:00:00"
_SHORTEST, _LONGEST, _FARTHEST = 19, 29, 35
"""Characters of a moment, and of one with an offset."""
_EXACT = 1 << 53
"""Whole numbers below it are integers to everyone."""


def spelled(text: str) -> str:
    """A text as slices have it.

    >>> [spelled(text) for text in ("1.0", "-0.0", "True", "1.10", "007.0", "EU")]
    ['1', '0', 'true', '1.10', '007.0', 'EU']
    >>> [spelled(f"2024-01-31{clock}") for clock in (" 00:00:00", "T00:00:00.000", "T12:30:00.500", " 00:00:00+00:00")]
    ['2024-01-31', '2024-01-31', '2024-01-31 12:30:00.5', '2024-01-31 00:00:00+00:00']
    """
    if text in ("True", "False"):
        return text.lower()
    if text.endswith(".0") and re.fullmatch(_WHOLE, text):
        return "0" if text == "-0.0" else text[:-2]
    return moment(text) if _SHORTEST <= len(text) <= _FARTHEST else text


def moment(text: str) -> str:
    """The same of times alone.

    >>> moment("2024-01-31T12:30:00.500+02:00"), moment("2024-01-31T12:30:00Z"), moment("2024-02-31T12:30:00Z")
    ('2024-01-31 10:30:00.5+00:00', '2024-01-31 12:30:00+00:00', '2024-02-31T12:30:00Z')
    """
    if re.fullmatch(_MOMENT, text):
        day, clock = text[:10], text[11:].rstrip("0").rstrip(".") if "." in text else text[11:]
        return day if clock == _MIDNIGHT else f"{day} {clock}"
    found = re.fullmatch(f"{_INSTANT}{_OFFSET}", text)
    if found is None:
        return text
    try:
        there = datetime.fromisoformat(text[:_SHORTEST] + found[3]).astimezone(UTC)
    except (ValueError, OverflowError):  # no day of the calendar, or before its first one
        return text
    return f"{there:%Y-%m-%d %H:%M:%S}".rjust(_SHORTEST, "0") + (found[2] or "").rstrip("0").rstrip(".") + UTC_SIGN


def ways_to_write(value: str) -> set[str]:
    """What a slice may be called where somebody names it so: just that, and as slices have it.

    >>> sorted(ways_to_write("True,1.0")), sorted(ways_to_write("2024-01-31 00:00:00"))
    (['True,1.0', 'true,1'], ['2024-01-31', '2024-01-31 00:00:00'])
    """
    return {value, ",".join(map(spelled, value.split(",")))}


def spelled_in_sql(cell: str) -> str:
    """The same of the text in a ``cell``, in SQL."""
    whole = f"ends_with({cell}, '.0') AND regexp_full_match({cell}, '{_WHOLE}')"
    number = f"CASE {cell} WHEN '-0.0' THEN '0' ELSE left({cell}, -2) END"
    said = f"WHEN {cell} IN ('True', 'False') THEN lower({cell})"
    return f"CASE WHEN {whole} THEN {number} {said} ELSE {moment_in_sql(cell)} END"


def moment_in_sql(cell: str) -> str:
    """The same of times alone, in SQL."""
    idle = f"ends_with({cell}, ' {_MIDNIGHT}') OR ends_with({cell}, '0') AND contains({cell}, '.')"
    untidy = f"strlen({cell}) BETWEEN {_SHORTEST} AND {_LONGEST} AND ({idle} OR substr({cell}, 11, 1) = 'T')"
    moment = f"{untidy} AND regexp_full_match({cell}, '{_MOMENT}')"  # last: it costs ten times as much
    clock = f"substr({cell}, 12)"
    clock = f"CASE WHEN contains({cell}, '.') THEN rtrim(rtrim({clock}, '0'), '.') ELSE {clock} END"
    time = f"left({cell}, 10) || CASE {clock} WHEN '{_MIDNIGHT}' THEN '' ELSE ' ' || {clock} END"
    signed = f"ends_with({cell}, 'Z') OR contains(substr({cell}, 20), '+') OR contains(substr({cell}, 20), '-')"
    zoned = f"strlen({cell}) BETWEEN {_SHORTEST + 1} AND {_FARTHEST} AND substr({cell}, 14, 1) = ':' AND ({signed})"
    zoned = f"{zoned} AND regexp_full_match({cell}, '{_INSTANT}{_OFFSET}')"
    return f"CASE WHEN {moment} THEN {time} WHEN {zoned} THEN {_in_utc(cell)} ELSE {cell} END"


def _in_utc(cell: str) -> str:
    """A time with an offset in SQL; one that no calendar has stays as it is."""
    there = f"left({cell}, {_SHORTEST}) || regexp_extract({cell}, '{_OFFSET}$')"
    there = f"CAST(make_timestamp(epoch_us(TRY_CAST({there} AS TIMESTAMP WITH TIME ZONE))) AS VARCHAR)"
    fraction = rf"rtrim(rtrim(regexp_extract({cell}, '\.[0-9]+'), '0'), '.')"
    return f"CASE WHEN strlen({there}) = {_SHORTEST} THEN {there} || {fraction} || '{UTC_SIGN}' ELSE {cell} END"


def spelled_values(values: HostArray) -> list[str]:
    """Numbers and booleans (K,) as slices have them.

    >>> import numpy as np
    >>> spelled_values(np.array([-0.0, 2.0, 0.1, 1e-7, 1e20])), spelled_values(np.array([0.1], np.float32))
    (['0', '2', '0.1', '1e-07', '1e+20'], ['0.1'])
    """
    if values.dtype.kind != "f":
        return [str(each).lower() if each is True or each is False else str(each) for each in values.tolist()]
    narrow = values if values.dtype.itemsize > 4 else values.astype("float32")
    return [
        str(int(each)) if abs(each) < _EXACT and each == int(each) else repr(float(str(short)))
        for each, short in zip(values.tolist(), narrow, strict=True)
    ]
