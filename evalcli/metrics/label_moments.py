"""How the cells of labels go together: what a mean over labels needs to know of how far it varies.

Of each label three marks are looked at: true and predicted, true, predicted. The table counts the rows that have both
of two marks, of all pairs of them. A mean over labels of any metric of counts moves with one more row by a sum of such
marks, each times its slope; so its variance is that table between two vectors of slopes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.arrays import asnumpy, is_host, like, namespace
from evalcli.metrics.multilabel import CellState

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.multilabel import LabelCells

MOST_LABELS = 32
"""Beyond this many a row would cost more to look at than to evaluate."""
_EXACT = 1 << 23
_CHUNK = 1 << 17
"""Rows looked at together: their marks, a bit each, stay in a core's own cache."""


class LabelMoments(CellState):
    """Rows that have both of two marks, ``tp``, ``true`` and ``said`` of each label. Memory O(L²); rows are counted.

    >>> state = LabelMoments(num_labels=1)
    >>> state.update(np.array([[1], [1], [0]]), np.array([[1], [0], [1]]))
    >>> state.compute().tolist()
    [[1, 1, 1], [1, 2, 1], [1, 1, 2]]
    """

    table: Any

    def __init__(self, num_labels: int) -> None:
        super().__init__(num_labels)
        self.add_state("table", np.zeros((3 * num_labels, 3 * num_labels), np.int64))

    def _count(self, cells: LabelCells) -> None:
        if not is_host(cells.true) and cells.repeats is None:
            self._count_there(cells)
            return
        true, said = asnumpy(cells.true), asnumpy(cells.said)
        marks = np.concatenate([true & said, true, said])
        if cells.repeats is not None:
            self.table = self.table + (marks * cells.repeats) @ marks.T.astype(np.int64)
            return
        for start in range(0, marks.shape[1], _CHUNK):
            self.table = self.table + _both(_packed(marks[:, start : start + _CHUNK]))

    def _count_there(self, cells: LabelCells) -> None:
        """The same on a device: products of 0 and 1 in float32, exact below 2^24 rows."""
        held = like(self.table, cells.true) if is_host(self.table) else self.table
        for start in range(0, cells.true.shape[1], _EXACT):
            part = slice(start, start + _EXACT)
            true, said = cells.true[:, part], cells.said[:, part]
            marks = namespace(true).concat([true & said, true, said]).float()
            held = held + (marks @ marks.T).long()
        self.table = held

    def compute(self) -> HostArray:
        """The table so far: (3L, 3L) int64, marks by kind and label."""
        table: HostArray = asnumpy(self.table)
        return table


def _packed(marks: HostArray) -> HostArray:
    """``marks`` (M, N) bool as bits, 64 rows a number: (M, W) uint64."""
    packed = np.packbits(marks, axis=1)
    wide = np.zeros((len(marks), -(-packed.shape[1] // 8) * 8), np.uint8)
    wide[:, : packed.shape[1]] = packed
    return wide.view(np.uint64)


def _both(packed: HostArray) -> HostArray:
    """Of each two marks (M, W) the rows that have both: (M, M) int64."""
    counts = np.empty((len(packed), len(packed)), np.int64)
    for place, mark in enumerate(packed):
        counts[place, place:] = np.bitwise_count(mark & packed[place:]).sum(axis=1, dtype=np.int64)
        counts[place:, place] = counts[place, place:]
    return counts
