"""Sums of targets, predictions and their products, without any rounding: MSE, R² and Pearson's r read nothing else.

The product of two float64 has up to 106 bits. It is split into its rounded value and the rest, both float64 (Dekker
1971), and both are added exactly; with weights the products of three numbers are four such parts. So each sum is the
true sum of the stored numbers. What a formula subtracts, such as ``Σt² − (Σt)²/n``, is subtracted in rational
arithmetic, and one rounding makes the float64 nearest to the true value. Targets around 1e8 that differ by 1e-3 lose
nothing, and there is no mean to merge: any order, split and merge gives the same bits.

Exact means: of products that do not leave float64 from below; those under 1e-290 lose their last bits.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.values import ValueRows, ValueState, add_rows

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import Block

_SPLIT = 2.0**27 + 1
_KINDS = 5


class Moment(NamedTuple):
    """The exact sums of one output: ``n`` is the number of rows or the sum of their weights.

    ``target`` and ``preds`` are Σt and Σp; ``target2``, ``cross`` and ``preds2`` are Σt², Σtp and Σp².
    """

    rows: int
    n: Fraction
    target: Fraction
    preds: Fraction
    target2: Fraction
    cross: Fraction
    preds2: Fraction

    @property
    def squared_error(self) -> Fraction:
        """``Σ (p − t)²``."""
        return self.preds2 - 2 * self.cross + self.target2

    @property
    def target_spread(self) -> Fraction:
        """``Σ (t − mean t)²``."""
        return self.target2 - self.target**2 / self.n

    @property
    def preds_spread(self) -> Fraction:
        """``Σ (p − mean p)²``."""
        return self.preds2 - self.preds**2 / self.n

    @property
    def shared_spread(self) -> Fraction:
        """``Σ (t − mean t)(p − mean p)``."""
        return self.cross - self.target * self.preds / self.n


class Moments(ValueState):
    """Σt, Σp, Σt², Σtp and Σp² of every output, exact.

    >>> state = Moments()
    >>> state.update(np.array([1e8 + 0.5, 1e8 + 1.0]), np.array([1e8, 1e8 + 2.0]))
    >>> moment = state.compute()[0]
    >>> float(moment.squared_error), float(moment.target_spread)
    (1.25, 2.0)
    """

    sums: ExactSum

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.add_state("sums", ExactSum(_KINDS * outputs))

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for block in rows.blocks():
            parts, kinds = _plain_parts(block) if block.weight is None else _weighted_parts(block, block.weight)
            cells = (np.array(kinds)[:, None] * self.outputs + block.outputs).ravel()
            add_rows(self.sums, np.concatenate(parts), cells, block.repeats)

    def compute(self) -> list[Moment]:
        """The sums of every output so far."""
        n = self.weights.exact()[0] if self.weighted else Fraction(self.rows)
        sums = self.sums.exact()
        return [Moment(self.rows, n, *sums[output :: self.outputs]) for output in range(self.outputs)]


def _plain_parts(block: Block) -> tuple[list[HostArray], list[int]]:
    """What adds up to the sums, each (G, n), and which sum it belongs to."""
    t, p = _Split.of(block.target), _Split.of(block.preds)
    return [t.value, p.value, *t.times(t), *t.times(p), *p.times(p)], [0, 1, 2, 2, 3, 3, 4, 4]


def _weighted_parts(block: Block, weight: HostArray) -> tuple[list[HostArray], list[int]]:
    t, p = _Split.of(block.target), _Split.of(block.preds)
    w = _Split.of(np.broadcast_to(weight, block.target.shape))
    wt, wp = ([_Split.of(part) for part in w.times(side)] for side in (t, p))
    parts, kinds = [each.value for each in (*wt, *wp)], [0, 0, 1, 1]
    for kind, (left, right) in enumerate(((wt, t), (wt, p), (wp, p)), 2):
        parts += [part for each in left for part in each.times(right)]
        kinds += [kind] * 4
    return parts, kinds


class _Split(NamedTuple):
    """A number and its two halves, of 26 bits each, whose products float64 holds."""

    value: HostArray
    high: HostArray
    low: HostArray

    @classmethod
    def of(cls, value: HostArray) -> _Split:
        """Split every number."""
        scaled = value * _SPLIT
        high = scaled - (scaled - value)
        return cls(value, high, value - high)

    def times(self, other: _Split) -> tuple[HostArray, HostArray]:
        """The product of each two numbers as its rounded value and what the rounding left.

        Source: Dekker 1971, A floating-point technique for extending the available precision.
        """
        product = self.value * other.value
        rest = product - self.high * other.high
        rest = (rest - self.low * other.high) - self.high * other.low
        return product, self.low * other.low - rest
