"""Rows of a table streamed as numpy arrays: record batches from the engine, texts to codes on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.sources.base import NO_CLUSTER, Batch, Slicer
from evalcli.sources.table_counts import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.tables import Tables

    Array = np.ndarray[Any, Any]

SMALLEST_FETCH = 2048
"""The engine's own vector length: it never gives less at once."""
_FETCH = 2 << 20
"""Bytes of numbers that the engine gives at once, beyond that length: it works ahead, and each such block is copied."""


@dataclass(frozen=True, slots=True)
class RowStream:
    """A statement whose rows are ``pred_columns`` predictions, the target and perhaps a weight.

    Texts become their index in ``labels``; a side of numbers is taken as it is. ``width`` is the length of the lists in
    a single list column.
    """

    tables: Tables
    sql: str
    pred_columns: int
    labels: tuple[str, ...]
    dtype: type[np.generic]
    width: int | None = None
    weighted: bool = False
    reads: tuple[str, ...] = ()
    """What the statement selects, for one that selects more."""
    slicers: tuple[Slicer, ...] = ()
    """What stands behind the weight: a text for each of them."""
    clustered: bool = False
    """Whether the last column is the number of the row's cluster."""
    _passes: list[Any] = field(default_factory=list, repr=False, compare=False)
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The labels as the engine's texts, by their type: two hundred thousand are not made anew for each batch."""

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads in row order; the engine works ahead, the conversion is the caller's."""
        start, columns = 0, (self.width or self.pred_columns) + 1
        for block in self._blocks(max(min(size, _FETCH // (8 * columns)), SMALLEST_FETCH)):
            for offset in range(0, block.num_rows, size):
                part = block.slice(offset, size)
                yield partial(self._batch, part, start)
                start += part.num_rows

    def close(self) -> None:
        """End a pass that was left half way: the connection serves one result at a time."""
        while self._passes:
            self._passes.pop().close()

    def _blocks(self, size: int) -> Iterator[Any]:
        self.close()
        blocks = self.tables.stream(self.sql, size)
        self._passes.append(blocks)
        return blocks

    def _batch(self, block: Any, start: int) -> Batch:
        columns = block.columns
        preds, target = columns[: self.pred_columns], columns[self.pred_columns]
        weight = floats(columns[self.pred_columns + 1], np.float64) if self.weighted else None
        groups = slice_codes(columns[self.pred_columns + 1 + self.weighted :], self.slicers) if self.slicers else None
        cluster = whole(filled(columns[-1], NO_CLUSTER), np.int64) if self.clustered else None
        return Batch(self._preds(preds), self._side(target), weight, groups=groups, start=start, cluster=cluster)

    def _preds(self, columns: list[Any]) -> Array:
        if self.width is not None:
            return floats(columns[0].flatten(), self.dtype).reshape(-1, self.width)
        if len(columns) == 1:
            return self._side(columns[0])
        scores = np.empty((len(columns[0]), len(columns)), dtype=self.dtype)
        for index, column in enumerate(columns):
            scores[:, index] = floats(column, self.dtype)
        return scores

    def _side(self, column: Any) -> Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_floating(column.type):
            return floats(column, self.dtype if column.type == pa.float32() else np.float64)
        if pa.types.is_integer(column.type):
            return whole(column, dtype=np.int64)
        kind = str(column.type)
        if len(self.labels) > len(column) and kind in {"string", "large_string"}:
            return self._looked_up(column)
        if kind not in self._known:
            self._known[kind] = arrow_texts(self.labels, column.type)
        codes = pc.index_in(column, value_set=self._known[kind])
        return whole(filled(codes, MISSING), dtype=np.int64)

    def _looked_up(self, column: Any) -> Array:
        """The same of fewer rows than labels, of which Arrow would make a table for every batch."""
        import pyarrow as pa

        if "numbers" not in self._known:
            encoded = (label.encode("utf-8", "surrogatepass") for label in self.labels)
            self._known["numbers"] = {label: number for number, label in enumerate(encoded)}
        numbers, coded = self._known["numbers"], column.dictionary_encode()
        found = [numbers.get(text, MISSING) for text in coded.dictionary.cast(pa.large_binary()).to_pylist()]
        places = whole(filled(coded.indices, len(found)), dtype=np.int64)
        return np.array([*found, MISSING], np.int64)[places]


def slice_codes(columns: list[Any], slicers: Sequence[Slicer]) -> Array:
    """The slices of each row (n, S), −1 for none, from a column of texts for each slicer; more may follow."""
    import pyarrow.compute as pc

    groups = np.empty((len(columns[0]), len(slicers)), np.int64)
    for number, (column, slicer) in enumerate(zip(columns, slicers, strict=False)):
        codes = pc.index_in(column, value_set=arrow_texts(slicer.values, column.type))
        groups[:, number] = whole(filled(codes, MISSING), np.int64)
    return groups


def arrow_texts(values: Sequence[str], kind: Any) -> Any:
    """Texts as Arrow holds them, of the type ``kind``. Arrow's own way from a list would import pandas, too."""
    import pyarrow as pa

    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers).cast(kind)


def arrow_places(rows: Array) -> Any:
    """Indices of rows (n,) as Arrow holds them."""
    import pyarrow as pa

    held = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)])


def filled(column: Any, value: float) -> Any:
    """``column`` with this number where it is empty; Arrow would import pandas to make a scalar of it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.null_count:
        return column
    held = np.array([value], {"float": "f4", "double": "f8"}.get(str(column.type), str(column.type)))
    return pc.fill_null(column, pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(held)])[0])


def floats(column: Any, dtype: type[np.generic]) -> Array:
    """Floats, NaN where the cell is empty."""
    return whole(filled(column, np.nan), dtype)


def whole(column: Any, dtype: type[np.generic]) -> Array:
    """Numbers without gaps. The engine's own ``to_numpy`` would import pandas, which takes longer than most reports."""
    return np.asarray(np.from_dlpack(column), dtype=dtype)
