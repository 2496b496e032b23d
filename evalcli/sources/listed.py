"""Rows one by one: which row of which file each is, what it is called there, and further columns beside it.

Label tables are counted as groups, and most rows of an input are never looked at singly. Whoever wants to see single
rows asks the source for its rows ``listed``: the same rows in the order of the predictions, none of them grouped.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import UsageError
from evalcli.sources.base import EVERY
from evalcli.sources.naming import SHOWN_NAMES, near_name
from evalcli.sources.usual_names import ID_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from evalcli.sources.base import Batch, Source


class Place(NamedTuple):
    """Where a row stands: the file, where an input has several, and the line of a text file."""

    file: str | None = None
    line: int | None = None


class Listed(ABC):
    """The rows of a source, each a row of its own.

    ``columns`` are the names of the cells that come with every row; ``named`` says that the first of them is what the
    rows are called, and not one that was asked for. ``has_lines`` and ``has_files`` say what ``places`` knows.
    """

    rows: int | None
    columns: tuple[str, ...] = ()
    named: bool = False
    has_lines: bool = False
    has_files: bool = False
    even: bool = False
    """Whether all loads but the last hold just as many rows as were asked for."""

    @abstractmethod
    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Loads of at most ``size`` rows each, in row order; each may be called from any thread, once."""

    def places(self, numbers: Sequence[int]) -> list[Place]:
        """Where the rows of these numbers stand; quickest where the numbers only grow."""
        return [Place() for _ in numbers]


class PlainRows(Listed):
    """The rows of a source that has nothing beside them."""

    even = True

    def __init__(self, source: Source, show: Sequence[str]) -> None:
        if show and tuple(show) != (EVERY,):
            raise UsageError(f"there is no column {show[0]!r} to show", fix="drop --show", path=source.preds.path)
        self.rows = source.rows
        self._source = source

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Those of the source."""
        return self._source.plan(size)


def usual_id(names: Sequence[str], taken: Collection[str]) -> str | None:
    """The name under which rows usually have an id, where it is the only such one.

    >>> usual_id(["image_id", "target"], ["target"]), usual_id(["id", "uuid"], [])
    ('image_id', None)
    """
    found = [name for name in names if name.lower() in ID_NAMES and name not in taken]
    return found[0] if len(found) == 1 else None


def without_id(show: Sequence[str], identity: str | None) -> list[str]:
    """What to show beside the id: not a column ``id`` once more.

    >>> without_id(["id", "text"], "id"), without_id(["key"], "key")
    (['text'], ['key'])
    """
    return [name for name in show if not name == identity == "id"]


def shown_names(show: Sequence[str], sides: Mapping[str, Sequence[str]], used: Collection[str] = ()) -> list[str]:
    """The names in ``show``, each once; in place of a pattern the columns it matches, of ``*`` those not in ``used``.

    What no column is called may be several with commas between.

    >>> shown_names(["p_*,text"], {"preds": ["pred", "p_a", "p_b"], "target": ["text", "p_b"]})
    ['p_a', 'p_b', 'text']
    >>> shown_names(["*"], {"preds": ["id", "pred", "region"]}, {"id", "pred"})
    ['region']
    """
    every = dict.fromkeys(name for names in sides.values() for name in names if name)
    found: dict[str, None] = {}
    for name in (part for text in show for part in ([text] if text in every else text.split(","))):
        if "*" in name and name not in every:
            like = re.compile(re.escape(name).replace(r"\*", ".*"), re.DOTALL)
            matched = [each for each in every if like.fullmatch(each) and (name != EVERY or each not in used)]
            found |= dict.fromkeys(matched if matched or name == EVERY else [name])
        else:
            found[name] = None
    return [*found]


def find_column(name: str, sides: Mapping[str, Sequence[str]], flag: str, path: str, noun: str) -> tuple[str, str]:
    """The side (``preds`` or ``target``) and the exact name of a column; ``target.region`` says which of two is meant.

    Raises:
        UsageError: there is no such column.

    """
    for side, names in sides.items():
        if name in names:
            return side, name
    side, dot, rest = name.partition(".")
    if dot and rest in sides.get(side, ()):
        return side, rest
    every = list(dict.fromkeys(each for names in sides.values() for each in names))
    near = near_name(name, every)
    hint = f"; did you mean {near!r}?" if near is not None else ""
    shown = ", ".join(repr(each) for each in every[:SHOWN_NAMES] if each)
    more = f" and {len(every) - SHOWN_NAMES} more" if len(every) > SHOWN_NAMES else ""
    listed = f"{noun}s are {shown}{more}" if shown else f"there is no named {noun}"
    raise UsageError(f"{flag}: no {noun} {name!r}{hint}", fix=listed, path=path)
