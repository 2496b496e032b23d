"""What each row moves in metrics of classes, of counts and of scores alike, of two models."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.clusters import cluster_in
from evalcli.comparing.elements import common
from evalcli.comparing.looks import ScoreLook
from evalcli.comparing.losses import LOSSES, loss_of
from evalcli.comparing.row_moves import Kinds, Moved, losses_apart
from evalcli.evidence import Evidence
from evalcli.uncertainty.cells import JointCells
from evalcli.uncertainty.measures import ALL, measure, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.labels import Labels
    from evalcli.classification.numbers import Numbers
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.slopes import Slope


class ClassMoves:
    """Of the models of a ``pair``, the reference first, from what was ``counted`` of all.

    ``classes`` are all of them by number, and how many macro means run over where these are not those that occur.
    """

    def __init__(
        self,
        counted: Counted,
        numbers: Sequence[Numbers],
        metrics: Sequence[MetricName],
        pair: tuple[int, int],
        classes: tuple[Sequence[str], int | None],
    ) -> None:
        self._counted, self._metrics, self._pair = counted, metrics, pair
        self._numbers = [numbers[place] for place in pair]
        self._classes, self._declared = classes

    @property
    def names(self) -> Sequence[str]:
        """The metrics (k,)."""
        return [*map(str, self._metrics)]

    def unrelated(self) -> HostArray:
        """Which of the metrics (k, k) are not known to go together."""
        return losses_apart(self._metrics)

    def moved(self, rows: Rows) -> Moved:
        """What these rows move."""
        passes = self._counted.total.passes
        every = [one.prepare(batch, one.task, Evidence()) for one, batch in zip(passes, rows.batches, strict=True)]
        labels, _ = common(every)
        found = np.concatenate([self._of_side(side, labels[place]) for side, place in enumerate(self._pair)])
        weight = labels[self._pair[0]].weight
        cluster = None if self._counted.clusters is None else cluster_in(labels)
        return Moved(found if weight is None else found * weight, cluster)

    def kinds(self) -> Kinds | None:
        """The joint cells, where all metrics are of counts, and rows are independent."""
        if self._counted.clusters is not None or any(name.entry.needs_scores for name in self._metrics):
            return None
        cells = self._cells
        moves = [
            slopes[str(name)].at(side.target, side.preds)
            for slopes, side in zip(self._slopes, cells.sides, strict=True)
            for name in self._metrics
        ]
        return Kinds(np.stack(moves), cells.squares, cells.amounts * cells.amounts / cells.squares)

    def _of_side(self, side: int, labels: Labels) -> HostArray:
        """What rows move in the metrics of one of the two (k, n)."""
        found = np.zeros((len(self._metrics), len(labels.target)))
        if not found.shape[1]:
            return found
        target, preds = (np.asarray(part, np.int64) for part in (labels.target, labels.preds))
        places = np.searchsorted(self._cells.classes, target)
        said = np.where(preds < 0, -1, np.searchsorted(self._cells.classes, preds))
        scores = self._of_scores(side, labels)
        for number, name in enumerate(self._metrics):
            if name.entry.needs_scores:
                found[number] = scores[str(name)]
            else:
                found[number] = self._slopes[side][str(name)].at(places, said)
        return found

    def _of_scores(self, side: int, labels: Labels) -> dict[str, HostArray]:
        """Those of scores, by name."""
        scored = [name for name in self._metrics if name.entry.needs_scores]
        if not scored:
            return {}
        look, numbers = self._looks[side], self._numbers[side]
        rows = look.rows(labels)
        found: dict[str, HostArray] = {}
        of_ranks = look.of_ranks
        if of_ranks:
            ranked = look.looked_up(rows[0], *look.order_of(rows[1]))
            found |= {name: look.influence(name, ranked) for name in of_ranks}
        losses = [name for name in scored if name.base in LOSSES]
        if losses or look.seen:
            seen, moved = look.seen_rows(*rows)
            found |= moved
            for name in losses:
                found[str(name)] = (loss_of(name, seen) - float(numbers.value(name).value or 0.0)) / numbers.total
        return found

    @cached_property
    def _cells(self) -> JointCells:
        """The joint cells, the reference first."""
        pair = (min(self._pair), max(self._pair))
        cells = self._counted.total.tables[pair].cells()
        sides = (cells.first, cells.second) if pair == self._pair else (cells.second, cells.first)
        return JointCells.of(cells.target, *sides, cells.amounts, cells.squares)

    @cached_property
    def _slopes(self) -> list[dict[str, Slope]]:
        """Those of metrics of counts, of either."""
        positive = self._counted.tasks[0].positive
        counted = [name for name in self._metrics if not name.entry.needs_scores]
        found = []
        for cells in self._cells.sides:
            places = {str(name): place_of(name, cells, positive, self._classes) for name in counted}
            measures = {
                str(name): measure(name, cells, declared=self._declared, place=ALL if place is None else place)
                for name, place in zip(counted, places.values(), strict=True)
            }
            found.append({name: one.slope(cells.margins) for name, one in measures.items()})
        return found

    @cached_property
    def _looks(self) -> list[ScoreLook]:
        """How the scores of either are looked at."""
        names = [name for name in self._metrics if name.entry.needs_scores and name.base not in LOSSES]
        found = []
        for one in self._numbers:
            assert one.scores is not None
            found.append(ScoreLook.of(names, one.scores, one.weight_squares / one.total))
        return found
