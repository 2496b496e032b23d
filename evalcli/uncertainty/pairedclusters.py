"""Two models on rows that belong together: the difference of a metric where whole clusters were sampled.

What the rows of a cluster add to the difference, for the one model less the other, is what the cluster adds: its
*pull*. The variance of the difference is ``Σ pull² / (1 − share)``: a cluster draws the difference towards itself by
its share of the rows, and so pulls less than it would. Of clusters of one size that is ``G/(G − 1)·Σ pull²``. By how
much it is larger than the variance of as many independent rows, the interval of these is wider, so that its shape at
the ends of a metric stays what it is. A t quantile with the degrees of freedom that the pulls have takes the place of
the normal one: where few clusters part the models they are few. The p-value is one less the confidence at which the
interval ends at 0: McNemar's coins, which are tossed row by row, have no place here.

Source: Liang and Zeger 1986; Rao and Scott 1992; Bell and McCaffrey 2002, Bias reduction in standard errors for linear
regression with multi-stage samples (CR2); Durkalski, Palesch, Lipsitz and Rust 2003, Analysis of clustered
matched-pair data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusters import CLUSTERS, freedom, surer
from evalcli.uncertainty.comparison import POWER, Difference, PairedCounts, detectable
from evalcli.uncertainty.intervals import Interval, none_of, other_signs
from evalcli.uncertainty.quantiles import normal_quantile, t_quantile, t_two_sided
from evalcli.uncertainty.score import score_interval, two_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import JointCells
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.pairedlosses import UnseenLosses
    from evalcli.uncertainty.slopes import Measure

    Unseen: TypeAlias = Callable[[float, float], UnseenLosses]

_LEAST_REST = 1e-3
"""The share of the rows that the other clusters have, at least."""


class Known(NamedTuple):
    """What pulls tell: by how much the variance is ``grown``, the ``degrees`` of freedom, and the t ``critical``."""

    grown: float
    degrees: float
    critical: float


class Moved(NamedTuple):
    """What clusters, or groups of them, add to a difference (J,), and its ``variance`` of independent rows."""

    pulls: HostArray
    variance: float


@dataclass(frozen=True)
class PairedClusters:
    """The ``sizes`` (G,) of all clusters in rows, and how sure to be.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> plain = Difference(0.75, 0.7, Interval(0.01, 0.09, "delong"), 0.014, 0.057)
    >>> clusters = PairedClusters(np.full(50, 4.0), Confidence())
    >>> found = clusters.difference(plain, Moved(np.resize([0.004, -0.004], 50), 0.0004))
    >>> found.interval.method, round(found.interval.low, 4), round(found.p, 3)
    ('delong (clusters)', -0.0086, 0.093)
    """

    sizes: HostArray
    confidence: Confidence

    @cached_property
    def effective(self) -> float:
        """How many clusters of equal size would tell as much: ``(Σm)² / Σm²``."""
        return float(self.sizes.sum()) ** 2 / dot(self.sizes, self.sizes)

    def known(self, moved: Moved) -> Known:
        """What the pulls tell."""
        degrees = freedom(moved.pulls, self.effective)
        critical = t_quantile(1.0 - self.confidence.tail, degrees)
        return Known(self._grown(*moved), degrees, critical)

    def _grown(self, pulls: HostArray, variance: float) -> float:
        """By how much the variance is larger; where no row says so, rows of a cluster are taken to be all alike."""
        squares = pulls * pulls
        if not (squares.any() and variance > 0.0):
            return dot(self.sizes, self.sizes) / float(self.sizes.sum())
        by_cluster = len(pulls) == len(self.sizes)  # groups are of about one size
        shares = self.sizes / self.sizes.sum() if by_cluster else 1.0 / len(pulls)
        return float((squares / np.maximum(1.0 - shares, _LEAST_REST)).sum()) / variance

    def difference(
        self, plain: Difference, moved: Moved, span: float = inf, unseen: Unseen | None = None
    ) -> Difference:
        """The same difference, of at most ``span``, from what it is of independent rows.

        Wrong rows that were ``unseen`` may be all those of another cluster: it is asked what they would cost, by how
        many clusters told it and the share of them that may be so.
        """
        if plain.interval.method == "wilson":  # all rows differ alike, but for rounding
            moved = Moved(np.zeros(len(moved.pulls)), 0.0)
        known, z, value = self.known(moved), self.confidence.critical, plain.value
        if moved.pulls.any():
            wider = sqrt(known.grown) * known.critical / z
        else:
            rows = float(self.sizes.sum())
            wider = none_of(rows / known.grown, known.critical) / none_of(rows, z)
        signs = 0.0 if moved.pulls.any() else 2.0 * abs(value) * other_signs(self.effective, self.confidence.tail)
        low, high = value + wider * (plain.interval.low - value), value + wider * (plain.interval.high - value)
        low, high = min(low, value - signs), max(high, value + signs)
        power = normal_quantile(POWER)
        least = plain.detectable * wider * (z / known.critical) * (known.critical + power) / (z + power)
        interval = Interval(low, high, f"{plain.interval.method}{CLUSTERS}")
        if unseen is not None and plain.interval.method != "wilson":
            usual = t_quantile(1.0 - self.confidence.tail, max(self.effective - 1.0, 1.0))
            share = none_of(self.effective, usual)
            interval = unseen(self.effective, share).beyond(interval, value, share)
            least = max(least, detectable(interval.width / 2.0 / known.critical, self.confidence))
        p = self.p_value(value, interval, known, moved)
        return replace(plain, interval=interval.holding(value, -span, span), p=p, detectable=least)

    def p_value(self, value: float, interval: Interval, known: Known, moved: Moved) -> float:
        """One less the confidence at which an interval would end at 0, if it has as many degrees of freedom.

        Where all rows differ alike, that of a sign that all clusters have, if it is larger.
        """
        facing = float(value - interval.low if value > 0.0 else interval.high - value)
        if value == 0.0 or not facing > 0.0:
            return 1.0
        least = 0.0 if moved.pulls.any() else min(2.0 ** (1.0 - min(self.effective, 1000.0)), 1.0)
        return max(t_two_sided(abs(value) * known.critical / facing, known.degrees), least)


@dataclass(frozen=True)
class JointClusters:
    """Rows of cluster ``cluster`` (M,), from 0, in joint cell ``cell`` (M,), and their number or weight ``amounts``."""

    cluster: HostArray
    cell: HostArray
    amounts: HostArray
    clusters: PairedClusters

    def moved(self, influence: HostArray, squares: HostArray) -> Moved:
        """What the clusters add, from the influence of a row in each joint cell (K,), and the Σw² of these."""
        pulls = np.bincount(self.cluster, self.amounts * influence[self.cell])
        return Moved(pulls, dot(squares, influence * influence))


class ClusteredCounts(PairedCounts):
    """Every metric of counts of two models, of whole clusters: the score interval as of fewer rows."""

    def __init__(
        self,
        cells: JointCells,
        clusters: JointClusters,
        *,
        positive: int | None = None,
        classes: Sequence[str] = (),
        declared: int | None = None,
    ) -> None:
        confidence = clusters.clusters.confidence
        super().__init__(cells, confidence, positive=positive, classes=classes, declared=declared)
        self._clusters = clusters

    def _tested(
        self, name: MetricName, place: int, value: float, measures: tuple[Measure, Measure], influence: HostArray
    ) -> tuple[Interval, float]:
        """The interval of a difference and its p-value."""
        del place
        of, span = self._clusters.clusters, name.entry.high - name.entry.low
        moved = self._clusters.moved(influence, self.cells.squares)
        known = of.known(moved)
        times, sure = surer(self.confidence, known.critical)
        cells = self.cells.inflated(known.grown * times)
        first, second = (float(one.bias(side)) for one, side in zip(measures, cells.sides, strict=True))
        centre = min(max(value - first + second, -span), span)
        interval = score_interval(two_models(*measures, cells), centre, sure.critical, (-span, span)).holding(value)
        if interval.width == 0.0:
            reach = span * none_of(cells.n**2 / float(cells.squares.sum()), sure.critical)
            interval = Interval(max(value - reach, -span), min(value + reach, span), "wilson")
        p = of.p_value(value, interval, known, moved)
        return Interval(float(interval.low), float(interval.high), f"{interval.method}{CLUSTERS}"), p
