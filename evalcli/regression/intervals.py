"""How sure the numbers of a regression are.

Means of errors (bias, MAE, MSE and its root, pinball) have the moments of the residuals, which are counted by value:
exactly while the table fits, then to the middle of each entry, and the interval is moved to the exact mean. What reads
prediction and target together (R², correlations, relative errors, deviances) has the table of pairs in the same way.
Medians and quantiles lie between two order statistics, whatever the distribution. R², explained variance and WAPE are
ratios of sums, and Pearson's, Spearman's and Kendall's correlations are correlations: those have the jackknife, which
needs no normal rows (with errors of a heavy tail Fisher's interval held the truth in 87 % of samples where it promised
95 %). The largest error of a sample says nothing of how large others may be, and has no interval.

Where nothing varies, as where every prediction is right, as many rows as may have gone unseen (Wilson) are taken to be
no better than the mean of the targets.

Source: Hall 1992 (means); Conover 1999, Practical nonparametric statistics, 3.2 (quantiles); Tukey 1958 (jackknife).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.deviance import Deviance, LogErrors
from evalcli.metrics.residuals import quantile
from evalcli.metrics.values import Block
from evalcli.regression.states import POWERS, StateKey
from evalcli.uncertainty import rankpairs
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.curves import worst_together
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.jackknife import correlation_interval, pearson_moves, ratio_interval
from evalcli.uncertainty.means import Moments, mean_interval, square_interval, squared_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.pairs import PairGroups
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.residuals import Residuals
    from evalcli.regression.results import Results
    from evalcli.regression.together import OutputPairs, Together
    from evalcli.report import Value
    from evalcli.uncertainty.intervals import Confidence

_MOMENTS, _RESIDUAL_TABLE = StateKey("Moments"), StateKey("ResidualTable")
_ERRORS: dict[str, Callable[[HostArray], HostArray]] = {
    "bias": lambda residual: residual,
    "mae": np.abs,
    "mse": np.square,
    "rmse": np.square,
}
"""What each of them is the mean of."""
_SQUARES = frozenset({"mse", "rmse"})
_RESIDUALS = frozenset({*_ERRORS, "medae", "pinball"})
_RATIOS = frozenset({"r2", "adjusted_r2", "explained_variance", "wape"})
_CORRELATIONS = frozenset({"pearson", "spearman", "kendall"})
TERMS = frozenset({"mape", "smape", "msle", *POWERS, "tweedie_deviance"})
"""What ``row_terms`` gives the terms of."""
_SEEN = {"spearman": 1e-3, "kendall": 0.05}
"""What must be missing to a perfect order for coarse ranks not to be seen in how far it varies."""
_ROUNDED = 1e-12
"""What a perfect order of weighted rows may be off by."""
_LEAST_OF_MEANS = 2.0
"""A single row says nothing of how far others are off."""
_LEAST_ROWS = 5.0
"""With fewer nothing tells how sure a ratio or a correlation is."""


def reads(name: MetricName) -> str | None:
    """The state that the interval of a metric reads; ``None`` for a metric that has none."""
    if name.base in _RESIDUALS:
        return "ResidualTable"
    return "RankPairs" if name.base in _RATIOS | _CORRELATIONS | TERMS else None


class Known(NamedTuple):
    """What ``Intervals`` are told of one output: its residuals, its pairs, its rows, how its targets spread."""

    residuals: Residuals | None
    pairs: OutputPairs | None
    rows: float
    spread: float

    @classmethod
    def of(cls, results: Results, output: int, mean_weight: float) -> Known:
        """From the states of a whole input, as far as they were kept."""
        table = results.read(_RESIDUAL_TABLE)[output] if results.has(_RESIDUAL_TABLE) else None
        moment = results.read(_MOMENTS)[output]
        total = float(moment.n)
        spread = sqrt(max(float(moment.target_spread), 0.0) / total) if total > 0 else 0.0
        return cls(table, results.pairs(output, mean_weight), total, spread)


class Intervals:
    """The intervals of one output's metrics, from its residuals and its pairs; ``mean_weight`` is Σw² / Σw."""

    def __init__(
        self,
        residuals: Residuals | None,
        pairs: OutputPairs | None,
        rows: float,
        spread: float,
        confidence: Confidence,
        mean_weight: float = 1.0,
    ) -> None:
        """``spread`` is the standard deviation of the targets."""
        self._residuals, self._confidence, self._mean_weight = residuals, confidence, mean_weight
        self._spread = spread
        self._pairs = pairs if rows > 0 else None
        self._total, self._rows = rows, rows / mean_weight

    @property
    def residuals(self) -> Residuals | None:
        """The residuals, where they were counted."""
        return self._residuals

    @property
    def pairs(self) -> OutputPairs | None:
        """Predictions and targets together, where they were counted."""
        return self._pairs

    @property
    def mean_weight(self) -> float:
        """``Σw² / Σw``"""
        return self._mean_weight

    def of(self, name: MetricName, value: Value) -> Value:
        """``value`` with its interval, where there is one."""
        if value.value is None:
            return value
        found = self._found(name, value.value)
        return value if found is None else self._with(value, found, name.entry.low, name.entry.high)

    @staticmethod
    def _with(value: Value, found: Interval, low: float, high: float) -> Value:
        assert value.value is not None
        found = found.spanning(value.certified).with_width().holding(value.value, low, high)
        return replace(value, low=found.low, high=found.high, method=found.method)

    def _found(self, name: MetricName, value: float) -> Interval | None:
        if not np.isfinite(value):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            if name.base in _RESIDUALS:
                return self._of_residuals(name, value)
            if self._pairs is None or self._rows < _LEAST_ROWS:
                return None
            if name.base in _RATIOS:
                return self._ratio(name, value, self._pairs.kinds)
            if name.base in _CORRELATIONS:
                return self._correlation(name.base, value, self._pairs)
            if name.base in TERMS:
                return self._of_terms(name, value, self._pairs)
        return None

    def _of_residuals(self, name: MetricName, value: float) -> Interval | None:
        if self._residuals is None or self._rows < _LEAST_OF_MEANS:
            return None
        if name.base == "medae":
            between = self._between(self._residuals.sizes, 0.5)
            return between if between.width > 0.0 else self._unseen(value, np.abs, 0.0)
        middle = (self._residuals.low + self._residuals.high) / 2.0
        if name.base == "pinball":
            level = float(name.arguments[0])
            terms, size = np.maximum(-level * middle, (1.0 - level) * middle), _ERRORS["mae"]
        else:
            terms, size = _ERRORS[name.base](middle), _ERRORS["mae" if name.base == "bias" else name.base]
        low = -inf if name.base == "bias" else 0.0
        exact = value * value if name.base == "rmse" else value
        method = square_interval if name.base in _SQUARES else partial(mean_interval, low=low)
        found = self._mean(terms, self._residuals.amounts, exact, method) or self._unseen(exact, size, low)
        return squared_root(found) if found is not None and name.base == "rmse" else found

    def _of_terms(self, name: MetricName, value: float, pairs: OutputPairs) -> Interval | None:
        """Means of relative errors and deviances."""
        terms, rows = pairs.histogram(partial(row_terms, name))
        found = self._mean(terms, rows * self._mean_weight, value, partial(mean_interval, low=0.0))
        if found is not None:
            return found
        kinds = pairs.kinds
        constant = np.full(len(kinds.rows), kinds.mean(kinds.target))
        return self._alike(value, kinds.mean(row_terms(name, kinds._replace(preds=constant))), 0.0)

    def _mean(
        self, terms: HostArray, amounts: HostArray, value: float, method: Callable[[Moments, Confidence], Interval]
    ) -> Interval | None:
        """That of a mean of ``terms`` (K,) whose exact value is known; ``None`` where nothing varies."""
        largest = float(np.abs(terms).max())
        if not 0.0 < largest < inf:
            return None
        rows = amounts.astype(np.float64)
        moments = Moments.around(value / largest, terms / largest, rows, self._mean_weight)
        if not moments.error > 0.0:
            return None
        found, moved = method(moments, self._confidence), value / largest - moments.mean
        return replace(found, low=(found.low + moved) * largest, high=(found.high + moved) * largest)

    def _unseen(self, value: float, size: Callable[[HostArray], HostArray], low: float) -> Interval | None:
        """That of a mean of errors which are all alike: others may be as large as those of the targets' mean."""
        return self._alike(value, float(size(np.array(self._spread))), low)

    def _alike(self, value: float, usual: float, low: float) -> Interval | None:
        """That of a mean of terms which are all alike: unseen ones may be 0, or as large as is ``usual``."""
        share = none_of(self._rows, self._confidence.critical)
        far = max(usual, abs(value))
        below = far if low < 0.0 else value
        return Interval(value - share * below, value + share * far, "wilson") if far > 0.0 else None

    def _between(self, residuals: Residuals, share: float) -> Interval:
        """The quantiles within which one must be, by the binomial distribution of the rows below it."""
        reach = self._confidence.critical * sqrt(share * (1.0 - share) / max(self._rows, 1.0))
        low, high = (min(max(share + sign * reach, 0.0), 1.0) for sign in (-1.0, 1.0))
        ends = [quantile(residuals, 100.0 * end) for end in (low, high)]
        return Interval(float(ends[0].low), float(ends[1].high), "order")

    def _ratio(self, name: MetricName, value: float, pairs: Together) -> Interval | None:
        if name.base == "wape":
            return self._wape(value, pairs)
        error = pairs.residual
        if name.base == "explained_variance":
            error = error - pairs.mean(error)
        left = ratio_interval(error * error, pairs.off * pairs.off, pairs.rows, self._confidence)
        if left is None:
            share = none_of(pairs.n, self._confidence.critical)
            return Interval(value - share, value + share, "wilson") if pairs.off.any() else None
        if name.base == "adjusted_r2":
            scale = (1.0 - value) / (pairs.mean(error * error) / pairs.mean(pairs.off * pairs.off))
            left = replace(left, low=left.low * scale, high=left.high * scale)
        return left.flipped(1.0)

    def _wape(self, value: float, pairs: Together) -> Interval | None:
        size = np.abs(pairs.target)
        found = ratio_interval(np.abs(pairs.residual), size, pairs.rows, self._confidence)
        if found is not None:
            return found
        return self._alike(value, pairs.mean(np.abs(pairs.off)) / pairs.mean(size), 0.0)

    def _correlation(self, base: str, value: float, pairs: OutputPairs) -> Interval | None:
        centre = value
        if base == "pearson":
            preds, target, rows = pairs.kinds
            moves = pearson_moves(preds, target, rows)
        else:
            groups, centre, moves = rank_moves(base, value, pairs, self._rows)
            rows = groups.amounts / self._mean_weight
        perfect = abs(value) > 1.0 - _ROUNDED
        found = None if moves is None or perfect else correlation_interval(centre, moves, rows, self._confidence)
        if found is not None:
            return found
        off = 2.0 * none_of(self._rows, self._confidence.critical)
        return Interval(value - off, value + off, "wilson")


def rank_moves(base: str, value: float, pairs: OutputPairs, rows: float) -> tuple[PairGroups, float, HostArray | None]:
    """Groups of ranks (K,), the middle of the interval, and what a row of each group moves Fisher's transform by."""
    groups = pairs.ranks(value, _SEEN[base])
    if base == "kendall":
        return groups, value, rankpairs.kendall_moves(groups)
    centre = rankpairs.spearman_unbiased(value, groups, rows)
    return groups, centre, rankpairs.spearman_moves(groups, centre)


def together(name: MetricName, mean: Value, each: Sequence[Value]) -> Value:
    """The plain mean over outputs with an interval, where each output has one.

    How the outputs of a row go together is not counted: no mean varies more than its parts do on average.
    """
    values = [one.value for one in each if one.value is not None and one.low is not None]
    if len(values) < len(each) or mean.value is None:
        return mean
    found = [Interval(one.low, one.high, one.method or "") for one in each]  # type: ignore[arg-type]
    bound = worst_together(found, values, [1.0 / len(each)] * len(each))
    bound = bound.holding(mean.value, name.entry.low, name.entry.high)
    method, of_clusters = bound.method.removesuffix(CLUSTERS), bound.method.endswith(CLUSTERS)
    method = f"{method} (bound){CLUSTERS if of_clusters else ''}"
    return replace(mean, low=bound.low, high=bound.high, method=method)


def row_terms(name: MetricName, pairs: Together) -> HostArray:
    """What a metric is the mean of (K,); what has no term counts as 0, and the metric is undefined then."""
    size, target = np.abs(pairs.residual), np.abs(pairs.target)
    if name.base == "mape":
        return size / np.where(target > 0.0, target, 1.0)
    if name.base == "smape":
        whole = target + np.abs(pairs.preds)
        return np.where(whole > 0.0, 2.0 * size / np.where(whole > 0.0, whole, 1.0), 0.0)
    power = POWERS.get(name.base) or (float(name.arguments[0]) if name.base == "tweedie_deviance" else 0.0)
    state = Deviance(power=power) if power else LogErrors()
    block = Block(np.arange(1), pairs.preds[None], pairs.target[None], pairs.residual[None], None, None)
    with np.errstate(all="ignore"):
        terms, inside = state.terms(block)
    found: HostArray = np.where(inside & np.isfinite(terms), terms, 0.0)[0]
    return found
