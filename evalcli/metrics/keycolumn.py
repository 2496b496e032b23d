"""The table that counts keys: exact while it fits, binned and honest beyond.

A ``KeyColumn`` counts rows by (side, key), where a side is what the rows have in common besides the score: their class.
It is exact until it holds more entries than its capacity. Then it drops low bits of the keys: an entry is a bin
``key >> shift`` that still knows its least and its largest key, so that a bin of true ties is told from a bin of
different scores.

The shift is the least one for which all entries fit. Bins are nested: no part of the input needs a larger shift than
the whole, and the entries of a larger shift follow from those of a smaller one. So two tables merge at the larger of
their shifts and go on from there, and what comes out depends on the rows alone: not on batches, workers, or the order
and grouping of merges.

16-bit floats have 65,536 values at most, so they stay exact wherever the capacity is as large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keybins import MOST, KnownBins
from evalcli.metrics.keyentries import Bins, binned, ends_of, in_order, merged_bins, no_bins
from evalcli.metrics.keys import UNSIGNED, fitted, numbered
from evalcli.metrics.keyspread import MOST_SPREAD, spread_bins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalcli.metrics.arrays import HostArray

_WORTH = 4
"""Keys are counted into bins of which there are at most so many times as many; to know these takes time, too."""

_FEW_BINS = 1 << 16
"""Where there may be no more bins, all keys are spread; of more, those that do not lie in bins that are there."""
_FEW_LEFT = 4
"""One part in so many of the keys that may wait is few."""


class _Rows(NamedTuple):
    keys: HostArray
    repeats: HostArray | None
    weight: HostArray | None


class _Table(NamedTuple):
    """What another column holds: its shift, and the entries of its sides."""

    shift: int
    sides: tuple[Bins, ...]

    @property
    def entries(self) -> int:
        """How many there are."""
        return sum(len(side.least) for side in self.sides)


class KeyColumn:
    """Rows of one column of scores counted by side and key, at most ``capacity`` entries over all sides.

    >>> from evalcli.metrics.keys import scores_of, sort_keys
    >>> column = KeyColumn(sides=2, bits=64, capacity=100)
    >>> column.add(1, sort_keys(np.array([0.5, 0.5, 2.0])))
    >>> scores_of(column.bins(1).least), column.bins(1).amounts
    (array([0.5, 2. ]), array([2, 1]))
    """

    def __init__(self, sides: int, bits: int, capacity: int, *, weighted: bool = False) -> None:
        self.bits = bits
        self.capacity = max(capacity, 2 * sides)  # what the largest shift, of all bits but one, may leave
        self.weighted = weighted
        self._sides = [no_bins(bits, weighted) for _ in range(sides)]
        self._shift = 0
        self._waiting: list[list[_Rows]] = [[] for _ in range(sides)]
        self._rows_waiting = 0
        self._merging: list[_Table] = []
        self._entries_merging = 0
        # raw keys take no more room than the entries, nor do keys with weights
        self._most_waiting = self.capacity if weighted else self.capacity * (2 * bits + 64) // bits
        self._hand: Callable[[int, HostArray], object] | None = None

    def add(
        self, side: int, keys: HostArray, repeats: HostArray | None = None, weight: HostArray | None = None
    ) -> None:
        """Count rows of ``side`` at ``keys`` (N,), each ``repeats`` (N,) times, in a weighted table with ``weight``.

        Keys wait unsorted until they take as much room as the table may, and are then counted into it at once.
        """
        if weight is None and self.weighted:
            weight = np.ones(len(keys))
        given = [amount for amount in (repeats, weight) if amount is not None]
        if not all(amount.all() for amount in given):  # what adds nothing must not leave a key behind
            held = np.logical_and.reduce([amount != 0 for amount in given])
            keys = keys[held]
            repeats, weight = (None if part is None else part[held] for part in (repeats, weight))
        if self._hand is not None and not given:
            self._hand(side, keys)
        elif len(keys):
            self._waiting[side].append(_Rows(keys, repeats, weight))
            self._rows_waiting += len(keys)
        if self._rows_waiting >= self._most_waiting:
            self._make_room()

    def hand_to(self, hand: Callable[[int, HostArray], object] | None) -> None:
        """Give keys without repeats and weights to ``hand``, with their side, for another column like this to count.

        ``None``: count them here again.
        """
        self._hand = hand

    def take_bins(self, shift: int, sides: Sequence[Bins]) -> None:
        """Take in entries of every side that were made elsewhere, of keys without their ``shift`` low bits."""
        table = _Table(shift, tuple(sides))
        if table.entries:
            self._merging.append(table)
            self._entries_merging += table.entries
        if self._entries_merging > self.capacity:
            self.settle()

    @property
    def shift(self) -> int:
        """How many low bits are dropped; 0 is exact."""
        self.settle()
        return self._shift

    def bins(self, side: int) -> Bins:
        """The entries of one side."""
        self.settle()
        return self._sides[side]

    def bins_of(self, sides: Sequence[int]) -> Bins:
        """The entries of several sides as one."""
        self.settle()
        return merged_bins([self._sides[side] for side in sides], self._shift)

    def settle(self) -> None:
        """Sort what waits into the table, which whoever asks for it would have to do."""
        few = self.capacity <= _FEW_BINS
        if few and self._spread():
            return
        self._count_known()
        if not few and self._spread():
            return
        if self._rows_waiting:
            self._take_rows()
        if self._merging:
            self._take_tables()

    def _make_room(self) -> None:
        """Take in what waits but for few keys of new bins, which are sorted when there are more of them."""
        few = self.capacity <= _FEW_BINS
        if few and self._spread():
            return
        self._count_known()
        rows, tables = self._rows_waiting * _FEW_LEFT > self._most_waiting, self._entries_merging > self.capacity
        if not few and (rows or tables) and self._spread():
            return
        if rows:
            self._take_rows()
        if tables:
            self._take_tables()

    def _take_rows(self) -> None:
        waiting = [_sorted(self._waiting.pop(0), self.bits) for _ in self._sides]
        self._waiting, self._rows_waiting = [[] for _ in self._sides], 0
        # before any entry is made: raw keys take less room
        shift, starts = fitted([rows.keys for rows in waiting], self._shift, self.capacity)
        self._coarsen(shift)
        self._take([_Table(shift, tuple(self._runs(waiting.pop(0), starts.pop(0)) for _ in self._sides))])

    def _spread(self) -> bool:
        """Take in all that waits without sorting it, where that can be; what may fit as it is had better be sorted."""
        if self.weighted or self.capacity > MOST_SPREAD or not self._rows_waiting + self._entries_merging:
            return False
        tables = [_Table(self._shift, tuple(self._sides)), *self._merging]
        shift = max(table.shift for table in tables)
        if not shift and self._rows_waiting + self._entries_merging <= self.capacity:
            return False
        held = [[table.sides[side] for table in tables] for side in range(len(self._sides))]
        for waiting, parts in zip(self._waiting, held, strict=True):
            parts += [Bins(rows.keys, rows.keys, rows.repeats) for rows in waiting if rows.repeats is not None]
        plain = [[rows.keys for rows in waiting if rows.repeats is None] for waiting in self._waiting]
        found = spread_bins(plain, held, shift, self.capacity)
        if found is None:
            return False
        self._shift, self._sides = found
        self._waiting, self._rows_waiting = [[] for _ in self._sides], 0
        self._merging, self._entries_merging = [], 0
        return True

    def _count_known(self) -> None:
        """Count what waits for bins that are there: of a table that has dropped bits most keys, if they are many."""
        if not self._shift or self.weighted:
            return
        for side, (held, waiting) in enumerate(zip(self._sides, self._waiting, strict=True)):
            plain = [rows.keys for rows in waiting if rows.repeats is None]
            many = sum(map(len, plain))
            if not 0 < len(held.least) <= min(many * _WORTH, MOST):
                continue
            known = KnownBins(held.least, held.largest, held.values(), self._shift)
            if known.is_dense:
                left = known.count(np.concatenate(plain))
                self._sides[side] = Bins(*known.bins())
                self._waiting[side] = [_Rows(left, None, None), *(rows for rows in waiting if rows.repeats is not None)]
                self._rows_waiting += len(left) - many

    def _take_tables(self) -> None:
        merging, self._merging, self._entries_merging = self._merging, [], 0
        self._take(merging)

    def _take(self, tables: Sequence[_Table]) -> None:
        """Merge other entries into these, at the least shift at which all of them fit."""
        parts = [[held, *(table.sides[side] for table in tables)] for side, held in enumerate(self._sides)]
        ordered = [in_order([part for part in each if len(part.least)] or each[:1]) for each in parts]
        shift = max(self._shift, *(table.shift for table in tables))
        self._shift, starts = fitted([each.least for each in ordered], shift, self.capacity)
        self._sides = [binned(each, starts.pop(0).nonzero()[0], self._shift) for each in ordered]

    def _runs(self, rows: _Rows, starts: HostArray) -> Bins:
        """Sorted rows as bins of the present shift, of which one begins wherever it ``starts``."""
        if not len(rows.keys):
            return no_bins(self.bits, self.weighted)
        heads = starts.nonzero()[0]
        ends = ends_of(heads, len(rows.keys))
        least = rows.keys[heads]
        largest = rows.keys[ends - 1] if self._shift else least
        if self.weighted:
            sums = ExactSum(len(heads))
            sums.add(rows.weight, numbered(heads, len(rows.keys)), rows.repeats)
            return Bins(least, largest, sums)
        if rows.repeats is None:
            return Bins(least, largest, ends - heads)
        return Bins(least, largest, np.add.reduceat(rows.repeats, heads))

    def _coarsen(self, shift: int) -> None:
        if shift > self._shift:
            self._shift = shift
            for number, side in enumerate(self._sides):
                self._sides[number] = merged_bins([side], shift)

    def fresh(self) -> Self:
        """An empty one of the same configuration."""
        return type(self)(len(self._sides), self.bits, self.capacity, weighted=self.weighted)

    def merge(self, other: Self) -> Self:
        """Take in another's entries, in place.

        Rows that wait there wait here, and are sorted once, with the others, or are handed on. Entries wait, too,
        while they are no more than the table may hold: whoever asks first pays, and several columns can be asked side
        by side.
        """
        for side, theirs in enumerate(other._waiting):
            for rows in theirs:
                if self._hand is not None and rows.repeats is rows.weight is None:
                    self._hand(side, rows.keys)
                else:
                    self._waiting[side].append(rows)
                    self._rows_waiting += len(rows.keys)
        held = _Table(other._shift, tuple(other._sides))
        self._merging += [held] * bool(held.entries) + other._merging
        self._entries_merging += held.entries + other._entries_merging
        if self._rows_waiting >= self._most_waiting or self._entries_merging > self.capacity:
            self._make_room()
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """The entries of all sides behind one another, how many each has, and the shift."""
        self.settle()
        state = {
            "shift": np.array(self._shift),
            "entries": np.array([len(side.least) for side in self._sides], np.int64),
            "least": np.concatenate([side.least for side in self._sides]),
            "largest": np.concatenate([side.largest for side in self._sides]),
        }
        if not self.weighted:
            return state | {"counts": np.concatenate([side.values() for side in self._sides])}
        for number, side in enumerate(self._sides):
            assert isinstance(side.amounts, ExactSum)
            state |= {f"weights{number}.{name}": array for name, array in side.amounts.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        self._check_saved(state)
        self._waiting, self._rows_waiting = [[] for _ in self._sides], 0
        self._merging, self._entries_merging = [], 0
        self._shift = int(state["shift"])
        ends = np.cumsum(state["entries"])
        for number, (stop, size) in enumerate(zip(ends.tolist(), state["entries"].tolist(), strict=True)):
            part = slice(stop - size, stop)
            least = state["least"][part].copy()
            amounts: HostArray | ExactSum
            if self.weighted:
                amounts = ExactSum(size)
                names = {name: f"weights{number}.{name}" for name in ("limbs", "first")}
                amounts.load_state_dict({name: state[key] for name, key in names.items() if key in state})
                if amounts.cells != size:
                    raise ValueError("the saved table has other weights than keys")
            else:
                amounts = state["counts"][part].copy()
            self._sides[number] = Bins(least, state["largest"][part].copy() if self._shift else least, amounts)

    def _check_saved(self, state: Mapping[str, HostArray]) -> None:
        """Whether this may be a state of such a column: its keys by bin, ascending on each side, and what they count.

        Raises: ``ValueError`` when it is not.
        """
        names = ("shift", "entries", "least", "largest", *(() if self.weighted else ("counts",)))
        if not all(name in state for name in names):
            raise ValueError("the saved table is not whole")
        shift, entries, least, largest = (state[name] for name in names[:4])
        whole = shift.shape == () and shift.dtype == entries.dtype == np.int64 and entries.shape == (len(self._sides),)
        if not whole or least.dtype != UNSIGNED[self.bits] or not 0 <= int(shift) < self.bits:
            raise ValueError("the saved table has other sides or keys")
        if not (entries >= 0).all() or least.ndim != 1 or largest.dtype != least.dtype or largest.shape != least.shape:
            raise ValueError("the saved table has other sides or keys")
        total = sum(entries.tolist())  # numbers of any size, which no forged one can make wrap
        if total != len(least) or total > self.capacity:
            raise ValueError("the saved table holds other entries than it says")
        bins = least >> least.dtype.type(int(shift))
        rising = np.append(True, bins[1:] > bins[:-1])[: len(bins)]
        starts = np.cumsum(entries) - entries
        rising[starts[entries > 0]] = True
        if not (rising.all() and (largest >= least).all() and (largest >> least.dtype.type(int(shift)) == bins).all()):
            raise ValueError("the keys of the saved table do not ascend")
        counts = state.get("counts")
        if counts is not None and (counts.dtype != np.int64 or counts.shape != least.shape or not (counts > 0).all()):
            raise ValueError("the saved table has no counts")


def columns_of(states: Iterable[object]) -> Iterator[KeyColumn]:
    """The columns that ``states`` hold."""
    for state in states:
        yield from (held for held in vars(state).values() if isinstance(held, KeyColumn))


def _sorted(waiting: list[_Rows], bits: int) -> _Rows:
    """All that waits as rows by ascending key."""
    keys = np.concatenate([rows.keys for rows in waiting]) if waiting else np.zeros(0, UNSIGNED[bits])
    if all(rows.repeats is None and rows.weight is None for rows in waiting):
        waiting.clear()
        keys.sort()
        return _Rows(keys, None, None)
    order = np.argsort(keys)
    repeats = np.concatenate([_ones(rows.keys) if rows.repeats is None else rows.repeats for rows in waiting])
    weight = np.concatenate([_ones(rows.keys) if rows.weight is None else rows.weight for rows in waiting])
    return _Rows(keys[order], repeats[order], weight[order])


def _ones(keys: HostArray) -> HostArray:
    return np.ones(len(keys), np.int64)
