"""Several labels a row of two models, by group of clusters: the joint cells of each label, and of whole rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.clusters import KnownClusters, PairClusters
from evalcli.comparing.label_rows import LEFT_OUT
from evalcli.metrics.exact import ExactSum

if TYPE_CHECKING:
    from evalcli.comparing.label_rows import RowLook
    from evalcli.metrics.arrays import HostArray

_CODES = LEFT_OUT + 1


class LabelClusters:
    """Rows, or their weights, by label and code, with a last label for whole rows: what every group has of each."""

    travels = ("_counts", "_sums")

    def __init__(self, clusters: KnownClusters, labels: int, *, weighted: bool) -> None:
        self.clusters, self._labels = clusters, labels
        cells = clusters.groups * _CODES
        self._counts = np.zeros((0 if weighted else labels + 1, cells), np.int64)
        self._sums = [ExactSum(cells) for _ in range(labels + 1 if weighted else 0)]

    def update(self, look: RowLook, pair: tuple[int, int], groups: HostArray) -> None:
        """Take in the rows of a batch, in these ``groups`` (n,)."""
        first, second = (look.right(place).astype(np.int64) for place in pair)
        for label, codes in enumerate([*look.codes(pair), 1 + 2 * first + 4 * second]):
            cells = groups * _CODES + codes
            if look.weight is not None:
                self._sums[label].add(look.weight, cells)
            else:
                self._counts[label] += np.bincount(cells, minlength=self._counts.shape[1])

    def merge(self, other: LabelClusters) -> None:
        """Take in what another has counted."""
        self._counts += other._counts
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            mine.merge(theirs)

    def of(self, place: int | None) -> PairClusters:
        """Those of one label, or of whole rows."""
        label = self._labels if place is None else place
        amounts = self._sums[label].value() if self._sums else self._counts[label].astype(np.float64)
        group, code = np.divmod(np.arange(len(amounts)), _CODES)
        held = (amounts > 0) & (code < LEFT_OUT)
        code = code[held]
        return PairClusters(self.clusters, group[held], code & 1, code >> 1 & 1, code >> 2 & 1, amounts[held])
