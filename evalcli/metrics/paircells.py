"""Pairs of keys counted in bounded memory: every pair while they fit, then cells of them.

Up to as many rows as the budget holds, every pair is kept. Beyond, low bits are dropped from the keys of both sides in
turn, until the *cells* that rows share fit: a cell knows the least and the largest key on either side. How many bits
are dropped depends on the rows alone, as in ``keys``: cells are nested, so no part of the input needs more than the
whole.

Two keys of 64 bits do not fit into one word, so a cell is addressed by 32 bits of each, interleaved. They start below
the highest bit in which any two keys differ, and what lies under them is dropped from the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keys import heads_of, least_shift, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.arrays import HostArray

_WINDOW = 32
_SPREAD = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)
_CHUNK = 1 << 14
_LEAST = 16
"""Even no memory at all holds so many cells."""


class PairRows(NamedTuple):
    """Keys (n,) of both sides; ``repeats`` int64 and ``weight`` float64, or ``None`` for ones."""

    x: HostArray
    y: HostArray
    repeats: HostArray | None = None
    weight: HostArray | None = None

    def some(self, kept: HostArray) -> PairRows:
        """Only some of the rows."""
        repeats, weight = (None if part is None else part[kept] for part in (self.repeats, self.weight))
        return PairRows(self.x[kept], self.y[kept], repeats, weight)

    @property
    def size(self) -> int:
        """Rows of the input."""
        return len(self.x) if self.repeats is None else int(self.repeats.sum())


class PairCells(NamedTuple):
    """Cells (K,) in the order of their addresses: rows or sums of weights between the ``ends``.

    Those are the least and the largest key of one side, then of the other, each (K,).
    """

    ends: tuple[HostArray, ...]
    amounts: HostArray | ExactSum

    @property
    def corner(self) -> tuple[HostArray, HostArray]:
        """A key of each side, by which a cell is addressed."""
        return self.ends[0], self.ends[2]


class PairTable:
    """The pairs of one output; a state of its own kind, which merges."""

    def __init__(self, budget: int, *, weighted: bool = False) -> None:
        self.budget, self.weighted = budget, weighted
        self.most_rows = budget // (24 if weighted else 16)
        self.capacity = max(budget // (4 * 8 + (24 if weighted else 8)), _LEAST)
        self.rows = 0
        self._waiting: list[PairRows] = []
        self._rows_waiting = 0
        self._cells = _no_cells(weighted)
        self._merging: list[PairCells] = []
        self._level = 0
        """Low bits dropped from both keys together."""
        self._ones = np.zeros(2, np.uint64)
        self._zeros = np.full(2, np.iinfo(np.uint64).max)
        """Bits that are set in any key, and those that are set in all: of predictions, of targets."""

    @property
    def exact(self) -> bool:
        """Whether every pair is kept."""
        return self.rows <= self.most_rows

    def add(self, rows: PairRows) -> None:
        """Count rows, none of weight 0."""
        if not len(rows.x):
            return
        self._waiting.append(rows)
        self._rows_waiting += len(rows.x)
        self.rows += rows.size
        for side, keys in enumerate((rows.x, rows.y)):
            self._ones[side] |= np.bitwise_or.reduce(keys)
            self._zeros[side] &= np.bitwise_and.reduce(keys)
        if not self.exact and self._rows_waiting >= self.most_rows:
            self._settle()

    @property
    def _offset(self) -> int:
        """Where the window of 32 bits begins, below the highest bit in which two keys differ."""
        differs = int((self._ones ^ self._zeros).max()) if self.rows else 0
        return max(differs.bit_length() - _WINDOW, 0)

    def _settle(self) -> None:
        """Bring what waits, and cells of other tables, into cells; as few bits are dropped as will do."""
        offset = self._offset
        rows = _joined(self._waiting)
        held = [cells for cells in (self._cells, *self._merging) if len(cells.ends[0])]
        self._waiting, self._rows_waiting, self._merging = [], 0, []
        corners = [_address(*cells.corner, offset) for cells in held]
        ordered = _in_order(_address(rows.x, rows.y, offset))
        least = max(self._level - 2 * offset, 0)
        shift = self._shift_of(ordered, corners, least)
        if shift == ordered.dropped > least:  # fewer bits may do
            ordered = _fully(rows, ordered.order, offset)
            shift = self._shift_of(ordered, corners, least)
        places = ordered.places >> np.uint64(shift - ordered.dropped)
        heads = heads_of(places)
        parts = [_cells_of(rows, ordered.order, heads, weighted=self.weighted), *held]
        del rows, ordered  # what is no longer needed makes room, rows take the most of it
        corners = [places[heads], *(corner >> np.uint64(shift) for corner in corners)]
        self._cells = _united(parts, np.concatenate(corners)) if held else parts[0]
        self._level = 2 * offset + shift

    def _shift_of(self, ordered: _Ordered, corners: Sequence[HostArray], least: int) -> int:
        """How many low bits of all addresses must be dropped, ``least`` and those of the ordered ones anyhow."""
        dropped = np.uint64(ordered.dropped)
        every = np.concatenate([ordered.places, *(corner >> dropped for corner in corners)])
        if corners:
            every.sort(kind="stable")  # sorted runs
        return least_shift([every], max(least - ordered.dropped, 0), self.capacity) + ordered.dropped

    def settle(self) -> None:
        """Bring what waits into cells, which whoever asks for them would have to do."""
        if not self.exact:
            self._settle()

    def every_pair(self) -> PairRows:
        """All rows, while the table is exact."""
        return _joined(self._waiting)

    def cells(self) -> tuple[PairCells, int]:
        """The cells, once it is not, and how many low bits of both keys together they disregard."""
        self._settle()
        return self._cells, self._level

    def fresh(self) -> Self:
        """An empty one of the same configuration."""
        return type(self)(self.budget, weighted=self.weighted)

    def merge(self, other: Self) -> Self:
        """Take in another's rows, in place.

        Its cells wait, while they are no more than the table may hold: whoever asks first pays, and several tables can
        be asked side by side.
        """
        self.rows += other.rows
        self._ones = self._ones | other._ones
        self._zeros = self._zeros & other._zeros
        self._level = max(self._level, other._level)
        self._waiting += other._waiting
        self._rows_waiting += other._rows_waiting
        self._merging += [cells for cells in (other._cells, *other._merging) if len(cells.ends[0])]
        many = sum(len(cells.ends[0]) for cells in self._merging) > self.capacity
        if many or (not self.exact and self._rows_waiting >= self.most_rows):
            self._settle()
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """The rows or the cells, and what decides between them."""
        about = np.array([self.rows, self._level], np.int64)
        bits = np.stack([self._ones, self._zeros])
        if self.exact:
            rows = _unique(_joined(self._waiting))
            self._waiting, self._rows_waiting = [rows], len(rows.x)
            state = {"about": about, "bits": bits, "x": rows.x, "y": rows.y}
            state["repeats"] = _ones(rows.x) if rows.repeats is None else rows.repeats
            return state if rows.weight is None else state | {"weight": rows.weight}
        self._settle()
        about[1] = self._level
        state = {"about": about, "bits": bits, "ends": np.stack(self._cells.ends)}
        if not isinstance(self._cells.amounts, ExactSum):
            return state | {"counts": self._cells.amounts}
        return state | {f"weights.{name}": part for name, part in self._cells.amounts.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        self._check_saved(state)
        self.rows, self._level = state["about"].tolist()
        self._ones, self._zeros = (part.copy() for part in state["bits"])
        self._waiting, self._rows_waiting, self._cells, self._merging = [], 0, _no_cells(self.weighted), []
        if "x" in state:
            rows = PairRows(state["x"], state["y"], state["repeats"], state.get("weight"))
            self._waiting, self._rows_waiting = [rows] if len(rows.x) else [], len(rows.x)
            return
        amounts: HostArray | ExactSum
        if self.weighted:
            amounts = ExactSum(state["ends"].shape[1])
            amounts.load_state_dict({name: state[f"weights.{name}"] for name in ("limbs", "first")})
            if amounts.cells != state["ends"].shape[1]:
                raise ValueError("the saved pairs have other weights than cells")
        else:
            amounts = state["counts"].copy()
        self._cells = PairCells(tuple(state["ends"].copy()), amounts)

    def _check_saved(self, state: Mapping[str, HostArray]) -> None:
        """Whether this may be a state of such a table: rows or cells, and as many as it says.

        Raises: ``ValueError`` when it is not.
        """
        weighs = self.weighted and len(state.get("x", ())) > 0
        kept = ("x", "y", "repeats", *(("weight",) if weighs else ()))
        of_cells = ("ends", *(("weights.limbs", "weights.first") if self.weighted else ("counts",)))
        if {*state} not in ({"about", "bits", *kept}, {"about", "bits", *of_cells}):
            raise ValueError("the saved pairs are not whole")
        about, bits = state["about"], state["bits"]
        if about.dtype != np.int64 or about.shape != (2,) or bits.dtype != np.uint64 or bits.shape != (2, 2):
            raise ValueError("the saved pairs have other keys")
        rows, level = about.tolist()
        if not (rows >= 0 and 0 <= level <= 4 * _WINDOW and ("x" in state or rows > self.most_rows)):
            raise ValueError("the saved pairs are of no such number of rows")
        keys = np.stack([state["x"], state["y"]]) if "x" in state and state["x"].shape == state["y"].shape else None
        keys = state.get("ends", keys)
        if keys is None or keys.dtype != np.uint64 or keys.ndim != 2 or len(keys) != (4 if "ends" in state else 2):
            raise ValueError("the saved pairs have other keys")
        if "ends" in state and not (keys[::2] <= keys[1::2]).all():
            raise ValueError("a cell of the saved pairs ends before it begins")
        counts = state.get("counts", state.get("repeats"))
        if counts is not None:
            usual = counts.dtype == np.int64 and counts.shape == keys.shape[1:] and (counts > 0).all()
            if not usual or sum(counts.tolist()) != rows:
                raise ValueError("the saved pairs count other rows")
        weight = state.get("weight")
        if weight is not None and not (
            weight.dtype == np.float64 and weight.shape == keys.shape[1:] and ((weight > 0) & np.isfinite(weight)).all()
        ):
            raise ValueError("the saved pairs have other weights than rows")


def _address(x: HostArray, y: HostArray, offset: int) -> HostArray:
    """32 bits of each of two keys (n,) from ``offset`` on, interleaved, the bits of ``x`` above those of ``y``."""
    address = np.empty(len(x), np.uint64)
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        spread = _spread(x[part], offset)
        spread <<= np.uint64(1)
        spread |= _spread(y[part], offset)
        address[part] = spread
    return address


def _spread(keys: HostArray, offset: int) -> HostArray:
    """32 bits of each key at every second place."""
    bits = keys >> np.uint64(offset)
    bits &= np.uint64((1 << _WINDOW) - 1)
    for step, mask in _SPREAD:
        bits |= bits << np.uint64(step)
        bits &= np.uint64(mask)
    return bits


def _cells_of(rows: PairRows, order: HostArray, heads: HostArray, *, weighted: bool) -> PairCells:
    """Rows in an ``order`` as cells, of which one begins at each of the ``heads``."""
    if not len(order):
        return _no_cells(weighted)
    amounts: HostArray | ExactSum
    repeats = None if rows.repeats is None else rows.repeats[order]
    if weighted:
        assert rows.weight is not None
        amounts = ExactSum(len(heads))
        amounts.add(rows.weight[order], numbered(heads, len(order)), repeats)
    elif repeats is None:
        amounts = np.diff(heads, append=len(order))
    else:
        amounts = np.add.reduceat(repeats, heads)
    ends: list[HostArray] = []
    for keys in (rows.x, rows.y):
        taken = keys[order]
        ends += [end.reduceat(taken, heads) for end in (np.minimum, np.maximum)]
    return PairCells(tuple(ends), amounts)


class _Ordered(NamedTuple):
    """Rows (n,) by rising address, and these addresses in that order, both but for the ``dropped`` low bits."""

    order: HostArray
    places: HostArray
    dropped: int


def _in_order(addresses: HostArray) -> _Ordered:
    """Rows by as many bits of their address as leave room for their numbers: one word is sorted many times faster."""
    bits = max(len(addresses) - 1, 0).bit_length()
    mask = np.uint64((1 << bits) - 1)
    addresses &= ~mask
    addresses |= np.arange(len(addresses), dtype=np.uint64)
    addresses.sort()
    order = (addresses & mask).view(np.int64)
    addresses >>= np.uint64(bits)
    return _Ordered(order, addresses, bits)


def _fully(rows: PairRows, order: HostArray, offset: int) -> _Ordered:
    """Rows by all bits of their addresses, which may well be the ``order`` they are in."""
    places = _address(rows.x[order], rows.y[order], offset)
    if not (places[1:] >= places[:-1]).all():
        again = np.argsort(places)
        order, places = order[again], places[again]
    return _Ordered(order, places, 0)


def _united(parts: list[PairCells], places: HostArray) -> PairCells:
    """All cells, one for each of their ``places``."""
    order = np.argsort(places, kind="stable")  # sorted runs
    heads = heads_of(places[order])
    ends: list[HostArray] = []
    for number, end in enumerate((np.minimum, np.maximum) * 2):
        keys = np.concatenate([part.ends[number] for part in parts])[order]
        ends.append(end.reduceat(keys, heads) if len(heads) else keys)
    sums = [part.amounts for part in parts if isinstance(part.amounts, ExactSum)]
    if not sums:
        counts = np.concatenate([part.amounts for part in parts if not isinstance(part.amounts, ExactSum)])[order]
        return PairCells(tuple(ends), np.add.reduceat(counts, heads) if len(heads) else counts)
    numbers = np.empty(len(places), np.int64)
    numbers[order] = numbered(heads, len(places))
    return PairCells(tuple(ends), ExactSum.folded(sums, numbers, len(heads)))


def _unique(rows: PairRows) -> PairRows:
    """The same rows, each once, in the order of their keys and weight."""
    repeats = _ones(rows.x) if rows.repeats is None else rows.repeats
    parts = (rows.x, rows.y) if rows.weight is None else (rows.x, rows.y, rows.weight)
    order = np.lexsort(parts[::-1])
    starts = np.zeros(len(order), bool)
    starts[:1] = True
    for part in parts:
        held = part[order]
        starts[1:] |= held[1:] != held[:-1]
    heads = np.flatnonzero(starts)
    times = np.add.reduceat(repeats[order], heads) if len(heads) else repeats
    kept = order[heads]
    return PairRows(rows.x[kept], rows.y[kept], times, None if rows.weight is None else rows.weight[kept])


def _joined(waiting: list[PairRows]) -> PairRows:
    """All rows that wait."""
    none = np.zeros(0, np.uint64)
    x = np.concatenate([none, *(rows.x for rows in waiting)])
    y = np.concatenate([none, *(rows.y for rows in waiting)])
    repeats = weight = None
    if any(rows.repeats is not None for rows in waiting):
        repeats = np.concatenate([_ones(rows.x) if rows.repeats is None else rows.repeats for rows in waiting])
    if any(rows.weight is not None for rows in waiting):
        weight = np.concatenate([np.ones(len(rows.x)) if rows.weight is None else rows.weight for rows in waiting])
    return PairRows(x, y, repeats, weight)


def _no_cells(weighted: bool) -> PairCells:
    none = np.zeros(0, np.uint64)
    return PairCells((none,) * 4, ExactSum(0) if weighted else np.zeros(0, np.int64))


def _ones(keys: HostArray) -> HostArray:
    return np.ones(len(keys), np.int64)
