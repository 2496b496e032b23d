"""What both files of a pair have that says what rows weigh, what slice they are in, or whom they belong to."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from evalcli.sources.base import Note
from evalcli.sources.bounds import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Array, Selection

_READ = 1 << 20
"""Rows that are read at a time."""


def unlike_notes(
    selection: Selection, weights: set[str | None], preds: Mapping[str, StoredArray], target: Mapping[str, StoredArray]
) -> Iterator[Note]:
    """Warnings of those that are read and are not the same on both sides: those beside the truth count."""
    sliced = parts_of(selection.by, {*preds, *target}, "--by")
    for name in dict.fromkeys([*(part.column for part in sliced), selection.cluster or "", *filter(None, weights)]):
        if name and name in preds and name in target and not _are_alike(preds[name], target[name]):
            yield unlike_note("array", name)


def unlike_note(noun: str, name: str) -> Note:
    """The warning that a column or array is not the same on both sides."""
    text = f"{noun} {name!r} is not the same in both files, and that beside the truth counts"
    return Note("columns-differ", text, "keep it in one of them, or make both agree", "warning")


def _are_alike(first: StoredArray, second: StoredArray) -> bool:
    """Whether two arrays hold the same, whatever they are stored as."""
    size = first.shape[0], prod(first.shape)
    if size != (second.shape[0], prod(second.shape)) or (first.labels is None) != (second.labels is None):
        return False
    places = None
    if first.labels is not None and second.labels is not None:
        known = {text: place for place, text in enumerate(first.labels)}
        places = np.array([*(known.get(text, -2) for text in second.labels), -1], np.int64)  # the last answers for -1
    for start in range(0, first.shape[0], _READ):
        stop = min(start + _READ, first.shape[0])
        one: Array = first.read(start, stop).reshape(-1)
        other: Array = second.read(start, stop).reshape(-1)
        if not np.array_equal(one, other if places is None else places[other], equal_nan=places is None):
            return False
    return True
