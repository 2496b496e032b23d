"""``.safetensors`` files (HOSTILE.md 1.3)."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from evalcli.errors import EmptyError, LimitError
from evalcli.sources.tensors import open_tensors


@pytest.fixture
def safe(tmp_path: Path) -> str:
    return str(tmp_path / "x.safetensors")


def header(path: str, text: bytes | dict, data: bytes = bytes(16), claim: int | None = None) -> None:
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text) if claim is None else claim) + text + data)


def entry(first: int = 0, last: int = 16, shape=(4,), dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


def test_S03_dtypes(safe, read_all):
    kinds = [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
        torch.int64, torch.int32,
        torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
    ]  # fmt: skip
    content = {str(kind): torch.arange(40).reshape(20, 2).to(kind) for kind in kinds}
    safetensors.torch.save_file(content, safe, metadata={"format": "pt"})
    found = read_all(safe)
    assert sorted(found) == sorted(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(found[name], tensor.double().numpy())


def test_S03_dtypes_that_are_no_input(safe, read_all, refuse):
    safetensors.torch.save_file({"a": torch.zeros(3, dtype=torch.complex64)}, safe)
    refuse(safe, "complex")
    header(safe, {"a": entry(dtype="F6_E2M3")})
    refuse(safe, "unknown dtype F6_E2M3")
    safetensors.torch.save_file({"a": torch.tensor(1.0), "b": torch.ones(2)}, safe)
    assert list(read_all(safe)) == ["b"]


@pytest.mark.parametrize("claim", [17, 2**63, 200_000_000, 2**64 - 1])
def test_S01_header_lengths(safe, claim, refuse):
    header(safe, b"{}", b"", claim)
    refuse(safe, "its header claims")
    Path(safe).write_bytes(b"\x05\0\0\0\0\0")
    refuse(safe, "truncated")


@pytest.mark.parametrize(
    "content",
    [
        {"a": entry(), "b": entry()}, {"a": entry(0, 8, (2,)), "b": entry(12, 16, (1,))}, {"a": entry(4, 16, (3,))},
        {"a": entry(0, 12, (3,))}, {"a": entry(0, 20, (5,))}, {"a": entry(shape=(5,))}, {"a": entry(16, 0)},
        {"a": entry(shape=(2**62, 2**62))}, {"a": entry(shape=(-4,))}, {"a": entry(shape=(4.0,))},
        {"a": {**entry(), "data_offsets": [0, 16, 32]}}, {"a": {**entry(), "shape": 4}}, {"a": {**entry(), "x": 1}},
        {"a": {"dtype": "F32"}}, {"a": 3}, {"a": entry(dtype="X")}, {"a": {**entry(), "dtype": 3}},
        {"a": entry(shape=(True,) * 4)},
    ],
)  # fmt: skip
def test_S02_places(safe, content, refuse):
    header(safe, content)
    refuse(safe)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b'{"a":%b,"a":%b}', "'a' twice"),
        (b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}', "twice"),
        (b' {"a":%b}', "does not begin with {"), (b'{"a":' * 100_000, "no valid JSON"), (b'{"a"', "no valid JSON"),
        (b'{"\xff":1}', "no valid JSON"), (b'{"a":' + b"9" * 5000 + b"}", "no valid JSON"), (b"{}", "by 16 bytes"),
    ],
)  # fmt: skip
def test_S02d_S10_S10b_headers(safe, text, word, refuse):
    header(safe, text.replace(b"%b", json.dumps(entry()).encode()))
    refuse(safe, word)


def test_S04_no_samples(safe):
    header(safe, {"a": entry(0, 0, (0, 2**62))}, b"")
    file = open_tensors(safe)
    assert file.arrays["a"].shape == (0, 2**62)
    with pytest.raises(EmptyError):
        file.arrays["a"].read(0, 0)
    file.close()


def test_S06_names_are_only_names(safe, read_all, refuse):
    names = ["\x1b[31m", "../x", "", "a.b"]
    header(safe, {name: entry(4 * i, 4 * i + 4, (1,)) for i, name in enumerate(names)})
    assert list(read_all(safe)) == names
    header(safe, {"\x1b[31m": entry(dtype="\x1b[0m")})
    refuse(safe, "\\x1b")


def test_S11_large_headers(safe, refuse):
    header(safe, {f"t{i}": entry(0, 0, (0,)) for i in range(1001)}, b"")
    refuse(safe, "1,001 tensors", kind=LimitError)
    header(safe, {f"t{i}": entry(0, 0, (0,)) for i in range(20_000)}, b"")
    refuse(safe, "its header is 1,", kind=LimitError)
