"""What holds for every file of tensors: passes, threads, digests, round trips (HOSTILE.md T30, S12)."""

from __future__ import annotations

import hashlib
import os
import random
import threading
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

from evalcli.errors import EvalError, InputError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.sources.tensors import open_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x.npy")


def as_read(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind == "f" else array


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
def test_mutations_end_in_an_array_or_in_one_line(tmp_path, name, read_all):
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
    ranges = [(start, min(start + 1234, 50_000)) for start in range(0, 50_000, 1234)]
    digests = set()
    for seed in range(3):
        file = open_tensors(path)
        file.begin()
        random.Random(seed).shuffle(ranges)
        wrong: list[int] = []

        opened = only(file)

        def work(mine, held=opened, wrong=wrong):
            for start, stop in mine:
                if not np.array_equal(held.read(start, stop), array[start:stop]):
                    wrong.append(start)

        threads = [threading.Thread(target=work, args=(ranges[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        digests.add(file.finish().digest)
        file.close()
    assert len(digests) == 1


def test_what_was_found_right_is_not_checksummed_again(tmp_path, monkeypatch):
    path = str(tmp_path / "x.npz")
    array = np.random.default_rng(0).normal(size=(100_000, 2))
    np.savez(path, a=array)
    file = open_tensors(path)
    sums: list[int] = []
    checksum = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda piece, start=0: sums.append(len(piece)) or checksum(piece, start))
    told = []
    for _ in range(2):
        file.begin()
        np.testing.assert_array_equal(only(file).read(0, 100_000), array)
        told.append((file.finish(), sum(sums) >= array.nbytes))
        sums.clear()
    assert told == [(told[0][0], True), (told[0][0], False)]
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="input changed while reading"):
        file.finish()
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


def test_a_table_is_no_file_of_tensors(tmp_path, refuse):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    refuse(str(tmp_path / "x.csv"), "a csv table")


def test_descriptors_are_given_back(tmp_path, read_all, refuse):
    before = len(os.listdir("/proc/self/fd"))
    for name, write in WRITERS.items():
        path = str(tmp_path / name)
        write(path, np.arange(10.0))
        read_all(path)
        Path(path).write_bytes(Path(path).read_bytes()[:-3])
        refuse(path)
    assert len(os.listdir("/proc/self/fd")) == before


numbers = arrays.arrays(
    st.sampled_from([np.dtype(code).newbyteorder(order) for code in DTYPES if code != "u8" for order in "<>"]),
    arrays.array_shapes(min_dims=1, max_dims=4, max_side=6),
)


@settings(max_examples=60, deadline=None)
@given(numbers, st.permutations(range(4)), st.integers(1, 4), st.integers(1, 7))
def test_round_trips_of_any_layout(tmp_path_factory, read_all, array, axes, skip, step):
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
def test_round_trips_of_text(tmp_path_factory, read_all, texts):
    folder = tmp_path_factory.mktemp("text")
    np.save(folder / "x.npy", np.array(texts))
    torch.save(texts, folder / "x.pt")
    for name in ("x.npy", "x.pt"):
        if name == "x.npy" and not any(texts):
            continue  # numpy makes U1 of it, but older releases U0
        assert read_all(str(folder / name), 3)[""].tolist() == texts


def test_float8_of_ml_dtypes_and_torch_agree(tmp_path, read_all):
    every = np.arange(256, dtype=np.uint8)
    for kind in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"):
        path = str(tmp_path / f"{kind}.pt")
        torch.save(torch.from_numpy(every).view(getattr(torch, kind)), path)
        np.testing.assert_array_equal(read_all(path)[""], every.view(getattr(ml_dtypes, kind)).astype(np.float32))


@pytest.mark.parametrize("pair", [(torch.ones(4, 3), torch.ones(4)), (torch.ones(4), torch.ones(4))])
def test_a_list_of_two_sides_is_no_list_of_batches(tmp_path, pair):
    torch.save(list(pair), tmp_path / "a.pt")
    with pytest.raises(InputError, match="choose with --target NAME --pred NAME"):
        open_source(str(tmp_path / "a.pt"), None, Selection())
    open_source(str(tmp_path / "a.pt"), None, Selection(pred="0", target="1")).close()
