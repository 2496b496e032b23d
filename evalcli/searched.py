"""What a search for weak slices found: a part of the report, as frozen plain data."""

from __future__ import annotations

from typing import Any, NamedTuple


class WeakSlice(NamedTuple):
    """The rows with these ``values`` of one or two ``columns``: ``n`` that count, their share and that of the ``rest``.

    ``difference`` is below 0, of a loss above 0, from ``low`` to ``high`` where intervals were asked for.
    """

    columns: tuple[str, ...]
    values: tuple[str, ...]
    n: int
    value: float
    rest: float
    difference: float
    low: float | None
    high: float | None
    p: float
    p_adjusted: float


class LeastShown(NamedTuple):
    """The smallest ``difference`` that a search would have found: in the ``n`` rows with this value of a column."""

    column: str
    value: str
    n: int
    difference: float


class Scan(NamedTuple):
    """A search for slices that are weaker than all other rows by more than chance, the worst first.

    ``tried`` slices had ``least`` rows, ``few`` had fewer; ``left_out`` says of columns why they were not searched.
    ``level`` is the share of false alarms among ``slices``, at most. ``shown`` is there where none was found.
    ``test`` is ``fisher`` of shares of rows, ``welch`` of means over rows; with `` (weights)`` or `` (clusters)`` where
    rows weigh differently or belong together.
    """

    metric: str
    level: float
    least: int
    columns: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    tried: int
    few: int
    slices: tuple[WeakSlice, ...]
    shown: LeastShown | None = None
    test: str = "fisher"


def scan_object(scan: Scan) -> dict[str, Any]:
    """The search as JSON types, keys in the documented order."""
    return {
        **scan._asdict(),
        "columns": list(scan.columns),
        "left_out": [{"column": column, "why": why} for column, why in scan.left_out],
        "slices": [row._asdict() | {"columns": list(row.columns), "values": list(row.values)} for row in scan.slices],
        "shown": None if scan.shown is None else scan.shown._asdict(),
    }
