"""Sums of floats that do not depend on the order: added exactly, rounded once.

A float64 is a 53-bit integer times a power of two between 2^−1074 and 2^971. ``ExactSum`` lays it on a fixed grid of
32-bit limbs, limb ``k`` being worth ``2^(32·k − 1074)``, and adds limbs as integers. Integer addition has no order, so
any batch size, worker count and merge tree give the same bits; the one rounding happens in ``value``.

Limbs are kept as int64 with 31 bits to spare and carried before these could run out, so there is no limit on the number
of rows. Only the limbs that occur are held: three for values of similar size.

Most values take a short cut, thirty times as fast: 2^14 of them at a time are cut at fixed bits into three parts, and
parts of a kind add up in float64 without rounding. Only these few sums, and what lies below the third part, are then
laid on the grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.metrics.arrays import Array, asnumpy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from evalcli.metrics.arrays import HostArray

LIMB_BITS = 32
_MASK = (1 << LIMB_BITS) - 1
_DIGIT = (1 << 26) - 1
_CHUNK = 1 << 20
"""Rows added at a time: ``bincount`` adds in float64, and 2^20 parts below 2^33 stay below 2^53, and are exact."""
_ADDS = 512
"""Additions of at most 2^53 each that fit into a limb before it must be carried."""
_BLOCK = 1 << 14
_PART = 36
"""Bits a part: 2^14 of them add up below 2^53, where float64 is exact."""
_PARTS = (1, 2, 3)
_FEW = 16
"""Sums that Python's integers round sooner than arrays do."""
_MOST_LIMBS = 72
"""What 2^63 rows of the largest float64 reach, counted from the least one."""


class ExactSum:
    """Exact sums of float64 values, one per cell: a state for weights, losses and squared errors.

    It lives on the host: values on another device are brought there to be added.

    >>> total = ExactSum()
    >>> total.add([1e308, 1.0, -1e308, 2.0**-1074])
    >>> float(total)
    1.0
    """

    def __init__(self, cells: int = 1) -> None:
        self._start = cells
        self._first = 0
        self._adds = 0
        self._limbs: HostArray = np.zeros((cells, 0), np.int64)

    @property
    def cells(self) -> int:
        """How many sums there are."""
        return int(self._limbs.shape[0])

    def add(self, values: Array, cells: Array | None = None, repeats: Array | None = None) -> None:
        """Add ``values`` (N,) to the sums that ``cells`` (N,) int names; without ``cells``, all to the first.

        A value with ``repeats`` (N,) int counts that many times, exactly as if it were added as often.

        Raises: ``ValueError`` for a value that is not finite, which no exact sum can hold.
        """
        values = np.ascontiguousarray(asnumpy(values), np.float64).reshape(-1)
        index = None if cells is None else asnumpy(cells).reshape(-1)
        if index is not None and index.shape != values.shape:
            raise ValueError(f"{len(values)} values cannot go to {len(index)} cells")
        _check_finite(values)
        if repeats is not None:
            for multiple in _multiples(values, asnumpy(repeats).reshape(-1)):
                self.add(multiple, index)
            return
        sums, places = [], []
        for start in range(0, len(values), _BLOCK):
            here = None if index is None else index[start : start + _BLOCK]
            block = values[None, start : start + _BLOCK]
            for part in self._parts(block, None if here is None else here[None]):
                sums.append(part.sum(axis=1) if here is None else np.bincount(here, part[0]))
                places.append(np.arange(len(sums[-1])))
        if sums:
            self._lay(np.concatenate(sums), None if index is None else np.concatenate(places))

    def add_rows(self, values: HostArray, cells: HostArray) -> None:
        """Add each row of ``values`` (K, N) float64 to its one of ``cells`` (K,) int.

        Raises: ``ValueError`` for a value that is not finite.
        """
        _check_finite(values)
        sums, places = [], []
        together = max(1, _BLOCK // max(values.shape[1], 1))  # what is worked on at once stays in the cache
        for first in range(0, len(values), together):
            for start in range(0, values.shape[1], _BLOCK):
                block = values[first : first + together, start : start + _BLOCK]
                index = np.broadcast_to(cells[first : first + together, None], block.shape)
                for part in self._parts(block, index):
                    sums.append(part.sum(axis=1))
                    places.append(index[:, 0])
        if sums:
            self._lay(np.concatenate(sums), np.concatenate(places))

    def add_masked(self, values: HostArray, masks: HostArray, repeats: HostArray | None = None) -> None:
        """Add to each sum those of ``values`` (N,) float64 that its row of ``masks`` (K, N) bool picks out.

        >>> total = ExactSum(2)
        >>> total.add_masked(np.array([0.1, 0.2, 0.3]), np.array([[True, True, True], [False, True, False]]))
        >>> total.value().tolist()
        [0.6, 0.2]

        Raises: ``ValueError`` for a value that is not finite.
        """
        if repeats is not None:
            picked, rows = np.nonzero(masks)
            self.add(values[rows], picked, repeats[rows])
            return
        _check_finite(values)
        every = np.arange(len(masks))
        for start in range(0, len(values), _BLOCK):
            block, mask = values[None, start : start + _BLOCK], masks[:, start : start + _BLOCK]
            wide, below = mask.astype(np.float64), ExactSum(block.shape[1])
            # not wide @ part, whose threads would get in the way of the workers
            sums = [(wide * part).sum(axis=1) for part in below._parts(block, np.arange(block.shape[1])[None])]
            if sums:
                self._lay(np.concatenate(sums), np.tile(every, len(sums)))
            if len(tiny := below.occupied()):
                picked, rows = np.nonzero(mask[:, tiny])
                self._lay(below.select(tiny).value()[rows], picked)

    def _parts(self, rest: HostArray, index: HostArray | None) -> Iterator[HostArray]:
        """The values ``rest`` (K, n), row by row, in parts that add exactly; what is left is laid on the grid."""
        top = np.maximum(rest.max(axis=1), -rest.min(axis=1))
        apt = (top > 1e-200) & (top < 1e200)  # else a part could leave the range of float64
        if not apt.all():
            self._lay(rest[~apt].ravel(), None if index is None else index[~apt].ravel())
            if not apt.any():
                return
            rest, top = np.where(apt[:, None], rest, 0.0), np.where(apt, top, 1.0)
        exponent = np.frexp(top)[1]
        for number in _PARTS:
            magic = np.ldexp(1.5, 52 + exponent - _PART * number)[:, None]  # its last bit is the unit of the part
            part = rest + magic
            part -= magic
            yield part
            rest = np.subtract(rest, part, out=part)
            if not rest.any():
                return
        left = rest != 0
        self._lay(rest[left], None if index is None else index[left])

    def _lay(self, values: HostArray, index: HostArray | None) -> None:
        """Lay values (N,) on the grid, one by one."""
        nonzero = values != 0  # a zero would ask for the lowest limb of all
        if not nonzero.all():
            values, index = values[nonzero], None if index is None else index[nonzero]
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._add_chunk(values[part], None if index is None else index[part])

    def _add_chunk(self, values: HostArray, cells: HostArray | None) -> None:
        bits = values.view(np.int64)
        exponent = (bits >> 52) & 0x7FF
        mantissa = (bits & ((1 << 52) - 1)) | ((exponent > 0).astype(np.int64) << 52)
        shift = np.maximum(exponent, 1) - 1  # the value is ± mantissa · 2^(shift − 1074)
        limb, shift = shift >> 5, shift & (LIMB_BITS - 1)
        low, high = (mantissa & _MASK) << shift, (mantissa >> LIMB_BITS) << shift
        parts = (low & _MASK, (low >> LIMB_BITS) + (high & _MASK), high >> LIMB_BITS)
        sign = np.where(bits < 0, -1, 1)
        first = int(limb.min())
        width = int(limb.max()) - first + len(parts)
        rows: Any = slice(0, 1 if cells is None else self.cells)
        if cells is not None and self.cells > len(cells):
            rows, cells = np.unique(cells, return_inverse=True)
        place = limb - first if cells is None else cells * width + (limb - first)
        total = np.zeros(self._limbs[rows].shape[0] * width, np.int64)
        for offset, part in enumerate(parts):
            total += np.bincount(place + offset, weights=part * sign, minlength=len(total)).astype(np.int64)
        self._reach(first, width)
        start = first - self._first
        self._limbs[rows, start : start + width] += total.reshape(-1, width)
        self._count_add()

    def _count_add(self) -> None:
        self._adds += 1
        if self._adds >= _ADDS:
            self._carry()

    def _reach(self, first: int, width: int) -> None:
        """Widen the window of limbs so that it holds ``width`` of them from ``first`` on."""
        held = self._limbs.shape[1]
        if held == 0:
            self._first = first
        below = max(self._first - first, 0)
        above = max(first + width - (self._first + held), 0)
        if below or above:
            wider = np.zeros((self.cells, below + held + above), np.int64)  # np.pad takes ten times as long
            wider[:, below : below + held] = self._limbs
            self._limbs = wider
            self._first -= below

    def _carry(self) -> None:
        """Bring every limb into 0 … 2^32 − 1, the highest alone carrying the sign."""
        if not self._adds:
            return
        place = 0
        while place < self._limbs.shape[1]:
            limb = self._limbs[:, place]
            if place == self._limbs.shape[1] - 1:
                if limb.size == 0 or (limb.min() >= -(1 << 31) and limb.max() < (1 << 31)):
                    break
                self._limbs = np.pad(self._limbs, ((0, 0), (0, 1)))
                limb = self._limbs[:, place]
            self._limbs[:, place + 1] += limb >> LIMB_BITS
            limb &= _MASK
            place += 1
        self._adds = 0

    def _trim(self) -> None:
        """The narrowest window that holds the sums, so that equal sums are equal states."""
        self._carry()
        limbs = self._limbs
        while limbs.shape[1] > 1:
            joined = (limbs[:, -1] << LIMB_BITS) + limbs[:, -2]
            if (joined < -(1 << 31)).any() or (joined >= 1 << 31).any():
                break
            limbs = np.concatenate([limbs[:, :-2], joined[:, None]], axis=1)
        occupied = np.flatnonzero(limbs.any(axis=0))
        first = int(occupied[0]) if len(occupied) else limbs.shape[1]
        self._limbs = limbs[:, first:].copy()
        self._first = self._first + first if len(occupied) else 0

    def value(self) -> HostArray:
        """The sums (cells,), each the float64 nearest to the exact one; beyond the range, infinite."""
        sums, held, exponent = np.zeros(self.cells), self.occupied(), LIMB_BITS * self._first - 1074
        if len(held) > _FEW:
            sums[held] = _all_rounded(self._limbs[held], exponent)
            return sums
        for cell in held:
            sums[cell] = _rounded(_whole(self._limbs[cell]), exponent)
        return sums

    def exact(self) -> list[Fraction]:
        """The sums themselves, before any rounding."""
        from fractions import Fraction

        self._carry()
        unit = Fraction(2) ** (LIMB_BITS * self._first - 1074)
        sums = [Fraction(0)] * self.cells
        for cell in self.occupied():
            sums[cell] = _whole(self._limbs[cell]) * unit
        return sums

    def __float__(self) -> float:
        """The first sum."""
        return float(self.value()[0])

    def grow(self, cells: int) -> None:
        """Make room for more cells, which hold 0."""
        self._limbs = np.pad(self._limbs, ((0, max(cells - self.cells, 0)), (0, 0)))

    def fold(self, index: Array, size: int) -> ExactSum:
        """New sums of ``size`` cells: cell ``i`` of this one is added to cell ``index[i]``."""
        return ExactSum.folded([self], index, size)

    @classmethod
    def folded(cls, parts: Sequence[ExactSum], index: Array, size: int) -> ExactSum:
        """New sums of ``size`` cells: cell ``i`` of all ``parts`` behind one another is added to cell ``index[i]``."""
        made, place, start = cls(size), asnumpy(index), 0
        for part in parts:
            part._carry()
            stop, width = start + part.cells, part._limbs.shape[1]
            if width:
                made._reach(part._first, width)
                first = part._first - made._first
                np.add.at(made._limbs[:, first : first + width], place[start:stop], part._limbs)
            start = stop
        made._adds = 1
        made._carry()  # once for all: 32-bit limbs are safe for 2^31 cells
        return made

    def occupied(self) -> HostArray:
        """The cells whose sum is not 0."""
        self._carry()
        return np.flatnonzero(self._limbs.any(axis=1))

    def select(self, cells: HostArray) -> ExactSum:
        """New sums: those of ``cells``, in that order."""
        selected = ExactSum(len(cells))
        selected._first, selected._limbs, selected._adds = self._first, self._limbs[cells], self._adds
        return selected

    def take_limbs(self, limbs: HostArray, first: int = 0) -> None:
        """Add sums that were laid on the grid elsewhere: ``limbs`` (cells, W) int64 from the ``first`` on."""
        held = np.flatnonzero(limbs.any(axis=0))
        if not len(held):
            return
        other = type(self)(len(limbs))
        other._first, other._adds = first + int(held[0]), 1
        other._limbs = limbs[:, held[0] : held[-1] + 1].copy()
        self.merge(other)

    def fresh(self) -> Self:
        """Empty sums, as many as there were at the start."""
        return type(self)(self._start)

    def merge(self, other: Self) -> Self:
        """Add another's sums cell by cell, in place; missing cells count as 0."""
        other._carry()
        limbs, first = other._limbs, other._first
        if limbs.shape[0] > self.cells:
            self.grow(limbs.shape[0])
        if limbs.shape[1]:
            self._reach(first, limbs.shape[1])
            self._limbs[: limbs.shape[0], first - self._first :][:, : limbs.shape[1]] += limbs
        self._count_add()
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """``limbs`` (cells, W) and the number of the ``first``: the same arrays for the same sums."""
        self._trim()
        return {"limbs": self._limbs.copy(), "first": np.array(self._first)}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        limbs, first = state.get("limbs"), state.get("first")
        if limbs is None or first is None or limbs.dtype != np.int64 or limbs.ndim != 2 or first.shape != ():
            raise ValueError("the saved sums have no limbs")
        if first.dtype.kind != "i" or not 0 <= int(first) <= _MOST_LIMBS - limbs.shape[1]:
            raise ValueError("the saved sums lie beyond all numbers")
        top, below = limbs[:, -1:], limbs[:, :-1]
        if limbs.size and not (top.min() >= -(1 << 31) and top.max() < 1 << 31 and not (below & ~_MASK).any()):
            raise ValueError("the saved sums are not carried")
        self._limbs = np.array(limbs)
        self._first = int(first)
        self._adds = 0


def _check_finite(values: HostArray) -> None:
    """A NaN spreads through the maximum, an infinity is one end of the range: two looks at memory speed."""
    if values.size and not (np.isfinite(values.max()) and np.isfinite(values.min())):
        raise ValueError("only finite values can be added exactly")


def _whole(limbs: HostArray) -> int:
    """The integer that the limbs of one sum make."""
    whole = 0
    for limb in reversed(limbs.tolist()):
        whole = (whole << LIMB_BITS) + limb
    return whole


def _multiples(values: HostArray, repeats: HostArray) -> Iterator[HostArray]:
    """Parts whose exact sum is ``values · repeats``: products of at most 27 by 26 bits, which float64 holds."""
    high = (values.view(np.int64) & ~((1 << 27) - 1)).view(np.float64)
    place = 0
    while (digits := repeats >> place & _DIGIT).any() or (repeats >> place).any():
        factor = np.ldexp(digits.astype(np.float64), place)
        yield high * factor
        yield (values - high) * factor
        place += 26


def _rounded(whole: int, exponent: int) -> float:
    """``whole · 2^exponent`` as the nearest float64. Python divides integers of any size with one correct rounding."""
    try:
        return whole / (1 << -exponent) if exponent < 0 else float(whole << exponent)
    except OverflowError:
        return float("inf") if whole > 0 else float("-inf")


def _all_rounded(limbs: HostArray, exponent: int) -> HostArray:
    """The same of each row of carried ``limbs`` (K, W), none of which is 0."""
    negative = limbs[:, -1] < 0
    size = ExactSum(0)
    size._limbs, size._adds = np.pad(np.where(negative[:, None], -limbs, limbs), ((0, 0), (2, 0))), 1
    size._carry()  # the size of a sum: no limb is below 0 any more
    limbs, rows = size._limbs, np.arange(len(limbs))
    top = limbs.shape[1] - 1 - np.argmax(limbs[:, ::-1] != 0, axis=1)
    high = limbs[rows, top]
    low = (limbs[rows, top - 1].astype(np.uint64) << np.uint64(LIMB_BITS)) | limbs[rows, top - 2].astype(np.uint64)
    shift = 62 - np.frexp(high.astype(np.float64))[1]
    taken = shift.astype(np.uint64)
    kept = (high << shift) | (low >> (np.uint64(64) - taken)).astype(np.int64)
    rest = (low << taken != 0) | ((limbs != 0) & (np.arange(limbs.shape[1]) < top[:, None] - 2)).any(axis=1)
    # 62 bits and whether there are more of them decide how the nearest of 53 bits is rounded
    nearest = (kept | rest).astype(np.float64)
    with np.errstate(over="ignore"):
        found: HostArray = np.ldexp(np.where(negative, -nearest, nearest), LIMB_BITS * (top - 2) - shift + exponent)
    return found
