"""Which values of a batch are off, and by how much: what looks for the errors of a regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalcli.evidence import Evidence
from evalcli.shortlist import Found, Picked, numbers_of

if TYPE_CHECKING:
    from evalcli.regression.prepare import Prepare
    from evalcli.sources.base import Array, Batch


@dataclass(frozen=True, slots=True)
class Errors:
    """Finds values of some ``outputs`` (K,) that are not exact; the measures are the error, and its size relative to
    the target's, NaN where the target is 0.

    The largest error has the lowest rank; ranked by ``relative`` size, those without one come last.
    """

    prepare: Prepare
    outputs: Array
    relative: bool = False

    def __call__(self, batch: Batch) -> Found:
        """The values of a batch that are off, row by row, and in a row output by output."""
        rows = self.prepare(batch, Evidence())
        preds, target = (side[self.outputs].T.ravel() for side in (rows.preds, rows.target))
        where = np.flatnonzero(preds != target)
        preds, target = preds[where], target[where]
        error = preds - target
        size = np.abs(error)
        relative = np.full(len(size), np.nan)
        with np.errstate(over="ignore"):
            np.divide(size, np.abs(target), out=relative, where=target != 0)
        row, output = np.divmod(where, len(self.outputs))
        places = row if rows.places is None else rows.places[row]
        weight = None if rows.weight is None else rows.weight[row]
        sides = numbers_of(batch, places), self.outputs[output], target, preds
        by_size = (-size, np.zeros(len(size)))
        by_share = (np.where(np.isnan(relative), np.inf, -relative), -size)
        return Found(by_share if self.relative else by_size, Picked(*sides, (error, relative), weight), places)
