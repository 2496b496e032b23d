"""How sure each number is: which method of :mod:`evalcli.uncertainty` a metric gets, and what it reads for it.

A number that only bins bound is certain to lie between two values; the interval then reaches beyond both.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.counts import Pairs
from evalcli.uncertainty import bins, means, ranks
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.intervals import Confidence, Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.classification.numbers import Numbers
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.report import Value

CURVE_RESAMPLES = 200
"""Of what is read off a curve a replicate costs a hundred times as much as one of counts."""

_SHARES_OF_ALL = ("majority_baseline", "selection_rate")


class Intervals:
    """The intervals of the metrics of some rows; what they share is computed once.

    ``method`` is what composites of counts get: ``auto``, or ``delta`` where there are many such rows.
    """

    def __init__(self, numbers: Numbers, confidence: Confidence, method: Any = "auto") -> None:
        self._numbers, self._confidence, self._method = numbers, confidence, method
        self._estimates: dict[str, dict[int, tuple[Ranking, Any]]] = {}
        self._curves = replace(confidence, resamples=min(confidence.resamples, CURVE_RESAMPLES))

    def of(self, name: MetricName, value: Value) -> Value:
        """``value`` with its interval, where there is one."""
        if value.value is None or isinf(value.value):
            return value
        found = self._scored(name, value.value) if name.entry.needs_scores else self._counted(name, value.value)
        return value if found is None else self._with(name, value, found)

    def by_class(self, name: MetricName) -> dict[int, Interval]:
        """The intervals of a metric of counts by the place of each class."""
        return self._counts.per_class(name)

    @staticmethod
    def _with(name: MetricName, value: Value, found: Interval) -> Value:
        assert value.value is not None
        entry = name.entry
        if value.certified is not None:
            found = replace(found, low=min(found.low, value.certified[0]), high=max(found.high, value.certified[1]))
        found = found.holding(value.value, entry.low, entry.high)
        return replace(value, low=float(found.low), high=float(found.high), method=found.method)

    @cached_property
    def _counts(self) -> CountIntervals:
        setting, pairs = self._numbers.setting, self._numbers.pairs
        highest = max(int(part.max(initial=0)) for part in (setting.picked, pairs.target, pairs.preds))
        places = np.full(highest + 1, -1)
        places[setting.picked] = np.arange(len(setting.picked))
        target, preds = places[pairs.target], np.where(pairs.preds < 0, -1, places[pairs.preds])
        squares = self._numbers.weight_squares if self._numbers.weighted else None
        return CountIntervals(
            Cells.of(Pairs(target, preds, pairs.counts), squares),
            self._confidence,
            positive=setting.task.positive,
            classes=setting.names,
            declared=len(setting.names) if setting.scope == "declared" else None,
            method=self._method,
        )

    def _counted(self, name: MetricName, value: float) -> Interval | None:
        if name.base in _SHARES_OF_ALL:
            rows = self._numbers.total / self._mean_weight
            return wilson(value * rows, rows, self._confidence.critical)
        return self._counts.of(name)

    @property
    def _mean_weight(self) -> float:
        """``Σw² / Σw``: by how much fewer rows tell as much as those that there are."""
        return self._numbers.weight_squares / self._numbers.total if self._numbers.weighted else 1.0

    def _scored(self, name: MetricName, value: float) -> Interval | None:
        method = _METHODS[name.base] if name.base in _METHODS else _METHODS.get(name.entry.state)
        return None if method is None else method(self, name, value)

    def _read(self, name: MetricName) -> Any:
        assert self._numbers.scores is not None
        return self._numbers.scores.read(name.entry.state)

    # One method for each kind of state.

    def _of_ranks(self, name: MetricName, value: float) -> Interval | None:
        del value
        assert self._numbers.scores is not None
        weights, rankings = self._columns(name)
        if name.base not in _RANKS:
            from evalcli.metrics.ranking import over_columns
            from evalcli.uncertainty import curves

            single = partial(self._curve, name)
            if len(rankings) == 1:
                return single(rankings[0])
            found = [(single(ranking), weight) for ranking, weight in zip(rankings, weights, strict=True)]
            held = [(interval, weight) for interval, weight in found if interval is not None]
            values = over_columns(name.entry.formula, rankings, *name.arguments).value.tolist()
            if len(held) < len(rankings):
                return None
            return curves.worst_together([one for one, _ in held], values, [weight for _, weight in held])
        estimate, method = _RANKS[name.base]
        overall = self._numbers.weight_squares if self._numbers.weighted else None
        known = self._estimates.setdefault(name.base, {})
        for ranking in rankings:
            if id(ranking) not in known:  # means and classes ask for the same ones
                known[id(ranking)] = ranking, estimate(ranking, ranks.Squares.of(ranking, overall))
        estimates = [known[id(ranking)][1] for ranking in rankings]
        if any(one is None for one in estimates):
            return None
        by_support = self._numbers.total / self._mean_weight if name.average == "weighted" else None
        return ranks.mean_interval(estimates, weights, self._confidence, method, by_support)

    def _of_pairs(self, name: MetricName, value: float) -> Interval | None:
        del value
        return ranks.pairs_interval(self._read(name), self._confidence)

    def _curve(self, name: MetricName, ranking: Ranking) -> Interval | None:
        from evalcli.uncertainty import curves

        return curves.curve_interval(
            name.entry.formula, ranking, self._curves, *name.arguments, mean_weight=self._mean_weight
        )

    def _columns(self, name: MetricName) -> tuple[list[float], list[Ranking]]:
        """The columns that a name means, where they are defined, and their weights."""
        assert self._numbers.scores is not None
        rankings = self._numbers.scores.ranked_columns(name)
        support = np.array([ranking.positives if name.average == "weighted" else 1.0 for ranking in rankings])
        return (support / support.sum()).tolist(), rankings

    def _of_losses(self, name: MetricName, value: float) -> Interval | None:
        sums = self._read(name)
        high = sums.largest
        losses, rows = sums.histogram
        moments = means.Moments.of_histogram(losses, rows, self._mean_weight)
        found = means.mean_interval(moments, self._confidence, 0.0, high, means.WORST_LOSS if isinf(high) else None)
        moved = value - moments.mean  # the sizes of losses are known to three digits, their mean exactly
        return replace(found, low=found.low + moved, high=found.high + moved)

    def _of_bins(self, name: MetricName, value: float) -> Interval | None:
        del value
        method = {"mce": bins.largest_gap_interval, "mean_confidence": bins.confidence_interval}.get(
            name.base, bins.calibration_interval
        )
        return method(self._read(name), self._confidence, self._mean_weight)

    def _of_equal_mass(self, name: MetricName, value: float) -> Interval | None:
        from evalcli.metrics.confidence import equal_mass_bins

        del value
        return bins.calibration_interval(equal_mass_bins(self._read(name)), self._confidence, self._mean_weight)

    def _of_confidence(self, name: MetricName, value: float) -> Interval | None:
        from evalcli.uncertainty import curves

        del value
        formula, groups = name.entry.formula, self._read(name)
        return curves.selective_interval(formula, groups, self._curves, *name.arguments, mean_weight=self._mean_weight)

    def _of_places(self, name: MetricName, value: float) -> Interval | None:
        """Top-k accuracies are shares; other means over the places of targets are means."""
        histogram = self._read(name).histogram.astype(np.float64)
        rows = float(histogram.sum()) / self._mean_weight
        if name.base == "topk_accuracy":
            return wilson(value * rows, rows, self._confidence.critical)
        places = np.arange(1.0, len(histogram) + 1)
        values = places if name.base == "mean_rank" else 1.0 / places
        moments = means.Moments.of_histogram(values, histogram, self._mean_weight)
        return means.mean_interval(moments, self._confidence, float(values.min()), float(values.max()))


_RANKS: dict[str, tuple[Callable[..., Any], str]] = {
    "auroc": (ranks.auroc_estimate, "delong"),
    "average_precision": (ranks.average_precision_estimate, "influence"),
}
_METHODS: dict[str, Callable[[Intervals, MetricName, float], Interval | None] | None] = {
    "KeyTable": Intervals._of_ranks,
    "PairwiseKeyTable": Intervals._of_pairs,
    "LogLoss": Intervals._of_losses,
    "Brier": Intervals._of_losses,
    "CalibrationBins": Intervals._of_bins,
    "ece_positive": Intervals._of_bins,
    "ece_classwise": Intervals._of_bins,
    "ece_equal_mass": Intervals._of_equal_mass,
    "ConfidenceTable": Intervals._of_confidence,
    "RankHistogram": Intervals._of_places,
    "overconfidence": None,
    "underconfidence": None,
}
"""By the name of a metric, or else by its state."""
