"""Rows that two files share, by id or by content: what leaks from train into test.

Tables are compared inside the table engine: by the text of an id, or by the text of every column that both have and
that is no id. Arrays are compared by the numbers of their rows. Where the rows of a file hardly differ from each other,
as labels alone do, sharing them says nothing, and an id is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli import __version__
from evalcli.comparing.data import Overlap, SharedRow
from evalcli.errors import InputError, UsageError
from evalcli.report import Finding, InputRecord
from evalcli.sources import TENSOR_FORMATS, input_format, table_options
from evalcli.sources.table_listing import as_text
from evalcli.sources.usual_names import ID_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import InputFile, Selection
    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables
    from evalcli.sources.tensors import TensorFile

SHOWN = 5
TELLING = 0.5
"""The share of rows that must differ from all others for their content to tell samples apart."""
_PIECE = 1 << 16
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class _Counts(NamedTuple):
    """Rows and distinct rows of both files, how many of each occur in the other, and the first of the second's."""

    rows: tuple[int, int]
    distinct: tuple[int, int]
    shared: tuple[int, int]
    first: tuple[SharedRow, ...]


def compare_files(first: str, second: str, selection: Selection) -> Overlap:
    """Count the rows that two files share.

    Raises:
        UsageError: there is no such id, or nothing that tells rows apart.
        InputError: a file cannot be read.

    """
    kinds = [input_format(path) in TENSOR_FORMATS for path in (first, second)]
    if kinds[0] != kinds[1]:
        raise UsageError("a table and a file of arrays share no columns", fix="save both alike", path=second)
    look = _Arrays if kinds[0] else _Tables
    counts, by, inputs = look(first, second, selection).count()
    if selection.id is None:
        for path, rows, distinct in zip((first, second), counts.rows, counts.distinct, strict=True):
            if distinct < TELLING * rows:
                what = f"only {distinct:,} of {rows:,} rows differ in {by}, so that this tells no samples apart"
                raise UsageError(what, fix="name a column that does: --id COL", path=path)
    records = tuple(InputRecord(file.path, file.size, file.digest) for file in inputs)
    overlap = Overlap(__version__, by, (first, second), *counts[:3], counts.first, inputs=records)
    return overlap._replace(findings=_findings(overlap))


def _findings(overlap: Overlap) -> tuple[Finding, ...]:
    shared, rows = overlap.shared[1], overlap.n[1]
    if not shared:
        return ()
    share = 100.0 * shared / rows
    text = f"{shared:,} of the {rows:,} rows of B ({share:.3g} %) are in A too: what was seen in training flatters"
    return (Finding("leakage", "warning", text, "leave them out of one of the files, and split before anything else"),)


class _Tables:
    """Two tables."""

    def __init__(self, first: str, second: str, selection: Selection) -> None:
        self.selection = selection
        self.paths = (first, second)

    def count(self) -> tuple[_Counts, str, tuple[InputFile, ...]]:
        """What they share, by what, and the files."""
        from evalcli.sources.tables import open_tables

        tables = open_tables(list(self.paths), table_options(self.selection), self.selection.workers)
        try:
            for table in tables.tables:
                table.begin()
            names = self._names(tables.tables)
            by = f"the id {names[0]!r}" if self.selection.id is not None else f"{len(names)} columns"
            counts = self._counted(tables, names)
            inputs = tuple(
                record
                for table, rows in zip(tables.tables, counts.rows, strict=True)
                for record in table.finish(None if self.selection.where else rows)
            )
            return counts, by, inputs
        finally:
            tables.close()

    def _names(self, tables: Sequence[Table]) -> list[str]:
        if self.selection.where is not None:
            raise UsageError("--where does not go with --overlap", fix="drop it")
        first, second = tables
        if self.selection.id is not None:
            for table in tables:
                if self.selection.id not in table.columns:
                    known = ", ".join(map(repr, list(table.columns)[:12]))
                    raise UsageError(
                        f"no {table.noun} {self.selection.id!r}", fix=f"{table.noun}s are {known}", path=table.path
                    )
            return [self.selection.id]
        names = [name for name in first.columns if name in second.columns and name.lower() not in ID_NAMES]
        if not names:
            what = f"no {second.noun} in common with {first.path}"
            raise UsageError(what, fix="name an id with --id COL", path=second.path)
        return names

    def _counted(self, tables: Tables, names: Sequence[str]) -> _Counts:
        for table in tables.tables:
            for name in names:
                as_text(table, name)
        views = [self._keys(table, names) for table in tables.tables]
        both = "SELECT k FROM a WHERE k IS NOT NULL INTERSECT SELECT k FROM b"
        sql = (
            f"WITH a AS MATERIALIZED ({views[0]}), b AS MATERIALIZED ({views[1]}), s AS MATERIALIZED ({both}), "
            "f AS (SELECT b.k, min(b.r) AS r FROM b JOIN s ON b.k = s.k GROUP BY b.k ORDER BY r LIMIT "
            f"{SHOWN}), g AS (SELECT f.r AS r, min(a.r) AS q, any_value(a.i) AS id "
            "FROM f JOIN a ON a.k = f.k GROUP BY f.r) "
            "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), "
            "(SELECT count(DISTINCT k) FROM a), (SELECT count(DISTINCT k) FROM b), "
            "(SELECT count(*) FROM a JOIN s ON a.k = s.k), (SELECT count(*) FROM b JOIN s ON b.k = s.k), "
            f"(SELECT list([CAST(q AS VARCHAR), CAST(r AS VARCHAR), id] ORDER BY r) FROM g)"
        )
        (row,) = tables.query(sql).fetchall()
        first = tuple(SharedRow(int(q), int(r), name) for q, r, name in row[6] or ())
        return _Counts((row[0], row[1]), (row[2], row[3]), (row[4], row[5]), first)

    def _keys(self, table: Table, names: Sequence[str]) -> str:
        """Key, id and number of every row: a key of several columns holds the length of each text in front of it."""
        aliases = {f"c{i}": name for i, name in enumerate(names)}
        texts = [f"CAST({alias} AS VARCHAR)" for alias in aliases]
        number = "row_number() OVER () - 1 AS r"
        if self.selection.id is not None:
            return f"SELECT {texts[0]} AS k, {texts[0]} AS i, {number} FROM {table.scan(aliases)}"
        parts = ", ".join(f"coalesce(length({text}) || ':' || {text}, '-')" for text in texts)
        return f"SELECT md5(concat({parts})) AS k, CAST(NULL AS VARCHAR) AS i, {number} FROM {table.scan(aliases)}"


class _Arrays:
    """Two files of arrays."""

    def __init__(self, first: str, second: str, selection: Selection) -> None:
        self.selection = selection
        self.paths = (first, second)

    def count(self) -> tuple[_Counts, str, tuple[InputFile, ...]]:
        """What they share, by what, and the files."""
        from evalcli.sources.tensors import open_tensors

        if self.selection.where is not None:
            raise UsageError("--where does not go with --overlap", fix="drop it")
        files = [open_tensors(path) for path in self.paths]
        try:
            for file in files:
                file.begin()
            names = self._names(files)
            keys = [self._keys([file.arrays[name] for name in names]) for file in files]
            by = f"the id {names[0]!r}" if self.selection.id is not None else "all numbers of a row"
            return self._counted(keys), by, tuple(file.finish() for file in files)
        finally:
            for file in files:
                file.close()

    def _names(self, files: Sequence[TensorFile]) -> list[str]:
        """The arrays that both have, of one entry a row and of one form."""
        first, second = (file.arrays for file in files)
        if self.selection.id is not None:
            for file in files:
                if self.selection.id not in file.arrays:
                    known = ", ".join(repr(name) for name in file.arrays if name) or "none"
                    raise UsageError(f"no key {self.selection.id!r}", fix=f"keys are {known}", path=file.path)
            return [self.selection.id]
        rows = [max((array.shape[0] for array in arrays.values()), default=0) for arrays in (first, second)]
        names = [
            name
            for name, array in first.items()
            if name in second
            and name.lower() not in ID_NAMES
            and array.shape[1:] == second[name].shape[1:]
            and array.labels is None
            and (array.shape[0], second[name].shape[0]) == tuple(rows)
        ]
        if not names:
            what = f"no array in common with {self.paths[0]}"
            raise UsageError(what, fix="save both with the same keys, or name an id with --id", path=self.paths[1])
        return names

    def _keys(self, arrays: Sequence[StoredArray]) -> Any:
        """A number for the content of each row; of texts and whole numbers alone, the values themselves."""
        rows = arrays[0].shape[0]
        if self.selection.id is not None:
            values = [
                value
                for start in range(0, rows, _PIECE)
                for value in arrays[0].values(start, min(start + _PIECE, rows))
            ]
            return np.array([str(value) for value in values], object)
        keys = np.zeros(rows, np.uint64)
        for start in range(0, rows, _PIECE):
            stop = min(start + _PIECE, rows)
            mixed = np.zeros(stop - start, np.uint64)
            for words in (word for array in arrays for word in _words(array.read(start, stop))):
                mixed = _mixed(mixed ^ words)
            keys[start:stop] = mixed
        return keys

    def _counted(self, keys: Sequence[Any]) -> _Counts:
        first, second = keys
        if not len(first) or not len(second):
            path = self.paths[0 if not len(first) else 1]
            raise InputError("holds no rows", fix="see whether it was written to its end", path=path)
        distinct, places = zip(*(np.unique(each, return_index=True) for each in keys), strict=True)
        shared = np.intersect1d(distinct[0], distinct[1], assume_unique=True)
        found = np.flatnonzero(np.isin(second, shared))
        shown = sorted({second[i]: int(i) for i in found[::-1].tolist()}.values())[:SHOWN]
        rows = tuple(
            SharedRow(
                int(places[0][np.searchsorted(distinct[0], second[i])]),
                i,
                str(second[i]) if self.selection.id else None,
            )
            for i in shown
        )
        counts = int(np.isin(first, shared).sum()), len(found)
        return _Counts((len(first), len(second)), (len(distinct[0]), len(distinct[1])), counts, rows)


def _words(rows: Any) -> Iterator[Any]:
    """The values of rows (N, …) as 64-bit words (N,), one after the other; −0.0 is 0.0."""
    flat = rows.reshape(len(rows), -1)
    for column in range(flat.shape[1]):
        values = flat[:, column]
        if values.dtype.kind == "f":
            yield (values.astype(np.float64) + 0.0).view(np.uint64)
        else:
            yield values.astype(np.int64).view(np.uint64)


def _mixed(words: Any) -> Any:
    """SplitMix64: every bit of a word moves every bit of the result."""
    first, second, third = (np.uint64(each) for each in _MIX)
    with np.errstate(over="ignore"):
        words = words + first
        words = (words ^ (words >> np.uint64(30))) * second
        words = (words ^ (words >> np.uint64(27))) * third
    return words ^ (words >> np.uint64(31))
