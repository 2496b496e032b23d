"""Rows by the cluster they belong to: what the pass keeps so that intervals are of whole clusters.

Of labels that is a sparse table, how many rows of each cluster are in which cell of the confusion matrix. Of scores it
is the states themselves, once more for groups of clusters: each cluster is a group of its own while there are no more
than a hundred, and beyond that a hash of its number says which of the hundred groups it falls into. Neither depends on
the order of the rows, and nothing that is reported as a value is read from here.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from evalcli.classification.scoring import take_runs
from evalcli.clustergroups import (
    GROUPS,
    ClusterGroups,
    ClusterSizes,
    check_columns,
    differ,
    distinct_rows,
    fits,
    groups_of,
)
from evalcli.metrics.arrays import is_host
from evalcli.slicepasses import LEAST_BUDGET, BySlice, by_name, share_of, within
from evalcli.slicerows import apart, inside
from evalcli.sources.base import NO_CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.classification.labels import Labels
    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.classification.slices import SliceStates
    from evalcli.metrics.arrays import HostArray
    from evalcli.ondevice.clusters import CellsThere
    from evalcli.slicerows import Waiting
    from evalcli.sources.base import Slicer

_PENDING = 1 << 20
"""Rows that wait for being brought together."""


class ClusterRows(NamedTuple):
    """Distinct (cluster, target, prediction), sorted, each (M,) int64, and the rows or weight ``amounts`` of each."""

    cluster: HostArray
    target: HostArray
    preds: HostArray
    amounts: HostArray
    rows: HostArray


class CellTable:
    """Rows counted by cluster, cell and, where they differ, weight: whole numbers, so that no order moves a sum."""

    def __init__(self, *, weighted: bool) -> None:
        self.weighted = weighted
        self._parts: list[tuple[HostArray, ...]] = []
        self._pending = self._settled = 0

    def add(self, labels: Labels) -> None:
        """Count rows that have a cluster."""
        assert labels.cluster is not None
        cell = (labels.target.astype(np.int64) << 32) | (labels.preds.astype(np.int64) + 1)
        self.count(labels.cluster, cell, labels.weight, labels.repeats)

    def count(self, cluster: HostArray, cell: HostArray, weight: HostArray | None, repeats: HostArray | None) -> None:
        """Count rows (N,) by the numbers of their clusters and cells."""
        rows = np.ones(len(cluster), np.int64) if repeats is None else repeats
        weights = (np.ones(len(cluster)) if weight is None else weight,) if self.weighted else ()
        self.take(distinct_rows((cluster, cell, *weights, rows)))

    def take(self, rows: tuple[HostArray, ...]) -> None:
        """Take in distinct rows: clusters, cells, weights if any, and how many there are of each."""
        self._take([rows])

    def merge(self, other: CellTable) -> None:
        """Take in what another worker has counted."""
        self._take(other._parts)

    def _take(self, parts: list[tuple[HostArray, ...]]) -> None:
        self._parts += parts
        self._pending += sum(len(part[0]) for part in parts)
        if self._pending > max(_PENDING, self._settled):
            self._settle()

    def _settle(self) -> tuple[HostArray, ...]:
        if len(self._parts) == 1 and not self._pending:
            return self._parts[0]
        width = 3 + self.weighted
        columns = [np.concatenate([part[i] for part in self._parts]) for i in range(width)] if self._parts else []
        none = tuple(np.zeros(0, np.float64 if self.weighted and i == 2 else np.int64) for i in range(width))
        whole = distinct_rows(tuple(columns)) if columns else none
        self._parts, self._pending, self._settled = [whole], 0, len(whole[0])
        return whole

    def state_dict(self) -> dict[str, HostArray]:
        """The distinct rows: their columns by number."""
        return {str(number): column for number, column in enumerate(self._settle())}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        width = 3 + self.weighted
        if {*state} != {*map(str, range(width))}:
            raise ValueError("other columns of clusters")
        whole = tuple(state[str(number)] for number in range(width))
        check_columns(whole, (2,) if self.weighted else ())
        if (whole[1] < 0).any() or (whole[-1] < 1).any():
            raise ValueError("cells of clusters without rows")
        again = distinct_rows(whole)
        if any(not np.array_equal(one, two) for one, two in zip(whole, again, strict=True)):
            raise ValueError("clusters out of order")
        self._parts, self._pending, self._settled = [whole], 0, len(whole[0])

    def recoded(self, index: HostArray) -> CellTable:
        """The same with class ``i`` as ``index[i]``; every one that has rows is there."""
        cluster, cell, *rest = self._settle()
        table = np.append(index, -1)  # what no prediction stays
        target, preds = table[cell >> 32], table[(cell & 0xFFFFFFFF) - 1]
        found = CellTable(weighted=self.weighted)
        found._take([distinct_rows((cluster, (target << 32) | (preds + 1), *rest))])
        return found

    def sizes(self) -> ClusterSizes:
        """The clusters and their rows."""
        cluster, *_, rows = self._settle()
        heads = np.flatnonzero(differ(cluster))
        return ClusterSizes(cluster[heads], np.add.reduceat(rows, heads) if len(heads) else rows)

    def entries(self) -> tuple[HostArray, HostArray, HostArray, HostArray]:
        """Distinct clusters and cells, sorted, each (M,) int64, the rows or weight of each, and its rows."""
        cluster, cell, *weight, rows = self._settle()
        amounts = rows * weight[0] if weight else rows.astype(np.float64)
        heads = np.flatnonzero(differ(cluster) | differ(cell))
        amounts, rows = (np.add.reduceat(part, heads) if len(heads) else part for part in (amounts, rows))
        return cluster[heads], cell[heads], amounts, rows

    def table(self) -> ClusterRows:
        """All that was counted."""
        cluster, cell, amounts, rows = self.entries()
        return ClusterRows(cluster, cell >> 32, (cell & 0xFFFFFFFF) - 1, amounts, rows)


class ClusterStates:
    """What one worker keeps of the clusters of its rows."""

    def __init__(
        self, scoring: Scoring | None, *, weighted: bool, shares: int = 1, waiting: Waiting[Labels] | None = None
    ) -> None:
        """``shares`` are so many that divide the columns and the memory between them, as slices do.

        Scores wait in ``waiting``, if anywhere, until there are many of a group.
        """
        self._table, self._waiting = CellTable(weighted=weighted), waiting
        self.scoring, self.most = scoring, GROUPS
        if scoring is not None:
            self.most = groups_of((1 if scoring.binary else scoring.classes) * max(shares, 1))
            share = max(scoring.budget // self.most, LEAST_BUDGET)
            self.scoring = scoring.inside(share)
        self._groups = ClusterGroups(self.fresh, self.most)
        self._there: CellsThere | None = None
        """Rows of a device, which ``_table`` has not yet taken over."""
        self._slots: list[int] = []
        """The clusters that are groups of their own, by the numbers that a device knows them by."""

    def fresh(self) -> ScoreStates:
        """Empty states of a group."""
        assert self.scoring is not None
        return self.scoring.fresh()

    def update(self, labels: Labels, whole: ScoreStates | None = None, *, scores: bool) -> None:
        """Count rows by their cluster, and in ``whole`` the scores of all; those of weight 0 make no cluster.

        The scores of a device are counted there, by ``slots``.
        """
        if not is_host(labels.preds):
            self._wait_there(labels)
            return
        if labels.weight is not None and not labels.weight.all():
            if whole is not None and scores:
                whole.update(labels.pick(np.flatnonzero(labels.weight == 0)))
            labels = labels.pick(np.flatnonzero(labels.weight))
        assert labels.cluster is not None
        self._table.add(labels)
        if not scores or self.scoring is None:
            return
        if self._waiting is None:
            take_runs(apart(labels, self._groups.of(labels.cluster)), self._groups.at, whole)
            return
        if self._groups.overflows(labels.cluster):
            self._count_waiting(whole)
        runs = self._waiting.add(labels.narrow(self.scoring.classes), self._groups.of(labels.cluster))
        take_runs(runs, self._groups.at, whole)

    def _count_waiting(self, whole: ScoreStates | None) -> None:
        if self._waiting is not None:
            take_runs(self._waiting.all(), self._groups.at, whole)

    def _wait_there(self, labels: Labels) -> None:
        if self._there is None:
            from evalcli.ondevice.clusters import CellsThere

            self._there = CellsThere()
        self._there.add(labels)
        if self._there.is_full:
            self.settle()

    def settle(self, whole: ScoreStates | None = None) -> None:
        """Take over the rows that wait, here, also in ``whole``, or on a device."""
        self._count_waiting(whole)
        if self._there is not None and (found := self._there.taken()) is not None:
            self._table.take(found)

    def slots(self, cluster: HostArray, settle: Callable[[], object]) -> HostArray:
        """By which number a device knows the group of each row (N,), −1: of none, as those that weigh nothing.

        ``settle`` lets the groups so far take over what is there: it is called where clusters begin to share them.
        """
        inside, found = cluster != NO_CLUSTER, np.full(len(cluster), -1)
        if not self._groups.is_hashed:
            numbers, places = np.unique(cluster[inside], return_inverse=True)
            if not self._groups.overflows(numbers):
                found[inside] = self._slots_of(numbers.tolist())[places]
                return found
            settle()
            self._groups.of(numbers)
        found[inside] = self._groups.where(cluster[inside])
        return found

    def _slots_of(self, numbers: Sequence[int]) -> HostArray:
        """Those of clusters that are groups of their own; a new one is as good as any."""
        for number in numbers:
            self._groups.at(number)
        self._slots += [number for number in numbers if number not in self._slots]
        return np.array([self._slots.index(number) for number in numbers], np.int64)

    @property
    def size(self) -> int:
        """How many groups a device may have to know."""
        return self.most

    @property
    def fits_device(self) -> bool:
        """A device can always bring rows together."""
        return True

    def states_of(self, slot: int) -> ScoreStates:
        """The states of the group that a device knows by this number."""
        return self._groups.at(slot if self._groups.is_hashed else self._slots[slot])

    def merge(self, other: Self) -> None:
        """Take in what another worker has kept."""
        self._table.merge(other._table)
        self._groups.merge(other._groups)

    def state_dict(self) -> dict[str, HostArray]:
        """The table and the states of each group."""
        parts = {"table": self._table.state_dict(), "groups": self._groups.state_dict()}
        return {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        parts = by_name(state, ("table", "groups"))
        self._table.load_state_dict(parts["table"])
        self._groups.load_state_dict(parts["groups"], lambda one, saved: one.load_state_dict(saved))

    def agree(self, rows: int, *, scores: bool) -> bool:
        """Whether the clusters have so many rows, and where there are ``scores`` their groups the same ones.

        Of rows with weights they may have fewer.
        """
        sizes = self._table.sizes()
        if not fits(sizes, rows, weighted=self._table.weighted):
            return False
        told = scores and self.scoring is not None and self.scoring.states
        return not told or self._groups.agree(sizes, _rows_of)

    def under(self, other: ClusterStates, index: HostArray | None) -> ClusterStates:
        """The same in groups as ``other`` has them, within its memory; with class ``i`` as ``index[i]``, if any.

        Raises: ``ValueError`` where ``other`` counts otherwise.
        """
        found = copy.copy(other)
        found._table = self._table if index is None else self._table.recoded(index)
        scoring = other.scoring
        found._groups = self._groups.under(other._groups, lambda one: one if scoring is None else within(one, scoring))
        return found

    @property
    def is_hashed(self) -> bool:
        """Whether clusters share groups."""
        return self._groups.is_hashed

    def rows(self) -> ClusterRows:
        """The clusters and their cells."""
        return self._table.table()

    def groups(self) -> dict[int, ScoreStates]:
        """The states of each group of clusters that has rows."""
        return self._groups.groups()

    def group_of(self, clusters: HostArray) -> HostArray:
        """Which of the groups clusters (N,) are in."""
        return self._groups.where(clusters)


def _rows_of(states: ScoreStates) -> int:
    """The rows that all states have seen; −1 where they do not agree."""
    counts = states.rows()
    return counts.pop() if len(counts) == 1 else -1


class SlicedClusters(BySlice[ClusterStates]):
    """The same of each slice of one slicer."""

    def __init__(self, slicer: Slicer, scoring: Scoring | None, *, weighted: bool) -> None:
        if scoring is not None:
            scoring = replace(scoring, budget=share_of(scoring.budget, slicer))
        super().__init__(slicer, partial(ClusterStates, scoring, weighted=weighted, shares=len(slicer.values)))

    def update(self, labels: Labels, codes: HostArray, *, scores: bool) -> None:
        """Count rows by the slice that each is in, (N,) from 0, −1 for none, and by their cluster."""
        for code, rows in inside(codes):
            self._at(code).update(labels.pick(rows), scores=scores)

    def of(self, code: int) -> ClusterStates | None:
        """The clusters of a slice."""
        return self._slices.get(code)

    @staticmethod
    def _load(one: ClusterStates, saved: Mapping[str, HostArray]) -> None:
        one.load_state_dict(saved)

    def agree(self, slices: SliceStates, *, scores: bool) -> bool:
        """Whether the clusters of each slice have its rows."""
        rows = {code: one.confusion.rows for code, one in slices.slices().items()}
        same = self._slices.keys() == rows.keys()
        return same and all(one.agree(rows[code], scores=scores) for code, one in self._slices.items())

    def under(self, other: SlicedClusters, index: HostArray | None) -> SlicedClusters:
        """The same slices by their places among the values of ``other``, else as ``ClusterStates.under``.

        Raises: ``ValueError`` where ``other`` lacks a value, or counts otherwise.
        """
        return self._among(other, lambda one: one.under(other._fresh(), index))
