"""The errors a user can cause, and the exit codes a pipeline can trust.

Every error is one line, ``path: what is wrong; what to do [E3]``. The kind names the error in the message and in the
JSON error object; the process exits 2 for all of them, because no verdict was reached.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DAMAGED = "the file is damaged or forged"
"""What to make of a file that contradicts itself."""

WRITE_AGAIN = "see whether what wrote it came to its end, and write it again"
"""What to do about a file with nothing in it."""


class ExitCode(IntEnum):
    """What the process says to the shell. Never computed from a count."""

    PASS = 0
    FAIL = 1
    NO_VERDICT = 2
    INCONCLUSIVE = 3
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


def why(error: OSError | ValueError) -> str:
    """What the system says is wrong with a file or its name, in lower case."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def remedy(error: OSError | ValueError) -> str:
    """What to do about it.

    >>> remedy(PermissionError(errno.EACCES, "Permission denied"))
    'see who may do so (ls -l)'
    """
    return _REMEDIES.get(getattr(error, "errno", None) or 0, "see whether the path is right, and the disk is well")


_REMEDIES = {
    errno.ENOENT: "see whether the path is right",
    errno.ENOTDIR: "see whether the path is right",
    errno.EACCES: "see who may do so (ls -l)",
    errno.EPERM: "see who may do so (ls -l)",
    errno.ENAMETOOLONG: "shorten its name",
    errno.ELOOP: "name what its links should lead to",
    errno.EMFILE: "let more files be open (ulimit -n)",
    errno.ENFILE: "let more files be open (ulimit -n)",
    errno.EIO: "see whether the disk is well, and copy the file to another",
    errno.ENOSPC: "make room there, or write to another disk",
    errno.EDQUOT: "make room there, or write to another disk",
    errno.EFBIG: "write to a disk that takes larger files, or raise ulimit -f",
    errno.EROFS: "write to another disk",
    errno.ENXIO: "give a file; what comes through a pipe is read as -",
}


class Faulty(NamedTuple):
    """How many rows are at fault, where the first few lie in words, and what a column is there."""

    rows: int
    places: list[str]
    values: list[Any]


def several(count: int, noun: str) -> str:
    """So many of something.

    >>> several(1, "row"), several(2000, "row"), several(3, "entry")
    ('1 row', '2,000 rows', '3 entries')
    """
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


class EvalError(Exception):
    """The base of everything that evalcli reports in one line instead of a traceback.

    Parameters are plain text: ``what`` is wrong, how to ``fix`` it (may be empty), in which ``path`` (may be empty).
    """

    code: ClassVar[str] = "E3"
    kind: ClassVar[str] = "input"
    faulty: Faulty | None = None
    """The rows that it is about, where others may have more of them."""
    again: Callable[[Faulty], EvalError] | None = None
    """What it is of other rows at fault."""
    order: tuple[int, ...] = ()
    """Where it stands among errors of which each is told only where those before it are not."""

    def __init__(self, what: str, *, fix: str = "", path: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.path = path

    def rename(self, path: str, alias: str) -> None:
        """Speak of ``path`` by the name the user knows."""
        self.path, self.what, self.fix = (text.replace(path, alias) for text in (self.path, self.what, self.fix))

    @classmethod
    def counted(cls, faulty: Faulty, said: Callable[[Faulty], EvalError], order: tuple[int, ...] = ()) -> EvalError:
        """What is ``said`` of these rows, and can be said again of those of others beside them."""
        error = said(faulty)
        error.faulty, error.again, error.order = faulty, said, order
        return error

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{place}{self.told} [{self.code}]"

    @property
    def told(self) -> str:
        """What is wrong, and what to do.

        >>> EvalError("no column 'Pred'; did you mean 'pred'?", fix="choose with --pred").told
        "no column 'Pred'; did you mean 'pred'? choose with --pred"
        """
        between = " " if self.what.endswith("?") else "; "
        return f"{self.what}{between}{self.fix}" if self.fix else self.what


class UsageError(EvalError):
    """The command line or a configuration file asks for something that cannot be."""

    code = "E2"
    kind = "usage"


class InputError(EvalError):
    """A file or its content cannot be evaluated."""

    code = "E3"
    kind = "input"


class OutputError(EvalError):
    """A result could not be written."""

    code = "E4"
    kind = "output"


class EmptyError(EvalError):
    """Nothing was left to evaluate."""

    code = "E5"
    kind = "empty"


class LimitError(EvalError):
    """The input or the work goes beyond a limit."""

    code = "E6"
    kind = "limit"
