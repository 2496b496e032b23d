"""Lists of tensors, one a batch, as a loop collects them and ``torch.save`` writes them: read as one array."""

from __future__ import annotations

import threading
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from evalcli.sources.arrays import StoredArray, StridedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import numpy as np

    from evalcli.sources.rawfile import Region

    Array = np.ndarray[Any, Any]


class JoinedArray(StoredArray):
    """Arrays ``(n, …)`` of one dtype, row after row: shape ``(Σn, …)``."""

    def __init__(self, name: str, parts: Sequence[StridedArray]) -> None:
        filled = [part for part in parts if part.shape[0]] or [parts[0]]
        self.name, self.dtype = name, parts[0].dtype
        self.shape = (sum(part.shape[0] for part in filled), *parts[0].shape[1:])
        self._ends = [*accumulate(part.shape[0] for part in filled)]
        buffers = threading.local()
        self._parts = [part.as_part(buffers, end - part.shape[0]) for part, end in zip(filled, self._ends, strict=True)]

    @property
    def regions(self) -> Sequence[Region]:
        """Those of the parts."""
        return [part.region for part in self._parts]

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as numbers, as each part has them."""
        return self._joined(start, stop, StridedArray.read)

    def part(self, row: int, axis: int, first: int, last: int) -> Array:
        """As the part that the row lies in."""
        ((own, place, _),) = self._pieces(row, row + 1)
        return own.part(place, axis, first, last)

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """As of any array; a uint64 beyond int64 is no label, but it can be shown."""
        raw = self._joined(start, stop, StridedArray.read_raw if self.dtype == "uint64" else StridedArray.read)
        chosen: list[Any] = (raw if rows is None else raw[rows]).tolist()
        return chosen

    def _joined(self, start: int, stop: int, read: Callable[[StridedArray, int, int], Array]) -> Array:
        pieces = list(self._pieces(start, stop))
        if len(pieces) == 1:
            return read(*pieces[0])
        at, out = 0, None
        for part, low, high in pieces:
            rows = read(part, low, high)
            if out is None:
                out = part.scratch("joined", (stop - start, *self.shape[1:]), rows.dtype)
            out[at : at + len(rows)] = rows
            at += len(rows)
        assert out is not None
        return out

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[StridedArray, int, int]]:
        """The parts that rows ``start:stop`` lie in, and which of their rows these are."""
        place = min(bisect_right(self._ends, start), len(self._parts) - 1)
        for part, end in zip(self._parts[place:], self._ends[place:], strict=True):
            first = end - part.shape[0]
            yield part, max(start, first) - first, min(stop, end) - first
            if end >= stop:
                return


def are_alike(parts: Sequence[StoredArray]) -> bool:
    """Whether there are several, of one dtype and with rows of one shape."""
    return len(parts) > 1 and len({(part.dtype, part.shape[1:]) for part in parts}) == 1


def are_batches(name: str, parts: Sequence[StoredArray]) -> bool:
    """Whether arrays that are alike have to be batches, whatever they are paired with.

    Rows of numbers are, and numbers in lists of several lengths. Lists of one length may be batches of labels or the
    rows of one array, and a file that is a pair of arrays may be both sides.
    """
    if not name and len(parts) == 2:
        return False
    lengths = {part.shape[0] for part in parts}
    return len(parts[0].shape) > 1 or len(lengths) > 1 or lengths == {1}


def with_batches_joined(
    arrays: Mapping[str, StoredArray],
    lists: Mapping[str, Sequence[str]],
    rows: Collection[int],
    apart: Collection[str | None] = (),
) -> dict[str, StoredArray]:
    """``arrays``, where those of a list that are batches are one array.

    ``lists`` has the names of the arrays of each list; ``rows`` are numbers of rows that they are to be paired with.
    A list of which one is asked for by its own name, in ``apart``, is not joined.
    """
    wanted, joined = set(apart), {}
    asked: dict[str, list[StridedArray]] = {}
    gone: dict[str, str] = {}
    for name, own in lists.items():
        parts = [part for part in (arrays[each] for each in own) if isinstance(part, StridedArray)]
        if name in arrays or not wanted.isdisjoint(own) or len(parts) < len(own) or not are_alike(parts):
            continue
        gone |= dict.fromkeys(own, name)
        if are_batches(name, parts):
            joined[name] = JoinedArray(name, parts)
        else:
            asked[name] = parts
    known = {array.shape[0] for name, array in arrays.items() if name not in gone}
    known |= {array.shape[0] for array in joined.values()} | set(rows)
    for name, parts in asked.items():
        as_batches, as_rows = sum(part.shape[0] for part in parts) in known, len(parts) in known
        if as_batches != as_rows:
            joined[name] = JoinedArray(name, parts if as_batches else [part.as_row() for part in parts])
    found: dict[str, StoredArray] = {}
    for name, array in arrays.items():
        whole = gone.get(name)
        if whole in joined:
            found[whole] = joined[whole]
        else:
            found[name] = array
    return found
