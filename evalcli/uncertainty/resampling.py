"""The count bootstrap: resampling rows is drawing the cells of a confusion matrix, so it costs O(cells), whatever N.

Each replicate draws every cell from a Poisson distribution around its count, or from what comes as near as no
difference. Given their sum that is the multinomial draw of a row-by-row bootstrap, and no metric of counts depends on
the sum. A cell of weighted rows with the sums Σw and Σw² is drawn as a Poisson number of rows of equal weight, with
that mean and that variance. All replicates of a metric are one call of its formula, with a leading axis.

The draws depend on the seed and the cells alone: the generator is named, cells are in canonical order, and a block is
as long as the number of cells lets it be.

Source: Efron 1987, Better bootstrap confidence intervals (BCa); Hanley and MacGibbon 2006, Creating non-parametric
bootstrap samples using Poisson frequencies.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import Cells, Margins, dot
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import JointCells
    from evalcli.uncertainty.intervals import Confidence

MOST_DRAWS = 1 << 26
"""Beyond so many draws (resamples times cells) the delta method takes over: they would take more than three seconds."""
_BLOCK = 1 << 19
"""Draws held at a time."""
_MANY = 128
"""Rows from which on a Poisson distribution is all but a skewed normal one."""


def draws(amounts: HostArray, squares: HostArray, confidence: Confidence) -> Iterator[HostArray]:
    """Replicates of amounts (K,) with the variance ``squares`` (K,), in blocks (b, K) float64.

    Few rows are drawn from a Poisson distribution, many from the normal one that has its variance and its skewness.

    Source: Cornish and Fisher 1938, Moments and cumulants in the specification of distributions.
    """
    rows = amounts * amounts / squares  # of equal weight
    weight = None if np.array_equal(amounts, squares) else squares / amounts
    generator = np.random.Generator(np.random.PCG64(confidence.seed))
    is_many = rows >= _MANY
    few, many = np.flatnonzero(~is_many), np.flatnonzero(is_many)
    block = max(_BLOCK // max(len(amounts), 1), 1)
    for start in range(0, confidence.resamples, block):
        size = min(block, confidence.resamples - start)
        drawn = np.empty((size, len(rows)))
        if len(many):
            wide = 1 << (len(many) - 1).bit_length()  # one table for many tables of nearly as many cells
            deviation, skewed = (part[:, : len(many)] for part in _normals(confidence.seed, start, size, wide))
            normal = deviation * np.sqrt(rows[many])
            normal += skewed
            normal += rows[many]
            if not len(few):
                drawn = normal
            else:
                drawn[:, many] = normal
        if len(few):
            drawn[:, few] = generator.poisson(rows[few], (size, len(few)))
        yield drawn if weight is None else drawn * weight


@lru_cache(maxsize=2)
def _normals(seed: int, start: int, size: int, cells: int) -> tuple[HostArray, HostArray]:
    """Normal deviations (b, K), the same for every draw of this shape, and what skews them, ``(z² − 1) / 6``."""
    generator = np.random.Generator(np.random.PCG64([seed, start]))
    deviation: HostArray = generator.standard_normal((size, cells))
    return deviation, (deviation * deviation - 1.0) / 6.0


def replicates(cells: Cells, confidence: Confidence) -> Margins:
    """What formulas read, with a leading axis of resamples.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> from evalcli.uncertainty.cells import Cells
    >>> replicates(Cells.of_matrix([[90, 10], [5, 95]]), Confidence(resamples=50)).tp.shape
    (50, 2)
    """
    reduce = _Reducer(cells)
    return _stacked([reduce(drawn) for drawn in draws(cells.amounts, cells.squares, confidence)])


def joint_replicates(cells: JointCells, confidence: Confidence) -> tuple[Margins, Margins]:
    """What formulas read of each of two models, from the same draws."""
    first, second = (_Reducer(side) for side in cells.sides)
    both = [(first(drawn), second(drawn)) for drawn in draws(cells.amounts, cells.squares, confidence)]
    return _stacked([one for one, _ in both]), _stacked([other for _, other in both])


def reduced(cells: Cells, drawn: HostArray) -> Margins:
    """What formulas read of replicates (B, K) of ``cells``."""
    return _Reducer(cells)(drawn)


def _stacked(parts: list[Margins]) -> Margins:
    columns = zip(*([part for part in each if part is not None] for each in parts), strict=True)
    return Margins(*(np.concatenate(column) for column in columns))


class _Sums:
    """Sums of columns (b, K) by class (b, C): the columns of a class are brought next to each other first.

    ``of`` (K,) are their classes, -1 for columns that belong to none.
    """

    def __init__(self, of: HostArray, size: int) -> None:
        order = np.argsort(of, kind="stable")
        order = order[np.searchsorted(of[order], 0) :]
        classes = of[order]
        self._order = None if np.array_equal(order, np.arange(len(of))) else order
        self._heads = np.flatnonzero(np.diff(classes, prepend=-1))
        self._classes, self._size = classes[self._heads], size

    def __call__(self, drawn: HostArray) -> HostArray:
        """The sums of each replicate."""
        sums = np.zeros((len(drawn), self._size))
        if len(self._heads):
            drawn = drawn if self._order is None else drawn[:, self._order]
            sums[:, self._classes] = np.add.reduceat(drawn, self._heads, axis=1)
        return sums


class _Reducer:
    """What formulas read of drawn cells (b, K)."""

    def __init__(self, cells: Cells) -> None:
        right = np.where(cells.preds == cells.target, cells.target, -1)
        named = cells.preds >= 0
        every = [right, cells.target, cells.preds]
        if not named.all():
            every.append(np.where(named, cells.target, -1))
        self._sums = [_Sums(of, cells.size) for of in every]

    def __call__(self, drawn: HostArray) -> Margins:
        """The margins of each replicate."""
        tp, support, predicted, *answered = (sums(drawn) for sums in self._sums)
        found = Margins(tp, support, predicted, drawn.sum(axis=1))
        return found._replace(answered=answered[0], n_answered=answered[0].sum(axis=1)) if answered else found


def skewness(influence: HostArray, amounts: HostArray, squares: HostArray) -> float:
    """That of the sum of influences of all rows, from those of a row in each cell (K,), Σw and Σw² of the cells."""
    variance = dot(squares, influence**2)
    third = dot(squares * squares / amounts, influence**3)
    return third / variance**1.5 if variance > 0 else 0.0


def bca(estimate: float, values: HostArray, skew: float, confidence: Confidence) -> Interval:
    """The bias-corrected and accelerated percentiles of replicates (B,), of which undefined ones count as 0.

    The correction ``z₀`` is how far the estimate lies from the median of the replicates, ``a`` a sixth of the skewness
    of the estimate. The percentile of ``z`` becomes that of ``z₀ + (z₀ + z) / (1 − a·(z₀ + z))``.
    """
    normal = NormalDist()
    values = np.sort(np.where(np.isnan(values), 0.0, values))
    size = len(values)
    below = (np.searchsorted(values, estimate) + np.searchsorted(values, estimate, "right")) / 2.0
    start = normal.inv_cdf((float(below) + 0.5) / (size + 1.0))

    def end(z: float) -> float:
        moved = start + z
        left = 1.0 - skew / 6.0 * moved
        level = normal.cdf(start + moved / left) if left > 0.05 else float(z > 0)
        place = min(max(level * (size + 1) - 1.0, 0.0), size - 1.0)
        return float(np.interp(place, np.arange(size), values))

    return Interval(end(-confidence.critical), end(confidence.critical), "bootstrap")


def bootstrap_p(estimate: float, values: HostArray) -> float:
    """The p-value of no difference from replicates (B,) of one, moved so that none is expected."""
    return far_off(estimate, values - np.nanmean(values))


def far_off(estimate: float, values: HostArray) -> float:
    """The share of draws (B,) under no difference that are at least as far off as ``estimate``, it among them.

    A difference that is undefined in a draw counts as none.
    """
    size = np.abs(np.where(np.isnan(values), 0.0, values))
    return (float(np.count_nonzero(size >= abs(estimate) * (1.0 - 1e-9))) + 1.0) / (len(values) + 1.0)


def swapped_replicates(cells: JointCells, confidence: Confidence) -> tuple[Margins, Margins]:
    """What formulas read of each of two models, were it a toss of a coin on every row which of them said what.

    Only rows on which they disagree change: of those of one class and two predictions, each way round gets a binomial
    share. For the difference of accuracies this is what McNemar's exact test adds up.

    Source: Fisher 1935, The Design of Experiments, ch. 21; Yeh 2000, More accurate tests for the statistical
    significance of result differences.
    """
    least, most = np.minimum(cells.first, cells.second), np.maximum(cells.first, cells.second)
    kinds, place = np.unique(np.stack([cells.target, least, most]), axis=1, return_inverse=True)
    kinds = kinds[[0, 2, 1]]  # at heads the first model said the lesser class
    amounts, squares = (np.bincount(place.reshape(-1), part) for part in (cells.amounts, cells.squares))
    first, second = (Cells(kinds[0], preds, amounts, squares, cells.classes).margins for preds in kinds[1:])
    apart = kinds[1] != kinds[2]
    gained = _Gained(kinds[:, apart], cells.sides[0].size)
    rows = np.maximum(np.rint(amounts**2 / squares), 1.0)[apart]
    row = amounts[apart] / rows
    generator = np.random.Generator(np.random.PCG64(confidence.seed))
    parts = []
    block = max(_BLOCK // max(len(rows), 1), 1)
    for start in range(0, confidence.resamples, block):
        size = min(block, confidence.resamples - start)
        parts.append(gained(generator.binomial(rows.astype(np.int64), 0.5, (size, len(rows))) * row))
    tp, predicted, *answered = (np.concatenate(column) for column in zip(*parts, strict=True))
    support, n = np.broadcast_to(first.support, tp.shape), np.broadcast_to(first.n, len(tp))
    sides = (
        Margins(first.tp + tp, support, first.predicted + predicted, n),
        Margins(second.tp - tp, support, second.predicted - predicted, n),
    )
    if second.answered is None:  # the lesser of two predictions is none where either is
        return sides
    held = first.support if first.answered is None else first.answered
    moved = answered[0] if answered else np.zeros_like(tp)  # where both have none nothing changes
    each = (held + moved, second.answered - moved)
    one, other = (
        side._replace(answered=part, n_answered=part.sum(axis=1)) for side, part in zip(sides, each, strict=True)
    )
    return one, other


class _Gained:
    """What the first of two models gains, and the second loses, where rows (b, K) of a class change sides.

    ``kinds`` (3, K) are their class, and what the first model and the second said before.
    """

    def __init__(self, kinds: HostArray, size: int) -> None:
        target, *said = kinds
        self._right = [_Sums(np.where(of == target, of, -1), size) for of in said]
        self._said = [_Sums(of, size) for of in said]
        self._answered = [_Sums(np.where(of < 0, -1, target), size) for of in said] if (kinds < 0).any() else []

    def __call__(self, swapped: HostArray) -> tuple[HostArray, ...]:
        """True positives and predictions, by class (b, C), and rows with a prediction where not all have one."""
        every = (self._right, self._said, self._answered) if self._answered else (self._right, self._said)
        return tuple(more(swapped) - fewer(swapped) for fewer, more in every)
