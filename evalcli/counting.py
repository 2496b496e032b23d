"""From a source to states: passes over the input until it was counted under the decision of the whole input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from evalcli.decision import decide
from evalcli.engine import accumulate
from evalcli.errors import EmptyError
from evalcli.evidence import Evidence
from evalcli.metrics.registry import default_names, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.engine import Placement, Progress
    from evalcli.layout import Layout
    from evalcli.metrics.registry import MetricName
    from evalcli.own.metrics import OwnMetrics
    from evalcli.sources.base import Array, Batch, InputFile, Source
    from evalcli.task import Choices, Task


ROW_WORK = 3
"""A row takes as long as it has scores, and as long as so many more of them."""


class Shown(NamedTuple):
    """The metrics whose intervals anyone will see, of all rows and of slices, and all that is shown of slices."""

    of_all: frozenset[str] | None
    """``None``: those of all metrics, and of every class."""
    of_slices: frozenset[str]
    in_slices: frozenset[str] | None = None
    """``None``: all that a report has."""

    def has(self, name: MetricName) -> bool:
        """Whether the interval of this metric of all rows is seen."""
        return self.of_all is None or str(name) in self.of_all


class Pass(Protocol):
    """What one worker gathers under one decision; every family of tasks has its own."""

    evidence: Evidence
    task: Task

    @property
    def saves_all(self) -> bool:
        """Whether ``state_dict`` holds all that is gathered; what has no state stays in the process that has it."""

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` where it contradicts the decision, which ends the pass."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered."""

    def check(self, decided: Task) -> None:
        """Refuse what cannot be evaluated, once the whole input is known."""

    def state_dict(self) -> dict[str, Array]:
        """What was gathered, the evidence under ``evidence.``, as arrays that can be saved and sent."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` of a pass under the same decision gave, bit for bit.

        Raises: ``ValueError`` for anything else, whatever it is.
        """

    def under(self, other: Self) -> Self:
        """The same, with the classes of ``other``, a pass under the decision of more rows, so that the two can merge.

        Raises: ``ValueError`` where ``other`` counts otherwise, so that these rows would have to be read again.
        """


@dataclass(frozen=True, slots=True)
class Plan:
    """What stays the same however often the pass is repeated.

    ``asked`` are the names of metrics to compute, ``None`` for those of a report; ``also`` are further ones, those of
    gates, which the task need not have. ``budget`` is in bytes, for ranks; ``workers`` are threads.
    ``shown`` are the metrics whose intervals anyone will see, ``None`` for all. A ``partial`` count
    is of some rows only: what they leave in doubt, the others may clear up.
    """

    source: Source
    choices: Choices
    layout: Layout
    placement: Placement
    asked: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    budget: int | None = None
    workers: int = 1
    shown: Shown | None = None
    partial: bool = False
    own: OwnMetrics | None = None
    """Metrics of the caller's own, which see the same batches."""
    processes: bool = False
    """Whether workers may be processes."""
    rereads: bool = False
    """Whether whoever begins a pass reads all rows again where its evidence is unclear in the end."""
    fed: bool = False
    """Whether batches are fed by hand, so that nobody can read a row again: what is wrong with one is an error."""
    listed: frozenset[str] | None = None
    """The metrics of a report that are computed, where it is of a slice of which few are shown."""

    def inside(self) -> Plan:
        """The same where a slice is reported as if it were all rows, one of many at a time."""
        if self.shown is None:
            return replace(self, workers=1)
        shown = self.shown._replace(of_all=self.shown.of_slices)
        return replace(self, shown=shown, listed=self.shown.in_slices, workers=1)

    @property
    def device(self) -> str | None:
        """Where torch computes; ``None``: on the host, by numpy."""
        return self.placement.device if self.placement.backend == "torch" else None

    def default(self, kind: str) -> tuple[str, ...]:
        """What is computed unless asked otherwise, if the task is of this ``kind``."""
        width = {"columns": self.layout.width, "score": 2}.get(self.layout.preds)
        names = default_names(kind, width, self.choices.topk)
        return names if self.listed is None else tuple(name for name in names if name in self.listed)

    def names(self, kind: str) -> tuple[MetricName, ...]:
        """The metrics to compute if the task is of this ``kind``."""
        return tuple(map(parse, (*(self.default(kind) if self.asked is None else self.asked), *self.also)))

    def scored(self, kind: str) -> tuple[MetricName, ...]:
        """Those of them that need scores; none where the predictions are labels."""
        if self.layout.preds == "labels":
            return ()
        return tuple(name for name in self.names(kind) if name.entry.needs_scores and kind in name.entry.tasks)

    def is_slow(self, task: Task) -> bool:
        """Whether rows take more time to count than to read."""
        return task.family == "regression" or bool(self.scored(task.kind))

    def decide(self, evidence: Evidence) -> Task:
        """The decision that this evidence supports."""
        return decide(self.layout, self.source.preds, self.source.target, self.choices, evidence)

    def begin(self, task: Task, known: Evidence) -> Callable[[], Pass]:
        """Empty passes under ``task``, one for each worker."""
        if task.family == "regression":
            from evalcli.regression.states import begin as begin_regression

            return begin_regression(self, task)
        if task.family == "multilabel":
            from evalcli.multilabel.states import begin as begin_multilabel

            return begin_multilabel(self, task, known)
        from evalcli.classification.begin import begin

        return begin(self, task, known)

    def holds(self, task: Task, evidence: Evidence) -> bool:
        """Whether what this evidence supports is counted as ``task`` is."""
        return self._counts_like(self.decide(evidence)) == self._counts_like(task)

    def _counts_like(self, task: Task) -> tuple[object, ...]:
        """What the states depend on: labels on the way to them, scores also on their kind."""
        return (*task.counts_like, *((task.kind, task.scores, task.positive) if self.scored(task.kind) else ()))

    def refuse_doubt(self, decided: Task) -> None:
        """Raise what forbids a verdict."""
        if decided.problem is not None and not self.partial:
            decided.problem.path = decided.problem.path or self.source.target.path
            raise decided.problem

    def refuse_empty(self, evidence: Evidence) -> None:
        """No rows, no verdict.

        Raises:
            EmptyError: none is left.

        """
        if evidence.rows == 0 and not self.partial:
            left_out = evidence.ignored + evidence.dropped + self.source.dropped
            rows = "the only row is" if left_out == 1 else f"all {left_out} rows are"
            message = f"{rows} left out" if left_out else "there are no rows"
            fix = "check --ignore-index, --nan and --where" if left_out else "check the file and --where"
            raise EmptyError(message, fix=fix, path=self.source.target.path)


class Outcome(NamedTuple):
    """What a whole pass has gathered, and the decision under which. ``gathered`` is of the family of ``task``."""

    task: Task
    gathered: Any

    @property
    def evidence(self) -> Evidence:
        """What the whole input shows about itself."""
        found: Evidence = self.gathered.evidence
        return found


def one_pass(
    plans: Sequence[Plan], task: Task, source: Any, begin: Callable[[], Any], size: int, progress: Progress | None
) -> tuple[Any, bool]:
    """A pass over ``source``, the rows of all ``plans``, which are alike in how they run.

    By processes where there is enough to do for them, and nothing but states and checksums to bring home.
    """
    plan = plans[0]
    if plan.processes and plan.workers > 1 and plan.device is None and all(one.is_slow(task) for one in plans):
        from evalcli.forks import can_fork
        from evalcli.processes import LEAST_WORK, accumulate_apart

        ledgers = source.ledgers()
        work = (source.rows or 0) * sum((one.layout.width or 1) + ROW_WORK for one in plans)
        if work >= LEAST_WORK and ledgers is not None and can_fork() and begin().saves_all:
            return accumulate_apart(source, ledgers, begin, size, plan.workers, progress)
    return accumulate(source, begin, size, plan.workers, progress, plan.device)


def count(plan: Plan, size: int, progress: Progress | None) -> tuple[Outcome, tuple[InputFile, ...]]:
    """Passes over the input until the decision of the whole input is the one it was counted under.

    Every pass that is given up has shown something new, and what is new can only be one of a few signs: it ends.
    """
    known = Evidence()
    while True:
        task = plan.decide(known)
        begin: Callable[[], Any] = plan.begin(task, known)
        begin = begin if plan.own is None else plan.own.around(begin)
        total, complete = one_pass((plan,), task, plan.source, begin, size, progress)
        decided = plan.decide(total.evidence)
        if complete and not total.evidence.unclear and plan.holds(task, total.evidence):
            inputs = plan.source.finish()
            total.check(decided)
            if plan.own is not None:
                plan.own.total, total = total.own.finished(), total.main
            return Outcome(decided, total), inputs
        known = total.evidence.with_(known)
