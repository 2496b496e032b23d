"""Arrays that lie in memory, as sources read them: numbers of numpy or torch, and texts.

Nothing is copied that need not be and nothing is written to: a batch is a read-only view of numpy's memory or of a
tensor's on the CPU. Only what numpy cannot compute in (half types, another device) is converted, batch by batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError
from evalcli.sources.arrays import REFUSED, StoredArray
from evalcli.sources.labels import class_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

HALF = {"float16", "bfloat16"}
LARGEST = (1 << 63) - 1
GATHERING = {"cuda"}
"""Kinds of devices on which scores are gathered where they lie."""


class HeldArray(StoredArray):
    """Numbers that lie in memory. ``copies``: hand out rows that may be written to."""

    def __init__(self, name: str, values: Any, *, copies: bool = False) -> None:
        if values.dtype.byteorder == ">":
            values = values.astype(values.dtype.newbyteorder("="))
        self.name, self.shape, self.dtype = name, tuple(values.shape), str(values.dtype)
        self._values, self._copies = values, copies
        refused = _why_refused(values.dtype)
        if refused:
            what, _, fix = refused.partition("; ")
            raise InputError(what, fix=fix, path=name)
        if not self.shape:
            raise InputError("a single number, not an array of samples", fix="give one entry a sample", path=name)
        if values.dtype == np.uint64 and values.size and int(values.max()) > LARGEST:
            raise InputError(
                "a uint64 value is 2^63 or more", fix="give labels as text, or number the classes", path=name
            )

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop``: float32 or float64, integers or booleans."""
        rows: Array = self._values[start:stop]
        if self.dtype in HALF or self.dtype.startswith("float8"):
            return rows.astype(np.float32)
        if self._copies:
            return rows.copy()
        rows = rows.view()
        rows.flags.writeable = False
        return rows


class HeldTensor(StoredArray):
    """A torch tensor that numpy cannot look into: on another device, or of a type that numpy does not have.

    ``stays``: hand out its rows as they lie there.
    """

    def __init__(self, name: str, tensor: Any, *, stays: bool = False) -> None:
        self.name, self.shape = name, tuple(tensor.shape)
        self.dtype = str(tensor.dtype).removeprefix("torch.")
        self._tensor, self._stays = tensor, stays
        if not self.shape:
            raise InputError("a single number, not an array of samples", fix="give one entry a sample", path=name)

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop``, brought to the host unless they stay; half types then as float32."""
        rows = self._tensor[start:stop]
        if self._stays:
            return rows  # type: ignore[no-any-return]  # of torch
        if rows.dtype.is_floating_point and rows.dtype.itemsize < 4:
            rows = rows.float()
        found: Array = rows.cpu().numpy()
        return found


def is_plain(side: Any) -> bool:
    """Whether this is an array of numpy or a tensor of torch with no more to it than its values: no mask, no gaps."""
    kind = type(side)
    if kind.__module__ == "numpy":
        return kind in {np.ndarray, np.memmap}
    is_tensor = kind.__module__ in {"torch", "torch.nn.parameter"} and hasattr(side, "layout")
    return is_tensor and str(side.layout) == "torch.strided" and not side.is_nested and not side.is_meta


def is_there(side: Any) -> bool:
    """Whether these are numbers on a device whose work nobody should wait for."""
    return hasattr(side, "is_floating_point") and side.device.type in GATHERING


def lies_there(preds: Any, target: Any) -> bool:
    """Whether ``preds`` are scores (N, C), on a device that can gather them, of one class for each ``target`` (N,)."""
    if not is_there(preds) or not hasattr(target, "shape"):
        return False
    wide = len(preds.shape) == 2 and preds.shape[1] > 1 and len(target.shape) == 1 and len(preds) == len(target)
    return wide and preds.is_floating_point() and not preds.is_sparse


def counts_there(preds: Any, target: Any) -> bool:
    """Whether ``target`` are whole numbers beside ``preds``, on the same device."""
    return hasattr(target, "is_floating_point") and target.device == preds.device and _is_whole(target)


def _is_whole(tensor: Any) -> bool:
    return str(tensor.dtype).removeprefix("torch.u").removeprefix("torch.").startswith("int")


class HeldText(StoredArray):
    """Texts; what is read are places in ``labels``, −1 where one is missing."""

    dtype = "text"

    def __init__(self, name: str, texts: Sequence[str | None], shape: tuple[int, ...] | None = None) -> None:
        self.name, self.shape = name, shape or (len(texts),)
        found = class_order({text for text in texts if text is not None})
        for text in found:
            try:
                text.encode("utf-8")
            except UnicodeError as e:
                raise InputError("a label is no valid text", fix="give text that UTF-8 can hold", path=name) from e
        place: dict[str | None, int] = {text: i for i, text in enumerate(found)}
        codes = np.fromiter((place.get(text, -1) for text in texts), np.int64, len(texts))
        self._labels, self._codes = found, codes.reshape(self.shape)
        self._codes.flags.writeable = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct texts, in class order."""
        return self._labels

    @property
    def missing(self) -> Array:
        """The rows without a text."""
        return np.flatnonzero((self._codes < 0).any(axis=tuple(range(1, self._codes.ndim))))

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as int64 places in ``labels``."""
        return self._codes[start:stop]

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """The texts themselves, ``None`` where one is missing."""
        codes = self._codes[start:stop] if rows is None else self._codes[start:stop][rows]
        named = np.array([*self._labels, None], object)  # -1 is the last
        found: list[Any] = named[codes].tolist()
        return found


def _why_refused(dtype: Any) -> str | None:
    kinds = {"c": "complex64", "M": "datetime64", "m": "timedelta64", "O": "object"}
    if dtype.kind == "V" and str(dtype) not in HALF and not str(dtype).startswith("float8"):
        return REFUSED["void"]
    if dtype.kind == "f" and dtype.itemsize > 8:
        return REFUSED["float128"]
    return REFUSED.get(kinds.get(dtype.kind, ""))
