"""Rows of a search for weak slices that belong together: how many times fewer independent rows tell as much.

What a slice and the rows beside it tell is judged apart, each by the sums of its clusters, as an interval of a slice
is: see :mod:`evalcli.uncertainty.clusters`. Nothing is taken to tell more than independent rows would. That rows of
one cluster lie on both sides is not made use of.

Every row is kept once, with its cluster, its values and what it is compared by: memory grows with the rows that differ
in any of them.
"""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.clustergroups import differ, distinct_rows
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusters import freedom, inflation
from evalcli.uncertainty.twoweighed import Fewer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from evalcli.sources.base import Array

    Place = tuple[tuple[int, ...], tuple[int, ...]]
    """Columns, and the value of each; of all rows ``((), ())``."""

EVERYWHERE: Place = ((), ())
_PENDING = 1 << 20
"""Rows that wait for being brought together."""


class ScanClusters:
    """The rows of every cluster: what they are compared by, and the values of ``columns`` columns that they have."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._parts: list[tuple[Array, ...]] = []
        self._pending = self._settled = 0

    def add(
        self, cluster: Array, codes: Array, values: Array, repeats: Array | None = None, weight: Array | None = None
    ) -> None:
        """Take in rows (N,) with the codes of their values, (N, K), −1 for none."""
        places = [np.ascontiguousarray(codes[:, place]).astype(np.int16) for place in range(self._columns)]
        amounts = np.ones(len(cluster)) if weight is None else weight
        counts = np.ones(len(cluster), np.int64) if repeats is None else repeats
        self._take([(cluster, *places, values.astype(np.float64, copy=False), amounts, counts)])

    def merge(self, other: Self) -> None:
        """Take in what another worker has."""
        self._take(other._parts)

    def _take(self, parts: Sequence[tuple[Array, ...]]) -> None:
        self._parts += parts
        self._pending += sum(len(part[0]) for part in parts)
        if self._pending > max(_PENDING, self._settled):
            self.settle()

    def settle(self) -> tuple[Array, ...]:
        """All rows that differ, sorted by cluster, so that nobody sees in which order they came."""
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        kinds = np.int64, *(np.int16,) * self._columns, np.float64, np.float64, np.int64
        whole = distinct_rows(tuple(columns) if columns else tuple(np.zeros(0, kind) for kind in kinds))
        self._parts, self._pending, self._settled = [whole], 0, len(whole[0])
        return whole

    def moved(self, places: Sequence[Array], kept: Sequence[int]) -> ScanClusters:
        """The same with value ``i`` of a column as ``places[column][i]``, −1 for none, of the columns that are kept."""
        cluster, *codes, values, weight, counts = self.settle()
        found = ScanClusters(len(kept))
        there = [
            np.append(place, -1)[codes[column]].astype(np.int16) for column, place in zip(kept, places, strict=True)
        ]
        found._take([(cluster, *there, values, weight, counts)])
        return found

    def state_dict(self) -> dict[str, Array]:
        """The distinct rows: their columns by number."""
        return {str(number): column for number, column in enumerate(self.settle())}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        mine = self.settle()
        if {*state} != {*map(str, range(len(mine)))}:
            raise ValueError("other columns of clusters")
        whole = tuple(state[str(number)] for number in range(len(mine)))
        fits = [one.dtype == two.dtype and one.shape == whole[0].shape for one, two in zip(whole, mine, strict=True)]
        if not all(fits) or whole[0].ndim != 1 or (whole[-1] < 1).any():
            raise ValueError("columns of clusters of another length or type")
        if not (np.isfinite(whole[-3]).all() and np.isfinite(whole[-2]).all() and (whole[-2] >= 0).all()):
            raise ValueError("clusters of rows without a weight or a value")
        self._parts, self._pending, self._settled = [whole], 0, len(whole[0])

    def check(self, sizes: Sequence[int], rows: int) -> None:
        """Refuse rows that are more than ``rows``, or have values that are not there.

        Raises: ``ValueError``.
        """
        _, *codes, _, _, counts = self.settle()
        if int(counts.sum()) != rows:
            raise ValueError("clusters of other rows")
        for column, size in zip(codes, sizes, strict=True):
            if len(column) and not -1 <= int(column.min()) <= int(column.max()) < size:
                raise ValueError("clusters of values that are not there")

    def judged(self) -> ClusteredRows:
        """The rows that weigh something, to compare slices by."""
        whole = self.settle()
        heavy = whole[-2] > 0.0
        cluster, *codes, values, weight, counts = (column[heavy] for column in whole)
        number = np.cumsum(differ(cluster)) - 1
        once = weight * counts
        total = float(once.sum())
        middle = float((once * values).sum()) / total if total > 0.0 else 0.0
        return ClusteredRows(number, tuple(codes), values - middle, weight, counts)


class _Sums(NamedTuple):
    """By cluster (G,): its number, rows, Σw and Σwv; of all Σw², Σw²v and Σw²v²."""

    cluster: Array
    rows: Array
    weight: Array
    total: Array
    squares: Array

    def without(self, part: _Sums) -> _Sums:
        """Those of all other rows than those of a part."""
        place = np.searchsorted(self.cluster, part.cluster)
        rows, weight, total = (mine.copy() for mine in self[1:4])
        for rest, theirs in zip((rows, weight, total), part[1:4], strict=True):
            rest[place] -= theirs
        kept = rows > 0
        return _Sums(self.cluster[kept], rows[kept], weight[kept], total[kept], self.squares - part.squares)

    @property
    def size(self) -> float:
        """How many independent rows of one weight tell as much."""
        return float(self.weight.sum()) ** 2 / float(self.squares[0]) if self.squares[0] > 0.0 else 0.0

    def fewer(self) -> tuple[float, float]:
        """How many times fewer rows tell as much, and the degrees of freedom of that: none is needed of single rows."""
        weight = float(self.weight.sum())
        if not (weight > 0.0 and self.squares[0] > 0.0) or int(self.rows.max()) == 1:
            return 1.0, inf
        mean = float(self.total.sum()) / weight
        pulls = self.total - mean * self.weight
        variance = dot(self.squares, np.array([mean * mean, -2.0 * mean, 1.0]))
        found = inflation(pulls, variance, self.weight * (weight / float(self.squares[0])))
        return max(found, 1.0), freedom(pulls, self.effective)

    @property
    def effective(self) -> float:
        """How many clusters of one size tell as much."""
        return float(self.weight.sum()) ** 2 / dot(self.weight, self.weight)


class ClusteredRows:
    """Rows (M,) that differ, sorted by cluster: its number, the codes (M,) of each column, the value less the mean."""

    def __init__(self, cluster: Array, codes: tuple[Array, ...], values: Array, weight: Array, counts: Array) -> None:
        self._cluster, self._codes, self._counts = cluster, codes, counts
        once = weight * counts
        squares = weight * once
        self._terms = once, once * values, squares, squares * values, squares * values * values
        self._orders: dict[int, tuple[Array, Array]] = {}

    def fewer(self, part: Place, whole: Place = EVERYWHERE) -> Fewer:
        """What the rows of ``part`` and all others of a ``whole`` tell."""
        mine = self._sums(part)
        rest = (self._all if whole == EVERYWHERE else self._sums(whole)).without(mine)
        sides = [(*side.fewer(), side.size) for side in (mine, rest)]
        shares = [times / size if size > 0.0 else 0.0 for times, _, size in sides]
        unsure = sum(share * share / sure for share, (_, sure, _) in zip(shares, sides, strict=True))
        return Fewer(sides[0][0], sides[1][0], sum(shares) ** 2 / unsure if unsure > 0.0 else inf)

    def usual(self, share: float) -> Fewer:
        """What a ``share`` of all rows and all others would tell, with clusters as they are on average."""
        times, sure = self._all.fewer()
        return Fewer(times, times, sure if sure == inf else max(self._all.effective * share - 1.0, 1.0))

    @cached_property
    def _all(self) -> _Sums:
        return self._sums(EVERYWHERE)

    def _sums(self, place: Place) -> _Sums:
        rows = self._rows(place)
        cluster = self._cluster[rows]
        heads = np.flatnonzero(differ(cluster))
        counts, weight, total = (
            np.add.reduceat(part[rows], heads) if len(heads) else part[:0] for part in (self._counts, *self._terms[:2])
        )
        squares = np.array([float(part[rows].sum()) for part in self._terms[2:]])
        return _Sums(cluster[heads], counts, weight, total, squares)

    def _rows(self, place: Place) -> Array | slice:
        """Which rows have these values, in order."""
        columns, values = place
        if not columns:
            return slice(None)
        rows = self._of_value(columns[0], values[0])
        for column, value in zip(columns[1:], values[1:], strict=True):
            rows = rows[self._codes[column][rows] == value]
        return rows

    def _of_value(self, column: int, value: int) -> Array:
        if column not in self._orders:
            order = np.argsort(self._codes[column], kind="stable")
            held = self._codes[column][order]
            self._orders[column] = order, np.searchsorted(held, np.arange(int(held.max(initial=-1)) + 2))
        order, starts = self._orders[column]
        return order[starts[value] : starts[value + 1]] if value + 1 < len(starts) else order[:0]
