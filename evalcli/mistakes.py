"""The mistakes themselves: first a pass that decides and counts as a report does, then passes that list rows.

Nothing is listed before the whole input is known to be sound and read under one decision. In the order of the file
rows are handed on as they come; the most confident ones are kept in a shortlist, and where all of them are wanted in
that order, there is a pass for every part of the list. So memory stays bounded, however many mistakes there are.
"""

from __future__ import annotations

from functools import partial
from math import isnan, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.classification.codes import make_prepare
from evalcli.classification.mistakes import Mistakes, Ranking, SelfConfidence, Suspects, Tally, cells_of
from evalcli.classification.shortlist import Shortlist
from evalcli.classification.wanted import Names
from evalcli.counting import Plan, count
from evalcli.engine import accumulate, batch_rows, place, worker_count
from evalcli.errors import InputError, UsageError
from evalcli.evaluate import row_bytes
from evalcli.layout import find_layout, plain_shape
from evalcli.listing import HELD, Column, Listing, Summary
from evalcli.reporting import records
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.classification.mistakes import Finder
    from evalcli.classification.prepare import Prepare
    from evalcli.classification.shortlist import Picked, Rank
    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.listing import Row, Search
    from evalcli.sources.base import InputFile, Source
    from evalcli.sources.listed import Listed
    from evalcli.task import Choices

PIECE = 1 << 13
"""Rows that are made into Python's objects at a time."""


def list_mistakes(
    source: Source, choices: Choices, execution: Execution, search: Search, progress: Progress | None = None
) -> Listing:
    """Count ``source``, and get ready to list its mistakes, or its suspect labels.

    Raises:
        UsageError: the search asks for classes, columns or scores that are not there.
        InputError: the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: nothing is left to evaluate.

    """
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        if layout.preds == "labels":
            _refuse_unscored(search, source)
        listed = source.listed(search.show)
        size = batch_rows(execution, row_bytes(source))
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, (), (), execution.ranking_budget, workers)
        outcome, inputs = count(plan, size, progress)
        if outcome.task.family != "classification":
            what = f"mistakes are listed of classes, and this is a {outcome.task.kind} task"
            raise UsageError(what, fix="use --task binary or --task multiclass", path=source.preds.path)
        if outcome.task.scores == "labels":
            _refuse_unscored(search, source)
        return _Passes(plan, outcome, listed, search, _Pace(size, workers, progress)).listing(inputs)


def _refuse_unscored(search: Search, source: Source) -> None:
    """Raise what cannot be asked of labels."""
    for flag, asked in (("--most-confident", search.confident), ("--suspect-labels", search.suspects)):
        if asked:
            raise UsageError(
                f"{flag} needs scores, but the predictions are labels",
                fix="save probabilities or logits; if these are scores, say so with --scores probs or --scores logits",
                path=source.preds.path,
            )


class _Pace(NamedTuple):
    """How a pass is made."""

    size: int
    workers: int
    progress: Progress | None


class _Passes:
    """The passes over a source that has been counted, under the decision that it was counted under."""

    def __init__(self, plan: Plan, outcome: Outcome, listed: Listed, search: Search, pace: _Pace) -> None:
        self.plan, self.source, self.outcome, self.task = plan, plan.source, outcome, outcome.task
        self.listed, self.search, self.pace = listed, search, pace
        prepare = make_prepare(plan.layout, plan.choices, plan.source, self.task.classes)
        self.prepare: Prepare = prepare._replace(keep_scores=self.task.scores != "labels", keep_places=True)
        self.inner = _inner_shape(plan)
        self._best: Shortlist | None = None
        self.matching: int | None = None
        """How many rows there are to list, where counting said it."""
        self.finder: Finder

    def listing(self, inputs: tuple[InputFile, ...]) -> Listing:
        """What to list, once the names that were asked for are found."""
        pairs = self._pairs()
        names = Names(self.task, self.source.target.path, np.union1d(pairs[0], pairs[1][pairs[1] >= 0]))
        wanted = names.wanted(self.search.pairs, self.search.classes)
        if self.search.suspects:
            means, _ = accumulate(self.source, partial(SelfConfidence, self.prepare, self.task), *self.pace)
            self.finder = Suspects(self.prepare, self.task, means.thresholds(), wanted)
        else:
            self.finder = Mistakes(self.prepare, self.task, wanted)
        target, preds, counts = pairs
        wrong = target != preds
        if not self.search.suspects:
            self.matching = int(counts[wrong & wanted.mask(target, preds)].sum())
        summary = self._summary(int(counts[wrong].sum()), inputs, len(names))
        further = len(self.listed.columns) - self.listed.named
        return Listing(self, summary, self._columns(), further)

    def _pairs(self) -> tuple[Any, Any, Any]:  # host arrays
        """Every pair (target, prediction) that occurs, and in how many rows."""
        confusion = self.outcome.gathered.confusion
        if self.source.weighted:
            tally, _ = accumulate(self.source, partial(Tally, self.prepare, self.task), *self.pace)
            confusion = tally.confusion
        found: tuple[Any, Any, Any] = confusion.pairs()
        return found

    def _summary(self, wrong: int, inputs: tuple[InputFile, ...], classes: int) -> Summary:
        evidence = self.outcome.evidence
        return Summary(
            task=self.task.kind,
            scores=self.task.scores,
            classes=classes,
            n=evidence.rows,
            ignored=evidence.ignored + evidence.dropped + self.source.dropped,
            wrong=wrong,
            noun="rows" if self.inner is None else "elements",
            search=self.search,
            inputs=records(self.source, inputs),
            notes=self.source.notes(),
        )

    def _columns(self) -> tuple[Column, ...]:
        """The columns of every row of the list; a further column called like one of them gets ``show.`` in front."""
        listed, suspects = self.listed, self.search.suspects
        columns = [Column("row", "number")]
        if self.inner is not None:
            columns.append(Column("element", "cell"))
        if listed.named:
            columns.append(Column("id", "cell"))
        if listed.has_files:
            columns.append(Column("file", "cell"))
        if listed.has_lines:
            columns.append(Column("line", "number"))
        columns += [Column("target", "name"), Column("suggested" if suspects else "pred", "name")]
        measures = ("p_target", "p_suggested") if suspects else ("confidence", "margin")
        columns += [Column(name, "ratio") for name in measures]
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
            pieces = self._ranked(limit) if self.search.ranked else self._in_order(limit)
            for piece in pieces:
                for start in range(0, len(piece.number), PIECE):
                    yield self._shown(piece.take(slice(start, start + PIECE)))
            self.source.finish()

    def seen(self) -> int:
        """How many rows there are, once they have been looked for."""
        return (self._best or self.first(HELD)).seen

    def first(self, limit: int, after: Rank | None = None) -> Shortlist:
        """The shortlist of the ``limit`` rows that come first after ``after``; that of the first ones is kept."""
        best = self._best
        if after is None and best is not None and best.limit >= limit:
            return best
        found, _ = accumulate(
            self.listed,  # type: ignore[arg-type]  # it plans loads like a source
            lambda: Ranking(self.finder, Shortlist(limit, after)),
            *self.pace,
        )
        self._check_count(found.shortlist.seen)
        if after is None:
            self._best = found.shortlist
        return found.shortlist

    def _check_count(self, seen: int) -> None:
        """Every whole pass finds as many rows as were counted.

        Raises:
            InputError: it does not.

        """
        counted = self.matching if self._best is None else self._best.seen
        if counted is not None and seen != counted:
            what = f"{counted} mistakes were counted, but {seen} were found when they were listed"
            raise InputError(f"the input changed while it was read: {what}", path=self.source.preds.path)

    def _ranked(self, limit: int | None) -> Iterator[Picked]:
        """A pass for each part of the list."""
        after, left = None, limit
        while left is None or left > 0:
            size = HELD if left is None else min(left, HELD)
            best = self.first(size, after)
            rows = best.rows()
            if rows is None:
                return
            yield rows.take(np.arange(min(size, len(rows.number))))
            if len(rows.number) < best.limit:
                return
            after = best.last()
            left = None if left is None else left - len(rows.number)

    def _in_order(self, limit: int | None) -> Iterator[Picked]:
        """The rows as they come, until there are enough; all of them must be as many as were counted."""
        seen = done = 0
        for load in self.listed.plan(self.pace.size):
            batch = load()
            found = self.finder(batch)
            done += len(batch.target)
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
        columns: list[Sequence[Any]] = [rows.number.tolist()]
        if self.inner is not None:
            columns.append(_indices(rows.element, self.inner))
        cells: list[Sequence[Any]] = [] if rows.cells is None else list(zip(*rows.cells, strict=True))
        if self.listed.named:
            columns.append(cells.pop(0))
        if self.listed.has_files or self.listed.has_lines:
            places = self.listed.places(columns[0])
            columns += [[place.file for place in places]] if self.listed.has_files else []
            columns += [[place.line for place in places]] if self.listed.has_lines else []
        columns += [self._named(rows.target), self._named(rows.other)]
        columns += [[None if isnan(value) else value for value in each.tolist()] for each in rows.measures]
        if rows.weight is not None:
            columns.append(rows.weight.tolist())
        return list(zip(*columns, *cells, strict=True))

    def _named(self, codes: Any) -> list[str | None]:
        names = self.task.classes
        return [None if code < 0 else names[code] if names else str(code) for code in codes.tolist()]


def _inner_shape(plan: Plan) -> tuple[int, ...] | None:
    """The shape of the elements of one row; ``None`` where a row is one element."""
    layout, stored = plan.layout, plan.source.target.shape
    if layout.inner == 1:
        return None
    for shape in (stored, plain_shape(stored)):  # a trailing axis of length 1 may have been dropped
        axis = layout.target_axis % len(shape)
        rest = shape[:axis] + shape[axis + 1 :] if layout.target == "one-hot" else shape
        inner = plain_shape(rest)[1:]
        if prod(inner) == layout.inner:
            return inner
    return (layout.inner,)


def _indices(elements: Any, shape: tuple[int, ...]) -> Sequence[Any]:
    """The place of an element in its row: a number, or one for each axis."""
    axes: list[list[int]] = [each.tolist() for each in np.unravel_index(elements, shape)]
    return axes[0] if len(shape) == 1 else [list(each) for each in zip(*axes, strict=True)]
