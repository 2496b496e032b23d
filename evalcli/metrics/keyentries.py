"""Entries of a table of keys, by ascending key, and how those of several parts become one for each bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keys import UNSIGNED, heads_of, numbered

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray


class Bins(NamedTuple):
    """Entries of one side by ascending key: least and largest key (K,), rows (K,) int64 or sums of weights."""

    least: HostArray
    largest: HostArray
    amounts: HostArray | ExactSum

    def values(self) -> HostArray:
        """The amounts as int64, or as float64 where they are sums of weights."""
        return self.amounts.value() if isinstance(self.amounts, ExactSum) else self.amounts


def no_bins(bits: int, weighted: bool) -> Bins:
    """No entries of keys of so many bits."""
    return Bins(NO_KEYS[bits], NO_KEYS[bits], ExactSum(0) if weighted else _NO_ROWS)


NO_KEYS = {bits: np.zeros(0, kind) for bits, kind in UNSIGNED.items()}
_NO_ROWS = np.zeros(0, np.int64)


class Ordered(NamedTuple):
    """Entries of several parts, the order that sorts them (``None``: they are sorted), and ``least`` so sorted."""

    parts: list[Bins]
    order: HostArray | None
    least: HostArray


def in_order(parts: list[Bins]) -> Ordered:
    """The entries of all parts, by ascending least key."""
    if len(parts) == 1:
        return Ordered(parts, None, parts[0].least)
    least = np.concatenate([part.least for part in parts])
    order = np.argsort(least, kind="stable")  # sorted runs: one linear merge
    return Ordered(parts, order, least[order])


def places_of(entries: Ordered, heads: HostArray) -> HostArray:
    """Behind which of ``heads`` each entry (K,) stands, by the order of the parts."""
    number = numbered(heads, len(entries.least))
    if entries.order is None:
        return number
    places = np.empty_like(number)
    places[entries.order] = number
    return places


def merged_bins(parts: list[Bins], shift: int) -> Bins:
    """The entries of all parts, one per bin of ``shift``, which is that of none of them or larger."""
    entries = in_order(parts)
    return binned(entries, heads_of(entries.least, shift), shift)


def binned(entries: Ordered, heads: HostArray, shift: int) -> Bins:
    """Entries, in which a new bin of ``shift`` begins at each of ``heads``, one per bin."""
    parts, order, least = entries
    if order is None and len(heads) == len(least):
        return parts[0]
    ends = ends_of(heads, len(least))
    return Bins(*span_of(entries, heads, shift), _sums([part.amounts for part in parts], order, heads, ends))


def span_of(entries: Ordered, heads: HostArray, shift: int) -> tuple[HostArray, HostArray]:
    """The least and the largest key (K,) of the bins of ``shift`` that begin at ``heads``."""
    parts, order, least = entries
    first = least[heads]
    if not shift:
        return first, first
    ends = ends_of(heads, len(least))
    if order is None:
        return first, parts[0].largest[ends - 1]
    largest = np.concatenate([part.largest for part in parts])[order]
    if (ends - heads <= 2).all():  # as in nearly all tables: an entry here, an entry there
        return first, np.maximum(largest[heads], largest[ends - 1])
    return first, np.maximum.reduceat(largest, heads)


def ends_of(heads: HostArray, size: int) -> HostArray:
    """Where what begins at each of ``heads`` ends: at the next one, the last at ``size``."""
    ends = np.empty_like(heads)
    ends[:-1], ends[-1:] = heads[1:], size
    return ends


def _sums(
    parts: list[HostArray | ExactSum], order: HostArray | None, heads: HostArray, ends: HostArray
) -> HostArray | ExactSum:
    """Amounts, taken in ``order``, added up from each of ``heads`` to its one of ``ends``."""
    sums = [part for part in parts if isinstance(part, ExactSum)]
    if not sums:
        counts = np.concatenate([part for part in parts if not isinstance(part, ExactSum)])
        counts = counts if order is None else counts[order]
        so_far: HostArray = np.cumsum(counts)[ends - 1]  # of whole numbers differences of these are the sums
        so_far[1:] -= so_far[:-1].copy()
        return so_far
    if len(sums) == 1 and sums[0].cells == len(heads):
        return sums[0]
    groups = numbered(heads, sum(part.cells for part in sums))
    if order is not None:
        groups[order] = groups.copy()
    return ExactSum.folded(sums, groups, len(heads))
