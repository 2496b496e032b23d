"""The lines of a text by number: hundreds of thousands at once, eight bytes of every line at a time.

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

_LF = 10
_WORD = 8
_PAD = bytes(_WORD)
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], "<u8")
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, LONGEST // _WORD + 1)], "<u8")
"""One for each word of a line: their products add up to its hash, to which the 0 behind its end adds nothing."""
_SLOT_SHIFT = np.uint64(46)
_SLOTS = 1 << 18

Array = np.ndarray[Any, Any]


class LineNumbers:
    """Different lines, numbered from 1 as they are found; ``lines[0]`` stands for none. Several threads may ask."""

    def __init__(self) -> None:
        self.lines: list[bytes] = [b""]
        self._lock = Lock()
        self._counts = np.zeros(1, np.int64)
        self._words = np.zeros((1, 1), "<u8")
        self._slots = np.zeros(_SLOTS, np.int64)
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
        padded, at = text + _PAD, 0
        while at < len(text):
            stop = text.rfind(b"\n", at, at + PIECE) + 1
            piece = self._piece(padded, at, stop) if stop else None
            if piece is None:
                return None
            found.append(piece)
            at = stop
        return np.concatenate(found)

    def _piece(self, padded: bytes, start: int, stop: int) -> Array | None:
        ends = np.flatnonzero(np.frombuffer(padded, np.uint8, stop - start, start) == _LF)
        heads = np.empty_like(ends)
        heads[0] = 0
        np.add(ends[:-1], 1, out=heads[1:])
        sizes = ends - heads
        sizes += 1
        most = int(sizes.max())
        if most > LONGEST:
            return None
        every = np.ndarray((stop - start,), "<u8", padded, start, (1,))  # the word that begins at each byte
        words = [_Word(None, every[heads] & _MASKS[np.minimum(sizes, _WORD)])]
        hashes = words[0].held * _FACTORS[0]
        for before, factor in zip(range(_WORD, most, _WORD), _FACTORS[1:], strict=False):
            words.append(_word(every, heads, sizes, before))
            rows, held = words[-1]
            if rows is None:
                hashes += held * factor
            else:
                hashes[rows] += held * factor
        with self._lock:
            self._deepen(len(words))
        numbers: Array = self._slots[(hashes >> _SLOT_SHIFT).view(np.int64)]
        unknown = np.flatnonzero(~self._agree(numbers, words))
        if unknown.size:
            lines = _Some(padded, start + heads[unknown], sizes[unknown])
            with self._lock:
                known = self._learnt(hashes[unknown], lines)
            if known is None:
                return None
            numbers[unknown] = known
            if not self._agree(numbers, words).all():
                return None  # two lines of one hash, which only who wants them finds
        counts = np.bincount(numbers)
        with self._lock:
            self._counts[: len(counts)] += counts
        return numbers.astype(np.uint16)

    def _agree(self, numbers: Array, words: list[_Word]) -> Array:
        """Whether each row (N,) is the line with its number.

        The last word of a line holds its end, so no line passes for a shorter one.
        """
        lines = self._words  # which hold a line before anyone is given its number
        same: Array = lines[0][numbers] == words[0].held
        for known, word in zip(lines[1:], words[1:], strict=False):
            if word.rows is None:
                same &= known[numbers] == word.held
            else:
                same[word.rows] &= known[numbers[word.rows]] == word.held
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
        words = np.pad(self._words, [(0, 0), (0, room - len(self._counts))])
        self._counts = np.pad(self._counts, (0, room - len(self._counts)))
        for number, line in zip(numbers.tolist(), lines, strict=True):
            held = np.frombuffer(line + bytes(-len(line) % _WORD), "<u8")
            words[: len(held), number] = held
        self._words = words
        free = self._slots[hashes >> _SLOT_SHIFT] == 0
        self._slots[hashes[free] >> _SLOT_SHIFT] = numbers[free]
        order = np.argsort(hashes)
        at = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, at, hashes[order])
        self._places = np.insert(self._places, at, numbers[order])

    def _deepen(self, depth: int) -> None:
        """Make room for lines of so many words."""
        if len(self._words) < depth:
            self._words = np.pad(self._words, [(0, depth - len(self._words)), (0, 0)])


class _Word(NamedTuple):
    """Eight bytes of some lines, 0 behind their ends; ``rows`` are those that reach so far, ``None``: most do."""

    rows: Array | None
    held: Array


def _word(every: Array, heads: Array, sizes: Array, before: int) -> _Word:
    """The bytes of lines behind ``before`` others."""
    longer = sizes > before
    if 2 * np.count_nonzero(longer) > len(sizes):
        left = np.clip(sizes - before, 0, _WORD)
        return _Word(None, every[np.minimum(heads + before, len(every) - 1)] & _MASKS[left])
    rows = np.flatnonzero(longer)
    left = np.minimum(sizes[rows] - before, _WORD)
    return _Word(rows, every[heads[rows] + before] & _MASKS[left])


class _Some:
    """Some lines of a text."""

    def __init__(self, text: bytes, heads: Array, sizes: Array) -> None:
        self._text, self._heads, self._sizes = text, heads, sizes

    def at(self, row: int) -> bytes:
        """One of them, with its end."""
        head = int(self._heads[row])
        return self._text[head : head + int(self._sizes[row])]
