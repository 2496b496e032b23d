"""The first rows on which one of two models is wholly right and the other is not, and the first cells of every label.

Both are kept as flips of classes are: rows as those of one class, cells as those of a class for each label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from evalcli.comparing.elements import elements_of, names_of
from evalcli.comparing.joint import FirstFlips
from evalcli.comparing.label_rows import LEFT_OUT

if TYPE_CHECKING:
    from evalcli.comparing.label_rows import RowLook
    from evalcli.metrics.arrays import HostArray
    from evalcli.sources.base import Batch

MISSED, IN_VAIN = -1, -2
"""A wrong answer for a label that is true, and for one that is not."""


class Sets(NamedTuple):
    """A row's name, and the labels (by number) that are true and that two models predict."""

    name: object
    true: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(slots=True)
class LabelFlips:
    """The first ``limit`` rows of every kind, and the first cells of every kind and label."""

    travels: ClassVar[tuple[str, ...]] = ("rows", "cells", "other")

    limit: int
    rows: FirstFlips
    cells: FirstFlips
    other: int = 0
    """Rows that both have wrong, in two ways."""

    @classmethod
    def of(cls, limit: int) -> LabelFlips:
        """None yet."""
        return cls(limit, FirstFlips(limit), FirstFlips(limit))

    def update(self, look: RowLook, batch: Batch, places: HostArray | None) -> None:
        """Take in the rows of a batch of two models."""
        first, second = (look.right(place) for place in (0, 1))
        apart = (look.cells[0].counted.said != look.cells[1].counted.said).any(axis=0)
        told = [np.where(right, 0, wrong) for right, wrong in ((first, -1), (second, np.where(apart, -2, -1)))]
        self.other += int(np.count_nonzero(apart & ~first & ~second))
        named = None if batch.cells is None else names_of(batch, 1, places)

        def sets(where: HostArray) -> HostArray:
            names = [None] * len(where) if named is None else named(where)
            found = np.empty(len(where), object)
            found[:] = [Sets(name, *_sets(look, row)) for name, row in zip(names, where.tolist(), strict=True)]
            return found

        zeros = np.zeros(look.rows, np.int64)
        self.rows.update(zeros, told[0], told[1], elements_of(batch, 1, places), sets)
        self._update_cells(look, batch, places)

    def _update_cells(self, look: RowLook, batch: Batch, places: HostArray | None) -> None:
        codes = look.codes((0, 1))
        row, label = np.nonzero(((codes >> 1 ^ codes >> 2) & 1).T.astype(bool) & (codes != LEFT_OUT).T)
        if not len(row):
            return
        code = codes[label, row]
        true = code & 1
        told = [np.where((code >> bit & 1) == true, label, np.where(true == 1, MISSED, IN_VAIN)) for bit in (1, 2)]
        elements = elements_of(batch, 1, places)
        names = None if batch.cells is None else names_of(batch, 1, places)
        self.cells.update(
            label,
            told[0],
            told[1],
            lambda where: elements(row[where]),
            None if names is None else lambda where: names(row[where]),
        )

    def merge(self, other: LabelFlips) -> None:
        """Take in what another worker has kept."""
        self.rows.merge(other.rows)
        self.cells.merge(other.cells)
        self.other += other.other


def _sets(look: RowLook, row: int) -> tuple[tuple[int, ...], ...]:
    masks = (look.true, *(look.cells[place].counted.said for place in (0, 1)))
    return tuple(tuple(np.flatnonzero(mask[:, row]).tolist()) for mask in masks)
