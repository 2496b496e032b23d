"""The pass of an evaluation, fed by hand: any task, any metric, and the numbers of the command line to the bit.

It lives on the host, but for scores that lie on a device: those are gathered there. What else lies there waits, and
many batches are brought to the host at once. Nothing here knows a family of tasks: the plan begins the pass, and the
family's own reporter reads it.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.counting import Outcome, Plan
from evalcli.engine import Placement
from evalcli.errors import InputError
from evalcli.evaluation import Measured, reporter_of
from evalcli.evidence import Evidence
from evalcli.inputs import Sides, open_sides
from evalcli.layout import find_layout
from evalcli.modular.waiting import WaitingBatches
from evalcli.sources.base import Batch, Field, Selection, Source
from evalcli.sources.held_arrays import lies_there

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalcli.metrics.arrays import HostArray
    from evalcli.modular.setup import Setup


class FedSource(Source):
    """What a pass must know of its source: the two fields, of batches that come by hand."""

    def __init__(self, sides: tuple[Field, Field], *, weighted: bool) -> None:
        self.preds, self.target = sides
        self.weighted = weighted

    def plan(self, size: int) -> Iterator[Any]:  # noqa: ARG002  # nothing is read from here
        """No loads."""
        return iter(())


class PassCore:
    """A pass under the decision of the first batch."""

    def __init__(
        self,
        setup: Setup,
        names: tuple[str, ...],
        sides: tuple[Field, Field],
        *,
        weighted: bool,
        known: Evidence | None = None,
        device: str | None = None,
    ) -> None:
        self.setup, self.names, self.sides, self.weighted = setup, names, sides, weighted
        self.layout = find_layout(*sides, setup.choices)
        source = FedSource(sides, weighted=weighted)
        placement = Placement("numpy" if device is None else "torch", device or "cpu", "fed by hand")
        self.plan = Plan(source, setup.choices, self.layout, placement, names, budget=setup.budget, fed=True)
        self._waiting = WaitingBatches()
        self._begin(Evidence() if known is None else known)

    def _begin(self, known: Evidence) -> None:
        self.known = known
        self.task = self.plan.decide(known)
        self.gathered: Any = self.plan.begin(self.task, known)()
        self.rows = 0
        self.contradicted = False

    @classmethod
    def of(cls, setup: Setup, names: tuple[str, ...], batch: Sides, known: Evidence | None) -> PassCore | None:
        """An empty one for batches like this; ``None`` for a batch without rows."""
        leave = batch.weight is None and lies_there(batch.preds, batch.target)
        source = _opened(setup, batch.preds, batch.target, batch.weight, leave=leave)
        if source.preds.shape[0] == source.target.shape[0] == 0:
            return None
        device = str(batch.preds.device) if leave else None
        return cls(setup, names, _sides(setup, source), weighted=source.weighted, known=known, device=device)

    @property
    def shown(self) -> Evidence:
        """What the batches have shown of themselves."""
        self._take_waiting()
        self.gathered.settle()
        return self.gathered.evidence.with_(self.known)  # type: ignore[no-any-return]  # of any family

    @property
    def form(self) -> tuple[Any, ...]:
        """What batches must share."""
        return ("pass", self.layout, self.sides[0].dtype, self.sides[0].columns, self.weighted)

    def add(self, preds: Any, target: Any, weight: Any) -> None:
        """Count a batch of the form of the first.

        Raises:
            InputError: it is of another form, or shows that the first batches were read wrongly.

        """
        leave = self.plan.device is not None
        waits = self.rows > 0 and not leave and WaitingBatches.suits(preds, target, weight)
        leave_target = leave and self.gathered.counts_there
        source = _opened(self.setup, preds, target, weight, leave=leave, leave_target=leave_target)
        if not source.preds.shape[0]:
            return
        self._check(source)
        if not waits:
            self._take_waiting()
            self._count(source)
            return
        self._waiting.add(preds, target, weight)
        if self._waiting.is_full:
            self._take_waiting()

    def _take_waiting(self) -> None:
        """Count what waits on a device."""
        self._waiting.each(lambda *sides: self._count(_opened(self.setup, *sides, leave=False)))

    def _count(self, source: Source) -> None:
        """Count a batch of the form of the first."""
        batch = _named_batch(self.setup, source)
        batch = replace(batch, start=self.rows)
        counted = self.gathered.evidence.rows > 0  # batches that were left out as a whole have decided nothing
        while not self.gathered.add(batch):
            if counted:
                self.contradicted = True
                self._refuse()
            self._begin(self.gathered.evidence.with_(self.known))
        self.rows += source.preds.shape[0]

    def _check(self, source: Source) -> None:
        sides = _sides(self.setup, source)
        layout = find_layout(*sides, self.setup.choices)
        first, now = (
            (self.layout, self.sides[0].dtype, self.sides[0].columns),
            (layout, sides[0].dtype, sides[0].columns),
        )
        if first != now:
            what = f"a batch of {sides[0].dtype} {sides[0].shape} after batches of {self.sides[0].dtype}"
            raise InputError(what, fix="give all batches in one dtype and layout", path="preds")
        if source.weighted != self.weighted:
            raise InputError("some batches have weights and some have none", fix="weigh all of them or none")

    def _refuse(self) -> None:
        """A decision that cannot be taken back: earlier batches were counted under it."""
        if self.contradicted:
            decided = self.plan.decide(self.shown)
            what = f"batches looked like {self.task.scores} of a {self.task.kind} task, and now like {decided.scores}"
            if decided.kind != self.task.kind:
                what += f" of a {decided.kind} one"
            raise InputError(what, fix="reset, and say it from the start: scores='logits', or task=…", path="preds")

    def merge(self, other: PassCore) -> None:
        """Take in what another has counted.

        Raises:
            InputError: it was counted under another decision.

        """
        self._take_waiting()
        if self.rows and not self.plan.holds(self.task, other.shown):
            raise InputError(
                f"parts were counted under different decisions: {self.task.scores} and {other.task.scores}",
                fix="say it from the start: scores='logits', or task=…",
                path="preds",
            )
        other._take_waiting()
        self.gathered.merge(other.gathered)
        self.rows += other.rows
        self.contradicted = self.contradicted or other.contradicted

    def values(self, names: tuple[str, ...]) -> dict[str, float]:
        """Each metric by its name, as an evaluation of all rows gives it.

        Raises:
            EvalError: rows cannot be counted, the decision is in doubt, or the task does not have a metric.

        """
        self._refuse()
        evidence = self.shown
        decided = self.plan.decide(evidence)
        if not self.plan.holds(self.task, evidence):
            self.contradicted = True
            self._refuse()
        self.gathered.check(decided)
        found = reporter_of(Measured(self.plan, Outcome(decided, self.gathered), ())).values()
        return {name: nan if (value := found[name].value) is None else value for name in names}

    def to(self, device: Any) -> None:
        """Stay on the host."""

    def state_dict(self) -> dict[str, HostArray]:
        """The states of the pass, its evidence, and the form of the batches."""
        self._take_waiting()
        form = {
            "core": "pass",
            "fields": [
                {
                    "name": side.name,
                    "shape": [1, *side.shape[1:]],
                    "dtype": side.dtype,
                    "columns": None if side.columns is None else list(side.columns),
                }
                for side in self.sides
            ],
            "weighted": self.weighted,
            "rows": self.rows,
            "contradicted": self.contradicted,
        }
        parts = {"pass": self.gathered.state_dict(), "known": self.known.state_dict()}
        found = {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}
        return {"form": _packed(form), **found}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        form = json.loads(bytes(state["form"]).decode())
        known = Evidence()
        known.load_state_dict(_under("known.", state))
        self._begin(known)
        self.rows, self.contradicted = form["rows"], form["contradicted"]
        self.gathered.restore(_under("pass.", state))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of the states; what is settled is shared."""
        other = copy.copy(self)
        other._waiting = copy.deepcopy(self._waiting)
        other.gathered = copy.deepcopy(self.gathered, {id(part): part for part in (self.plan, self.task)} | memo)
        return other


def _opened(setup: Setup, preds: Any, target: Any, weight: Any, *, leave: bool, leave_target: bool = False) -> Source:
    choices = setup.choices
    selection = Selection(scores=choices.scores, nan=choices.nan, labels=choices.labels)
    return open_sides(Sides(preds, target, weight), selection, leave=leave, leave_target=leave_target)


def _sides(setup: Setup, source: Source) -> tuple[Field, Field]:
    """The fields of batches; texts are the numbers of declared classes, since no batch shows all texts."""
    found = []
    for side in (source.preds, source.target):
        if side.labels is None:
            found.append(side)
            continue
        if setup.choices.labels is None:
            fix = "name all classes from the start: labels=[…]"
            raise InputError("texts, of which no batch need hold all", fix=fix, path=side.path)
        found.append(replace(side, dtype="int64", labels=None))
    return found[0], found[1]


def _named_batch(setup: Setup, source: Source) -> Batch:
    """The rows, with texts as numbers of the declared classes."""
    batch = next(iter(source.batches(source.preds.shape[0])))
    names = setup.choices.labels or ()
    sides = []
    for field, rows in ((source.preds, batch.preds), (source.target, batch.target)):
        if field.labels is None:
            sides.append(rows)
            continue
        numbers = all(name.isdecimal() and name == str(int(name)) for name in names)
        place = {name: int(name) if numbers else i for i, name in enumerate(names)}
        missing = [label for label in field.labels if label not in place]
        if missing:
            fix = f"the classes are {', '.join(map(repr, names[:5]))}"
            raise InputError(f"{missing[0]!r} is none of the classes", fix=fix, path=field.path)
        table = np.array([*(place[label] for label in field.labels), -1], np.int64)
        sides.append(table[rows])
    return replace(batch, preds=sides[0], target=sides[1])


def _under(begin: str, state: Mapping[str, HostArray]) -> dict[str, HostArray]:
    """The arrays whose names begin so, under the rest of their names."""
    return {name.removeprefix(begin): array for name, array in state.items() if name.startswith(begin)}


def _packed(content: Any) -> HostArray:
    return np.frombuffer(json.dumps(content).encode(), np.uint8)
