"""How far the probabilities of labels can be believed: the difference of two models in their calibration error.

As in a report, the table of bins says how sure the error of one model is. How far those of two go up and down together
is the correlation of what rows do to them: each cell of a row by the bin of its label that its probability is in. That
also tells how the errors of several labels go together, which a report does not know.

Source: Zou 2007, Toward using confidence intervals to compare correlations.
"""

from __future__ import annotations

from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import Contrast, scored_of
from evalcli.metrics.calibration import bin_places, rounded_edges, stored_confidence
from evalcli.metrics.registry import class_index
from evalcli.multilabel.intervals import tables
from evalcli.uncertainty.bindifference import calibration_difference
from evalcli.uncertainty.bins import calibration_interval, gap_variances
from evalcli.uncertainty.binslopes import BinSlopes, bin_slopes
from evalcli.uncertainty.paired import products

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence, Interval


class OfBins(Contrast):
    """The calibration error of one label, or the mean over all."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds to either and the product, then the squares of what it adds in each label."""
        return 3 + 2 * len(self._places)

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        first, second = self._added(look)
        return np.concatenate([products(_total(first), _total(second)), first * first, second * second])

    def moves(self, look: RowLook, powers: HostArray) -> HostArray:
        """What each row adds to the difference (n,), times its weight."""
        del powers
        first, second = map(_total, self._added(look))
        return second - first

    def _added(self, look: RowLook) -> list[HostArray]:
        """What each row adds to either error in each label (K, n), times its weight."""
        found = [self._of(look, *each) for each in zip(self.pair, self._slopes, self.numbers, strict=True)]
        return found if look.weight is None else [each * look.weight for each in found]

    def _of(self, look: RowLook, place: int, slopes: BinSlopes, numbers: LabelNumbers) -> HostArray:
        form, bins = scored_of(numbers).form, slopes.row.shape[-1]
        edges, every = rounded_edges(bins, form), np.zeros((len(self._places), look.rows))
        for number, label in enumerate(self._places):
            positive = look.positives(place)[label]
            places = bin_places(stored_confidence(positive, form), edges)
            added = slopes.at(places + number * bins, positive, look.true[label])
            every[number] = added if look.kept is None else np.where(look.kept[label], added, 0.0)
        return every

    @cached_property
    def _places(self) -> list[int]:
        """The labels that it is of."""
        labels = self.numbers[0].counted.labels
        return [*range(len(labels))] if self.name.label is None else [class_index(self.name, None, labels)]

    @cached_property
    def _slopes(self) -> list[BinSlopes]:
        """Those of the labels' bins (K, B), of either model."""
        return [
            bin_slopes(self.name.base, table, one.mean_weight)
            for table, one in zip(self._tables, self.numbers, strict=True)
        ]

    @cached_property
    def _tables(self) -> list[BinTable]:
        """The bins (K, B), of either model."""
        every = [scored_of(one).sums.bins for one in self.numbers]
        return every if self.name.label is None else [tables(table)[self._places[0]] for table in every]

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        labels, (second, first) = len(self._places), self.values
        squares = np.array(sums[3:]).reshape(2, labels)
        one, other = (self._interval(at, sums[2 * at], squares[at], confidence) for at in range(2))
        errors = [
            max(each.width / 2.0 / confidence.critical, sqrt(square))
            for each, square in ((one, sums[0]), (other, sums[2]))
        ]
        correlation = min(max(sums[1] / (errors[0] * errors[1]), -1.0), 1.0) if min(errors) > 0.0 else 0.0
        correlation *= self._rows / (self._rows + self._drawn)
        return calibration_difference(second, other, first, one, confidence, correlation)

    def _interval(self, at: int, square: float, squares: HostArray, confidence: Confidence) -> Interval:
        """That of one of the two, from the squares of what rows add to it, and to it in each label (K,).

        Gaps whose sign is in doubt vary beyond what rows add to them; that part labels do not have in common.
        """
        table, mean_weight = self._tables[at], self.numbers[at].mean_weight
        alone = np.maximum(gap_variances(table, mean_weight) / len(squares) ** 2, squares)
        whole, worst = square + float((alone - squares).sum()), float(np.sqrt(alone).sum()) ** 2
        share = min(whole / worst, 1.0) if worst > 0.0 else 1.0
        share = (share * self._rows + self._drawn) / (self._rows + self._drawn)
        return calibration_interval(table, confidence, mean_weight, sqrt(share))

    @property
    def _rows(self) -> float:
        """How many rows of equal weight tell as much."""
        return self.total / self.numbers[0].mean_weight

    @property
    def _drawn(self) -> float:
        """Rows that speak against all that is seen of labels and of models: two in every bin."""
        return 2.0 * float(self._tables[0].n.shape[-1])


def _total(every: HostArray) -> HostArray:
    """The sum over labels (n,) of what rows add in each (K, n), label by label."""
    total = np.zeros(every.shape[1])
    for of_label in every:
        total += of_label
    return total
