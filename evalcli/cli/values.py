"""Values that say more than one thing: class names, thresholds, numbers of rows, lists of metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalcli.errors import InputError, UsageError, remedy, why

if TYPE_CHECKING:
    from evalcli.threshold import Chosen

_LARGEST_THRESHOLD = 1 << 24
"""A file of a saved threshold is far smaller."""


def read_labels(text: str | None) -> tuple[str, ...] | None:
    """Class names from ``--labels``: an existing file (a name a line, exactly, or a JSON list), else ``a,b,c``.

    >>> read_labels("cat,dog")
    ('cat', 'dog')
    """
    if text is None:
        return None
    path = Path(text)
    try:
        is_file = path.is_file()
    except ValueError:  # a NUL: no file is called that
        is_file = False
    names = _labels_in(path) if is_file else tuple(text.split(","))
    place = text if is_file else ""
    if not is_file and len(names) == 1 and path.suffix in {".txt", ".json", ".names"}:
        raise UsageError(f"--labels {text}: no such file", fix="name a file, or the classes as a,b,c")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--labels names {twice!r} twice", fix="name every class once", path=place)
    if not names or "" in names:
        raise UsageError("--labels holds an empty name", fix="give every class a name", path=place)
    return names


def _labels_in(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        said = ("not UTF-8 text", "save it as UTF-8") if isinstance(e, UnicodeDecodeError) else (why(e), remedy(e))
        raise InputError(f"cannot be read as class names: {said[0]}", fix=said[1], path=str(path)) from e
    if text.lstrip().startswith("[") or path.suffix == ".json":
        try:
            names = json.loads(text)
        except (ValueError, RecursionError):
            names = None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
        if isinstance(names, list) or path.suffix == ".json":
            raise InputError("not a JSON list of texts", fix='write it like ["cat", "dog"]', path=str(path))
    lines = text.replace("\r\n", "\n").split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def parse_topk(text: str | None) -> tuple[int, ...] | None:
    """The k of top-k accuracies, in the order given.

    >>> parse_topk("1,3, 5"), parse_topk(None)
    ((1, 3, 5), None)

    Raises:
        UsageError: for what is no whole number from 1.

    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part[:10]) > 0 for part in parts):
        raise UsageError(f"--topk {text}", fix="give whole numbers from 1, as in --topk 1,3,5")
    return tuple(dict.fromkeys(int(part) for part in parts))


def parse_rows(text: str | None) -> int | None:
    """A number of rows, where k and M stand for thousand and million.

    >>> parse_rows("100k"), parse_rows("131072"), parse_rows("1M")
    (100000, 131072, 1000000)
    """
    if text is None:
        return None
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    digits = text[:-1] if factor > 1 else text
    if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits[:18]) * factor < 2**40 or len(digits) > 18:
        raise UsageError(f"--batch-size {text!r} is no number of rows", fix="write it like 131072, 100k or 1M")
    return int(digits) * factor


def parse_limit(text: str | None) -> int | Literal["all"] | None:
    """A number of rows to list; 0 means all of them.

    >>> parse_limit("20"), parse_limit("all"), parse_limit("0")
    (20, 'all', 'all')
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise UsageError(f"--limit {text!r} is no number of rows", fix="write it like 20, or all")
    return int(text) or "all"


def saved_threshold(text: str | None) -> str | None:
    """The file that ``--threshold @FILE`` names.

    >>> saved_threshold("@tuned.json"), saved_threshold("0.5")
    ('tuned.json', None)
    """
    return text[1:] if text is not None and text.startswith("@") else None


def read_threshold(text: str | None) -> tuple[float | None, Chosen | None]:
    """The probability of ``--threshold``, already known to be a number, and the saved choice that it comes from.

    >>> read_threshold("0.25")
    (0.25, None)
    """
    if text is None:
        return None, None
    path = saved_threshold(text)
    if path is not None:
        from evalcli.threshold import parse_chosen

        chosen = parse_chosen(_content(path), path)
        return chosen.threshold, chosen
    return float(text), None


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST_THRESHOLD + 1)
    except (OSError, ValueError) as e:
        reason = (getattr(e, "strerror", None) or str(e)).lower()
        raise InputError(
            f"cannot be read: {reason}", fix="--threshold @FILE reads what evalcli tune wrote", path=path
        ) from e
    if len(data) > _LARGEST_THRESHOLD:
        raise InputError("too large for a saved threshold", fix="name a file written by evalcli tune", path=path)
    return data
