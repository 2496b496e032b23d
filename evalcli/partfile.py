"""The file of a part: named arrays and a description, whole and unaltered or refused.

It is a ``.safetensors`` file, so that other tools can open it. One tensor, ``about``, holds a JSON text; arrays of one
type lie behind one another in one tensor, which is named after the type, and the JSON says how they are called and how
long each is. The header holds the SHA-256 of all tensors, so that no damage passes.

A part is never trusted. Sizes are compared with the file before anything is allocated, the tensors go through the same
reader as those of strangers, and nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from evalcli import __version__
from evalcli.errors import EvalError, InputError
from evalcli.sources.rawfile import RawFile, plain
from evalcli.sources.safetensorsfile import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Array
    from evalcli.sources.contents import Contents

SCHEMA = "evalcli.part/8"
"""Raised whenever a part holds something else than before: names, types or states of any kind."""
FAMILY = "evalcli.part/"
MOST_BYTES = 1 << 34
"""A part larger than this would not have fitted into memory where it was made."""

_TYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "bfloat16": "BF16",
}
"""The types that states consist of, and what the format calls them; ours are few, those of others may be any."""

MOST_AXES = 8
"""No state has more axes."""

_AGAIN = "write the part again with -o PART.evalcli"
_NAME = "name a file written with -o PART.evalcli"


class Content(NamedTuple):
    """What a part holds: the JSON object ``about`` it, and its arrays by name."""

    about: dict[str, Any]
    arrays: dict[str, Array]


def pack(about: Mapping[str, Any], arrays: Mapping[str, Array], version: str) -> bytes:
    """The bytes of a part; equal content gives equal bytes.

    >>> content = unpack(pack({"schema": SCHEMA}, {"tp": np.array([1, 2])}, "0.1.0"), "part")
    >>> content.arrays["tp"]
    array([1, 2])
    """
    listed: list[list[Any]] = []
    runs: dict[str, list[bytes]] = {name: [] for name in _TYPES}
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        kind = array.dtype.name
        listed.append([name, kind, list(np.shape(arrays[name]))])
        runs[kind].append(_little(array).tobytes())
    text = json.dumps({**about, "states": listed}, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    tensors = {"about": ("U8", text)} | {name: (_TYPES[name], b"".join(run)) for name, run in runs.items() if any(run)}
    digest = hashlib.sha256()
    header: dict[str, Any] = {}
    at = 0
    for name, (kind, data) in sorted(tensors.items(), key=lambda item: (-_width(item[1][0]), item[0])):
        width = _width(kind)
        header[name] = {"dtype": kind, "shape": [len(data) // width], "data_offsets": [at, at + len(data)]}
        digest.update(data)
        at += len(data)
    metadata = {"format": SCHEMA, "evalcli": version, "sha256": digest.hexdigest()}
    head = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"".join((len(head).to_bytes(8, "little"), head, *(tensors[name][1] for name in header)))


def _little(array: Array) -> Array:
    """The values with their lowest byte first."""
    return array if array.dtype.name == "bfloat16" else array.astype(array.dtype.newbyteorder("<"), copy=False)


def _width(kind: str) -> int:
    """Bytes of a value; the widest come first, so that all lie where a machine reads them at once."""
    return 1 if kind == "BOOL" else int(kind.lstrip("BFIU")) // 8


def writable(array: Array) -> bool:
    """Whether a part can hold the array.

    >>> writable(np.zeros(3)), writable(np.array("text"))
    (True, False)
    """
    return array.dtype.name in _TYPES and array.ndim <= MOST_AXES


def _type(kind: str) -> np.dtype[Any]:
    if kind == "bfloat16":  # numpy has none of its own
        import ml_dtypes

        kind = ml_dtypes.bfloat16
    return np.dtype(kind)


def unpack(data: bytes, path: str) -> Content:
    """What lies in the bytes of a part; ``path`` is the file to name in errors.

    Raises:
        InputError: they are no part, of another version of the format, damaged or forged.

    """
    if not b'{"'.startswith(data[8:10]):
        raise InputError("not a part of a report", fix=_NAME, path=path)
    file = _Held(data, path)
    try:
        contents = read_safetensors(file)
    except EvalError as e:
        raise InputError(f"not a whole part: {e.what}", fix=_AGAIN, path=path) from e
    form = contents.metadata.get("format", "")
    if not form.startswith(FAMILY):
        raise InputError("not a part of a report", fix=_NAME, path=path)
    if form != SCHEMA:
        by = plain(contents.metadata.get("evalcli", "another version"), 20)
        message = f"a part of the format {plain(form)}, and this evalcli reads {SCHEMA}"
        fix = _AGAIN if by == __version__ else f"merge with evalcli {by}, which wrote it"
        raise InputError(message, fix=fix, path=path)
    _check_digest(data, contents, path)
    try:
        arrays = {name: _run(array) for name, array in contents.arrays.items()}
        about = _object(bytes(arrays.pop("about", np.zeros(0, np.uint8))))
        return Content(about, _split(about.pop("states", None), arrays))
    except ValueError as e:
        raise forged(str(e), path) from e


def forged(what: str, path: str) -> InputError:
    """The error for a part that is whole and yet cannot be what evalcli writes."""
    return InputError(f"not a part that evalcli writes: {plain(what, 120)}", fix=_AGAIN, path=path)


def read_bytes(path: str) -> bytes:
    """The bytes of the file of a part.

    Raises:
        InputError: there is no such regular file, it changes while it is read, or is far too large for a part.

    """
    file = RawFile(path)
    try:
        if file.size > MOST_BYTES:
            raise InputError("too large for a part", fix=_NAME, path=path)
        data = file.read(0, file.size)
        file.check_unchanged()
    finally:
        file.close()
    return data


class _Held(RawFile):
    """Bytes in memory, read as a file is."""

    def __init__(self, data: bytes, path: str) -> None:
        self.path, self.size, self.fd = path, len(data), -1
        self._data = memoryview(data)

    def _pread(self, view: memoryview, offset: int) -> int:
        found = self._data[offset : offset + len(view)]
        view[: len(found)] = found
        return len(found)


def _check_digest(data: bytes, contents: Contents, path: str) -> None:
    begin = 8 + int.from_bytes(data[:8], "little")
    if hashlib.sha256(memoryview(data)[begin:]).hexdigest() != contents.metadata.get("sha256"):
        raise InputError("damaged: its states are not those of its digest", fix=_AGAIN, path=path)


def _run(array: StoredArray) -> Array:
    """All values of one tensor, of the type that its name says."""
    kind = "uint8" if array.name == "about" else array.name
    if kind not in _TYPES or array.dtype != kind or len(array.shape) != 1:
        raise ValueError(f"a tensor {array.name!r} of {array.dtype}")
    if array.shape == (0,):
        return np.zeros(0, _type(kind))
    assert hasattr(array, "read_raw")
    raw: Array = array.read_raw(0, array.shape[0]).copy()
    if kind == "bool":
        if (raw > 1).any():
            raise ValueError("truth values that are neither 0 nor 1")
        return raw.astype(bool)
    return raw.view(_type(kind))


def _object(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice in its description")
        return dict(pairs)

    def reject(constant: str) -> NoReturn:
        raise ValueError(f"{constant} in its description")

    try:
        found = json.loads(text.decode(), object_pairs_hook=once, parse_constant=reject)
    except RecursionError as e:
        raise ValueError("its description is nested too deeply") from e
    if not isinstance(found, dict):
        raise ValueError("its description is no object")
    return found


def _split(listed: Any, runs: dict[str, Array]) -> dict[str, Array]:
    """The arrays by name; every value belongs to exactly one."""
    if not isinstance(listed, list):
        raise ValueError("its description lists no states")
    at = dict.fromkeys(runs, 0)
    found: dict[str, Array] = {}
    for entry in listed:
        if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], str) and entry[1] in _TYPES):
            raise ValueError("its description lists a state in no known way")
        name, kind, shape = entry
        if (
            not isinstance(shape, list)
            or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
            or len(shape) > MOST_AXES
        ):
            raise ValueError(f"a state {name!r} of no shape")
        run = runs[kind] if kind in runs else np.zeros(0, _type(kind))
        size, start = prod(shape), at.get(kind, 0)
        if name in found or start + size > len(run):
            raise ValueError(f"the state {name!r} is there twice or lies beyond the file")
        found[name] = run[start : start + size].reshape(shape)
        at[kind] = start + size
    if any(at[kind] != len(run) for kind, run in runs.items()):
        raise ValueError("values that belong to no state")
    return found
