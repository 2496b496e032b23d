"""Several metrics as one: collections, and arithmetic over metrics. Metrics that read one state share it.

What takes metrics takes copies, so every state has one owner: updating a collection does not update the metrics that it
was made of, nor the other way round. A copy keeps what its metric has seen so far.

>>> from evalcli.metrics import F1, Accuracy, MetricCollection, Precision, Recall
>>> both = MetricCollection(Accuracy(), Recall(average="macro"), f1=F1(average="macro"))
>>> both.update([0, 2, 1, 1], [0, 2, 1, 0])
>>> both.compute()["accuracy"], len(both.states)
(0.75, 1)
>>> p, r = Precision(average="micro"), Recall(average="micro")
>>> f1 = 2 * p * r / (p + r)
>>> f1([0, 2, 1, 1], [0, 2, 1, 0])
0.75
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.metrics.arithmetic import apply
from evalcli.metrics.base import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Reading(NamedTuple):
    """A number that a bundle can give: what its ``state`` computes, or what it says under a name."""

    state: str
    name: str | None = None


class Step(NamedTuple):
    """An operation on the numbers of ``parts``, each a reading, a step or a number."""

    operation: str
    parts: tuple[Any, ...]


class Bundle(Metric):
    """States, and how numbers are read from them."""

    def __init__(self) -> None:
        super().__init__()
        self.states: tuple[str, ...] = ()

    def join(self, state: Any, name: str | None, taken: dict[int, str]) -> Reading:
        """Make a copy of ``state`` one of ours, or find one that serves; ``taken`` are copied already."""
        if id(state) in taken:
            return Reading(taken[id(state)], name)
        if name is not None and state.is_empty:
            for held in self.states:
                mine = getattr(self, held)
                if type(mine) is type(state) and mine.is_empty and mine.setup == state.setup:
                    for one in (mine, self._defaults[held]):
                        one.also(name)
                    return Reading(held, name)
        held = f"state{len(self.states)}"
        self.add_state(held, state.fresh())
        setattr(self, held, copy.deepcopy(state))
        self.states = (*self.states, held)
        taken[id(state)] = held
        return Reading(held, name)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Give a batch to every state, once."""
        for held in self.states:
            getattr(self, held).update(*args, **kwargs)

    def read(self, tree: Any) -> Any:
        """The number that a tree of readings and steps gives."""
        if isinstance(tree, Reading):
            state = getattr(self, tree.state)
            return state.compute() if tree.name is None else state.value(tree.name)
        if isinstance(tree, Step):
            return apply(tree.operation, [self.read(part) for part in tree.parts])
        return tree


class Composed(Bundle):
    """Arithmetic over metrics and numbers: what ``2 * p * r / (p + r)`` makes; undefined where an operand is."""

    def __init__(self, operation: str, *operands: Any) -> None:
        super().__init__()
        taken: dict[int, str] = {}
        self.tree = Step(operation, tuple(joined(self, operand, taken) for operand in operands))

    def compute(self) -> Any:
        """The value of the expression over everything seen so far."""
        return self.gathered().read(self.tree)

    def __str__(self) -> str:
        return written(self, self.tree)


class MetricCollection(Bundle):
    """Metrics under names, updated together. Metrics of equal options share what they count.

    Takes metrics, lists of them and mappings; keywords name them. ``prefix`` and ``postfix`` go around every name.
    """

    def __init__(self, *metrics: Any, prefix: str = "", postfix: str = "", **named: Any) -> None:
        super().__init__()
        self.trees: dict[str, Any] = {}
        taken: dict[int, str] = {}
        for name, metric in _named((*metrics, named)):
            full = f"{prefix}{name}{postfix}"
            if full in self.trees:
                raise ValueError(f"two metrics are called {full!r}: give one another name, as in f1=F1()")
            self.trees[full] = joined(self, metric, taken)

    def compute(self) -> dict[str, Any]:
        """Every metric by its name."""
        gathered = self.gathered()
        return {name: gathered.read(tree) for name, tree in self.trees.items()}

    def __getitem__(self, name: str) -> Any:
        """The value of one metric."""
        return self.gathered().read(self.trees[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.trees)

    def __len__(self) -> int:
        return len(self.trees)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self.trees.keys()


def joined(bundle: Bundle, operand: Any, taken: dict[int, str]) -> Any:
    """An operand as part of a bundle: a number as it is, a metric by its states."""
    if isinstance(operand, (int, float)):
        return operand
    if isinstance(operand, Composed):
        return _moved(bundle, operand, operand.tree, taken)
    if isinstance(operand, MetricCollection):
        raise TypeError(f"a {type(operand).__name__} is neither a metric nor a number")
    if not isinstance(operand, Metric):  # one of torchmetrics, whose copy must be found again by its own id
        if id(operand) not in taken:
            taken[id(operand)] = bundle.join(adapted(operand), None, taken).state
        return Reading(taken[id(operand)])
    state, name = getattr(operand, "reading", None) or (operand, None)
    return bundle.join(state, name, taken)


def adapted(metric: Any) -> Metric:
    """A metric of torchmetrics as one of ours.

    Raises:
        TypeError: it is none.

    """
    from importlib import import_module

    if not any(base.__module__.startswith("torchmetrics") for base in type(metric).__mro__):
        raise TypeError(f"a {type(metric).__name__} is neither a metric nor a number")
    made: Metric = import_module("evalcli.integrations.torchmetrics").Adapted(metric)
    return made


def _moved(bundle: Bundle, owner: Bundle, tree: Any, taken: dict[int, str]) -> Any:
    if isinstance(tree, Reading):
        return bundle.join(getattr(owner, tree.state), tree.name, taken)
    if isinstance(tree, Step):
        return Step(tree.operation, tuple(_moved(bundle, owner, part, taken) for part in tree.parts))
    return tree


def _named(metrics: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for metric in metrics:
        if isinstance(metric, dict):
            yield from metric.items()
        elif isinstance(metric, (list, tuple)):
            yield from _named(metric)
        else:
            yield name_of(metric), metric


def name_of(metric: Any) -> str:
    """The name of a metric in a report: the one of the registry, else its class."""
    return str(metric) if getattr(metric, "reading", None) is not None else type(metric).__name__


def written(bundle: Bundle, tree: Any) -> str:
    """An expression as someone would write it."""
    if isinstance(tree, Reading):
        return tree.name if tree.name is not None else type(getattr(bundle, tree.state)).__name__
    if not isinstance(tree, Step):
        return repr(tree)
    parts = [written(bundle, part) for part in tree.parts]
    if tree.operation == "neg":
        return f"-{parts[0]}"
    return (
        f"{tree.operation}({', '.join(parts)})"
        if tree.operation.isalpha()
        else f"({f' {tree.operation} '.join(parts)})"
    )
