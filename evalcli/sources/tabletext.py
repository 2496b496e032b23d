"""Text tables: how the engine is told to read them, and what we count ourselves beside it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalcli.errors import WRITE_AGAIN, InputError
from evalcli.sources import csvtext, jsonlines
from evalcli.sources.base import Note
from evalcli.sources.bytestream import TextFile, stamp
from evalcli.sources.duck import literal, quoted
from evalcli.sources.jsonlines import MIXED, UNREADABLE, cell_sql, join_kinds
from evalcli.sources.named_scores import (
    ANSWERS,
    BESIDE,
    FIX,
    NAMED,
    NamedScores,
    answer_sql,
    columns_of,
    entries_sql,
    scores_sql,
)
from evalcli.sources.sniff import EMPTY, compression
from evalcli.sources.tableformat import UNLIKE_FIX, Format, Piece, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

BUFFER = 8 << 20
"""Bytes the engine reads at once: of 4, 8, 16 and its own 32 MiB the fastest by a few per cent on two cores."""
_FILE = "__evalcli_file"


class Csv(Format):
    """CSV and TSV: everything explicit, every column text.

    A file may have its columns in an order of its own. ``order`` is that of all, whichever file is the first.
    """

    def open(self) -> None:
        """Read the headers and create the view."""
        self.delimiter = csvtext.choose_delimiter(self.kind, self.options.delimiter)
        texts = [piece.text for piece in self.pieces if piece.text is not None]
        if not self.options.header:  # some lines of a file may be none, or begin with a blank one
            texts = [replace(text, lines=None) for text in texts]
        self.headers = [csvtext.read_header(text, self.delimiter) for text in texts]
        first = self.headers[0]
        self._are_shuffled = self.options.header and any(each.fields != first.fields for each in self.headers)
        for piece, header in zip(self.pieces, self.headers, strict=True):
            if not self._goes_with(header, first):
                what = f"its header differs from that of {self.pieces[0].path}"
                raise InputError(what, fix=UNLIKE_FIX, path=piece.path)
            if header.is_mixed:
                self._unify(piece)
            elif piece.text is not None and piece.text.encoding != "utf-8":
                self._copy(piece)
        self.order = min(header.fields for header in self.headers)
        numbered = [f"column{i}" for i in range(1, len(first.fields) + 1)]
        names = list(self.order) if self.options.header else numbered
        for i, name in enumerate(names):
            if not name and i == len(names) - 1 and i:
                text = "the last column has no name and is left out: the lines end in a delimiter"
                self.found.append(Note("unnamed-column", text))
            else:
                self._add(name, "text", f"c{i}")
        self._create()

    def _goes_with(self, header: csvtext.Header, first: csvtext.Header) -> bool:
        """Whether the columns are those of the first file, in any order if each has a name of its own."""
        if not self.options.header or header.fields == first.fields:
            return len(header.fields) == len(first.fields)
        return sorted(header.fields) == sorted({*first.fields}) == sorted(first.fields)

    def _create(self) -> None:
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(self.headers[0].fields)))
        if len({header.blanks for header in self.headers}) > 1:
            what = "some of these files begin with blank lines, others do not"
            raise InputError(what, fix="take them out", path=self.pieces[0].path)
        cells = f"delim={literal(self.delimiter)}, quote='\"', escape='\"'"
        packed = self._packed()  # may copy files
        source = self._reading(columns, cells, self._paths(), packed)
        self.engine.connection.execute(f"CREATE OR REPLACE VIEW {self.view} AS SELECT {self._cells()} FROM {source}")
        if self.engine.whole:
            self.whole_view = f"{self.view}_whole"
            every = self._reading(columns, cells, listed(self.engine.whole_paths), self._whole_packed())
            self.engine.connection.execute(f"CREATE OR REPLACE VIEW {self.whole_view} AS SELECT * FROM {every}")

    def _cells(self) -> str:
        """The cells of a row in one order, in SQL; the one scan tells which file a row is of."""
        if not self._are_shuffled:
            return "*"
        orders: dict[tuple[str, ...], list[str]] = {}
        for piece, header in zip(self.pieces, self.headers, strict=True):
            orders.setdefault(header.fields, []).append(literal(piece.engine_path))
        here = {fields: f"{_FILE} IN ({', '.join(paths)})" for fields, paths in orders.items()}
        cells = []
        for i, name in enumerate(self.order):
            found = (f"WHEN {test} THEN c{fields.index(name)}" for fields, test in here.items())
            cells.append(f"CASE {' '.join(found)} END AS c{i}")
        return ", ".join(cells)

    def _reading(self, columns: str, cells: str, paths: str, packed: str) -> str:
        """The rows in SQL, everything explicit; ``cells`` says how a line falls into them."""
        flags = (
            f"auto_detect=false, columns={{{columns}}}, {cells}, "
            f"header={str(self.options.header).lower()}, nullstr='', allow_quoted_nulls=false, strict_mode=true, "
            f"null_padding=false, ignore_errors=false, hive_partitioning=false, "
            f"filename={literal(_FILE) if self._are_shuffled else 'false'}, "
            f"max_line_size={csvtext.LINE_LIMIT}, buffer_size={BUFFER}"
        )
        skip = self.headers[0].blanks
        return f"read_csv({paths}, skip={skip}, compression={packed}, {flags})"

    def whole_lines(self) -> tuple[Sequence[TextFile] | None, str]:
        """The files, if one line is one row but for the first, which is the header; and what parts its cells."""
        texts = [piece.text for piece in self.pieces if piece.text is not None]
        plain_heads = all(not each.blanks and each.lines == 1 and not each.by_return for each in self.headers)
        usual = self.options.header and plain_heads and not self._are_shuffled
        if self.is_head or not usual or len(texts) < len(self.pieces):
            return None, self.delimiter
        return texts, self.delimiter

    def check(self, piece: Piece) -> None:
        """Count lines, delimiters and quotes; a row may not end in a delimiter too many."""
        header = self._header(piece)
        piece.check(self.delimiter, by_return=header.by_return)
        counts = piece.counts
        assert counts is not None
        if counts.lone_returns:
            unknown = InputError("a lone carriage return", fix="quote it")
            raise csvtext.find_lone_return(piece.text) if piece.text else unknown
        if counts.delimiters != counts.lines * (len(header.fields) - 1):
            self.rescan(piece)
            what = "not all lines have the same number of cells"
            raise InputError(what, fix="quote cells that hold the delimiter", path=piece.path)
        if piece.portion.lines is None:
            self.tell_blanks(piece, self.blanks(piece))

    def blanks(self, piece: Piece) -> int:
        """Blank lines below the header."""
        return 0 if piece.counts is None else piece.counts.blanks - self._header(piece).blanks

    def tell_blanks(self, piece: Piece, blanks: int) -> None:
        """Say how many lines of a file are blank, those above the header among them, unless these are all."""
        header = self._header(piece)
        if blanks > 0 and len(header.fields) > 1:
            blanks += header.blanks
            note = Note("blank-lines", f"{piece.path}: {blanks} blank line{'s' * (blanks != 1)} skipped")
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
        assert piece.text is not None
        header = self._header(piece)
        return csvtext.check_records(piece.text, self.delimiter, header, has_header=self.options.header)

    def lines(self, piece: Piece) -> Any:
        """Line numbers of the data rows."""
        assert piece.text is not None
        header = self._header(piece)
        one = len(header.fields) == 1
        rows = (n for n, each in csvtext.records(piece.text, self.delimiter) if each or (one and n > header.blanks))
        if self.options.header:
            next(rows, None)
        return rows

    def first_line(self, piece: Piece) -> int | None:
        """The line after the header, unless a cell holds a line break or a line is blank."""
        header, counts = self._header(piece), piece.counts
        if counts is None or counts.blanks > header.blanks or counts.breaks != counts.newlines:
            return None
        first = header.lines + 1 if self.options.header else header.blanks + 1
        return first if piece.text is None else piece.text.number(first)

    def mend(self) -> bool:
        """Lines that end now in CRLF, now in LF are unusual, not wrong."""
        mixed = [piece for piece in self.pieces if piece.counts is not None and piece.counts.is_mixed]
        mixed = [piece for piece in mixed if self.view not in piece.engine_path]
        for piece in mixed:
            self._unify(piece)
        if mixed:
            for piece in self.pieces:
                if self.view not in piece.engine_path:
                    self._copy(piece)
            self._create()
        return bool(mixed)

    def _unify(self, piece: Piece) -> None:
        assert piece.text is not None
        target = os.path.join(self.engine.directory, f"{self.view}-{self.pieces.index(piece)}.txt")  # noqa: PTH118 - text all the way
        csvtext.unify_newlines(piece.text, target)
        piece.engine_path = target

    def _header(self, piece: Piece) -> csvtext.Header:
        return self.headers[self.pieces.index(piece)]


class Jsonl(Format):
    """JSON lines: tokens, taken out by kind in SQL."""

    def open(self) -> None:
        """Sample the keys and create the view."""
        self.kinds: dict[str, str] = {}
        self.named = NamedScores()
        texts = [text for text in self._all_texts() if stamp(text.path).size]
        if not texts:
            raise InputError(EMPTY, fix=WRITE_AGAIN, path=self.pieces[0].path)
        nameless = {self._learn(text) for text in texts}
        if len(nameless) > 1:
            what = "some of these files have an object in each line, others an array"
            raise InputError(what, fix="write all of them the same way", path=texts[0].path)
        (self.nameless,) = nameless
        for piece in self.pieces:
            assert piece.text is not None
            with open(piece.path, "rb") as file:  # noqa: PTH123 - text all the way
                marked = piece.text.packed is None and file.read(3) == b"\xef\xbb\xbf"
            if marked or piece.text.encoding != "utf-8":
                self._copy(piece)
        lowered: set[str] = set()
        names = []
        for name, kind in self.kinds.items():
            if name.lower() in lowered:
                self.twice.add(name)
            elif kind not in ("other", MIXED, *UNREADABLE) and name:  # the engine takes no name of no length
                names.append(name)
            lowered.add(name.lower())
        self._choose({*names})
        packed = self._packed()  # may copy files
        self._create(self.view, self._paths(), names, packed)
        if self.engine.whole:
            self.whole_view = f"{self.view}_whole"
            self._create(self.whole_view, listed(self.engine.whole_paths), names, self._whole_packed())

    def _learn(self, text: TextFile) -> bool:
        """The keys of one file; whether its lines are no objects."""
        found = jsonlines.read_columns(text, self.named)
        for name, kind in found.kinds.items():
            before = self.kinds.get(name, "")
            self.kinds[name] = join_kinds(before, kind)
            if self.kinds[name] == MIXED:
                where = found.mixed.get(name) or f"{kind} in {text.path}, earlier {before}"
                told = f"values of several kinds: {where}", "write one kind of value under one key"
                self.unreadable.setdefault(name, told)
        return found.nameless

    def _choose(self, readable: set[str]) -> None:
        """The columns that are made of these keys; a key of scores that carry names is several."""
        self.derived: dict[str, str] = {}
        """Columns of the view beside the keys: what is taken out of a token once for several columns."""
        for name, kind in self.kinds.items():
            place, cell = f"__evalcli_named{len(self.derived)}", quoted(name)
            if name in readable and kind in NAMED and name not in self.named.odd:
                self._name_scores(name, place, entries_sql(kind, cell))
            elif name in readable and kind in ANSWERS:
                self.derived[place] = answer_sql(kind, cell)
                self._add(name, "text", f"{place}.label")
                self._add(f"{name}.score", "float", f"{place}.score")
            elif self.named.beside and name in BESIDE and readable.issuperset(BESIDE):
                if name == BESIDE[1] and name not in self.named.odd:
                    lists = (cell_sql(quoted(key), kind) for key, kind in zip(BESIDE, ("texts", "list"), strict=True))
                    self._name_scores(name, place, f"list_zip({', '.join(lists)})")
                elif name == BESIDE[1]:
                    self._add(name, "other", "")
            else:
                fits = name in readable and kind in jsonlines.SQL
                self._add(name, kind if fits else "other", cell_sql(cell, kind) if fits else "")
            if kind in UNREADABLE:
                self.unreadable[name] = UNREADABLE[kind]
            elif name in self.named.odd and (kind in NAMED or self.named.beside):
                self.unreadable[name] = self.named.odd[name], FIX

    def _name_scores(self, name: str, place: str, entries: str) -> None:
        names = self.named.met[name].names
        self.derived[place] = scores_sql(f"list_sort({entries})", names)
        for column, cell in columns_of(name, names, place):
            self._add(column, "float", cell)

    def _all_texts(self) -> list[TextFile]:
        """The files that say which keys there are, of which kind."""
        if self.engine.whole:
            trusted = self.options.trust_compression
            return [TextFile(path, compression(path), "utf-8", trusted) for path in self.engine.whole]
        return [piece.text for piece in self.pieces if piece.text is not None]

    def _create(self, view: str, paths: str, names: Sequence[str], packed: str) -> None:
        keys = ", ".join(f"{literal(name)}: 'JSON'" for name in names or ["_"])
        made = "".join(f", {sql} AS {place}" for place, sql in self.derived.items())
        self.engine.connection.execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT *{made} FROM read_json({paths}, "
            f"format='newline_delimited', records={str(not self.nameless).lower()}, auto_detect=false, "
            f"columns={{{keys}}}, "
            f"compression={packed}, hive_partitioning=false, maximum_object_size={csvtext.LINE_LIMIT})"
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
        assert piece.text is not None
        return jsonlines.check_lines(piece.text, self.kinds, self.named, nameless=self.nameless)

    def lines(self, piece: Piece) -> Any:
        """Line numbers of the objects."""
        assert piece.text is not None
        number = piece.text.number
        return (number(n) for n, line in enumerate(csvtext.lines(piece.text), start=1) if line.strip())

    def first_line(self, piece: Piece) -> int | None:
        """The first line, unless one is blank."""
        if piece.counts is None or piece.counts.blanks or piece.text is None:
            return None
        return piece.text.number(1)
