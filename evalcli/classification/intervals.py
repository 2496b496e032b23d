"""How sure each number is: which method of :mod:`evalcli.uncertainty` a metric gets, and what it reads for it.

A number that only bins bound is certain to lie between two values; the interval then reaches beyond both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from math import isinf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.classification.cells import cells_of
from evalcli.classification.together import coupling_of, pairs_of
from evalcli.report import Value
from evalcli.uncertainty import bins, means, rankestimates, ranks
from evalcli.uncertainty.bins import SIDES
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.intervals import Confidence, Interval, wilson
from evalcli.uncertainty.losses import loss_interval
from evalcli.uncertainty.proportions import largest_share
from evalcli.uncertainty.ranks import RANKS

if TYPE_CHECKING:
    from evalcli.classification.numbers import Numbers
    from evalcli.classification.score_results import ScoreResults
    from evalcli.classrows import Values
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.clusters import Clusters

_GAPS = frozenset({"ece", "ece_positive", "ece_classwise", "ece_equal_mass"})
_SPLIT = frozenset({"brier_reliability", "brier_resolution"})
BINNED = frozenset({*_GAPS, *_SPLIT, *SIDES, "mce"})
"""What bins add up to, or the largest of."""
SHARES_OF_ALL = ("majority_baseline", "selection_rate")


class Grown(NamedTuple):
    """By how much fewer ``rows`` tell as much as there are, and how far bins of clusters move ``together``."""

    rows: float = 1.0
    together: float | None = None


INDEPENDENT = Grown()


class Intervals:
    """The intervals of the metrics of some rows; what they share is computed once.

    ``method`` is what composites of counts get: ``auto``, or ``delta`` where there are many such rows.
    """

    _sampled = ""

    def __init__(
        self, numbers: Numbers, confidence: Confidence, method: Any = "auto", grown: Grown = INDEPENDENT
    ) -> None:
        self._numbers, self._confidence, self._method = numbers, confidence, method
        self._grown = grown.rows
        self._together = {} if grown.together is None else {"together": grown.together}
        self._estimates: dict[str, dict[int, tuple[Ranking, Any]]] = {}
        self.couplings: dict[str, float | None] = {}

    def of(self, name: MetricName, value: Value) -> Value:
        """``value`` with its interval, where there is one."""
        if value.value is None or isinf(value.value):
            return value
        with np.errstate(over="ignore", invalid="ignore"):  # a class may weigh next to nothing
            found = self._scored(name, value.value) if name.entry.needs_scores else self._counted(name, value.value)
        if found is not None and isnan(found.low + found.high):
            found = replace(found, low=name.entry.low, high=name.entry.high)
        if found is None:
            return value
        found = found if not self._sampled else replace(found, method=self._told(found.method))
        return self._with(name, value, found)

    def by_class(self, name: MetricName, values: Values) -> Values:
        """The ``values`` of a metric of counts with their intervals."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._counts.per_class(name)
        low, high = np.full((2, len(values)), np.nan)
        low[found.places], high[found.places] = found.low, found.high
        if isinstance(found.methods, str):
            return replace(values, low=low, high=high, method=self._told(found.methods))
        methods = dict(zip(found.places.tolist(), map(self._told, found.methods), strict=True))
        return replace(values, low=low, high=high, method=methods)

    def _told(self, method: str) -> str:
        """With what was sampled."""
        return f"{method}{self._sampled}"

    @staticmethod
    def _with(name: MetricName, value: Value, found: Interval) -> Value:
        assert value.value is not None
        entry = name.entry
        found = found.spanning(value.certified).holding(value.value, entry.low, entry.high)
        return Value(value.value, float(found.low), float(found.high), found.method, value.certified)

    @cached_property
    def _counts(self) -> CountIntervals:
        setting, known = self._numbers.setting, self._numbers.cells_known
        squares = self._numbers.weight_squares if self._numbers.weighted else None
        return CountIntervals(
            known.cells if known is not None else cells_of(self._numbers.pairs, setting.picked, squares),
            self._confidence,
            positive=setting.task.positive,
            classes=setting.names,
            declared=len(setting.names) if setting.scope == "declared" else None,
            clusters=self._clustered(),
            method=self._method,
            beside=known,
        )

    def _clustered(self) -> Clusters | None:
        """The clusters that were sampled, if any."""
        return None

    # What is read to tell how metrics go together.

    @property
    def counts(self) -> CountIntervals:
        """What intervals of counts are read from."""
        return self._counts

    @property
    def scores(self) -> ScoreResults:
        """What the scores say, where there are any."""
        assert self._numbers.scores is not None
        return self._numbers.scores

    @property
    def scores_of_all(self) -> ScoreResults:
        """What those of all rows say, of which a slice has no sample."""
        return self._numbers.setting.whole or self.scores

    @property
    def has_ranking(self) -> bool:
        """Whether every row has its place in a ranking."""
        return self.scores.has("KeyTable") and not (self._counts.cells.preds < 0).any() and self._counts.cells.size == 2

    @property
    def positive_place(self) -> int:
        """Where the positive class is among those that occur."""
        place = self._counts.cells.place(self._numbers.setting.task.positive or 0)
        assert place is not None
        return place

    @property
    def columns(self) -> list[int]:
        """The column of scores of each class that has a name."""
        found: list[int] = self._numbers.setting.picked.tolist()
        return found

    @property
    def mean_weight(self) -> float:
        """``Σw² / Σw``"""
        return self._mean_weight

    @cached_property
    def _of_same_counts(self) -> bool:
        """Whether values were read off the very counts that intervals read: of rows, and of all classes."""
        whole = not self._numbers.weighted and self._counts.are_of_rows
        return whole and self._counts.cells.size == len(self._numbers.setting.picked)

    def _counted(self, name: MetricName, value: float) -> Interval | None:
        if name.base not in SHARES_OF_ALL:
            return self._counts.of(name, value if self._of_same_counts else None)
        rows = self._numbers.total / self._mean_weight
        if name.base == "majority_baseline":
            support = np.asarray(self._numbers.counts.support, np.float64)
            return largest_share(support, rows, self._confidence.critical)
        return wilson(value * rows, rows, self._confidence.critical)

    @property
    def _mean_weight(self) -> float:
        """``Σw² / Σw``: by how much fewer rows tell as much as those that there are."""
        mean = self._numbers.weight_squares / self._numbers.total if self._numbers.weighted else 1.0
        return mean * self._grown

    def _scored(self, name: MetricName, value: float) -> Interval | None:
        method = self._method_of(name)
        return None if method is None else method(self, name, value)

    @staticmethod
    def _method_of(name: MetricName) -> Method | None:
        return _METHODS[name.base] if name.base in _METHODS else _METHODS.get(name.entry.state)

    def _bins(self, name: MetricName) -> BinTable:
        """The bins that a number of calibration reads."""
        if name.base == "ece_equal_mass":
            from evalcli.metrics.confidence import equal_mass_bins

            return equal_mass_bins(self._read(name))
        table: BinTable = self._read(name)
        return table

    def _numbered(self, name: MetricName) -> list[tuple[int, Ranking]]:
        """The rankings that a metric of ranks means, where they are defined, with their numbers."""
        scores = self._numbers.scores
        assert scores is not None
        if name.entry.state != "KeyTable":
            return []
        column = scores.column(name)
        chosen = range(len(scores.rankings)) if column is None else [column]
        return [(number, scores.rankings[number]) for number in chosen if scores.rankings[number].defined]

    def _read(self, name: MetricName) -> Any:
        assert self._numbers.scores is not None
        return self._numbers.scores.read(name.entry.state)

    def _of_ranks(self, name: MetricName, value: float) -> Interval | None:
        assert self._numbers.scores is not None
        from evalcli.metrics.ranking import over_columns
        from evalcli.metrics.threads import each

        weights, rankings = self._columns(name)
        if name.base not in RANKS:
            from evalcli.uncertainty import curves

            single = partial(self._curve, name)
            if len(rankings) == 1:
                return single(rankings[0])
            curved = [(single(ranking), weight) for ranking, weight in zip(rankings, weights, strict=True)]
            held = [(interval, weight) for interval, weight in curved if interval is not None]
            values = over_columns(name.entry.formula, rankings, *name.arguments).value.tolist()
            if len(held) < len(rankings):
                return None
            intervals = [one for one, _ in held]
            if (name.base, name.average) == ("ks", "macro"):  # whose bias is told; of other points it is not
                from evalcli.uncertainty.coupling import coupled_mean
                from evalcli.uncertainty.distances import distance_estimates

                scores, whole, weight = self._numbers.scores, self._numbers.setting.whole, self._mean_weight
                coupling = coupling_of(name, scores, distance_estimates(rankings, weight), whole, weight)
                self.couplings[str(name)] = coupling
                if coupling is not None:
                    return coupled_mean(intervals, weights, value, coupling)
            return curves.worst_together(intervals, values, weights)
        estimate, method = RANKS[name.base]
        overall = self._numbers.weight_squares if self._numbers.weighted else None
        known = self._estimates.setdefault(name.base, {})

        def estimated(ranking: Ranking) -> Any:
            squares = rankestimates.Squares(
                *(self._grown * side for side in rankestimates.Squares.of(ranking, overall))
            )
            return estimate(ranking, squares)

        new = [ranking for ranking in rankings if id(ranking) not in known]  # means and classes ask for the same ones
        found = each(estimated, new, self._numbers.setting.workers)
        known.update((id(ranking), (ranking, one)) for ranking, one in zip(new, found, strict=True))
        estimates = [known[id(ranking)][1] for ranking in rankings]
        if None in estimates:
            return None
        by_support = self._numbers.total / self._mean_weight if name.average == "weighted" else None
        coupling = coupling_of(name, self._numbers.scores, estimates, self._numbers.setting.whole)
        self.couplings[str(name)] = coupling
        return ranks.mean_interval(estimates, weights, self._confidence, method, by_support, coupling)

    @property
    def _draws(self) -> bool:
        """Whether samples are drawn where that is better."""
        return bool(self._method != "delta")

    def _of_pairs(self, name: MetricName, value: float) -> Interval | None:
        del value
        assert self._numbers.scores is not None
        sampled = pairs_of(self._numbers.setting.whole or self._numbers.scores)
        return ranks.pairs_interval(self._read(name), self._confidence, self._mean_weight, sampled)

    def _curve(self, name: MetricName, ranking: Ranking) -> Interval | None:
        from evalcli.uncertainty.readoff import read_off_interval

        exact = name.entry.formula(ranking, *name.arguments)
        setting: dict[str, Any] = {"mean_weight": self._mean_weight, "drawn": self._draws}
        return read_off_interval(name.base, exact, ranking, self._confidence, *name.arguments, **setting)

    def _columns(self, name: MetricName) -> tuple[list[float], list[Ranking]]:
        """The columns that a name means, where they are defined, and their weights."""
        assert self._numbers.scores is not None
        rankings = self._numbers.scores.ranked_columns(name)
        support = np.array([ranking.positives if name.average == "weighted" else 1.0 for ranking in rankings])
        return (support / support.sum()).tolist(), rankings

    def _of_losses(self, name: MetricName, value: float) -> Interval | None:
        losses, rows = self.terms(name)
        found = loss_interval(losses, rows, self._confidence, self._read(name).largest, self._mean_weight)
        moved = value - self.moments(name).mean  # the sizes of losses are known to three digits, their mean exactly
        return replace(found, low=found.low + moved, high=found.high + moved)

    def terms(self, name: MetricName) -> tuple[HostArray, HostArray]:
        """What a mean over rows is the mean of: values (K,), and how many rows have each, or their weight (K,).

        Losses are of rows, each as if it weighed as much as the others: how their weights go with them nobody counts.
        """
        read = self._read(name)
        if name.entry.state == "RankHistogram":
            places = np.arange(1.0, len(read.histogram) + 1)
            return places if name.base == "mean_rank" else 1.0 / places, read.histogram.astype(np.float64)
        losses, rows = read.histogram
        return losses, rows * (read.n / rows.sum())

    def moments(self, name: MetricName) -> means.Moments:
        """Those of the same mean."""
        return means.Moments.of_histogram(*self.terms(name), self._mean_weight)

    def _of_bins(self, name: MetricName, value: float) -> Interval | None:
        del value
        method = {"mce": bins.largest_gap_interval, "mean_confidence": bins.confidence_interval}[name.base]
        return method(self._read(name), self._confidence, self._mean_weight)

    def _of_gaps(self, name: MetricName, value: float) -> Interval | None:
        del value
        if (found := self._known_gaps(name)) is not None:
            return found
        return bins.calibration_interval(self._bins(name), self._confidence, self._mean_weight, **self._together)

    def _known_gaps(self, name: MetricName) -> Interval | None:
        """What was found of all slices together."""
        known = self._numbers.gaps_known
        return None if known is None else known(name)

    def _of_side(self, name: MetricName, value: float) -> Interval | None:
        """What bins that promise too much, or too little, add to the calibration error."""
        from evalcli.uncertainty.squares import side_interval

        del value
        sign = 1.0 if name.base == "underconfidence" else -1.0
        return side_interval(self._read(name), self._confidence, sign, self._mean_weight, **self._together)

    def _of_split(self, name: MetricName, value: float) -> Interval | None:
        """The parts of the Brier score."""
        from evalcli.uncertainty import squares

        del value
        if (found := self._known_gaps(name)) is not None:
            return found
        part: Callable[..., Interval] = {
            "brier_reliability": squares.reliability_interval,
            "brier_resolution": squares.resolution_interval,
            "brier_uncertainty": squares.uncertainty_interval,
        }[name.base]
        return part(self._read(name), self._confidence, self._mean_weight, **self._together)

    def _of_confidence(self, name: MetricName, value: float) -> Interval | None:
        from evalcli.uncertainty.curves import selective_interval

        del value
        groups = self._read(name)
        exact = name.entry.formula(groups, *name.arguments)
        setting: dict[str, Any] = {"mean_weight": self._mean_weight, "few": not self._draws}
        return selective_interval(name.base, exact, groups, self._confidence, *name.arguments, **setting)

    def _of_places(self, name: MetricName, value: float) -> Interval | None:
        """Top-k accuracies are shares; other means over the places of targets are means."""
        if name.base == "topk_accuracy":
            rows = float(self._read(name).histogram.sum()) / self._mean_weight
            return wilson(value * rows, rows, self._confidence.critical)
        values, _ = self.terms(name)
        return means.mean_interval(self.moments(name), self._confidence, float(values.min()), float(values.max()))


Method = Callable[[Intervals, "MetricName", float], Interval | None]


_METHODS: dict[str, Method | None] = {
    "KeyTable": Intervals._of_ranks,
    "PairwiseKeyTable": Intervals._of_pairs,
    "LogLoss": Intervals._of_losses,
    "Brier": Intervals._of_losses,
    "CalibrationBins": Intervals._of_bins,
    **dict.fromkeys(_GAPS, Intervals._of_gaps),
    "ConfidenceTable": Intervals._of_confidence,
    "RankHistogram": Intervals._of_places,
    **dict.fromkeys(SIDES, Intervals._of_side),
    "ForecastBins": Intervals._of_split,
}
"""By the name of a metric, or else by its state."""
