"""How much more than of independent rows what is read off bins varies where whole clusters were sampled.

A row that was right moves what its bin says by its residual ``y − r_b``, the share of right rows taken off. What the
sums of residuals of clusters vary by, over what those of single rows do around the same shares, is how much larger the
variance of a bin is: of all bins, classes or labels together, since a bin of few clusters hardly tells. It is 1 of
clusters of one row, and never taken to be less. So the interval is that of independent rows with larger variances.

A number that bins add up to moves by ``slope_b·(y − r_b) + level_b − value`` with a row in bin b. Rows of a cluster in
different bins have something in common, too: by how much that makes the variance of the number larger than bins of
their own ways would is how far these move *together*.

Source: Liang and Zeger 1986, Longitudinal data analysis using generalized linear models; DerSimonian and Laird 1986,
Meta-analysis in clinical trials (on drawing gaps towards their mean).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.bins import SIDES, gaps_of
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusters import inflation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable


class Spread(NamedTuple):
    """What each of J groups adds to a number: ``sums`` (J,); and how much larger variances are than of single rows.

    ``alone`` (J,) is what its rows would add to the variance if each went its own way, in any unit. ``inside`` bins;
    and that of the number, ``together`` times as large as if bins went their own ways.
    """

    sums: HostArray
    alone: HostArray
    inside: float
    together: float


class _Moves(NamedTuple):
    """What a row does in each bin (T, B): ``slope`` times its residual, and ``level`` for being there."""

    slope: HostArray
    level: HostArray


def spread_of(
    base: str, table: BinTable, groups: Sequence[BinTable], sizes: HostArray, mean_weight: float = 1.0
) -> Spread:
    """That of the metric ``base`` of a table (B,), or of tables (T, B), from the bins of J ``groups`` of clusters.

    ``sizes`` are the rows of each cluster, ``mean_weight`` is Σw² / Σw. The sums of a side are those of both, since few
    bins may be on it: variances are of all bins.
    """
    found = _Grouped.of(table, groups, mean_weight)
    spread = found.spread(_moves(base, found, table), sizes, of_classes=base.startswith("brier"))
    if base not in SIDES:
        return spread
    both = found.spread(_moves("ece", found, table), sizes)
    return spread._replace(sums=both.sums, alone=both.alone)


def _moves(base: str, bins: _Grouped, table: BinTable) -> _Moves:
    """Those of a metric; which way a gap goes that is noise, the others tell: all may have moved together."""
    around = (bins.share * bins.n).sum(axis=1, keepdims=True) / bins.total
    centre = around if base == "brier_resolution" else np.atleast_2d(table.confidence) / bins.held
    gaps = np.where(bins.n > 0, bins.share - centre, 0.0)
    if base.startswith("brier"):
        return _Moves(2.0 * gaps, gaps**2)
    noise = gaps_of(table, bins.mean_weight * bins.inside(1.0)).variances * (bins.total / bins.held) ** 2
    sign, size = np.sign(_evened(gaps, noise)), np.abs(gaps)
    if base in SIDES:
        side = 1.0 if base == "underconfidence" else -1.0
        return _Moves(np.where(sign == side, sign, 0.0), np.where(side * gaps > 0.0, size, 0.0))
    return _Moves(sign, size)


def _evened(gaps: HostArray, noise: HostArray) -> HostArray:
    """Gaps (T, B) drawn towards the mean of their table, by how much of their scatter is ``noise``, their variances."""
    held = noise > 0.0
    weights = np.where(held, 1.0 / np.where(held, noise, 1.0), 0.0)
    whole = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    mean = (weights * gaps).sum(axis=1, keepdims=True) / whole
    scatter = (weights * (gaps - mean) ** 2).sum(axis=1, keepdims=True)
    more = held.sum(axis=1, keepdims=True) - 1.0
    scale = np.maximum(whole - (weights * weights).sum(axis=1, keepdims=True) / whole, 1e-300)
    real = np.where(more > 0.0, np.maximum(scatter - more, 0.0) / scale, 0.0)
    drawn: HostArray = np.where(held, mean + (gaps - mean) * real / np.where(held, real + noise, 1.0), gaps)
    return drawn


@dataclass(frozen=True)
class _Grouped:
    """Rows and the share of right ones per table and bin (T, B); rows and summed residuals of each group (J, T, B)."""

    n: HostArray
    share: HostArray
    rows: HostArray
    residuals: HostArray
    mean_weight: float

    @classmethod
    def of(cls, table: BinTable, groups: Sequence[BinTable], mean_weight: float) -> _Grouped:
        n, right = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.right))
        share = right / np.where(n > 0, n, 1.0)
        rows = np.stack([np.atleast_2d(one.n).astype(np.float64) for one in groups])
        rights = np.stack([np.atleast_2d(one.right).astype(np.float64) for one in groups])
        return cls(n, share, rows, rights - rows * share, mean_weight)

    @property
    def held(self) -> HostArray:
        """The rows of each bin, 1 of one without."""
        found: HostArray = np.where(self.n > 0, self.n, 1.0)
        return found

    @cached_property
    def total(self) -> HostArray:
        """The rows of each table (T, 1)."""
        found: HostArray = np.maximum(self.n.sum(axis=1, keepdims=True), 1e-300)
        return found

    @cached_property
    def singles(self) -> HostArray:
        """What Σ residuals² over groups would be (T, B) of independent rows: their centre takes as much of it."""
        squares = self.n * self.share * (1.0 - self.share) * self.mean_weight
        found: HostArray = squares * _left(self.n, self.rows, self.mean_weight)
        return found

    def inside(self, alike: float) -> float:
        """By how much clusters make the variances in bins larger; rows ``alike`` are told by nothing that varies."""
        seen = float(((self.residuals**2).sum(axis=(0, 2)) / self.total[:, 0] ** 2).sum())
        single = float((self.singles.sum(axis=1) / self.total[:, 0] ** 2).sum())
        return max(seen / single, 1.0) if single > 0.0 else alike

    def spread(self, moves: _Moves, sizes: HostArray, *, of_classes: bool = False) -> Spread:
        """Several tables are taken to go together as those of single rows; ``of_classes`` at least as clusters do.

        The interval of a sum of squares over classes holds what noise has in common, a correlation of −1/(C − 1), and
        not that all of them gain where a cluster is right.
        """
        inside = self.inside(max(dot(sizes, sizes) / float(sizes.sum()), 1.0))
        value = (self.n * moves.level).sum(axis=1, keepdims=True) / self.total
        away = np.where(self.n > 0, moves.level - value, 0.0)
        sums = (moves.slope * self.residuals + away * self.rows).sum(axis=2) / self.total[:, 0]
        left = _left(self.total, self.rows.sum(axis=2, keepdims=True), self.mean_weight)
        squares = moves.slope**2 * self.singles + away**2 * self.n * self.mean_weight * left
        singles = squares.sum(axis=1) / self.total[:, 0] ** 2
        mean, seen = sums.mean(axis=1), float(np.sqrt((sums**2).sum(axis=0)).mean()) ** 2
        single = float(np.sqrt(singles).mean()) ** 2 * (dot(mean, mean) / seen if seen > 0.0 else 1.0)
        count, tables = sums.shape
        if of_classes and tables > 1:
            single = min(single, float(singles.sum()) / (tables * (tables - 1.0)))
        grown = max(inflation(mean, single * count / max(count - 1, 1), sizes), 1.0)
        return Spread(mean, self._alone(moves.slope, away), inside, grown / inside)

    def _alone(self, slope: HostArray, away: HostArray) -> HostArray:
        """The sum of squares (J,) of what the rows of each group add, each by itself."""
        right = self.residuals + self.rows * self.share
        squares = right * (slope * (1.0 - self.share) + away) ** 2
        squares += (self.rows - right) * (away - slope * self.share) ** 2
        found: HostArray = (squares.sum(axis=2) / self.total[:, 0] ** 2).sum(axis=1)
        return found


def _left(n: HostArray, rows: HostArray, mean_weight: float) -> HostArray:
    """Of what sums of ``rows`` (J, …) of ``n`` (…) vary by, how much is left around their own mean; of rows, 1."""
    held = np.where(n > mean_weight, n, np.inf)
    groups = 1.0 - np.minimum((rows**2).sum(axis=0) / np.where(n > 0, n, 1.0) ** 2, 1.0)
    found: HostArray = np.minimum(groups / (1.0 - mean_weight / held), 1.0)
    return found
