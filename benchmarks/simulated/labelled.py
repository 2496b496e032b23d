"""Several labels a row with a known truth: the labels of a row share a cause, and so do its errors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from evalcli.metrics.label_calibration import LabelCalibration
from evalcli.metrics.label_moments import LabelMoments
from evalcli.metrics.label_ranks import LabelRanks, score_cells
from evalcli.metrics.multilabel import LabelCounts, SampleSets, label_cells
from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.rank_sample import RankSample
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.registry import parse
from evalcli.multilabel.intervals import Intervals
from evalcli.multilabel.scoring import LabelScores, Scoring
from evalcli.multilabel.values import CountValues, ScoreValues
from evalcli.report import Value
from evalcli.uncertainty.intervals import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn

_MANY = 1_000_000
_FORM = ScoreForm("probs", binary=True)


def _drawn(rng: Rng, rows: int, labels: int, rare: float, noise: float) -> tuple[Any, Any]:
    """Scores and target (N, L); the last label is held by about as few rows as ``rare`` says in standard errors."""
    cause, error = rng.normal(size=(2, rows, 1))
    target = cause + rng.normal(size=(rows, labels)) > np.linspace(0.0, rare, labels) * np.sqrt(2.0)
    logits = 3.0 * target - 1.5 + noise * (error + rng.normal(size=(rows, labels)))
    return 1 / (1 + np.exp(-logits)), target.astype(np.int64)


def _states(scores: Any, target: Any, *, scored: bool) -> tuple[CountValues, ScoreValues | None, Any]:
    labels = target.shape[1]
    names = tuple(map(str, range(labels)))
    cells = label_cells((scores >= 0.5).astype(np.int64), target, labels)
    counts, sets, moments = LabelCounts(labels), SampleSets(labels), LabelMoments(labels)
    for state in (counts, sets, moments):
        state.take(cells)
    values = None
    if scored:
        held = LabelScores(Scoring(labels, _FORM, 64, frozenset()))
        held.table, held.calibration, held.ranks = (
            KeyTable(labels, bits=64), LabelCalibration(labels, _FORM), LabelRanks(labels),
        )  # fmt: skip
        seen = score_cells(scores, target, labels)
        held.sample = RankSample(labels, labels=True)
        held.sample.take(seen.scores, seen.target)
        held.ranks.take(seen)
        held.calibration.take(seen)
        held.table.take_cells(seen.scores, seen.target, None, None)
        values = ScoreValues(held, names)
    return CountValues(counts.compute(), sets.compute(), names), values, moments.compute()


def multilabel(
    metric: str, rows: int, labels: int = 6, rare: float = 1.0, noise: float = 1.0
) -> Callable[[Rng], Drawn]:
    """Draw rows of several labels; the truth is that of a million rows."""
    name = parse(metric)

    def value_of(counted: CountValues, scored: ScoreValues | None) -> float:
        return float(counted.value(name) if scored is None else scored.value(name).value)

    @cache
    def truth() -> float:
        counted, scored, _ = _states(
            *_drawn(np.random.default_rng(0), _MANY, labels, rare, noise), scored=name.entry.needs_scores
        )
        return value_of(counted, scored)

    def draw(rng: Rng) -> Drawn:
        counted, scored, moments = _states(*_drawn(rng, rows, labels, rare, noise), scored=name.entry.needs_scores)
        found = Intervals(counted, scored, CONFIDENCE, moments).of(name, Value(value_of(counted, scored)))
        intervals: dict[str, Interval | None] = {"evalcli": None}
        if found.low is not None and found.high is not None:
            intervals["evalcli"] = Interval(found.low, found.high, found.method or "")
        if metric == "hamming_loss" and found.value is not None:
            cells = float(rows * labels)
            intervals["cells as rows"] = wilson(found.value * cells, cells, CONFIDENCE.critical)
        return truth(), intervals

    return draw
