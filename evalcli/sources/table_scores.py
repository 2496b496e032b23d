"""Score tables: measured in one pass, then streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError
from evalcli.sources import table_columns as columns
from evalcli.sources.labels import class_order, names_of_numbers
from evalcli.sources.table_columns import Reading
from evalcli.sources.table_rows import RowStream
from evalcli.sources.table_sides import CLASS_LIMIT, Opened
from evalcli.sources.table_slices import read_slicers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.sources.table_sides import Sides
    from evalcli.sources.table_slices import SliceColumn


def measure_scores(sides: Sides, reading: Reading) -> Opened:
    """Learn everything that must be known before the first row: labels, widths, gaps, texts that are no numbers.

    Raises:
        InputError: missing cells, texts that are no numbers, lists of different length.
        EmptyError: no row is left.

    """
    measured = _measured(sides, reading)
    if _turn_out_values(sides, reading, [row[0] for row in measured]):
        return measure_scores(sides, Reading("scores", "values", reading.by_sample))
    total, gaps, lost, either, unread = (sum(row[index] for row in measured) for index in range(1, 6))
    gaps, lost, unread = sides.sums(gaps, lost, unread)
    if not total and not sides.selection.partial:
        raise sides.nothing(0)
    values = reading.target == "values"
    if unread:
        for column in sides.preds:
            sides.check_numbers(column, "prediction" if values else "score", by_sample=reading.by_sample)
    sides.check_gaps(gaps, lost, values=values)
    if values:
        sides.check_numbers(sides.target, "target", by_sample=reading.by_sample)
        for column, role in ((sides.preds[0], "prediction"), (sides.target, "target")):
            sides.check_exact(column, role)
    if sides.weight is not None:
        sides.check_numbers(sides.weight, "weight")
    dropped = either if sides.selection.nan == "drop" else 0
    if total == dropped and not sides.selection.partial:
        raise sides.nothing(dropped)
    found = [row[0] for row in measured if row[0] is not None]
    names = names_of_numbers(found, sides.selection.labels)
    labels = class_order((names.get(label, label) for label in found), sides.selection.labels)
    sides.check_classes(sides.target, labels, "target")
    width = common_width(sides) if sides.preds[0].kind == "list" else None
    single = columns.is_single_precision(sides.joined, sides.preds)
    shape = (
        (total - dropped,) if len(sides.preds) == 1 and width is None else (total - dropped, width or len(sides.preds))
    )
    preds = sides.field("preds", "float32" if single else "float64", shape)
    dtype, texts = {"labels": ("text", labels), "integers": ("int64", None), "values": ("float64", None)}[
        reading.target
    ]
    target = sides.field("target", dtype, shape[:1], texts)
    slicers = read_slicers(sides.joined, sides.slices, sides.kept_sql())
    scanned, scan = sides.read_scan()
    every = slicers if scanned is None else (*slicers, *scanned.columns)
    stream = _stream(sides, reading, labels, width, names, scan, single=single)
    stream = replace(stream, slicers=every, clustered=sides.cluster is not None)
    notes = [*sides.pairing_notes()]
    return Opened(preds, target, shape[0], dropped, stream=stream, notes=notes, slicers=slicers, scanned=scanned)


def _turn_out_values(sides: Sides, reading: Reading, labels: list[str | None]) -> bool:
    """Whether targets that looked like labels in the first rows are numbers with fractions, one to a score."""
    single = len(sides.preds) == 1 and sides.preds[0].kind != "list"
    if reading.target != "labels" or not single or not sides.selection.may_be_values:
        return False
    (truth,) = sides.of_all(target={label for label in labels if label is not None})
    return columns.are_fractions(truth)


def _measured(sides: Sides, reading: Reading) -> list[tuple[Any, ...]]:
    """For each target label: rows; rows with missing scores, no target, either, texts that are no numbers."""
    label = columns.group_sql(sides.target) if reading.target == "labels" else "CAST(NULL AS VARCHAR)"
    gap, lost = f"({sides.gap_sql()})", f"{columns.absent_sql(sides.target)}"
    unread = " OR ".join(columns.unparsable_sql(each) for each in sides.preds)
    counts = ", ".join(f"count(*) FILTER ({test})" for test in ("true", gap, lost, f"{gap} OR {lost}", unread))
    grouped = f"{label} AS t, {counts} {sides.joined.source()} GROUP BY t LIMIT {CLASS_LIMIT + 1}"
    rows: list[tuple[Any, ...]] = sides.query(
        f"SELECT CAST(t AS VARCHAR), * EXCLUDE (t) FROM (SELECT {grouped})"
    ).fetchall()
    return rows


def common_width(sides: Sides) -> int:
    """The length that all lists of the first column have.

    Raises:
        InputError: they differ, or are empty.

    """
    column = sides.preds[0]
    length = f"len({column.sql})"
    low, high = sides.query(f"SELECT min({length}), max({length}) {sides.joined.source()}").fetchall()[0]
    low, high = sides.span(low, high)
    if low is None and sides.selection.partial:
        return 0
    if low != high:
        _, places, _ = sides.first(0, sides.joined.places("preds", f"{length} < {high}")[0])
        raise InputError(
            f"lists in column {column.name!r} have {low} to {high} scores (short ones at {', '.join(places)})",
            fix="every row needs one score for each class",
            path=sides.path,
        )
    if not high:
        what = f"lists in column {column.name!r} are empty"
        raise InputError(what, fix="every row needs one score for each class", path=sides.path)
    return int(high)


def score_reads(sides: Sides, width: int | None, *, single: bool) -> list[str]:
    """The SQL of each score, or of the list of them."""
    read = [columns.score_sql(each, single=single) for each in sides.preds]
    if width is None or sides.selection.nan != "wrong":
        return read
    blank = f"CAST([{', '.join(['NULL'] * width)}] AS {'FLOAT' if single else 'DOUBLE'}[])"
    return [f"coalesce({each}, {blank})" for each in read]  # a missing list must not shorten the block


def _stream(
    sides: Sides,
    reading: Reading,
    labels: tuple[str, ...],
    width: int | None,
    names: Mapping[str, str],
    scan: Sequence[SliceColumn],
    *,
    single: bool,
) -> RowStream:
    read = score_reads(sides, width, single=single)
    as_number = {"integers": f"CAST({sides.target.sql} AS BIGINT)", "values": columns.score_sql(sides.target)}
    read.append(as_number.get(reading.target) or columns.named_sql(columns.label_sql(sides.target), names))
    if sides.weight is not None:
        read.append(columns.score_sql(sides.weight))
    read += [column.sql for column in (*sides.slices, *scan)]
    read += [] if sides.cluster is None else [sides.cluster]
    sql = f"SELECT {', '.join(read)} {sides.joined.source(also=sides.kept_sql())} {sides.joined.order}"
    dtype = np.float32 if single else np.float64
    weighted = sides.weight is not None
    return RowStream(
        sides.joined.tables, sql, len(sides.preds), labels, dtype, width, weighted=weighted, reads=tuple(read)
    )
