"""``evalcli.overlap``: the rows that two files share, such as what leaks from train into test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from evalcli.api.saving import save_as
from evalcli.errors import UsageError
from evalcli.keywords import check_running, in_keywords, with_known_keywords
from evalcli.sources.base import Selection

if TYPE_CHECKING:
    from evalcli.comparing.data import Overlap as PlainOverlap


class Overlap:
    """What ``evalcli compare --overlap`` says of two files: rows ``n`` of each, ``distinct`` ones, ``shared`` ones.

    ``data`` is the record behind it: by what rows were compared, the first shared ``rows``, ``findings``. Printed, it
    reads as on the command line.
    """

    __slots__ = ("data",)

    data: PlainOverlap
    """The record: what the JSON holds."""

    def __init__(self, data: PlainOverlap) -> None:
        self.data = data

    @property
    def n(self) -> tuple[int, int]:
        """Rows of each file."""
        return self.data.n

    @property
    def distinct(self) -> tuple[int, int]:
        """How many of them differ from each other."""
        return self.data.distinct

    @property
    def shared(self) -> tuple[int, int]:
        """How many distinct rows of each file are in the other."""
        return self.data.shared

    def to_json(self) -> str:
        """The JSON of ``evalcli compare --overlap -f json``."""
        return self._rendered("json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all; the suffix picks .json, .csv, .md, .html or .txt.

        Raises:
            UsageError: no format is known for the suffix.
            OutputError: the file cannot be written; what stood there before still stands.

        """
        save_as(path, self._rendered)

    def _rendered(self, form: str) -> str:
        from evalcli.renderers.overlap import render_overlap

        return render_overlap(self.data, form)

    def __str__(self) -> str:
        return self._rendered("rich").rstrip("\n")

    def __repr__(self) -> str:
        return (
            f"<Overlap of {self.data.paths[0]} and {self.data.paths[1]}: {self.shared[1]} of {self.distinct[1]} rows>"
        )


@with_known_keywords
def overlap(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    id: str | None = None,  # noqa: A002  # the option's name
    where: str | None = None,
    workers: int | None = None,
) -> Overlap:
    """Count the rows that two files share, by an id or by their content.

    Args:
        first: A table or a file of arrays, such as that of train.
        second: Another one of the same kind, such as that of test.
        id: The column that tells rows apart; without one, rows are the same where all that both files have is.
        where: Keep the rows of tables for which this SQL holds.
        workers: Threads that read. No result depends on it.

    Returns:
        What they share.

    Raises:
        EvalError: of the kind that says what is wrong: with an argument (``UsageError``) or a file (``InputError``).

    """
    from evalcli.comparing.overlap import compare_files

    check_running(workers)
    paths = _path(first), _path(second)
    with in_keywords():
        selection = Selection(id=id, where=where, workers=workers)
        return Overlap(compare_files(*paths, selection))


def _path(given: Any) -> str:
    """What a file is called; anything else is refused."""
    if not isinstance(given, (str, os.PathLike)):
        what = f"a {type(given).__name__} is no file, and the rows of two files are counted"
        raise UsageError(what, fix="save it first, or name the file that it was read from")
    return os.fspath(given)
