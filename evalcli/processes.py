"""Workers that are processes, for one pass over arrays whose scores are looked at from many sides.

Threads share one interpreter: between two calls of numpy they wait for each other, and of a pass over scores four cores
made no more than one and a third. A process that is forked has all that this one has read so far, takes every so manyth
load, and hands back the state of what it has counted through memory that both know. Merging is exact, so nothing of
this shows in the result.

Only the command line asks for it: a program that evaluates may have threads and devices that no fork survives.
"""

from __future__ import annotations

import json
import os
import select
import signal
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from evalcli import errors
from evalcli.engine import POLL_SECONDS
from evalcli.errors import EvalError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.engine import Progress
    from evalcli.sources.base import Array, Batch, Source
    from evalcli.sources.crc import Ledger

LEAST_SCORES = 1 << 24
"""Below so many scores threads are done first: what processes have counted must be written, read and merged. Measured
on two cores: 6M scores 0.76 s by threads and 1.04 s by processes, 25M 1.73 s and 1.52 s, 100M 4.19 s and 3.46 s."""

_STOPPED = -1
"""What a worker tells instead of a number of rows: that all may stop."""


class Counting(Protocol):
    """What a worker fills, and what of it travels."""

    evidence: Any

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` ends the pass early."""

    def merge(self, other: Self) -> object:
        """Take in what another has counted."""

    def state_dict(self) -> dict[str, Array]:
        """All that was counted."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave."""


A = TypeVar("A", bound=Counting)


def can_fork() -> bool:
    """Whether this system has what it takes."""
    return hasattr(os, "fork") and hasattr(os, "memfd_create") and hasattr(os, "preadv")


class _Worker(NamedTuple):
    """A process: what it writes its answer to, and where it tells how far it is."""

    pid: int
    answer: int
    told: int


class _Answer(NamedTuple):
    """What came back: the number of the load that failed and its error, or arrays by what they belong to."""

    about: dict[str, Any]
    arrays: dict[str, Array]

    def of(self, what: str) -> dict[str, Array]:
        """The arrays of one kind, by their own names."""
        head = f"{what}/"
        return {name.removeprefix(head): array for name, array in self.arrays.items() if name.startswith(head)}


def accumulate_apart(
    source: Source,
    ledgers: Sequence[Ledger],
    fresh: Callable[[], A],
    size: int,
    workers: int,
    progress: Progress | None = None,
) -> tuple[A, bool]:
    """One pass over ``source`` by ``workers`` processes, as ``engine.accumulate`` does it by threads.

    ``ledgers`` are the checksums that reading leaves behind; they are brought home, too.

    Raises:
        LimitError: a process was killed.

    """
    loads = list(enumerate(source.plan(size)))
    stopping, stop = os.pipe()
    crew: list[_Worker] = []
    try:
        for first in range(workers):
            crew.append(_started(loads[first::workers], fresh, ledgers, stopping))  # noqa: PERF401  # known one by one
        _watch(crew, stop, source.rows, progress)
        answers = [_ended(worker) for worker in crew]
    finally:
        _put_away(crew, [stopping, stop])
    for answer in answers:
        for ledger, pieces in zip(ledgers, answer.of("ledger").values(), strict=True):
            ledger.take(pieces)
    _raise_first(answers)
    complete = all(answer.about["complete"] for answer in answers)
    total = fresh()
    for number, answer in enumerate(answers):
        part = total if number == 0 else fresh()
        if complete:
            part.restore(answer.of("state"))
        else:
            part.evidence.load_state_dict(answer.of("evidence"))
        if part is not total and complete:
            total.merge(part)
        elif part is not total:
            total.evidence.merge(part.evidence)
    return total, complete


def _started(
    loads: Sequence[tuple[int, Callable[[], Batch]]], fresh: Callable[[], A], ledgers: Sequence[Ledger], stopping: int
) -> _Worker:
    answer = os.memfd_create("evalcli-worker")
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, of which none holds anything a worker needs
        pid = os.fork()
    if pid:
        os.close(tell)
        return _Worker(pid, answer, told)
    try:  # from here on a worker, which must not return into what it was forked from
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes to all of them; the first one decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _write(answer, *_worked(loads, fresh, ledgers, tell, stopping))
    finally:
        os._exit(0)


def _worked(
    loads: Sequence[tuple[int, Callable[[], Batch]]],
    fresh: Callable[[], A],
    ledgers: Sequence[Ledger],
    tell: int,
    stopping: int,
) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a worker answers: its states, or why there are none."""
    taken = 0
    try:
        part, complete = fresh(), True
        while complete and taken < len(loads):
            batch = loads[taken][1]()
            complete = part.add(batch)
            rows = len(batch.target) if batch.repeats is None else int(batch.repeats.sum())
            _tell(tell, rows if complete else _STOPPED)
            complete = complete and not select.select([stopping], [], [], 0)[0]
            taken += 1
        about: dict[str, Any] = {"complete": complete}
        found = {"evidence": part.evidence.state_dict(), "state": part.state_dict() if complete else {}}
    except BaseException as e:  # told to the first process, which raises it
        _tell(tell, _STOPPED)
        about = {"complete": False, "number": loads[min(taken, len(loads) - 1)][0], "error": _told(e)}
        found = {}
    found["ledger"] = {str(place): ledger.pieces() for place, ledger in enumerate(ledgers)}
    return about, {f"{what}/{name}": array for what, state in found.items() for name, array in state.items()}


def _tell(tell: int, number: int) -> None:
    os.write(tell, number.to_bytes(8, "little", signed=True))


def _told(error: BaseException) -> list[str]:
    """An error in words that another process can raise."""
    if isinstance(error, EvalError):
        return [type(error).__name__, error.what, error.fix, error.path]
    if isinstance(error, MemoryError):
        return ["MemoryError", "", "", ""]
    import traceback

    return ["", "".join(traceback.format_exception(error)), "", ""]


def _raise_first(answers: Iterable[_Answer]) -> None:
    """Raise what went wrong first in the order of the input."""
    failed = [answer.about for answer in answers if "error" in answer.about]
    if not failed:
        return
    name, what, fix, path = min(failed, key=lambda about: about["number"])["error"]
    if name == "MemoryError":
        raise MemoryError
    if not name:
        raise RuntimeError(f"a worker failed:\n{what}")
    raise getattr(errors, name, LimitError)(what, fix=fix, path=path)


def _write(file: int, about: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """The answer: the length of a JSON text, the text, and the arrays one after the other."""
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    listed = [[name, array.dtype.str, list(np.shape(arrays[name]))] for name, array in held.items()]
    text = json.dumps({**about, "arrays": listed}).encode()
    for data in (len(text).to_bytes(8, "little"), text, *(array.reshape(-1).view(np.uint8) for array in held.values())):
        view = memoryview(data)  # type: ignore[arg-type]  # an array is a buffer
        while view:
            view = view[os.write(file, view) :]


def _read(file: int) -> _Answer:
    """What ``_write`` has written."""
    head = os.pread(file, 8, 0)
    length = int.from_bytes(head, "little")
    about = json.loads(os.pread(file, length, 8))
    at, arrays = 8 + length, {}
    for name, dtype, shape in about.pop("arrays"):
        array = np.empty(shape, np.dtype(dtype))
        view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # likewise
        while view:
            count = os.preadv(file, [view], at)
            view, at = view[count:], at + count
        arrays[name] = array
    return _Answer(about, arrays)


def _watch(crew: Sequence[_Worker], stop: int, total: int | None, progress: Progress | None) -> None:
    """Report how far all are until the last one has answered; where one says so, let all of them stop."""
    done, open_ends = 0, {worker.told for worker in crew}
    while open_ends:
        for end in select.select(list(open_ends), [], [], POLL_SECONDS)[0]:
            data = os.read(end, 1 << 12)
            if not data:
                open_ends.discard(end)
            told = np.frombuffer(data, "<i8")
            if (told == _STOPPED).any():
                os.write(stop, b"!")
            done += int(told[told > 0].sum())
        if progress is not None:
            progress(done, total)


def _ended(worker: _Worker) -> _Answer:
    """The answer of a worker.

    Raises:
        LimitError: it was killed.

    """
    code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    if code or not os.fstat(worker.answer).st_size:
        what = f"a worker was killed by signal {-code}" if code < 0 else "a worker has ended without an answer"
        raise LimitError(what, fix="where memory is short, try --workers 1 or a smaller --ranking-budget")
    return _read(worker.answer)


def _put_away(crew: Iterable[_Worker], ends: Iterable[int]) -> None:
    """End what still runs, and close everything."""
    for worker in crew:
        try:
            if os.waitpid(worker.pid, os.WNOHANG)[0] == 0:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
        except ChildProcessError:  # it was waited for already
            pass
        os.close(worker.told)
        os.close(worker.answer)
    for end in ends:
        os.close(end)
