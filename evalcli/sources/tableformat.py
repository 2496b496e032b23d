"""What all table formats share: the files of one table, checked byte for byte beside the engine."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError
from evalcli.sources.base import InputFile, Note
from evalcli.sources.bytestream import TextFile, stamp
from evalcli.sources.digest import Pieces
from evalcli.sources.duck import literal, pattern
from evalcli.sources.moments import SQL_TYPES
from evalcli.sources.rawfile import RawFile
from evalcli.sources.sniff import compression
from evalcli.sources.table_portions import Portion  # noqa: TC001
from evalcli.sources.textcheck import TextCheck, TextCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.sources.tables import TableOptions

UNLIKE_FIX = "write the same columns in all files, or a part of each (-o part.evalcli) for evalcli merge"


@dataclass(frozen=True, slots=True)
class Engine:
    """The connection, a private directory for copies of files, and what the user said about text."""

    connection: Any
    directory: str
    options: TableOptions
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for a check any more."""
    whole: tuple[str, ...] = ()
    """All files of a table of which some lines are read."""
    paired: bool = False
    """Whether its rows may be paired with those of another table."""

    @property
    def whole_paths(self) -> list[str]:
        """Those files as the engine knows them."""
        return [os.path.abspath(path) for path in self.whole]  # noqa: PTH100 - text all the way


class Piece:
    """One file: its stamp when it was opened, its bytes, and after a check what was found."""

    def __init__(self, portion: Portion, text: TextFile | None, closed: threading.Event) -> None:
        self.portion = portion
        self.path = path = portion.path
        self._closed = closed
        self.text = text
        self.stamp = stamp(path)
        self.engine_path = os.path.abspath(path)  # noqa: PTH100 - text all the way
        self.counts: TextCounts | None = None
        self.hashed = Pieces(self.stamp.size, portion.hashing)
        self.lines = 0
        """Lines that the running check has seen."""

    def check(self, delimiter: str | None, *, by_return: bool = False) -> None:
        """Read the file once, or the own pieces of it: digests, and for text the counts.

        Raises:
            InputError: it is damaged, or changed since it was opened.
            LimitError: it unpacks to far more than its size.

        """
        try:
            if self.text is None:
                self._hash_own()
            else:
                self._read_text(self.text, TextCheck(self.path, delimiter, by_return=by_return))
        except InputError:
            self.check_unchanged()
            raise
        self.check_unchanged()

    def _read_text(self, text: TextFile, check: TextCheck) -> None:
        lines, blocks = text.lines, text.blocks(self.hashed)
        if lines is not None:
            if lines.head:
                check.feed(next(blocks))
            check.skip(lines.skipped)
        for block in blocks:
            check.feed(block)
            self.lines = check.counts.lines
            self.go_on()
        if lines is None:
            self.hashed.end()
        else:
            self._hash_own()
        self.counts = check.end()

    def _hash_own(self) -> None:
        file = RawFile(self.path)
        try:
            self.hashed.read(file.read_into, self.go_on)
        finally:
            file.close()

    def check_unchanged(self) -> None:
        """Refuse a file that is not what it was.

        Raises:
            InputError: it changed.

        """
        if stamp(self.path) != self.stamp:
            raise InputError("the file changed while it was read", fix="wait for its writer to end", path=self.path)

    def go_on(self) -> None:
        """Asked between pieces of work.

        Raises:
            InputError: nobody waits for this any more.

        """
        if self._closed.is_set():
            raise InputError("reading was given up", fix="run it again", path=self.path)

    @property
    def span(self) -> tuple[int, int]:
        """The bytes that are read, from and to before."""
        lines = self.portion.lines
        return (0, self.stamp.size) if lines is None else (lines.start, lines.stop)

    def record(self) -> InputFile:
        """What was read."""
        return InputFile(
            self.path, self.stamp.size, self.hashed.text(), rows=self.portion.rows, total=self.portion.total
        )


class Format(ABC):
    """A table of one format. ``cells`` maps exact column names to SQL over the view, ``columns`` to kinds."""

    def __init__(self, pieces: list[Piece], kind: str, view: str, engine: Engine) -> None:
        self.pieces = pieces
        self.engine = engine
        self.kind = kind
        self.view = view
        self.whole_view = view
        """The rows of all files, where others read some of them."""
        self.options = engine.options
        self.columns: dict[str, str] = {}
        self.cells: dict[str, str] = {}
        self.twice: set[str] = set()
        self.unreadable: dict[str, tuple[str, str]] = {}
        """Columns without a cell: what they hold, and what to do."""
        self.castable: dict[str, str] = {}
        """Those of them that can be shown: their text in SQL."""
        self.moments: dict[str, str] = {}
        """Columns of dates and times, which are read as text, and the SQL type that ``--where`` sees."""
        self.found: list[Note] = []
        self.is_head = False
        """Whether the view holds the first rows only."""

    @abstractmethod
    def open(self) -> None:
        """Find the columns and create the view."""

    def whole_lines(self) -> tuple[Sequence[TextFile] | None, str]:
        """The files, if one line is one row but for the header, and what parts its cells; ``None`` where it is not."""
        return None, ""

    def check(self, piece: Piece) -> None:
        """The independent reading of one file."""
        piece.check(None)

    def expected(self, piece: Piece) -> int | None:  # noqa: ARG002 - text formats know
        """Rows in this file by the independent count, if there is one."""
        return None

    def rows(self, piece: Piece) -> int:
        """The rows of one checked file, of several."""
        return self.expected(piece) or 0

    def blanks(self, piece: Piece) -> int:  # noqa: ARG002 - text formats know
        """Lines of a checked file that are skipped, beyond those above the header."""
        return 0

    def tell_blanks(self, piece: Piece, blanks: int) -> None:
        """Say how many lines of a file are skipped, where that is worth a note."""
        del piece, blanks

    def rescan(self, piece: Piece) -> int | None:  # noqa: ARG002 - text formats know
        """Count the rows slowly; raises at the first line that is wrong."""
        return None

    def lines(self, piece: Piece) -> Any:  # noqa: ARG002 - text formats know
        """The line number of every row of a text file."""
        return None

    def first_line(self, piece: Piece) -> int | None:  # noqa: ARG002 - text formats know
        """The line of the first row of a checked file, where every row is one line and no line is blank."""
        return None

    def mend(self) -> bool:
        """After an engine error: make the table readable if it is merely unusual."""
        return False

    @property
    def numbered(self) -> bool:
        """Whether ``rows`` of every file are known before they are read."""
        return False

    def _add(self, name: str, kind: str, cell: str) -> None:
        if name in self.columns:
            self.twice.add(name)
        else:
            self.columns[name] = kind
            self.cells[name] = cell

    def _keep_moment(self, name: str, kind: str) -> None:
        """A date or a time is text to all but ``--where``, which sees it as what it is."""
        if kind in SQL_TYPES:
            self.moments[name] = SQL_TYPES[kind]

    def _paths(self) -> str:
        return listed([piece.engine_path for piece in self.pieces])

    def _packed(self) -> str:
        """How the engine is told to unpack the files: where they are not packed alike, each by its name."""
        packings = {self._packing(piece) for piece in self.pieces}
        if len(packings) > 1:
            for piece in self.pieces:
                if packed_by_name(piece.engine_path) != self._packing(piece):
                    self._copy(piece)
        return packed_in_sql({piece.engine_path: self._packing(piece) for piece in self.pieces})

    def _packing(self, piece: Piece) -> str | None:
        """How what the engine reads of a file is packed; a copy, and lines of a file, are not."""
        copied = self.view in piece.engine_path or piece.portion.lines is not None
        return None if copied or piece.text is None else piece.text.packed

    def _whole_packed(self) -> str:
        """The same of all files of a table of which some lines are read."""
        return packed_in_sql({path: compression(path) for path in self.engine.whole_paths})

    def _copy(self, piece: Piece) -> None:
        """Give the engine a UTF-8 copy, not packed, of a file that it cannot read as it lies."""
        assert piece.text is not None
        target = os.path.join(self.engine.directory, f"{self.view}-{self.pieces.index(piece)}.txt")  # noqa: PTH118 - text all the way
        with open(target, "wb") as out:  # noqa: PTH123 - likewise
            for block in piece.text.blocks():
                out.write(block)
        piece.engine_path = target


def packed_by_name(path: str) -> str | None:
    """How the engine takes a file to be packed that is one of several kinds.

    >>> packed_by_name("a.csv.GZ"), packed_by_name("a.csv.zst.tmp"), packed_by_name("a.csv")
    ('gzip', 'zstd', None)
    """
    name = path.lower().removesuffix(".tmp")
    return "gzip" if name.endswith(".gz") else "zstd" if name.endswith(".zst") else None


def packed_in_sql(files: Mapping[str, str | None]) -> str:
    """What the engine is told of ``files`` and how they are packed: the one way, or to go by their names.

    Raises:
        InputError: neither will do.

    """
    packings = {*files.values()}
    if len(packings) == 1:
        return literal(packings.pop() or "none")
    if any(packed_by_name(path) != packed for path, packed in files.items()):
        how = ", ".join(sorted(packed or "not packed" for packed in packings))
        fix = "end the names of packed files in .gz or .zst"
        raise InputError(f"these files are packed in several ways, and not as their names say: {how}", fix=fix)
    return literal("auto")


def listed(paths: Sequence[str]) -> str:
    """These files, by their absolute paths, as a list in SQL."""
    return "[" + ", ".join(literal(pattern(path)) for path in paths) + "]"
