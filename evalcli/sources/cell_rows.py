"""Cells of several labels in SQL and from Arrow: a column for each label, a column of lists, or one of label sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.sources.base import NO_CLUSTER, Batch
from evalcli.sources.table_rows import SMALLEST_FETCH, arrow_texts, filled, floats, slice_codes, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.sources.base import Slicer
    from evalcli.sources.table_join import Column
    from evalcli.sources.tables import Tables

    Array = np.ndarray[Any, Any]

_TRUTH = "CASE lower({0}) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE TRY_CAST({0} AS DOUBLE) END"


def cell_sql(column: Column) -> str:
    """The number in a cell, where ``true`` and ``false`` are 1 and 0; NULL where it is missing, or no number."""
    return _TRUTH.format(column.sql) if column.kind == "text" else column.sql


def unread_sql(column: Column) -> str:
    """Whether a cell holds a text that is no number. The engine would read ``1_000``, which no one else does."""
    return f"({column.sql} IS NOT NULL AND ({cell_sql(column)} IS NULL OR contains({column.sql}, '_')))"


@dataclass(frozen=True, slots=True)
class Cells:
    """How the cells of one side are read. ``members`` are the labels that a set may hold, where there are sets."""

    columns: tuple[Column, ...]
    width: int
    dtype: type[np.generic]
    members: tuple[str, ...] | None = None

    @property
    def is_one(self) -> bool:
        """Whether all cells of a row lie in one column."""
        return self.columns[0].kind in ("list", "texts")

    def read_sql(self) -> list[str]:
        """What to select: an expression for each label, or the list."""
        kind = "FLOAT" if self.dtype is np.float32 else "DOUBLE"
        if self.members is not None:
            return [self.columns[0].sql]
        if self.is_one:
            blank = f"CAST([{', '.join(['NULL'] * self.width)}] AS {kind}[])"
            return [
                f"coalesce(CAST({self.columns[0].sql} AS {kind}[]), {blank})"
            ]  # a missing list is a row all the same
        return [f"CAST({cell_sql(column)} AS {kind})" for column in self.columns]

    def unread_sql(self) -> str:
        """Whether a row holds a text that is no number; empty where none can."""
        return " OR ".join(unread_sql(column) for column in self.columns if column.kind == "text")

    def gap_sql(self) -> str:
        """Whether a cell of a row is missing."""
        return " OR ".join(f"{column.sql} IS NULL" for column in self.columns)

    def table(self, parts: list[Any]) -> Array:
        """What was selected, as (n, L); NaN where a cell is empty."""
        if self.members is not None:
            return self._from_sets(parts[0], self.members)
        if self.is_one:
            return floats(parts[0].flatten(), self.dtype).reshape(-1, self.width)
        table = np.empty((self.width, len(parts[0])), self.dtype)
        for index, part in enumerate(parts):
            table[index] = floats(part, self.dtype)
        return table.T

    def _from_sets(self, column: Any, members: tuple[str, ...]) -> Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = np.zeros((len(column), self.width), self.dtype)
        sizes = whole(filled(pc.list_value_length(column), 0), np.int64)
        names = column.flatten()
        codes = filled(pc.index_in(names, value_set=arrow_texts(members, names.type)), -1)
        places = whole(codes, np.int64)
        rows = np.repeat(np.arange(len(column)), sizes)
        table[rows[places >= 0], places[places >= 0]] = 1
        table[whole(pc.cast(column.is_null(), pa.uint8()), np.bool_)] = np.nan
        return table


@dataclass(frozen=True, slots=True)
class CellStream:
    """A statement whose rows are the cells of the predictions, those of the target, and perhaps a weight.

    Behind them stands a text for each of ``slicers``, and where rows are ``clustered`` the number of the cluster.
    """

    tables: Tables
    sql: str
    preds: Cells
    target: Cells
    weighted: bool = False
    slicers: tuple[Slicer, ...] = ()
    clustered: bool = False
    reads: tuple[str, ...] = ()
    """What the statement selects, for one that selects more."""
    _passes: list[Any] = field(default_factory=list, repr=False, compare=False)

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads in row order; the engine works ahead, the conversion is the caller's."""
        self.close()
        blocks = self.tables.stream(self.sql, max(size, SMALLEST_FETCH))
        self._passes.append(blocks)
        start = 0
        for block in blocks:
            for offset in range(0, block.num_rows, size):
                part = block.slice(offset, size)
                yield partial(self._batch, part, start)
                start += part.num_rows

    def close(self) -> None:
        """End a pass that was left half way: the connection serves one result at a time."""
        while self._passes:
            self._passes.pop().close()

    def _batch(self, block: Any, start: int) -> Batch:
        parts, count = block.columns, 1 if self.preds.is_one else self.preds.width
        cells = len(parts) - self.weighted - len(self.slicers) - self.clustered
        preds, target = self.preds.table(parts[:count]), self.target.table(parts[count:cells])
        weight = floats(parts[cells], np.float64) if self.weighted else None
        groups = slice_codes(parts[cells + self.weighted :], self.slicers) if self.slicers else None
        cluster = whole(filled(parts[-1], NO_CLUSTER), np.int64) if self.clustered else None
        return Batch(preds, target, weight, groups=groups, start=start, cluster=cluster)
