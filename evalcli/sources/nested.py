"""Scores that carry the names of their classes in structures, maps and lists of structures, as Parquet and Arrow store.

They become the same columns as those of JSON: see :mod:`evalcli.sources.named_scores`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.sources.duck import literal, quoted
from evalcli.sources.labels import class_order
from evalcli.sources.named_scores import BESIDE, FIX, ODD, PAIR, columns_of, names_sql, scores_sql
from evalcli.sources.sqlkinds import sql_kind
from evalcli.sources.tableformat import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_ROWS = 1000
_INTEGERS = ("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint")
_NUMBERS = frozenset(("float", "double", "decimal", "boolean", *_INTEGERS))
_LABELS = frozenset(("varchar", "enum", *_INTEGERS))


class Nested(Format):
    """A format that stores types."""

    def _nested(self, names: Sequence[str], described: Sequence[Any]) -> dict[str, list[tuple[str, str, str]]]:
        """The columns, each with its kind and cell, that those of scores with names become.

        The engine has ``described`` all by name and type.
        """
        stored = {name: row[1] for name, row in zip(names, described, strict=True)}
        beside = stored.get(BESIDE[0]) == "VARCHAR[]" and stored.get(BESIDE[1]) in ("FLOAT[]", "DOUBLE[]")
        if not beside and not any(kind.startswith(("STRUCT(", "MAP(")) for kind in stored.values()):
            return {}
        cells = {name: quoted(row[0]) for name, row in zip(names, described, strict=True)}
        types = dict(zip(names, self.engine.connection.sql(f"FROM {self.whole_view}").types, strict=True))
        self._derived: dict[str, str] = {}
        found = {name: parts for name in types if (parts := self._parts(name, types[name], cells[name]))}
        if beside and self._are_beside(*(cells[name] for name in BESIDE)):
            entries = f"list_zip({', '.join(cells[name] for name in BESIDE)})"
            kind = types[BESIDE[1]].children[0][1]
            found |= {BESIDE[0]: [], BESIDE[1]: self._named(BESIDE[1], entries, str(kind))}
        if self._derived:
            self.view, self.whole_view = map(self._with_derived, (self.view, self.whole_view))
        return found

    def _with_derived(self, view: str) -> str:
        """A view that has what is taken out of a cell once for several columns."""
        made = ", ".join(f"{sql} AS {place}" for place, sql in self._derived.items())
        self._query(f"CREATE OR REPLACE VIEW {view}_named AS SELECT *, {made} FROM {view}")
        return f"{view}_named"

    def _parts(self, name: str, kind: Any, cell: str) -> list[tuple[str, str, str]]:
        """What a column becomes; nothing where it is of another kind."""
        if kind.id == "struct":
            fields = dict(kind.children)
            if _is_pair(fields):
                return _answer(name, cell, fields)
            numbers = len(fields) > 1 and all(each.id in _NUMBERS for each in fields.values()) and {*fields} != PAIR
            cells = {each: f"struct_extract({cell}, {literal(each)})" for each in fields}
            return [
                (f"{name}.{each}", *sql_kind(str(fields[each]), cells[each])) for each in class_order(fields) if numbers
            ]
        if kind.id == "map":
            key, value = (each for _, each in kind.children)
            wanted = key.id == "varchar" and value.id in _NUMBERS
            return self._named(name, f"map_entries({cell})", str(value)) if wanted else []
        if kind.id != "list" or kind.children[0][1].id != "struct":
            return []
        fields = dict(kind.children[0][1].children)
        if not _is_pair(fields):
            return []
        if self._are_single(cell):
            one = f"CASE WHEN len({cell}) = 1 THEN {cell}[1] ELSE error('several labels where others have one') END"
            return _answer(name, f"(CASE WHEN {cell} IS NOT NULL THEN {one} END)", fields)
        entries = f"[{{'label': CAST(e.label AS VARCHAR), 'score': e.score}} FOR e IN {cell}]"
        return self._named(name, entries, str(fields["score"]))

    def _named(self, name: str, entries: str, stored: str) -> list[tuple[str, str, str]]:
        """The columns of the classes that the first rows name."""
        entries = f"list_sort({entries})"
        first = f"SELECT {names_sql(entries)} AS names FROM {self.whole_view} LIMIT {SAMPLE_ROWS}"
        found = [row[0] for row in self._query(f"SELECT DISTINCT names FROM ({first}) WHERE names IS NOT NULL LIMIT 2")]
        if len(found) != 1 or not found[0] or None in found[0] or len({*found[0]}) < len(found[0]):
            self.unreadable[name] = f"{ODD}other classes in some rows than in others", FIX
            return [(name, "other", "")]
        place = f"__evalcli_named{len(self._derived)}"
        fault = f"{name!r} holds {ODD}other classes than in the first rows"
        self._derived[place] = scores_sql(entries, found[0], fault)
        return [(column, *sql_kind(stored, cell)) for column, cell in columns_of(name, class_order(found[0]), place)]

    def _are_single(self, cell: str) -> bool:
        """Whether the lists of the first rows have one entry each."""
        first = f"SELECT len({cell}) AS n FROM {self.whole_view} WHERE {cell} IS NOT NULL LIMIT {SAMPLE_ROWS}"
        return self._query(f"SELECT min(n) = 1 AND max(n) = 1 FROM ({first})") == [(True,)]

    def _are_beside(self, labels: str, scores: str) -> bool:
        """Whether, in the first rows, one list names the numbers of the other, the highest first."""
        alike = f"len({labels}) = len({scores}) AND len({labels}) > 0 AND {scores} = list_reverse_sort({scores})"
        first = f"SELECT {alike} AS fits FROM {self.whole_view} WHERE {labels} IS NOT NULL LIMIT {SAMPLE_ROWS}"
        return self._query(f"SELECT bool_and(coalesce(fits, false)) FROM ({first})") == [(True,)]

    def _add_parts(self, parts: Sequence[tuple[str, str, str]]) -> None:
        for part in parts:
            self._add(*part)

    def _query(self, sql: str) -> list[Any]:
        rows: list[Any] = self.engine.connection.execute(sql).fetchall()
        return rows


def _is_pair(fields: dict[str, Any]) -> bool:
    return {*fields} == PAIR and fields["label"].id in _LABELS and fields["score"].id in _NUMBERS


def _answer(name: str, cell: str, fields: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The label, and its score beside it."""
    return [
        (name, *sql_kind(str(fields["label"]), f"struct_extract({cell}, 'label')")),
        (f"{name}.score", *sql_kind(str(fields["score"]), f"struct_extract({cell}, 'score')")),
    ]
