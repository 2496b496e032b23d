"""Groups of clusters (``--cluster``): what each has gathered, and how many rows every cluster has.

Each cluster is a group of its own while there are no more than a hundred, and beyond that a hash of its number says
which of the hundred groups it falls into. Neither depends on the order of the rows, nor on which part has which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from evalcli.slicepasses import by_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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


def fits(sizes: ClusterSizes, rows: int, *, weighted: bool) -> bool:
    """Whether clusters have all of so many ``rows``; where these are ``weighted``, some may weigh nothing."""
    held = int(sizes.rows.sum())
    return held <= rows if weighted else held == rows


class Sizes:
    """Rows counted by cluster."""

    def __init__(self) -> None:
        self._parts: list[ClusterSizes] = []
        self._pending = self._settled = 0

    def add(self, cluster: Array, repeats: Array | None) -> None:
        """Count rows (N,), each as often as it is repeated."""
        self._take([_brought_together(cluster, np.ones(len(cluster), np.int64) if repeats is None else repeats)])

    def merge(self, other: Sizes) -> None:
        """Take in what another worker has counted."""
        self._take(other._parts)

    def _take(self, parts: Sequence[ClusterSizes]) -> None:
        self._parts += parts
        self._pending += sum(len(part.cluster) for part in parts)
        if self._pending > max(_PENDING, self._settled):
            self.settle()

    def state_dict(self) -> dict[str, Array]:
        """The clusters and their rows."""
        return dict(self.settle()._asdict())

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        if {*state} != {*ClusterSizes._fields}:
            raise ValueError("clusters without their rows")
        whole = ClusterSizes(**state)
        check_columns(whole)
        if (np.diff(whole.cluster) <= 0).any() or (whole.rows < 1).any():
            raise ValueError("clusters out of order, or without rows")
        self._parts, self._pending, self._settled = [whole], 0, len(whole.cluster)

    def settle(self) -> ClusterSizes:
        """All that was counted."""
        none = np.zeros(0, np.int64)
        columns = [np.concatenate([none, *column]) for column in zip(*self._parts, strict=True)] or [none, none]
        whole = _brought_together(*columns)
        self._parts, self._pending, self._settled = [whole], 0, len(whole.cluster)
        return whole


def check_columns(columns: Sequence[Array], weighted: Sequence[int] = ()) -> None:
    """Refuse saved columns that are not of one length and of whole numbers; those ``weighted`` are weights.

    Raises: ``ValueError``.
    """
    types = [np.float64 if place in weighted else np.int64 for place in range(len(columns))]
    alike = all(column.dtype == kind for column, kind in zip(columns, types, strict=True))
    if not alike or {column.shape for column in columns} != {(len(columns[0]),)}:
        raise ValueError("columns of clusters of another length or type")


def _brought_together(cluster: Array, rows: Array) -> ClusterSizes:
    order = np.argsort(cluster, kind="stable")
    held = cluster[order]
    heads = np.flatnonzero(np.diff(held, prepend=held[:1] - 1)) if len(held) else order
    return ClusterSizes(held[heads], np.add.reduceat(rows[order], heads) if len(heads) else rows[:0])


def differ(values: Array) -> Array:
    """Whether each differs from the one before it."""
    differ = np.ones(len(values), bool)
    differ[1:] = values[1:] != values[:-1]
    return differ


def distinct_rows(columns: tuple[Array, ...]) -> tuple[Array, ...]:
    """Rows with the same values once, sorted; the last column is how often each occurs."""
    *keys, counts = columns
    order = np.lexsort(keys[::-1])
    sorted_keys = [key[order] for key in keys]
    heads = np.flatnonzero(np.logical_or.reduce([differ(key) for key in sorted_keys]))
    totals = np.add.reduceat(counts[order], heads) if len(heads) else counts[:0]
    return (*(key[heads] for key in sorted_keys), totals)


class Merging(Protocol):
    """What a group of clusters has gathered."""

    def merge(self, other: Self) -> object:
        """Take in what another has."""

    def state_dict(self) -> dict[str, Array]:
        """All of it."""


G = TypeVar("G", bound=Merging)


class ClusterGroups(Generic[G]):
    """What each group of clusters has gathered, at most ``most`` of them; a group without a row is not there."""

    def __init__(self, fresh: Callable[[], G], most: int = GROUPS) -> None:
        self.fresh, self.most = fresh, most
        self._held: dict[int, G] = {}
        self.is_hashed = False
        """Whether clusters share groups."""

    def overflows(self, cluster: Array) -> bool:
        """Whether with rows of clusters (N,) int64 there are too many, which share groups from then on."""
        return not self.is_hashed and len({*self._held, *np.unique(cluster).tolist()}) > self.most

    def of(self, cluster: Array) -> Array:
        """Which group the rows of clusters (N,) int64 are in from now on; too many clusters share groups."""
        if self.overflows(cluster):
            self._hash()
        codes = self.where(cluster)
        if len(self._held) < self.most:
            for group in np.unique(codes).tolist():  # those whose rows wait are known, too
                self.at(group)
        return codes

    def where(self, cluster: Array) -> Array:
        """Which group clusters (N,) int64 are in."""
        return hashed(cluster, self.most) if self.is_hashed else cluster

    def at(self, group: int) -> G:
        """What a group has gathered."""
        if group not in self._held:
            self._held[group] = self.fresh()
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

    def state_dict(self) -> dict[str, Array]:
        """Whether clusters share groups, and what each has gathered."""
        shared = {"shared": np.array(self.is_hashed)}
        return shared | {
            f"{group}.{name}": array for group, one in self.groups().items() for name, array in one.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Array], restore: Callable[[G, Mapping[str, Array]], None]) -> None:
        """Take over what ``state_dict`` gave; ``restore`` does so for one group.

        Raises: ``ValueError`` for anything else.
        """
        shared = state.get("shared")
        if shared is None or shared.dtype != np.bool_ or shared.shape != ():
            raise ValueError("nothing says whether clusters share groups")
        held = by_number({name: array for name, array in state.items() if name != "shared"})
        self._held, self.is_hashed = {}, bool(shared)
        if len(held) > self.most or (self.is_hashed and any(not 0 <= group < self.most for group in held)):
            raise ValueError("more groups of clusters than there can be")
        for group, saved in held.items():
            restore(self.at(group), saved)

    def under(self, other: ClusterGroups[G], recast: Callable[[G], G]) -> ClusterGroups[G]:
        """The same in groups as ``other`` has them, each as ``recast`` makes it.

        Raises: ``ValueError`` where these do not follow from those.
        """
        if self.is_hashed and self.most % other.most:
            raise ValueError("other groups of clusters")
        found = ClusterGroups(other.fresh, other.most)
        for group, one in self._held.items():
            found.at(group % other.most if self.is_hashed else group).merge(recast(one))
        found.is_hashed = self.is_hashed
        if not found.is_hashed and len(found._held) > found.most:
            found._hash()
        return found

    def agree(self, sizes: ClusterSizes, rows: Callable[[G], int]) -> bool:
        """Whether each group has as many ``rows`` as its clusters."""
        if not self.is_hashed and len(sizes.cluster) > self.most:
            return False
        held: dict[int, int] = {}
        for group, many in zip(self.where(sizes.cluster).tolist(), sizes.rows.tolist(), strict=True):
            held[group] = held.get(group, 0) + many
        return held == {group: rows(one) for group, one in self._held.items()}


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
    """A group for each cluster (N,) int64, from 0.

    >>> hashed(np.arange(5), 100)
    array([35, 65, 10, 53, 78])
    """
    found: Array = (mixed(clusters) % np.uint64(groups)).astype(np.int64)
    return found


def mixed(numbers: Array) -> Array:
    """A hash (N,) uint64 of each number (N,) int64: the finalizer of SplitMix64.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators.
    """
    found: Array = numbers.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    found ^= found >> np.uint64(31)
    return found
