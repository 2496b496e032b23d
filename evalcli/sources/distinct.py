"""How many values a column has: a sketch of bounded size, the same for any cut of the rows into parts.

Of the hashes of all values the ``KEPT`` least are kept. With fewer there are as many values; else the last of them
tells how dense hashes lie, and so their number to 3 % (Bar-Yossef et al. 2002, "Counting distinct elements in a data
stream").
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT = 1024
SPACE = 1 << 63
"""Hashes lie below."""
MOST_VALUES, FEWEST_VALUES = 1000, 16
"""The most frequent values of a column that are searched, at most; fewer where the tables would not fit."""
ID_SHARE = 0.5
"""A column with more values for each row than this holds ids."""


class ColumnSize(NamedTuple):
    """A column that ``--scan '*'`` may search: its ``rows`` with a value, the least ``hashes`` of its values, rising.

    ``fractions``: it begins with numbers that are not all whole, and so holds no ids. ``cut``: numbers of so many
    values that they are searched in ranges, which no two parts of the rows cut alike. Values that no search will be
    over are not ``counted``.
    """

    name: str
    rows: int
    hashes: tuple[int, ...] = ()
    fractions: bool = False
    cut: bool = False
    counted: bool = True

    @property
    def distinct(self) -> int:
        """How many values there are, or about.

        >>> ColumnSize("region", 9, (3, 5)).distinct, ColumnSize("user", 10**9, tuple(range(KEPT))).distinct
        (2, 1000000000)
        """
        if len(self.hashes) < KEPT:
            return len(self.hashes)
        return min((KEPT - 1) * SPACE // (self.hashes[-1] + 1), self.rows)

    @property
    def ids(self) -> bool:
        """Whether the values are ids of the rows that have one."""
        return self.distinct > 1 and not self.fractions and self.distinct > ID_SHARE * self.rows

    @property
    def countable(self) -> bool:
        """Whether these rows alone make a table of it: of texts not too many, of numbers in ranges what are no ids."""
        return not (self.ids if self.cut else self.distinct > MOST_VALUES)

    @property
    def why_not(self) -> str:
        """Why nobody searches it who was not asked for it by name; empty where it is searched."""
        values = f"{'' if len(self.hashes) < KEPT else 'about '}{self.distinct:,} values"
        if self.ids:
            return f"{values} in {self.rows:,} rows: ids"
        return f"{values}, more than {MOST_VALUES:,}" if self.distinct > MOST_VALUES and not self.cut else ""

    def beside(self, other: ColumnSize) -> ColumnSize:
        """The same of the rows of both."""
        return self._replace(
            rows=self.rows + other.rows,
            hashes=least_of((*self.hashes, *other.hashes)),
            fractions=self.fractions or other.fractions,
            cut=self.cut or other.cut,
            counted=self.counted and other.counted,
        )

    def check(self) -> None:
        """Raises: ``ValueError`` where no rows are like this."""
        rising = all(0 <= low < high for low, high in pairwise((*self.hashes, SPACE)))
        if not rising or len(self.hashes) > KEPT or self.rows < min(len(self.hashes), 1):
            raise ValueError("a column of no possible size")


def least_of(hashes: Iterable[int]) -> tuple[int, ...]:
    """Those that are kept.

    >>> least_of([7, 3, 7])
    (3, 7)
    """
    return tuple(sorted(set(hashes))[:KEPT])
