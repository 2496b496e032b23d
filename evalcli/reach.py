"""How far an expression reaches, from how far the metrics do that it reads.

Where ``abs``, ``min`` or ``max`` may take one branch or the other, each part has ends of its own, and these are put
together as they may come at worst.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.expressions import Call, Name
from evalcli.metrics.arithmetic import on_numbers
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.expressed import Estimates
    from evalcli.uncertainty.intervals import Confidence

    Ends = tuple[float, float]

BOUND = " (bound)"
"""How the method of an interval ends that holds however metrics go together."""


def names_of(tree: Any) -> Iterable[str]:
    """The names that a tree reads, each once."""
    if isinstance(tree, Name):
        return (tree.text,)
    return dict.fromkeys(name for part in tree.parts for name in names_of(part)) if isinstance(tree, Call) else ()


def combined(operation: str, parts: Sequence[Ends | None]) -> Ends | None:
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
    def of(
        cls, places: Mapping[str, int], estimates: Estimates, methods: tuple[str, ...], confidence: Confidence
    ) -> Reach:
        """Of ``estimates``, each by its own method: an end that is a bound tells nothing of what goes with it."""
        covariance = np.array(estimates.covariance, np.float64)
        for place, method in enumerate(methods):
            if BOUND in method:  # as wide as that it may take too much from another that goes with it
                covariance[place], covariance[:, place] = np.nan, np.nan
        return cls(places, replace(estimates, covariance=covariance), methods, confidence)

    def interval(self, tree: Any) -> Interval | None:
        """That of the whole tree; ``None`` where it is undefined somewhere in it."""
        ends = self.ends(tree)
        if ends is None or not all(map(isfinite, ends)):
            return None
        return Interval(*ends, self.method())

    def slope(self, tree: Any) -> HostArray:
        """What a tree gains for a unit of each estimate (k,), about where these were seen."""
        return self.estimates.slope(lambda point: self._number(tree, point), self.estimates.values)

    def method(self) -> str:
        """How the ends were found."""
        if len(self.methods) == 1:
            return self.methods[0]
        is_bound = self.is_bound or not self.estimates.are_known
        of_clusters = any(method.endswith(CLUSTERS) for method in self.methods)
        return f"mover{BOUND if is_bound else ''}{CLUSTERS if of_clusters else ''}"

    def ends(self, tree: Any) -> Ends | None:
        """The least and the most that a part may be; ``None`` where it is undefined somewhere in between."""
        if not isinstance(tree, Call):
            return self._of_leaf(tree)
        if id(tree) not in self.found:
            kept = self.is_smooth(tree)
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
        parts = [self.ends(part) for part in tree.parts]
        self.is_bound |= sum(part is None or part[0] < part[1] for part in parts) > 1
        if tree.operation in {"min", "max"} and len(parts) > 2 and None not in parts:
            tail = self.confidence.tail * 2.0 / len(parts)
            times = normal_quantile(1.0 - tail) / self.confidence.critical
            values = [self._number(part, self.estimates.values) for part in tree.parts]
            wide = zip(values, parts, strict=True)
            parts = [(here + times * (part[0] - here), here + times * (part[1] - here)) for here, part in wide if part]
        return combined(tree.operation, parts)

    def is_smooth(self, tree: Any) -> bool | None:
        """Whether a tree takes one branch, whatever is true; ``None`` where it may be undefined."""
        if not isinstance(tree, Call):
            return True
        if id(tree) not in self.smooth:
            parts = [self.is_smooth(part) for part in tree.parts]
            own = None if None in parts else self._takes_one_branch(tree)
            self.smooth[id(tree)] = None if own is None else own and all(parts)
        return self.smooth[id(tree)]

    def _takes_one_branch(self, tree: Call) -> bool | None:
        if tree.operation in {"min", "max"}:
            return any(self._is_first(tree, place) for place in range(len(tree.parts)))
        if tree.operation not in {"/", "log", "sqrt", "abs", "**"}:
            return True
        ends = self.ends(tree.parts[-1 if tree.operation == "/" else 0])
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
