"""What each row moves in metrics of values, of two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.clusters import clusters_at
from evalcli.comparing.elements import in_common
from evalcli.comparing.influences import has_terms, terms
from evalcli.comparing.row_moves import Moved
from evalcli.evidence import Evidence
from evalcli.regression.joint import are_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.rows import Rows
    from evalcli.comparing.valued import ValueDifferences
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.values import ValueRows


class ValueMoves:
    """Of the models of a ``pair``, the reference first, from what was ``measured`` of all."""

    def __init__(self, measured: ValueDifferences, metrics: Sequence[MetricName], pair: tuple[int, int]) -> None:
        self._measured, self._metrics, self._pair = measured, metrics, pair
        self._total = measured.total_weight
        self._orders = measured.orders(metrics)

    @property
    def names(self) -> Sequence[str]:
        """The metrics (k,)."""
        return [*map(str, self._metrics)]

    def unrelated(self) -> HostArray:
        """What squares and sizes of errors have in common rests on the few largest errors, and is not believed."""
        apart = np.array([[are_apart(one, other) for other in self._metrics] for one in self._metrics])
        np.fill_diagonal(apart, [not self._is_known(name) for name in self._metrics])
        return apart

    def _is_known(self, name: MetricName) -> bool:
        return has_terms(name) or all((str(name), place) in self._orders for place in self._pair)

    def kinds(self) -> None:
        """Rows must tell."""

    def moved(self, rows: Rows) -> Moved:
        """What these rows move."""
        counted = self._measured.counted
        passes = counted.total.passes
        every = [one.prepare(batch, Evidence()) for one, batch in zip(passes, rows.batches, strict=True)]
        values, places = in_common(every)
        with np.errstate(over="ignore", under="ignore"):
            found = np.concatenate([self._of_side(place, values[place]) for place in self._pair])
        weight = values[self._pair[0]].weight
        cluster = None if counted.clusters is None else clusters_at(rows, places)
        return Moved(found if weight is None else found * weight, cluster)

    def _of_side(self, place: int, rows: ValueRows) -> HostArray:
        """What rows move in the metrics of one of the two (k, n)."""
        found = np.zeros((len(self._metrics), rows.preds.shape[1]))
        for number, name in enumerate(self._metrics):
            order = self._orders.get((str(name), place))
            if order is not None:
                found[number] = order.moves(rows)
            elif has_terms(name):
                value = self._measured.values[place][str(name)] or 0.0
                found[number] = terms(name, rows, self._measured.results[place]) - value
        return found / self._total
