"""What one row does to a rank correlation: the influences of Spearman's and of Kendall's, from groups of ranks.

A row does not only bring its own ranks: it moves those of all others. Of Spearman's correlation that second part is
``h(x) = mean over rows of b·([x < X] + ½·[x = X])`` with the centred ranks ``b`` of the other side, a cumulative sum.
Of Kendall's it is the share of all rows with which one row agrees less that with which it does not. Where the ranks are
those of bins, rows of a bin count as tied.

Source: Croux and Dehon 2010, Influence functions of the Spearman and Kendall correlation measures.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.pairs import PairGroups


def spearman_unbiased(value: float, groups: PairGroups, n: float) -> float:
    """What ρ is expected to be where ``value`` was seen in ``n`` rows, ``((n + 1)·r − 3·τ) / (n − 2)``.

    A row is also compared with itself, which makes a nearly perfect order of few rows look better than it is.

    Source: Moran 1948, Rank correlation and product-moment correlation.
    """
    if len(groups.amounts) > _BIASED or n <= 4.0 or (1.0 - abs(value)) * sqrt(n) > _SCATTERED:
        return value
    amounts = groups.amounts.astype(np.float64)
    sizes = [float(amounts.sum()) ** 2 - float((np.bincount(ids, amounts) ** 2).sum()) for ids in (groups.x, groups.y)]
    if not min(sizes) > 0.0:
        return value
    tau = dot(amounts, _agreeing(groups, amounts)) / sqrt(sizes[0] * sizes[1])
    found = ((n + 1.0) * value - 3.0 * tau) / (n - 2.0)
    return found if abs(found) < 1.0 else value


_BIASED = 1 << 16
"""Groups beyond which the bias is lost in the scatter."""

_SCATTERED = 20.0
"""So many times the bias, which is at most (1 + |ρ|) / n, is lost in a standard deviation of about (1 − ρ²) / √n."""


def spearman_moves(groups: PairGroups, centre: float | None = None) -> HostArray | None:
    """The influence of a row of each group (K,) on Fisher's transform of ρ; ``None`` where ρ is −1, 1 or undefined.

    The transform is that at ``centre``, unless told otherwise at ρ itself.
    """
    amounts = groups.amounts.astype(np.float64)
    n = float(amounts.sum())
    sides = [_centred(ids, amounts, n) for ids in (groups.x, groups.y)]
    a, b = (ranks[ids] for ranks, ids in zip(sides, (groups.x, groups.y), strict=True))
    cross, squares = dot(amounts, a * b) / n, [dot(amounts, one * one) / n for one in (a, b)]
    below = sqrt(squares[0] * squares[1])
    if not below > 0.0:
        return None
    value = cross / below
    moved = a * b + _above(groups.x, amounts * b, n) + _above(groups.y, amounts * a, n) - 3.0 * cross
    of_sides = []
    for ids, own, square in ((groups.x, a, squares[0]), (groups.y, b, squares[1])):
        of_sides.append((own * own + 2.0 * _above(ids, amounts * own, n)) / square - 3.0)
    return _fisher(value if centre is None else centre, moved / below - value * (of_sides[0] + of_sides[1]) / 2.0)


def kendall_moves(groups: PairGroups) -> HostArray | None:
    """The influence of a row of each group (K,) on Fisher's transform of τ_b; ``None`` as above."""
    amounts = groups.amounts.astype(np.float64)
    n = float(amounts.sum())
    agreeing = _agreeing(groups, amounts) / n
    total = dot(amounts, agreeing) / n
    shares = [np.bincount(ids, amounts)[ids] / n for ids in (groups.x, groups.y)]
    untied = [1.0 - dot(amounts, share) / n for share in shares]
    below = sqrt(max(untied[0], 0.0) * max(untied[1], 0.0))
    if not below > 0.0:
        return None
    value = total / below
    of_sides = [2.0 * (1.0 - share - part) / part for share, part in zip(shares, untied, strict=True)]
    return _fisher(value, 2.0 * (agreeing - total) / below - value * (of_sides[0] + of_sides[1]) / 2.0)


def _fisher(value: float, moves: HostArray) -> HostArray | None:
    return moves / (1.0 - value * value) if abs(value) < 1.0 else None


def _centred(ids: HostArray, amounts: HostArray, n: float) -> HostArray:
    """The share of all rows below each bin (B,), half of its own among them, less ½."""
    sizes = np.bincount(ids, amounts)
    ranks: HostArray = (np.cumsum(sizes) - sizes / 2.0) / n - 0.5
    return ranks


def _above(ids: HostArray, values: HostArray, n: float) -> HostArray:
    """Of each group (K,) the sum of ``values`` in higher bins and of half of those in its own, over n."""
    sums = np.bincount(ids, values)
    above: HostArray = (float(sums.sum()) - np.cumsum(sums) + sums / 2.0) / n
    return above[ids]


def _agreeing(groups: PairGroups, amounts: HostArray) -> HostArray:
    """Of each group (K,) the rows in the same order on both sides, less those in opposite ones."""
    x, y = groups.x, groups.y
    sizes_x, sizes_y = np.bincount(x, amounts), np.bincount(y, amounts)
    under_x, under_y = np.cumsum(sizes_x) - sizes_x, np.cumsum(sizes_y) - sizes_y
    starts = np.flatnonzero(np.diff(x, prepend=-1))
    within = np.cumsum(amounts) - amounts
    before = within - np.repeat(within[starts], np.diff(starts, append=len(x)))  # of its own x, with a lower y
    lower = _lower_before(y, amounts) - before
    same = _same_before(y, amounts)
    upper_left = under_x[x] - lower - same
    right = float(amounts.sum()) - under_x[x] - sizes_x[x]
    below_right = under_y[y] - lower - before
    same_right = sizes_y[y] - same - amounts
    upper_right = right - below_right - same_right
    agreeing: HostArray = lower + upper_right - upper_left - below_right
    return agreeing


def _same_before(y: HostArray, amounts: HostArray) -> HostArray:
    """Of each group the rows of earlier groups with the same y."""
    order = np.argsort(y, kind="stable")
    starts = np.flatnonzero(np.diff(y[order], prepend=-1))
    sums = np.cumsum(amounts[order]) - amounts[order]
    found = np.empty(len(y))
    found[order] = sums - np.repeat(sums[starts], np.diff(starts, append=len(y)))
    return found


def _lower_before(y: HostArray, amounts: HostArray) -> HostArray:
    """Of each group the rows of earlier groups with a lower y: bit by bit, as ``rankcorrelation`` counts inversions."""
    found, order = np.zeros(len(y)), np.arange(len(y))
    for bit in reversed(range(int(y.max(initial=0)).bit_length())):
        here, size = y[order], amounts[order]
        ones = ((here >> bit) & 1).astype(bool)
        starts = np.flatnonzero(np.diff(here >> (bit + 1), prepend=-1))
        zeros = np.cumsum(np.where(ones, 0.0, size))
        zeros -= np.repeat((zeros - np.where(ones, 0.0, size))[starts], np.diff(starts, append=len(y)))
        found[order[ones]] += zeros[ones]
        order = order[np.argsort(here >> bit, kind="stable")]
    return found
