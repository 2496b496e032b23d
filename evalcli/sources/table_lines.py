"""Tables that hold nothing but target and prediction: whole lines are counted, and only distinct ones taken apart.

One text a row instead of two is half the work of the table engine, and all the work is there: ten million rows of ten
classes make a hundred distinct lines. A line that is not two cells of its own (a carriage return, a cell too many, a
quote that opens and does not close) sends the whole table the ordinary way, which knows what to make of it. Where every
line closes what it opens, no cell goes on in the next one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import EvalError
from evalcli.sources.table_counts import GroupRow, RowsAtHand

if TYPE_CHECKING:
    from evalcli.sources.table_sides import Sides

MOST_LINES = 1 << 16
"""With more distinct lines than this, counting them gains nothing."""


class Lines(NamedTuple):
    """A table as whole lines: the statement that selects them, and how two cells stand in one."""

    sql: str
    delimiter: str
    target_first: bool

    def cells(self, line: str | None) -> tuple[str | None, str | None] | None:
        """Target and prediction; an empty cell is missing. ``None`` for a line that is not two cells."""
        if not line or "\r" in line:
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


_QUOTED = r'(?:"((?:[^"]|"")*)"|([^"@]*))@(?:"((?:[^"]|"")*)"|([^"@]*))'
"""Two cells around the delimiter ``@``, in quotes or without any."""


def lines_of(sides: Sides) -> Lines | None:
    """The lines of the table, or ``None`` where it has to be read cell by cell."""
    joined, table = sides.joined, sides.joined.preds
    alone = joined.target is None and joined.where is None and sides.weight is None and len(sides.preds) == 1
    pair = [sides.preds[0].name, sides.target.name]
    if not alone or sorted(table.columns) != sorted(pair):
        return None
    source, delimiter = table.reader.whole_lines()
    if source is None:
        return None
    return Lines(f"SELECT line FROM {source}", delimiter, next(iter(table.columns)) == sides.target.name)


def count_lines(sides: Sides) -> RowsAtHand | None:
    """The groups of the table, or ``None`` where it has to be read cell by cell."""
    lines = lines_of(sides)
    if lines is None:
        return None
    try:
        sql = f"SELECT line, count(*) FROM ({lines.sql}) GROUP BY line LIMIT {MOST_LINES + 1}"
        counted = sides.query(sql).fetchall()
    except EvalError:
        return None  # the ordinary way finds the line that is wrong
    rows: list[GroupRow] = []
    for line, count in counted:
        cells = lines.cells(line)
        if cells is None:
            return None
        rows.append((*cells, None, count))
    if len(rows) > MOST_LINES or not sides.joined.preds.reader.adds_up(counted):
        return None
    return RowsAtHand(rows)
