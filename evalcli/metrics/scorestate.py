"""States that read probabilities: they share one look at each batch, and add floats exactly.

``update`` of one state looks at the batch by itself; ``feed`` looks once for many states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.metrics.arrays import Array, count_cells
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.probability import Block, ProbabilityRows, ScoreForm, ScoreRows, probability_rows, score_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.arrays import HostArray


class ProbabilityState(Metric):
    """What these states share: a ``ScoreForm``, weights, and ``take`` for rows that are looked at already."""

    rows: int

    def __init__(self, form: ScoreForm, *, weighted: bool = False) -> None:
        super().__init__()
        self.form, self.weighted = form, weighted
        self.add_state("rows", 0)

    def update(self, scores: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Take in scores (N, C) or (N,) and target (N,); ``weight`` and ``repeats`` are one per row.

        Raises: ``InputError`` for shapes that differ, targets that are no classes and weights that are no weights.
        """
        feed((self,), score_rows(scores, target, self.form, weight, repeats))

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has seen.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if self._setup() != other._setup():
            raise ValueError("states of different scores, bins or weighting cannot merge")
        return super().merge(other)

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        super().load_state_dict(state)
        for name, default in self._defaults.items():
            held = getattr(self, name)
            if isinstance(default, ExactSum):
                fits = held.cells == default.cells
            elif hasattr(default, "shape"):
                fits = held.shape == default.shape and bool((held >= 0).all())
            else:
                fits = not isinstance(held, int) or held >= 0
            if not fits:
                raise ValueError(f"the saved state {name!r} is not of these classes")

    def _setup(self) -> tuple[Any, ...]:
        """What two states must share to be added."""
        return self.form, self.weighted


def feed(states: Sequence[ProbabilityState], batch: ScoreRows) -> ProbabilityRows:
    """Look at a batch once and give what is seen, to be returned, to all ``states`` of one form and weighting.

    Raises: ``ValueError`` for states of several forms or weightings, and for weights given to states that count rows.
    """
    form, weighted = states[0].form, states[0].weighted
    if any(state.form != form or state.weighted != weighted for state in states):
        raise ValueError("states of several forms or weightings cannot share a batch")
    if batch.weight is not None and not weighted:
        raise ValueError("weights need states with weighted=True")
    if weighted and batch.weight is None:
        batch = batch._replace(weight=np.ones(len(batch.target)))
    visitors = [state.visit for state in states if isinstance(state, AllClassesState)]

    def visit(block: Block) -> None:
        for visitor in visitors:
            visitor(block)

    rows = probability_rows(batch, form, visit if visitors else None)
    for state in states:
        state.rows += rows.count
        state.take(rows)
    return rows


class AllClassesState(ProbabilityState):
    """A state that looks at the probability of every class, block by block."""

    def visit(self, block: Block) -> None:
        """Take in a block."""
        raise NotImplementedError


def counted(held: Any, rows: ProbabilityRows | Block, cells: HostArray, kept: Any = slice(None)) -> Any:
    """``held`` (cells,) and one more for each row at its cell, or its weight where ``held`` is an ``ExactSum``."""
    repeats = None if rows.repeats is None else rows.repeats[kept]
    if not isinstance(held, ExactSum):
        return held + count_cells(cells, len(held), repeats)
    assert rows.weight is not None
    add_exactly(held, rows.weight[kept], cells, repeats)
    return held


def added(held: ExactSum, rows: ProbabilityRows | Block, values: HostArray, cells: HostArray | None = None) -> None:
    """Add each row's value, times its weight, to its cell."""
    add_exactly(held, values if rows.weight is None else values * rows.weight, cells, rows.repeats)


def add_exactly(
    total: ExactSum, values: HostArray, cells: HostArray | None = None, repeats: HostArray | None = None
) -> None:
    """Add values to ``total``, each to its cell and as often as it is repeated.

    >>> total = ExactSum()
    >>> add_exactly(total, np.array([0.1] * 10))
    >>> float(total)
    1.0
    """
    total.add(values, cells, repeats)


def add_rows_exactly(total: ExactSum, values: HostArray, cells: HostArray) -> None:
    """Add each row of ``values`` (C, n) to its one of ``cells`` (C,)."""
    total.add_rows(values, cells)
