"""Labels of a table that are read once and kept: every row as the numbers of what stands in it, two bytes each.

Whoever looks at single rows would read a table twice: once to know its labels, once more for the rows. Here the rows
wait, in memory or, beyond some size, in a temporary file.
"""

from __future__ import annotations

import weakref
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.sources.base import Batch
from evalcli.sources.table_columns import group_sql
from evalcli.sources.table_counts import MISSING, RowsAtHand
from evalcli.sources.table_lines import read_lines
from evalcli.sources.table_listing import usual_id_of
from evalcli.sources.table_rows import arrow_texts, filled, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.sources.base import Array
    from evalcli.sources.table_sides import Sides

FETCH = 1 << 17
"""Rows of a block."""

IN_MEMORY = 1 << 26
"""Bytes of rows, behind which the others are written to a temporary file."""

MOST_VALUES = (1 << 16) - 1
"""With more different values than two bytes can tell apart, and one for none, nothing is kept."""

_PACKED = 1 << 20


class _Numbers:
    """Values by number, in the order in which they first occur; 0 stands for none."""

    def __init__(self) -> None:
        self.values: list[Any] = [None]
        self._known: Any = None

    def of(self, column: Any) -> Array | None:
        """The numbers (N,) uint16 of a column of the engine's; ``None`` where they are too many, or too large."""
        import pyarrow.compute as pc

        if not any(kind in str(column.type) for kind in ("int", "string")):
            return None  # whole numbers beyond 64 bits
        found = None if self._known is None else pc.index_in(column, value_set=self._known)
        if found is None or found.null_count > column.null_count:
            fresh = column if found is None else column.filter(pc.is_null(found))
            self.values += [value for value in pc.unique(fresh).to_pylist() if value is not None]
            if len(self.values) > MOST_VALUES:
                return None
            self._known = _as_arrow(self.values[1:], column.type)
            found = pc.index_in(column, value_set=self._known)
        return (whole(filled(found, -1), np.int32) + 1).astype(np.uint16)


def _as_arrow(values: list[Any], kind: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_integer(kind):
        return arrow_texts(values, kind)
    held = np.array(values, str(kind))
    return pa.Array.from_buffers(kind, len(held), [None, pa.py_buffer(held)])


def _close(file: Any, held: list[Any]) -> None:
    """Let go of all rows; the last bytes of the file may have found no room."""
    held.clear()
    with suppress(OSError):
        file.close()


class KeptRows:
    """Rows of one column or two, block by block: the first as they are, those behind them in a file."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._held: list[tuple[Array, ...]] = []
        self._room = IN_MEMORY
        self._blocks: list[int] = []
        """The rows of each block in the file, which there is from the first of them on."""
        self._file = SpooledTemporaryFile(1)  # noqa: SIM115  # closed when nobody holds the rows any more
        self.close = weakref.finalize(self, _close, self._file, self._held)

    def add(self, *rows: Array) -> bool:
        """Keep rows, the numbers (N,) uint16 of each column; ``False`` where no disk has room for them."""
        self._room -= sum(each.nbytes for each in rows)
        if self._room >= 0:
            self._held.append(rows)
            return True
        try:
            for each in rows:
                self._file.write(each.tobytes())
            self._file.flush()  # what waits in a buffer would not fit later either
        except OSError:
            return False
        self._blocks.append(len(rows[0]))
        return True

    def read(self) -> Iterator[tuple[int, Sequence[Array]]]:
        """The first row of every block, and its numbers."""
        at = start = 0
        for block in self._held:
            yield start, block
            start += len(block[0])
        for rows in self._blocks:
            self._file.seek(at)
            data = np.frombuffer(self._file.read(2 * rows * self._width), np.uint16)
            yield start, list(data.reshape(self._width, rows))
            at += data.nbytes
            start += rows


class _Pairs:
    """The numbers of two columns, and how often each pair of them occurs."""

    def __init__(self) -> None:
        self.said, self.truth = _Numbers(), _Numbers()
        self.counts: Counter[tuple[int, ...]] = Counter()

    def of(self, block: Any) -> tuple[Array, Array] | None:
        """Those of a record batch; ``None`` where they are too many, or too large."""
        said, truth = (each.of(column) for each, column in zip((self.said, self.truth), block.columns, strict=True))
        if said is None or truth is None:
            return None
        wide = len(self.truth.values)
        packed = said.astype(np.int64) * wide + truth
        if len(self.said.values) * wide <= _PACKED:
            counts = np.bincount(packed)
            keys = np.flatnonzero(counts)
            counts = counts[keys]
        else:
            keys, counts = np.unique(packed, return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.counts[divmod(key, wide)] += count
        return said, truth


@dataclass(frozen=True, slots=True)
class SpooledLabels:
    """A table of labels that was read; ``said`` and ``truth`` are texts by the number of a line, or each by its own.

    ``counts`` tells how often each line, or pair of numbers, occurs.
    """

    spool: KeptRows
    said: Sequence[str | None]
    truth: Sequence[str | None]
    counts: Mapping[tuple[int, ...], int]

    def groups(self) -> RowsAtHand:
        """Distinct rows (target, prediction, no weight, count)."""
        counts = self.counts.items()
        return RowsAtHand([(self.truth[key[-1]], self.said[key[0]], None, count) for key, count in counts])

    def rows(self, labels: Sequence[str], names: Mapping[str, Mapping[str, str]]) -> SpooledRows:
        """The rows one by one as codes of ``labels``; ``names`` are what some texts of a side stand for."""
        place = {label: code for code, label in enumerate(labels)}
        small = np.min_scalar_type(min(-len(labels), MISSING))
        codes = (
            np.array([MISSING if text is None else place.get(named.get(text, text), MISSING) for text in texts], small)
            for texts, named in ((self.said, names["preds"]), (self.truth, names["target"]))
        )
        return SpooledRows(self.spool, *codes)


@dataclass(frozen=True, slots=True)
class SpooledRows:
    """Rows as codes: ``preds`` and ``target`` by the numbers that were kept."""

    spool: KeptRows
    preds: Array
    target: Array

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads in row order."""
        for start, numbers in self.spool.read():
            for offset in range(0, len(numbers[0]), size):
                part = [each[offset : offset + size] for each in numbers]
                yield partial(self._batch, part, start + offset)

    def _batch(self, numbers: list[Array], start: int) -> Batch:
        places = [each.astype(np.intp) for each in numbers]  # by which numpy takes twice as fast
        return Batch(self.preds.take(places[0]), self.target.take(places[-1]), start=start)

    def close(self) -> None:
        """Nothing is left open by a pass that ends half way."""


def spool_labels(sides: Sides) -> SpooledLabels | None:
    """Read the labels of both sides and keep them; ``None`` where there is more to a row, or too much to keep."""
    wanted = sides.selection
    more = (sides.weight, wanted.where, wanted.id, sides.scan, sides.cluster, usual_id_of(sides))
    if not wanted.listing or wanted.partial or sides.slices or len(sides.preds) > 1 or any(more):
        return None
    return _spool_lines(sides) or _spool_columns(sides)


def _spool_lines(sides: Sides) -> SpooledLabels | None:
    spool = KeptRows(1)
    lines = read_lines(sides, spool.add)
    if lines is None:
        return None
    truth, said = ([pair[side] for pair in lines.cells] for side in (0, 1))
    return SpooledLabels(spool, said, truth, {(number,): count for number, count in enumerate(lines.counts) if count})


def _spool_columns(sides: Sides) -> SpooledLabels | None:
    pair = sides.preds[0], sides.target
    if any(column.kind not in ("text", "integer") for column in pair):
        return None
    spool, numbers = KeptRows(2), _Pairs()
    columns = ", ".join(map(group_sql, pair))
    for block in _blocks(sides, f"SELECT {columns} {sides.joined.source()} {sides.joined.order}"):
        rows = numbers.of(block)
        if rows is None or not spool.add(*rows):
            return None
    said, truth = (
        [None if value is None else str(value) for value in each.values] for each in (numbers.said, numbers.truth)
    )
    return SpooledLabels(spool, said, truth, numbers.counts)


def _blocks(sides: Sides, sql: str) -> Iterator[Any]:
    """Record batches of a statement, whose progress is heard."""
    tables = sides.joined.tables
    blocks: Any = tables.stream(sql, FETCH)
    with closing(blocks):
        for block in blocks:
            yield block
            sides.heard(min(max(tables.connection.query_progress() / 100, 0.0), 1.0))
