"""Intervals of AUROC and of average precision, of one column and of means over columns.

The t quantile allows for a small side. The scale is Wilson's. A ranking without a row out of order gets Newcombe's
interval, which asks for which AUROC such a ranking would be a surprise.

Means over one-vs-rest columns: a sample of rows tells how closely columns go together (``coupling``). Without one, the
positives of the columns are different rows, so their parts are independent; the negatives are shared, and their parts
are taken to be perfectly correlated, which can only be too wide.

Source: DeLong, DeLong and Clarke-Pearson 1988; Newcombe 2006, Confidence intervals for an effect size measure based on
the Mann–Whitney statistic, part 2, method 5.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.registry import METRICS
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.quantiles import t_quantile
from evalcli.uncertainty.rankestimates import (
    ROUNDED,
    Squares,
    auroc_estimate,
    average_precision_estimate,
    coarse,
    newcombe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from evalcli.metrics.ranking import KeyTable
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.coupling import PairInfluences
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.rankestimates import RankEstimate

RANKS: dict[str, tuple[Callable[..., Any], str]] = {
    "auroc": (auroc_estimate, "delong"),
    "average_precision": (average_precision_estimate, "influence"),
}
"""How sure metrics of ranks are, and what their intervals are called."""
_SURELY = 0.5
"""The part of a bias that both ends have: where there are few positives, it is known to no more than its half."""


def rank_interval(estimate: RankEstimate, confidence: Confidence, method: str) -> Interval:
    """The interval of one column: ``method`` is ``delong`` for AUROC, ``influence`` for average precision."""
    return mean_interval([estimate], [1.0], confidence, method)


def ranking_interval(base: str, ranking: Ranking, confidence: Confidence, mean_weight: float = 1.0) -> Interval:
    """The interval of a metric of a ranking that has rows of both sides, each of which weighs ``mean_weight``."""
    estimate, method = RANKS[base]
    squares = Squares(ranking.positives * mean_weight, ranking.negatives * mean_weight)
    found = estimate(coarse(ranking), squares)  # which is as sure as need be, and not quite the value
    return rank_interval(found._replace(certified=METRICS[base].formula(ranking)), confidence, method)


def rankings_interval(
    base: str,
    rankings: Sequence[Ranking],
    weights: Sequence[float],
    coupling: float,
    confidence: Confidence,
    mean_weight: float = 1.0,
) -> Interval:
    """The interval of a mean over such rankings, of so much ``coupling`` (see ``mean_interval``)."""
    estimate, method = RANKS[base]
    squares = (Squares(each.positives * mean_weight, each.negatives * mean_weight) for each in rankings)
    found = [estimate(coarse(each), square) for each, square in zip(rankings, squares, strict=True)]
    exact = [one._replace(certified=METRICS[base].formula(each)) for one, each in zip(found, rankings, strict=True)]
    return mean_interval(exact, weights, confidence, method, coupling=coupling)


def mean_interval(
    estimates: Sequence[RankEstimate],
    weights: Sequence[float],
    confidence: Confidence,
    method: str,
    by_support: float | None = None,
    coupling: float | None = None,
) -> Interval:
    """The interval of a mean of columns with ``weights``, which add up to 1.

    ``by_support`` is the number of rows where weights are the columns' shares of them, and so uncertain themselves.
    ``coupling`` is how many times the variance of independent columns it has; without, it has as much as there can be.
    """
    pairs = list(zip(estimates, weights, strict=True))
    value = sum(weight * one.value for one, weight in pairs)
    variance, freedom = _bounded(pairs, value, by_support) if coupling is None else _coupled(pairs, coupling)
    doubt = [sum(weight * float(one.certified[end]) for one, weight in pairs) for end in (1, 2)]
    bias = sum(weight * one.bias for one, weight in pairs)
    if by_support is not None:
        bias -= sum(one.drift for one in estimates) / by_support
    if not (ROUNDED < value < 1.0 - ROUNDED and variance > 0.0):
        found = _nothing_out_of_order(value, estimates, confidence, method)
    else:
        critical = t_quantile(1.0 - confidence.tail, freedom)
        below, above = (_around(value, part * bias, variance, critical, method) for part in (1.0, _SURELY))
        found = replace(below, low=min(below.low, above.low), high=max(below.high, above.high))
        if len(pairs) > 1 and not all(0.0 < one.value < 1.0 for one in estimates):
            found = found.inside(_alike(pairs, value, confidence, method, by_support))
    moved = Interval(found.low - (value - doubt[0]), found.high + (doubt[1] - value), found.method)
    return moved.holding(value, 0.0, 1.0)


def _alike(
    pairs: Sequence[tuple[RankEstimate, float]],
    value: float,
    confidence: Confidence,
    method: str,
    by_support: float | None,
) -> Interval:
    """The interval of a mean whose columns all err the same way, which none is wider than.

    A column without a row out of order has a variance that Wilson's scale would stretch: beside a mean of 0.9999 it is
    many times what a share there can have, and the lower end would be near 0.
    """
    each = [(mean_interval([one], [1.0], confidence, method), one.value, weight) for one, weight in pairs]
    below = sum(weight * (own - one.low) for one, own, weight in each)
    above = sum(weight * (one.high - own) for one, own, weight in each)
    if by_support is not None:  # the shares of columns vary, too
        spread = sum(weight * (own - value) ** 2 for _, own, weight in each) / by_support
        below, above = (sqrt(arm * arm + confidence.critical**2 * spread) for arm in (below, above))
    return Interval(value - below, value + above, method)


def _around(value: float, bias: float, variance: float, critical: float, method: str) -> Interval:
    """The interval around ``value`` less its ``bias``, which is no larger than what is left of the scale."""
    centre = min(max(value - bias, value / 4.0), value + 3.0 * (1.0 - value) / 4.0)
    return by_variance(centre, variance * centre * (1.0 - centre) / (value * (1.0 - value)), critical, method)


def _bounded(
    pairs: Sequence[tuple[RankEstimate, float]], value: float, by_support: float | None
) -> tuple[float, float]:
    """The largest variance that a mean can have, and its degrees of freedom."""
    parts = [(weight * weight * one.pos.variance, one.pos.rows) for one, weight in pairs]
    shared = sum(weight * sqrt(one.neg.variance) for one, weight in pairs) ** 2
    own = sum(variance for variance, _ in parts)
    parts.append((shared, min(one.neg.rows for one, _ in pairs)))
    if by_support is not None:
        own += sum(weight * (one.value - value) ** 2 for one, weight in pairs) / by_support
    variance = (sqrt(own) + sqrt(shared)) ** 2 if len(pairs) > 1 else own + shared
    return variance, _freedom(parts, own + shared)


def _coupled(pairs: Sequence[tuple[RankEstimate, float]], coupling: float) -> tuple[float, float]:
    """The variance of a mean, and its degrees of freedom."""
    parts = [(weight * weight * side.variance, side.rows) for one, weight in pairs for side in (one.pos, one.neg)]
    own = sum(variance for variance, _ in parts)
    return coupling * own, _freedom(parts, own)


def _freedom(parts: Sequence[tuple[float, float]], total: float) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances that were each estimated from so many rows."""
    spread = sum(variance * variance / max(rows - 1.0, 1.0) for variance, rows in parts)
    return total * total / spread if spread > 0.0 else 1e9


def _nothing_out_of_order(
    value: float, estimates: Sequence[RankEstimate], confidence: Confidence, method: str
) -> Interval:
    pos, neg = (min(getattr(one, side).rows for one in estimates) for side in ("pos", "neg"))
    if method == "delong":
        return newcombe(value, pos, neg, confidence.critical)
    reach = none_of(pos, confidence.critical)
    return Interval(max(value - reach, 0.0), min(value + reach, 1.0), "wilson")


def pairs_interval(
    table: KeyTable, confidence: Confidence, mean_weight: float = 1.0, sampled: PairInfluences | None = None
) -> Interval | None:
    """The interval of the mean over pairs of classes, from a ``pairwise`` table; ``None`` where no pair has rows.

    A row of a class stands in all pairs of its class; rows of different classes are independent. How closely its parts
    in them go together is ``sampled``; without, they are taken to be perfectly correlated. ``mean_weight`` is Σw² / Σw.
    """
    size, estimates = table.columns, {}
    for i in range(size):
        for j in range(size):
            ranking = table.ranking(i, against=j)
            squares = Squares(ranking.positives * mean_weight, ranking.negatives * mean_weight)
            one = auroc_estimate(ranking, squares) if i != j else None
            if one is None:
                continue
            estimates[i, j] = one
            if sampled is not None:
                sampled.add(i, j, ranking)
    if not estimates:
        return None
    value = sum(one.value for one in estimates.values()) / len(estimates)
    errors, apart, rows = np.zeros(size), 0.0, np.ones(size)
    for (i, j), one in estimates.items():
        for place, side in ((i, one.pos), (j, one.neg)):
            errors[place] += sqrt(side.variance)
            apart += side.variance
            rows[place] = side.rows
    coupling = None if sampled is None else sampled.coupling
    parts = list(zip((errors * errors).tolist(), rows.tolist(), strict=True))
    variance = (dot(errors, errors) if coupling is None else coupling * apart) / len(estimates) ** 2
    if not (ROUNDED < value < 1.0 - ROUNDED and variance > 0.0):
        return _nothing_out_of_order(value, list(estimates.values()), confidence, "delong")
    doubt = [sum(float(one.certified[end]) for one in estimates.values()) / len(estimates) for end in (1, 2)]
    critical = t_quantile(1.0 - confidence.tail, _freedom(parts, dot(errors, errors)))
    found = by_variance(value, variance, critical, "delong")
    moved = Interval(found.low - (value - doubt[0]), found.high + (doubt[1] - value), found.method)
    return moved.holding(value, 0.0, 1.0)
