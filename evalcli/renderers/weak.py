"""The weak slices that a search found, on screen: the worst first, then what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from evalcli.renderers import contents, wording
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import INDENT, NAME, Screen, padded, prose, table, title
from evalcli.renderers.weak_words import facts, headline, named, numbers

if TYPE_CHECKING:
    from rich.text import Text

    from evalcli.report import Report
    from evalcli.searched import Scan, WeakSlice

_NAMES, _LEAST_NAME = 28, 10
"""Cells of a name that are worth more than most numbers; and what it keeps at least."""


def weak_lines(report: Report, screen: Screen) -> list[Text]:
    """The weak slices, the worst first, and how many were tried; nothing where nobody searched."""
    scan = report.scan
    if scan is None:
        return []
    shown = scan.slices[: contents.MAX_LISTED]
    drawn = _table(scan, shown, screen) if shown else []
    more = [f"{len(scan.slices) - len(shown):,} more in the JSON"] if len(scan.slices) > len(shown) else []
    said = [line for fact in (*more, *facts(scan)) for line in prose(fact, screen, hang=2, style="dim")]
    return [*title("Weak slices", screen, headline(scan)), *drawn, *said]


def _table(scan: Scan, shown: tuple[WeakSlice, ...], screen: Screen) -> list[Text]:
    count = wording.amount(row.n for row in shown)
    heads = (visible(wording.title(scan.metric), 24), "the rest", "difference", "interval", "adj. p", "n")
    rows = [[screen.say(head, "dim") for head in heads]]
    rows += [[screen.say(cell) for cell in (*numbers(row, scan.metric), count(row.n))] for row in shown]
    kept = [i for i in range(len(heads)) if i != 3 or any(row.low is not None for row in shown)]
    longest = max(cell_len(named(row)) for row in shown) + 2
    for dropped, least in ((None, _NAMES), (1, _NAMES), (3, _NAMES), (4, _NAMES), (2, _LEAST_NAME)):
        kept = [i for i in kept if i != dropped]
        right = table([[row[i] for i in kept] for row in rows], "r" * len(kept))
        taken = max(line.cell_len for line in right)
        if taken + min(least, longest) <= screen.width - INDENT:
            break
    room = max(screen.width - INDENT - 2 - taken, _LEAST_NAME)
    labels = [screen.say(""), *screen.names([named(row) for row in shown], min(NAME, room))]
    width = max(label.cell_len for label in labels) + 2
    return [padded(label, width, "l") + line for label, line in zip(labels, right, strict=True)]
