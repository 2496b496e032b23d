"""How far the probability of each label can be believed: log loss, Brier score and bins, label by label.

Each cell is a binary row of its label: its numbers are those of ``LogLoss``, ``Brier`` and the bins of P(positive) over
that column alone, but for the bins' sums of confidence, where probabilities are rounded to multiples of 2^−60 first:
of many labels most are hardly probable, and exact sums of tiny numbers are slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.arrays import count_cells
from evalcli.metrics.calibration import BINS, BinTable, bin_places, bin_table, ece, rounded_edges, stored_confidence
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.label_ranks import ScoreCells, ScoreCellState
from evalcli.metrics.multilabel import count_rows
from evalcli.metrics.probability import clipped_loss
from evalcli.metrics.scorestate import add_exactly, add_rows_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ScoreForm

_CELLS = 1 << 17
"""Cells looked at together: 1 MiB of float64, which stays in a core's own cache."""
_MOST_ROWS = 1 << 14
"""Sums of that many limbs are exact."""
_GRID = 2.0**60
_LOSSES = ("loss", "brier")
_POWERS = 3
_LARGEST = 1e60
"""A loss whose cube float64 still holds."""


@dataclass(frozen=True, slots=True)
class LabelSums:
    """Of each label (L,): ``n`` cells or weights, sums of ``loss`` and ``brier``; and its ``bins`` (L, B).

    ``infinite`` cells have a loss beyond all numbers, and are not in the sum; ``clipped`` ones had the probability of
    what happened below the eps of their type, and were moved there before the logarithm.
    """

    n: HostArray
    loss: HostArray
    brier: HostArray
    infinite: HostArray
    clipped: HostArray
    bins: BinTable
    powers: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Of the mean loss and the mean squared error of each row: Σw of them, of their squares and of their cubes."""


class LabelCalibration(ScoreCellState):
    """Log loss, Brier score and calibration bins of every label. Memory O(L · bins).

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = LabelCalibration(2, ScoreForm("probs", binary=True))
    >>> state.update(np.array([[0.75, 0.5], [0.5, 0.5]]), np.array([[1, 0], [0, -1]]))
    >>> label_brier(state.compute()).tolist()
    [0.15625, 0.25]
    """

    n: Any
    infinite: Any
    clipped: Any
    loss: ExactSum
    brier: ExactSum
    counts: Any
    confidence: ExactSum

    def __init__(self, num_labels: int, form: ScoreForm, *, bins: int = BINS, weighted: bool = False) -> None:
        super().__init__(num_labels, weighted=weighted)
        if bins < 1 or not form.binary:
            raise ValueError("bins start at 1, and the scores of a label are binary ones")
        self.form, self.bins = form, bins
        self._edges = rounded_edges(bins, form)
        self.add_state("n", ExactSum(num_labels) if weighted else np.zeros(num_labels, np.int64))
        for name in ("infinite", "clipped"):
            self.add_state(name, np.zeros(num_labels, np.int64))
        for name in _LOSSES:
            self.add_state(name, ExactSum(num_labels))
            self.add_state(f"row_{name}", ExactSum(_POWERS))
        cells = num_labels * bins
        self.add_state("counts", ExactSum(2 * cells) if weighted else np.zeros(2 * cells, np.int64))
        self.add_state("confidence", ExactSum(cells))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.form, self.bins

    def _count(self, cells: ScoreCells) -> None:
        for part in _parts(cells):
            self._take(part)

    def _take(self, part: ScoreCells) -> None:
        true, kept = part.target == 1, part.target >= 0
        scores = part.scores if kept.all() else np.where(kept, part.scores, 0.5)  # what does not count may be NaN
        loss, brier, positive, clipped = cell_losses(scores, true, self.form)
        infinite = np.isinf(loss) & kept
        if part.weight is not None:
            infinite &= part.weight > 0
        self._count_kept(part, kept)
        self.infinite = self.infinite + count_rows(infinite, part.repeats)
        if clipped is not None:
            self.clipped = self.clipped + count_rows(clipped & kept, part.repeats)
        for name, values in zip(_LOSSES, (np.where(np.isinf(loss), 0.0, loss), brier), strict=True):
            counted = np.where(kept, values, 0.0)
            _add_rows(getattr(self, name), counted, part)
            _add_powers(getattr(self, f"row_{name}"), _row_sums(counted) / self.labels, part)
        places = bin_places(stored_confidence(positive, self.form), self._edges)
        places += np.arange(self.labels)[:, None] * self.bins
        self._count_bins(places, np.rint(positive * _GRID) / _GRID, true, kept, part)

    def _count_kept(self, part: ScoreCells, kept: HostArray) -> None:
        if isinstance(self.n, ExactSum):
            assert part.weight is not None
            self.n.add_masked(part.weight, kept, part.repeats)
        else:
            self.n = self.n + count_rows(kept, part.repeats)

    def _count_bins(
        self, places: HostArray, positive: HostArray, true: HostArray, kept: HostArray, part: ScoreCells
    ) -> None:
        every = bool(kept.all())
        shape = kept.shape

        def taken(values: HostArray) -> HostArray:
            return values.reshape(-1) if every else values[kept]

        repeats = None if part.repeats is None else taken(np.broadcast_to(part.repeats, shape))
        places, positive, sides = taken(places), taken(positive), 2 * taken(places) + taken(true)
        if part.weight is None:
            self.counts = self.counts + count_cells(sides, len(self.counts), repeats)
        else:
            weight = taken(np.broadcast_to(part.weight, shape))
            add_exactly(self.counts, weight, sides, repeats)
            positive = positive * weight
        if len(positive):
            add_exactly(self.confidence, positive, places, repeats)

    def compute(self) -> LabelSums:
        """The sums so far."""
        n, counts = (each.value() if isinstance(each, ExactSum) else each for each in (self.n, self.counts))
        shape = (self.labels, self.bins)
        counts = counts.reshape(*shape, 2)
        bins = bin_table(counts.sum(axis=-1), self.confidence.value().reshape(shape), counts[..., 1])
        powers: dict[str, Any] = {name: tuple(getattr(self, f"row_{name}").value().tolist()) for name in _LOSSES}
        return LabelSums(n, self.loss.value(), self.brier.value(), self.infinite, self.clipped, bins, powers)


def _parts(cells: ScoreCells) -> Iterator[ScoreCells]:
    """A few rows at a time, scores as float64."""
    labels, rows = cells.scores.shape
    step = max(min(_CELLS // labels, _MOST_ROWS), 1)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        repeats, weight = (None if each is None else each[part] for each in (cells.repeats, cells.weight))
        yield ScoreCells(cells.scores[:, part].astype(np.float64), cells.target[:, part], repeats, weight)


def cell_losses(
    scores: HostArray, true: HostArray, form: ScoreForm
) -> tuple[HostArray, HostArray, HostArray, HostArray | None]:
    """Loss, squared error, P(label), and which losses were clipped, of binary ``scores`` (…) float64."""
    if form.kind == "probs":
        own = np.where(true, scores, 1.0 - scores)
        loss, moved = clipped_loss(own, form.eps)
        return loss, np.where(true, 1.0 - scores, scores) ** 2, scores, moved < 0
    size = np.abs(scores)
    small = np.exp(-size)
    confidence, doubt = 1.0 / (1.0 + small), small / (1.0 + small)
    upper = scores >= 0
    right = upper == true
    loss = np.log1p(small) + np.where(right, 0.0, size)
    return loss, np.where(right, doubt, confidence) ** 2, np.where(upper, confidence, doubt), None


def _add_rows(total: ExactSum, values: HostArray, part: ScoreCells) -> None:
    """Add each row of ``values`` (L, n) to its label, times the weights."""
    values = values if part.weight is None else values * part.weight
    if part.repeats is None:
        add_rows_exactly(total, values, np.arange(len(values)))
        return
    label = np.repeat(np.arange(len(values)), values.shape[1])
    total.add(values.reshape(-1), label, np.tile(part.repeats, len(values)))


def _row_sums(values: HostArray) -> HostArray:
    """The sum of every row of ``values`` (L, n), label by label: numpy adds those of a single row in another order."""
    total = np.zeros(values.shape[1])
    for of_label in values:
        total += of_label
    return total


def _add_powers(total: ExactSum, values: HostArray, part: ScoreCells) -> None:
    """Add ``values`` (n,) of rows, their squares and their cubes, times the weights."""
    values = np.minimum(values, _LARGEST)
    powers = np.stack([values, values * values, values**3])
    if part.weight is not None:
        powers *= part.weight
    if part.repeats is None:
        total.add_rows(powers, np.arange(_POWERS))
    else:
        total.add(powers.reshape(-1), np.repeat(np.arange(_POWERS), len(values)), np.tile(part.repeats, _POWERS))


def label_log_loss(sums: LabelSums) -> HostArray:
    """``−Σ log P(what is true of the label) / n`` of each label (L,): infinite where a cell is, NaN without cells."""
    return np.where(sums.infinite > 0, np.inf, _over(sums.loss, sums.n))


def label_brier(sums: LabelSums) -> HostArray:
    """``Σ (P(label) − [label is true])² / n`` of each label (L,)."""
    return _over(sums.brier, sums.n)


def label_ece(sums: LabelSums) -> HostArray:
    """``Σ_b |true_b − ΣP(label)_b| / n`` of each label (L,), over bins of P(label)."""
    values: HostArray = ece(sums.bins)
    return values


def _over(total: HostArray, n: HostArray) -> HostArray:
    values: HostArray = np.where(n > 0, total / np.where(n > 0, n, 1), np.nan)
    return values
