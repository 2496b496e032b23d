"""What a user defines from metrics (``--define``), of two models: its values, and how far they differ.

How far the metrics of two models differ has an interval each, that of the comparison; how these go together, and with
the metrics of the reference themselves, the rows tell (``row_moves``). From there the interval of the difference is put
together as that of an expression in a report is (``expressed``). The p-value is one less the confidence at which the
interval would end at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evalcli.comparing.expressed import BASE, GAP, Rows, Sides, is_linear, mapped
from evalcli.definitions import full_name, inlined, within
from evalcli.errors import UsageError
from evalcli.expressions import Name, evaluated
from evalcli.metrics.registry import is_registered, parse
from evalcli.reach import names_of
from evalcli.report import Value
from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.owned import OwnNumber
    from evalcli.comparing.row_moves import Look
    from evalcli.comparing.sliced import Asking
    from evalcli.expressions import Definition
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence

    Values = Mapping[str, float | None]
    Found = Mapping[str, Difference | None]
    Compared: TypeAlias = "MetricName | Defined | OwnNumber"

OF_TRUTH = frozenset({"majority_baseline", "brier_uncertainty"})
"""What only the truth decides is the same for all models."""


class Lies(NamedTuple):
    """What comparisons read of a metric's registry row."""

    direction: Literal["higher", "lower", "zero", "neither"]
    low: float
    high: float


@dataclass(frozen=True)
class Named:
    """A metric that the registry does not know, as comparisons read one: nothing is added to its name."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def base(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True)
class Defined(Named):
    """One definition, as comparisons read a metric; its ``tree`` reads the registry's metrics by their full names.

    Nobody says whether more of it is better. Gates take it to be, as in a report.
    """

    tree: Any

    @property
    def entry(self) -> Lies:
        """Where it lies."""
        low, high = within(self.tree, {name: name for name in names_of(self.tree)}) or (-inf, inf)
        return Lies("neither", low, high)


def defined_of(definitions: Iterable[Definition]) -> tuple[Defined, ...]:
    """Definitions, with those that they read in the place of their names."""
    known: dict[str, Any] = {}
    for one in definitions:
        known[one.name] = inlined(mapped(one.expression.tree, lambda name: Name(full_name(name))), known)
    return tuple(Defined(name, tree) for name, tree in known.items())


def with_values(values: Sequence[Values], defined: Sequence[Defined]) -> list[dict[str, float | None]]:
    """The metrics of every model, and what is defined from them."""
    every = [{**one} for one in values]
    for known in every:
        for one in defined:
            known[one.name] = evaluated(one.tree, _reader(one, known)).value
    return every


def _reader(definition: Defined, known: Values) -> Callable[[str], Value]:
    def read(name: str) -> Value:
        if name not in known:
            what = f"--define {definition.name}: {name}: there is no number of this name"
            raise UsageError(what, fix="check the expression")
        return Value(known[name])

    return read


def rows_of(
    names: Sequence[MetricName], shown: Collection[str], defined: Sequence[Defined]
) -> tuple[MetricName | Defined, ...]:
    """What a comparison has a row for: of all metrics those that are ``shown``, and what is defined."""
    return (*(name for name in names if str(name) in shown), *defined)


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
        moved: Mapping[str, HostArray] = MappingProxyType({}),
    ) -> Asking[dict[str, Difference | None]]:
        """The second model of a ``pair`` less the first; ``found`` are the differences in all that definitions read.

        What ``look_of`` metrics gives is known from what was counted, or takes one more pass over the rows; what is
        none of the registry's the groups of rows have ``moved``.
        """
        known = [one for one in self.defined if self._is_known(one, pair, found)]
        several = (one for one in known if len({*names_of(one.tree)}) > 1 or not is_linear(one.tree))
        names = dict.fromkeys(name for one in several for name in names_of(one.tree) if is_registered(name))
        known_of = Rows({}, {})
        if names:
            from evalcli.comparing.row_moves import MovesPass

            look = look_of([*map(parse, names)])
            kinds = look.kinds()
            total: MovesPass
            if kinds is None:
                total = yield partial(MovesPass.empty, look, clusters)
            else:
                total = MovesPass.of_kinds(look, kinds)
            every = [*(BASE + name for name in names), *(GAP + name for name in names)]
            known_of = Rows.of(every, total)
        known_of = known_of.with_groups(moved)
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
            and all(is_registered(name) and parse(name).base in OF_TRUTH for name in rest)
            and all(self.values[place][one.name] is not None for place in pair)
        )

    def _groups(self, one: Defined, rows: Rows) -> float:
        """The groups of rows that tell how sure a metric of the user's own is, if the definition reads one."""
        return min((rows.groups[GAP + name] for name in names_of(one.tree) if GAP + name in rows.groups), default=inf)

    def _difference(self, one: Defined, pair: tuple[int, int], found: Found, rows: Rows) -> Difference | None:
        reference, other = (self.values[place] for place in pair)
        first, second = (float(values[one.name] or 0.0) for values in (other, reference))
        found_of = Sides(reference, other, found, rows, self.confidence).interval(one.tree)
        if found_of is None:
            return None
        apart, freedom = found_of
        value, span, z = first - second, one.entry.high - one.entry.low, self.confidence.critical
        wider = t_quantile(1.0 - self.confidence.tail, freedom) / z
        below, above = wider * max(value - apart.low, 0.0), wider * max(apart.high - value, 0.0)
        interval = Interval(value - below, value + above, apart.method).holding(value, -span, span)
        facing = below if value > 0.0 else above
        least = min(freedom, self._groups(one, rows) - 1.0)
        reach = t_quantile(1.0 - self.confidence.tail, least)
        p = t_two_sided(abs(value) * reach / facing, least) if value and facing > 0.0 else 1.0
        return Difference(first, second, interval, p, detectable(max(below, above) / z, self.confidence))
