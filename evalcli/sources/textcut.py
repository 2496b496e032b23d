"""Text tables cut between lines, so that several processes read a run of lines each.

Where a line begins, only the quotes before it can tell: a cell may go on in the next line. So the files are counted
through first, each process a run of bytes: quotes, line ends, carriage returns. Added up, these counts say of every
place between two runs whether it lies inside quotes, and which line it is in. A quote that RFC 4180 does not have would
make that wrong; but whoever reads the lines refuses such a quote, and before it all is right.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import EvalError, InputError
from evalcli.sources.csvtext import choose_delimiter, read_header
from evalcli.sources.rawfile import RawFile
from evalcli.sources.sniff import compression, file_format, read_head
from evalcli.sources.table_portions import Lines, Portion
from evalcli.sources.tableformat import packed_by_name
from evalcli.sources.textcheck import CR, LF, QUOTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from evalcli.sources.tables import TableOptions
    from evalcli.sources.talk import Talk

    Array = np.ndarray[Any, Any]

RUNS = 64
"""So many runs of bytes are counted for each process: shares differ by as little as that."""
_BLOCK = 1 << 20
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Text(NamedTuple):
    """A file that can be cut: its header of ``lines`` lines takes the first ``head`` of its ``size`` bytes.

    Without a header these are the blank lines that it begins with.
    """

    path: str
    size: int
    head: int
    lines: int
    quoted: bool
    single: bool = False
    """Whether it has one column, of which a blank line is a cell."""


def cuttable(files: Sequence[tuple[str, int]], options: TableOptions) -> list[Text] | None:
    """The files, with their bytes, as texts that can be cut; ``None`` where one cannot.

    Cut is plain UTF-8 whose lines end in LF or CRLF, and JSON lines. What is wrong with a file is said
    by whoever reads it.
    """
    try:
        texts = [_text(path, size, options) for path, size in files]
    except EvalError:
        return None
    found = [text for text, _ in texts if text is not None]
    alike = len({fields for _, fields in texts}) == 1
    return found if alike and len(found) == len(files) and any(text.size > text.head for text in found) else None


def _text(path: str, size: int, options: TableOptions) -> tuple[Text | None, tuple[object, ...]]:
    """The file, and what it has to have in common with the others."""
    from evalcli.sources.bytestream import TextFile

    kind, start = file_format(path), read_head(path)
    plain = options.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} and compression(path) is None
    if kind == "jsonl" and plain and not start.startswith(_MARKS):
        return Text(path, size, 0, 0, quoted=False), ()
    marked = start.startswith(_MARKS[1:] if options.header else _MARKS)
    if kind not in {"csv", "tsv"} or not plain or marked:
        return None, ()
    header = read_header(TextFile(path, None, "utf-8"), choose_delimiter(kind, options.delimiter))
    lines = header.lines if options.header else header.blanks
    head = _end_of_line(path, lines)
    usual = not header.by_return and not header.is_mixed and head is not None
    text = Text(path, size, head or 0, lines, quoted=True, single=len(header.fields) == 1)
    fields = header.fields if options.header else len(header.fields)
    return text if usual else None, (fields, header.blanks)


def read_at_once(paths: Sequence[str], options: TableOptions) -> bool:
    """Whether one statement can read all files of a table as they lie: Parquet, or UTF-8.

    They are packed alike, or as their names say.
    """
    try:
        alike = {_way_to_read(path, options) for path in paths}
        packings = {compression(path) for path in paths}
    except EvalError:  # whoever reads the file says what is wrong with it
        return False
    as_named = len(packings) == 1 or all(packed_by_name(path) == compression(path) for path in paths)
    return len(alike) == 1 and None not in alike and as_named


def _way_to_read(path: str, options: TableOptions) -> tuple[object, ...] | None:
    """How the engine is told to read a file, and the header; ``None`` where it reads a copy."""
    from evalcli.sources.bytestream import TextFile

    kind, packed = file_format(path), compression(path)
    if kind == "parquet":
        return (kind,)
    plain = options.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} and not read_head(path).startswith(_MARKS)
    if kind == "jsonl":
        return (kind,) if plain else None
    if kind not in {"csv", "tsv"} or not plain:
        return None
    text = TextFile(path, packed, "utf-8", options.trust_compression)
    header = read_header(text, choose_delimiter(kind, options.delimiter))
    fields = header.fields if options.header else len(header.fields)
    return None if header.by_return or header.is_mixed else (kind, fields, header.blanks)


def _end_of_line(path: str, number: int) -> int | None:
    """The bytes of the first ``number`` lines."""
    with open(path, "rb") as file:  # noqa: PTH123 - paths are text throughout the sources
        held = sum(len(file.readline(_BLOCK)) for _ in range(number))
        file.seek(0)
        return held if file.read(held).count(b"\n") == number else None


def runs_of(texts: Sequence[Text], size: int) -> list[tuple[int, int, int]]:
    """The runs of bytes (number of the file, start, stop) that ``size`` processes count: every byte is in one."""
    step = max(sum(text.size for text in texts) // (RUNS * size), 1)
    return [(i, at, min(at + step, text.size)) for i, text in enumerate(texts) for at in range(0, text.size, step)]


def count_runs(texts: Sequence[Text], runs: Sequence[tuple[int, int, int]]) -> Array:
    """Quotes, line ends and carriage returns (K, 3) of each run.

    Raises:
        InputError: a file cannot be read.

    """
    counts = np.zeros((len(runs), 3), np.int64)
    buffer = bytearray(_BLOCK)
    for number, own in groupby(enumerate(runs), key=lambda one: one[1][0]):
        file = RawFile(texts[number].path)
        try:
            for row, (_, start, stop) in own:
                for at in range(start, stop, _BLOCK):
                    part = min(_BLOCK, stop - at)
                    file.read_into(memoryview(buffer)[:part], at)
                    counts[row] += [buffer.count(sign, 0, part) for sign in (QUOTE, LF, CR)]
        finally:
            file.close()
    return counts


def cut_lines(texts: Sequence[Text], counts: Array, size: int) -> list[list[Portion]] | None:
    """What each of ``size`` processes reads, every line in one of their portions, with at least one portion for each.

    ``counts`` are those of all runs. ``None`` where lines end in several ways.

    Raises:
        InputError: a file cannot be read.

    """
    runs = runs_of(texts, size)
    hands: list[list[Portion]] = [[] for _ in range(size)]
    total, done = sum(text.size for text in texts), 0
    for number, text in enumerate(texts):
        rows = [row for row, run in enumerate(runs) if run[0] == number]
        own = counts[rows]
        if own[:, 2].sum() not in {0, own[:, 1].sum()}:
            return None
        if not text.size:
            hands[min(done * size // total, size - 1)].append(Portion(text.path, lines=Lines(0, 0, 0, 0, 0)))
            continue
        starts = [(done + runs[row][1]) * size // total for row in rows]
        for hand, lines in _shares(text, own, [runs[row][1] for row in rows], starts):
            hands[hand].append(Portion(text.path, lines=lines))
        done += text.size
    first = texts[0]
    nothing = Portion(first.path, lines=Lines(first.head, first.lines, first.head, first.head, 0))
    return [hand or [nothing] for hand in hands]  # all decide together


def _shares(text: Text, counts: Array, starts: list[int], hands: list[int]) -> Iterator[tuple[int, Lines]]:
    """The lines of a file for each hand: those that begin in its runs, which begin at ``starts``."""
    before = np.cumsum(counts, axis=0) - counts
    firsts = [row for row, hand in enumerate(hands) if not row or hands[row - 1] != hand]
    at, above = text.head, text.lines
    file = RawFile(text.path)
    try:
        for row, following in zip(firsts, [*firsts[1:], -1], strict=True):
            stop, below = text.size, 0
            if following >= 0:
                quotes, lines, _ = before[following].tolist()
                inside = text.quoted and quotes % 2 == 1
                stop, below = _next_line(file, starts[following], lines, quoted=text.quoted, inside=inside)
            stop, below = max((stop, below), (at, above))
            if stop > at or (row == 0 and text.size == text.head):
                yield hands[row], Lines(text.head, text.lines, at, stop, above - text.lines)
            at, above = stop, below
    finally:
        file.close()


def _next_line(file: RawFile, at: int, lines: int, *, quoted: bool, inside: bool) -> tuple[int, int]:
    """Where the first line begins after the byte ``at``, and how many stand above it, given those before ``at``."""
    while at < file.size:
        block = file.read(at, min(_BLOCK >> 4, file.size - at))
        for part in block.split(b'"') if quoted else (block,):
            end = -1 if inside else part.find(b"\n")
            if end >= 0:
                return at + end + 1, lines + 1
            lines += part.count(b"\n")
            at += len(part) + 1
            inside ^= quoted
        at -= 1  # no quote stands behind the last part
        inside ^= quoted
    return file.size, lines


def counted_by_all(
    texts: Sequence[Text],
    place: tuple[int, int],
    talk: Talk | None,
    count: Callable[[Sequence[Text], Sequence[tuple[int, int, int]]], Array],
) -> tuple[Sequence[tuple[int, int, int]], Array]:
    """The runs of all files, and what ``count`` finds in them (runs, K), of which each process counts some.

    Raises:
        InputError: a file cannot be read, or the processes have not counted as many as there are runs.

    """
    rank, size = place
    runs = runs_of(texts, size)
    if talk is None:
        return runs, count(texts, runs)
    start, stop = len(runs) * rank // size, len(runs) * (rank + 1) // size
    told = talk(lambda: count(texts, runs[start:stop]).tobytes())
    found = np.frombuffer(b"".join(told), np.int64).reshape(-1, count(texts, ()).shape[1])
    if len(found) != len(runs):
        raise InputError("the ranks have counted other files", fix="start all ranks alike, on the same files")
    return runs, found
