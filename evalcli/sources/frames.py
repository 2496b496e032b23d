"""What is read at once: .xlsx, .dta, .sav, .sas7bdat, .xpt and JSON documents, without inference; and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.errors import EvalError, InputError, LimitError
from evalcli.sources.arrowfiles import ArrowFile, ArrowRows, open_arrow
from evalcli.sources.moments import are_moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import IO

SMALL = 16 << 20
RATIO_LIMIT = 200
"""Part of a workbook that is larger than ``SMALL`` may unpack to so many times its size: sheets take 5 to 30."""
TYPES = {str: "string", int: "int64", float: "float64", bool: "bool_"}


def read_frame(path: str, kind: str) -> Any:
    """The file as a pyarrow table, or as an :class:`ArrowFile`, which streams.

    No cell is turned into another kind, nothing spelled with letters is missing.

    Raises:
        InputError: the file cannot be read, or a package is missing for it.
        LimitError: it does not fit into memory.

    """
    try:
        return READERS[kind](path)
    except EvalError as e:
        e.path = e.path or path
        raise
    except ImportError as e:
        package = e.name or "pyreadstat"
        raise InputError(f"needs the package {package}", fix=f"pip install {package}", path=path) from e
    except MemoryError as e:
        raise LimitError("does not fit into memory", fix="save it as .parquet", path=path) from e
    except OSError as e:
        raise InputError(f"cannot be read as {kind}", fix="write it again, or save it as .parquet", path=path) from e
    except Exception as e:  # the readers raise whatever a damaged file makes them stumble over
        raise InputError(
            f"cannot be read as {kind} ({type(e).__name__})", fix="write it again, or save it as .parquet", path=path
        ) from e


def joined(frames: Sequence[Any], names: Sequence[str]) -> Any:
    """The rows of all of them in order, under these names."""
    if isinstance(frames[0], ArrowFile):
        return ArrowRows(frames, names)
    import pyarrow as pa

    return pa.concat_tables(frames).rename_columns(names)


def _read_xlsx(path: str) -> Any:
    """The first sheet. Excel stores text as text and numbers as floats: whole numbers are integers again."""
    with open(path, "rb") as file:  # noqa: PTH123 - a name alone would be judged by its suffix, and stdin has none
        _check_unpacked(file)
        sheet = _sheet(file, stored=True)
        header = sheet[0] if sheet else ()
        if all(cell is None for cell in header):
            raise InputError("the first row of the first sheet is empty", fix="put the column names there")
        unsolved = _unsolved(sheet, file)
    kept = [row for i, row in enumerate(sheet[1:], 1) if any(cell is not None for cell in row) or i in unsolved]
    width = max(_width(row) for row in (header, *kept))
    names = ["" if cell is None else str(cell) for cell in (*header, *[None] * width)][:width]
    columns = [[row[i] if i < len(row) else None for row in kept] for i in range(width)]
    places = {str(i): place for row in unsolved.values() for i, place in reversed(row.items())}
    return _table(names, columns).replace_schema_metadata(places)


def _sheet(file: IO[bytes], *, stored: bool) -> list[tuple[Any, ...]]:
    """The rows of the first sheet: of a formula the value that was ``stored`` with it, or its text."""
    import openpyxl

    book = openpyxl.load_workbook(file, read_only=True, data_only=stored)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a size that the sheet claims for itself would hide the rows beyond it
        return list(sheet.iter_rows(values_only=True))
    finally:
        book.close()


def _unsolved(sheet: list[tuple[Any, ...]], file: IO[bytes]) -> dict[int, dict[int, str]]:
    """Formulas whose value no program has stored: by row and column the name of the cell, as in ``B2``."""
    if not any(cell is None for row in sheet for cell in row):
        return {}
    from openpyxl.utils import get_column_letter

    found: dict[int, dict[int, str]] = {}
    for i, (row, said) in enumerate(zip(sheet, _sheet(file, stored=False), strict=True)):
        for j, (value, formula) in enumerate(zip(row, said, strict=True)):
            if value is None and formula is not None:
                found.setdefault(i, {})[j] = f"{get_column_letter(j + 1)}{i + 1}"
    return found


def _check_unpacked(file: IO[bytes]) -> None:
    """A workbook is a zip of XML, read into memory: refuse one that unpacks to far more than it is."""
    from zipfile import ZipFile

    for member in ZipFile(file).infolist():
        if member.file_size > SMALL and member.file_size > RATIO_LIMIT * max(member.compress_size, 1):
            what = f"unpacks {member.compress_size:,} bytes to {member.file_size:,}"
            raise LimitError(what, fix="save it as .csv or .parquet")


def _width(row: tuple[Any, ...]) -> int:
    """Cells up to the last that holds something."""
    return max((i + 1 for i, cell in enumerate(row) if cell is not None), default=0)


def _read_json(path: str) -> Any:
    from evalcli.sources.jsontable import read_json

    return read_json(path)


def _read_stata(path: str) -> Any:
    import pandas as pd

    with (
        open(path, "rb") as file,  # noqa: PTH123 - likewise
        pd.read_stata(file, iterator=True, convert_categoricals=False, preserve_dtypes=True) as reader,
    ):
        frame = reader.read()
        labels = reader.value_labels()
        named = dict(zip(reader._varlist, reader._lbllist, strict=True))
    return _labelled(frame, {name: labels[key] for name, key in named.items() if key in labels})


def _labelled(frame: Any, labels: dict[str, dict[Any, str]]) -> Any:
    """Numbers that the file names become their names; a number without a name stays a number in digits."""
    columns = []
    for index, name in enumerate(frame.columns):
        cells = _plain(frame.iloc[:, index])
        names = labels.get(name)
        if names:
            cells = cells if isinstance(cells, list) else cells.to_pylist()
            cells = [None if cell is None else names.get(cell, str(cell)) for cell in cells]
        columns.append(cells)
    return _table([str(name) for name in frame.columns], columns)


def _read_pandas(reader: str, **options: Any) -> Callable[[str], Any]:
    def read(path: str) -> Any:
        import pandas as pd

        frame = getattr(pd, reader)(path, **options)
        return _table([str(name) for name in frame.columns], [_plain(frame.iloc[:, i]) for i in range(frame.shape[1])])

    return read


def _plain(series: Any) -> Any:
    """Python values, None where one is missing; single precision stays an array of its own: 0.7 is another number."""
    missing = series.isna().tolist()
    if str(series.dtype) == "float32":
        import pyarrow as pa

        return pa.array(series.to_numpy(), mask=series.isna().to_numpy())
    cells = series.astype(object).tolist()
    return [None if gone else cell for cell, gone in zip(cells, missing, strict=True)]


def _table(names: list[str], columns: Iterable[Any]) -> Any:
    import pyarrow as pa

    return pa.Table.from_arrays([_array(cells, name) for name, cells in zip(names, columns, strict=True)], names=names)


def _array(cells: Any, name: str) -> Any:
    import pyarrow as pa

    if not isinstance(cells, list):
        return cells
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) == 1 and (kind := next(iter(kinds))) in TYPES:
        try:
            return pa.array(cells, type=getattr(pa, TYPES[kind])())
        except (OverflowError, pa.ArrowInvalid):
            pass  # integers beyond 64 bits: as digits
    if len(kinds) == 1 and are_moments(cells):
        return pa.array(cells)
    texts = [None if cell is None else str(cell) for cell in cells]
    if len({(text, type(cell)) for text, cell in zip(texts, cells, strict=True)}) > len(set(texts)):
        raise InputError(f"column {name!r} holds the same value as a number and as text", fix="store one kind only")
    return pa.array(texts, type=pa.string())


READERS: dict[str, Callable[[str], Any]] = {
    "xlsx": _read_xlsx,
    "feather": open_arrow,
    "json": _read_json,
    "dta": _read_stata,
    "sav": _read_pandas("read_spss", convert_categoricals=True),
    "sas7bdat": _read_pandas("read_sas", format="sas7bdat", encoding="infer"),
    "xpt": _read_pandas("read_sas", format="xport", encoding="utf-8"),
}
"""Format → reader."""
