"""One or two tables as one relation of rows, paired by position or by key, in SQL.

In every statement the tables are called ``preds`` and ``target``, so that ``--where`` may say ``target.region = 'EU'``
where both have the column. With one table there is only ``preds``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import EmptyError, EvalError, InputError, UsageError
from evalcli.sources.naming import SHOWN_NAMES, near_name
from evalcli.sources.table_columns import key_sql
from evalcli.sources.table_where import TYPED_FORMATS, explain, no_row, numbers, parse_condition, spelled
from evalcli.sources.usual_names import ID_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables

SHOWN = 3
_SEEN = {
    "text": "text",
    "boolean": "booleans",
    **dict.fromkeys(("integer", "float", "DOUBLE", "BIGINT"), "numbers"),
}
"""What ``where`` sees, by the kind of a column or the SQL type that it is read as."""
PRED_ROW, TARGET_ROW = "__evalcli_pred_row", "__evalcli_target_row"


def quoted(name: str) -> str:
    """A name as an SQL identifier.

    >>> print(quoted('a "b" c'))
    "a ""b"" c"
    """
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one of the tables: ``side`` is ``preds`` or ``target``, ``kind`` as in ``Table.columns``.

    ``alias`` is its name in statements: names that differ only in case are one name there.
    """

    side: str
    name: str
    kind: str
    alias: str

    @property
    def number(self) -> int:
        """How many columns of its table were chosen before it."""
        return int(self.alias.rpartition("c")[2])

    @property
    def sql(self) -> str:
        """How a statement names it."""
        return f"{self.side}.{quoted(self.alias)}"


class Joined:
    """The rows that both sides are read from.

    ``key`` joins two tables by the column of that name, else row *i* belongs to row *i*. ``where`` is one SQL
    expression.

    Raises:
        UsageError: ``where`` is not one expression over the columns, or ``key`` is not a column of both tables.

    """

    def __init__(
        self, tables: Tables, preds: Table, target: Table | None, *, key: str | None = None, where: str | None = None
    ) -> None:
        self.tables = tables
        self.preds = preds
        self.target = None if target is preds else target
        self.key = key if self.target is not None else None
        self.where = where
        self._used: dict[str, dict[str, str]] = {"preds": {}, "target": {}}
        self._types: dict[str, dict[str, str]] = {"preds": {}, "target": {}}
        """Columns that ``where`` names, and the type it sees; empty: the one that is stored."""
        self._sorted: Column | None = None
        for table in self.files if self.key is not None else ():
            if self.key is not None and self.key not in table.columns:
                near = near_name(self.key, table.columns)
                hint = f"; did you mean {near!r}?" if near is not None else ""
                names = ", ".join(repr(name) for name in list(table.columns)[:SHOWN_NAMES])
                more = f" and {len(table.columns) - SHOWN_NAMES} more" if len(table.columns) > SHOWN_NAMES else ""
                raise UsageError(
                    f"no {table.noun} {self.key!r} to join by{hint}",
                    fix=f"{table.noun}s are {names}{more}; --id names one that both files have",
                    path=table.path,
                )
        for side in self._used if self.key is not None else ():
            self.single(self.key or "", side, "--id")
        if where is not None:
            self._check_where(where)

    def read_as(self) -> tuple[tuple[str, str], ...]:
        """As what ``where`` sees each column that it names; an empty one may be anything."""
        found = []
        for side, table in zip(self._used, self.files, strict=False):
            for name, kind in self._types[side].items():
                cells = f"SELECT 1 FROM {table.scan({'c': name}, whole=True)} WHERE c IS NOT NULL LIMIT 1"
                if self.tables.query(cells).fetchall():
                    found.append(
                        (f"{side}.{name}", _SEEN.get(kind or table.columns[name], "times" if kind else "lists"))
                    )
        return tuple(sorted(found))

    def column(self, name: str, side: str) -> Column:
        """A column by its exact name; reading it is paid for from now on."""
        table = self.preds if side == "preds" or self.target is None else self.target
        side = "preds" if table is self.preds else "target"
        stem = "c" if self.where is None else "__evalcli_c"  # beside columns that ``where`` calls by name
        alias = f"{stem}{len(self._used[side])}"
        alias = self._used[side].setdefault(name, alias)
        return Column(side, name, table.columns[name], alias)

    def single(self, name: str, side: str, flag: str) -> Column:
        """A column of one value a row, by its exact name.

        Raises:
            InputError: it holds lists.

        """
        table = self.preds if side == "preds" or self.target is None else self.target
        if table.columns[name] in ("list", "texts"):
            what = f"{flag} {name}: the {table.noun} holds lists, not one value a row"
            raise InputError(what, fix=f"name another {table.noun}", path=table.path)
        return self.column(name, side)

    def source(self, *, numbered: bool = False, also: str = "", filtered: bool = True, whole: bool = False) -> str:
        """``FROM … WHERE …``, with one more condition ``also``; unless ``filtered``, without that of the user.

        ``whole`` tables have all rows, where others read some of them.

        ``numbered`` adds the row numbers of the tables, ``PRED_ROW`` and ``TARGET_ROW``.
        """
        number = f", row_number() OVER () - 1 AS {PRED_ROW}" if numbered or self.key is not None else ""
        text = f"FROM (SELECT *{number} FROM {self._scan(self.preds, 'preds', whole=whole)}) AS preds"
        if self.target is not None:
            number = f", row_number() OVER () - 1 AS {TARGET_ROW}" if numbered else ""
            how = "POSITIONAL JOIN" if self.key is None else "JOIN"
            text += f" {how} (SELECT *{number} FROM {self._scan(self.target, 'target', whole=whole)}) AS target"
            if self.key is not None:
                text += f" ON {self._key('preds')} = {self._key('target')}"
        conditions = [f"(\n{each}\n)" for each in (self.where if filtered else None, also) if each]
        return f"{text} WHERE {' AND '.join(conditions)}" if conditions else text

    @property
    def order(self) -> str:
        """What keeps the rows in the order of the predictions: a join by key does not by itself."""
        if self._sorted is not None:
            return f"ORDER BY CAST({self._sorted.sql} AS VARCHAR)"
        return f"ORDER BY {PRED_ROW}" if self.key is not None else ""

    def sort_by(self, name: str) -> None:
        """From now on the rows come in the order of a column of the predictions, by the code points of its text."""
        self._sorted = self.single(name, "preds", "--id")

    @property
    def is_sorted(self) -> bool:
        """Whether the rows come in another order than that of the predictions."""
        return self._sorted is not None

    def check_pairs(self) -> None:
        """Refuse keys that are missing, repeated, or on one side only.

        Raises:
            InputError: with the counts and the first few keys of each kind.

        """
        if self.key is None:
            return
        keeps = {side: self.where if self.where is not None and self._binds(side) else "true" for side in self._used}
        sides = ", ".join(
            f"{side}_keys AS (SELECT {self._key(side)} AS k, count(*) AS n, bool_or((\n{keeps[side]}\n)) AS kept, "
            f"min({PRED_ROW}) AS at FROM (SELECT *, row_number() OVER () - 1 AS {PRED_ROW} "
            f"FROM {self._scan(table, side)}) AS {side} GROUP BY k)"
            for side, table in zip(("preds", "target"), self.files, strict=True)
        )
        faults = {
            "empty ids in the predictions": ("p.n", "p.n IS NOT NULL AND p.k IS NULL AND p.kept"),
            "empty ids in the targets": ("t.n", "t.n IS NOT NULL AND t.k IS NULL AND t.kept"),
            "ids that occur twice in the predictions": ("1", "p.n > 1 AND p.k IS NOT NULL AND p.kept"),
            "ids that occur twice in the targets": ("1", "t.n > 1 AND t.k IS NOT NULL AND t.kept"),
            "ids without a target": ("1", "t.n IS NULL AND p.k IS NOT NULL AND p.kept"),
            "ids without a prediction": ("1", "p.n IS NULL AND t.k IS NOT NULL AND t.kept"),
        }
        shown = "list_slice(list(coalesce(p.k, t.k) ORDER BY coalesce(p.at, t.at)) FILTER ({0}), 1, {1})"
        counted = ", ".join(
            f"coalesce(sum({count}) FILTER ({test}), 0), {shown.format(test, SHOWN)}" for count, test in faults.values()
        )
        joined = "preds_keys AS p FULL JOIN target_keys AS t ON p.k = t.k"
        (row,) = self.tables.query(f"WITH {sides} SELECT {counted} FROM {joined}").fetchall()
        said = [
            _fault(int(row[2 * index]), name, row[2 * index + 1]) for index, name in enumerate(faults) if row[2 * index]
        ]
        if said:
            raise InputError(
                f"{', '.join(said)} (column {self.key!r})",
                fix="give every row on both sides one id of its own, or select the rows that have one with --where",
                path=self.preds.path,
            )

    def check_lengths(self) -> None:
        """Refuse two tables of different length that are paired by position.

        Raises:
            InputError: with both counts.

        """
        if self.target is None or self.key is not None:
            return
        counts = [
            self.tables.query(f"SELECT count(*) FROM {self._scan(table, side)}").fetchall()[0][0]
            for side, table in zip(("preds", "target"), self.files, strict=True)
        ]
        if counts[0] != counts[1]:
            said, truth = (
                f"{n} {side}{'' if n == 1 else 's'}" for n, side in zip(counts, ("prediction", "target"), strict=True)
            )
            raise InputError(
                f"{said} but {truth} (in {self.target.path})",
                fix="save one of each for every sample, or join by a key with --id",
                path=self.preds.path,
            )

    def shared_key(self) -> str | None:
        """A column with an id's name that both tables have, though they are paired by position."""
        if self.target is None or self.key is not None:
            return None
        both = (name for name in self.preds.columns if name in self.target.columns)
        return next((name for name in both if name.lower() in ID_NAMES), None)

    def places(self, side: str, test: str, show: str = "NULL") -> tuple[list[str], list[Any]]:
        """Where the first rows lie for which ``test`` holds, in words, and what ``show`` is there."""
        row = TARGET_ROW if side == "target" and self.target is not None else PRED_ROW
        table = self.target if side == "target" and self.target is not None else self.preds
        found = self.tables.query(
            f"SELECT {row}, {show} {self.source(numbered=True, also=test)} ORDER BY {row} LIMIT {SHOWN}"
        ).fetchall()
        return [table.locate(int(number)) for number, _ in found], [value for _, value in found]

    def empty(self) -> EvalError:
        """The error for no rows, unless a table has a better one: the engine may end early and say nothing."""
        alone = self.target is None and self.where is None
        try:
            for table in self.files:
                table.finish(0 if alone else None)
        except EvalError as error:
            return error
        if self.where is not None:
            return no_row(self.where, self.preds.path)
        return EmptyError("no rows", fix="the file holds a header at most", path=self.preds.path)

    @property
    def files(self) -> tuple[Table, ...]:
        """The tables, predictions first."""
        return (self.preds,) if self.target is None else (self.preds, self.target)

    def _scan(self, table: Table, side: str, *, whole: bool = False) -> str:
        named = {alias: name for name, alias in self._used[side].items()}
        types = self._types[side]
        columns, kinds = named | {name: name for name in types}, {name: kind for name, kind in types.items() if kind}
        return table.scan(columns, kinds, whole=whole)

    def _key(self, side: str) -> str:
        return key_sql(self.column(self.key or "", side))

    def _check_where(self, where: str) -> None:
        """Find the columns that ``where`` names, and as what it sees them.

        Raises:
            UsageError: it is no condition over them.

        """
        columns = [name for table in self.files for name in table.columns]
        condition = parse_condition(self.tables, where, columns)
        sides = dict(zip(self._used, self.files, strict=False))
        for side, table in sides.items():
            readable = [name for name, kind in table.columns.items() if name and kind != "other"]
            self._types[side] = {name: "" for name in readable if condition.mentions(name)}
        stored = {side: dict(types) for side, types in self._types.items()}
        for side, table in sides.items():
            self._types[side] |= {n: kind for n, kind in table.reader.moments.items() if n in self._types[side]}
            if table.format in TYPED_FORMATS:
                named = [name for name in self._types[side] if name.lower() in condition.numeric]
                self._types[side] |= numbers(self.tables, table, named)
        fault = self._fault_of(where)
        if fault is not None and self._types != stored:
            typed, self._types = self._types, stored
            if self._fault_of(where) is not None:
                self._types = typed
            else:
                fault = None
        texts = [
            name
            for side, table in sides.items()
            for name, kind in self._types[side].items()
            if table.columns[name] == "text" and not kind
        ]
        listed = [f"{side}.{name}" for side, table in sides.items() for name in table.columns]
        if fault is not None:
            self._check_readable(fault)
            what = re.sub(r'Referenced (column|table) (".+?") not found.*', r"there is no \1 \2", fault.what)
            fix = explain(fault.what, condition, listed, texts)
            raise UsageError(f"--where {where!r}: {what}", fix=fix, path=self.preds.path) from fault
        ordered = [name for name in texts if name.lower() in condition.ordered]
        if ordered:
            what = f"{ordered[0]!r} is text, not a number in every cell, and '10' comes before '9' in the order of text"
            fix = f"compare TRY_CAST({spelled(ordered[0])} AS DOUBLE) with a number without quotes"
            raise UsageError(f"--where {where!r}: {what}", fix=fix, path=self.preds.path)
        self.tables.condition = where

    def _check_readable(self, fault: EvalError) -> None:
        """Raise what is wrong with a column that is there, and that the engine does not find: it cannot be read."""
        missing = re.search(r'Referenced column "(.+?)" not found', fault.what)
        if missing is not None:
            for table in self.files:
                table.scan([name for name, kind in table.columns.items() if kind == "other" and name == missing[1]])

    def _fault_of(self, where: str) -> EvalError | None:
        """Why ``where`` cannot stand after WHERE, if so."""
        try:
            self.tables.query(f"SELECT 1 {self.source()} LIMIT 0")
            asked = f"DESCRIBE SELECT (\n{where}\n) {self.source(filtered=False)}"
            kind = str(self.tables.query(asked).fetchall()[0][1])
        except EvalError as error:
            return error
        if kind == "BOOLEAN":
            return None
        what = f"that is a {kind} for each row, not a condition that holds or does not"
        return UsageError(what, fix="compare it with something, as in 'age > 65'")

    def _binds(self, side: str) -> bool:
        """Whether ``where`` can be said of one of the tables alone."""
        table = self.preds if side == "preds" or self.target is None else self.target
        try:
            self.tables.query(f"SELECT 1 FROM {self._scan(table, side)} AS {side} WHERE (\n{self.where}\n) LIMIT 0")
        except EvalError:
            return False
        return True


def _fault(count: int, name: str, examples: Sequence[str | None] | None) -> str:
    named = [each for each in examples or () if each is not None]
    more = ", …" if count > len(named) else ""
    said = f"{count:,} {name}" if count != 1 else "1 " + name.replace("ids", "id", 1).replace("occur ", "occurs ", 1)
    return said + (f" ({', '.join(map(repr, named))}{more})" if named else "")
