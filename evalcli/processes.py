"""Workers that are processes, for one pass over arrays whose scores are looked at from many sides.

Threads share one interpreter: between two calls of numpy they wait for each other, and of a pass over scores four cores
made no more than one and a third. A process that is forked has all that this one has read so far, takes the next load
whenever it is free, and hands back the state of what it has counted through memory that both know. Merging is exact, so
nothing of this shows in the result.

Only the command line asks for it: a program that evaluates may have threads and devices that no fork survives.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from evalcli.answers import Answer, in_words, raise_first, read_answer, write_answer
from evalcli.engine import POLL_SECONDS, settle
from evalcli.errors import LimitError
from evalcli.exchange import Exchange, Member
from evalcli.forks import end_process, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.engine import Progress
    from evalcli.sources.base import Array, Batch, Source
    from evalcli.sources.crc import Ledger

LEAST_WORK = 10 << 20
"""Below so much work threads are done first: what processes have counted must be written, read and merged. The work of
a row is its number of scores, and as much again as three of them. Measured on two cores, ten scores a row: 3M scores
0.69 s by threads and 0.84 s by processes, 6M 0.76 s and 0.78 s, 10M 1.06 s and 0.97 s, 20M 1.50 s and 1.36 s."""

_LAST, _MANY = 2, 8
"""Of many loads for each worker the last ones are the first process's: the others write their answers meanwhile."""

_STOPPED, _ANSWERED = -1, -2
"""What a worker tells instead of a number of rows: that all may stop, and that its answer is there."""


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


class _Worker(NamedTuple):
    """A process: what it writes its answer to, and where it tells how far it is."""

    pid: int
    answer: int
    told: int


def accumulate_apart(
    source: Source,
    ledgers: Sequence[Ledger],
    fresh: Callable[[], A],
    size: int,
    workers: int,
    progress: Progress | None = None,
) -> tuple[A, bool]:
    """One pass over ``source`` by ``workers`` processes, as ``engine.accumulate`` does it by threads.

    This process is one of them: what it counts need not travel. ``ledgers`` are the checksums that reading leaves
    behind; those of the others are brought home, too.

    Raises:
        LimitError: a process was killed.

    """
    loads = list(source.plan(size))
    turn, (stopping, stop) = _Turn.first(), os.pipe()
    exchange = Exchange.of(fresh(), workers)
    work = _Work(loads, len(loads), turn, stopping, exchange)
    is_last_alone = exchange is None and len(loads) > _MANY * workers
    theirs = work._replace(end=len(loads) - _LAST * is_last_alone)
    crew: list[_Worker] = []
    try:
        for _ in range(workers - 1):
            crew.append(_started(theirs, fresh, ledgers, [worker.told for worker in crew]))
        watch = _Watch(crew, stop, source.rows, progress)
        mine = _counted(work, 0, fresh, watch.tell, watch.look)
        _meanwhile(mine.part, watch)
        watch.wait()
        # nobody waits for those that end: what they held is given back meanwhile
        return _brought_home(mine, [read_answer(worker.answer) for worker in crew], fresh, ledgers)
    finally:
        _put_away(crew, [stopping, stop, *turn])
        if exchange is not None:
            exchange.close()


def _brought_home(
    mine: _Counted, answers: Sequence[Answer], fresh: Callable[[], A], ledgers: Sequence[Ledger]
) -> tuple[A, bool]:
    """What all have counted, and whether that is everything."""
    for answer in answers:
        for ledger, pieces in zip(ledgers, answer.of("ledger").values(), strict=True):
            ledger.take(pieces)
    raise_first([mine.about, *(answer.about for answer in answers)])
    total = mine.part
    assert total is not None
    complete = all(about["complete"] for about in (mine.about, *(answer.about for answer in answers)))
    for answer in answers:
        part = fresh()
        if complete:
            part.restore(answer.of("state"))
            total.merge(part)
        else:
            part.evidence.load_state_dict(answer.of("evidence"))
            total.evidence.merge(part.evidence)
    return total, complete


def _meanwhile(part: Any, watch: _Watch) -> None:
    """Sort what waits in a part for somebody to ask for it, and import, while others write their answers."""
    for column in part.columns() if hasattr(part, "columns") else ():
        if not watch.goes_on:
            return
        column.settle()
        watch.look()
    for name in part.asked_by if hasattr(part, "asked_by") else ():
        if not watch.goes_on:
            return
        import_module(name)
        watch.look()


class _Turn(NamedTuple):
    """The number of the next load, in a pipe: whoever wants one takes it out and puts back the one after."""

    taking: int
    putting: int

    @classmethod
    def first(cls) -> _Turn:
        turn = cls(*os.pipe())
        os.set_blocking(turn.taking, False)
        os.write(turn.putting, bytes(8))
        return turn

    def take(self, end: int, look: Callable[[], object]) -> int | None:
        """The load that is now the caller's, if there is one before ``end``.

        ``look`` is called while another, who may be dead, holds the turn.
        """
        while True:
            if not select.select([self.taking], [], [], POLL_SECONDS)[0]:
                look()
            with suppress(BlockingIOError):  # another one was faster
                number = int.from_bytes(os.read(self.taking, 8), "little")
                os.write(self.putting, min(number + 1, max(number, end)).to_bytes(8, "little"))
                return number if number < end else None


class _Work(NamedTuple):
    """What is to be done: all loads, up to which one, whose turn it is, where it says that all may stop, and how keys
    get to the process that counts them.
    """

    loads: Sequence[Callable[[], Batch]]
    end: int
    turn: _Turn
    stopping: int
    exchange: Exchange | None

    def member(self, number: int, part: Any, look: Callable[[], object]) -> Member | None:
        """One of the processes in the exchange, if there is any."""
        if self.exchange is None:
            return None
        return Member(self.exchange, number, [*part.exchanged()], self.stopping, look)

    def next(self, look: Callable[[], object]) -> int | None:
        """The number of the load to take, if there is one."""
        look()
        return None if select.select([self.stopping], [], [], 0)[0] else self.turn.take(self.end, look)


class _Counted(NamedTuple):
    """What a process has to say of its loads: whether all went well, else what failed first; and what it counted."""

    about: dict[str, Any]
    part: Any


def _counted(
    work: _Work, own: int, fresh: Callable[[], A], tell: Callable[[int], object], look: Callable[[], object]
) -> _Counted:
    """Take loads until there are none, or one fails, as the process with the number ``own``."""
    part, complete = fresh(), True
    member = work.member(own, part, look)
    while complete and (number := work.next(look)) is not None:
        try:
            if member is not None:
                member.take()
            batch = work.loads[number]()
            complete = part.add(batch)
        except Exception as e:
            tell(_STOPPED)
            return _Counted({"complete": False, "number": number, "error": e}, None)
        tell(batch.done if complete else _STOPPED)
    if complete:
        settle(part)
        if member is not None:
            member.finish()
    return _Counted({"complete": complete}, part)


def _started(work: _Work, fresh: Callable[[], A], ledgers: Sequence[Ledger], others: Sequence[int]) -> _Worker:
    """A worker; ``others`` are where the first process hears those that were started before."""
    answer = os.memfd_create("evalcli-worker")
    told, tell = os.pipe()
    first = os.getpid()
    pid = forked()
    if pid:
        os.close(tell)
        return _Worker(pid, answer, told)

    def look() -> None:
        if os.getppid() != first:  # nobody waits for an answer any more
            os._exit(1)

    code = 1
    try:  # from here on a worker, which must not return into what it was forked from
        for end in (told, *others):  # so that nobody can be told anything once the first process is gone
            os.close(end)
        try:
            about, arrays = _answered(
                _counted(work, 1 + len(others), fresh, lambda number: _tell(tell, number), look), ledgers
            )
        except Exception as e:
            _tell(tell, _STOPPED)  # the others wait for the keys that this one has not left
            lost = {"complete": False, "number": len(work.loads), "error": e}
            about, arrays = _answered(_Counted(lost, None), ledgers)
        write_answer(answer, about, arrays)
        _tell(tell, _ANSWERED)
        code = 0
    finally:
        os._exit(code)


def _answered(counted: _Counted, ledgers: Sequence[Ledger]) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a worker answers: its states, or why there are none."""
    about, part = counted
    found: dict[str, Mapping[str, Array]] = {}
    if part is not None:
        found = {"evidence": part.evidence.state_dict(), "state": part.state_dict() if about["complete"] else {}}
    if "error" in about:
        about = about | {"error": in_words(about["error"])}
    found["ledger"] = {str(place): ledger.pieces() for place, ledger in enumerate(ledgers)}
    return about, {f"{what}/{name}": array for what, state in found.items() for name, array in state.items()}


def _tell(tell: int, number: int) -> None:
    os.write(tell, number.to_bytes(8, "little", signed=True))


class _Watch:
    """How far all are, as the first process sees it; where one says so, it lets all of them stop."""

    def __init__(self, crew: Sequence[_Worker], stop: int, total: int | None, progress: Progress | None) -> None:
        self._crew, self._stop, self._total, self._progress = crew, stop, total, progress
        self._open = {worker.told: worker for worker in crew}
        self._lost: LimitError | None = None
        self._done = 0

    def tell(self, number: int) -> None:
        """Say that this process has counted so many rows, or stops."""
        self._take([number])
        self.look()

    @property
    def goes_on(self) -> bool:
        """Whether somebody has not answered yet."""
        return bool(self._open)

    def wait(self) -> None:
        """Look on until the last one has answered.

        Raises:
            LimitError: one of them was killed, now or before.

        """
        while self._lost is None and self._open:
            self.look(POLL_SECONDS)
        if self._lost is not None:  # it was found in the middle of a load, which failed for it
            raise self._lost

    def look(self, seconds: float = 0) -> None:
        """Hear what the others tell.

        Raises:
            LimitError: one of them was killed, so that the others need not go on.

        """
        for end in select.select(list(self._open), [], [], seconds)[0]:
            numbers = np.frombuffer(os.read(end, 1 << 12), "<i8").tolist()
            if not numbers:
                self._lost = _ended(self._open.pop(end))
                raise self._lost
            if numbers[-1] == _ANSWERED:
                self._open.pop(end)
            self._take(numbers)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _take(self, numbers: Sequence[int]) -> None:
        if _STOPPED in numbers:
            os.write(self._stop, b"!")
        self._done += sum(number for number in numbers if number >= 0)


def _ended(worker: _Worker) -> LimitError:
    """Why there is no answer of a worker that tells no more."""
    code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    what = f"a worker was killed by signal {-code}" if code < 0 else "a worker has ended without an answer"
    return LimitError(what, fix="where memory is short, try --workers 1 or a smaller --ranking-budget")


def _put_away(crew: Iterable[_Worker], ends: Iterable[int]) -> None:
    """End what still runs, and close everything."""
    for worker in crew:
        end_process(worker.pid)
        os.close(worker.told)
        os.close(worker.answer)
    for end in ends:
        os.close(end)
