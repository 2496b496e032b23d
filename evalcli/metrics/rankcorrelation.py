"""Spearman's and Kendall's rank correlation, each with an interval that is certain to hold the exact value.

Ranks are doubled and centred: a value that ``B`` rows lie below and ``n`` rows share has the rank ``2B + n − N``, so
that all ranks are whole and their mean is 0. Rows of weight k count as k rows.

Where memory forbade to keep every pair, rows lie in bins of predictions and of targets. The mean rank of a bin is known
all the same, since its rows fill the places ``B … B + n`` in some order: a row has the rank of its bin and a part ``δ``
that adds up to 0 over the bin, with ``Σδ² ≤ (n³ − n)/3``. Then ``Σ xy`` is off by three sums:

- ``Σ y·δx`` in each bin of predictions: largest when the rows lie by target (the rearrangement inequality);
- ``Σ x·δy`` in each bin of targets, likewise;
- ``Σ δx·δy``, at most ``√(Σδx² · Σδy²)`` (Cauchy and Schwarz).

Of Kendall's pairs those are in doubt whose rows share a bin that is not known to be one value.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.roc import UNDEFINED, Certified

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.pairs import PairGroups

_SLACK = 1e-11
"""What float64 may add to a bound, relatively: sums of some 10^7 terms."""


def spearman(groups: PairGroups) -> Certified:
    """``Σ xy / √(Σx² · Σy²)`` over centred ranks, ties at the mean of their places; NaN where a side is constant.

    Source: Spearman 1904, The proof and measurement of association between two things.
    """
    n_x, n_y = _sizes(groups.x, groups), _sizes(groups.y, groups)
    x, y = _centred(n_x), _centred(n_y)
    cross = _total(groups.amounts * (x[groups.x] * y[groups.y]))  # as in the spreads, to the last bit
    spread = [_total(n * rank**2) for n, rank in ((n_x, x), (n_y, y))]
    inside = [_doubt(n[~tied], groups) for n, tied in ((n_x, groups.x_tied), (n_y, groups.y_tied))]
    if not min(whole + part for whole, part in zip(spread, inside, strict=True)) > 0:
        return UNDEFINED
    if groups.exact:
        value = cross / sqrt(spread[0]) / sqrt(spread[1]) if spread[0] != spread[1] else cross / spread[0]
        return Certified(*(min(max(value, -1.0), 1.0),) * 3)
    off = _moved(groups, y[groups.y], ~groups.x_tied, n_x) + _moved_back(groups, x, n_y)
    off = (off + sqrt(inside[0]) * sqrt(inside[1])) * (1 + _SLACK) + _SLACK * sqrt(spread[0]) * sqrt(spread[1])
    least = sqrt(spread[0]) * sqrt(spread[1])
    most = sqrt(spread[0] + inside[0]) * sqrt(spread[1] + inside[1])
    return _between(cross, off, least, most)


def kendall(groups: PairGroups) -> Certified:
    """τ_b: ``(C − D) / √((n₀ − n₁)(n₀ − n₂))`` over the pairs of rows; NaN where a side is constant.

    ``C`` pairs are in the same order on both sides and ``D`` in opposite ones; of all ``n₀`` pairs ``n₁`` are tied in
    the prediction and ``n₂`` in the target.

    Source: Kendall 1945, The treatment of ties in ranking problems.
    """
    n_x, n_y = _sizes(groups.x, groups), _sizes(groups.y, groups)
    apart = [_apart(n) for n in (n_x, n_y)]  # doubled, as all pairs here
    tied = [n.astype(np.float64) ** 2 for n in (n_x, n_y)]
    both = groups.amounts.astype(np.float64) ** 2
    untied = apart[0] - _total(np.concatenate([tied[1], -both]))
    difference = untied - 4 * _discordant(groups)
    open_bins = ~groups.x_tied, ~groups.y_tied
    unsure = [_total(squares[doubted]) for squares, doubted in zip(tied, open_bins, strict=True)]
    most = [sqrt(part + more) for part, more in zip(apart, unsure, strict=True)]
    least = [sqrt(part) for part in apart]
    if not min(most) > 0:
        return UNDEFINED
    if groups.exact:
        value = difference / least[0] / least[1] if least[0] != least[1] else difference / apart[0]
        return Certified(*(min(max(value, -1.0), 1.0),) * 3)
    doubtful = sum(unsure) - _total(both[open_bins[0][groups.x] | open_bins[1][groups.y]])
    doubtful = doubtful * (1 + _SLACK) + _SLACK * float(n_x.sum()) ** 2
    return _between(difference, doubtful, least[0] * least[1], most[0] * most[1])


def _sizes(ids: HostArray, groups: PairGroups) -> HostArray:
    """Rows, or sums of weights, of each bin."""
    if not len(ids):
        return np.zeros(0)
    return np.bincount(ids, groups.amounts)  # exact for counts below 2^53, and always in the order of the groups


def _apart(sizes: HostArray) -> float:
    """Pairs of rows in different bins, counted twice; of one bin exactly none, however its weights were added up."""
    return 2.0 * _total(sizes[1:] * sizes.cumsum()[:-1])


def _centred(sizes: HostArray) -> HostArray:
    """The rank of each bin, which is as far below 0 to the last bit where the bins come in the opposite order."""
    below, above = (np.concatenate([[0], part[:-1]]).cumsum() for part in (sizes, sizes[::-1]))
    ranks: HostArray = (below - above[::-1])[: len(sizes)]
    return ranks


def _total(values: HostArray) -> float:
    """The sum, whatever the order."""
    total = ExactSum()
    total.add(values)
    return float(total)


def _doubt(sizes: HostArray, groups: PairGroups) -> float:
    """The most that ``Σδ²`` can be over bins of these ``sizes``."""
    counted = groups.amounts.dtype.kind == "i"
    return _total(sizes**3 - (sizes if counted else 0)) / 3


def _moved(groups: PairGroups, rank: HostArray, open_bins: HostArray, sizes: HostArray) -> float:
    """The most that ``Σ rank·δ`` can be: rows (in the order of bin and rank) fill the places of their bin by rank."""
    before = groups.amounts.cumsum() - groups.amounts
    starts = sizes.cumsum() - sizes
    middle = 2 * (before - starts[groups.x]) + groups.amounts - sizes[groups.x]
    return abs(_total(np.where(open_bins[groups.x], groups.amounts * rank * middle, 0.0)))


def _moved_back(groups: PairGroups, x: HostArray, n_y: HostArray) -> float:
    """The same with the two sides exchanged."""
    turned = groups.turned()
    return _moved(turned, x[turned.y], ~turned.x_tied, n_y)


def _between(value: float, off: float, least: float, most: float) -> Certified:
    """What ``value ± off`` over something between ``least`` and ``most`` can be, inside −1 … 1.

    The value itself is over ``most``: no two rows of a bin tied, which of floats is the likely case.
    """
    low, high = value - off, value + off
    low = max(low / most if low > 0 else low / least if least > 0 else -1.0, -1.0)
    high = min(high / most if high < 0 else high / least if least > 0 else 1.0, 1.0)
    return Certified(min(max(value / most, low), high), low, high)


def _discordant(groups: PairGroups) -> float:
    """Pairs of rows whose prediction and target differ in opposite directions, by bins; each counted once.

    Groups come by prediction and, within it, by rising target, so these are the inversions of their targets. They are
    found bit by bit: two targets are told apart by the highest bit in which they differ, and form an inversion when the
    one that has it comes first. A stable sort by the bits above keeps that order.
    """
    y, amounts = groups.y, groups.amounts
    total = 0.0
    for bit in reversed(range(int(y.max(initial=0)).bit_length())):
        ones = ((y >> bit) & 1).astype(bool)
        starts = np.flatnonzero(np.diff(y >> (bit + 1), prepend=-1))
        sizes = np.diff(starts, append=len(y))
        above = np.where(ones, amounts, 0)
        before = above.cumsum() - above
        before -= np.repeat(before[starts], sizes)
        total += float((amounts * before)[~ones].sum())
        # zeros to the front of their run, ones behind them, each in the order they had
        zeros = (~ones).cumsum() - ~ones
        zeros_before = zeros - np.repeat(zeros[starts], sizes)
        in_run = np.arange(len(y)) - np.repeat(starts, sizes)
        held = np.add.reduceat(~ones, starts, dtype=np.int64)
        place = np.repeat(starts, sizes) + np.where(ones, np.repeat(held, sizes) + in_run - zeros_before, zeros_before)
        y, amounts = _moved_to(place, y), _moved_to(place, amounts)
    return total


def _moved_to(place: HostArray, values: HostArray) -> HostArray:
    moved = np.empty_like(values)
    moved[place] = values
    return moved
