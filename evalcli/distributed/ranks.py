"""The processes of a launch, called ranks, and how they talk: by gloo, as states live on the host when they are sent.

Whatever goes wrong in one rank ends all of them: an error is told to the others at the next exchange, and a rank that
is gone, or comes to an exchange later than the time-out, is an error in every other.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from evalcli import __version__, errors
from evalcli.distributed.shared import all_at_fault, error_told, first_told
from evalcli.errors import EvalError, ExitCode, Faulty, LimitError
from evalcli.partfile import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from evalcli.counting import Pass
    from evalcli.launch import Launch

PATIENCE = 600.0
"""Seconds that a rank waits for the others, unless told otherwise."""

_PIECE = 1 << 28
"""Bytes sent at a time."""
_AT_WORK = -1
"""What rank 0 says while it has no exit code."""
_GRACE = 1.0
"""Seconds after the time-out in which torch can say itself that ranks have not come together."""
_BEATS, _OFTEN = 4, 30.0
"""So many times within the time-out it says so, and at least every so many seconds."""


class LostError(LimitError):
    """Another rank is gone, or was not there in time."""


class Ranks:
    """All processes of a launch, connected. Every method is called by all of them, in the same order.

    Raises:
        LostError: a rank is gone or late; from any method.

    """

    def __init__(self, launch: Launch, timeout: float | None = None) -> None:
        self.rank, self.size = launch.rank, launch.size
        self.launch = launch
        self.timeout = timeout or PATIENCE
        self._joined = False
        self.failures: tuple[EvalError, ...] = ()
        """What ranks have found in the exchange that failed, if all of them are still there to talk."""
        self._told: Exception | None = None
        self._code = ExitCode.BUG

    def __enter__(self) -> Self:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # an error is one line, and no stack of C++ before it
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = self.launch.address, str(self.launch.port)
        import torch.distributed  # noqa: F401  # here and not in the thread, whose errors nobody would catch

        failed: list[Exception] = []
        # In a thread, because torch waits for ever for an answer of a rank 0 that hangs while they come together.
        meeting = threading.Thread(target=self._meet, args=(failed,), daemon=True)
        meeting.start()
        meeting.join(self.timeout + _GRACE)
        if failed or meeting.is_alive():
            raise LostError(
                f"rank {self.rank}: not all {self.size} ranks have come together within {self.timeout:g} s",
                fix="start all of them; if this is no distributed run, unset RANK and WORLD_SIZE",
            ) from (failed[0] if failed else None)
        self._joined = True
        return self

    def _meet(self, failed: list[Exception]) -> None:
        """Connect all ranks; whatever goes wrong is ``failed``."""
        from datetime import timedelta

        import torch.distributed as dist

        try:
            dist.init_process_group(
                "gloo", rank=self.rank, world_size=self.size, timeout=timedelta(seconds=self.timeout)
            )
        except Exception as e:
            failed.append(e)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The threads of gloo let go of what was sent last, Python's own bytes among it. A thread that does so while the
        # interpreter winds up aborts the process, so they are ended first. An interrupt alone may leave a call open
        # that would have to be waited for.
        if self._joined and (kind is None or issubclass(kind, Exception)):
            import torch.distributed as dist

            dist.destroy_process_group()

    def agree(self, work: Callable[[], bytes]) -> list[bytes]:
        """Do ``work``, and give what all ranks made of it, by rank.

        ``work`` may ask all of them for less on its way, as long as that of all others does, too.

        Raises:
            EvalError: what the first of them raised, in all of them.

        """
        failed: EvalError | None = None
        try:
            reply = b"+" + work()
        except EvalError as e:
            if e is self._told:  # all of them know
                raise
            failed, reply = e, b"-" + error_told(e)
        except Exception as e:  # a bug: told to the others as what it is to them, and raised as what it is here
            if e is self._told:
                raise
            self._told = e
            said = f"rank {self.rank} failed ({type(e).__name__}), no verdict"
            to_others = LimitError(said, fix="see what it says on its standard error")
            self._first_error(self._exchange(b"!" + error_told(to_others)), None)
            raise
        replies = self._exchange(reply)
        error = self._first_error(replies, failed)
        if error is not None:
            self._told = error
            raise error
        return [one[1:] for one in replies]

    def _first_error(self, replies: Sequence[bytes], mine: EvalError | None) -> EvalError | None:
        """The error that one process would tell first, of the rows at fault that all have told of."""
        failures = {rank: one[1:] for rank, one in enumerate(replies) if one[:1] in {b"-", b"!"}}
        if not failures:
            return None
        broken = any(one[:1] == b"!" for one in replies)
        self.failures = () if broken else tuple(map(_error_of, failures.values()))
        rank = first_told(failures)
        error = _error_of(failures[rank])
        if error.faulty is not None:
            again = all_at_fault(mine, [*failures.values()]) if rank == self.rank and mine is not None else b""
            error = _error_of(self._exchange(again)[rank])
        return error

    def knows(self, error: EvalError) -> bool:
        """Whether it is what all of them were told, and all are there to talk about it."""
        return error is self._told and bool(self.failures)

    def total(self, gathered: Pass, fresh: Callable[[], Pass]) -> Pass | None:
        """Everything that all ranks have gathered, in rank 0; the others get ``None``."""
        step = 1
        while step < self.size:
            if self.rank % (2 * step) == step:
                self._send(pack({}, gathered.state_dict(), __version__), self.rank - step)
                return None
            if self.rank + step < self.size:
                theirs = fresh()
                theirs.restore(unpack(self._receive(self.rank + step), f"rank {self.rank + step}").arrays)
                gathered.merge(theirs)
            step *= 2
        return gathered

    def settle(self, code: int) -> int:
        """The exit code of rank 0, in all of them."""
        import torch
        import torch.distributed as dist

        number = torch.tensor([code])
        self._guarded(lambda: dist.broadcast(number, 0))
        return int(number.item())

    def in_first(self, work: Callable[[], ExitCode]) -> ExitCode:
        """The exit code of ``work``, which rank 0 does while the others wait for it, however long it takes.

        Raises:
            EvalError: what ``work`` has raised, in rank 0; the others get the exit code.

        """
        if self.rank > 0:
            while (code := self.settle(_AT_WORK)) == _AT_WORK:
                pass
            return ExitCode(code)
        code = ExitCode.BUG
        with self._heard():
            try:
                code = work()
            except BaseException as e:
                is_bug = isinstance(e, Exception) and not isinstance(e, EvalError | MemoryError)
                code = ExitCode.BUG if is_bug else ExitCode.NO_VERDICT
                raise
            finally:
                self._code = code
        return ExitCode(code)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Tell the others again and again that rank 0 is at work, then its exit code.

        A thread does, as the work may take longer than anybody waits. Who is gone by now changes no verdict.
        """
        done = threading.Event()

        def tell() -> None:
            with suppress(LostError):
                while not done.wait(min(self.timeout / _BEATS, _OFTEN)):
                    self.settle(_AT_WORK)
                self.settle(self._code)

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()

    def _exchange(self, data: bytes) -> list[bytes]:
        try:
            return self._exchanged(data)
        except Exception as e:  # the others may be in the middle of it, and hear of it when this rank leaves
            self._told, self.failures = e, ()
            raise

    def _exchanged(self, data: bytes) -> list[bytes]:
        import torch
        import torch.distributed as dist

        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        self._guarded(lambda: dist.all_gather(sizes, torch.tensor([len(data)])))
        most = max(int(size.item()) for size in sizes)
        mine = torch.frombuffer(bytearray(data.ljust(most, b"\0")), dtype=torch.uint8)
        held = [torch.zeros(most, dtype=torch.uint8) for _ in range(self.size)]
        self._guarded(lambda: dist.all_gather(held, mine))
        return [bytes(one.numpy()[: int(size.item())]) for one, size in zip(held, sizes, strict=True)]

    def _send(self, data: bytes, rank: int) -> None:
        import torch
        import torch.distributed as dist

        self._guarded(lambda: dist.send(torch.tensor([len(data)]), rank))
        for start in range(0, len(data), _PIECE):
            piece = torch.frombuffer(bytearray(data[start : start + _PIECE]), dtype=torch.uint8)
            self._guarded(partial(dist.send, piece, rank))

    def _receive(self, rank: int) -> bytes:
        import torch
        import torch.distributed as dist

        size = torch.zeros(1, dtype=torch.int64)
        self._guarded(lambda: dist.recv(size, rank))
        pieces = []
        for start in range(0, int(size.item()), _PIECE):
            piece = torch.zeros(min(_PIECE, int(size.item()) - start), dtype=torch.uint8)
            self._guarded(partial(dist.recv, piece, rank))
            pieces.append(piece.numpy().tobytes())
        return b"".join(pieces)

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except RuntimeError as e:
            late = "timed out" in str(e).lower() or "timeout" in str(e).lower()
            what = f"has not come within {self.timeout:g} s" if late else "is gone"
            fix = "--timeout gives the others longer" if late else "the log of the launcher says which one, and why"
            raise LostError(f"rank {self.rank}: another rank {what}, no verdict", fix=fix) from e


def _error_of(told: bytes) -> EvalError:
    """An error that was told to other processes."""
    name, what, fix, path, _, faulty = json.loads(told)
    error: EvalError = getattr(errors, name, LimitError)(what, fix=fix, path=path)
    error.faulty = None if faulty is None else Faulty(*faulty[1:])
    return error
