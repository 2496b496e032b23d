"""Predictions and targets together, as intervals read them: kinds of rows, few of them however many rows there are.

Up to ``_MOST_ROWS`` rows each pair is a kind of its own. Beyond, rows are counted in cells of the error and of the
distance of the target from the mean, each to one part in 16 of itself and down to a millionth of the largest: a
variance needs no more. Counts have no order, so neither have the numbers made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.pairs import PairGroups
from evalcli.uncertainty.cells import dot

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.pairs import RankPairs

_MOST_ROWS = 1 << 17
_RANKS = 512
"""Bins of ranks on either side, where groups are too many to be looked at one by one."""
_BITS = 48
"""Low bits of a float64 that a cell disregards: four of its mantissa are left."""
_STEPS = 20 << (52 - _BITS)
"""Steps from the largest magnitude down to what counts as 0."""
_SIZE = 2 * _STEPS + 1
"""Steps of both signs, and that of nothing."""
_MAGNITUDE = (1 << 63) - 1
_CHUNK = 1 << 15


class Together(NamedTuple):
    """Kinds of rows: predictions and targets (K,), and how many ``rows`` (K,) of equal weight each is worth."""

    preds: HostArray
    target: HostArray
    rows: HostArray

    @property
    def n(self) -> float:
        """All rows."""
        return float(self.rows.sum())

    @property
    def residual(self) -> HostArray:
        """``p − t`` (K,)."""
        return self.preds - self.target

    @property
    def off(self) -> HostArray:
        """The targets less their mean (K,); 0 where they are all the same."""
        if self.target.min() == self.target.max():
            return np.zeros(len(self.target))
        return self.target - self.mean(self.target)

    def mean(self, terms: HostArray) -> float:
        """The mean of ``terms`` (K,) over rows."""
        return dot(self.rows, terms) / self.n


@dataclass
class OutputPairs:
    """The pairs of one output: its ``state``, its ``number`` there, and ``read``, which groups those of all outputs.

    ``centre`` is the mean of the targets, ``mean_weight`` Σw² / Σw.
    """

    state: RankPairs
    number: int
    read: Callable[[], list[PairGroups]]
    centre: float
    mean_weight: float = 1.0

    @property
    def groups(self) -> PairGroups:
        """Rows by the ranks of both sides."""
        return self.read()[self.number]

    @property
    def _many(self) -> bool:
        return self.state.rows > _MOST_ROWS

    @cached_property
    def _every(self) -> Together:
        """Every pair. Of many rows that only count, in no order, which spares sorting them."""
        rows = self.state.values(self.number) if self._many and not self.state.weighted else None
        if rows is None:
            groups = self.groups
            return Together(
                groups.x_values[groups.x],
                groups.y_values[groups.y],
                groups.amounts.astype(np.float64) / self.mean_weight,
            )
        return Together(rows.preds, rows.target, rows.repeats)

    @cached_property
    def kinds(self) -> Together:
        """The rows as kinds of rows."""
        every = self._every
        if not self._many:
            return every
        off, error = _Steps.of(every.target - self.centre), _Steps.of(every.residual)
        sums = np.bincount(off.places * _SIZE + error.places, every.rows, _SIZE**2)
        held = np.flatnonzero(sums)
        target = self.centre + off.values()[held // _SIZE]
        return Together(target + error.values()[held % _SIZE], target, sums[held])

    def fewer(self, times: float) -> OutputPairs:
        """The same, as if there were so many ``times`` fewer rows."""
        found = replace(self, mean_weight=self.mean_weight * times)
        vars(found)["_every"] = self._every._replace(rows=self._every.rows / times)
        vars(found)["kinds"] = self.kinds._replace(rows=self.kinds.rows / times)
        return found

    def histogram(self, terms: Callable[[Together], HostArray]) -> tuple[HostArray, HostArray]:
        """How many rows have which term of those, none negative, that ``terms`` gives for rows: (K,) each."""
        every = self._every
        found = terms(every)
        if not self._many:
            return found, every.rows
        steps = _Steps.of(found)
        sums = np.bincount(steps.places, every.rows, _SIZE)
        held = np.flatnonzero(sums)
        return steps.values()[held], sums[held]

    def ranks(self, value: float, least: float) -> PairGroups:
        """The groups, in ``_RANKS`` bins a side where they are many and the correlation ``value`` is not nearly ±1.

        ``least`` is what must be missing to ±1 for bins not to be seen.
        """
        groups = self.groups
        if len(groups.amounts) <= _MOST_ROWS or 1.0 - abs(value) < least:
            return groups
        x, y = _binned(groups, groups.x, groups.y)
        sums = np.bincount(x * _RANKS + y, groups.amounts, _RANKS**2)
        held = np.flatnonzero(sums)
        unknown: Any = np.zeros(_RANKS, bool), np.zeros(_RANKS, bool), np.arange(_RANKS), np.arange(_RANKS)
        return PairGroups(held // _RANKS, held % _RANKS, sums[held], *unknown)

    def places(self, found: PairGroups, some: PairGroups) -> HostArray:
        """Where groups ``some`` of the same rows (K,) are among those that ``ranks`` has ``found``."""
        groups = self.groups
        x, y = (
            _nearest(values, own)[ids]
            for values, own, ids in (
                (groups.x_values, some.x_values, some.x),
                (groups.y_values, some.y_values, some.y),
            )
        )
        return RankPlaces.of(groups, found).at(x, y)


class RankPlaces(NamedTuple):
    """Where rows are among groups of ``ranks``, which are ``groups`` themselves or bins of their ranks.

    ``known`` (K,) are the two ranks of each as one number, of which the second takes ``width``.
    """

    groups: PairGroups
    known: HostArray
    width: int
    is_binned: bool

    @classmethod
    def of(cls, groups: PairGroups, found: PairGroups) -> RankPlaces:
        """Among those that ``OutputPairs.ranks`` has ``found``."""
        is_binned = found is not groups
        width = _RANKS if is_binned else len(groups.y_values)
        return cls(groups, found.x * width + found.y, width, is_binned)

    def at(self, x: HostArray, y: HostArray) -> HostArray:
        """The places of ranks (N,) among those of ``groups``."""
        if self.is_binned:
            x, y = _binned(self.groups, x, y)
        return np.minimum(np.searchsorted(self.known, x * self.width + y), len(self.known) - 1)

    def of_rows(self, preds: HostArray, target: HostArray) -> HostArray:
        """The places of rows (N,)."""
        sides = ((self.groups.x_values, preds), (self.groups.y_values, target))
        return self.at(*(_nearest(values, own) for values, own in sides))


def _binned(groups: PairGroups, x: HostArray, y: HostArray) -> tuple[HostArray, HostArray]:
    """Ranks among those of ``groups`` as bins of ranks."""
    return x * _RANKS // len(groups.x_tied), y * _RANKS // len(groups.y_tied)


def _nearest(values: HostArray, wanted: HostArray) -> HostArray:
    """The places of the ``values``, which rise, that are nearest to those ``wanted``."""
    above = np.clip(np.searchsorted(values, wanted), 1, max(len(values) - 1, 1))
    if len(values) == 1:
        return np.zeros(len(wanted), np.int64)
    nearer: HostArray = above - (wanted - values[above - 1] <= values[above] - wanted)
    return nearer


class _Steps(NamedTuple):
    """Numbers (N,) by sign and magnitude: the ``places`` of their steps, of which 0 is the step of nothing."""

    places: HostArray
    top: int
    """The step of the largest magnitude, as the high bits of a float64."""

    @classmethod
    def of(cls, numbers: HostArray) -> _Steps:
        """Place every number."""
        largest = max(float(numbers.max(initial=0.0)), -float(numbers.min(initial=0.0)))
        top = int(np.array(largest).view(np.int64)) >> _BITS
        places = np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            bits = numbers[part].view(np.int64)
            step = ((bits & _MAGNITUDE) >> _BITS) - (top - _STEPS)
            places[part] = np.where(step > 0, np.where(bits < 0, step + _STEPS, step), 0)
        return cls(places, top)

    def values(self) -> HostArray:
        """The middle of every step (_SIZE,)."""
        steps = np.arange(self.top - _STEPS + 1, self.top + 1, dtype=np.int64)
        sizes = ((np.maximum(steps, 0) << _BITS) | (1 << (_BITS - 1))).view(np.float64)
        return np.concatenate([[0.0], sizes, -sizes])
