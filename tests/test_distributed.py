"""Several processes, one report: the bytes of one process, every row once, and no verdict where one of them is lost."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory_source import text_source

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.launch import launched
from evalcli.sources.base import InputFile, Selection
from evalcli.sources.share import Relabelled, Share, dealt, open_share
from evalcli.sources.table_portions import cut, row_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

DEADLINE = 120
_OWN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NO_COLOR", "COLUMNS")

BROKEN = """
import os, signal, sys, time
from evalcli.distributed import Ranks
real, calls = Ranks.{when}, []
def broken(self, *args):
    calls.append(1)
    if len(calls) == {call}:
        {what}
    return real(self, *args)
Ranks.{when} = broken
from evalcli.cli import main
main()
"""
"""A rank that is like the others until the call of a method; then ``what`` happens to it."""


class Ended(NamedTuple):
    stdout: str
    stderr: str
    code: int


def ranks(
    count: int, *args: object, broken: tuple[int, str] | None = None, stop: bool = False, program: str = ""
) -> list[Ended]:
    """Start ``count`` processes as a launcher does, of evalcli or another ``program``.

    One of them may run one of its own, and is stopped if it hangs.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if name not in _OWN}
    started = []
    for rank in range(count):
        env = clean | {
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        head = ["-c", program] if program else ["-m", "evalcli"]
        head = head if broken is None or rank != broken[0] else ["-c", broken[1]]
        command = [sys.executable, *head, *map(str, args)]
        started.append(subprocess.Popen(command, env=env, stdout=-1, stderr=-1, encoding="utf-8"))
    ended: list[Any] = [None] * count
    try:
        for rank in sorted(range(count), key=lambda rank: broken is not None and rank == broken[0]):
            if stop and broken is not None and rank == broken[0]:
                started[rank].kill()
            out, err = started[rank].communicate(timeout=DEADLINE)
            ended[rank] = Ended(out, err, started[rank].returncode)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return ended


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Tables of labels, of different sizes, one of them without rows; not every class is in every one of them."""
    rng = np.random.default_rng(6)
    names = np.array(["cat", "dog", "owl", "ant", "bee", "eel"])
    for number in range(5):
        truth = rng.integers(number % 3, 6 - number % 2, 50 * number)
        said = np.where(rng.random(len(truth)) < 0.7, truth, rng.integers(0, 3, len(truth)))
        rows = [f"{names[p]},{names[t]}\n" for p, t in zip(said, truth, strict=True)]
        (tmp_path / f"shard{number}.csv").write_text("pred,target\n" + "".join(rows))
    return tmp_path / "shard*.csv"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Binary scores that only one of the files shows to be logits, beside names that not every file has."""
    rng = np.random.default_rng(7)
    for number in range(4):
        score = rng.random(80 + number) - (number == 3)
        truth = np.where(rng.random(len(score)) + number / 10 < score + 0.5, "spam", "ham")
        rows = [f"{s:.6f},{t}\n" for s, t in zip(score, truth if number else ["spam"] * len(score), strict=True)]
        (tmp_path / f"s{number}.csv").write_text("score,target\n" + "".join(rows))
    return tmp_path / "s?.csv"


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """A Parquet file of many row groups, beside one of a single group and one without rows."""
    rng = np.random.default_rng(9)
    for number, (rows, size) in enumerate([(1001, 100), (40, 40), (0, 1)]):
        truth = rng.integers(0, 3, rows)
        said = np.where(rng.random(rows) < 0.8, truth, rng.integers(0, 3, rows))
        words = np.array(["ant", "bee", "cat"])
        table = pa.table({"id": np.arange(rows), "pred": words[said], "target": words[truth]})
        pq.write_table(table, tmp_path / f"g{number}.parquet", row_group_size=size, write_page_checksum=True)
    return tmp_path / "g?.parquet"


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(1001, 5)).astype(np.float32)
    np.save(tmp_path / "p.npy", logits)
    np.save(tmp_path / "t.npy", np.where(rng.random(1001) < 0.6, logits.argmax(1), rng.integers(0, 5, 1001)))
    return tmp_path / "p.npy", tmp_path / "t.npy"


@pytest.mark.parametrize(("count", "kind"), [(2, "tables"), (4, "scores"), (3, "arrays"), (3, "groups")])
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
    clean = {name: value for name, value in os.environ.items() if name not in _OWN} | {"OMP_NUM_THREADS": "1"}
    for count in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command += ["-m", "evalcli", "report", str(tables), "-f", "json", "-o", str(tmp_path / "a.json")]
        done = subprocess.run(command, env=clean, capture_output=True, encoding="utf-8", timeout=DEADLINE, check=False)
        assert (done.returncode, done.stdout) == (0, alone), done.stderr
        assert (tmp_path / "a.json").read_text() == alone


@pytest.fixture
def sliced(tmp_path: Path) -> tuple[Path, Path]:
    """Tables of which each has regions of its own, and arrays with a region and a number beside them."""
    rng = np.random.default_rng(9)
    for number in range(3):
        region = rng.choice(["EU", "US", "AS", "AF"][number : number + 2], 80)
        truth = rng.integers(0, 3, 80)
        said = np.where(rng.random(80) < 0.6, truth, 0)
        rows = [f"{'xyz'[p]},{'xyz'[t]},{r}\n" for p, t, r in zip(said, truth, region, strict=True)]
        (tmp_path / f"r{number}.csv").write_text("pred,target,region\n" + "".join(rows))
    logits = rng.normal(size=(500, 3)).astype(np.float32)
    beside = {"region": np.sort(rng.integers(0, 5, 500)), "age": rng.normal(size=500)}
    np.savez(tmp_path / "a.npz", logits=logits, target=rng.integers(0, 3, 500), **beside)
    return tmp_path / "r?.csv", tmp_path / "a.npz"


@pytest.mark.parametrize(("kind", "by", "cluster"), [(0, "region", "pred"), (1, "region,age", "region")])
def test_slices_and_their_gates(
    run: Run, sliced: tuple[Path, Path], tmp_path: Path, kind: int, by: str, cluster: str
) -> None:
    file, part = sliced[kind], tmp_path / "a.evalcli"
    gates = ("--min", f"accuracy@{by}=*=0.01", "--max", f"accuracy@{by}:gap=0.9", "--min-slice-size", 10)
    asked = ("--by", by, "--cluster", cluster)
    alone = run("report", file, *asked, *gates, "-f", "json")
    assert len(json.loads(alone.stdout)["slices"]) == (4 if kind == 0 else 20)
    assert json.loads(alone.stdout)["clustered"]["by"] == cluster
    first, second = ranks(2, "report", file, *asked, *gates, "-f", "json", "-o", part)
    assert (first, second) == (Ended(alone.stdout, alone.stderr, alone.code), Ended("", "", alone.code))
    assert run("merge", part, *gates, "-f", "json").stdout == alone.stdout


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


def test_an_error_in_any_rank_is_told_once(tmp_path: Path, arrays: tuple[Path, Path]) -> None:
    target = np.load(arrays[1])
    target[900] = 77  # in the share of the last rank
    np.save(arrays[1], target)
    first, second, third = ranks(3, "report", *arrays, "-f", "json", "-o", tmp_path / "a.json")
    assert first.code == second.code == third.code == 2
    assert first.stderr == (
        f"evalcli: {arrays[1]}: 1 target is outside the classes 0 to 4 (row 900: 77); "
        "if 77 marks rows to leave out, add --ignore-index 77 [E3]\n"
    )
    assert json.loads(first.stdout)["error"]["code"] == "E3"
    assert second[:2] == third[:2] == ("", "")
    assert not (tmp_path / "a.json").exists()


def test_an_output_that_cannot_be_written_is_told_to_all(arrays: tuple[Path, Path]) -> None:
    first, second = ranks(2, "report", *arrays, "-o", "/nowhere/a.json")
    assert (first.code, first.stdout, second) == (2, "", Ended("", "", 2))
    assert first.stderr == "evalcli: /nowhere/a.json: its folder does not exist; mkdir -p /nowhere [E4]\n"


FAULTS = {
    "is killed while it counts": ("os.kill(os.getpid(), signal.SIGKILL)", "agree", 3, -9, "is gone"),
    "is killed while it sends": ("os.kill(os.getpid(), signal.SIGKILL)", "total", 1, -9, "is gone"),
    "hangs": ("time.sleep(1000)", "agree", 2, -9, "has not come within 15 s"),
    "raises": ("raise RuntimeError('x')", "agree", 2, 70, "is gone"),
    "raises at work": ("return real(self, lambda: 1 / 0)", "agree", 3, 70, "rank 1 failed (ZeroDivisionError)"),
    "exits with 0": ("os._exit(0)", "agree", 2, 0, "is gone"),
    "ends in good order": ("sys.exit(0)", "total", 1, 0, "is gone"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_X19_a_rank_that(name: str, tables: Path, tmp_path: Path) -> None:
    what, when, call, code, said = FAULTS[name]
    program = BROKEN.format(what=what, when=when, call=call)
    begun = time.monotonic()
    options = ("-f", "json", "-o", tmp_path / "a.json", "-o", tmp_path / "a.evalcli", "--min", "accuracy=0.1")
    ended = ranks(
        2,
        "report",
        tables,
        *options,
        "--timeout",
        15 if name == "hangs" else 100,
        broken=(1, program),
        stop=name == "hangs",
    )
    assert time.monotonic() - begun < DEADLINE
    assert ended[1].code == code
    assert ended[0].code == 2, ended
    error = json.loads(ended[0].stdout)["error"]
    assert error["code"] == "E6"
    assert said in error["message"]
    assert ended[0].stderr.startswith("evalcli: rank ")
    assert ended[0].stderr.count("\n") == 1
    assert not (tmp_path / "a.json").exists()
    assert not (tmp_path / "a.evalcli").exists()


def test_X19_rank_0_that_is_killed_leaves_no_verdict(tables: Path) -> None:
    program = BROKEN.format(what="os.kill(os.getpid(), signal.SIGKILL)", when="settle", call=1)
    killed, second = ranks(2, "report", tables, "--timeout", 100, "--quiet", broken=(0, program))
    assert killed.code == -9
    assert (second.code, second.stdout) == (2, "")
    assert "evalcli: rank 1: another rank is gone, no verdict" in second.stderr


def test_ranks_count_drops_from_a_saved_report_only(tables: Path) -> None:
    args = ("--baseline", str(tables.parent / "shard1.csv"), "--max-drop", "accuracy=0.1")
    first, second = ranks(2, "report", tables, *args)
    assert (first.code, second.code) == (2, 2)
    assert "several processes count drops from a saved report only, in this version" in first.stderr
    assert first.stderr.count("\n") == 1
    assert second.stderr == ""


def test_X19_a_rank_that_never_comes(spawn: Run, tables: Path) -> None:
    env = {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(random.randrange(20_000, 30_000)),
    }
    result = spawn("report", tables, "--timeout", 2, env=env)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "evalcli: rank 1: not all 2 ranks have come together within 2 s; "
        "start all of them; if this is no distributed run, unset RANK and WORLD_SIZE [E6]\n"
    )


def test_T30_a_share_that_changes_while_it_is_read(arrays: tuple[Path, Path]) -> None:
    change = f"len(calls) == 4 and os.utime({str(arrays[0])!r}, ns=(1, 1))"
    program = BROKEN.format(what=change, when="agree", call=4)
    first, second = ranks(2, "report", *arrays, broken=(1, program))
    assert first.code == second.code == 2
    assert f"{arrays[0]}: input changed while reading" in first.stderr


def test_ranks_do_not_search_for_weak_slices(arrays: tuple[Path, Path]) -> None:
    first, second = ranks(2, "report", *arrays, "--scan", "*")
    assert first.code == second.code == 2
    assert "--scan: what is counted apart and added up is not searched in this version; drop --scan" in first.stderr
    assert second.stderr == ""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "x", "WORLD_SIZE": "4"}, None),
        ({"RANK": "4", "WORLD_SIZE": "4"}, None),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
            (3, 4, 1, 2, "127.0.0.1", 29_500),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, None),  # a batch script
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_STEP_NUM_TASKS": "8",
                "SLURM_LOCALID": "1",
                "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
                "SLURM_STEP_NODELIST": "gpu[07-08]",
                "SLURM_JOB_ID": "1234567",
            },
            (5, 8, 1, 4, "gpu07", 20_000 + 14_567),
        ),
    ],
)
def test_launchers_are_known_by_their_variables(environ: dict[str, str], expected: tuple[Any, ...] | None) -> None:
    assert launched(environ) == expected


def test_files_are_dealt_fairly_and_each_once() -> None:
    files = [(f"f{i}", size) for i, size in enumerate([10, 1, 1, 8, 8, 0, 3])]
    hands = dealt(files, 3)
    assert sorted(name for hand in hands for name in hand) == [name for name, _ in files]
    assert all(hand == sorted(hand) for hand in hands)
    sums = [sum(dict(files)[name] for name in hand) for hand in hands]
    assert max(sums) - min(sums) <= 3
    assert dealt(files[:2], 4) == [["f0"], ["f1"], [], []]


def test_arrays_are_cut_into_ranges_that_cover_them(arrays: tuple[Path, Path]) -> None:
    seen: list[int] = []
    for rank in range(7):
        share = open_share(str(arrays[0]), str(arrays[1]), Selection(), (rank, 7))
        assert share.source is not None
        batches = list(share.source.batches(64))
        seen += [batch.start + i for batch in batches for i in range(len(batch.target))]
        preds, _ = share.source.finish()
        assert preds.rows == (batches[0].start, batches[0].start + sum(len(batch.target) for batch in batches))
        assert preds.total == 1001
        share.source.close()
    assert seen == list(range(1001))
    with pytest.raises(UsageError, match="standard input cannot be shared out"):
        open_share("-", None, Selection(), (0, 2))


READS = """
from evalcli.sources.rawfile import RawFile
real, seen = RawFile.read_into, [0]
def counting(self, view, offset):
    seen[0] += len(view)
    real(self, view, offset)
RawFile.read_into = counting
import sys
from evalcli.distributed import Ranks
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


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_row_groups_are_cut_into_runs_that_cover_them(groups: Path, size: int) -> None:
    names = [str(groups).replace("?", str(i)) for i in range(3)]
    found = row_groups(names)
    assert found is not None
    assert [group.rows for group in found] == [*[100] * 10, 1, 40, 0]
    hands = cut(found, size)
    assert len(hands) == size
    portions = [portion for hand in hands for portion in hand]
    assert [*dict.fromkeys(portion.path for portion in portions)] == names
    edges = [portion.rows or (0, 1001) for portion in portions if portion.path == names[0]]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == 1001
    assert all(start % 100 == 0 for start, _ in edges)
    bytes_of = [sum(group.size for group in found if group.path == one) for one in names]
    if 1 < size < 5:  # a hand is at most one group above its share
        largest = max(group.size for group in found)
        rows = {names[0]: 1001, names[1]: 40, names[2]: 0}
        for hand in hands:
            shares = [((p.rows or (0, rows[p.path]))[1] - (p.rows or (0, 0))[0]) / max(rows[p.path], 1) for p in hand]
            held = sum(share * bytes_of[names.index(p.path)] for share, p in zip(shares, hand, strict=True))
            assert held <= sum(bytes_of) / size + 1.5 * largest


def test_ranks_read_their_row_groups_of_one_file_and_check_no_others(groups: Path, tmp_path: Path) -> None:
    path = str(groups).replace("?", "0")
    truth = pq.read_table(path)["target"].to_pylist()
    total: dict[str, int] = {}
    for rank in range(3):
        share = open_share(path, None, Selection(), (rank, 3))
        assert (share.alone, share.ranged) == ("", False)
        assert share.source is not None
        (record,) = share.source.finish()
        assert record.rows is not None
        assert (record.total, record.rows[1] - record.rows[0]) == (1001, share.source.rows)
        counts: dict[str, int] = {}
        for batch in share.source.batches(64):
            for code, many in zip(batch.target, batch.repeats, strict=True):
                name = (share.source.target.labels or ())[code]
                counts[name] = counts.get(name, 0) + int(many)
        own = truth[slice(*record.rows)]
        assert counts == {name: own.count(name) for name in set(own)}
        total = {name: total.get(name, 0) + counts.get(name, 0) for name in {*total, *counts}}
        share.source.close()
    assert total == {name: truth.count(name) for name in set(truth)}

    place = pq.ParquetFile(path).metadata.row_group(10).column(1)
    damaged = bytearray(Path(path).read_bytes())
    damaged[place.data_page_offset + place.total_compressed_size - 2] ^= 1
    (tmp_path / "bad.parquet").write_bytes(damaged)
    for rank in range(3):
        if rank < 2:
            share = open_share(str(tmp_path / "bad.parquet"), None, Selection(), (rank, 3))
            assert share.source is not None
            share.source.finish()
            share.source.close()
        else:
            with pytest.raises(InputError, match="damaged"):
                open_share(str(tmp_path / "bad.parquet"), None, Selection(), (rank, 3)).source.finish()


def test_a_row_group_names_its_rows_as_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"pred": [1.0] * 40, "target": [0] * 37 + [None, 1, 0]}), path, row_group_size=10)
    with pytest.raises(InputError, match="row 38"):
        open_share(str(path), None, Selection(), (3, 4))


def test_a_column_named_as_row_numbers_are_leaves_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"pred": [0, 1] * 9, "target": [1, 1] * 9, "File_Row_Number": [5] * 18})
    pq.write_table(table, path, row_group_size=3)
    assert cut(row_groups([str(path)]) or [], 2)[1] in ([], [(str(path), None, 0)])
    assert "is one file" in open_share(str(path), None, Selection(), (1, 2)).alone


def test_codes_become_those_of_the_whole() -> None:
    part = text_source(["b", "d", "b"], ["d", "d", "b"])
    whole = text_source(["a", "b", "c", "d"], ["a", "b", "c", "d"])
    (batch,) = Relabelled(part, whole.preds, whole.target).batches(10)
    assert (batch.preds.tolist(), batch.target.tolist()) == ([1, 3, 1], [3, 3, 1])
    part.arrays[0] = np.array([-1, 1, 0])  # none, d, b
    (batch,) = Relabelled(part, whole.preds, whole.target).batches(10)
    assert batch.preds.tolist() == [-1, 3, 1]


def test_rows_that_nobody_or_two_have_read_are_no_verdict() -> None:
    from evalcli.plaindata import plain
    from evalcli.shared import covered

    def read(*files: InputFile, whole: tuple[str, ...] = ("a",)) -> Any:
        return covered([[plain((file,)), [], 0] for file in files], Share(None, tuple((name, 1) for name in whole)))

    half, rest = (InputFile("a", 9, "sha256:1", rows=rows, total=10) for rows in ((0, 5), (5, 10)))
    assert read(rest, half) == (InputFile("a", 9, "sha256:1"),)
    with pytest.raises(LimitError, match="some of its rows were not read"):
        read(half)
    for twice in (InputFile("a", 9, "sha256:1", rows=(4, 10), total=10), half, InputFile("a", 9, "sha256:1")):
        with pytest.raises(LimitError, match="not read once each"):
            read(half, twice)
    with pytest.raises(LimitError, match="was read by no rank"):
        read(half, rest, whole=("a", "b"))
    with pytest.raises(InputError, match="other contents"):
        read(half, InputFile("a", 9, "sha256:2", rows=(5, 10), total=10))
