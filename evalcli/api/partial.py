"""Reports of rows that lie apart: parts from ``evaluate(..., partial=True)``, added up by ``merge``.

Nothing but bytes crosses a process, so any engine that maps a function over partitions and reduces its results will do:

>>> from concurrent.futures import ProcessPoolExecutor
>>> def report(shards):
...     with ProcessPoolExecutor() as pool:
...         return evalcli.merge(pool.map(functools.partial(evalcli.evaluate, partial=True), shards)).report()
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from evalcli.api.report import Report
from evalcli.errors import UsageError
from evalcli.keywords import check_running, in_keywords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evalcli.parts import Part as PlainPart


class Part:
    """What was counted of some rows: a little that can be sent, saved and added up, and reported without the rows.

    ``bytes(part)`` are those of the file that ``evalcli report -o PART.evalcli`` writes.

    >>> import evalcli
    >>> first = evalcli.evaluate([0, 1], [0, 1], partial=True)
    >>> second = evalcli.evaluate([1, 1], [0, 1], partial=True)
    >>> evalcli.merge([first, second]).report()["accuracy"]
    0.75
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)

    def __bytes__(self) -> bytes:
        return self._data

    def __reduce__(self) -> tuple[type[Part], tuple[bytes]]:
        return Part, (self._data,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def report(
        self, *, own: Iterable[Any] | Mapping[str, Any] = (), define: Mapping[str, str] | None = None, workers: int = 1
    ) -> Report:
        """The report of its rows.

        Args:
            own: The metrics of your own that were counted: a part holds what they gathered, and never their code.
            define: Metrics from others, as ``evaluate`` takes them.
            workers: Threads that compute intervals. No result depends on it.

        Raises:
            EvalError: rows are missing that the files of the part have, or all rows together cannot be evaluated.

        """
        from evalcli.api.evaluating import definitions_of
        from evalcli.extras import Extras
        from evalcli.loading import own_metrics
        from evalcli.merging import check_complete
        from evalcli.parts import measured_of_part, report_of_part

        check_running(workers)
        with in_keywords():
            extras = Extras(own_metrics(own), definitions_of(define))
            held = self._held()
            check_complete(held)
            also = extras.needed(())
            report = report_of_part(held, also, workers, extras.own)
            return Report(extras.defined(report, measured_of_part(held, also, workers)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all; ``evalcli merge`` takes it.

        Raises:
            UsageError: the suffix is not ``.evalcli``.
            OutputError: the file cannot be written; what stood there before still stands.

        """
        from evalcli.cli.output import PART, check_outputs, write_outputs

        (target,) = check_outputs([os.fspath(path)], parts=True)
        if target.format != PART:
            raise UsageError("a part is no report", fix="name a file as in PART.evalcli", path=target.path)
        write_outputs([(target, self._data)])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Part:
        """A part from its file.

        Raises:
            InputError: the file cannot be read, or is no part.

        """
        from evalcli.parts import encode, read_part

        return cls(encode(read_part(os.fspath(path))))

    def _held(self, path: str = "part") -> PlainPart:
        from evalcli.parts import decode

        return decode(self._data, path)

    def __repr__(self) -> str:
        about = self._held().about
        return f"<Part {about.task}, n={about.n}>"


def merge(parts: Iterable[Part | str | os.PathLike[str]]) -> Part:
    """Parts of disjoint rows as one: any order and any tree gives the same bytes.

    Only metrics of the caller's own see an order: that of the names of the files, and of arrays in memory, which have
    none, that of ``parts``.

    Args:
        parts: What ``evaluate(..., partial=True)`` gave, or paths of saved parts. They are taken one at a time.

    Raises:
        UsageError: these are no parts.
        InputError: one is no part, two do not belong together, or hold the same rows of a file.

    """
    from evalcli.merging import merge as add_up
    from evalcli.parts import encode

    if isinstance(parts, Part | str | os.PathLike) or not hasattr(parts, "__iter__"):
        raise UsageError(f"several parts are merged, not a {type(parts).__name__}", fix="as in merge([first, second])")
    with in_keywords():
        return Part(encode(add_up(_held(parts))))


def _held(parts: Iterable[Any]) -> Iterator[PlainPart]:
    from evalcli.parts import read_part

    for number, part in enumerate(parts):
        if not isinstance(part, Part | str | os.PathLike):
            what = f"part {number} is a {type(part).__name__}"
            raise UsageError(what, fix="give what evaluate(..., partial=True) made, or the path of a saved part")
        yield part._held(f"part {number}") if isinstance(part, Part) else read_part(os.fspath(part))
