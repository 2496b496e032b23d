"""The states of the caller's own metrics as arrays: what a part holds of them, and what ranks send.

Whoever reads rows makes one contribution (:mod:`evalcli.own.contributions`). Adding up parts lays their contributions
side by side, in the order of the names of the files; only a report merges them, one after the other in that order. So
no order and no tree of merges shows in the result, and adding up runs no strange code. Rows that were in memory are of
no file: such contributions are in the order of what they hold. Before the name of an array stands the number of its
contribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from evalcli.errors import InputError
from evalcli.own.arrays import loaded, state_of
from evalcli.own.contributions import (
    Contributed,
    Contribution,
    GroupSeen,
    Over,
    OwnName,
    SliceSeen,
    in_order,
    names_of,
)
from evalcli.own.groups import GROUPS, are_few
from evalcli.own.values import RAISED, OwnValues, failure_of, plain_values, told_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.own.groups import Sampled, Sure
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.passes import Gathered, OwnPass
    from evalcli.own.values import Failure
    from evalcli.sources.base import Array, InputFile, Slicer

    State = Mapping[str, Array]
    States = Mapping[str, State]


@dataclass(frozen=True, slots=True)
class OwnStates:
    """All contributions, in order."""

    names: tuple[OwnName, ...] = ()
    contributed: tuple[Contributed, ...] = ()

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """Them without their arrays."""
        return tuple(one.contribution for one in self.contributed)

    def failures(self, slicers: Sequence[Slicer]) -> tuple[Failure, ...]:
        """What failed first of each metric, on all rows or else in slices."""
        whole = _first(one.failures for one in self.contributions)
        return told_once(
            whole.values(),
            ((where, _first(one.failures for one in each).values()) for where, each in self._slices(slicers).items()),
        )

    def beside(self, other: OwnStates) -> OwnStates:
        """Those of both."""
        return OwnStates(self.names, in_order((*self.contributed, *other.contributed)))

    def state_dict(self) -> dict[str, Array]:
        """Every array under its name."""
        return {
            f"{number}{name}": array
            for number, one in enumerate(self.contributed)
            for name, array in one.arrays(self.names)
        }

    def values(
        self, metrics: Sequence[OwnMetric], slicers: Sequence[Slicer], path: str, sampled: Sampled | None = None
    ) -> OwnValues:
        """What each of the ``metrics`` computes, of all rows and of slices, and what failed.

        ``path`` is what errors call the states; intervals are of rows that were ``sampled`` so.

        Raises:
            InputError: there is a metric too many or too few, or states are not those of their metric.

        """
        self._check(metrics, path)
        whole, slices = [one.whole() for one in self.contributed], self._slices(slicers)
        values, failures = _computed(metrics, whole, path)
        found = {where: _computed(metrics, each, path) for where, each in slices.items()}
        told = told_once(failures, ((where, failed) for where, (_, failed) in found.items()))
        by_slice = {where: each for where, (each, _) in found.items()}
        if sampled is None:
            return OwnValues(values, by_slice, told)
        few = slices if are_few(slicers) else {}
        inside = {where: _sure(metrics, each, by_slice[where], path, sampled) for where, each in few.items()}
        return OwnValues(values, by_slice, told, _sure(metrics, whole, values, path, sampled), inside)

    def _slices(self, slicers: Sequence[Slicer]) -> dict[tuple[str, str], list[Over]]:
        """What is over each slice that has rows, in the order of ``slicers``."""
        every: dict[tuple[str, str], list[Over]] = {}
        for one in self.contributed:
            for where, over in one.by_slice():
                every.setdefault(where, []).append(over)
        places = ((slicer.name, value) for slicer in slicers for value in slicer.values)
        return {where: every[where] for where in places if where in every}

    def _check(self, metrics: Sequence[OwnMetric], path: str) -> None:
        held, asked = {one.name: one for one in self.names}, {one.name: one for one in metrics}
        for name, one in held.items():
            if name not in asked:
                what = f"{name} was counted, and nothing says how to compute it"
                raise InputError(what, fix=f"add {one.address()}", path=path)
        for name, metric in asked.items():
            if name not in held:
                there = ", ".join(held) or "none"
                what = f"--metric {name}: no states of it were counted (there are: {there})"
                raise InputError(what, fix="write all parts with this --metric", path=path)
            if held[name].made and metric.made and held[name].made != metric.made:
                what = f"{name} was counted as {held[name].made}, and is to be computed as {metric.made}"
                raise InputError(what, fix=f"merge with {held[name].address()}", path=path)


NONE = OwnStates()
"""No metrics of the caller's own."""


def contributed(own: OwnPass, inputs: tuple[InputFile, ...]) -> OwnStates:
    """What was gathered of the rows of ``inputs``.

    Raises:
        UsageError: a metric whose state cannot be written.

    """
    whole, names = _over(own.whole), names_of(own.own.metrics)
    slices = sorted(((where, _over(one)) for where, one in own.by_value()), key=itemgetter(0))
    seen = tuple(SliceSeen(*where, over.failures, _seen(over)) for where, over in slices)
    one = Contributed(
        Contribution(inputs, whole.failures, seen, _seen(whole)),
        whole.states,
        tuple(over.states for _, over in slices),
        tuple(states for _, states in whole.groups),
        tuple(tuple(states for _, states in over.groups) for _, over in slices),
    )
    return OwnStates(names, (one.marked(names),))


def _over(held: Gathered) -> Over:
    totals = held.totals()
    states = {one.name: state_of(one, totals[one.name]) for one in held.own.metrics if one.name in totals}
    groups = ((number, each, _over(each)) for number, each in sorted(held.groups.items()))
    dealt = tuple((GroupSeen(number, each.rows, over.failures), over.states) for number, each, over in groups)
    return Over(held.failed(), states, dealt)


def _seen(over: Over) -> tuple[GroupSeen, ...]:
    return tuple(seen for seen, _ in over.groups)


def _first(failures: Iterable[Iterable[Failure]]) -> dict[str, Failure]:
    """What failed first of each metric."""
    found: dict[str, Failure] = {}
    for each in failures:
        for one in each:
            found.setdefault(one.name, one)
    return found


def _computed(
    metrics: Sequence[OwnMetric], over: Sequence[Over], path: str
) -> tuple[dict[str, dict[str, float]], list[Failure]]:
    """What each of the ``metrics`` computes over all these rows, and what failed."""
    found: dict[str, dict[str, float]] = {}
    failures: list[Failure] = []
    early = _first(one.failures for one in over)
    for own in metrics:
        if own.name in early:
            failures.append(early[own.name])
            continue
        parts = [loaded(own, one.states[own.name], path) for one in over]
        try:
            total = own.metric.fresh()
            for part in parts:
                total.merge(part)
            found[own.name] = plain_values(total.compute())
        except RAISED as e:  # a stranger's code raises what it likes
            failures.append(failure_of(own.name, e, own.file))
    return found, failures


def _sure(
    metrics: Sequence[OwnMetric],
    over: Sequence[Over],
    values: Mapping[str, dict[str, float]],
    path: str,
    sampled: Sampled,
) -> dict[str, dict[str, Sure]]:
    """The intervals of what was computed over all these rows."""
    every: dict[int, list[tuple[GroupSeen, States]]] = {}
    for one in over:
        for seen, states in one.groups:
            every.setdefault(seen.number, []).append((seen, states))
    groups = [held for _, held in sorted(every.items())]
    rows = np.array([sum(seen.rows for seen, _ in held) for held in groups])
    found = {}
    for own in metrics:
        if own.name in values and all(own.name in states for held in groups for _, states in held):
            parts = [[loaded(own, states[own.name], path) for _, states in held] for held in groups]
            found[own.name] = own.sure(values[own.name], parts, rows, sampled)
    return found


def restored(
    names: tuple[OwnName, ...],
    contributions: tuple[Contribution, ...],
    arrays: Mapping[str, Array],
    slicers: Sequence[Slicer],
) -> OwnStates:
    """What ``state_dict`` of such states gave, as states again; ``slicers`` are those of the rows.

    Raises: ``ValueError`` for anything else. What the arrays mean is for their metric to judge.
    """
    known = [one.name for one in names]
    if known != sorted({*known}) or bool(known) != bool(contributions):
        raise ValueError("its own metrics are not in order")
    sliced = {(slicer.name, value) for slicer in slicers for value in slicer.values}
    found: list[Contributed] = []
    metrics = {str(number): name for number, name in enumerate(known)}
    places: dict[str, dict[str, dict[str, Array]]] = {}
    for number, each in enumerate(contributions):
        seen = [(one.by, one.value) for one in each.slices]
        if seen != sorted({*seen}) or {*seen} - sliced:
            raise ValueError("a contribution to its own metrics is of slices that there are not")
        states = places[f"{number}"] = _places(known, each.failures)
        slices = tuple(_places(known, one.failures) for one in each.slices)
        groups = _group_places(known, each.groups)
        inside = tuple(_group_places(known, one.groups) for one in each.slices)
        places |= {f"{number}/{i}": one for i, one in enumerate(slices)}
        for head, held in ((f"{number}", groups), *((f"{number}/{i}", one) for i, one in enumerate(inside))):
            places |= {f"{head}~{i}": one for i, one in enumerate(held)}
        found.append(Contributed(each, states, slices, groups, inside))
    for key, array in arrays.items():
        head, _, rest = key.partition(".")
        place, _, name = rest.partition(".")
        metric = metrics.get(place, "")
        if metric not in places.get(head, {}):
            raise ValueError(f"there is no own metric with the state {key!r}")
        places[head][metric][name] = array
    marked = tuple(one.marked(names) for one in found)
    known_rows = [one.contribution.key() for one in marked if one.contribution.inputs]
    if len({*known_rows}) != len(known_rows) or [*map(id, marked)] != [*map(id, in_order(marked))]:
        raise ValueError("the contributions to its own metrics are not in order")
    return OwnStates(names, marked)


def _places(known: Sequence[str], failures: Iterable[Failure]) -> dict[str, dict[str, Array]]:
    """Room for the states of the metrics that did not fail.

    Raises: ``ValueError`` where one failed twice, or is not ``known``.
    """
    failed = [one.name for one in failures]
    if len({*failed}) != len(failed) or {*failed} - {*known}:
        raise ValueError("a contribution to its own metrics is of no rows, or of other metrics")
    return {name: {} for name in known if name not in failed}


def _group_places(known: Sequence[str], groups: Sequence[GroupSeen]) -> tuple[dict[str, dict[str, Array]], ...]:
    """The same of each group.

    Raises: ``ValueError`` where there is no such group.
    """
    numbers = [one.number for one in groups]
    if numbers != sorted({*numbers} & {*range(GROUPS)}):
        raise ValueError("a contribution to its own metrics is of groups that there are not")
    if any(one.rows < 1 for one in groups):
        raise ValueError("a contribution to its own metrics is of groups without rows")
    return tuple(_places(known, one.failures) for one in groups)
