"""The two states that label metrics read: counts per class, and counts per pair of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import LimitError
from evalcli.metrics.arrays import Array, asnumpy, count_cells, is_host, like, namespace
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.labels import Counts, LabelRows, LabelState, out_of_range, outside_classes, pair_cells, plus
from evalcli.metrics.sparse import SparseTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray

__all__ = ["ClassCounts", "ConfusionCounts", "Counts", "Pairs"]

_ONE_TABLE = 256
"""Up to this many classes one pass over packed (target, prediction) pairs is faster than three over classes."""


_BY_CLASS = ("tp", "support", "predicted", "answered")


class ClassCounts(LabelState):
    """Per class: rows right, of the class, predicted as the class, of the class with any prediction. Memory O(C).

    >>> state = ClassCounts(num_classes=3)
    >>> state.update(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]))
    >>> state.compute().tp
    array([1, 1, 1])
    """

    tp: Any
    support: Any
    predicted: Any
    answered: Any

    def __init__(self, num_classes: int | None = None, *, weighted: bool = False) -> None:
        super().__init__(num_classes, weighted=weighted)
        for name in _BY_CLASS:
            self.add_state(name, ExactSum(self.classes) if weighted else np.zeros(self.classes, np.int64))

    def _anchor(self) -> Array:
        return self.tp

    def _grow(self, classes: int) -> None:
        self.classes = classes
        for name in _BY_CLASS:
            state = getattr(self, name)
            if isinstance(state, ExactSum):
                state.grow(classes)
            else:
                xp = namespace(state)
                setattr(self, name, xp.concat([state, like(np.zeros(classes - state.shape[0], np.int64), state)]))

    def _count(self, batch: LabelRows) -> None:
        if self.weighted:
            self._count_weights(batch)
        elif self.classes <= _ONE_TABLE:
            self._count_pairs(batch)
        else:
            self._count_sides(batch)

    def _count_pairs(self, batch: LabelRows) -> None:
        size = self.classes * (self.classes + 1)
        cells = count_cells(pair_cells(batch.preds, batch.target, self.classes), size + 1, batch.repeats)
        table = cells[:size].reshape(self.classes, self.classes + 1)
        self.tp = plus(self.tp, table[:, 1:].diagonal())
        self.support = plus(self.support, table.sum(1))
        self.answered = plus(self.answered, table[:, 1:].sum(1))
        self.predicted = plus(self.predicted, table[:, 1:].sum(0))
        self._add_overflow(cells[size])

    def _count_sides(self, batch: LabelRows) -> None:
        xp, preds, target, repeats = namespace(batch.preds), batch.preds, batch.target, batch.repeats
        outside = xp.full_like(target, self.classes)
        if not is_host(preds) or out_of_range(preds, target, self.classes):
            bad = outside_classes(preds, target, self.classes)
            preds, target = xp.where(bad, outside, preds), xp.where(bad, outside, target)
        right = xp.where(preds == target, target, outside)
        support, answered = self._count_answered(preds, target, repeats)
        named = count_cells(xp.where(preds < 0, outside, preds), self.classes + 1, repeats)
        self.support = plus(self.support, support[:-1])
        self.answered = plus(self.answered, answered[:-1])
        self.predicted = plus(self.predicted, named[:-1])
        self.tp = plus(self.tp, count_cells(right, self.classes + 1, repeats)[:-1])
        self._add_overflow(support[-1])

    def _count_answered(self, preds: Array, target: Array, repeats: Array | None) -> tuple[Array, Array]:
        """All rows of each class, and those with a prediction (C + 1,)."""
        size = self.classes + 1
        if is_host(preds) and preds.min() >= 0:
            support = count_cells(target, size, repeats)
            return support, support
        # one table of both kinds takes no longer than one of all rows
        halves = count_cells(target + size * (preds < 0), 2 * size, repeats)
        return halves[:size] + halves[size:], halves[:size]

    def _count_weights(self, batch: LabelRows) -> None:
        preds, target, repeats, weight = self._inside(batch)
        for state, cells, rows in (
            (self.support, target, None),
            (self.answered, target, preds >= 0),
            (self.predicted, preds, preds >= 0),
            (self.tp, target, preds == target),
        ):
            kept = slice(None) if rows is None else rows
            state.add(weight[kept], cells[kept], None if repeats is None else repeats[kept])

    def class_counts(self) -> Counts:
        """Those of each class (C,), and of all.

        Raises: ``InputError`` when a label lay outside the classes.
        """
        self._refuse_overflow()
        every = [self.support, self.answered]
        if not self.weighted:
            n, n_answered = (namespace(part).asarray(part.sum()) for part in every)
            return Counts(self.tp, self.support, self.predicted, n, self.answered, n_answered)
        n, n_answered = (part.fold(np.zeros(self.classes, np.int64), 1).value()[0] for part in every)
        tp, support, predicted, answered = (getattr(self, name).value() for name in _BY_CLASS)
        return Counts(tp, support, predicted, n, answered, n_answered)


class Pairs(NamedTuple):
    """The occupied cells of a confusion matrix, by target, then prediction (−1: none): three host arrays (K,)."""

    target: HostArray
    preds: HostArray
    counts: HostArray


class ConfusionCounts(LabelState):
    """Every (target, prediction) pair: the whole matrix up to ``dense_limit`` classes, the occupied cells beyond.

    One more column takes the rows without a prediction. With open classes it turns sparse by itself when the labels go
    beyond the limit, and the result does not tell when. The sparse form lives on the host; labels of a device wait
    there until they are many.

    >>> state = ConfusionCounts(num_classes=2)
    >>> state.update(np.array([0, 1, 1, -1]), np.array([0, 0, 1, 1]))
    >>> state.matrix()
    array([[1, 1],
           [0, 1]])
    >>> state.unpredicted
    array([0, 1])
    """

    table: Any
    sparse: SparseTable

    def __init__(self, num_classes: int | None = None, *, dense_limit: int = 1024, weighted: bool = False) -> None:
        super().__init__(num_classes, weighted=weighted)
        self.dense_limit = dense_limit
        classes = self.classes if self.dense else 0
        self.add_state("table", ExactSum(classes * (classes + 1)) if weighted else _no_counts(classes))
        self.add_state("sparse", SparseTable(weighted=weighted))

    @property
    def dense(self) -> bool:
        """Whether the whole matrix is held."""
        return self.classes <= self.dense_limit

    def _anchor(self) -> Array:
        return self.table if self.dense else self.sparse.keys_held  # which are on the host

    def _grow(self, classes: int) -> None:
        before, was_dense = self.classes, self.dense
        self.classes = classes
        if self.dense and self.weighted:
            self.table = self.table.fold(_places(before, classes), classes * (classes + 1))
        elif self.dense:
            xp, grown = namespace(self.table), like(_no_counts(classes), self.table)
            grown[:before, : before + 1] = self.table
            self.table = xp.asarray(grown)
        elif was_dense:
            self._turn_sparse(before)

    def _turn_sparse(self, classes: int) -> None:
        if self.weighted:
            cells = self.table.occupied()
            self.sparse.take(_keys(cells, classes), self.table.select(cells))
            self.table = ExactSum(0)
        else:
            flat = asnumpy(self.table).reshape(-1)
            cells = np.flatnonzero(flat)
            self.sparse.take(_keys(cells, classes), flat[cells])
            self.table = like(_no_counts(0), self.table)

    def _count(self, batch: LabelRows) -> None:
        if not self.dense:
            self._count_sparse(batch)
        elif self.weighted:
            preds, target, repeats, weight = self._inside(batch)
            if len(preds):
                self.table.add(weight, pair_cells(preds, target, self.classes), repeats)
        else:
            size = self.classes * (self.classes + 1)
            counts = count_cells(pair_cells(batch.preds, batch.target, self.classes), size + 1, batch.repeats)
            self.table = plus(self.table, counts[:size].reshape(self.table.shape))
            self._add_overflow(counts[size])

    def take(self, preds: Array, target: Array, kept: Array | None = None) -> None:
        """Count labels (N,) of a device that are known to be classes, whose number is given; or those that are kept."""
        if self.weighted or not self.dense:
            outside = target if kept is None else target.masked_fill(~kept, -1)
            self.update(preds, outside)
            if kept is not None:
                self.leave_out((~kept).sum())
            return
        self._together(LabelRows(preds, target, None, None))
        self.rows = self.rows + (len(target) if kept is None else kept.sum())
        cells, size = target.long() * (self.classes + 1) + (preds.long() + 1), self.classes * (self.classes + 1)
        if kept is not None:
            cells.masked_fill_(~kept, size)
        counts = count_cells(cells, size if kept is None else size + 1)[:size]
        self.table = plus(self.table, counts.reshape(self.table.shape))

    def _count_sparse(self, batch: LabelRows) -> None:
        if not is_host(batch.preds) and batch.repeats is None:
            bad = outside_classes(batch.preds, batch.target, self.classes)
            keys = (batch.target << 32) | (batch.preds + 1)
            xp = namespace(keys)
            self.sparse.wait(xp.where(bad, xp.full_like(keys, -1), keys))
            self._add_overflow(bad.sum())
            return
        host = LabelRows(*(None if array is None else asnumpy(array) for array in batch))
        preds, target, repeats, weight = self._inside(host)
        self.sparse.add((target << 32) | (preds + 1), repeats, weight)

    def class_counts(self) -> Counts:
        """The margins of the matrix: equal to what ``ClassCounts`` gives, bit for bit.

        Raises: ``InputError`` when a label lay outside the classes.
        """
        self._refuse_overflow()
        if self.dense and not self.weighted:
            table, said = self.table, self.table[:, 1:]
            n, n_answered = (namespace(table).asarray(part.sum()) for part in (table, said))
            return Counts(said.diagonal(), table.sum(1), said.sum(0), n, said.sum(1), n_answered)
        target, preds = self._cells()
        nowhere, of_none = self.classes, preds < 0
        right = self._totals(np.where(target == preds, target, nowhere))
        named = self._totals(np.where(of_none, nowhere, preds))
        answered = self._totals(np.where(of_none, nowhere, target))
        n, n_answered = (
            np.asarray(self._totals(index)[0]) for index in (np.zeros_like(target), np.where(of_none, nowhere, 0))
        )
        return Counts(right, self._totals(target), named, n, answered, n_answered)

    def _cells(self) -> tuple[HostArray, HostArray]:
        """Target and prediction of every cell that is held, on the host."""
        if self.dense:
            target, column = np.divmod(np.arange(self.classes * (self.classes + 1)), self.classes + 1)
            return target, column - 1
        keys = self.sparse.keys()
        return keys >> 32, (keys & 0xFFFFFFFF) - 1

    def _totals(self, index: HostArray) -> HostArray:
        """The cells added up by ``index``, of which the one past the last class is dropped: (C,)."""
        size = self.classes + 1
        totals = self.table.fold(index, size).value() if self.dense else self.sparse.totals(index, size)
        return totals[:-1]

    def _amounts(self) -> Array:
        """The table (C, C + 1): unpredicted rows, then the matrix."""
        if not self.dense:
            raise LimitError(
                f"the matrix of {self.classes} classes is not held, only its occupied cells", fix="ask for the pairs"
            )
        self._refuse_overflow()
        return self.table.value().reshape(self.classes, -1) if self.weighted else self.table

    def total(self) -> int:
        """All counts together: without weights, the rows."""
        counts = asnumpy(self.table).reshape(-1) if self.dense else self.sparse.amounts()
        return sum(counts.tolist())

    def matrix(self) -> Array:
        """The matrix (C, C): rows are targets, columns predictions.

        Raises: ``InputError`` when a label lay outside the classes, ``LimitError`` when it is sparse.
        """
        return self._amounts()[:, 1:]

    @property
    def unpredicted(self) -> Array:
        """The rows without a prediction, per target class (C,)."""
        if self.dense:
            return self._amounts()[:, 0]
        target, preds = self._cells()
        return self._totals(np.where(preds < 0, target, self.classes))

    def pairs(self) -> Pairs:
        """The occupied cells.

        Raises: ``InputError`` when a label lay outside the classes.
        """
        self._refuse_overflow()
        target, preds = self._cells()
        counts = asnumpy(self._amounts()).reshape(-1) if self.dense else self.sparse.amounts()
        held = np.flatnonzero(counts)
        return Pairs(target[held], preds[held], counts[held])

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave; ``ValueError`` for anything else, or when it belongs to other classes."""
        super().load_state_dict(state)
        cells = self.classes * (self.classes + 1) if self.dense else 0
        if self.weighted:
            fits = self.table.cells == cells
        else:
            shape = (self.classes, self.classes + 1) if self.dense else (0, 1)
            fits = tuple(self.table.shape) == shape and bool((self.table >= 0).all())
        keys = self.sparse.keys()
        inside = not self.dense or not len(keys)
        if not (fits and inside and (keys >> 32 < self.classes).all() and (keys & 0xFFFFFFFF <= self.classes).all()):
            raise ValueError("the saved table is not of its classes")

    def recoded(self, index: HostArray, num_classes: int) -> Self:
        """The same counts over other classes: class ``i`` of these is class ``index[i]`` of ``num_classes``.

        ``-1`` stands for a class that the others do not have.

        Raises: ``ValueError`` when rows of such a class were counted.
        """
        self._refuse_overflow()
        target, preds = self._cells()
        counted: HostArray | ExactSum
        if not self.weighted:
            flat = asnumpy(self.table if self.dense else self.sparse.amounts()).reshape(-1)
            held = np.flatnonzero(flat)
            counted = flat[held]
        else:
            sums = self.table if self.dense else self.sparse.sums()
            held = sums.occupied()
            counted = sums.select(held)
        table = np.append(index, -1)  # its last entry, of no class, is what -1 finds
        target, found, none = table[target[held]], table[preds[held]], preds[held] < 0
        if (target < 0).any() or (~none & (found < 0)).any():
            raise ValueError("rows were counted of classes that the others do not have")
        other = type(self)(num_classes, dense_limit=self.dense_limit, weighted=self.weighted)
        other.rows = self.rows
        other.squares.merge(self.squares)
        other._place(target, found, counted)
        return other

    def _place(self, target: HostArray, preds: HostArray, amounts: HostArray | ExactSum) -> None:
        """Take over distinct cells into a fresh table."""
        keys = (target << 32) | (preds + 1)
        order = np.argsort(keys)
        if not self.dense:
            self.sparse.take(keys[order], amounts[order] if isinstance(amounts, np.ndarray) else amounts.select(order))
            return
        cells = target * (self.classes + 1) + preds + 1
        if isinstance(amounts, np.ndarray):
            table = np.zeros(self.classes * (self.classes + 1), np.int64)
            table[cells] = amounts
            self.table = table.reshape(self.classes, -1)
        else:
            self.table = amounts.fold(cells, self.classes * (self.classes + 1))

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has counted; with open classes the result has those of both.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if isinstance(other, ConfusionCounts) and other.dense_limit != self.dense_limit:
            raise ValueError("states of different dense limits cannot merge")
        return super().merge(other)


def _no_counts(classes: int) -> HostArray:
    return np.zeros((classes, classes + 1), np.int64)


def _places(before: int, after: int) -> HostArray:
    """Where the cells of a table of ``before`` classes lie in one of ``after``."""
    target, column = np.divmod(np.arange(before * (before + 1)), before + 1)
    return target * (after + 1) + column


def _keys(cells: HostArray, classes: int) -> HostArray:
    """The sparse keys of the cells of a dense table."""
    target, column = np.divmod(cells, classes + 1)
    return (target << 32) | column
