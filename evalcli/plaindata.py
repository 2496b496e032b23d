"""Frozen values as JSON types and back, each part checked against the type that its class declares.

>>> from evalcli.layout import Layout
>>> plain(Layout("columns", width=3))["width"], fitted(Layout, plain(Layout("columns", width=3))).width
(3, 3)
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_LARGEST = 1 << 63


def plain(value: Any) -> Any:
    """``value`` as JSON types: objects for dataclasses and named tuples, lists for tuples and sets."""
    names = _names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return sorted(value) if isinstance(value, frozenset) else value


def fitted(kind: type[T], value: Any) -> T:
    """What ``plain`` of a ``kind`` gave, as a ``kind`` again.

    Raises: ``ValueError`` for anything else: a part that is missing, unknown or of another type.
    """
    found: T = _fitted(kind, value, kind.__name__)
    return found


def _names(kind: type) -> tuple[str, ...] | None:
    if is_dataclass(kind):
        return tuple(one.name for one in fields(kind))
    return tuple(kind._fields) if hasattr(kind, "_fields") else None


@cache
def _hints(kind: type) -> dict[str, Any]:
    from evalcli.threshold import Chosen  # named in annotations of a module that imports them for these alone
    from evalcli.uncertainty.intervals import Confidence

    return get_type_hints(kind, localns={"Chosen": Chosen, "Confidence": Confidence})


def _fitted(hint: Any, value: Any, place: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        if value is None and NoneType in inner:
            return None
        return _fitted(next(one for one in inner if one is not NoneType), value, place)
    if origin is Literal:
        return _require(value in inner and isinstance(value, str), value, place)
    if origin in {tuple, frozenset}:
        return _sequence(origin, inner, value, place)
    names = _names(hint)
    if names is not None:
        _require(isinstance(value, dict) and {*value} == {*names}, value, place)
        return hint(**{name: _fitted(_hints(hint)[name], value[name], f"{place}.{name}") for name in names})
    if hint is float:
        fits = isinstance(value, float | int) and not isinstance(value, bool)
        return float(_require(fits and abs(value) < _LARGEST and isfinite(value), value, place))
    if hint is int:
        return _require(type(value) is int and abs(value) < _LARGEST, value, place)
    return _require(type(value) is hint, value, place)


def _sequence(origin: type, inner: tuple[Any, ...], value: Any, place: str) -> Any:
    _require(isinstance(value, list), value, place)
    if inner[0] is str and (origin is frozenset or inner[-1] is Ellipsis):  # names of classes: there may be many
        _require(all(type(one) is str for one in value), value[:3], place)
        return origin(value)
    if origin is frozenset or inner[-1] is Ellipsis:
        return origin(_fitted(inner[0], one, place) for one in value)
    _require(len(value) == len(inner), value, place)
    return tuple(_fitted(one, part, place) for one, part in zip(inner, value, strict=True))


def _require(fits: bool, value: Any, place: str) -> Any:
    if not fits:
        raise ValueError(f"{place} is {str(value)[:40]!r}")
    return value
