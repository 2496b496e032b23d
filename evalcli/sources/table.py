"""One table: its columns as SQL, where its rows lie in words, and an independent check of all that is read of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, LimitError, several
from evalcli.sources.csvtext import label_fault
from evalcli.sources.duck import POLL, quoted
from evalcli.sources.origins import Origin, mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources.base import InputFile, Note
    from evalcli.sources.digest import Pieces
    from evalcli.sources.tableformat import Format, Piece
    from evalcli.sources.tables import Tables


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
        self.among: tuple[int, int] | None = None
        """The number of its first row in the whole of which it is a share, and how many rows that has."""

    @property
    def is_share(self) -> bool:
        """Whether others read rows of it that can be looked at."""
        return self.reader.whole_view != self.reader.view

    @property
    def noun(self) -> str:
        """What one of its columns is called: only text tables have a line of names above them."""
        return {"csv": "column", "tsv": "column", "jsonl": "key", "json": "key"}.get(self.format, "field")

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
        """The place of a data row in words: ``line 7``, or ``row 5``, which counts from 0. May rescan."""
        for piece in self.reader.pieces:
            numbers = self.reader.lines(piece)
            if numbers is None:
                break
            file = self._named(piece)
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
                return f"{self._named(piece)}row {row + (piece.portion.rows or (0,))[0]}"
            row -= held
        return f"row {row}"

    def _named(self, piece: Piece) -> str:
        """The file of a place, if the table may be several, some of which others may read."""
        return "" if piece.path == self.path else f"{piece.path} "

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

    def origins(self) -> tuple[Origin, ...]:
        """The files that its rows lie in; of several the rows of each have to be known."""
        pieces = self.reader.pieces
        if len(pieces) > 1 and not self.reader.numbered:
            self.check()
        firsts = accumulate((self.reader.rows(piece) for piece in pieces[:-1]), initial=0)
        before = ((piece.portion.rows or (0,))[0] for piece in pieces)
        return tuple(map(Origin, firsts, (mark_of(piece.path) for piece in pieces), before))

    def shorten(self, rows: int) -> None:
        """Be the first rows alone from now on: for a look, which no check of the whole file can agree with."""
        head = f"{self.reader.view}_head"
        self._tables.query(f"CREATE TEMP TABLE {head} AS SELECT * FROM {self.reader.view} LIMIT {rows}")
        self.reader.view = head
        self.reader.is_head = True

    def begin(self) -> None:
        """Start a pass: the independent check runs beside the query."""
        if self._check is None:
            check = threading.Thread(target=self._work, name="evalcli-check", daemon=True)
            check.start()
            self._check = check  # only now: nobody may wait for one that could not start

    def finish(self, rows: int | None) -> tuple[InputFile, ...]:
        """End a pass: what was read, once the check agrees with the rows counted.

        Raises:
            InputError: the file is damaged, changed while it was read, or holds another number of rows.
            LimitError: it unpacks to far more than its size.

        """
        self.check()
        if self._done is None:
            self._compare(rows)
            records = [(piece.record(), self.reader.rows(piece)) for piece in self.reader.pieces]
            whole = (replace(one, total=rows) if one.rows is None else one for one, rows in records)
            self._done = tuple(one for one in whole if one.rows is None or one.rows[0] < one.rows[1])
        for piece in self.reader.pieces:
            piece.check_unchanged()
        return self._done

    def tally(self) -> dict[str, tuple[int, int]]:
        """Rows and blank lines of those files of which some lines are read, once they are checked.

        Raises:
            LimitError: they hold other rows than those they were cut at.

        """
        cut = [piece for piece in self.reader.pieces if piece.portion.lines is not None]
        if cut:
            self.check()
        for piece in cut:
            rows = piece.portion.rows
            if rows is not None and rows[1] - rows[0] != self.reader.rows(piece):
                what = "its rows are not where its lines are; no verdict"
                raise LimitError(what, fix="run it again with --workers 1", path=piece.path)
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
            raise InputError(
                f"{several(rows, 'row')} came out of a file that holds {exact:,}", fix="report this", path=self.path
            )

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
