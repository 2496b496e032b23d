"""Exact sums on a device: the limbs of :class:`evalcli.metrics.exact.ExactSum`, added there as whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

from evalcli.metrics.arrays import asnumpy
from evalcli.metrics.exact import LIMB_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.exact import ExactSum

_MASK = (1 << LIMB_BITS) - 1
_FRACTION = (1 << 52) - 1
WIDTH = (2046 >> 5) + 3
"""Limbs that the largest float64 reaches into, counted from the least."""
_LANES = 16
"""Copies of few cells: threads that add to one number wait for each other."""
_FEW = 1 << 10
_MOST_ROWS = 1 << 28
"""Parts below 2^33 of twice so many rows, in whatever lanes, stay below 2^63."""


class SumsThere:
    """Exact sums of float64 values, one per cell, until the host takes them over.

    >>> from evalcli.metrics.exact import ExactSum
    >>> sums, total = SumsThere(1, "cpu"), ExactSum()
    >>> sums.add(torch.tensor([0.1] * 10, dtype=torch.float64))
    >>> sums.into(total)
    >>> float(total)
    1.0
    """

    def __init__(self, cells: int, device: Array) -> None:
        self.cells, self.lanes = cells, _LANES if cells <= _FEW else 1
        self._added = 0
        self._limbs = torch.zeros(self.lanes * cells * WIDTH, dtype=torch.int64, device=device)

    def add(self, values: Array, cells: Array | None = None) -> None:
        """Add finite ``values`` (n,) float64 to the sums that ``cells`` (n,) int64 name; without, all to the first."""
        self._make_room(len(values))
        bits = values.view(torch.int64)
        exponent = (bits >> 52) & 0x7FF
        mantissa = (bits & _FRACTION) | ((exponent > 0).long() << 52)
        mantissa *= torch.where(bits < 0, -1, 1)
        shift = exponent.clamp(min=1) - 1  # the value is mantissa · 2^(shift − 1074)
        place, shift = shift >> 5, shift & (LIMB_BITS - 1)
        if cells is not None:
            place = place + cells * WIDTH
        if self.lanes > 1:
            lane = torch.arange(len(values), device=values.device) % self.lanes
            place = place + lane * (self.cells * WIDTH)
        low, high = (mantissa & _MASK) << shift, (mantissa >> LIMB_BITS) << shift
        for number, part in enumerate((low & _MASK, (low >> LIMB_BITS) + (high & _MASK), high >> LIMB_BITS)):
            self._limbs.scatter_add_(0, place + number, part)

    def merge(self, other: Self) -> None:
        """Take in another's sums."""
        self._make_room(other._added)
        self._limbs += other._limbs

    def _make_room(self, rows: int) -> None:
        """Carry before so many rows more could be too many for a limb."""
        self._added += rows
        if self._added <= _MOST_ROWS:
            return
        self._added = rows + 1
        limbs = self._limbs.view(-1, WIDTH)
        for place in range(WIDTH - 1):
            limbs[:, place + 1] += limbs[:, place] >> LIMB_BITS
            limbs[:, place] &= _MASK

    def into(self, total: ExactSum) -> None:
        """Let ``total`` take them over; nothing is left."""
        self.into_each([total])

    def into_each(self, totals: Sequence[ExactSum | None]) -> None:
        """Let each of ``totals`` take over as many cells as the others, in their order; nothing is left.

        What ``None`` stands for is lost.
        """
        limbs = asnumpy(self._limbs.view(self.lanes, self.cells, WIDTH).sum(0))
        for total, part in zip(totals, limbs.reshape(len(totals), -1, WIDTH), strict=True):
            if total is not None:
                total.take_limbs(part)
        self._limbs.zero_()
        self._added = 0
