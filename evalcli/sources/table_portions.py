"""Tables cut into portions of about equal bytes: whole files, or runs of the row groups of Parquet files.

The engine reads a run of row groups without touching the others: it knows from the footer which of them hold the rows
that are asked for.
"""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from evalcli.sources.duck import connect, literal, pattern
from evalcli.sources.temporary import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

NUMBER = "file_row_number"
"""What the engine calls the number of a row in its file."""

MANY = 8
"""So many files for each hand are dealt as they are: no group of rows need be cut off."""


PROTOCOL = "evalcli-lines"
"""By which the engine reaches lines of a file."""


class Lines(NamedTuple):
    """The bytes ``start:stop`` of a text file, whole lines, below a header of ``head`` bytes and ``above`` lines.

    ``skipped`` lines stand between the two.
    """

    head: int
    above: int
    start: int
    stop: int
    skipped: int

    @property
    def size(self) -> int:
        """Bytes of the header and the lines."""
        return self.head + self.stop - self.start

    def number(self, line: int) -> int:
        """The number in the file of a line, counted from 1, of the header and these lines.

        >>> lines = Lines(head=5, above=1, start=40, stop=50, skipped=7)
        >>> [lines.number(line) for line in (1, 2, 3)]
        [1, 9, 10]
        """
        return line + self.skipped if line > self.above else line


class Portion(NamedTuple):
    """A file, or the rows ``start:stop`` of it, of ``total``, or some ``lines`` of it, whose rows are not known yet.

    ``hashing = (rank, size)`` says which of how many processes this is that hash the file together.
    """

    path: str
    rows: tuple[int, int] | None = None
    total: int = 0
    hashing: tuple[int, int] = (0, 1)
    lines: Lines | None = None


class Cut(NamedTuple):
    """The ``portions`` of a table of ``files`` that hold its rows ``span`` (from and to before), of ``total``."""

    portions: Sequence[Portion]
    files: Sequence[str]
    span: tuple[int, int]
    total: int


def name_of(number: int) -> str:
    """What the engine calls the portion at this place, if it is lines of a file."""
    return f"{PROTOCOL}://{number}"


class Group(NamedTuple):
    """Rows of a file that lie together, and the bytes that they take."""

    path: str
    rows: int
    size: int
    numbered: bool = True
    """Whether the engine can tell the rows of its file by their numbers."""


def row_groups(files: Sequence[str]) -> list[Group] | None:
    """The row groups of Parquet files, in order; ``None`` where they cannot be told, which whoever reads them will say.

    A file without rows has one of 0 rows.
    """
    import duckdb

    try:
        with closing(TemporaryFolder()) as folder:
            connection = connect(files, folder.path, 1)
            try:
                found = [group for path in files for group in _groups_of(connection, path)]
            finally:
                connection.close()
    except (duckdb.Error, OSError):
        return None
    return found


def _groups_of(connection: DuckDBPyConnection, path: str) -> list[Group]:
    """Those of one file; as one where a column has the name that the engine gives to row numbers."""
    file = literal(pattern(path))
    groups = connection.execute(
        "SELECT row_group_id, any_value(row_group_num_rows), sum(total_compressed_size) "
        f"FROM parquet_metadata({file}) GROUP BY row_group_id ORDER BY row_group_id"
    ).fetchall()
    named = connection.execute(f"SELECT 1 FROM parquet_schema({file}) WHERE lower(name) = '{NUMBER}'").fetchone()
    if named is not None:
        groups = [(0, sum(rows for _, rows, _ in groups), sum(size for _, _, size in groups))]
    return [Group(path, int(rows), int(size), named is None) for _, rows, size in groups] or [Group(path, 0, 0)]


def cut(groups: Sequence[Group], size: int) -> list[list[Portion]]:
    """The groups as ``size`` runs of about as many bytes, each as portions of files; every row is in one of them.

    >>> for portions in cut([Group("a", 10, 50), Group("a", 10, 50), Group("b", 10, 50)], 2):
    ...     print([(portion.path, portion.rows) for portion in portions])
    [('a', (0, 10))]
    [('a', (10, 20)), ('b', None)]
    """
    weights = [max(group.size, 1) for group in groups]
    total, before = sum(weights), 0
    hands = []
    for weight in weights:
        hands.append(min((2 * before + weight) * size // (2 * total), size - 1))
        before += weight
    found: list[list[Portion]] = [[] for _ in range(size)]
    for path, numbers in groupby(range(len(groups)), key=lambda i: groups[i].path):
        own = list(numbers)
        rows, start = sum(groups[i].rows for i in own), 0
        for hand, held in groupby(own, key=lambda i: hands[i]):
            stop = start + sum(groups[i].rows for i in held)
            whole = (start, stop) == (0, rows)
            found[hand].append(Portion(path) if whole else Portion(path, (start, stop), rows))
            start = stop
    return found
