"""What processes that read one input together tell each other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Talk: TypeAlias = Callable[[Callable[[], bytes]], list[bytes]]


def said_by_all(talk: Talk | None, said: Any) -> list[Any]:
    """What all processes say, in their order; without ``talk`` there is only this one."""
    return [said] if talk is None else [json.loads(one) for one in talk(lambda: json.dumps(said).encode())]


_PLACE = re.compile(r"(?P<file>.*) (line|row) [0-9]+", re.DOTALL)


def by_file(places: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Places in words, each with what is there, in the order of their files, as ``resolve`` gives these.

    Rows of one file stay in their order.

    >>> by_file([("b.csv.gz line 7", 1), ("a.csv.gz line 9", 2), ("a.csv.gz line 12", 3)])[:2]
    [('a.csv.gz line 9', 2), ('a.csv.gz line 12', 3)]
    """
    return sorted(places, key=lambda one: "" if (found := _PLACE.fullmatch(one[0])) is None else found["file"])
