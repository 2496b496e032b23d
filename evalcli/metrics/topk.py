"""The rank histogram: one table of C counts gives every top-k accuracy, the mean rank and the reciprocal rank.

The rank of a row is ``#{s > s_y} + #{j < y: s = s_y}``: how many classes come before its target when equal scores
stand in the order of their classes. So top-1 is the share correct, and of constant scores a share k / C at most is in
the first k. ``tied`` rows have a class with the very score of their target; there the order of the classes decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.probability import ProbabilityRows, ScoreForm, columns_of, ranks, score_rows
from evalcli.metrics.scorestate import ProbabilityState, counted

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array, HostArray

_BYTES = 1 << 22


class Ranks(NamedTuple):
    """What the formulas read: ``histogram`` (C,) of ranks from 0, the ``tied`` among them; weighed or counted."""

    histogram: HostArray
    tied: float
    rows: int

    @property
    def n(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.histogram.sum())


class RankHistogram(ProbabilityState):
    """How many classes come before the target, on raw scores: (C,) int64. Memory O(C).

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = RankHistogram(ScoreForm("probs", classes=3))
    >>> state.update(np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), np.array([2, 2]))
    >>> state.compute().histogram.tolist(), topk_accuracy(state.compute(), 2)
    ([1, 1, 0], 1.0)
    """

    histogram: Any
    tied: Any

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        self.add_state("histogram", ExactSum(form.classes) if weighted else np.zeros(form.classes, np.int64))
        self.add_state("tied", ExactSum(1) if weighted else np.zeros(1, np.int64))

    def update(self, scores: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Take in scores (N, C) or (N,) and target (N,); alone, this takes no exponential of them.

        Raises: ``InputError`` for shapes that differ, targets that are no classes and weights that are no weights.
        """
        if self.form.binary or weight is not None or self.weighted:
            return super().update(scores, target, weight, repeats)
        batch = score_rows(scores, target, self.form, None, repeats)
        step = max(1, min(1 << 13, _BYTES // (8 * self.form.classes)))
        none = np.zeros(0)
        for start in range(0, len(batch.target), step):
            part = slice(start, start + step)
            found = ranks(columns_of(batch.scores[part]), batch.target[part])
            times = None if batch.repeats is None else batch.repeats[part]
            target = batch.target[part]
            rows = ProbabilityRows(
                self.form, none, target, none, none, none, none, *found, None, None, weight=None, repeats=times
            )
            self.rows += rows.count
            self.take(rows)
        return None

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        self.histogram = counted(self.histogram, rows, rows.rank)
        if rows.tied.any():
            where = np.flatnonzero(rows.tied)
            self.tied = counted(self.tied, rows, np.zeros(len(where), np.int64), where)

    def compute(self) -> Ranks:
        """The counts so far."""
        if self.weighted:
            return Ranks(self.histogram.value(), float(self.tied), self.rows)
        return Ranks(self.histogram.copy(), float(self.tied[0]), self.rows)


def topk_accuracy(ranks: Ranks, k: int) -> float:
    """``#{rank < k} / n``: the share of rows whose target is among the first k; NaN without rows.

    Source: Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge (top-5).
    """
    found, missed = float(ranks.histogram[:k].sum()), float(ranks.histogram[k:].sum())
    every = found + missed  # all of it where none is missed, which a sum of rounded weights in another order may not be
    return found / every if every > 0 else float("nan")


def mean_rank(ranks: Ranks) -> float:
    """``Σ (rank + 1) / n``: 1 when every target comes first, C when every one comes last; NaN without rows."""
    places = np.arange(1.0, len(ranks.histogram) + 1)
    return _share(float((places * ranks.histogram).sum()), ranks)


def mean_reciprocal_rank(ranks: Ranks) -> float:
    """``Σ 1 / (rank + 1) / n``; NaN without rows.

    Source: Voorhees 1999, The TREC-8 question answering track report.
    """
    places = np.arange(1.0, len(ranks.histogram) + 1)
    return _share(float((ranks.histogram / places).sum()), ranks)


def tied_share(ranks: Ranks) -> float:
    """``tied / n``: the share of rows in which the order of the classes decides; NaN without rows."""
    return _share(ranks.tied, ranks)


def _share(amount: float, ranks: Ranks) -> float:
    return amount / ranks.n if ranks.n > 0 else float("nan")
