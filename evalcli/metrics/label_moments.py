"""How the cells of labels go together: what a mean over labels needs to know of how far it varies.

Of each label three marks are looked at: true and predicted, true, predicted. The table counts the rows that have both
of two marks, of all pairs of them. A mean over labels of any metric of counts moves with one more row by a sum of such
marks, each times its slope; so its variance is that table between two vectors of slopes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.arrays import asnumpy
from evalcli.metrics.multilabel import CellState

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.multilabel import LabelCells

MOST_LABELS = 32
"""Beyond this many a row would cost more to look at than to evaluate."""
_CHUNK = 1 << 13
"""Rows a product: counts up to 2^24 are exact in float32."""


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
        true, said = asnumpy(cells.true), asnumpy(cells.said)
        for start in range(0, true.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            marks = np.concatenate([true[:, part] & said[:, part], true[:, part], said[:, part]])
            if cells.repeats is None:
                wide = marks.astype(np.float32)
                self.table = self.table + (wide @ wide.T).astype(np.int64)
            else:
                self.table = self.table + (marks * cells.repeats[part]) @ marks.T.astype(np.int64)

    def compute(self) -> HostArray:
        """The table so far: (3L, 3L) int64, marks by kind and label."""
        table: HostArray = asnumpy(self.table)
        return table
