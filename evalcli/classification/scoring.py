"""Metrics of scores: which states a list of names needs, how batches reach them, and what each name then says.

The look at a batch as probabilities is shared by all states that need it; ranking has a look of its own. Binary scores
are one column, turned to the positive class. Only imported when a metric of scores is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from evalcli.classification.prepare import MISSING
from evalcli.errors import UsageError
from evalcli.metrics.base import Metric
from evalcli.metrics.calibration import CalibrationBins, ClasswiseBins, reliability
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.probability import ScoreForm, positive_scores, score_rows
from evalcli.metrics.rank_sample import MOST_CLASSES, RankSample
from evalcli.metrics.ranking import BUDGET, KeyTable, mean_over_columns, one_vs_rest_scores, over_columns
from evalcli.metrics.registry import class_index
from evalcli.metrics.roc import UNDEFINED, Certified, Ranking
from evalcli.metrics.scorestate import ProbabilityState, feed
from evalcli.metrics.selective import risk_coverage
from evalcli.metrics.temperature import TemperatureSample
from evalcli.metrics.topk import RankHistogram, tied_share
from evalcli.report import Calibration, CoveragePoint, Temperature
from evalcli.scorekind import SINGLE, eps_of
from evalcli.sources.base import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.classification.prepare import Labels
    from evalcli.layout import Layout
    from evalcli.metrics.probability import ProbabilityRows
    from evalcli.metrics.rank_sample import SampledRows
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Array, Field
    from evalcli.task import Task
    from evalcli.uncertainty.coupling import SampledInfluences

MANY_TIES = 0.01
COVERAGE_STEPS = 10
"""Points of the risk–coverage curve in a report."""
_SAMPLES = frozenset({"TemperatureSample", "RankSample"})
_RANKED = frozenset({"KeyTable", "PairwiseKeyTable"})


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the states are built from: the decided kind of scores, how they are stored, and which states are needed."""

    kind: str
    classes: int
    form: ScoreForm
    bits: int
    states: frozenset[str]
    positive: int = 1
    weighted: bool = False
    budget: int = BUDGET

    @property
    def binary(self) -> bool:
        """Whether one column ranks the positive class."""
        return self.form.binary

    def fresh(self) -> ScoreStates:
        """Empty states."""
        return ScoreStates(self)

    def inside(self, budget: int) -> Scoring:
        """That of a slice or a group of rows, which has no sample: those of all rows tell enough."""
        return replace(self, budget=budget, states=self.states - _SAMPLES)


_MAKERS: dict[str, Callable[[Scoring], Metric]] = {
    "KeyTable": lambda of: KeyTable(
        1 if of.binary else of.classes, bits=of.bits, budget=of.budget, weighted=of.weighted
    ),
    "PairwiseKeyTable": lambda of: KeyTable(
        of.classes, bits=of.bits, budget=of.budget, pairwise=True, weighted=of.weighted
    ),
    "LogLoss": lambda of: LogLoss(of.form, weighted=of.weighted),
    "Brier": lambda of: Brier(of.form, weighted=of.weighted),
    "CalibrationBins": lambda of: CalibrationBins(of.form, weighted=of.weighted),
    "ForecastBins": lambda of: (
        CalibrationBins(of.form, of="positive", weighted=of.weighted)
        if of.binary
        else ClasswiseBins(of.form, weighted=of.weighted)
    ),
    "RankHistogram": lambda of: RankHistogram(of.form, weighted=of.weighted),
    "ConfidenceTable": lambda of: ConfidenceTable(of.form, budget=of.budget // 4, weighted=of.weighted),
    "TemperatureSample": lambda of: TemperatureSample(of.form, weighted=of.weighted),
    "RankSample": lambda of: RankSample(of.classes, weighted=of.weighted),
}


def plan_scoring(
    states: Iterable[str],
    task: Task,
    layout: Layout,
    preds: Field,
    *,
    weighted: bool,
    budget: int | None,
    intervals: bool = False,
) -> Scoring | None:
    """What ``states`` and ``intervals`` need to count under ``task``; ``None`` where nothing feeds them."""
    binary = task.kind == "binary"
    if task.scores not in {"probs", "logits"} or not (binary or layout.preds == "columns"):
        return None
    one_column = layout.preds == "score"
    kind: Any = task.scores
    form = ScoreForm(kind, classes=len(task.classes), binary=binary, eps=eps_of(preds.dtype))
    raw = one_column or kind == "probs"  # else the scores that rank are computed, in float64
    bits = 32 if raw and preds.dtype.startswith(SINGLE) else 64
    positive = task.above if one_column else 1 if task.positive is None else task.positive
    needed = frozenset(states)
    if intervals and not binary and needed & _RANKED and len(task.classes) <= MOST_CLASSES:
        needed |= {"RankSample"}
    scoring = Scoring(kind, len(task.classes), form, bits, needed, positive, weighted)
    return scoring if budget is None else replace(scoring, budget=budget)


def without_columns(name: MetricName) -> UsageError:
    """What to say where a metric of many classes meets one score a row."""
    return UsageError(f"{name} of many classes needs a score for each of them", fix="save scores of shape (N, C)")


class ScoreStates:
    """All states of one pass; they merge bit for bit, like those of counts."""

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring
        self.states = {name: _MAKERS[name](scoring) for name in sorted(scoring.states)}
        self.unscored = 0
        """Rows without a prediction: with any, no metric of scores is defined."""
        self.is_watched = False
        """Whether what is seen of a batch is kept, for those who look at several models at once."""
        self._seen: ProbabilityRows | None = None

    def update(self, labels: Labels) -> None:
        """Take in a batch whose score rows were kept."""
        of, scores, target = self.scoring, labels.scores, labels.target
        assert scores is not None
        weight, repeats = labels.weight, labels.repeats
        missing = labels.preds == MISSING
        if missing.any():
            self.unscored += int(np.count_nonzero(missing) if repeats is None else repeats[missing].sum())
            scores, target = scores[~missing], target[~missing]
            weight, repeats = (None if part is None else part[~missing] for part in (weight, repeats))
        if not len(target):
            return
        if of.binary:
            scores = positive_scores(scores, of.form, of.positive) if scores.ndim > 1 else scores
            target = (target == of.positive).astype(np.int64)
        shared = [state for state in self.states.values() if isinstance(state, ProbabilityState)]
        if shared:
            seen = feed(shared, score_rows(scores, target, of.form, weight, repeats))
            self._seen = seen if self.is_watched else None
        tables = [state for state in self.states.values() if isinstance(state, KeyTable | RankSample)]
        ranked = one_vs_rest_scores(scores, of.form.kind) if tables and not of.binary else scores
        for table in tables:
            table.update(ranked, target, weight, repeats)

    def seen(self) -> ProbabilityRows | None:
        """What was seen of the last batch, handed out once; ``None`` where it held no row to look at."""
        seen, self._seen = self._seen, None
        return seen

    def rows(self) -> set[int]:
        """How many rows the states have seen, those without a prediction among them: one number, if all is well."""
        states: list[Any] = list(self.states.values())
        return {state.rows + self.unscored for state in states}

    def merge(self, other: Self) -> None:
        """Take in what another worker has seen."""
        self.unscored += other.unscored
        for name, state in self.states.items():
            state.merge(other.states[name])

    def beside(self, budget: int) -> ScoreStates:
        """Empty states within another budget, whose counts these and those of slices can absorb.

        Samples are those of these themselves: they are the cheaper to fill the more they have seen.
        """
        found = replace(self.scoring, budget=budget).fresh()
        for name in self.states.keys() & _SAMPLES:
            found.states[name] = self.states[name]
        return found

    def absorb(self, counted: ScoreStates) -> None:
        """Take in what others have seen, as far as it is asked for here; their ranks are no coarser."""
        self.unscored += counted.unscored
        for name, state in self.states.items():
            if state is not counted.states[name]:
                Metric.merge(state, counted.states[name])  # budgets apart, they are alike

    def state_dict(self) -> dict[str, Array]:
        """Every state, as ``state.part``."""
        state = {
            f"{name}.{key}": array for name, held in self.states.items() for key, array in held.state_dict().items()
        }
        return state | {"unscored": np.array(self.unscored)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        parts: dict[str, dict[str, Array]] = {name: {} for name in self.states}
        for key, array in state.items():
            name, _, part = key.partition(".")
            if name not in parts and key != "unscored":
                raise ValueError(f"there is no state {key!r} here")
            parts.setdefault(name, {})[part] = array
        unscored = state.get("unscored")
        if unscored is None or unscored.shape != () or unscored.dtype != np.int64 or unscored < 0:
            raise ValueError("the saved states do not say which rows had no scores")
        self.unscored = int(unscored)
        for name, held in self.states.items():
            held.load_state_dict(parts[name])


class ScoreResults:
    """What the states of the whole input say."""

    def __init__(self, states: ScoreStates, classes: Sequence[str], workers: int = 1) -> None:
        self._states, self._scoring, self._classes = states.states, states.scoring, classes
        self._workers = workers
        self._unscored = states.unscored
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
            self._computed[key] = over_columns(
                name.entry.formula, self._rankings, *name.arguments, workers=self._workers
            )
        columns: Certified = self._computed[key]
        return columns

    @property
    def sampled(self) -> SampledRows | None:
        """Some rows with all their scores, where they were kept and every row has some."""
        return None if "RankSample" not in self._states or self._unscored else self._read("RankSample")

    def influences(self, base: str) -> SampledInfluences | None:
        """Those of the sample on AUROC or average precision of each class."""
        if self.sampled is None:
            return None
        from evalcli.uncertainty.coupling import SampledInfluences

        if (key := f"influences on {base}") not in self._computed:
            self._computed[key] = SampledInfluences.of(base, self.sampled, self._rankings)
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

    @cached_property
    def _rankings(self) -> list[Ranking]:
        table: Any = self._states["KeyTable"]
        rankings: list[Ranking] = table.compute(self._workers)
        return rankings

    @cached_property
    def _support(self) -> Array:
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
        text = f"{sums.clipped:,} rows give their target a probability of (nearly) 0"
        text += f", taken as {self._scoring.form.eps:.2g} in the log loss"
        return Note("clipped-probabilities", text, "save logits: they are never clipped")

    def _tied(self) -> Note | None:
        if "RankHistogram" not in self._states or not tied_share(ranks := self._read("RankHistogram")) > MANY_TIES:
            return None
        text = f"in {tied_share(ranks):.1%} of the rows another class has the very score of the target"
        return Note("tied-targets", f"{text}; the lower class comes first", "save scores before rounding or clipping")
