"""Metrics that a user defines from others, in a report: their values, and how sure these are.

The interval of one is put together from those of the metrics that it reads, and from how these go together
(:mod:`evalcli.uncertainty.expressed`). Where ``abs``, ``min`` or ``max`` may take one branch or the other, each part
has ends of its own, and these are put together as they may come at worst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalcli.expressions import Call, Name, evaluated
from evalcli.metrics.arithmetic import on_numbers
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.expressed import Estimates
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.quantiles import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.expressions import Definition
    from evalcli.metrics.arrays import HostArray
    from evalcli.report import Report, SliceRow, Value

    Ends = tuple[float, float]


class Covariance(Protocol):
    """How metrics of all rows vary together (k, k), or of the slice ``value`` of those ``by`` a column."""

    def __call__(self, names: Sequence[str], by: str = "", value: str = "") -> HostArray:
        """NaN of those of which nobody knows."""


LARGEST = 1000
"""Of more operations, with those of the definitions that it reads, one reads these as if they were metrics."""
BOUND = " (bound)"
"""How the method of an interval ends that holds however metrics go together."""


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
    for one in definitions:
        tree = known[one.name] = _inlined(one.expression.tree, known)
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
    names = {name: _registered(name) for name in definition.expression.names}
    if not {*names.values()} <= {*row.metrics}:
        return row
    value = evaluated(definition.expression.tree, lambda name: row.metrics[names[name]])
    read = {name: _registered(name) for name in _names(tree)}
    if {*read.values()} <= {*row.metrics}:
        held = {name: row.metrics[name] for name in read.values()}
        inside = partial(covariance, by=row.by, value=row.value)
        value = _interval(report, tree, value, Read(read, held, inside))
    return row._replace(metrics={**row.metrics, definition.name: value})


def _registered(name: str) -> str:
    from evalcli.metrics.registry import is_registered, parse

    return str(parse(name)) if is_registered(name) else name


def _names(tree: Any) -> Iterable[str]:
    if isinstance(tree, Name):
        return (tree.text,)
    return dict.fromkeys(name for part in tree.parts for name in _names(part)) if isinstance(tree, Call) else ()


def _inlined(tree: Any, known: Mapping[str, Any]) -> Any:
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

    names = {name: _registered(name) for name in _names(tree)}
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
    found = Reach.of(read, Confidence(report.confidence)).interval(tree)
    if found is None:
        return value
    if value.certified is not None:
        found = replace(found, low=min(found.low, value.certified[0]), high=max(found.high, value.certified[1]))
    found = found.holding(value.value, *(_within(tree, read.names) or (-inf, inf)))
    return replace(value, low=found.low, high=found.high, method=found.method)


def _within(tree: Any, names: Mapping[str, str]) -> Ends | None:
    """Where an expression can lie, from where its metrics can."""
    if isinstance(tree, Name):
        return _range(names[tree.text])
    if not isinstance(tree, Call):
        return float(tree), float(tree)
    parts = [_within(part, names) for part in tree.parts]
    return _combined(tree.operation, parts)


def _range(name: str) -> Ends:
    from evalcli.metrics.registry import is_registered, parse

    if not is_registered(name):
        return -inf, inf
    entry = parse(name).entry
    return entry.low, entry.high


def _combined(operation: str, parts: Sequence[Ends | None]) -> Ends | None:
    """The ends of an operation on numbers that lie between these; ``None`` where it is undefined in between."""
    spans = [part for part in parts if part is not None]
    if len(spans) < len(parts) or any(map(isnan, (end for span in spans for end in span))):
        return None
    (low, high), last = spans[0], spans[-1]
    if operation == "abs":
        least, most = sorted((abs(low), abs(high)))
        return (0.0 if low <= 0.0 <= high else least), most
    if operation == "/" and last[0] <= 0.0 <= last[1]:
        return None
    if operation == "**" and low <= 0.0:
        power = last[0]
        if last[0] != last[1] or power != int(power) or power <= 0:
            return None
        ends = sorted((on_numbers("**", (low, power)), on_numbers("**", (high, power))))
        return (0.0 if power % 2 == 0 and high >= 0.0 else ends[0]), ends[1]
    columns = zip(*spans, strict=True) if operation in {"min", "max"} else product(*spans)
    corners = [on_numbers(operation, corner) for corner in columns]
    return None if any(map(isnan, corners)) else (min(corners), max(corners))


@dataclass
class Reach:
    """How far parts of a tree reach, each computed once."""

    places: Mapping[str, int]
    estimates: Estimates
    methods: tuple[str, ...]
    confidence: Confidence
    found: dict[int, Ends | None] = field(default_factory=dict)
    smooth: dict[int, bool | None] = field(default_factory=dict)
    is_bound: bool = False

    @classmethod
    def of(cls, read: Read, confidence: Confidence) -> Reach:
        """Of the metrics that were ``read``."""
        names = [*read.held]
        values = [*read.held.values()]
        columns = [np.array([getattr(one, end) for one in values], np.float64) for end in ("value", "low", "high")]
        methods = tuple(one.method or "" for one in values)
        covariance = read.covariance(names) if len(names) > 1 else unknown(names)
        covariance = np.array(covariance, np.float64)
        for place, method in enumerate(methods):
            if BOUND in method:  # as wide as that it may take too much from another that goes with it
                covariance[place], covariance[:, place] = np.nan, np.nan
        estimates = Estimates(columns[0], columns[1], columns[2], covariance)
        places = {name: names.index(full) for name, full in read.names.items()}
        return cls(places, estimates, methods, confidence)

    def interval(self, tree: Any) -> Interval | None:
        """That of the whole tree; ``None`` where it is undefined somewhere in it."""
        ends = self._ends(tree)
        if ends is None or not all(map(isfinite, ends)):
            return None
        return Interval(*ends, self._method())

    def _method(self) -> str:
        if len(self.methods) == 1:
            return self.methods[0]
        is_bound = self.is_bound or not self.estimates.are_known
        of_clusters = any(method.endswith(CLUSTERS) for method in self.methods)
        return f"mover{BOUND if is_bound else ''}{CLUSTERS if of_clusters else ''}"

    def _ends(self, tree: Any) -> Ends | None:
        if not isinstance(tree, Call):
            return self._of_leaf(tree)
        if id(tree) not in self.found:
            kept = self._is_smooth(tree)
            self.found[id(tree)] = None if kept is None else self._smooth(tree) if kept else self._apart(tree)
        return self.found[id(tree)]

    def _of_leaf(self, tree: Any) -> Ends:
        if not isinstance(tree, Name):
            return float(tree), float(tree)
        place = self.places[tree.text]
        return float(self.estimates.lows[place]), float(self.estimates.highs[place])

    def _smooth(self, tree: Any) -> Ends | None:
        return self.estimates.ends(lambda point: self._number(tree, point), self.confidence.critical)

    def _number(self, tree: Any, point: HostArray) -> float:
        if isinstance(tree, Name):
            return float(point[self.places[tree.text]])
        if not isinstance(tree, Call):
            return float(tree)
        return on_numbers(tree.operation, [self._number(part, point) for part in tree.parts])

    def _apart(self, tree: Call) -> Ends | None:
        """The ends from those of the parts. The least of several is off as soon as one of them is."""
        parts = [self._ends(part) for part in tree.parts]
        self.is_bound |= sum(part is None or part[0] < part[1] for part in parts) > 1
        if tree.operation in {"min", "max"} and len(parts) > 2 and None not in parts:
            tail = self.confidence.tail * 2.0 / len(parts)
            times = normal_quantile(1.0 - tail) / self.confidence.critical
            values = [self._number(part, self.estimates.values) for part in tree.parts]
            wide = zip(values, parts, strict=True)
            parts = [(here + times * (part[0] - here), here + times * (part[1] - here)) for here, part in wide if part]
        return _combined(tree.operation, parts)

    def _is_smooth(self, tree: Any) -> bool | None:
        """Whether a tree takes one branch, whatever is true; ``None`` where it may be undefined."""
        if not isinstance(tree, Call):
            return True
        if id(tree) not in self.smooth:
            parts = [self._is_smooth(part) for part in tree.parts]
            own = None if None in parts else self._takes_one_branch(tree)
            self.smooth[id(tree)] = None if own is None else own and all(parts)
        return self.smooth[id(tree)]

    def _takes_one_branch(self, tree: Call) -> bool | None:
        if tree.operation in {"min", "max"}:
            return any(self._is_first(tree, place) for place in range(len(tree.parts)))
        if tree.operation not in {"/", "log", "sqrt", "abs", "**"}:
            return True
        ends = self._ends(tree.parts[-1 if tree.operation == "/" else 0])
        if ends is None:
            return None
        low, high = ends
        if tree.operation == "abs":
            return not low < 0.0 < high
        if tree.operation in {"log", "sqrt"}:
            return True if low > 0.0 or (low == 0.0 and tree.operation == "sqrt") else None
        if tree.operation == "/":
            return None if low <= 0.0 <= high else True
        power = tree.parts[1]
        if low > 0.0:
            return True
        if not isinstance(power, float) or power != int(power) or power <= 0:
            return None
        return power % 2 == 1 or not low < 0.0 < high

    def _is_first(self, tree: Call, place: int) -> bool:
        """Whether one part is the least, or the largest, whatever is true."""
        sign = 1 if tree.operation == "max" else 0
        first = tree.parts[place]
        for other, part in enumerate(tree.parts):
            if other != place:
                pair = (first, part) if sign else (part, first)
                ends = self._smooth(Call("-", pair))
                if ends is None or ends[0] < 0.0:
                    return False
        return True
