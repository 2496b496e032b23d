"""What lies beside predictions and targets in their files: known by name when they are opened, read when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Source
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

    @property
    def table(self) -> Table | None:
        """The one table, where a side lies in one."""
        return None if self.tables is None else self.tables.tables[0]

    def sliced(self, by: str, source: Source, flag: str = "--by") -> list[StoredArray]:
        """The arrays, or columns of the table, that the option ``flag`` names; what both have is that of the truth.

        Raises:
            UsageError: no array has the name, or it has another length.

        """
        from evalcli.sources.slicing import columns_of, missing_column

        found = {name: array for arrays in self.arrays.values() for name, array in arrays.items() if name}
        columns = () if self.table is None else [name for name in self.table.columns if name]
        if "target" in self.arrays:
            columns = [name for name in columns if name not in found]
        known, chosen = (*found, *columns), []
        for name in columns_of(by, known):
            if name not in known:
                noun = "array" if self.table is None else "column"
                raise missing_column(name, known, source.preds.path, noun)
            if name in columns and self.tables is not None and self.table is not None:
                from evalcli.sources.table_array import read_slices

                found[name] = read_slices(self.tables, self.table, name)
            if found[name].shape[0] != source.rows:
                what = f"{flag} {name}: {found[name].shape[0]} entries for {source.rows} rows"
                raise UsageError(what, fix="name an array with one entry for each row", path=source.preds.path)
            chosen.append(found[name])
        return chosen

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
            noun = "array" if self.table is None else "column"
            raise no_column(name, (*found, *columns), source.preds.path, noun)
        return found[name]

    def names(self) -> dict[str, list[str]]:
        """Everything that has a name, by side."""
        found = {side: [name for name in arrays if name] for side, arrays in self.arrays.items()}
        if self.table is not None:
            found["target" if "preds" in found else "preds"] = list(self.table.columns)
        return found
