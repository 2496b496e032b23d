"""``.pt`` files: what torch writes, and what somebody may have made of it (HOSTILE.md 1.1)."""

from __future__ import annotations

import collections
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from evalcli.errors import EvalError, InputError, LimitError
from evalcli.sources.tensors import open_tensors

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
    torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
]  # fmt: skip


@pytest.fixture
def pt(tmp_path: Path) -> str:
    return str(tmp_path / "x.pt")


def read_all(path: str, step: int = 7) -> dict[str, np.ndarray]:
    """Every array in pieces, after a complete and verified pass."""
    file = open_tensors(path)
    try:
        file.begin()
        found = {}
        for name, array in file.arrays.items():
            rows = range(0, array.shape[0] if 0 not in array.shape else 0, step)
            parts = [array.read(start, min(start + step, array.shape[0])).copy() for start in rows]
            found[name] = np.concatenate(parts) if parts else np.empty(array.shape)
        file.finish()
        return found
    finally:
        file.close()


def refuse(path: str, *words: str, kind: type[EvalError] = InputError) -> str:
    """The file must be refused, in one printable line that names it and ``words``."""
    with pytest.raises(EvalError) as caught:
        read_all(path)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert message.startswith(path)
    assert message.isprintable()
    assert "weights_only" not in message
    for word in words:
        assert word in message
    return message


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


# What torch writes.


@pytest.mark.parametrize("save", [torch.save, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_T01_T20d_T20e_every_dtype(pt, dtype, save):
    tensor = example(dtype, 20, 3)
    save(tensor, pt)
    file = open_tensors(pt)
    assert (file.format, list(file.arrays)) == ("pt", [""])
    assert file.arrays[""].dtype == str(dtype).removeprefix("torch.")
    assert file.arrays[""].shape == (20, 3)
    file.close()
    equal(read_all(pt)[""], truth(tensor))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16], ids=str)
def test_T20d_every_bit_pattern_becomes_the_exact_float32(pt, dtype):
    bits = torch.arange(256, dtype=torch.uint8) if dtype.itemsize == 1 else torch.arange(65536).to(torch.uint16)
    tensor = bits.view(dtype)
    torch.save(tensor, pt)
    equal(read_all(pt, 1000)[""], tensor.float().numpy())


def test_T20e_uint64_beyond_int64(pt):
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
def test_T16_views(pt, how, save):
    tensor = VIEWS[how](torch.arange(240.0).reshape(60, 4))
    save(tensor, pt)
    for step in (1, 4, 100):
        equal(read_all(pt, step)[""], tensor.numpy())


def test_T16_a_large_transposed_view_is_streamed(pt):
    tensor = torch.randn(7, 300_000).T
    torch.save(tensor, pt)
    equal(read_all(pt, 70_000)[""], tensor.numpy())
    torch.save(torch.arange(3_000_000, dtype=torch.int32)[::1000], pt)
    equal(read_all(pt, 1300)[""], np.arange(0, 3_000_000, 1000, dtype=np.int32))


def test_T16_a_storage_far_larger_than_its_view_is_noted(pt):
    torch.save(torch.arange(1000)[:3], pt)
    file = open_tensors(pt)
    assert [note.code for note in file.notes()] == ["wide-view"]
    file.close()
    assert read_all(pt)[""].tolist() == [0, 1, 2]


def test_T17_gradients_and_parameters(pt):
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.remark = "a parameter with state"
    torch.save({"a": torch.ones(2, requires_grad=True), "b": parameter, "c": torch.nn.Parameter(torch.ones(1))}, pt)
    assert {name: array.tolist() for name, array in read_all(pt).items()} == {"a": [1, 1], "b": [1, 1, 1], "c": [1]}


def test_T19_a_stored_device_is_ignored(pt):
    write(pt, view((4,), (1,), location="cuda:0\x1b[31m"))
    assert read_all(pt)[""].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_T20a_containers(pt, protocol, new):
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
    assert list(found) == ["logits", "deep.a", "deep.b.0", "deep.b.1", "7", "names"]
    assert found["names"].tolist() == [0, 1, 0]
    assert found["deep.b.1"].tolist() == [0, 1, 2]
    file = open_tensors(pt)
    assert file.arrays["names"].labels == ("b", "ä")
    skipped = {"n", "sizes", "device", "kinds", "shape", "none", "dtype", "scalar"}
    assert set(file.skipped) - {"z"} == skipped
    file.close()


def test_T20a_lists_by_index_and_bare_labels(pt):
    torch.save([torch.ones(1), torch.zeros(2)], pt)
    assert list(read_all(pt)) == ["0", "1"]
    torch.save((torch.ones(1), [torch.zeros(2)]), pt)
    assert list(read_all(pt)) == ["0", "1.0"]
    torch.save(["007", "NA", "007"], pt)
    file = open_tensors(pt)
    assert (file.arrays[""].labels, file.arrays[""].dtype) == (("007", "NA"), "text")
    file.close()


def test_T26_booleans_are_normalised(pt):
    write(pt, view((4,), (1,), kind="torch BoolStorage"), {"0": bytes([0, 1, 2, 255])})
    found = read_all(pt)[""]
    assert found.dtype == bool
    assert found.tolist() == [False, True, True, True]
    assert found.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_big_endian_storages(pt):
    with zipfile.ZipFile(pt, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + program(view((4,), (1,))) + b".")
        archive.writestr("x/byteorder", "big")
        archive.writestr("x/data/0", np.arange(4, dtype=">f4").tobytes())
        archive.writestr("x/version", "3\n")
    assert read_all(pt)[""].tolist() == [0, 1, 2, 3]


# What is refused.


class Evil:
    def __reduce__(self):
        return os.system, ("touch PWNED",)


def test_T02_code_is_refused(pt, tmp_path, monkeypatch):
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
def test_T03a_T03b_truncated(pt, keep, new):
    torch.save({"a": torch.arange(100.0)}, pt, _use_new_zipfile_serialization=new)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    refuse(pt)


def test_T03d_T03a_words(pt):
    torch.save(torch.arange(100.0), pt)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(data[: len(data) // 2])
    refuse(pt, "truncated: no zip directory", f"{len(data) // 2} bytes")
    Path(pt).write_bytes(bytes(4096))
    refuse(pt, "all zero bytes")


def test_T04a_flipped_byte(pt):
    torch.save(torch.arange(1000), pt)
    data = bytearray(Path(pt).read_bytes())
    data[data.index(struct.pack("<q", 500))] ^= 1
    Path(pt).write_bytes(data)
    assert torch.load(pt)[500] == 501  # torch does not notice
    refuse(pt, "data/0 is damaged", "CRC-32")


def test_T04a_a_flip_in_what_no_row_covers_is_noticed(pt):
    torch.save(torch.arange(1000)[:100], pt)
    data = bytearray(Path(pt).read_bytes())
    data[data.index(struct.pack("<q", 500))] ^= 1
    Path(pt).write_bytes(data)
    refuse(pt, "CRC-32")


def test_T04a_no_crc_is_noted(pt):
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
def test_T04b_bytes_around_the_zip(pt, before):
    torch.save(torch.arange(5), pt)
    data = Path(pt).read_bytes()
    Path(pt).write_bytes(before + data + (b"" if before else b"junk"))
    refuse(pt)


def test_T05_compressed_records(pt):
    write(pt, view((4,), (1,)), method=zipfile.ZIP_DEFLATED)
    refuse(pt, "torch.save never compresses")


def test_T06a_T06n_claims_beyond_the_record(pt):
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
def test_T06b_views_that_do_not_fit(pt, size, stride, offset):
    write(pt, view(size, stride, offset=offset))
    refuse(pt, "does not fit")


@pytest.mark.parametrize("size", [(10**12,), (5,), (4, 2)])
def test_T07_broadcast_views(pt, size):
    write(pt, view(size, (0,) * len(size)))
    refuse(pt, "broadcast", ".contiguous()")


def test_T08a_the_old_format_is_noted(pt):
    legacy(torch.arange(5), pt)
    file = open_tensors(pt)
    assert [note.code for note in file.notes()] == ["no-checksum"]
    file.begin()
    assert file.finish().digest.startswith("sha256:")
    file.close()


def test_T08b_a_claim_beyond_the_file(pt):
    legacy(torch.arange(5, dtype=torch.uint8), pt)
    data = Path(pt).read_bytes()
    forged = data.replace(b"K\x05N", b"J" + struct.pack("<i", 10**9) + b"N")
    assert forged != data
    Path(pt).write_bytes(forged)
    refuse(pt, "claims 1,000,000,000 bytes")
    Path(pt).write_bytes(data + b"x")
    refuse(pt, "follow its last storage")


def test_T09_tar(pt, tmp_path):
    with tarfile.open(pt, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(__file__, "storages")
    refuse(pt, "a tar archive")


def test_T10_programs(pt, tmp_path):
    write(pt, view((4,), (1,)), extra=[("x/code/__torch__.py", b"")])
    refuse(pt, "this is a program, not predictions")
    write(pt, view((4,), (1,)), extra=[("x/archive_format", b"pt2")])
    refuse(pt, "this is a program, not predictions")
    torch.save(torch.nn.Linear(2, 2), pt)
    refuse(pt, "a model, not predictions")
    torch.save(torch.nn.Linear(2, 2).state_dict(), pt)
    refuse(pt, "state_dict")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", ["to_sparse", "to_sparse_csr"])
def test_T12a_T12b_sparse(pt, how):
    torch.save(getattr(torch.eye(3), how)(), pt)
    refuse(pt, "sparse", ".to_dense()")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_T13_quantized(pt):
    torch.save(torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8), pt)
    refuse(pt, "quantized", "dequantize()")


def test_T14_complex(pt):
    torch.save(torch.zeros(3, dtype=torch.complex64), pt)
    refuse(pt, "complex", ".real")
    torch.save(torch.zeros(3, dtype=torch.complex64).conj().imag, pt)
    refuse(pt, "negated")
    legacy(torch.zeros(3, dtype=torch.complex64), pt)
    refuse(pt, "complex")


def test_T15_meta(pt):
    torch.save(torch.zeros(3, device="meta"), pt)
    refuse(pt, "shapes only, no data")


class Subclass(torch.Tensor):
    pass


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_T18_subclasses_and_nested(pt):
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
        ({(1, 2): torch.ones(2)}, "key"), ([1, 2], "torch.tensor"), ({1, 2}, "set"), (torch.tensor(3), "single number"),
    ],
)  # fmt: skip
def test_T20b_other_objects(pt, content, word):
    torch.save(content, pt)
    message = refuse(pt, word)
    assert ";" in message  # says what to do


def test_T20e_four_bit_floats(pt):
    torch.save(torch.zeros(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), pt)
    refuse(pt, "4-bit")


def test_T21_deep_nesting(pt):
    deep = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    write(pt, deep)
    refuse(pt, "nested more than 64 deep")


def test_T22_billion_laughs(pt):
    lists = b"".join(b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(30))
    write(pt, b"\x80\x02(" + program(None) + b"q\x00" + lists + b"t.")
    refuse(pt, "objects", kind=LimitError)


def test_T23_odd_programs(pt):
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


def test_T25_a_state_for_a_tensor(pt):
    write(pt, b"\x80\x02" + program(view((4,), (1,))) + b"}b.")
    refuse(pt, "refused")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_T27a_two_records_of_one_name(pt):
    write(pt, view((4,), (1,)), extra=[("x/data/0", bytes(16))])
    refuse(pt, "two records are named x/data/0")


def test_T27a_one_key_twice(pt):
    write(pt, b"\x80\x02}(" + (program("a") + program(view((4,), (1,)))) * 2 + b"u.")
    refuse(pt, "twice")


@pytest.mark.parametrize("names", [["x/../../evil"], [], ["hello.txt"], ["x/data.pkl"], ["x/version"]])
def test_T27b_zips_of_others(pt, names):
    with zipfile.ZipFile(pt, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x02N.")
    refuse(pt, "not written by torch.save")


def test_two_headers_of_one_record_disagree(pt):
    write(pt, view((4,), (1,)))
    data = bytearray(Path(pt).read_bytes())
    data[data.index(b"x/data/0") + 7] = ord("1")
    Path(pt).write_bytes(data)
    refuse(pt, "disagree")


def test_T37_too_many_tensors(pt):
    shared = view((4,), (1,))
    write(pt, {f"t{i}": shared for i in range(1001)})
    refuse(pt, "1,000", kind=LimitError)
    with zipfile.ZipFile(pt, "w") as archive:
        for i in range(2000):
            archive.writestr(f"x/data/{i}", b"")
    refuse(pt, "2,000 records", kind=LimitError)


def test_control_characters_of_a_name_are_shown_escaped(pt):
    write(pt, Name("os\x1b[31m system"))
    assert "\\x1b" in refuse(pt, "refused")


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_mutations_never_change_a_number_unnoticed(pt, new):
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
