"""Exact sums on a device: the limbs of :class:`evalcli.metrics.exact.ExactSum`, added there as whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch

from evalcli.metrics.arrays import asnumpy, fetch
from evalcli.metrics.exact import LIMB_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.exact import ExactSum

_MASK = (1 << LIMB_BITS) - 1
_FRACTION = (1 << 52) - 1
_PARTS = 3
"""Limbs that a float64 reaches into."""
WIDTH = (2046 >> 5) + _PARTS
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
        place, parts = _laid(values)
        if cells is not None:
            place = place + cells * WIDTH
        if self.lanes > 1:
            lane = torch.arange(len(values), device=values.device) % self.lanes
            place = place + lane * (self.cells * WIDTH)
        for number, part in enumerate(parts):
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


class Window(NamedTuple):
    """Limbs that some values reach: the number of the ``first``, and how many there are."""

    first: int
    width: int

    @classmethod
    def of(cls, values: Array) -> Window:
        """Those of ``values`` (n,) float64; waits for the device."""
        place, _ = _laid(values)
        first = place.masked_fill(values == 0, WIDTH).amin()
        first, last = fetch(torch.stack([first, place.amax()]))[0].tolist()
        return cls(min(first, last), max(last - first, 0) + _PARTS)


def window_sums(values: Array, cells: Array, many: int, window: Window) -> Array:
    """Exact sums (many, W) of ``values`` (n,) float64 that lie in a window, each at its one of ``cells`` (n,)."""
    limbs = torch.zeros(many * window.width, dtype=torch.int64, device=values.device)
    place, parts = _laid(values)
    place = cells * window.width + (place - window.first).clamp(min=0)  # a zero lies below
    for number, part in enumerate(parts):
        limbs.scatter_add_(0, place + number, part)
    return limbs.view(many, window.width)


def _laid(values: Array) -> tuple[Array, tuple[Array, ...]]:
    """The limb that each of ``values`` (n,) begins in, and what it adds to it and to those above."""
    bits = values.view(torch.int64)
    exponent = (bits >> 52) & 0x7FF
    mantissa = (bits & _FRACTION) | ((exponent > 0).long() << 52)
    mantissa *= torch.where(bits < 0, -1, 1)
    shift = exponent.clamp(min=1) - 1  # the value is mantissa · 2^(shift − 1074)
    place, shift = shift >> 5, shift & (LIMB_BITS - 1)
    low, high = (mantissa & _MASK) << shift, (mantissa >> LIMB_BITS) << shift
    return place, (low & _MASK, (low >> LIMB_BITS) + (high & _MASK), high >> LIMB_BITS)
