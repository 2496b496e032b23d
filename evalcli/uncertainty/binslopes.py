"""How much a row adds to a calibration error, by the bin that its confidence lies in.

Every metric of a table of bins is a function of three sums in each bin: rows, confidence, right rows. A row adds its
share to each of them, and so its influence on the metric is the derivative by the three. An absolute gap has a kink at
0: where noise alone may have made it, only that part of its slope counts which a folded normal distribution has.

Errors are compared with those that true gaps let one expect, of which the gaps seen are the only pattern: what a gap of
known sign adds is expected, what noise adds to another is not, and makes the rest of the pattern look smaller. So a row
counts by how far it moves an error from the expected one: more where a sign is in doubt, and less elsewhere. If signs
are known by ``s``, and by ``s̄`` in the mean over all gaps, a slope is ``s·(2 + s̄ − 2s)``: over the noise of a true gap
of 0 its mean square is a fifth above the variance of ``(1 + s̄)·|X| − E|X + Y|``, X and Y standard normal, if ``s̄ > ¾``.
With that, simulated errors are as correlated as rows tell.

Source: Leone, Nelson and Nottingham 1961, The folded normal distribution.
"""

from __future__ import annotations

from math import erf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.bins import gaps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable


class BinSlopes(NamedTuple):
    """What a metric grows by in each bin (T, B) with a row, with the confidence of a row, and with a row being right.

    >>> from evalcli.metrics.calibration import bin_table
    >>> slopes = bin_slopes("brier_reliability", bin_table(np.array([4]), np.array([3.0]), np.array([2])))
    >>> slopes.at(np.array([0, 0]), np.array([0.75, 1.0]), np.array([True, False])).tolist()
    [-0.0625, 0.09375]
    """

    row: HostArray
    confidence: HostArray
    right: HostArray

    def at(self, places: HostArray, confidence: HostArray, right: HostArray) -> HostArray:
        """The influence (N,) of rows in bins ``places`` (N,) of all tables laid out behind one another."""
        row, by_confidence, by_right = (part.reshape(-1).take(places) for part in self)
        by_confidence *= confidence
        row += by_confidence
        row += np.where(right, by_right, 0.0)
        return row


class _Bins(NamedTuple):
    """A table (T, B): rows, confidence, right rows, all rows (T, 1), how surely gaps have their signs, their slopes."""

    n: HostArray
    sure: HostArray
    right: HostArray
    total: HostArray
    signs: HostArray
    moved: HostArray

    @classmethod
    def of(cls, table: BinTable, mean_weight: float) -> _Bins:
        n, sure, right = (np.atleast_2d(part).astype(np.float64) for part in (table.n, table.confidence, table.right))
        gaps = gaps_of(table, mean_weight)
        noisy = gaps.variances > 0.0
        ratio = gaps.sizes / np.sqrt(np.where(noisy, gaps.variances, 1.0))
        half = np.array([[erf(min(one, 1e3) / sqrt(2.0)) for one in row] for row in ratio.tolist()])
        signs = np.sign(right - sure) * np.where(noisy, half, 1.0)
        sizes = gaps.sizes.sum(axis=1, keepdims=True)
        known = (gaps.sizes * np.abs(signs)).sum(axis=1, keepdims=True) / np.where(sizes > 0.0, sizes, 1.0)
        moved = signs * (2.0 + known - 2.0 * np.abs(signs))
        return cls(n, sure, right, np.maximum(n.sum(axis=1, keepdims=True), 1e-300), signs, moved)

    @property
    def held(self) -> HostArray:
        """Rows (T, B), 1 of none."""
        rows: HostArray = np.where(self.n > 0, self.n, 1.0)
        return rows


def bin_slopes(base: str, table: BinTable, mean_weight: float = 1.0) -> BinSlopes:
    """Those of the metric ``base`` of a table (B,), or of the mean or the sum over tables (T, B) that it is.

    ``mean_weight`` is Σw² / Σw.
    """
    return SLOPES[base](_Bins.of(table, mean_weight))


def gap_moves(table: BinTable, mean_weight: float) -> HostArray:
    """The variances (T,) of calibration errors that the slopes of their bins tell, as if rows were independent."""
    gaps = gaps_of(table, mean_weight)
    found: HostArray = (_Bins.of(table, mean_weight).moved ** 2 * gaps.variances).sum(axis=1) + gaps.between
    return found


def _of_error(bins: _Bins) -> BinSlopes:
    """``Σ |right − confidence| / n``, the mean over tables."""
    return _of_sides(bins, np.ones_like(bins.signs))


def _of_sides(bins: _Bins, held: HostArray) -> BinSlopes:
    """The same of the gaps that are ``held``."""
    tables = len(bins.n)
    value = (held * np.abs(bins.right - bins.sure)).sum(axis=1, keepdims=True) / bins.total
    right = held * bins.moved / bins.total / tables
    row = np.broadcast_to(-value / bins.total / tables, right.shape)
    return BinSlopes(row, -right, right)


def _of_largest(bins: _Bins) -> BinSlopes:
    """``max |right − confidence| / n``"""
    gaps = np.where(bins.n > 0, np.abs(bins.right - bins.sure) / bins.held, -1.0)
    worst = np.arange(gaps.shape[1]) == np.argmax(gaps, axis=1)[:, None]
    right = np.where(worst, bins.signs / bins.held, 0.0)
    return BinSlopes(np.where(worst, -gaps * np.abs(bins.signs) / bins.held, 0.0), -right, right)


def _of_reliability(bins: _Bins) -> BinSlopes:
    """``Σ (confidence − right)² / n_b / n``, the sum over tables."""
    gaps = (bins.sure - bins.right) / bins.held
    value = (bins.n * gaps**2).sum(axis=1, keepdims=True) / bins.total
    return BinSlopes(-(gaps**2 + value) / bins.total, 2.0 * gaps / bins.total, -2.0 * gaps / bins.total)


def _of_resolution(bins: _Bins) -> BinSlopes:
    """``Σ right² / n_b / n − (Σ right / n)²``, the sum over tables."""
    happened = bins.right / bins.held
    share = bins.right.sum(axis=1, keepdims=True) / bins.total
    squares = (bins.n * happened**2).sum(axis=1, keepdims=True) / bins.total
    row = (2.0 * share**2 - happened**2 - squares) / bins.total
    return BinSlopes(row, np.zeros_like(row), 2.0 * (happened - share) / bins.total)


SLOPES: dict[str, Callable[[_Bins], BinSlopes]] = {
    **dict.fromkeys(("ece", "ece_positive", "ece_equal_mass", "ece_classwise"), _of_error),
    "overconfidence": lambda bins: _of_sides(bins, bins.right < bins.sure),
    "underconfidence": lambda bins: _of_sides(bins, bins.right > bins.sure),
    "mce": _of_largest,
    "brier_reliability": _of_reliability,
    "brier_resolution": _of_resolution,
}
"""By the name of a metric."""
