"""One input shared out among several processes, so that each row is read by exactly one of them.

===========================  =======================================================
input                        what each process reads
===========================  =======================================================
tensor files                 a range of rows
files of one Parquet table   a run of row groups, as equal in bytes as they can be; of many files whole ones
files of one text table      a run of lines, likewise: plain UTF-8, or JSON lines
such a table in a pair       the same rows of both, about as many each; the other side is one, too, or a tensor
files of any other table     some of the files, likewise; where all are read alike, it can look at the others; else,
                             of ``--scan '*'`` and of what does not go together, the first process reads all
anything else, or one table  the first process reads all, and the others have nothing
===========================  =======================================================
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError, UsageError, remedy
from evalcli.sources import TENSOR_FORMATS, input_format, open_source, open_table_source, table_options
from evalcli.sources.table_portions import Cut
from evalcli.sources.talk import said_by_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources import Heard
    from evalcli.sources.base import Selection, Source
    from evalcli.sources.paircut import Pairs
    from evalcli.sources.table_portions import Portion
    from evalcli.sources.talk import Talk


class Share(NamedTuple):
    """What one process has to read, ``None`` for nothing; ``whole`` describes all there is, alike for every process.

    ``alone`` says why the first process reads everything, if it does; ``ranged``, that the fields of the source are
    those of the whole, of which it reads a range of rows; ``ordered``, that its rows follow those of lower ranks;
    ``searched``, that every process has looked at all rows for what is searched; ``dealt``, that each has whole files
    of one table, so that what they are together is still to be seen.
    """

    source: Source | None
    whole: tuple[tuple[str, int], ...]
    alone: str = ""
    ranged: bool = False
    ordered: bool = False
    seen: Seen | None = None
    searched: bool = False
    dealt: bool = False


class Seen(NamedTuple):
    """The files of each input as this process has found them: path, size, time of modification, inode, time of change.

    ``alike`` says that all processes have found the same, down to the inode and the time of its last change, which
    nobody can set: no copies of one name on several machines.
    """

    sides: tuple[tuple[tuple[str, int, int, int, int], ...], ...]
    alike: bool

    @property
    def files(self) -> tuple[tuple[str, int, int, int, int], ...]:
        """Those of all inputs."""
        return tuple(file for side in self.sides for file in side)

    def check_unchanged(self) -> None:
        """Refuse files that are not what they were when they were shared out.

        Raises:
            InputError: one has changed.

        """
        for path, *before in self.files:
            now = os.stat(path)  # noqa: PTH116  text all the way
            if [now.st_size, now.st_mtime_ns, now.st_ino] != before[:3]:
                raise InputError("input changed while reading", fix="run again when it is complete", path=path)


def open_share(
    preds: str,
    target: str | None,
    selection: Selection,
    place: tuple[int, int],
    progress: Heard | None = None,
    talk: Talk | None = None,
) -> Share:
    """Open what the process ``place = (rank, size)`` has to read.

    ``talk`` gives what all processes have made of the same question; without it nobody else is there to ask.

    Raises:
        EvalError: as ``open_source``; standard input belongs to no process, and all have to see the same files.

    """
    rank = place[0]
    if "-" in {preds, target}:
        raise UsageError("standard input cannot be shared out", fix="name files that every process can read")
    paths = [path for path in (preds, target) if path is not None]
    seen = _see(paths, selection, rank, talk)
    if all(input_format(path) in TENSOR_FORMATS for path in paths):
        return _rows(preds, target, selection, place, seen)
    if target is None:
        return _one_table(preds, selection, place, progress, talk, seen)
    whole = tuple((path, held) for path, held, *_ in seen.files)
    pairs = None if selection.id is not None else _pairs(seen, selection, place, talk)
    names = [[path for path, *_ in files] for files in seen.sides]
    in_table = [input_format(path) not in TENSOR_FORMATS for path in paths]
    searched = _search(selection, all_rows=True)
    if pairs is not None:
        selection.together = partial(said_by_all, talk)
        only = [_hashed_together(hands, rank) if seen.alike else hands[rank] for hands in pairs.hands]
        if all(in_table):
            paired = open_table_source(preds, target, selection, progress, only=only, whole=names)
            return Share(paired, whole, ordered=True, seen=seen, searched=searched)
        from evalcli.sources.mixed import open_mixed

        span = (pairs.rows * rank // place[1], pairs.rows * (rank + 1) // place[1])
        cut = Cut(only[0], names[in_table.index(True)], span, pairs.rows)
        mixed = open_mixed(preds, target, selection, preds_in_table=in_table[0], cut=cut)
        if seen.alike:
            mixed.hash_together(place)
        return Share(mixed, whole, ranged=True, seen=seen, searched=searched)
    source = open_source(preds, target, selection, progress) if rank == 0 else None
    how = "paired row by row" if selection.id is None else f"joined by {selection.id!r}"
    return Share(source, ((preds, 0), (target, 0)), f"{preds} and {target} are {how}", seen=seen)


def _one_table(
    preds: str,
    selection: Selection,
    place: tuple[int, int],
    progress: Heard | None,
    talk: Talk | None,
    seen: Seen,
) -> Share:
    """What a process has to read of the files of one table."""
    rank, whole = place[0], tuple((path, held) for path, held, *_ in seen.files)
    from evalcli.sources.textcut import read_at_once

    hands, ordered = _hands(whole, selection, place, talk, cut_text=seen.alike or talk is None)
    mine = _hashed_together(hands, rank) if seen.alike else hands[rank]
    others = [hand for hand in hands if hand]
    alone = f"{preds} is one file" if len(others) == 1 else ""
    paths = [path for path, _ in whole]
    files = paths if ordered or read_at_once(paths, table_options(selection)) else []
    if not (files or alone) and selection.scan is not None and selection.scan.every:
        return open_by_one(Share(None, whole, seen=seen), rank, preds, selection, progress)
    if ordered:
        selection.together = partial(said_by_all, talk)
    searched = _search(selection, all_rows=bool(files or alone))
    source = open_table_source(preds, None, selection, progress, only=[mine], whole=[files]) if mine else None
    dealt = not ordered and not alone
    return Share(source, whole, alone, ordered=ordered, seen=seen, searched=searched, dealt=dealt)


def open_by_one(share: Share, rank: int, preds: str, selection: Selection, progress: Heard | None = None) -> Share:
    """What could be dealt, as one process reads it: where all rows have to be seen, or what was read is at odds.

    Raises:
        EvalError: as ``open_source``.

    """
    source = None if rank else open_source(preds, None, selection, progress)
    return share._replace(source=source, alone=f"{preds} are files to be read together", searched=True, dealt=False)


def _search(selection: Selection, *, all_rows: bool) -> bool:
    """Whether each process looks at all rows, if it can: for which columns hold ids, and which values are frequent.

    Else it counts all values of its own.
    """
    if selection.scan is None:
        return False
    if all_rows and selection.scan.every:
        return True
    selection.scan = selection.scan._replace(apart=True)
    return False


def _pairs(seen: Seen, selection: Selection, place: tuple[int, int], talk: Talk | None) -> Pairs | None:
    """What each process reads of the tables of a pair, the same rows of both; ``None`` where that cannot be."""
    from evalcli.sources.paircut import cut_pairs

    sides = [
        [(path, held) for path, held, *_ in files]
        for files in seen.sides
        if input_format(files[0][0]) not in TENSOR_FORMATS
    ]
    names = [path for files in sides for path, _ in files]
    if len({*names}) < len(names):
        return None
    found = cut_pairs(sides, table_options(selection), place, talk, cut_text=seen.alike or talk is None)
    beside_tensor = len(sides) < len(seen.sides)  # where every process needs a row to know what the column holds
    return None if found is None or (beside_tensor and found.rows < place[1]) else found


def _see(paths: Sequence[str], selection: Selection, rank: int, talk: Talk | None) -> Seen:
    """Look at the files, and let all others know, if there is anybody.

    Raises:
        InputError: others see other files, or look for other things in them.

    """
    sides: list[tuple[tuple[str, int, int, int, int], ...]] = []

    def look() -> bytes:
        from evalcli.sources.tables import resolve

        try:
            sides.extend(tuple(map(_found, resolve(name))) for name in paths)
        except InputError as e:
            if rank:  # a file that all lack is told as by one process
                fix = "start all ranks on files that all of them can read"
                raise InputError(f"{e.what} (rank {rank})", fix=fix, path=e.path) from e
            raise
        return json.dumps([repr(selection), sides]).encode()

    if talk is None:
        look()
        return Seen(tuple(sides), alike=False)
    looks = [json.loads(one) for one in talk(look)]
    asked = [(wanted, [[file[:2] for file in files] for files in found]) for wanted, found in looks]
    for number, one in enumerate(asked):
        if one != asked[0]:
            raise unlike(number)
    return Seen(tuple(sides), all(one == looks[0] for one in looks))


def _found(path: str) -> tuple[str, int, int, int, int]:
    """A file as this process finds it."""
    try:
        found = os.stat(path)  # noqa: PTH116  text all the way
    except OSError as e:
        raise InputError(f"cannot be opened: {e.strerror}", fix=remedy(e), path=path) from e
    return path, found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def unlike(rank: int) -> InputError:
    """The error for a process that does not do what the first one does."""
    what = f"rank {rank} was started with other options than rank 0, or sees other files"
    return InputError(what, fix="start all ranks alike, on files that all of them can read")


def _hands(
    files: Sequence[tuple[str, int]],
    selection: Selection,
    place: tuple[int, int],
    talk: Talk | None,
    *,
    cut_text: bool,
) -> tuple[list[list[Portion]], bool]:
    """What each process reads of the files of one table, and whether that is a run of its rows."""
    from evalcli.sources.table_portions import MANY, Portion, cut, row_groups

    names, size = [path for path, _ in files], place[1]
    full = sum(held > 0 for _, held in files)
    hands = None
    if full < MANY * size or (selection.scan is not None and selection.scan.every):
        if all(input_format(path) == "parquet" for path in names):
            groups = row_groups(names)
            hands = None if groups is None else _all_take_part(cut(groups, size))
        elif cut_text:
            hands = _lines(files, selection, place, talk)
    return (hands, True) if hands else ([list(map(Portion, hand)) for hand in dealt(files, size)], False)


def _all_take_part(hands: list[list[Portion]]) -> list[list[Portion]] | None:
    """With no rows for those who have none, because all decide together; ``None`` where one has them all."""
    first = next(portion for hand in hands for portion in hand)
    nothing = first._replace(rows=(0, 0), total=0)
    return [hand or [nothing] for hand in hands] if sum(map(bool, hands)) > 1 else None


def _lines(
    files: Sequence[tuple[str, int]], selection: Selection, place: tuple[int, int], talk: Talk | None
) -> list[list[Portion]] | None:
    """Text tables cut between lines, as all processes have counted them; ``None`` where that cannot be."""
    from evalcli.sources.textcut import count_runs, counted_by_all, cut_lines, cuttable

    texts = cuttable(files, table_options(selection))
    if texts is None:
        return None
    _, counts = counted_by_all(texts, place, talk, count_runs)
    return cut_lines(texts, counts, place[1])


def _hashed_together(hands: Sequence[Sequence[Portion]], rank: int) -> list[Portion]:
    """The portions of a process, of which those who have the same file each hash a share."""
    holders: dict[str, list[int]] = {}
    for number, hand in enumerate(hands):
        for portion in hand:
            holders.setdefault(portion.path, []).append(number)
    return [
        portion._replace(hashing=(holders[portion.path].index(rank), len(holders[portion.path])))
        for portion in hands[rank]
    ]


def dealt(files: Sequence[tuple[str, int]], size: int) -> list[list[str]]:
    """Files with their bytes dealt to ``size`` hands: the largest first, each to the hand that holds least.

    >>> dealt([("a", 5), ("b", 3), ("c", 3)], 2)
    [['a'], ['b', 'c']]
    """
    hands: list[list[int]] = [[] for _ in range(size)]
    held = [0] * size
    for number in sorted(range(len(files)), key=lambda i: (-files[i][1], i)):
        least = held.index(min(held))
        hands[least].append(number)
        held[least] += files[number][1]
    return [[files[number][0] for number in sorted(hand)] for hand in hands]


def _rows(preds: str, target: str | None, selection: Selection, place: tuple[int, int], seen: Seen) -> Share:
    from evalcli.sources.pairing import open_arrays

    source = open_arrays(preds, target, selection)
    rank, size = place
    rows = source.preds.shape[0]
    start, stop = rows * rank // size, rows * (rank + 1) // size
    whole = tuple((path, rows) for path in (preds, target) if path is not None)
    if rows != source.target.shape[0] or rank == 0 == rows:
        return Share(source, whole, ranged=True, seen=seen, searched=True)  # whoever fits the two together will say so
    if start == stop:
        source.close()
        return Share(None, whole, seen=seen)
    source.narrow(start, stop)
    if seen.alike and rows >= size:
        source.hash_together(place)
    return Share(source, whole, ranged=True, seen=seen, searched=True)
