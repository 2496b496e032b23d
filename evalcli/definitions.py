"""Metrics that a user defines from others, in a report: their values, and how sure these are.

The interval of one is put together from those of the metrics that it reads, and from how these go together
(:mod:`evalcli.reach`, :mod:`evalcli.uncertainty.expressed`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalcli.expressions import Call, Name, evaluated
from evalcli.reach import Reach, combined, names_of
from evalcli.uncertainty.expressed import Estimates
from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.expressions import Definition
    from evalcli.metrics.arrays import HostArray
    from evalcli.report import Report, SliceRow, Value

    Ends = tuple[float, float]
    Moved = Mapping[tuple[str, str], Mapping[str, tuple[float, ...]]]


class Covariance(Protocol):
    """How metrics of all rows vary together (k, k), or of the slice ``value`` of those ``by`` a column."""

    def __call__(self, names: Sequence[str], by: str = "", value: str = "") -> HostArray:
        """NaN of those of which nobody knows."""


LARGEST = 1000
"""Of more operations, with those of the definitions that it reads, one reads these as if they were metrics."""


def unknown(names: Sequence[str], by: str = "", value: str = "") -> HostArray:
    """How metrics go together where nobody knows."""
    del by, value
    return np.full((len(names), len(names)), np.nan)


def with_definitions(
    report: Report, definitions: Iterable[Definition], least: int = 1, covariance: Covariance = unknown
) -> Report:
    """The report with these metrics in it; the signature says how they were computed.

    The worst slice, and the gap, are of those of ``least`` rows; ``covariance`` says how metrics go together.

    Raises:
        UsageError: one reads what the report does not have.

    """
    known: dict[str, Any] = {}
    definitions = tuple(definitions)
    covariance = _with_own(report.moved, covariance) if definitions else covariance
    for one in definitions:
        tree = known[one.name] = inlined(one.expression.tree, known)
        value = _sure(report, tree, evaluated(one.expression.tree, _reader(report, one, least)), covariance, least)
        slices = tuple(_with_definition(report, row, one, tree, covariance) for row in report.slices)
        said = re.sub(r"\s+", " ", one.expression.text).replace("|", "¦")
        undefined = (*report.undefined, *([one.name] if value.value is None else []))
        report = replace(
            report,
            metrics={**report.metrics, one.name: value},
            slices=slices,
            signature=f"{report.signature}|{one.name}:{said}",
            undefined=undefined,
            asked=(*report.asked, one.name),
        )
    return report


def _with_own(moved: Moved, covariance: Covariance) -> Covariance:
    """The same, and how metrics of the user's own go together, as groups of rows move them."""

    def known(names: Sequence[str], by: str = "", value: str = "") -> HostArray:
        found, held = covariance(names, by, value), moved.get((by, value), {})
        places = [place for place, name in enumerate(names) if name in held]
        if len(places) > 1:
            table = np.array([held[names[place]] for place in places])
            found[np.ix_(places, places)] = (table[:, None] * table[None]).sum(axis=2)
        return found

    return known


def _reader(report: Report, definition: Definition, least: int) -> Callable[[str], Value]:
    from evalcli.addresses import look_up
    from evalcli.errors import UsageError

    def read(name: str) -> Value:
        found = look_up(report, name, least)
        if isinstance(found, str):
            raise UsageError(f"--define {definition.name}: {name}: {found}", fix="check the expression")
        return found.value

    return read


def _with_definition(
    report: Report, row: SliceRow, definition: Definition, tree: Any, covariance: Covariance
) -> SliceRow:
    """A slice with this metric, where it has all that it is made of."""
    names = {name: full_name(name) for name in definition.expression.names}
    if not {*names.values()} <= {*row.metrics}:
        return row
    value = evaluated(definition.expression.tree, lambda name: row.metrics[names[name]])
    read = {name: full_name(name) for name in names_of(tree)}
    if {*read.values()} <= {*row.metrics}:
        held = {name: row.metrics[name] for name in read.values()}
        inside = partial(covariance, by=row.by, value=row.value)
        value = _interval(report, tree, value, Read(read, held, inside))
    return row._replace(metrics={**row.metrics, definition.name: value})


def full_name(name: str) -> str:
    """A metric of the registry as it writes it, any other as it stands."""
    from evalcli.metrics.registry import is_registered, parse

    return str(parse(name)) if is_registered(name) else name


def inlined(tree: Any, known: Mapping[str, Any]) -> Any:
    """A tree with those of earlier definitions in the place of their names, where that does not make it too large."""

    def put(tree: Any) -> Any:
        if isinstance(tree, Name):
            return known.get(tree.text, tree)
        return Call(tree.operation, tuple(map(put, tree.parts))) if isinstance(tree, Call) else tree

    found = put(tree)
    return found if _size(found, LARGEST) <= LARGEST else tree


def _size(tree: Any, most: int) -> int:
    """How many numbers, names and operations there are, counted up to ``most`` and a few more."""
    held, pending = 0, [tree]
    while pending and held <= most:
        one = pending.pop()
        held += 1
        pending += one.parts if isinstance(one, Call) else ()
    return held


@dataclass(frozen=True)
class Read:
    """What a tree reads: the full ``names`` of its metrics, what was ``held`` of each, and how these go together."""

    names: Mapping[str, str]
    held: Mapping[str, Value]
    covariance: Callable[[Sequence[str]], HostArray]


def _sure(report: Report, tree: Any, value: Value, covariance: Covariance, least: int) -> Value:
    """A value of all rows with its interval."""
    from evalcli.addresses import look_up

    names = {name: full_name(name) for name in names_of(tree)}
    held = {}
    for name, full in names.items():
        found = look_up(report, name, least)
        if isinstance(found, str):
            return value
        held[full] = found.value
    return _interval(report, tree, value, Read(names, held, covariance))


def _interval(report: Report, tree: Any, value: Value, read: Read) -> Value:
    """``value`` with its interval, where there is one."""
    if report.confidence is None or value.value is None or not read.held:
        return value
    if any(one.value is None or one.low is None for one in read.held.values()):
        return value
    found = _reach(read, Confidence(report.confidence)).interval(tree)
    if found is None:
        return value
    found = found.spanning(value.certified).holding(value.value, *(within(tree, read.names) or (-inf, inf)))
    return replace(value, low=found.low, high=found.high, method=found.method)


def _reach(read: Read, confidence: Confidence) -> Reach:
    """How far the metrics reach that were ``read``."""
    names, values = [*read.held], [*read.held.values()]
    columns = [np.array([getattr(one, end) for one in values], np.float64) for end in ("value", "low", "high")]
    covariance = read.covariance(names) if len(names) > 1 else unknown(names)
    estimates = Estimates(columns[0], columns[1], columns[2], covariance)
    places = {name: names.index(full) for name, full in read.names.items()}
    return Reach.of(places, estimates, tuple(one.method or "" for one in values), confidence)


def within(tree: Any, names: Mapping[str, str]) -> Ends | None:
    """Where an expression can lie, from where its metrics can."""
    if isinstance(tree, Name):
        return _range(names[tree.text])
    if not isinstance(tree, Call):
        return float(tree), float(tree)
    parts = [within(part, names) for part in tree.parts]
    return combined(tree.operation, parts)


def _range(name: str) -> Ends:
    from evalcli.metrics.registry import is_registered, parse

    if not is_registered(name):
        return -inf, inf
    entry = parse(name).entry
    return entry.low, entry.high
