"""Keys that processes leave each other, so that every column of scores is counted by one of them.

A table of keys is dearest while it is new: its first keys lie in no bin that is there, and the fewer keys it has seen,
the smaller are its bins, and the more of them there are. Where each of several processes has a table of every column,
all of these begin anew, and are merged in the end. So each column has one process that counts it. The others write its
keys on pages that all of them see, a page at a time, and go on.

Nothing depends on it: keys that one process counts itself are merged with the rest.
"""

from __future__ import annotations

import mmap
import os
import select
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.engine import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.keycolumn import KeyColumn

MOST_COLUMNS = 128
"""Of more columns a batch has so few keys for each that what is told of them costs as much as to count them."""
EACH_COLUMN = 2
"""With more processes for each column, those that count one would keep the others waiting."""
MOST_MEMBERS = 16
"""Between more of them there are more pipes and pages than a process may have, and fewer columns than processes; what
so many tell one of them of all their pages fits into any pipe, so that nobody waits for it to be read."""
_WORDS = 1 << 16
"""Words of 8 bytes on a page."""
_RUNS = 340
"""A page holds at most so many runs of keys."""
_PAGES = 32
"""Each process has so many pages to fill, and one more for each of the others: half a MB each, some four batches."""
_NO_MORE = -1
"""What a process tells instead of a page when it leaves nothing more."""
_MESSAGE = np.dtype("<i4")
_READ = 1 << 12


class Exchange:
    """The pages, and the pipes that say where they lie: made by the first process before it forks the others."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.each = _PAGES + members
        count = members * self.each
        memory = np.frombuffer(mmap.mmap(-1, count * 8 * (_WORDS + 3 * _RUNS + 1)), np.uint64)
        self.words, runs, self.lengths = np.split(memory, [count * _WORDS, count * (_WORDS + 3 * _RUNS)])
        self.words, self.runs = self.words.reshape(count, -1), runs.reshape(count, _RUNS, 3)
        self.left: list[tuple[int, int]] = []
        """For each: the pages that others have left for it."""
        self.returned: list[tuple[int, int]] = []
        """And those of its own that others have read."""
        try:
            for _ in range(members):
                self.left.append(os.pipe())
                self.returned.append(os.pipe())
        except OSError:
            self.close()
            raise

    @classmethod
    def of(cls, part: Any, members: int) -> Exchange | None:
        """One for what is counted in ``part``, if that has columns to share, and there is room for pages and pipes."""
        columns = [*part.exchanged()] if hasattr(part, "exchanged") else []
        suits = len(columns) <= MOST_COLUMNS and members <= min(EACH_COLUMN * len(columns), MOST_MEMBERS)
        if not suits or any(column.weighted for column in columns):
            return None
        try:
            return cls(members)
        except OSError:
            return None

    def close(self) -> None:
        """Give the pipes back; the pages are gone when nothing looks at them."""
        for pipe in (*self.left, *self.returned):
            for end in pipe:
                os.close(end)


class Member:
    """One of the processes: from now on the keys of others' ``columns`` go to them.

    ``stopping`` can be read from when all may stop, and ``look`` is called while this one waits.
    """

    def __init__(
        self,
        exchange: Exchange,
        number: int,
        columns: Sequence[KeyColumn],
        stopping: int,
        look: Callable[[], object],
    ) -> None:
        self._exchange, self._columns, self._stopping, self._look = exchange, columns, stopping, look
        self._left, self._returned = exchange.left[number][0], exchange.returned[number][0]
        self._others = [other for other in range(exchange.members) if other != number]
        self._free = [*range(number * exchange.each, (number + 1) * exchange.each)]
        self._open: dict[int, _Page] = {}
        self._awaited = len(self._others)
        for place, column in enumerate(columns):
            if (owner := place % exchange.members) != number:
                column.hand_to(partial(self._leave, owner, place))

    def take(self, seconds: float = 0) -> bool:
        """Count what others have left here; ``False`` where all may stop."""
        ready = select.select([self._left, self._returned, self._stopping], [], [], seconds)[0]
        if self._returned in ready:
            self._free += _told(self._returned)
        if self._left in ready:
            for page in _told(self._left):
                if page == _NO_MORE:
                    self._awaited -= 1
                else:
                    self._count(page)
        return self._stopping not in ready

    def finish(self) -> None:
        """Leave what is on pages that are not full, and count what comes until nobody leaves anything more."""
        for owner in [*self._open]:
            self._hand_over(owner)
        for other in self._others:
            self._tell(other, _NO_MORE)
        while self._awaited and self._wait():
            pass
        for column in self._columns:
            column.hand_to(None)

    def _leave(self, owner: int, place: int, side: int, keys: HostArray) -> None:
        """Write keys of a side of the column at ``place`` for its ``owner``."""
        while len(keys):
            if owner not in self._open:
                while not self._free:
                    if not self._wait():
                        return  # nobody will ask
                number = self._free.pop()
                self._open[owner] = _Page(number, self._exchange)
            page = self._open[owner]
            keys = keys[page.write(place, side, keys) :]
            if page.is_full:
                self._hand_over(owner)

    def _wait(self) -> bool:
        self._look()
        return self.take(POLL_SECONDS)

    def _hand_over(self, owner: int) -> None:
        page = self._open.pop(owner)
        page.close()
        self._tell(owner, page.number)

    def _tell(self, other: int, page: int) -> None:
        os.write(self._exchange.left[other][1], page.to_bytes(_MESSAGE.itemsize, "little", signed=True))

    def _count(self, number: int) -> None:
        """Count the keys of a page, and give it back."""
        at, words = 0, self._exchange.words[number]
        for place, side, size in self._exchange.runs[number, : int(self._exchange.lengths[number])].tolist():
            column = self._columns[place]
            end = at + _words(size, column.bits)
            column.add(side, words[at:end].view(f"u{column.bits // 8}")[:size].copy())
            at = end
        os.write(
            self._exchange.returned[number // self._exchange.each][1], number.to_bytes(_MESSAGE.itemsize, "little")
        )


class _Page:
    """A page that is being written on."""

    def __init__(self, number: int, exchange: Exchange) -> None:
        self.number = number
        self._words, self._runs, self._lengths = exchange.words[number], exchange.runs[number], exchange.lengths
        self._used = self._many = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be written on it."""
        return self._used == _WORDS or self._many == _RUNS

    def write(self, place: int, side: int, keys: HostArray) -> int:
        """Write as many of ``keys`` as there is room for; gives their number."""
        size = min(len(keys), (_WORDS - self._used) * 8 // keys.itemsize)
        end = self._used + _words(size, keys.itemsize * 8)
        self._words[self._used : end].view(keys.dtype)[:size] = keys[:size]
        self._runs[self._many] = place, side, size
        self._used, self._many = end, self._many + 1
        return size

    def close(self) -> None:
        """Say how many runs there are."""
        self._lengths[self.number] = self._many


def _words(keys: int, bits: int) -> int:
    return -(-keys * bits // 64)


def _told(end: int) -> list[int]:
    """What lies in a pipe: numbers, each written at once."""
    numbers: list[int] = np.frombuffer(os.read(end, _READ), _MESSAGE).tolist()
    return numbers
