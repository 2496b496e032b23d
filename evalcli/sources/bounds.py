"""What ``--by`` and ``--scan`` name: columns, several crossed, and the bounds of ranges of numbers and of times.

``age:0:18:65`` cuts the column ``age`` into ``< 0``, ``[0, 18)``, ``[18, 65)`` and ``>= 65``, which are the same in all
shares of the rows; so does ``visit:2024-06-01`` a column of dates, and ``visit:month`` has it by months. Columns that
are called so come first: where there is an ``age:0``, it is no range of ``age``.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_DAY = re.compile(r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2})\s*")
UNITS = {"year": 4, "quarter": 7, "month": 7, "week": 8, "day": 10, "hour": 16}
"""What times are sliced by, and how long its names are."""
_BOUNDS = rf"(?::{_NUMBER.pattern})+|(?::{_DAY.pattern})+|:({'|'.join(UNITS)})"
_CUT = re.compile(rf"(?P<name>.+?)(?P<bounds>{_BOUNDS})", re.DOTALL)
_WHOLE = 1 << 53
_FIX = "write the bounds of ranges as in age:0:18:65 or visit:2024-06-01, and times as in visit:month"


class Part(NamedTuple):
    """One column, and the ``bounds`` of its ranges as they are written in their names; none: its values as they are.

    Of times they may be one of ``UNITS``.
    """

    column: str
    bounds: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What rows are sliced by: one column, or several crossed. ``name`` is what gates and reports call it."""

    name: str
    parts: tuple[Part, ...]

    @property
    def bounds(self) -> tuple[tuple[str, ...], ...]:
        """Those of each column; none at all where no column has any."""
        return tuple(part.bounds for part in self.parts) if any(part.bounds for part in self.parts) else ()


One = TypeVar("One", Asked, Part)


def asked(texts: Iterable[str], known: Collection[str]) -> tuple[Asked, ...]:
    """What each text names, each name once: that of a gate, ``age``, is said of its ranges where there are some.

    >>> [(one.name, one.bounds) for one in asked(["age:18:65,sex", "age,sex", "sex"], ["age", "sex"])]
    [('age,sex', (('18', '65'), ())), ('sex', ())]

    Raises:
        UsageError: bounds that are no rising numbers or days, or other ones of the same columns.

    """
    return tuple(_once(((one.name, one) for one in (_asked(text, known, "--by") for text in texts)), "--by"))


def parts_of(texts: Iterable[str], known: Collection[str], flag: str) -> tuple[Part, ...]:
    """The columns that texts name, each once.

    Raises:
        UsageError: as :func:`asked`.

    """
    every = (part for text in texts for part in _asked(text, known, flag).parts)
    return tuple(_once(((part.column, part) for part in every), flag))


def columns_of(by: str, known: Collection[str]) -> tuple[str, ...]:
    """The columns that a text names: one whose name it is, else those between its commas.

    >>> columns_of("a,b", ["a", "b"]), columns_of("a,b", ["a,b"]), columns_of("a:0:1,b", ["a", "b"])
    (('a', 'b'), ('a,b',), ('a', 'b'))
    """
    return tuple(name for name, _ in _written_in(by, known))


def split_bounds(text: str) -> tuple[str, str]:
    """A text that ends in bounds as what stands before them and the bounds; without any, these are empty.

    >>> split_bounds("age:0:18"), split_bounds("at:noon")
    (('age', '0:18'), ('at:noon', ''))
    """
    found = _CUT.fullmatch(text)
    return (text, "") if found is None else (found["name"], found["bounds"][1:])


def range_names(bounds: Sequence[str]) -> tuple[str, ...]:
    """The names of the ranges between bounds, and of what lies below and above; of units none, these are what occurs.

    >>> range_names(("0", "18")), range_names(("month",))
    (('< 0', '[0, 18)', '>= 18'), ())
    """
    if bounds[0] in UNITS:
        return ()
    return (f"< {bounds[0]}", *(f"[{low}, {high})" for low, high in pairwise(bounds)), f">= {bounds[-1]}")


def _once(found: Iterable[tuple[str, One]], flag: str) -> Iterable[One]:
    kept: dict[str, One] = {}
    for name, one in found:
        before = kept.get(name)
        if before is not None and before.bounds and one.bounds and before != one:
            what = f"{flag} cuts {name} twice, by {_said(before)} and by {_said(one)}"
            raise UsageError(what, fix="write all bounds at once, as in age:0:18:65")
        if before is None or not before.bounds:
            kept[name] = one
    return kept.values()


def _said(one: Asked | Part) -> str:
    parts = one.parts if isinstance(one, Asked) else (one,)
    return ",".join(":".join((part.column, *part.bounds)) for part in parts)


def _asked(text: str, known: Collection[str], flag: str) -> Asked:
    parts = tuple(Part(name, _bounds(text, written, flag)) for name, written in _written_in(text, known))
    cut = any(part.bounds for part in parts)
    return Asked(",".join(part.column for part in parts) if cut else text, parts)


def _written_in(text: str, known: Collection[str]) -> list[tuple[str, str | None]]:
    """The columns that a text names, and what stands there for bounds."""
    whole = _cut(text, known)
    if whole[0] in known and (whole[1] is None or "," not in whole[1]):
        return [whole]
    return [_cut(part.strip(), known) for part in text.split(",")]


def _cut(text: str, known: Collection[str]) -> tuple[str, str | None]:
    """A column, or the longest name of one that a colon follows, and what stands behind it; else what looks like it."""
    if text in known:
        return text, None
    ends = [end for end, sign in enumerate(text) if sign == ":" and text[:end] in known]
    if ends:
        return text[: ends[-1]], text[ends[-1] + 1 :]
    name, bounds = split_bounds(text)
    return name, bounds or None


def _bounds(text: str, written: str | None, flag: str) -> tuple[str, ...]:
    if written is None:
        return ()
    if written.strip() in UNITS:
        return (written.strip(),)
    if _DAY.match(written):
        return _days(text, written, flag)
    numbers = []
    for each in written.split(":"):
        number = float(each) if _NUMBER.fullmatch(each) else None
        if number is None or not isfinite(number):
            what = f"{flag} {text}: {each!r} is no number to cut at" if each else f"{flag} {text}: a bound is missing"
            raise UsageError(what, fix=f"{_FIX}; what lies outside is sliced, too")
        if abs(number) >= _WHOLE and "." not in each and "e" not in each.lower():
            what = f"{flag} {text}: {each.strip()} is beyond the whole numbers that float64 tells apart"
            raise UsageError(what, fix=f"cut below {_WHOLE:,}, after subtracting what all have in common")
        numbers.append(number)
    for low, high in pairwise(numbers):
        if low >= high:
            again = ":".join(_shown(number) for number in sorted({*numbers}))
            what = f"{flag} {text}: {_shown(high)} stands after {_shown(low)}, and bounds rise"
            raise UsageError(what, fix=f"write {text.replace(f':{written}', f':{again}', 1)}")
    return tuple(_shown(number) for number in numbers)


def _days(text: str, written: str, flag: str) -> tuple[str, ...]:
    """Bounds of times: the days from which on a range begins."""
    days = [each.strip() for each in written.split(":")]
    for each in days:
        try:
            date.fromisoformat(each)
        except ValueError:
            raise UsageError(f"{flag} {text}: {each!r} is no day to cut at", fix=_FIX) from None
    for low, high in pairwise(days):
        if low >= high:
            what = f"{flag} {text}: {high} stands after {low}, and bounds rise"
            raise UsageError(what, fix=f"write {text.replace(f':{written}', ':' + ':'.join(sorted({*days})), 1)}")
    return tuple(days)


def _shown(number: float) -> str:
    """A number in the fewest digits that say it.

    >>> _shown(18.0), _shown(0.1), _shown(1e300), _shown(-0.0)
    ('18', '0.1', '1e+300', '0')
    """
    return str(int(number)) if number.is_integer() and abs(number) < _WHOLE else repr(number)
