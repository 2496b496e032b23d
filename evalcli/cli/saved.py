"""Reading the file of a saved report, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evalcli.errors import InputError

if TYPE_CHECKING:
    from evalcli.report import Report

_LARGEST = 1 << 30
"""A report of any number of classes is far smaller."""


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
                raise InputError("standard input is closed", path=name)
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as e:
        reason = (getattr(e, "strerror", None) or str(e)).lower()
        raise InputError(f"cannot be read: {reason}", path=name) from e
    if len(data) > _LARGEST:
        raise InputError("too large for a report", fix="name a file written with -o FILE.json", path=name)
    return parse_report(data, name)
