"""The search for weak slices: what is counted of every value of every column and of every pair, in the same pass.

A slice is compared by a share of rows, hits among those that count, or by the mean of a loss, such as the absolute
error. Rows are counted in a table for each column and each pair, (values + 1) by (values + 1); the last value stands
for all that is not searched. Losses are added exactly, so that no batch and no worker can be seen.
"""

from __future__ import annotations

from itertools import combinations
from math import inf, prod
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.base import restore_states, saved_states
from evalcli.metrics.registry import parse
from evalcli.scanning.clusters import ScanClusters
from evalcli.slicepasses import places_among

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evalcli.metrics.base import Saveable
    from evalcli.metrics.registry import MetricName
    from evalcli.scanning.clusters import ClusteredRows
    from evalcli.scanning.counts import Counts, Hits, Part, Sums
    from evalcli.sources.base import Array, Scanned, Source

T = TypeVar("T")


class ScanTables:
    """The counts of every column and pair: by their places, ``(column,)`` and ``(column, column)``."""

    def __init__(
        self, scanned: Scanned, kind: type[Hits | Sums], *, weighted: bool = False, clustered: bool = False
    ) -> None:
        self.scanned, self._kind, self._weighted = scanned, kind, weighted
        self.sizes = [len(slicer.values) + 1 for slicer in scanned.columns]
        places = range(len(self.sizes))
        self.shapes = {
            which: tuple(self.sizes[place] for place in which)
            for which in (*((place,) for place in places), *combinations(places, 2))
        }
        self.tables: dict[tuple[int, ...], Counts] = {
            which: kind(prod(shape), wholes=len(which) == 1, weighted=weighted) for which, shape in self.shapes.items()
        }
        self._total: Counts = kind(1, wholes=True, weighted=weighted)
        self._lightest, self._heaviest = inf, 0.0
        self._clusters = ScanClusters(len(self.sizes)) if clustered else None

    def update(
        self,
        values: Array,
        codes: Array | None,
        repeats: Array | None = None,
        weight: Array | None = None,
        cluster: Array | None = None,
    ) -> None:
        """Count rows (N,) with the codes of their values, (N, K), −1 for none; ``None`` where no column is searched."""
        codes = np.empty((len(values), 0), np.int64) if codes is None else codes
        if weight is not None:
            self._lightest = min(self._lightest, float(weight.min(initial=inf)))
            self._heaviest = max(self._heaviest, float(weight.max(initial=0.0)))
        self._total.add(np.zeros(len(values), np.int64), values, repeats, weight)
        if self._clusters is not None:
            assert cluster is not None
            self._clusters.add(cluster, codes, values, repeats, weight)
        places = [np.where(codes[:, i] < 0, size - 1, codes[:, i]) for i, size in enumerate(self.sizes)]
        for which, table in self.tables.items():
            cells = places[which[0]]
            for place in which[1:]:
                cells = cells * self.sizes[place] + places[place]
            table.add(cells, values, repeats, weight)

    def update_some(self, counts: Array | None, *rows: Array | None) -> None:
        """The same of the rows that count (N,) bool; ``None``: of all."""
        self.update(*(part if counts is None or part is None else part[counts] for part in rows))  # type: ignore[arg-type]  # values are there

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._lightest = min(self._lightest, other._lightest)
        self._heaviest = max(self._heaviest, other._heaviest)
        self._total.merge(other._total)
        if self._clusters is not None and other._clusters is not None:
            self._clusters.merge(other._clusters)
        for which, table in self.tables.items():
            table.merge(other.tables[which])

    def under(self, other: ScanTables) -> ScanTables:
        """The same with the columns and the values of ``other``: some of these columns, all of their values.

        Raises: ``ValueError`` where ``other`` has another column, lacks a value, or counts otherwise.
        """
        mine, theirs = {one.name: one for one in self.scanned.columns}, other.scanned.columns
        alike = self._kind == other._kind and all(one.name in mine for one in theirs)
        if not alike or self._weighted != other._weighted or (self._clusters is None) != (other._clusters is None):
            raise ValueError("another search")
        if self.scanned.columns == theirs:
            return self
        names = [*mine]
        places = [np.array(places_among(mine[one.name], one), np.int64) for one in theirs]
        return self._moved(other.scanned, places, [names.index(one.name) for one in theirs])

    def of(self, scanned: Scanned) -> ScanTables:
        """The same of the columns and the values that are searched: some of these."""
        names = [one.name for one in self.scanned.columns]
        kept = [names.index(one.name) for one in scanned.columns]
        places = []
        for column, slicer in zip(kept, scanned.columns, strict=True):
            place = {value: code for code, value in enumerate(slicer.values)}
            every = self.scanned.columns[column].values
            places.append(np.array([place.get(value, -1) for value in every], np.int64))
        return self._moved(scanned, places, kept)

    def _moved(self, scanned: Scanned, places: Sequence[Array], kept: Sequence[int]) -> ScanTables:
        """Those of ``scanned``, whose columns are the ``kept`` ones, with value ``i`` as ``places[column][i]``."""
        found = ScanTables(scanned, self._kind, weighted=self._weighted, clustered=self._clusters is not None)
        found._lightest, found._heaviest, found._total = self._lightest, self._heaviest, self._total
        index = [
            np.where((codes := np.append(place, -1)) < 0, size - 1, codes)
            for place, size in zip(places, found.sizes, strict=True)
        ]
        for which, shape in found.shapes.items():
            cells = index[which[0]]
            for column in which[1:]:
                cells = (cells[:, None] * found.sizes[column] + index[column]).reshape(-1)
            held = self.tables[tuple(kept[column] for column in which)]
            found.tables[which].merge(held.moved(cells, prod(shape)))
        if self._clusters is not None:
            found._clusters = self._clusters.moved(places, kept)
        return found

    def _saved(self) -> dict[str, Saveable]:
        saved: dict[str, Saveable] = {"total": self._total}
        saved |= {"-".join(map(str, which)): table for which, table in self.tables.items()}
        return saved if self._clusters is None else saved | {"clusters": self._clusters}

    def state_dict(self) -> dict[str, Array]:
        """All that was counted, and the least and the largest weight."""
        return {"weights.ends": np.array([self._lightest, self._heaviest]), **saved_states(self._saved())}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        rest = {**state}
        ends = rest.pop("weights.ends", None)
        if ends is None or ends.dtype != np.float64 or ends.shape != (2,) or not (ends >= 0.0).all():
            raise ValueError("a search without its weights")
        self._lightest, self._heaviest = ends.tolist()
        restore_states(self._saved(), rest)
        rows = int(self._total.rows[0])
        if any(int(table.rows.sum()) != rows for table in self.tables.values()):
            raise ValueError("a search of other rows")
        if self._clusters is not None:
            self._clusters.check([size - 1 for size in self.sizes], rows)

    @property
    def counted(self) -> int:
        """How many rows count."""
        return int(self._total.rows[0])

    def rows(self, which: tuple[int, ...]) -> Array:
        """The rows of every slice of a column, or of a pair."""
        return self.tables[which].rows.reshape(self.shapes[which])

    @property
    def _alike(self) -> bool:
        """Whether all rows weigh the same."""
        return self._lightest >= self._heaviest

    def clusters(self) -> ClusteredRows | None:
        """The rows by their clusters, where they have some."""
        return None if self._clusters is None else self._clusters.judged()

    def whole(self) -> Part:
        """All rows."""
        return self._total.part(0, alike=self._alike)

    def part(self, which: tuple[int, ...], values: tuple[int, ...]) -> Part:
        """The rows of one slice."""
        cell = 0
        for value, size in zip(values, self.shapes[which], strict=True):
            cell = cell * size + value
        return self.tables[which].part(cell, alike=self._alike)


def searched_codes(groups: Array | None, slices: int) -> Array | None:
    """The codes of what is searched, behind those of so many slicers; ``None`` where there are none of either."""
    return None if groups is None else groups[:, slices:]


def tables_of(source: Source, kind: type[Hits | Sums]) -> ScanTables | None:
    """Empty ones for what is searched of a source, if anything is."""
    if source.scanned is None:
        return None
    return ScanTables(source.scanned, kind, weighted=source.weighted, clustered=source.clustered is not None)


def scan_under(mine: ScanTables | None, theirs: ScanTables | None) -> ScanTables | None:
    """What one has counted with the values of another.

    Raises: ``ValueError`` where one of them counts nothing, or something else.
    """
    if mine is None or theirs is None:
        if mine is not theirs:
            raise ValueError("a search on one side only")
        return None
    return mine.under(theirs)


class Rows(NamedTuple):
    """Which rows a metric is a share of: all, or those whose ``target`` or ``preds`` (``side``) is the class.

    With ``other`` those where it is not. They are hits where the other side agrees.
    """

    side: str = "all"
    place: int = 0
    other: bool = False

    def of(self, place: int) -> Rows:
        """The same of a class."""
        return self._replace(place=place)


ALL = Rows()
SIDES = {
    "recall": Rows("target"),
    "precision": Rows("preds"),
    "specificity": Rows("target", other=True),
    "npv": Rows("preds", other=True),
}
"""Shares of rows that are of one class, or of one label."""
_EVERY = ("accuracy", "subset_accuracy", "hamming_loss", "mae", *SIDES)


def scanned_metric(asked: str, known: Collection[str], what: str, fix: str) -> MetricName:
    """The metric to search by.

    Raises:
        UsageError: its name is none of those that are ``known``, or it is of a slice or an average.

    """
    name = parse(asked)
    if name.base not in known or name.average is not None or name.slice_by is not None:
        raise UsageError(f"--scan-metric {asked}: {what}", fix=fix)
    return name


def until_decided(metric: str, of: Callable[[], T], usual: T) -> T:
    """What ``metric`` makes of rows, or the ``usual`` where it is of another task: which one it is shows in the rows.

    Raises:
        UsageError: no task is searched by it.

    """
    try:
        return of()
    except UsageError:
        name = parse(metric)
        if name.base in _EVERY and name.average is None and name.slice_by is None:
            return usual
        fix = (
            "use accuracy or recall[cat] and the like, subset_accuracy or hamming_loss of several labels, mae of values"
        )
        what = f"--scan-metric {metric}: not a share of rows, hits and misses, nor a mean of what they are off by"
        raise UsageError(what, fix=fix) from None
