"""Reading the file of a saved report, or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evalcli.errors import InputError, remedy, why

if TYPE_CHECKING:
    from evalcli.report import Report

_HEAD = 4096
_LARGEST = 1 << 30
"""A report of any number of classes is far smaller."""


def may_be_report(path: str) -> bool:
    """Whether a file is rather a saved report than predictions, by its content: one JSON object, and not one a line.

    Standard input is a report, and so is what cannot be read, whose reader says why.
    """
    if path == "-":
        return True
    if any(sign in path for sign in "*?[") and not Path(path).exists():
        return False
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
            if not head.startswith(b"{"):
                return Path(path).suffix == ".json"
            line, _, more = (head + file.readline(_LARGEST)).partition(b"\n")
            return not (more or file.read(1)) or _is_of_report(line)
    except (OSError, ValueError):
        return True


def _is_of_report(line: bytes) -> bool:
    """Whether the first of several lines is no object of its own, or says what it is."""
    try:
        found = json.loads(line)
    except ValueError:
        return True
    return isinstance(found, dict) and str(found.get("schema")).startswith("evalcli.")


def read_report(path: str) -> Report:
    """The saved report at ``path``; ``-`` is standard input.

    Raises:
        InputError: it cannot be read, or is no report.

    """
    from evalcli.saved import parse_report

    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            if sys.stdin is None:
                raise InputError("standard input is closed", fix="name a file", path=name)
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as e:
        raise InputError(f"cannot be read: {why(e)}", fix=remedy(e), path=name) from e
    if len(data) > _LARGEST:
        raise InputError("too large for a report", fix="name a file written with -o FILE.json", path=name)
    return parse_report(data, name)
