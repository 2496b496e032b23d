"""From a source to states: passes over the input until it was counted under the decision of the whole input."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from evalcli.codes import make_prepare
from evalcli.engine import accumulate
from evalcli.errors import EmptyError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults
from evalcli.metrics.counts import ConfusionCounts
from evalcli.task import decide

if TYPE_CHECKING:
    from evalcli.engine import Placement, Progress
    from evalcli.layout import Layout
    from evalcli.metrics.registry import MetricName
    from evalcli.prepare import Prepare
    from evalcli.scoring import ScoreStates, Scoring
    from evalcli.sources.base import Batch, InputFile, Source
    from evalcli.task import Choices, Task


@dataclass(frozen=True, slots=True)
class Plan:
    """What stays the same however often the pass is repeated; ``scored`` are the metrics that need the scores."""

    source: Source
    choices: Choices
    layout: Layout
    placement: Placement
    scored: tuple[MetricName, ...] = ()
    budget: int | None = None

    def decide(self, evidence: Evidence) -> Task:
        """The decision that this evidence supports."""
        return decide(self.layout, self.source.preds, self.source.target, self.choices, evidence)

    def prepare(self, task: Task) -> Prepare:
        """Text becomes class indices by tables made once for the pass."""
        device = self.placement.device if self.placement.backend == "torch" else None
        prepare = make_prepare(self.layout, self.choices, self.source, task.classes, device)
        return prepare._replace(keep_scores=True) if self.scored else prepare

    def scoring(self, task: Task) -> Scoring | None:
        """What the states of scores are built from, where there are any."""
        if not self.scored:
            return None
        from evalcli.scoring import plan_scoring

        weighted = self.source.weighted
        return plan_scoring(self.scored, task, self.layout, self.source.preds, weighted=weighted, budget=self.budget)

    def counts_like(self, task: Task) -> tuple[object, ...]:
        """What the states depend on: labels on the way to them, scores also on their kind."""
        return (*task.counts_like, *((task.kind, task.scores, task.positive) if self.scored else ()))


@dataclass(slots=True)
class _Pass:
    """What one worker gathers under one decision."""

    plan: Plan
    task: Task
    prepare: Prepare
    confusion: ConfusionCounts
    known: Evidence
    """What earlier passes have shown: a pass that starts over must not forget why."""
    scores: ScoreStates | None = None
    evidence: Evidence = field(default_factory=Evidence)
    signs: tuple[object, ...] = ()

    def add(self, batch: Batch) -> bool:
        labels = self.prepare(batch, self.task, self.evidence)
        counted = labels if self.prepare.device is None else labels.to(self.prepare.device)
        self.confusion.update(counted.preds, counted.target, counted.weight, counted.repeats)
        holds = self._still_holds()
        if self.scores is not None and holds and not self._is_lost():
            self.scores.update(labels)
        return holds

    def _is_lost(self) -> bool:
        """Whether these are no probabilities, said to be some: then the pass only goes on to find the error."""
        return self.task.scores == "probs" and not (self.evidence.pred_low >= 0 and self.evidence.pred_high <= 1)

    def _still_holds(self) -> bool:
        """Whether what was seen so far still supports the decision that counts; asked only when something changed."""
        signs = self.evidence.signs()
        if signs == self.signs:
            return True
        self.signs = signs
        decided = self.plan.decide(self.evidence.with_(self.known))
        return self.plan.counts_like(decided) == self.plan.counts_like(self.task)

    def merge(self, other: _Pass) -> None:
        self.confusion.merge(other.confusion)
        if self.scores is not None and other.scores is not None:
            self.scores.merge(other.scores)
        self.evidence.merge(other.evidence)


class Outcome(NamedTuple):
    """What a whole pass has counted, and the decision under which."""

    task: Task
    confusion: ConfusionCounts
    evidence: Evidence
    scores: ScoreStates | None


def count(plan: Plan, size: int, workers: int, progress: Progress | None) -> tuple[Outcome, tuple[InputFile, ...]]:
    """Passes over the input until the decision of the whole input is the one it was counted under.

    Every pass that is given up has shown something new, and what is new can only be one of a few signs: it ends.
    """
    known = Evidence()
    while True:
        task = plan.decide(known)
        prepare = plan.prepare(task)
        begin = partial(_begin, plan, task, prepare, plan.scoring(task), known)

        total, complete = accumulate(plan.source, begin, size, workers, progress)
        decided = plan.decide(total.evidence)
        if complete and plan.counts_like(decided) == plan.counts_like(task):
            inputs = plan.source.finish()
            if decided.problem is not None:  # it says better why labels are no labels
                total.evidence.faults.pop("pred-fraction", None)
            raise_faults(plan.source, plan.choices, prepare.classes, total.evidence)
            if decided.problem is not None:
                decided.problem.path = decided.problem.path or plan.source.target.path
                raise decided.problem
            _check_not_empty(plan.source, total)
            return Outcome(decided, total.confusion, total.evidence, total.scores), inputs
        known = total.evidence.with_(known)


def _begin(plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence) -> _Pass:
    """An empty pass for one worker."""
    confusion = ConfusionCounts(prepare.classes, weighted=plan.source.weighted)
    if prepare.device is not None:
        confusion = confusion.to(prepare.device)
    return _Pass(plan, task, prepare, confusion, known, None if scoring is None else scoring.fresh())


def _check_not_empty(source: Source, total: _Pass) -> None:
    """No rows, no verdict."""
    evidence = total.evidence
    if evidence.rows == 0:
        left_out = evidence.ignored + evidence.dropped + source.dropped
        message = f"all {left_out} rows are left out" if left_out else "there are no rows"
        fix = "check --ignore-index, --nan and --where" if left_out else "check the file and --where"
        raise EmptyError(message, fix=fix, path=source.target.path)
    if source.weighted and not float(total.confusion.class_counts().numpy().n) > 0:
        raise EmptyError("all weights are 0", fix="check --weight", path=source.target.path)
