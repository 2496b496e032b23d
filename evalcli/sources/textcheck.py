"""An independent reading of a text table, beside the engine's: records, delimiters and quotes counted bit by bit.

Each block becomes bit masks (64 bytes a word). The prefix XOR of the quote mask says which bytes lie inside quotes, so
that newlines and delimiters outside of them are counted exactly, at more than a gigabyte a second, and every quote that
RFC 4180 does not allow has a line number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_ONE = np.uint64(1)
_TOP = np.uint64(63)
LF, CR, QUOTE = 10, 13, 34


@dataclass(slots=True)
class TextCounts:
    """What a text file holds, outside of quotes: ``lines`` that are not blank, ``blanks``, ``delimiters``."""

    lines: int = 0
    blanks: int = 0
    delimiters: int = 0
    carriage_returns: int = 0
    lone_returns: int = 0
    newlines: int = 0
    breaks: int = 0
    """Line ends inside of quotes as well."""
    doubtful: bool = False

    @property
    def is_mixed(self) -> bool:
        """Whether some lines end in CRLF and some in LF, or a CR stands alone among LF."""
        return bool(self.newlines and self.carriage_returns and self.carriage_returns != self.newlines)


class TextCheck:
    """Feed it the blocks of one file, in order. ``delimiter`` None reads JSON lines, whose quotes are not followed.

    Raises (from ``feed`` and ``end``):
        InputError: a NUL, invalid UTF-8, a stray or unclosed quote, a trailing Ctrl-Z; with the line number.
    """

    def __init__(self, path: str, delimiter: str | None, *, by_return: bool = False) -> None:
        self.path = path
        self.counts = TextCounts()
        self._delimiter = ord(delimiter) if delimiter else ord(",")
        self._is_csv = delimiter is not None
        self._newline = CR if by_return else LF
        self._line = 1
        self._skipped = 0
        self._inside = False
        self._quote_line = 1
        self._after_separator = True
        self._after_close = False
        self._breaks = [True, True]
        self._tail = b""
        self._last = b""

    def feed(self, block: bytes) -> None:
        """Take the next block."""
        self._check_bytes(block)
        n = len(block)
        padded = np.frombuffer(block + b"\0" * (-n % 64), np.uint8)
        newline = bits(padded == self._newline)
        delimiter = bits(padded == self._delimiter)
        returns = bits(padded == CR) if b"\r" in block and self._newline == LF else np.zeros_like(newline)
        quotes = self._is_csv and b'"' in block
        if quotes:
            inside = self._follow_quotes(block, padded, newline | delimiter | returns)
        elif self._inside:
            inside = np.full_like(newline, ~np.uint64(0))
        else:
            inside = np.zeros_like(newline)
            if self._after_close:
                self._check_close(newline | delimiter | returns, self._quote_line)
        if not self._is_csv:
            self._doubt(padded, delimiter)
        self._count(newline & ~inside, delimiter & ~inside, returns & ~inside, n)
        self._line += int(np.bitwise_count(newline).sum())
        last = block[-1]
        self._after_separator = last in (self._newline, CR, QUOTE, self._delimiter)
        self._after_close = quotes and last == QUOTE and not self._inside
        self._last = block[-1:]

    def skip(self, lines: int) -> None:
        """What follows stands so many lines further down in the file."""
        self._line += lines
        self._skipped += lines

    def end(self) -> TextCounts:
        """The counts, after the last block."""
        if self._tail:
            raise self._invalid(self._tail[0], self._line)
        if self._inside:
            raise self._stray(self._quote_line, "a quote opens here and never closes")
        if self._last == b"\x1a":
            raise InputError(f"line {self._line}: ends in Ctrl-Z (0x1a)", fix="remove that byte", path=self.path)
        if not self._breaks[-1]:
            self.counts.lines += 1
        self.counts.lines -= self.counts.blanks
        self.counts.breaks = self._line - 1 - self._skipped
        return self.counts

    def _check_bytes(self, block: bytes) -> None:
        if (at := block.find(b"\0")) >= 0:
            line = self._line + block.count(b"\n", 0, at)
            raise InputError(f"line {line}: holds a NUL byte", fix="write it again as plain text", path=self.path)
        if not self._tail and block.isascii():
            return
        data = self._tail + block
        try:
            data.decode("utf-8")
            self._tail = b""
        except UnicodeDecodeError as e:
            if e.end == len(data) and e.reason == "unexpected end of data":
                self._tail = data[e.start :]
                return
            raise self._invalid(data[e.start], self._line + data.count(b"\n", 0, e.start)) from e

    def _invalid(self, byte: int, line: int) -> InputError:
        return InputError(f"line {line}: byte 0x{byte:02x} is not UTF-8", fix="try --encoding latin-1", path=self.path)

    def _stray(self, line: int, what: str) -> InputError:
        return InputError(
            f"line {line}: {what}", fix='quote the whole cell and double the quotes in it ("")', path=self.path
        )

    def _follow_quotes(self, block: bytes, padded: Array, separators: Array) -> Array:
        """Which bytes lie inside quotes; every quote is checked against its neighbours."""
        quote = bits(padded == QUOTE)
        inside = prefix_xor(quote)
        if self._inside:
            inside = ~inside
        edges = separators | quote
        before = shift_up(edges, carry=self._after_separator)
        after = _shift_down(edges)
        if (n := len(block)) % 64:
            after[-1] |= _ONE << np.uint64(n % 64 - 1)  # the next block, or the end, judges the last byte
        else:
            after[-1] |= _ONE << _TOP
        if self._after_close:
            self._check_close(edges, self._quote_line)
        bad_open = _first(quote & inside & ~before)
        bad_close = _first(quote & ~inside & ~after)
        if bad_open is not None and (bad_close is None or bad_open < bad_close):
            raise self._stray(self._line_of(block, bad_open), 'a quote (") stands inside a cell')
        if bad_close is not None:
            opened = block.rfind(b'"', 0, bad_close)
            line = self._quote_line if opened < 0 else self._line_of(block, opened)
            raise self._stray(line, "a quote opens here and closes in the middle of a cell")
        last = block.rfind(b'"')
        self._inside = bool(inside[last // 64] >> np.uint64(last % 64) & _ONE)
        opened = last if self._inside else block.rfind(b'"', 0, last)
        if opened >= 0:
            self._quote_line = self._line_of(block, opened)
        return inside

    def _check_close(self, edges: Array, line: int) -> None:
        if not edges[0] & _ONE:
            raise self._stray(line, "a quote closes in the middle of a cell")

    def _line_of(self, block: bytes, at: int) -> int:
        newline = b"\r" if self._newline == CR else b"\n"
        return self._line + int(np.count_nonzero(np.frombuffer(block, np.uint8, at) == newline[0]))

    def _doubt(self, padded: Array, comma: Array) -> None:
        """A comma before a closing bracket: perhaps a trailing comma, which the engine would forgive."""
        close = bits((padded == ord("}")) | (padded == ord("]")))
        space = bits(padded == ord(" "))
        near = _shift_down(close) | (_shift_down(space) & _shift_down(_shift_down(close)))
        if (comma & near).any():
            self.counts.doubtful = True

    def _count(self, newline: Array, delimiter: Array, returns: Array, n: int) -> None:
        """Blank lines are newlines right after a newline, but for one CR between them."""
        counts = self.counts
        counts.delimiters += int(np.bitwise_count(delimiter).sum())
        found = int(np.bitwise_count(newline).sum())
        counts.lines += found
        counts.newlines += found
        one_before = shift_up(newline, carry=self._breaks[-1])
        blank = newline & one_before
        if returns.any():
            two_before = shift_up(one_before, carry=self._breaks[-2])
            blank |= newline & shift_up(returns, carry=self._last == b"\r") & two_before
            counts.carriage_returns += int(np.bitwise_count(returns).sum())
            lone = returns & ~_shift_down(newline)
            if n % 64 == 0:
                lone[-1] &= ~(_ONE << _TOP)
            else:
                lone[-1] &= ~(_ONE << np.uint64(n % 64 - 1))
            counts.lone_returns += int(np.bitwise_count(lone).sum())
        elif self._last == b"\r" and self._newline == LF:
            blank |= newline & (np.arange(len(newline)) == 0) & _ONE & np.uint64(self._breaks[-2])
        counts.blanks += int(np.bitwise_count(blank).sum())
        self._breaks = [self._bit(newline, n - 2) if n > 1 else self._breaks[-1], self._bit(newline, n - 1)]

    @staticmethod
    def _bit(words: Array, at: int) -> bool:
        return bool(words[at // 64] >> np.uint64(at % 64) & _ONE)


def bits(mask: Array) -> Array:
    """A mask of bytes, a multiple of 64, as words of 64 bits, the first byte lowest."""
    return np.packbits(mask, bitorder="little").view("<u8")


def shift_up(words: Array, *, carry: bool) -> Array:
    """Each byte's bit moved to the byte after it."""
    out = words << _ONE
    out[1:] |= words[:-1] >> _TOP
    out[0] |= np.uint64(carry)
    return out


def _shift_down(words: Array) -> Array:
    """Each byte's bit moved to the byte before it."""
    out = words >> _ONE
    out[:-1] |= words[1:] << _TOP
    return out


def prefix_xor(words: Array) -> Array:
    """Each bit the parity of all bits up to it."""
    out = words.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        out ^= out << np.uint64(shift)
    odd = np.bitwise_xor.accumulate(out >> _TOP)
    out[1:] ^= np.uint64(0) - odd[:-1]
    return out


def _first(words: Array) -> int | None:
    """The place of the first set bit."""
    hits = np.flatnonzero(words)
    if not len(hits):
        return None
    word = int(words[hits[0]])
    return int(hits[0]) * 64 + (word & -word).bit_length() - 1
