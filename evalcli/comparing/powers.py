"""Sums of powers of what rows differ by, times powers of their weights: what ``Moments`` are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.means import Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray

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


def last_powers(off: HostArray) -> HostArray:
    """Those without weights that differ (4, N), the last of all; ``unweighted`` gives the sums of the others."""
    found = np.empty((_LAST, len(off)))
    found[0], found[1] = 1.0, off
    np.multiply(off, off, out=found[2])
    np.multiply(found[2], off, out=found[3])
    return found


def unweighted(sums: Sequence[float]) -> tuple[float, ...]:
    """All sums from those of ``last_powers``, and what is behind them.

    >>> unweighted((0, 0, 0, 0, 0, 3, 0.5, 2, 0.25, 7))
    (3, 0.5, 3, 0.5, 2, 3, 0.5, 2, 0.25, 7)
    """
    one, first, second, *_ = last = sums[MOMENTS - _LAST :]
    return (one, first, one, first, second, *last)


def moments_of(s: Sequence[float]) -> Moments:
    """From the sums of ``powers``."""
    return Moments((s[0], s[1]), (s[2], s[3], s[4]), (s[5], s[6], s[7], s[8]))


def fourth(off: HostArray, weight: HostArray | None) -> HostArray:
    """The fourth powers (N,) of what rows differ by, times those of their weights."""
    square: HostArray = off * off if weight is None else off * off * weight * weight
    return square * square
