"""What ``--where`` says: which columns it names, and that its answer depends on nothing but the rows.

A column of a text table holds text. Where such a column is only compared and calculated with, and every cell of it is
a number, ``--where`` sees numbers, as it would in any format that has types; the labels themselves stay exact text.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import EmptyError, UsageError
from evalcli.sources.duck import quoted
from evalcli.sources.labels import NUMBER
from evalcli.sources.naming import near_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.sources.table import Table
    from evalcli.sources.tables import Tables

_AS_IN = "write one, as in \"age > 65 AND site = 'A'\""

TYPED_FORMATS = frozenset({"csv", "tsv"})
"""Formats without types."""

CALCULATIONS = frozenset(
    [
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "^",
        "@",
        "abs",
        "mod",
        "round",
        "floor",
        "ceil",
        "ceiling",
        "trunc",
        "sign",
        "sqrt",
        "cbrt",
        "exp",
        "ln",
        "log",
        "log2",
        "log10",
        "pow",
        "power",
        "greatest",
        "least",
        "isnan",
        "isinf",
        "isfinite",
    ]
)
OPERATORS = frozenset(
    ["COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_COALESCE", "OPERATOR_NULLIF"]
)
CLOCKS = frozenset(
    [
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "user",
        "current_role",
        "current_catalog",
        "current_schema",
        "ago",
        "pg_conf_load_time",
        "pg_postmaster_start_time",
    ]
)
"""Words and macros that the engine's own list of volatile functions does not have."""

ORDERINGS = frozenset(
    [
        "COMPARE_LESSTHAN",
        "COMPARE_GREATERTHAN",
        "COMPARE_LESSTHANOREQUALTO",
        "COMPARE_GREATERTHANOREQUALTO",
        "COMPARE_BETWEEN",
        "COMPARE_NOT_BETWEEN",
    ]
)

SAMPLE_ROWS = 1000
PLAIN = r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
"""A number as a program writes it; ``007`` is none, and ``NaN`` neither."""
LONG = r"[+-]?[0-9]{16,}"
"""Whole numbers that a DOUBLE cannot hold."""
LONGEST = 18


@dataclass(frozen=True, slots=True)
class Condition:
    """The names that an expression mentions (in lower case), which of them it only compares and calculates with, and
    which it puts in order beside a number in quotes.
    """

    text: str
    names: frozenset[str]
    numeric: frozenset[str]
    ordered: frozenset[str]

    def mentions(self, name: str) -> bool:
        """Whether a column may be meant; only names count, for a part of one looks the same."""
        return name.lower() in self.names


def parse_condition(tables: Tables, where: str, columns: Sequence[str]) -> Condition:
    """Read the expression.

    Raises:
        UsageError: it is not one expression, holds a query, or depends on chance or on the time.

    """
    import duckdb

    if not isinstance(where, str):
        raise UsageError(f"--where is {where!r}, and no text", fix=_AS_IN)
    if not where.strip():
        raise UsageError("--where is empty", fix=f"{_AS_IN}, or leave it out")
    try:
        duckdb.SQLExpression(where)
    except duckdb.Error as error:
        fix = _unquoted(where, columns) or _AS_IN
        raise UsageError(f"--where is not one SQL expression: {_first_line(error)}", fix=fix) from error
    sql = f"SELECT 1 WHERE (\n{where}\n)"
    parsed = json.loads(tables.query("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0])
    if parsed["error"]:
        raise UsageError(f"--where is not one SQL expression: {parsed['error_message']}", fix=_AS_IN)
    nodes = list(_walk(parsed["statements"][0]["node"]["where_clause"]))
    _check_constant(tables, nodes, {name.lower() for name in columns})
    _check_quotes(nodes, columns)
    found = {name for node, _ in nodes for name in _names(node)}
    others = {name for node, parent in nodes for name in _names(node) if not _calculates(parent)}
    ordered = {
        name
        for node, parent in nodes
        for name in _names(node)
        if parent is not None and parent["type"] in ORDERINGS and any(map(_is_quoted_number, _children(parent)))
    }
    return Condition(where, frozenset(found), frozenset(found - others), frozenset(ordered))


def _walk(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every expression with the one that it stands in."""
    stack: list[tuple[dict[str, Any], dict[str, Any] | None]] = [(root, None)]
    while stack:
        node, parent = stack.pop()
        yield node, parent
        stack.extend((child, node) for child in _children(node))


def _children(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The expressions right below one."""
    found = []
    stack = [value for key, value in node.items() if key != "type_expr"]
    while stack:
        value = stack.pop()
        if isinstance(value, dict) and "class" in value:
            found.append(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return found


def _names(node: dict[str, Any]) -> list[str]:
    """What a reference may mean: ``preds.age`` is a column, or a part of one."""
    return [part.lower() for part in node["column_names"]] if node["class"] == "COLUMN_REF" else []


def _calculates(parent: dict[str, Any] | None) -> bool:
    """Whether operands of this expression may be numbers instead of text."""
    if parent is None:
        return False
    known = (
        parent["class"] in ("COMPARISON", "BETWEEN")
        or (parent["class"] == "OPERATOR" and parent["type"] in OPERATORS)
        or (parent["class"] == "FUNCTION" and parent["function_name"] in CALCULATIONS)
    )
    return known and not any(_quoted_text(child) not in (None, "number") for child in _children(parent))


def _quoted_text(node: dict[str, Any]) -> str | None:
    """What a constant in quotes holds: a ``number`` or other ``text``; ``None`` of anything else."""
    if node["class"] != "CONSTANT" or node["literal"].get("kind") != "STRING":
        return None
    return "number" if NUMBER.fullmatch(str(node["literal"]["text"]).strip()) else "text"


def _is_quoted_number(node: dict[str, Any]) -> bool:
    return _quoted_text(node) == "number"


def _check_constant(tables: Tables, nodes: list[tuple[dict[str, Any], Any]], columns: set[str]) -> None:
    """Refuse what would give other rows the next time."""
    if any(node["class"] == "STAR" for node, _ in nodes):
        raise UsageError("--where speaks of all columns at once", fix="name them one by one")
    if any(node["class"] in ("SUBQUERY", "WINDOW") for node, _ in nodes):
        raise UsageError("--where holds a query of its own", fix="write one condition over the columns of a row")
    calls = {node["function_name"].lower(): len(_children(node)) for node, _ in nodes if node["class"] == "FUNCTION"}
    words = {name for node, _ in nodes for name in _names(node) if len(node["column_names"]) == 1}
    changing = sorted(CLOCKS & ({*calls} | (words - columns)))
    if calls.get("age") == 1:
        changing.append("age")  # of one date: since today
    asked = [name for name in calls if name not in CALCULATIONS]
    if asked:
        rows = tables.query(
            "SELECT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT' "
            f"AND function_name IN ({', '.join('?' * len(asked))})",
            asked,
        ).fetchall()
        changing += [row[0] for row in rows]
    if changing:
        raise UsageError(
            f"--where asks for {changing[0]}, which gives other rows the next time",
            fix="choose rows by what is in them: a column that is written once, such as a split",
        )


def no_row(where: str, path: str) -> EmptyError:
    """The error for a condition that leaves nothing."""
    fix = f"see what its columns hold with: evalcli inspect {shlex.quote(path)}"
    return EmptyError(f"no row satisfies --where {where!r}", fix=fix, path=path)


def _check_quotes(nodes: list[tuple[dict[str, Any], Any]], columns: Sequence[str]) -> None:
    """Refuse a column in the quotes of a text: compared with another text it keeps all rows or none."""
    names = {name.lower(): name for name in columns}
    for node, parent in nodes:
        name = names.get(str(node["literal"]["text"]).lower()) if _quoted_text(node) is not None else None
        if name is not None and parent is not None and not any(_names(one) for one, _ in _walk(parent)):
            text = node["literal"]["text"]
            raise UsageError(
                f"--where takes '{text}' for a text, since it stands in single quotes",
                fix=f"write the column as {spelled(name)}",
            )


def numbers(tables: Tables, table: Table, names: Sequence[str]) -> dict[str, str]:
    """Which text columns hold numbers in every cell that is not empty, and the SQL type that holds them exactly.

    A column that is empty is one of them, as it may be in other files.
    """
    kept = list(names)
    for limit in (f"LIMIT {SAMPLE_ROWS}", ""):
        if not kept:
            return {}
        cells = {name: f"c{i}" for i, name in enumerate(kept)}
        asked = ", ".join(
            f"bool_and(regexp_full_match({c}, '{PLAIN}')), coalesce(bool_or(regexp_full_match({c}, '{LONG}')), false), "
            f"max(len({c})), bool_and(regexp_full_match({c}, '[+-]?[0-9]+'))"
            for c in cells.values()
        )
        scan = table.scan({c: name for name, c in cells.items()}, whole=True)
        (row,) = tables.query(f"SELECT {asked} FROM (SELECT * FROM {scan} {limit})").fetchall()
        types = {name: _type(*row[4 * i : 4 * i + 4]) for i, name in enumerate(kept)}
        kept = [name for name in kept if types[name]]
    return {name: types[name] for name in kept}


def _type(plain: bool | None, long: bool, length: int | None, whole: bool | None) -> str:
    if plain is False:
        return ""
    if not long:
        return "DOUBLE"
    return "BIGINT" if whole and (length or 0) <= LONGEST else ""


def explain(what: str, condition: Condition, columns: Sequence[str], texts: Sequence[str]) -> str:
    """What mends an error of the engine about the expression; ``texts`` are the text columns that it names."""
    if unquoted := _unquoted(condition.text, [column.partition(".")[2] for column in columns]):
        return unquoted
    missing = re.search(r'Referenced column "(.+?)" not found', what)
    if missing:
        name = missing[1]
        near = near_name(name, [column.rpartition(".")[2] for column in columns])
        if near is None and f'"{name}"' in condition.text:
            return f"a text stands in single quotes: '{name}'"
        said = f"did you mean {near!r}? " if near is not None else ""
        if near is None and re.search(rf"[=<>]\s*{re.escape(name)}(?!\w)", condition.text):
            said = f"a text stands in single quotes: '{name}'; "
        return said + _listed(columns)
    if "not a condition" in what:
        return "compare it with something: region = 'EU', age > 30"
    if texts and re.search(r"VARCHAR|[Cc]onver|cast", what):
        name = spelled(texts[0])
        if moment := re.search(r"\b(DATE|TIMESTAMP|TIME)\b", what):
            return f"{texts[0]!r} is text: compare {name}::{moment[1]}"
        return f"{texts[0]!r} is text: compare {name}::DOUBLE, or TRY_CAST({name} AS DOUBLE) if some are no numbers"
    return _listed(columns)


def _unquoted(where: str, columns: Sequence[str]) -> str | None:
    """How to write a column whose name is no word, where it stands without quotes."""
    odd = [name for name in columns if re.match(r"[A-Za-z_]", name) and spelled(name) != name]
    for name in odd:
        if re.search(rf"""(?<![\w"']){re.escape(name)}(?![\w"'])""", where):
            return f"write the column in double quotes: {spelled(name)}"
    return None


def spelled(name: str) -> str:
    """A column as a person would write it.

    >>> spelled("age"), spelled("net age")
    ('age', '"net age"')
    """
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else quoted(name)


def _listed(columns: Sequence[str]) -> str:
    return f"columns are {', '.join(columns[:20])}" + (" …" if len(columns) > 20 else "")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
