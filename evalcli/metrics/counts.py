"""The counts that every label metric reads, and the two states that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from evalcli.metrics.arrays import Array, asnumpy
from evalcli.metrics.base import Metric


@dataclass(frozen=True, slots=True)
class Counts:
    """What label formulas read: ``tp``, ``support``, ``predicted`` (…, C) and ``n`` (…), int64 or summed weights."""

    tp: Array
    support: Array
    predicted: Array
    n: Array

    def numpy(self) -> Counts:
        """The same counts on the host."""
        return Counts(asnumpy(self.tp), asnumpy(self.support), asnumpy(self.predicted), asnumpy(self.n))


class Pairs(NamedTuple):
    """The occupied cells of a confusion matrix, by target, then prediction (−1: none): three host arrays (K,)."""

    target: Array
    preds: Array
    count: Array


class ClassCounts(Metric):
    """Per class: rows right, rows of the class, rows predicted as the class. Memory O(C)."""

    def __init__(self, num_classes: int | None = None, *, weighted: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.weighted = weighted

    @property
    def rows(self) -> int:
        """How many rows were counted, whatever their weights."""
        raise NotImplementedError

    @property
    def weight_squares(self) -> float:
        """``Σ w²`` over the rows (the row count when unweighted)."""
        raise NotImplementedError

    def update(self, preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Count a batch: integer labels (N,); ``preds == -1`` means no prediction."""
        raise NotImplementedError

    def class_counts(self) -> Counts:
        """The counts; ``InputError`` when a label lay outside the classes."""
        raise NotImplementedError

    def compute(self) -> Counts:
        """The same as ``class_counts``."""
        return self.class_counts()


class ConfusionCounts(ClassCounts):
    """Every (target, prediction) pair: dense up to ``dense_limit`` classes, sparse beyond."""

    def __init__(self, num_classes: int | None = None, *, dense_limit: int = 1024, weighted: bool = False) -> None:
        super().__init__(num_classes, weighted=weighted)
        self.dense_limit = dense_limit

    @property
    def dense(self) -> bool:
        """Whether the whole matrix is held."""
        raise NotImplementedError

    @property
    def unpredicted(self) -> Array:
        """Rows without a prediction, per target class (C,)."""
        raise NotImplementedError

    def matrix(self) -> Array:
        """The matrix (C, C): rows are targets, columns predictions."""
        raise NotImplementedError

    def pairs(self) -> Pairs:
        """The occupied cells."""
        raise NotImplementedError
