"""Slices of a pass: for each value of a column a pass of the same family, which takes the rows that are in it.

The rows of a slice wait until there are many of them, so that a state meets them in one long run. What is counted of a
long run is then added twice, to the slice and to all rows: states add up to the same bits in any grouping.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalcli.evidence import Evidence
    from evalcli.metrics.base import Settles
    from evalcli.slicerows import Rows
    from evalcli.sources.base import Array, Slicer

LEAST_BUDGET = 1 << 20
"""Bytes for ranks that every slice has, however many share the budget."""
LEAST_SHARED = 1 << 12
"""Rows from which two additions of states take less time than to count once more."""


class Budgeted(Protocol):
    """States of scores, some within a budget."""

    scoring: Any

    def absorb(self, counted: Any) -> None:
        """Take in what others have seen that differ in their budget at most."""


B = TypeVar("B", bound=Budgeted)


def share_of(budget: int, slicer: Slicer) -> int:
    """The bytes for ranks that each slice has of a ``budget``."""
    return max(budget // max(len(slicer.values), 1), LEAST_BUDGET)


def within(states: B, scoring: Any) -> B:
    """The same ``states`` within another budget: where that is smaller, ranks are coarser, as if it had always been so.

    Raises: ``ValueError`` where ``scoring`` differs in more.
    """
    if scoring == states.scoring:
        return states
    if scoring != replace(states.scoring, budget=scoring.budget):
        raise ValueError("states of other scores")
    found: B = scoring.fresh()
    found.absorb(states)
    return found


def by_number(state: Mapping[str, Array]) -> dict[int, dict[str, Array]]:
    """The saved states of each of several numbers, which stand before the first dot.

    Raises: ``ValueError`` for what no number stands before.
    """
    found: dict[int, dict[str, Array]] = {}
    for key, array in state.items():
        number, _, name = key.partition(".")
        if not number.removeprefix("-").isdecimal() or str(int(number)) != number:
            raise ValueError(f"no number stands before {key!r}")
        found.setdefault(int(number), {})[name] = array
    return found


def by_name(state: Mapping[str, Array], names: Sequence[str]) -> dict[str, dict[str, Array]]:
    """The saved states of each of the ``names``.

    Raises: ``ValueError`` for any other name.
    """
    found: dict[str, dict[str, Array]] = {name: {} for name in names}
    for key, array in state.items():
        name, _, rest = key.partition(".")
        if name not in found:
            raise ValueError(f"there is no state {key!r} here")
        found[name][rest] = array
    return found


class SlicePass(Protocol):
    """A pass that counts rows which another has prepared."""

    evidence: Evidence

    def take(self, rows: Any) -> int:
        """Count them; how many rows of the input they stand for."""

    def beside(self) -> Self:
        """An empty one, whose counts this one and its slices can absorb."""

    def absorb(self, counted: Self) -> None:
        """Take in what another has counted, as far as this one counts it, but for evidence and slices."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered."""

    def columns(self) -> Iterator[Settles]:
        """Where keys wait to be sorted."""

    def state_dict(self) -> dict[str, Array]:
        """What was gathered."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """

    def under(self, other: Self) -> Self:
        """The same as ``other`` counts, within its memory.

        Raises: ``ValueError`` where ``other`` counts otherwise.
        """


P = TypeVar("P", bound=SlicePass)


def check_slice(code: int, slicer: Slicer) -> None:
    """Refuse a slice that is not there.

    Raises: ``ValueError``.
    """
    if not 0 <= code < len(slicer.values):
        raise ValueError(f"there is no slice {code}")


def places_among(mine: Slicer, theirs: Slicer) -> list[int]:
    """The place of each slice of mine among theirs.

    Raises: ``ValueError`` where they lack one.
    """
    place = {value: code for code, value in enumerate(theirs.values)}
    if not {*mine.values} <= {*place}:
        raise ValueError("slices that the others do not have")
    return [place[value] for value in mine.values]


class Kept(Protocol):
    """What is kept of some rows."""

    def merge(self, other: Self) -> None:
        """Take in what another worker has kept."""

    def state_dict(self) -> dict[str, Array]:
        """What was gathered."""


K = TypeVar("K", bound=Kept)


class BySlice(ABC, Generic[K]):
    """What is kept of each slice of one slicer, by its code; a slice without a row is not there."""

    def __init__(self, slicer: Slicer, fresh: Callable[[], K]) -> None:
        self.slicer, self._fresh = slicer, fresh
        self._slices: dict[int, K] = {}

    def _at(self, code: int) -> K:
        if code not in self._slices:
            self._slices[code] = self._fresh()
        return self._slices[code]

    def merge(self, other: Self) -> None:
        """Take in what another worker has kept."""
        for code, theirs in other._slices.items():
            self._at(code).merge(theirs)

    def state_dict(self) -> dict[str, Array]:
        """The states of every slice that has rows, as ``code.…``."""
        return {
            f"{code}.{name}": array
            for code, one in sorted(self._slices.items())
            for name, array in one.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        self._slices = {}
        for code, saved in by_number(state).items():
            check_slice(code, self.slicer)
            self._load(self._at(code), saved)

    def _among(self, other: Self, under: Callable[[K], K]) -> Self:
        """The same slices by their places among the values of ``other``, each as it is ``under`` what counts there.

        Raises: ``ValueError`` where ``other`` lacks a value.
        """
        places, found = places_among(self.slicer, other.slicer), copy.copy(other)
        found._slices = {places[code]: under(one) for code, one in self._slices.items()}
        return found

    @staticmethod
    @abstractmethod
    def _load(one: K, saved: Mapping[str, Array]) -> None:
        """Let one slice take over what was saved of it."""


def take_runs(runs: Iterable[tuple[int, Rows]], held_of: Callable[[int], P | None], whole: P | None) -> None:
    """Count rows by the code of each run, where a code has a pass, and all of them in ``whole``.

    A long run is looked at once for both.
    """
    rest: list[Rows] = []
    for code, part in runs:
        here = held_of(code)
        if here is None or whole is None or part.length < LEAST_SHARED:
            rest.append(part)
            if here is not None:
                here.evidence.rows += here.take(part)
            continue
        counted = whole.beside()
        here.evidence.rows += counted.take(part)
        here.absorb(counted)
        whole.absorb(counted)
    if whole is not None and rest:
        whole.take(rest[0].joined(rest[1:]))


class SlicePasses(BySlice[P]):
    """One slicer's slices, each a pass."""

    def update(self, runs: Iterable[tuple[int, Rows]], whole: P | None = None) -> None:
        """Count rows by slice, −1 for those in none; and all of them in ``whole``."""
        take_runs(runs, lambda code: None if code < 0 else self._at(code), whole)

    @staticmethod
    def _load(one: P, saved: Mapping[str, Array]) -> None:
        one.restore(saved)

    def columns(self) -> Iterator[Settles]:
        """Where keys of any slice wait to be sorted."""
        for one in self._slices.values():
            yield from one.columns()

    def agree(self, rows: int) -> bool:
        """Whether every slice has rows, in all no more than ``rows``."""
        counts = [one.evidence.rows for one in self._slices.values()]
        return min(counts, default=1) > 0 and sum(counts) <= rows

    def under(self, other: SlicePasses[P]) -> SlicePasses[P]:
        """The same slices by their places among the values of ``other``, as it counts.

        Raises: ``ValueError`` where ``other`` lacks a value.
        """
        return self._among(other, lambda one: one.under(other._fresh()))

    def passes(self) -> dict[int, P]:
        """The pass of every slice that has rows, by code."""
        return dict(sorted(self._slices.items()))


def saved_slices(slices: Sequence[SlicePasses[Any]]) -> dict[str, SlicePasses[Any]]:
    """Those of each slicer by the name under which they are saved."""
    return {f"slices{number}": one for number, one in enumerate(slices)}


def merge_sliced(mine: Any, theirs: Any) -> None:
    """Take in what another pass has counted of slices, of clusters, those of slices too, and of slices searched."""
    pairs = [*zip(mine.slices, theirs.slices, strict=True), *zip(mine.clusters_in, theirs.clusters_in, strict=True)]
    for one, other in (*pairs, (mine.clusters, theirs.clusters), (mine.scan, theirs.scan)):
        if one is not None and other is not None:
            one.merge(other)
