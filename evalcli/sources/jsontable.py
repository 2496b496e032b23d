"""One JSON document that is a table: what ``json.dump``, pandas and experiment trackers write of one.

A list of objects has a row in each; an object has a column under each key, as a list or by row names, or ``columns``
and ``data``, or ``schema`` and ``data``, or a row under each name; a list of values, or of lists of them, is one column
without a name. It is read into memory at once; JSON lines stream.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError, LimitError
from evalcli.sources.csvtext import COLUMN_LIMIT
from evalcli.sources.jsonlines import DOCUMENT, MIXED, NAMELESS, UNREADABLE, decoded, join_kinds, kind_of
from evalcli.sources.named_scores import ANSWERS, BESIDE, NAMED, NamedScores, cells_of
from evalcli.sources.sniff import WIDE_MARKS
from evalcli.sources.usual_names import USUAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 128 << 20
"""Bytes of a document: some 8 times as many in memory, as Python has them."""
UNLIKE = "unlike"
_AS_LINES = "write JSON lines, one object a row: jq -c '.[]' makes them of a list of objects"


def read_json(path: str) -> Any:
    """The table, as pyarrow has it; no value is turned into another kind.

    Raises:
        InputError: it is no JSON, no table, or has values of several kinds in one column.
        LimitError: it is larger than 128 MiB, or has more than 10,000 columns.

    """
    size = os.stat(path).st_size  # noqa: PTH116 - the path is text all the way
    if size > LIMIT:
        raise LimitError(f"{size:,} bytes of JSON in one document; at most {LIMIT:,} are read", fix=_AS_LINES)
    with open(path, "rb") as file:  # noqa: PTH123 - likewise
        text = file.read(LIMIT + 1).removeprefix(b"\xef\xbb\xbf")
    if text.startswith(WIDE_MARKS):
        text = _from_utf16(text)
    columns = _columns(decoded(text, DOCUMENT, fix="write it again"))
    if len(columns) > COLUMN_LIMIT:
        raise LimitError(f"more than {COLUMN_LIMIT} columns", fix="keep only those needed")
    if not columns:
        raise InputError("the document holds no rows and no keys", fix=_AS_LINES)
    import pyarrow as pa

    named = _named(columns)
    held = [column for name, cells in columns.items() for column in _spread(name, cells, named)]
    if len(held) > COLUMN_LIMIT:
        raise LimitError(f"more than {COLUMN_LIMIT} columns", fix="keep only those needed")
    fields = [pa.field(name, array.type, metadata={"holds": kind}) for name, array, kind in held]
    return pa.Table.from_arrays([array for _, array, _ in held], schema=pa.schema(fields))


def _from_utf16(text: bytes) -> bytes:
    try:
        return text.decode("utf-16").encode("utf-8")
    except UnicodeError as e:
        raise InputError("begins as UTF-16 and is none", fix="write it again") from e


def _columns(found: Any) -> dict[str, list[Any]]:
    """The cells of each column."""
    if isinstance(found, list):
        if all(isinstance(row, dict) for row in found):
            return _of_rows(found)
        if any(isinstance(row, dict) for row in found):
            place = next(i for i, row in enumerate(found) if not isinstance(row, dict))
            raise InputError(f"row {place} is no object, others are", fix="write one object for each row")
        return {NAMELESS: found} if found else {}
    if not isinstance(found, dict):
        raise InputError("the document is a single value, not a table", fix=_AS_LINES)
    rows = _rows_of(found)
    if rows is not None:
        return _of_rows(rows)
    named, data = found.get("columns"), found.get("data")
    if isinstance(named, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return _of_lists(named, data)
    cells = [*found.values()]
    if cells and all(isinstance(column, dict) for column in cells):  # pandas: cells by the name of their row
        for name, column in found.items():
            if [*column] != [*cells[0]]:
                raise InputError(f"column {name!r} has other rows than the first", fix=_AS_LINES)
        return {name: [*column.values()] for name, column in found.items()}
    if cells and all(isinstance(column, list) for column in cells):
        lengths = {name: len(column) for name, column in found.items()}
        if len({*lengths.values()}) == 1:
            return dict(found)
        told = ", ".join(f"{name!r} {length:,}" for name, length in [*lengths.items()][:8])
        raise InputError(f"its columns differ in length: {told}", fix="write one value for each row, or JSON lines")
    return _of_rows([found])


def _rows_of(found: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of an object that has them as pandas writes them: beside their ``schema``, or under their names."""
    data = found.get("data")
    if "schema" in found and isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        return data
    named = all(isinstance(row, dict) and not USUAL_NAMES.isdisjoint(row) for row in found.values())
    if not found or not named or not USUAL_NAMES.isdisjoint(found):
        return None
    return [{"index": name, **row} for name, row in found.items()]


def _of_rows(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _of_lists(names: Sequence[Any], rows: Sequence[list[Any]]) -> dict[str, list[Any]]:
    if not all(isinstance(name, str) for name in names):
        raise InputError("a column is called by no text", fix='write {"columns": ["pred", …], "data": [[…], …]}')
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise InputError(f"row {number} has {len(row):,} values, there are {len(names):,} columns", fix=_AS_LINES)
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"column {twice!r} occurs twice", fix="give it one name once")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _named(columns: dict[str, list[Any]]) -> NamedScores:
    """What the rows show of scores that carry the names of their classes; lists of these beside them become objects."""
    named = NamedScores()
    nested = {name: cells for name, cells in columns.items() if any(isinstance(cell, (dict, list)) for cell in cells)}
    for number, row in enumerate(zip(*nested.values(), strict=True)):
        named.meet(dict(zip(nested, row, strict=True)), f"row {number}")
    if named.beside:
        labels, scores = (columns.pop(name) for name in BESIDE)
        pairs = zip(labels, scores, strict=True)
        columns[BESIDE[1]] = [None if one is None else dict(zip(one, other, strict=True)) for one, other in pairs]
    return named


def _spread(name: str, cells: list[Any], named: NamedScores) -> list[tuple[str, Any, str]]:
    """The columns that are made of one, each with its name and kind: several of scores that carry names."""
    import pyarrow as pa

    kind = _kind(cells, name)
    if kind in ANSWERS:
        pairs = [cell[0] if isinstance(cell, list) else cell or {} for cell in cells]
        labels = [None if pair.get("label") is None else str(pair["label"]) for pair in pairs]
        scores = pa.array([pair.get("score") for pair in pairs], pa.float64())
        return [(name, pa.array(labels, pa.string()), "text"), (f"{name}.score", scores, "float")]
    if kind not in NAMED:
        return [(name, _array(cells, kind), kind)]
    if name in named.odd:
        return [(name, _array(cells, UNLIKE), named.odd[name])]
    names = named.met[name].names
    rows = [[None] * len(names) if cell is None else cells_of(cell, names) for cell in cells]
    return [
        (f"{name}.{each}", pa.array(column, pa.float64()), "float")
        for each, column in zip(names, zip(*rows, strict=True), strict=True)
    ]


def _kind(cells: list[Any], name: str) -> str:
    """The kind of all values of a column."""
    kind = ""
    for number, cell in enumerate(cells):
        joined = join_kinds(kind, kind_of(cell))
        if joined == MIXED:
            raise InputError(
                f"row {number}: {name!r} is {kind_of(cell)}, earlier it was {kind}",
                fix="write one kind of value under one key",
            )
        kind = joined
    return kind


def _array(cells: list[Any], kind: str) -> Any:
    """A column of values of a kind; of those that no evaluation can read, so many objects."""
    import pyarrow as pa

    if kind in UNREADABLE or kind == UNLIKE:
        return pa.array([{kind: 0}] * len(cells))
    types = {
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "list": pa.list_(pa.float64()),
        "empty": pa.list_(pa.float64()),
        "texts": pa.list_(pa.string()),
    }
    if kind == "list" and any(cell and isinstance(cell[0], bool) for cell in cells):
        return pa.array(cells, pa.list_(pa.bool_()))
    try:
        return pa.array(cells, types.get(kind, pa.string()))
    except (OverflowError, pa.ArrowInvalid):  # whole numbers beyond 64 bits, as digits
        return pa.array([None if cell is None else str(cell) for cell in cells])
