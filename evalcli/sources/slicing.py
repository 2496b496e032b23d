"""What rows are sliced by: columns by name, several crossed, numbers of many values in ranges.

A range holds about as many rows as the next: its edges are quartiles, ``[18, 31)``, and the last is closed. Values that
were crossed are joined by commas, as the names of their columns are; a comma in a value gets a backslash.
"""

from __future__ import annotations

from itertools import pairwise, product
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.metrics.arrays import distinct as distinct_of
from evalcli.sources.base import Slicer
from evalcli.sources.bounds import range_names
from evalcli.sources.labels import class_order, is_number
from evalcli.sources.spelling import spelled, spelled_values
from evalcli.sources.times import TIME_FIX, is_time, time_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Scanned
    from evalcli.sources.bounds import Asked

    Array = np.ndarray[Any, Any]

MANY_NUMBERS = 50
"""Numbers of more different values than this are sliced in ranges."""
QUARTILES = (0.25, 0.5, 0.75)
MOST_SLICES = 10_000
READ = 1 << 20
_SHORT = 2
"""Bytes of whole numbers each of which has a place in a table."""
_FIRST = 1 << 12
"""Of so many values all that lie between the least and the largest of many more may be among them."""
NEAR = 1 << 16
"""Whole numbers that lie within so many of each other are looked up in a table."""


class NoSlicesError(UsageError):
    """These files do not have what rows are sliced by; others that are read beside them may."""


def missing_column(
    name: str,
    known: Collection[str],
    path: str,
    noun: str,
    purpose: str = "to slice by",
    remedy: str = "save it with the others in one .npz, under its name",
) -> NoSlicesError:
    """What to say of a name that is not there; the ``remedy`` where nothing has a name."""
    from evalcli.metrics.address import written
    from evalcli.sources.naming import near_name

    names = ", ".join(repr(each) for each in list(known)[:10])
    fix = f"there are {names}" if names else remedy
    if not name:
        what = f"the name of {'an' if noun[0] in 'aeiou' else 'a'} {noun} {purpose} is missing"
        return NoSlicesError(what, fix=fix, path=path)
    near = near_name(name, known)
    longer = next((each for each in known if each.startswith(f"{name}=")), None)  # as a gate on that column reads
    hint = f"; did you mean {near!r}?" if near is not None else ""
    hint = f"; a gate on {longer!r} is written {written('NAME', 'slice', longer, 'VALUE')}" if longer else hint
    return NoSlicesError(f"no {noun} {name!r} {purpose}{hint}", fix=fix, path=path)


def check_size(name: str, size: int, path: str) -> None:
    """Refuse more slices than anyone can read.

    Raises:
        LimitError: there are.

    """
    if size > MOST_SLICES:
        what = f"--by {name} makes more than {MOST_SLICES:,} slices"
        fix = f"slice by something with fewer values, and by months where they are times: --by {name}:month"
        raise LimitError(what, fix=fix, path=path)


def ranges(least: float, edges: Sequence[float], most: float) -> tuple[str, ...]:
    """The names of the ranges between ``least``, rising ``edges`` and ``most``, in digits that tell them apart.

    >>> ranges(18, (31.5, 47), 90)
    ('[18, 31.5)', '[31.5, 47)', '[47, 90]')
    >>> ranges(0.5, (0.50000002,), 1), ranges(1700000001, (1700000020,), 1700000090)
    (('[0.5, 0.50000002)', '[0.50000002, 1]'), ('[1700000001, 1700000020)', '[1700000020, 1700000090]'))
    """
    numbers = [least, *edges, most]
    if all(abs(number) < 1 << 53 and number == int(number) for number in numbers):
        ends = [str(int(number)) for number in numbers]
    else:
        ends = max(
            ([f"{number:.{digits}g}" for number in numbers] for digits in range(6, 18)),
            key=lambda texts: len({*texts}),
        )
    named = [f"[{low}, {high})" for low, high in pairwise(ends)]
    return (*named[:-1], named[-1][:-1] + "]")


def joined_slicers(mine: Sequence[Slicer], theirs: Sequence[Slicer], path: str) -> tuple[Slicer, ...]:
    """The slicers of two shares of the rows as those of all rows: of each the values that occur in either.

    ``path`` is that of the second share.

    Raises:
        InputError: each share has cut its numbers into ranges of its own.
        LimitError: too many slices.

    """
    return tuple(_joined(one, other, path) for one, other in zip(mine, theirs, strict=True))


def told_of_ranges(slicers: Sequence[Slicer], scanned: Scanned | None = None) -> str:
    """What to say where rows that are a share are sliced by ranges that they alone have cut; empty where none are.

    >>> told_of_ranges([Slicer("region", ("EU",)), Slicer("age", ("[1, 5)", "[5, 9]"), ranged=True)])[:42]
    "slices by 'age' are ranges of numbers that"
    """
    searched = () if scanned is None else tuple(column for column in scanned.columns if column.ranged)
    cut = [*(slicer for slicer in slicers if slicer.ranged), *searched]
    if not cut:
        return ""
    *names, last = (repr(slicer.name) for slicer in cut)
    named = f"{', '.join(names)} and {last}" if names else last
    what = f"slices by {named} are ranges of numbers that these rows alone have cut"
    every = scanned is not None and scanned.asked.every and searched == tuple(cut)
    return f"{what}, and no part of other rows merges with them; {_give_bounds(cut, every=every)}"


def _give_bounds(slicers: Sequence[Slicer], *, every: bool = False) -> str:
    """What to do about ranges that do not merge, with bounds near those of a share; ``every`` column was searched.

    >>> _give_bounds([Slicer("age", ("[1, 5)", "[5, 9]"), ranged=True)])
    'give the bounds of all ranges, as in age:5'
    """
    found = [*(("*",) if every else ()), *dict.fromkeys(filter(None, map(_bounds_of, slicers)))]
    text = ",".join(found) if len(found) > every else "age:18:65"
    return f"give the bounds of all ranges, as in {repr(text) if every else text}"


def _bounds_of(slicer: Slicer) -> str:
    """A column with the bounds of its ranges; empty where values are none, or of several columns."""
    ends = [end for value in slicer.values if (end := value.strip("[]()").partition(", ")[0])][1:]
    return ":".join((slicer.name, *ends)) if slicer.ranged and ends and all(map(is_number, ends)) else ""


def _joined(mine: Slicer, theirs: Slicer, path: str) -> Slicer:
    if mine == theirs or not theirs.values:
        return mine
    if not mine.values:
        return theirs
    if mine.bounds != theirs.bounds:
        what = f"slices by {mine.name!r}: the shares of the rows have ranges of other bounds, or one has none"
        raise InputError(what, fix="give all of them the same bounds", path=path)
    if mine.ranged or theirs.ranged:
        what = f"slices by {mine.name!r}: these are ranges of numbers, and each share of the rows has cut its own"
        raise InputError(what, fix=_give_bounds([mine if mine.ranged else theirs]), path=path)
    values = {*mine.values, *theirs.values}
    if len(values) > MANY_NUMBERS and not mine.bounds and all(map(is_number, values)):
        what = f"slices by {mine.name!r}: more than {MANY_NUMBERS} numbers are cut into ranges, and each share has few"
        raise InputError(what, fix=_give_bounds([mine]), path=path)
    check_size(mine.name, len(values), path)
    by_text = all(one.values == class_order(one.values) for one in (mine, theirs)) and not mine.bounds
    ordered = class_order(values) if by_text else crossed_order(values, mine.bounds)
    return Slicer(mine.name, ordered, bounds=mine.bounds)


def crossed_order(values: Collection[str], bounds: Sequence[Sequence[str]] = ()) -> tuple[str, ...]:
    """Values of several columns by the first, then by the next, as arrays are crossed; ranges from low to high."""
    parts = {value: _parts(value) for value in values}
    places = []
    for i in range(max(map(len, parts.values()))):
        found = {part[i] for part in parts.values() if i < len(part)}
        cut = range_names(bounds[i]) if i < len(bounds) and bounds[i] else ()
        places.append({name: place for place, name in enumerate((*cut, *class_order(found - {*cut})))})
    return tuple(sorted(values, key=lambda value: [places[i][part] for i, part in enumerate(parts[value])]))


def _parts(value: str) -> list[str]:
    """What ``escaped`` values stand between the commas of a crossed one, as they were.

    >>> _parts(",".join(map(escaped, ("a,b", "c"))))
    ['a,b', 'c']
    """
    found, rest = [""], iter(value)
    for sign in rest:
        if sign == ",":
            found.append("")
        else:
            found[-1] += next(rest, "") if sign == "\\" else sign
    return found


def escaped(value: str) -> str:
    """A value that may be crossed with others: its commas get a backslash."""
    return value.replace("\\", "\\\\").replace(",", "\\,")


class Coding(NamedTuple):
    """How one array becomes slices: ``codes`` of what is read, −1 for none."""

    values: tuple[str, ...]
    codes: Callable[[Array], Array]
    ranged: bool = False


class ArraySlicer:
    """The slices of rows by arrays that lie beside them: ``slicer`` says which, ``codes`` of which rows.

    Raises:
        UsageError: an array that is not one value a row.
        InputError: one without numbers, where there are bounds.
        LimitError: too many slices.

    """

    def __init__(self, asked: Asked, arrays: Sequence[StoredArray], path: str) -> None:
        name, self.arrays = asked.name, tuple(arrays)
        pairs = zip(arrays, asked.parts, strict=True)
        self._codings = [array_coding(array, path, bounds=part.bounds) for array, part in pairs]
        sizes = [len(coding.values) for coding in self._codings]
        check_size(name, int(np.prod(sizes)), path)
        values = [coding.values for coding in self._codings]
        named = values[0]
        if len(values) > 1:
            named = tuple(",".join(map(escaped, parts)) for parts in product(*values))
        self.slicer = Slicer(name, named, any(coding.ranged for coding in self._codings), asked.bounds)

    def codes(self, start: int, stop: int) -> Array:
        """The slice of each of the rows ``start:stop``, (N,) int64."""
        total: Array | None = None
        for array, coding in zip(self.arrays, self._codings, strict=True):
            codes = coding.codes(array.read(start, stop).reshape(-1))
            missing = codes < 0
            total = codes if total is None else np.where(missing | (total < 0), -1, total * len(coding.values) + codes)
        assert total is not None
        return total


def array_coding(array: StoredArray, path: str, flag: str = "--by", bounds: Sequence[str] = ()) -> Coding:
    """How an array becomes slices: ranges between ``bounds``, where there are any.

    Raises:
        UsageError: it is not one value a row.
        InputError: it holds no numbers, and there are bounds.

    """
    if [size for size in array.shape[1:] if size != 1]:
        what = f"{flag} {array.name} has the shape {array.shape}, not one value a row"
        raise UsageError(what, fix="name an array (N,)", path=path)
    if bounds and array.cut != tuple(bounds):
        return (_time_coding if is_time(bounds) else _cut_coding)(array, path, flag, bounds)
    if array.labels is not None:
        return _text_coding(array.labels, ranged=array.ranged)
    distinct = _distinct(array)
    if len(distinct) > MANY_NUMBERS:
        edges = _quartiles(array)
        names = ranges(float(distinct[0]), edges, float(distinct[-1]))
        return Coding(names, lambda read: _in_ranges(read, np.array(edges)), ranged=True)
    texts = spelled_values(distinct)
    order = class_order(texts)
    place = np.array([order.index(text) for text in texts], np.int64)
    if _is_short(distinct.dtype):
        whole = np.full(1 << distinct.dtype.itemsize * 8, -1, np.int64)
        whole[_addresses(distinct)] = place
        return Coding(order, lambda read: whole[_addresses(read)])
    if len(distinct) and distinct.dtype.kind in "iu" and int(distinct[-1]) - int(distinct[0]) < NEAR:
        first = int(distinct[0])
        table = np.full(int(distinct[-1]) - first + 1, -1, np.int64)
        table[distinct.astype(np.int64) - first] = place
        return Coding(order, lambda read: _looked_up(read, table, first))
    return Coding(order, lambda read: _among(read, distinct, place))


def _text_coding(labels: tuple[str, ...], *, ranged: bool) -> Coding:
    texts = [spelled(text) for text in labels]
    if texts == [*labels]:
        return Coding(labels, lambda read: read.astype(np.int64, copy=False), ranged)
    order = class_order({*texts})
    codes = np.array([*(order.index(text) for text in texts), -1], np.int64)  # the last answers for -1
    return Coding(order, lambda read: codes[read])


def _cut_coding(array: StoredArray, path: str, flag: str, bounds: Sequence[str]) -> Coding:
    """The ranges between bounds; texts are read as numbers."""
    names, edges = range_names(bounds), np.array([float(bound) for bound in bounds])
    if array.labels is None and array.dtype != "bool":
        return Coding(names, lambda read: _in_ranges(read, edges))
    odd = "true" if array.labels is None else next((text for text in array.labels if not is_number(text)), None)
    if odd is not None:
        what = f"{flag} {':'.join((array.name, *bounds))}: {odd!r} in {array.name!r} is no number to cut"
        raise InputError(what, fix="leave out the bounds: each text is a slice", path=path)
    numbers = np.array([float(text) for text in array.labels or ()])
    codes = np.append(_in_ranges(numbers, edges), -1)
    return Coding(names, lambda read: codes[read])


def _time_coding(array: StoredArray, path: str, flag: str, bounds: Sequence[str]) -> Coding:
    """Times by the ranges between bounds, or by units."""
    names = {text: time_slice(spelled(text), bounds) for text in array.labels or ()}
    odd = next((repr(text) for text, name in names.items() if name is None), "a number" if array.labels is None else "")
    if odd:
        what = f"{flag} {':'.join((array.name, *bounds))}: {odd} in {array.name!r} is no date"
        raise InputError(what, fix=TIME_FIX, path=path)
    order = range_names(bounds) or class_order({*filter(None, names.values())})
    place = {name: i for i, name in enumerate(order)}
    codes = np.array([*(place[name or ""] for name in names.values()), -1], np.int64)
    return Coding(order, lambda read: codes[read])


def _distinct(array: StoredArray) -> Array:
    """The values that occur, but for NaN: all of them, or somewhat more than make ranges, and the two ends."""
    found: Array | None = None
    for start in range(0, array.shape[0], READ):
        part = _unique(array.read(start, min(start + READ, array.shape[0])).reshape(-1))
        found = part if found is None else distinct_of(np.concatenate([found, part]))
        if len(found) > 4 * MANY_NUMBERS:
            found = np.concatenate([found[:1], found[1 : 2 * MANY_NUMBERS], found[-1:]])
    return np.zeros(0) if found is None else found


def _unique(values: Array) -> Array:
    """The values that occur, but for NaN; whole numbers near each other without sorting them."""
    if values.dtype.kind in "iu" and len(values) > _FIRST:
        some, low, high = _unique(values[:_FIRST]), values.min(), values.max()
        if len(some) == int(high) - int(low) + 1 and some[0] == low:  # there are no others
            return some
    if _is_short(values.dtype):
        seen = np.zeros(1 << values.dtype.itemsize * 8, bool)
        seen[_addresses(values)] = True
        return np.sort(np.flatnonzero(seen).astype(_unsigned(values.dtype)).view(values.dtype.newbyteorder("=")))
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < NEAR:
            return (np.flatnonzero(np.bincount(values.astype(np.int64, copy=False) - low)) + low).astype(values.dtype)
    distinct = distinct_of(values)
    return distinct[~np.isnan(distinct)] if distinct.dtype.kind == "f" else distinct


def _is_short(dtype: np.dtype[Any]) -> bool:
    """Whether a table has room for every value there can be."""
    return dtype.kind in "iu" and dtype.itemsize <= _SHORT


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"u{dtype.itemsize}")


def _addresses(values: Array) -> Array:
    """Where short whole numbers stand in such a table."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return native.view(_unsigned(values.dtype))


def _quartiles(array: StoredArray) -> tuple[float, ...]:
    """The quartiles, each once: values that occur."""
    whole = [array.read(start, min(start + READ, array.shape[0])).copy() for start in range(0, array.shape[0], READ)]
    values = np.concatenate(whole).reshape(-1)
    values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    places = [max(ceil(share * len(values)) - 1, 0) for share in QUARTILES]  # as the table engine takes them
    low = float(values.min())
    found = np.partition(values, places)[places]
    return tuple(sorted({float(edge) for edge in found if float(edge) > low}))


def _in_ranges(read: Array, edges: Array) -> Array:
    codes: Array = np.searchsorted(edges, read, side="right")
    return np.where(np.isnan(read), -1, codes) if read.dtype.kind == "f" else codes


def _looked_up(read: Array, table: Array, first: int) -> Array:
    """The place of each whole number; −1 for one that was not there when the slices were named."""
    places = read.astype(np.int64, copy=False) - first
    inside = (places >= 0) & (places < len(table))
    return table[places] if inside.all() else np.where(inside, table[np.where(inside, places, 0)], -1)


def _among(read: Array, distinct: Array, place: Array) -> Array:
    """The place of each value; −1 for what was not there when the slices were named, as NaN."""
    found = np.searchsorted(distinct, read)
    inside = np.minimum(found, max(len(distinct) - 1, 0))
    known = distinct[inside] == read if len(distinct) else np.zeros(read.shape, bool)
    codes: Array = np.where(known, place[inside] if len(place) else -1, -1)
    return codes
