"""The state of metric objects: an evaluation that is fed by hand, batch after batch.

The first batch decides what is gathered, as the input decides for an evaluation. A later batch that contradicts it
(logits where all before lay in [0, 1]) cannot be counted again with the earlier ones, so it is refused, and the error
names the keyword that says it from the start. A metric never means one thing for one batch and another for the next.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol, Self

from evalcli.errors import EmptyError, UsageError
from evalcli.inputs import Sides
from evalcli.modular.kinds import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import HostArray
    from evalcli.modular.setup import Setup


class Core(Protocol):
    """What is gathered, once the first batch has decided."""

    @property
    def form(self) -> tuple[Any, ...]:
        """What batches must share."""

    @property
    def shown(self) -> Evidence | None:
        """What the batches have shown of themselves."""

    def add(self, preds: Any, target: Any, weight: Any) -> None:
        """Count a batch."""

    def merge(self, other: Any) -> object:
        """Take in what another of this form has counted."""

    def values(self, names: tuple[str, ...]) -> dict[str, float]:
        """The metrics by name, NaN where they are undefined."""

    def to(self, device: Any) -> object:
        """Move what can be moved."""

    def state_dict(self) -> dict[str, HostArray]:
        """All of it as host arrays, with what is needed to begin again."""


class Running:
    """What one or several registered metrics of equal ``setup`` have seen. A state that merges by itself."""

    def __init__(self, setup: Setup, names: tuple[str, ...]) -> None:
        self.setup, self.names = setup, names
        self.kind = Kind("python")
        self.batches = 0
        self._core: Core | None = None
        self._values: dict[str, float] | None = None
        self._device: Any = None
        self._known: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether it has seen nothing."""
        return self._core is None

    def also(self, name: str) -> None:
        """Gather what ``name`` needs, too.

        Raises:
            UsageError: batches have come already.

        """
        if name in self.names:
            return
        if not self.is_empty:
            raise UsageError(f"{name} comes too late: batches have been counted", fix="reset first")
        self.names = (*self.names, name)

    def update(self, preds: Any, target: Any, weight: Any = None) -> None:
        """Take in a batch: whatever ``evalcli.evaluate`` reads as predictions and truth, in memory."""
        from evalcli.modular.cores import first_core

        if self._core is None:
            core = first_core(self.setup, self.names, Sides(preds, target, weight), self._known)
            if core is None:  # no row
                return
            if self._device is not None and not _lies_on(preds, self._device):
                core.to(self._device)  # else it follows its first batch
            core.add(preds, target, weight)
            self._core = core
        else:
            self._core.add(preds, target, weight)
        self.batches += 1
        self._values = None
        self.kind = kind_of(preds)

    def value(self, name: str) -> Any:
        """A metric of everything seen so far, as an array of the kind of the last batch; NaN: undefined.

        Raises:
            EmptyError: nothing was seen.
            InputError: rows that cannot be counted, or the kind of scores is in doubt.

        """
        if self._core is None:
            raise EmptyError(f"{name}: no batch yet", fix="call update first")
        if self._values is None:
            self._values = self._core.values(self.names)
        kind = self.kind if self._device is None or self.kind.library != "torch" else Kind("torch", str(self._device))
        return kind.scalar(self._values[name])

    def fresh(self) -> Self:
        """An empty one of the same setup, on the same device."""
        other = type(self)(self.setup, self.names)
        other._device, other.kind = self._device, self.kind
        return other

    def beside(self) -> Self:
        """An empty one that reads its batches as this one does, whatever they show by themselves."""
        other = self.fresh()
        other._known = self._known if self._core is None else self._core.shown
        return other

    def merge(self, other: Self) -> Self:
        """Take in another, in place.

        Raises:
            ValueError: it is of another setup, or what it has seen is of another form.

        """
        if self.setup != other.setup or {*self.names} != {*other.names}:
            raise ValueError("metrics of different options cannot merge")
        if other._core is None:
            return self
        if self._core is None:
            self._core = copy.deepcopy(other._core)
        elif self._core.form != other._core.form:
            raise ValueError(
                "one has seen batches of another kind, layout or dtype than the other; give all labels or all scores, "
                "of one shape and one dtype"
            )
        else:
            self._core.merge(other._core)
        self._values, self.kind = None, other.kind
        self.batches += other.batches
        return self

    def to(self, device: Any) -> Self:
        """Move to a device, in place; what lives on the host stays, and its results come back on the device.

        Raises:
            UsageError: there is no such device.

        """
        if str(device) not in {"cpu", "meta"}:
            from evalcli.engine import Execution, place

            place(Execution(device=f"cuda:{device}" if isinstance(device, int) else str(device), backend="torch"))
        self._device = device
        if self._core is not None:
            self._core.to(device)
        return self

    @property
    def device(self) -> str:
        """Where results are given."""
        return str(self._device) if self._device is not None else self.kind.device

    def state_dict(self) -> dict[str, HostArray]:
        """The state as host arrays."""
        return {} if self._core is None else self._core.state_dict()

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        from evalcli.modular.cores import saved_core

        self._values, self.batches = None, int(bool(state))
        self._core = saved_core(self.setup, self.names, state) if state else None
        if self._core is not None and self._device is not None:
            self._core.to(self._device)


def _lies_on(values: Any, device: Any) -> bool:
    """Whether ``values`` lie on a device, which may be named without its number."""
    where, wanted = str(getattr(values, "device", "")), str(device)
    return wanted in {where, where.partition(":")[0]}
