"""The rows of classes as lines of JSON, from columns: of a million classes no object is made.

The text is that of the rows one by one, whichever way they are held.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from math import isfinite, isinf, isnan
from operator import add
from typing import TYPE_CHECKING

from evalcli.classrows import ClassRows, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evalcli.classrows import Column
    from evalcli.report import Value

_CHUNK = 4096
"""So many rows are texts at a time."""


def by_column(
    rows: ClassRows, of_value: Callable[[Value], str], laid_out: Callable[[Sequence[str], Sequence[str]], str]
) -> Iterator[str]:
    """The text of each row: ``laid_out`` from its keys and the texts of what they stand for.

    ``of_value`` gives the text of a value that no column holds.
    """
    keys = [f"{encode_basestring(key)}: " for key in ("class", "support", "predicted", *rows.columns)]
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        counts = (map(_number, counted[part].tolist()) for counted in (rows.support, rows.predicted))
        metrics = (_texts(column, part, of_value) for column in rows.columns.values())
        for texts in zip(map(encode_basestring, rows.names[part]), *counts, *metrics, strict=True):
            yield laid_out(keys, texts)


def on_lines(width: int, indent: int, long: Callable[[str], str]) -> Callable[[Sequence[str], Sequence[str]], str]:
    """How an object is laid out from keys and texts: on one line if it fits, else a member a line.

    ``long`` lays out the text of a member that no line has room for.
    """
    inner = " " * (indent + 2)
    room = width - len(inner)

    def laid_out(keys: Sequence[str], texts: Sequence[str]) -> str:
        if sum(map(len, keys)) + sum(map(len, texts)) + 2 * len(keys) + indent <= width:
            return f"{{{', '.join(map(add, keys, texts))}}}"
        members = (key + (text if len(text) <= room else long(text)) for key, text in zip(keys, texts, strict=True))
        return f"{{\n{inner}{f',{chr(10)}{inner}'.join(members)}\n{' ' * indent}}}"

    return laid_out


def _texts(column: Column, part: slice, of_value: Callable[[Value], str]) -> Iterable[str]:
    """The values of a column in some rows."""
    if not isinstance(column, Values):
        return map(of_value, column[part])
    values = column.value[part].tolist()
    if column.low is None or column.high is None:
        return (f'{{"value": {_stored(value)}}}' for value in values)
    methods = _methods(column.method, part.start, len(values))
    return map(_interval, values, column.low[part].tolist(), column.high[part].tolist(), methods)


def _methods(method: str | Mapping[int, str], start: int, rows: int) -> Iterable[str]:
    if isinstance(method, str):
        return [encode_basestring(method)] * rows
    return (encode_basestring(method.get(place, "")) for place in range(start, start + rows))


def _interval(value: float, low: float, high: float, method: str) -> str:
    if isfinite(value + low + high):
        return f'{{"value": {value!r}, "low": {low!r}, "high": {high!r}, "method": {method}}}'
    if isnan(value) or isnan(low):  # no value, or no interval
        return f'{{"value": {_stored(value)}}}'
    return f'{{"value": {_stored(value)}, "low": {_number(low)}, "high": {_number(high)}, "method": {method}}}'


def _stored(value: float) -> str:
    """A value, and beside ``null`` that it is infinite: as ``value_object`` has it."""
    return f'null, "infinite": "{"+" if value > 0 else "-"}"' if isinf(value) else _number(value)


def _number(number: float) -> str:
    return repr(number) if isfinite(number) else "null"
