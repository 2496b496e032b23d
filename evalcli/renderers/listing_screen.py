"""A list of rows on a screen, whatever its width.

Numbers are never cut. Texts are, the further columns before the names of classes; where even that is not enough the
further columns stand below their row, and at last whole columns are left out, which is said.
"""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from evalcli.renderers.escape import visible
from evalcli.renderers.screen import GAP, INDENT, NAME, Screen, indented, padded, table, wrapped
from evalcli.renderers.wording import UNDEFINED, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.listing import Listing, Row

_UNBOUNDED = 10**5
"""Cells from which nobody looks through a window: texts are not cut."""
_PAGE = 1000
"""Rows whose columns stand under each other; a longer list begins a new table."""
_LEAST = 8
"""Cells below which no text is cut."""
_LEFT_OUT = ("absolute_error", "margin", "line", "file", "weight", "p_suggested", "relative_error")
"""What a narrow screen does without, in this order."""


def plain_lines(listing: Listing, limit: int | None) -> Iterator[str]:
    """The list as text without colour, as wide as it needs to be."""
    return (f"{each.plain.rstrip()}\n" for each in screen_lines(listing, limit, Screen(_UNBOUNDED)))


def screen_lines(listing: Listing, limit: int | None, screen: Screen) -> Iterator[Text]:
    """The heading and the table for a screen of any width."""
    yield from indented(_heading(listing, limit, screen))
    rows = chain.from_iterable(listing.rows(limit))
    while page := list(islice(rows, _PAGE)):
        yield Text()
        yield from _Page(listing, page, screen).lines()
    yield from _ending(listing, limit, screen)


def _heading(listing: Listing, limit: int | None, screen: Screen) -> list[Text]:
    summary = listing.summary
    paths = list(dict.fromkeys(each.path for each in summary.inputs))
    more = [f"and {len(paths) - 4:,} more"] if len(paths) > 4 else []
    facts = [("files", ", ".join((*map(visible, paths[:4]), *more)))]
    facts.append(("task", _task(listing)))
    facts += _counted(listing, limit)
    lines = []
    for key, fact in facts:
        head = padded(screen.say(key, "dim"), 10, "l")
        for text in wrapped(screen.say(fact).plain, screen.prose - INDENT - 10):
            lines.append(head + Text(text))
            head = Text(" " * 10)
    return lines


def _task(listing: Listing) -> str:
    """What kind of task it is, of how many classes, labels or outputs."""
    summary, count = listing.summary, listing.summary.classes
    if listing.is_of_values:
        return f"regression, {count:,} outputs" if count > 1 else "regression"
    one, many = ("label", "labels") if summary.task == "multilabel" else ("class", "classes")
    scores = "0 and 1" if summary.scores == "labels" and many == "labels" else summary.scores
    return f"{summary.task}, {count:,} {many if count != 1 else one}, {scores}"


def _counted(listing: Listing, limit: int | None) -> list[tuple[str, str]]:
    """How many there are, how many of them were asked for, how many of those are listed."""
    summary, search = listing.summary, listing.summary.search
    asked = " ".join(
        (*(f"--pair {visible(p)}" for p in search.pairs), *(f"--class {visible(c)}" for c in search.classes))
    )
    rows = "" if summary.noun in ("rows", "elements") else " row" if summary.ignored == 1 else " rows"
    ignored = f", {summary.ignored:,}{rows} ignored" if summary.ignored else ""
    matching = listing.matching
    shown = matching if limit is None else min(limit, matching)
    if search.suspects or listing.is_of_values:
        noun = "labels" if search.suspects and summary.noun == "rows" else summary.noun
        of = f"{_share(matching, summary.elements, noun)}{ignored}" + (f", for {asked}" if asked else "")
        facts = [("suspect" if search.suspects else "not exact", of)]
    else:
        facts = [("wrong", f"{_share(listing.wrong, summary.elements, summary.noun)}{ignored}")]
        facts += [("asked for", f"{matching:,} of them: {asked}")] if asked else []
    facts += [] if summary.where is None else [("where", visible(summary.where))]
    return [*facts, ("listed", f"{shown:,}, {_order(listing)}" if shown else "none")]


def _order(listing: Listing) -> str:
    """What the rows are in order of, in words."""
    search = listing.summary.search
    if listing.is_of_values:
        return "the largest relative error first" if search.relative else "the largest error first"
    if search.suspects:
        return "the least probable label first"
    return "the most confident first" if search.confident else "in the order of the file"


def _share(part: int, whole: int, noun: str) -> str:
    """How many of how many, and the share.

    >>> _share(43, 500, "rows"), _share(1, 100_000, "rows"), _share(0, 1, "rows")
    ('43 of 500 rows, 8.6%', '1 of 100,000 rows, <0.1%', '0 of 1 row')
    """
    text = f"{part:,} of {whole:,} {noun.removesuffix('s') if whole == 1 else noun}"
    if not part:
        return text
    percent = 100 * part / whole
    return f"{text}, <0.1%" if percent < 0.05 else f"{text}, {percent:.1f}%"


def _ending(listing: Listing, limit: int | None, screen: Screen) -> list[Text]:
    left = 0 if limit is None else listing.matching - limit
    if left <= 0:
        return []
    text = f"{left:,} more: --limit all lists them here"
    if not listing.is_of_values:
        text += ", -o errors.jsonl or errors.csv in a file"
    return [Text(), *indented([screen.say(part, "dim") for part in wrapped(text, screen.prose - INDENT)])]


class _Page:
    """Rows of a list as a table that fits the screen."""

    def __init__(self, listing: Listing, rows: Sequence[Row], screen: Screen) -> None:
        self.screen, self.rows, self.columns = screen, rows, listing.columns
        unscored = listing.summary.scores == "labels"
        own = len(self.columns) - listing.further
        self.kept = [i for i in range(own) if not (unscored and self.columns[i].kind == "ratio")]
        self.further = list(range(own, len(self.columns)))
        self.below: list[int] = []
        self.right = [all(_is_number(row[i]) for row in rows) for i in range(len(self.columns))]
        self.unbounded = screen.width >= _UNBOUNDED
        self.caps = [0 if right else self._widest(i) for i, right in enumerate(self.right)]

    def lines(self) -> list[Text]:
        """The table; further columns and others give way where there is no room."""
        left_out = self._fit()
        shown = [*self.kept, *self.further]
        heads = [self.screen.say(visible(self.columns[i].name), "dim") for i in shown]
        drawn = table([heads, *([self._drawn(row, i) for i in shown] for row in self.rows)], self._align(shown))
        lines = [drawn[0], self.screen.rule(max(each.cell_len for each in drawn))]
        for row, each in zip(self.rows, drawn[1:], strict=True):
            lines += [each, *self._below(row)]
        if left_out:
            text = f"no room for {' and '.join(left_out)}: a wider screen, JSON and CSV have them"
            lines += [self.screen.say(part, "dim") for part in wrapped(text, self.screen.prose - INDENT)]
        return indented(lines)

    def _fit(self) -> list[str]:
        """Cut texts, move further columns below, and leave columns out, until the rest fits; the names of these."""
        left_out: list[str] = []
        while not self._shrink():
            if self.further:
                self.below, self.further = self.further, []
                continue
            name = next((n for n in _LEFT_OUT if any(self.columns[i].name == n for i in self.kept)), None)
            if name is None:
                break
            left_out.append(name)
            self.kept = [i for i in self.kept if self.columns[i].name != name]
        return left_out

    def _shrink(self) -> bool:
        """Cut the widest texts, class names last, until the table fits; whether it does."""
        shown = [*self.kept, *self.further]
        self.caps = [0 if right else self._widest(i) for i, right in enumerate(self.right)]
        room = self.screen.width - INDENT - GAP * (len(shown) - 1)
        over = sum(self._width(i) for i in shown) - room
        for names in (False, True):
            can = [i for i in shown if not self.right[i] and (self.columns[i].kind == "name") == names]
            while over > 0 and any(self.caps[i] > self._least(i) for i in can):
                widest = max((i for i in can if self.caps[i] > self._least(i)), key=lambda i: self.caps[i])
                self.caps[widest] -= 1
                over -= 1
        return over <= 0

    def _least(self, index: int) -> int:
        return max(_LEAST, cell_len(self.columns[index].name))

    def _width(self, index: int) -> int:
        head = cell_len(visible(self.columns[index].name))
        if self.right[index]:
            return max([head, *(self._drawn(row, index).cell_len for row in self.rows)])
        return max(head, self.caps[index])

    def _widest(self, index: int) -> int:
        cap = _UNBOUNDED if self.unbounded and self.columns[index].kind == "cell" else NAME
        head = cell_len(visible(self.columns[index].name))
        return max([head, *(self._text(row[index], index, cap).cell_len for row in self.rows)])

    def _align(self, shown: Sequence[int]) -> str:
        return "".join("r" if self.right[i] else "l" for i in shown)

    def _drawn(self, row: Row, index: int) -> Text:
        return self._text(row[index], index, self.caps[index] or NAME)

    def _text(self, value: Any, index: int, cap: int) -> Text:
        if value is None:
            return self.screen.say(UNDEFINED, "dim")
        if self.columns[index].kind == "ratio":
            return self.screen.say(ratio(value))
        if isinstance(value, str):
            return self.screen.name(value, cap)
        if isinstance(value, list):
            return self.screen.name(", ".join(_plain(each) for each in value), cap)
        return self.screen.say(_plain(value))

    def _below(self, row: Row) -> list[Text]:
        """The further columns under their row, each on a line of its own."""
        lines = []
        for i in self.below:
            head = self.screen.say(f"    {visible(self.columns[i].name, NAME)}  ", "dim")
            lines.append(head + self._text(row[i], i, max(_LEAST, self.screen.width - INDENT - head.cell_len)))
        return lines


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _plain(value: Any) -> str:
    """A value of a further column for people: six digits, and all of those before the point.

    >>> _plain(0.12345678), _plain(1234567.5), _plain(2e17), _plain([1, None])
    ('0.123457', '1234568', '2e+17', '[1, null]')
    """
    if isinstance(value, float):
        return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
