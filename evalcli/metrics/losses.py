"""Log loss and Brier score: how far probabilities are from what happened, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.scorestate import ProbabilityState, added, counted
from evalcli.metrics.sizes import SizeCounts

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows, ScoreForm


class LossSums(NamedTuple):
    """What the formulas read: ``rows``, the sum ``n`` of their weights, and the ``total`` of their losses.

    ``infinite`` rows have a loss that is, times their weight, beyond all numbers, and are not in ``total``. ``clipped``
    rows had a probability below the eps of their type and ``capped`` rows one above 1 − eps; both moved there before
    the logarithm.
    """

    rows: int
    n: float
    total: float
    infinite: int = 0
    clipped: int = 0
    capped: int = 0
    histogram: tuple[HostArray, HostArray] | None = None
    """Losses (K,) to three digits, and how many rows (K,) that weigh something have one of that size."""
    largest: float = float("inf")
    """What a loss may be at most."""


class LogLoss(ProbabilityState):
    """``−log P(target)``: from logits exactly, without clipping, from probabilities after clipping at their eps.

    Probabilities are not made to sum to 1.

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = LogLoss(ScoreForm("logits", classes=2))
    >>> state.update(np.array([[40.0, 0.0], [0.0, 40.0]]), np.array([1, 0]))
    >>> mean_loss(state.compute())
    40.0
    """

    infinite: int
    clipped: int
    capped: int
    weights: ExactSum
    total: ExactSum
    sizes: SizeCounts

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        for name in ("infinite", "clipped", "capped"):
            self.add_state(name, 0)
        for name in ("weights", "total"):
            self.add_state(name, ExactSum())
        self.add_state("sizes", SizeCounts())

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        loss = rows.loss
        beyond = infinite = np.isinf(loss)
        if rows.weight is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                beyond = beyond | np.isinf(loss * rows.weight)
            infinite = beyond & (rows.weight > 0)
            counted(self.weights, rows, np.zeros(len(loss), np.int64))
        if infinite.any():
            self.infinite += _rows_of(rows, infinite)
        if rows.clipped is not None:
            self.clipped += _rows_of(rows, rows.clipped < 0)
            self.capped += _rows_of(rows, rows.clipped > 0)
        finite = np.where(beyond, 0.0, loss)
        added(self.total, rows, finite)
        _sized(self.sizes, rows, finite)

    def compute(self) -> LossSums:
        """The sums so far."""
        n = float(self.weights) if self.weighted else float(self.rows)
        return LossSums(
            self.rows, n, float(self.total), self.infinite, self.clipped, self.capped, self.sizes.histogram()
        )


class Brier(ProbabilityState):
    """``Σ_j (p_j − [j = y])²``; of binary scores ``(P(positive) − y)²``, which is half of it.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability.

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = Brier(ScoreForm("probs", binary=True))
    >>> state.update(np.array([0.75, 0.5]), np.array([1, 0]))
    >>> mean_loss(state.compute())
    0.15625
    """

    weights: ExactSum
    total: ExactSum
    sizes: SizeCounts

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        for name in ("weights", "total"):
            self.add_state(name, ExactSum())
        self.add_state("sizes", SizeCounts())

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        if rows.weight is not None:
            counted(self.weights, rows, np.zeros(len(rows.brier), np.int64))
        added(self.total, rows, rows.brier)
        _sized(self.sizes, rows, rows.brier)

    def compute(self) -> LossSums:
        """The sums so far."""
        n = float(self.weights) if self.weighted else float(self.rows)
        largest = 1.0 if self.form.binary else 2.0
        return LossSums(self.rows, n, float(self.total), histogram=self.sizes.histogram(), largest=largest)


def mean_loss(sums: LossSums) -> float:
    """``total / n``: infinite when a row is, NaN without rows."""
    if sums.infinite:
        return float("inf")
    return sums.total / sums.n if sums.n > 0 else float("nan")


def _sized(sizes: SizeCounts, rows: ProbabilityRows, losses: HostArray) -> None:
    """Count losses (N,) by their size, but not of rows that weigh nothing."""
    if rows.weight is None or (heavy := rows.weight > 0).all():
        sizes.add(losses, rows.repeats)
    else:
        sizes.add(losses[heavy], None if rows.repeats is None else rows.repeats[heavy])


def _rows_of(rows: ProbabilityRows, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return int(np.count_nonzero(mask)) if rows.repeats is None else int(rows.repeats[mask].sum())
