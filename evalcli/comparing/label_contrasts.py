"""What each row adds to the difference of two models in a metric of several labels a row, and what follows from it.

The terms of a row are the derivative of the metric by the weight of the row: the delta method, with the covariance of
labels and of models in it. Here are those that are means over rows; ratios of sums have theirs in ``label_ratios``,
what is ranked in ``label_rankings``.

Source: Hampel 1974, The influence curve and its role in robust estimation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evalcli.comparing.label_rows import MEASURES
from evalcli.comparing.pairtests import difference_of
from evalcli.comparing.powers import MOMENTS, last_powers, moments_of, powers
from evalcli.metrics.multilabel import of_samples
from evalcli.metrics.registry import class_index
from evalcli.uncertainty.intervals import none_of
from evalcli.uncertainty.losses import doubts, least_wrong, tells_cost
from evalcli.uncertainty.means import WORST_LOSS
from evalcli.uncertainty.pairedlosses import UnseenLosses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.comparing.label_rows import LabelNumbers, RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.multilabel.values import ScoreValues
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

_DOUBTS = 3
"""Sums of what a model may have wrong."""


@dataclass(frozen=True)
class Contrast(ABC):
    """The second model of a ``pair`` less the first, in one metric; ``numbers`` are those of the two.

    ``joint`` (L, 9) is filled once all rows were seen: the weight of each label's cells by their code.
    """

    name: MetricName
    pair: tuple[int, int]
    numbers: tuple[LabelNumbers, LabelNumbers]

    sets: ClassVar[int] = 0
    """How many sets of terms its sums begin with: without weights rows add only their last powers."""

    @cached_property
    def values(self) -> tuple[float, float]:
        """The metric of the second model and of the first."""
        first, second = (float(one.value(self.name).value) for one in self.numbers)
        return second, first

    @property
    def value(self) -> float:
        """Their difference."""
        return self.values[0] - self.values[1]

    @property
    @abstractmethod
    def cells(self) -> int:
        """How many sums it takes."""

    @abstractmethod
    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n), without weights to those of ``last_places``."""

    def moves(self, look: RowLook, powers: HostArray) -> HostArray:
        """What each row adds to the difference (n,), less the difference itself, times its weight."""
        del look
        moves: HostArray = powers[1]
        return moves

    @abstractmethod
    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""

    @abstractmethod
    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""

    def found(
        self,
        sums: Sequence[float],
        joint: HostArray,
        confidence: Confidence,
        clustered: Callable[..., Difference] | None = None,
    ) -> Difference:
        """The same, within what the metric can be; where ranks are only certain within bounds, beyond these.

        ``clustered`` makes it that of whole clusters.
        """
        plain = self.difference(sums, joint, confidence)
        known = self.reaching(plain if clustered is None else clustered(plain), plain, sums, confidence)
        first, second = (one.value(self.name) for one in self.numbers)
        below = float((second.value - second.low) + (first.high - first.value))
        above = float((second.high - second.value) + (first.value - first.low))
        wide = replace(known.interval, low=known.interval.low - below, high=known.interval.high + above)
        return replace(known, interval=wide.holding(self.value, -self.span, self.span))

    def reaching(
        self, known: Difference, plain: Difference, sums: Sequence[float], confidence: Confidence
    ) -> Difference:
        """As far as what is ``known`` does, which of independent rows is ``plain``, by their ``sums``."""
        del plain, sums, confidence
        return known

    @property
    def span(self) -> float:
        """How far apart two models can be."""
        if self.name.base == "coverage_error":
            return float(len(self.numbers[0].counted.labels))
        return inf if self.name.base == "log_loss" else 1.0

    @property
    def total(self) -> float:
        """All rows, or the sum of their weights."""
        return self.numbers[0].total

    @cached_property
    def places(self) -> list[int]:
        """The labels that it is of."""
        labels = self.numbers[0].counted.labels
        return [*range(len(labels))] if self.name.label is None else [class_index(self.name, None, labels)]


class Mean(Contrast):
    """What is a mean of terms over rows: one set of them."""

    sets = 1

    @property
    def cells(self) -> int:
        """How many sums it takes."""
        return MOMENTS

    def off(self, look: RowLook) -> HostArray:
        """The terms of each row (n,) less the difference."""
        raise NotImplementedError

    def weight(self, look: RowLook) -> HostArray | None:
        """What each row counts for."""
        return look.weight

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        if look.weight is None:
            return last_powers(self.off(look), self.weight(look))
        return powers(self.off(look), self.weight(look))

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        scale = WORST_LOSS if self.name.base == "log_loss" else min(self.span, 1e300)
        moments = moments_of(sums)
        return difference_of(*self.values, moments, 1.0, confidence, unseen=scale)


class OfRows(Mean):
    """A metric that each row has by itself: of its label sets, or of how its labels are ranked."""

    def off(self, look: RowLook) -> HostArray:
        """The terms of each row (n,) less the difference."""
        first, second = (self._of(look, place) for place in self.pair)
        found: HostArray = (second - first) - self.value
        return found

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        found: HostArray = (self._of(look, self.pair[at]) - self.values[1 - at]) / self.total
        return found

    def _of(self, look: RowLook, place: int) -> HostArray:
        if self.name.base in MEASURES:
            return look.measure(self.name.base, place)
        return of_samples(self.name.entry.formula, look.sizes(place).sets, *self.name.arguments)


class OfLosses(Mean):
    """A mean loss of the cells of one label, or of every label and then over labels."""

    def off(self, look: RowLook) -> HostArray:
        """The terms of each row (n,) less the difference."""
        every = [look.losses(self.name.base, place) for place in self.pair]
        total = np.zeros(look.rows)
        own, n = self._own, self.numbers[0].margins.n
        for label in self.places:
            gap = (every[1][label] - every[0][label]) - own[label]
            if look.kept is not None:
                gap = np.where(look.kept[label], gap, 0.0)
            total += gap * (self.total / n[label] if self.name.label is None else 1.0)
        return total / len(self.places)

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        losses, total = look.losses(self.name.base, self.pair[at]), np.zeros(look.rows)
        own, n = scored_of(self.numbers[at]).by_label(self.name.entry).value, self.numbers[at].margins.n
        for label in self.places:
            off = (losses[label] - own[label]) / n[label]
            total += off if look.kept is None else np.where(look.kept[label], off, 0.0)
        return total / len(self.places)

    def weight(self, look: RowLook) -> HostArray | None:
        """What each row counts for."""
        if self.name.label is None or look.kept is None:
            return look.weight
        kept: HostArray = look.kept[self.places[0]].astype(np.float64)
        return kept if look.weight is None else kept * look.weight

    def found(
        self,
        sums: Sequence[float],
        joint: HostArray,
        confidence: Confidence,
        clustered: Callable[..., Difference] | None = None,
    ) -> Difference:
        """The same, with what wrong cells may add that were not seen: of independent rows, or of whole clusters."""
        asked = partial(self._unseen, sums[MOMENTS:])
        if clustered is not None:
            return super().found(sums, joint, confidence, partial(clustered, unseen=asked))
        moments = moments_of(sums[:MOMENTS])
        unseen = asked(moments.rows, none_of(moments.rows, confidence.critical))
        allowed = partial(unseen.allowed, moments=moments, confidence=confidence, span=self.span)
        return super().found(sums, joint, confidence, allowed)

    @property
    def cells(self) -> int:
        """How many sums it takes."""
        return MOMENTS + 2 * _DOUBTS

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        return np.concatenate([super().powers(look), *(self._doubts(look, place) for place in self.pair)])

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        return super().difference(sums[:MOMENTS], joint, confidence)

    def _doubts(self, look: RowLook, place: int) -> HostArray:
        """Of each row (3, n): cells that a model has wrong, its doubts about others, and these times their cost."""
        found, losses = np.zeros((_DOUBTS, look.rows)), look.losses(self.name.base, place)
        for label in self.places:
            doubt, cost = doubts(losses[label], self.span)
            found[0] += losses[label] >= least_wrong(self.span)
            found[1] += doubt
            found[2] += doubt * cost
        return found if look.weight is None else found * look.weight

    def _unseen(self, sums: Sequence[float], told: float, share: float) -> UnseenLosses:
        """What wrong cells of the second model, and of the first, would add to a row that were not seen.

        So many rows of equal weight, or clusters, ``told`` it. Each model is taken to be as sure as it should be: the
        temperature at which it would expect a ``share`` of such rows is not looked for, as no cell's score is kept.
        """
        del share
        costs = []
        for wrong, doubt, cost in (sums[:_DOUBTS], sums[_DOUBTS:]):
            each = cost / doubt if doubt > 0.0 else min(self.span, WORST_LOSS)
            known = tells_cost(wrong, self.total / told, self.span)
            costs.append(0.0 if known else each / len(self.places))
        return UnseenLosses(costs[1], costs[0])

    @cached_property
    def _own(self) -> HostArray:
        """The difference in every label (L,)."""
        first, second = (scored_of(one).by_label(self.name.entry).value for one in self.numbers)
        gap: HostArray = second - first
        return gap


class OfEither(Contrast):
    """What is known of the number of either model, and, from what rows do to both, of how far these go together."""

    @abstractmethod
    def influence(self, look: RowLook, at: int) -> HostArray:
        """What each row adds in each label to the number of one of the two (K, n)."""

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        return over_labels(self.influence(look, at))

    def added(self, look: RowLook) -> list[HostArray]:
        """The same of both, times the weight of the row."""
        found = [self.influence(look, at) for at in range(2)]
        return found if look.weight is None else [each * look.weight for each in found]

    def moves(self, look: RowLook, powers: HostArray) -> HostArray:
        """What each row adds to the difference (n,), times its weight."""
        del powers
        first, second = map(over_labels, self.added(look))
        return second - first


def over_labels(every: HostArray) -> HostArray:
    """The sum over labels (n,) of what rows have in each (K, n), label by label: of one row NumPy's differs."""
    total = np.zeros(every.shape[1])
    for of_label in every:
        total += of_label
    return total


def scored_of(numbers: LabelNumbers) -> ScoreValues:
    """What its scores say."""
    assert numbers.scored is not None
    return numbers.scored
