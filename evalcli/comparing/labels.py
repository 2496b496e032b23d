"""One pass over models that predict several labels a row: of each what a report needs, over the rows that all have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.comparing.apart import FirstPass
from evalcli.comparing.clusters import clusters_at, counts_of
from evalcli.comparing.elements import elements_of, in_common
from evalcli.evidence import Fault
from evalcli.multilabel.states import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.comparing.rows import Rows
    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.multilabel import LabelCells
    from evalcli.multilabel.prepare import Cells
    from evalcli.multilabel.states import MultilabelPass
    from evalcli.sources.base import Batch
    from evalcli.task import Task


@dataclass(slots=True)
class LabelsPass(FirstPass):
    """What one worker gathers."""

    travels = (*FirstPass.shared, "differing")
    gathers = ("counts", "sets", "pairs", "scores", "moments", "evidence")

    passes: tuple[MultilabelPass, ...]
    differing: int = 0
    """Rows in which not all models predict the same labels."""

    def add(self, rows: Rows) -> bool:
        """Count the same rows of all models; ``False`` where they contradict a decision."""
        every, holds = [], True
        for one, batch in zip(self.passes, rows.batches, strict=True):
            looked, held = one.look(one.prepare(batch, one.task, one.evidence))
            every.append(looked)
            holds = holds and held
        cells, places = in_common(every)
        self.lose([each.length for each in every], [each.length for each in cells])
        if not self.same_target:
            self._compare(cells, places, rows.batches[0])
        for one, each in zip(self.passes, cells, strict=True):
            one.take(each)
        if self.clusters is not None:
            self.clusters.update(clusters_at(rows, places), cells[0].counted.weight)
        unlike = [(cells[0].counted.said != each.counted.said).any(axis=0) for each in cells[1:]]
        self.differing += int(np.count_nonzero(np.any(unlike, axis=0)))
        return holds

    def _compare(self, cells: Sequence[Cells], places: HostArray | None, batch: Batch) -> None:
        """Record the rows whose targets or weights are not the same for all models."""
        first, numbers = cells[0].counted, elements_of(batch, 1, places)
        labels = self.passes[0].task.classes
        for other in cells[1:]:
            mine, theirs = codes_of(first), codes_of(other.counted)
            differ = mine != theirs
            where = np.flatnonzero(differ.any(axis=0))
            told = []
            for row in where[:3].tolist():
                label = int(np.argmax(differ[:, row]))
                told.append(f"{mine[label, row]} at label {labels[label]!r}\0{theirs[label, row]}")
            self.unlike.merge(Fault(len(where), list(zip(numbers(where[:3]).tolist(), told, strict=True))))
            if first.weight is not None and other.counted.weight is not None:
                where = np.flatnonzero(first.weight != other.counted.weight)
                told = [f"{first.weight[row]!r}\0{other.counted.weight[row]!r}" for row in where[:3].tolist()]
                self.unlike_weights.merge(Fault(len(where), list(zip(numbers(where[:3]).tolist(), told, strict=True))))

    def merge(self, other: LabelsPass) -> None:
        """Take in what another worker has gathered."""
        self.take_in(other)
        self.differing += other.differing

    def count_alone(self) -> None:
        """Every model was counted by itself."""


def codes_of(counted: LabelCells) -> HostArray:
    """The target (L, n) int8 of a batch on the host: 1, 0, and −1 where a cell does not count."""
    codes: HostArray = counted.true.astype(np.int8)
    return codes if counted.kept is None else np.where(counted.kept, codes, np.int8(-1))


def begin_labels(
    members: Sequence[Any], tasks: Sequence[Task], known: Sequence[Evidence], *, same_target: bool
) -> Callable[[], LabelsPass]:
    """Empty passes, one for each worker. What only intervals of a single model read is not counted."""
    plain = [replace(one, choices=replace(one.choices, confidence=None)) for one in members]
    makers = [begin(one, task, seen) for one, task, seen in zip(plain, tasks, known, strict=True)]

    def fresh() -> LabelsPass:
        passes = tuple(make() for make in makers)
        for one in passes:
            one.pairs = one.clusters = None
            one.prepare = one.prepare._replace(keep_places=True)
        return LabelsPass(passes, same_target, lost=[0] * len(passes), clusters=counts_of(members))

    return fresh
