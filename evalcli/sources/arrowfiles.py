"""Arrow files and streams of any size, as ``.feather`` and data sets are saved: one batch of rows is held at a time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError
from evalcli.sources.framekinds import cast, taken
from evalcli.sources.rawfile import PIECE, RawFile
from evalcli.sources.sniff import STREAMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AT_ONCE = 1 << 17
"""Rows that the engine gets at once, each of its threads: a file may well be one batch."""
_BEFORE_ARROW = b"FEA1"
_MAGIC = b"ARROW1\0\0"
_SEAM = b"ARROW1" + _MAGIC
"""The last bytes of a file, and the first of another behind it."""
_ONE_STREAM = "write all rows as one stream, or name several files, each with its own"


@dataclass(frozen=True, slots=True)
class ArrowFile:
    """A file whose batches were all looked at; they are read anew whenever they are asked for.

    ``places`` are those of its columns in the file, where these are to be of a ``schema`` that is not the file's.
    """

    path: str
    schema: Any
    num_rows: int
    places: tuple[int, ...] | None = None

    def arranged(self, schema: Any, places: Sequence[int]) -> ArrowFile:
        """The same rows with columns of this schema."""
        return replace(self, schema=schema, places=tuple(places))

    def batches(self) -> Iterator[Sequence[Any]]:
        """The columns of its record batches, in order."""
        with _opened(self.path) as (_, batches):
            for batch in batches:
                for at in range(0, batch.num_rows, AT_ONCE):
                    yield self._columns(batch.slice(at, AT_ONCE))

    def _columns(self, batch: Any) -> Sequence[Any]:
        if self.places is None:
            columns: Sequence[Any] = batch.columns
            return columns
        return [cast(batch.column(place), kind) for place, kind in zip(self.places, self.schema.types, strict=True)]


def open_arrow(path: str) -> ArrowFile:
    """The file, if each of its values is what its type demands: the engine takes them as they are.

    Types that it does not take become others as the batches are read.
    """
    import pyarrow as pa

    _check_alone(path)
    rows = 0
    with _opened(path) as (schema, batches):
        for batch in batches:
            batch.validate(full=True)
            rows += batch.num_rows
    file = ArrowFile(path, schema, rows)
    fields = [field.with_type(taken(field.type)) for field in schema]
    if all(field.type == own.type for field, own in zip(fields, schema, strict=True)):
        return file
    return file.arranged(pa.schema(fields, schema.metadata), range(len(fields)))


@contextmanager
def _opened(path: str) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema of a file, and its batches."""
    import pyarrow as pa

    with pa.OSFile(path) as file:
        magic = file.read(4)
        file.seek(0)
        if magic == STREAMED:
            with pa.ipc.open_stream(file) as stream:
                yield stream.schema, iter(stream)
            if file.tell() < file.size():
                raise InputError("there are bytes after the end of the stream", fix=_ONE_STREAM)
        elif magic == _BEFORE_ARROW:
            from pyarrow import feather

            table = feather.read_table(file)
            yield table.schema, iter(table.to_batches())
        else:
            with pa.ipc.open_file(file) as found:
                yield found.schema, map(found.get_batch, range(found.num_record_batches))


def _check_alone(path: str) -> None:
    """Refuse a file in which another follows: the last footer is then taken to speak of the batches of the first.

    Raises:
        InputError: a file ends there and another begins.

    """
    file = RawFile(path)
    try:
        is_file = file.size > len(_SEAM) and file.read(0, len(_MAGIC)) == _MAGIC
        for at in range(0, file.size if is_file else 0, PIECE):
            if _SEAM in file.read(at, min(PIECE + len(_SEAM), file.size - at)):
                fix = "give the files as they were, as a pattern ('shard*.arrow')"
                raise InputError("another Arrow file follows in it", fix=fix, path=path)
    finally:
        file.close()


class ArrowRows:
    """The rows of such files one after another, under other ``names``, for an engine that asks as often as it likes."""

    def __init__(self, files: Sequence[ArrowFile], names: Sequence[str]) -> None:
        import pyarrow as pa

        self._files = files
        fields = zip(files[0].schema, names, strict=True)
        self._schema = pa.schema([field.with_name(name) for field, name in fields])

    def __arrow_c_stream__(self, requested: object = None) -> object:
        """A stream from the first row on."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested)

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa

        for file in self._files:
            for columns in file.batches():
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)
