"""How much more a mean over the ranks of columns varies than if these were independent, from a sample of rows.

Each row of the sample has an influence on the ranks of every column, as a positive of it or as a negative. What these
vary by when they are added up row by row, over what they vary by one at a time, is how closely columns go together: 1
where they have nothing in common, their number where all go the same way. It is told apart for positives, for
negatives, and between the two, since columns with few positives weigh much and are seldom in a sample. The variances
of the columns themselves are those of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.once import once
from evalcli.metrics.threads import each
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.rankestimates import coarse
from evalcli.uncertainty.rankinfluences import RowInfluence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.rank_sample import SampledRows
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.rankestimates import RankEstimate

LEAST_ROWS = 20
"""Fewer rows do not tell."""
_LEAST = 0.1
_UNSURE = 0.2
"""The part of a bias that is not known: of many columns it does not average out."""


@dataclass(frozen=True)
class SampledInfluences:
    """The influences of sampled rows on each column: ``moved`` (K, C), ``target`` (K, C) and ``squares`` (K,)."""

    moved: HostArray
    target: HostArray
    squares: HostArray
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was read off already: the slices of one column ask for the same."""

    @classmethod
    def of(
        cls, base: str, rows: SampledRows, rankings: Sequence[Ranking], mean_weight: float = 1.0, workers: int = 1
    ) -> SampledInfluences:
        """On a metric of ranks; 0 where a column is undefined, and of cells that do not count.

        ``mean_weight`` is Σw² / Σw of all rows.
        """

        def of_column(place: int) -> HostArray:
            return _moved(rows, place, RowInfluence.of(base, coarse(rankings[place]), mean_weight=mean_weight))

        moved = np.zeros(rows.scores.shape)
        defined = [place for place, ranking in enumerate(rankings) if ranking.defined]
        for place, column in zip(defined, each(of_column, defined, workers), strict=True):
            moved[:, place] = column
        return cls(moved, rows.target, rows.squares)

    @once
    def of_columns(self, columns: tuple[int, ...], *, alone: bool) -> SampledInfluences:
        """On some columns; ``alone``: of the rows that are positive in one of them."""
        target = self.target[:, columns]
        kept = (target == 1).any(axis=1) if alone else slice(None)
        return SampledInfluences(self.moved[kept][:, columns], target[kept], self.squares[kept])

    def coupling(
        self, estimates: Sequence[RankEstimate], weights: HostArray, by_support: float | None = None
    ) -> float | None:
        """That of a mean of ``estimates`` with ``weights`` (C,); ``None`` where too little is known.

        ``by_support`` is the number of all positives, or their weight, where ``weights`` are the columns' shares of it:
        then a positive row also adds to the weight of its column.
        """
        if not _tell(self.squares):
            return None
        shifts: tuple[float, ...] = ()
        if by_support is not None:
            values = np.array([one.value for one in estimates])
            shifts = tuple(((values - dot(weights, values)) / by_support).tolist())
        found = self._spread(tuple(weights.tolist()), shifts)
        if found is None:
            return None
        grown, alike = found
        variances = np.array([(one.pos.variance, one.neg.variance) for one in estimates])
        own = (weights**2 @ variances).tolist()
        up, down = (each * part for each, part in zip(own, grown, strict=True))
        return max(float((up + down + 2.0 * alike * sqrt(up * down)) / sum(own)), _LEAST)

    @once
    def _spread(
        self, weights: tuple[float, ...], shifts: tuple[float, ...]
    ) -> tuple[tuple[float, float], float] | None:
        """How much more either side of a mean varies than its columns one at a time, and how the sides go together."""
        moved, positive = self.moved * np.array(weights), self.target == 1
        pos, neg = np.where(positive, moved, 0.0), np.where(positive, 0.0, moved)
        raised = pos + positive * np.array(shifts) if shifts else pos
        ups, downs = raised.sum(axis=1), neg.sum(axis=1)
        apart = [dot(self.squares, (side * side).sum(axis=1)) for side in (pos, neg)]
        together = [dot(self.squares, side * side) for side in (ups, downs)]
        if not min(*apart, *together) > 0.0:
            return None
        alike = dot(self.squares, ups * downs) / sqrt(together[0] * together[1])
        return (together[0] / apart[0], together[1] / apart[1]), alike


class PairInfluences:
    """The influences of sampled rows on a mean over pairs of classes, pair by pair."""

    def __init__(self, rows: SampledRows) -> None:
        self._rows = rows
        self._together, self._apart = np.zeros((2, len(rows.squares)))

    def add(self, i: int, j: int, ranking: Ranking) -> None:
        """Those on the AUROC of class ``i`` against ``j``."""
        target = self._rows.target
        kept = np.flatnonzero((target[:, i] == 1) | (target[:, j] == 1))
        moved = RowInfluence.of("auroc", coarse(ranking)).at(self._rows.scores[kept, i], target[kept, i] == 1)
        self._together[kept] += moved
        self._apart[kept] += moved * moved

    @property
    def coupling(self) -> float | None:
        """That of the mean; ``None`` where too little is known."""
        squares = self._rows.squares
        single = dot(squares, self._apart)
        return max(dot(squares, self._together**2) / single, _LEAST) if _tell(squares) and single > 0.0 else None


def coupled_mean(intervals: Sequence[Interval], weights: Sequence[float], value: float, coupling: float) -> Interval:
    """The interval of a mean of so much ``coupling``, from those of its columns; its ``value`` is a number from 0 to 1.

    The middles of the intervals are the columns' values less their biases, which add up to that of the mean. What
    these leave to either side adds up in squares, and to no more than where all columns err alike.

    >>> found = coupled_mean([Interval(0.5, 0.7, "a"), Interval(0.6, 0.8, "a")], [0.5, 0.5], 0.66, 1.0)
    >>> round(found.low, 3), round(found.high, 3)
    (0.577, 0.723)
    """
    middle = sum(weight * (one.low + one.high) / 2.0 for one, weight in zip(intervals, weights, strict=True))
    halves = [weight * one.width / 2.0 for one, weight in zip(intervals, weights, strict=True)]
    off = _UNSURE * abs(value - middle)
    reach = min(sqrt(coupling * sum(half * half for half in halves)) + off, sum(halves))
    return Interval(middle - reach, middle + reach, intervals[0].method).holding(value, 0.0, 1.0)


def of_cells(rows: SampledRows, influence: RowInfluence) -> float | None:
    """That of a micro average over the cells of a row, from the ``influence`` of one of them."""
    moved = np.stack([_moved(rows, place, influence) for place in range(rows.scores.shape[1])], axis=1)
    single = float(_variances(moved, rows.squares).sum())
    if not _tell(rows.squares) or not single > 0.0:
        return None
    return max(float(_variances(moved.sum(axis=1)[:, None], rows.squares)[0]) / single, _LEAST)


def _tell(squares: HostArray) -> bool:
    """Whether there are rows enough, those of equal weight."""
    return bool(squares.sum() ** 2 >= LEAST_ROWS * (squares @ squares) > 0.0)


def _moved(rows: SampledRows, place: int, influence: RowInfluence) -> HostArray:
    """The influences (K,) of the cells of a column, 0 of those that do not count."""
    target = rows.target[:, place]
    found: HostArray = np.where(target >= 0, influence.at(rows.scores[:, place], target == 1), 0.0)
    return found


def _variances(values: HostArray, squares: HostArray) -> HostArray:
    share = squares / squares.sum()
    found: HostArray = share @ (values - share @ values) ** 2
    return found
