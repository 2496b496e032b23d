"""What bounds of ranges ask of the columns of a table: numbers, or dates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evalcli.errors import InputError
from evalcli.sources.table_columns import slice_sql
from evalcli.sources.table_sides import odd_cells
from evalcli.sources.times import TIME_FIX, is_time, time_sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources.table_join import Column
    from evalcli.sources.table_sides import Sides


def check_bounds(sides: Sides) -> None:
    """Refuse bounds where there are no numbers or dates.

    Raises:
        InputError: with the column.

    """
    searched = () if sides.scan is None else sides.scan.columns
    for column, bounds in dict.fromkeys(cut for each in (*sides.slices, *searched) for cut in each.cut):
        check_cut(sides, column, bounds)


def check_cut(sides: Sides, column: Column, bounds: Sequence[str]) -> None:
    """Refuse to cut a column into ranges that holds no numbers, or no dates.

    Raises:
        InputError: with the count, an example and the first places.

    """
    path = sides.table(column).path
    if not is_time(bounds):
        if column.kind not in {"text", "integer", "float"}:
            what = f"column {column.name!r} holds no numbers to cut into ranges"
            raise InputError(what, fix="leave out the bounds", path=path)
        sides.check_numbers(column, "cell")
        return
    if column.kind != "text":
        raise InputError(f"column {column.name!r} holds no dates to slice by", fix=TIME_FIX, path=path)
    cell = slice_sql(column)
    found = sides.faulty(f"{cell} IS NOT NULL AND {time_sql(cell, bounds)} IS NULL", column)
    if found.rows:
        told = partial(odd_cells, "cell", f"in column {column.name!r} is no date", TIME_FIX, path)
        raise sides.counted("cell", column, found, told)
