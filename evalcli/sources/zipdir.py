"""The directory of a zip file, read strictly: every byte of the file has one owner, and both headers agree.

A lenient reader lets one file be two: junk before or after, two records of one name, a local header that says something
else. Nothing of that kind is written by ``torch.save`` or ``numpy.savez``.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import DAMAGED, InputError, LimitError, several
from evalcli.sources.rawfile import Region, plain

if TYPE_CHECKING:
    from evalcli.sources.rawfile import RawFile

RECORD_LIMIT = 10_100
"""Ten thousand arrays, as a list of batches may be, and what their writer keeps beside them."""
STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _DESCRIPTOR = 1, 8
_DESCRIPTOR_MAX = 24


class Record(NamedTuple):
    """One member: its bytes lie ``packed`` long at ``offset`` and unpack to ``size``."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: int
    flags: int
    offset: int = 0

    def region(self, file: RawFile) -> Region:
        """Its bytes, checksummed when read."""
        return Region(file, self.offset, self.packed, name=self.name, stored=self.crc)


def read_directory(file: RawFile) -> dict[str, Record]:
    """Every record by name, in file order.

    Raises:
        InputError: the file is truncated, has bytes outside its records, or contradicts itself.
        LimitError: it holds more than ten thousand arrays.

    """
    count, start, size = _find_directory(file)
    if count > RECORD_LIMIT:
        raise LimitError(f"{count:,} records; at most 10,000 arrays are read", fix="save one tensor of all samples")
    entries = sorted(_entries(file.read(start, size), count), key=lambda record: record.header)
    records: dict[str, Record] = {}
    at = 0
    for entry in entries:
        record, at = _locate(file, entry, at, start)
        if record.name in records:
            raise InputError(f"two records are named {plain(record.name)}", fix=DAMAGED)
        records[record.name] = record
    if start - at > _slack(entries[-1] if entries else None):
        raise InputError(f"its records leave {several(start - at, 'byte')} between them", fix=DAMAGED)
    return records


def _find_directory(file: RawFile) -> tuple[int, int, int]:
    """Number of records, place and size of the central directory."""
    if file.size < _END.size:
        what = f"truncated: no zip directory; the file is {several(file.size, 'byte')}"
        raise InputError(what, fix="copy it again")
    end = file.size - _END.size
    fields = _END.unpack(file.read(end, _END.size))
    if fields[0] != b"PK\x05\x06" or fields[7] != 0:
        tail = file.read(max(0, file.size - (1 << 16) - _END.size), min(file.size, (1 << 16) + _END.size))
        found = tail.rfind(b"PK\x05\x06")
        if found < 0:
            raise InputError(
                f"truncated: no zip directory; the file is {several(file.size, 'byte')}", fix="copy it again"
            )
        raise InputError("bytes follow the end of the zip", fix=DAMAGED)
    _, disk, first, here, count, size, start, _ = fields
    locator = end - _LOCATOR.size
    wide = locator >= 0 and file.read(locator, 4) == b"PK\x06\x07"
    if wide:
        end, (disk, first, here, count, size, start) = _find_wide(
            file, locator, (disk, first, here, count, size, start)
        )
    if disk or first or here != count or start + size != end or count * _CENTRAL.size > size:
        raise InputError("the zip directory contradicts itself", fix=DAMAGED)
    if size > 1 << 24:
        raise LimitError(f"the zip directory is {size:,} bytes", fix="save fewer arrays in one file")
    return count, start, size


def _find_wide(file: RawFile, locator: int, narrow: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The zip64 end record: where it starts, and its six numbers, which the old record may only repeat."""
    _, disk, place, disks = _LOCATOR.unpack(file.read(locator, _LOCATOR.size))
    if disk or disks != 1 or place + _END64.size != locator:
        raise InputError("the zip64 directory contradicts itself", fix=DAMAGED)
    magic, length, _, _, *numbers = _END64.unpack(file.read(place, _END64.size))
    full = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
    agrees = all(old in (new, mark) for old, new, mark in zip(narrow, numbers, full, strict=True))
    if magic != b"PK\x06\x06" or length != _END64.size - 12 or not agrees:
        raise InputError("the zip64 directory contradicts itself", fix=DAMAGED)
    return place, tuple(numbers)


def _entries(directory: bytes, count: int) -> list[Record]:
    entries, at = [], 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory):
            raise InputError("the zip directory ends early", fix=DAMAGED)
        fields = _CENTRAL.unpack_from(directory, at)
        magic, flags, method, crc, packed, size = fields[0], fields[3], fields[4], *fields[7:10]
        name_size, extra_size, comment_size, header = *fields[10:13], fields[16]
        at += _CENTRAL.size
        name = directory[at : at + name_size]
        extra = directory[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if magic != b"PK\x01\x02" or at > len(directory) or flags & _ENCRYPTED:
            raise InputError("the zip directory is damaged, or a record encrypted", fix="write the file again")
        size, packed, header = _widen(extra, (size, packed, header))
        entries.append(Record(_decode(name), method, crc, packed, size, header, flags))
    if at != len(directory):
        raise InputError("the zip directory is longer than its records", fix=DAMAGED)
    return entries


def _locate(file: RawFile, entry: Record, at: int, end: int) -> tuple[Record, int]:
    """The record with the place of its bytes, after its local header was compared; and where it ends."""
    gap = entry.header - at
    if gap < 0 or gap > (_DESCRIPTOR_MAX if at else 0) or entry.header + _LOCAL.size > end:
        raise InputError("records of the zip overlap or leave gaps", fix=DAMAGED)
    fields = _LOCAL.unpack(file.read(entry.header, _LOCAL.size))
    magic, flags, method, crc, packed, size = fields[0], fields[2], fields[3], *fields[6:9]
    name_size, extra_size = fields[9:]
    begin = entry.header + _LOCAL.size
    if begin + name_size + extra_size + entry.packed > end:
        raise InputError(f"the record {plain(entry.name)} does not fit in the file", fix=DAMAGED)
    text = file.read(begin, name_size + extra_size)
    size, packed, _ = _widen(text[name_size:], (size, packed, 0))
    agrees = (magic, flags, method, _decode(text[:name_size])) == (b"PK\x03\x04", entry.flags, entry.method, entry.name)
    numbers, later = (crc, packed, size), bool(flags & _DESCRIPTOR)
    if not agrees or (numbers != (entry.crc, entry.packed, entry.size) and not (later and numbers == (0, 0, 0))):
        raise InputError(f"two headers of {plain(entry.name)} disagree", fix=DAMAGED)
    offset = begin + name_size + extra_size
    found = Record(entry.name, method, entry.crc, entry.packed, entry.size, entry.header, flags, offset)
    return found, offset + entry.packed


def _slack(last: Record | None) -> int:
    return _DESCRIPTOR_MAX if last is not None and last.flags & _DESCRIPTOR else 0


def _widen(extra: bytes, numbers: tuple[int, int, int]) -> tuple[int, int, int]:
    """Numbers that did not fit 32 bits, from the zip64 extra field."""
    wide: list[int] = []
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
            wide = [n for (n,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
        at += 4 + length
    out = []
    for number in numbers:
        if number == _FULL32 and wide:
            out.append(wide.pop(0))
        else:
            out.append(number)
    return out[0], out[1], out[2]


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
