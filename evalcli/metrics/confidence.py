"""Rows counted by their confidence, right and wrong apart: what selective prediction and equal-mass bins read.

The table is exact until its budget is full. Then neighbouring confidences share an entry that knows its least and
largest, and every number that reads the table comes with an interval that holds the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.arrays import distinct as distinct_of
from evalcli.metrics.arrays import namespace
from evalcli.metrics.calibration import BINS, BinTable, ece, stored_confidence
from evalcli.metrics.keycolumn import KeyColumn
from evalcli.metrics.keyentries import in_order, places_of, span_of
from evalcli.metrics.keys import heads_of, scores_of, sort_keys
from evalcli.metrics.once import once
from evalcli.metrics.roc import Certified
from evalcli.metrics.scorestate import ProbabilityState

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.metrics.probability import ProbabilityRows, ScoreForm

BUDGET = 64 << 20
"""Bytes that the entries may take, unless told otherwise."""
_RIGHT, _WRONG = 0, 1
_BLURRED = 13
"""Bits of a computed float64 that do not count."""


@dataclass(frozen=True, slots=True)
class ConfidenceGroups:
    """Rows (K,) by falling confidence: ``right`` and ``wrong`` ones between ``low`` and ``high``.

    Where the two are equal the rows are true ties.
    """

    low: HostArray
    high: HostArray
    right: HostArray
    wrong: HostArray
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was read off already."""

    @property
    def n(self) -> HostArray:
        """Rows, or sums of weights, of each group (K,)."""
        return _rows(self)

    @property
    def coarse(self) -> HostArray:
        """Which groups hold several confidences, (K,) bool."""
        return _several(self)


@once
def _rows(groups: ConfidenceGroups) -> HostArray:
    rows: HostArray = groups.right + groups.wrong
    return rows


@once
def _several(groups: ConfidenceGroups) -> HostArray:
    several: HostArray = groups.low != groups.high
    return several


class ConfidenceTable(ProbabilityState):
    """The top label's confidence of every row, counted, in bounded memory.

    Logits are told apart by one minus the confidence, so that saturated rows still differ; ``tied`` says which do not.
    What is one number but for an error may still be rounded apart, to neighbours: those are one group, by the least.

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = ConfidenceTable(ScoreForm("probs", binary=True))
    >>> state.update(np.array([0.75, 0.25, 1.0]), np.array([1, 1, 1]))
    >>> state.compute()
    ConfidenceGroups(low=array([1.  , 0.75]), high=array([1.  , 0.75]), right=array([1, 1]), wrong=array([0, 1]))
    """

    column: KeyColumn

    def __init__(self, form: ScoreForm, *, budget: int = BUDGET, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        self.budget = budget
        self.bits = _bits(form)
        entry = 2 * self.bits // 8 + (24 if weighted else 8)  # two keys; a count, or the limbs of a sum
        self.add_state("column", KeyColumn(2, self.bits, budget // entry, weighted=weighted))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.budget

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        keys = sort_keys(_ranked(rows), self.bits)
        wrong = rows.rank > 0
        for side, kept in ((_RIGHT, ~wrong), (_WRONG, wrong)):
            repeats = None if rows.repeats is None else rows.repeats[kept]
            weight = rows.weight[kept] if self.weighted and rows.weight is not None else None
            self.column.add(side, keys[kept], repeats, weight)

    def compute(self) -> ConfidenceGroups:
        """The table so far."""
        dropped, both = self.column.shift, [self.column.bins(side) for side in (_RIGHT, _WRONG)]
        entries = in_order(both)
        heads = heads_of(entries.least, dropped)
        least, largest = span_of(entries, heads, dropped)
        place = places_of(entries, heads)
        sides = []
        for bins, at in zip(both, np.split(place, [len(both[_RIGHT].least)]), strict=True):
            amounts = np.zeros(len(least), np.float64 if self.weighted else np.int64)
            amounts[at] = bins.values()
            sides.append(amounts)
        if self.form.kind == "logits" and dropped <= _BLURRED and len(least):
            heads = np.flatnonzero(np.diff(least, prepend=least.dtype.type(0)) > 1 << _BLURRED)
            least = largest = least[heads]
            sides = [np.add.reduceat(amounts, heads) for amounts in sides]
        low, high = (scores_of(keys[::-1]) + _offset(self.form) for keys in (least, largest))
        return ConfidenceGroups(low, high, *(amounts[::-1].copy() for amounts in sides))


def _bits(form: ScoreForm) -> int:
    return 32 if form.kind == "probs" and form.eps >= 2.0**-23 else 64


def _ranked(rows: ProbabilityRows) -> HostArray:
    """What rows (N,) are ordered by."""
    form = rows.form
    scores: HostArray = -tied(rows.doubt) if form.kind == "logits" else stored_confidence(rows.confidence, form)
    return scores.astype(np.float32) if _bits(form) == 32 else scores


def tied(doubts: Array) -> Array:
    """Doubts (N,) float64 in 40 significant bits, on the host or a device: what is equal but for an error is a tie.

    Whoever takes exponentials and adds them up, in whatever order, is off by some 1e-16 of a sum, and so may tell apart
    what is one number; this rounds to 1e-12 of it, which no one sees. Of equal doubts one in a thousand may still lie
    where two are rounded apart, to neighbours.

    >>> doubt = 0.1 + 0.2
    >>> doubt == 0.3, bool(tied(np.array([doubt])) == tied(np.array([0.3])))
    (False, True)
    """
    whole = namespace(doubts).int64
    bits = ((doubts.view(whole) + (1 << (_BLURRED - 1))) >> _BLURRED) << _BLURRED
    return bits.view(doubts.dtype)


def _offset(form: ScoreForm) -> float:
    return 1.0 if form.kind == "logits" else 0.0


def told_confidence(rows: ProbabilityRows) -> HostArray:
    """The confidence (N,) of rows as groups tell it."""
    told: HostArray = _ranked(rows).astype(np.float64) + _offset(rows.form)
    return told


def equal_mass_bins(groups: ConfidenceGroups, bins: int = BINS) -> BinTable:
    """Bins (B,) of nearly equal size, by rising confidence; ties are never split, so a bin may be larger or empty.

    A group that has ``a`` rows below it and ``b`` up to its end belongs to bin ``⌊B · (a + b) / 2n⌋``, that of its
    middle: without ties, and with B a divisor of n, all bins hold n / B rows. ``low`` and ``high`` are the least and
    largest confidence in the bin, NaN where it is empty. A group of several confidences counts at their middle.

    Source: Nguyen and O'Connor 2015, Posterior calibration and exploratory analysis for natural language processing
    models.
    """
    return _equal_mass(groups, bins)


@once
def _equal_mass(groups: ConfidenceGroups, bins: int) -> BinTable:
    heads, at = _runs(groups, bins)
    least, largest = np.full(bins, np.inf), np.full(bins, -np.inf)
    n, right, confidence = (np.zeros(bins, kind) for kind in (groups.n.dtype, groups.right.dtype, np.float64))
    if len(heads):
        np.minimum.at(least, at, np.minimum.reduceat(groups.low, heads))
        np.maximum.at(largest, at, np.maximum.reduceat(groups.high, heads))
        sums = (confidence, (groups.low + groups.high) / 2 * groups.n), (n, groups.n), (right, groups.right)
        for told, amounts in sums:
            np.add.at(told, at, np.add.reduceat(amounts, heads))
    empty = n == 0
    return BinTable(n, confidence, right, np.where(empty, np.nan, least), np.where(empty, np.nan, largest))


def equal_mass_ece(groups: ConfidenceGroups, bins: int = BINS) -> Certified:
    """``Σ_b |right_b − confidence_b| / n`` over ``equal_mass_bins``; NaN without rows.

    The interval allows every group of several confidences to lie anywhere in its range, and one at the border of a bin
    to have any part of it in another.
    """
    value = float(ece(equal_mass_bins(groups, bins)))
    coarse = groups.coarse
    if not coarse.any():
        return Certified(value, value, value)
    n, total = groups.n.astype(np.float64), float(groups.n.sum())
    shifted, cut = n * (groups.high - groups.low) / 2, _cut(groups, bins)
    moved = 2 * np.maximum(groups.right[cut] * (1 - groups.low[cut]), groups.wrong[cut] * groups.high[cut])
    doubt = (float(shifted.sum()) + float(moved.sum())) / total
    return Certified(value, max(value - doubt, 0.0), min(value + doubt, 1.0))


@once
def _ends(groups: ConfidenceGroups) -> HostArray:
    """The rows up to the end of each group (K,), from the least confident one on, which comes first."""
    ends: HostArray = np.cumsum(groups.n[::-1])
    return ends


def _runs(groups: ConfidenceGroups, bins: int) -> tuple[HostArray, HostArray]:
    """With which groups runs of one bin begin, and the bin of each run."""
    if not len(groups.n):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = _ends(groups)
    middle = 2 * ends - groups.n[::-1]  # rows below and rows up to the end; whole numbers stay whole
    if middle.dtype.kind == "i":
        whole = 2 * int(ends[-1])
        firsts = np.searchsorted(middle, [-(-place * whole // bins) for place in range(1, bins)])
        starts = np.concatenate([[0], firsts])
        filled = np.flatnonzero(np.diff(starts, append=len(middle)))
        last = np.concatenate([starts[filled[1:]], [len(middle)]])
        return (len(middle) - last)[::-1], filled[::-1]
    places = np.clip(middle * bins // (2 * ends[-1]), 0, bins - 1).astype(np.int64)[::-1]
    heads = np.flatnonzero(np.diff(places, prepend=-1))
    return heads, places[heads]


def _cut(groups: ConfidenceGroups, bins: int) -> HostArray:
    """The groups of several confidences at the border of a bin, but for rounding."""
    ends = _ends(groups)
    total = float(ends[-1])
    beside = np.searchsorted(ends, total * np.arange(1, bins + 1) / bins)[:, None] + np.arange(-2, 3)
    near = distinct_of(np.clip(beside, 0, len(ends) - 1))
    last, n = ends[near].astype(np.float64), groups.n[::-1][near]
    first = np.floor(bins * (last - n) / total * (1 - 1e-12))
    near = len(ends) - 1 - near[first != np.floor(bins * last / total * (1 + 1e-12))]
    found: HostArray = near[groups.coarse[near]]
    return found
