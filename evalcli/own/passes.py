"""What metrics of the caller's own have gathered: of all rows, of slices, and of groups of the rows of either.

Workers count batches in any order, each with a fresh metric, and share one pass. A batch is merged as soon as all
before it were, so that few of them wait, and the order of merging is that of the rows. Of metrics on a GPU all wait for
the end: there every worker has a stream of its own, and nothing says that what another has asked for is done.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.arrays import tensor_of
from evalcli.own import groups as owngroups
from evalcli.own.values import RAISED, failure_of, plain_values
from evalcli.slicerows import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.own.metrics import OwnMetric, OwnMetrics, OwnRows
    from evalcli.own.values import Failure
    from evalcli.sources.base import Array, Batch, Slicer

_ALL = -1


class Rows(NamedTuple):
    """Which rows: of the slice ``code`` of a slicer, by its number, and of a ``group``; −1 for all."""

    slicer: int = _ALL
    code: int = _ALL
    group: int = _ALL


class Counted(NamedTuple):
    """What some ``rows`` of a batch gave: a metric under each name, or how it failed."""

    rows: int
    held: dict[str, Any]
    failed: dict[str, Failure]


class Gathered:
    """What some ``rows`` gave, in their order; ``groups`` are those of them that intervals are told by, if kept."""

    def __init__(self, own: OwnMetrics) -> None:
        self.own = own
        self.rows = 0
        self.failures: dict[str, Failure] = {}
        self.groups: dict[int, Gathered] = {}
        self._totals: dict[str, Any] = {}

    def fold(self, counted: Counted) -> None:
        """Take in what follows."""
        self.rows += counted.rows
        for own in self.own.metrics:
            if own.name in self.failures:
                continue
            if own.name in counted.failed:
                self.failures[own.name] = counted.failed[own.name]
                continue
            try:
                self._total(own).merge(counted.held[own.name])
            except RAISED as e:  # a stranger's code raises what it likes
                self._fail(own, e)

    def totals(self) -> dict[str, Any]:
        """Each metric with all rows, but for those that failed."""
        found: dict[str, Any] = {}
        for own in self.own.metrics:
            if own.name not in self.failures:
                try:
                    found[own.name] = self._total(own)
                except RAISED as e:
                    self._fail(own, e)
        return found

    def failed(self) -> tuple[Failure, ...]:
        """What failed, in the order of the metrics."""
        return tuple(self.failures[own.name] for own in self.own.metrics if own.name in self.failures)

    def values(self) -> tuple[dict[str, dict[str, float]], tuple[Failure, ...]]:
        """What each metric computes, and what failed."""
        found: dict[str, dict[str, float]] = {}
        totals = self.totals()
        for own in self.own.metrics:
            if own.name in totals:
                try:
                    found[own.name] = plain_values(totals[own.name].compute())
                except RAISED as e:
                    self._fail(own, e)
        return found, self.failed()

    def sure(self, values: dict[str, dict[str, float]]) -> dict[str, dict[str, owngroups.Sure]]:
        """The intervals of what was computed; none of a metric that fails on some of the rows."""
        confidence = self.own.choices.confidence
        if confidence is None or not self.groups:
            return {}
        sampled = owngroups.Sampled(confidence, of_clusters=self.own.source.clustered is not None)
        groups = [one for _, one in sorted(self.groups.items())]
        totals, rows = [one.totals() for one in groups], np.array([one.rows for one in groups])
        return {
            own.name: own.sure(values[own.name], [[each[own.name]] for each in totals], rows, sampled)
            for own in self.own.metrics
            if own.name in values and all(own.name in each for each in totals)
        }

    def _total(self, own: OwnMetric) -> Any:
        if own.name not in self._totals:
            self._totals[own.name] = own.metric.fresh()
        return self._totals[own.name]

    def _fail(self, own: OwnMetric, error: BaseException) -> None:
        self.failures[own.name] = failure_of(own.name, error, own.file)


class OwnPass:
    """What all workers have gathered of the ``whole``, and for each slicer of every slice with rows, by its code."""

    def __init__(self, own: OwnMetrics, slicers: Sequence[Slicer] | None = None) -> None:
        self.own = own
        self.slicers = own.source.slicers if slicers is None else slicers
        self.whole = Gathered(own)
        self.slices: tuple[dict[int, Gathered], ...] = tuple({} for _ in self.slicers)
        self._next = own.source.first
        self._waiting: dict[int, tuple[int, dict[Rows, Counted]]] = {}
        self._lock = threading.Lock()
        self._all_wait = any(one.on_device for one in own.metrics)

    def add(self, batch: Batch) -> None:
        """Give a batch to each metric; any thread may."""
        count = len(batch.preds) if batch.repeats is None else int(batch.repeats.sum())
        if count:
            self.take(self.own.rows(batch), batch.start, batch.start + count)

    def take(self, rows: OwnRows, start: int, end: int) -> None:
        """Count rows that stand from ``start`` on, where what follows begins at ``end``; any thread may."""
        counted = dict(self._counted(rows))
        with self._lock:
            self._waiting[start] = end, counted
            while not self._all_wait and self._next in self._waiting:
                self._fold(self._next)

    def finished(self) -> OwnPass:
        """The same, once all batches are there."""
        for start in sorted(self._waiting):
            self._fold(start)
        return self

    def by_value(self) -> Iterator[tuple[tuple[str, str], Gathered]]:
        """Every slice that has rows, by column and value, in order."""
        for slicer, slices in zip(self.slicers, self.slices, strict=True):
            for code, one in sorted(slices.items()):
                yield (slicer.name, slicer.values[code]), one

    def _fold(self, start: int) -> None:
        self._next, counted = self._waiting.pop(start)
        for rows, each in counted.items():
            self._at(rows).fold(each)

    def _at(self, rows: Rows) -> Gathered:
        held = self.whole if rows.slicer == _ALL else self.slices[rows.slicer].setdefault(rows.code, Gathered(self.own))
        return held if rows.group == _ALL else held.groups.setdefault(rows.group, Gathered(self.own))

    def _known(self, rows: Rows) -> Gathered | None:
        """What is there already of rows before."""
        held = self.whole if rows.slicer == _ALL else self.slices[rows.slicer].get(rows.code)
        return held if held is None or rows.group == _ALL else held.groups.get(rows.group)

    def _counted(self, rows: OwnRows) -> Iterator[tuple[Rows, Counted]]:
        if not len(rows.target):
            return
        yield from self._dealt(Rows(), rows)
        sliced = rows if owngroups.are_few(self.slicers) else rows._replace(dealt=None)
        for number in range(len(self.slices)):
            assert rows.groups is not None
            for code, places in inside(rows.groups[:, number]):
                yield from self._dealt(Rows(number, code), sliced.pick(places))

    def _dealt(self, which: Rows, rows: OwnRows) -> Iterator[tuple[Rows, Counted]]:
        yield which, self._count(which, rows)
        if rows.dealt is not None:
            for group, places in inside(rows.dealt):
                one = which._replace(group=group)
                yield one, self._count(one, rows.pick(places))

    def _count(self, which: Rows, rows: OwnRows) -> Counted:
        found = Counted(len(rows.target), {}, {})
        before = self._known(which)
        for own in self.own.metrics:
            if before is not None and own.name in before.failures:
                continue
            try:
                found.held[own.name] = _updated(own, rows)
            except RAISED as e:  # a stranger's code raises what it likes
                found.failed[own.name] = failure_of(own.name, e, own.file)
        return found


def _still(side: Array) -> Array:
    """The same, which nobody can change: others see it, too."""
    seen = side.view()
    seen.flags.writeable = False
    return seen


def _updated(own: OwnMetric, rows: OwnRows) -> Any:
    """A metric of these rows."""
    part = own.metric.fresh()
    weighed = own.wants_weight and rows.weight is not None
    sides = (rows.preds, rows.target, *((rows.weight,) if weighed else ()))
    sides = tuple(tensor_of(side, part.device) if own.wants_tensors else _still(side) for side in sides)
    part.update(*sides[:2], **({"weight": sides[2]} if weighed else {}))
    return part
