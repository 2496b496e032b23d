"""Metrics of scores: what each name says, once the states of all rows are there."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import inf, isnan
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evalcli.classification.findings import MANY_TIES
from evalcli.errors import UsageError
from evalcli.metrics.calibration import reliability
from evalcli.metrics.once import CachedProperty
from evalcli.metrics.ranking import mean_over_columns, over_columns
from evalcli.metrics.registry import class_index
from evalcli.metrics.roc import UNDEFINED, Certified, Ranking
from evalcli.metrics.selective import risk_coverage
from evalcli.metrics.topk import tied_share
from evalcli.report import Calibration, CoveragePoint, Temperature
from evalcli.sources.base import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.metrics.rank_sample import SampledRows
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Array
    from evalcli.uncertainty.coupling import SampledInfluences

COVERAGE_STEPS = 10
"""Points of the risk–coverage curve in a report."""


class ScoreResults:
    """What the states of the whole input say."""

    def __init__(self, states: ScoreStates, classes: Sequence[str], workers: int = 1) -> None:
        self._states, self._scoring, self._classes = states.states, states.scoring, classes
        self._workers = workers
        self._unscored, self._there = states.unscored, states.ranked_there
        self._computed: dict[str, Any] = {}
        self._left_out: dict[str, None] = {}

    def value(self, name: MetricName) -> Certified:
        """The value of a metric; three NaN where it is undefined.

        Raises:
            UsageError: the task does not have it.

        """
        entry, classes = name.entry, self._scoring.classes
        if entry.name == "topk_accuracy" and (name.parameter or 0) >= classes:
            message = f"{name} is 1 whatever the model says: there are {classes} classes"
            raise UsageError(message, fix=f"ask for at most top{max(classes - 1, 1)}_accuracy")
        if entry.state == "KeyTable":
            return self._ranked(name)
        if self._unscored:
            return UNDEFINED
        result = entry.formula(self._read(entry.state), *name.arguments)
        return result if isinstance(result, Certified) else Certified(*(float(result),) * 3)

    @property
    def budget(self) -> int:
        """The bytes within which ranks are exact: a choice that may move a number."""
        return self._scoring.budget

    def _read(self, state: str) -> Any:
        """What a state computes, once; the pairs of classes are read from the table itself."""
        if state not in self._computed:
            held = self._states[state]
            self._computed[state] = held if state == "PairwiseKeyTable" else held.compute()
        return self._computed[state]

    def _ranked(self, name: MetricName) -> Certified:
        column = self._column(name)
        if self._unscored:
            return UNDEFINED
        if column is not None:
            result: Certified = name.entry.formula(self._rankings[column], *name.arguments)
            return result
        columns = self.by_class(name)
        self._left_out |= dict.fromkeys(self._classes[i] for i in np.flatnonzero(np.isnan(columns.value)).tolist())
        return mean_over_columns(columns, self._support if name.average == "weighted" else None)

    def ranked_columns(self, name: MetricName) -> list[Ranking]:
        """The rankings of the columns that a metric of ranks means, where they are defined."""
        column = self._column(name)
        chosen = self._rankings if column is None else [self._rankings[column]]
        return [ranking for ranking in chosen if ranking.defined]

    def read(self, state: str) -> Any:
        """What a state computes."""
        return self._read(state)

    def by_class(self, name: MetricName) -> Certified:
        """A metric of ranks for each class, one-vs-rest: three arrays (C,)."""
        key = str(replace(name, average=None, label=None))
        if key not in self._computed:
            found = None if self._there is None else self._there.read(name.entry.name)
            self._computed[key] = found or over_columns(
                name.entry.formula, self._rankings, *name.arguments, workers=self._workers
            )
        columns: Certified = self._computed[key]
        return columns

    def has(self, state: str) -> bool:
        """Whether a state was kept, and every row has scores."""
        return state in self._states and not self._unscored

    @property
    def sampled(self) -> SampledRows | None:
        """Some rows with all their scores, where they were kept and every row has some."""
        return None if "RankSample" not in self._states or self._unscored else self._read("RankSample")

    def influences(self, base: str, mean_weight: float = 1.0) -> SampledInfluences | None:
        """Those of the sample on a metric of the ranks of each class, of rows that weigh ``mean_weight`` (Σw² / Σw)."""
        if self.sampled is None:
            return None
        from evalcli.uncertainty.coupling import SampledInfluences

        if (key := f"influences on {base} of {mean_weight!r}") not in self._computed:
            self._computed[key] = SampledInfluences.of(base, self.sampled, self._rankings, mean_weight, self._workers)
        return cast("SampledInfluences", self._computed[key])

    @property
    def ranks_classes(self) -> bool:
        """Whether every class has a ranking of its own."""
        return "KeyTable" in self._states and not self._scoring.binary and not self._unscored

    @property
    def scoring(self) -> Scoring:
        """What the states were built from."""
        return self._scoring

    @property
    def rankings(self) -> Sequence[Ranking]:
        """How the rows rank, column by column; of binary scores the positive class."""
        return self._rankings

    def column(self, name: MetricName) -> int | None:
        """Which column a name means; ``None`` for a mean over all."""
        return self._column(name)

    def calibration(self) -> Calibration | None:
        """The reliability table, of P(positive) where there is one, and the temperature that would mend it."""
        of, state = "top label", "CalibrationBins"
        if self._scoring.binary and "ForecastBins" in self._states:
            of, state = "positive", "ForecastBins"
        if state not in self._states or self._unscored:
            return None
        return Calibration(of, reliability(self._read(state)), self._temperature())

    def coverage(self) -> tuple[CoveragePoint, ...]:
        """The accuracy on ever larger shares of the rows, the surest first."""
        if "ConfidenceTable" not in self._states or self._unscored:
            return ()
        curve = risk_coverage(self._read("ConfidenceTable"), COVERAGE_STEPS)
        return tuple(CoveragePoint(point.coverage, 1 - point.risk, point.confidence) for point in curve)

    def _temperature(self) -> Temperature | None:
        if "TemperatureSample" not in self._states:
            return None
        fitted = self._read("TemperatureSample")
        if isnan(fitted.value):
            return None
        value = fitted.value if 0 < fitted.value < inf else None
        return Temperature(value, fitted.before, fitted.after, fitted.rows)

    def _column(self, name: MetricName) -> int | None:
        """Which column a name means; ``None`` for a mean over all."""
        if not self._scoring.binary:
            return None if name.average is not None else class_index(name, None, self._classes)
        positive = self._scoring.positive
        wanted = class_index(replace(name, average=None), positive, self._classes)
        if name.average is not None or wanted != positive:
            bare = replace(name, average=None, label=None)
            other = "" if name.label is None else f", or make {name.label!r} the positive class with --positive"
            raise UsageError(f"{name}: binary scores rank the positive class only", fix=f"use {bare}{other}")
        return 0

    @CachedProperty
    def _rankings(self) -> list[Ranking]:
        if self._there is not None:
            return self._there.rankings()
        table: Any = self._states["KeyTable"]
        rankings: list[Ranking] = table.compute(self._workers)
        return rankings

    @cached_property
    def _support(self) -> Array:
        if self._there is not None:
            return self._there.positives
        return np.array([ranking.positives for ranking in self._rankings])

    def notes(self) -> tuple[Note, ...]:
        """What a reader should know about the values that were read."""
        return tuple(note for note in (self._unranked(), self._clipped(), self._tied()) if note is not None)

    def _unranked(self) -> Note | None:
        names = list(self._left_out)
        if not names or isnan(sum(self._support)):
            return None
        shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        text = f"{len(names)} of {len(self._classes)} classes cannot be ranked and are in no mean of ranks: {shown}"
        return Note("unranked-classes", text, "a class needs rows of its own and rows of others")

    def _clipped(self) -> Note | None:
        if "LogLoss" not in self._states or not (sums := self._read("LogLoss")).clipped:
            return None
        rows = "1 row gives its" if sums.clipped == 1 else f"{sums.clipped:,} rows give their"
        text = f"{rows} target a probability of (nearly) 0"
        text += f", taken as {self._scoring.form.eps:.2g} in the log loss"
        return Note("clipped-probabilities", text, "save logits: they are never clipped")

    def _tied(self) -> Note | None:
        if "RankHistogram" not in self._states or not tied_share(ranks := self._read("RankHistogram")) > MANY_TIES:
            return None
        text = f"in {tied_share(ranks):.1%} of the rows another class has the very score of the target"
        return Note("tied-targets", f"{text}; the lower class comes first", "save scores before rounding or clipping")
