"""One pass over models that predict values: of each what a report needs, and the rows where two of them part most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from evalcli.comparing.apart import FirstPass
from evalcli.comparing.clusters import clusters_at, counts_of
from evalcli.comparing.elements import elements_of, in_common, names_of
from evalcli.evidence import Fault
from evalcli.regression.states import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import ValueRows
    from evalcli.regression.states import RegressionPass
    from evalcli.sources.base import Batch
    from evalcli.task import Task

FARTHER, NEARER = 0, 1
"""The second model is farther off than the first, or nearer."""


class Parted(NamedTuple):
    """Rows (K,) on which one of two models is farther off, by how much, with the target and both predictions."""

    kind: HostArray
    gap: HostArray
    number: HostArray
    target: HostArray
    first: HostArray
    second: HostArray
    name: HostArray

    def take(self, rows: HostArray) -> Parted:
        """Some of them."""
        return Parted(*(part[rows] for part in self))


def _none() -> Parted:
    whole, real = np.zeros(0, np.int64), np.zeros(0)
    return Parted(whole, real, whole, real, real, real, np.zeros(0, object))


@dataclass
class LargestGaps:
    """The ``limit`` rows of either kind with the largest difference of absolute errors, the first of equal ones."""

    travels: ClassVar[tuple[str, ...]] = ("rows",)

    limit: int
    rows: Parted = field(default_factory=_none)

    def update(
        self,
        first: ValueRows,
        second: ValueRows,
        numbers: Callable[[HostArray], HostArray],
        names: Callable[[HostArray], HostArray] | None,
    ) -> None:
        """Take in the rows of a batch, of one output; ``numbers`` and ``names`` tell of some of them."""
        gap = np.abs(second.residual[0]) - np.abs(first.residual[0])
        if first.counted is not None:
            gap = np.where(first.counted, gap, 0.0)
        where = np.flatnonzero(gap)
        if not len(where) or not self.limit:
            return
        kind, size = np.where(gap[where] > 0.0, FARTHER, NEARER), np.abs(gap[where])
        stays = np.flatnonzero(size >= self._least()[kind])
        where, kind, size = where[stays], kind[stays], size[stays]
        if not len(where):
            return
        values = first.target[0][where], first.preds[0][where], second.preds[0][where]
        fresh = Parted(kind, size, numbers(where), *values, np.full(len(where), None, object))
        kept = _largest(fresh, self.limit)
        fresh = fresh.take(kept)
        if names is not None:  # they are costly, and most rows do not stay
            fresh = fresh._replace(name=names(where[kept]))
        self._join(fresh)

    def _least(self) -> HostArray:
        """What a gap of either kind must reach to be kept."""
        least = np.zeros(2)
        for kind in (FARTHER, NEARER):
            held = self.rows.gap[self.rows.kind == kind]
            least[kind] = held.min() if len(held) >= self.limit else 0.0
        return least

    def _join(self, fresh: Parted) -> None:
        joined = Parted(*(np.concatenate(parts) for parts in zip(self.rows, fresh, strict=True)))
        self.rows = joined.take(_largest(joined, self.limit))

    def merge(self, other: LargestGaps) -> None:
        """Take in what another worker has kept."""
        self._join(other.rows)


def _largest(rows: Parted, limit: int) -> HostArray:
    """The places of the largest gaps of either kind, by kind and size."""
    order = np.lexsort((rows.number, -rows.gap, rows.kind))
    farther = int(np.count_nonzero(rows.kind == FARTHER))
    kept: HostArray = np.concatenate([order[:farther][:limit], order[farther:][:limit]])
    return kept


@dataclass(slots=True)
class ValuesPass(FirstPass):
    """What one worker gathers."""

    travels = (*FirstPass.shared, "gaps", "differing")
    gathers = ("states", "evidence", "squares")

    passes: tuple[RegressionPass, ...]
    gaps: LargestGaps
    differing: int = 0
    """Rows in which not all models predict the same."""

    def add(self, rows: Rows) -> bool:
        """Count the same rows of all models."""
        every = [one.prepare(batch, one.evidence) for one, batch in zip(self.passes, rows.batches, strict=True)]
        values, places = in_common(every)
        self.lose([each.count for each in every], [each.count for each in values])
        if not self.same_target:
            self._compare(values, places, rows.batches[0])
        for one, each in zip(self.passes, values, strict=True):
            one.take(each)
        unlike = [(values[0].preds != each.preds).any(axis=0) for each in values[1:]]
        self.differing += int(np.count_nonzero(np.any(unlike, axis=0)))
        if self.clusters is not None:
            self.clusters.update(clusters_at(rows, places), values[0].weight)
        if self.gaps.limit:
            batch = rows.batches[0]
            names = None if batch.cells is None else names_of(batch, 1, places)
            self.gaps.update(values[0], values[1], elements_of(batch, 1, places), names)
        return True

    def _compare(self, values: Sequence[ValueRows], places: HostArray | None, batch: Batch) -> None:
        """Record the rows whose targets or weights are not the same for all models."""
        first = values[0]
        for other in values[1:]:
            self.unlike.merge(_unlike(first.target, other.target, places, batch))
            if first.weight is not None and other.weight is not None:
                self.unlike_weights.merge(_unlike(first.weight[None], other.weight[None], places, batch))

    def merge(self, other: ValuesPass) -> None:
        """Take in what another worker has gathered."""
        self.take_in(other)
        self.gaps.merge(other.gaps)
        self.differing += other.differing

    def count_alone(self) -> None:
        """Every model was counted by itself."""


def _unlike(mine: HostArray, theirs: HostArray, places: HostArray | None, batch: Batch) -> Fault:
    """The rows (N,) in which two sides (D, N) are not the same, with the first values that differ."""
    if np.array_equal(mine, theirs):
        return Fault()
    differ = mine != theirs
    where = np.flatnonzero(differ.any(axis=0))
    first = where[:3]
    outputs = differ[:, first].argmax(axis=0)
    told = zip(mine[outputs, first].tolist(), theirs[outputs, first].tolist(), strict=True)
    numbers = elements_of(batch, 1, places)(first).tolist()
    return Fault(len(where), [(row, f"{a!r}\0{b!r}") for row, (a, b) in zip(numbers, told, strict=True)])


def begin_values(
    members: Sequence[Any], tasks: Sequence[Task], *, gaps: int, same_target: bool
) -> Callable[[], ValuesPass]:
    """Empty passes, one for each worker."""
    makers = [begin(one, task) for one, task in zip(members, tasks, strict=True)]

    def fresh() -> ValuesPass:
        passes = tuple(make() for make in makers)
        for one in passes:
            one.prepare, one.clusters = one.prepare._replace(keep_places=True), None
        limit, clusters = gaps if members[0].layout.outputs == 1 else 0, counts_of(members)
        return ValuesPass(passes, same_target, LargestGaps(limit), lost=[0] * len(passes), clusters=clusters)

    return fresh
