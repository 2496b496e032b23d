"""The state of one of the caller's own metrics as arrays, and the metric from them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError, UsageError
from evalcli.metrics.base import Metric
from evalcli.partfile import writable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.own.metrics import OwnMetric
    from evalcli.sources.base import Array

    State = Mapping[str, Array]

_LENGTHS = ".lengths"
"""What the lengths of the pieces of a ``cat`` state are called behind its name."""


def state_of(own: OwnMetric, total: Any) -> dict[str, Array]:
    """The state of a metric as arrays from which it comes back.

    Raises:
        UsageError: there is none.

    """
    try:
        _check_outside(own.metric, total)
        found: dict[str, Array] = dict(total.state_dict())
        for name in _lists(total):
            found[name + _LENGTHS] = _lengths(name, getattr(total, name))
        for name, array in found.items():
            if not writable(array):
                raise TypeError(f"state {name!r} is an array of {array.dtype} of shape {array.shape}")
        _load(own.metric, found)
    except Exception as e:
        what = f"--metric {own.name}: its state cannot be written as arrays: {str(e).partition(chr(10))[0]}"
        fix = "keep numbers and arrays of numbers in states of add_state, or read all rows in one run"
        raise UsageError(what, fix=fix) from e
    return found


def _check_outside(empty: Any, total: Any) -> None:
    """Refuse a metric that merges what is in none of its states."""
    kind = type(total)
    if kind.merge is Metric.merge or kind.state_dict is not Metric.state_dict:
        return
    start = vars(empty.fresh())
    for name, value in vars(total).items():
        if name not in {"_defaults", "_reduces", *total._defaults} and not _equal(value, start.get(name)):
            raise TypeError(f"{name!r} is merged and is no state")


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(np.array_equal(one, other))
    except Exception:  # what cannot be compared
        return False


def _lists(metric: Any) -> list[str]:
    """The ``cat`` states of one of our metrics; others save theirs themselves."""
    if type(metric).state_dict is not Metric.state_dict:
        return []
    return [name for name, default in metric._defaults.items() if isinstance(default, list)]


def _lengths(name: str, parts: Sequence[Any]) -> Array:
    """The length of each piece of a list, −1 for a single number."""
    for part in parts:
        if not isinstance(part, (bool, int, float, np.ndarray, np.generic)):
            raise TypeError(f"state {name!r} holds a {type(part).__name__}")
    return np.array([len(part) if np.ndim(part) else -1 for part in parts], np.int64)


def loaded(own: OwnMetric, state: State, path: str) -> Any:
    """The metric with this state.

    Raises:
        InputError: it is not its state.

    """
    try:
        return _load(own.metric, state)
    except Exception as e:
        what = f"the states of {own.name} are not those of this metric: {str(e).partition(chr(10))[0]}"
        raise InputError(what, fix="merge with the metric that has counted them", path=path) from e


def _load(metric: Any, state: State) -> Any:
    """A metric with this state.

    Raises: ``ValueError``, or what the metric raises, where it is not its state.
    """
    found = metric.fresh()
    lists = _lists(found)
    rest = {key: array for key, array in state.items() if key not in {name + _LENGTHS for name in lists}}
    for name, default in found._defaults.items():
        if _counts(default) and name in rest and rest[name].dtype.kind == "f":  # a sum that began as 0
            found._defaults[name] = default * 1.0
    found.load_state_dict(rest)
    for name in lists:
        held = getattr(found, name)
        setattr(found, name, _pieces(held[0] if held else np.zeros(0), state[name + _LENGTHS]))
    return found


def _counts(default: Any) -> bool:
    return isinstance(default, (int, np.ndarray, np.generic)) and np.asarray(default).dtype.kind in "iu"


def _pieces(whole: Array, lengths: Array) -> list[Any]:
    """The pieces of a list that was written as one."""
    sizes = np.abs(lengths)
    if lengths.dtype != np.int64 or lengths.ndim != 1 or (lengths < -1).any() or sum(sizes.tolist()) != len(whole):
        raise ValueError("a list is not as long as its pieces")
    ends = np.cumsum(sizes).tolist()
    cut = zip(ends, sizes.tolist(), lengths.tolist(), strict=True)
    return [whole[stop - 1].item() if length < 0 else whole[stop - size : stop] for stop, size, length in cut]
