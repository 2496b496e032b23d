"""Which kind of column an SQL type is, and how its cell is read."""

from __future__ import annotations

from evalcli.sources.moments import SQL_TYPES, sql_text

PARQUET_KINDS = {
    "VARCHAR": "text",
    "ENUM": "text",
    "UUID": "text",
    **dict.fromkeys(SQL_TYPES, "text"),
    "BOOLEAN": "boolean",
    "FLOAT": "float",
    "DOUBLE": "float",
    "DECIMAL": "float",
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
        "integer",
    ),
}
"""DuckDB's type without its parameters → kind."""
LONGEST = 18
"""So many digits of a decimal number fit into 64 bits."""
_NUMBERS = ("float", "integer")
NOTHING = '"NULL"'
"""The type of a column of which nobody has said what it holds, as nothing is there."""


def sql_kind(kind: str, cell: str) -> tuple[str, str]:
    """The kind of a column of this SQL type, and the SQL of its cell."""
    if kind.endswith("]"):
        inner, _, rest = kind.partition("[")
        of = PARQUET_KINDS.get(inner.partition("(")[0]) if rest.count("[") == 0 else None
        if of in _NUMBERS or of == "boolean":
            return "list", cell
        return ("texts", f"CAST({cell} AS VARCHAR[])") if of == "text" else ("other", cell)
    if kind == NOTHING:
        return "text", f"CAST({cell} AS VARCHAR)"
    base = kind.partition("(")[0]
    found = PARQUET_KINDS.get(base, "other")
    if base in SQL_TYPES:
        return found, sql_text(base, cell)
    if base == "DECIMAL" and kind.endswith(",0)"):  # whole numbers of some databases, ids among them
        return "integer", f"CAST({cell} AS {'BIGINT' if int(kind[8:-3]) <= LONGEST else 'HUGEINT'})"
    return found, f"CAST({cell} AS DOUBLE)" if base == "DECIMAL" else f"CAST({cell} AS VARCHAR)" if base in (
        "ENUM",
        "UUID",
    ) else cell
