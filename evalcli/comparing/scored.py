"""A second look at the scores of two models, row by row, for what no state of one model alone can tell.

With both rankings known, each row's influence on either AUROC or average precision follows from its two scores
(DeLong); of losses and ranks of the target, the moments of the difference are all that is needed. A mean over
one-vs-rest columns has the mean of their influences, so nothing is assumed about how the columns hang together.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.apart import Apart
from evalcli.comparing.clusters import GroupSums, cluster_in
from evalcli.comparing.elements import common
from evalcli.comparing.looks import EXACT, ScoreLook, is_seen, table_of
from evalcli.evidence import Evidence
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.scorestate import add_rows_exactly
from evalcli.metrics.threads import each
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.losses import unseen_loss
from evalcli.uncertainty.means import WORST_LOSS, Moments
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import PairedInfluence, TwoRankings, mean_difference, ranked_difference
from evalcli.uncertainty.pairedlosses import UnseenLosses
from evalcli.uncertainty.rankinfluences import AREAS
from evalcli.uncertainty.surprises import SURPRISES, Seen, bins_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.labels import Labels
    from evalcli.classification.numbers import Numbers
    from evalcli.classification.score_results import ScoreResults
    from evalcli.classification.scoring import ScoreStates
    from evalcli.comparing.passes import Counted, TogetherPass
    from evalcli.comparing.rows import Rows
    from evalcli.comparing.sliced import Asking
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

LOSSES = frozenset({"log_loss", "brier", "topk_accuracy", "mean_rank", "mrr", "mean_confidence"})
"""Means over rows."""
WRONG = frozenset({"log_loss", "brier"})
"""Those of them that wrong rows make nearly all of."""


def has_test(name: MetricName) -> bool:
    """Whether a metric of scores can be compared row by row: what only the truth decides is the same for all models."""
    return name.base in LOSSES or name.entry.state in {"KeyTable", "PairwiseKeyTable"} or is_seen(name)


@dataclass(frozen=True, slots=True)
class ScoreDifferences:
    """Differences of metrics of scores, from what was ``counted`` of all models.

    ``values`` are the metrics of each model; none is compared that is undefined for one of a pair.
    """

    counted: Counted
    numbers: Sequence[Numbers]
    values: Sequence[dict[str, float | None]]
    confidence: Confidence
    workers: int = 1
    """Threads that look at several models side by side."""

    @property
    def results(self) -> list[ScoreResults]:
        """What the scores of each model say."""
        return [each.scores for each in self.numbers if each.scores is not None]

    def of(self, names: Sequence[MetricName], pair: tuple[int, int]) -> Asking[dict[str, Difference | None]]:
        """The second model of a ``pair`` less the first, in every metric that has a test; one pass for all of them."""
        tested = [name for name in names if has_test(name)]
        wanted = [name for name in tested if all(self.values[i][str(name)] is not None for i in pair)]
        found: dict[str, Difference | None] = {}
        losses = self.counted.total.losses
        known = {} if losses is None else losses.of(pair)
        for name in wanted:
            if str(name) in known:
                found[str(name)] = self._of_loss(name, pair, known[str(name)])
        again = [name for name in wanted if str(name) not in found]
        if not again:
            return found
        looks = each(partial(self._look, again), pair, self.workers)
        gaps = [self._gap(name, pair) for name in again]
        total: _ScorePass = yield partial(_ScorePass.empty, self.counted, pair, again, looks, gaps)
        for name in again:
            if name.base in LOSSES:
                found[str(name)] = self._of_loss(name, pair, total.losses[str(name)])
                continue
            moved = total.influences[str(name)]
            if name.base in SURPRISES:
                found[str(name)] = self._of_bins(name, pair, moved)
                continue
            if name.base not in EXACT and not all(look.means_columns(name) for look in looks):
                found[str(name)] = self._of_intervals(name, pair, moved)
                continue
            found[str(name)] = self._of_ranks(name, pair, moved, looks)
        told = found if total.clusters is None else self._of_clusters(found, again, pair, total.clusters)
        for name in again:
            rankings = self._rankings(name, pair, total.influences.get(str(name)))
            plain, known = found[str(name)], told[str(name)]
            if rankings is not None and plain is not None and known is not None:
                told[str(name)] = rankings.reaching(known, self.confidence, plain)
        return told

    def _look(self, names: Sequence[MetricName], number: int) -> ScoreLook:
        return ScoreLook.of(names, self.results[number], self._mean_weight(number))

    def _gap(self, name: MetricName, pair: tuple[int, int]) -> float:
        """The difference itself; 0 where one of the two is infinite."""
        first, second = self._values(name, pair)
        return second - first if isfinite(first) and isfinite(second) else 0.0

    def _of_clusters(
        self,
        found: dict[str, Difference | None],
        names: Sequence[MetricName],
        pair: tuple[int, int],
        sums: GroupSums,
    ) -> dict[str, Difference | None]:
        """The same differences, of whole clusters."""
        clusters = sums.clusters.paired(self.confidence)
        told: dict[str, Difference | None] = {}
        for name, moved in zip(names, sums.moved(), strict=True):
            plain = found[str(name)]
            span = span_of(name, self.results[0])
            unseen = partial(self._unseen, name, pair) if name.base in WRONG else None
            told[str(name)] = None if plain is None else clusters.difference(plain, moved, span, unseen)
        return told

    def _of_ranks(
        self, name: MetricName, pair: tuple[int, int], moved: PairedInfluence, looks: Sequence[ScoreLook]
    ) -> Difference:
        """Where the influences of rows are known exactly, and of means over columns."""
        first, second = self._values(name, pair)
        rows = min(look.smaller_side(name) for look in looks)
        return ranked_difference(second, first, moved.variance, rows, self.confidence)

    def _rankings(self, name: MetricName, pair: tuple[int, int], moved: PairedInfluence | None) -> TwoRankings | None:
        """Those that a metric is read off; ``None`` where they are several, or where no row parts the models."""
        if moved is None or name.base not in AREAS or not moved.variance > 0.0:
            return None
        first, second = (self.results[i].ranked_columns(name) for i in pair)
        if not len(first) == len(second) == 1:
            return None
        return TwoRankings(name.base, (second[0], first[0]), moved.seen, self._mean_weight(pair[0]))

    def _of_intervals(self, name: MetricName, pair: tuple[int, int], moved: PairedInfluence) -> Difference | None:
        """From the interval that a report gives each of the two, whose deviations are correlated."""
        ends = [self._interval(name, self.numbers[i]) for i in pair]
        if ends[0] is None or ends[1] is None:
            return None
        first, second = self._values(name, pair)
        together = moved.correlation(self.numbers[pair[0]].total / self._mean_weight(pair[0]))
        found = mover(second, ends[1], first, ends[0], self.confidence, together, sqrt(moved.variance))
        span = span_of(name, self.results[0])
        return replace(found, interval=found.interval.holding(second - first, -span, span))

    def _of_bins(self, name: MetricName, pair: tuple[int, int], moved: PairedInfluence) -> Difference:
        """Of what is read off bins."""
        sums = moved.sums.value().tolist()
        first, second = (
            Seen(table_of(name, self.results[i]), self._mean_weight(i), square)
            for i, square in zip(pair, sums[::2], strict=True)
        )
        return bins_difference(name.base, first, second, sums, self.confidence)

    def _mean_weight(self, number: int) -> float:
        """``Σw² / Σw``."""
        return self.numbers[number].weight_squares / self.numbers[number].total

    def _interval(self, name: MetricName, numbers: Numbers) -> Interval | None:
        from evalcli.classification.intervals import Intervals

        found = Intervals(numbers, self.confidence).of(name, numbers.value(name))
        return None if found.low is None or found.high is None else Interval(found.low, found.high, found.method or "")

    def _of_loss(self, name: MetricName, pair: tuple[int, int], sums: RowSums) -> Difference | None:
        """Clusters have their own share of rows that were not seen."""
        first, second = self._values(name, pair)
        results = self.results[pair[0]]
        found, moments = sums.difference(second, first, name, results, self.confidence), sums.moments
        if found is None or moments is None or self.counted.clusters is not None or name.base not in WRONG:
            return found
        unseen = self._unseen(name, pair, moments.rows, none_of(moments.rows, self.confidence.critical))
        return unseen.allowed(found, moments, self.confidence, span_of(name, results))

    def _unseen(self, name: MetricName, pair: tuple[int, int], told: float, share: float) -> UnseenLosses:
        """What wrong rows of the second model, and of the first, would cost that were not seen.

        So many rows of equal weight, or clusters, ``told`` it, and such a ``share`` of them may be unlike all of these.
        """
        from evalcli.classification.intervals import Intervals

        terms = (Intervals(self.numbers[i], self.confidence).terms(name) for i in pair)
        largest = inf if name.base == "log_loss" else span_of(name, self.results[pair[0]])
        one = self.numbers[pair[0]].total / told
        first, second = (unseen_loss(*each, largest, one, share) for each in terms)
        return UnseenLosses(second, first)

    def _values(self, name: MetricName, pair: tuple[int, int]) -> tuple[float, float]:
        first, second = (float(self.values[i][str(name)] or 0.0) for i in pair)
        return first, second


def span_of(name: MetricName, results: ScoreResults) -> float:
    """How far apart two rows can be in what a metric is the mean of; of a log loss, what float64 makes of the worst."""
    if name.base == "mean_rank":
        return float(results.scoring.classes - 1)
    if name.base.startswith("brier"):
        return 1.0 if results.scoring.binary else 2.0
    return WORST_LOSS if name.base == "log_loss" else 1.0


class RowSums:
    """Exact sums of what rows have, or of their differences; ``infinite`` rows have none."""

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
        finite = np.isfinite(difference)
        self.infinite += int(np.count_nonzero(~finite))
        d = np.where(finite, difference, 0.0)
        if weight is None:  # every power of a weight is 1
            powers = np.empty((3, len(d)))
            powers[0] = d
            np.multiply(d, d, out=powers[1])
            np.multiply(powers[1], d, out=powers[2])
            add_rows_exactly(self.sums, powers, np.array([6, 7, 8]))
            self.sums.add(np.array([float(len(d))]), np.array([5]))
            return
        self.weighted = True
        powers = np.stack([(weight**power) * d**k for power in (1, 2, 3) for k in range(power + 1)])
        add_rows_exactly(self.sums, powers, np.arange(9))

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


@dataclass(slots=True)
class _ScorePass(Apart):
    """What one worker gathers."""

    travels = ("influences", "losses", "clusters")

    counted: TogetherPass
    pair: tuple[int, int]
    names: Sequence[MetricName]
    looks: Sequence[ScoreLook]
    gaps: Sequence[float]
    influences: dict[str, PairedInfluence]
    losses: dict[str, RowSums]
    clusters: GroupSums | None

    @classmethod
    def empty(
        cls,
        counted: Counted,
        pair: tuple[int, int],
        names: Sequence[MetricName],
        looks: Sequence[ScoreLook],
        gaps: Sequence[float],
    ) -> _ScorePass:
        """No rows yet."""
        influences = {str(name): PairedInfluence() for name in names if name.base not in LOSSES}
        losses = {str(name): RowSums() for name in names if name.base in LOSSES}
        clusters = None if counted.clusters is None else GroupSums(counted.clusters, len(names))
        return cls(counted.total, pair, names, looks, gaps, influences, losses, clusters)

    def add(self, rows: Rows) -> bool:
        """Look at the rows of both models."""
        every = [
            one.prepare(batch, one.task, Evidence())
            for one, batch in zip(self.counted.passes, rows.batches, strict=True)
        ]
        labels, _ = common(every)
        told = [look.rows(labels[i]) for look, i in zip(self.looks, self.pair, strict=True)]
        weight = labels[self.pair[0]].weight
        if not len(told[0][1]):
            return True
        of_ranks = [*self.looks[0].influences, *self.looks[0].pairs]
        if of_ranks:
            ranked = [look.looked_up(*rows) for look, rows in zip(self.looks, told, strict=True)]
            for name in of_ranks:
                moved = [look.influence(name, rows) for look, rows in zip(self.looks, ranked, strict=True)]
                self._add_influence(name, moved, labels)
        if self.losses or self.looks[0].seen:
            seen = [look.seen_rows(*rows) for look, rows in zip(self.looks, told, strict=True)]
            for name in self.looks[0].seen:
                self._add_influence(name, [moved[name] for _, moved in seen], labels)
            for metric in self.names:
                if str(metric) in self.losses:
                    first, second = (loss_of(metric, each) for each, _ in seen)
                    with np.errstate(invalid="ignore"):
                        self.losses[str(metric)].update(second - first, weight)
                        self._add_terms(str(metric), second - first, labels)
        return True

    def _add_influence(self, name: str, moved: Sequence[HostArray], labels: Sequence[Labels]) -> None:
        """Take in how rows (N,) move a metric of either model."""
        weight = labels[self.pair[0]].weight
        self.influences[name].update(*(each if weight is None else each * weight for each in moved))
        self._add_terms(name, moved[1] - moved[0], labels)

    def _add_terms(self, name: str, terms: HostArray, labels: Sequence[Labels]) -> None:
        """Take in what the rows (N,) of clusters add to the difference in a metric."""
        if self.clusters is None:
            return
        number = [*map(str, self.names)].index(name)
        if name in self.losses:
            terms = np.where(np.isfinite(terms), terms, 0.0) - self.gaps[number]
        weight, groups = labels[self.pair[0]].weight, self.clusters.clusters.group_of(cluster_in(labels))
        self.clusters.update(number, terms if weight is None else terms * weight, groups)

    def merge(self, other: _ScorePass) -> None:
        """Take in what another worker has gathered."""
        for name, state in self.influences.items():
            state.merge(other.influences[name])
        for name, sums in self.losses.items():
            sums.merge(other.losses[name])
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)


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
