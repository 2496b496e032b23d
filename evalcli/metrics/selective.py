"""Selective prediction: how wrong the model is on the rows it is most sure of.

Rows stand by falling confidence. Accepting the first ``k`` of ``n`` is the coverage ``k / n``; the share of wrong ones
among them is the risk. Rows of equal confidence have no order: every formula takes the mean over all their orders, so
that the errors inside a tie, and inside a row that a coverage cuts, grow linearly.

With weights, ``n`` is their sum and a sum over ``k`` becomes an integral, the limit of many rows of little weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.once import once
from evalcli.metrics.roc import UNDEFINED, Certified

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.confidence import ConfidenceGroups

_SMALL = 256
_IN_CACHE = 1 << 12
"""Groups that are looked at together, with what is made of them."""
_HARMONIC = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, _SMALL + 1))])


class RiskPoint(NamedTuple):
    """A point of the risk–coverage curve; ``confidence`` is the least that is still accepted."""

    coverage: float
    risk: float
    confidence: float


class _Order(NamedTuple):
    """Groups by falling confidence (K,): rows and wrong ones in them, and before them."""

    rows: HostArray
    wrong: HostArray
    rows_before: HostArray
    wrong_before: HostArray


@once
def aurc(groups: ConfidenceGroups) -> Certified:
    """``Σ_{k=1}^{n} risk(k / n) / n``: the area under the risk–coverage curve, 0 is best; NaN without rows.

    A tie of ``m`` rows with ``w`` wrong ones, after ``k₀`` rows with ``e₀`` wrong ones, adds
    ``Σ_{i=1}^{m} (e₀ + i·w/m) / (k₀ + i)``. The interval has the wrong rows last and first in each group of several
    confidences.

    Source: Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural classifiers.
    """
    if not len(groups.n):
        return UNDEFINED
    order, coarse = _ordered(groups), groups.coarse
    counted = groups.right.dtype.kind == "i"
    total = float(order.rows.sum())
    span = harmonic_span if counted else _log_span
    whole = span(order.rows_before, order.rows)
    even = _area(*order, whole)
    value = float(even.sum()) / total
    if not coarse.any():
        return Certified(value, value, value)
    doubtful = np.flatnonzero(coarse & (order.wrong > 0) & (order.wrong < order.rows))  # others have one order
    m, w, k0, e0, whole = (part[doubtful] for part in (*order, whole))
    right = m - w
    last, first = even.copy(), even
    before, wrong_before = span(k0, right), span(k0, w)
    if counted:
        behind, right_behind = whole - before, whole - wrong_before
    else:  # an integral from 0 on has no parts
        behind, right_behind = span(k0 + right, w), span(k0 + w, right)
    last[doubtful] = e0 * before + (w + (e0 - (k0 + right)) * behind)
    first[doubtful] = w + (e0 - k0) * wrong_before + (e0 + w) * right_behind
    low, high = (float(bound.sum()) / total for bound in (last, first))
    return Certified(value, min(low, value), max(high, value))


def best_aurc(groups: ConfidenceGroups) -> float:
    """The ``aurc`` of the same errors if every right row came before every wrong one; NaN without rows."""
    if not len(groups.n):
        return float("nan")
    right, wrong = (np.array([float(amount.sum())]) for amount in (groups.right, groups.wrong))
    span = harmonic_span if groups.right.dtype.kind == "i" else _log_span
    return float(_area(wrong, wrong, right, np.zeros(1), span(right, wrong))[0] / (right[0] + wrong[0]))


def excess_aurc(groups: ConfidenceGroups) -> Certified:
    """``aurc − best_aurc``: what is lost because confidence does not tell right from wrong; 0 is best.

    The best area is that of this very number of rows, not the limit ``r + (1 − r)·ln(1 − r)``.

    Source: Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural classifiers.
    """
    area, best = aurc(groups), best_aurc(groups)
    return Certified(*(max(bound - best, 0.0) if bound == bound else bound for bound in area))  # noqa: PLR0124  NaN


def risk_at_coverage(groups: ConfidenceGroups, coverage: float) -> Certified:
    """The share of wrong rows among the ``coverage · n`` most confident; inside a tie errors grow linearly.

    Raises: ``ValueError`` for a coverage outside (0, 1].
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"a coverage lies above 0 and up to 1, not {coverage!r}")
    if not len(groups.n):
        return UNDEFINED
    return _risk(groups, _ordered(groups), coverage)


def _risk(groups: ConfidenceGroups, order: _Order, coverage: float) -> Certified:
    place, taken = _cut(order, coverage)
    m, w, k0, e0 = (float(column[place]) for column in order)
    part = min(taken - k0, m)
    wrong = (part * w / m, max(part - (m - w), 0.0), min(w, part)) if groups.coarse[place] else (part * w / m,) * 3
    return Certified(*(min((e0 + some) / taken, 1.0) for some in wrong))  # sums of weights may round past all of them


def accuracy_at_coverage(groups: ConfidenceGroups, coverage: float = 0.9) -> Certified:
    """``1 − risk_at_coverage``: the accuracy when the least confident rows are left to someone else.

    Raises: ``ValueError`` for a coverage outside (0, 1].
    """
    risk = risk_at_coverage(groups, coverage)
    return Certified(1 - risk.value, 1 - risk.high, 1 - risk.low)


def risk_coverage(groups: ConfidenceGroups, points: int = 20) -> list[RiskPoint]:
    """The curve at ``points`` even steps of coverage; empty without rows."""
    if not len(groups.n):
        return []
    order = _ordered(groups)
    steps = [step / points for step in range(1, points + 1)]
    return [
        RiskPoint(step, _risk(groups, order, step).value, float(groups.low[_cut(order, step)[0]])) for step in steps
    ]


@once
def _ordered(groups: ConfidenceGroups) -> _Order:
    sides = groups.n, groups.wrong
    every = (*sides, *(np.cumsum(side) - side for side in sides))  # whole numbers as such: in a tenth of the time
    return _Order(*(part.astype(np.float64, copy=False) for part in every))


def _cut(order: _Order, coverage: float) -> tuple[int, float]:
    """The group in which a coverage ends, and the rows up to there."""
    ends = order.rows_before + order.rows
    taken = coverage * float(ends[-1])
    return min(int(np.searchsorted(ends, taken)), len(ends) - 1), taken


def _area(m: HostArray, w: HostArray, k0: HostArray, e0: HostArray, span: HostArray) -> HostArray:
    """``Σ_{i=1}^{m} (e₀ + i·w/m) / (k₀ + i) = w + (e₀ − k₀·w/m) · Σ 1 / (k₀ + i)``, with weights the integral."""
    away = w / (m if (m > 0).all() else np.where(m > 0, m, 1.0))
    away *= k0
    np.subtract(e0, away, out=away)
    if (away == 0).any():  # where the span may be infinite
        span = np.where(away == 0, 0.0, span)
    away *= span
    away += w
    return away


def harmonic_span(start: HostArray, count: HostArray) -> HostArray:
    """``Σ_{i=1}^{count} 1 / (start + i)`` of whole numbers (K,) float64, to the last digits for any count.

    >>> harmonic_span(np.array([0.0, 1e6]), np.array([2.0, 1.0])).tolist()
    [1.5, 9.99999000001e-07]
    """
    span = np.empty_like(start)
    for first in range(0, len(start), _IN_CACHE):
        part = slice(first, first + _IN_CACHE)
        span[part] = _harmonic_span(start[part], count[part])
    return span


def _harmonic_span(start: HostArray, count: HostArray) -> HostArray:
    stop = start + count
    single = np.flatnonzero(count == 1)
    if len(single) == len(count):
        singles: HostArray = 1.0 / stop
        return singles
    a, b, few = start, stop, np.flatnonzero(start < _SMALL)
    if len(few):
        a, b = np.maximum(start, _SMALL), np.maximum(stop, _SMALL)
    # ln b − ln a and the differences of Euler's series 1/2x − 1/12x² + 1/120x⁴, without cancellation
    length, of_a, of_b = b - a, 1.0 / a, 1.0 / b
    length *= of_a
    far = length * of_b
    squares = of_a + of_b
    squares *= far
    of_a *= of_a
    of_b *= of_b
    of_a += of_b
    of_a *= squares
    of_a /= 120
    squares /= 12
    far /= 2
    span: HostArray = np.log1p(length, out=length)
    if len(few):
        ends = (np.minimum(part[few], _SMALL).astype(np.int64) for part in (stop, start))
        span[few] += np.subtract(*(_HARMONIC[end] for end in ends))
    span -= far
    span += squares
    span -= of_a
    span[single] = 1.0 / stop[single]
    return span


def _log_span(start: HostArray, width: HostArray) -> HostArray:
    """``∫ dx / x`` over ``width`` from ``start``; 0 at the very beginning, where its factor is 0."""
    return np.log1p(np.divide(width, start, out=np.zeros_like(start), where=start > 0))
