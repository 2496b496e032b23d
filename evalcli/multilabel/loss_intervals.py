"""How sure the mean losses of the cells of labels are: of each label, and of all where every row has all of them."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.label_calibration import cell_losses
from evalcli.multilabel.rank_intervals import RankIntervals
from evalcli.uncertainty import means
from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import none_of
from evalcli.uncertainty.losses import loss_interval, wrong_loss

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking
    from evalcli.multilabel.values import ScoreValues
    from evalcli.uncertainty.intervals import Interval

LOSSES = {"log_loss": "loss", "brier": "brier"}
"""What of the sums of ``LabelCalibration``."""
_LARGEST = {"log_loss": inf, "brier": 1.0}
"""What each can be at most."""


class LossIntervals(RankIntervals):
    """Of losses and of ranks; both are read off the same tables of scores."""

    def _loss_of_rows(self, base: str, scored: ScoreValues, value: float) -> Interval:
        """That of a mean over labels that all have every row: also the mean over rows of the means of their cells."""
        moments = means.Moments.of_sums((float(scored.sums.n[0]), *scored.sums.powers[LOSSES[base]]), self._mean_weight)
        worst = means.WORST_LOSS if base == "log_loss" else None
        found = means.mean_interval(moments, self._confidence, 0.0, _LARGEST[base], worst)
        if moments.error > 0.0:
            unseen = none_of(moments.rows, self._confidence.critical)
            found = replace(found, high=found.high + unseen * self._wrong(base, None, self._mean_weight, unseen))
        return replace(found, low=found.low + value - moments.mean, high=found.high + value - moments.mean)

    def _loss(self, base: str, ranking: Ranking, value: float, scored: ScoreValues) -> Interval | None:
        """That of a mean loss of a label's cells."""
        terms, counts = _cells(base, ranking, scored)
        if not len(terms) or not np.isfinite(terms).all() or not np.isfinite(value):
            return None
        found = loss_interval(terms, counts, self._confidence, _LARGEST[base], self._mean_weight)
        mean = dot(terms, counts) / float(counts.sum())
        return replace(found, low=found.low + value - mean, high=found.high + value - mean)

    def _wrong(self, base: str, place: int | None, one: float, unseen: float) -> float:
        """What a wrong cell would add to the loss of a row, of one label or of the mean of all, where none was seen.

        As ``wrong_loss`` has it where ``one`` row, or cluster, was wrong, and in an ``unseen`` share of rows a cell.
        """
        assert self._scored is not None
        rankings = self._scored.rankings if place is None else [self._scored.rankings[place]]
        cells = (_cells(base, ranking, self._scored) for ranking in rankings)
        terms, counts = (np.concatenate(parts) for parts in zip(*cells, strict=True))
        labels = len(rankings)
        return (wrong_loss(terms, counts, _LARGEST[base], one, unseen / labels) or 0.0) / labels


def _cells(base: str, ranking: Ranking, scored: ScoreValues) -> tuple[HostArray, HostArray]:
    """The losses of a label's cells, and how often each occurs: of each score with the label and without it."""
    sides = [np.asarray(amounts, np.float64) for amounts in (ranking.pos, ranking.neg)]
    held = [np.flatnonzero(amounts > 0) for amounts in sides]
    scores = np.concatenate([ranking.score[places] for places in held])
    loss, brier, _, _ = cell_losses(scores, np.arange(len(scores)) < len(held[0]), scored.form)
    counts = np.concatenate([amounts[places] for amounts, places in zip(sides, held, strict=True)])
    return loss if base == "log_loss" else brier, counts
