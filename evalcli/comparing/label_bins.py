"""How far the probabilities of labels can be believed: the difference of two models in their calibration error.

As of two or more classes (``surprises``), the tables of bins say how surprising either error is, and what rows do to
both how far the two go up and down together, and the errors of several labels: each cell of a row by the bin of its
label that its probability is in.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import OfEither, over_labels, scored_of
from evalcli.metrics.calibration import bin_places, rounded_edges, stored_confidence
from evalcli.multilabel.intervals import tables
from evalcli.uncertainty.binslopes import BinSlopes, bin_slopes
from evalcli.uncertainty.paired import products
from evalcli.uncertainty.surprises import Seen, bins_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence


class OfBins(OfEither):
    """The calibration error of one label, or the mean over all."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds to either error and the product, in the middle."""
        return 3

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        return products(*map(over_labels, self.added(look)))

    def influence(self, look: RowLook, at: int) -> HostArray:
        """What each row adds in each label to the error of one of the two (K, n)."""
        form, slopes = scored_of(self.numbers[at]).form, self._slopes[at]
        bins = slopes.row.shape[-1]
        edges, every = rounded_edges(bins, form), np.zeros((len(self.places), look.rows))
        for number, label in enumerate(self.places):
            positive = look.positives(self.pair[at])[label]
            places = bin_places(stored_confidence(positive, form), edges)
            added = slopes.at(places + number * bins, positive, look.true[label])
            every[number] = added if look.kept is None else np.where(look.kept[label], added, 0.0)
        return every

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
        return every if self.name.label is None else [tables(table)[self.places[0]] for table in every]

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        first, second = (
            Seen(table, one.mean_weight, square)
            for table, one, square in zip(self._tables, self.numbers, sums[::2], strict=True)
        )
        return bins_difference(self.name.base, first, second, sums, confidence)
