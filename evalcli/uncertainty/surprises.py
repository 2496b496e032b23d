"""How surprising what bins say is, of every truth: how many standard errors it lies above what is expected.

Gaps of bins, calibration errors and the parts of a Brier score are read by the same models as in a report (``bins``,
``squares``): the true gaps are a factor times those seen. What a report knows of the bins of all classes is a bound, as
if they all erred alike; with what rows do to the error it is known how they go together.
"""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.bins import gap_variance, gaps_along, gaps_of, measured_error
from evalcli.uncertainty.binslopes import gap_moves
from evalcli.uncertainty.paired import DRAWN, correlation_of
from evalcli.uncertainty.squares import resolution_critical, side_surprise, squares_of, surprise_along
from evalcli.uncertainty.twobins import inverted_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

PER_BIN = 4.0
"""Rows of no agreement for each bin, chosen by simulation: tests of 100 to 5,000 rows reject 0.4 to 5.6 %.

See docs/intervals.md; 4 to 8 % before ``measured_error`` knew the noise of what is expected.
"""
_FACTORS = np.linspace(0.0, 1.0, 129) ** 1.5
"""Shares of the largest factor at which surprises are told; more of them near 0, where errors fold."""
_FARTHEST = 8.0
"""Standard errors beyond which no truth is looked at."""


class Surprises(NamedTuple):
    """By how many standard errors a measured ``value`` lies ``above`` what is expected, from ``truths`` of 0 on (K,).

    ``above`` falls as the truths rise.
    """

    value: float
    truths: HostArray
    above: HostArray

    @classmethod
    def of(cls, value: float, most: float, power: int, above: Callable[[HostArray], HostArray]) -> Surprises:
        """From those at true gaps of factors (F,), with whose ``power`` the truth grows: to ``most``."""
        start = min(float(above(np.zeros(1))[0]), 0.0)
        largest, end = (most / value) ** (1.0 / power), 1.0
        while end < largest and float(above(np.array([end]))[0]) > start - _FARTHEST:
            end *= 1.5
        factors = min(end, largest) * _FACTORS
        return cls(value, factors**power * value, np.minimum.accumulate(above(factors)))

    @classmethod
    def of_none(cls, rows: float, most: float) -> Surprises:
        """Where no gap was seen in so many rows: Wilson's ends of a share of none."""
        shares = _FACTORS[:-1] ** 2
        return cls(0.0, most * shares, -np.sqrt(rows * shares / (1.0 - shares)))

    def scaled(self, factor: float) -> Surprises:
        """With all surprises times ``factor``."""
        return self._replace(above=self.above * factor)

    def at(self, above: HostArray) -> HostArray:
        """The truths at which the value is so surprising; 0 beyond."""
        found: HostArray = np.interp(-above, -self.above, self.truths)
        return found

    def told(self, truths: HostArray) -> HostArray:
        """How surprising the value is at these truths."""
        found: HostArray = np.interp(truths, self.truths, self.above)
        return found


class Seen(NamedTuple):
    """The bins of one model: a table (B,) or (T, B), Σw² / Σw, and the variance that what rows do to a number tells.

    Of clusters ``mean_weight`` is as large as they make it in a bin, ``together`` how many times as large the variance
    of the number is as if bins went their own ways, and surprises count ``surely`` times as much as normal ones.
    """

    table: BinTable
    mean_weight: float
    variance: float
    together: float = 1.0
    surely: float = 1.0

    @property
    def rows(self) -> float:
        """How many rows of equal weight tell as much."""
        return float(np.atleast_2d(self.table.n).sum(axis=1).max()) / self.mean_weight


def of_error(seen: Seen, confidence: Confidence) -> Surprises:
    """Of a calibration error, or of the mean over tables, which go together as rows tell."""
    del confidence
    table, mean_weight = seen.table, seen.mean_weight
    gaps = gaps_of(table, mean_weight)
    value, tables = float(gaps.sizes.sum(axis=1).mean()), len(gaps.sizes)
    if not value > 0.0:
        return Surprises.of_none(seen.rows, 1.0)
    worst = float(np.sqrt(gap_moves(table, mean_weight)).mean()) ** 2
    together = sqrt(min(seen.variance / worst, 1.0)) if tables > 1 and worst > 0.0 and seen.variance > 0.0 else 1.0
    gaps_at = gaps_along(table, mean_weight)
    own, common = min(seen.together, 1.0), max(seen.together - 1.0, 0.0) * gap_variance(table, mean_weight)

    def above(factors: HostArray) -> HostArray:
        each = factors[:, None, None]
        mean, error = measured_error(gaps_at(each), each)
        error = np.sqrt(own * error * error + common)
        known, off = error > 0.0, value - mean
        return np.where(known, off / (together * np.where(known, error, 1.0)), 1e9 * off)

    return Surprises.of(value, 1.0, 1, above)


def of_side(seen: Seen, confidence: Confidence, sign: float) -> Surprises:
    """Of what bins that promise too little (1) or too much (−1) add to it."""
    del confidence
    value, told = side_surprise(seen.table, sign, seen.mean_weight, seen.together)

    def above(factors: HostArray) -> HostArray:
        return np.array([told(factor) for factor in factors.tolist()])

    return Surprises.of(value, 1.0, 1, above) if value > 0.0 else Surprises.of_none(seen.rows, 1.0)


def of_squares(seen: Seen, confidence: Confidence, *, around: bool) -> Surprises:
    """Of the reliability of a Brier score, or ``around`` its resolution."""
    squares = squares_of(seen.table, seen.mean_weight, around=around)._replace(together=seen.together)
    value, most = float(squares.values()), float(len(squares.rows))
    if not value > 0.0:
        return Surprises.of_none(seen.rows, most)
    found = Surprises.of(value, most, 2, surprise_along(value, squares.along))
    return found.scaled(confidence.critical / resolution_critical(squares, confidence)) if around else found


class Read(NamedTuple):
    """How a number is read ``of`` bins, and for how many rows of each two models have nothing in common."""

    of: Callable[[Seen, Confidence], Surprises]
    alone: float


SURPRISES = {
    **dict.fromkeys(("ece", "ece_positive", "ece_equal_mass", "ece_classwise"), Read(of_error, PER_BIN)),
    "overconfidence": Read(partial(of_side, sign=-1.0), PER_BIN),
    "underconfidence": Read(partial(of_side, sign=1.0), PER_BIN),
    "brier_reliability": Read(partial(of_squares, around=False), 0.0),
    "brier_resolution": Read(partial(of_squares, around=True), 0.0),
}
"""By the name of a metric."""


def bins_difference(base: str, first: Seen, second: Seen, sums: Sequence[float], confidence: Confidence) -> Difference:
    """The number ``base`` of the second model less that of the first, from the sums of ``products`` of what rows do.

    What noise adds to an error is told by the bins of each model alone, so surprises have less in common than what was
    measured: the correlation is drawn towards 0 by so many rows for each bin.
    """
    read, (tables, bins) = SURPRISES[base], np.atleast_2d(first.table.n).shape
    span = float(min(tables, 2)) if base.startswith("brier") else 1.0  # the squares of classes add up, errors do not
    together = correlation_of(sums, first.rows, DRAWN + read.alone * bins)
    after, before = (read.of(one, confidence).scaled(one.surely) for one in (second, first))
    return inverted_difference(after, before, confidence, together, span)
