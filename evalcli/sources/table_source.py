"""Tables as a source: labels counted inside the table engine, scores streamed through it.

Labels come as groups: a batch row stands for ``repeats`` rows that have the same target, prediction and weight. With
``nan="wrong"`` a missing predicted label has the code -1, and a missing score is NaN.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evalcli.sources.base import Batch, InputFile, Note, Source
from evalcli.sources.table_columns import Reading, decide
from evalcli.sources.table_labels import count_labels
from evalcli.sources.table_scores import measure_scores
from evalcli.sources.table_sides import choose_sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.sources.base import Selection
    from evalcli.sources.digest import Pieces
    from evalcli.sources.origins import Origin
    from evalcli.sources.table import Table
    from evalcli.sources.table_counts import Groups
    from evalcli.sources.table_listing import TableRows
    from evalcli.sources.table_sides import Opened, Sides
    from evalcli.sources.tables import Tables


STREAM_WORKERS = 2
"""Threads of one interpreter, which waits for the engine: four made no more than one and a third of one, and hold more
memory each than the engine's."""


class TableSource(Source):
    """Both sides from one table, or each from its own, paired by position or by ``selection.id``.

    Opening it counts: labels are complete, and faults found, before the first batch. Unless ``checked``, nobody counts
    the rows a second time: for a look at the first of them.

    Raises:
        UsageError: a name, ``--where`` or ``--scores`` that does not fit the tables.
        InputError: missing cells (unless ``selection.nan`` allows them), scores that are no numbers, two spellings of
            one class, sides that cannot be paired.
        EmptyError: no row is left.
        LimitError: more classes than can be reported.

    """

    def __init__(
        self,
        tables: Tables,
        preds: Table,
        target: Table | None,
        selection: Selection,
        progress: Callable[[float, int], None] | None = None,
        *,
        checked: bool = True,
    ) -> None:
        self._tables = tables
        self._listener = progress
        self._share: float | None = None
        sides = self._choose(tables, preds, target, selection)
        self._files = sides.joined.files
        self.where, self.read_as = selection.where, sides.joined.read_as()
        self._sides = sides
        count = self._reading(sides)
        for table in self._files if checked else ():
            table.begin()
        sides.joined.check_pairs()
        if sides.slices or sides.scan is not None:
            from evalcli.sources.table_bounds import check_bounds

            check_bounds(sides)
        self._opened = count()
        self._listed: TableRows | None = None
        self._origins: tuple[Origin, ...] = ()
        self._share = None
        self.preds, self.target = self._opened.preds, self._opened.target
        self.rows, self.dropped = self._opened.rows, self._opened.dropped
        self.most_workers = STREAM_WORKERS
        self.weighted = sides.weight is not None
        self.slicers, self.scanned = self._opened.slicers, self._opened.scanned
        self.clustered = selection.cluster

    def _choose(self, tables: Tables, preds: Table, target: Table | None, selection: Selection) -> Sides:
        """The columns of both sides, joined."""
        return choose_sides(tables, preds, target, selection, self._heard)

    def _reading(self, sides: Sides) -> Callable[[], Opened]:
        """How both sides are read, by a look at the first rows: the count of the whole."""
        return partial(_open, sides, decide(sides.joined, sides.preds, sides.target, sides.selection))

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Groups in the order of their codes, or rows in the order of the predictions."""
        if self.are_numbered:
            self.origins()  # later the connection has a pass to serve
        if self._opened.groups is not None:
            return _plan_groups(self._opened.groups, size)
        return self._opened.stream.plan(size) if self._opened.stream is not None else iter(())

    def number_rows(self) -> None:
        """Read labels one by one, too: rows that are counted together have lost their places."""
        from evalcli.sources.table_listing import numbered

        self._opened.stream, self._opened.groups = numbered(self._sides, self._opened), None
        super().number_rows()

    def origins(self) -> tuple[Origin, ...]:
        """The files of the predictions; to be asked for a first time before a pass begins."""
        if not self._origins:
            self._origins = self._sides.joined.preds.origins()
        return self._origins

    def listed(self, show: Sequence[str] = ()) -> TableRows:
        """The rows one by one, labels too."""
        from evalcli.sources.table_listing import TableRows

        self._listed = TableRows(self._sides, self._opened, show)
        return self._listed

    def tally(self) -> dict[str, tuple[int, int]]:
        """Those of all files."""
        return {path: counts for table in self._files for path, counts in table.tally().items()}

    def settle(self, tallies: Sequence[Mapping[str, tuple[int, int]]], own: int) -> None:
        """As the tables know it."""
        for table in self._files:
            table.settle(tallies, own)

    def hashed(self) -> dict[str, Pieces]:
        """Those of all files."""
        return {path: pieces for table in self._files for path, pieces in table.hashed().items()}

    def finish(self) -> tuple[InputFile, ...]:
        """What was read, once the tables' own count of rows agrees with this one."""
        rows = None if self.where is not None else self._opened.rows + self._opened.dropped
        sides = ("both",) if len(self._files) == 1 else ("preds", "target")
        found = zip(sides, self._files, strict=True)
        return tuple(replace(each, side=side) for side, table in found for each in table.finish(rows))

    def notes(self) -> tuple[Note, ...]:
        """Labels that look alike, ids that do not run in step, and what the tables themselves have to say."""
        return (*self._opened.notes, *(note for table in self._files for note in table.notes()))

    def place(self, row: int, side: str = "preds") -> str:
        """The line of the file, whatever was left out before it and however the sides were joined."""
        if self._opened.stream is None:
            return f"row {row}"  # rows that were counted together have no place of their own
        self._opened.stream.close()  # the connection serves one result at a time
        return self._sides.place(row, side)

    def progress(self) -> float | None:
        """The share of the query that is done, 0 to 1, while one runs; any thread may ask."""
        return self._share

    def close(self) -> None:
        """Release the tables."""
        if self._listed is not None:
            self._listed.close()
        if self._opened.stream is not None:
            self._opened.stream.close()
        if self._opened.spooled is not None:
            self._opened.spooled.spool.close()
        self._tables.close()
        super().close()

    def _heard(self, share: float) -> None:
        self._share = share
        if self._listener is not None:
            self._listener(share, int(share * sum(table.lines for table in self._files)))


def _open(sides: Sides, reading: Reading) -> Opened:
    opened = count_labels(sides, reading) if reading.preds == "labels" else None
    if opened is None:
        again = Reading("scores", "labels" if reading.preds == "labels" else reading.target, reading.by_sample)
        opened = measure_scores(sides, again)
    return opened


def _plan_groups(groups: Groups, size: int) -> Iterator[Callable[[], Batch]]:
    starts = np.cumsum(groups.repeats) - groups.repeats
    for begin in range(0, len(groups.repeats), size):
        part = slice(begin, begin + size)
        weight = None if groups.weight is None else groups.weight[part]
        slices = None if groups.slices is None else groups.slices[part]
        columns = groups.preds[part], groups.target[part], weight, groups.repeats[part], slices
        batch = Batch(*columns, start=int(starts[begin]))
        yield partial(_ready, batch)


def _ready(batch: Batch) -> Batch:
    return batch
