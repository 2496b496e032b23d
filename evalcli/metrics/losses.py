"""Log loss and Brier score: how far probabilities are from what happened, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.arrays import count_cells
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.scorestate import ProbabilityState, added, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows, ScoreForm

SIZES = 1 << 15
"""Sizes of losses that are told apart: about 90 to a power of ten."""


@dataclass(frozen=True, slots=True)
class LossSums:
    """What the formulas read: ``rows``, the sum ``n`` of their weights, and the ``total`` of their losses.

    ``infinite`` rows have a loss beyond all numbers, and are not in ``total``. ``clipped`` rows had a probability below
    the eps of their type and ``capped`` rows one above 1 − eps; both moved there before the logarithm.
    """

    rows: int
    n: float
    total: float
    infinite: int = 0
    clipped: int = 0
    capped: int = 0
    sizes: HostArray | None = None
    largest: float = float("inf")
    """What a loss may be at most."""

    @property
    def histogram(self) -> tuple[HostArray, HostArray]:
        """Losses (K,) to three digits, and how many rows (K,) have one of that size."""
        assert self.sizes is not None
        held = np.flatnonzero(self.sizes)
        middles = ((held.astype(np.uint32) << 16) | 0x8000).view(np.float32).astype(np.float64)
        return np.where(held > 0, middles, 0.0), self.sizes[held].astype(np.float64)


def _sizes(losses: HostArray) -> HostArray:
    """The leading 16 bits of each loss (N,) as float32: its size to three digits, in order."""
    bits: HostArray = np.maximum(losses, 0.0).astype(np.float32).view(np.uint32) >> 16
    return bits.astype(np.int64)


class SizedLosses(ProbabilityState):
    """Rows by the size of their loss, of which few sizes occur: only those are saved."""

    sizes: Any

    def state_dict(self) -> dict[str, HostArray]:
        """The state; ``sizes`` (2, K) int64 are those that occur, rising, and how many rows have each."""
        held = np.flatnonzero(self.sizes)
        return super().state_dict() | {"sizes": np.stack([held, self.sizes[held]])}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        saved = state.get("sizes", np.zeros(0))
        if saved.dtype != np.int64 or saved.ndim != 2 or len(saved) != 2:
            raise ValueError("the saved losses have no sizes")
        held, rows = saved
        outside = (held < 0) | (held >= SIZES) | (rows < 1)
        if outside.any() or (np.diff(held) < 1).any():
            raise ValueError("the saved losses have sizes that there are not")
        sizes = np.zeros(SIZES, np.int64)
        sizes[held] = rows
        super().load_state_dict({**state, "sizes": sizes})


class LogLoss(SizedLosses):
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

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        for name in ("infinite", "clipped", "capped"):
            self.add_state(name, 0)
        for name in ("weights", "total"):
            self.add_state(name, ExactSum())
        self.add_state("sizes", np.zeros(SIZES, np.int64))

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        loss = rows.loss
        infinite = np.isinf(loss)
        if rows.weight is not None:
            infinite &= rows.weight > 0
            counted(self.weights, rows, np.zeros(len(loss), np.int64))
        if infinite.any():
            self.infinite += _rows_of(rows, infinite)
        if rows.clipped is not None:
            self.clipped += _rows_of(rows, rows.clipped < 0)
            self.capped += _rows_of(rows, rows.clipped > 0)
        finite = np.where(np.isinf(loss), 0.0, loss)
        added(self.total, rows, finite)
        self.sizes = self.sizes + count_cells(_sizes(finite), SIZES, rows.repeats)

    def compute(self) -> LossSums:
        """The sums so far."""
        n = float(self.weights) if self.weighted else float(self.rows)
        return LossSums(self.rows, n, float(self.total), self.infinite, self.clipped, self.capped, self.sizes.copy())


class Brier(SizedLosses):
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

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        for name in ("weights", "total"):
            self.add_state(name, ExactSum())
        self.add_state("sizes", np.zeros(SIZES, np.int64))

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        if rows.weight is not None:
            counted(self.weights, rows, np.zeros(len(rows.brier), np.int64))
        added(self.total, rows, rows.brier)
        self.sizes = self.sizes + count_cells(_sizes(rows.brier), SIZES, rows.repeats)

    def compute(self) -> LossSums:
        """The sums so far."""
        n = float(self.weights) if self.weighted else float(self.rows)
        largest = 1.0 if self.form.binary else 2.0
        return LossSums(self.rows, n, float(self.total), sizes=self.sizes.copy(), largest=largest)


def mean_loss(sums: LossSums) -> float:
    """``total / n``: infinite when a row is, NaN without rows."""
    if sums.infinite:
        return float("inf")
    return sums.total / sums.n if sums.n > 0 else float("nan")


def _rows_of(rows: ProbabilityRows, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return int(np.count_nonzero(mask)) if rows.repeats is None else int(rows.repeats[mask].sum())
