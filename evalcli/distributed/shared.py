"""What the shares of all ranks are together: two sides, the files that were read, and what was said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from evalcli.belonging import joined_readings
from evalcli.errors import EmptyError, EvalError, Faulty, InputError, LimitError
from evalcli.evidence import SHOWN, Fault
from evalcli.faults import side_of
from evalcli.merging import joined_field, notes_of_all
from evalcli.parts import in_order, order
from evalcli.plaindata import fitted
from evalcli.sources.base import Field, InputFile, Note, Scanned, Slicer
from evalcli.sources.scanning import decided, joined_scans
from evalcli.sources.share import unlike
from evalcli.sources.slicing import joined_slicers
from evalcli.sources.talk import by_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.belonging import Readings
    from evalcli.evidence import Evidence
    from evalcli.parts import Part
    from evalcli.sources.relabelled import Nothing, Relabelled
    from evalcli.sources.share import Share

_AGAIN = "run it again; the ranks have to see the same files"


def united(
    offers: Sequence[dict[str, Any]], *, apart: bool = False, none: EmptyError | None = None
) -> tuple[Field, Field, tuple[Slicer, ...], Scanned | None, bool]:
    """Both sides of the whole input, with all labels and all rows, its slices, what is searched, whether rows weigh.

    What is searched is still to be decided where the whole is counted ``apart`` from other rows.

    Raises:
        EmptyError: no rank has any row; it is ``none`` where that is given.
        InputError: ranks were asked for different things, see different files or read them differently.

    """
    for rank, offer in enumerate(offers):
        if offer["asked"] != offers[0]["asked"]:
            raise unlike(rank)
    known = [(rank, offer["sides"]) for rank, offer in enumerate(offers) if offer["sides"] is not None]
    if not known:
        raise none or EmptyError("there are no rows", fix="check the files")
    found = [(rank, fitted(Field, sides["preds"]), fitted(Field, sides["target"])) for rank, sides in known]
    first, preds, target = found[0]
    for rank, other, truth in found[1:]:
        if _kind(other, truth) != _kind(preds, target):
            what = f"rank {rank} reads its files as {_said(other)}, rank {first} as {_said(preds)}"
            raise InputError(what, fix="say what they are with --scores, or write all files alike", path=other.path)
        preds, target = joined_field(preds, other), joined_field(target, truth)
    if not known[0][1]["ranged"]:
        preds = replace(preds, shape=(sum(one.shape[0] for _, one, _ in found), *preds.shape[1:]))
        target = replace(target, shape=(sum(one.shape[0] for _, _, one in found), *target.shape[1:]))
    slicers = fitted(tuple[Slicer, ...], known[0][1]["slicers"])
    for _, sides in known[1:]:
        slicers = joined_slicers(slicers, fitted(tuple[Slicer, ...], sides["slicers"]), preds.path)
    scans = [fitted(Scanned, sides["scanned"]) for _, sides in known if sides["scanned"] is not None]
    scanned = _searched(scans[:1] if known[0][1]["searched"] else scans, preds.path, apart=apart)
    return preds, target, slicers, scanned, bool(known[0][1]["weighted"])


def seen_alike(offers: Sequence[dict[str, Any]]) -> Readings:
    """As what ``--where`` sees the columns that it names, in all shares.

    Raises:
        InputError: not as the same in all of them.

    """
    read_as: Readings = ()
    for rank, offer in enumerate(offers):
        theirs = fitted(tuple[tuple[str, str], ...], offer["read_as"])
        read_as = joined_readings(read_as, theirs, "those of lower ranks", f"files of rank {rank}")
    return read_as


def _searched(scans: Sequence[Scanned], path: str, *, apart: bool) -> Scanned | None:
    """What is searched of all rows: unless they are counted ``apart``, the values that have rows enough."""
    if not scans:
        return None
    scanned = scans[0]
    for other in scans[1:]:
        scanned = joined_scans(scanned, other, path)
    return decided(scanned) if scanned.asked.apart and not apart else scanned


def rows_before(offers: Sequence[dict[str, Any]], rank: int) -> int:
    """The rows that lower ranks count, where each counts some of its own."""
    return sum(offer["sides"]["preds"]["shape"][0] for offer in offers[:rank] if offer["sides"] is not None)


def error_told(error: EvalError) -> bytes:
    """An error for other processes, with the rows that it is about where these may have more of them."""
    faulty = error.faulty
    said = None if faulty is None or error.again is None else [_kind_of(error), *faulty]
    told = [type(error).__name__, error.what, error.fix, error.path, error.order, said]
    return json.dumps(told, default=str).encode()


def first_told(replies: Mapping[int, bytes]) -> int:
    """Whose error all tell, of those ``told`` by number: the first one's, of rows at fault what is found first.

    >>> said = {1: (2, 0), 2: (1, 3)}
    >>> faults = {n: EvalError.counted(Faulty(1, [], []), lambda _: InputError("?"), at) for n, at in said.items()}
    >>> first_told({n: error_told(one) for n, one in faults.items()}), first_told({0: error_told(LimitError("?"))})
    (2, 0)
    """
    told = {number: json.loads(reply) for number, reply in replies.items()}
    first = min(told)
    if told[first][-1] is None:
        return first
    return min((number for number, one in told.items() if one[-1] is not None), key=lambda n: (told[n][-2], n))


def _kind_of(error: EvalError) -> str:
    """What is wrong with rows at fault, whichever they are."""
    return "" if error.again is None else str(error.again(Faulty(0, [], [])))


def all_at_fault(error: EvalError, replies: Sequence[bytes]) -> bytes:
    """An error as it is ``told``, of the rows at fault that processes have ``told`` of in their replies."""
    faults = [faulty for *_, faulty in map(json.loads, replies) if faulty is not None]
    alike = [(rows, places, values) for kind, rows, places, values in faults if kind == _kind_of(error)]
    every = ((place, value) for _, places, values in alike for place, value in zip_longest(places, values))
    first = by_file(every)[:SHOWN]
    found = Faulty(sum(rows for rows, _, _ in alike), [place for place, _ in first], [value for _, value in first])
    return error_told(error if error.again is None else error.again(found))


def tell_faults(
    agree: Callable[[Callable[[], bytes]], list[bytes]],
    found: Evidence,
    own: Evidence,
    source: Nothing | Relabelled,
    *,
    in_order: bool,
) -> None:
    """Let every process know the rows at fault that all have ``found``, and in words where the first of them lie.

    Rows that are not ``in_order`` have no numbers of their own in the whole: of these the first are the first of the
    files that were dealt out.
    """
    rows = [(row, side_of(code)) for code, fault in found.faults.items() if fault.numbered for row, _ in fault.first]
    if in_order or not rows:
        own.faults = found.faults
    if not rows:
        return
    if not in_order:
        own.faults = found.faults | _first_by_file(agree, found, own, source)
        return

    def tell() -> bytes:
        return json.dumps([[*one, source.place(*one)] for one in rows if source.has(one[0])]).encode()

    source.places = {(row, side): place for told in agree(tell) for row, side, place in json.loads(told)}


def _first_by_file(
    agree: Callable[[Callable[[], bytes]], list[bytes]], found: Evidence, own: Evidence, source: Nothing | Relabelled
) -> dict[str, Fault]:
    """The faults with the first rows of all files; their places are known under numbers that no row has."""

    def tell() -> bytes:
        numbered = [(code, fault.first) for code, fault in own.faults.items() if found.faults[code].numbered]
        placed = [(code, source.place(row, side_of(code)), said) for code, first in numbered for row, said in first]
        return json.dumps(placed).encode()

    first: dict[str, list[tuple[str, str]]] = {}
    for reply in agree(tell):
        for code, place, value in json.loads(reply):
            first.setdefault(code, []).append((place, value))
    faults = {}
    for code, every in first.items():
        shown, before = by_file(every)[:SHOWN], -1 - len(source.places)
        faults[code] = Fault(found.faults[code].count, [(before - i, value) for i, (_, value) in enumerate(shown)])
        source.places |= {(before - i, side_of(code)): place for i, (place, _) in enumerate(shown)}
    return faults


def _kind(preds: Field, target: Field) -> tuple[object, ...]:
    """What the sides of all shares have in common."""
    text = preds.labels is not None
    dtype = preds.dtype if "float" in preds.dtype else ""
    shapes = preds.shape[1:], target.shape[1:]
    return (text, target.labels is not None, "float" in target.dtype, dtype, preds.columns, shapes)


def _said(preds: Field) -> str:
    return "labels" if preds.labels is not None else f"{preds.dtype} of shape {('N', *preds.shape[1:])}"


def files_told(read: Any) -> tuple[InputFile, ...]:
    """Files as they were told."""
    return tuple(fitted(InputFile, one) for one in read)


def covered(vouched: Sequence[Any], share: Share) -> tuple[InputFile, ...]:
    """The files that were read, each row of each of them once.

    Raises:
        LimitError: a file or a range of rows is missing, or was read twice.

    """
    files = sorted((file for read, _, _ in vouched for file in files_told(read)), key=order)
    whole: dict[tuple[str, str], InputFile] = {}
    for file in files:
        key = (file.path, file.side)
        before = whole.get(key)
        if before is None:
            whole[key] = file
        elif before.digest != file.digest:
            what = "the ranks have read other contents under this name"
            raise InputError(what, fix="put the same file where each of them reads it", path=file.path)
        elif before.rows is None or file.rows is None or before.rows[1] != file.rows[0]:
            raise LimitError("its rows were not read once each; no verdict", fix=_AGAIN, path=file.path)
        else:
            whole[key] = replace(before, rows=(before.rows[0], file.rows[1]))
    for file in whole.values():
        if file.rows is not None and file.rows != (0, file.total):
            raise LimitError("some of its rows were not read; no verdict", fix=_AGAIN, path=file.path)
    missing = {path for path, _ in share.whole} - {path for path, _ in whole} if not share.alone else set()
    if missing:
        raise LimitError("was read by no rank; no verdict", fix=_AGAIN, path=min(missing))
    return tuple(replace(file, rows=None) for file in whole.values())


def said_of_all(vouched: Sequence[Any], part: Part) -> tuple[Note, ...]:
    """What was said of the shares; of their labels what is to say of all."""
    notes = (fitted(Note, one) for _, said, _ in vouched for one in said)
    return in_order(notes_of_all(notes, part.about.preds, part.about.target))
