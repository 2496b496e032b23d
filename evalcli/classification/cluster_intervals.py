"""How sure each number is where whole clusters were sampled.

Every method is asked twice: as if rows were independent, and then for as many rows fewer as the variance over whole
clusters is larger than that. So its shape at the ends of a metric, its bias and its skewness stay what they are, and
its width is that of clusters. A mean has Hall's interval with what its clusters scatter by.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.classification.cells import placed
from evalcli.classification.influences import Influences
from evalcli.classification.intervals import BINNED, SHARES_OF_ALL, Grown, Intervals
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusterbins import spread_of
from evalcli.uncertainty.clusters import CLUSTERS, Clusters, freedom, inflation, seen_inflation, surer
from evalcli.uncertainty.intervals import none_of, wilson
from evalcli.uncertainty.losses import wrong_loss
from evalcli.uncertainty.means import hall_interval
from evalcli.uncertainty.proportions import largest_share
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.ranks import RANKS
from evalcli.uncertainty.surprises import Seen

if TYPE_CHECKING:
    from evalcli.classification.clusters import ClusterRows, ClusterStates
    from evalcli.classification.intervals import Method
    from evalcli.classification.numbers import Numbers
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.clusterbins import Spread
    from evalcli.uncertainty.intervals import Confidence, Interval

_UNCERTAINTY = "brier_uncertainty"
_LOSSES = frozenset({"LogLoss", "Brier"})


class _Moved(NamedTuple):
    """What groups of clusters add to a number: ``sums`` (J,), how many ``times`` the variance of rows, ``critical``."""

    sums: HostArray
    times: float
    critical: float


class ClusterIntervals(Intervals):
    """The intervals of the metrics of rows in the clusters of ``states``."""

    _sampled = CLUSTERS

    def __init__(self, numbers: Numbers, states: ClusterStates, confidence: Confidence, method: Any = "auto") -> None:
        super().__init__(numbers, confidence, method)
        self._states = states

    def _clustered(self) -> Clusters:
        return self._clusters

    @cached_property
    def _clusters(self) -> Clusters:
        rows = self._states.rows()
        return Clusters.of(rows.cluster, *placed(self._numbers.setting.picked, rows.target, rows.preds), rows.amounts)

    @cached_property
    def _influences(self) -> Influences:
        shown = self._numbers.setting.shown
        asked = [name for name in self._numbers.asked if name.base not in BINNED and (shown is None or shown.has(name))]
        return Influences(self._states, self._numbers.setting.names, self._mean_weight, asked)

    @cached_property
    def _sizes(self) -> HostArray:
        """The rows of each cluster (G,), of equal weight."""
        sizes: HostArray = self._clusters.sizes / self._mean_weight
        return sizes

    @cached_property
    def _usual(self) -> float:
        """The quantile of the t distribution of so many clusters."""
        return self._clusters.critical(self._confidence)

    def _counted(self, name: MetricName, value: float) -> Interval | None:
        if name.base not in SHARES_OF_ALL:
            return super()._counted(name, value)
        cells = self._clusters.cells  # a share of all rows which is read off one side of the matrix
        if name.base == "majority_baseline":
            held = cells.target == int(np.argmax(cells.margins.support))
        else:
            held = cells.preds == self._numbers.setting.task.positive
        rows = cells.n / self._clusters.inflation(held - value)
        if name.base == "majority_baseline":
            return largest_share(cells.margins.support, rows, self._usual)
        return wilson(value * rows, rows, self._usual)

    def _scored(self, name: MetricName, value: float) -> Interval | None:
        method = self._method_of(name)
        if method is None or name.base in BINNED:
            return None if method is None else self._of_binned(name, value, method)
        rows = Intervals(self._numbers, self._confidence)
        plain = method(rows, name, value)
        moved = None if plain is None else self._moved(name, plain, rows)
        if plain is None or moved is None:
            return None
        if plain.method == "hall" and moved.sums.any():
            return self._of_mean(name, value, rows, moved.sums)
        fewer, sure = surer(self._confidence, moved.critical)
        return method(Intervals(self._numbers, sure, grown=Grown(moved.times * fewer)), name, value)

    def moved_by_groups(self, name: MetricName) -> HostArray | None:
        """What the rows of each group of clusters (J,) add to a metric; ``None`` where that is not known."""
        if name.base in BINNED:
            return None  # what a bin is off by has no side without its noise
        if name.entry.needs_scores:
            return self._influences.of(name, self._numbered(name))
        rows = self._states.rows()
        pulls = self._clusters.pulls(self._counts.moves([name])[0])
        return self._influences.grouped(np.unique(rows.cluster[rows.amounts > 0.0]), pulls)

    def _moved(self, name: MetricName, plain: Interval, rows: Intervals) -> _Moved | None:
        """What the groups add; ``None`` where a number is undefined without one of them."""
        if name.base == _UNCERTAINTY:
            return self._of_frequencies()
        numbered = self._numbered(name)
        sums = self._influences.of(name, numbered)
        if sums is None:
            return None
        critical = self._critical_of(sums)
        if name.entry.state != "KeyTable":
            alone = (plain.width / 2.0 / self._confidence.critical) ** 2
            times = inflation(sums, alone, self._sizes)
            if name.base == "mean_confidence":  # its interval of rows holds rows that may have gone unseen
                return _Moved(sums, max(times, 1.0), self._usual)
            return _Moved(sums, times, critical)
        alone = self._influences.variance(name, numbered, rows.couplings.get(str(name))) * self._mean_weight
        if name.base in RANKS:  # they hold already what few rows out of order leave unknown
            return _Moved(sums, inflation(sums, alone, self._sizes), self._usual)
        return _Moved(sums, seen_inflation(sums, alone, self._sizes), critical)

    def _of_frequencies(self) -> _Moved:
        """Of what the shares of classes alone decide."""
        shares = self._clusters.of_frequencies()
        sums, alone = self._clusters.pulls(shares), dot(self._clusters.cells.amounts, shares**2) * self._mean_weight
        return _Moved(sums, inflation(sums, alone, self._sizes), self._critical_of(sums))

    def _critical_of(self, sums: HostArray, alone: HostArray | None = None) -> float:
        """The quantile of the t distribution that stands in for ``z``."""
        return t_quantile(1.0 - self._confidence.tail, freedom(sums, self._clusters.effective, alone))

    def _of_mean(self, name: MetricName, value: float, rows: Intervals, sums: HostArray) -> Interval:
        """Hall's: clusters are less skewed than as many rows, and their skewness says what few of them leave unknown.

        Where no row of any cluster was wrong, another cluster's may all be, and where one cluster was, in log losses.
        """
        alone = rows.moments(name).error
        error = alone * sqrt(inflation(sums, alone * alone, self._sizes))
        skew = float(((sums / sqrt(dot(sums, sums))) ** 3).sum())
        found = hall_interval(value, error, skew, self._usual)
        if name.entry.state not in _LOSSES:
            return found
        losses, amounts = rows.terms(name)
        one = float(amounts.sum()) / self._clusters.effective
        unseen = none_of(self._clusters.effective, self._usual)
        wrong = wrong_loss(losses, amounts, self._read(name).largest, one, unseen)
        return replace(found, high=found.high + (wrong or 0.0) * unseen)

    def _of_binned(self, name: MetricName, value: float, method: Method) -> Interval | None:
        """That of what is read off bins: the noise of a bin is smaller than what its rows have in common."""
        spread = self._spread(name)
        if spread is None:
            return None
        fewer, sure = surer(self._confidence, self._critical_of(spread.sums, spread.alone))
        grown = Grown(spread.inside * fewer, spread.together)
        return method(Intervals(self._numbers, sure, grown=grown), name, value)

    def _spread(self, name: MetricName) -> Spread | None:
        table = self._bins(name)
        groups = self._influences.bins(name, table)
        return spread_of(name.base, table, groups, self._sizes, self._mean_weight) if len(groups) > 1 else None

    def seen(self, name: MetricName) -> Seen | None:
        """What another sample is compared with in what is read off bins; ``None`` of a single group."""
        spread = self._spread(name)
        if spread is None:
            return None
        surely = self._confidence.critical / self._critical_of(spread.sums, spread.alone)
        return Seen(self._bins(name), self._mean_weight * spread.inside, 0.0, spread.together, surely)


def design_effect(rows: ClusterRows) -> float | None:
    """How many times as large the variance of the accuracy is as if rows were independent; ``None`` where it is 0."""
    share = float(rows.amounts[rows.target == rows.preds].sum() / rows.amounts.sum())
    off = rows.amounts * ((rows.target == rows.preds) - share)
    sums = np.bincount(np.unique(rows.cluster, return_inverse=True)[1].reshape(-1), off)
    single = float((off * off / rows.rows).sum())
    return dot(sums, sums) * len(sums) / (len(sums) - 1) / single if single > 0.0 else None
