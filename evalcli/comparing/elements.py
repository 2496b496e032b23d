"""Where the elements of a batch that all models have stand in their files, and what their rows are called."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from evalcli.classification.labels import Labels
    from evalcli.metrics.arrays import HostArray
    from evalcli.sources.base import Batch


class _Placed(Protocol):
    """Checked rows of a batch."""

    @property
    def places(self) -> HostArray | None: ...

    @property
    def bare(self) -> Self: ...

    def pick(self, rows: HostArray | slice) -> Self: ...


_Rows = TypeVar("_Rows", bound=_Placed)


def shared_places(held: Sequence[HostArray | None]) -> tuple[HostArray | None, list[HostArray | None]]:
    """The places in a batch that all have, and where each has them; ``None``: all.

    >>> shared_places([np.array([0, 2, 3]), None])
    (array([0, 2, 3]), [None, array([0, 2, 3])])
    """
    known = [each for each in held if each is not None]
    if not known:
        return None, [None] * len(held)
    places: HostArray = reduce(partial(np.intersect1d, assume_unique=True), known)
    where = [
        places if each is None else None if len(each) == len(places) else np.searchsorted(each, places) for each in held
    ]
    return places, where


def common(labels: list[Labels]) -> tuple[list[Labels], HostArray | None]:
    """The elements of a batch that all have, and their places in it (``None``: all of them)."""
    places, kept = shared_places([each.places for each in labels])
    return [each if rows is None else each.pick(rows) for each, rows in zip(labels, kept, strict=True)], places


def in_common(held: Sequence[_Rows]) -> tuple[list[_Rows], HostArray | None]:
    """The rows of a batch that all have, ``bare``, and their places in it (``None``: all of them)."""
    places, kept = shared_places([each.places for each in held])
    taken = [each if rows is None else each.pick(rows) for each, rows in zip(held, kept, strict=True)]
    return [each.bare for each in taken], places


def elements_of(batch: Batch, inner: int, places: HostArray | None) -> Callable[[HostArray], HostArray]:
    """Gives the number of the row of each element, times ``inner``, and its place in the row."""

    def numbers(where: HostArray) -> HostArray:
        where = batch.offset + (where if places is None else places[where])
        rows, within = (where, 0) if inner == 1 else np.divmod(where, inner)
        found: HostArray = (batch.start + rows if batch.numbers is None else batch.numbers[rows]) * inner + within
        return found

    return numbers


def least_of(batch: Batch, inner: int) -> int:
    """The least number that an element of the batch may have."""
    first = batch.start if batch.numbers is None else int(batch.numbers.min(initial=batch.start))
    return inner * first + batch.offset


def names_of(batch: Batch, inner: int, places: HostArray | None) -> Callable[[HostArray], HostArray]:
    """Gives what the rows of elements are called: the first of their cells."""
    cells = batch.cells
    assert cells is not None

    def names(where: HostArray) -> HostArray:
        found = np.empty(len(where), object)
        found[:] = [row[0] for row in cells((where if places is None else places[where]) // inner)]
        return found

    return names
