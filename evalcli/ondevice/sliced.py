"""The states of scores of many slices, gathered on a device: those of each slicer side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch

from evalcli.metrics.calibration import ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.sizes import SIZES
from evalcli.ondevice.parts import MOST_CELLS, PARTS, CountsThere
from evalcli.ondevice.sums import WIDTH
from evalcli.ondevice.tables import ConfidencesThere, KeysThere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.base import Metric
    from evalcli.ondevice.parts import Part
    from evalcli.ondevice.rows import RowsThere

    TakeOver = Callable[[int], Mapping[str, Metric]]

_KINDS = {*PARTS, ConfidenceTable, KeyTable}


class SlicedThere:
    """What a device has seen of each of many slices, ``states`` of which are made where a slice has rows."""

    def __init__(self, scoring: Mapping[str, Any], slices: int, take_over: TakeOver, device: Any) -> None:
        self._rows, self._take_over = CountsThere(1, device, slices), take_over
        self._parts: dict[str, Part] = {}
        self.tables: dict[str, KeysThere] = {}
        for name, state in scoring.items():
            if isinstance(state, KeyTable):
                self.tables[name] = KeysThere(state, device, slices, self._finder(name))
            elif isinstance(state, ConfidenceTable):
                self._parts[name] = ConfidencesThere(state, device, slices, self._finder(name))
            else:
                self._parts[name] = PARTS[type(state)](state, device, slices)

    def _finder(self, name: str) -> Callable[[int], Any]:
        """What has the state of a slice by its code."""
        return lambda code: self._take_over(code)[name]

    @staticmethod
    def suits(states: Mapping[str, Metric], slices: int) -> bool:
        """Whether so many slices with such ``states`` can be gathered."""
        held = states.values()
        return all(type(state) in _KINDS for state in held) and slices * sum(map(_cells_of, held)) <= MOST_CELLS

    def take(self, rows: RowsThere, codes: Array, kept: Array | None) -> None:
        """Take in rows that were looked at, each of the slice of its code (n,), −1: of none."""
        _slice(rows, codes, kept)
        self._rows.add(torch.zeros_like(codes), rows)
        for part in self._parts.values():
            part.take(rows)

    def rank(self, keys: Mapping[int, Array], rows: RowsThere, codes: Array, kept: Array | None) -> None:
        """Take in the same rows by their keys (C, n) of so many bits."""
        _slice(rows, codes, kept)
        for table in self.tables.values():
            table.take(keys[table.columns.bits], rows)

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered."""
        self._rows.merge(other._rows)
        for name, part in self._parts.items():
            part.merge(other._parts[name])
        for name, table in self.tables.items():
            table.merge(other.tables[name])

    def settle(self) -> None:
        """Let the states of every slice that has rows take its own over; nothing is left here."""
        counts = self._rows.taken()[:, 0].tolist()
        if not any(counts):
            return
        slices = [self._take_over(code) if rows else None for code, rows in enumerate(counts)]
        every: dict[str, Any] = {**self._parts, **self.tables}
        for name, part in every.items():
            part.settle([None if held is None else held[name] for held in slices])
        for rows, held in zip(counts, slices, strict=True):
            for state in () if held is None else held.values():
                state.rows += rows  # type: ignore[attr-defined]  # all of these count them


def _slice(rows: RowsThere, codes: Array, kept: Array | None) -> None:
    """Say which slice each of ``rows`` is in, and that no others count."""
    rows.group, rows.kept = codes, codes >= 0 if kept is None else kept & (codes >= 0)


def _cells_of(state: Any) -> int:
    """About how many numbers of 8 bytes a slice takes with such a state."""
    amount = WIDTH if state.weighted else 1
    if isinstance(state, LogLoss | Brier):
        return SIZES + WIDTH + amount
    if isinstance(state, ConfidenceTable | KeyTable):  # where the entries of each side begin, and how coarse they are
        columns, sides = (state.columns, state.sides) if isinstance(state, KeyTable) else (1, 2)
        return columns * (sides + 1) + amount
    classes: int = state.form.classes
    bins: int = getattr(state, "bins", 0) * (classes if isinstance(state, ClasswiseBins) else 1)
    return bins * (WIDTH + 2 * amount) + classes * amount
