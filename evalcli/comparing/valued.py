"""A second look at the values of several models, row by row: how they differ in each metric, and whether by chance.

With the metrics of all models known, a row's terms on each of them are too (``influences``), and the moments of their
differences tell of the difference: Student's test of pairs, made careful of skewness. The moments are exact sums.
Medians and rank correlations have no such terms, but each row moves them (``orders``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import frexp, inf, ldexp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.comparing import orders
from evalcli.comparing.apart import Apart
from evalcli.comparing.clusters import GroupSums, clusters_at
from evalcli.comparing.elements import in_common
from evalcli.comparing.fieller import DIVIDED, Scatter, by_fieller
from evalcli.comparing.influences import has_terms, slopes, terms, usual_size
from evalcli.comparing.pairtests import difference_of, difference_of_sizes, scatters
from evalcli.comparing.powers import FAR, MOMENTS, fourth, last_powers, moments_of, powers, unweighted
from evalcli.comparing.roots import SUMS, JointMoments, Roots
from evalcli.evidence import Evidence
from evalcli.metrics.exact import ExactSum
from evalcli.regression.states import StateKey
from evalcli.uncertainty.paired import products

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.comparing.orders import Order
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.rows import Rows
    from evalcli.comparing.sliced import Asking
    from evalcli.comparing.values import ValuesPass
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.values import ValueRows
    from evalcli.regression.results import Results
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

_MOMENTS = StateKey("Moments")
_LEAST_ROWS = {"pearson": 100}
"""With fewer, intervals that promised 95 % held the difference of correlations in 86 to 91 %; others need two rows."""


class Contrast(NamedTuple):
    """The terms of an ``other`` model less those of the reference, or plus them: ``value`` is their mean."""

    name: MetricName
    other: int
    sign: float
    value: float
    scale: float
    """What terms are divided by, a power of 2, so that their cubes stay in range."""
    output: int | None = None
    """Of an RMSE of one output, which: then ``Roots`` knows more than the terms."""
    ordered: tuple[Order, Order] | None = None
    """Of a median or a rank correlation, those of both."""

    @property
    def of_terms(self) -> bool:
        """Whether all it takes are sums of powers of what terms differ by."""
        return self.ordered is None and self.output is None

    @property
    def cells(self) -> int:
        """How many sums it takes."""
        if self.ordered is not None:
            return orders.SUMS
        if self.output is not None:
            return SUMS
        return MOMENTS + (3 if self.name.base in DIVIDED else 1)


@dataclass(frozen=True, slots=True)
class ValueDifferences:
    """Differences of metrics of values, from what was ``counted`` of all models.

    ``values`` are the metrics of each model; none is compared that is undefined or infinite for one of a pair.
    """

    counted: Counted
    results: Sequence[Results]
    values: Sequence[dict[str, float | None]]
    confidence: Confidence

    def of(self, names: Sequence[MetricName], reference: int) -> Asking[dict[int, dict[str, Difference | None]]]:
        """Every other model less the ``reference``, in every metric that has a test; one pass for all of them."""
        others = [i for i in range(len(self.results)) if i != reference]
        known = self.orders(names)
        contrasts = [
            self._contrast(name, other, reference, sign, known)
            for other in others
            for name in names
            if self._is_known(name, (other, reference), known)
            for sign in ((-1.0, 1.0) if name.base == "bias" else (-1.0,))
        ]
        found: dict[int, dict[str, Difference | None]] = {other: dict.fromkeys(map(str, names)) for other in others}
        if not contrasts:
            return found
        total: _ContrastPass = yield partial(_ContrastPass.empty, self.counted, self.results, reference, contrasts)
        told = {(one.other, str(one.name), one.sign): sums for one, sums in zip(contrasts, total.parts(), strict=True)}
        for each in contrasts:
            if each.sign < 0.0:
                key = each.other, str(each.name)
                both = [told[*key, sign] for sign in (-1.0, 1.0) if (*key, sign) in told]
                found[each.other][key[1]] = self._difference(each, reference, both)
        if total.clusters is not None:
            self._cluster(found, contrasts, total)
        spans = {str(name): name.entry.high - name.entry.low for name in names}
        return {other: {key: _within(one, spans[key]) for key, one in told.items()} for other, told in found.items()}

    def _cluster(
        self, found: dict[int, dict[str, Difference | None]], contrasts: Sequence[Contrast], total: _ContrastPass
    ) -> None:
        """Make them differences of whole clusters; of a bias by what moves more, the difference or the sum."""
        assert total.clusters is not None
        clusters = total.clusters.clusters.paired(self.confidence)
        plain: dict[tuple[int, str], list[Difference]] = {}
        for one, sums, moved in zip(contrasts, total.parts(), total.clusters.moved(), strict=True):
            known = found[one.other][str(one.name)]
            assert known is not None
            told, each = clusters.known(moved), clusters.difference(known, moved)
            each = self._divided(each, one, sums, told.grown, told.degrees)
            plain.setdefault((one.other, str(one.name)), []).append(each)
        for (other, name), every in plain.items():
            found[other][name] = max(every, key=lambda one: one.interval.width)

    def _difference(self, one: Contrast, reference: int, sums: Sequence[tuple[float, ...]]) -> Difference:
        """From the ``sums`` of the terms' differences, and of a bias those of their sums."""
        if one.ordered is not None:
            unit = one.scale * _unit(self.counted.total, self.results[reference]) / self.total_weight
            rows = self.total_weight / self._mean_weight(reference)
            return orders.difference(*one.ordered, sums[0], unit, rows, self.confidence)
        first, second = (self._of(one.name, i) for i in (one.other, reference))
        if one.output is not None:
            roots = Roots(first, second, JointMoments(sums[0]), one.scale)
            if max(first, second) > 0.0 and scatters(roots.at(0.0), 0.0):
                return roots.difference(self.confidence)
            return difference_of(first, second, roots.joint.along(0.0, 0.0), one.scale, self.confidence)
        moments = [moments_of(each) for each in sums]
        if self.counted.clusters is None:  # which have degrees of freedom of their own
            moments = [told._replace(fourth=each[MOMENTS]) for told, each in zip(moments, sums, strict=True)]
        if one.name.base == "bias":
            return difference_of_sizes(first, second, (moments[0], moments[1]), one.scale, self.confidence)
        found = difference_of(first, second, moments[0], one.scale, self.confidence)
        alone = self.counted.clusters is None
        return self._divided(found, one, sums[0], 1.0, moments[0].rows - 1.0) if alone else found

    def _divided(
        self, found: Difference, one: Contrast, sums: tuple[float, ...], grown: float, degrees: float
    ) -> Difference:
        """What was ``found``, where the spread it is divided by is no surer; clusters make scatter ``grown``."""
        if one.name.base not in DIVIDED or not scatters(moments := moments_of(sums), one.value / one.scale):
            return found
        scatter = Scatter.of(moments, sums[MOMENTS + 1 :], one.scale, grown)
        return by_fieller(found, scatter, degrees, self.confidence)

    @property
    def total_weight(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.results[0].read(_MOMENTS)[0].n)

    def _of(self, name: MetricName, place: int) -> float:
        return float(self.values[place][str(name)] or 0.0)

    def _is_known(self, name: MetricName, pair: tuple[int, int], ordered: Mapping[tuple[str, int], Order]) -> bool:
        if name.base in orders.ORDERS:
            return all((str(name), i) in ordered for i in pair)
        known = (self.values[i][str(name)] for i in pair)
        enough = self.counted.total.rows >= _LEAST_ROWS.get(name.base, 2)
        most = FAR if name.base in DIVIDED else inf  # beyond, what it is divided by is nothing but rounding
        return enough and has_terms(name) and all(each is not None and abs(each) < most for each in known)

    def _contrast(
        self,
        name: MetricName,
        other: int,
        reference: int,
        sign: float,
        ordered: Mapping[tuple[str, int], Order],
    ) -> Contrast:
        mine, base = (self._of(name, i) for i in (other, reference))
        scale = _power_of_2(max(abs(mine), abs(base), usual_size(name, self.results[reference])))
        if name.base in orders.ORDERS:
            pair = ordered[str(name), other], ordered[str(name), reference]
            return Contrast(name, other, sign, mine + sign * base, scale, ordered=pair)
        of_one = name.base == "rmse" and (name.label is not None or len(self.results[0].outputs) == 1)
        output = None if not of_one else 0 if name.label is None else self.results[0].outputs.index(name.label)
        return Contrast(name, other, sign, mine + sign * base, scale, output)

    def orders(self, names: Sequence[MetricName]) -> dict[tuple[str, int], Order]:
        """The medians and the rank correlations of all models, as far as reports have intervals of them."""
        asked = [name for name in names if name.base in orders.ORDERS]
        found = {
            (str(name), place): orders.Order.of(name, results, self._mean_weight(place), self.confidence)
            for name in asked
            for place, results in enumerate(self.results)
        }
        return {key: order for key, order in found.items() if order is not None}

    def _mean_weight(self, place: int) -> float:
        """Σw² / Σw"""
        gathered = self.counted.total.passes[place]
        total = float(self.results[place].read(_MOMENTS)[0].n)
        return float(gathered.weight_squares) / total if gathered.plan.source.weighted and total > 0.0 else 1.0


def _within(found: Difference | None, span: float) -> Difference | None:
    """The same, of at most ``span``: that of an sMAPE or a correlation."""
    return None if found is None else replace(found, interval=found.interval.holding(found.value, -span, span))


@dataclass(slots=True)
class _ContrastPass(Apart):
    """What one worker gathers."""

    travels = ("sums", "clusters")

    counted: ValuesPass
    results: Sequence[Results]
    reference: int
    contrasts: Sequence[Contrast]
    unit: float
    """What weights are divided by, which moments do not depend on, so that their cubes stay in range."""
    sums: ExactSum
    clusters: GroupSums | None

    @classmethod
    def empty(
        cls, counted: Counted, results: Sequence[Results], reference: int, contrasts: Sequence[Contrast]
    ) -> _ContrastPass:
        """No rows yet."""
        total = counted.total
        unit = _unit(total, results[reference])
        clusters = None if counted.clusters is None else GroupSums(counted.clusters, len(contrasts))
        sums = ExactSum(sum(one.cells for one in contrasts))
        return cls(total, results, reference, contrasts, unit, sums, clusters)

    def add(self, rows: Rows) -> bool:
        """Look at the rows of all models."""
        every = [one.prepare(batch, Evidence()) for one, batch in zip(self.counted.passes, rows.batches, strict=True)]
        values, places = in_common(every)
        weight = None if values[0].weight is None else values[0].weight / self.unit
        if not values[0].preds.shape[1]:
            return True
        known: dict[tuple[str, int], HostArray] = {}
        start = 0
        groups = None if self.clusters is None else self.clusters.clusters.group_of(clusters_at(rows, places))
        with np.errstate(over="ignore", under="ignore"):
            for number, one in enumerate(self.contrasts):
                powers, moved = self._powers(known, one, values, weight)
                start += one.cells
                self.sums.add_rows(powers, np.arange(start - len(powers), start))
                if self.clusters is not None and groups is not None:
                    self.clusters.update(number, moved if weight is None else moved * weight, groups)
        return True

    def _powers(
        self,
        known: dict[tuple[str, int], HostArray],
        one: Contrast,
        values: Sequence[ValueRows],
        weight: HostArray | None,
    ) -> tuple[HostArray, HostArray]:
        """What the rows (N,) of a batch add to the last sums of a contrast (cells, N), and to the difference."""
        if one.ordered is not None:
            mine, base = (
                self._moves(known, str(one.name), i, order, values) / one.scale
                for i, order in zip((one.other, self.reference), one.ordered, strict=True)
            )
            weighed = (mine, base) if weight is None else (mine * weight, base * weight)
            return products(*weighed), mine - base
        if one.output is None:
            mine, base = (self._terms(known, one.name, i, values) for i in (one.other, self.reference))
            off = (mine + one.sign * base - one.value) / one.scale
            every = [last_powers(off) if weight is None else powers(off, weight), fourth(off, weight)[None]]
            if one.name.base in DIVIDED:
                first, second = (slopes(one.name, values[i], self.results[i]) for i in (one.other, self.reference))
                both = (first + second) / 2.0, off
                every.append(products(*(side if weight is None else side * weight for side in both))[:2])
            return np.concatenate(every), off
        squares, moved = [], np.zeros(values[0].length)
        for sign, place in ((1.0, one.other), (-1.0, self.reference)):
            error = values[place].residual[one.output] / one.scale
            root = float(self.results[place].of_output(one.name, one.output).value) / one.scale
            squares.append(error * error - root * root)
            moved += sign * squares[-1] / (2.0 * root) if root > 0.0 else 0.0
        return JointMoments.powers(squares[0] - squares[1], squares[0] + squares[1], weight), moved

    def _terms(
        self, known: dict[tuple[str, int], HostArray], name: MetricName, place: int, values: Sequence[ValueRows]
    ) -> HostArray:
        key = str(name), place
        if key not in known:
            known[key] = terms(name, values[place], self.results[place])
        return known[key]

    def _moves(
        self, known: dict[tuple[str, int], HostArray], name: str, place: int, order: Order, values: Sequence[ValueRows]
    ) -> HostArray:
        if (name, place) not in known:
            known[name, place] = order.moves(values[place])
        return known[name, place]

    def merge(self, other: _ContrastPass) -> None:
        """Take in what another worker has gathered."""
        self.sums.merge(other.sums)
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)

    def parts(self) -> list[tuple[float, ...]]:
        """The sums of every contrast."""
        left = iter(self.sums.value().tolist())
        every = [tuple(islice(left, one.cells)) for one in self.contrasts]
        if self.counted.passes[0].plan.source.weighted:
            return every
        return [unweighted(sums) if one.of_terms else sums for one, sums in zip(self.contrasts, every, strict=True)]


def _unit(counted: ValuesPass, results: Results) -> float:
    """About what a row weighs, a power of 2; 1 where rows only count."""
    if not counted.passes[0].plan.source.weighted:
        return 1.0
    return _power_of_2(float(results.read(_MOMENTS)[0].n) / counted.rows)


def _power_of_2(size: float) -> float:
    """The next power of 2 above a size, 1 for none."""
    return ldexp(1.0, frexp(size)[1]) if size > 0.0 else 1.0
