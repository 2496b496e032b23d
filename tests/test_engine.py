from __future__ import annotations

import signal
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli import engine, evaluation
from evalcli.engine import (
    BATCH_BYTES,
    BATCH_ROWS,
    MOST_WORKERS,
    Execution,
    Placement,
    accumulate,
    batch_rows,
    place,
    worker_count,
)
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.layout import find_layout
from evalcli.task import Choices


class Rows:
    """An accumulator that keeps what it was given."""

    def __init__(self, until=None, fail_at=None):
        self.seen, self.threads, self.until, self.fail_at = [], set(), until, fail_at or {}

    def add(self, batch):
        self.threads.add(threading.current_thread())
        self.seen += batch.preds.tolist()
        if batch.start in self.fail_at:
            raise self.fail_at[batch.start]
        return self.until is None or batch.start < self.until

    def merge(self, other):
        self.seen += other.seen
        self.threads |= other.threads


class Slow(MemorySource):
    """Loads take a moment, so that every worker gets some."""

    pause = 0.005

    def _load(self, *args):
        time.sleep(self.pause)
        return super()._load(*args)


def source(n=100, kind=MemorySource, **more):
    return kind(np.arange(n), np.arange(n), **more)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_every_row_is_counted_once(workers, size):
    total, complete = accumulate(source(), Rows, size, workers)
    assert (sorted(total.seen), complete) == (list(range(100)), True)


def test_one_worker_stays_in_the_main_thread_and_in_order():
    total, _ = accumulate(source(), Rows, 9, 1)
    assert total.threads == {threading.current_thread()}
    assert total.seen == list(range(100))


def test_workers_share_the_work():
    total, _ = accumulate(source(kind=Slow), Rows, 5, 3)
    assert len(total.threads) == 3
    assert threading.current_thread() not in total.threads


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_worker_raises_is_raised_once(workers):
    bad = InputError("broken")
    before = threading.active_count()
    with pytest.raises(InputError) as caught:
        accumulate(source(kind=Slow), lambda: Rows(fail_at={20: bad}), 10, workers)
    assert caught.value is bad
    assert caught.value.__context__ is None
    assert threading.active_count() == before


def test_of_several_failures_the_earliest_in_the_input_is_raised():
    gate = threading.Barrier(2)

    class Together(Rows):
        def add(self, batch):
            if batch.start in (0, 10):
                gate.wait()
                if batch.start == 0:
                    time.sleep(0.02)
                raise InputError(f"row {batch.start}")
            return True

    with pytest.raises(InputError, match="row 0"):
        accumulate(source(), Together, 10, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plan_that_fails_fails_the_pass(workers):
    class Torn(MemorySource):
        def plan(self, size):
            yield from list(super().plan(size))[:2]
            raise InputError("the file ends early")

    with pytest.raises(InputError, match="ends early"):
        accumulate(source(kind=Torn), Rows, 10, workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_contradiction_ends_the_pass_early(workers):
    total, complete = accumulate(source(1000, kind=Slow), lambda: Rows(until=20), 10, workers)
    assert not complete
    assert len(total.seen) <= 10 * (3 + workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_progress_is_told_from_the_main_thread_only(workers):
    told = []

    def progress(done, total):
        told.append((done, total, threading.current_thread()))

    slow = source(kind=Slow)
    slow.pause = 0.03
    accumulate(slow, Rows, 10, workers, progress)
    assert {thread for _, _, thread in told} == {threading.main_thread()}
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (100, 100)


def test_progress_counts_rows_that_a_group_stands_for():
    told = []
    grouped = MemorySource([0, 1], [0, 1], repeats=[30, 12])
    accumulate(grouped, Rows, 1, 1, lambda done, total: told.append((done, total)))
    assert told == [(30, 42), (42, 42)]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_pass(workers):
    slow = source(10_000, kind=Slow)
    main = threading.main_thread().ident
    timer = threading.Timer(0.15, lambda: signal.pthread_kill(main, signal.SIGINT))
    before = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        accumulate(slow, Rows, 10, workers)
    assert time.monotonic() - before < 3
    timer.join()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and "work" in thread.name:
            thread.join(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_progress_raises_ends_the_pass(workers):
    def progress(done, total):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        accumulate(source(kind=Slow), Rows, 10, workers, progress)


def test_batches_are_bounded_in_rows_and_bytes():
    auto = Execution()
    assert batch_rows(auto, 8) == BATCH_ROWS
    assert batch_rows(auto, 8000) * 8000 <= BATCH_BYTES
    assert batch_rows(auto, 10 * BATCH_BYTES) == 1
    assert batch_rows(Execution(batch_size=77), 8000) == 77


def test_workers_are_no_more_than_batches():
    assert worker_count(Execution(workers=5), source(10), 4) == 3
    assert worker_count(Execution(workers=5), source(0), 4) == 1
    assert 1 <= worker_count(Execution(), source(10**4), 1) <= MOST_WORKERS
    unknown = source(10)
    unknown.rows = None
    assert worker_count(Execution(workers=5), unknown, 4) == 5
    unknown.most_workers = 1  # all that there are share a reader
    assert worker_count(Execution(workers=5), unknown, 4) == 5
    assert worker_count(Execution(), unknown, 4) == 1


def test_placement():
    assert place(Execution()) == Placement("numpy", "cpu", "numpy starts fastest")
    assert place(Execution("numpy")) == Placement("numpy", "cpu", "asked for")
    assert place(Execution("torch", "cpu")).backend == "torch"
    with pytest.raises(UsageError, match="--backend numpy cannot run on cuda"):
        place(Execution("numpy", "cuda"))
    assert place(Execution("auto", "cpu:0")).device == "cpu:0"
    for device in ("tpu", "cuda:99", "cpu:x", "cuda:x", "mps:y", "cpu:1", "cpu:00", "cpu:٠", "cpu:", "cpu:" + 20 * "9"):
        with pytest.raises(UsageError, match=f"no device {device}"):
            place(Execution("auto", device))


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_follow_and_precede_what_the_caller_asks_of_a_gpu(workers, monkeypatch):
    """The stream of a thread is its own: that of the caller is another than that of a thread just begun."""
    torch = pytest.importorskip("torch")
    waited, threads = [], threading.local()

    class Stream:
        def __init__(self, device=None):
            self.device = device

        def wait_stream(self, other):
            waited.append((self, other))

    threads.stream = callers = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: getattr(threads, "stream", None) or Stream())
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    monkeypatch.setattr(engine._Pace, "keep", lambda _: None)
    accumulate(source(), Rows, 9, workers, device="cuda:0")
    followed = [own for own, other in waited if other is callers]
    assert len(followed) == workers
    assert {*waited} == {(own, callers) for own in followed} | {(callers, own) for own in followed}


def test_only_a_lot_of_wide_scores_is_worth_the_start_of_a_gpu(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(engine, "GPU_NODE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert place(Execution(), engine.GPU_FROM) == ("torch", "cuda:0", "8 GiB of scores are worth the start of a GPU")
    assert place(Execution(), engine.GPU_FROM - 1).backend == "numpy"
    assert place(Execution(device="cpu"), engine.GPU_FROM).backend == "numpy"
    assert place(Execution(backend="numpy"), engine.GPU_FROM).backend == "numpy"
    scored = place(Execution(), engine.GPU_FROM_SCORED, engine.GPU_FROM_SCORED)
    assert scored == ("torch", "cuda:0", "512 MiB of scores are worth the start of a GPU")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for rank, device in (("1", "cuda:1"), ("2", "cuda:0")):  # each rank of a machine takes a GPU of its own
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert place(Execution(device="cuda")).device == place(Execution("torch")).device == device
        assert place(Execution(device="cuda:1")).device == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert place(Execution(), engine.GPU_FROM).backend == "numpy"
    monkeypatch.setattr(engine, "GPU_NODE", str(tmp_path / "none"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("torch was asked"))
    assert place(Execution(), engine.GPU_FROM).backend == "numpy"


def test_a_report_tells_what_a_gpu_would_gather(monkeypatch):
    asked = []
    monkeypatch.setattr(evaluation, "place", lambda execution, *told: asked.append(told) or place(execution))
    source = MemorySource(np.eye(100, dtype=np.float32), np.arange(100))
    for metrics in (("accuracy", "f1_macro"), ("accuracy", "auroc_macro"), None):
        evaluation.evaluate(source, Choices(), Execution(), metrics)
    assert asked == [(40_000, engine.GPU_FROM), *[(40_000, engine.GPU_FROM_SCORED)] * 2]


def test_the_report_says_how_it_ran():
    found = evaluate(source(50), Choices(), Execution(batch_size=10, workers=2))
    assert (found.run.backend, found.run.device, found.run.workers, found.run.batch_size) == ("numpy", "cpu", 2, 10)
    assert found.run.seconds > 0


def test_what_a_gpu_would_gather():
    """Scores from all sides sooner than labels alone; nothing where the host is needed."""

    def asked(source, metrics=None, also=(), own=()):
        layout = find_layout(source.preds, source.target, Choices())
        return evaluation._gathered_bytes(source, layout, metrics, also, own)

    scores, target = np.zeros((100, 3), np.float32), np.arange(100) % 3
    source = MemorySource(scores, target)
    assert asked(source) == asked(source, ("log_loss",)) == (1200, engine.GPU_FROM_SCORED)
    assert asked(source, ("accuracy",)) == (0, engine.GPU_FROM)  # narrow
    assert asked(source, ("accuracy",), ("auroc_macro",)) == (1200, engine.GPU_FROM_SCORED)
    assert asked(MemorySource(np.zeros((9, 64), np.float32), np.arange(9)), ("accuracy",)) == (2304, engine.GPU_FROM)
    assert asked(source, ("auroc_ovo",)) == (1200, engine.GPU_FROM_SCORED)
    assert asked(source, own=("mine",))[0] == 0
    assert asked(MemorySource(scores, target, weight=np.ones(100)))[0] == 0
    assert asked(MemorySource(scores, target, slices={"r": ["a"] * 100}))[0] == 0
    assert asked(MemorySource(target, target))[0] == 0
