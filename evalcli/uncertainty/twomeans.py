"""Two means of different rows: whether the first is larger by more than chance, and by how much it may be.

The errors of the rows of a slice against those of all other rows. Errors are skewed and heavy-tailed, and no one test
is right for all of them: Welch's is too quick where the other rows are few and happen to be alike, and the permutation
test, which draws as many rows from all of them, where a slice has the same mean and another spread. The larger of the
two p-values is that of a test which is slow in both cases.

The mean of rows drawn without putting any back has three moments that those of all rows give: a Pearson type III
distribution, whose tail is that of a normal one by Wilson and Hilferty's cube root. Fisher's exact test is the same
test, of shares.

Source: Welch 1947, The generalization of Student's problem when several different population variances are involved;
Box and Andersen 1955, Permutation theory in the derivation of robust criteria; Wilson and Hilferty 1931, The
distribution of chi-square.
"""

from __future__ import annotations

from math import cbrt, inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import normal_quantile, normal_tail, t_quantile, t_two_sided

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence

_ROUNDED = 1e-13
"""Of the squares: what a variance may be when all values are one."""
_STRAIGHT = 1e-6
"""A skewness that bends nothing."""


class Mean(NamedTuple):
    """The mean of a loss over ``rows``: Σv, Σv² and Σv³; the last is that of a whole, and may be left out of a part.

    Rows are a whole number, or as many as weighted ones tell as much as (:mod:`evalcli.uncertainty.twoweighed`).
    """

    rows: float
    total: float
    squares: float
    cubes: float = 0.0

    @property
    def value(self) -> float:
        """The mean itself; there are rows."""
        return self.total / self.rows

    @property
    def variance(self) -> float:
        """The mean square of what rows are off their mean by."""
        mean = self.value
        found = self.squares / self.rows - mean * mean
        return found if found > _ROUNDED * self.squares / self.rows else 0.0

    @property
    def skewness(self) -> float:
        """That of a row, where rows differ."""
        mean, variance = self.value, self.variance
        cube = self.cubes / self.rows - 3.0 * mean * self.squares / self.rows + 2.0 * mean**3
        return cube / variance**1.5 if variance > 0.0 else 0.0

    @property
    def test(self) -> str:
        """What compares two of them."""
        return "welch"

    def without(self, part: Mean) -> Mean:
        """All other rows than those of a part."""
        return Mean(*(mine - theirs for mine, theirs in zip(self, part, strict=True)))

    def is_worse(self, whole: Mean) -> bool:
        """Whether the rows of this part of a whole lose more than all."""
        return self.value > whole.value

    def p_worse(self, whole: Mean) -> float:
        """How likely a part loses so much more than all other rows of the whole by chance, 0 to 1."""
        return max(welch_larger(self, whole.without(self)), permuted_larger(self, whole))

    def difference(self, rest: Mean, confidence: Confidence) -> Interval:
        """Welch's interval of this mean less that of the rest."""
        return welch_interval(self, rest, confidence)

    def least_shown(self, rows: float, level: float) -> float | None:
        """By how much so many rows of this whole have to lose more than the rest to be told at ``level``.

        As if they were spread as all are; ``None`` where that cannot be said.
        """
        rest, spread = self.rows - rows, sqrt(self.variance)
        if min(rows, rest) < 2 or not spread > 0.0:
            return None
        error = spread * sqrt(1.0 / (rows - 1) + 1.0 / (rest - 1))
        freedom = (rows - 1 + rest - 1) ** 2 / ((rest - 1) ** 2 / (rows - 1) + (rows - 1) ** 2 / (rest - 1))
        drawn = _standard(normal_quantile(1.0 - level), _drawn_skewness(self, rows))
        return max(t_quantile(1.0 - level, freedom) * error, drawn * _drawn_error(self, rows) * self.rows / rest)


def welch_larger(part: Mean, rest: Mean, most: float = inf) -> float:
    """The p-value of Welch's one-sided test, by ``most`` degrees of freedom or fewer.

    1 where one row tells nothing of how others differ.

    >>> round(welch_larger(Mean(4, 22.0, 126.0), Mean(5, 15.0, 55.0)), 6)
    0.017469
    """
    if min(part.rows, rest.rows) < 2:
        return 1.0
    gap, (error, freedom) = part.value - rest.value, _welch(part, rest)
    if not error > 0.0:
        return 0.0 if gap > 0.0 else 1.0
    half = t_two_sided(abs(gap) / error, min(freedom, most)) / 2.0
    return half if gap > 0.0 else 1.0 - half


def welch_interval(part: Mean, rest: Mean, confidence: Confidence, most: float = inf) -> Interval:
    """Welch's interval of the mean of ``part`` less that of the rest, by ``most`` degrees of freedom or fewer."""
    gap, (error, freedom) = part.value - rest.value, _welch(part, rest)
    reach = t_quantile(1.0 - confidence.tail, min(freedom, most)) * error if error > 0.0 else 0.0
    return Interval(gap - reach, gap + reach, "welch")


def _welch(part: Mean, rest: Mean) -> tuple[float, float]:
    """The standard error of the difference, and the degrees of freedom."""
    each = [one.variance / max(one.rows - 1, 1) for one in (part, rest)]
    total = sum(each)
    if not total > 0.0:
        return 0.0, 1.0
    shares = [(square / total) ** 2 / max(one.rows - 1, 1) for square, one in zip(each, (part, rest), strict=True)]
    return sqrt(total), 1.0 / sum(shares)


def permuted_larger(part: Mean, whole: Mean) -> float:
    """How likely so many rows drawn from the ``whole`` have so large a mean.

    >>> values = [0.0, 1.0, 2.0, 3.0, 10.0]
    >>> whole = Mean(5, *(sum(value**power for value in values) for power in (1, 2, 3)))
    >>> 0.1 < permuted_larger(Mean(2, 12.0, 104.0), whole) < 0.3  # 2 of the 10 pairs
    True
    """
    error = _drawn_error(whole, part.rows)
    if not error > 0.0:
        return 1.0
    return normal_tail(_normal((part.value - whole.value) / error, _drawn_skewness(whole, part.rows)))


def _drawn_error(whole: Mean, rows: float) -> float:
    """The standard error of the mean of so many rows that are drawn without putting any back."""
    return sqrt(whole.variance / rows * (whole.rows - rows) / max(whole.rows - 1, 1))


def _drawn_skewness(whole: Mean, rows: float) -> float:
    share = rows / whole.rows
    return whole.skewness * (1.0 - 2.0 * share) / sqrt(rows * (1.0 - share)) if rows < whole.rows else 0.0


def _normal(x: float, skewness: float) -> float:
    """Where on the normal scale ``x`` of a standard Pearson type III distribution lies."""
    if abs(skewness) < _STRAIGHT:
        return x
    return 6.0 / skewness * (cbrt(1.0 + skewness * x / 2.0) - 1.0) + skewness / 6.0


def _standard(z: float, skewness: float) -> float:
    """The way back."""
    if abs(skewness) < _STRAIGHT:
        return z
    return 2.0 / skewness * ((1.0 + skewness * (z - skewness / 6.0) / 6.0) ** 3 - 1.0)
