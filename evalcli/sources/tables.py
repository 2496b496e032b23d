"""Tables, opened and checked: CSV, TSV, JSON lines, Parquet and what only pandas reads, inside one locked-down DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.sources.base import InputFile, Note


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How text tables are written, where their bytes do not say so."""

    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    trust_compression: bool = False
    multiline_labels: bool = False


class Table:
    """One input (a file, or the files of a glob) as a relation.

    ``columns`` maps the exact names, in file order, to ``text``, ``integer``, ``float``, ``boolean``, ``list`` or
    ``other``; every CSV column is ``text``.
    """

    path: str
    format: str
    columns: dict[str, str]

    def scan(self, columns: Sequence[str] | None = None) -> str:
        """SQL to stand after FROM: these columns under their exact names, rows in file order."""
        raise NotImplementedError

    def locate(self, row: int) -> str:
        """The place of a data row (from 0) in words: ``line 7`` or ``row 6``. May rescan."""
        raise NotImplementedError

    def begin(self) -> None:
        """Start a pass: the independent check runs beside the query."""
        raise NotImplementedError

    def finish(self, rows: int | None) -> tuple[InputFile, ...]:
        """End a pass: what was read, once the check agrees with the rows counted."""
        raise NotImplementedError

    def notes(self) -> tuple[Note, ...]:
        """What became known beyond the rows."""
        return ()


class Tables:
    """The named files in one DuckDB connection that can reach nothing else."""

    connection: Any
    tables: tuple[Table, ...]

    def __init__(
        self, paths: Sequence[str], options: TableOptions | None = None, workers: int | None = None
    ) -> None:
        raise NotImplementedError

    def query(
        self,
        sql: str,
        parameters: Sequence[Any] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Any:
        """Run one statement and give DuckDB's result (``fetchall``, ``fetchnumpy``, ``to_arrow_table`` …).

        Stays interruptible; ``progress`` receives the share done, 0 to 1. Every engine error becomes one of ours.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the connection and temporary files. Harmless when repeated."""
        raise NotImplementedError


def open_tables(paths: Sequence[str], options: TableOptions | None = None, workers: int | None = None) -> Tables:
    """Open these inputs, in this order."""
    return Tables(paths, options, workers)
