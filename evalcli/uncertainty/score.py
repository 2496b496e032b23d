"""Wilson's interval for any metric of counts: the score interval.

Which true values ``θ`` are within ``z`` standard errors of the value that was seen, with the standard error at ``θ``?
The truth that is hardest to tell from the data among all with the value ``θ`` is the one of greatest likelihood:
``p_k ∝ n_k / (1 − λ·L_k)``, where ``L_k`` is the influence of a row in cell ``k`` at ``p`` itself. From the counts
(``λ = 0``) it leads one way to lower values and the other way to higher ones; the ends lie where
``|θ̂ − bias − θ| = z·√Σ p_k·L_k²/n``. For a share this is Wilson's interval, for the difference of two shares of the
same rows Tango's, for a mean of recalls the interval of Miettinen and Nurminen; no resampling, no seed.

Cells in which nothing was seen take part with next to nothing: half a row over all kinds of errors and half a row over
all right answers. So a model without an error gets an interval that tells how many errors may have gone unseen, and a
class of five rows, all right, is not believed to be always right. The estimate is first corrected by its bias, which
for a macro F1 with rare classes is not small.

Source: Wilson 1927; Miettinen and Nurminen 1985, Comparative analysis of two rates; Tango 1998, Equivalence test and
confidence interval for the difference in proportions for the paired-sample design; Owen 2001, Empirical Likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.uncertainty.cells import Margins
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.likeliest import Ground, Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells, JointCells
    from evalcli.uncertainty.slopes import Measure, Slope

_UNSEEN = 0.5
"""Rows spread over errors, and again over right answers, that were not seen."""


class _Rows(Protocol):
    """Rows that stand in for cells nobody has seen."""

    @property
    def count(self) -> int:
        """How many kinds there are."""

    def margins(self, amounts: HostArray) -> Margins:
        """What ``amounts`` (count,) of them add."""

    def influence(self, slope: Slope) -> HostArray:
        """Their influence (…, count)."""


@dataclass(frozen=True, slots=True)
class _Right:
    """A row of each class that is right."""

    count: int

    def margins(self, amounts: HostArray) -> Margins:
        """What ``amounts`` of them add."""
        return Margins(amounts, amounts, amounts, np.asarray(amounts.sum()))

    def influence(self, slope: Slope) -> HostArray:
        """Their influence."""
        influence: HostArray = slope.n + slope.of_class + slope.predicted + slope.tp
        return influence


class _Missed:
    """Wrong rows, spread evenly: two for every class.

    Its rows are predicted as the others, and rows of the others are predicted as it. A single class has no others, and
    its rows go without a prediction.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 2 * size if size > 1 else 1

    def margins(self, amounts: HostArray) -> Margins:
        """What ``amounts`` of them add."""
        none = np.zeros(self.size)
        if self.size == 1:
            return Margins(none, amounts, none, np.asarray(amounts.sum()), none, np.zeros(()))
        rows, columns = amounts[: self.size], amounts[self.size :]
        return Margins(none, rows + self._others(columns), columns + self._others(rows), np.asarray(amounts.sum()))

    def influence(self, slope: Slope) -> HostArray:
        """Their influence."""
        if self.size == 1:
            return slope.n + slope.support
        rows = slope.of_class + self._others(slope.predicted)
        columns = slope.predicted + self._others(slope.of_class)
        influence: HostArray = slope.n + np.concatenate([rows, columns], axis=-1)
        return influence

    def _others(self, parts: HostArray) -> HostArray:
        """Of each class the mean over the others."""
        others: HostArray = (parts.sum(axis=-1, keepdims=True) - parts) / (self.size - 1)
        return others


class _Hit(_Missed):
    """The same rows for the other model, which has them right."""

    def margins(self, amounts: HostArray) -> Margins:
        """What ``amounts`` of them add."""
        _, support, _, n = super().margins(amounts)[:4]
        return Margins(support, support, support, n)

    def influence(self, slope: Slope) -> HostArray:
        """Their influence."""
        right = slope.of_class + slope.predicted + slope.tp
        if self.size == 1:
            return slope.n + right
        influence: HostArray = slope.n + np.concatenate([right, self._others(right)], axis=-1)
        return influence


class Side(NamedTuple):
    """A metric of one model, which counts with ``sign``: of the ``cells`` that were seen, and of ``unseen`` rows."""

    sign: float
    measure: Measure
    cells: Cells
    unseen: Sequence[_Rows]

    def margins(self, amounts: HostArray) -> Margins:
        """What formulas read of ``amounts`` (K,) in cells, the seen ones first."""
        place = len(self.cells.target)
        parts = self.cells.margins_of(amounts[:place])
        for rows in self.unseen:
            parts = parts.and_more(rows.margins(amounts[place : place + rows.count]))
            place += rows.count
        return parts

    def influence(self, slope: Slope) -> HostArray:
        """The influence of a row in each cell (…, K)."""
        seen = slope.at(self.cells.target, self.cells.preds)
        return np.concatenate([seen, *(rows.influence(slope) for rows in self.unseen)], axis=-1)


class Problem(NamedTuple):
    """A value of amounts in cells (K,): ``base`` is what was seen, ``scale`` the mean weight of the rows of a cell.

    The value is the sum over its ``sides``.
    """

    base: HostArray
    scale: HostArray
    sides: tuple[Side, ...]


def one_model(measure: Measure, cells: Cells) -> Problem:
    """A metric of one confusion matrix."""
    right, missed = _Right(cells.size), _Missed(cells.size)
    scale = _scales(cells.amounts, cells.squares, right.count + missed.count)
    row = _UNSEEN * scale[-1]
    unseen = [np.full(rows.count, row / rows.count) for rows in (right, missed)]
    return Problem(np.concatenate([cells.amounts, *unseen]), scale, (Side(1.0, measure, cells, (right, missed)),))


def two_models(first: Measure, second: Measure, cells: JointCells) -> Problem:
    """A metric of the first model less that of the second, on the same rows.

    What nobody has seen: rows that one model has right and the other wrong, either way.
    """
    missed, hit = _Missed(len(cells.classes)), _Hit(len(cells.classes))
    count = 2 * missed.count
    scale = _scales(cells.amounts, cells.squares, count)
    base = np.concatenate([cells.amounts, np.full(count, _UNSEEN * scale[-1] / count)])
    one, other = cells.sides
    return Problem(base, scale, (Side(1.0, first, one, (missed, hit)), Side(-1.0, second, other, (hit, missed))))


def _scales(amounts: HostArray, squares: HostArray, unseen: int) -> HostArray:
    """Mean weights by weight of the rows of each cell, one more row of the overall mean in each."""
    mean = float(squares.sum()) / float(amounts.sum())
    return np.concatenate([(squares + mean * mean) / (amounts + mean), np.full(unseen, mean)])


def score_interval(problem: Problem, centre: float, critical: float, limits: tuple[float, float]) -> Interval:
    """Both ends around ``centre``, the value that was seen less its bias; the metric lies within ``limits``.

    A large bias may put the centre where the likeliest truths of what was seen do not come to: it then is the end.
    """
    ground = Ground(problem)
    low, high = (
        Walk(ground, side, centre, critical).end(limit) for side, limit in zip((-1.0, 1.0), limits, strict=True)
    )
    return Interval(min(low, centre), max(high, centre), "score")
