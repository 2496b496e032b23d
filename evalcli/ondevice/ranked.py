"""How well scores rank, read off on the device where their keys were sorted: numbers of many columns at a time.

What is read is the same to the bit as :mod:`evalcli.metrics.roc` reads off the entries that the host takes over: whole
numbers, quotients, and sums added up in one order.
"""

from __future__ import annotations

from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch

from evalcli.metrics.arrays import fetch
from evalcli.metrics.keys import UNSIGNED, scores_of
from evalcli.metrics.roc import Certified, Ranking, area, mean_precision
from evalcli.metrics.terms import BLOCK, LIMB, SUM_ROUNDING, Block, added, precisions

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.ondevice.keys import Entries


class _Segments(NamedTuple):
    """All (C, K) by falling score, the last of a column empty: as a ``Ranking`` has them, the score as a key."""

    score: Array
    pos: Array
    neg: Array
    mixed: Array
    spread: Array


class RankedThere:
    """``rows`` in C columns, as ``entries`` of two sides: negatives, then positives."""

    def __init__(self, entries: Entries, rows: int) -> None:
        self.rows, self._entries = rows, entries

    def __deepcopy__(self, memo: object) -> Self:
        """Nothing here ever changes."""
        return self

    def read(self, metric: str) -> Certified | None:
        """A metric of every column: three arrays (C,); ``None``: it must be read off the rankings."""
        if metric not in _READ:
            return None
        with torch.inference_mode():
            found = _READ[metric](self)
        return Certified(*(np.array(part) for part in zip(*found, strict=True)))

    def rankings(self) -> list[Ranking]:
        """Every column as the host ranks it."""
        with torch.inference_mode():
            ends = (self._segments.pos + self._segments.neg > 0).sum(1)
            lowest = torch.iinfo(self._segments.score.dtype).min
            held = self._segments._replace(score=self._segments.score ^ lowest)
            keys, *amounts, ends = fetch(*held, ends)
        bits = 8 * keys.itemsize
        found = []
        for number, end in enumerate(ends.tolist()):
            pos, neg, mixed, spread = (part[number, :end] for part in amounts)
            score = scores_of(keys[number, :end].view(UNSIGNED[bits]))
            found.append(Ranking(score, pos, neg, mixed, spread, self._shift[number], bits))
        return found

    @cached_property
    def positives(self) -> HostArray:
        """How many positives each column has (C,)."""
        return np.array([positives for positives, _ in self._sizes], np.float64)

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        """The positives and the negatives of each column."""
        (positives,) = fetch(self._segments.pos.sum(1))
        return [(found, self.rows - found) for found in positives.tolist()]

    @cached_property
    def _shift(self) -> list[int]:
        return [int(dropped) for (dropped,) in self._entries.shift.tolist()]

    @cached_property
    def _segments(self) -> _Segments:
        with torch.inference_mode():
            return _segments(self._entries)

    def _auroc(self) -> list[Certified]:
        _, pos, neg, mixed, _ = self._segments
        beyond = neg.sum(1, keepdim=True) - neg.cumsum(1)
        sums = [part for other in (beyond, neg, neg * mixed) for part in _dot(pos, other)]
        parts = torch.stack(sums, 1)
        found = []
        for row, (positives, negatives) in zip(fetch(parts)[0].tolist(), self._sizes, strict=True):
            certain, tied, doubt = (low + (high << LIMB) for low, high in zip(row[::2], row[1::2], strict=True))
            found.append(area(2 * certain + tied, doubt, positives, negatives))
        return found

    def _average_precision(self) -> list[Certified]:
        _, pos, neg, mixed, spread = self._segments
        tp, fp = (part.cumsum(1).double() for part in (pos, neg))
        pos, neg = pos.double(), neg.double()
        every = Block(pos, neg, mixed, spread, tp - pos, fp - neg, tp, fp)
        sums: list[list[Array]] = [[], []]
        for start in range(0, pos.shape[1], BLOCK):
            terms = precisions(Block(*(part[:, start : start + BLOCK] for part in every)), 1.0)
            for side, part in zip(sums, terms, strict=True):
                side.append(added(part))
        low, high = fetch(*(torch.stack(side, 1) for side in sums))
        slack = [SUM_ROUNDING if dropped else 0.0 for dropped in self._shift]
        return [
            mean_precision(fsum(low[number]), fsum(high[number]), *sizes, slack=slack[number])
            for number, sizes in enumerate(self._sizes)
        ]


_READ: dict[str, Callable[[RankedThere], list[Certified]]] = {
    "auroc": RankedThere._auroc,
    "average_precision": RankedThere._average_precision,
}


def _dot(left: Array, right: Array) -> tuple[Array, Array]:
    """``Σ left·right`` (C,) of counts (C, K), the low bits of ``right`` and the others apart."""
    return (left * (right & ((1 << LIMB) - 1))).sum(1), (left * (right >> LIMB)).sum(1)


def _segments(entries: Entries) -> _Segments:
    """As the host makes them of two sides: a bin of both is one segment, unless their order is certain."""
    room = entries.least.shape[1]
    is_held = entries.amounts > 0
    bins = entries.least >> entries.shift
    bins = torch.where(is_held, bins, torch.iinfo(bins.dtype).max)
    bins, order = bins.sort(dim=1, stable=True)  # of one bin the negatives come first
    least, largest, amounts, is_held = (
        part.gather(1, order) for part in (entries.least, entries.largest, entries.amounts, is_held)
    )
    positive = order >= entries.begins[:, 1:2]
    shared = (bins[:, 1:] == bins[:, :-1]) & is_held[:, 1:]
    swapped = shared & (least[:, :-1] > largest[:, 1:])
    merged = shared & ~swapped & ~(least[:, 1:] > largest[:, :-1])
    one_key = (least[:, 1:] == largest[:, :-1]) & (least[:, :-1] == largest[:, 1:])
    follows, leads = _padded(merged), _padded(merged, at_end=True)
    place = (is_held & ~follows).cumsum(1) - 1
    place += _padded(swapped, at_end=True).long() - _padded(swapped).long()
    count = (is_held & ~follows).sum(1, keepdim=True)
    empty = torch.arange(room, device=place.device)  # behind them, one for each: threads that share one would wait
    place = torch.where(is_held, count - 1 - place, empty)
    partner = torch.cat([least[:, 1:], least[:, -1:]], 1)
    score = torch.where(follows, 0, torch.where(leads, torch.minimum(least, partner), least))

    def placed(values: Array) -> Array:
        return torch.zeros_like(values).scatter_add_(1, place, values)

    return _Segments(
        placed(score),
        placed(amounts * positive),
        placed(amounts * ~positive),
        placed(_padded(merged & ~one_key, at_end=True).int()) > 0,
        placed((positive & (least != largest)).int()) > 0,
    )


def _padded(pairs: Array, *, at_end: bool = False) -> Array:
    """What holds of neighbours (C, K − 1), at the second of the two, or at the first, (C, K)."""
    none = pairs.new_zeros((len(pairs), 1))
    return torch.cat([pairs, none] if at_end else [none, pairs], 1)
