"""The same comparison within every slice (``--by``): what is gathered of all rows is gathered of each slice as well.

A comparison is a generator. It yields empty passes over the rows that it needs, is sent what these have gathered, and
returns what it found. So all slices ask at once and one pass answers them all, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evalcli.comparing.apart import Apart, Evidences
from evalcli.slicepasses import share_of
from evalcli.slicerows import Waiting
from evalcli.slicerows import apart as parted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalcli.comparing.members import Member
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.base import Settles
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.sources.base import Slicer

M = TypeVar("M", bound="Member")
T = TypeVar("T")
K = TypeVar("K")
Fresh = Callable[[], Any]
"""Makes the empty passes of workers."""
Asking = Generator[Fresh, Any, T]
"""What asks for passes and returns ``T``."""
Slice = tuple[int, int]
"""The number of a slicer, and the place of the slice among its values."""
WHOLE: Slice = (-1, -1)
"""All rows."""


class SlicedPass:
    """A pass over all rows, ``None`` where nobody asks for it, and those over the rows of slices.

    ``fresh`` makes the pass of a slice; ``None`` where nobody asks for that. So many ``workers`` have such a pass.
    """

    saves_all = True

    def __init__(self, whole: Any, fresh: Callable[[Slice], Any], workers: int) -> None:
        self.whole, self._workers = whole, workers
        self.slices: dict[Slice, Any] = {}
        self._fresh = fresh
        self._waiting: list[Waiting[Rows]] = []

    @property
    def evidence(self) -> Any:
        """What all rows show."""
        return Evidences(()) if self.whole is None else self.whole.evidence

    def add(self, rows: Rows) -> bool:
        """Take in the rows of a batch; ``False`` where they contradict a decision."""
        if self.whole is not None and not self.whole.add(rows.bare()):
            return False
        groups = rows.groups
        assert groups is not None
        self._waiting = self._waiting or [Waiting(groups.shape[1] * self._workers) for _ in groups.T]
        for number, waiting in enumerate(self._waiting):
            places = np.flatnonzero(groups[:, number] >= 0)
            given = rows.pick(places), groups[places, number]
            self._take(number, parted(*given) if rows.is_piece else waiting.add(*given))
        return True

    def _take(self, number: int, runs: Iterable[tuple[int, Rows]]) -> None:
        """Count rows whose time has come, by slice."""
        for code, part in runs:
            one = self._at((number, code))
            if one is not None:
                one.add(part)

    def settle(self) -> None:
        """Count the rows that wait for others of their slice."""
        for number, waiting in enumerate(self._waiting):
            self._take(number, waiting.all())

    def _at(self, place: Slice) -> Any:
        if place not in self.slices:
            self.slices[place] = self._fresh(place)
        return self.slices[place]

    def merge(self, other: SlicedPass) -> None:
        """Take in what another worker has gathered."""
        self.settle()
        other.settle()
        if self.whole is not None:
            self.whole.merge(other.whole)
        for place, theirs in other.slices.items():
            mine = self._at(place)
            if mine is not None:
                mine.merge(theirs)

    def columns(self) -> Iterator[Settles]:
        """Where keys of scores wait to be sorted, those of all rows first."""
        for one in (self.whole, *self.slices.values()):
            if hasattr(one, "columns"):
                yield from one.columns()

    def exchanged(self) -> Iterator[KeyColumn]:
        """Those of all rows, into which keys go as they come, so that any worker may count them."""
        if hasattr(self.whole, "exchanged"):
            yield from self.whole.exchanged()

    def state_dict(self) -> dict[str, HostArray]:
        """All that was gathered."""
        self.settle()
        parts = {"": self.whole, **{f"{number}/{code}": one for (number, code), one in self.slices.items()}}
        held = {name: one.state_dict() for name, one in parts.items() if one is not None}
        return {f"{name}.{key}": array for name, state in held.items() for key, array in state.items()}

    def restore(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        parts: dict[str, dict[str, HostArray]] = {}
        for key, array in state.items():
            name, _, rest = key.partition(".")
            parts.setdefault(name, {})[rest] = array
        for name, saved in parts.items():
            number, _, code = name.partition("/")
            one = self._at((int(number), int(code))) if name else self.whole
            one.restore(saved)


def around(whole: Fresh, slice_of: Fresh, workers: int) -> Fresh:
    """Makes passes over all rows and over those of every slice."""
    return lambda: SlicedPass(whole(), lambda _: slice_of(), workers)


def shared(members: Sequence[M], slicers: Sequence[Slicer]) -> list[M]:
    """The plans of slices, of which each has a share of the memory for ranks."""
    from evalcli.metrics.ranking import BUDGET

    most = max(slicers, key=lambda slicer: len(slicer.values))
    return [replace(one, budget=share_of(BUDGET if one.budget is None else one.budget, most)) for one in members]


def apart(passes: SlicedPass, whole: Counted) -> dict[Slice, Counted]:
    """What was counted of every slice that has a row, as ``whole`` has it of all."""
    passes.settle()
    found = {}
    for place, total in sorted(passes.slices.items()):
        if total.rows:
            total.count_alone()
            known = total.clusters is None or total.clusters.several()
            clusters = total.clusters.known("") if known and total.clusters is not None else None
            found[place] = whole._replace(total=total, inputs=(), clusters=clusters, has_test=known)
    return found


def answered(
    whole: Asking[T], slices: Mapping[Slice, Asking[T]], again: Callable[[Fresh], Any], workers: int
) -> tuple[T, dict[Slice, T]]:
    """What all of them return, once ``again`` has made the passes that they ask for, one at a time for all.

    Each of these is made by so many ``workers``.
    """
    every = {WHOLE: whole, **slices}
    found: dict[Slice, T] = {}
    heard: dict[Slice, Any] = dict.fromkeys(every)
    while heard:
        asked = _asked(every, heard, found)
        heard = _heard(asked, again, workers) if asked else {}
    return found.pop(WHOLE), found


def _asked(every: Mapping[K, Asking[T]], heard: Mapping[K, Any], found: dict[K, T]) -> dict[K, Fresh]:
    """The passes that those ask for who ``heard`` of theirs; what others return is ``found``."""
    asked: dict[K, Fresh] = {}
    for who, told in heard.items():
        try:
            asked[who] = every[who].send(told)
        except StopIteration as end:
            found[who] = end.value
    return asked


class _SideBySide(Apart):
    """Passes over the same rows, by who asked for them."""

    travels = ("passes",)

    def __init__(self, passes: dict[int, Any]) -> None:
        self.passes = passes

    def add(self, rows: Rows) -> bool:
        """Give the rows of a batch to each."""
        for one in self.passes.values():
            one.add(rows)
        return True

    def merge(self, other: _SideBySide) -> None:
        """Take in what another worker has gathered."""
        for number, one in self.passes.items():
            one.merge(other.passes[number])


def side_by_side(every: Mapping[int, Asking[T]]) -> Asking[dict[int, T]]:
    """What all of them return, and one pass for all that ask for one at a time."""
    found: dict[int, T] = {}
    heard: dict[int, Any] = dict.fromkeys(every)
    while heard:
        asked = _asked(every, heard, found)
        heard = (yield partial(_all_of, asked)).passes if asked else {}
    return {number: found[number] for number in every}


def _all_of(asked: Mapping[int, Fresh]) -> _SideBySide:
    return _SideBySide({number: fresh() for number, fresh in asked.items()})


def _heard(asked: Mapping[Slice, Fresh], again: Callable[[Fresh], Any], workers: int) -> dict[Slice, Any]:
    """What one pass gathers for all that ask."""
    if [*asked] == [WHOLE]:
        return {WHOLE: again(asked[WHOLE])}

    def pass_of(place: Slice) -> Any:
        return asked[place]() if place in asked else None

    total: SlicedPass = again(lambda: SlicedPass(pass_of(WHOLE), pass_of, workers))
    total.settle()
    held = {WHOLE: total.whole, **total.slices}
    return {place: held[place] for place in asked}
