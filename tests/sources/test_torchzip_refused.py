"""``.pt`` files that torch writes and evalcli refuses, and damaged ones (HOSTILE.md 1.1)."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from evalcli.sources.tensors import open_tensors


@pytest.fixture
def pt(tmp_path: Path) -> str:
    return str(tmp_path / "x.pt")


def legacy(obj: object, path: str) -> None:
    torch.save(obj, path, _use_new_zipfile_serialization=False)


class Evil:
    def __reduce__(self):
        return os.system, ("touch PWNED",)


def test_T02_code_is_refused(pt, tmp_path, monkeypatch, refuse):
    monkeypatch.chdir(tmp_path)
    torch.save({"pred": Evil()}, pt)
    assert "posix.system" in refuse(pt, "never runs code")
    legacy(Evil(), pt)
    refuse(pt, "posix.system", "never runs code")
    for protocol in (2, 4):
        Path(pt).write_bytes(pickle.dumps(Evil(), protocol))
        refuse(pt, "posix.system")
    Path(pt).write_bytes(pickle.dumps(Evil(), 0))
    refuse(pt)
    assert not (tmp_path / "PWNED").exists()


def test_T02e_an_environment_variable_changes_nothing(pt, tmp_path):
    legacy(Evil(), pt)
    code = "import sys; from evalcli.sources.tensors import open_tensors; open_tensors(sys.argv[1])"
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code, pt], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "refused: the file asks to run posix.system" in ran.stderr
    assert not (tmp_path / "PWNED").exists()


def test_no_reader_imports_torch_or_pickle(pt):
    torch.save(torch.ones(3), pt)
    legacy(torch.ones(3), pt + "2.pt")
    code = (
        "import sys; from evalcli.sources.tensors import open_tensors\n"
        "for path in sys.argv[1:]: open_tensors(path).arrays[''].read(0, 3)\n"
        "print(sorted({'torch', 'ml_dtypes', 'zipfile', 'tempfile', 'hashlib', 'pandas'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code, pt, pt + "2.pt"], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("keep", [0, 1, 3, 10, 100, 0.5, -1])
@pytest.mark.parametrize("new", [True, False], ids=["T03a zip", "T03b legacy"])
def test_T03a_T03b_truncated(pt, keep, new, refuse):
    torch.save({"a": torch.arange(100.0)}, pt, _use_new_zipfile_serialization=new)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    refuse(pt)


def test_T03d_T03a_words(pt, refuse):
    torch.save(torch.arange(100.0), pt)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(data[: len(data) // 2])
    refuse(pt, "truncated: no zip directory", f"{len(data) // 2} bytes")
    Path(pt).write_bytes(bytes(4096))
    refuse(pt, "all zero bytes")


def test_T04a_flipped_byte(pt, refuse):
    torch.save(torch.arange(1000), pt)
    data = bytearray(Path(pt).read_bytes())
    data[data.index(struct.pack("<q", 500))] ^= 1
    Path(pt).write_bytes(data)
    assert torch.load(pt)[500] == 501  # torch does not notice
    refuse(pt, "data/0 is damaged", "CRC-32")


def test_T04a_a_flip_in_what_no_row_covers_is_noticed(pt, refuse):
    torch.save(torch.arange(1000)[:100], pt)
    data = bytearray(Path(pt).read_bytes())
    data[data.index(struct.pack("<q", 500))] ^= 1
    Path(pt).write_bytes(data)
    refuse(pt, "CRC-32")


def test_T04a_no_crc_is_noted(pt, read_all):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(torch.arange(5), pt)
    finally:
        torch.serialization.set_crc32_options(True)
    file = open_tensors(pt)
    assert [note.code for note in file.notes()] == ["no-checksum"]
    file.close()
    assert read_all(pt)[""].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("before", [b"", b"MZ junk"])
def test_T04b_bytes_around_the_zip(pt, before, refuse):
    torch.save(torch.arange(5), pt)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(before + data + (b"" if before else b"junk"))
    refuse(pt)


def test_T08a_the_old_format_is_noted(pt):
    legacy(torch.arange(5), pt)
    file = open_tensors(pt)
    assert [note.code for note in file.notes()] == ["no-checksum"]
    file.begin()
    assert file.finish().digest.startswith("sha256:")
    file.close()


def test_T08b_a_claim_beyond_the_file(pt, refuse):
    legacy(torch.arange(5, dtype=torch.uint8), pt)
    data = Path(pt).read_bytes()
    forged = data.replace(b"K\x05N", b"J" + struct.pack("<i", 10**9) + b"N")
    assert forged != data
    Path(pt).write_bytes(forged)
    refuse(pt, "claims 1,000,000,000 bytes")
    Path(pt).write_bytes(data + b"x")
    refuse(pt, "last storage is followed by")


def test_T09_tar(pt, tmp_path, refuse):
    with tarfile.open(pt, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(__file__, "storages")
    refuse(pt, "a tar archive")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", ["to_sparse", "to_sparse_csr"])
def test_T12a_T12b_sparse(pt, how, refuse):
    torch.save(getattr(torch.eye(3), how)(), pt)
    refuse(pt, "sparse", ".to_dense()")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_T13_quantized(pt, refuse):
    torch.save(torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8), pt)
    refuse(pt, "quantized", "dequantize()")


def test_T14_complex(pt, refuse):
    torch.save(torch.zeros(3, dtype=torch.complex64), pt)
    refuse(pt, "complex", ".real")
    torch.save(torch.zeros(3, dtype=torch.complex64).conj().imag, pt)
    refuse(pt, "negated")
    legacy(torch.zeros(3, dtype=torch.complex64), pt)
    refuse(pt, "complex")


def test_T15_meta(pt, refuse):
    torch.save(torch.zeros(3, device="meta"), pt)
    refuse(pt, "shapes only, no data")


class Subclass(torch.Tensor):
    pass


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_T18_subclasses_and_nested(pt, refuse):
    torch.save(torch.zeros(3).as_subclass(Subclass), pt)
    refuse(pt, "subclass")
    torch.save(torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), pt)
    refuse(pt, "nested")


class Point(NamedTuple):
    pred: int


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (Point(1), "Point"), ({"a": np.zeros(3)}, "numpy"), (np.float64(3), "numpy"),
        (collections.defaultdict(int), "defaultdict"), (Path("x"), "pathlib"), (slice(3), "slice"), ({"n": 3}, "int"),
        (3, "int"), ({}, "no tensor"), ([], "no tensor"),
        ({(1, 2): torch.ones(2)}, "key"), ([1, None], "torch.tensor"), (torch.Size([3]), "Size"),
        ({1, 2}, "set"), (torch.tensor(3), "single number"),
    ],
)  # fmt: skip
def test_T20b_other_objects(pt, content, word, refuse):
    torch.save(content, pt)
    message = refuse(pt, word)
    assert ";" in message  # says what to do


def test_T20e_four_bit_floats(pt, refuse):
    torch.save(torch.zeros(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), pt)
    refuse(pt, "4-bit")
