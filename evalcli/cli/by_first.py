"""Commands as one of several processes: the first one does the work, the others wait and leave with its exit code.

Rows that are compared or listed are read by one process, which prints once and writes each file once. It tells the
others from time to time that it is still there: one that hears nothing for as long as ``--timeout`` says, or finds it
gone, ends with an error. ``evalcli report`` shares its rows out, see ``cli/ranks.py``.
"""

from __future__ import annotations

import os
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from evalcli.cli import streams
from evalcli.errors import EvalError, ExitCode
from evalcli.launch import launched

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.launch import Launch


def by_first(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """A command that the first of several processes runs for all of them."""

    @wraps(command)
    def alone(**groups: Any) -> ExitCode:
        launch = launched(os.environ)
        work = partial(command, **groups)
        if launch is None:
            return work()
        timeouts = (getattr(group, "timeout", None) for group in groups.values())
        return run_in_first(launch, next((one for one in timeouts if one is not None), None), work)

    return alone


def run_in_first(launch: Launch, timeout: float | None, work: Callable[[], ExitCode]) -> ExitCode:
    """Do ``work`` in rank 0; what comes of it is the exit code of all.

    Raises:
        EvalError: in rank 0, which says it for all.

    """
    from evalcli.distributed.ranks import LostError, Ranks

    try:
        with Ranks(launch, timeout) as ranks:
            return ranks.in_first(work)
    except LostError as e:
        if launch.rank > 0:  # rank 0 may be the one that is gone; standard output stays its own
            streams.say(f"evalcli: {e}")
            return ExitCode.NO_VERDICT
        raise
    except EvalError:
        if launch.rank == 0:
            raise
        return ExitCode.NO_VERDICT
