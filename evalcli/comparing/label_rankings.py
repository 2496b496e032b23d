"""How well scores rank the rows of several labels: the difference of two models in AUROC and average precision.

Means over labels of what is read off curves have the same test, with the influences of the delta method.

A row adds to the area of each of its labels what DeLong's test gives it there, and to a mean over labels the mean of
that, so nothing is assumed about how labels or models hang together. The degrees of freedom of a mean are those of
labels whose variances are known from so many rows each (Satterthwaite). A label that both rank without a fault, or that
one row has, tells nothing of its variance: it is taken to part the models in as many rows as may have gone unseen.

Source: DeLong, DeLong and Clarke-Pearson 1988; Satterthwaite 1946, An approximate distribution of estimates of variance
components.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from math import hypot, sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.label_contrasts import Contrast, scored_of
from evalcli.uncertainty.comparison import detectable
from evalcli.uncertainty.intervals import none_of
from evalcli.uncertainty.paired import TwoMeans, TwoRankings, ranked_difference
from evalcli.uncertainty.quantiles import two_sided
from evalcli.uncertainty.rankinfluences import AREAS, RowInfluence, variance_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_rows import RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Certified, Ranking
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

_ROUNDED = 1e-9


class OfRanks(Contrast):
    """Of one label, of all cells, or as a mean over labels that have both sides."""

    @property
    def cells(self) -> int:
        """The squares of what a row adds, of means also to that of either model, and of what it adds in each label."""
        return len(self.places) + (3 if self._is_mean else 1)

    def powers(self, look: RowLook) -> HostArray:
        """What each row adds to the sums (cells, n)."""
        every = self._added(look)
        squares: HostArray = every * every
        return squares

    def moves(self, look: RowLook, powers: HostArray) -> HostArray:
        """What each row adds to the difference (n,), times its weight."""
        del powers
        moves: HostArray = self._added(look)[0]
        return moves

    def side(self, look: RowLook, at: int) -> HostArray:
        """What each row of weight 1 moves in the number of one of the two (n,)."""
        total, areas = np.zeros(look.rows), self._areas[at].value[self.places]
        support = sum(float(one.positives) for one in self._rankings[0])
        mean = (self._weights * areas).sum()
        for number, place in enumerate(self.places):
            moved = look.influence(self._influences[at][number], self.pair[at], place, pooled=self._pooled)
            total += self._weights[number] * moved * np.where(look.true[place], *self._unbiased[number])
            if self.name.average == "weighted":
                total += (areas[number] - mean) / support * look.true[place]
        return total

    def _added(self, look: RowLook) -> HostArray:
        """What each row adds to the difference, to the mean of either model, then in each label (cells, n)."""
        total, sides, parts = np.zeros(look.rows), np.zeros((2, look.rows)), []
        first, second = self._influences
        for at, place in enumerate(self.places):
            mine, theirs = (
                look.influence(one, model, place, pooled=self._pooled)
                for one, model in zip((first[at], second[at]), self.pair, strict=True)
            )
            unbiased = np.where(look.true[place], *self._unbiased[at])
            part: HostArray = self._weights[at] * (theirs - mine)
            part *= unbiased
            parts.append(part)
            if self._is_mean:
                sides += self._weights[at] * np.stack([mine, theirs]) * unbiased
            total = total + part
            if self._moved is not None:
                total = total + self._moved[at] * look.true[place]
        every = np.stack([total, *(sides if self._is_mean else ()), *parts])
        return every if look.weight is None else every * look.weight

    def difference(self, sums: Sequence[float], joint: HostArray, confidence: Confidence) -> Difference:
        """What the sums tell."""
        del joint
        variances, mean_weight = np.array(sums[-len(self.places) :]), self.numbers[0].mean_weight
        if self.name.average == "micro":
            sides = np.array([min(float(self._sides.min()), self.total) / mean_weight])
            return ranked_difference(*self.values, sums[0], float(sides[0]), confidence)
        sides = self._sides / mean_weight
        if len(self.places) == 1:
            return ranked_difference(*self.values, sums[0], float(sides[0]), confidence)
        apart = [area.value[self.places] for area in self._areas]
        still = ~(variances > 0.0) | (sides < 2.0)
        reach = np.where(still, self._weights * np.array([none_of(each, confidence.critical) for each in sides]), 0.0)
        unlike = apart[0] != apart[1]
        unseen, unproven = (
            sqrt(float((part * part).sum())) for part in (reach * (1.0 + unlike), np.where(unlike, reach, 0.0))
        )
        spread = float((variances**2 / np.maximum(sides - 1.0, 1.0)).sum())
        freedom = float(variances.sum()) ** 2 / spread if spread > 0.0 else float(sides.min()) - 1.0
        found = ranked_difference(*self.values, sums[0], freedom + 1.0, confidence)
        if not unseen > 0.0:
            return found
        value, interval = self.value, found.interval
        low, high = (value, value) if not sums[0] > 0.0 else (interval.low, interval.high)
        wide = replace(interval, low=value - hypot(value - low, unseen), high=value + hypot(high - value, unseen))
        error = hypot(sqrt(sums[0]), unproven)
        p = max(found.p, two_sided(abs(value) / error)) if error > 0.0 else found.p
        least = detectable(hypot(sqrt(sums[0]), unseen / confidence.critical), confidence)
        return replace(found, interval=wide, p=p, detectable=least)

    def reaching(
        self, known: Difference, plain: Difference, sums: Sequence[float], confidence: Confidence
    ) -> Difference:
        """Of one label as of two classes, of means as of means over classes."""
        square = sums[0]
        if not square > 0.0 or self._pooled or self.name.base not in AREAS:
            return known
        if self._is_mean:
            whole = abs(float(self._weights.sum()) - 1.0) < _ROUNDED  # no label counts that has one side only
            return self._means(sums).reaching(known, confidence, plain) if whole else known
        (place,), weight = self.places, self.numbers[0].mean_weight
        second, first = (every[place] for every in self._rankings)
        one, other = (weight * variance_of(self.name.base, each) for each in (first, second))
        scale = 2.0 * sqrt(one * other)
        together = min(max((one + other - square) / scale, -1.0), 1.0) if scale > 0.0 else 0.0
        return TwoRankings(self.name.base, (first, second), together, weight).reaching(known, confidence, plain)

    def _means(self, sums: Sequence[float]) -> TwoMeans:
        """How both rank the rows, label by label, in the order of the difference."""
        second, first = ([every[place] for place in self.places] for every in self._rankings)
        square, base, other, *_ = sums
        scale = 2.0 * sqrt(base) * sqrt(other)
        together = min(max((base + other - square) / scale, -1.0), 1.0) if scale > 0.0 else 0.0
        weights, mean_weight = self._weights.tolist(), self.numbers[0].mean_weight
        return TwoMeans(self.name.base, (first, second), weights, (other, base), together, mean_weight)

    @property
    def _is_mean(self) -> bool:
        """Whether it is a mean over labels whose far end lies half way to MOVER's."""
        return self.name.average in {"macro", "weighted"} and self.name.base in AREAS

    @cached_property
    def _pooled(self) -> bool:
        return self.name.average == "micro"

    @cached_property
    def _rankings(self) -> list[list[Ranking]]:
        return [one.rankings(pooled=self._pooled) for one in self.numbers]

    @cached_property
    def places(self) -> list[int]:
        """The labels that it is of; in one without rows of either side no model can differ from another."""
        if self.name.average in {None, "micro"}:
            return super().places
        known = np.isfinite([area.value for area in self._areas]).all(axis=0)
        return [int(place) for place in np.flatnonzero(known) if self._rankings[0][place].defined]

    @cached_property
    def _weights(self) -> HostArray:
        """What each label counts for."""
        if self._pooled:
            return np.ones(len(self.places))
        support = np.array([float(self._rankings[0][place].positives) for place in self.places])
        weights = support if self.name.average == "weighted" else np.ones(len(self.places))
        known = np.isfinite(self._areas[0].value)
        of_all = np.array([float(one.positives) for one in self._rankings[0]])[known]
        total = float(of_all.sum()) if self.name.average == "weighted" else float(np.count_nonzero(known))
        return weights / (total if self.name.average is not None else 1.0)

    @cached_property
    def _unbiased(self) -> HostArray:
        """By what influences on either side of each label are stretched (K, 2), as their squares are too small."""
        if self.name.average not in {"macro", "weighted"}:
            return np.ones((len(self.places), 2))
        every = [self._rankings[0][place] for place in self.places]
        sides = np.array([(float(one.positives), float(one.negatives)) for one in every]) / self.numbers[0].mean_weight
        return np.sqrt(np.where(sides > 1.0, sides / np.maximum(sides - 1.0, 1e-9), 1.0))

    @cached_property
    def _areas(self) -> list[Certified]:
        """The metric of every label, of either model."""
        return [scored_of(one).by_label(self.name.entry, *self.name.arguments) for one in self.numbers]

    @cached_property
    def _moved(self) -> HostArray | None:
        """What a true cell of a label adds, as weights by support are uncertain, too; ``None`` where they are not."""
        if self.name.average != "weighted":
            return None
        first, second = (area.value[self.places] for area in self._areas)
        gap = second - first
        support = sum(float(one.positives) for one in self._rankings[0])
        moved: HostArray = (gap - (self._weights * gap).sum()) / support
        return moved

    @cached_property
    def _influences(self) -> list[list[RowInfluence]]:
        """Those of every label, of either model."""
        of = partial(RowInfluence.of, self.name.base, mean_weight=self.numbers[0].mean_weight)
        if self._pooled:
            return [[of(every[0], *self.name.arguments)] * len(self.places) for every in self._rankings]
        return [[of(every[place], *self.name.arguments) for place in self.places] for every in self._rankings]

    @cached_property
    def _sides(self) -> HostArray:
        """Rows of the smaller side of each label."""
        every = [self._rankings[0][place] for place in self.places]
        return np.array([float(min(one.positives, one.negatives)) for one in every])
