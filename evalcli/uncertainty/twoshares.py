"""Two shares of different rows: whether the first is lower by more than chance, and by how much it may be.

The rows of a slice against all other rows. If both had the same share, the hits in the slice would be those of ``rows``
drawn from all rows without putting any back: Fisher's exact test, one-sided. It is never too quick to call a share low,
however few rows there are; a mid-p would be, at times. Many tests at once are adjusted by Benjamini and Hochberg, so
that of the slices called weak the stated share at most are expected to be false alarms.

Source: Fisher 1935, The logic of inductive inference; Benjamini and Hochberg 1995, Controlling the false discovery
rate; Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
"""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.intervals import Interval, wilson

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence

_DEVIATIONS = 12
"""Terms farther than this many standard deviations (and ``_FURTHER`` steps) from where they count add up to nothing."""
_FURTHER = 60


class Share(NamedTuple):
    """``hits`` of ``rows``."""

    hits: int
    rows: int

    @property
    def value(self) -> float:
        """The share itself; there are rows."""
        return self.hits / self.rows

    @property
    def test(self) -> str:
        """What compares two of them."""
        return "fisher"

    def without(self, part: Share) -> Share:
        """All other rows than those of a part."""
        return Share(self.hits - part.hits, self.rows - part.rows)

    def is_worse(self, whole: Share) -> bool:
        """Whether this part of a whole has a smaller share of hits than all."""
        return self.hits * whole.rows < whole.hits * self.rows

    def p_worse(self, whole: Share) -> float:
        """How likely a part has so few hits, beside all other rows of the whole, by chance, 0 to 1."""
        return fisher_lower(self, whole)

    def difference(self, rest: Share, confidence: Confidence) -> Interval:
        """Newcombe's interval of this share less that of the rest."""
        return difference(self, rest, confidence.critical)

    def least_shown(self, rows: int, level: float) -> float | None:
        """By how much so many rows of this whole have to be worse than the rest to be told at ``level``."""
        return least_shown(rows, self, level)


def fisher_lower(part: Share, whole: Share) -> float:
    """How likely it is that as few hits as in ``part`` or fewer are in so many rows drawn from ``whole``, 0 to 1.

    ``P(X ≤ k)`` of the hypergeometric distribution. Its terms follow from each other, from the most likely one on, and
    are divided by their own sum, so that no large factorial is ever rounded. 1 where the part is the whole.

    >>> round(fisher_lower(Share(1, 10), Share(12, 24)), 6)  # the textbook table 1 9 / 11 3
    0.00138
    """
    least, most = max(0, part.rows + whole.hits - whole.rows), min(part.rows, whole.hits)
    if part.hits >= most:
        return 1.0
    mode = min(max((part.rows + 1) * (whole.hits + 1) // (whole.rows + 2), least), most)
    mean = whole.hits / whole.rows
    spread = sqrt(part.rows * mean * (1 - mean) * (whole.rows - part.rows) / max(whole.rows - 1, 1))
    reach = ceil(_DEVIATIONS * spread) + _FURTHER
    first, last = max(least, min(part.hits, mode) - reach), min(most, max(part.hits, mode) + reach)
    steps = np.arange(first + 1, last + 1, dtype=np.float64)
    up = np.log(whole.hits - steps + 1) + np.log(part.rows - steps + 1)
    down = np.log(steps) + np.log(whole.rows - whole.hits - part.rows + steps)
    terms = np.concatenate([[0.0], np.cumsum(up - down)])
    terms = np.exp(terms - terms[mode - first])
    below = float(terms[: part.hits - first + 1].sum())
    return min(below / float(terms.sum()), 1.0)


def benjamini_hochberg(p_values: HostArray) -> HostArray:
    """p-values (M,) adjusted so that of those at most ``q`` no more than a share ``q`` is expected to be false alarms.

    The k-th smallest of M is multiplied by M / k, and none is above one that was larger before.

    >>> benjamini_hochberg(np.array([0.01, 0.5, 0.02, 0.04])).round(4).tolist()
    [0.04, 0.5, 0.04, 0.0533]
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * (len(order) / np.arange(1, len(order) + 1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return adjusted


def difference(one: Share, other: Share, critical: float) -> Interval:
    """Newcombe's interval of ``one − other``, from Wilson's of each.

    >>> found = difference(Share(56, 70), Share(48, 80), 1.959964)
    >>> round(found.low, 4), round(found.high, 4)  # case (a) of the paper
    (0.0524, 0.3339)
    """
    first, second = (wilson(share.hits, share.rows, critical) for share in (one, other))
    return newcombe(one.value, first, other.value, second)


def newcombe(one: float, first: Interval, other: float, second: Interval) -> Interval:
    """The interval of ``one − other``, from the ``first`` of the one and the ``second`` of the other."""
    gap = one - other
    below = sqrt((one - first.low) ** 2 + (second.high - other) ** 2)
    above = sqrt((first.high - one) ** 2 + (other - second.low) ** 2)
    return Interval(gap - below, gap + above, "newcombe")


def least_shown(rows: int, whole: Share, level: float) -> float | None:
    """The smallest lead of the other rows over ``rows`` of the whole that the test calls more than chance at ``level``.

    As a difference of shares, below 0; ``None`` where not even a part without a hit would be.
    """
    low, high = max(0, rows + whole.hits - whole.rows) - 1, floor(rows * whole.value)
    while high > low:  # P(X ≤ k) rises with k: the last k at which it is at most the level
        middle = (low + high + 1) // 2
        if fisher_lower(Share(middle, rows), whole) <= level:
            low = middle
        else:
            high = middle - 1
    if low < max(0, rows + whole.hits - whole.rows):
        return None
    part = Share(low, rows)
    return part.value - whole.without(part).value
