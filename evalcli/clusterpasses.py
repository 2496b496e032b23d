"""Clusters of a pass (``--cluster``): a pass of the same family for each group of clusters, and all clusters' rows.

Each cluster is a group of its own while there are no more than a hundred, and beyond that a hash of its number says
which of the hundred groups it falls into. Neither depends on the order of the rows, and nothing that is reported as a
value is read from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from evalcli.errors import InputError
from evalcli.slicepasses import P, Rows, apart, inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Array

GROUPS = 100
"""Groups of clusters: an estimate of a variance from so many is 7 % off in its root, and its t quantile 1.98."""
LEAST_GROUPS = 20
MOST_COLUMNS = 2_000
"""Columns of scores that all groups keep together: with many classes, or slices, there are fewer groups."""
_STEPS = (GROUPS, 50, 25, LEAST_GROUPS)
"""Each divides the first, so that groups of one number follow from those of another."""
_PENDING = 1 << 20
"""Rows that wait for being brought together."""


def groups_of(columns: int) -> int:
    """How many groups keep so many columns of scores each.

    >>> groups_of(1), groups_of(30), groups_of(1000)
    (100, 50, 20)
    """
    return next((most for most in _STEPS if most * columns <= MOST_COLUMNS), LEAST_GROUPS)


class ClusterSizes(NamedTuple):
    """The numbers of the clusters (G,) int64, sorted, and how many rows each has."""

    cluster: Array
    rows: Array


class _Sizes:
    """Rows counted by cluster."""

    def __init__(self) -> None:
        self._parts: list[ClusterSizes] = []
        self._pending = self._settled = 0

    def add(self, cluster: Array, repeats: Array | None) -> None:
        """Count rows (N,), each as often as it is repeated."""
        self._take([_brought_together(cluster, np.ones(len(cluster), np.int64) if repeats is None else repeats)])

    def merge(self, other: _Sizes) -> None:
        """Take in what another worker has counted."""
        self._take(other._parts)

    def _take(self, parts: Sequence[ClusterSizes]) -> None:
        self._parts += parts
        self._pending += sum(len(part.cluster) for part in parts)
        if self._pending > max(_PENDING, self._settled):
            self.settle()

    def settle(self) -> ClusterSizes:
        """All that was counted."""
        none = np.zeros(0, np.int64)
        columns = [np.concatenate([none, *column]) for column in zip(*self._parts, strict=True)] or [none, none]
        whole = _brought_together(*columns)
        self._parts, self._pending, self._settled = [whole], 0, len(whole.cluster)
        return whole


def _brought_together(cluster: Array, rows: Array) -> ClusterSizes:
    order = np.argsort(cluster, kind="stable")
    held = cluster[order]
    heads = np.flatnonzero(np.diff(held, prepend=held[:1] - 1)) if len(held) else order
    return ClusterSizes(held[heads], np.add.reduceat(rows[order], heads) if len(heads) else rows[:0])


class Merging(Protocol):
    """What a group of clusters has gathered."""

    def merge(self, other: Self) -> object:
        """Take in what another has."""


G = TypeVar("G", bound=Merging)


class ClusterGroups(Generic[G]):
    """What each group of clusters has gathered, at most ``most`` of them; a group without a row is not there."""

    def __init__(self, fresh: Callable[[], G], most: int = GROUPS) -> None:
        self._fresh, self.most = fresh, most
        self._held: dict[int, G] = {}
        self.is_hashed = False
        """Whether clusters share groups."""

    def of(self, cluster: Array) -> Array:
        """Which group the rows of clusters (N,) int64 are in from now on; too many clusters share groups."""
        if not self.is_hashed and len({*self._held, *np.unique(cluster).tolist()}) > self.most:
            self._hash()
        return self.where(cluster)

    def where(self, cluster: Array) -> Array:
        """Which group clusters (N,) int64 are in."""
        return hashed(cluster, self.most) if self.is_hashed else cluster

    def at(self, group: int) -> G:
        """What a group has gathered."""
        if group not in self._held:
            self._held[group] = self._fresh()
        return self._held[group]

    def _hash(self) -> None:
        """From now on clusters share groups."""
        held, self._held, self.is_hashed = self._held, {}, True
        for cluster, one in held.items():
            self.at(int(hashed(np.array([cluster]), self.most)[0])).merge(one)

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered."""
        several = len({*self._held, *other._held}) > self.most
        if self.is_hashed != other.is_hashed or (not self.is_hashed and several):
            for each in (self, other):
                if not each.is_hashed:
                    each._hash()
        for group, one in other._held.items():
            self.at(group).merge(one)

    def groups(self) -> dict[int, G]:
        """What each group that has rows has gathered, in order."""
        return dict(sorted(self._held.items()))


class ClusterPasses(Generic[P]):
    """The passes of the groups of clusters, and the rows of every cluster."""

    def __init__(self, fresh: Callable[[], P], most: int = GROUPS) -> None:
        self._groups = ClusterGroups(fresh, most)
        self._sizes = _Sizes()

    @property
    def is_hashed(self) -> bool:
        """Whether clusters share groups."""
        return self._groups.is_hashed

    def update(self, rows: Rows, cluster: Array, repeats: Array | None) -> None:
        """Count rows by the cluster (N,) int64 that each belongs to."""
        self._sizes.add(cluster, repeats)
        for group, part in apart(rows, self._groups.of(cluster)):
            here = self._groups.at(group)
            here.evidence.rows += here.take(part)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._sizes.merge(other._sizes)
        self._groups.merge(other._groups)

    def groups(self) -> list[P]:
        """The pass of each group of clusters that has rows."""
        return [*self._groups.groups().values()]

    def sizes(self) -> ClusterSizes:
        """The clusters and their rows."""
        return self._sizes.settle()

    def check(self, by: str | None, path: str) -> None:
        """Refuse a single cluster: nothing says how another would differ from it.

        Raises:
            InputError: all rows belong to one.

        """
        if len(self.sizes().cluster) < 2:
            raise single_cluster(by, path)


class SlicedClusters(Generic[P]):
    """The same of each slice of one slicer, by code."""

    def __init__(self, fresh: Callable[[], P], most: int) -> None:
        self._fresh, self._most = fresh, most
        self._slices: dict[int, ClusterPasses[P]] = {}

    def update(self, rows: Rows, codes: Array, cluster: Array, repeats: Array | None) -> None:
        """Count rows by the slice that each is in, (N,) from 0, −1 for none, and by their cluster (N,) int64."""
        for code, places in inside(codes):
            here = None if repeats is None else repeats[places]
            self._at(code).update(rows.pick(places), cluster[places], here)

    def _at(self, code: int) -> ClusterPasses[P]:
        if code not in self._slices:
            self._slices[code] = ClusterPasses(self._fresh, self._most)
        return self._slices[code]

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        for code, theirs in other._slices.items():
            self._at(code).merge(theirs)

    def of(self, code: int) -> ClusterPasses[P]:
        """The clusters of a slice that has rows."""
        return self._slices[code]


def single_cluster(by: str | None, path: str) -> InputError:
    """What to say where all rows belong to one cluster."""
    fix = "name the column that tells patients, documents or users apart, or drop --cluster"
    return InputError(f"clusters by {by!r}: all rows belong to one cluster", fix=fix, path=path)


S = TypeVar("S")


def without_each(parts: Sequence[S], merged: Callable[[Sequence[S]], S], others: Sequence[S] = ()) -> Iterator[S]:
    """``others`` and all but one of ``parts``, for each of them: by halves, so that each is merged log₂ J times.

    >>> list(without_each("abc", "".join))
    ['bc', 'ac', 'ab']
    """
    if len(parts) == 1:
        yield from others
        return
    middle = len(parts) // 2
    for held, left in ((parts[:middle], parts[middle:]), (parts[middle:], parts[:middle])):
        yield from without_each(held, merged, [merged([*others, *left])])


def hashed(clusters: Array, groups: int) -> Array:
    """A group for each cluster (N,) int64, from 0: the finalizer of SplitMix64, modulo ``groups``.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators.

    >>> hashed(np.arange(5), 100)
    array([35, 65, 10, 53, 78])
    """
    mixed = clusters.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    found: Array = ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(groups)).astype(np.int64)
    return found
