"""Losses of scores row by row, and exact sums of how far those of two models differ."""

from __future__ import annotations

from copy import copy
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.powers import FAR, last_powers, powers
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.scorestate import add_rows_exactly
from evalcli.uncertainty.means import Moments
from evalcli.uncertainty.paired import mean_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.score_results import ScoreResults
    from evalcli.classification.scoring import ScoreStates
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

LOSSES = frozenset({"log_loss", "brier", "topk_accuracy", "mean_rank", "mrr", "mean_confidence"})
"""Means over rows."""


def span_of(name: MetricName, results: ScoreResults) -> float:
    """How far apart two rows can be in what a metric is the mean of."""
    if name.base == "mean_rank":
        return float(results.scoring.classes - 1)
    if name.base.startswith("brier"):
        return 1.0 if results.scoring.binary else 2.0
    return inf if name.base == "log_loss" else 1.0


class RowSums:
    """Exact sums of what rows have, or of their differences; ``infinite`` ones, or as good as, have none."""

    travels = ("infinite", "weighted", "sums")

    def __init__(self) -> None:
        self.infinite = 0
        self.weighted = False
        self.sign = 1.0
        self.sums = ExactSum(9)

    def update(self, difference: HostArray, weight: HostArray | None) -> None:
        """Take in the differences (N,) of rows."""
        if not len(difference):
            return
        self.weighted |= weight is not None
        with np.errstate(over="ignore", invalid="ignore"):
            added = last_powers(difference)[1:] if weight is None else powers(difference, weight)
        finite = np.abs(difference) < FAR
        if weight is not None:
            finite &= np.isfinite(added).all(axis=0)
        infinite = len(finite) - int(np.count_nonzero(finite))
        if infinite:
            self.infinite += infinite
            added[:, ~finite] = 0.0
        if weight is not None:
            add_rows_exactly(self.sums, added, np.arange(9))
            return
        add_rows_exactly(self.sums, added, np.array([6, 7, 8]))
        self.sums.add(np.array([float(len(difference))]), np.array([5]))

    def merge(self, other: RowSums) -> None:
        """Take in what another worker has added."""
        self.infinite += other.infinite
        self.weighted |= other.weighted
        self.sums.merge(other.sums)

    def difference(
        self, first: float, second: float, name: MetricName, results: ScoreResults, confidence: Confidence
    ) -> Difference | None:
        """The difference of two means; ``None`` where one of them is infinite."""
        moments = self.moments
        return None if moments is None else mean_difference(first, second, moments, confidence, span_of(name, results))

    def turned(self) -> RowSums:
        """The same of the first model less the second."""
        other = copy(self)
        other.sign = -self.sign
        return other

    @property
    def moments(self) -> Moments | None:
        """All sums; ``None`` where a row is infinite."""
        if self.infinite:
            return None
        s = self.sums.value().tolist()
        for odd in (1, 3, 6, 8):
            s[odd] *= self.sign
        if not self.weighted:
            s[:5] = [s[5], s[6], s[5], s[6], s[7]]
        return Moments((s[0], s[1]), (s[2], s[3], s[4]), (s[5], s[6], s[7], s[8]))


class LossSums:
    """Differences of losses of every pair of models, taken in while the models are counted."""

    travels = ("_sums",)

    def __init__(self, names: Sequence[MetricName], pairs: Sequence[tuple[int, int]]) -> None:
        self._names = [name for name in names if name.base in LOSSES]
        self._sums = {pair: {str(name): RowSums() for name in self._names} for pair in pairs}

    def update(self, states: Sequence[ScoreStates], weight: HostArray | None) -> None:
        """Take in what the states of each model have last seen; of one with an unscored row no loss is defined."""
        seen = [None if each.unscored else each.seen() for each in states]
        for name in self._names:
            losses = [None if each is None else loss_of(name, each) for each in seen]
            for (first, second), sums in self._sums.items():
                before, after = losses[first], losses[second]
                if before is not None and after is not None:
                    with np.errstate(invalid="ignore"):
                        sums[str(name)].update(after - before, weight)

    def merge(self, other: LossSums) -> None:
        """Take in what another worker has gathered."""
        for pair, sums in self._sums.items():
            for name, held in sums.items():
                held.merge(other._sums[pair][name])

    def of(self, pair: tuple[int, int]) -> dict[str, RowSums]:
        """The second model of a ``pair`` less the first."""
        if pair in self._sums:
            return self._sums[pair]
        return {name: sums.turned() for name, sums in self._sums[pair[::-1]].items()}


def loss_of(name: MetricName, rows: ProbabilityRows) -> HostArray:
    """What a metric is the mean of."""
    if name.base == "log_loss":
        return rows.loss
    if name.base == "brier":
        return rows.brier
    if name.base == "mean_confidence":
        return rows.confidence
    if name.base == "topk_accuracy":
        return (rows.rank < int(name.parameter or 1)).astype(np.float64)
    return rows.rank + 1.0 if name.base == "mean_rank" else 1.0 / (rows.rank + 1.0)
