"""What several models gather in a process of its own, and how it comes home.

A pass over several models holds plans and open files, which every process has of its own, and beside them counts. Of
these an object names the attributes that travel, or it knows how to be saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from evalcli.evidence import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalcli.comparing.clusters import ClusterCounts
    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.base import Settles
    from evalcli.metrics.keycolumn import KeyColumn


class _Luggage:
    """What an object holds, as arrays and one JSON text; what is unpacked takes the place of an empty one alike."""

    def __init__(self, arrays: list[HostArray]) -> None:
        self._arrays = arrays

    def pack(self, held: Any) -> Any:
        """What JSON has to say of it."""
        if isinstance(held, np.ndarray) and held.dtype != object:
            self._arrays.append(held)
            return len(self._arrays) - 1
        if isinstance(held, Fault):
            return [held.count, held.numbered, held.first]
        if isinstance(held, dict):
            return [self.pack(each) for each in held.values()]
        if isinstance(held, (list, tuple, np.ndarray)):
            return [self.pack(each) for each in held]
        if hasattr(held, "travels"):
            return [self.pack(getattr(held, name)) for name in held.travels]
        if isinstance(held, np.generic):
            return held.item()
        return {name: self.pack(part) for name, part in held.state_dict().items()} if _saves(held) else held

    def unpack(self, told: Any, empty: Any) -> Any:
        """The same again; ``empty`` is what it was before anything was gathered."""
        if isinstance(empty, np.ndarray):
            return _objects(told) if empty.dtype == object else self._arrays[told]
        if isinstance(empty, Fault):
            count, numbered, first = told
            return Fault(count, [(row, value) for row, value in first], numbered)
        if isinstance(empty, dict):
            return {key: self.unpack(each, held) for each, (key, held) in zip(told, empty.items(), strict=True)}
        if isinstance(empty, (list, tuple)):
            parts = [self.unpack(each, held) for each, held in zip(told, empty, strict=True)]
            return type(empty)(*parts) if hasattr(empty, "_fields") else type(empty)(parts)
        if hasattr(empty, "travels"):
            for name, each in zip(empty.travels, told, strict=True):
                setattr(empty, name, self.unpack(each, getattr(empty, name)))
            return empty
        if _saves(empty):
            empty.load_state_dict({name: self._arrays[place] for name, place in told.items()})
            return empty
        return told


def _saves(held: Any) -> bool:
    return hasattr(held, "state_dict")


def _objects(told: Sequence[Any]) -> HostArray:
    """What rows are called, as they were: texts, numbers, tuples of these or nothing."""
    found = np.empty(len(told), object)
    found[:] = [_tuples(each) for each in told]
    return found


def _tuples(told: Any) -> Any:
    return tuple(_tuples(each) for each in told) if isinstance(told, list) else told


def _packed(held: Any) -> dict[str, HostArray]:
    arrays: list[HostArray] = []
    text = json.dumps(_Luggage(arrays).pack(held)).encode()
    return {"told": np.frombuffer(text, np.uint8), **{str(place): array for place, array in enumerate(arrays)}}


def _unpacked(state: Mapping[str, HostArray], empty: Any) -> Any:
    arrays = [state[str(place)] for place in range(len(state) - 1)]
    return _Luggage(arrays).unpack(json.loads(state["told"].tobytes()), empty)


class Evidences:
    """What the whole input shows, model by model."""

    def __init__(self, each: Sequence[Evidence]) -> None:
        self._each = each

    def merge(self, other: Evidences) -> None:
        """Take in what another worker has seen."""
        for mine, theirs in zip(self._each, other._each, strict=True):
            mine.merge(theirs)

    def state_dict(self) -> dict[str, HostArray]:
        """All of it."""
        return _packed(self._each)

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        _unpacked(state, self._each)


class Apart:
    """A pass that can be made by processes: the attributes that ``travels`` names are all that it gathers."""

    __slots__ = ()
    travels: ClassVar[tuple[str, ...]]
    saves_all: ClassVar[bool] = True

    @property
    def evidence(self) -> Evidences:
        """What the rows show; where all is decided, nothing."""
        return Evidences(())

    def state_dict(self) -> dict[str, HostArray]:
        """All that was gathered."""
        return _packed([getattr(self, name) for name in self.travels])

    def restore(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        empty = [getattr(self, name) for name in self.travels]
        for name, held in zip(self.travels, _unpacked(state, empty), strict=True):
            setattr(self, name, held)


@dataclass(slots=True)
class FirstPass(Apart):
    """What every first pass gathers: of each model what ``gathers`` names of its pass, and where models are unlike."""

    gathers: ClassVar[tuple[str, ...]]
    shared: ClassVar[tuple[str, ...]] = ("gathered", "unlike", "unlike_weights", "lost", "clusters")

    passes: tuple[Any, ...]
    same_target: bool
    unlike: Fault = field(default_factory=Fault, kw_only=True)
    """Rows whose targets differ from model to model."""
    unlike_weights: Fault = field(default_factory=Fault, kw_only=True)
    lost: list[int] = field(default_factory=list, kw_only=True)
    """Rows of each model that another leaves out."""
    clusters: ClusterCounts | None = field(default=None, kw_only=True)

    @property
    def rows(self) -> int:
        """Rows that all models were judged on."""
        rows: int = self.passes[0].evidence.rows
        return rows

    @property
    def evidence(self) -> Evidences:
        """That of all models."""
        return Evidences([one.evidence for one in self.passes])

    @property
    def gathered(self) -> list[tuple[Any, ...]]:
        """What each model's pass has gathered."""
        return [tuple(getattr(one, name) for name in self.gathers) for one in self.passes]

    @gathered.setter
    def gathered(self, every: list[tuple[Any, ...]]) -> None:
        for one, held in zip(self.passes, every, strict=True):
            for name, each in zip(self.gathers, held, strict=True):
                setattr(one, name, each)

    def columns(self) -> Iterator[Settles]:
        """Where keys of scores wait to be sorted."""
        for one in self.passes:
            if hasattr(one, "columns"):
                yield from one.columns()

    def exchanged(self) -> Iterator[KeyColumn]:
        """Those into which the keys of all rows go as they come, so that any worker may count them."""
        for one in self.passes:
            if hasattr(one, "exchanged"):
                yield from one.exchanged()

    def lose(self, before: Sequence[int], after: Sequence[int]) -> None:
        """Leave out what one of the models leaves out, of so many rows of each."""
        for i, gone in enumerate(np.subtract(before, after).tolist()):
            self.lost[i] += gone
            self.passes[i].evidence.rows -= gone

    def take_in(self, other: FirstPass) -> None:
        """Take in what another worker has gathered of all this."""
        for mine, theirs in zip(self.passes, other.passes, strict=True):
            mine.merge(theirs)
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)
        self.unlike.merge(other.unlike)
        self.unlike_weights.merge(other.unlike_weights)
        self.lost = [mine + theirs for mine, theirs in zip(self.lost, other.lost, strict=True)]
