"""What every metric is: named states that add up.

A metric declares its states, updates them from batches, merges with another of its kind and computes its result. The
same ``merge`` serves threads, processes, machines and saved parts.

>>> import numpy as np
>>> class MeanSquaredError(Metric):
...     def __init__(self):
...         super().__init__()
...         self.add_state("sum_squared_error", default=0.0)
...         self.add_state("rows", default=0)
...
...     def update(self, preds, target):
...         self.sum_squared_error += float(((preds - target) ** 2).sum())
...         self.rows += target.size
...
...     def compute(self):
...         return self.sum_squared_error / self.rows
>>> first, second = MeanSquaredError(), MeanSquaredError()
>>> first.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
>>> second.update(np.array([3.0]), np.array([3.5]))
>>> first.merge(second).compute()
1.4166666666666667

States of integers, ``min``, ``max`` and ``ExactSum`` merge to the same bits in any order and grouping. A plain float
sum rounds at every step, so its last bits may depend on the order; a ``cat`` state keeps the order it was given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np

from evalcli.metrics.arrays import asnumpy, is_host, like, namespace, to_device
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.operators import Operators
from evalcli.metrics.ranks import alone, is_alone, is_distributed, over_ranks

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

Reduce = Literal["sum", "mean", "min", "max", "cat"] | Callable[[Any, Any], Any]

_ROWS = "mean_rows"
"""The state that says how many rows a ``mean`` is of."""


@runtime_checkable
class Mergeable(Protocol):
    """A state that knows itself how to merge: ``ExactSum``, or a whole ``Metric`` inside another."""

    def fresh(self) -> Self:
        """An empty one of the same configuration."""

    def merge(self, other: Self) -> Self:
        """Take in another, in place."""

    def to(self, device: Any) -> Self:
        """Move to a device, in place."""

    def state_dict(self) -> dict[str, HostArray]:
        """The state as host arrays."""

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""


_UNCHANGING = frozenset({int, float, bool, str, type(None)})
"""What may be shared, and need not be copied."""
_MERGES: dict[type, bool] = {}
"""Which kinds of values know themselves how to merge: asked of each kind once, for a look at all it has takes long."""


def _merges(value: object) -> bool:
    kind = type(value)
    if kind not in _MERGES:
        _MERGES[kind] = issubclass(kind, Mergeable)
    return _MERGES[kind]


def _sum(mine: Any, theirs: Any) -> Any:
    return mine + theirs


def _least(mine: Any, theirs: Any) -> Any:
    return namespace(mine, theirs).minimum(mine, theirs) if hasattr(mine, "shape") else min(mine, theirs)


def _greatest(mine: Any, theirs: Any) -> Any:
    return namespace(mine, theirs).maximum(mine, theirs) if hasattr(mine, "shape") else max(mine, theirs)


_HERE = frozenset({int, float, np.ndarray})
"""What adds up as it is: most of what merges, in groups of a few rows by the thousand."""
REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {"sum": _sum, "min": _least, "max": _greatest, "cat": _sum}


def _mean(mine: Any, theirs: Any, rows: tuple[int, int]) -> Any:
    """The mean of two means of so many rows each."""
    if not rows[1]:
        return mine
    return (mine * rows[0] + theirs * rows[1]) / (rows[0] + rows[1]) if rows[0] else _copy_of(theirs)


def _stacked(combine: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A reduction of states that lie in one tensor, as torchmetrics has it, as one of two states."""

    def merged(mine: Any, theirs: Any) -> Any:
        import torch

        return combine(torch.stack([torch.as_tensor(mine), torch.as_tensor(theirs)]))

    return merged


def _by_rows(update: Callable[..., None]) -> Callable[..., None]:
    """``update``, where there is a ``mean`` on a metric that has seen nothing, which is then merged by its rows."""

    @wraps(update)
    def updated(self: Metric, *args: Any, **kwargs: Any) -> None:
        if _ROWS not in self._defaults or getattr(self, _ROWS) < 0:
            update(self, *args, **kwargs)
            return
        batch = self.fresh()
        setattr(batch, _ROWS, -1)  # it is counting
        update(batch, *args, **kwargs)
        first = next(iter((*args, *kwargs.values())), ())
        setattr(batch, _ROWS, len(first) if hasattr(first, "__len__") else 1)
        self.merge(batch)

    return updated


class Metric(Operators):
    """The base of all states and metrics. Subclasses call ``add_state`` and write ``update`` and ``compute``."""

    _defaults: dict[str, Any]
    _reduces: dict[str, Reduce]

    higher_is_better: bool | None = None
    """Whether larger values are better, which drops and the worst slice go by; ``None``: not known."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Make room for the states even where a subclass forgets ``super().__init__()``."""
        self = super().__new__(cls)
        self._defaults, self._reduces = {}, {}
        return self

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "update" in cls.__dict__:
            cls.update = _by_rows(cls.__dict__["update"])  # type: ignore[method-assign]

    def add_state(
        self, name: str, default: Any, reduce: Reduce = "sum", *, dist_reduce_fx: Reduce | None = None
    ) -> None:
        """Declare the state ``self.name``: an array, a number, a list (``cat``) or something mergeable itself.

        ``reduce`` says how two of them merge; a callable takes (mine, theirs) and returns the merged state. A ``mean``
        is that of what each batch gave, by its rows. ``dist_reduce_fx`` is what torchmetrics calls it, whose callables
        take both states in one tensor.
        """
        if dist_reduce_fx is not None:
            reduce = _stacked(dist_reduce_fx) if callable(dist_reduce_fx) else dist_reduce_fx  # type: ignore[arg-type]
        if not name.isidentifier() or hasattr(self, name):
            raise ValueError(f"{name!r} cannot name a state of {type(self).__name__}: not an identifier, or taken")
        if not callable(reduce) and reduce not in {*REDUCTIONS, "mean"}:
            raise ValueError(f"reduce must be one of mean, {', '.join(REDUCTIONS)} or a callable, not {reduce!r}")
        if (reduce == "cat") != isinstance(default, list):
            raise ValueError("a cat state starts as a list, and only a cat state does")
        if reduce == "mean":
            if _ROWS not in self._defaults:
                self.add_state(_ROWS, 0)
            default = float(default) if isinstance(default, int) else default
        self._defaults[name] = default
        self._reduces[name] = reduce
        setattr(self, name, _copy_of(default))

    def update(self, *_args: Any, **_kwargs: Any) -> None:
        """Take in one batch: ``update(preds, target, weight=None, repeats=None)``, the last two only where they are."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def compute(self) -> Any:
        """The result of everything seen so far; changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define compute")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch, as ``update`` does, and give the value of this batch alone."""
        batch = self.fresh()
        for name in self._defaults:
            if hasattr(state := getattr(self, name), "beside"):
                setattr(batch, name, state.beside())
        batch.update(*args, **kwargs)
        self.merge(batch)
        with alone():
            return batch.compute()

    @property
    def device(self) -> Any:
        """Where the states lie: a ``torch.device``, or ``"cpu"`` for numpy and plain numbers."""
        for name in self._defaults:
            found = getattr(getattr(self, name), "device", None)
            if found is not None:
                return found
        return "cpu"

    def sync(self, group: Any = None) -> Self:
        """A metric that has seen what all ranks of ``torch.distributed`` have seen; this one stays as it is.

        All ranks must call it. Without several ranks it is a copy.
        """
        return over_ranks(self, group) if is_distributed() else copy.deepcopy(self)

    def gathered(self) -> Self:
        """What ``compute`` of registered metrics, collections and expressions reads: all ranks, where there are any."""
        return over_ranks(self) if is_distributed() and not is_alone() else self

    def reset(self) -> None:
        """Forget every batch."""
        for name, default in self._defaults.items():
            setattr(self, name, _copy_of(default))

    def fresh(self) -> Self:
        """An empty metric of the same configuration, on the same device: the identity of ``merge``."""
        other = type(self).__new__(type(self))
        shared, own = {"_defaults", "_reduces", *self._defaults}, {}
        for name, value in self.__dict__.items():
            if type(value) in _UNCHANGING:
                other.__dict__[name] = value
            elif name not in shared:
                own[name] = value
        other.__dict__.update(copy.deepcopy(own) if own else own)
        other._defaults, other._reduces = dict(self._defaults), dict(self._reduces)
        other.reset()
        return other

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has seen; ``other`` stays as it is. In place, returns ``self``."""
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} cannot merge a {type(other).__name__}")
        rows = (getattr(self, _ROWS), getattr(other, _ROWS)) if _ROWS in self._defaults else (0, 0)
        for name, reduce in self._reduces.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if _merges(mine):
                mine.merge(theirs)
            elif reduce == "sum" and type(mine) is type(theirs) and type(mine) in _HERE:
                setattr(self, name, mine + theirs)
            elif reduce == "mean":
                setattr(self, name, _mean(*_together(mine, theirs), rows))
            else:
                combine = reduce if callable(reduce) else REDUCTIONS[reduce]
                setattr(self, name, combine(*_together(mine, theirs)))
        return self

    def to(self, device: Any) -> Self:
        """Move every state to ``device`` (``cpu``, ``cuda:0``, …). In place, returns ``self``."""
        self._defaults = {name: _moved(default, device) for name, default in self._defaults.items()}
        for name in self._defaults:
            setattr(self, name, _moved(getattr(self, name), device))
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """Every state as a host array, ready to be saved; nested states as ``outer.inner``."""
        state: dict[str, HostArray] = {}
        for name in self._defaults:
            value = getattr(self, name)
            if _merges(value):
                state |= {f"{name}.{inner}": array for inner, array in value.state_dict().items()}
            elif isinstance(value, list):
                if value:
                    state[name] = np.concatenate([np.atleast_1d(asnumpy(part)) for part in value])
            else:
                state[name] = np.array(asnumpy(value))
        return state

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave; what was seen before is forgotten.

        Raises: ``ValueError`` for what ``state_dict`` of such a metric cannot have given.
        """
        parts: dict[str, dict[str, HostArray]] = {}
        for key, array in state.items():
            name, inside, inner = key.partition(".")
            if name not in self._defaults:
                raise ValueError(f"{type(self).__name__} has no state {key!r}")
            if inside:
                parts.setdefault(name, {})[inner] = array
        for name, default in self._defaults.items():
            loaded: Any
            if _merges(default):
                loaded = default.fresh()
                loaded.load_state_dict(parts.get(name, {}))
            elif isinstance(default, list):
                loaded = [np.array(state[name])] if name in state else []
            elif name not in state:
                raise ValueError(f"the saved {type(self).__name__} lacks its state {name!r}")
            else:
                loaded = _loaded(name, state[name], default)
            setattr(self, name, loaded)


class Saveable(Protocol):
    """What can be written as arrays and taken over again."""

    def state_dict(self) -> dict[str, HostArray]:
        """The state as host arrays."""

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""


class Settles(Protocol):
    """What puts off work until somebody asks for its result."""

    def settle(self) -> None:
        """Do it now."""


def saved_states(states: Mapping[str, Saveable]) -> dict[str, HostArray]:
    """Several states as arrays, each array under ``state.name``."""
    return {f"{key}.{name}": array for key, state in states.items() for name, array in state.state_dict().items()}


def restore_states(states: Mapping[str, Saveable], saved: Mapping[str, HostArray]) -> None:
    """Take over what ``saved_states`` of the same ones gave.

    Raises: ``ValueError`` for anything else.
    """
    parts: dict[str, dict[str, HostArray]] = {key: {} for key in states}
    for key, array in saved.items():
        part, _, name = key.partition(".")
        if part not in parts:
            raise ValueError(f"there is no state {key!r} here")
        parts[part][name] = array
    for key, state in states.items():
        state.load_state_dict(parts[key])
        if isinstance(state, Metric):
            _check_lengths(state)


def _check_lengths(metric: Metric) -> None:
    """Refuse sums and counts of other lengths than a fresh metric has: none of those saved so ever grows."""
    for name, default in metric._defaults.items():
        loaded = getattr(metric, name)
        wanted, found = (one.cells if isinstance(one, ExactSum) else np.shape(one) for one in (default, loaded))
        if wanted != found:
            raise ValueError(f"the saved state {name!r} has the shape {found}, not {wanted}")


def _together(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Two states where the first is, or where the second is when the first is a plain number."""
    if hasattr(mine, "shape"):
        return mine, like(theirs, mine)
    return (like(mine, theirs), theirs) if hasattr(theirs, "shape") else (mine, theirs)


def _loaded(name: str, array: HostArray, default: Any) -> Any:
    """A saved array in place of ``default``, which says of what type it must be; its lengths may have grown."""
    wanted = np.asarray(asnumpy(default))
    if array.ndim != wanted.ndim or array.dtype.kind != wanted.dtype.kind:
        raise ValueError(f"the saved state {name!r} has the shape {array.shape} and the type {array.dtype}")
    return like(np.array(array), default) if hasattr(default, "shape") else array.item()


def _moved(state: Any, device: Any) -> Any:
    if _merges(state):
        return state.to(device)
    return [_moved(part, device) for part in state] if isinstance(state, list) else to_device(state, device)


def _copy_of(default: Any) -> Any:
    """The start of a state, that no two metrics share."""
    if type(default) in _UNCHANGING:
        return default
    if _merges(default):
        return default.fresh()
    if type(default) is np.ndarray and default.dtype.kind != "O":
        return default.copy(order="K")
    return copy.deepcopy(default) if is_host(default) or isinstance(default, list) else default.clone()
