"""What a search for weak slices runs over: which columns, and which of their values have rows enough.

Every pair of columns becomes a table of counts, value by value: their cells are what bounds the memory of a search. Of
columns with too many values for that the most frequent ones are searched, and that is said.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.shell import quoted
from evalcli.sources.base import EVERY, Scanned, Slicer
from evalcli.sources.bounds import Part, parts_of
from evalcli.sources.distinct import FEWEST_VALUES, MOST_VALUES, ColumnSize
from evalcli.sources.labels import is_number
from evalcli.sources.slicing import MANY_NUMBERS, joined_slicers
from evalcli.sources.usual_names import ID_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evalcli.sources.base import Scan

MOST_COLUMNS = 100
MOST_CELLS = 1 << 20
"""Cells of the tables of all pairs: 16 MB for each worker, of exact sums some 100 MB, with weights 350 MB."""
MOST_DISTINCT = 100_000
"""A column of more texts than this is not counted."""


class Counted(NamedTuple):
    """A column: its ``values`` that have rows enough with how many, the most frequent first, and how many are rare."""

    name: str
    values: tuple[tuple[str, int], ...]
    rare: int
    order: Callable[[Collection[str]], tuple[str, ...]]
    ranges: tuple[str, ...] | None = None
    """All ranges, where values are ranges of numbers."""
    bounds: tuple[str, ...] = ()
    """Those that the user gave."""


def named_columns(asked: Scan, known: Collection[str]) -> tuple[Part, ...]:
    """The columns that ``--scan`` names, each once; ``*`` names none.

    Raises:
        UsageError: bounds that are no rising numbers, or two of one column.

    """
    return parts_of((name for name in asked.names if name != EVERY), known, "--scan")


def check_columns(count: int, path: str, noun: str) -> None:
    """Refuse to search nothing, and pairs beyond number.

    Raises:
        UsageError: there is no column.
        LimitError: there are too many.

    """
    if not count:
        raise UsageError(f"there is no {noun} to scan", fix=f"name {noun}s with --scan a,b", path=path)
    if count > MOST_COLUMNS:
        what = f"--scan of {count:,} {noun}s makes {count * (count - 1) // 2:,} pairs of them"
        raise LimitError(what, fix=f"name up to {MOST_COLUMNS} {noun}s with --scan a,b", path=path)


def is_id_name(name: str) -> bool:
    """Whether a column is called as ids are."""
    return name.lower() in ID_NAMES


def too_many(name: str, distinct: int, path: str) -> LimitError:
    """What to say of a column whose values nobody counts."""
    what = f"--scan {name}: about {distinct:,} values"
    return LimitError(what, fix=f"scan something with up to {MOST_DISTINCT:,} of them", path=path)


def fitted(
    asked: Scan,
    counted: Sequence[Counted],
    left_out: Sequence[tuple[str, str]],
    path: str,
    sizes: Sequence[ColumnSize] = (),
) -> Scanned:
    """What is searched, with no more values than the tables of all pairs can hold; ``sizes`` as :class:`Scanned`'s.

    Raises:
        LimitError: not even the most frequent values fit; of rows that are counted apart, not all values.

    """
    if asked.apart:
        return _apart(asked, counted, path, sizes)._replace(left_out=tuple(left_out))
    some = [one for one in counted if one.values]
    said = [*left_out, *((one.name, f"no value has {asked.least:,} rows") for one in counted if not one.values)]
    most = MOST_VALUES
    while _cells(some, most) > MOST_CELLS and most > FEWEST_VALUES:
        most = max(most // 2, FEWEST_VALUES)
    if (cells := _cells(some, most)) > MOST_CELLS:
        what = f"--scan of {len(some)} columns makes {cells:,} pairs of values, more than {MOST_CELLS:,}"
        raise LimitError(what, fix="name fewer columns with --scan a,b", path=path)
    columns = []
    for one in some:
        if len(one.values) > most:
            said.append((one.name, f"only its {most:,} most frequent values are searched"))
        columns.append(Slicer(one.name, one.order([value for value, _ in one.values[:most]])))
    return Scanned(asked, tuple(columns), sum(one.rare for one in counted), tuple(said))


def _apart(asked: Scan, counted: Sequence[Counted], path: str, sizes: Sequence[ColumnSize]) -> Scanned:
    """All values of all columns, each with its rows; but for ids that nobody asked for and there is no room for."""
    columns, rows = [], []
    for one in counted:
        found = dict(one.values)
        ranged, bounds = one.ranges is not None and not one.bounds, (one.bounds,) if one.bounds else ()
        columns.append(Slicer(one.name, one.ranges or one.order(found), ranged, bounds))
        rows.append(tuple(found.get(value, 0) for value in columns[-1].values))
    scanned = _with_room(Scanned(asked, tuple(columns), rows=tuple(rows), sizes=tuple(sizes)))
    check_apart(scanned.columns, path)
    return scanned


def _with_room(share: Scanned) -> Scanned:
    """Without columns of ids, that of most values first, until the tables of all pairs can hold the values.

    A small share of the rows has few ids, which are columns to search for all that it knows.
    """
    ids = {size.name for size in share.sizes if size.ids}
    while _pairs(share.columns) > MOST_CELLS:
        sized = [(len(column.values), column.name) for column in share.columns if column.name in ids]
        if not sized:
            break
        _, gone = max(sized)
        sizes = (size._replace(counted=size.counted and size.name != gone) for size in share.sizes)
        share = _without(share, {gone})._replace(sizes=tuple(sizes))
    return share


def check_apart(columns: Sequence[Slicer], path: str) -> None:
    """Refuse more values than the tables of all pairs can hold.

    Raises:
        LimitError: there are.

    """
    for column in columns:
        if len(column.values) > MOST_VALUES:
            what = f"--scan {column.name}: {len(column.values):,} values or more, of rows that are counted apart"
            raise LimitError(what, fix=f"scan something with up to {MOST_VALUES:,} values", path=path)
    if (cells := _pairs(columns)) > MOST_CELLS:
        what = f"--scan of {len(columns)} columns makes {cells:,} pairs of values, more than {MOST_CELLS:,}"
        raise LimitError(what, fix="name fewer columns with --scan a,b", path=path)


def _pairs(columns: Sequence[Slicer]) -> int:
    """The cells of the tables of all pairs, with one for rows without a value."""
    return sum((len(one.values) + 1) * (len(two.values) + 1) for one, two in combinations(columns, 2))


def joined_scans(mine: Scanned, theirs: Scanned, path: str) -> Scanned:
    """What two shares of the rows search, counted apart, as that of both: all values, each with its rows.

    ``path`` is that of the second share.

    Raises:
        InputError: each share has cut its numbers into ranges of its own.
        LimitError: too many values.

    """
    shares = [mine, theirs]
    sizes = tuple(map(_beside, mine.sizes, theirs.sizes, *map(_values, shares, (mine.sizes,) * 2)))
    if uncounted := {size.name for size in sizes if not size.counted}:
        shares = [_without(share, uncounted) for share in shares]
    columns = joined_slicers(shares[0].columns, shares[1].columns, path)
    rows = []
    for number, column in enumerate(columns):
        found = dict.fromkeys(column.values, 0)
        for share in shares:
            for value, count in zip(share.columns[number].values, share.rows[number], strict=True):
                found[value] += count
        rows.append(tuple(found.values()))
    both = _with_room(mine._replace(columns=tuple(columns), rows=tuple(rows), sizes=sizes))
    check_apart(both.columns, path)
    return both


def _values(share: Scanned, sizes: Sequence[ColumnSize]) -> list[Slicer]:
    """What is known of the values of each column of ``sizes``, if they are counted."""
    known = {column.name: column for column in share.columns}
    return [known.get(size.name, Slicer(size.name, ())) for size in sizes]


def _beside(mine: ColumnSize, theirs: ColumnSize, one: Slicer, other: Slicer) -> ColumnSize:
    """The size of a column in two shares that have these values: where they do not go together, nobody counts them."""
    size, values = mine.beside(theirs), {*one.values, *other.values}
    cut = size.cut or (len(values) > MANY_NUMBERS and all(map(is_number, values)))
    both = bool(one.values and other.values)
    return size._replace(cut=cut, counted=size.counted and len(values) <= MOST_VALUES and not (cut and both))


def _without(share: Scanned, names: Collection[str]) -> Scanned:
    """The same less some columns."""
    kept = [number for number, column in enumerate(share.columns) if column.name not in names]
    return share._replace(columns=tuple(share.columns[i] for i in kept), rows=tuple(share.rows[i] for i in kept))


def decided(scanned: Scanned) -> Scanned:
    """What is searched, now that all rows are known, as one run over all of them would have it.

    Raises:
        InputError: that run would cut numbers into ranges, and each share has cut its own.
        LimitError: it would search what had to be left out of a share as ids.

    """
    asked, counted = scanned.asked._replace(apart=False), []
    left_out = [*scanned.left_out, *((size.name, size.why_not) for size in scanned.sizes if size.why_not)]
    unsearched = {name for name, _ in left_out}
    uncounted = [size for size in scanned.sizes if not size.counted and size.name not in unsearched]
    if crowded := [size.name for size in uncounted if not size.cut]:
        what = f"--scan '*': {', '.join(map(repr, crowded))} told the rows of a part apart, and not all rows"
        raise LimitError(what, fix="write all parts with the columns to search by name, as in --scan a,b")
    if uncut := [size.name for size in uncounted]:
        holds = f"{', '.join(map(repr, uncut))} hold{'s' * (len(uncut) == 1)}"
        what = f"--scan '*': {holds} numbers of many values, and each part has ranges of its own, or none"
        bounds = ",".join(("*", *(f"{name}:18:65" for name in uncut)))
        raise InputError(what, fix=f"write all parts with --scan {quoted(bounds)}, with bounds that fit")
    for slicer, rows in zip(scanned.columns, scanned.rows, strict=True):
        if slicer.name in unsearched:
            continue
        found = {value: n for value, n in zip(slicer.values, rows, strict=True) if n}
        often = frequent(found, asked.least)
        counted.append(Counted(slicer.name, often, len(found) - len(often), partial(in_order, slicer.values)))
    return fitted(asked, counted, left_out, "")


def frequent(found: Mapping[str, int], least: int) -> tuple[tuple[str, int], ...]:
    """The values with ``least`` rows, the most frequent first."""
    often = [(value, n) for value, n in found.items() if n >= least]
    return tuple(sorted(often, key=lambda pair: (-pair[1], pair[0])))


def in_order(order: Sequence[str], values: Collection[str]) -> tuple[str, ...]:
    """The values as ``order`` has them."""
    wanted = set(values)
    return tuple(value for value in order if value in wanted)


def _cells(counted: Sequence[Counted], most: int) -> int:
    sizes = [min(len(one.values), most) + 1 for one in counted]
    return sum(first * second for first, second in combinations(sizes, 2))
