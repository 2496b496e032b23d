"""Numbers that are read off something unchanging, and asked for by the report, by means and by intervals."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

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
