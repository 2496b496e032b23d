"""Rows of labels as they come in, and what every state that counts them shares.

Labels are integers from 0. A prediction of −1 stands for none: the row is an error of the model, counted in
``support`` and ``n``. Any other label outside the classes goes to an overflow cell, so that ``update`` need not wait
for a device, and ``compute`` refuses.

Counts are int64. With ``weighted=True`` they are sums of weights, added exactly on the host; ``n`` is then the sum of
all weights, and the number of rows stays in ``rows``.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError, LimitError
from evalcli.metrics.arrays import Array, asnumpy, fetch, is_host, like, namespace
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray

_LARGEST = (1 << 63) - 1
HEAVIEST = 1e150
"""Above this the square of a weight leaves float64."""
_TELLING = (1e-60, 1e60)
"""Between which ``Σw² / Σw`` lies: intervals take its fourth power times that of the number of rows."""
MAX_CLASSES = 1 << 24
"""Beyond this a label is no class number but a mistake."""
LARGEST_LABEL = MAX_CLASSES - 1


class Counts(NamedTuple):
    """What label formulas read: ``tp``, ``support``, ``predicted`` (…, C) and ``n`` (…), int64 or summed weights.

    ``answered`` (…, C) and ``n_answered`` (…) are those of ``support`` and ``n`` with a prediction; ``None``: all.
    """

    tp: Array
    support: Array
    predicted: Array
    n: Array
    answered: Array | None = None
    n_answered: Array | None = None

    def numpy(self) -> Counts:
        """The same counts on the host."""
        return Counts(*(None if part is None else asnumpy(part) for part in self))


def weights_tell(total: float, squares: float) -> bool:
    """Whether products of weights of the sum ``total`` and the sum of ``squares`` stay within float64.

    Only their proportions matter. A light row beside heavy ones is nothing unusual; here all are far from 1.
    """
    low, high = _TELLING
    return total > 0.0 and low <= squares / total <= high


class LabelRows(NamedTuple):
    """A checked batch: ``preds`` and ``target`` (N,) int64, ``repeats`` int64 and ``weight`` float64 or None."""

    preds: Array
    target: Array
    repeats: Array
    weight: Array


def label_rows(preds: Array, target: Array, weight: Array | None, repeats: Array | None) -> LabelRows:
    """Check a batch and bring it together where ``preds`` is; nothing is broadcast, nothing written to.

    Raises: ``InputError`` for shapes that differ, for labels that are not whole numbers and for weights that are
    no weights.
    """
    preds, target = _whole(_array(preds), "preds"), _whole(_array(target), "target")
    weight = None if weight is None else _array(weight)
    repeats = None if repeats is None else _array(repeats)
    for name, array in (("target", target), ("weight", weight), ("repeats", repeats)):
        if array is not None and tuple(array.shape) != tuple(preds.shape):
            raise InputError(
                f"preds have the shape {tuple(preds.shape)}, {name} {tuple(array.shape)}", fix="give one label per row"
            )
    if weight is not None:
        weight = _weights(asnumpy(weight))
    if repeats is not None:
        repeats = like(_whole(repeats, "repeats"), preds).reshape(-1)
    return LabelRows(preds.reshape(-1), like(target, preds).reshape(-1), repeats, weight)


def _array(values: Array) -> Array:
    """``values`` as they are when they are an array; plain lists become one."""
    return values if hasattr(values, "dtype") else np.asarray(values)


def _whole(array: Array, name: str) -> Array:
    """``array`` as int64, cast before anything is computed from it: narrow integers wrap."""
    if not is_host(array):
        return _whole_on_device(array, name)
    if array.dtype.kind == "f":
        wide = array.astype(np.float64)
        _must_be_whole(bool(((wide == np.floor(wide)) & (abs(wide) < 2.0**53)).all()), name)
    elif array.dtype.kind not in "biu":
        raise InputError(f"{name} must be integer labels, not {array.dtype}", fix="number the classes from 0")
    if array.dtype.itemsize == 8 and array.dtype.kind == "u":
        array = np.minimum(array, np.uint64(_LARGEST))  # 2^64 − 1 must not come out as −1
    return array.astype(np.int64, copy=False)


def _whole_on_device(array: Array, name: str) -> Array:
    xp = namespace(array)
    if xp.isdtype(array.dtype, "real floating"):
        _must_be_whole(bool(((array == xp.floor(array)) & (abs(array) < 2.0**53)).all()), name)
    elif array.dtype == xp.uint64:
        array = array.view(xp.int64)
        return xp.where(array < 0, _LARGEST, array)
    return xp.astype(array, xp.int64, copy=False)


def _must_be_whole(whole: bool, name: str) -> None:
    if not whole:
        what = f"{name} hold numbers that are not whole, so they are no labels"
        raise InputError(what, fix="give the class of each row, or scores to a metric of scores")


def _weights(weight: HostArray) -> HostArray:
    weight = weight.astype(np.float64, copy=False).reshape(-1)
    bad = np.flatnonzero(~((weight >= 0) & (weight <= HEAVIEST)))
    if len(bad):
        raise InputError(
            f"{len(bad)} weights are negative, not finite or huge, the first is {float(weight[bad[0]])!r}",
            fix=f"weights must lie between 0 and {HEAVIEST:g}",
        )
    return weight


def pair_cells(preds: Array, target: Array, classes: int) -> Array:
    """Each row's cell in a table of ``classes`` rows (target) and ``classes + 1`` columns (none, then prediction).

    Rows with a label outside get the cell after the last: none may fold into another.
    """
    if is_host(preds) and not out_of_range(preds, target, classes):
        cells = target * (classes + 1)
        cells += preds
        cells += 1
        return cells
    bad = outside_classes(preds, target, classes)
    return namespace(preds).where(bad, classes * (classes + 1), target * (classes + 1) + preds + 1)


def outside_classes(preds: Array, target: Array, classes: int) -> Array:
    """Which rows hold a label that is no class, (N,) bool; −1 is allowed as a prediction."""
    return (target < 0) | (target >= classes) | (preds < -1) | (preds >= classes)


def out_of_range(preds: HostArray, target: HostArray, classes: int) -> bool:
    """Whether any host row lies outside; min and max run at memory speed."""
    inside = target.min() >= 0 and target.max() < classes and preds.min() >= -1 and preds.max() < classes
    return not inside


class LabelState(Metric):
    """What the counting states share: reading a batch, growing with the labels, the overflow cell, the row count."""

    classes: int
    rows: Any
    overflow: Any
    squares: ExactSum

    def __init__(self, num_classes: int | None = None, *, weighted: bool = False) -> None:
        super().__init__()
        if num_classes is not None and not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(f"num_classes must lie between 1 and {MAX_CLASSES}, not {num_classes}")
        self.num_classes = num_classes
        self.weighted = weighted
        self.add_state("classes", num_classes or 1, reduce="max")
        self.add_state("rows", 0)
        self.add_state("overflow", 0)
        self.add_state("squares", ExactSum())

    def update(self, preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Count integer labels (N,); ``repeats`` says how many rows each stands for, all of them with its ``weight``.

        Raises: ``InputError`` for shapes that differ, labels that are not whole and weights that are no weights.
        """
        if weight is not None and not self.weighted:
            raise ValueError(f"{type(self).__name__}(weighted=True) counts weights; this one does not")
        batch = label_rows(preds, target, weight, repeats)
        if batch.preds.shape[0] == 0:
            return
        self._fit(batch)  # as long as labels lie on the host, nobody waits for a device to know the highest
        batch = self._weighed(batch) if self.weighted else self._together(batch)
        self.rows = _plus(self.rows, batch.preds.shape[0] if batch.repeats is None else batch.repeats.sum())
        self._count(batch)

    def leave_out(self, rows: Array) -> None:
        """Count so many of the ``rows`` outside of all classes neither as rows nor as an error: nobody wanted them."""
        self.rows, self.overflow = self.rows - rows, self.overflow - rows

    def _weighed(self, batch: LabelRows) -> LabelRows:
        """The batch on the host, with a weight in every row."""
        preds, target = asnumpy(batch.preds), asnumpy(batch.target)
        repeats = None if batch.repeats is None else asnumpy(batch.repeats)
        weight = np.ones(len(preds)) if batch.weight is None else batch.weight
        self.squares.add(weight * weight, repeats=repeats)
        return LabelRows(preds, target, repeats, weight)

    def _together(self, batch: LabelRows) -> LabelRows:
        """The batch where the state is. A state that is still on the host follows its first batch to the device."""
        anchor = self._anchor()
        if is_host(anchor) and not is_host(batch.preds):
            if not is_host(self.rows) or self.rows:  # of a fresh one there is nothing to move
                self.to(batch.preds.device)
            return batch
        repeats = None if batch.repeats is None else like(batch.repeats, anchor)
        return LabelRows(like(batch.preds, anchor), like(batch.target, anchor), repeats, None)

    def _anchor(self) -> Array:
        """An array that lies where the state lies."""
        raise NotImplementedError

    def _count(self, batch: LabelRows) -> None:
        """Add the batch to the counts."""
        raise NotImplementedError

    def _grow(self, classes: int) -> None:
        """Make room for ``classes`` classes."""
        raise NotImplementedError

    def _fit(self, batch: LabelRows) -> None:
        """Where the number of classes is not given, let it follow the labels (and wait for the device to know them)."""
        if self.num_classes is not None:
            return
        highest = max(int(batch.target.max()), int(batch.preds.max()))
        if highest >= MAX_CLASSES:
            raise LimitError(
                f"the label {highest} is beyond the {MAX_CLASSES} classes that can be counted",
                fix="number the classes from 0",
            )
        if highest >= self.classes:
            self._grow(highest + 1)

    @property
    def weight_squares(self) -> float:
        """``Σ w²`` over all rows, for intervals."""
        return float(self.squares) if self.weighted else float(self.rows)

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has counted; with open classes the result has those of both.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if isinstance(other, LabelState) and (self.num_classes, self.weighted) != (other.num_classes, other.weighted):
            raise ValueError("states of different classes or weighting cannot merge")
        if other.classes < self.classes:
            other = copy.deepcopy(other)
            other._grow(self.classes)
        elif other.classes > self.classes:
            self._grow(other.classes)
        return super().merge(other)

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave; ``ValueError`` when it belongs to other classes."""
        classes = state.get("classes")
        known = classes is not None and classes.shape == () and classes.dtype.kind == "i"
        if self.num_classes is not None and not (known and int(state["classes"]) == self.num_classes):
            raise ValueError(f"the saved state is not of {self.num_classes} classes")
        super().load_state_dict(state)
        if not (1 <= self.classes <= MAX_CLASSES and int(self.rows) >= 0 and int(self.overflow) >= 0):
            raise ValueError("the saved state is of no number of classes or rows")
        if self.squares.cells != 1:
            raise ValueError("the saved state has other sums")

    def _inside(self, batch: LabelRows) -> LabelRows:
        """The rows of a host batch whose labels are classes; the others go to the overflow."""
        if not out_of_range(batch.preds, batch.target, self.classes):
            return batch
        bad = outside_classes(batch.preds, batch.target, self.classes)
        self.overflow = _plus(self.overflow, bad.sum() if batch.repeats is None else batch.repeats[bad].sum())
        return LabelRows(*(None if array is None else array[~bad] for array in batch))

    def _add_overflow(self, rows: Array) -> None:
        self.overflow = _plus(self.overflow, rows)

    def _refuse_overflow(self) -> None:
        if outside := int(self.overflow):
            rows = "1 row holds" if outside == 1 else f"{outside} rows hold"
            raise InputError(
                f"{rows} a label outside the classes 0 to {self.classes - 1}",
                fix="name all classes, or leave rows out with --ignore-index",
            )

    def on_host(self) -> Self:
        """The same counts to be read on the host, brought there with one wait."""
        there = {name: value for name in self._defaults if hasattr(value := getattr(self, name), "detach")}
        if not there:
            return self
        other = copy.copy(self)
        for name, array in zip(there, fetch(*there.values()), strict=True):
            setattr(other, name, array)
        return other

    def class_counts(self) -> Counts:
        """``tp``, ``support``, ``predicted``, ``answered`` (C,), ``n`` and ``n_answered``.

        Raises: ``InputError`` when a label lay outside the classes.
        """
        raise NotImplementedError

    def compute(self) -> Counts:
        """The same as ``class_counts``."""
        return self.class_counts()


def plus(held: Array, counts: Array) -> Array:
    """The sum of two arrays of counts; where only the first is on the host there are none in it."""
    return counts if is_host(held) and not is_host(counts) else held + counts


def _plus(total: Any, rows: Any) -> Any:
    """The sum of two row counts: a plain number, unless one of them is on a device."""
    return int(total) + int(rows) if is_host(total) and is_host(rows) else total + rows
