"""The interval of a number that is computed from estimates, put together from the interval of each (MOVER).

What estimates may be, all together, is a region around those that were seen: each reaches to the ends of its own
interval, and how they go together makes an ellipse of it. The ends of the number are the least and the most that it is
in there. So it keeps the range of each estimate and the longer side of each interval, the interval of a sum is that of
Zou and Donner, and what one estimate alone decides has the interval of that, transformed. Estimates of which nobody
knows how they go together are taken to be off together, in whichever way is the worst: the region holds all that they
may be then.

Where the number is the least or the most that it can be, as a sum of squares at 0, all ``k`` estimates at once lie
around that place, and a region that holds each of them in 95 % holds two in 85 %. So an end reaches such a turn from as
far away as χ² of ``k`` degrees allows.

Source: Scheffé 1953, A method for judging all contrasts in the analysis of variance (all directions at once); Zou and
Donner 2008, Construction of confidence limits about effect measures: a general approach; Donner and Zou 2012,
Closed-form confidence intervals for functions of the normal mean and standard deviation (on more than sums).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import isfinite, isnan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.quantiles import normal_quantile, two_sided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.metrics.arrays import HostArray

    Function = Callable[[HostArray], float]

_STEPS = 50
_CLOSE = 1e-9
_PART = 1e-5
"""Of an interval's width: what a slope is taken over."""
_BENDS = 12
"""Times that it is gone back: then what is left to gain is next to nothing."""
_SECTIONS = 16
_GOLDEN = (sqrt(5.0) - 1.0) / 2.0
_STILL = 1e-4
"""Of an interval's width: what a number gains next to where it turns is less."""
_MORE = 1.05
_SLOWER = 0.7
"""How steep a number still is on the way to where it turns, over what it was before."""
_POINTS = 65
"""Places at which a number is looked at that one estimate decides."""


@dataclass(frozen=True)
class Estimates:
    """What was seen: ``values`` (k,) and the ends ``lows`` and ``highs`` of their intervals, at one confidence.

    ``covariance`` (k, k) is NaN of two of which nobody knows how they go together, and of one that stands for itself.

    >>> two = Estimates(np.array([0.8, 0.6]), np.array([0.7, 0.5]), np.array([0.9, 0.7]), np.diag([0.0025, 0.0025]))
    >>> [round(end, 3) for end in two.ends(lambda x: float(x[0] - x[1]), 2.0)]
    [0.059, 0.341]
    """

    values: HostArray
    lows: HostArray
    highs: HostArray
    covariance: HostArray

    @cached_property
    def correlation(self) -> HostArray:
        """How they go together (k, k); NaN where nobody knows, and of what no row has moved."""
        sizes = np.sqrt(np.diag(self.covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.clip(self.covariance / (sizes[:, None] * sizes[None, :]), -1.0, 1.0)
        np.fill_diagonal(found, 1.0)
        known: HostArray = found
        return known

    @property
    def are_known(self) -> bool:
        """Whether it is known how all go together that vary."""
        return len(self.blocks(self.highs > self.lows)) < 2

    def blocks(self, used: HostArray) -> list[HostArray]:
        """Those that are ``used`` (k,), parted so that in each it is known how all of them go together."""
        found: list[list[int]] = []
        for place in np.flatnonzero(used).tolist():
            home = next((one for one in found if not np.isnan(self.correlation[place, one]).any()), None)
            if home is None:
                found.append([place])
            else:
                home.append(place)
        return [np.array(one) for one in found]

    def ends(self, of: Function, critical: float) -> tuple[float, float] | None:
        """The least and the most that ``of`` is in the region; ``None`` where it is undefined in a part of it.

        No less far off than a normal variable with the variance that is known.
        """
        here = of(self.values)
        if not isfinite(here):
            return None
        slope = self.slope(of, self.values)
        used = slope != 0.0 if np.isfinite(slope).all() else self.highs > self.lows
        if np.count_nonzero(self.highs > self.lows) == 1:
            return self._of_one(of)
        blocks = self.blocks(self.highs > self.lows)
        found = [self._end(of, blocks, sign) for sign in (-1.0, 1.0)]
        if not all(map(isfinite, found)):
            return None
        low, high = self._to_turns(of, blocks, (found[0], found[1]), critical)
        if len(self.blocks(used)) == 1:
            low, high = self._stretched(here, (low, high), critical * self._error(slope))
        return low, high

    def _to_turns(
        self, of: Function, blocks: list[HostArray], ends: tuple[float, float], critical: float
    ) -> tuple[float, float]:
        """The same ends, or what ``of`` is where it turns, if that lies in a region that holds all at once."""
        varied = sum(map(len, blocks))
        if len(blocks) > 1 or varied < 2 or not critical > 0.0:
            return ends
        times = sqrt(_chi_square(varied, two_sided(critical))) / critical
        here, close, found = of(self.values), _STILL * (ends[1] - ends[0]), []
        for sign, end in zip((-1.0, 1.0), ends, strict=True):
            turn = self._grown(times)._end(of, blocks, sign)
            gained, farther = sign * (end - here), sign * (turn - end)
            if 0.0 < farther < _SLOWER * (times - 1.0) * gained:  # else it goes on as steeply, or turned before
                wider = self._grown(times * _MORE)._end(of, blocks, sign)
                turn = turn if abs(wider - turn) <= close else end
            else:
                turn = end
            found.append(turn)
        return found[0], found[1]

    def _grown(self, times: float) -> Estimates:
        """The region, so many times as large."""
        lows, highs = (self.values + times * (end - self.values) for end in (self.lows, self.highs))
        return replace(self, lows=lows, highs=highs)

    def _of_one(self, of: Function) -> tuple[float, float] | None:
        """Where a single estimate varies."""
        steps = np.linspace(0.0, 1.0, _POINTS)
        points = [self.lows + step * (self.highs - self.lows) for step in steps]
        found = [of(point) for point in (*points, self.values)]
        return (min(found), max(found)) if all(map(isfinite, found)) else None

    def _end(self, of: Function, blocks: list[HostArray], sign: float) -> float:
        """The farthest that is found when going up, or down, again and again; NaN where something is undefined."""
        best = of(self.values)
        for start in (self.values, self._beside(of, blocks, sign)):
            for point in self._farther(of, blocks, sign, start):
                value = of(point)
                if not isfinite(value):
                    return float("nan")
                best = max(best, value) if sign > 0.0 else min(best, value)
        return best

    def _beside(self, of: Function, blocks: list[HostArray], sign: float) -> HostArray:
        """The farthest at an end of one estimate, with those that go with it: no slope need lead there."""
        found = self.values
        best = -float("inf")
        for block in blocks:
            for place, side in product(block.tolist(), (-1.0, 1.0)):
                moved = np.zeros(len(self.values))
                moved[block] = side * self.correlation[block, place]
                point = self.values + moved * np.where(moved > 0.0, self.highs - self.values, self.values - self.lows)
                value = sign * of(point)
                if not isfinite(value):
                    return np.full(len(point), np.nan)
                if value > best:
                    found, best = point, value
        return found

    def _farther(self, of: Function, blocks: list[HostArray], sign: float, start: HostArray) -> Iterator[HostArray]:
        """Points at the edge of the region, each where the slopes at the one before lead, or short of it if too far."""
        yield start
        point, before, bends = start, start, 0
        for step in range(_STEPS):
            slope = self.slope(of, point)
            if sign * float((slope * (point - before)).sum()) < 0.0:
                point, bends = self._between(of, before, point, sign), bends + 1
                yield point
                slope = self.slope(of, point)
            if not np.isfinite(slope).all():
                yield np.full(len(point), np.nan)
                return
            arms = np.where(sign * slope > 0.0, self.highs - self.values, self.values - self.lows)
            moved = np.zeros(len(point))
            for block in blocks:
                pull = (slope * arms)[block]
                along = (self.correlation[np.ix_(block, block)] * pull).sum(axis=1)
                square = float((pull * along).sum())
                if square > 0.0:
                    moved[block] = sign * along / sqrt(square)
            there = np.clip(self.values + moved * arms, self.lows, self.highs)
            yield there
            if bends == _BENDS or (np.abs(there - point) <= _CLOSE * (self.highs - self.lows)).all():
                return
            before, point = point, there if step < _STEPS // 2 else (there + point) / 2.0

    @staticmethod
    def _between(of: Function, here: HostArray, there: HostArray, sign: float) -> HostArray:
        """Where ``of`` goes no farther on the way from one point to another, by golden sections."""
        low, high = 0.0, 1.0
        for _ in range(_SECTIONS):
            first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            if sign * of(here + first * (there - here)) < sign * of(here + second * (there - here)):
                low = first
            else:
                high = second
        return here + (low + high) / 2.0 * (there - here)

    def slope(self, of: Function, point: HostArray) -> HostArray:
        """What ``of`` gains for a unit of each estimate (k,)."""
        found = np.zeros(len(point))
        for place in np.flatnonzero(self.highs > self.lows).tolist():
            step = _PART * (self.highs[place] - self.lows[place])
            before, after = point.copy(), point.copy()
            before[place] = max(point[place] - step, self.lows[place])
            after[place] = min(point[place] + step, self.highs[place])
            found[place] = (of(after) - of(before)) / (after[place] - before[place])
        return found

    def _error(self, slope: HostArray) -> float:
        """The standard error that the covariance says; 0 where it does not."""
        variance = float((slope[:, None] * self.covariance * slope[None, :]).sum())
        return 0.0 if isnan(variance) or variance <= 0.0 else sqrt(variance)

    @staticmethod
    def _stretched(here: float, ends: tuple[float, float], reach: float) -> tuple[float, float]:
        """Both sides longer alike, where together they fall short of ``reach`` to either side.

        Intervals that are too wide by themselves might take more from each other than their estimates have in common.
        """
        low, high = ends
        width = high - low
        times = 2.0 * reach / width if 0.0 < width < 2.0 * reach else 1.0
        return here + (low - here) * times, here + (high - here) * times


def _chi_square(freedom: int, level: float) -> float:
    """What χ² of so many degrees exceeds with the probability ``level``, to a hundredth (Wilson and Hilferty 1931)."""
    part = 2.0 / (9.0 * freedom)
    return float(freedom * (1.0 - part + normal_quantile(1.0 - level) * sqrt(part)) ** 3)
