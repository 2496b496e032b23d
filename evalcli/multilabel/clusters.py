"""How sure the numbers of a multilabel task are where whole clusters were sampled.

Counts and losses without a group of clusters follow from states that merge exactly, whatever a metric makes of them:
labels and cells may go together as they like, and no bound is needed. Of what is read off ranks it is the sum of the
influences of the group's rows, as Obuchowski has it; tables of ranks are never merged. A point of a curve, a distance
or a part of an area is then asked for again as of so many rows fewer.

Source: Kott 2001, The delete-a-group jackknife; Obuchowski 1997, Nonparametric analysis of clustered ROC curve data.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.registry import class_index, parse
from evalcli.multilabel.intervals import Intervals, bound, tables
from evalcli.multilabel.loss_intervals import LOSSES
from evalcli.uncertainty import bins
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusterbins import spread_of
from evalcli.uncertainty.clusters import CLUSTERS, surer
from evalcli.uncertainty.counted import covariance_of
from evalcli.uncertainty.groups import RankedGroups, RankedSums
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.proportions import SHARES
from evalcli.uncertainty.ranks import RANKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.metrics.registry import MetricName
    from evalcli.multilabel.groupvalues import GroupValues
    from evalcli.multilabel.values import CountValues, ScoreValues
    from evalcli.report import Value
    from evalcli.uncertainty.groups import Groups
    from evalcli.uncertainty.intervals import Confidence

_BOUND = " (bound)"
_SUBSET = parse("subset_accuracy")


class ClusterIntervals(Intervals):
    """The intervals of all metrics, of whole clusters."""

    def __init__(
        self,
        counted: CountValues,
        scored: ScoreValues | None,
        groups: Groups,
        values: GroupValues,
        together: HostArray | None = None,
        mean_weight: float = 1.0,
    ) -> None:
        super().__init__(counted, scored, groups.confidence, together, mean_weight)
        self._groups, self._values = groups, values
        self._ranked_groups: dict[int | None, RankedGroups] = {}
        self._ranked: dict[tuple[str, tuple[float, ...], int], RankedSums] = {}
        self._alike: dict[tuple[float, float], Intervals] = {}

    def covariance(self, names: Sequence[MetricName], values: Sequence[float]) -> HostArray:
        """How metrics vary together (k, k), from what each group adds; NaN of those of which nothing tells it."""
        moves = [self._moved(name, value) for name, value in zip(names, values, strict=True)]
        size = len(self._values.shares)
        held = [np.full(size, np.nan) if one is None else one for one in moves]
        return covariance_of(np.array(held), np.ones(size))

    def _moved(self, name: MetricName, value: float) -> HostArray | None:
        """What each group adds (J,) to a metric; ``None`` where that is not known."""
        if self._values.is_one or name.base in {"ece", "log_loss"}:
            return None
        if name.entry.state != "KeyTable":
            return self._sums(name, value)
        if self._scored is None or name.average == "micro":
            return None
        place = self._place(name)
        return self._of_mean_ranking(name, self._scored) if place is None else self._of_ranking(name, place).sums

    def design_effect(self, accuracy: float) -> float | None:
        """How many times as large the variance of the subset ``accuracy`` is as if rows were independent.

        ``None`` where it is 0.
        """
        single = accuracy * (1.0 - accuracy) / self._n
        if self._values.is_one or not single > 0.0:
            return None
        sums = self._groups.sums(accuracy, self._values.without(_SUBSET))
        return None if sums is None else dot(sums, sums) * len(sums) / (len(sums) - 1) / single

    def _found(self, name: MetricName, value: float) -> Interval | None:
        if self._is_read_off(name):
            return self._of_curves(name, value)
        if name.base == "ece":
            return self._of_gaps(self._place(name))
        if name.base in RANKS and name.average != "micro":
            return self._of_mean_ranks(name, value)
        plain = super()._found(name, value)
        sums = None if plain is None else self._sums(name, value)
        if plain is None or sums is None:
            return None
        if name.average in {"macro", "weighted"} and not name.entry.needs_scores:
            return self._of_mean_counts(name, value, sums)
        unseen = self._unseen(name.base, self._place(name)) if name.base in LOSSES else 0.0
        return self._of_clusters(plain, value, sums, lambda fewer: fewer._found(name, value), unseen)

    def _unseen(self, base: str, place: int | None) -> float:
        """How much larger a loss may be as no row was wrong: those of another cluster may all be."""
        groups = self._groups
        one = self._mean_weight * float(groups.sizes.sum()) / groups.effective
        unseen = none_of(groups.effective, groups.usual)
        return unseen * self._wrong(base, place, one, unseen)

    def _of_mean_counts(self, name: MetricName, value: float, sums: HostArray) -> Interval | None:
        """That of a mean over labels: beside what varies it holds what labels without an error leave unseen."""
        variance, least = self._variance_of_rows(name), 1.0 if self._values.leaves_out(name) else 0.0
        told = sums.any() and variance > 0.0
        fewer = self._of_rows(*self._groups.fewer_counted(sums, variance, least)) if told else self._fewer(sums)
        found = fewer._found(name, value)
        return None if found is None else replace(found, method=f"{found.method.removesuffix(_BOUND)}{CLUSTERS}")

    def _is_read_off(self, name: MetricName) -> bool:
        """Whether a metric is read off the curve of a label, or is of the ranks of one label."""
        return name.entry.state == "KeyTable" and (name.base not in RANKS or self._place(name) is not None)

    def _of_curve(self, name: MetricName, place: int) -> Interval | None:
        """What is read off the curve of one label, of as many rows as tell what the clusters tell."""
        assert self._scored is not None
        if name.base in RANKS:
            times, confidence = self._groups.fewer_ranked(self._of_ranking(name, place))
            return self._rank(name.base, place, self._mean_weight * times, confidence)
        fewer = self._of_rows(*self._groups.fewer_seen(self._of_ranking(name, place)))
        return fewer._curve(name, self._scored.rankings[place])

    def _of_curves(self, name: MetricName, value: float) -> Interval | None:
        """The same, or of the cells of all labels, or a mean over labels."""
        assert self._scored is not None
        place = self._place(name)
        if self._values.is_one:
            return None
        if name.average == "micro":
            fewer = self._of_rows(*self._groups.fewer(*self._of_pooled(name, self._scored)))
            found = fewer._curve(name, self._scored.pooled)
        else:
            found = self._of_mean_curve(name, value) if place is None else self._of_curve(name, place)
        return None if found is None else replace(found, method=f"{found.method}{CLUSTERS}")

    def _of_mean_ranks(self, name: MetricName, value: float) -> Interval | None:
        """That of a mean over labels, compared with what their rows vary by alone, as the ranks of one label are."""
        assert self._scored is not None
        held, weights = self._weighed(name, self._scored)
        if self._values.is_one or not held:
            return None
        variances = np.array([self._of_ranking(name, place).variance for place in held])
        whole = len(held) == len(self._scored.labels)
        coupling = self._coupling(name, self._scored, weights) if whole else None
        variance = dot(weights, np.sqrt(variances)) ** 2  # all err alike
        if coupling is not None:
            variance = coupling * dot(weights * weights, variances)
        ranked = RankedSums(self._of_mean_ranking(name, self._scored), variance)
        found = self._of_rows(*self._groups.fewer_ranked(ranked))._of_scores(name, value)
        return None if found is None else replace(found, method=f"{found.method.removesuffix(_BOUND)}{CLUSTERS}")

    def _of_mean_curve(self, name: MetricName, value: float) -> Interval | None:
        """As much narrower than the bound of the labels' own intervals as their sums do not go together."""
        assert self._scored is not None
        held, weights = self._weighed(name, self._scored)
        singles = [self._of_curve(name, place) for place in held]
        if not singles or None in singles:
            return None
        own = self._scored.by_label(name.entry, *name.arguments).value[held]
        found = bound(singles, own, weights, value)
        sums = self._of_mean_ranking(name, self._scored)
        apart = [
            weight * _norm(self._of_ranking(name, place).sums) for weight, place in zip(weights, held, strict=True)
        ]
        together = _norm(sums) / sum(apart) if any(apart) else 1.0
        low, high = (value + together * (end - value) for end in (found.low, found.high))
        return Interval(low, high, found.method.removesuffix(_BOUND))

    def _of_labels(self, base: str, values: Sequence[Value]) -> Sequence[Interval | None]:
        if base in RANKS:
            return self._of_ranks(base, values)
        if base == "ece":
            return [None if one.value is None else self._of_gaps(place) for place, one in enumerate(values)]
        plain = super()._of_labels(base, values)
        every = self._by_label(base, values)
        found: list[Interval | None] = []
        for place, (one, value, sums) in enumerate(zip(plain, values, every, strict=True)):
            if one is None or sums is None or value.value is None:
                found.append(None)
            else:
                unseen = self._unseen(base, place) if base in LOSSES else 0.0
                found.append(self._of_clusters(one, value.value, sums, _at(base, values, place), unseen))
        return found

    def _of_ranks(self, base: str, values: Sequence[Value]) -> list[Interval | None]:
        """Compared with what the rows of a label vary by alone: near 1 the interval of rows holds more than that."""
        undefined = [self._values.is_one or one.value is None for one in values]
        found = [None if none else self._of_curve(parse(base), place) for place, none in enumerate(undefined)]
        return [None if one is None else replace(one, method=f"{one.method}{CLUSTERS}") for one in found]

    def _of_clusters(
        self,
        plain: Interval,
        value: float,
        sums: HostArray,
        again: Callable[[Intervals], Interval | None],
        unseen: float = 0.0,
    ) -> Interval | None:
        """The interval of as many rows as tell what the clusters tell; ``again`` asks for that of fewer rows."""
        method = plain.method.removesuffix(_BOUND)
        found: Interval | None
        if sums.any() and method == "hall":
            found = self._groups.of_mean(plain, value, sums)
            found = replace(found, high=found.high + unseen)
        elif sums.any() and 0.0 < value < 1.0:
            plain = replace(plain, method="jackknife") if method != plain.method else plain
            found = self._groups.of_share(plain, value, sums)
        else:
            found = again(self._fewer(sums))
        return None if found is None else replace(found, method=f"{found.method.removesuffix(_BOUND)}{CLUSTERS}")

    def _fewer(self, sums: HostArray) -> Intervals:
        """The same of rows of which those of a cluster are all alike."""
        return self._of_rows(*self._groups.fewer(sums, 0.0))

    def _of_rows(self, times: float, confidence: Confidence) -> Intervals:
        """The same of so many times fewer rows."""
        known = times, confidence.level
        if known not in self._alike:
            together = None if self._together is None else self._together / times
            self._alike[known] = Intervals(self._counted, self._scored, confidence, together, self._mean_weight * times)
        return self._alike[known]

    def _of_gaps(self, place: int | None) -> Interval | None:
        """That of a calibration error: what a bin's own noise adds is its bias, and smaller than that of all."""
        if self._values.is_one:
            return None
        whole, parts = self._bins(place)
        spread = spread_of("ece", whole, parts, self._groups.sizes, self._mean_weight)
        times, confidence = surer(self._groups.confidence, self._groups.critical(spread.sums, spread.alone))
        weight = self._mean_weight * spread.inside * times
        found = bins.calibration_interval(whole, confidence, weight, spread.together)
        return replace(found, method=f"{found.method}{CLUSTERS}")

    def _bins(self, place: int | None) -> tuple[BinTable, list[BinTable]]:
        """The calibration bins of all rows and of each group, of all labels or of one."""
        assert self._scored is not None
        whole, parts = self._scored.sums.bins, self._values.bins
        return (whole, parts) if place is None else (tables(whole)[place], [tables(one)[place] for one in parts])

    def _place(self, name: MetricName) -> int | None:
        """Which label a metric of scores is of; ``None`` for one of all."""
        if name.label is None and (name.average is not None or name.entry.by_label is not None):
            return None
        return class_index(name, None, self._counted.labels)

    def _sums(self, name: MetricName, value: float) -> HostArray | None:
        """What each group adds (J,); ``None`` where that is undefined."""
        if self._values.is_one:
            return None
        if name.base not in RANKS:
            return self._groups.sums(value, self._values.without(name))
        assert self._scored is not None
        return self._of_pooled(name, self._scored).sums

    def _of_pooled(self, name: MetricName, scored: ScoreValues) -> RankedSums:
        """Those of all cells, as if they were independent."""
        weight = self._mean_weight
        pooled = self._ranked_groups.setdefault(None, RankedGroups(scored.pooled, self._values.pooled))
        found = pooled.sums(name.base, *name.arguments, mean_weight=weight)
        return found._replace(variance=found.variance * weight)

    def _weighed(self, name: MetricName, scored: ScoreValues) -> tuple[list[int], HostArray]:
        """The labels that have both sides, and what each of them counts for in a mean."""
        values = scored.by_label(name.entry, *name.arguments).value
        held = [place for place in range(len(values)) if np.isfinite(values[place])]
        weights = np.array([scored.support[place] if name.average == "weighted" else 1.0 for place in held])
        return held, weights / weights.sum()

    def _of_mean_ranking(self, name: MetricName, scored: ScoreValues) -> HostArray:
        """Those of a mean over labels that have both sides; weights by support are uncertain, too."""
        held, weights = self._weighed(name, scored)
        sums: HostArray = np.sum(
            [weight * self._of_ranking(name, place).sums for weight, place in zip(weights, held, strict=True)], axis=0
        )
        if name.average == "weighted":
            values = scored.by_label(name.entry, *name.arguments).value
            total, mean = sum(float(scored.support[place]) for place in held), dot(weights, values[held])
            for place in held:
                positives = np.array([part.positives for part in self._values.rankings[place]])
                sums += (values[place] - mean) * positives / total
        return sums

    def _of_ranking(self, name: MetricName, place: int) -> RankedSums:
        """What each group adds to a metric of one label, with its variance if rows are independent."""
        known = name.base, name.arguments, place
        if known not in self._ranked:
            assert self._scored is not None
            ranking, weight = self._scored.rankings[place], self._mean_weight
            column = self._ranked_groups.setdefault(place, RankedGroups(ranking, self._values.rankings[place]))
            found = column.sums(name.base, *name.arguments, mean_weight=weight)
            self._ranked[known] = found._replace(variance=found.variance * weight)
        return self._ranked[known]

    def _by_label(self, base: str, values: Sequence[Value]) -> list[HostArray | None]:
        """What each group adds to a metric of every label, as ``_sums``."""
        if self._values.is_one:
            return [None] * len(values)
        if base not in {*SHARES, *LOSSES}:
            return [None] * len(values)
        rests = self._values.by_label(base)
        return [
            None if one.value is None else self._groups.sums(one.value, rests[:, place])
            for place, one in enumerate(values)
        ]


def _norm(sums: HostArray) -> float:
    return sqrt(dot(sums, sums))


def _at(base: str, values: Sequence[Value], place: int) -> Callable[[Intervals], Interval | None]:
    """What asks for the interval of one label."""
    return lambda fewer: fewer._of_labels(base, values)[place]
