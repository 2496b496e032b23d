"""Absolute and relative errors, the largest ones, and how predictions compare with targets in scale.

A term such as ``|p − t|`` or ``|p − t| / |t|`` is rounded once or twice, as float64 does. The terms are then added
exactly, and none is negative, so a sum is off by at most 4·2^−53 of itself, whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.values import ValueState, add_rows

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.values import Block, ValueRows

_KINDS = 5
_OVER, _UNDER, _TARGET, _RELATIVE, _SYMMETRIC = range(_KINDS)


class AbsoluteSums(NamedTuple):
    """The sums of one output: ``n`` is the number of rows or the sum of their weights.

    ``over`` adds up ``p − t`` where it is above 0 and ``under`` ``t − p`` where that is; ``target`` ``|t|``,
    ``relative`` ``|p − t| / |t|`` and ``symmetric`` ``2·|p − t| / (|t| + |p|)``. ``zeros`` rows have the target 0,
    which no relative error knows, and ``infinite`` ones a relative error beyond all numbers; neither is in
    ``relative``.
    """

    n: Fraction
    over: Fraction
    under: Fraction
    target: Fraction
    relative: Fraction
    symmetric: Fraction
    zeros: int
    infinite: int


class AbsoluteErrors(ValueState):
    """Sums of absolute, relative and symmetric errors of every output.

    >>> state = AbsoluteErrors()
    >>> state.update(np.array([1.5, 2.0]), np.array([1.0, 4.0]))
    >>> sums = state.compute()[0]
    >>> float(sums.over), float(sums.under), float(sums.relative)
    (0.5, 2.0, 1.0)
    """

    sums: ExactSum
    zeros: HostArray
    infinite: HostArray

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.add_state("sums", ExactSum(_KINDS * outputs))
        self.add_state("zeros", np.zeros(outputs, np.int64))
        self.add_state("infinite", np.zeros(outputs, np.int64))

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for block in rows.blocks():
            size, target = np.abs(block.residual), np.abs(block.target)
            whole = target + np.abs(block.preds)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                relative = size / target
                symmetric = np.where(whole > 0, 2 * size / whole, 0.0)
                kinds = [np.maximum(block.residual, 0), np.maximum(-block.residual, 0), target, relative, symmetric]
                if block.weight is not None:
                    kinds = [kind * block.weight for kind in kinds]
            self._drop_infinite(kinds, block)
            cells = (np.arange(_KINDS)[:, None] * self.outputs + block.outputs).ravel()
            add_rows(self.sums, np.concatenate(kinds), cells, block.repeats)

    def _drop_infinite(self, kinds: list[HostArray], block: Block) -> None:
        relative = kinds[_RELATIVE]
        if np.isfinite(relative.max(initial=0.0)):  # NaN spreads
            return
        zero, finite = block.target == 0, np.isfinite(relative)
        self.zeros[block.outputs] += block.tally(zero)
        self.infinite[block.outputs] += block.tally(~finite & ~zero)
        kinds[_RELATIVE] = np.where(finite & ~zero, relative, 0.0)

    def compute(self) -> list[AbsoluteSums]:
        """The sums of every output so far."""
        n = self.weights.exact()[0] if self.weighted else Fraction(self.rows)
        sums = self.sums.exact()
        counts = zip(self.zeros.tolist(), self.infinite.tolist(), strict=True)
        found = []
        for output, (zeros, infinite) in enumerate(counts):
            over, under, target, relative, symmetric = sums[output :: self.outputs]
            found.append(AbsoluteSums(n, over, under, target, relative, symmetric, zeros, infinite))
        return found


class Span(NamedTuple):
    """The least and the largest of one output: predictions, targets, residuals ``p − t``."""

    preds: tuple[float, float]
    target: tuple[float, float]
    residual: tuple[float, float]


class Extremes(ValueState):
    """The ranges of every output; rows of weight 0 are in none.

    >>> state = Extremes()
    >>> state.update(np.array([1.5, 2.0]), np.array([1.0, 4.0]))
    >>> state.compute()[0].residual
    (-2.0, 0.5)
    """

    least: HostArray
    most: HostArray

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.add_state("least", np.full((3, outputs), np.inf), reduce="min")
        self.add_state("most", np.full((3, outputs), -np.inf), reduce="max")

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for i, values in enumerate((rows.preds, rows.target, rows.residual)):
            kept = values if rows.counted is None else values[:, rows.counted]
            if kept.size:
                self.least[i] = np.minimum(self.least[i], kept.min(axis=1) + 0.0)  # no −0.0, which equals 0.0
                self.most[i] = np.maximum(self.most[i], kept.max(axis=1) + 0.0)

    def compute(self) -> list[Span]:
        """The ranges of every output so far."""
        preds, target, residual = (
            list(zip(*ends, strict=True)) for ends in zip(self.least.tolist(), self.most.tolist(), strict=True)
        )
        return [Span(*each) for each in zip(preds, target, residual, strict=True)]


_OCTAVES = 34
_STEPS = 6
"""Bits of the mantissa that tell ratios apart: neighbours differ by 1.1 to 1.6 %."""
_LOWEST = (1023 - _OCTAVES) << _STEPS
_BINS = (2 * _OCTAVES + 1) << _STEPS


@dataclass(frozen=True, slots=True)
class Ratios:
    """How often each ratio ``p / t`` occurs in one output, of rows where both are not 0: (bins,) int64.

    ``opposite`` rows have two signs, ``beyond`` ones a ratio outside 2^−34 … 2^35.
    """

    counts: HostArray
    opposite: int
    beyond: int

    def quantile(self, share: float) -> float | None:
        """The ratio below which this share of all of these rows lies; ``None`` where it is not between the ends."""
        total = int(self.counts.sum()) + self.opposite + self.beyond
        if not total or self.opposite + self.beyond > total // 10:
            return None
        place = int(np.searchsorted(self.counts.cumsum(), share * int(self.counts.sum()), side="left"))
        bits = np.array([_LOWEST + min(place, _BINS - 1)], np.int64) << (52 - _STEPS)
        low, high = bits.view(np.float64)[0], (bits + (1 << (52 - _STEPS))).view(np.float64)[0]
        return float((low + high) / 2)


class RatioCounts(ValueState):
    """Rows counted by the ratio of prediction to target, in bins of 1.6 %: which shows a slip of the unit.

    >>> state = RatioCounts()
    >>> state.update(np.array([1010.0, 2020.0, 3003.0]), np.array([1.0, 2.0, 3.0]))
    >>> round(state.compute()[0].quantile(0.5))
    1012
    """

    counts: HostArray
    opposite: HostArray
    beyond: HostArray

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__(outputs, weighted=weighted)
        self.add_state("counts", np.zeros((outputs, _BINS), np.int64))
        self.add_state("opposite", np.zeros(outputs, np.int64))
        self.add_state("beyond", np.zeros(outputs, np.int64))

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        for block in rows.blocks():
            known = (block.target != 0) & (block.preds != 0)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                ratio = block.preds / block.target
            place = (ratio.view(np.int64) >> (52 - _STEPS)) - _LOWEST
            inside = known & (place >= 0) & (place < _BINS)
            self.opposite[block.outputs] += block.tally(known & (ratio < 0))
            self.beyond[block.outputs] += block.tally(known & ~inside & ~(ratio < 0))
            if block.weight is not None:
                inside &= block.weight > 0
            for row, output in enumerate(block.outputs.tolist()):
                kept = inside[row]
                repeats = None if block.repeats is None else block.repeats[kept]
                found = np.bincount(place[row][kept], repeats, _BINS)
                self.counts[output] += found.astype(np.int64, copy=False)

    def compute(self) -> list[Ratios]:
        """The counts of every output so far."""
        return [
            Ratios(self.counts[output], int(self.opposite[output]), int(self.beyond[output]))
            for output in range(self.outputs)
        ]
