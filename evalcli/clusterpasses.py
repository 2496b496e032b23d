"""Clusters of a pass (``--cluster``): a pass of the same family for each group of clusters, and all clusters' rows.

Nothing that is reported as a value is read from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

import numpy as np

from evalcli.clustergroups import GROUPS, ClusterGroups, ClusterSizes, Sizes, fits
from evalcli.errors import InputError
from evalcli.slicepasses import BySlice, P, by_name, take_runs
from evalcli.slicerows import Rows, apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.slicepasses import SlicePasses
    from evalcli.slicerows import Waiting
    from evalcli.sources.base import Array, Slicer


class ClusteredRows(Rows, Protocol):
    """Rows, the cluster (N,) int64 of each, and how often it occurs."""

    @property
    def cluster(self) -> Array | None:
        """The number of each row's cluster."""

    @property
    def weight(self) -> Array | None:
        """What each row weighs; ``None``: 1."""

    @property
    def repeats(self) -> Array | None:
        """How often each row occurs; ``None``: once."""


class ClusterPasses(Generic[P]):
    """The passes of the groups of clusters, and the rows of every cluster."""

    def __init__(self, fresh: Callable[[], P], most: int = GROUPS, waiting: Waiting[Any] | None = None) -> None:
        """Rows wait in ``waiting``, if anywhere, until there are many of a group."""
        self._groups = ClusterGroups(fresh, most)
        self._sizes, self._waiting = Sizes(), waiting

    @property
    def is_hashed(self) -> bool:
        """Whether clusters share groups."""
        return self._groups.is_hashed

    def update(self, rows: ClusteredRows, whole: P | None = None) -> None:
        """Count rows by the cluster of each, and all of them in ``whole``; those of weight 0 make no cluster."""
        if rows.weight is not None and not rows.weight.all():
            if whole is not None:
                whole.take(rows.pick(np.flatnonzero(rows.weight == 0)))
            rows = rows.pick(np.flatnonzero(rows.weight))
        assert rows.cluster is not None
        self._sizes.add(rows.cluster, rows.repeats)
        if self._waiting is None:
            take_runs(apart(rows, self._groups.of(rows.cluster)), self._groups.at, whole)
            return
        if self._groups.overflows(rows.cluster):
            self.settle(whole)
        take_runs(self._waiting.add(rows, self._groups.of(rows.cluster)), self._groups.at, whole)

    def settle(self, whole: P | None = None) -> None:
        """Count the rows that wait, in ``whole``, too."""
        if self._waiting is not None:
            take_runs(self._waiting.all(), self._groups.at, whole)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._sizes.merge(other._sizes)
        self._groups.merge(other._groups)

    def state_dict(self) -> dict[str, Array]:
        """The rows of every cluster, and what each group has gathered."""
        parts = {"sizes": self._sizes.state_dict(), "groups": self._groups.state_dict()}
        return {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        parts = by_name(state, ("sizes", "groups"))
        self._sizes.load_state_dict(parts["sizes"])
        self._groups.load_state_dict(parts["groups"], lambda one, saved: one.restore(saved))

    def agree(self, rows: int, *, weighted: bool) -> bool:
        """Whether the clusters have so many rows, of ``weighted`` ones no more, and their groups the same ones."""
        sizes = self.sizes()
        return fits(sizes, rows, weighted=weighted) and self._groups.agree(sizes, lambda one: one.evidence.rows)

    def under(self, other: ClusterPasses[P]) -> ClusterPasses[P]:
        """The same in groups as ``other`` has them, as it counts, within its memory.

        Raises: ``ValueError`` where ``other`` counts otherwise.
        """
        groups = self._groups.under(other._groups, lambda one: one.under(other._groups.fresh()))
        found = ClusterPasses(other._groups.fresh, other._groups.most)
        found._sizes, found._groups = self._sizes, groups
        return found

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


class SlicedClusters(BySlice[ClusterPasses[P]]):
    """The same of each slice of one slicer."""

    def __init__(self, slicer: Slicer, fresh: Callable[[], P], most: int) -> None:
        super().__init__(slicer, lambda: ClusterPasses(fresh, most))

    def update(self, runs: Iterable[tuple[int, ClusteredRows]]) -> None:
        """Count rows by slice, −1 for those in none, and by their cluster."""
        for code, rows in runs:
            if code >= 0:
                self._at(code).update(rows)

    def of(self, code: int) -> ClusterPasses[P]:
        """The clusters of a slice that has rows."""
        return self._slices[code]

    @staticmethod
    def _load(one: ClusterPasses[P], saved: Mapping[str, Array]) -> None:
        one.load_state_dict(saved)

    def agree(self, slices: SlicePasses[P], *, weighted: bool) -> bool:
        """Whether the clusters of each slice have its rows, those of weight 0 apart."""
        held = slices.passes()
        if self._slices.keys() != held.keys():
            return False
        return all(self._slices[code].agree(one.evidence.rows, weighted=weighted) for code, one in held.items())

    def under(self, other: SlicedClusters[P]) -> SlicedClusters[P]:
        """The same slices by their places among the values of ``other``, in its groups, as it counts.

        Raises: ``ValueError`` where ``other`` lacks a value, or counts otherwise.
        """
        return self._among(other, lambda one: one.under(other._fresh()))


def saved_clusters(
    clusters: ClusterPasses[Any] | None, clusters_in: Sequence[SlicedClusters[Any]]
) -> dict[str, ClusterPasses[Any] | SlicedClusters[Any]]:
    """Those of all rows and of each slicer by the name under which they are saved."""
    if clusters is None:
        return {}
    return {"clusters": clusters, **{f"clusters{number}": one for number, one in enumerate(clusters_in)}}


def clusters_agree(
    rows: int,
    clusters: ClusterPasses[P] | None,
    clusters_in: Sequence[SlicedClusters[P]],
    slices: Sequence[SlicePasses[P]],
    *,
    weighted: bool,
) -> bool:
    """Whether the clusters of all ``rows`` and of every slice have them, those of weight 0 apart."""
    if clusters is None:
        return True
    inside = all(held.agree(one, weighted=weighted) for held, one in zip(clusters_in, slices, strict=True))
    return clusters.agree(rows, weighted=weighted) and inside


class Clustered(Protocol[P]):
    """A pass that keeps clusters."""

    clusters: ClusterPasses[P] | None
    clusters_in: tuple[SlicedClusters[P], ...]


def clusters_under(
    mine: Clustered[P], theirs: Clustered[P]
) -> tuple[ClusterPasses[P] | None, tuple[SlicedClusters[P], ...]]:
    """The clusters of all rows and those of slices, as another pass keeps them.

    Raises: ``ValueError`` where that has none, or counts otherwise.
    """
    if mine.clusters is None or theirs.clusters is None:
        if mine.clusters is not theirs.clusters:
            raise ValueError("clusters on one side only")
        return None, ()
    inside = tuple(one.under(two) for one, two in zip(mine.clusters_in, theirs.clusters_in, strict=True))
    return mine.clusters.under(theirs.clusters), inside


def single_cluster(by: str | None, path: str) -> InputError:
    """What to say where all rows belong to one cluster."""
    fix = "name the column that tells patients, documents or users apart, or drop --cluster"
    return InputError(f"clusters by {by!r}: all rows belong to one cluster", fix=fix, path=path)
