"""One pass over the rows of all models: each is decided and counted as a report would, and all of them together.

The models must say the same about what they are judged on, and the largest label of any is known to all. Their plans
are in ``members``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from evalcli.classification.begin import begin
from evalcli.comparing.apart import FirstPass
from evalcli.comparing.elements import common, elements_of, least_of, names_of
from evalcli.comparing.joint import FirstFlips, JointCounts
from evalcli.comparing.sliced import apart, around, shared
from evalcli.counting import one_pass
from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.evidence import Evidence, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evalcli.classification.labels import Labels
    from evalcli.classification.states import ClassificationPass
    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.losses import LossSums
    from evalcli.comparing.members import Member
    from evalcli.comparing.own_passes import OwnPasses
    from evalcli.comparing.rows import Rows, Together
    from evalcli.comparing.sliced import Slice
    from evalcli.engine import Progress
    from evalcli.metrics.arrays import HostArray
    from evalcli.own.metrics import OwnMetric
    from evalcli.sources.base import Batch, InputFile
    from evalcli.task import Task

P = TypeVar("P")


@dataclass(slots=True)
class TogetherPass(FirstPass):
    """What one worker gathers: of each model what a report needs, and of every pair the joint table."""

    travels = (*FirstPass.shared, "tables", "flips", "losses")
    gathers = ("confusion", "scores", "evidence")

    passes: tuple[ClassificationPass, ...]
    tables: dict[tuple[int, int], JointCounts]
    flips: FirstFlips
    losses: LossSums | None = None

    def add(self, rows: Rows) -> bool:
        """Count the same rows of all models; ``False`` where they contradict a decision."""
        every = [
            one.prepare(batch, one.task, one.evidence) for one, batch in zip(self.passes, rows.batches, strict=True)
        ]
        labels, places = self._common(every)
        first = labels[0]
        if not self.same_target:
            self._compare(labels, places, rows.batches[0])
        for (left, right), table in self.tables.items():
            table.update(first.target, labels[left].preds, labels[right].preds, first.weight)
        if self.clusters is not None:
            from evalcli.comparing.clusters import cluster_in

            self.clusters.update_cells(cluster_in(labels), first.target, [each.preds for each in labels], first.weight)
        batch, inner = rows.batches[0], self.passes[0].prepare.layout.inner
        if self.flips.wants(first.target, least_of(batch, inner)):
            names = None if batch.cells is None else names_of(batch, inner, places)
            elements = elements_of(batch, inner, places)
            self.flips.update(first.target, labels[0].preds, labels[1].preds, elements, names)
        holds = True
        for one, each in zip(self.passes, labels, strict=True):
            if each.weight is not None or len(self.tables) == 0:
                one.count(each)
            holds = one.look(each) and holds
        if self.losses is not None and holds:
            self.losses.update([one.scores for one in self.passes if one.scores is not None], first.weight)
        return holds

    def _common(self, labels: list[Labels]) -> tuple[list[Labels], HostArray | None]:
        """The elements that no model leaves out, and their places in the batch (``None``: all)."""
        kept, places = common(labels)
        self.lose([len(each.preds) for each in labels], [len(each.preds) for each in kept])
        return kept, places

    def _compare(self, labels: Sequence[Labels], places: HostArray | None, batch: Batch) -> None:
        """Record the rows whose targets or weights are not the same for all models."""
        inner = self.passes[0].prepare.layout.inner
        for other in labels[1:]:
            for fault, mine, theirs in (
                (self.unlike, labels[0].target, other.target),
                (self.unlike_weights, labels[0].weight, other.weight),
            ):
                if mine is None or theirs is None or np.array_equal(mine, theirs):
                    continue
                where = np.flatnonzero(mine != theirs)
                numbers = (elements_of(batch, inner, places)(where[:3]) // inner).tolist()
                values = [
                    f"{a}\0{b}" for a, b in zip(mine[where[:3]].tolist(), theirs[where[:3]].tolist(), strict=True)
                ]
                fault.merge(Fault(len(where), list(zip(numbers, values, strict=True))))

    def merge(self, other: TogetherPass) -> None:
        """Take in what another worker has gathered."""
        self.take_in(other)
        for pair, table in self.tables.items():
            table.merge(other.tables[pair])
        self.flips.merge(other.flips)
        if self.losses is not None and other.losses is not None:
            self.losses.merge(other.losses)

    def count_alone(self) -> None:
        """Counts of each model alone, from the joint tables, where they were not counted by themselves."""
        if self.passes[0].plan.source.weighted or not self.tables:
            return
        for place, one in enumerate(self.passes):
            pair = next(pair for pair in self.tables if place in pair)
            cells = self.tables[pair].cells()
            preds = cells.first if place == pair[0] else cells.second
            one.confusion.update(preds, cells.target, None, cells.rows)


class Counted(NamedTuple):
    """What the pass over the whole input has gathered, the decision on each model, and the files that were read."""

    total: Any
    """Of classes a ``TogetherPass``, of values a ``ValuesPass``, of several labels a row a ``LabelsPass``."""
    tasks: tuple[Task, ...]
    inputs: tuple[tuple[InputFile, ...], ...]
    clusters: KnownClusters | None = None
    slices: Mapping[Slice, Counted] = MappingProxyType({})
    """The same of every slice that has rows, which holds no slices of its own."""
    has_test: bool = True
    """Whether there is more than one cluster, where rows are clustered."""
    own: OwnPasses | None = None
    """The user's own metrics, of all rows and of slices."""

    def again(self, together: Together, fresh: Callable[[], P], size: int, progress: Progress | None) -> P:
        """What another pass over the same rows gathers, run as the first one was."""
        plans = [one.plan for one in self.total.passes]
        found, _ = one_pass(plans, self.tasks[0], together, fresh, size, progress)
        gathered: P = found
        return gathered


def count_together(
    members: Sequence[Member],
    together: Together,
    size: int,
    progress: Progress | None,
    *,
    flips: int,
    same_target: bool = False,
    own: Sequence[OwnMetric] = (),
) -> Counted:
    """Passes over the input until the decisions of the whole input are those it was counted under.

    Raises:
        InputError: rows cannot be evaluated, or the models are judged on different truths.
        UsageError: the models have different tasks.

    """
    known = [Evidence() for _ in members]
    total: Any
    tried: list[tuple[object, ...]] = []
    while True:
        tasks = _decide(members, known)
        fresh = _fresh(members, tasks, known, flips=flips, same_target=same_target)
        if together.slicers:
            sharing = shared(members, together.slicers)
            fresh = around(fresh, _fresh(sharing, tasks, known, flips=0, same_target=True), members[0].workers)
        beside = _beside(own, members, together)
        fresh = fresh if beside is None else beside.around(fresh)
        gathered, complete = one_pass(members, tasks[0], together, fresh, size, progress)
        gathered = gathered if beside is None else gathered.main
        total = gathered.whole if together.slicers else gathered
        seen = [one.evidence for one in total.passes]
        decided = _decide(members, seen)
        if complete and all(
            one.holds(task, evidence)
            for one, task, evidence in zip(members, tasks, _shared(members, seen), strict=True)
        ):
            inputs = tuple(one.source.finish() for one in members)
            total.count_alone()
            _check_each(total.passes, members, decided)
            _check(members, decided, total)
            clusters = None if total.clusters is None else total.clusters.known(members[0].source.target.path)
            counted = Counted(total, decided, inputs, clusters, own=beside and beside.finished())
            return counted._replace(slices=apart(gathered, counted)) if together.slicers else counted
        _refuse_again(members, decided, tried)
        known = [now.with_(before) for now, before in zip(seen, known, strict=True)]


def _check_each(passes: Sequence[Any], members: Sequence[Member], decided: Sequence[Task]) -> None:
    """Each model's own check; rows that were not counted since another model is in doubt are not said to be missing."""
    for one, task in zip(passes, decided, strict=True):
        try:
            one.check(task)
        except EmptyError:
            for member, doubted in zip(members, decided, strict=True):
                member.refuse_doubt(doubted)
            raise


def _beside(own: Sequence[OwnMetric], members: Sequence[Member], together: Together) -> OwnPasses | None:
    """What the user's own metrics gather in one pass; ``None`` where there are none."""
    if not own:
        return None
    from evalcli.comparing.own_passes import OwnPasses, own_of

    return OwnPasses([own_of(own, one) for one in members], together.slicers)


def _refuse_again(members: Sequence[Member], decided: Sequence[Task], tried: list[tuple[object, ...]]) -> None:
    """Refuse what another pass would only show again: one model has what another cannot have.

    Raises:
        InputError: the decision was tried before, and the rows contradicted it.

    """
    decision = tuple((task.kind, task.classes, task.scores, task.positive) for task in decided)
    if tried.count(decision) > 1:
        what = f"its values and those of {members[0].source.preds.path} do not fit one task"
        raise InputError(
            what, fix="give all the same classes, or say --task and --scores", path=members[-1].source.preds.path
        )
    tried.append(decision)


def _shared(members: Sequence[Member], evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence of each, where the largest label of any model is known to all that hold labels.

    One truth is of one kind: a fraction that any of them has seen is known to all.
    """
    high = max(
        (e.pred_high for one, e in zip(members, evidence, strict=True) if one.layout.preds == "labels"), default=-1
    )
    found = []
    fractions = any(each.fractions for each in evidence)
    for one, each in zip(members, evidence, strict=True):
        known = each.with_(Evidence())
        known.fractions = each.fractions or (fractions and one.source.target.labels is None)
        known.note_target(np.inf, max(high, -1))
        found.append(known)
    return found


def _decide(members: Sequence[Member], evidence: Sequence[Evidence]) -> tuple[Task, ...]:
    tasks = tuple(one.decide(each) for one, each in zip(members, _shared(members, evidence), strict=True))
    _check_kinds(members, tasks, {task.family for task in tasks})
    return tasks


def _check_kinds(members: Sequence[Member], tasks: Sequence[Task], kinds: Collection[str]) -> None:
    """Refuse models of several ``kinds``."""
    for one, task in zip(members, tasks, strict=True):
        if len(kinds) > 1 and task.kind != tasks[0].kind:
            what = f"the task is {task.kind}, that of {members[0].source.preds.path} {tasks[0].kind}"
            raise UsageError(what, fix="say which with --task", path=one.source.preds.path)


def _fresh(
    members: Sequence[Member], tasks: Sequence[Task], known: Sequence[Evidence], *, flips: int, same_target: bool
) -> Any:  # a maker of passes
    if tasks[0].family == "regression":
        from evalcli.comparing.values import begin_values

        return begin_values(members, tasks, gaps=flips, same_target=same_target)
    if tasks[0].family == "multilabel":
        from evalcli.comparing.labels import begin_labels

        return begin_labels(members, tasks, known, same_target=same_target)
    makers = [begin(one, task, seen) for one, task, seen in zip(members, tasks, known, strict=True)]
    weighted = members[0].source.weighted
    pairs = list(combinations(range(len(members)), 2))
    is_clustered = any(one.source.clustered is not None for one in members)

    def fresh() -> TogetherPass:
        passes = tuple(make() for make in makers)
        for one in passes:
            one.prepare, one.clusters = one.prepare._replace(keep_places=True), None  # pairs have clusters of their own
        tables = {pair: JointCounts(weighted=weighted) for pair in pairs}
        total = TogetherPass(passes, same_target, tables, FirstFlips(flips), lost=[0] * len(passes))
        if is_clustered:
            from evalcli.comparing.clusters import counts_of

            total.clusters = counts_of(members, pairs)
        if total.clusters is None and all(one.scores is not None for one in passes):
            from evalcli.comparing.losses import LossSums

            total.losses = LossSums(members[0].names(tasks[0].kind), pairs)
            for one in passes:
                assert one.scores is not None
                one.scores.is_watched = True
        return total

    return fresh


def _check(members: Sequence[Member], tasks: Sequence[Task], total: Any) -> None:
    """Refuse models that are not judged alike."""
    first, paths = tasks[0], [one.source.preds.path for one in members]
    _check_kinds(members, tasks, {task.kind for task in tasks})
    for task, path in zip(tasks[1:], paths[1:], strict=True):
        if task.classes != first.classes or task.positive != first.positive:
            noun = "labels" if task.family == "multilabel" else "classes"
            what = f"its {noun} are not those of {paths[0]}"
            raise UsageError(what, fix="name them with --labels, and the positive one with --positive", path=path)
    other = members[1].source if len(members) > 1 else members[0].source
    if total.unlike.count:
        names = () if first.family == "multilabel" else first.classes
        shown = [f"row {row}: {_told(value, names)}" for row, value in total.unlike.first]
        more = ", …" if total.unlike.count > len(shown) else ""
        count = "1 target differs" if total.unlike.count == 1 else f"{total.unlike.count} targets differ"
        what = f"{count} from those of {members[0].source.target.path} ({', '.join(shown)}{more})"
        raise InputError(what, fix="compare models on the same samples, or pair them with --id", path=other.target.path)
    if total.unlike_weights.count:
        what = f"{total.unlike_weights.count} weights differ from those of {members[0].source.preds.path}"
        raise InputError(what, fix="weigh the rows of all models alike", path=other.preds.path)


def _told(value: str, names: Sequence[str]) -> str:
    """Two classes or values in words: ``'dog', not 'cat'``."""
    parts = value.split("\0")
    if names:
        parts = [repr(names[int(each)]) if int(each) < len(names) else each for each in parts]
    return f"{parts[1]}, not {parts[0]}"
