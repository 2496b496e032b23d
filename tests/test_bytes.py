"""The same JSON, byte for byte, whatever the batch size, the worker count, the backend and the run (M01, M02, M15)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from alike import assert_alike
from saved_files import report_of, save

from evalcli.engine import Execution
from evalcli.renderers import render
from evalcli.report import Report

N = 400
SIZES = (1, 17, 300, None)
WORKERS = (1, 2, 5, 8)
RUNS = [*((17, workers) for workers in WORKERS), (5, 3), (300, 2), (None, 8)]

NASTY = np.array([0.1, 1 / 3, 1e-300, 1e16, 3.0, 0.7, 0.0, 1e-9])


def columns(kind, weighted):
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 5, N)
    logits = (rng.normal(size=(N, 5)).round(1) + np.eye(5)[truth]).astype(np.float32)
    powers = np.exp(logits.astype(np.float64))
    made = {
        "labels": {"pred": logits.argmax(axis=1), "target": truth},
        "logits": {"logit": logits, "target": truth},
        "probs": {"prob": powers / powers.sum(axis=1, keepdims=True), "target": truth},
        "late": {"logit": np.where(np.arange(N)[:, None] < N - 1, powers / powers.sum(axis=1, keepdims=True), 9.0),
                 "target": truth},
        "score": {"score": logits[:, 0], "target": (truth == 0).astype(int)},
        "words": {"pred": np.array(["NA", "b", "007", "7.5", "ü"])[logits.argmax(axis=1)],
                  "target": np.array(["NA", "b", "007", "7.5", "ü"])[truth]},
    }[kind]  # fmt: skip
    return made | ({"w": rng.choice(NASTY, N)} if weighted else {})


def whole(path, size, workers, **chosen):
    return render(report_of(path, None, Execution(batch_size=size, workers=workers), **chosen), "json")


@pytest.mark.parametrize(
    ("kind", "suffix", "weighted"),
    [("labels", ".pt", True), ("labels", ".csv", False), ("labels", ".parquet", True), ("logits", ".npz", True),
     ("logits", ".parquet", True), ("probs", ".safetensors", True), ("late", ".npy", False), ("late", ".feather", True),
     ("score", ".pt", False), ("score", ".jsonl", True), ("words", ".npz", True), ("words", ".csv.gz", True)],
)  # fmt: skip
def test_M01_M02_batches_and_workers_leave_no_trace(tmp_path, kind, suffix, weighted):
    path = save(tmp_path / f"data{suffix}", columns(kind, weighted))
    chosen = {"weight": "w"} if weighted else {}
    first = whole(path, None, 1, **chosen)
    few = RUNS if suffix in (".pt", ".npz", ".npy", ".safetensors") else RUNS[1::3]
    for size, workers in few:
        assert whole(path, size, workers, **chosen) == first, (size, workers)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_M02_rows_that_are_streamed_because_of_their_weights(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("evalcli.sources.table_labels.DISTINCT_WEIGHTS", 3)
    path = save(tmp_path / f"data{suffix}", columns("words", weighted=True))
    texts = {whole(path, size, workers, weight="w") for size in SIZES[1:] for workers in (1, 8)}
    monkeypatch.undo()
    assert texts == {whole(path, None, 1, weight="w")}


@pytest.mark.parametrize("kind", ["labels", "logits", "probs", "score"])
def test_M03_the_order_of_rows_leaves_no_trace(tmp_path, kind):
    order = np.random.default_rng(0).permutation(N)
    data = columns(kind, weighted=True)
    texts = []
    for i, rows in enumerate((np.arange(N), order)):
        path = save(tmp_path / f"{i}.npz", {name: values[rows] for name, values in data.items()})
        texts.append(json.loads(whole(path, 17, 3, weight="w")) | {"inputs": []})
    assert texts[0] == texts[1]


@pytest.mark.parametrize("kind", ["labels", "logits", "probs", "score", "words"])
def test_M12_numpy_and_torch_agree_to_the_last_bit_and_of_exponentials_but_for_it(tmp_path, kind):
    path = save(tmp_path / "data.npz", columns(kind, weighted=True))
    for size in (17, None):
        runs = [Execution(backend, batch_size=size, workers=2) for backend in ("numpy", "torch")]
        one, other = (render(report_of(path, None, run, weight="w"), "json") for run in runs)
        if kind == "logits":
            assert_alike(json.loads(one), json.loads(other), rel=1e-14)
        else:
            assert one == other


@pytest.mark.parametrize("kind", ["labels", "logits", "score", "words"])
@pytest.mark.parametrize("weighted", [False, True])
def test_M15_a_report_saved_and_read_again_is_the_same_bytes(tmp_path, kind, weighted):
    text = whole(save(tmp_path / "data.csv", columns(kind, weighted)), None, 2, **({"weight": "w"} if weighted else {}))
    assert render(Report.from_json_object(json.loads(text)), "json") == text


def test_X22_flags_and_runs_leave_no_trace(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "data.npz", columns("logits", weighted=True))
    save(tmp_path / "data.csv", columns("words", weighted=True))
    for name in ("data.npz", "data.csv"):
        texts = set()
        other = ["--backend", "torch"] if name == "data.csv" else []  # its exponentials have other last bits
        for flags in ([], [], ["--batch-size", "1k"], ["--batch-size", "7", "--workers", "8"], ["--workers", "3"],
                      other, ["--device", "cpu"]):  # fmt: skip
            result = run("report", name, "-f", "json", "--weight", "w", *flags, "-o", "saved.json")
            assert result.code == 0, result.stderr
            assert (tmp_path / "saved.json").read_text(encoding="utf-8") == result.stdout
            texts.add(result.stdout)
        assert len(texts) == 1
