"""Metrics of scores: which states a list of names needs, and how batches reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.metrics.base import Metric, restore_states, saved_states
from evalcli.metrics.keycolumn import columns_of
from evalcli.metrics.label_calibration import LabelCalibration
from evalcli.metrics.label_ranks import LabelRanks
from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.rank_sample import LABEL_CELLS, MOST_LABELS, RankSample
from evalcli.metrics.ranking import BUDGET, KeyTable
from evalcli.scorekind import SINGLE, eps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.metrics.registry import MetricName
    from evalcli.multilabel.prepare import Cells
    from evalcli.sources.base import Array, Field
    from evalcli.task import Task

CALIBRATION = "LabelCalibration"
UNRANKED = 16
"""One part in so many of the budget is enough for scores that nobody ranks: for how sure their mean losses are."""
LEAST_UNRANKED = 24 << 10
"""But so many bytes for each label, if the budget has them: 1,024 scores."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the states are built from: how the scores are stored, and which states are needed."""

    labels: int
    form: ScoreForm
    bits: int
    states: frozenset[str]
    weighted: bool = False
    budget: int = BUDGET
    ranked: bool = True
    """Whether ranks themselves are asked for."""

    @property
    def table_budget(self) -> int:
        """The bytes for the scores that occur."""
        if self.ranked:
            return self.budget
        return min(self.budget, max(self.budget // UNRANKED, LEAST_UNRANKED * (self.labels + 1)))

    def fresh(self) -> LabelScores:
        """Empty states."""
        return LabelScores(self)


def plan_scoring(
    names: Iterable[MetricName],
    task: Task,
    preds: Field,
    *,
    weighted: bool,
    budget: int | None,
    intervals: bool = False,
) -> Scoring:
    """The states that ``names`` need under ``task``; the ``intervals`` of mean losses read how often a score occurs."""
    states = frozenset(CALIBRATION if name.entry.by_label is not None else name.entry.state for name in names)
    ranked = "KeyTable" in states
    if intervals and CALIBRATION in states:
        states |= {"KeyTable"}
    if intervals and "KeyTable" in states and 1 < len(task.classes) <= MOST_LABELS:
        states |= {"RankSample"}
    kind: Any = task.scores
    form = ScoreForm(kind, binary=True, eps=eps_of(preds.dtype))
    bits = 32 if preds.dtype.startswith(SINGLE) else 64
    return Scoring(len(task.classes), form, bits, states, weighted, BUDGET if budget is None else budget, ranked)


class LabelScores:
    """All states of scores of one pass; ``None`` where no metric reads them."""

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring
        labels, weighted = scoring.labels, scoring.weighted
        self.table, self.calibration, self.ranks, self.sample = None, None, None, None
        if "KeyTable" in scoring.states:
            self.table = KeyTable(labels, bits=scoring.bits, budget=scoring.table_budget, weighted=weighted)
        if CALIBRATION in scoring.states:
            self.calibration = LabelCalibration(labels, scoring.form, weighted=weighted)
        if "LabelRanks" in scoring.states:
            self.ranks = LabelRanks(labels, weighted=weighted)
        if "RankSample" in scoring.states:
            self.sample = RankSample(labels, labels=True, weighted=weighted, cells=LABEL_CELLS)
        self.unscored = np.zeros(labels, np.int64)
        """Cells of each label without a score: with any, no metric of its scores is defined."""

    def update(self, cells: Cells) -> None:
        """Take in a batch whose scores were kept."""
        scored = cells.scored
        assert scored is not None
        if cells.unscored is not None:
            self.unscored = self.unscored + cells.unscored
        if self.ranks is not None:
            self.ranks.take(scored)
        if self.calibration is not None:
            self.calibration.take(scored)
        if self.sample is not None:
            self.sample.take(scored.scores, scored.target, scored.weight, scored.repeats)
        if self.table is not None and scored.scores.shape[1]:
            self.table.take_cells(scored.scores, scored.target, scored.weight, scored.repeats)

    @property
    def _states(self) -> dict[str, Metric]:
        states: dict[str, Metric | None] = {
            "table": self.table, "calibration": self.calibration, "ranks": self.ranks, "sample": self.sample,
        }  # fmt: skip
        return {name: state for name, state in states.items() if state is not None}

    def columns(self) -> Iterator[KeyColumn]:
        """Where keys of scores wait to be sorted."""
        return columns_of(self._states.values())

    def state_dict(self) -> dict[str, Array]:
        """The states and the cells without a score."""
        return {"unscored": self.unscored.copy(), **saved_states(self._states)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        unscored = state.get("unscored", np.zeros(0))
        if unscored.shape != self.unscored.shape or unscored.dtype != np.int64 or unscored.min() < 0:
            raise ValueError("the saved states do not say which cells had no scores")
        restore_states(self._states, {key: array for key, array in state.items() if key != "unscored"})
        self.unscored = unscored

    def absorb(self, other: Self) -> None:
        """Take in what others have seen that differ in their budget at most, and have no coarser ranks for it."""
        self.unscored = self.unscored + other.unscored
        for name, state in self._states.items():
            Metric.merge(state, getattr(other, name))  # budgets apart, they are alike
