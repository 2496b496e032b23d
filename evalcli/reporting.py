"""What the reports of all tasks are made of: values, the files that were read, notes, the signature."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING
from zlib import crc32

from evalcli.report import InputRecord, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalcli.sources.base import InputFile, Note, Source
    from evalcli.task import Choices


def value_of(number: float, low: float | None = None, high: float | None = None) -> Value:
    """A number of a report: NaN is undefined; ``low`` and ``high`` are certain to hold it where they differ."""
    if isnan(number):
        return Value(None)
    return Value(number) if low is None or high is None or low == high else Value(number, certified=(low, high))


def records(source: Source, inputs: tuple[InputFile, ...]) -> tuple[InputRecord, ...]:
    """The files that were read, by the names the user knows."""
    return tuple(InputRecord(source.aliases.get(file.path, file.path), file.size, file.digest) for file in inputs)


def notes_of(
    source: Source, choices: Choices, inputs: tuple[InputFile, ...], states: Iterable[Note] = ()
) -> tuple[Note, ...]:
    """What the source, the states and a saved threshold have to say; what the source says, in an order of its own."""
    here = None if choices.chosen is None else choices.chosen.note(records(source, inputs))
    said = sorted(set(source.notes()), key=lambda note: (note.code, note.text))
    return (*said, *states, *(() if here is None else (here,)))


def signature(parts: Mapping[str, object]) -> str:
    """Every choice that moves a number, in one line.

    >>> signature({"task": "binary", "thr": None, "n": 3})
    'task:binary|thr:-|n:3'
    """
    return "|".join(f"{key}:{'-' if value is None else value}" for key, value in parts.items())


def digest_of(names: Iterable[str]) -> str:
    """Eight digits that tell one list of names from another."""
    text = "\0".join(names)
    return f"{crc32(text.encode('utf-8', 'surrogatepass')):08x}"
