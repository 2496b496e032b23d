"""Deviances and logarithmic errors: how far predictions of a rate, a count or a size are off, in ratios.

Written out, ``t·log(t/p) − t + p`` is a small difference of large numbers where prediction and target nearly agree. All
unit deviances of Tweedie's family are one function of the relative error ``x = (t − p)/p``:

    d_q(t, p) = 2·p^(2−q) · g_a(x),   a = 2 − q,   g_a(x) = ((1 + x)^a − 1 − a·x) / (a·(a − 1))

with the limits ``(1 + x)·log(1 + x) − x`` for a = 1 (Poisson) and ``x − log(1 + x)`` for a = 0 (gamma). Near x = 0 it
is its own power series, ``x²/2·(1 + …)``, elsewhere it is taken by ``log1p`` and ``expm1``. So a term is right to
1e-13 of itself, however near the two are; the terms are added exactly.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.values import ValueState, add_rows

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import Block, ValueRows

_NEAR = 1 / 16
"""|x| up to which the series is used: its 16 terms then leave less than 2^−53."""
_TERMS = 16


class LossSums(NamedTuple):
    """The sum of one output: ``n`` rows or their weight, and the ``total`` of their terms.

    ``outside`` rows have a target or a prediction for which there is no term, and ``infinite`` ones a term beyond all
    numbers; neither is in ``total``.
    """

    n: Fraction
    total: Fraction
    outside: int
    infinite: int


class TermState(ValueState):
    """A sum of one term for each row; subclasses say which."""

    total: ExactSum
    outside: HostArray
    infinite: HostArray

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.add_state("total", ExactSum(outputs))
        self.add_state("outside", np.zeros(outputs, np.int64))
        self.add_state("infinite", np.zeros(outputs, np.int64))

    def terms(self, block: Block) -> tuple[HostArray, HostArray]:
        """The term of every row (G, n), and which rows have one, (G, n) bool."""
        raise NotImplementedError

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for block in rows.blocks():
            with np.errstate(all="ignore"):
                terms, inside = self.terms(block)
                if block.weight is not None:
                    terms = terms * block.weight
            usable = inside & np.isfinite(terms)
            if not usable.all():
                self.outside[block.outputs] += block.tally(~inside)
                self.infinite[block.outputs] += block.tally(inside & ~usable)
                terms = np.where(usable, terms, 0.0)
            add_rows(self.total, terms, block.outputs, block.repeats)

    def compute(self) -> list[LossSums]:
        """The sum of every output so far."""
        n = self.weights.exact()[0] if self.weighted else Fraction(self.rows)
        counts = zip(self.total.exact(), self.outside.tolist(), self.infinite.tolist(), strict=True)
        return [LossSums(n, *each) for each in counts]


class LogErrors(TermState):
    """``(log(1 + p) − log(1 + t))²``; no term where a value is not above −1.

    >>> state = LogErrors()
    >>> state.update(np.array([0.0, 1.0]), np.array([0.0, 3.0]))
    >>> round(float(state.compute()[0].total), 12)  # log(2)²
    0.480453013918
    """

    def terms(self, block: Block) -> tuple[HostArray, HostArray]:
        """The squared difference of logarithms; of near values by their relative difference, which loses nothing."""
        base = 1 + block.target
        relative = block.residual / base
        far = np.log1p(block.preds) - np.log1p(block.target)
        near = np.log1p(np.where(np.abs(relative) < 0.5, relative, 0.0))
        logs = np.where(np.abs(relative) < 0.5, near, far)
        return logs * logs, (block.preds > -1) & (block.target > -1)


class Deviance(TermState):
    """Tweedie's unit deviance of one ``power``: 1 is Poisson's, 2 the gamma deviance.

    Predictions must be above 0, and targets too from power 2 on; below, a target may be 0.

    >>> state = Deviance(power=1)
    >>> state.update(np.array([2.0]), np.array([0.0]))
    >>> float(state.compute()[0].total)
    4.0

    Source: Jørgensen 1987, Exponential dispersion models.
    """

    def __init__(self, outputs: int = 1, *, power: float, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        if not power >= 1:
            raise ValueError(f"no deviance of power {power} is offered: from 1 on")
        self.power = power

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.power

    def terms(self, block: Block) -> tuple[HostArray, HostArray]:
        """``2·p^(2−q)·g(x)``."""
        a = 2 - self.power
        scale = block.preds if a == 1 else np.ones_like(block.preds) if a == 0 else block.preds**a
        allowed = block.target >= 0 if self.power < 2 else block.target > 0
        return 2 * scale * _gap(-block.residual / block.preds, a), (block.preds > 0) & allowed


def _gap(x: HostArray, a: float) -> HostArray:
    """``g_a(x)`` for x from −1 on."""
    log = np.log1p(x)
    if a == 1:
        far = np.where(x > -1, (1 + x) * log - x, 1.0)
    elif a == 0:
        far = x - log
    elif abs(a - 1) < 0.5:  # near 1 the other form divides by nearly 0
        far = np.where(x > -1, ((1 + x) * np.expm1((a - 1) * log) / (a - 1) - x) / a, 1 / a)
    else:
        far = (np.expm1(a * log) - a * x) / (a * (a - 1))
    near = np.abs(x) < _NEAR
    return np.where(near, _series(np.where(near, x, 0.0), a), far) if near.any() else far


def _series(x: HostArray, a: float) -> HostArray:
    """``Σ_{k≥2} (a−2)(a−3)…(a−k+1) · x^k / k!``."""
    ratios = [(a - k) / (k + 1) for k in range(2, _TERMS + 2)]
    total = np.ones_like(x)
    for ratio in reversed(ratios):
        total *= ratio * x
        total += 1
    return x * x / 2 * total
