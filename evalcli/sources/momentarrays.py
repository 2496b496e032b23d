"""Dates and times of numpy as names of slices and clusters: they are no predictions, and may well lie beside them."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import LimitError
from evalcli.sources.arrays import StoredArray, StridedArray
from evalcli.sources.labels import class_order
from evalcli.sources.moments import texts_of

if TYPE_CHECKING:
    from evalcli.sources.arrays import Layout

    Array = np.ndarray[Any, Any]

MOMENT_LIMIT = 1_000_000
_CHUNK = 1 << 22


class MomentArray(StoredArray):
    """``datetime64`` of some ``unit``; what is read are places in ``labels``, −1 for NaT.

    Raises:
        LimitError: there are more than a million distinct moments.

    """

    dtype = "text"

    def __init__(self, name: str, shape: tuple[int, ...], unit: str, layout: Layout) -> None:
        self.name, self.shape = name, shape
        self._stored, self._type = StridedArray(name, shape, "int64", layout), f"M8{unit}"
        self._lock = threading.Lock()
        self._known: tuple[Array, Array, tuple[str, ...]] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct moments as texts; the first use reads the whole array."""
        return self._table()[2]

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as int64 places in ``labels``."""
        distinct, places, _ = self._table()
        found: Array = places[np.searchsorted(distinct, self._stored.read_raw(start, stop))]
        return found

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """The texts themselves, ``None`` where one is missing."""
        codes = self.read(start, stop) if rows is None else self.read(start, stop)[rows]
        named: list[Any] = np.array([*self.labels, None], object)[codes].tolist()
        return named

    def _table(self) -> tuple[Array, Array, tuple[str, ...]]:
        """The distinct numbers, where the text of each is among ``labels``, and these."""
        with self._lock:
            if self._known is None:
                distinct = np.empty(0, np.int64)
                rows = max(1, _CHUNK // max(1, math.prod(self.shape[1:]) * 8))
                for start in range(0, self.shape[0] if 0 not in self.shape else 0, rows):
                    part = self._stored.read_raw(start, min(start + rows, self.shape[0]))
                    distinct = np.union1d(distinct, part)
                    if len(distinct) > MOMENT_LIMIT:
                        what = f"more than {MOMENT_LIMIT:,} distinct times"
                        raise LimitError(what, fix="choose an array of days", path=self._stored.region.file.path)
                texts = texts_of(distinct.view(self._type))
                labels = class_order(text for text in texts if text is not None)
                place = {text: number for number, text in enumerate(labels)}
                self._known = distinct, np.array([place.get(text or "", -1) for text in texts], np.int64), labels
            return self._known
