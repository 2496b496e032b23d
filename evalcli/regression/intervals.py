"""How sure the numbers of a regression are.

Means of errors (bias, MAE, MSE and its root) have the moments of the residuals, which are counted by value: exactly
while the table fits, then to the middle of each entry, and the interval is moved to the exact mean. The median absolute
error lies between two order statistics, whatever the distribution. Spearman's correlation gets Fisher's transformation
with the factor that ranks need. Pearson's has none: with errors of a heavy tail Fisher's interval held the truth in
87 % of samples where it promised 95 %. What compares errors with how the targets vary (R², explained variance, WAPE)
has none either: only the rows themselves say how the two go together.

Source: Hall 1992 (means); Conover 1999, Practical nonparametric statistics, 3.2 (quantiles); Bonett and Wright 2000,
Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
"""

from __future__ import annotations

from dataclasses import replace
from math import atanh, inf, sqrt, tanh
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.residuals import quantile
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.means import Moments, mean_interval, squared_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.residuals import Residuals
    from evalcli.report import Value
    from evalcli.uncertainty.intervals import Confidence

_ERRORS: dict[str, Callable[[HostArray], HostArray]] = {
    "bias": lambda residual: residual,
    "mae": np.abs,
    "mse": np.square,
    "rmse": np.square,
}
"""What each of them is the mean of."""
_LEAST = {"bias": -inf, "mae": 0.0, "mse": 0.0, "rmse": 0.0}
_LEAST_ROWS = 5.0
"""With fewer a correlation says nothing of how sure it is."""


class Intervals:
    """The intervals of one output's metrics, from its residuals; ``mean_weight`` is Σw² / Σw."""

    def __init__(self, residuals: Residuals | None, rows: float, confidence: Confidence, mean_weight: float) -> None:
        self._residuals, self._confidence, self._mean_weight = residuals, confidence, mean_weight
        self._rows = rows / mean_weight

    def of(self, name: MetricName, value: Value) -> Value:
        """``value`` with its interval, where there is one."""
        if value.value is None:
            return value
        found = self._found(name.base, value.value)
        if found is None:
            return value
        if value.certified is not None:
            found = replace(found, low=min(found.low, value.certified[0]), high=max(found.high, value.certified[1]))
        found = found.holding(value.value, name.entry.low, name.entry.high)
        return replace(value, low=found.low, high=found.high, method=found.method)

    def _found(self, base: str, value: float) -> Interval | None:
        if base == "spearman":
            return self._correlation(value)
        if self._residuals is None or not len(self._residuals.amounts):
            return None
        if base == "medae":
            return self._median()
        return self._mean(base, value) if base in _ERRORS else None

    def _mean(self, base: str, value: float) -> Interval | None:
        assert self._residuals is not None
        terms = _ERRORS[base]((self._residuals.low + self._residuals.high) / 2.0)
        counts = self._residuals.amounts.astype(np.float64)
        with np.errstate(over="ignore"):
            moments = Moments.of_histogram(terms, counts, self._mean_weight)
        if not (np.isfinite(moments.third).all() and moments.error > 0.0):
            return None
        found = mean_interval(moments, self._confidence, _LEAST[base])
        if base == "rmse":
            return squared_root(_moved(found, value * value - moments.mean))
        return _moved(found, value - moments.mean)

    def _median(self) -> Interval:
        """The quantiles within which the median must be, by the binomial distribution of the rows below it."""
        assert self._residuals is not None
        reach = self._confidence.critical / (2.0 * sqrt(max(self._rows, 1.0)))
        low, high = (min(max(0.5 + sign * reach, 0.0), 1.0) for sign in (-1.0, 1.0))
        ends = [quantile(self._residuals.sizes, 100.0 * share) for share in (low, high)]
        return Interval(float(ends[0].low), float(ends[1].high), "order")

    def _correlation(self, value: float) -> Interval | None:
        if self._rows < _LEAST_ROWS:
            return None
        inside = min(max(value, -1.0 + 1e-15), 1.0 - 1e-15)
        error = sqrt((1.0 + inside * inside / 2.0) / (self._rows - 3.0))
        reach = self._confidence.critical * error
        return Interval(tanh(atanh(inside) - reach), tanh(atanh(inside) + reach), "fisher")


def _moved(interval: Interval, by: float) -> Interval:
    return replace(interval, low=interval.low + by, high=interval.high + by)
