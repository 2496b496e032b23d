"""How far the probabilities of labels can be believed: the difference of two models in their calibration error.

A report says how sure the error of one model is. How far those of two go up and down together is the correlation of
what rows do to them: each cell of a row by the bin of its label that its probability lies in.

Source: Zou 2007, Toward using confidence intervals to compare correlations.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import Contrast, scored_of
from evalcli.metrics.calibration import bin_places, rounded_edges, stored_confidence
from evalcli.metrics.registry import class_index
from evalcli.multilabel.intervals import Intervals, tables
from evalcli.report import Value
from evalcli.uncertainty.binslopes import BinSlopes, bin_slopes
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import correlation_of, products

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence


class OfBins(Contrast):
    """The calibration error of one label, or the mean over all."""

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
        """What each row (n,) adds to either error, times its weight."""
        found = [self._of(look, *each) for each in zip(self.pair, self._slopes, self.numbers, strict=True)]
        return found if look.weight is None else [each * look.weight for each in found]

    def _of(self, look: RowLook, place: int, slopes: BinSlopes, numbers: LabelNumbers) -> HostArray:
        form, bins = scored_of(numbers).form, slopes.row.shape[-1]
        edges, total = rounded_edges(bins, form), np.zeros(look.rows)
        for number, label in enumerate(self._places):
            positive = look.positives(place)[label]
            places = bin_places(stored_confidence(positive, form), edges)
            added = slopes.at(places + number * bins, positive, look.true[label])
            total += added if look.kept is None else np.where(look.kept[label], added, 0.0)
        return total

    @cached_property
    def _places(self) -> list[int]:
        """The labels that it is of."""
        labels = self.numbers[0].counted.labels
        return [*range(len(labels))] if self.name.label is None else [class_index(self.name, None, labels)]

    @cached_property
    def _slopes(self) -> list[BinSlopes]:
        """Those of the labels' bins (K, B), of either model."""
        found = []
        for one in self.numbers:
            table = scored_of(one).sums.bins
            own = table if self.name.label is None else tables(table)[self._places[0]]
            found.append(bin_slopes(self.name.base, own, one.mean_weight))
        return found

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        one, other = (self._interval(numbers, confidence) for numbers in self.numbers)
        second, first = self.values
        correlation = correlation_of(sums, self.total / self.numbers[0].mean_weight)
        return mover(second, other, first, one, confidence, correlation)

    def _interval(self, numbers: LabelNumbers, confidence: Confidence) -> Interval:
        value = Value(float(numbers.value(self.name).value))
        found = Intervals(numbers.counted, numbers.scored, confidence, None, numbers.mean_weight).of(self.name, value)
        assert found.low is not None
        assert found.high is not None
        return Interval(found.low, found.high, found.method or "")
