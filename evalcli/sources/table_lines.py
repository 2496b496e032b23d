"""Tables that hold nothing but target and prediction: whole lines are counted, and only distinct ones taken apart.

Ten million rows of ten classes make a hundred distinct lines. A line that is not two cells of its own (a carriage
return, a cell too many, a quote that opens and does not close) sends the whole table the ordinary way, which knows what
to make of it. Where every line closes what it opens, no cell goes on in the next one.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import EvalError
from evalcli.forks import can_fork
from evalcli.metrics.threads import ahead, usable_cores
from evalcli.sources.linenumbers import LONGEST, LineNumbers
from evalcli.sources.lines_apart import NumbersApart
from evalcli.sources.table_counts import RowsAtHand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Array
    from evalcli.sources.bytestream import TextFile
    from evalcli.sources.table_sides import Sides

Cell = str | None
"""What stands in a cell; ``None`` where it is empty."""


class Table(NamedTuple):
    """A table as whole lines: its files, and how two cells stand in a line."""

    texts: Sequence[TextFile]
    size: int
    """Bytes of all files, as they lie on the disk."""
    delimiter: str
    target_first: bool

    def cells(self, line: str) -> tuple[Cell, Cell] | None:
        """Target and prediction; ``None`` for a line that is not two cells."""
        if not line or "\r" in line or "\0" in line:
            return None
        if '"' in line:
            found = re.fullmatch(_QUOTED.replace("@", re.escape(self.delimiter)), line)
            if found is None:
                return None
            first, second = (
                plain or None if quoted is None else quoted.replace('""', '"')
                for quoted, plain in (found.group(1, 2), found.group(3, 4))
            )
        elif line.count(self.delimiter) == 1:
            first, second = (cell or None for cell in line.split(self.delimiter))
        else:
            return None
        return (first, second) if self.target_first else (second, first)


_WORTH_THREADS = 4 << 20
"""Bytes of a table from which on threads take less time than they cost."""
_MOST_HANDS = 8
_WORTH_A_PROCESS = 16 << 20
"""And from which on a process takes less than two threads lose that wait for each other."""

_QUOTED = r'(?:"((?:[^"]|"")*)"|([^"@]*))@(?:"((?:[^"]|"")*)"|([^"@]*))'
"""Two cells around the delimiter ``@``, in quotes or without any."""


class Lines(NamedTuple):
    """A table that was read: target and prediction by the number of a line, 0 for none, and how often it occurs."""

    cells: list[tuple[Cell, Cell]]
    counts: list[int]

    def groups(self) -> RowsAtHand:
        """Distinct rows (target, prediction, no weight, count)."""
        return RowsAtHand([(*pair, None, count) for pair, count in zip(self.cells, self.counts, strict=True) if count])


def table_of(sides: Sides) -> Table | None:
    """The table, or ``None`` where it has to be read cell by cell."""
    joined, table = sides.joined, sides.joined.preds
    alone = joined.target is None and joined.where is None and sides.weight is None and len(sides.preds) == 1
    pair = [sides.preds[0].name, sides.target.name]
    if not alone or sorted(table.columns) != sorted(pair):
        return None
    texts, delimiter = table.reader.whole_lines()
    if texts is None:
        return None
    size = sum(stop - start for start, stop in (piece.span for piece in table.reader.pieces))
    return Table(texts, size, delimiter, next(iter(table.columns)) == sides.target.name)


def read_lines(sides: Sides, keep: Callable[[Array], bool] = lambda _: True) -> Lines | None:
    """Read the table; ``keep`` takes the numbers (N,) uint16 of the next lines, in order, or says that it cannot.

    ``None`` where it cannot, or where the table has to be read cell by cell.
    """
    table = table_of(sides)
    if table is None:
        return None
    numbers: LineNumbers | NumbersApart
    if sides.selection.processes and table.size >= _WORTH_A_PROCESS and can_fork():
        numbers = NumbersApart()
        numbered = numbers.of_all(partial(_whole_lines, table), sides.heard)
    else:
        numbers = LineNumbers()
        numbered = ahead(numbers.of, _whole_lines(table, sides.heard), _hands(sides, table))
    cells: list[tuple[Cell, Cell]] = [(None, None)]
    try:
        for rows in numbered:
            if rows is None or not keep(rows):
                return None
            for line in numbers.lines[len(cells) :]:
                found = table.cells(line.removesuffix(b"\r").decode())
                if found is None:
                    return None
                cells.append(found)
    except (EvalError, UnicodeDecodeError, ChildProcessError):
        return None  # the ordinary way finds the line that is wrong
    finally:
        numbered.close()
    return Lines(cells, numbers.counts)


def _hands(sides: Sides, table: Table) -> int:
    """How many threads look lines up: other models are read at the same time, and a few lines are not worth any."""
    if sides.selection.beside or table.size < _WORTH_THREADS:
        return 1
    return sides.selection.workers or min(usable_cores(), _MOST_HANDS)


def _whole_lines(table: Table, heard: Callable[[float], None]) -> Iterator[bytes]:
    """The lines below the headers in blocks, each with a line feed; what share of the table is read is heard."""
    taken = _Taken()
    heard(0.0)
    for text in table.texts:
        rest, is_below = b"", False
        for block in text.blocks(taken):
            if text.lines is not None:
                taken.update(block)
            most, below = max(LONGEST, len(block)), block
            if not is_below:
                head, feed, below = (rest + block).partition(b"\n")
                is_below, rest = bool(feed), b"" if feed else head
            end = below.rfind(b"\n") + 1
            if end:
                yield b"".join((rest, memoryview(below)[:end]))  # which copies once
                rest = b""
            rest += below[end:]
            if len(rest) > most:
                yield rest  # no line of two labels
            heard(min(taken.bytes / max(table.size, 1), 1.0))
        if rest and is_below:
            yield rest + b"\n"


class _Taken:
    """How many bytes were read."""

    def __init__(self) -> None:
        self.bytes = 0

    def update(self, data: bytes, /) -> None:
        """Some more."""
        self.bytes += len(data)
