"""Folders of tables: the files of a data set that ``save_to_disk`` wrote, and what to name in others."""

from __future__ import annotations

import os
from typing import Any

from evalcli.errors import InputError

STATE, SPLITS = "state.json", "dataset_dict.json"
"""What such a folder holds beside its files of Arrow, and one of several splits."""
_LARGEST = 1 << 24


def data_files(folder: str) -> list[str] | None:
    """The files that hold the rows, in order; ``None`` where nothing says that the folder is a data set.

    Raises:
        InputError: it has several splits, chooses rows of its files by other files, or says nothing that can be read.

    """
    if _lies_in(folder, SPLITS):
        splits = _read(folder, SPLITS).get("splits")
        names = [name for name in splits if isinstance(name, str)] if isinstance(splits, list) else []
        shown = ", ".join(map(repr, names))
        fix = f"name one of them: {os.path.join(folder, names[-1])}" if names else ""  # noqa: PTH118  text in, text out
        raise InputError(f"a data set of splits: {shown or 'none'}", fix=fix, path=folder)
    if not _lies_in(folder, STATE):
        return None
    state = _read(folder, STATE)
    found = state.get("_data_files")
    held = [each.get("filename") for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    names = [name for name in held if isinstance(name, str) and name and os.path.basename(name) == name]  # noqa: PTH119
    if not names or names != held or len(held) != len(found or ()):
        raise InputError(f"{STATE} names no files of rows", fix="save the data set again", path=folder)
    if state.get("_indices_data_files"):
        what = f"{STATE} chooses rows of its files by other files"
        raise InputError(what, fix="save .flatten_indices() of the data set", path=folder)
    return [os.path.join(folder, name) for name in names]  # noqa: PTH118


def what_to_name(folder: str) -> str:
    """What to name in place of a folder: its tables, where it holds some."""
    from evalcli.sources.sniff import TABLE_SUFFIXES

    with os.scandir(folder) as entries:
        suffixes = [os.path.splitext(entry.name)[1] for entry in entries if not entry.name.startswith((".", "_"))]  # noqa: PTH122
    tables = sorted({suffix for suffix in suffixes if suffix.lower() in TABLE_SUFFIXES}, key=suffixes.count)
    shown = f": '{folder.rstrip('/')}/*{tables[-1]}'" if tables else ""
    return f"name a file, or a glob in quotes{shown}"


def _lies_in(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118


def _read(folder: str, name: str) -> dict[str, Any]:
    import json

    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError) as e:
        raise InputError(f"{name} cannot be read", fix="save the data set again", path=folder) from e
    return found if isinstance(found, dict) else {}
