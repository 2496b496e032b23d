"""Steps by several processes: the results of one, whatever happens to the others."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from saved_files import save

from evalcli import forks, reporting
from evalcli.forks import messages_of
from evalcli.metrics.threads import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(not forks.can_fork(), reason="no fork here")


def children() -> set[str]:
    return {*Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def each_apart(function: Callable[[int], Any], items: range, workers: int) -> list[Any]:
    with forks.Apart(function, items, workers) as apart:
        return apart.results()


@pytest.mark.parametrize("items", [0, 1, 2, 3, 10, 1500])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_order_from_several_processes(items: int, workers: int) -> None:
    found = each_apart(lambda item: [item, os.getpid(), item / 3, "\ud800", None], range(items), workers)
    assert [(item, part, *rest) for item, _, part, *rest in found] == [(i, i / 3, "\ud800", None) for i in range(items)]
    assert len({pid for _, pid, *_ in found}) <= workers


def test_other_processes_begin_before_they_are_asked() -> None:
    before = children()
    with forks.Apart(lambda item: [item, os.getpid()], range(9), 3) as apart:
        for pid in children() - before:
            os.waitid(os.P_PID, int(pid), os.WEXITED | os.WNOWAIT)
        found = apart.results()
    assert [item for item, _ in found] == [*range(9)]
    assert os.getpid() not in {pid for _, pid in found}
    assert children() == before


def test_nobody_goes_on_when_results_are_not_asked_for() -> None:
    before = children()
    with pytest.raises(ZeroDivisionError), forks.Apart(lambda _: signal.pause(), range(9), 3):
        1 / 0  # noqa: B018
    assert children() == before


@pytest.mark.parametrize(
    "how",
    [
        lambda: os._exit(3),
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        lambda: 1 / 0,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5)),
    ],
    ids=["gone", "killed", "raises", "no room"],
)
def test_what_another_process_could_not_do_is_done_here(how: Callable[[], object]) -> None:
    first, before = os.getpid(), children()

    def step(item: int) -> int:
        if os.getpid() != first:
            how()
        return item * item

    assert each_apart(step, range(7), 3) == [item * item for item in range(7)]
    with pytest.raises(ZeroDivisionError):
        each_apart(lambda item: 1 / (item - 5), range(7), 3)
    with pytest.raises(KeyboardInterrupt):
        each_apart(lambda _: signal.pause() if os.getpid() != first else os.kill(first, signal.SIGINT), range(7), 3)
    assert children() == before


@pytest.mark.parametrize("kind", ["labels", "binary", "multiclass", "multilabel", "regression"])
def test_slices_are_reported_alike_by_any_number_of_processes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    rng = np.random.default_rng(5)
    target = rng.integers(0, 3, 900) if kind == "multiclass" else (rng.random((900, 3)) < 0.4).astype(np.int64)
    scores = rng.normal(size=(900, 3))
    columns = {
        "labels": (rng.integers(0, 2, 900), target[..., 0] if target.ndim > 1 else target),
        "binary": (1 / (1 + np.exp(-scores[:, 0])), target[..., 0] if target.ndim > 1 else target),
        "multiclass": (scores, target),
        "multilabel": (1 / (1 + np.exp(-scores)), target),
        "regression": (scores[:, 0], scores[:, 1]),
    }[kind]
    data = {"preds": columns[0], "target": columns[1], "site": np.arange(900) % 20}
    path = save(tmp_path / "data.safetensors", data)
    asked: list[int] = []
    real = forks.Apart
    monkeypatch.setattr(forks, "Apart", lambda *given: asked.append(given[2]) or real(*given))
    task = "binary" if kind == "labels" else kind
    command = ("report", path, "--task", task, "--by", "site", "--resamples", 100, "-f", "json")
    alone = run(*command, "--workers", 1)
    if kind == "labels":  # which are told of in less time than a process takes to start
        assert run(*command, "--workers", 3).stdout == alone.stdout
        assert not asked
        monkeypatch.setattr(reporting, "LEAST_COUNTED", 20)
    told = run(*command, "--workers", 3, "--batch-size", 200)
    assert (told.code, told.stdout) == (0, alone.stdout)
    assert asked == [3]
    monkeypatch.setattr(reporting, "LEAST_COUNTED" if kind == "labels" else "LEAST_SLICES", 21)
    assert run(*command, "--workers", 3).stdout == alone.stdout
    assert asked == [3]


@pytest.mark.parametrize("kind", ["labels", "binary"])
def test_slices_are_compared_alike_by_any_number_of_processes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    rng = np.random.default_rng(6)
    target = (rng.random(900) < 0.4).astype(np.int64)
    site = np.arange(900) % 20
    target[site == 7] = 0  # where there is one class some metrics are of nothing
    paths = []
    for name in "ab":
        scores = 1 / (1 + np.exp(-rng.normal(size=900) - target))
        preds = scores if kind == "binary" else (scores > 0.5).astype(np.int64)
        held = {"preds": preds, "target": target, "site": site}
        paths.append(save(tmp_path / f"{name}.safetensors", held))
    asked: list[int] = []
    real = forks.Apart
    monkeypatch.setattr(forks, "Apart", lambda *given: asked.append(given[2]) or real(*given))
    command = ("compare", *paths, "--by", "site", "--resamples", 100, "--min-slice-size", 1, "-f", "json")
    alone = run(*command, "--workers", 1)
    told = run(*command, "--workers", 3, "--batch-size", 200)
    assert (told.code, told.stdout) == (0, alone.stdout)
    assert asked == [3]
    monkeypatch.setattr(reporting, "LEAST_SLICES", 21)
    assert run(*command, "--workers", 3).stdout == alone.stdout
    assert asked == [3]


def test_messages_come_in_order_whatever_their_size() -> None:
    made = [b"", b"a", bytes(3_000_000), b"\xff" * 8]
    assert list(messages_of(made)) == made
    assert list(messages_of([])) == []


def test_a_process_that_fails_says_so_after_its_messages() -> None:
    def made() -> Iterator[bytes]:
        yield b"one"
        raise ValueError

    messages = messages_of(made())
    assert next(messages) == b"one"
    with pytest.raises(ChildProcessError):
        next(messages)


def test_a_process_ends_when_nobody_listens_any_more() -> None:
    def made() -> Iterator[bytes]:
        while True:
            yield str(os.getpid()).encode()

    messages = messages_of(made())
    pid = int(next(messages))
    messages.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_threads_have_processes_at_once() -> None:
    found = each(lambda n: list(messages_of(bytes([n]) * size for size in range(300))), [1, 2, 3, 4], 4)
    assert found == [[bytes([n]) * size for size in range(300)] for n in (1, 2, 3, 4)]
