"""Label tables counted by the table engine: ten million rows come back as a hundred groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.sources.labels import class_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.sources.base import Slicer
    from evalcli.sources.table_slices import SliceColumn

    Array = np.ndarray[Any, Any]

MISSING = -1
CHUNK = 100_000

GroupRow = tuple[str | None, str | None, None, int]
"""Target, prediction, no weight, and how many rows have them."""


class RowsAtHand:
    """Groups that are known, asked for as those of a statement are."""

    def __init__(self, rows: list[GroupRow]) -> None:
        self._rows = rows

    def fetchmany(self, size: int) -> list[GroupRow]:
        """The next rows, at most ``size``."""
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken


@dataclass(frozen=True, slots=True)
class Groups:
    """Distinct rows in order of their codes; ``MISSING`` marks an empty cell. ``weight`` is that of a single row.

    ``slices`` (K, S) are the places of their slices among the values of ``slicers``.
    """

    labels: tuple[str, ...]
    target: Array
    preds: Array
    repeats: Array
    weight: Array | None = None
    slices: Array | None = None
    slicers: tuple[Slicer, ...] = ()

    def of(self, side: str) -> set[str]:
        """The labels that a side has."""
        return {self.labels[code] for code in {*getattr(self, side).tolist()} if code != MISSING}

    def keep(self, mask: Array) -> Groups:
        """Only some of the groups, with the same labels."""
        weight, slices = (None if part is None else part[mask] for part in (self.weight, self.slices))
        columns = self.target[mask], self.preds[mask], self.repeats[mask]
        return Groups(self.labels, *columns, weight, slices, self.slicers)


def with_names(groups: Groups, names: Mapping[str, Mapping[str, str]], declared: Sequence[str] | None) -> Groups:
    """The groups with other texts for some labels of a side (``preds``, ``target``), in the order of the new codes."""
    if not any(names.values()):
        return groups
    said = {side: [names[side].get(label, label) for label in groups.labels] for side in ("target", "preds")}
    used = {side: groups.of(side) for side in said}
    labels = class_order(
        {
            new
            for side, texts in said.items()
            for old, new in zip(groups.labels, texts, strict=True)
            if old in used[side]
        },
        declared,
    )
    place = {label: index for index, label in enumerate(labels)}
    codes = {
        side: np.array([*(place.get(text, MISSING) for text in texts), MISSING], np.int64)[getattr(groups, side)]
        for side, texts in said.items()
    }
    weight = np.zeros(len(groups.repeats)) if groups.weight is None else groups.weight
    order = np.lexsort((weight, codes["preds"], codes["target"]))
    ordered, slices = (None if part is None else part[order] for part in (groups.weight, groups.slices))
    columns = codes["target"][order], codes["preds"][order], groups.repeats[order]
    return Groups(labels, *columns, ordered, slices, groups.slicers)


def read_groups(
    result: Any, declared: Sequence[str] | None = None, slices: Sequence[SliceColumn] = (), *, weighted: bool = False
) -> Groups:
    """Groups from a result of rows (target, prediction, weight or NULL, count, a text for each of ``slices``)."""
    codes: dict[str | None, int] = {None: MISSING}
    chunks: list[tuple[list[int], list[int], list[float | None], list[int]]] = []
    sliced: list[list[str | None]] = [[] for _ in slices]
    while rows := result.fetchmany(CHUNK):
        for number, texts in enumerate(sliced):
            texts += [row[4 + number] for row in rows]
        for target, pred, *_ in rows:
            if target not in codes:
                codes[target] = len(codes) - 1
            if pred not in codes:
                codes[pred] = len(codes) - 1
        said = ([codes[row[0]] for row in rows], [codes[row[1]] for row in rows])
        chunks.append((*said, [row[2] for row in rows], [row[3] for row in rows]))
    found = [label for label in codes if label is not None]
    labels = class_order(found, declared)
    place = {label: index for index, label in enumerate(labels)}
    final = np.array([*(place[label] for label in found), MISSING], dtype=np.int64)  # the last answers for -1
    target, preds = (final[_column(chunks, side, np.int64)] for side in (0, 1))
    weight = _column(chunks, 2, np.float64)
    repeats = _column(chunks, 3, np.int64)
    order = np.lexsort((weight, preds, target))
    columns = target[order], preds[order], repeats[order]
    slicers = tuple(
        column.slicer({text for text in texts if text is not None})
        for column, texts in zip(slices, sliced, strict=True)
    )
    places = [dict[str | None, int]({v: i for i, v in enumerate(slicer.values)}) for slicer in slicers]
    rows = [[place.get(text, MISSING) for text in texts] for place, texts in zip(places, sliced, strict=True)]
    in_slices = np.array(rows, np.int64).T[order] if slices else None
    return Groups(labels, *columns, weight[order] if weighted else None, in_slices, slicers)


def _column(chunks: Sequence[Sequence[Sequence[Any]]], index: int, dtype: type) -> Array:
    parts: list[Array] = [np.array(chunk[index], dtype=dtype) for chunk in chunks]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
