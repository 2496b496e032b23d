"""How often the host waits for torch: the CPU stands in for a GPU."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITING = (
    "aten._local_scalar_dense",
    "aten.is_nonzero",
    "aten.equal.",
    "aten.nonzero",
    "aten._unique2",
    "aten.unique_",
    "aten.masked_select",
    "aten.repeat_interleave.Tensor",
)
"""What cannot be computed before a device has done all that was asked of it: a number, or how many there are."""


def _waits(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether a GPU would have to be waited for."""
    import torch

    name = str(func)
    if name.startswith(("aten.index.", "aten.index_put")):
        return any(part is not None and part.dtype in {torch.bool, torch.uint8} for part in args[1])
    if name.startswith("aten._to_copy"):
        return kwargs.get("device") not in {None, args[0].device}
    return name.startswith(WAITING)


@contextmanager
def waits_for_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How often the host waits for torch, so far."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    waits = [0]

    def counting(method: Any) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            waits[0] += 1
            return method(*args, **kwargs)

        return called

    class Waits(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            waits[0] += _waits(func, args, kwargs or {})
            return func(*args, **(kwargs or {}))

    with monkeypatch.context() as patched, Waits():
        for name in ("cpu", "numpy", "tolist", "item", "__array__"):
            patched.setattr(torch.Tensor, name, counting(getattr(torch.Tensor, name)))
        yield waits


def waits_in_batches(monkeypatch: pytest.MonkeyPatch, source: Any, count: Callable[[], object]) -> list[int]:
    """How often the host waits for torch in each batch of a ``source`` but the first, while one worker counts it."""
    before: list[int] = []
    plan = type(source).plan
    with waits_for_torch(monkeypatch) as waits, monkeypatch.context() as patched:

        def told(self: Any, size: int) -> Iterator[Any]:
            for load in plan(self, size):
                before.append(waits[0])
                yield load
            before.append(waits[0])

        patched.setattr(type(source), "plan", told)
        count()
    return [after - one for one, after in pairwise(before[1:])]
