"""What groups of clusters say of a multilabel task: of each by itself, and of all rows without it.

States that merge exactly are added up anew of all groups but one; tables of ranks are never merged.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.clustergroups import without_each
from evalcli.metrics.registry import METRICS
from evalcli.multilabel.values import CountValues, ScoreValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.calibration import BinTable
    from evalcli.metrics.multilabel import LabelCounts, SampleSets
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.multilabel.scoring import LabelScores
    from evalcli.multilabel.states import MultilabelPass


class _Small(NamedTuple):
    """The states of some rows that merge at little cost."""

    counts: LabelCounts
    sets: SampleSets
    scores: LabelScores | None

    @classmethod
    def of(cls, one: MultilabelPass) -> _Small:
        """Those of a pass; its scores without their ranks."""
        scores = None
        if one.scores is not None:
            scoring = one.scores.scoring
            scores = replace(scoring, states=scoring.states - {"KeyTable"}).fresh()
            scores.absorb(one.scores)
        return cls(one.counts, one.sets, scores)


def _merged(parts: Sequence[_Small]) -> _Small:
    first = parts[0]
    scores = None if first.scores is None else first.scores.scoring.fresh()
    found = _Small(first.counts.fresh(), first.sets.fresh(), scores)
    for part in parts:
        found.counts.merge(part.counts)
        found.sets.merge(part.sets)
        if found.scores is not None and part.scores is not None:
            found.scores.absorb(part.scores)
    return found


class GroupValues:
    """What the groups of clusters say: of each by itself, and of all rows without it.

    ``whole`` are the counts of all rows: its labels are those of every mean.
    """

    def __init__(self, passes: Sequence[MultilabelPass], whole: CountValues) -> None:
        self._passes, self._whole = passes, whole

    @cached_property
    def shares(self) -> HostArray:
        """The part of all rows, or of their weight, that each group holds (J,)."""
        held = np.array([float(one.sets.compute().amount.sum()) for one in self._passes])
        shares: HostArray = held / held.sum()
        return shares

    @cached_property
    def _rests(self) -> list[tuple[CountValues, ScoreValues | None]]:
        small = [_Small.of(one) for one in self._passes]
        return [self._read(rest) for rest in without_each(small, _merged)]

    def _read(self, rest: _Small) -> tuple[CountValues, ScoreValues | None]:
        whole = self._whole
        counted = CountValues(rest.counts.compute().numpy(), rest.sets.compute(), whole.labels)
        counted.kept = whole.kept
        if rest.scores is None:
            return counted, None
        scored = ScoreValues(rest.scores, whole.labels)
        scored.support = np.asarray(counted.counts.support)
        return counted, scored

    @property
    def is_one(self) -> bool:
        """Whether nothing is left without one of them."""
        return len(self._passes) < 2 or bool(self.shares.max() >= 1.0)

    def without(self, name: MetricName) -> HostArray:
        """A metric without each group (J,), NaN where it is undefined."""
        if name.entry.needs_scores:
            return np.array([scored.value(name).value for _, scored in self._rests if scored is not None])
        return np.array([counted.value(name) for counted, _ in self._rests])

    def by_label(self, base: str) -> HostArray:
        """A metric of every label without each group (J, L), NaN where it is undefined."""
        entry = METRICS[base]
        if entry.needs_scores:
            return np.array([scored.by_label(entry).value for _, scored in self._rests if scored is not None])
        return np.array([counted.by_label(entry.formula) for counted, _ in self._rests])

    def leaves_out(self, name: MetricName) -> bool:
        """Whether a mean over labels takes one for 0 that only one group has: how sure that is nothing tells."""
        if name.entry.needs_scores or name.average not in {"macro", "weighted"}:
            return False
        known = np.isfinite(self._whole.by_label(name.entry.formula, *name.arguments))
        rests = (counted.by_label(name.entry.formula, *name.arguments) for counted, _ in self._rests)
        return any(bool(np.isnan(rest[known]).any()) for rest in rests)

    @cached_property
    def rankings(self) -> list[list[Ranking]]:
        """Those of every group, by label."""
        held = [one.scores.table.compute() for one in self._passes if one.scores is not None and one.scores.table]
        return [list(column) for column in zip(*held, strict=True)]

    @cached_property
    def pooled(self) -> list[Ranking]:
        """The cells of each group as those of one label."""
        return [one.scores.table.pooled() for one in self._passes if one.scores is not None and one.scores.table]

    @cached_property
    def bins(self) -> list[BinTable]:
        """The calibration bins (L, B) of each group."""
        states = [one.scores.calibration for one in self._passes if one.scores is not None]
        return [state.compute().bins for state in states if state is not None]
