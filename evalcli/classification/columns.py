"""Score rows at a glance: the best column and its ties, the range and the row sums, in one visit.

On the host in blocks that stay in a core's own cache, transposed while the rows are short, since numpy's ``argmax``
along ten columns takes four times as long; on a device in one piece. Both give the same labels: of equal columns the
first.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from evalcli.errors import LimitError
from evalcli.evidence import in_unit
from evalcli.metrics.arrays import fetch, host_scores, to_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.sources.base import Array

T = TypeVar("T")

BLOCK = 16_384
"""Rows a block: with 10 float32 columns 640 kB, which stays in a core's own cache."""

BLOCK_BYTES = 1 << 20
"""Wider rows: fewer of them a block."""

NARROW = 64
"""Up to so many columns a transposed block is faster than numpy's argmax along short rows."""


class Look(NamedTuple):
    """A block of score rows at a glance. ``bad`` marks rows without a best column (a NaN, or all minus infinity);
    ``sums`` are given only while all scores lie in [0, 1]; ``tied`` rows have their best score more than once.
    ``there`` are the scores on the device, where they were looked at there.
    """

    best: Array
    low: float
    high: float
    tied: int
    sums: Array | None
    bad: Array | None
    there: Array | None = None


def blocks(scores: Array, kept: Array | None = None) -> Iterator[tuple[int, Look]]:
    """Looks at ``scores`` ``(n, C)``, or at the rows of them that are ``kept``, block by block, each with the place of
    its first row: all that are kept at once would be as large again as what was read.
    """
    rows = max(1, min(BLOCK, BLOCK_BYTES // max(1, scores.itemsize * scores.shape[1])))
    for start in range(0, scores.shape[0] if kept is None else len(kept), rows):
        there = slice(start, start + rows)
        yield start, look_at_columns(scores[there] if kept is None else scores[kept[there]])


def look_at_columns(block: Array) -> Look:
    """Best column (the lowest index of equals), range, ties and row sums of ``block`` ``(n, C)``.

    >>> look = look_at_columns(np.array([[0.2, 0.8], [0.5, 0.5]], np.float32))
    >>> look.best.tolist(), look.tied
    ([1, 0], 1)
    """
    narrow = block.shape[1] <= NARROW
    columns = np.ascontiguousarray(block.T) if narrow else block.T
    top = columns.max(axis=0) if narrow else block.max(axis=1)
    low, high = float(columns.min()), float(top.max())
    if isnan(low) or float(top.min()) == -np.inf:
        bad = np.isnan(top) if top.dtype.kind == "f" else np.zeros(top.shape, bool)
        bad |= top == -np.inf
        return _look_around(block, bad)
    if narrow:
        equal = (columns == top).view(np.uint8)
        hits = np.count_nonzero(equal)
        weights = np.arange(block.shape[1], 0, -1, dtype=np.uint8)[:, None]
        tied = int(np.count_nonzero(equal.sum(axis=0, dtype=np.uint8) > 1)) if hits > top.size else 0
        equal *= weights
        best = np.uint8(block.shape[1]) - equal.max(axis=0)
    else:
        best = block.argmax(axis=1)
        equal = block == top[:, None]
        tied = int(np.count_nonzero(equal.sum(axis=1) > 1)) if np.count_nonzero(equal) > top.size else 0
    within = in_unit(low, high)
    # in float64, so that the shape of a block cannot show in the sum
    sums = (
        (columns.sum(axis=0, dtype=np.float64) if narrow else block.sum(axis=1, dtype=np.float64)) if within else None
    )
    return Look(best, low, high, tied, sums, None)


def _look_around(block: Array, bad: Array) -> Look:
    """As above, with the rows in ``bad`` left out of everything."""
    good = np.flatnonzero(~bad)
    best = np.zeros(block.shape[0], np.int64)
    if not good.size:
        return Look(best, np.inf, -np.inf, 0, None, bad)
    seen = look_at_columns(block[good])
    best[good] = seen.best
    sums = None
    if seen.sums is not None:
        sums = np.ones(block.shape[0])
        sums[good] = seen.sums
    return Look(best, seen.low, seen.high, seen.tied, sums, bad)


def looks_on_device(scores: Array, device: str) -> Iterator[tuple[int, Look]]:
    """The same, computed by torch on ``device``; what comes back lies on the host."""
    return in_halves(scores, device, lambda part, _: _look_on_device(part, device))


def in_halves(scores: Array, device: str, look: Callable[[Array, int], T]) -> Iterator[tuple[int, T]]:
    """A ``look`` at all ``scores``, or at one half after the other where ``device`` has no memory for all.

    It is told which row the part that it sees begins with.

    Raises:
        LimitError: it has none for half of these rows.

    """
    import torch

    try:
        yield 0, look(scores, 0)
        return
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    half = scores.shape[0] // 2
    for start, part in ((0, scores[:half]), (half, scores[half:])):
        try:
            yield start, look(part, start)
        except torch.OutOfMemoryError as e:
            what = f"{device} has no memory left for {part.shape[0]} rows of {part.shape[1]} scores"
            raise LimitError(what, fix=f"try --batch-size {max(1, part.shape[0] // 4)}, or --device cpu") from e


def _look_on_device(scores: Array, device: str) -> Look:
    import torch

    with torch.inference_mode():
        there = to_device(scores, torch.device(device))
        if not there.is_floating_point():
            there = there.to(torch.int64)
        if not there.numel():
            return Look(np.zeros(0, np.int64), np.inf, -np.inf, 0, None, None)
        top, best = there.max(dim=1)
        tied = ((there == top[:, None]).sum(dim=1) > 1).sum()
        wide = there.dtype if there.dtype == torch.int64 or there.device.type == "mps" else torch.float64
        seen = torch.stack([number.to(wide) for number in (there.min(), top.max(), top.min(), tied)])
        places, numbers = fetch(best.to(torch.int32), seen)
        low, high, worst, ties = numbers.tolist()
        if there.is_floating_point() and (isnan(low) or worst == -np.inf):
            return look_at_columns(host_scores(there))._replace(there=there)
        sums = None
        if in_unit(low, high):  # not every device knows float64
            (sums,) = fetch(there.sum(dim=1, dtype=torch.float32 if there.device.type == "mps" else torch.float64))
        return Look(places, float(low), float(high), int(ties), sums, None, there)
