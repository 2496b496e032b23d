"""Files in, batches out: which reader a pair of paths needs, by what the files are."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Selection, Source
    from evalcli.sources.table_portions import Portion
    from evalcli.sources.tables import TableOptions

    Heard = Callable[[float, int], None]

STDIN = "-"
TENSOR_FORMATS = frozenset({"pt", "npy", "npz", "safetensors"})
"""What is read by ranges of bytes; every other known format is a table."""


def open_source(preds: str, target: str | None, selection: Selection, progress: Heard | None = None) -> Source:
    """Open one file that holds both sides, or two; ``-`` is standard input.

    Tables of labels are counted while they are opened; ``progress`` hears the share done (0 to 1) and the
    lines checked so far.

    Raises:
        EvalError: of the kind that says what is wrong with which path.

    """
    from evalcli.sources.spool import copied

    if preds == target == STDIN:
        raise UsageError("standard input can be only one side", fix="name a file for the other")
    with ExitStack() as undo:
        aliases: dict[str, str] = {}
        paths: list[str | None] = [preds, target]
        if STDIN in paths:
            copy = selection.stdin or copied(paths, undo)
            assert copy is not None
            aliases[copy] = STDIN
            paths = [copy if path == STDIN else path for path in paths]
        with spoken_of(aliases):
            source = _open(str(paths[0]), paths[1], selection, progress)
        source.weight, source.aliases = selection.weight, aliases
        source.preds = replace(source.preds, path=aliases.get(source.preds.path, source.preds.path))
        source.target = replace(source.target, path=aliases.get(source.target.path, source.target.path))
        source.closing = undo.pop_all()
    return source


@contextmanager
def spoken_of(aliases: dict[str, str]) -> Iterator[None]:
    """Errors name what the user wrote, not a temporary copy of it."""
    try:
        yield
    except EvalError as error:
        for path, alias in aliases.items():
            error.rename(path, alias)
        raise


def _open(preds: str, target: str | None, selection: Selection, progress: Heard | None) -> Source:
    first = input_format(preds) in TENSOR_FORMATS
    second = first if target is None else input_format(target) in TENSOR_FORMATS
    if first and second:
        from evalcli.sources.pairing import open_arrays

        return open_arrays(preds, target, selection)
    if target is None or not (first or second):
        return open_table_source(preds, target, selection, progress)
    from evalcli.sources.mixed import open_mixed

    return open_mixed(preds, target, selection, preds_in_table=not first)


def holds_both_sides(path: str, selection: Selection) -> bool:
    """Whether the names in a file say that it holds predictions and the truth.

    Raises:
        EvalError: the file cannot be read.

    """
    if path == STDIN and selection.stdin is not None:
        with spoken_of({selection.stdin: STDIN}):
            return holds_both_sides(selection.stdin, selection)
    from evalcli.sources.naming import is_whole

    def whole(names: Sequence[str]) -> bool:
        return (selection.pred in names and selection.target in names) or is_whole(names)

    if input_format(path) in TENSOR_FORMATS:
        return whole(names_in(path, selection))
    from evalcli.sources.label_groups import Names, find_labels
    from evalcli.sources.tables import open_tables

    tables = open_tables([path], table_options(selection), selection.workers)
    try:
        table = tables.tables[0]
        if whole(tuple(table.columns)):
            return True
        try:
            return find_labels(Names(table.columns, path, table.noun), None, selection) is not None
        except EvalError:  # whatever is wrong with it is said where it is read
            return False
    finally:
        tables.close()


def names_in(path: str, selection: Selection) -> tuple[str, ...]:
    """The columns of a table, or the arrays of a file.

    Raises:
        EvalError: the file cannot be read.

    """
    if path == STDIN and selection.stdin is not None:
        with spoken_of({selection.stdin: STDIN}):
            return names_in(selection.stdin, selection)
    if input_format(path) in TENSOR_FORMATS:
        from evalcli.sources.tensors import open_tensors

        file = open_tensors(path)
        try:
            return tuple(file.arrays)
        finally:
            file.close()
    from evalcli.sources.tables import open_tables

    tables = open_tables([path], table_options(selection), selection.workers)
    try:
        return tuple(tables.tables[0].columns)
    finally:
        tables.close()


_ONE_BY_ONE = "name one file, or write a part of each with -o NAME.evalcli and evalcli merge the parts"


def input_format(path: str) -> str:
    """The format of a file, or of the first of a glob or a saved data set; a file whose name looks like a glob is that.

    Raises:
        UsageError: for an address of the network.
        InputError: for what is missing or cannot be predictions, and for a pattern of files of tensors.

    """
    import os

    from evalcli.sources.sniff import file_format

    if "://" in path:
        raise UsageError("only local files are read", fix="download it first", path=path)
    if os.path.isdir(path):  # noqa: PTH112  # text in, text out
        from evalcli.sources.datasetdir import data_files

        return file_format((data_files(path) or [path])[0])
    if any(sign in path for sign in "*?["):
        import glob

        matches = [] if os.path.exists(path) else sorted(glob.glob(path))  # noqa: PTH110, PTH207  # text in, text out
        kind = file_format(matches[0] if matches else path)
        if matches and kind in TENSOR_FORMATS:
            count = "1 file" if len(matches) == 1 else f"{len(matches):,} files"
            raise InputError(f"matches {count} of tensors: patterns are for tables", fix=_ONE_BY_ONE, path=path)
        return kind
    return file_format(path)


def table_options(selection: Selection) -> TableOptions:
    """How text tables are written, as far as the user said it."""
    from evalcli.sources.tables import TableOptions

    return TableOptions(**selection.options)


def open_table_source(
    preds: str,
    target: str | None,
    selection: Selection,
    progress: Heard | None = None,
    *,
    only: Sequence[Sequence[Portion]] | None = None,
    whole: Sequence[Sequence[str]] = (),
) -> Source:
    """Tables on both sides, or one that holds both, of each of which ``only`` some portions are read.

    What is decided by all rows, or the first, is then asked of the ``whole`` of these files.
    """
    from evalcli.sources.table_cells import open_tables_as
    from evalcli.sources.tables import open_tables

    paths = [preds] if target is None else [preds, target]
    tables = open_tables(paths, table_options(selection), selection.workers, only, whole)
    try:
        second = None if target is None else tables.tables[1]
        return open_tables_as(tables, tables.tables[0], second, selection, progress)
    except BaseException:
        tables.close()
        raise
