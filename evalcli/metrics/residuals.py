"""Residuals ``p − t`` counted by value, in bounded memory: their quantiles, the median absolute error, a histogram.

The table is exact until its budget is full. Then neighbouring residuals share an entry that knows its least and its
largest, and every quantile comes with an interval that holds the exact one: with each row at the low end of its entry
no quantile can be larger than it is, with each at the high end none smaller.

A quantile is the averaged inverse of the distribution (Hyndman and Fan 1996, type 2), as the median is: the mean of the
least value with at least a share ``q`` of the rows up to it and of the least with more than that. Rows of weight k
count as k rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keys import scores_of, sort_keys
from evalcli.metrics.roc import UNDEFINED, Certified
from evalcli.metrics.values import ValueState

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import ValueRows

BUDGET = 64 << 20
"""Bytes for the entries of all outputs, unless told otherwise."""
BINS = 20
"""About so many bins has a histogram."""
_TAIL = 0.005
"""What a histogram may put into its outermost bins on either side."""
_LONG = 1.5
"""A range so many times as wide as that of the rows between the tails is not drawn to scale."""
_TIE = 1e-12
"""Sums of weights that differ by less, relative to all of them, are one."""


@dataclass(frozen=True)
class Residuals:
    """Entries (K,) of one output by rising residual: the least and the largest in each, and its rows or weight."""

    low: HostArray
    high: HostArray
    amounts: HostArray

    @cached_property
    def by_high(self) -> tuple[HostArray, HostArray]:
        """The high ends by rising value, and the amounts in that order: (K,) each."""
        order = np.argsort(self.high, kind="stable")
        return self.high[order], self.amounts[order]

    @cached_property
    def sizes(self) -> Residuals:
        """The same rows by rising ``|p − t|``; an entry never holds two signs."""
        first, second = np.abs(self.low), np.abs(self.high)
        low, high = np.minimum(first, second), np.maximum(first, second)
        order = np.argsort(low, kind="stable")
        return Residuals(low[order], high[order], self.amounts[order])


class ResidualTable(ValueState):
    """The residuals of every output, counted.

    >>> state = ResidualTable()
    >>> state.update(np.array([1.5, 2.0, 3.0]), np.array([1.0, 4.0, 3.0]))
    >>> state.compute()[0]
    Residuals(low=array([-2. ,  0. ,  0.5]), high=array([-2. ,  0. ,  0.5]), amounts=array([1, 1, 1]))
    """

    def __init__(self, outputs: int = 1, *, budget: int = BUDGET, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.budget = budget
        entry = 2 * 8 + (24 if weighted else 8)  # two keys; a count, or the limbs of a sum
        for number in range(outputs):
            self.add_state(f"column{number}", KeyColumn(1, 64, budget // (entry * outputs), weighted=weighted))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.budget

    def _column(self, number: int) -> KeyColumn:
        column: KeyColumn = getattr(self, f"column{number}")
        return column

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for number in range(self.outputs):
            self._column(number).add(0, sort_keys(rows.residual[number]), rows.repeats, rows.weight)

    def compute(self) -> list[Residuals]:
        """The table of every output so far."""
        tables = (self._column(number).bins(0) for number in range(self.outputs))
        return [Residuals(scores_of(bins.least), scores_of(bins.largest), bins.values()) for bins in tables]


def quantile(residuals: Residuals, percent: float) -> Certified:
    """The residual below which ``percent`` of the rows lie; three NaN without rows. The ends are always exact."""
    if not len(residuals.amounts):
        return UNDEFINED
    if percent <= 0 or percent >= 100:
        return Certified(*(float(residuals.low.min() if percent <= 0 else residuals.high.max()),) * 3)
    low = _inverse(residuals.low, residuals.amounts, percent)
    high = _inverse(*residuals.by_high, percent)
    return Certified(low if low == high else low + (high - low) / 2, low, high)


def median_absolute_error(residuals: Residuals) -> Certified:
    """The median of ``|p − t|``; NaN without rows."""
    return quantile(residuals.sizes, 50)


def _inverse(values: HostArray, amounts: HostArray, percent: float) -> float:
    """The averaged inverse at ``percent`` of rising ``values`` (K,)."""
    sums = amounts.cumsum()
    wanted, slack = percent / 100 * float(sums[-1]), _TIE * float(sums[-1])
    last = len(values) - 1
    reached = min(int(np.searchsorted(sums, wanted - slack, side="left")), last)
    passed = min(int(np.searchsorted(sums, wanted + slack, side="right")), last)
    first, second = float(values[reached]), float(values[passed])
    return first if first == second else first + (second - first) / 2


class Histogram(NamedTuple):
    """``counts`` (B,) of rows, or sums of weights, between neighbouring ``edges`` (B + 1,).

    The first and the last bin reach to the least and the largest residual, however far that is.
    """

    edges: list[float]
    counts: list[float]


def histogram(residuals: Residuals, bins: int = BINS) -> Histogram:
    """About ``bins`` bins of an even width, with 0 on an edge; none without rows.

    The edges are decided from the whole table. A long tail is not drawn to scale: the inner edges span the rows between
    0.5 and 99.5 %, and the outermost bins hold the rest. An entry of several residuals belongs where its middle lies.
    """
    if not len(residuals.amounts):
        return Histogram([], [])
    least, most = float(residuals.low[0]), float(residuals.high.max())
    if least == most:
        return Histogram([least, most], [residuals.amounts.sum().item()])
    low, high = quantile(residuals, 100 * _TAIL).value, quantile(residuals, 100 - 100 * _TAIL).value
    if high <= low or most - least <= _LONG * (high - low):
        low, high = least, most
    inner = [edge for edge in _even(low, high, bins) if least < edge < most]
    middle = residuals.low + (residuals.high - residuals.low) / 2
    places = np.searchsorted(np.array(inner), middle, side="right")
    counts = np.zeros(len(inner) + 1, residuals.amounts.dtype)
    np.add.at(counts, places, residuals.amounts)
    return Histogram([least, *inner, most], counts.tolist())


def _even(low: float, high: float, bins: int) -> list[float]:
    """Edges at multiples of 1, 2, 2.5 or 5 times a power of ten, about ``bins`` from low to high.

    >>> _even(-0.31, 0.52, 5)
    [-0.2, 0.0, 0.2, 0.4]
    """
    from fractions import Fraction

    width = (high - low) / bins
    power = floor(log10(width)) if width > 0 else 0
    unit = Fraction(10) ** power
    step = min(
        (unit * Fraction(size) / 10 for size in (10, 20, 25, 50, 100)), key=lambda one: abs(float(one) / width - 1)
    )
    first = floor(Fraction(low) / step) + 1
    count = min(floor(Fraction(high) / step) - first + 1, 4 * bins)
    return [float((first + i) * step) for i in range(max(count, 0))]


class Heaviest(NamedTuple):
    """The fewest ``rows``, or the least weight, that make a ``share`` of the squared error: a ``part`` of all."""

    rows: float
    part: float
    share: float


def heaviest(residuals: Residuals, share: float) -> Heaviest:
    """The rows with the largest errors that together make at least ``share`` of the squared error; NaN without any."""
    sizes = residuals.sizes
    amounts = sizes.amounts[::-1]
    squares = (sizes.low[::-1] + (sizes.high - sizes.low)[::-1] / 2) ** 2
    sums = (squares * amounts).cumsum()
    if not len(sums) or not sums[-1] > 0:
        return Heaviest(0, nan, nan)
    last = int(np.searchsorted(sums, share * sums[-1], side="left"))
    before = float(sums[last - 1]) if last else 0.0
    wanted = (share * float(sums[-1]) - before) / float(squares[last])  # of the last entry not every row is needed
    if amounts.dtype.kind == "i":
        wanted = ceil(wanted * (1 - _TIE))
    rows = amounts[:last].sum().item() + wanted
    return Heaviest(rows, rows / amounts.sum().item(), (before + wanted * float(squares[last])) / float(sums[-1]))
