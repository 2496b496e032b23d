"""The formulas of a regression, over what the states of one output computed; NaN where they are undefined.

Sums arrive exact, as fractions, and what is subtracted is subtracted as fractions: the one rounding is the last one.
Rank correlations and quantiles have their formulas beside their states.
"""

from __future__ import annotations

from fractions import Fraction
from math import copysign, inf, nan, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalcli.metrics.absolute import AbsoluteSums, Span
    from evalcli.metrics.deviance import LossSums
    from evalcli.metrics.moments import Moment


def mse(moment: Moment) -> float:
    """``Σ (p − t)² / n``."""
    return float(moment.squared_error / moment.n) if moment.n else nan


def rmse(moment: Moment) -> float:
    """``√(Σ (p − t)² / n)``."""
    return _root(moment.squared_error / moment.n) if moment.n else nan


def bias(moment: Moment) -> float:
    """``Σ (p − t) / n``: above 0 the predictions are too high."""
    return float((moment.preds - moment.target) / moment.n) if moment.n else nan


def r2(moment: Moment) -> float:
    """``1 − Σ (p − t)² / Σ (t − mean t)²``; of a constant target 1 if every prediction is right, else 0.

    Source: Wright 1921, Correlation and causation.
    """
    return _share_left(moment.squared_error, moment.target_spread) if moment.n and moment.rows > 1 else nan


def adjusted_r2(moment: Moment, features: int) -> float:
    """``1 − (1 − R²)·(n − 1)/(n − p − 1)`` for p features; n is the number of rows, whatever they weigh.

    Source: Theil 1961, Economic forecasts and policy.
    """
    left = moment.rows - features - 1
    return 1 - (1 - r2(moment)) * (moment.rows - 1) / left if left > 0 else nan


def explained_variance(moment: Moment) -> float:
    """``1 − Var(t − p) / Var(t)``: R² for predictions whose bias is taken away."""
    if not (moment.n and moment.rows > 1):
        return nan
    spread = moment.preds_spread - 2 * moment.shared_spread + moment.target_spread
    return _share_left(spread, moment.target_spread)


def pearson(moment: Moment) -> float:
    """``Cov(t, p) / √(Var t · Var p)``.

    Source: Pearson 1895, Notes on regression and inheritance in the case of two parents.
    """
    if not moment.n or not (moment.target_spread > 0 and moment.preds_spread > 0):  # or squares left float64 from below
        return nan
    shared = moment.shared_spread
    return copysign(_root(shared**2 / (moment.target_spread * moment.preds_spread)), shared)


def mae(sums: AbsoluteSums) -> float:
    """``Σ |p − t| / n``."""
    return float((sums.over + sums.under) / sums.n) if sums.n else nan


def pinball(sums: AbsoluteSums, level: float = 0.5) -> float:
    """``Σ max(q·(t − p), (1 − q)·(p − t)) / n`` for predictions of the quantile q.

    Source: Koenker and Bassett 1978, Regression quantiles.
    """
    q = Fraction(level)
    return float((q * sums.under + (1 - q) * sums.over) / sums.n) if sums.n else nan


def mape(sums: AbsoluteSums) -> float:
    """``Σ |p − t|/|t| / n``; a target of 0 leaves it undefined."""
    if not sums.n or sums.zeros:
        return nan
    return float("inf") if sums.infinite else float(sums.relative / sums.n)


def smape(sums: AbsoluteSums) -> float:
    """``Σ 2·|p − t|/(|t| + |p|) / n``, from 0 to 2; a row where both are 0 is right.

    Source: Makridakis 1993, Accuracy measures: theoretical and practical concerns.
    """
    return float(sums.symmetric / sums.n) if sums.n else nan


def wape(sums: AbsoluteSums) -> float:
    """``Σ |p − t| / Σ |t|``; undefined where every target is 0.

    Source: Kolassa and Schütz 2007, Advantages of the MAD/mean ratio over the MAPE.
    """
    return float((sums.over + sums.under) / sums.target) if sums.target else nan


def max_error(span: Span) -> float:
    """``max |p − t|``."""
    least, most = span.residual
    return max(-least, most) if least <= most else nan


def mean_loss(sums: LossSums) -> float:
    """``Σ term / n``: NaN where a row has no term, infinite where one is."""
    if not sums.n or sums.outside:
        return nan
    return float("inf") if sums.infinite else float(sums.total / sums.n)


def line(moment: Moment) -> tuple[float, float] | None:
    """Slope and intercept of the line through the predictions that comes nearest to the targets; not of a constant."""
    if not moment.n or not moment.preds_spread:
        return None
    slope = moment.shared_spread / moment.preds_spread
    return float(slope), float((moment.target - slope * moment.preds) / moment.n)


def _share_left(errors: Fraction, spread: Fraction) -> float:
    if not spread or not errors:
        return 0.0 if errors else 1.0
    try:
        return float(1 - errors / spread) if spread > 0 else -inf
    except OverflowError:  # targets that differ by next to nothing; by less still, their squares are lost
        return -inf


def _root(square: Fraction) -> float:
    """The square root: the square is rounded once, its root once more.

    >>> _root(Fraction(9, 4)), _root(Fraction(1, 10**400))
    (1.5, 1e-200)
    """
    if not square:
        return 0.0
    half = (square.numerator.bit_length() - square.denominator.bit_length()) // 2  # keeps a tiny square in range
    return sqrt(float(square / Fraction(4) ** half)) * 2.0**half
