"""Label tables: counted by target and prediction where the rows lie."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.labels import HEAVIEST
from evalcli.sources import table_columns as columns
from evalcli.sources.duck import literal
from evalcli.sources.labels import TRUTH, check_labels, names_of_numbers, text_for_numbers
from evalcli.sources.naming import repeated_names
from evalcli.sources.slicing import check_size
from evalcli.sources.spooled import spool_labels
from evalcli.sources.table_counts import MISSING, Groups, read_groups, with_names
from evalcli.sources.table_lines import read_lines
from evalcli.sources.table_rows import RowStream
from evalcli.sources.table_sides import QUOTED_FORMATS, Opened, odd_cells
from evalcli.sources.table_slices import completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.sources.base import Note, Slicer
    from evalcli.sources.spooled import SpooledLabels
    from evalcli.sources.table_columns import Reading
    from evalcli.sources.table_join import Column
    from evalcli.sources.table_sides import Sides
    from evalcli.sources.table_slices import SliceColumn

WEIGHT_SAMPLE = 100_000
DISTINCT_WEIGHTS = 20_000
"""More distinct weights than this in the first rows: grouping would gain nothing, rows are streamed."""


def count_labels(sides: Sides, reading: Reading) -> Opened | None:
    """Count the groups; ``None`` when the predicted labels turn out to be scores.

    Raises:
        InputError: missing cells, two spellings of one class, or floats that are no labels.
        EmptyError: no row is left.

    """
    weight = sides.weight
    grouped = weight is not None and not _has_many_weights(sides, weight)
    spooled = spool_labels(sides)
    groups = _grouped(sides, weight if grouped else None, spooled)
    if reading.by_sample and _are_none(sides, groups):
        return None
    _check_floats(sides, groups)
    gaps = groups.preds == MISSING
    lost = groups.target == MISSING
    sides.check_gaps(*sides.sums(*(int(groups.repeats[mask].sum()) for mask in (gaps, lost))))
    dropped = 0
    if sides.selection.nan == "drop":
        dropped = int(groups.repeats[gaps | lost].sum())
        groups = groups.keep(~(gaps | lost))
    rows = int(groups.repeats.sum())
    if not rows and not sides.selection.partial:
        raise sides.nothing(dropped)
    names = {side: names_of_numbers(groups.of(side), sides.selection.labels) for side in ("target", "preds")}
    groups = with_names(groups, names, sides.selection.labels)
    truth, said = groups.of("target"), groups.of("preds")
    for slicer in groups.slicers:
        check_size(slicer.name, len(slicer.values), sides.path)
    _check_headers(sides, groups)
    sides.check_classes(sides.target, truth, "target")
    sides.check_classes(sides.preds[0], said, "prediction")
    if sides.selection.partial:  # a few rows may well have no label in common: all of them are compared in the end
        truth = said = truth | said
    notes = [*check_labels(truth, said, sides.path), *_check_kinds(sides)]
    fields = [sides.field(side, "text", (rows,), groups.labels) for side in ("preds", "target")]
    opened = Opened(fields[0], fields[1], rows, dropped, notes=notes, slicers=groups.slicers)
    opened.scanned, scan = sides.read_scan()
    searched = () if opened.scanned is None else opened.scanned.columns
    rows_singly = _label_rows(sides, groups.labels, names, (*opened.slicers, *searched), scan)
    if (weight is None or grouped) and not searched and sides.cluster is None:
        opened.groups, opened.singly = groups, rows_singly
        opened.spooled = spooled.rows(groups.labels, names) if spooled is not None and not dropped else None
    else:
        opened.stream = rows_singly
    if weight is not None:
        sides.check_numbers(weight, "weight")
        _check_weights(sides, weight, groups.weight)
    opened.notes += sides.pairing_notes()
    return opened


def _check_headers(sides: Sides, groups: Groups) -> None:
    """Refuse rows that are the names of the columns again, as where files with a header were put one behind the other.

    Raises:
        InputError: there are some.

    """
    columns_of_both = sides.preds[0], sides.target
    codes = [groups.labels.index(each.name) if each.name in groups.labels else None for each in columns_of_both]
    repeated = (groups.preds == codes[0]) & (groups.target == codes[1]) if None not in codes else ()
    (count,) = sides.sums(int(np.count_nonzero(repeated)))
    if not count or any(sides.table(each).format not in QUOTED_FORMATS for each in columns_of_both):
        return
    test = " AND ".join(f"{each.sql} = {literal(each.name)}" for each in columns_of_both)
    raise sides.counted("header", sides.target, sides.faulty(test, sides.target), partial(repeated_names, sides.path))


def _check_kinds(sides: Sides) -> tuple[Note, ...]:
    """What is said of one side stored as text beside another kind; in CSV all is text, whatever it stands for.

    Which labels that meets is not asked: each of several processes would have an answer of its own.
    """
    for column, other in ((sides.target, sides.preds[0]), (sides.preds[0], sides.target)):
        if column.kind == "text" != other.kind and sides.table(column).format not in QUOTED_FORMATS:
            return text_for_numbers(sides.selection.labels or TRUTH.values())
    return ()


def _check_weights(sides: Sides, column: Column, grouped: HostArray | None) -> None:
    """Refuse weights that are none, while their rows are known: a group has no line."""
    odd = 0 if grouped is None else np.count_nonzero(~((grouped >= 0) & (grouped <= HEAVIEST)))
    if not any(sides.sums(int(odd))):
        return
    number = columns.score_sql(column)  # to the engine, NaN is more than any number
    found = sides.faulty(f"NOT ({number} >= 0 AND {number} <= {HEAVIEST!r})", column)
    what, fix = "is negative, not finite or huge", "weights must lie between 0 and 1e150"
    told = partial(odd_cells, "weight", f"in column {column.name!r} {what}", fix, sides.table(column).path)
    raise sides.counted("odd weight", column, found, told)


def _are_none(sides: Sides, groups: Groups) -> bool:
    """Whether the labels turn out to be scores or values, now that all of them are known."""
    said, truth = sides.of_all(preds=groups.of("preds"), target=groups.of("target"))
    kinds = {sides.preds[0].kind, sides.target.kind}
    values = sides.selection.may_be_values and columns.are_values(said, truth, sides.path, stored="float" in kinds)
    return values or columns.contradicts(said, truth)


def _grouped(sides: Sides, weight: Column | None, spooled: SpooledLabels | None) -> Groups:
    """The groups by stored value; the text of a value is made once for each group, not for each row."""
    if not sides.slices:
        lines = read_lines(sides) if spooled is None else spooled
        if lines is not None:
            return read_groups(lines.groups(), sides.selection.labels)
    target, pred = (
        (f"CAST({alias} AS VARCHAR)", f"{columns.group_sql(column)} AS {alias}")
        for alias, column in (("t", sides.target), ("p", sides.preds[0]))
    )
    weight_sql = "CAST(NULL AS DOUBLE)" if weight is None else columns.score_sql(weight)
    names = [f"g{number}" for number in range(len(sides.slices))]
    slices = "".join(f", {column.sql} AS {name}" for column, name in zip(sides.slices, names, strict=True))
    counted = f"{target[1]}, {pred[1]}, {weight_sql} AS w, count(*) AS n{slices} {sides.joined.source()} GROUP BY ALL"
    sliced = sides.slices
    if any(table.is_share for table in sides.joined.files):
        sliced = completed(sides.joined, sliced, sides.kept_sql())
    result = sides.query(f"SELECT {', '.join([target[0], pred[0], 'w', 'n', *names])} FROM (SELECT {counted})")
    return read_groups(result, sides.selection.labels, sliced, weighted=weight is not None)


def _has_many_weights(sides: Sides, weight: Column) -> bool:
    sample = f"{weight.sql} AS w {sides.joined.source()} LIMIT {WEIGHT_SAMPLE}"
    return bool(sides.query(f"SELECT count(DISTINCT w) FROM (SELECT {sample})").fetchall()[0][0] > DISTINCT_WEIGHTS)


def _label_rows(
    sides: Sides,
    labels: tuple[str, ...],
    names: Mapping[str, Mapping[str, str]],
    slicers: tuple[Slicer, ...],
    scan: Sequence[SliceColumn],
) -> RowStream:
    """The same rows one by one; ``slicers`` are those of the sides and of what is searched."""
    said = columns.named_sql(columns.label_sql(sides.preds[0]), names["preds"])
    truth = columns.named_sql(columns.label_sql(sides.target), names["target"])
    weight = () if sides.weight is None else (columns.score_sql(sides.weight),)
    clustered = () if sides.cluster is None else (sides.cluster,)
    reads = (said, truth, *weight, *(column.sql for column in (*sides.slices, *scan)), *clustered)
    sql = f"SELECT {', '.join(reads)} {sides.joined.source(also=sides.kept_sql())} {sides.joined.order}"
    weighted = sides.weight is not None
    stream = RowStream(sides.joined.tables, sql, 1, labels, np.float64, weighted=weighted, reads=reads, slicers=slicers)
    return replace(stream, clustered=sides.cluster is not None)


def _check_floats(sides: Sides, groups: Groups) -> None:
    """A float column holds labels only where every value is whole: rounding would invent classes."""
    if sides.selection.scores == "labels":
        return
    for column, side in ((sides.preds[0], "preds"), (sides.target, "target")):
        broken = [label for label in sorted(groups.of(side)) if not label.lstrip("-").isdigit()]
        if column.kind == "float" and broken:
            raise InputError(
                f"column {column.name!r} holds {broken[0]}, which is no whole number and so no class",
                fix=f"if these are classes, --scores labels; else {columns.FLAG}|values",
                path=sides.path,
            )
