"""The report for machines: one strict JSON document, short things on one line so that people can read it too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalcli.renderers.escape import UNSAFE

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from evalcli.report import Report

_WIDTH = 120


def render_json(report: Report) -> str:
    """``evalcli.report/1``: UTF-8 text without any raw control character, a newline at its end."""
    return document(report.to_json_object())


def document(value: Any) -> str:
    """A JSON value as the text of a file, laid out and escaped like a report."""
    # Inside JSON only strings can hold such characters, so they may be escaped in the finished text.
    return UNSAFE.sub(_escaped, _laid_out(value, 0)) + "\n"


def lines(values: Iterable[Any]) -> str:
    """JSON values, each on a line of its own and escaped likewise."""
    return UNSAFE.sub(_escaped, "".join(f"{_line(value)}\n" for value in values))


def _laid_out(value: Any, indent: int) -> str:
    """One line if it fits or is a row of numbers, else one member a line; of a list of objects always one a line."""
    if not isinstance(value, dict | list) or _is_row(value):
        return _line(value)
    objects = isinstance(value, list) and any(isinstance(item, dict) for item in value)
    if indent and not objects:
        line = _line(value)
        if indent + len(line) <= _WIDTH:
            return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        members = [f"{_line(key)}: {_laid_out(item, indent + 2)}" for key, item in value.items()]
    else:
        members = [_laid_out(item, indent + 2) for item in value]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    body = f",\n{inner}".join(members)
    return f"{opening}\n{inner}{body}\n{' ' * indent}{closing}"


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _escaped(match: re.Match[str]) -> str:
    char = match.group()
    return char if char == "\n" else json.dumps(char)[1:-1]  # "\n" can only be our own line break here
