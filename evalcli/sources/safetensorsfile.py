"""``.safetensors``: a JSON header that says where each tensor lies, then the bytes, without hole or overlap.

Source: the format section of the safetensors documentation.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from evalcli.errors import DAMAGED, InputError, LimitError, several
from evalcli.sources.arrays import REFUSED, Layout, StridedArray, c_strides
from evalcli.sources.contents import ARRAY_LIMIT, Contents
from evalcli.sources.rawfile import Region, plain

if TYPE_CHECKING:
    from evalcli.sources.rawfile import RawFile

HEADER_LIMIT = 1 << 20
_TYPES = {
    "F64": ("float64", 64),
    "F32": ("float32", 32),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "I8": ("int8", 8),
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "U8": ("uint8", 8),
    "BOOL": ("bool", 8),
    "C64": ("complex64", 64),
    "F4": ("float4_e2m1fn_x2", 4),
}
"""Name in the header → stored dtype and bits."""


def read_safetensors(file: RawFile) -> Contents:
    """The tensors of a ``.safetensors`` file, in the order of their bytes.

    Raises:
        InputError: the header is damaged, or its tensors leave a hole, overlap or do not fill the file.
        LimitError: the header is larger than 1 MiB or names more than a thousand tensors.

    """
    header, begin = _read_header(file)
    entries = [(name, *_check_entry(name, entry)) for name, entry in header.items() if name != "__metadata__"]
    if len(entries) > ARRAY_LIMIT:
        raise LimitError(f"{len(entries):,} tensors; at most {ARRAY_LIMIT:,} are read", fix="save one for all samples")
    entries.sort(key=lambda entry: entry[3])
    contents = Contents(metadata=_check_metadata(header.get("__metadata__", {})))
    at = 0
    for name, dtype, shape, first, last, bits in entries:
        if first != at or (last - first) * 8 != math.prod(shape) * bits or begin + last > file.size:
            what = f"the bytes {first}:{last} of {plain(name)} do not follow on, fit its shape or lie in the file"
            raise InputError(what, fix=DAMAGED)
        at = last
        _add(contents, name, dtype, shape, Region(file, begin + first, last - first))
    if begin + at != file.size:
        raise InputError(f"its last tensor is followed by {several(file.size - begin - at, 'byte')}", fix=DAMAGED)
    contents.check_any()
    return contents


def _add(contents: Contents, name: str, dtype: str, shape: tuple[int, ...], region: Region) -> None:
    if dtype in REFUSED:
        contents.skip(name, REFUSED[dtype])
    elif not shape:
        contents.skip(name, "a single number, not an array of samples; save one entry for each sample")
    else:
        width = region.size // max(1, math.prod(shape))
        strides = c_strides(shape, width)
        contents.add(StridedArray(name, shape, dtype, Layout(region, 0, strides, sys.byteorder == "big" and width > 1)))


def _read_header(file: RawFile) -> tuple[dict[str, Any], int]:
    import json

    if file.size < 8:
        raise InputError(f"truncated: no header; the file is {several(file.size, 'byte')}", fix="copy it again")
    length = int.from_bytes(file.read(0, 8), "little")
    if 8 + length > file.size:
        raise InputError(
            f"its header claims {length:,} bytes; the file is {file.size:,}", fix="it is truncated or forged"
        )
    if length > HEADER_LIMIT:
        raise LimitError(f"its header is {length:,} bytes; at most {HEADER_LIMIT:,} are read", fix="save fewer tensors")
    data = file.read(8, length)
    if data[:1] != b"{":
        raise InputError("its header does not begin with {", fix=DAMAGED)
    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as e:  # bad UTF-8, bad JSON, a number of 5,000 digits; 100,000 brackets
        raise InputError("its header is no valid JSON", fix=DAMAGED) from e
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"its header holds {plain(key)!r} twice", fix=DAMAGED)
        found[key] = value
    return found


def _check_metadata(found: Any) -> dict[str, str]:
    """Texts by name, as the format has them; a note of another kind is not worth refusing the tensors for."""
    texts = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    return found if texts else {}


def _check_entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int, int]:
    """Dtype, shape, first byte, end and bits of one tensor."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"its header describes {plain(name)} in no known way", fix=DAMAGED)
    shape, place, kind = entry["shape"], entry["data_offsets"], entry["dtype"]
    lists = isinstance(shape, list) and isinstance(place, list) and len(place) == 2 and len(shape) <= 64
    if not lists or not all(type(n) is int and 0 <= n < 1 << 63 for n in (*shape, *place)) or place[0] > place[1]:
        raise InputError(f"its header describes {plain(name)} in no known way", fix=DAMAGED)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InputError(f"{plain(name)} has the unknown dtype {plain(str(kind))}", fix="save as float32 or int64")
    dtype, bits = _TYPES[kind]
    return dtype, tuple(shape), place[0], place[1], bits
