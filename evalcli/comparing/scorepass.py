"""One more pass over the scores of several models, row by row: every model is looked at once, for all of its pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.comparing.apart import Apart
from evalcli.comparing.clusters import GroupSums, cluster_in
from evalcli.comparing.elements import common
from evalcli.comparing.losses import LOSSES, RowSums, loss_of
from evalcli.comparing.powers import FAR
from evalcli.evidence import Evidence
from evalcli.uncertainty.paired import PairedInfluence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.classification.prepare import Prepare
    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.looks import ScoreLook
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows
    from evalcli.metrics.registry import MetricName
    from evalcli.task import Task

    Pair = tuple[int, int]


class _Rows(NamedTuple):
    """What the rows (N,) of a batch weigh, and the groups of their clusters."""

    weight: HostArray | None
    groups: HostArray | None


@dataclass(slots=True)
class PairSums:
    """How the rows of two models differ in metrics, of which the second less the first has these ``gaps``."""

    travels = ("influences", "losses", "clusters")

    names: Sequence[MetricName]
    gaps: Sequence[float]
    influences: dict[str, PairedInfluence]
    losses: dict[str, RowSums]
    clusters: GroupSums | None

    @classmethod
    def empty(cls, counted: Counted, names: Sequence[MetricName], gaps: Sequence[float]) -> PairSums:
        """No rows yet."""
        influences = {str(name): PairedInfluence() for name in names if name.base not in LOSSES}
        losses = {str(name): RowSums() for name in names if name.base in LOSSES}
        clusters = None if counted.clusters is None else GroupSums(counted.clusters, len(names))
        return cls(names, gaps, influences, losses, clusters)

    def add_influence(self, name: str, moved: Sequence[HostArray], rows: _Rows) -> None:
        """Take in how rows (N,) move a metric of either model."""
        weight = rows.weight
        self.influences[name].update(*(each if weight is None else each * weight for each in moved))
        if self.clusters is not None:
            self._add_terms(name, moved[1] - moved[0], rows)

    def add_losses(self, first: ProbabilityRows, second: ProbabilityRows, rows: _Rows) -> None:
        """Take in what rows (N,) lose by either model."""
        for metric in self.names:
            name = str(metric)
            if name in self.losses:
                with np.errstate(invalid="ignore"):
                    terms = loss_of(metric, second) - loss_of(metric, first)
                    self.losses[name].update(terms, rows.weight)
                    self._add_terms(name, terms, rows)

    def _add_terms(self, name: str, terms: HostArray, rows: _Rows) -> None:
        """Take in what the rows (N,) of clusters add to the difference in a metric."""
        if self.clusters is None or rows.groups is None:
            return
        number = [*map(str, self.names)].index(name)
        if name in self.losses:
            terms = np.where(np.abs(terms) < FAR, terms, 0.0) - self.gaps[number]
        self.clusters.update(number, terms if rows.weight is None else terms * rows.weight, rows.groups)

    def merge(self, other: PairSums) -> None:
        """Take in what another worker has gathered."""
        for name, state in self.influences.items():
            state.merge(other.influences[name])
        for name, sums in self.losses.items():
            sums.merge(other.losses[name])
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)


@dataclass(slots=True)
class ScorePass(Apart):
    """What one worker gathers: ``looks`` are at each model, with all metrics that any of its ``pairs`` asks for."""

    travels = ("pairs",)

    plans: Sequence[tuple[Prepare, Task]]
    looks: Mapping[int, ScoreLook]
    pairs: dict[Pair, PairSums]
    clusters: KnownClusters | None

    @classmethod
    def empty(
        cls, counted: Counted, looks: Mapping[int, ScoreLook], asked: Mapping[Pair, Sequence[tuple[MetricName, float]]]
    ) -> ScorePass:
        """No rows yet; ``asked`` are the metrics of each pair, and how far they differ."""
        pairs = {}
        for pair, told in asked.items():
            names, gaps = zip(*told, strict=True)
            pairs[pair] = PairSums.empty(counted, names, gaps)
        plans = [(one.prepare.again_for_scores(one.evidence), one.task) for one in counted.total.passes]
        return cls(plans, looks, pairs, counted.clusters)

    def add(self, rows: Rows) -> bool:
        """Look at the rows of all models."""
        every = [
            prepare(batch, task, Evidence()) for (prepare, task), batch in zip(self.plans, rows.batches, strict=True)
        ]
        labels, _ = common(every)
        if not len(labels[0].target):
            return True
        groups = None if self.clusters is None else self.clusters.group_of(cluster_in(labels))
        here = _Rows(labels[0].weight, groups)
        told = {i: look.rows(labels[i]) for i, look in self.looks.items()}
        self._add_ranks(told, here)
        self._add_seen(told, here)
        return True

    def _add_ranks(self, told: Mapping[int, tuple[HostArray, HostArray]], rows: _Rows) -> None:
        """Take in what rows do to metrics of ranks."""
        names = {i: look.of_ranks for i, look in self.looks.items() if look.of_ranks}
        if not names:
            return
        first = next(iter(names))
        sides = self.looks[first].order_of(told[first][1])
        ranked = {i: self.looks[i].looked_up(told[i][0], *sides) for i in names}
        for name in dict.fromkeys(name for each in names.values() for name in each):
            moved = {i: self.looks[i].influence(name, at) for i, at in ranked.items() if name in names[i]}
            self._add_influence(name, moved, rows)

    def _add_seen(self, told: Mapping[int, tuple[HostArray, HostArray]], rows: _Rows) -> None:
        """Take in what rows do to metrics of what is seen of them, and what they lose."""
        lost = {i for pair, sums in self.pairs.items() if sums.losses for i in pair}
        seen = {i: look.seen_rows(*told[i]) for i, look in self.looks.items() if i in lost or look.seen}
        for name in dict.fromkeys(name for look in self.looks.values() for name in look.seen):
            self._add_influence(name, {i: moved[name] for i, (_, moved) in seen.items() if name in moved}, rows)
        for (first, second), sums in self.pairs.items():
            if sums.losses:
                sums.add_losses(seen[first][0], seen[second][0], rows)

    def _add_influence(self, name: str, moved: Mapping[int, HostArray], rows: _Rows) -> None:
        """Take in how rows (N,) move a metric of each model."""
        for pair, sums in self.pairs.items():
            if name in sums.influences:
                sums.add_influence(name, [moved[i] for i in pair], rows)

    def merge(self, other: ScorePass) -> None:
        """Take in what another worker has gathered."""
        for pair, sums in self.pairs.items():
            sums.merge(other.pairs[pair])
