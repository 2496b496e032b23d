"""One locked-down DuckDB connection, and calls into it that Ctrl-C, SIGTERM and progress bars get through to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError
from evalcli.metrics.threads import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalcli.sources.table_portions import Portion

POLL = 0.1
"""Seconds between two looks at a running query."""
MOST_THREADS = 8
"""Unless more are asked for: each holds a piece of every column, as it lies in the file and as numbers."""

MOST_OF_JSON = 3
"""Likewise of JSON lines: each thread holds 16 MB of them as they lie in the file, and what was made of others. Eight
take 475 MiB of 2M rows of ten numbers, three 252."""


def threads_of(workers: int | None, *, json_lines: bool) -> int:
    """How many threads read tables: as asked for, else one a core, of JSON lines few."""
    return workers or min(usable_cores(), MOST_OF_JSON if json_lines else MOST_THREADS)


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: str) -> str:
    """The glob that only this file matches: DuckDB takes every path for a glob.

    Raises:
        InputError: the name holds a backslash as well, for which its globs have no escape.

    """
    if not any(sign in path for sign in "*?["):
        return path
    if "\\" in path:
        raise InputError("its name holds a backslash and one of *?[", fix="rename it", path=path)
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def connect(files: Iterable[str], directory: str, threads: int, portions: Sequence[Portion] = ()) -> Any:
    """A connection in memory that reaches these files and this directory, and can never be told otherwise.

    ``portions`` that are lines of a file it reaches by the names of :mod:`evalcli.sources.linefiles`.
    """
    import duckdb

    allowed = sorted({each for file in files for each in (file, pattern(file))})
    connection = duckdb.connect()
    if any(portion.lines is not None for portion in portions):
        from evalcli.sources.linefiles import LineFiles

        runs = LineFiles(portions)
        connection.register_filesystem(runs)
        allowed += runs.paths
    settings = [
        f"allowed_paths=[{', '.join(map(literal, allowed))}]",
        f"allowed_directories=[{literal(directory)}]",
        f"temp_directory={literal(directory)}",
        "memory_limit='60%'",
        "enable_progress_bar=true",  # without it query_progress() knows nothing
        "enable_progress_bar_print=false",
        "progress_bar_time=0",
        "preserve_insertion_order=true",
        "disable_parquet_prefetching=true",  # else each worker holds a whole row group as it lies on disk, too
        "autoinstall_known_extensions=false",
        "autoload_known_extensions=false",
        "python_enable_replacements=false",
        "enable_external_access=false",
        "streaming_buffer_size='1MB'",  # what waits to be counted; ten times as much were no faster
        f"threads={threads}",
        "lock_configuration=true",
    ]
    for setting in settings:
        connection.execute(f"SET {setting}")
    return connection


class Runner:
    """Runs calls into a connection on another thread while this one stays free for signals."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __call__(self, call: Callable[[], Any], progress: Callable[[float], None] | None = None) -> Any:
        """What ``call`` returns or raises. An exception that arrives here meanwhile (a signal's) stops the query."""
        done = threading.Event()
        box: list[Any] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                box.append(call())
            except BaseException as e:
                failure.append(e)
            finally:
                done.set()

        thread = threading.Thread(target=work, name="evalcli-query", daemon=True)
        thread.start()
        try:
            if progress is not None:
                progress(0.0)
            while not done.wait(POLL):
                if progress is not None:
                    progress(min(max(self._connection.query_progress() / 100, 0.0), 1.0))
        except BaseException:
            while not done.wait(POLL):  # an interrupt that comes before the query starts is lost: repeat it
                self._connection.interrupt()
            raise
        if failure:
            raise failure[0]
        return box[0]


class MendedError(InputError):
    """A table was copied into a form that the engine reads: the query must be asked again."""

    def __init__(self) -> None:
        super().__init__("its lines end in different ways", fix="write it with one kind of line end")


class Result:
    """The rows of a statement. ``ask`` runs it; ``run`` guards each call that fetches, for the engine works ahead."""

    def __init__(self, ask: Callable[[], Any], run: Callable[[Callable[[], Any]], Any]) -> None:
        self._ask = ask
        self._run = run
        self._is_fresh = True
        try:
            self._relation = ask()
        except MendedError:
            self._relation = ask()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        found: list[tuple[Any, ...]] = self._take("fetchall")
        return found

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        found: tuple[Any, ...] | None = self._take("fetchone")
        return found

    def fetchmany(self, size: int) -> Sequence[tuple[Any, ...]]:
        """The next rows, at most ``size``."""
        found: Sequence[tuple[Any, ...]] = self._take("fetchmany", size)
        return found

    def _take(self, method: str, *arguments: Any) -> Any:
        def call() -> Any:
            return getattr(self._relation, method)(*arguments)

        try:
            found = self._run(call)
        except MendedError:
            if not self._is_fresh:
                raise
            self._relation = self._ask()
            found = self._run(call)
        self._is_fresh = False
        return found
