"""How a row of one model moves metrics of its scores, once all rows have been counted.

Metrics of ranks look a row up in the rankings of its columns, calibration errors in the bins of its confidence, those
of selective prediction in the runs of rows of like confidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.comparing.pairlooks import PairLook
from evalcli.metrics.calibration import bin_places, rounded_edges, stored_confidence
from evalcli.metrics.confidence import equal_mass_bins, told_confidence
from evalcli.metrics.probability import positive_scores, probability_rows, score_rows
from evalcli.metrics.ranking import one_vs_rest_scores, rows_by_class
from evalcli.uncertainty.binslopes import SLOPES, BinSlopes, bin_slopes
from evalcli.uncertainty.curves import curve_slopes
from evalcli.uncertainty.rankinfluences import AREAS, RowInfluence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.labels import Labels
    from evalcli.classification.score_results import ScoreResults
    from evalcli.classification.scoring import Scoring
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.metrics.probability import Block, ProbabilityRows, ScoreForm
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.metrics.segments import Segments

EXACT = frozenset({*AREAS, "auroc_ovo"})
"""Metrics of ranks whose influences are known exactly."""


class RankedColumn(NamedTuple):
    """One ranking: what a negative row in each place, and behind these a positive one, adds to each metric (2·P, M).

    Metrics stand side by side, so that memory is read once for all of them.
    """

    segments: Segments
    moved: HostArray

    @classmethod
    def of(cls, ranking: Ranking, influences: Sequence[RowInfluence | None]) -> RankedColumn | None:
        """With the influences of some metrics, ``None`` for those that do not read it; ``None`` if none does."""
        if not any(influences):
            return None
        moved = np.zeros((2, len(ranking.segments), len(influences)))
        for number, influence in enumerate(influences):
            if influence is not None:
                moved[0, :, number], moved[1, :, number] = influence.negative, influence.positive
        return cls(ranking.segments, np.concatenate([ranking.segments.spread(side) for side in moved]))

    def told(self, scores: HostArray, positives: HostArray) -> HostArray:
        """What each row of these ``scores`` (N,) adds (N, M); ``positives`` are the numbers of some."""
        places = self.segments.places(scores)
        places[positives] += len(self.moved) // 2
        found: HostArray = self.moved.take(places, axis=0, mode="clip")
        return found


@dataclass(frozen=True, slots=True)
class ScoreLook:
    """How the rows of one model are looked at: metrics of ranks by column, with the weights of these, and others."""

    scoring: Scoring
    columns: tuple[RankedColumn | None, ...]
    weights: dict[str, HostArray]
    rankings: tuple[Ranking, ...]
    by_row: dict[str, SeenLook]
    by_class: dict[str, ClassLook]
    pairs: dict[str, PairLook]

    @classmethod
    def of(cls, names: Sequence[MetricName], results: ScoreResults, mean_weight: float = 1.0) -> ScoreLook:
        """With the influences of every column that is ranked, and of every bin; ``mean_weight`` is Σw² / Σw."""
        ranked = [name for name in names if name.entry.state == "KeyTable"]
        rankings = tuple(results.rankings) if ranked else ()
        influences: list[list[RowInfluence | None]] = [[] for _ in rankings]
        weights = {}
        for name in ranked:
            held = np.array([ranking.defined for ranking in rankings])
            if name.label is not None and not results.scoring.binary:
                held &= np.arange(len(held)) == results.column(name)
            weight = held.astype(np.float64)
            if name.average == "weighted":
                weight = weight * np.array([ranking.positives for ranking in rankings])
            weights[str(name)] = weight / weight.sum()
            for ranking, share, counts, column in zip(rankings, weights[str(name)], held, influences, strict=True):
                of = partial(RowInfluence.of, name.base, mean_weight=mean_weight)
                column.append(of(ranking, *name.arguments).times(share) if counts else None)
        columns = tuple(map(RankedColumn.of, rankings, influences))
        told = [name for name in names if is_seen(name)]
        apart = {name for name in told if name.entry.state == "ForecastBins" and not results.scoring.binary}
        by_row = {str(name): _seen_look(name, results, mean_weight) for name in told if name not in apart}
        by_class = {str(name): ClassLook.of(name, results, mean_weight) for name in told if name in apart}
        pairs = {str(name): PairLook.of(results.read(name.entry.state)) for name in names if name.base == "auroc_ovo"}
        return cls(results.scoring, columns, weights, rankings, by_row, by_class, pairs)

    @property
    def of_ranks(self) -> tuple[str, ...]:
        """Metrics of how rows rank."""
        return (*self.weights, *self.pairs)

    @property
    def seen(self) -> tuple[str, ...]:
        """Metrics of what is seen of a row."""
        return (*self.by_row, *self.by_class)

    def means_columns(self, name: MetricName) -> bool:
        """Whether a metric is a mean over several rankings: together their influences tell how sure it is."""
        return int(np.count_nonzero(self.weights.get(str(name), ()))) > 1

    def smaller_side(self, name: MetricName) -> float:
        """The weight of the smaller side of the columns that a metric is of, or of the smallest class."""
        if str(name) in self.pairs:
            return self.pairs[str(name)].smallest
        weight = self.weights[str(name)]
        return min(min(r.positives, r.negatives) for r, w in zip(self.rankings, weight, strict=True) if w > 0)

    def rows(self, labels: Labels) -> tuple[HostArray, HostArray]:
        """Scores and targets as the states take them."""
        of, scores, target = self.scoring, labels.scores, labels.target
        assert scores is not None
        if of.binary:
            scores = positive_scores(scores, of.form, of.positive) if scores.ndim > 1 else scores
            return scores, (target == of.positive).astype(np.int64)
        return scores, target.astype(np.int64)

    def order_of(self, target: HostArray) -> tuple[HostArray, HostArray]:
        """The rows class by class, as ``looked_up`` reads them; ``target`` as ``rows`` gives it, for every model."""
        return rows_by_class(target, max(self.scoring.classes, 2))

    def looked_up(self, scores: HostArray, order: HostArray, ends: HostArray) -> LookedUp:
        """Rows by their places among the scores; ``scores`` as ``rows`` gives them."""
        binary = self.scoring.binary
        ranked = scores if binary else one_vs_rest_scores(scores, self.scoring.form.kind)
        return LookedUp(ranked.reshape(len(order), -1), order, ends, binary)

    def influence(self, name: str, rows: LookedUp) -> HostArray:
        """That of each row (N,) on a metric of ranks."""
        if name in self.pairs:
            return self.pairs[name].influence(rows)
        if not rows.known:
            rows.known.append(self._moved(rows))
        found: HostArray = rows.known[0][:, [*self.weights].index(name)]
        return found

    def _moved(self, rows: LookedUp) -> HostArray:
        """What each row adds to every metric that columns have weights in (N, M)."""
        total: HostArray | None = None
        for i, column in enumerate(self.columns):
            if column is not None:
                told = column.told(rows.scores[:, i], rows.positives(i))
                total = told if total is None else np.add(total, told, out=total)
        assert total is not None
        return total

    def seen_rows(self, scores: HostArray, target: HostArray) -> tuple[ProbabilityRows, dict[str, HostArray]]:
        """What is seen of rows, as ``rows`` gives them, and the influence of each (N,) on metrics of that."""
        form = self.scoring.form
        parts: dict[str, list[HostArray]] = {name: [] for name in self.by_class}

        def visit(block: Block) -> None:
            for name, look in self.by_class.items():
                parts[name].append(look.influence(block))

        rows = probability_rows(score_rows(scores, target, form), form, visit if parts else None)
        found = {name: look.influence(rows) for name, look in self.by_row.items()}
        return rows, found | {name: np.concatenate(each) for name, each in parts.items()}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Rows of one model: how they rank, (N, C), and which are of which class; what they add is kept (N, M)."""

    scores: HostArray
    order: HostArray
    ends: HostArray
    binary: bool
    known: list[HostArray] = field(default_factory=list)

    def positives(self, column: int) -> HostArray:
        """The rows that a column is to rank first."""
        code = 1 if self.binary else column
        return self.order[self.ends[code] : self.ends[code + 1]]


class SeenLook(Protocol):
    """How a row moves a metric of what is seen of it."""

    def influence(self, rows: ProbabilityRows) -> HostArray:
        """That of each row (N,)."""


def is_seen(name: MetricName) -> bool:
    """Whether a metric reads bins or confidences, which this knows how to look up."""
    return name.base in SLOPES or name.entry.state == "ConfidenceTable"


def table_of(name: MetricName, results: ScoreResults) -> BinTable:
    """The bins that a metric reads."""
    read = results.read(name.entry.state)
    found: BinTable = equal_mass_bins(read) if name.base == "ece_equal_mass" else read
    return found


def _seen_look(name: MetricName, results: ScoreResults, mean_weight: float) -> SeenLook:
    form = results.scoring.form
    if name.base == "ece_equal_mass":
        table = table_of(name, results)
        held = np.flatnonzero(table.n > 0)
        slopes = BinSlopes(*(part[..., held] for part in bin_slopes(name.base, table, mean_weight)))
        return _FloorLook(form, table.low[held], slopes)
    if name.entry.state == "ConfidenceTable":
        read = results.read(name.entry.state)
        heads, right, wrong = curve_slopes(name.base, read.right, read.wrong, *name.arguments, mean_weight=mean_weight)
        ends = np.append(heads[1:], len(read.low)) - 1
        row, by_right = wrong[::-1], (right - wrong)[::-1]
        return _FloorLook(form, read.low[ends][::-1], BinSlopes(row, np.zeros_like(row), by_right))
    slopes = bin_slopes(name.base, table_of(name, results), mean_weight)
    return _BinLook(form, slopes, name.entry.state == "ForecastBins")


@dataclass(frozen=True, slots=True)
class _BinLook:
    """Bins of equal width: of the top label, or of the positive class."""

    form: ScoreForm
    slopes: BinSlopes
    positive: bool

    def influence(self, rows: ProbabilityRows) -> HostArray:
        """That of each row (N,)."""
        if self.positive:
            assert rows.positive is not None
            values, right = rows.positive, rows.target == 1
        else:
            values, right = rows.confidence, rows.rank == 0
        edges = rounded_edges(self.slopes.row.shape[-1], self.form)
        return self.slopes.at(bin_places(stored_confidence(values, self.form), edges), values, right)


@dataclass(frozen=True, slots=True)
class _FloorLook:
    """Runs of rows by rising confidence, from the least one of each (J,)."""

    form: ScoreForm
    floors: HostArray
    slopes: BinSlopes

    def influence(self, rows: ProbabilityRows) -> HostArray:
        """That of each row (N,)."""
        values = told_confidence(rows)
        places = np.maximum(np.searchsorted(self.floors, values, side="right") - 1, 0)
        return self.slopes.at(places, values, rows.rank == 0)


@dataclass(frozen=True, slots=True)
class ClassLook:
    """Bins of the probability of every class (C, B)."""

    form: ScoreForm
    slopes: BinSlopes

    @classmethod
    def of(cls, name: MetricName, results: ScoreResults, mean_weight: float) -> ClassLook:
        """Of a metric that adds up the bins of all classes."""
        return cls(results.scoring.form, bin_slopes(name.base, table_of(name, results), mean_weight))

    def influence(self, block: Block) -> HostArray:
        """That of each row (n,) of a block."""
        bins = self.slopes.row.shape[-1]
        edges, total = rounded_edges(bins, self.form), np.zeros(block.probs.shape[1])
        for number, probs in enumerate(block.probs):
            places = bin_places(probs, edges)
            places += number * bins
            total += self.slopes.at(places, probs, block.target == number)
        return total
