"""``.npz`` files, plain and compressed (HOSTILE.md 1.2)."""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from evalcli.errors import EvalError, LimitError
from evalcli.sources.tensors import open_tensors


def describe(descr: object, shape: object, fortran: bool = False) -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"


@pytest.fixture
def npz(tmp_path: Path) -> str:
    return str(tmp_path / "x.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(npz, save, read_all):
    content = {
        "b": np.random.default_rng(0).normal(size=(500, 3)),
        "a": np.arange(7),
        "t": np.array(["x", "y"]),
        "f": np.ones((4, 3)).T,
    }
    save(npz, **content)
    for step in (3, 1000):
        found = read_all(npz, step)
        assert list(found) == list(content)
        for name, array in content.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_reads_any_rows_in_any_order(npz, save):
    array = np.random.default_rng(0).normal(size=(5000, 3))
    save(npz, a=array)
    file = open_tensors(npz)
    for start, stop in ((4000, 5000), (10, 20), (10, 30), (0, 5000), (3, 3)):
        np.testing.assert_array_equal(file.arrays["a"].read(start, stop), array[start:stop])
    file.finish()
    file.close()


def test_N08_a_bomb(npz, read_all, refuse):
    np.savez_compressed(npz, a=np.zeros(10_000_000))
    refuse(npz, "would unpack", kind=LimitError)
    np.savez_compressed(npz, a=np.zeros(1_000_000))  # small enough to be harmless
    assert read_all(npz, 10**6)["a"].sum() == 0


def test_N08_a_header_that_claims_more_than_its_member(npz, refuse):
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 80) + describe("<f8", (10**9,)).ljust(80).encode() + b"xx"
        )
    refuse(npz, "a: the header speaks of 8,000,000,090 bytes")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_N08c_names(npz, tmp_path, read_all, refuse):
    np.save(tmp_path / "a.npy", np.arange(3))
    data = (tmp_path / "a.npy").read_bytes()

    def pack(*names: str) -> None:
        with zipfile.ZipFile(npz, "w") as archive:
            for name in names:
                archive.writestr(name, data)

    pack("../../evil.npy", "a.npy", "readme.txt")
    assert list(read_all(npz)) == ["../../evil", "a"]
    assert not (tmp_path.parent.parent / "evil").exists()
    for names in (("a.npy", "a.npy"), ("a.npy", "a"), ("a", "a.npy")):
        pack(*names)
        refuse(npz, "named a")
    pack("readme.txt")
    refuse(npz, "no .npy inside")
    pack()
    refuse(npz, "no tensor inside")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_N09_flips_never_change_a_number_unnoticed(npz, save, read_all):
    save(npz, a=np.arange(60.0).reshape(20, 3), y=np.arange(20))
    data = Path(npz).read_bytes()
    good = read_all(npz)
    luck = random.Random(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
        Path(npz).write_bytes(damaged)
        try:
            found = read_all(npz)
        except EvalError:
            refused += 1
            continue
        assert sorted(found) == sorted(good)
        for name, array in found.items():
            np.testing.assert_array_equal(array, good[name])
    assert refused > 150


@pytest.mark.parametrize("cut", [1, 50, 200])
def test_npz_truncated(npz, cut, refuse):
    np.savez(npz, a=np.arange(60))
    data = Path(npz).read_bytes()
    Path(npz).write_bytes(data[:-cut])
    refuse(npz)


def test_npz_written_to_a_stream_has_descriptors(npz, read_all):
    class Stream:
        def __init__(self, file):
            self.write, self.flush = file.write, file.flush

    with open(npz, "wb") as file, zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, np.arange(9))
        with archive.open("b.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.arange(3))
    assert {name: len(array) for name, array in read_all(npz).items()} == {"a": 9, "b": 3}


def test_T30_a_packed_member_that_changed_is_told_as_that(npz):
    np.savez_compressed(npz, a=np.random.default_rng(0).random(10_000))
    size = Path(npz).stat().st_size
    file = open_tensors(npz)
    with open(npz, "r+b") as written:
        written.seek(size // 2)
        written.write(b"\1" * 100)
    with pytest.raises(EvalError, match="input changed while reading"):
        file.arrays["a"].read(0, 10)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_the_digest_of_a_zip_is_the_same_whatever_was_read(npz, write):
    write(npz, a=np.arange(10), b=np.ones(3))
    with zipfile.ZipFile(npz) as archive:
        whole = f"crc32:{zlib.crc32(archive.read('a.npy') + archive.read('b.npy')):08x}"
    file = open_tensors(npz)
    file.begin()
    assert file.finish().digest == whole
    file.arrays["b"].read(0, 3)
    assert file.finish().digest == whole
    file.arrays["a"].read(2, 5)
    assert file.finish().digest == whole
    file.close()
