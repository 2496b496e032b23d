"""How far an expression of one model lies from that of another, and how sure that is.

What is a sum of metrics, each times a number, reads the differences of these alone; any other is ``f(m + d) − f(m)``,
of the metrics of the reference and the differences from them.

The least of several metrics falls by no more than that which falls most, so where ``min`` or ``max`` may take one
branch or the other the farthest ends of the branches are ends, each at the full level (an intersection-union test). A
size changes by no more than what it is the size of.

Source: Zou and Donner 2008, Construction of confidence limits about effect measures; Berger 1982, Multiparameter
hypothesis testing and acceptance sampling; Satterthwaite 1946, An approximate distribution of estimates of variance
components.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import inf, isfinite, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.expressions import Call, Name, evaluated
from evalcli.metrics.registry import is_registered, parse
from evalcli.reach import Reach, names_of
from evalcli.report import Value
from evalcli.uncertainty.expressed import Estimates
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.comparing.row_moves import MovesPass
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

    Values = Mapping[str, float | None]
    Found = Mapping[str, Difference | None]
    Ends = tuple[float, float]

BASE, GAP = "base ", "gap "
"""What stands before the name of a metric of the reference, and before that of a difference from it."""


def mapped(tree: Any, put: Callable[[str], Any]) -> Any:
    """A tree with something else in the place of its names."""
    if isinstance(tree, Name):
        return put(tree.text)
    return Call(tree.operation, tuple(mapped(part, put) for part in tree.parts)) if isinstance(tree, Call) else tree


def is_linear(tree: Any) -> bool:
    """Whether it is a sum of metrics, each times a number, and of numbers."""
    if not isinstance(tree, Call):
        return True
    if tree.operation in {"*", "/"}:
        left, right = tree.parts
        return (is_linear(left) and not names_of(right)) or (
            tree.operation == "*" and is_linear(right) and not names_of(left)
        )
    return not names_of(tree) or (tree.operation in {"+", "-", "neg"} and all(map(is_linear, tree.parts)))


class Rows(NamedTuple):
    """What rows tell of the metrics of the reference, and of the differences from it, by their names here.

    The ``covariance`` of two, and how many rows that of each rests on: it is known no better than from so many.
    ``groups`` is how many groups of rows tell it, where these do.
    """

    covariance: Mapping[tuple[str, str], float]
    telling: Mapping[str, float]
    groups: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, names: Sequence[str], total: MovesPass) -> Rows:
        """What all rows have told."""
        table = total.covariance()
        covariance = {(one, other): table[i, j] for i, one in enumerate(names) for j, other in enumerate(names)}
        return cls(covariance, dict(zip(names, total.telling().tolist(), strict=True)))

    def with_groups(self, moved: Mapping[str, HostArray]) -> Rows:
        """The same, and what groups of rows (J,) have ``moved``, whose intervals are of so few groups already."""
        alike = [(one, other) for one, other in product(moved, moved) if len(moved[one]) == len(moved[other])]
        table = {(one, other): float((moved[one] * moved[other]).sum()) for one, other in alike}
        telling, groups = dict.fromkeys(moved, inf), {name: len(each) for name, each in moved.items()}
        return Rows({**self.covariance, **table}, {**self.telling, **telling}, groups)


@dataclass
class Sides:
    """How far expressions of two models lie apart, from the metrics of the reference and the differences from it."""

    reference: Values
    other: Values
    found: Found
    rows: Rows
    confidence: Confidence
    kept: list[Any] = field(default_factory=list)
    """Trees that were made: what is known of one goes by its identity."""
    is_bound: bool = False

    def interval(self, tree: Any) -> tuple[Interval, float] | None:
        """By how much the second may have more of it than the first, and the degrees of freedom of the variance.

        Those are Satterthwaite's, of the differences that the expression reads, each known from the rows that tell.
        """
        names = [*dict.fromkeys(names_of(tree))]
        bases = [] if is_linear(tree) else [BASE + name for name in names]
        reach = self._reach([*bases, *(GAP + name for name in names)])
        if bases:
            found = self._apart(reach, tree)
            gap = Call("-", (mapped(tree, _now), mapped(tree, _base)))
        else:
            gap = self._made(Call("-", (mapped(tree, _gap), mapped(tree, lambda _: 0.0))))
            found = reach.ends(gap)
        if found is None or not all(map(isfinite, found)):
            return None
        reach.is_bound |= self.is_bound
        return Interval(*found, reach.method()), self._freedom(reach, gap)

    def _freedom(self, reach: Reach, gap: Any) -> float:
        slope = reach.slope(gap)
        total = spread = 0.0
        for name, place in reach.places.items():
            variance = self.rows.covariance.get((name, name), np.nan)
            part = slope[place] ** 2 * variance if name.startswith(GAP) else np.nan
            if isfinite(part):
                total += part
                spread += part * part / max(self.rows.telling[name], 1.0)
        return total * total / spread if spread > 0.0 else inf

    def _reach(self, names: Sequence[str]) -> Reach:
        columns = np.array([self._estimate(name) for name in names])
        covariance = np.array([[self.rows.covariance.get((one, other), np.nan) for other in names] for one in names])
        gaps = [self.found.get(name.removeprefix(GAP)) if name.startswith(GAP) else None for name in names]
        methods = tuple("" if gap is None else gap.interval.method for gap in gaps)
        places = {name: place for place, name in enumerate(names)}
        estimates = Estimates(columns[:, 0], columns[:, 1], columns[:, 2], covariance)
        return Reach.of(places, estimates, methods, self.confidence)

    def _estimate(self, name: str) -> tuple[float, float, float]:
        """A value with its ends: of a difference those of its own interval, of the reference those of its variance."""
        variance = self.rows.covariance.get((name, name), np.nan)
        reach = self.confidence.critical * sqrt(variance) if variance > 0.0 else 0.0
        if name.startswith(BASE):
            metric = name.removeprefix(BASE)
            value = float(self.reference[metric] or 0.0)
            low, high = (parse(metric).entry.low, parse(metric).entry.high) if is_registered(metric) else (-inf, inf)
            return value, min(max(value - reach, low), value), max(min(value + reach, high), value)
        metric = name.removeprefix(GAP)
        value = float(self.other[metric] or 0.0) - float(self.reference[metric] or 0.0)
        gap = self.found.get(metric)
        if gap is None:  # what only the truth decides
            return value, value, value
        if is_registered(metric) and parse(metric).entry.direction == "zero":  # its interval is that of the sizes
            return value, value - reach, value + reach
        return value, min(gap.interval.low, value), max(gap.interval.high, value)

    def _made(self, tree: Any) -> Any:
        self.kept.append(tree)
        return tree

    def _apart(self, reach: Reach, tree: Any) -> Ends | None:
        """How far ``tree`` of the other model is from that of the reference."""
        pair = self._made(mapped(tree, _now)), self._made(mapped(tree, _base))
        whole = self._made(Call("-", pair))
        smooth = reach.is_smooth(whole)
        if smooth is None:
            return None
        if smooth or not isinstance(tree, Call):
            return reach.ends(whole)
        if tree.operation == "abs":
            return self._of_sizes(reach, tree.parts[0])
        if tree.operation in {"min", "max", "neg", "+", "-"} or _is_scaled(tree):
            parts = [self._apart(reach, part) for part in tree.parts if names_of(part)]
            return None if None in parts else self._joined(tree, [part for part in parts if part is not None])
        return reach.ends(whole)

    def _of_sizes(self, reach: Reach, part: Any) -> Ends | None:
        """How far sizes are apart: shown to differ where both the difference and the sum are shown not to be 0."""
        total = self._made(Call("+", (mapped(part, _now), mapped(part, _base))))
        gap, both = self._apart(reach, part), reach.ends(total)
        if gap is None or both is None:
            return None
        corners = [(abs(d + s) - abs(s - d)) / 2.0 for d, s in product(gap, both)]
        most = max(map(abs, gap))
        return max(min(corners), 0.0) or -most, min(max(corners), 0.0) or most

    def _joined(self, tree: Call, parts: Sequence[Ends]) -> Ends:
        """The ends of a difference, from those of the differences in the parts that are not the same for both."""
        lows, highs = zip(*parts, strict=True)
        operation = tree.operation
        if operation in {"min", "max"}:
            self.is_bound |= len(tree.parts) > 1
            constant = len(parts) < len(tree.parts)
            return min(*lows, *([0.0] if constant else []), lows[0]), max(
                *highs, *([0.0] if constant else []), highs[0]
            )
        if operation in {"*", "/"}:
            left, right = tree.parts
            factor = _number(right if names_of(left) else left)
            factor = 1.0 / factor if operation == "/" else factor
            return min(factor * lows[0], factor * highs[0]), max(factor * lows[0], factor * highs[0])
        signs = [
            -1.0 if operation == "neg" or (operation == "-" and part is tree.parts[1]) else 1.0
            for part in tree.parts
            if names_of(part)
        ]
        self.is_bound |= len(parts) > 1
        turned = [
            (low, high) if sign > 0.0 else (-high, -low) for sign, low, high in zip(signs, lows, highs, strict=True)
        ]
        return sum(low for low, _ in turned), sum(high for _, high in turned)


def _is_scaled(tree: Call) -> bool:
    """Whether it is something times a number, or divided by one that is not 0."""
    if tree.operation == "/":
        return not names_of(tree.parts[1])
    return tree.operation == "*" and not all(map(names_of, tree.parts))


def _number(tree: Any) -> float:
    value = evaluated(tree, lambda _: Value(None)).value
    return float("nan") if value is None else value


def _gap(name: str) -> Any:
    return Name(GAP + name)


def _base(name: str) -> Any:
    return Name(BASE + name)


def _now(name: str) -> Any:
    return Call("+", (_base(name), _gap(name)))
