"""Which arrays of tensor files are the predictions and the target; rows pair by position.

Names are chosen alike where the other side lies in a table (``mixed.py``).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, UsageError
from evalcli.sources.array_source import ArraySource, PassFile
from evalcli.sources.naming import check_order, choose, choose_target
from evalcli.sources.rawfile import plain
from evalcli.sources.tensors import open_tensors
from evalcli.sources.usual_names import USUAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection
    from evalcli.sources.beside import Beside
    from evalcli.sources.naming import Chosen
    from evalcli.sources.tables import Tables
    from evalcli.sources.tensors import TensorFile


def tensor_file(path: str, selection: Selection) -> tuple[TensorFile, PassFile]:
    """Open a tensor file and say how a pass treats it."""
    file = open_tensors(path)
    file.join_batches(apart=_asked(selection))
    return file, PassFile(path, file.begin, file.notes, file.close, lambda _rows: (file.finish(),), file)


def open_arrays(preds: str, target: str | None, selection: Selection) -> ArraySource:
    """Two tensor files, or one that holds both sides.

    Raises:
        UsageError: for options that only tables have, and for names that are not there.
        InputError: when the names do not tell which array is which.

    """
    refuse_table_options(replace(selection, id=None) if selection.listing else selection)
    first, first_pass = tensor_file(preds, selection)
    if target is None:
        with _explained(first, selection):
            if len(first.arrays) == 1:
                name = next(iter(first.arrays))
                raise UsageError(
                    f"{preds} holds one array{f' ({plain(name)!r})' if name else ''}, so the targets are missing",
                    fix="name the file that holds them last: … TARGETS",
                )
            chosen = choose(tuple(first.arrays), selection, preds, both=True, kind="key", arrays=True)
        weight = first.arrays[chosen.weight] if chosen.weight else None
        source = ArraySource(_one(first, chosen.pred), first.arrays[str(chosen.target)], weight, [first_pass])
        source.beside = beside(selection, [chosen], preds=first)
        source.slice_by(selection.by, selection.scan)
        source.cluster_by(selection.cluster)
        return source
    second, second_pass = tensor_file(target, selection)
    for one, other in ((first, second), (second, first)):
        one.join_batches(other.rows, _asked(selection))
    check_order(tuple(first.arrays), tuple(second.arrays), (preds, target), selection)
    array, weight, said = pick_preds(first, selection)
    with _explained(second, selection):
        truth = choose_target(tuple(second.arrays), selection, target, kind="key")
    weight = second.arrays[truth.weight] if truth.weight else weight
    must_weigh(selection, weight, [*first.arrays, *second.arrays], preds)
    source = ArraySource(array, second.arrays[str(truth.target)], weight, [first_pass, second_pass])
    source.beside = beside(selection, [said, truth], preds=first, target=second)
    if selection.by or selection.cluster or (said.weight and truth.weight):
        from evalcli.sources.unlike import unlike_notes

        weights = {said.weight} & {truth.weight}
        source.pairing_notes = tuple(unlike_notes(selection, weights, first.arrays, second.arrays))
    source.slice_by(selection.by, selection.scan)
    source.cluster_by(selection.cluster)
    return source


def pick_preds(file: TensorFile, selection: Selection) -> tuple[StoredArray, StoredArray | None, Chosen]:
    """The predictions of a file that holds no target, the weights if they lie beside them, and their names."""
    with _explained(file, selection):
        chosen = choose(tuple(file.arrays), selection, file.path, both=False, kind="key", arrays=True)
    return _one(file, chosen.pred), file.arrays[chosen.weight] if chosen.weight else None, chosen


def must_weigh(selection: Selection, weight: StoredArray | None, names: Sequence[str], path: str) -> None:
    """Whether the weights that were asked for are there.

    Raises:
        UsageError: none of the files has them.

    """
    if selection.weight is None or weight is not None:
        return
    named = sorted({repr(plain(name)) for name in names if name})
    fix = f"there is {', '.join(named)}; choose with --weight" if named else "drop --weight, or save all in one .npz"
    raise UsageError(f"no array {selection.weight!r} to weigh by", fix=fix, path=path)


def beside(selection: Selection, chosen: Sequence[Chosen], tables: Tables | None = None, **files: TensorFile) -> Beside:
    """What lies beside the names that were ``chosen``, in the ``files`` of each side."""
    from evalcli.sources.beside import Beside

    used = {name for one in chosen for name in (*one.pred, one.target, one.weight) if name is not None}
    used |= set() if selection.cluster is None else {selection.cluster}
    arrays = {side: file.named for side, file in files.items()}
    unread = {name: why for file in files.values() for name, why in file.skipped.items()}
    return Beside(arrays, frozenset(used), selection.id, tables, selection, unread=unread)


@contextmanager
def _explained(file: TensorFile, selection: Selection) -> Iterator[None]:
    """Where no name fits, say why: something of a fitting name is no array that can be read, or there are batches."""
    try:
        yield
    except EvalError as error:
        for name in file.skipped:
            if name in _asked(selection) or name.lower() in USUAL_NAMES:
                raise file.why_skipped(name) from error
        if selection.pred is None and selection.target is None:
            _refuse_batches(file)
        raise


def _asked(selection: Selection) -> set[str | None]:
    """The names that were given."""
    return {selection.pred, selection.target, selection.weight}


def _refuse_batches(file: TensorFile) -> None:
    """A list that may be batches or rows is not one array.

    Raises:
        InputError: there is such a list.

    """
    from evalcli.sources.batchlists import are_alike

    for name, own in file.lists.items():
        parts = [file.arrays[part] for part in own]
        lengths = {part.shape[0] for part in parts}
        if are_alike(parts) and not (len(parts) == 2 and not name):
            said = f"{plain(name)}: " if name else ""
            raise InputError(
                f"{said}a list of {len(parts)} arrays of {lengths.pop()}, which may be batches or rows",
                fix="join them first: torch.cat(batches), or torch.stack(rows)",
                path=file.path,
            )


def _one(file: TensorFile, names: Sequence[str]) -> StoredArray:
    if len(names) != 1:
        raise InputError(
            f"several arrays hold scores: {', '.join(names)}", fix="choose one with --pred", path=file.path
        )
    return file.arrays[names[0]]


def refuse_table_options(selection: Selection) -> None:
    """``--where`` and ``--id`` speak of columns.

    Raises:
        UsageError: if one of them was given.

    """
    for flag, value in (("--where", selection.where), ("--id", selection.id)):
        if value is not None:
            raise UsageError(f"{flag} needs tables on both sides", fix="drop it, or save .csv or .parquet")
