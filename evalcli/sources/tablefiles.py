"""The formats of tables: how the engine is told to read them, and what we count ourselves beside it."""

from __future__ import annotations

from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from evalcli.sources.duck import literal, pattern, quoted
from evalcli.sources.jsonlines import UNREADABLE
from evalcli.sources.named_scores import FIX, ODD
from evalcli.sources.nested import Nested
from evalcli.sources.parquetkinds import PLAIN, find_kinds
from evalcli.sources.parquetpages import Chunk, check_alone, check_pages
from evalcli.sources.rawfile import plain
from evalcli.sources.sqlkinds import sql_kind
from evalcli.sources.table_portions import NUMBER
from evalcli.sources.tableformat import Format, Piece, listed
from evalcli.sources.tabletext import Csv, Jsonl

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = "__evalcli_file"


class Parquet(Nested):
    """Parquet, with the types that are stored."""

    def open(self) -> None:
        """Match the stored names with those that the engine made unique."""
        self.chunks: dict[str, list[Chunk]] = {}
        self.lengths: dict[str, int] = {}
        whole = dict(zip(self.engine.whole, self.engine.whole_paths, strict=True))
        kinds = find_kinds(self._query, whole or {piece.path: piece.engine_path for piece in self.pieces})
        first, mixed = kinds.names, kinds.mixed
        self.reading = f"{PLAIN}, union_by_name=true" if kinds.types else f"{PLAIN}, union_by_name=false"
        self._query(f"CREATE OR REPLACE VIEW {self.view} AS {kinds.together(self._readings())}")
        if whole:
            self.whole_view = f"{self.view}_whole"
            every = kinds.together([f"SELECT * FROM read_parquet({listed(self.engine.whole_paths)}, {self.reading})"])
            self._query(f"CREATE OR REPLACE VIEW {self.whole_view} AS {every}")
        described = self._query(f"DESCRIBE {self.view}")
        for piece in self.pieces:
            self.chunks[piece.path] = self._chunks(piece)
            self.lengths[piece.path] = self._length(piece)
        nested = self._nested(first, described)
        for name, (internal, stored, *_) in zip(first, described, strict=True):
            if name in nested and name not in mixed:
                self._add_parts(nested[name])
                continue
            kind, cell = sql_kind(stored, quoted(internal))
            if name in mixed:
                what = f"values of several kinds: {mixed[name]}"
                self.unreadable[name] = what, "store one kind of value under one name"
                kind, cell = "other", ""
            elif kind == "other":
                self.unreadable[name] = _unreadable(stored)
                self.castable[name] = f"CAST({quoted(internal)} AS VARCHAR)"
                cell = ""
            self._add(name, kind, cell)
            self._keep_moment(name, stored)

    def _readings(self) -> list[str]:
        """The rows of all pieces, in order; of a portion its row groups alone are touched.

        A positional join takes the rows of a union in any order, and those of one scan in theirs.
        """
        if self.engine.paired and len(self.pieces) > 1:
            return [self._scanned_once()]
        parts = []
        for whole, pieces in groupby(self.pieces, key=lambda piece: piece.portion.rows is None):
            if whole:
                paths = ", ".join(literal(pattern(piece.engine_path)) for piece in pieces)
                parts.append(f"SELECT * FROM read_parquet([{paths}], {self.reading})")
                continue
            for piece in pieces:
                start, stop = piece.portion.rows or (0, 0)
                file = literal(pattern(piece.engine_path))
                parts.append(
                    f"SELECT * EXCLUDE ({NUMBER}) FROM read_parquet({file}, {self.reading}, {NUMBER}=true) "
                    f"WHERE {NUMBER} >= {start} AND {NUMBER} < {stop}"
                )
        return parts

    def _scanned_once(self) -> str:
        """The same rows; of files of which some rows are read all row groups are touched."""
        paths = listed([piece.engine_path for piece in self.pieces])
        others = " OR ".join(
            f"({_FILE} = {literal(piece.engine_path)} AND ({NUMBER} < {rows[0]} OR {NUMBER} >= {rows[1]}))"
            for piece in self.pieces
            if (rows := piece.portion.rows) is not None
        )
        every = f"read_parquet({paths}, {self.reading}, {NUMBER}=true, filename='{_FILE}')"
        return f"SELECT * EXCLUDE ({NUMBER}, {_FILE}) FROM {every} WHERE NOT ({others or 'false'})"

    @property
    def numbered(self) -> bool:
        """The footers say so."""
        return True

    def check(self, piece: Piece) -> None:
        """Digest, and the checksums of the pages where there are any."""
        piece.check(None)
        check_pages(piece.path, self.chunks[piece.path], piece.go_on)

    def rows(self, piece: Piece) -> int:
        """As the file says."""
        if piece.portion.rows is not None:
            start, stop = piece.portion.rows
            return stop - start
        return self.lengths[piece.path]

    def _length(self, piece: Piece) -> int:
        """Rows of the whole file; asked for when it is opened, since later the connection has a pass to serve."""
        stored = f"SELECT num_rows FROM parquet_file_metadata({literal(pattern(piece.engine_path))})"
        (row,) = self.engine.connection.execute(stored).fetchall()
        return int(row[0])

    def _chunks(self, piece: Piece) -> list[Chunk]:
        found = self.engine.connection.execute(
            "SELECT path_in_schema, dictionary_page_offset, data_page_offset, total_compressed_size, "
            f"row_group_id, row_group_num_rows FROM parquet_metadata({literal(pattern(piece.engine_path))})"
        ).fetchall()
        lengths = dict(sorted((group, rows) for *_, group, rows in found))
        starts = dict(zip(lengths, accumulate(lengths.values(), initial=0), strict=False))
        start, stop = piece.portion.rows or (0, sum(lengths.values()))
        ends = [min(first or data, data) + size for _, first, data, size, *_ in found if data and size]
        check_alone(piece.path, max(ends, default=0))
        return [
            Chunk(name, min(first or data, data), size)
            for name, first, data, size, group, _ in found
            if data and size and start <= starts[group] < stop
        ]


class Frame(Nested):
    """What is read at once into memory; of Arrow files a batch after the other."""

    def open(self) -> None:
        """Read and register the frames."""
        from evalcli.sources.framekinds import alike
        from evalcli.sources.frames import joined, read_frame

        tables = [read_frame(piece.path, self.kind) for piece in self.pieces]
        tables = alike(tables, [piece.path for piece in self.pieces])
        self.lengths = {piece.path: table.num_rows for piece, table in zip(self.pieces, tables, strict=True)}
        names = tables[0].schema.names
        whole = joined(tables, [f"c{i}" for i in range(len(names))])
        self.engine.connection.register(f"{self.view}_frame", whole)
        self.engine.connection.execute(f"CREATE OR REPLACE VIEW {self.view} AS SELECT * FROM {self.view}_frame")
        described = self.engine.connection.execute(f"DESCRIBE {self.view}").fetchall()
        nested = self._nested(names, described)
        for i, row in enumerate(described):
            if names[i] in nested:
                self._add_parts(nested[names[i]])
                continue
            kind, cell = sql_kind(row[1], f"c{i}")
            place = next((table.schema.metadata[str(i).encode()] for table in tables if _has(table, i)), None)
            if place is not None:
                what = f"a formula without a stored value (cell {place.decode()})"
                self.unreadable[names[i]] = what, "open it in a spreadsheet program and save it, or write values"
                kind, cell = "other", ""
            elif kind == "other":
                self.unreadable[names[i]] = _told(tables, i) or _unreadable(row[1])
                cell = ""
            self._add(names[i], kind, cell)
            self._keep_moment(names[i], row[1])

    def rows(self, piece: Piece) -> int:
        """As they were read."""
        return int(self.lengths[piece.path])


def _unreadable(stored: str) -> tuple[str, str]:
    return f"values of type {plain(stored)}", "store one text, number or flat list of scores"


def _told(tables: Sequence[Any], column: int) -> tuple[str, str] | None:
    """What the readers say of a column of values that nothing can be made of, and what to do."""
    holds = [(table.schema.field(column).metadata or {}).get(b"holds", b"").decode() for table in tables]
    odd = next((each for each in holds if each.startswith(ODD)), None)
    return UNREADABLE.get(holds[0]) if odd is None else (odd, FIX)


def _has(table: Any, column: int) -> bool:
    """Whether a column of a workbook has something that cannot be read; the metadata says in which cell."""
    return str(column).encode() in (table.schema.metadata or {})


FORMATS: dict[str, type[Format]] = {"csv": Csv, "tsv": Csv, "jsonl": Jsonl, "parquet": Parquet}
"""Format → reader; all others are frames."""
