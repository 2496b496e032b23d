"""A sample of rows with the scores of all their columns: how the ranks of classes, or of labels, go together.

What is kept of each column's ranking does not say which columns are wrong about the same rows. A few hundred rows tell
it: those whose content has the lowest hash, as for a temperature, so that no batch, worker or order shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, asnumpy, distinct
from evalcli.metrics.base import Metric
from evalcli.metrics.temperature import LowestHashes, mix, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray

MOST_LABELS = 128
"""Beyond this many too few rows of labels would fit."""
MOST_CLASSES = 1 << 12
"""The same of classes, which have one sample for all slices."""
LABEL_CELLS = 1 << 14
_CELLS = 1 << 19
_MOST_ROWS = 512


class SampledRows(NamedTuple):
    """Different rows: ``scores`` (K, C), ``target`` (K, C) of 1, 0 and −1, and Σw² of those like each, (K,)."""

    scores: HostArray
    target: HostArray
    squares: HostArray


class RankSample(Metric):
    """At most 512 rows, and at most so many ``cells``, of scores (N, C) and target: (N,) classes, or (N, C) ``labels``.

    >>> state = RankSample(2, labels=True)
    >>> state.update(np.array([[0.75, 0.5], [0.75, 0.5]]), np.array([[1, 0], [1, 0]]))
    >>> state.compute()
    SampledRows(scores=array([[0.75, 0.5 ]]), target=array([[1, 0]], dtype=int8), squares=array([2.]))
    """

    rows: int
    sample: LowestHashes

    def __init__(self, columns: int, *, labels: bool = False, weighted: bool = False, cells: int = _CELLS) -> None:
        super().__init__()
        self.columns, self.labels, self.weighted = columns, labels, weighted
        self.targets = columns if labels else 1
        self._capacity = max(min(_MOST_ROWS, cells // columns), 1)
        self.add_state("rows", 0)
        self.add_state("sample", LowestHashes(self._capacity, columns + self.targets + weighted))

    def update(
        self,
        scores: Array,
        target: Array,
        weight: Array | None = None,
        repeats: Array | None = None,
        hashes: HostArray | None = None,
    ) -> None:
        """Take in scores (N, C) and target; ``weight`` and ``repeats`` are one per row, as are known ``hashes``.

        Raises: ``InputError`` for shapes that do not fit.
        """
        columns, truth = asnumpy(scores).T, np.atleast_2d(asnumpy(target).T)
        if columns.shape[0] != self.columns or truth.shape != (self.targets, columns.shape[1]):
            what = f"scores have the shape {columns.shape[::-1]}, targets {truth.shape[::-1]}"
            raise InputError(what, fix=f"give {self.columns} scores for each target")
        amounts = (None if each is None else asnumpy(each) for each in (weight, repeats))
        self.take(columns, truth, *amounts, hashes=hashes)

    def take(
        self,
        scores: HostArray,
        target: HostArray,
        weight: HostArray | None = None,
        repeats: HostArray | None = None,
        *,
        hashes: HostArray | None = None,
    ) -> None:
        """The same of columns (C, N), and target (1, N) or (C, N)."""
        size = scores.shape[1]
        self.rows += size if repeats is None else int(repeats.sum())
        if self.weighted and weight is None:
            weight = np.ones(size)
        hashes = _hashes(scores, target, weight) if hashes is None else hashes
        where = np.flatnonzero(hashes <= np.uint64(self.sample.limit))
        if len(where) > self._capacity:  # at most so many different ones of a batch can be among the lowest
            where = where[hashes[where] <= distinct(hashes[where])[: self._capacity][-1]]
        if not len(where):
            return
        parts = [scores[:, where], target[:, where], *([] if weight is None else [weight[None, where]])]
        if self.labels:  # a cell that does not count may be no number
            parts[0] = np.where(parts[1] >= 0, parts[0], 0.0)
        content = np.concatenate([part.astype(np.float64) for part in parts]).T + 0.0
        counts = np.ones(len(where), np.int64) if repeats is None else repeats[where].astype(np.int64)
        self.sample.add(hashes[where], np.ascontiguousarray(content), counts)

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has seen.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if self._setup() != other._setup():
            raise ValueError("samples of different columns or weighting cannot merge")
        return super().merge(other)

    def _setup(self) -> tuple[Any, ...]:
        return self.columns, self.labels, self.weighted, self._capacity

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        super().load_state_dict(state)
        target, weight = np.split(self.sample.kept.content[:, self.columns :], [self.targets], axis=1)
        least, most = (-1, 1) if self.labels else (0, self.columns - 1)
        if not ((target >= least) & (target <= most) & (target == np.floor(target))).all():
            raise ValueError("the saved sample has targets that are none")
        if not ((weight >= 0) & np.isfinite(weight)).all():
            raise ValueError("the saved sample has weights that are no weights")

    def compute(self) -> SampledRows:
        """The rows so far."""
        _, content, counts = self.sample.kept
        scores, target, weight = np.split(content, [self.columns, self.columns + self.targets], axis=1)
        if not self.labels:
            target = target == np.arange(self.columns)
        return SampledRows(scores, target.astype(np.int8), counts * (weight[:, 0] ** 2 if self.weighted else 1.0))


def _hashes(scores: HostArray, target: HostArray, weight: HostArray | None) -> HostArray:
    """A hash of each row (N,) uint64, by the bits of its scores, by its target and its weight."""
    hashes = np.zeros(scores.shape[1], np.uint64)
    parts = [*scores, *target, *([] if weight is None else [weight])]
    factors = 2 * np.arange(1, len(parts) + 1, dtype=np.uint64) + np.uint64(1)
    mix(factors)
    for factor, part in zip(factors, parts, strict=True):
        hashes += spread(part) * factor
    mix(hashes)
    return hashes
