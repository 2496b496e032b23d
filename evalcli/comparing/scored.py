"""A second look at the scores of models, row by row, for what no state of one model alone can tell.

With both rankings known, each row's influence on either AUROC or average precision follows from its two scores
(DeLong); of losses and ranks of the target, the moments of the difference are all that is needed. A mean over
one-vs-rest columns has the mean of their influences, so nothing is assumed about how the columns hang together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf, sqrt
from typing import TYPE_CHECKING

from evalcli.comparing.looks import EXACT, ScoreLook, is_seen, table_of
from evalcli.comparing.losses import LOSSES, span_of
from evalcli.comparing.powers import FAR
from evalcli.comparing.scorepass import ScorePass
from evalcli.metrics.threads import each
from evalcli.uncertainty.intervals import Interval, none_of
from evalcli.uncertainty.losses import unseen_loss
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import PairedInfluence, TwoMeans, TwoRankings, ranked_difference
from evalcli.uncertainty.pairedlosses import UnseenLosses
from evalcli.uncertainty.rankinfluences import AREAS
from evalcli.uncertainty.surprises import SURPRISES, Seen, bins_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.classification.numbers import Numbers
    from evalcli.classification.score_results import ScoreResults
    from evalcli.comparing.clusters import GroupSums
    from evalcli.comparing.losses import RowSums
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.scorepass import PairSums
    from evalcli.comparing.sliced import Asking
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.paired import PairedInfluence

    Differences = dict[str, Difference | None]
    Found = dict[int, Differences]

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

    def of(self, names: Sequence[MetricName], reference: int) -> Asking[Found]:
        """Every other model less the ``reference``, in every metric that has a test; one pass for all of them."""
        pairs = [(reference, other) for other in range(len(self.numbers)) if other != reference]
        found = {pair: self._of_known_losses(names, pair) for pair in pairs}
        again = {pair: [name for name in self._wanted(names, pair) if str(name) not in found[pair]] for pair in pairs}
        again = {pair: asked for pair, asked in again.items() if asked}
        if again:
            looks = self._looks(again)
            asked = {pair: [(name, self._gap(name, pair)) for name in told] for pair, told in again.items()}
            total: ScorePass = yield partial(ScorePass.empty, self.counted, looks, asked)
            for pair in again:
                found[pair] |= self._of_rows(pair, total.pairs[pair], [looks[i] for i in pair])
        return {other: found[reference, other] for _, other in pairs}

    def _wanted(self, names: Sequence[MetricName], pair: tuple[int, int]) -> list[MetricName]:
        """The metrics that have a test, and a value in both models."""
        return [name for name in names if has_test(name) and all(self.values[i][str(name)] is not None for i in pair)]

    def _of_known_losses(self, names: Sequence[MetricName], pair: tuple[int, int]) -> Differences:
        """What the first pass tells of."""
        losses = self.counted.total.losses
        known = {} if losses is None else losses.of(pair)
        return {
            str(name): self._of_loss(name, pair, known[str(name)])
            for name in self._wanted(names, pair)
            if str(name) in known
        }

    def _looks(self, asked: Mapping[tuple[int, int], Sequence[MetricName]]) -> dict[int, ScoreLook]:
        """Each model with all metrics that any pair asks for."""
        names: dict[int, dict[str, MetricName]] = {}
        for pair, told in asked.items():
            for place in pair:
                names.setdefault(place, {}).update({str(name): name for name in told})
        models = sorted(names)
        looks = each(lambda place: self._look([*names[place].values()], place), models, self.workers)
        return dict(zip(models, looks, strict=True))

    def _of_rows(self, pair: tuple[int, int], sums: PairSums, looks: Sequence[ScoreLook]) -> Differences:
        """What another pass over the rows tells of."""
        found: Differences = {}
        for name in sums.names:
            if name.base in LOSSES:
                found[str(name)] = self._of_loss(name, pair, sums.losses[str(name)])
                continue
            moved = sums.influences[str(name)]
            if name.base in SURPRISES:
                found[str(name)] = self._of_bins(name, pair, moved)
                continue
            if name.base not in EXACT and not all(look.means_columns(name) for look in looks):
                found[str(name)] = self._of_intervals(name, pair, moved)
                continue
            found[str(name)] = self._of_ranks(name, pair, moved, looks)
        told = found if sums.clusters is None else self._of_clusters(found, sums.names, pair, sums.clusters)
        for name in sums.names:
            rankings = self._rankings(name, pair, sums.influences.get(str(name)), looks[0])
            plain, known = found[str(name)], told[str(name)]
            if rankings is not None and plain is not None and known is not None:
                told[str(name)] = rankings.reaching(known, self.confidence, plain)
        return told

    def _look(self, names: Sequence[MetricName], number: int) -> ScoreLook:
        return ScoreLook.of(names, self.results[number], self._mean_weight(number))

    def _gap(self, name: MetricName, pair: tuple[int, int]) -> float:
        """The difference itself; 0 where one of the two is infinite, or as good as."""
        first, second = self._values(name, pair)
        return second - first if abs(second - first) < FAR else 0.0

    def _of_clusters(
        self,
        found: Differences,
        names: Sequence[MetricName],
        pair: tuple[int, int],
        sums: GroupSums,
    ) -> Differences:
        """The same differences, of whole clusters."""
        clusters = sums.clusters.paired(self.confidence)
        told: Differences = {}
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
        rows = min(look.smaller_side(name) for look in looks) / self._mean_weight(pair[0])
        return ranked_difference(second, first, moved.variance, rows, self.confidence)

    def _rankings(
        self, name: MetricName, pair: tuple[int, int], moved: PairedInfluence | None, look: ScoreLook
    ) -> TwoRankings | TwoMeans | None:
        """Those that a metric is read off; ``None`` where no row parts the models."""
        if moved is None or name.base not in AREAS or not moved.variance > 0.0:
            return None
        first, second = (self.results[i].ranked_columns(name) for i in pair)
        weights = [weight for weight in look.weights[str(name)].tolist() if weight > 0.0]
        if not len(first) == len(second) == len(weights):
            return None
        mean_weight = self._mean_weight(pair[0])
        if len(weights) == 1:
            return TwoRankings(name.base, (second[0], first[0]), moved.seen, mean_weight)
        base, _, other = moved.sums.value().tolist()
        return TwoMeans(name.base, (second, first), weights, (other, base), moved.seen, mean_weight)

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
