"""A sample of rows with the scores of all their labels: how the ranks of labels go together.

What is kept of each label's ranking does not say which labels are wrong about the same rows. A few hundred rows tell
it: those whose content has the lowest hash, as for a temperature, so that no batch, worker or order shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.arrays import distinct
from evalcli.metrics.label_ranks import ScoreCells, ScoreCellState
from evalcli.metrics.temperature import LowestHashes, mix

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

MOST_LABELS = 128
"""Beyond this many too few rows would fit."""
_MOST_ROWS = 512
_MOST_CELLS = 1 << 14


class SampledRows(NamedTuple):
    """Different rows: ``scores`` (K, L), ``target`` (K, L) of 1, 0 and −1, and how often each was seen (K,)."""

    scores: HostArray
    target: HostArray
    counts: HostArray


class LabelSample(ScoreCellState):
    """At most 512 rows, and at most 2^14 cells.

    >>> state = LabelSample(2)
    >>> state.update(np.array([[0.75, 0.5], [0.75, 0.5]]), np.array([[1, 0], [1, 0]]))
    >>> state.compute()
    SampledRows(scores=array([[0.75, 0.5 ]]), target=array([[1., 0.]]), counts=array([2]))
    """

    sample: LowestHashes

    def __init__(self, num_labels: int) -> None:
        super().__init__(num_labels)
        self._capacity = min(_MOST_ROWS, _MOST_CELLS // num_labels)
        self.add_state("sample", LowestHashes(self._capacity, 2 * num_labels))

    def _count(self, cells: ScoreCells) -> None:
        hashes = _hashes(cells)
        where = np.flatnonzero(hashes <= np.uint64(self.sample.limit))
        if len(where) > self._capacity:  # at most so many different ones of a batch can be among the lowest
            where = where[hashes[where] <= distinct(hashes[where])[: self._capacity][-1]]
        if not len(where):
            return
        content = np.concatenate([cells.scores[:, where], cells.target[:, where]]).T.astype(np.float64) + 0.0
        counts = np.ones(len(where), np.int64) if cells.repeats is None else cells.repeats[where]
        self.sample.add(hashes[where], np.ascontiguousarray(content), counts)

    def compute(self) -> SampledRows:
        """The rows so far."""
        _, content, counts = self.sample.kept
        return SampledRows(content[:, : self.labels], content[:, self.labels :], counts)


def _hashes(cells: ScoreCells) -> HostArray:
    """A hash of each row (N,) uint64, by the bits of its scores and by its labels."""
    hashes = np.zeros(cells.scores.shape[1], np.uint64)
    factors = 2 * np.arange(1, 2 * len(cells.scores) + 1, dtype=np.uint64) + np.uint64(1)
    mix(factors)
    for place, (scores, target) in enumerate(zip(cells.scores, cells.target, strict=True)):
        hashes += (scores.astype(np.float64) + 0.0).view(np.uint64) * factors[2 * place]
        hashes += target.astype(np.int64).view(np.uint64) * factors[2 * place + 1]
    mix(hashes)
    return hashes
