"""How sure the numbers of a multilabel task are.

Rows are independent, the labels of a row are not. So what is counted of one label is a share of rows and gets Wilson's
interval, as in the other tasks; what is a mean over rows, or a ratio of sums over rows (micro averages), varies as the
rows do, which the sizes of their label sets tell: the jackknife. A mean over labels varies as ``LabelMoments`` says, up
to 32 labels and with counted rows, and one of ranks as ``rank_intervals`` says. Where nothing tells how labels go
together (more labels, weights, calibration errors) the mean of the labels' own intervals stands in: no mean varies more
than its parts do on average. Its method ends in ``(bound)``, and it is too wide where labels are independent.

Source: Wilson 1927; Hall 1992; Tukey 1958.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.calibration import BinTable
from evalcli.metrics.entry import OVER_ROWS
from evalcli.metrics.registry import METRICS, class_index
from evalcli.multilabel.loss_intervals import LOSSES, LossIntervals
from evalcli.uncertainty import bins, means
from evalcli.uncertainty.cells import Margins, dot
from evalcli.uncertainty.curves import worst_together
from evalcli.uncertainty.intervals import Interval, by_variance, wilson
from evalcli.uncertainty.jackknife import bounded_interval
from evalcli.uncertainty.proportions import SHARES, of_margins
from evalcli.uncertainty.ranks import RANKS
from evalcli.uncertainty.slopes import RATIOS, ratio_of
from evalcli.uncertainty.untold import untold_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.multilabel.values import CountValues, ScoreValues
    from evalcli.report import Value
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.slopes import Ratio

_ROW_MEANS = {"lrap": "precision", "coverage_error": "coverage", "ranking_loss": "loss"}
"""What of the sums of ``LabelRanks`` each is the mean of."""

_KINDS = Margins(*np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], np.float64))
"""What a row counts for with a label that is rightly said, left out, wrongly said, and rightly not said."""


class Intervals(LossIntervals):
    """The intervals of all metrics; what they share is computed once. ``together`` is what ``LabelMoments`` counted."""

    def __init__(
        self,
        counted: CountValues,
        scored: ScoreValues | None,
        confidence: Confidence,
        together: HostArray | None = None,
        mean_weight: float = 1.0,
    ) -> None:
        super().__init__(scored, confidence, mean_weight)
        self._counted, self._together = counted, together
        self._columns: dict[str, list[Interval | None]] = {}

    def of(self, name: MetricName, value: Value) -> Value:
        """``value`` with its interval, where there is one."""
        if value.value is None or isinf(value.value):
            return value
        return _with(name.base, value, self._found(name, value.value))

    def _found(self, name: MetricName, value: float) -> Interval | None:
        return self._of_scores(name, value) if name.entry.needs_scores else self._of_counts(name, value)

    def by_label(self, base: str, values: Sequence[Value]) -> list[Value]:
        """The ``values`` (L,) of a metric of every label, with their intervals."""
        found = self._of_labels(base, values)
        return [_with(base, value, one) for value, one in zip(values, found, strict=True)]

    def _of_labels(self, base: str, values: Sequence[Value]) -> Sequence[Interval | None]:
        del values
        return self._labels(base) if base in SHARES else self._label_scores(base)

    # Counts.

    @cached_property
    def _margins(self) -> Margins:
        """The counts of every label, ``n`` too: (L,) rows of equal weight each."""
        counts = self._counted.counts
        tp, support, predicted, n = (
            np.asarray(part, np.float64) / self._mean_weight
            for part in (counts.tp, counts.support, counts.predicted, counts.n)
        )
        return Margins(tp, support, predicted, n)

    @cached_property
    def _rows(self) -> HostArray:
        """How many rows there are of each kind (K,)."""
        return np.asarray(self._counted.sets.amount, np.float64) / self._mean_weight

    @cached_property
    def _n(self) -> float:
        return float(self._rows.sum())

    def _labels(self, base: str) -> list[Interval | None]:
        """The intervals (L,) of what is a share of the rows of one label."""
        if base not in self._columns:
            self._columns[base] = of_margins(base, self._margins, self._confidence.critical)
        return self._columns[base]

    def _of_counts(self, name: MetricName, value: float) -> Interval | None:
        sets, kept = self._counted.sets, self._counted.kept
        if name.base == "subset_accuracy":
            return wilson(value * self._n, self._n, self._confidence.critical)
        if name.base in {"hamming_loss", "hamming_accuracy"}:
            cells = float(self._margins.n.sum()) / self._n
            wrong = self._mean((sets.true + sets.said - 2.0 * sets.hit) / cells)
            return wrong if name.base == "hamming_loss" else wrong.flipped(1.0)
        if name.average == OVER_ROWS:
            return self._mean(self._counted.of_rows(name))
        if name.base not in {*RATIOS, "f1", "fbeta"}:
            return None
        ratio = ratio_of(name.base, *name.arguments)
        if name.average == "micro":
            cells = float(self._margins.n[kept].sum()) / self._n
            hit, true, said = (np.asarray(part, np.float64) for part in (sets.hit, sets.true, sets.said))
            return self._ratio(ratio, Margins(hit, true, said, np.full(len(hit), cells)), self._rows, value)
        if name.average is None:
            return self._of_label(name, ratio, class_index(name, None, self._counted.labels), value)
        return self._over_labels(name, ratio, value)

    def _mean(self, values: HostArray) -> Interval:
        """That of a mean over rows of ``values`` (K,) from 0 to 1."""
        return means.mean_interval(means.Moments.of_histogram(values, self._rows), self._confidence, 0.0, 1.0)

    def _ratio(self, ratio: Ratio, kinds: Margins, rows: HostArray, value: float) -> Interval:
        """That of a ratio of sums over rows, of which there are ``rows`` (K,) of each of ``kinds``."""
        top, bottom = (part.of(kinds) for part in ratio)
        below = dot(rows, bottom) - bottom
        moves = (float(rows.sum()) - 1.0) * (top - value * bottom) / np.where(below > 0.0, below, 1.0)
        return bounded_interval(value, moves, rows, self._confidence)

    def _of_label(self, name: MetricName, ratio: Ratio, place: int, value: float) -> Interval | None:
        if name.base in SHARES:
            return self._labels(name.base)[place]
        return self._ratio(ratio, _KINDS, self._kinds[:, place], value)

    @cached_property
    def _kinds(self) -> HostArray:
        """How many rows of each label (4, L) are of each of ``_KINDS``."""
        tp, support, predicted, n = self._margins[:4]
        kinds: HostArray = np.maximum(np.stack([tp, support - tp, predicted - tp, n - support - predicted + tp]), 0.0)
        return kinds

    def _over_labels(self, name: MetricName, ratio: Ratio, value: float) -> Interval | None:
        """That of a macro or a weighted mean over labels; one that is 0/0 counts as 0, and may be what others are."""
        found = self._over_told(name, ratio, value)
        more = untold_of(ratio, self._weights(name), self._margins, 1.0)
        return found if found is None or not more else replace(found, high=min(found.high + more, 1.0))

    def _over_told(self, name: MetricName, ratio: Ratio, value: float) -> Interval | None:
        """That of what rows tell of it."""
        weights, (own, bottom) = self._weights(name), self._ratios(ratio)
        known = (weights > 0.0) & (bottom > 0.0)
        places = np.flatnonzero(known).tolist()
        single = [self._label_interval(name, ratio, place, float(own[place])) for place in places]
        if not single:
            return None
        if self._together is not None:
            variance = self._variance(name, ratio, own, weights)
            edges = [
                weights[place] * found.width
                for place, found in zip(places, single, strict=True)
                if not 0.0 < own[place] < 1.0  # in a mean with others it must not count as certain
            ]
            variance += sum((edge / self._confidence.critical) ** 2 for edge in edges)
            if 0.0 < value < 1.0 and variance > 0.0:
                found = by_variance(value, variance, self._confidence.critical, "delta")
                # near 1 what such a label adds is more than a share may vary by there
                return found.inside(bound(single, own[known], weights[known], value)) if edges else found
        return bound(single, own[known], weights[known], value)

    def _ratios(self, ratio: Ratio) -> tuple[HostArray, HostArray]:
        """That of each label, 0 where it is 0/0, and what it is divided by: (L,) each."""
        top, bottom = (part.of(self._margins) for part in ratio)
        return np.where(bottom > 0.0, top / np.where(bottom > 0.0, bottom, 1.0), 0.0), bottom

    def _variance_of_rows(self, name: MetricName) -> float:
        """What a mean over labels varies by as far as rows tell: 0 of a label without an error.

        Where nothing tells how labels go together, all err alike.
        """
        ratio, weights = ratio_of(name.base, *name.arguments), self._weights(name)
        own, bottom = self._ratios(ratio)
        if self._together is not None:
            return self._variance(name, ratio, own, weights)
        tops, bottoms = (part.of(_KINDS)[:, None] for part in ratio)
        moves = (tops - own * bottoms) / np.where(bottom > 0.0, bottom, np.inf)
        return dot(weights, np.sqrt((self._kinds * moves * moves).sum(axis=0))) ** 2

    def _label_interval(self, name: MetricName, ratio: Ratio, place: int, value: float) -> Interval:
        found = self._of_label(name, ratio, place, value)
        assert found is not None
        return found

    def _weights(self, name: MetricName) -> HostArray:
        """What each label counts for in a mean (L,)."""
        weights = np.asarray(
            self._counted.kept if name.average == "macro" else self._counted.counts.support, np.float64
        )
        total = float(weights.sum())
        return weights / total if total > 0.0 else weights

    def _variance(self, name: MetricName, ratio: Ratio, own: HostArray, weights: HostArray) -> float:
        """The variance of a mean over labels, from how their marks go together."""
        marks, every = self._marks(name, ratio, own, weights)
        return self._product((marks, every), (marks, every))

    def _marks(self, name: MetricName, ratio: Ratio, own: HostArray, weights: HostArray) -> tuple[HostArray, float]:
        """What each mark (3L,), and any row, adds to a mean over labels."""
        margins = self._margins
        bottom = ratio.bottom.of(margins)
        share = np.where(bottom > 0.0, weights / np.where(bottom > 0.0, bottom, 1.0), 0.0)
        slopes = [(a - own * b) * share for a, b in zip(*ratio, strict=True)]
        if name.average == "weighted":
            support = float(margins.support.sum())
            slopes[1] = slopes[1] + (own - dot(weights, own)) / support
        return np.concatenate(slopes[:3]), dot(slopes[3], margins.n / self._n)

    def _product(self, one: tuple[HostArray, float], other: tuple[HostArray, float]) -> float:
        """The covariance of two metrics to which marks, and any row, add so much."""
        assert self._together is not None
        n, first = self._n, np.concatenate(self._margins[:3])
        (marks, every), (others, each) = one, other
        square = float((marks[:, None] * self._together * others[None, :]).sum())
        square += each * dot(marks, first) + every * dot(others, first) + every * each * n
        return square * n / max(n - 1.0, 1.0)

    def covariance(self, names: Sequence[MetricName], values: Sequence[float]) -> HostArray:
        """How metrics vary together (k, k); NaN of those of which nothing tells it."""
        found = np.full((len(names), len(names)), np.nan)
        moved = [self._moved_by_marks(name, value) for name, value in zip(names, values, strict=True)]
        for i, one in enumerate(moved):
            for j, other in enumerate(moved):
                if one is not None and other is not None:
                    found[i, j] = self._product(one, other)
        still = ~(np.diag(found) > 0.0)
        found[still], found[:, still] = np.nan, np.nan
        return found

    def _moved_by_marks(self, name: MetricName, value: float) -> tuple[HostArray, float] | None:
        """What each mark, and any row, adds to a metric of counts; ``None`` of others."""
        if self._together is None or name.base not in {*RATIOS, "f1", "fbeta"} or name.average == OVER_ROWS:
            return None
        ratio, kept = ratio_of(name.base, *name.arguments), np.asarray(self._counted.kept, np.float64)
        own, bottom = self._ratios(ratio)
        if name.average == "micro":
            weights = kept * bottom / max(float((kept * bottom).sum()), 1e-300)
            return self._marks(name, ratio, np.full(len(own), value), weights)
        if name.average is not None:
            return self._marks(name, ratio, own, self._weights(name))
        place = class_index(name, None, self._counted.labels)
        return self._marks(name, ratio, own, (np.arange(len(own)) == place).astype(np.float64))

    # Scores.

    def _of_scores(self, name: MetricName, value: float) -> Interval | None:
        scored = self._scored
        assert scored is not None
        if name.entry.state == "LabelRanks":
            return self._over_rows(name, scored)
        if name.label is not None or (name.entry.by_label is None and name.average is None):
            return self._of_each(name)[class_index(name, None, self._counted.labels)]
        if name.base == "ece":
            return bins.calibration_interval(scored.sums.bins, self._confidence, self._mean_weight)
        if name.average == "micro":
            return self._pooled(name.base, scored, value) if name.base in RANKS else self._pooled_curve(name, scored)
        if name.base in LOSSES and (scored.sums.n == scored.sums.n[0]).all() and scored.sums.n[0] >= self._total:
            return self._loss_of_rows(name.base, scored, value)
        labels = self._of_each(name)
        own = scored.by_label(name.entry, *name.arguments).value
        weights = scored.support if name.average == "weighted" else np.ones(len(own))
        known = [place for place, one in enumerate(labels) if one is not None and np.isfinite(own[place])]
        if not known:
            return None
        picked = np.asarray(weights, np.float64)[known]
        if name.base in RANKS and len(known) == len(labels):
            coupled = self._coupled(name, scored, own, picked / picked.sum())
            if coupled is not None:
                return coupled
        found = [labels[place] for place in known]
        return bound(found, own[known], picked / picked.sum(), value)

    def _of_each(self, name: MetricName) -> Sequence[Interval | None]:
        """The intervals (L,) of a metric of every label."""
        if name.entry.state != "KeyTable" or name.base in RANKS:
            return self._label_scores(name.base)
        key = str(replace(name, label=None, average=None))
        if key not in self._columns:
            assert self._scored is not None
            self._columns[key] = [self._curve(name, ranking) for ranking in self._scored.rankings]
        return self._columns[key]

    def _label_scores(self, base: str) -> list[Interval | None]:
        """The intervals (L,) of what scores say of each label."""
        if base not in self._columns:
            assert self._scored is not None
            self._columns[base] = list(self._each(base, self._scored))
        return self._columns[base]

    def _each(self, base: str, scored: ScoreValues) -> list[Interval | None]:
        if base == "ece":
            return [*bins.calibration_intervals(scored.sums.bins, self._confidence, self._mean_weight)]
        if base in LOSSES:
            values = scored.by_label(METRICS[base]).value
            pairs = zip(scored.rankings, values.tolist(), strict=True)
            return [self._loss(base, ranking, value, scored) for ranking, value in pairs]
        if base not in RANKS:
            return [None] * len(scored.labels)
        places = range(len(scored.labels))
        return [self._rank(base, place, self._mean_weight, self._confidence) for place in places]

    @property
    def _total(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self._counted.sets.amount.sum()) * (1.0 - 1e-9)

    def _over_rows(self, name: MetricName, scored: ScoreValues) -> Interval:
        sums, labels = scored.rank_sums, float(len(scored.labels))
        moments = means.Moments.of_sums(sums.powers[_ROW_MEANS[name.base]], self._mean_weight)
        return means.mean_interval(moments, self._confidence, 0.0, labels if name.base == "coverage_error" else 1.0)


def tables(table: BinTable) -> list[BinTable]:
    """The bins of each label by itself."""
    columns = zip(table.n, table.confidence, table.right, strict=True)
    return [BinTable(n, confidence, right, table.low, table.high) for n, confidence, right in columns]


def bound(found: Sequence[Any], own: HostArray, weights: HostArray, value: float) -> Interval:
    """The mean of the labels' intervals, around the mean that is reported."""
    mean = dot(weights, own)
    bound = worst_together(found, own.tolist(), weights.tolist())
    return Interval(bound.low + value - mean, bound.high + value - mean, f"{bound.method} (bound)")


def _with(base: str, value: Value, found: Interval | None) -> Value:
    if value.value is None or found is None or isinf(value.value):
        return value
    entry = METRICS[base]
    found = found.spanning(value.certified).with_width().holding(value.value, entry.low, entry.high)
    return replace(value, low=float(found.low), high=float(found.high), method=found.method)
