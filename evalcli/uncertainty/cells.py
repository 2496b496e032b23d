"""The cells that intervals of counts are made from: the confusion matrix, and the joint one of two models.

Cells are kept in one order, by class, whatever order they were counted in, so that neither the drawing of samples nor
a rounded sum can depend on it. Beside its amount each cell has ``squares``, the Σw² of its rows, which is the variance
of the amount; of counted rows it is the count itself. Only classes that occur are numbered, as ``classes`` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.metrics.arrays import asnumpy, distinct
from evalcli.metrics.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.metrics.counts import Pairs
    from evalcli.uncertainty.slopes import Slope


class Margins(NamedTuple):
    """Amounts (…, C) that count formulas read; ``n`` is (…), and so is ``n_answered``.

    ``answered`` and ``n_answered`` are those of rows with a prediction; ``None``: all rows have one.
    """

    tp: HostArray
    support: HostArray
    predicted: HostArray
    n: HostArray
    answered: HostArray | None = None
    n_answered: HostArray | None = None

    @property
    def counts(self) -> Counts:
        """As formulas take them."""
        return Counts(*self)

    def and_more(self, other: Margins) -> Margins:
        """With the amounts of other rows of the same classes."""
        found = Margins(*(one + more for one, more in zip(self[:4], other[:4], strict=True)))
        if self.answered is None and other.answered is None:
            return found
        answered, n_answered = (one + more for one, more in zip(self._answered, other._answered, strict=True))
        return found._replace(answered=answered, n_answered=n_answered)

    def each(self, of: Callable[[HostArray], HostArray]) -> Margins:
        """What ``of`` makes of each of them."""
        tp, support, predicted, n, *answered = (of(part) for part in self if part is not None)
        return Margins(tp, support, predicted, n, *answered)

    @property
    def rows(self) -> float | HostArray:
        """``n`` as a number, or that of several samples (S, 1)."""
        return self.n if self.n.ndim else float(self.n)

    @property
    def _answered(self) -> tuple[HostArray, HostArray]:
        """Those of rows with a prediction."""
        if self.answered is None or self.n_answered is None:
            return self.support, self.n
        return self.answered, self.n_answered


@dataclass(frozen=True)
class Cells:
    """Rows of target class ``target`` (K,) predicted as ``preds`` (K,), −1 for none, places in ``classes`` (C,).

    >>> cells = Cells.of_matrix(np.array([[8, 2], [1, 9]]))
    >>> cells.amounts, cells.margins.tp
    (array([8., 2., 1., 9.]), array([8., 9.]))
    """

    target: HostArray
    preds: HostArray
    amounts: HostArray
    squares: HostArray
    classes: HostArray
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was made of them already, for metrics that read the same."""

    @classmethod
    def of(cls, pairs: Pairs, squares: HostArray | float | None = None) -> Cells:
        """From the occupied cells of a confusion matrix.

        ``squares`` (K,) are the Σw² of each cell. Where only Σw² of all rows is known, a number, every cell is taken to
        have the mean weight (Kish's effective sample size); without it rows are counted.
        """
        target, preds = asnumpy(pairs.target).astype(np.int64), asnumpy(pairs.preds).astype(np.int64)
        amounts = asnumpy(pairs.counts).astype(np.float64)
        held = amounts > 0
        order = np.lexsort((preds, target))
        order = order[held[order]]
        spread = _spread(amounts, squares)[order]
        target, preds, amounts = target[order], preds[order], amounts[order]
        classes = distinct(np.concatenate([target, preds[preds >= 0]]))
        places = np.searchsorted(classes, target), np.where(preds < 0, -1, np.searchsorted(classes, preds))
        return cls(*places, amounts, spread, classes)

    @classmethod
    def of_matrix(cls, matrix: Array, unpredicted: Array | None = None, squares: Array | None = None) -> Cells:
        """From a whole matrix (C, C), rows are targets, with the rows (C,) that have no prediction."""
        from evalcli.metrics.counts import Pairs

        table = asnumpy(matrix)
        target, preds = (part.reshape(-1) for part in np.indices(table.shape))
        amounts, spread = table.reshape(-1), None if squares is None else asnumpy(squares).reshape(-1)
        if unpredicted is not None:
            amounts = np.concatenate([amounts, asnumpy(unpredicted)])
            target = np.concatenate([target, np.arange(len(table))])
            preds = np.concatenate([preds, np.full(len(table), -1)])
        return cls.of(Pairs(target, preds, amounts), spread)

    @property
    def size(self) -> int:
        """How many classes occur."""
        return len(self.classes)

    @cached_property
    def n(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.amounts.sum())

    @cached_property
    def weighted(self) -> bool:
        """Whether rows weigh differently."""
        return not np.array_equal(self.amounts, self.squares)

    @cached_property
    def margins(self) -> Margins:
        """What formulas read, over the classes that occur."""
        return self.margins_of(self.amounts)

    @cached_property
    def spread(self) -> Margins:
        """The same sums of ``squares``."""
        return self.margins_of(self.squares) if self.weighted else self.margins

    @cached_property
    def kinds(self) -> tuple[HostArray, HostArray]:
        """The amounts of the kinds of rows of every class, and their variances: (4, C) or (6, C) each."""
        amounts = kinds_of(self.margins)
        return amounts, kinds_of(self.spread) if self.weighted else amounts

    def margins_of(self, amounts: HostArray) -> Margins:
        """Those of other amounts (K,) in the same cells."""
        right, of_right, named, of_named = self._places
        size = len(self.classes)
        found = Margins(
            np.bincount(of_right, amounts[right], size),
            np.bincount(self.target, amounts, size),
            np.bincount(of_named, amounts[named], size),
            total(amounts),
        )
        if len(named) == len(amounts):
            return found
        answered = np.bincount(self.target[named], amounts[named], size)
        return found._replace(answered=answered, n_answered=total(amounts[named]))

    @cached_property
    def _places(self) -> tuple[HostArray, HostArray, HostArray, HostArray]:
        """The cells of right rows and those of rows with a prediction, and of which class each is."""
        right, named = np.flatnonzero(self.target == self.preds), np.flatnonzero(self.preds >= 0)
        return right, self.target[right], named, self.preds[named]

    def sums(self, parts: HostArray) -> float | HostArray:
        """``Σ parts`` (K,) over the cells of a sample, here of one."""
        return summed(parts)

    def each(self, amount: float | HostArray) -> float | HostArray:
        """What a sample has, for each of its cells: here as it is."""
        return amount

    def influences(self, slope: Slope) -> HostArray:
        """What one more row of each cell adds (K,)."""
        return slope.at(self.target, self.preds)

    def inflated(self, factor: float) -> Cells:
        """The same amounts, of a variance that is larger by ``factor``."""
        return self if factor == 1.0 else replace(self, squares=self.squares * factor)

    def smoothed(self) -> Cells:
        """With half a row of mean weight more of each class that is wrong, any way alike: (C², and unpredicted)."""
        from evalcli.metrics.counts import Pairs

        size, weight = self.size, float(self.squares.sum()) / self.n
        target, preds = (part.reshape(-1) for part in np.indices((size, size)))
        apart = target != preds
        more = np.full(int(apart.sum()), weight / 2.0 / (size - 1.0))
        columns = ((self.target, target[apart]), (self.preds, preds[apart]), (self.amounts, more))
        target, preds, amounts = (np.concatenate(pair) for pair in columns)
        squares = np.concatenate([self.squares, more * weight])
        kinds, place = _told_apart(np.stack([target, preds]))
        sums, spread = (np.bincount(place, part, kinds.shape[1]) for part in (amounts, squares))
        return replace(Cells.of(Pairs(kinds[0], kinds[1], sums), spread), classes=self.classes)

    def place(self, index: int) -> int | None:
        """Where the class ``index`` of the whole task is among those that occur."""
        place = int(np.searchsorted(self.classes, index))
        return place if place < self.size and self.classes[place] == index else None


def kinds_of(margins: Margins) -> HostArray:
    """True positives, false negatives, false positives and true negatives of every class: (4, C).

    Where rows have no prediction two more kinds (6, C): those of the class, and those of others.
    """
    tp, support, predicted, n, answered, n_answered = margins
    if answered is None or n_answered is None:
        return np.stack([tp, support - tp, predicted - tp, n - support - predicted + tp])
    four = [tp, answered - tp, predicted - tp, n_answered - answered - predicted + tp]
    own = support - answered
    return np.stack([*four, own, n - n_answered - own])


def dot(left: HostArray, right: HostArray) -> float:
    """``Σ left·right``, added pairwise: the order in which BLAS adds depends on the number of threads."""
    return float(np.add.reduce(left * right, axis=None))


def total(amounts: HostArray) -> HostArray:
    """``Σ amounts`` (K,), an array of no axis: what ``.sum()`` comes to, which asks more first."""
    found: HostArray = np.add.reduce(amounts)
    return found


def summed(amounts: HostArray) -> float | HostArray:
    """``Σ amounts`` over the classes of a sample, a number, or of several: (S, C) to (S, 1)."""
    return along(amounts) if amounts.ndim > 1 else float(np.add.reduce(amounts))


def along(amounts: HostArray) -> HostArray:
    """``Σ amounts`` over the last axis, which stays: as ``.sum()`` would, which asks more first."""
    found: HostArray = np.add.reduce(amounts, axis=-1, keepdims=True)
    return found


def _told_apart(columns: HostArray) -> tuple[HostArray, HostArray]:
    """The columns of whole numbers that occur, in order, and which of them each is; as ``np.unique`` (``distinct``)."""
    order = np.lexsort(columns[::-1])
    rising = columns[:, order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (rising[:, 1:] != rising[:, :-1]).any(axis=0)
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(fresh) - 1
    return rising[:, fresh], place


def _spread(amounts: HostArray, squares: Array | float | None) -> HostArray:
    if squares is None:
        return amounts
    if isinstance(squares, (int, float)):
        total = amounts.sum()
        return amounts * (float(squares) / total) if total > 0 else amounts
    spread: HostArray = asnumpy(squares).astype(np.float64).reshape(-1)
    return spread


def _packed(target: HostArray, first: HostArray, second: HostArray) -> HostArray:
    """Joint cells in the order of ``JointCells``, three classes of at most 21 bits each."""
    keys: HostArray = (target << 42) | ((first + 1) << 21) | (second + 1)
    return keys


@dataclass(frozen=True)
class JointCells:
    """Rows of class ``target`` (K,) predicted as ``first`` (K,) by one model and as ``second`` (K,) by the other.

    ``one`` and ``other`` are the same cells as each model alone sees them: K of them, several of one kind.
    """

    target: HostArray
    first: HostArray
    second: HostArray
    amounts: HostArray
    squares: HostArray
    classes: HostArray

    @classmethod
    def of(
        cls, target: Array, first: Array, second: Array, amounts: Array, squares: Array | float | None = None
    ) -> JointCells:
        """From cells in any order, which may repeat."""
        columns = np.stack([asnumpy(part).astype(np.int64).reshape(-1) for part in (target, first, second)])
        rows = asnumpy(amounts).astype(np.float64).reshape(-1)
        spread = _spread(rows, squares)
        met, place = _told_apart(columns)
        totals, total_squares = (np.bincount(place, part, met.shape[1]) for part in (rows, spread))
        held = totals > 0
        met, totals, total_squares = met[:, held], totals[held], total_squares[held]
        classes = distinct(met[met >= 0])
        of, one, other = (np.where(part < 0, -1, np.searchsorted(classes, part)) for part in met)
        return cls(of, one, other, totals, total_squares, classes)

    @property
    def n(self) -> float:
        """All rows, or the sum of their weights."""
        return float(self.amounts.sum())

    @cached_property
    def sides(self) -> tuple[Cells, Cells]:
        """The cells as each model alone sees them, in the joint order."""
        return self._side(self.first), self._side(self.second)

    @cached_property
    def turned(self) -> JointCells:
        """The same with the models in each other's place."""
        order = np.argsort(_packed(self.target, self.second, self.first))
        target, first, second = self.target[order], self.second[order], self.first[order]
        return JointCells(target, first, second, self.amounts[order], self.squares[order], self.classes)

    @cached_property
    def turn(self) -> int:
        """1 or −1, which says which of the two models comes first, and 0 where nothing tells them apart."""
        one, other = (
            (_packed(cells.target, cells.first, cells.second), cells.amounts, cells.squares)
            for cells in (self, self.turned)
        )
        for mine, theirs in zip(one, other, strict=True):
            apart = np.flatnonzero(mine != theirs)
            if len(apart):
                return 1 if mine[apart[0]] < theirs[apart[0]] else -1
        return 0

    def inflated(self, factor: float) -> JointCells:
        """The same amounts, of a variance that is larger by ``factor``."""
        return self if factor == 1.0 else replace(self, squares=self.squares * factor)

    def places(self, target: HostArray, first: HostArray, second: HostArray) -> HostArray:
        """Which cell rows (N,) of these classes of the whole task are in; each is in one."""
        rows = (
            np.where(part < 0, -1, np.searchsorted(self.classes, part)).astype(np.int64)
            for part in (target, first, second)
        )
        sought, held = (_packed(*parts) for parts in (rows, (self.target, self.first, self.second)))
        found: HostArray = np.searchsorted(held, sought)
        return found

    def _side(self, preds: HostArray) -> Cells:
        return Cells(self.target, preds, self.amounts, self.squares, self.classes)

    def place(self, index: int) -> int | None:
        """Where the class ``index`` of the whole task is among those that occur."""
        return self.sides[0].place(index)
