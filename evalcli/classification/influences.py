"""How much each group of clusters moves a metric of scores: what its variance over whole clusters is made of.

Of what is read off ranks that is the sum of the influences of the group's rows, as Obuchowski sums DeLong's placements
over clusters: a point of a curve jumps from row to row, and what it is without a group tells little. Of everything else
it is the delete-a-group jackknife: the metric without the group, from states that merge exactly, so that whatever has a
state has such a variance.

Source: Obuchowski 1997, Nonparametric analysis of clustered ROC curve data; Kott 2001, The delete-a-group jackknife;
Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal m.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from evalcli.classification.score_results import ScoreResults
from evalcli.clustergroups import without_each
from evalcli.metrics.calibration import BinTable
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.groups import RankedGroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.classification.clusters import ClusterStates
    from evalcli.classification.scoring import ScoreStates
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.confidence import ConfidenceGroups
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.groups import RankedSums

_LARGE = frozenset({"KeyTable", "PairwiseKeyTable", "ConfidenceTable"})
"""States that grow with the rows: what they say without each group is not kept."""


class Influences:
    """The summed influences of the rows of each group (J,) on a metric of scores.

    ``names`` are the classes; ``shares`` the part of all rows, or of their weight, that each group holds. Rows weigh
    ``mean_weight``. Metrics that will be ``asked`` for are read together where their state grows with the rows.
    """

    def __init__(
        self, states: ClusterStates, names: Sequence[str], mean_weight: float, asked: Sequence[MetricName] = ()
    ) -> None:
        self._names, self._mean_weight, self._asked = names, mean_weight, asked
        self._groups = states.groups()
        rows = states.rows()
        self._group_of = states.group_of
        keys, place = np.unique(states.group_of(rows.cluster), return_inverse=True)
        amounts = np.bincount(place.reshape(-1), rows.amounts, len(keys))
        held = np.isin(keys, np.array([*self._groups], np.int64))
        self.shares: HostArray = amounts[held] / rows.amounts.sum()
        self._held: HostArray = keys[held]
        self._small: dict[str, list[ScoreResults]] = {}
        self._large: dict[MetricName, list[float]] = {}
        self._ranked_groups: dict[int, RankedGroups] = {}
        self._ranked: dict[tuple[str, tuple[float, ...], int], RankedSums] = {}

    def of(self, name: MetricName, columns: Sequence[tuple[int, Ranking]]) -> HostArray | None:
        """The sums of a metric; ``None`` where it is undefined without one of the groups.

        ``columns`` are the rankings that the metric means, by number, where it is one of ranks.
        """
        if columns:
            return self._of_ranks(name, columns)
        whole, *rests = self._values(name)
        found = np.array(rests)
        return None if np.isnan(found).any() else (1.0 - self.shares) * (whole - found)

    def grouped(self, cluster: HostArray, sums: HostArray) -> HostArray:
        """What clusters (G,) add to a metric, added up by group (J,)."""
        group = self._group_of(cluster)
        known = np.isin(group, self._held)
        found: HostArray = np.bincount(np.searchsorted(self._held, group[known]), sums[known], len(self._held))
        return found

    def bins(self, name: MetricName, table: BinTable) -> list[BinTable]:
        """The bins of each group that a calibration error reads, with the edges of ``table`` (B,)."""
        found = [held.states[name.entry.state].compute() for held in self._groups.values()]
        return [_in_bins(one, table) for one in found] if name.base == "ece_equal_mass" else found

    def _of_ranks(self, name: MetricName, columns: Sequence[tuple[int, Ranking]]) -> HostArray:
        """Those of a mean over columns; weights by support are uncertain, too."""
        by_support = name.average == "weighted"
        weights = np.array([ranking.positives if by_support else 1.0 for _, ranking in columns])
        total = float(weights.sum())
        moved = [self._of_column(name, number, ranking).sums for number, ranking in columns]
        sums: HostArray = np.sum([weight * each for weight, each in zip(weights, moved, strict=True)], axis=0) / total
        if by_support:
            values = np.array([float(name.entry.formula(ranking, *name.arguments).value) for _, ranking in columns])
            mean = dot(weights, values) / total
            held = np.array([self._positives(number) for number, _ in columns])
            sums += ((values - mean)[:, None] * held).sum(axis=0) / total
        return sums

    def variance(self, name: MetricName, columns: Sequence[tuple[int, Ranking]], coupling: float | None) -> float:
        """That of independent rows that count 1.

        ``coupling`` is how many times that of independent columns their mean has; without, all err alike.
        """
        weights = np.array([ranking.positives if name.average == "weighted" else 1.0 for _, ranking in columns])
        weights = weights / weights.sum()
        variances = np.array([self._of_column(name, number, ranking).variance for number, ranking in columns])
        if coupling is None or len(columns) == 1:
            return dot(weights, np.sqrt(variances)) ** 2
        return coupling * dot(weights * weights, variances)

    def _of_column(self, name: MetricName, number: int, ranking: Ranking) -> RankedSums:
        known = name.base, name.arguments, number
        if known not in self._ranked:
            column = self._ranked_groups.setdefault(number, RankedGroups(ranking, self._rankings[number]))
            self._ranked[known] = column.sums(name.base, *name.arguments, mean_weight=self._mean_weight)
        return self._ranked[known]

    def _positives(self, number: int) -> HostArray:
        return np.array([ranking.positives for ranking in self._rankings[number]])

    @cached_property
    def _rankings(self) -> list[list[Ranking]]:
        """Those of every group, by column."""
        found = [held.states["KeyTable"].compute() for held in self._groups.values()]
        return [list(column) for column in zip(*found, strict=True)]

    def _values(self, name: MetricName) -> list[float]:
        """A metric of all groups, with the budget of a single one, and then without each of them."""
        state = name.entry.state
        if state not in _LARGE:
            if state not in self._small:
                self._small[state] = list(self._results(state))
            return [float(each.value(name).value) for each in self._small[state]]
        if name not in self._large:
            together = {name, *(one for one in self._asked if one.entry.state == state)}
            read = [{one: float(each.value(one).value) for one in together} for each in self._results(state)]
            self._large |= {one: [each[one] for each in read] for one in together}
        return self._large[name]

    def _results(self, state: str) -> Iterator[ScoreResults]:
        """What one state says of all groups, and then without each of them."""
        parts = [_only(held, state) for held in self._groups.values()]
        every = chain([_merged(parts)], without_each(parts, _merged))
        return (ScoreResults(states, self._names) for states in every)


def _in_bins(groups: ConfidenceGroups, table: BinTable) -> BinTable:
    """Rows by their confidence in the bins of another table."""
    held = np.flatnonzero(table.n > 0)
    middle = (groups.low + groups.high) / 2.0
    place = held[np.maximum(np.searchsorted(table.low[held], middle, side="right") - 1, 0)]
    n, sure, right = (np.bincount(place, part, len(table.n)) for part in (groups.n, groups.n * middle, groups.right))
    return BinTable(n, sure, right, table.low, table.high)


def _only(states: ScoreStates, state: str) -> ScoreStates:
    fresh = replace(states.scoring, states=frozenset({state})).fresh()
    fresh.merge(states)
    return fresh


def _merged(parts: Sequence[ScoreStates]) -> ScoreStates:
    merged = parts[0].scoring.fresh()
    for part in parts:
        merged.merge(part)
    return merged
