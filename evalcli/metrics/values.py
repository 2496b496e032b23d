"""Rows of values as they come in, and what every state of a regression shares.

Predictions and targets are ``(N,)``, or ``(N, D)`` for D outputs; inside they lie output by output, ``(D, N)`` float64.
Nothing is broadcast and nothing rounded: a whole number that float64 does not hold is refused. ``update`` of one state
looks at the batch by itself; ``feed`` looks once for many states. What a state computes is a list with one result for
each output, and a formula reads one of them.

States live on the host: values on another device are brought there to be added.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError, several
from evalcli.metrics.arrays import Array, asnumpy, columns, is_host, joined
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.labels import label_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.metrics.arrays import HostArray

LARGEST_VALUE = 1e75
"""Beyond this the product of two values and the largest weight leaves float64."""
SMALLEST_VALUE = 1e-75
"""Where all values are smaller, their squares and the products of those leave float64."""
LARGEST_WHOLE = 2**53
"""Up to here float64 holds every whole number."""
_BLOCK = 1 << 14
"""Values worked on at a time: with a few arrays of them they stay in a core's own cache."""


@dataclass(frozen=True)
class ValueRows:
    """A checked batch: ``preds`` and ``target`` (D, N) float64, ``weight`` (N,) float64 and ``repeats`` (N,) int64.

    ``groups`` (N, S) are the slices that each row is in, ``cluster`` (N,) is the number of its cluster, if any;
    ``places`` (N,) where the rows stand in their batch, where some of it is left out and that was asked for.
    """

    preds: HostArray
    target: HostArray
    weight: HostArray | None = None
    repeats: HostArray | None = None
    groups: HostArray | None = None
    cluster: HostArray | None = None
    places: HostArray | None = None

    @property
    def bare(self) -> ValueRows:
        """The same rows without their slices, clusters and places."""
        return replace(self, groups=None, cluster=None, places=None)

    def pick(self, rows: HostArray | slice) -> ValueRows:
        """Some of the rows, without their slices."""
        amounts = (self.weight, self.repeats, self.cluster)
        weight, repeats, cluster = (None if part is None else part[rows] for part in amounts)
        return ValueRows(columns(self.preds, rows), columns(self.target, rows), weight, repeats, cluster=cluster)

    @property
    def arrays(self) -> tuple[HostArray | None, ...]:
        """All that is held of the rows."""
        return self.preds, self.target, self.weight, self.repeats, self.groups, self.cluster

    def joined(self, others: Sequence[ValueRows]) -> ValueRows:
        """These rows and, behind them, ``others`` that hold the same arrays."""
        preds, target, *rest = zip(self.arrays, *(each.arrays for each in others), strict=True)
        return ValueRows(joined(preds, 1), joined(target, 1), *map(joined, rest))

    @property
    def length(self) -> int:
        """How many rows these are, however often each counts."""
        return int(self.preds.shape[1])

    @property
    def outputs(self) -> int:
        """How many numbers a row predicts."""
        return int(self.preds.shape[0])

    @property
    def count(self) -> int:
        """Rows of the input that these stand for."""
        return int(self.preds.shape[1] if self.repeats is None else self.repeats.sum())

    @cached_property
    def residual(self) -> HostArray:
        """``prediction − target`` (D, N), rounded once."""
        difference: HostArray = self.preds - self.target
        return difference

    @cached_property
    def counted(self) -> HostArray | None:
        """Which rows count at all, (N,) bool; ``None``: every one. A weight or a repeat of 0 leaves no trace."""
        counted = None
        for amount in (self.weight, self.repeats):
            if amount is not None and not amount.all():
                counted = amount > 0 if counted is None else counted & (amount > 0)
        return counted

    def blocks(self) -> Iterator[Block]:
        """The batch in pieces of some 2^14 values: rows of one output, or all rows of a few."""
        rows = self.preds.shape[1]
        together = max(1, _BLOCK // max(rows, 1))
        for first in range(0, self.outputs, together):
            outputs = slice(first, min(first + together, self.outputs))
            for start in range(0, rows, _BLOCK):
                part = slice(start, start + _BLOCK)
                weight, repeats = (None if each is None else each[part] for each in (self.weight, self.repeats))
                both = self.preds[outputs, part], self.target[outputs, part]
                yield Block(
                    np.arange(outputs.start, outputs.stop), *both, self.residual[outputs, part], weight, repeats
                )


class Block(NamedTuple):
    """Values (G, n) of the ``outputs`` (G,), and what each row counts for (n,)."""

    outputs: HostArray
    preds: HostArray
    target: HostArray
    residual: HostArray
    weight: HostArray | None
    repeats: HostArray | None

    def tally(self, mask: HostArray) -> HostArray:
        """How many rows of the input are marked in ``mask`` (G, n), (G,) int64; a row of weight 0 is none."""
        if self.weight is not None:
            mask = mask & (self.weight > 0)
        marked: HostArray = (mask if self.repeats is None else np.where(mask, self.repeats, 0)).sum(axis=1)
        return marked


def value_rows(
    preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None, outputs: int | None = None
) -> ValueRows:
    """Check a batch and lay it out output by output; the arrays are not written to.

    Raises: ``InputError`` for shapes that differ or are neither (N,) nor (N, D), for values that are not finite, beyond
    1e75 or beyond what float64 holds, and for weights that are no weights.
    """
    shapes = tuple(preds.shape), tuple(target.shape)
    if shapes[0] != shapes[1] or len(shapes[0]) not in (1, 2):
        raise InputError(f"preds have the shape {shapes[0]}, targets {shapes[1]}", fix="give (N,) or (N, D) on both")
    said, truth = _columns(preds, "preds"), _columns(target, "target")
    if outputs is not None and said.shape[0] != outputs:
        what = f"rows of {several(said.shape[0], 'value')}, where there should be {outputs}"
        raise InputError(what, fix=f"give (N, {outputs}) on both sides")
    none = np.zeros(said.shape[1], np.int64)
    amounts = label_rows(none, none, weight, repeats)
    return ValueRows(said, truth, amounts.weight, amounts.repeats)


def as_float64(values: Array) -> HostArray:
    """``values`` (…) of any number type as float64 on the host; whole numbers beyond 2^53 may be rounded."""
    if not is_host(values) and values.is_floating_point() and values.dtype.itemsize < 4:
        values = values.float()  # numpy has no bfloat16 to receive torch's
    return asnumpy(values).astype(np.float64, copy=False)


def inexact(values: HostArray, wide: HostArray) -> HostArray | None:
    """Where ``wide``, the same as float64, is another number than ``values``, (…) bool; ``None``: nowhere."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return None
    if max(int(values.max()), -int(values.min())) <= LARGEST_WHOLE:
        return None
    edge = wide >= 2.0 ** (63 + (values.dtype.kind == "u"))  # rounded up to what the type itself does not hold
    differs: HostArray = edge | (np.where(edge, 0.0, wide).astype(values.dtype) != values)
    return differs if differs.any() else None


def _columns(values: Array, name: str) -> HostArray:
    """(N,) or (N, D) as (D, N) float64."""
    wide = as_float64(values)
    lost = inexact(asnumpy(values), wide) if is_host(values) or not values.is_floating_point() else None
    if lost is not None:
        raise InputError(f"{int(lost.sum())} {name} are whole numbers that float64 does not hold", fix="rescale them")
    if wide.size and not (wide.max() <= LARGEST_VALUE and wide.min() >= -LARGEST_VALUE):
        count = int(np.count_nonzero(~(np.abs(wide) <= LARGEST_VALUE)))
        raise InputError(f"{count} {name} are not finite, or beyond {LARGEST_VALUE:g}", fix="leave these rows out")
    return np.ascontiguousarray(wide.reshape(wide.shape[0], -1).T)


class ValueState(Metric):
    """What these states share: the number of outputs, weights, and ``take`` for rows that are checked already.

    ``rows`` counts rows of the input, ``weights`` adds up what they weigh.
    """

    rows: int
    weights: ExactSum

    def __init__(self, outputs: int = 1, *, weighted: bool = False) -> None:
        super().__init__()
        self.outputs, self.weighted = outputs, weighted
        self.add_state("rows", 0)
        self.add_state("weights", ExactSum())

    def update(self, preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Take in preds and target (N,) or (N, D); ``weight`` and ``repeats`` are one per row.

        Raises: as ``value_rows`` does.
        """
        feed((self,), value_rows(preds, target, weight, repeats, self.outputs))

    def take(self, rows: ValueRows) -> None:
        """Take in a batch that ``value_rows`` has checked."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has seen.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if self._setup() != other._setup():
            raise ValueError("states of other outputs, weighting or settings cannot merge")
        return super().merge(other)

    def _setup(self) -> tuple[Any, ...]:
        """What two states must share to be added."""
        return type(self), self.outputs, self.weighted


def feed(states: Sequence[ValueState], rows: ValueRows) -> None:
    """Give a checked batch to all ``states``, which must be of one weighting.

    Raises: ``ValueError`` for weights given to states that count rows.
    """
    if rows.weight is not None and not all(state.weighted for state in states):
        raise ValueError("weights need states with weighted=True")
    if rows.weight is None and any(state.weighted for state in states):
        rows = ValueRows(rows.preds, rows.target, np.ones(rows.preds.shape[1]), rows.repeats)
    for state in states:
        state.rows += rows.count
        if rows.weight is not None:
            state.weights.add(rows.weight, repeats=rows.repeats)
        state.take(rows)


def add_rows(total: ExactSum, values: HostArray, cells: HostArray, repeats: HostArray | None) -> None:
    """Add each row of ``values`` (K, n) to its one of ``cells`` (K,), every value as often as it is repeated."""
    if repeats is None:
        total.add_rows(values, cells)
        return
    index = np.broadcast_to(cells[:, None], values.shape).ravel()
    total.add(values.ravel(), index, np.broadcast_to(repeats, values.shape).ravel())
