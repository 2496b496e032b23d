"""Metrics of the caller's own beside an evaluation: the same batches, the same workers, one pass.

Each batch is given to a fresh metric, and these are merged in the order of the rows (:mod:`evalcli.own.passes`), so
that neither the number of workers nor which of them was quicker can show in the result. A metric that fails is left
out from then on, and what it raised is kept with the line it came from; nothing else in the report changes.

What a metric sees: the rows of a batch without the ignored ones; scores or values as they are, labels and the truth as
class numbers; ``weight`` where the input has weights. Rows that were counted together come one by one again.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.engine import settle
from evalcli.own import groups as owngroups
from evalcli.own.passes import OwnPass
from evalcli.own.values import RAISED, OwnValues, plain_values, told_once
from evalcli.sources.labels import class_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.evidence import Evidence
    from evalcli.sources.base import Array, Batch, Field, Source
    from evalcli.task import Choices, Task


class OwnRows(NamedTuple):
    """What metrics see: predictions, truth and weights; ``groups`` (N, S) are the slices that each row is in.

    ``dealt`` (N,) is the group of rows for an interval, where one is wanted.
    """

    preds: Array
    target: Array
    weight: Array | None
    groups: Array | None = None
    dealt: Array | None = None

    def pick(self, rows: Array) -> OwnRows:
        """Some of the rows."""
        weight, groups, dealt = (
            None if part is None else part[rows] for part in (self.weight, self.groups, self.dealt)
        )
        return OwnRows(self.preds[rows], self.target[rows], weight, groups, dealt)


class OwnMetric:
    """A metric under a name; ``file`` is where its class was written, ``better`` which values are, if it says so.

    ``made`` is how it was made where that was said in an address: its class with its arguments, ``TopK(k=3)``, after
    its module where that is no file.
    """

    def __init__(self, name: str, metric: Any, made: str = "") -> None:
        self.name, self.metric, self.made = name, metric, made
        self.better = _better(metric)
        self.wants_weight = "weight" in _parameters(metric.update)
        states = getattr(metric, "_defaults", {}).values()
        self.wants_tensors = any(hasattr(state, "detach") for state in states)
        """Whether it computes with torch, as its states say."""
        self.on_device = self.wants_tensors and str(getattr(metric, "device", "cpu")) != "cpu"
        try:
            self.file: str | None = inspect.getfile(type(metric))
        except (TypeError, OSError):
            self.file = None

    def sure(
        self, values: Mapping[str, float], groups: Sequence[Sequence[Any]], rows: Array, sampled: owngroups.Sampled
    ) -> dict[str, owngroups.Sure]:
        """The intervals of its numbers, from what was gathered of each of the groups of rows; none where it fails."""
        with suppress(*RAISED):  # a stranger's code raises what it likes
            return owngroups.intervals(values, self.how, [self.merged(parts) for parts in groups], rows, sampled)
        return {}

    @property
    def how(self) -> owngroups.How:
        """How several of it merge, and what one computes."""
        return owngroups.How(self.merged, lambda one: plain_values(one.compute()))

    def merged(self, parts: Sequence[Any]) -> Any:
        """One metric of the rows of several."""
        total = self.metric.fresh()
        for part in parts:
            total.merge(part)
        return total


def _better(metric: Any) -> str:
    """Whether ``higher`` or ``lower`` values are better, as its ``higher_is_better`` says; empty where it does not."""
    try:
        says = metric.higher_is_better
    except Exception:  # a stranger's code raises what it likes
        return ""
    return ("higher" if says else "lower") if isinstance(says, bool) else ""


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


@dataclass(slots=True)
class OwnMetrics:
    """The metrics of one evaluation, and how a batch becomes what they see.

    ``names`` are the classes by their numbers, where another input has some that are not in this one.
    """

    metrics: tuple[OwnMetric, ...]
    choices: Choices
    source: Source
    total: OwnPass | None = None
    names: tuple[str, ...] | None = None

    def around(self, begin: Callable[[], Any]) -> Callable[[], Accompanied]:
        """Passes that these metrics accompany: what they gather is one for all workers."""
        shared = OwnPass(self)
        return lambda: Accompanied(begin(), shared)

    def values(self) -> OwnValues:
        """What each metric computes, and what failed."""
        assert self.total is not None
        values, failures = self.total.whole.values()
        slices = dict(self.total.by_value())
        found = {where: one.values() for where, one in slices.items()}
        told = told_once(failures, ((where, failed) for where, (_, failed) in found.items()))
        inside = {where: one.sure(found[where][0]) for where, one in slices.items()}
        by_slice = {where: each for where, (each, _) in found.items()}
        return OwnValues(values, by_slice, told, self.total.whole.sure(values), inside)

    def rows(self, batch: Batch) -> OwnRows:
        """Rows as metrics see them."""
        rows = self.every(batch)
        if self.choices.confidence is not None:
            rows = rows._replace(dealt=owngroups.dealt(batch, self.source.origins()))
        keep = self.kept(rows)
        return rows if keep is None else rows.pick(keep)

    def every(self, batch: Batch) -> OwnRows:
        """The same with the ignored ones, and dealt to no groups."""
        preds, target, weight, groups = batch.preds, batch.target, batch.weight, batch.groups
        names = self.names
        if names is None:
            names = class_numbers(self.choices, self.source.preds, self.source.target)
        preds, target = _numbered(preds, self.source.preds, names), _numbered(target, self.source.target, names)
        if batch.repeats is not None:
            preds, target = np.repeat(preds, batch.repeats, axis=0), np.repeat(target, batch.repeats, axis=0)
            weight = None if weight is None else np.repeat(weight, batch.repeats)
            groups = None if groups is None else np.repeat(groups, batch.repeats, axis=0)
        return OwnRows(preds, target, weight, groups)

    def kept(self, rows: OwnRows) -> Array | None:
        """Which rows count; ``None``: all."""
        preds, target = rows.preds, rows.target
        keep = np.ones(len(target), bool)
        if self.choices.ignore_index is not None and target.ndim == 1:
            gone = -1 if self.source.target.labels is not None else self.choices.ignore_index
            keep &= target != gone
        if self.choices.nan == "drop":
            if preds.dtype.kind == "f":
                keep &= ~np.isnan(preds).reshape(len(preds), -1).any(axis=1)
            for side, field_ in ((preds, self.source.preds), (target, self.source.target)):
                if field_.labels is not None:
                    keep &= side >= 0
        return None if keep.all() else keep


def class_numbers(choices: Choices, preds: Field, target: Field) -> tuple[str, ...]:
    """The classes by the numbers under which metrics see texts, and columns."""
    if choices.labels is not None:
        return choices.labels
    if preds.columns is not None:
        return preds.columns
    names = class_order({*(target.labels or ()), *(preds.labels or ())})
    return tuple(name for name in names if name != str(choices.ignore_index))


def _numbered(rows: Array, side: Field, names: tuple[str, ...]) -> Array:
    """Texts as the numbers of their classes, −1 for what is none; columns in the order of the classes."""
    if side.labels is not None:
        place = {name: i for i, name in enumerate(names)}
        table = np.array([*(place.get(label, -1) for label in side.labels), -1], np.int64)
        numbers: Array = table[rows]
        return numbers
    if side.columns is not None and side.columns != names and {*side.columns} == {*names}:
        return rows[:, [side.columns.index(name) for name in names]]
    return rows


@dataclass(slots=True)
class Accompanied:
    """A pass, and the metrics that go along."""

    main: Any
    own: Any = field(repr=False)
    """An ``OwnPass``, of several models what they have together."""

    @property
    def saves_all(self) -> bool:
        """Metrics of the caller's own are objects."""
        return False

    @property
    def evidence(self) -> Evidence:
        """What the pass has seen."""
        found: Evidence = self.main.evidence
        return found

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` where it contradicts the decision."""
        holds: bool = self.main.add(batch)
        if holds:
            self.own.add(batch)
        return holds

    def settle(self) -> None:
        """Count what the pass has put off."""
        settle(self.main)

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self.main.merge(other.main)

    def check(self, decided: Task) -> None:
        """Refuse what cannot be evaluated."""
        self.main.check(decided)
