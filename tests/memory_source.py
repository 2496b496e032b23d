"""A source in memory, for tests of what comes after reading."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from evalcli.sources.base import Batch, Field, Note, Slicer, Source
from evalcli.sources.labels import class_order

LOADED = {"float16": np.float32, "bfloat16": np.float32}
"""What sources make of stored types that numpy does not compute in."""


class MemorySource(Source):
    """Arrays as a source would hand them out: batches are copies, and what is kept cannot be written to."""

    def __init__(
        self,
        preds: Any,
        target: Any,
        *,
        weight: Any = None,
        repeats: Any = None,
        labels: tuple[str, ...] | None = None,
        pred_labels: tuple[str, ...] | None = None,
        columns: tuple[str, ...] | None = None,
        dtype: str | None = None,
        paths: tuple[str, str] = ("preds.pt", "targets.pt"),
        notes: tuple[Note, ...] = (),
        slices: dict[str, Any] | None = None,
        cluster: Any = None,
    ) -> None:
        preds, target = np.asarray(preds), np.asarray(target)
        self.arrays = [preds, target, weight, repeats]
        self.arrays = [None if each is None else _frozen(np.asarray(each)) for each in self.arrays]
        stored, pred_labels = dtype or str(preds.dtype), pred_labels if pred_labels is not None else None
        self.preds = Field("p", paths[0], preds.shape, "text" if pred_labels else stored, pred_labels, columns)
        self.target = Field("t", paths[1], target.shape, "text" if labels else str(target.dtype), labels)
        if repeats is None:
            self.rows = len(target)
        else:
            self.rows = int(np.sum(repeats))
        self.weighted = weight is not None
        texts = {name: np.asarray(values) for name, values in (slices or {}).items()}
        self.slicers = tuple(Slicer(name, class_order({*v.tolist()} - {""})) for name, v in texts.items())
        codes = [
            [slicer.values.index(text) if text else -1 for text in texts[slicer.name].tolist()]
            for slicer in self.slicers
        ]
        self.codes = _frozen(np.array(codes, np.int64).T) if codes else None
        self.cluster, self.clustered = cluster, None if cluster is None else "patient"
        self.said = notes
        self.passes = 0

    def plan(self, size: int) -> Any:
        self.passes += 1
        starts = np.arange(len(self.arrays[1]))
        if self.arrays[3] is not None:
            starts = np.cumsum(self.arrays[3]) - self.arrays[3]
        for begin in range(0, len(self.arrays[1]), size):
            yield partial(self._load, begin, begin + size, int(starts[begin]))

    def _load(self, begin: int, end: int, start: int) -> Batch:
        preds, target, weight, repeats = (None if a is None else a[begin:end].copy() for a in self.arrays)
        assert preds is not None
        assert target is not None
        groups = None if self.codes is None else self.codes[begin:end].copy()
        cluster = None if self.cluster is None else np.array(self.cluster[begin:end])
        return Batch(preds, target, weight, repeats, groups, start=start, cluster=cluster)

    def notes(self) -> tuple[Note, ...]:
        return self.said


def _frozen(array: Any) -> Any:
    name = str(array.dtype)
    array = array.astype(LOADED.get(name, array.dtype))
    if array.dtype.kind == "f" and array.itemsize == 2:
        array = array.astype(np.float32)
    array.setflags(write=False)
    return array


def text_source(preds: Any, target: Any, **more: Any) -> MemorySource:
    """Texts on both sides, as a table gives them: indices into the labels of both."""
    names = class_order({*preds, *target})
    index = {name: i for i, name in enumerate(names)}
    return MemorySource(
        np.array([index[p] for p in preds]),
        np.array([index[t] for t in target]),
        labels=names,
        pred_labels=names,
        **more,
    )
