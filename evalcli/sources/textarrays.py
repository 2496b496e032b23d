"""Text as labels: what is read are indices into the distinct texts, sorted by code point."""

from __future__ import annotations

import math
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError, LimitError
from evalcli.sources.arrays import StoredArray, StridedArray

if TYPE_CHECKING:
    from evalcli.sources.arrays import Layout
    from evalcli.sources.rawfile import Region

    Array = np.ndarray[Any, Any]

LABEL_LIMIT = 1_000_000
_TABLE_LIMIT = 1 << 28
_CHUNK = 1 << 22


class FixedTextArray(StoredArray):
    r"""numpy's fixed-width text: ``U`` as it is, ``S`` as UTF-8. numpy itself drops trailing NULs: ``a\\0`` is ``a``.

    Raises:
        InputError: some bytes are no text.
        LimitError: there are more than a million distinct texts.

    """

    dtype = "text"

    def __init__(self, name: str, shape: tuple[int, ...], raw: str, layout: Layout) -> None:
        self.name = name
        self.shape = shape
        self._stored = StridedArray(name, shape, raw, layout)
        self._lock = threading.Lock()
        self._known: tuple[Array, tuple[str, ...]] | None = None

    @property
    def region(self) -> Region:
        """The bytes this array lies in."""
        return self._stored.region

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct texts by code point; the first use reads the whole array."""
        return self._table()[1]

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as int64 indices into ``labels``."""
        return np.searchsorted(self._table()[0], self._stored.read_raw(start, stop)).astype(np.int64, copy=False)

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """The texts themselves, however many differ."""
        part = self._stored.read_raw(start, stop)
        self._check_code_points(part)
        chosen = part if rows is None else part[rows]
        texts = [_text(item, self.region.file.path) for item in chosen.reshape(-1).tolist()]
        width = math.prod(self.shape[1:])
        return texts if len(self.shape) == 1 else [texts[i : i + width] for i in range(0, len(texts), width)]

    def _table(self) -> tuple[Array, tuple[str, ...]]:
        with self._lock:
            if self._known is None:
                distinct = np.empty(0, self._stored.raw)
                rows = max(1, _CHUNK // max(1, math.prod(self.shape[1:]) * self._stored.raw.itemsize))
                for start in range(0, self.shape[0] if 0 not in self.shape else 0, rows):
                    part = self._stored.read_raw(start, min(start + rows, self.shape[0]))
                    self._check_code_points(part)
                    distinct = np.union1d(distinct, part)
                    if len(distinct) > LABEL_LIMIT or distinct.nbytes > _TABLE_LIMIT:
                        what = f"more than {len(distinct) - 1:,} distinct texts, or very long ones"
                        raise LimitError(what, fix="choose the array of labels", path=self.region.file.path)
                self._known = distinct, tuple(_text(item, self.region.file.path) for item in distinct.tolist())
            return self._known

    def _check_code_points(self, part: Array) -> None:
        if part.dtype.kind == "U" and part.view(np.uint32).max() > 0x10FFFF:
            raise InputError(
                "damaged text: a character beyond Unicode", fix="write it again", path=self.region.file.path
            )


def _text(item: str | bytes, path: str) -> str:
    try:
        text = item if isinstance(item, str) else item.decode("utf-8")
        text.encode("utf-8")  # refuses lone surrogates, which no output could show
    except UnicodeError as e:
        raise InputError("a label is no valid text", fix="save text as UTF-8 (numpy dtype U)", path=path) from e
    return text


class TextList(StoredArray):
    """A list of Python strings; what is made of it waits until it is asked for."""

    dtype = "text"

    def __init__(self, name: str, texts: list[str], path: str) -> None:
        self.name = name
        self.shape = (len(texts),)
        self._texts = texts
        self._path = path

    @cached_property
    def _table(self) -> tuple[tuple[str, ...], Array]:
        labels = tuple(_text(text, self._path) for text in sorted(set(self._texts)))
        position = {text: i for i, text in enumerate(labels)}
        return labels, np.fromiter((position[text] for text in self._texts), np.int64, len(self._texts))

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct texts by code point."""
        return self._table[0]

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as int64 indices into ``labels``."""
        return self._table[1][start:stop]

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """The texts themselves."""
        chosen = self._texts[start:stop]
        chosen = chosen if rows is None else [chosen[row] for row in rows.tolist()]
        return [_text(text, self._path) for text in chosen]
