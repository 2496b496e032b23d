"""Arrays as they lie in a file, read by ranges of rows into buffers that are used again.

What a read returns stays valid until the same thread reads the same array again.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import DAMAGED, EmptyError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.sources.rawfile import Region

    Array = np.ndarray[Any, Any]

SPAN = 1 << 20
"""Bytes that are cheaper to read whole than to pick from by many small reads."""

RAW = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "float8_e4m3fn": "u1",
    "float8_e4m3fnuz": "u1",
    "float8_e5m2": "u1",
    "float8_e5m2fnuz": "u1",
    "float8_e8m0fnu": "u1",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "u1",
}
"""Stored dtype → the numpy type of its bytes."""

_COMPLEX = "complex numbers are not predictions; save .real or .abs()"
_QUANTIZED = "quantized values; call .dequantize() before saving"
REFUSED = {
    "complex32": _COMPLEX,
    "complex64": _COMPLEX,
    "complex128": _COMPLEX,
    "float128": "long doubles differ from machine to machine; save as float64",
    "float4_e2m1fn_x2": "4-bit floats; save as float32",
    "quint8": _QUANTIZED,
    "qint8": _QUANTIZED,
    "qint32": _QUANTIZED,
    "quint4x2": _QUANTIZED,
    "quint2x4": _QUANTIZED,
    "datetime64": "dates are not predictions; save numbers or text",
    "timedelta64": "durations are not predictions; save numbers or text",
    "object": "Python objects inside; save as int64, float32 or text (numpy dtype U)",
    "void": "raw bytes without a type; save as int64, float32 or text (numpy dtype U)",
}
"""Stored dtype → why it is no input; what to do."""


class StoredArray(ABC):
    """An array in a file: shape ``(N, …)``, stored ``dtype``, and ``labels`` when it is text."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    ranged: bool = False
    """Whether its texts are ranges of numbers, cut where these rows have their quartiles."""
    cut: tuple[str, ...] = ()
    """The bounds that its texts are the ranges of."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The distinct texts, sorted by code point, of a text array."""
        return None

    @property
    def regions(self) -> Sequence[Region]:
        """The bytes that plain numbers lie in; none of anything else."""
        return ()

    @abstractmethod
    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop``, ``(stop - start, …)``: float32 or float64, integers, booleans, or indices of labels."""

    def part(self, row: int, axis: int, first: int, last: int) -> Array:
        """Of one row, ``first:last`` along an axis: ``(1, …, last - first, …)``."""
        rows = self.read(row, row + 1)
        found: Array = rows[(slice(None),) * axis + (slice(first, last),)]
        return found

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """Some of the rows ``start:stop`` (all: ``None``) as they would be shown: Python numbers, lists, texts."""
        return _some(self.read(start, stop), rows)


def path_of(array: StoredArray, otherwise: str) -> str:
    """The file whose bytes plain numbers lie in; ``otherwise`` of anything else."""
    return array.regions[0].file.path if array.regions else otherwise


def _some(array: Array, rows: Array | None) -> list[Any]:
    chosen: list[Any] = (array if rows is None else array[rows]).tolist()
    return chosen


class Layout(NamedTuple):
    """Where elements lie: bytes from ``offset`` of a region, ``strides`` in bytes, ``swapped`` if foreign-endian."""

    region: Region
    offset: int
    strides: tuple[int, ...]
    swapped: bool = False


def c_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Byte strides of a row-major array.

    >>> c_strides((10, 3), 4)
    (12, 4)
    """
    strides = []
    for length in reversed(shape):
        strides.append(itemsize)
        itemsize *= max(length, 1)
    return tuple(reversed(strides))


def reach(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """The bytes ``low:high`` that elements touch, relative to the first; ``(0, 0)`` when there are none."""
    if 0 in shape:
        return 0, 0
    ends = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
    return sum(e for e in ends if e < 0), sum(e for e in ends if e > 0) + itemsize


class StridedArray(StoredArray):
    """An array of numbers in any stride layout.

    Raises:
        InputError: the layout does not fit its region, or the array says more than its bytes hold.

    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: str, layout: Layout) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.raw = np.dtype(RAW.get(dtype, dtype))
        self._layout = layout
        self._decode = _DECODERS.get(dtype, _unchanged)
        self._threads = threading.local()
        self.before = 0
        """Rows of the same whole that come before its own."""
        if not shape:
            raise InputError("a single number, not an array of samples", fix="save one entry for each sample")
        low, high = reach(shape, layout.strides, self.raw.itemsize)
        if layout.offset + low < 0 or layout.offset + high > layout.region.size:
            raise InputError("the tensor view does not fit its storage", fix=DAMAGED)
        if math.prod(shape) * self.raw.itemsize > layout.region.size:
            raise InputError(
                "a broadcast view says more than its storage holds", fix="call .contiguous() before saving"
            )

    @property
    def region(self) -> Region:
        """The bytes this array lies in."""
        return self._layout.region

    @property
    def regions(self) -> Sequence[Region]:
        """These bytes."""
        return (self._layout.region,)

    def as_row(self) -> StridedArray:
        """The same numbers as one row, ``(1, …)``."""
        return StridedArray(
            self.name, (1, *self.shape), self.dtype, self._layout._replace(strides=(0, *self._layout.strides))
        )

    def as_part(self, buffers: threading.local, before: int) -> StridedArray:
        """The same as a part of a whole, after so many rows, read into the ``buffers`` that serve all of its parts."""
        part = copy(self)
        part._threads, part.before = buffers, before
        return part

    def read(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as numbers.

        Raises:
            EmptyError: the array has no element.
            InputError: the file ends early, or a uint64 is beyond int64.

        """
        return self._decode(self, self.read_raw(start, stop), start)

    def part(self, row: int, axis: int, first: int, last: int) -> Array:
        """As of any array; nothing else of the row is read."""
        shape = (1, *self.shape[1:axis], last - first, *self.shape[axis + 1 :])
        strides = self._layout.strides
        raw = self._raw(self._layout.offset + row * strides[0] + first * strides[axis], shape)
        return self._decode(self, raw, row)

    def values(self, start: int, stop: int, rows: Array | None = None) -> list[Any]:
        """As of any array; a uint64 beyond int64 is no label, but it can be shown."""
        return _some(self.read_raw(start, stop) if self.dtype == "uint64" else self.read(start, stop), rows)

    def read_raw(self, start: int, stop: int) -> Array:
        """Rows ``start:stop`` as stored, in native byte order."""
        if 0 in self.shape:
            raise EmptyError(f"no samples: shape {self.shape}", path=self.region.file.path)
        if not 0 <= start <= stop <= self.shape[0]:
            raise ValueError(f"rows {start}:{stop} of {self.shape[0]}")
        return self._raw(self._layout.offset + start * self._layout.strides[0], (stop - start, *self.shape[1:]))

    def _raw(self, base: int, shape: tuple[int, ...]) -> Array:
        out = self.scratch("raw", shape, self.raw)
        if out.size:
            self._gather(base, self._layout.strides, out)
        if self._layout.swapped:
            unit = out.view(np.uint32) if self.raw.kind == "U" else out
            unit.byteswap(inplace=True)
        return out

    def scratch(self, slot: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The calling thread's buffer for one purpose, as an array of the wanted shape."""
        wanted = math.prod(shape) * dtype.itemsize
        buffers: dict[str, Array] = self._threads.__dict__
        held = buffers.get(slot)
        if held is None or held.nbytes < wanted:
            held = buffers[slot] = np.empty(wanted, np.uint8)
        return held[:wanted].view(dtype).reshape(shape)

    def _gather(self, base: int, strides: tuple[int, ...], out: Array) -> None:
        """Fill ``out`` from the elements at ``base``: at once where they lie close, else half by half."""
        shape = out.shape
        low, high = reach(shape, strides, self.raw.itemsize)
        span = high - low
        if span == out.nbytes and out.flags.c_contiguous and _is_c(shape, strides, self.raw.itemsize):
            self._layout.region.read_into(out.reshape(-1).view(np.uint8).data, base)
        elif span <= max(4 * out.nbytes, SPAN):
            buffer = self.scratch("span", (span,), np.dtype(np.uint8))
            self._layout.region.read_into(buffer.data, base + low)
            out[...] = np.ndarray(shape, self.raw, buffer=buffer.data, offset=-low, strides=strides)
        else:
            axis = max(range(len(shape)), key=lambda i: (shape[i] - 1) * abs(strides[i]))
            half = shape[axis] // 2
            index: list[slice] = [slice(None)] * len(shape)
            for begin, end in ((0, half), (half, shape[axis])):
                index[axis] = slice(begin, end)
                self._gather(base + begin * strides[axis], strides, out[tuple(index)])


def _is_c(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    wanted = c_strides(shape, itemsize)
    return all(n == 1 or have == want for n, have, want in zip(shape, strides, wanted, strict=True))


def _unchanged(_array: StridedArray, raw: Array, _start: int) -> Array:
    return raw


def _from_half(array: StridedArray, raw: Array, _start: int) -> Array:
    out = array.scratch("out", raw.shape, np.dtype(np.float32))
    np.copyto(out, raw)
    return out


def _from_bfloat16(array: StridedArray, raw: Array, _start: int) -> Array:
    out = array.scratch("out", raw.shape, np.dtype(np.uint32))
    np.left_shift(raw, 16, out=out, dtype=np.uint32)  # bfloat16 is the upper half of a float32
    return out.view(np.float32)


def _from_float8(array: StridedArray, raw: Array, _start: int) -> Array:
    out = array.scratch("out", raw.shape, np.dtype(np.float32))
    _float8_table(array.dtype).take(raw, out=out, mode="clip")  # a byte is always in range; "raise" would buffer
    return out


def _to_bool(array: StridedArray, raw: Array, _start: int) -> Array:
    out = array.scratch("out", raw.shape, np.dtype(np.bool_))
    np.not_equal(raw, 0, out=out)
    return out


def _from_uint64(array: StridedArray, raw: Array, start: int) -> Array:
    signed = raw.view(np.int64)
    if signed.size and signed.min() < 0:
        row = array.before + start + int(np.argmax((signed < 0).reshape(len(signed), -1).any(axis=1)))
        what = f"a uint64 value is 2^63 or more, first in row {row}"
        raise InputError(what, fix="save labels as text, or number the classes", path=array.region.file.path)
    return signed


_DECODERS: dict[str, Callable[[StridedArray, Array, int], Array]] = {
    "float16": _from_half,
    "bfloat16": _from_bfloat16,
    "bool": _to_bool,
    "uint64": _from_uint64,
    **{name: _from_float8 for name in RAW if name.startswith("float8")},
}


@cache
def _float8_table(dtype: str) -> Array:
    import ml_dtypes

    every_byte = np.arange(256, dtype=np.uint8)
    table: Array = every_byte.view(getattr(ml_dtypes, dtype)).astype(np.float32)
    return table
