"""Sums of powers of what rows differ by, times powers of their weights: what ``Moments`` are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.means import Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray

FAR = 1e100
"""Differences from here on count as infinite: what is told from their powers would be."""
MOMENTS = 9
"""Sums that ``moments_of`` reads."""
_LAST = 4
"""Those of the highest power of a weight, which without weights are those of the lower ones as well."""


def powers(off: HostArray, weight: HostArray | None) -> HostArray:
    """What ``Moments`` adds up (9, N): each power of the weight times those of ``off`` up to it."""
    one = np.ones(len(off))
    weights = [one] * 3 if weight is None else [weight, weight * weight, weight * weight * weight]
    powers = [one, off, off * off, off * off * off]
    return np.stack([weights[power - 1] * powers[k] for power in (1, 2, 3) for k in range(power + 1)])


def last_powers(off: HostArray, kept: HostArray | None = None) -> HostArray:
    """Those without weights that differ (4, N), the last of all; ``unweighted`` gives the sums of the others.

    Rows that are not ``kept`` (N,), where it is 0 and not 1, add nothing.
    """
    found = np.empty((_LAST, len(off)))
    found[0], found[1] = (1.0, off) if kept is None else (kept, off * kept)
    np.multiply(found[1], found[1], out=found[2])
    np.multiply(found[2], found[1], out=found[3])
    return found


def last_places(cells: int, sets: int) -> HostArray:
    """Where the sums of ``last_powers`` are among so many ``cells``, which so many sets begin, and what is behind.

    >>> last_places(20, 2)
    array([ 5,  6,  7,  8, 14, 15, 16, 17, 18, 19])
    """
    every = np.arange(cells)
    return every[(every >= sets * MOMENTS) | (every % MOMENTS >= MOMENTS - _LAST)]


def unweighted(sums: Sequence[float], sets: int = 1) -> tuple[float, ...]:
    """All sums of so many sets from those of ``last_powers``, and what is behind them.

    >>> unweighted((0, 0, 0, 0, 0, 3, 0.5, 2, 0.25, 7))
    (3, 0.5, 3, 0.5, 2, 3, 0.5, 2, 0.25, 7)
    """
    found: list[float] = []
    for end in range(MOMENTS, (sets + 1) * MOMENTS, MOMENTS):
        one, first, second, *_ = last = sums[end - _LAST : end]
        found += one, first, one, first, second, *last
    return (*found, *sums[sets * MOMENTS :])


def moments_of(s: Sequence[float]) -> Moments:
    """From the sums of ``powers``."""
    return Moments((s[0], s[1]), (s[2], s[3], s[4]), (s[5], s[6], s[7], s[8]))


def fourth(off: HostArray, weight: HostArray | None) -> HostArray:
    """The fourth powers (N,) of what rows differ by, times those of their weights."""
    square: HostArray = off * off if weight is None else off * off * weight * weight
    return square * square
