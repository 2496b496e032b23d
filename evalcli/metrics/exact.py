"""Sums of floats that do not depend on the order: added exactly, rounded once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array, HostArray


class ExactSum:
    """Exact sums of float64 values, one per cell; merges to the same bits in any order. Host only."""

    def __init__(self, cells: int = 1) -> None:
        self.cells = cells

    def add(self, values: Array, cells: Array | None = None) -> None:
        """Add ``values`` (N,) to the sums that ``cells`` (N,) names; without ``cells`` all to the first."""
        raise NotImplementedError

    def value(self) -> HostArray:
        """The sums (cells,), each the float64 nearest to the exact one."""
        raise NotImplementedError

    def fold(self, index: Array, size: int) -> ExactSum:
        """New sums of ``size`` cells: cell ``i`` of this one is added to cell ``index[i]``."""
        raise NotImplementedError

    def fresh(self) -> Self:
        """An empty sum."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Add another's sums cell by cell; the one with fewer cells is taken to hold 0 in the others."""
        raise NotImplementedError

    def to(self, device: Any) -> Self:
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """The limbs."""
        raise NotImplementedError

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        raise NotImplementedError
