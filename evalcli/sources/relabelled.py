"""A share of the rows as some of the whole: under all labels, slices and row numbers, also where there are no rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evalcli.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.sources.base import Array, Batch, Field, InputFile, Note, Scanned, Slicer
    from evalcli.sources.origins import Origin


class Relabelled(Source):
    """A source that knows its own texts only, with the fields and slices of all: codes become those of the whole.

    What is ``searched`` of the whole may be fewer columns than the source has counted.

    Its rows have ``before`` rows of others before them.
    """

    def __init__(
        self,
        source: Source,
        preds: Field,
        target: Field,
        slicers: tuple[Slicer, ...] = (),
        searched: Scanned | None = None,
        before: int = 0,
    ) -> None:
        self._source = source
        self._before, self.first = before, before + source.first
        self.places: dict[tuple[int, str], str] = {}
        self._tables = tuple(
            _table(own.labels, whole.labels) for own, whole in ((source.preds, preds), (source.target, target))
        )
        self.preds, self.target = preds, target
        self.weighted, self.rows, self.dropped = source.weighted, source.rows, source.dropped
        self.splits = source.splits
        self.aliases, self.slicers = source.aliases, slicers
        self.scanned = searched
        places = [_table(own.values, whole.values) for own, whole in zip(source.slicers, slicers, strict=True)]
        self._places = [*enumerate(places), *self._searched(source.scanned)]
        counted = 0 if source.scanned is None else len(source.scanned.columns)
        drops = len(self._places) < len(slicers) + counted
        self._recodes = drops or any(table is not None for _, table in self._places)

    def _searched(self, own: Scanned | None) -> Iterator[tuple[int, Array | None]]:
        """Where each column of the whole stands, and the codes of the values there: −1 for those that are rare."""
        whole = {} if self.scanned is None else {column.name: column.values for column in self.scanned.columns}
        for number, column in enumerate(() if own is None else own.columns):
            if column.name in whole:
                place = {value: code for code, value in enumerate(whole[column.name])}
                table = np.array([*(place.get(value, -1) for value in column.values), -1], np.int64)
                yield len(self.slicers) + number, None if column.values == whole[column.name] else table

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """The same loads."""
        for load in self._source.plan(size):
            yield partial(self._load, load)

    def _load(self, load: Callable[[], Batch]) -> Batch:
        batch = load()
        preds, target = (
            side if table is None else table[side]
            for side, table in zip((batch.preds, batch.target), self._tables, strict=True)
        )
        groups = batch.groups
        if groups is not None and self._recodes:
            columns = [groups[:, place] if table is None else table[groups[:, place]] for place, table in self._places]
            groups = np.stack(columns, axis=1) if columns else groups[:, :0]
        numbers = None if batch.numbers is None else self._before + batch.numbers
        start = self._before + batch.start
        return replace(batch, preds=preds, target=target, groups=groups, start=start, numbers=numbers)

    def split(self, axis: int, step: int) -> None:
        """As the source."""
        self._source.split(axis, step)
        self.pieces = self._source.pieces

    def number_rows(self) -> None:
        """As the source."""
        self._source.number_rows()

    def origins(self) -> tuple[Origin, ...]:
        """Those of the source, under the numbers of these rows."""
        return tuple(one._replace(first=one.first + self._before) for one in self._source.origins())

    def finish(self) -> tuple[InputFile, ...]:
        """As the source."""
        return self._source.finish()

    def notes(self) -> tuple[Note, ...]:
        """As the source."""
        return self._source.notes()

    def place(self, row: int, side: str = "preds") -> str:
        """As the source, if it has the row, or as another has told."""
        if self.has(row):
            return self._source.place(row - self._before, side)
        return self.places.get((row, side), f"row {row}")

    def has(self, row: int) -> bool:
        """Whether this row of the whole is one of these."""
        own = row - self._before
        return 0 <= own < (self.rows or own + 1)

    def close(self) -> None:
        """As the source."""
        self._source.close()


def _table(own: tuple[str, ...] | None, whole: tuple[str, ...] | None) -> Array | None:
    """Codes of the whole by codes of a part; the last entry answers for -1, which stands for no text."""
    if own == whole or own is None or whole is None:
        return None
    place = {name: number for number, name in enumerate(whole)}
    return np.array([*(place[name] for name in own), -1], np.int64)


class Nothing(Source):
    """No rows of an input that others read."""

    def __init__(
        self,
        preds: Field,
        target: Field,
        slicers: tuple[Slicer, ...] = (),
        searched: Scanned | None = None,
        *,
        weighted: bool,
    ) -> None:
        self.preds, self.target, self.slicers, self.weighted = preds, target, slicers, weighted
        self.scanned = searched
        self.rows = 0
        self.places: dict[tuple[int, str], str] = {}

    def place(self, row: int, side: str = "preds") -> str:
        """As another has told."""
        return self.places.get((row, side), f"row {row}")

    def has(self, row: int) -> bool:
        """No row is one of these."""
        del row
        return False

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Nothing to load."""
        del size
        return iter(())
