"""How well each row ranks its own labels: LRAP, coverage error and ranking loss, from one look at the ranks.

For a true label of a row, ``rank`` is the number of labels that score at least as high, itself included, and ``hits``
how many of those are true: ties count against the model. Everything follows from these two. Cells whose target is −1
do not count: they are in no rank. Each number follows from its own row alone, added up in the order of the labels, so
neither the cut into batches nor the way the ranks are found can show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, asnumpy, columns, is_host, joined
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.labels import label_rows
from evalcli.metrics.multilabel import count_labels
from evalcli.metrics.scorestate import add_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.metrics.arrays import HostArray

NARROW = 64
"""Up to so many labels every label is compared with every other, which runs along memory."""
_CELLS = 1 << 18
"""Cells looked at together, so that they stay in a core's own cache."""
_MANY = 24
"""True labels a row from which sorting the row is cheaper than comparing each of them with all labels."""


class ScoreCells(NamedTuple):
    """A checked batch on the host by label: ``scores`` (L, N), ``target`` (L, N) int8 of 1, 0 and −1."""

    scores: HostArray
    target: HostArray
    repeats: HostArray | None = None
    weight: HostArray | None = None

    @property
    def rows(self) -> int:
        """How many rows of the input these are."""
        return int(self.scores.shape[1]) if self.repeats is None else int(self.repeats.sum())

    def pick(self, rows: HostArray | slice) -> ScoreCells:
        """Some of the rows."""
        repeats, weight = (None if part is None else part[rows] for part in self[2:])
        return ScoreCells(columns(self.scores, rows), columns(self.target, rows), repeats, weight)

    def joined(self, others: Sequence[ScoreCells]) -> ScoreCells:
        """These rows and, behind them, ``others`` that hold the same arrays."""
        scores, target, *amounts = zip(self, *others, strict=True)
        return ScoreCells(joined(scores, 1), joined(target, 1), *map(joined, amounts))


def score_cells(
    scores: Array, target: Array, labels: int, weight: Array | None = None, repeats: Array | None = None
) -> ScoreCells:
    """Check a batch of scores and target (N, L) and bring it to the host; nothing is broadcast, nothing written to.

    Raises: ``InputError`` for shapes that differ, cells that are none of 1, 0 and −1, NaN scores where the cell counts,
    and weights that are no weights.
    """
    if not is_host(scores) and scores.dtype.itemsize < 4:  # numpy has no bfloat16 to receive torch's
        scores = scores.float()
    scores, target = np.ascontiguousarray(asnumpy(scores).T), np.ascontiguousarray(asnumpy(target).T)
    if scores.shape != target.shape or scores.ndim != 2 or len(scores) != labels:
        raise InputError(
            f"scores have the shape {scores.shape[::-1]}, target {target.shape[::-1]}",
            fix=f"give one score and one cell for each row and each of the {labels} labels",
        )
    rows = np.zeros(scores.shape[1], np.int64)
    amounts = label_rows(rows, rows, weight, repeats)
    codes = target.astype(np.int8)
    if (codes != target).any() or (codes.size and not (codes.min() >= -1 and codes.max() <= 1)):
        raise InputError(
            "cells of target must be 1, 0 or -1", fix="write 1 for yes, 0 for no, -1 for what does not count"
        )
    if scores.size and np.isnan(scores.min()) and (np.isnan(scores) & (codes >= 0)).any():
        raise InputError("scores are NaN and cannot be ranked", fix="use --nan drop")
    return ScoreCells(scores, codes, amounts.repeats, amounts.weight)


class ScoreCellState(Metric):
    """What states of score cells share: the number of labels, weights, and ``take`` for a checked batch."""

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"num_labels must be at least 1, not {num_labels}")
        self.labels, self.weighted = num_labels, weighted

    def update(self, scores: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Take in scores (N, L) and target (N, L) of 1, 0 and −1; ``weight`` and ``repeats`` are one per row.

        Raises: ``InputError`` as ``score_cells``.
        """
        if weight is not None and not self.weighted:
            raise ValueError(f"{type(self).__name__}(weighted=True) counts weights; this one does not")
        self.take(score_cells(scores, target, self.labels, weight, repeats))

    def take(self, cells: ScoreCells) -> None:
        """Take in a batch that ``score_cells`` has looked at."""
        if self.weighted and cells.weight is None:
            cells = cells._replace(weight=np.ones(cells.scores.shape[1]))
        if cells.scores.shape[1]:
            self._count(cells)

    def _count(self, cells: ScoreCells) -> None:
        """Add the batch to the sums."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has seen.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if isinstance(other, ScoreCellState) and self._setup() != other._setup():
            raise ValueError("states of different labels, scores or weighting cannot merge")
        return super().merge(other)

    def _setup(self) -> tuple[Any, ...]:
        """What two states must share to be added."""
        return self.labels, self.weighted


@dataclass(frozen=True, slots=True)
class RankSums:
    """What the formulas read: the sum ``n`` of rows or weights, and the sums over rows of the three measures."""

    n: float
    precision: float
    coverage: float
    loss: float
    powers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Of each measure the number of rows or their weight, the sum, that of squares and that of cubes."""


_MEASURES = ("precision", "coverage", "loss")
_POWERS = (2, 3)
"""Of each measure, for intervals."""


class LabelRanks(ScoreCellState):
    """Sums over rows of label ranking precision, coverage and ranking loss.

    A row without a true label, or with none but true ones, has nothing to rank: it counts 1 in LRAP, 0 in the ranking
    loss, and in the coverage 0 or the number of its labels. So scikit-learn has it.

    >>> state = LabelRanks(num_labels=3)
    >>> state.update(np.array([[0.75, 0.5, 1.0], [1.0, 0.2, 0.1]]), np.array([[1, 0, 0], [0, 0, 1]]))
    >>> round(lrap(state.compute()), 4), coverage_error(state.compute()), ranking_loss(state.compute())
    (0.4167, 2.5, 0.75)
    """

    rows: int
    n: ExactSum
    precision: ExactSum
    coverage: ExactSum
    loss: ExactSum

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__(num_labels, weighted=weighted)
        self.add_state("rows", 0)
        for name in ("n", *_MEASURES, *(f"{name}{power}" for name in _MEASURES for power in _POWERS)):
            self.add_state(name, ExactSum())

    def _count(self, cells: ScoreCells) -> None:
        self.rows += cells.rows
        if cells.weight is not None:
            add_exactly(self.n, cells.weight, repeats=cells.repeats)
        for part in _parts(cells):
            values = row_measures(part.scores, part.target)
            for name, value in zip(_MEASURES, values, strict=True):
                weighed = value if part.weight is None else value * part.weight
                for power in ("", *_POWERS):
                    add_exactly(getattr(self, f"{name}{power}"), weighed, repeats=part.repeats)
                    weighed = weighed * value

    def compute(self) -> RankSums:
        """The sums so far."""
        n = float(self.n) if self.weighted else float(self.rows)
        powers = {
            name: (n, *(float(getattr(self, f"{name}{power}")) for power in ("", *_POWERS))) for name in _MEASURES
        }
        return RankSums(n, float(self.precision), float(self.coverage), float(self.loss), powers)


def _parts(cells: ScoreCells) -> Iterator[ScoreCells]:
    """A few rows at a time."""
    step = max(_CELLS // cells.scores.shape[0], 1)
    for start in range(0, cells.scores.shape[1], step):
        rows = slice(start, start + step)
        scores, target = (np.ascontiguousarray(side[:, rows]) for side in (cells.scores, cells.target))
        repeats, weight = (None if each is None else each[rows] for each in (cells.repeats, cells.weight))
        yield ScoreCells(scores, target, repeats, weight)


def row_measures(scores: HostArray, target: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Label ranking precision, coverage and ranking loss of each row of scores and target (L, N): three (N,)."""
    true, kept = target == 1, target >= 0
    labels, found = count_labels(kept), count_labels(true)
    sums = _compare_all if len(scores) <= NARROW else _rank_true
    precision, coverage, inversions = sums(scores, true, None if kept.all() else kept)
    ranked = (found > 0) & (found < labels)
    precision = np.where(ranked, precision / np.maximum(found, 1), 1.0)
    loss = np.where(ranked, inversions / np.maximum(found * (labels - found), 1), 0.0)
    return precision, coverage.astype(np.float64), loss


def _compare_all(scores: HostArray, true: HostArray, kept: HostArray | None) -> tuple[HostArray, HostArray, HostArray]:
    """Of each row: the sum of hits/rank over its true labels, the largest rank, and the sum of rank − hits."""
    rows = scores.shape[1]
    precision, coverage, inversions = np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for own, here in zip(scores, true, strict=True):
        if not here.any():
            continue
        above = scores >= own
        if kept is not None:
            above &= kept
        rank = above.view(np.uint8).sum(axis=0, dtype=np.uint8)
        above &= true
        hits = above.view(np.uint8).sum(axis=0, dtype=np.uint8)
        precision += np.divide(hits, rank, out=np.zeros(rows), where=here)
        np.maximum(coverage, np.where(here, rank, 0), out=coverage)
        inversions += np.where(here, rank - hits, 0)
    return precision, coverage, inversions


def _rank_true(scores: HostArray, true: HostArray, kept: HostArray | None) -> tuple[HostArray, HostArray, HostArray]:
    """The same for many labels, from the true cells alone, row by row."""
    scores, true = np.ascontiguousarray(scores.T), np.ascontiguousarray(true.T)
    kept = None if kept is None else np.ascontiguousarray(kept.T)
    size = len(scores)
    cells, label = np.nonzero(true)  # row by row, in the order of the labels: sums are added up in that order
    rank, hits = (_by_sorting if len(cells) > _MANY * size else _by_comparing)(scores, true, kept, cells, label)
    coverage = np.zeros(size, np.int64)
    np.maximum.at(coverage, cells, rank)
    precision = np.bincount(cells, hits / np.maximum(rank, 1), minlength=size)
    return precision, coverage, np.bincount(cells, rank - hits, minlength=size).astype(np.int64)


def _by_comparing(
    scores: HostArray, true: HostArray, kept: HostArray | None, cells: HostArray, label: HostArray
) -> tuple[HostArray, HostArray]:
    """Rank and hits of each true cell: its score beside all of its row."""
    rank, hits = np.empty(len(cells), np.int64), np.empty(len(cells), np.int64)
    step = max(_CELLS // scores.shape[1], 1)
    for start in range(0, len(cells), step):
        part = slice(start, start + step)
        row = cells[part]
        above = scores[row] >= scores[row, label[part]][:, None]
        if kept is not None:
            above &= kept[row]
        rank[part] = np.count_nonzero(above, axis=1)
        above &= true[row]
        hits[part] = np.count_nonzero(above, axis=1)
    return rank, hits


def _by_sorting(
    scores: HostArray, true: HostArray, kept: HostArray | None, cells: HostArray, label: HostArray
) -> tuple[HostArray, HostArray]:
    """Rank and hits of each true cell: what stands up to the end of its ties in the sorted row."""
    order = np.argsort(scores, axis=1)[:, ::-1]
    ordered = np.take_along_axis(scores, order, axis=1)
    last = np.full(order.shape, order.shape[1] - 1)
    last[:, :-1] = np.where(ordered[:, 1:] != ordered[:, :-1], np.arange(order.shape[1] - 1), last[:, :-1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    place = np.empty_like(order)
    np.put_along_axis(place, order, last, axis=1)
    end = place[cells, label]
    found = np.cumsum(np.take_along_axis(true, order, axis=1), axis=1)
    every = end + 1 if kept is None else np.cumsum(np.take_along_axis(kept, order, axis=1), axis=1)[cells, end]
    return every, found[cells, end]


def _mean(total: float, sums: RankSums) -> float:
    return total / sums.n if sums.n > 0 else float("nan")


def lrap(sums: RankSums) -> float:
    """``Σ_rows mean over true labels of hits / rank``, over n; NaN without rows.

    Source: Schapire and Singer 2000, BoosTexter; label ranking average precision.
    """
    return _mean(sums.precision, sums)


def coverage_error(sums: RankSums) -> float:
    """``Σ_rows largest rank of a true label``, over n: how far down the ranking one must go to meet all true labels."""
    return _mean(sums.coverage, sums)


def ranking_loss(sums: RankSums) -> float:
    """``Σ_rows share of (true, other) pairs in the wrong order, ties among them``, over n."""
    return _mean(sums.loss, sums)
