"""The states of the caller's own metrics as arrays: what a part holds of them, and what ranks send.

Whoever reads rows makes one contribution: the files and rows that it is of, and the state of each metric. Adding up
parts lays their contributions side by side, in the order of the names of the files; only a report merges them, one
after the other in that order. So no order and no tree of merges shows in the result, and adding up runs no strange
code.

Arrays are called ``contribution.metric.state``, the first two by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError, UsageError
from evalcli.metrics.base import Metric
from evalcli.own import Failure, failure_of, plain_values
from evalcli.partfile import writable
from evalcli.sources.base import InputFile  # noqa: TC001  # the reader of parts looks at annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.own import OwnMetric, OwnPass
    from evalcli.sources.base import Array

    State = Mapping[str, Array]

_LENGTHS = ".lengths"
"""What the lengths of the pieces of a ``cat`` state are called behind its name."""


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
class Contribution:
    """The rows that states are of, and which metrics failed over them."""

    inputs: tuple[InputFile, ...]
    failures: tuple[Failure, ...]

    def key(self) -> tuple[Any, ...]:
        """Where it stands among others."""
        return tuple((one.side == "target", one.path, one.digest, one.size, one.rows or (0, 0)) for one in self.inputs)


class Contributed(NamedTuple):
    """A contribution, and the states of the metrics by name, but for those that failed."""

    contribution: Contribution
    states: Mapping[str, State]


@dataclass(frozen=True, slots=True)
class OwnStates:
    """All contributions, in order."""

    names: tuple[OwnName, ...] = ()
    contributed: tuple[Contributed, ...] = ()

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """Them without their arrays."""
        return tuple(one.contribution for one in self.contributed)

    def failures(self) -> tuple[Failure, ...]:
        """What failed first of each metric."""
        every = [one for each in self.contributions for one in each.failures]
        return tuple({one.name: one for one in every[::-1]}.values())

    def beside(self, other: OwnStates) -> OwnStates:
        """Those of both."""
        return OwnStates(self.names, in_order((*self.contributed, *other.contributed)))

    def state_dict(self) -> dict[str, Array]:
        """Every array under its name."""
        place = {one.name: number for number, one in enumerate(self.names)}
        return {
            f"{number}.{place[name]}.{key}": array
            for number, (_, states) in enumerate(self.contributed)
            for name, state in states.items()
            for key, array in state.items()
        }

    def values(
        self, metrics: Sequence[OwnMetric], path: str
    ) -> tuple[dict[str, dict[str, float]], tuple[Failure, ...]]:
        """What each of the ``metrics`` computes, and what failed. ``path`` is what errors call the states.

        Raises:
            InputError: there is a metric too many or too few, or states are not those of their metric.

        """
        self._check(metrics, path)
        found: dict[str, dict[str, float]] = {}
        failures: list[Failure] = []
        early = {one.name: one for one in self.failures()}
        for own in metrics:
            if own.name in early:
                failures.append(early[own.name])
                continue
            parts = [_loaded(own, states[own.name], path) for _, states in self.contributed]
            try:
                total = own.metric.fresh()
                for part in parts:
                    total.merge(part)
                found[own.name] = plain_values(total.compute())
            except Exception as e:  # a stranger's code raises what it likes
                failures.append(failure_of(own.name, e, own.file))
        return found, tuple(failures)

    def _check(self, metrics: Sequence[OwnMetric], path: str) -> None:
        held, asked = {one.name: one for one in self.names}, {one.name: one for one in metrics}
        for name, one in held.items():
            if name not in asked:
                what = f"{name} was counted, and nothing says how to compute it"
                raise InputError(what, fix=f"add {one.address()}", path=path)
        for name, metric in asked.items():
            if name not in held:
                there = ", ".join(held) or "none"
                what = f"--metric {name}: no states of it were counted (there are: {there})"
                raise InputError(what, fix="write all parts with this --metric", path=path)
            if held[name].made and metric.made and held[name].made != metric.made:
                what = f"{name} was counted as {held[name].made}, and is to be computed as {metric.made}"
                raise InputError(what, fix=f"merge with {held[name].address()}", path=path)


NONE = OwnStates()
"""No metrics of the caller's own."""


def names_of(metrics: Iterable[OwnMetric]) -> tuple[OwnName, ...]:
    """The metrics as they were asked for, by name."""
    return tuple(sorted((OwnName(one.name, one.made) for one in metrics), key=lambda one: one.name))


def in_order(contributed: Iterable[Contributed]) -> tuple[Contributed, ...]:
    """In the order of their rows."""
    return tuple(sorted(contributed, key=lambda one: one.contribution.key()))


def contributed(own: OwnPass, inputs: tuple[InputFile, ...]) -> OwnStates:
    """What was gathered of the rows of ``inputs``.

    Raises:
        UsageError: a metric whose state cannot be written.

    """
    totals = own.totals()
    states = {one.name: _state(one, totals[one.name]) for one in own.own.metrics if one.name in totals}
    return OwnStates(names_of(own.own.metrics), (Contributed(Contribution(inputs, own.failed()), states),))


def restored(
    names: tuple[OwnName, ...], contributions: tuple[Contribution, ...], arrays: Mapping[str, Array]
) -> OwnStates:
    """What ``state_dict`` of such states gave, as states again.

    Raises: ``ValueError`` for anything else. What the arrays mean is for their metric to judge.
    """
    known = [one.name for one in names]
    if known != sorted({*known}) or bool(known) != bool(contributions):
        raise ValueError("its own metrics are not in order")
    states: list[dict[str, dict[str, Array]]] = []
    for each in contributions:
        failed = [one.name for one in each.failures]
        if len({*failed}) != len(failed) or {*failed} - {*known}:
            raise ValueError("a contribution to its own metrics is of no rows, or of other metrics")
        states.append({name: {} for name in known if name not in failed})
    places = {
        f"{number}.{place}": (number, name) for number, _ in enumerate(states) for place, name in enumerate(known)
    }
    for key, array in arrays.items():
        first, _, rest = key.partition(".")
        second, _, name = rest.partition(".")
        number, metric = places.get(f"{first}.{second}", (0, ""))
        if metric not in (states[number] if states else {}):
            raise ValueError(f"there is no own metric with the state {key!r}")
        states[number][metric][name] = array
    found = tuple(Contributed(*both) for both in zip(contributions, states, strict=True))
    if len({one.contribution.key() for one in found}) != len(found) or found != in_order(found):
        raise ValueError("the contributions to its own metrics are not in order")
    return OwnStates(names, found)


def _state(own: OwnMetric, total: Any) -> dict[str, Array]:
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


def _loaded(own: OwnMetric, state: State, path: str) -> Any:
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
