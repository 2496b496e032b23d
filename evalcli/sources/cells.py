"""The further columns of a batch of a table, as the engine's library holds them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.sources.base import Array


class Cells:
    """Columns of a batch as Arrow holds them; values are made of those rows alone that are asked for."""

    def __init__(self, columns: Sequence[Any]) -> None:
        self._columns = columns

    def __call__(self, rows: Array) -> list[tuple[Any, ...]]:
        """The cells of these rows of the batch."""
        from evalcli.sources.table_rows import arrow_places

        places = arrow_places(rows)
        taken = [list(map(_plain, column.take(places).to_pylist())) for column in self._columns]
        return list(zip(*taken, strict=True))

    def part(self, rows: Array | slice) -> Cells:
        """Those of some rows of the batch."""
        if isinstance(rows, slice):
            return Cells([column[rows] for column in self._columns])
        from evalcli.sources.table_rows import arrow_places

        places = arrow_places(rows)
        return Cells([column.take(places) for column in self._columns])

    def texts(self, index: int) -> Any:
        """A column as texts, as the engine's library holds them."""
        import pyarrow as pa

        return self._columns[index].cast(pa.string())


def _plain(value: Any) -> Any:
    """A value that JSON knows; the engine hands whole numbers beyond 64 bits as decimals."""
    return int(value) if isinstance(value, Decimal) else value
