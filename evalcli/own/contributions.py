"""Contributions: the states of the caller's own metrics over the rows of one reader, and what these rows are.

A contribution is of files and rows, and holds the state of each metric over all of these rows, over those of each
slice, and over the groups of rows of either. Slices are known by column and value, so no code has to be changed.

Arrays are called ``metric.state``, the first by its number; those of a slice ``/slice.metric.state``, those of a group
of rows, which intervals are told by, ``~group.metric.state``, and of such a group of a slice
``/slice~group.metric.state``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.own.values import Failure  # noqa: TC001  # the reader of parts looks at annotations
from evalcli.partfile import pack
from evalcli.plaindata import plain
from evalcli.sources.base import InputFile  # noqa: TC001  # likewise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalcli.own.metrics import OwnMetric
    from evalcli.sources.base import Array

    State = Mapping[str, Array]
    States = Mapping[str, State]


@dataclass(frozen=True, slots=True)
class OwnName:
    """A metric as it was asked for: its ``name``, and how an address ``made`` it, if one did.

    That is its class with its arguments, ``TopK(k=3)``, and the module before them where that is no file.
    """

    name: str
    made: str

    def address(self) -> str:
        """What to type for it, but for the name of a file.

        >>> OwnName("top", "TopK(k=2)").address(), OwnName("PSNR(1.0)", "torchmetrics.image:PSNR(1.0)").address()
        ('--metric top=FILE.py:TopK(k=2)', '--metric torchmetrics.image:PSNR(1.0)')
        """
        head, bracket, arguments = (self.made or "CLASS").partition("(")
        module, _, cls = head.rpartition(":")
        cls = f"{cls}{bracket}{arguments}"
        return f"--metric {'' if cls == self.name else f'{self.name}='}{module or 'FILE.py'}:{cls}"


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group of rows, by its ``number``, how many ``rows`` it has, and which metrics failed over them."""

    number: int
    rows: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class SliceSeen:
    """A slice that has rows, by column and value, which metrics failed over them, and its groups that have rows."""

    by: str
    value: str
    failures: tuple[Failure, ...]
    groups: tuple[GroupSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Contribution:
    """The rows that states are of, and which metrics failed over them; of slices and groups those that have rows."""

    inputs: tuple[InputFile, ...]
    failures: tuple[Failure, ...]
    slices: tuple[SliceSeen, ...] = ()
    groups: tuple[GroupSeen, ...] = ()

    def key(self) -> tuple[Any, ...]:
        """Where it stands among others."""
        return tuple((one.side == "target", one.path, one.digest, one.size, one.rows or (0, 0)) for one in self.inputs)


class Contributed(NamedTuple):
    """A contribution, and the states of the metrics by name, but for those that failed; ``slices`` and ``groups`` too.

    ``inside`` are those of the groups of each slice, ``mark`` is where it stands among those of no file.
    """

    contribution: Contribution
    states: States
    slices: tuple[States, ...] = ()
    groups: tuple[States, ...] = ()
    inside: tuple[tuple[States, ...], ...] = ()
    mark: str = ""

    def whole(self) -> Over:
        """What is over all its rows."""
        seen = self.contribution
        return Over(seen.failures, self.states, tuple(zip(seen.groups, self.groups, strict=True)))

    def by_slice(self) -> Iterator[tuple[tuple[str, str], Over]]:
        """What is over each slice, by column and value."""
        for seen, states, inside in zip(self.contribution.slices, self.slices, self.inside, strict=True):
            yield (seen.by, seen.value), Over(seen.failures, states, tuple(zip(seen.groups, inside, strict=True)))

    def arrays(self, names: Sequence[OwnName]) -> Iterator[tuple[str, Array]]:
        """Every array under its name, but for the number of the contribution."""
        place = {one.name: number for number, one in enumerate(names)}
        over = [("", self.whole()), *((f"/{number}", one) for number, (_, one) in enumerate(self.by_slice()))]
        groups = ((f"{head}~{number}", states) for head, one in over for number, (_, states) in enumerate(one.groups))
        for head, states in (*((head, one.states) for head, one in over), *groups):
            for name, state in states.items():
                for key, array in state.items():
                    yield f"{head}.{place[name]}.{key}", array

    def marked(self, names: Sequence[OwnName]) -> Contributed:
        """The same with its mark."""
        if self.contribution.inputs:
            return self
        held = pack({"contribution": plain(self.contribution)}, dict(self.arrays(names)), "")
        return self._replace(mark=hashlib.sha256(held).hexdigest())


class Over(NamedTuple):
    """What metrics are over some rows: those that failed, and the states of the others by name; of groups, too."""

    failures: tuple[Failure, ...]
    states: States
    groups: tuple[tuple[GroupSeen, States], ...] = ()


def names_of(metrics: Iterable[OwnMetric]) -> tuple[OwnName, ...]:
    """The metrics as they were asked for, by name."""
    return tuple(sorted((OwnName(one.name, one.made) for one in metrics), key=lambda one: one.name))


def in_order(contributed: Iterable[Contributed]) -> tuple[Contributed, ...]:
    """In the order of their rows."""
    return tuple(sorted(contributed, key=lambda one: (one.contribution.key(), one.mark)))
