"""Several processes, one report: the bytes of one process, and each reads its own share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from alike import assert_alike
from started_ranks import DEADLINE, OWN_VARIABLES, Ended, ranks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


@pytest.mark.parametrize(("count", "kind"), [(2, "tables"), (4, "scores"), (2, "arrays"), (2, "groups")])
def test_ranks_print_the_bytes_of_one_process(run: Run, count: int, kind: str, request: pytest.FixtureRequest) -> None:
    more = {"tables": (), "groups": (), "scores": ("--positive", "spam"), "arrays": ("--batch-size", 100)}[kind]
    found = request.getfixturevalue(kind)
    files = found if kind == "arrays" else (found,)
    alone = run("report", *files, "-f", "json", *more)
    assert alone.code == 0
    first, *others = ranks(count, "report", *files, "-f", "json", *more)
    assert first == Ended(alone.stdout, "", 0)
    assert others == [Ended("", "", 0)] * (count - 1)


def test_torchrun(run: Run, tables: Path, tmp_path: Path) -> None:
    alone = run("report", tables, "-f", "json").stdout
    clean = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "evalcli", "report", str(tables), "-f", "json", "-o", str(tmp_path / "a.json")]
    done = subprocess.run(command, env=clean, capture_output=True, encoding="utf-8", timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout) == (0, alone), done.stderr
    assert (tmp_path / "a.json").read_text() == alone


@pytest.mark.parametrize(("kind", "by", "cluster"), [(0, "region", "pred"), (1, "region,age", "region")])
def test_slices_and_their_gates(
    run: Run, sliced: tuple[Path, Path], tmp_path: Path, kind: int, by: str, cluster: str
) -> None:
    file, part, own = sliced[kind], tmp_path / "a.evalcli", tmp_path / "alone.evalcli"
    gates = ("--min", f"accuracy@{by}=*=0.01", "--max", f"accuracy@{by}:gap=0.9", "--min-slice-size", 10)
    asked = ("--by", by, "--cluster", cluster)
    alone = run("report", file, *asked, *gates, "-f", "json", "-o", own)
    assert len(json.loads(alone.stdout)["slices"]) == (4 if kind == 0 else 20)
    assert json.loads(alone.stdout)["clustered"]["by"] == cluster
    first, second = ranks(2, "report", file, *asked, *gates, "-f", "json", "-o", part)
    assert (first, second) == (Ended(alone.stdout, alone.stderr, alone.code), Ended("", "", alone.code))
    assert part.read_bytes() == own.read_bytes()
    assert run("merge", part, *gates, "-f", "json").stdout == alone.stdout


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (0, ("--scan", "region,pred", "--min-slice-size", "9")),
        (1, ("--scan", "*", "--cluster", "region")),
    ],
)
def test_searches_for_weak_slices(
    run: Run, sliced: tuple[Path, Path], tmp_path: Path, kind: int, asked: tuple[str, ...]
) -> None:
    def out(name: str) -> tuple[str | Path, ...]:
        return ("-f", "json", "-m", "accuracy", "-o", tmp_path / f"{name}.evalcli")

    alone = run("report", sliced[kind], *asked, *out("alone"))
    assert json.loads(alone.stdout)["scan"]["tried"] >= 3
    assert run("report", sliced[kind], *asked, "-f", "json", "-m", "accuracy").stdout == alone.stdout
    first, *_ = ranks(2, "report", sliced[kind], *asked, *out("ranks"))
    assert first == Ended(alone.stdout, alone.stderr, 0)
    assert (tmp_path / "ranks.evalcli").read_bytes() == (tmp_path / "alone.evalcli").read_bytes()


@pytest.mark.parametrize(("task", "metric"), [("regression", "rmse"), ("multilabel", "f1_macro")])
def test_slices_of_other_tasks_and_their_gates(run: Run, tmp_path: Path, task: str, metric: str) -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=500) if task == "regression" else (rng.random((500, 3)) < 0.4).astype(np.int8)
    said = np.clip(0.5 * truth + 0.5 * rng.random(truth.shape), -9, 1)
    file, part = tmp_path / "a.npz", tmp_path / "a.evalcli"
    beside = {"region": np.sort(rng.integers(0, 5, 500)), "user": rng.integers(0, 12, 500)}
    np.savez(file, preds=said, target=truth, **beside)
    asked = ("--task", task, "--by", "region", "--cluster", "user")
    gates = ("--min", f"{metric}@region=*=0.01", "--max", f"{metric}@region:gap=0.9")
    alone = run("report", file, *asked, *gates, "-f", "json")
    assert len(json.loads(alone.stdout)["slices"]) == 5
    first, second = ranks(2, "report", file, *asked, *gates, "-f", "json", "-o", part)
    assert (first, second) == (Ended(alone.stdout, alone.stderr, alone.code), Ended("", "", alone.code))
    assert run("merge", part, *gates, "-f", "json").stdout == alone.stdout


OWN = """
import numpy as np
import evalcli

class Count(evalcli.Metric):
    def __init__(self, classes):
        super().__init__()
        self.add_state("rows", np.zeros(classes, int))
        self.add_state("seen", [], reduce="cat")

    def update(self, preds, target):
        self.rows = self.rows + np.bincount(target, minlength=len(self.rows))
        self.seen.append(target)

    def compute(self):
        seen = np.concatenate(self.seen)
        return {"rows": self.rows, "first": seen[0], "last": seen[-1]}

class Bad(evalcli.Metric):
    def update(self, preds, target):
        if 3 in target:
            raise ValueError("three")

    def compute(self):
        return 0
"""


@pytest.mark.parametrize(("kind", "count"), [("arrays", 3), ("tables", 2)])
def test_metrics_of_the_users_own(
    run: Run, tmp_path: Path, kind: str, count: int, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(kind)
    files = found if kind == "arrays" else (found,)
    (tmp_path / "my.py").write_text(OWN)
    size = 5 if kind == "arrays" else 6
    asked = ("--metric", f"{tmp_path}/my.py:Count({size})", "--metric", f"{tmp_path}/my.py:Bad", "-f", "json")
    alone = run("report", *files, *asked)
    assert alone.code == 2
    assert "Bad failed: ValueError: three" in alone.stderr
    part = tmp_path / "a.evalcli"
    first, *others = ranks(count, "report", *files, *asked, "-o", part)
    assert others == [Ended("", "", 2)] * (count - 1)
    assert (first.stderr, first.code) == (alone.stderr, 2)
    mine, theirs = (json.loads(one.stdout) for one in (first, alone))
    for name in ("first", "last") if kind == "tables" else ():  # whose rows come in the order of the ranks
        del mine["metrics"][f"Count(6).{name}"], theirs["metrics"][f"Count(6).{name}"]
    assert mine == theirs
    again = run("merge", part, *asked)
    assert (again.code, again.stdout) == (2, first.stdout)


@pytest.mark.parametrize("kind", [0, 1])
def test_metrics_of_the_users_own_in_slices(run: Run, sliced: tuple[Path, Path], tmp_path: Path, kind: int) -> None:
    file, part = sliced[kind], tmp_path / "a.evalcli"
    (tmp_path / "my.py").write_text(OWN)
    asked = ("--by", "region", "--metric", f"n={tmp_path}/my.py:Count(3)", "--define", "x = n.rows.0 / n.rows.1")
    asked = (*asked, "--min", "n.rows.2@region=*=1", "--max", "x@region:gap=0.01", "-f", "json")
    alone = run("report", file, *asked)
    assert alone.code == 1, alone.stderr
    first, second = ranks(2, "report", file, *asked, "-o", part)
    assert (first.stderr, second) == (alone.stderr, Ended("", "", 1))
    mine, theirs = (json.loads(one.stdout) for one in (first, alone))
    assert [len(row["metrics"]) for row in mine["slices"]] == [len(row["metrics"]) for row in theirs["slices"]]
    if kind == 1:  # else ranks have whole tables, and their rows come in the order of the ranks
        assert first.stdout == alone.stdout
    for one in (mine, theirs):
        for metrics in (one["metrics"], *(row["metrics"] for row in one["slices"])):
            assert metrics.pop("n.first")["value"] in range(3)
            assert metrics.pop("n.last")["value"] in range(3)
    assert mine == theirs
    own = asked[2:]
    again = run("merge", part, *own)
    assert (again.code, again.stdout) == (1, first.stdout)


def test_the_exit_code_of_rank_0_is_everyones(run: Run, arrays: tuple[Path, Path], tmp_path: Path) -> None:
    part = tmp_path / "a.evalcli"
    options = ("--min", "accuracy=0.99", "--quiet", "-o", part)
    first, second = ranks(2, "report", *arrays, *options)
    assert (first.code, second) == (1, Ended("", "", 1))
    assert "FAIL" in first.stderr
    alone = run("report", *arrays, "-f", "json").stdout
    assert run("merge", part, "-f", "json").stdout == alone


READS = """
from evalcli.sources.rawfile import RawFile
real, seen = RawFile.read_into, [0]
def counting(self, view, offset):
    seen[0] += len(view)
    real(self, view, offset)
RawFile.read_into = counting
import sys
from evalcli.distributed.ranks import Ranks
from evalcli.sources import digest
digest.PIECE = 1 << 16
settle = Ranks.settle
def telling(self, code):
    sys.stderr.write(f"read {seen[0]}")
    return settle(self, code)
Ranks.settle = telling
from evalcli.cli import main
main()
"""
"""A rank that says in the end how many bytes it has read."""


def test_each_rank_reads_and_checks_its_own_rows_of_a_file_with_checksums(tmp_path: Path, run: Run) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits, truth = rng.normal(size=(40_000, 16)).astype(np.float32), rng.integers(0, 16, 40_000)
    files = tmp_path / "p.pt", tmp_path / "t.pt"
    torch.save(torch.from_numpy(logits), files[0])
    torch.save(torch.from_numpy(truth), files[1])
    alone = run("report", *files, "-f", "json", "-m", "accuracy").stdout
    every = ranks(4, "report", *files, "-f", "json", "-m", "accuracy", program=READS)
    assert every[0].stdout == alone
    quarter = (logits.nbytes + truth.nbytes) / 4
    for one in every:
        assert quarter < int(one.stderr.partition("read ")[2]) < 1.2 * quarter
    damaged = bytearray(files[0].read_bytes())
    damaged[3 * len(damaged) // 4 + 1] ^= 1
    files[0].write_bytes(damaged)
    told = ranks(2, "report", *files, "-f", "json")
    assert [one.code for one in told] == [2, 2]
    assert "is damaged: its CRC-32 is" in told[0].stderr


def test_each_rank_hashes_its_own_share_of_a_file_without_checksums(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    logits, truth = rng.normal(size=(40_000, 16)).astype(np.float32), rng.integers(0, 16, 40_000)
    files = tmp_path / "p.npy", tmp_path / "t.npy"
    np.save(files[0], logits)
    np.save(files[1], truth)
    monkeypatch.setattr("evalcli.sources.digest.PIECE", 1 << 16)
    alone = run("report", *files, "-f", "json", "-m", "accuracy").stdout
    part = tmp_path / "a.evalcli"
    every = ranks(4, "report", *files, "-f", "json", "-m", "accuracy", "-o", part, program=READS)
    assert '"digest": "sha256-0MiB:' in alone
    assert every[0].stdout == alone
    quarter = (logits.nbytes + truth.nbytes) / 4
    for one in every:  # each row is read once to be counted and once to be hashed
        assert 2 * quarter < int(one.stderr.partition("read ")[2]) < 2.6 * quarter
    again = tmp_path / "b.evalcli"
    run("report", *files, "-o", again, "-m", "accuracy", "--quiet")
    refused = run("merge", part, again)
    assert refused.code == 2
    assert "its rows are counted already" in refused.stderr


@pytest.mark.parametrize("nan", ["wrong", "drop", "error"])
def test_ranks_read_again_what_one_of_them_could_not_count_unseen(run: Run, tmp_path: Path, nan: str) -> None:
    """With torch, whose batches nobody looks at before the end: only the second has a row that is no number."""
    rng = np.random.default_rng(4)
    scores, target = rng.normal(size=(800, 3)).astype(np.float32), rng.integers(0, 3, 800)
    scores[700, 1] = np.nan
    np.save(tmp_path / "p.npy", scores)
    np.save(tmp_path / "t.npy", target)
    asked = ("report", tmp_path / "p.npy", tmp_path / "t.npy", "--nan", nan, "-f", "json", "--no-intervals")
    alone = run(*asked)
    first, second = ranks(2, *asked, "--backend", "torch", "--batch-size", "100")
    assert (first.code, second.code) == (alone.code, alone.code) == (2 * (nan == "error"),) * 2
    assert_alike(json.loads(first.stdout), json.loads(alone.stdout))
