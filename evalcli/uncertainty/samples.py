"""Samples side by side: what moves a metric of counts takes longer to ask for than to compute.

Samples go together that have as many classes, each with some rows of it and some that are called so: then none is left
out of the mean of one sample and is in that of another. Their margins have one axis more. Their cells lie one after
the other, those of each sample behind a cell of no rows, for a sum starts from nothing where there is one sample, too:
what is found of each is what it gives alone, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.uncertainty.cells import Cells, Margins
from evalcli.uncertainty.fewrows import spared
from evalcli.uncertainty.slopes import MeanOfRatios, Slope, influence_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Interval
    from evalcli.uncertainty.slopes import Measure

LEAST_ROWS = 2.0
"""Of each class, and called so: one row tells no share, and others stand in for it (``spared``, ``untold``)."""


class Moved(NamedTuple):
    """By how much a metric is too high on average, the variance that influences give, and the one that it has."""

    bias: float
    plain: float
    variance: float


class Beside(Protocol):
    """What was found of a sample beside others; ``None`` where it is looked at by itself."""

    def moved(self, name: MetricName) -> Moved | None:
        """What moves a metric of all classes."""

    def micro(self, name: MetricName) -> Interval | None:
        """The interval of a micro average."""


def suits(cells: Cells) -> bool:
    """Whether a sample may lie beside others: its rows count alike, all have a prediction, and no class has few."""
    margins = cells.margins
    if cells.weighted or margins.answered is not None or cells.size < 2:
        return False
    return bool(min(margins.support.min(), margins.predicted.min()) >= LEAST_ROWS)


@dataclass(frozen=True)
class Samples(Cells):
    """Cells of samples (S) of as many classes (C) each: ``target`` and ``preds`` are places in all of them (S·C).

    ``heads`` (S,) are the cells of no rows.
    """

    heads: HostArray

    @classmethod
    def beside(cls, every: Sequence[Cells]) -> Samples:
        """Of ``every`` sample that ``suits``, all of one size."""
        lengths = np.array([len(one.amounts) for one in every])
        starts, first = np.cumsum(lengths) - lengths, np.arange(len(every)) * every[0].size
        target, preds = (
            np.insert(np.concatenate(side) + np.repeat(first, lengths), starts, first)
            for side in zip(*((one.target, one.preds) for one in every), strict=True)
        )
        amounts = np.insert(np.concatenate([one.amounts for one in every]), starts, 0.0)
        return cls(target, preds, amounts, amounts, every[0].classes, starts + np.arange(len(every)))

    @cached_property
    def margins(self) -> Margins:
        """What formulas read (S, C), and n (S, 1)."""
        shape = len(self.heads), self.size
        right = np.where(self.target == self.preds, self.amounts, 0.0)
        tp, support, predicted = (
            np.bincount(places, amounts, shape[0] * shape[1]).reshape(shape)
            for places, amounts in ((self.target, right), (self.target, self.amounts), (self.preds, self.amounts))
        )
        return Margins(tp, support, predicted, self.sums(self.amounts))

    def sums(self, parts: HostArray) -> HostArray:
        """``Σ parts`` over the cells of every sample (S, 1)."""
        return np.add.reduceat(parts, self.heads)[:, None]

    def each(self, amount: float | HostArray) -> HostArray:
        """What every sample has (S, 1), for each of its cells."""
        return np.repeat(np.asarray(amount)[:, 0], np.diff(self.heads, append=len(self.amounts)))

    def influences(self, slope: Slope) -> HostArray:
        """What one more row of each cell adds in its sample."""
        by_class = (part.reshape(-1) for part in (slope.tp, slope.support, slope.predicted))
        return Slope(slope.value, self.each(slope.n), *by_class).at(self.target, self.preds)


def moved(of: Measure, samples: Samples) -> HostArray:
    """What moves a metric of all classes in each of them: (S, 3), as ``Moved`` has it."""
    errors = np.sqrt(samples.squares) * influence_of(of, samples)
    plain = samples.sums(errors * errors)
    variance = plain
    if isinstance(of, MeanOfRatios) and of.weights is not None:
        variance = plain * spared(of.ratio, of.weights, samples)
    found = np.concatenate([of.bias(samples), plain, variance], axis=1)
    samples.known.clear()  # of thousands of samples it is more than they are
    return found
