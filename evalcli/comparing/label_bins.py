"""How far the probabilities of labels can be believed: the difference of two models in their calibration error.

As of two or more classes (``surprises``), the tables of bins say how surprising either error is, and what rows do to
both how far the two go up and down together, and the errors of several labels: each cell of a row by the bin of its
label that its probability is in.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import Contrast, scored_of
from evalcli.metrics.calibration import bin_places, rounded_edges, stored_confidence
from evalcli.metrics.registry import class_index
from evalcli.multilabel.intervals import tables
from evalcli.uncertainty.binslopes import BinSlopes, bin_slopes
from evalcli.uncertainty.paired import products
from evalcli.uncertainty.surprises import Seen, bins_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence


class OfBins(Contrast):
    """The calibration error of one label, or the mean over all."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds to either error and the product, in the middle."""
        return 3

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        return products(*map(_total, self._added(look)))

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
        first, second = (
            Seen(table, one.mean_weight, square)
            for table, one, square in zip(self._tables, self.numbers, sums[::2], strict=True)
        )
        return bins_difference(self.name.base, first, second, sums, confidence, self.span)


def _total(every: HostArray) -> HostArray:
    """The sum over labels (n,) of what rows add in each (K, n), label by label."""
    total = np.zeros(every.shape[1])
    for of_label in every:
        total += of_label
    return total
