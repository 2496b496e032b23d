"""How the metrics of a regression go together: what the same rows add to several of them.

Those of one output are told by its kinds of rows, whole clusters by their groups, of all outputs. Of medians and of the
order of rows nothing is told, nor how the outputs of a row go together without clusters. Nor is it told of squares and
sizes of errors: what these have in common rests on the few largest errors, and where these are far out a ratio of RMSE
and MAE was held in 87 % of samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.regression.clusters import ClusterIntervals
from evalcli.regression.intervals import TERMS, row_terms
from evalcli.regression.together import Together
from evalcli.uncertainty.counted import covariance_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.regression.intervals import Intervals

_OF_RESIDUALS = frozenset({"bias", "mae", "mse", "rmse", "pinball"})
_SQUARES = frozenset({"mse", "rmse", "r2", "adjusted_r2", "explained_variance", "pearson"})
_SIZES = frozenset({"mae", "pinball", "wape", "mape", "smape"})
_SHARES = frozenset({"r2", "adjusted_r2", "explained_variance"})


class Asked(NamedTuple):
    """A metric of one output, its value there, and what gives that its interval."""

    intervals: Intervals
    name: MetricName
    value: float


def covariance(asked: Sequence[Asked]) -> HostArray:
    """How metrics vary together (k, k); NaN of those of which nothing tells it."""
    found = _covariance(asked)
    apart = np.array([[are_apart(one.name, other.name) for other in asked] for one in asked])
    found[apart] = np.nan
    return found


def are_apart(one: MetricName, other: MetricName) -> bool:
    """Whether one is of squares and the other of sizes, so that nothing is told of what they have in common."""
    pair = one.base, other.base
    return any(pair[place] in _SQUARES and pair[1 - place] in _SIZES for place in range(2))


def _covariance(asked: Sequence[Asked]) -> HostArray:
    first = asked[0].intervals
    if isinstance(first, ClusterIntervals):
        moves = [
            one.intervals.moved(one.name, one.value) for one in asked if isinstance(one.intervals, ClusterIntervals)
        ]
        return _told(moves, None)
    if any(one.intervals is not first for one in asked):
        found = np.full((len(asked), len(asked)), np.nan)
        for kept in {id(one.intervals): one.intervals for one in asked}.values():
            places = [place for place, one in enumerate(asked) if one.intervals is kept]
            found[np.ix_(places, places)] = _covariance([asked[place] for place in places])
        return found
    kinds = _kinds(first)
    if kinds is None:
        return _told([None] * len(asked), None)
    of_pairs = first.pairs is not None
    with np.errstate(all="ignore"):
        return _told([_moves(one, kinds, of_pairs=of_pairs) for one in asked], kinds.rows)


def _told(moves: Sequence[HostArray | None], squares: HostArray | None) -> HostArray:
    size = next((len(one) for one in moves if one is not None), 1)
    held = np.array([np.full(size, np.nan) if one is None else one for one in moves])
    return covariance_of(held, np.ones(size) if squares is None or len(squares) != size else squares)


def _kinds(intervals: Intervals) -> Together | None:
    """The kinds of rows; where only their errors are known, as if the targets were 0."""
    if intervals.pairs is not None:
        return intervals.pairs.kinds
    table = intervals.residuals
    if table is None:
        return None
    middle = (table.low + table.high) / 2.0
    return Together(middle, np.zeros(len(middle)), table.amounts / intervals.mean_weight)


def _moves(asked: Asked, kinds: Together, *, of_pairs: bool) -> HostArray | None:
    """The influence (K,) of a row of each kind on a metric; ``None`` where it has none that is known."""
    name, value, error = asked.name, asked.value, kinds.residual
    if name.base in _OF_RESIDUALS:
        terms = _of_residual(name, error)
        off = (terms - kinds.mean(terms)) / kinds.n
        if name.base == "rmse":
            return off / (2.0 * value) if value > 0.0 else None
        return off
    if not of_pairs:
        return None
    if name.base in TERMS:
        terms = row_terms(name, kinds)
        return (terms - kinds.mean(terms)) / kinds.n
    if name.base in _SHARES:
        error = error - kinds.mean(error) if name.base == "explained_variance" else error
        left, spread = kinds.mean(error * error), kinds.mean(kinds.off * kinds.off)
        if not (left > 0.0 and spread > 0.0):
            return None
        times = (1.0 - value) / (left / spread)
        return -(error * error - left / spread * kinds.off * kinds.off) / spread / kinds.n * times
    if name.base == "wape":
        size = np.abs(kinds.target)
        return (np.abs(error) - value * size) / kinds.mean(size) / kinds.n
    if name.base == "pearson":
        return _of_pearson(kinds, value)
    return None


def _of_residual(name: MetricName, error: HostArray) -> HostArray:
    if name.base == "pinball":
        level = float(name.arguments[0])
        return np.maximum(-level * error, (1.0 - level) * error)
    found: HostArray = error if name.base == "bias" else np.abs(error) if name.base == "mae" else error * error
    return found


def _of_pearson(kinds: Together, value: float) -> HostArray:
    sides = []
    for side in (kinds.preds, kinds.target):
        off = side - kinds.mean(side)
        sides.append(off / np.sqrt(kinds.mean(off * off)))
    u, v = sides
    moved: HostArray = (u * v - value / 2.0 * (u * u + v * v)) / kinds.n
    return moved
