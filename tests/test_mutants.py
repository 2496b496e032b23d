"""Damaged files through the whole command: a report or a documented error, and never a crash.

Each format is written once, small, and damaged a few hundred times in the ways that disks, transfers and people do.
Where the format carries checksums a report on a damaged file has the numbers of the whole one.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import warnings
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch

MUTANTS = {
    ".pt": 150,
    ".legacy.pt": 150,
    ".npy": 120,
    ".npz": 150,
    ".safetensors": 120,
    ".csv": 80,
    ".csv.gz": 40,
    ".jsonl": 60,
    ".parquet": 80,
}
CHECKED = {".pt", ".npz", ".csv.gz"}
"""Every byte that a number depends on lies under a checksum."""
ERROR = re.compile(r"evalcli: .+ \[E[3-6]\]\n")
ODD = [
    b"\0",
    b"\xff",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"\x80",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"{",
    b"[",
    b"9" * 20,
    b"\x1b[",
]


@cache
def whole(suffix: str) -> bytes:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 24)
    logits = (rng.normal(size=(24, 3)) * 4 + 3 * np.eye(3)[target]).astype(np.float32)
    preds = logits.argmax(axis=1)
    out = io.BytesIO()
    if suffix in {".pt", ".legacy.pt"}:
        tensors = {"logits": torch.from_numpy(logits), "target": torch.from_numpy(target)}
        torch.save(tensors, out, _use_new_zipfile_serialization=suffix == ".pt")
    elif suffix == ".npy":
        table = np.empty(24, [("pred", "i8"), ("target", "i8")])
        table["pred"], table["target"] = preds, target
        np.save(out, table)
    elif suffix == ".npz":
        np.savez_compressed(out, logits=logits, target=target)
    elif suffix == ".safetensors":
        return safetensors.numpy.save({"logits": logits, "target": target})
    elif suffix == ".parquet":
        pq.write_table(pa.table({"pred": preds, "target": target}), out)
    else:
        names = ["cat", "dog", "a,b"]
        rows = [(names[t], names[p]) for t, p in zip(target, preds, strict=True)]
        if suffix == ".jsonl":
            text = "".join(json.dumps({"target": t, "pred": p}) + "\n" for t, p in rows)
        else:
            text = "target,pred\n" + "".join(f'"{t}","{p}"\n' for t, p in rows)
        return gzip.compress(text.encode(), mtime=0) if suffix == ".csv.gz" else text.encode()
    return out.getvalue()


def damaged(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    length = dice.choice([1, 1, 2, 4, 8, 40])
    kind = dice.randrange(8)
    if kind < 3:
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 3:
        return data[:at] + dice.choice(ODD) + data[at + dice.randrange(3) :]
    if kind == 4:
        return data[:at]
    if kind == 5:
        return data[:at] + data[at + length :]
    if kind == 6:
        return data[:at] + data[at : at + length] + data[at:]
    other = dice.randrange(len(data))
    return data[:at] + data[other : other + length] + data[at + length :]


def values_of(said: dict) -> dict[str, float | None]:
    return {name: metric["value"] for name, metric in said["metrics"].items()}


@pytest.mark.parametrize("suffix", MUTANTS)
def test_a_damaged_file_gives_a_report_or_a_documented_error(tmp_path, run, suffix):
    dice = random.Random(suffix)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(whole(suffix))
    asked = ("report", path, "-f", "json")
    sound = values_of(json.loads(run(*asked, "--no-intervals").stdout))
    outcomes = {0: 0, 2: 0}
    for number in range(MUTANTS[suffix]):
        data = damaged(whole(suffix), dice)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as main() does
            result = run(*asked, *(("--no-intervals",) if number % 10 else ("--resamples", 100)))
        assert result.code in outcomes, (number, data, result.stderr)
        outcomes[result.code] += 1
        said = json.loads(result.stdout)
        if result.code == 0:
            assert said["schema"] == "evalcli.report/1"
            assert said["n"] > 0
            if suffix in CHECKED:
                assert values_of(said) == sound, (number, data)
        else:
            assert ERROR.fullmatch(result.stderr), (number, data, result.stderr)
            assert result.stderr[:-1].isprintable()
            assert "weights_only" not in result.stderr
            assert said["error"]["path"] == str(path)
    assert outcomes[2] > 10
