"""Rows grouped by the ranks of prediction and target: what rank correlations read.

The groups are exact while the pairs fit into memory; beyond, they are those of ``paircells``, and say of which ranks it
is not known how the rows inside them follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keys import as_places, heads_of, numbered, numbers_at, order_of, scores_of, sort_keys
from evalcli.metrics.paircells import PairRows, PairTable
from evalcli.metrics.threads import each
from evalcli.metrics.values import ValueState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import ValueRows

BUDGET = 64 << 20
"""Bytes for the pairs of all outputs, unless told otherwise."""
_EACH = 8
"""A table may have so many places for each cell."""
_WORD = 32
"""Two ranks in one number: there are never 2^31 of them."""


@dataclass(frozen=True)
class PairGroups:
    """Rows (K,) grouped by the ranks of prediction and target, in that order.

    ``x`` and ``y`` (K,) int64 number the distinct predictions and targets, or the bins of them, from the least, and
    ``amounts`` says how many rows, or what weight, have both. ``x_tied`` (X,) and ``y_tied`` (Y,) bool say of which
    bins it is certain that all their rows have one value. ``x_values`` (X,) and ``y_values`` (Y,) are the numbers
    themselves, or the middles of the bins.
    """

    x: HostArray
    y: HostArray
    amounts: HostArray
    x_tied: HostArray
    y_tied: HostArray
    x_values: HostArray
    y_values: HostArray

    @property
    def exact(self) -> bool:
        """Whether every order and every tie is known."""
        return bool(self.x_tied.all() and self.y_tied.all())

    def turned(self) -> PairGroups:
        """The same with the two sides exchanged."""
        order = order_of(self.y, len(self.y_tied))  # of one target by prediction, as they are
        ids = self.y[order], self.x[order]
        return PairGroups(*ids, self.amounts[order], self.y_tied, self.x_tied, self.y_values, self.x_values)


class PairValues(NamedTuple):
    """Predictions and targets (K,), and how many rows each pair stands for, (K,) float64."""

    preds: HostArray
    target: HostArray
    repeats: HostArray


class RankPairs(ValueState):
    """Predictions and targets of every output as pairs of ranks.

    >>> state = RankPairs()
    >>> state.update(np.array([0.5, 0.5, 9.0]), np.array([1.0, 1.0, -4.0]))
    >>> groups = state.compute()[0]
    >>> groups.x, groups.y, groups.amounts
    (array([0, 1]), array([1, 0]), array([2, 1]))
    """

    def __init__(self, outputs: int = 1, *, budget: int = BUDGET, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.budget = budget
        for number in range(outputs):
            self.add_state(f"pairs{number}", PairTable(budget // outputs, weighted=weighted))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.budget

    def _pairs(self, number: int) -> PairTable:
        pairs: PairTable = getattr(self, f"pairs{number}")
        return pairs

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for number in range(self.outputs):
            keys = PairRows(_ordered(rows.preds[number]), _ordered(rows.target[number]), rows.repeats, rows.weight)
            self._pairs(number).add(keys if rows.counted is None else keys.some(rows.counted))

    def values(self, number: int) -> PairValues | None:
        """Every row of the output ``number``, in no order; ``None`` where rows weigh or are not all kept."""
        table = self._pairs(number)
        if self.weighted or not table.exact:
            return None
        rows = table.every_pair()
        repeats = np.ones(len(rows.x)) if rows.repeats is None else rows.repeats.astype(np.float64)
        return PairValues(_values(rows.x), _values(rows.y), repeats)

    def tables(self) -> Iterator[PairTable]:
        """Where pairs wait to be brought into cells."""
        yield from map(self._pairs, range(self.outputs))

    def compute(self, workers: int = 1) -> list[PairGroups]:
        """The pairs of every output so far; of both sides at once where there are several ``workers``."""
        return [_groups(table, workers) for table in self.tables()]


def _ordered(values: HostArray) -> HostArray:
    """Keys (n,) uint64 in the order of ``values`` that end in zeros where the numbers do, on either side of 0."""
    keys = sort_keys(values)
    keys += keys < np.uint64(1 << 63)
    return keys


def _values(keys: HostArray) -> HostArray:
    """The numbers (n,) float64 that have these keys of ``_ordered``."""
    return scores_of(keys - (keys < np.uint64(1 << 63)))


def _groups(table: PairTable, workers: int) -> PairGroups:
    """The rows or the cells of a table as ranks of both sides."""
    if table.exact:
        rows = table.every_pair()
        x, y = each(lambda side: _Ranks.of(side, side), [rows.x, rows.y], workers)
        return _grouped(x, y, rows.repeats, rows.weight)
    cells, bits = table.cells()
    x_least, x_most, y_least, y_most = cells.ends
    sides = [(x_least, x_most, bits // 2), (y_least, y_most, (bits + 1) // 2)]
    x, y = each(lambda side: _Ranks.of(*side), sides, workers)
    if isinstance(cells.amounts, ExactSum):
        return _grouped(x, y, None, cells.amounts.value())
    return _grouped(x, y, cells.amounts, None)


class _Ranks(NamedTuple):
    """The number (K,) of each key's bin by rising key; which bins (B,) hold one value; and the middle of each (B,)."""

    ids: HostArray
    tied: HostArray
    values: HostArray

    @classmethod
    def of(cls, least: HostArray, most: HostArray, shift: int = 0) -> _Ranks:
        """The bins of keys without their ``shift`` low bits; each stands for keys from ``least`` to ``most``."""
        if shift and len(least):
            return cls._of_bins(least, most, shift)
        order = np.argsort(least)
        first = least[order]
        heads = heads_of(first, shift)
        ids = np.empty(len(order), np.int64)
        ids[order] = numbered(heads, len(order))
        return cls(ids, np.ones(len(heads), bool), _values(first[heads]))

    @classmethod
    def _of_bins(cls, least: HostArray, most: HostArray, shift: int) -> _Ranks:
        """Few bins, that lie side by side, are found in a table of all numbers between the first and the last."""
        bins = least >> np.uint64(shift)
        bins -= bins.min()
        if int(bins.max()) < _EACH * len(bins):
            places = as_places(bins)
            there = np.zeros(int(places.max()) + 1, bool)
            there[places] = True
            ids = numbers_at(there.nonzero()[0], len(there)).take(places).astype(np.int64)
        else:
            ids = np.unique(bins, return_inverse=True)[1].reshape(-1)
        many = int(ids.max()) + 1
        first, last = np.full(many, np.iinfo(np.uint64).max, np.uint64), np.zeros(many, np.uint64)
        np.minimum.at(first, ids, least)
        np.maximum.at(last, ids, most)
        low, high = _values(first), _values(last)
        return cls(ids, first == last, low + (high - low) / 2)


def _grouped(x: _Ranks, y: _Ranks, repeats: HostArray | None, weight: HostArray | None) -> PairGroups:
    """Rows or cells as groups, each pair of ranks once."""
    packed = (x.ids << _WORD) | y.ids
    amounts: HostArray
    if repeats is None and weight is None:
        packed.sort()
        heads = heads_of(packed)
        amounts = np.diff(heads, append=len(packed))
    else:
        order = np.argsort(packed, kind="stable")
        packed = packed[order]
        heads = heads_of(packed)
        if weight is None:
            assert repeats is not None
            amounts = np.add.reduceat(repeats[order], heads) if len(heads) else repeats
        else:
            sums = ExactSum(len(heads))
            sums.add(weight[order], numbered(heads, len(packed)), None if repeats is None else repeats[order])
            amounts = sums.value()
    packed = packed[heads]
    ids = packed >> _WORD, packed & ((1 << _WORD) - 1)
    return PairGroups(*ids, amounts, x.tied, y.tied, x.values, y.values)
