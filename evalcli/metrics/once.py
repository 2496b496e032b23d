"""Numbers that are read off something unchanging, and asked for by the report, by means and by intervals."""

from __future__ import annotations

from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable


class Remembering(Protocol):
    """What keeps the numbers that were read off it."""

    @property
    def known(self) -> dict[Any, Any]:
        """The numbers, by what they were asked for with."""


R = TypeVar("R", bound=Remembering)
P = ParamSpec("P")
V = TypeVar("V")


def once(formula: Callable[Concatenate[R, P], V]) -> Callable[Concatenate[R, P], V]:
    """The ``formula``, computed once for each set of parameters: what it reads keeps its value."""

    @wraps(formula)
    def remembered(held: R, /, *args: P.args, **kwargs: P.kwargs) -> V:
        asked = (formula, args, tuple(kwargs.items()))
        if asked not in held.known:
            held.known[asked] = formula(held, *args, **kwargs)
        found: V = held.known[asked]
        return found

    return remembered


class CachedProperty(Generic[V]):
    """What a property computes, once for each object.

    ``functools.cached_property`` lets only one thread at a time compute it for any object at all before Python 3.12, so
    that two models waited for each other. Of one object a second thread waits here, too.
    """

    def __init__(self, function: Callable[[Any], V]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._lock = name, f"lock of {name}"

    @overload
    def __get__(self, held: None, owner: type) -> Self: ...

    @overload
    def __get__(self, held: object, owner: type) -> V: ...

    def __get__(self, held: object | None, owner: type) -> Self | V:
        if held is None:
            return self
        kept = held.__dict__
        with kept.setdefault(self._lock, RLock()):
            try:
                if self._name not in kept:
                    kept[self._name] = self._function(held)
            finally:
                kept.pop(self._lock, None)
        found: V = kept[self._name]
        return found
