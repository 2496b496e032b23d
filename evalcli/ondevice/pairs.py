"""Weights of rows by their pair of labels, added on a device: what ``ConfusionCounts`` of weights take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from evalcli.ondevice.parts import MOST_CELLS, CountsThere, WeightsThere
from evalcli.ondevice.rows import RowsThere
from evalcli.ondevice.sums import WIDTH, SumsThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.classification.labels import Labels
    from evalcli.metrics.arrays import Array
    from evalcli.metrics.counts import ConfusionCounts


class PairsThere:
    """The rows of each of many groups, and exact sums of their weights, by pair, and of the squares of these."""

    def __init__(self, classes: int, device: Any, groups: int = 1) -> None:
        self.classes, self.groups = classes, groups
        self._rows = CountsThere(1, device, groups)
        self._weights = WeightsThere(classes * (classes + 1), device, groups)
        self._squares = SumsThere(groups, device)

    @staticmethod
    def suits(classes: int, groups: int = 1) -> bool:
        """Whether the sums of so many groups are few enough."""
        return groups * classes * (classes + 1) * WIDTH <= MOST_CELLS

    def take(self, labels: Labels, codes: Array | None = None) -> None:
        """Add rows of a device, whose labels are classes, each to the group of its code (n,), −1: to none."""
        with torch.inference_mode():
            rows = RowsThere(labels.target.long())
            weight: Array = labels.weight
            rows.kept, rows.weight = labels.kept, weight
            if codes is not None:
                rows.group, rows.kept = codes, codes >= 0 if rows.kept is None else rows.kept & (codes >= 0)
            self._rows.add(torch.zeros_like(rows.target), rows)
            self._weights.add(rows.target * (self.classes + 1) + labels.preds.long() + 1, rows)
            self._squares.add(rows.only(weight.square()), rows.place)

    def settle(self, counts_of: Callable[[int], ConfusionCounts]) -> None:
        """Let the counts of each group that has rows take its own over; nothing is left."""
        with torch.inference_mode():
            rows = self._rows.taken()[:, 0].tolist()
            if not any(rows):
                return
            states = [counts_of(group) if many else None for group, many in enumerate(rows)]
            self._weights.into_each(states, "table")
            self._squares.into_each([None if state is None else state.squares for state in states])
        for many, state in zip(rows, states, strict=True):
            if state is not None:
                state.rows += many
