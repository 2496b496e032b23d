"""Rows of the catalogue of hostile input that only the whole command can show: labels, tensors, numbers."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch

if TYPE_CHECKING:
    from pathlib import Path


def table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Labels as other readers change them


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(["1", "NA", "2", "null"], id="C01c"),
        pytest.param(["t", "f", "yes", "no", "T", "F"], id="C04b"),
        pytest.param(["0x10", "1e3", "+1", "16", "1000", "1"], id="C19d"),
        pytest.param(["2024-01-02", "12:30", "2024-01-02 00:00:00"], id="C20"),
        pytest.param([str(2**53), str(2**53 + 1), str(2**64), str(2**64 + 1)], id="C19c"),
    ],
)
def test_C01c_C04b_C19c_C19d_no_label_is_read_as_something_else(tmp_path, counted, labels):
    others = [*labels[1:], labels[0]]
    rows = [*zip(labels, labels, strict=True), *zip(labels, others, strict=True)]
    text = "target,pred\n" + "".join(f"{t},{p}\n" for t, p in rows)
    data = counted(table(tmp_path / "x.csv", text), "--task", "multiclass")
    assert sorted(data["classes"]) == sorted(labels)
    assert data["cells"] == dict.fromkeys(rows, 1)


def test_C03b_an_empty_cell_is_missing_and_the_others_stay_whole_numbers(tmp_path, counted, refused):
    path = table(tmp_path / "x.csv", "target,pred\n1,1\n,1\n2,2\n")
    assert "1 target is missing (line 3)" in refused(path)
    data = counted(path, "--nan", "drop", "--task", "multiclass")
    assert (data["classes"], data["n"]) == (["1", "2"], 2)
    assert "unusable-rows" in [finding["code"] for finding in data["findings"]]


def test_C03c_a_word_after_thirty_thousand_numbers(tmp_path, counted):
    data = counted(table(tmp_path / "x.csv", "target,pred\n" + "1,1\n2,1\n" * 15_000 + "cat,2\n"))
    assert data["cells"] == {("1", "1"): 15_000, ("2", "1"): 15_000, ("cat", "2"): 1}


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_C12b_utf_16_is_decoded_or_refused(tmp_path, counted, refused, codec):
    path = table(tmp_path / "x.csv", "target,pred\ncat,cat\ndog,cat\nowl,owl\n".encode(codec))
    if codec == "utf-16":  # its byte order mark says so
        assert counted(path)["classes"] == ["cat", "dog", "owl"]
    else:
        assert f"line 1: holds a NUL byte; if it is UTF-16, --encoding {codec}" in refused(path)
        assert counted(path, "--encoding", codec)["classes"] == ["cat", "dog", "owl"]
        path = table(tmp_path / "x.jsonl", '{"target": 1, "pred": 1}\n{"target": 0, "pred": 1}\n'.encode(codec))
        assert f"if it is UTF-16, --encoding {codec}" in refused(path)
        assert counted(path, "--encoding", codec)["n"] == 2


# Tensor files


def test_T12c_a_sparse_tensor_is_never_made_dense(tmp_path, refused):
    sparse = torch.sparse_coo_tensor([[0], [1]], [1.0], (10**6, 10**6), check_invariants=True)
    torch.save({"pred": sparse, "target": torch.zeros(10**6, dtype=torch.long)}, tmp_path / "x.pt")
    assert "sparse tensors are not predictions; call .to_dense()" in refused(tmp_path / "x.pt")


def test_T20c_several_tensors_are_named_unless_one_reading_is_left(tmp_path, counted, refused):
    truth = torch.arange(12) % 4
    logits = torch.nn.functional.one_hot(truth, 4).float() * 9
    torch.save({"logits": logits, "y": truth, "epoch": torch.tensor([3.0])}, tmp_path / "x.pt")
    assert counted(tmp_path / "x.pt")["metrics"]["accuracy"]["value"] == 1
    torch.save({"a": truth, "b": truth}, tmp_path / "y.pt")
    said = refused(tmp_path / "y.pt")
    assert "keys are 'a', 'b'; choose with --target" in said
    assert counted(tmp_path / "y.pt", "--pred", "a", "--target", "b")["n"] == 12
    torch.save({"y": truth, "label": truth, "pred": truth}, tmp_path / "z.pt")
    assert "--target" in refused(tmp_path / "z.pt")


def _file(folder: Path, suffix: str) -> Path:
    truth = np.arange(60_000) % 4
    both, path = {"pred": truth, "target": truth}, folder / f"x{suffix}"
    if suffix == ".pt":
        torch.save({name: torch.from_numpy(values) for name, values in both.items()}, path)
    elif suffix == ".npz":
        np.savez(path, **both)
    elif suffix == ".npy":
        np.save(path, np.stack([truth, truth], axis=1).copy().view([("pred", "i8"), ("target", "i8")])[:, 0])
    elif suffix == ".safetensors":
        safetensors.numpy.save_file(both, path)
    elif suffix == ".parquet":
        pq.write_table(pa.table(both), path)
    else:
        table(path, "target,pred\n" + "".join(f"{t},{t}\n" for t in truth))
    return path


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz", ".safetensors", ".parquet", ".csv"])
@pytest.mark.parametrize("change", ["truncated", "rewritten", "grown"])
def test_N17_S30_T30_X18_a_file_that_changes_while_it_is_read(tmp_path, refused, monkeypatch, suffix, change):
    from evalcli import sources

    path = _file(tmp_path, suffix)
    opened = sources.open_source

    def interfering(*args: Any, **more: Any) -> Any:
        source = opened(*args, **more)
        with path.open("r+b") as file:  # the same file, not a new one under its name
            if change == "truncated":
                file.truncate(path.stat().st_size // 2)
            else:
                file.seek(-1000 if change == "rewritten" else 0, os.SEEK_END)
                file.write(b"\1" * 1000)
        return source

    monkeypatch.setattr(sources, "open_source", interfering)
    assert "changed while" in refused(path)


def test_T30_a_file_replaced_by_rename_is_the_old_one_to_the_end(tmp_path, counted, monkeypatch):
    from evalcli import sources

    path = _file(tmp_path, ".npy")
    new = tmp_path / "new.npy"
    np.save(new, np.array([(0, 1)], [("pred", "i8"), ("target", "i8")]))
    opened = sources.open_source

    def replacing(*args: Any, **more: Any) -> Any:
        source = opened(*args, **more)
        new.rename(path)
        return source

    monkeypatch.setattr(sources, "open_source", replacing)
    assert counted(path)["n"] == 60_000
    monkeypatch.undo()
    assert counted(path, "--task", "multiclass")["n"] == 1


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_T38_X20_no_process_is_ever_forked(tmp_path, counted, monkeypatch, backend):
    """A child forked after OpenMP has run hangs: workers are threads."""

    def forbidden(*args: object, **more: object) -> None:
        raise AssertionError("a process was started")

    for name in ("fork", "forkpty", "posix_spawn"):
        monkeypatch.setattr(os, name, forbidden)
    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    before = threading.active_count()
    data = counted(_file(tmp_path, ".pt"), "--backend", backend, "--workers", 3, "--batch-size", 5000)
    assert data["metrics"]["accuracy"]["value"] == 1
    assert threading.active_count() == before


# Numbers


def test_N06_N07_ties_go_to_the_lowest_index_everywhere_and_are_told(tmp_path, run):
    """In bfloat16 two scores become one: what is stored counts, and the report says how often."""
    rng = np.random.default_rng(0)
    scores = torch.from_numpy(rng.normal(size=(4000, 5)) + 100.0)
    truth = torch.from_numpy(rng.integers(0, 5, 4000))
    stored = scores.to(torch.bfloat16)
    kept = stored.double().numpy()
    best = (kept == kept.max(axis=1, keepdims=True)).argmax(axis=1)
    torch.save({"logits": stored, "target": truth}, tmp_path / "x.pt")
    outputs = set()
    for more in ((), ("--batch-size", 999, "--workers", 3), ("--backend", "torch"), ("--backend", "torch", "-m",
                 "accuracy")):  # fmt: skip
        data = json.loads(run("report", tmp_path / "x.pt", "-f", "json", *more).stdout)
        assert data["metrics"]["accuracy"]["value"] == (best == truth.numpy()).mean()
        outputs.add(json.dumps(data["confusion"]))
        assert "ties" in {finding["code"] for finding in data["findings"]}
        assert "ties:first" in data["signature"]
    assert len(outputs) == 1


def test_N02_infinities_are_ranked_and_all_minus_infinity_is_no_prediction(tmp_path, counted, refused):
    logits = np.array([[np.inf, 0, 1], [0, -np.inf, 2], [3, np.inf, np.inf]])
    np.savez(tmp_path / "x.npz", logits=logits, target=[0, 2, 1])
    assert counted(tmp_path / "x.npz")["metrics"]["accuracy"]["value"] == 1
    logits[1] = -np.inf
    np.savez(tmp_path / "x.npz", logits=logits, target=[0, 2, 1])
    assert "row 1" in refused(tmp_path / "x.npz")
    assert counted(tmp_path / "x.npz", "--nan", "drop")["n"] == 2
    assert counted(tmp_path / "x.npz", "--nan", "wrong")["metrics"]["accuracy"]["value"] == 2 / 3


def test_N13_sums_of_weights_depend_on_no_batch_and_no_thread(tmp_path, run):
    rng = np.random.default_rng(0)
    n = 5_000
    weight = np.exp(rng.normal(scale=8, size=n))
    truth, preds = rng.integers(0, 3, n), rng.integers(0, 3, n)
    order = rng.permutation(n)
    seen = set()
    for name, rows in (("x", slice(None)), ("y", order)):
        np.savez(tmp_path / f"{name}.npz", target=truth[rows], pred=preds[rows], w=weight[rows])
        for size, workers in ((250, 1), (1_777, 3), (n, 2)):
            result = run("report", tmp_path / f"{name}.npz", "--weight", "w", "-f", "json", "--batch-size", size,
                         "--workers", workers, "--resamples", 100)  # fmt: skip
            assert result.code == 0, result.stderr
            seen.add(json.dumps(json.loads(result.stdout) | {"inputs": None}))
    assert len(seen) == 1
    value = json.loads(seen.pop())["metrics"]["accuracy"]["value"]
    assert value == pytest.approx(fsum(weight[truth == preds]) / fsum(weight), rel=1e-15)


def test_N17_macro_over_seen_or_declared_classes(tmp_path, counted):
    path = table(tmp_path / "x.csv", "target,pred\na,a\na,b\nb,b\n")
    seen = counted(path, "--labels", "a,b,c,d", "--task", "multiclass")
    declared = counted(path, "--labels", "a,b,c,d", "--task", "multiclass", "--classes", "declared")
    assert seen["metrics"]["f1_macro"]["value"] == pytest.approx(2 / 3, rel=1e-15)
    assert declared["metrics"]["f1_macro"]["value"] == pytest.approx(1 / 3, rel=1e-15)
    assert (seen["averaged"], declared["averaged"]) == (2, 4)
    assert seen["signature"] != declared["signature"]


def test_N18_nothing_over_nothing_is_said_and_fails_its_gate(tmp_path, run):
    path = table(tmp_path / "x.csv", "target,pred\na,a\nb,a\nc,c\n")
    result = run("report", path, "-f", "json", "--min", "precision[b]=0")
    data = json.loads(result.stdout)
    assert data["per_class"][1]["precision"]["value"] is None
    assert "precision[b]" in data["undefined"]
    assert result.code == 1
    assert data["gates"][0]["status"] == "undefined"


def test_N21_degenerate_mcc(tmp_path, counted):
    same = table(tmp_path / "x.csv", "target,pred\n" + "a,a\n" * 3 + "b,a\n")
    data = counted(same, "--positive", "b")
    assert data["metrics"]["mcc"]["value"] == 0  # one side constant; others say 0.577
    assert data["metrics"]["balanced_accuracy"]["value"] == 0.5


# What is printed


HOSTILE = ["a[/b]", "cls[id]", "cls[x]", "[red]x[/red]", "[link=http://evil]x[/link]", ":smile:", "x\x1b[31m\x9b0m",
           "tab\there", "\u202etxt", "::error::x", "=1+1", "|", "`"]  # fmt: skip


@pytest.mark.parametrize("form", ["rich", "csv", "markdown", "json"])
@pytest.mark.parametrize("color", ["0", "1"])
def test_O01_O02_O03_O05_hostile_labels_in_every_format(tmp_path, run, form, color):
    path = table(tmp_path / "x.csv", "target,pred\n" + "".join(f"{name},{name}\n" for name in HOSTILE * 3))
    result = run("report", path, "-f", form, "--min", "recall[a[/b]]=0.5", env={"FORCE_COLOR": color})
    assert result.code == 0, result.stderr
    assert {"\x9b", "\u202e", "\t"} & {*result.stdout, *result.stderr} == set()
    assert "\x1b[31m\\x" not in result.stdout
    assert "[link" in result.stdout
    if form == "rich":
        for name in ("a[/b]", "cls[id]", "cls[x]", "[red]x[/red]", ":smile:", "x\\x1b[31m\\x9b0m", "tab\\there"):
            assert name in result.stdout
    if form == "json":
        assert json.loads(result.stdout)["classes"] == sorted(HOSTILE)


def test_O08_a_file_name_reaches_no_terminal_raw(tmp_path, run, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "x\x1b]0;owned\x07\n::error::y\u202e.csv"
    shown = "x\\x1b]0;owned\\x07\\n::error::y\\u202e.csv"
    assert refused(name) == f"evalcli: {shown}: no such file; see whether the path is right [E3]\n"
    table(tmp_path / name, "target,pred\na,b,c\n")
    assert refused(name).startswith("evalcli: x\\x1b]0;owned\\x07\\n::error::y\\u202e.csv: line 2 has 3 fields")
    table(tmp_path / name, "target,pred\na,a\nb,b\nc,c\n")
    for form in ("rich", "csv", "markdown"):
        result = run("report", name, "-f", form)
        assert result.code == 0
        assert {"\x1b", "\x07", "\u202e"} & {*result.stdout} == set()
    inspected = run("inspect", name)
    assert inspected.code == 0
    assert {"\x1b", "\x07", "\u202e"} & {*inspected.stdout} == set()
    odd = f"{name.removesuffix('.csv')}.pt"
    table(tmp_path / odd, "hello")
    refused(odd)


# Nothing of the surroundings


def test_X22_hash_seed_locale_and_clock_leave_no_trace(tmp_path, spawn):
    words = ["NA", "café", "007", "z", "[x]", "Ä"]
    rows = [(words[i % 6], words[i * i % 6]) for i in range(600)]
    table(tmp_path / "x.csv", "target,pred\n" + "".join(f"{t},{p}\n" for t, p in rows))
    surroundings = [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC", "OMP_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONUTF8": "1"},
        {"PYTHONHASHSEED": "3", "LC_ALL": "tr_TR.UTF-8", "COLUMNS": "40", "FORCE_COLOR": "1"},
    ]
    results = [spawn("report", "x.csv", "-f", "json", "-o", "x.md", env=env, cwd=tmp_path) for env in surroundings]
    assert [result.code for result in results] == [0, 0, 0], results[0].stderr
    assert len({result.stdout for result in results}) == 1


def test_T20a_lists_of_numbers_are_arrays(tmp_path, counted, refused):
    truth, said = [0, 1, 2, 1], [0, 1, 1, 1]
    scores = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3]]
    path = tmp_path / "x.pt"
    for modern in (True, False):
        torch.save({"target": truth, "pred": said}, path, _use_new_zipfile_serialization=modern)
        assert counted(path)["confusion"]["matrix"] == [[1, 0, 0], [0, 2, 0], [0, 1, 0]]
        torch.save({"target": truth, "probs": scores}, path, _use_new_zipfile_serialization=modern)
        lists = counted(path)
        torch.save({"target": torch.tensor(truth), "probs": torch.tensor(scores, dtype=torch.float64)}, path)
        assert counted(path)["metrics"] == lists["metrics"]
    torch.save([said, truth], path)  # by index: two sides, not two rows
    assert counted(path, "--pred", "0", "--target", "1")["n"] == 4
    torch.save(scores, tmp_path / "p.pt")
    torch.save(truth, tmp_path / "t.pt")
    assert counted(tmp_path / "p.pt", tmp_path / "t.pt")["metrics"] == lists["metrics"]
    for odd in ([0, None, 1, 1], [0, "1", 1, 1], [True, 1, 0, 0], [1 << 70, 0, 1, 1]):
        torch.save({"target": torch.tensor(truth), "pred": odd}, path)
        assert "pred: a list of Python values, not all texts nor all numbers" in refused(path)
    torch.save({"target": torch.tensor(truth), "probs": [*scores[:3], [1.0]]}, path)
    assert "x.pt" in refused(path)
