"""How well scores rank: areas and operating points, each with an interval that is certain to hold the exact value.

A ``Ranking`` lists the rows of one column from the highest score down, as segments with ``pos`` and ``neg`` rows. Where
one segment ends and the next begins the order is certain, so the ends are real operating points: the exact ROC curve
passes through all of them. ``TP, FP`` count the rows up to the end of a segment, ``TP₀, FP₀`` those before it, ``P, N``
all. Inside a segment one of three things holds:

- all rows have one score: the curve goes straight through, ties count ½;
- ``mixed``: positives and negatives of several scores lie over one another, and any path that goes up and right from
  (FP₀, TP₀) to (FP, TP) may be the true one;
- ``spread``: the positives have more than one score, so they need not be tied with each other.

Every formula gives ``(value, low, high)``. With no segment in doubt all three are the same; else ``low`` and ``high``
are what the worst and the best path give, and ``value`` is the middle. The proofs go segment by segment: a bound for
each adds up. Sums are taken in float64 and rounding is added to the interval; comparisons of counts need none, since
rounded quotients of counts keep their order.

Undefined, without positives or without negatives: three NaN. Importing this module imports no numpy.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from evalcli.metrics.once import CachedProperty, once
from evalcli.metrics.terms import BLOCK, SUM_ROUNDING, Block, added, precisions, product, share, sums_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.segments import Segments

_EPS = sys.float_info.epsilon
_KEPT = 1 << 17
"""Segments whose blocks are kept: 2 MB."""
_BLOCKS = "blocks"


class Certified(NamedTuple):
    """A value and the interval that holds the exact one: floats, or arrays of the same shape."""

    value: Any
    low: Any
    high: Any


UNDEFINED = Certified(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Ranking:
    """Segments (K,) by falling score; ``score`` is the least in a segment: cutting there with ``>=`` includes it."""

    score: HostArray
    pos: HostArray
    neg: HostArray
    mixed: HostArray
    spread: HostArray
    shift: int = 0
    """How many low bits of the keys are dropped."""
    bits: int = 64
    """The width of the keys."""
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was read off already."""

    @property
    def exact(self) -> bool:
        """Whether every segment is one score."""
        return self.shift == 0

    @CachedProperty
    def segments(self) -> Segments:
        """Where a score lies."""
        from evalcli.metrics.segments import Segments

        return Segments(self)

    @property
    def counted(self) -> bool:
        """Whether rows are counted, and not weighed."""
        return bool(self.pos.dtype.kind == "i")

    @CachedProperty
    def positives(self) -> float:
        """How many positives there are, or the sum of their weights."""
        return self._total(self.pos)

    @CachedProperty
    def negatives(self) -> float:
        """How many negatives there are, or the sum of their weights."""
        return self._total(self.neg)

    @property
    def is_short(self) -> bool:
        """Whether what is read off all segments may be kept."""
        return len(self.pos) <= _KEPT

    @CachedProperty
    def ends(self) -> tuple[HostArray, HostArray]:
        """What there is of either side before each segment, and of all (K + 1,) float64; of a short ranking kept."""
        return _floats(sums_of(self.pos)), _floats(sums_of(self.neg))

    @CachedProperty
    def sides(self) -> tuple[HostArray, HostArray]:
        """The positives and the negatives of each segment (K,) float64; of a short ranking kept."""
        return _floats(self.pos), _floats(self.neg)

    @CachedProperty
    def found(self) -> HostArray:
        """The positives up to the end of each segment (K,) float64."""
        return self.ends[0][1:] if self.is_short else _floats(sums_of(self.pos))[1:]

    @CachedProperty
    def alarms(self) -> HostArray:
        """The negatives up to the end of each segment (K,) float64."""
        return self.ends[1][1:] if self.is_short else _floats(sums_of(self.neg))[1:]

    def _total(self, amounts: HostArray) -> float:
        """The last of the running sums: with weights, pairwise addition could end a bit beside it."""
        return float(amounts.sum() if self.counted or len(amounts) == 0 else amounts.cumsum()[-1])

    @property
    def defined(self) -> bool:
        """Whether there are rows on both sides."""
        return self.positives > 0 and self.negatives > 0

    @property
    def rounding(self) -> float:
        """What the running sums of weights may be off by, relatively; 0 for counts and where nothing is in doubt."""
        return 0.0 if self.exact or self.counted else (len(self.pos) + 64) * _EPS

    @property
    def sum_rounding(self) -> float:
        """What a sum over segments may be off by: terms are added up pairwise, in blocks of 128, or by halves."""
        return 0.0 if self.exact else self.rounding + SUM_ROUNDING


def _floats(amounts: HostArray) -> HostArray:
    return amounts.astype("float64", copy=False)


def _blocks(ranking: Ranking) -> Iterable[Block]:
    """The blocks, from the highest score down; those of a short ranking are kept, for other numbers of it."""
    if not ranking.is_short:
        return _made(ranking)
    if _BLOCKS not in ranking.known:
        ranking.known[_BLOCKS] = list(_made(ranking))
    blocks: list[Block] = ranking.known[_BLOCKS]
    return blocks


def _made(ranking: Ranking) -> Iterator[Block]:
    found: Any = 0
    alarms: Any = 0
    for start in range(0, len(ranking.pos), BLOCK):
        part = slice(start, start + BLOCK)
        pos, neg = ranking.pos[part], ranking.neg[part]
        if ranking.is_short:
            tp, fp = (side[start : start + BLOCK + 1] for side in ranking.ends)
        else:
            tp, fp = _floats(sums_of(pos, found)), _floats(sums_of(neg, alarms))
            found, alarms = tp[-1], fp[-1]
        yield Block(pos, neg, ranking.mixed[part], ranking.spread[part], tp[:-1], fp[:-1], tp[1:], fp[1:])


_Terms: TypeAlias = "Callable[[Block], tuple[HostArray, HostArray]]"


def _sums(ranking: Ranking, terms: _Terms, total: Callable[[Any], Any] | None = None) -> tuple[float, float]:
    """The sums over all segments of what ``terms`` gives for the worst and for the best path."""
    low, high = [], []
    for block in _blocks(ranking):
        worst, best = terms(block)
        low.append(float(worst.sum() if total is None else total(worst)))
        high.append(low[-1] if best is worst else float(best.sum() if total is None else total(best)))
    return math.fsum(low), math.fsum(high)


def _maxima(ranking: Ranking, terms: _Terms) -> tuple[float, float]:
    """The maxima, at least 0, over all segments of what is certain and of what is possible."""
    parts = [terms(block) for block in _blocks(ranking)]
    low, high = (max(float(part[side].max(initial=0)) for part in parts) for side in (0, 1))
    return low, max(low, high)


def _between(low: float, high: float, slack: float = 0.0) -> Certified:
    """The middle of an interval inside [0, 1], which is then widened by what rounding may have moved."""
    low, high = (min(max(end, 0.0), 1.0) for end in (low, high))
    return Certified(low if low == high else low + (high - low) / 2, max(low - slack, 0.0), min(high + slack, 1.0))


@once
def auroc(ranking: Ranking) -> Certified:
    """Area under the ROC curve: ``(#{pos > neg} + ½·#{pos = neg}) / (P·N)``.

    Every pair of a positive and a negative counts 0, ½ or 1. Pairs across segments are certain; the ``pos·neg`` pairs
    of a mixed segment add at least 0 and at most 1 each. Half-width: ``½·Σ pos·neg / (P·N)`` over mixed segments.
    Counts are added up as integers and rounded once.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    if not ranking.defined:
        return UNDEFINED
    positives, negatives = ranking.positives, ranking.negatives
    if not ranking.counted:
        low, high = _sums(ranking, lambda block: _weighted_pairs(block, positives, negatives))
        return _between(low, high, ranking.sum_rounding)
    pairs = int(positives) * int(negatives)
    behind, doubt, before = 0, 0, 0
    for start in range(0, len(ranking.pos), BLOCK):
        pos, neg, mixed = (side[start : start + BLOCK] for side in (ranking.pos, ranking.neg, ranking.mixed))
        ends = sums_of(neg, before)
        before = ends[-1]
        behind += product(pos, ends[:-1] + ends[1:], pairs)
        doubt += product(pos, neg * mixed, pairs) if mixed.any() else 0
    return area(2 * pairs - behind, doubt, int(positives), int(negatives))


def area(beaten: int, doubt: int, positives: int, negatives: int) -> Certified:
    """The AUROC, of how many halves of pairs are ``beaten``, tied ones one of two, and how many are in ``doubt``."""
    pairs = 2 * positives * negatives
    if not pairs:
        return UNDEFINED
    return Certified(beaten / pairs, (beaten - doubt) / pairs, (beaten + doubt) / pairs)


def _weighted_pairs(block: Block, positives: float, negatives: float) -> tuple[HostArray, HostArray]:
    import numpy as np

    middle, shares = (block.fp0 + block.fp) / 2, block.pos / positives
    worst, best = np.where(block.mixed, block.fp, middle), np.where(block.mixed, block.fp0, middle)
    return shares * ((negatives - worst) / negatives), shares * ((negatives - best) / negatives)


def auroc_variance(ranking: Ranking) -> float:
    """DeLong's variance of the AUROC: ``var(V₁₀)/P + var(V₀₁)/N`` of each row's share of the other side that it beats.

    Pairs in doubt count ½. NaN with fewer than two rows on a side, and for weights.

    Source: DeLong, DeLong and Clarke-Pearson 1988.
    """
    positives, negatives, mean = ranking.positives, ranking.negatives, auroc(ranking).value
    if not ranking.counted or min(positives, negatives) < 2:
        return math.nan

    def squares(block: Block) -> tuple[HostArray, HostArray]:
        beaten = (negatives - (block.fp0 + block.fp) / 2) / negatives
        beating = (block.tp0 + block.tp) / 2 / positives
        return block.pos * (beaten - mean) ** 2, block.neg * (beating - mean) ** 2

    of_positives, of_negatives = _sums(ranking, squares)
    return of_positives / (positives - 1) / positives + of_negatives / (negatives - 1) / negatives


@once
def partial_auroc(ranking: Ranking, max_fpr: float = 0.1) -> Certified:
    """Area under the ROC curve up to ``max_fpr`` = f, as ``½·(1 + (area − f²/2) / (f − f²/2))``: 0.5 is chance.

    In a mixed segment the path stays between TP₀ and TP, so its part of the area lies between that width times each.

    Source: McClish 1989, Analyzing a portion of the ROC curve.
    """
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must lie above 0 and at most at 1, not {max_fpr}")
    if not ranking.defined:
        return UNDEFINED
    positives, negatives = ranking.positives, ranking.negatives

    def areas(block: Block) -> tuple[HostArray, HostArray]:
        import numpy as np

        stop = int(block.fp0.searchsorted(max_fpr * negatives))  # what lies beyond adds nothing
        some = Block(*(part[:stop] for part in block))
        width = np.minimum(max_fpr * negatives - some.fp0, some.neg)
        middle = some.tp0 + some.pos * share(width, some.neg) / 2
        sides = np.zeros((2, len(block.pos)))
        for side, end in zip(sides, (some.tp0, some.tp), strict=True):
            np.multiply(width / negatives, np.where(some.mixed, end, middle) / positives, out=side[:stop])
        return sides[0], sides[1]

    chance = max_fpr**2 / 2
    low, high = ((1 + (total - chance) / (max_fpr - chance)) / 2 for total in _sums(ranking, areas))
    return _between(low, high, 2 * ranking.sum_rounding)


@once
def average_precision(ranking: Ranking) -> Certified:
    """``Σ (Rₙ − Rₙ₋₁)·Pₙ``, tied scores grouped: the mean, over positives, of the precision at their score.

    A positive adds the precision ``TPᵢ/(TPᵢ + FPᵢ)`` where its group of ties ends. Inside a segment that is at most
    ``TP/(TP + FP₀)``: all positives first, as one group. With positives of one score it is at least ``TP/(TP + FP)``.
    Spread ones add least when each stands alone behind all negatives: ``Σᵢ (TP₀ + i)/(TP₀ + i + FP)``, i = 1 … pos,
    which is ``pos − FP·Σᵢ 1/(n₀ + i)`` with n₀ = TP₀ + FP. As 1/x is convex, the sum is at most the integral from
    n₀ + ½ to n₀ + pos + ½, a logarithm. No term is below the first, which is the better bound for few rows. Weights
    split in unknown ways: there the integral starts at n₀, below any right-hand Riemann sum of a rising function.

    Source: Buckley and Voorhees 2000; the step-wise sum of scikit-learn.
    """
    if not ranking.defined:
        return UNDEFINED
    unit = 1.0 if ranking.counted else 0.0
    low, high = _sums(ranking, lambda block: precisions(block, unit), added)  # as a device adds up, to the bit
    return mean_precision(low, high, ranking.positives, ranking.negatives, slack=ranking.sum_rounding)


def mean_precision(low: float, high: float, positives: float, negatives: float, *, slack: float) -> Certified:
    """Average precision, of the sums of ``precisions``."""
    if not (positives > 0 and negatives > 0):
        return UNDEFINED
    return _between(low / positives, high / positives, slack)


def recall_at_precision(ranking: Ranking, precision: float) -> Certified:
    """The highest recall of a threshold whose precision is at least ``precision``; 0 where no threshold reaches it.

    Ends of segments are real. No point inside a mixed one finds more than TP positives or has fewer than FP₀ negatives,
    so if any point there is precise enough and finds more than the real ones, (FP₀, TP) is, and bounds its recall.

    Source: the precision–recall curve; van Rijsbergen 1979, Information Retrieval, ch. 7.
    """
    if not ranking.defined:
        return UNDEFINED
    slack = ranking.rounding

    def found(block: Block) -> tuple[HostArray, HostArray]:
        certain = block.tp[share(block.tp, block.tp + block.fp) >= precision + slack]
        return certain, block.tp[block.best_precision() >= precision - slack]

    low, high = _maxima(ranking, found)
    return _between(low / ranking.positives, high / ranking.positives, slack)


def precision_at_recall(ranking: Ranking, recall: float) -> Certified:
    """The highest precision of a threshold whose recall is at least ``recall``.

    Precision rises with TP and falls with FP, so inside a mixed segment none is above that of (FP₀, TP).

    Source: the precision–recall curve; van Rijsbergen 1979, Information Retrieval, ch. 7.
    """
    if not ranking.defined:
        return UNDEFINED
    positives, slack = ranking.positives, ranking.rounding

    def precise(block: Block) -> tuple[HostArray, HostArray]:
        found = block.tp / positives
        certain = share(block.tp, block.tp + block.fp)[found >= recall + slack]
        return certain, block.best_precision()[found >= recall - slack]

    return _between(*_maxima(ranking, precise), slack)


def specificity_at_sensitivity(ranking: Ranking, sensitivity: float) -> Certified:
    """The highest specificity ``1 − FP/N`` of a threshold whose recall is at least ``sensitivity``.

    Inside a mixed segment no point has fewer than FP₀ negatives or more than TP positives.

    Source: Metz 1978, Basic principles of ROC analysis.
    """
    if not ranking.defined:
        return UNDEFINED
    if sensitivity <= 0:
        return Certified(1.0, 1.0, 1.0)  # a threshold above every score
    positives, negatives, slack = ranking.positives, ranking.negatives, ranking.rounding

    def spared(block: Block) -> tuple[HostArray, HostArray]:
        import numpy as np

        found = block.tp / positives
        certain = (negatives - block.fp)[found >= sensitivity + slack]
        fewest: Any = np.where(block.mixed, block.fp0, block.fp)
        return certain, (negatives - fewest)[found >= sensitivity - slack]

    low, high = _maxima(ranking, spared)
    return _between(low / negatives, high / negatives, slack)


@once
def ks(ranking: Ranking) -> Certified:
    """``max |TP/P − FP/N|``: the Kolmogorov–Smirnov distance between the scores of positives and of negatives.

    Inside a mixed segment the difference is largest at (FP₀, TP) and smallest at (FP, TP₀).

    Source: Smirnov 1948, Table for estimating the goodness of fit of empirical distributions.
    """
    if not ranking.defined:
        return UNDEFINED

    def distances(block: Block) -> tuple[HostArray, HostArray]:
        import numpy as np

        tp0, tp = block.tp0 / ranking.positives, block.tp / ranking.positives
        fp0, fp = block.fp0 / ranking.negatives, block.fp / ranking.negatives
        return np.abs(tp - fp), np.maximum(tp - fp0, fp - tp0) * block.mixed

    return _between(*_maxima(ranking, distances), ranking.rounding)
