"""Values in memory hashed as the table engine hashes those of tables, so that shares of one input are known alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from evalcli.sources.distinct import KEPT, SPACE, least_of
from evalcli.sources.duck import connect
from evalcli.sources.table_columns import slice_sql
from evalcli.sources.table_join import Column
from evalcli.sources.temporary import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]


class Hashes:
    """The least hashes of texts and numbers; ``by`` says whose they are: another version may hash otherwise.

    >>> import numpy as np
    >>> with Hashes() as hashes:
    ...     of_texts, of_numbers = hashes.least(["1", "2", "1"]), hashes.least(np.array([2, 1]))
    >>> len(of_texts), of_texts == of_numbers
    (2, True)
    """

    def __init__(self) -> None:
        self._folder = TemporaryFolder()
        self._connection = connect((), self._folder.path, 1)
        self.by = engine(self._connection.execute("SELECT version()").fetchall())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._connection.close()
        self._folder.close()

    def least(self, values: Sequence[str] | Array, known: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Those of these values, by the labels that they are in a table, beside those that are ``known``."""
        import pyarrow as pa

        held, below = pa.array(values), known[-1] if len(known) == KEPT else SPACE
        self._connection.register("held", pa.table({"value": held}))
        kind = "float" if pa.types.is_floating(held.type) else "text" if pa.types.is_string(held.type) else ""
        label = slice_sql(Column("held", "value", kind, "value"))
        hashed = f"SELECT DISTINCT hash(v) >> 1 AS h FROM (SELECT {label} AS v FROM held) WHERE v IS NOT NULL"
        found = self._connection.execute(f"{hashed} AND h < {below} ORDER BY h LIMIT {KEPT}").fetchall()
        self._connection.unregister("held")
        return least_of((*known, *(number for (number,) in found)))


def engine(version: Sequence[Sequence[Any]]) -> str:
    """The name of the engine, from what it answers when it is asked for its version."""
    return f"DuckDB {version[0][0]}"
