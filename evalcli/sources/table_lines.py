"""Tables that hold nothing but target and prediction: whole lines are counted, and only distinct ones taken apart.

One text a row instead of two is half the work of the table engine, and all the work is there: ten million rows of ten
classes make a hundred distinct lines. A line that is not two plain cells (a quote, a carriage return, a cell too many)
sends the whole table the ordinary way, which knows what to make of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import EvalError

if TYPE_CHECKING:
    from evalcli.sources.table_sides import Sides

MOST_LINES = 1 << 16
"""With more distinct lines than this, counting them gains nothing."""

Row = tuple[str | None, str | None, None, int]


def count_lines(sides: Sides) -> LineRows | None:
    """Rows (target, prediction, no weight, count), or ``None`` where the table has to be read cell by cell."""
    joined, table = sides.joined, sides.joined.preds
    alone = joined.target is None and joined.where is None and sides.weight is None and len(sides.preds) == 1
    pair = [sides.preds[0].name, sides.target.name]
    if not alone or sorted(table.columns) != sorted(pair):
        return None
    source, delimiter = table.reader.whole_lines()
    if source is None:
        return None
    try:
        sql = f"SELECT line, count(*) FROM {source} GROUP BY line LIMIT {MOST_LINES + 1}"
        counted = sides.query(sql).fetchall()
    except EvalError:
        return None  # the ordinary way finds the line that is wrong
    target_first = next(iter(table.columns)) == sides.target.name
    rows = [_cells(line, count, delimiter, target_first=target_first) for line, count in counted]
    plain = [row for row in rows if row is not None]
    if len(plain) < len(rows) or len(rows) > MOST_LINES or not table.reader.adds_up(counted):
        return None
    return LineRows(plain)


def _cells(line: str | None, count: int, delimiter: str, *, target_first: bool) -> Row | None:
    """The two cells of a line; an empty one is missing. ``None`` for a line that is anything else."""
    if not line or line.count(delimiter) != 1 or '"' in line or "\r" in line:
        return None
    first, _, second = line.partition(delimiter)
    target, pred = (first, second) if target_first else (second, first)
    return target or None, pred or None, None, count


class LineRows:
    """Rows at hand, asked for as those of a statement are."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, at most ``size``."""
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken
