"""What a user defines from metrics (``--define``), of two models: the expression of one less that of the other.

How far the metrics of two models differ has an interval each, that of the comparison; how these go together, and with
the metrics of the reference themselves, the rows tell (``row_moves``). From there the interval of ``f(m + d) − f(m)``
is put together as that of an expression in a report is (MOVER). What is a sum of metrics, each times a number, reads
the differences alone. The p-value is one less the confidence at which the interval would end at 0.

The least of several metrics falls by no more than that which falls most, so where ``min`` or ``max`` may take one
branch or the other the farthest ends of the branches are ends, each at the full level (an intersection-union test). A
size changes by no more than what it is the size of.

Source: Zou and Donner 2008, Construction of confidence limits about effect measures; Berger 1982, Multiparameter
hypothesis testing and acceptance sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from evalcli.comparing.row_moves import MovesPass
from evalcli.definitions import full_name, inlined, within
from evalcli.expressions import Call, Name, evaluated
from evalcli.metrics.registry import is_registered, parse
from evalcli.reach import Reach, names_of
from evalcli.report import Value
from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.expressed import Estimates
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.row_moves import Look
    from evalcli.comparing.sliced import Asking
    from evalcli.expressions import Definition
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence

    Values = Mapping[str, float | None]
    Found = Mapping[str, Difference | None]
    Ends = tuple[float, float]
    Compared: TypeAlias = "MetricName | Defined"

OF_TRUTH = frozenset({"majority_baseline", "brier_uncertainty"})
"""What only the truth decides is the same for all models."""
_BASE, _GAP = "base ", "gap "


class Lies(NamedTuple):
    """What comparisons read of a metric's registry row."""

    direction: Literal["higher", "lower", "zero", "neither"]
    low: float
    high: float


@dataclass(frozen=True)
class Defined:
    """One definition, as comparisons read a metric; its ``tree`` reads the registry's metrics by their full names.

    Nobody says whether more of it is better. Gates take it to be, as in a report.
    """

    name: str
    tree: Any

    def __str__(self) -> str:
        return self.name

    @property
    def base(self) -> str:
        """Its name."""
        return self.name

    @property
    def entry(self) -> Lies:
        """Where it lies."""
        low, high = within(self.tree, {name: name for name in names_of(self.tree)}) or (-inf, inf)
        return Lies("neither", low, high)


def defined_of(definitions: Iterable[Definition]) -> tuple[Defined, ...]:
    """Definitions, with those that they read in the place of their names."""
    known: dict[str, Any] = {}
    for one in definitions:
        known[one.name] = inlined(_mapped(one.expression.tree, lambda name: Name(full_name(name))), known)
    return tuple(Defined(name, tree) for name, tree in known.items())


def with_values(values: Sequence[Values], defined: Sequence[Defined]) -> list[dict[str, float | None]]:
    """The metrics of every model, and what is defined from them."""
    every = [{**one} for one in values]
    for known in every:
        for one in defined:
            known[one.name] = evaluated(one.tree, lambda name, known=known: Value(known[name])).value  # type: ignore[misc]
    return every


def rows_of(
    names: Sequence[MetricName], shown: Collection[str], defined: Sequence[Defined]
) -> tuple[MetricName | Defined, ...]:
    """What a comparison has a row for: of all metrics those that are ``shown``, and what is defined."""
    return (*(name for name in names if str(name) in shown), *defined)


def _mapped(tree: Any, put: Callable[[str], Any]) -> Any:
    """A tree with something else in the place of its names."""
    if isinstance(tree, Name):
        return put(tree.text)
    return Call(tree.operation, tuple(_mapped(part, put) for part in tree.parts)) if isinstance(tree, Call) else tree


def _is_linear(tree: Any) -> bool:
    """Whether it is a sum of metrics, each times a number, and of numbers."""
    if not isinstance(tree, Call):
        return True
    if tree.operation in {"*", "/"}:
        left, right = tree.parts
        return (_is_linear(left) and not names_of(right)) or (
            tree.operation == "*" and _is_linear(right) and not names_of(left)
        )
    return not names_of(tree) or (tree.operation in {"+", "-", "neg"} and all(map(_is_linear, tree.parts)))


@dataclass(frozen=True)
class DefinedDifferences:
    """Differences in what is ``defined``, of models with these ``values``, the definitions among them."""

    defined: Sequence[Defined]
    values: Sequence[Values]
    confidence: Confidence

    def of(
        self,
        pair: tuple[int, int],
        found: Found,
        look_of: Callable[[Sequence[MetricName]], Look],
        clusters: KnownClusters | None,
    ) -> Asking[dict[str, Difference | None]]:
        """The second model of a ``pair`` less the first; ``found`` are the differences in all that definitions read.

        What ``look_of`` metrics gives is known from what was counted, or takes one more pass over the rows.
        """
        known = [one for one in self.defined if self._is_known(one, pair, found)]
        several = (one for one in known if len({*names_of(one.tree)}) > 1 or not _is_linear(one.tree))
        names = dict.fromkeys(name for one in several for name in names_of(one.tree) if is_registered(name))
        known_of = _Rows({}, {})
        if names:
            look = look_of([*map(parse, names)])
            kinds = look.kinds()
            total: MovesPass
            if kinds is None:
                total = yield partial(MovesPass.empty, look, clusters)
            else:
                total = MovesPass.of_kinds(look, kinds)
            every = [*(_BASE + name for name in names), *(_GAP + name for name in names)]
            known_of = _Rows.of(every, total)
        told = dict(found)
        for one in self.defined:
            told[one.name] = self._difference(one, pair, told, known_of) if one in known else None
        return {one.name: told[one.name] for one in self.defined}

    def _is_known(self, one: Defined, pair: tuple[int, int], found: Found) -> bool:
        """Whether it has a value in both models, and all that it reads a test, if anything of that may differ."""
        earlier = {each.name for each in self.defined}
        names = [*names_of(one.tree)]
        tested = [name for name in names if name in earlier or found.get(name) is not None]
        rest = {*names} - {*tested}
        return (
            bool(tested)
            and all(parse(name).base in OF_TRUTH for name in rest)
            and all(self.values[place][one.name] is not None for place in pair)
        )

    def _difference(self, one: Defined, pair: tuple[int, int], found: Found, rows: _Rows) -> Difference | None:
        reference, other = (self.values[place] for place in pair)
        first, second = (float(values[one.name] or 0.0) for values in (other, reference))
        found_of = _Sides(reference, other, found, rows, self.confidence).interval(one.tree)
        if found_of is None:
            return None
        apart, freedom = found_of
        value, span, z = first - second, one.entry.high - one.entry.low, self.confidence.critical
        wider = t_quantile(1.0 - self.confidence.tail, freedom) / z
        below, above = wider * max(value - apart.low, 0.0), wider * max(apart.high - value, 0.0)
        interval = Interval(value - below, value + above, apart.method).holding(value, -span, span)
        facing = below if value > 0.0 else above
        p = t_two_sided(abs(value) * wider * z / facing, freedom) if value and facing > 0.0 else 1.0
        return Difference(first, second, interval, p, detectable(max(below, above) / z, self.confidence))


class _Rows(NamedTuple):
    """What rows tell of the metrics of the reference, and of the differences from it, by their names here.

    The ``covariance`` of two, and how many rows that of each rests on: it is known no better than from so many.
    """

    covariance: Mapping[tuple[str, str], float]
    telling: Mapping[str, float]

    @classmethod
    def of(cls, names: Sequence[str], total: MovesPass) -> _Rows:
        """What all rows have told."""
        table = total.covariance()
        covariance = {(one, other): table[i, j] for i, one in enumerate(names) for j, other in enumerate(names)}
        return cls(covariance, dict(zip(names, total.telling().tolist(), strict=True)))


@dataclass
class _Sides:
    """How far expressions of two models lie apart, from the metrics of the reference and the differences from it."""

    reference: Values
    other: Values
    found: Found
    rows: _Rows
    confidence: Confidence
    kept: list[Any] = field(default_factory=list)
    """Trees that were made: what is known of one goes by its identity."""
    is_bound: bool = False

    def interval(self, tree: Any) -> tuple[Interval, float] | None:
        """By how much the second may have more of it than the first, and the degrees of freedom of the variance.

        Those are Satterthwaite's, of the differences that the expression reads, each known from the rows that tell.
        """
        names = [*dict.fromkeys(names_of(tree))]
        bases = [] if _is_linear(tree) else [_BASE + name for name in names]
        reach = self._reach([*bases, *(_GAP + name for name in names)])
        if bases:
            found = self._apart(reach, tree)
            gap = Call("-", (_mapped(tree, _now), _mapped(tree, _base)))
        else:
            gap = self._made(Call("-", (_mapped(tree, _gap), _mapped(tree, lambda _: 0.0))))
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
            part = slope[place] ** 2 * variance if name.startswith(_GAP) else np.nan
            if isfinite(part):
                total += part
                spread += part * part / max(self.rows.telling[name], 1.0)
        return total * total / spread if spread > 0.0 else inf

    def _reach(self, names: Sequence[str]) -> Reach:
        columns = np.array([self._estimate(name) for name in names])
        covariance = np.array([[self.rows.covariance.get((one, other), np.nan) for other in names] for one in names])
        gaps = [self.found.get(name.removeprefix(_GAP)) if name.startswith(_GAP) else None for name in names]
        methods = tuple("" if gap is None else gap.interval.method for gap in gaps)
        places = {name: place for place, name in enumerate(names)}
        estimates = Estimates(columns[:, 0], columns[:, 1], columns[:, 2], covariance)
        return Reach.of(places, estimates, methods, self.confidence)

    def _estimate(self, name: str) -> tuple[float, float, float]:
        """A value with its ends: of a difference those of its own interval, of the reference those of its variance."""
        variance = self.rows.covariance.get((name, name), np.nan)
        reach = self.confidence.critical * sqrt(variance) if variance > 0.0 else 0.0
        if name.startswith(_BASE):
            metric = name.removeprefix(_BASE)
            value = float(self.reference[metric] or 0.0)
            low, high = (parse(metric).entry.low, parse(metric).entry.high) if is_registered(metric) else (-inf, inf)
            return value, min(max(value - reach, low), value), max(min(value + reach, high), value)
        metric = name.removeprefix(_GAP)
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
        pair = self._made(_mapped(tree, _now)), self._made(_mapped(tree, _base))
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
        total = self._made(Call("+", (_mapped(part, _now), _mapped(part, _base))))
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
    return Name(_GAP + name)


def _base(name: str) -> Any:
    return Name(_BASE + name)


def _now(name: str) -> Any:
    return Call("+", (_base(name), _gap(name)))
