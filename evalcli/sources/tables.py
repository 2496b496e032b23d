"""Tables, opened and checked: text, Parquet and what only pandas reads, inside one locked-down DuckDB."""

from __future__ import annotations

import codecs
import errno
import glob
import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import EvalError, InputError, LimitError, UsageError
from evalcli.sources.bytestream import TextFile
from evalcli.sources.csvtext import choose_delimiter
from evalcli.sources.duck import MendedError, Result, Runner, connect, threads_of
from evalcli.sources.named_scores import FIX, ODD
from evalcli.sources.rawfile import plain
from evalcli.sources.sniff import TEXT_FORMATS, WIDE_MARKS, compression, file_format, read_head
from evalcli.sources.table import Table
from evalcli.sources.table_portions import Portion, name_of
from evalcli.sources.tablefiles import FORMATS, Frame
from evalcli.sources.tableformat import Engine, Piece
from evalcli.sources.temporary import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk that takes no more."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How text tables are written, where their bytes do not say so."""

    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    trust_compression: bool = False


class Tables:
    """The named files in one DuckDB connection that can reach nothing else.

    Raises:
        UsageError: a path is a URL, or an option makes no sense.
        InputError: a file cannot be read as a table.
        LimitError: a file is too large for its format.

    """

    def __init__(
        self,
        paths: Sequence[str],
        options: TableOptions | None = None,
        workers: int | None = None,
        only: Sequence[Sequence[Portion]] | None = None,
        whole: Sequence[Sequence[str]] = (),
    ) -> None:
        self._options = options or TableOptions()
        _check_options(self._options)
        found = [list(map(Portion, resolve(path))) for path in paths] if only is None else [list(one) for one in only]
        whole = whole or [()] * len(paths)
        self._whole = [tuple(one) for one in whole]
        self._folder = TemporaryFolder()
        self.tables: tuple[Table, ...] = ()
        self.connection: Any = None
        self._closed = threading.Event()
        self.condition: str | None = None
        """What ``--where`` says, once it is part of the statements."""
        try:
            portions = [file for group in found for file in group]
            named = (*(file.path for file in portions), *(file for one in self._whole for file in one))
            files = [os.path.abspath(path) for path in named]  # noqa: PTH100 - text all the way
            json_lines = any(file_format(group[0].path) == "jsonl" for group in found if group)
            threads = threads_of(workers, json_lines=json_lines)
            self.connection = connect(files, self._folder.path, threads, portions)
            self._runner = Runner(self.connection)
            opened: list[Table] = []
            for path, group in zip(paths, found, strict=True):
                opened.append(self._open(path, group, len(opened), sum(map(len, found[: len(opened)]))))
            self.tables = tuple(opened)
        except BaseException:
            self.close()
            raise

    def query(
        self,
        sql: str,
        parameters: Sequence[Any] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Result:
        """Run one statement and give its rows (``fetchall``, ``fetchone``, ``fetchmany``).

        Stays interruptible; ``progress`` receives the share done, 0 to 1, about ten times a second.

        Raises:
            InputError: a file is not what its format demands; with the line number.
            LimitError: memory or the disk for temporary files does not suffice.
            UsageError: the SQL does not fit the tables.

        """

        def call() -> Any:
            return self.connection.execute(sql, list(parameters or []))

        return Result(lambda: self._guard(call, progress), self._guard)

    def stream(self, sql: str, size: int) -> Iterator[Any]:
        """Arrow record batches of about ``size`` rows, as the engine makes them; errors and signals as in ``query``."""
        reader = self._guard(lambda: self.connection.sql(sql).to_arrow_reader(size))
        try:
            while (block := self._guard(lambda: next(reader, None))) is not None:
                yield block
        finally:
            reader.close()  # the thread that read last may still hold it, and with it the connection

    def fault(self, error: BaseException) -> EvalError:
        """What an engine error means, in one line of ours."""
        import duckdb

        path = self.tables[0].path if self.tables else ""
        if isinstance(error, EvalError):
            return error
        if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)):
            return LimitError("not enough memory for this", fix="use fewer columns or --workers 1", path=path)
        text = plain(str(error).strip().partition("\n")[0].partition(": ")[2] or str(error).strip(), 120)
        if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
            return UsageError(text, fix="evalcli inspect shows its columns", path=path)
        full = isinstance(error, OSError) and error.errno in FULL
        if full or (isinstance(error, duckdb.IOException) and "No space" in str(error)):
            return LimitError("the disk for temporary files is full", fix="set TMPDIR to a roomy disk", path=path)
        found = self._broken() or self._broken_elsewhere()
        if found is not None:
            return found
        if self.condition is not None:  # the file is whole: what the user asked of it went wrong
            fix = "TRY_CAST(x AS DOUBLE) gives NULL where a text is no number"
            return UsageError(f"--where {self.condition!r}: {text}", fix=fix, path=path)
        if ODD in text:
            return InputError(text, fix=FIX, path=path)
        return InputError(f"cannot be read: {text}", fix="write it again", path=path)

    def close(self) -> None:
        """Release the connection and temporary files. Harmless when repeated."""
        self._closed.set()
        for table in self.tables:
            table.wait()
        if self.connection is not None:
            self.connection.close()
        self._folder.close()

    def _guard(self, call: Callable[[], Any], progress: Callable[[float], None] | None = None) -> Any:
        """Run a call into the engine; what it raises becomes an error of ours."""
        import duckdb

        for table in self.tables:
            if table.failure is not None:
                raise table.failure
        try:
            return self._runner(call, progress)
        except (duckdb.Error, MemoryError, RuntimeError, OSError) as e:
            if isinstance(e, duckdb.InvalidInputException) and self._mend():
                raise MendedError from e
            raise self.fault(e) from e

    def _broken(self) -> EvalError | None:
        """What a slow look at every file finds."""
        for table in self.tables:
            try:
                table.check()
                for piece in table.reader.pieces:
                    piece.check_unchanged()  # checked when it was read before; what stands there now is another file
                    table.reader.rescan(piece)
            except EvalError as e:
                return e
        return None

    def _broken_elsewhere(self) -> EvalError | None:
        """What it finds in the lines that others read: the first rows of all were looked at, too."""
        if not any(self._whole):
            return None
        try:
            whole = Tables([table.path for table in self.tables], self._options)
        except EvalError as e:
            return e
        try:
            return whole._broken()  # of the same class
        finally:
            whole.close()

    def _mend(self) -> bool:
        """Copy tables whose line ends are mixed. Whether there was one; broken ones raise what is wrong with them."""
        mended = False
        for table in self.tables:
            table.check()
            mended |= table.reader.mend()
        return mended

    def _open(self, path: str, files: list[Portion], index: int, before: int) -> Table:
        """Open the table at a place, with so many portions before it."""
        kinds = {file_format(file.path) for file in files}
        if len(kinds) > 1:
            what = f"matches files of several formats: {', '.join(sorted(kinds))}"
            raise InputError(what, fix="match those of one, as in 'out/*.parquet'", path=path)
        kind = kinds.pop()
        pieces = [Piece(file, self._text(file) if kind in TEXT_FORMATS else None, self._closed) for file in files]
        for number, piece in enumerate(pieces):
            if piece.portion.lines is not None:
                piece.engine_path = name_of(before + number)
        engine = Engine(
            self.connection, self._folder.path, self._options, self._closed, self._whole[index], len(self._whole) > 1
        )
        reader = FORMATS.get(kind, Frame)(pieces, kind, f"evalcli_{index}", engine)
        table = Table(path, kind, reader, self)
        import duckdb

        try:
            reader.open()
        except EvalError as e:
            e.path = e.path or path
            raise
        except (duckdb.Error, OSError, MemoryError) as e:
            fault = self.fault(e)
            fault.path = path
            raise (_unread(kind, fault, pieces) if type(fault) is not LimitError else fault) from e
        return table

    def _text(self, portion: Portion) -> TextFile:
        path = portion.path
        wide = read_head(path).startswith(WIDE_MARKS)
        encoding = "utf-16" if wide else codecs.lookup(self._options.encoding).name
        return TextFile(path, compression(path), encoding, self._options.trust_compression, portion.lines)


def open_tables(
    paths: Sequence[str],
    options: TableOptions | None = None,
    workers: int | None = None,
    only: Sequence[Sequence[Portion]] | None = None,
    whole: Sequence[Sequence[str]] = (),
) -> Tables:
    """Open these inputs, in this order; of each of them ``only`` some portions of the ``whole`` of some files."""
    return Tables(paths, options, workers, only, whole)


def resolve(path: str) -> list[str]:
    """The files that a path names: itself if there is such a file, else those its glob matches, by name.

    Those of a folder that is a saved data set are named there.

    Raises:
        UsageError: it is a URL.
        InputError: nothing is there, or a folder of several data sets.

    """
    if "://" in path and not os.path.lexists(path):
        raise UsageError("only local files are read", fix="download it first", path=path)
    if os.path.isdir(path):  # noqa: PTH112 - text in, text out
        from evalcli.sources.datasetdir import data_files

        return data_files(path) or [path]
    if os.path.lexists(path) or not any(sign in path for sign in "*?["):
        return [path]
    files = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - text in, text out
    if not files:
        raise InputError("no file matches", fix="check the pattern, and quote it for the shell", path=path)
    return files


def _unread(kind: str, fault: EvalError, pieces: list[Piece]) -> InputError:
    """A file that is not of its format: the engine's reason without its own words for the path, if it is one."""
    what = fault.what.removeprefix("cannot be read: ")
    for piece in pieces:
        what = " ".join(what.replace(f"'{piece.engine_path}'", "").replace(piece.engine_path, "").split())
    if "magic bytes" in what and "end of file" in what:
        return InputError(f"truncated: it does not end as {kind} does", fix="copy or write it again", path=fault.path)
    says_something = len(re.findall(r"[A-Za-z]{3,}", what)) > 1
    reason = f": {what}" if says_something else ", it is damaged"
    return InputError(f"cannot be read as {kind}{reason}", fix="write it again", path=fault.path)


def _check_options(options: TableOptions) -> None:
    try:
        "".encode(options.encoding)  # a lookup knows codecs of bytes, too: hex, zip
    except (LookupError, UnicodeError) as e:
        raise UsageError(f"--encoding {options.encoding!r} is not known", fix="such as utf-8 or latin-1") from e
    if options.delimiter is not None:
        choose_delimiter("csv", options.delimiter)
