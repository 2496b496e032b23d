"""From what a caller holds (arrays, columns, frames, paths) to a source."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalcli.errors import UsageError
from evalcli.sources.clustering import NoClustersError
from evalcli.sources.held_arrays import HeldTensor, counts_there, lies_there
from evalcli.sources.held_columns import columns_beside, refuse_selection
from evalcli.sources.held_slices import names_from, slices_of, without
from evalcli.sources.memory import (
    check_indexes,
    column_of,
    hold,
    memory_source,
    names_of,
    why_unreadable,
)
from evalcli.sources.naming import choose
from evalcli.sources.usual_names import class_names

if TYPE_CHECKING:
    from evalcli.sources.array_source import ArraySource
    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection, Source
    from evalcli.sources.label_groups import LabelColumns


@dataclass(frozen=True, slots=True)
class Sides:
    """What was given: predictions, the truth, weights and clusters; each an array, a name, or a path.

    ``by`` is what rows are sliced by: a name or several, an array, or arrays by name. ``scan`` is likewise what is
    searched for weak slices, where the selection asks for a search. Predictions in memory are ``called`` so.
    """

    preds: Any
    target: Any = None
    weight: Any = None
    by: Any = None
    cluster: Any = None
    scan: Any = None
    called: str = "preds"


def open_sides(
    sides: Sides, selection: Selection, *, copies: bool = False, leave: bool = False, leave_target: bool = False
) -> Source:
    """A source over both sides; ``copies``: its batches may be written to; ``leave``: scores stay where they lie.

    ``leave_target``: so do whole numbers beside them.

    Raises:
        EvalError: of the kind that says what is wrong with which side.

    """
    paths = is_path(sides.preds), is_path(sides.target)
    if paths[0] and (paths[1] or sides.target is None):
        return _open_files(sides, selection)
    refuse_selection(selection)
    sides = _in_columns(sides, selection.pred)
    slices = slices_of(sides.by, (sides.target, sides.preds), selection.by)
    if selection.scan is not None:
        slices = slices.searched(sides.scan, selection.scan, (sides.target, sides.preds))
    if any(paths) and not _is_name(sides, paths):
        _refuse_no_name(sides, paths)
        slices = slices.with_all_of(None, frozenset())
        return _clustered(slices.cut(_open_mixed(sides, selection, copies=copies)), sides.cluster)
    if slices.columns and _is_all_scores(sides, selection):
        sides = replace(sides, preds=without(sides.preds, slices.columns))
    cluster = _named(sides.cluster, sides.preds, "cluster")
    preds, target, weight, columns, used = _together(sides, selection)
    slices = slices.with_all_of(sides.preds, used)
    check_indexes(side for side in (preds, target, weight, cluster, *slices.columns.values()) if side is not None)
    leave = leave and lies_there(preds, target)
    leave_target = leave and leave_target and counts_there(preds, target)
    held = [
        HeldTensor(name, side.detach(), stays=True) if stays else hold(side, name, copies=copies)
        for side, name, stays in ((preds, sides.called, leave), (target, "target", leave_target))
    ]
    source = slices.cut(memory_source(held[0], held[1], _weight(weight), columns, selection.nan))
    if selection.listing and not selection.beside:
        source.beside = columns_beside(sides.preds, used, selection.id)
    return _clustered(source, cluster, sides.cluster if isinstance(sides.cluster, str) else "cluster")


def _clustered(source: ArraySource, cluster: Any, name: str = "cluster") -> ArraySource:
    """The same rows, which belong together where ``cluster`` has one value.

    Raises:
        UsageError: it is a name, and there are no columns, or has not one value a row.

    """
    if isinstance(cluster, str):
        raise NoClustersError(
            f"cluster={cluster!r} names no column", fix="give the clusters themselves", path="cluster"
        )
    if cluster is not None:
        source.cluster_by(name, hold(cluster, "cluster"))
    return source


def is_path(value: Any) -> bool:
    """Whether a side is named by a path."""
    return isinstance(value, (str, os.PathLike))


def _is_name(sides: Sides, paths: tuple[bool, bool]) -> bool:
    """Whether the truth is a column of the frame that holds the predictions, or several: ``y_*``."""
    names, target = names_of(sides.preds), str(sides.target)
    return paths == (False, True) and names is not None and (target in names or "*" in target)


def _refuse_no_name(sides: Sides, paths: tuple[bool, bool]) -> None:
    """Refuse a truth that is neither a column of the frame nor a file: a name that was mistyped.

    Raises:
        UsageError: it is neither.

    """
    names = names_of(sides.preds)
    if paths == (False, True) and names is not None and not Path(sides.target).exists():
        what = f"target={str(sides.target)!r} names no column, and no file"
        raise UsageError(what, fix=f"columns are {', '.join(map(repr, names[:10]))}", path="target")


def _open_files(sides: Sides, selection: Selection) -> Source:
    from evalcli.sources import open_source

    if sides.weight is not None and not isinstance(sides.weight, str):
        raise UsageError("weights in memory, but the predictions are a file", fix="name the column: weight='w'")
    if sides.cluster is not None and not isinstance(sides.cluster, str):
        raise UsageError("clusters in memory, but the predictions are a file", fix="name the column: cluster='patient'")
    names, searched = names_from(sides.by), names_from(sides.scan)
    if searched is None:
        raise UsageError("a search in memory, but the predictions are a file", fix="name the columns: scan=['region']")
    if names is None:
        raise UsageError("slices in memory, but the predictions are a file", fix="name the column: by='region'")
    selection.weight, selection.cluster = sides.weight, sides.cluster
    selection.by = tuple(dict.fromkeys((*names, *selection.by)))
    target = None if sides.target is None else os.fspath(sides.target)
    return open_source(os.fspath(sides.preds), target, selection)


def _open_mixed(sides: Sides, selection: Selection, *, copies: bool) -> ArraySource:
    """One side in a tensor file, the other in memory."""
    from evalcli.sources import TENSOR_FORMATS, input_format
    from evalcli.sources.array_source import ArraySource, PassFile
    from evalcli.sources.naming import choose_target
    from evalcli.sources.pairing import pick_preds, tensor_file

    in_file = sides.preds if is_path(sides.preds) else sides.target
    path = os.fspath(in_file)
    if input_format(path) not in TENSOR_FORMATS:
        raise why_unreadable(in_file)
    file, file_pass = tensor_file(path, selection)
    try:
        weight = _weight(sides.weight)
        memory = PassFile("target" if in_file is sides.preds else "preds", _nothing, _none, _nothing, lambda _rows: ())
        if in_file is sides.preds:
            array, beside, _ = pick_preds(file, selection)
            return ArraySource(
                array, hold(sides.target, "target", copies=copies), weight or beside, [file_pass, memory]
            )
        chosen = choose_target(tuple(file.arrays), selection, path, kind="key")
        said = hold(sides.preds, "preds", copies=copies)
        return ArraySource(said, file.arrays[str(chosen.target)], weight, [memory, file_pass])
    except BaseException:
        file_pass.close()
        raise


def _nothing() -> None:
    """Begins and closes nothing."""


def _none() -> tuple[()]:
    return ()


def _together(sides: Sides, selection: Selection) -> tuple[Any, Any, Any, tuple[str, ...] | None, frozenset[str]]:
    """Both sides and the weights as columns, the class names that score columns carry, and which columns were used."""
    names = names_of(sides.preds)
    weight, target = sides.weight, sides.target
    by_name = isinstance(target, str) or target is None
    if names is None:
        if by_name:
            raise UsageError("the target is missing", fix="give target=, what is true of each row", path="target")
        return sides.preds, target, _named(weight, target), None, frozenset()
    if not by_name:
        if _is_all_scores(sides, selection):
            classes = _class_names(names)
            ordered = _ordered(target, classes, names)
            return sides.preds, ordered, _named(weight, sides.preds), classes, frozenset(names)
        found = choose(names, selection, sides.called, both=False, text=False)
    else:
        selection.target = target
        selection.weight = weight if isinstance(weight, str) else None
        labels = _label_columns(sides, names, selection)
        if labels is not None:
            target = _picked(sides.preds, labels.target.columns)
            used = frozenset((*labels.preds.columns, *labels.target.columns))
            preds = _picked(sides.preds, labels.preds.columns)
            return preds, target, _named(weight, sides.preds), labels.preds.labels, used
        found = choose(names, selection, sides.called, both=True, text=False)
        target = column_of(sides.preds, str(found.target))
    preds = _picked(sides.preds, found.pred)
    roles = (*found.pred, *(each for each in (found.target, weight, sides.cluster) if isinstance(each, str)))
    return preds, target, _named(weight, sides.preds), found.classes, frozenset(roles)


def _label_columns(sides: Sides, names: tuple[str, ...], selection: Selection) -> LabelColumns | None:
    """A column for each label, or each output, on both sides: ``y_cat`` and ``p_cat``, as in a file."""
    from evalcli.sources.label_groups import Names, find_labels

    kinds = {name: "list" if _holds_lists(column_of(sides.preds, name)) else "float" for name in names}
    found = find_labels(Names(kinds, sides.called), None, selection)
    several = found is not None and len(found.target.columns) == len(found.preds.columns) > 1
    return found if several else None


def _holds_lists(column: Any) -> bool:
    """Whether the first cell is no single value."""
    first = next(iter(column), None)
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes))


def _is_all_scores(sides: Sides, selection: Selection) -> bool:
    """Whether every column of the predictions is a score, because the truth lies elsewhere."""
    truth_elsewhere = sides.target is not None and not isinstance(sides.target, str)
    is_frame = names_of(sides.preds) is not None and not isinstance(sides.preds, dict)
    return truth_elsewhere and is_frame and selection.pred is None


def _in_columns(sides: Sides, pred: str | None) -> Sides:
    """A table of pyarrow as its columns by name, and scores that name their classes as a column for each.

    A lazy frame is refused before it is touched.
    """
    if type(sides.preds).__name__ == "LazyFrame":
        raise UsageError("a lazy frame has no rows yet", fix="call .collect() first", path="preds")
    names = getattr(sides.preds, "column_names", None)
    if names is None or not hasattr(sides.preds, "itercolumns"):
        return replace(sides, preds=_by_class(sides.preds, pred))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"two columns are called {twice[0]!r}", fix="give each a name of its own", path="preds")
    return replace(sides, preds=_by_class(dict(zip(names, sides.preds.itercolumns(), strict=True)), pred))


def _by_class(preds: Any, pred: str | None) -> Any:
    """Predictions whose cells may name classes, as dicts and lists of them do, which arrays never are."""
    if is_path(preds) or (hasattr(preds, "dtype") and not hasattr(preds, "to_list") and preds.dtype != object):
        return preds
    from evalcli.sources.held_scores import with_named_scores

    return with_named_scores(preds, pred)


def _picked(frame: Any, names: tuple[str, ...]) -> Any:
    if len(names) == 1:
        return column_of(frame, names[0])
    if hasattr(frame, "iloc"):
        every = names_of(frame) or ()
        return frame.iloc[:, [every.index(name) for name in names]]
    if not isinstance(frame, dict):
        return frame.select(list(names))
    import numpy as np

    rows = len(column_of(frame, names[0]))
    return np.stack([hold(column_of(frame, name), "preds").read(0, rows) for name in names], axis=1)


def _named(values: Any, frame: Any, role: str = "weight") -> Any:
    """Weights or clusters that are a column of ``frame``, or as they are."""
    if not isinstance(values, str):
        return values
    names = names_of(frame)
    if names is None or values not in names:
        kind = NoClustersError if role == "cluster" else UsageError
        raise kind(f"{role}={values!r} names no column", fix=f"give the {role}s themselves", path=role)
    return column_of(frame, values)


def _class_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The classes that the columns of a frame of scores are named after; none where they are only counted."""
    if len(names) < 2:
        return None
    twice = [name for name in names if names.count(name) > 1] if len({*names}) < len(names) else []
    if twice:
        raise UsageError(f"two score columns are called {twice[0]!r}", fix="name each after its class", path="preds")
    return class_names(names, whole=True)


def _ordered(target: Any, classes: tuple[str, ...] | None, columns: tuple[str, ...]) -> Any:
    """A one-hot frame with its columns in the order of the predictions'."""
    names = names_of(target)
    if names is None or classes is None or len(names) < 2 or names in (columns, classes):
        return target
    for order in (columns, classes):
        if {*names} == {*order}:
            return _picked(target, order)
    raise UsageError(
        f"the columns of the target are {', '.join(names[:5])}, those of the predictions {', '.join(columns[:5])}",
        fix="name both alike",
        path="target",
    )


def _weight(weight: Any) -> StoredArray | None:
    return None if weight is None else hold(weight, "weight")
