"""Where falling functions of a factor are 0: for both ends of an interval, and for many of them, a step at a time.

A function of a handful of bins takes NumPy longer to call than to compute. So whoever seeks a place says which factor
is to be tried next, and all are answered at once. Each goes its own way: what is found does not depend on who else
seeks.

Source: Dowell and Jarratt 1971, A modified regula falsi method for computing the root of an equation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from evalcli.metrics.arrays import HostArray

_STEPS = 60
_CLOSE = 1e-9
"""Standard errors, or a share of a factor, that make no difference."""
_FARTHEST = 1e6


def roots(surprise: Callable[[HostArray], HostArray], critical: float) -> tuple[float, float]:
    """Between which factors from 0 on a falling function of factors (F,) lies between ``critical`` and less that.

    >>> low, high = roots(lambda factors: 4.0 - factors * factors, 5.0)
    >>> low, round(high, 9)
    (0.0, 3.0)
    """
    low, high = roots_of_each(lambda factors, _: surprise(factors), np.array([critical]))
    return float(low[0]), float(high[0])


def roots_of_each(
    surprise: Callable[[HostArray, HostArray], HostArray], critical: HostArray
) -> tuple[HostArray, HostArray]:
    """The same of functions with a ``critical`` each (N,); ``surprise`` is asked at factors (F,) of functions (F,)."""
    size, targets = len(critical), np.concatenate([critical, -critical]).tolist()
    seeking = [(_sought(target), number) for number, target in enumerate(targets)]
    found, factors = np.zeros(2 * size), [next(seeker) for seeker, _ in seeking]
    while seeking:
        answers = surprise(np.array(factors), np.array([number % size for _, number in seeking])).tolist()
        left, factors = [], []
        for one, answer in zip(seeking, answers, strict=True):
            seeker, number = one
            try:
                factors.append(seeker.send(answer))
                left.append(one)
            except StopIteration as ended:
                found[number] = ended.value
        seeking = left
    return found[:size], found[size:]


def _sought(target: float) -> Generator[float, float, float]:
    """Asks for a falling function at factors until it knows where that is ``target``; 0 where it starts below."""
    above = (yield 0.0) - target
    if above <= 0.0:
        return 0.0
    low, high = 0.0, 1.0
    while (below := (yield high) - target) > 0.0:
        low, high, above = high, 2.0 * high, below
        if high > _FARTHEST:
            return low
    before = 0.0
    for step in range(_STEPS):
        middle = (low + high) / 2.0 if step % 4 == 3 else low + (high - low) * above / (above - below)
        at = (yield middle) - target
        if abs(at) <= _CLOSE or high - low <= _CLOSE * high:
            return middle
        stays = 0.5 if at * before > 0.0 else 1.0  # an end that stays once more counts for half
        if at > 0.0:
            low, above, below = middle, at, below * stays
        else:
            high, below, above = middle, at, above * stays
        before = at
    return (low + high) / 2.0
