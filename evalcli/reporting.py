"""What the reports of all tasks are made of: values, the files that were read, notes, names, the signature."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar
from zlib import crc32

from evalcli.report import InputRecord, SliceRow, Value
from evalcli.sources.base import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalcli.counting import Plan
    from evalcli.forks import Apart
    from evalcli.sources.base import InputFile, Slicer, Source
    from evalcli.task import Choices

LEAST_SLICES = 16
"""With fewer, a process takes longer to start than it saves."""
LEAST_COUNTED = 256
"""So many where labels are counted, of which a slice takes a twentieth of the time that one of scores does."""

S = TypeVar("S")


class Sliced(NamedTuple, Generic[S]):
    """What was ``held`` of the ``rows`` that have the value ``code`` of a slicer."""

    slicer: Slicer
    code: int
    rows: int
    held: S


def slices_of(gathered: Any, slicers: Sequence[Slicer]) -> list[Sliced[Any]]:
    """The slices of a pass that holds a pass of its own family for each, with the clusters of its rows."""
    clusters_in = gathered.clusters_in
    return [
        Sliced(
            slicer,
            code,
            held.evidence.rows,
            replace(held, clusters=clusters_in[number].of(code)) if clusters_in else held,
        )
        for number, (slicer, slices) in enumerate(zip(slicers, gathered.slices, strict=True))
        for code, held in slices.passes().items()
    ]


def goes_apart(plan: Plan, slices: int, *, counted: bool = False) -> bool:
    """Whether so many slices are told of by several processes; of labels that are ``counted`` there must be more."""
    least = LEAST_COUNTED if counted else LEAST_SLICES
    if not plan.processes or plan.workers < 2 or plan.device is not None or slices < least:
        return False
    from evalcli.forks import can_fork

    return can_fork()


class SliceRows(Generic[S]):
    """Every slice with its ``metrics``, by several processes where there may be some.

    What was told of before, and what it imported, all of them have.
    """

    def __init__(
        self,
        metrics: Callable[[Sliced[S]], dict[str, Value]],
        slices: Sequence[Sliced[S]],
        plan: Plan,
        *,
        counted: bool = False,
    ) -> None:
        self._metrics, self._slices = metrics, slices
        self._apart: Apart[Sliced[S]] | None = None
        if goes_apart(plan, len(slices), counted=counted):
            from evalcli.forks import Apart

            self._apart = Apart(lambda one: _plain(self._metrics(one)), slices, plan.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._apart is not None:
            self._apart.end()

    def told(self) -> tuple[SliceRow, ...]:
        """Slice by slice."""
        if self._apart is None:
            found = [self._metrics(one) for one in self._slices]
        else:
            found = [{name: _value(*parts) for name, parts in row} for row in self._apart.results()]
        return tuple(
            SliceRow(one.slicer.name, one.slicer.values[one.code], one.rows, values)
            for one, values in zip(self._slices, found, strict=True)
        )


def _plain(metrics: Mapping[str, Value]) -> list[tuple[str, tuple[Any, ...]]]:
    return [(name, (one.value, one.low, one.high, one.method, one.certified)) for name, one in metrics.items()]


def _value(value: float | None, low: float | None, high: float | None, method: str | None, ends: Any) -> Value:
    return Value(value, low, high, method, None if ends is None else (ends[0], ends[1]))


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
    return (*said, *states, *(() if here is None else (here,)), *_copies(source, inputs))


def _copies(source: Source, inputs: tuple[InputFile, ...]) -> Iterator[Note]:
    """That rows were read twice, where on every side some file is a copy of another: a truth alone may well look so.

    Files without a row look alike, too.
    """
    copied: dict[str, list[tuple[InputFile, InputFile]]] = {file.side: [] for file in inputs}
    first: dict[tuple[str, str, int], InputFile] = {}
    for file in inputs:
        here = first.setdefault((file.side, file.digest, file.size), file)
        if here is not file and here.path != file.path and file.total:
            copied[file.side].append((here, file))
    if inputs and all(copied.values()):
        pairs = copied[inputs[0].side]
        one, copy = (source.aliases.get(file.path, file.path) for file in pairs[0])
        more = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
        text = f"{copy} is a copy of {one}{more}: its rows count twice"
        yield Note("copied-files", text, "leave the copy out, unless the rows are meant to count so", "warning")


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
