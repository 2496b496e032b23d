"""``.npy`` files: numbers, text, fields, and headers that lie (HOSTILE.md 1.2)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from evalcli.errors import EmptyError, LimitError
from evalcli.sources.tensors import open_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


def npy(path: str, header: str | bytes, data: bytes = b"", version: bytes = b"\1\0") -> None:
    header = header.encode("latin-1") if isinstance(header, str) else header
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    Path(path).write_bytes(b"\x93NUMPY" + version + length + header + data)


def describe(descr: object, shape: object, fortran: bool = False) -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x.npy")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F"])
def test_N07_numbers(path, code, order, layout, read_all):
    array = np.random.default_rng(1).integers(0, 100, (20, 3, 2)).astype(np.dtype(code).newbyteorder(order))
    np.save(path, np.asarray(array, order=layout))
    found = read_all(path)[""]
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative
    assert found.dtype == {"f2": np.float32, "u8": np.int64}.get(code, np.dtype(code))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(path, version, read_all):
    with open(path, "wb") as f:
        np.lib.format.write_array(f, np.arange(5), version=version)
    assert read_all(path)[""].tolist() == [0, 1, 2, 3, 4]


TEXTS = ["NA", "ä", "😀", "a,b", "007", "", "null", "ä", "[red]x"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_N07_text(path, order, layout, read_all):
    array = np.asarray(np.array([TEXTS, TEXTS[::-1]]).T, order=layout)
    np.save(path, array.astype(array.dtype.newbyteorder(order)))
    file = open_tensors(path)
    assert file.arrays[""].dtype == "text"
    assert file.arrays[""].labels == tuple(sorted(set(TEXTS)))
    file.close()
    assert read_all(path)[""].tolist() == array.tolist()
    np.save(path, np.array([text.encode() for text in TEXTS]))
    assert read_all(path)[""].tolist() == TEXTS


def test_text_that_is_none(path, refuse):
    np.save(path, np.array([b"a", b"\xff"]))
    refuse(path, "no valid text")
    np.save(path, np.array(["a", "\ud800"]))
    refuse(path, "no valid text")
    npy(path, describe("<U1", (1,)), b"\0\0\x11\0")
    refuse(path, "beyond Unicode")


def test_more_distinct_texts_than_labels(path, refuse, monkeypatch):
    monkeypatch.setattr("evalcli.sources.textarrays.LABEL_LIMIT", 100)
    np.save(path, np.array([str(i) for i in range(101)]))
    refuse(path, "distinct texts", kind=LimitError)


def test_N15_trailing_nuls_are_gone_as_in_numpy(path, read_all):
    np.save(path, np.array(["a\0", "a"]))
    assert read_all(path)[""].tolist() == np.load(path).tolist() == ["a", "a"]


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.array(3.0), "single number"), (np.zeros(3, "c8"), "complex"), (np.zeros(3, "g"), "float64"),
        (np.zeros(3, "M8[s]"), "dates"), (np.zeros(3, "m8[s]"), "durations"), (np.zeros(3, "V4"), "raw bytes"),
    ],
)  # fmt: skip
def test_N07_types_that_are_no_input(path, array, word, refuse):
    np.save(path, array)
    refuse(path, word)


def test_N01_objects(path, refuse):
    for values in ([None, {}], ["cat", "dog"], [1], list(range(1000))):
        np.save(path, np.array(values, dtype=object))
        refuse(path, "Python objects", "int64")
    np.save(path, np.array([(1, None)], [("a", "i8"), ("b", "O")]))
    refuse(path, "a: ", "Python objects")
    npy(path, describe("|O", (2,)), bytes(16))
    refuse(path, "Python objects", "int64")


def test_N07_fields_of_a_structured_array(path, read_all, refuse):
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


def test_N02_claims_beyond_the_file(path, refuse):
    npy(path, describe("<f8", (2**39,)), bytes(16))
    refuse(path, "4,398,046,511,", "there are")


@pytest.mark.parametrize("shape", [(-1,), (True,), (2**64,), (1.5,), [3], 3, "3", ((3,),)])
def test_N04_shapes(path, shape, refuse):
    npy(path, describe("<f8", shape), bytes(24))
    refuse(path)


def test_N05_sizes_must_match_exactly(path, refuse):
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
def test_N06_headers(path, header, refuse):
    npy(path, header, bytes(16))
    refuse(path)


def test_N06_a_long_header(path, refuse):
    npy(path, describe("<f8", (2,)) + " " * 20_000, bytes(16))
    refuse(path, "its header is 20,0")
    npy(path, describe("<f8", (2,)) + " " * 2**17, bytes(16), version=b"\2\0")
    refuse(path, "its header is 131,")


def test_N11_versions_and_strangers(path, refuse):
    npy(path, describe("<f8", (2,)), bytes(16), version=b"\x09\0")
    refuse(path, "version 9.0")
    Path(path).write_bytes(b"\x80\x04\x95pickle")
    refuse(path)


@pytest.mark.parametrize("descr", ["|V0", "<U0", "|S0", "<f3", "<i16", "nonsense", "<f8, <f8", "O8[", 7, ["x"], []])
def test_N14_elements_of_no_size_or_name(path, descr, refuse):
    npy(path, describe(descr, (10**18,)))
    refuse(path)
