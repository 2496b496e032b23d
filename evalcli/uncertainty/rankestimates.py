"""AUROC and average precision with their variances, from the ranking state: one look at its segments, no resampling.

Both are means over the rows of one side of how they stand to the other, so each row has an influence: for AUROC
DeLong's share of the other side that it beats, for average precision what one more row at its place would change. The
variance is that of the influences of the positives over their number, and the same of the negatives.

Where a model ranks nearly all rows right, that variance rests on the few rows that are out of order, and is too small
more often than not. It is drawn towards what Hanley and McNeil's model of exponential scores gives (for average
precision: towards that of a share of the positives), with the weight of a row or two out of order. In that model all of
the variance is that of one side, and nothing tells which: it is taken to be the smaller one, with a little of it left
to the other.

Source: DeLong, DeLong and Clarke-Pearson 1988; Hanley and McNeil 1982; Newcombe 2006, Confidence intervals for an
effect size measure based on the Mann–Whitney statistic, part 2, method 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.roc import Ranking, auroc, average_precision
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import Interval, none_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Certified

_HALVINGS = 100
_TRACE = 1e-9
_TINY = 1e-290
_USUAL = 1.96
_MODEL, _OTHER = 2.0, 0.25
"""Rows out of order that the model counts for, and what the larger side has of it: 95 % are 93 to 97 % up to 0.993."""
_SHARE = 0.75
"""The rows of an average precision."""
ROUNDED = 1e-12
"""A perfect order of weighted rows may be off by what the sums of their weights round."""


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
_MANY = 1 << 12
"""Segments of which those with positives are worth picking out."""


def auroc_estimate(ranking: Ranking, squares: Squares | None = None) -> RankEstimate | None:
    """AUROC with DeLong's variance; ``None`` where it is undefined.

    A row in a tied group, or in a segment whose order is in doubt, beats half of the other side's rows there.
    """
    if not ranking.defined:
        return None
    squares = Squares.of(ranking) if squares is None else squares
    certified = auroc(ranking)
    sides = zip(amounts_of(ranking), placements(ranking), squares, strict=True)
    pos, neg = _towards(exponential(certified.value), [_side(*side, certified.value) for side in sides])
    if not 0.0 < certified.value < 1.0:  # in a mean with others it must not count as certain
        reach = newcombe(1.0, pos.rows, neg.rows, _USUAL)
        half = ((1.0 - reach.low) / _USUAL) ** 2 / 2.0
        pos, neg = Side(half, pos.rows), Side(half, neg.rows)
    return RankEstimate(certified, pos, neg)


def amounts_of(ranking: Ranking) -> tuple[HostArray, HostArray]:
    """The positives and the negatives of each segment (K,) float64."""
    if ranking.is_short:
        return ranking.sides
    return ranking.pos.astype(np.float64), ranking.neg.astype(np.float64)


def placements(ranking: Ranking) -> tuple[HostArray, HostArray]:
    """Of a positive and of a negative in each segment (K,), the share of the other side that it beats, or loses to."""
    pos, neg = amounts_of(ranking)
    beaten, lost = neg * -0.5, pos * -0.5
    beaten += ranking.alarms
    beaten /= -ranking.negatives
    beaten += 1.0
    lost += ranking.found
    lost /= ranking.positives
    return beaten, lost


def exponential(value: float) -> float:
    """The variance of one row's share where scores of both sides are exponential, of the side where it is larger."""
    area = max(value, 1.0 - value)
    return 2.0 * area * area / (1.0 + area) - area * area


def _side(amounts: HostArray, shares: HostArray, square: float, mean: float) -> tuple[Side, float]:
    """The ``mean`` of ``shares`` (K,), and how many rows out of order it rests on.

    Those are ``telling_rows`` of the shares, or of what they lack of 1, whichever are fewer.
    """
    total = float(amounts.sum())
    rows, least = _rows(total, square), min(mean, 1.0 - mean) ** 2
    off = shares - mean
    off *= off
    variance = dot(amounts, off) / total
    telling = rows * least / (variance + least) if variance + least > 0.0 else 0.0
    return Side(variance * _spared(rows) / rows, rows), telling


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


def telling_rows(amounts: HostArray, losses: HostArray) -> float:
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
    telling = found.telling * rows / total
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
    telling: float
    """``telling_rows`` of what precisions lack of 1."""


def _jackknife(ranking: Ranking, squares: Squares) -> _Jackknife:
    """The average precision without each row; where rows weigh, one is of their mean weight.

    With ``a`` positives and ``b`` negatives up to a positive, without one of the former its precision is
    ``(a − 1) / (a + b − 1)``, and without one of the latter ``a / (a + b − 1)``. A row may be of more than there is up
    to there, where rows are taken for fewer, as those of clusters are: without negatives a precision stays 1.

    Source: Efron and Stein 1981, The jackknife estimate of variance.
    """
    every, neg = amounts_of(ranking)
    precision = _shares(ranking.found, ranking.found + ranking.alarms)
    sum_ = dot(every, precision)
    pos, a, b = every, ranking.found, ranking.alarms
    if len(every) > _MANY:  # a negative counts where the next positive stands
        held = np.flatnonzero(every > 0.0)
        pos, a, b, precision = (part[held] for part in (pos, a, b, precision))
        neg = np.diff(b, prepend=0.0)
    total, others = ranking.positives, ranking.negatives
    one, other = (max(each, _TINY) for each in (squares.pos / total, squares.neg / others))
    fewer, cleaner = np.maximum(a - one, 0.0), np.maximum(b - other, 0.0)  # no more than there are can be taken away
    lower, higher = (_shares(above, above + below) for above, below in ((fewer, b), (a, cleaner)))
    lower[: int(b.searchsorted(0.0, "right"))] = 1.0
    telling = telling_rows(pos, _shares(b, a + b))
    rest = max(total - one, one)
    fallen, risen = (np.cumsum((pos * (moved - precision))[::-1])[::-1] for moved in (lower, higher))
    fallen -= one * lower
    of_pos, of_neg = (sum_ + fallen) / rest - sum_ / total, risen / total
    rows, others_ = (side if each == 1.0 else side / each for side, each in ((pos, one), (neg, other)))
    last = (others - float(b[-1])) / other  # negatives behind all positives, which change nothing
    held_rows = float(rows.sum())
    size = held_rows + float(others_.sum()) + last
    moved = (dot(rows, of_pos) + dot(others_, of_neg)) / size
    drift = (sum_ + dot(rows, fallen)) / rest - held_rows * moved
    bias = (size - 1.0) * moved
    of_pos -= moved
    of_neg -= moved
    of_pos *= of_pos
    of_neg *= of_neg
    varied = dot(rows, of_pos), dot(others_, of_neg) + last * moved * moved
    return _Jackknife(sum_ / total, *varied, bias, drift, telling)


def _shares(part: HostArray, whole: HostArray) -> HostArray:
    """``part / whole``, of nothing 0."""
    some = whole > 0.0
    found: HostArray = part / (whole if some.all() else np.where(some, whole, 1.0))
    return found


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
