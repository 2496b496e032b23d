"""Metrics of scores: which states a list of names needs, and how batches reach them.

The look at a batch as probabilities is shared by all states that need it; ranking has a look of its own. Binary scores
are one column, turned to the positive class. Only imported when a metric of scores is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.classification.labels import MISSING
from evalcli.errors import UsageError
from evalcli.metrics.arrays import is_host, to_device
from evalcli.metrics.base import Metric
from evalcli.metrics.calibration import CalibrationBins, ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.keycolumn import columns_of
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.probability import ScoreForm, positive_scores, score_rows
from evalcli.metrics.rank_sample import MOST_CLASSES, RankSample
from evalcli.metrics.ranking import BUDGET, KeyTable, one_vs_rest_scores
from evalcli.metrics.scorestate import ProbabilityState, feed
from evalcli.metrics.temperature import TemperatureSample, row_hashes
from evalcli.metrics.topk import RankHistogram
from evalcli.scorekind import SINGLE, eps_of
from evalcli.slicepasses import LEAST_BUDGET, LEAST_SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalcli.classification.clusters import ClusterStates
    from evalcli.classification.labels import Labels
    from evalcli.classification.slices import SliceStates
    from evalcli.layout import Layout
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.metrics.probability import ProbabilityRows
    from evalcli.metrics.registry import MetricName
    from evalcli.ondevice.gather import DeviceScores
    from evalcli.ondevice.ranked import RankedThere
    from evalcli.sources.base import Array, Field
    from evalcli.task import Task

_SAMPLES = frozenset({"TemperatureSample", "RankSample"})
_RANKED = frozenset({"KeyTable", "PairwiseKeyTable"})
READERS = (
    "numpy.random",
    "evalcli.metrics.selective",
    "evalcli.classification.reporter",
    "evalcli.classification.intervals",
    "evalcli.classification.score_results",
    "evalcli.uncertainty.bins",
    "evalcli.uncertainty.losses",
    "evalcli.uncertainty.rankestimates",
    "evalcli.uncertainty.resampling",
)
"""Modules that read the states for a report with intervals, which take 30 ms to import."""


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

    readers = READERS

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring
        self.states = {name: _MAKERS[name](scoring) for name in sorted(scoring.states)}
        self.unscored = 0
        """Rows without a prediction: with any, no metric of scores is defined."""
        self.is_watched = False
        """Whether what is seen of a batch is kept, for those who look at several models at once."""
        self._seen: ProbabilityRows | None = None
        self._there: DeviceScores | None = None
        self._unscored_there: Any = 0

    def gather_on(self, device: str) -> bool:
        """Let ``device`` gather what these states take over in ``settle``; whether it can."""
        from evalcli.ondevice.gather import DeviceScores

        if DeviceScores.suits(self.states, device):
            self._there = DeviceScores(self.states, self.scoring.form, device)
        return self._there is not None

    def slice_on_device(self, slices: SliceStates | ClusterStates) -> None:
        """Let the device gather the same for each slice, or for each group of clusters."""
        if slices.scoring is not None:
            assert self._there is not None
            states = slices.scoring.fresh().states
            self._there.slice(states, slices.size, lambda code: slices.states_of(code).states)

    def settle_slices(self) -> None:
        """Let slices, or groups of clusters, take over what a device has gathered of them."""
        if self._there is not None:
            self._there.settle_slices()

    def settle(self) -> None:
        """Take over what a device has gathered."""
        if self._there is not None:
            self._there.settle()
        self.unscored += int(self._unscored_there)
        self._unscored_there = 0

    @property
    def ranked_there(self) -> RankedThere | None:
        """How the rows rank, where a device has sorted all that were counted."""
        ranked = None if self._there is None else self._there.ranked
        table: Any = self.states.get("KeyTable")
        return None if ranked is None or table.rows != ranked.rows else ranked

    def __getstate__(self) -> dict[str, Any]:
        self.settle()
        return self.__dict__

    def update(self, labels: Labels) -> None:
        """Take in a batch whose score rows were kept."""
        of, scores, target = self.scoring, labels.scores, labels.target
        assert scores is not None
        weight, repeats = labels.weight, labels.repeats
        missing = labels.preds == MISSING if is_host(labels.preds) else None  # on a device every row has one
        if missing is not None and missing.any():
            self.unscored += int(np.count_nonzero(missing) if repeats is None else repeats[missing].sum())
            scores, target = scores[~missing], target[~missing]
            weight, repeats = (None if part is None else part[~missing] for part in (weight, repeats))
        if not len(target):
            return
        if of.binary:
            hit = target == of.positive
            target = hit.astype(np.int64) if is_host(hit) else hit.long()
        if self._there is not None and repeats is None:
            kept = None if labels.kept is None else self._predicted_there(labels.preds, labels.kept)
            there = to_device(target, self._there.device)
            self._there.update(self._positive_there(scores), there, kept, labels.groups, weight)
            return
        if of.binary:
            scores = positive_scores(scores, of.form, of.positive) if scores.ndim > 1 else scores
        hashes = row_hashes(scores, target, weight) if self.states.keys() & _SAMPLES else None
        shared = [state for state in self.states.values() if isinstance(state, ProbabilityState)]
        if shared:
            rows = score_rows(scores, target, of.form, weight, repeats)._replace(hashes=hashes)
            seen = feed(shared, rows)
            self._seen = seen if self.is_watched else None
        tables = [state for state in self.states.values() if isinstance(state, KeyTable | RankSample)]
        ranked = one_vs_rest_scores(scores, of.form.kind) if tables and not of.binary else scores
        for table in tables:
            more = (hashes,) if isinstance(table, RankSample) else ()
            table.update(ranked, target, weight, repeats, *more)

    def _predicted_there(self, preds: Any, kept: Any) -> Any:
        """Which of the rows that are ``kept`` have a prediction; those that have none are counted."""
        predicted = kept & (preds != MISSING)
        self._unscored_there = (kept ^ predicted).sum() + self._unscored_there
        return predicted

    def _positive_there(self, scores: Any) -> Any:
        """The scores on the device; of two columns, what the binary states read."""
        import torch

        assert self._there is not None
        of, there = self.scoring, to_device(scores, self._there.device)
        if not of.binary or there.ndim == 1:
            return there
        positive = there[:, of.positive]
        if of.form.kind == "probs":
            return positive
        return (positive.double() - there[:, 1 - of.positive]).nan_to_num_(0.0, torch.inf, -torch.inf)

    def seen(self) -> ProbabilityRows | None:
        """What was seen of the last batch, handed out once; ``None`` where it held no row to look at."""
        seen, self._seen = self._seen, None
        return seen

    def rows(self) -> set[int]:
        """How many rows the states have seen, those without a prediction among them: one number, if all is well."""
        self.settle()
        states: list[Any] = list(self.states.values())
        return {state.rows + self.unscored for state in states}

    def merge(self, other: Self) -> None:
        """Take in what another worker has seen."""
        if self._there is not None and other._there is not None and self._there.device == other._there.device:
            self._there.merge(other._there)
        else:
            other.settle()
        self.unscored += other.unscored
        self._unscored_there = self._unscored_there + other._unscored_there
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

    def columns(self) -> Iterator[KeyColumn]:
        """Where keys of scores wait to be sorted."""
        return columns_of(self.states.values())

    def state_dict(self) -> dict[str, Array]:
        """Every state, as ``state.part``."""
        self.settle()
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
        if self._there is not None:
            self._there.ranked = None
        for name, held in self.states.items():
            held.load_state_dict(parts[name])


def take_runs(
    runs: Iterable[tuple[int, Labels]], held_of: Callable[[int], ScoreStates | None], whole: ScoreStates | None
) -> None:
    """Take in the scores of rows by the code of each run, where a code has states, and all of them in ``whole``.

    A long run is looked at once for both.
    """
    rest = [part for code, part in runs if not _take_twice(held_of(code), part, whole)]
    if whole is not None and rest:
        whole.update(rest[0].joined(rest[1:]))


def _take_twice(held: ScoreStates | None, part: Labels, whole: ScoreStates | None) -> bool:
    """Take in rows in ``held``; ``True`` where ``whole`` has them, too."""
    if held is None or whole is None or part.length < LEAST_SHARED:
        if held is not None:
            held.update(part)
        return False
    counted = whole.beside(max(whole.scoring.budget, LEAST_BUDGET))
    counted.update(part)
    held.absorb(counted)
    whole.absorb(counted)
    return True
