"""Many like pieces of work, side by side."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")

MOST_THREADS = 1024
"""What may be asked for: 100,000 threads for three rows of a table took all the memory of a machine."""


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(function: Callable[[A], B], items: Sequence[A], workers: int) -> list[B]:
    """``function`` of every item, in order, by several threads, this one among them: numpy lets them run side by side.

    Of what went wrong the first item's is raised. No pool is made: importing one takes longer than many pieces of work.
    """
    if workers == 1 or len(items) < 2:
        return [function(item) for item in items]
    waiting = deque(enumerate(items))
    found: dict[int, B] = {}
    failures: dict[int, BaseException] = {}

    def work() -> None:
        while not failures:
            try:
                place, item = waiting.popleft()
            except IndexError:
                return
            try:
                found[place] = function(item)
            except BaseException as error:  # raised by the thread that asked
                failures[place] = error

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(items)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return [found[place] for place in range(len(items))]


def ahead(function: Callable[[A], B], items: Iterable[A], workers: int) -> Generator[B]:
    """``function`` of every item, in order, of items that are too many to hold: a few are worked on at a time."""
    if workers == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    begun: deque[Future[B]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
