"""Ratios of sums over rows of several labels each, and means of them over labels: the difference of two models.

The terms of a row are taken twice. At the two ratios that were seen they tell how far the difference is certain. At
the ratio of both models together, as if there were no difference, they are the test, as the score test of two shares
is: of 30 rows the former alone found what was not there in 12 % of samples where 5 % were asked for.

In a mean over labels one in which no row parts the models is not certain to be the same for both: as many rows as may
have gone unseen are taken to part them. One that differs though its rows do not scatter, as a label that one model
predicts once, is no evidence: what may have gone unseen is its standard error.

Source: Agresti 2013, Categorical data analysis, 1.3 and 16.6 (score tests); Hampel 1974.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import hypot, sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import Contrast
from evalcli.comparing.label_rows import LEFT_OUT
from evalcli.comparing.pairtests import difference_of
from evalcli.comparing.powers import MOMENTS, last_powers, moments_of, powers
from evalcli.uncertainty.cells import Margins
from evalcli.uncertainty.comparison import detectable
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.quantiles import two_sided
from evalcli.uncertainty.slopes import ratio_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

HAMMING = frozenset({"hamming_loss", "hamming_accuracy"})
_ROUNDING = 1e-24
"""Squares of terms below this, beside what a single row could add, are those of rounding."""


class _Ratio(Contrast):
    """A ratio of sums, or a mean of such: terms at the ratios of either model, and at that of both."""

    sets = 2

    @property
    def cells(self) -> int:
        return 2 * MOMENTS

    def terms(self, look: RowLook) -> tuple[HostArray, HostArray]:
        """Both sets of terms (n,), the first less its mean."""
        raise NotImplementedError

    def powers(self, look: RowLook) -> HostArray:
        plain, pooled = self.terms(look)
        every = plain, pooled - self.value
        if look.weight is None:
            return np.concatenate([last_powers(off) for off in every])
        return np.concatenate([powers(off, look.weight) for off in every])

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        plain, pooled = (moments_of(part) for part in (sums[:MOMENTS], sums[MOMENTS:]))
        own = difference_of(*self.values, plain, 1.0, confidence)
        test = difference_of(*self.values, pooled, 1.0, confidence)
        unseen, unproven = self.unseen(joint, confidence)
        low, high = min(own.interval.low, test.interval.low), max(own.interval.high, test.interval.high)
        value, p = self.value, test.p
        if unseen > 0.0:
            low, high = value - hypot(value - low, unseen), value + hypot(high - value, unseen)
        if unproven > 0.0:
            p = max(p, two_sided(abs(value) / hypot(pooled.error, unproven)))
        interval = Interval(low, high, test.interval.method)
        reach = max(own.detectable, test.detectable, detectable(unseen / confidence.critical, confidence))
        return replace(test, interval=interval, p=p, detectable=reach)

    def unseen(self, joint: HostArray, confidence: Confidence) -> tuple[float, float]:
        """How far parts without any scatter may lie apart unseen, and those of them that are seen to lie apart."""
        del joint, confidence
        return 0.0, 0.0


class OfCells(_Ratio):
    """A ratio of the cells of all labels: micro averages, and the share of wrong cells."""

    def terms(self, look: RowLook) -> tuple[HostArray, HostArray]:
        """Both sets of terms (n,), the first less its mean."""
        sides = [self._side(look, place, one) for place, one in zip(self.pair, self.numbers, strict=True)]
        sums = [self._bottom(one) for one in self.numbers]
        own = self.values[::-1]
        plain, pooled = np.zeros(look.rows), np.zeros(look.rows)
        both = (own[0] * sums[0] + own[1] * sums[1]) / (sums[0] + sums[1])
        for (top, bottom), mine, total, sign in zip(sides, own, sums, (-1.0, 1.0), strict=True):
            plain += sign * (top - mine * bottom) * (self.total / total)
            pooled += sign * (top - both * bottom) * (2.0 * self.total / (sums[0] + sums[1]))
        return plain, pooled

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        top, bottom = self._side(look, self.pair[at], self.numbers[at])
        found: HostArray = (top - self.values[1 - at] * bottom) / self._bottom(self.numbers[at])
        return found

    def _side(self, look: RowLook, place: int, numbers: LabelNumbers) -> tuple[HostArray, HostArray]:
        """What each row adds to either sum (n,)."""
        hit, true, said = (part.astype(np.float64) for part in look.sizes(place))
        kept = np.asarray(numbers.counted.kept)
        if self.name.base not in HAMMING:
            top, bottom = ratio_of(self.name.base, *self.name.arguments)
            margins = Margins(hit, true, said, look.counted(kept).astype(np.float64))
            return top.of(margins), bottom.of(margins)
        cells = look.counted(np.ones(look.labels, bool)).astype(np.float64)
        wrong = true + said - 2.0 * hit
        return (wrong if self.name.base == "hamming_loss" else cells - wrong), cells

    def _bottom(self, numbers: LabelNumbers) -> float:
        if self.name.base in HAMMING:
            return float(numbers.margins.n.sum())
        kept = np.asarray(numbers.counted.kept)
        bottom = ratio_of(self.name.base, *self.name.arguments).bottom
        return float(bottom.of(numbers.margins.each(lambda part: part[kept])).sum())


class OverLabels(_Ratio):
    """A mean over labels, each of them a ratio of its own cells; one that is 0/0 counts as 0."""

    def terms(self, look: RowLook) -> tuple[HostArray, HostArray]:
        """Both sets of terms (n,), the first less its mean."""
        codes, total = look.codes(self.pair), np.zeros((2, look.rows))
        for label, code in enumerate(codes):
            total += self._tables[:, label].take(code, axis=1)
        return total[0], total[1]

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        (top, bottom), weight = self._marks[at], self._weights[at]
        mine, size = self._own[at], self._own[2 + at]
        table = _over(weight, size)[:, None] * (top - mine[:, None] * bottom)
        if self.name.average == "weighted":
            moved = (mine - (weight * mine).sum()) / float(self.numbers[0].margins.support.sum())
            table = table + moved[:, None] * (np.arange(LEFT_OUT + 1) & 1)
        total = np.zeros(look.rows)
        for label, code in enumerate(look.codes(self.pair)):
            total += table[label].take(code)
        return total

    @cached_property
    def _weights(self) -> tuple[HostArray, HostArray]:
        first, second = (one.weights(self.name.average) for one in self.numbers)
        return first, second

    @cached_property
    def _own(self) -> tuple[HostArray, HostArray, HostArray, HostArray]:
        """The ratio (L,) of either model, and what it is a ratio to."""
        top, bottom = ratio_of(self.name.base, *self.name.arguments)
        found = [(top.of(one.margins), bottom.of(one.margins)) for one in self.numbers]
        (one, first), (other, second) = found
        return _over(one, first), _over(other, second), first, second

    @cached_property
    def _marks(self) -> tuple[tuple[HostArray, HostArray], tuple[HostArray, HostArray]]:
        """What a cell of each code (9,) adds to either sum of either model."""
        top, bottom = ratio_of(self.name.base, *self.name.arguments)
        code = np.arange(LEFT_OUT + 1)
        true, counts = (code & 1).astype(np.float64), (code < LEFT_OUT).astype(np.float64)
        sides = []
        for bit in (2, 4):
            said = (code & bit > 0).astype(np.float64)
            margins = Margins(true * said, true, said, counts)
            sides.append((top.of(margins), bottom.of(margins)))
        return sides[0], sides[1]

    @cached_property
    def _parts(self) -> HostArray:
        """Both sets of terms of a cell, by label and code (2, L, 9), where the weights of labels are known."""
        *own, first, second = self._own
        plain, pooled = (np.zeros((len(first), LEFT_OUT + 1)) for _ in range(2))
        both = _over(own[0] * first + own[1] * second, first + second)
        sides = zip(self._marks, own, (first, second), self._weights, (-1.0, 1.0), strict=True)
        for (top, bottom), mine, size, weight, sign in sides:
            slope = sign * self.total * weight
            plain += _over(slope, size)[:, None] * (top - mine[:, None] * bottom)
            pooled += _over(2.0 * slope, first + second)[:, None] * (top - both[:, None] * bottom)
        return np.stack([plain, pooled])

    @cached_property
    def _tables(self) -> HostArray:
        """The same; weights by support are uncertain, too."""
        if self.name.average != "weighted":
            return self._parts
        one, other, *_ = self._own
        moved = (other - (self._weights[1] * other).sum()) - (one - (self._weights[0] * one).sum())
        true = np.arange(LEFT_OUT + 1) & 1
        support = float(self.numbers[0].margins.support.sum())
        found: HostArray = self._parts + moved[:, None] * true * (self.total / support)
        return found

    def unseen(self, joint: HostArray, confidence: Confidence) -> tuple[float, float]:
        """How far labels without any scatter may lie apart unseen, and those of them that are seen to lie apart."""
        one, other, first, second = self._own
        weight = np.maximum(*self._weights)
        held = np.stack([(joint * (bottom != 0.0)).sum(axis=1) for _, bottom in self._marks]).min(axis=0)
        rows = (held / self.numbers[0].mean_weight).tolist()
        reach = weight * np.array([none_of(each, confidence.critical) for each in rows])
        least = _over(_ROUNDING * (self.total * weight) ** 2, np.maximum(first, second))
        plain, pooled = ((joint * table * table).sum(axis=1) <= least for table in self._parts)
        apart = one != other
        certain, unproven = np.where(plain, reach * (1.0 + apart), 0.0), np.where(pooled & apart, reach, 0.0)
        return sqrt(float((certain**2).sum())), sqrt(float((unproven**2).sum()))


def _over(top: HostArray, bottom: HostArray) -> HostArray:
    """The quotient, 0 where there is nothing to divide by."""
    found: HostArray = np.where(bottom > 0.0, top / np.where(bottom > 0.0, bottom, 1.0), 0.0)
    return found
