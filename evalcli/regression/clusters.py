"""How sure the numbers of a regression are where whole clusters were sampled.

What sums say without a group of clusters (means of errors, ratios, Pearson's correlation) follows from states that
merge exactly. Of quantiles it is how many rows of each group lie below (Woodruff's interval), of rank correlations the
influences of the group's rows: tables of all rows are never merged.

Source: Woodruff 1952, Confidence intervals for medians and other position measures; Kott 2001, The delete-a-group
jackknife.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import exp, tanh
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.clustergroups import without_each
from evalcli.metrics.registry import parse
from evalcli.regression.intervals import Intervals, rank_moves
from evalcli.regression.results import Results
from evalcli.regression.states import StateKey
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.groups import Groups, Scale
from evalcli.uncertainty.means import Moments, squared_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.residuals import Residuals
    from evalcli.metrics.values import ValueState
    from evalcli.regression.states import RegressionPass
    from evalcli.regression.together import OutputPairs
    from evalcli.uncertainty.intervals import Interval

    States = Mapping[StateKey, ValueState]

_MOMENTS, _RESIDUALS, _PAIRS = StateKey("Moments"), StateKey("ResidualTable"), StateKey("RankPairs")
_LARGE = frozenset({_RESIDUALS, _PAIRS})
_MSE = parse("mse")
_LARGEST = 700.0

_SHORT = Scale(lambda value: np.log1p(-value), lambda moved: 1.0 - exp(min(moved, _LARGEST)))
_SCALES = {
    **dict.fromkeys(("r2", "adjusted_r2", "explained_variance"), _SHORT),
    "wape": Scale(np.log, lambda moved: exp(min(moved, _LARGEST))),
    **dict.fromkeys(("pearson", "spearman", "kendall"), Scale(np.arctanh, tanh)),
}
"""Where what is no mean is nearly normal; a mean is where it is."""


class GroupValues:
    """What the groups of clusters say: of each by itself, and of all rows without it."""

    def __init__(self, passes: Sequence[RegressionPass], outputs: tuple[str, ...]) -> None:
        self._passes, self._outputs = passes, outputs

    @cached_property
    def shares(self) -> HostArray:
        """The part of all rows, or of their weight, that each group holds (J,)."""
        held = [one.states[_MOMENTS].compute()[0].n for one in self._passes]
        total = sum(held)
        return np.array([float(n / total) for n in held])

    @cached_property
    def _rests(self) -> list[Results]:
        parts: list[States] = [
            {key: state for key, state in one.states.items() if key not in _LARGE} for one in self._passes
        ]
        return [Results(states, self._outputs) for states in without_each(parts, _merged)]

    def without(self, name: MetricName, output: int) -> HostArray:
        """A metric of one output without each group (J,), NaN where it is undefined."""
        if self.shares.max() >= 1.0:
            return np.full(len(self._passes), np.nan)
        return np.array([rest.of_output(name, output).value for rest in self._rests])

    @cached_property
    def residuals(self) -> list[list[Residuals]]:
        """The residuals of each group (J,), of every output."""
        return [one.states[_RESIDUALS].compute() for one in self._passes]

    @cached_property
    def pairs(self) -> list[list[Any]]:
        """The pairs of each group (J,), of every output."""
        return [one.states[_PAIRS].compute() for one in self._passes]


def _merged(parts: Sequence[States]) -> States:
    found = {key: state.fresh() for key, state in parts[0].items()}
    for part in parts:
        for key, state in part.items():
            found[key].merge(state)
    return found


class ClusterIntervals(Intervals):
    """The intervals of one output's metrics, of whole clusters: those of ``values`` are numbered ``output`` there."""

    def __init__(
        self,
        residuals: Residuals | None,
        pairs: OutputPairs | None,
        rows: float,
        spread: float,
        groups: Groups,
        values: GroupValues,
        output: int,
        mean_weight: float = 1.0,
    ) -> None:
        super().__init__(residuals, pairs, rows, spread, groups.confidence, mean_weight)
        self._groups, self._values, self._output = groups, values, output

    def _found(self, name: MetricName, value: float) -> Interval | None:
        plain = super()._found(name, value)
        sums = None if plain is None else self._sums(name, value)
        if plain is None or sums is None:
            return None
        found = self._of_clusters(name, value, plain, sums)
        return None if found is None else replace(found, method=f"{found.method}{CLUSTERS}")

    def _of_clusters(self, name: MetricName, value: float, plain: Interval, sums: HostArray) -> Interval | None:
        """The interval of as many rows as tell what the clusters tell."""
        groups, found = self._groups, None
        if sums.any() and plain.method == "hall" and name.base == "rmse":
            squares = replace(plain, low=plain.low**2, high=plain.high**2)
            found = squared_root(groups.of_mean(squares, value * value, sums))
        elif sums.any() and plain.method == "hall":
            found = groups.of_mean(plain, value, sums)
        elif sums.any() and name.base in _SCALES:
            found = groups.on(_SCALES[name.base], plain, sums)
        if found is not None:
            return found
        variance = 0.25 / self._rows if name.base == "medae" else 0.0
        times, surer = groups.fewer(sums, variance)
        pairs = None if self._pairs is None else self._pairs.fewer(times)
        known = self._residuals, pairs, self._total, self._spread
        fewer = Intervals(*known, surer, self._mean_weight * times)
        return fewer._found(name, value)

    def _sums(self, name: MetricName, value: float) -> HostArray | None:
        """What each group adds (J,) where the metric is nearly normal; ``None`` where that is undefined."""
        if self._values.shares.max() >= 1.0:
            return None
        if name.base == "medae":
            return self._below(value)
        if name.base in {"spearman", "kendall"}:
            return self._of_ranks(name.base, value)
        rests = self._values.without(name, self._output)
        if name.base == "rmse":
            return self._groups.sums(value * value, rests * rests)
        if name.base not in _SCALES:
            return self._groups.sums(value, rests)
        if name.base == "pearson":
            if not abs(value) < 1.0:
                return np.zeros(len(rests))
            least = (1.0 - abs(value)) / len(rests)
            rests = np.clip(rests, -1.0 + least, 1.0 - least)
        elif name.base == "wape":
            rests = np.maximum(rests, value / len(rests))
        else:
            rests = np.minimum(rests, 1.0 - (1.0 - value) / len(rests))
        scale = _SCALES[name.base].to
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = float(scale(value))
            return self._groups.sums(whole, scale(rests)) if np.isfinite(whole) else np.zeros(len(rests))

    def moved(self, name: MetricName, value: float) -> HostArray | None:
        """What each group adds (J,) to a metric itself; ``None`` where that is not known."""
        if name.base in {"medae", "max_error"}:
            return None
        sums = self._sums(name, value)
        if sums is None:
            return None
        if name.base == "rmse":
            return sums / (2.0 * value) if value > 0.0 else None
        if name.base not in _SCALES:
            return sums
        if name.base == "wape":
            return sums * value
        return sums * (-(1.0 - value) if _SCALES[name.base] is _SHORT else 1.0 - value * value)

    def design_effect(self, mse: float) -> float | None:
        """How many times as large the variance of the ``mse`` is as if rows were independent; ``None`` where it is 0.

        And where nothing was kept that tells.
        """
        if self._residuals is not None:
            terms, rows = ((self._residuals.low + self._residuals.high) / 2.0) ** 2, self._residuals.amounts
        elif self._pairs is not None:
            terms, rows = self._pairs.kinds.residual**2, self._pairs.kinds.rows * self._mean_weight
        else:
            return None
        sums = self._groups.sums(mse, self._values.without(_MSE, self._output))
        single = Moments.of_histogram(terms, rows.astype(np.float64), self._mean_weight).error ** 2
        if sums is None or not single > 0.0:
            return None
        return dot(sums, sums) * len(sums) / (len(sums) - 1) / single

    def _below(self, value: float) -> HostArray:
        """The rows of each group with an error below the median, half of those at it, less half of all; over n."""
        tables = [one[self._output] for one in self._values.residuals]
        sizes = [np.abs((one.low + one.high) / 2.0) for one in tables]
        held = [(size < value) + 0.5 * (size == value) for size in sizes]
        return _centred(held, [one.amounts for one in tables])

    def _of_ranks(self, base: str, value: float) -> HostArray | None:
        assert self._pairs is not None
        groups, _, moves = rank_moves(base, value, self._pairs, self._rows)
        if moves is None:
            return np.zeros(len(self._values.shares))
        parts = [one[self._output] for one in self._values.pairs]
        return _centred([moves[self._pairs.places(groups, part)] for part in parts], [one.amounts for one in parts])


def _centred(terms: Sequence[HostArray], amounts: Sequence[HostArray]) -> HostArray:
    """What each group (J,) adds to a mean of ``terms`` of rows, of which there are such ``amounts``."""
    rows = np.array([float(one.sum()) for one in amounts])
    sums = np.array([float((one * many).sum()) for one, many in zip(terms, amounts, strict=True)])
    total = float(rows.sum())
    moved: HostArray = (sums - rows * float(sums.sum()) / total) / total
    return moved
