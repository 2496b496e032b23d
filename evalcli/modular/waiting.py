"""Batches that are counted on the host and lie on a device: they wait there, and many come at once.

Nobody waits for the device then but once for all of them. What is wrong with one shows as late.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from evalcli.metrics.arrays import brought
from evalcli.sources.held_arrays import is_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import Array

MOST_BYTES = 64 << 20
"""Bytes that wait with each state."""
MOST_BATCHES = 1 << 10
"""Batches that do, since small ones take more than their numbers."""

Rows = tuple[Any, ...]
"""The sides of a batch: arrays of one length, or ``None``."""


class WaitingBatches:
    """Copies of batches, in their order."""

    def __init__(self) -> None:
        self._held: list[Rows] = []
        self._bytes = 0

    @staticmethod
    def suits(*sides: Any) -> bool:
        """Whether a side lies on a device, and all of them are arrays of numpy or torch, or ``None``."""
        if not any(map(is_there, sides)):
            return False
        return {type(side).__module__.partition(".")[0] for side in sides if side is not None} <= {"numpy", "torch"}

    def add(self, *sides: Any) -> None:
        """Let a batch wait: copied, since its memory may be used again."""
        self._held.append(tuple(None if side is None else _copied(side) for side in sides))
        self._bytes += _bytes_of(self._held[-1])

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return self._bytes > MOST_BYTES or len(self._held) >= MOST_BATCHES

    def each(self, count: Callable[..., object]) -> None:
        """Let ``count`` take batch after batch, on the host; then none waits.

        Where it raises, that batch and those behind it still wait: what is wrong stays so until all is forgotten.
        """
        if not self._held:
            return
        waiting, self._held, self._bytes = _on_host(self._held), [], 0
        for number, sides in enumerate(waiting):
            try:
                count(*sides)
            except BaseException:
                self._held = waiting[number:]
                self._bytes = sum(map(_bytes_of, self._held))
                raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same batches, which nobody writes to."""
        other = copy.copy(self)
        other._held = [*self._held]
        return other


def _copied(side: Array) -> Array:
    return side.detach().clone() if hasattr(side, "detach") else side.copy()


def _bytes_of(sides: Rows) -> int:
    return sum(side.nbytes for side in sides if side is not None)


def _on_host(batches: list[Rows]) -> list[Rows]:
    """The same on the host, with one wait for each device."""
    sides = [side for batch in batches for side in batch if side is not None and is_there(side)]
    found = iter(brought(sides))
    return [tuple(next(found) if side is not None and is_there(side) else side for side in batch) for batch in batches]
