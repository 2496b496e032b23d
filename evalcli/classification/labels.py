"""Rows of a classification that are ready to be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.arrays import joined, picked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import Array

MISSING = -1
"""The code of a prediction that does not exist; it counts as an error of the model."""


class Labels(NamedTuple):
    """Rows ready to be counted, all ``(n,)``: labels on both sides, weights and multiplicities where there are any.

    ``scores`` are those of the same rows, ``(n,)`` or ``(n, C)`` in class order, where they were asked for; ``places``
    are theirs among the elements of the batch, where that was asked for and some do not count.
    """

    preds: Array
    target: Array
    weight: Array | None
    repeats: Array | None
    scores: Array | None = None
    places: Array | None = None
    groups: Array | None = None
    """The slices of each row, (n, S)."""
    cluster: Array | None = None
    """The number of the cluster of each row."""
    kept: Array | None = None
    """Which rows count at all, where that is only known on a device."""

    def pick(self, rows: Array | slice) -> Labels:
        """Some of the rows."""
        return Labels(*(None if part is None else picked(part, rows) for part in self))

    def narrow(self, classes: int) -> Labels:
        """What scores are counted with, in few bytes: of a prediction whether there is one, of ``classes`` a number."""
        told = np.negative((self.preds == MISSING).view(np.int8))
        target = self.target.astype(np.min_scalar_type(classes - 1))
        return Labels(told, target, self.weight, self.repeats, self.scores)

    @property
    def arrays(self) -> tuple[Array | None, ...]:
        """All that is held of the rows."""
        return tuple(self)

    def joined(self, others: Sequence[Labels]) -> Labels:
        """These rows and, behind them, ``others`` that hold the same arrays."""
        return Labels(*map(joined, zip(self, *others, strict=True)))

    @property
    def length(self) -> int:
        """How many rows these are, however often each counts."""
        return len(self.target)
