"""What a hostile file may cost: memory and time of a whole process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_P05_a_few_kilobytes_of_parquet_with_millions_of_rows(tmp_path):
    """Counted in batches: the rows of all columns would be 640 MB as 64-bit numbers."""
    n = 20_000_000
    words = pa.array(["cat", "dog"])
    side = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), words)
    pq.write_table(pa.table({"target": side, "pred": side}), tmp_path / "x.parquet", compression="zstd")
    del side
    assert (tmp_path / "x.parquet").stat().st_size < 200_000
    watched = "resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))"
    program = (f"import resource, runpy, sys; {watched}; sys.argv[0] = 'evalcli'; "
               "runpy.run_module('evalcli', run_name='__main__')")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, "report", str(tmp_path / "x.parquet"), "--task", "multiclass", "-f", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == n


def _gzip_of(head: bytes, line: bytes, size: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    block = line * ((1 << 20) // len(line))
    return packer.compress(head) + b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def _bombs(folder: Path) -> Iterator[Path]:
    """Small files that claim, or unpack to, gigabytes."""
    path = folder / "rows.csv.gz"
    path.write_bytes(_gzip_of(b"target,pred\n", b"a,b\n", 512 << 20))
    yield path
    path = folder / "field.csv.gz"
    path.write_bytes(_gzip_of(b"target,pred\n", b"x", 128 << 20))
    yield path
    path = folder / "claim.npy"
    path.write_bytes(
        b"\x93NUMPY\1\0v\0{'descr':'<f8','fortran_order':False,'shape':(549755813888,),}".ljust(128) + b"12"
    )
    yield path
    path = folder / "claim.safetensors"
    path.write_bytes((1 << 62).to_bytes(8, "little") + b'{"a":')
    yield path
    path = folder / "deflated.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        out.writestr("x/data.pkl", b"\x80\x02}.")
        out.writestr("x/version", b"3\n")
        with out.open("x/data/0", "w") as record:
            for _ in range(512):
                record.write(bytes(1 << 20))
    yield path
    path = folder / "deflated.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out, out.open("pred.npy", "w") as record:
        record.write(b"\x93NUMPY\1\0v\0" + b"{'descr':'<f8','fortran_order':False,'shape':(67108864,),}".ljust(118))
        for _ in range(512):
            record.write(bytes(1 << 20))
    yield path


WATCHED = """
import atexit, re, runpy, sys
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
atexit.register(lambda: print(peak(), flush=True))
sys.argv[:1] = ["evalcli"]
runpy.run_module("evalcli", run_name="__main__")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system tells no peak of memory")
def test_Z04_Z05_N02_N08_S01_T05_a_refused_file_costs_little(tmp_path):
    for path in _bombs(tmp_path):
        assert path.stat().st_size < 10 << 20
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", WATCHED, "report", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, path
        assert done.stderr.endswith(("[E3]\n", "[E6]\n")), done.stderr
        assert int(done.stdout) < 400_000, path  # KiB, of which Python and the engine take 100,000
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # of the CPU: how long it lasts depends on what else runs
        assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 5, path
