"""Many like pieces of work, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = TypeVar("A")
B = TypeVar("B")


def each(function: Callable[[A], B], items: Sequence[A], workers: int) -> list[B]:
    """``function`` of every item, in order, by several threads: numpy lets them run side by side."""
    if workers == 1 or len(items) < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:  # nobody waits for the others
            pool.shutdown(wait=False, cancel_futures=True)
            raise
