"""How kappa and the Matthews correlation move with one more row: their slopes, and how these bend.

Both read how many rows are right, ``O = Σ tp``, and how many would be by chance, ``E = Σ support·predicted``.

Source: Cohen 1960, A coefficient of agreement for nominal scales; Gorodkin 2004, Comparing two K-category assignments
by a K-category correlation coefficient.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import along, dot
from evalcli.uncertainty.slopes import Slope

if TYPE_CHECKING:
    from evalcli.uncertainty.cells import Cells, Margins


class Kappa:
    """``(n·O − E) / (n² − E)`` with O right rows and ``E = Σ support·predicted``."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, n = margins[:4]
        right, chance = float(tp.sum()), dot(support, predicted)
        below = float(n * n) - chance
        value = (float(n) * right - chance) / below if below > 0 else 0.0
        below = below or 1.0
        short = (1.0 - value) / below
        of_n = (right - 2.0 * value * float(n)) / below
        return Slope(value, of_n, np.full(len(tp), float(n) / below), -short * predicted, -short * support)

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

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives: the top does not bend, the bottom by 2 for each wrong row."""
        _, support, predicted, n = cells.margins[:4]
        slope = self.slope(cells.margins)
        below = float(n * n) - dot(support, predicted) or 1.0
        moved = 2.0 * n - predicted[cells.target] - np.where(cells.preds >= 0, support[cells.preds], 0.0)
        wrong = np.where(cells.target == cells.preds, 0.0, 2.0)
        second = -(slope.value * wrong + 2.0 * slope.at(cells.target, cells.preds) * moved) / below
        return dot(cells.squares, second) / 2.0


class Matthews:
    """``X / √(P·Q)``: ``X = n·O − E``, ``P = n² − Σ predicted² − U²``, ``Q = n² − Σ support²``, U rows unpredicted."""

    def slope(self, margins: Margins) -> Slope:
        """Value and slopes at ``margins``."""
        tp, support, predicted, n = (np.asarray(part, float) for part in margins[:4])
        size, right = float(n), float(tp.sum())
        nowhere = size - float(predicted.sum())
        covariance = size * right - dot(support, predicted)
        of_preds = size * size - dot(predicted, predicted) - nowhere * nowhere
        of_target = size * size - dot(support, support)
        if not (of_preds > 0 and of_target > 0):
            none = np.zeros(len(tp))
            return Slope(0.0, 0.0, none, none, none)
        scale = 1.0 / sqrt(of_preds * of_target)
        by_preds, by_target = covariance / of_preds, covariance / of_target
        return Slope(
            covariance * scale,
            scale * (right - by_preds * (size - nowhere) - by_target * size),
            np.full(len(tp), scale * size),
            scale * (by_target * support - predicted),
            scale * (by_preds * (predicted - nowhere) - support),
        )

    def bend(self, margins: Margins, moved: Margins) -> Slope:
        """What value and slopes gain."""
        tp, support, predicted, n = (np.asarray(part, float) for part in margins[:4])
        size, right, slope = float(n), float(tp.sum()), self.slope(margins)
        nowhere = size - float(predicted.sum())
        covariance = size * right - dot(support, predicted)
        of_preds = size * size - dot(predicted, predicted) - nowhere * nowhere
        of_target = size * size - dot(support, support)
        if not (of_preds > 0 and of_target > 0):
            return Slope(0.0 * moved.n, 0.0 * moved.n, *(0.0 * part for part in moved[:3]))
        scale = 1.0 / sqrt(of_preds * of_target)
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

    def bias(self, cells: Cells) -> float:
        """Half the sum of second derivatives: neither X nor P nor Q bends."""
        _, support, predicted, n = cells.margins[:4]
        target, preds, named = cells.target, cells.preds, cells.preds >= 0
        size, right, nowhere = float(n), float(cells.margins.tp.sum()), float(n - predicted.sum())
        covariance = size * right - dot(support, predicted)
        of_preds = size * size - dot(predicted, predicted) - nowhere * nowhere
        of_target = size * size - dot(support, support)
        if not (of_preds > 0 and of_target > 0):
            return 0.0
        moved = right + np.where(target == preds, size, 0.0) - predicted[target] - np.where(named, support[preds], 0.0)
        p = (2.0 * size - 2.0 * np.where(named, predicted[preds], nowhere)) / of_preds
        q = (2.0 * size - 2.0 * support[target]) / of_target
        falls = -(p + q) / 2.0
        second = 2.0 * moved * falls + covariance * (falls * falls + (p * p + q * q) / 2.0)
        return dot(cells.squares, second) / (2.0 * sqrt(of_preds * of_target))
