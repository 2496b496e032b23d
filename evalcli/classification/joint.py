"""How the metrics of a classification go together: what the same rows add to several of them.

Metrics of counts are told by the cells of the confusion matrix. Scores of a binary task rank all rows, so that counts,
ranks and Brier scores are told by the ranking; of many classes the sample of rows tells it that was kept with all its
scores. Whole clusters are told by their groups. What a log loss has in common with others rests on the few largest
losses, and is not told: its ratio to a Brier score was held in 83 % of samples of 100 rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.label_calibration import cell_losses
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.counted import covariance_of
from evalcli.uncertainty.rankinfluences import influences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.cluster_intervals import ClusterIntervals
    from evalcli.classification.intervals import Intervals
    from evalcli.classification.score_results import ScoreResults
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.rank_sample import SampledRows
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.uncertainty.counted import CountIntervals

_LOG_LOSS, _BRIER = "log_loss", 1
_RANKS = frozenset({"auroc", "average_precision"})


def covariance(intervals: Intervals, names: Sequence[MetricName]) -> HostArray:
    """How metrics vary together (k, k); NaN of those of which nothing tells it."""
    from evalcli.classification.cluster_intervals import ClusterIntervals

    found = np.full((len(names), len(names)), np.nan)
    counted = [place for place, name in enumerate(names) if not name.entry.needs_scores]
    if counted:
        found[np.ix_(counted, counted)] = intervals.counts.covariance([names[place] for place in counted])
    if len(counted) == len(names):
        return found
    if isinstance(intervals, ClusterIntervals):
        every = _of_groups(intervals, names)
    else:
        scores = intervals.scores
        every = _of_ranking(intervals, names) if scores.scoring.binary else _of_sample(intervals, names)
    if every is None:
        return found
    losses = [place for place, name in enumerate(names) if name.base == _LOG_LOSS]
    every[losses], every[:, losses] = np.nan, np.nan
    return np.where(np.isnan(every), found, every)


def _of_groups(intervals: ClusterIntervals, names: Sequence[MetricName]) -> HostArray | None:
    """From what groups of clusters add to each."""
    moves = [intervals.moved_by_groups(name) for name in names]
    size = next((len(one) for one in moves if one is not None), 0)
    held = np.array([np.full(size, np.nan) if one is None else one for one in moves])
    return covariance_of(held, np.ones(size)) if size else None


def _of_ranking(intervals: Intervals, names: Sequence[MetricName]) -> HostArray | None:
    """From the positives and the negatives of each score, from the highest on."""
    if not intervals.has_ranking:
        return None
    ranking = intervals.scores.rankings[0]
    if not ranking.defined:
        return None
    moves = np.array([_on_ranking(intervals, ranking, name) for name in names])
    amounts = np.concatenate([ranking.pos, ranking.neg]).astype(np.float64)
    return covariance_of(moves, amounts * intervals.mean_weight)


def _on_ranking(intervals: Intervals, ranking: Ranking, name: MetricName) -> HostArray:
    """The influence of a positive and of a negative in each segment (2K,) on a metric; NaN of what has none."""
    sides = (np.asarray(ranking.pos, np.float64), np.asarray(ranking.neg, np.float64))
    if not name.entry.needs_scores:
        return _on_cells(intervals, sides, name)
    if name.base == "brier":
        return _on_losses(intervals, ranking, sides)
    if name.base in _RANKS:
        return np.concatenate(influences(name.base, ranking, *name.arguments, mean_weight=intervals.mean_weight))
    return np.full(2 * len(ranking.score), np.nan)


def _on_losses(intervals: Intervals, ranking: Ranking, sides: tuple[HostArray, HostArray]) -> HostArray:
    """The influence of rows of both sides (2K,) on a Brier score; segments of several scores have that of the least."""
    form = intervals.scores.scoring.form
    true = (np.ones(len(ranking.score), bool), np.zeros(len(ranking.score), bool))
    terms = np.concatenate([np.asarray(cell_losses(ranking.score, side, form)[_BRIER], np.float64) for side in true])
    amounts = np.concatenate(sides)
    terms = np.where(amounts > 0.0, terms, 0.0)
    mean = dot(amounts, terms) / float(amounts.sum())
    moved: HostArray = np.where(amounts > 0.0, terms - mean, 0.0) / float(amounts.sum())
    return moved


def _on_cells(intervals: Intervals, sides: tuple[HostArray, HostArray], name: MetricName) -> HostArray:
    """That on a metric of counts: the highest scores are those of the rows that are predicted positive."""
    counts, positive = intervals.counts, intervals.positive_place
    cells = counts.cells
    table = _by_cell(counts, name)
    found = []
    for is_positive, amounts in zip((True, False), sides, strict=True):
        kind = (cells.target == positive) == is_positive
        said = float(cells.amounts[kind & (cells.preds == positive)].sum())
        above = np.cumsum(amounts) - amounts / 2.0 <= said
        at = (positive if is_positive else 1 - positive, np.where(above, positive, 1 - positive))
        found.append(table[at[0], at[1]])
    return np.concatenate(found)


def _by_cell(counts: CountIntervals, name: MetricName) -> HostArray:
    """The influence of a row of each class predicted as each (C, C); 0 where there is none."""
    cells = counts.cells
    table = np.zeros((cells.size, cells.size))
    table[cells.target, cells.preds] = counts.moves([name])[0]
    return table


def _of_sample(intervals: Intervals, names: Sequence[MetricName]) -> HostArray | None:
    """From the sampled rows, as if all rows were like them."""
    scores = intervals.scores_of_all
    rows = scores.sampled
    if rows is None or not len(rows.squares) or (intervals.counts.cells.preds < 0).any():
        return None
    moves = np.array([_on_sample(intervals, scores, rows, name) for name in names])
    whole = float(intervals.counts.cells.squares.sum())
    return covariance_of(moves, rows.squares * (whole / float(rows.squares.sum())))


def _on_sample(intervals: Intervals, scores: ScoreResults, rows: SampledRows, name: MetricName) -> HostArray:
    """The influence of each sampled row (K,) on a metric; NaN of what has none."""
    if not name.entry.needs_scores:
        cells = intervals.counts.cells
        numbers = np.full(rows.scores.shape[1], -1)
        numbers[intervals.columns] = np.arange(len(intervals.columns))
        sides = (numbers[side.argmax(axis=1)] for side in (rows.target, rows.scores))
        target, preds = (np.minimum(np.searchsorted(cells.classes, side), cells.size - 1) for side in sides)
        told: HostArray = _by_cell(intervals.counts, name)[target, preds]
        return told
    held = scores.influences(name.base) if name.base in _RANKS else None
    if held is None:
        return np.full(len(rows.squares), np.nan)
    column = scores.column(name)
    if column is not None:
        alone: HostArray = held.moved[:, column]
        return alone
    places = [number for number, ranking in enumerate(scores.rankings) if ranking.defined]
    support = np.array([scores.rankings[number].positives for number in places])
    moved = held.moved[:, places]
    if name.average != "weighted":
        mean: HostArray = moved.mean(axis=1)
        return mean
    values = scores.by_class(name).value[places]
    shares = support / support.sum()
    shifts = (values - dot(shares, values)) / support.sum()
    weighed: HostArray = (moved * shares + (rows.target[:, places] == 1) * shifts).sum(axis=1)
    return weighed
