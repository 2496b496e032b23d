"""Intervals of AUROC and of average precision, from the ranking state: one look at its segments, no resampling.

Both are means over the rows of one side of how they stand to the other, so each row has an influence: for AUROC
DeLong's share of the other side that it beats, for average precision what one more row at its place would change. The
variance is that of the influences of the positives over their number, and the same of the negatives.

Where a model ranks nearly all rows right, that variance rests on the few rows that are out of order, and is too small
more often than not. It is drawn towards what Hanley and McNeil's model of exponential scores gives (for average
precision: towards that of a share of the positives), with the weight of a row or two out of order. In that model all of
the variance is that of one side, and nothing tells which: it is taken to be the smaller one, with a little of it left
to the other. The t quantile allows for a small side. The scale is Wilson's. A ranking without a row out of order gets
Newcombe's interval, which asks for which AUROC such a ranking would be a surprise.

Means over one-vs-rest columns: a sample of rows tells how closely columns go together (``coupling``). Without one, the
positives of the columns are different rows, so their parts are independent; the negatives are shared, and their parts
are taken to be perfectly correlated, which can only be too wide.

Source: DeLong, DeLong and Clarke-Pearson 1988; Hanley and McNeil 1982; Newcombe 2006, Confidence intervals for an
effect size measure based on the Mann–Whitney statistic, part 2, method 5.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.roc import Ranking, auroc, average_precision
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, by_variance, none_of
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.ranking import KeyTable
    from evalcli.metrics.roc import Certified
    from evalcli.uncertainty.coupling import PairInfluences
    from evalcli.uncertainty.intervals import Confidence

_HALVINGS = 100
_TRACE = 1e-9
_TINY = 1e-290
_USUAL = 1.96
_MODEL, _OTHER = 2.0, 0.25
"""Rows out of order that the model counts for, and what the larger side has of it: 95 % are 93 to 97 % up to 0.993."""
_SHARE = 0.75
"""The rows of an average precision."""
_SURELY = 0.5
"""The part of a bias that both ends have: where there are few positives, it is known to no more than its half."""


class Squares(NamedTuple):
    """Σw² of the positives and of the negatives; of counted rows their numbers."""

    pos: float
    neg: float

    @classmethod
    def of(cls, ranking: Ranking, overall: float | None = None) -> Squares:
        """Of counted rows, or of weights of which only Σw² of all rows is known: then both sides have one mean weight.

        That is wrong where weights make up for rare positives: then a state must keep the two apart.
        """
        mean = 1.0
        if overall is not None and not ranking.counted:
            mean = overall / (ranking.positives + ranking.negatives)
        return cls(ranking.positives * mean, ranking.negatives * mean)


class Side(NamedTuple):
    """One side of a ranking: the variance that it adds, and how many rows of equal weight it has."""

    variance: float
    rows: float


class RankEstimate(NamedTuple):
    """A value with what its positives and its negatives add to its variance, and its bias."""

    certified: Certified
    pos: Side
    neg: Side
    bias: float = 0.0
    drift: float = 0.0
    """What the bias of a mean by support, times its rows, is less than that of fixed weights."""

    @property
    def value(self) -> float:
        """The value, or the middle of what is certain."""
        return float(self.certified.value)


_ROUNDED = 1e-12
"""A perfect order of weighted rows may be off by what the sums of their weights round."""


def coarse(ranking: Ranking) -> Ranking:
    """The same rows in some 2^14 segments: how far an area varies, where it is not nearly 0 or 1, needs no more."""
    if len(ranking.score) <= _SEGMENTS or not ranking.defined:
        return ranking
    ends = np.cumsum(ranking.pos + ranking.neg, dtype=np.float64)
    heads = np.flatnonzero(np.diff((ends * (_SEGMENTS / ends[-1])).astype(np.int64), prepend=-1))
    pos, neg = (np.add.reduceat(side, heads) for side in (ranking.pos, ranking.neg))
    last = np.append(heads[1:], len(ends)) - 1
    never = np.zeros(len(heads), bool)
    found = Ranking(ranking.score[last], pos, neg, never, never)
    return found if _EDGE < auroc(found).value < 1.0 - _EDGE else ranking


_SEGMENTS, _EDGE = 1 << 14, 0.001


def auroc_estimate(ranking: Ranking, squares: Squares | None = None) -> RankEstimate | None:
    """AUROC with DeLong's variance; ``None`` where it is undefined.

    A row in a tied group, or in a segment whose order is in doubt, beats half of the other side's rows there.
    """
    if not ranking.defined:
        return None
    squares = Squares.of(ranking) if squares is None else squares
    certified = auroc(ranking)
    sides = zip((ranking.pos, ranking.neg), placements(ranking), squares, strict=True)
    pos, neg = _towards(_exponential(certified.value), [_side(*side, certified.value) for side in sides])
    if not 0.0 < certified.value < 1.0:  # in a mean with others it must not count as certain
        reach = newcombe(1.0, pos.rows, neg.rows, _USUAL)
        half = ((1.0 - reach.low) / _USUAL) ** 2 / 2.0
        pos, neg = Side(half, pos.rows), Side(half, neg.rows)
    return RankEstimate(certified, pos, neg)


def placements(ranking: Ranking) -> tuple[HostArray, HostArray]:
    """Of a positive and of a negative in each segment (K,), the share of the other side that it beats, or loses to."""
    tp, fp = ranking.found, ranking.alarms
    return 1.0 - (fp - ranking.neg / 2.0) / ranking.negatives, (tp - ranking.pos / 2.0) / ranking.positives


def _exponential(value: float) -> float:
    """The variance of one row's share where scores of both sides are exponential, of the side where it is larger."""
    area = max(value, 1.0 - value)
    return 2.0 * area * area / (1.0 + area) - area * area


def _side(amounts: HostArray, shares: HostArray, square: float, mean: float) -> tuple[Side, float]:
    """The mean of ``shares`` (K,), and how many rows out of order it rests on."""
    total = float(amounts.sum())
    rows = _rows(total, square)
    variance = dot(amounts, (shares - mean) ** 2) / total * _spared(rows)
    telling = min(_telling(amounts, 1.0 - shares), _telling(amounts, shares)) * rows / total
    return Side(variance / rows, rows), telling


def _towards(model: float, seen: Sequence[tuple[Side, float]]) -> tuple[Side, Side]:
    """Both sides, with their variance drawn towards that of the ``model`` by ``_MODEL`` rows out of order."""
    own = sum(side.variance for side, _ in seen)
    spread = sum(side.variance**2 / max(telling, _TRACE) for side, telling in seen)
    telling = own * own / spread if spread > 0.0 else min(telling for _, telling in seen)
    few, many = sorted(side.rows for side, _ in seen)
    most = max(own, model / few + _OTHER * model / many)
    whole = (telling * own + _MODEL * most) / (telling + _MODEL)
    pos, neg = (Side(whole * (side.variance / own if own > 0.0 else 0.5), side.rows) for side, _ in seen)
    return pos, neg


def _rows(total: float, square: float) -> float:
    """``(Σw)² / Σw²``, at least a trace of a row: of a side that weighs next to nothing, nothing is known."""
    mean = square / total
    return max(total / mean, _TRACE) if mean > 0.0 else _TRACE


def _spared(rows: float) -> float:
    """``n / (n − 1)``: a mean that was estimated spares part of the variance."""
    return rows / (rows - 1.0) if rows > 1.0 else 1.0


def _telling(amounts: HostArray, losses: HostArray) -> float:
    """How many rows a sum of losses rests on: ``(Σ loss)² / Σ loss²``."""
    squares = dot(amounts, losses * losses)
    return dot(amounts, losses) ** 2 / squares if squares > 0.0 else 0.0


def average_precision_estimate(ranking: Ranking, squares: Squares | None = None) -> RankEstimate | None:
    """Average precision with the jackknife's variance and bias; ``None`` where it is undefined.

    Each positive also stands before itself, so few of them look better than many.
    """
    if not ranking.defined:
        return None
    squares = Squares.of(ranking) if squares is None else squares
    certified = average_precision(ranking)
    total = ranking.positives
    rows, others = _rows(total, squares.pos), _rows(ranking.negatives, squares.neg)
    found = _jackknife(ranking, squares)
    mean, variance = found.mean, found.pos + found.neg
    telling = _telling(ranking.pos, _shares(ranking.alarms, ranking.found + ranking.alarms)) * rows / total
    grown = (telling * variance + _SHARE * max(variance, mean * (1.0 - mean) / rows)) / (telling + _SHARE)
    pos_part = found.pos / variance if variance > 0.0 else 1.0
    if not variance > 0.0:
        grown = (none_of(rows, _USUAL) / _USUAL) ** 2
    sides = Side(grown * pos_part, rows), Side(grown * (1.0 - pos_part), others)
    return RankEstimate(certified, *sides, found.bias, found.drift)


class _Jackknife(NamedTuple):
    """What ``pos`` and ``neg`` add to the variance of an average precision, its bias and ``RankEstimate.drift``."""

    mean: float
    pos: float
    neg: float
    bias: float
    drift: float


def _jackknife(ranking: Ranking, squares: Squares) -> _Jackknife:
    """The average precision without each row; where rows weigh, one is of their mean weight.

    With ``a`` positives and ``b`` negatives up to a positive, without one of the former its precision is
    ``(a − 1) / (a + b − 1)``, and without one of the latter ``a / (a + b − 1)``. A row may be of more than there is up
    to there, where rows are taken for fewer, as those of clusters are: without negatives a precision stays 1.

    Source: Efron and Stein 1981, The jackknife estimate of variance.
    """
    pos, neg = ranking.pos.astype(np.float64), ranking.neg.astype(np.float64)
    a, b = ranking.found, ranking.alarms
    total, others = ranking.positives, ranking.negatives
    one, other = (max(each, _TINY) for each in (squares.pos / total, squares.neg / others))
    fewer, cleaner = a - np.minimum(one, a), b - np.minimum(other, b)  # no more than there are can be taken away
    precision, lower, higher = (_shares(above, above + below) for above, below in ((a, b), (fewer, b), (a, cleaner)))
    lower[b == 0.0] = 1.0
    sum_, rest = dot(pos, precision), max(total - one, one)
    fallen, risen = (np.cumsum((pos * (moved - precision))[::-1])[::-1] for moved in (lower, higher))
    fallen -= one * lower
    of_pos, of_neg = (sum_ + fallen) / rest - sum_ / total, risen / total
    rows, others_ = pos / one, neg / other
    size = float(rows.sum() + others_.sum())
    moved = (dot(rows, of_pos) + dot(others_, of_neg)) / size
    drift = (sum_ + dot(rows, fallen)) / rest - float(rows.sum()) * moved
    bias = (size - 1.0) * moved
    mean = sum_ / total
    return _Jackknife(mean, dot(rows, (of_pos - moved) ** 2), dot(others_, (of_neg - moved) ** 2), bias, drift)


def _shares(part: HostArray, whole: HostArray) -> HostArray:
    """``part / whole`` within 0 and 1, 0 where there is nothing left."""
    found = np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0.0)
    return np.clip(found, 0.0, 1.0, out=found)


def precision_influence(ranking: Ranking) -> tuple[HostArray, HostArray]:
    """What a positive and a negative in each segment (K,) add to the average precision.

    With ``a`` positives and ``b`` negatives up to there, a positive adds its precision ``a / (a + b)`` less the mean,
    and raises by ``b / (a + b)²`` that of every positive at or below it; a negative lowers those by ``a / (a + b)²``.
    """
    pos, a, b = ranking.pos.astype(np.float64), ranking.found, ranking.alarms
    total, whole = ranking.positives, np.where(a + b > 0, a + b, 1.0)
    raised, lowered = (np.cumsum((pos / whole * (side / whole))[::-1])[::-1] for side in (b, a))
    mean = dot(pos, a / whole) / total
    return (a / whole - mean + raised) / total, -lowered / total


def rank_interval(estimate: RankEstimate, confidence: Confidence, method: str) -> Interval:
    """The interval of one column: ``method`` is ``delong`` for AUROC, ``influence`` for average precision."""
    return mean_interval([estimate], [1.0], confidence, method)


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
    if not (_ROUNDED < value < 1.0 - _ROUNDED and variance > 0.0):
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
    if not (_ROUNDED < value < 1.0 - _ROUNDED and variance > 0.0):
        return _nothing_out_of_order(value, list(estimates.values()), confidence, "delong")
    doubt = [sum(float(one.certified[end]) for one in estimates.values()) / len(estimates) for end in (1, 2)]
    critical = t_quantile(1.0 - confidence.tail, _freedom(parts, dot(errors, errors)))
    found = by_variance(value, variance, critical, "delong")
    moved = Interval(found.low - (value - doubt[0]), found.high + (doubt[1] - value), found.method)
    return moved.holding(value, 0.0, 1.0)


def newcombe(value: float, positives: float, negatives: float, critical: float) -> Interval:
    """The areas ``A`` for which ``value`` is within ``critical`` standard errors of exponential scores at ``A``.

    >>> round(newcombe(1.0, 20, 20, 1.96).low, 3)
    0.899
    """
    others = (positives + negatives) / 2.0 - 1.0

    def inside(area: float) -> bool:
        grown = 1.0 + others * ((1.0 - area) / (2.0 - area) + area / (1.0 + area))
        return (value - area) ** 2 <= critical**2 * area * (1.0 - area) * grown / (positives * negatives)

    ends = []
    for end in (0.0, 1.0):
        near, far = value, end
        for _ in range(_HALVINGS):
            middle = (near + far) / 2.0
            near, far = (middle, far) if inside(middle) else (near, middle)
        ends.append(near)
    return Interval(ends[0], ends[1], "newcombe")
