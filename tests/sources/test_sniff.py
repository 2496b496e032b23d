"""What a file is, and what it is not (HOSTILE.md T03, T09, T10, N11, Z01, Z02)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import safetensors.numpy
import torch
import zstandard

from evalcli.errors import InputError
from evalcli.sources import input_format
from evalcli.sources.sniff import compression, file_format

if TYPE_CHECKING:
    from pathlib import Path

FRAME = pd.DataFrame({"pred": [1, 2, 3], "target": [1, 2, 2]})
TABLE = pa.table({"pred": [1, 2, 3]})
WRITERS = {
    "a.pt": lambda p: torch.save(torch.ones(3), p),
    "b.pth": lambda p: torch.save({"a": torch.ones(3)}, p, _use_new_zipfile_serialization=False),
    "a.npy": lambda p: np.save(p, np.ones(3)),
    "a.npz": lambda p: np.savez(p, a=np.ones(3)),
    "c.npz": lambda p: np.savez_compressed(p, a=np.ones(3)),
    "a.safetensors": lambda p: safetensors.numpy.save_file({"a": np.ones(3)}, p),
    "a.csv": lambda p: FRAME.to_csv(p, index=False),
    "a.tsv": lambda p: FRAME.to_csv(p, sep="\t", index=False),
    "a.jsonl": lambda p: FRAME.to_json(p, orient="records", lines=True),
    "a.parquet": lambda p: pyarrow.parquet.write_table(TABLE, p),
    "a.feather": lambda p: pyarrow.feather.write_feather(TABLE, p),
    "a.xlsx": lambda p: FRAME.to_excel(p, index=False),
    "a.dta": lambda p: FRAME.to_stata(p, write_index=False),
    "b.dta": lambda p: FRAME.to_stata(p, write_index=False, version=114),
}
FORMATS = {"pth": "pt"}


def refuse(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        file_format(str(path))
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", WRITERS)
def test_formats_by_their_libraries(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](str(path))
    kind = name.partition(".")[2]
    assert file_format(str(path)) == FORMATS.get(kind, kind)
    assert compression(str(path)) is None


@pytest.mark.parametrize(
    "name", ["a.pt", "b.pth", "a.npy", "a.npz", "a.safetensors", "a.parquet", "a.feather", "a.xlsx"]
)
def test_magic_bytes_win_over_the_name(tmp_path, name):
    kind = name.partition(".")[2]
    WRITERS[name](str(tmp_path / name))
    for other in ("x.bin", "x"):
        path = tmp_path / other
        (tmp_path / name).replace(path)
        assert file_format(str(path)) == FORMATS.get(kind, kind)
        path.replace(tmp_path / name)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_Z01_Z02_compression_by_its_bytes(tmp_path, pack, request):
    data = pack(b"pred,target\n1,1\n")
    for name, kind in (("a.csv.gz", "csv"), ("a.csv", "csv"), ("a.jsonl.zst", "jsonl"), ("a.GZ", "csv"), ("a", "csv")):
        path = tmp_path / name
        path.write_bytes(data)
        assert file_format(str(path)) == kind
        assert compression(str(path)) == request.node.callspec.id
    (tmp_path / "a.bin").write_bytes(pack(b'{"pred": 1}\n'))
    assert file_format(str(tmp_path / "a.bin")) == "jsonl"
    (tmp_path / "a.npy.gz").write_bytes(pack(b"\x93NUMPY"))
    refuse(tmp_path / "a.npy.gz", "unpack it first")
    (tmp_path / "a.gz").write_bytes(pack(b"\x93NUMPY\x01\x00"))
    refuse(tmp_path / "a.gz", "unpack it first")


def test_Z01_other_compressions(tmp_path):
    for name, data, word in (
        ("a.csv.bz2", bz2.compress(b"a,b\n1,2\n"), "bzip2"),
        ("a.csv.xz", lzma.compress(b"a,b\n1,2\n"), "xz"),
        ("a.csv", bz2.compress(b"a,b\n1,2\n"), "bzip2"),
    ):
        (tmp_path / name).write_bytes(data)
        refuse(tmp_path / name, word, "unpack it first")
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    refuse(tmp_path / "a.csv.zip", "a zip archive")


def test_damaged_compression(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08" + b"\xff" * 40)
    refuse(tmp_path / "a.gz", "damaged gzip")
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\xff" * 40)
    refuse(tmp_path / "a.zst", "damaged zstd")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("name", ["x.pt", "x.npy", "x.npz", "x.safetensors", "x.csv", "x.parquet", "x"])
def test_T03c_what_a_failed_download_leaves(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(LFS)
    refuse(path, "Git LFS pointer (not downloaded)", "git lfs pull")
    path.write_bytes(b"\n<!DOCTYPE html><html>404</html>")
    refuse(path, "this is HTML")
    path.write_bytes(b"<?xml version='1.0'?><Error>AccessDenied</Error>")
    refuse(path, "this is XML")


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.npy", "x.npz", "x.safetensors"])
def test_T03c_N11_text_named_as_tensors(tmp_path, name):
    path = tmp_path / name
    path.write_bytes("pred,target\nä,b\n".encode())
    refuse(path, "looks like CSV", "rename it to .csv")
    path.write_bytes(b'{"a": 1}\n')
    refuse(path, "looks like JSON")


@pytest.mark.parametrize("size", [1, 4096, 5000, 1 << 21])
def test_T03d_zeros(tmp_path, size):
    for name in ("x.pt", "x.csv", "x.npy", "x.parquet"):
        (tmp_path / name).write_bytes(bytes(size))
        refuse(tmp_path / name, "all zero bytes")


def test_T09_tar(tmp_path):
    (tmp_path / "f").write_text("x")
    with tarfile.open(tmp_path / "x.pt", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(tmp_path / "f", "f")
    refuse(tmp_path / "x.pt", "a tar archive")


def test_N11_of_no_known_kind(tmp_path):
    for name in ("x.npy", "x.pt", "x.parquet", "x.feather", "x.unknown"):
        (tmp_path / name).write_bytes(b"\x01\x02\x03\x04" * 10)
        refuse(tmp_path / name, "its first bytes are 01 02 03 04")
    (tmp_path / "x.csv").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(9))
    refuse(tmp_path / "x.csv", "an HDF5 file")


def test_places_that_are_no_file(tmp_path):
    refuse(tmp_path / "missing.csv", "no such file; see whether the path is right [")
    refuse(tmp_path, "is a directory")
    (tmp_path / "empty.pt").touch()
    refuse(tmp_path / "emtpy.pt", "no such file; did you mean 'empty.pt'?")
    refuse(tmp_path / "empty.pt", "0 bytes")
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path / "pipe", "not a regular file")
    with pytest.raises(InputError, match="not a file name"):
        file_format("a\0b")
    refuse(tmp_path / ("x" * 300), "cannot be opened")


@pytest.mark.parametrize(
    ("text", "kind"), [("a,b\n1,2\n", "csv"), ("a\tb\n1\t2\n", "tsv"), ('{"a":1}\n', "jsonl"), ("label\ncat\n", "csv")]
)
def test_text_without_a_telling_suffix(tmp_path, text, kind):
    for name in ("x", "x.txt", "x.data"):
        (tmp_path / name).write_text("\ufeff" + text if name == "x" else text)
        assert file_format(str(tmp_path / name)) == kind


def test_a_character_cut_by_the_end_of_the_head_is_still_text(tmp_path):
    for shift in range(4):
        (tmp_path / "x").write_text("a" * shift + "ä€😀" * 2000)
        assert file_format(str(tmp_path / "x")) == "csv"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_what_is_packed_shows_though_its_first_block_is_long(tmp_path, pack):
    rows = random.Random(0)
    lines = "".join(f'{{"pred": {rows.random()}, "target": {rows.random()}}}\n' for _ in range(5000))
    path = tmp_path / "piped"  # standard input has no name that would say it
    path.write_bytes(pack(lines.encode()))
    assert file_format(str(path)) == "jsonl"


@pytest.mark.parametrize("name", ["x", "x.arrow", "x.arrows", "x.ipc", "x.feather"])
def test_streams_of_arrow_by_any_of_their_names(tmp_path, name):
    table = pa.table({"pred": [1, 2], "target": [1, 1]})
    with pa.ipc.new_stream(tmp_path / name, table.schema) as stream:
        stream.write_table(table)
    assert file_format(str(tmp_path / name)) == "feather"


@pytest.mark.parametrize("name", ["x.parquet.gz", "x.pq.zst", "x.xlsx.gz", "x.dta.gz"])
def test_only_text_is_read_compressed(tmp_path, name):
    data = b"PAR1 and more"
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else zstandard.compress(data))
    with pytest.raises(InputError) as caught:
        file_format(str(tmp_path / name))
    packed, suffix = ("gzip" if name.endswith("gz") else "zstd"), name.split(".")[1]
    assert caught.value.what == f"{packed} around a .{suffix} file"
    assert caught.value.fix.startswith("unpack it first")


@pytest.mark.parametrize(("kind", "fix"), [("report", "evalcli gate judges a saved report"), ("comparison", "")])
def test_what_evalcli_said_is_no_prediction(tmp_path, kind, fix):
    (tmp_path / "x.json").write_text(f'{{\n  "schema": "evalcli.{kind}/1",\n  "version": "0.1.0"\n}}\n')
    with pytest.raises(InputError) as caught:
        file_format(str(tmp_path / "x.json"))
    assert caught.value.what == f"what evalcli said ({kind}), not predictions"
    assert caught.value.fix.endswith(fix)


@pytest.mark.parametrize("version", [114, 117, 118, 119])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_stata_files_of_every_version_without_their_suffix(tmp_path, version, byteorder):
    FRAME.to_stata(tmp_path / "data", write_index=False, version=version, byteorder=byteorder)
    assert file_format(str(tmp_path / "data")) == "dta"


@pytest.mark.parametrize(("pattern", "count"), [("p*.npz", "2 files"), ("p?.npz", "2 files"), ("p[1].npz", "1 file")])
def test_a_pattern_of_files_of_tensors_says_that_it_is_for_tables(tmp_path: Path, pattern: str, count: str) -> None:
    for number in range(2):
        np.savez(tmp_path / f"p{number}.npz", preds=np.arange(3))
    with pytest.raises(InputError) as caught:
        input_format(str(tmp_path / pattern))
    assert caught.value.what == f"matches {count} of tensors: patterns are for tables"
    assert "evalcli merge" in caught.value.fix


def test_a_file_of_tensors_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "p[1].npz", preds=np.arange(3))
    assert input_format(str(tmp_path / "p[1].npz")) == "npz"
