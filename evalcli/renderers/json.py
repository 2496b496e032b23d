"""The report for machines: one strict JSON document, short things on one line so that people can read it too."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Any

from evalcli.classrows import ClassRows
from evalcli.renderers.class_json import by_column, on_lines
from evalcli.renderers.escape import UNSAFE
from evalcli.report_json import class_objects, value_object

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from evalcli.report import Report

_WIDTH = 120
_ITEMS = 1024
"""So many items of a long list are one piece of text."""


def render_json(report: Report) -> str:
    """``evalcli.report/1``: UTF-8 text without any raw control character, a newline at its end."""
    return "".join(json_pieces(report))


def json_pieces(report: Report) -> Iterator[str]:
    """The same piece by piece, as it is written: neither the rows of a million classes nor their text are held."""
    opening = "{\n  "
    for key, value in replace(report, per_class=()).to_json_object().items():
        yield f"{opening}{_line(key)}: "
        opening = ",\n  "
        if key == "per_class" and report.per_class:
            yield from _long(_classes(report))
        elif isinstance(value, list) and len(value) > _WIDTH and not _is_row(value):  # too long for a line
            yield from _long(_laid_out(item, 4) for item in value)
        else:
            yield _safe(_laid_out(value, 2))
    yield "\n}\n"


def document(value: Any) -> str:
    """A JSON value as the text of a file, laid out and escaped like a report."""
    return _safe(_laid_out(value, 0)) + "\n"


def lines(values: Iterable[Any]) -> str:
    """JSON values, each on a line of its own and escaped likewise."""
    return _safe("".join(f"{_line(value)}\n" for value in values))


def _classes(report: Report) -> Iterable[str]:
    """The rows of classes, laid out."""
    rows = report.per_class
    if not isinstance(rows, ClassRows):
        return (_laid_out(row, 4) for row in class_objects(report))
    laid_out = on_lines(_WIDTH, 4, lambda text: _laid_out(json.loads(text), 6))
    return by_column(rows, lambda value: _line(value_object(value)), laid_out)


def _long(items: Iterable[str]) -> Iterator[str]:
    """The items of a member of the report, one a line."""
    left, opening = iter(items), "[\n    "
    while some := [*islice(left, _ITEMS)]:
        yield _safe(opening + ",\n    ".join(some))
        opening = ",\n    "
    yield "\n  ]"


def _laid_out(value: Any, indent: int) -> str:
    """One line if it fits or is a row of numbers, else one member a line; of a list of objects always one a line."""
    if not isinstance(value, dict | list) or _is_row(value):
        return _line(value)
    keys = [f"{_key(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    items = [*value.values()] if isinstance(value, dict) else value
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    inner = indent + 2
    if indent and not _holds_objects(value):
        lines = [*map(_line, items)]
        line = opening + ", ".join(map(add, keys, lines)) + closing
        if indent + len(line) <= _WIDTH:
            return line
        room = _WIDTH - inner
        members = [
            line if len(line) <= room and not _holds_objects(item) else _laid_out(item, inner)
            for item, line in zip(items, lines, strict=True)
        ]
    else:
        members = [_laid_out(item, inner) for item in items]
    body = f",\n{' ' * inner}".join(map(add, keys, members))
    return f"{opening}\n{' ' * inner}{body}\n{' ' * indent}{closing}"


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_key = lru_cache(_ITEMS)(_line)


def _safe(text: str) -> str:
    """JSON whose strings, which alone can hold such characters, hold none but as an escape."""
    if text.isascii() and "\x7f" not in text:  # of ASCII, all below a blank is escaped already
        return text
    return UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    char = match.group()
    return char if char == "\n" else json.dumps(char)[1:-1]  # "\n" can only be our own line break here
