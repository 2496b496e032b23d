"""The lines of a text by number: hundreds of thousands at once, 32 bytes of every line at a time.

Ten million labels make a hundred distinct lines. A line is looked up by a hash of its bytes, and then compared with the
line that has that number, byte for byte: what is counted is never a guess.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import numpy as np

MOST_LINES = (1 << 16) - 1
"""With more different lines than two bytes can tell apart, and one number for none, there is nothing to gain."""
LONGEST = 1 << 10
"""Bytes of a line with its end; two labels of the greatest length fit."""
PIECE = 1 << 18
"""Bytes whose lines stay in the cache."""

Array = np.ndarray[Any, Any]

_LF = 10
_WORD = 8
_WIDTHS = (1, 2, 4)
"""Words by which lines are told apart, all of one number: to gather 32 bytes takes as long as to gather eight."""
_WIDE = max(_WIDTHS)
_MASKS = {
    width: np.frombuffer(
        b"".join(bytes([255] * size).ljust(_WORD * width, b"\0") for size in range(_WORD * width + 1)), "<u8"
    ).reshape(-1, width)
    for width in _WIDTHS
}
"""By words: what leaves of them the first bytes (8·width + 1, width), none, one and so on."""
_ALIKE = {width: int.from_bytes(b"\1" * width, "little") for width in _WIDTHS}
"""So many booleans, all of them true, as one number."""
_PAD = bytes(_WORD * _WIDE)
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, LONGEST // _WORD + 1)], "<u8")
"""One for each word of a line: their products add up to its hash, to which the 0 behind its end adds nothing."""
_SLOT_SHIFT = np.uint64(46)
_SLOTS = 1 << 18


class LineNumbers:
    """Different lines, numbered from 1 as they are found; ``lines[0]`` stands for none. Several threads may ask."""

    def __init__(self) -> None:
        self.lines: list[bytes] = [b""]
        self._lock = Lock()
        self._counts = np.zeros(1, np.int64)
        self._starts = {width: np.zeros((1, width), "<u8") for width in _WIDTHS}
        self._rests: list[Array] = []
        self._slots = np.zeros(_SLOTS, np.uint16)
        self._hashes = np.zeros(0, np.uint64)
        self._places = np.zeros(0, np.int64)

    @property
    def counts(self) -> list[int]:
        """How often each line occurs."""
        return [int(count) for count in self._counts[: len(self.lines)]]

    def of(self, text: bytes) -> Array | None:
        """The numbers (N,) uint16 of whole lines, of which each ends in a line feed.

        ``None`` where there are too many different lines, or one is too long.
        """
        found: list[Array] = []
        at = 0
        while at < len(text):
            stop = text.rfind(b"\n", at, at + PIECE) + 1
            piece = self._piece(text, at, stop) if stop else None
            if piece is None:
                return None
            found.append(piece)
            at = stop
        return np.concatenate(found)

    def _piece(self, text: bytes, start: int, stop: int) -> Array | None:
        if stop + len(_PAD) > len(text):
            text, start, stop = text[start:stop] + _PAD, 0, stop - start
        ends = np.flatnonzero(np.frombuffer(text, np.uint8, stop - start, start) == _LF)
        heads = np.empty_like(ends)
        heads[0] = 0
        np.add(ends[:-1], 1, out=heads[1:])
        sizes = ends - heads
        sizes += 1
        most = int(sizes.max())
        if most > LONGEST:
            return None
        parts = _parts(text, (start, stop), heads, sizes, most)
        hashes = _hashes(parts, -(-most // _WORD))
        with self._lock:
            self._deepen(len(parts) - 1)
        numbers = self._slots.take((hashes >> _SLOT_SHIFT).view(np.int64)).astype(np.int64)
        unknown = np.flatnonzero(~self._agree(numbers, parts))
        if unknown.size:
            lines = _Some(text, start + heads[unknown], sizes[unknown])
            with self._lock:
                known = self._learnt(hashes[unknown], lines)
            if known is None:
                return None
            numbers[unknown] = known
            if not self._agree(numbers, parts).all():
                return None  # two lines of one hash, which only who wants them finds
        counts = np.bincount(numbers)
        with self._lock:
            self._counts[: len(counts)] += counts
        return numbers.astype(np.uint16)

    def _agree(self, numbers: Array, parts: list[_Part]) -> Array:
        """Whether each row (N,) is the line with its number.

        The last word of a line holds its end, so no line passes for a shorter one.
        """
        first, *rests = parts  # the lines that are known hold one before anyone is given its number
        same: Array = first.is_of(self._starts[first.width], numbers)
        for known, part in zip(self._rests, rests, strict=False):
            if part.rows is None:
                same &= part.is_of(known, numbers)
            else:
                same[part.rows] &= part.is_of(known, numbers[part.rows])
        return same

    def _learnt(self, hashes: Array, lines: _Some) -> Array | None:
        """The numbers of rows by their hashes (M,), those of lines never seen before among them."""
        seen = self._find(hashes)
        fresh, first = np.unique(hashes[seen == 0], return_index=True)
        if len(fresh):
            rows = np.flatnonzero(seen == 0)[np.sort(first)]
            if len(self.lines) + len(rows) > MOST_LINES + 1:
                return None
            self._add(hashes[rows], [lines.at(row) for row in rows.tolist()])
            seen = self._find(hashes)
        return seen

    def _find(self, hashes: Array) -> Array:
        """The number for each hash, 0 for none."""
        if not len(self._hashes):
            return np.zeros(len(hashes), np.int64)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[at] == hashes, self._places[at], 0)

    def _add(self, hashes: Array, lines: list[bytes]) -> None:
        numbers = np.arange(len(self.lines), len(self.lines) + len(lines))
        self.lines += [line[:-1] for line in lines]
        room = len(self._counts)
        while room < len(self.lines):
            room *= 2
        more = [(0, room - len(self._counts)), (0, 0)]
        starts = {width: np.pad(known, more) for width, known in self._starts.items()}
        rests = [np.pad(known, more) for known in self._rests]
        self._counts = np.pad(self._counts, more[0])
        for number, line in zip(numbers.tolist(), lines, strict=True):
            start, *held = np.frombuffer(line + bytes(-len(line) % len(_PAD)), "<u8").reshape(-1, _WIDE)
            for width, known in starts.items():
                known[number] = start[:width]
            for known, rest in zip(rests, held, strict=False):
                known[number] = rest
        self._starts, self._rests = starts, rests
        free = self._slots[hashes >> _SLOT_SHIFT] == 0
        self._slots[hashes[free] >> _SLOT_SHIFT] = numbers[free]
        order = np.argsort(hashes)
        at = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, at, hashes[order])
        self._places = np.insert(self._places, at, numbers[order])

    def _deepen(self, depth: int) -> None:
        """Make room for lines of so many parts behind the first."""
        if len(self._rests) < depth:
            more = (np.zeros_like(self._starts[_WIDE]) for _ in range(depth - len(self._rests)))
            self._rests = [*self._rests, *more]


class _Part(NamedTuple):
    """Some bytes of some lines (M, width) in words, 0 behind their ends.

    ``rows`` are those that reach so far, ``None``: most do.
    """

    rows: Array | None
    held: Array

    @property
    def width(self) -> int:
        """Words of each line."""
        return int(self.held.shape[1])

    def is_of(self, known: Array, numbers: Array) -> Array:
        """Whether these are the same as those of the lines (M,) with these numbers."""
        alike = known.take(numbers, axis=0) == self.held
        same: Array = alike.view(f"<u{self.width}")[:, 0] == _ALIKE[self.width]
        return same


def _parts(text: bytes, span: tuple[int, int], heads: Array, sizes: Array, most: int) -> list[_Part]:
    """The lines between two places of a text, behind which there are some more bytes, of which ``most`` are one's."""
    width = next((width for width in _WIDTHS if most <= _WORD * width), _WIDE)
    found = [_Part(None, _bytes_at(text, span, heads, sizes, width))]
    for before in range(_WORD * width, most, _WORD * width):
        longer = sizes > before
        if 2 * np.count_nonzero(longer) > len(sizes):
            places = np.minimum(heads + before, span[1] - span[0] - 1)
            left = np.maximum(sizes - before, 0)
            found.append(_Part(None, _bytes_at(text, span, places, left, width)))
        else:
            rows = np.flatnonzero(longer)
            found.append(_Part(rows, _bytes_at(text, span, heads[rows] + before, sizes[rows] - before, width)))
    return found


def _bytes_at(text: bytes, span: tuple[int, int], heads: Array, sizes: Array, width: int) -> Array:
    """So many bytes from each place on, at most ``width`` words: (M, width), 0 behind them."""
    size = _WORD * width
    every = np.ndarray((span[1] - span[0],), f"V{size}", text, span[0], (1,))  # those that begin at each byte
    held: Array = every[heads].view("<u8").reshape(-1, width)
    held &= _MASKS[width].take(np.minimum(sizes, size), axis=0)
    return held


def _hashes(parts: list[_Part], depth: int) -> Array:
    """Those of lines (N,) of at most ``depth`` words."""
    (_, first), *words = [(part.rows, held) for part in parts for held in part.held.T][:depth]
    total: Array = first * _FACTORS[0]
    for (rows, held), factor in zip(words, _FACTORS[1:], strict=False):
        if rows is None:
            total += held * factor
        else:
            total[rows] += held * factor
    return total


class _Some:
    """Some lines of a text."""

    def __init__(self, text: bytes, heads: Array, sizes: Array) -> None:
        self._text, self._heads, self._sizes = text, heads, sizes

    def at(self, row: int) -> bytes:
        """One of them, with its end."""
        head = int(self._heads[row])
        return self._text[head : head + int(self._sizes[row])]
