"""The ranking state: scores counted by key and class, in one pass and bounded memory.

Binary and multilabel tasks rank on raw scores. A multiclass task ranks each class against the rest on what
``one_vs_rest_scores`` makes of the rows. ``KeyTable.ranking`` gives what the formulas of ``roc`` read.

>>> state = KeyTable()
>>> state.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
>>> auroc(state.ranking())
Certified(value=0.75, low=0.75, high=0.75)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, asnumpy, host_scores
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keyentries import Bins, merged_bins
from evalcli.metrics.keys import key_bits, order_of, scores_of, sort_keys
from evalcli.metrics.labels import label_rows
from evalcli.metrics.odds import one_vs_rest_scores
from evalcli.metrics.roc import (
    UNDEFINED,
    Certified,
    Ranking,
    auroc,
    auroc_variance,
    average_precision,
    ks,
    partial_auroc,
    precision_at_recall,
    recall_at_precision,
    specificity_at_sensitivity,
)
from evalcli.metrics.threads import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.metrics.arrays import HostArray

__all__ = [
    "BUDGET",
    "Certified",
    "KeyTable",
    "Ranking",
    "auroc",
    "auroc_ovo",
    "auroc_variance",
    "average_precision",
    "key_bits",
    "ks",
    "mean_over_columns",
    "one_vs_rest_scores",
    "over_columns",
    "pairwise_auroc",
    "partial_auroc",
    "precision_at_recall",
    "recall_at_precision",
    "specificity_at_sensitivity",
]


BUDGET = 64 << 20
"""Bytes for the entries of all columns, unless told otherwise."""


class KeyTable(Metric):
    """Scores (N,) or (N, C) counted by key and class: each column ranks its positives against its negatives.

    ``bits`` is the width of the keys (``key_bits`` of the scores), ``budget`` the bytes for the entries of all columns
    and the room to sort one; with the rows that wait for it, two to three times as much is in use. With ``pairwise`` a
    column counts every target class apart, for Hand and Till: the same memory shared by more sides, so bins come sooner
    and are wider. Weights are added exactly. It lives on the host.
    """

    rows: int
    squares: ExactSum

    def __init__(
        self,
        columns: int = 1,
        *,
        bits: int = 64,
        budget: int = BUDGET,
        pairwise: bool = False,
        weighted: bool = False,
    ) -> None:
        super().__init__()
        if bits not in (32, 64) or columns < 1 + pairwise or budget < 0:
            raise ValueError(f"no table has {columns} columns, keys of {bits} bits and {budget} bytes")
        self.columns, self.bits, self.budget = columns, bits, budget
        self.pairwise, self.weighted = pairwise, weighted
        self.sides = columns if pairwise else 2
        entry = 2 * bits // 8 + (24 if weighted else 8)  # two keys; a count, or the limbs of a sum
        capacity = budget // (entry * (columns + 1))  # one more than there are: the room to sort one of them in
        self.add_state("rows", 0)
        self.add_state("squares", ExactSum())
        for number in range(columns):
            column = KeyColumn(self.sides, bits, capacity, weighted=weighted)
            self.add_state(f"column{number}", column)

    def column(self, number: int) -> KeyColumn:
        """The rows of one column."""
        column: KeyColumn = getattr(self, f"column{number}")
        return column

    def update(self, preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Count scores (N,) or (N, C) float against a target.

        One column: target (N,) 0 or 1. Several: the class (N,) 0 … C − 1 of each row, or (N, C) cells of 1, 0 and −1
        for a cell that does not count. ``weight`` and ``repeats`` are one per row.

        Raises: ``InputError`` for shapes and targets that do not fit, NaN scores, and weights that are no weights.
        """
        if weight is not None and not self.weighted:
            raise ValueError("KeyTable(weighted=True) counts weights; this one does not")
        scores = preds if len(preds.shape) > 1 else preds.reshape(-1, 1)
        if len(scores.shape) != 2 or scores.shape[1] != self.columns or scores.shape[0] != target.shape[0]:
            raise InputError(
                f"scores have the shape {tuple(preds.shape)}, targets {tuple(target.shape)}",
                fix=f"give {self.columns} scores for each target",
            )
        batch = _Batch.of(scores, target, weight, repeats)
        cells = batch.target.ndim > 1
        if cells and batch.target.shape != tuple(scores.shape):
            what = f"targets have the shape {batch.target.shape}, scores {tuple(scores.shape)}"
            raise InputError(what, fix="give one class for each row, or a cell for each score")
        least, most = (-1, 1) if cells else (0, max(self.columns, 2) - 1)
        if len(batch.target) and not (batch.target.min() >= least and batch.target.max() <= most):
            what = f"targets must lie between {least} and {most}"
            raise InputError(what, fix="number the classes from 0, or mark cells by 1, 0 and -1")
        if cells:
            self.take_cells(scores.T, batch.target.T, batch.weight, batch.repeats)
            return
        self._count_classes(scores, batch)
        self._count_amounts(len(batch.target), batch.weight, batch.repeats)

    def _count_amounts(self, rows: int, weight: HostArray | None, repeats: HostArray | None) -> None:
        self.rows += rows if repeats is None else int(repeats.sum())
        if self.weighted:
            weight = np.ones(rows) if weight is None else weight
            self.squares.add(weight * weight, repeats=repeats)

    def take_cells(
        self, scores: Array, target: HostArray, weight: HostArray | None = None, repeats: HostArray | None = None
    ) -> None:
        """Count a checked batch of cells, each column in a row of its own: ``scores`` and ``target`` are (C, N)."""
        if self.pairwise:
            raise ValueError("pairs of classes need one class per row")
        scores = host_scores(scores)
        kept = target >= 0
        keys = sort_keys(scores if kept.all() else np.where(kept, scores, 0), self.bits)  # the others may be NaN
        for side in (0, 1):
            for number, (column, rows) in enumerate(zip(keys, target == side, strict=True)):
                amounts = (None if part is None else part[rows] for part in (repeats, weight))
                self.column(number).add(side, column[rows], *amounts)
        self._count_amounts(target.shape[1], weight, repeats)

    def _count_classes(self, scores: Array, batch: _Batch) -> None:
        """Count all columns of rows that have one class each, brought together by class."""
        order, ends = rows_by_class(batch.target, max(self.columns, 2))
        repeats, weight = batch.amounts(order)
        for number in range(self.columns):
            keys, column = sort_keys(scores[:, number], self.bits)[order], self.column(number)
            for side, rows in self._blocks(number, ends.tolist()):
                column.add(side, keys[rows], *(None if part is None else part[rows] for part in (repeats, weight)))

    def _blocks(self, number: int, ends: list[int]) -> Iterator[tuple[int, slice]]:
        """Which side of a column each run of rows by class belongs to."""
        if self.pairwise:
            yield from ((side, slice(ends[side], ends[side + 1])) for side in range(self.sides))
            return
        positive = 1 if self.columns == 1 else number
        yield 0, slice(0, ends[positive])
        yield 1, slice(ends[positive], ends[positive + 1])
        yield 0, slice(ends[positive + 1], ends[-1])

    @property
    def exact(self) -> bool:
        """Whether no column has dropped a bit."""
        return all(self.column(number).shift == 0 for number in range(self.columns))

    @property
    def weight_squares(self) -> float:
        """``Σ w²`` over all rows, for intervals."""
        return float(self.squares) if self.weighted else float(self.rows)

    def ranking(self, column: int = 0, against: int | None = None) -> Ranking:
        """One column's positives against its negatives, or, in a pairwise table, against one other class."""
        keys = self.column(column)
        if not self.pairwise:
            return _ranked(keys.bins(1), keys.bins(0), keys.shift)
        others = [side for side in range(self.sides) if side != column] if against is None else [against]
        return _ranked(keys.bins(column), keys.bins_of(others), keys.shift)

    def entries(self, column: int, side: int) -> tuple[HostArray, HostArray]:
        """The least score of each bin of a column that rows of one side lie in (K,), rising, and their amounts (K,)."""
        bins = self.column(column).bins(side)
        return scores_of(bins.least), bins.values()

    def compute(self, workers: int = 1) -> list[Ranking]:
        """The ranking of every column; ``workers`` threads sort what still waits."""
        return each(self.ranking, range(self.columns), workers)

    def pooled(self) -> Ranking:
        """The cells of all columns as one column: every positive cell against every negative one."""
        columns = [self.column(number) for number in range(self.columns)]
        shift = max(column.shift for column in columns)
        pos, neg = (merged_bins([column.bins(side) for column in columns], shift) for side in (1, 0))
        return _ranked(pos, neg, shift)

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        super().load_state_dict(state)
        if self.rows < 0 or self.squares.cells != 1:
            raise ValueError("the saved table has other rows or sums")

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has counted.

        Raises: ``ValueError`` when the two were set up differently.
        """
        names = ("columns", "bits", "budget", "pairwise", "weighted")
        if isinstance(other, KeyTable) and any(getattr(self, name) != getattr(other, name) for name in names):
            raise ValueError("tables of different columns, keys, budgets or weighting cannot merge")
        return super().merge(other)


class _Batch(NamedTuple):
    """A checked batch on the host: ``target`` (N,) or (N, C) int64, and per row what it counts for."""

    target: HostArray
    repeats: HostArray | None
    weight: HostArray | None

    @classmethod
    def of(cls, scores: Array, target: Array, weight: Array | None, repeats: Array | None) -> _Batch:
        """Check the whole numbers and the weights as the counting states do."""
        rows = scores.shape[0]
        flat = label_rows(target, target, None, None).target
        amounts = label_rows(np.zeros(rows, np.int64), np.zeros(rows, np.int64), weight, repeats)
        return cls(asnumpy(flat).reshape(target.shape), amounts.repeats, amounts.weight)

    def amounts(self, rows: Any) -> tuple[HostArray | None, HostArray | None]:
        """Repeats and weights of some rows."""
        repeats, weight = (None if part is None else part[rows] for part in (self.repeats, self.weight))
        return repeats, weight


def rows_by_class(target: HostArray, classes: int) -> tuple[HostArray, HostArray]:
    """The rows (N,) class by class, and where each of the ``classes`` C ends before the next begins (C + 1,).

    >>> order, ends = rows_by_class(np.array([1, 0, 1]), 2)
    >>> order[ends[1] : ends[2]].tolist()
    [0, 2]
    """
    if classes == 2:
        sides = [np.flatnonzero(target == side) for side in (0, 1)]  # sorting takes twice as long
        return np.concatenate(sides), np.cumsum([0, *map(len, sides)])
    order = order_of(target, classes)
    return order, np.searchsorted(target, np.arange(classes + 1), sorter=order)


def _ranked(pos: Bins, neg: Bins, shift: int) -> Ranking:
    """Two sides of a table as segments by falling score.

    A bin that both sides share is one segment, unless all of one side's keys lie above all of the other's: then the
    order is certain, and it becomes two.
    """
    least = np.concatenate([pos.least, neg.least])
    bins = least >> least.dtype.type(shift)
    order = np.argsort(bins, kind="stable")  # two sorted runs: one linear merge
    bins = bins[order]
    both = np.flatnonzero(bins[1:] == bins[:-1])  # the positives' entry; that of the negatives stands behind it
    at_pos, at_neg = order[both], order[both + 1] - len(pos.least)
    pos_least, pos_largest = pos.least[at_pos], pos.largest[at_pos]
    neg_least, neg_largest = neg.least[at_neg], neg.largest[at_neg]
    pos_above, neg_above = pos_least > neg_largest, neg_least > pos_largest
    swapped = both[pos_above]
    order[swapped], order[swapped + 1] = order[swapped + 1], order[swapped]
    shared = np.flatnonzero(~(pos_above | neg_above))
    number = np.ones(len(order), np.int64)
    number[both[shared] + 1] = 0
    np.cumsum(number, out=number)
    size = int(number[-1]) if len(number) else 0
    np.subtract(size, number, out=number)
    place = np.empty_like(number)
    place[order] = number
    places, at_shared = np.split(place, [len(pos.least)]), place[at_pos[shared]]
    score, (mixed, spread) = np.empty(size, least.dtype), np.zeros((2, size), bool)
    for side, at in zip((pos, neg), places, strict=True):
        score[at] = side.least
    score[at_shared] = np.minimum(pos_least, neg_least)[shared]
    if shift:
        spread[places[0]] = pos.least != pos.largest
        mixed[at_shared] = ((pos_least != neg_largest) | (neg_least != pos_largest))[shared]
    amounts = []
    for side, at in zip((pos, neg), places, strict=True):
        values = side.values()
        amounts.append(np.zeros(size, values.dtype))
        amounts[-1][at] = values
    bits = least.dtype.itemsize * 8
    return Ranking(scores_of(score), amounts[0], amounts[1], mixed, spread, shift, bits)


def over_columns(
    formula: Callable[..., Certified], rankings: Sequence[Ranking], *parameter: float, workers: int = 1
) -> Certified:
    """A formula for each of C columns: three arrays (C,)."""
    results = each(lambda ranking: formula(ranking, *parameter), rankings, workers)
    return Certified(*(np.array([result[part] for result in results]) for part in range(3)))


def mean_over_columns(columns: Certified, weight: HostArray | None = None) -> Certified:
    """The mean over the columns (C,) where the metric is defined: plain, or with ``weight`` (C,), as by support.

    Unlike a mean of F1, it leaves undefined columns out: ranking one side against nothing says nothing.
    """
    defined = ~np.isnan(columns.value)
    weight = np.where(defined, 1.0 if weight is None else weight, 0.0)
    total = float(weight.sum())
    if not total > 0:
        return UNDEFINED
    return Certified(*(float((np.where(defined, part, 0.0) * weight).sum()) / total for part in columns))


def pairwise_auroc(state: KeyTable) -> Certified:
    """``A(i|j)`` for every two classes: the AUROC of column i on the rows of class i against those of class j, (C, C).

    NaN on the diagonal and where a class has no rows. The state must be ``pairwise``.
    """
    if not state.pairwise:
        raise ValueError("pairs of classes need KeyTable(pairwise=True)")
    size = state.columns
    table = np.full((3, size, size), np.nan)
    for i in range(size):
        for j in range(size):
            if i != j:
                table[:, i, j] = auroc(state.ranking(i, against=j))
    return Certified(*table)


def auroc_ovo(state: KeyTable) -> Certified:
    """``mean over pairs i < j of ½·(A(i|j) + A(j|i))``, over the pairs of classes that both have rows.

    It takes C·(C − 1) merges of two sides, so it costs O(C·entries) and is only computed when asked for.

    Source: Hand and Till 2001, A simple generalisation of the area under the ROC curve.
    """
    pairs = pairwise_auroc(state)
    return mean_over_columns(Certified(*(part.reshape(-1) for part in pairs)))
