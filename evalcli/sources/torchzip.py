"""``.pt`` as ``torch.save`` writes it: a zip of raw storages and a small pickle. Read without torch.

``data.pkl`` says which tensors there are, as views of storages; ``data/<key>`` is the storage ``key``, uncompressed;
``byteorder`` says which way round. Nothing is allocated from a claim: every view is checked against its record first.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from evalcli.errors import DAMAGED, InputError, LimitError, several
from evalcli.sources.arrays import RAW, REFUSED, Layout, StridedArray
from evalcli.sources.base import Note
from evalcli.sources.contents import Contents
from evalcli.sources.picklevm import PICKLE_LIMIT, EndsEarlyError, Machine, Opaque, malformed
from evalcli.sources.rawfile import plain
from evalcli.sources.textarrays import TextList
from evalcli.sources.torchnames import DType, Size, Storage, Tensor, check_storage, find_name
from evalcli.sources.zipdir import STORED, read_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.sources.rawfile import RawFile, Region
    from evalcli.sources.zipdir import Record

DEPTH_LIMIT = 64
NODE_LIMIT = 10_000
_WIDE = 10
"""A storage this many times its view deserves a note."""

_SCALARS = (type(None), bool, int, float, str, DType, Opaque, Size)


def read_torch_zip(file: RawFile) -> Contents:
    """The tensors of a ``.pt`` file.

    Raises:
        InputError: it is damaged, forged, or holds something else than dense tensors.
        LimitError: it holds too much of it.

    """
    records = read_directory(file)
    prefix = _check_kind(records)
    data = _read_small(file, records[f"{prefix}/data.pkl"])
    swapped = _read_byteorder(file, records.get(f"{prefix}/byteorder"))
    _read_small(file, records[f"{prefix}/version"])
    regions: dict[str, Region] = {}

    def find_region(storage: Storage, size: int) -> Region:
        record = records.get(f"{prefix}/data/{storage.key}")
        if record is None or record.size != size:
            held = "is missing" if record is None else f"is {several(record.size, 'byte')}"
            raise InputError(
                f"the record of storage {plain(storage.key)} {held}; {size} are claimed",
                fix=DAMAGED,
            )
        if storage.key not in regions:
            regions[storage.key] = record.region(file)
            regions[storage.key].unless_zero = True
        return regions[storage.key]

    try:
        root = Machine(data, 0, find_name, lambda reference: check_storage(reference, 0)).run()
    except EndsEarlyError as e:
        raise malformed() from e
    contents = Contents(checksummed=True, base=zlib.crc32(data))
    collect(root, contents, find_region, swapped, file.path)
    contents.regions = sorted(regions.values(), key=lambda region: region.offset)
    if any(region.stored == 0 and region.size for region in contents.regions):
        text = f"{file.path} was saved without CRC-32: damage cannot be noticed"
        contents.notes.append(Note("no-checksum", text, "save with torch.serialization.set_crc32_options(True)"))
    return contents


def _check_kind(records: dict[str, Record]) -> str:
    """The common folder of all records, once they look like ``torch.save``."""
    foreign = InputError("a zip, but not written by torch.save", fix="write it with torch.save")
    prefix = next(iter(records), "").partition("/")[0]
    if any(not name.startswith(f"{prefix}/") or ".." in name.split("/") for name in records) or not records:
        raise foreign
    inside = {name[len(prefix) + 1 :] for name in records}
    is_package = any(name.startswith((".data/extern_modules", ".data/python_version", "code/")) for name in inside)
    if is_package or inside & {"constants.pkl", "archive_format", "archive_version", "models/model.json"}:
        raise InputError("this is a program, not predictions", fix="run it and save its outputs with torch.save")
    if not {"data.pkl", "version"} <= inside:
        raise foreign
    for record in records.values():
        if record.method != STORED or record.packed != record.size:
            raise InputError(
                f"the record {plain(record.name)} is compressed; torch.save never compresses", fix="save it again"
            )
    return prefix


def _read_small(file: RawFile, record: Record) -> bytes:
    """A whole record that describes the others, checked."""
    if record.size > PICKLE_LIMIT:
        raise LimitError(f"{plain(record.name)} is {record.size:,} bytes", fix="save tensors, not lists of objects")
    data = file.read(record.offset, record.size)
    if record.crc and zlib.crc32(data) != record.crc:
        raise InputError(f"{plain(record.name)} is damaged: its CRC-32 differs", fix="copy or write the file again")
    return data


def _read_byteorder(file: RawFile, record: Record | None) -> bool:
    """Whether the storages are foreign-endian."""
    import sys

    order = "little" if record is None else _read_small(file, record).decode("ascii", "replace")
    if order not in ("little", "big"):
        raise InputError("its byte order is unknown", fix="write it with torch.save")
    return order != sys.byteorder


def collect(
    root: Any, contents: Contents, find_region: Callable[[Storage, int], Region], swapped: bool, path: str
) -> None:
    """Put every tensor under ``root`` into ``contents``: dicts by key, lists by index, nested ones joined by dots.

    A list of texts, of numbers, or of lists of numbers of one length is an array as well.

    Raises:
        InputError: a view does not fit, or the nesting is too deep.
        LimitError: the tree has too many nodes.

    """
    known: dict[int, Any] = {}
    for nodes, (name, whole, value) in enumerate(_walk(root, "", None, 0, known)):
        if nodes > NODE_LIMIT:
            raise LimitError(f"more than {NODE_LIMIT:,} objects", fix="save {'pred': tensor, 'target': tensor}")
        if isinstance(value, Tensor):
            _add_tensor(name, whole, value, contents, find_region, swapped)
        elif id(value) in known and isinstance(value, list | tuple):
            _add_list(name, known[id(value)], contents, path)
        elif isinstance(value, _SCALARS):
            kind = value.kind if isinstance(value, Opaque) else type(value).__name__
            contents.skip(name, f"a Python {kind}, no tensor; save {{'pred': tensor, 'target': tensor}}")
        elif not isinstance(value, dict | list | tuple):
            contents.skip(name, "no tensor; save {'pred': tensor, 'target': tensor}")
    contents.check_any()


def _walk(
    value: Any, name: str, whole: str | None, depth: int, known: dict[int, Any]
) -> Iterator[tuple[str, str | None, Any]]:
    """Every node with its dotted name, and without the place in the innermost list it is in, if in one.

    A list of plain values is one node, and ``known`` has what is made of it.
    """
    if depth > DEPTH_LIMIT:
        raise InputError(f"nested more than {DEPTH_LIMIT} deep", fix="save {'pred': tensor, 'target': tensor}")
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif (
        isinstance(value, list | tuple)
        and not isinstance(value, Size)
        and not _is_plain(value, known, at_root=not name)
    ):
        children = enumerate(value)
    yield name, whole, value
    for key, child in children:
        shared = name if isinstance(value, list | tuple) else None if whole is None else _under(whole, key)
        yield from _walk(child, _under(name, key), shared, depth + 1, known)


def _under(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _is_plain(value: list[Any] | tuple[Any, ...], known: dict[int, Any], *, at_root: bool) -> bool:
    """Whether a list holds plain values, or lists of numbers of one length.

    A file that is a few long lists has both sides in them: those are taken by their index.
    """
    if id(value) in known:
        return True
    if not value:
        return False
    if all(isinstance(item, _SCALARS) for item in value):
        kinds = {type(item) for item in value}
        known[id(value)] = list(value) if kinds == {str} else _numbers(value, kinds)
        return True
    if not all(isinstance(item, list | tuple) and len(item) == len(value[0]) for item in value):
        return False
    if at_root and len(value) <= len(value[0]):
        return False
    rows = _numbers(value, {type(item) for row in value for item in row})
    if rows is not None:
        known[id(value)] = rows
    return rows is not None


def _numbers(values: list[Any] | tuple[Any, ...], kinds: set[type]) -> Any:
    """An array of ``values`` of these ``kinds``; ``None`` where they are not numbers, or not of one kind."""
    if kinds not in ({int}, {bool}, {float}, {int, float}):
        return None
    import numpy as np

    try:
        return np.array(values, np.int64 if kinds == {int} else np.bool_ if kinds == {bool} else np.float64)
    except OverflowError:
        return None


def _add_list(name: str, values: Any, contents: Contents, path: str) -> None:
    if values is None:
        contents.skip(name, "a list of Python values, not all texts nor all numbers; save torch.tensor(...)")
    elif isinstance(values, list):
        contents.add(TextList(name, values, path))
    else:
        from evalcli.sources.held_arrays import HeldArray

        contents.add(HeldArray(name, values))


def _add_tensor(
    name: str,
    whole: str | None,
    tensor: Tensor,
    contents: Contents,
    find_region: Callable[[Storage, int], Region],
    swapped: bool,
) -> None:
    if tensor.dtype not in RAW:
        contents.skip(name, REFUSED[tensor.dtype])
        return
    width = int(RAW[tensor.dtype][1:])
    size = tensor.storage.count * (1 if tensor.storage.dtype is None else width)
    shape, strides = tensor.shape, tensor.strides
    if not shape:
        if whole is None or name.rpartition(".")[0] != whole:
            contents.skip(name, "a single number, not an array of samples; save one entry for each sample")
            return
        shape, strides = (1,), (1,)  # one row of those in the list
    region = find_region(tensor.storage, size)
    layout = Layout(region, tensor.offset * width, tuple(stride * width for stride in strides), swapped and width > 1)
    contents.add(StridedArray(name, shape, tensor.dtype, layout), whole)
    used = width
    for length in shape:
        used *= length
    if 0 < used * _WIDE < region.size:
        text = f"{name or 'the tensor'} is a view of a storage {region.size // used} times its size"
        contents.notes.append(Note("wide-view", text, "save t.clone()"))
