"""How kappa and the Matthews correlation move with one more row: their slopes, and how these bend.

Both read how many rows are right, ``O = Σ tp``, and how many would be by chance, ``E = Σ support·predicted``.

Source: Cohen 1960, A coefficient of agreement for nominal scales; Gorodkin 2004, Comparing two K-category assignments
by a K-category correlation coefficient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.cells import along, dot, summed
from evalcli.uncertainty.slopes import Slope, or_one, where

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells, Margins


class Kappa:
    """``(n·O − E) / (n² − E)`` with O right rows and ``E = Σ support·predicted``."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, size = *margins[:3], margins.rows
        right, chance = summed(tp), summed(support * predicted)
        below = size * size - chance
        value = where(below > 0, (size * right - chance) / or_one(below), 0.0)
        below = or_one(below)
        short = (1.0 - value) / below
        of_n = (right - 2.0 * value * size) / below
        return Slope(value, of_n, np.full(tp.shape, size / below), -short * predicted, -short * support)

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        tp, support, predicted, n = margins[:4]
        size, slope = float(n), self.slope(margins)
        below = size * size - dot(support, predicted) or 1.0
        right = along(moved.tp)
        chance = along(moved.support * predicted + support * moved.predicted)
        falls = (2.0 * size * moved.n - chance) / below
        gained = (moved.n * float(tp.sum()) + size * right - chance) / below - slope.value * falls
        short = (1.0 - slope.value) / below
        shorter = -(gained / below + short * falls)
        of_n = (right - 2.0 * (gained * size + slope.value * moved.n)) / below - slope.n * falls
        of_tp = (moved.n / below - size / below * falls) * np.ones(len(tp))
        of_support, of_predicted = (
            -(shorter * part + short * more) for part, more in ((predicted, moved.predicted), (support, moved.support))
        )
        return Slope(gained, of_n, of_tp, of_support, of_predicted)

    def bias(self, cells: Cells) -> float | HostArray:
        """Half the sum of second derivatives: the top does not bend, the bottom by 2 for each wrong row."""
        support, predicted, size = cells.margins.support, cells.margins.predicted, cells.margins.rows
        slope = self.slope(cells.margins)
        below = or_one(size * size - summed(support * predicted))
        of_preds, of_target = predicted.reshape(-1)[cells.target], support.reshape(-1)[cells.preds]
        moved = cells.each(2.0 * size) - of_preds - np.where(cells.preds >= 0, of_target, 0.0)
        wrong = np.where(cells.target == cells.preds, 0.0, 2.0)
        second = -(cells.each(slope.value) * wrong + 2.0 * cells.influences(slope) * moved) / cells.each(below)
        return cells.sums(cells.squares * second) / 2.0


class Matthews:
    """``X / √(P·Q)``: ``X = n·O − E``, ``P = n² − Σ predicted² − U²``, ``Q = n² − Σ support²``, U rows unpredicted."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, size = *margins[:3], margins.rows
        right, nowhere = summed(tp), size - summed(predicted)
        covariance, of_preds, of_target, scale = _spreads(margins)
        by_preds, by_target = covariance / of_preds, covariance / of_target
        return Slope(
            covariance * scale,
            scale * (right - by_preds * (size - nowhere) - by_target * size),
            np.full(tp.shape, scale * size),
            scale * (by_target * support - predicted),
            scale * (by_preds * (predicted - nowhere) - support),
        )

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        tp, support, predicted, n = (np.asarray(part, float) for part in margins[:4])
        size, right, slope = float(n), float(tp.sum()), self.slope(margins)
        nowhere = size - float(predicted.sum())
        covariance, of_preds, of_target, scale = _spreads(margins)
        if not scale > 0:
            return Slope(0.0 * moved.n, 0.0 * moved.n, *(0.0 * part for part in moved[:3]))
        by_preds, by_target = covariance / of_preds, covariance / of_target
        hits, lost = along(moved.tp), moved.n - along(moved.predicted)
        together = along(moved.support * predicted + support * moved.predicted)
        covaries = moved.n * right + size * hits - together
        preds = 2.0 * (size * moved.n - along(predicted * moved.predicted) - nowhere * lost)
        target = 2.0 * (size * moved.n - along(support * moved.support))
        falls = (preds / of_preds + target / of_target) / 2.0
        more_preds, more_target = (covaries - by_preds * preds) / of_preds, (covaries - by_target * target) / of_target
        of_n = hits - more_preds * (size - nowhere) - by_preds * (moved.n - lost)
        return Slope(
            scale * covaries - slope.value * falls,
            scale * (of_n - more_target * size - by_target * moved.n) - slope.n * falls,
            scale * moved.n - slope.tp * falls,
            scale * (more_target * support + by_target * moved.support - moved.predicted) - slope.support * falls,
            scale * (more_preds * (predicted - nowhere) + by_preds * (moved.predicted - lost) - moved.support)
            - slope.predicted * falls,
        )

    def bias(self, cells: Cells) -> float | HostArray:
        """Half the sum of second derivatives: neither X nor P nor Q bends."""
        tp, support, predicted, n = *cells.margins[:3], cells.margins.rows
        target, preds, named = cells.target, cells.preds, cells.preds >= 0
        spreads = _spreads(cells.margins)
        covariance, of_preds, of_target, _ = map(cells.each, spreads)
        size, right, nowhere = map(cells.each, (n, summed(tp), n - summed(predicted)))
        support, predicted = support.reshape(-1), predicted.reshape(-1)
        moved = right + np.where(target == preds, size, 0.0) - predicted[target] - np.where(named, support[preds], 0.0)
        p = (2.0 * size - 2.0 * np.where(named, predicted[preds], nowhere)) / of_preds
        q = (2.0 * size - 2.0 * support[target]) / of_target
        falls = -(p + q) / 2.0
        second = 2.0 * moved * falls + covariance * (falls * falls + (p * p + q * q) / 2.0)
        bias = cells.sums(cells.squares * second) / (2.0 * np.sqrt(spreads.of_preds * spreads.of_target))
        return where(spreads.scale > 0, bias, 0.0)


class _Spreads(NamedTuple):
    """``X``, ``P``, ``Q`` and ``1 / √(P·Q)``; where one side is constant 0, 1, 1 and 0."""

    covariance: float | HostArray
    of_preds: float | HostArray
    of_target: float | HostArray
    scale: float | HostArray


def _spreads(margins: Margins) -> _Spreads:
    """Of one sample, or of several."""
    tp, support, predicted, size = *margins[:3], margins.rows
    nowhere = size - summed(predicted)
    covariance = size * summed(tp) - summed(support * predicted)
    of_preds = size * size - summed(predicted * predicted) - nowhere * nowhere
    of_target = size * size - summed(support * support)
    vary = (of_preds > 0) & (of_target > 0)
    of_preds, of_target = where(vary, of_preds, 1.0), where(vary, of_target, 1.0)
    return _Spreads(where(vary, covariance, 0.0), of_preds, of_target, vary / np.sqrt(of_preds * of_target))
