"""What a pass over a classification input gathers: counts of labels, states of scores, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from evalcli.classification.codes import make_prepare
from evalcli.classification.slices import SliceStates
from evalcli.errors import EmptyError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults
from evalcli.metrics.counts import ConfusionCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.classification.prepare import Labels, Prepare
    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.counting import Plan
    from evalcli.sources.base import Batch
    from evalcli.task import Task


@dataclass(slots=True)
class ClassificationPass:
    """What one worker gathers under one decision."""

    plan: Plan
    task: Task
    prepare: Prepare
    confusion: ConfusionCounts
    known: Evidence
    """What earlier passes have shown: a pass that starts over must not forget why."""
    scores: ScoreStates | None = None
    slices: tuple[SliceStates, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    signs: tuple[object, ...] = ()

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` where it contradicts the decision."""
        labels = self.prepare(batch, self.task, self.evidence)
        self.count(labels)
        return self.look(labels)

    def count(self, labels: Labels) -> None:
        """Count the pairs of labels."""
        counted = labels if self.prepare.device is None else labels.to(self.prepare.device)
        self.confusion.update(counted.preds, counted.target, counted.weight, counted.repeats)

    def look(self, labels: Labels) -> bool:
        """Take in the scores; ``False`` where the rows so far contradict the decision."""
        holds = self._still_holds()
        scored = self.scores is not None and holds and not self._is_lost()
        if self.scores is not None and scored:
            self.scores.update(labels)
        for number, slices in enumerate(self.slices):
            assert labels.groups is not None
            slices.update(labels, labels.groups[:, number], scores=scored)
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
        return self.plan.holds(self.task, self.evidence.with_(self.known))

    def merge(self, other: ClassificationPass) -> None:
        """Take in what another worker has gathered."""
        self.confusion.merge(other.confusion)
        if self.scores is not None and other.scores is not None:
            self.scores.merge(other.scores)
        for mine, theirs in zip(self.slices, other.slices, strict=True):
            mine.merge(theirs)
        self.evidence.merge(other.evidence)

    def check(self, decided: Task) -> None:
        """Refuse rows that cannot be counted, a decision in doubt, and nothing at all.

        Raises:
            InputError: with the count and the first rows concerned.
            EmptyError: no row is left, or all weights are 0.

        """
        source, evidence = self.plan.source, self.evidence
        if decided.problem is not None:  # it says better why labels are no labels
            evidence.faults.pop("pred-fraction", None)
        raise_faults(source, self.plan.choices, self.prepare.classes, evidence)
        self.plan.refuse_doubt(decided)
        self.plan.refuse_empty(evidence)
        if source.weighted and not float(self.confusion.class_counts().numpy().n) > 0:
            raise EmptyError("all weights are 0", fix="check --weight", path=source.target.path)


def begin(plan: Plan, task: Task, known: Evidence) -> Callable[[], ClassificationPass]:
    """Empty passes, one for each worker. Text becomes class indices by tables made once for all of them."""
    prepare = make_prepare(plan.layout, plan.choices, plan.source, task.classes, plan.device)
    if plan.scored(task.kind):
        prepare = prepare._replace(keep_scores=True)
    return partial(_empty, plan, task, prepare, _scoring(plan, task), known)


def _scoring(plan: Plan, task: Task) -> Scoring | None:
    """What the states of scores are built from, where there are any."""
    states = {name.entry.state for name in plan.scored(task.kind)}
    if not states:
        return None
    from evalcli.classification.scoring import plan_scoring

    if plan.asked is None:
        states.add("TemperatureSample")
    weighted = plan.source.weighted
    return plan_scoring(states, task, plan.layout, plan.source.preds, weighted=weighted, budget=plan.budget)


def _empty(plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence) -> ClassificationPass:
    confusion = ConfusionCounts(prepare.classes, weighted=plan.source.weighted)
    if prepare.device is not None:
        confusion = confusion.to(prepare.device)
    scores = None if scoring is None else scoring.fresh()
    weighted = plan.source.weighted
    slices = tuple(SliceStates(slicer, prepare.classes, scoring, weighted=weighted) for slicer in plan.source.slicers)
    return ClassificationPass(plan, task, prepare, confusion, known, scores, slices)
