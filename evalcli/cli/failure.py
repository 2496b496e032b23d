"""How the process ends when there is no verdict: one line on standard error, and an exit code.

With ``--format json`` an error is also one JSON document on standard output. A bug leaves its traceback in a file,
because source lines and values do not belong on a build log.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from evalcli.cli import streams
from evalcli.errors import EvalError, ExitCode, LimitError, several
from evalcli.renderers.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "evalcli.error/1"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while rows were counted: ``done`` of ``total`` (``None``: unknown), and ``of`` what they are rows."""

    def __init__(self, done: int, total: int | None, of: str = "") -> None:
        super().__init__()
        self.of = of
        self.done = done
        self.total = total


class Terminated(BaseException):
    """SIGTERM. Unwinds the stack, so that everything temporary is removed on the way."""


_LACK = ("failed to map segment", "annot allocate memory", "can't start new thread")
"""How a library that is loaded, a system call and a new thread say so, in errors of other kinds."""


def is_lack_of_memory(error: Exception) -> bool:
    """Memory did not suffice, in the words of whoever noticed; DuckDB's error has nothing but its name in common.

    >>> is_lack_of_memory(MemoryError()), is_lack_of_memory(RuntimeError("can't start new thread"))
    (True, True)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return True
    return isinstance(error, (ImportError, OSError, RuntimeError)) and any(words in str(error) for words in _LACK)


def is_lack_of_threads(error: BaseException) -> bool:
    """Memory is limited, and the import of numpy cut short: OpenBLAS sends SIGINT where its threads find no room."""
    while error.__context__ is not None:
        error = error.__context__
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_name != "<module>" or sys.platform == "win32":
        return False
    if not str(trace.tb_frame.f_globals.get("__name__")).startswith("numpy."):
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def tell_no_room(*, as_json: bool) -> ExitCode:
    """Say that numpy could not be loaded."""
    fix = "raise its limit, or set OPENBLAS_NUM_THREADS=1"
    return tell(LimitError("not enough memory to start numpy", fix=fix), as_json=as_json)


def tell(error: EvalError, *, as_json: bool) -> ExitCode:
    """Say what is wrong, where and what to do."""
    streams.say(f"evalcli: {visible(str(error))}")
    if as_json:
        _document(error.code, error.kind, error.path, error.what, error.fix)
    return ExitCode.NO_VERDICT


def tell_interrupted(error: KeyboardInterrupt) -> ExitCode:
    """Say how far the work was."""
    where = ""
    if isinstance(error, Interrupted) and error.done:
        first = f"{error.done:,} of " if error.total is not None else ""
        where = f" after {first}{several(error.done if error.total is None else error.total, 'row')}{error.of}"
    streams.say(f"evalcli: interrupted{where}, no verdict")
    return ExitCode.INTERRUPTED


def tell_bug(error: BaseException, *, as_json: bool) -> ExitCode:
    """Say that it is evalcli's fault, and where the traceback lies."""
    import tempfile
    import traceback

    name = type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="evalcli-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.writelines(traceback.format_exception(error))
        where = f"the traceback is in {file.name}"
    except OSError:
        where = "its traceback could not be written"
    what = f"a bug in evalcli ({name}); {where}"
    streams.say(f"evalcli: {visible(what)}; please report it [bug]")
    if as_json:
        _document("bug", "bug", "", f"a bug in evalcli ({name})", where)
    return ExitCode.BUG


def wants_json(argv: Sequence[str]) -> bool:
    """Whether ``--format json`` was typed: known even when the command line cannot be read.

    >>> wants_json(["report", "x.csv", "-f", "json"]), wants_json(["report", "--format=csv"])
    (True, False)
    """
    formats = [after for before, after in pairwise(argv) if before in {"-f", "--format"}]
    formats += [one.partition("=")[2] for one in argv if one.startswith("--format=")]
    formats += [one[2:] for one in argv if one.startswith("-f") and len(one) > 2]
    return "json" in formats


def _document(code: str, kind: str, path: str, message: str, fix: str) -> None:
    import json

    error = {"code": code, "kind": kind, "path": path, "message": message, "fix": fix}
    shown = {key: visible(text) for key, text in error.items()}
    try:
        streams.emit(json.dumps({"schema": SCHEMA, "error": shown}) + "\n")
    except EvalError:
        return  # standard output may be what failed; the line on standard error has said it
