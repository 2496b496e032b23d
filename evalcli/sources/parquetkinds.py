"""Parquet files of one table that store a column as several kinds, as pandas does where some of them lack values.

The engine would turn the values of all files into what the first one stores: fractions into whole numbers, texts into
numbers. What goes together in any order is read as what holds all of it: whole numbers beside fractions, and anything
beside a column without a value. Columns in another order are found by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.errors import InputError
from evalcli.sources.duck import literal, pattern, quoted
from evalcli.sources.moments import SQL_TYPES
from evalcli.sources.sqlkinds import NOTHING, sql_kind
from evalcli.sources.tableformat import UNLIKE_FIX, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Query = Callable[[str], list[tuple[Any, ...]]]

PLAIN = "hive_partitioning=false"
_EXACT = {"FLOAT": 1 << 24}
"""Up to where a type holds every whole number; other fractions up to 2^53."""
_NUMBERS = {"float", "integer"}


class Kinds(NamedTuple):
    """The ``names`` of the columns, and of those that are ``mixed`` how.

    Where columns are to be found by name, ``types`` has all as the engine names them, and what it turns some into.
    """

    names: list[str]
    mixed: dict[str, str]
    types: dict[str, str]

    def together(self, parts: Sequence[str]) -> str:
        """The SQL of all rows of these, with every column of its type and in its place."""
        if not self.types:
            return " UNION ALL ".join(parts)
        cells = (
            f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" if kind else quoted(name)
            for name, kind in self.types.items()
        )
        return f"SELECT {', '.join(cells)} FROM ({' UNION ALL BY NAME '.join(parts)})"


def find_kinds(query: Query, files: Mapping[str, str]) -> Kinds:
    """What all ``files`` of a table store, each of a name that the engine knows otherwise.

    Raises:
        InputError: their columns have other names.

    """
    (first, at), *others = files.items()
    known = _schema(query, at)
    names, odd = _top_level(known), dict[str, str]()
    orders = [names]
    for path, engine_path in others:
        schema = _schema(query, engine_path)
        if schema == known:
            continue
        mine = _top_level(schema)
        if mine != names and ({*mine} != {*names} or len({name.lower() for name in mine}) < max(len(mine), len(names))):
            raise InputError(f"its columns differ from those of {first}", fix=UNLIKE_FIX, path=path)
        orders.append(mine)
        odd[path] = engine_path
    if not odd:
        return Kinds(names, {}, {})
    by_name = any(order != names for order in orders)
    stored = {path: _described(query, files[path]) for path in (first, *odd)}
    every = query(f"DESCRIBE SELECT * FROM read_parquet({listed([*files.values()])}, {PLAIN}, union_by_name=true)")
    mixed, types = dict[str, str](), dict[str, str]()
    for number, (name, (internal, together, *_)) in enumerate(zip(names, every, strict=True)):
        kinds = {path: _kind(one[name] if by_name else [*one.values()][number]) for path, one in stored.items()}
        found: dict[str, str] = {}
        for path, kind in kinds.items():
            if kind != "null":
                found.setdefault(kind, path)
        whole = [files[path] for path, kind in kinds.items() if kind == "integer"]
        most = _EXACT.get(together, 1 << 53)
        if len(found) > 1 and not ({*found} == _NUMBERS and all(_are_within(query, at, name, most) for at in whole)):
            (one, here), (other, there) = [*found.items()][:2]
            mixed[name] = f"{other} in {there}, {one} in {here}"
        types[internal] = together if name not in mixed and len({*kinds.values()}) > 1 else ""
    if by_name:  # one order, whichever file is the first
        places = dict(zip(names, types.items(), strict=True))
        names = min(orders)
        types = dict(places[name] for name in names)
    return Kinds(names, mixed, types if by_name or any(types.values()) else {})


def _described(query: Query, engine_path: str) -> dict[str, str]:
    """The type of each column of one file, in order."""
    found = query(f"DESCRIBE SELECT * FROM read_parquet({literal(pattern(engine_path))}, {PLAIN})")
    return {name: stored for name, stored, *_ in found}


def _kind(stored: str) -> str:
    """The kind of a type; a date or a time is one of its own, and so is no value at all."""
    return "null" if stored == NOTHING else SQL_TYPES.get(stored, sql_kind(stored, "")[0]).lower()


def _are_within(query: Query, engine_path: str, name: str, most: int) -> bool:
    """Whether the whole numbers of a column are at most so far from 0, as the file tells without their being read."""
    low, high = (f"TRY_CAST(stats_{end}_value AS HUGEINT)" for end in ("min", "max"))
    found = query(
        f"SELECT bool_and(num_values = stats_null_count OR coalesce({low} >= {-most} AND {high} <= {most}, false)) "
        f"FROM parquet_metadata({literal(pattern(engine_path))}) WHERE path_in_schema = {literal(name)}"
    )
    return found[0][0] is not False


def _schema(query: Query, engine_path: str) -> list[tuple[Any, ...]]:
    return query(
        "SELECT name, num_children, type, converted_type, logical_type "
        f"FROM parquet_schema({literal(pattern(engine_path))})"
    )


def _top_level(schema: Sequence[tuple[Any, ...]]) -> list[str]:
    names = []
    at = 1
    while at < len(schema):
        names.append(schema[at][0])
        at = _after(schema, at)
    return names


def _after(schema: Sequence[tuple[Any, ...]], at: int) -> int:
    children = schema[at][1] or 0
    at += 1
    for _ in range(children):
        at = _after(schema, at)
    return at
