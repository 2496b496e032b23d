"""What lies beside predictions and targets in their files: known by name when they are opened, read when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalcli.errors import InputError, UsageError, several
from evalcli.sources.base import Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Source
    from evalcli.sources.bounds import Part
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables


@dataclass(frozen=True, slots=True)
class Beside:
    """All arrays of each tensor file by side, and the table of a side that lies in one; ``used`` have a role already.

    ``id`` is the name that the user gave for what the rows are called.
    """

    arrays: Mapping[str, Mapping[str, StoredArray]]
    used: frozenset[str]
    id: str | None = None
    tables: Tables | None = None
    selection: Selection = field(default_factory=Selection)
    """How a column of the table is read."""
    noun: str = "array"
    """What a side calls each of its own."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """What the files hold that is no array which can be read, and why."""

    @property
    def table(self) -> Table | None:
        """The one table, where a side lies in one."""
        return None if self.tables is None else self.tables.tables[0]

    @property
    def known(self) -> tuple[str, ...]:
        """The names of arrays, then of columns of the table; what both have is that of the truth."""
        found = [name for arrays in self.arrays.values() for name in arrays if name]
        return tuple(dict.fromkeys((*found, *self._columns(found))))

    def _columns(self, arrays: Collection[str]) -> list[str]:
        """The columns that are meant by their names."""
        columns = [] if self.table is None else [name for name in self.table.columns if name]
        return [name for name in columns if name not in arrays] if "target" in self.arrays else columns

    def sliced(self, parts: Sequence[Part], source: Source, flag: str = "--by") -> list[StoredArray]:
        """The arrays, or columns of the table, that the option ``flag`` names; what both have is that of the truth.

        Raises:
            UsageError: no array has the name, or it has another length.
            InputError: a column without numbers or times, where there are bounds.

        """
        from evalcli.sources.arrays import path_of
        from evalcli.sources.slicing import missing_column

        found = {name: array for arrays in self.arrays.values() for name, array in arrays.items() if name}
        columns, known, chosen = self._columns(found), self.known, []
        for name, bounds in parts:
            if name not in known:
                self._refuse_unread(name, source.preds.path)
                noun = "array" if self.table is None else "column"
                purpose = "to search" if flag == "--scan" else "to slice by"
                raise missing_column(name, known, source.preds.path, noun, purpose)
            if name in columns and self.tables is not None and self.table is not None:
                from evalcli.sources.table_array import read_slices

                found[name] = read_slices(self.tables, self.table, name, bounds, self.selection)
            if found[name].shape[0] != source.rows:
                what = f"{flag} {name}: {several(found[name].shape[0], 'entry')} for {several(source.rows or 0, 'row')}"
                path = path_of(found[name], source.preds.path)
                raise UsageError(what, fix="name an array with one entry for each row", path=path)
            chosen.append(found[name])
        return chosen

    def _refuse_unread(self, name: str, path: str) -> None:
        if name in self.unread:
            what, _, fix = self.unread[name].partition("; ")
            raise InputError(f"{name}: {what}", fix=fix, path=path)

    def clustered(self, name: str, source: Source) -> StoredArray:
        """The array or column that ``--cluster`` names; what both files have is that of the truth.

        Raises:
            UsageError: nothing has the name.

        """
        from evalcli.sources.clustering import no_column

        found = {key: array for arrays in self.arrays.values() for key, array in arrays.items() if key}
        columns = () if self.table is None else [key for key in self.table.columns if key]
        if name in columns and not ("target" in self.arrays and name in found):
            from evalcli.sources.table_array import read_clusters

            assert self.tables is not None
            return read_clusters(self.tables, self.tables.tables[0], name)
        if name not in found:
            self._refuse_unread(name, source.preds.path)
            noun = "array" if self.table is None else "column"
            raise no_column(name, (*found, *columns), source.preds.path, noun)
        return found[name]

    def names(self) -> dict[str, list[str]]:
        """Everything that has a name, by side."""
        found = {side: [name for name in arrays if name] for side, arrays in self.arrays.items()}
        if self.table is not None:
            found["target" if "preds" in found else "preds"] = list(self.table.columns)
        return found
