"""What the segments of a ranking add to a number: written once, for the host and for rankings that lie on a device.

Importing this module imports no numpy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.metrics.arrays import is_host, namespace

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array, HostArray

BLOCK = 1 << 14
"""Segments that are looked at at a time."""
LIMB = 21
"""Counts, or twice as many, are multiplied in two parts: up to 2^42 rows no sum of products leaves int64."""
SUM_ROUNDING = 128 * sys.float_info.epsilon
"""More than what adding up terms of one sign by halves may be off by, relatively."""
_FAR = 1e60
_STEPS = ((15.0, 2.7725887222397816), (3.0, 1.3862943611198908))
"""x, and log(1 + x) rounded up."""


class Block(NamedTuple):
    """A few thousand segments at a time, which stay in the cache: the curve before and after each of them."""

    pos: Array
    neg: Array
    mixed: Array
    spread: Array
    tp0: Array
    fp0: Array
    tp: Array
    fp: Array

    def best_precision(self) -> Array:
        """That of (FP₀, TP) where the path is in doubt, else of (FP, TP)."""
        return share(self.tp, self.tp + namespace(self.tp).where(self.mixed, self.fp0, self.fp))


def added(terms: Array) -> Array:
    """The sums (…) of ``terms`` (…, K), K ≤ ``BLOCK``, in an order that zeros behind them do not change.

    The last half of 2^m places is added to the first, and so on: any library and any device gives the same bits.
    """
    size = terms.shape[-1]
    while size > 1:
        half = 1 << ((size - 1).bit_length() - 1)
        paired = terms[..., : size - half] + terms[..., half:]
        alone = terms[..., size - half : half]
        terms = namespace(terms).concat([paired, alone], axis=-1) if size < 2 * half else paired
        size = half
    return terms[..., 0] if size else terms.sum(-1)


def sums_of(amounts: HostArray, before: Any = 0) -> HostArray:
    """What there is ``before`` each of ``amounts``, and at last (K + 1,).

    It is one running sum: with weights, a segment starts to the bit where the last one ended. Whole numbers are added
    in a tenth of the time.
    """
    import numpy as np

    sums: HostArray = np.concatenate([np.array([before], amounts.dtype), amounts])
    return sums.cumsum(out=sums)


def product(left: HostArray, right: HostArray, pairs: int) -> int:
    """``Σ left·right`` of counts, at most twice as many as ``pairs``, which may go far beyond int64."""
    if pairs < 1 << 62:
        return int(left @ right)
    low = int(left @ (right & ((1 << LIMB) - 1)))
    return (int(left @ (right >> LIMB)) << LIMB) + low


def share(part: Array, whole: Array) -> Array:
    """``part / whole``, 0 where both are."""
    held = whole > 0
    return part / (whole if is_host(whole) and held.all() else namespace(whole).where(held, whole, 1))


def precisions(block: Block, unit: float) -> tuple[Array, Array]:
    """What the positives of each segment add at least and at most; a row weighs a ``unit``, or 0: any weight."""
    here = is_host(block.pos)
    best = block.pos * block.best_precision()
    tied = best if here and not block.mixed.any() else block.pos * share(block.tp, block.tp + block.fp)
    if not here:
        xp = namespace(block.pos)
        return xp.where(block.spread, xp.minimum(_apart(block.pos, block.tp0, block.fp, unit), tied), tied), best
    if len(some := block.spread.nonzero()[0]):
        least = _apart(block.pos[some], block.tp0[some], block.fp[some], unit)
        tied = tied.copy() if tied is best else tied
        tied[some] = namespace(tied).minimum(least, tied[some])
    return tied, best


def _apart(pos: Array, tp0: Array, fp: Array, unit: float) -> Array:
    """What positives add at least where each may stand alone."""
    first = tp0 + unit
    alone = pos - fp * _log1p(share(pos, tp0 + fp + unit / 2))
    return namespace(alone).maximum(alone, pos * share(first, first + fp))


def _log1p(sizes: Array) -> Array:
    """``log(1 + x)`` of ``sizes`` x ≥ 0, or more: of a logarithm no two libraries have the same last digit.

    The Padé approximant in its place lies above it, by 1e-3 of it at x = 3, and the logarithms of 16 and 4 are taken
    off before.

    Source: Topsøe 2007, Some bounds for the logarithmic function.
    """
    xp, here = namespace(sizes), is_host(sizes)
    within, taken = sizes < _FAR, xp.zeros_like(sizes)
    sizes = sizes if here and within.all() else xp.where(within, sizes, _FAR)
    for size, logarithm in _STEPS:
        beyond = sizes > size
        if here and not beyond.any():  # as of nearly all blocks
            continue
        taken = xp.where(beyond, taken + logarithm, taken)
        sizes = xp.where(beyond, (sizes - size) / (1 + size), sizes)
    above = _powers(sizes, 3, 140, 510, 420)
    above *= sizes
    below = _powers(sizes, 4, 30, 60, 35)
    below *= 12
    above /= below
    above += taken
    return above


def _powers(sizes: Array, *factors: int) -> Array:
    """A polynomial of ``sizes``, of the highest power first."""
    first, second, *others = factors
    found = first * sizes
    found += second
    for each in others:
        found *= sizes
        found += each
    return found
