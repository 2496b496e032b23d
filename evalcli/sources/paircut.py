"""Two tables paired row by row, cut at the same rows, so that several processes read a run of pairs each.

Parquet files say how many rows they have. In text a row ends where a line ends outside of quotes and is not blank, but
whether a byte lies inside quotes, only the quotes before it can tell. So a run of bytes is counted both ways, as if it
began outside and as if it began inside; the quotes of all runs before it say which of the two it is.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.sources import input_format
from evalcli.sources.rawfile import RawFile
from evalcli.sources.table_portions import Lines, Portion, row_groups
from evalcli.sources.talk import said_by_all
from evalcli.sources.textcheck import CR, LF, QUOTE, bits, prefix_xor, shift_up
from evalcli.sources.textcut import Text, counted_by_all, cuttable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from evalcli.sources.tables import TableOptions
    from evalcli.sources.talk import Talk

    Array = np.ndarray[Any, Any]

_BLOCK = 1 << 20
_QUOTES, _LINES, _RETURNS, _OUTSIDE, _INSIDE = range(5)


class Cut(NamedTuple):
    """Where a row begins: in which file of a side, as which row of it; of text also at which byte, below which lines.

    Behind the last row it is one file further.
    """

    file: int
    row: int
    at: int = 0
    above: int = 0


class Pairs(NamedTuple):
    """Sides of ``rows`` rows each: by side, what each process reads of it."""

    rows: int
    hands: list[list[list[Portion]]]


class Side:
    """The files of one side, of a table in Parquet; ``rows`` are those of each of them."""

    def __init__(self, paths: Sequence[str], rows: Sequence[int]) -> None:
        self.paths = paths
        self.rows = rows
        self.total = sum(rows)

    def cut(self, row: int) -> Cut:
        """Where a row begins."""
        if row == 0:
            return Cut(0, 0)
        ends = list(accumulate(self.rows))
        file = next((i for i, end in enumerate(ends) if row < end), len(ends))
        return Cut(file, row - ([0, *ends])[file])

    def portions(self, start: Cut, stop: Cut) -> list[Portion]:
        """The rows from one cut to another, file by file; files without rows are in one of these lists, too."""
        found = []
        for file in range(start.file, min(stop.file + 1, len(self.paths))):
            first, last = start.row if file == start.file else 0, stop.row if file == stop.file else self.rows[file]
            if first < last or (self.rows[file] == 0 and file < stop.file):
                found.append(self._portion(file, start, stop, (first, last)))
        return found or [self._nothing()]

    def _portion(self, file: int, start: Cut, stop: Cut, rows: tuple[int, int]) -> Portion:
        """Some rows of a file, those between the two cuts."""
        del start, stop
        whole = rows == (0, self.rows[file])
        return Portion(self.paths[file]) if whole else Portion(self.paths[file], rows, self.rows[file])

    def _nothing(self) -> Portion:
        """No rows, for whom all decide together."""
        return Portion(self.paths[0], (0, 0), self.rows[0])


class TextSide(Side):
    """The files of one side, of a table in text, with the counts of their runs of bytes."""

    def __init__(self, texts: Sequence[Text], runs: Sequence[tuple[int, int, int]], counts: Array) -> None:
        self._texts, self._runs = texts, runs
        numbers = np.array([run[0] for run in runs], np.int64)
        before = np.zeros_like(counts)
        ends = np.zeros(len(runs), np.int64)
        for number, text in enumerate(texts):
            own = numbers == number
            before[own] = np.cumsum(counts[own], axis=0) - counts[own]
            inside = text.quoted & (before[own, _QUOTES] % 2 == 1)
            ends[own] = np.where(inside, counts[own, _INSIDE], counts[own, _OUTSIDE])
        self._before, self._ends = before, ends
        rows = [int(ends[numbers == i].sum()) + _is_open(text) for i, text in enumerate(texts)]
        super().__init__([text.path for text in texts], rows)

    def cut(self, row: int) -> Cut:
        """Where a row begins: the byte is looked for in the run in which it lies."""
        cut = super().cut(row)
        if cut.file == len(self._texts):
            return cut
        text = self._texts[cut.file]
        if cut.row == 0:
            return cut._replace(at=text.head, above=text.lines)
        own = [i for i, run in enumerate(self._runs) if run[0] == cut.file]
        done = np.cumsum(self._ends[own])
        run = own[int(np.searchsorted(done, cut.row))]
        left = cut.row - int(done[run - own[0]] - self._ends[run])
        _, start, stop = self._runs[run]
        inside = text.quoted and int(self._before[run, _QUOTES]) % 2 == 1
        at, lines = _end_of_row(text, start, stop, left, inside=inside)
        return cut._replace(at=at, above=int(self._before[run, _LINES]) + lines)

    def _portion(self, file: int, start: Cut, stop: Cut, rows: tuple[int, int]) -> Portion:
        text = self._texts[file]
        at, above = (start.at, start.above) if file == start.file else (text.head, text.lines)
        until = stop.at if file == stop.file else text.size
        lines = Lines(text.head, text.lines, at, until, above - text.lines)
        return Portion(text.path, rows if self.rows[file] else None, self.rows[file], lines=lines)

    def _nothing(self) -> Portion:
        first = self.cut(0)
        return self._portion(0, first, first, (0, 0))


def cut_pairs(
    sides: Sequence[Sequence[tuple[str, int]]],
    options: TableOptions,
    place: tuple[int, int],
    talk: Talk | None,
    *,
    cut_text: bool,
) -> Pairs | None:
    """What each process reads of the files, with their bytes, of each side: the same rows of all sides.

    ``None`` where a side cannot be cut, or has another number of rows, which whoever reads all of it will say.

    Raises:
        InputError: a file cannot be read.

    """
    found = []
    for files in sides:
        side = _side(files, options if cut_text else None, place, talk)
        if side is None:
            return None
        found.append(side)
    rank, size = place
    total = found[0].total
    if not total or any(side.total != total for side in found):
        return None
    ranks = range(size) if talk is None else [rank]
    mine = [[side.cut(total * one // size) for side in found] for one in ranks]
    told = said_by_all(talk, mine)
    cuts = [[Cut(*cut) for cut in one] for some in told for one in some]
    cuts.append([side.cut(total) for side in found])
    return Pairs(
        total, [[side.portions(start[i], stop[i]) for start, stop in pairwise(cuts)] for i, side in enumerate(found)]
    )


def _side(
    files: Sequence[tuple[str, int]], options: TableOptions | None, place: tuple[int, int], talk: Talk | None
) -> Side | None:
    """The files of one side; ``None`` where they cannot be cut, which all processes find alike."""
    if all(input_format(path) == "parquet" for path, _ in files):
        groups = row_groups([path for path, _ in files])
        if groups is None or not all(group.numbered for group in groups):
            return None
        return Side([path for path, _ in files], [sum(g.rows for g in groups if g.path == path) for path, _ in files])
    texts = None if options is None else cuttable(files, options)
    if texts is None:
        return None
    runs, counts = counted_by_all(texts, place, talk, count_rows)
    for number in range(len(texts)):
        own = counts[[i for i, run in enumerate(runs) if run[0] == number]].sum(axis=0)
        if own[_RETURNS] not in {0, own[_LINES]}:
            return None
    return TextSide(texts, runs, counts)


def count_rows(texts: Sequence[Text], runs: Sequence[tuple[int, int, int]]) -> Array:
    """Of each run (K, 5): quotes, line ends, carriage returns, rows that end in it if it begins outside, or inside.

    Raises:
        InputError: a file cannot be read.

    """
    counts = np.zeros((len(runs), 5), np.int64)
    for row, (number, start, stop) in enumerate(runs):
        text, odd = texts[number], False
        file = RawFile(text.path)
        try:
            for at in range(start, stop, _BLOCK):
                block = _Block(file, text, at, min(at + _BLOCK, stop))
                outside, inside = (int(np.bitwise_count(block.ends(inside=each)).sum()) for each in (odd, not odd))
                counts[row] += [block.quotes, block.lines, block.returns, outside, inside]
                odd ^= block.quotes % 2 == 1
        finally:
            file.close()
    return counts


class _Block:
    """Some bytes of a text, with the two before them, which tell a blank line."""

    def __init__(self, file: RawFile, text: Text, at: int, stop: int) -> None:
        self._text = text
        self.start = max(at - 2, 0)
        data = bytes(file.read(self.start, stop - self.start))
        if at < 2:  # a first line is blank as one is below another
            data = b"\n" * (2 - at) + data
            self.start = at - 2
        padded = np.frombuffer(data + b"\0" * (-len(data) % 64), np.uint8)
        self.bytes = padded
        self.newline = bits(padded == LF)
        self.own = np.full_like(self.newline, ~np.uint64(0))
        self.own[0] ^= np.uint64(3)
        nowhere = np.zeros_like(self.newline)
        self._quote = bits(padded == QUOTE) & self.own if text.quoted and b'"' in data else nowhere
        self._return = bits(padded == CR) if b"\r" in data else nowhere
        self.quotes = int(np.bitwise_count(self._quote).sum())
        self.lines = int(np.bitwise_count(self.newline & self.own).sum())
        self.returns = int(np.bitwise_count(self._return & self.own).sum())

    def ends(self, *, inside: bool) -> Array:
        """The line ends that end a row below the header, as bits, where the block begins ``inside`` quotes, or not."""
        within = prefix_xor(self._quote) if self.quotes else np.zeros_like(self.newline)
        found = self.newline & self.own & (within if inside else ~within)
        if self.start + 2 < self._text.head:
            found &= bits(np.arange(len(self.bytes)) >= self._text.head - self.start)
        if self._text.single:
            return found
        before = shift_up(self.newline, carry=False)
        return found & ~before & ~(shift_up(self._return, carry=False) & shift_up(before, carry=False))


def _end_of_row(text: Text, start: int, stop: int, rows: int, *, inside: bool) -> tuple[int, int]:
    """The byte behind so many rows of a run, and how many lines end before it."""
    lines = 0
    file = RawFile(text.path)
    try:
        for at in range(start, stop, _BLOCK):
            block = _Block(file, text, at, min(at + _BLOCK, stop))
            ends = np.flatnonzero(np.unpackbits(block.ends(inside=inside).view(np.uint8), bitorder="little"))
            if rows <= len(ends):
                end = int(ends[rows - 1])
                return block.start + end + 1, lines + int(np.count_nonzero(block.bytes[2 : end + 1] == LF))
            rows -= len(ends)
            lines += block.lines
            inside ^= block.quotes % 2 == 1
    finally:
        file.close()
    return stop, lines


def _is_open(text: Text) -> bool:
    """Whether the last row has no end of its own."""
    file = RawFile(text.path)
    try:
        return text.size > text.head and file.read(text.size - 1, 1) != b"\n"
    finally:
        file.close()
