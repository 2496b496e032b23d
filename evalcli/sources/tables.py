"""Tables, opened and checked: text, Parquet and what only pandas reads, inside one locked-down DuckDB."""

from __future__ import annotations

import codecs
import glob
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import EvalError, InputError, LimitError, UsageError
from evalcli.sources.bytestream import TextFile
from evalcli.sources.csvtext import choose_delimiter, label_fault
from evalcli.sources.duck import POLL, MendedError, Result, Runner, connect, quoted
from evalcli.sources.rawfile import plain
from evalcli.sources.sniff import TEXT_FORMATS, compression, file_format, read_head
from evalcli.sources.table_portions import Portion, name_of
from evalcli.sources.tablefiles import FORMATS, Frame
from evalcli.sources.tableformat import Engine, Format, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import InputFile, Note
    from evalcli.sources.digest import Pieces

_WIDE_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How text tables are written, where their bytes do not say so."""

    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    trust_compression: bool = False


class Table:
    """One input (a file, or the files of a glob) as a relation.

    ``columns`` maps the exact names, in file order, to ``text``, ``integer``, ``float``, ``boolean``, ``list`` (of
    numbers), ``texts`` (lists of them) or ``other``; every CSV column is ``text``.
    """

    def __init__(self, path: str, kind: str, reader: Format, tables: Tables) -> None:
        self.path = path
        self.format = kind
        self.columns: dict[str, str] = reader.columns
        self.reader = reader
        self._tables = tables
        self._check: threading.Thread | None = None
        self._checked = threading.Event()  # a thread whose ``join`` is interrupted passes for dead from then on
        self._failure: BaseException | None = None
        self._done: tuple[InputFile, ...] | None = None

    @property
    def noun(self) -> str:
        """What one of its columns is called: only text tables have a line of names above them."""
        return {"csv": "column", "tsv": "column", "jsonl": "key"}.get(self.format, "field")

    def scan(
        self,
        columns: Sequence[str] | Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        *,
        whole: bool = False,
    ) -> str:
        """SQL to stand after FROM: these columns under their exact names, rows in file order.

        A mapping gives each column (its value) another name (its key); ``types`` reads what has such a name as another
        SQL type, and what cannot be read so as NULL. Text is VARCHAR, ``integer`` any integer type,
        ``float`` FLOAT or DOUBLE, ``boolean`` BOOLEAN, ``list`` a list of numbers, ``texts`` one of VARCHAR. An
        unquoted empty CSV cell is NULL. The rows of the ``whole`` table are more than those of this one where others
        read the rest.

        Raises:
            InputError: there is no such column, its name occurs twice, or its values are of no kind that can be read.

        """
        if columns is None:
            known = self.columns.items()  # SQL cannot say the name of a column that has none
            columns = [name for name, kind in known if name and name not in self.reader.twice and kind != "other"]
        named = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
        casts = {alias: f"TRY_CAST({self._cell(named[alias])} AS {kind})" for alias, kind in (types or {}).items()}
        cells = ", ".join(f"{casts.get(alias) or self._cell(name)} AS {quoted(alias)}" for alias, name in named.items())
        lowered = [alias.lower() for alias in named]
        if len(set(lowered)) < len(lowered):
            twice = next(alias for alias in named if lowered.count(alias.lower()) > 1)
            raise InputError(f"two columns differ only in case: {twice!r}", fix="rename one", path=self.path)
        return f"(SELECT {cells or '1'} FROM {self.reader.whole_view if whole else self.reader.view})"

    def locate(self, row: int) -> str:
        """The place of a data row (from 0) in words: ``line 7`` or ``row 6``. May rescan."""
        for piece in self.reader.pieces:
            numbers = self.reader.lines(piece)
            if numbers is None:
                break
            file = f"{piece.path} " if len(self.reader.pieces) > 1 else ""
            try:
                for number in numbers:
                    if row == 0:
                        return f"{file}line {number}"
                    row -= 1
            except EvalError:
                break
        for piece in self.reader.pieces if self.reader.numbered else ():
            held = self.reader.rows(piece)
            if row < held:
                file = f"{piece.path} " if len(self.reader.pieces) > 1 else ""
                return f"{file}row {row + 1 + (piece.portion.rows or (0,))[0]}"
            row -= held
        return f"row {row + 1}"

    def check_label(self, label: str, column: str) -> None:
        """Refuse a text that two stray quotes made of many rows.

        Raises:
            InputError: the label holds a line break or is longer than 256 bytes.

        """
        fault = label_fault(label)
        if fault is None:
            return
        found = self._tables.query(
            "SELECT n FROM (SELECT *, row_number() OVER () - 1 AS n "
            f"FROM {self.scan({'c': column})}) WHERE c = ? ORDER BY n LIMIT 1",
            [label],
        ).fetchone()
        place = f"{self.locate(found[0])}: " if found else ""
        raise InputError(f"{place}a label {fault}", fix="is a quote missing or too much near it?", path=self.path)

    def shorten(self, rows: int) -> None:
        """Be the first rows alone from now on: for a look, which no check of the whole file can agree with."""
        head = f"{self.reader.view}_head"
        self._tables.query(f"CREATE TEMP TABLE {head} AS SELECT * FROM {self.reader.view} LIMIT {rows}")
        self.reader.view = head
        self.reader.is_head = True

    def begin(self) -> None:
        """Start a pass: the independent check runs beside the query."""
        if self._check is None:
            self._check = threading.Thread(target=self._work, name="evalcli-check", daemon=True)
            self._check.start()

    def finish(self, rows: int | None) -> tuple[InputFile, ...]:
        """End a pass: what was read, once the check agrees with the rows counted.

        Raises:
            InputError: the file is damaged, changed while it was read, or holds another number of rows.
            LimitError: it unpacks to far more than its size.

        """
        self.check()
        if self._done is None:
            self._compare(rows)
            records = (piece.record() for piece in self.reader.pieces)
            self._done = tuple(one for one in records if one.rows is None or one.rows[0] < one.rows[1])
        for piece in self.reader.pieces:
            piece.check_unchanged()
        return self._done

    def tally(self) -> dict[str, tuple[int, int]]:
        """Rows and blank lines of those files of which some lines are read, once they are checked."""
        cut = [piece for piece in self.reader.pieces if piece.portion.lines is not None]
        if cut:
            self.check()
        return {piece.path: (self.reader.rows(piece), self.reader.blanks(piece)) for piece in cut}

    def settle(self, tallies: Sequence[Mapping[str, tuple[int, int]]], own: int) -> None:
        """Know which rows these are, by the ``tallies`` of all that read some, of which the ``own`` is one."""
        for piece in self.reader.pieces:
            if piece.portion.lines is not None:
                rows, blanks = ([one[piece.path][i] if piece.path in one else 0 for one in tallies] for i in (0, 1))
                start, first = sum(rows[:own]), next(i for i, one in enumerate(tallies) if piece.path in one)
                if sum(rows) or first < own:  # a file without rows is named by the first that has it
                    piece.portion = piece.portion._replace(rows=(start, start + rows[own]), total=sum(rows))
                self.reader.tell_blanks(piece, sum(blanks))

    def hashed(self) -> dict[str, Pieces]:
        """What was hashed of its files, once they are checked."""
        self.check()
        return {piece.path: piece.hashed for piece in self.reader.pieces}

    @property
    def lines(self) -> int:
        """Lines of text that the independent check has seen so far; 0 of a format that has none."""
        return sum(piece.lines for piece in self.reader.pieces)

    def notes(self) -> tuple[Note, ...]:
        """What became known beyond the rows."""
        return tuple(self.reader.found)

    def check(self) -> None:
        """Wait for the independent check, and raise what it found."""
        self.begin()
        self.wait()
        if self._failure is not None:
            raise self._failure

    def wait(self) -> None:
        """Until the independent check, if it was begun, has ended."""
        while self._check is not None and not self._checked.wait(POLL):
            pass

    @property
    def failure(self) -> BaseException | None:
        """What the check found so far."""
        return self._failure

    def _work(self) -> None:
        try:
            for piece in self.reader.pieces:
                self.reader.check(piece)
        except BaseException as e:
            self._failure = e
            if not self.reader.engine.closed.is_set():
                self._tables.connection.interrupt()
        finally:
            self._checked.set()

    def _compare(self, rows: int | None) -> None:
        counted = [self.reader.expected(piece) for piece in self.reader.pieces]
        if rows is None or None in counted or sum(n for n in counted if n is not None) == rows:
            return
        exact = sum(self.reader.rescan(piece) or 0 for piece in self.reader.pieces)
        if exact != rows:
            raise InputError(f"{rows} rows were read, but the file holds {exact}", fix="report this", path=self.path)

    def _cell(self, name: str) -> str:
        if name not in self.columns:
            near = [each for each in self.columns if each.strip().lower() == name.strip().lower()]
            fix = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(list(self.columns)[:20])}"
            raise InputError(f"no column {name!r}", fix=fix, path=self.path)
        if name in self.reader.twice:
            raise InputError(f"column {name!r} occurs twice", fix="rename one of them", path=self.path)
        if not self.reader.cells[name]:
            what, fix = self.reader.unreadable.get(name, ("values of several kinds", "write one kind only"))
            raise InputError(f"{self.noun} {name!r} holds {what}", fix=fix, path=self.path)
        return self.reader.cells[name]


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
        only: Sequence[Portion] | None = None,
        whole: Sequence[str] = (),
    ) -> None:
        self._options = options or TableOptions()
        _check_options(self._options)
        found = [list(map(Portion, resolve(path))) for path in paths] if only is None else [list(only)]
        self._whole = tuple(os.path.abspath(file) for file in whole)  # noqa: PTH100 - text all the way
        self._directory = tempfile.mkdtemp(prefix="evalcli-tables-")
        self.tables: tuple[Table, ...] = ()
        self.connection: Any = None
        self._closed = threading.Event()
        self.condition: str | None = None
        """What ``--where`` says, once it is part of the statements."""
        try:
            named = (*(file.path for group in found for file in group), *self._whole)
            files = [os.path.abspath(path) for path in named]  # noqa: PTH100 - text all the way
            self.connection = connect(files, self._directory, workers, found[0])
            self._runner = Runner(self.connection)
            opened = [self._open(path, files, i) for i, (path, files) in enumerate(zip(paths, found, strict=True))]
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
        """Run one statement and give its rows (``fetchall``, ``fetchone``, ``fetchmany``, ``fetchnumpy``).

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
        while (block := self._guard(lambda: next(reader, None))) is not None:
            yield block

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
            return UsageError(text, path=path)
        if isinstance(error, duckdb.IOException) and "No space" in str(error):
            return LimitError("the disk for temporary files is full", fix="set TMPDIR to a roomy disk", path=path)
        found = self._broken() or self._broken_elsewhere()
        if found is not None:
            return found
        if self.condition is not None:  # the file is whole: what the user asked of it went wrong
            fix = "TRY_CAST(x AS DOUBLE) gives NULL where a text is no number"
            return UsageError(f"--where {self.condition!r}: {text}", fix=fix, path=path)
        return InputError(f"cannot be read: {text}", fix="write it again", path=path)

    def close(self) -> None:
        """Release the connection and temporary files. Harmless when repeated."""
        self._closed.set()
        for table in self.tables:
            table.wait()
        if self.connection is not None:
            self.connection.close()
        shutil.rmtree(self._directory, ignore_errors=True)

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
        if not self._whole:
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

    def _open(self, path: str, files: list[Portion], index: int) -> Table:
        kinds = {file_format(file.path) for file in files}
        if len(kinds) > 1:
            raise InputError(f"matches files of several formats: {', '.join(sorted(kinds))}", path=path)
        kind = kinds.pop()
        pieces = [Piece(file, self._text(file) if kind in TEXT_FORMATS else None, self._closed) for file in files]
        for number, piece in enumerate(pieces):
            if piece.portion.lines is not None:
                piece.engine_path = name_of(number)
        engine = Engine(self.connection, self._directory, self._options, self._closed, self._whole)
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
        head = read_head(path)
        wide = next((name for mark, name in _WIDE_MARKS if head.startswith(mark)), None)
        said = codecs.lookup(self._options.encoding).name
        return TextFile(path, compression(path), wide or said, self._options.trust_compression, portion.lines)


def open_tables(
    paths: Sequence[str],
    options: TableOptions | None = None,
    workers: int | None = None,
    only: Sequence[Portion] | None = None,
    whole: Sequence[str] = (),
) -> Tables:
    """Open these inputs, in this order; of a single one, ``only`` some portions of the ``whole`` of these files."""
    return Tables(paths, options, workers, only, whole)


def resolve(path: str) -> list[str]:
    """The files that a path names: itself if there is such a file, else those its glob matches, by name.

    Raises:
        UsageError: it is a URL.
        InputError: nothing is there.

    """
    if "://" in path and not os.path.lexists(path):
        raise UsageError("only local files are read", fix="download it first", path=path)
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
        codecs.lookup(options.encoding)
    except LookupError as e:
        raise UsageError(f"--encoding {options.encoding!r} is not known", fix="such as utf-8 or latin-1") from e
    if options.delimiter is not None:
        choose_delimiter("csv", options.delimiter)
