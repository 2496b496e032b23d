"""Peak memory does not grow with the number of rows beyond what a batch takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evalcli import mistakes

FEW, MANY = 1_000_000, 5_000_000
SLACK = 20 << 20
LONG = "repeat('some words ', 6)"
"""A cell of a text beside the others, so that the smaller file, too, fills the buffers of every worker, 32 MB each."""

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from /proc")

CHILD = """
import json, re, sys
from evalcli.cli import run
for command in json.loads(sys.argv[1]):
    code = int(run(command))
    size = re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1]
    print("peak:", code, 1024 * int(size), file=sys.stderr)
"""
# getrusage would not do: its maximum begins with the memory of the process that started this one


def peaks(*inputs, command=("report", "-f", "json", "--ranking-budget", "4")):
    """The peak after each of these inputs, few rows first, one after the other in a process: what stays shows, too."""
    every = [[*command, *map(str, files), "--workers", "2"] for files in inputs]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(every)],
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    told = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("peak: ")]
    assert [code for code, _ in told] == ["0"] * len(inputs), done.stderr
    return [int(size) for _, size in told]


def write(path, rows, block):
    """``block`` over and over, as one array of ``rows`` rows."""
    with path.open("wb") as file:
        header = {"descr": block.dtype.str, "fortran_order": False, "shape": (rows, *block.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, len(block)):
            block[: rows - start].tofile(file)
    return path


def arrays(folder, sizes, preds, truth):
    """Both sides with so many rows, a pair of files of each size."""
    return [(write(folder / f"p{n}.npy", n, preds), write(folder / f"t{n}.npy", n, truth)) for n in sizes]


def tables(folder, suffix, cells, sizes):
    """A table of these ``cells``, in SQL, with so many rows, of each size."""
    import duckdb

    paths = [(folder / f"{rows}{suffix}",) for rows in sizes]
    with duckdb.connect() as engine:
        for rows, (path,) in zip(sizes, paths, strict=True):
            engine.execute(f"COPY (SELECT {cells} FROM range({rows})) TO '{path}'")
    return paths


@pytest.mark.parametrize("kind", ["labels", "logits", "values"])
def test_peak_memory_does_not_grow_with_the_rows_of_arrays(tmp_path, kind):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, FEW)
    preds = truth if kind == "labels" else rng.normal(size=(FEW, 4)).astype(np.float32)
    if kind == "values":
        truth, preds = rng.normal(size=FEW), rng.normal(size=FEW)
    # each in a process of its own: what one that goes on has not given back varies by more than is asked here
    small, large = arrays(tmp_path, (FEW, MANY), preds, truth)
    (few,), (many,) = peaks(small), peaks(large)
    most = min(1.2 * few + SLACK, few + (MANY - FEW) * (preds.itemsize * preds.size // FEW + truth.itemsize) / 2)
    if many >= most:  # what both workers happen to hold at once varies from run to run; what grows does so in each
        (many,) = peaks(large)
    assert many < most  # reading it whole would show


@pytest.mark.parametrize(("kind", "suffix"), [("labels", ".csv"), ("scores", ".csv"), ("scores", ".parquet")])
def test_peak_memory_does_not_grow_with_the_rows_of_a_table(tmp_path, kind, suffix):

    columns = "'class-' || (range * 7 % 4) AS pred" if kind == "labels" else "(range * 7 % 97) / 97.0 AS score"
    target = "'class-' || (range * 5 % 4)" if kind == "labels" else "(range * 5 % 2)"
    small, large = tables(tmp_path, suffix, f"{columns}, {target} AS target", (FEW, MANY // 2))
    _, few, many = peaks(small, small, large)  # what a pass leaves behind adds to the next one, however few its rows
    assert many < 1.2 * few + SLACK


@pytest.mark.parametrize("kind", ["new_file", "new_stream"])
def test_peak_memory_does_not_grow_with_the_batches_of_arrow(tmp_path, kind):
    import pyarrow as pa

    batch = pa.record_batch({"pred": np.arange(1 << 16) * 7 % 4, "target": np.arange(1 << 16) * 5 % 4})
    paths = [(tmp_path / f"{many}.arrow",) for many in (16, 160)]
    for (path,), many in zip(paths, (16, 160), strict=True):
        with getattr(pa.ipc, kind)(str(path), batch.schema) as out:
            for _ in range(many):
                out.write_batch(batch)
    few, many = peaks(*paths)
    assert many < 1.2 * few + SLACK


def test_peak_memory_of_scores_in_large_row_groups_is_below_300_MB(tmp_path):
    import duckdb

    path, names = tmp_path / "data.parquet", [f"p_{i}" for i in range(10)]
    with duckdb.connect() as engine:
        scores = f"SELECT range % 10 AS y, {', '.join(f'random() AS {name}' for name in names)} FROM range(600000)"
        engine.execute(f"COPY ({scores}) TO '{path}' (ROW_GROUP_SIZE 245760)")
    options = ("--scores", "logits", "--pred", "p_*", "--target", "y", "-m", "accuracy,log_loss,ece,top3_accuracy")
    assert peaks([path, *options])[0] < 300e6


@pytest.mark.parametrize(
    ("order", "limit", "most"),
    [
        ("", "all", 2 * FEW),
        ("--most-confident", "20", 3 * FEW),
        ("--most-confident", "all", 3 * FEW),
        ("--suspect-labels", "20", 3 * FEW),
    ],
)
def test_peak_memory_of_errors_does_not_grow_with_the_mistakes_of_arrays(tmp_path, order, limit, most):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, FEW)
    preds = (rng.normal(size=(FEW, 4)) + 2 * np.eye(4)[truth]).astype(np.float32)  # 200,000 mistakes in a million rows
    command = ("errors", "--quiet", "-o", str(tmp_path / "out.jsonl"), "--limit", limit, *order.split())
    few, many = peaks(*arrays(tmp_path, (FEW, most), preds, truth), command=command)
    room = mistakes.COPIES * mistakes.ROW * most / 5 if (order, limit) == ("--most-confident", "all") else 0
    assert room < mistakes.ROOM  # a ranked list that fits is held whole, but as arrays: as objects it takes 300 MB
    assert many < 1.2 * few + SLACK + room


@pytest.mark.parametrize("task", ["regression", "multilabel", "multilabel --most-confident --limit 20"])
def test_peak_memory_of_errors_does_not_grow_with_those_of_values_and_labels(tmp_path, task):
    rng = np.random.default_rng(0)
    preds = rng.random((FEW, 2), np.float32)
    truth = rng.random((FEW, 2), np.float32) if task == "regression" else preds > 0.25 + rng.random((FEW, 2)) / 2
    command = ("errors", "--quiet", "-o", str(tmp_path / "out.jsonl"), "--task", *task.split())
    few, many = peaks(*arrays(tmp_path, (FEW // 2, 2 * FEW), preds, truth), command=command)
    assert many < 1.2 * few + SLACK


@pytest.mark.parametrize(
    ("kind", "suffix", "order", "least"),
    [
        ("labels", ".csv", "", FEW // 2),
        ("scores", ".csv", "", FEW // 2),
        ("scores", ".parquet", "--most-confident --limit 20", FEW),
    ],
)
def test_peak_memory_of_errors_does_not_grow_with_the_mistakes_of_a_table(tmp_path, kind, suffix, order, least):

    said = "'class-' || (range % 4) AS pred" if kind == "labels" else "(range * 7 % 97) / 97.0 AS score"
    target = (
        "'class-' || (range % (4 + (range % 5 = 0)::INT) % 4)" if kind == "labels" else "(range * 7 % 97 > 60)::INT"
    )
    command = ("errors", "--quiet", "-o", str(tmp_path / "out.csv"), "--show", "note", *order.split())
    note = LONG if suffix == ".csv" else "'some words '"
    cells = f"{said}, {target} AS target, range AS id, {note} || range AS note"
    paths = tables(tmp_path, suffix, cells, (least, 4 * least))  # of fewer, not every worker has filled its buffers
    few, many = peaks(*paths, command=command)
    assert many < 1.2 * few + SLACK
