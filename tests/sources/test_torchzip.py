"""``.pt`` files as torch writes them (HOSTILE.md 1.1): every dtype, layout and container."""

from __future__ import annotations

import collections
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from evalcli.errors import EvalError
from evalcli.sources.tensors import open_tensors

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
    torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
]  # fmt: skip


@pytest.fixture
def pt(tmp_path: Path) -> str:
    return str(tmp_path / "x.pt")


def legacy(obj: object, path: str) -> None:
    torch.save(obj, path, _use_new_zipfile_serialization=False)


def truth(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype in (torch.float64, torch.float32, torch.bool) or not tensor.is_floating_point():
        return tensor.numpy()
    return tensor.to(torch.float32).numpy()


def example(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).mul(3).abs().to(dtype)
    return torch.randint(0, 100, shape, generator=generator).to(dtype)


def equal(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(a, b)
    assert a.dtype.isnative


@pytest.mark.parametrize("save", [torch.save, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_T01_T20d_T20e_every_dtype(pt, dtype, save, read_all):
    tensor = example(dtype, 20, 3)
    save(tensor, pt)
    file = open_tensors(pt)
    assert (file.format, list(file.arrays)) == ("pt", [""])
    assert file.arrays[""].dtype == str(dtype).removeprefix("torch.")
    assert file.arrays[""].shape == (20, 3)
    file.close()
    equal(read_all(pt)[""], truth(tensor))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16], ids=str)
def test_T20d_every_bit_pattern_becomes_the_exact_float32(pt, dtype, read_all):
    bits = torch.arange(256, dtype=torch.uint8) if dtype.itemsize == 1 else torch.arange(65536).to(torch.uint16)
    tensor = bits.view(dtype)
    torch.save(tensor, pt)
    equal(read_all(pt, 1000)[""], tensor.float().numpy())


def test_T20e_uint64_beyond_int64(pt, read_all, refuse):
    torch.save(torch.tensor([1, 2**63 - 1], dtype=torch.uint64), pt)
    assert read_all(pt)[""].tolist() == [1, 2**63 - 1]
    torch.save(torch.tensor([0, 1, 2, 2**63], dtype=torch.uint64), pt)
    refuse(pt, "2^63", "row 3")


VIEWS = {
    "transposed": lambda t: t.T,
    "sliced": lambda t: t[5:50:3, 1:],
    "column": lambda t: t[:, 2],
    "expanded inner": lambda t: t[:, :1].T.contiguous().T,
    "narrow": lambda t: t[-3:],
    "permuted": lambda t: t.reshape(20, 3, 4).permute(2, 0, 1),
    "channels": lambda t: t.reshape(5, 4, 3, 4).to(memory_format=torch.channels_last),
    "strided": lambda t: t.reshape(-1)[::7],
}


@pytest.mark.parametrize("how", VIEWS)
@pytest.mark.parametrize("save", [torch.save, legacy], ids=["zip", "legacy"])
def test_T16_views(pt, how, save, read_all):
    tensor = VIEWS[how](torch.arange(240.0).reshape(60, 4))
    save(tensor, pt)
    for step in (1, 4, 100):
        equal(read_all(pt, step)[""], tensor.numpy())


def test_T16_a_large_transposed_view_is_streamed(pt, read_all):
    tensor = torch.randn(7, 300_000).T
    torch.save(tensor, pt)
    equal(read_all(pt, 70_000)[""], tensor.numpy())
    torch.save(torch.arange(3_000_000, dtype=torch.int32)[::1000], pt)
    equal(read_all(pt, 1300)[""], np.arange(0, 3_000_000, 1000, dtype=np.int32))


def test_T16_a_storage_far_larger_than_its_view_is_noted(pt, read_all):
    torch.save(torch.arange(1000)[:3], pt)
    file = open_tensors(pt)
    assert [note.code for note in file.notes()] == ["wide-view"]
    file.close()
    assert read_all(pt)[""].tolist() == [0, 1, 2]


def test_T17_gradients_and_parameters(pt, read_all):
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.remark = "a parameter with state"
    torch.save({"a": torch.ones(2, requires_grad=True), "b": parameter, "c": torch.nn.Parameter(torch.ones(1))}, pt)
    assert {name: array.tolist() for name, array in read_all(pt).items()} == {"a": [1, 1], "b": [1, 1, 1], "c": [1]}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_T20a_containers(pt, protocol, new, read_all):
    one, two = torch.arange(3), torch.ones(2)
    content = {
        "logits": one, "deep": collections.OrderedDict(a=two, b=[two, one]), 7: one, "names": ["b", "ä", "b"],
        "n": 3, "sizes": [1, 2], "device": torch.device("cpu"), "kinds": {"x"}, "shape": torch.Size([3]), "none": None,
        "dtype": torch.float32, "empty": [], "scalar": torch.tensor(3.0), "z": torch.zeros(2, dtype=torch.complex64),
    }  # fmt: skip
    torch.save(content, pt, pickle_protocol=protocol, _use_new_zipfile_serialization=new) if new else legacy(
        {k: v for k, v in content.items() if k != "z"}, pt
    )
    found = read_all(pt)
    assert list(found) == ["logits", "deep.a", "deep.b.0", "deep.b.1", "7", "names", "sizes"]
    assert found["names"].tolist() == ["b", "ä", "b"]
    assert found["deep.b.1"].tolist() == [0, 1, 2]
    file = open_tensors(pt)
    assert file.arrays["names"].labels == ("b", "ä")
    assert found["sizes"].tolist() == [1, 2]
    skipped = {"n", "device", "kinds", "shape", "none", "dtype", "scalar"}
    assert set(file.skipped) - {"z"} == skipped
    file.close()


def test_T20a_lists_by_index_and_bare_labels(pt, read_all):
    torch.save([torch.ones(1), torch.zeros(2)], pt)
    assert list(read_all(pt)) == ["0", "1"]
    torch.save((torch.ones(1), [torch.zeros(2)]), pt)
    assert list(read_all(pt)) == ["0", "1.0"]
    torch.save(["007", "NA", "007"], pt)
    file = open_tensors(pt)
    assert (file.arrays[""].labels, file.arrays[""].dtype) == (("007", "NA"), "text")
    file.close()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_mutations_never_change_a_number_unnoticed(pt, new, read_all):
    content = {"pred": torch.arange(60.0).reshape(20, 3), "y": torch.arange(20)}
    torch.save(content, pt, _use_new_zipfile_serialization=new)
    data = Path(pt).read_bytes()
    good = read_all(pt)
    luck = random.Random(7)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
        Path(pt).write_bytes(damaged)
        try:
            found = read_all(pt)
        except EvalError:
            refused += 1
            continue
        if new:
            assert sorted(found) == sorted(good)
            for name, array in found.items():
                equal(array, good[name])
    assert refused > 100
