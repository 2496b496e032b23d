"""One side in a tensor file, the other in a table: ``preds.pt`` with ``targets.csv``, paired by position."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.sources import table_options
from evalcli.sources.array_source import ArraySource, PassFile
from evalcli.sources.label_groups import Names, find_target_labels
from evalcli.sources.naming import Chosen, check_order, choose, choose_target
from evalcli.sources.pairing import beside, must_weigh, pick_preds, refuse_table_options, tensor_file
from evalcli.sources.table_array import read_side, read_weight
from evalcli.sources.tables import open_tables

if TYPE_CHECKING:
    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection
    from evalcli.sources.label_groups import Group
    from evalcli.sources.table import Table
    from evalcli.sources.table_portions import Cut
    from evalcli.sources.tables import Tables
    from evalcli.sources.tensors import TensorFile


def open_mixed(
    preds: str, target: str, selection: Selection, *, preds_in_table: bool, cut: Cut | None = None
) -> ArraySource:
    """Open both files; the column of the table is read at once, in as few bytes a row as its values need.

    Of a ``cut`` table, some rows are read, and the same ones of the tensor.

    Raises:
        EvalError: as opening either of them alone.

    """
    refuse_table_options(selection)
    table_path, tensor_path = (preds, target) if preds_in_table else (target, preds)
    options = table_options(selection)
    if cut is None:
        tables = open_tables([table_path], options, selection.workers)
    else:
        tables = open_tables([table_path], options, selection.workers, [cut.portions], [cut.files])
    tensor_pass = None
    try:
        table = tables.tables[0]
        if cut is not None:
            table.among = (cut.span[0], cut.total)
        file, tensor_pass = tensor_file(tensor_path, selection)
        table.begin()
        if preds_in_table:
            check_order(tuple(table.columns), tuple(file.arrays), (preds, target), selection)
            chosen = choose(tuple(table.columns), selection, preds, both=False, kind=table.noun)
            said = read_side(tables, table, chosen, selection)
            truth = choose_target(tuple(file.arrays), selection, target, kind="key")
            weight = file.arrays[truth.weight] if truth.weight else _weight(tables, table, chosen, selection)
            must_weigh(selection, weight, [*table.columns, *file.arrays], preds)
            files = [_table_pass(tables, table), tensor_pass]
            source = ArraySource(said, file.arrays[str(truth.target)], weight, files)
            source.preds = replace(source.preds, columns=chosen.classes)
            source.beside = beside(selection, [chosen, truth], tables, target=file)
            return _chosen(source, selection, cut)
        check_order(tuple(file.arrays), tuple(table.columns), (preds, target), selection)
        group = find_target_labels(Names(table.columns, target, table.noun), selection)
        if group is not None:
            return _chosen(_beside_labels(file, tensor_pass, tables, group, selection), selection, cut)
        chosen = choose_target(tuple(table.columns), selection, target, kind=table.noun)
        array, weight, said_by = pick_preds(file, selection)
        weight = _weight(tables, table, chosen, selection) or weight
        must_weigh(selection, weight, [*file.arrays, *table.columns], preds)
        files = [tensor_pass, _table_pass(tables, table)]
        source = ArraySource(array, read_side(tables, table, chosen, selection), weight, files)
        source.beside = beside(selection, [said_by, chosen], tables, preds=file)
        return _chosen(source, selection, cut)
    except BaseException:
        tables.close()
        if tensor_pass is not None:
            tensor_pass.close()
        raise


def _beside_labels(
    file: TensorFile, tensor_pass: PassFile, tables: Tables, group: Group, selection: Selection
) -> ArraySource:
    """Predictions in a tensor, and a column of the table for each label."""
    from evalcli.sources.cell_array import read_cells

    table = tables.tables[0]
    array, weight, said = pick_preds(file, selection)
    if weight is None and selection.weight is not None:
        weight = read_weight(tables, table, selection.weight, selection)
    truth, named = read_cells(tables, table, group, selection)
    source = ArraySource(array, truth, weight, [tensor_pass, _table_pass(tables, table)])
    source.target = replace(source.target, columns=named.labels)
    source.beside = beside(selection, [said, Chosen(group.columns, None, None, None)], tables, preds=file)
    return source


def _chosen(source: ArraySource, selection: Selection, cut: Cut | None) -> ArraySource:
    """The source, sliced and clustered as was asked for, of the rows that were cut out."""
    source.slice_by(selection.by, selection.scan, None if cut is None else cut.span)
    source.cluster_by(selection.cluster)
    if cut is not None:
        source.narrow(*cut.span)
    return source


def _weight(tables: Tables, table: Table, chosen: Chosen, selection: Selection) -> StoredArray | None:
    return read_weight(tables, table, chosen.weight, selection) if chosen.weight else None


def _table_pass(tables: Tables, table: Table) -> PassFile:
    """The table was read when it was opened; the end of the pass asks only whether the check agrees."""
    return PassFile(table.path, _nothing, table.notes, tables.close, table.finish)


def _nothing() -> None:
    """Begins nothing."""
