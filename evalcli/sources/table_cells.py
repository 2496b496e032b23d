"""Tables of several labels a row, or of several outputs of a regression: a cell for each on both sides, streamed.

Cells are numbers, or true and false. A missing cell arrives as NaN, and what it then means is not decided here. A
column of label sets becomes a cell for each label that any of them holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError, LimitError, several
from evalcli.sources import table_columns as columns
from evalcli.sources.base import Field
from evalcli.sources.cell_rows import Cells, CellStream, unread_sql
from evalcli.sources.clustering import cluster_sql
from evalcli.sources.label_groups import Group, LabelColumns, Names, find_labels
from evalcli.sources.labels import check_labels, class_order
from evalcli.sources.table_join import Column, Joined
from evalcli.sources.table_sides import Opened, Sides, find_weight, odd_cells
from evalcli.sources.table_slices import read_slicers, slice_columns
from evalcli.sources.table_source import TableSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.sources.base import Note, Selection, Source
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables

MOST_LABELS = 1 << 16
"""More different labels in sets than this are free text."""


def open_tables_as(
    tables: Tables,
    preds: Table,
    target: Table | None,
    selection: Selection,
    progress: Callable[[float, int], None] | None = None,
    *,
    checked: bool = True,
) -> Source:
    """Both sides as cells where their names or the task say so, else as one column each; as ``TableSource``."""
    first = Names(preds.columns, preds.path, preds.noun)
    second = None if target is None or target is preds else Names(target.columns, target.path, target.noun)
    found = find_labels(first, second, selection)
    if found is None:
        return TableSource(tables, preds, target, selection, progress, checked=checked)
    return CellSource(tables, preds, target, selection, progress, checked=checked, found=found)


@dataclass(frozen=True, slots=True)
class CellSides(Sides):
    """The columns of both sides over the rows that were joined, label by label; rows are never left out here.

    ``classes`` are the names of the labels, where either side has any; ``preds`` and ``targets`` a column for each, or
    a single one of lists.
    """

    targets: tuple[Column, ...] = ()

    def kept_sql(self) -> str:
        """Every row stays: what a missing cell means is not known here."""
        return ""

    @property
    def truth(self) -> tuple[Column, ...]:
        """The columns of the target."""
        return self.targets

    def columns_of(self, side: str) -> tuple[Column, ...]:
        """Those of one side."""
        return self.preds if side == "preds" else self.targets


class CellSource(TableSource):
    """Several labels a row from tables.

    Raises:
        UsageError: a name or ``--where`` that does not fit the tables; a list of mistakes.
        InputError: cells that are no numbers, lists of different length, sides that cannot be paired.
        EmptyError: no row is left.

    """

    def __init__(self, *args: Any, found: LabelColumns, **options: Any) -> None:
        self._found = found
        super().__init__(*args, **options)

    def _choose(self, tables: Tables, preds: Table, target: Table | None, selection: Selection) -> Sides:
        found = self._found
        joined = Joined(tables, preds, target, key=found.key if target is not None else None, where=selection.where)
        if selection.sorted and selection.id is not None:
            joined.sort_by(selection.id)
        said, truth = (
            tuple(joined.column(name, side) for name in group.columns)
            for side, group in (("preds", found.preds), ("target", found.target))
        )
        weight = find_weight(joined, found.weight)
        slices = slice_columns(joined, selection.by)
        cluster = None if selection.cluster is None else cluster_sql(joined, selection.cluster)
        scan = None
        if selection.scan is not None:
            named = (
                *found.preds.columns,
                *found.target.columns,
                found.weight,
                found.key,
                selection.id,
                selection.cluster,
            )
            from evalcli.sources.table_scan import scan_columns

            scan = scan_columns(joined, selection.scan, {name for name in named if name is not None})
        chosen = said, truth[0], weight, found.labels
        return CellSides(joined, *chosen, selection, self._heard, slices, scan, cluster, targets=truth)

    def _reading(self, sides: Sides) -> Callable[[], Opened]:
        assert isinstance(sides, CellSides)
        return partial(measure_cells, sides, self._found)


def measure_cells(sides: CellSides, found: LabelColumns) -> Opened:
    """Learn what must be known before the first row: how many there are, and that all cells are numbers.

    Raises:
        InputError: texts that are no numbers, lists of different length, labels that nobody declared.
        EmptyError: no row is left.

    """
    labels, alike = _labels(sides, found)
    groups = {"preds": found.preds, "target": found.target}
    read = {side: cells_of(sides, side, group, labels) for side, group in groups.items()}
    unread = " OR ".join(filter(None, (cells.unread_sql() for cells in read.values()))) or "false"
    gaps = " OR ".join(cells.gap_sql() for cells in read.values())
    counted = f"count(*), count(*) FILTER ({unread}), count(*) FILTER ({gaps}) {sides.joined.source()}"
    total, broken, missing = sides.query(f"SELECT {counted}").fetchall()[0]
    (broken,) = sides.sums(broken)
    if not total and not sides.selection.partial:
        raise sides.nothing(0)
    if broken:
        for side in read:
            refuse_texts(sides, side)
    if sides.selection.scores == "values":
        check_values(sides)
    if missing or sides.selection.where is not None:
        sides.joined.check_lengths()  # unequal lengths look like missing cells at the end
    if sides.weight is not None:
        sides.check_numbers(sides.weight, "weight")
    if read["preds"].width != read["target"].width:
        what = (
            f"lists of {several(read['preds'].width, 'prediction')} but {several(read['target'].width, 'target')} a row"
        )
        raise InputError(what, fix="give every label its place on both sides", path=sides.path)
    weight = [] if sides.weight is None else [columns.score_sql(sides.weight)]
    slicers = read_slicers(sides.joined, sides.slices, sides.kept_sql())
    scanned, scan = sides.read_scan()
    every = slicers if scanned is None else (*slicers, *scanned.columns)
    sliced = (column.sql for column in (*sides.slices, *scan))
    clustered = () if sides.cluster is None else (sides.cluster,)
    reads = (*read["preds"].read_sql(), *read["target"].read_sql(), *weight, *sliced, *clustered)
    sql = f"SELECT {', '.join(reads)} {sides.joined.source()} {sides.joined.order}"
    weighted = sides.weight is not None
    both = read["preds"], read["target"]
    stream = CellStream(sides.joined.tables, sql, *both, weighted, every, sides.cluster is not None, reads)
    fields = [_field(sides, side, cells, total, groups[side]) for side, cells in read.items()]
    notes = [*alike, *sides.pairing_notes()]
    return Opened(fields[0], fields[1], total, 0, stream=stream, notes=notes, slicers=slicers, scanned=scanned)


def cells_of(sides: CellSides, side: str, group: Group, labels: tuple[str, ...] | None) -> Cells:
    """How the cells of a side are read."""
    chosen = sides.columns_of(side)
    if chosen[0].kind == "texts":
        assert labels is not None
        return Cells(chosen, len(labels), np.float32, labels)
    flags = side == "target" and sides.selection.scores != "values"
    single = flags or columns.is_single_precision(sides.joined, chosen)
    width = len(chosen) if group.labels is not None else _common_width(sides, chosen[0])
    return Cells(chosen, width, np.float32 if single else np.float64)


def _field(sides: CellSides, side: str, cells: Cells, rows: int, group: Group) -> Field:
    """The description of a side."""
    table = sides.joined.preds if side == "preds" or sides.joined.target is None else sides.joined.target
    name = cells.columns[0].name
    if group.labels is not None and len(cells.columns) > 1:
        name = f"{name.removesuffix(group.labels[0])}*"
    dtype = np.dtype(cells.dtype).name
    return Field(name, table.path, (rows, cells.width), dtype, None, group.labels or cells.members)


def refuse_texts(sides: CellSides, side: str) -> None:
    """Name the first column of a side with a text that is no number.

    Raises:
        InputError: with the count, an example and the first places.

    """
    for column in sides.columns_of(side):
        if column.kind != "text":
            continue
        found = sides.faulty(unread_sql(column), column)
        if found.rows:
            noun, what = "target" if side == "target" else "prediction", f"in column {column.name!r} is no number"
            fix = "write 0 and 1 (or true and false)" if side == "target" else "write a number in every cell"
            told = partial(odd_cells, noun, what, fix, sides.table(column).path)
            raise sides.counted("target" if side == "target" else "score", column, found, told)


def check_values(sides: CellSides) -> None:
    """Values are numbers, where flags may also be true and false, and those that float64 holds.

    Raises:
        InputError: a column of texts, or a cell that is neither.

    """
    for side, role in (("preds", "prediction"), ("target", "target")):
        for column in sides.columns_of(side):
            if column.kind == "texts":
                what = f"column {column.name!r} holds lists of texts, and a regression needs numbers"
                raise InputError(what, fix="choose another with --pred or --target", path=sides.path)
            sides.check_numbers(column, role)
            sides.check_exact(column, role)


def _common_width(sides: CellSides, column: Column) -> int:
    """The length that all lists of a column have.

    Raises:
        InputError: they differ, or are empty.

    """
    length = f"len({column.sql})"
    low, high = sides.query(f"SELECT min({length}), max({length}) {sides.joined.source()}").fetchall()[0]
    low, high = sides.span(low, high)
    if low is None and sides.selection.partial:
        return 0
    if low != high:
        _, places, _ = sides.first(0, sides.joined.places(column.side, f"{length} < {high}")[0])
        raise InputError(
            f"lists in column {column.name!r} have {low} to {high} entries (short ones at {', '.join(places)})",
            fix="every row needs one for each label",
            path=sides.table(column).path,
        )
    if high is None:
        raise sides.nothing(0)
    if not high:
        what = f"lists in column {column.name!r} are empty"
        raise InputError(what, fix="every row needs a cell for each label", path=sides.table(column).path)
    return int(high)


def _labels(sides: CellSides, found: LabelColumns) -> tuple[tuple[str, ...] | None, tuple[Note, ...]]:
    """The labels by name: those of the columns, else as declared, else those that sets hold; and which look alike.

    Raises:
        InputError: a set holds a label that is none of them, or the sides spell a label in two ways.
        LimitError: there are too many.

    """
    held = {side: _members(sides, side) for side in ("preds", "target")}
    sets = {side: names for side, names in held.items() if names is not None}
    if not sets:
        return found.labels, ()
    sets = dict(zip(sets, map(sorted, sides.of_all(**sets)), strict=True))
    known = found.labels or sides.selection.labels
    if known is None and len(sets) < 2:
        raise unordered(sides.path)
    if known is None:
        notes = check_labels(sets["target"], sets["preds"], sides.path)
        return class_order(name for names in sets.values() for name in names), notes
    for side in sets:
        refuse_odd(sides, side, known)
    return tuple(known), ()


def refuse_odd(sides: CellSides, side: str, known: Sequence[str]) -> None:
    """Refuse sets that hold a label which is none of those ``known``.

    Raises:
        InputError: with the first of them.

    """
    declared = set(known)
    odd = [name for name in _members(sides, side) or () if name not in declared]
    if odd:
        column = sides.columns_of(side)[0]
        shown = ", ".join(map(repr, odd[:5])) + (", …" if len(odd) > 5 else "")
        raise InputError(
            f"{sides.table(column).noun} {column.name!r} holds labels that are none of the others: {shown}",
            fix="name all labels with --labels, or give each a column",
            path=sides.table(column).path,
        )


def unordered(path: str) -> InputError:
    """What to say where sets of labels meet numbers that have no names."""
    what = "the scores of a row have no names, and its labels have no order: nothing says which belong together"
    return InputError(what, fix="name the labels in the order of the scores: --labels a,b,c", path=path)


def _members(sides: CellSides, side: str) -> list[str] | None:
    """The distinct labels in a column of sets; ``None`` of any other side."""
    first = sides.columns_of(side)[0]
    if first.kind != "texts":
        return None
    inner = f"SELECT DISTINCT unnest({first.sql}) AS name {sides.joined.source()}"
    limited = f"SELECT name FROM ({inner}) WHERE name IS NOT NULL ORDER BY name LIMIT {MOST_LABELS + 1}"
    names = [row[0] for row in sides.query(limited).fetchall()]
    if len(names) > MOST_LABELS:
        what = f"{sides.table(first).noun} {first.name!r} holds more than {MOST_LABELS} different labels"
        raise LimitError(what, fix="keep the labels that are to be evaluated", path=sides.table(first).path)
    return names
