"""The only loop: batches, workers, states; progress; device.

Every worker owns an accumulator, takes the next load of the source under a lock, reads and counts it, and at the end
the accumulators are merged. Merging is exact, so the result has the same bits whatever the batch size and worker count.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

from evalcli.errors import EvalError, LimitError, UsageError
from evalcli.metrics.threads import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.layout import Layout
    from evalcli.sources.base import Batch, Source

BATCH_ROWS = 131_072
"""Rows of a batch unless they are wide: measured fastest for ten float32 columns on two cores."""

BATCH_BYTES = 8 << 20
"""A batch of wide rows holds about this much."""

MOST_WORKERS = 8
"""Without ``--workers``: more readers than this contend for memory bandwidth before they help."""

GPU_FROM = 8 << 30
"""So many bytes of wide scores take as long on the host as on a GPU with its start, where labels alone are asked for.
Measured on 2026-11-27 on an H200 with 16 cores: 2.5 s to start, then 0.25 s for each GB of (1M, 1000) float32 against
0.55 s on the host. Narrow scores were never faster there."""

GPU_FROM_SCORED = 512 << 20
"""The same where scores are read from all sides. Measured on that day and machine: a report of all metrics of (10M, 10)
float32, 400 MB, in 3.5 and 4.0 s against 3.9 and 4.0 s on the host, of (40M, 10) in 3.8 and 4.2 s against 7.8 and
8.4 s."""

WIDE = 64
"""Columns from which scores are wide."""

GPU_NODE = "/dev/nvidia0"
"""What is there where there may be a GPU: asked before torch is, whose import takes a second."""

DEVICE_BATCH_BYTES = 64 << 20
"""The same for a GPU, which a small batch keeps waiting for its next orders."""

DEVICE_SHARE = 8
"""One part in so many of a GPU's free memory is enough for the batches of all workers: the work on one takes thrice
its size."""

UNDER_WAY = 8
"""Batches that a worker may have given to a GPU before the first of them is done: each takes memory until it is."""

POLL_SECONDS = 0.1
"""How often the waiting main thread looks up: for progress, and for Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Where and how to run. ``None`` and ``auto`` mean: by a stated rule.

    ``ranking_budget`` is in bytes: what scores may take in memory before ranks are certified instead of exact.
    """

    backend: str = "auto"
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    ranking_budget: int | None = None
    processes: bool = False
    """Whether workers may be processes; only for a program that knows of all its threads and devices."""


class Placement(NamedTuple):
    """What was chosen: ``backend`` is ``numpy`` or ``torch``; ``why`` says it in words."""

    backend: str
    device: str
    why: str


class Progress(Protocol):
    """Told how far the work is; it decides by itself whether a person sees anything."""

    def __call__(self, done: int, total: int | None) -> None:
        """Report ``done`` of ``total`` rows (``None``: unknown)."""


class Accumulator(Protocol):
    """What a worker fills: it takes batches and merges with its like."""

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` ends the pass early, because it stands on a wrong decision."""

    def merge(self, other: Self) -> object:
        """Take in what another worker has counted."""


A = TypeVar("A", bound=Accumulator)


def place(execution: Execution, scores: int = 0, least: int = GPU_FROM) -> Placement:
    """Choose the backend and the device. ``scores`` are bytes, of which ``least`` are worth the start of a GPU.

    Raises:
        UsageError: for a device that is not there.

    """
    backend, device = execution.backend, execution.device
    if backend == "numpy" and device not in {"auto", "cpu"}:
        raise UsageError(f"--backend numpy cannot run on {device}", fix="drop one of the two")
    if (backend, device) == ("auto", "auto") and scores >= least and os.path.exists(GPU_NODE):  # noqa: PTH110
        import torch

        if torch.cuda.is_available():
            amount = f"{scores >> 30} GiB" if scores >> 30 else f"{scores >> 20} MiB"
            return Placement("torch", _own_gpu(), f"{amount} of scores are worth the start of a GPU")
    if device in {"auto", "cpu"} and backend in {"auto", "numpy"}:
        return Placement("numpy", "cpu", "numpy starts fastest" if backend == "auto" else "asked for")
    import torch

    if device == "auto":
        device = _own_gpu() if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return Placement("torch", device, "asked for torch; the best device that is there")
    kind = device.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        have = ", ".join(name for name, present in there.items() if present)
        raise UsageError(f"no device {device or repr(device)} on this machine", fix=f"there is: {have}")
    many = torch.cuda.device_count() if kind == "cuda" else 1
    if ":" in device and device not in {f"{kind}:{index}" for index in range(many)}:
        fix = f"there are {many} CUDA devices, from cuda:0" if kind == "cuda" else f"there is {kind}"
        raise UsageError(f"no device {device}", fix=fix)
    return Placement("torch", _own_gpu() if device == "cuda" else device, "asked for")


def _own_gpu() -> str:
    """The GPU of this process: of several on one machine that a launcher has numbered, each has its own."""
    import torch

    number = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{int(number) % torch.cuda.device_count() if number.isdecimal() else 0}"


def batch_rows(execution: Execution, row_bytes: int, placement: Placement | None = None) -> int:
    """Rows a batch: as asked for, else bounded in rows and in bytes, on a GPU by the memory that is free."""
    if execution.batch_size is not None:
        return execution.batch_size
    rows = BATCH_ROWS
    if placement is not None and placement.device.startswith("cuda"):
        rows *= DEVICE_BATCH_BYTES // BATCH_BYTES
    return max(1, min(rows, _batch_bytes(execution, placement) // max(1, row_bytes)))


def _batch_bytes(execution: Execution, placement: Placement | None) -> int:
    if placement is None or not placement.device.startswith("cuda"):
        return BATCH_BYTES
    import torch

    free: int = torch.cuda.mem_get_info(placement.device)[0]
    return min(DEVICE_BATCH_BYTES, free // (DEVICE_SHARE * (execution.workers or MOST_WORKERS)))


def fit_rows(
    execution: Execution, source: Source, layout: Layout, placement: Placement | None = None, *, whole: bool = False
) -> int:
    """Rows a batch; of rows of which one alone is more than a batch may take (texts, images), the elements come in
    pieces, unless they are wanted ``whole``.
    """
    return fit_in_step(execution, (source,), (layout,), placement, whole=whole)


def fit_in_step(
    execution: Execution,
    sources: Sequence[Source],
    layouts: Sequence[Layout],
    placement: Placement | None = None,
    *,
    whole: bool = False,
) -> int:
    """The same of the same rows of several sources, each of which comes in as many pieces, or in none."""
    size, most = sum(map(row_bytes, sources)) // len(sources), _batch_bytes(execution, placement)
    if not whole and execution.batch_size is None and size > most:
        axes = [_axis_of_pieces(source, layout) for source, layout in zip(sources, layouts, strict=True)]
        lengths = {0 if axis is None else source.preds.shape[axis] for source, axis in zip(sources, axes, strict=True)}
        if len(lengths) == 1 and 0 not in lengths:
            step = max(1, most // (size // lengths.pop()))
            for source, axis in zip(sources, axes, strict=True):
                source.split(axis or 1, step)
    return batch_rows(execution, size, placement)


def _axis_of_pieces(source: Source, layout: Layout) -> int | None:
    """The axis of predictions along which rows can be cut, as targets are along their second."""
    preds, target = source.preds.shape, source.target.shape
    if not source.splits or layout.target != "labels" or min(len(preds), len(target)) < 2:
        return None
    one_column = layout.preds != "columns" and preds[1] == 1
    axis = 2 if len(preds) > 2 and (layout.class_axis == 1 or one_column) else 1
    return axis if preds[axis] == target[1] > 1 else None


def row_bytes(source: Source) -> int:
    """What one row of predictions takes in memory while it is counted."""
    return 8 * prod(source.preds.shape[1:])


def worker_count(execution: Execution, source: Source, size: int) -> int:
    """Workers: as asked for, else one a core; never more than there are batches."""
    wanted = execution.workers or min(usable_cores(), source.most_workers or MOST_WORKERS)
    return wanted if source.rows is None else max(1, min(wanted, -(-source.rows * source.pieces // size)))


def accumulate(
    source: Source,
    fresh: Callable[[], A],
    size: int,
    workers: int,
    progress: Progress | None = None,
    device: str | None = None,
) -> tuple[A, bool]:
    """One pass over ``source``: the merged accumulator, and whether the pass went through to the end.

    Whatever a worker raises ends the pass and is raised here; with several, the one of the earliest batch. Of a GPU,
    each asks on a stream of its own.
    """
    crew = _Crew(source, size, progress, device)
    parts = [fresh() for _ in range(workers)]
    if workers == 1:
        crew.work(parts[0])
        crew.raise_failure()
        return parts[0], crew.complete
    threads = [threading.Thread(target=crew.work, args=(part,), daemon=True) for part in parts]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(POLL_SECONDS)
                crew.tell()
    except BaseException:
        crew.stop()
        raise
    crew.raise_failure()
    for part in parts[1:]:
        parts[0].merge(part)
    return parts[0], crew.complete


@contextmanager
def _own_stream(device: str | None, before: Any) -> Iterator[None]:
    """Whatever this thread asks of a GPU goes there in its own order: what one copies, others compute meanwhile.

    It begins when all is done that was asked of the stream ``before``, which goes on when this is done.
    """
    if before is None:
        yield
        return
    import torch

    own = torch.cuda.Stream(device)
    own.wait_stream(before)  # the empty states, and tensors that lie there
    with torch.cuda.device(device), torch.cuda.stream(own):
        yield
    before.wait_stream(own)


def _current_stream(device: str | None) -> Any:
    """The stream on which this thread asks of a GPU: each thread has one of its own."""
    if device is None or not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.current_stream(device)


class _Pace:
    """Keeps a worker from reading faster than its GPU counts; it waits for what it asked long ago, so for little."""

    def __init__(self, device: str | None) -> None:
        self.device = device if device is not None and device.startswith("cuda") else None
        self.under_way: deque[Any] = deque()

    def keep(self) -> None:
        """Wait until no more than so many batches are under way."""
        if self.device is None:
            return
        import torch

        done = torch.cuda.Event(blocking=True)
        done.record(torch.cuda.current_stream(self.device))
        self.under_way.append(done)
        if len(self.under_way) > UNDER_WAY:
            self.under_way.popleft().synchronize()


def _said_of(device: str | None, error: BaseException) -> BaseException:
    """What a GPU complains of, as an error that says what to do; anything else as it is."""
    if device is None or not isinstance(error, RuntimeError) or isinstance(error, EvalError):
        return error
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        said = LimitError(f"{device} is out of memory", fix="try a smaller --batch-size, or --device cpu")
    elif "CUDA error" in str(error) or "MPS" in str(error):
        said = LimitError(f"{device} failed: {str(error).splitlines()[0]}", fix="try --device cpu")
    else:
        return error
    said.__cause__ = error
    return said


def settle(part: Any) -> None:
    """Let an accumulator count what it has put off, where it puts off anything: while others are still at work."""
    if hasattr(part, "settle"):
        part.settle()


class _Crew:
    """What the workers of one pass share."""

    def __init__(self, source: Source, size: int, progress: Progress | None, device: str | None) -> None:
        self.device, self.stream = device, _current_stream(device)
        self.loads: Iterator[tuple[int, Callable[[], Batch]]] = enumerate(source.plan(size))
        self.total, self.progress = source.rows, progress
        self.lock = threading.Lock()
        self.failures: list[tuple[int, BaseException]] = []
        self.done = 0
        self.complete = True
        self.stopped = False
        self.main = threading.current_thread()

    def work(self, part: Any) -> None:  # any accumulator; the pass keeps its type
        """Take loads until there are none."""
        with _own_stream(self.device, self.stream):
            self._work(part)

    def _work(self, part: Any) -> None:
        pace = _Pace(self.device)
        while not self.stopped:
            number = -1
            try:
                with self.lock:
                    number, load = next(self.loads, (-1, None))
                if load is None:
                    settle(part)
                    return
                batch = load()
                if not part.add(batch):
                    self.complete = False
                    self.stop()
                pace.keep()
                rows = batch.done
            except BaseException as error:  # handed to the main thread, which raises it
                with self.lock:
                    self.failures.append((number, _said_of(self.device, error)))
                self.stop()
                return
            with self.lock:
                self.done += rows
            if threading.current_thread() is self.main:
                self.tell()

    def stop(self) -> None:
        """Let every worker end after the batch in hand."""
        self.stopped = True

    def tell(self) -> None:
        """Report progress; only ever from the main thread."""
        if self.progress is not None:
            self.progress(self.done, self.total)

    def raise_failure(self) -> None:
        """Raise what went wrong first in the order of the input."""
        if self.failures:
            raise min(self.failures, key=lambda failure: failure[0])[1]
