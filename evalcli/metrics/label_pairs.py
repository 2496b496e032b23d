"""Which label is predicted where another one is missed: the nearest that several labels a row have to confusions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import LimitError
from evalcli.metrics.arrays import asnumpy, is_host, like
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.multilabel import CellState, LabelCells

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

MOST_LABELS = 1024
"""Beyond this many labels the table of pairs would be larger than the rows."""
_CHUNK = 1 << 14
"""Rows a product: sums of that many weights' limbs, and counts far beyond it, are exact in float64."""


class Pairs(NamedTuple):
    """The pairs that occur (K,): the label ``missed``, the label ``said`` in the same row, and in how many rows."""

    missed: HostArray
    said: HostArray
    counts: HostArray


class LabelPairs(CellState):
    """Rows where one label is true and not predicted, and another predicted and not true, by pair. Memory O(L²).

    >>> state = LabelPairs(num_labels=2)
    >>> state.update(np.array([[1, 0], [1, 0]]), np.array([[0, 1], [1, 1]]))
    >>> state.compute()
    Pairs(missed=array([1]), said=array([0]), counts=array([1]))
    """

    table: Any

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__(num_labels, weighted=weighted)
        if num_labels > MOST_LABELS:
            raise LimitError(f"{num_labels} labels are too many to pair", fix=f"give at most {MOST_LABELS}")
        size = num_labels**2
        self.add_state("table", ExactSum(size) if weighted else np.zeros(size, np.int64))

    def _count(self, cells: LabelCells) -> None:
        missed, wrong = cells.true & ~cells.said, cells.said & ~cells.true
        if isinstance(self.table, ExactSum):
            self._weigh(asnumpy(missed), asnumpy(wrong), cells)
        elif cells.repeats is not None:
            counts = (asnumpy(missed) * cells.repeats) @ asnumpy(wrong).T.astype(np.int64)
            self.table = self.table + like(counts.reshape(-1), self.table)
        elif is_host(missed):
            self.table = self.table + like(_both(missed, wrong).reshape(-1), self.table)
        else:
            held = like(self.table, missed) if is_host(self.table) else self.table
            counts = missed.float() @ wrong.float().T  # exact below 2^24 rows
            self.table = held + like(counts.long().reshape(-1), held)

    def _weigh(self, missed: HostArray, wrong: HostArray, cells: LabelCells) -> None:
        """Rows at fault on both sides only: one sum for each of their pairs."""
        assert cells.weight is not None
        rows = np.flatnonzero(missed.any(axis=0) & wrong.any(axis=0))
        step = max(_CHUNK // self.labels, 1)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            first, second, row = np.nonzero(missed[:, None, part] & wrong[None, :, part])
            repeats = None if cells.repeats is None else cells.repeats[part[row]]
            self.table.add(cells.weight[part[row]], first * self.labels + second, repeats)

    def compute(self) -> Pairs:
        """The pairs so far, in the order of the labels."""
        table = self.table.value() if isinstance(self.table, ExactSum) else asnumpy(self.table)
        held = np.flatnonzero(table)
        return Pairs(held // self.labels, held % self.labels, table[held])


def _both(missed: HostArray, wrong: HostArray) -> HostArray:
    """How many rows hold each pair of two tables (L, N) bool: (L, L).

    Eight rows a byte: as fast as a product of matrices, whose threads would get in the way of the workers.
    """
    packed = [np.packbits(side, axis=1) for side in (missed, wrong)]
    return np.array([np.bitwise_count(packed[1] & row).sum(axis=1, dtype=np.int64) for row in packed[0]])
