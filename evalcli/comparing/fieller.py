"""Differences of R² and of correlations, with the scatter that they would have were the true difference another.

Both are divided by how the targets spread, which the same rows tell. Where a few rows make most of that spread, they
make most of the difference as well, and what rows add to it, less that difference, hardly scatters: a better model
looks surely so by chance. So, as Fieller does for a ratio, each difference that is asked about is tested with rows that
have it: what a row adds less ``1 + off`` times it, where ``off`` is how much more than the average it makes of the
spread. At 0 that is the test of two mean squared errors, in which the spread has no part. Where the spread itself is so
unsure that no difference is too large, the interval ends at three times the reach of independent normal rows.

A sample that has missed the farthest targets takes the spread for too small and the difference for too large. There
the difference's own scatter reaches farther towards 0 than that of a smaller one. So the interval holds both, and the
larger p-value counts.

Source: Fieller 1954, Some problems in interval estimation.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

from evalcli.uncertainty.comparison import detectable
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.means import Moments

DIVIDED = frozenset({"r2", "adjusted_r2", "explained_variance", "pearson"})
"""Metrics that are divided by a spread."""
_FARTHEST = 3.0


class Scatter(NamedTuple):
    """The variance of a difference where it was seen, that of how the spread is off, and their covariance ``both``."""

    own: float
    both: float
    spread: float

    @classmethod
    def of(cls, moments: Moments, squares: Sequence[float], scale: float, grown: float = 1.0) -> Scatter:
        """From the ``moments`` of what rows add, in units of ``scale``, and sums over rows, weighted ones by Σw².

        These are the ``squares`` of by how much rows are off the spread, and the products with what they add. Clusters
        make all of it ``grown``.
        """
        part = grown * moments.rows / (moments.rows - 1.0) / moments.first[0] ** 2
        return cls(grown * (scale * moments.error) ** 2, part * scale * squares[1], part * squares[0])

    def at(self, off: float) -> float:
        """The variance, were the true difference smaller by ``off``."""
        return max(self.own + off * (2.0 * self.both + off * self.spread), 0.0)

    def reach(self, critical: float) -> float:
        """How much smaller it may be at most: the first ``off`` that is ``critical`` of its standard errors."""
        square = critical * critical
        most = _FARTHEST * critical * sqrt(self.own)
        left, middle, right = 1.0 - square * self.spread, square * self.both, square * self.own
        inner = middle * middle + left * right
        if inner < 0.0:
            return most
        below = sqrt(inner) - middle
        return min(right / below if below > 0.0 else inf, most)

    def turned(self) -> Scatter:
        """That of the difference the other way round."""
        return self._replace(both=-self.both)


def by_fieller(found: Difference, scatter: Scatter, degrees: float, confidence: Confidence) -> Difference:
    """The difference that was ``found`` from its own scatter, as unsure as the ``scatter`` of others says.

    It has so many ``degrees`` of freedom.

    >>> from evalcli.uncertainty.comparison import Difference
    >>> from evalcli.uncertainty.intervals import Confidence, Interval
    >>> plain = Difference(0.8, 0.6, Interval(0.1, 0.3, "hall"), 0.0001, 0.14)
    >>> told = by_fieller(plain, Scatter(0.05**2, -0.05 * 0.2, 0.3**2), 199.0, Confidence())
    >>> round(told.interval.low, 3), round(told.interval.high, 3), round(told.p, 3)
    (0.1, 0.396, 0.0)
    """
    value, critical = found.value, t_quantile(1.0 - confidence.tail, degrees)
    below, above = scatter.reach(critical), scatter.turned().reach(critical)
    interval = found.interval.holding(value - below).holding(value + above)
    error = sqrt(scatter.at(value))
    p = max(found.p, t_two_sided(value / error, degrees) if error > 0.0 else 0.0)
    if p > 2.0 * confidence.tail:
        interval = interval.holding(0.0)
    return replace(found, interval=interval, p=p, detectable=max(found.detectable, detectable(error, confidence)))
