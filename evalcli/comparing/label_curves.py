"""What is read off the curve of one label: a distance, a part of an area, an operating point.

As in a report, the ranking says how sure the number of one model is. How far those of two go up and down together is
the correlation of what rows do to them.

Source: Zou 2007, Toward using confidence intervals to compare correlations.
"""

from __future__ import annotations

from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

from evalcli.comparing.label_contrasts import Contrast, scored_of
from evalcli.comparing.label_rows import influence_of
from evalcli.metrics.registry import class_index
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import correlation_of, products
from evalcli.uncertainty.readoff import read_off_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.paired import RowInfluence


class OfCurve(Contrast):
    """A number of the curve of one label."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds to either, and the product."""
        return 3

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        return products(*self._added(look))

    def moves(self, look: RowLook, powers: HostArray) -> HostArray:
        """What each row adds to the difference (n,), times its weight."""
        del powers
        first, second = self._added(look)
        return second - first

    def _added(self, look: RowLook) -> list[HostArray]:
        """What each row adds to either (n,), times its weight."""
        found = [
            look.influence(one, model, self._place, pooled=False)
            for one, model in zip(self._influences, self.pair, strict=True)
        ]
        return found if look.weight is None else [each * look.weight for each in found]

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        one, other = (
            self._interval(numbers, ranking, confidence)
            for numbers, ranking in zip(self.numbers, self._rankings, strict=True)
        )
        correlation = correlation_of(sums, self.total / self.numbers[0].mean_weight)
        error = sqrt(max(sums[0] - 2.0 * sums[1] + sums[2], 0.0))
        second, first = self.values
        return mover(second, other, first, one, confidence, correlation, error)

    def _interval(self, numbers: LabelNumbers, ranking: Ranking, confidence: Confidence) -> Interval:
        """That of one of the two."""
        name, exact = self.name, numbers.value(self.name)
        weight = numbers.mean_weight
        found = read_off_interval(name.base, exact, ranking, confidence, *name.arguments, mean_weight=weight)
        return Interval(0.0, 1.0, "score") if found is None else found

    @cached_property
    def _place(self) -> int:
        return class_index(self.name, None, self.numbers[0].counted.labels)

    @cached_property
    def _rankings(self) -> list[Ranking]:
        """That of the label, of either model."""
        return [scored_of(one).rankings[self._place] for one in self.numbers]

    @cached_property
    def _influences(self) -> list[RowInfluence]:
        return [influence_of(self.name, ranking) for ranking in self._rankings]
