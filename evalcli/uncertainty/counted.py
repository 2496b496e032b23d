"""Which interval a metric of counts gets: Wilson's, the count bootstrap, or the score interval.

Shares get Wilson's. Composites (means over classes, kappa, the Matthews correlation) get the bootstrap where every
class has ten rows right and ten wrong. A bootstrap cannot draw an error that nobody made: below that its intervals are
too short, and of zero width for a model without an error, and the score interval takes over, a little wider where a
handful of rows makes up its variance. Beyond ``MOST_DRAWS``
draws, or ``MOST_CELLS`` cells for the score interval, it is the delta method: Wilson's interval for the variance that
influences give, around the value without its bias. Classes that count as 0 for want of a row raise the upper end of a
mean over classes (``untold``). The method is named with each interval. How often each of them holds the truth is
measured by ``python -m benchmarks.coverage``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import inf, isnan, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from evalcli.metrics.registry import parse
from evalcli.uncertainty import proportions
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.fewrows import MANY, Few, alike_in_classes, few_rows, spared
from evalcli.uncertainty.intervals import Confidence, Interval, by_variance, none_of
from evalcli.uncertainty.measures import ALL, measure, place_of, values_of
from evalcli.uncertainty.resampling import MOST_DRAWS, bca, replicates, skewness
from evalcli.uncertainty.samples import Beside, Moved
from evalcli.uncertainty.slopes import MeanOfRatios, influence_of
from evalcli.uncertainty.untold import untold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import Cells, Margins
    from evalcli.uncertainty.clusterclasses import Moves
    from evalcli.uncertainty.clusters import Clusters
    from evalcli.uncertainty.slopes import Measure

ENOUGH = 10.0
"""Rows of a class, right ones and wrong ones each, that a bootstrap has to draw from."""

MOST_CELLS = 4096
"""Of so many kinds of rows the score interval of one metric takes a tenth of a second; of more, it is the delta."""

MOST_SMOOTHED = 100
"""Of so many classes every pair is made a cell."""

_NOTHING = 1e-24
"""A variance that is rounding."""

_OF_THE_OTHER = {"specificity": parse("recall"), "npv": parse("precision")}
"""Of two classes one is the other's, to the last bit also where weights are rounded and rows lie in clusters."""

Method = Literal["auto", "score", "bootstrap", "delta"]


class _Sampled(NamedTuple):
    """A metric ``of`` cells, the ``influence`` (K,) of a row in each, how clusters move it, and the quantile."""

    of: Measure
    influence: HostArray
    cells: Cells
    moves: Moves | None
    critical: float


class EachClass(NamedTuple):
    """Of the classes ``places`` (K,) the ends ``low`` and ``high`` (K,); ``methods`` is one for all, or (K,)."""

    places: HostArray
    low: HostArray
    high: HostArray
    methods: str | tuple[str, ...]


class CountIntervals:
    """The intervals of one confusion matrix; replicates are drawn once, and only when a metric asks for them.

    ``positive`` and ``classes`` are the task's, as ``registry.evaluate`` takes them; ``declared`` is the number of
    classes that means run over where it is not those that occur. ``method`` says what composites get, and ``beside``
    says what was found of several samples beside each other.

    >>> from evalcli.metrics.registry import parse
    >>> from evalcli.uncertainty.cells import Cells
    >>> intervals = CountIntervals(Cells.of_matrix(np.array([[90, 10], [5, 95]])))
    >>> intervals.of(parse("accuracy")).method, intervals.of(parse("f1_macro")).method
    ('wilson', 'bootstrap')
    """

    def __init__(
        self,
        cells: Cells,
        confidence: Confidence | None = None,
        *,
        positive: int | None = None,
        classes: Sequence[str] = (),
        declared: int | None = None,
        clusters: Clusters | None = None,
        method: Method = "auto",
        beside: Beside | None = None,
    ) -> None:
        self.cells = cells if clusters is None else clusters.cells
        self._mean_weight = float(cells.spread.n) / cells.n if cells.n > 0 else 1.0
        self.confidence = Confidence() if confidence is None else confidence
        self._positive, self._classes, self._declared = positive, classes, declared
        self._clusters, self._method, self._beside = clusters, method, beside
        self._critical = self.confidence.critical if clusters is None else clusters.critical(self.confidence)

    @property
    def are_of_rows(self) -> bool:
        """Whether single rows were sampled."""
        return self._clusters is None

    def of(self, name: MetricName, value: float | None = None) -> Interval | None:
        """The interval of a metric; ``None`` where its value is undefined. Whoever knows the ``value`` may say it.

        Raises: ``UsageError`` for a class that is not there, as ``evaluate`` does.
        """
        place = place_of(name, self.cells, self._positive, self._classes)
        return None if place is None else self._of(name, place, value)

    def per_class(self, name: MetricName) -> EachClass:
        """The intervals of a metric for every class that occurs and where it is defined, by the class's index."""
        classes = self.cells.classes
        if name.base in proportions.SHARES and self._clusters is None and not self.cells.weighted:
            low, high = proportions.ends_of(name.base, self.cells.margins, self._critical)
            known = ~np.isnan(low)
            return EachClass(classes[known], low[known], high[known], "wilson")
        every = [(place, self._of(name, place)) for place in range(self.cells.size)]
        found = [(place, one) for place, one in every if one is not None]
        low, high = (np.array([getattr(one, end) for _, one in found], np.float64) for end in ("low", "high"))
        return EachClass(classes[[place for place, _ in found]], low, high, tuple(one.method for _, one in found))

    def moves(self, names: Sequence[MetricName], cells: Cells | None = None) -> HostArray:
        """The influence of a row of each kind of ``cells`` on each metric: (k, K), NaN of what has none."""
        cells = self.cells if cells is None else cells
        found = np.full((len(names), len(cells.amounts)), np.nan)
        for row, name in zip(found, names, strict=True):
            place = place_of(name, cells, self._positive, self._classes)
            if place is not None:
                of = measure(name, cells, declared=self._declared, place=place)
                row[:] = of.slope(cells.margins).at(cells.target, cells.preds)
        return found

    def covariance(self, names: Sequence[MetricName]) -> HostArray:
        """How metrics vary together (k, k); NaN of those of which nothing tells it.

        Where no row moves one of them, as where all are right, half a row of each class is taken to be wrong.
        """
        cells, moves = self.cells, self.moves(names)
        if self._clusters is not None:
            return covariance_of(np.array([self._clusters.pulls(row) for row in moves]), np.ones(self._clusters.count))
        if not np.abs(moves).max(axis=1).all() and 1 < cells.size <= MOST_SMOOTHED:
            cells = cells.smoothed()
            moves = self.moves(names, cells)
        return covariance_of(moves, cells.squares)

    def _of(self, name: MetricName, place: int, value: float | None = None) -> Interval | None:
        if value is None:
            value = self._value(name, self.cells.margins, place) if self.cells.n > 0 else float("nan")
        if isnan(value):
            return None
        if place != ALL and self.cells.size == 2:
            name, place = (_OF_THE_OTHER[name.base], 1 - place) if name.base in _OF_THE_OTHER else (name, place)
        seen = None if self._clusters is None else self._sampled(name, place)
        cells, critical = (self.cells, self._critical) if seen is None else (seen.cells, seen.critical)
        found = self._share(name, place, cells, critical)
        if found is None and (known := self._known(name, place)) is not None:
            found = self._delta(name, value, known, cells, critical)
        if found is None:
            seen = self._sampled(name, place) if seen is None else seen
            found = self._composite(name, place, value, seen)
            if place == ALL:
                found = replace(found, high=found.high + untold(seen.of, seen.cells))
        found = found.holding(value, name.entry.low, name.entry.high)
        return found if found.width > 0.0 else self._unknown(name, value, cells, critical)

    def _value(self, name: MetricName, margins: Margins, place: int) -> float:
        return float(values_of(name, margins, place, self._declared))

    def _unknown(self, name: MetricName, value: float, cells: Cells, critical: float, rows: float = inf) -> Interval:
        """Where no row says how far the value may be off, as with a single class: what may happen in one row of n.

        Not more than ``rows`` count.
        """
        low, high = name.entry.low, name.entry.high
        reach = (high - low) * none_of(min(rows, cells.n**2 / float(cells.spread.n)), critical)
        return Interval(max(value - reach, low), min(value + reach, high), "wilson")

    def _share(self, name: MetricName, place: int, cells: Cells, critical: float) -> Interval | None:
        """Wilson's interval, of a metric that is a share."""
        if place != ALL:
            held = name.base in proportions.SHARES
            return proportions.of_class(name.base, cells, place, critical) if held else None
        if name.average == "micro" and self._beside is not None and (known := self._beside.micro(name)) is not None:
            return known
        return proportions.overall(name, cells, critical, self._declared or cells.size)

    def _sampled(self, name: MetricName, place: int) -> _Sampled:
        """How rows move a metric, and how clusters do: of one class only those that have rows of it tell anything."""
        cells, clusters = self.cells, self._clusters
        of = measure(name, cells, declared=self._declared, place=place)
        influence = influence_of(of, cells)
        if clusters is None:
            return _Sampled(of, influence, cells, None, self._critical)
        moves = one = None
        if isinstance(of, MeanOfRatios) and of.weights is not None and not of.ratio.bottom.n:  # of rows of its own
            if place == ALL:
                moves = clusters.by_class.of_mean(of.ratio, of.weights)
            else:
                one = clusters.by_class.of_class(of.ratio, place, self._mean_weight)
        grown = (
            clusters.inflation(influence, moves) if one is None else clusters.of_class(influence, one, self.confidence)
        )
        return _Sampled(of, influence, cells.inflated(grown), moves, clusters.critical(self.confidence, one))

    def _composite(self, name: MetricName, place: int, value: float, seen: _Sampled) -> Interval:
        influence, cells, method = seen.influence, seen.cells, self._chosen()
        if method == "bootstrap":
            skew = (
                skewness(influence, cells.amounts, cells.squares)
                if self._clusters is None
                else self._clusters.skewness(influence)
            )
            return bca(value, values_of(name, self._replicates, place, self._declared), skew, self.confidence)
        low, high = name.entry.low, name.entry.high
        few = self._few(name, cells)
        many = few is not None and cells.size >= MANY
        bias = self._bias(seen, few)
        growth = self._growth(seen, few)
        errors = np.sqrt(cells.squares) * influence  # of next to no weight the square of an influence is infinite
        plain, unsure = dot(errors, errors), 0.0 if few is None else few.unsure
        if method == "delta" or many:
            variance = plain * growth * (self._doubt(seen) if many else 1.0) + unsure
            return self._delta(name, value, Moved(bias, plain, variance), cells, seen.critical)
        from evalcli.uncertainty.score import one_model, score_interval

        centre = min(max(value - bias, low), high)
        grown = growth * self._doubt(seen) + (unsure / plain if plain > _NOTHING else 0.0)
        return score_interval(one_model(seen.of, cells), centre, seen.critical * sqrt(grown), (low, high))

    def _known(self, name: MetricName, place: int) -> Moved | None:
        """What was found of a metric of all classes, of this sample beside others; nothing of few rows is in it."""
        if self._beside is None or place != ALL or self._few(name, self.cells) is not None:
            return None
        return self._beside.moved(name)

    def _delta(self, name: MetricName, value: float, moved: Moved, cells: Cells, critical: float) -> Interval:
        """Wilson's interval for the variance, around the value without its bias."""
        low, high = name.entry.low, name.entry.high
        centre = min(max(value - moved.bias, low), high)
        if low < centre < high and moved.plain > _NOTHING:
            return by_variance(centre, moved.variance, critical, "delta", low, high)
        return self._unknown(name, value, cells, critical, self._even_rows)

    @staticmethod
    def _bias(seen: _Sampled, few: Few | None) -> float:
        """By how much the value is too high on average."""
        if seen.moves is None:
            return float(seen.of.bias(seen.cells)) if few is None else few.bias
        return seen.moves.bias if few is None else min(seen.moves.bias, few.bias)

    def _growth(self, seen: _Sampled, few: Few | None) -> float:
        """By how many times the variance of a mean over classes exceeds what few rows of each tell of it.

        Of clusters it is the larger of what few of them and few rows do.
        """
        of = seen.of
        if seen.moves is not None and self._clusters is not None:
            known = self._clusters.inflation(seen.influence) / self._clusters.inflation(seen.influence, seen.moves)
            return 1.0 if few is None else max(few.growth * known, 1.0)
        if few is not None:
            return max(few.growth, 1.0)
        if not isinstance(of, MeanOfRatios) or of.weights is None:
            return 1.0
        return float(spared(of.ratio, of.weights, seen.cells))

    def _doubt(self, seen: _Sampled) -> float:
        """By how many times a variance is taken to be larger as few rows make it up, or few clusters."""
        if self._clusters is None or seen.moves is None:
            return 1.0 + 1.0 / (_telling(seen.influence, seen.cells) + 1.0)
        return 1.0 + 1.0 / (self._clusters.telling(seen.moves.sums) + 1.0)

    def _few(self, name: MetricName, cells: Cells) -> Few | None:
        """What few rows a class do to the mean of F1 over many of them."""
        mean = (name.base, name.average) == ("f1", "macro")
        if not mean or self._ample or (cells.size < MANY and self._clusters is None):
            return None
        fewer: float | HostArray = self._mean_weight
        if self._clusters is not None:
            fewer = fewer * alike_in_classes(self._clusters, self._mean_weight)
        return few_rows(self.cells, 1.0 / (self._declared or cells.size), fewer)

    def _chosen(self) -> Method:
        """What composites get here."""
        if self._method != "auto":
            return self._method
        if not self._ample:
            return "score" if len(self.cells.amounts) <= MOST_CELLS else "delta"
        entries = len(self.cells.amounts if self._clusters is None else self._clusters.amounts)
        return "bootstrap" if entries * self.confidence.resamples <= MOST_DRAWS else "delta"

    @property
    def _even_rows(self) -> float:
        """How many rows would tell as much of a mean over classes if all classes had as many of them."""
        support = self.cells.margins.support / self._mean_weight
        held = support[support > 0]
        return float(len(held)) ** 2 / float((1.0 / held).sum())

    @cached_property
    def _ample(self) -> bool:
        """Whether every class has enough right and enough wrong: rows of equal weight, or clusters."""
        margins, spread = self.cells.margins, self.cells.spread
        weight = float(spread.n) / self.cells.n
        if self._clusters is not None:
            weight *= self.cells.n / self._clusters.effective
        wrong = margins.support + margins.predicted - 2.0 * margins.tp
        return bool((np.minimum(margins.tp, wrong) >= ENOUGH * weight).all())

    @cached_property
    def _replicates(self) -> Margins:
        if self._clusters is not None:
            return self._clusters.replicates(self.confidence)
        return replicates(self.cells, self.confidence)


def covariance_of(moves: HostArray, squares: HostArray) -> HostArray:
    """The covariances (k, k) of sums of independent terms: ``moves`` (k, K) times what has such ``squares`` (K,).

    NaN of what nothing moves: nothing tells how it goes together with others.
    """
    sides = moves * np.sqrt(squares)
    found = np.array([[dot(one, other) for other in sides] for one in sides])
    still = ~(np.diag(found) > 0.0)
    found[still], found[:, still] = np.nan, np.nan
    return found


def _telling(influence: HostArray, cells: Cells) -> float:
    """How many rows the variance rests on: ``(Σ L²)² / Σ L⁴``; infinite where no row moves anything.

    Where classes are rare a handful makes it up, and it is known no better than from so many.
    """
    errors = np.abs(np.sqrt(cells.squares) * influence)
    largest = float(errors.max(initial=0.0))
    if not _NOTHING < largest < inf:
        return inf
    parts = (errors / largest) ** 2
    return float(parts.sum()) ** 2 / dot(parts, parts * (cells.squares / cells.amounts) / cells.amounts)
