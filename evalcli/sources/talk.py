"""What processes that read one input together tell each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Talk: TypeAlias = Callable[[Callable[[], bytes]], list[bytes]]


def said_by_all(talk: Talk | None, said: Any) -> list[Any]:
    """What all processes say, in their order; without ``talk`` there is only this one."""
    return [said] if talk is None else [json.loads(one) for one in talk(lambda: json.dumps(said).encode())]
