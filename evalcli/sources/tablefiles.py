"""The files of one table, by format: how the engine is told to read them, and what we count ourselves beside it."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError
from evalcli.sources import csvtext, jsonlines
from evalcli.sources.base import InputFile, Note
from evalcli.sources.bytestream import TextFile, raw_blocks, stamp
from evalcli.sources.duck import literal, pattern, quoted
from evalcli.sources.textcheck import TextCheck, TextCounts

if TYPE_CHECKING:
    from evalcli.sources.tables import TableOptions

PARQUET_KINDS = {
    "VARCHAR": "text",
    "ENUM": "text",
    "UUID": "text",
    "BOOLEAN": "boolean",
    "FLOAT": "float",
    "DOUBLE": "float",
    "DECIMAL": "float",
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
        "integer",
    ),
}
"""DuckDB's type without its parameters → kind."""
_NUMBERS = ("float", "integer")


class Piece:
    """One file: its stamp when it was opened, its bytes, and after a check what was found."""

    def __init__(self, path: str, text: TextFile | None) -> None:
        self.path = path
        self.text = text
        self.stamp = stamp(path)
        self.engine_path = os.path.abspath(path)  # noqa: PTH100 - text all the way
        self.counts: TextCounts | None = None
        self.digest = ""

    def check(self, delimiter: str | None, *, by_return: bool = False) -> None:
        """Read the whole file once: digest, and for text the counts.

        Raises:
            InputError: it is damaged, or changed since it was opened.
            LimitError: it unpacks to far more than its size.
        """
        hasher = hashlib.sha256()
        try:
            if self.text is None:
                for _ in raw_blocks(self.path, hasher):
                    pass
            else:
                check = TextCheck(self.path, delimiter, by_return=by_return)
                for block in self.text.blocks(hasher):
                    check.feed(block)
                self.counts = check.end()
        except InputError:
            self.check_unchanged()
            raise
        self.check_unchanged()
        self.digest = f"sha256:{hasher.hexdigest()}"

    def check_unchanged(self) -> None:
        """Refuse a file that is not what it was.

        Raises:
            InputError: it changed.
        """
        if stamp(self.path) != self.stamp:
            raise InputError("the file changed while it was read", fix="wait for its writer to end", path=self.path)

    def record(self) -> InputFile:
        """What was read."""
        return InputFile(self.path, self.stamp.size, self.digest)


class Format(ABC):
    """A table of one format. ``cells`` maps exact column names to SQL over the view, ``columns`` to kinds."""

    def __init__(self, pieces: list[Piece], kind: str, view: str, options: TableOptions) -> None:
        self.pieces = pieces
        self.kind = kind
        self.view = view
        self.options = options
        self.columns: dict[str, str] = {}
        self.cells: dict[str, str] = {}
        self.twice: set[str] = set()
        self.found: list[Note] = []

    @abstractmethod
    def open(self, connection: Any, directory: str) -> None:
        """Find the columns and create the view."""

    def check(self, piece: Piece) -> None:
        """The independent reading of one file."""
        piece.check(None)

    def expected(self, piece: Piece) -> int | None:
        """Rows in this file by the independent count, if there is one."""
        return None

    def rescan(self, piece: Piece) -> int | None:
        """Count the rows slowly; raises at the first line that is wrong."""
        return None

    def lines(self, piece: Piece) -> Any:
        """The line number of every row of a text file."""
        return None

    def mend(self, connection: Any, directory: str) -> bool:
        """After an engine error: make the table readable if it is merely unusual."""
        return False

    def _add(self, name: str, kind: str, cell: str) -> None:
        if name in self.columns:
            self.twice.add(name)
        else:
            self.columns[name] = kind
            self.cells[name] = cell

    def _paths(self) -> str:
        return "[" + ", ".join(literal(pattern(piece.engine_path)) for piece in self.pieces) + "]"

    def _packed(self) -> str:
        packings = {piece.text.packed for piece in self.pieces if piece.text is not None}
        if len(packings) > 1:
            raise InputError("some of these files are packed, others not", fix="pack all or none")
        packed = packings.pop()
        return literal({"gzip": "gzip", "zstd": "zstd", None: "none"}[packed])

    def _copy(self, piece: Piece, directory: str) -> None:
        """Give the engine a UTF-8 copy of a file in another encoding."""
        assert piece.text is not None  # noqa: S101 - text formats only
        target = os.path.join(directory, f"{self.view}-{self.pieces.index(piece)}.txt")  # noqa: PTH118 - text all the way
        with open(target, "wb") as out:  # noqa: PTH123 - likewise
            for block in piece.text.blocks():
                out.write(block)
        piece.engine_path = target


class Csv(Format):
    """CSV and TSV: everything explicit, every column text."""

    def open(self, connection: Any, directory: str) -> None:
        """Read the headers and create the view."""
        self.delimiter = csvtext.choose_delimiter(self.kind, self.options.delimiter)
        texts = [piece.text for piece in self.pieces if piece.text is not None]
        self.headers = [csvtext.read_header(text, self.delimiter) for text in texts]
        first = self.headers[0]
        for piece, header in zip(self.pieces, self.headers, strict=True):
            same = header.fields == first.fields if self.options.header else len(header.fields) == len(first.fields)
            if not same:
                raise InputError(f"its header differs from that of {self.pieces[0].path}", path=piece.path)
            if header.is_mixed:
                self._unify(piece, directory)
            elif piece.text is not None and piece.text.encoding != "utf-8":
                self._copy(piece, directory)
        if self.options.header:
            names = list(first.fields)
        else:
            names = [f"column{i}" for i in range(1, len(first.fields) + 1)]
        for i, name in enumerate(names):
            if not name and i == len(names) - 1 and i:
                text = "the last column has no name and is left out: the lines end in a delimiter"
                self.found.append(Note("unnamed-column", text))
            else:
                self._add(name, "text", f"c{i}")
        self._create(connection)

    def _create(self, connection: Any) -> None:
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(self.headers[0].fields)))
        flags = (
            f"auto_detect=false, columns={{{columns}}}, delim={literal(self.delimiter)}, quote='\"', escape='\"', "
            f"header={str(self.options.header).lower()}, nullstr='', allow_quoted_nulls=false, strict_mode=true, "
            f"null_padding=false, ignore_errors=false, hive_partitioning=false, filename=false, "
            f"max_line_size={csvtext.LINE_LIMIT}"
        )
        skips = {header.blanks for header in self.headers}
        if len(skips) > 1:
            raise InputError("some of these files begin with blank lines, others do not", path=self.pieces[0].path)
        packing = self._engine_packing()
        source = f"read_csv({self._paths()}, skip={skips.pop()}, compression={packing}, {flags})"
        connection.execute(f"CREATE OR REPLACE VIEW {self.view} AS SELECT * FROM {source}")

    def _engine_packing(self) -> str:
        copied = {piece.engine_path.endswith(".txt") and self.view in piece.engine_path for piece in self.pieces}
        return "'none'" if copied == {True} else self._packed()

    def check(self, piece: Piece) -> None:
        """Count lines, delimiters and quotes; a row may not end in a delimiter too many."""
        header = self._header(piece)
        piece.check(self.delimiter, by_return=header.by_return)
        counts = piece.counts
        assert counts is not None  # noqa: S101 - a text file was counted
        if counts.lone_returns:
            raise csvtext.find_lone_return(piece.text) if piece.text else InputError("a lone carriage return")
        if counts.delimiters != counts.lines * (len(header.fields) - 1):
            self.rescan(piece)
            raise InputError("not all lines have the same number of cells", path=piece.path)
        if counts.blanks > header.blanks and len(header.fields) > 1:
            n = counts.blanks
            note = Note("blank-lines", f"{piece.path}: {n} blank line{'s' * (n != 1)} skipped")
            if note not in self.found:
                self.found.append(note)

    def expected(self, piece: Piece) -> int | None:
        """Lines outside of quotes, less the header and the blank ones."""
        header = self._header(piece)
        if piece.counts is None:
            return None
        return csvtext.expected_rows(piece.counts, header, has_header=self.options.header)

    def rescan(self, piece: Piece) -> int | None:
        """Every record with Python's own reader."""
        assert piece.text is not None  # noqa: S101 - text formats only
        header = self._header(piece)
        return csvtext.check_records(piece.text, self.delimiter, header, has_header=self.options.header)

    def lines(self, piece: Piece) -> Any:
        """Line numbers of the data rows."""
        assert piece.text is not None  # noqa: S101 - text formats only
        header = self._header(piece)
        one = len(header.fields) == 1
        rows = (n for n, each in csvtext.records(piece.text, self.delimiter) if each or (one and n > header.blanks))
        if self.options.header:
            next(rows, None)
        return rows

    def mend(self, connection: Any, directory: str) -> bool:
        """Lines that end now in CRLF, now in LF are unusual, not wrong."""
        mixed = [piece for piece in self.pieces if piece.counts is not None and piece.counts.is_mixed]
        mixed = [piece for piece in mixed if self.view not in piece.engine_path]
        for piece in mixed:
            self._unify(piece, directory)
        if mixed:
            for piece in self.pieces:
                if self.view not in piece.engine_path:
                    self._copy(piece, directory)
            self._create(connection)
        return bool(mixed)

    def _unify(self, piece: Piece, directory: str) -> None:
        assert piece.text is not None  # noqa: S101 - text formats only
        target = os.path.join(directory, f"{self.view}-{self.pieces.index(piece)}.txt")  # noqa: PTH118 - text all the way
        csvtext.unify_newlines(piece.text, target)
        piece.engine_path = target

    def _header(self, piece: Piece) -> csvtext.Header:
        return self.headers[self.pieces.index(piece)]


class Jsonl(Format):
    """JSON lines: tokens, taken out by kind in SQL."""

    def open(self, connection: Any, directory: str) -> None:
        """Sample the keys and create the view."""
        kinds: dict[str, str] = {}
        for piece in self.pieces:
            assert piece.text is not None  # noqa: S101 - text formats only
            for name, kind in jsonlines.read_columns(piece.text).items():
                kinds[name] = jsonlines.join_kinds(kinds.get(name, ""), kind)
            with open(piece.path, "rb") as file:  # noqa: PTH123 - text all the way
                marked = piece.text.packed is None and file.read(3) == b"\xef\xbb\xbf"
            if marked or piece.text.encoding != "utf-8":
                self._copy(piece, directory)
        seen: set[str] = set()
        columns = []
        for name, kind in kinds.items():
            if name.lower() in seen:
                self.twice.add(name)
            elif kind in jsonlines.SQL:
                columns.append(f"{literal(name)}: 'JSON'")
            seen.add(name.lower())
            self.columns[name] = "other" if kind == jsonlines.MIXED else kind
            self.cells[name] = jsonlines.cell_sql(quoted(name), kind) if kind in jsonlines.SQL else ""
        copied = all(self.view in piece.engine_path for piece in self.pieces)
        connection.execute(
            f"CREATE OR REPLACE VIEW {self.view} AS SELECT * FROM read_json({self._paths()}, "
            f"format='newline_delimited', records=true, auto_detect=false, "
            f"columns={{{', '.join(columns) or literal('_') + ': ' + literal('JSON')}}}, "
            f"compression={literal('none') if copied else self._packed()}, hive_partitioning=false, "
            f"maximum_object_size={csvtext.LINE_LIMIT})"
        )

    def expected(self, piece: Piece) -> int | None:
        """Lines that are not blank."""
        return piece.counts.lines if piece.counts is not None else None

    def check(self, piece: Piece) -> None:
        """Count lines; what the engine would forgive is read again, slowly."""
        piece.check(None)
        if piece.counts is not None and piece.counts.doubtful:
            self.rescan(piece)

    def rescan(self, piece: Piece) -> int | None:
        """Every line with Python's own reader."""
        assert piece.text is not None  # noqa: S101 - text formats only
        return jsonlines.check_lines(piece.text, self.columns)

    def lines(self, piece: Piece) -> Any:
        """Line numbers of the objects."""
        assert piece.text is not None  # noqa: S101 - text formats only
        return (n for n, line in enumerate(csvtext.lines(piece.text), start=1) if line.strip())


class Parquet(Format):
    """Parquet, with the types that are stored."""

    def open(self, connection: Any, directory: str) -> None:
        """Match the stored names with those that the engine made unique."""
        source = f"read_parquet({self._paths()}, hive_partitioning=false, union_by_name=false)"
        connection.execute(f"CREATE OR REPLACE VIEW {self.view} AS SELECT * FROM {source}")
        described = connection.execute(f"DESCRIBE {self.view}").fetchall()
        for piece in self.pieces:
            schema = connection.execute(
                f"SELECT name, num_children FROM parquet_schema({literal(pattern(piece.engine_path))})"
            ).fetchall()
            names = _top_level(schema)
            if piece is self.pieces[0]:
                first = names
            elif names != first:
                raise InputError(f"its columns differ from those of {self.pieces[0].path}", path=piece.path)
        for name, (internal, kind, *_) in zip(first, described, strict=True):
            kind, cell = sql_kind(kind, quoted(internal))
            self._add(name, kind, cell)


class Frame(Format):
    """What is read at once into memory."""

    def open(self, connection: Any, directory: str) -> None:
        """Read and register the frames."""
        from evalcli.sources.frames import read_frame

        tables = [read_frame(piece.path, self.kind) for piece in self.pieces]
        if any(table.schema != tables[0].schema for table in tables):
            raise InputError("the files differ in their columns", path=self.pieces[0].path)
        import pyarrow as pa

        names = tables[0].column_names
        whole = pa.concat_tables(tables).rename_columns([f"c{i}" for i in range(len(names))])
        connection.register(f"{self.view}_frame", whole)
        connection.execute(f"CREATE OR REPLACE VIEW {self.view} AS SELECT * FROM {self.view}_frame")
        for i, row in enumerate(connection.execute(f"DESCRIBE {self.view}").fetchall()):
            kind, cell = sql_kind(row[1], f"c{i}")
            self._add(names[i], kind, cell)


FORMATS: dict[str, type[Format]] = {"csv": Csv, "tsv": Csv, "jsonl": Jsonl, "parquet": Parquet}
"""Format → reader; all others are frames."""


def sql_kind(kind: str, cell: str) -> tuple[str, str]:
    """The kind of a column of this SQL type, and the SQL of its cell."""
    if kind.endswith("]"):
        inner, _, rest = kind.partition("[")
        numeric = rest.count("[") == 0 and PARQUET_KINDS.get(inner.partition("(")[0]) in _NUMBERS
        return ("list", cell) if numeric else ("other", cell)
    base = kind.partition("(")[0]
    found = PARQUET_KINDS.get(base, "other")
    return found, f"CAST({cell} AS DOUBLE)" if base == "DECIMAL" else f"CAST({cell} AS VARCHAR)" if base in (
        "ENUM",
        "UUID",
    ) else cell


def _top_level(schema: list[tuple[str, int | None]]) -> list[str]:
    names = []
    at = 1
    while at < len(schema):
        names.append(schema[at][0])
        at = _after(schema, at)
    return names


def _after(schema: list[tuple[str, int | None]], at: int) -> int:
    children = schema[at][1] or 0
    at += 1
    for _ in range(children):
        at = _after(schema, at)
    return at
