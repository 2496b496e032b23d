"""What rows in memory are sliced by: columns of the frames that were given, an array, or arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.errors import EvalError, UsageError
from evalcli.sources.base import EVERY
from evalcli.sources.beside import Beside
from evalcli.sources.bounds import columns_of, split_bounds
from evalcli.sources.memory import column_of, hold, names_of
from evalcli.sources.slicing import missing_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.sources.array_source import ArraySource
    from evalcli.sources.base import Scan

UNNAMED = "by"
"""What slices by an array without a name are called."""


def names_from(by: Any) -> tuple[str, ...] | None:
    """The names that ``by`` is, one or several; ``None``: it is something else.

    >>> names_from("region"), names_from(["region", "device"]), names_from({"region": ["EU"]})
    (('region',), ('region', 'device'), None)
    """
    if by is None:
        return ()
    if isinstance(by, str):
        return (by,)
    if isinstance(by, (list, tuple)) and all(isinstance(name, str) for name in by):
        return tuple(by)
    return None


class Slices(NamedTuple):
    """The ``names`` of slices, in order, and the ``columns`` (N,) that they, and a search, are made of.

    ``odd`` says of columns why they cannot be searched.
    """

    names: tuple[str, ...]
    columns: dict[str, Any]
    scan: Scan | None = None
    odd: tuple[tuple[str, str], ...] = ()
    used: frozenset[str] = frozenset()
    """Columns that have a role, and are not searched unless they are named."""

    def cut(self, source: ArraySource) -> ArraySource:
        """The source with its rows sliced, and searched for weak slices.

        Raises:
            UsageError: a column of another length, or of more than one value a row.
            InputError: a column that is no array of numbers or texts.

        """
        if self.names or self.scan is not None:
            held = {name: hold(values, name) for name, values in self.columns.items()}
            source.beside = Beside({"slices": held}, self.used)
            source.slice_by(self.names, self.scan)
        if source.scanned is not None:
            source.scanned = source.scanned._replace(left_out=(*self.odd, *source.scanned.left_out))
        return source

    def searched(self, scan: Any, asked: Scan, frames: Iterable[Any]) -> Slices:
        """The same with what ``scan`` names, as ``by`` would; all other columns come later, where all are asked for.

        Raises:
            UsageError: a name that no frame has.

        """
        if asked.every:
            named = [name for name in asked.names if name != EVERY]
            known = slices_of(named, frames).columns if named else {}
            return self._replace(columns={**known, **self.columns}, scan=asked)
        found = slices_of(scan, frames)
        return self._replace(columns={**found.columns, **self.columns}, scan=asked._replace(names=found.names))

    def with_all_of(self, frame: Any, used: frozenset[str]) -> Slices:
        """The same with every column of ``frame`` but those that are ``used``, where all are to be searched.

        Raises:
            UsageError: it is no frame.

        """
        if self.scan is None or not self.scan.every:
            return self
        names = names_of(frame)
        if names is None:
            fix = "name arrays: scan={'region': region, …}"
            raise UsageError("scan='*' searches the columns of a frame, and there is none", fix=fix, path="scan")
        columns, odd = dict(self.columns), list(self.odd)
        for name in names:
            if name not in columns and name not in used:
                try:
                    columns[name] = hold(column_of(frame, name), name)
                except EvalError as e:
                    odd.append((name, e.what))
        return self._replace(columns=columns, odd=tuple(odd), used=used)


def slices_of(by: Any, frames: Iterable[Any], also: Iterable[str] = ()) -> Slices:
    """The slices that ``by`` asks for, and those that metrics name ``also``; names are looked up in ``frames``.

    A list of texts is a list of names where a frame has them all or other rows, else an array. The name of an array may
    end in bounds, ``{"age:0:18": age}``.

    Raises:
        UsageError: a name that no frame has.

    """
    known = {name: frame for frame in frames for name in names_of(frame) or ()}
    if not hasattr(by, "column_names") and (frame := names_of(by)) is not None:
        by = {name: column_of(by, name) for name in frame}
    if isinstance(by, Mapping):
        given, names = {split_bounds(str(name))[0]: values for name, values in by.items()}, tuple(map(str, by))
    else:
        asked = names_from(by)
        if asked is not None and (isinstance(by, str) or _are_names(asked, known)):
            given, names = {}, asked
        else:
            name = getattr(by, "name", None)
            name = name if isinstance(name, str) and name else UNNAMED
            given, names = {name: by}, (name,)
    columns: dict[str, Any] = {}
    names = tuple(dict.fromkeys((*names, *also)))
    for name in names:
        for column in columns_of(name, (*given, *known)):
            if column not in given and column not in known:
                raise missing_column(
                    column, (*given, *known), "by", "column", remedy=f"give its values, as by={{{column!r}: values}}"
                )
            columns[column] = given[column] if column in given else column_of(known[column], column)
    return Slices(names, columns)


def _are_names(texts: tuple[str, ...], known: Mapping[str, Any]) -> bool:
    """Whether texts name columns: all are known, or there are not as many as rows."""
    if all(column in known for text in texts for column in columns_of(text, known)):
        return True
    return bool(known) and len(texts) != len(column_of(*next((frame, name) for name, frame in known.items())))


def without(frame: Any, names: Iterable[str]) -> Any:
    """A frame of pandas or Polars less some of its columns."""
    gone = {*names}
    kept = [name for name in names_of(frame) or () if name not in gone]
    if hasattr(frame, "iloc"):
        every = list(names_of(frame) or ())
        return frame.iloc[:, [every.index(name) for name in kept]]
    return frame.select(kept)
