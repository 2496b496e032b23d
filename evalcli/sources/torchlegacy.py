"""``.pt`` from before the zip format (and ``_use_new_zipfile_serialization=False``): pickles, then raw storages.

Five pickles follow one another: a magic number, the protocol, facts about the machine, the object, the keys of the
storages; then for each key its count of elements in 8 bytes and its data. They run on the same restricted machine as
the zip format, so that ``torch.load``, which allocates from the claims in the file, is not needed. The format has no
checksum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.errors import DAMAGED, InputError, LimitError, several
from evalcli.sources.arrays import RAW, REFUSED
from evalcli.sources.base import Note
from evalcli.sources.contents import Contents
from evalcli.sources.picklevm import PICKLE_LIMIT, EndsEarlyError, Machine, malformed
from evalcli.sources.rawfile import Region
from evalcli.sources.torchnames import Storage, check_storage, find_name
from evalcli.sources.torchzip import collect

if TYPE_CHECKING:
    from evalcli.sources.rawfile import RawFile

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_FIRST_READ = 1 << 16


def read_torch_legacy(file: RawFile) -> Contents:
    """The tensors of an old ``.pt`` file.

    Raises:
        InputError: it is truncated, damaged, forged, or holds something else than dense tensors.
        LimitError: its pickles are too large.

    """
    storages: dict[str, Storage] = {}
    root, keys, at = _run_pickles(file, storages)
    regions = _place_storages(file, storages, keys, at)

    def find_region(storage: Storage, size: int) -> Region:
        region = regions[storage.key]
        if region.size != size:
            raise InputError("the tensor view does not fit its storage", fix=DAMAGED)
        return region

    contents = Contents()
    collect(root, contents, find_region, _is_swapped(), file.path)
    text = f"{file.path} is in torch's old format, which has no checksum: damage cannot be noticed"
    contents.notes.append(Note("no-checksum", text, "save it again with torch.save"))
    return contents


def _is_swapped() -> bool:
    import sys

    return sys.byteorder != "little"


def _run_pickles(file: RawFile, storages: dict[str, Storage]) -> tuple[Any, Any, int]:
    """The object, the keys of its storages and where their data begin."""
    held = min(file.size, _FIRST_READ)
    while True:
        storages.clear()
        try:
            return _run_held(file.read(0, held), storages)
        except EndsEarlyError as e:
            if held == file.size:
                raise InputError(
                    f"truncated: its pickle ends early; the file is {several(file.size, 'byte')}", fix="copy it again"
                ) from e
            if held >= PICKLE_LIMIT:
                raise LimitError(f"its pickle is more than {PICKLE_LIMIT:,} bytes", fix="save tensors") from e
            held = min(file.size, held * 16, PICKLE_LIMIT)


def _run_held(data: bytes, storages: dict[str, Storage]) -> tuple[Any, Any, int]:
    def refuse(_reference: Any) -> Any:
        raise malformed()

    def keep(reference: Any) -> Storage:
        storage = check_storage(reference, 1)
        if storages.setdefault(storage.key, storage) != storage:
            raise malformed()
        return storage

    at = 0
    values = []
    for resolve in (refuse, refuse, refuse, keep, refuse):
        machine = Machine(data, at, find_name, resolve)
        values.append(machine.run())
        at = machine.at
        if not values[0] == _MAGIC:
            raise InputError("a pickle, but not written by torch.save", fix="save {'pred': tensor, 'target': tensor}")
    _, protocol, system, root, keys = values
    if protocol != _PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise InputError("an old torch format that is not known", fix="save it again with torch.save")
    return root, keys, at


def _place_storages(file: RawFile, storages: dict[str, Storage], keys: Any, at: int) -> dict[str, Region]:
    """Where each storage lies; the claims must fill the file exactly."""
    known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not known or len(set(keys)) != len(keys) or set(keys) != set(storages):
        raise InputError("its list of storages contradicts its tensors", fix=DAMAGED)
    regions = {}
    for key in keys:
        storage = storages[key]
        if storage.dtype in REFUSED:
            what, _, fix = REFUSED[storage.dtype].partition("; ")
            raise InputError(what, fix=fix)
        width = 1 if storage.dtype is None else int(RAW[storage.dtype][1:])
        size = storage.count * width
        if at + 8 + size > file.size:
            what = f"a storage claims {size:,} bytes; the file is {file.size:,}"
            raise InputError(what, fix="it is truncated or forged")
        if int.from_bytes(file.read(at, 8), "little") != storage.count:
            raise InputError("a storage is not as long as its tensors say", fix=DAMAGED)
        regions[key] = Region(file, at + 8, size)
        at += 8 + size
    if at != file.size:
        raise InputError(f"its last storage is followed by {several(file.size - at, 'byte')}", fix=DAMAGED)
    return regions
