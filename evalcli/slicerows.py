"""Rows of slices: taken apart by the code of the slice that each is in, and brought together over several batches."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalcli.sources.base import Array, Slicer

WAITING_BYTES = 32 << 20
"""Bytes of rows that wait with all workers. Measured with two of them: a 16th of it takes no more time."""
RANKED_TIMES = 4
"""So many times that where scores rank, whose runs are sorted: 10M × 10 logits by 50 took 16.1 for 17.5 CPU seconds."""
GROUPS = 16
"""As many as groups of slices there are at most: with fewer a worker may be busy with one when all others are done."""
_SHORT = (1 << 15) - 1
"""Codes that 16 bits hold, and the one after."""
PIECE_BYTES = 128
"""What is held of a slice's rows in a batch beside their values, or a little more: a slice may wait in single rows."""


def runs(codes: Array) -> Iterator[tuple[int, Array]]:
    """The rows (N,) of each code, in their order; those with −1 come first."""
    order, held, heads = _in_order(codes)
    for code, (start, end) in zip(held, itertools.pairwise(heads), strict=True):
        yield code, order[start:end]


def _in_order(codes: Array) -> tuple[Array, list[int], list[int]]:
    """The rows (N,) by rising code; the codes that occur, and where the rows of each begin, and the last ones end."""
    if not len(codes):
        return np.zeros(0, np.int64), [], [0]
    if codes.min() >= -1 and codes.max() < _SHORT:
        short = codes.astype(np.int16)
        order = np.argsort(short, kind="stable")  # so few are sorted digit by digit
        counts = np.bincount(short + 1)
        held = np.flatnonzero(counts)
        return order, (held - 1).tolist(), [0, *counts[held].cumsum().tolist()]
    order = np.argsort(codes, kind="stable")
    rising = codes[order]
    heads = np.concatenate([[0], np.flatnonzero(rising[1:] != rising[:-1]) + 1])
    return order, rising[heads].tolist(), [*heads.tolist(), len(order)]


def inside(codes: Array) -> Iterator[tuple[int, Array]]:
    """The rows of each slice, in their order; those with −1 are in none."""
    for code, rows in runs(codes):
        if code >= 0:
            yield code, rows


class Rows(Protocol):
    """Rows that were prepared to be counted."""

    @property
    def length(self) -> int:
        """How many there are."""

    @property
    def arrays(self) -> tuple[Array | None, ...]:
        """All that is held of them."""

    def pick(self, rows: Array | slice) -> Self:
        """Some of them."""

    def joined(self, others: Sequence[Self]) -> Self:
        """A copy of them with ``others`` behind them, which hold the same arrays."""


R = TypeVar("R", bound=Rows)


def apart(rows: R, codes: Array) -> Iterator[tuple[int, R]]:
    """Copies of the rows of each code (N,), in their order; −1 comes first."""
    for code, places in runs(codes):
        yield code, rows.pick(places)


class _Brought(NamedTuple, Generic[R]):
    """Copies of rows by rising code: the codes, and where the rows of each begin, and the last ones end."""

    rows: R
    codes: list[int]
    heads: list[int]

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(part.nbytes for part in self.rows.arrays if part is not None) + PIECE_BYTES * len(self.codes)

    def of(self, code: int) -> Iterator[R]:
        """The rows of one code, if there are any."""
        place = bisect_left(self.codes, code)
        if self.codes[place : place + 1] == [code]:
            yield self.rows.pick(slice(self.heads[place], self.heads[place + 1]))


class Waiting(Generic[R]):
    """The rows of every code from several batches, until there are many of one.

    Those of a batch are copied once, by groups of codes that lie side by side, and the group that holds most goes when
    there is no more room: so groups go one by one, and between two batches a worker counts little. The longest runs of
    a group go first, and three quarters of its rows: what is left is copied, so that its batches can go.
    """

    def __init__(self, share: int = 1, times: int = 1) -> None:
        self._most = times * WAITING_BYTES // share
        self._lasts: list[int] | None = None  # the last code of each group but the last one
        self._groups: list[_Group[R]] = []
        self._kinds: list[str] = []

    def add(self, rows: R, codes: Array) -> Iterator[tuple[int, R]]:
        """Let rows wait, each with its code (N,); those whose time has come, by code."""
        kinds = _kinds(rows)
        ready = [] if kinds == self._kinds else [self.all()]
        self._kinds = kinds
        order, held, heads = _in_order(codes)
        if self._lasts is None:
            self._lasts = _parted(held, heads)
            self._groups = [_Group() for _ in range(len(self._lasts) + 1)]
        ends = [bisect_right(held, last) for last in self._lasts]
        for group, start, end in zip(self._groups, [0, *ends], [*ends, len(held)], strict=True):
            if start < end:
                first, last = heads[start], heads[end]
                bounds = [head - first for head in heads[start : end + 1]]
                group.take(_Brought(rows.pick(order[first:last]), held[start:end], bounds))
        while sum(group.nbytes for group in self._groups) > self._most:
            ready.append(max(self._groups, key=lambda group: group.nbytes).longest())
        return itertools.chain.from_iterable(ready)

    def all(self) -> Iterator[tuple[int, R]]:
        """All that wait, by code; then none do."""
        return itertools.chain.from_iterable([group.all() for group in self._groups])


def _parted(codes: Sequence[int], heads: Sequence[int]) -> list[int]:
    """The last codes of all groups but the last one, into which rows that begin at ``heads`` fall most evenly."""
    rows = heads[-1]
    ends = (bisect_left(heads, rows * number // GROUPS) for number in range(1, GROUPS))
    return sorted({codes[end - 1] for end in ends if 0 < end < len(codes)})


class _Group(Generic[R]):
    """The rows of some codes that wait."""

    def __init__(self) -> None:
        self._held: list[_Brought[R]] = []
        self.nbytes = 0

    def take(self, part: _Brought[R]) -> None:
        """Rows of a batch."""
        self._held.append(part)
        self.nbytes += part.nbytes

    def all(self) -> Iterator[tuple[int, R]]:
        """All that wait, by code; then none do."""
        held, self._held, self.nbytes = self._held, [], 0
        return _together(held, sorted({code for part in held for code in part.codes}))

    def longest(self) -> Iterator[tuple[int, R]]:
        """The longest runs, until a quarter of the rows is left."""
        sizes: dict[int, int] = {}
        for part in self._held:
            for code, (start, end) in zip(part.codes, itertools.pairwise(part.heads), strict=True):
                sizes[code] = sizes.get(code, 0) + end - start
        left = sum(sizes.values())
        most, taken = left // 4, set[int]()
        for code in sorted(sizes, key=lambda code: (-sizes[code], code)):
            if left <= most:
                break
            left -= sizes[code]
            taken.add(code)
        held, stay = self._held, sorted(sizes.keys() - taken)
        self._held = [_copied(held, stay, sizes)] if stay else []
        self.nbytes = sum(part.nbytes for part in self._held)
        return _together(held, sorted(taken))


def _together(held: Sequence[_Brought[R]], codes: Sequence[int]) -> Iterator[tuple[int, R]]:
    """The rows of each of the ``codes``, one after the other: they are not all there twice."""
    for code in codes:
        first, *others = (piece for part in held for piece in part.of(code))
        yield code, first.joined(others) if others else first


def _copied(held: Sequence[_Brought[R]], codes: Sequence[int], sizes: Mapping[int, int]) -> _Brought[R]:
    """Copies of the rows of ``codes``, of which there are so many as ``sizes`` say."""
    first, *others = (piece for code in codes for part in held for piece in part.of(code))
    return _Brought(first.joined(others), [*codes], [0, *itertools.accumulate(sizes[code] for code in codes)])


def places_to_wait(slicers: Sequence[Slicer], workers: int, *, ranked: bool = False) -> tuple[Waiting[Any], ...]:
    """One for the slices of each slicer; they share the memory, as the ``workers`` do. Scores may be ``ranked``."""
    return tuple(Waiting(len(slicers) * workers, RANKED_TIMES if ranked else 1) for _ in slicers)


def _kinds(rows: Rows) -> list[str]:
    """What must agree for rows to be joined as they are."""
    return ["" if part is None else str(part.dtype) for part in rows.arrays]
