"""Tables of scores and of confidences by key, gathered on a device: of all rows, or of many groups of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from evalcli.metrics.confidence import tied
from evalcli.ondevice.keys import ColumnsThere, sort_keys
from evalcli.ondevice.parts import stored
from evalcli.ondevice.sums import SumsThere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.confidence import ConfidenceTable
    from evalcli.metrics.ranking import KeyTable
    from evalcli.ondevice.keys import Entries
    from evalcli.ondevice.rows import RowsThere


class ConfidencesThere:
    """Of ``ConfidenceTable``, of which ``at`` has that of each group: its wrong rows stand on side 1."""

    def __init__(self, state: ConfidenceTable, device: Any, groups: int, at: Callable[[int], Any]) -> None:
        self.form, self.capacity, self._at = state.form, state.column.capacity, at
        self.columns = ColumnsThere(1, state.bits, device, groups)

    def take(self, rows: RowsThere) -> None:
        """Take in rows that were looked at."""
        ranked = -tied(rows.doubt) if self.form.kind == "logits" else stored(rows.confidence, self.form)
        self.columns.add(sort_keys(ranked[None], self.columns.bits), rows, ~rows.right)
        if self.columns.is_full:
            self.settle()

    def merge(self, other: Self) -> None:
        """Take in what another has gathered."""
        self.columns.merge(other.columns)

    def settle(self, states: Sequence[Any] = ()) -> None:  # noqa: ARG002  it knows how to find them
        """Let each group's table take its own over; nothing is left."""
        self.columns.into_each(lambda group, _: self._at(group).column, self.capacity, [1])


class KeysThere:
    """Of ``KeyTable``, of which ``at`` has that of each group."""

    def __init__(self, state: KeyTable, device: Any, groups: int, at: Callable[[int], Any]) -> None:
        self.state, self._at = state, at
        self.columns = ColumnsThere(state.columns, state.bits, device, groups)
        self.squares = SumsThere(groups, device) if state.weighted else None
        self.is_sorted = False
        """Whether some rows were taken over already."""

    def take(self, keys: Array, rows: RowsThere) -> None:
        """Take in rows by their ``keys`` (C, n)."""
        if self.squares is not None:
            assert rows.weight is not None
            self.squares.add(rows.only(rows.weight.square()), rows.place)
        self.columns.add(keys, rows, rows.target)
        if self.columns.is_full:
            self.sort()

    def merge(self, other: Self) -> None:
        """Take in what another has gathered."""
        self.is_sorted |= other.is_sorted
        self.columns.merge(other.columns)
        if self.squares is not None and other.squares is not None:
            self.squares.merge(other.squares)

    def sort(self) -> Entries | None:
        """Let each group's columns take over what waits, and return it as it lies there."""
        self.is_sorted = True
        of = self.state
        positives = None if of.pairwise else [1] if of.columns == 1 else [*range(of.columns)]
        return self.columns.into_each(
            lambda group, number: self._at(group).column(number), of.column(0).capacity, positives
        )

    def settle(self, states: Sequence[Any]) -> Entries | None:
        """Let each group's table take its own over; nothing is left."""
        if self.squares is not None:
            self.squares.into_each([None if state is None else state.squares for state in states])
        return self.sort()
