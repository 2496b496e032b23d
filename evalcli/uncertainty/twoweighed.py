"""Two shares or means of rows that weigh differently: what they tell is what fewer rows of one weight would tell.

A mean of weighted rows varies as that of ``n = (Σw)² / Σw²`` equal ones, where weights have nothing to do with what is
measured. Of a share they may have: if its hits and its misses weigh ``q₁`` and ``q₀`` on average, each by weight, the
share ``p`` varies as that of ``Σw / ((1 − p)·q₁ + p·q₀)`` rows. The smaller of the two is used, at the
share of the whole, as the test supposes it. Of a mean the variance is ``Σw²(v − m)² / (Σw)²``. The tests are those of
rows that all count once, at these sizes; hits are rounded so that no slice looks worse for it. No size depends on the
unit of the weights.

Rows of a cluster are alike: then either side has so many times fewer rows (``Fewer``), and what is known of that from
a few clusters only is paid for by Student's distribution in place of the normal one.

Source: Kish 1965, Survey sampling; Rao and Scott 1992, A simple method for the analysis of clustered binary data.
"""

from __future__ import annotations

from math import ceil, floor, inf, isfinite
from typing import TYPE_CHECKING, NamedTuple

from evalcli.uncertainty.intervals import Interval, wilson_weighted
from evalcli.uncertainty.quantiles import normal_quantile, normal_tail, t_quantile, t_two_sided
from evalcli.uncertainty.twomeans import Mean, permuted_larger, welch_interval, welch_larger
from evalcli.uncertainty.twoshares import Share, fisher_lower, least_shown, newcombe

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence

WEIGHTS = " (weights)"
"""How the name of a test of rows that weigh differently ends."""
_LEAST_LEVEL = 1e-15
"""Of a test that is asked to be surer than this nothing is said: its quantiles are not known."""
_ROUNDED = 1e-9
"""What a size that is a whole number may be off by."""


class Fewer(NamedTuple):
    """How many times fewer rows tell as much as those of a part and as those of the rest, and how sure that is."""

    part: float = 1.0
    rest: float = 1.0
    freedom: float = inf

    def p_value(self, p: float) -> float:
        """What a p-value of a normal ``z`` is of one of Student's distribution.

        >>> round(Fewer(freedom=4.0).p_value(0.025), 6), Fewer().p_value(0.025)
        (0.06078, 0.025)
        """
        if not isfinite(self.freedom) or not 0.0 < p < 0.5:
            return p
        return t_two_sided(normal_quantile(p), self.freedom) / 2.0

    def level(self, level: float) -> float:
        """The p-value of a normal ``z`` that makes ``level``."""
        if not isfinite(self.freedom):
            return level
        return normal_tail(t_quantile(1.0 - level, self.freedom))

    def critical(self, confidence: Confidence) -> float:
        """The quantile for intervals."""
        return confidence.critical if not isfinite(self.freedom) else t_quantile(1.0 - confidence.tail, self.freedom)


NONE_FEWER = Fewer()


class WeighedShare(NamedTuple):
    """The Σw of ``right`` and ``wrong`` ones among ``rows``, and their Σw²."""

    rows: int
    right: float
    wrong: float
    right_squares: float
    wrong_squares: float

    @property
    def weight(self) -> float:
        """Σw."""
        return self.right + self.wrong

    @property
    def value(self) -> float:
        """The share of the weight that is right; not a number where nothing weighs."""
        return self.right / self.weight if self.weight > 0.0 else float("nan")

    @property
    def test(self) -> str:
        """What compares two of them."""
        return f"fisher{WEIGHTS}"

    def without(self, part: WeighedShare) -> WeighedShare:
        """All other rows than those of a part."""
        return WeighedShare(*_less(self, part))  # type: ignore[arg-type]

    def is_worse(self, whole: WeighedShare) -> bool:
        """Whether this part of a whole has a smaller share of hits than all."""
        return self.value < whole.value

    def sized(self, share: float) -> float:
        """How many rows of one weight tell as much, where the true share is ``share``.

        >>> WeighedShare(50, 80.0, 20.0, 160.0, 40.0).sized(0.7)  # each weighs 2
        50.0
        """
        if not self.weight > 0.0:
            return 0.0
        mean = (self.right_squares + self.wrong_squares) / self.weight
        of_right, of_wrong = (  # one more row of the mean weight on either side, which may be empty
            (squares + mean * mean) / (amount + mean)
            for squares, amount in ((self.right_squares, self.right), (self.wrong_squares, self.wrong))
        )
        return self.weight / max((1.0 - share) * of_right + share * of_wrong, mean)

    def p_worse(self, whole: WeighedShare, fewer: Fewer = NONE_FEWER) -> float:
        """How likely a part has so few hits, beside all other rows of the whole, by chance, 0 to 1."""
        rest = whole.without(self)
        if not min(self.weight, rest.weight) > 0.0:
            return 1.0
        rows, others = (
            _whole(size) for size in (self.sized(whole.value) / fewer.part, rest.sized(whole.value) / fewer.rest)
        )
        hits, more = ceil(self.value * rows * (1.0 - _ROUNDED)), _whole(rest.value * others)
        if not min(rows, others) > 0:
            return 1.0
        return fewer.p_value(fisher_lower(Share(hits, rows), Share(hits + more, rows + others)))

    def difference(self, rest: WeighedShare, confidence: Confidence, fewer: Fewer = NONE_FEWER) -> Interval:
        """Newcombe's interval of this share less that of the rest."""
        critical = fewer.critical(confidence)
        mine, theirs = self._wilson(fewer.part, critical), rest._wilson(fewer.rest, critical)
        return newcombe(self.value, mine, rest.value, theirs)

    def _wilson(self, fewer: float, critical: float) -> Interval:
        right, wrong, right_squares, wrong_squares = (amount / fewer for amount in self[1:])
        return wilson_weighted(right, wrong, right_squares, wrong_squares, critical)

    def least_shown(self, rows: int, level: float, fewer: Fewer = NONE_FEWER) -> float | None:
        """By how much so many rows of this whole have to be worse than the rest to be told at ``level``."""
        size = self.sized(self.value) / fewer.part
        sized, total = (_whole(amount) for amount in (size * rows / self.rows, size))
        level = fewer.level(level)
        if not (0 < sized < total and level > _LEAST_LEVEL):
            return None
        return least_shown(sized, Share(round(self.value * total), total), level)


class WeighedMean(NamedTuple):
    """A mean of a loss over ``rows``: Σw, Σwv, Σwv², Σwv³; Σw², Σw²v, Σw²v².

    Σwv² and Σwv³ are those of a whole, and may be left out of a part.
    """

    rows: int
    weight: float
    total: float
    squares: float
    cubes: float
    weight_squares: float
    total_squares: float
    square_squares: float

    @property
    def value(self) -> float:
        """The mean; not a number where nothing weighs."""
        return self.total / self.weight if self.weight > 0.0 else float("nan")

    @property
    def test(self) -> str:
        """What compares two of them."""
        return f"welch{WEIGHTS}"

    @property
    def size(self) -> float:
        """How many rows of one weight tell as much, ``(Σw)² / Σw²``."""
        return self.weight * self.weight / self.weight_squares if self.weight_squares > 0.0 else 0.0

    def without(self, part: WeighedMean) -> WeighedMean:
        """All other rows than those of a part."""
        return WeighedMean(*_less(self, part))  # type: ignore[arg-type]

    def is_worse(self, whole: WeighedMean) -> bool:
        """Whether the rows of this part of a whole lose more than all."""
        return self.value > whole.value

    def alone(self, fewer: float = 1.0) -> Mean:
        """As many rows of one weight as tell as much, so many times fewer: their mean varies as this one does.

        >>> WeighedMean(2, 2.0, 4.0, 10.0, 28.0, 2.0, 4.0, 10.0).alone() == Mean(2, 4.0, 10.0)
        True
        """
        mean, rows = self.value, self.size / fewer
        squares = self.square_squares - 2.0 * mean * self.total_squares + mean * mean * self.weight_squares
        return Mean(rows, mean * rows, (max(squares, 0.0) / self.weight_squares + mean * mean) * rows)

    def p_worse(self, whole: WeighedMean, fewer: Fewer = NONE_FEWER) -> float:
        """How likely a part loses so much more than all other rows of the whole by chance, 0 to 1."""
        rest = whole.without(self)
        if not min(self.size, rest.size) > 0.0:
            return 1.0
        mine, theirs = self.alone(fewer.part), rest.alone(fewer.rest)
        rows = mine.rows + theirs.rows
        share = theirs.rows / rows
        every = Mean(rows, *(power / whole.weight * rows for power in whole[2:5]))
        drawn = Mean(mine.rows, (every.value + (self.value - rest.value) * share) * mine.rows, 0.0)
        return max(welch_larger(mine, theirs, fewer.freedom), fewer.p_value(permuted_larger(drawn, every)))

    def difference(self, rest: WeighedMean, confidence: Confidence, fewer: Fewer = NONE_FEWER) -> Interval:
        """Welch's interval of this mean less that of the rest."""
        mine, theirs = self.alone(fewer.part), rest.alone(fewer.rest)
        return welch_interval(mine, theirs, confidence, most=fewer.freedom)

    def least_shown(self, rows: int, level: float, fewer: Fewer = NONE_FEWER) -> float | None:
        """By how much so many rows of this whole have to lose more than the rest to be told at ``level``."""
        size, level = self.size / fewer.part, fewer.level(level)
        if not level > _LEAST_LEVEL:
            return None
        every = Mean(size, *(power / self.weight * size for power in self[2:5]))
        return every.least_shown(size * rows / self.rows, level)


def weighed(part: object) -> WeighedShare | WeighedMean:
    """The same, whose rows weigh 1 each where they have no weights."""
    if isinstance(part, Share):
        hits, misses = float(part.hits), float(part.rows - part.hits)
        return WeighedShare(part.rows, hits, misses, hits, misses)
    if isinstance(part, Mean):
        return WeighedMean(int(part.rows), *part, *part[:3])
    assert isinstance(part, WeighedShare | WeighedMean)
    return part


def _whole(size: float) -> int:
    """The largest whole number that is not above it."""
    return floor(size * (1.0 + _ROUNDED))


def _less(whole: tuple[float, ...], part: tuple[float, ...]) -> list[float]:
    """What a whole has more than its part: of nothing, rounding may leave a trace."""
    rest = (mine - theirs for mine, theirs in zip(whole, part, strict=True))
    return [left if left > 1e-12 * mine else type(mine)(0) for left, mine in zip(rest, whole, strict=True)]
