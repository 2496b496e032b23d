"""What lies beside predictions and targets in frames in memory, for whoever lists rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalcli.errors import UsageError
from evalcli.sources.beside import Beside
from evalcli.sources.memory import column_of, hold, names_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Selection


class HeldColumns(Mapping[str, "StoredArray"]):
    """The columns of a frame by name, each made an array when it is asked for: most never are."""

    def __init__(self, frame: Any, names: Collection[str]) -> None:
        self._frame, self._names = frame, tuple(dict.fromkeys(names))

    def __getitem__(self, name: str) -> StoredArray:
        """A column as an array.

        Raises:
            KeyError: there is no such column.
            InputError: it holds neither numbers nor texts.

        """
        if name not in self._names:
            raise KeyError(name)
        return hold(column_of(self._frame, name), name)

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._names)


def columns_beside(preds: Any, used: frozenset[str], identity: str | None) -> Beside:
    """The columns of predictions that are a frame or a mapping; ``used`` have a role already."""
    names = names_of(preds)
    return Beside({} if names is None else {"preds": HeldColumns(preds, names)}, used, identity, noun="column")


def refuse_selection(selection: Selection) -> None:
    """What is in memory is paired by position and taken whole; ids name its rows where they are listed.

    Raises:
        UsageError: other rows, or pairs, were asked for.

    """
    if selection.where is not None:
        raise UsageError("--where keeps rows of table files, and here are arrays in memory", fix="filter them first")
    if selection.id is not None and (selection.beside or not selection.listing):
        what = "--id pairs two table files, and here are arrays in memory"
        raise UsageError(what, fix="bring both sides into one order, and drop it")
