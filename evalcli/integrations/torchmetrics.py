"""Any ``torchmetrics.Metric`` where one of ours may stand: batched, merged by its own reductions, saved.

>>> from torchmetrics.classification import MulticlassCohenKappa
>>> import evalcli
>>> report = evalcli.evaluate([0, 1, 2, 2], [0, 1, 1, 2], own=[MulticlassCohenKappa(num_classes=3)])
>>> round(report["MulticlassCohenKappa"], 4), round(report["kappa"], 4)
(0.6364, 0.6364)
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from evalcli.metrics.arrays import tensor_of
from evalcli.metrics.base import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray


class Adapted(Metric):
    """A metric of torchmetrics. What it was given before, it keeps; ``fresh`` is one without."""

    def __init__(self, metric: Any) -> None:
        super().__init__()
        self.metric = copy.deepcopy(metric)

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # nobody sets it
        """What it says of itself."""
        found: bool | None = getattr(self.metric, "higher_is_better", None)
        return found

    def update(self, preds: Any, target: Any) -> None:
        """Give it a batch, as tensors where the metric lies.

        Raises:
            NotImplementedError: it was merged, and has states that can then only be computed.

        """
        for name, reduce in self.metric._reductions.items():
            if reduce is None and getattr(getattr(self.metric, name), "ndim", 0) > getattr(
                self.metric._defaults[name], "ndim", 0
            ):
                raise NotImplementedError(f"{type(self.metric).__name__} takes no batch once it was merged")
        self.metric.update(*(tensor_of(side, self.metric.device) for side in (preds, target)))

    def compute(self) -> Any:
        """Its result."""
        return self.metric.compute()

    def reset(self) -> None:
        """Forget every batch."""
        self.metric.reset()

    def fresh(self) -> Self:
        """An empty one of the same configuration."""
        other = type(self)(self.metric)
        other.reset()
        return other

    def merge(self, other: Self) -> Self:
        """Take in another, state by state, as its own reduction for several processes does."""
        mine, theirs = self.metric, other.metric
        if mine._update_count == 0 or theirs._update_count == 0:
            if theirs._update_count:
                self.metric = copy.deepcopy(theirs)
            return self
        counts = mine._update_count, theirs._update_count
        for name, reduce in mine._reductions.items():
            start = getattr(mine._defaults[name], "ndim", 0)
            setattr(mine, name, _merged((getattr(mine, name), getattr(theirs, name)), reduce, counts, start))
        mine._update_count = sum(counts)
        mine._computed = None
        for inner, other_inner in zip(_inner(mine), _inner(theirs), strict=True):
            merged = type(self)(inner).merge(type(self)(other_inner)).metric
            inner.__dict__.update(merged.__dict__)
        return self

    def to(self, device: Any) -> Self:
        """Move it."""
        self.metric = self.metric.to(device)
        return self

    @property
    def device(self) -> Any:
        """Where it lies."""
        return self.metric.device

    def state_dict(self) -> dict[str, HostArray]:
        """Its states as host arrays; parts of a list by their number, those of metrics inside by theirs."""
        found: dict[str, HostArray] = {_UPDATES: np.array(self.metric._update_count)}
        for name in self.metric._reductions:
            held = getattr(self.metric, name)
            if isinstance(held, list):
                found |= {f"{name}.{i}": _host(part) for i, part in enumerate(held)}
            else:
                found[name] = _host(held)
        for number, inner in enumerate(_inner(self.metric)):
            state = type(self)(inner).state_dict()
            found |= {f"{_INSIDE}.{number}.{name}": array for name, array in state.items()}
        return found

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            ValueError: anything else.

        """
        self.reset()
        rest = dict(state)
        updates = rest.pop(_UPDATES, np.array(-1))
        if updates.shape != () or updates.dtype.kind != "i" or updates < 0:
            raise ValueError("the saved metric does not say how many batches it was given")
        for number, inner in enumerate(_inner(self.metric)):
            within = f"{_INSIDE}.{number}."
            other = type(self)(inner)
            other.load_state_dict({key[len(within) :]: rest.pop(key) for key in [*rest] if key.startswith(within)})
            inner.__dict__.update(other.metric.__dict__)
        for name, default in self.metric._defaults.items():
            held = _numbered(name, rest) if isinstance(default, list) else self._one(name, rest, default)
            setattr(self.metric, name, held)
        if rest:
            raise ValueError(f"{type(self.metric).__name__} has no state {min(rest)!r}")
        self.metric._update_count = int(updates)
        self.metric._computed = None

    def _one(self, name: str, rest: dict[str, HostArray], default: Any) -> Any:
        """A saved tensor in place of ``default``; side by side with others where that is how it merges."""
        if name not in rest:
            raise ValueError(f"the saved {type(self.metric).__name__} lacks its state {name!r}")
        held, reduce = _tensor_of(rest.pop(name)).to(self.metric.device), self.metric._reductions[name]
        beside = reduce is None and held.shape[1:] == default.shape
        keeps = reduce is None or getattr(reduce, "__name__", "") in _KEEP_SHAPE
        if keeps and not beside and held.shape != default.shape:
            raise ValueError(f"the saved state {name!r} has the shape {tuple(held.shape)}, not {tuple(default.shape)}")
        return held


_KEEP_SHAPE = {"dim_zero_sum", "dim_zero_mean", "dim_zero_max", "dim_zero_min"}
"""Reductions that leave a state as long as it was."""
_UPDATES = "updates"
_INSIDE = "inside"


def _host(held: Any) -> HostArray:
    """A copy of a tensor on the host."""
    held = held.detach().cpu()
    if held.dtype == torch.bfloat16:
        import ml_dtypes

        found: HostArray = held.view(torch.uint16).numpy().view(ml_dtypes.bfloat16).copy()
        return found
    copied: HostArray = held.numpy().copy()
    return copied


def _tensor_of(array: HostArray) -> Any:
    array = np.array(array)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _numbered(name: str, rest: dict[str, HostArray]) -> list[Any]:
    """The parts of a list, in order."""
    found: list[Any] = []
    while (key := f"{name}.{len(found)}") in rest:
        found.append(_tensor_of(rest.pop(key)))
    return found


def _inner(metric: Any) -> list[Any]:
    """Metrics inside a metric, which has no states of their values itself."""
    from torchmetrics import Metric as Theirs

    return [inner for inner in metric.children() if isinstance(inner, Theirs)]


def _merged(both: tuple[Any, Any], reduce: Any, counts: tuple[int, int], axes: int) -> Any:
    """Two values of one state, which has so many ``axes``, under its reduction."""
    from torchmetrics.utilities.data import dim_zero_cat, dim_zero_mean, dim_zero_sum

    mine, theirs = both
    if isinstance(mine, list):
        return [*mine, *theirs]
    if reduce is dim_zero_sum:
        return mine + theirs
    if reduce is dim_zero_mean:
        return (mine * counts[0] + theirs * counts[1]) / sum(counts)
    if reduce is None:  # side by side, as a gathering of processes leaves them: compute knows what to do
        return torch.cat([part if part.ndim > axes else part[None] for part in both])
    return torch.cat(both) if reduce is dim_zero_cat else reduce(torch.stack(both))
