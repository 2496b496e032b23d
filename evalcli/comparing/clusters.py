"""Rows that are compared, by the cluster they belong to (``--cluster``).

The first pass counts the rows of every cluster, and of labels how many of a cluster are in which joint cell: a sparse
table, as a report keeps one. What else rows add to a difference is known in the second pass only, when the metrics of
all models are. It is summed up exactly by cluster, or, where there are more than a hundred, by a hash of its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from evalcli.classification.clusters import CellTable
from evalcli.clustergroups import GROUPS, Sizes, hashed
from evalcli.clusterpasses import single_cluster
from evalcli.comparing.joint import packed, unpacked
from evalcli.metrics.exact import ExactSum
from evalcli.report import Clustered
from evalcli.uncertainty.pairedclusters import JointClusters, Moved, PairedClusters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.classification.labels import Labels
    from evalcli.comparing.rows import Rows
    from evalcli.counting import Plan
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import JointCells
    from evalcli.uncertainty.intervals import Confidence


def counts_of(members: Sequence[Plan], pairs: Sequence[tuple[int, int]] = ()) -> ClusterCounts | None:
    """Empty counts of the clusters that any of the models knows; ``None`` where rows are independent."""
    by = next((one.source.clustered for one in members if one.source.clustered is not None), None)
    return None if by is None else ClusterCounts(by, members[0].source.weighted, tuple(pairs))


def cluster_in(labels: Sequence[Labels]) -> HostArray:
    """The cluster of each row, as the first model has it that knows."""
    found: HostArray = next(each.cluster for each in labels if each.cluster is not None)
    return found


def clusters_at(rows: Rows, places: HostArray | None) -> HostArray:
    """The clusters of the rows of a batch at ``places``; ``None``: of all."""
    cluster = rows.cluster
    assert cluster is not None
    return cluster if places is None else cluster[places]


@dataclass(slots=True)
class ClusterCounts:
    """What the first pass counts: all clusters with their rows, and the joint cells of each pair of models."""

    travels: ClassVar[tuple[str, ...]] = ("sizes", "tables")

    by: str
    weighted: bool
    pairs: tuple[tuple[int, int], ...] = ()
    sizes: Sizes = field(default_factory=Sizes)
    tables: dict[tuple[int, int], CellTable] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = {pair: CellTable(weighted=self.weighted) for pair in self.pairs}

    def update(self, cluster: HostArray, weight: HostArray | None) -> None:
        """Count rows (N,) by the numbers of their clusters; those without weight are none."""
        self.sizes.add(cluster if weight is None else cluster[weight > 0], None)

    def update_cells(
        self, cluster: HostArray, target: HostArray, preds: Sequence[HostArray], weight: HostArray | None
    ) -> None:
        """The same, and the joint cells they are in."""
        self.update(cluster, weight)
        for (first, second), table in self.tables.items():
            keys = packed(*(part.astype(np.int64, copy=False) for part in (target, preds[first], preds[second])))
            table.count(cluster, keys, weight, None)

    def merge(self, other: ClusterCounts) -> None:
        """Take in what another worker has counted."""
        self.sizes.merge(other.sizes)
        for pair, table in self.tables.items():
            table.merge(other.tables[pair])

    def several(self) -> bool:
        """Whether there are two, so that something says how another would differ from one."""
        return len(self.sizes.settle()[0]) > 1

    def known(self, path: str) -> KnownClusters:
        """All clusters, once every row was seen.

        Raises:
            InputError: all rows belong to one.

        """
        clusters, rows = self.sizes.settle()
        if len(clusters) < 2:
            raise single_cluster(self.by, path)
        return KnownClusters(self.by, clusters, rows, self.tables)


@dataclass(frozen=True, slots=True)
class KnownClusters:
    """The ``numbers`` (G,) of all clusters in order, and the ``rows`` (G,) of each."""

    by: str
    numbers: HostArray
    rows: HostArray
    tables: dict[tuple[int, int], CellTable]

    @property
    def told(self) -> Clustered:
        """For people."""
        return Clustered(self.by, len(self.numbers), int(self.rows.max()), None)

    @property
    def groups(self) -> int:
        """J, in how many groups clusters are summed up: each by itself, or by a hash."""
        return min(len(self.numbers), GROUPS)

    def group_of(self, cluster: HostArray) -> HostArray:
        """The group (N,) of each cluster (N,)."""
        if len(self.numbers) > GROUPS:
            return hashed(cluster, GROUPS)
        found: HostArray = np.minimum(np.searchsorted(self.numbers, cluster), self.groups - 1)  # others weigh nothing
        return found

    def paired(self, confidence: Confidence) -> PairedClusters:
        """What intervals of whole clusters read."""
        return PairedClusters(self.rows.astype(np.float64), confidence)

    def of_pair(self, pair: tuple[int, int]) -> PairClusters:
        """The joint cells of the rows of each cluster, of a pair of models."""
        cluster, keys, amounts, _ = self.tables[pair].entries()
        held = amounts > 0
        return PairClusters(self, np.searchsorted(self.numbers, cluster[held]), *unpacked(keys[held]), amounts[held])


class PairClusters(NamedTuple):
    """Rows of cluster ``cluster`` (M,), from 0, by what is true of them and what two models say, and their amounts."""

    clusters: KnownClusters
    cluster: HostArray
    target: HostArray
    first: HostArray
    second: HostArray
    amounts: HostArray

    def joint(self, cells: JointCells, confidence: Confidence, *, swapped: bool) -> JointClusters:
        """The same by the joint ``cells`` of the second model and the first, or ``swapped``."""
        said = (self.first, self.second) if swapped else (self.second, self.first)
        places = cells.places(self.target, *said)
        return JointClusters(self.cluster, places, self.amounts, self.clusters.paired(confidence))


class GroupSums:
    """Exact sums of what rows add to each of ``count`` differences, by the group of their cluster.

    Terms are those of a row less the difference itself, times its weight, in any unit.
    """

    travels = ("_sums", "_squares")

    def __init__(self, clusters: KnownClusters, count: int) -> None:
        self.clusters = clusters
        self._sums = [ExactSum(clusters.groups) for _ in range(count)]
        self._squares = ExactSum(max(count, 1))

    def update(self, number: int, terms: HostArray, groups: HostArray) -> None:
        """Take in the terms (N,) of rows in ``groups`` (N,) on difference ``number``."""
        if len(terms):
            self._sums[number].add(terms, groups)
            self._squares.add_rows((terms * terms)[None], np.array([number]))

    def merge(self, other: GroupSums) -> None:
        """Take in what another worker has added."""
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            mine.merge(theirs)
        self._squares.merge(other._squares)

    def moved(self) -> Iterable[Moved]:
        """What the groups add to each difference, in its unit."""
        for sums, variance in zip(self._sums, self._squares.value().tolist(), strict=False):
            yield Moved(sums.value(), variance)
