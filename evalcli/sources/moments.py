"""Dates and times as texts, the same from a file and from memory: ``2024-01-31``, ``2024-01-31 12:30:00.5``.

A time with a zone is told in UTC, ``2024-01-31 11:30:00+00:00``, so that no setting of a machine shows. Here a moment
is a name for rows, to slice, to cluster and to list by; ``--where`` sees it as what it is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.metrics.arrays import HostArray

_ZONED = "TIMESTAMP WITH TIME ZONE"
SQL_TYPES = {
    **{kind: kind for kind in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")},
    _ZONED: "TIMESTAMP",
}
"""The types of the engine, and what their texts are read as again."""
UTC_SIGN = "+00:00"


def sql_text(kind: str, cell: str) -> str:
    """The SQL of a cell of one of these types as text."""
    if kind == _ZONED:  # without the engine's own zones
        return f"(CAST(make_timestamp(epoch_us({cell})) AS VARCHAR) || '{UTC_SIGN}')"
    return f"CAST({cell} AS VARCHAR)"


def texts_of(values: HostArray, zone: str = "") -> list[str | None]:
    """The texts of an array of ``datetime64``; NaT is missing.

    >>> import numpy as np
    >>> texts_of(np.array(["2024-01-31T12:30:00.500", "NaT"], "datetime64[ms]"))
    ['2024-01-31 12:30:00.5', None]
    """
    import numpy as np

    native = values.astype(values.dtype.newbyteorder("="), copy=False)  # numpy reads others as if they were
    texts = np.datetime_as_string(native.reshape(-1)).tolist()
    return [None if text == "NaT" else _short(text.replace("T", " ")) + zone for text in texts]


def are_moments(items: Iterable[Any]) -> bool:
    """Whether there is something, and all of it is a date, a time, or missing."""
    kinds = {type(item) for item in items if item is not None}
    return bool(kinds) and all(issubclass(kind, (date, time)) for kind in kinds)


def text_of(item: date | time) -> str:
    """One moment of Python's.

    >>> text_of(date(2024, 1, 31)), text_of(datetime(2024, 1, 31, 12, 30, tzinfo=UTC))
    ('2024-01-31', '2024-01-31 12:30:00+00:00')
    """
    if isinstance(item, datetime):
        zone = "" if item.tzinfo is None else UTC_SIGN
        item = item if item.tzinfo is None else item.astimezone(UTC).replace(tzinfo=None)
        return _short(item.isoformat(sep=" ")) + zone
    return _short(item.isoformat())


def _short(text: str) -> str:
    """Fractions of a second without the zeros that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text
