"""What is read off the curve of one label, or of all cells: a distance, a part of an area, an operating point.

As in a report, the ranking says how sure the number of one model is; of all cells, how closely those of a row go
together says how many fewer tell as much. How far the numbers of two models go up and down together is the correlation
of what rows do to them.

Source: Zou 2007, Toward using confidence intervals to compare correlations.
"""

from __future__ import annotations

from functools import cached_property, partial
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import OfEither, over_labels
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import correlation_of, products
from evalcli.uncertainty.rankinfluences import RowInfluence
from evalcli.uncertainty.readoff import read_off_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence


class OfCurve(OfEither):
    """A number of the curve of one label, or of all cells."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds to either and the product in the middle, and the squares of what cells add."""
        return 5

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        every = self.added(look)
        squares = [over_labels(each * each) for each in every]
        return np.concatenate([products(*map(over_labels, every)), squares])

    def influence(self, look: RowLook, at: int) -> HostArray:
        """What the cells of each row add to the number of one of the two (K, n)."""
        one, model = self._influences[at], self.pair[at]
        return np.stack([look.influence(one, model, place, pooled=self._pooled) for place in self.places])

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        one, other = (self._interval(at, confidence, sums[2 * at], sums[3 + at]) for at in range(2))
        correlation = correlation_of(sums[:3], self.total / self.numbers[0].mean_weight)
        error = sqrt(max(sums[0] - 2.0 * sums[1] + sums[2], 0.0))
        second, first = self.values
        return mover(second, other, first, one, confidence, correlation, error)

    def _interval(self, at: int, confidence: Confidence, rows: float, cells: float) -> Interval:
        """That of one of the two, from the squares of what rows add to it, and of what their cells do."""
        name, ranking, numbers = self.name, self._rankings[at], self.numbers[at]
        exact, weight = numbers.value(name), numbers.mean_weight * (rows / cells if min(rows, cells) > 0.0 else 1.0)
        found = read_off_interval(name.base, exact, ranking, confidence, *name.arguments, mean_weight=weight)
        return Interval(0.0, 1.0, "score") if found is None else found

    @property
    def _pooled(self) -> bool:
        return self.name.average == "micro"

    @cached_property
    def _rankings(self) -> list[Ranking]:
        """That of the label or of all cells, of either model."""
        return [one.rankings(pooled=self._pooled)[self.places[0]] for one in self.numbers]

    @cached_property
    def _influences(self) -> list[RowInfluence]:
        of = partial(RowInfluence.of, self.name.base)
        weights = (one.mean_weight for one in self.numbers)
        return [
            of(ranking, *self.name.arguments, mean_weight=weight)
            for ranking, weight in zip(self._rankings, weights, strict=True)
        ]
