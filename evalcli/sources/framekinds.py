"""Frames of several files as one table: columns in another order, and texts that are stored in several ways.

Arrow has several types for the same texts (``string``, ``large_string``, ``string_view``, dictionaries of them), and
one for a column without a value. What goes together is read as what holds all of it, whichever file is the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.errors import InputError
from evalcli.sources.tableformat import UNLIKE_FIX

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXTS = frozenset({"string", "large_string", "string_view"})


def alike(frames: Sequence[Any], paths: Sequence[str]) -> list[Any]:
    """The same rows with columns of the same types in the same order.

    Raises:
        InputError: a file has columns of other names, or values of other types.

    """
    first = frames[0].schema
    if all(frame.schema == first for frame in frames):
        return list(frames)
    for frame, path in zip(frames, paths, strict=True):
        names = frame.schema.names
        if names != first.names and not sorted(names) == sorted({*first.names}) == sorted(first.names):
            raise InputError(f"its columns differ from those of {paths[0]}", fix=UNLIKE_FIX, path=path)
    order = min(frame.schema.names for frame in frames)
    same = all(frame.schema.names == order for frame in frames)
    places = [[*range(len(order))] if same else [*map(frame.schema.get_field_index, order)] for frame in frames]
    fields = ([frame.schema.field(i) for i in own] for frame, own in zip(frames, places, strict=True))
    kinds = [_kind(column, paths) for column in zip(*fields, strict=True)]
    return [_arranged(frame, own, kinds) for frame, own in zip(frames, places, strict=True)]


def cast(column: Any, kind: Any) -> Any:
    """The column as values of a type."""
    import pyarrow as pa

    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(kind))
    return column.cast(kind)


def taken(kind: Any) -> Any:
    """The type with single precision wherever it has half, and double for the widest decimals.

    The engine does not take either from a frame; from Parquet it reads such decimals as double precision, too.
    """
    import pyarrow as pa

    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal256(kind):
        return pa.float64()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(taken(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, kind.item_field.with_type(taken(kind.item_type)))
    for is_list, of in (
        (pa.types.is_list, pa.list_),
        (pa.types.is_large_list, pa.large_list),
        (pa.types.is_fixed_size_list, lambda field: pa.list_(field, kind.list_size)),
    ):
        if is_list(kind):
            return of(kind.value_field.with_type(taken(kind.value_type)))
    return kind


def _kind(column: Sequence[Any], paths: Sequence[str]) -> Any:
    """The type of a column that the files have with these fields."""
    import pyarrow as pa

    kinds: dict[Any, int] = {}
    if all(field.type == column[0].type for field in column):
        return column[0].type
    for place, field in enumerate(column):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not pa.types.is_null(kind):
            kinds.setdefault(pa.large_string() if str(kind) in _TEXTS else kind, place)
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        what = f"column {column[other].name!r} is {column[other].type}, in {paths[one]} it is {column[one].type}"
        raise InputError(what, fix=UNLIKE_FIX, path=paths[other])
    return next(iter(kinds))


def _arranged(frame: Any, places: Sequence[int], kinds: Sequence[Any]) -> Any:
    """The columns at these places, as these types; what is told of a column by its number goes with it."""
    import pyarrow as pa

    told = frame.schema.metadata or {}
    fields = [
        pa.field(frame.schema.names[place], kind, metadata=frame.schema.field(place).metadata)
        for place, kind in zip(places, kinds, strict=True)
    ]
    numbers = {
        str(i).encode(): told[str(place).encode()] for i, place in enumerate(places) if str(place).encode() in told
    }
    schema = pa.schema(fields, numbers)
    if not isinstance(frame, pa.Table):
        return frame.arranged(schema, places)
    cells = [cast(frame.column(place), kind) for place, kind in zip(places, kinds, strict=True)]
    return pa.Table.from_arrays(cells, schema=schema)
