"""The truth of several labels a row in a table, as an array in memory: for a partner that lies in a tensor file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.sources.label_groups import Group
from evalcli.sources.table_array import FETCH, TableArray
from evalcli.sources.table_cells import CellSides, cells_of, check_values, refuse_odd, refuse_texts, unordered
from evalcli.sources.table_join import Joined

if TYPE_CHECKING:
    from evalcli.sources.base import Selection
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables


def read_cells(tables: Tables, table: Table, group: Group, selection: Selection) -> tuple[TableArray, Group]:
    """The target of several labels a row from a table whose partner is a tensor; with the labels by name, if any.

    Raises:
        InputError: as ``measure_cells``.
        EmptyError: the table has no rows.

    """
    joined = Joined(tables, table, None)
    chosen = tuple(joined.column(name, "preds") for name in group.columns)
    sides = CellSides(joined, chosen, chosen[0], None, group.labels, selection, lambda _share: None, targets=chosen)
    labels = group.labels or selection.labels
    if chosen[0].kind == "texts":
        if labels is None:
            raise unordered(table.path)
        refuse_odd(sides, "target", labels)
    cells = cells_of(sides, "target", group, labels)
    unread = cells.unread_sql() or "false"
    counted = f"SELECT count(*), count(*) FILTER ({unread}) {joined.source()}"
    rows, broken = sides.query(counted).fetchall()[0]
    (broken,) = sides.sums(broken)
    if not rows:
        raise sides.nothing(0)
    if broken:
        refuse_texts(sides, "target")
    if selection.scores == "values":
        check_values(sides)
    data = np.empty((rows, cells.width), cells.dtype)
    at = 0
    for block in tables.stream(f"SELECT {', '.join(cells.read_sql())} {joined.source()}", FETCH):
        data[at : at + block.num_rows] = cells.table(block.columns)
        at += block.num_rows
    found = TableArray(chosen[0].name, data.dtype.name, data).placed(table)
    return found, Group(group.columns, group.labels or cells.members)
