"""``.npy``, ``.npz``, ``.safetensors``, and what holds for every file of tensors (HOSTILE.md 1.2, 1.3, T30)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import threading
import zipfile
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evalcli.errors import EmptyError, EvalError, InputError, LimitError
from evalcli.sources.crc import Ledger, crc32_combine
from evalcli.sources.tensors import open_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


def read_all(path: str, step: int = 7) -> dict[str, np.ndarray]:
    """Every array in pieces, after a complete and verified pass; text as text."""
    file = open_tensors(path)
    try:
        file.begin()
        found = {}
        for name, array in file.arrays.items():
            rows = range(0, array.shape[0] if 0 not in array.shape else 0, step)
            labels = array.labels
            parts = [array.read(start, min(start + step, array.shape[0])).copy() for start in rows]
            found[name] = np.concatenate(parts) if parts else np.empty(array.shape)
            if labels is not None:
                found[name] = np.array(labels, dtype=object)[found[name]]
        file.finish()
        return found
    finally:
        file.close()


def refuse(path: str, *words: str, kind: type[EvalError] = InputError) -> None:
    with pytest.raises(EvalError) as caught:
        read_all(path)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert message.startswith(path)
    assert message.isprintable()
    for word in words:
        assert word in message


def npy(path: str, header: str | bytes, data: bytes = b"", version: bytes = b"\1\0") -> None:
    header = header.encode("latin-1") if isinstance(header, str) else header
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    Path(path).write_bytes(b"\x93NUMPY" + version + length + header + data)


def describe(descr: object, shape: object, fortran: bool = False) -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x.npy")


@pytest.fixture
def npz(tmp_path: Path) -> str:
    return str(tmp_path / "x.npz")


@pytest.fixture
def safe(tmp_path: Path) -> str:
    return str(tmp_path / "x.safetensors")


def as_read(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind == "f" else array


# .npy


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F"])
def test_N07_numbers(path, code, order, layout):
    array = np.random.default_rng(1).integers(0, 100, (20, 3, 2)).astype(np.dtype(code).newbyteorder(order))
    np.save(path, np.asarray(array, order=layout))
    found = read_all(path)[""]
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative
    assert found.dtype == {"f2": np.float32, "u8": np.int64}.get(code, np.dtype(code))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(path, version):
    with open(path, "wb") as f:
        np.lib.format.write_array(f, np.arange(5), version=version)
    assert read_all(path)[""].tolist() == [0, 1, 2, 3, 4]


TEXTS = ["NA", "ä", "😀", "a,b", "007", "", "null", "ä", "[red]x"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_N07_text(path, order, layout):
    array = np.asarray(np.array([TEXTS, TEXTS[::-1]]).T, order=layout)
    np.save(path, array.astype(array.dtype.newbyteorder(order)))
    file = open_tensors(path)
    assert file.arrays[""].dtype == "text"
    assert file.arrays[""].labels == tuple(sorted(set(TEXTS)))
    file.close()
    assert read_all(path)[""].tolist() == array.tolist()
    np.save(path, np.array([text.encode() for text in TEXTS]))
    assert read_all(path)[""].tolist() == TEXTS


def test_text_that_is_none(path):
    np.save(path, np.array([b"a", b"\xff"]))
    refuse(path, "no valid text")
    np.save(path, np.array(["a", "\ud800"]))
    refuse(path, "no valid text")
    npy(path, describe("<U1", (1,)), b"\0\0\x11\0")
    refuse(path, "beyond Unicode")


def test_N15_trailing_nuls_are_gone_as_in_numpy(path):
    np.save(path, np.array(["a\0", "a"]))
    assert read_all(path)[""].tolist() == np.load(path).tolist() == ["a", "a"]


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.array(3.0), "single number"), (np.zeros(3, "c8"), "complex"), (np.zeros(3, "g"), "float64"),
        (np.zeros(3, "M8[s]"), "dates"), (np.zeros(3, "m8[s]"), "durations"), (np.zeros(3, "V4"), "raw bytes"),
    ],
)  # fmt: skip
def test_N07_types_that_are_no_input(path, array, word):
    np.save(path, array)
    refuse(path, word)


def test_N01_objects(path):
    np.save(path, np.array([None, {}], dtype=object))
    refuse(path, "bytes")
    npy(path, describe("|O", (2,)), bytes(16))
    refuse(path, "Python objects", "int64")


def test_N07_fields_of_a_structured_array(path):
    array = np.zeros(50, [("pred", "<f4", (3,)), ("pad", "V3"), ("y", ">i8"), ("name", "U3")])
    array["pred"] = np.arange(150).reshape(50, 3)
    array["y"] = np.arange(50)
    array["name"] = [f"c{i % 3}" for i in range(50)]
    np.save(path, array)
    found = read_all(path)
    assert list(found) == ["pred", "y", "name"]
    for name in found:
        np.testing.assert_array_equal(found[name], array[name])
    np.save(path, np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)))
    assert list(read_all(path)) == ["a", "b"]
    np.save(path, np.zeros(3, [("a", [("b", "i4")])]))
    refuse(path, "nested fields")


def test_N07_no_rows(path):
    np.save(path, np.zeros((0, 5)))
    file = open_tensors(path)
    assert file.arrays[""].shape == (0, 5)
    with pytest.raises(EmptyError):
        file.arrays[""].read(0, 0)
    file.close()


def test_N02_claims_beyond_the_file(path):
    npy(path, describe("<f8", (2**39,)), bytes(16))
    refuse(path, "4,398,046,511,", "there are")


@pytest.mark.parametrize("shape", [(-1,), (True,), (2**64,), (1.5,), [3], 3, "3", ((3,),)])
def test_N04_shapes(path, shape):
    npy(path, describe("<f8", shape), bytes(24))
    refuse(path)


def test_N05_sizes_must_match_exactly(path):
    np.save(path, np.arange(5))
    data = Path(path).read_bytes()
    for changed in (data[:-1], data + b"x", data[:60], data[:11]):
        Path(path).write_bytes(changed)
        refuse(path)


@pytest.mark.parametrize(
    "header",
    [
        "-" * 9000 + "1", "{" * 9000, "__import__('os')", "", "{}", "{'descr': '<f8'}",
        "{'descr': '<f8', 'shape': (2,)}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", describe("<f8", (2,)) + "x",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}", "{'descr' '<f8'}", "{'descr': '<f8' 'shape': (2,)}",
        "[(1, 2}", "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'x': 1}", "(((((((((((((1)))))))))))))",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (\udcff".encode("utf-8", "surrogateescape"),
    ],
)  # fmt: skip
def test_N06_headers(path, header):
    npy(path, header, bytes(16))
    refuse(path)


def test_N06_a_long_header(path):
    npy(path, describe("<f8", (2,)) + " " * 20_000, bytes(16))
    refuse(path, "its header is 20,0")
    npy(path, describe("<f8", (2,)) + " " * 2**17, bytes(16), version=b"\2\0")
    refuse(path, "its header is 131,")


def test_N11_versions_and_strangers(path):
    npy(path, describe("<f8", (2,)), bytes(16), version=b"\x09\0")
    refuse(path, "version 9.0")
    Path(path).write_bytes(b"\x80\x04\x95pickle")
    refuse(path)


@pytest.mark.parametrize("descr", ["|V0", "<U0", "|S0", "<f3", "<i16", "nonsense", "<f8, <f8", "O8[", 7, ["x"], []])
def test_N14_elements_of_no_size_or_name(path, descr):
    npy(path, describe(descr, (10**18,)))
    refuse(path)


# .npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(npz, save):
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


def test_N08_a_bomb(npz):
    np.savez_compressed(npz, a=np.zeros(10_000_000))
    refuse(npz, "would unpack", kind=LimitError)
    np.savez_compressed(npz, a=np.zeros(1_000_000))  # small enough to be harmless
    assert read_all(npz, 10**6)["a"].sum() == 0


def test_N08_a_header_that_claims_more_than_its_member(npz):
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 80) + describe("<f8", (10**9,)).ljust(80).encode() + b"xx"
        )
    refuse(npz, "a: the header speaks of 8,000,000,090 bytes")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_N08c_names(npz, tmp_path):
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
def test_N09_flips_never_change_a_number_unnoticed(npz, save):
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
def test_npz_truncated(npz, cut):
    np.savez(npz, a=np.arange(60))
    data = Path(npz).read_bytes()
    Path(npz).write_bytes(data[:-cut])
    refuse(npz)


def test_npz_written_to_a_stream_has_descriptors(npz):
    class Stream:
        def __init__(self, file):
            self.write, self.flush = file.write, file.flush

    with open(npz, "wb") as file, zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, np.arange(9))
        with archive.open("b.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.arange(3))
    assert {name: len(array) for name, array in read_all(npz).items()} == {"a": 9, "b": 3}


# .safetensors


def header(path: str, text: bytes | dict, data: bytes = bytes(16), claim: int | None = None) -> None:
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text) if claim is None else claim) + text + data)


def entry(first: int = 0, last: int = 16, shape=(4,), dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


def test_S03_dtypes(safe):
    kinds = [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
    ]  # fmt: skip
    content = {str(kind): torch.arange(40).reshape(20, 2).to(kind) for kind in kinds}
    safetensors.torch.save_file(content, safe, metadata={"format": "pt"})
    found = read_all(safe)
    assert sorted(found) == sorted(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(found[name], tensor.double().numpy())


def test_S03_dtypes_that_are_no_input(safe):
    safetensors.torch.save_file({"a": torch.zeros(3, dtype=torch.complex64)}, safe)
    refuse(safe, "complex")
    header(safe, {"a": entry(dtype="F6_E2M3")})
    refuse(safe, "unknown dtype F6_E2M3")
    safetensors.torch.save_file({"a": torch.tensor(1.0), "b": torch.ones(2)}, safe)
    assert list(read_all(safe)) == ["b"]


@pytest.mark.parametrize("claim", [17, 2**63, 200_000_000, 2**64 - 1])
def test_S01_header_lengths(safe, claim):
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
def test_S02_places(safe, content):
    header(safe, content)
    refuse(safe)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b'{"a":%b,"a":%b}', "'a' twice"),
        (b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}', "twice"),
        (b' {"a":%b}', "does not begin with {"), (b'{"a":' * 100_000, "no valid JSON"), (b'{"a"', "no valid JSON"),
        (b'{"\xff":1}', "no valid JSON"), (b'{"a":' + b"9" * 5000 + b"}", "no valid JSON"), (b"{}", "16 bytes follow"),
    ],
)  # fmt: skip
def test_S02d_S10_S10b_headers(safe, text, word):
    header(safe, text.replace(b"%b", json.dumps(entry()).encode()))
    refuse(safe, word)


def test_S04_no_samples(safe):
    header(safe, {"a": entry(0, 0, (0, 2**62))}, b"")
    file = open_tensors(safe)
    assert file.arrays["a"].shape == (0, 2**62)
    with pytest.raises(EmptyError):
        file.arrays["a"].read(0, 0)
    file.close()


def test_S06_names_are_only_names(safe):
    names = ["\x1b[31m", "../x", "", "a.b"]
    header(safe, {name: entry(4 * i, 4 * i + 4, (1,)) for i, name in enumerate(names)})
    assert list(read_all(safe)) == names
    header(safe, {"\x1b[31m": entry(dtype="\x1b[0m")})
    refuse(safe, "\\x1b")


def test_S11_large_headers(safe):
    header(safe, {f"t{i}": entry(0, 0, (0,)) for i in range(1001)}, b"")
    refuse(safe, "1,001 tensors", kind=LimitError)
    header(safe, {f"t{i}": entry(0, 0, (0,)) for i in range(20_000)}, b"")
    refuse(safe, "its header is 1,", kind=LimitError)


@pytest.mark.parametrize("name", ["x.npy", "x.safetensors"])
def test_S12_the_digest_is_that_of_the_file(tmp_path, name):
    path = str(tmp_path / name)
    array = np.random.default_rng(0).normal(size=(200_000, 2))
    np.save(path, array) if name == "x.npy" else safetensors.numpy.save_file({"a": array}, path)
    file = open_tensors(path)
    file.begin()
    read = file.finish()
    data = Path(path).read_bytes()
    assert (read.path, read.size) == (path, len(data))
    assert read.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    file.begin()  # a second pass
    assert file.finish() == read
    file.close()
    file.close()


@pytest.mark.parametrize("name", ["x.npy", "x.safetensors"])
def test_mutations_end_in_an_array_or_in_one_line(tmp_path, name):
    path = str(tmp_path / name)
    np.save(path, np.arange(30.0)) if name == "x.npy" else safetensors.numpy.save_file(
        {"a": np.arange(30.0), "b": np.arange(4)}, path
    )
    data = Path(path).read_bytes()
    luck = random.Random(11)
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(data)
        damaged[luck.randrange(len(data))] = luck.randrange(256)
        Path(path).write_bytes(damaged)
        try:
            read_all(path, 100)
            outcomes.add("read")
        except EvalError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


# Every format.


def write_pt(path: str, array: np.ndarray) -> None:
    torch.save(torch.from_numpy(array), path)


WRITERS = {
    "x.pt": write_pt,
    "x.npy": np.save,
    "x.npz": lambda path, array: np.savez(path, a=array),
    "y.npz": lambda path, array: np.savez_compressed(path, a=array),
    "x.safetensors": lambda path, array: safetensors.numpy.save_file({"a": array}, path),
}


def only(file):
    (array,) = file.arrays.values()
    return array


@pytest.mark.parametrize("name", WRITERS)
def test_T30_an_input_that_changes(tmp_path, name):
    path = str(tmp_path / name)
    WRITERS[name](path, np.random.default_rng(0).normal(size=(100_000, 2)))
    file = open_tensors(path)
    file.begin()
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="input changed while reading"):
        file.finish()
    file.close()
    file = open_tensors(path)
    os.truncate(path, 2000)
    with pytest.raises(InputError, match="changed while reading"):
        only(file).read(90_000, 100_000)
    file.close()


@pytest.mark.parametrize("name", WRITERS)
def test_threads_read_in_any_order(tmp_path, name):
    path = str(tmp_path / name)
    array = np.random.default_rng(0).normal(size=(50_000, 3)).astype(np.float32)
    WRITERS[name](path, array)
    file = open_tensors(path)
    ranges = [(start, min(start + 1234, 50_000)) for start in range(0, 50_000, 1234)]
    digests = set()
    for seed in range(3):
        file.begin()
        random.Random(seed).shuffle(ranges)
        wrong: list[int] = []

        def work(mine, wrong=wrong):
            for start, stop in mine:
                if not np.array_equal(only(file).read(start, stop), array[start:stop]):
                    wrong.append(start)

        threads = [threading.Thread(target=work, args=(ranges[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        digests.add(file.finish().digest)
    assert len(digests) == 1
    file.close()


def test_buffers_are_used_again_and_belong_to_their_thread(path):
    np.save(path, np.arange(100))
    file = open_tensors(path)
    first = file.arrays[""].read(0, 10)
    held = first.copy()
    other: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: other.append(file.arrays[""].read(10, 20)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(first, held)
    again = file.arrays[""].read(50, 60)
    assert np.shares_memory(first, again)
    assert not np.shares_memory(again, other[0])
    file.close()


def test_the_digest_of_a_zip_is_that_of_what_was_read(npz):
    np.savez(npz, a=np.arange(10), b=np.ones(3))
    file = open_tensors(npz)
    file.begin()
    file.arrays["b"].read(0, 3)
    with zipfile.ZipFile(npz) as archive:
        assert file.finish().digest == f"crc32:{zlib.crc32(archive.read('b.npy')):08x}"
    file.arrays["a"].read(2, 5)
    with zipfile.ZipFile(npz) as archive:
        assert file.finish().digest == f"crc32:{zlib.crc32(archive.read('a.npy') + archive.read('b.npy')):08x}"
    file.close()


def test_a_table_is_no_file_of_tensors(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    refuse(str(tmp_path / "x.csv"), "a csv table")


def test_descriptors_are_given_back(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for name, write in WRITERS.items():
        path = str(tmp_path / name)
        write(path, np.arange(10.0))
        read_all(path)
        Path(path).write_bytes(Path(path).read_bytes()[:-3])
        refuse(path)
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc32_combine_equals_zlib(a, b):
    assert crc32_combine(zlib.crc32(a), zlib.crc32(b), len(b)) == zlib.crc32(a + b)


@given(st.binary(min_size=1, max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8))
def test_a_ledger_needs_no_order_and_no_completeness(data, pieces):
    ledger = Ledger()
    for a, b in pieces:
        start, stop = sorted((min(a, len(data)), min(b, len(data))))
        ledger.add(start, stop, zlib.crc32(data[start:stop]))
    assert ledger.total(len(data), lambda start, stop: zlib.crc32(data[start:stop])) == zlib.crc32(data)


numbers = arrays.arrays(
    st.sampled_from([np.dtype(code).newbyteorder(order) for code in DTYPES if code != "u8" for order in "<>"]),
    arrays.array_shapes(min_dims=1, max_dims=4, max_side=6),
)


@settings(max_examples=60, deadline=None)
@given(numbers, st.permutations(range(4)), st.integers(1, 4), st.integers(1, 7))
def test_round_trips_of_any_layout(tmp_path_factory, array, axes, skip, step):
    folder = tmp_path_factory.mktemp("trip")
    array = array.transpose([axis for axis in axes if axis < array.ndim])[::skip]
    np.save(folder / "x.npy", array)
    np.savez(folder / "x.npz", a=array)
    np.savez_compressed(folder / "y.npz", a=array)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    torch.save(torch.from_numpy(native), folder / "x.pt")
    for name in ("x.npy", "x.npz", "y.npz", "x.pt"):
        (found,) = read_all(str(folder / name), step).values()
        np.testing.assert_array_equal(found, as_read(array))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), min_size=1, max_size=20))
def test_round_trips_of_text(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("text")
    np.save(folder / "x.npy", np.array(texts))
    torch.save(texts, folder / "x.pt")
    for name in ("x.npy", "x.pt"):
        if name == "x.npy" and not any(texts):
            continue  # numpy makes U1 of it, but older releases U0
        assert read_all(str(folder / name), 3)[""].tolist() == texts


def test_float8_of_ml_dtypes_and_torch_agree(tmp_path):
    every = np.arange(256, dtype=np.uint8)
    for kind in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"):
        path = str(tmp_path / f"{kind}.pt")
        torch.save(torch.from_numpy(every).view(getattr(torch, kind)), path)
        np.testing.assert_array_equal(read_all(path)[""], every.view(getattr(ml_dtypes, kind)).astype(np.float32))
