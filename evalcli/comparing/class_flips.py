"""Rows on which one of two models is right and the other is not, or both are wrong in two ways: counted, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing import data
from evalcli.comparing.joint import BROKEN, FIXED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.joint import Cells, Flipped
    from evalcli.metrics.arrays import HostArray
    from evalcli.sources.listed import Listed


def class_flips(cells: Cells, every: Sequence[str]) -> tuple[data.ClassFlips, ...]:
    """All rows, then every class that occurs as a target; ``every`` names the classes by number."""
    first, second = cells.first == cells.target, cells.second == cells.target
    masks = {
        "right": first & second,
        "fixed": ~first & second,
        "broken": first & ~second,
        "other": ~first & ~second & (cells.first != cells.second),
        "same": ~first & ~second & (cells.first == cells.second),
    }
    size = int(cells.target.max(initial=0)) + 1
    counts = {name: _totals(cells.target[mask], cells.rows[mask], size) for name, mask in masks.items()}
    support = _totals(cells.target, cells.rows, size)
    whole = {name: int(each.sum()) for name, each in counts.items()}
    rows = [data.ClassFlips(None, int(support.sum()), **whole)]
    for code in np.flatnonzero(support).tolist():
        own = {name: int(each[code]) for name, each in counts.items()}
        rows += [data.ClassFlips(every[code], int(support[code]), **own)]
    return tuple(rows)


def flipped_rows(flips: Flipped, listed: Listed, inner: int, every: Sequence[str]) -> tuple[data.FlippedRow, ...]:
    """These rows by their number, of ``inner`` elements each, and where they are ``listed``."""
    order = np.lexsort((flips.kind, flips.number))
    numbers = (flips.number[order] // inner).tolist()
    rows = []
    for at, number, place in zip(order.tolist(), numbers, listed.places(numbers), strict=True):
        kind = {FIXED: "fixed", BROKEN: "broken"}.get(int(flips.kind[at]), "other")
        name = flips.name[at]
        first, second = (None if code < 0 else every[code] for code in (int(flips.first[at]), int(flips.second[at])))
        rows.append(
            data.FlippedRow(
                kind,
                number,
                None if name is None or not listed.named else str(name),
                place.file,
                place.line,
                every[int(flips.target[at])],
                first,
                second,
            )
        )
    return tuple(rows)


def _totals(codes: HostArray, rows: HostArray, size: int) -> HostArray:
    totals = np.zeros(size, np.int64)
    np.add.at(totals, codes, rows)
    return totals
