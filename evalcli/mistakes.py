"""The mistakes themselves: first a pass that decides and counts as a report does, then passes that list rows.

Nothing is listed before the whole input is known to be sound and read under one decision. In the order of the file
rows are handed on as they come; the most confident ones, or the largest errors, are kept in a shortlist, and where all
of them are wanted in that order, and do not fit into ``ROOM``, there is a pass for every part of the list that does. So
memory stays bounded, however many mistakes there are. What a mistake is, each task says for itself:
:mod:`evalcli.sought`.
"""

from __future__ import annotations

from dataclasses import replace
from sys import getsizeof
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.counting import Plan, count
from evalcli.engine import accumulate, fit_rows, place, worker_count
from evalcli.errors import InputError, UsageError
from evalcli.layout import find_layout, is_float
from evalcli.listing import HELD, Column, Listing, Summary
from evalcli.reporting import records
from evalcli.shortlist import Ranking, Shortlist, cells_of
from evalcli.sought import Counted, Pace, refuse, seek
from evalcli.sources import spoken_of
from evalcli.task import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.engine import Execution, Progress
    from evalcli.listing import Row, Search
    from evalcli.shortlist import Picked, Rank
    from evalcli.sources.base import InputFile, Source
    from evalcli.sources.listed import Listed
    from evalcli.task import Choices

ROOM = 1 << 28
"""Bytes that the rows of a part of a ranked list may take, about: 1.2 million of them, without cells beside them."""
ROW = 72
"""Bytes of a row without its cells."""
COPIES = 3
"""Times that rows are held at most while they are brought into order."""
PIECE = 1 << 13
"""Rows that are made into Python's objects at a time."""


def list_mistakes(
    source: Source, choices: Choices, execution: Execution, search: Search, progress: Progress | None = None
) -> Listing:
    """Count ``source``, and get ready to list its mistakes, or its suspect labels.

    Raises:
        UsageError: the search asks for classes, columns or scores that are not there, or that the task does not have.
        InputError: the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: nothing is left to evaluate.

    """
    if choices.task is not None:
        refuse(search, FAMILIES[choices.task])
    choices = replace(choices, alike=True)
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        if layout.preds == "labels" and not is_float(source.target):  # whole predictions of fractions are values
            _refuse_unscored(search, source)
        listed = source.listed(search.show)
        size = fit_rows(execution, source, layout)
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, (), (), execution.ranking_budget, workers)
        outcome, inputs = count(plan, size, progress)
        counted = Counted(plan, outcome, search, Pace(size, workers, progress))
        refuse(search, outcome.task.family)
        if outcome.task.scores == "labels":
            _refuse_unscored(search, source)
        return _Passes(counted, listed).listing(inputs)


def _refuse_unscored(search: Search, source: Source) -> None:
    """Raise what cannot be asked of labels."""
    for flag, asked in (("--most-confident", search.confident), ("--suspect-labels", search.suspects)):
        if asked:
            raise UsageError(
                f"{flag} needs scores, but the predictions are labels",
                fix="save probabilities or logits; if these are scores, say so with --scores probs or --scores logits",
                path=source.preds.path,
            )


class _Passes:
    """The passes over a source that has been counted, under the decision that it was counted under."""

    def __init__(self, counted: Counted, listed: Listed) -> None:
        self.counted, self.listed = counted, listed
        self.source, self.search, self.pace = counted.plan.source, counted.search, counted.pace
        self.sought = seek(counted)
        self.ranked = self.search.ranked or counted.outcome.task.family == "regression"
        self.matching = self.sought.matching
        """How many rows there are to list, where counting said it."""
        self._best: Shortlist | None = None
        self._seen: int | None = None

    def listing(self, inputs: tuple[InputFile, ...]) -> Listing:
        """What to list."""
        further = len(self.listed.columns) - self.listed.named
        return Listing(self, self._summary(inputs), self._columns(), further)

    def _summary(self, inputs: tuple[InputFile, ...]) -> Summary:
        task, evidence = self.counted.outcome.task, self.counted.outcome.evidence
        return Summary(
            task=task.kind,
            scores=task.scores,
            classes=self.sought.classes,
            n=evidence.rows,
            ignored=evidence.ignored + evidence.dropped + self.source.dropped,
            elements=self.sought.elements,
            wrong=self.sought.wrong,
            noun=self.sought.noun,
            search=self.search,
            inputs=records(self.source, inputs),
            notes=self.source.notes(),
            where=self.source.where,
        )

    def _columns(self) -> tuple[Column, ...]:
        """The columns of every row of the list; a further column called like one of them gets ``show.`` in front."""
        listed, sought = self.listed, self.sought
        columns = [Column("row", "number"), *sought.columns[: sought.front]]
        if listed.named:
            columns.append(Column("id", "cell"))
        if listed.has_files:
            columns.append(Column("file", "cell"))
        if listed.has_lines:
            columns.append(Column("line", "number"))
        columns += sought.columns[sought.front :]
        if self.source.weighted:
            columns.append(Column("weight", "cell"))
        taken = {column.name for column in columns}
        for name in listed.columns[listed.named :]:
            free = name
            while free in taken:
                free = f"show.{free}"
            taken.add(free)
            columns.append(Column(free, "cell"))
        return tuple(columns)

    def rows(self, limit: int | None) -> Iterator[list[Row]]:
        """The rows of the list in pieces; the files are vouched for at the end."""
        with spoken_of(self.source.aliases):
            pieces = self._ranked(limit) if self.ranked else self._in_order(limit)
            for piece in pieces:
                for start in range(0, len(piece.number), PIECE):
                    yield self._shown(piece.take(slice(start, start + PIECE)))
            self.source.finish()

    def seen(self) -> int:
        """How many rows there are, once they have been looked for."""
        return self.first(HELD).seen if self._seen is None else self._seen

    def first(self, limit: int, after: Rank | None = None) -> Shortlist:
        """The shortlist of the ``limit`` rows that come first after ``after``; a short one of the first is kept."""
        best = self._best
        if after is None and best is not None and best.limit >= limit:
            return best
        found, _ = accumulate(
            self.listed,  # type: ignore[arg-type]  # it plans loads like a source
            lambda: Ranking(self.sought.finder, Shortlist(limit, after)),
            *self.pace,
        )
        self._check_count(found.shortlist.seen)
        self._seen = found.shortlist.seen if self._seen is None else self._seen
        if after is None and limit <= HELD:
            self._best = found.shortlist
        return found.shortlist

    def _check_count(self, seen: int) -> None:
        """Every whole pass finds as many rows as were counted.

        Raises:
            InputError: it does not.

        """
        counted = self.matching if self._seen is None else self._seen
        if counted is not None and seen != counted:
            what = f"{counted} mistakes were counted, but {seen} were found when they were listed"
            what = f"the input changed while it was read: {what}"
            raise InputError(what, fix="run it again when nothing writes there", path=self.source.preds.path)

    def _ranked(self, limit: int | None) -> Iterator[Picked]:
        """A pass for each part of the list."""
        after, beside, done = None, None if self.listed.columns else 0, 0
        while limit is None or done < limit:
            size = self._part(beside)
            size = size if limit is None else min(limit - done, size)
            best = self.first(size, after)
            rows = best.rows()
            if rows is None:
                return
            rows = rows.take(np.arange(min(size, len(rows.number))))
            yield rows
            done += len(rows.number)
            if len(rows.number) < size or done == best.seen:
                return
            after, beside = best.last(), _cell_bytes(rows)
            del best, rows

    def _part(self, beside: int | None) -> int:
        """How many rows a pass may keep that have so many bytes beside them: not known before the first rows are seen.

        Every worker keeps up to twice as many, twice while they are joined, and all together no more than there are.
        """
        if beside is None:
            return HELD
        row = ROW + beside
        count = self.matching if self._seen is None else self._seen
        if count is not None and COPIES * count * row <= ROOM:
            return max(count, 1)
        return max(ROOM // ((4 * self.pace.workers + 1) * row), HELD)

    def _in_order(self, limit: int | None) -> Iterator[Picked]:
        """The rows as they come, until there are enough; all of them must be as many as were counted."""
        seen = done = 0
        for load in self.listed.plan(self.pace.size):
            batch = load()
            found = self.sought.finder(batch)
            done += batch.done
            if self.pace.progress is not None:
                self.pace.progress(done, self.listed.rows)
            left = len(found.places) if limit is None else min(limit - seen, len(found.places))
            if left:
                rows = found.rows.take(np.arange(left))
                cells = None if batch.cells is None else cells_of(batch, found.places[:left])
                yield rows._replace(cells=cells)
            seen += left
            if limit is not None and seen >= limit:
                return
        self._check_count(seen)

    def _shown(self, rows: Picked) -> list[Row]:
        """Picked rows as plain values, in the order of the columns."""
        own, numbers = self.sought.cells(rows), rows.number.tolist()
        columns: list[Sequence[Any]] = [numbers, *own[: self.sought.front]]
        cells: list[Sequence[Any]] = [] if rows.cells is None else list(zip(*rows.cells, strict=True))
        if self.listed.named:
            columns.append(cells.pop(0))
        if self.listed.has_files or self.listed.has_lines:
            places = self.listed.places(numbers)
            columns += [[place.file for place in places]] if self.listed.has_files else []
            columns += [[place.line for place in places]] if self.listed.has_lines else []
        columns += own[self.sought.front :]
        if rows.weight is not None:
            columns.append(rows.weight.tolist())
        return list(zip(*columns, *cells, strict=True))


def _cell_bytes(rows: Picked) -> int:
    """What the cells of a row take on average."""
    if rows.cells is None:
        return 0
    whole = sum(getsizeof(row) + sum(map(getsizeof, row)) for row in rows.cells)
    return int(whole / len(rows.cells)) + 8
