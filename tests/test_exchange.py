"""Keys that processes leave each other: none is lost, none counted twice, whatever the pages hold and whoever waits."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from saved_files import save

from evalcli import exchange, forks, processes
from evalcli.exchange import Exchange, Member
from evalcli.metrics.keycolumn import KeyColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Run = Callable[..., Any]
    Runs = list[tuple[int, int, NDArray[Any]]]

CAPACITY = 500


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are full at once, and too few of them."""
    monkeypatch.setattr(exchange, "_WORDS", 16)
    monkeypatch.setattr(exchange, "_RUNS", 3)
    monkeypatch.setattr(exchange, "_PAGES", 1)


def fresh(bits: Sequence[int]) -> list[KeyColumn]:
    return [KeyColumn(2, width, CAPACITY) for width in bits]


def runs_of(seed: int, bits: Sequence[int]) -> Runs:
    """Keys of any number for any column and side, with equal ones among them."""
    rng = np.random.default_rng(seed)
    found: Runs = []
    for size in rng.integers(0, 90, 60).tolist():
        place = int(rng.integers(len(bits)))
        keys = rng.integers(0, 1 << int(rng.integers(4, bits[place])), size).astype(f"u{bits[place] // 8}")
        found.append((place, int(rng.integers(2)), keys))
    return found


def alike(mine: KeyColumn, theirs: KeyColumn) -> bool:
    return all(np.array_equal(mine.state_dict()[name], array) for name, array in theirs.state_dict().items())


def counted(members: int, bits: Sequence[int]) -> tuple[list[list[KeyColumn]], list[KeyColumn]]:
    """Columns of several members, each in a thread of its own, and those that have counted everything themselves."""
    between, (stopping, stop) = Exchange(members), os.pipe()
    every, alone = [fresh(bits) for _ in range(members)], fresh(bits)
    given = [runs_of(seed, bits) for seed in range(members)]

    def work(number: int) -> None:
        member = Member(between, number, every[number], stopping, lambda: None)
        for place, side, keys in given[number]:
            member.take()
            every[number][place].add(side, keys)
        member.finish()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for end in (stopping, stop):
        os.close(end)
    between.close()
    for place, side, keys in [run for runs in given for run in runs]:
        alone[place].add(side, keys)
    return every, alone


@pytest.mark.parametrize("members", [2, 3, 5])
@pytest.mark.usefixtures("small_pages")
def test_one_member_counts_the_keys_of_all(members: int) -> None:
    bits = (64, 32, 64, 32)
    every, alone = counted(members, bits)
    for place, whole in enumerate(alone):
        owner = place % members
        assert alike(every[owner][place], whole)
        others = [columns[place] for number, columns in enumerate(every) if number != owner]
        assert not any(one.state_dict()["entries"].any() for one in others)


def test_pages_that_are_not_full_are_left_in_the_end() -> None:
    every, alone = counted(2, (64, 64))
    assert all(alike(every[place % 2][place], whole) for place, whole in enumerate(alone))


def test_what_others_cannot_count_stays() -> None:
    between, (stopping, stop) = Exchange(2), os.pipe()
    columns = fresh((64, 64))
    Member(between, 0, columns, stopping, lambda: None)
    columns[1].add(0, np.array([3, 4], np.uint64), np.array([2, 1]))
    assert columns[1].bins(0).amounts.tolist() == [2, 1]
    for end in (stopping, stop):
        os.close(end)
    between.close()


def test_keys_that_wait_elsewhere_are_left_when_they_are_taken_in() -> None:
    handed: list[tuple[int, list[int]]] = []
    column, other = fresh((64, 64))
    other.add(1, np.array([7, 8], np.uint64))
    other.add(0, np.array([9], np.uint64), np.array([5]))
    column.hand_to(lambda side, keys: handed.append((side, keys.tolist())))
    column.merge(other)
    assert handed == [(1, [7, 8])]
    assert [column.bins(side).amounts.tolist() for side in (0, 1)] == [[5], []]


@pytest.mark.usefixtures("small_pages")
def test_nobody_waits_for_a_page_when_all_stop() -> None:
    between, (stopping, stop) = Exchange(2), os.pipe()
    columns, looks = fresh((64, 64)), []
    member = Member(between, 0, columns, stopping, lambda: looks.append(1) or (len(looks) > 2 and os.write(stop, b"!")))
    columns[1].add(0, np.arange(1000, dtype=np.uint64))  # nobody reads
    assert len(looks) == 3
    member.finish()
    for end in (stopping, stop):
        os.close(end)
    between.close()


@pytest.mark.parametrize(
    ("columns", "members", "weighted", "is_one"),
    [
        (1, 2, False, True),
        (1, 3, False, False),
        (0, 2, False, False),
        (2, 2, True, False),
        (500, 2, False, False),
        (100, 17, False, False),
    ],
)
def test_it_takes_columns_that_are_worth_it(columns: int, members: int, weighted: bool, is_one: bool) -> None:
    class Part:
        def exchanged(self) -> list[KeyColumn]:
            return [KeyColumn(2, 64, 10, weighted=weighted) for _ in range(columns)]

    found = Exchange.of(Part(), members)
    assert (found is not None) == is_one
    if found is not None:
        found.close()
    assert Exchange.of(object(), members) is None


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of open files here")
def test_without_room_for_pages_and_pipes_each_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Part:
        def exchanged(self) -> list[KeyColumn]:
            return fresh((64, 64))

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_PAGES", 1 << 36)
        assert Exchange.of(Part(), 2) is None
    before = sorted(os.listdir("/proc/self/fd"))
    real, left = os.pipe, [None] * 3

    def few() -> tuple[int, int]:
        if not left:
            raise OSError(24, "Too many open files")
        left.pop()
        return real()

    monkeypatch.setattr(os, "pipe", few)
    assert Exchange.of(Part(), 2) is None
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not forks.can_fork(), reason="no fork here")
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("by", [[], ["--by", "site"]], ids=["whole", "slices"])
def test_processes_with_little_room_give_the_bytes_of_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: list[str]
) -> None:
    monkeypatch.setattr(processes, "LEAST_WORK", 0)
    rng = np.random.default_rng(7)
    target = rng.integers(0, 3, 4000)
    logits = rng.normal(size=(4000, 3)).astype(np.float32)
    logits[np.arange(4000), target] += 1
    path = save(tmp_path / "data.safetensors", {"preds": logits, "target": target, "site": rng.integers(0, 3, 4000)})
    asked = ["report", path, "-f", "json", "--ranking-budget", 0.02, "--batch-size", 130, *by]
    alone = run(*asked, "--workers", 1)
    assert alone.code == 0
    for workers in (2, 3):
        told = run(*asked, "--workers", workers)
        assert (told.code, told.stdout) == (0, alone.stdout)


@pytest.mark.skipif(not forks.can_fork(), reason="no fork here")
@pytest.mark.usefixtures("small_pages")
def test_a_process_that_is_killed_while_others_wait_for_its_pages(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, count = os.getpid(), Member._count

    def killed(self: Member, number: int) -> None:
        if os.getpid() != first:
            os.kill(os.getpid(), 9)
        count(self, number)

    monkeypatch.setattr(processes, "LEAST_WORK", 0)
    monkeypatch.setattr(Member, "_count", killed)
    rng = np.random.default_rng(7)
    data = {"preds": rng.normal(size=(3000, 4)).astype(np.float32), "target": rng.integers(0, 4, 3000)}
    told = run("report", save(tmp_path / "data.safetensors", data), "--workers", 2, "--batch-size", 100)
    assert told.code == 2
    assert "a worker was killed by signal 9" in told.stderr


@pytest.mark.skipif(not forks.can_fork(), reason="no fork here")
def test_a_process_that_fails_after_its_last_load_lets_nobody_wait_for_its_keys(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, finish = os.getpid(), Member.finish

    def fails(self: Member) -> None:
        if os.getpid() != first:
            raise MemoryError
        look, looks = self._look, iter(range(50))
        self._look = lambda: (next(looks), look())  # in place of waiting for ever
        finish(self)

    monkeypatch.setattr(processes, "LEAST_WORK", 0)
    monkeypatch.setattr(Member, "finish", fails)
    rng = np.random.default_rng(7)
    data = {"preds": rng.normal(size=(300, 4)).astype(np.float32), "target": np.arange(300) % 4}
    path = save(tmp_path / "data.safetensors", data)
    told = run("report", path, "--workers", 2, "--batch-size", 100, "--labels", "a,b,c,d", "--scores", "logits")
    assert (told.code, "not enough memory" in told.stderr) == (2, True)
