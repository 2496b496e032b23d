"""A list of rows as plain data: what was searched for, what was found, and the rows, asked for piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.report import InputRecord
    from evalcli.sources.base import Note

HELD = 1 << 15
"""Rows that are held: a part of a ranked list, or the first rows where several outputs want them."""

Row = tuple[Any, ...]
Kind = Literal["number", "name", "ratio", "cell"]


@dataclass(frozen=True, slots=True)
class Search:
    """What to list. ``pairs`` are ``target:prediction`` and ``classes`` names of either side, as the user wrote them.

    ``suspects`` asks for labels that are likely wrong instead of mistakes, ``confident`` for the most confident
    mistakes first instead of those of the first rows. Of several labels a row, or several outputs of a regression,
    ``classes`` are names of these. The largest errors of a regression come first, or with ``relative`` those that are
    largest beside their targets.
    """

    pairs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    show: tuple[str, ...] = ()
    confident: bool = False
    suspects: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        """There is one order.

        Raises:
            UsageError: two were asked for.

        """
        if self.confident and self.suspects:
            what = "--most-confident orders mistakes, --suspect-labels lists labels"
            raise UsageError(what, fix="ask for one of them")

    @property
    def ranked(self) -> bool:
        """Whether another order was asked for than that of the file."""
        return self.confident or self.suspects


class Column(NamedTuple):
    """A column of the list: ``number`` of a row or line, ``name`` of a class, ``ratio``, or a ``cell`` of any kind."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list is of. ``wrong`` of the ``elements`` of ``n`` rows are mistakes (``None``: those to list);
    ``classes`` are classes, labels or outputs, and ``noun`` is what an element is called.
    """

    task: str
    scores: str
    classes: int
    n: int
    ignored: int
    elements: int
    wrong: int | None
    noun: str
    search: Search
    inputs: tuple[InputRecord, ...]
    notes: tuple[Note, ...]
    where: str | None = None
    """The condition, in SQL, by which rows were chosen."""


class Passes(Protocol):
    """What finds the rows; ``matching`` is how many there are, where counting said it."""

    matching: int | None

    def rows(self, limit: int | None) -> Iterator[list[Row]]:
        """The first ``limit`` rows (``None``: all), in pieces of bounded size."""

    def seen(self) -> int:
        """How many there are, once they have been looked for."""


class Listing:
    """Rows to list, of a source that has been counted: to be iterated while the source is open, as often as wanted."""

    def __init__(self, passes: Passes, summary: Summary, columns: tuple[Column, ...], further: int) -> None:
        self.summary = summary
        self.columns = columns
        self.further = further
        """How many of the columns, at the end, were asked for."""
        self._passes = passes
        self._held: list[Row] = []
        self._is_whole = False

    @property
    def matching(self) -> int:
        """How many rows there are to list, whatever the limit."""
        counted = self._passes.matching  # suspect labels are known when they have been looked for
        return self._passes.seen() if counted is None else counted

    @property
    def wrong(self) -> int:
        """How many mistakes there are, whether or not they were asked for."""
        return self.matching if self.summary.wrong is None else self.summary.wrong

    @property
    def is_of_values(self) -> bool:
        """Whether it lists errors of a regression: then nearly every row has one, and the largest come first."""
        return self.summary.task == "regression"

    def hold(self, limit: int) -> None:
        """Find the first ``limit`` rows now, unless they are too many to hold: before anything is written of them."""
        if limit <= HELD and not self._is_whole and limit > len(self._held):
            self._held = [row for piece in self._passes.rows(limit) for row in piece]
            self._is_whole = len(self._held) < limit

    def rows(self, limit: int | None) -> Iterator[list[Row]]:
        """The first ``limit`` rows (``None``: all) in the order of the search, in pieces of bounded size.

        Raises:
            InputError: the input is not what it was when it was counted.

        """
        if self._is_whole or (limit is not None and limit <= len(self._held)):
            yield self._held[:limit]
        else:
            yield from self._passes.rows(limit)
