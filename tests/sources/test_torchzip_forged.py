"""``.pt`` files that torch never wrote: forged views, programs and directories (HOSTILE.md 1.1)."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from evalcli.errors import LimitError


@pytest.fixture
def pt(tmp_path: Path) -> str:
    return str(tmp_path / "x.pt")


class Name(str):
    """A global, as ``module name``."""


class Call(tuple):
    """``Call((function, args))``: a REDUCE."""


class Storage(tuple):
    """A persistent id."""


def program(value: object) -> bytes:
    """Opcodes that build a value, without a memo."""
    if isinstance(value, Name):
        return b"c" + value.replace(" ", "\n").encode() + b"\n"
    if isinstance(value, Call):
        return program(value[0]) + program(value[1]) + b"R"
    if isinstance(value, Storage):
        return program(tuple(value)) + b"Q"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(program, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(program(x) for item in value.items() for x in item) + b"u"
    if value is None:
        return b"N"
    raise TypeError(value)


def view(size, stride, *, offset=0, count=4, key="0", kind="torch FloatStorage", location="cpu") -> Call:
    storage = Storage(("storage", Name(kind), key, location, count))
    hooks = Call((Name("collections OrderedDict"), ()))
    return Call((Name("torch._utils _rebuild_tensor_v2"), (storage, offset, size, stride, False, hooks)))


def write(path: str, value: object, data: dict[str, bytes] | None = None, extra=(), method=zipfile.ZIP_STORED) -> None:
    """A zip as ``torch.save`` writes it, around any program."""
    raw = value if isinstance(value, bytes) else b"\x80\x02" + program(value) + b"."
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x/data.pkl", raw)
        archive.writestr("x/byteorder", "little")
        for key, content in (data if data is not None else {"0": np.arange(4, dtype="<f4").tobytes()}).items():
            archive.writestr(f"x/data/{key}", content)
        archive.writestr("x/version", "3\n")
        for name, content in extra:
            archive.writestr(name, content)


def test_T19_a_stored_device_is_ignored(pt, read_all):
    write(pt, view((4,), (1,), location="cuda:0\x1b[31m"))
    assert read_all(pt)[""].tolist() == [0, 1, 2, 3]


def test_T26_booleans_are_normalised(pt, read_all):
    write(pt, view((4,), (1,), kind="torch BoolStorage"), {"0": bytes([0, 1, 2, 255])})
    found = read_all(pt)[""]
    assert found.dtype == bool
    assert found.tolist() == [False, True, True, True]
    assert found.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_big_endian_storages(pt, read_all):
    with zipfile.ZipFile(pt, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + program(view((4,), (1,))) + b".")
        archive.writestr("x/byteorder", "big")
        archive.writestr("x/data/0", np.arange(4, dtype=">f4").tobytes())
        archive.writestr("x/version", "3\n")
    assert read_all(pt)[""].tolist() == [0, 1, 2, 3]


def test_T05_compressed_records(pt, refuse):
    write(pt, view((4,), (1,)), method=zipfile.ZIP_DEFLATED)
    refuse(pt, "torch.save never compresses")


def test_T06a_T06n_claims_beyond_the_record(pt, refuse):
    for count in (2**40, 20, 3):
        write(pt, view((count,), (1,), count=count))
        refuse(pt, "16 bytes", "claimed")
    write(pt, view((4,), (1,), key="9"))
    refuse(pt, "storage 9 is missing")


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((5,), (1,), 0), ((4,), (1,), 1), ((4,), (1,), -1), ((-4,), (1,), 0), ((2,), (-1,), 3), ((2,), (4,), 0),
        ((2**62, 4), (4, 1), 0), ((2**64,), (1,), 0), ((4,), (2**62,), 0), ((2, 2), (1,), 0), ((1,) * 65, (1,) * 65, 0),
    ],
)  # fmt: skip
def test_T06b_views_that_do_not_fit(pt, size, stride, offset, refuse):
    write(pt, view(size, stride, offset=offset))
    refuse(pt, "does not fit")


@pytest.mark.parametrize("size", [(10**12,), (5,), (4, 2)])
def test_T07_broadcast_views(pt, size, refuse):
    write(pt, view(size, (0,) * len(size)))
    refuse(pt, "broadcast", ".contiguous()")


def test_T10_programs(pt, tmp_path, refuse):
    write(pt, view((4,), (1,)), extra=[("x/code/__torch__.py", b"")])
    refuse(pt, "this is a program, not predictions")
    write(pt, view((4,), (1,)), extra=[("x/archive_format", b"pt2")])
    refuse(pt, "this is a program, not predictions")
    torch.save(torch.nn.Linear(2, 2), pt)
    refuse(pt, "a model, not predictions")
    torch.save(torch.nn.Linear(2, 2).state_dict(), pt)
    refuse(pt, "state_dict")


def test_T21_deep_nesting(pt, refuse):
    deep = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    write(pt, deep)
    refuse(pt, "nested more than 64 deep")


def test_T22_billion_laughs(pt, refuse):
    lists = b"".join(b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(30))
    write(pt, b"\x80\x02(" + program(None) + b"q\x00" + lists + b"t.")
    refuse(pt, "objects", kind=LimitError)


def test_T22_programs_that_only_fill_memory(pt, refuse):
    for body in (b"]" * 260_000, b"(" * 260_000, b"N" + b"\x85" * 260_000, b"N" + b"\x94" * 2_100_000):
        write(pt, b"\x80\x02" + body + b".")
        refuse(pt, "millions of objects", kind=LimitError)


def test_T23_odd_programs(pt, refuse):
    write(pt, b"\x80\x02]q\x00h\x00a.")
    refuse(pt, "nested")
    write(pt, b"\x80\x02\x8b" + struct.pack("<i", 2048) + bytes(2048) + b".")
    refuse(pt, "opcode")
    write(pt, b"\x80\x02\x8a\xff" + bytes(255) + b".")
    refuse(pt, "integer")
    write(pt, b"\x80\x02X" + struct.pack("<I", 2**31) + b"abc")
    refuse(pt, "malformed")
    for body in (
        b".",
        b"a.",
        b"t.",
        b"u.",
        b"]R.",
        b"h\x00.",
        b"NN.",
        b"(N.",
        b"X\x01\x00\x00\x00\xff.",
        b"NQ.",
        b")Q.",
    ):
        write(pt, b"\x80\x02" + body)
        refuse(pt, "malformed")


def test_T25_a_state_for_a_tensor(pt, refuse):
    write(pt, b"\x80\x02" + program(view((4,), (1,))) + b"}b.")
    refuse(pt, "refused")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_T27a_two_records_of_one_name(pt, refuse):
    write(pt, view((4,), (1,)), extra=[("x/data/0", bytes(16))])
    refuse(pt, "two records are named x/data/0")


def test_T27a_one_key_twice(pt, refuse):
    write(pt, b"\x80\x02}(" + (program("a") + program(view((4,), (1,)))) * 2 + b"u.")
    refuse(pt, "twice")


@pytest.mark.parametrize("names", [["x/../../evil"], [], ["hello.txt"], ["x/data.pkl"], ["x/version"]])
def test_T27b_zips_of_others(pt, names, refuse):
    with zipfile.ZipFile(pt, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x02N.")
    refuse(pt, "not written by torch.save")


def test_two_headers_of_one_record_disagree(pt, refuse):
    write(pt, view((4,), (1,)))
    data = bytearray(Path(pt).read_bytes())
    data[data.index(b"x/data/0") + 7] = ord("1")
    Path(pt).write_bytes(data)
    refuse(pt, "disagree")


def test_T37_too_many_tensors(pt, refuse):
    shared = view((4,), (1,))
    write(pt, {f"t{i}": shared for i in range(1001)})
    refuse(pt, "1,000", kind=LimitError)
    with zipfile.ZipFile(pt, "w") as archive:
        for i in range(10_200):
            archive.writestr(f"x/data/{i}", b"")
    refuse(pt, "10,200 records", kind=LimitError)


def test_control_characters_of_a_name_are_shown_escaped(pt, refuse):
    write(pt, Name("os\x1b[31m system"))
    assert "\\x1b" in refuse(pt, "refused")
