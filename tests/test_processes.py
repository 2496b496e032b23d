"""Workers that are processes: the bytes of one worker, and no doubt, error or checksum lost on the way."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from saved_files import save

from evalcli import forks, processes
from evalcli.classification.states import ClassificationPass
from evalcli.metrics.keycolumn import KeyColumn

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(not forks.can_fork(), reason="no fork here")


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every pass that may be one of processes is; gives the number of workers of each."""
    passes: list[int] = []
    real = processes.accumulate_apart

    def noted(source: Any, ledgers: Any, fresh: Any, size: int, workers: int, progress: Any) -> Any:
        passes.append(workers)
        return real(source, ledgers, fresh, size, workers, progress)

    monkeypatch.setattr(processes, "LEAST_WORK", 0)
    monkeypatch.setattr(processes, "accumulate_apart", noted)
    return passes


def columns(kind: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    target = rng.integers(0, 4, 3000)
    logits = rng.normal(size=(3000, 4)).astype(np.float32)
    logits[np.arange(3000), target] += 1
    logits[::5, 1] = logits[::5, 2]
    if kind == "binary":
        return {"preds": (logits[:, 0] / 20 + 0.5).clip(0, 1), "target": (target == 0).astype(np.int64)}
    if kind == "values":
        return {"preds": logits[:, 0] + target, "target": target + logits[:, 1]}
    if kind == "multilabel":
        return {"preds": logits, "target": (rng.random((3000, 4)) < 0.4).astype(np.int64)}
    if kind == "doubtful":  # only the last rows say that these are no probabilities
        logits = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        logits[2900:] += 2
    extra = {"weight": rng.random(3000)} if kind == "weighted" else {}
    return {"preds": logits, "target": target, **extra}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *(("logits", suffix) for suffix in (".pt", ".safetensors")),
        *(("doubtful", suffix) for suffix in (".pt", ".safetensors")),  # read anew from the start
        *(("binary", ".pt"), ("weighted", ".safetensors"), ("multilabel", ".pt"), ("values", ".safetensors")),
    ],
)
def test_processes_give_the_bytes_of_one_worker(
    run: Run, tmp_path: Path, forked: list[int], kind: str, suffix: str
) -> None:
    path = save(tmp_path / f"data{suffix}", columns(kind))
    more = ("--weight", "weight") if kind == "weighted" else ()
    more += ("--resamples", 100)
    alone = run("report", path, "-f", "json", "--workers", 1, *more)
    assert (alone.code, forked) == (0, [])
    for workers, size in ((2, 100), (3, 1000), (8, 517)):
        told = run("report", path, "-f", "json", "--workers", workers, "--batch-size", size, *more)
        assert (told.code, told.stdout) == (0, alone.stdout)
    assert {*forked} >= {2, 3, 6}  # no more of them than batches
    assert len(forked) > 3 or kind != "doubtful"


@pytest.mark.parametrize("kind", ["logits", "binary", "weighted", "multilabel", "doubtful", "values"])
def test_models_are_compared_by_processes_as_by_one_worker(
    run: Run, tmp_path: Path, forked: list[int], kind: str
) -> None:
    first = columns(kind)
    noise = np.random.default_rng(2).normal(size=first["preds"].shape).astype(np.float32)
    second = first | {"preds": first["preds"] + noise}
    if kind == "binary":
        second["preds"] = (second["preds"] / 4 + 0.3).clip(0, 1)
    if kind == "multilabel":
        second["preds"][7, 2] = np.nan
    paths = [save(tmp_path / f"{name}.pt", held) for name, held in (("a", first), ("b", second))]
    more = ("--weight", "weight") if kind == "weighted" else ("--nan", "drop") if kind == "multilabel" else ()
    alone = run("compare", *paths, "-f", "json", "--workers", 1, *more)
    assert (alone.code, forked) == (0, [])
    for workers, size in ((2, 100), (3, 1000)):
        told = run("compare", *paths, "-f", "json", "--workers", workers, "--batch-size", size, *more)
        assert (told.code, told.stdout) == (0, alone.stdout)
    assert {*forked} == {2, 3}


def test_keys_are_sorted_while_others_answer_and_no_longer() -> None:
    class Part:
        def columns(self) -> Any:
            for _ in range(5):
                column = KeyColumn(2, 64, 100)
                column.add(0, np.arange(9, dtype=np.uint64))
                made.append(column)
                yield column

    class Watch:
        looks = 0
        goes_on = property(lambda self: self.looks < 3)

        def look(self) -> None:
            self.looks += 1

    made: list[KeyColumn] = []
    watch: Any = Watch()
    processes._meanwhile(Part(), watch)
    assert [bool(column._rows_waiting) for column in made] == [False, False, False, True]
    watch.looks = 0
    processes._meanwhile(object(), watch)
    assert watch.looks == 0


def test_what_models_may_not_differ_in_is_told_by_processes(run: Run, tmp_path: Path, forked: list[int]) -> None:
    first = columns("logits")
    second = first | {"target": first["target"].copy()}
    second["target"][[700, 2900]] += 1
    paths = [save(tmp_path / f"{name}.pt", held) for name, held in (("a", first), ("b", second))]
    alone = run("compare", *paths, "--workers", 1)
    told = run("compare", *paths, "--workers", 3, "--batch-size", 100)
    assert (told.code, told.stderr) == (alone.code, alone.stderr)
    assert "row 700" in told.stderr
    assert {*forked} == {3}


def test_where_ranks_are_binned(run: Run, tmp_path: Path, forked: list[int]) -> None:
    path = save(tmp_path / "data.safetensors", columns("binary"))
    options = ("report", path, "-f", "json", "--ranking-budget", 0.001)
    alone = run(*options, "--workers", 1)
    assert run(*options, "--workers", 3, "--batch-size", 200).stdout == alone.stdout
    assert forked == [3]
    assert '"certified"' in alone.stdout


def test_an_error_is_that_of_the_first_row(run: Run, tmp_path: Path, forked: list[int]) -> None:
    data = columns("logits")
    data["target"][[1500, 2500]] = 9
    path = save(tmp_path / "data.safetensors", data)
    alone = run("report", path, "--workers", 1)
    told = run("report", path, "--workers", 4, "--batch-size", 100)
    assert (told.code, told.stderr) == (alone.code, alone.stderr)
    assert "row 1500" in told.stderr
    assert forked


@pytest.mark.parametrize("where", ["preds", "site"])
def test_damage_is_found(run: Run, tmp_path: Path, forked: list[int], where: str) -> None:
    held = {**columns("logits"), "site": (np.arange(3000) // 7 % 5).astype(np.int64)}
    path = save(tmp_path / "data.pt", held)
    data = bytearray(path.read_bytes())
    place = data.index(held[where][2000:2010].tobytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    told = run("report", path, "--workers", 2, "--batch-size", 100, "--by", "site")
    assert told.code == 2
    assert "is damaged: its CRC-32" in told.stderr
    assert {*forked} == {2}


def children() -> set[str]:
    """The processes that this one has started and not waited for; other tests may have left some."""
    return {*Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            2,
            "a worker was killed by signal 9; where memory is short, try",
        ),
        (lambda: os._exit(3), 2, "a worker has ended without an answer"),
        (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)), 2, "a worker has ended without an answer"),
        (lambda: next(iter(())), 70, "a bug in evalcli (RuntimeError); the traceback is in"),
        (lambda: (_ for _ in ()).throw(MemoryError()), 2, "not enough memory"),
    ],
    ids=["killed", "gone", "no room", "bug", "memory"],
)
def test_a_worker_that_ends_badly(
    run: Run, tmp_path: Path, forked: list[int], monkeypatch: pytest.MonkeyPatch, what: Any, code: int, said: str
) -> None:
    real, first = ClassificationPass.add, os.getpid()

    def add(self: ClassificationPass, batch: Any) -> bool:
        if os.getpid() != first:
            next(iter([what()]))
        time.sleep(0.01)  # so that the other one gets a load as well
        return real(self, batch)

    monkeypatch.setattr(ClassificationPass, "add", add)
    path = save(tmp_path / "data.safetensors", columns("logits"))
    before, others = sorted(os.listdir("/proc/self/fd")), children()
    told = run("report", path, "--workers", 2, "--batch-size", 100)
    assert told.code == code
    assert said in told.stderr
    if code == 70:
        assert "StopIteration" in Path(told.stderr.split(" is in ")[1].split(";")[0]).read_text()
    assert {*forked} == {2}
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert children() == others


def test_an_interrupt_leaves_no_worker_behind(
    run: Run, tmp_path: Path, forked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(processes._Watch, "look", interrupted)
    others = children()
    path = save(tmp_path / "data.safetensors", columns("logits"))
    assert run("report", path, "--workers", 2, "--batch-size", 100).code == 130
    assert children() == others


def test_a_program_that_evaluates_is_never_forked(tmp_path: Path, forked: list[int]) -> None:
    import evalcli

    data = columns("logits")
    path = save(tmp_path / "data.safetensors", data)
    evalcli.evaluate(str(path), workers=4)
    evalcli.evaluate(data["preds"], data["target"], workers=4)
    assert forked == []


def test_what_has_no_state_to_bring_home_stays_with_threads(run: Run, tmp_path: Path, forked: list[int]) -> None:
    data = columns("logits")
    path = save(tmp_path / "data.safetensors", {**data, "site": np.arange(3000) % 5})
    (tmp_path / "own.py").write_text(
        "import evalcli\n\nclass Rows(evalcli.Metric):\n    def __init__(self):\n        super().__init__()\n"
        "        self.add_state('n', 0)\n\n    def update(self, preds, target):\n        self.n += len(target)\n\n"
        "    def compute(self):\n        return float(self.n)\n"
    )
    own = ("--metric", f"{tmp_path / 'own.py'}:Rows")
    for more in (("--scan", "site"), ("--cluster", "site"), own, ("--by", "site")):
        assert forked == []
        told = run("report", path, "-f", "json", "--workers", 3, "--batch-size", 100, *more)
        assert (told.code, told.stdout) == (0, run("report", path, "-f", "json", "--workers", 1, *more).stdout)
    assert {*forked} == {3}  # slices have states
