"""What several models gather in a process of its own, and how it comes home.

A pass over several models holds plans and open files, which every process has of its own, and beside them plain
counts. These travel as they are: whoever wrote them is this very program.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from evalcli.evidence import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.comparing.clusters import ClusterCounts
    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import HostArray


def _packed(held: Any) -> dict[str, HostArray]:
    return {"held": np.frombuffer(pickle.dumps(held, protocol=5), np.uint8)}


def _unpacked(state: Mapping[str, HostArray]) -> Any:
    return pickle.loads(state["held"].data)  # noqa: S301  a process that this one has forked wrote it


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
        return _packed([each.state_dict() for each in self._each])

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        for each, saved in zip(self._each, _unpacked(state), strict=True):
            each.load_state_dict(saved)


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
        for name, held in zip(self.travels, _unpacked(state), strict=True):
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
