"""What the engine sees of any input: fields that describe it, and batches of rows.

A source is opened once and can be iterated again from the start. It hands out *loads*: calls that read and convert one
range of rows, which workers may run in parallel and in any order. Text never leaves this room: a text label becomes its
index in ``Field.labels``, which is complete before the first batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.sources.distinct import ColumnSize  # noqa: TC001  # the reader of parts looks at annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    import numpy as np

    from evalcli.sources.crc import Ledger
    from evalcli.sources.digest import Pieces
    from evalcli.sources.listed import Listed
    from evalcli.sources.origins import Origin

    Array = np.ndarray[Any, Any]
    Cells = Callable[[Array], list[tuple[Any, ...]]]


NO_CLUSTER = -(2**63)
"""The number of the cluster of a row that has none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One side of an input as it lies there, before anything is decided.

    ``shape`` is ``(N, …)``; ``dtype`` is the stored one (``float32``, ``bfloat16``, ``int64``, ``bool``, ``text``, …).
    ``labels`` holds the distinct texts, in class order, when the field is text: batches then carry int64 indices.
    ``columns`` holds the class names of score columns (``p_cat`` gives ``cat``) when the input names them.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: str
    labels: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in memory: numpy arrays with one leading length.

    ``start`` is the number of the first row in the whole input (from 0). ``repeats`` (int64) says how many identical
    input rows a row stands for, each of them with its ``weight`` (float64). Floats arrive as float32 or float64, labels
    as integers or booleans, a text prediction that is missing as -1 (only with ``nan="wrong"``).

    Rows that are listed one by one (:class:`evalcli.sources.listed.Listed`) have ``numbers`` (int64) where some rows of
    the file are left out, and ``cells`` where further columns were asked for.
    """

    preds: Array
    target: Array
    weight: Array | None = None
    repeats: Array | None = None
    groups: Array | None = None
    start: int = 0
    numbers: Array | None = None
    """The row of the file of predictions that each row is; ``None``: ``start``, ``start + 1``, …"""
    cells: Cells | None = None
    """Gives the further columns of some rows of the batch, a tuple a row; to be called where the batch was loaded."""
    goes_on: bool = False
    """Whether the next load has more of the same row."""
    cluster: Array | None = None
    """The number of each row's cluster, (n,) int64, or ``NO_CLUSTER``; see :mod:`evalcli.sources.clustering`."""
    offset: int = 0
    """How many elements of the row come before those of a piece."""

    @property
    def is_piece(self) -> bool:
        """Whether there is more of its only row in other batches."""
        return self.goes_on or self.offset > 0

    @property
    def done(self) -> int:
        """How many rows of the input end in it."""
        if self.goes_on:
            return 0
        return len(self.target) if self.repeats is None else int(self.repeats.sum())


class Slicer(NamedTuple):
    """What rows are sliced by: the ``name`` of a column, or of several crossed, and the slices that occur, in order.

    ``Batch.groups`` (N, S) holds for each of S slicers the place of a row's slice among ``values``, −1 for none.
    ``ranged`` values are ranges of numbers, cut where these rows have their quartiles. ``bounds`` are those of ranges
    that the user gave, of each column that was crossed; see :mod:`evalcli.sources.bounds`.
    """

    name: str
    values: tuple[str, ...]
    ranged: bool = False
    bounds: tuple[tuple[str, ...], ...] = ()


EVERY = "*"


def told_every(names: Iterable[str]) -> tuple[str, ...]:
    """The names with ``*`` as one of its own.

    >>> told_every(["age:18,*", "a,b"])
    ('*', 'age:18', 'a,b')
    """
    found: list[str] = []
    for name in names:
        parts = name.split(",")
        rest = ",".join(part for part in parts if part.strip() != EVERY)
        found += [EVERY, rest] if len(rest) < len(name) else [rest]
    return tuple(dict.fromkeys(name for name in found if name))


class Scan(NamedTuple):
    """What to search for weak slices: columns by ``names``, and with ``*`` all but ids; ``least`` rows make a slice.

    ``metric`` is what slices are compared by, ``None`` for what is usual in the task. Where rows are counted ``apart``
    from others of the same input, nobody knows which values have rows enough, and all are counted.
    """

    names: tuple[str, ...]
    least: int = 30
    metric: str | None = None
    apart: bool = False

    @property
    def counted(self) -> int:
        """How many rows of a value are counted."""
        return 1 if self.apart else self.least

    @property
    def every(self) -> bool:
        """Whether all columns were asked for."""
        return EVERY in self.names


class Scanned(NamedTuple):
    """The columns that are searched, with the values that make slices.

    ``Batch.groups`` holds their codes behind those of the slicers. ``rare`` values have fewer rows than make a slice;
    ``left_out`` says of columns, or of values of one, why they are not searched. ``rows`` are those of every value,
    where they are counted apart from others; where all columns were asked for, too, ``sizes`` are what is known of each
    of them that was not left out, with values ``hashed`` in that way.
    """

    asked: Scan
    columns: tuple[Slicer, ...]
    rare: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[int, ...], ...] = ()
    sizes: tuple[ColumnSize, ...] = ()
    hashed: str = ""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read: ``digest`` is as in :mod:`evalcli.sources.digest`, or ``crc32:…`` where the format's own
    checksum was verified.

    ``side`` is ``preds``, ``target`` or ``both``. ``rows`` are those that were read, from and to before, of ``total``;
    ``None`` means all of them.
    """

    path: str
    size: int
    digest: str
    side: str = "both"
    rows: tuple[int, int] | None = None
    total: int = 0


class Note(NamedTuple):
    """Something a reader should know about the input: no error, and not silence. ``level``: ``info`` or ``warning``."""

    code: str
    text: str
    fix: str = ""
    level: str = "info"


@dataclass(slots=True)
class Selection:
    """Which columns, keys and rows the user asked for; ``None`` means: find it."""

    pred: str | None = None
    target: str | None = None
    weight: str | None = None
    id: str | None = None
    where: str | None = None
    by: tuple[str, ...] = ()
    scan: Scan | None = None
    cluster: str | None = None
    scores: str | None = None
    nan: str = "error"
    labels: tuple[str, ...] | None = None
    task: str | None = None
    workers: int | None = None
    partial: bool = False
    """Whether these are some rows of many, so that there may be none."""
    options: dict[str, Any] = field(default_factory=dict)
    stdin: str | None = None
    """The copy of standard input, where several read it; else whoever reads it makes one."""
    listing: bool = False
    """Rows will be listed: ``id`` may also name what tells the rows of a single file, or of arrays, apart."""
    beside: bool = False
    """Rows will be read beside those of other models."""
    processes: bool = False
    """Whether another process may do the reading; only for a program that knows of all its threads and devices."""
    sorted: bool = False
    """Rows of tables come in the order of their ``id``, whatever the order of the file."""
    together: Callable[[Any], list[Any]] | None = None
    """Where others read the other rows of the same table: what all of them say, in the order of their rows, for what is
    said here; what JSON can hold.

    All of them have to ask, in the same order.
    """

    @property
    def may_be_values(self) -> bool:
        """Whether nothing that was said speaks of classes, nor of values."""
        return self.scores is None and self.labels is None and self.task is None


class Source(ABC):
    """Paired predictions and targets, from wherever they lie."""

    preds: Field
    target: Field
    weighted: bool = False
    weight: str | None = None
    """The name of what rows are weighed by, where that lies in a file."""
    rows: int | None = None
    dropped: int = 0
    """Rows the source itself left out because a label was missing (only with ``nan="drop"``)."""
    aliases: dict[str, str] = MappingProxyType({})  # type: ignore[assignment]  # read-only until a source has its own
    """Temporary paths and the names the user knows them by."""
    slicers: tuple[Slicer, ...] = ()
    """What rows are sliced by."""
    scanned: Scanned | None = None
    """What is searched for weak slices."""
    clustered: str | None = None
    """The column that says which rows belong together."""
    where: str | None = None
    """The condition, in SQL, that its rows satisfy: those of the files that do not are no rows of it."""
    read_as: tuple[tuple[str, str], ...] = ()
    """As what the condition sees the columns that it names, where these have cells: ``numbers``, ``text`` and so on."""
    first: int = 0
    """The number of the first row, where these are some of a whole."""
    are_numbered: bool = False
    """Whether every row comes with its number."""
    merged: bool = False
    """Whether nobody has yet compared the labels of both sides, because no one saw all of them."""
    splits: bool = False
    """Whether a row can come in pieces."""
    pieces: int = 1
    """In how many loads a row comes."""
    most_workers: int | None = None
    """How many count what comes from one reader, at most and unless more are asked for."""
    closing: ExitStack | None = None
    """What else has to be released with this source."""

    @abstractmethod
    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads of at most ``size`` rows each, in row order; each may be called from any thread, once."""

    def split(self, axis: int, step: int) -> None:
        """Give each row in pieces from now on, where it ``splits``: ``step`` along ``axis`` of predictions."""
        del axis, step

    def batches(self, size: int) -> Iterator[Batch]:
        """The rows themselves, in order."""
        for load in self.plan(size):
            yield load()

    def number_rows(self) -> None:
        """From now on give rows one by one, also those that would be counted together, so that each has its number."""
        self.are_numbered = True

    def origins(self) -> Sequence[Origin]:
        """Which files the rows lie in, by the numbers that they have here; known once a pass was planned."""
        from evalcli.sources.origins import Origin

        return (Origin(),)

    def ledgers(self) -> list[Ledger] | None:
        """The checksums that loads leave behind; ``None`` where a load cannot run in a process of its own."""
        return None

    def tally(self) -> dict[str, tuple[int, int]]:
        """Rows and skipped lines of those files of which these are some lines, by path, once they were checked."""
        return {}

    def settle(self, tallies: Sequence[Mapping[str, tuple[int, int]]], own: int) -> None:
        """Know the numbers of these rows, by the ``tallies`` of all that read some, of which the ``own`` is one."""
        del tallies, own

    def hashed(self) -> dict[str, Pieces]:
        """After a complete pass: the digests of files that several processes hash together, by side and path."""
        return {}

    def finish(self) -> tuple[InputFile, ...]:
        """Called once after a complete pass: verifies checksums and that no file changed; names what was read."""
        return ()

    def notes(self) -> tuple[Note, ...]:
        """What became known about the input beyond its numbers."""
        return ()

    def place(self, row: int, side: str = "preds") -> str:  # noqa: ARG002 - tables know more
        """Where row ``row`` (from 0, as batches number them) lies in the file of ``side`` (``preds`` or ``target``)."""
        return f"row {row}"

    def listed(self, show: Sequence[str] = ()) -> Listed:
        """The rows one by one, in the order of the predictions, with what tells them apart and the columns ``show``.

        Raises:
            UsageError: there is no such column.

        """
        from evalcli.sources.listed import PlainRows

        return PlainRows(self, show)

    def close(self) -> None:
        """Release files and connections. Harmless when repeated."""
        if self.closing is not None:
            self.closing.close()
